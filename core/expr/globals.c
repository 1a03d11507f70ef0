/* SPDX-License-Identifier: Apache-2.0
 * globals: JavaScript's global functions: Number, String, parseInt, JSON, Math, URI coding, Set.
 * The worker's thread.
 */
#include "expr/expr_int.h"
#include <ctype.h>
#include <math.h>
#include <stdlib.h>

static int global_number(lua_State *L)
{
    if (lua_isinteger(L, 1)) {
        lua_settop(L, 1);
        return 1;
    }
    lua_pushnumber(L, lua_isnone(L, 1) ? 0 : js_to_number(L, 1));
    return 1;
}

static int global_string(lua_State *L)
{
    if (lua_isnone(L, 1))
        lua_pushliteral(L, "");
    else
        js_to_string(L, 1, NULL);
    return 1;
}

static int global_boolean(lua_State *L)
{
    lua_pushboolean(L, js_truth(L, 1));
    return 1;
}

static int digit_of(int c) { return isdigit(c) ? c - '0' : isalpha(c) ? (c | 32) - 'a' + 10 : 99; }

static int global_parse_int(lua_State *L)
{
    size_t len;
    int64_t base = js_arg_integer(L, 2, 0);
    lua_settop(L, 1);
    const char *s = js_arg_string(L, 1, &len), *end = s + len;
    while (s < end && text_is_space((unsigned char)*s))
        s++;
    bool negative = s < end && *s == '-';
    if (s < end && (*s == '-' || *s == '+'))
        s++;
    if ((base == 0 || base == 16) && end - s > 1 && s[0] == '0' && (s[1] | 32) == 'x') {
        base = 16;
        s += 2;
    }
    base = base ? base : 10;
    double value = 0;
    const char *first = s;
    while (base >= 2 && base <= 36 && s < end && digit_of((unsigned char)*s) < base)
        value = value * (double)base + digit_of((unsigned char)*s++);
    lua_pushnumber(L, s == first ? NAN : negative ? -value : value);
    return 1;
}

static int global_parse_float(lua_State *L)
{
    size_t len;
    lua_settop(L, 1);
    const char *s = js_arg_string(L, 1, &len);
    lua_pushnumber(L, text_parse_float(s, len));
    return 1;
}

static int global_is_nan(lua_State *L)
{
    double d = js_to_number(L, 1);
    lua_pushboolean(L, d != d);
    return 1;
}

static int global_is_finite(lua_State *L)
{
    lua_pushboolean(L, isfinite(js_to_number(L, 1)));
    return 1;
}

static bool own_number(lua_State *L, double *d)
{
    *d = lua_type(L, 1) == LUA_TNUMBER ? lua_tonumber(L, 1) : NAN;
    return lua_type(L, 1) == LUA_TNUMBER;
}

static int number_is_nan(lua_State *L)
{
    double d;
    lua_pushboolean(L, own_number(L, &d) && d != d);
    return 1;
}

static int number_is_finite(lua_State *L)
{
    double d;
    lua_pushboolean(L, own_number(L, &d) && isfinite(d));
    return 1;
}

static int number_is_integer(lua_State *L)
{
    double d;
    lua_pushboolean(L, own_number(L, &d) && isfinite(d) && d == floor(d));
    return 1;
}

static int number_is_safe(lua_State *L)
{
    double d;
    lua_pushboolean(L, own_number(L, &d) && d == floor(d) && fabs(d) <= 9007199254740991.0);
    return 1;
}

/* --- URI -------------------------------------------------------------------------------------- */

static int encode(lua_State *L, const char *kept)
{
    size_t len;
    lua_settop(L, 1);
    const char *s = js_arg_string(L, 1, &len);
    luaL_Buffer b;
    luaL_buffinit(L, &b);
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)s[i];
        if (c && (isalnum(c) || strchr(kept, c))) {
            luaL_addchar(&b, (char)c);
        } else {
            luaL_addchar(&b, '%');
            luaL_addchar(&b, "0123456789ABCDEF"[c >> 4]);
            luaL_addchar(&b, "0123456789ABCDEF"[c & 15]);
        }
    }
    luaL_pushresult(&b);
    return 1;
}

