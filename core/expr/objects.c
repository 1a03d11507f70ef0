/* SPDX-License-Identifier: Apache-2.0
 * objects: Object.*, Array.* and the methods of objects. The worker's thread.
 */
#include "expr/expr_int.h"
#include <math.h>

/* The argument as an object; a text or array gives its elements under their numbers. */
static size_t need_object(lua_State *L, int at)
{
    enum js_type type = js_type(L, at);
    if (type == JS_ARRAY || type == JS_STRING) {
        js_object_new(L);
        js_merge(L, -1, at);
        lua_replace(L, at);
    } else if (type == JS_UNDEFINED || type == JS_NULL) {
        js_type_error(L);
    } else if (type != JS_OBJECT) {
        js_object_new(L);
        lua_replace(L, at);
    }
    size_t n = js_members(L, at);
    js_charge(L, n);
    return n;
}

enum part { KEYS = 1, VALUES, ENTRIES };

static int push_parts(lua_State *L, enum part part)
{
    lua_settop(L, 1);
    size_t n = need_object(L, 1);
    js_array_new(L, n);
    for (size_t i = 0; i < n; i++) {
        if (part == ENTRIES)
            js_array_new(L, 2);
        js_member(L, 1, i);
        if (part == KEYS) {
            lua_pop(L, 1);
        } else if (part == VALUES) {
            lua_remove(L, -2);
        } else {
            js_array_set(L, -3, 1);
            js_array_set(L, -2, 0);
        }
        js_array_set(L, 2, i);
    }
    return 1;
}

int js_object_keys(lua_State *L) { return push_parts(L, KEYS); }

int js_object_values(lua_State *L) { return push_parts(L, VALUES); }

static int object_entries(lua_State *L) { return push_parts(L, ENTRIES); }

/* Object.assign gives a new object: an item is never changed. An own first argument is filled. */
static int object_assign(lua_State *L)
{
    int n = lua_gettop(L), first = 1;
    if (lua_istable(L, 1) && js_type(L, 1) == JS_OBJECT) {
        lua_pushvalue(L, 1);
        first = 2;
    } else {
        js_object_new(L);
    }
    for (int i = first; i <= n; i++)
        js_merge(L, n + 1, i);
    return 1;
}

static int object_from_entries(lua_State *L)
{
    lua_settop(L, 1);
    js_spread(L, 1);
    size_t n = js_len(L, 2);
    js_charge(L, n);
    js_object_new(L);
    for (size_t i = 0; i < n; i++) {
        js_elem(L, 2, i);
        if (js_type(L, -1) != JS_ARRAY)
            return luaL_error(L, "Object.fromEntries() takes pairs of name and value");
        js_elem(L, -1, 0);
        js_to_string(L, -1, NULL);
        js_elem(L, -3, 1);
        js_put(L, 3);
        lua_settop(L, 3);
    }
    return 1;
}

static int object_same(lua_State *L)
{
    lua_settop(L, 1);
    return 1;
}

static int object_has_own(lua_State *L)
{
    size_t len;
    lua_settop(L, 2);
    const char *key = js_arg_string(L, 2, &len);
    lua_pushboolean(L, js_type(L, 1) == JS_OBJECT && js_has(L, 1, key, len));
    return 1;
}

static int object_is(lua_State *L)
{
    lua_settop(L, 2);
    lua_pushboolean(L, js_same(L, 1, 2));
    return 1;
}

/* Object.groupBy(array, f) */
static int object_group_by(lua_State *L)
{
    lua_settop(L, 2);
    js_arg_function(L, 2);
    js_spread(L, 1);
    size_t n = js_len(L, 3);
    js_object_new(L);
    for (size_t i = 0; i < n; i++) {
        lua_pushvalue(L, 2);
        js_elem(L, 3, i);
        lua_pushnumber(L, (lua_Number)i);
        js_call(L, 2);
        js_to_string(L, -1, NULL);
        lua_pushvalue(L, -1);
        if (lua_rawget(L, 4) == LUA_TNIL) {
            lua_pop(L, 1);
            js_array_new(L, 1);
            lua_pushvalue(L, -2);
            lua_pushvalue(L, -2);
            js_put(L, 4);
        }
        js_elem(L, 3, i);
        js_array_add(L, -2);
        lua_settop(L, 4);
    }
    return 1;
}

