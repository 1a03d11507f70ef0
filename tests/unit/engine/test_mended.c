/* SPDX-License-Identifier: Apache-2.0
 * Mistakes that were found by reading the engine, one test each, so that they stay mended: what is
 * asked for and then fails, what is finished and then waits, what is saved half way.
 */
#include "nodes.h"
#include <string.h>

/* --- more nodes --------------------------------------------------------------------------------
 */

static struct {
    wf_ticket park, offload;
    void *job;
    unsigned jobs_back;
} more;

static void on_job(const wf_host *h, wf_item *it, void *job)
{
    (void)h;
    (void)it;
    (void)job;
    more.jobs_back++;
}

static void work(void *job) { (void)job; }

EACH_ITEM(node_retry_and_pass)
{
    (void)c;
    see(h, it);
    if (h->attempt(it) == 1)
        h->retry(it, 100, "once more");
    h->pass(it, 0);
}

EACH_ITEM(node_pass_and_park)
{
    (void)c;
    h->pass(it, 0);
    more.park = h->park(it, 1000);
}

EACH_ITEM(node_pass_and_offload)
{
    (void)c;
    h->pass(it, 0);
    h->offload(it, work, on_job, &more);
}

EACH_ITEM(node_offload_and_pass)
{
    (void)c;
    h->offload(it, work, on_job, &more);
    h->pass(it, 0);
}

static void send_and_book(const wf_host *h, wf_item *it)
{
    const wf_ledger *ledger = h->service("ledger/1");
    h->output(it, &(wf_output){ .channel = "kafka",
                                .topic = "out",
                                .partition = -1,
                                .body = h->v->json(it, h->value(it)) });
    ledger->commit_row(it, "charges", h->value(it), NULL);
}

/* Asks for an output and a row, then fails until its attempt is larger than n. */
EACH_ITEM(node_send_flaky)
{
    send_and_book(h, it);
    if (h->attempt(it) > c->n)
        h->pass(it, 0);
    else
        h->retry(it, 100, "not yet");
}

/* The same, then fails or waits as the item says. */
EACH_ITEM(node_send)
{
    (void)c;
    send_and_book(h, it);
    if (truth(h, it, STR("fail")))
        h->fail(it, "refused");
    else if (truth(h, it, STR("wait")))
        more.park = h->park(it, 1000);
    else
        h->pass(it, 0);
}

static void node_seg_retry(const wf_host *h, wf_segment *const *segs, size_t n)
{
    for (size_t s = 0; s < n; s++) {
        wf_item *first = h->first(segs[s]);
        see(h, first);
        if (h->attempt(first) == 1)
            h->retry(first, 100, "once more");
        h->seg_pass(segs[s], 0, first);
        h->seg_done(segs[s]);
    }
}

/* Keeps memory, so its execution is saved as its trigger items alone; waits. */
static void node_remember(const wf_host *h, wf_segment *const *segs, size_t n)
{
    for (size_t s = 0; s < n; s++) {
        see(h, h->first(segs[s]));
        h->memory(segs[s], 8);
        if (truth(h, h->first(segs[s]), STR("on"))) {
            h->seg_pass(segs[s], 0, h->first(segs[s]));
            h->seg_done(segs[s]);
        } else {
            more.park = h->park(h->first(segs[s]), 1000);
        }
    }
}

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
    const wf_scripts *scripts = h->service("script/1");
    scripts->free(script);
}

static void node_script(const wf_host *h, wf_item *const *items, size_t n)
{
    const wf_scripts *scripts = h->service("script/1");
    scripts->run_items(h->state(items[0]), items, n);
}

