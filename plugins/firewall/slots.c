/* SPDX-License-Identifier: Apache-2.0
 * Slots: a key has 8 places (one cache line) within its tenant's part of the table. A place is one
 * 64-bit word, so every change is one compare-and-swap and no lock is needed.
 *
 *   24 bits tag of the key | 40 bits number
 *   gcra    the number is the time at which the bucket is full again, in 1/8 ms since the table
 * began window  12 bits window's number (modulo), 14 bits count before, 14 bits count now since the
 * time in ms since the table began
 *
 * When all 8 are taken the one with the smallest number goes: of rates that is the one that is
 * refilled first. Of times the largest goes, so that new names cannot push out those known for
 * long. Two keys of a bucket share a tag once in 2 million. Thread: any.
 */
#include "sketch.h"
#include "hash.h"
#include "numbers_int.h"

enum { WAYS = 8, PARTS = 8, NUMBER_BITS = 40, TICKS = 8, COUNT_MAX = (1 << 14) - 1 };
#define NUMBER_MASK ((UINT64_C(1) << NUMBER_BITS) - 1)

struct slots {
    size_t buckets_of_part; /* power of two */
    int keeps_old;
    _Atomic int64_t began_ms;
    _Atomic uint64_t *cells;
};

struct slots *slots_create(size_t keys, int keeps_old)
{
    struct slots *s = must(calloc(1, sizeof *s));
    s->buckets_of_part = 1;
    s->keeps_old = keeps_old;
    while (s->buckets_of_part * PARTS * WAYS < keys)
        s->buckets_of_part *= 2;
    s->cells = must(aligned_alloc(64, s->buckets_of_part * PARTS * WAYS * sizeof *s->cells));
    memset(s->cells, 0, s->buckets_of_part * PARTS * WAYS * sizeof *s->cells);
    return s;
}

void slots_free(struct slots *s)
{
    if (!s)
        return;
    free(s->cells);
    free(s);
}

size_t slots_bytes(const struct slots *s)
{
    return s->buckets_of_part * PARTS * WAYS * sizeof *s->cells;
}

/* An hour before the first message, so that times that lie a little back are no trouble. */
static int64_t began(struct slots *s, int64_t now_ms)
{
    int64_t at = atomic_load_explicit(&s->began_ms, memory_order_relaxed);
    if (at)
        return at;
    int64_t wanted = now_ms - 3600000;
    return atomic_compare_exchange_strong(&s->began_ms, &at, wanted) ? wanted : at;
}

static uint64_t tag_of(uint64_t key)
{
    uint64_t tag = key >> NUMBER_BITS << NUMBER_BITS;
    return tag ? tag : UINT64_C(1) << NUMBER_BITS;
}

static size_t bucket_of(const struct slots *s, uint64_t tenant, uint64_t key)
{
    return (hash_mix(tenant) % PARTS * s->buckets_of_part + (key & (s->buckets_of_part - 1))) *
           WAYS;
}

void slots_fetch(const struct slots *s, uint64_t tenant, uint64_t key)
{
    __builtin_prefetch(&s->cells[bucket_of(s, tenant, key)], 1);
}

/* The key's cell and what stood there; `*was` 0 when it is new. */
static _Atomic uint64_t *find_cell(struct slots *s, uint64_t tenant, uint64_t key, uint64_t *was)
{
    uint64_t tag = tag_of(key), least = UINT64_MAX;
    _Atomic uint64_t *cells = s->cells + bucket_of(s, tenant, key), *goes = cells;
    for (int i = 0; i < WAYS; i++) {
        uint64_t there = atomic_load_explicit(&cells[i], memory_order_relaxed);
        if ((there & ~NUMBER_MASK) == tag) {
            *was = there;
            return &cells[i];
        }
        uint64_t rank = there & NUMBER_MASK;
        rank = !there ? 0 : s->keeps_old ? NUMBER_MASK - rank + 1 : rank + 1;
        if (rank < least) {
            least = rank;
            goes = &cells[i];
            *was = there;
        }
    }
    return goes;
}

