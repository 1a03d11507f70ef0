/* SPDX-License-Identifier: Apache-2.0
 * string_ext: n8n's own functions of strings. Those that are a regular expression in n8n are one
 * here. The worker's thread.
 */
#include "expr/expr_int.h"
#include <ctype.h>
#include <math.h>

/* --- by regular expression -------------------------------------------------------------------- */

/* Pushes this.method(/pattern/flags, replacement). */
static void call_regex(lua_State *L, const char *method, const char *pattern, const char *flags,
                       const char *to)
{
    lua_getfield(L, LUA_REGISTRYINDEX, "M");
    lua_getfield(L, -1, method);
    lua_remove(L, -2);
    lua_pushvalue(L, 1);
    lua_pushcfunction(L, regex_new);
    lua_pushstring(L, pattern);
    lua_pushstring(L, flags);
    lua_call(L, 2, 1);
    if (to)
        lua_pushstring(L, to);
    lua_call(L, to ? 3 : 2, 1);
}

static void replace_all(lua_State *L, const char *pattern, const char *to)
{
    call_regex(L, "replace", pattern, "g", to);
    lua_replace(L, 1);
}

static bool test(lua_State *L, const char *pattern)
{
    call_regex(L, "search", pattern, "i", NULL);
    bool yes = lua_tonumber(L, -1) >= 0;
    lua_pop(L, 1);
    return yes;
}

/* The first match, or undefined. */
static int first_match(lua_State *L, const char *pattern, int group)
{
    call_regex(L, "match", pattern, "i", NULL);
    if (!lua_istable(L, -1))
        lua_pushnil(L);
    else
        js_elem(L, -1, (size_t)group);
    return 1;
}

#define EMAIL                                                                                      \
    "[a-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\\.[a-z0-9!#$%&'*+/"                                           \
    "=?^_`{|}~-]+)*@(?:[a-z0-9](?:[a-z0-9-]*[a-z0-9])?\\.)+[a-z]{2,}"
#define DOMAIN "(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\\.)+[a-z]{2,}"
#define URL    "https?://(?:[^\\s/?#\"'<>]+)(?:[/?#][^\\s\"'<>]*)?"

static int is_email(lua_State *L)
{
    lua_pushboolean(L, test(L, "^" EMAIL "$"));
    return 1;
}

static int is_domain(lua_State *L)
{
    lua_pushboolean(L, test(L, "^" DOMAIN "$"));
    return 1;
}

static int is_url(lua_State *L)
{
    lua_pushboolean(L, test(L, "^" URL "$"));
    return 1;
}

static int extract_email(lua_State *L) { return first_match(L, EMAIL, 0); }

static int extract_domain(lua_State *L)
{
    return first_match(L, "(?:^|//|@|[^a-z0-9.-])(" DOMAIN "|(?:\\d{1,3}\\.){3}\\d{1,3})", 1);
}

static int extract_url(lua_State *L) { return first_match(L, URL, 0); }

static int extract_url_path(lua_State *L)
{
    return first_match(L, "^https?://[^/?#]+(/[^?#]*)?", 1);
}

static int remove_tags(lua_State *L)
{
    replace_all(L, "<[^>]*>?", "");
    lua_settop(L, 1);
    return 1;
}

static int remove_markdown(lua_State *L)
{
    static const char *const rules[][2] = {
        { "(?:^|\\n)(?:-{3,}|\\*{3,}|_{3,})[ \\t]*(?=\\n|$)", "" }, /* rules */
        { "(^|\\n)[ \\t]*[*+-][ \\t]+", "$1" },                     /* lists */
        { "(^|\\n)[ \\t]*\\d+\\.[ \\t]+", "$1" },
        { "(^|\\n)#{1,6}[ \\t]*([^\\n]*?)[ \\t]*#*(?=\\n|$)", "$1$2" }, /* headings */
        { "(^|\\n)>[ \\t]?", "$1" },                                    /* quotes */
        { "```[^\\n]*\\n?", "" },                                       /* code */
        { "`([^`\\n]+)`", "$1" },
        { "!\\[([^\\]]*)\\]\\([^)]*\\)", "$1" }, /* images and links */
        { "\\[([^\\]]*)\\]\\([^)]*\\)", "$1" },
        { "(\\*\\*|__)(?=\\S)(.*?\\S)\\1", "$2" }, /* bold, italic, struck */
        { "(\\*|_)(?=\\S)(.*?\\S)\\1", "$2" },
        { "~~(?=\\S)(.*?\\S)~~", "$1" },
    };
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++)
        replace_all(L, rules[i][0], rules[i][1]);
    lua_settop(L, 1);
    return 1;
}

