/* SPDX-License-Identifier: Apache-2.0
 * When rules fire next: expressions, n8n's rules, zones, and the two nights a year that clocks
 * change.
 */
#include "trigger/cron_int.h"
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

/* Each line: an expression, a zone, a time, and the times that follow it, all ISO 8601. */
static const struct {
    const char *cron, *zone, *from;
    const char *then[6];
} cases[] = {
    { "* * * * *",
      "UTC",
      "2024-01-15T10:00:30Z",
      { "2024-01-15T10:01:00Z", "2024-01-15T10:02:00Z" } },
    { "* * * * *", "UTC", "2024-01-15T10:00:00Z", { "2024-01-15T10:01:00Z" } },
    { "*/15 * * * * *",
      "UTC",
      "2024-01-15T10:00:01Z",
      { "2024-01-15T10:00:15Z", "2024-01-15T10:00:30Z", "2024-01-15T10:00:45Z",
        "2024-01-15T10:01:00Z" } },
    { "30 9 * * 1-5",
      "UTC",
      "2024-01-12T09:30:00Z", /* a Friday */
      { "2024-01-15T09:30:00Z", "2024-01-16T09:30:00Z" } },
    { "30 9 * * mon-fri", "UTC", "2024-01-12T09:30:00Z", { "2024-01-15T09:30:00Z" } },
    { "0 0 * * fri-sun",
      "UTC",
      "2024-01-15T00:00:00Z",
      { "2024-01-19T00:00:00Z", "2024-01-20T00:00:00Z", "2024-01-21T00:00:00Z",
        "2024-01-26T00:00:00Z" } },
    { "0 0 * * 7", "UTC", "2024-01-15T00:00:00Z", { "2024-01-21T00:00:00Z" } },
    { "0 0 1,15 * mon",
      "UTC",
      "2024-01-16T00:00:00Z", /* either day field */
      { "2024-01-22T00:00:00Z", "2024-01-29T00:00:00Z", "2024-02-01T00:00:00Z" } },
    { "0 0 29 2 *", "UTC", "2024-03-01T00:00:00Z", { "2028-02-29T00:00:00Z" } },
    { "0 0 31 * *",
      "UTC",
      "2024-01-31T00:00:00Z",
      { "2024-03-31T00:00:00Z", "2024-05-31T00:00:00Z" } },
    { "0 0 1 jan,JUL *",
      "UTC",
      "2024-01-01T00:00:00Z",
      { "2024-07-01T00:00:00Z", "2025-01-01T00:00:00Z" } },
    { "5/20 * * * *",
      "UTC",
      "2024-01-15T10:00:00Z",
      { "2024-01-15T10:05:00Z", "2024-01-15T10:25:00Z", "2024-01-15T10:45:00Z",
        "2024-01-15T11:05:00Z" } },
    { "0 10-16/3 * * *",
      "UTC",
      "2024-01-15T10:00:00Z",
      { "2024-01-15T13:00:00Z", "2024-01-15T16:00:00Z", "2024-01-16T10:00:00Z" } },
    { "@daily",
      "Asia/Kathmandu",
      "2024-01-15T10:00:00Z",
      { "2024-01-15T18:15:00Z", "2024-01-16T18:15:00Z" } },
    { "0 9 * * *",
      "Europe/Berlin",
      "2024-03-30T09:00:00Z", /* summer begins on the 31st */
      { "2024-03-31T07:00:00Z", "2024-04-01T07:00:00Z" } },
    /* 02:30 does not exist: at the jump to 03:00. */
    { "30 2 * * *",
      "Europe/Berlin",
      "2024-03-30T02:00:00Z",
      { "2024-03-31T01:00:00Z", "2024-04-01T00:30:00Z" } },
    { "15,45 2 * * *",
      "America/New_York",
      "2024-03-10T06:59:59Z", /* both at the one jump */
      { "2024-03-10T07:00:00Z", "2024-03-11T06:15:00Z" } },
    { "0 2,3 * * *",
      "America/New_York",
      "2024-03-10T00:00:00Z",
      { "2024-03-10T07:00:00Z", "2024-03-11T06:00:00Z" } },
    /* 02:30 comes twice: the first time. */
    { "30 2 * * *",
      "Europe/Berlin",
      "2024-10-26T12:00:00Z",
      { "2024-10-27T00:30:00Z", "2024-10-28T01:30:00Z" } },
    { "0,30 1 * * *",
      "America/New_York",
      "2024-11-03T00:00:00Z",
      { "2024-11-03T05:00:00Z", "2024-11-03T05:30:00Z", "2024-11-04T06:00:00Z" } },
    { "30 1 * * *",
      "America/New_York",
      "2024-11-03T06:00:00Z", /* in its second hour */
      { "2024-11-04T06:30:00Z" } },
    /* Every hour follows real time. */
    { "*/30 * * * *",
      "Europe/Berlin",
      "2024-10-27T00:00:00Z",
      { "2024-10-27T00:30:00Z", "2024-10-27T01:00:00Z", "2024-10-27T01:30:00Z",
        "2024-10-27T02:00:00Z" } },
    { "*/30 * * * *",
      "Europe/Berlin",
      "2024-03-31T00:30:00Z",
      { "2024-03-31T01:00:00Z", "2024-03-31T01:30:00Z" } },
    /* Half an hour of summer time (Lord Howe): 02:00 to 02:30. */
    { "15 2 * * *",
      "Australia/Lord_Howe",
      "2024-10-05T12:00:00Z",
      { "2024-10-05T15:30:00Z", "2024-10-06T15:15:00Z" } },
    { "45 * * * *",
      "Australia/Lord_Howe",
      "2024-10-05T15:20:00Z", /* ten minutes before half an hour is skipped */
      { "2024-10-05T15:45:00Z", "2024-10-05T16:45:00Z" } },
    /* Beyond the table the rule goes on. */
    { "30 2 * * *", "Europe/Berlin", "2090-03-25T12:00:00Z", { "2090-03-26T01:00:00Z" } },
    { "0 12 * * *", "Europe/Berlin", "2090-07-01T00:00:00Z", { "2090-07-01T10:00:00Z" } },
    { "0 12 * * *", "America/Santiago", "2090-07-01T00:00:00Z", { "2090-07-01T16:00:00Z" } },
};

