/* SPDX-License-Identifier: Apache-2.0
 * catalyst.whatsapp: what is sent for which parameters, on which port every answer ends, and that
 * nothing is sent twice or told to anybody.
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

#define TOKEN      "EAAGsecrettoken"
#define CRED       "{\"accessToken\":\"" TOKEN "\",\"baseUrl\":\"http://h:1/\",\"apiVersion\":\"v21.0\"}"
#define NODE(rest) "{\"phoneNumberId\":\"106\",\"to\":\"+491511234567\"," rest "}"
#define TEXT       NODE("\"text\":\"={{ $json.t }}\",\"options\":{\"messageId\":\"m-1\"}")
#define SEND                                                                                       \
    "\"channel\":\"whatsapp\",\"account\":\"106\",\"to\":\"+491511234567\",\"msg_id\":\"m-1\""
#define OK                                                                                         \
    "{\"messaging_product\":\"whatsapp\",\"contacts\":[{\"input\":\"+49\",\"wa_id\":\"49\"}],"     \
    "\"messages\":[{\"id\":\"wamid.A\"}]}"

static struct fake *begin_as(const char *params, const char *cred)
{
    struct fake *f = fake_create(&wf_plugin_entry, "catalyst.whatsapp");
    fake_cred(f, "whatsAppApi", cred);
    if (fake_start(f, params) != 0)
        fail_msg("%s: %s", params, fake_error(f));
    return f;
}

/* No log and no reason holds the token. */
static void end(struct fake *f, wf_item *it)
{
    assert_null(strstr(fake_why(it), TOKEN));
    for (size_t i = 0; i < fake_logs(f); i++)
        assert_null(strstr(fake_log(f, i), TOKEN));
    for (unsigned port = 0; port < 3; port++)
        for (size_t i = 0; i < fake_outputs(f, port); i++)
            assert_null(strstr(fake_output_json(f, port, i), TOKEN));
    fake_destroy(f);
}

/* --- requests --------------------------------------------------------------------------------- */

static const struct {
    const char *params, *body; /* behind "to" and before the callback data */
} sent[] = {
    { NODE("\"text\":\"={{ $json.t }}\",\"previewUrl\":true"),
      "\"type\":\"text\",\"text\":{\"body\":\"hi\",\"preview_url\":true}" },
    { NODE(
          "\"messageType\":\"template\",\"templateName\":\"hello\",\"components\":"
          "[{\"type\":\"body\",\"parameters\":[{\"type\":\"text\",\"text\":\"={{ $json.t }}\"}]}]"),
      "\"type\":\"template\",\"template\":{\"name\":\"hello\",\"language\":{\"code\":\"en_US\"},"
      "\"components\":[{\"type\":\"body\",\"parameters\":[{\"type\":\"text\",\"text\":\"hi\"}]}]"
      "}" },
    { NODE("\"messageType\":\"template\",\"templateName\":\"hello\",\"languageCode\":\"de\""),
      "\"type\":\"template\",\"template\":{\"name\":\"hello\",\"language\":{\"code\":\"de\"}}" },
    { NODE("\"messageType\":\"image\",\"mediaLink\":\"https://x/a.png\",\"caption\":\"c\""),
      "\"type\":\"image\",\"image\":{\"link\":\"https://x/a.png\",\"caption\":\"c\"}" },
    { NODE("\"messageType\":\"document\",\"mediaId\":\"77\",\"fileName\":\"a.pdf\""),
      "\"type\":\"document\",\"document\":{\"id\":\"77\",\"filename\":\"a.pdf\"}" },
    { NODE("\"messageType\":\"audio\",\"mediaId\":\"78\""),
      "\"type\":\"audio\",\"audio\":{\"id\":\"78\"}" },
    { NODE("\"messageType\":\"video\",\"mediaId\":\"79\",\"caption\":\"\""),
      "\"type\":\"video\",\"video\":{\"id\":\"79\"}" },
    { NODE("\"messageType\":\"interactive\",\"interactive\":{\"type\":\"button\"}"),
      "\"type\":\"interactive\",\"interactive\":{\"type\":\"button\"}" },
    { NODE("\"messageType\":\"interactive\",\"interactive\":\"{ \\\"type\\\": \\\"list\\\" }\""),
      "\"type\":\"interactive\",\"interactive\":{\"type\":\"list\"}" },
};

