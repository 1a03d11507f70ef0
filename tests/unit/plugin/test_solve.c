/* SPDX-License-Identifier: Apache-2.0
 * Expressions: what becomes a slot, what it gives, and what happens when it gives nothing or
 * nonsense.
 */
#include "stub.h"
#include <time.h>

static const struct config *solve(struct fixture *f, struct err *err)
{
    return params_solve(&f->arena, &f->params, stub_eval, f, err);
}

/* Binds `{'needed':'n', member}`, solves it over `data`. */
static const struct config *solved(struct fixture *f, const char *member, const char *data)
{
    char text[2000];
    struct err err;
    snprintf(text, sizeof text, "{'needed':'n',%s}", member);
    if (bind(f, text) != 0)
        fail_msg("%s: %s", member, f->reports);
    f->data = parse(&f->arena, json_of(data));
    const struct config *c = solve(f, &err);
    if (!c)
        fail_msg("%s: %s", member, err.text);
    return c;
}

static void unsolved(struct fixture *f, const char *member, const char *data, const char *message)
{
    char text[2000];
    struct err err = { 0 };
    snprintf(text, sizeof text, "{'needed':'n',%s}", member);
    if (bind(f, text) != 0)
        fail_msg("%s: %s", member, f->reports);
    f->data = parse(&f->arena, json_of(data));
    assert_null(solve(f, &err));
    assert_string_equal(err.text, quoted(message));
}

static const char *json_of_value(struct fixture *f, const wf_value *v)
{
    return v ? json_text(&f->arena, (const struct json *)v).ptr : "(nothing)";
}

static void without_slots_the_base_is_the_config(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(bind(f, "{'needed':'n','body':{'a':['x','y']}}"), 0);
    assert_int_equal(f->params.n_slots, 0);
    char *before = f->arena.at;
    assert_ptr_equal(solve(f, NULL), f->params.base);
    assert_ptr_equal(f->arena.at, before); /* nothing was allocated */
    assert_int_equal(f->n_compiled, 0);
}

static void every_type(void **state)
{
    struct fixture *f = *state;
    const struct config *c =
        solved(f,
               "'text':'=s','count':'=i','wait':'=m','on':'=b','color':'=c','ratio':'=d',"
               "'options':{'url':'=s','limit':'=z'},'body':'=o'",
               "{'s':'str','i':42,'m':'5m','b':false,'c':'blue','d':2.5,'z':'1k','o':{'k':[1]}}");
    assert_string_equal(c->text.ptr, "str");
    assert_int_equal(c->text.len, 3);
    assert_int_equal(c->count, 42);
    assert_int_equal(c->wait, 300000);
    assert_int_equal(c->on, 0);
    assert_int_equal(c->color, 2);
    assert_true(c->ratio == 2.5);
    assert_string_equal(c->url.ptr, "str");
    assert_int_equal(c->limit, 1024);
    assert_string_equal(json_of_value(f, c->body), "{\"k\":[1]}");
    assert_string_equal(c->needed.ptr, "n"); /* constants stay */
    assert_int_equal(f->params.n_slots, 9);
}

static void conversions_are_lenient(void **state)
{
    struct fixture *f = *state;
    const struct config *c =
        solved(f, "'text':'=n','count':'=s','on':'=t','ratio':'=s','needed':'=o'",
               "{'n':1.5,'s':'8','t':'true','o':{'a':[true,null]}}");
    assert_string_equal(c->text.ptr, "1.5");
    assert_int_equal(c->count, 8);
    assert_int_equal(c->on, 1);
    assert_true(c->ratio == 8);
    assert_string_equal(c->needed.ptr, "{\"a\":[true,null]}"); /* text takes objects as JSON */
}

static void nothing_is_the_default(void **state)
{
    struct fixture *f = *state;
    const struct config *c = solved(f,
                                    "'text':'=x','count':'=x','on':'=null','color':'=x','options':{"
                                    "'url':'=x'},'body':'=x','wait':'=null'",
                                    "{'null':null}");
    assert_string_equal(c->text.ptr, "hello");
    assert_int_equal(c->count, 3);
    assert_int_equal(c->on, 1);
    assert_int_equal(c->color, 1);
    assert_int_equal(c->wait, 2000);
    assert_string_equal(c->url.ptr, "");
    assert_null(c->body);
    c = solved(f, "'body':'=null'", "{'null':null}");
    assert_string_equal(json_of_value(f, c->body), "null"); /* null is a value */
}

