/* SPDX-License-Identifier: Apache-2.0
 * ops: JavaScript's operators for Lua. Numbers with numbers and strings with strings run on Lua's
 * own operators; for everything else Lua looks for metamethods, and here they are, on the
 * metatables of the basic types. The helpers of compiled code (table R) are here too. The worker's
 * thread.
 */
#include "expr/expr_int.h"
#include <math.h>

/* --- arithmetic ------------------------------------------------------------------------------- */

static bool is_text(enum js_type t)
{
    return t == JS_STRING || t == JS_ARRAY || t == JS_OBJECT || t == JS_DATE || t == JS_REGEX ||
           t == JS_SET || t == JS_FUNCTION;
}

/* Pushes a + b of two values none of which is text. */
static void push_sum(lua_State *L, int a, int b)
{
    lua_Integer sum;
    if (lua_isinteger(L, a) && lua_isinteger(L, b) &&
        !__builtin_add_overflow(lua_tointeger(L, a), lua_tointeger(L, b), &sum))
        lua_pushinteger(L, sum);
    else
        lua_pushnumber(L, js_to_number(L, a) + js_to_number(L, b));
}

/* The sum of all arguments. From the first text on it is a text: what follows is joined at once,
 * without the strings in between. */
static int op_add(lua_State *L)
{
    int n = lua_gettop(L), i = 2;
    for (; i <= n && !is_text(js_type(L, 1)) && !is_text(js_type(L, i)); i++) {
        push_sum(L, 1, i);
        lua_replace(L, 1);
    }
    if (i > n) {
        lua_settop(L, 1);
        return 1;
    }
    luaL_checkstack(L, n, NULL);
    js_to_string(L, 1, NULL);
    for (int rest = i; rest <= n; rest++)
        js_to_string(L, rest, NULL);
    lua_concat(L, n - i + 2);
    return 1;
}

static int op_sub(lua_State *L)
{
    lua_Integer r;
    if (lua_isinteger(L, 1) && lua_isinteger(L, 2) &&
        !__builtin_sub_overflow(lua_tointeger(L, 1), lua_tointeger(L, 2), &r)) {
        lua_pushinteger(L, r);
        return 1;
    }
    lua_pushnumber(L, js_to_number(L, 1) - js_to_number(L, 2));
    return 1;
}

static int op_mul(lua_State *L)
{
    lua_pushnumber(L, js_to_number(L, 1) * js_to_number(L, 2));
    return 1;
}

static int op_div(lua_State *L)
{
    lua_pushnumber(L, js_to_number(L, 1) / js_to_number(L, 2));
    return 1;
}

static int op_mod(lua_State *L)
{
    lua_pushnumber(L, fmod(js_to_number(L, 1), js_to_number(L, 2)));
    return 1;
}

static int op_pow(lua_State *L)
{
    lua_pushnumber(L, pow(js_to_number(L, 1), js_to_number(L, 2)));
    return 1;
}

static int op_unm(lua_State *L)
{
    lua_pushnumber(L, -js_to_number(L, 1));
    return 1;
}

static int op_num(lua_State *L)
{
    if (lua_type(L, 1) == LUA_TNUMBER)
        lua_settop(L, 1);
    else
        lua_pushnumber(L, js_to_number(L, 1));
    return 1;
}

static int op_lt(lua_State *L)
{
    lua_pushboolean(L, js_less(L, 1, 2, false));
    return 1;
}

static int op_le(lua_State *L)
{
    lua_pushboolean(L, js_less(L, 1, 2, true));
    return 1;
}

static int op_eq(lua_State *L)
{
    lua_settop(L, 2);
    lua_pushboolean(L, js_loose_equal(L, 1, 2));
    return 1;
}

/* JavaScript's ToInt32. */
static int32_t to_int32(lua_State *L, int at)
{
    double d = js_to_number(L, at);
    if (d != d || isinf(d))
        return 0;
    return (int32_t)(uint32_t)(int64_t)fmod(trunc(d), 4294967296.0);
}

#define BIT_OP(name, type, formula)                                                                \
    static int op_##name(lua_State *L)                                                             \
    {                                                                                              \
        uint32_t a = (uint32_t)to_int32(L, 1), b = (uint32_t)to_int32(L, 2);                       \
        lua_pushnumber(L, (type)(formula));                                                        \
        return 1;                                                                                  \
    }
