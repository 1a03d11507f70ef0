/* SPDX-License-Identifier: Apache-2.0
 * text_bits.h - which bytes of a text are letters or digits, as bits, so that words are found by
 * jumping from bit to bit and not by looking at each byte. Any thread; nothing allocates.
 */
#ifndef FIREWALL_TEXT_BITS_H
#define FIREWALL_TEXT_BITS_H
#include "content.h"
#include "normalise.h"
#include <string.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

enum { TEXT_BITS_WORDS = CONTENT_TEXT_MAX / 64 + 2 };

struct text_bits {
    uint64_t word[TEXT_BITS_WORDS], digit[TEXT_BITS_WORDS];
    uint32_t bangs, percents, dollars, high; /* how many: ! % $ and bytes beyond ASCII */
};

/* 64 bytes as bits. */
struct text_block {
    uint64_t letter, capital, digit, bang, percent, dollar, high;
};

#ifdef __SSE2__
static inline uint64_t text_within(__m128i v, char first, char last, unsigned at)
{
    __m128i in = _mm_and_si128(_mm_cmpgt_epi8(v, _mm_set1_epi8((char)(first - 1))),
                               _mm_cmplt_epi8(v, _mm_set1_epi8((char)(last + 1))));
    return (uint64_t)(uint32_t)_mm_movemask_epi8(in) << at;
}

static inline void text_block_of(struct text_block *b, const char *p)
{
    *b = (struct text_block){ 0 };
    for (unsigned q = 0; q < 64; q += 16) {
        __m128i v = _mm_loadu_si128((const __m128i *)(const void *)(p + q));
        b->letter |= text_within(v, 'a', 'z', q);
        b->capital |= text_within(v, 'A', 'Z', q);
        b->digit |= text_within(v, '0', '9', q);
        b->bang |= text_within(v, '!', '!', q);
        b->percent |= text_within(v, '%', '%', q);
        b->dollar |= text_within(v, '$', '$', q);
        b->high |= (uint64_t)(uint32_t)_mm_movemask_epi8(v) << q;
    }
}
#else
static inline void text_block_of(struct text_block *b, const char *p)
{
    *b = (struct text_block){ 0 };
    for (unsigned i = 0; i < 64; i++) {
        b->letter |= (uint64_t)((unsigned char)(p[i] - 'a') < 26) << i;
        b->capital |= (uint64_t)((unsigned char)(p[i] - 'A') < 26) << i;
        b->digit |= (uint64_t)norm_is_digit(p[i]) << i;
        b->bang |= (uint64_t)(p[i] == '!') << i;
        b->percent |= (uint64_t)(p[i] == '%') << i;
        b->dollar |= (uint64_t)(p[i] == '$') << i;
        b->high |= (uint64_t)((unsigned char)p[i] >= 0x80) << i;
    }
}
#endif

static inline uint32_t text_count(uint64_t bits) { return (uint32_t)__builtin_popcountll(bits); }

/* Of len bytes with 64 readable behind them that are neither letter, digit nor sign. */
static inline void text_bits_of(struct text_bits *b, const char *text, size_t len)
{
    size_t words = len / 64 + 1;
    b->bangs = b->percents = b->dollars = b->high = 0;
    for (size_t w = 0; w < words; w++) {
        struct text_block block;
        text_block_of(&block, text + w * 64);
        b->digit[w] = block.digit;
        b->word[w] = block.letter | block.digit | block.high;
        b->bangs += text_count(block.bang);
        b->percents += text_count(block.percent);
        b->dollars += text_count(block.dollar);
        b->high += text_count(block.high);
    }
    b->digit[words] = b->word[words] = 0;
}

/* Capitals and letters of ASCII. */
static inline void text_capitals(const char *text, size_t len, uint32_t *capitals,
                                 uint32_t *letters)
{
    char last[64];
    *capitals = *letters = 0;
    for (size_t i = 0; i < len; i += 64) {
        struct text_block block;
        const char *p = text + i;
        if (len - i < sizeof last) {
            memset(last, ' ', sizeof last);
            memcpy(last, p, len - i);
            p = last;
        }
        text_block_of(&block, p);
        *capitals += text_count(block.capital);
        *letters += text_count(block.capital | block.letter);
    }
}

/* Copies with `with` for every byte from first to last. */
static inline void text_replace(char *restrict out, const char *restrict in, size_t len, char first,
                                char last, char with)
{
    size_t i = 0;
#ifdef __SSE2__
    for (; i + 16 <= len; i += 16) {
        __m128i v = _mm_loadu_si128((const __m128i *)(const void *)(in + i));
        __m128i hit = _mm_and_si128(_mm_cmpgt_epi8(v, _mm_set1_epi8((char)(first - 1))),
                                    _mm_cmplt_epi8(v, _mm_set1_epi8((char)(last + 1))));
        v = _mm_or_si128(_mm_andnot_si128(hit, v), _mm_and_si128(hit, _mm_set1_epi8(with)));
        _mm_storeu_si128((__m128i *)(void *)(out + i), v);
    }
#endif
    for (; i < len; i++)
        out[i] = in[i] >= first && in[i] <= last ? with : in[i];
}

/* The first bit from i on that is set (flip 0) or not set (flip ~0), `end` at most. */
static inline size_t text_bits_next(const uint64_t *bits, size_t i, size_t end, uint64_t flip)
{
    uint64_t word = (bits[i / 64] ^ flip) >> i % 64;
    if (word) {
        i += (size_t)__builtin_ctzll(word);
        return i < end ? i : end;
    }
    for (i = (i / 64 + 1) * 64; i < end; i += 64) {
        word = bits[i / 64] ^ flip;
        if (word) {
            i += (size_t)__builtin_ctzll(word);
            return i < end ? i : end;
        }
    }
    return end;
}

/* The last eight bytes of a word of len bytes that ends before `end`, as word_kind() wants them;
 * eight bytes before the word must be readable. */
static inline uint64_t text_bits_key(const char *end, size_t len)
{
    uint64_t key;
    memcpy(&key, end - 8, 8);
    key = __builtin_bswap64(key);
    return len < 8 ? key & (~0ull >> (64 - 8 * len)) : key;
}

#endif
