/* SPDX-License-Identifier: Apache-2.0
 * catalyst.dateTime: each operation, months of different lengths, offsets, formats, what is
 * refused.
 */
#include "../date_time.c"
#include "../calendar.c"
#include "fake_cases.h"

#define D(date) "[{\"d\":" date "}]"
#define MOVE(op, n, unit, rest)                                                                    \
    "{\"operation\":\"" op "\",\"magnitude\":\"={{ $json.d }}\",\"duration\":" n                   \
    ",\"timeUnit\":\"" unit "\"" rest "}"
#define ADDS(name, n, unit, from, to)                                                              \
    {                                                                                              \
        name, MOVE("addToDate", n, unit, ""), { D("\"" from "\"") },                               \
        {                                                                                          \
            "[{\"newDate\":\"" to "\"}]"                                                           \
        }                                                                                          \
    }
#define FORMAT(f, rest)                                                                            \
    "{\"operation\":\"formatDate\",\"date\":\"={{ $json.d "                                        \
    "}}\",\"format\":\"custom\",\"customFormat\":\"" f "\"" rest "}"
#define WRITES(f, to)                                                                              \
    {                                                                                              \
        "format " f, FORMAT(f, ""), { D("\"2024-03-05T07:08:09.012Z\"") },                         \
        {                                                                                          \
            "[{\"formattedDate\":\"" to "\"}]"                                                     \
        }                                                                                          \
    }
#define PART(part, to)                                                                             \
    {                                                                                              \
        "part " part,                                                                              \
            "{\"operation\":\"extractDate\",\"date\":\"={{ $json.d }}\",\"part\":\"" part "\"}",   \
            { D("\"2024-12-30T07:08:09Z\"") },                                                     \
        {                                                                                          \
            "[{\"datePart\":" to "}]"                                                              \
        }                                                                                          \
    }
#define BETWEEN(units, rest)                                                                       \
    "{\"operation\":\"getTimeBetweenDates\",\"startDate\":\"={{ $json.a }}\",\"endDate\":\"={{ "   \
    "$json.b }}\",\"units\":[" units "]" rest "}"
#define APART(name, units, a, b, to)                                                               \
    {                                                                                              \
        name, BETWEEN(units, ""), { "[{\"a\":\"" a "\",\"b\":\"" b "\"}]" },                       \
        {                                                                                          \
            "[{\"timeDifference\":" to "}]"                                                        \
        }                                                                                          \
    }
#define ROUND(how) "{\"operation\":\"roundDate\",\"date\":\"={{ $json.d }}\"," how "}"
#define DOWN(unit, to)                                                                             \
    {                                                                                              \
        "down to " unit, ROUND("\"toNearest\":\"" unit "\""),                                      \
            { D("\"2024-08-15T13:14:15.016Z\"") },                                                 \
        {                                                                                          \
            "[{\"roundedDate\":\"" to "\"}]"                                                       \
        }                                                                                          \
    }
#define ZONE(z) ",\"options\":{\"timezone\":\"" z "\"}"