static void test_requests(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof sent / sizeof *sent; i++) {
        struct fake *f = begin_as(sent[i].params, CRED);
        wf_item *it = fake_item(f, "{\"t\":\"hi\"}");
        char wanted[1000];
        fake_reply(f, 200, OK);
        fake_run(f);
        if (fake_requests(f) != 1)
            fail_msg("%s: %s %s", sent[i].params, fake_why(it), fake_output_json(f, 1, 0));
        snprintf(wanted, sizeof wanted,
                 "{\"messaging_product\":\"whatsapp\",\"recipient_type\":\"individual\",\"to\":"
                 "\"491511234567\",%s,\"biz_opaque_callback_data\":\"%s\"}",
                 sent[i].body, f->host.key(it));
        const struct fake_request *r = fake_request(f, 0);
        assert_string_equal(r->body.ptr, wanted);
        assert_string_equal(r->method, "POST");
        assert_string_equal(r->url, "http://h:1/v21.0/106/messages");
        assert_string_equal(fake_header(r->headers, "authorization"), "Bearer " TOKEN);
        assert_int_equal(r->timeout_ms, 10000);
        end(f, it);
    }
}

static void test_defaults_of_the_account(void **state)
{
    (void)state;
    struct fake *f = begin_as(NODE("\"text\":\"x\",\"options\":{\"replyTo\":\"wamid.Q\"}"),
                              "{\"accessToken\":\"" TOKEN "\"}");
    wf_item *it = fake_item(f, "{}");
    fake_reply(f, 200, OK);
    fake_run(f);
    assert_string_equal(fake_request(f, 0)->url, "https://graph.facebook.com/v21.0/106/messages");
    assert_non_null(
        strstr(fake_request(f, 0)->body.ptr, "\"context\":{\"message_id\":\"wamid.Q\"}"));
    end(f, it);
}

/* --- what is never sent ----------------------------------------------------------------------- */

static const char *repeated(const char *what, size_t n)
{
    static char text[20000];
    text[0] = 0;
    for (size_t i = 0, len = 0; i < n; i++, len += strlen(what))
        memcpy(text + len, what, strlen(what) + 1);
    return text;
}

static void expect_rejected(const char *params, const char *item, const char *class,
                            const char *text)
{
    struct fake *f = begin_as(params, CRED);
    wf_item *it = fake_item(f, item);
    fake_run(f);
    assert_int_equal(fake_requests(f), 0);
    if (fake_outputs(f, PORT_REJECTED) != 1)
        fail_msg("%s: %s", params, fake_why(it));
    const char *json = fake_output_json(f, PORT_REJECTED, 0);
    if (!strstr(json, class) || !strstr(json, text))
        fail_msg("%s: %s", params, json);
    end(f, it);
}

static void test_limits(void **state)
{
    (void)state;
    static char item[20100], params[20300];
    const char *content = "\"class\":\"permanent-content\",\"reason\":\"limit\"";
    snprintf(item, sizeof item, "{\"t\":\"%s\"}", repeated("\xc3\xa4", 4097));
    expect_rejected(TEXT, item, content, "text has 4097 characters, WhatsApp takes 4096");
    snprintf(params, sizeof params,
             NODE("\"messageType\":\"image\",\"mediaId\":\"1\",\"caption\":\"%s\""),
             repeated("x", 1025));
    expect_rejected(params, "{}", content, "caption has 1025 characters, WhatsApp takes 1024");
    snprintf(params, sizeof params, NODE("\"text\":\"x\",\"options\":{\"messageId\":\"%s\"}"),
             repeated("x", 513));
    expect_rejected(params, "{}", content, "messageId has 513 characters");
    struct fake *f = begin_as(TEXT, CRED); /* 4096 characters, 8192 bytes */
    snprintf(item, sizeof item, "{\"t\":\"%s\"}", repeated("\xc3\xa4", 4096));
    wf_item *it = fake_item(f, item);
    fake_reply(f, 200, OK);
    fake_run(f);
    assert_int_equal(fake_outputs(f, PORT_ACCEPTED), 1);
    end(f, it);
}

