/* SPDX-License-Identifier: Apache-2.0
 * string_search: methods of strings that take a text or a regular expression: match, matchAll,
 * replace, replaceAll, search, split. The worker's thread.
 */
#include "expr/expr_int.h"

/* Where the next search after a match starts: behind an empty match by one character. */
static size_t after(const char *s, size_t len, const int64_t *pairs)
{
    size_t end = (size_t)pairs[1];
    if (pairs[0] != pairs[1])
        return end;
    if (end >= len)
        return len + 1;
    const char *at = s + end;
    text_get_utf8(&at, s + len);
    return (size_t)(at - s);
}

static void push_group(lua_State *L, const char *s, const int64_t *pairs, int i)
{
    if (pairs[2 * i] < 0)
        lua_pushnil(L);
    else
        lua_pushlstring(L, s + pairs[2 * i], (size_t)(pairs[2 * i + 1] - pairs[2 * i]));
}

static void push_named(lua_State *L, const struct regex *re, const char *s, const int64_t *pairs,
                       int n)
{
    js_object_new(L);
    for (int i = 1; i < n; i++) {
        if (!regex_group_name(re, i))
            continue;
        push_group(L, s, pairs, i);
        js_put_field(L, -2, regex_group_name(re, i));
    }
}

/* The array of match(): groups; .index and .groups are fields beside the elements. */
void regex_push_match(lua_State *L, const struct regex *re, const char *s, const int64_t *pairs,
                      int n)
{
    js_array_new(L, (size_t)n);
    for (int i = 0; i < n; i++) {
        push_group(L, s, pairs, i);
        js_array_set(L, -2, (size_t)i);
    }
    lua_pushnumber(L, (lua_Number)text_count(s, (size_t)pairs[0]));
    lua_setfield(L, -2, "index");
    if (regex_has_names(re)) {
        push_named(L, re, s, pairs, n);
        lua_setfield(L, -2, "groups");
    }
}

/* Argument 2 as a regular expression: a text becomes one. */
static struct regex *pattern_arg(lua_State *L, const char *flags)
{
    if (!regex_at(L, 2)) {
        lua_pushcfunction(L, regex_new);
        if (js_is_missing(L, 2))
            lua_pushliteral(L, "(?:)");
        else
            js_to_string(L, 2, NULL);
        lua_pushstring(L, flags);
        lua_call(L, 2, 1);
        if (lua_gettop(L) == 2)
            lua_pushvalue(L, 2);
        lua_replace(L, 2);
    }
    return regex_at(L, 2);
}

static int string_match(lua_State *L)
{
    size_t len, at = 0;
    int64_t pairs[2 * REGEX_GROUPS_MAX];
    lua_settop(L, 2);
    const char *s = lua_tolstring(L, 1, &len);
    struct regex *re = pattern_arg(L, "");
    if (!regex_is_global(re)) {
        int n = regex_exec(L, re, s, len, 0, pairs, REGEX_GROUPS_MAX);
        if (n)
            regex_push_match(L, re, s, pairs, n);
        else
            lua_pushlightuserdata(L, NULL);
        return 1;
    }
    js_array_new(L, 0);
    while (at <= len && regex_exec(L, re, s, len, at, pairs, 1)) {
        push_group(L, s, pairs, 0);
        js_array_add(L, 3);
        at = after(s, len, pairs);
    }
    if (!lua_rawlen(L, 3))
        lua_pushlightuserdata(L, NULL);
    return 1;
}

static int string_match_all(lua_State *L)
{
    size_t len, at = 0;
    int n;
    int64_t pairs[2 * REGEX_GROUPS_MAX];
    lua_settop(L, 2);
    const char *s = lua_tolstring(L, 1, &len);
    struct regex *re = pattern_arg(L, "g");
    if (!regex_is_global(re))
        return luaL_error(L, "matchAll() needs a regular expression with the flag g");
    js_array_new(L, 0);
    while (at <= len && (n = regex_exec(L, re, s, len, at, pairs, REGEX_GROUPS_MAX))) {
        regex_push_match(L, re, s, pairs, n);
        js_array_add(L, 3);
        at = after(s, len, pairs);
    }
    return 1;
}