static const struct fake_case cases[] = {
    ADDS("days", "14", "days", "2024-02-20T10:00:00Z", "2024-03-05T10:00:00.000Z"),
    ADDS("no days", "0", "days", "2024-02-20", "2024-02-20T00:00:00.000Z"),
    ADDS("a month from a long one", "1", "months", "2024-01-31", "2024-02-29T00:00:00.000Z"),
    ADDS("a month from a long one, no leap year", "1", "months", "2023-01-31",
         "2023-02-28T00:00:00.000Z"),
    ADDS("months over a year", "11", "months", "2024-03-31T05:06:07Z", "2025-02-28T05:06:07.000Z"),
    ADDS("a year from a leap day", "1", "years", "2024-02-29", "2025-02-28T00:00:00.000Z"),
    ADDS("quarters back", "-1", "quarters", "2024-01-15", "2023-10-15T00:00:00.000Z"),
    ADDS("weeks", "2", "weeks", "2023-12-25", "2024-01-08T00:00:00.000Z"),
    ADDS("hours", "36", "hours", "2024-02-28T18:00:00Z", "2024-03-01T06:00:00.000Z"),
    ADDS("milliseconds", "-1", "milliseconds", "1970-01-01", "1969-12-31T23:59:59.999Z"),
    { "less",
      MOVE("subtractFromDate", "1", "months", ""),
      { D("\"2024-03-31\"") },
      { "[{\"newDate\":\"2024-02-29T00:00:00.000Z\"}]" } },
    { "from a number",
      MOVE("addToDate", "1", "seconds", ""),
      { D("1700000000123.9") },
      { "[{\"newDate\":\"2023-11-14T22:13:21.123Z\"}]" } },
    { "in a zone",
      MOVE("addToDate", "1", "months", ZONE("+02:00")),
      { D("\"2024-01-30T23:00:00Z\"") },
      { "[{\"newDate\":\"2024-02-29T01:00:00.000+02:00\"}]" } },
    { "with the others, elsewhere",
      MOVE("addToDate", "1", "days",
           ",\"outputFieldName\":\"due\",\"options\":{\"includeInputFields\":true}"),
      { D("\"2024-01-01\"") },
      { "[{\"d\":\"2024-01-01\",\"due\":\"2024-01-02T00:00:00.000Z\"}]" } },
    { "no date",
      MOVE("addToDate", "1", "days", ""),
      { D("\"soon\"") },
      .fails = "\"soon\" is no date",
      .code = "no_date" },
    { "no date at all",
      MOVE("addToDate", "1", "days", ""),
      { "[{\"d\":null},{\"d\":[]},{\"d\":1e300}]" },
      .fails = "is no date",
      .code = "no_date" },
    { "too far",
      MOVE("addToDate", "9000000", "years", ""),
      { D("\"2024-01-01\"") },
      .fails = "out of range",
      .code = "too_far" },
    { "much too far",
      MOVE("addToDate", "9223372036854775807", "weeks", ""),
      { D("\"2024-01-01\"") },
      .fails = "out of range",
      .code = "too_far" },
    { "less the least",
      MOVE("subtractFromDate", "-9223372036854775808", "weeks", ""),
      { D("\"2024-01-01\"") },
      .fails = "out of range",
      .code = "too_far" },
    { "no such zone", MOVE("addToDate", "1", "days", ZONE("Europe/Berlin")),
      .refused = "zones by name are known to expressions" },
    { "no such zone by expression",
      MOVE("addToDate", "1", "days", ZONE("={{ $json.z }}")),
      { "[{\"d\":\"2024-01-01\",\"z\":\"Mars\"}]" },
      .fails = "options.timezone 'Mars'",
      .code = "no_zone" },
    { "no date given", "{}", .refused = "magnitude" },
    WRITES("yyyy-MM-dd HH:mm:ss.SSS", "2024-03-05 07:08:09.012"),
    WRITES("yy/M/d h:m:s a", "24/3/5 7:8:9 AM"),
    WRITES("EEEE, d MMMM yyyy", "Tuesday, 5 March 2024"),
    WRITES("EEE dd MMM hh", "Tue 05 Mar 07"),
    WRITES("kkkk-'W'WW-E", "2024-W10-2"),
    WRITES("o q X x", "65 1 1709622489 1709622489012"),
    WRITES("Z ZZ ZZZ", "+0 +00:00 +0000"),
    WRITES("'it is' H 'oclock", "it is 7 oclock"),
    WRITES("", ""),
    { "a long format",
      FORMAT(
          "'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
          "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
          "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
          "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
          "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
          "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx'",
          ""),
      { D("\"2024-03-05\"") },
      .fails = "gives more than 511 bytes",
      .code = "too_long" },
    { "noon",
      FORMAT("h a", ""),
      { D("\"2024-03-05T12:00:00Z\"") },
      { "[{\"formattedDate\":\"12 PM\"}]" } },
    { "midnight",
      FORMAT("h a", ""),
      { D("\"2024-03-05T00:00:00Z\"") },
      { "[{\"formattedDate\":\"12 AM\"}]" } },
    { "format in a zone",
      FORMAT("yyyy-MM-dd HH:mm Z ZZ", ZONE("-03:30")),
      { D("\"2024-03-05T01:00:00Z\"") },
      { "[{\"formattedDate\":\"2024-03-04 21:30 -3:30 -03:30\"}]" } },
    { "a fixed format",
      "{\"operation\":\"formatDate\",\"date\":\"={{ $json.d }}\",\"format\":\"MMMM dd yyyy\"}",
      { D("\"2024-03-05\"") },
      { "[{\"formattedDate\":\"March 05 2024\"}]" } },
    { "the default format",
      "{\"operation\":\"formatDate\",\"date\":\"={{ $json.d }}\"}",
      { D("\"2024-03-05\"") },
      { "[{\"formattedDate\":\"03/05/2024\"}]" } },
    { "another format to read",
      "{\"operation\":\"formatDate\",\"date\":\"x\",\"options\":{\"fromFormat\":\"dd.MM\"}}",
      .refused = "fromFormat is not supported" },
    PART("year", "2024"),
    PART("quarter", "4"),
    PART("month", "12"),
    PART("week", "1"),
    PART("day", "30"),
    PART("hour", "7"),
    PART("minute", "8"),
    PART("second", "9"),
    { "now",
      "{\"operation\":\"getCurrentDate\"}",
      { "[{}]" },
      { "[{\"currentDate\":\"2023-11-14T22:13:20.000Z\"}]" } },
    { "today",
      "{\"operation\":\"getCurrentDate\",\"includeTime\":false" ZONE("+05:30") "}",
      { "[{}]" },
      { "[{\"currentDate\":\"2023-11-15T00:00:00.000+05:30\"}]" } },
    APART("days", "\"day\"", "2024-01-01", "2024-03-01", "{\"days\":60}"),
    APART("half a day", "\"day\"", "2024-01-01", "2024-01-02T12:00:00Z", "{\"days\":1.5}"),
    APART("backwards", "\"day\",\"hour\"", "2024-01-03T06:00:00Z", "2024-01-01",
          "{\"days\":-2,\"hours\":-6}"),
    APART("many units", "\"year\",\"month\",\"day\",\"hour\",\"minute\",\"second\",\"millisecond\"",
          "2020-01-31T00:00:00Z", "2024-03-01T01:02:03.004Z",
          "{\"years\":4,\"months\":1,\"days\":1,\"hours\":1,\"minutes\":2,\"seconds\":3,"
          "\"milliseconds\":4}"),
    APART("half a month", "\"month\"", "2024-04-01", "2024-05-16T12:00:00Z", "{\"months\":1.5}"),
    APART("weeks and quarters", "\"quarter\",\"week\"", "2024-01-01", "2024-04-15",
          "{\"quarters\":1,\"weeks\":2}"),
    APART("nothing", "\"hour\"", "2024-01-01", "2024-01-01", "{\"hours\":0}"),
    { "days are the default",
      BETWEEN("", ""),
      { "[{\"a\":\"2024-01-01\",\"b\":\"2024-01-03\"}]" },
      { "[{\"timeDifference\":{\"days\":2}}]" } },
    { "as ISO",
      BETWEEN("\"month\",\"day\",\"hour\",\"second\"", ",\"options\":{\"isoString\":true}"),
      { "[{\"a\":\"2024-01-01\",\"b\":\"2024-02-03T04:05:06.5Z\"},{\"a\":\"2024-01-01\",\"b\":"
        "\"2024-01-01\"}]" },
      { "[{\"timeDifference\":\"P1M2DT4H306.5S\"},{\"timeDifference\":\"PT0S\"}]" } },
    { "no second date",
      BETWEEN("", ""),
      { "[{\"a\":\"2024-01-01\",\"b\":\"\"}]" },
      .fails = "is no date",
      .code = "no_date" },
    DOWN("year", "2024-01-01T00:00:00.000Z"),
    DOWN("quarter", "2024-07-01T00:00:00.000Z"),
    DOWN("month", "2024-08-01T00:00:00.000Z"),
    DOWN("week", "2024-08-12T00:00:00.000Z"),
    DOWN("day", "2024-08-15T00:00:00.000Z"),
    DOWN("hour", "2024-08-15T13:00:00.000Z"),
    DOWN("minute", "2024-08-15T13:14:00.000Z"),
    DOWN("second", "2024-08-15T13:14:15.000Z"),
    { "up to the month",
      ROUND("\"mode\":\"roundUp\""),
      { D("\"2024-02-10\"") },
      { "[{\"roundedDate\":\"2024-02-29T23:59:59.999Z\"}]" } },
    { "down before 1970",
      ROUND("\"toNearest\":\"hour\""),
      { D("-1") },
      { "[{\"roundedDate\":\"1969-12-31T23:00:00.000Z\"}]" } },
};

