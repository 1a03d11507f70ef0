/* SPDX-License-Identifier: Apache-2.0 */
#include "../limit.c"
#include "fake_host.h"
#include <setjmp.h>
#include <cmocka.h>

/* Items 0..n-1 through the node; what is left as "012". */
static const char *left(const char *parameters, int n)
{
    static char text[64];
    struct fake *f = fake_create(&wf_plugin_entry, "catalyst.limit");
    if (fake_start(f, parameters) != 0)
        fail_msg("%s", fake_error(f));
    for (int i = 0; i < n; i++)
        fake_item(f, fake_fmt(&f->heap, "{\"i\":%d,\"keep\":\"lastItems\",\"max\":2}", i));
    fake_run(f);
    text[0] = 0;
    for (size_t i = 0; i < fake_outputs(f, 0); i++) {
        const struct fake_output *out = fake_output(f, 0, i);
        assert_true(out->passed);
        strcat(text, fake_path(out->value, "i")->text.ptr);
    }
    fake_destroy(f);
    return text;
}

static void keeps_the_first(void **state)
{
    (void)state;
    assert_string_equal(left("{}", 3), "0");
    assert_string_equal(left("{\"maxItems\":2}", 3), "01");
    assert_string_equal(left("{\"maxItems\":3}", 3), "012");
    assert_string_equal(left("{\"maxItems\":9}", 3), "012");
    assert_string_equal(left("{\"maxItems\":0}", 3), "");
}

static void keeps_the_last(void **state)
{
    (void)state;
    assert_string_equal(left("{\"maxItems\":2,\"keep\":\"lastItems\"}", 4), "23");
    assert_string_equal(left("{\"maxItems\":9,\"keep\":\"lastItems\"}", 2), "01");
}

static void takes_expressions(void **state)
{
    (void)state;
    assert_string_equal(
        left("{\"maxItems\":\"={{ $json.max }}\",\"keep\":\"={{ $json.keep }}\"}", 3), "12");
}

static void counts_each_execution(void **state)
{
    (void)state;
    struct fake *f = fake_create(&wf_plugin_entry, "catalyst.limit");
    assert_int_equal(fake_start(f, "{}"), 0);
    wf_item *a = fake_item(f, "{\"a\":1}"), *b = fake_item(f, "{\"a\":2}");
    fake_execution(f);
    wf_item *c = fake_item(f, "{\"a\":3}");
    fake_run(f);
    assert_int_equal(fake_outputs(f, 0), 2);
    assert_ptr_equal(fake_output(f, 0, 0)->item, a);
    assert_ptr_equal(fake_output(f, 0, 1)->item, c);
    assert_int_equal(fake_ended(b), FAKE_SEGMENT);
    fake_destroy(f);
}

static void refuses_less_than_none(void **state)
{
    (void)state;
    struct fake *f = fake_create(&wf_plugin_entry, "catalyst.limit");
    assert_int_equal(fake_start(f, "{\"maxItems\":-1}"), -1);
    fake_destroy(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keeps_the_first),        cmocka_unit_test(keeps_the_last),
        cmocka_unit_test(takes_expressions),      cmocka_unit_test(counts_each_execution),
        cmocka_unit_test(refuses_less_than_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
