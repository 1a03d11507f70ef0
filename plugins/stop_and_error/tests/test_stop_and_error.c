/* SPDX-License-Identifier: Apache-2.0 */
#include "../stop_and_error.c"
#include "fake_host.h"
#include <setjmp.h>
#include <cmocka.h>

/* One item through the node; its error text. The detail is in `detail`. */
static char detail[200];
static const char *error_of(const char *parameters, const char *item)
{
    static char text[200];
    struct fake *f = fake_create(&wf_plugin_entry, "catalyst.stopAndError");
    if (fake_start(f, parameters) != 0)
        fail_msg("%s", fake_error(f));
    wf_item *it = fake_item(f, item);
    fake_run(f);
    assert_int_equal(fake_ended(it), FAKE_FAILED);
    snprintf(text, sizeof text, "%s", fake_why(it));
    snprintf(detail, sizeof detail, "%s",
             fake_fault(it)->detail.ptr ? fake_fault(it)->detail.ptr : "");
    fake_destroy(f);
    return text;
}

static void by_message(void **state)
{
    (void)state;
    assert_string_equal(error_of("{\"errorMessage\":\"no 100% match\"}", "{}"), "no 100% match");
    assert_string_equal(error_of("{\"errorMessage\":\"={{ $json.why }}\"}", "{\"why\":\"late\"}"),
                        "late");
}

static void by_object(void **state)
{
    (void)state;
    assert_string_equal(
        error_of("{\"errorType\":\"errorObject\",\"errorObject\":{\"message\":\"m\",\"code\":7}}",
                 "{}"),
        "m");
    assert_string_equal(detail, "{\"message\":\"m\",\"code\":7}");
    assert_string_equal(
        error_of("{\"errorType\":\"errorObject\",\"errorObject\":{\"description\":\"d\"}}", "{}"),
        "d");
    assert_string_equal(
        error_of("{\"errorType\":\"errorObject\",\"errorObject\":{\"error\":404}}", "{}"), "404");
    assert_string_equal(error_of("{\"errorType\":\"errorObject\",\"errorObject\":{\"x\":1}}", "{}"),
                        "Error: {\"x\":1}");
}

static void by_object_as_text(void **state)
{
    (void)state;
    assert_string_equal(
        error_of("{\"errorType\":\"errorObject\",\"errorObject\":\"{\\\"message\\\":\\\"t\\\"}\"}",
                 "{}"),
        "t");
    assert_non_null(
        strstr(error_of("{\"errorType\":\"errorObject\",\"errorObject\":\"{oops\"}", "{}"),
               "errorObject is no JSON object: at byte 1"));
    assert_string_equal(error_of("{\"errorType\":\"errorObject\",\"errorObject\":[1]}", "{}"),
                        "errorObject is no JSON object");
}

static void needs_its_words(void **state)
{
    (void)state;
    struct fake *f = fake_create(&wf_plugin_entry, NULL);
    assert_int_equal(fake_start(f, "{}"), -1);
    assert_string_equal(fake_error(f), "parameter 'errorMessage': is required");
    fake_destroy(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(by_message), cmocka_unit_test(by_object),
                                        cmocka_unit_test(by_object_as_text),
                                        cmocka_unit_test(needs_its_words) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
