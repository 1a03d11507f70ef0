/* SPDX-License-Identifier: Apache-2.0
 * Messages sent of late by this worker: a receipt comes seconds after its message, so nearly all of
 * them find it here and ask no database.
 *
 * Records lie in a ring of bytes, one behind the other, so that adding one allocates nothing and
 * the oldest goes when room is needed. A table finds them, in buckets of four; where a fifth record
 * falls into one the oldest is forgotten, which costs a query later and nothing else.
 *
 * Thread: one per worker; the pointer to it is the thread's.
 */
#include "messages_int.h"

enum { RING_BYTES = 64 << 20, BUCKETS = 1 << 18, WAYS = 4, ALIGN = 8 };

struct record {
    uint64_t serial; /* bytes written before it: tells whether it was overwritten */
    uint32_t key_len, context_len;
    struct known known;
    uint32_t hash_high;
    char bytes[]; /* key, context */
};

struct cache {
    unsigned users;
    uint64_t written;          /* bytes ever */
    uint64_t (*buckets)[WAYS]; /* serial + 1 of a record; 0: none */
    char *ring;
};

static _Thread_local struct cache *own;

struct cache *cache_get(void)
{
    if (!own) {
        own = calloc(1, sizeof *own);
        if (!own || !(own->ring = malloc(RING_BYTES)) ||
            !(own->buckets = calloc(BUCKETS, sizeof *own->buckets)))
            abort();
    }
    own->users++;
    return own;
}

void cache_put_back(struct cache *c)
{
    if (--c->users)
        return;
    free(c->ring);
    free(c->buckets);
    free(c);
    own = NULL;
}

/* FNV-1a over the three names with a separator between them; finished so that the low bits, which
 * choose the slot, depend on all others. */
static uint64_t hash_of(const struct place *at)
{
    const wf_str parts[] = { at->provider_id, at->account, at->channel };
    uint64_t hash = 1469598103934665603u;
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        for (size_t k = 0; k < parts[i].len; k++)
            hash = (hash ^ (unsigned char)parts[i].ptr[k]) * 1099511628211u;
        hash = (hash ^ 0xFFu) * 1099511628211u;
    }
    return hash ^ hash >> 29;
}

static size_t key_length(const struct place *at)
{
    return at->channel.len + at->account.len + at->provider_id.len + 2;
}

static void key_write(char *to, const struct place *at)
{
    const wf_str parts[] = { at->channel, at->account, at->provider_id };
    for (size_t i = 0; i < 3; i++) {
        if (parts[i].len)
            memcpy(to, parts[i].ptr, parts[i].len);
        to += parts[i].len;
        if (i < 2)
            *to++ = 0;
    }
}

static bool key_is(const char *key, size_t len, const struct place *at)
{
    const wf_str parts[] = { at->channel, at->account, at->provider_id };
    if (len != key_length(at))
        return false;
    for (size_t i = 0; i < 3; i++) {
        if (parts[i].len && memcmp(key, parts[i].ptr, parts[i].len))
            return false;
        key += parts[i].len;
        if (i < 2 && *key++)
            return false;
    }
    return true;
}

/* NULL: overwritten since. */
static struct record *record_at(struct cache *c, uint64_t serial)
{
    if (serial + RING_BYTES < c->written)
        return NULL;
    struct record *r = (struct record *)(void *)(c->ring + serial % RING_BYTES);
    return r->serial == serial ? r : NULL;
}

static struct record *find(struct cache *c, const struct place *at, uint64_t hash)
{
    const uint64_t *bucket = c->buckets[hash % BUCKETS];
    for (size_t i = 0; i < WAYS; i++) {
        struct record *r = bucket[i] ? record_at(c, bucket[i] - 1) : NULL;
        if (r && r->hash_high == (uint32_t)(hash >> 32) && key_is(r->bytes, r->key_len, at))
            return r;
    }
    return NULL;
}

/* The way that `old` has, or the one written longest ago. */
static uint64_t *way_for(struct cache *c, const struct record *old, uint64_t hash)
{
    uint64_t *bucket = c->buckets[hash % BUCKETS], *way = bucket;
    for (size_t i = 0; i < WAYS; i++) {
        if (old && bucket[i] == old->serial + 1)
            return &bucket[i];
        if (bucket[i] < *way)
            way = &bucket[i];
    }
    return way;
}

struct known *cache_find(struct cache *c, const struct place *at, wf_str *context)
{
    struct record *r = find(c, at, hash_of(at));
    if (!r)
        return NULL;
    *context = (wf_str){ r->bytes + r->key_len, r->context_len };
    return &r->known;
}

void cache_add(struct cache *c, const struct place *at, wf_str context, uint32_t seen)
{
    uint64_t hash = hash_of(at);
    struct record *old = find(c, at, hash);
    if (old)
        seen |= old->known.seen;
    size_t key_len = key_length(at), len = sizeof(struct record) + key_len + context.len;
    len = (len + ALIGN - 1) & ~(size_t)(ALIGN - 1);
    if (len > RING_BYTES / 16)
        return; /* no message is that large: a query will find it */
    size_t place = c->written % RING_BYTES;
    if (place + len > RING_BYTES) /* records lie in one piece */
        c->written += RING_BYTES - place;
    uint64_t *way = way_for(c, old, hash);
    struct record *r = (struct record *)(void *)(c->ring + c->written % RING_BYTES);
    *r = (struct record){ .serial = c->written,
                          .key_len = (uint32_t)key_len,
                          .context_len = (uint32_t)context.len,
                          .known.seen = seen,
                          .hash_high = (uint32_t)(hash >> 32) };
    key_write(r->bytes, at);
    memcpy(r->bytes + key_len, context.ptr, context.len);
    *way = c->written + 1;
    c->written += len;
}
