/* SPDX-License-Identifier: Apache-2.0
 * The GSM alphabet. Thread: any.
 */
#include "gsm.h"
#include <catalyst/gsm.h>

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
        size_t septets = cp == '\f' ? 0 : wf_gsm_septets(cp);
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
