/* SPDX-License-Identifier: Apache-2.0
 * What numbers.c, numbers_delta.c and numbers_file.c share.
 */
#ifndef FIREWALL_NUMBERS_INT_H
#define FIREWALL_NUMBERS_INT_H
#include "numbers.h"
#include "hash.h"
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

struct numbers {
    _Atomic uint32_t refs;
    unsigned bits, rest_bits; /* 50 together */
    size_t n;
    const uint32_t *starts;                         /* 2^bits + 1 */
    const uint32_t *rests;                          /* n */
    const uint32_t *expires;                        /* n, or NULL: none expires */
    uint32_t *own_starts, *own_rests, *own_expires; /* NULL when they are mapped */
    void *map;
    size_t map_bytes;
};

#define DELTA_REMOVED (UINT64_C(1) << 63)

struct delta_entry {
    uint64_t number; /* 0: free */
    uint32_t expires_s;
};

struct numbers_delta {
    _Atomic uint32_t refs;
    size_t n, size; /* size is a power of two and at least 2 n */
    struct delta_entry *entries;
};

static inline const struct delta_entry *delta_find(const struct numbers_delta *d, uint64_t number)
{
    if (!d || !number)
        return NULL;
    for (size_t i = hash_mix(number) & (d->size - 1);; i = (i + 1) & (d->size - 1)) {
        uint64_t there = d->entries[i].number;
        if (!there)
            return NULL;
        if ((there & ~DELTA_REMOVED) == number)
            return &d->entries[i];
    }
}

/* Memory that cannot be had ends the process, as everywhere. */
static inline void *must(void *p)
{
    if (!p)
        abort();
    return p;
}

#endif