static int64_t ms_of(const char *iso)
{
    int y, mo, d, h, mi, s;
    assert_int_equal(sscanf(iso, "%d-%d-%dT%d:%d:%dZ", &y, &mo, &d, &h, &mi, &s), 6);
    wf_date date = { .year = y, .month = mo, .day = d, .hour = h, .minute = mi, .second = s };
    return wf_date_ms(&date);
}

static const char *iso_of(int64_t ms, char *to, size_t size)
{
    wf_date d = wf_date_of_ms(ms);
    snprintf(to, size, "%04d-%02d-%02dT%02d:%02d:%02dZ", (int)d.year, d.month, d.day, d.hour,
             d.minute, d.second);
    return to;
}

static struct zone *zone(const char *name)
{
    struct err err;
    struct zone *z = zone_open(name, &err);
    if (!z)
        fail_msg("%s", err.text);
    return z;
}

static void expect(const wf_cron_bits *c, const struct zone *z, const char *what, const char *from,
                   const char *const *then, size_t n)
{
    char got[40];
    int64_t at = ms_of(from);
    for (size_t k = 0; k < n && then[k]; k++) {
        at = cron_next(c, z, at);
        if (at != ms_of(then[k]))
            fail_msg("%s in %s from %s, %zu: got %s, wanted %s", what, zone_name(z), from, k,
                     at < 0 ? "never" : iso_of(at, got, sizeof got), then[k]);
    }
}

static void test_expressions(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        wf_cron_bits c;
        char why[256] = "";
        if (wf_cron_parse(cases[i].cron, &c, why, sizeof why) != 0)
            fail_msg("%s: %s", cases[i].cron, why);
        struct zone *z = zone(cases[i].zone);
        expect(&c, z, cases[i].cron, cases[i].from, cases[i].then, 6);
        zone_close(z);
    }
}

static void test_milliseconds(void **state)
{
    (void)state;
    wf_cron_bits c;
    char why[256];
    assert_int_equal(wf_cron_parse("* * * * * *", &c, why, sizeof why), 0);
    struct zone *z = zone("UTC");
    assert_int_equal(cron_next(&c, z, 1000), 2000);
    assert_int_equal(cron_next(&c, z, 1999), 2000);
    assert_int_equal(cron_next(&c, z, 999), 1000);
    zone_close(z);
}

static void test_wrong_expressions(void **state)
{
    (void)state;
    static const char *const wrong[][2] = {
        { "", "0 fields" },
        { "* * * *", "4 fields" },
        { "* * * * * * *", "more than 6 fields" },
        { "60 * * * *", "minute field '60': 60 is not between 0 and 59" },
        { "* 24 * * *", "hour field" },
        { "* * 0 * *", "day field" },
        { "* * * 13 *", "month field" },
        { "* * * * 8", "weekday field" },
        { "* * * foo *", "month field 'foo': wants numbers or names" },
        { "x * * * *", "wants numbers" },
        { "1-b * * * *", "wants numbers" },
        { "22-3 * * * *", "runs upwards" },
        { "*/0 * * * *", "a step is a number from 1 on" },
        { "*/ * * * *", "a step is a number from 1 on" },
        { "1,,2 * * * *", "wants numbers" },
        { "1;2 * * * *", "cannot be read" },
        { "99999 * * * *", "not between" },
        { "0 0 L * *", "L, W and # are not known" },
        { "0 0 15W * *", "L, W and # are not known" },
        { "0 0 * * 1#2", "L, W and # are not known" },
        { "0 0 31 2,4 *", "no month it names has such a day" },
        { "@sometimes", "1 field;" },
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        wf_cron_bits c;
        char why[256] = "";
        if (wf_cron_parse(wrong[i][0], &c, why, sizeof why) == 0)
            fail_msg("'%s' was taken", wrong[i][0]);
        if (!strstr(why, wrong[i][1]))
            fail_msg("'%s' says '%s', not '%s'", wrong[i][0], why, wrong[i][1]);
    }
}

