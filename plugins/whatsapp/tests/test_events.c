/* SPDX-License-Identifier: Apache-2.0
 * catalyst.whatsappEvents: what becomes of each part of a call, of parts that are not as they
 * should be, of calls that come twice and in the wrong order, and who gets a challenge back.
 */
#include "../challenge.c"
#include "../code.c"
#include "../events.c"
#include "../message.c"
#include "../pace.c"
#include "../reply.c"
#include "../send.c"
#include "../upload.c"
#include "../whatsapp.c"
#include "fake_cases.h"

#define VERIFY "verify-me-5317"

static struct fake *begin(void)
{
    struct fake *f = fake_create(&wf_plugin_entry, "catalyst.whatsappEvents");
    fake_cred(f, "whatsAppWebhook", "{\"verifyToken\":\"" VERIFY "\"}");
    if (fake_start(f, "{}") != 0)
        fail_msg("%s", fake_error(f));
    return f;
}

#define VALUE(v)                                                                                   \
    "{\"body\":{\"object\":\"whatsapp_business_account\",\"entry\":[{\"id\":\"W\",\"changes\":["   \
    "{\"field\":\"messages\",\"value\":{\"metadata\":{\"phone_number_id\":\"106\"}," v "}}]}]}}"

static void expect(const char *item, const char *messages, const char *statuses, const char *errors)
{
    struct fake *f = begin();
    const char *const wanted[] = { messages, statuses, errors };
    wf_item *it = fake_item(f, item);
    fake_run(f);
    if (fake_ended(it) != FAKE_DONE)
        fail_msg("%s: %s", item, fake_why(it));
    for (unsigned port = 0; port < 3; port++) {
        char got[4000] = "";
        for (size_t i = 0; i < fake_outputs(f, port); i++)
            strncat(got, fake_output_json(f, port, i), sizeof got - strlen(got) - 1);
        assert_string_equal(got, wanted[port]);
    }
    fake_destroy(f);
}

#define TEXT_MESSAGE                                                                               \
    "{\"from\":\"49151\",\"id\":\"wamid.M\",\"timestamp\":\"1700000001\",\"type\":\"text\","       \
    "\"text\":{\"body\":\"hello\"},\"context\":{\"id\":\"wamid.Q\"}}"
#define PRESSED                                                                                    \
    "{\"from\":\"49152\",\"id\":\"wamid.N\",\"type\":\"interactive\",\"interactive\":{"            \
    "\"button_reply\":{\"id\":\"b\",\"title\":\"Yes\"}}}"

static void test_messages(void **state)
{
    (void)state;
    expect(VALUE("\"contacts\":[{\"wa_id\":\"1\",\"profile\":{\"name\":\"Bob\"}},{\"wa_id\":"
                 "\"49151\",\"profile\":{\"name\":\"Ann\"}}],\"messages\":[" TEXT_MESSAGE
                 "," PRESSED "]"),
           "{\"channel\":\"whatsapp\",\"dedupe\":\"whatsapp:message:wamid.M\",\"provider_id\":"
           "\"wamid.M\",\"from\":\"49151\",\"name\":\"Ann\",\"type\":\"text\",\"text\":\"hello\","
           "\"reply_to\":\"wamid.Q\",\"ts_provider\":1700000001000,\"account\":\"106\","
           "\"message\":" TEXT_MESSAGE "}"
           "{\"channel\":\"whatsapp\",\"dedupe\":\"whatsapp:message:wamid.N\",\"provider_id\":"
           "\"wamid.N\",\"from\":\"49152\",\"type\":\"interactive\",\"text\":\"Yes\",\"account\":"
           "\"106\",\"message\":" PRESSED "}",
           "", "");
}

#define STATUS(s, ts)                                                                              \
    "{\"id\":\"wamid.A\",\"status\":\"" s "\",\"timestamp\":\"" ts                                 \
    "\",\"recipient_id\":\"49151\",\"biz_opaque_callback_data\":\"m-1\"}"
#define GIVEN(s)                                                                                   \
    "{\"channel\":\"whatsapp\",\"dedupe\":\"whatsapp:status:wamid.A:" s "\",\"msg_id\":\"m-1\","   \
    "\"provider_id\":\"wamid.A\",\"to\":\"49151\",\"state\":\"" s "\""

