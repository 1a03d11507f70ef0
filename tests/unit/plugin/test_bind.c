/* SPDX-License-Identifier: Apache-2.0
 * Binding of constants: every type, every message, n8n's shapes, show_if.
 */
#include "stub.h"

static const struct config *bound(struct fixture *f, const char *text)
{
    if (bind(f, text) != 0)
        fail_msg("%s: %s", text, f->reports);
    assert_string_equal(f->reports, "");
    return f->params.base;
}

static void refused(struct fixture *f, const char *text, const char *reports)
{
    assert_int_equal(bind(f, text), -1);
    assert_string_equal(f->reports, quoted(reports));
}

/* As refused, the required parameter being there. */
static void wrong(struct fixture *f, const char *member, const char *reports)
{
    char text[2000];
    snprintf(text, sizeof text, "{'needed':'n',%s}", member);
    refused(f, text, reports);
}

static const struct config *with(struct fixture *f, const char *member)
{
    char text[2000];
    snprintf(text, sizeof text, "{'needed':'n'%s%s}", *member ? "," : "", member);
    return bound(f, text);
}

static void defaults(void **state)
{
    const struct config *c = with(*state, "");
    assert_string_equal(c->text.ptr, "hello");
    assert_int_equal(c->text.len, 5);
    assert_string_equal(c->needed.ptr, "n");
    assert_int_equal(c->count, 3);
    assert_int_equal(c->wait, 2000);
    assert_int_equal(c->limit, 65536);
    assert_int_equal(c->on, 1);
    assert_int_equal(c->color, 1);
    assert_true(c->ratio == 0);
    assert_int_equal(c->rows.n, 0);
    assert_null(c->body);
    assert_null(c->cred);
    assert_non_null(c->script.ptr); /* absent text is "", never NULL */
    assert_string_equal(c->script.ptr, "");
}

static void every_type_as_it_should_be(void **state)
{
    const struct config *c =
        with(*state, "'text':'t','count':-5,'wait':1500,'on':false,'color':'blue','ratio':2.5,"
                     "'options':{'url':'u','limit':10},'body':{'a':[1]}");
    assert_string_equal(c->text.ptr, "t");
    assert_int_equal(c->count, -5);
    assert_int_equal(c->wait, 1500);
    assert_int_equal(c->on, 0);
    assert_int_equal(c->color, 2);
    assert_true(c->ratio == 2.5);
    assert_string_equal(c->url.ptr, "u");
    assert_int_equal(c->limit, 10);
    assert_int_equal(((const struct json *)c->body)->type, JSON_OBJECT);
}

static void numbers_and_booleans_as_text(void **state)
{
    const struct config *c =
        with(*state, "'text':12,'count':' 42 ','wait':'5m','on':'false','ratio':'1e0',"
                     "'options':{'limit':'2M'}");
    assert_string_equal(c->text.ptr, "12");
    assert_int_equal(c->count, 42);
    assert_int_equal(c->wait, 300000);
    assert_int_equal(c->on, 0);
    assert_true(c->ratio == 1);
    assert_int_equal(c->limit, 2 << 20);
    c = with(*state, "'text':true,'on':0,'count':2.0,'ratio':3");
    assert_string_equal(c->text.ptr, "true");
    assert_int_equal(c->on, 0);
    assert_int_equal(c->count, 2);
    assert_true(c->ratio == 3);
}

static void null_is_not_given(void **state)
{
    const struct config *c =
        with(*state, "'text':null,'count':null,'options':null,'rows':{'values':null},'tags':null");
    assert_string_equal(c->text.ptr, "hello");
    assert_int_equal(c->count, 3);
    assert_int_equal(c->limit, 65536);
    c = with(*state, "'body':null");
    assert_int_equal(((const struct json *)c->body)->type, JSON_NULL); /* null is a value */
}

