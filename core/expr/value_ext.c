/* SPDX-License-Identifier: Apache-2.0
 * value_ext: n8n's own functions of numbers, booleans and objects, and its global ones. The
 * worker's thread.
 */
#include "expr/expr_int.h"
#include <math.h>

int js_to_json_string(lua_State *L)
{
    struct json v = js_json(L, 1);
    wf_str text = json_text(js_arena(L), &v);
    js_charge(L, text.len >> 4);
    lua_pushlstring(L, text.ptr, text.len);
    return 1;
}

bool js_is_nothing(lua_State *L, int at)
{
    size_t len;
    switch (js_type(L, at)) {
    case JS_UNDEFINED:
    case JS_NULL:
        return true;
    case JS_STRING: {
        const char *s = lua_tolstring(L, at, &len);
        return !len || !strcmp(s, "nil");
    }
    case JS_ARRAY:
    case JS_OBJECT:
        return js_len(L, at) == 0;
    default:
        return false;
    }
}

/* --- numbers and booleans --------------------------------------------------------------------- */

static int number_ceil(lua_State *L)
{
    lua_pushnumber(L, ceil(lua_tonumber(L, 1)));
    return 1;
}

static int number_floor(lua_State *L)
{
    lua_pushnumber(L, floor(lua_tonumber(L, 1)));
    return 1;
}

static int number_abs(lua_State *L)
{
    lua_pushnumber(L, fabs(lua_tonumber(L, 1)));
    return 1;
}

static int number_round(lua_State *L)
{
    int64_t digits = js_arg_integer(L, 2, 0);
    double scale = pow(10, (double)(digits < -20 ? -20 : digits > 20 ? 20 : digits));
    double d = lua_tonumber(L, 1), r = js_round(d * scale) / scale;
    lua_pushnumber(L, isfinite(r) ? r : d);
    return 1;
}

static int number_format(lua_State *L)
{
    js_push_grouped(L, lua_tonumber(L, 1), 0, 3);
    return 1;
}

static int number_is_integer(lua_State *L)
{
    double d = lua_tonumber(L, 1);
    lua_pushboolean(L, isfinite(d) && d == floor(d));
    return 1;
}

static int number_is_even(lua_State *L)
{
    lua_pushboolean(L, fmod(lua_tonumber(L, 1), 2) == 0);
    return 1;
}

static int number_is_odd(lua_State *L)
{
    lua_pushboolean(L, fabs(fmod(lua_tonumber(L, 1), 2)) == 1);
    return 1;
}

static int to_boolean(lua_State *L)
{
    lua_pushboolean(L, js_truth(L, 1));
    return 1;
}

static int to_int(lua_State *L)
{
    lua_pushnumber(L, js_round(js_to_number(L, 1)));
    return 1;
}

static int to_float(lua_State *L)
{
    lua_pushnumber(L, js_to_number(L, 1));
    return 1;
}

static int boolean_text(lua_State *L)
{
    js_to_string(L, 1, NULL);
    return 1;
}

static int never(lua_State *L)
{
    lua_pushboolean(L, 0);
    return 1;
}

static int always(lua_State *L)
{
    lua_pushboolean(L, 1);
    return 1;
}

const struct js_method js_number_ext[] = {
    { "ceil", number_ceil },
    { "floor", number_floor },
    { "abs", number_abs },
    { "round", number_round },
    { "format", number_format },
    { "isInteger", number_is_integer },
    { "isEven", number_is_even },
    { "isOdd", number_is_odd },
    { "toBoolean", to_boolean },
    { "toInt", to_int },
    { "toFloat", to_float },
    { "toNumber", to_float },
    { "toDateTime", js_to_date_time },
    { "toJsonString", js_to_json_string },
    { "isEmpty", never },
    { "isNotEmpty", always },
    { NULL, NULL },
};

/* Conversions that mean nothing for a list, an object or a boolean give undefined, as in n8n. */
int js_no_value(lua_State *L)
{
    lua_pushnil(L);
    return 1;
}