static int string_search_method(lua_State *L)
{
    size_t len;
    int64_t pairs[2];
    lua_settop(L, 2);
    const char *s = lua_tolstring(L, 1, &len);
    bool found = regex_exec(L, pattern_arg(L, ""), s, len, 0, pairs, 1) > 0;
    lua_pushnumber(L, found ? (lua_Number)text_count(s, (size_t)pairs[0]) : -1);
    return 1;
}

/* --- replacing -------------------------------------------------------------------------------- */

/* A search under way: text, what is replaced with what. */
struct replacing {
    const char *s;
    size_t len;
    struct regex *re; /* NULL: `text` is searched */
    const char *text;
    size_t text_len;
    int64_t pairs[2 * REGEX_GROUPS_MAX];
    int n;
};

static bool find_next(lua_State *L, struct replacing *r, size_t at)
{
    if (at > r->len)
        return false;
    if (r->re) {
        r->n = regex_exec(L, r->re, r->s, r->len, at, r->pairs, REGEX_GROUPS_MAX);
        return r->n > 0;
    }
    const char *found =
        r->text_len ? memmem(r->s + at, r->len - at, r->text, r->text_len) : r->s + at;
    js_charge(L, 1);
    if (!found)
        return false;
    r->n = 1;
    r->pairs[0] = found - r->s;
    r->pairs[1] = r->pairs[0] + (int64_t)r->text_len;
    return true;
}

/* Number of a group after "$" at p; *used its digits. */
static int group_number(const char *p, const char *end, int n, size_t *used)
{
    int one = p < end && *p >= '0' && *p <= '9' ? *p - '0' : -1;
    int two = one >= 0 && p + 1 < end && p[1] >= '0' && p[1] <= '9' ? one * 10 + p[1] - '0' : -1;
    *used = 2;
    if (two > 0 && two < n)
        return two;
    *used = 1;
    return one > 0 && one < n ? one : 0;
}

static void add_range(luaL_Buffer *b, const char *s, int64_t from, int64_t to)
{
    if (from >= 0 && to > from)
        luaL_addlstring(b, s + from, (size_t)(to - from));
}

/* $1, $&, $<name>, $$, $`, $' of a replacement text. */
static void add_template(luaL_Buffer *b, const struct replacing *r, const char *t, size_t t_len)
{
    const char *end = t + t_len;
    while (t < end) {
        size_t used;
        if (*t != '$' || t + 1 == end) {
            luaL_addchar(b, *t++);
            continue;
        }
        t++;
        int group = group_number(t, end, r->n, &used);
        const char *close = *t == '<' ? memchr(t, '>', (size_t)(end - t)) : NULL;
        if (*t == '$') {
            luaL_addchar(b, '$');
            t++;
        } else if (*t == '&') {
            add_range(b, r->s, r->pairs[0], r->pairs[1]);
            t++;
        } else if (*t == '`') {
            add_range(b, r->s, 0, r->pairs[0]);
            t++;
        } else if (*t == '\'') {
            add_range(b, r->s, r->pairs[1], (int64_t)r->len);
            t++;
        } else if (group) {
            add_range(b, r->s, r->pairs[2 * group], r->pairs[2 * group + 1]);
            t += used;
        } else if (close && r->re && regex_has_names(r->re)) {
            for (int i = 1; i < r->n; i++) {
                const char *name = regex_group_name(r->re, i);
                if (name && strlen(name) == (size_t)(close - t - 1) &&
                    !memcmp(name, t + 1, strlen(name)))
                    add_range(b, r->s, r->pairs[2 * i], r->pairs[2 * i + 1]);
            }
            t = close + 1;
        } else {
            luaL_addchar(b, '$');
        }
    }
}

/* The function of argument 3 called with match, groups, offset, text, named groups. */
static void add_called(lua_State *L, luaL_Buffer *b, const struct replacing *r)
{
    luaL_checkstack(L, r->n + 8, "too many groups");
    lua_pushvalue(L, 3);
    for (int i = 0; i < r->n; i++)
        push_group(L, r->s, r->pairs, i);
    lua_pushnumber(L, (lua_Number)text_count(r->s, (size_t)r->pairs[0]));
    lua_pushvalue(L, 1);
    int extra = r->re && regex_has_names(r->re);
    if (extra)
        push_named(L, r->re, r->s, r->pairs, r->n);
    js_call(L, r->n + 2 + extra);
    js_to_string(L, -1, NULL);
    lua_remove(L, -2);
    luaL_addvalue(b);
}

