/* SPDX-License-Identifier: Apache-2.0
 * catalyst/json_text.h: what it writes is read back as it was, in the room that was reckoned.
 */
#include "json/json.h"
#include <catalyst/json_text.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

static void texts_and_numbers(void **state)
{
    (void)state;
    static const char hard[] = "a\"b\\c\n\t\x01 \xc3\xa4 \xf0\x9f\x98\x80 /";
    static const int64_t numbers[] = { 0, -1, 42, INT64_MAX, INT64_MIN };
    wf_str text = { hard, sizeof hard - 1 };
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        size_t room = 4 * WF_JSON_MEMBER_BYTES + WF_JSON_BYTE_BYTES * text.len;
        char *bytes = malloc(room);
        struct wf_json j = { bytes };
        wf_json_raw(&j, "{\"v\":1", 6);
        WF_JSON_TEXT(&j, "sixteen_bytes_ab", text);
        WF_JSON_INT(&j, "sixteen_bytes_cd", numbers[i]);
        wf_json_raw(&j, "}", 1);
        assert_true((size_t)(j.at - bytes) <= room);
        struct arena a;
        struct json doc;
        struct json_error why;
        arena_init(&a, NULL, 0);
        assert_int_equal(json_parse(&a, bytes, (size_t)(j.at - bytes), 0, &doc, &why), 0);
        wf_str back = json_str(JSON_GET(&doc, "sixteen_bytes_ab"));
        assert_int_equal(back.len, text.len);
        assert_memory_equal(back.ptr, text.ptr, text.len);
        int64_t number;
        assert_true(json_int(JSON_GET(&doc, "sixteen_bytes_cd"), &number));
        assert_true(number == numbers[i]);
        arena_fini(&a);
        free(bytes);
    }
}

/* Every byte that needs an escape, at its longest. */
static void the_room_is_enough(void **state)
{
    (void)state;
    char control[64];
    memset(control, 7, sizeof control);
    wf_str text = { control, sizeof control };
    char *bytes = malloc(WF_JSON_MEMBER_BYTES + WF_JSON_BYTE_BYTES * text.len);
    struct wf_json j = { bytes };
    WF_JSON_TEXT(&j, "sixteen_bytes_ab", text);
    assert_true((size_t)(j.at - bytes) <= WF_JSON_MEMBER_BYTES + WF_JSON_BYTE_BYTES * text.len);
    free(bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts_and_numbers),
        cmocka_unit_test(the_room_is_enough),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
