/* SPDX-License-Identifier: Apache-2.0
 * Slices, names that are near each other, the growable buffer and its cap.
 */
#include "base/str.h"
#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

static void test_equality(void **state)
{
    (void)state;
    wf_str none = { NULL, 0 };
    assert_true(str_eq(STR("abc"), str_of("abc")));
    assert_false(str_eq(STR("abc"), STR("abd")));
    assert_false(str_eq(STR("abc"), STR("ab")));
    assert_true(str_eq(none, STR("")) && str_eq(STR(""), str_of(NULL)));
    assert_true(str_eq_nocase(STR("Content-Type"), STR("content-type")));
    assert_false(str_eq_nocase(STR("content-type"), STR("content_type")));
    assert_false(str_eq_nocase(STR("a"), STR("ab")));
    assert_true(str_eq_nocase(none, STR("")));
    assert_true(str_eq_secret(STR("secret"), STR("secret")));
    assert_false(str_eq_secret(STR("secret"), STR("secreT")));
    assert_false(str_eq_secret(STR("Secret"), STR("secret")));
    assert_false(str_eq_secret(STR("secret"), STR("secre")));
    assert_true(str_eq_secret(none, none));
}

static void test_distance(void **state)
{
    (void)state;
    static const struct {
        const char *a, *b;
        unsigned limit, distance;
    } cases[] = {
        { "", "", 3, 0 },
        { "abc", "abc", 3, 0 },
        { "abc", "", 3, 3 },
        { "", "ab", 3, 2 },
        { "abc", "abd", 3, 1 },
        { "abc", "ab", 3, 1 },
        { "abc", "xabc", 3, 1 },
        { "kafka", "kafak", 3, 1 },
        { "ab", "ba", 3, 1 },
        { "kitten", "sitting", 3, 3 },
        { "abcdef", "uvwxyz", 3, 4 },
        { "abcdef", "uvwxyz", 9, 6 },
        { "send", "snde", 3, 2 },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        unsigned d = str_distance(cases[i].a, cases[i].b, cases[i].limit);
        assert_int_equal(d, cases[i].distance);
        assert_int_equal(str_distance(cases[i].b, cases[i].a, cases[i].limit), d);
    }
    char longest[65], too_long[66];
    memset(longest, 'a', 64);
    memset(too_long, 'a', 65);
    longest[64] = too_long[65] = 0;
    assert_int_equal(str_distance(longest, longest, 5), 0);
    assert_int_equal(str_distance(too_long, too_long, 5), 6);
}

static void test_nearest(void **state)
{
    (void)state;
    static const char *const names[] = { "kafka.send", "kafka.trigger", "redis", "set", "if" };
    enum { N = sizeof names / sizeof *names };
    assert_string_equal(str_nearest("kafka.sned", names, N), "kafka.send");
    assert_string_equal(str_nearest("kafka_send", names, N), "kafka.send");
    assert_string_equal(str_nearest("kafkatrigger", names, N), "kafka.trigger");
    assert_string_equal(str_nearest("reddis", names, N), "redis");
    assert_string_equal(str_nearest("set", names, N), "set");
    assert_string_equal(str_nearest("iff", names, N), "if");
    assert_null(str_nearest("postgres", names, N));
    assert_null(str_nearest("x", names, 0));
    assert_null(str_nearest("telegram.send", names, N));
}

static void test_utf8_length(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t left, length;
    } cases[] = {
        { "a", 1, 1 },
        { "\0", 1, 1 },
        { "\x7f", 1, 1 },
        { "\xc2\x80", 2, 2 },
        { "\xc2\x80", 1, 0 },
        { "\xdf\xbfz", 3, 2 },
        { "\xe0\xa0\x80", 3, 3 },
        { "\xe0\x9f\xbf", 3, 0 },
        { "\xed\x9f\xbf", 3, 3 },
        { "\xed\xa0\x80", 3, 0 },
        { "\xef\xbf\xbf", 3, 3 },
        { "\xef\xbf\xbf", 2, 0 },
        { "\xf0\x90\x80\x80", 4, 4 },
        { "\xf0\x8f\xbf\xbf", 4, 0 },
        { "\xf4\x8f\xbf\xbf", 4, 4 },
        { "\xf4\x90\x80\x80", 4, 0 },
        { "\xf5\x80\x80\x80", 4, 0 },
        { "\xff", 1, 0 },
        { "\x80", 1, 0 },
        { "\xbf\xbf", 2, 0 },
        { "\xc0\x80", 2, 0 },
        { "\xc1\xbf", 2, 0 },
        { "\xc3(", 2, 0 },
        { "\xe2\x82(", 3, 0 },
        { "\xf0\x9f\x98(", 4, 0 },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_int_equal(str_utf8_length((const unsigned char *)cases[i].bytes, cases[i].left),
                         cases[i].length);
}

