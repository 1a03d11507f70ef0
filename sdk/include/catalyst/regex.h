/* SPDX-License-Identifier: Apache-2.0
 * catalyst/regex.h - regular expressions for plugins. Header only, needs libc only.
 *
 * Patterns have JavaScript's syntax, because that is what workflows bring along, and they may come
 * from an expression, so from a message. A backtracking matcher can be made to run for years by a
 * hostile pattern and libc's can be made to eat all memory. This one compiles to a small program
 * and walks all its possible states at once: the time is at most (bytes of text) x (size of the
 * program), both capped. The price is what such a machine cannot do: look-ahead, look-behind and
 * back-references are refused with a message. It answers whether a text matches, not where.
 *
 *   a b|c (..) (?:..) (?<name>..) . [a-z] [^a-z] \d \D \w \W \s \S \b \B ^ $ * + ? {2} {2,} {2,5}
 *   \t \n \r \f \v \0 \xhh \uhhhh \u{h..} \. ; a lazy mark behind a quantifier is accepted.
 *   flags: i (case of Latin, Greek, Cyrillic, Armenian), m, s; g, u, y, d mean nothing here.
 *
 * Thread: a compiled pattern holds scratch memory, so it belongs to one thread. Nothing blocks.
 */
#ifndef WF_REGEX_H
#define WF_REGEX_H
#include <catalyst/text.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    WF_REGEX_FOLD = 1,    /* i: without regard to case */
    WF_REGEX_LINES = 2,   /* m: ^ and $ match at line ends too */
    WF_REGEX_DOT_ALL = 4, /* s: . matches line ends too */
    WF_REGEX_CODE_MAX = 5000,
    WF_REGEX_DEPTH_MAX = 100,
    WF_REGEX_STEPS_MAX = 10000000, /* of one match: tenths of a second */
};

enum wf_regex_op {
    WF_RE_CHAR = 1, /* arg: code point */
    WF_RE_ANY,      /* no line end */
    WF_RE_CLASS,    /* arg: first range, count: ranges */
    WF_RE_NOT_CLASS,
    WF_RE_SPLIT, /* go on at +arg and at +count */
    WF_RE_JUMP,  /* +arg */
    WF_RE_BEGIN,
    WF_RE_END,
    WF_RE_WORD,
    WF_RE_NOT_WORD,
    WF_RE_MATCH,
};

typedef struct {
    int32_t op, arg, count;
} wf_regex_code;

typedef struct {
    uint32_t from, to;
} wf_regex_range;

typedef struct {
    wf_regex_code *code;
    wf_regex_range *ranges;
    uint32_t n, size, n_ranges, ranges_size;
    unsigned flags;
    /* while it is compiled */
    const char *p, *end;
    const char *why;
    unsigned depth;
    /* while it matches: the states at this place, those of the next, a stack, and when each was
     * added */
    uint32_t *now, *next, *stack;
    uint64_t *seen, turn, steps;
    uint32_t n_now, n_next;
    char *literal; /* the text every match begins with, or NULL */
    size_t literal_len;
    int only_literal; /* the pattern is that text */
} wf_regex;

/* --- compiling: one pass, code that can be moved because all its jumps are relative ----------- */

static inline void wf_re_fail(wf_regex *re, const char *why)
{
    if (!re->why)
        re->why = why;
    re->p = re->end;
}

static inline void *wf_re_grow(void *array, uint32_t *size, size_t each)
{
    *size = *size ? *size * 2 : 32;
    array = realloc(array, *size * each);
    if (!array)
        abort();
    return array;
}

/* Makes room for one instruction at place `at`. */
static inline void wf_re_insert(wf_regex *re, uint32_t at, int op, int32_t arg, int32_t count)
{
    if (re->n >= WF_REGEX_CODE_MAX) {
        wf_re_fail(re, "the pattern is too large");
        return;
    }
    if (re->n == re->size)
        re->code = wf_re_grow(re->code, &re->size, sizeof *re->code);
    memmove(re->code + at + 1, re->code + at, (re->n - at) * sizeof *re->code);
    re->code[at] = (wf_regex_code){ op, arg, count };
    re->n++;
}

static inline void wf_re_emit(wf_regex *re, int op, int32_t arg, int32_t count)
{
    wf_re_insert(re, re->n, op, arg, count);
}

