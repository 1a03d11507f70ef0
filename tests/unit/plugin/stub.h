/* SPDX-License-Identifier: Apache-2.0
 * What the tests of this room share: a table with every type, hooks that record what is reported,
 * and expressions that are paths into one JSON value: "=a.b" finds it, "=!text" fails with the
 * text,
 * "=#json" is a constant, "=?" does not compile.
 */
#ifndef CATALYST_TEST_PLUGIN_STUB_H
#define CATALYST_TEST_PLUGIN_STUB_H
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "plugin/plugin.h"

struct row {
    wf_str name;
    int64_t size;
    const wf_value *extra;
    wf_list inner;
};

struct inner {
    wf_str text;
};

struct config {
    wf_str text, needed, script, same, url;
    int64_t count, wait, limit;
    int on, color;
    double ratio;
    wf_list rows, tags;
    const wf_value *body;
    const wf_cred *cred;
};

static const wf_pair colors[] = {
    { "red", "warm" }, { "green", "fresh" }, { "blue", "cold" }, { NULL, NULL }
};
static const wf_param inner_rows[] = {
    { WF_P_STR(struct inner, text), .flags = WF_EXPR | WF_REQUIRED, .help = "A text" },
    WF_END,
};
static const wf_param list_rows[] = {
    { WF_P_STR(struct row, name), .flags = WF_EXPR | WF_REQUIRED, .help = "Name" },
    { WF_P_INT(struct row, size), .flags = WF_EXPR, .def = "7", .min = 1, .max = 100 },
    { WF_P_VALUE(struct row, extra), .flags = WF_EXPR },
    { WF_P_LIST(struct row, inner, inner_rows, struct inner) },
    WF_END,
};
static const wf_param table[] = {
    { WF_P_STR(struct config, text), .flags = WF_EXPR, .def = "hello", .help = "Some text" },
    { WF_P_STR(struct config, needed), .flags = WF_EXPR | WF_REQUIRED, .help = "Must be there" },
    { WF_P_STR(struct config, script), .flags = WF_RAW | WF_MULTILINE, .help = "A script" },
    { WF_P_STR(struct config, same), .help = "The same for all items" },
    { WF_NAMED("options.url"), WF_F_STR(struct config, url), .flags = WF_EXPR | WF_SECRET },
    { WF_P_INT(struct config, count), .flags = WF_EXPR, .def = "3", .min = -5, .max = 1000 },
    { WF_P_MS(struct config, wait), .flags = WF_EXPR, .def = "2s" },
    { WF_NAMED("options.limit"), WF_F_BYTES(struct config, limit), .flags = WF_EXPR, .def = "64k" },
    { WF_P_BOOL(struct config, on), .flags = WF_EXPR, .def = "true" },
    { WF_P_CHOICE(struct config, color, colors), .flags = WF_EXPR, .def = "green" },
    { WF_P_DOUBLE(struct config, ratio), .flags = WF_EXPR, .min = 0, .max = 10 },
    { WF_NAMED("rows.values"), WF_F_LIST(struct config, rows, list_rows, struct row) },
    { WF_P_LIST(struct config, tags, inner_rows, struct inner) },
    { WF_P_VALUE(struct config, body), .flags = WF_EXPR },
    { WF_P_CRED(struct config, cred, "redis,httpBasicAuth") },
    WF_END,
};

/* --- hooks ------------------------------------------------------------------------------------ */

struct fixture {
    struct arena arena;
    struct params params;
    struct params_hooks hooks;
    struct json data; /* what expressions look into */
    char reports[4000];
    int n_compiled, n_evals;
};

static inline void stub_report(void *ctx, const char *path, bool key, const char *message)
{
    struct fixture *f = ctx;
    size_t len = strlen(f->reports);
    snprintf(f->reports + len, sizeof f->reports - len, "%s%s%s: %s", len ? "\n" : "",
             key ? "key " : "", path, message);
}

static inline const void *stub_compile(void *ctx, const char *path, wf_str text)
{
    struct fixture *f = ctx;
    f->n_compiled++;
    if (text.len > 1 && text.ptr[1] == '?') {
        stub_report(ctx, path, false, "expression is wrong");
        return NULL;
    }
    return arena_strdup(&f->arena, arena_str(&f->arena, text.ptr + 1, text.len - 1).ptr);
}

static inline bool stub_constant(void *ctx, const void *expr, struct json *out)
{
    struct fixture *f = ctx;
    const char *text = expr;
    if (text[0] != '#')
        return false;
    if (json_parse_copy(&f->arena, text + 1, strlen(text + 1), 0, out, NULL) != 0)
        *out = (struct json){ .type = JSON_MISSING };
    return true;
}

/* Texts of names and dots alone that begin with a '.' are paths: ".a.b". */
static inline const struct json_path *stub_path(void *ctx, const void *expr)
{
    struct fixture *f = ctx;
    const char *text = expr;
    struct json_path *path = arena_zalloc(&f->arena, sizeof *path);
    if (text[0] != '.')
        return NULL;
    assert_int_equal(json_path_parse(&f->arena, text + 1, strlen(text + 1), path, NULL), 0);
    return path;
}

static inline int stub_eval(void *ctx, const void *expr, struct json *out, struct err *err)
{
    struct fixture *f = ctx;
    const char *text = expr;
    struct json_path path;
    f->n_evals++;
    text += text[0] == '.';
    if (text[0] == '!')
        return err_set(err, ERR_INVALID, "%s", text + 1);
    assert_int_equal(json_path_parse(&f->arena, text, strlen(text), &path, NULL), 0);
    const struct json *found = json_path_get(&f->data, &path);
    *out = found ? *found : (struct json){ .type = JSON_MISSING };
    return 0;
}

static inline struct json parse(struct arena *a, const char *text)
{
    struct json v;
    struct json_error error;
    if (json_parse_copy(a, text, strlen(text), 0, &v, &error) != 0)
        fail_msg("test JSON at %zu: %s: %s", error.offset, error.reason, text);
    return v;
}

static inline int fixture_up(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    arena_init(&f->arena, NULL, 0);
    f->hooks = (struct params_hooks){
        .ctx = f,
        .report = stub_report,
        .compile = stub_compile,
        .constant = stub_constant,
        .path = stub_path,
    };
    *state = f;
    return 0;
}

static inline int fixture_down(void **state)
{
    struct fixture *f = *state;
    arena_fini(&f->arena);
    free(f);
    return 0;
}

/* Single quotes in test JSON stand for double ones. */
static inline char *json_of(const char *text)
{
    static char buffer[4][8192];
    static int turn;
    char *to = buffer[turn++ % 4];
    snprintf(to, sizeof buffer[0], "%s", text);
    for (char *p = to; *p; p++)
        if (*p == '\'')
            *p = '"';
    return to;
}

/* Backticks in expected messages stand for double quotes. */
static inline char *quoted(const char *text)
{
    static char to[4000];
    snprintf(to, sizeof to, "%s", text);
    for (char *p = to; *p; p++)
        if (*p == '`')
            *p = '"';
    return to;
}

static inline int bind_to(struct fixture *f, const wf_param *rows, size_t size, const char *text)
{
    struct json given = parse(&f->arena, json_of(text));
    f->reports[0] = 0;
    return params_bind(&f->arena, rows, size, &given, NULL, &f->hooks, &f->params);
}

static inline int bind(struct fixture *f, const char *text)
{
    return bind_to(f, table, sizeof(struct config), text);
}

#define UNIT(test) cmocka_unit_test_setup_teardown(test, fixture_up, fixture_down)
#endif
