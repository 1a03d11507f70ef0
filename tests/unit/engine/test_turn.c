/* SPDX-License-Identifier: Apache-2.0
 * Turns: what is committed, what leaves when, and what happens to lanes that are refused or given
 * up.
 */
#include "harness.h"

#define SENDS       N("A", "out", 1, 0, "")
#define SENDS_EDGES E("In", TO1("A"))
#define PARKS                                                                                      \
    N("A", "out", 1, 0, "")                                                                        \
    "," N("B", "park", 2, 0, "") "," N("C", "out", 3, 0, P("\"text\":\"end\""))
#define PARKS_EDGES E("In", TO1("A")) "," E("A", TO1("B")) "," E("B", TO1("C"))

static void wake(unsigned ticket)
{
    engine_woken(rig.en, seen.tickets[ticket], wake_fn(), STR("x"));
    rig_run();
}

static void block_has_columns(void **state)
{
    (void)state;
    rig_flow(V1, SENDS, SENDS_EDGES);
    rig.position = 5;
    send_message("{\"i\":0}");
    rig.mono_us += 10;
    send_message("{\"i\":1}");
    assert_true(commit_start());
    assert_int_equal(rig.turn->n_blocks, 1);
    const struct store_block *b = rig.turn->blocks;
    assert_int_equal(b->source, 1);
    assert_int_equal(b->epoch, 1);
    assert_int_equal(b->position_old, 0);
    assert_int_equal(b->position_new, 7);
    assert_int_equal(b->seq, 1);
    assert_int_equal(b->n, 2);
    assert_int_equal(b->n_outputs, 2);
    for (uint32_t i = 0; i < 2; i++) {
        assert_int_equal(b->positions[i], 5 + i);
        assert_int_equal(b->versions[i], 1);
        assert_int_equal(b->statuses[i], STORE_SUCCESS);
        assert_int_equal(b->started_us[i], rig.wall_us);
    }
    size_t at = 0;
    wf_str input;
    assert_int_equal(store_input_next(b->inputs, &at, &input), 1);
    assert_memory_equal(input.ptr, "{\"i\":0}", input.len);
    assert_int_equal(store_input_next(b->inputs, &at, &input), 1);
    assert_memory_equal(input.ptr, "{\"i\":1}", input.len);
    struct store_output out;
    at = 0;
    assert_int_equal(store_output_next(b->outputs, &at, &out), 1);
    assert_int_equal(out.exec, 0);
    assert_int_equal(store_output_next(b->outputs, &at, &out), 1);
    assert_int_equal(out.exec, 1);
    commit_ok();
}

static void outputs_leave_after_the_commit_only(void **state)
{
    (void)state;
    rig_flow(V1, SENDS, SENDS_EDGES);
    send_message("{\"i\":0}");
    assert_string_equal(rig.released.ptr, "");
    assert_true(commit_start());
    send_message("{\"i\":1}");
    assert_true(commit_start()); /* the first is in flight still */
    assert_int_equal(rig.commits, 1);
    assert_string_equal(rig.released.ptr, "");
    commit_ok();
    assert_string_equal(rig.released.ptr, "out={\"i\":0} ");
    assert_string_equal(rig.acknowledged.ptr, "1@1 ");
    commit();
    assert_string_equal(rig.released.ptr, "out={\"i\":0} out={\"i\":1} ");
    assert_string_equal(rig.acknowledged.ptr, "1@1 1@2 ");
}

static void nothing_to_commit(void **state)
{
    (void)state;
    rig_flow(V1, SENDS, SENDS_EDGES);
    assert_false(commit_start());
    send_message("{}");
    commit();
    assert_false(commit_start());
    assert_int_equal(rig.commits, 1);
}

