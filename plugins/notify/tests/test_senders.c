/* SPDX-License-Identifier: Apache-2.0
 * catalyst.slack, catalyst.pagerDuty, and what the nodes that take alerts write: requests, refusals
 * and outcomes, by the fake host with canned answers.
 */
#include "../address.c"
#include "../alert.c"
#include "../batch.c"
#include "../claim.c"
#include "../conf.c"
#include "../conf_route.c"
#include "../digest.c"
#include "../email.c"
#include "../flap.c"
#include "../group.c"
#include "../gsm.c"
#include "../interval.c"
#include "../labels.c"
#include "../matcher.c"
#include "../mime.c"
#include "../notify.c"
#include "../oncall.c"
#include "../pace.c"
#include "../pagerduty.c"
#include "../render.c"
#include "../router.c"
#include "../said.c"
#include "../send.c"
#include "../sign.c"
#include "../silence.c"
#include "../slack.c"
#include "../smtp.c"
#include "../state.c"
#include "../storm.c"
#include "../take.c"
#include "../trigger.c"
#include "../tz.c"
#include "../webhook.c"
#include "fake_cases.h"
#include "fake_sql.h"
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>

#define NOTICE(status)                                                                             \
    "{\"id\":\"n1\",\"kind\":\"slack\",\"status\":\"" status                                       \
    "\",\"severity\":\"critical\",\"groupKey\":\"{}:{a=\\\"x\\\"}\",\"incident\":\"i1\","          \
    "\"title\":\"[FIRING:1] <x>\",\"text\":\"it & that\",\"firing\":1,\"resolved\":0,"             \
    "\"config\":{\"channel\":\"#ops\"},\"commonLabels\":{\"instance\":\"h1\"},\"ts_us\":"          \
    "1700000000000000}"

static struct fake *begin(const char *type, const char *cred, const char *fields,
                          const char *params)
{
    struct fake *f = fake_create(&wf_plugin_entry, type);
    fake_sql(f);
    if (cred)
        fake_cred(f, cred, fields);
    if (fake_start(f, params) != 0)
        fail_msg("%s: %s", params, fake_error(f));
    return f;
}

static void has(const char *text, const char *part)
{
    if (!text || !strstr(text, part))
        fail_msg("no %s in %s", part, text ? text : "(nothing)");
}

/* --- Slack ------------------------------------------------------------------------------------ */

#define BOT "{\"accessToken\":\"xoxb-secret\",\"baseUrl\":\"http://slack.test/api/\"}"

static void test_slack_message(void **state)
{
    (void)state;
    struct fake *f = begin("catalyst.slack", "slackApi", BOT, "{}");
    fake_item(f, NOTICE("firing"));
    fake_reply(f, 200, "{\"ok\":true,\"ts\":\"17.1\",\"channel\":\"C1\"}");
    fake_run(f);
    const struct fake_request *r = fake_request(f, 0);
    assert_string_equal(r->url, "http://slack.test/api/chat.postMessage");
    assert_string_equal(fake_header(r->headers, "authorization"), "Bearer xoxb-secret");
    assert_string_equal(r->body.ptr,
                        "{\"channel\":\"#ops\",\"text\":\"[FIRING:1] &lt;x&gt;\",\"attachments\":[{"
                        "\"color\":\"danger\",\"text\":\"it &amp; that\",\"fallback\":"
                        "\"[FIRING:1] &lt;x&gt;\"}]}");
    has(fake_output_json(f, PORT_ACCEPTED, 0), "\"provider_id\":\"17.1\"");
    assert_null(strstr(fake_output_json(f, PORT_ACCEPTED, 0), "secret"));
    fake_destroy(f);
}

