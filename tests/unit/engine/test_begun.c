/* SPDX-License-Identifier: Apache-2.0
 * maybe_begun(): what a node is told of earlier lives of its execution, in each durability.
 */
#include "harness.h"

#define EACH_STEP     V1 ",\"durability\":\"each_step\""
#define ONCE(name, x) N(name, "once", x, 0, "")
#define TELL(name, x) N(name, "tell", x, 0, "")

static char row_state[65536];
static struct store_exec row;

static void keep_row_of_turn(void)
{
    assert_non_null(rig.turn);
    assert_int_equal(rig.turn->n_execs, 1);
    row = rig.turn->execs[0];
    assert_true(row.state.len < sizeof row_state);
    memcpy(row_state, row.state.ptr, row.state.len);
    row.state.ptr = row_state;
}

static void restore_in_new_engine(void)
{
    struct err err;
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

static void commit_all(void)
{
    for (int i = 0; i < 8 && commit_start(); i++) {
        commit_ok();
        rig_run();
    }
}

static void first_run_has_not_begun(void **state)
{
    (void)state;
    rig_flow(V1, TELL("A", 1) "," TELL("B", 2), E("In", TO1("A")) "," E("A", TO1("B")));
    send_message("{}");
    expect_seen("A0 B0 ");
}

/* The event is one that an earlier owner of the lane may have taken. */
static void repeated_event_to_its_end(void **state)
{
    (void)state;
    rig_flow(V1, TELL("A", 1) "," TELL("B", 2), E("In", TO1("A")) "," E("A", TO1("B")));
    engine_lane_taken(rig.lane, 1);
    send_message("{}");
    expect_seen("A1 B1 ");
    send_message("{}");
    expect_seen("A1 B1 A0 B0 ");
}

static void each_step_repeated_event_to_its_first_effect(void **state)
{
    (void)state;
    rig_flow(EACH_STEP, TELL("A", 1) "," TELL("B", 2), E("In", TO1("A")) "," E("A", TO1("B")));
    engine_lane_taken(rig.lane, 1);
    send_message("{}");
    expect_seen("A1 ");
    commit_all();
    expect_seen("A1 B0 ");
}

static void each_step_restored_at_an_effect(void **state)
{
    (void)state;
    rig_flow(EACH_STEP, N("P", "park", 1, 0, "") "," TELL("A", 2) "," TELL("B", 3),
             E("In", TO1("P")) "," E("P", TO1("A")) "," E("A", TO1("B")));
    send_message("{}");
    assert_true(commit_start());
    keep_row_of_turn();
    commit_ok();
    wake_latest();
    expect_seen("P A0 ");
    restore_in_new_engine();
    wake_latest();
    expect_seen("P A0 P A1 ");
    commit_all();
    expect_seen("P A0 P A1 B0 ");
}

/* Before a node that must not begin twice the store has its input. */
static void each_step_stores_the_input_first(void **state)
{
    (void)state;
    rig_flow(EACH_STEP, ONCE("A", 1) "," ONCE("B", 2), E("In", TO1("A")) "," E("A", TO1("B")));
    send_message("{}");
    expect_seen("");
    assert_true(commit_start());
    keep_row_of_turn();
    commit_ok();
    rig_run();
    expect_seen("A0 ");
    assert_true(commit_start()); /* one commit says that A is done and B stands */
    commit_ok();
    rig_run();
    expect_seen("A0 B0 ");
    restore_in_new_engine();
    expect_seen("A0 B0 A1 ");
    commit_all();
    expect_seen("A0 B0 A1 B0 ");
}

static void each_step_repeated_event_is_exact(void **state)
{
    (void)state;
    rig_flow(EACH_STEP, ONCE("A", 1), E("In", TO1("A")));
    engine_lane_taken(rig.lane, UINT64_MAX);
    send_message("{}");
    commit_all();
    expect_seen("A0 ");
}

/* The row stands at the node before: that one was called, this one was not. */
static void each_step_restored_before_a_once_node(void **state)
{
    (void)state;
    rig_flow(EACH_STEP, N("P", "park", 1, 0, "") "," ONCE("A", 2),
             E("In", TO1("P")) "," E("P", TO1("A")));
    send_message("{}");
    assert_true(commit_start());
    keep_row_of_turn();
    commit_ok();
    restore_in_new_engine();
    wake_latest();
    commit_all();
    expect_seen("P P A0 ");
}

static void at_least_once_does_not_store_first(void **state)
{
    (void)state;
    rig_flow(V1 ",\"durability\":\"at_least_once\"", ONCE("A", 1), E("In", TO1("A")));
    send_message("{}");
    expect_seen("A0 ");
    assert_int_equal(rig.commits, 0);
}

/* exactly_once: the first event waits for one commit, which says that those behind it may have
 * begun too; these wait for nothing. */
static void exactly_once_runs_ahead_of_the_store(void **state)
{
    (void)state;
    rig_flow(V1, ONCE("A", 1), E("In", TO1("A")));
    send_message("{}");
    expect_seen("");
    assert_true(commit_start());
    uint64_t begun = rig.turn->blocks[0].begun;
    assert_true(begun > rig.turn->blocks[0].position_new);
    commit_ok();
    rig_run();
    expect_seen("A0 ");
    for (uint64_t position = 1; position < begun; position++)
        send_message("{}");
    assert_int_equal(seen.text.len, 3 * begun);
    send_message("{}"); /* the one behind waits again */
    assert_int_equal(seen.text.len, 3 * begun);
    commit_all();
    assert_int_equal(seen.text.len, 3 * (begun + 1));
}

/* What the journal says of an earlier owner bounds what the source holds, and stays until it is
 * passed. */
static void exactly_once_tells_what_may_have_begun(void **state)
{
    (void)state;
    rig.begun = 2;
    rig_flow(V1, ONCE("A", 1), E("In", TO1("A")));
    rig.begun = 0;
    engine_lane_taken(rig.lane, 1000);
    send_message("{}");
    expect_seen("A1 ");
    assert_true(commit_start());
    assert_true(rig.turn->blocks[0].begun >= 2);
    commit_ok();
    send_message("{}");
    send_message("{}");
    commit_all();
    expect_seen("A1 A1 A0 ");
}

/* At rest nothing more may have begun than was taken: after a crash then, all is exact. */
static void a_lane_at_rest_says_what_it_took(void **state)
{
    (void)state;
    rig_flow(V1, ONCE("A", 1), E("In", TO1("A")));
    send_message("{}");
    commit_all();
    pass_ms(1000);
    assert_true(commit_start());
    assert_int_equal(rig.turn->blocks[0].begun, 1);
    commit_ok();
    assert_false(commit_start());
    send_message("{}");
    expect_seen("A0 ");
    commit_all();
    expect_seen("A0 A0 ");
}

static void restored_to_its_end(void **state)
{
    (void)state;
    rig_flow(V1, N("P", "park", 1, 0, "") "," TELL("A", 2) "," TELL("B", 3),
             E("In", TO1("P")) "," E("P", TO1("A")) "," E("A", TO1("B")));
    send_message("{}");
    assert_true(commit_start());
    keep_row_of_turn();
    commit_ok();
    restore_in_new_engine();
    wake_latest();
    expect_seen("P P A1 B1 ");
}

/* What this engine put away itself, nobody has run since; what it had from others stays so. */
static void own_rows_say_all(void **state)
{
    struct err err;
    (void)state;
    rig_flow(V1, N("P", "park", 1, 0, "") "," TELL("A", 2), E("In", TO1("P")) "," E("P", TO1("A")));
    send_message("{}");
    assert_true(commit_start());
    keep_row_of_turn();
    commit_ok();
    rig_restart();
    rig.sources = 0;
    rig_lane();
    assert_int_equal(engine_restore_own(rig.en, rig.lane, &row, &err), 0);
    rig_run();
    wake_latest();
    expect_seen("P P A0 ");
}

static void saved_again_it_is_still_known(void **state)
{
    struct err err;
    struct strbuf b;
    (void)state;
    rig_flow(V1, N("P", "park", 1, 0, "") "," TELL("A", 2), E("In", TO1("P")) "," E("P", TO1("A")));
    send_message("{}");
    assert_true(commit_start());
    keep_row_of_turn();
    commit_ok();
    restore_in_new_engine();
    strbuf_init(&b, 1u << 20);
    exec_save(&b, engine_exec(rig.en, row.id));
    memcpy(row_state, b.ptr, b.len);
    row.state.len = b.len;
    strbuf_fini(&b);
    rig_restart();
    rig.sources = 0;
    rig_lane();
    assert_int_equal(engine_restore_own(rig.en, rig.lane, &row, &err), 0);
    rig_run();
    wake_latest();
    expect_seen("P P P A1 ");
}

/* It begins again with its trigger's items: every node may have been run, whatever is stored. */
static void begun_again_from_the_trigger(void **state)
{
    static const char anew[] =
        "{\"v\":1,\"items\":[{\"j\":{},\"n\":0,\"r\":0,\"o\":0}],\"trigger\":[0]}";
    struct err err;
    (void)state;
    rig_flow(EACH_STEP, ONCE("A", 1) "," ONCE("B", 2), E("In", TO1("A")) "," E("A", TO1("B")));
    struct store_exec saved = {
        .id = { 1, 0, 0 }, .version = 1, .status = STORE_WAITING, .state = str_of(anew)
    };
    assert_int_equal(engine_restore_own(rig.en, rig.lane, &saved, &err), 0);
    rig_run();
    commit_all();
    expect_seen("A1 B1 ");
}

/* --- a lane that is given away ------------------------------------------------------------------
 */

static int begin_latest(void)
{
    return seen.host->begin(seen.host, seen.tickets[seen.n_tickets - 1]);
}

/* Stands at A, stored there by an ordinary turn. */
static void stand_at_begins(void)
{
    rig_flow(V1, N("A", "begins", 1, 0, "") "," TELL("B", 2),
             E("In", TO1("A")) "," E("A", TO1("B")));
    send_message("{}");
    commit_all();
    expect_seen("A0 ");
}

static void give_lane_away(void)
{
    engine_lane_drop(rig.en, rig.lane, true);
    if (commit_start()) {
        if (rig.turn->n_execs)
            keep_row_of_turn();
        commit_ok();
    }
    rig_run();
}

static void restore_at_epoch(uint64_t epoch)
{
    rig.epoch = epoch;
    restore_in_new_engine();
    rig.epoch = 0;
}

static void what_waits_is_handed_over_as_it_stands(void **state)
{
    (void)state;
    stand_at_begins();
    give_lane_away();
    restore_at_epoch(2);
    expect_seen("A0 A0 ");
}

/* The owner between may have gone further, without another row. */
static void a_later_owner_cannot_know(void **state)
{
    (void)state;
    stand_at_begins();
    give_lane_away();
    restore_at_epoch(3);
    expect_seen("A0 A1 ");
}

static void what_has_begun_is_told(void **state)
{
    (void)state;
    rig_flow(V1, N("A", "begins", 1, 0, "") "," TELL("B", 2),
             E("In", TO1("A")) "," E("A", TO1("B")));
    send_message("{}");
    assert_true(commit_start());
    keep_row_of_turn();
    commit_ok();
    rig_run();
    assert_int_equal(begin_latest(), 1);
    give_lane_away();
    restore_at_epoch(2);
    expect_seen("A0 A1 ");
}

static void begin_and_give_away(void)
{
    stand_at_begins();
    assert_int_equal(begin_latest(), 1);
    engine_lane_drop(rig.en, rig.lane, true);
    commit_all();
    assert_int_equal(rig.lost.len, 0);
}

/* Else its end would be told to nobody. */
static void a_lane_that_goes_waits_for_what_has_begun(void **state)
{
    (void)state;
    begin_and_give_away();
    wake_latest();
    expect_seen("A0 B0 ");
    commit_all();
    pass_ms(1000); /* what has left is written down, too */
    commit_all();
    assert_string_equal(rig.lost.ptr, "1 ");
}

static void but_not_for_long(void **state)
{
    (void)state;
    begin_and_give_away();
    pass_ms(1900);
    assert_false(commit_start());
    assert_int_equal(rig.lost.len, 0);
    pass_ms(200);
    assert_false(commit_start());
    assert_string_equal(rig.lost.ptr, "1 ");
}

static void nothing_begins_in_a_lane_that_goes(void **state)
{
    (void)state;
    stand_at_begins();
    engine_lane_drop(rig.en, rig.lane, true);
    assert_int_equal(begin_latest(), 0);
    commit_all();
    assert_int_equal(begin_latest(), 0);
}

/* Held before the node until the lane is gone: its row says that it was not entered. */
static void nothing_is_entered_in_a_lane_that_goes(void **state)
{
    (void)state;
    rig_flow(V1, N("P", "park", 1, 0, "") "," ONCE("A", 2), E("In", TO1("P")) "," E("P", TO1("A")));
    send_message("{}");
    commit_all();
    engine_lane_drop(rig.en, rig.lane, true);
    wake_latest();
    expect_seen("P ");
    assert_true(commit_start());
    keep_row_of_turn();
    commit_ok();
    rig_run();
    expect_seen("P ");
    restore_at_epoch(2);
    commit_all();
    expect_seen("P A0 ");
}

/* As a connector does whose pace lets the item go. */
static void ask_latest(void)
{
    wf_item *it = seen.host->resume(seen.host, seen.tickets[seen.n_tickets - 1]);
    seen.host->request(it, &(wf_request){ .url = "http://test/" }, on_reply);
}

static void a_request_begins(void **state)
{
    (void)state;
    stand_at_begins();
    ask_latest();
    assert_int_equal(rig.n_requests, 1);
    engine_lane_drop(rig.en, rig.lane, true);
    commit_all();
    assert_int_equal(rig.lost.len, 0); /* its answer is waited for */
    pass_ms(2100);
    assert_false(commit_start());
    assert_string_equal(rig.lost.ptr, "1 ");
    assert_int_equal(rig.n_canceled, 1);
}

static void no_request_leaves_a_lane_that_goes(void **state)
{
    (void)state;
    stand_at_begins();
    engine_lane_drop(rig.en, rig.lane, true);
    ask_latest();
    assert_int_equal(rig.n_requests, 0);
    assert_true(commit_start());
    keep_row_of_turn();
    commit_ok();
    rig_run();
    assert_string_equal(rig.lost.ptr, "1 ");
    restore_at_epoch(2);
    expect_seen("A0 A0 ");
}

/* It was held for the store to know how far the lane may run, and the lane goes meanwhile. */
static void what_a_turn_holds_is_handed_over(void **state)
{
    (void)state;
    rig_flow(V1, ONCE("A", 1), E("In", TO1("A")));
    send_message("{}");
    expect_seen("");
    assert_true(commit_start());
    engine_lane_drop(rig.en, rig.lane, true);
    commit_ok();
    rig_run();
    assert_true(commit_start());
    keep_row_of_turn();
    commit_ok();
    rig_run();
    expect_seen("");
    assert_string_equal(rig.lost.ptr, "1 ");
    restore_at_epoch(2);
    commit_all();
    expect_seen("A0 ");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(first_run_has_not_begun),
        TEST(repeated_event_to_its_end),
        TEST(each_step_repeated_event_to_its_first_effect),
        TEST(each_step_restored_at_an_effect),
        TEST(each_step_stores_the_input_first),
        TEST(each_step_repeated_event_is_exact),
        TEST(each_step_restored_before_a_once_node),
        TEST(at_least_once_does_not_store_first),
        TEST(exactly_once_runs_ahead_of_the_store),
        TEST(exactly_once_tells_what_may_have_begun),
        TEST(a_lane_at_rest_says_what_it_took),
        TEST(restored_to_its_end),
        TEST(own_rows_say_all),
        TEST(saved_again_it_is_still_known),
        TEST(begun_again_from_the_trigger),
        TEST(what_waits_is_handed_over_as_it_stands),
        TEST(a_later_owner_cannot_know),
        TEST(what_has_begun_is_told),
        TEST(a_lane_that_goes_waits_for_what_has_begun),
        TEST(but_not_for_long),
        TEST(nothing_begins_in_a_lane_that_goes),
        TEST(nothing_is_entered_in_a_lane_that_goes),
        TEST(a_request_begins),
        TEST(no_request_leaves_a_lane_that_goes),
        TEST(what_a_turn_holds_is_handed_over),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