static void waiting_execution_is_a_row_until_it_ends(void **state)
{
    (void)state;
    rig_flow(V1, PARKS, PARKS_EDGES);
    send_message("{\"i\":0}");
    assert_true(commit_start());
    const struct store_turn *t = rig.turn;
    assert_int_equal(t->blocks[0].n, 0);
    assert_int_equal(t->blocks[0].seq, 0);
    assert_int_equal(t->blocks[0].position_new, 1);
    assert_int_equal(t->n_execs, 1);
    assert_int_equal(t->execs[0].status, STORE_WAITING);
    assert_int_equal(t->execs[0].id.position, 0);
    assert_memory_equal(t->execs[0].node.ptr, "B", 2);
    commit_ok();
    assert_string_equal(rig.released.ptr, "");
    assert_false(commit_start()); /* once is enough */
    wake(0);
    assert_true(commit_start());
    assert_int_equal(rig.turn->n_execs, 0);
    assert_int_equal(rig.turn->n_ended, 1);
    assert_int_equal(rig.turn->ended[0].position, 0);
    assert_int_equal(rig.turn->blocks[0].n, 1);
    commit_ok();
    assert_string_equal(rig.released.ptr, "out={\"i\":0} end={\"woken\":\"x\"} ");
    assert_false(engine_idle(rig.en)); /* its outputs are on their way */
    engine_released(rig.en, rig.lane, rig.last_seq);
    assert_true(engine_idle(rig.en));
}

/* It ended while its row was in flight: the next turn removes it. */
static void execution_that_ends_while_its_row_is_in_flight(void **state)
{
    (void)state;
    rig_flow(V1, PARKS, PARKS_EDGES);
    send_message("{\"i\":0}");
    assert_true(commit_start());
    wake(0);
    assert_string_equal(rig.released.ptr, "");
    commit_ok();
    assert_string_equal(rig.released.ptr, "");
    assert_true(commit_start());
    assert_int_equal(rig.turn->n_ended, 1);
    commit_ok();
    assert_string_equal(rig.released.ptr, "out={\"i\":0} end={\"woken\":\"x\"} ");
}

static void failed_after_it_was_saved_replaces_its_row(void **state)
{
    (void)state;
    rig_flow(V1, N("A", "park", 1, 0, "") "," N("B", "fail", 2, 0, P("\"field\":\"woken\"")),
             E("In", TO1("A")) "," E("A", TO1("B")));
    send_message("{}");
    commit();
    wake(0);
    assert_true(commit_start());
    assert_int_equal(rig.turn->n_ended, 0);
    assert_int_equal(rig.turn->n_execs, 1);
    assert_int_equal(rig.turn->execs[0].status, STORE_ERROR);
    commit_ok();
}

#define STEPS                                                                                      \
    N("A", "effect", 1, 0, "")                                                                     \
    "," N("B", "pass", 2, 0, "") "," N("C", "effect", 3, 0, "") "," N("D", "out", 4, 0, "")
#define STEPS_EDGES E("In", TO1("A")) "," E("A", TO1("B")) "," E("B", TO1("C")) "," E("C", TO1("D"))

static void each_step_holds_until_the_commit(void **state)
{
    (void)state;
    rig_flow(V1 ",\"durability\":\"each_step\"", STEPS, STEPS_EDGES);
    send_message("{}");
    expect_seen("A ");
    assert_true(commit_start());
    assert_int_equal(rig.turn->n_execs, 1);
    rig_run();
    expect_seen("A ");
    commit_ok();
    expect_seen("A B C ");
    assert_true(commit_start());
    assert_int_equal(rig.turn->n_execs, 1); /* what C did */
    commit_ok();
    assert_int_equal(succeeded(), 1);
    commit();
    assert_string_equal(rig.released.ptr, "out={} ");
}

static void each_step_timeout_while_held(void **state)
{
    (void)state;
    rig_flow(V1 ",\"durability\":\"each_step\",\"executionTimeout\":1", STEPS, STEPS_EDGES);
    send_message("{}");
    assert_true(commit_start());
    pass_ms(1000);
    assert_int_equal(failed(), 1);
    commit_ok();
    expect_seen("A ");
    assert_true(commit_start());
    assert_int_equal(rig.turn->execs[0].status, STORE_ERROR);
    commit_ok();
}