static void test_bad_input(void **state)
{
    (void)state;
    static const char *const bad[][3] = {
        { "{\"phoneNumberId\":\"106\",\"to\":\"={{ $json.to }}\",\"text\":\"x\"}",
          "permanent-recipient", "to is no number" },
        { "{\"phoneNumberId\":\"1/../2\",\"to\":\"491511234567\",\"text\":\"x\"}",
          "permanent-content", "phoneNumberId is no number" },
        { NODE("\"messageType\":\"image\""), "permanent-content",
          "one of mediaLink, mediaId and binaryPropertyName" },
        { NODE("\"messageType\":\"image\",\"mediaLink\":\"file:///etc/passwd\""),
          "permanent-content", "must begin with https" },
        { NODE("\"messageType\":\"interactive\",\"interactive\":\"{\""), "permanent-content",
          "interactive is no object" },
        { NODE("\"messageType\":\"interactive\",\"interactive\":{}"), "permanent-content",
          "interactive is no object with a type" },
        { NODE("\"messageType\":\"template\",\"templateName\":\"t\",\"components\":{}"),
          "permanent-content", "components is no array" },
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        expect_rejected(bad[i][0], "{\"to\":\"12 34'; x\"}", bad[i][1], bad[i][2]);
}

static void test_bad_credentials(void **state)
{
    (void)state;
    static const char *const bad[][2] = {
        { "{\"accessToken\":\"\"}", "accessToken is empty" },
        { "{\"accessToken\":\"a\\r\\nx: y\"}", "accessToken holds" },
        { "{\"accessToken\":\"t\",\"baseUrl\":\"ftp://h\"}", "baseUrl is no address" },
        { "{\"accessToken\":\"t\",\"apiVersion\":\"v1/x\"}", "apiVersion is no version" },
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct fake *f = begin_as(NODE("\"text\":\"x\""), bad[i][0]);
        wf_item *it = fake_item(f, "{}");
        fake_run(f);
        assert_int_equal(fake_fault(it)->fault, WF_ACCOUNT);
        assert_non_null(strstr(fake_why(it), bad[i][1]));
        assert_int_equal(fake_requests(f), 0);
        end(f, it);
    }
}

static void test_refused_parameters(void **state)
{
    (void)state;
    static const char *const wrong[][2] = {
        { "{\"to\":\"4915\",\"text\":\"x\"}", "phoneNumberId" },
        { "{\"phoneNumberId\":\"1\",\"text\":\"x\"}", "to" },
        { NODE("\"messageType\":\"fax\""), "messageType" },
        { NODE("\"messageType\":\"image\",\"mediaId\":\"1\",\"mediaLink\":\"https://x\""),
          "more than one is given" },
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct fake *f = fake_create(&wf_plugin_entry, "catalyst.whatsapp");
        fake_cred(f, "whatsAppApi", CRED);
        assert_int_equal(fake_start(f, wrong[i][0]), -1);
        if (!strstr(fake_error(f), wrong[i][1]))
            fail_msg("%s: %s", wrong[i][0], fake_error(f));
        fake_destroy(f);
    }
}

/* --- answers ---------------------------------------------------------------------------------- */

#define ERROR(code) "{\"error\":{\"message\":\"no\",\"code\":" code "}}"

static const struct {
    int status;
    const char *body;
    unsigned port;
    const char *send; /* without the members every outcome has */
} ended[] = {
    { 200, OK, PORT_ACCEPTED,
      "{\"outcome\":\"accepted\"," SEND ",\"provider_id\":\"wamid.A\",\"wa_id\":\"49\"}" },
    { 200, "{\"messages\":[]}", PORT_UNKNOWN,
      "{\"outcome\":\"unknown\"," SEND ",\"text\":\"the answer holds no id of the message\"}" },
    { 200, "<html>", PORT_UNKNOWN,
      "{\"outcome\":\"unknown\"," SEND ",\"text\":\"the answer holds no id of the message\"}" },
    { 504, "late", PORT_UNKNOWN,
      "{\"outcome\":\"unknown\"," SEND ",\"text\":\"HTTP 504: a gateway waited in vain\"}" },
#define REJECTED(cl, reason, code)                                                                 \
    "{\"outcome\":\"rejected\"," SEND ",\"class\":\"" cl "\",\"reason\":\"" reason                 \
    "\",\"code\":" code ",\"text\":\"no\"}"
#define CASE(code, cl, reason)                                                                     \
    {                                                                                              \
        400, ERROR(code), PORT_REJECTED, REJECTED(cl, reason, code)                                \
    }
    CASE("131026", "permanent-recipient", "recipient"),
    CASE("131047", "window-closed", "window"),
    CASE("131051", "permanent-content", "content"),
    CASE("131009", "permanent-content", "content"),
    CASE("100", "permanent-content", "content"),
    CASE("99999", "permanent-content", "content"),
    CASE("132000", "permanent-content", "template"),
    CASE("132016", "permanent-content", "template"),
    CASE("132017", "permanent-content", "content"),
    CASE("131031", "permanent-account", "account"),
    CASE("131042", "permanent-account", "account"),
    CASE("3", "permanent-account", "account"),
    CASE("10", "permanent-account", "account"),
    CASE("131005", "permanent-account", "account"),
    CASE("131037", "permanent-account", "account"),
    CASE("131045", "permanent-account", "account"),
    CASE("133010", "permanent-account", "account"),
    CASE("131021", "permanent-recipient", "recipient"),
    CASE("130472", "permanent-recipient", "recipient"),
    CASE("190", "permanent-account", "account"),
    CASE("200", "permanent-account", "account"),
    CASE("299", "permanent-account", "account"),
    { 500, ERROR("131026"), PORT_REJECTED,
      REJECTED("permanent-recipient", "recipient", "131026") }, /* the code, not the status */
    { 200, ERROR("131047"), PORT_REJECTED, REJECTED("window-closed", "window", "131047") },
    { 400, ERROR("131049"), PORT_REJECTED,
      "{\"outcome\":\"deferred\"," SEND ",\"class\":\"throttle\",\"reason\":\"capped\",\"code\":"
      "131049,\"text\":\"no\"}" },
    { 401, "", PORT_REJECTED,
      "{\"outcome\":\"rejected\"," SEND ",\"class\":\"permanent-account\",\"reason\":\"account\","
      "\"text\":\"HTTP 401\"}" },
    { 400,
      "{\"error\":{\"message\":\"Malformed access token " TOKEN "\",\"code\":190,"
      "\"error_data\":{\"details\":\"" TOKEN TOKEN "\"}}}",
      PORT_REJECTED,
      "{\"outcome\":\"rejected\"," SEND ",\"class\":\"permanent-account\",\"reason\":\"account\","
      "\"code\":190,\"text\":\"Malformed access token ***: ******\"}" },
};

static void test_ports(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof ended / sizeof *ended; i++) {
        struct fake *f = begin_as(TEXT, CRED);
        wf_item *it = fake_item(f, "{\"t\":\"hi\"}");
        char wanted[1000];
        fake_reply(f, ended[i].status, ended[i].body);
        fake_run(f);
        if (fake_outputs(f, ended[i].port) != 1)
            fail_msg("%d %s: %s", ended[i].status, ended[i].body, fake_why(it));
        snprintf(wanted, sizeof wanted, "{\"t\":\"hi\",\"send\":%s}", ended[i].send);
        assert_string_equal(fake_output_json(f, ended[i].port, 0), wanted);
        assert_int_equal(fake_metric(f, ended[i].port), 1);
        for (unsigned c = 1; c <= WF_CLASSES; c++)
            assert_int_equal(fake_metric(f, COUNT_REASON + c - 1),
                             strstr(ended[i].send, wf_class_name((enum wf_class)c)) != NULL);
        assert_int_equal(fake_requests(f), 1);
        end(f, it);
    }
}

