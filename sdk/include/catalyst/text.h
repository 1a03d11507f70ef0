/* SPDX-License-Identifier: Apache-2.0
 * catalyst/text.h - UTF-8, letter case and numbers in text for plugins. Header only, needs libc
 * only.
 *
 * Text of items is UTF-8 but not NUL-ended, and the C library's case functions hang on a locale
 * that a plugin must not set. So this walks code points by hand and knows the simple case pairs of
 * the Latin, Greek, Cyrillic and Armenian scripts; other scripts have no case or are compared as
 * they are.
 *
 * Thread: any. Nothing allocates, nothing blocks.
 */
#ifndef WF_TEXT_H
#define WF_TEXT_H
#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* The code point at *p, which moves behind it; *p < end. A byte that is no UTF-8 counts as itself.
 */
static inline uint32_t wf_text_next(const char **p, const char *end)
{
    const unsigned char *s = (const unsigned char *)*p;
    size_t left = (size_t)(end - *p), n = s[0] < 0xc0 ? 1 : s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : 4;
    uint32_t cp = n == 1 ? s[0] : s[0] & (0x7fu >> n);
    for (size_t i = 1; i < n; i++) {
        if (i >= left || (s[i] & 0xc0) != 0x80) {
            *p += 1;
            return s[0];
        }
        cp = cp << 6 | (s[i] & 0x3f);
    }
    *p += n;
    return cp;
}

/* Writes a code point as UTF-8 to `to` (4 bytes); returns the bytes written. */
static inline size_t wf_text_put(uint32_t cp, char *to)
{
    if (cp < 0x80) {
        to[0] = (char)cp;
        return 1;
    }
    size_t n = cp < 0x800 ? 2 : cp < 0x10000 ? 3 : 4;
    for (size_t i = n - 1; i > 0; i--, cp >>= 6)
        to[i] = (char)(0x80 | (cp & 0x3f));
    to[0] = (char)((0xf00u >> n) | cp);
    return n;
}

/* Ranges whose capitals are even and whose small letters follow them, or the other way round. */
static inline uint32_t wf_text_lower_pairs(uint32_t cp)
{
    int odd = (cp >= 0x139 && cp <= 0x148) || (cp >= 0x179 && cp <= 0x17e) ||
              (cp >= 0x4c1 && cp <= 0x4ce);
    int even = (cp >= 0x100 && cp <= 0x137 && cp != 0x130) || (cp >= 0x14a && cp <= 0x177) ||
               (cp >= 0x460 && cp <= 0x481) || (cp >= 0x48a && cp <= 0x4bf) ||
               (cp >= 0x4d0 && cp <= 0x52f) || (cp >= 0x1e00 && cp <= 0x1e95) ||
               (cp >= 0x1ea0 && cp <= 0x1eff);
    if ((odd && cp % 2) || (even && cp % 2 == 0))
        return cp + 1;
    return cp;
}

static inline uint32_t wf_text_lower(uint32_t cp)
{
    if (cp < 0x80)
        return cp - 'A' < 26 ? cp + 32 : cp;
    if ((cp >= 0xc0 && cp <= 0xde && cp != 0xd7) || (cp >= 0x391 && cp <= 0x3ab && cp != 0x3a2) ||
        (cp >= 0x410 && cp <= 0x42f))
        return cp + 32;
    if (cp >= 0x400 && cp <= 0x40f)
        return cp + 80;
    if (cp >= 0x531 && cp <= 0x556)
        return cp + 48;
    switch (cp) {
    case 0x178:
        return 0xff;
    case 0x386:
        return 0x3ac;
    case 0x388:
    case 0x389:
    case 0x38a:
        return cp + 37;
    case 0x38c:
        return 0x3cc;
    case 0x38e:
    case 0x38f:
        return cp + 63;
    case 0x4c0:
        return 0x4cf;
    case 0x1e9e:
        return 0xdf;
    }
    return wf_text_lower_pairs(cp);
}

/* The capital of a small letter: the code point that wf_text_lower() maps to it. */
static inline uint32_t wf_text_upper(uint32_t cp)
{
    static const uint8_t steps[] = { 1, 32, 80, 48, 37, 63 };
    if (cp < 0x80)
        return cp - 'a' < 26 ? cp - 32 : cp;
    switch (cp) {
    case 0xff:
        return 0x178;
    case 0x3ac:
        return 0x386;
    case 0x3cc:
        return 0x38c;
    case 0x4cf:
        return 0x4c0;
    case 0xdf: /* its capital is rare; as JavaScript's simple folding has it, it stands alone */
        return cp;
    }
    for (size_t i = 0; i < sizeof steps; i++)
        if (cp - steps[i] >= 0x80 && wf_text_lower(cp - steps[i]) == cp)
            return cp - steps[i];
    return cp;
}

