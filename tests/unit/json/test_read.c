/* SPDX-License-Identifier: Apache-2.0
 * Members, places, paths, truth, names of types, equality of containers.
 */
#include "json_test.h"

static void test_get_and_at(void **state)
{
    struct arena *a = *state;
    const struct json *v = value(a, "{\"a\":1,\"ab\":2,\"\":3,\"b\":[10,20],\"a\\u0000\":4}");
    assert_int_equal(JSON_GET(v, "a")->i, 1);
    assert_int_equal(JSON_GET(v, "ab")->i, 2);
    assert_int_equal(json_get(v, "", 0)->i, 3);
    assert_int_equal(json_get(v, "a\0", 2)->i, 4);
    assert_null(JSON_GET(v, "abc"));
    assert_null(JSON_GET(v, "A"));
    assert_null(JSON_GET(NULL, "a"));
    assert_null(JSON_GET(JSON_GET(v, "b"), "a"));
    assert_null(JSON_GET(value(a, "{}"), "a"));
    assert_int_equal(json_at(v, 1)->i, 2);
    assert_null(json_at(v, 5));
    assert_int_equal(json_at(JSON_GET(v, "b"), 1)->i, 20);
    assert_null(json_at(JSON_GET(v, "b"), 2));
    assert_null(json_at(value(a, "\"text\""), 0));
    assert_null(json_at(NULL, 0));
}

static void test_path_get(void **state)
{
    struct arena *a = *state;
    const struct json *v =
        value(a, "{\"a\":{\"b\":[{\"c\":1},{\"c\":2}],\"x.y\":3,\"0\":4,\"it's\":5,"
                 "\"[\":6,\"n\":null},\"\xc3\xa9 \":7}");
    static const struct {
        const char *path, *text;
    } cases[] = {
        { "a.b[0].c", "1" },
        { "a.b[1].c", "2" },
        { "a.b[-1].c", "2" },
        { "a.b[-2].c", "1" },
        { "a.b.1.c", "2" },
        { "a['b'][0]", "{\"c\":1}" },
        { "a[\"x.y\"]", "3" },
        { "['a'].0", "4" },
        { "a['0']", "4" },
        { "a['it\\'s']", "5" },
        { "a[\"it's\"]", "5" },
        { "a['[']", "6" },
        { "a.n", "null" },
        { "\xc3\xa9 ", "7" },
        { "a.b[2]", NULL },
        { "a.b[-3]", NULL },
        { "a.b.x", NULL },
        { "a.b.2", NULL },
        { "a.b.99999999999999999999", NULL },
        { "a[0]", NULL },
        { "a.n.x", NULL },
        { "a.b[0].c.d", NULL },
        { "b", NULL },
        { "b.c.d", NULL },
        { "[0]", NULL },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct json_path p = path(a, cases[i].path);
        const struct json *got = json_path_get(v, &p);
        if (!got != !cases[i].text)
            fail_msg("%s: %s", cases[i].path, got ? "found" : "not found");
        if (got)
            assert_text(a, got, cases[i].text);
        assert_null(json_path_get(NULL, &p));
    }
    struct json_path whole = path(a, "");
    assert_ptr_equal(json_path_get(v, &whole), v);
    struct json_path deep = path(a, "[1][0]");
    assert_text(a, json_path_get(value(a, "[0,[5]]"), &deep), "5");
}