static const struct {
    int status;
    const char *body;
    enum fake_end end;
    unsigned port;
    const char *has;
} slack_answers[] = {
    { 200, "{\"ok\":false,\"error\":\"channel_not_found\"}", FAKE_EMITTED, PORT_REJECTED,
      "permanent-recipient" },
    { 200, "{\"ok\":false,\"error\":\"invalid_auth\"}", FAKE_EMITTED, PORT_REJECTED,
      "permanent-account" },
    { 200, "{\"ok\":false,\"error\":\"msg_too_long\"}", FAKE_EMITTED, PORT_REJECTED,
      "permanent-content" },
    { 200, "{\"ok\":false,\"error\":\"ratelimited\"}", FAKE_FAILED, 0, "ratelimited" },
    { 200, "{\"ok\":false,\"error\":\"internal_error\"}", FAKE_FAILED, 0, "internal_error" },
    { 429, "", FAKE_FAILED, 0, "too many" },
    { 503, "", FAKE_FAILED, 0, "503" },
};

static void test_slack_answers(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof slack_answers / sizeof *slack_answers; i++) {
        struct fake *f = begin("catalyst.slack", "slackApi", BOT, "{}");
        wf_item *it = fake_item(f, NOTICE("firing"));
        fake_reply(f, slack_answers[i].status, slack_answers[i].body);
        fake_run(f);
        if (slack_answers[i].end == FAKE_EMITTED) {
            has(fake_output_json(f, slack_answers[i].port, 0), slack_answers[i].has);
        } else {
            has(fake_why(it), slack_answers[i].has);
            assert_true(fake_fault(it)->fault == WF_THROTTLE ||
                        fake_fault(it)->fault == WF_TRANSIENT);
        }
        for (unsigned c = 1; c <= WF_CLASSES; c++)
            assert_int_equal(fake_metric(f, COUNT_REASON + c - 1),
                             !strcmp(slack_answers[i].has, wf_class_name((enum wf_class)c)));
        assert_int_equal(fake_metric(f, COUNT_THROTTLED),
                         slack_answers[i].status == 429 ||
                             !strcmp(slack_answers[i].has, "ratelimited"));
        fake_destroy(f);
    }
}

static void test_slack_lost_answer(void **state)
{
    (void)state;
    struct fake *f = begin("catalyst.slack", "slackApi", BOT, "{}");
    fake_item(f, NOTICE("firing"));
    fake_reply_to(f, "slack.test",
                  &(wf_reply){ .flags = WF_REPLY_MAYBE_SENT, .error = "connection reset" });
    wf_item *other = fake_item(f, NOTICE("firing"));
    fake_reply_to(f, "slack.test", &(wf_reply){ .error = "connection refused" });
    fake_run(f);
    has(fake_output_json(f, PORT_UNKNOWN, 0), "connection reset");
    assert_int_equal(fake_fault(other)->fault, WF_TRANSIENT);
    fake_destroy(f);
}

static void test_slack_threads(void **state)
{
    (void)state;
    static const struct {
        const char *how, *method, *member;
    } ways[] = { { "{\"threading\":\"thread\"}", "chat.postMessage", "\"thread_ts\":\"17.1\"" },
                 { "{\"threading\":\"update\"}", "chat.update", "\"ts\":\"17.1\"" } };
    for (size_t i = 0; i < 2; i++) {
        struct fake *f = begin("catalyst.slack", "slackApi", BOT, ways[i].how);
        fake_item(f, NOTICE("firing"));
        fake_reply(f, 200, "{\"ok\":true,\"ts\":\"17.1\",\"channel\":\"C1\"}");
        fake_run(f);
        assert_int_equal(fake_sql_commit(f), 0);
        fake_item(f, NOTICE("resolved"));
        fake_reply(f, 200, "{\"ok\":true,\"ts\":\"17.2\",\"channel\":\"C1\"}");
        fake_run(f);
        has(fake_request(f, 1)->url, ways[i].method);
        has(fake_request(f, 1)->body.ptr, ways[i].member);
        has(fake_request(f, 1)->body.ptr, "\"channel\":\"C1\"");
        has(fake_request(f, 1)->body.ptr, "\"good\"");
        assert_int_equal(fake_sql_commit(f), 0);
        assert_string_equal(fake_sql_text(f, "SELECT ts FROM notify_threads"), "17.1");
        fake_destroy(f);
    }
}

