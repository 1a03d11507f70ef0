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

static const wf_node more_nodes[] = {
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
static char kept_state[4096];
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
        TEST(dead_letter_of_a_restored_execution_has_its_message),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
