/* SPDX-License-Identifier: Apache-2.0
 * regex: JavaScript's regular expressions on PCRE2, whose options for JavaScript's escapes, empty
 * classes and unset groups make the two languages agree on what people write. A match limit ends
 * catastrophic patterns. Compiled patterns are cached for each worker by pattern and flags. The
 * worker's thread.
 */
#include "expr/expr_int.h"
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <stdio.h>
#include <stdlib.h>

enum { CACHE_MAX = 512, MATCH_LIMIT = 1000000, PATTERN_MAX = 16384 };

struct regex {
    pcre2_code *code;
    unsigned refs; /* the cache and every value of it in Lua */
    wf_str source;
    char flags[8];
    bool global, sticky;
    char *names[REGEX_GROUPS_MAX];
    bool has_names;
};

struct regex_cache {
    struct regex *list[CACHE_MAX];
    size_t n, oldest;
    pcre2_match_data *data;
    pcre2_match_context *match;
    pcre2_compile_context *compile;
};

struct regex_box {
    struct js_box box;
    struct regex *re;
};

static void regex_unref(struct regex *re)
{
    if (--re->refs)
        return;
    pcre2_code_free(re->code);
    for (int i = 0; i < REGEX_GROUPS_MAX; i++)
        free(re->names[i]);
    free((void *)(uintptr_t)re->source.ptr);
    free(re);
}

void regex_cache_free(struct regex_cache *cache)
{
    if (!cache)
        return;
    for (size_t i = 0; i < cache->n; i++)
        regex_unref(cache->list[i]);
    pcre2_match_data_free(cache->data);
    pcre2_match_context_free(cache->match);
    pcre2_compile_context_free(cache->compile);
    free(cache);
}

static pcre2_compile_context *new_context(void)
{
    pcre2_compile_context *context = pcre2_compile_context_create(NULL);
    if (!context)
        bug_out_of_memory(0);
    pcre2_set_compile_extra_options(context, PCRE2_EXTRA_ALT_BSUX);
    pcre2_set_newline(context, PCRE2_NEWLINE_ANYCRLF);
    return context;
}

static struct regex_cache *cache_of(struct expr_lua *lua)
{
    if (lua->regexes)
        return lua->regexes;
    struct regex_cache *cache = xcalloc(1, sizeof *cache);
    cache->data = pcre2_match_data_create(REGEX_GROUPS_MAX, NULL);
    cache->match = pcre2_match_context_create(NULL);
    cache->compile = new_context();
    if (!cache->data || !cache->match)
        bug_out_of_memory(0);
    pcre2_set_match_limit(cache->match, MATCH_LIMIT);
    pcre2_set_heap_limit(cache->match, 16384);
    return lua->regexes = cache;
}

static bool read_flags(const char *flags, struct regex *re, uint32_t *options)
{
    for (const char *f = flags; *f; f++) {
        if (strchr(f + 1, *f))
            return false;
        switch (*f) {
        case 'g':
            re->global = true;
            break;
        case 'y':
            re->sticky = true;
            break;
        case 'i':
            *options |= PCRE2_CASELESS;
            break;
        case 'm':
            *options |= PCRE2_MULTILINE;
            break;
        case 's':
            *options |= PCRE2_DOTALL;
            break;
        case 'u':
        case 'v':
        case 'd':
            break;
        default:
            return false;
        }
    }
    return true;
}

static void read_names(struct regex *re)
{
    uint32_t n = 0, size = 0;
    PCRE2_SPTR table = NULL;
    pcre2_pattern_info(re->code, PCRE2_INFO_NAMECOUNT, &n);
    pcre2_pattern_info(re->code, PCRE2_INFO_NAMEENTRYSIZE, &size);
    pcre2_pattern_info(re->code, PCRE2_INFO_NAMETABLE, &table);
    for (uint32_t i = 0; i < n; i++, table += size) {
        int group = table[0] << 8 | table[1];
        if (group < REGEX_GROUPS_MAX)
            re->names[group] = xstrdup((const char *)table + 2);
        re->has_names = true;
    }
}

