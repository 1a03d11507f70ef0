/* SPDX-License-Identifier: Apache-2.0
 * The parser's common path: structure, plain strings, integers. One pass, no recursion, no lock, no
 * malloc for texts with up to 512 waiting values; see parse_int.h for how it keeps them.
 *
 * No look at a byte asks whether the text goes on. A container's text ends with its bracket, and
 * nothing but strings, which know their bounds, can step over that; what else is at hand (a lone
 * scalar, a text cut short) is copied first, with a NUL behind it, which nothing steps over either.
 */
#include "json/parse_int.h"

#define RARELY(condition) __builtin_expect(!!(condition), 0)

static inline bool is_space(char c) { return c == ' ' || c == '\n' || c == '\r' || c == '\t'; }

static inline const char *skip_space(struct parser *ps, const char *p)
{
    if (RARELY((unsigned char)*p <= ' ')) {
        ps->unlike++;
        while (is_space(*p))
            p++;
    }
    return p;
}

/* The byte in a string that needs a look, from p on, or the text's end. */
static inline const char *string_stop(const struct parser *ps, const char *p)
{
    while (ps->end - p >= SCAN_STEP) {
        size_t place = scan_block(p, SCAN_READ);
        if (place < SCAN_STEP)
            return p + place;
        p += SCAN_STEP; /* not `place`, for which the next load would wait */
    }
#ifdef JSON_SCAN_BITS
    /* The last bytes: as the end of a block that begins before them. */
    if (ps->end - ps->text >= SCAN_STEP) {
        unsigned before = (unsigned)(SCAN_STEP - (ps->end - p));
        unsigned bits = scan_bits(ps->end - SCAN_STEP, SCAN_READ) >> before;
        return bits ? p + __builtin_ctz(bits) : ps->end;
    }
#endif
    return scan_string(p, ps->end, SCAN_READ);
}

static inline const char *string_done(const char *p, const char *stop, struct json *slot)
{
    slot->type = JSON_STRING;
    slot->flags = JSON_PLAIN;
    slot->unused = 0;
    slot->len = (uint32_t)(stop - p);
    slot->s = p;
    return stop + 1;
}

/* A string whose end is looked for from `at` on. */
static __attribute__((noinline)) const char *read_string_far(struct parser *ps, const char *p,
                                                             const char *at, struct json *slot)
{
    const char *stop = string_stop(ps, at);
    if (RARELY(stop == ps->end || *stop != '"'))
        return parse_string_rest(ps, p, stop, slot);
    return string_done(p, stop, slot);
}

/* p: behind the opening quote. Half of all that is done here; most strings end in their first
 * bytes, so that look is inlined. */
static inline __attribute__((always_inline)) const char *
read_string(struct parser *ps, const char *p, struct json *slot)
{
#ifdef JSON_SCAN_BITS
    if (__builtin_expect(ps->end - p >= SCAN_STEP, 1)) {
        unsigned bits = scan_bits(p, SCAN_READ);
        const char *stop = p + (unsigned)__builtin_ctz(bits | 1u << SCAN_STEP);
        if (__builtin_expect(bits && *stop == '"', 1)) /* without bits it may be the text's end */
            return string_done(p, stop, slot);
        return read_string_far(ps, p, stop, slot);
    }
#endif
    return read_string_far(ps, p, p, slot);
}

static inline bool is_digit(char c) { return (unsigned char)(c - '0') < 10; }

/* p: a digit or '-'. */
static inline const char *read_number(struct parser *ps, const char *p, struct json *slot)
{
    const char *start = p;
    bool negative = *p == '-';
    p += negative;
    const char *digits = p;
    uint64_t value = 0;
    for (; is_digit(*p); p++)
        value = value * 10 + (unsigned)(*p - '0'); /* wraps round beyond 19 digits */
    if (RARELY(p == digits))
        return parse_fail(ps, p, "expected a digit");
    if (RARELY(*digits == '0' && p - digits > 1))
        return parse_fail(ps, digits + 1, "digit after a leading zero");
    if (*p == '.' || (*p | 0x20) == 'e')
        return parse_number_rest(ps, start, p, slot);
    /* 19 digits fit in 64 bits without a sign. */
    if (RARELY(p - digits >= 19 && (p - digits > 19 || value > (uint64_t)INT64_MAX + negative)))
        return parse_number_rest(ps, start, p, slot);
    if (RARELY(negative && !value))
        ps->unlike++; /* -0 is written 0 */
    slot->type = JSON_INT;
    slot->flags = 0;
    slot->unused = 0;
    slot->len = 0;
    slot->i = (int64_t)(negative ? 0 - value : value);
    return p;
}

