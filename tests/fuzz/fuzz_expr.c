/* SPDX-License-Identifier: Apache-2.0
 * Any text as a parameter: it compiles and runs within small limits, or is refused with a place
 * inside of it. A text that begins with "L" is a Lua script per item, one that begins with "A" a
 * script over all items; what they wait for is answered at once.
 */
#include "expr/expr.h"
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct expr_lua *lua;
static const char item[] =
    "{\"n\":5,\"text\":\"hello\",\"list\":[1,\"a\",null,{\"x\":true}],\"o\":{\"a\":{\"b\":2}},"
    "\"d\":\"2024-03-30T10:20:30Z\",\"f\":1.5,\"big\":9007199254740993}";

static int node_index(void *ctx, wf_str name)
{
    (void)ctx;
    return str_eq(name, STR("N")) ? 0 : -1;
}

static int64_t count(void *of, int node, unsigned branch, int run)
{
    (void)of;
    (void)run;
    return node <= 0 && branch == 0 ? 1 : -1;
}

static int at(void *of, int node, unsigned branch, int run, int64_t i, struct expr_item *out)
{
    (void)node;
    (void)branch;
    (void)run;
    *out = (struct expr_item){ of, NULL };
    return i == 0 ? 0 : -1;
}

static int paired(void *of, int node, struct expr_item *out, char *why, size_t size)
{
    (void)node;
    (void)why;
    (void)size;
    *out = (struct expr_item){ of, NULL };
    return 0;
}

static int matching(void *of, int node, int64_t i, struct expr_item *out, char *why, size_t size)
{
    snprintf(why, size, "none");
    return i == 0 ? paired(of, node, out, why, size) : -1;
}

static const struct json *meta(void *of, enum expr_meta which, int node)
{
    (void)node;
    return which == EXPR_META_ENV ? NULL : of;
}

static void emit(void *ctx, const struct json *json, int64_t from, bool pass)
{
    struct arena *a = ctx;
    (void)pass;
    if (from < -1 || !json_text(a, json).len)
        abort();
}

static void run_script(struct arena *a, const struct expr_scope *scope, wf_str source, bool each)
{
    struct err err;
    struct json answer = { .type = JSON_TRUE };
    struct expr_item items[2] = { { scope->json, NULL }, { scope->json, NULL } };
    struct expr_script *script = script_compile(lua, source, "fuzz", each, &err);
    if (!script)
        return;
    struct script_run run = {
        .scope = *scope, .items = items, .n_items = each ? 1 : 2, .emit = emit, .ctx = a
    };
    enum script_status status = script_start(lua, script, &run);
    for (int i = 0; status == SCRIPT_WAITS && i < 4; i++)
        status = script_resume(lua, &run, &answer, i == 2 ? "refused" : NULL);
    script_cancel(lua, &run);
    script_free(lua, script);
}

static void run_expression(struct arena *a, const struct expr_scope *scope, wf_str source)
{
    struct err err;
    struct json out;
    struct expr_error error;
    struct expr_unit unit = { .arena = a, .node_index = node_index };
    const struct expr *x = expr_compile(&unit, source, "fuzz", &error);
    if (!x) {
        if (!error.text[0] || error.offset > source.len)
            abort();
        return;
    }
    struct expr_loaded *loaded = expr_load(lua, &unit, &err);
    if (!loaded) {
        /* the small state may be full; anything else is a bug of the compiler */
        if (!strstr(err.text, "memory"))
            abort();
        return;
    }
    if (expr_eval(lua, loaded, x, scope, &out, &err) == 0 && out.type != JSON_MISSING)
        json_text(a, &out);
    expr_unload(lua, loaded);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct expr_view view = { .paired = paired,
                                           .matching = matching,
                                           .count = count,
                                           .at = at,
                                           .node_index = node_index,
                                           .meta = meta };
    static unsigned runs;
    struct expr_limits limits = { .steps = 100000, .memory_bytes = 4 << 20 };
    struct arena a;
    struct err err;
    struct json json;
    struct json_error error;
    if (!lua || ++runs % 1000 == 0) {
        expr_lua_destroy(lua);
        lua = expr_lua_create(&limits, NULL, &err);
    }
    if (!lua)
        abort();
    arena_init(&a, NULL, 0);
    if (json_parse_copy(&a, item, sizeof item - 1, 0, &json, &error) != 0)
        abort();
    struct expr_scope scope = { .arena = &a,
                                .json = &json,
                                .view = &view,
                                .of = &json,
                                .now_us = 1700000000000000,
                                .timezone = "Europe/Berlin" };
    if (size && (data[0] == 'L' || data[0] == 'A')) {
        run_script(&a, &scope, (wf_str){ (const char *)data + 1, size - 1 }, data[0] == 'L');
    } else {
        wf_str source = arena_printf(&a, "=%.*s", (int)size, (const char *)data);
        run_expression(&a, &scope, source);
    }
    arena_fini(&a);
    return 0;
}
