/* SPDX-License-Identifier: Apache-2.0
 * A map from text to pointers, for alerts by fingerprint, groups by key and the like. Keys are
 * copied, values are the caller's. Iteration is in no order, and what is visited may be removed.
 * Thread: any.
 */
#ifndef PLUGIN_NOTIFY_MAP_H
#define PLUGIN_NOTIFY_MAP_H
#include "memory.h"

struct map_entry {
    struct map_entry *next;
    uint64_t hash;
    void *value;
    char key[];
};

struct map {
    struct map_entry **buckets;
    size_t n, size;
};

static inline struct map_entry **map_place(const struct map *m, const char *key, uint64_t hash)
{
    struct map_entry **at = &m->buckets[hash & (m->size - 1)];
    while (*at && ((*at)->hash != hash || strcmp((*at)->key, key) != 0))
        at = &(*at)->next;
    return at;
}

static inline void *map_get(const struct map *m, const char *key)
{
    struct map_entry *e =
        m->n ? *map_place(m, key, memory_hash(memory_hash_begin, key, strlen(key))) : NULL;
    return e ? e->value : NULL;
}

static inline void map_rehash(struct map *m)
{
    struct map bigger = { .size = m->size ? m->size * 2 : 16, .n = m->n };
    bigger.buckets = memory_get(bigger.size * sizeof *bigger.buckets);
    for (size_t i = 0; i < m->size; i++)
        for (struct map_entry *e = m->buckets[i], *next; e; e = next) {
            struct map_entry **to = &bigger.buckets[e->hash & (bigger.size - 1)];
            next = e->next;
            e->next = *to;
            *to = e;
        }
    free(m->buckets);
    *m = bigger;
}

/* Returns the value that was there, or NULL. */
static inline void *map_set(struct map *m, const char *key, void *value)
{
    size_t len = strlen(key);
    uint64_t hash = memory_hash(memory_hash_begin, key, len);
    if (m->n >= m->size)
        map_rehash(m);
    struct map_entry **at = map_place(m, key, hash);
    if (*at) {
        void *old = (*at)->value;
        (*at)->value = value;
        return old;
    }
    struct map_entry *e = memory_get(sizeof *e + len + 1);
    memcpy(e->key, key, len + 1);
    e->hash = hash;
    e->value = value;
    *at = e;
    m->n++;
    return NULL;
}

/* Returns the value that was there, or NULL. */
static inline void *map_take(struct map *m, const char *key)
{
    if (!m->n)
        return NULL;
    struct map_entry **at = map_place(m, key, memory_hash(memory_hash_begin, key, strlen(key)));
    struct map_entry *e = *at;
    if (!e)
        return NULL;
    void *value = e->value;
    *at = e->next;
    m->n--;
    free(e);
    return value;
}

/* The entries one after the other: map_next(m, NULL) is the first. Only the entry last returned may
 * be removed, by map_take() with its key after `next` was asked for. */
static inline struct map_entry *map_next(const struct map *m, const struct map_entry *e)
{
    if (e && e->next)
        return e->next;
    for (size_t i = e ? (e->hash & (m->size - 1)) + 1 : 0; i < m->size; i++)
        if (m->buckets[i])
            return m->buckets[i];
    return NULL;
}

#define MAP_EACH(m, e)                                                                             \
    for (struct map_entry *e = map_next(m, NULL), *e##_next = e ? map_next(m, e) : NULL; e;        \
         e = e##_next, e##_next = e ? map_next(m, e) : NULL)

/* Frees the map; the values are the caller's. */
static inline void map_fini(struct map *m)
{
    MAP_EACH(m, e)
    free(e);
    free(m->buckets);
    *m = (struct map){ 0 };
}

#endif