static inline void wf_re_range(wf_regex *re, uint32_t from, uint32_t to)
{
    if (re->n_ranges >= 4 * WF_REGEX_CODE_MAX) {
        wf_re_fail(re, "the pattern is too large");
        return;
    }
    if (re->n_ranges == re->ranges_size)
        re->ranges = wf_re_grow(re->ranges, &re->ranges_size, sizeof *re->ranges);
    re->ranges[re->n_ranges++] = (wf_regex_range){ from, to };
}

/* Adds what \d, \w, \s or their capitals stand for. */
static inline void wf_re_named_class(wf_regex *re, char name)
{
    static const wf_regex_range digits[] = { { '0', '9' } };
    static const wf_regex_range words[] = {
        { '0', '9' }, { 'A', 'Z' }, { '_', '_' }, { 'a', 'z' }
    };
    static const wf_regex_range spaces[] = {
        { 9, 13 },          { 32, 32 },         { 0xa0, 0xa0 },     { 0x1680, 0x1680 },
        { 0x2000, 0x200a }, { 0x2028, 0x2029 }, { 0x202f, 0x202f }, { 0x205f, 0x205f },
        { 0x3000, 0x3000 }, { 0xfeff, 0xfeff },
    };
    const wf_regex_range *set = name == 'd' || name == 'D'   ? digits
                                : name == 'w' || name == 'W' ? words
                                                             : spaces;
    size_t n = set == digits ? 1 : set == words ? 4 : sizeof spaces / sizeof *spaces;
    uint32_t from = 0;
    for (size_t i = 0; i < n; i++) {
        if (name >= 'a')
            wf_re_range(re, set[i].from, set[i].to);
        else if (set[i].from > from)
            wf_re_range(re, from, set[i].from - 1);
        from = set[i].to + 1;
    }
    if (name < 'a')
        wf_re_range(re, from, 0x10ffff);
}

static inline uint32_t wf_re_hex(wf_regex *re, int digits)
{
    uint32_t cp = 0;
    int n = 0, braces = digits == 4 && re->p < re->end && *re->p == '{';
    re->p += braces;
    for (; re->p < re->end && n < (braces ? 6 : digits); n++, re->p++) {
        char c = *re->p, l = (char)(c | 32);
        if (c >= '0' && c <= '9')
            cp = cp * 16 + (uint32_t)(c - '0');
        else if (l >= 'a' && l <= 'f')
            cp = cp * 16 + (uint32_t)(l - 'a' + 10);
        else
            break;
    }
    if (braces ? re->p == re->end || *re->p++ != '}' || !n || cp > 0x10ffff : n != digits)
        wf_re_fail(re, "a \\x or \\u escape needs its hexadecimal digits");
    return cp;
}

/* What follows a backslash and stands for one code point; re->p is behind its letter. */
static inline uint32_t wf_re_escape(wf_regex *re, char c)
{
    switch (c) {
    case 't':
        return '\t';
    case 'n':
        return '\n';
    case 'r':
        return '\r';
    case 'f':
        return '\f';
    case 'v':
        return '\v';
    case '0':
        return 0;
    case 'x':
        return wf_re_hex(re, 2);
    case 'u':
        return wf_re_hex(re, 4);
    case 'c':
        if (re->p < re->end)
            return (uint32_t)(*re->p++ & 31);
        break;
    case 'p':
    case 'P':
        wf_re_fail(re, "\\p{..} is not supported; write the ranges in brackets");
        return 0;
    case 'k':
        wf_re_fail(re, "back-references are not supported");
        return 0;
    default:
        if (c >= '1' && c <= '9')
            wf_re_fail(re, "back-references are not supported");
    }
    if ((unsigned char)c >= 0x80) { /* an escaped letter beyond ASCII is itself */
        re->p--;
        return wf_text_next(&re->p, re->end);
    }
    return (unsigned char)c;
}

static inline int wf_re_is_named(char c) { return c && strchr("dDwWsS", c) != NULL; }

/* One end of a range in brackets; -1: it was a named class, which has been added. */
static inline int64_t wf_re_class_atom(wf_regex *re)
{
    if (*re->p != '\\')
        return wf_text_next(&re->p, re->end);
    if (++re->p == re->end) {
        wf_re_fail(re, "the pattern ends with a backslash");
        return -1;
    }
    char c = *re->p++;
    if (wf_re_is_named(c)) {
        wf_re_named_class(re, c);
        return -1;
    }
    return c == 'b' ? '\b' : wf_re_escape(re, c);
}