static const wf_node more_nodes[] = {
    { SEGMENTS("test.remember", node_remember) },
    { ITEMS("test.script", node_script), .open = open_script, .close = close_script },
    { ITEMS("test.retryAndPass", node_retry_and_pass) },
    { ITEMS("test.passAndPark", node_pass_and_park) },
    { ITEMS("test.passAndOffload", node_pass_and_offload) },
    { ITEMS("test.offloadAndPass", node_offload_and_pass) },
    { ITEMS("test.sendFlaky", node_send_flaky) },
    { ITEMS("test.send", node_send) },
    { SEGMENTS("test.segRetry", node_seg_retry) },
};
static const wf_plugin more_plugin = { WF_PLUGIN_BASE("more", "1.0.0", more_nodes) };

/* Behind the nodes: cmocka has macros of common names. */
#include "harness.h"

static int setup(void **state)
{
    struct err err;
    memset(&more, 0, sizeof more);
    return rig_setup(state) || plugin_set_add(rig.plugins, &more_plugin, "more", &err);
}

#undef TEST
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, rig_teardown)

static int offload(void *ctx, wf_ticket ticket, const char *plugin, void (*fn)(void *), void *job)
{
    (void)ctx;
    (void)plugin;
    (void)fn;
    more.offload = ticket;
    more.job = job;
    return 0;
}

static void rig_engine_with_pool(void)
{
    engine_destroy(rig.en);
    struct engine_config config = { .io = { .mono_us = rig_mono,
                                            .wall_us = rig_wall,
                                            .random = rig_random,
                                            .commit = rig_commit,
                                            .release = rig_release,
                                            .acknowledge = rig_acknowledge,
                                            .offload = offload,
                                            .lane_lost = rig_lane_lost },
                                    .lua = rig.lua };
    rig.en = engine_create(&config);
}

/* --- outcomes ----------------------------------------------------------------------------------
 */

static void later_try_is_the_outcome(void **state)
{
    (void)state;
    rig_flow(V1, N("A", "retryAndPass", 1, 0, "") "," N("Z", "pass", 2, 0, ""),
             E("In", TO1("A")) "," E("A", TO1("Z")));
    send_message("{}");
    expect_seen("A ");
    pass_ms(10000);
    expect_seen("A A Z ");
}

static void later_try_of_a_segment_is_the_outcome(void **state)
{
    (void)state;
    rig_flow(V1, N("A", "segRetry", 1, 0, "") "," N("Z", "pass", 2, 0, ""),
             E("In", TO1("A")) "," E("A", TO1("Z")));
    send_message("{}");
    expect_seen("A ");
    pass_ms(10000);
    expect_seen("A A Z ");
}

static void finished_item_does_not_wait(void **state)
{
    (void)state;
    rig_flow(V1, N("A", "passAndPark", 1, 0, ""), E("In", TO1("A")));
    send_message("{}");
    assert_int_equal(succeeded(), 1);
    assert_null(rig_host()->resume(rig_host(), more.park));
    assert_int_equal(rig_host()->wake(more.park, wake_fn(), STR("x")), 0);
    pass_ms(10000);
    assert_int_equal(succeeded(), 1);
}

static void finished_item_gets_its_job_back(void **state)
{
    (void)state;
    rig_engine_with_pool();
    rig_flow(V1, N("A", "passAndOffload", 1, 0, ""), E("In", TO1("A")));
    send_message("{}");
    assert_int_equal(succeeded(), 1);
    assert_int_equal(more.jobs_back, 1);
}

static void job_outlives_its_item(void **state)
{
    (void)state;
    rig_engine_with_pool();
    rig_flow(V1, N("A", "offloadAndPass", 1, 0, ""), E("In", TO1("A")));
    send_message("{}");
    assert_int_equal(succeeded(), 1);
    assert_int_equal(more.jobs_back, 0);
    engine_offloaded(rig.en, more.offload);
    assert_int_equal(more.jobs_back, 1);
}

/* --- effects -----------------------------------------------------------------------------------
 */