/* Escapes of characters in `kept` stay as they are. */
static int decode(lua_State *L, const char *kept)
{
    size_t len;
    lua_settop(L, 1);
    const char *s = js_arg_string(L, 1, &len);
    luaL_Buffer b;
    luaL_buffinit(L, &b);
    for (size_t i = 0; i < len; i++) {
        if (s[i] != '%') {
            luaL_addchar(&b, s[i]);
            continue;
        }
        if (i + 2 >= len || !isxdigit((unsigned char)s[i + 1]) ||
            !isxdigit((unsigned char)s[i + 2]))
            return luaL_error(L, "malformed URI: '%%' without two hex digits");
        int c = digit_of((unsigned char)s[i + 1]) * 16 + digit_of((unsigned char)s[i + 2]);
        if (c && strchr(kept, c))
            luaL_addlstring(&b, s + i, 3);
        else
            luaL_addchar(&b, (char)c);
        i += 2;
    }
    luaL_pushresult(&b);
    s = lua_tolstring(L, -1, &len);
    if (!text_is_valid(s, len))
        return luaL_error(L, "malformed URI: the escapes are no UTF-8");
    return 1;
}

#define URI_COMPONENT "-_.!~*'()"
#define URI_RESERVED  ";/?:@&=+$,#"

int js_encode_component(lua_State *L) { return encode(L, URI_COMPONENT); }

int js_decode_component(lua_State *L) { return decode(L, ""); }

int js_encode_uri(lua_State *L) { return encode(L, URI_COMPONENT URI_RESERVED); }

int js_decode_uri(lua_State *L) { return decode(L, URI_RESERVED); }

/* --- JSON ------------------------------------------------------------------------------------- */

static void add_indent(luaL_Buffer *b, const char *gap, size_t len, unsigned depth)
{
    luaL_addchar(b, '\n');
    for (unsigned i = 0; i < depth; i++)
        luaL_addlstring(b, gap, len);
}

static void add_pretty(lua_State *L, luaL_Buffer *b, const struct json *v, const char *gap,
                       size_t len, unsigned depth)
{
    bool object = v->type == JSON_OBJECT;
    if ((!object && v->type != JSON_ARRAY) || !v->len) {
        wf_str text = json_text(js_arena(L), v);
        luaL_addlstring(b, text.ptr, text.len);
        return;
    }
    luaL_addchar(b, object ? '{' : '[');
    for (uint32_t i = 0; i < v->len; i++) {
        if (i)
            luaL_addchar(b, ',');
        add_indent(b, gap, len, depth + 1);
        if (object) {
            wf_str key = json_text(js_arena(L), &v->members[i].key);
            luaL_addlstring(b, key.ptr, key.len);
            luaL_addstring(b, ": ");
        }
        add_pretty(L, b, object ? &v->members[i].value : &v->elements[i], gap, len, depth + 1);
    }
    add_indent(b, gap, len, depth);
    luaL_addchar(b, object ? '}' : ']');
}

/* The members an array of names keeps, at every level. */
static struct json keep_names(lua_State *L, int names, const struct json *v)
{
    struct json out = *v, *elements;
    struct json_member *members;
    uint32_t kept = 0;
    if (v->type == JSON_ARRAY) {
        out = json_array(js_arena(L), v->len, &elements);
        for (uint32_t i = 0; i < v->len; i++)
            elements[i] = keep_names(L, names, &v->elements[i]);
    } else if (v->type == JSON_OBJECT) {
        out = json_object(js_arena(L), v->len, &members);
        size_t n = js_len(L, names);
        for (size_t i = 0; i < n && kept < v->len; i++) {
            size_t len;
            js_elem(L, names, i);
            const char *name = js_to_string(L, -1, &len);
            const struct json *value = json_get(v, name, len);
            if (value)
                members[kept++] = (struct json_member){ json_of_str(js_arena(L), name, len),
                                                        keep_names(L, names, value) };
            lua_pop(L, 2);
        }
        out.len = kept;
    }
    return out;
}