/* [...], re->p behind the bracket. */
static inline void wf_re_class(wf_regex *re)
{
    uint32_t first = re->n_ranges;
    int negated = re->p < re->end && *re->p == '^';
    re->p += negated;
    while (re->p < re->end && *re->p != ']') {
        int64_t from = wf_re_class_atom(re), to = from;
        if (re->p + 1 < re->end && re->p[0] == '-' && re->p[1] != ']' && from >= 0) {
            re->p++;
            to = wf_re_class_atom(re);
            if (to < 0) { /* [a-\d]: a minus sign among others */
                wf_re_range(re, '-', '-');
                to = from;
            }
        }
        if (from > to)
            wf_re_fail(re, "a range in brackets runs backwards");
        if (from >= 0)
            wf_re_range(re, (uint32_t)from, (uint32_t)to);
    }
    if (re->p == re->end)
        wf_re_fail(re, "a bracket [ is not closed");
    else
        re->p++;
    wf_re_emit(re, negated ? WF_RE_NOT_CLASS : WF_RE_CLASS, (int32_t)first,
               (int32_t)(re->n_ranges - first));
}

static inline void wf_re_either(wf_regex *re);

/* (...), re->p behind the parenthesis. */
static inline void wf_re_group(wf_regex *re)
{
    if (re->end - re->p >= 2 && re->p[0] == '?') {
        char c = re->p[1], d = re->end - re->p > 2 ? re->p[2] : 0;
        if (c == '=' || c == '!' || (c == '<' && (d == '=' || d == '!')))
            wf_re_fail(re, "look-ahead and look-behind are not supported");
        else if (c == ':')
            re->p += 2;
        else if (c == '<')
            while (re->p < re->end && *re->p++ != '>')
                ;
        else
            wf_re_fail(re, "a group begins with ( or (?: or (?<name>");
    }
    if (++re->depth > WF_REGEX_DEPTH_MAX)
        wf_re_fail(re, "groups are nested too deeply");
    wf_re_either(re);
    re->depth--;
    if (re->p == re->end)
        wf_re_fail(re, "a parenthesis ( is not closed");
    else
        re->p++;
}

static inline void wf_re_char(wf_regex *re, uint32_t cp)
{
    wf_re_emit(re, WF_RE_CHAR, (int32_t)(re->flags & WF_REGEX_FOLD ? wf_text_lower(cp) : cp), 0);
}

static inline void wf_re_backslash(wf_regex *re)
{
    if (re->p == re->end) {
        wf_re_fail(re, "the pattern ends with a backslash");
        return;
    }
    char c = *re->p++;
    if (c == 'b' || c == 'B') {
        wf_re_emit(re, c == 'b' ? WF_RE_WORD : WF_RE_NOT_WORD, 0, 0);
    } else if (wf_re_is_named(c)) {
        uint32_t first = re->n_ranges;
        wf_re_named_class(re, c);
        wf_re_emit(re, WF_RE_CLASS, (int32_t)first, (int32_t)(re->n_ranges - first));
    } else {
        wf_re_char(re, wf_re_escape(re, c));
    }
}

static inline void wf_re_dot(wf_regex *re)
{
    if (re->flags & WF_REGEX_DOT_ALL)
        wf_re_emit(re, WF_RE_NOT_CLASS, 0, 0);
    else
        wf_re_emit(re, WF_RE_ANY, 0, 0);
}

static inline void wf_re_atom(wf_regex *re)
{
    uint32_t cp = wf_text_next(&re->p, re->end);
    switch (cp) {
    case '(':
        wf_re_group(re);
        break;
    case '[':
        wf_re_class(re);
        break;
    case '\\':
        wf_re_backslash(re);
        break;
    case '.':
        wf_re_dot(re);
        break;
    case '^':
    case '$':
        wf_re_emit(re, cp == '^' ? WF_RE_BEGIN : WF_RE_END, 0, 0);
        break;
    case '*':
    case '+':
    case '?':
        wf_re_fail(re, "a quantifier (* + ?) has nothing before it");
        break;
    default:
        wf_re_char(re, cp);
    }
}