static void test_statuses(void **state)
{
    (void)state;
    expect(VALUE("\"statuses\":[{\"id\":\"wamid.A\",\"status\":\"sent\",\"timestamp\":"
                 "\"1700000002\",\"recipient_id\":\"49151\",\"biz_opaque_callback_data\":\"m-1\","
                 "\"pricing\":{\"billable\":true}},{\"id\":\"wamid.A\",\"status\":\"failed\","
                 "\"timestamp\":\"soon\",\"recipient_id\":\"49151\",\"biz_opaque_callback_data\":"
                 "\"m-1\",\"errors\":[{\"code\":131047,\"title\":\"Re-engagement message\"}]}]"),
           "",
           GIVEN("sent") ",\"ts_provider\":1700000002000,\"pricing\":{\"billable\":true},"
                         "\"account\":\"106\"}" GIVEN("failed") ",\"code\":131047,\"class\":"
                                                                "\"window-closed\",\"reason\":"
                                                                "\"window\",\"text\":"
                                                                "\"Re-engagement message\","
                                                                "\"account\":\"106\"}",
           "");
}

/* The error's fingerprint differs with its content and with nothing else. */
static void test_errors(void **state)
{
    (void)state;
    struct fake *f = begin();
    const char *first, *item = VALUE("\"errors\":[{\"code\":130429,\"message\":\"rate\"}]");
    fake_item(f, item);
    fake_item(f, item);
    fake_item(f, VALUE("\"errors\":[{\"code\":130429,\"message\":\"other\"}]"));
    fake_run(f);
    assert_int_equal(fake_outputs(f, PORT_ERRORS), 3);
    first = fake_output_json(f, PORT_ERRORS, 0);
    assert_string_equal(first, fake_output_json(f, PORT_ERRORS, 1));
    assert_string_not_equal(first, fake_output_json(f, PORT_ERRORS, 2));
    assert_non_null(strstr(first, "\"dedupe\":\"whatsapp:error:"));
    assert_non_null(strstr(first, "\"code\":130429,\"class\":\"throttle\",\"reason\":\"throttled\","
                                  "\"text\":\"rate\",\"account\":\"106\",\"event\":{"));
    fake_destroy(f);
}

/* A strange part goes to errors; what stands beside it is taken. */
static void test_strange_parts(void **state)
{
    (void)state;
    static const char *const parts[][2] = {
        { "\"messages\":[{\"id\":\"x\"}," PRESSED "]", "a message without id or from" },
        { "\"messages\":[7," PRESSED "]", "a message without id or from" },
        { "\"statuses\":[{\"status\":\"sent\"}],\"messages\":[" PRESSED "]",
          "a status without id" },
        { "\"statuses\":[{\"id\":\"a\",\"status\":\"warm\"}],\"messages\":[" PRESSED "]",
          "a status that is not known" },
        { "\"statuses\":{},\"messages\":[" PRESSED "]", "are no array" },
    };
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        struct fake *f = begin();
        char item[2000];
        snprintf(item, sizeof item, VALUE("%s"), parts[i][0]);
        fake_item(f, item);
        fake_run(f);
        assert_int_equal(fake_outputs(f, PORT_MESSAGES), 1);
        assert_int_equal(fake_outputs(f, PORT_ERRORS), 1);
        if (!strstr(fake_output_json(f, PORT_ERRORS, 0), parts[i][1]))
            fail_msg("%s: %s", parts[i][0], fake_output_json(f, PORT_ERRORS, 0));
        fake_destroy(f);
    }
}

static void test_bad_bodies(void **state)
{
    (void)state;
    static const char *const bad[] = { "{}", "{\"body\":\"x\"}", "{\"body\":{\"entry\":{}}}",
                                       "{\"entry\":7}", "{\"body\":null,\"entry\":[]}" };
    struct fake *f = begin();
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        wf_item *it = fake_item(f, bad[i]);
        fake_run(f);
        assert_int_equal(fake_ended(it), FAKE_FAILED);
        assert_int_equal(fake_fault(it)->fault, WF_REJECTED);
        assert_string_equal(fake_fault(it)->code, "body");
    }
    fake_destroy(f);
    expect("{\"body\":{\"entry\":[]}}", "", "", "");
    expect("{\"entry\":[{\"changes\":[{}]}]}", "", "", "");
    f = begin();
    fake_item(f, "{\"entry\":[{\"id\":\"W\"},7]}");
    fake_run(f);
    assert_int_equal(fake_outputs(f, PORT_ERRORS), 2);
    fake_destroy(f);
}

/* --- twice, and out of order ------------------------------------------------------------------ */

static void merge_output(struct fake *f, size_t i, struct wf_status *s)
{
    const wf_value *out = fake_parse_or_die(f, fake_output_json(f, PORT_STATUSES, i));
    const char *name;
    size_t len;
    int64_t at = 0;
    assert_int_equal(f->host.v->bytes(f->host.v->get(out, "state", 5), &name, &len), 0);
    f->host.v->int64(f->host.v->get(out, "ts_provider", 11), &at);
    wf_status_merge(s, wf_state_of(name, len), at);
}

