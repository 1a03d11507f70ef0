/* SPDX-License-Identifier: Apache-2.0
 * The parser's common path: structure, plain strings, integers. One pass, no recursion, no lock, no
 * malloc for texts with up to 512 waiting values; see parse_int.h for how it keeps them.
 */
#include "json/parse_int.h"

static inline const char *skip_space(const char *p, const char *end)
{
    while (p < end && (*p == ' ' || *p == '\n' || *p == '\r' || *p == '\t'))
        p++;
    return p;
}

static inline bool is_digit(char c) { return (unsigned char)(c - '0') < 10; }

/* A new slot on the stack. What points into the stack may move; ps->frame is kept right. */
static inline struct json *push(struct parser *ps)
{
    if (__builtin_expect(ps->top == ps->limit, 0))
        parse_grow(ps, 1);
    return ps->top++;
}

/* p: behind the opening quote. */
static inline const char *read_string(struct parser *ps, const char *p, struct json *slot)
{
    const char *stop = scan_string(p, ps->end, SCAN_READ);
    if (__builtin_expect(stop == ps->end || *stop != '"', 0))
        return parse_string_rest(ps, p, stop, slot);
    slot->type = JSON_STRING;
    slot->flags = JSON_PLAIN;
    slot->unused = 0;
    slot->len = (uint32_t)(stop - p);
    slot->s = p;
    return stop + 1;
}

/* p: a digit or '-'. */
static inline const char *read_number(struct parser *ps, const char *p, struct json *slot)
{
    const char *start = p, *end = ps->end;
    bool negative = *p == '-';
    p += negative;
    if (__builtin_expect(p == end || !is_digit(*p), 0))
        return parse_fail(ps, p, p == end ? "unexpected end" : "expected a digit");
    const char *digits = p;
    uint64_t value = 0;
    do
        value = value * 10 + (unsigned)(*p++ - '0');
    while (p < end && is_digit(*p));
    if (__builtin_expect(*digits == '0' && p - digits > 1, 0))
        return parse_fail(ps, digits + 1, "digit after a leading zero");
    if (p < end && (*p == '.' || (*p | 0x20) == 'e'))
        return parse_number_rest(ps, start, p, slot);
    /* 19 digits fit in 64 bits without a sign. */
    if (p - digits >= 19 && (p - digits > 19 || value > (uint64_t)INT64_MAX + negative))
        return parse_number_rest(ps, start, p, slot);
    slot->type = JSON_INT;
    slot->flags = 0;
    slot->unused = 0;
    slot->len = 0;
    slot->i = (int64_t)(negative ? 0 - value : value);
    return p;
}

static const char *read_word(struct parser *ps, const char *p, const char *word,
                             enum json_type type, struct json *slot)
{
    for (; *word; p++, word++)
        if (p == ps->end || *p != *word)
            return parse_fail(ps, p, p == ps->end ? "unexpected end" : "expected a value");
    *slot = (struct json){ .type = (uint8_t)type };
    return p;
}

/* Remembers a key in its object's 64-bit filter, and looks closer when the filter says "perhaps".
 */
static inline void watch_key(struct parser *ps, const struct json *key)
{
    struct json *frame = ps->frame;
    uint64_t h = key->len;
    if (key->len)
        h |= (uint64_t)(unsigned char)key->s[0] << 32 |
             (uint64_t)(unsigned char)key->s[key->len / 2] << 40 |
             (uint64_t)(unsigned char)key->s[key->len - 1] << 48;
    uint64_t bit = (uint64_t)1 << (h * 0x9e3779b97f4a7c15u >> 58);
    if (frame->i & (int64_t)bit && key - frame <= 2 * KEYS_WATCHED) {
        for (const struct json *k = frame + 1; k < key; k += 2)
            if (k->len == key->len && !memcmp(k->s, key->s, key->len))
                frame->flags |= FRAME_EQUAL_KEYS;
    }
    frame->i |= (int64_t)bit;
}

/* p: where a member's key must be. Returns where its value must be. */
static inline const char *read_key(struct parser *ps, const char *p)
{
    if (__builtin_expect(p == ps->end || *p != '"', 0)) {
        p = skip_space(p, ps->end);
        if (p == ps->end)
            return parse_fail(ps, p, "unexpected end");
        if (*p != '"')
            return parse_fail(ps, p, "expected a member name");
    }
    struct json *key = push(ps);
    p = read_string(ps, p + 1, key);
    if (!p)
        return NULL;
    watch_key(ps, key);
    if (__builtin_expect(p < ps->end && *p == ':', 1))
        return p + 1;
    p = skip_space(p, ps->end);
    if (p == ps->end)
        return parse_fail(ps, p, "unexpected end");
    return *p == ':' ? p + 1 : parse_fail(ps, p, "expected ':'");
}

/* p: at the bracket. Returns where the first value must be, or, for an empty container, the byte
 * behind it, with its slot done (ps->frame is then another one). */
