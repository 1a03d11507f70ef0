/* SPDX-License-Identifier: Apache-2.0
 * array_ext: n8n's own functions of arrays. Values are compared by content. The worker's thread.
 */
#include "expr/expr_int.h"
#include <math.h>

static int first(lua_State *L)
{
    js_elem(L, 1, 0);
    return 1;
}

static int last(lua_State *L)
{
    size_t n = js_len(L, 1);
    js_elem(L, 1, n ? n - 1 : 0);
    return 1;
}

static int is_empty(lua_State *L)
{
    lua_pushboolean(L, js_len(L, 1) == 0);
    return 1;
}

static int is_not_empty(lua_State *L)
{
    lua_pushboolean(L, js_len(L, 1) > 0);
    return 1;
}

static int length(lua_State *L)
{
    lua_pushnumber(L, (lua_Number)js_len(L, 1));
    return 1;
}

/* Whether the array at `at` has the value on top. */
static bool contains(lua_State *L, int at, bool pop)
{
    size_t n = js_len(L, at);
    bool found = false;
    js_charge(L, 1 + n / 4);
    for (size_t i = 0; i < n && !found; i++) {
        js_elem(L, at, i);
        found = js_deep_equal(L, -1, -2);
        lua_pop(L, 1);
    }
    if (pop)
        lua_pop(L, 1);
    return found;
}

/* Adds the values of the array at `from` that the one at `not_in` has not (or has) to the one at
 * `to`. */
static void add_if(lua_State *L, int to, int from, int in, bool wanted)
{
    size_t n = js_len(L, from);
    for (size_t i = 0; i < n; i++) {
        js_elem(L, from, i);
        if (contains(L, in, false) == wanted)
            js_array_add(L, to);
        else
            lua_pop(L, 1);
    }
}

static void need_array(lua_State *L, int at)
{
    if (js_type(L, at) != JS_ARRAY)
        luaL_error(L, "an array is expected");
}

static int union_of(lua_State *L)
{
    need_array(L, 2);
    lua_settop(L, 2);
    js_array_new(L, 0);
    add_if(L, 3, 1, 3, false);
    add_if(L, 3, 2, 3, false);
    return 1;
}

static int difference(lua_State *L)
{
    need_array(L, 2);
    lua_settop(L, 2);
    js_array_new(L, 0);
    add_if(L, 3, 1, 2, false);
    return 1;
}

static int intersection(lua_State *L)
{
    need_array(L, 2);
    lua_settop(L, 2);
    js_array_new(L, 0);
    add_if(L, 3, 1, 2, true);
    js_array_new(L, 0);
    add_if(L, 4, 3, 4, false);
    return 1;
}

/* The parts of the object at `at` that arguments 2..n name, as an object on top. */
static void push_fields(lua_State *L, int at, int n)
{
    js_object_new(L);
    for (int i = 2; i <= n; i++) {
        size_t len;
        const char *name = js_arg_string(L, i, &len);
        lua_pushlstring(L, name, len);
        if (js_type(L, at) == JS_OBJECT)
            js_get(L, at, name, len);
        else
            lua_pushnil(L);
        js_put(L, -3);
    }
}

/* unique() by content, or by the fields named. */
static int unique(lua_State *L)
{
    int n = lua_gettop(L);
    size_t count = js_len(L, 1);
    if (n == 1) {
        js_array_new(L, 0);
        add_if(L, 2, 1, 2, false);
        return 1;
    }
    js_array_new(L, 0); /* what was seen */
    js_array_new(L, 0);
    for (size_t i = 0; i < count; i++) {
        js_elem(L, 1, i);
        push_fields(L, lua_gettop(L), n);
        if (contains(L, n + 1, false)) {
            lua_pop(L, 2);
            continue;
        }
        js_array_add(L, n + 1);
        js_array_add(L, n + 2);
    }
    return 1;
}

static int pluck(lua_State *L)
{
    int n = lua_gettop(L);
    size_t count = js_len(L, 1);
    js_array_new(L, count);
    for (size_t i = 0; i < count; i++) {
        js_elem(L, 1, i);
        if (n != 2) {
            push_fields(L, lua_gettop(L), n);
        } else {
            size_t len;
            const char *name = js_arg_string(L, 2, &len);
            if (js_type(L, -1) == JS_OBJECT)
                js_get(L, -1, name, len);
            else
                lua_pushnil(L);
        }
        lua_remove(L, -2);
        js_array_set(L, n + 1, i);
    }
    return 1;
}

static int random_item(lua_State *L)
{
    lua_getfield(L, LUA_REGISTRYINDEX, "S");
    lua_getfield(L, -1, "Math.random");
    lua_call(L, 0, 1);
    js_elem(L, 1, (size_t)(lua_tonumber(L, -1) * (double)js_len(L, 1)));
    return 1;
}

static double sum_of(lua_State *L)
{
    size_t n = js_len(L, 1);
    double sum = 0;
    for (size_t i = 0; i < n; i++) {
        js_elem(L, 1, i);
        double d = js_to_number(L, -1);
        if (d != d)
            luaL_error(L, "element %I is not a number", (LUAI_UACINT)i);
        sum += d;
        lua_pop(L, 1);
    }
    return sum;
}