static void required_and_nothing(void **state)
{
    struct fixture *f = *state;
    unsolved(f, "'needed':'=x'", "{}",
             "parameter 'needed': is required, but its expression gave nothing");
    unsolved(f, "'needed':'=x'", "{'x':null}",
             "parameter 'needed': is required, but its expression gave null");
    unsolved(f, "'rows':{'values':[{'name':'a'},{'name':'=x'}]}", "{}",
             "parameter 'rows.values[1].name': is required, but its expression gave nothing");
}

static void wrong_values(void **state)
{
    struct fixture *f = *state;
    unsolved(f, "'count':'=x'", "{'x':'abc'}",
             "parameter 'count': must be a whole number, got `abc`");
    unsolved(f, "'count':'=x'", "{'x':2000}",
             "parameter 'count': must be between -5 and 1000, got 2000");
    unsolved(f, "'count':'=x'", "{'x':[]}",
             "parameter 'count': must be a whole number, got an array");
    unsolved(f, "'on':'=x'", "{'x':'maybe'}", "parameter 'on': must be true or false, got `maybe`");
    unsolved(
        f, "'color':'=x'", "{'x':'rde'}",
        "parameter 'color': must be one of 'red', 'green', 'blue', got `rde`; did you mean 'red'?");
    unsolved(f, "'wait':'=!no such node'", "{}", "parameter 'wait': no such node");
    unsolved(f, "'body':{'a':[0,'=!broken']}", "{}", "parameter 'body.a[1]': broken");
}

static void slots_in_lists(void **state)
{
    struct fixture *f = *state;
    const struct config *c =
        solved(f,
               "'rows':{'values':[{'name':'a'},{'name':'=n','size':'=z','extra':{'k':'=n'},"
               "'inner':[{'text':'i'},{'text':'=n'}]}]}",
               "{'n':'solved','z':9}");
    const struct row *rows = c->rows.rows,
                     *base = ((const struct config *)f->params.base)->rows.rows;
    assert_int_equal(c->rows.n, 2);
    assert_string_equal(rows[0].name.ptr, "a");
    assert_string_equal(rows[1].name.ptr, "solved");
    assert_int_equal(rows[1].size, 9);
    assert_string_equal(json_of_value(f, rows[1].extra), "{\"k\":\"solved\"}");
    const struct inner *inner = rows[1].inner.rows;
    assert_string_equal(inner[0].text.ptr, "i");
    assert_string_equal(inner[1].text.ptr, "solved");
    /* the plan's own copy is as it was */
    assert_ptr_not_equal(rows, base);
    assert_string_equal(base[1].name.ptr, "");
    assert_int_equal(base[1].size, 7);
    assert_string_equal(((const struct inner *)base[1].inner.rows)[1].text.ptr, "");
}

static void lists_of_plain_expressions(void **state)
{
    struct fixture *f = *state;
    const struct config *c = solved(f, "'tags':['a','=n']", "{'n':'b'}");
    assert_string_equal(((const struct inner *)c->tags.rows)[1].text.ptr, "b");
    unsolved(f, "'tags':['a','=x']", "{}",
             "parameter 'tags[1]': is required, but its expression gave nothing");
}

static void values_with_expressions_inside(void **state)
{
    struct fixture *f = *state;
    const struct config *c = solved(f,
                                    "'body':{'a':'=n','keep':{'deep':[1,2]},'list':[0,'=n',{'x':'="
                                    "o','y':2}],'gone':'=x','none':['=x']}",
                                    "{'n':5,'o':{'q':1}}");
    assert_string_equal(json_of_value(f, c->body),
                        "{\"a\":5,\"keep\":{\"deep\":[1,2]},\"list\":[0,5,{\"x\":{\"q\":1},"
                        "\"y\":2}],\"none\":[null]}");
    /* what is constant is shared, not copied */
    const struct json *v = (const struct json *)c->body;
    const struct json *base = JSON_GET(v, "keep");
    static char memory[2048];
    struct arena item;
    arena_init(&item, memory, sizeof memory);
    const struct config *twice = params_solve(&item, &f->params, stub_eval, f, NULL);
    const struct json *again = JSON_GET((const struct json *)twice->body, "keep");
    assert_ptr_equal(base->members, again->members);
    assert_int_equal(item.total_bytes, 0); /* it fits */
    arena_fini(&item);
}

