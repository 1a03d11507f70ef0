/* SPDX-License-Identifier: Apache-2.0
 * What the parser meets rarely: errors, strings with escapes or beyond ASCII, numbers that keep
 * their text, equal keys, stacks that grow. Apart from parse.c so that its common path stays small.
 */
#include "json/parse_int.h"
#include "base/err.h"
#include "base/hex.h"
#include "base/map.h"
#include <stdlib.h>

const char *parse_fail(struct parser *ps, const char *at, const char *reason)
{
    struct json_error e = { (size_t)(at - ps->text), reason };
    if (ps->len <= UINT32_MAX && at == ps->end)
        e = (struct json_error){ ps->len, "unexpected end" };
    if (ps->error)
        *ps->error = e;
    return NULL;
}

void parse_grow(struct parser *ps, size_t slots)
{
    size_t used = (size_t)(ps->top - ps->stack), size = (size_t)(ps->limit - ps->stack);
    size_t frame = (size_t)(ps->frame - ps->stack);
    bool local = ps->stack == ps->local;
    do
        size *= 2;
    while (size < used + slots);
    ps->stack = xrealloc(local ? NULL : ps->stack, size * sizeof *ps->stack);
    if (local)
        memcpy(ps->stack, ps->local, used * sizeof *ps->stack);
    ps->top = ps->stack + used;
    ps->limit = ps->stack + size;
    ps->frame = ps->stack + frame;
}

void parse_free(struct parser *ps) { free(ps->stack); }

/* --- strings ------------------------------------------------------------------------------------
 */

static const char *bad_string(struct parser *ps, const char *p)
{
    if (p == ps->end)
        return parse_fail(ps, p, "unexpected end");
    return parse_fail(ps, p,
                      (unsigned char)*p < 0x20 ? "control character in a string" : "not UTF-8");
}

static bool is_plain(char c) { return !scan_stops((unsigned char)c, SCAN_READ); }

static bool is_high(char c) { return (unsigned char)c >= 0x80; }

/* Passes valid UTF-8 beyond ASCII, with spaces and the like between its words, and returns where it
 * ends, which is p itself when it is not valid. */
static const char *pass_utf8(const char *p, const char *end)
{
    for (;;) {
        while (p < end && is_high(*p)) {
            /* Cyrillic, Greek, Arabic, Hebrew: two bytes */
            if (end - p > 1 && (unsigned char)(p[0] - 0xc2) < 0x1e && (p[1] & 0xc0) == 0x80) {
                p += 2;
                continue;
            }
            size_t n = str_utf8_length((const unsigned char *)p, (size_t)(end - p));
            if (!n)
                return p;
            p += n;
        }
        if (end - p < 3 || !is_plain(p[0]))
            return p;
        if (is_high(p[1]))
            p += 1;
        else if (is_plain(p[1]) && is_high(p[2]))
            p += 2;
        else
            return p;
    }
}

/* The value of 4 hex digits, or -1. */
static int hex4(const char *p, const char *end)
{
    int value = 0;
    if (end - p < 4)
        return -1;
    for (int i = 0; i < 4; i++) {
        int digit = hex_digit(p[i]);
        if (digit < 0)
            return -1;
        value = value << 4 | digit;
    }
    return value;
}

/* p: the backslash of \uXXXX. */
static const char *read_unicode(struct parser *ps, const char *p, char **to)
{
    const char *start = p;
    int c = hex4(p + 2, ps->end);
    if (c < 0)
        return parse_fail(ps, start, "bad \\u escape");
    p += 6;
    if (c >= 0xdc00 && c <= 0xdfff)
        return parse_fail(ps, start, "lone surrogate");
    if (c >= 0xd800 && c <= 0xdbff) {
        int low = ps->end - p >= 6 && p[0] == '\\' && p[1] == 'u' ? hex4(p + 2, ps->end) : -1;
        if (low < 0xdc00 || low > 0xdfff)
            return parse_fail(ps, start, "lone surrogate");
        c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
        p += 6;
    }
    bool own = c < 0x20 && !(c && strchr("\b\f\n\r\t", c)) && !(start[5] >= 'A' && start[5] <= 'F');
    ps->unlike += !own; /* only what has no shorter form is written like this */
    *to = str_utf8_put(*to, (uint32_t)c);
    return p;
}

/* p: a backslash. Writes what it stands for. */
static const char *read_escape(struct parser *ps, const char *p, char **to)
{
    if (ps->end - p < 2)
        return parse_fail(ps, ps->end, "");
    char c;
    switch (p[1]) {
    case '/':
        ps->unlike++;
        c = '/';
        break;
    case '"':
    case '\\':
        c = p[1];
        break;
    case 'b':
        c = '\b';
        break;
    case 'f':
        c = '\f';
        break;
    case 'n':
        c = '\n';
        break;
    case 'r':
        c = '\r';
        break;
    case 't':
        c = '\t';
        break;
    case 'u':
        return read_unicode(ps, p, to);
    default:
        return parse_fail(ps, p, "bad escape");
    }
    *(*to)++ = c;
    return p + 2;
}

/* At most as many bytes as the string from p on can have. */
static size_t string_bound(const struct parser *ps, const char *p)
{
    const char *start = p;
    while (p < ps->end && *p != '"')
        p += *p == '\\' && ps->end - p > 1 ? 2 : 1;
    return (size_t)(p - start);
}