/* Fills flags and code; -1 with a sentence. */
static int make_code(struct regex *re, pcre2_compile_context *context, const char *source,
                     size_t len, const char *flags, char *why, size_t why_size)
{
    int error;
    PCRE2_SIZE at;
    uint32_t options = PCRE2_UTF | PCRE2_ALLOW_EMPTY_CLASS | PCRE2_MATCH_UNSET_BACKREF |
                       PCRE2_DOLLAR_ENDONLY | PCRE2_NEVER_BACKSLASH_C | PCRE2_ALT_BSUX;
    if (strlen(flags) >= sizeof re->flags || !read_flags(flags, re, &options)) {
        snprintf(why, why_size, "'%.20s' are no flags of a regular expression", flags);
        return -1;
    }
    re->code = pcre2_compile((PCRE2_SPTR)source, len, options, &error, &at, context);
    if (re->code)
        return 0;
    char text[100] = "";
    pcre2_get_error_message(error, (PCRE2_UCHAR *)text, sizeof text);
    snprintf(why, why_size, "the regular expression /%.60s/ is wrong at %zu: %s", source,
             (size_t)at, text);
    return -1;
}

int regex_check(wf_str source, const char *flags, char *why, size_t why_size)
{
    struct regex re = { 0 };
    pcre2_compile_context *context = new_context();
    int result = make_code(&re, context, source.ptr, source.len, flags, why, why_size);
    pcre2_code_free(re.code);
    pcre2_compile_context_free(context);
    return result;
}

static struct regex *compile(lua_State *L, const char *source, size_t len, const char *flags)
{
    char why[240];
    struct regex_cache *cache = cache_of(js_lua(L));
    struct regex *re = xcalloc(1, sizeof *re);
    if (make_code(re, cache->compile, source, len, flags, why, sizeof why) != 0) {
        free(re);
        luaL_error(L, "%s", why);
        return NULL;
    }
    pcre2_jit_compile(re->code, 0);
    strcpy(re->flags, flags);
    char *copy = xmalloc(len + 1);
    memcpy(copy, source, len);
    copy[len] = '\0';
    re->source = (wf_str){ copy, len };
    read_names(re);
    return re;
}

static struct regex *find(lua_State *L, const char *source, size_t len, const char *flags)
{
    struct regex_cache *cache = cache_of(js_lua(L));
    for (size_t i = 0; i < cache->n; i++)
        if (cache->list[i]->source.len == len && !memcmp(cache->list[i]->source.ptr, source, len) &&
            !strcmp(cache->list[i]->flags, flags))
            return cache->list[i];
    if (len > PATTERN_MAX)
        luaL_error(L, "a regular expression of more than %d bytes", PATTERN_MAX);
    js_charge(L, 200 + len);
    struct regex *re = compile(L, source, len, flags);
    re->refs = 1;
    if (cache->n < CACHE_MAX) {
        cache->list[cache->n++] = re;
        return re;
    }
    regex_unref(cache->list[cache->oldest]);
    cache->list[cache->oldest] = re;
    cache->oldest = (cache->oldest + 1) % CACHE_MAX;
    return re;
}

int regex_new(lua_State *L)
{
    size_t len;
    const char *flags = lua_isnoneornil(L, 2) ? "" : js_arg_string(L, 2, NULL);
    struct regex *re = regex_at(L, 1);
    if (re) {
        if (!lua_isnoneornil(L, 2))
            re = find(L, re->source.ptr, re->source.len, flags);
    } else {
        const char *source = js_arg_string(L, 1, &len);
        re = find(L, source, len, flags);
    }
    struct regex_box *box = lua_newuserdatauv(L, sizeof *box, 0);
    *box = (struct regex_box){ .box.kind = JS_REGEX, .re = re };
    re->refs++;
    luaL_setmetatable(L, "regex");
    return 1;
}

struct regex *regex_at(lua_State *L, int at)
{
    struct regex_box *box = lua_type(L, at) == LUA_TUSERDATA ? lua_touserdata(L, at) : NULL;
    return box && box->box.kind == JS_REGEX ? box->re : NULL;
}

