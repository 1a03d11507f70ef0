/* SPDX-License-Identifier: Apache-2.0
 * value: JavaScript values on a Lua stack (the table of forms is in expr_int.h): types,
 * conversions, arrays and objects in both their forms. The worker's thread; nothing blocks.
 */
#include "expr/expr_int.h"
#include <math.h>

enum { NESTING_MAX = JSON_DEPTH_MAX };

/* Stands for undefined inside arrays, so that tables have no holes. */
static const struct json undefined_mark = { .type = JSON_MISSING };

static const char type_error_mark = 0;

int js_type_error(lua_State *L)
{
    lua_pushlightuserdata(L, (void *)(uintptr_t)&type_error_mark);
    return lua_error(L);
}

bool js_is_type_error(lua_State *L, int at)
{
    return lua_islightuserdata(L, at) && lua_touserdata(L, at) == (const void *)&type_error_mark;
}

enum js_type js_type(lua_State *L, int at)
{
    const struct json *v;
    switch (lua_type(L, at)) {
    case LUA_TBOOLEAN:
        return JS_BOOLEAN;
    case LUA_TNUMBER:
        return JS_NUMBER;
    case LUA_TSTRING:
        return JS_STRING;
    case LUA_TFUNCTION:
        return JS_FUNCTION;
    case LUA_TLIGHTUSERDATA:
        v = lua_touserdata(L, at);
        return !v                       ? JS_NULL
               : v->type == JSON_ARRAY  ? JS_ARRAY
               : v->type == JSON_OBJECT ? JS_OBJECT
                                        : JS_UNDEFINED;
    case LUA_TUSERDATA:
        return ((const struct js_box *)lua_touserdata(L, at))->kind;
    case LUA_TTABLE:
        if (!lua_getmetatable(L, at))
            return JS_OBJECT;
        bool array = lua_topointer(L, -1) == js_lua(L)->array_mt;
        lua_pop(L, 1);
        return array ? JS_ARRAY : JS_OBJECT;
    default:
        return JS_UNDEFINED;
    }
}

const char *js_type_name(enum js_type type)
{
    static const char *const names[JS_TYPES] = {
        [JS_UNDEFINED] = "undefined", [JS_NULL] = "null",
        [JS_BOOLEAN] = "boolean",     [JS_NUMBER] = "number",
        [JS_STRING] = "string",       [JS_ARRAY] = "array",
        [JS_OBJECT] = "object",       [JS_DATE] = "date",
        [JS_REGEX] = "RegExp",        [JS_SET] = "Set",
        [JS_FUNCTION] = "function",   [JS_DURATION] = "duration",
    };
    return type < JS_TYPES && names[type] ? names[type] : "value";
}

static void push_integer(lua_State *L, int64_t i)
{
    if (i > -9007199254740992 && i < 9007199254740992)
        lua_pushnumber(L, (double)i);
    else
        lua_pushinteger(L, i);
}

void js_push_number(lua_State *L, double d) { lua_pushnumber(L, d); }

void js_push(lua_State *L, const struct json *v)
{
    double d = NAN;
    switch (v ? v->type : JSON_MISSING) {
    case JSON_NULL:
        lua_pushlightuserdata(L, NULL);
        break;
    case JSON_FALSE:
    case JSON_TRUE:
        lua_pushboolean(L, v->type == JSON_TRUE);
        break;
    case JSON_INT:
        push_integer(L, v->i);
        break;
    case JSON_DOUBLE:
        lua_pushnumber(L, v->d);
        break;
    case JSON_NUMBER:
        json_double(v, &d);
        lua_pushnumber(L, d);
        break;
    case JSON_STRING:
        lua_pushlstring(L, v->s, v->len);
        break;
    case JSON_ARRAY:
    case JSON_OBJECT:
        lua_pushlightuserdata(L, (void *)(uintptr_t)v);
        break;
    default:
        lua_pushnil(L);
        break;
    }
}

/* --- arrays ----------------------------------------------------------------------------------- */

