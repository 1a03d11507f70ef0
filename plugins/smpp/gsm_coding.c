/* SPDX-License-Identifier: Apache-2.0
 * gsm_coding.c - data_coding, names of alphabets and languages, and packed septets.
 *
 * Thread: any. Nothing allocates, nothing blocks.
 */
#include "gsm_int.h"
#include <string.h>

/* Up to 0x0f the numbers are SMPP's own; above they are the groups of 23.038. */
enum gsm_alphabet gsm_alphabet_of(uint8_t data_coding, enum gsm_alphabet zero)
{
    static const uint8_t low[16] = {
        [1] = GSM_ASCII,   [2] = GSM_BINARY,     [3] = GSM_LATIN1,  [4] = GSM_BINARY,
        [5] = GSM_JIS,     [6] = GSM_CYRILLIC,   [7] = GSM_HEBREW,  [8] = GSM_UCS2,
        [9] = GSM_BINARY,  [10] = GSM_ISO2022JP, [11] = GSM_BINARY, [12] = GSM_BINARY,
        [13] = GSM_BINARY, [14] = GSM_EUCKR,     [15] = GSM_BINARY,
    };
    static const uint8_t group[4] = { GSM_SEPTETS, GSM_BINARY, GSM_UCS2, GSM_BINARY };
    if (data_coding == 0)
        return zero ? zero : GSM_SEPTETS;
    if (data_coding < 0x10)
        return (enum gsm_alphabet)low[data_coding];
    if (data_coding < 0x80) /* general: class, compression, deletion */
        return (enum gsm_alphabet)(data_coding & 0x20 ? GSM_BINARY : group[data_coding >> 2 & 3]);
    if (data_coding < 0xc0)
        return GSM_BINARY;  /* reserved */
    if (data_coding < 0xf0) /* somebody has messages waiting */
        return data_coding >= 0xe0 ? GSM_UCS2 : GSM_SEPTETS;
    return data_coding & 0x04 ? GSM_BINARY : GSM_SEPTETS;
}

uint8_t gsm_data_coding(enum gsm_alphabet alphabet)
{
    static const uint8_t codes[] = {
        [GSM_SEPTETS] = 0,    [GSM_ASCII] = 1,    [GSM_LATIN1] = 3, [GSM_UCS2] = 8,
        [GSM_BINARY] = 4,     [GSM_CYRILLIC] = 6, [GSM_HEBREW] = 7, [GSM_JIS] = 5,
        [GSM_ISO2022JP] = 10, [GSM_EUCKR] = 14,
    };
    return (unsigned)alphabet < sizeof codes ? codes[alphabet] : 0;
}

static const char *const alphabets[] = { "",     "gsm7",      "ascii",    "latin1",
                                         "ucs2", "binary",    "cyrillic", "hebrew",
                                         "jis",  "iso2022jp", "euckr" };
static const char *const languages[GSM_LANGUAGES] = {
    "",        "turkish",   "spanish", "portuguese", "bengali", "gujarati", "hindi",
    "kannada", "malayalam", "oriya",   "punjabi",    "tamil",   "telugu",   "urdu"
};

static unsigned named(const char *const *names, size_t count, const char *name, size_t len)
{
    for (unsigned i = 1; i < count; i++)
        if (strlen(names[i]) == len && !memcmp(names[i], name, len))
            return i;
    return 0;
}

const char *gsm_alphabet_name(enum gsm_alphabet alphabet)
{
    return (unsigned)alphabet < sizeof alphabets / sizeof *alphabets ? alphabets[alphabet] : "";
}

enum gsm_alphabet gsm_alphabet_named(const char *name, size_t len)
{
    return (enum gsm_alphabet)named(alphabets, sizeof alphabets / sizeof *alphabets, name, len);
}

const char *gsm_language_name(unsigned language)
{
    return language < GSM_LANGUAGES ? languages[language] : "";
}

unsigned gsm_language_named(const char *name, size_t len)
{
    return named(languages, GSM_LANGUAGES, name, len);
}

size_t gsm_pack(const uint8_t *septets, size_t n, unsigned fill, uint8_t *to)
{
    size_t bytes = gsm_packed_bytes(n, fill), bit = fill;
    if (bytes)
        memset(to, 0, bytes);
    for (size_t i = 0; i < n; i++, bit += 7) {
        unsigned value = (unsigned)(septets[i] & 0x7f) << bit % 8;
        to[bit / 8] |= (uint8_t)value;
        if (value > 0xff)
            to[bit / 8 + 1] |= (uint8_t)(value >> 8);
    }
    return bytes;
}

void gsm_unpack(const uint8_t *octets, unsigned fill, uint8_t *septets, size_t n)
{
    size_t bit = fill;
    for (size_t i = 0; i < n; i++, bit += 7) {
        unsigned value = (unsigned)octets[bit / 8] >> bit % 8;
        if (bit % 8 > 1)
            value |= (unsigned)octets[bit / 8 + 1] << (8 - bit % 8);
        septets[i] = value & 0x7f;
    }
}