/* Two texts, without regard to case when `fold` is set. */
static inline int wf_text_equal(const char *a, size_t a_len, const char *b, size_t b_len, int fold)
{
    const char *a_end = a + a_len, *b_end = b + b_len;
    if (!fold)
        return a_len == b_len && memcmp(a, b, a_len) == 0;
    while (a < a_end && b < b_end) {
        uint32_t x = wf_text_next(&a, a_end), y = wf_text_next(&b, b_end);
        if (x != y && wf_text_lower(x) != wf_text_lower(y))
            return 0;
    }
    return a == a_end && b == b_end;
}

/* Where `part` begins `text`: the bytes of text it takes, or -1. Letter case may change a text's
 * length. */
static inline ptrdiff_t wf_text_begins(const char *text, size_t len, const char *part,
                                       size_t part_len, int fold)
{
    const char *t = text, *t_end = text + len, *p = part, *p_end = part + part_len;
    if (!fold)
        return part_len <= len && memcmp(text, part, part_len) == 0 ? (ptrdiff_t)part_len : -1;
    while (p < p_end) {
        if (t == t_end)
            return -1;
        uint32_t x = wf_text_next(&t, t_end), y = wf_text_next(&p, p_end);
        if (x != y && wf_text_lower(x) != wf_text_lower(y))
            return -1;
    }
    return t - text;
}

static inline int wf_text_contains(const char *text, size_t len, const char *part, size_t part_len,
                                   int fold)
{
    const char *p = text, *end = text + len;
    if (!fold)
        return part_len == 0 || memmem(text, len, part, part_len) != NULL;
    while (wf_text_begins(p, (size_t)(end - p), part, part_len, 1) < 0) {
        if (p == end)
            return 0;
        wf_text_next(&p, end);
    }
    return 1;
}

/* Code points of text that is UTF-8, as the engine's texts are. */
static inline size_t wf_text_count(const char *text, size_t len)
{
    size_t n = 0;
    for (size_t i = 0; i < len; i++)
        n += ((unsigned char)text[i] & 0xc0) != 0x80;
    return n;
}

/* How many bytes of such a text to show when `most` is the limit: no character is cut in two. */
static inline size_t wf_text_cut(const char *text, size_t len, size_t most)
{
    if (len <= most)
        return len;
    while (most && ((unsigned char)text[most] & 0xc0) == 0x80)
        most--;
    return most;
}

static inline int wf_text_ends(const char *text, size_t len, const char *part, size_t part_len,
                               int fold)
{
    const char *p = text, *end = text + len;
    if (!fold)
        return part_len <= len && memcmp(end - part_len, part, part_len) == 0;
    /* Only a place from which the rest has the same number of bytes, give or take case pairs, can
     * match. */
    if (len > part_len * 3)
        p = end - part_len * 3;
    while (p > text && p < end && ((unsigned char)*p & 0xc0) == 0x80)
        p--;
    for (;;) {
        if (wf_text_equal(p, (size_t)(end - p), part, part_len, 1))
            return 1;
        if (p == end)
            return 0;
        wf_text_next(&p, end);
    }
}

/* A text's number as JavaScript's Number() sees it: 0 for an empty one. 0, or -1 when it is none.
 */
static inline int wf_text_number(const char *s, size_t len, double *out)
{
    char text[64], *end;
    while (len && s[0] && strchr(" \t\r\n\v\f", s[0]))
        s++, len--;
    while (len && s[len - 1] && strchr(" \t\r\n\v\f", s[len - 1]))
        len--;
    *out = 0;
    if (len == 0)
        return 0;
    if (len >= sizeof text)
        return -1;
    memcpy(text, s, len);
    text[len] = 0;
    int hex = text[0] == '0' && (text[1] | 32) == 'x';
    /* strtod() also takes words such as inf and hexadecimal with a sign or a point */
    if (strspn(text, hex ? "0123456789xXabcdefABCDEF" : "0123456789+-.eE") != len)
        return -1;
    *out = strtod(text, &end);
    return *end || !isfinite(*out) ? -1 : 0;
}

#endif
