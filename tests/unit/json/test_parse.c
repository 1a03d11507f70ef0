/* SPDX-License-Identifier: Apache-2.0
 * The parser beyond the grammar: what a value points to, limits, equal keys in objects of every
 * size, stacks that outgrow the local one.
 */
#include "json_test.h"

static void test_borrows(void **state)
{
    struct arena *a = *state;
    char text[] = "{\"key\":\"plain\",\"n\":1.5,\"esc\":\"a\\nb\",\"u\":\"\xc3\xa9\"}";
    char *end = text + sizeof text;
    struct json v;
    assert_int_equal(json_parse(a, text, sizeof text - 1, 0, &v, NULL), 0);
    for (uint32_t i = 0; i < v.len; i++)
        assert_true(v.members[i].key.s > text && v.members[i].key.s < end);
    const struct json *plain = JSON_GET(&v, "key"), *esc = JSON_GET(&v, "esc");
    assert_ptr_equal(plain->s, strstr(text, "plain"));
    assert_ptr_equal(JSON_GET(&v, "n")->s, strstr(text, "1.5"));
    assert_ptr_equal(JSON_GET(&v, "u")->s, strstr(text, "\xc3"));
    assert_false(esc->s >= text && esc->s < end);
    assert_int_equal(esc->len, 3);
    assert_memory_equal(esc->s, "a\nb", 3);
}

static void test_copy_outlives_text(void **state)
{
    struct arena *a = *state;
    char text[] = "{\"key\":\"plain\",\"n\":1.5,\"esc\":\"a\\nb\"}";
    struct json v;
    assert_int_equal(json_parse_copy(a, text, sizeof text - 1, 0, &v, NULL), 0);
    memset(text, 'x', sizeof text);
    assert_text(a, &v, "{\"key\":\"plain\",\"n\":1.5,\"esc\":\"a\\nb\"}");
}

static void test_plain_flag(void **state)
{
    static const struct {
        const char *text;
        int flags;
    } cases[] = {
        { "\"\"", JSON_PLAIN },
        { "\"abc\"", JSON_PLAIN },
        { "\"\xc3\xa9\"", JSON_PLAIN },
        { "\"\\u0041\\u00e9\\/\"", JSON_PLAIN },
        { "\"\\n\"", 0 },
        { "\"abc\\\"\"", 0 },
        { "\"\\\\\"", 0 },
        { "\"\xc3\xa9\\u001f\"", 0 },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_int_equal(value(*state, cases[i].text)->flags, cases[i].flags);
}

/* "[[[..]]]" or {"a":{"a":..1}} with `depth` containers. */
static char *nested(struct arena *a, size_t depth, bool objects)
{
    const char *open = objects ? "{\"a\":" : "[";
    size_t n = strlen(open);
    char *text = arena_alloc(a, depth * (n + 1) + 2), *p = text;
    for (size_t i = 0; i < depth; i++, p += n)
        memcpy(p, open, n);
    *p++ = '1';
    memset(p, objects ? '}' : ']', depth);
    p[depth] = 0;
    return text;
}

static void test_depth(void **state)
{
    struct arena *a = *state;
    struct json v;
    struct json_error e;
    for (int objects = 0; objects < 2; objects++) {
        size_t step = objects ? 5 : 1;
        char *text = nested(a, JSON_DEPTH_MAX, objects);
        assert_int_equal(json_parse(a, text, strlen(text), 0, &v, &e), 0);
        assert_text(a, &v, text);
        text = nested(a, JSON_DEPTH_MAX + 1, objects);
        assert_int_equal(json_parse(a, text, strlen(text), 0, &v, &e), -1);
        assert_int_equal(e.offset, JSON_DEPTH_MAX * step);
        assert_string_equal(e.reason, "nested too deep");
        assert_int_equal(json_parse(a, text, strlen(text), JSON_DEPTH_MAX + 1, &v, &e), 0);
        assert_int_equal(json_parse(a, text, strlen(text), 3, &v, &e), -1);
        assert_int_equal(e.offset, 3 * step);
    }
    assert_int_equal(json_parse(a, NULL, 0, 0, &v, &e), -1);
    assert_int_equal(e.offset, 0);
    /* Empty containers count too. */
    assert_int_equal(json_parse(a, "[[]]", 4, 1, &v, &e), -1);
    assert_int_equal(e.offset, 1);
    assert_int_equal(json_parse(a, "[{},[]]", 7, 2, &v, &e), 0);
}

/* With the limit set high, depth costs memory but no C stack. */
static void test_very_deep(void **state)
{
    struct arena *a = *state;
    enum { DEEP = 1000000 };
    struct json v, w;
    char *text = nested(a, DEEP, true);
    assert_int_equal(json_parse(a, text, strlen(text), UINT32_MAX, &v, NULL), 0);
    wf_str back = json_text(a, &v);
    assert_int_equal(back.len, strlen(text));
    assert_memory_equal(back.ptr, text, back.len);
    w = json_copy(a, &v);
    assert_true(json_equal(&v, &w));
    text[DEEP * 5] = '2';
    assert_int_equal(json_parse(a, text, strlen(text), UINT32_MAX, &w, NULL), 0);
    assert_false(json_equal(&v, &w));
}

/* Arrays around the size of the local stack and far beyond it, at each level. */
static void test_wide(void **state)
{
    struct arena *a = *state;
    static const size_t sizes[] = { 1, 31, 255, 509, 510, 511, 512, 513, 514, 1023, 1025, 70000 };
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        struct strbuf text;
        strbuf_init(&text, 1 << 24);
        strbuf_adds(&text, "{\"list\":[{\"x\":1},");
        for (size_t n = 0; n < sizes[i]; n++)
            strbuf_addf(&text, n % 3 ? "%zu," : "[%zu,\"x\"],", n);
        strbuf_adds(&text, "{\"y\":[]}],\"end\":null}");
        struct json v;
        assert_int_equal(json_parse(a, text.ptr, text.len, 0, &v, NULL), 0);
        assert_int_equal(JSON_GET(&v, "list")->len, sizes[i] + 2);
        assert_text(a, &v, text.ptr);
        strbuf_fini(&text);
    }
}

