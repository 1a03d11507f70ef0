/* SPDX-License-Identifier: Apache-2.0
 * pattern: Lua's pattern language (reference manual 6.4.1) with a step budget. The library's own
 * matcher can take exponential time inside one call, where no hook of the interpreter sees it; here
 * each tried position costs a step.
 */
#include "expr/pattern_int.h"
#include <ctype.h>
#include "expr/expr_int.h"

enum { CAPTURES_MAX = 32, DEPTH_MAX = 200, OPEN = -1, POSITION = -2, BATCH = 64 };

struct match {
    lua_State *L;
    const char *src, *src_end, *pat_end;
    int level, depth, steps;
    struct {
        const char *at;
        ptrdiff_t len; /* OPEN, POSITION or bytes */
    } capture[CAPTURES_MAX];
};

static const char *try_match(struct match *m, const char *s, const char *p);

static void count_step(struct match *m)
{
    if (++m->steps < BATCH)
        return;
    m->steps = 0;
    js_charge(m->L, BATCH);
}

/* Behind the single-character item at p. */
static const char *item_end(struct match *m, const char *p)
{
    if (*p == '%') {
        if (p + 1 == m->pat_end)
            luaL_error(m->L, "malformed pattern (ends with '%%')");
        return p + 2;
    }
    if (*p != '[')
        return p + 1;
    p += p + 1 < m->pat_end && p[1] == '^' ? 2 : 1;
    do { /* a ']' that comes first is itself */
        if (p == m->pat_end)
            luaL_error(m->L, "malformed pattern (missing ']')");
        if (*p++ == '%')
            p++;
    } while (p >= m->pat_end || *p != ']');
    return p + 1;
}

static bool in_class(int c, int class)
{
    bool in;
    switch (tolower(class)) {
    case 'a':
        in = isalpha(c);
        break;
    case 'c':
        in = iscntrl(c);
        break;
    case 'd':
        in = isdigit(c);
        break;
    case 'g':
        in = isgraph(c);
        break;
    case 'l':
        in = islower(c);
        break;
    case 'p':
        in = ispunct(c);
        break;
    case 's':
        in = isspace(c);
        break;
    case 'u':
        in = isupper(c);
        break;
    case 'w':
        in = isalnum(c);
        break;
    case 'x':
        in = isxdigit(c);
        break;
    default:
        return class == c;
    }
    return isupper(class) ? !in : in;
}

/* c in [set]; p at '[', end behind ']'. */
static bool in_set(int c, const char *p, const char *end)
{
    bool yes = true;
    end--;
    p++;
    if (p < end && *p == '^') {
        yes = false;
        p++;
    }
    while (p < end) {
        if (*p == '%' && p + 1 < end) {
            if (in_class(c, (unsigned char)p[1]))
                return yes;
            p += 2;
        } else if (p + 2 < end && p[1] == '-') {
            if ((unsigned char)p[0] <= c && c <= (unsigned char)p[2])
                return yes;
            p += 3;
        } else if ((unsigned char)*p++ == c) {
            return yes;
        }
    }
    return !yes;
}

static bool matches_one(struct match *m, const char *s, const char *p, const char *end)
{
    if (s >= m->src_end)
        return false;
    count_step(m);
    int c = (unsigned char)*s;
    switch (*p) {
    case '.':
        return true;
    case '%':
        return in_class(c, (unsigned char)p[1]);
    case '[':
        return in_set(c, p, end);
    default:
        return (unsigned char)*p == c;
    }
}

static const char *match_balance(struct match *m, const char *s, const char *p)
{
    if (m->pat_end - p < 4)
        luaL_error(m->L, "malformed pattern (missing arguments to '%%b')");
    if (s >= m->src_end || *s != p[2])
        return NULL;
    int depth = 1;
    while (++s < m->src_end) {
        count_step(m);
        if (*s == p[3]) {
            if (--depth == 0)
                return s + 1;
        } else if (*s == p[2]) {
            depth++;
        }
    }
    return NULL;
}

