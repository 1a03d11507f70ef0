/* SPDX-License-Identifier: Apache-2.0
 * string_methods: methods of JavaScript strings that look at positions and characters. Positions
 * count code points (see text_int.h). The worker's thread.
 */
#include "expr/expr_int.h"
#include <math.h>
#include <wctype.h>

static const char *self(lua_State *L, size_t *len) { return lua_tolstring(L, 1, len); }

/* Argument as a position clamped to 0..n; negative ones count from the end when `from_end`. */
static size_t position(lua_State *L, int at, int64_t missing, size_t n, bool from_end)
{
    int64_t i = js_arg_integer(L, at, missing);
    if (i < 0)
        i = from_end ? i + (int64_t)n : 0;
    return i < 0 ? 0 : i > (int64_t)n ? n : (size_t)i;
}

/* Pushes the code points from..to of a string. */
static int push_part(lua_State *L, size_t from, size_t to)
{
    size_t len;
    const char *s = self(L, &len);
    if (from >= to) {
        lua_pushliteral(L, "");
        return 1;
    }
    size_t a = text_offset(s, len, from), b = a + text_offset(s + a, len - a, to - from);
    lua_pushlstring(L, s + a, b - a);
    return 1;
}

static size_t length(lua_State *L)
{
    size_t len;
    const char *s = self(L, &len);
    return text_count(s, len);
}

static int string_slice(lua_State *L)
{
    size_t n = length(L);
    return push_part(L, position(L, 2, 0, n, true), position(L, 3, (int64_t)n, n, true));
}

static int string_substring(lua_State *L)
{
    size_t n = length(L), a = position(L, 2, 0, n, false), b = position(L, 3, (int64_t)n, n, false);
    return a < b ? push_part(L, a, b) : push_part(L, b, a);
}

static int string_substr(lua_State *L)
{
    size_t n = length(L), a = position(L, 2, 0, n, true);
    size_t count = position(L, 3, (int64_t)n, n, false);
    return push_part(L, a, a + count > n ? n : a + count);
}

static int string_char_at(lua_State *L)
{
    int64_t i = js_arg_integer(L, 2, 0);
    if (i < 0)
        return push_part(L, 0, 0);
    return push_part(L, (size_t)i, (size_t)i + 1);
}

static int string_at(lua_State *L)
{
    int64_t i = js_arg_integer(L, 2, 0), n = (int64_t)length(L);
    if (i < 0)
        i += n;
    if (i < 0 || i >= n) {
        lua_pushnil(L);
        return 1;
    }
    return push_part(L, (size_t)i, (size_t)i + 1);
}

/* charCodeAt and codePointAt are one here, as positions are code points. */
static int string_code(lua_State *L)
{
    size_t len;
    const char *s = self(L, &len);
    int64_t i = js_arg_integer(L, 2, 0);
    size_t at = i < 0 ? len : text_offset(s, len, (size_t)i);
    const char *p = s + at;
    lua_pushnumber(L, at < len ? text_get_utf8(&p, s + len) : NAN);
    return 1;
}

static int string_concat(lua_State *L)
{
    int n = lua_gettop(L);
    for (int i = 1; i <= n; i++)
        js_to_string(L, i, NULL);
    lua_concat(L, n);
    return 1;
}

/* The argument of includes() and the like, which may not be a regular expression. */
static const char *plain_arg(lua_State *L, size_t *len)
{
    if (regex_at(L, 2))
        luaL_error(L, "a text is expected, not a regular expression");
    return js_arg_string(L, 2, len);
}

static const char *find_from(lua_State *L, const char **s, size_t *what_len)
{
    size_t len;
    lua_settop(L, 3);
    const char *what = plain_arg(L, what_len);
    *s = self(L, &len);
    size_t from = text_offset(*s, len, position(L, 3, 0, len, false));
    return *what_len ? memmem(*s + from, len - from, what, *what_len) : *s + from;
}

static int string_includes(lua_State *L)
{
    const char *s;
    size_t n;
    lua_pushboolean(L, find_from(L, &s, &n) != NULL);
    return 1;
}

static int string_index_of(lua_State *L)
{
    const char *s;
    size_t n;
    const char *found = find_from(L, &s, &n);
    lua_pushnumber(L, found ? (lua_Number)text_count(s, (size_t)(found - s)) : -1);
    return 1;
}

