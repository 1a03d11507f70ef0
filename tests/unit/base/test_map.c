/* SPDX-License-Identifier: Apache-2.0
 * The map: against a plain array that says what must be in it.
 */
#include "base/map.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

static void test_basics(void **state)
{
    (void)state;
    struct map m;
    int one, two, empty;
    map_init(&m);
    assert_null(map_get(&m, "a", 1));
    assert_null(map_take(&m, "a", 1));
    assert_null(map_put(&m, "a", 1, &one));
    assert_null(map_put(&m, "", 0, &empty));
    assert_null(map_put(&m, "a\0", 2, &two));
    assert_ptr_equal(map_get(&m, "a", 1), &one);
    assert_ptr_equal(map_get(&m, "", 0), &empty);
    assert_ptr_equal(map_get(&m, NULL, 0), &empty);
    assert_ptr_equal(map_get(&m, "a\0", 2), &two);
    assert_null(map_get(&m, "b", 1));
    assert_ptr_equal(map_put(&m, "a", 1, &two), &one);
    assert_ptr_equal(map_get(&m, "a", 1), &two);
    assert_int_equal(m.used, 3);
    assert_ptr_equal(map_take(&m, "a", 1), &two);
    assert_null(map_get(&m, "a", 1));
    assert_ptr_equal(map_get(&m, "a\0", 2), &two);
    assert_int_equal(m.used, 2);
    map_fini(&m);
    assert_null(map_get(&m, "", 0));
}

static void test_copied_keys(void **state)
{
    (void)state;
    struct map m;
    int value;
    char key[] = "name";
    map_init(&m);
    map_put_copy(&m, key, 4, &value);
    map_put_copy(&m, "other", 5, &value);
    memset(key, 'x', 4);
    assert_ptr_equal(map_get(&m, "name", 4), &value);
    assert_null(map_get(&m, "xxxx", 4));
    assert_ptr_equal(map_put_copy(&m, "name", 4, key), &value);
    assert_ptr_equal(map_take(&m, "name", 4), key);
    map_fini(&m); /* a leak would be seen by the sanitizer */
}

/* Long runs of puts and takes, checked against the array after each thousand. */
static void test_against_array(void **state)
{
    (void)state;
    enum { KEYS = 3000 };
    static char keys[KEYS][32];
    static int *in[KEYS];
    static int values[KEYS];
    struct map m;
    size_t used = 0;
    unsigned seed = 1;
    map_init(&m);
    for (int i = 0; i < KEYS; i++)
        snprintf(keys[i], sizeof keys[i], "%s%d", i % 3 ? "" : "a.longer.key.", i);
    for (int round = 1; round <= 30000; round++) {
        seed = seed * 1664525 + 1013904223;
        int i = (int)(seed >> 8) % KEYS;
        if (seed >> 31) {
            assert_ptr_equal(map_put(&m, keys[i], strlen(keys[i]), &values[i]), in[i]);
            used += !in[i];
            in[i] = &values[i];
        } else {
            assert_ptr_equal(map_take(&m, keys[i], strlen(keys[i])), in[i]);
            used -= !!in[i];
            in[i] = NULL;
        }
        assert_int_equal(m.used, used);
        for (int k = 0; round % 1000 == 0 && k < KEYS; k++)
            assert_ptr_equal(map_get(&m, keys[k], strlen(keys[k])), in[k]);
    }
    map_fini(&m);
}

static void test_each(void **state)
{
    (void)state;
    struct map m;
    struct map_slot *slot;
    char names[100][16];
    int seen[100] = { 0 };
    size_t at = 0;
    map_init(&m);
    assert_false(map_each(&m, &at, &slot));
    for (int i = 0; i < 100; i++) {
        snprintf(names[i], sizeof names[i], "n%d", i);
        map_put(&m, names[i], strlen(names[i]), &seen[i]);
    }
    for (at = 0; map_each(&m, &at, &slot);) {
        assert_ptr_equal(names[(int *)slot->value - seen], slot->key);
        ++*(int *)slot->value;
    }
    for (int i = 0; i < 100; i++)
        assert_int_equal(seen[i], 1);
    map_fini(&m);
}

static void test_hash(void **state)
{
    (void)state;
    char zeros[64] = { 0 };
    for (size_t i = 0; i < sizeof zeros; i++) {
        assert_true(map_hash(zeros, i) != 0);
        for (size_t j = 0; j < i; j++) /* the length counts */
            assert_true(map_hash(zeros, i) != map_hash(zeros, j));
    }
    assert_true(map_hash("abc", 3) == map_hash("abcd", 3));
    assert_true(map_hash("abcdefgh1", 9) != map_hash("abcdefgh2", 9));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_basics),        cmocka_unit_test(test_copied_keys),
        cmocka_unit_test(test_against_array), cmocka_unit_test(test_each),
        cmocka_unit_test(test_hash),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