static void at_least_once_acknowledges_what_was_sent(void **state)
{
    (void)state;
    rig_flow(V1 ",\"durability\":\"at_least_once\"", SENDS, SENDS_EDGES);
    send_message("{}");
    assert_false(commit_start()); /* no transaction: the outputs leave */
    assert_int_equal(rig.commits, 0);
    assert_string_equal(rig.released.ptr, "out={} ");
    assert_string_equal(rig.acknowledged.ptr, "");
    engine_released(rig.en, rig.lane, rig.last_seq);
    assert_string_equal(rig.acknowledged.ptr, "1@1 ");
}

static void at_least_once_acknowledges_in_order(void **state)
{
    (void)state;
    rig_flow(V1 ",\"durability\":\"at_least_once\"",
             N("If", "if", 1, 0, P("\"field\":\"send\"")) "," N("A", "out", 2, 0, ""),
             E("In", TO1("If")) "," E("If", TO1("A")));
    send_message("{\"send\":1}");
    commit();
    send_message("{}"); /* has nothing to send, yet the one before it is not done */
    commit();
    assert_string_equal(rig.acknowledged.ptr, "");
    engine_released(rig.en, rig.lane, 1);
    assert_string_equal(rig.acknowledged.ptr, "1@2 ");
    send_message("{}");
    commit();
    assert_string_equal(rig.acknowledged.ptr, "1@2 1@3 ");
}

static void at_least_once_saves_what_waits(void **state)
{
    (void)state;
    rig_flow(V1 ",\"durability\":\"at_least_once\"", PARKS, PARKS_EDGES);
    send_message("{}");
    assert_true(commit_start());
    assert_int_equal(rig.turn->n_blocks, 0);
    assert_int_equal(rig.turn->n_execs, 1);
    assert_string_equal(rig.acknowledged.ptr, "");
    commit_ok();
    assert_string_equal(rig.acknowledged.ptr, "1@1 ");
    wake(0);
    assert_true(commit_start());
    assert_int_equal(rig.turn->n_ended, 1);
    commit_ok();
    assert_string_equal(rig.released.ptr, "out={} end={\"woken\":\"x\"} ");
}

static void none_acknowledges_at_once_and_saves_nothing(void **state)
{
    (void)state;
    rig_flow(V1 ",\"durability\":\"none\"", PARKS, PARKS_EDGES);
    send_message("{}");
    assert_false(commit_start());
    assert_string_equal(rig.acknowledged.ptr, "1@1 ");
    wake(0);
    assert_false(commit_start());
    assert_int_equal(rig.commits, 0);
    assert_string_equal(rig.released.ptr, "out={} end={\"woken\":\"x\"} ");
}

static void released_rides_in_a_later_turn_in_order(void **state)
{
    (void)state;
    rig_flow(V1, SENDS, SENDS_EDGES);
    for (int i = 0; i < 3; i++) {
        send_message("{}");
        commit();
    }
    engine_released(rig.en, rig.lane, 2);
    send_message("{}");
    assert_true(commit_start());
    assert_int_equal(rig.turn->blocks[0].seq, 4);
    assert_int_equal(rig.turn->blocks[0].released, 2);
    engine_released(rig.en, rig.lane, 1); /* older news */
    engine_released(rig.en, rig.lane, 3);
    commit_ok();
    engine_released(rig.en, rig.lane, 4);
    assert_false(commit_start());
    assert_int_equal(engine_next_timer(rig.en), rig.mono_us + 200001);
    pass_ms(201); /* without another turn, it is written alone */
    assert_true(commit_start());
    assert_int_equal(rig.turn->blocks[0].released, 4);
    assert_int_equal(rig.turn->blocks[0].seq, 0);
    commit_ok();
    assert_int_equal(engine_next_timer(rig.en), -1);
}

/* --- rows that the database refuses ----------------------------------------------------------- */

#define ROWS(n)    N("A", "row", 1, 0, P("\"n\":" #n)) "," N("B", "out", 2, 0, "")
#define ROWS_EDGES E("In", TO1("A")) "," E("A", TO1("B"))

