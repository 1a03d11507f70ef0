/* SPDX-License-Identifier: Apache-2.0
 * The pass every text takes: lower case, one space, one mark of punctuation, and what Unicode folds
 * to what. Most texts are ASCII and plain, so this pass also looks for the signs of each trick and
 * only then are the passes of normalise_tricks.c run.
 *
 * Words that mix scripts are settled where they end: by then the output holds the NFKC form, and
 * `from` leads back to the letters as they came, whose look-alikes are in the table.
 */
#include "normalise.h"
#include "confusables.h"
#include <catalyst/text.h>
#include <string.h>

enum { OTHER = 0, SPACE = 1, DIGIT = 2, LETTER = 3 }; /* two bits each */
enum { DOUBTS_MAX = 16 };

static inline unsigned ascii_class(char c)
{
    if ((unsigned char)((c | 32) - 'a') < 26)
        return LETTER;
    return c <= ' ' || c == 127 ? SPACE : norm_is_digit(c) ? DIGIT : OTHER;
}

/* A word whose letters all may be Latin or not. */
struct doubt {
    uint32_t start, len;
};

struct fold {
    struct norm *n;
    const char *input;
    unsigned history; /* the classes of what was written last, two bits each */
    unsigned sees;
    uint32_t word;  /* the last four letters of the word that is being read */
    uint32_t start; /* where it begins */
    uint32_t latin, looks, foreign;
    uint32_t latin_words, foreign_words, n_doubts;
    struct doubt doubts[DOUBTS_MAX];
};

/* Letters of the word as a number, the last four of them. */
#define WORD(a, b, c, d)                                                                           \
    ((uint32_t)(a) << 24 | (uint32_t)(b) << 16 | (uint32_t)(c) << 8 | (uint32_t)(d))

/* Which trick a word is a sign of. */
static unsigned word_sign(uint32_t word)
{
    switch (word) {
    case WORD(0, 'd', 'o', 't'):
    case WORD('h', 'x', 'x', 'p'):
    case WORD('x', 'x', 'p', 's'):
        return NORM_SEES_DOT;
    case WORD('z', 'e', 'r', 'o'):
    case WORD(0, 'o', 'n', 'e'):
    case WORD(0, 't', 'w', 'o'):
    case WORD('h', 'r', 'e', 'e'):
    case WORD('f', 'o', 'u', 'r'):
    case WORD('f', 'i', 'v', 'e'):
    case WORD(0, 's', 'i', 'x'):
    case WORD('e', 'v', 'e', 'n'):
    case WORD('i', 'g', 'h', 't'):
    case WORD('n', 'i', 'n', 'e'):
        return NORM_SEES_SPELLED;
    }
    return 0;
}

static inline void put(struct fold *f, char c, uint32_t from)
{
    if (f->n->len < f->n->size) {
        f->n->text[f->n->len] = c;
        f->n->from[f->n->len++] = (uint16_t)from;
    } else {
        f->n->flags |= NORM_CUT;
    }
}

/* Replaces the letters of [start, start + len) by what they look like; the text shrinks behind. */
static void take_looks(struct fold *f, uint32_t start, uint32_t len)
{
    struct norm *n = f->n;
    uint32_t to = start, end = start + len;
    const char *input_end = f->input + NORM_INPUT_MAX;
    for (uint32_t i = start; i < end;) {
        uint32_t from = n->from[i], next = i + 1;
        while (next < end && n->from[next] == from)
            next++;
        const char *p = f->input + from;
        unsigned fold = (unsigned char)*p < 0x80 ? 0 : fold_of(wf_text_next(&p, input_end));
        char look = '\0';
        if (fold >= FOLD_FIRST_ENTRY)
            look = fold_entries[fold - FOLD_FIRST_ENTRY].look;
        if (look) {
            n->text[to] = look;
            n->from[to++] = (uint16_t)from;
        } else {
            while (i < next) {
                n->text[to] = n->text[i];
                n->from[to++] = n->from[i++];
            }
        }
        i = next;
    }
    memmove(n->text + to, n->text + end, n->len - end);
    memmove(n->from + to, n->from + end, (n->len - end) * sizeof *n->from);
    n->len -= end - to;
    n->flags |= NORM_MIXED;
}