static const char *match_frontier(struct match *m, const char *s, const char *p)
{
    p += 2;
    if (p >= m->pat_end || *p != '[')
        luaL_error(m->L, "missing '[' after '%%f' in pattern");
    const char *end = item_end(m, p);
    int before = s == m->src ? 0 : (unsigned char)s[-1],
        here = s < m->src_end ? (unsigned char)*s : 0;
    if (in_set(before, p, end) || !in_set(here, p, end))
        return NULL;
    return try_match(m, s, end);
}

static const char *match_back(struct match *m, const char *s, const char *p)
{
    int i = p[1] - '1';
    if (i < 0 || i >= m->level || m->capture[i].len == OPEN)
        luaL_error(m->L, "invalid capture index %%%d", i + 1);
    size_t len = m->capture[i].len == POSITION ? 0 : (size_t)m->capture[i].len;
    if ((size_t)(m->src_end - s) < len || memcmp(m->capture[i].at, s, len) != 0)
        return NULL;
    return try_match(m, s + len, p + 2);
}

static const char *match_open(struct match *m, const char *s, const char *p, ptrdiff_t len)
{
    if (m->level >= CAPTURES_MAX)
        luaL_error(m->L, "too many captures");
    m->capture[m->level].at = s;
    m->capture[m->level++].len = len;
    const char *end = try_match(m, s, p);
    if (!end)
        m->level--;
    return end;
}

static const char *match_close(struct match *m, const char *s, const char *p)
{
    int i = m->level - 1;
    while (i >= 0 && m->capture[i].len != OPEN)
        i--;
    if (i < 0)
        luaL_error(m->L, "invalid pattern capture");
    m->capture[i].len = s - m->capture[i].at;
    const char *end = try_match(m, s, p + 1);
    if (!end)
        m->capture[i].len = OPEN;
    return end;
}

/* item*, item+ (least is 0 or 1): as many as there are, then fewer. */
static const char *match_most(struct match *m, const char *s, const char *p, const char *end,
                              ptrdiff_t least)
{
    ptrdiff_t n = 0;
    while (matches_one(m, s + n, p, end))
        n++;
    for (; n >= least; n--) {
        count_step(m);
        const char *found = try_match(m, s + n, end + 1);
        if (found)
            return found;
    }
    return NULL;
}

static const char *match_least(struct match *m, const char *s, const char *p, const char *end)
{
    for (;; s++) {
        const char *found = try_match(m, s, end + 1);
        if (found)
            return found;
        if (!matches_one(m, s, p, end))
            return NULL;
    }
}

/* One step of the pattern at p. `again` is set when the match goes on at *s, *p without recursion.
 */
static const char *match_step(struct match *m, const char **s, const char **p, bool *again)
{
    const char *at = *p;
    bool more = at + 1 < m->pat_end;
    if (*at == '(')
        return more && at[1] == ')' ? match_open(m, *s, at + 2, POSITION)
                                    : match_open(m, *s, at + 1, OPEN);
    if (*at == ')')
        return match_close(m, *s, at);
    if (*at == '$' && !more)
        return *s == m->src_end ? *s : NULL;
    if (*at == '%' && more && at[1] == 'b') {
        const char *end = match_balance(m, *s, at);
        return end ? try_match(m, end, at + 4) : NULL;
    }
    if (*at == '%' && more && at[1] == 'f')
        return match_frontier(m, *s, at);
    if (*at == '%' && more && isdigit((unsigned char)at[1]))
        return match_back(m, *s, at);
    const char *end = item_end(m, at);
    char suffix = end < m->pat_end ? *end : 0;
    if (suffix == '*' || suffix == '+')
        return match_most(m, *s, at, end, suffix == '+');
    if (suffix == '-')
        return match_least(m, *s, at, end);
    bool one = matches_one(m, *s, at, end);
    if (suffix == '?') {
        const char *found = one ? try_match(m, *s + 1, end + 1) : NULL;
        if (found)
            return found;
        *p = end + 1;
        *again = true;
        return NULL;
    }
    *again = one;
    *s += one;
    *p = end;
    return NULL;
}

/* Where the match of pattern p at s ends, or NULL. */
static const char *try_match(struct match *m, const char *s, const char *p)
{
    if (++m->depth > DEPTH_MAX)
        luaL_error(m->L, "pattern too complex");
    const char *found = NULL;
    bool again = true;
    while (again) {
        again = false;
        if (p >= m->pat_end)
            found = s;
        else
            found = match_step(m, &s, &p, &again);
    }
    m->depth--;
    return found;
}

