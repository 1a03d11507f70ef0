/* SPDX-License-Identifier: Apache-2.0
 * What the files of core/json share: scanning of string bytes, a value's traversal without
 * recursion, texts that are known, and a number's text as a decimal. Seen by this folder only (and
 * by its unit tests).
 *
 * The process stays in the C locale: strtod and printf are used for fractions.
 */
#ifndef CATALYST_JSON_INT_H
#define CATALYST_JSON_INT_H
#include "json/json.h"
#include <string.h>
#if defined(__SSE2__) && !defined(JSON_PORTABLE)
#include <emmintrin.h>
#endif

/* --- scanning -----------------------------------------------------------------------------------
 */

/* What stops a scan besides the quote, the backslash and bytes below 0x20. */
enum scan {
    SCAN_WRITE = 1, /* nothing: what is left can be written as it is */
    SCAN_READ = 2,  /* bytes from 0x80 on too, because they are not checked yet */
};

static inline bool scan_stops(unsigned char c, enum scan scan)
{
    return c == '"' || c == '\\' || c < 0x20 || (scan == SCAN_READ && c >= 0x80);
}

#if defined(__SSE2__) && !defined(JSON_PORTABLE)
#define JSON_SCAN_BITS 1
enum { SCAN_STEP = 16 };

/* A bit for each of 16 bytes that stops the scan. */
static inline unsigned scan_bits(const char *p, enum scan scan)
{
    __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)p);
    __m128i quote = _mm_cmpeq_epi8(bytes, _mm_set1_epi8('"'));
    __m128i backslash = _mm_cmpeq_epi8(bytes, _mm_set1_epi8('\\'));
    /* Compared as signed bytes, those from 0x80 on are below 0x20 as well. */
    __m128i low = scan == SCAN_READ
                      ? _mm_cmplt_epi8(bytes, _mm_set1_epi8(0x20))
                      : _mm_cmpeq_epi8(_mm_min_epu8(bytes, _mm_set1_epi8(0x1f)), bytes);
    return (unsigned)_mm_movemask_epi8(_mm_or_si128(_mm_or_si128(quote, backslash), low));
}

/* The place of the first of SCAN_STEP bytes that stops the scan, or SCAN_STEP. */
static inline size_t scan_block(const char *p, enum scan scan)
{
    return (size_t)__builtin_ctzll((unsigned long long)scan_bits(p, scan) | 1u << 16);
}
#else
enum { SCAN_STEP = 8 };

static inline size_t scan_block(const char *p, enum scan scan)
{
    const uint64_t ones = 0x0101010101010101u, highs = ones << 7;
    uint64_t word;
    memcpy(&word, p, 8);
    uint64_t quote = word ^ (ones * '"'), backslash = word ^ (ones * '\\');
    uint64_t stops = ((quote - ones) & ~quote) | ((backslash - ones) & ~backslash) |
                     ((word - ones * 0x20) & ~word);
    if (!((scan == SCAN_READ ? stops | word : stops) & highs))
        return 8;
    size_t place = 0;
    while (!scan_stops((unsigned char)p[place], scan))
        place++;
    return place;
}
#endif

/* The first byte from p on that stops the scan, or `end`. */
static inline const char *scan_string(const char *p, const char *end, enum scan scan)
{
    while (end - p >= SCAN_STEP) {
        size_t place = scan_block(p, scan);
        if (place < SCAN_STEP)
            return p + place;
        p += SCAN_STEP; /* not `place`, for which the next load would wait */
    }
    while (p < end && !scan_stops((unsigned char)*p, scan))
        p++;
    return p;
}

/* Whether a string's bytes can be written without an escape. */
static inline bool scan_plain(const char *ptr, size_t len)
{
    return scan_string(ptr, ptr + len, SCAN_WRITE) == ptr + len;
}

/* The first byte from p on that does not belong to valid UTF-8, or `end`. */
const char *scan_utf8(const char *p, const char *end);

/* --- traversal ----------------------------------------------------------------------------------
 */

/* Values made by edits may be nested deeper than any text, so nothing here recurses. A frame is a
 * container being walked; an object's slots are its keys and values in turn. */
struct walk_frame {
    const struct json *at, *end;
    bool object;
};

struct walk {
    struct walk_frame *frames;
    uint32_t n, size;
    struct walk_frame local[JSON_DEPTH_MAX];
};

void walk_grow(struct walk *w);

static inline void walk_init(struct walk *w)
{
    w->frames = w->local;
    w->n = 0;
    w->size = JSON_DEPTH_MAX;
}

void walk_fini(struct walk *w);

static inline bool has_contents(const struct json *v) { return v->type >= JSON_ARRAY && v->len; }

/* Enters a container that has contents. */
static inline void walk_push(struct walk *w, const struct json *container)
{
    if (__builtin_expect(w->n == w->size, 0))
        walk_grow(w);
    bool object = container->type == JSON_OBJECT;
    size_t slots = (size_t)container->len << object;
    w->frames[w->n++] =
        (struct walk_frame){ container->elements, container->elements + slots, object };
}

/* --- known texts --------------------------------------------------------------------------------
 */

/* What lies in the slot before the first one of a container with JSON_TEXT: the text of its first n
 * elements or members, from its opening bracket to where a ',' or the closing bracket follows. */
struct json_span {
    const char *text;
    uint32_t len; /* bytes */
    uint32_t n;   /* > 0, at most the container's */
};
_Static_assert(sizeof(struct json_span) == sizeof(struct json), "a span takes the place of a slot");

static inline struct json_span span_get(const struct json *slot)
{
    struct json_span span;
    memcpy(&span, slot, sizeof span);
    return span;
}

static inline void span_put(struct json *slot, struct json_span span)
{
    memcpy(slot, &span, sizeof span);
}

static inline bool has_text(const struct json *v)
{
    return v->type >= JSON_ARRAY && v->flags & JSON_TEXT;
}

/* Of a container that has one. */
static inline struct json_span span_of(const struct json *v) { return span_get(v->elements - 1); }

/* --- paths --------------------------------------------------------------------------------------
 */

/* The place a step names in an array of `len`: an index, or a key of digits ("list.0.name"). False
 * when it names none; *index may be len or more. */
bool step_index(const struct json_step *step, size_t len, size_t *index);

/* --- numbers ------------------------------------------------------------------------------------
 */

/* A number's text taken apart: 0.d1d2d3.. * 10^point, d1 and the last digit not 0. */
struct decimal {
    bool negative;
    bool huge;         /* the exponent does not fit: `point` is cut */
    const char *first; /* d1; a '.' may be among the digits */
    uint32_t n;        /* digits; 0: the value is zero */
    int64_t point;
};
void decimal_of(const char *text, size_t len, struct decimal *out);
/* The value when it is an integer in range. */
bool decimal_int(const struct decimal *d, int64_t *out);
bool decimal_same(const struct decimal *a, const struct decimal *b);
/* Whether two numbers of whatever types have the same value. */
bool number_equal(const struct json *a, const struct json *b);

#endif