static void refuse(const struct store_bad_row *bad, uint32_t n)
{
    commit_result(
        &(struct store_commit_result){ .result = STORE_BAD_ROWS, .bad = bad, .n_bad = n });
}

static void rows_commit_with_their_execution(void **state)
{
    (void)state;
    rig_flow(V1, ROWS(0), ROWS_EDGES);
    send_message("[{},{}]");
    assert_true(commit_start());
    assert_int_equal(rig.turn->n_rows, 2);
    assert_string_equal(rig.turn->rows[0].table.ptr, "charges");
    assert_string_equal(rig.turn->rows[0].unique.ptr, "id");
    assert_memory_equal(rig.turn->rows[0].row.ptr, "{\"id\":\"1-0-0:", 12);
    commit_ok();
}

static void bad_row_fails_its_execution_alone(void **state)
{
    (void)state;
    rig_flow(V1, ROWS(0), ROWS_EDGES);
    for (int i = 0; i < 3; i++)
        send_message(i == 1 ? "{\"i\":1}" : "{\"i\":0}");
    assert_true(commit_start());
    refuse(&(struct store_bad_row){ 1, "too long" }, 1);
    assert_int_equal(rig.commits, 2);
    assert_int_equal(rig.turn->n_rows, 2);
    assert_int_equal(rig.turn->rows[0].exec.position, 0);
    assert_int_equal(rig.turn->rows[1].exec.position, 2);
    const struct store_block *b = rig.turn->blocks;
    assert_int_equal(b->statuses[0], STORE_SUCCESS);
    assert_int_equal(b->statuses[1], STORE_ERROR);
    assert_int_equal(b->statuses[2], STORE_SUCCESS);
    assert_int_equal(b->n_outputs, 2);
    assert_int_equal(rig.turn->n_execs, 1);
    assert_int_equal(rig.turn->execs[0].id.position, 1);
    assert_int_equal(rig.turn->execs[0].version, 1);
    assert_non_null(strstr(rig.turn->execs[0].error.ptr, "too long"));
    commit_ok();
    assert_string_equal(rig.released.ptr, "out={\"i\":0} out={\"i\":0} ");
    assert_int_equal(succeeded(), 2);
    assert_int_equal(failed(), 1);
}

static void two_bad_rows_of_one_execution_fail_it_once(void **state)
{
    (void)state;
    rig_flow(V1, ROWS(1), ROWS_EDGES);
    send_message("{}");
    assert_true(commit_start());
    refuse((const struct store_bad_row[]){ { 0, "bad" }, { 1, "bad" } }, 2);
    assert_int_equal(rig.turn->n_rows, 0);
    assert_int_equal(rig.turn->n_execs, 1);
    commit_ok();
    assert_int_equal(succeeded(), 0);
    assert_int_equal(failed(), 1);
}

/* Its failure must not be removed together with the row it waited in. */
static void bad_row_of_an_execution_that_was_saved(void **state)
{
    (void)state;
    rig_flow(V1, N("P", "park", 1, 0, "") "," ROWS(0),
             E("In", TO1("P")) "," E("P", TO1("A")) "," E("A", TO1("B")));
    send_message("{}");
    commit();
    wake(0);
    assert_true(commit_start());
    assert_int_equal(rig.turn->n_ended, 1);
    refuse(&(struct store_bad_row){ 0, "bad" }, 1);
    assert_int_equal(rig.turn->n_ended, 0);
    assert_int_equal(rig.turn->n_execs, 1);
    commit_ok();
    assert_string_equal(rig.released.ptr, "");
}

static void bad_row_answers_its_webhook_with_the_failure(void **state)
{
    (void)state;
    rig_flow(V1, ROWS(0), ROWS_EDGES);
    send_webhook("{\"i\":0}", "one", false, ANSWER_FIRST_JSON);
    send_webhook("{\"i\":1}", "two", false, ANSWER_FIRST_JSON);
    assert_true(commit_start());
    refuse(&(struct store_bad_row){ 0, "bad" }, 1);
    commit_ok();
    assert_string_equal(rig.answers.ptr,
                        "one:500:{\"message\":\"Workflow execution failed\"} two:200:{\"i\":1} ");
}

