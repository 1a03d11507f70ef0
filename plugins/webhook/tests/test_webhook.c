/* SPDX-License-Identifier: Apache-2.0
 * The webhook's parameters: n8n's forms, the shape that the engine reads, and what is refused.
 */
#include "../webhook.c"
#include "../respond.c"
#include "fake_cases.h"

#define PASSES                                                                                     \
    { "[{\"a\":1}]" }, { "[{\"a\":1}]" }

static const struct fake_case cases[] = {
    { "a path", "{\"path\":\"orders/:id\"}", PASSES },
    { "as n8n writes it",
      "{\"httpMethod\":\"POST\",\"path\":\"x\",\"responseMode\":\"lastNode\",\"responseData\":"
      "\"allEntries\",\"options\":{\"responseCode\":{\"values\":{\"responseCode\":201}},"
      "\"responseHeaders\":[{\"name\":\"a\",\"value\":\"b\"}],\"rawBody\":true}}",
      PASSES },
    { "several methods",
      "{\"multipleMethods\":true,\"httpMethod\":[\"PUT\",\"DELETE\"],\"path\":\"x\"}", PASSES },
    { "methods with commas", "{\"httpMethod\":\"GET, POST\",\"path\":\"x\"}", PASSES },
    { "no path", "{}", .refused = "path" },
    { "an unknown method", "{\"httpMethod\":\"FETCH\",\"path\":\"x\"}",
      .refused = "'FETCH' is no method" },
    { "an unknown one of several",
      "{\"multipleMethods\":true,\"httpMethod\":[\"PUT\",\"put\"],\"path\":\"x\"}",
      .refused = "'put' is no method" },
    { "a blank in the path", "{\"path\":\"a b\"}", .refused = "which a path cannot" },
    { "authentication without credential", "{\"path\":\"x\",\"authentication\":\"jwtAuth\"}",
      .refused = "needs a credential of type jwtAuth" },
    { "an unknown mode", "{\"path\":\"x\",\"responseMode\":\"streaming\"}",
      .refused = "responseMode" },
};

/* What the engine finds. */
static void test_config(void **state)
{
    (void)state;
    struct fake *f = fake_create(&wf_plugin_entry, "catalyst.webhook");
    const wf_cred *cred = fake_cred(f, "hmac", "{\"secret\":\"s\"}");
    assert_int_equal(
        fake_start(f,
                   "{\"path\":\"x\",\"authentication\":\"hmac\",\"responseMode\":\"responseNode\","
                   "\"multipleMethods\":true,\"httpMethod\":[\"PUT\"],"
                   "\"options\":{\"responseCode\":{\"values\":{\"responseCode\":201}}}}"),
        0);
    const struct wf_webhook_trigger *w = f->config;
    const struct wf_webhook_method *methods = w->more_methods.rows;
    assert_int_equal(w->auth, WF_WEBHOOK_HMAC);
    assert_ptr_equal(w->credential, cred);
    assert_int_equal(w->response_mode, WF_WEBHOOK_RESPOND_NODE);
    assert_int_equal(w->response_code, 201);
    assert_int_equal(w->hmac_tolerance_ms, 300000);
    assert_string_equal(w->hmac_header.ptr, "x-signature");
    assert_int_equal(w->more_methods.n, 1);
    assert_string_equal(methods[0].name.ptr, "PUT");
    fake_destroy(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_config) };
    int failed = FAKE_CASES_RUN(&wf_plugin_entry, "catalyst.webhook", cases);
    return failed + cmocka_run_group_tests(tests, NULL, NULL);
}
