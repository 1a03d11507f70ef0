/* SPDX-License-Identifier: Apache-2.0 */
#include "../error_trigger.c"
#include "fake_host.h"
#include <setjmp.h>
#include <cmocka.h>

#define FAILURE "{\"execution\":{\"id\":\"1-0-0\"},\"workflow\":{\"id\":\"w\"}}"

static void hands_its_items_on(void **state)
{
    (void)state;
    struct fake *f = fake_create(&wf_plugin_entry, NULL);
    assert_true(f->node->flags & WF_NODE_TRIGGER);
    assert_int_equal(fake_start(f, "{}"), 0);
    wf_item *it = fake_item(f, FAILURE);
    fake_run(f);
    assert_int_equal(fake_ended(it), FAKE_PASSED);
    assert_string_equal(fake_output_json(f, 0, 0), FAILURE);
    fake_destroy(f);
}

static void is_known_by_its_name_in_n8n(void **state)
{
    (void)state;
    assert_string_equal(nodes[0].aliases[0], "n8n-nodes-base.errorTrigger");
    assert_null(nodes[0].params);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(hands_its_items_on),
                                        cmocka_unit_test(is_known_by_its_name_in_n8n) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
