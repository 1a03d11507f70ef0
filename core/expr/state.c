/* SPDX-License-Identifier: Apache-2.0
 * state: a worker's two Lua states, their limits, and the evaluation of compiled expressions.
 *
 * Memory: both states share one allocator with a limit; what an expression puts into its arena is
 * counted too where it can grow. Steps: a compiled expression has no loops of its own; they come
 * from functions that call back (map, sort ...). So the count hook, which slows every instruction,
 * is set when the first callback runs and taken away at the end. Work done in C is charged by its
 * size.
 *
 * The worker's thread; nothing blocks.
 */
#include "expr/expr_int.h"
#include <stdio.h>
#include <stdlib.h>
#include "expr/script_int.h"

enum { HOOK_STEPS = 1000 };

struct expr_loaded {
    uint32_t n;
    int *refs; /* of the functions, in the registry */
    char **names;
};

static void *limited_alloc(void *ud, void *ptr, size_t old, size_t size)
{
    struct expr_lua *lua = ud;
    size_t before = ptr ? old : 0;
    if (size > before && lua->bytes + (size - before) > lua->limit_bytes)
        return NULL;
    if (!size) {
        free(ptr);
        lua->bytes -= before;
        return NULL;
    }
    void *p = realloc(ptr, size);
    if (p)
        lua->bytes += size - before;
    return p;
}

/* --- steps ------------------------------------------------------------------------------------ */

static void fail_steps(lua_State *L)
{
    struct expr_lua *lua = js_lua(L);
    lua->exhausted = true;
    luaL_error(L, "step limit of %I reached", (LUAI_UACINT)lua->limit_steps);
}

static void on_count(lua_State *L, lua_Debug *ar)
{
    (void)ar;
    js_charge(L, HOOK_STEPS);
}

void js_charge(lua_State *L, size_t steps)
{
    struct expr_lua *lua = js_lua(L);
    lua->fuel -= (int64_t)steps;
    if (__builtin_expect(lua->fuel < 0, 0))
        fail_steps(L);
}

void js_watch(lua_State *L)
{
    struct expr_lua *lua = js_lua(L);
    if (lua->hooked)
        return;
    lua->hooked = true;
    lua_sethook(L, on_count, LUA_MASKCOUNT, HOOK_STEPS);
}

void js_call(lua_State *L, int n)
{
    js_watch(L);
    js_charge(L, 1);
    lua_call(L, n, 1);
}

/* --- creation --------------------------------------------------------------------------------- */

static int open_runtime(lua_State *L)
{
    runtime_open_operators(L);
    lua_setfield(L, LUA_REGISTRYINDEX, "R");
    runtime_open_methods(L);
    lua_setfield(L, LUA_REGISTRYINDEX, "M");
    runtime_open_statics(L);
    lua_setfield(L, LUA_REGISTRYINDEX, "S");
    runtime_open_nodes(L);
    lua_setfield(L, LUA_REGISTRYINDEX, "N");
    return 0;
}

static lua_State *open_state(struct expr_lua *lua, lua_CFunction open, struct err *err)
{
    lua_State *L = lua_newstate(limited_alloc, lua);
    if (!L) {
        err_set(err, ERR_LIMIT, "expr: the memory limit is too small for a Lua state");
        return NULL;
    }
    *(struct expr_lua **)lua_getextraspace(L) = lua;
    lua_pushcfunction(L, open);
    if (lua_pcall(L, 0, 0, 0) == LUA_OK)
        return L;
    err_set(err, ERR_LIMIT, "expr: cannot set up Lua: %s", lua_tostring(L, -1));
    lua_close(L);
    return NULL;
}

struct expr_lua *expr_lua_create(const struct expr_limits *limits, const char *require_dir,
                                 struct err *err)
{
    struct expr_lua *lua = xcalloc(1, sizeof *lua);
    lua->limit_steps = limits && limits->steps ? limits->steps : 10000000;
    lua->limit_bytes = limits && limits->memory_bytes ? limits->memory_bytes : (size_t)64 << 20;
    lua->require_dir = require_dir ? xstrdup(require_dir) : NULL;
    lua->fuel = INT64_MAX;
    lua->js = open_state(lua, open_runtime, err);
    if (lua->js)
        lua->lua = open_state(lua, script_open, err);
    if (!lua->js || !lua->lua) {
        expr_lua_destroy(lua);
        return NULL;
    }
    return lua;
}

void expr_lua_destroy(struct expr_lua *lua)
{
    if (!lua)
        return;
    if (lua->lua) {
        script_close(lua);
        lua_close(lua->lua);
    }
    if (lua->js)
        lua_close(lua->js);
    regex_cache_free(lua->regexes);
    date_zone_free_all(lua->zones);
    free(lua->require_dir);
    free(lua);
}

size_t expr_lua_bytes(const struct expr_lua *lua) { return lua->bytes; }

/* --- plans ------------------------------------------------------------------------------------ */