const struct js_method js_boolean_ext[] = {
    { "toBoolean", to_boolean },
    { "toInt", to_int },
    { "toFloat", to_float },
    { "toNumber", to_float },
    { "toDateTime", js_no_value },
    { "toString", boolean_text },
    { "toJsonString", js_to_json_string },
    { "isEmpty", never },
    { "isNotEmpty", always },
    { NULL, NULL },
};

/* --- objects ---------------------------------------------------------------------------------- */

static int object_is_empty(lua_State *L)
{
    lua_pushboolean(L, js_members(L, 1) == 0);
    return 1;
}

static int object_is_not_empty(lua_State *L)
{
    lua_pushboolean(L, js_members(L, 1) > 0);
    return 1;
}

static int object_has_field(lua_State *L)
{
    size_t len;
    const char *name = js_arg_string(L, 2, &len);
    lua_pushboolean(L, js_has(L, 1, name, len));
    return 1;
}

static int object_remove_field(lua_State *L)
{
    lua_settop(L, 2);
    js_arg_string(L, 2, NULL);
    js_object_new(L);
    js_merge(L, 3, 1);
    lua_pushvalue(L, 2);
    lua_pushnil(L);
    js_put(L, 3);
    return 1;
}

/* Keeps the members whose value is a text with (or without) the text of argument 2. */
static int filter_containing(lua_State *L, bool keep)
{
    size_t n = js_members(L, 1), what_len, len;
    lua_settop(L, 2);
    const char *what = js_arg_string(L, 2, &what_len);
    js_object_new(L);
    for (size_t i = 0; i < n; i++) {
        js_member(L, 1, i);
        const char *s = lua_type(L, -1) == LUA_TSTRING ? lua_tolstring(L, -1, &len) : NULL;
        bool has = s && memmem(s, len, what, what_len);
        if (has == keep)
            js_put(L, 3);
        else
            lua_pop(L, 2);
    }
    return 1;
}

static int object_remove_containing(lua_State *L) { return filter_containing(L, false); }

static int object_keep_containing(lua_State *L) { return filter_containing(L, true); }

static int object_compact(lua_State *L)
{
    size_t n = js_members(L, 1);
    lua_settop(L, 1);
    js_object_new(L);
    for (size_t i = 0; i < n; i++) {
        js_member(L, 1, i);
        if (js_is_nothing(L, -1))
            lua_pop(L, 2);
        else
            js_put(L, 2);
    }
    return 1;
}

/* Pushes the value at `at` as text in URI form. */
static void push_encoded(lua_State *L, int at)
{
    at = lua_absindex(L, at);
    lua_pushcfunction(L, js_encode_component);
    js_to_string(L, at, NULL);
    lua_call(L, 1, 1);
}

/* a=1&b=x%20y */
static int object_url_encode(lua_State *L)
{
    size_t n = js_members(L, 1);
    luaL_Buffer b;
    luaL_buffinit(L, &b);
    for (size_t i = 0; i < n; i++) {
        if (i)
            luaL_addchar(&b, '&');
        js_member(L, 1, i);
        push_encoded(L, -2);
        lua_pushliteral(L, "=");
        push_encoded(L, -3);
        lua_concat(L, 3);
        lua_replace(L, -3);
        lua_pop(L, 1);
        luaL_addvalue(&b);
    }
    luaL_pushresult(&b);
    return 1;
}

static int object_merge(lua_State *L)
{
    lua_settop(L, 2);
    js_object_new(L);
    js_merge(L, 3, 2);
    js_merge(L, 3, 1);
    return 1;
}

const struct js_method js_object_ext[] = {
    { "isEmpty", object_is_empty },
    { "isNotEmpty", object_is_not_empty },
    { "hasField", object_has_field },
    { "removeField", object_remove_field },
    { "removeFieldsContaining", object_remove_containing },
    { "keepFieldsContaining", object_keep_containing },
    { "compact", object_compact },
    { "urlEncode", object_url_encode },
    { "keys", js_object_keys },
    { "values", js_object_values },
    { "merge", object_merge },
    { "toJsonString", js_to_json_string },
    { "toInt", js_no_value },
    { "toFloat", js_no_value },
    { "toBoolean", js_no_value },
    { "toDateTime", js_no_value },
    { NULL, NULL },
};

/* --- global ----------------------------------------------------------------------------------- */