/* --- captures --------------------------------------------------------------------------------- */

static void push_capture(struct match *m, int i, const char *s, const char *end)
{
    if (i >= m->level && i == 0) {
        lua_pushlstring(m->L, s, (size_t)(end - s));
        return;
    }
    if (i >= m->level)
        luaL_error(m->L, "invalid capture index %%%d", i + 1);
    if (m->capture[i].len == POSITION)
        lua_pushinteger(m->L, m->capture[i].at - m->src + 1);
    else if (m->capture[i].len == OPEN)
        luaL_error(m->L, "unfinished capture");
    else
        lua_pushlstring(m->L, m->capture[i].at, (size_t)m->capture[i].len);
}

/* All captures; the whole match when there are none and `whole` is set. */
static int push_captures(struct match *m, const char *s, const char *end, bool whole)
{
    int n = m->level == 0 && whole ? 1 : m->level;
    luaL_checkstack(m->L, n, "too many captures");
    for (int i = 0; i < n; i++)
        push_capture(m, i, s, end);
    return n;
}

static struct match start_match(lua_State *L, const char *src, size_t src_len, const char *pat,
                                size_t pat_len)
{
    return (struct match){ .L = L, .src = src, .src_end = src + src_len, .pat_end = pat + pat_len };
}

static const char *match_at(struct match *m, const char *s, const char *p)
{
    m->level = m->depth = 0;
    return try_match(m, s, p);
}

/* --- find and match --------------------------------------------------------------------------- */

static size_t start_position(lua_Integer at, size_t len)
{
    if (at > 0)
        return (size_t)at - 1;
    if (at == 0 || at < -(lua_Integer)len)
        return 0;
    return len - (size_t)-at;
}

static int find_plain(lua_State *L, const char *s, size_t len, const char *p, size_t p_len,
                      size_t from)
{
    const char *found = p_len ? memmem(s + from, len - from, p, p_len) : s + from;
    js_charge(L, (found ? (size_t)(found - s) - from : len - from) >> 4);
    if (!found) {
        lua_pushnil(L);
        return 1;
    }
    lua_pushinteger(L, found - s + 1);
    lua_pushinteger(L, found - s + (lua_Integer)p_len);
    return 2;
}

static int find_or_match(lua_State *L, bool find)
{
    size_t len, p_len;
    const char *s = luaL_checklstring(L, 1, &len), *p = luaL_checklstring(L, 2, &p_len);
    size_t from = start_position(luaL_optinteger(L, 3, 1), len);
    if (from > len) {
        lua_pushnil(L);
        return 1;
    }
    if (find && (lua_toboolean(L, 4) || strcspn(p, "^$*+?.([%-") == p_len))
        return find_plain(L, s, len, p, p_len, from);
    struct match m = start_match(L, s, len, p, p_len);
    bool anchored = p_len && *p == '^';
    for (const char *at = s + from; at <= m.src_end; at++) {
        const char *end = match_at(&m, at, p + anchored);
        if (end && find) {
            lua_pushinteger(L, at - s + 1);
            lua_pushinteger(L, end - s);
            return push_captures(&m, at, end, false) + 2;
        }
        if (end)
            return push_captures(&m, at, end, true);
        if (anchored)
            break;
        count_step(&m);
    }
    lua_pushnil(L);
    return 1;
}

static int pattern_find(lua_State *L) { return find_or_match(L, true); }

static int pattern_match(lua_State *L) { return find_or_match(L, false); }

/* Upvalues: text, pattern, where to go on, where the last match ended. */
static int gmatch_step(lua_State *L)
{
    size_t len, p_len;
    const char *s = lua_tolstring(L, lua_upvalueindex(1), &len);
    const char *p = lua_tolstring(L, lua_upvalueindex(2), &p_len);
    const char *last = s + lua_tointeger(L, lua_upvalueindex(4));
    struct match m = start_match(L, s, len, p, p_len);
    for (const char *at = s + lua_tointeger(L, lua_upvalueindex(3)); at <= m.src_end; at++) {
        const char *end = match_at(&m, at, p);
        if (end && end != last) {
            lua_pushinteger(L, end - s);
            lua_copy(L, -1, lua_upvalueindex(3));
            lua_replace(L, lua_upvalueindex(4));
            return push_captures(&m, at, end, true);
        }
        count_step(&m);
    }
    return 0;
}

