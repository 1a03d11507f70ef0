/* SPDX-License-Identifier: Apache-2.0
 * map: the one hash map: byte-string key -> void *. Keys are borrowed unless map_put_copy is used.
 * For names and registries; the message path uses integers. Seeded per process, so outsiders cannot
 * aim collisions at it. Thread: the owner's.
 */
#ifndef CATALYST_MAP_H
#define CATALYST_MAP_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct map_slot {
    const char *key;
    size_t key_len;
    uint64_t hash; /* 0: free */
    void *value;
    bool owned; /* key is ours to free */
};

struct map {
    struct map_slot *slots;
    size_t size, used; /* size is a power of two, or 0 */
};

void map_init(struct map *m);
void map_fini(struct map *m);
/* Returns the value, or NULL. */
void *map_get(const struct map *m, const char *key, size_t len);
/* Sets key to value (not NULL); returns the old value or NULL. The key must outlive its entry. */
void *map_put(struct map *m, const char *key, size_t len, void *value);
/* As map_put, with a copy of the key. */
void *map_put_copy(struct map *m, const char *key, size_t len, void *value);
/* Removes the key and returns its value, or NULL. */
void *map_take(struct map *m, const char *key, size_t len);
/* Walks all entries: start with at = 0; returns false at the end. */
bool map_each(const struct map *m, size_t *at, struct map_slot **slot);
/* The hash behind the map, for other tables. Never 0. */
uint64_t map_hash(const char *key, size_t len);
#endif