static void constants_take_no_slot(void **state)
{
    struct fixture *f = *state;
    char text[200] =
        "{'needed':'=#1','count':'=#7','same':'=#true','body':['=#[1]',{'a':'=#null'}]}";
    assert_int_equal(bind(f, text), 0);
    const struct config *c = f->params.base;
    assert_int_equal(f->params.n_slots, 0);
    assert_string_equal(c->needed.ptr, "1");
    assert_int_equal(c->count, 7);
    assert_string_equal(c->same.ptr, "true"); /* even where expressions are not allowed */
    assert_string_equal(json_of_value(f, c->body), "[[1],{\"a\":null}]");
    assert_int_equal(bind(f, "{'needed':'n','count':'=#1.5'}"), -1);
    assert_string_equal(f->reports, "count: must be a whole number, got 1.5");
    assert_int_equal(bind(f, "{'needed':'=#null'}"), -1);
    assert_string_equal(f->reports, "needed: is required, but its expression is always null");
    assert_int_equal(bind(f, "{'needed':'n','count':'=#null'}"), 0);
    assert_int_equal(((const struct config *)f->params.base)->count, 3);
}

static void where_expressions_cannot_be(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(bind(f, "{'needed':'n','same':'=x','rows':{'values':'=x'},'tags':'=x','"
                             "options':'=x','cred':'=x',"
                             "'script':'=x = 1'}"),
                     -1);
    assert_string_equal(
        f->reports,
        "options: a group of parameters cannot be one expression; give each parameter its own\n"
        "same: cannot be an expression: its value must be the same for all items\n"
        "rows.values: a whole list cannot be one expression; put expressions into its rows\n"
        "tags: a whole list cannot be one expression; put expressions into its rows\n"
        "cred: a credential cannot be an expression");
    assert_int_equal(bind(f, "{'needed':'n','script':'=x = 1'}"), 0);
    assert_string_equal(((const struct config *)f->params.base)->script.ptr, "=x = 1"); /* WF_RAW */
    assert_int_equal(bind(f, "{'needed':'=?','body':[{'a b':'=?'}]}"), -1);
    assert_string_equal(f->reports,
                        "needed: expression is wrong\nbody[0]['a b']: expression is wrong");
    f->hooks.compile = NULL;
    assert_int_equal(bind(f, "{'needed':'=x'}"), -1);
    assert_string_equal(f->reports, "needed: expressions cannot be used here");
}

static void locators_with_expressions(void **state)
{
    struct fixture *f = *state;
    const struct config *c =
        solved(f, "'text':{'__rl':true,'mode':'id','value':'=n'}", "{'n':'v'}");
    assert_string_equal(c->text.ptr, "v");
    assert_int_equal(f->params.n_slots, 1);
}

static void defaults_that_are_expressions(void **state)
{
    struct fixture *f = *state;
    static const wf_param rows[] = {
        { WF_P_STR(struct config, text), .flags = WF_EXPR, .def = "=n" },
        { WF_P_VALUE(struct config, body), .flags = WF_EXPR, .def = "{\"a\":\"=n\"}" },
        WF_END,
    };
    assert_int_equal(bind_to(f, rows, sizeof(struct config), "{}"), 0);
    assert_int_equal(f->params.n_slots, 2);
    f->data = parse(&f->arena, json_of("{'n':'def'}"));
    const struct config *c = solve(f, NULL);
    assert_string_equal(c->text.ptr, "def");
    assert_string_equal(json_of_value(f, c->body), "{\"a\":\"def\"}");
    f->n_compiled = 0;
    assert_int_equal(bind_to(f, rows, sizeof(struct config), "{'text':'given','body':1}"), 0);
    assert_int_equal(f->params.n_slots, 0);
    assert_int_equal(f->n_compiled, 0);
}

/* --- paths into the item ------------------------------------------------------------------------
 */

/* By both ways, and says how many expressions were asked for when the item was given. */
static const struct config *solved_item(struct fixture *f, const char *member, const char *data,
                                        int *asked)
{
    const struct config *whole = solved(f, member, data);
    struct err err;
    f->n_evals = 0;
    const struct config *c = params_solve_item(&f->arena, &f->params, &f->data, stub_eval, f, &err);
    if (!c)
        fail_msg("%s: %s", member, err.text);
    *asked = f->n_evals;
    assert_string_equal(c->text.ptr, whole->text.ptr);
    assert_int_equal(c->text.len, whole->text.len);
    assert_int_equal(c->count, whole->count);
    assert_string_equal(json_of_value(f, c->body), json_of_value(f, whole->body));
    return c;
}