/* {2}, {2,} or {2,5}; max -1: no end. 0 when it is no quantifier but text. */
static inline int wf_re_counts(wf_regex *re, int *min, int *max)
{
    const char *p = re->p + 1;
    int part[2] = { 0, -1 }, digits = 0, i = 0;
    for (; p < re->end && *p != '}'; p++) {
        if (*p == ',' && i == 0 && digits) {
            i = 1;
        } else if (*p >= '0' && *p <= '9') {
            if (part[i] < 0)
                part[i] = 0;
            if (part[i] < 100000)
                part[i] = part[i] * 10 + (*p - '0');
            digits = 1;
        } else {
            return 0;
        }
    }
    if (p == re->end || !digits)
        return 0;
    *min = part[0];
    *max = i ? part[1] : part[0];
    re->p = p + 1;
    return 1;
}

static inline void wf_re_copy(wf_regex *re, uint32_t from, uint32_t len)
{
    for (uint32_t i = 0; i < len && !re->why; i++) {
        wf_regex_code c = re->code[from + i];
        wf_re_emit(re, c.op, c.arg, c.count);
    }
}

/* Repeats the code from `start` to the end. */
static inline void wf_re_repeat(wf_regex *re, uint32_t start, int min, int max)
{
    uint32_t len = re->n - start;
    int32_t n = (int32_t)len;
    if (max == 0) {
        re->n = start;
        return;
    }
    uint32_t from = start;
    if (min == 0) { /* x? or x* */
        wf_re_insert(re, start, WF_RE_SPLIT, 1, max < 0 ? n + 2 : n + 1);
        if (max < 0)
            wf_re_emit(re, WF_RE_JUMP, -(n + 1), 0);
        from = start + 1;
    }
    for (int i = 1; i < min && !re->why; i++)
        wf_re_copy(re, from, len);
    if (min > 0 && max < 0)
        wf_re_emit(re, WF_RE_SPLIT, -n, 1);
    for (int i = min ? min : 1; i < max && !re->why; i++) {
        wf_re_emit(re, WF_RE_SPLIT, 1, n + 1);
        wf_re_copy(re, from, len);
    }
}

static inline void wf_re_piece(wf_regex *re)
{
    uint32_t start = re->n;
    int min = 1, max = 1;
    wf_re_atom(re);
    if (re->p == re->end)
        return;
    if (*re->p == '*' || *re->p == '+' || *re->p == '?') {
        min = *re->p == '+';
        max = *re->p == '?' ? 1 : -1;
        re->p++;
    } else if (*re->p != '{' || !wf_re_counts(re, &min, &max)) {
        return;
    }
    if (max >= 0 && max < min)
        wf_re_fail(re, "a quantifier {n,m} runs backwards");
    if (re->p < re->end && *re->p == '?') /* lazy: the same set of texts */
        re->p++;
    if (re->n > start)
        wf_re_repeat(re, start, min, max);
}

/* a|b|c up to the end or a closing parenthesis. */
static inline void wf_re_either(wf_regex *re)
{
    uint32_t last = UINT32_MAX; /* jumps to the end, chained through their args until it is known */
    for (;;) {
        uint32_t start = re->n;
        while (re->p < re->end && *re->p != '|' && *re->p != ')')
            wf_re_piece(re);
        if (re->p == re->end || *re->p == ')')
            break;
        re->p++;
        wf_re_insert(re, start, WF_RE_SPLIT, 1, (int32_t)(re->n - start) + 2);
        if (re->why)
            return;
        wf_re_emit(re, WF_RE_JUMP, (int32_t)last, 0);
        last = re->n - 1;
    }
    while (last != UINT32_MAX && !re->why) {
        uint32_t before = (uint32_t)re->code[last].arg;
        re->code[last].arg = (int32_t)(re->n - last);
        last = before;
    }
}

static inline void wf_regex_free(wf_regex *re)
{
    if (!re)
        return;
    free(re->code);
    free(re->ranges);
    free(re->now);
    free(re->literal);
    free(re->seen);
    free(re);
}

/* Finds the plain text that every match begins with. */
static inline void wf_re_find_literal(wf_regex *re)
{
    uint32_t n = 0;
    if (re->flags & WF_REGEX_FOLD)
        return;
    while (re->code[n].op == WF_RE_CHAR)
        n++;
    re->only_literal = re->code[n].op == WF_RE_MATCH;
    if (n == 0)
        return;
    re->literal = malloc(4 * (size_t)n);
    if (!re->literal)
        abort();
    for (uint32_t i = 0; i < n; i++)
        re->literal_len += wf_text_put((uint32_t)re->code[i].arg, re->literal + re->literal_len);
}

