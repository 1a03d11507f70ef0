/* SPDX-License-Identifier: Apache-2.0 */
#include "../no_op.c"
#include "fake_host.h"
#include <setjmp.h>
#include <cmocka.h>

static void hands_items_on(void **state)
{
    (void)state;
    struct fake *f = fake_create(&wf_plugin_entry, "catalyst.noOp");
    assert_int_equal(fake_start(f, "{}"), 0);
    wf_item *a = fake_item(f, "{\"n\":1}"), *b = fake_item(f, "{\"n\":2}");
    fake_part(b, "file", "xyz", 3, "text/plain", "f.txt");
    fake_run(f);
    assert_int_equal(fake_ended(a), FAKE_PASSED);
    assert_int_equal(fake_ended(b), FAKE_PASSED);
    assert_int_equal(fake_outputs(f, 0), 2);
    assert_string_equal(fake_output_json(f, 0, 1), "{\"n\":2}");
    assert_string_equal(fake_output(f, 0, 1)->parts->name, "file"); /* binaries go along */
    fake_destroy(f);
}

static void takes_no_parameters(void **state)
{
    (void)state;
    struct fake *f = fake_create(&wf_plugin_entry, "catalyst.noOp");
    assert_int_equal(fake_start(f, "{\"x\":1}"), -1);
    assert_string_equal(fake_error(f), "parameter 'x': unknown parameter");
    fake_destroy(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(hands_items_on),
                                        cmocka_unit_test(takes_no_parameters) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
