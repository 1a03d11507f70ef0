/* SPDX-License-Identifier: Apache-2.0
 * The grammar, case by case: texts that must be taken, with what is written back, and texts that
 * must not, with the byte where they go wrong. Each text is parsed from a block of exactly its
 * size, so that a sanitizer sees a read past it.
 */
#include "json/json.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

struct taken {
    const char *text;
    size_t len;
    const char *written; /* NULL: as it came */
};

struct refused {
    const char *text;
    size_t len;
    size_t offset;
    const char *reason;
};

/* clang-format off */
#define SAME(text) { "" text, sizeof(text) - 1, NULL }
#define TAKE(text, written) { "" text, sizeof(text) - 1, written }
static const struct taken taken[] = {
    /* words and white space */
    SAME("null"), SAME("true"), SAME("false"),
    TAKE(" null", "null"), TAKE("null ", "null"), TAKE("\t\r\n true \n\r\t", "true"),
    TAKE(" [ ] ", "[]"), TAKE(" { } ", "{}"), TAKE("[\n1\t,\r2 ]", "[1,2]"),
    TAKE("{ \"a\" : 1 , \"b\" : [ ] }", "{\"a\":1,\"b\":[]}"),
    TAKE("{\n\t\"a\"\n:\n\"b\"\n}", "{\"a\":\"b\"}"),
    /* containers */
    SAME("[]"), SAME("{}"), SAME("[[]]"), SAME("[{}]"), SAME("{\"a\":{}}"), SAME("{\"a\":[]}"),
    SAME("[null]"), SAME("[true,false,null]"), SAME("[[],[],[[]]]"), SAME("[1,\"a\",{\"b\":2.5}]"),
    SAME("[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]"), SAME("{\"a\":{\"b\":{\"c\":{\"d\":null}}}}"),
    SAME("[{\"a\":1},{\"a\":1},{\"a\":1}]"), SAME("{\"a\":\"a\",\"b\":\"a\"}"),
    /* keys */
    SAME("{\"\":0}"), SAME("{\"\":\"\"}"), SAME("{\" \":1}"), SAME("{\"a.b\":1}"),
    SAME("{\"A\":1,\"a\":2}"), SAME("{\"a\":1,\"aa\":2,\"aaa\":3}"),
    SAME("{\"a very long member name that takes more than two blocks\":1}"),
    TAKE("{\"\\u0061\":1}", "{\"a\":1}"), SAME("{\"a\\\"b\":1}"), SAME("{\"\\u0000\":1}"),
    SAME("{\"\xd0\xba\xd0\xbb\xd1\x8e\xd1\x87\":1}"),
    TAKE("{\"a\":1,\"a\":2}", "{\"a\":2}"), TAKE("{\"a\":1,\"b\":2,\"a\":3}", "{\"a\":3,\"b\":2}"),
    TAKE("{\"a\":1,\"\\u0061\":2}", "{\"a\":2}"), TAKE("{\"\":1,\"\":2}", "{\"\":2}"),
    TAKE("{\"a\":[1],\"b\":0,\"a\":{\"a\":1,\"a\":[]},\"b\":null}", "{\"a\":{\"a\":[]},\"b\":null}"),
    TAKE("{\"a\":{\"a\":1,\"a\":1},\"a\":2}", "{\"a\":2}"), SAME("{\"a\":{\"a\":1}}"),
    /* integers */
    SAME("0"), SAME("1"), SAME("-1"), SAME("10"), SAME("99"), SAME("100"), SAME("101"), SAME("-100"),
    SAME("1234567"), SAME("12345678"), SAME("123456789"), SAME("1732281600123"),
    SAME("2147483648"), SAME("4294967296"), SAME("9007199254740993"), SAME("-9007199254740993"),
    SAME("999999999999999999"), SAME("1000000000000000000"),
    SAME("9223372036854775807"), SAME("-9223372036854775808"), TAKE("-0", "0"), SAME("[0,-1]"),
    /* numbers that keep their text */
    SAME("9223372036854775808"), SAME("-9223372036854775809"), SAME("9999999999999999999"),
    SAME("18446744073709551616"), SAME("123456789012345678901234567890123456789"),
    SAME("-123456789012345678901234567890123456789"),
    SAME("0.0"), SAME("-0.0"), SAME("0.1"), SAME("-0.1"), SAME("1.0"), SAME("1.50"), SAME("3.14159"),
    SAME("0.00000000000000000000000000000000000000000000000000000000001"),
    SAME("1e5"), SAME("1E5"), SAME("1e+5"), SAME("1E+5"), SAME("1e-5"), SAME("1E-5"), SAME("0e0"), SAME("-0e1"),
    SAME("0E+00"), SAME("1e01"), SAME("1.5e3"), SAME("1.5E-3"), SAME("1e400"), SAME("-1e400"), SAME("1e-400"),
    SAME("1e99999999999999999999"), SAME("123.456e78"), SAME("[1.5,2e3,-0.25]"), SAME("{\"a\":1e1}"),
    /* strings */
    SAME("\"\""), SAME("\"a\""), SAME("\" \""), SAME("\"hello world\""), SAME("\"\x7f\""),
    SAME("\"123456789012345\""), SAME("\"1234567890123456\""), SAME("\"12345678901234567\""),
    SAME("\"a string of more than thirty-two bytes, all plain\""), SAME("\"/\""), SAME("\"'\""),
    SAME("\"[]{}:,\""), SAME("[\"a\",\"b\"]"), SAME("\"// no comment\""),
    /* escapes */
    SAME("\"\\\"\""), SAME("\"\\\\\""), TAKE("\"\\/\"", "\"/\""), SAME("\"\\b\\f\\n\\r\\t\""),
    SAME("\"\\\\\\\\\""), SAME("\"a\\nb\""), SAME("\"\\\\n\""), SAME("\"\\\\u0041\""), SAME("\"\\\"\\\"\""),
    TAKE("\"\\u0041\"", "\"A\""), TAKE("\"\\u0022\"", "\"\\\"\""), TAKE("\"\\u005c\"", "\"\\\\\""),
    TAKE("\"\\u005C\"", "\"\\\\\""), TAKE("\"\\u000a\"", "\"\\n\""), TAKE("\"\\u000A\"", "\"\\n\""),
    SAME("\"\\u0000\""), SAME("\"\\u0001\\u001f\""), TAKE("\"\\u0020\"", "\" \""),
    TAKE("\"\\u007f\"", "\"\x7f\""), TAKE("\"\\u0080\"", "\"\xc2\x80\""), TAKE("\"\\u07ff\"", "\"\xdf\xbf\""),
    TAKE("\"\\u0800\"", "\"\xe0\xa0\x80\""), TAKE("\"\\u20ac\"", "\"\xe2\x82\xac\""),
    TAKE("\"\\uD7FF\"", "\"\xed\x9f\xbf\""), TAKE("\"\\uE000\"", "\"\xee\x80\x80\""),
    TAKE("\"\\uFFFD\"", "\"\xef\xbf\xbd\""), TAKE("\"\\uFFFE\"", "\"\xef\xbf\xbe\""), TAKE("\"\\uffff\"", "\"\xef\xbf\xbf\""),
    TAKE("\"\\ud800\\udc00\"", "\"\xf0\x90\x80\x80\""), TAKE("\"\\uD83D\\uDE00\"", "\"\xf0\x9f\x98\x80\""),
    TAKE("\"\\uDBFF\\uDFFF\"", "\"\xf4\x8f\xbf\xbf\""), TAKE("\"a\\ud83d\\ude00b\"", "\"a\xf0\x9f\x98\x80""b\""),
    TAKE("\"\\ud83d\\ude00\\ud83d\\ude01\"", "\"\xf0\x9f\x98\x80\xf0\x9f\x98\x81\""),
    TAKE("\"long enough for a block, then \\u00e9 and on\"", "\"long enough for a block, then \xc3\xa9 and on\""),
    TAKE("\"\xc3\xa9\\u00e9\xc3\xa9\"", "\"\xc3\xa9\xc3\xa9\xc3\xa9\""),
    /* UTF-8 */
    SAME("\"\xc2\x80\""), SAME("\"\xdf\xbf\""), SAME("\"\xe0\xa0\x80\""), SAME("\"\xed\x9f\xbf\""), SAME("\"\xee\x80\x80\""),
    SAME("\"\xef\xbb\xbf\""), SAME("\"\xef\xbf\xbf\""), SAME("\"\xf0\x90\x80\x80\""), SAME("\"\xf4\x8f\xbf\xbf\""),
    SAME("\"\xe2\x80\xa8\xe2\x80\xa9\""), SAME("\"\xd0\x9f\xd1\x80\xd0\xb8\xd0\xb2\xd0\xb5\xd1\x82, \xd0\xbc\xd0\xb8\xd1\x80\""),
    SAME("\"abcdefghijklmn\xc3\xa9\""), SAME("\"abcdefghijklmno\xc3\xa9\""), SAME("\"abcdefghijklmnop\xc3\xa9pqr\""),
    SAME("\"\xe4\xbd\xa0\xe5\xa5\xbd\xef\xbc\x8c\xe4\xb8\x96\xe7\x95\x8c\""), SAME("\"\xf0\x9f\x91\xa9\xe2\x80\x8d\xf0\x9f\x9a\x80\""),
};

