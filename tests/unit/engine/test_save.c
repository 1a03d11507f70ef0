/* SPDX-License-Identifier: Apache-2.0
 * An execution that waits goes to the store as a row and comes back in a fresh engine: it must go
 * on as if nothing had happened.
 */
#include "harness.h"

#define NOTE(name, expr) N(name, "note", 9, 0, P("\"text\":\"=" name "({{ " expr " }})\""))

static char row_state[65536];
static struct store_exec row;

/* Commits, keeps the one row of the turn, and starts a fresh engine that takes the execution back.
 */
static void die_and_restore(void)
{
    struct err err;
    assert_true(commit_start());
    assert_int_equal(rig.turn->n_execs, 1);
    row = rig.turn->execs[0];
    assert_true(row.state.len < sizeof row_state);
    memcpy(row_state, row.state.ptr, row.state.len);
    row.state.ptr = row_state;
    commit_ok();
    rig_restart();
    rig.sources = 0;
    rig_lane();
    if (engine_restore(rig.en, rig.lane, &row, &err) != 0)
        fail_msg("%s", err.text);
    rig_run();
}

static void wake_latest(void)
{
    engine_woken(rig.en, seen.tickets[seen.n_tickets - 1], wake_fn(), STR("x"));
    rig_run();
}

static void goes_on_at_the_node_it_waited_at(void **state)
{
    (void)state;
    rig_flow(V1,
             N("A", "pass", 1, 0, "") "," N("B", "park", 2, 0,
                                            "") "," NOTE("Z", "$json.woken + $execution.restored"),
             E("In", TO1("A")) "," E("A", TO1("B")) "," E("B", TO1("Z")));
    send_message("{\"i\":1}");
    die_and_restore();
    expect_seen("A B B ");
    wake_latest();
    expect_seen("A B B Z(xtrue) ");
    assert_true(commit_start());
    assert_int_equal(rig.turn->n_ended, 1);
    assert_int_equal(rig.turn->n_execs, 0);
    assert_int_equal(rig.turn->blocks[0].n, 1);
    commit_ok();
}

/* The stack: what runs after the branch that waits. */
static void branches_not_run_yet(void **state)
{
    (void)state;
    rig_flow(V1,
             N("A", "park", 1, 0, "") "," N("B", "pass", 1, 5, "") "," N(
                 "C", "pass", 1, 9, "") "," N("A2", "pass", 2, 0, ""),
             E("In", "[" TO("C", 0) "," TO("A", 0) "," TO("B", 0) "]") "," E("A", TO1("A2")));
    send_message("{}");
    die_and_restore();
    wake_latest();
    expect_seen("A A A2 B C ");
}

static void branches_not_run_yet_in_legacy_order(void **state)
{
    (void)state;
    rig_flow("",
             N("A", "park", 1, 0, "") "," N("B", "pass", 1, 5, "") "," N(
                 "C", "pass", 1, 9, "") "," N("A2", "pass", 2, 0, ""),
             E("In", "[" TO("A", 0) "," TO("C", 0) "," TO("B", 0) "]") "," E("A", TO1("A2")));
    send_message("{}");
    die_and_restore();
    wake_latest();
    expect_seen("A A C B A2 ");
}

static void inputs_that_wait_at_a_merge(void **state)
{
    (void)state;
    rig_flow(V1,
             N("A", "pass", 1, 0, "") "," N("B", "park", 1, 9, "") "," N(
                 "M", "merge", 2, 0, "") "," NOTE("Z", "$('In').item.json.i"),
             E("In", "[" TO("A", 0) "," TO("B", 0) "]") "," E("A", TO1("M")) "," E(
                 "B", "[" TO("M", 1) "]") "," E("M", TO1("Z")));
    send_message("[{\"i\":1},{\"i\":2}]");
    expect_seen("A A B B ");
    die_and_restore();
    engine_woken(rig.en, seen.tickets[2], wake_fn(), STR("x"));
    engine_woken(rig.en, seen.tickets[3], wake_fn(), STR("x"));
    rig_run();
    expect_seen("A A B B B B M(2,2) Z(1) Z(2) Z(1) Z(2) ");
}