static void failed_try_takes_its_effects_back(void **state)
{
    (void)state;
    rig_flow(V1, N("A", "sendFlaky", 1, 0, P("\"n\":2")), E("In", TO1("A")));
    send_message("{\"i\":1}");
    pass_ms(100000);
    pass_ms(100000);
    assert_int_equal(succeeded(), 1);
    assert_true(commit_start());
    assert_int_equal(rig.turn->n_rows, 1);
    commit_ok();
    assert_string_equal(rig.released.ptr, "out={\"i\":1} ");
}

static void failed_item_takes_its_effects_back(void **state)
{
    (void)state;
    rig_flow(V1, N("A", "send", 1, 0, ",\"onError\":\"continueRegularOutput\""), E("In", TO1("A")));
    send_message("[{\"i\":1},{\"i\":2,\"fail\":true}]");
    assert_true(commit_start());
    assert_int_equal(rig.turn->n_rows, 1);
    commit_ok();
    assert_string_equal(rig.released.ptr, "out={\"i\":1} ");
}

/* The row of an execution, as the store would give it back. */
static char kept_state[65536];
static struct store_exec keep_row(void)
{
    assert_int_equal(rig.turn->n_execs, 1);
    struct store_exec kept = rig.turn->execs[0];
    assert_true(kept.state.len < sizeof kept_state);
    memcpy(kept_state, kept.state.ptr, kept.state.len);
    kept.state.ptr = kept_state;
    kept.node = kept.error = (wf_str){ "", 0 };
    return kept;
}

static void restore(const struct store_exec *kept)
{
    struct err err;
    rig_restart();
    rig_lane();
    if (engine_restore(rig.en, rig.lane, kept, &err) != 0)
        fail_msg("%s", err.text);
    rig_run();
}

static void items_of_a_run_under_way_send_once(void **state)
{
    (void)state;
    rig_flow(V1, N("A", "send", 1, 0, ""), E("In", TO1("A")));
    send_message("[{\"i\":1},{\"i\":2,\"wait\":true}]");
    assert_true(commit_start());
    struct store_exec kept = keep_row();
    commit_ok();
    restore(&kept);
    engine_woken(rig.en, more.park, wake_fn(), STR("x"));
    rig_run();
    assert_int_equal(succeeded(), 1);
    assert_true(commit_start());
    assert_int_equal(rig.turn->n_rows, 2);
    commit_ok();
    assert_string_equal(rig.released.ptr, "out={\"i\":1} out={\"i\":2,\"wait\":true} ");
}

static void retry_of_a_failed_execution_sends_nothing_twice(void **state)
{
    (void)state;
    rig_flow(V1, N("A", "sendFlaky", 1, 0, P("\"n\":0")) "," N("B", "send", 2, 0, ""),
             E("In", TO1("A")) "," E("A", TO1("B")));
    send_message("{\"fail\":true}");
    expect_failed("B", "refused");
    assert_true(commit_start());
    struct store_exec kept = keep_row();
    assert_int_equal(kept.status, STORE_ERROR);
    assert_int_equal(rig.turn->n_rows, 1);
    commit_ok();
    assert_string_equal(rig.released.ptr, "out={\"fail\":true} ");
    clear_text(&rig.released);
    restore(&kept);
    assert_true(commit_start());
    assert_int_equal(rig.turn->n_rows, 0);
    commit_ok();
    assert_string_equal(rig.released.ptr, "");
}

/* It begins again with its trigger items, so what it asked for before it failed must not leave. */
static void retry_of_a_node_with_raw_memory_sends_nothing_twice(void **state)
{
    (void)state;
    rig_flow(V1,
             N("R", "remember", 1, 0, "") "," N("A", "sendFlaky", 2, 0, P("\"n\":0")) "," N(
                 "B", "fail", 3, 0, P("\"field\":\"bad\"")),
             E("In", TO1("R")) "," E("R", TO1("A")) "," E("A", TO1("B")));
    send_message("{\"on\":1,\"bad\":1}");
    expect_failed("B", "bad");
    assert_true(commit_start());
    struct store_exec kept = keep_row();
    assert_int_equal(rig.turn->n_rows, 0);
    commit_ok();
    assert_string_equal(rig.released.ptr, "");
    restore(&kept);
    expect_seen("R B R B ");
}

