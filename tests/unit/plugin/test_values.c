/* SPDX-License-Identifier: Apache-2.0
 * The values table and shapes, over json values in an item's arena.
 */
#include "stub.h"
#include <math.h>

static struct arena *the_arena;
static const wf_values *v;

static struct arena *arena_of(wf_item *it)
{
    assert_ptr_equal(it, the_arena); /* any handle will do; this one is checked */
    return the_arena;
}

#define IT ((wf_item *)(void *)the_arena)

static int up(void **state)
{
    fixture_up(state);
    the_arena = &((struct fixture *)*state)->arena;
    v = values_table(arena_of);
    return 0;
}

static const wf_value *of(const char *text)
{
    const char *why = NULL;
    const wf_value *value = v->parse(IT, str_of(json_of(text)), &why);
    if (!value)
        fail_msg("%s: %s", text, why);
    return value;
}

static const char *text_of(const wf_value *value)
{
    return value ? v->json(IT, value).ptr : "(missing)";
}

static void missing_is_missing(void **state)
{
    (void)state;
    int64_t i;
    double d;
    const char *ptr;
    size_t len;
    assert_int_equal(v->type(NULL), WF_JSON_MISSING);
    assert_int_equal(v->boolean(NULL), 0);
    assert_int_equal(v->int64(NULL, &i), -1);
    assert_int_equal(v->number(NULL, &d), -1);
    assert_int_equal(v->bytes(NULL, &ptr, &len), -1);
    assert_int_equal(v->count(NULL), 0);
    assert_null(v->at(NULL, 0));
    assert_null(v->get(NULL, "a", 1));
    assert_null(v->path(NULL, "a.b"));
    assert_int_equal(v->key(NULL, 0).len, 0);
    assert_int_equal(v->equal(NULL, NULL), 1);
    assert_int_equal(v->equal(NULL, of("null")), 0);
    assert_string_equal(v->text(IT, NULL).ptr, "");
    assert_string_equal(v->json(IT, NULL).ptr, "null");
}

static void types_and_truth(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        wf_json_type type;
        int truth;
    } cases[] = {
        { "null", WF_JSON_NULL, 0 },  { "true", WF_JSON_BOOL, 1 },  { "false", WF_JSON_BOOL, 0 },
        { "0", WF_JSON_NUMBER, 0 },   { "1.5", WF_JSON_NUMBER, 1 }, { "''", WF_JSON_STRING, 0 },
        { "'0'", WF_JSON_STRING, 1 }, { "[]", WF_JSON_ARRAY, 1 },   { "{}", WF_JSON_OBJECT, 1 },
        { "1e2", WF_JSON_NUMBER, 1 },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_equal(v->type(of(cases[i].text)), cases[i].type);
        assert_int_equal(v->boolean(of(cases[i].text)), cases[i].truth);
    }
}

static void numbers(void **state)
{
    (void)state;
    int64_t i;
    double d;
    assert_int_equal(v->int64(of("9223372036854775807"), &i), 0);
    assert_true(i == INT64_MAX);
    assert_int_equal(v->int64(of("1e3"), &i), 0);
    assert_int_equal(i, 1000);
    assert_int_equal(v->int64(of("1.5"), &i), -1);
    assert_int_equal(v->int64(of("9223372036854775808"), &i), -1);
    assert_int_equal(v->int64(of("'5'"), &i), -1);
    assert_int_equal(v->number(of("2.25"), &d), 0);
    assert_true(d == 2.25);
    assert_string_equal(text_of(v->of_number(IT, (double)NAN)), "null");
    assert_string_equal(text_of(v->of_number(IT, 0.1)), "0.1");
    assert_string_equal(text_of(v->of_int(IT, INT64_MIN)), "-9223372036854775808");
    assert_string_equal(text_of(v->of_bool(IT, 7)), "true");
}