/* --- fencing ---------------------------------------------------------------------------------- */

static void fenced_lane_goes_and_the_rest_is_committed(void **state)
{
    (void)state;
    rig_flow(V1, PARKS, PARKS_EDGES);
    struct lane *first = rig.lane, *second = rig_lane(), *third = rig_lane();
    (void)first;
    (void)third;
    send_to(first, "{\"i\":1}");
    send_to(second, "{\"i\":2}");
    send_to(third, "{\"i\":3}");
    rig_run();
    for (unsigned i = 0; i < 3; i++)
        wake(i);
    send_to(second, "{}"); /* waits in the lane that will be lost */
    rig_run();
    assert_true(commit_start());
    assert_int_equal(rig.turn->n_blocks, 3);
    assert_int_equal(rig.turn->n_execs, 1);
    commit_result(&(struct store_commit_result){ .result = STORE_FENCED, .lane = 1 });
    assert_string_equal(rig.lost.ptr, "2 ");
    assert_int_equal(rig.turn->n_blocks, 2);
    assert_int_equal(rig.turn->blocks[0].source, 1);
    assert_int_equal(rig.turn->blocks[1].source, 3);
    assert_int_equal(rig.turn->n_execs, 0);
    commit_ok();
    assert_string_equal(rig.released.ptr,
                        "out={\"i\":1} end={\"woken\":\"x\"} out={\"i\":3} end={\"woken\":\"x\"} ");
    wake(3); /* of a lane that is gone */
    assert_null(engine_lane_find(rig.en, 2, 0));
}

static void fenced_lane_alone(void **state)
{
    (void)state;
    rig_flow(V1, SENDS, SENDS_EDGES);
    send_message("{}");
    assert_true(commit_start());
    commit_result(&(struct store_commit_result){ .result = STORE_FENCED, .lane = 0 });
    assert_null(rig.turn);
    assert_string_equal(rig.released.ptr, "");
    assert_string_equal(rig.lost.ptr, "1 ");
    assert_true(engine_idle(rig.en));
}

/* Nothing of it is durable: no answer may say that it is. */
static void fenced_webhooks_are_not_told_of_success(void **state)
{
    (void)state;
    rig_flow(V1, SENDS, SENDS_EDGES);
    struct lane *other = rig.lane;
    rig_lane();
    send_webhook("{}", "accepted", true, ANSWER_NO_DATA);
    send_webhook("{}", "ended", false, ANSWER_FIRST_JSON);
    send_to(other, "{}");
    rig_run();
    assert_true(commit_start());
    send_webhook("{}", "next", true, ANSWER_NO_DATA); /* in the turn that gathers */
    commit_result(&(struct store_commit_result){ .result = STORE_FENCED, .lane = 1 });
    commit_ok();
    commit();
    assert_null(strstr(rig.answers.ptr, ":20"));
    assert_non_null(strstr(rig.answers.ptr, "accepted:503"));
    assert_non_null(strstr(rig.answers.ptr, "ended:503"));
    assert_non_null(strstr(rig.answers.ptr, "next:503"));
}

/* --- webhooks --------------------------------------------------------------------------------- */

static void webhook_is_answered_when_accepted_durably(void **state)
{
    (void)state;
    rig_flow(V1, PARKS, PARKS_EDGES);
    send_webhook("{}", "h", true, ANSWER_NO_DATA);
    assert_string_equal(rig.answers.ptr, "");
    assert_true(commit_start());
    assert_string_equal(rig.answers.ptr, "");
    commit_ok();
    assert_string_equal(rig.answers.ptr, "h:202: ");
    wake(0);
    commit();
    assert_string_equal(rig.answers.ptr, "h:202: ");
}