static void merge_that_is_never_filled_is_released(void **state)
{
    (void)state;
    rig_flow(V1,
             N("A", "pass", 1, 0, "") "," N("B", "park", 1, 9, "") "," N(
                 "If", "if", 2, 9, P("\"field\":\"never\"")) "," N("M", "merge", 2, 0, ""),
             E("In", "[" TO("A", 0) "," TO("B", 0) "]") "," E("A", TO1("M")) "," E(
                 "B", TO1("If")) "," E("If", "[" TO("M", 1) "]"));
    send_message("{}");
    die_and_restore();
    wake_latest();
    expect_seen("A B B If M(1,0) ");
}

static void parents_of_items(void **state)
{
    (void)state;
    rig_flow(V1,
             N("F", "fan", 1, 0, P("\"n\":2")) "," N("C", "count", 2, 0, "") "," N(
                 "B", "park", 3, 0,
                 "") "," NOTE("Z", "$('In').item.json.i + '/' + $('C').item.json.count"),
             E("In", TO1("F")) "," E("F", TO1("C")) "," E("C", TO1("B")) "," E("B", TO1("Z")));
    send_message("{\"i\":4}");
    die_and_restore();
    wake_latest();
    expect_seen("C B B Z(4/2) ");
}

static void empty_item_of_always_output_data(void **state)
{
    (void)state;
    rig_flow(V1,
             N("F", "fan", 1, 0, ",\"alwaysOutputData\":true" P("\"n\":0")) "," N(
                 "B", "park", 2, 0, "") "," NOTE("Z", "$('In').item.json.i"),
             E("In", TO1("F")) "," E("F", TO1("B")) "," E("B", TO1("Z")));
    send_message("{\"i\":4}");
    die_and_restore();
    wake_latest();
    expect_seen("B B Z(4) ");
}

static void kept_runs_and_run_index(void **state)
{
    (void)state;
    rig_flow(V1,
             N("L", "loop", 1, 0, "") "," N("B", "park", 2, 0, "") "," NOTE(
                 "Z", "$('L').first(0, 0).json.n + '/' + $('L').first(0, 1).json.n + '/' + "
                      "$('L').all(0).length"),
             E("In", TO1("L")) "," E("L", TO1("L") "," TO1("B")) "," E("B", TO1("Z")));
    send_message("{\"n\":2}");
    die_and_restore();
    wake_latest();
    expect_seen("2 1 0 B B Z(1/0/0) ");
}

/* The same key before and after: an outside service sees one call, not two. */
static void keys_and_run_counts(void **state)
{
    (void)state;
    char before[128];
    rig_flow(V1,
             N("K", "note", 1, 0, P("\"text\":\"={{ $runIndex }}\"")) "," N(
                 "B", "park", 2, 0, "") "," N("If", "if", 3, 0, P("\"field\":\"woken\"")),
             E("In", TO1("K")) "," E("K", TO1("B")) "," E("B", TO1("If")) "," E("If", TO1("K")));
    send_message("{}");
    engine_woken(rig.en, seen.tickets[0], wake_fn(), STR("x"));
    rig_run();
    expect_seen("0 B If 1 B ");
    strcpy(before, seen.key);
    assert_non_null(strstr(before, ":1:0"));
    die_and_restore();
    wake_latest();
    expect_seen("0 B If 1 B B If 2 B ");
    assert_non_null(strstr(seen.key, ":2:0"));
    seen.key[strlen(seen.key) - 3] = '1';
    assert_string_equal(seen.key, before);
}

static void binary_parts(void **state)
{
    (void)state;
    rig_flow(V1,
             N("A", "attach", 1, 0, P("\"text\":\"some bytes\"")) "," N(
                 "R", "askRetry", 2, 0, P("\"n\":1,\"ms\":9")) "," N("Z", "readPart", 3, 0, ""),
             E("In", TO1("A")) "," E("A", TO1("R")) "," E("R", TO1("Z")));
    send_message("{}");
    expect_seen("R ");
    die_and_restore();
    pass_ms(5000);
    assert_non_null(strstr(seen.text.ptr, "some bytes:text/plain:a.txt "));
}

