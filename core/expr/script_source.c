/* SPDX-License-Identifier: Apache-2.0
 * script_source: what the text of a Lua step says about how it can be run faster. The tokens are
 * read, nothing is understood of the grammar, so every answer errs on the slow side.
 *
 * A text without loops, jumps and functions ends after as many steps as it has instructions: the
 * count hook, which costs more than the instructions it counts, is not needed for it.
 *
 * `item.json` is nearly always read only to get at a field. Where nothing in the text can make it
 * another value than the local `json`, the text is loaded with `json` in its place: one call out of
 * Lua less for each use. Lines stay as they are.
 *
 * In a text with loops and functions, but without jumps, each turn of a loop and each call counts
 * itself down instead, at a third of what the hook takes for one instruction.
 *
 * Thread: any. The text is one that Lua has loaded already.
 */
#include <ctype.h>
#include <string.h>
#include "expr/script_int.h"

enum token_kind { TOKEN_END = 1, TOKEN_NAME, TOKEN_OTHER };

struct token {
    enum token_kind kind;
    wf_str text;
};

struct scan {
    const char *at, *end;
};

/* Straight code longer than this may still run for long. */
enum { STRAIGHT_MAX = 4096 };

static bool is_name_byte(char c) { return isalnum((unsigned char)c) || c == '_'; }

/* Steps over "[==[ ... ]==]" at p; NULL when none begins there. */
static const char *skip_long(const char *p, const char *end)
{
    size_t level = 0;
    for (p++; p < end && *p == '='; p++)
        level++;
    if (p >= end || *p != '[')
        return NULL;
    for (p++; p < end; p++) {
        if (*p != ']')
            continue;
        size_t n = 0;
        while (p + 1 + n < end && p[1 + n] == '=')
            n++;
        if (n == level && p + 1 + n < end && p[1 + n] == ']')
            return p + n + 2;
    }
    return end;
}

static const char *skip_quoted(const char *p, const char *end)
{
    char quote = *p++;
    for (; p < end && *p != quote; p++)
        if (*p == '\\' && p + 1 < end)
            p++;
    return p < end ? p + 1 : end;
}

static const char *skip_number(const char *p, const char *end)
{
    bool hex = p + 1 < end && *p == '0' && (p[1] == 'x' || p[1] == 'X');
    for (; p < end && (is_name_byte(*p) || *p == '.'); p++) {
        bool exponent = hex ? *p == 'p' || *p == 'P' : *p == 'e' || *p == 'E';
        if (exponent && p + 1 < end && (p[1] == '+' || p[1] == '-'))
            p++;
    }
    return p;
}

static void skip_blanks(struct scan *s)
{
    for (;;) {
        while (s->at < s->end && isspace((unsigned char)*s->at))
            s->at++;
        if (s->end - s->at < 2 || s->at[0] != '-' || s->at[1] != '-')
            return;
        const char *after =
            s->end - s->at > 2 && s->at[2] == '[' ? skip_long(s->at + 2, s->end) : NULL;
        if (!after) {
            after = memchr(s->at, '\n', (size_t)(s->end - s->at));
            after = after ? after : s->end;
        }
        s->at = after;
    }
}

static const char *skip_symbol(const char *p, const char *end)
{
    static const char *const longer[] = { "...", "==", "~=", "<=", ">=",
                                          "//",  "::", "..", "<<", ">>" };
    for (size_t i = 0; i < sizeof longer / sizeof *longer; i++) {
        size_t n = strlen(longer[i]);
        if ((size_t)(end - p) >= n && !memcmp(p, longer[i], n))
            return p + n;
    }
    return p + 1;
}

static struct token next_token(struct scan *s)
{
    skip_blanks(s);
    const char *from = s->at, *p = from, *after;
    struct token t = { TOKEN_OTHER, { from, 0 } };
    if (from == s->end) {
        t.kind = TOKEN_END;
        return t;
    }
    if (isdigit((unsigned char)*p) ||
        (*p == '.' && p + 1 < s->end && isdigit((unsigned char)p[1]))) {
        p = skip_number(p, s->end);
    } else if (is_name_byte(*p)) {
        t.kind = TOKEN_NAME;
        while (p < s->end && is_name_byte(*p))
            p++;
    } else if (*p == '"' || *p == '\'') {
        p = skip_quoted(p, s->end);
    } else if (*p == '[' && (after = skip_long(p, s->end))) {
        p = after;
    } else {
        p = skip_symbol(p, s->end);
    }
    s->at = p;
    t.text.len = (size_t)(p - from);
    return t;
}

