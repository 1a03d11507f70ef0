/* SPDX-License-Identifier: Apache-2.0
 * Functions that plugins offer to Lua steps: calls that answer at once and later, errors and what
 * becomes of their fault, forgotten calls, timeouts and executions that end under a call.
 */
#include "nodes.h"
#include <catalyst/functions.h>
#include <string.h>

static struct {
    const wf_host *h;
    unsigned opens, closes, calls;
    wf_ticket parked[8];
    unsigned n_parked;
    wf_fault refuse;
} fn;

static void *open_script(const wf_host *h, wf_inst *inst, wf_error *why)
{
    static char text[256];
    const wf_scripts *scripts = h->service("script/1");
    const struct conf *c = h->inst_config(inst);
    void *script = scripts->compile(inst, c->text, 1, text, sizeof text);
    if (!script) {
        why->fault = WF_ACCOUNT;
        why->detail = str_of(text);
    }
    return script;
}

static void close_script(const wf_host *h, void *script)
{
    ((const wf_scripts *)h->service("script/1"))->free(script);
}

static void node_script(const wf_host *h, wf_item *const *items, size_t n)
{
    ((const wf_scripts *)h->service("script/1"))->run_items(h->state(items[0]), items, n);
}

static const wf_node script_nodes[] = {
    { ITEMS("test.script", node_script), .open = open_script, .close = close_script },
};

static void *fn_open(const wf_host *h, wf_inst *inst, const wf_cred *cred, wf_error *why)
{
    (void)h;
    (void)inst;
    if (cred || fn.refuse) {
        *why = (wf_error){ .size = sizeof *why, .fault = fn.refuse, .detail = STR("no way in") };
        return NULL;
    }
    fn.opens++;
    return &fn;
}

static void fn_close(const wf_host *h, void *state)
{
    (void)h;
    if (state == &fn)
        fn.closes++;
}

/* Adds its arguments. */
static void fn_sum(const wf_host *h, void *state, wf_item *it)
{
    const wf_value *args = h->v->get(h->value(it), "args", 4);
    int64_t sum = state == &fn ? 0 : -1, n = 0;
    for (size_t i = 0; i < h->v->count(args); i++)
        sum += h->v->int64(h->v->at(args, i), &n) == 0 ? n : 0;
    fn.calls++;
    h->emit(it, 0, h->v->of_int(it, sum));
}

static void fn_later(const wf_host *h, void *state, wf_item *it)
{
    (void)state;
    fn.h = h;
    fn.calls += !h->config(it);
    fn.parked[fn.n_parked++] = h->park(it, 2000);
}

static void fn_fail(const wf_host *h, void *state, wf_item *it)
{
    const wf_value *args = h->v->get(h->value(it), "args", 4);
    int64_t fault = 0;
    (void)state;
    fn.calls++;
    h->v->int64(h->v->at(args, 0), &fault);
    h->fail_with(it, &(wf_error){ .size = sizeof(wf_error), .fault = (wf_fault)fault, .code = "c" },
                 "broken");
}

static void fn_forget(const wf_host *h, void *state, wf_item *it)
{
    (void)h;
    (void)state;
    (void)it;
}

static void fn_nothing(const wf_host *h, void *state, wf_item *it)
{
    (void)state;
    h->done(it);
}

static const wf_function functions[] = {
    { .name = "t.sum", .help = "Sum", .open = fn_open, .close = fn_close, .call = fn_sum },
    { .name = "t.later", .help = "Waits", .call = fn_later },
    { .name = "t.fail", .help = "Fails", .call = fn_fail },
    { .name = "t.forget", .help = "Forgets", .call = fn_forget },
    { .name = "t.nothing", .help = "Nothing", .call = fn_nothing },
};
#define ENTRY(list)                                                                                \
    {                                                                                              \
        sizeof(wf_functions), sizeof(wf_function), list, sizeof(list) / sizeof *(list)             \
    }
static const wf_functions entry = ENTRY(functions);
static const wf_plugin script_plugin = { WF_PLUGIN_BASE("scripts", "1.0.0", script_nodes) };

/* Behind the nodes: cmocka has macros of common names. */
#include "harness.h"

static int setup(void **state)
{
    struct err err;
    memset(&fn, 0, sizeof fn);
    return rig_setup(state) || plugin_set_add(rig.plugins, &script_plugin, "scripts", &err) ||
           plugin_set_add_functions(rig.plugins, &entry, &err);
}

#undef TEST
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, rig_teardown)

#define SCRIPT(code, more)                                                                         \
    rig_flow(V1,                                                                                   \
             N("S", "script", 1, 0, more P("\"text\":\"" code "\"")) "," N(                        \
                 "Z", "note", 2, 0, P("\"text\":\"={{ $json.r }}\"")),                             \
             E("In", TO1("S")) "," E("S", TO1("Z")))

static void answer(unsigned i, const char *json)
{
    const char *why;
    wf_item *it = fn.h->resume(fn.h, fn.parked[i]);
    assert_non_null(it);
    fn.h->emit(it, 0, fn.h->v->parse(it, str_of(json), &why));
    rig_run();
}

