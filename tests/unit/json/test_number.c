/* SPDX-License-Identifier: Apache-2.0
 * Numbers: which type a text becomes, what it is worth as an integer and as a double, what equals
 * what.
 */
#include "json_test.h"
#include <float.h>
#include <math.h>

static void test_types(void **state)
{
    static const struct {
        const char *text;
        enum json_type type;
        int64_t i;
    } cases[] = {
        { "0", JSON_INT, 0 },
        { "-0", JSON_INT, 0 },
        { "7", JSON_INT, 7 },
        { "-12345678901", JSON_INT, -12345678901 },
        { "999999999999999999", JSON_INT, 999999999999999999 },
        { "1000000000000000000", JSON_INT, 1000000000000000000 },
        { "9223372036854775807", JSON_INT, INT64_MAX },
        { "-9223372036854775807", JSON_INT, -INT64_MAX },
        { "-9223372036854775808", JSON_INT, INT64_MIN },
        { "9223372036854775808", JSON_NUMBER, 0 },
        { "-9223372036854775809", JSON_NUMBER, 0 },
        { "18446744073709551615", JSON_NUMBER, 0 },
        { "18446744073709551617", JSON_NUMBER, 0 },
        { "100000000000000000000", JSON_NUMBER, 0 },
        { "0.0", JSON_NUMBER, 0 },
        { "1e0", JSON_NUMBER, 0 },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct json *v = value(*state, cases[i].text);
        assert_int_equal(v->type, cases[i].type);
        if (v->type == JSON_INT)
            assert_true(v->i == cases[i].i);
        assert_string_equal(json_type_name(v), "number");
        assert_true(json_is_number(v));
    }
}

static void test_int(void **state)
{
    static const struct {
        const char *text;
        bool is;
        int64_t i;
    } cases[] = {
        { "5", true, 5 },
        { "1e5", true, 100000 },
        { "1E5", true, 100000 },
        { "-1E+2", true, -100 },
        { "1.0", true, 1 },
        { "1.50", false, 0 },
        { "15e-1", false, 0 },
        { "150e-1", true, 15 },
        { "1.5e1", true, 15 },
        { "0.00", true, 0 },
        { "-0.0", true, 0 },
        { "0e999", true, 0 },
        { "0.001e3", true, 1 },
        { "0.001e2", false, 0 },
        { "9007199254740993.0", true, 9007199254740993 },
        { "922337203685477580.7e1", true, INT64_MAX },
        { "9223372036854775807.0", true, INT64_MAX },
        { "9223372036854775808", false, 0 },
        { "-9223372036854775808.0", true, INT64_MIN },
        { "-9223372036854775809", false, 0 },
        { "9.3e18", false, 0 },
        { "9e18", true, 9000000000000000000 },
        { "1e19", false, 0 },
        { "1e400", false, 0 },
        { "1e-400", false, 0 },
        { "1e99999999999999999999", false, 0 },
        { "1e-99999999999999999999", false, 0 },
        { "1000000000000000000000000000000e-30", true, 1 },
        { "\"5\"", false, 0 },
        { "null", false, 0 },
        { "true", false, 0 },
        { "[5]", false, 0 },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int64_t got = 77;
        assert_int_equal(json_int(value(*state, cases[i].text), &got), cases[i].is);
        if (got != (cases[i].is ? cases[i].i : 77))
            fail_msg("%s: %lld", cases[i].text, (long long)got);
    }
    int64_t got;
    assert_false(json_int(NULL, &got));
    struct json d = { .type = JSON_DOUBLE, .d = 0x1p63 };
    assert_false(json_int(&d, &got));
    d.d = -0x1p63;
    assert_true(json_int(&d, &got) && got == INT64_MIN);
    d.d = 2.5;
    assert_false(json_int(&d, &got));
    d.d = 1e18;
    assert_true(json_int(&d, &got) && got == 1000000000000000000);
}