/* p: at anything but a bracket or a quote. */
static const char *read_bare(struct parser *ps, const char *p, struct json *slot)
{
    if (is_digit(*p) || *p == '-')
        return read_number(ps, p, slot);
    return parse_word(ps, p, slot);
}

/* p: at anything but a bracket. */
static const char *read_scalar(struct parser *ps, const char *p, struct json *slot)
{
    return *p == '"' ? read_string(ps, p + 1, slot) : read_bare(ps, p, slot);
}

/* A bit for a key in its object's 64-bit filter. An empty key has quotes around it to look at. */
static inline uint64_t key_bit(const struct json *key)
{
    unsigned first = (unsigned char)key->s[0],
             last = (unsigned char)key->s[(ptrdiff_t)key->len - 1];
    unsigned place = ((first | last << 8) + key->len * 0x10000) * 0x9e3779b1u >> 26;
    return (uint64_t)1 << place;
}

static inline bool opens(char c) { return (c | 0x20) == '{'; /* '[' differs by this bit */ }

/* p: at a bracket. Returns the place behind it. */
static const char *open_container(struct parser *ps, const char *p)
{
    if (RARELY(ps->depth == ps->max_depth))
        return parse_fail(ps, p, "nested too deep");
    if (RARELY(ps->limit - ps->top < FRAME_SLOTS))
        parse_grow(ps, FRAME_SLOTS);
    struct json *slot = ps->top;
    *slot = (struct json){ .type = *p == '{' ? JSON_OBJECT : JSON_ARRAY };
    slot->len = (uint32_t)(ps->frame - ps->stack);
    span_put(slot + 1, (struct json_span){ .text = p, .n = ps->unlike });
    ps->top += FRAME_SLOTS;
    ps->frame = slot;
    ps->depth++;
    return p + 1;
}

/* Reads members of the innermost object, from p, where a key must be. Stops where a value is a
 * container, which it opens, or where no ',' follows, and returns that place. */
static const char *read_members(struct parser *ps, const char *p)
{
    uint64_t seen = (uint64_t)ps->frame->i;
    for (struct json *key = ps->top;;) {
        if (RARELY(*p != '"'))
            return parse_fail(ps, p, "expected a member name");
        if (RARELY(ps->limit - key < 2)) {
            ps->top = key;
            parse_grow(ps, 2);
            key = ps->top;
        }
        p = read_string(ps, p + 1, key);
        if (RARELY(!p))
            return NULL;
        uint64_t bit = key_bit(key);
        if (seen & bit) /* perhaps it was there */
            parse_look_for_key(ps->frame, key);
        seen |= bit;
        if (RARELY(*p != ':')) {
            p = skip_space(ps, p);
            if (*p != ':')
                return parse_fail(ps, p, "expected ':'");
        }
        if (*++p == '"') {
            p = read_string(ps, p + 1, key + 1);
        } else {
            p = skip_space(ps, p);
            if (opens(*p)) {
                ps->frame->i = (int64_t)seen;
                ps->top = key + 1;
                return open_container(ps, p);
            }
            p = read_scalar(ps, p, key + 1);
        }
        if (RARELY(!p))
            return NULL;
        key += 2;
        if (*p != ',') {
            p = skip_space(ps, p);
            if (*p != ',') {
                ps->top = key;
                return p;
            }
        }
        if (RARELY(*++p != '"'))
            p = skip_space(ps, p);
    }
}

/* The same for the elements of an array. */
static const char *read_elements(struct parser *ps, const char *p)
{
    while (!opens(*p)) {
        if (RARELY(ps->top == ps->limit))
            parse_grow(ps, 1);
        p = read_scalar(ps, p, ps->top++);
        if (RARELY(!p))
            return NULL;
        p = skip_space(ps, p);
        if (*p != ',')
            return p;
        p = skip_space(ps, p + 1);
    }
    return open_container(ps, p);
}

/* p: where the innermost container ends. Completes the slot before its slots when all in between is
 * as it would be written. */