/* `distinct` keys, then the first `again` of them once more with other values. */
static void check_equal_keys(struct arena *a, unsigned distinct, unsigned again)
{
    struct strbuf text, expected;
    strbuf_init(&text, 1 << 24);
    strbuf_init(&expected, 1 << 24);
    strbuf_addc(&text, '{');
    strbuf_addc(&expected, '{');
    for (unsigned i = 0; i < distinct; i++) {
        strbuf_addf(&text, "%s\"key%u\":%u", i ? "," : "", i, i);
        strbuf_addf(&expected, "%s\"key%u\":%u", i ? "," : "", i, i < again ? i + 1000000 : i);
    }
    for (unsigned i = 0; i < again; i++)
        strbuf_addf(&text, ",\"\\u006bey%u\":%u", i, i + 1000000);
    strbuf_addc(&text, '}');
    strbuf_addc(&expected, '}');
    struct json v;
    assert_int_equal(json_parse(a, text.ptr, text.len, 0, &v, NULL), 0);
    assert_int_equal(v.len, distinct);
    assert_int_equal(v.flags, again ? 0 : JSON_TEXT);
    assert_text(a, &v, expected.ptr);
    strbuf_fini(&text);
    strbuf_fini(&expected);
}

static void test_equal_keys(void **state)
{
    for (unsigned distinct = 1; distinct < 80; distinct++)
        for (unsigned again = 0; again <= distinct; again += distinct > 8 ? 7 : 1)
            check_equal_keys(*state, distinct, again);
    check_equal_keys(*state, 255, 1);
    check_equal_keys(*state, 256, 256);
    check_equal_keys(*state, 50000, 50000);
    check_equal_keys(*state, 200000, 1);
}

/* The same key over and over: the table must not be asked for more places than there are. */
static void test_one_key_many_times(void **state)
{
    struct arena *a = *state;
    struct strbuf text;
    strbuf_init(&text, 1 << 24);
    for (int i = 0; i < 100000; i++)
        strbuf_addf(&text, "%s\"k\":{\"k\":%d}", i ? "," : "{", i);
    strbuf_addc(&text, '}');
    struct json v;
    assert_int_equal(json_parse(a, text.ptr, text.len, 0, &v, NULL), 0);
    assert_text(a, &v, "{\"k\":{\"k\":99999}}");
    strbuf_fini(&text);
}

