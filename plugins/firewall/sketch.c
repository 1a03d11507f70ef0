/* SPDX-License-Identifier: Apache-2.0
 * Sketches of rules: counts, distinct counts, heavy keys, in two windows that take turns.
 *
 * The window that begins clears what stood there two windows ago; the one before counts for the
 * part of it that has not slid out. Thread: any; all cells are atomic and relaxed.
 */
#include "sketch.h"
#include "hash.h"
#include "numbers_int.h"
#include <math.h>

enum { ROWS = 4, WIDTH = 1 << 16 };
enum { KEYS = 8192, KEY_WAYS = 4, REGISTERS = 256, REGISTER_BITS = 8 };
enum { HEAVY = 256 };

struct counts {
    _Atomic uint32_t cells[ROWS][WIDTH];
};

struct distinct {
    _Atomic uint64_t key;
    _Atomic uint32_t seen, estimate;
    _Atomic uint8_t registers[REGISTERS];
};

struct heavy {
    atomic_flag busy;
    uint64_t total;
    uint64_t keys[HEAVY], counts[HEAVY];
};

struct half {
    _Atomic int64_t period;
    union {
        struct counts *counts;
        struct distinct *distinct;
        struct heavy *heavy;
    };
};

struct sketch {
    _Atomic uint32_t refs;
    enum sketch_kind kind;
    int64_t window_ms;
    struct half halves[2];
};

static size_t half_bytes(enum sketch_kind kind)
{
    return kind == SKETCH_COUNT   ? sizeof(struct counts)
           : kind == SKETCH_HEAVY ? sizeof(struct heavy)
                                  : KEYS * sizeof(struct distinct);
}

struct sketch *sketch_create(enum sketch_kind kind, int64_t window_ms)
{
    struct sketch *s = must(calloc(1, sizeof *s));
    atomic_init(&s->refs, 1);
    s->kind = kind;
    s->window_ms = window_ms;
    for (int i = 0; i < 2; i++) {
        s->halves[i].counts = must(calloc(1, half_bytes(kind)));
        atomic_init(&s->halves[i].period, -1);
    }
    return s;
}

struct sketch *sketch_ref(struct sketch *s)
{
    atomic_fetch_add_explicit(&s->refs, 1, memory_order_relaxed);
    return s;
}

void sketch_unref(struct sketch *s)
{
    if (!s || atomic_fetch_sub_explicit(&s->refs, 1, memory_order_acq_rel) != 1)
        return;
    free(s->halves[0].counts);
    free(s->halves[1].counts);
    free(s);
}

int sketch_is(const struct sketch *s, enum sketch_kind kind, int64_t window_ms)
{
    return s && s->kind == kind && s->window_ms == window_ms;
}

/* --- windows ---------------------------------------------------------------------------------- */

static void clear_half(struct half *half, enum sketch_kind kind)
{
    if (kind == SKETCH_COUNT)
        for (size_t i = 0; i < ROWS * (size_t)WIDTH; i++)
            atomic_store_explicit(&half->counts->cells[i / WIDTH][i % WIDTH], 0,
                                  memory_order_relaxed);
    for (size_t i = 0; kind == SKETCH_DISTINCT && i < KEYS; i++)
        atomic_store_explicit(&half->distinct[i].key, 0, memory_order_relaxed);
}

/* The window that `now_ms` lies in; whoever comes first clears it. */
static struct half *this_half(struct sketch *s, int64_t period)
{
    struct half *half = &s->halves[period & 1];
    int64_t there = atomic_load_explicit(&half->period, memory_order_relaxed);
    if (there != period && there < period &&
        atomic_compare_exchange_strong(&half->period, &there, period))
        clear_half(half, s->kind);
    return half;
}

/* The one before, or NULL when nothing was in it. */
static struct half *half_before(struct sketch *s, int64_t period)
{
    struct half *half = &s->halves[(period - 1) & 1];
    return atomic_load_explicit(&half->period, memory_order_relaxed) == period - 1 ? half : NULL;
}

static double part_left(const struct sketch *s, int64_t now_ms)
{
    return (double)(s->window_ms - now_ms % s->window_ms) / (double)s->window_ms;
}

/* --- counts ----------------------------------------------------------------------------------- */

static void cells_of(struct half *half, uint64_t key, _Atomic uint32_t *cells[ROWS])
{
    for (int row = 0; row < ROWS; row++)
        cells[row] = &half->counts->cells[row][key >> 16 * row & (WIDTH - 1)];
}

static uint32_t least_of(_Atomic uint32_t *const cells[ROWS])
{
    uint32_t least = UINT32_MAX;
    for (int row = 0; row < ROWS; row++) {
        uint32_t there = atomic_load_explicit(cells[row], memory_order_relaxed);
        least = there < least ? there : least;
    }
    return least;
}

static void raise_to(_Atomic uint32_t *cell, uint32_t to)
{
    uint32_t there = atomic_load_explicit(cell, memory_order_relaxed);
    while (there < to && !atomic_compare_exchange_weak_explicit(
                             cell, &there, to, memory_order_relaxed, memory_order_relaxed))
        ;
}

uint64_t sketch_count(struct sketch *s, uint64_t key, int64_t now_ms, uint32_t by)
{
    int64_t period = now_ms / s->window_ms;
    _Atomic uint32_t *cells[ROWS];
    cells_of(this_half(s, period), key, cells);
    uint32_t now = least_of(cells);
    if (by && now <= UINT32_MAX - by) {
        now += by;
        for (int row = 0; row < ROWS; row++)
            raise_to(cells[row], now);
    }
    struct half *before = half_before(s, period);
    if (!before)
        return now;
    cells_of(before, key, cells);
    return now + (uint64_t)((double)least_of(cells) * part_left(s, now_ms));
}