static const struct wf_schedule_weekday tue_sun[] = { { 2 }, { 7 } };
static const struct {
    const char *what;
    struct wf_schedule_rule rule;
    const char *zone, *from;
    const char *then[4];
} rules[] = {
    { "every 30 seconds",
      { .field = WF_EVERY_SECONDS, .seconds = 30 },
      "UTC",
      "2024-01-15T10:00:00Z",
      { "2024-01-15T10:00:30Z", "2024-01-15T10:01:00Z" } },
    { "every 7 seconds",
      { .field = WF_EVERY_SECONDS, .seconds = 7 },
      "UTC",
      "1970-01-01T00:00:55Z",
      { "1970-01-01T00:00:56Z", "1970-01-01T00:01:03Z" } },
    { "every 90 minutes",
      { .field = WF_EVERY_MINUTES, .minutes = 90 },
      "UTC",
      "1970-01-01T00:00:00Z",
      { "1970-01-01T01:30:00Z", "1970-01-01T03:00:00Z" } },
    { "every 2 hours at 15",
      { .field = WF_EVERY_HOURS, .hours = 2, .at_minute = 15 },
      "UTC",
      "2024-01-15T10:20:00Z",
      { "2024-01-15T12:15:00Z", "2024-01-15T14:15:00Z" } },
    { "every day",
      { .field = WF_EVERY_DAYS, .days = 1, .at_hour = 6, .at_minute = 5 },
      "Europe/Berlin",
      "2024-03-30T05:05:00Z",
      { "2024-03-31T04:05:00Z" } },
    { "every 3 days",
      { .field = WF_EVERY_DAYS, .days = 3 },
      "UTC",
      "1970-01-01T00:00:00Z",
      { "1970-01-04T00:00:00Z", "1970-01-07T00:00:00Z" } },
    { "tuesdays and sundays",
      { .field = WF_EVERY_WEEKS, .weeks = 1, .at_hour = 8, .weekdays = { tue_sun, 2 } },
      "UTC",
      "2024-01-15T00:00:00Z",
      { "2024-01-16T08:00:00Z", "2024-01-21T08:00:00Z", "2024-01-23T08:00:00Z" } },
    { "every second week",
      { .field = WF_EVERY_WEEKS, .weeks = 2, .weekdays = { tue_sun, 1 } },
      "UTC",
      "2024-01-15T00:00:00Z",
      { "2024-01-16T00:00:00Z", "2024-01-30T00:00:00Z" } },
    { "weeks end on Sunday",
      { .field = WF_EVERY_WEEKS, .weeks = 2, .weekdays = { tue_sun, 2 } },
      "UTC",
      "2024-01-15T00:00:00Z",
      { "2024-01-16T00:00:00Z", "2024-01-21T00:00:00Z", "2024-01-30T00:00:00Z",
        "2024-02-04T00:00:00Z" } },
    { "the 31st",
      { .field = WF_EVERY_MONTHS, .months = 1, .at_day_of_month = 31 },
      "UTC",
      "2024-03-31T00:00:00Z",
      { "2024-05-31T00:00:00Z" } },
    { "every quarter",
      { .field = WF_EVERY_MONTHS, .months = 3, .at_day_of_month = 1 },
      "UTC",
      "2024-01-01T00:00:00Z",
      { "2024-04-01T00:00:00Z", "2024-07-01T00:00:00Z" } },
    { "cron",
      { .field = WF_CRON, .cron = { "0 0 * * *", 9 } },
      "UTC",
      "2024-01-01T00:00:00Z",
      { "2024-01-02T00:00:00Z" } },
};

static void test_rules(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++) {
        wf_cron_bits c;
        struct err err;
        if (cron_of_rule(&rules[i].rule, &c, &err) != 0)
            fail_msg("%s: %s", rules[i].what, err.text);
        struct zone *z = zone(rules[i].zone);
        expect(&c, z, rules[i].what, rules[i].from, rules[i].then, 4);
        zone_close(z);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_expressions),
        cmocka_unit_test(test_milliseconds),
        cmocka_unit_test(test_wrong_expressions),
        cmocka_unit_test(test_rules),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
