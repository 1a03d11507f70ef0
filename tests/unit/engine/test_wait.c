/* SPDX-License-Identifier: Apache-2.0
 * Items that wait: another try later, park and wake, requests, timeouts, and answers that come too
 * late.
 */
#include "harness.h"

#define NOTE(name, expr) N(name, "note", 9, 0, P("\"text\":\"=" name "({{ " expr " }})\""))
#define A_TO_Z           E("In", TO1("A")) "," E("A", TO1("Z"))
#define RETRY(tries, first, factor, max)                                                           \
    ",\"retry\":{\"tries\":" #tries ",\"first_ms\":" #first ",\"factor\":" #factor                 \
    ",\"max_ms\":" #max ",\"jitter\":0}"

/* Nothing happens before the time, something does at the time. */
static void expect_after(int64_t ms, const char *text)
{
    pass_ms(ms - 1);
    expect_seen("");
    pass_ms(1);
    expect_seen(text);
    clear_text(&seen.text);
}

static void back_off_grows_to_its_limit(void **state)
{
    (void)state;
    rig_flow(
        V1,
        N("A", "flaky", 1, 0, RETRY(5, 100, 3, 500) P("\"n\":4")) "," NOTE("Z", "$json.attempt"),
        A_TO_Z);
    send_message("{}");
    expect_seen("A ");
    clear_text(&seen.text);
    expect_after(100, "A ");
    expect_after(300, "A ");
    expect_after(500, "A ");
    expect_after(500, "A Z(5) ");
    assert_int_equal(succeeded(), 1);
    assert_int_equal(engine_node_counters(rig.ep, 1)->retried, 4);
}

static void tries_end(void **state)
{
    (void)state;
    rig_flow(V1, N("A", "flaky", 1, 0, RETRY(3, 100, 1, 100) P("\"n\":9")) "," NOTE("Z", "1"),
             A_TO_Z);
    send_message("{}");
    pass_ms(100);
    pass_ms(100);
    pass_ms(100);
    expect_seen("A A A ");
    expect_failed("A", "not yet");
}

static void n8n_retry_waits_the_same_time(void **state)
{
    (void)state;
    rig_flow(V1,
             N("A", "fail", 1, 0,
               ",\"retryOnFail\":true,\"maxTries\":3,\"waitBetweenTries\":200" P(
                   "\"field\":\"x\"")) "," NOTE("Z", "1"),
             A_TO_Z);
    send_message("{\"x\":1}");
    clear_text(&seen.text);
    expect_after(200, "A ");
    expect_after(200, "A ");
    expect_failed("A", "bad x");
}

static void node_may_ask_for_a_later_try(void **state)
{
    (void)state;
    rig_flow(V1, N("A", "askRetry", 1, 0, P("\"n\":1,\"ms\":5000")) "," NOTE("Z", "1"), A_TO_Z);
    send_message("{}");
    clear_text(&seen.text);
    expect_after(5000, "A Z(1) ");
}

/* One item of an execution waits: what the others gave comes out in the order of the input all the
 * same. */
static void order_of_items_survives_a_retry(void **state)
{
    (void)state;
    rig_flow(V1,
             N("A", "askRetry", 1, 0,
               P("\"n\":\"={{ $json.tries }}\",\"ms\":1000")) "," NOTE("Z", "$json.i"),
             A_TO_Z);
    send_message("[{\"i\":0,\"tries\":1},{\"i\":1,\"tries\":0},{\"i\":2,\"tries\":2}]");
    expect_seen("A A A ");
    pass_ms(1000);
    expect_seen("A A A A A ");
    pass_ms(2000);
    expect_seen("A A A A A A Z(0) Z(1) Z(2) ");
}

static void failure_beside_a_retry_waits_for_it(void **state)
{
    (void)state;
    rig_flow(V1,
             N("A", "flaky", 1, 0,
               RETRY(2, 100, 1, 100) P("\"n\":\"={{ $json.n }}\"")) "," NOTE("Z", "1"),
             A_TO_Z);
    send_message("[{\"n\":9},{\"n\":\"x\"}]");
    assert_int_equal(failed(), 0);
    pass_ms(100);
    assert_int_equal(failed(), 1);
}

