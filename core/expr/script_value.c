/* SPDX-License-Identifier: Apache-2.0
 * script_value: values of a script as JSON. Only raw reads are made and nothing is allocated in
 * Lua, so these functions raise no errors and work on a finished coroutine too. Names of a table
 * are sorted: Lua's own order changes from state to state, and the same message must give the same
 * bytes.
 */
#include "expr/script_int.h"
#include <stdio.h>
#include <stdlib.h>

#define FAIL(...) (snprintf(why, why_size, __VA_ARGS__), -1)

/* A slot's value, or what its link stands for. */
static int slot_to_json(lua_State *L, struct script_thread *t, const struct json *value,
                        const struct link *link, struct json *out, unsigned depth, char *why,
                        size_t why_size)
{
    if (link && link->child)
        return view_to_json(L, t, link->child, out, depth + 1, why, why_size);
    if (!link || !link->ref) {
        *out = *value;
        return 0;
    }
    if (!lua_checkstack(L, 4))
        return FAIL("a value is nested too deeply");
    lua_rawgeti(L, LUA_REGISTRYINDEX, t->refs);
    lua_rawgeti(L, -1, link->ref);
    int result = script_to_json(L, t, lua_gettop(L), out, depth + 1, why, why_size);
    lua_pop(L, 2);
    return result;
}

/* An item as a value, when a script puts one into another. */
static int item_to_json(lua_State *L, struct script_thread *t, struct view *v, struct json *out,
                        unsigned depth, char *why, size_t why_size)
{
    struct json_member *members;
    struct json part;
    uint32_t n = 0;
    *out = json_object(t->run->scope.arena, 2, &members);
    for (int i = 0; i < 2; i++) {
        if (slot_to_json(L, t, &v->parts->values[i], &v->parts->links[i], &part, depth, why,
                         why_size) != 0)
            return -1;
        if (part.type == JSON_MISSING)
            continue;
        members[n].key = json_of_str_borrow(i ? STR("binary") : STR("json"));
        members[n++].value = part;
    }
    out->len = n;
    return 0;
}

static struct json list_of(struct json *elements, uint32_t n)
{
    return (struct json){ .type = JSON_ARRAY, .len = n, .elements = elements };
}

/* A list or object some of whose slots are views or tables: with their values put in. */
static int linked_to_json(lua_State *L, struct script_thread *t, struct view *v, struct json *out,
                          unsigned depth, char *why, size_t why_size)
{
    uint32_t n = v->n;
    size_t unit = v->array ? 1 : 2;
    /* every slot is written below, so json_object's defaults would be work twice */
    struct json *slots = arena_alloc(t->run->scope.arena, (unit * n + 1) * sizeof *slots);
    for (uint32_t i = 0; i < n; i++) {
        struct link item = { 0 };
        const struct link *link = v->links ? &v->links[i] : NULL;
        const struct json *value = v->slots ? &v->slots[unit * i + unit - 1] : NULL;
        if (!value) { /* the list of items, unwritten */
            item.child = view_of_item(t, i);
            link = &item;
        }
        if (!v->array)
            slots[1 + 2 * (size_t)i] = v->slots[2 * (size_t)i];
        if (slot_to_json(L, t, value, link, &slots[unit * (i + 1)], depth, why, why_size) != 0)
            return -1;
    }
    *out = v->array ? list_of(slots + 1, n) : json_object_like(v->base, slots, n);
    return 0;
}

/* The slots of a written view are its value as they are: what links name is in them already. */
static bool slots_are_value(const struct view *v)
{
    if (!v->own)
        return false;
    for (uint32_t i = 0; v->links && i < v->n; i++) {
        const struct link *link = &v->links[i];
        if (link->ref || (link->child && (link->child->dirty || link->child->kind != VIEW_JSON)))
            return false;
    }
    return true;
}

int view_to_json(lua_State *L, struct script_thread *t, struct view *v, struct json *out,
                 unsigned depth, char *why, size_t why_size)
{
    if (depth > JSON_DEPTH_MAX)
        return FAIL("a value is nested deeper than %d levels, or contains itself", JSON_DEPTH_MAX);
    if (v->kind == VIEW_ITEM)
        return item_to_json(L, t, v, out, depth, why, why_size);
    if (v->kind == VIEW_JSON && !v->dirty) {
        *out = *v->base;
        return 0;
    }
    if (--js_lua(L)->fuel < 0)
        return FAIL("the result is too large");
    if (!slots_are_value(v))
        return linked_to_json(L, t, v, out, depth, why, why_size);
    v->shared = true;
    *out = v->array ? list_of(v->slots, v->n) : json_object_like(v->base, v->slots - 1, v->n);
    return 0;
}

/* --- tables ----------------------------------------------------------------------------------- */

/* What the keys of a table say it is. */
struct shape {
    size_t integers, strings;
    lua_Integer max; /* largest index; 0: none, or one below 1 */
    bool odd;        /* a key JSON cannot have */
};

static struct shape shape_of(lua_State *L, int at)
{
    struct shape s = { 0 };
    bool below = false;
    for (lua_pushnil(L); lua_next(L, at); lua_pop(L, 1)) {
        if (lua_type(L, -2) == LUA_TSTRING) {
            s.strings++;
        } else if (lua_isinteger(L, -2)) {
            lua_Integer k = lua_tointeger(L, -2);
            s.integers++;
            below = below || k < 1;
            s.max = k > s.max ? k : s.max;
        } else {
            s.odd = true;
        }
    }
    if (below)
        s.max = 0;
    return s;
}

