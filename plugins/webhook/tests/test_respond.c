/* SPDX-License-Identifier: Apache-2.0
 * catalyst.respondToWebhook: what each kind answers, and that the items go on.
 */
#include "../webhook.c"
#include "../respond.c"
#include "fake_cases.h"

struct answer_case {
    const char *params;
    int status;
    const char *body, *header, *value;
};

static const struct answer_case answers[] = {
    { "{}", 200, "{\"id\":1}", "content-type", "application/json" },
    { "{\"respondWith\":\"allIncomingItems\"}", 200, "[{\"id\":1},{\"id\":2}]", "content-type",
      "application/json" },
    { "{\"respondWith\":\"allIncomingItems\",\"options\":{\"responseKey\":\"all\"}}", 200,
      "{\"all\":[{\"id\":1},{\"id\":2}]}", NULL, NULL },
    { "{\"respondWith\":\"json\",\"responseBody\":{\"got\":\"={{ $json.id }}\"},\"options\":"
      "{\"responseCode\":201}}",
      201, "{\"got\":1}", "content-type", "application/json" },
    { "{\"respondWith\":\"json\",\"responseBody\":\"{ \\\"a\\\": [1] }\"}", 200, "{\"a\":[1]}",
      NULL, NULL },
    { "{\"respondWith\":\"text\",\"responseBody\":\"hello\",\"options\":{\"responseHeaders\":"
      "[{\"name\":\"X-A\",\"value\":\"={{ $json.id }}\"}]}}",
      200, "hello", "X-A", "1" },
    { "{\"respondWith\":\"text\",\"responseBody\":\"<b>\",\"options\":{\"responseHeaders\":"
      "[{\"name\":\"Content-Type\",\"value\":\"text/html\"}]}}",
      200, "<b>", "Content-Type", "text/html" },
    { "{\"respondWith\":\"binary\"}", 200, "bytes", "content-type", "image/png" },
    { "{\"respondWith\":\"noData\",\"options\":{\"responseCode\":204}}", 204, "", NULL, NULL },
    { "{\"respondWith\":\"redirect\",\"redirectURL\":\"https://x.example/\"}", 307, "", "location",
      "https://x.example/" },
};

static void test_answers(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof answers / sizeof *answers; i++) {
        const struct answer_case *c = &answers[i];
        struct fake *f = fake_create(&wf_plugin_entry, "catalyst.respondToWebhook");
        if (fake_start(f, c->params) != 0)
            fail_msg("%s: %s", c->params, fake_error(f));
        wf_item *it = fake_item(f, "{\"id\":1}");
        fake_part(it, "data", "bytes", 5, "image/png", "a.png");
        fake_item(f, "{\"id\":2}");
        fake_run(f);
        assert_int_equal(fake_answers(f), 1);
        const struct fake_answer *a = fake_answer(f, 0);
        assert_int_equal(a->status, c->status);
        assert_string_equal(a->body.ptr, c->body);
        if (c->header)
            assert_string_equal(fake_header(a->headers, c->header), c->value);
        assert_null(c->header && !strcmp(c->header, "Content-Type")
                        ? fake_header(a->headers, "content-type")
                        : NULL);
        assert_int_equal(fake_outputs(f, 0), 2);
        fake_destroy(f);
    }
}

static void expect_failure(const char *params, const char *item, const char *why)
{
    struct fake *f = fake_create(&wf_plugin_entry, "catalyst.respondToWebhook");
    if (fake_start(f, params) != 0)
        fail_msg("%s: %s", params, fake_error(f));
    wf_item *it = fake_item(f, item);
    fake_run(f);
    if (fake_ended(it) != FAKE_FAILED || !strstr(fake_why(it), why))
        fail_msg("%s: '%s', wanted '%s'", params, fake_why(it), why);
    assert_int_equal(fake_answers(f), 0);
    fake_destroy(f);
}

static void test_wrong(void **state)
{
    (void)state;
    expect_failure("{\"respondWith\":\"json\",\"responseBody\":\"{\"}", "{}", "is no JSON");
    expect_failure("{\"respondWith\":\"binary\",\"inputFieldName\":\"x\"}", "{}",
                   "no binary part 'x'");
    expect_failure("{\"respondWith\":\"redirect\",\"redirectURL\":\"/\",\"options\":"
                   "{\"responseHeaders\":[{\"name\":\"a\",\"value\":\"={{ $json.v }}\"}]}}",
                   "{\"v\":\"1\\r\\nevil: 2\"}", "what a header cannot");
}

/* The second of two respond nodes, or an execution that no request began. */
static void test_nobody_waits(void **state)
{
    (void)state;
    struct fake *f = fake_create(&wf_plugin_entry, "catalyst.respondToWebhook");
    assert_int_equal(fake_start(f, "{}"), 0);
    fake_item(f, "{\"id\":1}");
    fake_run(f);
    fake_item(f, "{\"id\":2}");
    fake_run(f);
    assert_int_equal(fake_answers(f), 1);
    assert_int_equal(fake_outputs(f, 0), 2);
    assert_non_null(strstr(fake_log(f, 0), "respond.nobody"));
    fake_destroy(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_answers),
                                        cmocka_unit_test(test_wrong),
                                        cmocka_unit_test(test_nobody_waits) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
