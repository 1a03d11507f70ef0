/* SPDX-License-Identifier: Apache-2.0
 * Time zones: of the system's database, damaged ones, and clocks that never change.
 */
#include "base/zone.h"
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

static struct zone *zone(const char *name)
{
    struct err err;
    struct zone *z = zone_open(name, &err);
    if (!z)
        fail_msg("%s", err.text);
    return z;
}

static void a_zone_knows_its_clock(void **state)
{
    (void)state;
    struct zone *z = zone("Europe/Berlin");
    assert_string_equal(zone_name(z), "Europe/Berlin");
    assert_int_equal(zone_offset(z, 1705312800), 3600);
    assert_int_equal(zone_offset(z, 1720000000), 7200);
    assert_int_equal(zone_offset(z, 4000000000), 7200); /* by the rule */
    assert_int_equal(zone_next_change(z, 1705312800), 1711846800);
    zone_close(z);
}

static void civil_time_that_is_twice_or_never(void **state)
{
    (void)state;
    struct zone *z = zone("Europe/Berlin");
    /* 2024-03-31: 02:00 becomes 03:00; 2024-10-27: 03:00 becomes 02:00. */
    assert_int_equal(zone_to_utc(z, 1711846800 + 3600 + 1800), 1711846800); /* 02:30 is not */
    assert_int_equal(zone_to_utc(z, 1711846800 + 7200), 1711846800);
    assert_int_equal(zone_to_utc(z, 1729990800 + 3600), 1729990800 - 3600); /* the first 02:00 */
    zone_close(z);
}

static void a_fixed_clock_never_changes(void **state)
{
    (void)state;
    struct zone *z = zone_fixed("UTC-3:30", -12600);
    assert_string_equal(zone_name(z), "UTC-3:30");
    assert_int_equal(zone_offset(z, -(INT64_C(1) << 40)), -12600);
    assert_int_equal(zone_offset(z, INT64_C(1) << 40), -12600);
    assert_int_equal(zone_next_change(z, 0), INT64_MAX);
    assert_int_equal(zone_to_utc(z, 0), 12600);
    zone_close(z);
    z = zone("UTC");
    assert_int_equal(zone_next_change(z, 0), INT64_MAX);
    assert_int_equal(zone_to_utc(z, 12345), 12345);
    zone_close(z);
}

static void what_is_no_zone_is_refused(void **state)
{
    (void)state;
    struct err err;
    assert_null(zone_open("Europe/Atlantis", &err));
    assert_non_null(strstr(err.text, "Europe/Atlantis"));
    static const char *const bad[] = { "",          "../etc/passwd", "/etc/passwd",
                                       "tzdata.zi", "Europe",        "zone.tab" };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (zone_open(bad[i], &err))
            fail_msg("'%s' was taken", bad[i]);
    assert_null(zone_parse("x", "TZif2", 5, &err));
    assert_null(zone_parse("x", "", 0, &err));
    zone_close(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_zone_knows_its_clock),
        cmocka_unit_test(civil_time_that_is_twice_or_never),
        cmocka_unit_test(a_fixed_clock_never_changes),
        cmocka_unit_test(what_is_no_zone_is_refused),
    };
    return cmocka_run_group_tests_name("base.zone", tests, NULL, NULL);
}
