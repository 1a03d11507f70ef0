/* SPDX-License-Identifier: Apache-2.0
 * JSON Schema and manuals. The schema is tried by a small validator of the words it uses, against
 * what binding says of the same JSON; the pages are compared with golden files.
 *
 *     GOLDEN=write test_unit_plugin_schema     writes the golden files anew
 */
#include "stub.h"
#include <regex.h>

static const wf_pair modes[] = { { "text", "Plain | simple" }, { "number", "" }, { NULL, NULL } };
static const wf_param more[] = {
    { WF_P_CHOICE(struct config, color, modes), .flags = WF_EXPR, .help = "What it is" },
    { WF_NAMED("value"), WF_F_STR(struct config, text), .flags = WF_REQUIRED | WF_EXPR,
      .show_if = "color=text", .help = "A text" },
    { WF_NAMED("value"), WF_F_INT(struct config, count), .flags = WF_REQUIRED, .min = 1,
      .max = INT64_MAX, .show_if = "color=number", .help = "A number" },
    { WF_NAMED("deep.on"), WF_F_BOOL(struct config, on), .def = "true" },
    { WF_NAMED("deep.er.name"), WF_F_STR(struct config, same), .flags = WF_REQUIRED | WF_SECRET,
      .show_if = "deep.on=false,color=text" },
    { WF_P_MS(struct config, wait), .def = "2s", .flags = WF_EXPR },
    { WF_P_STR(struct config, script), .flags = WF_RAW | WF_MULTILINE, .def = "",
      .help = "A script" },
    WF_END,
};

static void on_items(const wf_host *h, wf_item *const *items, size_t n)
{
    (void)h;
    (void)items;
    (void)n;
}

static const char *const ports[] = { "ok", "rest", NULL };
static const char *const aliases[] = { "n8n-nodes-base.all", "@acme/nodes.all", NULL };
static const wf_pair codes[] = { { "too_long", "The text is too long" },
                                 { "late", NULL },
                                 { NULL, NULL } };
static const wf_metric metrics[] = { { WF_COUNTER, "sent", "messages", "Messages sent" },
                                     { WF_HISTOGRAM, "size", "bytes", NULL },
                                     { WF_COUNTER, "parts{way=\"in\",of=\"a\"}", NULL, "Parts" },
                                     { WF_COUNTER, "parts{way=\"in\",of=\"b\"}", NULL, "Parts" },
                                     { WF_COUNTER, "parts{way=\"out\",of=\"a\"}", NULL, "Parts" },
                                     { WF_COUNTER, "parts{way=\"none\"}", NULL, "Parts" },
                                     { WF_COUNTER, "ends{by=\"x\"}", NULL, "Ends: of x" },
                                     { WF_COUNTER, "ends{by=\"y\"}", NULL, "Ends: of y" },
                                     { 0, NULL, NULL, NULL } };
static const wf_param fields[] = {
    { .name = "host", .type = WF_STRING, .def = "localhost", .help = "Where it is" },
    { .name = "password",
      .type = WF_STRING,
      .flags = WF_REQUIRED | WF_SECRET,
      .help = "The password" },
    WF_END,
};
static const wf_cred_type creds[] = { { "redis", "A Redis server", fields } };
static const wf_node nodes[] = {
    { .type = "test.all",
      .help = "Has a parameter of every type",
      .ports = ports,
      .params = table,
      .config_size = sizeof(struct config),
      .process = on_items,
      .aliases = aliases,
      .codes = codes,
      .metrics = metrics,
      .flags = WF_NODE_EFFECT,
      .group = "data",
      .docs = "More about it.\n\nIn two parts.\n" },
    { .type = "test.more",
      .help = "Has parameters that hang on others",
      .ports = ports,
      .params = more,
      .config_size = sizeof(struct config),
      .process = on_items },
    { .type = "test.none",
      .help = "Has no parameters and no outputs",
      .process = on_items,
      .flags = WF_NODE_TRIGGER },
};

static struct plugin_set *make_set(void)
{
    static const wf_plugin entry = { WF_PLUGIN_BASE("test", "1.2.3", nodes), .creds = creds,
                                     .n_creds = 1, .docs = "What the plugin is for." };
    struct err err;
    struct plugin_set *set = plugin_set_create();
    if (plugin_set_add(set, &entry, NULL, &err) != 0)
        fail_msg("%s", err.text);
    return set;
}

/* --- a validator of the words that the schema uses -------------------------------------------- */

static const struct json *root;

static bool valid(const struct json *schema, const struct json *v);

static bool has_type(const struct json *v, wf_str type)
{
    int64_t i;
    if (str_eq(type, STR("integer")))
        return json_is_number(v) && json_int(v, &i);
    return str_eq(type, str_of(json_type_name(v)));
}