size_t js_len(lua_State *L, int at)
{
    if (lua_type(L, at) == LUA_TLIGHTUSERDATA) {
        const struct json *v = lua_touserdata(L, at);
        return v ? v->len : 0;
    }
    return lua_rawlen(L, at);
}

void js_elem(lua_State *L, int at, size_t i)
{
    if (lua_type(L, at) == LUA_TLIGHTUSERDATA) {
        const struct json *v = lua_touserdata(L, at);
        js_push(L, v && i < v->len ? &v->elements[i] : NULL);
        return;
    }
    lua_rawgeti(L, at, (lua_Integer)i + 1);
    if (lua_touserdata(L, -1) == (const void *)&undefined_mark) {
        lua_pop(L, 1);
        lua_pushnil(L);
    }
}

void js_array_new(lua_State *L, size_t n)
{
    lua_createtable(L, n < 4096 ? (int)n : 4096, 0);
    lua_rawgetp(L, LUA_REGISTRYINDEX, js_lua(L)->array_mt);
    lua_setmetatable(L, -2);
}

void js_array_set(lua_State *L, int at, size_t i)
{
    at = lua_absindex(L, at);
    if (lua_isnil(L, -1)) {
        lua_pop(L, 1);
        lua_pushlightuserdata(L, (void *)(uintptr_t)&undefined_mark);
    }
    lua_rawseti(L, at, (lua_Integer)i + 1);
}

void js_array_add(lua_State *L, int at) { js_array_set(L, at, lua_rawlen(L, at)); }

static void spread_string(lua_State *L, int at)
{
    size_t len, i = 0;
    const char *s = lua_tolstring(L, at, &len), *p = s;
    js_charge(L, len);
    js_array_new(L, len);
    while (p < s + len) {
        const char *from = p;
        text_get_utf8(&p, s + len);
        lua_pushlstring(L, from, (size_t)(p - from));
        js_array_set(L, -2, i++);
    }
}

void js_spread(lua_State *L, int at)
{
    at = lua_absindex(L, at);
    switch (js_type(L, at)) {
    case JS_ARRAY: {
        size_t n = js_len(L, at);
        js_charge(L, n);
        js_array_new(L, n);
        for (size_t i = 0; i < n; i++) {
            js_elem(L, at, i);
            js_array_set(L, -2, i);
        }
        break;
    }
    case JS_STRING:
        spread_string(L, at);
        break;
    case JS_SET:
        lua_getiuservalue(L, at, 1);
        break;
    default:
        js_type_error(L);
    }
}

/* --- objects ---------------------------------------------------------------------------------- */

void js_object_new(lua_State *L) { lua_createtable(L, 4, 4); }

size_t js_members(lua_State *L, int at) { return js_len(L, at); }

void js_member(lua_State *L, int at, size_t i)
{
    if (lua_type(L, at) == LUA_TLIGHTUSERDATA) {
        const struct json *v = lua_touserdata(L, at);
        js_push(L, &v->members[i].key);
        js_push(L, &v->members[i].value);
        return;
    }
    at = lua_absindex(L, at);
    lua_rawgeti(L, at, (lua_Integer)i + 1);
    lua_pushvalue(L, -1);
    lua_rawget(L, at);
}

void js_get(lua_State *L, int at, const char *key, size_t len)
{
    at = lua_absindex(L, at);
    lua_pushlstring(L, key, len);
    lua_gettable(L, at);
}

bool js_has(lua_State *L, int at, const char *key, size_t len)
{
    if (lua_type(L, at) == LUA_TLIGHTUSERDATA) {
        const struct json *v = lua_touserdata(L, at);
        return v && v->type == JSON_OBJECT && json_get(v, key, len);
    }
    if (!lua_istable(L, at))
        return false;
    at = lua_absindex(L, at);
    size_t n = lua_rawlen(L, at);
    for (size_t i = 1; i <= n; i++) {
        size_t l;
        lua_rawgeti(L, at, (lua_Integer)i);
        const char *s = lua_type(L, -1) == LUA_TSTRING ? lua_tolstring(L, -1, &l) : NULL;
        bool same = s && l == len && !memcmp(s, key, len);
        lua_pop(L, 1);
        if (same)
            return true;
    }
    return false;
}