static void parked_item_is_resumed(void **state)
{
    (void)state;
    rig_flow(V1, N("A", "park", 1, 0, "") "," NOTE("Z", "$json.woken"), A_TO_Z);
    send_message("{}");
    expect_seen("A ");
    assert_int_equal(engine_counters_get(rig.en)->parked, 1);
    engine_woken(rig.en, seen.tickets[0], wake_fn(), STR("hello"));
    rig_run();
    expect_seen("A Z(hello) ");
    assert_int_equal(engine_counters_get(rig.en)->parked, 0);
    assert_int_equal(succeeded(), 1);
}

static void stale_ticket_wakes_nobody(void **state)
{
    (void)state;
    rig_flow(V1, N("A", "park", 1, 0, "") "," NOTE("Z", "$json.woken"), A_TO_Z);
    send_message("{}");
    engine_woken(rig.en, seen.tickets[0], wake_fn(), STR("one"));
    engine_woken(rig.en, seen.tickets[0], wake_fn(), STR("two"));
    rig_run();
    send_message("{}"); /* the same slot again */
    assert_int_equal(seen.tickets[0].id, seen.tickets[1].id);
    engine_woken(rig.en, seen.tickets[0], wake_fn(), STR("three"));
    assert_null(rig_host()->resume(rig_host(), seen.tickets[0]));
    rig_run();
    expect_seen("A Z(one) A ");
    engine_woken(rig.en, seen.tickets[1], wake_fn(), STR("four"));
    rig_run();
    expect_seen("A Z(one) A Z(four) ");
}

/* A park that runs out is a passing fault: tried again when the node retries, else an error after 5
 * tries. */
static void park_runs_out(void **state)
{
    (void)state;
    rig_flow(V1, N("A", "park", 1, 0, RETRY(2, 100, 1, 100) P("\"ms\":1000")) "," NOTE("Z", "1"),
             A_TO_Z);
    send_message("{}");
    clear_text(&seen.text);
    pass_ms(1000);
    expect_after(100, "A ");
    engine_woken(rig.en, seen.tickets[0], wake_fn(), STR("late"));
    pass_ms(1000);
    expect_failed("A", "timed out");
}

static void node_timeout_cuts_the_park(void **state)
{
    (void)state;
    rig_flow(V1,
             N("A", "park", 1, 0,
               ",\"timeout_ms\":300,\"onError\":\"continueRegularOutput\"" RETRY(2, 100, 1, 100)
                   P("\"ms\":60000")) "," NOTE("Z", "$json.error"),
             A_TO_Z);
    send_message("{}");
    pass_ms(300);
    pass_ms(100);
    pass_ms(299);
    assert_int_equal(succeeded(), 0);
    pass_ms(1);
    expect_seen("A A Z(node timed out: not finished in time) ");
}

static void request_is_answered(void **state)
{
    (void)state;
    rig_flow(V1, N("A", "request", 1, 0, "") "," NOTE("Z", "$json.status"), A_TO_Z);
    send_message("[{},{}]");
    assert_int_equal(rig.n_requests, 2);
    engine_reply(rig.en, rig.requests[1], &(wf_reply){ .size = sizeof(wf_reply), .status = 201 });
    rig_run();
    expect_seen("A A ");
    engine_reply(rig.en, rig.requests[0], &(wf_reply){ .size = sizeof(wf_reply), .status = 200 });
    rig_run();
    expect_seen("A A Z(200) Z(201) ");
}