static void wrong_types(void **state)
{
    struct fixture *f = *state;
    wrong(f, "'text':[1]", "text: must be text, got an array");
    wrong(f, "'text':{}", "text: must be text, got an object");
    wrong(f, "'count':'x'", "count: must be a whole number, got `x`");
    wrong(f, "'count':1.5", "count: must be a whole number, got 1.5");
    wrong(f, "'count':true", "count: must be a whole number, got true");
    wrong(f, "'count':''", "count: must be a whole number, got ``");
    wrong(f, "'count':99999999999999999999",
          "count: must be a whole number, got 99999999999999999999");
    wrong(f, "'on':'yes'", "on: must be true or false, got `yes`");
    wrong(f, "'on':2", "on: must be true or false, got 2");
    wrong(f, "'ratio':'0x10'", "ratio: must be a number, got `0x10`");
    wrong(f, "'ratio':'nan'", "ratio: must be a number, got `nan`");
    wrong(f, "'wait':'5 parsecs'",
          "wait: must be a time such as `250ms`, `2s`, `5m`, `1h` or a number of milliseconds, got "
          "`5 parsecs`");
    wrong(f, "'wait':-1", "wait: must be 0 or more, got -1");
    wrong(f, "'options':{'limit':'2X'}",
          "options.limit: must be a size such as `64k`, `2M` or a number of bytes, got `2X`");
    wrong(f, "'options':{'limit':[]}",
          "options.limit: must be a size such as `64k`, `2M` or a number of bytes, got an array");
    wrong(f, "'tags':'t','rows':{'values':'x'}", "rows.values: must be a list, got `x`");
    wrong(f, "'rows':{'values':[5]}", "rows.values[0]: must be an object of parameters, got 5");
}

static void ranges(void **state)
{
    struct fixture *f = *state;
    wrong(f, "'count':1001", "count: must be between -5 and 1000, got 1001");
    wrong(f, "'count':'-6'", "count: must be between -5 and 1000, got `-6`");
    wrong(f, "'ratio':10.5", "ratio: must be between 0 and 10, got 10.5");
    wrong(f, "'rows':{'values':[{'name':'a','size':0}]}",
          "rows.values[0].size: must be between 1 and 100, got 0");
    static const wf_param open_ends[] = {
        { WF_P_INT(struct config, count), .min = 1, .max = INT64_MAX },
        { WF_P_MS(struct config, wait), .min = INT64_MIN, .max = 10 },
        WF_END,
    };
    assert_int_equal(bind_to(f, open_ends, sizeof(struct config), "{'count':0,'wait':'11ms'}"), -1);
    assert_string_equal(f->reports,
                        "count: must be 1 or more, got 0\nwait: must be 10 or less, got \"11ms\"");
    assert_int_equal(bind_to(f, open_ends, sizeof(struct config), "{'count':1,'wait':-3}"), 0);
}

static void choices(void **state)
{
    struct fixture *f = *state;
    wrong(f, "'color':'bleu'",
          "color: must be one of 'red', 'green', 'blue', got `bleu`; did you mean 'blue'?");
    wrong(f, "'color':'xxxxxxxx'", "color: must be one of 'red', 'green', 'blue', got `xxxxxxxx`");
    wrong(f, "'color':['red']", "color: must be one of 'red', 'green', 'blue', got an array");
    static const wf_pair flags[] = { { "true", "" }, { "2", "" }, { NULL, NULL } };
    static const wf_param rows[] = { { WF_P_CHOICE(struct config, color, flags) }, WF_END };
    assert_int_equal(bind_to(f, rows, sizeof(struct config), "{'color':2}"), 0);
    assert_int_equal(((const struct config *)f->params.base)->color, 1);
    assert_int_equal(bind_to(f, rows, sizeof(struct config), "{'color':true}"), 0);
    assert_int_equal(((const struct config *)f->params.base)->color, 0);
}