/* Takes the key at `key` out of the list of keys. */
static void forget_key(lua_State *L, int at, int key)
{
    size_t n = lua_rawlen(L, at), to = 1;
    for (size_t i = 1; i <= n; i++) {
        lua_rawgeti(L, at, (lua_Integer)i);
        if (lua_rawequal(L, -1, key))
            lua_pop(L, 1);
        else
            lua_rawseti(L, at, (lua_Integer)to++);
    }
    for (; to <= n; to++) {
        lua_pushnil(L);
        lua_rawseti(L, at, (lua_Integer)to);
    }
}

/* A member set to undefined is no member here; JavaScript would still list its name. */
void js_put(lua_State *L, int at)
{
    at = lua_absindex(L, at);
    lua_pushvalue(L, -2);
    bool there = lua_rawget(L, at) != LUA_TNIL;
    lua_pop(L, 1);
    bool wanted = !lua_isnil(L, -1);
    if (there && !wanted) {
        forget_key(L, at, lua_absindex(L, -2));
    } else if (!there && wanted) {
        lua_pushvalue(L, -2);
        lua_rawseti(L, at, (lua_Integer)lua_rawlen(L, at) + 1);
    }
    lua_rawset(L, at);
}

void js_put_field(lua_State *L, int at, const char *key)
{
    at = lua_absindex(L, at);
    lua_pushstring(L, key);
    lua_insert(L, -2);
    js_put(L, at);
}

void js_merge(lua_State *L, int to, int from)
{
    to = lua_absindex(L, to);
    from = lua_absindex(L, from);
    enum js_type type = js_type(L, from);
    if (type == JS_ARRAY || type == JS_STRING) {
        js_spread(L, from);
        size_t n = js_len(L, -1);
        for (size_t i = 0; i < n; i++) {
            lua_pushfstring(L, "%I", (LUAI_UACINT)i);
            js_elem(L, -2, i);
            js_put(L, to);
        }
        lua_pop(L, 1);
    } else if (type == JS_OBJECT) {
        size_t n = js_members(L, from);
        js_charge(L, n);
        for (size_t i = 0; i < n; i++) {
            js_member(L, from, i);
            js_put(L, to);
        }
    }
}

/* --- conversions ------------------------------------------------------------------------------ */

bool js_truth(lua_State *L, int at)
{
    double d;
    size_t len;
    switch (lua_type(L, at)) {
    case LUA_TNIL:
    case LUA_TNONE:
        return false;
    case LUA_TBOOLEAN:
        return lua_toboolean(L, at);
    case LUA_TNUMBER:
        d = lua_tonumber(L, at);
        return d != 0 && d == d;
    case LUA_TSTRING:
        lua_tolstring(L, at, &len);
        return len > 0;
    case LUA_TLIGHTUSERDATA:
        return lua_touserdata(L, at) != NULL;
    default:
        return true;
    }
}

static void push_number_text(lua_State *L, int at)
{
    char text[TEXT_NUMBER_MAX];
    if (lua_isinteger(L, at))
        lua_pushfstring(L, "%I", (LUAI_UACINT)lua_tointeger(L, at));
    else
        lua_pushlstring(L, text, text_of_number(lua_tonumber(L, at), text));
}

/* String([1, [2, 3], null]) is "1,2,3,". */
static void push_array_text(lua_State *L, int at)
{
    luaL_Buffer b;
    size_t n = js_len(L, at);
    at = lua_absindex(L, at);
    js_charge(L, n);
    luaL_checkstack(L, 20, "a value is nested too deeply");
    luaL_buffinit(L, &b);
    for (size_t i = 0; i < n; i++) {
        if (i)
            luaL_addchar(&b, ',');
        js_elem(L, at, i);
        enum js_type type = js_type(L, -1);
        if (type == JS_UNDEFINED || type == JS_NULL) {
            lua_pop(L, 1);
            continue;
        }
        js_to_string(L, -1, NULL);
        lua_remove(L, -2);
        luaL_addvalue(&b);
    }
    luaL_pushresult(&b);
}