static void outputs_and_rows_not_sent_yet(void **state)
{
    (void)state;
    rig_flow(V1,
             N("O", "out", 1, 0, "") "," N("R", "row", 2, 0, "") "," N("B", "park", 3, 0, "") "," N(
                 "E", "out", 4, 0, P("\"text\":\"end\"")),
             E("In", TO1("O")) "," E("O", TO1("R")) "," E("R", TO1("B")) "," E("B", TO1("E")));
    send_message("{\"i\":1}");
    die_and_restore();
    assert_string_equal(rig.released.ptr, "");
    wake_latest();
    assert_true(commit_start());
    assert_int_equal(rig.turn->n_rows, 1);
    assert_string_equal(rig.turn->rows[0].unique.ptr, "id");
    struct store_output out;
    size_t at = 0;
    assert_int_equal(store_output_next(rig.turn->blocks[0].outputs, &at, &out), 1);
    assert_int_equal(out.index, 0);
    assert_int_equal(store_output_next(rig.turn->blocks[0].outputs, &at, &out), 1);
    assert_int_equal(out.index, 1);
    commit_ok();
    assert_string_equal(rig.released.ptr, "out={\"i\":1} end={\"woken\":\"x\"} ");
}

/* A crash must not give a failing node new tries. */
static void attempt_of_an_item(void **state)
{
    (void)state;
    rig_flow(V1,
             N("A", "flaky", 1, 0,
               ",\"retry\":{\"tries\":3,\"first_ms\":100,\"factor\":1,\"jitter\":0}" P(
                   "\"n\":9")) "," NOTE("Z", "1"),
             E("In", TO1("A")) "," E("A", TO1("Z")));
    send_message("{}");
    pass_ms(100);
    expect_seen("A A ");
    die_and_restore();
    pass_ms(100);
    expect_seen("A A A ");
    expect_failed("A", "not yet");
}

static void attempt_of_a_segment(void **state)
{
    (void)state;
    rig_flow(V1,
             N("A", "segFlaky", 1, 0,
               ",\"retry\":{\"tries\":3,\"first_ms\":100,\"factor\":1,\"jitter\":0}" P(
                   "\"n\":9")) "," NOTE("Z", "1"),
             E("In", TO1("A")) "," E("A", TO1("Z")));
    send_message("{}");
    pass_ms(100);
    die_and_restore();
    pass_ms(100);
    expect_seen("A A A ");
    expect_failed("A", "segment is bad");
}

/* A partner that asked for an hour of peace gets it, whoever asks it then. */
static void time_of_the_next_try(void **state)
{
    (void)state;
    rig_flow(V1, N("A", "askRetry", 1, 0, P("\"n\":1,\"ms\":3600000")) "," NOTE("Z", "1"),
             E("In", TO1("A")) "," E("A", TO1("Z")));
    send_message("[{},{}]");
    pass_ms(1000000);
    die_and_restore();
    expect_seen("A A ");
    pass_ms(2599000);
    expect_seen("A A ");
    pass_ms(1001);
    expect_seen("A A A A Z(1) Z(1) ");
}

/* What is due when it comes back goes on at once. */
static void time_of_the_next_try_is_over(void **state)
{
    (void)state;
    rig_flow(V1, N("A", "askRetry", 1, 0, P("\"n\":1,\"ms\":5000")), E("In", TO1("A")));
    send_message("{}");
    assert_true(commit_start());
    rig.wall_us += 6000000;
    struct err err;
    row = rig.turn->execs[0];
    memcpy(row_state, row.state.ptr, row.state.len);
    row.state.ptr = row_state;
    commit_ok();
    rig_restart();
    rig_lane();
    assert_int_equal(engine_restore(rig.en, rig.lane, &row, &err), 0);
    rig_run();
    expect_seen("A A ");
}

/* While it waits it may be dropped, or be out of time. */
static void timeout_goes_on(void **state)
{
    (void)state;
    rig_flow(V1 ",\"executionTimeout\":100",
             N("A", "askRetry", 1, 0, P("\"n\":1,\"ms\":3600000")) "," NOTE("Z", "1"),
             E("In", TO1("A")) "," E("A", TO1("Z")));
    send_message("{}");
    pass_ms(60000);
    die_and_restore();
    pass_ms(39000);
    assert_int_equal(failed(), 0);
    pass_ms(2000);
    expect_failed("A", "executionTimeout");
    die_and_restore(); /* run again, it has its time anew */
    expect_seen("A A ");
    pass_ms(99000);
    assert_int_equal(failed(), 0);
    pass_ms(2000);
    assert_int_equal(failed(), 1);
}