/* Compiles a pattern. NULL with a sentence in why. Free it with wf_regex_free. */
static inline wf_regex *wf_regex_create(const char *pattern, size_t len, unsigned flags, char *why,
                                        size_t why_size)
{
    wf_regex *re = calloc(1, sizeof *re);
    if (!re)
        abort();
    re->flags = flags;
    re->p = pattern;
    re->end = pattern + len;
    wf_re_either(re);
    if (!re->why && re->p < re->end)
        re->why = "a parenthesis ) was not opened";
    wf_re_emit(re, WF_RE_MATCH, 0, 0);
    if (re->why) {
        snprintf(why, why_size, "the pattern cannot be used: %s", re->why);
        wf_regex_free(re);
        return NULL;
    }
    re->now = calloc(
        re->n, 4 * sizeof *re->now); /* a stack entry splits in two: it needs twice the room */
    re->seen = calloc(re->n, sizeof *re->seen);
    if (!re->now || !re->seen)
        abort();
    re->next = re->now + re->n;
    re->stack = re->next + re->n;
    wf_re_find_literal(re);
    return re;
}

/* --- matching --------------------------------------------------------------------------------- */

enum { WF_RE_NOTHING = 0x7fffffff }; /* no code point: before the text and behind it */

static inline int wf_re_is_word(uint32_t cp)
{
    return cp - '0' < 10 || cp - 'A' < 26 || cp - 'a' < 26 || cp == '_';
}

static inline int wf_re_is_line_end(uint32_t cp)
{
    return cp == '\n' || cp == '\r' || cp == 0x2028 || cp == 0x2029;
}

static inline int wf_re_in(const wf_regex *re, const wf_regex_code *c, uint32_t cp)
{
    const wf_regex_range *r = re->ranges + c->arg;
    for (int32_t i = 0; i < c->count; i++)
        if (cp - r[i].from <= r[i].to - r[i].from)
            return 1;
    return 0;
}

static inline int wf_re_takes(const wf_regex *re, const wf_regex_code *c, uint32_t cp)
{
    int fold = (re->flags & WF_REGEX_FOLD) != 0, in;
    switch (c->op) {
    case WF_RE_CHAR:
        return (uint32_t)c->arg == (fold ? wf_text_lower(cp) : cp);
    case WF_RE_ANY:
        return !wf_re_is_line_end(cp);
    }
    in = c->count && (wf_re_in(re, c, cp) || (fold && (wf_re_in(re, c, wf_text_lower(cp)) ||
                                                       wf_re_in(re, c, wf_text_upper(cp)))));
    return in == (c->op == WF_RE_CLASS);
}

static inline int wf_re_holds(const wf_regex *re, int op, uint32_t before, uint32_t after)
{
    int lines = (re->flags & WF_REGEX_LINES) != 0;
    switch (op) {
    case WF_RE_BEGIN:
        return before == WF_RE_NOTHING || (lines && wf_re_is_line_end(before));
    case WF_RE_END:
        return after == WF_RE_NOTHING || (lines && wf_re_is_line_end(after));
    }
    return (wf_re_is_word(before) != wf_re_is_word(after)) == (op == WF_RE_WORD);
}

/* Adds to `next` all that can be reached from `pc` without taking a code point. 1: the end was
 * reached. */
static inline int wf_re_add(wf_regex *re, uint32_t pc, uint32_t before, uint32_t after)
{
    uint32_t depth = 0;
    re->stack[depth++] = pc;
    while (depth) {
        pc = re->stack[--depth];
        const wf_regex_code *c = re->code + pc;
        re->steps++;
        if (re->seen[pc] == re->turn)
            continue;
        re->seen[pc] = re->turn;
        if (c->op == WF_RE_MATCH)
            return 1;
        if (c->op < WF_RE_SPLIT) {
            re->next[re->n_next++] = pc;
        } else if (c->op == WF_RE_SPLIT) {
            re->stack[depth++] = (uint32_t)((int32_t)pc + c->count);
            re->stack[depth++] = (uint32_t)((int32_t)pc + c->arg);
        } else if (c->op == WF_RE_JUMP) {
            re->stack[depth++] = (uint32_t)((int32_t)pc + c->arg);
        } else if (wf_re_holds(re, c->op, before, after)) {
            re->stack[depth++] = pc + 1;
        }
    }
    return 0;
}