/* Known weeks around New Year. */
static void counts_weeks(void **state)
{
    static const struct {
        const char *date;
        int weekday, week, year;
    } days[] = { { "2020-12-31", 4, 53, 2020 }, { "2021-01-01", 5, 53, 2020 },
                 { "2021-01-03", 7, 53, 2020 }, { "2021-01-04", 1, 1, 2021 },
                 { "2024-12-29", 7, 52, 2024 }, { "2024-12-30", 1, 1, 2025 },
                 { "1969-12-29", 1, 1, 1970 },  { "2000-02-29", 2, 9, 2000 } };
    (void)state;
    for (size_t i = 0; i < sizeof days / sizeof *days; i++) {
        int64_t ms, year;
        assert_int_equal(wf_date_parse(days[i].date, strlen(days[i].date), &ms), 0);
        assert_int_equal(calendar_weekday(ms, 0), days[i].weekday);
        assert_int_equal(calendar_week(ms, 0, &year), days[i].week);
        assert_int_equal(year, days[i].year);
    }
}

static void cuts_long_formats(void **state)
{
    char text[8];
    (void)state;
    assert_int_equal(calendar_format(0, 0, "yyyy-MM-dd", 10, text, sizeof text), 10);
    assert_string_equal(text, "1970-01");
    assert_int_equal(calendar_format(0, 0, "yyyy", 4, NULL, 0), 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(counts_weeks),
                                        cmocka_unit_test(cuts_long_formats) };
    return FAKE_CASES_RUN(&wf_plugin_entry, "catalyst.dateTime", cases) +
           cmocka_run_group_tests(tests, NULL, NULL);
}
