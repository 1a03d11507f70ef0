/* SPDX-License-Identifier: Apache-2.0
 * Edits: what they give, that they leave the old value alone and share what they do not touch.
 */
#include "json_test.h"

static void test_set(void **state)
{
    struct arena *a = *state;
    static const struct {
        const char *base, *path, *value, *text;
    } cases[] = {
        { "{\"a\":1,\"b\":2}", "a", "9", "{\"a\":9,\"b\":2}" },
        { "{\"a\":1,\"b\":2}", "b", "[]", "{\"a\":1,\"b\":[]}" },
        { "{\"a\":1}", "c", "\"x\"", "{\"a\":1,\"c\":\"x\"}" },
        { "{}", "a.b.c", "1", "{\"a\":{\"b\":{\"c\":1}}}" },
        { "{\"a\":{\"x\":1}}", "a.b", "1", "{\"a\":{\"x\":1,\"b\":1}}" },
        { "{}", "list[2].x", "1", "{\"list\":[null,null,{\"x\":1}]}" },
        { "{\"list\":[null,null]}", "list[0].x", "1", "{\"list\":[{\"x\":1},null]}" },
        { "{\"list\":[1,2,3]}", "list[1]", "9", "{\"list\":[1,9,3]}" },
        { "{\"list\":[1,2,3]}", "list[-1]", "9", "{\"list\":[1,2,9]}" },
        { "{\"list\":[1,2,3]}", "list[3]", "9", "{\"list\":[1,2,3,9]}" },
        { "{\"list\":[1]}", "list.0", "9", "{\"list\":[9]}" },
        { "{\"list\":[[1],[2]]}", "list[1][0]", "9", "{\"list\":[[1],[9]]}" },
        { "[1,2]", "[0]", "9", "[9,2]" },
        { "{\"a\":null}", "a.b", "1", "{\"a\":{\"b\":1}}" },
        { "null", "a", "1", "{\"a\":1}" },
        { "{\"a\":1}", "", "5", "5" },
        { "{\"x.y\":1}", "['x.y']", "2", "{\"x.y\":2}" },
        { "{}", "['a\\'\"b']", "2", "{\"a'\\\"b\":2}" },
        { NULL, "a", "1", "{\"a\":1}" },
        { NULL, "", "[1]", "[1]" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct json *base = cases[i].base ? value(a, cases[i].base) : NULL;
        struct json_path p = path(a, cases[i].path);
        struct json out;
        struct json_error e = { 0, "" };
        if (json_set(a, base, &p, value(a, cases[i].value), &out, &e) != 0)
            fail_msg("%s: %s", cases[i].path, e.reason);
        assert_text(a, &out, cases[i].text);
        if (base)
            assert_text(a, base, cases[i].base);
    }
}

static void test_set_errors(void **state)
{
    struct arena *a = *state;
    static const struct {
        const char *base, *path;
        size_t step;
        const char *reason;
    } cases[] = {
        { "{\"a\":1}", "a.b", 1, "neither an object nor an array is there" },
        { "{\"a\":\"x\"}", "a[0]", 1, "neither an object nor an array is there" },
        { "{\"a\":false}", "a.b", 1, "neither an object nor an array is there" },
        { "{\"a\":{}}", "a[0]", 1, "an index, but an object is there" },
        { "{\"a\":[]}", "a.b", 1, "a name, but an array is there" },
        { "{\"a\":[1]}", "a[-2]", 1, "index before the array's start" },
        { "{}", "a[-1]", 1, "index before the array's start" },
        { "{\"a\":[1]}", "a[100001]", 1, "index too far behind the array's end" },
        { "{\"a\":{\"b\":[[1]]}}", "a.b[0][0].c", 4, "neither an object nor an array is there" },
        { "5", "a", 0, "neither an object nor an array is there" },
        { NULL, "[0]", 0, "an index, but an object is there" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct json *base = cases[i].base ? value(a, cases[i].base) : NULL;
        struct json_path p = path(a, cases[i].path);
        struct json one = json_of_int(1), out = { .type = JSON_TRUE };
        struct json_error e = { 0, "" };
        assert_int_equal(json_set(a, base, &p, &one, &out, &e), -1);
        assert_string_equal(e.reason, cases[i].reason);
        assert_int_equal(e.offset, cases[i].step);
        assert_int_equal(out.type, JSON_TRUE);
        assert_int_equal(json_set(a, base, &p, &one, &out, NULL), -1);
    }
}

static void test_set_fills_up(void **state)
{
    struct arena *a = *state;
    struct json one = json_of_int(1), out;
    struct json_path p = path(a, "a[100000]");
    assert_int_equal(json_set(a, value(a, "{\"a\":[7]}"), &p, &one, &out, NULL), 0);
    const struct json *list = JSON_GET(&out, "a");
    assert_int_equal(list->len, 100001);
    assert_int_equal(list->elements[0].i, 7);
    assert_int_equal(list->elements[1].type, JSON_NULL);
    assert_int_equal(list->elements[99999].type, JSON_NULL);
    assert_int_equal(list->elements[100000].i, 1);
}

/* Only the containers along the path are new. */
static void test_set_shares(void **state)
{
    struct arena *a = *state;
    const struct json *base = value(a, "{\"a\":{\"b\":{\"c\":1},\"d\":[1,2]},\"e\":[3]}");
    struct json_path p = path(a, "a.b.c"), d = path(a, "a.d");
    struct json two = json_of_int(2), out;
    assert_int_equal(json_set(a, base, &p, &two, &out, NULL), 0);
    assert_ptr_equal(JSON_GET(&out, "e")->elements, JSON_GET(base, "e")->elements);
    assert_ptr_equal(json_path_get(&out, &d)->elements, json_path_get(base, &d)->elements);
    assert_ptr_not_equal(out.members, base->members);
    assert_text(a, base, "{\"a\":{\"b\":{\"c\":1},\"d\":[1,2]},\"e\":[3]}");
}

/* The result may be put where the base was, and a value into itself. */
static void test_set_in_place(void **state)
{
    struct arena *a = *state;
    struct json v = *value(a, "{\"a\":{\"b\":1}}");
    struct json_path p = path(a, "a.self");
    assert_int_equal(json_set(a, &v, &p, &v, &v, NULL), 0);
    assert_text(a, &v, "{\"a\":{\"b\":1,\"self\":{\"a\":{\"b\":1}}}}");
    assert_int_equal(json_unset(a, &v, &p, &v, NULL), 0);
    assert_text(a, &v, "{\"a\":{\"b\":1}}");
}

/* An undefined value becomes null: containers hold nothing missing. */
static void test_set_missing(void **state)
{
    struct arena *a = *state;
    struct json missing = { .type = JSON_MISSING }, out;
    struct json_path p = path(a, "x");
    assert_int_equal(json_set(a, &missing, &p, &missing, &out, NULL), 0);
    assert_text(a, &out, "{\"x\":null}");
    assert_int_equal(json_set(a, NULL, &p, NULL, &out, NULL), 0);
    assert_text(a, &out, "{\"x\":null}");
    out = json_set_key(a, NULL, STR("y"), NULL);
    assert_text(a, &out, "{\"y\":null}");
}

static void test_unset(void **state)
{
    struct arena *a = *state;
    static const struct {
        const char *base, *path, *text;
    } cases[] = {
        { "{\"a\":1,\"b\":2,\"c\":3}", "a", "{\"b\":2,\"c\":3}" },
        { "{\"a\":1,\"b\":2,\"c\":3}", "b", "{\"a\":1,\"c\":3}" },
        { "{\"a\":1,\"b\":2,\"c\":3}", "c", "{\"a\":1,\"b\":2}" },
        { "{\"a\":1}", "a", "{}" },
        { "{\"a\":{\"b\":1,\"c\":2},\"d\":3}", "a.b", "{\"a\":{\"c\":2},\"d\":3}" },
        { "{\"a\":[1,2,3]}", "a[1]", "{\"a\":[1,3]}" },
        { "{\"a\":[1,2,3]}", "a[-1]", "{\"a\":[1,2]}" },
        { "{\"a\":[1,2,3]}", "a.0", "{\"a\":[2,3]}" },
        { "{\"a\":[1]}", "a[0]", "{\"a\":[]}" },
        { "[[1,2],[3]]", "[0][1]", "[[1],[3]]" },
        { "{\"a\":1}", "b", "{\"a\":1}" },
        { "{\"a\":1}", "a.b.c", "{\"a\":1}" },
        { "{\"a\":[1]}", "a[1]", "{\"a\":[1]}" },
        { "{\"a\":[1]}", "a[-2]", "{\"a\":[1]}" },
        { "{\"a\":null}", "a", "{}" },
        { "5", "a", "5" },
        { NULL, "a", "{}" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct json *base = cases[i].base ? value(a, cases[i].base) : NULL;
        struct json_path p = path(a, cases[i].path);
        struct json out;
        assert_int_equal(json_unset(a, base, &p, &out, NULL), 0);
        assert_text(a, &out, cases[i].text);
        if (base)
            assert_text(a, base, cases[i].base);
    }
    struct json_path whole = path(a, "");
    struct json out;
    struct json_error e;
    assert_int_equal(json_unset(a, value(a, "{}"), &whole, &out, &e), -1);
    assert_string_equal(e.reason, "the path names the whole value");
}

static void test_set_key(void **state)
{
    struct arena *a = *state;
    const struct json *base = value(a, "{\"a.b\":1,\"c\":2}");
    struct json out = json_set_key(a, base, STR("a.b"), value(a, "[1]"));
    assert_text(a, &out, "{\"a.b\":[1],\"c\":2}");
    out = json_set_key(a, base, STR("x[0]"), value(a, "3"));
    assert_text(a, &out, "{\"a.b\":1,\"c\":2,\"x[0]\":3}");
    out = json_set_key(a, base, STR(""), value(a, "3"));
    assert_text(a, &out, "{\"a.b\":1,\"c\":2,\"\":3}");
    out = json_set_key(a, value(a, "[1]"), STR("k\n"), value(a, "3"));
    assert_text(a, &out, "{\"k\\n\":3}");
}

/* A value put into itself again and again nests deeper than any text may. */
static void test_deep_value(void **state)
{
    struct arena *a = *state;
    enum { DEEP = 300000 };
    struct json v = json_of_int(1);
    for (int i = 0; i < DEEP; i++)
        v = json_set_key(a, NULL, STR("k"), &v);
    wf_str text = json_text(a, &v);
    assert_int_equal(text.len, DEEP * 6 + 1);
    struct json copy = json_copy(a, &v), back;
    assert_true(json_equal(&copy, &v));
    assert_int_equal(json_parse(a, text.ptr, text.len, DEEP, &back, NULL), 0);
    assert_true(json_equal(&back, &v));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_set),        TEST(test_set_errors),   TEST(test_set_fills_up),
        TEST(test_set_shares), TEST(test_set_in_place), TEST(test_set_missing),
        TEST(test_unset),      TEST(test_set_key),      TEST(test_deep_value),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
