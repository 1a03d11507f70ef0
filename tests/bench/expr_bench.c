/* SPDX-License-Identifier: Apache-2.0
 * What expressions and Lua steps cost for the standard message of 342 bytes. One JSON line per
 * figure: the median, the least and the most of 7 rounds, all in: evaluation or run, result in an
 * arena.
 * With an argument: only the cases whose name holds it.
 */
#include "expr/expr.h"
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { ROUNDS = 7, TIMES = 50000, ITEMS = 16 };

static const char message[] =
    "{\"id\":\"01HV5Z7Q3K8M2N4P6R8T0V2X4Z\",\"tenant\":\"acme-telecom\",\"channel\":\"sms\","
    "\"from\":\"+4915112345678\",\"to\":\"+4917698765432\","
    "\"text\":\"Your code is 482913. Do not share it with anybody. Ends 12:40\","
    "\"ts\":1732281600123,\"segments\":1,\"priority\":5,"
    "\"meta\":{\"campaign\":\"login-otp\",\"ref\":\"a1b2c3d4\",\"price\":0.0075,\"retry\":false},"
    "\"tags\":[\"otp\",\"de\",\"gold\"]}";

static const struct {
    const char *name, *source;
} expressions[] = {
    { "path", "={{ $json.priority }}" },
    { "path_nested", "={{ $json.meta.price }}" },
    { "template", "=to {{ $json.to }}: {{ $json.text }}" },
    { "lua_arithmetic", "={{ $json.priority * 2 }}" },
    { "lua_condition", "={{ $json.priority > 3 && $json.channel === 'sms' }}" },
    { "lua_ternary", "={{ $json.meta.price > 0.01 ? 'dear' : 'cheap' }}" },
    { "lua_concat", "={{ $json.tenant + ':' + $json.channel }}" },
    { "lua_method", "={{ $json.channel.toUpperCase() }}" },
    { "lua_regex", "={{ /\\d{6}/.test($json.text) }}" },
    { "lua_map_join", "={{ $json.tags.map(t => t.length).join('-') }}" },
    { "lua_object", "={{ ({to: $json.to, n: $json.priority + 1}) }}" },
    { "lua_now", "={{ $now.plus({days: 1}).toFormat('yyyy-MM-dd') }}" },
};

static const struct {
    const char *name, *source;
    bool all; /* over ITEMS items at once: the figure is for one of them */
} scripts[] = {
    { "script_empty", "", false },
    { "script_field", "item.json.total = item.json.priority * 2", false },
    { "script_nested", "item.json.cost = item.json.meta.price * item.json.segments", false },
    { "script_table", "return {to = json.to, n = json.priority + 1}", false },
    { "script_drop", "if json.priority > 3 then return false end", false },
    { "script_loop", "local n = 0 for i = 1, 20 do n = n + i end json.total = n", false },
    { "script_all", "for _, it in ipairs(items) do it.json.total = it.json.priority * 2 end",
      true },
};

struct bench {
    struct arena arena;
    char first[65536];
    struct expr_lua *lua;
    struct json item;
    struct expr_scope scope;
    uint64_t sink; /* so that no work is left out */
};

static double now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void print(const char *name, double ns[ROUNDS])
{
    qsort(ns, ROUNDS, sizeof *ns, compare);
    printf("{\"bench\":\"expr\",\"case\":\"%s\",\"ns\":%.1f,\"min_ns\":%.1f,\"max_ns\":%.1f}\n",
           name, ns[ROUNDS / 2], ns[0], ns[ROUNDS - 1]);
}

static void stop(const char *what, const char *why)
{
    fprintf(stderr, "expr_bench: %s: %s\n", what, why);
    exit(1);
}

static void bench_expression(struct bench *b, const char *name, const char *source)
{
    struct arena plan;
    struct err err;
    struct expr_error error;
    double ns[ROUNDS];
    arena_init(&plan, NULL, 0);
    struct expr_unit unit = { .arena = &plan };
    const struct expr *x = expr_compile(&unit, str_of(source), name, &error);
    if (!x)
        stop(name, error.text);
    struct expr_loaded *loaded = expr_load(b->lua, &unit, &err);
    if (!loaded)
        stop(name, err.text);
    for (int round = 0; round < ROUNDS; round++) {
        double start = now_ns();
        for (int i = 0; i < TIMES; i++) {
            struct json out;
            if (expr_eval(b->lua, loaded, x, &b->scope, &out, &err) != 0)
                stop(name, err.text);
            b->sink += out.type;
            arena_clear(&b->arena);
        }
        ns[round] = (now_ns() - start) / TIMES;
    }
    print(name, ns);
    expr_unload(b->lua, loaded);
    arena_fini(&plan);
}

static void on_emit(void *ctx, const struct json *json, int64_t from, bool pass)
{
    struct bench *b = ctx;
    (void)from;
    (void)pass;
    b->sink += json->len;
}

static void bench_script(struct bench *b, const char *name, const char *source, bool all)
{
    struct err err;
    double ns[ROUNDS];
    struct expr_item items[ITEMS];
    for (int i = 0; i < ITEMS; i++)
        items[i] = (struct expr_item){ &b->item, NULL };
    size_t n = all ? ITEMS : 1;
    struct expr_script *script = script_compile(b->lua, str_of(source), name, !all, &err);
    if (!script)
        stop(name, err.text);
    for (int round = 0; round < ROUNDS; round++) {
        double start = now_ns();
        for (size_t i = 0; i < TIMES; i += n) {
            struct script_run run = {
                .scope = b->scope, .items = items, .n_items = n, .emit = on_emit, .ctx = b
            };
            if (script_start(b->lua, script, &run) != SCRIPT_DONE)
                stop(name, run.err.text);
            arena_clear(&b->arena);
        }
        ns[round] = (now_ns() - start) / TIMES;
    }
    print(name, ns);
    script_free(b->lua, script);
}

int main(int argc, char **argv)
{
    static struct bench b;
    struct err err;
    struct json_error error;
    struct arena source;
    arena_init(&source, NULL, 0);
    arena_init(&b.arena, b.first, sizeof b.first);
    b.lua = expr_lua_create(NULL, NULL, &err);
    if (!b.lua)
        stop("state", err.text);
    if (json_parse(&source, message, sizeof message - 1, 0, &b.item, &error) != 0)
        stop("message", error.reason);
    b.scope = (struct expr_scope){
        .arena = &b.arena, .json = &b.item, .now_us = 1700000000000000, .timezone = "Europe/Berlin"
    };
    for (size_t i = 0; i < sizeof expressions / sizeof *expressions; i++)
        if (argc < 2 || strstr(expressions[i].name, argv[1]))
            bench_expression(&b, expressions[i].name, expressions[i].source);
    for (size_t i = 0; i < sizeof scripts / sizeof *scripts; i++)
        if (argc < 2 || strstr(scripts[i].name, argv[1]))
            bench_script(&b, scripts[i].name, scripts[i].source, scripts[i].all);
    expr_lua_destroy(b.lua);
    arena_fini(&source);
    return b.sink == 0;
}
