/* SPDX-License-Identifier: Apache-2.0
 * normalise.h - one spelling for the many ways to write the same words, so that a rule needs to be
 * written once: NFKC, lower case, decoration and invisible characters away, look-alike letters of
 * other scripts and digits in words as the letters they stand for, spaces and repeated punctuation
 * collapsed, "f r e e", "hxxp", " dot com" and spelled digits joined.
 *
 *   Frее  MО\u200bNEY!!! at hxxp://bad [.] example  ->  free money! at http://bad.example
 *
 * What stays: single punctuation, currency signs, digits in numbers, links and addresses, and words
 * wholly of another script (in lower case). A text is Latin or not by its words: letters that may
 * be both are taken for Latin only in mixed words, or when Latin words are no fewer than others.
 *
 * Thread: any. Nothing allocates. Time: one pass, and one more for each trick that is seen.
 */
#ifndef FIREWALL_NORMALISE_H
#define FIREWALL_NORMALISE_H
#include <stddef.h>
#include <stdint.h>

enum { NORM_ALTS_MAX = 8, NORM_INPUT_MAX = 65535 };

enum {
    NORM_MIXED = 1,      /* look-alike letters of another script were replaced */
    NORM_HIDDEN = 2,     /* zero-width or combining characters were taken out */
    NORM_CUT = 4,        /* not all of the text was read */
    NORM_OBFUSCATED = 8, /* a link was written as hxxp, "dot com", "[.]" and the like */
    NORM_LEET = 16,      /* digits and signs in words became letters */
    NORM_SPACED = 32,    /* letters with spaces between them became words */
    NORM_SPELLED = 64    /* words became digits */
};

/* Where the text can be read in another way: "pa1d" is "paid", "ma1l" is "mall" or "mail". */
struct norm_alt {
    uint16_t at;
    char byte;
};

struct norm {
    char *text;     /* given: room for size bytes; valid UTF-8 afterwards, not NUL-ended */
    uint16_t *from; /* given: size + 1; from[i] is the input's offset that byte i came from */
    uint32_t size;  /* given */
    uint32_t len, flags, n_alts;
    struct norm_alt alts[NORM_ALTS_MAX];
};

/* Fills len, flags and alts. Reads at most NORM_INPUT_MAX bytes; not valid UTF-8 is no mistake. */
void norm_run(struct norm *n, const char *text, size_t len);

/* --- inside: what norm_run() calls when it saw a sign of a trick (normalise_tricks.c)
 * ------------------ */

enum {
    NORM_SEES_LEET = 1,
    NORM_SEES_DOT = 2,
    NORM_SEES_SPELLED = 4,
    NORM_SEES_SINGLES = 8,
};
/* The folding of an ASCII text; 0: not done, it is none or too long. Of normalise_ascii.c. */
int norm_fold_ascii(struct norm *n, const char *text, size_t len, unsigned *sees);

void norm_join_links(struct norm *n);
void norm_join_digits(struct norm *n);
void norm_join_letters(struct norm *n);
void norm_read_leet(struct norm *n);

/* The end of a common top-level name such as com or info: 1 when `s` is one. */
int norm_is_tld(const char *s, size_t len);

/* A sender or brand for comparison: norm_run(), then only letters and digits, with those that look
 * alike as one (i, l, 1 as l; 0 as o; rn as m). NUL-ended, cut to size - 1; returns its length. */
size_t norm_skeleton(const char *text, size_t len, char *out, size_t size);

static inline int norm_is_letter(char c)
{
    return (unsigned char)(c - 'a') < 26 || (unsigned char)c >= 0x80;
}

static inline int norm_is_digit(char c) { return (unsigned char)(c - '0') < 10; }

static inline int norm_is_word(char c) { return norm_is_letter(c) || norm_is_digit(c); }

#endif
