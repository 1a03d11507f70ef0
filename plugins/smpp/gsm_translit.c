/* SPDX-License-Identifier: Apache-2.0
 * gsm_translit.c - stand-ins for what GSM 03.38 lacks.
 *
 * One curly quote turns a message of 160 characters into three parts of UCS-2. Editors put in such
 * quotes, dashes and spaces unasked; a reader does not miss them. Accents are taken off letters
 * that GSM has only bare. Letters of other scripts are left alone, but for Greek capitals that look
 * like Latin ones.
 *
 * Thread: any. Nothing allocates, nothing blocks.
 */
#include "gsm_int.h"
#include <catalyst/text.h>
#include <string.h>

struct stand_in {
    uint16_t cp;
    const char *text;
};

/* Sorted. */
static const struct stand_in stand_ins[] = {
    { 0x09, " " },    { 0x60, "'" },    { 0xa0, " " },    { 0xa2, "c" },     { 0xa6, "|" },
    { 0xa8, "\"" },   { 0xa9, "(c)" },  { 0xaa, "a" },    { 0xab, "\"" },    { 0xad, "" },
    { 0xae, "(r)" },  { 0xb0, "o" },    { 0xb1, "+-" },   { 0xb2, "2" },     { 0xb3, "3" },
    { 0xb4, "'" },    { 0xb5, "u" },    { 0xb7, "." },    { 0xb8, "," },     { 0xb9, "1" },
    { 0xba, "o" },    { 0xbb, "\"" },   { 0xbc, "1/4" },  { 0xbd, "1/2" },   { 0xbe, "3/4" },
    { 0xd0, "D" },    { 0xd7, "x" },    { 0xde, "Th" },   { 0xf0, "d" },     { 0xf7, "/" },
    { 0xfe, "th" },   { 0x391, "A" },   { 0x392, "B" },   { 0x395, "E" },    { 0x396, "Z" },
    { 0x397, "H" },   { 0x399, "I" },   { 0x39a, "K" },   { 0x39c, "M" },    { 0x39d, "N" },
    { 0x39f, "O" },   { 0x3a1, "P" },   { 0x3a4, "T" },   { 0x3a5, "Y" },    { 0x3a7, "X" },
    { 0x1e9e, "SS" }, { 0x2000, " " },  { 0x2001, " " },  { 0x2002, " " },   { 0x2003, " " },
    { 0x2004, " " },  { 0x2005, " " },  { 0x2006, " " },  { 0x2007, " " },   { 0x2008, " " },
    { 0x2009, " " },  { 0x200a, " " },  { 0x200b, "" },   { 0x200c, "" },    { 0x200d, "" },
    { 0x200e, "" },   { 0x200f, "" },   { 0x2010, "-" },  { 0x2011, "-" },   { 0x2012, "-" },
    { 0x2013, "-" },  { 0x2014, "-" },  { 0x2015, "-" },  { 0x2018, "'" },   { 0x2019, "'" },
    { 0x201a, "'" },  { 0x201b, "'" },  { 0x201c, "\"" }, { 0x201d, "\"" },  { 0x201e, "\"" },
    { 0x201f, "\"" }, { 0x2022, "*" },  { 0x2024, "." },  { 0x2025, ".." },  { 0x2026, "..." },
    { 0x2028, "\n" }, { 0x2029, "\n" }, { 0x202f, " " },  { 0x2032, "'" },   { 0x2033, "\"" },
    { 0x2039, "'" },  { 0x203a, "'" },  { 0x2043, "-" },  { 0x2044, "/" },   { 0x205f, " " },
    { 0x2060, "" },   { 0x2116, "No" }, { 0x2122, "TM" }, { 0x2190, "<-" },  { 0x2192, "->" },
    { 0x2212, "-" },  { 0x2248, "~" },  { 0x2264, "<=" }, { 0x2265, ">=" },  { 0x3000, " " },
    { 0xfb00, "ff" }, { 0xfb01, "fi" }, { 0xfb02, "fl" }, { 0xfb03, "ffi" }, { 0xfb04, "ffl" },
    { 0xfeff, "" },
};

/* The bare letters of U+00C0 to U+017F; a space: none, or in the table above. */
static const char bare[] = "AAAA   CE EEIIII"
                           " NOOOO   UUU Y  "
                           "aaaa   ce eeiiii"
                           " noooo   uuu y y"
                           "AaAaAaCcCcCcCcDd"
                           "DdEeEeEeEeEeGgGg"
                           "GgGgHhHhIiIiIiIi"
                           "Ii  JjKkkLlLlLlL"
                           "lLlNnNnNnnNnOoOo"
                           "Oo  RrRrRrSsSsSs"
                           "SsTtTtTtUuUuUuUu"
                           "UuUuWwYyYZzZzZzs";
_Static_assert(sizeof bare - 1 == 0x180 - 0xc0, "one letter for each");

/* One text of a letter, for gsm_stand_in() returns texts. */
static const char letters[128][2] = {
#define L(c) [c] = { c, 0 }
    L('A'), L('B'), L('C'), L('D'), L('E'), L('F'), L('G'), L('H'), L('I'), L('J'), L('K'),
    L('L'), L('M'), L('N'), L('O'), L('P'), L('Q'), L('R'), L('S'), L('T'), L('U'), L('V'),
    L('W'), L('X'), L('Y'), L('Z'), L('a'), L('b'), L('c'), L('d'), L('e'), L('f'), L('g'),
    L('h'), L('i'), L('j'), L('k'), L('l'), L('m'), L('n'), L('o'), L('p'), L('q'), L('r'),
    L('s'), L('t'), L('u'), L('v'), L('w'), L('x'), L('y'), L('z'),
#undef L
};

const char *gsm_stand_in(uint32_t cp)
{
    size_t from = 0, to = sizeof stand_ins / sizeof *stand_ins;
    if (cp == 0x152 || cp == 0x153)
        return cp == 0x152 ? "OE" : "oe";
    if (cp == 0x132 || cp == 0x133)
        return cp == 0x132 ? "IJ" : "ij";
    if (cp >= 0xc0 && cp < 0x180 && bare[cp - 0xc0] != ' ')
        return letters[(unsigned char)bare[cp - 0xc0]];
    while (from < to) {
        size_t middle = (from + to) / 2;
        if (stand_ins[middle].cp == cp)
            return stand_ins[middle].text;
        if (stand_ins[middle].cp < cp)
            from = middle + 1;
        else
            to = middle;
    }
    return NULL;
}

size_t gsm_transliterate(const char *text, size_t len, char *to, size_t room, uint32_t *changed)
{
    const char *p = text, *end = text + len;
    size_t n = 0;
    uint32_t count = 0;
    while (p < end) {
        char utf8[4];
        uint32_t cp = gsm_next(&p, end);
        const char *put = gsm_base_septet(cp) == GSM_NONE ? gsm_stand_in(cp) : NULL;
        size_t bytes = put ? strlen(put) : wf_text_put(cp, utf8);
        if (room - n < bytes)
            break;
        for (size_t i = 0; i < bytes; i++)
            to[n + i] = (put ? put : utf8)[i];
        n += bytes;
        count += put != NULL;
    }
    if (changed)
        *changed = count;
    return n;
}