const char *js_to_string(lua_State *L, int at, size_t *len)
{
    switch (js_type(L, at)) {
    case JS_STRING:
        lua_pushvalue(L, at);
        break;
    case JS_NUMBER:
        push_number_text(L, at);
        break;
    case JS_BOOLEAN:
        lua_pushstring(L, lua_toboolean(L, at) ? "true" : "false");
        break;
    case JS_NULL:
        lua_pushliteral(L, "null");
        break;
    case JS_ARRAY:
        push_array_text(L, at);
        break;
    case JS_OBJECT:
        lua_pushliteral(L, "[object Object]");
        break;
    case JS_DATE: {
        char text[DATE_TEXT_MAX];
        lua_pushlstring(L, text, date_iso(date_at(L, at), text));
        break;
    }
    case JS_REGEX: {
        struct regex *re = regex_at(L, at);
        lua_pushfstring(L, "/%s/%s", regex_source(re).ptr, regex_flags(re));
        break;
    }
    case JS_SET:
        lua_pushliteral(L, "[object Set]");
        break;
    case JS_FUNCTION:
        lua_pushliteral(L, "function");
        break;
    case JS_DURATION:
        lua_pushliteral(L, "[object Duration]");
        break;
    default:
        lua_pushliteral(L, "undefined");
        break;
    }
    return lua_tolstring(L, -1, len);
}

double js_to_number(lua_State *L, int at)
{
    size_t len;
    double d;
    switch (js_type(L, at)) {
    case JS_NUMBER:
        return lua_tonumber(L, at);
    case JS_STRING: {
        const char *s = lua_tolstring(L, at, &len);
        return text_to_number(s, len);
    }
    case JS_BOOLEAN:
        return lua_toboolean(L, at);
    case JS_NULL:
        return 0;
    case JS_DATE:
        return date_at(L, at)->ms;
    case JS_ARRAY: {
        const char *s = js_to_string(L, at, &len);
        d = text_to_number(s, len);
        lua_pop(L, 1);
        return d;
    }
    case JS_DURATION:
        lua_getiuservalue(L, at, 1);
        d = lua_tonumber(L, -1);
        lua_pop(L, 1);
        return d;
    default:
        return NAN;
    }
}

static bool is_primitive(enum js_type t) { return t <= JS_STRING; }

bool js_strict_equal(lua_State *L, int a, int b) { return lua_rawequal(L, a, b); }

bool js_same(lua_State *L, int a, int b)
{
    if (lua_type(L, a) == LUA_TNUMBER && lua_type(L, b) == LUA_TNUMBER) {
        lua_Number x = lua_tonumber(L, a), y = lua_tonumber(L, b);
        if (x != x && y != y)
            return true;
    }
    return lua_rawequal(L, a, b);
}

bool js_loose_equal(lua_State *L, int a, int b)
{
    enum js_type ta = js_type(L, a), tb = js_type(L, b);
    bool nothing_a = ta == JS_UNDEFINED || ta == JS_NULL,
         nothing_b = tb == JS_UNDEFINED || tb == JS_NULL;
    if (nothing_a || nothing_b)
        return nothing_a && nothing_b;
    if (ta == tb || (!is_primitive(ta) && !is_primitive(tb)))
        return lua_rawequal(L, a, b);
    /* an object meets a text as its text, everything else as numbers */
    if ((!is_primitive(ta) && tb == JS_STRING) || (!is_primitive(tb) && ta == JS_STRING)) {
        size_t la, lb;
        a = lua_absindex(L, a);
        b = lua_absindex(L, b);
        const char *sa = js_to_string(L, a, &la), *sb = js_to_string(L, b, &lb);
        bool same = la == lb && !memcmp(sa, sb, la);
        lua_pop(L, 2);
        return same;
    }
    return js_to_number(L, a) == js_to_number(L, b);
}