static const char *open_container(struct parser *ps, const char *p, struct json *slot)
{
    if (ps->depth >= ps->max_depth)
        return parse_fail(ps, p, "nested too deep");
    bool object = *p == '{';
    const char *next = skip_space(p + 1, ps->end);
    *slot = (struct json){ .type = object ? JSON_OBJECT : JSON_ARRAY };
    if (next < ps->end && *next == (object ? '}' : ']')) {
        slot->elements = NULL;
        return next + 1;
    }
    slot->len = ps->depth ? (uint32_t)(ps->frame - ps->stack) : 0;
    ps->frame = slot;
    ps->depth++;
    return object ? read_key(ps, next) : next;
}

/* Moves the contents of the innermost container to the arena and makes its slot the value. */
static inline void close_container(struct parser *ps)
{
    struct json *frame = ps->frame, *first = frame + 1;
    size_t slots = (size_t)(ps->top - first);
    bool object = frame->type == JSON_OBJECT;
    if (object && __builtin_expect(frame->flags || slots > 2 * KEYS_WATCHED, 0)) {
        slots = parse_drop_equal_keys(ps, first, slots);
        frame = ps->frame;
        first = frame + 1;
    }
    struct json *kept = arena_alloc(ps->arena, slots * sizeof *kept);
    memcpy(kept, first, slots * sizeof *kept);
    ps->depth--;
    ps->frame = ps->stack + frame->len;
    ps->top = first;
    frame->flags = 0;
    frame->len = (uint32_t)(slots >> object);
    frame->elements = kept;
}

/* p: behind a value. Closes the containers that end here and goes to the next value; when the
 * outermost value is done, ps->depth is 0. */
static inline const char *after_value(struct parser *ps, const char *p)
{
    while (ps->depth) {
        p = skip_space(p, ps->end);
        if (__builtin_expect(p == ps->end, 0))
            return parse_fail(ps, p, "unexpected end");
        bool object = ps->frame->type == JSON_OBJECT;
        if (*p == ',')
            return object ? read_key(ps, p + 1) : p + 1;
        if (__builtin_expect(*p != (object ? '}' : ']'), 0))
            return parse_fail(ps, p, object ? "expected ',' or '}'" : "expected ',' or ']'");
        close_container(ps);
        p++;
    }
    return p;
}

/* Reads one value into ps->stack[0]. */
static const char *read_value(struct parser *ps, const char *p)
{
    do {
        p = skip_space(p, ps->end);
        if (__builtin_expect(p == ps->end, 0))
            return parse_fail(ps, p, "unexpected end");
        struct json *slot = push(ps);
        unsigned depth = ps->depth;
        char c = *p;
        if (c == '"')
            p = read_string(ps, p + 1, slot);
        else if (c == '-' || is_digit(c))
            p = read_number(ps, p, slot);
        else if (c == '{' || c == '[')
            p = open_container(ps, p, slot);
        else if (c == 't')
            p = read_word(ps, p, "true", JSON_TRUE, slot);
        else if (c == 'f')
            p = read_word(ps, p, "false", JSON_FALSE, slot);
        else if (c == 'n')
            p = read_word(ps, p, "null", JSON_NULL, slot);
        else
            return parse_fail(ps, p, "expected a value");
        if (__builtin_expect(!p, 0))
            return NULL;
        if (ps->depth == depth) /* not just opened */
            p = after_value(ps, p);
    } while (p && ps->depth);
    return p;
}

int json_parse(struct arena *a, const char *text, size_t len, unsigned max_depth, struct json *out,
               struct json_error *error)
{
    struct parser ps; /* its slots are not cleared: each is written before it is read */
    text = len ? text : "";
    ps.text = text;
    ps.end = text + len;
    ps.stack = ps.top = ps.frame = ps.local;
    ps.limit = ps.local + STACK_LOCAL;
    ps.depth = 0;
    ps.max_depth = max_depth ? max_depth : JSON_DEPTH_MAX;
    ps.arena = a;
    ps.error = error;
    const char *p = len > UINT32_MAX ? parse_fail(&ps, text, "text too long") : text;
    if (p)
        p = read_value(&ps, p);
    if (p) {
        p = skip_space(p, ps.end);
        p = p == ps.end ? p : parse_fail(&ps, p, "text behind the value");
    }
    if (p)
        *out = ps.stack[0];
    if (__builtin_expect(ps.stack != ps.local, 0))
        parse_free(&ps);
    return p ? 0 : -1;
}

int json_parse_copy(struct arena *a, const char *text, size_t len, unsigned max_depth,
                    struct json *out, struct json_error *error)
{
    /* One copy of the whole text is cheaper than one for each string. */
    if (len <= UINT32_MAX)
        text = arena_str(a, text, len).ptr;
    return json_parse(a, text, len, max_depth, out, error);
}
