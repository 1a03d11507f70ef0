/* SPDX-License-Identifier: Apache-2.0
 * catalyst.telegramTrigger: what is asked, which offset is told when, what is given to the engine,
 * and what comes of each answer.
 */
#include "../telegram.c"
#include "../call.c"
#include "../form.c"
#include "../keyboard.c"
#include "../pace.c"
#include "../poll.c"
#include "../reply.c"
#include "../scan.c"
#include "fake_trigger.h"
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#define CRED            "{\"accessToken\":\"123:AA-secret\",\"baseUrl\":\"http://bot.test/\"}"
#define UPDATE(id)      "{\"update_id\":" #id ",\"message\":{\"text\":\"a \\\"b\\\" ]}\"}}"
#define RESULT(updates) "{\"ok\":true,\"result\":[" updates "]}"

/* --- a loop that waits for the test ----------------------------------------------------------- */

static struct {
    void (*fn)(void *arg);
    void *arg;
    int64_t in_ms;
} waiting;

static wf_timer *loop_timer(wf_inst *inst, int64_t in_ms, void (*fn)(void *), void *arg)
{
    (void)inst;
    assert_null(waiting.fn);
    waiting.fn = fn;
    waiting.arg = arg;
    waiting.in_ms = in_ms;
    return (wf_timer *)&waiting;
}

static void loop_timer_stop(wf_timer *t)
{
    assert_ptr_equal(t, &waiting);
    waiting.fn = NULL;
}

/* Lets the time pass that is waited; says how long it was. */
static int64_t wait_over(void)
{
    void (*fn)(void *) = waiting.fn;
    assert_non_null(fn);
    waiting.fn = NULL;
    fn(waiting.arg);
    return waiting.in_ms;
}

static struct fake *begin_at(const char *parameters, uint64_t place)
{
    static const wf_loop loop = { .size = sizeof loop,
                                  .timer = loop_timer,
                                  .timer_stop = loop_timer_stop };
    struct fake *f = fake_create(&wf_plugin_entry, "catalyst.telegramTrigger");
    waiting.fn = NULL;
    fake_cred(f, "telegramApi", CRED);
    fake_service(f, "loop/1", &loop);
    fake_trigger(f);
    fake_place(f, place);
    if (fake_start(f, parameters) != 0)
        fail_msg("%s", fake_error(f));
    assert_int_equal(fake_trigger_start(f), 0);
    return f;
}

static struct fake *begin(void) { return begin_at("{}", 0); }

static const char *asked_last(struct fake *f) { return fake_ask(f, fake_asked(f) - 1)->body.ptr; }

static void end(struct fake *f)
{
    for (size_t i = 0; i < fake_logs(f); i++)
        assert_null(strstr(fake_log(f, i), "secret"));
    fake_destroy(f);
}

/* --- tests ------------------------------------------------------------------------------------ */

static void asks_for_what_is_wanted(void **state)
{
    (void)state;
    struct fake *f = begin_at("{\"updates\":[\"message\",\"callback_query\"],"
                              "\"options\":{\"limit\":7,\"timeout\":\"10s\"}}",
                              0);
    assert_int_equal(fake_asked(f), 1);
    assert_string_equal(fake_ask(f, 0)->url, "http://bot.test/bot123:AA-secret/getUpdates");
    assert_string_equal(asked_last(f), "{\"offset\":0,\"limit\":7,\"timeout\":10,"
                                       "\"allowed_updates\":[\"message\",\"callback_query\"]}");
    assert_int_equal(fake_ask(f, 0)->timeout_ms, 25000);
    end(f);
}

static void everything_is_an_empty_list(void **state)
{
    (void)state;
    struct fake *f = begin_at("{\"updates\":[\"*\"]}", 0);
    assert_non_null(strstr(asked_last(f), "\"allowed_updates\":[]"));
    end(f);
}