static int json_stringify(lua_State *L)
{
    char spaces[10];
    size_t len = 0;
    const char *gap = "";
    lua_settop(L, 3);
    if (lua_isfunction(L, 2))
        return luaL_error(L, "JSON.stringify() with a function is not supported: use map()");
    struct json v = js_json(L, 1);
    if (v.type == JSON_MISSING) {
        lua_pushnil(L);
        return 1;
    }
    if (js_type(L, 2) == JS_ARRAY)
        v = keep_names(L, 2, &v);
    if (lua_type(L, 3) == LUA_TSTRING) {
        gap = lua_tolstring(L, 3, &len);
        len = len > 10 ? 10 : len;
    } else if (lua_type(L, 3) == LUA_TNUMBER) {
        int64_t n = js_arg_integer(L, 3, 0);
        len = n < 0 ? 0 : n > 10 ? 10 : (size_t)n;
        memset(spaces, ' ', sizeof spaces);
        gap = spaces;
    }
    if (len) {
        luaL_Buffer b;
        luaL_buffinit(L, &b);
        add_pretty(L, &b, &v, gap, len, 0);
        luaL_pushresult(&b);
    } else {
        wf_str text = json_text(js_arena(L), &v);
        lua_pushlstring(L, text.ptr, text.len);
    }
    js_charge(L, lua_rawlen(L, -1) >> 4);
    return 1;
}

int js_json_parse(lua_State *L)
{
    size_t len;
    struct json_error error;
    lua_settop(L, 2);
    if (lua_isfunction(L, 2))
        return luaL_error(L, "JSON.parse() with a function is not supported: use map()");
    const char *s = js_arg_string(L, 1, &len);
    struct json *v = arena_alloc(js_arena(L), sizeof *v);
    js_charge(L, len >> 4);
    if (json_parse_copy(js_arena(L), s, len, 0, v, &error) != 0)
        return luaL_error(L, "the text is not JSON: %s at position %I", error.reason,
                          (LUAI_UACINT)error.offset);
    if (js_arena(L)->total_bytes > js_lua(L)->arena_start + js_lua(L)->limit_bytes)
        return luaL_error(L, "not enough memory");
    js_push(L, v);
    return 1;
}

/* --- Set -------------------------------------------------------------------------------------- */

/* Leaves an array with the different values of the array at `at`, in order. */
void js_push_unique(lua_State *L, int at)
{
    at = lua_absindex(L, at);
    size_t n = js_len(L, at);
    js_charge(L, n);
    js_array_new(L, 0);
    lua_newtable(L); /* what was seen */
    for (size_t i = 0; i < n; i++) {
        js_elem(L, at, i);
        /* nil and NaN cannot be keys */
        if (lua_isnil(L, -1))
            lua_pushliteral(L, "\1undefined");
        else if (lua_type(L, -1) == LUA_TNUMBER && lua_tonumber(L, -1) != lua_tonumber(L, -1))
            lua_pushliteral(L, "\1NaN");
        else
            lua_pushvalue(L, -1);
        lua_pushvalue(L, -1);
        bool seen = lua_rawget(L, -4) != LUA_TNIL;
        lua_pop(L, 1);
        if (!seen) {
            lua_pushboolean(L, 1);
            lua_rawset(L, -4);
            js_array_add(L, -3);
        } else {
            lua_pop(L, 2);
        }
    }
    lua_pop(L, 1);
}

static int set_new(lua_State *L)
{
    lua_settop(L, 1);
    if (lua_isnil(L, 1) || js_type(L, 1) == JS_NULL)
        js_array_new(L, 0);
    else {
        js_spread(L, 1);
        js_push_unique(L, -1);
    }
    struct js_box *box = lua_newuserdatauv(L, sizeof *box, 1);
    box->kind = JS_SET;
    lua_pushvalue(L, -2);
    lua_setiuservalue(L, -2, 1);
    luaL_setmetatable(L, "set");
    return 1;
}