#define REFUSE(text, at, why) { "" text, sizeof(text) - 1, at, why }
static const struct refused refused[] = {
    /* nothing, or not enough */
    REFUSE("", 0, "unexpected end"), REFUSE(" \n", 2, "unexpected end"),
    REFUSE("[", 1, "unexpected end"), REFUSE("{", 1, "unexpected end"), REFUSE("[1", 2, "unexpected end"),
    REFUSE("[1,", 3, "unexpected end"), REFUSE("[[]", 3, "unexpected end"), REFUSE("{\"a\"", 4, "unexpected end"),
    REFUSE("{\"a\":", 5, "unexpected end"), REFUSE("{\"a\":1", 6, "unexpected end"), REFUSE("{\"a\":1,", 7, "unexpected end"),
    REFUSE("{\"a", 3, "unexpected end"), REFUSE("\"", 1, "unexpected end"), REFUSE("\"abc", 4, "unexpected end"),
    REFUSE("\"abc\\", 5, "unexpected end"), REFUSE("\"abc\\\"", 6, "unexpected end"), REFUSE("t", 1, "unexpected end"),
    REFUSE("tru", 3, "unexpected end"), REFUSE("fals", 4, "unexpected end"), REFUSE("nul", 3, "unexpected end"),
    REFUSE("-", 1, "unexpected end"), REFUSE("1.", 2, "unexpected end"), REFUSE("1e", 2, "unexpected end"),
    REFUSE("1e+", 3, "unexpected end"), REFUSE("[{\"a\":[{\"b\":\"c", 14, "unexpected end"),
    REFUSE("\"a string of more than thirty-two bytes, not closed", 51, "unexpected end"),
    /* texts that end with a bracket, but not with the right one */
    REFUSE("{\"a\":[1]", 8, "unexpected end"), REFUSE("[[1] \n", 6, "unexpected end"), REFUSE("\"a]", 3, "unexpected end"),
    REFUSE("[\"a]", 4, "unexpected end"), REFUSE("{\"a]", 4, "unexpected end"), REFUSE("[\"a\\\"]", 6, "unexpected end"),
    REFUSE("[{},{}", 6, "unexpected end"), REFUSE("[{\"a\":{}}", 9, "unexpected end"), REFUSE("[\"\xc3\xa9]", 5, "unexpected end"),
    REFUSE("\"a string of more than thirty-two bytes, not closed]", 52, "unexpected end"),
    REFUSE("1]", 1, "text behind the value"), REFUSE("\"\"}", 2, "text behind the value"), REFUSE("nul]", 3, "expected a value"),
    REFUSE("-]", 1, "expected a digit"), REFUSE("1.}", 2, "expected a digit"), REFUSE("[1]2]", 3, "text behind the value"),
    /* too much */
    REFUSE("1 2", 2, "text behind the value"), REFUSE("[]]", 2, "text behind the value"), REFUSE("{}}", 2, "text behind the value"),
    REFUSE("null x", 5, "text behind the value"), REFUSE("nullx", 4, "text behind the value"), REFUSE("\"a\"\"b\"", 3, "text behind the value"),
    REFUSE("truefalse", 4, "text behind the value"), REFUSE("[1],", 3, "text behind the value"), REFUSE("{} #", 3, "text behind the value"),
    REFUSE("1\0", 1, "text behind the value"), REFUSE("[]\0", 2, "text behind the value"), REFUSE("{}/**/", 2, "text behind the value"),
    REFUSE("1\f", 1, "text behind the value"), REFUSE("1\xc2\xa0", 1, "text behind the value"), REFUSE("1,2", 1, "text behind the value"),
    REFUSE("- 1", 1, "expected a digit"), REFUSE("1 000", 2, "text behind the value"),
    /* not a value */
    REFUSE("]", 0, "expected a value"), REFUSE("}", 0, "expected a value"), REFUSE(",", 0, "expected a value"),
    REFUSE(":", 0, "expected a value"), REFUSE("[,]", 1, "expected a value"), REFUSE("[1,]", 3, "expected a value"),
    REFUSE("[1,,2]", 3, "expected a value"), REFUSE("[[],]", 4, "expected a value"), REFUSE("[{},,1]", 4, "expected a value"),
    REFUSE("[[]", 3, "unexpected end"), REFUSE("[[]1", 3, "expected ',' or ']'"), REFUSE("[[1],[2],]", 9, "expected a value"), REFUSE("[,1]", 1, "expected a value"), REFUSE("[}", 1, "expected a value"),
    REFUSE("{\"a\":}", 5, "expected a value"), REFUSE("{\"a\":,", 5, "expected a value"), REFUSE("undefined", 0, "expected a value"),
    REFUSE("NaN", 0, "expected a value"), REFUSE("nan", 1, "expected a value"), REFUSE("Infinity", 0, "expected a value"),
    REFUSE("True", 0, "expected a value"), REFUSE("TRUE", 0, "expected a value"), REFUSE("nULL", 1, "expected a value"),
    REFUSE("trux", 3, "expected a value"), REFUSE("fALSE", 1, "expected a value"), REFUSE("'a'", 0, "expected a value"),
    REFUSE("[a]", 1, "expected a value"), REFUSE("\xef\xbb\xbf[]", 0, "expected a value"), REFUSE("\0", 0, "expected a value"),
    REFUSE("\x0b[]", 0, "expected a value"), REFUSE("// c\n1", 0, "expected a value"), REFUSE("[/**/]", 1, "expected a value"),
    REFUSE("\xff", 0, "expected a value"), REFUSE("(1)", 0, "expected a value"), REFUSE("\\u0031", 0, "expected a value"),
    /* structure */
    REFUSE("[1 2]", 3, "expected ',' or ']'"), REFUSE("[1:2]", 2, "expected ',' or ']'"), REFUSE("[1}", 2, "expected ',' or ']'"),
    REFUSE("[\"a\" \"b\"]", 5, "expected ',' or ']'"), REFUSE("[[]1]", 3, "expected ',' or ']'"), REFUSE("[1;2]", 2, "expected ',' or ']'"),
    REFUSE("{\"a\":1]", 6, "expected ',' or '}'"), REFUSE("{\"a\":1 \"b\":2}", 7, "expected ',' or '}'"), REFUSE("{\"a\":1:2}", 6, "expected ',' or '}'"),
    REFUSE("{\"a\" 1}", 5, "expected ':'"), REFUSE("{\"a\",1}", 4, "expected ':'"), REFUSE("{\"a\"}", 4, "expected ':'"),
    REFUSE("{\"a\"::1}", 5, "expected a value"), REFUSE("{\"a\"=1}", 4, "expected ':'"),
    REFUSE("{,}", 1, "expected a member name"), REFUSE("{a:1}", 1, "expected a member name"), REFUSE("{1:1}", 1, "expected a member name"),
    REFUSE("{'a':1}", 1, "expected a member name"), REFUSE("{null:1}", 1, "expected a member name"), REFUSE("{[]:1}", 1, "expected a member name"),
    REFUSE("{\"a\":1,}", 7, "expected a member name"), REFUSE("{\"a\":{},}", 8, "expected a member name"),
    REFUSE("{\"a\":[1],\"b\"}", 12, "expected ':'"), REFUSE("{\"a\":{}\"b\":1}", 7, "expected ',' or '}'"), REFUSE("{\"a\":1,,}", 7, "expected a member name"), REFUSE("{]", 1, "expected a member name"),
    REFUSE("{\"a\":1, b}", 8, "expected a member name"), REFUSE("{{}}", 1, "expected a member name"), REFUSE("{:1}", 1, "expected a member name"),
    /* numbers */
    REFUSE("+1", 0, "expected a value"), REFUSE(".5", 0, "expected a value"), REFUSE("-.5", 1, "expected a digit"),
    REFUSE("--1", 1, "expected a digit"), REFUSE("-a", 1, "expected a digit"), REFUSE("-Infinity", 1, "expected a digit"),
    REFUSE("01", 1, "digit after a leading zero"), REFUSE("00", 1, "digit after a leading zero"), REFUSE("-01", 2, "digit after a leading zero"),
    REFUSE("[012]", 2, "digit after a leading zero"), REFUSE("00.5", 1, "digit after a leading zero"), REFUSE("-00", 2, "digit after a leading zero"),
    REFUSE("1.e5", 2, "expected a digit"), REFUSE("1.x", 2, "expected a digit"), REFUSE("[1.]", 3, "expected a digit"),
    REFUSE("1ea", 2, "expected a digit"), REFUSE("1e+-5", 3, "expected a digit"), REFUSE("[1e]", 3, "expected a digit"),
    REFUSE("1e5.5", 3, "text behind the value"), REFUSE("1.2.3", 3, "text behind the value"), REFUSE("0x1F", 1, "text behind the value"),
    REFUSE("1e5e5", 3, "text behind the value"), REFUSE("1_000", 1, "text behind the value"), REFUSE("1n", 1, "text behind the value"),
    REFUSE("\xef\xbc\x91", 0, "expected a value"), REFUSE("[1\xc2\xb2]", 2, "expected ',' or ']'"), REFUSE("1+2", 1, "text behind the value"),
    /* control characters */
    REFUSE("\"\n\"", 1, "control character in a string"), REFUSE("\"\t\"", 1, "control character in a string"),
    REFUSE("\"\0\"", 1, "control character in a string"), REFUSE("\"a\x1f\"", 2, "control character in a string"),
    REFUSE("\"a string of more than thirty-two bytes\r\n\"", 39, "control character in a string"),
    REFUSE("\"\\n\n\"", 3, "control character in a string"), REFUSE("{\"\n\":1}", 2, "control character in a string"),
    REFUSE("\"\xc3\xa9\x01\"", 3, "control character in a string"), REFUSE("[\"a\nb\"]", 3, "control character in a string"),
    /* escapes */
    REFUSE("\"\\x41\"", 1, "bad escape"), REFUSE("\"\\a\"", 1, "bad escape"), REFUSE("\"\\'\"", 1, "bad escape"),
    REFUSE("\"\\0\"", 1, "bad escape"), REFUSE("\"\\N\"", 1, "bad escape"), REFUSE("\"\\ \"", 1, "bad escape"), REFUSE("\"\\U0041\"", 1, "bad escape"),
    REFUSE("\"ab\\\n\"", 3, "bad escape"), REFUSE("\"\\\0\"", 1, "bad escape"), REFUSE("\"\\\xc3\xa9\"", 1, "bad escape"),
    REFUSE("\"\\u\"", 1, "bad \\u escape"), REFUSE("\"\\u004\"", 1, "bad \\u escape"), REFUSE("\"\\u004g\"", 1, "bad \\u escape"),
    REFUSE("\"\\u 041\"", 1, "bad \\u escape"), REFUSE("\"\\u-041\"", 1, "bad \\u escape"), REFUSE("\"\\u00", 1, "bad \\u escape"),
    REFUSE("\"\\u{41}\"", 1, "bad \\u escape"), REFUSE("{\"\\q\":1}", 2, "bad escape"), REFUSE("\"\\u\xc3\xa9xx\"", 1, "bad \\u escape"),
    /* surrogates */
    REFUSE("\"\\ud800\"", 1, "lone surrogate"), REFUSE("\"\\udc00\"", 1, "lone surrogate"), REFUSE("\"\\uDFFF\"", 1, "lone surrogate"),
    REFUSE("\"\\uDBFF\"", 1, "lone surrogate"), REFUSE("\"\\ud800\\ud800\"", 1, "lone surrogate"), REFUSE("\"\\ud800a\"", 1, "lone surrogate"), REFUSE("\"\\ud800\\ue000\"", 1, "lone surrogate"),
    REFUSE("\"\\ud800\\udbff\"", 1, "lone surrogate"),
    REFUSE("\"\\ud800\\n\"", 1, "lone surrogate"), REFUSE("\"\\ud800\\u0041\"", 1, "lone surrogate"), REFUSE("\"\\udc00\\ud800\"", 1, "lone surrogate"),
    REFUSE("\"a\\ud83d\\ude00\\ude00\"", 14, "lone surrogate"), REFUSE("\"\\ud800\\u", 1, "lone surrogate"), REFUSE("\"\\ud800\\udc0\"", 1, "lone surrogate"),
    REFUSE("\"\\ud800\\uzzzz\"", 1, "lone surrogate"), REFUSE("\"\\ud800", 1, "lone surrogate"), REFUSE("\"\\ud800\\", 1, "lone surrogate"),
    /* UTF-8 */
    REFUSE("\"\x80\"", 1, "not UTF-8"), REFUSE("\"\xbf\"", 1, "not UTF-8"), REFUSE("\"\xff\"", 1, "not UTF-8"), REFUSE("\"\xfe\"", 1, "not UTF-8"),
    REFUSE("\"\xc0\x80\"", 1, "not UTF-8"), REFUSE("\"\xc1\xbf\"", 1, "not UTF-8"), REFUSE("\"\xc0\xaf\"", 1, "not UTF-8"),
    REFUSE("\"\xe0\x80\x80\"", 1, "not UTF-8"), REFUSE("\"\xe0\x9f\xbf\"", 1, "not UTF-8"), REFUSE("\"\xed\xa0\x80\"", 1, "not UTF-8"),
    REFUSE("\"\xed\xbf\xbf\"", 1, "not UTF-8"), REFUSE("\"\xf0\x80\x80\x80\"", 1, "not UTF-8"), REFUSE("\"\xf0\x8f\xbf\xbf\"", 1, "not UTF-8"),
    REFUSE("\"\xf4\x90\x80\x80\"", 1, "not UTF-8"), REFUSE("\"\xf5\x80\x80\x80\"", 1, "not UTF-8"), REFUSE("\"\xf8\x88\x80\x80\x80\"", 1, "not UTF-8"),
    REFUSE("\"\xc3\"", 1, "not UTF-8"), REFUSE("\"\xe2\x82\"", 1, "not UTF-8"), REFUSE("\"\xf0\x9f\x98\"", 1, "not UTF-8"),
    REFUSE("\"\xc3", 1, "not UTF-8"), REFUSE("\"\xe2\x82", 1, "not UTF-8"), REFUSE("\"\xf0\x9f\x98", 1, "not UTF-8"), REFUSE("\"\xc3\xc3\xa9\"", 1, "not UTF-8"),
    REFUSE("\"\xe2\x28\xa1\"", 1, "not UTF-8"), REFUSE("\"\xe2\x82\x28\"", 1, "not UTF-8"), REFUSE("\"\xf0\x28\x8c\xbc\"", 1, "not UTF-8"),
    REFUSE("\"\xf0\x9f\x28\xbc\"", 1, "not UTF-8"), REFUSE("\"\xf0\x9f\x98\x28\"", 1, "not UTF-8"), REFUSE("\"caf\xe9\"", 4, "not UTF-8"),
    REFUSE("\"\xc3\xa9\xc3\xa9\xa9\"", 5, "not UTF-8"), REFUSE("\"\\n\x80\"", 3, "not UTF-8"), REFUSE("{\"\xff\":1}", 2, "not UTF-8"),
    REFUSE("\"more than sixteen plain bytes and then \xed\xa0\xbd\xed\xb8\x80\"", 40, "not UTF-8"),
    REFUSE("\"\xd0\x9f\xd1\x80\xd0\xb8\xd0\xb2\xd0\xb5\xd1\"", 11, "not UTF-8"), REFUSE("\"\xd0\x9f\xd1\x80\xd0\xb8\xc1\xb2\xd0\xb5\xd1\x82\"", 7, "not UTF-8"),
};
/* clang-format on */

