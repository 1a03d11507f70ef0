/* SPDX-License-Identifier: Apache-2.0
 * Units, numbers, rounding, currencies, months of time zones, prefixes and bands: each against a
 * slow way of saying the same. The seed of random cases is printed; CATALYST_TEST_SEED gives it
 * again.
 */
#include "whole.h"
#include <time.h>

static uint64_t seed;

static uint64_t throw_dice(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    return seed ^= seed << 17;
}

static int64_t segments(const char *one, int n)
{
    char text[8000] = "";
    size_t len = 0;
    for (int i = 0; i < n; i++) {
        memcpy(text + len, one, strlen(one));
        len += strlen(one);
    }
    return units_of_sms(text, len);
}

static void texts_have_segments(void **state)
{
    (void)state;
    static const struct {
        const char *one;
        int n;
        int64_t wanted;
    } cases[] = {
        { "a", 0, 1 },
        { "a", 160, 1 },
        { "a", 161, 2 },
        { "a", 306, 2 },
        { "a", 307, 3 },
        { "{", 80, 1 },
        { "{", 81, 2 },
        { "{", 152, 2 },
        { "{", 153, 3 },
        { "\xe2\x82\xac", 80, 1 },
        { "\xc3\xa4", 160, 1 },
        { "`", 70, 1 },
        { "`", 71, 2 },
        { "`", 134, 2 },
        { "`", 135, 3 },
        { "\xd0\x96", 70, 1 },
        { "\xd0\x96", 71, 2 },
        { "\xf0\x9f\x98\x80", 35, 1 },
        { "\xf0\x9f\x98\x80", 36, 2 },
        { "\xf0\x9f\x98\x80", 66, 2 },
        { "\xf0\x9f\x98\x80", 67, 3 },
        { "\xc3\xa7", 71, 2 },
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        if (segments(cases[i].one, cases[i].n) != cases[i].wanted)
            fail_msg("%d of '%s': %d", cases[i].n, cases[i].one,
                     (int)segments(cases[i].one, cases[i].n));
}

static void numbers_are_digits(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        { "+4917612345", "4917612345" },
        { "004917612345", "4917612345" },
        { "49 (176) 12-3.45", "4917612345" },
        { "", "" },
        { "+", "" },
        { "+12", "" },
        { "017612345", "" },
        { "+1234567890123456", "" },
        { "+49x17", "" },
        { "Catalyst", "" },
        { "+123456789012345", "123456789012345" },
    };
    char digits[16];
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        size_t n = number_digits(cases[i][0], strlen(cases[i][0]), digits);
        assert_int_equal(n, strlen(cases[i][1]));
        if (n)
            assert_string_equal(digits, cases[i][1]);
    }
}

static void money_is_rounded_half_to_even(void **state)
{
    (void)state;
    static const int64_t cases[][3] = { { 5000, 10000, 0 },
                                        { 15000, 10000, 2 },
                                        { 25000, 10000, 2 },
                                        { 25001, 10000, 3 },
                                        { -5000, 10000, 0 },
                                        { -15000, 10000, -2 },
                                        { -25001, 10000, -3 },
                                        { 499999, 1000000, 0 },
                                        { 500, 1000, 0 },
                                        { 1500, 1000, 2 },
                                        { 7, 1, 7 } };
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        assert_int_equal(money_round(cases[i][0], cases[i][1]), cases[i][2]);
    assert_int_equal(currency_minor("EUR", 3), 10000);
    assert_int_equal(currency_minor("JPY", 3), 1000000);
    assert_int_equal(currency_minor("KWD", 3), 1000);
    assert_int_equal(currency_places("CLF", 3), 4);
    assert_int_equal(currency_places("XXY", 3), -1);
    assert_int_equal(currency_places("EURO", 4), -1);
    assert_int_equal(currency_places("UR ", 3), -1);
}

/* Hour by hour with the C library, which knows one zone at a time. */
static void months_begin_with_the_zone(void **state)
{
    (void)state;
    static const char *const names[] = { "Europe/Berlin",       "America/New_York",  "Asia/Kolkata",
                                         "Australia/Lord_Howe", "America/Sao_Paulo", "UTC" };
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        struct money_zone *z = zone_read(names[i]);
        if (!z) {
            print_message("no time zones here: skipped\n");
            return;
        }
        setenv("TZ", names[i], 1);
        tzset();
        for (int k = 0; k < 4000; k++) {
            time_t at = (time_t)(throw_dice() % 4000000000);
            struct tm tm;
            localtime_r(&at, &tm);
            assert_int_equal(zone_east(z, at), tm.tm_gmtoff);
            struct money_month m = month_of(z, (int64_t)at * 1000000 + 999999);
            assert_int_equal(m.number, (tm.tm_year + 1900) * 100 + tm.tm_mon + 1);
            assert_true(m.from_us <= (int64_t)at * 1000000 && (int64_t)at * 1000000 < m.to_us);
            struct tm first = {
                .tm_year = tm.tm_year, .tm_mon = tm.tm_mon, .tm_mday = 1, .tm_isdst = -1
            };
            time_t begins = mktime(&first);
            if (first.tm_mday == 1 && !first.tm_hour && !first.tm_min) /* that hour was there */
                assert_int_equal(m.from_us, (int64_t)begins * 1000000);
        }
        zone_free(z);
    }
    assert_null(zone_read("Europe/Nowhere"));
    assert_null(zone_read("../../../etc/passwd"));
    assert_null(zone_read("/etc/passwd"));
    assert_null(zone_read(""));
    /* October 2025 in Berlin has an hour more than 31 days. */
    struct money_zone *z = zone_read("Europe/Berlin");
    struct money_month m = month_numbered(z, 202510);
    assert_int_equal(m.to_us - m.from_us, (31 * 24 + 1) * 3600000000);
    assert_int_equal(month_of(z, m.to_us).number, 202511);
    assert_int_equal(month_of(z, m.to_us - 1).number, 202510);
    zone_free(z);
}