static inline bool keep_text(struct parser *ps, const char *p, size_t n)
{
    struct json_span span = span_get(ps->frame + 1);
    if (span.n != ps->unlike || !n)
        return false;
    span.len = (uint32_t)(p - span.text);
    span.n = (uint32_t)n;
    span_put(ps->frame + 1, span);
    return true;
}

static size_t drop_equal_keys(struct parser *ps, size_t slots)
{
    size_t kept = parse_drop_equal_keys(ps, slots);
    ps->unlike += kept != slots;
    return kept;
}

/* p: where the innermost container must end. Moves its contents to the arena, makes its slot the
 * value and returns the next place that counts. */
static inline const char *close_container(struct parser *ps, const char *p)
{
    bool object = ps->frame->type == JSON_OBJECT;
    if (RARELY(*p != (object ? '}' : ']')))
        return parse_fail(ps, p, object ? "expected ',' or '}'" : "expected ',' or ']'");
    size_t slots = (size_t)(ps->top - ps->frame) - FRAME_SLOTS;
    if (object && RARELY(ps->frame->flags || slots > SLOTS_WATCHED))
        slots = drop_equal_keys(ps, slots);
    size_t text = keep_text(ps, p, slots >> object), moved = text + slots;
    struct json *frame = ps->frame, *kept = arena_alloc(ps->arena, moved * sizeof *kept);
    memcpy(kept, frame + FRAME_SLOTS - text, moved * sizeof *kept);
    ps->frame = ps->stack + frame->len;
    ps->top = frame + 1;
    frame->flags = text ? JSON_TEXT : 0;
    frame->len = (uint32_t)(slots >> object);
    frame->elements = kept + text;
    p++;
    if (!--ps->depth)
        return p;
    /* Only behind a bracket can the text be over. */
    return p == ps->end ? parse_fail(ps, p, "") : skip_space(ps, p);
}

/* p: where the innermost container must end. Closes it and those that end with it, up to the
 * outermost or to a ','. Returns that place. */
static inline const char *close_containers(struct parser *ps, const char *p)
{
    do
        p = close_container(ps, p);
    while (p && ps->depth && *p != ',');
    return p;
}

/* p: at the outermost bracket. Returns the place behind its partner. */
static const char *read_container(struct parser *ps, const char *p)
{
    bool opened = true; /* its bracket is right before p, so that it may end here */
    p = open_container(ps, p);
    for (;;) {
        p = skip_space(ps, p);
        bool object = ps->frame->type == JSON_OBJECT;
        if (!opened || *p != (object ? '}' : ']')) {
            unsigned depth = ps->depth;
            p = object ? read_members(ps, p) : read_elements(ps, p);
            if (RARELY(!p))
                return NULL;
            opened = ps->depth > depth;
            if (opened)
                continue;
        }
        p = close_containers(ps, p);
        if (RARELY(!p) || !ps->depth)
            return p;
        p++; /* the ',' */
        opened = false;
    }
}

/* A text that ends as the head of this file wants it. */
static const char *guarded(struct parser *ps, const char *text, size_t len)
{
    const char *end = text + len;
    while (end > text && is_space(end[-1]))
        end--;
    if (end > text && (end[-1] == '}' || end[-1] == ']')) {
        ps->end = end;
        return text;
    }
    text = arena_str(ps->arena, text, len).ptr;
    ps->end = text + len;
    return text;
}

int json_parse(struct arena *a, const char *text, size_t len, unsigned max_depth, struct json *out,
               struct json_error *error)
{
    struct parser ps; /* its slots are not cleared: each is written before it is read */
    ps.error = error;
    ps.len = len;
    ps.text = text = len ? text : "";
    if (len > UINT32_MAX)
        return parse_fail(&ps, text, "text too long") ? 0 : -1;
    ps.arena = a;
    ps.text = guarded(&ps, text, len);
    ps.stack = ps.top = ps.frame = ps.local;
    ps.limit = ps.local + STACK_LOCAL;
    ps.unlike = 0;
    ps.depth = 0;
    ps.max_depth = max_depth ? max_depth : JSON_DEPTH_MAX;
    const char *p = skip_space(&ps, ps.text);
    p = opens(*p) ? read_container(&ps, p) : read_scalar(&ps, p, ps.top);
    if (p && p < ps.end) {
        p = skip_space(&ps, p);
        if (p < ps.end)
            p = parse_fail(&ps, p, "text behind the value");
    }
    if (p)
        *out = ps.stack[0];
    if (RARELY(ps.stack != ps.local))
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