/* Parses from a block of exactly the text's size. The caller frees *block. */
static int parse_exact(struct arena *a, const char *text, size_t len, char **block, struct json *v,
                       struct json_error *e)
{
    *block = malloc(len ? len : 1);
    assert_non_null(*block);
    memcpy(*block, text, len);
    return json_parse(a, *block, len, 0, v, e);
}

static void check_taken(const struct taken *t, const char *before, const char *behind)
{
    struct arena a;
    struct json v;
    struct json_error e = { 0, "" };
    struct strbuf text, expected;
    char *block;
    arena_init(&a, NULL, 0);
    strbuf_init(&text, 65536);
    strbuf_init(&expected, 65536);
    strbuf_adds(&text, before);
    strbuf_add(&text, t->text, t->len);
    strbuf_adds(&text, behind);
    strbuf_adds(&expected, before);
    strbuf_adds(&expected, t->written ? t->written : t->text);
    strbuf_adds(&expected, behind);
    if (parse_exact(&a, text.ptr, text.len, &block, &v, &e) != 0)
        fail_msg("%s: refused at %zu: %s", text.ptr, e.offset, e.reason);
    assert_string_equal(json_text(&a, &v).ptr, expected.ptr);
    strbuf_fini(&text);
    strbuf_fini(&expected);
    free(block);
    arena_fini(&a);
}