static void many_choices_do_not_overflow(void **state)
{
    struct fixture *f = *state;
    static wf_pair many[201];
    static char names[200][60];
    for (int i = 0; i < 200; i++) {
        snprintf(names[i], sizeof names[i], "a-very-long-name-of-a-choice-that-fills-lines-%d", i);
        many[i].name = names[i];
    }
    const wf_param rows[] = { { WF_P_CHOICE(struct config, color, many) }, WF_END };
    assert_int_equal(bind_to(f, rows, sizeof(struct config), "{'color':'q'}"), -1);
    assert_non_null(strstr(f->reports, "..., got \"q\""));
}

static void required(void **state)
{
    struct fixture *f = *state;
    refused(f, "{}", "needed: is required: Must be there");
    refused(f, "{'needed':null}", "needed: is required: Must be there");
    refused(f, "{'needed':''}", "needed: is required: Must be there");
    refused(f, "{'needed':{'__rl':true,'mode':'id','value':''}}",
            "needed: is required: Must be there");
    wrong(f, "'rows':{'values':[{'size':1},{'name':'a'}]}",
          "rows.values[0].name: is required: Name");
    assert_int_equal(
        params_bind(&f->arena, table, sizeof(struct config), NULL, NULL, &f->hooks, &f->params),
        -1);
}

static void all_mistakes_at_once(void **state)
{
    refused(*state, "{'cuont':1,'color':'x','on':5,'rows':{'values':[{}]}}",
            "key cuont: unknown parameter; did you mean 'count'?\n"
            "needed: is required: Must be there\n"
            "on: must be true or false, got 5\n"
            "color: must be one of 'red', 'green', 'blue', got `x`\n"
            "rows.values[0].name: is required: Name");
}

static void unknown_names(void **state)
{
    struct fixture *f = *state;
    wrong(f, "'zzzzzzz':1", "key zzzzzzz: unknown parameter");
    wrong(f, "'options':{'lmit':1}", "key options.lmit: unknown parameter; did you mean 'limit'?");
    wrong(f, "'jsCount':1", "key jsCount: unknown parameter; did you mean 'count'?");
    wrong(f, "'option':{}", "key option: unknown parameter; did you mean 'options'?");
    wrong(f, "'rows':{'value':[]}", "key rows.value: unknown parameter; did you mean 'values'?");
    wrong(f, "'rows':{'values':[{'name':'a','siez':1}]}",
          "key rows.values[0].siez: unknown parameter; did you mean 'size'?");
    wrong(f, "'a.b c':1", "key ['a.b c']: unknown parameter");
    wrong(f, "'options':5", "options: must be an object of parameters, got 5");
    wrong(f, "'options.limit':5", "key ['options.limit']: unknown parameter");
    assert_int_equal(bind_to(f, NULL, 0, "{'a':1}"), -1);
    assert_string_equal(f->reports, "key a: unknown parameter: this node has none");
    assert_int_equal(bind_to(f, NULL, 0, "{}"), 0);
    assert_int_equal(bind_to(f, NULL, 0, "[1]"), -1);
    assert_string_equal(f->reports, ": parameters must be an object, got array");
}

static void lists(void **state)
{
    struct fixture *f = *state;
    const struct config *c =
        with(f, "'rows':{'values':[{'name':'a','size':5,'extra':[1]},{'id':'x','name':'b',"
                "'inner':[{'text':'i'},{'text':'j'}]}]}");
    const struct row *rows = c->rows.rows;
    assert_int_equal(c->rows.n, 2);
    assert_string_equal(rows[0].name.ptr, "a");
    assert_int_equal(rows[0].size, 5);
    assert_non_null(rows[0].extra);
    assert_string_equal(rows[1].name.ptr, "b");
    assert_int_equal(rows[1].size, 7);
    assert_int_equal(rows[1].inner.n, 2);
    assert_string_equal(((const struct inner *)rows[1].inner.rows)[1].text.ptr, "j");
    c = with(f, "'rows':{'values':{'name':'lone'}}");
    assert_int_equal(c->rows.n, 1);
    assert_string_equal(((const struct row *)c->rows.rows)->name.ptr, "lone");
    assert_int_equal(with(f, "'rows':{'values':{}}")->rows.n, 0);
    assert_int_equal(with(f, "'rows':{}")->rows.n, 0);
}

