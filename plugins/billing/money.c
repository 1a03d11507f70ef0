/* SPDX-License-Identifier: Apache-2.0
 * Units, numbers, currencies and rounding of money.h. Thread: any.
 */
#include "money.h"
#include <catalyst/gsm.h>
#include <stdlib.h>
#include <string.h>

/* --- units ------------------------------------------------------------------------------------ */

int64_t units_of_sms(const char *text, size_t len) { return wf_sms_length(text, len).parts; }

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