static void test_buffer(void **state)
{
    (void)state;
    struct strbuf b;
    strbuf_init(&b, 1 << 20);
    assert_string_equal(strbuf_str(&b).ptr, "");
    strbuf_adds(&b, "one");
    strbuf_addc(&b, ' ');
    strbuf_add(&b, NULL, 0);
    strbuf_addf(&b, "%d-%s", 2, "three");
    assert_string_equal(b.ptr, "one 2-three");
    assert_int_equal(b.len, 11);
    for (int i = 0; i < 10000; i++)
        strbuf_addf(&b, "%d,", i);
    assert_false(b.failed);
    assert_int_equal(strlen(b.ptr), b.len);
    assert_string_equal(b.ptr + b.len - 10, "9998,9999,");
    strbuf_clear(&b);
    assert_int_equal(b.len, 0);
    assert_string_equal(b.ptr, "");
    char *to = strbuf_reserve(&b, 5);
    memcpy(to, "12345", 6);
    b.len += 5;
    char *taken = strbuf_take(&b);
    assert_string_equal(taken, "12345");
    assert_null(b.ptr);
    free(taken);
    taken = strbuf_take(&b);
    assert_string_equal(taken, "");
    free(taken);
    strbuf_fini(&b);
}

/* Over the cap nothing is added, not even in part, and nothing after it, until it is cleared. */
static void test_cap(void **state)
{
    (void)state;
    struct strbuf b;
    strbuf_init(&b, 10);
    strbuf_adds(&b, "0123456789");
    assert_false(b.failed);
    strbuf_addc(&b, 'x');
    assert_true(b.failed);
    assert_string_equal(b.ptr, "0123456789");
    strbuf_clear(&b);
    assert_false(b.failed);
    strbuf_adds(&b, "12345");
    strbuf_addf(&b, "%s", "678901");
    strbuf_adds(&b, "6");
    assert_true(b.failed);
    assert_string_equal(b.ptr, "12345");
    assert_null(strbuf_reserve(&b, 1));
    strbuf_clear(&b);
    assert_null(strbuf_reserve(&b, SIZE_MAX));
    strbuf_fini(&b);
    strbuf_init(&b, 0);
    strbuf_add(&b, NULL, 0);
    assert_false(b.failed);
    strbuf_addc(&b, 'x');
    assert_true(b.failed);
    strbuf_fini(&b);
}

static void test_json(void **state)
{
    (void)state;
    static const char odd[] = "a\"b\\c/\n\r\t\x01\x1f\x7f\xc3\xa9\xe2\x82\xac\xff\xed\xa0\x80\xc3";
    struct strbuf b;
    strbuf_init(&b, 1000);
    strbuf_add_json(&b, "", 0);
    strbuf_add_json(&b, odd, sizeof odd - 1);
    strbuf_add_json(&b, "x\0y", 3);
    assert_string_equal(b.ptr, "\"\"\"a\\\"b\\\\c/\\n\\r\\t\\u0001\\u001f\x7f\xc3\xa9\xe2\x82\xac"
                               "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\""
                               "\"x\\u0000y\"");
    strbuf_fini(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_equality), cmocka_unit_test(test_distance),
        cmocka_unit_test(test_nearest),  cmocka_unit_test(test_utf8_length),
        cmocka_unit_test(test_buffer),   cmocka_unit_test(test_cap),
        cmocka_unit_test(test_json),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