/* Every way to a double must agree with the C library's. */
static void test_double(void **state)
{
    static const char *const texts[] = {
        "0",
        "-0.0",
        "0.1",
        "-0.1",
        "0.3",
        "1.5",
        "1e5",
        "1E-5",
        "0.0075",
        "123.456",
        "1e22",
        "1e23",
        "1e-22",
        "1e-23",
        "9e22",
        "1e308",
        "1e309",
        "1e400",
        "-1e400",
        "5e-324",
        "1e-400",
        "2.2250738585072014e-308",
        "1.7976931348623157e308",
        "9007199254740993",
        "9007199254740992.5",
        "0.1e1",
        "10e-1",
        "123456789012345678",
        "0.000000000000000000000000000000000001",
        "100000000000000000000000",
        "3.141592653589793238462643383279",
        "7.2057594037927933e16",
        "1.00000000000000011102230246251565",
        "0.00000000000000000000000000000000000000000000000001e50",
        "4.35",
        "1e99999999999999999999",
        "999999999999999e22",
        "999999999999999e-22",
        "9007199254740991e22",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        double got = 0, expected = strtod(texts[i], NULL);
        assert_true(json_double(value(*state, texts[i]), &got));
        if (got != expected)
            fail_msg("%s: %.17g, expected %.17g", texts[i], got, expected);
    }
    double d;
    assert_false(json_double(value(*state, "\"1\""), &d));
    assert_false(json_double(NULL, &d));
    /* A text too long for any local buffer, with its last digit deciding. */
    char text[3000] = "0.5";
    memset(text + 3, '0', sizeof text - 4);
    text[sizeof text - 1] = 0;
    assert_true(json_double(value(*state, text), &d) && d == 0.5);
}