static int swap(_Atomic uint64_t *cell, uint64_t *was, uint64_t becomes)
{
    return atomic_compare_exchange_strong_explicit(cell, was, becomes, memory_order_relaxed,
                                                   memory_order_relaxed);
}

int64_t slots_gcra(struct slots *s, uint64_t tenant, uint64_t key, int64_t now_ms, int64_t limit,
                   int64_t window_ms, int64_t burst, int64_t cost)
{
    uint64_t tag = tag_of(key);
    int64_t now = (now_ms - began(s, now_ms)) * TICKS;
    double tick = (double)window_ms * TICKS / (double)limit;
    int64_t takes = (int64_t)((double)cost * tick), room = (int64_t)((double)burst * tick);
    for (int tries = 0; tries < 16; tries++) {
        uint64_t was;
        _Atomic uint64_t *cell = find_cell(s, tenant, key, &was);
        int64_t full = (was & ~NUMBER_MASK) == tag ? (int64_t)(was & NUMBER_MASK) : 0;
        full = full > now ? full : now;
        if (full + takes - now > room) {
            int64_t wait = (full + takes - now - room + TICKS - 1) / TICKS;
            return wait > 0 ? wait : 1;
        }
        if (swap(cell, &was, tag | ((uint64_t)(full + takes) & NUMBER_MASK)))
            return 0;
    }
    return 0;
}

struct window {
    uint64_t period, before, now;
};

static struct window read_window(uint64_t word, uint64_t period)
{
    uint64_t age = (period - (word >> 28)) & 0xfff;
    struct window w = { .period = period };
    w.now = age == 0 ? word & COUNT_MAX : 0;
    w.before = age == 0 ? word >> 14 & COUNT_MAX : age == 1 ? word & COUNT_MAX : 0;
    return w;
}

static uint64_t window_word(uint64_t tag, const struct window *w)
{
    return tag | (w->period & 0xfff) << 28 | w->before << 14 | w->now;
}

/* When enough of the window before has slid out, and never beyond the window's end. */
static int64_t wait_in_window(const struct window *w, int64_t left_ms, int64_t limit,
                              int64_t window_ms)
{
    double spare = (double)limit - 1 - (double)w->now;
    if (spare < 0 || !w->before)
        return left_ms + 1;
    return left_ms - (int64_t)(spare / (double)w->before * (double)window_ms) + 1;
}

int64_t slots_window(struct slots *s, uint64_t tenant, uint64_t key, int64_t now_ms, int64_t limit,
                     int64_t window_ms)
{
    uint64_t tag = tag_of(key), period = (uint64_t)(now_ms / window_ms);
    int64_t left_ms = window_ms - now_ms % window_ms;
    for (int tries = 0; tries < 16; tries++) {
        uint64_t was;
        _Atomic uint64_t *cell = find_cell(s, tenant, key, &was);
        struct window w = { .period = period };
        if ((was & ~NUMBER_MASK) == tag)
            w = read_window(was, period);
        double counted = (double)w.now + (double)w.before * (double)left_ms / (double)window_ms;
        if (counted + 1 > (double)limit + 1e-9)
            return wait_in_window(&w, left_ms, limit, window_ms);
        w.now += w.now < COUNT_MAX;
        if (swap(cell, &was, window_word(tag, &w)))
            return 0;
    }
    return 0;
}

int64_t slots_age(struct slots *s, int64_t now_ms) { return now_ms - began(s, now_ms) - 3600000; }

int64_t slots_since(struct slots *s, uint64_t tenant, uint64_t key, int64_t now_ms)
{
    uint64_t tag = tag_of(key);
    int64_t base = began(s, now_ms), now = now_ms - base;
    for (int tries = 0; tries < 16; tries++) {
        uint64_t was;
        _Atomic uint64_t *cell = find_cell(s, tenant, key, &was);
        if ((was & ~NUMBER_MASK) == tag)
            return base + (int64_t)(was & NUMBER_MASK);
        if (swap(cell, &was, tag | ((uint64_t)now & NUMBER_MASK)))
            return now_ms;
    }
    return now_ms;
}