static void reading(void **state)
{
    (void)state;
    const wf_value *x = of("{'a':{'b':[10,{'c':'d'}]},'x.y':5,'e':'text'}");
    const char *ptr;
    size_t len;
    assert_int_equal(v->count(x), 3);
    assert_string_equal(text_of(v->at(x, 2)), "\"text\"");
    assert_null(v->at(x, 3));
    assert_int_equal(v->key(x, 1).len, 3);
    assert_memory_equal(v->key(x, 1).ptr, "x.y", 3);
    assert_string_equal(text_of(v->get(x, "x.y", 3)), "5");
    assert_null(v->get(x, "x", 1));
    assert_string_equal(text_of(v->path(x, "a.b[1].c")), "\"d\"");
    assert_string_equal(text_of(v->path(x, "a.b[-1].c")), "\"d\"");
    assert_string_equal(text_of(v->path(x, "['x.y']")), "5");
    assert_string_equal(text_of(v->path(x, "e")), "\"text\"");
    assert_ptr_equal(v->path(x, ""), x);
    assert_null(v->path(x, "a.z.b"));
    assert_null(v->path(x, "a.b[7]"));
    assert_null(v->path(x, "a[["));
    assert_int_equal(v->bytes(v->path(x, "e"), &ptr, &len), 0);
    assert_int_equal(len, 4);
    assert_int_equal(v->bytes(x, &ptr, &len), -1);
    assert_int_equal(v->equal(of("{'a':1,'b':[2.0]}"), of("{'b':[2],'a':1}")), 1);
    assert_int_equal(v->equal(of("{'a':1}"), of("{'a':2}")), 0);
}

static void text_is_nul_ended(void **state)
{
    (void)state;
    wf_str s = v->text(IT, v->get(of("{'k':'abc','z':1}"), "k", 1));
    assert_int_equal(s.len, 3);
    assert_string_equal(s.ptr, "abc");
    assert_string_equal(v->text(IT, of("[1,'a']")).ptr, "[1,\"a\"]");
    assert_string_equal(v->text(IT, of("null")).ptr, "");
    assert_string_equal(v->text(IT, of("1.50")).ptr, "1.50");
    assert_string_equal(v->json(IT, of("'a'")).ptr, "\"a\"");
}

static void parsing(void **state)
{
    (void)state;
    const char *why = NULL;
    char text[] = "{\"a\":\"bytes\"}";
    const wf_value *x = v->parse(IT, (wf_str){ text, strlen(text) }, &why);
    memset(text, 'x', sizeof text - 1); /* the plugin's buffer goes away */
    assert_string_equal(text_of(x), "{\"a\":\"bytes\"}");
    assert_null(v->parse(IT, STR("{\"a\":}"), &why));
    assert_non_null(strstr(why, "at byte 5: "));
    assert_null(v->parse(IT, STR("x"), NULL));
}

static void making(void **state)
{
    (void)state;
    char bytes[] = "abc", key[] = "key";
    const wf_value *text = v->of_str(IT, bytes, 3);
    const wf_value *parts[] = { text, NULL, v->of_int(IT, 1) };
    wf_str keys[] = { { key, 3 }, STR("gone"), STR("n") };
    const wf_value *array = v->array(IT, parts, 3), *object = v->object(IT, keys, parts, 3);
    memset(bytes, 'x', 3);
    memset(key, 'x', 3);
    assert_string_equal(text_of(array), "[\"abc\",null,1]");
    assert_string_equal(text_of(object), "{\"key\":\"abc\",\"n\":1}");
    assert_string_equal(text_of(v->array(IT, NULL, 0)), "[]");
    assert_string_equal(text_of(v->object(IT, NULL, NULL, 0)), "{}");
    wf_str same[] = { STR("a"), STR("b"), STR("a") };
    const wf_value *three[] = { v->of_int(IT, 1), v->of_int(IT, 2), v->of_int(IT, 3) };
    assert_string_equal(text_of(v->object(IT, same, three, 3)), "{\"a\":3,\"b\":2}");
    assert_string_equal(text_of(v->of_str(IT, "a\xff", 2)), "\"a\xef\xbf\xbd\"");
}