static void answer_after_the_timeout_is_dropped(void **state)
{
    (void)state;
    rig_flow(V1,
             N("A", "request", 1, 0,
               ",\"timeout_ms\":500" RETRY(2, 100, 1, 100)) "," NOTE("Z", "$json.status"),
             A_TO_Z);
    send_message("{}");
    pass_ms(500);
    assert_int_equal(rig.n_canceled, 1);
    engine_reply(rig.en, rig.requests[0], &(wf_reply){ .size = sizeof(wf_reply), .status = 200 });
    rig_run();
    expect_seen("A ");
    pass_ms(100);
    engine_reply(rig.en, rig.requests[0], &(wf_reply){ .size = sizeof(wf_reply), .status = 200 });
    engine_reply(rig.en, rig.requests[1], &(wf_reply){ .size = sizeof(wf_reply), .status = 202 });
    rig_run();
    expect_seen("A A Z(202) ");
}

/* A reply function that does nothing with its item must not leave it waiting for ever. */
static void reply_that_forgets_its_item_fails_it(void **state)
{
    (void)state;
    rig_flow(V1, N("A", "request", 1, 0, "") "," NOTE("Z", "$json.status"), A_TO_Z);
    send_message("{}");
    engine_reply(rig.en, rig.requests[0], &(wf_reply){ .size = sizeof(wf_reply), .status = 204 });
    rig_run();
    expect_failed("A", "did not finish item");
}

static void execution_timeout_ends_what_waits(void **state)
{
    (void)state;
    rig_flow(V1 ",\"executionTimeout\":2",
             N("A", "request", 1, 0, "") "," NOTE("Z", "$json.status"), A_TO_Z);
    send_message("{}");
    pass_ms(1999);
    assert_int_equal(failed(), 0);
    pass_ms(1);
    expect_failed("A", "executionTimeout (2 s)");
    assert_int_equal(rig.n_canceled, 1);
    assert_int_equal(engine_next_timer(rig.en), -1);
    engine_reply(rig.en, rig.requests[0], &(wf_reply){ .size = sizeof(wf_reply), .status = 200 });
    rig_run();
    expect_seen("A ");
}

static void execution_timeout_of_one_between_two_tries(void **state)
{
    (void)state;
    rig_flow(V1 ",\"executionTimeout\":1", N("A", "askRetry", 1, 0, P("\"n\":1,\"ms\":60000")),
             E("In", TO1("A")));
    send_message("{}");
    pass_ms(1000);
    expect_failed("A", "executionTimeout");
    pass_ms(60000);
    expect_seen("A ");
}

/* Both come due in the same tick: the item stands in the lone list when its execution ends. */
static void execution_timeout_and_retry_at_once(void **state)
{
    (void)state;
    rig_flow(V1 ",\"executionTimeout\":1", N("A", "askRetry", 1, 0, P("\"n\":3,\"ms\":500")),
             E("In", TO1("A")));
    send_message("{}");
    send_message("{}");
    pass_ms(5000);
    assert_int_equal(failed(), 2);
    commit();
    assert_true(engine_idle(rig.en));
}

static void ended_in_time_leaves_no_timer(void **state)
{
    (void)state;
    rig_flow(V1 ",\"executionTimeout\":1", N("A", "pass", 1, 0, ""), E("In", TO1("A")));
    send_message("{}");
    assert_int_equal(engine_next_timer(rig.en), -1);
    pass_ms(2000);
    assert_int_equal(succeeded(), 1);
    assert_int_equal(failed(), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(back_off_grows_to_its_limit),
        TEST(tries_end),
        TEST(n8n_retry_waits_the_same_time),
        TEST(node_may_ask_for_a_later_try),
        TEST(order_of_items_survives_a_retry),
        TEST(failure_beside_a_retry_waits_for_it),
        TEST(parked_item_is_resumed),
        TEST(stale_ticket_wakes_nobody),
        TEST(park_runs_out),
        TEST(node_timeout_cuts_the_park),
        TEST(request_is_answered),
        TEST(answer_after_the_timeout_is_dropped),
        TEST(reply_that_forgets_its_item_fails_it),
        TEST(execution_timeout_ends_what_waits),
        TEST(execution_timeout_of_one_between_two_tries),
        TEST(execution_timeout_and_retry_at_once),
        TEST(ended_in_time_leaves_no_timer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
