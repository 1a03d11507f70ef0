/* SPDX-License-Identifier: Apache-2.0
 * What a failed item does: to its execution, to its outputs, to its neighbours in the frame.
 */
#include "harness.h"

#define FAIL(more)          N("Bad", "fail", 1, 0, more P("\"field\":\"x\""))
#define NOTE(name, expr, y) N(name, "note", 2, y, P("\"text\":\"=" name "({{ " expr " }})\""))
#define TO_GOOD             E("In", TO1("Bad")) "," E("Bad", TO1("Good"))
#define TO_BOTH             E("In", TO1("Bad")) "," E("Bad", TO1("Good") "," TO1("Err"))

static void stop_fails_the_execution(void **state)
{
    (void)state;
    rig_flow(V1, FAIL("") "," NOTE("Good", "$json.i", 0), TO_GOOD);
    send_message("[{\"i\":0},{\"i\":1,\"x\":true}]");
    expect_seen("Bad Bad ");
    expect_failed("Bad", "bad x");
    assert_int_equal(succeeded(), 0);
}

static void regular_output_carries_the_error(void **state)
{
    (void)state;
    rig_flow(V1, FAIL(",\"onError\":\"continueRegularOutput\"") "," NOTE("Good", "$json.error", 0),
             TO_GOOD);
    send_message("[{\"i\":0},{\"i\":1,\"x\":true}]");
    expect_seen("Bad Bad Good() Good(bad x) ");
    assert_int_equal(succeeded(), 1);
}

static void error_output_carries_item_and_error(void **state)
{
    (void)state;
    rig_flow(V1,
             FAIL(",\"onError\":\"continueErrorOutput\"") "," NOTE("Good", "$json.i", 0) "," NOTE(
                 "Err", "$json.i + $json.error", 9),
             TO_BOTH);
    send_message("[{\"i\":0},{\"i\":1,\"x\":true},{\"i\":2}]");
    expect_seen("Bad Bad Bad Good(0) Good(2) Err(1bad x) ");
    assert_int_equal(succeeded(), 1);
}

static void segment_error_stops(void **state)
{
    (void)state;
    rig_flow(V1, N("Bad", "segFlaky", 1, 0, P("\"n\":9")) "," NOTE("Good", "$json.i", 0), TO_GOOD);
    send_message("[{\"i\":0},{\"i\":1}]");
    expect_seen("Bad ");
    expect_failed("Bad", "segment is bad");
}

static void segment_error_by_the_regular_output(void **state)
{
    (void)state;
    rig_flow(
        V1,
        N("Bad", "segFlaky", 1, 0,
          ",\"onError\":\"continueRegularOutput\"" P("\"n\":9")) "," NOTE("Good", "$json.error", 0),
        TO_GOOD);
    send_message("[{\"i\":0},{\"i\":1}]");
    expect_seen("Bad Good(segment is bad) ");
}

static void segment_error_by_the_error_output(void **state)
{
    (void)state;
    rig_flow(
        V1,
        N("Bad", "segFlaky", 1, 0, ",\"onError\":\"continueErrorOutput\"" P("\"n\":9")) "," NOTE(
            "Good", "$json.i", 0) "," NOTE("Err", "$json.i", 9),
        TO_BOTH);
    send_message("[{\"i\":0},{\"i\":1}]");
    expect_seen("Bad Err(0) Err(1) ");
}

/* What a failed try of a segment gave is not given by the next one as well. */
static void segment_tried_again_gives_its_output_once(void **state)
{
    (void)state;
    rig_flow(V1,
             N("Bad", "segFlaky", 1, 0,
               ",\"retry\":{\"tries\":3,\"first_ms\":100}" P(
                   "\"n\":2")) "," NOTE("Good", "$json.attempt", 0),
             TO_GOOD);
    send_message("[{},{}]");
    pass_ms(100);
    pass_ms(200);
    expect_seen("Bad Bad Bad Good(3) ");
    assert_int_equal(succeeded(), 1);
}

static void bad_item_spares_the_executions_beside_it(void **state)
{
    (void)state;
    rig_flow(V1, FAIL("") "," N("Z", "fan", 2, 0, P("\"n\":1")),
             E("In", TO1("Bad")) "," E("Bad", TO1("Z")));
    for (int i = 0; i < 1500; i++)
        send_to(rig.lane, i == 700 ? "{\"x\":true}" : "{}");
    rig_run();
    assert_int_equal(succeeded(), 1499);
    assert_int_equal(failed(), 1);
    assert_true(commit_start());
    const struct store_block *b = rig.turn->blocks;
    for (uint32_t i = 0; i < b->n; i++)
        assert_int_equal(b->statuses[i], b->positions[i] == 700 ? STORE_ERROR : STORE_SUCCESS);
    assert_int_equal(rig.turn->n_execs, 1);
    assert_int_equal(rig.turn->execs[0].id.position, 700);
    commit_ok();
}

