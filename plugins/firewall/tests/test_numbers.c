/* SPDX-License-Identifier: Apache-2.0
 * Sets of numbers against a plain list: what is in, what is not, expiry, changes, files that are
 * broken.
 */
#include "../hash.c"
#include "../numbers.c"
#include "../numbers_delta.c"
#include "../numbers_file.c"
#include "../numbers_text.c"
#include <setjmp.h>
#include <stdarg.h>
#include <unistd.h>
#include <cmocka.h>

static int one(const struct numbers *s, const struct numbers_delta *d, uint64_t number,
               uint32_t now)
{
    uint8_t hit = 9;
    numbers_look(s, d, now, &number, 1, &hit);
    return hit;
}

static void numbers_are_parsed(void **state)
{
    static const struct {
        const char *text;
        uint64_t number;
    } cases[] = { { "491511234567", 491511234567 },
                  { "+491511234567", 491511234567 },
                  { "00491511234567", 491511234567 },
                  { "+49 (151) 123-45.67", 491511234567 },
                  { "123456789012345", 123456789012345 },
                  { "1234567890123456", 0 },
                  { "015112345678", 0 }, /* of which country? */
                  { "+015112345678", 0 },
                  { "ACME", 0 },
                  { "49151x", 0 },
                  { "12", 0 },
                  { "", 0 },
                  { "+", 0 },
                  { "-491", 0 },
                  { "999", 999 } };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_int_equal(number_parse(cases[i].text, strlen(cases[i].text)), cases[i].number);
}

static void the_bijection_goes_back(void **state)
{
    (void)state;
    for (uint64_t i = 1, x = 1; i < 100000; i++, x = hash_mix(x + i)) {
        uint64_t n = x & MASK_50;
        assert_int_equal(gather(spread(n)), n);
        assert_true(spread(n) <= MASK_50);
    }
}

/* Dense and sparse numbers; every third is in. */
static void what_is_in_is_found(void **state)
{
    enum { N = 300000 };
    struct numbers_builder *b = numbers_builder_create();
    (void)state;
    for (uint64_t i = 1; i <= N; i++) {
        numbers_builder_add(b, UINT64_C(491500000000) + i * 3, NUMBERS_NEVER);
        numbers_builder_add(b, (hash_mix(i) % UINT64_C(900000000000000)) / 7 * 7 + 7,
                            NUMBERS_NEVER);
    }
    numbers_builder_add(b, 491500000003, NUMBERS_NEVER); /* twice */
    struct numbers *s = numbers_builder_finish(b);
    assert_true(numbers_count(s) <= 2 * N && numbers_count(s) > 2 * N - 1000);
    uint64_t *ask = malloc(4 * N * sizeof *ask);
    uint8_t *hits = malloc(4 * N);
    for (uint64_t i = 1; i <= N; i++) {
        uint64_t far = (hash_mix(i) % UINT64_C(900000000000000)) / 7 * 7 + 7;
        ask[4 * i - 4] = UINT64_C(491500000000) + i * 3;
        ask[4 * i - 3] = UINT64_C(491500000000) + i * 3 + 1;
        ask[4 * i - 2] = far;
        ask[4 * i - 1] = far + 3;
    }
    for (size_t i = 0; i < 4 * N; i += 1000)
        numbers_look(s, NULL, 1, ask + i, 4 * N - i < 1000 ? 4 * N - i : 1000, hits + i);
    for (size_t i = 0; i < 4 * N; i++)
        assert_int_equal(hits[i], i % 2 == 0);
    assert_int_equal(one(s, NULL, 0, 1), 0);
    free(ask);
    free(hits);
    numbers_unref(s);
}

static void expiry_and_doubles(void **state)
{
    struct numbers_builder *b = numbers_builder_create();
    (void)state;
    numbers_builder_add(b, 491, 100);
    numbers_builder_add(b, 492, NUMBERS_NEVER);
    numbers_builder_add(b, 493, 50);
    numbers_builder_add(b, 493, 200); /* the last one counts */
    struct numbers *s = numbers_builder_finish(b);
    assert_int_equal(numbers_count(s), 3);
    assert_int_equal(one(s, NULL, 491, 99), 1);
    assert_int_equal(one(s, NULL, 491, 100), 0);
    assert_int_equal(one(s, NULL, 492, 4000000000u), 1);
    assert_int_equal(one(s, NULL, 493, 150), 1);
    numbers_unref(s);
}

static void changes_lie_on_top(void **state)
{
    struct numbers_builder *b = numbers_builder_create();
    (void)state;
    for (uint64_t i = 1000; i < 2000; i++)
        numbers_builder_add(b, i, NUMBERS_NEVER);
    struct numbers *s = numbers_builder_finish(b);
    struct numbers_change first[] = { { 1500, 0, 1 }, { 5000, 0, 0 }, { 5001, 100, 0 } };
    struct numbers_change second[] = { { 1500, 0, 0 }, { 5000, 0, 1 }, { 1501, 0, 1 } };
    struct numbers_delta *d1 = numbers_delta_with(NULL, first, 3),
                         *d2 = numbers_delta_with(d1, second, 3);
    assert_int_equal(one(s, d1, 1500, 1), 0);
    assert_int_equal(one(s, d1, 5000, 1), 1);
    assert_int_equal(one(s, d1, 5001, 99), 1);
    assert_int_equal(one(s, d1, 5001, 100), 0);
    assert_int_equal(one(s, d2, 1500, 1), 1);
    assert_int_equal(one(s, d2, 5000, 1), 0);
    assert_int_equal(one(NULL, d2, 1500, 1), 1);
    assert_int_equal(one(NULL, NULL, 1500, 1), 0);
    struct numbers *merged = numbers_merge(s, d2, 100);
    assert_int_equal(numbers_count(merged), 999);
    assert_int_equal(one(merged, NULL, 1500, 100), 1);
    assert_int_equal(one(merged, NULL, 1501, 100), 0);
    assert_int_equal(one(merged, NULL, 5001, 100), 0);
    for (uint64_t i = 1000; i < 2000; i++)
        assert_int_equal(one(merged, NULL, i, 100), i != 1501);
    numbers_delta_unref(d1);
    numbers_delta_unref(d2);
    numbers_unref(s);
    numbers_unref(merged);
}

