/* SPDX-License-Identifier: Apache-2.0
 * Hashes of the firewall: a quick one for tables, and a keyed one for what leaves the engine.
 *
 * Table hashes are seeded once per process, so that nobody outside can choose texts that collide.
 * Thread: any.
 */
#ifndef FIREWALL_HASH_H
#define FIREWALL_HASH_H
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* The same for all of the process; drawn at first use. */
uint64_t hash_seed(void);

static inline uint64_t hash_mix(uint64_t x)
{
    x ^= x >> 32;
    x *= 0xd6e8feb86659fd93u;
    x ^= x >> 32;
    x *= 0xd6e8feb86659fd93u;
    return x ^ x >> 32;
}

static inline uint64_t hash_fold(uint64_t a, uint64_t b)
{
    __extension__ unsigned __int128 m = (unsigned __int128)(a ^ 0x9e3779b97f4a7c15u) * b;
    return (uint64_t)m ^ (uint64_t)(m >> 64);
}

/* Bytes, begun with `seed`. */
static inline uint64_t hash_bytes(uint64_t seed, const char *p, size_t len)
{
    uint64_t h = seed ^ hash_mix(len + 1), word;
    for (; len >= 8; p += 8, len -= 8) {
        memcpy(&word, p, 8);
        h = hash_fold(h ^ word, 0xa0761d6478bd642fu);
    }
    if (len) {
        word = 0;
        memcpy(&word, p, len);
        h = hash_fold(h ^ word, 0xe7037ed1a0b428dbu);
    }
    return hash_mix(h);
}

static inline uint64_t hash_pair(uint64_t a, uint64_t b)
{
    return hash_mix(hash_fold(a, 0x8ebc6af09c88c6e3u) ^ b);
}

/* SipHash-2-4 of bytes: who lacks the key learns nothing of a number by trying all numbers. */
uint64_t hash_keyed(const uint8_t key[16], const char *p, size_t len);
/* A key from a text of any length. */
void hash_key(const char *text, size_t len, uint8_t key[16]);

#endif