bool regex_is_global(const struct regex *re) { return re->global; }

wf_str regex_source(const struct regex *re) { return re->source; }

const char *regex_flags(const struct regex *re) { return re->flags; }

const char *regex_group_name(const struct regex *re, int i)
{
    return i < REGEX_GROUPS_MAX ? re->names[i] : NULL;
}

bool regex_has_names(const struct regex *re) { return re->has_names; }

int regex_exec(lua_State *L, struct regex *re, const char *s, size_t len, size_t start,
               int64_t *pairs, int max_groups)
{
    struct regex_cache *cache = js_lua(L)->regexes;
    js_charge(L, 8 + ((len - start) >> 6));
    int n = pcre2_match(re->code, (PCRE2_SPTR)s, len, start, re->sticky ? PCRE2_ANCHORED : 0,
                        cache->data, cache->match);
    if (n == PCRE2_ERROR_NOMATCH)
        return 0;
    if (n < 0) {
        bool limit = n == PCRE2_ERROR_MATCHLIMIT || n == PCRE2_ERROR_DEPTHLIMIT ||
                     n == PCRE2_ERROR_HEAPLIMIT || n == PCRE2_ERROR_JIT_STACKLIMIT;
        return luaL_error(L,
                          limit ? "the regular expression /%s/ takes too many steps"
                                : "the regular expression /%s/ failed",
                          re->source.ptr);
    }
    uint32_t groups = 0;
    pcre2_pattern_info(re->code, PCRE2_INFO_CAPTURECOUNT, &groups);
    int total = (int)groups + 1 < max_groups ? (int)groups + 1 : max_groups;
    const PCRE2_SIZE *found = pcre2_get_ovector_pointer(cache->data);
    for (int i = 0; i < total; i++) {
        bool set = i < n && found[2 * i] != PCRE2_UNSET;
        pairs[2 * i] = set ? (int64_t)found[2 * i] : -1;
        pairs[2 * i + 1] = set ? (int64_t)found[2 * i + 1] : -1;
    }
    return total;
}

static int regex_test(lua_State *L)
{
    size_t len;
    int64_t pairs[2];
    const char *s = js_arg_string(L, 2, &len);
    lua_pushboolean(L, regex_exec(L, regex_at(L, 1), s, len, 0, pairs, 1) > 0);
    return 1;
}

static int regex_text(lua_State *L)
{
    js_to_string(L, 1, NULL);
    return 1;
}

/* re.exec(s): s.match(re) without the g flag */
static int regex_exec_method(lua_State *L)
{
    size_t len;
    const char *s = js_arg_string(L, 2, &len);
    int64_t pairs[2 * REGEX_GROUPS_MAX];
    int n = regex_exec(L, regex_at(L, 1), s, len, 0, pairs, REGEX_GROUPS_MAX);
    if (!n)
        lua_pushlightuserdata(L, NULL);
    else
        regex_push_match(L, regex_at(L, 1), s, pairs, n);
    return 1;
}

const struct js_method js_regex_methods[] = { { "test", regex_test },
                                              { "exec", regex_exec_method },
                                              { "toString", regex_text },
                                              { NULL, NULL } };

static int regex_index(lua_State *L)
{
    const struct regex *re = regex_at(L, 1);
    const char *key = lua_tostring(L, 2);
    if (key && !strcmp(key, "source"))
        lua_pushlstring(L, re->source.ptr, re->source.len);
    else if (key && !strcmp(key, "flags"))
        lua_pushstring(L, re->flags);
    else if (key && !strcmp(key, "global"))
        lua_pushboolean(L, re->global);
    else
        lua_pushnil(L);
    return 1;
}

static int regex_collect(lua_State *L)
{
    regex_unref(regex_at(L, 1));
    return 0;
}

void regex_open(lua_State *L)
{
    luaL_newmetatable(L, "regex");
    lua_pushcfunction(L, regex_collect);
    lua_setfield(L, -2, "__gc");
    lua_pushcfunction(L, regex_index);
    lua_setfield(L, -2, "__index");
    lua_pop(L, 1);
}