/* The offset moves when all are in the journal, and not before. */
static void offset_follows_the_journal(void **state)
{
    (void)state;
    struct fake *f = begin();
    fake_ask_answer(f, 200, RESULT(UPDATE(100) "," UPDATE(101)));
    assert_int_equal(fake_events(f), 2);
    assert_string_equal(fake_event(f, 0)->json, UPDATE(100));
    assert_int_equal(fake_event(f, 1)->tag, 101);
    assert_int_equal(fake_asked(f), 1);
    fake_stored(f, 1, 1);
    assert_int_equal(fake_asked(f), 1);
    fake_stored(f, 1, 1);
    assert_int_equal(fake_asked(f), 2);
    assert_non_null(strstr(asked_last(f), "\"offset\":102,"));
    end(f);
}

/* Not taken after all: they are asked for again. */
static void lost_ones_come_again(void **state)
{
    (void)state;
    struct fake *f = begin();
    fake_ask_answer(f, 200, RESULT(UPDATE(100)));
    fake_stored(f, 0, 1);
    fake_ask_answer(f, 200, RESULT(UPDATE(101) "," UPDATE(102)));
    fake_stored(f, 0, 0);
    assert_non_null(strstr(asked_last(f), "\"offset\":101,"));
    end(f);
}

/* After a crash between the journal and the next question the journal knows them. */
static void repeated_ones_are_told_as_seen(void **state)
{
    (void)state;
    struct fake *f = begin_at("{}", 102);
    fake_ask_answer(f, 200, RESULT(UPDATE(100) "," UPDATE(101) "," UPDATE(102)));
    assert_true(fake_event(f, 0)->seen && fake_event(f, 1)->seen && !fake_event(f, 2)->seen);
    assert_int_equal(fake_metric(f, COUNT_REPEATED), 2);
    assert_int_equal(fake_metric(f, COUNT_UPDATES), 1);
    fake_stored(f, 0, 1);
    assert_non_null(strstr(asked_last(f), "\"offset\":103,"));
    end(f);
}

/* A bot without updates for a week gets other numbers. */
static void lower_numbers_are_a_new_beginning(void **state)
{
    (void)state;
    struct fake *f = begin_at("{}", 900000001);
    fake_ask_answer(f, 200, RESULT(UPDATE(77) "," UPDATE(78)));
    assert_false(fake_event(f, 0)->seen || fake_event(f, 1)->seen);
    assert_int_equal(fake_event(f, 1)->tag, ((uint64_t)1 << ID_BITS) + 78);
    fake_stored(f, 0, 1);
    assert_non_null(strstr(asked_last(f), "\"offset\":79,"));
    end(f);
}

static void waits_for_room(void **state)
{
    (void)state;
    struct fake *f = begin();
    fake_room(f, 1);
    fake_ask_answer(f, 200, RESULT(UPDATE(1) "," UPDATE(2) "," UPDATE(3)));
    assert_int_equal(fake_events(f), 1);
    fake_stored(f, 0, 1);
    assert_int_equal(fake_asked(f), 1); /* two are still to be given */
    fake_room(f, 1);
    assert_int_equal(fake_events(f), 2);
    fake_room(f, 9);
    assert_int_equal(fake_events(f), 3);
    fake_stored(f, 0, 1);
    assert_non_null(strstr(asked_last(f), "\"offset\":4,"));
    end(f);
}

static void nothing_new_is_asked_again(void **state)
{
    (void)state;
    struct fake *f = begin();
    fake_ask_answer(f, 200, RESULT(""));
    assert_int_equal(wait_over(), EMPTY_MS);
    assert_int_equal(fake_asked(f), 2);
    end(f);
}

static void no_updates_among_them_are_left_out(void **state)
{
    (void)state;
    struct fake *f = begin();
    fake_ask_answer(f, 200, RESULT("{\"update_id\":\"x\"},7,{\"a\":1}," UPDATE(9)));
    assert_int_equal(fake_events(f), 1);
    fake_stored(f, 0, 1);
    assert_non_null(strstr(asked_last(f), "\"offset\":10,"));
    end(f);
}