/* p: the first escape of a string that starts at `start`. Decodes it into the arena. */
static const char *read_escaped(struct parser *ps, const char *start, const char *p,
                                struct json *slot)
{
    size_t done = (size_t)(p - start), bound = done + string_bound(ps, p);
    char *bytes = arena_alloc(ps->arena, bound), *to = bytes + done;
    memcpy(bytes, start, done);
    while (p < ps->end && *p != '"') {
        if (*p == '\\') {
            p = read_escape(ps, p, &to);
            if (!p)
                return NULL;
            continue;
        }
        const char *stop = pass_utf8(scan_string(p, ps->end, SCAN_READ), ps->end);
        if (stop == p)
            break;
        memcpy(to, p, (size_t)(stop - p));
        to += stop - p;
        p = stop;
    }
    if (p == ps->end || *p != '"')
        return bad_string(ps, p);
    size_t len = (size_t)(to - bytes);
    *slot = (struct json){ .type = JSON_STRING, .len = (uint32_t)len };
    slot->flags = scan_plain(bytes, len) ? JSON_PLAIN : 0;
    slot->s = bytes;
    return p + 1;
}

const char *parse_string_rest(struct parser *ps, const char *start, const char *p,
                              struct json *slot)
{
    while (p < ps->end && (unsigned char)*p >= 0x80) {
        const char *next = pass_utf8(p, ps->end);
        if (next == p)
            break;
        p = scan_string(next, ps->end, SCAN_READ);
    }
    if (p < ps->end && *p == '\\')
        return read_escaped(ps, start, p, slot);
    if (p == ps->end || *p != '"')
        return bad_string(ps, p);
    *slot = (struct json){ .type = JSON_STRING, .flags = JSON_PLAIN, .len = (uint32_t)(p - start) };
    slot->s = start;
    return p + 1;
}

/* --- numbers ------------------------------------------------------------------------------------
 */

/* At least one digit; returns the byte behind the last. */
static const char *read_digits(struct parser *ps, const char *p)
{
    const char *start = p;
    while (p < ps->end && *p >= '0' && *p <= '9')
        p++;
    if (p > start)
        return p;
    return parse_fail(ps, p, "expected a digit");
}

const char *parse_number_rest(struct parser *ps, const char *start, const char *p,
                              struct json *slot)
{
    if (p < ps->end && *p == '.') {
        p = read_digits(ps, p + 1);
        if (!p)
            return NULL;
    }
    if (p < ps->end && (*p == 'e' || *p == 'E')) {
        p++;
        if (p < ps->end && (*p == '+' || *p == '-'))
            p++;
        p = read_digits(ps, p);
        if (!p)
            return NULL;
    }
    *slot = (struct json){ .type = JSON_NUMBER, .len = (uint32_t)(p - start) };
    slot->s = start;
    return p;
}

/* --- words --------------------------------------------------------------------------------------
 */

const char *parse_word(struct parser *ps, const char *p, struct json *slot)
{
    static const struct {
        const char *word;
        enum json_type type;
    } words[] = { { "true", JSON_TRUE }, { "false", JSON_FALSE }, { "null", JSON_NULL } };
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        const char *word = words[i].word;
        if (p == ps->end || *p != *word)
            continue;
        for (; *word; p++, word++)
            if (p == ps->end || *p != *word)
                return parse_fail(ps, p, "expected a value");
        *slot = (struct json){ .type = (uint8_t)words[i].type };
        return p;
    }
    return parse_fail(ps, p, "expected a value");
}

/* --- equal keys ---------------------------------------------------------------------------------
 */

static bool same_key(const struct json *a, const struct json *b)
{
    return a->len == b->len && (!a->len || (*a->s == *b->s && !memcmp(a->s, b->s, a->len)));
}

void parse_look_for_key(struct json *frame, const struct json *key)
{
    if (key - frame > SLOTS_WATCHED)
        return; /* all keys will be looked at in the end */
    for (const struct json *k = frame + FRAME_SLOTS; k < key; k += 2)
        if (same_key(k, key))
            frame->flags = FRAME_EQUAL_KEYS;
}

size_t parse_drop_equal_keys(struct parser *ps, size_t slots)
{
    /* The table of indices lies above the top of the stack, which is free. */
    size_t size = 16;
    while (size < slots) /* twice the members */
        size *= 2;
    size_t room = (size * sizeof(uint32_t) + sizeof(struct json) - 1) / sizeof(struct json);
    if ((size_t)(ps->limit - ps->top) < room)
        parse_grow(ps, room);
    struct json *first = ps->frame + FRAME_SLOTS;
    uint32_t *table = memset(ps->top, 0, size * sizeof *table); /* 0: free, else place + 1 */
    size_t kept = 0;
    for (size_t i = 0; i < slots; i += 2) {
        size_t h = map_hash(first[i].s, first[i].len);
        for (;; h++) {
            uint32_t place = table[h & (size - 1)];
            if (!place) {
                memmove(&first[kept], &first[i], 2 * sizeof *first);
                table[h & (size - 1)] = (uint32_t)kept + 1;
                kept += 2;
                break;
            }
            if (same_key(&first[place - 1], &first[i])) {
                first[place] = first[i + 1]; /* the last value */
                break;
            }
        }
    }
    return kept;
}
