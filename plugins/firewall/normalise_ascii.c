/* SPDX-License-Identifier: Apache-2.0
 * The folding pass for texts that are ASCII, which most are: 64 bytes at a time as bit masks of
 * letters, digits, spaces and repeats, with SSE2, which every x86-64 has. It gives byte for byte
 * what the general pass of normalise.c gives (a test and the fuzzer compare them), some ten times
 * faster; other processors take the general pass.
 */
#include "normalise.h"
#include <string.h>

#ifdef __SSE2__
#include <emmintrin.h>

enum { FRONT = 16, BYTES_MAX = 2048, TAIL = 80 };

struct masks {
    uint64_t letter, digit, drop, leet, dollar, dot;
};

static __m128i load(const char *p) { return _mm_loadu_si128((const __m128i *)(const void *)p); }

static __m128i is(__m128i v, char c) { return _mm_cmpeq_epi8(v, _mm_set1_epi8(c)); }

/* first <= v < first + n, for bytes below 128 */
static __m128i within(__m128i v, char first, char n)
{
    return _mm_and_si128(_mm_cmpgt_epi8(v, _mm_set1_epi8((char)(first - 1))),
                         _mm_cmplt_epi8(v, _mm_set1_epi8((char)(first + n))));
}

static uint64_t bits(__m128i v, unsigned at)
{
    return (uint64_t)(uint32_t)_mm_movemask_epi8(v) << at;
}

/* Lower case, and a space for what is no sign; 0 when the text is not ASCII. `low` has FRONT bytes
 * before it and TAIL behind the text. */
static int lower(char *low, const char *text, size_t len)
{
    __m128i high = _mm_setzero_si128();
    size_t i = 0;
    memset(low - FRONT, ' ', FRONT);
    for (; i < len; i += 16) {
        __m128i v;
        if (len - i >= 16) {
            v = load(text + i);
        } else {
            char last[16];
            memset(last, ' ', sizeof last);
            memcpy(last, text + i, len - i);
            v = load(last);
        }
        high = _mm_or_si128(high, v);
        __m128i capital = within(v, 'A', 26);
        __m128i blank = _mm_or_si128(_mm_cmplt_epi8(v, _mm_set1_epi8(' ' + 1)), is(v, 127));
        v = _mm_add_epi8(v, _mm_and_si128(capital, _mm_set1_epi8(32)));
        v = _mm_or_si128(_mm_andnot_si128(blank, v), _mm_and_si128(blank, _mm_set1_epi8(' ')));
        _mm_storeu_si128((__m128i *)(void *)(low + i), v);
    }
    memset(low + i, ' ', 64);
    return _mm_movemask_epi8(high) == 0;
}

static void classify(struct masks *m, const char *p)
{
    *m = (struct masks){ 0 };
    for (unsigned q = 0; q < 64; q += 16) {
        __m128i v = load(p + q), v1 = load(p + q - 1), v2 = load(p + q - 2);
        __m128i letter = within(v, 'a', 26), digit = within(v, '0', 10);
        __m128i same = _mm_cmpeq_epi8(v, v1);
        __m128i third = _mm_andnot_si128(is(v, 'w'), _mm_cmpeq_epi8(v1, v2));
        __m128i open = _mm_or_si128(_mm_or_si128(is(v1, ' '), is(v1, '[')),
                                    _mm_or_si128(is(v1, '('), is(v1, '{')));
        __m128i dollar = is(v, '$');
        __m128i mark =
            _mm_or_si128(_mm_or_si128(is(v, '@'), dollar), _mm_or_si128(is(v, '!'), is(v, '|')));
        __m128i number = _mm_or_si128(_mm_or_si128(is(v, '2'), is(v, '6')), is(v, '9'));
        __m128i keep = _mm_or_si128(digit, _mm_or_si128(_mm_or_si128(is(v, '/'), is(v, '-')),
                                                        _mm_andnot_si128(third, letter)));
        m->letter |= bits(letter, q);
        m->digit |= bits(digit, q);
        m->drop |= bits(_mm_andnot_si128(keep, same), q);
        m->leet |= bits(_mm_or_si128(mark, _mm_andnot_si128(number, digit)), q);
        m->dollar |= bits(dollar, q);
        m->dot |= bits(_mm_and_si128(is(v, '.'), open), q);
    }
}

#define THREE(a, b, c) ((uint32_t)(a) | (uint32_t)(b) << 8 | (uint32_t)(c) << 16)

/* How the words begin that are signs of a trick, at the places where WORD_PLACE() looks for them: a
 * product without collisions, found by trying numbers. */
static const uint32_t word_begins[16] = { THREE('f', 'o', 'u'),
                                          THREE('d', 'o', 't'),
                                          0,
                                          THREE('t', 'h', 'r'),
                                          0,
                                          0,
                                          0,
                                          THREE('e', 'i', 'g'),
                                          THREE('s', 'i', 'x'),
                                          THREE('s', 'e', 'v'),
                                          THREE('f', 'i', 'v'),
                                          THREE('z', 'e', 'r'),
                                          THREE('o', 'n', 'e'),
                                          THREE('h', 'x', 'x'),
                                          THREE('n', 'i', 'n'),
                                          THREE('t', 'w', 'o') };
