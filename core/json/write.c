/* SPDX-License-Identifier: Apache-2.0
 * Writing values: the bound of what they need, then the bytes without further checks.
 */
#include "json/json_int.h"
#include "base/err.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { INT_BYTES = 20, DOUBLE_BYTES = 25 };

/* --- bound --------------------------------------------------------------------------------------
 */

/* What escapes may add to a string: \u00XX for one byte. */
static size_t escapes_bound(const struct json *v)
{
    const char *p = v->s, *end = p + v->len;
    size_t bytes = 0;
    while ((p = scan_string(p, end, SCAN_WRITE)) < end) {
        bytes += 5;
        p++;
    }
    return bytes;
}

/* Of a value or key without the contents of a container, with the ',' or ':' behind it. */
static inline size_t slot_bound(const struct json *v)
{
    static const uint8_t fixed[] = {
        [JSON_MISSING] = 5, [JSON_NULL] = 5,   [JSON_FALSE] = 6,
        [JSON_TRUE] = 5,    [JSON_STRING] = 3, [JSON_INT] = INT_BYTES + 1,
        [JSON_NUMBER] = 1,  [JSON_ARRAY] = 3,  [JSON_DOUBLE] = DOUBLE_BYTES + 1,
        [JSON_OBJECT] = 3,
    };
    size_t bytes = fixed[v->type];
    if (v->type == JSON_STRING || v->type == JSON_NUMBER)
        bytes += v->len;
    if (v->type == JSON_STRING && !(v->flags & JSON_PLAIN))
        bytes += escapes_bound(v);
    return bytes;
}

/* Enters a container behind the text it knows, if something is left there. */
static inline void walk_enter(struct walk *w, const struct json *v, uint32_t known)
{
    if (known == v->len)
        return;
    walk_push(w, v);
    w->frames[w->n - 1].at += (size_t)known << (v->type == JSON_OBJECT);
}

/* The bound of what a container knows of its text; enters what is left. */
static inline size_t enter_bound(struct walk *w, const struct json *v)
{
    struct json_span span = { 0 };
    if (has_text(v))
        span = span_of(v);
    walk_enter(w, v, span.n);
    return span.len;
}

size_t json_write_bound(const struct json *v)
{
    struct walk w;
    size_t bytes = v ? slot_bound(v) : 5;
    if (!v || !has_contents(v))
        return bytes;
    walk_init(&w);
    bytes += enter_bound(&w, v);
    while (w.n) {
        struct walk_frame *f = &w.frames[w.n - 1];
        const struct json *slot = f->at, *end = f->end;
        for (; slot < end && !has_contents(slot); slot++)
            bytes += slot_bound(slot);
        if (slot == end) {
            w.n--;
            continue;
        }
        f->at = slot + 1;
        bytes += slot_bound(slot) + enter_bound(&w, slot);
    }
    walk_fini(&w);
    return bytes;
}

/* --- scalars ------------------------------------------------------------------------------------
 */

static const char digit_pairs[] = "00010203040506070809101112131415161718192021222324"
                                  "25262728293031323334353637383940414243444546474849"
                                  "50515253545556575859606162636465666768697071727374"
                                  "75767778798081828384858687888990919293949596979899";

/* memcpy for what strings mostly are, short: without a call, with two moves that may overlap. */
static inline char *put_bytes(char *to, const char *from, size_t n)
{
    if (n > 32)
        return (char *)memcpy(to, from, n) + n;
    if (n >= 16) {
        memcpy(to, from, 16);
        memcpy(to + n - 16, from + n - 16, 16);
    } else if (n >= 8) {
        memcpy(to, from, 8);
        memcpy(to + n - 8, from + n - 8, 8);
    } else if (n >= 4) {
        memcpy(to, from, 4);
        memcpy(to + n - 4, from + n - 4, 4);
    } else {
        for (size_t i = 0; i < n; i++)
            to[i] = from[i];
    }
    return to + n;
}

static char *put_int(char *to, int64_t i)
{
    char digits[INT_BYTES], *end = digits + sizeof digits, *p = end;
    uint64_t u = (uint64_t)i;
    if (i < 0) {
        *to++ = '-';
        u = 0 - u;
    }
    for (; u >= 100; u /= 100)
        p = memcpy(p - 2, digit_pairs + u % 100 * 2, 2);
    if (u >= 10)
        p = memcpy(p - 2, digit_pairs + u * 2, 2);
    else
        *--p = (char)('0' + u);
    return put_bytes(to, p, (size_t)(end - p));
}