static void test_path_errors(void **state)
{
    struct arena *a = *state;
    static const struct {
        const char *path;
        size_t offset;
        const char *reason;
    } cases[] = {
        { ".", 0, "expected a name" },
        { ".a", 0, "expected a name" },
        { "a.", 2, "expected a name" },
        { "a..b", 2, "expected a name" },
        { "a.[0]", 2, "expected a name" },
        { "a]", 1, "']' without '['" },
        { "]", 0, "expected a name" },
        { "a[", 2, "expected an index or a name in quotes" },
        { "a[]", 2, "expected an index or a name in quotes" },
        { "a[b]", 2, "expected an index or a name in quotes" },
        { "a[-]", 3, "expected an index or a name in quotes" },
        { "a[1", 3, "expected ']'" },
        { "a[1x]", 3, "expected ']'" },
        { "a[ 1]", 2, "expected an index or a name in quotes" },
        { "a['b", 4, "quote not closed" },
        { "a['b\\", 5, "quote not closed" },
        { "a['b\\']", 7, "quote not closed" },
        { "a['b'", 5, "expected ']'" },
        { "a['b\"]", 6, "quote not closed" },
        { "a[0]b", 4, "expected '.' or '['" },
        { "a.caf\xe9.b", 5, "not UTF-8" },
        { "a['\xc3']", 3, "not UTF-8" },
        { "a[2147483648]", 2, "index too large" },
        { "a[-99999999999999999999]", 2, "index too large" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct json_path p;
        struct json_error e;
        assert_int_equal(json_path_parse(a, cases[i].path, strlen(cases[i].path), &p, &e), -1);
        assert_string_equal(e.reason, cases[i].reason);
        assert_int_equal(e.offset, cases[i].offset);
        assert_int_equal(json_path_parse(a, cases[i].path, strlen(cases[i].path), &p, NULL), -1);
    }
    char steps[JSON_DEPTH_MAX * 3 + 4] = "";
    struct json_path p;
    for (int i = 0; i < JSON_DEPTH_MAX; i++)
        memcpy(steps + 3 * i, "[0]", 4);
    assert_int_equal(json_path_parse(a, steps, strlen(steps), &p, NULL), 0);
    memcpy(steps + 3 * JSON_DEPTH_MAX, "[0]", 4);
    assert_int_equal(json_path_parse(a, steps, strlen(steps), &p, NULL), -1);
}

/* A path keeps nothing of the text it was parsed from. */
static void test_path_outlives_text(void **state)
{
    struct arena *a = *state;
    char text[] = "a['b'].c";
    struct json_path p;
    assert_int_equal(json_path_parse(a, text, strlen(text), &p, NULL), 0);
    memset(text, 'x', sizeof text);
    assert_text(a, json_path_get(value(a, "{\"a\":{\"b\":{\"c\":1}}}"), &p), "1");
}

static void test_truth(void **state)
{
    static const struct {
        const char *text;
        bool truth;
    } cases[] = {
        { "null", false },   { "false", false }, { "true", true },      { "0", false },
        { "-0", false },     { "1", true },      { "-1", true },        { "0.0", false },
        { "-0.0e5", false }, { "0.5", true },    { "1e-400", false },   { "1e400", true },
        { "\"\"", false },   { "\"0\"", true },  { "\"false\"", true }, { "[]", true },
        { "{}", true },      { "[0]", true },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        if (json_truth(value(*state, cases[i].text)) != cases[i].truth)
            fail_msg("%s", cases[i].text);
    struct json nan = { .type = JSON_DOUBLE, .d = __builtin_nan("") };
    struct json half = { .type = JSON_DOUBLE, .d = 0.5 }, missing = { .type = JSON_MISSING };
    assert_false(json_truth(&nan));
    assert_true(json_truth(&half));
    assert_false(json_truth(&missing));
    assert_false(json_truth(NULL));
}

static void test_type_names(void **state)
{
    static const char *const cases[][2] = {
        { "null", "null" },  { "true", "boolean" }, { "false", "boolean" }, { "1", "number" },
        { "1.5", "number" }, { "\"\"", "string" },  { "[]", "array" },      { "{}", "object" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_string_equal(json_type_name(value(*state, cases[i][0])), cases[i][1]);
    assert_string_equal(json_type_name(NULL), "missing");
    assert_string_equal(json_type_name(&(struct json){ .type = JSON_DOUBLE }), "number");
    assert_int_equal(json_str(NULL).len, 0);
    assert_int_equal(json_str(value(*state, "5")).len, 0);
    assert_true(str_eq(json_str(value(*state, "\"a\\nb\"")), STR("a\nb")));
}

static void test_equal(void **state)
{
    struct arena *a = *state;
    static const struct {
        const char *a, *b;
        bool equal;
    } cases[] = {
        { "null", "null", true },
        { "null", "false", false },
        { "true", "true", true },
        { "true", "false", false },
        { "\"a\"", "\"\\u0061\"", true },
        { "\"a\"", "\"b\"", false },
        { "\"a\"", "\"aa\"", false },
        { "[]", "[]", true },
        { "[]", "{}", false },
        { "[]", "[null]", false },
        { "[1,2]", "[1,2.0]", true },
        { "[1,2]", "[2,1]", false },
        { "{\"a\":1,\"b\":2}", "{\"b\":2,\"a\":1}", true },
        { "{\"a\":1,\"b\":2}", "{\"a\":1,\"b\":3}", false },
        { "{\"a\":1,\"b\":2}", "{\"a\":1,\"c\":2}", false },
        { "{\"a\":1}", "{\"a\":1,\"b\":2}", false },
        { "{\"a\":[{\"b\":{}}],\"c\":null}", "{\"c\":null,\"a\":[{\"b\":{}}]}", true },
        { "{\"a\":[{\"b\":{}}]}", "{\"a\":[{\"b\":[]}]}", false },
        { "[[1],[2]]", "[[1],[2]]", true },
        { "[[1],[2]]", "[[1],[3]]", false },
        { "[[[]],1]", "[[[]],2]", false },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct json *x = value(a, cases[i].a), *y = value(a, cases[i].b);
        if (json_equal(x, y) != cases[i].equal || json_equal(y, x) != cases[i].equal)
            fail_msg("%s and %s", cases[i].a, cases[i].b);
    }
    struct json missing = { .type = JSON_MISSING };
    assert_true(json_equal(NULL, &missing) && json_equal(NULL, NULL));
    assert_false(json_equal(NULL, value(a, "null")));
}

/* Objects with thousands of members in another order are compared in time. */
static void test_equal_large(void **state)
{
    struct arena *a = *state;
    enum { N = 50000 };
    struct json_member *m1, *m2;
    struct json x = json_object(a, N, &m1), y = json_object(a, N, &m2);
    for (int i = 0; i < N; i++) {
        wf_str key = arena_printf(a, "key%d", i);
        m1[i] = (struct json_member){ json_of_str_borrow(key), json_of_int(i) };
        m2[N - 1 - i] = m1[i];
    }
    struct json outer_x = json_array(a, 2, NULL), outer_y = json_array(a, 2, NULL);
    ((struct json *)outer_x.elements)[0] = x;
    ((struct json *)outer_y.elements)[0] = y;
    assert_true(json_equal(&outer_x, &outer_y));
    m2[N / 2].value = json_of_int(-1);
    assert_false(json_equal(&outer_x, &outer_y));
    assert_false(json_equal(&x, &y));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_get_and_at),  TEST(test_path_get),
        TEST(test_path_errors), TEST(test_path_outlives_text),
        TEST(test_truth),       TEST(test_type_names),
        TEST(test_equal),       TEST(test_equal_large),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
