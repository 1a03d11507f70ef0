/* SPDX-License-Identifier: Apache-2.0
 * Percent-encoding, queries, forms, multipart, media types, Retry-After.
 */
#include "http/http.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

static struct arena a;
static struct err err;

static int setup(void **state)
{
    (void)state;
    arena_init(&a, NULL, 0);
    err = (struct err){ 0 };
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    arena_fini(&a);
    return 0;
}

static void assert_text(wf_str got, const char *wanted)
{
    assert_int_equal(got.len, strlen(wanted));
    assert_memory_equal(got.ptr, wanted, got.len);
    assert_int_equal(got.ptr[got.len], 0);
}

static void test_decode(void **state)
{
    (void)state;
    static const struct {
        const char *raw, *path, *form;
    } cases[] = {
        { "a%20b+c", "a b+c", "a b c" },
        { "%C3%a9", "\xc3\xa9", "\xc3\xa9" },
        { "100%", "100%", "100%" },
        { "%4", "%4", "%4" },
        { "%zz%4x", "%zz%4x", "%zz%4x" },
        { "%2541", "%41", "%41" }, /* once */
        { "", "", "" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char out[32];
        size_t len = http_decode(out, str_of(cases[i].raw), false);
        assert_int_equal(len, strlen(cases[i].path));
        assert_memory_equal(out, cases[i].path, len);
        len = http_decode(out, str_of(cases[i].raw), true);
        assert_int_equal(len, strlen(cases[i].form));
        assert_memory_equal(out, cases[i].form, len);
    }
}

static void test_form(void **state)
{
    (void)state;
    struct http_fields f;
    assert_int_equal(http_form_parse(&a, STR("a=1&b=x%26y+z&&flag&=v&a=2&e="), 10, &f, &err), 0);
    assert_int_equal(f.n, 6);
    assert_text(f.at[0].name, "a");
    assert_text(f.at[0].value, "1");
    assert_text(f.at[1].value, "x&y z");
    assert_text(f.at[2].name, "flag");
    assert_text(f.at[2].value, "");
    assert_text(f.at[3].name, "");
    assert_text(f.at[3].value, "v");
    assert_text(http_field_get(&f, "a"), "1"); /* the first */
    assert_text(http_field_get(&f, "e"), "");
    assert_null(http_field_get(&f, "nope").ptr);
    assert_int_equal(http_form_parse(&a, STR(""), 10, &f, &err), 0);
    assert_int_equal(f.n, 0);
    assert_int_equal(http_form_parse(&a, STR("&&&"), 10, &f, &err), 0);
    assert_int_equal(f.n, 0);
}

static void test_form_limit(void **state)
{
    (void)state;
    struct http_fields f;
    assert_int_equal(http_form_parse(&a, STR("a&b&c"), 3, &f, &err), 0);
    assert_int_equal(http_form_parse(&a, STR("a&b&c&d"), 3, &f, &err), -1);
    assert_int_equal(err.code, ERR_LIMIT);
    assert_non_null(strstr(err.text, "at most 3"));
}

static void test_media_type(void **state)
{
    (void)state;
    assert_text(http_media_type(&a, STR(" Application/JSON ; charset=utf-8")), "application/json");
    assert_text(http_media_type(&a, STR("text/plain")), "text/plain");
    assert_text(http_media_type(&a, (wf_str){ NULL, 0 }), "");
}

/* --- multipart -------------------------------------------------------------------------------- */

static struct http_part *parts;
static size_t n_parts;

static int parse(const char *type, const char *body)
{
    return http_multipart_parse(&a, str_of(type), str_of(body), 3, &parts, &n_parts, &err);
}

#define TYPE "multipart/form-data; boundary=XX"

static void test_multipart(void **state)
{
    (void)state;
    assert_int_equal(
        parse(TYPE, "--XX\r\n"
                    "Content-Disposition: form-data; name=\"note\"\r\n\r\n"
                    "hello\r\n--no boundary\r\n--XX\r\n"
                    "content-type: image/png\r\n"
                    "CONTENT-DISPOSITION:form-data; name=pic ; filename=\"a \\\"b\\\".png\"\r\n"
                    "X-Other: ignored\r\n\r\n"
                    "\x89PNG\r\n--XX \t\r\n"
                    "Content-Disposition: form-data; name=\"empty\"\r\n\r\n"
                    "\r\n--XX--\r\nepilogue"),
        0);
    assert_int_equal(n_parts, 3);
    assert_text(parts[0].name, "note");
    assert_null(parts[0].file_name.ptr);
    assert_true(str_eq(parts[0].body, STR("hello\r\n--no boundary")));
    assert_text(parts[1].name, "pic");
    assert_text(parts[1].file_name, "a \"b\".png");
    assert_text(parts[1].content_type, "image/png");
    assert_true(str_eq(parts[1].body, STR("\x89PNG")));
    assert_text(parts[2].name, "empty");
    assert_int_equal(parts[2].body.len, 0);
}

static void test_multipart_shapes(void **state)
{
    (void)state;
    /* preamble; quoted boundary with other parameters; a body without a byte; only the end */
    assert_int_equal(parse("Multipart/Form-Data; charset=x; boundary=\"X X\"; q",
                           "preamble\r\n--X X\r\nContent-Disposition: form-data; name=\"\"\r\n\r\n"
                           "\r\n--X X--"),
                     0);
    assert_int_equal(n_parts, 1);
    assert_text(parts[0].name, "");
    assert_int_equal(parts[0].body.len, 0);
    assert_int_equal(parse(TYPE, "--XX--"), 0);
    assert_int_equal(n_parts, 0);
    /* the boundary's line end may be the headers' */
    assert_int_equal(parse(TYPE, "--XX\r\nContent-Disposition: form-data; name=n\r\n\r\n--XX--"),
                     0);
    assert_int_equal(n_parts, 1);
    assert_int_equal(parts[0].body.len, 0);
    /* the name of RFC 5987 wins */
    assert_int_equal(parse(TYPE,
                           "--XX\r\nContent-Disposition: form-data; name=n; filename=\"cafe\"; "
                           "filename*=utf-8'en'caf%C3%A9\r\n\r\nx\r\n--XX--"),
                     0);
    assert_text(parts[0].file_name, "caf\xc3\xa9");
}

static void assert_bad(const char *type, const char *body, enum err_code code, const char *why)
{
    err = (struct err){ 0 };
    assert_int_equal(parse(type, body), -1);
    assert_int_equal(err.code, code);
    if (!strstr(err.text, why))
        fail_msg("'%s' does not say '%s'", err.text, why);
}

#define PART(n) "--XX\r\nContent-Disposition: form-data; name=" n "\r\n\r\nv\r\n"

static void test_multipart_bad(void **state)
{
    (void)state;
    char long_type[160] = "multipart/form-data; boundary=";
    memset(long_type + strlen(long_type), 'b', 71);
    static char huge[9000] = "--XX\r\nX: ";
    memset(huge + strlen(huge), 'h', 8500);
    assert_bad("text/plain", "--XX--", ERR_INVALID, "'text/plain'");
    assert_bad("multipart/form-data", "--XX--", ERR_INVALID, "no boundary of");
    assert_bad("multipart/form-data; boundary=", "--XX--", ERR_INVALID, "no boundary of");
    assert_bad("multipart/form-data; boundary=\"X", "--X--", ERR_INVALID, "no boundary of");
    assert_bad(long_type, "--XX--", ERR_INVALID, "no boundary of");
    assert_bad(TYPE, "", ERR_INVALID, "is empty");
    assert_bad(TYPE, "--XY--", ERR_INVALID, "not in the body");
    assert_bad(TYPE, "--XXrest", ERR_INVALID, "part 1: its boundary has no line end");
    assert_bad(TYPE, "--XX\r\nContent-Disposition: form-data; name=a", ERR_INVALID, "have no end");
    assert_bad(TYPE, "--XX\r\nContent-Type: x\r\n\r\nv\r\n--XX--", ERR_INVALID, "with a name");
    assert_bad(TYPE, PART("a") "--XX\r\nContent-Disposition: form-data; name=b\r\n\r\nv",
               ERR_INVALID, "part 2: no boundary behind it");
    assert_bad(TYPE, PART("a") PART("b") PART("c") PART("d") "--XX--", ERR_LIMIT,
               "more than 3 parts");
    assert_bad(TYPE, huge, ERR_LIMIT, "over 8192");
}

/* --- Retry-After ------------------------------------------------------------------------------ */

static void test_retry_after(void **state)
{
    (void)state;
    int64_t now_ms = 784111777000; /* Sun, 06 Nov 1994 08:49:37 GMT */
    assert_int_equal(http_retry_after_ms(STR("120"), now_ms), 120000);
    assert_int_equal(http_retry_after_ms(STR(" 0 "), now_ms), 0);
    assert_int_equal(http_retry_after_ms(STR("Sun, 06 Nov 1994 08:50:37 GMT"), now_ms), 60000);
    assert_int_equal(http_retry_after_ms(STR("Sun, 06 Nov 1994 08:48:37 GMT"), now_ms), 0);
    assert_int_equal(http_retry_after_ms(STR("soon"), now_ms), 0);
    assert_int_equal(http_retry_after_ms(STR("-5"), now_ms), 0);
    assert_int_equal(http_retry_after_ms(STR("1.5"), now_ms), 0);
    assert_int_equal(http_retry_after_ms(STR("99999999999999999999"), now_ms), 0);
    assert_int_equal(http_retry_after_ms((wf_str){ NULL, 0 }, now_ms), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_decode),        TEST(test_form),        TEST(test_form_limit),
        TEST(test_media_type),    TEST(test_multipart),   TEST(test_multipart_shapes),
        TEST(test_multipart_bad), TEST(test_retry_after),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