static int compare_members(const void *a, const void *b)
{
    const struct json *x = &((const struct json_member *)a)->key,
                      *y = &((const struct json_member *)b)->key;
    int order = memcmp(x->s, y->s, x->len < y->len ? x->len : y->len);
    return order ? order : (x->len > y->len) - (x->len < y->len);
}

static int array_to_json(lua_State *L, struct script_thread *t, int at, lua_Integer n,
                         struct json *out, unsigned depth, char *why, size_t why_size)
{
    struct json *elements;
    *out = json_array(t->run->scope.arena, (size_t)n, &elements);
    for (lua_Integer i = 0; i < n; i++) {
        lua_rawgeti(L, at, i + 1);
        int result = script_to_json(L, t, lua_gettop(L), &elements[i], depth + 1, why, why_size);
        lua_pop(L, 1);
        if (result != 0)
            return -1;
        if (elements[i].type == JSON_MISSING)
            elements[i].type = JSON_NULL;
    }
    return 0;
}

static int object_to_json(lua_State *L, struct script_thread *t, int at, size_t n, struct json *out,
                          unsigned depth, char *why, size_t why_size)
{
    struct json_member *members;
    struct arena *a = t->run->scope.arena;
    size_t i = 0;
    *out = json_object(a, n, &members);
    for (lua_pushnil(L); lua_next(L, at); lua_pop(L, 1), i++) {
        if (lua_type(L, -2) == LUA_TSTRING) {
            size_t len;
            const char *key = lua_tolstring(L, -2, &len);
            members[i].key = json_of_str(a, key, len);
        } else {
            wf_str key = arena_printf(a, "%lld", (long long)lua_tointeger(L, -2));
            members[i].key = json_of_str_borrow(key);
        }
        if (script_to_json(L, t, lua_gettop(L), &members[i].value, depth + 1, why, why_size) != 0) {
            lua_pop(L, 2);
            return -1;
        }
    }
    if (n > 1)
        qsort(members, n, sizeof *members, compare_members);
    /* {[1] = a, ["1"] = b}: JSON has one name for both */
    size_t kept = 0;
    for (i = 0; i < n; i++)
        if (!kept || compare_members(&members[kept - 1], &members[i]) != 0)
            members[kept++] = members[i];
    out->len = (uint32_t)kept;
    return 0;
}

bool script_is_array(lua_State *L, int at)
{
    if (!lua_getmetatable(L, at))
        return false;
    bool is = lua_topointer(L, -1) == js_lua(L)->script_array_mt;
    lua_pop(L, 1);
    return is;
}

static int table_to_json(lua_State *L, struct script_thread *t, int at, struct json *out,
                         unsigned depth, char *why, size_t why_size)
{
    struct shape s = shape_of(L, at);
    bool array = script_is_array(L, at);
    if (s.odd)
        return FAIL("a table with a key that is neither a name nor an index cannot become JSON");
    if (s.strings && array)
        return FAIL("a list made by array{} has named fields");
    /* some holes are nulls; many mean that the numbers are names */
    if (array || (s.max && !s.strings && s.max <= (lua_Integer)(2 * s.integers + 8)))
        return array_to_json(L, t, at, s.max, out, depth, why, why_size);
    return object_to_json(L, t, at, s.integers + s.strings, out, depth, why, why_size);
}

int script_to_json(lua_State *L, struct script_thread *t, int at, struct json *out, unsigned depth,
                   char *why, size_t why_size)
{
    size_t len;
    if (depth > JSON_DEPTH_MAX || !lua_checkstack(L, 8))
        return FAIL("a value is nested deeper than %d levels, or contains itself", JSON_DEPTH_MAX);
    /* a small table that holds itself many times over is large as JSON */
    if (t->run->scope.arena->total_bytes > js_lua(L)->arena_start + js_lua(L)->limit_bytes ||
        --js_lua(L)->fuel < 0)
        return FAIL("the result is too large");
    switch (lua_type(L, at)) {
    case LUA_TNIL:
        *out = (struct json){ .type = JSON_MISSING };
        return 0;
    case LUA_TBOOLEAN:
        *out = json_of_bool(lua_toboolean(L, at));
        return 0;
    case LUA_TNUMBER:
        *out = lua_isinteger(L, at) ? json_of_int(lua_tointeger(L, at))
                                    : json_of_double(lua_tonumber(L, at));
        return 0;
    case LUA_TSTRING: {
        const char *s = lua_tolstring(L, at, &len);
        *out = json_of_str(t->run->scope.arena, s, len);
        return 0;
    }
    case LUA_TLIGHTUSERDATA: {
        uint64_t handle = (uint64_t)(uintptr_t)lua_touserdata(L, at);
        *out = (struct json){ .type = JSON_NULL };
        if (!handle)
            return 0;
        struct view *v = view_of_handle(t, handle);
        if (!v)
            return FAIL("an item of an earlier run was kept: it is gone");
        return view_to_json(L, t, v, out, depth, why, why_size);
    }
    case LUA_TTABLE:
        return table_to_json(L, t, at, out, depth, why, why_size);
    default:
        return FAIL("a %s cannot become JSON", lua_typename(L, lua_type(L, at)));
    }
}

struct json script_json(lua_State *L, int at)
{
    struct json out;
    char why[200];
    if (script_to_json(L, script_running(L), lua_absindex(L, at), &out, 0, why, sizeof why) != 0)
        luaL_error(L, "%s", why);
    return out;
}