static bool type_fits(const struct json *types, const struct json *v)
{
    if (types->type == JSON_STRING)
        return has_type(v, json_str(types));
    for (size_t i = 0; i < types->len; i++)
        if (has_type(v, json_str(json_at(types, i))))
            return true;
    return false;
}

static bool pattern_fits(const struct json *pattern, const struct json *v)
{
    char expression[200], text[200];
    regex_t regex;
    if (v->type != JSON_STRING)
        return true;
    snprintf(expression, sizeof expression, "%.*s", STR_ARG(json_str(pattern)));
    snprintf(text, sizeof text, "%.*s", STR_ARG(json_str(v)));
    assert_int_equal(regcomp(&regex, expression, REG_EXTENDED | REG_NOSUB), 0);
    bool fits = regexec(&regex, text, 0, NULL, 0) == 0;
    regfree(&regex);
    return fits;
}

static bool any_equal(const struct json *values, const struct json *v)
{
    for (size_t i = 0; i < values->len; i++)
        if (json_equal(json_at(values, i), v))
            return true;
    return false;
}

static const struct json *referred(const struct json *ref)
{
    static const char prefix[] = "#/$defs/";
    char name[200], *to = name;
    wf_str text = json_str(ref);
    assert_true(text.len > strlen(prefix) && !memcmp(text.ptr, prefix, strlen(prefix)));
    for (size_t i = strlen(prefix); i < text.len; i++)
        if (text.ptr[i] == '~')
            *to++ = text.ptr[++i] == '1' ? '/' : '~';
        else
            *to++ = text.ptr[i];
    const struct json *found = json_get(JSON_GET(root, "$defs"), name, (size_t)(to - name));
    assert_non_null(found);
    return found;
}

static bool object_fits(const struct json *schema, const struct json *v)
{
    const struct json *properties = JSON_GET(schema, "properties"),
                      *required = JSON_GET(schema, "required");
    const struct json *additional = JSON_GET(schema, "additionalProperties");
    for (size_t i = 0; required && i < required->len; i++)
        if (!json_get(v, json_at(required, i)->s, json_at(required, i)->len))
            return false;
    for (size_t i = 0; i < v->len; i++) {
        const struct json *key = &v->members[i].key,
                          *property = json_get(properties, key->s, key->len);
        if (property ? !valid(property, &v->members[i].value)
                     : additional && !valid(additional, &v->members[i].value))
            return false;
    }
    return true;
}

static bool combined_fit(const struct json *schema, const struct json *v)
{
    const struct json *any = JSON_GET(schema, "anyOf"), *all = JSON_GET(schema, "allOf");
    bool one = !any;
    for (size_t i = 0; any && i < any->len; i++)
        one |= valid(json_at(any, i), v);
    for (size_t i = 0; all && i < all->len; i++)
        if (!valid(json_at(all, i), v))
            return false;
    const struct json *condition = JSON_GET(schema, "if");
    return one && (!condition || !valid(condition, v) || valid(JSON_GET(schema, "then"), v));
}

static bool valid(const struct json *schema, const struct json *v)
{
    double number, limit;
    if (schema->type != JSON_OBJECT)
        return schema->type == JSON_TRUE;
    const struct json *word;
    if ((word = JSON_GET(schema, "$ref")))
        return valid(referred(word), v);
    if ((word = JSON_GET(schema, "type")) && !type_fits(word, v))
        return false;
    if ((word = JSON_GET(schema, "pattern")) && !pattern_fits(word, v))
        return false;
    if ((word = JSON_GET(schema, "enum")) && !any_equal(word, v))
        return false;
    if ((word = JSON_GET(schema, "const")) && !json_equal(word, v))
        return false;
    if (json_double(v, &number)) {
        if (json_double(JSON_GET(schema, "minimum"), &limit) && number < limit)
            return false;
        if (json_double(JSON_GET(schema, "maximum"), &limit) && number > limit)
            return false;
    }
    if (v->type == JSON_ARRAY && (word = JSON_GET(schema, "items")))
        for (size_t i = 0; i < v->len; i++)
            if (!valid(word, json_at(v, i)))
                return false;
    if (v->type == JSON_OBJECT && !object_fits(schema, v))
        return false;
    return combined_fit(schema, v);
}

/* --- schema ----------------------------------------------------------------------------------- */

static struct json schema_of(struct fixture *f, const struct node_type *type)
{
    struct strbuf b;
    strbuf_init(&b, 1 << 20);
    schema_node(&b, type);
    assert_false(b.failed);
    struct json schema = parse(&f->arena, strbuf_str(&b).ptr);
    strbuf_fini(&b);
    return schema;
}

