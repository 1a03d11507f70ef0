/* SPDX-License-Identifier: Apache-2.0 */
#include "../manual.c"
#include "fake_host.h"
#include <setjmp.h>
#include <cmocka.h>

static void hands_its_items_on(void **state)
{
    (void)state;
    struct fake *f = fake_create(&wf_plugin_entry, NULL);
    assert_true(f->node->flags & WF_NODE_TRIGGER);
    assert_int_equal(fake_start(f, "{}"), 0);
    wf_item *it = fake_item(f, "{}");
    fake_run(f);
    assert_int_equal(fake_ended(it), FAKE_PASSED);
    assert_string_equal(fake_output_json(f, 0, 0), "{}");
    fake_destroy(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(hands_its_items_on) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