static int array_is_array(lua_State *L)
{
    lua_pushboolean(L, js_type(L, 1) == JS_ARRAY);
    return 1;
}

/* Array.from(iterable or {length: n}, f) */
static int array_from(lua_State *L)
{
    lua_settop(L, 2);
    if (js_type(L, 1) == JS_OBJECT) {
        js_get(L, 1, "length", 6);
        int64_t n = js_arg_integer(L, 3, 0);
        if (n > 10000000)
            return luaL_error(L, "an array of more than 10,000,000 elements");
        js_charge(L, n > 0 ? (size_t)n : 0);
        js_array_new(L, n > 0 ? (size_t)n : 0);
        for (int64_t i = 0; i < n; i++) {
            lua_pushnil(L);
            js_array_set(L, 4, (size_t)i);
        }
        lua_remove(L, 3);
    } else {
        js_spread(L, 1);
    }
    if (lua_isnil(L, 2))
        return 1;
    js_arg_function(L, 2);
    size_t n = js_len(L, 3);
    js_array_new(L, n);
    for (size_t i = 0; i < n; i++) {
        lua_pushvalue(L, 2);
        js_elem(L, 3, i);
        lua_pushnumber(L, (lua_Number)i);
        js_call(L, 2);
        js_array_set(L, 4, i);
    }
    return 1;
}

static int array_of(lua_State *L)
{
    int n = lua_gettop(L);
    js_array_new(L, (size_t)n);
    for (int i = 1; i <= n; i++) {
        lua_pushvalue(L, i);
        js_array_set(L, n + 1, (size_t)i - 1);
    }
    return 1;
}

/* new Array(3), Array(3): that many places; with more arguments, these. */
static int array_make(lua_State *L)
{
    if (lua_gettop(L) != 1 || lua_type(L, 1) != LUA_TNUMBER)
        return array_of(L);
    int64_t n = js_arg_integer(L, 1, 0);
    if (n < 0 || n > 10000000)
        return luaL_error(L, "an array of %f elements", lua_tonumber(L, 1));
    js_charge(L, (size_t)n);
    js_array_new(L, (size_t)n);
    for (int64_t i = 0; i < n; i++) {
        lua_pushnil(L);
        js_array_set(L, 2, (size_t)i);
    }
    return 1;
}

static int string_from_code(lua_State *L)
{
    int n = lua_gettop(L);
    luaL_Buffer b;
    luaL_buffinit(L, &b);
    for (int i = 1; i <= n; i++) {
        char utf8[4];
        int64_t c = js_arg_integer(L, i, 0);
        if (c < 0 || c > 0x10FFFF)
            c = 0xFFFD;
        luaL_addlstring(&b, utf8, (size_t)(text_put_utf8(utf8, (uint32_t)c) - utf8));
    }
    luaL_pushresult(&b);
    return 1;
}

const struct js_method js_object_statics[] = {
    { "Object.keys", js_object_keys },
    { "Object.values", js_object_values },
    { "Object.entries", object_entries },
    { "Object.assign", object_assign },
    { "Object.fromEntries", object_from_entries },
    { "Object.freeze", object_same },
    { "Object.hasOwn", object_has_own },
    { "Object.is", object_is },
    { "Object.groupBy", object_group_by },
    { "Array.isArray", array_is_array },
    { "Array.from", array_from },
    { "Array.of", array_of },
    { "Array", array_make },
    { "new Array", array_make },
    { "String.fromCharCode", string_from_code },
    { "String.fromCodePoint", string_from_code },
    { NULL, NULL },
};

static int object_text(lua_State *L)
{
    js_to_string(L, 1, NULL);
    return 1;
}

const struct js_method js_object_methods[] = { { "hasOwnProperty", object_has_own },
                                               { "toString", object_text },
                                               { "valueOf", object_same },
                                               { NULL, NULL } };
