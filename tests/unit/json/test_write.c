/* SPDX-License-Identifier: Apache-2.0
 * Making and writing: strings of any bytes, the bound, buffers with a cap, text for people.
 */
#include "json_test.h"

static void test_of_str(void **state)
{
    struct arena *a = *state;
    static const struct {
        const char *bytes;
        size_t len;
        const char *text;
    } cases[] = {
        { "", 0, "\"\"" },
        { "abc", 3, "\"abc\"" },
        { "a\"b\\c/\b\f\n\r\t\x01\x1f\x7f", 14,
          "\"a\\\"b\\\\c/\\b\\f\\n\\r\\t\\u0001\\u001f\x7f\"" },
        { "a\0b", 3, "\"a\\u0000b\"" },
        { "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80", 9, "\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\"" },
        { "\xff", 1, "\"\xef\xbf\xbd\"" },
        { "a\xff", 2, "\"a\xef\xbf\xbd\"" },
        { "\xff\xfe"
          "b",
          3,
          "\"\xef\xbf\xbd\xef\xbf\xbd"
          "b\"" },
        { "caf\xe9 au lait", 12, "\"caf\xef\xbf\xbd au lait\"" },
        { "\xc3\xa9\xc3", 3, "\"\xc3\xa9\xef\xbf\xbd\"" },
        { "\xed\xa0\x80", 3, "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"" },
        { "quite a long text before the \x80 byte\n", 36,
          "\"quite a long text before the \xef\xbf\xbd byte\\n\"" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char bytes[64];
        memcpy(bytes, cases[i].bytes, cases[i].len);
        struct json v = json_of_str(a, bytes, cases[i].len);
        memset(bytes, 'x', sizeof bytes);
        assert_text(a, &v, cases[i].text);
        struct json back;
        assert_int_equal(json_parse(a, cases[i].text, strlen(cases[i].text), 0, &back, NULL), 0);
        assert_true(json_equal(&v, &back));
    }
    struct json empty = json_of_str(a, NULL, 0), borrowed = json_of_str_borrow((wf_str){ NULL, 0 });
    assert_text(a, &empty, "\"\"");
    assert_text(a, &borrowed, "\"\"");
    borrowed = json_of_str_borrow(STR("a\nb"));
    assert_text(a, &borrowed, "\"a\\nb\"");
}

static void test_make(void **state)
{
    struct arena *a = *state;
    struct json *e;
    struct json_member *m;
    struct json list = json_array(a, 2, &e), object = json_object(a, 2, &m);
    assert_text(a, &list, "[null,null]");
    assert_text(a, &object, "{\"\":null,\"\":null}");
    e[1] = json_of_bool(true);
    m[0].key = json_of_str_borrow(STR("list"));
    m[0].value = list;
    m[1].key = json_of_str_borrow(STR("no"));
    m[1].value = json_of_bool(false);
    assert_text(a, &object, "{\"list\":[null,true],\"no\":false}");
    list = json_array(a, 0, NULL);
    object = json_object(a, 0, NULL);
    assert_text(a, &list, "[]");
    assert_text(a, &object, "{}");
    assert_text(a, NULL, "null");
    assert_text(a, &(struct json){ .type = JSON_MISSING }, "null");
}

static void test_ints(void **state)
{
    struct arena *a = *state;
    char expected[32];
    int64_t i = 1;
    for (int digits = 1; digits <= 18; digits++, i *= 10)
        for (int64_t near = i - 2; near <= i + 2; near++)
            for (int sign = -1; sign <= 1; sign += 2) {
                struct json v = json_of_int(sign * near);
                snprintf(expected, sizeof expected, "%lld", (long long)(sign * near));
                assert_text(a, &v, expected);
            }
    struct json most = json_of_int(INT64_MAX), least = json_of_int(INT64_MIN);
    assert_text(a, &most, "9223372036854775807");
    assert_text(a, &least, "-9223372036854775808");
}

/* The bound holds, in a block of exactly that size. */
static void test_bound(void **state)
{
    struct arena *a = *state;
    static const char *const texts[] = {
        "null",
        "false",
        "{}",
        "[]",
        "[[],{},[[]]]",
        "-9223372036854775808",
        "\"\"",
        "\"\\u0001\"",
        "[false,false,false]",
        "{\"\":false}",
        "[-9223372036854775808,-9223372036854775808]",
        "{\"\\u0000\\u0001\\n\":\"\\u001f\\u001f\\u001f\\u001f\\u001f\"}",
        "[1e5,123.456e-78,\"x\"]",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        const struct json *v = value(a, texts[i]);
        size_t bound = json_write_bound(v);
        char *to = malloc(bound);
        size_t len = json_write(v, to);
        assert_true(len <= bound && len == strlen(texts[i]));
        assert_memory_equal(to, texts[i], len);
        free(to);
    }
    struct json d = { .type = JSON_DOUBLE, .d = -1.7976931348623157e308 };
    char *to = malloc(json_write_bound(&d));
    assert_int_equal(json_write(&d, to), 24);
    free(to);
}

static void test_buffer(void **state)
{
    struct arena *a = *state;
    const struct json *v = value(a, "{\"a\":\"\\u0001\\u0002\",\"n\":[1,2,3]}");
    size_t len = json_text(a, v).len;
    struct strbuf b;
    strbuf_init(&b, len); /* just enough, though less than the bound */
    json_add(&b, v);
    assert_false(b.failed);
    assert_string_equal(b.ptr, json_text(a, v).ptr);
    strbuf_fini(&b);
    strbuf_init(&b, len - 1);
    json_add(&b, v);
    assert_true(b.failed);
    strbuf_fini(&b);
    strbuf_init(&b, 1000);
    strbuf_adds(&b, "x=");
    json_add(&b, v);
    json_add(&b, NULL);
    assert_string_equal(b.ptr, "x={\"a\":\"\\u0001\\u0002\",\"n\":[1,2,3]}null");
    strbuf_fini(&b);
}

static void test_pretty(void **state)
{
    struct arena *a = *state;
    struct strbuf b;
    strbuf_init(&b, 1000);
    json_add_pretty(&b, value(a, "{\"a\":[1,{\"b\":\"x, {y}: \\\"[\\\\\"}],\"c\":[],\"d\":{}}"));
    assert_string_equal(b.ptr, "{\n"
                               "  \"a\": [\n"
                               "    1,\n"
                               "    {\n"
                               "      \"b\": \"x, {y}: \\\"[\\\\\"\n"
                               "    }\n"
                               "  ],\n"
                               "  \"c\": [],\n"
                               "  \"d\": {}\n"
                               "}");
    strbuf_clear(&b);
    json_add_pretty(&b, value(a, "[]"));
    strbuf_addc(&b, ' ');
    json_add_pretty(&b, value(a, "-1.5e3"));
    strbuf_addc(&b, ' ');
    json_add_pretty(&b, value(a, "\"a\""));
    assert_string_equal(b.ptr, "[] -1.5e3 \"a\"");
    strbuf_fini(&b);
    strbuf_init(&b, 10);
    json_add_pretty(&b, value(a, "[1,2,3,4,5]"));
    assert_true(b.failed);
    strbuf_fini(&b);
}

static void test_to_str(void **state)
{
    struct arena *a = *state;
    const struct json *s = value(a, "\"a\\nb\"");
    assert_ptr_equal(json_to_str(a, s).ptr, s->s);
    assert_int_equal(json_to_str(a, s).len, 3);
    assert_int_equal(json_to_str(a, NULL).len, 0);
    assert_int_equal(json_to_str(a, value(a, "null")).len, 0);
    assert_string_equal(json_to_str(a, value(a, "true")).ptr, "true");
    assert_string_equal(json_to_str(a, value(a, "1.50")).ptr, "1.50");
    assert_string_equal(json_to_str(a, value(a, "{\"a\":[\"x\"]}")).ptr, "{\"a\":[\"x\"]}");
}

/* A copy shares nothing: its source's arena and text may go. */
static void test_copy(void **state)
{
    struct arena *a = *state, other;
    static const char text[] =
        "{\"key\":[1,2.5,\"s\",\"\\n\",{},[],null,true,[{\"deep\":\"er\"}]],\"\":\"\"}";
    char *source = malloc(sizeof text - 1);
    struct json v;
    memcpy(source, text, sizeof text - 1);
    arena_init(&other, NULL, 0);
    assert_int_equal(json_parse(&other, source, sizeof text - 1, 0, &v, NULL), 0);
    struct json copy = json_copy(a, &v), missing = json_copy(a, NULL);
    memset(source, 'x', sizeof text - 1);
    free(source);
    arena_fini(&other);
    assert_text(a, &copy, text);
    assert_int_equal(missing.type, JSON_MISSING);
}

/* --- texts that are known -----------------------------------------------------------------------
 */

/* Parsed where it lies: what is written can be told from what lies there by changing it. */
static struct json parsed(struct arena *a, char *text)
{
    struct json v;
    assert_int_equal(json_parse(a, text, strlen(text), 0, &v, NULL), 0);
    return v;
}

/* What is written is the same as without the text, and only what says so takes it from there. */
static void test_known_texts(void **state)
{
    static const struct {
        const char *text, *written;
        bool known;
    } cases[] = {
        { "{\"a\":1}", NULL, true },
        { " {\"a\":1} ", "{\"a\":1}", true },
        { "[1,-2.50e3,\"\xc3\xa9\",{},[],null,true,{\"\":[0]}]", NULL, true },
        { "{\"a\": 1}", "{\"a\":1}", false },
        { "{ \"a\":1}", "{\"a\":1}", false },
        { "{\"a\":1 }", "{\"a\":1}", false },
        { "{\"a\":1,\n\"b\":2}", "{\"a\":1,\"b\":2}", false },
        { "[1,[2,[3 ]]]", "[1,[2,[3]]]", false },
        { "[1,[ ]]", "[1,[]]", false },
        { "{\"a\":1,\"a\":2}", "{\"a\":2}", false },
        { "[{\"a\":1,\"a\":2}]", "[{\"a\":2}]", false },
        { "[-0]", "[0]", false },
        { "[-0.0]", NULL, true },
        { "[\"\\\"\\\\\\b\\f\\n\\r\\t\\u0000\\u001f\"]", NULL, true },
        { "[\"\\/\"]", "[\"/\"]", false },
        { "[\"\\u0041\"]", "[\"A\"]", false },
        { "[\"\\u000a\"]", "[\"\\n\"]", false },
        { "[\"\\u001F\"]", "[\"\\u001f\"]", false },
        { "[\"\\u0022\"]", "[\"\\\"\"]", false },
        { "[\"\\u00e9\"]", "[\"\xc3\xa9\"]", false },
        { "{\"\\ud83d\\ude00\":1}", "{\"\xf0\x9f\x98\x80\":1}", false },
    };
    struct arena *a = *state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *text = arena_strdup(a, cases[i].text);
        struct json v = parsed(a, text), plain = json_copy(a, &v);
        const char *written = cases[i].written ? cases[i].written : cases[i].text;
        assert_text(a, &v, written);
        assert_text(a, &plain, written);
        assert_int_equal(v.flags, cases[i].known ? JSON_TEXT : 0);
        assert_int_equal(plain.flags, 0);
    }
}

/* White space around a part leaves the part its text; the whole has none. */
static void test_known_parts(void **state)
{
    struct arena *a = *state;
    char *text = arena_strdup(a, "{\"a\":{\"b\":[1,2]}, \"c\":[{\"d\":3}],\"e\":{\"f\": 4}}");
    struct json v = parsed(a, text);
    assert_int_equal(v.flags, 0);
    assert_int_equal(JSON_GET(&v, "a")->flags, JSON_TEXT);
    assert_int_equal(JSON_GET(&v, "c")->flags, JSON_TEXT);
    assert_int_equal(JSON_GET(&v, "e")->flags, 0);
    *strchr(text, '2') = '7';
    *strchr(text, '4') = '8'; /* an integer: read when it was parsed */
    assert_text(a, &v, "{\"a\":{\"b\":[1,7]},\"c\":[{\"d\":3}],\"e\":{\"f\":4}}");
    struct json copy = json_copy(a, &v);
    assert_text(a, &copy, "{\"a\":{\"b\":[1,2]},\"c\":[{\"d\":3}],\"e\":{\"f\":4}}");
}

/* What edits leave of a text; a 1 is a 7 in the text, so that a 7 tells what was copied. */
static void test_known_edits(void **state)
{
    static const struct {
        const char *text, *paths[4], *written;
    } cases[] = {
        { "{\"a\":1}", { "b" }, "{\"a\":7,\"b\":5}" },
        { "{\"a\":1}", { "b", "c" }, "{\"a\":7,\"b\":5,\"c\":5}" },
        { "{\"a\":1}", { "b", "b" }, "{\"a\":7,\"b\":5}" },
        { "{\"a\":1}", { "b", "c", "b" }, "{\"a\":7,\"b\":5,\"c\":5}" },
        { "{\"a\":1,\"z\":2}", { "z" }, "{\"a\":1,\"z\":5}" },
        { "{\"a\":1,\"z\":2}", { "b", "z", "c" }, "{\"a\":1,\"z\":5,\"b\":5,\"c\":5}" },
        { "{\"a\":1,\"z\":2}", { "-z" }, "{\"a\":1}" },
        { "{\"a\":1}", { "b", "-b" }, "{\"a\":1}" },
        { "{\"a\":1}", { "b", "-a", "c" }, "{\"b\":5,\"c\":5}" },
        { "{\"a\":1}", { "-a" }, "{}" },
        { "{\"a\":1}", { "-x" }, "{\"a\":7}" },
        { "{\"a\":1,\"m\":{\"x\":1}}", { "m.y" }, "{\"a\":1,\"m\":{\"x\":7,\"y\":5}}" },
        { "{\"a\":1,\"m\":{\"x\":1}}", { "m.x" }, "{\"a\":1,\"m\":{\"x\":5}}" },
        { "{\"a\":[1,1],\"m\":{\"x\":1}}",
          { "m.x", "n.o" },
          "{\"a\":[7,7],\"m\":{\"x\":5},\"n\":{\"o\":5}}" },
        { "{\"a\":1}", { "n.o", "n.p" }, "{\"a\":7,\"n\":{\"o\":5,\"p\":5}}" },
        { "{\"l\":[1]}", { "l[1]" }, "{\"l\":[7,5]}" },
        { "{\"l\":[1]}", { "l[3]", "l[1]" }, "{\"l\":[7,5,null,5]}" },
        { "{\"l\":[1,2]}", { "l[1]" }, "{\"l\":[1,5]}" },
        { "{\"l\":[1,2]}", { "-l[1]" }, "{\"l\":[1]}" },
        { "{}", { "a" }, "{\"a\":5}" },
        { "{\"a\" :1}", { "b" }, "{\"a\":1,\"b\":5}" },
        { "{\"a\" :{\"x\":1}}", { "b" }, "{\"a\":{\"x\":7},\"b\":5}" },
    };
    struct arena *a = *state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *text = arena_strdup(a, cases[i].text);
        struct json v = parsed(a, text), five = json_of_int(5);
        for (char *p = text; *p; p++)
            *p = *p == '1' ? '7' : *p;
        for (const char *const *p = cases[i].paths; *p; p++) {
            bool gone = **p == '-';
            struct json_path at = path(a, *p + gone);
            if (gone)
                assert_int_equal(json_unset(a, &v, &at, &v, NULL), 0);
            else
                assert_int_equal(json_set(a, &v, &at, &five, &v, NULL), 0);
        }
        size_t bound = json_write_bound(&v);
        assert_true(bound >= strlen(cases[i].written));
        assert_text(a, &v, cases[i].written);
    }
}

