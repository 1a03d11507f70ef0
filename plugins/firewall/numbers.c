/* SPDX-License-Identifier: Apache-2.0
 * The set of numbers: building, looking, merging. numbers_file.c keeps it in files.
 *
 *   x = spread(number)            a bijection of 50 bits
 *   bucket = x >> (50 - bits)     starts[bucket] .. starts[bucket + 1] are its places
 *   rest   = low bits of x        at most 32, kept in `rests`, sorted within the bucket
 *
 * Thread: any; what is shared is immutable but for reference counts.
 */
#include "numbers_int.h"
#include "hash.h"
#include <sys/mman.h>

enum { BITS_MIN = 18, BITS_MAX = 28, PER_BUCKET = 12, AHEAD = 12 };
#define MASK_50 ((UINT64_C(1) << NUMBERS_BITS) - 1)

uint64_t number_parse(const char *text, size_t len)
{
    uint64_t n = 0;
    unsigned digits = 0;
    if (len > 0 && *text == '+') {
        text++;
        len--;
    } else if (len > 2 && text[0] == '0' && text[1] == '0') {
        text += 2;
        len -= 2;
    }
    for (; len; text++, len--) {
        unsigned digit = (unsigned char)*text - (unsigned)'0';
        if (digit <= 9) {
            if (++digits > 15 || !(n = n * 10 + digit))
                return 0; /* no country's number begins with 0: it is a national one */
        } else if (!digits || (*text != ' ' && *text != '-' && *text != '.' && *text != '(' &&
                               *text != ')' && *text != '/')) {
            return 0;
        }
    }
    return digits >= 3 ? n : 0;
}

/* --- the bijection ---------------------------------------------------------------------------- */

static uint64_t spread(uint64_t x)
{
    x = x * 0x3f4a7c15u & MASK_50;
    x ^= x >> 25;
    x = x * UINT64_C(0x1ce4e5b9bf58d) & MASK_50;
    return x ^ x >> 25;
}

/* Of an odd number modulo 2^64, by Newton. */
static uint64_t inverse(uint64_t odd)
{
    uint64_t x = odd;
    for (int i = 0; i < 6; i++)
        x *= 2 - odd * x;
    return x;
}

static uint64_t gather(uint64_t x)
{
    x ^= x >> 25;
    x = x * inverse(UINT64_C(0x1ce4e5b9bf58d)) & MASK_50;
    x ^= x >> 25;
    return x * inverse(0x3f4a7c15u) & MASK_50;
}

/* --- building --------------------------------------------------------------------------------- */

struct numbers_builder {
    uint64_t *numbers;
    uint32_t *expires; /* NULL while none expires */
    size_t n, size;
};

struct numbers_builder *numbers_builder_create(void)
{
    return must(calloc(1, sizeof(struct numbers_builder)));
}

void numbers_builder_add(struct numbers_builder *b, uint64_t number, uint32_t expires_s)
{
    if (!number || number > MASK_50)
        return;
    if (b->n == b->size) {
        size_t size = b->size ? b->size + b->size / 2 : 4096;
        b->numbers = must(realloc(b->numbers, size * sizeof *b->numbers));
        if (b->expires) {
            b->expires = must(realloc(b->expires, size * sizeof *b->expires));
            memset(b->expires + b->size, 0, (size - b->size) * sizeof *b->expires);
        }
        b->size = size;
    }
    if (expires_s && !b->expires)
        b->expires = must(calloc(b->size, sizeof *b->expires));
    b->numbers[b->n] = number;
    if (b->expires)
        b->expires[b->n] = expires_s;
    b->n++;
}

size_t numbers_builder_count(const struct numbers_builder *b) { return b->n; }

void numbers_builder_free(struct numbers_builder *b)
{
    if (!b)
        return;
    free(b->numbers);
    free(b->expires);
    free(b);
}

static unsigned bits_for(size_t n)
{
    unsigned bits = BITS_MIN;
    while (bits < BITS_MAX && (n >> bits) > PER_BUCKET)
        bits++;
    return bits;
}