enum { KEYS = 3000 };
static char key_text[KEYS][16];

static int by_text(const void *a, const void *b)
{
    return strcmp(((const struct trie_key *)a)->digits, ((const struct trie_key *)b)->digits);
}

static void prefixes_are_found_as_by_hand(void **state)
{
    (void)state;
    struct trie_key keys[KEYS];
    uint32_t n = 0;
    for (int i = 0; i < KEYS; i++) {
        size_t len = throw_dice() % 7;
        for (size_t k = 0; k < len; k++)
            key_text[i][k] = (char)('0' + throw_dice() % 4);
        key_text[i][len] = 0;
        keys[i] = (struct trie_key){ key_text[i], (uint32_t)len, i };
    }
    qsort(keys, KEYS, sizeof *keys, by_text);
    for (uint32_t i = 0; i < KEYS; i++)
        if (!i || strcmp(keys[i].digits, keys[n - 1].digits) != 0)
            keys[n++] = keys[i];
    struct trie t;
    trie_build(&t, keys, n);
    for (int i = 0; i < 20000; i++) {
        char number[16];
        size_t len = throw_dice() % 12;
        for (size_t k = 0; k < len; k++)
            number[k] = (char)('0' + throw_dice() % 5);
        int32_t best = -1;
        size_t best_len = 0;
        for (uint32_t k = 0; k < n; k++)
            if (keys[k].len <= len && !memcmp(keys[k].digits, number, keys[k].len) &&
                (best < 0 || keys[k].len > best_len)) {
                best = keys[k].value;
                best_len = keys[k].len;
            }
        assert_int_equal(trie_find(&t, number, len), best);
    }
    trie_free(&t);
    trie_build(&t, NULL, 0);
    assert_int_equal(trie_find(&t, "4917", 4), -1);
    trie_free(&t);
}

static struct rates *rates_of(const char *bands, int mode)
{
    struct rate_builder b = { 0 };
    struct rate_row row = { .card = "c",
                            .channel = "sms",
                            .direction = "mt",
                            .prefix = "49",
                            .currency = "EUR",
                            .version = 1,
                            .price_micro = 100,
                            .mode = (uint8_t)mode,
                            .bands = strdup(bands) };
    rate_builder_add(&b, &row);
    struct rates *r = rates_build(&b, 1);
    rate_builder_free(&b);
    return r;
}

static void bands_are_priced_unit_by_unit(void **state)
{
    (void)state;
    struct rates *r = rates_of("10:80,20:50", RATE_GRADUATED);
    static const int64_t cases[][4] = { { 0, 0, 10, 1000 }, { 0, 9, 2, 180 },
                                        { 0, 10, 1, 80 },   { 0, 5, 20, 500 + 800 + 250 },
                                        { 7, 0, 7, 0 },     { 7, 0, 8, 100 },
                                        { 7, 16, 2, 180 },  { 0, 25, 4, 200 } };
    int64_t amount, unit;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        assert_int_equal(
            rate_price(r, &r->rates[0], cases[i][0], cases[i][1], cases[i][2], &amount, &unit), 0);
        assert_int_equal(amount, cases[i][3]);
    }
    rates_drop(r);
    r = rates_of("10:80,20:50", RATE_ALL_UNITS);
    rate_price(r, &r->rates[0], 0, 9, 2, &amount, &unit);
    assert_int_equal(amount, 200);
    rate_price(r, &r->rates[0], 0, 20, 3, &amount, &unit);
    assert_int_equal(amount, 150);
    r->rates[0].price_micro = INT64_MAX / 2;
    assert_int_equal(rate_price(r, &r->rates[0], 0, 0, 9, &amount, &unit), -1);
    rates_drop(r);
    struct rate_band bands[4];
    assert_int_equal(rate_bands_parse("", bands, 4), 0);
    assert_int_equal(rate_bands_parse("5:1,9:0", bands, 4), 2);
    static const char *const wrong[] = { "5",
                                         "5:",
                                         ":5",
                                         "5:1,",
                                         "5:1,5:2",
                                         "0:1",
                                         "a:1",
                                         "5:1,4:1",
                                         "1:1,2:1,3:1,4:1,5:1",
                                         "99999999999999999999:1" };
    for (size_t i = 0; i < COUNT_OF(wrong); i++)
        assert_int_equal(rate_bands_parse(wrong[i], bands, 4), -1);
}

int main(void)
{
    const char *given = getenv("CATALYST_TEST_SEED");
    seed = given ? strtoull(given, NULL, 10) : (uint64_t)time(NULL) * 2654435761u | 1;
    print_message("seed %llu\n", (unsigned long long)seed);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts_have_segments),
        cmocka_unit_test(numbers_are_digits),
        cmocka_unit_test(money_is_rounded_half_to_even),
        cmocka_unit_test(months_begin_with_the_zone),
        cmocka_unit_test(prefixes_are_found_as_by_hand),
        cmocka_unit_test(bands_are_priced_unit_by_unit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