static void forgotten_item_fails_alone(void **state)
{
    (void)state;
    rig_flow(V1, N("F", "forget", 1, 0, P("\"field\":\"x\"")), E("In", TO1("F")));
    send_to(rig.lane, "{}");
    send_to(rig.lane, "{\"x\":true}");
    rig_run();
    assert_int_equal(succeeded(), 1);
    expect_failed("F", "node did not finish item");
}

static void forgotten_segment_fails(void **state)
{
    (void)state;
    rig_flow(V1, N("F", "segForget", 1, 0, ""), E("In", TO1("F")));
    send_message("{}");
    expect_failed("F", "node did not finish its items");
}

static void first_outcome_stands_when_finished_twice(void **state)
{
    (void)state;
    rig_flow(V1, N("T", "twice", 1, 0, "") "," NOTE("Good", "$json.is", 0),
             E("In", TO1("T")) "," E("T", TO1("Good")));
    send_message("{}");
    expect_seen("T Good(first) ");
    assert_string_equal(rig.log.ptr, "node.finished_twice node.finished_twice ");
    assert_int_equal(succeeded(), 1);
}

static void port_that_is_not_there(void **state)
{
    (void)state;
    rig_flow(V1, N("W", "wrongPort", 1, 0, ""), E("In", TO1("W")));
    send_message("{}");
    expect_failed("W", "port 7, it has 1");
}

/* The error port is the engine's own: a node cannot emit there. */
static void error_port_is_not_the_nodes(void **state)
{
    (void)state;
    rig_flow(V1,
             N("W", "wrongPort", 1, 0,
               ",\"onError\":\"continueErrorOutput\"") "," NOTE("Err", "$json.error", 9),
             E("In", TO1("W")) "," E("W", "[]," TO1("Err")));
    send_message("{}");
    expect_seen("Err(node emitted on port 7, it has 1) ");
}

static void expression_error_fails_its_item_before_the_call(void **state)
{
    (void)state;
    rig_flow(V1,
             N("F", "fan", 1, 0,
               ",\"onError\":\"continueErrorOutput\"" P(
                   "\"n\":\"={{ $json.n }}\"")) "," NOTE("Err", "$json.n", 9),
             E("In", TO1("F")) "," E("F", "[]," TO1("Err")));
    send_message("[{\"n\":1},{\"n\":\"many\"},{\"n\":2}]");
    expect_seen("Err(many) ");
    assert_int_equal(succeeded(), 1);
}

static void expression_error_names_the_parameter(void **state)
{
    (void)state;
    rig_flow(V1, N("F", "fan", 1, 0, P("\"n\":\"={{ $json.n }}\"")), E("In", TO1("F")));
    send_message("{\"n\":\"many\"}");
    expect_failed("F", "'n'");
}

static void node_that_cannot_work_fails_its_items(void **state)
{
    (void)state;
    rig_flow(V1, N("B", "broken", 1, 0, ""), E("In", TO1("B")));
    send_message("{}");
    expect_failed("B", "node cannot work: no way in");
    expect_seen("");
}

static void too_many_items_fail(void **state)
{
    (void)state;
    engine_destroy(rig.en);
    rig.limits.max_items = 10;
    rig_engine();
    rig_flow(V1, N("F", "fan", 1, 0, P("\"n\":\"={{ $json.n }}\"")), E("In", TO1("F")));
    send_message("{\"n\":10}");
    assert_int_equal(succeeded(), 1);
    send_message("{\"n\":11}");
    expect_failed("F", "more than 10 items");
}

/* The error goes out although there is no room for items any more: it must not get lost. */
static void too_many_items_by_the_error_output(void **state)
{
    (void)state;
    engine_destroy(rig.en);
    rig.limits.max_items = 10;
    rig_engine();
    rig_flow(V1,
             N("F", "fan", 1, 0,
               ",\"onError\":\"continueErrorOutput\"" P(
                   "\"n\":\"={{ $json.n }}\"")) "," NOTE("Err", "$json.n", 9),
             E("In", TO1("F")) "," E("F", "[]," TO1("Err")));
    send_message("[{\"n\":10},{\"n\":1}]");
    expect_seen("Err(1) ");
    clear_text(&seen.text);
    send_message("{\"n\":11}");
    expect_seen("Err(11) ");
}