static void test_slack_webhook(void **state)
{
    (void)state;
    struct fake *f = begin("catalyst.slack", "slackApi",
                           "{\"webhookUrl\":\"http://hooks.test/T/B/x\"}", "{\"text\":\"hi\"}");
    fake_item(f, "{}");
    fake_reply(f, 200, "ok");
    fake_item(f, "{}");
    fake_reply(f, 404, "no_service");
    fake_run(f);
    assert_string_equal(fake_request(f, 0)->url, "http://hooks.test/T/B/x");
    assert_string_equal(fake_request(f, 0)->body.ptr, "{\"text\":\"hi\"}");
    assert_int_equal(fake_outputs(f, PORT_ACCEPTED), 1);
    has(fake_output_json(f, PORT_REJECTED, 0), "permanent-account");
    fake_destroy(f);
}

static void test_slack_refused_before(void **state)
{
    (void)state;
    struct fake *f = begin("catalyst.slack", "slackApi", BOT, "{}");
    fake_item(f, "{\"title\":\"x\"}");
    fake_item(f, "{\"config\":{\"channel\":\"c\"}}");
    fake_run(f);
    has(fake_output_json(f, PORT_REJECTED, 0), "channel is empty");
    has(fake_output_json(f, PORT_REJECTED, 1), "no text");
    assert_int_equal(fake_requests(f), 0);
    fake_destroy(f);
}

/* --- PagerDuty -------------------------------------------------------------------------------- */

#define PD     "{\"routingKey\":\"R0secret\",\"baseUrl\":\"http://pd.test\"}"
#define PD_KEY "{}:{a=\"x\"}"

static void test_pagerduty_events(void **state)
{
    (void)state;
    struct fake *f = begin("catalyst.pagerDuty", "pagerDutyEvents", PD, "{\"component\":\"smpp\"}");
    fake_item(f, NOTICE("firing"));
    fake_item(f, NOTICE("resolved"));
    fake_reply(f, 202, "{\"status\":\"success\"}");
    fake_reply(f, 202, "{\"status\":\"success\"}");
    fake_run(f);
    const char *body = fake_request(f, 0)->body.ptr, *after = fake_request(f, 1)->body.ptr;
    assert_string_equal(fake_request(f, 0)->url, "http://pd.test/v2/enqueue");
    has(body, "\"event_action\":\"trigger\"");
    has(body, "\"routing_key\":\"R0secret\"");
    has(body, "\"payload\":{\"summary\":\"[FIRING:1] <x>\",\"source\":\"h1\",\"severity\":"
              "\"critical\",\"timestamp\":\"2023-11-14T22:13:20Z\",\"component\":\"smpp\","
              "\"custom_details\":{\"firing\":1");
    has(after, "\"event_action\":\"resolve\"");
    assert_null(strstr(after, "payload"));
    const char *key = strstr(body, "\"dedup_key\":\"");
    has(after, "\"dedup_key\":\"");
    assert_memory_equal(key, strstr(after, "\"dedup_key\":\""), 13 + 64);
    assert_null(strstr(fake_output_json(f, PORT_ACCEPTED, 0), "secret"));
    fake_destroy(f);
}