static void webhook_is_answered_by_the_last_node(void **state)
{
    (void)state;
    rig_flow(V1, N("F", "fan", 1, 0, P("\"n\":2")), E("In", TO1("F")));
    send_webhook("{}", "all", false, ANSWER_ALL_ENTRIES);
    send_webhook("{}", "first", false, ANSWER_FIRST_JSON);
    send_webhook("{}", "none", false, ANSWER_NO_DATA);
    assert_string_equal(rig.answers.ptr, "");
    commit();
    assert_string_equal(rig.answers.ptr,
                        "all:200:[{\"i\":0},{\"i\":1}] first:200:{\"i\":0} none:200: ");
}

static void webhook_is_answered_by_a_file(void **state)
{
    (void)state;
    rig_flow(V1, N("F", "attach", 1, 0, P("\"text\":\"bytes\"")), E("In", TO1("F")));
    send_webhook("{}", "h", false, ANSWER_FIRST_BINARY);
    commit();
    assert_string_equal(rig.answers.ptr, "h:200:bytes ");
}

static void webhook_of_a_failure(void **state)
{
    (void)state;
    rig_flow(V1, N("F", "fail", 1, 0, P("\"field\":\"x\"")), E("In", TO1("F")));
    send_webhook("{\"x\":1}", "h", false, ANSWER_FIRST_JSON);
    send_webhook("{\"x\":1}", "accepted", true, ANSWER_FIRST_JSON);
    commit();
    assert_string_equal(rig.answers.ptr,
                        "h:500:{\"message\":\"Workflow execution failed\"} accepted:202: ");
}

static void webhook_is_answered_once_by_a_node(void **state)
{
    (void)state;
    rig_flow(V1, N("R", "respond", 1, 0, P("\"text\":\"hi\"")), E("In", TO1("R")));
    send_webhook("[{},{}]", "h", false, ANSWER_FIRST_JSON);
    send_message("{}"); /* nobody waits */
    commit();
    assert_string_equal(rig.answers.ptr, "h:201:hi ");
    expect_seen("nobody nobody ");
}

/* --- giving a lane up ------------------------------------------------------------------------- */

static void dropped_lane_while_parked(void **state)
{
    (void)state;
    rig_flow(V1, PARKS, PARKS_EDGES);
    send_webhook("{}", "h", false, ANSWER_FIRST_JSON);
    engine_lane_drop(rig.en, rig.lane, false);
    assert_string_equal(rig.lost.ptr, "1 ");
    assert_int_equal(rig.freed, 1);
    assert_non_null(strstr(rig.answers.ptr, "h:503:"));
    wake(0);
    expect_seen("B ");
    assert_true(engine_idle(rig.en));
    assert_false(commit_start());
}

static void dropped_lane_while_ready_and_between_tries(void **state)
{
    (void)state;
    rig_flow(V1, N("A", "askRetry", 1, 0, P("\"n\":9,\"ms\":10")), E("In", TO1("A")));
    send_message("[{},{}]");
    rig.mono_us += 1000000;
    engine_tick(rig.en); /* stands in the lone list */
    send_to(rig.lane, "{}");
    engine_lane_drop(rig.en, rig.lane, false);
    engine_check(rig.en);
    rig_run();
    assert_int_equal(engine_next_timer(rig.en), -1);
    expect_seen("A A ");
}

static void dropped_lane_in_flight_drains(void **state)
{
    (void)state;
    rig_flow(V1, SENDS, SENDS_EDGES);
    send_message("{\"i\":0}");
    assert_true(commit_start());
    struct lane *lane = rig.lane;
    engine_lane_drop(rig.en, lane, false);
    assert_string_equal(rig.lost.ptr, "");
    commit_ok();
    assert_string_equal(rig.released.ptr, "out={\"i\":0} ");
    assert_string_equal(rig.lost.ptr, "");
    engine_released(rig.en, lane, rig.last_seq);
    pass_ms(300);
    commit(); /* writes down what was released */
    assert_string_equal(rig.lost.ptr, "1 ");
}

