/* SPDX-License-Identifier: Apache-2.0
 * Service "sql/1" in the engine: who asked is told exactly once, also when the node is gone.
 */
#include "harness.h"

/* --- a node that asks ------------------------------------------------------------------------- */

static struct {
    unsigned n, n_closed;
    char told[400];
    int run_in_close;
    wf_inst *inst;
} ask;

struct question {
    wf_ticket ticket;
    int of_item;
};

static void on_rows(const wf_host *h, void *arg, const wf_rows *rows)
{
    struct question *q = arg;
    ask.n++;
    snprintf(ask.told + strlen(ask.told), sizeof ask.told - strlen(ask.told), "%s%s;",
             rows->error ? rows->error : "done", rows->maybe_done ? "?" : "");
    wf_item *it = q->of_item ? h->resume(h, q->ticket) : NULL;
    free(q);
    if (it && rows->error)
        (h->fail)(it, "%s", rows->error);
    else if (it)
        h->pass(it, 0);
}

static int run_one(const wf_host *h, wf_inst *inst, struct question *q)
{
    const wf_sql *sql = h->service("sql/1");
    wf_statement s = { .pg = "SELECT 1" };
    int rc = sql->run(inst, &s, 1, on_rows, q);
    if (rc != 0)
        free(q);
    return rc;
}

static void ask_process(const wf_host *h, wf_item *const *items, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct question *q = xcalloc(1, sizeof *q);
        *q = (struct question){ h->park(items[i], 0), 1 };
        wf_ticket ticket = q->ticket;
        if (run_one(h, h->inst(items[i]), q) != 0)
            (h->fail)(h->resume(h, ticket), "no store");
    }
}

/* Each node asks once for itself, as those do that load something at their start. */
static void *ask_open(const wf_host *h, wf_inst *inst, wf_error *why)
{
    (void)why;
    ask.inst = inst;
    (void)run_one(h, inst, xcalloc(1, sizeof(struct question)));
    return &ask;
}

static void ask_close(const wf_host *h, void *state)
{
    (void)state;
    ask.n_closed++;
    ask.run_in_close = run_one(h, ask.inst, xcalloc(1, sizeof(struct question)));
}

static const char *const ports[] = { "main", NULL };
static const wf_node nodes[] = { { .type = "sqltest.ask",
                                   .help = "Asks",
                                   .ports = ports,
                                   .process = ask_process,
                                   .open = ask_open,
                                   .close = ask_close } };
static const wf_plugin plugin = { WF_PLUGIN_BASE("sqltest", "1", nodes) };

static int setup(void **state)
{
    struct err err;
    memset(&ask, 0, sizeof ask);
    return rig_setup(state) == 0 ? plugin_set_add(rig.plugins, &plugin, "test", &err) : -1;
}

static void flow(void)
{
    rig_flow(V1,
             "{\"name\":\"Ask\",\"type\":\"sqltest.ask\",\"position\":[1,0],\"parameters\":{}}," N(
                 "Z", "note", 9, 0, P("\"text\":\"Z\"")),
             E("In", TO1("Ask")) "," E("Ask", TO1("Z")));
}

static void answer(unsigned i, const char *error)
{
    wf_rows rows = { .size = sizeof rows, .error = error, .missed = -1 };
    engine_sql_answer(rig.asks[i], &rows);
    rig_run();
}

/* --- tests ------------------------------------------------------------------------------------ */

static void answers_wake_their_items(void **state)
{
    (void)state;
    flow();
    assert_int_equal(rig.n_asks, 1);
    answer(0, NULL);
    send_message("{\"n\":1}");
    send_message("{\"n\":2}");
    assert_int_equal(rig.n_asks, 3);
    expect_seen("");
    answer(2, NULL);
    answer(1, "it failed");
    expect_seen("Z ");
    expect_failed("Ask", "it failed");
    assert_string_equal(ask.told, "done;done;it failed;");
    struct strbuf b;
    strbuf_init(&b, 1 << 20);
    engine_dump(&b, rig.en);
    assert_non_null(strstr(b.ptr, "\"statements\":0"));
    strbuf_fini(&b);
}

static void without_a_store_it_is_told_at_once(void **state)
{
    (void)state;
    rig.no_store = 1;
    flow();
    send_message("{}");
    expect_failed("Ask", "no store");
    assert_int_equal(ask.n, 0);
}

/* The node goes while two calls are open: both are told behind close(), and what comes later is
 * nobody's. */
static void a_closed_node_is_told_once(void **state)
{
    (void)state;
    flow();
    struct question *q = xcalloc(1, sizeof *q);
    assert_int_equal(run_one(engine_check_host(), ask.inst, q), 0);
    engine_lane_drop(rig.en, rig.lane, false);
    engine_plan_retire(rig.en, rig.ep);
    rig_run();
    assert_int_equal(ask.n_closed, 1);
    assert_int_equal(ask.run_in_close, -1);
    assert_string_equal(ask.told, "the node was closed?;the node was closed?;");
    answer(0, NULL);
    answer(1, "late");
    assert_int_equal(ask.n, 2);
}

/* An engine that ends tells all, and leaves nothing behind. */
static void an_engine_that_ends_tells_all(void **state)
{
    (void)state;
    flow();
    rig_restart();
    assert_string_equal(ask.told, "the node was closed?;");
    assert_int_equal(rig.n_asks, 2);
    answer(1, NULL);
    assert_int_equal(ask.n, 2);
}

#define SQL_TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, rig_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        SQL_TEST(answers_wake_their_items),
        SQL_TEST(without_a_store_it_is_told_at_once),
        SQL_TEST(a_closed_node_is_told_once),
        SQL_TEST(an_engine_that_ends_tells_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