/* What prices and rates need: d as an integer of up to 15 digits over a power of ten. Both are
 * exact, so the quotient is what the digits read back as. 0 when there is none. */
static int short_digits(double d, char digits[17], int *point)
{
    double power = 1;
    for (int decimals = 0; decimals <= 15; decimals++, power *= 10) {
        if (d * power >= 1e15)
            return 0;
        double scaled = (double)(int64_t)(d * power + 0.5);
        if (scaled / power != d)
            continue;
        int n = (int)(put_int(digits, (int64_t)scaled) - digits);
        *point = n - decimals;
        return n;
    }
    return 0;
}

/* The digits of d > 0, without zeros at the end, that read back as d; as few as 15, 16 or 17
 * rounded ones can be, fewer for the smallest numbers. Returns how many; 0.d1d2.. * 10^*point is
 * the value. */
static int double_digits(double d, char digits[17], int *point)
{
    int n = short_digits(d, digits, point);
    if (n)
        return n;
    char text[32]; /* d.ddde-NNN */
    int precision = d < 0x1p-1022 ? 1 : 15;
    do
        snprintf(text, sizeof text, "%.*e", precision - 1, d);
    while (strtod(text, NULL) != d && ++precision <= 17);
    const char *p = text;
    for (; *p != 'e'; p++)
        if (*p != '.')
            digits[n++] = *p;
    *point = (int)strtol(p + 1, NULL, 10) + 1;
    while (digits[n - 1] == '0')
        n--;
    return n;
}

static char *put_exponent(char *to, int e)
{
    *to++ = 'e';
    *to++ = (char)(e < 0 ? '-' : '+');
    return put_int(to, e < 0 ? -e : e);
}

/* As JavaScript writes numbers: with an exponent from 1e21 and below 1e-6 on. */
static char *put_double(char *to, double d)
{
    if (!isfinite(d) || d == 0)
        return d == 0 ? (*to = '0', to + 1) : put_bytes(to, "null", 4);
    if (d < 0) {
        *to++ = '-';
        d = -d;
    }
    char digits[17];
    int point, n = double_digits(d, digits, &point);
    if (point > 21 || point < -5) {
        *to++ = digits[0];
        if (n > 1)
            *to++ = '.';
        memcpy(to, digits + 1, (size_t)n - 1);
        return put_exponent(to + n - 1, point - 1);
    }
    if (point <= 0) {
        put_bytes(to, "0.00000", 7);
        memcpy(to + 2 - point, digits, (size_t)n);
        return to + 2 - point + n;
    }
    for (int i = 0; i < n || i < point; i++) {
        if (i == point)
            *to++ = '.';
        *to++ = (char)(i < n ? digits[i] : '0');
    }
    return to;
}

static char *put_escape(char *to, unsigned char c)
{
    static const char short_form[] = {
        ['"'] = '"',  ['\\'] = '\\', ['\b'] = 'b', ['\f'] = 'f',
        ['\n'] = 'n', ['\r'] = 'r',  ['\t'] = 't',
    };
    static const char hex[] = "0123456789abcdef";
    *to++ = '\\';
    if (short_form[c]) {
        *to++ = short_form[c];
        return to;
    }
    to = put_bytes(to, "u00", 3);
    *to++ = hex[c >> 4];
    *to++ = hex[c & 15];
    return to;
}

static char *put_escaped(char *to, const char *p, size_t len)
{
    const char *end = p + len;
    for (;;) {
        const char *stop = scan_string(p, end, SCAN_WRITE);
        memcpy(to, p, (size_t)(stop - p));
        to += stop - p;
        if (stop == end)
            return to;
        to = put_escape(to, (unsigned char)*stop);
        p = stop + 1;
    }
}

static inline char *put_string(char *to, const struct json *v)
{
    *to++ = '"';
    if (v->flags & JSON_PLAIN) {
        to = put_bytes(to, v->s, v->len);
    } else {
        to = put_escaped(to, v->s, v->len);
    }
    *to++ = '"';
    return to;
}

