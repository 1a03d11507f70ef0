/* SPDX-License-Identifier: Apache-2.0
 * gsm_decode.c - septets and other alphabets to UTF-8.
 *
 * Whatever comes, UTF-8 leaves: items hold nothing else. What has no meaning becomes U+FFFD, what
 * 23.038 tells a phone to show instead is shown: an escaped septet without a character is that of
 * the main table, ESC before ESC is a space.
 *
 * Thread: any. Nothing allocates but iconv, in the alphabets that only it knows; nothing blocks.
 */
#include "gsm_int.h"
#include <catalyst/text.h>
#include <iconv.h>

enum { REPLACEMENT = 0xfffd };

struct writer {
    char *to;
    size_t n, room;
};

/* -1 when there is no room for it. */
static int put(struct writer *w, uint32_t cp)
{
    char utf8[4];
    size_t n;
    if (cp < 0x80 && w->n < w->room) {
        w->to[w->n++] = (char)cp;
        return 0;
    }
    n = wf_text_put(cp, utf8);
    if (w->room - w->n < n)
        return -1;
    memcpy(w->to + w->n, utf8, n);
    w->n += n;
    return 0;
}

/* What follows ESC. */
static uint32_t escaped(uint8_t septet, const uint16_t *locking, const uint16_t *single)
{
    if (septet == GSM_ESC)
        return ' ';
    if (septet >= 0x80)
        return REPLACEMENT;
    return single[septet] ? single[septet] : locking[septet];
}

static void decode_septets(const uint8_t *septets, size_t len, const struct gsm_coding *coding,
                           struct writer *w)
{
    const uint16_t *locking = gsm_locking[gsm_locking_of(coding)];
    const uint16_t *single = gsm_single[gsm_single_of(coding)];
    for (size_t i = 0; i < len; i++) {
        uint8_t septet = septets[i];
        uint32_t cp = septet < 0x80 ? locking[septet] : REPLACEMENT;
        if (septet == GSM_ESC) {
            cp = escaped(i + 1 < len ? septets[i + 1] : (uint8_t)GSM_ESC, locking, single);
            i++;
        }
        if (put(w, cp ? cp : REPLACEMENT) != 0)
            return;
    }
}

static void decode_utf16(const uint8_t *octets, size_t len, struct writer *w)
{
    for (size_t i = 0; i + 1 < len; i += 2) {
        uint32_t cp = (uint32_t)octets[i] << 8 | octets[i + 1];
        if (cp >= 0xd800 && cp <= 0xdfff) {
            uint32_t low = i + 3 < len ? (uint32_t)octets[i + 2] << 8 | octets[i + 3] : 0;
            if (cp < 0xdc00 && low >= 0xdc00 && low <= 0xdfff) {
                cp = 0x10000 + ((cp & 0x3ff) << 10 | (low & 0x3ff));
                i += 2;
            } else {
                cp = REPLACEMENT;
            }
        }
        if (put(w, cp) != 0)
            return;
    }
    if (len % 2)
        put(w, REPLACEMENT);
}

static void decode_octets(const uint8_t *octets, size_t len, uint8_t most, struct writer *w)
{
    for (size_t i = 0; i < len; i++)
        if (put(w, octets[i] <= most ? octets[i] : REPLACEMENT) != 0)
            return;
}

static const char *iconv_name(unsigned alphabet)
{
    switch (alphabet) {
    case GSM_CYRILLIC:
        return "ISO-8859-5";
    case GSM_HEBREW:
        return "ISO-8859-8";
    case GSM_JIS:
        return "SHIFT_JIS";
    case GSM_ISO2022JP:
        return "ISO-2022-JP";
    case GSM_EUCKR:
        return "EUC-KR";
    default:
        return NULL;
    }
}

/* Leaves `w` where iconv came to; one octet that it does not take is one replacement. */
static void decode_by_iconv(iconv_t cd, const uint8_t *octets, size_t len, struct writer *w)
{
    char *from = (char *)(uintptr_t)octets;
    size_t left = len;
    while (left) {
        char *to = w->to + w->n;
        size_t room = w->room - w->n;
        size_t got = iconv(cd, &from, &left, &to, &room);
        w->n = w->room - room;
        if (got != (size_t)-1 || left == 0)
            continue;
        if (put(w, REPLACEMENT) != 0)
            return;
        from++;
        left--;
    }
}

size_t gsm_decode(const uint8_t *octets, size_t len, const struct gsm_coding *coding, char *to,
                  size_t room)
{
    struct writer w = { .to = to, .room = room };
    const char *name = iconv_name(coding->alphabet);
    iconv_t cd = name ? iconv_open("UTF-8", name) : (iconv_t)-1;
    if (cd != (iconv_t)-1) {
        decode_by_iconv(cd, octets, len, &w);
        iconv_close(cd);
        return w.n;
    }
    switch (coding->alphabet) {
    case GSM_SEPTETS:
        decode_septets(octets, len, coding, &w);
        break;
    case GSM_UCS2:
        decode_utf16(octets, len, &w);
        break;
    case GSM_ASCII:
        decode_octets(octets, len, 0x7f, &w);
        break;
    default:
        decode_octets(octets, len, 0xff, &w);
        break;
    }
    return w.n;
}