static void lists_have_an_end(void **state)
{
    struct fixture *f = *state;
    struct strbuf b;
    strbuf_init(&b, 1 << 20);
    strbuf_adds(&b, "{\"needed\":\"n\",\"tags\":[");
    for (int i = 0; i <= 10000; i++)
        strbuf_adds(&b, i ? ",1" : "1");
    strbuf_adds(&b, "]}");
    struct json given = parse(&f->arena, strbuf_str(&b).ptr);
    assert_int_equal(
        params_bind(&f->arena, table, sizeof(struct config), &given, NULL, &f->hooks, &f->params),
        -1);
    assert_string_equal(f->reports, "tags: has 10001 rows; 10000 is the most");
    strbuf_fini(&b);
}

static void lists_of_plain_values(void **state)
{
    struct fixture *f = *state;
    const struct config *c = with(f, "'tags':['a',{'text':'b'},3]");
    const struct inner *tags = c->tags.rows;
    assert_int_equal(c->tags.n, 3);
    assert_string_equal(tags[0].text.ptr, "a");
    assert_string_equal(tags[1].text.ptr, "b");
    assert_string_equal(tags[2].text.ptr, "3");
    c = with(f, "'tags':'alone'");
    assert_int_equal(c->tags.n, 1);
    wrong(f, "'tags':['a',null]", "tags[1]: is required: A text");
    wrong(f, "'tags':['a',[]]", "tags[1]: must be text, got an array");
}

static void collections_are_unwrapped(void **state)
{
    struct fixture *f = *state;
    const struct config *c = with(f, "'tags':{'values':[{'text':'a'},{'text':'b'}]}");
    assert_int_equal(c->tags.n, 2);
    c = with(f, "'tags':{'value':{'text':'a'}}");
    assert_int_equal(c->tags.n, 1);
    wrong(f, "'tags':{'values':[{}]}", "tags.values[0].text: is required: A text");
}

static void locators(void **state)
{
    struct fixture *f = *state;
    const struct config *c =
        with(f, "'text':{'__rl':true,'mode':'list','value':'v','cachedResultName':'n'},"
                "'count':{'__rl':true,'value':'8'}");
    assert_string_equal(c->text.ptr, "v");
    assert_int_equal(c->count, 8);
    wrong(f, "'count':{'__rl':true,'value':'x'}", "count.value: must be a whole number, got `x`");
}

static void secrets_stay_secret(void **state)
{
    struct fixture *f = *state;
    static const wf_param rows[] = {
        { WF_P_INT(struct config, count), .flags = WF_SECRET },
        { WF_P_CHOICE(struct config, color, colors), .flags = WF_SECRET },
        WF_END,
    };
    assert_int_equal(bind_to(f, rows, sizeof(struct config), "{'count':'hunter2','color':'blu'}"),
                     -1);
    assert_null(strstr(f->reports, "hunter2"));
    assert_null(strstr(f->reports, "blu\""));
    assert_null(strstr(f->reports, "did you mean"));
    assert_int_equal(bind_to(f, rows, sizeof(struct config), "{'count':12345.5}"), -1);
    assert_null(strstr(f->reports, "12345"));
}

static void long_values_are_cut(void **state)
{
    struct fixture *f = *state;
    wrong(f, "'on':'0123456789012345678901234567890123456789x'",
          "on: must be true or false, got `0123456789012345678901234567890123456789...`");
    wrong(f, "'on':'012345678901234567890123456789012345678\xc3\xa4x'",
          "on: must be true or false, got `012345678901234567890123456789012345678...`");
}

/* --- show_if ---------------------------------------------------------------------------------- */

