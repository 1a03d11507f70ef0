/* SPDX-License-Identifier: Apache-2.0
 * catalyst.httpRequest: what is sent for which parameters, what comes of each answer, and when it
 * is asked again.
 */
#include "../http_request.c"
#include "../build.c"
#include "../body.c"
#include "../reply.c"
#include "fake_cases.h"

static struct fake *begin(const char *json)
{
    struct fake *f = fake_create(&wf_plugin_entry, "catalyst.httpRequest");
    fake_cred(f, "httpBearerAuth", "{\"token\":\"t\"}");
    if (fake_start(f, json) != 0)
        fail_msg("%s: %s", json, fake_error(f));
    return f;
}

/* --- requests --------------------------------------------------------------------------------- */

#define BODY(rest) "{\"method\":\"POST\",\"url\":\"http://h/\",\"sendBody\":true," rest "}"
#define FIELDS(f)  "\"bodyParameters\":{\"parameters\":[" f "]}"

static const struct {
    const char *params, *method, *url, *body, *header, *value;
} sent[] = {
    { "{\"url\":\"http://h/x\"}", "GET", "http://h/x", "", NULL, NULL },
    { "{\"url\":\"http://h/x?a=1#frag\",\"sendQuery\":true,\"queryParameters\":{\"parameters\":["
      "{\"name\":\"q\",\"value\":\"={{ $json.q }}\"},{\"name\":\"n\",\"value\":5}]}}",
      "GET", "http://h/x?a=1&q=a%20b%26%C3%A4&n=5", "", NULL, NULL },
    { "{\"url\":\"HTTPS://h/\",\"sendQuery\":true,\"specifyQuery\":\"json\",\"jsonQuery\":"
      "\"{\\\"a\\\":\\\"b\\\"}\"}",
      "GET", "HTTPS://h/?a=b", "", NULL, NULL },
    { "{\"method\":\"DELETE\",\"url\":\"http://h/\",\"sendHeaders\":true,\"headerParameters\":"
      "{\"parameters\":[{\"name\":\"X-A\",\"value\":\"={{ $json.id }}\"}]}}",
      "DELETE", "http://h/", "", "X-A", "7" },
    { "{\"url\":\"http://h/\",\"sendHeaders\":true,\"specifyHeaders\":\"json\",\"jsonHeaders\":"
      "{\"X-B\":\"={{ $json.id }}\"}}",
      "GET", "http://h/", "", "X-B", "7" },
    { BODY(FIELDS(
          "{\"name\":\"id\",\"value\":\"={{ $json.id }}\"},{\"name\":\"s\",\"value\":\"x\"}")),
      "POST", "http://h/", "{\"id\":7,\"s\":\"x\"}", "content-type", "application/json" },
    { BODY("\"specifyBody\":\"json\",\"jsonBody\":{\"a\":[\"={{ $json.id }}\"]}"), "POST",
      "http://h/", "{\"a\":[7]}", "content-type", "application/json" },
    { BODY("\"specifyBody\":\"json\",\"jsonBody\":\"{ \\\"a\\\": 1 }\""), "POST", "http://h/",
      "{\"a\":1}", NULL, NULL },
    { BODY("\"contentType\":\"form-urlencoded\"," FIELDS(
          "{\"name\":\"a b\",\"value\":\"={{ $json.q }}\"},{\"name\":\"c\",\"value\":1}")),
      "POST", "http://h/", "a%20b=a%20b%26%C3%A4&c=1", "content-type",
      "application/x-www-form-urlencoded" },
    { BODY("\"contentType\":\"form-urlencoded\",\"specifyBody\":\"string\",\"body\":\"a=1&b=2\""),
      "POST", "http://h/", "a=1&b=2", NULL, NULL },
    { BODY("\"contentType\":\"raw\",\"body\":\"<a/>\",\"rawContentType\":\"text/xml\""), "POST",
      "http://h/", "<a/>", "content-type", "text/xml" },
    { BODY("\"contentType\":\"binaryData\""), "POST", "http://h/", "bytes", "content-type",
      "image/png" },
    { BODY("\"contentType\":\"raw\",\"body\":\"x\",\"sendHeaders\":true,\"headerParameters\":"
           "{\"parameters\":[{\"name\":\"Content-Type\",\"value\":\"a/b\"}]}"),
      "POST", "http://h/", "x", "Content-Type", "a/b" },
};