/* --- refused rows ------------------------------------------------------------------------------
 */

static void refuse_row(uint32_t row)
{
    struct store_bad_row bad = { row, "amount must be positive" };
    commit_result(
        &(struct store_commit_result){ .result = STORE_BAD_ROWS, .bad = &bad, .n_bad = 1 });
}

/* Nothing of it left, so a retry asks for all of it again, and once. */
static void refused_row_can_be_tried_again(void **state)
{
    (void)state;
    rig_flow(V1 ",\"errorWorkflow\":\"alarm\",\"deadLetter\":\"dead\"",
             N("A", "out", 1, 0, "") "," N("R", "row", 2, 0, "") "," N("Z", "pass", 3, 0, ""),
             E("In", TO1("A")) "," E("A", TO1("R")) "," E("R", TO1("Z")));
    send_message("{\"i\":1}");
    send_message("{\"i\":2}");
    assert_true(commit_start());
    refuse_row(1);
    assert_string_equal(rig.started.ptr, "");
    assert_int_equal(rig.turn->n_rows, 1);
    struct store_exec kept = keep_row();
    assert_int_equal(kept.status, STORE_ERROR);
    assert_int_equal(kept.id.position, 1);
    assert_int_equal(kept.version, 1);
    assert_true(str_eq(rig.turn->execs[0].node, STR("R")));
    wf_str error = rig.turn->execs[0].error;
    assert_non_null(
        strstr(error.ptr, "refused a row for table 'charges': amount must be positive"));
    assert_non_null(strstr(error.ptr, "\"code\":\"row_refused\""));
    assert_int_equal(rig.turn->blocks[0].statuses[0], STORE_SUCCESS);
    assert_int_equal(rig.turn->blocks[0].statuses[1], STORE_ERROR);
    assert_int_equal(failed(), 1);
    commit_ok();
    assert_string_equal(rig.released.ptr, "out={\"i\":1} dead={\"i\":2} ");
    assert_non_null(strstr(rig.started.ptr, "alarm:{\"execution\":{\"id\":\"1-0-1\""));
    clear_text(&rig.released);
    restore(&kept);
    expect_seen("Z Z ");
    assert_int_equal(succeeded(), 1);
    assert_true(commit_start());
    assert_int_equal(rig.turn->n_rows, 1);
    assert_int_equal(rig.turn->n_ended, 1);
    struct store_output out;
    size_t at = 0;
    assert_int_equal(store_output_next(rig.turn->blocks[0].outputs, &at, &out), 1);
    assert_int_equal(out.index, 0); /* the dead letter was 1 */
    commit_ok();
    assert_string_equal(rig.released.ptr, "out={\"i\":2} ");
}

/* It had failed already, and the row was to stay: a retry begins with the failed node. */
static void refused_row_of_a_failed_execution(void **state)
{
    (void)state;
    rig_flow(V1 ",\"errorWorkflow\":\"alarm\"",
             N("A", "out", 1, 0, "") "," N("R", "row", 2, 0, "") "," N("Z", "fail", 3, 0,
                                                                       P("\"field\":\"bad\"")),
             E("In", TO1("A")) "," E("A", TO1("R")) "," E("R", TO1("Z")));
    send_message("{\"bad\":1}");
    assert_true(commit_start());
    refuse_row(0);
    struct store_exec kept = keep_row();
    commit_ok();
    assert_string_equal(rig.released.ptr, "");
    const char *again = strstr(rig.started.ptr + 1, "alarm:");
    assert_null(again); /* one start, which tells of the row */
    assert_non_null(strstr(rig.started.ptr, "refused a row"));
    restore(&kept);
    expect_seen("Z Z ");
    assert_true(commit_start());
    assert_int_equal(rig.turn->n_rows, 1);
    commit_ok();
    assert_string_equal(rig.released.ptr, "out={\"bad\":1} ");
}