static int sum(lua_State *L)
{
    lua_pushnumber(L, sum_of(L));
    return 1;
}

static int average(lua_State *L)
{
    size_t n = js_len(L, 1);
    lua_pushnumber(L, n ? sum_of(L) / (double)n : 0);
    return 1;
}

static int extreme(lua_State *L, bool max)
{
    size_t n = js_len(L, 1);
    double best = max ? -INFINITY : INFINITY;
    sum_of(L);
    for (size_t i = 0; i < n; i++) {
        js_elem(L, 1, i);
        double d = js_to_number(L, -1);
        best = max ? fmax(best, d) : fmin(best, d);
        lua_pop(L, 1);
    }
    lua_pushnumber(L, best);
    return 1;
}

static int min(lua_State *L) { return extreme(L, false); }

static int max(lua_State *L) { return extreme(L, true); }

/* null, "", "nil", [] and {} out. */
static int compact(lua_State *L)
{
    size_t n = js_len(L, 1);
    js_array_new(L, 0);
    for (size_t i = 0; i < n; i++) {
        js_elem(L, 1, i);
        if (js_is_nothing(L, -1))
            lua_pop(L, 1);
        else
            js_array_add(L, -2);
    }
    return 1;
}

/* [{k, v}, ...].smartJoin("k", "v") -> {k: v} */
static int smart_join(lua_State *L)
{
    size_t n = js_len(L, 1);
    lua_settop(L, 3);
    js_arg_string(L, 2, NULL);
    js_arg_string(L, 3, NULL);
    js_object_new(L);
    for (size_t i = 0; i < n; i++) {
        js_elem(L, 1, i);
        if (js_type(L, -1) == JS_OBJECT) {
            lua_pushvalue(L, 2);
            lua_gettable(L, -2);
            js_to_string(L, -1, NULL);
            lua_pushvalue(L, 3);
            lua_gettable(L, 5);
            js_put(L, 4);
        }
        lua_settop(L, 4);
    }
    return 1;
}

static int chunk(lua_State *L)
{
    int64_t size = js_arg_integer(L, 2, 0);
    size_t n = js_len(L, 1);
    if (size < 1)
        return luaL_error(L, "chunk() takes a size above 0");
    lua_settop(L, 1);
    js_array_new(L, 0);
    for (size_t i = 0; i < n; i++) {
        if (i % (size_t)size == 0) {
            js_array_new(L, 0);
            lua_pushvalue(L, -1);
            js_array_add(L, 2);
        }
        js_elem(L, 1, i);
        js_array_add(L, -2);
    }
    lua_settop(L, 2);
    return 1;
}

/* renameKeys("from", "to", ...) */
static int rename_keys(lua_State *L)
{
    int n = lua_gettop(L);
    size_t count = js_len(L, 1);
    for (int i = 2; i <= n; i++)
        js_arg_string(L, i, NULL);
    js_array_new(L, count);
    for (size_t i = 0; i < count; i++) {
        js_elem(L, 1, i);
        int object = lua_gettop(L);
        js_object_new(L);
        size_t members = js_type(L, object) == JS_OBJECT ? js_members(L, object) : 0;
        for (size_t k = 0; k < members; k++) {
            js_member(L, object, k);
            for (int a = 2; a + 1 <= n; a += 2)
                if (lua_rawequal(L, -2, a)) {
                    lua_pushvalue(L, a + 1);
                    lua_replace(L, -3);
                    break;
                }
            js_put(L, object + 1);
        }
        js_array_set(L, n + 1, i);
        lua_settop(L, n + 1);
    }
    return 1;
}

/* All objects of both arrays as one; the first ones win. */
static int merge(lua_State *L)
{
    lua_settop(L, 2);
    js_object_new(L);
    for (int a = 2; a >= 1; a--) {
        size_t n = js_type(L, a) == JS_ARRAY ? js_len(L, a) : 0;
        for (size_t i = 0; i < n; i++) {
            js_elem(L, a, i);
            js_merge(L, 3, -1);
            lua_pop(L, 1);
        }
    }
    return 1;
}

static int append(lua_State *L)
{
    int n = lua_gettop(L);
    js_spread(L, 1);
    for (int i = 2; i <= n; i++) {
        lua_pushvalue(L, i);
        js_array_add(L, n + 1);
    }
    return 1;
}

const struct js_method js_array_ext[] = {
    { "removeDuplicates", unique },
    { "unique", unique },
    { "first", first },
    { "last", last },
    { "pluck", pluck },
    { "randomItem", random_item },
    { "sum", sum },
    { "min", min },
    { "max", max },
    { "average", average },
    { "isNotEmpty", is_not_empty },
    { "isEmpty", is_empty },
    { "length", length },
    { "compact", compact },
    { "smartJoin", smart_join },
    { "chunk", chunk },
    { "renameKeys", rename_keys },
    { "merge", merge },
    { "union", union_of },
    { "difference", difference },
    { "intersection", intersection },
    { "append", append },
    { "toJsonString", js_to_json_string },
    { "toInt", js_no_value },
    { "toFloat", js_no_value },
    { "toBoolean", js_no_value },
    { "toDateTime", js_no_value },
    { NULL, NULL },
};