/* --- distinct values -------------------------------------------------------------------------- */

static struct distinct *distinct_find(struct half *half, uint64_t key)
{
    struct distinct *set = &half->distinct[(key & (KEYS / KEY_WAYS - 1)) * KEY_WAYS];
    for (int i = 0; i < KEY_WAYS; i++)
        if (atomic_load_explicit(&set[i].key, memory_order_relaxed) == key)
            return &set[i];
    return NULL;
}

/* Of full sets the key that was met least gives way. */
static struct distinct *distinct_claim(struct half *half, uint64_t key)
{
    struct distinct *set = &half->distinct[(key & (KEYS / KEY_WAYS - 1)) * KEY_WAYS], *goes = set;
    uint32_t least = UINT32_MAX;
    for (int i = 0; i < KEY_WAYS; i++) {
        uint64_t there = atomic_load_explicit(&set[i].key, memory_order_relaxed);
        uint32_t seen = there ? atomic_load_explicit(&set[i].seen, memory_order_relaxed) : 0;
        if (seen < least) {
            least = seen;
            goes = &set[i];
        }
    }
    atomic_store_explicit(&goes->key, key, memory_order_relaxed);
    atomic_store_explicit(&goes->seen, 1, memory_order_relaxed);
    atomic_store_explicit(&goes->estimate, 0, memory_order_relaxed);
    for (int i = 0; i < REGISTERS; i++)
        atomic_store_explicit(&goes->registers[i], 0, memory_order_relaxed);
    return goes;
}

static uint32_t distinct_estimate(const struct distinct *d)
{
    double sum = 0;
    unsigned zeros = 0;
    for (int i = 0; i < REGISTERS; i++) {
        unsigned rank = atomic_load_explicit(&d->registers[i], memory_order_relaxed);
        zeros += !rank;
        sum += 1.0 / (double)(UINT64_C(1) << rank);
    }
    double raw = 0.7182725 * REGISTERS * REGISTERS / sum; /* alpha for 256 registers */
    if (raw <= 2.5 * REGISTERS && zeros)
        raw = REGISTERS * log((double)REGISTERS / zeros);
    return (uint32_t)(raw + 0.5);
}

static uint32_t distinct_add(struct distinct *d, uint64_t value)
{
    uint64_t hash = hash_mix(value ^ 0x5bd1e995u);
    _Atomic uint8_t *at = &d->registers[hash >> (64 - REGISTER_BITS)];
    uint64_t rest = hash << REGISTER_BITS | (UINT64_C(1) << (REGISTER_BITS - 1));
    uint8_t rank = (uint8_t)(__builtin_clzll(rest) + 1);
    uint8_t there = atomic_load_explicit(at, memory_order_relaxed);
    atomic_fetch_add_explicit(&d->seen, 1, memory_order_relaxed);
    if (there >= rank)
        return atomic_load_explicit(&d->estimate, memory_order_relaxed);
    atomic_store_explicit(at, rank, memory_order_relaxed);
    uint32_t estimate = distinct_estimate(d);
    atomic_store_explicit(&d->estimate, estimate, memory_order_relaxed);
    return estimate;
}

uint64_t sketch_distinct(struct sketch *s, uint64_t key, uint64_t value, int64_t now_ms)
{
    int64_t period = now_ms / s->window_ms;
    struct half *half = this_half(s, period), *before = half_before(s, period);
    key |= 1;
    struct distinct *d = distinct_find(half, key);
    uint64_t now = distinct_add(d ? d : distinct_claim(half, key), value);
    d = before ? distinct_find(before, key) : NULL;
    if (!d)
        return now;
    uint64_t old = (uint64_t)((double)atomic_load_explicit(&d->estimate, memory_order_relaxed) *
                              part_left(s, now_ms));
    return now > old ? now : old;
}

/* --- heavy keys ------------------------------------------------------------------------------- */

static uint64_t heavy_add(struct heavy *v, uint64_t key)
{
    size_t least = 0;
    v->total++;
    for (size_t i = 0; i < HEAVY; i++)
        if (v->keys[i] == key)
            return ++v->counts[i];
    for (size_t i = 1; i < HEAVY; i++)
        if (v->counts[i] < v->counts[least])
            least = i;
    v->keys[least] = key;
    return ++v->counts[least];
}

/* The only sketch whose update is more than one cell: who finds it busy does not count. */
uint64_t sketch_heavy(struct sketch *s, uint64_t key, int64_t now_ms, uint64_t *total)
{
    int64_t period = now_ms / s->window_ms;
    struct half *half = &s->halves[0];
    struct heavy *v = half->heavy;
    *total = 0;
    if (atomic_flag_test_and_set_explicit(&v->busy, memory_order_acquire))
        return 0;
    if (atomic_load_explicit(&half->period, memory_order_relaxed) != period) {
        atomic_store_explicit(&half->period, period, memory_order_relaxed);
        memset(v->keys, 0, sizeof v->keys);
        memset(v->counts, 0, sizeof v->counts);
        v->total = 0;
    }
    uint64_t count = heavy_add(v, key | 1);
    *total = v->total;
    atomic_flag_clear_explicit(&v->busy, memory_order_release);
    return count;
}
