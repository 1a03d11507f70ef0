/* SPDX-License-Identifier: Apache-2.0
 * word_kinds.h - words the content stages know. Made by train/word_kinds.py; change that, not this.
 * A word's key is its last eight bytes as a number.
 */
#ifndef FIREWALL_WORD_KINDS_H
#define FIREWALL_WORD_KINDS_H
#include <stdint.h>

enum {
    WORD_GREETS = 1, /* before a name */
    WORD_MONEY = 2,  /* a currency */
    WORD_URGES = 4   /* presses to act */
};

struct word_kind {
    uint64_t key;
    uint8_t len, kind;
};

static const struct word_kind word_kinds[256] = {
    [0] = { 0x68656c6c6f, 5, 1 },          /* hello */
    [4] = { 0x757267656e746c79, 8, 4 },    /* urgently */
    [17] = { 0x756c6174696f6e73, 15, 1 },  /* congratulations */
    [23] = { 0x626c6f636b6564, 7, 4 },     /* blocked */
    [31] = { 0x61776172646564, 7, 4 },     /* awarded */
    [32] = { 0x6e6f77, 3, 4 },             /* now */
    [36] = { 0x7273, 2, 2 },               /* rs */
    [44] = { 0x657870697265, 6, 4 },       /* expire */
    [53] = { 0x657572, 3, 2 },             /* eur */
    [54] = { 0x6e676e, 3, 2 },             /* ngn */
    [57] = { 0x757267656e74, 6, 4 },       /* urgent */
    [59] = { 0x77696e6e6572, 6, 4 },       /* winner */
    [60] = { 0x6c6965626572, 6, 1 },       /* lieber */
    [64] = { 0x6d72, 2, 1 },               /* mr */
    [68] = { 0x6c696d69746564, 7, 4 },     /* limited */
    [73] = { 0x6575726f, 4, 2 },           /* euro */
    [75] = { 0x74686f7269736564, 12, 4 },  /* unauthorised */
    [82] = { 0x6869, 2, 1 },               /* hi */
    [89] = { 0x6564696174656c79, 11, 4 },  /* immediately */
    [90] = { 0x6d7273, 3, 1 },             /* mrs */
    [91] = { 0x636f6e6772617473, 8, 1 },   /* congrats */
    [100] = { 0x666565, 3, 4 },            /* fee */
    [102] = { 0x6c69656265, 5, 1 },        /* liebe */
    [109] = { 0x74686f72697a6564, 12, 4 }, /* unauthorized */
    [110] = { 0x776f6e, 3, 4 },            /* won */
    [112] = { 0x7072697a65, 5, 4 },        /* prize */
    [119] = { 0x757064617465, 6, 4 },      /* update */
    [127] = { 0x73656c6563746564, 8, 4 },  /* selected */
    [130] = { 0x6d73, 2, 1 },              /* ms */
    [141] = { 0x6c6f636b6564, 6, 4 },      /* locked */
    [142] = { 0x736972, 3, 1 },            /* sir */
    [150] = { 0x746f646179, 5, 4 },        /* today */
    [151] = { 0x7761726e696e67, 7, 4 },    /* warning */
    [155] = { 0x636f6e6669726d, 7, 4 },    /* confirm */
    [156] = { 0x66696e616c, 5, 4 },        /* final */
    [162] = { 0x706f756e6473, 6, 2 },      /* pounds */
    [174] = { 0x6c617374, 4, 4 },          /* last */
    [176] = { 0x686f6c61, 4, 1 },          /* hola */
    [184] = { 0x757364, 3, 2 },            /* usd */
    [187] = { 0x766572696679, 6, 4 },      /* verify */
    [189] = { 0x646f6c6c617273, 7, 2 },    /* dollars */
    [191] = { 0x65787069726573, 7, 4 },    /* expires */
    [202] = { 0x757370656e646564, 9, 4 },  /* suspended */
    [216] = { 0x7474656e74696f6e, 9, 1 },  /* attention */
    [218] = { 0x696e72, 3, 2 },            /* inr */
    [221] = { 0x636c61696d, 5, 4 },        /* claim */
    [225] = { 0x68616c6c6f, 5, 1 },        /* hallo */
    [234] = { 0x616c657274, 5, 4 },        /* alert */
    [236] = { 0x65787069726564, 7, 4 },    /* expired */
    [243] = { 0x676270, 3, 2 },            /* gbp */
    [246] = { 0x686579, 3, 1 },            /* hey */
    [249] = { 0x64656172, 4, 1 },          /* dear */
    [252] = { 0x626f6e6a6f7572, 7, 1 },    /* bonjour */
};

static inline unsigned word_kind(uint64_t key, uint64_t len)
{
    const struct word_kind *w = &word_kinds[((key + len) * 0x4153bbc7ced5669fu) >> 56];
    return w->key == key && w->len == len ? w->kind : 0;
}

#endif
