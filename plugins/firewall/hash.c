/* SPDX-License-Identifier: Apache-2.0
 * The keyed hash (SipHash-2-4) and the seed of table hashes. Thread: any. Nothing blocks but the
 * first draw of the seed.
 */
#include "hash.h"
#include <stdatomic.h>
#include <sys/random.h>
#include <time.h>

uint64_t hash_seed(void)
{
    static _Atomic uint64_t seed;
    uint64_t now = atomic_load_explicit(&seed, memory_order_relaxed);
    if (now)
        return now;
    uint64_t drawn = 0;
    if (getrandom(&drawn, sizeof drawn, 0) != sizeof drawn)
        drawn = hash_mix((uint64_t)time(NULL));
    drawn |= 1;
    if (atomic_compare_exchange_strong(&seed, &now, drawn))
        return drawn;
    return now;
}

static uint64_t rotate(uint64_t x, int by) { return x << by | x >> (64 - by); }

static void rounds(uint64_t v[4], int n)
{
    while (n-- > 0) {
        v[0] += v[1];
        v[2] += v[3];
        v[1] = rotate(v[1], 13) ^ v[0];
        v[3] = rotate(v[3], 16) ^ v[2];
        v[0] = rotate(v[0], 32);
        v[2] += v[1];
        v[0] += v[3];
        v[1] = rotate(v[1], 17) ^ v[2];
        v[3] = rotate(v[3], 21) ^ v[0];
        v[2] = rotate(v[2], 32);
    }
}

static uint64_t word_of(const char *p, size_t len)
{
    uint64_t word = 0;
    for (size_t i = 0; i < len; i++)
        word |= (uint64_t)(unsigned char)p[i] << 8 * i;
    return word;
}

uint64_t hash_keyed(const uint8_t key[16], const char *p, size_t len)
{
    uint64_t k0 = word_of((const char *)key, 8), k1 = word_of((const char *)key + 8, 8);
    uint64_t v[4] = { k0 ^ 0x736f6d6570736575u, k1 ^ 0x646f72616e646f6du, k0 ^ 0x6c7967656e657261u,
                      k1 ^ 0x7465646279746573u };
    uint64_t last = (uint64_t)len << 56;
    for (; len >= 8; p += 8, len -= 8) {
        uint64_t word = word_of(p, 8);
        v[3] ^= word;
        rounds(v, 2);
        v[0] ^= word;
    }
    last |= word_of(p, len);
    v[3] ^= last;
    rounds(v, 2);
    v[0] ^= last;
    v[2] ^= 0xff;
    rounds(v, 4);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

void hash_key(const char *text, size_t len, uint8_t key[16])
{
    static const uint8_t one[16] = { 1 }, two[16] = { 2 };
    uint64_t halves[2] = { hash_keyed(one, text, len), hash_keyed(two, text, len) };
    memcpy(key, halves, 16);
}