static void test_requests(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof sent / sizeof *sent; i++) {
        struct fake *f = begin(sent[i].params);
        wf_item *it = fake_item(f, "{\"id\":7,\"q\":\"a b&\\u00e4\"}");
        fake_part(it, "data", "bytes", 5, "image/png", "a.png");
        fake_reply(f, 200, "");
        fake_run(f);
        const struct fake_request *r = fake_request(f, 0);
        if (!r)
            fail_msg("%s: %s", sent[i].params, fake_why(it));
        assert_string_equal(r->method, sent[i].method);
        assert_string_equal(r->url, sent[i].url);
        assert_int_equal(fake_sent(r).len, strlen(sent[i].body));
        assert_memory_equal(fake_sent(r).ptr ? fake_sent(r).ptr : "", sent[i].body,
                            fake_sent(r).len);
        if (sent[i].header)
            assert_string_equal(fake_header(r->headers, sent[i].header), sent[i].value);
        fake_destroy(f);
    }
}

static void test_multipart(void **state)
{
    (void)state;
    struct fake *f = begin(BODY("\"contentType\":\"multipart-form-data\"," FIELDS(
        "{\"name\":\"a\\\"b\",\"value\":\"v\"},{\"parameterType\":\"formBinaryData\",\"name\":"
        "\"f\","
        "\"inputDataFieldName\":\"data\"}")));
    wf_item *it = fake_item(f, "{}");
    fake_part(it, "data", "b\0s", 3, "image/png", "a.png");
    fake_reply(f, 200, "");
    fake_run(f);
    const struct fake_request *r = fake_request(f, 0);
    const char *type = fake_header(r->headers, "content-type");
    assert_true(!strncmp(type, "multipart/form-data; boundary=", 30));
    char wanted[600];
    int n = snprintf(wanted, sizeof wanted,
                     "--%s\r\ncontent-disposition: form-data; name=\"a%%22b\"\r\n\r\nv\r\n--%s\r\n"
                     "content-disposition: form-data; name=\"f\"; filename=\"a.png\"\r\n"
                     "content-type: image/png\r\n\r\nb%cs\r\n--%s--\r\n",
                     type + 30, type + 30, 0, type + 30);
    assert_int_equal(fake_sent(r).len, n);
    assert_memory_equal(fake_sent(r).ptr, wanted, n);
    fake_destroy(f);
}

static void test_options(void **state)
{
    (void)state;
    struct fake *f =
        begin("{\"url\":\"http://h/\",\"authentication\":\"genericCredentialType\","
              "\"genericAuthType\":\"httpBearerAuth\",\"options\":{\"timeout\":\"2s\",\"proxy\":"
              "\"http://p:1\",\"allowUnauthorizedCerts\":true,\"idempotencyHeader\":\"Idem\","
              "\"redirect\":{\"redirect\":{\"followRedirects\":false}}}}");
    fake_item(f, "{}");
    fake_reply(f, 200, "");
    fake_run(f);
    const struct fake_request *r = fake_request(f, 0);
    assert_int_equal(r->timeout_ms, 2000);
    assert_string_equal(r->proxy, "http://p:1");
    assert_int_equal(r->flags, WF_REQ_INSECURE | WF_REQ_DOWNLOAD);
    assert_int_equal(r->max_redirects, 0);
    assert_non_null(r->cred);
    assert_true(strlen(fake_header(r->headers, "Idem")) > 0);
    fake_destroy(f);
}

/* --- what cannot be sent ---------------------------------------------------------------------- */