BIT_OP(band, int32_t, a &b)
BIT_OP(bor, int32_t, a | b)
BIT_OP(bxor, int32_t, a ^ b)
BIT_OP(shl, int32_t, a << (b & 31))
BIT_OP(shr, int32_t, (int32_t)a >> (b & 31))
BIT_OP(ushr, uint32_t, a >> (b & 31))

static int op_bnot(lua_State *L)
{
    lua_pushnumber(L, ~to_int32(L, 1));
    return 1;
}

/* --- properties ------------------------------------------------------------------------------- */

static int index_none(lua_State *L)
{
    lua_pushnil(L);
    return 1;
}

static bool is_length(lua_State *L, int at)
{
    size_t len;
    const char *key = lua_type(L, at) == LUA_TSTRING ? lua_tolstring(L, at, &len) : NULL;
    return key && len == 6 && !memcmp(key, "length", 6);
}

/* value[key] of JSON arrays and objects. */
static int index_json(lua_State *L)
{
    const struct json *v = lua_touserdata(L, 1);
    size_t len;
    if (v && v->type == JSON_OBJECT) {
        const char *key = js_arg_string(L, 2, &len);
        js_push(L, json_get(v, key, len));
    } else if (v && v->type == JSON_ARRAY && is_length(L, 2)) {
        lua_pushnumber(L, v->len);
    } else {
        lua_pushnil(L);
    }
    return 1;
}

static int index_string(lua_State *L)
{
    size_t len;
    if (!is_length(L, 2))
        return index_none(L);
    const char *s = lua_tolstring(L, 1, &len);
    lua_pushnumber(L, (lua_Number)text_count(s, len));
    return 1;
}

/* .index and .groups of a match are raw fields and never come here. */
static int index_array(lua_State *L)
{
    if (!is_length(L, 2))
        return index_none(L);
    lua_pushnumber(L, (lua_Number)lua_rawlen(L, 1));
    return 1;
}

/* The array index a key means, or -1: 2, 2.0 and "2" do. */
static int64_t array_index(lua_State *L, int at)
{
    if (lua_type(L, at) == LUA_TSTRING) {
        size_t len;
        const char *s = lua_tolstring(L, at, &len);
        if (!len || len > 10 || (len > 1 && s[0] == '0') || strspn(s, "0123456789") != len)
            return -1;
        return (int64_t)text_to_number(s, len);
    }
    if (lua_type(L, at) != LUA_TNUMBER)
        return -1;
    double d = lua_tonumber(L, at);
    return d >= 0 && d < 4294967296.0 && d == floor(d) ? (int64_t)d : -1;
}

static int index_character(lua_State *L, int64_t i)
{
    size_t len;
    const char *s = lua_tolstring(L, 1, &len);
    size_t from = text_offset(s, len, (size_t)i);
    if (from >= len)
        return index_none(L);
    const char *at = s + from;
    text_get_utf8(&at, s + len);
    lua_pushlstring(L, s + from, (size_t)(at - s) - from);
    return 1;
}

/* object[key] with a key known at run time only */
static int op_idx(lua_State *L)
{
    lua_settop(L, 2);
    enum js_type type = js_type(L, 1);
    if (type == JS_ARRAY || type == JS_STRING) {
        int64_t i = array_index(L, 2);
        if (i >= 0 && type == JS_STRING)
            return index_character(L, i);
        if (i >= 0) {
            js_elem(L, 1, (size_t)i);
            return 1;
        }
    } else if (type != JS_OBJECT && type != JS_DATE && type != JS_SET && type != JS_REGEX &&
               type != JS_DURATION) {
        return index_none(L);
    }
    js_arg_string(L, 2, NULL);
    lua_gettable(L, 1);
    return 1;
}

static int op_key(lua_State *L)
{
    js_to_string(L, 1, NULL);
    return 1;
}

static int op_has(lua_State *L)
{
    size_t len;
    enum js_type type = js_type(L, 2);
    bool has = false;
    if (type == JS_ARRAY) {
        int64_t i = array_index(L, 1);
        has = i >= 0 && (size_t)i < js_len(L, 2);
    } else if (type == JS_OBJECT) {
        const char *key = js_arg_string(L, 1, &len);
        has = js_has(L, 2, key, len);
    } else {
        return js_type_error(L);
    }
    lua_pushboolean(L, has);
    return 1;
}