static struct numbers *numbers_make(size_t n, unsigned bits, int has_expiry)
{
    struct numbers *s = must(calloc(1, sizeof *s));
    atomic_init(&s->refs, 1);
    s->bits = bits;
    s->rest_bits = NUMBERS_BITS - bits;
    s->n = n;
    size_t starts = ((size_t)1 << bits) + 2;
    s->own_starts = must(calloc(starts, sizeof *s->own_starts));
    s->own_rests = must(malloc((n + 1) * sizeof *s->own_rests));
    madvise(s->own_starts, starts * sizeof *s->own_starts, MADV_HUGEPAGE);
    madvise(s->own_rests, (n + 1) * sizeof *s->own_rests, MADV_HUGEPAGE);
    if (has_expiry)
        s->own_expires = must(malloc((n + 1) * sizeof *s->own_expires));
    s->starts = s->own_starts;
    s->rests = s->own_rests;
    s->expires = s->own_expires;
    return s;
}

/* Counts into starts[bucket + 2], sums, and places by starts[bucket + 1]: it ends as the beginning
 * of the next bucket, so no second array is needed. */
static void numbers_place(struct numbers *s, const struct numbers_builder *b)
{
    uint32_t *starts = s->own_starts;
    uint64_t mask = (UINT64_C(1) << s->rest_bits) - 1;
    size_t buckets = (size_t)1 << s->bits;
    for (size_t i = 0; i < b->n; i++)
        starts[(spread(b->numbers[i]) >> s->rest_bits) + 2]++;
    for (size_t i = 2; i < buckets + 2; i++)
        starts[i] += starts[i - 1];
    for (size_t i = 0; i < b->n; i++) {
        uint64_t x = spread(b->numbers[i]);
        uint32_t at = starts[(x >> s->rest_bits) + 1]++;
        s->own_rests[at] = (uint32_t)(x & mask);
        if (s->own_expires)
            s->own_expires[at] = b->expires ? b->expires[i] : NUMBERS_NEVER;
    }
}

/* Insertion, stable: of equal ones the last added stands last. */
static void sort_bucket(uint32_t *rests, uint32_t *expires, size_t n)
{
    for (size_t i = 1; i < n; i++) {
        uint32_t rest = rests[i], expiry = expires ? expires[i] : 0;
        size_t k = i;
        for (; k > 0 && rests[k - 1] > rest; k--) {
            rests[k] = rests[k - 1];
            if (expires)
                expires[k] = expires[k - 1];
        }
        rests[k] = rest;
        if (expires)
            expires[k] = expiry;
    }
}

/* Sorts each bucket and takes doubles out, closing the gaps. */
static void tidy(struct numbers *s)
{
    size_t buckets = (size_t)1 << s->bits;
    uint32_t to = 0, from = 0;
    uint32_t *rests = s->own_rests, *expires = s->own_expires;
    for (size_t bucket = 0; bucket < buckets; bucket++) {
        uint32_t end = s->own_starts[bucket + 1];
        sort_bucket(rests + from, expires ? expires + from : NULL, end - from);
        s->own_starts[bucket] = to;
        for (uint32_t i = from; i < end; i++) {
            if (i + 1 < end && rests[i + 1] == rests[i])
                continue; /* the later one counts */
            rests[to] = rests[i];
            if (expires)
                expires[to] = expires[i];
            to++;
        }
        from = end;
    }
    s->own_starts[buckets] = to;
    s->n = to;
}

struct numbers *numbers_builder_finish(struct numbers_builder *b)
{
    struct numbers *s = numbers_make(b->n, bits_for(b->n), b->expires != NULL);
    numbers_place(s, b);
    tidy(s);
    numbers_builder_free(b);
    return s;
}

/* --- references ------------------------------------------------------------------------------- */

struct numbers *numbers_ref(struct numbers *s)
{
    if (s)
        atomic_fetch_add_explicit(&s->refs, 1, memory_order_relaxed);
    return s;
}

