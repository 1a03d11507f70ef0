/* SPDX-License-Identifier: Apache-2.0
 * fixture: one expression compiled, loaded and evaluated, for the tests of core/expr. The workflow
 * it sees has the nodes First (0, two items) and Later (1, not run yet).
 */
#ifndef EXPR_FIXTURE_H
#define EXPR_FIXTURE_H
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "expr/expr.h"

struct fixture {
    struct arena arena;
    struct expr_lua *lua;
    struct json json;
    struct expr_item items[2];
    struct json meta;
    struct expr_error error;
    struct err err;
    enum expr_kind kind;
};

static inline struct json fixture_parse(struct fixture *x, const char *text)
{
    struct json out;
    struct json_error error;
    if (json_parse(&x->arena, text, strlen(text), 0, &out, &error) != 0)
        fail_msg("fixture: %s", error.reason);
    return out;
}

static inline void fixture_open(struct fixture *x, const struct expr_limits *limits)
{
    memset(x, 0, sizeof *x);
    arena_init(&x->arena, NULL, 0);
    x->lua = expr_lua_create(limits, NULL, &x->err);
    assert_non_null(x->lua);
    x->json = fixture_parse(x, "{\"n\":5,\"text\":\"hello\",\"list\":[1,2,3]}");
    x->meta = fixture_parse(x, "{\"id\":\"w1\",\"name\":\"Test\"}");
    for (int i = 0; i < 2; i++) {
        struct json *json = ARENA_NEW(&x->arena, struct json);
        *json = fixture_parse(x, i ? "{\"v\":\"second\"}" : "{\"v\":\"first\"}");
        x->items[i] = (struct expr_item){ json, NULL };
    }
}

static inline void fixture_close(struct fixture *x)
{
    expr_lua_destroy(x->lua);
    arena_fini(&x->arena);
}

static inline int fixture_node(void *of, wf_str name)
{
    (void)of;
    return str_eq(name, STR("First")) ? 0 : str_eq(name, STR("Later")) ? 1 : -1;
}

static inline int64_t fixture_count(void *of, int node, unsigned branch, int run)
{
    (void)of;
    (void)run;
    return node == 1 || branch > 0 ? -1 : 2;
}

static inline int fixture_at(void *of, int node, unsigned branch, int run, int64_t i,
                             struct expr_item *out)
{
    (void)node;
    (void)branch;
    (void)run;
    if (i < 0 || i > 1)
        return -1;
    *out = ((struct fixture *)of)->items[i];
    return 0;
}

static inline int fixture_paired(void *of, int node, struct expr_item *out, char *why, size_t size)
{
    if (node == 1) {
        snprintf(why, size, "the node has not run");
        return -1;
    }
    *out = ((struct fixture *)of)->items[1];
    return 0;
}

static inline int fixture_matching(void *of, int node, int64_t i, struct expr_item *out, char *why,
                                   size_t size)
{
    (void)why;
    (void)size;
    return fixture_at(of, node, 0, 0, i, out);
}

static inline const struct json *fixture_meta(void *of, enum expr_meta meta, int node)
{
    struct fixture *x = of;
    static struct json index = { .type = JSON_INT, .i = 3 };
    (void)node;
    return meta == EXPR_META_ITEM_INDEX ? &index : meta == EXPR_META_ENV ? NULL : &x->meta;
}

static const struct expr_view fixture_view = { .paired = fixture_paired,
                                               .matching = fixture_matching,
                                               .count = fixture_count,
                                               .at = fixture_at,
                                               .node_index = fixture_node,
                                               .meta = fixture_meta };

static inline struct expr_scope fixture_scope(struct fixture *x)
{
    return (struct expr_scope){ .arena = &x->arena,
                                .json = &x->json,
                                .view = &fixture_view,
                                .of = x,
                                .now_us = 1700000000000000,
                                .timezone = "Europe/Berlin" };
}

/* The result of "=<text>" as JSON text; "undefined"; NULL with x->error or x->err. */
static inline const char *fixture_eval(struct fixture *x, const char *text)
{
    struct expr_unit unit = { .arena = &x->arena, .node_index = fixture_node };
    struct expr_scope scope = fixture_scope(x);
    struct json out;
    wf_str source = arena_printf(&x->arena, "=%s", text);
    memset(&x->error, 0, sizeof x->error);
    memset(&x->err, 0, sizeof x->err);
    const struct expr *expr = expr_compile(&unit, source, "test", &x->error);
    if (!expr)
        return NULL;
    x->kind = expr->kind;
    struct expr_loaded *loaded = expr_load(x->lua, &unit, &x->err);
    assert_non_null(loaded);
    int result = expr_eval(x->lua, loaded, expr, &scope, &out, &x->err);
    expr_unload(x->lua, loaded);
    if (result != 0)
        return NULL;
    return out.type == JSON_MISSING ? "undefined" : json_text(&x->arena, &out).ptr;
}

#endif