#define WORD_PLACE(key) ((uint32_t)((key)*0xaa2ca1afu) >> 28)
enum { PLACE_DOT = 1, PLACE_HXXP = 13 };

/* Words of a block that are signs of a trick, a bit for each place. *spelled: how many digits. */
static unsigned word_signs(const char *p, uint64_t starts, unsigned *spelled)
{
    unsigned seen = 0;
    for (; starts; starts &= starts - 1) {
        uint32_t key;
        memcpy(&key, p + __builtin_ctzll(starts), 4);
        key &= 0xffffff;
        unsigned place = WORD_PLACE(key), hit = word_begins[place] == key;
        seen |= hit << place;
        *spelled += hit;
    }
    return seen;
}

/* Digits and signs in words, where letters may be meant: between letters, before or behind four of
 * them, two behind one, a dollar before one. What the next block decides counts as seen. */
static int may_be_leet(const struct masks *m, uint64_t letters_before)
{
    uint64_t l = m->letter, s = m->leet, word = m->letter | m->digit;
    uint64_t l1 = l << 1 | letters_before >> 3, l2 = l << 2 | letters_before >> 2;
    uint64_t l3 = l << 3 | letters_before >> 1, l4 = l << 4 | letters_before;
    uint64_t between = ((s & l1) + s) & ~s & l; /* the sum runs through a row of signs */
    uint64_t behind = s & l1 & l2 & l3 & l4 & ~(word >> 1);
    uint64_t two = s & l1 & (s >> 1 | 1ull << 63) & ~(word >> 2);
    uint64_t before = s & ~(word << 1) & (l >> 1 | 1ull << 63) & (l >> 2 | 3ull << 62) &
                      (l >> 3 | 7ull << 61) & (l >> 4 | 15ull << 60);
    uint64_t dollar = m->dollar & (l >> 1 | 1ull << 63);
    return (between | behind | two | before | dollar) != 0 ||
           (s >> 63 && (l1 >> 63 || s >> 62 & 1));
}

/* What one block shows. */
static unsigned signs(const struct masks *m, const char *p, uint64_t words_before,
                      uint64_t letters_before, unsigned *singles, unsigned *spelled)
{
    uint64_t word = m->letter | m->digit, word_before = words_before >> 3;
    uint64_t last = word << 1 | word_before;
    uint64_t next = word >> 1 | (uint64_t)norm_is_word(p[64]) << 63;
    uint64_t alone = m->letter & ~last & ~next;
    unsigned sees = m->dot ? NORM_SEES_DOT : 0;
    if (may_be_leet(m, letters_before))
        sees |= NORM_SEES_LEET;
    *singles += (unsigned)__builtin_popcountll(alone);
    unsigned seen = word_signs(p, m->letter & ~(m->letter << 1 | letters_before >> 3), spelled);
    if (seen & (1u << PLACE_DOT | 1u << PLACE_HXXP))
        sees |= NORM_SEES_DOT;
    return sees;
}

/* Copies what is not dropped. */
static void keep(struct norm *n, const char *p, uint32_t start, uint32_t count, uint64_t drop)
{
    uint32_t i = 0;
    while (i < count) {
        uint64_t rest = drop >> i;
        uint32_t run = rest ? (uint32_t)__builtin_ctzll(rest) : 64;
        if (run > count - i)
            run = count - i;
        char *to = n->text + n->len;
        uint16_t *from = n->from + n->len;
        for (uint32_t k = 0; k < run; k++) {
            to[k] = p[i + k];
            from[k] = (uint16_t)(start + i + k);
        }
        n->len += run;
        i += run + 1;
    }
}

int norm_fold_ascii(struct norm *n, const char *text, size_t len, unsigned *sees)
{
    char bytes[FRONT + BYTES_MAX + TAIL], *low = bytes + FRONT;
    uint64_t words_before = 0, letters_before = 0;
    unsigned spelled = 0, singles = 0;
    if (len > BYTES_MAX || len > n->size || !lower(low, text, len))
        return 0;
    *sees = 0;
    for (uint32_t i = 0; i < len; i += 64) {
        struct masks m;
        uint32_t count = len - i < 64 ? (uint32_t)len - i : 64;
        classify(&m, low + i);
        *sees |= signs(&m, low + i, words_before, letters_before, &singles, &spelled);
        words_before = (m.letter | m.digit) >> 60;
        letters_before = m.letter >> 60;
        keep(n, low + i, i, count, m.drop);
    }
    if (singles >= 3)
        *sees |= NORM_SEES_SINGLES;
    if (spelled >= 3)
        *sees |= NORM_SEES_SPELLED;
    return 1;
}

#else

int norm_fold_ascii(struct norm *n, const char *text, size_t len, unsigned *sees)
{
    (void)n, (void)text, (void)len, (void)sees;
    return 0;
}

#endif