static void draining_lane_takes_no_events(void **state)
{
    (void)state;
    rig_flow(V1, PARKS, PARKS_EDGES);
    send_message("{}");
    engine_lane_drop(rig.en, rig.lane, true);
    send_message("{}");
    assert_int_equal(rig.freed, 1);
    expect_seen("B ");
    commit(); /* what waits is saved: another engine takes it from the store */
    assert_string_equal(rig.lost.ptr, "1 ");
    assert_int_equal(rig.freed, 2);
}

static void draining_lane_waits_for_its_webhooks(void **state)
{
    (void)state;
    rig_flow(V1, N("B", "park", 2, 0, ""), E("In", TO1("B")));
    send_webhook("{}", "h", false, ANSWER_FIRST_JSON);
    engine_lane_drop(rig.en, rig.lane, true);
    commit();
    assert_string_equal(rig.lost.ptr, "");
    wake(0);
    commit();
    assert_string_equal(rig.answers.ptr, "h:200:{\"woken\":\"x\"} ");
    pass_ms(300);
    commit(); /* writes down what was released */
    assert_string_equal(rig.lost.ptr, "1 ");
}

static void idle_lane_is_gone_at_once(void **state)
{
    (void)state;
    rig_flow(V1, SENDS, SENDS_EDGES);
    engine_lane_drop(rig.en, rig.lane, true);
    assert_string_equal(rig.lost.ptr, "1 ");
}

/* No turn comes any more: the acknowledgement of its last outputs must be enough. */
static void draining_lane_without_journal_goes_when_all_is_sent(void **state)
{
    (void)state;
    rig_flow(V1 ",\"durability\":\"at_least_once\"", SENDS, SENDS_EDGES);
    send_message("{}");
    struct lane *lane = rig.lane;
    engine_lane_drop(rig.en, lane, true);
    commit();
    assert_string_equal(rig.lost.ptr, "");
    engine_released(rig.en, lane, rig.last_seq);
    commit();
    assert_string_equal(rig.acknowledged.ptr, "1@1 ");
    assert_string_equal(rig.lost.ptr, "1 ");
}

static void back_pressure(void **state)
{
    (void)state;
    engine_destroy(rig.en);
    rig.limits.max_live = 2;
    rig.limits.max_turn = 3;
    rig_engine();
    rig_flow(V1, PARKS, PARKS_EDGES);
    assert_int_equal(engine_room(rig.en), 2);
    send_message("{}");
    send_message("{}");
    assert_int_equal(engine_room(rig.en), 0);
    wake(0);
    wake(1);
    assert_int_equal(engine_room(rig.en), 1);
    send_message("{}");
    wake(2);
    assert_int_equal(engine_room(rig.en), 0);
    commit();
    assert_int_equal(engine_room(rig.en), 2);
}

/* It tells of a failure that is kept: never of one that another engine may not see. */
static void error_workflow_starts_with_the_commit(void **state)
{
    (void)state;
    rig_flow(V1 ",\"errorWorkflow\":\"alarm\"", N("A", "fail", 1, 0, P("\"field\":\"bad\"")),
             E("In", TO1("A")));
    send_message("{\"bad\":1}");
    assert_int_equal(failed(), 1);
    assert_true(commit_start());
    assert_string_equal(rig.started.ptr, "");
    commit_ok();
    assert_non_null(strstr(rig.started.ptr, "alarm:{\"execution\":{\"id\":\"1-0-0\""));
    assert_non_null(strstr(rig.started.ptr, "\"input\":{\"bad\":1},\"lastNodeExecuted\":\"A\""));
    clear_text(&rig.started);
    commit();
    assert_string_equal(rig.started.ptr, "");
}

static void error_workflow_of_a_lost_lane_does_not_start(void **state)
{
    (void)state;
    rig_flow(V1 ",\"errorWorkflow\":\"alarm\"", N("A", "fail", 1, 0, P("\"field\":\"bad\"")),
             E("In", TO1("A")));
    send_message("{\"bad\":1}");
    assert_true(commit_start());
    rig.turn = NULL;
    engine_committed(rig.en, &(struct store_commit_result){ .result = STORE_FENCED });
    assert_string_equal(rig.lost.ptr, "1 ");
    assert_string_equal(rig.started.ptr, "");
    assert_false(commit_start());
    assert_string_equal(rig.started.ptr, "");
}