/* No memory is asked for while the arena has room: an item costs bumps only. */
static void test_small_needs_no_memory(void **state)
{
    (void)state;
    char first[2048];
    struct arena a;
    struct json v;
    static const char text[] = "{\"a\":[1,2,3],\"b\":{\"c\":\"\\n\"},\"d\":1.5,\"a\":[]}";
    arena_init(&a, first, sizeof first);
    assert_int_equal(json_parse(&a, text, sizeof text - 1, 0, &v, NULL), 0);
    json_text(&a, &v);
    assert_int_equal(a.total_bytes, 0);
    arena_fini(&a);
}

/* Strings of every length around the block size, ended or broken at every place. */
static void test_string_places(void **state)
{
    struct arena *a = *state;
    static const char odd[] = { '\\', '\n', '\x80', '"' };
    for (size_t len = 0; len < 70; len++)
        for (size_t at = 0; at <= len; at++) {
            char *text = malloc(len + 2);
            struct json v;
            struct json_error e;
            memset(text, 'a', len + 2);
            text[0] = text[len + 1] = '"';
            assert_int_equal(json_parse(a, text, len + 2, 0, &v, &e), 0);
            assert_int_equal(v.len, len);
            char c = odd[(len + at) % 4];
            text[at + 1] = c;
            int got = json_parse(a, text, len + 2, 0, &v, &e);
            assert_int_equal(got, at == len && c == '"' ? 0 : -1);
            if (got && c != '\\')
                assert_int_equal(e.offset, c == '"' ? at + 2 : at + 1);
            free(text);
        }
}

/* Valid and broken pieces of text beyond ASCII in random order, against a plain walk over them. */
static void test_utf8_mixtures(void **state)
{
    struct arena *a = *state;
    static const char *const pieces[] = {
        "a",
        " ",
        ", ",
        "abc",
        "plain text, long",
        "\xc3\xa9",
        "\xd0\x9f",
        "\xd1\x80\xd0\xb8",
        "\xdf\xbf",
        "\xe2\x82\xac",
        "\xe4\xbd\xa0",
        "\xed\x9f\xbf",
        "\xf0\x9f\x98\x80",
        "\xf4\x8f\xbf\xbf",
        "\xc2\x80",
        "\xc1\xbf",
        "\x80",
        "\xed\xa0\x80",
        "\xff",
        "\xd0",
        "\xe2\x82",
        "\xf0\x9f\x98",
        "\xc3(",
        "\xd0 \x9f",
    };
    enum { GOOD = 15, ALL = sizeof pieces / sizeof *pieces };
    unsigned seed = 1;
    for (int round = 0; round < 50000; round++) {
        char text[300] = "\"";
        seed = seed * 1664525 + 1013904223;
        int n = (int)(seed >> 28), broken = (seed >> 20 & 3) == 0;
        for (int i = 0; i < n; i++) {
            seed = seed * 1664525 + 1013904223;
            strcat(text, pieces[(seed >> 16) % (broken && i == n / 2 ? ALL : GOOD)]);
        }
        size_t len = strlen(text), at = 1;
        for (size_t step = 1; at < len && step; at += step)
            step = str_utf8_length((unsigned char *)text + at, len - at);
        text[len] = '"';
        struct json v;
        struct json_error e;
        /* Also with an escape in front, which takes another way. */
        for (size_t shift = 0; shift <= 2; shift += 2) {
            char *block = malloc(len + 1 + shift);
            memcpy(block, "\"\\n", 1 + shift);
            memcpy(block + 1 + shift, text + 1, len);
            int got = json_parse(a, block, len + 1 + shift, 0, &v, &e);
            if (got != (at == len ? 0 : -1) || (got && e.offset != at + shift))
                fail_msg("%s: %d at %zu, expected %zu", text, got, e.offset, at + shift);
            free(block);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_borrows),       TEST(test_copy_outlives_text), TEST(test_plain_flag),
        TEST(test_depth),         TEST(test_very_deep),          TEST(test_wide),
        TEST(test_equal_keys),    TEST(test_one_key_many_times), TEST(test_small_needs_no_memory),
        TEST(test_string_places), TEST(test_utf8_mixtures),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