static void many_changes_grow(void **state)
{
    struct numbers_delta *d = NULL;
    (void)state;
    for (uint64_t i = 1; i <= 5000; i++) {
        struct numbers_change c = { i * 1000, 0, i % 2 == 0 };
        struct numbers_delta *next = numbers_delta_with(d, &c, 1);
        numbers_delta_unref(d);
        d = next;
    }
    assert_int_equal(numbers_delta_count(d), 5000);
    for (uint64_t i = 1; i <= 5000; i++)
        assert_int_equal(one(NULL, d, i * 1000, 1), i % 2);
    numbers_delta_unref(d);
}

static void damage(const char *file, long at, uint32_t value)
{
    FILE *f = fopen(file, "r+b");
    fseek(f, at, SEEK_SET);
    assert_int_equal(fwrite(&value, sizeof value, 1, f), 1);
    fclose(f);
}

static void files_come_back(void **state)
{
    char file[] = "/tmp/firewall-numbers-XXXXXX", why[300] = "";
    int fd = mkstemp(file);
    struct numbers_builder *b = numbers_builder_create();
    (void)state;
    close(fd);
    for (uint64_t i = 1; i <= 5000; i++)
        numbers_builder_add(b, 4915000000 + i * 17, i % 2 ? NUMBERS_NEVER : 100);
    struct numbers *s = numbers_builder_finish(b);
    assert_false(numbers_is_map(file));
    assert_int_equal(numbers_save(s, file, why, sizeof why), 0);
    assert_true(numbers_is_map(file));
    struct numbers *m = numbers_map(file, why, sizeof why);
    assert_non_null(m);
    assert_int_equal(numbers_count(m), 5000);
    for (uint64_t i = 1; i <= 5000; i++)
        assert_int_equal(one(m, NULL, 4915000000 + i * 17, 100), i % 2);
    numbers_unref(m);
    long header = (long)sizeof(struct map_header);
    damage(file, header + 4 * 1000, 999999); /* an index that leads outside */
    assert_null(numbers_map(file, why, sizeof why));
    assert_non_null(strstr(why, "in order"));
    assert_int_equal(numbers_save(s, file, why, sizeof why), 0);
    assert_int_equal(truncate(file, header + 100), 0);
    assert_null(numbers_map(file, why, sizeof why));
    assert_non_null(strstr(why, "cut off"));
    assert_int_equal(truncate(file, 0), 0);
    assert_null(numbers_map(file, why, sizeof why));
    assert_null(numbers_map("/nonexistent/list", why, sizeof why));
    assert_int_equal(numbers_save(s, "/nonexistent/list", why, sizeof why), -1);
    numbers_unref(s);
    unlink(file);
}

static void lines_are_read(void **state)
{
    static const struct {
        const char *text, *says;
        size_t n;
    } cases[] = {
        { "", NULL, 0 },
        { "491511234567", NULL, 1 },
        { "# none\n\n491511234567 \r\n+49 151 1234568,1700000000\n", NULL, 2 },
        { "491511234567\nACME\n", "line 2: 'ACME'", 0 },
        { "491511234567,99999999999\n", "line 1", 0 },
    };
    char file[] = "/tmp/firewall-lines-XXXXXX", why[300];
    const _Atomic int stopped = 1;
    int fd = mkstemp(file);
    (void)state;
    close(fd);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        FILE *f = fopen(file, "w");
        fputs(cases[i].text, f);
        fclose(f);
        struct numbers *s = numbers_load(file, NULL, why, sizeof why);
        assert_int_equal(!s, cases[i].says != NULL);
        if (cases[i].says)
            assert_non_null(strstr(why, cases[i].says));
        assert_int_equal(numbers_count(s), cases[i].n);
        numbers_unref(s);
    }
    FILE *f = fopen(file, "w");
    for (int i = 0; i < 70000; i++)
        fprintf(f, "4915%07d\n", i);
    fclose(f);
    assert_null(numbers_load(file, &stopped, why, sizeof why)); /* given up */
    struct numbers *s = numbers_load(file, NULL, why, sizeof why);
    assert_int_equal(numbers_count(s), 70000);
    assert_int_equal(numbers_save(s, file, why, sizeof why), 0);
    numbers_unref(s);
    s = numbers_load(file, NULL, why, sizeof why);
    assert_int_equal(numbers_count(s), 70000);
    numbers_unref(s);
    unlink(file);
    assert_null(numbers_load(file, NULL, why, sizeof why));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_are_parsed),  cmocka_unit_test(the_bijection_goes_back),
        cmocka_unit_test(what_is_in_is_found), cmocka_unit_test(expiry_and_doubles),
        cmocka_unit_test(changes_lie_on_top),  cmocka_unit_test(many_changes_grow),
        cmocka_unit_test(files_come_back),     cmocka_unit_test(lines_are_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