static const struct {
    const char *params, *item, *why;
} unsent[] = {
    { "{\"url\":\"={{ $json.u }}\"}", "{\"u\":\"h/x\"}", "must begin with http" },
    { "{\"url\":\"={{ $json.u }}\"}", "{\"u\":\"file:///etc/passwd\"}", "must begin with http" },
    { "{\"url\":\"http://h/\",\"sendHeaders\":true,\"headerParameters\":{\"parameters\":[{\"name\":"
      "\"a\",\"value\":\"={{ $json.u }}\"}]}}",
      "{\"u\":\"1\\nb: 2\"}", "what a header cannot" },
    { BODY("\"specifyBody\":\"json\",\"jsonBody\":\"{\""), "{}", "jsonBody is no JSON" },
    { BODY("\"contentType\":\"binaryData\",\"inputDataFieldName\":\"no\""), "{}",
      "no binary part 'no'" },
    { "{\"url\":\"http://h/\",\"sendQuery\":true,\"specifyQuery\":\"json\",\"jsonQuery\":[1]}",
      "{}", "jsonQuery is no object" },
};

static void test_unsent(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof unsent / sizeof *unsent; i++) {
        struct fake *f = begin(unsent[i].params);
        wf_item *it = fake_item(f, unsent[i].item);
        fake_run(f);
        if (fake_ended(it) != FAKE_FAILED || !strstr(fake_why(it), unsent[i].why))
            fail_msg("%s: '%s'", unsent[i].params, fake_why(it));
        assert_int_equal(fake_fault(it)->fault, WF_REJECTED);
        assert_string_equal(fake_fault(it)->code, "request");
        assert_int_equal(fake_requests(f), 0);
        fake_destroy(f);
    }
}

/* --- answers ---------------------------------------------------------------------------------- */

#define RESPONSE(o)                                                                                \
    "{\"url\":\"http://h/a/f.txt\",\"options\":{\"response\":{\"response\":{" o "}}}}"

static const struct {
    const char *params, *type, *body, *out;
} answers[] = {
    { "{\"url\":\"http://h/\"}", "application/json; charset=utf-8", "{\"a\":1}", "{\"a\":1}" },
    { "{\"url\":\"http://h/\"}", "application/problem+json", "[{\"a\":1},2]",
      "{\"a\":1}{\"data\":2}" },
    { "{\"url\":\"http://h/\"}", "application/json", "", "{}" },
    { "{\"url\":\"http://h/\"}", "application/json", "[]", "" },
    { "{\"url\":\"http://h/\"}", "text/plain", "hi", "{\"data\":\"hi\"}" },
    { RESPONSE("\"responseFormat\":\"json\""), "text/plain", "{\"a\":1}", "{\"a\":1}" },
    { RESPONSE("\"responseFormat\":\"text\",\"outputPropertyName\":\"t\""), "application/json",
      "{}", "{\"t\":\"{}\"}" },
    { RESPONSE("\"responseFormat\":\"file\""), "text/plain", "hi", "{\"id\":7}" },
    { RESPONSE("\"fullResponse\":true"), "application/json", "[1]",
      "{\"headers\":{\"content-type\":\"application/json\"},\"statusCode\":200,\"body\":[1]}" },
    { RESPONSE("\"fullResponse\":true"), "text/html", "x",
      "{\"headers\":{\"content-type\":\"text/html\"},\"statusCode\":200,\"body\":\"x\"}" },
};

static void test_answers(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof answers / sizeof *answers; i++) {
        struct fake *f = begin(answers[i].params);
        wf_item *it = fake_item(f, "{\"id\":7}");
        wf_pair headers[] = { { "content-type", answers[i].type }, { NULL, NULL } };
        fake_reply_to(f, "",
                      &(wf_reply){ .status = 200,
                                   .body = { answers[i].body, strlen(answers[i].body) },
                                   .headers = headers });
        fake_run(f);
        assert_int_equal(fake_ended(it), FAKE_DONE);
        char got[500] = "";
        for (size_t k = 0; k < fake_outputs(f, 0); k++)
            strcat(got, fake_output_json(f, 0, k));
        assert_string_equal(got, answers[i].out);
        if (strstr(answers[i].params, "file\"")) {
            const struct fake_part *part = fake_output(f, 0, 0)->parts;
            assert_string_equal(part->name, "data");
            assert_string_equal(part->file_name.ptr, "f.txt");
            assert_string_equal(part->mime_type.ptr, "text/plain");
        }
        fake_destroy(f);
    }
}

