/* SPDX-License-Identifier: Apache-2.0
 * The fingerprint. Each run of four characters gives a word of 64 random bits; a bit of the
 * fingerprint is what most of the words say. The votes of all 64 bits are counted at once: counters
 * stand upright, one bit of each in a word, so that adding a vote to all is a few operations.
 */
#include "simhash.h"
#include "word_kinds.h"
#include <string.h>

enum { GRAM = 4, PLANES = 13 }; /* counters up to 8191 votes, more than a text has */

/* Letters as they look: l is i, and digits in words are what they stand for. */
static char look_of(char c)
{
    static const char letters[] = "oi.east.b.";
    return (char)(norm_is_digit(c) ? letters[c - '0'] : c == 'l' ? 'i' : c);
}

/* One mark for many: 1,000.00 and $ 50 are the same. */
static void put_mark_of(struct simhash_text *out, char c)
{
    if (c == '0' && out->len >= 2 && out->text[out->len - 1] == ' ' &&
        out->text[out->len - 2] == '0')
        out->len--;
    if (out->len == 0 || out->text[out->len - 1] != c)
        out->text[out->len++] = c;
}

/* The bytes at i that are a currency sign beyond ASCII, 0 = none. */
static size_t is_money(const char *text, size_t left)
{
    if (left >= 2 && text[0] == '\xc2' && text[1] >= '\xa2' && text[1] <= '\xa5')
        return 2;
    return left >= 3 && text[0] == '\xe2' && text[1] == '\x82' ? 3 : 0;
}

/* A digit that stands for a letter: alone, with a letter on one side at least. */
static int is_digit_in_word(const char *text, size_t len, size_t i, int after_letter)
{
    int before_letter = i + 1 < len && norm_is_letter(text[i + 1]);
    if (i > 0 && norm_is_digit(text[i - 1]))
        return 0;
    return before_letter || (after_letter && (i + 1 == len || !norm_is_digit(text[i + 1])));
}

/* Copies a word, or its mark; returns its end. */
static size_t mask_word(struct simhash_text *out, const char *text, size_t len, size_t i,
                        unsigned *greets)
{
    size_t start = i, to = out->len;
    uint64_t key = 0;
    for (; i < len; i++) {
        char c = text[i];
        if (!norm_is_letter(c) && !(norm_is_digit(c) && is_digit_in_word(text, len, i, i > start)))
            break;
        key = key << 8 | (unsigned char)c;
        out->text[to++] = look_of(c);
    }
    unsigned kind = word_kind(key, i - start);
    if (kind & WORD_MONEY)
        put_mark_of(out, '0');
    else if (*greets)
        put_mark_of(out, 'N');
    else
        out->len = (uint32_t)to;
    *greets = kind & WORD_GREETS && i < len && text[i] == ' ';
    return i;
}

void simhash_mask(struct simhash_text *out, const char *text, size_t len, const struct url *urls,
                  uint32_t n_urls)
{
    uint32_t url = 0;
    unsigned greets = 0;
    out->len = 0;
    if (len > out->size)
        len = out->size; /* no mark is longer than what it stands for */
    for (size_t i = 0; i < len;) {
        char c = text[i];
        size_t money;
        if (url < n_urls && i == urls[url].start) {
            put_mark_of(out, 'U');
            i = urls[url++].end;
        } else if ((unsigned char)c >= 0x80 && (money = is_money(text + i, len - i)) != 0) {
            put_mark_of(out, '0');
            i += money;
        } else if (norm_is_letter(c) || (norm_is_digit(c) && is_digit_in_word(text, len, i, 0))) {
            i = mask_word(out, text, len, i, &greets);
        } else {
            if (norm_is_digit(c) || c == '$')
                put_mark_of(out, '0');
            else if (c == ' ')
                put_mark_of(out, ' ');
            i++;
        }
    }
    if (out->len && out->text[out->len - 1] == ' ')
        out->len--;
}

static uint64_t mix(uint32_t gram)
{
    uint64_t x = gram * 0x9e3779b97f4a7c15u;
    x = (x ^ x >> 32) * 0xd6e8feb86659fd93u;
    return x ^ x >> 29;
}

/* Adds a vote worth 2^first to each of 64 upright counters. */
static inline void vote(uint64_t planes[PLANES], unsigned first, uint64_t word)
{
    for (unsigned i = first; i < PLANES && word; i++) {
        uint64_t carry = planes[i] & word;
        planes[i] ^= word;
        word = carry;
    }
}

/* The bits whose counter is above `half`. */
static uint64_t above(const uint64_t planes[PLANES], uint32_t half)
{
    uint64_t more = 0, same = ~0ull;
    for (unsigned i = PLANES; i-- > 0;) {
        if (half >> i & 1) {
            same &= planes[i];
        } else {
            more |= same & planes[i];
            same &= ~planes[i];
        }
    }
    return more;
}

uint64_t simhash_of(const char *masked, size_t len)
{
    uint64_t planes[PLANES] = { 0 }, ones = 0, twos = 0;
    uint32_t grams = 0, gram = 0;
    if (len < GRAM)
        return 0;
    if (len > 8000)
        len = 8000;
    for (size_t i = 0; i < GRAM - 1; i++)
        gram = gram << 8 | (unsigned char)masked[i];
    grams = (uint32_t)len - GRAM + 1;
    size_t i = GRAM - 1;
    /* four votes are added to two words before the counters: a quarter of the carries */
    for (; i + 4 <= len; i += 4) {
        uint64_t w[4];
        for (unsigned k = 0; k < 4; k++) {
            gram = gram << 8 | (unsigned char)masked[i + k];
            w[k] = mix(gram);
        }
        uint64_t a = ones ^ w[0], carry_a = (ones & w[0]) | (a & w[1]);
        ones = a ^ w[1];
        uint64_t b = ones ^ w[2], carry_b = (ones & w[2]) | (b & w[3]);
        ones = b ^ w[3];
        uint64_t c = twos ^ carry_a, fours = (twos & carry_a) | (c & carry_b);
        twos = c ^ carry_b;
        vote(planes, 2, fours);
    }
    planes[0] = ones;
    planes[1] = twos;
    for (; i < len; i++) {
        gram = gram << 8 | (unsigned char)masked[i];
        vote(planes, 0, mix(gram));
    }
    return above(planes, grams / 2);
}