static int set_has(lua_State *L)
{
    lua_settop(L, 2);
    js_spread(L, 1);
    size_t n = js_len(L, 3);
    js_charge(L, n >> 2);
    for (size_t i = 0; i < n; i++) {
        js_elem(L, 3, i);
        bool same = js_same(L, -1, 2);
        lua_pop(L, 1);
        if (same) {
            lua_pushboolean(L, 1);
            return 1;
        }
    }
    lua_pushboolean(L, 0);
    return 1;
}

static int set_values(lua_State *L)
{
    js_spread(L, 1);
    js_spread(L, -1);
    return 1;
}

const struct js_method js_set_methods[] = {
    { "has", set_has }, { "values", set_values }, { "keys", set_values }, { NULL, NULL }
};

static int set_index(lua_State *L)
{
    const char *key = lua_tostring(L, 2);
    if (key && !strcmp(key, "size")) {
        js_spread(L, 1);
        lua_pushnumber(L, (lua_Number)js_len(L, -1));
    } else {
        lua_pushnil(L);
    }
    return 1;
}

void set_open(lua_State *L)
{
    luaL_newmetatable(L, "set");
    lua_pushcfunction(L, set_index);
    lua_setfield(L, -2, "__index");
    lua_pop(L, 1);
}

/* --- functions -------------------------------------------------------------------------------- */

/* f.call(this, ...) and f.apply(this, array): there is no this. */
static int function_call(lua_State *L)
{
    if (lua_gettop(L) > 1)
        lua_remove(L, 2);
    js_call(L, lua_gettop(L) - 1);
    return 1;
}

const struct js_method js_function_methods[] = { { "call", function_call }, { NULL, NULL } };

const struct js_method js_core_statics[] = {
    { "Number", global_number },
    { "String", global_string },
    { "Boolean", global_boolean },
    { "parseInt", global_parse_int },
    { "parseFloat", global_parse_float },
    { "isNaN", global_is_nan },
    { "isFinite", global_is_finite },
    { "Number.isNaN", number_is_nan },
    { "Number.isFinite", number_is_finite },
    { "Number.isInteger", number_is_integer },
    { "Number.isSafeInteger", number_is_safe },
    { "Number.parseInt", global_parse_int },
    { "Number.parseFloat", global_parse_float },
    { "encodeURIComponent", js_encode_component },
    { "decodeURIComponent", js_decode_component },
    { "encodeURI", js_encode_uri },
    { "decodeURI", js_decode_uri },
    { "JSON.stringify", json_stringify },
    { "JSON.parse", js_json_parse },
    { "new Set", set_new },
    { "new RegExp", regex_new },
    { "RegExp", regex_new },
    { NULL, NULL },
};

const struct js_constant js_constants[] = {
    { "Math.PI", 3.141592653589793 },
    { "Math.E", 2.718281828459045 },
    { "Math.LN2", 0.6931471805599453 },
    { "Math.LN10", 2.302585092994046 },
    { "Math.LOG2E", 1.4426950408889634 },
    { "Math.LOG10E", 0.4342944819032518 },
    { "Math.SQRT2", 1.4142135623730951 },
    { "Math.SQRT1_2", 0.7071067811865476 },
    { "Number.MAX_SAFE_INTEGER", 9007199254740991.0 },
    { "Number.MIN_SAFE_INTEGER", -9007199254740991.0 },
    { "Number.MAX_VALUE", 1.7976931348623157e308 },
    { "Number.MIN_VALUE", 5e-324 },
    { "Number.EPSILON", 2.220446049250313e-16 },
    { "Number.POSITIVE_INFINITY", INFINITY },
    { "Number.NEGATIVE_INFINITY", -INFINITY },
    { "Number.NaN", NAN },
    { NULL, 0 },
};