static void paths_are_looked_up_in_the_item(void **state)
{
    struct fixture *f = *state;
    int asked;
    const char *data = "{'a':{'b':'deep','n':null,'o':{'x':[1,2]}},'i':'12','l':[1],'f':1.50}";
    const struct config *c =
        solved_item(f, "'text':'=.a.b','count':'=.i','body':'=.a.o'", data, &asked);
    assert_int_equal(asked, 0);
    assert_string_equal(c->text.ptr, "deep");
    assert_int_equal(c->text.ptr[c->text.len], 0);
    assert_int_equal(c->count, 12);
    assert_ptr_equal(c->body, JSON_GET(JSON_GET(&f->data, "a"), "o")); /* shared */
    c = solved_item(f, "'text':'=.a.o','count':'=.none','body':'=.a.n'", data, &asked);
    assert_int_equal(asked, 0);
    assert_string_equal(c->text.ptr, "{\"x\":[1,2]}");
    assert_int_equal(c->count, 3);
    assert_string_equal(json_of_value(f, c->body), "null");
    c = solved_item(f, "'text':'=.f','count':'=i','body':['=.i']", data, &asked);
    assert_int_equal(asked, 2); /* one is no path, one is inside a value */
    assert_string_equal(c->text.ptr, "1.50");
    c = solved_item(f, "'text':'=.a.b.c','body':'=.none'", data, &asked);
    assert_string_equal(c->text.ptr, "hello");
    assert_null(c->body);
    struct err err;
    assert_int_equal(bind(f, "{'needed':'=.none'}"), 0);
    assert_null(params_solve_item(&f->arena, &f->params, &f->data, stub_eval, f, &err));
    assert_string_equal(err.text,
                        "parameter 'needed': is required, but its expression gave nothing");
    assert_int_equal(bind(f, "{'needed':'n','count':'=.a.b'}"), 0);
    assert_null(params_solve_item(&f->arena, &f->params, &f->data, stub_eval, f, &err));
    assert_string_equal(err.text, "parameter 'count': must be a whole number, got \"deep\"");
}

/* --- cost: one path expression, not counting the look-up itself ------------------------------- */

static struct json answer;
static int eval_at_once(void *ctx, const void *expr, struct json *out, struct err *err)
{
    (void)ctx;
    (void)expr;
    (void)err;
    *out = answer;
    return 0;
}

static void one_expression_is_cheap(void **state)
{
    struct fixture *f = *state;
    static char memory[1 << 16];
    struct arena a;
    struct timespec t0, t1;
    enum { ROUNDS = 1000000 };
    static const wf_param rows[] = { { WF_P_STR(struct config, text), .flags = WF_EXPR }, WF_END };
    assert_int_equal(bind_to(f, rows, sizeof(struct config), "{'text':'=n'}"), 0);
    answer = json_of_str_borrow(STR("+3725550100"));
    arena_init(&a, memory, sizeof memory);
    clock_gettime(CLOCK_MONOTONIC, &t0);
    for (int i = 0; i < ROUNDS; i++) {
        arena_clear(&a);
        assert_non_null(params_solve(&a, &f->params, eval_at_once, NULL, NULL));
    }
    clock_gettime(CLOCK_MONOTONIC, &t1);
    double ns =
        ((double)(t1.tv_sec - t0.tv_sec) * 1e9 + (double)(t1.tv_nsec - t0.tv_nsec)) / ROUNDS;
    print_message("params_solve, one text: %.1f ns\n", ns);
    arena_fini(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        UNIT(without_slots_the_base_is_the_config),
        UNIT(every_type),
        UNIT(conversions_are_lenient),
        UNIT(nothing_is_the_default),
        UNIT(required_and_nothing),
        UNIT(wrong_values),
        UNIT(slots_in_lists),
        UNIT(lists_of_plain_expressions),
        UNIT(values_with_expressions_inside),
        UNIT(constants_take_no_slot),
        UNIT(where_expressions_cannot_be),
        UNIT(locators_with_expressions),
        UNIT(defaults_that_are_expressions),
        UNIT(paths_are_looked_up_in_the_item),
        UNIT(one_expression_is_cheap),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