static void schema_and_binding_agree(void **state)
{
    struct fixture *f = *state;
    static const struct {
        int node;
        const char *given;
    } cases[] = {
        { 0, "{'needed':'n'}" },
        { 0, "{}" },
        { 0, "{'needed':5}" },
        { 0, "{'needed':'=x'}" },
        { 0, "{'needed':[]}" },
        { 0, "{'needed':'n','same':'=x'}" },
        { 0, "{'needed':'n','same':''}" },
        { 0, "{'needed':'n','script':'=x'}" },
        { 0, "{'needed':{'__rl':true,'value':'v'}}" },
        { 0, "{'needed':'n','count':5}" },
        { 0, "{'needed':'n','count':'5'}" },
        { 0, "{'needed':'n','count':'=x'}" },
        { 0, "{'needed':'n','count':'five'}" },
        { 0, "{'needed':'n','count':1001}" },
        { 0, "{'needed':'n','count':-5}" },
        { 0, "{'needed':'n','count':1.5}" },
        { 0, "{'needed':'n','count':true}" },
        { 0, "{'needed':'n','wait':'5m'}" },
        { 0, "{'needed':'n','wait':'5 parsecs'}" },
        { 0, "{'needed':'n','wait':-1}" },
        { 0, "{'needed':'n','options':{'limit':'2M','url':'u'}}" },
        { 0, "{'needed':'n','options':{'limit':'2X'}}" },
        { 0, "{'needed':'n','options':{'lmit':1}}" },
        { 0, "{'needed':'n','options':5}" },
        { 0, "{'needed':'n','zzz':1}" },
        { 0, "{'needed':'n','on':'true','ratio':2.5,'color':'red'}" },
        { 0, "{'needed':'n','on':'yes'}" },
        { 0, "{'needed':'n','ratio':11}" },
        { 0, "{'needed':'n','ratio':'1e0'}" },
        { 0, "{'needed':'n','color':'pink'}" },
        { 0, "{'needed':'n','color':'=x'}" },
        { 0, "{'needed':'n','rows':{'values':[{'name':'a','size':5,'id':'i'}]}}" },
        { 0, "{'needed':'n','rows':{'values':[{'size':5}]}}" },
        { 0, "{'needed':'n','rows':{'values':[{'name':'a','size':0}]}}" },
        { 0, "{'needed':'n','rows':{'values':[{'name':'a','nmae':0}]}}" },
        { 0, "{'needed':'n','rows':{'values':5}}" },
        { 0, "{'needed':'n','rows':{'values':{'name':'lone'}}}" },
        { 0, "{'needed':'n','tags':['a',{'text':'b'}]}" },
        { 0, "{'needed':'n','tags':[{}]}" },
        { 0, "{'needed':'n','tags':[{'txt':'b'}]}" },
        { 0, "{'needed':'n','body':{'any':[1,{'thing':null}]}}" },
        { 0, "{'needed':'n','cred':{'id':'1'}}" },
        { 0, "{'needed':'n','cred':5}" },
        { 1, "{'value':'v'}" },
        { 1, "{}" },
        { 1, "{'color':'text'}" },
        { 1, "{'color':'number','value':3}" },
        { 1, "{'color':'number'}" },
        { 1, "{'color':'=x'}" },
        { 1, "{'value':'v','deep':{'on':false}}" },
        { 1, "{'value':'v','deep':{'on':'false'}}" },
        { 1, "{'value':'v','deep':{'on':false,'er':{'name':'n'}}}" },
        { 1, "{'value':'v','deep':{'on':true}}" },
        { 1, "{'color':'number','value':3,'deep':{'on':false}}" },
        { 2, "{}" },
        { 2, "{'a':1}" },
        { 2, "[]" },
    };
    struct plugin_set *set = make_set();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct node_type *type = plugin_node_at(set, (size_t)cases[i].node);
        struct json schema = schema_of(f, type), given = parse(&f->arena, json_of(cases[i].given));
        root = &schema;
        bool fits = valid(&schema, &given);
        bool binds = bind_to(f, type->node.params, type->node.config_size, cases[i].given) == 0;
        if (fits != binds)
            fail_msg("%s: the schema says %s; binding: %s", cases[i].given, fits ? "yes" : "no",
                     binds ? "yes" : f->reports);
    }
    plugin_set_destroy(set);
}

