/* SPDX-License-Identifier: Apache-2.0
 * What went to each block of 1,000 numbers of a tenant: how traffic is inflated shows here, as
 * volume far above the block's own past, as numbers called one after the other, and as codes that
 * nobody uses.
 *
 * A block keeps one bit for each of its numbers, so that runs are found in whatever order the
 * messages come. Thread: any; fields are atomic and relaxed. A window that begins is begun by one
 * thread.
 */
#include "sketch.h"
#include "hash.h"
#include "numbers_int.h"

enum { BLOCK = 1000, WORDS = 16, BLOCK_WAYS = 4, BLOCK_PARTS = 8 };
static const double WEIGHT = 0.3; /* of the newest window in the averages */

struct range {
    _Atomic uint64_t key;
    _Atomic int64_t period, code_period;
    _Atomic uint32_t volume, distinct;
    _Atomic double usual_volume, usual_distinct;
    _Atomic uint32_t codes, conversions;
    _Atomic uint64_t bits[WORDS];
};

struct ranges {
    size_t sets_of_part; /* power of two */
    struct range *blocks;
};

#define GET(field)        atomic_load_explicit(&(field), memory_order_relaxed)
#define PUT(field, value) atomic_store_explicit(&(field), (value), memory_order_relaxed)

struct ranges *ranges_create(size_t blocks)
{
    struct ranges *r = must(calloc(1, sizeof *r));
    r->sets_of_part = 1;
    while (r->sets_of_part * BLOCK_PARTS * BLOCK_WAYS < blocks)
        r->sets_of_part *= 2;
    r->blocks = must(calloc(r->sets_of_part * BLOCK_PARTS * BLOCK_WAYS, sizeof *r->blocks));
    return r;
}

void ranges_free(struct ranges *r)
{
    if (!r)
        return;
    free(r->blocks);
    free(r);
}

size_t ranges_bytes(const struct ranges *r)
{
    return r->sets_of_part * BLOCK_PARTS * BLOCK_WAYS * sizeof *r->blocks;
}

static struct range *range_set(const struct ranges *r, uint64_t tenant, uint64_t key)
{
    size_t part = hash_mix(tenant) % BLOCK_PARTS;
    return &r->blocks[(part * r->sets_of_part + (key >> 32 & (r->sets_of_part - 1))) * BLOCK_WAYS];
}

static struct range *range_find(struct ranges *r, uint64_t tenant, uint64_t key, int claim)
{
    struct range *set = range_set(r, tenant, key);
    struct range *goes = set;
    for (int i = 0; i < BLOCK_WAYS; i++) {
        if (GET(set[i].key) == key)
            return &set[i];
        if (GET(set[i].period) < GET(goes->period))
            goes = &set[i];
    }
    if (!claim)
        return NULL;
    PUT(goes->key, key);
    PUT(goes->period, 0);
    PUT(goes->code_period, 0);
    PUT(goes->usual_volume, 0.0);
    PUT(goes->usual_distinct, 0.0);
    return goes;
}

static uint64_t range_key(uint64_t tenant, uint64_t number)
{
    return hash_pair(tenant, number / BLOCK) | 1;
}

void ranges_fetch(const struct ranges *r, uint64_t tenant, uint64_t number)
{
    const struct range *set = range_set(r, tenant, range_key(tenant, number));
    for (int i = 0; i < BLOCK_WAYS; i++)
        __builtin_prefetch(&set[i], 1);
}

static void roll(struct range *b, int64_t period)
{
    int64_t was = GET(b->period);
    if (was == period || !atomic_compare_exchange_strong(&b->period, &was, period))
        return;
    double volume = 0, distinct = 0;
    if (was) {
        volume = WEIGHT * GET(b->volume) + (1 - WEIGHT) * GET(b->usual_volume);
        distinct = WEIGHT * GET(b->distinct) + (1 - WEIGHT) * GET(b->usual_distinct);
        for (int64_t gap = period - was - 1; gap > 0 && volume > 0.01; gap--) {
            volume *= 1 - WEIGHT;
            distinct *= 1 - WEIGHT;
        }
    }
    PUT(b->usual_volume, volume);
    PUT(b->usual_distinct, distinct);
    PUT(b->volume, 0);
    PUT(b->distinct, 0);
    for (int i = 0; i < WORDS; i++)
        PUT(b->bits[i], 0);
}

/* Conversions come minutes after their codes: halved when their window ends, not cut off. */
static void roll_codes(struct range *b, int64_t period)
{
    int64_t was = GET(b->code_period);
    if (was == period || !atomic_compare_exchange_strong(&b->code_period, &was, period))
        return;
    uint32_t keep = was && period - was < 8 ? (uint32_t)(period - was) : 31;
    PUT(b->codes, GET(b->codes) >> keep);
    PUT(b->conversions, GET(b->conversions) >> keep);
    if (!was) {
        PUT(b->codes, 0);
        PUT(b->conversions, 0);
    }
}

static int has_bit(const struct range *b, unsigned i)
{
    return (int)(GET(b->bits[i / 64]) >> i % 64 & 1);
}

static uint32_t run_around(const struct range *b, unsigned i)
{
    unsigned low = i, high = i;
    while (low > 0 && has_bit(b, low - 1))
        low--;
    while (high + 1 < BLOCK && has_bit(b, high + 1))
        high++;
    return high - low + 1;
}

void ranges_add(struct ranges *r, uint64_t tenant, uint64_t number, int is_code, int64_t now_ms,
                int64_t window_ms, int64_t conversion_window_ms, struct range_view *view)
{
    struct range *b = range_find(r, tenant, range_key(tenant, number), 1);
    unsigned i = (unsigned)(number % BLOCK);
    roll(b, now_ms / window_ms);
    roll_codes(b, now_ms / conversion_window_ms);
    uint64_t bit = UINT64_C(1) << i % 64;
    uint64_t was = atomic_fetch_or_explicit(&b->bits[i / 64], bit, memory_order_relaxed);
    view->volume = atomic_fetch_add_explicit(&b->volume, 1, memory_order_relaxed) + 1;
    view->distinct = GET(b->distinct);
    if (!(was & bit))
        view->distinct = atomic_fetch_add_explicit(&b->distinct, 1, memory_order_relaxed) + 1;
    if (is_code)
        atomic_fetch_add_explicit(&b->codes, 1, memory_order_relaxed);
    view->run = run_around(b, i);
    view->usual_volume = GET(b->usual_volume);
    view->usual_distinct = GET(b->usual_distinct);
    view->codes = GET(b->codes);
    view->conversions = GET(b->conversions);
}

int ranges_convert(struct ranges *r, uint64_t tenant, uint64_t number)
{
    struct range *b = range_find(r, tenant, range_key(tenant, number), 0);
    if (!b)
        return -1;
    atomic_fetch_add_explicit(&b->conversions, 1, memory_order_relaxed);
    return 0;
}