/* (chunk text, name): leaves the function of the chunk. */
static int load_chunk(lua_State *L)
{
    const char *source = lua_touserdata(L, 1);
    if (luaL_loadbufferx(L, source, strlen(source), "=x", "t") != LUA_OK)
        return lua_error(L);
    lua_getfield(L, LUA_REGISTRYINDEX, "R");
    lua_getfield(L, LUA_REGISTRYINDEX, "M");
    lua_getfield(L, LUA_REGISTRYINDEX, "S");
    lua_getfield(L, LUA_REGISTRYINDEX, "N");
    lua_call(L, 4, 1);
    lua_pushinteger(L, luaL_ref(L, LUA_REGISTRYINDEX));
    return 1;
}

struct expr_loaded *expr_load(struct expr_lua *lua, const struct expr_unit *unit, struct err *err)
{
    struct expr_loaded *loaded = xcalloc(1, sizeof *loaded);
    lua_State *L = lua->js;
    loaded->refs = xcalloc(unit->n + 1, sizeof *loaded->refs);
    loaded->names = xcalloc(unit->n + 1, sizeof *loaded->names);
    lua->fuel = INT64_MAX;
    for (; loaded->n < unit->n; loaded->n++) {
        lua_pushcfunction(L, load_chunk);
        lua_pushlightuserdata(L, (void *)(uintptr_t)unit->chunks[loaded->n]);
        if (lua_pcall(L, 1, 1, 0) != LUA_OK) {
            err_set(err, ERR_INTERNAL, "%s: %s", unit->names[loaded->n], lua_tostring(L, -1));
            lua_pop(L, 1);
            expr_unload(lua, loaded);
            return NULL;
        }
        loaded->refs[loaded->n] = (int)lua_tointeger(L, -1);
        lua_pop(L, 1);
        loaded->names[loaded->n] =
            xstrdup(unit->names[loaded->n] ? unit->names[loaded->n] : "expression");
    }
    return loaded;
}

void expr_unload(struct expr_lua *lua, struct expr_loaded *loaded)
{
    if (!loaded)
        return;
    for (uint32_t i = 0; i < loaded->n; i++) {
        luaL_unref(lua->js, LUA_REGISTRYINDEX, loaded->refs[i]);
        free(loaded->names[i]);
    }
    free(loaded->refs);
    free(loaded->names);
    free(loaded);
}

/* --- evaluation ------------------------------------------------------------------------------- */

/* "x:12: attempt ..." of Lua itself: the place in generated code says nothing to anybody. */
static const char *without_place(const char *text)
{
    if (text[0] != 'x' || text[1] != ':')
        return text;
    const char *colon = strchr(text + 2, ':');
    return colon && colon[1] == ' ' ? colon + 2 : text;
}

static int fail_lua(struct expr_lua *lua, int status, const char *where, struct err *err)
{
    lua_State *L = lua->js;
    const char *text = lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : "it failed";
    text = without_place(text);
    if (status == LUA_ERRMEM || !strcmp(text, "not enough memory"))
        err_set(err, ERR_LIMIT, "%s: memory limit of %zu KiB reached", where,
                lua->limit_bytes >> 10);
    else
        err_set(err, lua->exhausted ? ERR_LIMIT : ERR_INVALID, "%s: %s", where,
                without_place(text));
    return -1;
}

static int eval_lua(struct expr_lua *lua, struct expr_loaded *loaded, uint32_t function,
                    const struct expr_scope *scope, struct json *out, struct err *err)
{
    lua_State *L = lua->js;
    const struct expr_scope *outer = lua->scope;
    lua->scope = scope;
    lua->arena_start = scope->arena->total_bytes;
    lua->fuel = (int64_t)lua->limit_steps;
    lua->exhausted = false;
    int result = 0, top = lua_gettop(L);
    lua_rawgeti(L, LUA_REGISTRYINDEX, loaded->refs[function]);
    if (scope->json)
        lua_pushlightuserdata(L, (void *)(uintptr_t)scope->json);
    else
        lua_pushnil(L);
    int status = lua_pcall(L, 1, 1, 0);
    if (__builtin_expect(lua->hooked, 0)) {
        lua_sethook(L, NULL, 0, 0);
        lua->hooked = false;
    }
    if (status == LUA_OK) {
        if (!js_to_json(L, -1, out, 0))
            result = lua->exhausted ? err_set(err, ERR_LIMIT, "%s: the result is too large",
                                              loaded->names[function])
                                    : err_set(err, ERR_INVALID,
                                              "%s: the result is nested deeper than %d levels",
                                              loaded->names[function], JSON_DEPTH_MAX);
    } else if (js_is_type_error(L, -1)) {
        *out = (struct json){ .type = JSON_MISSING };
    } else {
        result = fail_lua(lua, status, loaded->names[function], err);
    }
    lua_settop(L, top);
    lua->scope = outer;
    return result;
}

int expr_eval(struct expr_lua *lua, struct expr_loaded *loaded, const struct expr *x,
              const struct expr_scope *scope, struct json *out, struct err *err)
{
    const struct json *found;
    switch (x->kind) {
    case EXPR_CONST:
        *out = x->value;
        return 0;
    case EXPR_PATH:
        if (lookup_value(x->look, scope, &found, err) != 0)
            return -1;
        *out = found ? *found : (struct json){ .type = JSON_MISSING };
        return 0;
    case EXPR_TEMPLATE:
        return lookup_template(x, scope, out, err);
    default:
        BUG_IF(!loaded || x->lua >= loaded->n);
        return eval_lua(lua, loaded, x->lua, scope, out, err);
    }
}
