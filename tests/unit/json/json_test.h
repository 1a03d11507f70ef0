/* SPDX-License-Identifier: Apache-2.0
 * What the tests of the item format share: a value from a text, a path from a text, and a value's
 * text.
 */
#ifndef CATALYST_JSON_TEST_H
#define CATALYST_JSON_TEST_H
#include "json/json.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

static inline const struct json *value(struct arena *a, const char *text)
{
    struct json *v = arena_alloc(a, sizeof *v);
    struct json_error e;
    if (json_parse_copy(a, text, strlen(text), 0, v, &e) != 0)
        fail_msg("%s: %zu: %s", text, e.offset, e.reason);
    return v;
}

static inline struct json_path path(struct arena *a, const char *text)
{
    struct json_path p = { 0 };
    struct json_error e;
    if (json_path_parse(a, text, strlen(text), &p, &e) != 0)
        fail_msg("%s: %zu: %s", text, e.offset, e.reason);
    return p;
}

static inline void assert_text(struct arena *a, const struct json *v, const char *text)
{
    assert_string_equal(json_text(a, v).ptr, text);
}

static inline int arena_start(void **state)
{
    struct arena *a = malloc(sizeof *a);
    arena_init(a, NULL, 0);
    *state = a;
    return 0;
}

static inline int arena_stop(void **state)
{
    arena_fini(*state);
    free(*state);
    return 0;
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, arena_start, arena_stop)
#endif