static int string_last_index_of(lua_State *L)
{
    size_t len, n;
    lua_settop(L, 2);
    const char *what = plain_arg(L, &n), *s = self(L, &len);
    for (size_t i = len >= n ? len - n + 1 : 0; i-- > 0;)
        if (!memcmp(s + i, what, n)) {
            lua_pushnumber(L, (lua_Number)text_count(s, i));
            return 1;
        }
    lua_pushnumber(L, -1);
    return 1;
}

static int string_starts_with(lua_State *L)
{
    size_t len, n;
    lua_settop(L, 3);
    const char *what = plain_arg(L, &n), *s = self(L, &len);
    size_t at = text_offset(s, len, position(L, 3, 0, len, false));
    lua_pushboolean(L, len - at >= n && !memcmp(s + at, what, n));
    return 1;
}

static int string_ends_with(lua_State *L)
{
    size_t len, n;
    lua_settop(L, 3);
    const char *what = plain_arg(L, &n), *s = self(L, &len);
    size_t end = text_offset(s, len, position(L, 3, (int64_t)len, len, false));
    lua_pushboolean(L, end >= n && !memcmp(s + end - n, what, n));
    return 1;
}

static int pad(lua_State *L, bool at_start)
{
    size_t fill_len = 1, n = length(L);
    int64_t want = js_arg_integer(L, 2, 0);
    lua_settop(L, 3);
    const char *fill = lua_isnil(L, 3) ? " " : js_arg_string(L, 3, &fill_len);
    size_t fill_n = text_count(fill, fill_len);
    if (want <= (int64_t)n || !fill_n) {
        lua_settop(L, 1);
        return 1;
    }
    size_t missing = (size_t)want - n;
    js_charge(L, missing);
    if (missing > js_lua(L)->limit_bytes)
        return luaL_error(L, "not enough memory");
    luaL_Buffer b;
    luaL_buffinit(L, &b);
    if (!at_start) {
        lua_pushvalue(L, 1);
        luaL_addvalue(&b);
    }
    for (size_t i = 0; i < missing / fill_n; i++)
        luaL_addlstring(&b, fill, fill_len);
    luaL_addlstring(&b, fill, text_offset(fill, fill_len, missing % fill_n));
    if (at_start) {
        lua_pushvalue(L, 1);
        luaL_addvalue(&b);
    }
    luaL_pushresult(&b);
    return 1;
}

static int string_pad_start(lua_State *L) { return pad(L, true); }

static int string_pad_end(lua_State *L) { return pad(L, false); }

static int string_repeat(lua_State *L)
{
    size_t len;
    const char *s = self(L, &len);
    int64_t n = js_arg_integer(L, 2, 0);
    if (n < 0)
        return luaL_error(L, "repeat() with a negative count");
    if ((double)n * (double)len > (double)js_lua(L)->limit_bytes)
        return luaL_error(L, "not enough memory");
    luaL_Buffer b;
    luaL_buffinit(L, &b);
    for (int64_t i = 0; len && i < n; i++)
        luaL_addlstring(&b, s, len);
    luaL_pushresult(&b);
    return 1;
}

/* Case by code point with the tables of the C library's UTF-8 locale where it has one; Latin, Greek
 * and Cyrillic are mapped here, so the result does not depend on the locale of the process. */