static void test_pagerduty_limits(void **state)
{
    (void)state;
    static char long_title[3000], item[700000];
    struct fake *f = begin("catalyst.pagerDuty", "pagerDutyEvents", PD, "{}");
    for (size_t i = 0; i + 2 < sizeof long_title; i += 2)
        memcpy(long_title + i, "\xc3\xa4", 3);
    int n =
        snprintf(item, sizeof item, "{\"title\":\"%s\",\"groupKey\":\"g\",\"text\":\"", long_title);
    memset(item + n, 'x', 600000);
    strcpy(item + n + 600000, "\"}");
    fake_item(f, item);
    fake_item(f, "{\"groupKey\":\"g\"}");
    fake_reply(f, 202, "{}");
    fake_run(f);
    const char *body = fake_request(f, 0)->body.ptr;
    assert_true(strlen(body) < 512 * 1024);
    assert_null(strstr(body, "custom_details"));
    const char *summary = strstr(body, "\"summary\":\"") + 11;
    assert_int_equal(strcspn(summary, "\""), 2 * 1024);
    has(fake_output_json(f, PORT_REJECTED, 0), "summary is empty");
    fake_destroy(f);
}

static void test_pagerduty_answers(void **state)
{
    (void)state;
    struct fake *f = begin("catalyst.pagerDuty", "pagerDutyEvents", PD, "{}");
    wf_item *items[4];
    for (int i = 0; i < 4; i++)
        items[i] = fake_item(f, NOTICE("firing"));
    fake_reply(f, 400, "{\"status\":\"invalid event\"}");
    fake_reply_to(f, "pd", &(wf_reply){ .status = 429, .retry_after_ms = 7000 });
    fake_reply(f, 500, "");
    fake_reply_to(f, "pd", &(wf_reply){ .flags = WF_REPLY_MAYBE_SENT, .error = "reset" });
    fake_run(f);
    has(fake_output_json(f, PORT_REJECTED, 0), "invalid event");
    assert_int_equal(fake_fault(items[1])->fault, WF_THROTTLE);
    assert_int_equal(fake_fault(items[1])->retry_after_ms, 7000);
    assert_int_equal(fake_fault(items[2])->fault, WF_TRANSIENT);
    assert_int_equal(fake_fault(items[3])->fault, WF_TRANSIENT); /* the key makes it harmless */
    fake_destroy(f);
}

/* --- alerts, silences, acknowledgements ------------------------------------------------------- */

static void test_take(void **state)
{
    (void)state;
    struct fake *f = begin("catalyst.notify", NULL, NULL, "{\"engine\":\"e\"}");
    fake_item(f, "{\"labels\":{\"a\":\"x\"},\"severity\":\"critical\"}");
    fake_item(f, "{\"alerts\":[{\"labels\":{\"a\":\"x\"}},{\"labels\":{}}]}");
    fake_run(f);
    has(fake_output_json(f, TAKE_DONE, 0), "\"notify\":{\"accepted\":1,\"rejected\":[]}");
    has(fake_output_json(f, TAKE_REJECTED, 0), "{\"accepted\":1,\"rejected\":[{\"index\":1,");
    assert_int_equal(fake_sql_commit(f), 0);
    assert_string_equal(fake_sql_text(f, "SELECT count(*) FROM notify_inbox WHERE engine = 'e' AND "
                                         "kind = 'alert'"),
                        "2");
    fake_destroy(f);
}

static void test_silence_node(void **state)
{
    (void)state;
    struct fake *f = begin("catalyst.notifySilence", NULL, NULL,
                           "{\"matchers\":\"={{ $json.m }}\",\"duration\":\"2h\"}");
    fake_item(f, "{\"m\":\"a=\\\"x\\\"\"}");
    fake_item(f, "{\"m\":\"a=~\\\"(\\\"\"}");
    fake_item(f, "{\"m\":\"a=~\\\".*\\\"\"}");
    fake_run(f);
    has(fake_output_json(f, TAKE_DONE, 0), "\"matchers\":[{\"name\":\"a\",\"value\":\"x\"");
    has(fake_output_json(f, TAKE_REJECTED, 0), "is refused");
    has(fake_output_json(f, TAKE_REJECTED, 1), "everything");
    fake_destroy(f);
}