static void test_twice_and_out_of_order(void **state)
{
    (void)state;
    struct fake *f = begin();
    struct wf_status s = { 0 };
    fake_item(f, VALUE("\"statuses\":[" STATUS("read", "1700000009") "]"));
    fake_item(f, VALUE("\"statuses\":[" STATUS("sent", "1700000002") "," STATUS("delivered",
                                                                                "1700000005") "]"));
    fake_item(f, VALUE("\"statuses\":[" STATUS("sent", "1700000002") "]"));
    fake_item(f, VALUE("\"statuses\":[" STATUS("played", "1700000010") "]"));
    fake_run(f);
    assert_int_equal(fake_outputs(f, PORT_STATUSES), 5);
    assert_string_equal(fake_output_json(f, PORT_STATUSES, 1),
                        fake_output_json(f, PORT_STATUSES, 3)); /* the same dedupe key */
    for (size_t i = 0; i < 5; i++)
        merge_output(f, i, &s);
    assert_int_equal(s.state, WF_STATE_READ);
    assert_int_equal(s.at_ms[WF_STATE_SENT], 1700000002000);
    assert_int_equal(s.at_ms[WF_STATE_DELIVERED], 1700000005000);
    assert_int_equal(s.at_ms[WF_STATE_READ], 1700000009000);
    fake_destroy(f);
}

/* --- the challenge ---------------------------------------------------------------------------- */

#define ASK(mode, token, challenge)                                                                \
    "{\"query\":{\"hub.mode\":\"" mode "\",\"hub.verify_token\":" token ",\"hub.challenge\":"      \
    "\"" challenge "\"}}"

static void challenge_is(const char *item, int verified)
{
    struct fake *f = begin();
    wf_item *it = fake_item(f, item);
    fake_run(f);
    assert_int_equal(fake_answers(f), 1);
    const struct fake_answer *a = fake_answer(f, 0);
    if (a->status != (verified ? 200 : 403))
        fail_msg("%s: %d", item, a->status);
    assert_string_equal(a->body.ptr, verified ? "1158201444" : "");
    assert_string_equal(fake_header(a->headers, "content-type"), "text/plain");
    assert_string_equal(fake_output_json(f, PORT_CHALLENGE, 0),
                        verified ? "{\"verified\":true}" : "{\"verified\":false}");
    assert_null(strstr(fake_why(it), VERIFY));
    assert_int_equal(fake_logs(f), 0);
    fake_destroy(f);
}

static void test_challenge(void **state)
{
    (void)state;
    challenge_is(ASK("subscribe", "\"" VERIFY "\"", "1158201444"), 1);
    challenge_is(ASK("subscribe", "\"verify-me-5318\"", "1158201444"), 0);
    challenge_is(ASK("subscribe", "\"verify-me\"", "1158201444"), 0);
    challenge_is(ASK("subscribe", "\"" VERIFY VERIFY "\"", "1158201444"), 0);
    challenge_is(ASK("subscribe", "\"\"", "1158201444"), 0);
    challenge_is(ASK("subscribe", "[\"" VERIFY "\"]", "1158201444"), 0);
    challenge_is(ASK("unsubscribe", "\"" VERIFY "\"", "1158201444"), 0);
    challenge_is(ASK("subscribe", "\"" VERIFY "\"", ""), 0);
    challenge_is("{\"query\":{\"hub.mode\":\"subscribe\"}}", 0);
}

static void test_challenge_without_token(void **state)
{
    (void)state;
    struct fake *f = fake_create(&wf_plugin_entry, "catalyst.whatsappEvents");
    assert_int_equal(fake_start(f, "{}"), 0);
    wf_item *it = fake_item(f, ASK("subscribe", "\"\"", "1"));
    fake_run(f);
    assert_int_equal(fake_fault(it)->fault, WF_ACCOUNT);
    assert_int_equal(fake_answers(f), 0);
    fake_destroy(f);
}

/* Nobody waits: a warning, and the item goes on. */
static void test_challenge_nobody_waits(void **state)
{
    (void)state;
    struct fake *f = begin();
    fake_service(f, "webhook/1", NULL);
    fake_item(f, ASK("subscribe", "\"" VERIFY "\"", "1"));
    fake_run(f);
    assert_int_equal(fake_outputs(f, PORT_CHALLENGE), 1);
    assert_int_equal(fake_logs(f), 1);
    fake_destroy(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_messages),
        cmocka_unit_test(test_statuses),
        cmocka_unit_test(test_errors),
        cmocka_unit_test(test_strange_parts),
        cmocka_unit_test(test_bad_bodies),
        cmocka_unit_test(test_twice_and_out_of_order),
        cmocka_unit_test(test_challenge),
        cmocka_unit_test(test_challenge_without_token),
        cmocka_unit_test(test_challenge_nobody_waits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
