/* SPDX-License-Identifier: Apache-2.0
 * Open addressing with linear probing and backward-shift deletion, at most 3/4 full.
 */
#include "base/map.h"
#include "base/err.h"
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

static uint64_t hash_seed(void)
{
    static uint64_t seed;
    uint64_t s = __atomic_load_n(&seed, __ATOMIC_RELAXED);
    if (s)
        return s;
    if (getrandom(&s, sizeof s, 0) != (ssize_t)sizeof s || !s)
        s = 0x9e3779b97f4a7c15u;
    uint64_t none = 0;
    if (!__atomic_compare_exchange_n(&seed, &none, s, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED))
        s = none;
    return s;
}

static uint64_t mix(uint64_t a, uint64_t b)
{
    __uint128_t product = (__uint128_t)a * b;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

uint64_t map_hash(const char *key, size_t len)
{
    uint64_t h = hash_seed() ^ len;
    while (len >= 8) {
        uint64_t word;
        memcpy(&word, key, 8);
        h = mix(h ^ word, 0xa0761d6478bd642fu);
        key += 8;
        len -= 8;
    }
    uint64_t tail = 0;
    if (len)
        memcpy(&tail, key, len);
    h = mix(h ^ tail, 0xe7037ed1a0b428dbu);
    return h ? h : 1;
}

void map_init(struct map *m) { *m = (struct map){ 0 }; }

void map_fini(struct map *m)
{
    for (size_t i = 0; i < m->size; i++)
        if (m->slots[i].hash && m->slots[i].owned)
            free((char *)m->slots[i].key);
    free(m->slots);
    map_init(m);
}

static struct map_slot *slot_find(const struct map *m, const char *key, size_t len, uint64_t hash)
{
    for (size_t i = hash & (m->size - 1);; i = (i + 1) & (m->size - 1)) {
        struct map_slot *slot = &m->slots[i];
        if (!slot->hash ||
            (slot->hash == hash && slot->key_len == len && (!len || !memcmp(slot->key, key, len))))
            return slot;
    }
}

static void map_grow(struct map *m)
{
    struct map old = *m;
    m->size = old.size ? old.size * 2 : 16;
    m->slots = xcalloc(m->size, sizeof *m->slots);
    for (size_t i = 0; i < old.size; i++)
        if (old.slots[i].hash)
            *slot_find(m, old.slots[i].key, old.slots[i].key_len, old.slots[i].hash) = old.slots[i];
    free(old.slots);
}

void *map_get(const struct map *m, const char *key, size_t len)
{
    if (!m->used)
        return NULL;
    struct map_slot *slot = slot_find(m, key, len, map_hash(key, len));
    return slot->hash ? slot->value : NULL;
}

static void *put(struct map *m, const char *key, size_t len, void *value, bool copy)
{
    BUG_IF(!value);
    if (m->used * 4 >= m->size * 3)
        map_grow(m);
    uint64_t hash = map_hash(key, len);
    struct map_slot *slot = slot_find(m, key, len, hash);
    if (slot->hash) {
        void *old = slot->value;
        slot->value = value;
        return old;
    }
    if (copy) {
        char *owned = xmalloc(len + 1);
        memcpy(owned, key, len);
        owned[len] = 0;
        key = owned;
    }
    *slot = (struct map_slot){ key, len, hash, value, copy };
    m->used++;
    return NULL;
}

void *map_put(struct map *m, const char *key, size_t len, void *value)
{
    return put(m, key, len, value, false);
}

void *map_put_copy(struct map *m, const char *key, size_t len, void *value)
{
    return put(m, key, len, value, true);
}

/* Moves later entries of the probe run back into the hole, so that look-ups need no tombstones. */
static void close_hole(struct map *m, size_t hole)
{
    size_t mask = m->size - 1;
    for (size_t i = (hole + 1) & mask; m->slots[i].hash; i = (i + 1) & mask) {
        size_t home = m->slots[i].hash & mask;
        if (((i - home) & mask) >= ((i - hole) & mask)) {
            m->slots[hole] = m->slots[i];
            hole = i;
        }
    }
    m->slots[hole] = (struct map_slot){ 0 };
}

void *map_take(struct map *m, const char *key, size_t len)
{
    if (!m->used)
        return NULL;
    struct map_slot *slot = slot_find(m, key, len, map_hash(key, len));
    if (!slot->hash)
        return NULL;
    void *value = slot->value;
    if (slot->owned)
        free((char *)slot->key);
    close_hole(m, (size_t)(slot - m->slots));
    m->used--;
    return value;
}

bool map_each(const struct map *m, size_t *at, struct map_slot **slot)
{
    while (*at < m->size) {
        struct map_slot *s = &m->slots[(*at)++];
        if (s->hash) {
            *slot = s;
            return true;
        }
    }
    return false;
}