bool js_less(lua_State *L, int a, int b, bool or_equal)
{
    enum js_type ta = js_type(L, a), tb = js_type(L, b);
    bool text_a = ta == JS_STRING || ta == JS_ARRAY || ta == JS_OBJECT;
    bool text_b = tb == JS_STRING || tb == JS_ARRAY || tb == JS_OBJECT;
    if (text_a && text_b) {
        size_t la, lb;
        a = lua_absindex(L, a);
        b = lua_absindex(L, b);
        const char *sa = js_to_string(L, a, &la), *sb = js_to_string(L, b, &lb);
        int order = memcmp(sa, sb, la < lb ? la : lb);
        if (!order)
            order = la < lb ? -1 : la > lb;
        lua_pop(L, 2);
        return or_equal ? order <= 0 : order < 0;
    }
    if (ta == JS_NUMBER && tb == JS_NUMBER)
        return lua_compare(L, a, b, or_equal ? LUA_OPLE : LUA_OPLT);
    double x = js_to_number(L, a), y = js_to_number(L, b);
    return or_equal ? x <= y : x < y;
}

static bool deep_equal(lua_State *L, int a, int b, unsigned depth)
{
    enum js_type t = js_type(L, a);
    if (t != js_type(L, b) || depth > NESTING_MAX)
        return false;
    if (t == JS_DATE)
        return date_at(L, a)->ms == date_at(L, b)->ms;
    if (t != JS_ARRAY && t != JS_OBJECT)
        return js_same(L, a, b);
    size_t n = js_len(L, a);
    if (n != js_len(L, b))
        return false;
    luaL_checkstack(L, 8, "a value is nested too deeply");
    js_charge(L, n);
    a = lua_absindex(L, a);
    b = lua_absindex(L, b);
    int top = lua_gettop(L);
    bool same = true;
    for (size_t i = 0; i < n && same; i++) {
        if (t == JS_ARRAY) {
            js_elem(L, a, i);
            js_elem(L, b, i);
        } else {
            size_t len;
            js_member(L, a, i);
            const char *key = lua_tolstring(L, -2, &len);
            same = js_has(L, b, key, len);
            js_get(L, b, key, len);
        }
        same = same && deep_equal(L, -2, -1, depth + 1);
        lua_settop(L, top);
    }
    return same;
}

bool js_deep_equal(lua_State *L, int a, int b) { return deep_equal(L, a, b, 0); }

/* --- arguments -------------------------------------------------------------------------------- */

double js_arg_number(lua_State *L, int at, double missing)
{
    return js_is_missing(L, at) ? missing : js_to_number(L, at);
}

int64_t js_arg_integer(lua_State *L, int at, int64_t missing)
{
    if (js_is_missing(L, at))
        return missing;
    double d = js_to_number(L, at);
    if (d != d)
        return 0;
    return d >= 9e15 ? (int64_t)9e15 : d <= -9e15 ? (int64_t)-9e15 : (int64_t)d;
}

const char *js_arg_string(lua_State *L, int at, size_t *len)
{
    if (lua_type(L, at) != LUA_TSTRING) {
        js_to_string(L, at, NULL);
        if (at > lua_gettop(L) - 1) {
            /* an argument that was not given: "undefined" is put in its place */
            int given = lua_gettop(L) - 1;
            for (int i = given + 1; i < at; i++) {
                lua_pushnil(L);
                lua_insert(L, i);
            }
        } else {
            lua_replace(L, at);
        }
    }
    return lua_tolstring(L, at, len);
}

bool js_arg_function(lua_State *L, int at)
{
    if (lua_type(L, at) != LUA_TFUNCTION)
        return luaL_error(L, "%s is not a function", js_type_name(js_type(L, at)));
    return true;
}