static void answers_at_once(void **state)
{
    (void)state;
    SCRIPT("local a = call('t.sum', 1, 2, 3) return {r = a + call('t.sum', 10)}", "");
    send_message("{}");
    send_message("{}");
    expect_seen("16 16 ");
    assert_int_equal(fn.opens, 1); /* once per step */
    assert_int_equal(fn.calls, 4);
    rig_restart();
    assert_int_equal(fn.closes, 1);
}

static void nothing_is_nil(void **state)
{
    (void)state;
    SCRIPT("return {r = tostring(call('t.nothing'))}", "");
    send_message("{}");
    expect_seen("nil ");
}

static void answers_later(void **state)
{
    (void)state;
    SCRIPT("return {r = call('t.later').a .. call('t.later')}", "");
    send_message("{}");
    send_message("{}");
    assert_int_equal(fn.n_parked, 2);
    answer(1, "{\"value\":{\"a\":\"x\"}}");
    assert_int_equal(fn.n_parked, 3);
    answer(2, "\"y\"");
    expect_seen("xy ");
    answer(0, "{\"value\":{\"a\":\"u\"}}");
    answer(3, "\"v\"");
    expect_seen("xy uv ");
}

static void errors_are_raised(void **state)
{
    (void)state;
    SCRIPT("local ok, why = pcall(call, 't.fail', 3) return {r = why}", "");
    send_message("{}");
    expect_seen("broken ");
}

static void fails_with(const char *words)
{
    if (!failed() || !strstr(rig.error, words))
        fail_msg("'%s', wanted '%s'", rig.error, words);
}

static void unknown_functions(void **state)
{
    (void)state;
    SCRIPT("call('t.none')", "");
    send_message("{}");
    fails_with("no plugin has a function 't.none'");
}

static void forgotten_calls(void **state)
{
    (void)state;
    SCRIPT("call('t.forget')", "");
    send_message("{}");
    fails_with("t.forget did not finish its call");
}

static void refused_to_open(void **state)
{
    (void)state;
    fn.refuse = WF_ACCOUNT;
    SCRIPT("call('t.sum')", "");
    send_message("{}");
    fails_with("t.sum: no way in");
}

/* 1 is WF_TRANSIENT: tried again when nothing was done before, and only then. */
static void passing_errors(void **state)
{
    (void)state;
    SCRIPT("call('t.fail', 1)", "");
    send_message("{}");
    assert_int_equal(engine_node_counters(rig.ep, 1)->retried, 1);
    for (int i = 0; i < 6; i++)
        pass_ms(600000);
    assert_int_equal(engine_node_counters(rig.ep, 1)->retried, 4);
    fails_with("broken");
}

static void passing_errors_of_later_calls(void **state)
{
    (void)state;
    SCRIPT("call('t.sum') call('t.fail', 1)", "");
    send_message("{}");
    assert_int_equal(engine_node_counters(rig.ep, 1)->retried, 0);
    fails_with("broken");
}

static void calls_time_out(void **state)
{
    (void)state;
    SCRIPT("local ok, why = pcall(call, 't.later') return {r = why}", "");
    send_message("{}");
    pass_ms(2001);
    expect_seen("node timed out: not finished in time ");
    assert_null(fn.h->resume(fn.h, fn.parked[0]));
}

static void the_nodes_timeout_ends_calls(void **state)
{
    (void)state;
    SCRIPT("call('t.later') call('t.later')", ",\"timeout_ms\":1500,\"retryOnFail\":false");
    send_message("{}");
    pass_ms(1000);
    answer(0, "1");
    assert_int_equal(fn.n_parked, 2);
    pass_ms(501);
    assert_null(fn.h->resume(fn.h, fn.parked[1]));
}

static void executions_end_under_calls(void **state)
{
    (void)state;
    SCRIPT("call('t.later')", "");
    send_message("{}");
    engine_lane_drop(rig.en, rig.lane, false);
    assert_null(fn.h->resume(fn.h, fn.parked[0]));
}

static void wrong_tables_are_refused(void **state)
{
    (void)state;
    static const wf_function twice[] = { { .name = "t.sum", .help = "x", .call = fn_sum } },
                             nameless[] = { { .name = "sum", .help = "x", .call = fn_sum } },
                             empty[] = { { .name = "t.x", .help = "x" } };
    static const struct {
        wf_functions entry;
        const char *why;
    } cases[] = { { ENTRY(twice), "there already" },
                  { ENTRY(nameless), "vendor.name" },
                  { ENTRY(empty), "no call()" },
                  { { sizeof(wf_functions), 8, twice, 1 }, "sizes" } };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct err err;
        assert_int_equal(plugin_set_add_functions(rig.plugins, &cases[i].entry, &err), -1);
        if (!strstr(err.text, cases[i].why))
            fail_msg("%s", err.text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(answers_at_once),
        TEST(nothing_is_nil),
        TEST(answers_later),
        TEST(errors_are_raised),
        TEST(unknown_functions),
        TEST(forgotten_calls),
        TEST(refused_to_open),
        TEST(passing_errors),
        TEST(passing_errors_of_later_calls),
        TEST(calls_time_out),
        TEST(the_nodes_timeout_ends_calls),
        TEST(executions_end_under_calls),
        TEST(wrong_tables_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