/* Goes over the code point `cp`: those of `next` that take it become `now`. */
static inline void wf_re_take(wf_regex *re, uint32_t cp)
{
    re->n_now = 0;
    for (uint32_t i = 0; i < re->n_next; i++)
        if (wf_re_takes(re, re->code + re->next[i], cp))
            re->now[re->n_now++] = re->next[i];
}

/* Fills `next` at one place: with what follows `now`, and with the start of a match. 1: a match
 * ends here. */
static inline int wf_re_reach(wf_regex *re, int may_start, uint32_t before, uint32_t after)
{
    re->turn++;
    re->n_next = 0;
    for (uint32_t i = 0; i < re->n_now; i++)
        if (wf_re_add(re, re->now[i] + 1, before, after))
            return 1;
    return may_start && wf_re_add(re, 0, before, after);
}

/* The next place at or behind p where a match may begin with the literal; NULL: none. */
static inline const char *wf_re_skip(const wf_regex *re, const char *p, const char *end)
{
    if (!re->literal || re->n_now)
        return p;
    return p < end ? memmem(p, (size_t)(end - p), re->literal, re->literal_len) : NULL;
}

/* Whether the text has a match. 1 or 0; -1: it took too many steps. */
static inline int wf_regex_find(wf_regex *re, const char *text, size_t len)
{
    const char *p = text, *end = text + len;
    uint32_t before = WF_RE_NOTHING, after;
    int anchored = re->code[0].op == WF_RE_BEGIN && !(re->flags & WF_REGEX_LINES);
    if (re->only_literal)
        return re->literal_len == 0 || (len && memmem(text, len, re->literal, re->literal_len));
    re->n_now = 0;
    re->steps = 0;
    for (;;) {
        p = wf_re_skip(re, p, end);
        if (!p)
            return 0;
        int may_start = !anchored || p == text;
        after = p < end ? wf_text_next(&p, end) : (uint32_t)WF_RE_NOTHING;
        if (wf_re_reach(re, may_start, before, after))
            return 1;
        if (after == WF_RE_NOTHING || (anchored && !re->n_next))
            return 0;
        if (re->steps++ > WF_REGEX_STEPS_MAX)
            return -1;
        wf_re_take(re, after);
        before = after;
    }
}

/* --- a cache: patterns come with each item, and are nearly always the same -------------------- */

enum { WF_REGEX_CACHE_SIZE = 16 };

typedef struct {
    struct {
        wf_regex *re;
        char *text;
        size_t len;
        unsigned flags;
    } entries[WF_REGEX_CACHE_SIZE];
    unsigned turn;
} wf_regex_cache;

/* The compiled pattern, which stays the cache's; NULL with a sentence in why. A full cache drops
 * its oldest. */
static inline wf_regex *wf_regex_cached(wf_regex_cache *cache, const char *pattern, size_t len,
                                        unsigned flags, char *why, size_t why_size)
{
    for (size_t i = 0; i < WF_REGEX_CACHE_SIZE; i++)
        if (cache->entries[i].re && cache->entries[i].len == len &&
            cache->entries[i].flags == flags && memcmp(cache->entries[i].text, pattern, len) == 0)
            return cache->entries[i].re;
    wf_regex *re = wf_regex_create(pattern, len, flags, why, why_size);
    if (!re)
        return NULL;
    unsigned at = cache->turn++ % WF_REGEX_CACHE_SIZE;
    wf_regex_free(cache->entries[at].re);
    free(cache->entries[at].text);
    cache->entries[at].re = re;
    cache->entries[at].len = len;
    cache->entries[at].flags = flags;
    cache->entries[at].text = malloc(len + 1);
    if (!cache->entries[at].text)
        abort();
    memcpy(cache->entries[at].text, pattern, len);
    return re;
}

static inline void wf_regex_cache_fini(wf_regex_cache *cache)
{
    for (size_t i = 0; i < WF_REGEX_CACHE_SIZE; i++) {
        wf_regex_free(cache->entries[i].re);
        free(cache->entries[i].text);
    }
    memset(cache, 0, sizeof *cache);
}

#endif