static void editing(void **state)
{
    (void)state;
    const wf_value *base = of("{'a':{'b':1},'c':[1,2]}"), *five = v->of_int(IT, 5);
    char path[] = "a.new", key[] = "dotted.name";
    const wf_value *set = v->set(IT, base, path, five),
                   *named = v->set_key(IT, base, str_of(key), five);
    memset(path, 'x', strlen(path));
    memset(key, 'x', strlen(key));
    assert_string_equal(text_of(set), "{\"a\":{\"b\":1,\"new\":5},\"c\":[1,2]}");
    assert_string_equal(text_of(named), "{\"a\":{\"b\":1},\"c\":[1,2],\"dotted.name\":5}");
    assert_string_equal(text_of(v->set(IT, base, "c[1]", five)), "{\"a\":{\"b\":1},\"c\":[1,5]}");
    assert_string_equal(text_of(v->set(IT, base, "a", five)), "{\"a\":5,\"c\":[1,2]}");
    assert_string_equal(text_of(v->set(IT, base, "", five)), "5");
    assert_string_equal(text_of(v->set(IT, NULL, "x", five)), "{\"x\":5}");
    assert_string_equal(text_of(v->set(IT, NULL, "x.y", five)), "{\"x\":{\"y\":5}}");
    assert_null(v->set(IT, base, "c.d", five));
    assert_null(v->set(IT, base, "a[[", five));
    assert_string_equal(text_of(v->unset(IT, base, "a.b")), "{\"a\":{},\"c\":[1,2]}");
    assert_string_equal(text_of(v->unset(IT, base, "nothing.here")),
                        "{\"a\":{\"b\":1},\"c\":[1,2]}");
    assert_string_equal(text_of(base), "{\"a\":{\"b\":1},\"c\":[1,2]}"); /* as it was */
}

static const char *built(const char *shape, ...)
{
    va_list args;
    va_start(args, shape);
    const struct json *made = values_build(the_arena, shape, args);
    va_end(args);
    return made ? json_text(the_arena, made).ptr : "(wrong)";
}

static void shapes(void **state)
{
    (void)state;
    const wf_value *value = of("[true]");
    assert_string_equal(
        built("{s:s,s:[i,f,b,n,v,S]}", "a", "x", "list", (int64_t)5, 1.5, 1, value, STR("y")),
        "{\"a\":\"x\",\"list\":[5,1.5,true,null,[true],\"y\"]}");
    assert_string_equal(built(" { s : { } , s : [ ] } ", "a", "b"), "{\"a\":{},\"b\":[]}");
    assert_string_equal(built("s", "alone"), "\"alone\"");
    assert_string_equal(
        built("{s:v,s:s,s:S}", "gone", NULL, "null", NULL, "none", (wf_str){ NULL, 0 }),
        "{\"null\":null,\"none\":null}");
    assert_string_equal(built("[v]", NULL), "[null]");
    assert_string_equal(built("v", NULL), "null");
    assert_string_equal(built("{s:i,s:i}", "a", (int64_t)1, "a", (int64_t)2), "{\"a\":2}");
}

static void wrong_shapes(void **state)
{
    (void)state;
    static const char *const wrong[] = { "",      "{",    "}",   "[i", "[i,]", "q",
                                         "{i:i}", "[i]i", "[i}", ",",  "[i i]" };
    static const char *const keyed[] = { "{s}",   "{s:}",  "{s:i,}",   "{s:i",
                                         "{s:i]", "{s i}", "{s:i s:i}" };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        if (strcmp(built(wrong[i], (int64_t)1, (int64_t)2), "(wrong)") != 0)
            fail_msg("shape was taken: %s", wrong[i]);
    for (size_t i = 0; i < sizeof keyed / sizeof *keyed; i++)
        if (strcmp(built(keyed[i], "a", (int64_t)1, "b", (int64_t)2), "(wrong)") != 0)
            fail_msg("shape was taken: %s", keyed[i]);
    assert_string_equal(
        built("[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[i]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]", (int64_t)1),
        "(wrong)");
}

#define VALUE(test) cmocka_unit_test_setup_teardown(test, up, fixture_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        VALUE(missing_is_missing),
        VALUE(types_and_truth),
        VALUE(numbers),
        VALUE(reading),
        VALUE(text_is_nul_ended),
        VALUE(parsing),
        VALUE(making),
        VALUE(editing),
        VALUE(shapes),
        VALUE(wrong_shapes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