static void execution_with_too_much_memory_fails(void **state)
{
    (void)state;
    engine_destroy(rig.en);
    rig.limits.max_exec_bytes = 100000;
    rig_engine();
    rig_flow(V1, N("F", "fan", 1, 0, P("\"n\":5000")) "," NOTE("Good", "$json.i", 0),
             E("In", TO1("F")) "," E("F", TO1("Good")));
    send_message("{}");
    expect_failed("Good", "bytes of memory");
}

static void message_that_does_not_parse_keeps_its_bytes(void **state)
{
    (void)state;
    rig_flow(V1, NOTE("Good", "1", 0), E("In", TO1("Good")));
    send_message("{oops");
    expect_failed("In", "not JSON");
    assert_true(commit_start());
    assert_int_equal(rig.turn->n_execs, 1);
    assert_non_null(strstr(rig.turn->execs[0].state.ptr, "\"raw\":\"e29vcHM=\""));
    assert_non_null(strstr(rig.turn->execs[0].error.ptr, "\"code\":\"bad_input\""));
    commit_ok();
}

static void dead_letter_gets_the_raw_message(void **state)
{
    (void)state;
    rig_flow(V1 ",\"deadLetter\":\"dead\"", FAIL(""), E("In", TO1("Bad")));
    send_message("{\"x\":true}");
    commit();
    assert_string_equal(rig.released.ptr, "dead={\"x\":true} ");
}

/* --- keys --------------------------------------------------------------------------------------
 */

/* What acts outside goes by its key: no two calls may share one. */
static void keys_differ(void **state)
{
    (void)state;
    rig_flow(V1,
             N("A", "key", 1, 0, "") "," N("B", "key", 1, 1, "") "," N("C", "key2", 2, 0,
                                                                       ",\"id\":\"c\""),
             E("In", "[" TO("A", 0) "," TO("B", 0) "]") "," E("A", TO1("C")) "," E(
                 "B", "[" TO("C", 1) "]"));
    send_message("[{},{}]");
    expect_seen("1-0-0:A:0:0 1-0-0:A:0:1 1-0-0:B:0:0 1-0-0:B:0:1 "
                "1-0-0:c:0:0 1-0-0:c:0:1 1-0-0:c:0:0:1 1-0-0:c:0:1:1 ");
}

static void key_of_the_node_setting(void **state)
{
    (void)state;
    rig_flow(V1, N("A", "key", 1, 0, ",\"idempotencyKey\":\"=pay-{{ $json.order }}\""),
             E("In", TO1("A")));
    send_message("[{\"order\":7},{\"order\":\"x\"}]");
    expect_seen("pay-7 pay-x ");
}

static void key_without_a_value_fails_its_item(void **state)
{
    (void)state;
    rig_flow(
        V1,
        N("A", "key", 1, 0, ",\"onError\":\"continueErrorOutput\",\"idempotencyKey\":\"={{ $json.order }}\"") "," N(
            "Z", "note", 2, 0, P("\"text\":\"={{ $json.error }}\"")),
        E("In", TO1("A")) "," E("A", "[]," TO1("Z")));
    send_message("[{\"order\":7},{}]");
    expect_seen("7 idempotencyKey has no value for this item ");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(stop_fails_the_execution),
        TEST(regular_output_carries_the_error),
        TEST(error_output_carries_item_and_error),
        TEST(segment_error_stops),
        TEST(segment_error_by_the_regular_output),
        TEST(segment_error_by_the_error_output),
        TEST(segment_tried_again_gives_its_output_once),
        TEST(bad_item_spares_the_executions_beside_it),
        TEST(forgotten_item_fails_alone),
        TEST(forgotten_segment_fails),
        TEST(first_outcome_stands_when_finished_twice),
        TEST(port_that_is_not_there),
        TEST(error_port_is_not_the_nodes),
        TEST(expression_error_fails_its_item_before_the_call),
        TEST(expression_error_names_the_parameter),
        TEST(node_that_cannot_work_fails_its_items),
        TEST(too_many_items_fail),
        TEST(too_many_items_by_the_error_output),
        TEST(execution_with_too_much_memory_fails),
        TEST(message_that_does_not_parse_keeps_its_bytes),
        TEST(dead_letter_gets_the_raw_message),
        TEST(keys_differ),
        TEST(key_of_the_node_setting),
        TEST(key_without_a_value_fails_its_item),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
