/* SPDX-License-Identifier: Apache-2.0
 * The GSM alphabet. Thread: any.
 */
#include "gsm.h"
#include <catalyst/text.h>

/* Beyond ASCII: those of the basic table, in Latin-1 and Greek. */
static const uint32_t gsm_extra[] = { 0xa1,  0xa3,  0xa4,  0xa5,  0xa7,  0xbf,  0xc4,  0xc5,
                                      0xc6,  0xc7,  0xc9,  0xd1,  0xd6,  0xd8,  0xdc,  0xdf,
                                      0xe0,  0xe4,  0xe5,  0xe6,  0xe8,  0xe9,  0xec,  0xf1,
                                      0xf2,  0xf6,  0xf8,  0xf9,  0xfc,  0x393, 0x394, 0x398,
                                      0x39b, 0x39e, 0x3a0, 0x3a3, 0x3a6, 0x3a8, 0x3a9 };

/* 1 or 2; 0: the alphabet lacks it. */
static size_t gsm_septets(uint32_t cp)
{
    if (cp == '`' || (cp < ' ' && cp != '\n' && cp != '\r') || cp == 0x7f)
        return 0;
    if (cp < 0x80)
        return strchr("^{}\\[~]|", (int)cp) ? 2 : 1;
    if (cp == 0x20ac)
        return 2;
    for (size_t i = 0; i < sizeof gsm_extra / sizeof *gsm_extra; i++)
        if (gsm_extra[i] == cp)
            return 1;
    return 0;
}

static uint32_t gsm_plain(uint32_t cp)
{
    static const struct {
        uint32_t from, to;
        char plain;
    } marks[] = {
        { 0xc0, 0xc3, 'A' },     { 0xc8, 0xcb, 'E' },     { 0xcc, 0xcf, 'I' },
        { 0xd2, 0xd5, 'O' },     { 0xd9, 0xdb, 'U' },     { 0xdd, 0xdd, 'Y' },
        { 0xe1, 0xe3, 'a' },     { 0xe7, 0xe7, 'c' },     { 0xea, 0xeb, 'e' },
        { 0xed, 0xef, 'i' },     { 0xf3, 0xf5, 'o' },     { 0xfa, 0xfb, 'u' },
        { 0xfd, 0xff, 'y' },     { 0x2010, 0x2015, '-' }, { 0x2018, 0x201b, '\'' },
        { 0x201c, 0x201f, '"' }, { 0x00a0, 0x00a0, ' ' }, { 0x2000, 0x200a, ' ' },
        { '`', '`', '\'' },      { '\t', '\t', ' ' },
    };
    for (size_t i = 0; i < sizeof marks / sizeof *marks; i++)
        if (cp >= marks[i].from && cp <= marks[i].to)
            return (uint32_t)marks[i].plain;
    return '?';
}

size_t gsm_segment(const char *text, char to[GSM_SEGMENT_SIZE])
{
    const char *end = text + strlen(text);
    size_t used = 0, len = 0, cut_used = 0, cut_len = 0;
    while (text < end) {
        uint32_t cp = wf_text_next(&text, end);
        size_t septets = gsm_septets(cp);
        if (!septets) {
            cp = gsm_plain(cp);
            septets = 1;
        }
        if (used + septets > GSM_SEPTETS_MAX) {
            memcpy(to + cut_len, "..", 3);
            return cut_used + 2;
        }
        len += wf_text_put(cp, to + len);
        used += septets;
        if (used <= GSM_SEPTETS_MAX - 2) {
            cut_used = used;
            cut_len = len;
        }
    }
    to[len] = 0;
    return used;
}
