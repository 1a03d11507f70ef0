/* SPDX-License-Identifier: Apache-2.0
 * gsm_int.h - tables of the alphabets, and the look-ups that the files of gsm.h share.
 *
 * Thread: any. Constants and pure functions.
 */
#ifndef SMPP_GSM_INT_H
#define SMPP_GSM_INT_H
#include "gsm.h"

enum { GSM_ESC = 0x1b, GSM_NONE = 0xff, GSM_SHIFTED = 0x80 };

/* Code points by septet; 0: nothing there. A locking table that is all 0 is none. */
extern const uint16_t gsm_locking[GSM_LANGUAGES][128];
extern const uint16_t gsm_single[GSM_LANGUAGES][128];

/* The tables of a coding; what is none of them is the base. */
static inline unsigned gsm_locking_of(const struct gsm_coding *coding)
{
    return coding->locking < GSM_LANGUAGES && coding->locking != GSM_SPANISH ? coding->locking : 0;
}

static inline unsigned gsm_single_of(const struct gsm_coding *coding)
{
    return coding->single < GSM_LANGUAGES ? coding->single : 0;
}

/* Which tables have a character: bits of enum gsm_language. */
struct gsm_where {
    uint16_t cp, locking, single;
};
extern const struct gsm_where gsm_where[];
extern const uint32_t gsm_where_count;

/* NULL when no table has it. */
const struct gsm_where *gsm_where_is(uint32_t cp);

/* Septet of a character in the base alphabet, GSM_SHIFTED | septet in its extension table, GSM_NONE
 * when it is in neither. */
extern const uint8_t gsm_ascii[128];
uint8_t gsm_base_septet_far(uint32_t cp); /* beyond ASCII */

static inline uint8_t gsm_base_septet(uint32_t cp)
{
    return cp < 0x80 ? gsm_ascii[cp] : gsm_base_septet_far(cp);
}

/* What stands in for a character, NULL when nothing does. */
const char *gsm_stand_in(uint32_t cp);

/* The next character of a text as a decoder of UTF-8 must see it: bytes that are none count as
 * Latin-1. `*p` < end. */
uint32_t gsm_next(const char **p, const char *end);

#endif