#define NUMBER "whatsapp:106"
#define PAIR   "whatsapp:106:491511234567"

static const struct {
    int status;
    const char *body;
    wf_fault fault;
    const char *code, *scope;
    int64_t retry_after_ms, wanted_ms;
} again[] = {
    { 400, ERROR("1"), WF_TRANSIENT, "transient", NULL, 0, 0 },
    { 400, ERROR("2"), WF_TRANSIENT, "transient", NULL, 0, 0 },
    { 400, ERROR("131000"), WF_TRANSIENT, "transient", NULL, 0, 0 },
    { 400, ERROR("131016"), WF_TRANSIENT, "transient", NULL, 0, 0 },
    { 400, ERROR("131057"), WF_TRANSIENT, "transient", NULL, 7000, 7000 },
    { 400, ERROR("133004"), WF_TRANSIENT, "transient", NULL, 0, 0 },
    { 503, "busy", WF_TRANSIENT, "transient", NULL, 0, 0 },
    { 500, ERROR("77777"), WF_TRANSIENT, "transient", NULL, 0, 0 },
    { 400, ERROR("4"), WF_THROTTLE, "throttled", NUMBER, 0, 0 },
    { 400, ERROR("80007"), WF_THROTTLE, "throttled", NUMBER, 0, 0 },
    { 429, ERROR("130429"), WF_THROTTLE, "throttled", NUMBER, 3000, 3000 },
    { 429, "", WF_THROTTLE, "throttled", NUMBER, 0, 0 },
    { 400, ERROR("131056"), WF_THROTTLE, "throttled", PAIR, 0, 0 },
    { 400, ERROR("131048"), WF_THROTTLE, "held", NUMBER, 0, 900000 },
    { 400, ERROR("368"), WF_THROTTLE, "held", NUMBER, 5000, 5000 },
    { 0, "", WF_TRANSIENT, "transport", NULL, 0, 0 },
};