static void test_taken(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof taken / sizeof *taken; i++) {
        check_taken(&taken[i], "", "");
        check_taken(&taken[i], "[", "]");
        check_taken(&taken[i], "[0,", ",\"\"]");
        check_taken(&taken[i], "{\"k\":", ",\"l\":[]}");
    }
}

static void check_refused(const char *text, size_t len, size_t offset, const char *reason)
{
    struct arena a;
    struct json v = { .type = JSON_TRUE };
    struct json_error e = { 0, "" };
    char *block;
    arena_init(&a, NULL, 0);
    if (parse_exact(&a, text, len, &block, &v, &e) == 0)
        fail_msg("%.*s: taken as %s", (int)len, text, json_text(&a, &v).ptr);
    if (e.offset != offset || strcmp(e.reason, reason) != 0)
        fail_msg("%.*s: refused at %zu: %s, expected %zu: %s", (int)len, text, e.offset, e.reason,
                 offset, reason);
    assert_int_equal(v.type, JSON_TRUE); /* untouched */
    /* Without a place for the error, and as a copy, the outcome is the same. */
    assert_int_equal(json_parse(&a, block, len, 0, &v, NULL), -1);
    assert_int_equal(json_parse_copy(&a, block, len, 0, &v, &e), -1);
    assert_int_equal(e.offset, offset);
    free(block);
    arena_fini(&a);
}

