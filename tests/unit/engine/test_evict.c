/* SPDX-License-Identifier: Apache-2.0
 * Executions that leave memory until their next try: which do, what their row says, and how they
 * come back.
 */
#include "harness.h"

/* What stays in memory is not looked for in the store. */
static void row_of_what_stays_does_not_wake(void **state)
{
    (void)state;
    rig_flow(V1, N("A", "askRetry", 1, 0, P("\"n\":1,\"ms\":60000")), E("In", TO1("A")));
    send_message("{}");
    assert_true(commit_start());
    assert_int_equal(rig.turn->execs[0].wake_us, 0);
    commit_ok();
    assert_int_equal(engine_counters_get(rig.en)->live, 1);
}

/* A far try needs no memory: the store has it, and the engine says when to look. */
static void far_try_leaves_memory(void **state)
{
    (void)state;
    static char text[4096];
    struct err err;
    rig.limits.evict_after_ms = 30000;
    rig_restart();
    rig_flow(V1 ",\"executionTimeout\":5000", N("A", "askRetry", 1, 0, P("\"n\":1,\"ms\":60000")),
             E("In", TO1("A")));
    send_message("[{},{}]");
    assert_int_equal(engine_counters_get(rig.en)->live, 1);
    assert_true(commit_start());
    struct store_exec kept = rig.turn->execs[0];
    memcpy(text, kept.state.ptr, kept.state.len);
    kept.state.ptr = text;
    assert_int_equal(kept.wake_us, rig.wall_us + 60000000);
    assert_int_equal(engine_counters_get(rig.en)->live, 0);
    assert_int_equal(rig.turn->blocks[0].position_new, 1);
    commit_ok();
    assert_null(engine_lane_waking(rig.en));
    pass_ms(60000);
    assert_ptr_equal(engine_lane_waking(rig.en), rig.lane);
    assert_null(engine_lane_waking(rig.en)); /* asked a moment ago */
    assert_int_equal(engine_restore(rig.en, rig.lane, &kept, &err), 0);
    rig_run();
    expect_seen("A A A A ");
    assert_int_equal(succeeded(), 1);
    pass_ms(10000);
    assert_null(engine_lane_waking(rig.en));
    assert_true(commit_start());
    assert_int_equal(rig.turn->n_ended, 1);
    commit_ok();
}

/* The timeout comes first. */
static void far_try_wakes_for_its_timeout(void **state)
{
    (void)state;
    rig.limits.evict_after_ms = 30000;
    rig_restart();
    rig_flow(V1 ",\"executionTimeout\":50", N("A", "askRetry", 1, 0, P("\"n\":1,\"ms\":60000")),
             E("In", TO1("A")));
    send_message("{}");
    assert_true(commit_start());
    assert_int_equal(rig.turn->execs[0].wake_us, rig.wall_us + 50000000);
    commit_ok();
}

/* A client that waits, an item that is done: these stay. */
static void what_others_wait_for_stays(void **state)
{
    (void)state;
    rig.limits.evict_after_ms = 30000;
    rig_restart();
    rig_flow(V1, N("A", "askRetry", 1, 0, P("\"n\":1,\"ms\":60000")), E("In", TO1("A")));
    send_webhook("{}", "w1", false, ANSWER_NO_DATA);
    commit();
    assert_int_equal(engine_counters_get(rig.en)->live, 1);
    pass_ms(61000);
    assert_int_equal(succeeded(), 1);
}

/* The try became due before a turn was committed. */
static void due_try_stays(void **state)
{
    (void)state;
    rig.limits.evict_after_ms = 30000;
    rig_restart();
    rig_flow(V1, N("A", "askRetry", 1, 0, P("\"n\":1,\"ms\":60000")), E("In", TO1("A")));
    send_message("{}");
    rig.mono_us += 61000000;
    engine_tick(rig.en);
    assert_true(commit_start());
    assert_int_equal(engine_counters_get(rig.en)->live, 1);
    commit_ok();
    rig_run();
    assert_int_equal(succeeded(), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(row_of_what_stays_does_not_wake),
        TEST(far_try_leaves_memory),
        TEST(far_try_wakes_for_its_timeout),
        TEST(what_others_wait_for_stays),
        TEST(due_try_stays),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