/* An endless loop does not get new runs from each crash. */
static void node_runs_count_on(void **state)
{
    (void)state;
    rig_flow(V1 ",\"maxNodeRuns\":5",
             N("B", "park", 1, 0, "") "," N("If", "if", 2, 0, P("\"field\":\"woken\"")),
             E("In", TO1("B")) "," E("B", TO1("If")) "," E("If", TO1("B")));
    send_message("{}");
    die_and_restore();
    wake_latest();
    expect_seen("B B If B ");
    wake_latest();
    expect_seen("B B If B If B ");
    wake_latest();
    expect_failed("If", "maxNodeRuns");
}

static void failed_execution_runs_again_from_its_node(void **state)
{
    (void)state;
    rig_flow(V1, N("A", "pass", 1, 0, "") "," N("B", "fail", 2, 0, P("\"field\":\"x\"")),
             E("In", TO1("A")) "," E("A", TO1("B")));
    send_message("{\"x\":1}");
    assert_int_equal(failed(), 1);
    die_and_restore();
    expect_seen("A B B ");
}

/* What it did not run any more is still to be done: a retry must not find it done. */
static void endless_loop_fails_again_when_retried(void **state)
{
    (void)state;
    rig_flow(V1 ",\"maxNodeRuns\":3", N("L", "loop", 1, 0, "") "," N("Z", "pass", 2, 9, ""),
             E("In", TO1("L")) "," E("L", TO1("L") "," TO1("Z")));
    send_message("{\"n\":100}");
    expect_failed("L", "maxNodeRuns");
    die_and_restore();
    expect_failed("L", "stopped after 4 node runs");
    assert_int_equal(succeeded(), 0);
}

#define LOOP_NODES(work)                                                                           \
    N("L", "batches", 1, 0, "")                                                                    \
    "," work "," NOTE("Z", "$json.passes + '/' + $json.back + '/' + $('In').first().json.i")
#define LOOP_EDGES                                                                                 \
    E("In", TO1("L")) "," E("L", TO1("O") "," TO1("Z")) "," E("O", TO1("B")) "," E("B", TO1("L"))

/* The loop goes on with the pass it was at, and what came back is there. */
static void memory_of_a_loop(void **state)
{
    (void)state;
    rig_flow(V1, LOOP_NODES(N("O", "out", 2, 0, "") "," N("B", "park", 3, 0, "")), LOOP_EDGES);
    send_message("[{\"i\":1},{\"i\":2},{\"i\":3}]");
    wake_latest();
    wake_latest();
    expect_seen("L B L B L B ");
    die_and_restore();
    wake_latest();
    expect_seen("L B L B L B B L Z(3/3/1) ");
    commit();
    assert_string_equal(rig.released.ptr, "out={\"i\":1} out={\"i\":2} out={\"i\":3} ");
}

/* Saved between two tries: what the failed try kept is gone, before and after. */
static void memory_of_a_failed_try(void **state)
{
    (void)state;
    rig_flow(V1, LOOP_NODES(N("O", "out", 2, 0, "") "," N("B", "pass", 3, 0, "")), LOOP_EDGES);
    send_message("[{\"i\":1,\"fail\":1},{\"i\":2}]");
    expect_seen("L B L ");
    pass_ms(5000);
    expect_seen("L B L L B L Z(2/2/1) ");
    clear_text(&seen.text);
    send_message("[{\"i\":1,\"fail\":1},{\"i\":2}]");
    expect_seen("L B L ");
    die_and_restore();
    pass_ms(100000);
    expect_seen("L B L L B L Z(2/2/1) ");
}

/* A failed execution that is run again goes on in its loop, and sends nothing twice. */
static void memory_of_a_failed_execution(void **state)
{
    (void)state;
    rig_flow(V1,
             LOOP_NODES(N("O", "out", 2, 0, "") "," N("B", "fail", 3, 0, P("\"field\":\"bad\""))),
             LOOP_EDGES);
    send_message("[{\"i\":1},{\"i\":2,\"bad\":true}]");
    expect_failed("B", "bad bad");
    die_and_restore();
    assert_string_equal(rig.released.ptr, "out={\"i\":1} out={\"i\":2,\"bad\":true} ");
    expect_seen("L B L B B ");
    commit();
    assert_string_equal(rig.released.ptr, "out={\"i\":1} out={\"i\":2,\"bad\":true} ");
}