/* --- case ------------------------------------------------------------------------------------- */

static int to_sentence_case(lua_State *L)
{
    size_t len;
    const char *s = lua_tolstring(L, 1, &len), *at = s, *end = s + len;
    bool start = true;
    luaL_Buffer b;
    luaL_buffinit(L, &b);
    while (at < end) {
        const char *from = at;
        uint32_t c = text_get_utf8(&at, end);
        bool letter = c >= 0x80 || isalpha((int)c);
        js_push_case(L, from, (size_t)(at - from), letter && start);
        luaL_addvalue(&b);
        if (letter)
            start = false;
        if (c == '.' || c == '!' || c == '?')
            start = true;
    }
    luaL_pushresult(&b);
    return 1;
}

static bool is_small_word(const char *s, size_t len)
{
    static const char *const words[] = { "a",   "an",  "and", "as",  "at",  "but", "by",
                                         "for", "if",  "in",  "nor", "of",  "on",  "or",
                                         "so",  "the", "to",  "up",  "via", "yet" };
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strlen(words[i]) == len && !memcmp(words[i], s, len))
            return true;
    return false;
}

/* Each word with a capital, small words inside the text without. */
static int to_title_case(lua_State *L)
{
    size_t len;
    const char *s = lua_tolstring(L, 1, &len), *end = s + len, *at = s;
    luaL_Buffer b;
    luaL_buffinit(L, &b);
    while (at < end) {
        size_t word = 0;
        while (at + word < end && !isspace((unsigned char)at[word]))
            word++;
        if (word && (at == s || !is_small_word(at, word))) {
            const char *rest = at;
            text_get_utf8(&rest, end);
            js_push_case(L, at, (size_t)(rest - at), true);
            luaL_addvalue(&b);
            luaL_addlstring(&b, rest, word - (size_t)(rest - at));
        } else {
            luaL_addlstring(&b, at, word);
        }
        at += word;
        while (at < end && isspace((unsigned char)*at))
            luaL_addchar(&b, *at++);
    }
    luaL_pushresult(&b);
    return 1;
}

static int to_snake_case(lua_State *L)
{
    size_t len;
    const char *s = lua_tolstring(L, 1, &len);
    js_push_case(L, s, len, false);
    lua_replace(L, 1);
    replace_all(L, "[ -]", "_");
    replace_all(L, "[^A-Za-z0-9_]", "");
    lua_settop(L, 1);
    return 1;
}

static int to_camel_case(lua_State *L)
{
    size_t len;
    const char *s = lua_tolstring(L, 1, &len);
    bool upper = false, any = false;
    luaL_Buffer b;
    luaL_buffinit(L, &b);
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)s[i];
        if (c < 0x80 && !isalnum(c)) {
            upper = any;
            continue;
        }
        luaL_addchar(&b, (char)(upper ? toupper(c) : any ? c : tolower(c)));
        upper = false;
        any = true;
    }
    luaL_pushresult(&b);
    return 1;
}

/* Accents off: the letters of Latin-1 and Latin Extended-A that have a plain form. */
static int replace_special(lua_State *L)
{
    static const char latin1[] = "AAAAAAACEEEEIIIIDNOOOOO*OUUUUYTsaaaaaaaceeeeiiiidnooooo/ouuuuyty";
    static const char extended[] =
        "AaAaAaCcCcCcCcDdDdEeEeEeEeEeGgGgGgGgHhHhIiIiIiIiIiIiJjKkkLlLlLlLlLlNnNnNnnNnOoOoOoOoRrRrRr"
        "SsSsSsSsTtTtTtUuUuUuUuUuUuWwYyYZzZzZzs";
    size_t len;
    const char *s = lua_tolstring(L, 1, &len), *at = s, *end = s + len;
    luaL_Buffer b;
    luaL_buffinit(L, &b);
    while (at < end) {
        const char *from = at;
        uint32_t c = text_get_utf8(&at, end);
        if (c == 0xDF)
            luaL_addstring(&b, "ss");
        else if (c == 0xC6 || c == 0xE6)
            luaL_addstring(&b, c == 0xC6 ? "AE" : "ae");
        else if (c >= 0xC0 && c <= 0xFF && c != 0xD7 && c != 0xF7)
            luaL_addchar(&b, latin1[c - 0xC0]);
        else if (c >= 0x100 && c < 0x100 + sizeof extended - 1)
            luaL_addchar(&b, extended[c - 0x100]);
        else
            luaL_addlstring(&b, from, (size_t)(at - from));
    }
    luaL_pushresult(&b);
    return 1;
}