static const wf_pair modes[] = { { "text", "" }, { "number", "" }, { "none", "" }, { NULL, NULL } };
static const wf_param shown[] = {
    { WF_P_CHOICE(struct config, color, modes), .flags = WF_EXPR, .def = "text" },
    { WF_NAMED("value"), WF_F_STR(struct config, text), .flags = WF_REQUIRED | WF_EXPR,
      .show_if = "color=text" },
    { WF_NAMED("value"), WF_F_INT(struct config, count), .def = "4", .flags = WF_EXPR,
      .show_if = "color=number" },
    { WF_P_BOOL(struct config, on), .show_if = "color=text|number" },
    { WF_NAMED("deep"), WF_F_STR(struct config, same), .flags = WF_REQUIRED,
      .show_if = "on=true,color=text" },
    WF_END,
};

static void show_if_picks_rows(void **state)
{
    struct fixture *f = *state;
    const struct config *c;
    assert_int_equal(bind_to(f, shown, sizeof *c, "{'value':'v'}"), 0);
    c = f->params.base;
    assert_string_equal(c->text.ptr, "v");
    assert_int_equal(c->count, 4);
    assert_int_equal(bind_to(f, shown, sizeof *c, "{'color':'number','value':9}"), 0);
    c = f->params.base;
    assert_string_equal(c->text.ptr, "");
    assert_int_equal(c->count, 9);
}

static void hidden_rows_are_not_looked_at(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(
        bind_to(f, shown, sizeof(struct config), "{'color':'none','value':{},'on':'?','deep':[]}"),
        0);
    assert_int_equal(bind_to(f, shown, sizeof(struct config), "{}"), -1);
    assert_string_equal(f->reports, "value: is required");
    assert_int_equal(bind_to(f, shown, sizeof(struct config), "{'value':'v','on':true}"), -1);
    assert_string_equal(f->reports, "deep: is required");
    /* hidden by a hidden one */
    assert_int_equal(bind_to(f, shown, sizeof(struct config), "{'color':'none','on':true}"), 0);
}

static void show_if_on_an_expression(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(bind_to(f, shown, sizeof(struct config), "{'color':'=x'}"),
                     0); /* nothing is required */
    assert_int_equal(f->params.n_slots, 1);
    assert_int_equal(bind_to(f, shown, sizeof(struct config), "{'color':'=x','value':'given'}"), 0);
    assert_string_equal(((const struct config *)f->params.base)->text.ptr, "given");
}

/* Tables of plugins are checked at load; one that was not must still end. */
static void show_if_in_a_circle_ends(void **state)
{
    struct fixture *f = *state;
    static const wf_param circle[] = {
        { WF_P_STR(struct config, text), .flags = WF_REQUIRED, .show_if = "same=x" },
        { WF_P_STR(struct config, same), .flags = WF_REQUIRED, .show_if = "text=x" },
        WF_END,
    };
    assert_int_equal(bind_to(f, circle, sizeof(struct config), "{'text':'x','same':'x'}"), 0);
    assert_string_equal(((const struct config *)f->params.base)->text.ptr, "");
}

/* --- credentials ------------------------------------------------------------------------------ */

static const wf_cred *stub_credential(void *ctx, const char *path, const char *types,
                                      const struct json *reference)
{
    struct fixture *f = ctx;
    const struct json *id = reference->type == JSON_STRING ? reference : JSON_GET(reference, "id");
    char what[200];
    snprintf(what, sizeof what, "types %s id %.*s", types, STR_ARG(json_str(id)));
    stub_report(ctx, path, false, what);
    return str_eq(json_str(id), STR("gone")) ? NULL : (const wf_cred *)(const void *)f;
}

static int bind_cred(struct fixture *f, const char *given, const char *credentials)
{
    struct json g = parse(&f->arena, json_of(given)), c = parse(&f->arena, json_of(credentials));
    f->reports[0] = 0;
    return params_bind(&f->arena, table, sizeof(struct config), &g, &c, &f->hooks, &f->params);
}