static int op_typeof(lua_State *L)
{
    static const char *const names[JS_TYPES] = { [JS_UNDEFINED] = "undefined",
                                                 [JS_BOOLEAN] = "boolean",
                                                 [JS_NUMBER] = "number",
                                                 [JS_STRING] = "string",
                                                 [JS_FUNCTION] = "function" };
    const char *name = names[js_type(L, 1)];
    lua_pushstring(L, name ? name : "object");
    return 1;
}

static int op_instanceof(lua_State *L)
{
    const char *name = lua_tostring(L, 2);
    enum js_type type = js_type(L, 1);
    const struct js_date *d = date_at(L, 1);
    bool is = !strcmp(name, "Array")      ? type == JS_ARRAY
              : !strcmp(name, "Object")   ? type >= JS_ARRAY
              : !strcmp(name, "Set")      ? type == JS_SET
              : !strcmp(name, "RegExp")   ? type == JS_REGEX
              : !strcmp(name, "DateTime") ? d && d->luxon
                                          : d && !d->luxon;
    lua_pushboolean(L, is);
    return 1;
}

/* --- arrays, objects, text -------------------------------------------------------------------- */

/* arr({a, b, ...}, n): makes the table an array. */
static int op_arr(lua_State *L)
{
    lua_Integer n = lua_tointeger(L, 2);
    for (lua_Integer i = 1; i <= n; i++) {
        bool missing = lua_rawgeti(L, 1, i) == LUA_TNIL;
        if (missing)
            js_array_set(L, 1, (size_t)i - 1);
        else
            lua_pop(L, 1);
    }
    lua_rawgetp(L, LUA_REGISTRYINDEX, js_lua(L)->array_mt);
    lua_setmetatable(L, 1);
    lua_settop(L, 1);
    return 1;
}

static int op_spread(lua_State *L)
{
    js_spread(L, 1);
    return 1;
}

static int op_join(lua_State *L)
{
    int n = lua_gettop(L);
    js_array_new(L, 0);
    for (int i = 1; i <= n; i++) {
        size_t len = js_len(L, i);
        js_charge(L, len);
        for (size_t k = 0; k < len; k++) {
            js_elem(L, i, k);
            js_array_add(L, n + 1);
        }
    }
    return 1;
}

static int op_pack(lua_State *L)
{
    int n = lua_gettop(L);
    js_array_new(L, (size_t)n);
    for (int i = 1; i <= n; i++) {
        lua_pushvalue(L, i);
        js_array_set(L, n + 1, (size_t)i - 1);
    }
    return 1;
}

static int op_rest(lua_State *L)
{
    size_t from = (size_t)lua_tointeger(L, 2);
    js_spread(L, 1);
    int all = lua_gettop(L);
    size_t n = js_len(L, all);
    js_array_new(L, 0);
    for (size_t i = from; i < n; i++) {
        js_elem(L, all, i);
        js_array_add(L, -2);
    }
    return 1;
}

static int op_put(lua_State *L)
{
    js_put(L, 1);
    return 0;
}

static int op_merge(lua_State *L)
{
    js_merge(L, 1, 2);
    return 0;
}

/* omit(object, key, ...) */
static int op_omit(lua_State *L)
{
    int n = lua_gettop(L);
    js_object_new(L);
    js_merge(L, n + 1, 1);
    for (int i = 2; i <= n; i++) {
        lua_pushvalue(L, i);
        lua_pushnil(L);
        js_put(L, n + 1);
    }
    return 1;
}

/* A template literal's text. */
static int op_cat(lua_State *L)
{
    int n = lua_gettop(L);
    luaL_Buffer b;
    luaL_buffinit(L, &b);
    for (int i = 1; i <= n; i++) {
        js_to_string(L, i, NULL);
        luaL_addvalue(&b);
    }
    luaL_pushresult(&b);
    return 1;
}

/* Pushes a value as text of n8n's templates. */
static void push_template_text(lua_State *L, int at)
{
    enum js_type type = js_type(L, at);
    if (type == JS_UNDEFINED || type == JS_NULL) {
        lua_pushliteral(L, "");
    } else if (type == JS_ARRAY || type == JS_OBJECT || type == JS_SET) {
        struct json v = js_json(L, at);
        wf_str text = json_text(js_arena(L), &v);
        lua_pushlstring(L, text.ptr, text.len);
    } else {
        js_to_string(L, at, NULL);
    }
}