static void workflow_schema_picks_by_type(void **state)
{
    struct fixture *f = *state;
    static const struct {
        const char *workflow;
        bool fits;
    } cases[] = {
        { "{'nodes':[{'name':'a','type':'test.none'}]}", true },
        { "{}", false },
        { "{'nodes':[{'name':'a','type':'test.more','parameters':{'value':'v'}}],'anything':1}",
          true },
        { "{'nodes':[{'name':'a','type':'test.more','parameters':{}}]}", false },
        { "{'nodes':[{'name':'a','type':'test.all','parameters':{'needed':'n'}}]}", true },
        { "{'nodes':[{'name':'a','type':'n8n-nodes-base.all','parameters':{'nedeed':'n'}}]}",
          false },
        { "{'nodes':[{'name':'a','type':'@acme/nodes.all','parameters':{'needed':'n'}}]}", true },
        { "{'nodes':[{'name':'a','type':'unknown','parameters':{'x':'n'}}]}", false },
        { "{'nodes':[{'name':'a','type':'test.more','disabled':true,'parameters':{}}]}", true },
        { "{'nodes':[{'name':'a','type':'n8n-nodes-base.stickyNote','parameters':{}}]}", true },
        { "{'nodes':[{'type':'test.none'}]}", false },
        { "{'nodes':[{'name':'a','type':'test.none','onError':'explode'}]}", false },
        { "{'nodes':[{'name':'a','type':'test.none'}],'connections':{'a':{'main':[[{'node':'b','"
          "type':'main','index':0}],null]}}}",
          true },
        { "{'nodes':[{'name':'a','type':'test.none'}],'connections':{'a':{'main':[[{'type':'main'}]"
          "]}}}",
          false },
        { "{'nodes':[{'name':'a','type':'test.none'}],'settings':{'durability':'each_step','other':"
          "1}}",
          true },
        { "{'nodes':[{'name':'a','type':'test.none'}],'settings':{'durability':'sometimes'}}",
          false },
    };
    struct plugin_set *set = make_set();
    struct strbuf b;
    strbuf_init(&b, 1 << 20);
    schema_workflow(&b, set);
    struct json schema = parse(&f->arena, strbuf_str(&b).ptr);
    root = &schema;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct json given = parse(&f->arena, json_of(cases[i].workflow));
        if (valid(&schema, &given) != cases[i].fits)
            fail_msg("%s: must %sfit", cases[i].workflow, cases[i].fits ? "" : "not ");
    }
    strbuf_fini(&b);
    plugin_set_destroy(set);
}

static void schema_of_an_empty_registry(void **state)
{
    struct fixture *f = *state;
    struct plugin_set *set = plugin_set_create();
    struct strbuf b;
    strbuf_init(&b, 1 << 20);
    schema_workflow(&b, set);
    parse(&f->arena, strbuf_str(&b).ptr);
    strbuf_fini(&b);
    plugin_set_destroy(set);
}

/* --- golden files ----------------------------------------------------------------------------- */

static void golden(const char *name, wf_str text)
{
    char path[400], *there;
    const char *source = getenv("CATALYST_SOURCE");
    snprintf(path, sizeof path, "%s/tests/unit/plugin/golden/%s", source ? source : ".", name);
    FILE *file = fopen(path, getenv("GOLDEN") ? "w+" : "r");
    if (!file)
        fail_msg("%s cannot be opened (CATALYST_SOURCE is the source tree)", path);
    if (getenv("GOLDEN")) {
        fputs(text.ptr, file);
        rewind(file);
    }
    there = calloc(1, text.len + 100);
    there[fread(there, 1, text.len + 99, file)] = 0;
    fclose(file);
    if (strcmp(there, text.ptr) != 0)
        fail_msg("%s differs; it should be:\n%s", path, text.ptr);
    free(there);
}

static void pages_are_as_they_were(void **state)
{
    (void)state;
    struct plugin_set *set = make_set();
    struct strbuf b;
    strbuf_init(&b, 1 << 20);
    docs_plugin(&b, plugin_at(set, 0));
    golden("plugin.md", strbuf_str(&b));
    strbuf_clear(&b);
    for (size_t i = 0; i < 3; i++)
        docs_node(&b, plugin_node_at(set, i));
    golden("nodes.txt", strbuf_str(&b));
    strbuf_clear(&b);
    schema_node(&b, plugin_node_at(set, 1));
    strbuf_addc(&b, '\n');
    golden("more.schema.json", strbuf_str(&b));
    strbuf_fini(&b);
    plugin_set_destroy(set);
}

static void pages_are_narrow(void **state)
{
    (void)state;
    struct plugin_set *set = make_set();
    struct strbuf b;
    strbuf_init(&b, 1 << 20);
    docs_node(&b, plugin_node_at(set, 0));
    for (char *line = strtok(b.ptr, "\n"); line; line = strtok(NULL, "\n"))
        if (strlen(line) > 80)
            fail_msg("longer than 80 columns: %s", line);
    strbuf_fini(&b);
    plugin_set_destroy(set);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        UNIT(schema_and_binding_agree),
        UNIT(workflow_schema_picks_by_type),
        UNIT(schema_of_an_empty_registry),
        UNIT(pages_are_as_they_were),
        UNIT(pages_are_narrow),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