static void test_tried_again(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof again / sizeof *again; i++) {
        struct fake *f = begin_as(TEXT, CRED);
        wf_item *it = fake_item(f, "{\"t\":\"hi\"}");
        fake_reply_to(f, "",
                      &(wf_reply){ .status = again[i].status,
                                   .error = again[i].status ? NULL : "connection refused",
                                   .retry_after_ms = again[i].retry_after_ms,
                                   .body = { again[i].body, strlen(again[i].body) } });
        fake_run(f);
        const wf_error *e = fake_fault(it);
        if (fake_ended(it) != FAKE_FAILED || e->fault != again[i].fault ||
            strcmp(e->code, again[i].code) != 0)
            fail_msg("%s: fault %d: %s", again[i].body, e->fault, fake_why(it));
        assert_int_equal(e->retry_after_ms, again[i].wanted_ms);
        if (again[i].scope)
            assert_string_equal(e->scope, again[i].scope);
        else
            assert_null(e->scope);
        end(f, it);
    }
}

/* Bytes went out, no answer came: on port unknown, never asked again. */
static void test_unknown(void **state)
{
    (void)state;
    struct fake *f = begin_as(TEXT, CRED);
    wf_item *it = fake_item(f, "{\"t\":\"hi\"}");
    fake_reply_to(f, "", &(wf_reply){ .flags = WF_REPLY_MAYBE_SENT, .error = "timeout" });
    fake_run(f);
    assert_int_equal(fake_ended(it), FAKE_EMITTED);
    assert_string_equal(fake_output_json(f, PORT_UNKNOWN, 0),
                        "{\"t\":\"hi\",\"send\":{\"outcome\":\"unknown\"," SEND
                        ",\"text\":\"timeout\"}}");
    assert_int_equal(fake_requests(f), 1);
    end(f, it);
}

/* A token that stands in its own mask. */
static void test_odd_token(void **state)
{
    (void)state;
    struct fake *f = begin_as(TEXT, "{\"accessToken\":\"*\",\"baseUrl\":\"http://h:1\"}");
    fake_item(f, "{\"t\":\"hi\"}");
    fake_reply(f, 400, "{\"error\":{\"message\":\"a*b*\",\"code\":190}}");
    fake_run(f);
    assert_non_null(strstr(fake_output_json(f, PORT_REJECTED, 0), "\"text\":\"a***b***\""));
    fake_destroy(f);
}

/* A long text of the API is cut, at a character. */
static void test_long_text(void **state)
{
    (void)state;
    static char body[4000];
    struct fake *f = begin_as(TEXT, CRED);
    wf_item *it = fake_item(f, "{\"t\":\"hi\"}");
    snprintf(body, sizeof body, "{\"error\":{\"message\":\"x%s\",\"code\":100}}",
             repeated("\xc3\xa4", 800));
    fake_reply(f, 400, body);
    fake_run(f);
    const char *json = fake_output_json(f, PORT_REJECTED, 0);
    assert_non_null(strstr(json, "\xc3\xa4\"}"));
    assert_true(strlen(json) < 800);
    end(f, it);
}

static void test_maybe_begun(void **state)
{
    (void)state;
    struct fake *f = begin_as(TEXT, CRED);
    wf_item *it = fake_item(f, "{\"t\":\"hi\"}");
    fake_maybe_begun(it);
    fake_run(f);
    assert_int_equal(fake_requests(f), 0);
    assert_int_equal(fake_outputs(f, PORT_UNKNOWN), 1);
    end(f, it);
}

/* --- uploads ---------------------------------------------------------------------------------- */

#define FILE_PART                                                                                  \
    NODE("\"messageType\":\"image\",\"binaryPropertyName\":\"pic\",\"caption\":\"c\","             \
         "\"options\":{\"messageId\":\"m-1\"}")