/* A value with a text inside one that was made by hand, and behind a member that was added. */
static void test_known_inside(void **state)
{
    struct arena *a = *state;
    struct json_member *m;
    char *text = arena_strdup(a, "{\"a\":[1]}");
    struct json v = parsed(a, text), object = json_object(a, 2, &m);
    text[6] = '7';
    m[0].key = json_of_str_borrow(STR("first"));
    m[0].value = v;
    m[1].key = json_of_str_borrow(STR("second"));
    m[1].value = json_of_bool(true);
    struct json nested = json_set_key(a, &v, STR("o"), &object);
    nested = json_set_key(a, &nested, STR("p"), &v);
    assert_text(a, &nested,
                "{\"a\":[7],\"o\":{\"first\":{\"a\":[7]},\"second\":true},\"p\":{\"a\":[7]}}");
    struct strbuf b;
    strbuf_init(&b, 1000);
    json_add(&b, &nested);
    assert_string_equal(b.ptr, json_text(a, &nested).ptr);
    strbuf_fini(&b);
}

/* Members that somebody laid out himself. */
static void test_known_like(void **state)
{
    struct arena *a = *state;
    char *text = arena_strdup(a, "{\"a\":1,\"b\":[1]}");
    struct json v = parsed(a, text), slots[1 + 2 * 3], five = json_of_int(5);
    struct json_member *m = (struct json_member *)(void *)(slots + 1);
    text[5] = '7';
    memcpy(m, v.members, 2 * sizeof *m);
    m[2] = (struct json_member){ .key = json_of_str_borrow(STR("c")), .value = five };
    struct json like = json_object_like(&v, slots, 3);
    assert_text(a, &like, "{\"a\":7,\"b\":[1],\"c\":5}");
    like = json_object_like(&v, slots, 2);
    assert_text(a, &like, "{\"a\":7,\"b\":[1]}");
    like = json_object_like(&v, slots, 1); /* less than the text says */
    assert_text(a, &like, "{\"a\":1}");
    like = json_object_like(NULL, slots, 3);
    assert_text(a, &like, "{\"a\":1,\"b\":[1],\"c\":5}");
    m[1].value = five;
    like = json_object_like(&v, slots, 3);
    assert_text(a, &like, "{\"a\":1,\"b\":5,\"c\":5}");
    like = json_object_like(&v, slots, 0);
    assert_text(a, &like, "{}");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_of_str),      TEST(test_make),        TEST(test_ints),
        TEST(test_bound),       TEST(test_buffer),      TEST(test_pretty),
        TEST(test_to_str),      TEST(test_copy),        TEST(test_known_texts),
        TEST(test_known_parts), TEST(test_known_edits), TEST(test_known_inside),
        TEST(test_known_like),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
