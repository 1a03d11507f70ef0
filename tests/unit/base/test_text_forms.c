/* SPDX-License-Identifier: Apache-2.0
 * Bytes as text: hex and base64, there and back, and what is neither; code points and times.
 */
#include "base/base64.h"
#include "base/clock.h"
#include "base/hex.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <cmocka.h>

static void hex_goes_there_and_back(void **state)
{
    (void)state;
    unsigned char all[256], back[256];
    char text[512];
    for (int i = 0; i < 256; i++)
        all[i] = (unsigned char)i;
    hex_encode(text, all, sizeof all);
    assert_memory_equal(text, "000102030405060708090a0b0c0d0e0f10", 34);
    assert_memory_equal(text + 510, "ff", 2);
    assert_true(hex_decode((wf_str){ text, sizeof text }, back, sizeof back));
    assert_memory_equal(back, all, sizeof all);
    assert_true(hex_decode(STR("DeadBEEF"), back, 4));
    assert_memory_equal(back, "\xde\xad\xbe\xef", 4);
    assert_true(hex_decode(STR(""), back, 0));
}

static void what_is_no_hex_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = { "",     "1",    "123",  "12345", "123g", "g123",
                                       "12 4", "0x12", "12@4", "12`4",  "-123", "12\n4" };
    unsigned char out[2];
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (hex_decode(str_of(bad[i]), out, sizeof out))
            fail_msg("'%s' was taken", bad[i]);
    for (int c = 0; c < 256; c++) {
        bool is_digit = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
        assert_int_equal(hex_digit((char)c) >= 0, is_digit);
    }
}

static void base64_goes_there_and_back(void **state)
{
    (void)state;
    static const char *const pairs[][2] = {
        { "", "" },        { "f", "Zg==" },        { "fo", "Zm8=" },
        { "foo", "Zm9v" }, { "foob", "Zm9vYg==" }, { "\xfb\xff\xfe", "+//+" }
    };
    struct arena a;
    struct strbuf b;
    wf_str back;
    arena_init(&a, NULL, 0);
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        wf_str bytes = str_of(pairs[i][0]);
        strbuf_init(&b, 100);
        base64_add(&b, bytes.ptr, bytes.len);
        assert_true(str_eq(strbuf_str(&b), str_of(pairs[i][1])));
        assert_true(base64_decode(&a, pairs[i][1], strlen(pairs[i][1]), &back));
        assert_true(str_eq(back, bytes));
        strbuf_fini(&b);
    }
    assert_true(base64_decode(&a, "-__-", 4, &back)); /* the alphabet of URLs */
    assert_true(str_eq(back, STR("\xfb\xff\xfe")));
    assert_true(base64_decode(&a, "Zg", 2, &back)); /* no padding */
    assert_true(str_eq(back, STR("f")));
    arena_fini(&a);
}

static void what_is_no_base64_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = { "Z", "Zm9vY", "Zm 9", "Zm9*", "=Zm9", "Z\n8=" };
    struct arena a;
    wf_str back;
    arena_init(&a, NULL, 0);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (base64_decode(&a, bad[i], strlen(bad[i]), &back))
            fail_msg("'%s' was taken", bad[i]);
    arena_fini(&a);
}

static void a_full_buffer_takes_no_base64(void **state)
{
    (void)state;
    struct strbuf b;
    strbuf_init(&b, 7);
    base64_add(&b, "foob", 4);
    assert_true(b.failed);
    assert_int_equal(b.len, 0);
    strbuf_fini(&b);
}

static void code_points_become_utf8(void **state)
{
    (void)state;
    static const struct {
        uint32_t code;
        const char *bytes;
    } cases[] = { { 0x41, "A" },
                  { 0x7f, "\x7f" },
                  { 0x80, "\xc2\x80" },
                  { 0x7ff, "\xdf\xbf" },
                  { 0x800, "\xe0\xa0\x80" },
                  { 0xffff, "\xef\xbf\xbf" },
                  { 0x10000, "\xf0\x90\x80\x80" },
                  { 0x1f600, "\xf0\x9f\x98\x80" },
                  { 0x10ffff, "\xf4\x8f\xbf\xbf" } };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char to[5] = "";
        size_t len = (size_t)(str_utf8_put(to, cases[i].code) - to);
        assert_string_equal(to, cases[i].bytes);
        assert_int_equal(len, strlen(cases[i].bytes));
        assert_int_equal(str_utf8_length((const unsigned char *)to, len), len);
    }
}

static void times_are_cut_to_milliseconds(void **state)
{
    (void)state;
    char text[CLOCK_TEXT];
    clock_text(0, text);
    assert_string_equal(text, "1970-01-01T00:00:00.000Z");
    clock_text(INT64_C(1709209799999999), text);
    assert_string_equal(text, "2024-02-29T12:29:59.999Z");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hex_goes_there_and_back),
        cmocka_unit_test(what_is_no_hex_is_refused),
        cmocka_unit_test(base64_goes_there_and_back),
        cmocka_unit_test(what_is_no_base64_is_refused),
        cmocka_unit_test(a_full_buffer_takes_no_base64),
        cmocka_unit_test(code_points_become_utf8),
        cmocka_unit_test(times_are_cut_to_milliseconds),
    };
    return cmocka_run_group_tests_name("base.text_forms", tests, NULL, NULL);
}