/* Whose letters are these? Called with the word just written. */
static void end_script(struct fold *f)
{
    uint32_t len = f->n->len - f->start;
    if (f->looks && f->latin)
        take_looks(f, f->start, len);
    else if (f->looks && !f->foreign && f->n_doubts < DOUBTS_MAX)
        f->doubts[f->n_doubts++] = (struct doubt){ f->start, len };
    f->foreign_words += f->foreign > 0;
    f->latin_words += f->latin > 0 && !f->foreign;
    f->looks = f->foreign = 0;
}

/* A sign behind a word: what was the word? */
static inline void end_word(struct fold *f)
{
    if (f->looks | f->foreign)
        end_script(f);
    else
        f->latin_words++;
    f->latin = 0;
    f->sees |= word_sign(f->word);
    f->word = 0;
}

static inline void put_letter(struct fold *f, char c, uint32_t from)
{
    const struct norm *n = f->n;
    if ((f->history & 3) != LETTER) {
        f->start = n->len;
        if ((f->history & 3) == DIGIT || (n->len && strchr("@$!|", n->text[n->len - 1])))
            f->sees |= NORM_SEES_LEET;
    } else if (n->len >= 2 && n->text[n->len - 1] == c && n->text[n->len - 2] == c && c != 'w') {
        return; /* freeee; but www */
    }
    f->history = f->history << 2 | LETTER;
    f->word = f->word << 8 | (unsigned char)c;
    put(f, c, from);
}

/* What is no letter: a digit, a sign, a space (one of many, and none in front). */
static inline void put_mark(struct fold *f, char c, unsigned class, uint32_t from)
{
    const struct norm *n = f->n;
    unsigned last = f->history & 3;
    if (last == LETTER)
        end_word(f);
    char before = ' ';
    if (n->len)
        before = n->text[n->len - 1];
    if (class == SPACE) {
        if (before == ' ')
            return;
        c = ' ';
    } else if (class == DIGIT) {
        f->sees |= last == LETTER ? NORM_SEES_LEET : 0;
    } else {
        if (c == before && c != '/' && c != '-' && (unsigned char)c < 0x80)
            return; /* !!!; but :// and xn-- */
        if (c == '.' && (before == ' ' || before == '[' || before == '(' || before == '{'))
            f->sees |= NORM_SEES_DOT;
    }
    if (last == LETTER && (f->history >> 2 & 3) < DIGIT)
        f->sees |= NORM_SEES_SINGLES;
    f->history = f->history << 2 | class;
    put(f, c, from);
}

static void put_ascii(struct fold *f, const char *s, uint32_t len, uint32_t from)
{
    for (uint32_t i = 0; i < len; i++) {
        unsigned class = ascii_class(s[i]);
        if (class == LETTER) {
            f->latin++;
            put_letter(f, (char)(s[i] | 32), from);
        } else {
            put_mark(f, s[i], class, from);
        }
    }
}

/* A letter or sign beyond ASCII in its UTF-8 form; whole or not at all. */
static void put_wide(struct fold *f, const char *s, uint32_t len, unsigned class, uint32_t from)
{
    struct norm *n = f->n;
    if (class == LETTER && (f->history & 3) != LETTER)
        f->start = n->len;
    else if (class == OTHER && (f->history & 3) == LETTER)
        end_word(f);
    f->history = f->history << 2 | class;
    f->word = 0xffffffff; /* no sign of a trick */
    if (n->len + len > n->size) {
        n->flags |= NORM_CUT;
        return;
    }
    for (uint32_t i = 0; i < len; i++)
        put(f, s[i], from);
}

static void put_entry(struct fold *f, const struct fold_entry *e, uint32_t from)
{
    if ((unsigned char)e->base[0] < 0x80) {
        uint32_t latin = f->latin;
        put_ascii(f, e->base, e->len, from);
        if (f->latin > latin && e->len == 1)
            f->latin = latin + 1;
        return;
    }
    put_wide(f, e->base, e->len, LETTER, from);
    if (e->look)
        f->looks++;
    else
        f->foreign++;
}