static void refused_row_of_a_lane_that_is_lost(void **state)
{
    (void)state;
    rig_flow(V1, N("R", "row", 1, 0, ""), E("In", TO1("R")));
    send_message("{}");
    assert_true(commit_start());
    refuse_row(0);
    engine_committed(rig.en, &(struct store_commit_result){ .result = STORE_FENCED });
    rig.turn = NULL;
    assert_string_equal(rig.lost.ptr, "1 ");
    assert_int_equal(engine_counters_get(rig.en)->live, 0);
    rig_run();
}

/* --- too much ----------------------------------------------------------------------------------
 */

/* Each of six nodes gives two items, which share one long text here, and do not in a row. */
#define LONG_FLOW(last)                                                                            \
    N("S1", "spread", 1, 0, "")                                                                    \
    "," N("S2", "spread", 2, 0, "") "," N("S3", "spread", 3, 0, "") "," N("S4", "spread", 4, 0,    \
                                                                          "") "," last
#define LONG_EDGES                                                                                 \
    E("In", TO1("O"))                                                                              \
    "," E("O", TO1("S1")) "," E("S1", TO1("S2")) "," E("S2", TO1("S3")) "," E(                     \
        "S3", TO1("S4")) "," E("S4", TO1("P"))

static char long_message[30000];
static void send_long(void)
{
    char text[28000];
    memset(text, 'x', sizeof text);
    rig.limits.max_exec_bytes = 250000;
    rig_restart();
    rig_lane();
    snprintf(long_message, sizeof long_message, "{\"bad\":1,\"text\":\"%.*s\"}", (int)sizeof text,
             text);
    send_message(long_message);
}

/* It ends with an error and keeps its input: from that it may run again. */
static void what_waits_and_holds_too_much_fails(void **state)
{
    (void)state;
    rig_flow(V1, N("O", "out", 1, 0, "") "," LONG_FLOW(N("P", "park", 5, 0, "")), LONG_EDGES);
    send_long();
    assert_int_equal(failed(), 0);
    assert_true(commit_start());
    expect_failed("P", "holds more than the 250000 bytes");
    struct store_exec kept = keep_row();
    assert_int_equal(kept.status, STORE_ERROR);
    commit_ok();
    assert_string_equal(rig.released.ptr, "");
    clear_text(&seen.text);
    restore(&kept);
    expect_seen("P P ");
}

static void what_fails_and_holds_too_much_keeps_its_input(void **state)
{
    (void)state;
    rig_flow(V1,
             N("O", "out", 1, 0, "") "," LONG_FLOW(N("P", "fail", 5, 0, P("\"field\":\"bad\""))),
             LONG_EDGES);
    send_long();
    expect_failed("P", "bad");
    assert_true(commit_start());
    struct store_exec kept = keep_row();
    assert_int_equal(kept.status, STORE_ERROR);
    commit_ok();
    assert_string_equal(rig.released.ptr, "");
    clear_text(&seen.text);
    rig.error[0] = 0;
    restore(&kept);
    expect_failed("P", "bad");
}

static void dead_letter_of_a_restored_execution_has_its_message(void **state)
{
    (void)state;
    rig_flow(V1 ",\"deadLetter\":\"dead\"", N("A", "send", 1, 0, ""), E("In", TO1("A")));
    send_message("{\"wait\":true}");
    assert_true(commit_start());
    struct store_exec kept = keep_row();
    commit_ok();
    restore(&kept);
    engine_lane_drop(rig.en, rig.lane, false);
    rig_lane();
    struct err err;
    assert_int_equal(engine_restore(rig.en, rig.lane, &kept, &err), 0);
    rig_run();
    for (int i = 0; i < 10; i++)
        pass_ms(1000000);
    assert_int_equal(failed(), 1);
    commit();
    assert_string_equal(rig.released.ptr, "dead={\"wait\":true} ");
}