#define POST "{\"method\":\"POST\",\"url\":\"http://h:1/x\"}"
#define GET  "{\"url\":\"http://h:1/x\"}"
#define KEYED                                                                                      \
    "{\"method\":\"POST\",\"url\":\"http://h:1/x\",\"options\":{\"idempotencyHeader\":\"K\"}}"

static const struct {
    const char *params;
    int status;
    uint32_t flags;
    wf_fault fault;
    const char *code;
} refused[] = {
    { GET, 0, 0, WF_TRANSIENT, "transport" },
    { GET, 0, WF_REPLY_MAYBE_SENT, WF_TRANSIENT, "transport" },
    { POST, 0, 0, WF_TRANSIENT, "transport" },
    { POST, 0, WF_REPLY_MAYBE_SENT, WF_UNKNOWN, "unknown" },
    { KEYED, 0, WF_REPLY_MAYBE_SENT, WF_TRANSIENT, "transport" },
    { POST, 429, 0, WF_THROTTLE, "throttled" },
    { POST, 500, 0, WF_TRANSIENT, "server" },
    { GET, 504, 0, WF_TRANSIENT, "server" },
    { POST, 504, 0, WF_UNKNOWN, "unknown" },
    { KEYED, 504, 0, WF_TRANSIENT, "server" },
    { GET, 401, 0, WF_ACCOUNT, "auth" },
    { GET, 404, 0, WF_REJECTED, "rejected" },
    { GET, 304, 0, WF_REJECTED, "rejected" },
};

static void test_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        struct fake *f = begin(refused[i].params);
        wf_item *it = fake_item(f, "{}");
        fake_reply_to(f, "",
                      &(wf_reply){ .status = refused[i].status,
                                   .flags = refused[i].flags,
                                   .retry_after_ms = 3000,
                                   .error = refused[i].status ? NULL : "connection reset",
                                   .body = { "no", 2 } });
        fake_run(f);
        const wf_error *e = fake_fault(it);
        if (e->fault != refused[i].fault || strcmp(e->code, refused[i].code) != 0)
            fail_msg("%zu: fault %d code %s: %s", i, e->fault, e->code, fake_why(it));
        if (e->fault == WF_THROTTLE) {
            assert_int_equal(e->retry_after_ms, 3000);
            assert_string_equal(e->scope, "http://h:1");
        }
        fake_destroy(f);
    }
}

static void test_never_error(void **state)
{
    (void)state;
    struct fake *f = begin(RESPONSE("\"neverError\":true"));
    wf_item *it = fake_item(f, "{}");
    fake_reply(f, 404, "gone");
    fake_run(f);
    assert_int_equal(fake_ended(it), FAKE_DONE);
    assert_string_equal(fake_output_json(f, 0, 0), "{\"data\":\"gone\"}");
    fake_destroy(f);
}

static void test_not_json(void **state)
{
    (void)state;
    struct fake *f = begin(RESPONSE("\"responseFormat\":\"json\""));
    wf_item *it = fake_item(f, "{}");
    fake_reply(f, 200, "<html>");
    fake_run(f);
    assert_string_equal(fake_fault(it)->code, "body");
    fake_destroy(f);
}

/* --- pages ------------------------------------------------------------------------------------ */

#define PAGES(o)                                                                                   \
    "{\"url\":\"http://h/l?x=1\",\"options\":{\"response\":{\"response\":{\"responseFormat\":"     \
    "\"json\"}},\"pagination\":{\"pagination\":{" o "}}}}"
#define NEXT_URL "\"paginationMode\":\"responseContainsNextURL\",\"nextUrlPath\":\"next\""
#define NUMBERED                                                                                   \
    "\"paginationMode\":\"updateAParameterInEachRequest\",\"pageParameter\":\"p\",\"pageStart\":"  \
    "0,"                                                                                           \
    "\"itemsPath\":\"l\""

