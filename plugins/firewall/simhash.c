/* SPDX-License-Identifier: Apache-2.0
 * The fingerprint. Each run of four characters gives a word of 64 random bits; a bit of the
 * fingerprint is what most of the words say. The votes of all 64 bits are counted at once: counters
 * stand upright, one bit of each in a word, so that adding a vote to all is a few operations.
 */
#include "simhash.h"
#include <string.h>

enum { GRAM = 4, PLANES = 13 }; /* counters up to 8191 votes, more than a text has */

/* Before a name, and before or behind an amount. */
static const char *const greetings[] = {
    "hi",      "hey",      "hello", "dear",   "mr",       "mrs", "ms",
    "hallo",   "hola",     "liebe", "lieber", "congrats", "sir", "congratulations",
    "bonjour", "attention"
};
static const char *const currencies[] = { "usd", "eur",  "gbp",    "inr",    "ngn",
                                          "rs",  "euro", "pounds", "dollars" };

static int is_one_of(const char *const *words, size_t n, const char *word, size_t len)
{
    for (size_t i = 0; i < n; i++)
        if (words[i][0] == word[0] && strlen(words[i]) == len && memcmp(words[i], word, len) == 0)
            return 1;
    return 0;
}
#define IS_ONE_OF(words, word, len) is_one_of(words, sizeof(words) / sizeof *(words), word, len)

static void put_masked(struct simhash_text *out, char c)
{
    /* one mark for many: 1,000.00 and $ 50 are the same */
    if (out->len < out->size && !(c < 'a' && c > 0 && out->len && out->text[out->len - 1] == c))
        out->text[out->len++] = c;
}

/* An amount and its signs become one mark. */
static void put_amount(struct simhash_text *out)
{
    if (out->len >= 2 && out->text[out->len - 1] == ' ' && out->text[out->len - 2] == '0')
        out->len--;
    put_masked(out, '0');
}

/* The end of the letters at i; a single digit among them is one of them. */
static size_t masked_end(const char *text, size_t len, size_t i)
{
    while (i < len && (norm_is_letter(text[i]) ||
                       (norm_is_digit(text[i]) && i + 1 < len && norm_is_letter(text[i + 1]))))
        i++;
    if (i < len && norm_is_digit(text[i]) && (i + 1 == len || !norm_is_word(text[i + 1])))
        i++;
    return i;
}

/* Letters as they look: l is i, and digits in words are what they stand for. */
static char look_of(char c)
{
    static const char letters[] = "oi.east.b.";
    return norm_is_digit(c) ? letters[c - '0'] : c == 'l' ? 'i' : c;
}

static size_t mask_word(struct simhash_text *out, const char *text, size_t len, size_t i,
                        int is_name, int *greets)
{
    size_t end = masked_end(text, len, i);
    *greets = IS_ONE_OF(greetings, text + i, end - i) && end < len && text[end] == ' ';
    if (IS_ONE_OF(currencies, text + i, end - i))
        put_amount(out);
    else if (is_name)
        put_masked(out, 'N');
    else
        for (size_t k = i; k < end; k++)
            put_masked(out, look_of(text[k]));
    return end;
}

/* The bytes at i that are a currency sign beyond ASCII, 0 = none. */
static size_t is_money(const char *text, size_t left)
{
    if (left >= 2 && text[0] == '\xc2' && text[1] >= '\xa2' && text[1] <= '\xa5')
        return 2;
    return left >= 3 && text[0] == '\xe2' && text[1] == '\x82' ? 3 : 0;
}

static int is_in_word(const char *text, size_t len, size_t i)
{
    return norm_is_letter(text[i]) ||
           (norm_is_digit(text[i]) && i + 1 < len && norm_is_letter(text[i + 1]) &&
            (i == 0 || !norm_is_word(text[i - 1])));
}

void simhash_mask(struct simhash_text *out, const char *text, size_t len, const struct url *urls,
                  uint32_t n_urls)
{
    uint32_t url = 0;
    int greets = 0;
    size_t money;
    out->len = 0;
    for (size_t i = 0; i < len;) {
        if (url < n_urls && i == urls[url].start) {
            put_masked(out, 'U');
            i = urls[url++].end;
        } else if ((money = is_money(text + i, len - i)) != 0) {
            put_amount(out);
            i += money;
        } else if (is_in_word(text, len, i)) {
            i = mask_word(out, text, len, i, greets, &greets);
        } else {
            if (norm_is_digit(text[i]) || text[i] == '$')
                put_amount(out);
            else if (text[i] == ' ')
                put_masked(out, ' ');
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
