/* SPDX-License-Identifier: Apache-2.0
 * gsm.h - alphabets of short messages: GSM 03.38 with its extension and national shift tables, and
 * what else data_coding names. UTF-8 on our side, always.
 *
 * A text's alphabet decides how many parts it needs and so what it costs. gsm_choose() finds the
 * cheapest under a route's rules; gsm_encode() and gsm_decode() do one alphabet each. Septets are
 * unpacked, one in an octet, as SMPP carries them; packing is apart.
 *
 * Thread: any. Nothing allocates (but for iconv in gsm_decode() of rare alphabets), nothing blocks.
 */
#ifndef SMPP_GSM_H
#define SMPP_GSM_H
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum gsm_alphabet {
    GSM_SEPTETS = 1, /* GSM 03.38, unpacked; a unit is a septet */
    GSM_ASCII,
    GSM_LATIN1,
    GSM_UCS2, /* UTF-16BE; a unit is two octets */
    GSM_BINARY,
    GSM_CYRILLIC, /* ISO-8859-5 */
    GSM_HEBREW,   /* ISO-8859-8 */
    GSM_JIS,      /* X 0208 as Shift JIS */
    GSM_ISO2022JP,
    GSM_EUCKR /* KS C 5601 */
};

/* National languages of 3GPP 23.038: numbers as the UDH carries them. */
enum gsm_language {
    GSM_LANGUAGE_BASE = 0,
    GSM_TURKISH,
    GSM_SPANISH, /* no locking table of its own */
    GSM_PORTUGUESE,
    GSM_BENGALI,
    GSM_GUJARATI,
    GSM_HINDI,
    GSM_KANNADA,
    GSM_MALAYALAM,
    GSM_ORIYA,
    GSM_PUNJABI,
    GSM_TAMIL,
    GSM_TELUGU,
    GSM_URDU,
    GSM_LANGUAGES
};

/* An alphabet with its shift tables; all zero but for `alphabet` is the plain one. */
struct gsm_coding {
    uint8_t alphabet; /* enum gsm_alphabet */
    uint8_t single;   /* enum gsm_language of the single shift table */
    uint8_t locking;  /* ... and of the locking shift table */
};

/* What data_coding means. `zero` is what this route's SMSC takes 0 for (GSM_SEPTETS when 0). Groups
 * of 23.038 (message classes, 0xf0 and up) are understood. Never 0; reserved values are binary. */
enum gsm_alphabet gsm_alphabet_of(uint8_t data_coding, enum gsm_alphabet zero);

/* The data_coding of an alphabet (0 for septets). */
uint8_t gsm_data_coding(enum gsm_alphabet alphabet);

const char *gsm_alphabet_name(enum gsm_alphabet alphabet);          /* "gsm7", "ucs2" ... */
enum gsm_alphabet gsm_alphabet_named(const char *name, size_t len); /* 0 for none of ours */
const char *gsm_language_name(unsigned language);                   /* "turkish" ..., "" for 0 */
unsigned gsm_language_named(const char *name, size_t len);          /* 0 for none of ours */

/* UTF-8 to a coding. Returns the octets written (septets count as one each), or -1 when a character
 * is not in it or `room` does not do; `*at` is then the octet of text where it stopped (at == NULL
 * allowed). At most 2 octets for each octet of text. */
ssize_t gsm_encode(const char *text, size_t len, const struct gsm_coding *coding, uint8_t *to,
                   size_t room, size_t *at);

/* Octets of a coding to UTF-8; what does not decode becomes U+FFFD. Returns the bytes written,
 * never more than `room`, never half a character. At most GSM_DECODE_FACTOR bytes for each octet.
 * Binary is taken as Latin-1. */
enum { GSM_DECODE_FACTOR = 3 };
size_t gsm_decode(const uint8_t *octets, size_t len, const struct gsm_coding *coding, char *to,
                  size_t room);

/* --- packed septets --------------------------------------------------------------------------- */

/* Octets that n septets take behind `fill` bits (0 to 6). */
static inline size_t gsm_packed_bytes(size_t n, unsigned fill) { return (n * 7 + fill + 7) / 8; }

/* Fill bits behind a header of `bytes` octets (UDHL included), so that text begins at a septet. */
static inline unsigned gsm_fill_bits(size_t bytes) { return (unsigned)((7 - bytes * 8 % 7) % 7); }

/* Packs n septets behind `fill` zero bits; returns gsm_packed_bytes(). */
size_t gsm_pack(const uint8_t *septets, size_t n, unsigned fill, uint8_t *to);

/* Unpacks n septets; `octets` holds gsm_packed_bytes(n, fill). */
void gsm_unpack(const uint8_t *octets, unsigned fill, uint8_t *septets, size_t n);

/* --- the cheapest coding ---------------------------------------------------------------------- */

/* A route's rules; all zero: GSM with the extension table, else UCS-2. */
struct gsm_rules {
    uint32_t single;       /* bit of each enum gsm_language whose single shift may be used */
    uint32_t locking;      /* ... and whose locking shift */
    uint8_t transliterate; /* smart quotes, dashes, accents ... to what GSM has */
    uint8_t latin1;        /* the SMSC takes data_coding 3: one more candidate, 140 octets */
    uint8_t no_septets;    /* UCS-2 (or Latin-1) only */
    uint8_t reference16;   /* concatenation with 16 bits of reference */
};

struct gsm_choice {
    struct gsm_coding coding;
    uint8_t transliterated; /* 1: the counts below are of the text that gsm_transliterate() makes */
    uint16_t parts;
    uint32_t units;       /* septets, octets or UTF-16 units of the text without headers */
    uint16_t parts_plain; /* of the text as it came: what transliteration saved */
    uint32_t units_plain;
};

/* 0, or -1 when the text needs more than 255 parts. A text that is not UTF-8 is read as Latin-1
 * where it is not. Transliteration is used only when it saves parts. */
int gsm_choose(const char *text, size_t len, const struct gsm_rules *rules,
               struct gsm_choice *choice);

/* Rewrites what GSM lacks and has a good stand-in for. Returns the bytes written to `to`, of at
 * most GSM_TRANSLIT_FACTOR * len; `*changed` counts the characters (NULL allowed). */
enum { GSM_TRANSLIT_FACTOR = 3 };
size_t gsm_transliterate(const char *text, size_t len, char *to, size_t room, uint32_t *changed);

#endif