static void test_silence_list(void **state)
{
    (void)state;
    struct fake *f =
        begin("catalyst.notifySilence", NULL, NULL, "{\"operation\":\"list\",\"engine\":\"e\"}");
    fake_sql_exec(f, "INSERT INTO notify_state VALUES ('e', 's:1', "
                     "'{\"id\":\"1\",\"startsAt\":1,\"endsAt\":9999999999999}')");
    fake_item(f, "{}");
    fake_run(f);
    has(fake_output_json(f, TAKE_DONE, 0), "\"state\":\"active\"");
    fake_destroy(f);
}

/* --- claims ----------------------------------------------------------------------------------- */

static void test_claims(void **state)
{
    (void)state;
    struct fake *f = begin("catalyst.notifyDispatch", NULL, NULL, "{}");
    fake_sql_exec(f, "INSERT INTO notify_outbox VALUES ('e', 'n1', '{}', 1), ('e', 'n2', '{}', 1)");
    fake_sql_exec(f, "INSERT INTO notify_claims VALUES ('e', 'n2', 'another execution', 1)");
    wf_item *first = fake_item(f, "{\"engine\":\"e\",\"id\":\"n1\",\"kind\":\"email\"}");
    wf_item *second = fake_item(f, "{\"engine\":\"e\",\"id\":\"n2\",\"kind\":\"email\"}");
    wf_item *by_hand = fake_item(f, "{\"kind\":\"sms\"}");
    wf_item *strange = fake_item(f, "{\"kind\":\"pigeon\"}");
    fake_run(f);
    assert_int_equal(fake_ended(first), FAKE_PASSED);
    assert_int_equal(fake_ended(second), FAKE_DONE); /* its notification is another one's */
    assert_int_equal(fake_ended(by_hand), FAKE_PASSED);
    assert_int_equal(fake_ended(strange), FAKE_PASSED);
    assert_int_equal(fake_outputs(f, KIND_EMAIL), 1);
    assert_int_equal(fake_outputs(f, KIND_SMS), 1);
    assert_int_equal(fake_outputs(f, KIND_OTHER), 1);
    assert_string_equal(fake_sql_text(f, "SELECT count(*) FROM notify_outbox"), "0");
    assert_int_equal(fake_metric(f, DISPATCH_REPEATED), 1);
    fake_item(f, "{\"engine\":\"e\",\"id\":\"n3\",\"kind\":\"sms\"}");
    fake_sql_fail(f, "the store is away", 1, 0);
    fake_run(f);
    assert_int_equal(fake_outputs(f, KIND_SMS), 1);
    fake_destroy(f);
}

/* --- pieces ----------------------------------------------------------------------------------- */

static int public4(const char *text)
{
    struct sockaddr_in a = { .sin_family = AF_INET };
    inet_pton(AF_INET, text, &a.sin_addr);
    return address_is_public((struct sockaddr *)&a);
}

static int public6(const char *text)
{
    struct sockaddr_in6 a = { .sin6_family = AF_INET6 };
    inet_pton(AF_INET6, text, &a.sin6_addr);
    return address_is_public((struct sockaddr *)&a);
}

static void test_addresses(void **state)
{
    (void)state;
    static const char *const private4[] = { "0.0.0.0",        "10.1.2.3",        "100.64.0.1",
                                            "127.0.0.1",      "169.254.169.254", "172.16.0.1",
                                            "172.31.255.255", "192.168.1.1",     "198.18.0.1",
                                            "224.0.0.1",      "255.255.255.255" };
    static const char *const private6[] = { "::",          "::1",          "::ffff:127.0.0.1",
                                            "fe80::1",     "fc00::1",      "fd12::1",
                                            "ff02::1",     "2002:0a00::1", "64:ff9b::10.0.0.1",
                                            "2001:db8::1", "2001::1" };
    for (size_t i = 0; i < sizeof private4 / sizeof *private4; i++)
        if (public4(private4[i]))
            fail_msg("%s", private4[i]);
    for (size_t i = 0; i < sizeof private6 / sizeof *private6; i++)
        if (public6(private6[i]))
            fail_msg("%s", private6[i]);
    assert_true(public4("8.8.8.8") && public4("172.32.0.1") && public4("100.128.0.1"));
    assert_true(public6("2606:4700::1111") && public6("::ffff:8.8.8.8") && public6("2002:0808::1"));
}

