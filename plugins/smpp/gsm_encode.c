/* SPDX-License-Identifier: Apache-2.0
 * gsm_encode.c - UTF-8 to septets and to the other alphabets.
 *
 * Nearly every message is in the base alphabet, whose look-up is by direct index. National tables
 * are turned round into a small hash on the stack for the time of one message.
 *
 * Thread: any. Nothing allocates, nothing blocks.
 */
#include "gsm_int.h"
#include <catalyst/text.h>

/* 0x80: with ESC. */
const uint8_t gsm_ascii[128] = {
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x0a, 0xff, 0x8a, 0x0d, 0xff, 0xff,
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
    0x20, 0x21, 0x22, 0x23, 0x02, 0x25, 0x26, 0x27, 0x28, 0x29, 0x2a, 0x2b, 0x2c, 0x2d, 0x2e, 0x2f,
    0x30, 0x31, 0x32, 0x33, 0x34, 0x35, 0x36, 0x37, 0x38, 0x39, 0x3a, 0x3b, 0x3c, 0x3d, 0x3e, 0x3f,
    0x00, 0x41, 0x42, 0x43, 0x44, 0x45, 0x46, 0x47, 0x48, 0x49, 0x4a, 0x4b, 0x4c, 0x4d, 0x4e, 0x4f,
    0x50, 0x51, 0x52, 0x53, 0x54, 0x55, 0x56, 0x57, 0x58, 0x59, 0x5a, 0xbc, 0xaf, 0xbe, 0x94, 0x11,
    0xff, 0x61, 0x62, 0x63, 0x64, 0x65, 0x66, 0x67, 0x68, 0x69, 0x6a, 0x6b, 0x6c, 0x6d, 0x6e, 0x6f,
    0x70, 0x71, 0x72, 0x73, 0x74, 0x75, 0x76, 0x77, 0x78, 0x79, 0x7a, 0xa8, 0xc0, 0xa9, 0xbd, 0xff,
};
/* From U+00A0. */
static const uint8_t latin_septets[96] = {
    0xff, 0x40, 0xff, 0x01, 0x24, 0x03, 0xff, 0x5f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x60,
    0xff, 0xff, 0xff, 0xff, 0x5b, 0x0e, 0x1c, 0x09, 0xff, 0x1f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
    0xff, 0x5d, 0xff, 0xff, 0xff, 0xff, 0x5c, 0xff, 0x0b, 0xff, 0xff, 0xff, 0x5e, 0xff, 0xff, 0x1e,
    0x7f, 0xff, 0xff, 0xff, 0x7b, 0x0f, 0x1d, 0xff, 0x04, 0x05, 0xff, 0xff, 0x07, 0xff, 0xff, 0xff,
    0xff, 0x7d, 0x08, 0xff, 0xff, 0xff, 0x7c, 0xff, 0x0c, 0x06, 0xff, 0xff, 0x7e, 0xff, 0xff, 0xff,
};

uint32_t gsm_next(const char **p, const char *end)
{
    const unsigned char *s = (const unsigned char *)*p;
    uint32_t cp = wf_text_next(p, end);
    size_t n = (size_t)((const unsigned char *)*p - s);
    /* Longer than need be, a surrogate or beyond Unicode: no UTF-8, so its first byte stands alone.
     */
    if ((n == 2 && cp < 0x80) || (n == 3 && (cp < 0x800 || (cp >= 0xd800 && cp <= 0xdfff))) ||
        (n == 4 && (cp < 0x10000 || cp > 0x10ffff))) {
        *p = (const char *)s + 1;
        return s[0];
    }
    return cp;
}

uint8_t gsm_base_septet_far(uint32_t cp)
{
    if (cp >= 0xa0 && cp < 0x100)
        return latin_septets[cp - 0xa0];
    if (cp == 0x20ac)
        return GSM_SHIFTED | 0x65;
    if (cp >= 0x393 && cp <= 0x3a9)
        for (uint8_t i = 0x10; i <= 0x1a; i++)
            if (gsm_locking[GSM_LANGUAGE_BASE][i] == cp)
                return i;
    return GSM_NONE;
}

const struct gsm_where *gsm_where_is(uint32_t cp)
{
    uint32_t from = 128, to = gsm_where_count;
    if (cp < 128)
        return &gsm_where[cp];
    while (from < to) {
        uint32_t middle = (from + to) / 2;
        if (gsm_where[middle].cp == cp)
            return &gsm_where[middle];
        if (gsm_where[middle].cp < cp)
            from = middle + 1;
        else
            to = middle;
    }
    return NULL;
}

/* --- national tables -------------------------------------------------------------------------- */

/* A pair of tables the other way round: open addressing, at most 256 of 512 places taken. */
struct back {
    uint16_t cp[512];
    uint8_t septet[512];
};