static void test_uploads_first(void **state)
{
    (void)state;
    struct fake *f = begin_as(FILE_PART, CRED);
    wf_item *it = fake_item(f, "{}");
    fake_part(it, "pic", "\0bytes", 6, "image/png", "a\"\r\nb.png");
    fake_reply_to(f, "/media", &(wf_reply){ .status = 200, .body = { "{\"id\":\"4490\"}", 13 } });
    fake_reply(f, 200, OK);
    fake_run(f);
    assert_int_equal(fake_requests(f), 2);
    assert_string_equal(fake_request(f, 0)->url, "http://h:1/v21.0/106/media");
    wf_str body = fake_sent(fake_request(f, 0));
    const char *type = fake_header(fake_request(f, 0)->headers, "content-type");
    assert_memory_equal(type, "multipart/form-data; boundary=", 30);
    char head[600];
    int len = snprintf(head, sizeof head,
                       "--%s\r\ncontent-disposition: form-data; name=\"messaging_product\"\r\n\r\n"
                       "whatsapp\r\n--%s\r\ncontent-disposition: form-data; name=\"type\"\r\n\r\n"
                       "image/png\r\n--%s\r\ncontent-disposition: form-data; name=\"file\"; "
                       "filename=\"a___b.png\"\r\ncontent-type: image/png\r\n\r\n",
                       type + 30, type + 30, type + 30);
    assert_true(body.len > (size_t)len + 6);
    assert_memory_equal(body.ptr, head, len);
    assert_memory_equal(body.ptr + len, "\0bytes\r\n--", 10);
    assert_string_equal(fake_request(f, 1)->url, "http://h:1/v21.0/106/messages");
    assert_non_null(
        strstr(fake_request(f, 1)->body.ptr, "\"image\":{\"id\":\"4490\",\"caption\":\"c\"}"));
    assert_int_equal(fake_outputs(f, PORT_ACCEPTED), 1);
    end(f, it);
}

/* Nobody got anything: it is tried again, or refused, and never "unknown". */
static void test_failed_uploads(void **state)
{
    static const struct {
        int status;
        const char *body;
        uint32_t flags;
        enum fake_end end;
        const char *words;
    } cases[] = {
        { 0, "connection lost", WF_REPLY_MAYBE_SENT, FAKE_FAILED, "the upload: connection lost" },
        { 200, "{}", 0, FAKE_FAILED, "the answer holds no id" },
        { 504, "", 0, FAKE_FAILED, "HTTP 504" },
        { 429, "{\"error\":{\"code\":130429,\"message\":\"slow\"}}", 0, FAKE_FAILED, "slow" },
        { 400, "{\"error\":{\"code\":131053,\"message\":\"bad file\"}}", 0, FAKE_EMITTED,
          "bad file" },
        { 401, "{\"error\":{\"code\":190,\"message\":\"expired\"}}", 0, FAKE_EMITTED,
          "permanent-account" },
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct fake *f = begin_as(FILE_PART, CRED);
        wf_item *it = fake_item(f, "{}");
        fake_part(it, "pic", "x", 1, "image/png", "a.png");
        wf_reply r = { .status = cases[i].status, .flags = cases[i].flags };
        if (r.status)
            r.body = (wf_str){ cases[i].body, strlen(cases[i].body) };
        else
            r.error = cases[i].body;
        fake_reply_to(f, "/media", &r);
        fake_run(f);
        assert_int_equal(fake_requests(f), 1);
        assert_int_equal(fake_ended(it), cases[i].end);
        assert_int_equal(fake_outputs(f, PORT_UNKNOWN), 0);
        const char *said =
            cases[i].end == FAKE_FAILED ? fake_why(it) : fake_output_json(f, PORT_REJECTED, 0);
        if (!strstr(said, cases[i].words))
            fail_msg("%zu: %s", i, said);
        end(f, it);
    }
}

static void test_missing_part(void **state)
{
    (void)state;
    struct fake *f = begin_as(FILE_PART, CRED);
    wf_item *it = fake_item(f, "{}");
    fake_run(f);
    assert_int_equal(fake_requests(f), 0);
    assert_non_null(strstr(fake_output_json(f, PORT_REJECTED, 0), "no binary part 'pic'"));
    end(f, it);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_uploads_first),
        cmocka_unit_test(test_failed_uploads),
        cmocka_unit_test(test_missing_part),
        cmocka_unit_test(test_requests),
        cmocka_unit_test(test_defaults_of_the_account),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_bad_input),
        cmocka_unit_test(test_bad_credentials),
        cmocka_unit_test(test_refused_parameters),
        cmocka_unit_test(test_ports),
        cmocka_unit_test(test_tried_again),
        cmocka_unit_test(test_unknown),
        cmocka_unit_test(test_odd_token),
        cmocka_unit_test(test_long_text),
        cmocka_unit_test(test_maybe_begun),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
