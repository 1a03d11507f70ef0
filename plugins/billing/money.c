/* SPDX-License-Identifier: Apache-2.0
 * Units, numbers, currencies and rounding of money.h. Thread: any.
 */
#include "money.h"
#include <catalyst/text.h>
#include <stdlib.h>
#include <string.h>

/* --- units ------------------------------------------------------------------------------------ */

/* Septets of a character in the GSM 7 bit default alphabet: 1, 2 behind an escape, 0 when it has
 * none. */
static int septets_of(uint32_t c)
{
    static const char ascii[] = "0000000000102100000000000000000011111111111111111111111111111111"
                                "1111111111111111111111111112222101111111111111111111111111122220";
    static const uint16_t others[] = { 0xa1,  0xa3,  0xa4,  0xa5,  0xa7,  0xbf,  0xc4,  0xc5,
                                       0xc6,  0xc7,  0xc9,  0xd1,  0xd6,  0xd8,  0xdc,  0xdf,
                                       0xe0,  0xe4,  0xe5,  0xe6,  0xe8,  0xe9,  0xec,  0xf1,
                                       0xf2,  0xf6,  0xf8,  0xf9,  0xfc,  0x393, 0x394, 0x398,
                                       0x39b, 0x39e, 0x3a0, 0x3a3, 0x3a6, 0x3a8, 0x3a9 };
    if (c < 0x80)
        return ascii[c] - '0';
    if (c == 0x20ac)
        return 2;
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (others[i] == c)
            return 1;
    return 0;
}

/* Both ways of counting in one walk. A pair, of escape and character or of surrogates, is never
 * torn over two segments, so what is left of a segment before it stays empty. */
int64_t units_of_sms(const char *text, size_t len)
{
    const char *p = text, *end = text + len;
    int64_t septets = 0, wide = 0, parts7 = 1, in7 = 0, parts16 = 1, in16 = 0;
    int is_gsm = 1;
    while (p < end) {
        uint32_t c = wf_text_next(&p, end);
        int n = septets_of(c), w = c > 0xffff ? 2 : 1;
        is_gsm &= n > 0;
        septets += n;
        wide += w;
        if ((in7 += n) > 153) {
            parts7++;
            in7 = n;
        }
        if ((in16 += w) > 67) {
            parts16++;
            in16 = w;
        }
    }
    if (is_gsm)
        return septets <= 160 ? 1 : parts7;
    return wide <= 70 ? 1 : parts16;
}

size_t number_digits(const char *text, size_t len, char *to)
{
    size_t n = 0, i = 0;
    if (len && text[0] == '+')
        i = 1;
    else if (len > 2 && text[0] == '0' && text[1] == '0')
        i = 2;
    for (; i < len; i++) {
        if (text[i] >= '0' && text[i] <= '9') {
            if (n == 15)
                return 0;
            to[n++] = text[i];
        } else if (!text[i] || !strchr(" .-()", text[i])) {
            return 0;
        }
    }
    to[n] = 0;
    return n >= 3 && to[0] != '0' ? n : 0;
}

/* --- currencies ------------------------------------------------------------------------------- */

int currency_places(const char *code, size_t len)
{
    static const char none[] =
        "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF ";
    static const char three[] = "BHD IQD JOD KWD LYD OMR TND ";
    static const char four[] = "CLF UYW ";
    static const char two[] = "AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BMD BND BOB "
                              "BOV BRL BSD BTN BWP BYN "
                              "BZD CAD CDF CHE CHF CHW CNY COP COU CRC CUP CVE CZK DKK DOP DZD EGP "
                              "ERN ETB EUR FJD FKP GBP "
                              "GEL GHS GIP GMD GTQ GYD HKD HNL HTG HUF IDR ILS INR IRR JMD KES KGS "
                              "KHR KPW KYD KZT LAK LBP "
                              "LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MXV MYR "
                              "MZN NAD NGN NIO NOK NPR "
                              "NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD "
                              "SHP SLE SOS SRD SSP STN "
                              "SVC SYP SZL THB TJS TMT TOP TRY TTD TWD TZS UAH USD USN UYU UZS VED "
                              "VES WST XCD YER ZAR ZMW "
                              "ZWG ";
    static const struct {
        const char *list;
        int places;
    } all[] = { { two, 2 }, { none, 0 }, { three, 3 }, { four, 4 } };
    if (len != 3)
        return -1;
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        for (const char *p = all[i].list; *p; p += 4)
            if (!memcmp(p, code, 3))
                return all[i].places;
    return -1;
}

int64_t currency_minor(const char *code, size_t len)
{
    int64_t minor = 1000000;
    for (int places = currency_places(code, len); places > 0; places--)
        minor /= 10;
    return minor;
}

int64_t money_round(int64_t micro, int64_t minor)
{
    int64_t whole = micro / minor, rest = micro % minor;
    int64_t size = rest < 0 ? -rest : rest;
    if (size * 2 > minor || (size * 2 == minor && whole % 2))
        whole += micro < 0 ? -1 : 1;
    return whole;
}
