/* SPDX-License-Identifier: Apache-2.0
 * The scan of string bytes against the rule it follows, at every place of a block and for every
 * byte. test_scan_portable.c is the same for machines without SSE2.
 */
#include "json/json_int.h"
#include "json_test.h"

static void check_place(char *text, size_t len, size_t at, int c, enum scan scan)
{
    char *end = text + len;
    text[at] = (char)c;
    const char *expected = scan_stops((unsigned char)c, scan) ? text + at : end;
    if (scan_string(text, end, scan) != expected)
        fail_msg("byte %02x at %zu of %zu", (unsigned)c, at, len);
    text[at] = 'a';
}

static void test_every_byte(void **state)
{
    (void)state;
    for (size_t len = 1; len < 40; len++) {
        char *text = malloc(len); /* exactly, for the sanitizer */
        memset(text, 'a', len);
        for (size_t at = 0; at < len; at++)
            for (int c = 0; c < 256; c++) {
                check_place(text, len, at, c, SCAN_READ);
                check_place(text, len, at, c, SCAN_WRITE);
            }
        assert_ptr_equal(scan_string(text, text + len, SCAN_READ), text + len);
        assert_true(scan_plain(text, len));
        free(text);
    }
    assert_true(scan_plain("", 0));
}

/* Of several bytes that stop it, the first one counts. */
static void test_first_of_two(void **state)
{
    (void)state;
    char text[48];
    for (size_t first = 0; first < sizeof text; first++)
        for (size_t second = first; second < sizeof text; second++) {
            memset(text, ' ', sizeof text);
            text[second] = '\\';
            text[first] = '\x1f';
            assert_ptr_equal(scan_string(text, text + sizeof text, SCAN_WRITE), text + first);
            text[first] = '"';
            assert_ptr_equal(scan_string(text, text + sizeof text, SCAN_READ), text + first);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_every_byte),
                                        cmocka_unit_test(test_first_of_two) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