static void test_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        const struct refused *r = &refused[i];
        check_refused(r->text, r->len, r->offset, r->reason);
        struct strbuf inner;
        strbuf_init(&inner, 65536);
        strbuf_adds(&inner, "{\"deeper\": [0,\t");
        strbuf_add(&inner, r->text, r->len);
        if (strcmp(r->reason, "text behind the value") != 0)
            check_refused(inner.ptr, inner.len, r->offset + 15, r->reason);
        strbuf_fini(&inner);
    }
}

/* No beginning of a container or string is a whole text. */
static void test_beginnings(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof taken / sizeof *taken; i++) {
        const char *text = taken[i].text;
        if (*text != '[' && *text != '{' && *text != '"')
            continue;
        for (size_t len = 0; len < taken[i].len; len++) {
            struct arena a;
            struct json v;
            struct json_error e;
            char *block;
            arena_init(&a, NULL, 0);
            assert_int_equal(parse_exact(&a, text, len, &block, &v, &e), -1);
            assert_true(e.offset <= len);
            free(block);
            arena_fini(&a);
        }
    }
}

/* Every byte that may stand alone outside of strings, and no other. */
static void test_single_bytes(void **state)
{
    (void)state;
    for (int c = 0; c < 256; c++) {
        struct arena a;
        struct json v;
        char text[1] = { (char)c };
        arena_init(&a, NULL, 0);
        assert_int_equal(json_parse(&a, text, 1, 0, &v, NULL), c >= '0' && c <= '9' ? 0 : -1);
        arena_fini(&a);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_taken),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_beginnings),
        cmocka_unit_test(test_single_bytes),
    };
    printf("%zu texts to take, %zu to refuse\n", sizeof taken / sizeof *taken,
           sizeof refused / sizeof *refused);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