/* $if() beside the form that is compiled as a condition. */
static int global_if(lua_State *L)
{
    lua_settop(L, 3);
    lua_pushvalue(L, js_truth(L, 1) ? 2 : 3);
    return 1;
}

static int global_if_empty(lua_State *L)
{
    lua_settop(L, 2);
    enum js_type type = js_type(L, 1);
    bool empty = type == JS_UNDEFINED || type == JS_NULL ||
                 (type == JS_STRING && !lua_rawlen(L, 1)) ||
                 ((type == JS_ARRAY || type == JS_OBJECT) && !js_len(L, 1));
    lua_settop(L, empty ? 2 : 1);
    return 1;
}

/* The numbers given, or those of one array. */
static size_t arguments(lua_State *L)
{
    if (lua_gettop(L) == 1 && js_type(L, 1) == JS_ARRAY)
        return js_len(L, 1);
    int n = lua_gettop(L);
    js_array_new(L, (size_t)n);
    for (int i = 1; i <= n; i++) {
        lua_pushvalue(L, i);
        js_array_set(L, n + 1, (size_t)i - 1);
    }
    lua_replace(L, 1);
    lua_settop(L, 1);
    return (size_t)n;
}

static double number_at(lua_State *L, size_t i)
{
    js_elem(L, 1, i);
    double d = js_to_number(L, -1);
    lua_pop(L, 1);
    return d;
}

static int extreme(lua_State *L, bool max)
{
    size_t n = lua_gettop(L) ? arguments(L) : 0;
    double best = max ? -INFINITY : INFINITY;
    for (size_t i = 0; i < n; i++) {
        double d = number_at(L, i);
        if (d != d || (max ? d > best : d < best))
            best = d;
        if (d != d)
            break;
    }
    lua_pushnumber(L, best);
    return 1;
}

static int global_max(lua_State *L) { return extreme(L, true); }

static int global_min(lua_State *L) { return extreme(L, false); }

static int global_average(lua_State *L)
{
    size_t n = lua_gettop(L) ? arguments(L) : 0;
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += number_at(L, i);
    lua_pushnumber(L, n ? sum / (double)n : 0);
    return 1;
}

static int global_not(lua_State *L)
{
    lua_pushboolean(L, !js_truth(L, 1));
    return 1;
}

/* numberList(1, 4) -> [1, 2, 3, 4] */
static int global_number_list(lua_State *L)
{
    int64_t from = js_arg_integer(L, 1, 0), to = js_arg_integer(L, 2, 0),
            step = from <= to ? 1 : -1;
    uint64_t n = (uint64_t)(step > 0 ? to - from : from - to) + 1;
    if (n > 1000000)
        return luaL_error(L, "numberList() of more than 1,000,000 numbers");
    js_charge(L, (size_t)n);
    js_array_new(L, (size_t)n);
    for (size_t i = 0; i < n; i++) {
        lua_pushnumber(L, (lua_Number)(from + (int64_t)i * step));
        js_array_set(L, -2, i);
    }
    return 1;
}

/* zip(["a"], [1]) -> {a: 1} */
static int global_zip(lua_State *L)
{
    lua_settop(L, 2);
    if (js_type(L, 1) != JS_ARRAY || js_type(L, 2) != JS_ARRAY || js_len(L, 1) != js_len(L, 2))
        return luaL_error(L, "zip() takes two arrays of one length");
    size_t n = js_len(L, 1);
    js_charge(L, n);
    js_object_new(L);
    for (size_t i = 0; i < n; i++) {
        js_elem(L, 1, i);
        js_to_string(L, -1, NULL);
        js_elem(L, 2, i);
        js_put(L, 3);
        lua_settop(L, 3);
    }
    return 1;
}

const struct js_method js_ext_statics[] = {
    { "$if", global_if },           { "$ifEmpty", global_if_empty },
    { "ifEmpty", global_if_empty }, { "$max", global_max },
    { "$min", global_min },         { "$average", global_average },
    { "average", global_average },  { "$not", global_not },
    { "not", global_not },          { "numberList", global_number_list },
    { "zip", global_zip },          { "max", global_max },
    { "min", global_min },          { "btoa", js_base64_encode },
    { "atob", js_base64_decode },   { NULL, NULL },
};