uint32_t js_change_case(uint32_t c, bool upper)
{
    if (c < 0x80)
        return upper ? (c >= 'a' && c <= 'z' ? c - 32 : c) : (c >= 'A' && c <= 'Z' ? c + 32 : c);
    if (upper) {
        if ((c >= 0xE0 && c <= 0xFE && c != 0xF7) || (c >= 0x3B1 && c <= 0x3C9 && c != 0x3C2) ||
            (c >= 0x430 && c <= 0x44F))
            return c - 32;
        if (c == 0xFF)
            return 0x178;
        if (c == 0x3C2)
            return 0x3A3;
        if (c >= 0x450 && c <= 0x45F)
            return c - 80;
        if (c >= 0x561 && c <= 0x586)
            return c - 48;
    } else {
        if ((c >= 0xC0 && c <= 0xDE && c != 0xD7) || (c >= 0x391 && c <= 0x3A9) ||
            (c >= 0x410 && c <= 0x42F))
            return c + 32;
        if (c >= 0x400 && c <= 0x40F)
            return c + 80;
        if (c >= 0x531 && c <= 0x556)
            return c + 48;
        if (c == 0x178)
            return 0xFF;
    }
    /* pairs: even is upper, or odd is upper */
    bool even = (c >= 0x100 && c <= 0x137 && c != 0x130 && c != 0x131) ||
                (c >= 0x14A && c <= 0x177) || (c >= 0x460 && c <= 0x481) ||
                (c >= 0x48A && c <= 0x4BF) || (c >= 0x4D0 && c <= 0x52F) ||
                (c >= 0x1E00 && c <= 0x1E95) || (c >= 0x1EA0 && c <= 0x1EFF) ||
                (c >= 0x370 && c <= 0x373) || (c >= 0x3D8 && c <= 0x3EF);
    bool odd =
        (c >= 0x139 && c <= 0x148) || (c >= 0x179 && c <= 0x17E) || (c >= 0x4C1 && c <= 0x4CE);
    if (even)
        return upper ? c & ~1u : c | 1u;
    if (odd)
        return upper ? (c - 1) | 1u : (c & 1u ? c + 1 : c);
    static const uint16_t accented[][2] = { { 0x3AC, 0x386 }, { 0x3AD, 0x388 }, { 0x3AE, 0x389 },
                                            { 0x3AF, 0x38A }, { 0x3CC, 0x38C }, { 0x3CD, 0x38E },
                                            { 0x3CE, 0x38F }, { 0x3CA, 0x3AA }, { 0x3CB, 0x3AB } };
    for (size_t i = 0; i < sizeof accented / sizeof *accented; i++)
        if (c == accented[i][!upper])
            return accented[i][upper];
    return c;
}

void js_push_case(lua_State *L, const char *s, size_t len, bool upper)
{
    luaL_Buffer b;
    luaL_buffinit(L, &b);
    const char *at = s, *end = s + len;
    while (at < end) {
        char utf8[4];
        uint32_t c = text_get_utf8(&at, end);
        if (upper && c == 0xDF) { /* German sharp s */
            luaL_addlstring(&b, "SS", 2);
            continue;
        }
        luaL_addlstring(&b, utf8, (size_t)(text_put_utf8(utf8, js_change_case(c, upper)) - utf8));
    }
    luaL_pushresult(&b);
}

static int string_to_upper(lua_State *L)
{
    size_t len;
    const char *s = self(L, &len);
    js_push_case(L, s, len, true);
    return 1;
}

static int string_to_lower(lua_State *L)
{
    size_t len;
    const char *s = self(L, &len);
    js_push_case(L, s, len, false);
    return 1;
}

static int trim(lua_State *L, bool start, bool end)
{
    size_t len;
    const char *s = self(L, &len), *stop = s + len;
    while (start && s < stop) {
        const char *next = s;
        if (!text_is_space(text_get_utf8(&next, stop)))
            break;
        s = next;
    }
    while (end && stop > s) {
        const char *last = stop - 1, *read;
        while (last > s && ((unsigned char)*last & 0xC0) == 0x80)
            last--;
        read = last;
        if (!text_is_space(text_get_utf8(&read, stop)))
            break;
        stop = last;
    }
    lua_pushlstring(L, s, (size_t)(stop - s));
    return 1;
}

static int string_trim(lua_State *L) { return trim(L, true, true); }

static int string_trim_start(lua_State *L) { return trim(L, true, false); }

static int string_trim_end(lua_State *L) { return trim(L, false, true); }

static int string_text(lua_State *L)
{
    lua_settop(L, 1);
    return 1;
}

const struct js_method js_string_methods[] = {
    { "slice", string_slice },
    { "substring", string_substring },
    { "substr", string_substr },
    { "charAt", string_char_at },
    { "at", string_at },
    { "charCodeAt", string_code },
    { "codePointAt", string_code },
    { "concat", string_concat },
    { "includes", string_includes },
    { "indexOf", string_index_of },
    { "lastIndexOf", string_last_index_of },
    { "startsWith", string_starts_with },
    { "endsWith", string_ends_with },
    { "padStart", string_pad_start },
    { "padEnd", string_pad_end },
    { "repeat", string_repeat },
    { "toUpperCase", string_to_upper },
    { "toLowerCase", string_to_lower },
    { "toLocaleUpperCase", string_to_upper },
    { "toLocaleLowerCase", string_to_lower },
    { "trim", string_trim },
    { "trimStart", string_trim_start },
    { "trimLeft", string_trim_start },
    { "trimRight", string_trim_end },
    { "trimEnd", string_trim_end },
    { "toString", string_text },
    { "valueOf", string_text },
    { "localeCompare", js_string_locale_compare },
    { "normalize", js_string_normalize },
    { NULL, NULL },
};