void numbers_unref(struct numbers *s)
{
    if (!s || atomic_fetch_sub_explicit(&s->refs, 1, memory_order_acq_rel) != 1)
        return;
    if (s->map)
        munmap(s->map, s->map_bytes);
    free(s->own_starts);
    free(s->own_rests);
    free(s->own_expires);
    free(s);
}

size_t numbers_count(const struct numbers *s) { return s ? s->n : 0; }

size_t numbers_bytes(const struct numbers *s)
{
    if (!s)
        return 0;
    return (((size_t)1 << s->bits) + 2) * 4 + s->n * (s->expires ? 8 : 4);
}

void numbers_each(const struct numbers *s, void (*each)(void *, uint64_t, uint32_t), void *arg)
{
    for (size_t bucket = 0; s && bucket < (size_t)1 << s->bits; bucket++)
        for (uint32_t i = s->starts[bucket]; i < s->starts[bucket + 1]; i++)
            each(arg, gather((uint64_t)bucket << s->rest_bits | s->rests[i]),
                 s->expires ? s->expires[i] : NUMBERS_NEVER);
}

/* --- looking ---------------------------------------------------------------------------------- */

static int has(const struct numbers *s, uint64_t x, uint32_t now_s)
{
    size_t bucket = x >> s->rest_bits;
    uint32_t rest = (uint32_t)(x & ((UINT64_C(1) << s->rest_bits) - 1));
    uint32_t i = s->starts[bucket], end = s->starts[bucket + 1];
    while (i < end && s->rests[i] != rest)
        i++;
    return i < end && (!s->expires || !s->expires[i] || s->expires[i] > now_s);
}

/* Begins of buckets are fetched two steps ahead, buckets one step. */
static void look_base(const struct numbers *s, uint32_t now_s, const uint64_t *numbers, size_t n,
                      uint8_t *hits)
{
    const size_t far = (size_t)AHEAD * 2;
    uint64_t x[AHEAD * 2];
    for (size_t i = 0; i < n + far; i++) {
        if (i >= far)
            hits[i - far] = numbers[i - far] && has(s, x[i % far], now_s);
        if (i >= AHEAD && i - AHEAD < n)
            __builtin_prefetch(&s->rests[s->starts[x[(i - AHEAD) % far] >> s->rest_bits]]);
        if (i < n) {
            x[i % far] = spread(numbers[i] & MASK_50);
            __builtin_prefetch(&s->starts[x[i % far] >> s->rest_bits]);
        }
    }
}

void numbers_look(const struct numbers *s, const struct numbers_delta *d, uint32_t now_s,
                  const uint64_t *numbers, size_t n, uint8_t *hits)
{
    if (s && s->n)
        look_base(s, now_s, numbers, n, hits);
    else
        memset(hits, 0, n);
    for (size_t i = 0; d && d->n && i < n; i++) {
        const struct delta_entry *e = delta_find(d, numbers[i]);
        if (e)
            hits[i] = !(e->number & DELTA_REMOVED) && (!e->expires_s || e->expires_s > now_s);
    }
}

/* --- merging ---------------------------------------------------------------------------------- */

struct merge {
    struct numbers_builder *builder;
    const struct numbers_delta *delta;
    uint32_t now_s;
};

static void merge_one(void *arg, uint64_t number, uint32_t expires_s)
{
    struct merge *m = arg;
    if (!delta_find(m->delta, number) && (!expires_s || expires_s > m->now_s))
        numbers_builder_add(m->builder, number, expires_s);
}

struct numbers *numbers_merge(const struct numbers *s, const struct numbers_delta *d,
                              uint32_t now_s)
{
    struct merge m = { numbers_builder_create(), d, now_s };
    numbers_each(s, merge_one, &m);
    for (size_t i = 0; d && i < d->size; i++) {
        const struct delta_entry *e = &d->entries[i];
        if (e->number && !(e->number & DELTA_REMOVED) && (!e->expires_s || e->expires_s > now_s))
            numbers_builder_add(m.builder, e->number, e->expires_s);
    }
    return numbers_builder_finish(m.builder);
}