/* A code point beyond ASCII; `size` bytes of the input. */
static void put_point(struct fold *f, uint32_t cp, uint32_t from)
{
    char bytes[4];
    unsigned fold = fold_of(cp);
    switch (fold) {
    case FOLD_STRIP: /* the joiners and selectors of emoji hide nothing */
        if (cp != 0xfe0f && cp != 0x200d && cp != 0xfeff && !(cp >= 0x1f3fb && cp <= 0x1f3ff))
            f->n->flags |= NORM_HIDDEN;
        return;
    case FOLD_SPACE:
        put_mark(f, ' ', SPACE, from);
        return;
    case FOLD_SAME_LETTER:
        f->foreign++;
        /* fall through */
    case FOLD_SAME_OTHER:
        put_wide(f, bytes, (uint32_t)wf_text_put(cp, bytes),
                 fold == FOLD_SAME_LETTER ? LETTER : OTHER, from);
        return;
    }
    put_entry(f, &fold_entries[fold - FOLD_FIRST_ENTRY], from);
}

/* The code point at s, 0 when there is none: cut off, too long a form, a surrogate. */
static uint32_t decode(const char *s, const char *end, uint32_t *size)
{
    const char *p = s;
    uint32_t cp = wf_text_next(&p, end);
    char back[4];
    *size = (uint32_t)(p - s);
    if (*size < 2 || cp > 0x10ffff || (cp >= 0xd800 && cp < 0xe000) ||
        wf_text_put(cp, back) != *size)
        return 0;
    return cp;
}

static void fold_text(struct fold *f, const char *text, uint32_t len)
{
    for (uint32_t i = 0; i < len;) {
        unsigned char c = (unsigned char)text[i];
        if (c < 0x80) {
            unsigned class = ascii_class((char)c);
            if (class == LETTER) {
                f->latin++;
                put_letter(f, (char)(c | 32), i);
            } else {
                put_mark(f, (char)c, class, i);
            }
            i++;
            continue;
        }
        uint32_t size, cp = decode(text + i, text + len, &size);
        if (cp)
            put_point(f, cp, i);
        else
            put_mark(f, '?', OTHER, i);
        i += cp ? size : 1;
    }
}

/* Words that may be either: what the others are. From the last, because the text shrinks behind. */
static void settle_doubts(struct fold *f)
{
    if (f->latin_words < f->foreign_words)
        return;
    while (f->n_doubts) {
        const struct doubt *d = &f->doubts[--f->n_doubts];
        take_looks(f, d->start, d->len);
    }
}

static unsigned fold_any(struct norm *n, const char *text, size_t len)
{
    struct fold f = { .n = n, .input = text, .history = SPACE };
    fold_text(&f, text, (uint32_t)len);
    if ((f.history & 3) == LETTER) {
        end_word(&f);
        f.sees |= (f.history >> 2 & 3) < DIGIT ? NORM_SEES_SINGLES : 0;
    }
    settle_doubts(&f);
    return f.sees;
}

void norm_run(struct norm *n, const char *text, size_t len)
{
    unsigned sees;
    n->len = n->flags = n->n_alts = 0;
    if (len > NORM_INPUT_MAX) {
        len = NORM_INPUT_MAX;
        n->flags |= NORM_CUT;
    }
    if (!norm_fold_ascii(n, text, len, &sees))
        sees = fold_any(n, text, len);
    if (n->len && n->text[n->len - 1] == ' ')
        n->len--;
    n->from[n->len] = (uint16_t)len;
    if (sees & NORM_SEES_DOT)
        norm_join_links(n);
    if (sees & NORM_SEES_SPELLED)
        norm_join_digits(n);
    if (sees & NORM_SEES_SINGLES)
        norm_join_letters(n);
    /* what was joined may be such a word now */
    if (sees & NORM_SEES_LEET || n->flags & (NORM_OBFUSCATED | NORM_SPELLED | NORM_SPACED))
        norm_read_leet(n);
}