/* --- conversions ------------------------------------------------------------------------------ */

static int to_boolean(lua_State *L)
{
    size_t len;
    const char *s = lua_tolstring(L, 1, &len);
    static const char *const no[] = { "", "false", "no", "off", "0" };
    bool yes = true;
    for (size_t i = 0; i < sizeof no / sizeof *no; i++)
        yes = yes && strcasecmp(no[i], s) != 0;
    lua_pushboolean(L, yes);
    return 1;
}

static int to_number(lua_State *L)
{
    size_t len;
    const char *s = lua_tolstring(L, 1, &len);
    double d = text_to_number(s, len);
    if (d != d)
        return luaL_error(L, "'%s' is not a number", s);
    lua_pushnumber(L, d);
    return 1;
}

static int to_float(lua_State *L)
{
    size_t len;
    const char *s = lua_tolstring(L, 1, &len);
    lua_pushnumber(L, text_parse_float(s, len));
    return 1;
}

static int to_int(lua_State *L)
{
    size_t len;
    const char *s = lua_tolstring(L, 1, &len);
    lua_pushnumber(L, trunc(text_parse_float(s, len)));
    return 1;
}

static int is_numeric(lua_State *L)
{
    size_t len;
    const char *s = lua_tolstring(L, 1, &len);
    double d = text_to_number(s, len);
    lua_pushboolean(L, len && d == d && strspn(s, " \t\r\n") != len);
    return 1;
}

static int url_encode(lua_State *L)
{
    return js_truth(L, 2) ? js_encode_uri(L) : js_encode_component(L);
}

static int url_decode(lua_State *L)
{
    return js_truth(L, 2) ? js_decode_uri(L) : js_decode_component(L);
}

static int quote(lua_State *L)
{
    size_t len, mark_len;
    lua_settop(L, 2);
    if (lua_isnil(L, 2)) {
        lua_pushliteral(L, "\"");
        lua_replace(L, 2);
    }
    const char *mark = js_arg_string(L, 2, &mark_len), *s = lua_tolstring(L, 1, &len);
    luaL_Buffer b;
    luaL_buffinit(L, &b);
    luaL_addlstring(&b, mark, mark_len);
    for (size_t i = 0; i < len; i++) {
        if (s[i] == '\\' || (mark_len == 1 && s[i] == *mark))
            luaL_addchar(&b, '\\');
        luaL_addchar(&b, s[i]);
    }
    luaL_addlstring(&b, mark, mark_len);
    luaL_pushresult(&b);
    return 1;
}

static int length(lua_State *L)
{
    size_t len;
    const char *s = lua_tolstring(L, 1, &len);
    lua_pushnumber(L, (lua_Number)text_count(s, len));
    return 1;
}

static int is_empty(lua_State *L)
{
    lua_pushboolean(L, lua_rawlen(L, 1) == 0);
    return 1;
}

static int is_not_empty(lua_State *L)
{
    lua_pushboolean(L, lua_rawlen(L, 1) > 0);
    return 1;
}

const struct js_method js_string_ext[] = {
    { "hash", js_hash },
    { "base64Encode", js_base64_encode },
    { "base64Decode", js_base64_decode },
    { "removeMarkdown", remove_markdown },
    { "removeTags", remove_tags },
    { "toDate", js_to_date_time },
    { "toDateTime", js_to_date_time },
    { "toBoolean", to_boolean },
    { "toDecimalNumber", to_float },
    { "toNumber", to_number },
    { "toFloat", to_float },
    { "toInt", to_int },
    { "toWholeNumber", to_int },
    { "toSentenceCase", to_sentence_case },
    { "toSnakeCase", to_snake_case },
    { "toTitleCase", to_title_case },
    { "toCamelCase", to_camel_case },
    { "urlDecode", url_decode },
    { "urlEncode", url_encode },
    { "quote", quote },
    { "replaceSpecialChars", replace_special },
    { "length", length },
    { "isDomain", is_domain },
    { "isEmail", is_email },
    { "isNumeric", is_numeric },
    { "isUrl", is_url },
    { "isEmpty", is_empty },
    { "isNotEmpty", is_not_empty },
    { "toJsonString", js_to_json_string },
    { "extractEmail", extract_email },
    { "extractDomain", extract_domain },
    { "extractUrl", extract_url },
    { "extractUrlPath", extract_url_path },
    { "parseJson", js_json_parse },
    { NULL, NULL },
};