static void trouble_is_told_and_tried_again(void **state)
{
    static const struct {
        int status;
        const char *body, *trouble;
        int64_t wait_ms;
    } cases[] = {
        { 0, "connection refused", "Telegram: no answer", 1000 },
        { 502, "<html>", "Telegram: HTTP 502", 1000 },
        { 200, "nonsense", "Telegram: HTTP 200", 1000 },
        { 200, "{\"ok\":true}", "Telegram: HTTP 200", 1000 },
        { 429, "{\"ok\":false,\"parameters\":{\"retry_after\":7}}", "Telegram: HTTP 429", 7000 },
        { 409, "{\"ok\":false,\"description\":\"Conflict: can't use getUpdates\"}",
          "Telegram: HTTP 409: Conflict: can't use getUpdates", 5000 },
        { 401, "{\"ok\":false,\"description\":\"Unauthorized\"}",
          "Telegram: the token is refused: Unauthorized", 60000 },
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct fake *f = begin();
        assert_null(fake_trouble(f));
        fake_ask_answer(f, cases[i].status, cases[i].body);
        assert_string_equal(fake_trouble(f), cases[i].trouble);
        assert_int_equal(wait_over(), cases[i].wait_ms);
        fake_ask_answer(f, 200, RESULT(""));
        assert_null(fake_trouble(f));
        end(f);
    }
}

static void back_off_grows_to_a_minute(void **state)
{
    (void)state;
    struct fake *f = begin();
    int64_t waited = 0;
    for (int i = 0; i < 12; i++) {
        fake_ask_answer(f, 500, "");
        waited = wait_over();
    }
    assert_int_equal(waited, LAST_WAIT_MS);
    assert_int_equal(fake_logs(f), 1); /* once, not every time */
    end(f);
}

static void stopped_it_asks_no_more(void **state)
{
    (void)state;
    struct fake *f = begin();
    fake_ask_answer(f, 200, RESULT(UPDATE(5)));
    fake_trigger_stop(f);
    fake_stored(f, 0, 1);
    assert_int_equal(fake_asked(f), 1);
    assert_null(waiting.fn);
    assert_int_equal(fake_trigger_start(f), 0); /* and again, from where Telegram is */
    assert_non_null(strstr(asked_last(f), "\"offset\":0,"));
    end(f);
}

static void wrong_names_are_refused(void **state)
{
    static const char *const bad[] = { "{\"updates\":\"message\"}", "{\"updates\":[7]}",
                                       "{\"updates\":[\"a b\"]}", "{\"updates\":[\"\"]}" };
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct fake *f = fake_create(&wf_plugin_entry, "catalyst.telegramTrigger");
        fake_cred(f, "telegramApi", CRED);
        fake_trigger(f);
        assert_int_equal(fake_start(f, bad[i]), -1);
        assert_non_null(strstr(fake_error(f), "updates: a list of names"));
        fake_destroy(f);
    }
}

static void torn_lists_do_no_harm(void **state)
{
    static const char whole[] = RESULT(UPDATE(1) "," UPDATE(2));
    (void)state;
    for (size_t n = 0; n < sizeof whole - 2; n++) {
        struct fake *f = begin();
        char *cut = memcpy(fake_alloc(&f->heap, n + 1), whole, n);
        fake_ask_answer(f, 200, cut);
        assert_int_equal(fake_events(f), 0);
        end(f);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(asks_for_what_is_wanted),
        cmocka_unit_test(everything_is_an_empty_list),
        cmocka_unit_test(offset_follows_the_journal),
        cmocka_unit_test(lost_ones_come_again),
        cmocka_unit_test(repeated_ones_are_told_as_seen),
        cmocka_unit_test(lower_numbers_are_a_new_beginning),
        cmocka_unit_test(waits_for_room),
        cmocka_unit_test(nothing_new_is_asked_again),
        cmocka_unit_test(no_updates_among_them_are_left_out),
        cmocka_unit_test(trouble_is_told_and_tried_again),
        cmocka_unit_test(back_off_grows_to_a_minute),
        cmocka_unit_test(stopped_it_asks_no_more),
        cmocka_unit_test(wrong_names_are_refused),
        cmocka_unit_test(torn_lists_do_no_harm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
