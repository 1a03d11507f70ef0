/* SPDX-License-Identifier: Apache-2.0
 * Lanes of workers: two workers never have the same, whichever engines they belong to. Else the
 * engines would fence each other.
 */
#include "trigger/trigger.h"
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static uint32_t lane_of(uint32_t instance, uint32_t worker)
{
    struct trigger_host host = { .instance = instance, .worker = worker };
    return lane_of_worker(&host);
}

static void engines_share_no_lane(void **state)
{
    (void)state;
    enum { MOST_OF_A_SETTING = 256 };
    for (uint32_t instance = 1; instance < 1000; instance++)
        assert_true(lane_of(instance, MOST_OF_A_SETTING - 1) < lane_of(instance + 1, 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(engines_share_no_lane) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
