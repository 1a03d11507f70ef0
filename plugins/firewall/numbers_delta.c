/* SPDX-License-Identifier: Apache-2.0
 * Changes of a set of numbers since it was loaded: an open hash table, copied for each batch of
 * changes so that readers never see one change. A removed number stands in it too: it covers the
 * one in the set. Thread: any once made.
 */
#include "numbers_int.h"

static struct numbers_delta *delta_make(size_t n)
{
    struct numbers_delta *d = must(calloc(1, sizeof *d));
    atomic_init(&d->refs, 1);
    for (d->size = 64; d->size < n * 2; d->size *= 2)
        ;
    d->entries = must(calloc(d->size, sizeof *d->entries));
    return d;
}

static void delta_put(struct numbers_delta *d, uint64_t number, uint32_t expires_s)
{
    size_t i = hash_mix(number & ~DELTA_REMOVED) & (d->size - 1);
    while (d->entries[i].number &&
           (d->entries[i].number & ~DELTA_REMOVED) != (number & ~DELTA_REMOVED))
        i = (i + 1) & (d->size - 1);
    d->n += !d->entries[i].number;
    d->entries[i] = (struct delta_entry){ number, expires_s };
}

struct numbers_delta *numbers_delta_with(const struct numbers_delta *old,
                                         const struct numbers_change *changes, size_t n)
{
    struct numbers_delta *d = delta_make((old ? old->n : 0) + n);
    if (old && old->size == d->size) {
        memcpy(d->entries, old->entries, d->size * sizeof *d->entries);
        d->n = old->n;
    } else if (old) {
        for (size_t i = 0; i < old->size; i++)
            if (old->entries[i].number)
                delta_put(d, old->entries[i].number, old->entries[i].expires_s);
    }
    for (size_t i = 0; i < n; i++)
        if (changes[i].number)
            delta_put(d, changes[i].number | (changes[i].is_removed ? DELTA_REMOVED : 0),
                      changes[i].expires_s);
    return d;
}

struct numbers_delta *numbers_delta_ref(struct numbers_delta *d)
{
    if (d)
        atomic_fetch_add_explicit(&d->refs, 1, memory_order_relaxed);
    return d;
}

void numbers_delta_unref(struct numbers_delta *d)
{
    if (!d || atomic_fetch_sub_explicit(&d->refs, 1, memory_order_acq_rel) != 1)
        return;
    free(d->entries);
    free(d);
}

size_t numbers_delta_count(const struct numbers_delta *d) { return d ? d->n : 0; }