static int pattern_gmatch(lua_State *L)
{
    luaL_checkstring(L, 1);
    luaL_checkstring(L, 2);
    lua_settop(L, 2);
    lua_pushinteger(L, 0);
    lua_pushinteger(L, -1);
    lua_pushcclosure(L, gmatch_step, 4);
    return 1;
}

/* --- gsub ------------------------------------------------------------------------------------- */

/* Adds a replacement text with %1, %0 and %% resolved. */
static void add_text(struct match *m, luaL_Buffer *b, const char *s, const char *end)
{
    size_t len;
    const char *text = lua_tolstring(m->L, 3, &len), *stop = text + len;
    for (; text < stop; text++) {
        if (*text != '%') {
            luaL_addchar(b, *text);
            continue;
        }
        text++;
        if (text < stop && *text == '%') {
            luaL_addchar(b, '%');
        } else if (text < stop && *text == '0') {
            luaL_addlstring(b, s, (size_t)(end - s));
        } else if (text < stop && isdigit((unsigned char)*text)) {
            push_capture(m, *text - '1', s, end);
            luaL_tolstring(m->L, -1, NULL);
            lua_remove(m->L, -2);
            luaL_addvalue(b);
        } else {
            luaL_error(m->L, "invalid use of '%%' in replacement string");
        }
    }
}

static void add_replacement(struct match *m, luaL_Buffer *b, const char *s, const char *end)
{
    lua_State *L = m->L;
    int type = lua_type(L, 3);
    if (type == LUA_TSTRING || type == LUA_TNUMBER) {
        add_text(m, b, s, end);
        return;
    }
    if (type == LUA_TFUNCTION) {
        lua_pushvalue(L, 3);
        lua_call(L, push_captures(m, s, end, true), 1);
    } else {
        push_capture(m, 0, s, end);
        lua_gettable(L, 3);
    }
    if (!lua_toboolean(L, -1)) {
        lua_pop(L, 1);
        lua_pushlstring(L, s, (size_t)(end - s));
    } else if (!lua_isstring(L, -1)) {
        luaL_error(L, "invalid replacement value (a %s)", luaL_typename(L, -1));
    }
    luaL_addvalue(b);
}

static int pattern_gsub(lua_State *L)
{
    size_t len, p_len;
    const char *s = luaL_checklstring(L, 1, &len), *p = luaL_checklstring(L, 2, &p_len);
    int type = lua_type(L, 3);
    luaL_argexpected(L,
                     type == LUA_TNUMBER || type == LUA_TSTRING || type == LUA_TFUNCTION ||
                         type == LUA_TTABLE || type == LUA_TLIGHTUSERDATA,
                     3, "string/function/table");
    if (type == LUA_TNUMBER)
        lua_tostring(L, 3);
    lua_Integer max = luaL_optinteger(L, 4, (lua_Integer)len + 1), n = 0;
    struct match m = start_match(L, s, len, p, p_len);
    bool anchored = p_len && *p == '^';
    const char *at = s, *last = NULL;
    luaL_Buffer b;
    luaL_buffinit(L, &b);
    while (n < max) {
        const char *end = match_at(&m, at, p + anchored);
        count_step(&m);
        if (end && end != last) {
            n++;
            add_replacement(&m, &b, at, end);
            at = last = end;
        } else if (at < m.src_end) {
            luaL_addchar(&b, *at++);
        } else {
            break;
        }
        if (anchored)
            break;
    }
    luaL_addlstring(&b, at, (size_t)(m.src_end - at));
    luaL_pushresult(&b);
    lua_pushinteger(L, n);
    return 2;
}

void pattern_open(lua_State *L)
{
    static const luaL_Reg functions[] = { { "find", pattern_find },
                                          { "match", pattern_match },
                                          { "gmatch", pattern_gmatch },
                                          { "gsub", pattern_gsub },
                                          { NULL, NULL } };
    luaL_setfuncs(L, functions, 0);
}