/* --- order -------------------------------------------------------------------------------------
 */

/* C fills one input of M2; A fills one of M1, whose other never comes and which leads to M2. */
#define TWO_MERGES(type)                                                                           \
    N("If", "if", 1, 9, P("\"field\":\"no\""))                                                     \
    "," N("C", "pass", 1, 0, "") "," N("A", "pass", 1, 5, "") "," N("B", "pass", 2, 9, "") "," N(  \
        "M1", type, 3, 0, "") "," N("M2", "merge", 4, 0, "")
#define TWO_MERGES_EDGES                                                                           \
    E("In", "[" TO("C", 0) "," TO("A", 0) "," TO("If", 0) "]")                                     \
    "," E("If", TO1("B")) "," E("C", "[" TO("M2", 1) "]") "," E("A", "[" TO("M1", 0) "]") "," E(   \
        "B", "[" TO("M1", 1) "]") "," E("M1", "[" TO("M2", 0) "]")

static void merge_waits_for_the_merge_above_it(void **state)
{
    (void)state;
    rig_flow(V1, TWO_MERGES("merge"), TWO_MERGES_EDGES);
    send_message("{}");
    expect_seen("C A If M1(1,0) M2(1,1) ");
}

static void nothing_runs_below_a_node_that_never_does(void **state)
{
    (void)state;
    rig_flow(V1, TWO_MERGES("join"), TWO_MERGES_EDGES);
    send_message("{}");
    expect_seen("C A If ");
    assert_int_equal(succeeded(), 1);
}

/* If gives nothing by its first output, which leads to input 1 of M. */
#define EMPTY_SIDE(type)                                                                           \
    N("If", "if", 1, 0, P("\"field\":\"no\""))                                                     \
    "," N("C", "pass", 1, 9, "") "," N("C2", "pass", 2, 9, "") "," N(                              \
        "C3", "pass", 3, 9, "") "," N("M", type, 2, 0, "")
#define EMPTY_SIDE_EDGES(first, second)                                                            \
    E("In", "[" TO("If", 0) "," TO("C", 0) "]")                                                    \
    "," E("If", "[" TO("M", first) "],[" TO("M", second) "]") "," E("C", TO1("C2")) "," E(         \
        "C2", TO1("C3"))

static void legacy_hands_empty_lists_to_later_inputs(void **state)
{
    (void)state;
    rig_flow("", EMPTY_SIDE("join"), EMPTY_SIDE_EDGES(1, 0));
    send_message("{}");
    expect_seen("If C M(1,0) C2 C3 ");
}

static void legacy_releases_what_waits_in_the_end(void **state)
{
    (void)state;
    rig_flow("", EMPTY_SIDE("join"), EMPTY_SIDE_EDGES(0, 1));
    send_message("{}");
    expect_seen("If C C2 C3 M(0,1) ");
}

/* If leads to M by its second output, and by A and B from its first, which gives nothing. */
#define BOTH_SIDES(b)                                                                              \
    N("If", "if", 1, 0, P("\"field\":\"no\""))                                                     \
    "," N("A", "pass", 2, 0, "") "," b "," N("M", "merge", 3, 0, "")
#define BOTH_SIDES_EDGES                                                                           \
    E("In", TO1("If"))                                                                             \
    "," E("If", TO1("A") "," TO1("M")) "," E("A", TO1("B")) "," E("B", "[" TO("M", 1) "]")

static void legacy_runs_what_leads_to_a_missing_input(void **state)
{
    (void)state;
    rig_flow("", BOTH_SIDES(N("B", "pass", 3, 5, "")), BOTH_SIDES_EDGES);
    send_message("{}");
    expect_seen("If A B M(1,1) ");
    assert_int_equal(succeeded(), 1);
}

static void legacy_forces_a_node_once(void **state)
{
    (void)state;
    rig_flow("", BOTH_SIDES(N("B", "fan", 3, 5, P("\"n\":0"))), BOTH_SIDES_EDGES);
    send_message("{}");
    expect_seen("If A M(1,0) ");
}

