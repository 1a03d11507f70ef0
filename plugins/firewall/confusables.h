/* SPDX-License-Identifier: Apache-2.0
 * confusables.h - what a code point becomes before rules look at a text: its NFKC form, case
 * folded, without decoration, and the ASCII letter or digit it is taken for, if any. The tables are
 * generated (train/confusables.py) and read-only. Any thread.
 */
#ifndef FIREWALL_CONFUSABLES_H
#define FIREWALL_CONFUSABLES_H
#include <stdint.h>

enum {
    FOLD_SAME_LETTER = 0,
    FOLD_SAME_OTHER, /* a mark of punctuation, a sign, an emoji */
    FOLD_STRIP,      /* invisible, or decoration of the letter before it */
    FOLD_SPACE,
    FOLD_FIRST_ENTRY, /* and above: fold_entries[value - FOLD_FIRST_ENTRY] */
};

struct fold_entry {
    char base[6]; /* UTF-8, not NUL-ended */
    uint8_t len;
    char look; /* what it is taken for, 0 = nothing */
};

extern const uint32_t fold_last; /* code points above it are unchanged letters */
extern const uint16_t fold_page[];
extern const uint16_t fold_point[][64];
extern const struct fold_entry fold_entries[];

static inline unsigned fold_of(uint32_t cp)
{
    if (cp <= fold_last)
        return fold_point[fold_page[cp >> 6]][cp & 63];
    /* tags and variation selectors, a way to write unseen text */
    return cp >= 0xe0000 && cp <= 0xe0fff ? FOLD_STRIP : FOLD_SAME_LETTER;
}

#endif