/* Anything without contents. */
static inline char *put_scalar(char *to, const struct json *v)
{
    switch (v->type) {
    case JSON_STRING:
        return put_string(to, v);
    case JSON_INT:
        return put_int(to, v->i);
    case JSON_NUMBER:
        return put_bytes(to, v->s, v->len);
    case JSON_DOUBLE:
        return put_double(to, v->d);
    case JSON_TRUE:
        return put_bytes(to, "true", 4);
    case JSON_FALSE:
        return put_bytes(to, "false", 5);
    case JSON_ARRAY:
        return put_bytes(to, "[]", 2);
    case JSON_OBJECT:
        return put_bytes(to, "{}", 2);
    default:
        return put_bytes(to, "null", 4);
    }
}

/* --- values -------------------------------------------------------------------------------------
 */

/* What opens a container that has contents: its bracket, or all it knows of its text, closed if
 * that is all. */
static inline char *put_opening(struct walk *w, char *to, const struct json *v)
{
    bool object = v->type == JSON_OBJECT;
    if (!has_text(v)) {
        *to++ = object ? '{' : '[';
        walk_push(w, v);
        return to;
    }
    struct json_span span = span_of(v);
    memcpy(to, span.text, span.len);
    to += span.len;
    if (span.n == v->len)
        *to++ = object ? '}' : ']';
    *to++ = ',';
    walk_enter(w, v, span.n);
    return to;
}

size_t json_write(const struct json *v, char *to)
{
    static const struct json null = { .type = JSON_NULL };
    char *start = to;
    v = v ? v : &null;
    if (!has_contents(v))
        return (size_t)(put_scalar(to, v) - start);
    struct walk w;
    walk_init(&w);
    to = put_opening(&w, to, v);
    while (w.n) {
        struct walk_frame *f = &w.frames[w.n - 1];
        if (f->at == f->end) {
            to[-1] = f->object ? '}' : ']'; /* for the last ',' */
            *to++ = ',';
            w.n--;
            continue;
        }
        if (f->object) {
            to = put_string(to, f->at++);
            *to++ = ':';
        }
        const struct json *value = f->at++;
        if (has_contents(value)) {
            to = put_opening(&w, to, value);
            continue;
        }
        to = put_scalar(to, value);
        *to++ = ',';
    }
    walk_fini(&w);
    return (size_t)(to - start) - 1; /* the last ',' */
}

wf_str json_text(struct arena *a, const struct json *v)
{
    size_t bound = json_write_bound(v) + 1;
    char *text = arena_alloc(a, bound);
    size_t len = json_write(v, text);
    text[len] = 0;
    return (wf_str){ text, len };
}

void json_add(struct strbuf *b, const struct json *v)
{
    size_t bound = json_write_bound(v);
    bool fits = !b->failed && bound <= b->cap && b->len <= b->cap - bound;
    if (fits) {
        char *to = strbuf_reserve(b, bound);
        size_t len = json_write(v, to);
        to[len] = 0;
        b->len += len;
        return;
    }
    /* Perhaps it only nearly fails to fit: the bound is not exact. */
    char *text = xmalloc(bound);
    strbuf_add(b, text, json_write(v, text));
    free(text);
}

wf_str json_to_str(struct arena *a, const struct json *v)
{
    if (!v || v->type <= JSON_NULL)
        return STR("");
    return v->type == JSON_STRING ? json_str(v) : json_text(a, v);
}

/* --- for people ---------------------------------------------------------------------------------
 */

static void add_line(struct strbuf *b, size_t depth)
{
    strbuf_addc(b, '\n');
    while (depth--)
        strbuf_add(b, "  ", 2);
}

/* The byte behind the string that starts at p. */
static const char *string_end(const char *p)
{
    for (p++; *p != '"'; p++)
        p += *p == '\\';
    return p + 1;
}

void json_add_pretty(struct strbuf *b, const struct json *v)
{
    struct strbuf compact;
    strbuf_init(&compact, SIZE_MAX / 2);
    json_add(&compact, v);
    size_t depth = 0;
    const char *p = compact.ptr, *end = p + compact.len;
    while (p < end && !b->failed) {
        const char *next = *p == '"' ? string_end(p) : p + 1;
        bool opens = *p == '{' || *p == '[', closes = *p == '}' || *p == ']';
        if (closes && p[-1] != '{' && p[-1] != '[')
            add_line(b, depth - 1);
        strbuf_add(b, p, (size_t)(next - p));
        depth = depth + opens - closes;
        if (*p == ',' || (opens && *next != '}' && *next != ']'))
            add_line(b, depth);
        if (*p == ':')
            strbuf_addc(b, ' ');
        p = next;
    }
    strbuf_fini(&compact);
}