static void order_v1_forces_nothing(void **state)
{
    (void)state;
    rig_flow(V1, BOTH_SIDES(N("B", "pass", 3, 5, "")), BOTH_SIDES_EDGES);
    send_message("{}");
    expect_seen("If M(1,0) ");
}

/* Saved while the forced branch waits, it is not forced again. */
static void legacy_forces_once_over_a_restart(void **state)
{
    (void)state;
    rig_flow("", BOTH_SIDES(N("B", "send", 3, 5, "")) "," N("P", "park", 2, 2, ""),
             E("In", TO1("If")) "," E("If", TO1("A") "," TO1("M")) "," E("A", TO1("P")) "," E(
                 "P", TO1("B")) "," E("B", "[" TO("M", 1) "]"));
    send_message("{}");
    expect_seen("If A P ");
    assert_true(commit_start());
    struct store_exec kept = keep_row();
    commit_ok();
    restore(&kept);
    engine_woken(rig.en, seen.tickets[1], wake_fn(), STR("x"));
    rig_run();
    expect_seen("If A P P M(1,1) ");
}

/* Another trigger's branch: its node passes the empty item on. */
static void legacy_runs_a_branch_that_begins_nowhere(void **state)
{
    (void)state;
    rig_flow("", N("A", "pass", 1, 0, "") "," N("B", "pass", 1, 9, "") "," N("M", "join", 2, 0, ""),
             E("In", TO1("A")) "," E("A", TO1("M")) "," E("B", "[" TO("M", 1) "]"));
    send_message("{}");
    expect_seen("A B M(1,1) ");
}

static void restart_keeps_the_legacy_order(void **state)
{
    (void)state;
    rig_flow("", N("A", "remember", 1, 0, "") "," N("B", "pass", 1, 9, ""),
             E("In", "[" TO("A", 0) "," TO("B", 0) "]"));
    send_message("{}");
    assert_true(commit_start());
    struct store_exec kept = keep_row();
    commit_ok();
    restore(&kept);
    expect_seen("A A ");
}

/* --- lengths -----------------------------------------------------------------------------------
 */

static void lines_of_items_may_be_long(void **state)
{
    (void)state;
    rig_flow(V1 ",\"maxNodeRuns\":1000000",
             N("L", "loop", 1, 0, "") "," N("P", "park", 2, 0, "") "," N(
                 "Z", "note", 3, 0, P("\"text\":\"={{ $('L').first(0, 7).json.n }}\"")),
             E("In", TO1("L")) "," E("L", TO1("L") "," TO1("P")) "," E("P", TO1("Z")));
    send_message("{\"n\":60000}");
    assert_true(commit_start());
    assert_int_equal(rig.turn->n_execs, 1);
    char *text = xmalloc(rig.turn->execs[0].state.len);
    struct store_exec kept = rig.turn->execs[0];
    memcpy(text, kept.state.ptr, kept.state.len);
    kept.state.ptr = text;
    kept.node = kept.error = (wf_str){ "", 0 };
    commit_ok();
    restore(&kept);
    clear_text(&seen.text);
    engine_woken(rig.en, seen.tickets[1], wake_fn(), STR("x"));
    rig_run();
    expect_seen("59992 ");
    free(text);
}

static void script_may_send_often(void **state)
{
    (void)state;
    rig_flow(V1,
             N("S", "script", 1, 0,
               P("\"text\":\"for i = 1, 30000 do kafka.send({topic = 't', value = 'x'}) end\"")),
             E("In", TO1("S")));
    send_message("{}");
    if (failed())
        fail_msg("%s", rig.error);
    assert_int_equal(succeeded(), 1);
}