static uint32_t back_place(const struct back *b, uint32_t cp)
{
    uint32_t i = (cp * 2654435761u) >> 23;
    while (b->cp[i] && b->cp[i] != cp)
        i = (i + 1) & 511;
    return i;
}

static void back_add(struct back *b, const uint16_t *table, uint8_t flag)
{
    for (unsigned i = 0; i < 128; i++) {
        if (!table[i])
            continue;
        uint32_t place = back_place(b, table[i]);
        if (!b->cp[place]) { /* the cheaper and the earlier one is kept */
            b->cp[place] = table[i];
            b->septet[place] = (uint8_t)(i | flag);
        }
    }
}

/* -1: in neither table. (No octet can say that, for 0xff is the last septet with ESC.) */
static int back_septet(const struct back *b, uint32_t cp)
{
    if (cp == 0 || cp > UINT16_MAX)
        return -1;
    uint32_t place = back_place(b, cp);
    return b->cp[place] ? b->septet[place] : -1;
}

static inline int base_septet(uint32_t cp)
{
    uint8_t septet = gsm_base_septet(cp);
    return septet == GSM_NONE ? -1 : septet;
}

/* --- septets ---------------------------------------------------------------------------------- */

struct writer {
    uint8_t *to;
    size_t n, room;
};

/* -1 when there is no room. */
static inline int put_septet(struct writer *w, uint8_t septet)
{
    if (septet & GSM_SHIFTED) {
        if (w->room - w->n < 2)
            return -1;
        w->to[w->n++] = GSM_ESC;
        w->to[w->n++] = septet & 0x7f;
        return 0;
    }
    if (w->n == w->room)
        return -1;
    w->to[w->n++] = septet;
    return 0;
}

static ssize_t encode_septets(const char *text, size_t len, const struct back *back,
                              struct writer *w, const char **p)
{
    const char *end = text + len;
    for (const char *next = text; (*p = next) < end;) {
        uint32_t cp = (unsigned char)*next < 0x80 ? (uint32_t)*next++ : gsm_next(&next, end);
        int septet = back ? back_septet(back, cp) : base_septet(cp);
        if (septet < 0 || put_septet(w, (uint8_t)septet) != 0)
            return -1;
    }
    return (ssize_t)w->n;
}

static ssize_t encode_national(const char *text, size_t len, const struct gsm_coding *coding,
                               struct writer *w, const char **p)
{
    struct back back = { .cp = { 0 } };
    back_add(&back, gsm_locking[gsm_locking_of(coding)], 0);
    back_add(&back, gsm_single[gsm_single_of(coding)], GSM_SHIFTED);
    return encode_septets(text, len, &back, w, p);
}

/* --- the others ------------------------------------------------------------------------------- */

static ssize_t encode_utf16(const char *text, size_t len, struct writer *w, const char **p)
{
    const char *end = text + len;
    for (const char *next = text; (*p = next) < end;) {
        uint32_t cp = gsm_next(&next, end);
        uint32_t units[2] = { cp, 0 };
        size_t n = 1;
        if (cp > 0xffff) {
            units[0] = 0xd800 + ((cp - 0x10000) >> 10);
            units[1] = 0xdc00 + ((cp - 0x10000) & 0x3ff);
            n = 2;
        }
        if (w->room - w->n < n * 2)
            return -1;
        for (size_t i = 0; i < n; i++) {
            w->to[w->n++] = (uint8_t)(units[i] >> 8);
            w->to[w->n++] = (uint8_t)units[i];
        }
    }
    return (ssize_t)w->n;
}

/* ASCII and Latin-1: code points up to `most`. */
static ssize_t encode_octets(const char *text, size_t len, uint32_t most, struct writer *w,
                             const char **p)
{
    const char *end = text + len;
    for (const char *next = text; (*p = next) < end;) {
        uint32_t cp = gsm_next(&next, end);
        if (cp > most || w->n == w->room)
            return -1;
        w->to[w->n++] = (uint8_t)cp;
    }
    return (ssize_t)w->n;
}

ssize_t gsm_encode(const char *text, size_t len, const struct gsm_coding *coding, uint8_t *to,
                   size_t room, size_t *at)
{
    struct writer w = { .to = to, .room = room };
    const char *p = text;
    ssize_t n = -1;
    switch (coding->alphabet) {
    case GSM_SEPTETS:
        n = coding->single || coding->locking ? encode_national(text, len, coding, &w, &p)
                                              : encode_septets(text, len, NULL, &w, &p);
        break;
    case GSM_UCS2:
        n = encode_utf16(text, len, &w, &p);
        break;
    case GSM_ASCII:
        n = encode_octets(text, len, 0x7f, &w, &p);
        break;
    case GSM_LATIN1:
        n = encode_octets(text, len, 0xff, &w, &p);
        break;
    default:
        break;
    }
    if (n < 0 && at)
        *at = (size_t)(p - text);
    return n;
}