#define ERR_NODE ",{\"name\":\"Err\",\"type\":\"" ERROR_TRIGGER_TYPE "\",\"position\":[0,200]}"

/* One with an error trigger of its own, and none named, tells itself. */
static void error_trigger_of_its_own_starts_it(void **state)
{
    (void)state;
    rig_flow(V1, N("A", "fail", 1, 0, P("\"field\":\"bad\"")) ERR_NODE, E("In", TO1("A")));
    send_message("{\"bad\":1}");
    commit();
    assert_non_null(strstr(rig.started.ptr, "w:{\"execution\":{\"id\":\"1-0-0\""));
}

/* Else it would go in circles, alone or with another. */
static void failed_error_workflow_starts_none(void **state)
{
    static const char *const settings[] = { V1, V1 ",\"errorWorkflow\":\"w\"",
                                            V1 ",\"errorWorkflow\":\"alarm\"" };
    (void)state;
    for (size_t i = 0; i < 3; i++) {
        if (i) {
            rig_teardown(state);
            rig_setup(state);
        }
        rig_flow(settings[i], N("A", "fail", 1, 0, P("\"field\":\"bad\"")) ERR_NODE,
                 E("Err", TO1("A")));
        struct lane_config config = { .at = { .source = ++rig.sources, .epoch = 1 },
                                      .plan = rig.ep,
                                      .trigger = engine_plan_get(rig.ep)->triggers[1] };
        rig.lane = engine_lane_add(rig.en, &config);
        send_message("{\"bad\":1}");
        assert_int_equal(failed(), 1);
        commit();
        assert_string_equal(rig.started.ptr, "");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(block_has_columns),
        TEST(outputs_leave_after_the_commit_only),
        TEST(nothing_to_commit),
        TEST(waiting_execution_is_a_row_until_it_ends),
        TEST(execution_that_ends_while_its_row_is_in_flight),
        TEST(failed_after_it_was_saved_replaces_its_row),
        TEST(each_step_holds_until_the_commit),
        TEST(each_step_timeout_while_held),
        TEST(at_least_once_acknowledges_what_was_sent),
        TEST(at_least_once_acknowledges_in_order),
        TEST(at_least_once_saves_what_waits),
        TEST(none_acknowledges_at_once_and_saves_nothing),
        TEST(released_rides_in_a_later_turn_in_order),
        TEST(rows_commit_with_their_execution),
        TEST(bad_row_fails_its_execution_alone),
        TEST(two_bad_rows_of_one_execution_fail_it_once),
        TEST(bad_row_of_an_execution_that_was_saved),
        TEST(bad_row_answers_its_webhook_with_the_failure),
        TEST(fenced_lane_goes_and_the_rest_is_committed),
        TEST(fenced_lane_alone),
        TEST(fenced_webhooks_are_not_told_of_success),
        TEST(webhook_is_answered_when_accepted_durably),
        TEST(webhook_is_answered_by_the_last_node),
        TEST(webhook_is_answered_by_a_file),
        TEST(webhook_of_a_failure),
        TEST(webhook_is_answered_once_by_a_node),
        TEST(dropped_lane_while_parked),
        TEST(dropped_lane_while_ready_and_between_tries),
        TEST(dropped_lane_in_flight_drains),
        TEST(draining_lane_takes_no_events),
        TEST(draining_lane_waits_for_its_webhooks),
        TEST(idle_lane_is_gone_at_once),
        TEST(draining_lane_without_journal_goes_when_all_is_sent),
        TEST(back_pressure),
        TEST(error_workflow_starts_with_the_commit),
        TEST(error_workflow_of_a_lost_lane_does_not_start),
        TEST(error_trigger_of_its_own_starts_it),
        TEST(failed_error_workflow_starts_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