static void page(struct fake *f, const char *url, const char *body)
{
    fake_reply_to(f, "", &(wf_reply){ .status = 200, .body = { body, strlen(body) }, .url = url });
}

static void test_next_url(void **state)
{
    (void)state;
    struct fake *f = begin(PAGES(NEXT_URL));
    wf_item *it = fake_item(f, "{}");
    page(f, NULL, "{\"a\":1,\"next\":\"/l?c=2\"}");
    page(f, NULL, "{\"a\":2,\"next\":\"?c=3\"}");
    page(f, NULL, "{\"a\":3,\"next\":\"http://h/l?c=4\"}");
    page(f, NULL, "{\"a\":4,\"next\":null}");
    fake_run(f);
    assert_int_equal(fake_ended(it), FAKE_DONE);
    assert_int_equal(fake_outputs(f, 0), 4);
    assert_string_equal(fake_request(f, 1)->url, "http://h/l?c=2");
    assert_string_equal(fake_request(f, 2)->url, "http://h/l?c=3");
    assert_string_equal(fake_request(f, 3)->url, "http://h/l?c=4");
    fake_destroy(f);
}

static void test_next_url_elsewhere(void **state)
{
    (void)state;
    struct fake *f = begin(PAGES(NEXT_URL));
    wf_item *it = fake_item(f, "{}");
    page(f, NULL, "{\"next\":\"http://h.evil/l\"}");
    fake_run(f);
    assert_string_equal(fake_fault(it)->code, "pagination");
    assert_int_equal(fake_requests(f), 1);
    fake_destroy(f);
}

static void test_numbered(void **state)
{
    (void)state;
    struct fake *f = begin(PAGES(NUMBERED));
    wf_item *it = fake_item(f, "{}");
    page(f, NULL, "{\"l\":[1]}");
    page(f, NULL, "{\"l\":[2]}");
    page(f, NULL, "{\"l\":[]}");
    fake_run(f);
    assert_int_equal(fake_ended(it), FAKE_DONE);
    assert_string_equal(fake_request(f, 0)->url, "http://h/l?x=1&p=0");
    assert_string_equal(fake_request(f, 2)->url, "http://h/l?x=1&p=2");
    assert_int_equal(fake_requests(f), 3);
    fake_destroy(f);
}

static void test_most_pages(void **state)
{
    (void)state;
    struct fake *f = begin(PAGES(NUMBERED ",\"maxRequests\":2"));
    fake_item(f, "{}");
    page(f, NULL, "{\"l\":[1]}");
    page(f, NULL, "{\"l\":[2]}");
    fake_run(f);
    assert_int_equal(fake_requests(f), 2);
    fake_destroy(f);
}

static void test_refused_parameters(void **state)
{
    (void)state;
    static const char *const wrong[][2] = {
        { "{}", "url" },
        { "{\"url\":\"http://h/\",\"authentication\":\"genericCredentialType\"}", "httpBasicAuth" },
        { "{\"url\":\"http://h/\",\"options\":{\"idempotencyHeader\":\"a b\"}}",
          "no name of a header" },
        { PAGES("\"paginationMode\":\"responseContainsNextURL\""), "nextUrlPath" },
        { "{\"url\":\"http://h/\",\"method\":\"BREW\"}", "method" },
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct fake *f = fake_create(&wf_plugin_entry, NULL);
        assert_int_equal(fake_start(f, wrong[i][0]), -1);
        if (!strstr(fake_error(f), wrong[i][1]))
            fail_msg("%s: %s", wrong[i][0], fake_error(f));
        fake_destroy(f);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_requests),
        cmocka_unit_test(test_multipart),
        cmocka_unit_test(test_options),
        cmocka_unit_test(test_unsent),
        cmocka_unit_test(test_answers),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_never_error),
        cmocka_unit_test(test_not_json),
        cmocka_unit_test(test_next_url),
        cmocka_unit_test(test_next_url_elsewhere),
        cmocka_unit_test(test_numbered),
        cmocka_unit_test(test_most_pages),
        cmocka_unit_test(test_refused_parameters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