static void credentials(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(
        bind_cred(f, "{'needed':'n'}", "{'httpBasicAuth':{'id':'7','name':'x'},'other':{}}"), 0);
    assert_non_null(
        ((const struct config *)f->params.base)->cred); /* nobody looks it up: a stand-in */
    f->hooks.credential = stub_credential;
    assert_int_equal(
        bind_cred(f, "{'needed':'n'}", "{'httpBasicAuth':{'id':'7','name':'x'},'other':{}}"), 0);
    assert_string_equal(f->reports, "/credentials.httpBasicAuth: types httpBasicAuth id 7");
    assert_ptr_equal(((const struct config *)f->params.base)->cred, f);
    assert_int_equal(bind_cred(f, "{'needed':'n','cred':'mine'}", "{}"), 0);
    assert_string_equal(f->reports, "cred: types redis,httpBasicAuth id mine");
    assert_int_equal(bind_cred(f, "{'needed':'n'}", "{'redis':{'id':'gone'}}"), -1);
    assert_int_equal(bind_cred(f, "{'needed':'n'}", "{'redis':5}"), -1);
    assert_string_equal(f->reports, "/credentials.redis: must name a credential, got number");
    assert_int_equal(bind_cred(f, "{'needed':'n','cred':'=x'}", "{}"), -1);
    assert_string_equal(f->reports, "cred: a credential cannot be an expression");
}

static void required_credential(void **state)
{
    struct fixture *f = *state;
    static const wf_param rows[] = { { WF_P_CRED(struct config, cred, "redis,valkey"),
                                       .flags = WF_REQUIRED, .help = "The server" },
                                     WF_END };
    assert_int_equal(bind_to(f, rows, sizeof(struct config), "{}"), -1);
    assert_string_equal(f->reports, "cred: needs a credential of type redis,valkey: The server");
}

static void units(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t ms, bytes;
    } cases[] = {
        { "250ms", 250, -1 },
        { "2s", 2000, -1 },
        { "5m", 300000, 5 << 20 },
        { "1h", 3600000, -1 },
        { "3d", 259200000, -1 },
        { "1.5h", 5400000, -1 },
        { " 7 ", 7, 7 },
        { "64k", -1, 65536 },
        { "2M", -1, 2 << 20 },
        { "1G", -1, 1 << 30 },
        { "0.5T", -1, INT64_C(1) << 39 },
        { "1.5", -1, -1 },
        { "0.1ms", -1, -1 },
        { "", -1, -1 },
        { "s", -1, -1 },
        { "-1s", -1, -1 },
        { "1.", -1, -1 },
        { "2KiB", -1, 2048 },
        { "9223372036854775807", INT64_MAX, INT64_MAX },
        { "9223372036854775808", -1, -1 },
        { "99999999999999d", -1, -1 },
        { "1s2", -1, -1 },
        { "2S", -1, -1 },
        { "1.0000000001s", -1, -1 },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        if (params_ms(str_of(cases[i].text)) != cases[i].ms ||
            params_bytes(str_of(cases[i].text)) != cases[i].bytes)
            fail_msg("'%s': %lld ms, %lld bytes", cases[i].text,
                     (long long)params_ms(str_of(cases[i].text)),
                     (long long)params_bytes(str_of(cases[i].text)));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        UNIT(defaults),
        UNIT(every_type_as_it_should_be),
        UNIT(numbers_and_booleans_as_text),
        UNIT(null_is_not_given),
        UNIT(wrong_types),
        UNIT(ranges),
        UNIT(choices),
        UNIT(many_choices_do_not_overflow),
        UNIT(required),
        UNIT(all_mistakes_at_once),
        UNIT(unknown_names),
        UNIT(lists),
        UNIT(lists_of_plain_values),
        UNIT(lists_have_an_end),
        UNIT(collections_are_unwrapped),
        UNIT(locators),
        UNIT(secrets_stay_secret),
        UNIT(long_values_are_cut),
        UNIT(show_if_picks_rows),
        UNIT(hidden_rows_are_not_looked_at),
        UNIT(show_if_on_an_expression),
        UNIT(show_if_in_a_circle_ends),
        UNIT(credentials),
        UNIT(required_credential),
        UNIT(units),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