static void script_waits_no_longer_than_its_node(void **state)
{
    (void)state;
    rig_flow(V1,
             N("S", "script", 1, 0, ",\"timeout_ms\":1000" P("\"text\":\"sleep(600) sleep(600)\"")),
             E("In", TO1("S")));
    send_message("{}");
    pass_ms(700);
    assert_int_equal(engine_node_counters(rig.ep, 1)->retried, 0);
    pass_ms(301);
    assert_int_equal(engine_node_counters(rig.ep, 1)->retried, 1);
}

static void full_turn_holds_the_rest_back(void **state)
{
    (void)state;
    rig.limits.max_turn_bytes = 4096;
    rig_restart();
    rig_flow(V1, N("F", "fan", 1, 0, P("\"n\":8")) "," N("A", "send", 2, 0, ""),
             E("In", TO1("F")) "," E("F", TO1("A")));
    for (int i = 0; i < 1000; i++)
        send_to(rig.lane, "{\"text\":\"0123456789012345678901234567890123456789\"}");
    rig_run();
    uint64_t first = succeeded();
    assert_true(first > 0 && first < 1000);
    for (int i = 0; i < 200 && succeeded() < 1000; i++)
        commit();
    assert_int_equal(succeeded(), 1000);
}

/* --- waits and acknowledgements ----------------------------------------------------------------
 */

static void retry_at_once_means_at_once(void **state)
{
    (void)state;
    rig_flow(V1, N("A", "flaky", 1, 0, ",\"retry\":{\"tries\":2,\"first_ms\":0}" P("\"n\":1")),
             E("In", TO1("A")));
    send_message("{}");
    pass_ms(2);
    assert_int_equal(succeeded(), 1);
}

static void position_behind_pending_outputs_is_acknowledged_with_them(void **state)
{
    (void)state;
    rig_flow(V1 ",\"durability\":\"at_least_once\"", N("A", "send", 1, 0, ""), E("In", TO1("A")));
    send_message("{\"i\":1}");
    commit();
    send_message("{\"wait\":true}");
    commit();
    assert_string_equal(rig.acknowledged.ptr, "");
    engine_released(rig.en, rig.lane, rig.last_seq);
    assert_string_equal(rig.acknowledged.ptr, "1@2 ");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(later_try_is_the_outcome),
        TEST(later_try_of_a_segment_is_the_outcome),
        TEST(finished_item_does_not_wait),
        TEST(finished_item_gets_its_job_back),
        TEST(job_outlives_its_item),
        TEST(failed_try_takes_its_effects_back),
        TEST(failed_item_takes_its_effects_back),
        TEST(items_of_a_run_under_way_send_once),
        TEST(retry_of_a_failed_execution_sends_nothing_twice),
        TEST(retry_of_a_node_with_raw_memory_sends_nothing_twice),
        TEST(refused_row_can_be_tried_again),
        TEST(refused_row_of_a_failed_execution),
        TEST(refused_row_of_a_lane_that_is_lost),
        TEST(what_waits_and_holds_too_much_fails),
        TEST(what_fails_and_holds_too_much_keeps_its_input),
        TEST(dead_letter_of_a_restored_execution_has_its_message),
        TEST(merge_waits_for_the_merge_above_it),
        TEST(nothing_runs_below_a_node_that_never_does),
        TEST(legacy_hands_empty_lists_to_later_inputs),
        TEST(legacy_releases_what_waits_in_the_end),
        TEST(legacy_runs_what_leads_to_a_missing_input),
        TEST(legacy_forces_a_node_once),
        TEST(order_v1_forces_nothing),
        TEST(legacy_forces_once_over_a_restart),
        TEST(legacy_runs_a_branch_that_begins_nowhere),
        TEST(restart_keeps_the_legacy_order),
        TEST(lines_of_items_may_be_long),
        TEST(script_may_send_often),
        TEST(script_waits_no_longer_than_its_node),
        TEST(full_turn_holds_the_rest_back),
        TEST(retry_at_once_means_at_once),
        TEST(position_behind_pending_outputs_is_acknowledged_with_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