static int replace(lua_State *L, bool all)
{
    struct replacing r = { 0 };
    size_t at = 0, copied = 0, to_len = 0;
    lua_settop(L, 3);
    r.s = lua_tolstring(L, 1, &r.len);
    r.re = regex_at(L, 2);
    if (r.re)
        all = regex_is_global(r.re);
    else
        r.text = js_arg_string(L, 2, &r.text_len);
    bool call = lua_isfunction(L, 3);
    const char *to = call ? NULL : js_arg_string(L, 3, &to_len);
    luaL_Buffer b;
    luaL_buffinit(L, &b);
    while (find_next(L, &r, at)) {
        luaL_addlstring(&b, r.s + copied, (size_t)r.pairs[0] - copied);
        if (call)
            add_called(L, &b, &r);
        else
            add_template(&b, &r, to, to_len);
        copied = (size_t)r.pairs[1];
        at = after(r.s, r.len, r.pairs);
        if (!all)
            break;
    }
    luaL_addlstring(&b, r.s + copied, r.len - copied);
    luaL_pushresult(&b);
    return 1;
}

static int string_replace(lua_State *L) { return replace(L, false); }

static int string_replace_all(lua_State *L) { return replace(L, true); }

/* --- split ------------------------------------------------------------------------------------ */

static void split_text(lua_State *L, const char *s, size_t len, const char *by, size_t by_len,
                       uint64_t limit)
{
    const char *end = s + len;
    while (limit--) {
        js_charge(L, 1);
        const char *found = memmem(s, (size_t)(end - s), by, by_len);
        lua_pushlstring(L, s, (size_t)((found ? found : end) - s));
        js_array_add(L, -2);
        if (!found)
            break;
        s = found + by_len;
    }
}

static void split_regex(lua_State *L, struct regex *re, const char *s, size_t len, uint64_t limit)
{
    int64_t pairs[2 * REGEX_GROUPS_MAX];
    size_t from = 0, at = 0;
    int n;
    while (at < len && (n = regex_exec(L, re, s, len, at, pairs, REGEX_GROUPS_MAX))) {
        if (pairs[0] == pairs[1] && ((size_t)pairs[0] == from || (size_t)pairs[0] >= len)) {
            at = after(s, len, pairs);
            /* an empty match splits between characters, not before the first */
            if ((size_t)pairs[0] >= len)
                break;
            continue;
        }
        lua_pushlstring(L, s + from, (size_t)pairs[0] - from);
        js_array_add(L, -2);
        for (int i = 1; i < n; i++) {
            push_group(L, s, pairs, i);
            js_array_add(L, -2);
        }
        if (lua_rawlen(L, -1) >= limit)
            return;
        from = (size_t)pairs[1];
        at = pairs[0] == pairs[1] ? after(s, len, pairs) : from;
    }
    lua_pushlstring(L, s + from, len - from);
    js_array_add(L, -2);
}

static int string_split(lua_State *L)
{
    size_t len, by_len;
    lua_settop(L, 3);
    uint64_t limit = lua_isnil(L, 3) ? UINT32_MAX : (uint64_t)js_arg_integer(L, 3, 0);
    struct regex *re = regex_at(L, 2);
    const char *s = lua_tolstring(L, 1, &len);
    if (lua_isnil(L, 2)) {
        js_array_new(L, 1);
        lua_pushvalue(L, 1);
        js_array_set(L, -2, 0);
        return 1;
    }
    if (!limit) {
        js_array_new(L, 0);
        return 1;
    }
    const char *by = re ? NULL : js_arg_string(L, 2, &by_len);
    if (!re && !by_len) {
        js_spread(L, 1);
    } else {
        js_array_new(L, 0);
        if (re)
            split_regex(L, re, s, len, limit);
        else
            split_text(L, s, len, by, by_len, limit);
    }
    for (size_t n = lua_rawlen(L, -1); n > limit; n--) {
        lua_pushnil(L);
        lua_rawseti(L, -2, (lua_Integer)n);
    }
    return 1;
}

const struct js_method js_string_search[] = {
    { "match", string_match },
    { "matchAll", string_match_all },
    { "search", string_search_method },
    { "replace", string_replace },
    { "replaceAll", string_replace_all },
    { "split", string_split },
    { NULL, NULL },
};