static void test_of_double(void **state)
{
    struct arena *a = *state;
    static const struct {
        double d;
        enum json_type type;
        const char *text;
    } cases[] = {
        { 0, JSON_INT, "0" },
        { -0.0, JSON_INT, "0" },
        { 5, JSON_INT, "5" },
        { -1e15, JSON_INT, "-1000000000000000" },
        { 9007199254740991, JSON_INT, "9007199254740991" },
        { -9007199254740991, JSON_INT, "-9007199254740991" },
        { 9007199254740992, JSON_DOUBLE, "9007199254740992" },
        { 0.1, JSON_DOUBLE, "0.1" },
        { 0.1 + 0.2, JSON_DOUBLE, "0.30000000000000004" },
        { 1.0 / 3, JSON_DOUBLE, "0.3333333333333333" },
        { 2.5, JSON_DOUBLE, "2.5" },
        { -2.25, JSON_DOUBLE, "-2.25" },
        { 0.0075, JSON_DOUBLE, "0.0075" },
        { 123456.789, JSON_DOUBLE, "123456.789" },
        { 1e-7, JSON_DOUBLE, "1e-7" },
        { 1e-6, JSON_DOUBLE, "0.000001" },
        { -1.25e-6, JSON_DOUBLE, "-0.00000125" },
        { 1.2345678901234567e-6, JSON_DOUBLE, "0.0000012345678901234567" },
        { 1.5e-10, JSON_DOUBLE, "1.5e-10" },
        { 1e20, JSON_DOUBLE, "100000000000000000000" },
        { 123456789012345680000.0, JSON_DOUBLE, "123456789012345680000" },
        { 1e21, JSON_DOUBLE, "1e+21" },
        { 1.7976931348623157e308, JSON_DOUBLE, "1.7976931348623157e+308" },
        { 5e-324, JSON_DOUBLE, "5e-324" },
        { -2.2250738585072014e-308, JSON_DOUBLE, "-2.2250738585072014e-308" },
        { (double)NAN, JSON_NULL, "null" },
        { (double)INFINITY, JSON_NULL, "null" },
        { (double)-INFINITY, JSON_NULL, "null" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct json v = json_of_double(cases[i].d);
        assert_int_equal(v.type, cases[i].type);
        assert_text(a, &v, cases[i].text);
    }
    struct json broken = { .type = JSON_DOUBLE, .d = (double)NAN };
    assert_text(a, &broken, "null");
}

/* Whether fewer digits than the text's read back as d too. */
static bool shorter(double d, const char *text)
{
    int digits = 0, zeros = 0;
    for (const char *p = text; *p && *p != 'e'; p++)
        if (*p >= '1' && *p <= '9') {
            digits += zeros + 1;
            zeros = 0;
        } else if (*p == '0' && digits) {
            zeros++;
        }
    char fewer[64];
    snprintf(fewer, sizeof fewer, "%.*e", digits > 1 ? digits - 2 : 0, d);
    return digits > 1 && strtod(fewer, NULL) == d;
}

/* What is written of a double reads back as the same double, and nothing shorter does. */
static void test_double_round_trip(void **state)
{
    struct arena *a = *state;
    uint64_t seed = 88172645463325252u;
    for (int i = 0; i < 100000; i++) {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        double d;
        memcpy(&d, &seed, sizeof d);
        if (i % 2) /* prices and the like */
            d = (double)(int64_t)(seed >> 40) / (i % 4 == 1 ? 100 : 10000);
        if (i % 16 == 2) /* what lies between the short ones */
            d = (double)(seed >> 12) / 1e12;
        if (!isfinite(d))
            continue;
        struct json v = { .type = JSON_DOUBLE, .d = d }, back;
        char text[64];
        assert_true(json_write_bound(&v) < sizeof text);
        size_t len = json_write(&v, text);
        text[len] = 0;
        double same;
        assert_int_equal(json_parse(a, text, len, 0, &back, NULL), 0);
        assert_true(json_double(&back, &same));
        if (same != d || shorter(d, text))
            fail_msg("%.17g written as %s", d, text);
    }
}

static void test_equal(void **state)
{
    struct arena *a = *state;
    static const struct {
        const char *a, *b;
        bool equal;
    } cases[] = {
        { "1", "1", true },
        { "1", "2", false },
        { "1", "1.0", true },
        { "1", "1e0", true },
        { "10", "1E1", true },
        { "0", "-0", true },
        { "0", "-0.0", true },
        { "0.0", "0e5", true },
        { "0.1", "0.10", true },
        { "0.1", "1e-1", true },
        { "0.1", "0.10000000000000000001", false },
        { "-0.1", "0.1", false },
        { "1e400", "1e400", true },
        { "1e400", "10e399", true },
        { "1e400", "1e401", false },
        { "1e400", "-1e400", false },
        { "1e-400", "0", false },
        { "9223372036854775808", "9223372036854775808.0", true },
        { "9223372036854775808", "9223372036854775809", false },
        { "9223372036854775807", "9223372036854775808", false },
        { "9007199254740992", "9007199254740993", false },
        { "9007199254740993", "9007199254740993.0", true },
        { "9007199254740992", "9007199254740993.0", false },
        { "12.345", "12345e-3", true },
        { "12.345", "1234.5e-2", true },
        { "100.001", "100.01", false },
        { "1e99999999999999999999", "1e99999999999999999999", true },
        { "1e99999999999999999999", "1e99999999999999999998", false },
        { "0e99999999999999999999", "0", true },
        { "0e99999999999999999999", "0e9", true },
        { "1", "\"1\"", false },
        { "1", "true", false },
        { "0", "null", false },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct json *x = value(a, cases[i].a), *y = value(a, cases[i].b);
        if (json_equal(x, y) != cases[i].equal || json_equal(y, x) != cases[i].equal)
            fail_msg("%s and %s", cases[i].a, cases[i].b);
    }
    /* A computed 0.1 is the text's 0.1; integers and doubles are compared without rounding. */
    struct json d = json_of_double(0.1), big = json_of_double(0x1p53);
    assert_true(json_equal(&d, value(a, "0.1")) && json_equal(value(a, "0.10"), &d));
    assert_true(json_equal(&d, &d));
    assert_false(json_equal(&d, value(a, "0.2")));
    assert_false(json_equal(&d, value(a, "0")));
    assert_true(json_equal(&big, value(a, "9007199254740992")));
    assert_false(json_equal(&big, value(a, "9007199254740993")));
    assert_false(json_equal(value(a, "9223372036854775807"),
                            &(struct json){ .type = JSON_DOUBLE, .d = 0x1p63 }));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_types),     TEST(test_int),   TEST(test_double),
        TEST(test_of_double), TEST(test_equal), TEST(test_double_round_trip),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