static void test_signatures(void **state)
{
    (void)state;
    char to[SIGN_SIZE];
    /* the example of the Standard Webhooks specification's libraries */
    static const char secret[] = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    assert_int_equal(sign_all(secret, strlen(secret), "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330,
                              "{\"test\": 2432232314}", 20, to),
                     1);
    assert_string_equal(to, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    char two[200];
    snprintf(two, sizeof two, "%s, %s", secret, secret);
    assert_int_equal(sign_all(two, strlen(two), "i", 1, "b", 1, to), 2);
    assert_int_equal(sign_all("short", 5, "i", 1, "b", 1, to), -1);
    assert_int_equal(sign_all("", 0, "i", 1, "b", 1, to), -1);
}

static void test_mime(void **state)
{
    (void)state;
    size_t len;
    struct mime_mail mail = { .from = "Catalyst <a@example.com>",
                              .to = "J\xc3\xb6rg <j@example.com>, b@example.com",
                              .reply_to = "",
                              .subject = "Gr\xc3\xbc\xc3\x9f"
                                         "e\r\nBcc: evil@example.com",
                              .text = "<hi>",
                              .html = "",
                              .id = "n1 2",
                              .thread = "i1",
                              .at_ms = 1700000000000 };
    char *text = mime_build(&mail, &len);
    has(text, "Date: Tue, 14 Nov 2023 22:13:20 +0000\r\n");
    has(text, "From: \"Catalyst\" <a@example.com>\r\n");
    has(text, "To: =?utf-8?B?SsO2cmc=?=\r\n <j@example.com>,\r\n <b@example.com>\r\n");
    has(text, "Subject: =?utf-8?B?R3LDvMOfZSAgQmNjOiBldmlsQGV4YW1wbGUuY29t?=\r\n");
    has(text, "Message-ID: <n1.2@example.com>\r\nIn-Reply-To: <i1@example.com>\r\n");
    has(text, "PGhpPg==\r\n");             /* <hi> */
    has(text, "PHA+Jmx0O2hpJmd0OzwvcD4K"); /* <p>&lt;hi&gt;</p> */
    assert_null(strstr(text, "\r\nBcc"));
    free(text);
    char to[MIME_RECIPIENTS_MAX][MIME_ADDRESS_MAX + 1];
    size_t n;
    assert_int_equal(mime_addresses("\"A, B\" <x@y>, c@d", to, &n), 0);
    assert_int_equal(n, 2);
    assert_string_equal(to[0], "x@y");
    static const char *const bad[] = { "",     "x", "@y", "x@", "x y@z", "x@y\r\nRCPT TO:<z@z>",
                                       "a@b,", "<>" };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (mime_addresses(bad[i], to, &n) == 0 && i != 6)
            fail_msg("%s", bad[i]);
}

static void test_long_subject(void **state)
{
    (void)state;
    char subject[1200] = "";
    size_t len;
    for (int i = 0; i < 60; i++)
        strcat(subject, "word\xc3\xa4 0123456789 ");
    struct mime_mail mail = { "a@b.c", "d@e.f", "", subject, "t", "", "i", "", 1 };
    char *text = mime_build(&mail, &len);
    for (const char *line = text; *line; line = strstr(line, "\r\n") + 2)
        assert_true(strstr(line, "\r\n") - line <= 78);
    free(text);
}

/* --- digests ---------------------------------------------------------------------------------- */

#define SMTP "{\"host\":\"127.0.0.1\",\"port\":\"1\",\"security\":\"none\"}"

static void test_digest_is_collected_and_due(void **state)
{
    (void)state;
    struct fake *f = begin("catalyst.email", NULL, NULL, "{\"operation\":\"collect\"}");
    fake_item(f, "{\"text\":\"a\",\"config\":{\"to\":\"x@berlin.test, y@utc.test\"},"
                 "\"groupLabels\":{\"alertname\":\"Down\",\"tenant\":\"t1\"}}");
    fake_item(f, "{\"text\":\"a\",\"config\":{\"to\":\"nobody\"}}");
    fake_run(f);
    assert_int_equal(fake_sql_commit(f), 0);
    assert_string_equal(fake_sql_text(f, "SELECT count(*) FROM notify_digest"), "2");
    assert_string_equal(fake_sql_text(f, "SELECT topic FROM notify_digest"), "Down / t1");
    has(fake_output_json(f, PORT_REJECTED, 0), "permanent-recipient");
    /* 22:13 UTC is 23:13 in Berlin */
    struct fake *due = fake_create(&wf_plugin_entry, "catalyst.email");
    fake_sql_share(due, f);
    assert_int_equal(fake_start(due, "{\"operation\":\"due\",\"hour\":23,\"timeZones\":{"
                                     "\"@berlin.test\":\"Europe/Berlin\"}}"),
                     0);
    fake_item(due, "{}");
    fake_run(due);
    assert_int_equal(fake_outputs(due, PORT_ACCEPTED), 1);
    assert_string_equal(fake_output_json(due, PORT_ACCEPTED, 0),
                        "{\"digest\":\"daily\",\"recipient\":\"x@berlin.test\",\"day\":"
                        "\"2023-11-14\"}");
    fake_sql_exec(due, "INSERT INTO notify_digest_sent VALUES ('daily', 'x@berlin.test', "
                       "'2023-11-14', 'h', 'sent', 1)");
    fake_item(due, "{}");
    fake_run(due);
    assert_int_equal(fake_outputs(due, PORT_ACCEPTED), 1);
    fake_destroy(due);
    fake_destroy(f);
}

static void test_digest_is_given_back(void **state)
{
    (void)state;
    struct fake *f =
        begin("catalyst.email", "smtp", SMTP, "{\"operation\":\"digest\",\"from\":\"a@b.c\"}");
    fake_sql_exec(f, "INSERT INTO notify_digest (id, digest, recipient, topic, body, at_ms) VALUES "
                     "('1', 'd', 'x@y.z', 't', 'b', 1)");
    wf_item *it = fake_item(f, "{\"digest\":\"d\",\"recipient\":\"x@y.z\",\"day\":\"2024-01-01\"}");
    wf_item *none =
        fake_item(f, "{\"digest\":\"d\",\"recipient\":\"n@y.z\",\"day\":\"2024-01-01\"}");
    fake_run(f); /* nobody listens there */
    assert_int_equal(fake_fault(it)->fault, WF_TRANSIENT);
    assert_int_equal(fake_ended(none), FAKE_DONE);
    assert_string_equal(fake_sql_text(f, "SELECT count(*) FROM notify_digest_sent"), "0");
    assert_string_equal(fake_sql_text(f, "SELECT count(*) FROM notify_digest"), "1");
    fake_destroy(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_slack_message),
        cmocka_unit_test(test_slack_answers),
        cmocka_unit_test(test_slack_lost_answer),
        cmocka_unit_test(test_slack_threads),
        cmocka_unit_test(test_slack_webhook),
        cmocka_unit_test(test_slack_refused_before),
        cmocka_unit_test(test_pagerduty_events),
        cmocka_unit_test(test_pagerduty_limits),
        cmocka_unit_test(test_pagerduty_answers),
        cmocka_unit_test(test_take),
        cmocka_unit_test(test_silence_node),
        cmocka_unit_test(test_silence_list),
        cmocka_unit_test(test_claims),
        cmocka_unit_test(test_addresses),
        cmocka_unit_test(test_signatures),
        cmocka_unit_test(test_mime),
        cmocka_unit_test(test_long_subject),
        cmocka_unit_test(test_digest_is_collected_and_due),
        cmocka_unit_test(test_digest_is_given_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
