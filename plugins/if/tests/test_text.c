/* SPDX-License-Identifier: Apache-2.0
 * catalyst/text.h and catalyst/date.h: letter case, numbers, dates.
 */
#include <catalyst/date.h>
#include <catalyst/text.h>
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static void knows_case(void **state)
{
    static const struct {
        uint32_t upper, lower;
    } pairs[] = { { 'A', 'a' },     { 'Z', 'z' },      { 0xc4, 0xe4 },   { 0x178, 0xff },
                  { 0x141, 0x142 }, { 0x160, 0x161 },  { 0x17d, 0x17e }, { 0x391, 0x3b1 },
                  { 0x386, 0x3ac }, { 0x389, 0x3ae },  { 0x38c, 0x3cc }, { 0x38f, 0x3ce },
                  { 0x410, 0x430 }, { 0x401, 0x451 },  { 0x490, 0x491 }, { 0x4c1, 0x4c2 },
                  { 0x531, 0x561 }, { 0x1e62, 0x1e63 } };
    static const uint32_t alone[] = { '@',  '[',  '`',   '{',   '1',    0xd7,
                                      0xf7, 0xdf, 0x130, 0x5d0, 0x4e2d, 0x1f600 };
    (void)state;
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        assert_int_equal(wf_text_lower(pairs[i].upper), pairs[i].lower);
        assert_int_equal(wf_text_lower(pairs[i].lower), pairs[i].lower);
        assert_int_equal(wf_text_upper(pairs[i].lower), pairs[i].upper);
        assert_int_equal(wf_text_upper(pairs[i].upper), pairs[i].upper);
    }
    for (size_t i = 0; i < sizeof alone / sizeof *alone; i++) {
        assert_int_equal(wf_text_lower(alone[i]), alone[i]);
        assert_int_equal(wf_text_upper(alone[i]), alone[i]);
    }
}

static void walks_bytes(void **state)
{
    static const char text[] = "a\303\244\342\202\254\360\237\230\200\377\303";
    static const uint32_t wanted[] = { 'a', 0xe4, 0x20ac, 0x1f600, 0xff, 0xc3 };
    const char *p = text, *end = text + sizeof text - 1;
    char out[4];
    (void)state;
    for (size_t i = 0; i < 6; i++) {
        const char *from = p;
        assert_int_equal(wf_text_next(&p, end), wanted[i]);
        if (i < 4) {
            assert_int_equal(wf_text_put(wanted[i], out), p - from);
            assert_memory_equal(out, from, (size_t)(p - from));
        }
    }
    assert_ptr_equal(p, end);
}

static void reads_numbers(void **state)
{
    static const struct {
        const char *text;
        double number;
    } good[] = { { "", 0 },    { "  ", 0 },    { "12", 12 }, { " -1.5e3\n", -1500 },
                 { ".5", .5 }, { "0x1f", 31 }, { "007", 7 } };
    static const char *const bad[] = { "1 2",     "abc",   "inf", "nan", "1e999", "-0x1",
                                       "0x1.8p1", "1_000", "1,5", "+-1", "e5" };
    double d;
    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        assert_int_equal(wf_text_number(good[i].text, strlen(good[i].text), &d), 0);
        assert_true(d == good[i].number);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (wf_text_number(bad[i], strlen(bad[i]), &d) == 0)
            fail_msg("'%s' was read as %g", bad[i], d);
}

static void reads_dates(void **state)
{
    static const struct {
        const char *text, *date;
    } cases[] = {
        { "2024-01-31", "2024-01-31T00:00:00.000Z" },
        { "2024", "2024-01-01T00:00:00.000Z" },
        { "2024-02", "2024-02-01T00:00:00.000Z" },
        { "20240131", "2024-01-31T00:00:00.000Z" },
        { "2024/03/01", "2024-03-01T00:00:00.000Z" },
        { " 2024-01-31 12:30 ", "2024-01-31T12:30:00.000Z" },
        { "2024-01-31T12:30:15.123456+02:00", "2024-01-31T10:30:15.123Z" },
        { "2024-01-31T12:30:15,5Z", "2024-01-31T12:30:15.500Z" },
        { "2024-01-31 12:30:15 -0530", "2024-01-31T18:00:15.000Z" },
        { "20240131T123015Z", "2024-01-31T12:30:15.000Z" },
        { "2024-01-31T24:00:00Z", "2024-02-01T00:00:00.000Z" },
        { "2024-02-29", "2024-02-29T00:00:00.000Z" },
        { "1969-12-31T23:59:59.999Z", "1969-12-31T23:59:59.999Z" },
        { "0001-01-01", "0001-01-01T00:00:00.000Z" },
        { "Tue, 15 Nov 1994 08:12:31 GMT", "1994-11-15T08:12:31.000Z" },
        { "15 nov 1994 08:12 +0100", "1994-11-15T07:12:00.000Z" },
        { "15 Nov 1994", "1994-11-15T00:00:00.000Z" },
        { "2023-02-29", NULL },
        { "2024-13-01", NULL },
        { "2024-00-01", NULL },
        { "2024-01-31T", NULL },
        { "2024-01-31T25:00", NULL },
        { "2024-01-31T12:60", NULL },
        { "2024-01-31T12:30:15+99:00", NULL },
        { "2024-01-31T12:30:15 later", NULL },
        { "2024-01/31", NULL },
        { "202401", NULL },
        { "15 Foo 1994", NULL },
        { "soon", NULL },
        { "", NULL },
        { "  ", NULL },
    };
    char text[WF_DATE_TEXT_SIZE];
    int64_t ms;
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int read = wf_date_parse(cases[i].text, strlen(cases[i].text), &ms) == 0;
        if (read != (cases[i].date != NULL))
            fail_msg("'%s' was %s", cases[i].text, read ? "read" : "refused");
        if (!read)
            continue;
        wf_date_text(ms, 0, text);
        assert_string_equal(text, cases[i].date);
    }
}

static void writes_dates(void **state)
{
    char text[WF_DATE_TEXT_SIZE];
    (void)state;
    assert_int_equal(wf_date_text(0, 90, text), 29);
    assert_string_equal(text, "1970-01-01T01:30:00.000+01:30");
    wf_date_text(-1, -330, text);
    assert_string_equal(text, "1969-12-31T18:29:59.999-05:30");
    wf_date_text(8640000000000000, 0, text);
    assert_string_equal(text, "+275760-09-13T00:00:00.000Z");
    wf_date_text(-8640000000000000, 0, text);
    assert_string_equal(text, "-271821-04-20T00:00:00.000Z");
    for (int64_t day = -1000000; day < 3000000; day += 7) {
        wf_date d = wf_date_of_ms(day * 86400000 + 1);
        assert_int_equal(wf_date_days(d.year, d.month, d.day), day);
        assert_int_equal(wf_date_ms(&d), day * 86400000 + 1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(knows_case), cmocka_unit_test(walks_bytes),
                                        cmocka_unit_test(reads_numbers),
                                        cmocka_unit_test(reads_dates),
                                        cmocka_unit_test(writes_dates) };
    return cmocka_run_group_tests_name("text", tests, NULL, NULL);
}