static bool is(const struct token *t, const char *text) { return str_eq(t->text, str_of(text)); }

static bool is_one_of(const struct token *t, const char *const *texts)
{
    for (; *texts; texts++)
        if (is(t, *texts))
            return true;
    return false;
}

bool source_is_straight(wf_str source)
{
    static const char *const turns[] = { "for", "while", "repeat", "goto", "function", NULL };
    struct scan s = { source.ptr, source.ptr + source.len };
    if (source.len > STRAIGHT_MAX)
        return false;
    for (struct token t = next_token(&s); t.kind != TOKEN_END; t = next_token(&s))
        if (t.kind == TOKEN_NAME && is_one_of(&t, turns))
            return false;
    return true;
}

/* What may stand before and behind a use of `json` that only reads it. */
static bool reads_json(const struct token *before, const struct token *after, bool field)
{
    static const char *const makes[] = { "local", "for", "function", ",", NULL };
    static const char *const writes[] = { "=", ",", "in", NULL };
    if (is(after, "=") && is(before, "{") && !field) /* {json = ..} names a field */
        return true;
    return !is_one_of(after, writes) && (field || !is_one_of(before, makes));
}

/* Looks at a token between its neighbours; `ahead` is behind the last of them, `copy` the place of
 * the token in the copy. False: the text keeps its `item.json`. */
static bool check_token(const struct token *before, const struct token *at,
                        const struct token *after, struct scan ahead, bool straight, char *copy)
{
    if (at->kind != TOKEN_NAME || is(before, ".") || is(before, ":"))
        return true;
    if (is(at, "json"))
        return reads_json(before, after, false) && (straight || !is(after, ")"));
    if (!is(at, "item"))
        return true;
    struct token name = next_token(&ahead), behind = next_token(&ahead);
    if (!is(after, ".") || !is(&name, "json") || is(before, "function") ||
        !reads_json(before, &behind, true))
        return false;
    for (size_t i = 0, n = (size_t)(name.text.ptr - at->text.ptr); i < n; i++)
        if (!isspace((unsigned char)copy[i]))
            copy[i] = ' ';
    return true;
}

bool source_shorten(wf_str source, char *copy)
{
    struct scan s = { source.ptr, source.ptr + source.len };
    bool straight = source_is_straight(source);
    struct token before = { TOKEN_OTHER, { "", 0 } }, at = next_token(&s), after;
    memcpy(copy, source.ptr, source.len);
    for (; at.kind != TOKEN_END; before = at, at = after) {
        after = next_token(&s);
        if (!check_token(&before, &at, &after, s, straight, copy + (at.text.ptr - source.ptr)))
            return false;
    }
    return true;
}

/* --- counting --------------------------------------------------------------------------------- */

#define COUNT_DOWN " _left=_left-1 if _left<0 then _left=_steps() end "

static char *put(char *to, wf_str text)
{
    memcpy(to, text.ptr, text.len);
    return to + text.len;
}

/* How many places in the text count, or -1: it has jumps, or the names are taken. */
static int64_t count_places(wf_str source)
{
    static const char *const in_the_way[] = { "goto", "_left", "_steps", NULL };
    static const char *const places[] = { "do", "repeat", "function", NULL };
    struct scan s = { source.ptr, source.ptr + source.len };
    int64_t n = 0;
    for (struct token t = next_token(&s); t.kind != TOKEN_END; t = next_token(&s)) {
        if (t.kind == TOKEN_NAME && is_one_of(&t, in_the_way))
            return -1;
        n += t.kind == TOKEN_NAME && is_one_of(&t, places);
    }
    return n;
}

int64_t source_counted_bytes(wf_str source)
{
    int64_t n = count_places(source);
    return n < 0 ? -1 : (int64_t)source.len + n * (int64_t)(sizeof COUNT_DOWN - 1);
}

void source_count(wf_str source, char *to)
{
    struct scan s = { source.ptr, source.ptr + source.len };
    const char *done = source.ptr;
    bool head = false; /* between "function" and the end of its parameters */
    for (struct token t = next_token(&s); t.kind != TOKEN_END; t = next_token(&s)) {
        head = head || is(&t, "function");
        bool here = head ? is(&t, ")") : is(&t, "do") || is(&t, "repeat");
        if (!here)
            continue;
        head = false;
        to = put(to, (wf_str){ done, (size_t)(s.at - done) });
        to = put(to, STR(COUNT_DOWN));
        done = s.at;
    }
    put(to, (wf_str){ done, (size_t)(source.ptr + source.len - done) });
}