static int op_text(lua_State *L)
{
    int n = lua_gettop(L);
    luaL_Buffer b;
    luaL_buffinit(L, &b);
    for (int i = 1; i <= n; i++) {
        push_template_text(L, i);
        luaL_addvalue(&b);
    }
    luaL_pushresult(&b);
    return 1;
}

/* --- calls ------------------------------------------------------------------------------------ */

/* try(f, J): a block of a template; a TypeError in it gives undefined. */
static int op_try(lua_State *L)
{
    if (lua_pcall(L, 1, 1, 0) == LUA_OK)
        return 1;
    if (!js_is_type_error(L, -1))
        return lua_error(L);
    lua_pushnil(L);
    return 1;
}

static int op_invoke(lua_State *L)
{
    if (lua_type(L, 1) != LUA_TFUNCTION) {
        enum js_type type = js_type(L, 1);
        if (type == JS_UNDEFINED || type == JS_NULL)
            return js_type_error(L);
        return luaL_error(L, "%s is not a function", js_type_name(type));
    }
    js_call(L, lua_gettop(L) - 1);
    return 1;
}

/* apply(f, array): a call with spread arguments */
static int op_apply(lua_State *L)
{
    size_t n = js_len(L, 2);
    if (n > 100000)
        return luaL_error(L, "a call with more than 100,000 arguments");
    luaL_checkstack(L, (int)n + 8, "too many arguments");
    lua_pushvalue(L, 1);
    for (size_t i = 0; i < n; i++)
        js_elem(L, 2, i);
    if (lua_type(L, 1) != LUA_TFUNCTION)
        return js_type_error(L);
    js_call(L, (int)n);
    return 1;
}

static const luaL_Reg operators[] = {
    { "add", op_add },       { "sub", op_sub },
    { "mul", op_mul },       { "mod", op_mod },
    { "eq", op_eq },         { "num", op_num },
    { "typeof", op_typeof }, { "idx", op_idx },
    { "arr", op_arr },       { "spread", op_spread },
    { "join", op_join },     { "cat", op_cat },
    { "key", op_key },       { "put", op_put },
    { "merge", op_merge },   { "omit", op_omit },
    { "rest", op_rest },     { "pack", op_pack },
    { "regex", regex_new },  { "has", op_has },
    { "band", op_band },     { "bor", op_bor },
    { "bxor", op_bxor },     { "shl", op_shl },
    { "shr", op_shr },       { "ushr", op_ushr },
    { "bnot", op_bnot },     { "text", op_text },
    { "try", op_try },       { "invoke", op_invoke },
    { "apply", op_apply },   { "instanceof", op_instanceof },
    { NULL, NULL },
};

static const luaL_Reg metamethods[] = {
    { "__add", op_add }, { "__sub", op_sub }, { "__mul", op_mul },
    { "__div", op_div }, { "__pow", op_pow }, { "__unm", op_unm },
    { "__lt", op_lt },   { "__le", op_le },   { NULL, NULL },
};

static void push_metatable(lua_State *L, lua_CFunction index)
{
    lua_newtable(L);
    luaL_setfuncs(L, metamethods, 0);
    lua_pushcfunction(L, index);
    lua_setfield(L, -2, "__index");
}

/* Gives every value like the one on top this meaning; pops it. */
static void set_basic(lua_State *L, lua_CFunction index)
{
    push_metatable(L, index);
    lua_setmetatable(L, -2);
    lua_pop(L, 1);
}

void runtime_open_operators(lua_State *L)
{
    lua_pushnil(L);
    set_basic(L, index_none);
    lua_pushboolean(L, 0);
    set_basic(L, index_none);
    lua_pushnumber(L, 0);
    set_basic(L, index_none);
    lua_pushliteral(L, "");
    set_basic(L, index_string);
    lua_pushcfunction(L, index_none);
    set_basic(L, index_none);
    lua_pushlightuserdata(L, NULL);
    set_basic(L, index_json);
    push_metatable(L, index_array);
    js_lua(L)->array_mt = lua_topointer(L, -1);
    lua_rawsetp(L, LUA_REGISTRYINDEX, js_lua(L)->array_mt);
    regex_open(L);
    set_open(L);
    push_metatable(L, date_index);
    lua_setfield(L, LUA_REGISTRYINDEX, "date");
    push_metatable(L, duration_index);
    lua_setfield(L, LUA_REGISTRYINDEX, "duration");
    luaL_newlib(L, operators);
    lua_pushlightuserdata(L, NULL);
    lua_setfield(L, -2, "null");
}
