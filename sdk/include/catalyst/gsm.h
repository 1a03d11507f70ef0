/* SPDX-License-Identifier: Apache-2.0
 * catalyst/gsm.h - how long a text is as a short message: septets of the GSM 03.38 alphabet with
 * its extension table (3GPP TS 23.038, 6.2.1), else 16-bit units of UCS-2, and the parts it needs.
 * Header only, needs libc only. What encodes and splits stands with the connector that sends; this
 * is for who must know the number: prices, menus, alerts.
 *
 * National shift tables are not counted: a route that uses them needs fewer parts than is said
 * here.
 *
 * Thread: any. Nothing allocates, nothing blocks.
 */
#ifndef WF_GSM_H
#define WF_GSM_H
#include <catalyst/text.h>

/* Septets of a character: 1, 2 behind an escape, 0 when the alphabet lacks it. */
static inline unsigned wf_gsm_septets(uint32_t cp)
{
    /* Beyond ASCII: Latin-1 and Greek letters of the basic table. */
    static const uint16_t others[] = { 0xa1,  0xa3,  0xa4,  0xa5,  0xa7,  0xbf,  0xc4,  0xc5,
                                       0xc6,  0xc7,  0xc9,  0xd1,  0xd6,  0xd8,  0xdc,  0xdf,
                                       0xe0,  0xe4,  0xe5,  0xe6,  0xe8,  0xe9,  0xec,  0xf1,
                                       0xf2,  0xf6,  0xf8,  0xf9,  0xfc,  0x393, 0x394, 0x398,
                                       0x39b, 0x39e, 0x3a0, 0x3a3, 0x3a6, 0x3a8, 0x3a9 };
    static const char ascii[] = "0000000000102100000000000000000011111111111111111111111111111111"
                                "1111111111111111111111111112222101111111111111111111111111122220";
    if (cp < 0x80)
        return (unsigned)(ascii[cp] - '0');
    if (cp == 0x20ac)
        return 2;
    for (size_t i = 0; cp <= 0x3a9 && i < sizeof others / sizeof *others; i++)
        if (others[i] == cp)
            return 1;
    return 0;
}

enum {
    WF_SMS_SEPTETS =
        160, /* one part of GSM 03.38; 153 of one of several: 6 octets say which it is */
    WF_SMS_SEPTETS_OF_MANY = 153,
    WF_SMS_UNITS = 70, /* the same of UCS-2 */
    WF_SMS_UNITS_OF_MANY = 67,
    WF_USSD_SEPTETS = 182, /* 160 octets, packed */
    WF_USSD_UNITS = 80
};

struct wf_sms_length {
    uint32_t units; /* septets, or 16-bit units */
    uint32_t parts; /* at least 1 */
    int is_ucs2;    /* a character is not in GSM 03.38 */
};

/* One pass over UTF-8. A part never ends within an escape pair or a surrogate pair, so it may hold
 * one unit less than it could. */
static inline struct wf_sms_length wf_sms_length(const char *text, size_t len)
{
    struct wf_sms_length gsm = { 0, 1, 0 }, ucs = { 0, 1, 1 };
    uint32_t gsm_used = 0, ucs_used = 0; /* of the last part, were there several */
    int is_gsm = 1;
    for (const char *at = text, *end = text + len; at < end;) {
        uint32_t cp = (unsigned char)*at < 0x80 ? (unsigned char)*at++ : wf_text_next(&at, end);
        uint32_t units = cp > 0xffff ? 2 : 1, septets = is_gsm ? wf_gsm_septets(cp) : 0;
        is_gsm = septets != 0;
        gsm.units += septets;
        gsm_used += septets;
        if (gsm_used > WF_SMS_SEPTETS_OF_MANY) {
            gsm.parts++;
            gsm_used = septets;
        }
        ucs.units += units;
        ucs_used += units;
        if (ucs_used > WF_SMS_UNITS_OF_MANY) {
            ucs.parts++;
            ucs_used = units;
        }
    }
    if (gsm.units <= WF_SMS_SEPTETS)
        gsm.parts = 1;
    if (ucs.units <= WF_SMS_UNITS)
        ucs.parts = 1;
    return is_gsm ? gsm : ucs;
}

#endif