static void damaged_state_is_refused(void **state)
{
    (void)state;
    struct err err;
    rig_flow(V1, N("A", "pass", 1, 0, ""), E("In", TO1("A")));
    static const char *const bad[] = {
        "",
        "[]",
        "{\"v\":2}",
        "{\"v\":1,\"items\":[]}",
        "{\"v\":1,\"items\":[{\"j\":{},\"n\":7}],\"trigger\":[0]}",
        "{\"v\":1,\"items\":[{\"j\":{},\"n\":0,\"r\":0,\"o\":0,\"p\":3}],\"trigger\":[0]}",
        "{\"v\":1,\"items\":[{\"j\":{},\"n\":0,\"r\":0,\"o\":0,\"p\":0}],\"trigger\":[0]}",
        "{\"v\":1,\"items\":[{\"j\":{},\"n\":0,\"r\":0,\"o\":0}],\"trigger\":[1]}",
        "{\"v\":1,\"items\":[{\"j\":{},\"n\":0,\"r\":0,\"o\":0}],\"trigger\":[-1]}",
        "{\"v\":1,\"items\":[{\"j\":{},\"n\":0,\"r\":0,\"o\":0}],\"trigger\":[0],\"stack\":[{\"n\":"
        "9}]}",
        "{\"v\":1,\"items\":[{\"j\":{},\"n\":0,\"r\":0,\"o\":0}],\"trigger\":[0],\"stack\":[{\"n\":"
        "1,\"a\":1,\"in\":[[5]]}]}",
        "{\"v\":1,\"items\":[{\"j\":{},\"n\":0,\"r\":0,\"o\":0}],\"trigger\":[0],\"stack\":[],"
        "\"outputs\":\"!\"}",
        "{\"v\":1,\"items\":[{\"j\":{},\"n\":0,\"r\":0,\"o\":0}],\"trigger\":[0],\"stack\":[],"
        "\"memory\":[{\"n\":9}]}",
        "{\"v\":1,\"items\":[{\"j\":{},\"n\":0,\"r\":0,\"o\":0}],\"trigger\":[0],\"stack\":[],"
        "\"memory\":[{\"n\":1,\"l\":[[4]]}]}",
        "{\"v\":1,\"items\":[{\"j\":{},\"n\":0,\"r\":0,\"o\":0}],\"trigger\":[0],\"stack\":7}",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct store_exec saved = {
            .id = { 1, 0, i }, .version = 1, .status = STORE_WAITING, .state = str_of(bad[i])
        };
        if (engine_restore(rig.en, rig.lane, &saved, &err) == 0)
            fail_msg("taken: %s", bad[i]);
        engine_check(rig.en);
    }
    assert_int_equal(engine_counters_get(rig.en)->live, 0);
    struct store_exec other = { .version = 99, .state = STR("{}") };
    assert_int_equal(engine_restore(rig.en, rig.lane, &other, &err), -1);
    expect_seen("");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(goes_on_at_the_node_it_waited_at),
        TEST(branches_not_run_yet),
        TEST(branches_not_run_yet_in_legacy_order),
        TEST(inputs_that_wait_at_a_merge),
        TEST(merge_that_is_never_filled_is_released),
        TEST(parents_of_items),
        TEST(empty_item_of_always_output_data),
        TEST(kept_runs_and_run_index),
        TEST(keys_and_run_counts),
        TEST(binary_parts),
        TEST(outputs_and_rows_not_sent_yet),
        TEST(attempt_of_an_item),
        TEST(attempt_of_a_segment),
        TEST(time_of_the_next_try),
        TEST(time_of_the_next_try_is_over),
        TEST(timeout_goes_on),
        TEST(node_runs_count_on),
        TEST(failed_execution_runs_again_from_its_node),
        TEST(endless_loop_fails_again_when_retried),
        TEST(memory_of_a_loop),
        TEST(memory_of_a_failed_try),
        TEST(memory_of_a_failed_execution),
        TEST(damaged_state_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
