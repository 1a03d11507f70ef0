/* SPDX-License-Identifier: Apache-2.0
 * str: slices (wf_str of the SDK) and the one growable buffer.
 *
 * strbuf is malloc-backed and has a mandatory cap: going over it sets `failed` and drops what comes
 * after, so a caller checks once at the end. Thread: the owner's.
 */
#ifndef CATALYST_STR_H
#define CATALYST_STR_H
#include <stdbool.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <catalyst/plugin.h>

#define STR(literal) ((wf_str){ "" literal, sizeof(literal) - 1 })
/* For printf("%.*s", STR_ARG(s)). */
#define STR_ARG(s) (int)(s).len, (s).ptr

static inline wf_str str_of(const char *text) { return (wf_str){ text, text ? strlen(text) : 0 }; }

static inline bool str_eq(wf_str a, wf_str b)
{
    return a.len == b.len && (!a.len || !memcmp(a.ptr, b.ptr, a.len));
}

bool str_eq_nocase(wf_str a, wf_str b);
/* Same time whatever the content (not the length): for signatures and secrets. */
bool str_eq_secret(wf_str a, wf_str b);
/* Damerau-Levenshtein distance, cut at `limit`; for "did you mean". */
unsigned str_distance(const char *a, const char *b, unsigned limit);
/* Length of the valid UTF-8 sequence at p, of which `left` (at least 1) bytes are there, or 0.
 * Overlong forms and surrogates are not valid. */
static inline size_t str_utf8_length(const unsigned char *p, size_t left)
{
    if (p[0] < 0x80)
        return 1;
    size_t n = p[0] >= 0xf0 ? 4 : p[0] >= 0xe0 ? 3 : 2;
    if (p[0] < 0xc2 || p[0] > 0xf4 || left < n)
        return 0;
    for (size_t i = 1; i < n; i++)
        if ((p[i] & 0xc0) != 0x80)
            return 0;
    if ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f) ||
        (p[0] == 0xf0 && p[1] < 0x90) || (p[0] == 0xf4 && p[1] > 0x8f))
        return 0;
    return n;
}
/* Writes a code point (no surrogate, at most 0x10ffff) in 1 to 4 bytes; returns where they end. */
char *str_utf8_put(char *to, uint32_t code);
/* The nearest of `n` names to `name`, or NULL when none is near enough to be meant. */
const char *str_nearest(const char *name, const char *const *names, size_t n);

struct strbuf {
    char *ptr; /* NUL-ended once something was added */
    size_t len, size, cap;
    bool failed; /* went over cap */
};

void strbuf_init(struct strbuf *b, size_t cap);
void strbuf_fini(struct strbuf *b);
/* Empties it, keeps the memory. */
void strbuf_clear(struct strbuf *b);
/* Makes room for `bytes` more and returns where to write, or NULL over the cap. */
char *strbuf_reserve(struct strbuf *b, size_t bytes);
void strbuf_add(struct strbuf *b, const void *ptr, size_t len);
void strbuf_addf(struct strbuf *b, const char *format, ...) WF_PRINTF(2, 3);
void strbuf_vaddf(struct strbuf *b, const char *format, va_list args);
/* The text as a JSON string with its quotes. Invalid UTF-8 becomes U+FFFD. */
void strbuf_add_json(struct strbuf *b, const char *ptr, size_t len);

static inline void strbuf_adds(struct strbuf *b, const char *text)
{
    strbuf_add(b, text, strlen(text));
}
static inline void strbuf_addc(struct strbuf *b, char c) { strbuf_add(b, &c, 1); }
static inline wf_str strbuf_str(const struct strbuf *b)
{
    return (wf_str){ b->ptr ? b->ptr : "", b->len };
}
/* Gives the memory away (free() it); the buffer is empty afterwards. Never NULL. */
char *strbuf_take(struct strbuf *b);
#endif
