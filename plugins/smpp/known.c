/* SPDX-License-Identifier: Apache-2.0
 * The last states of messages, for query_sm: a table of fixed size in which the newer one of two
 * that fall together stays. Thread: the worker's. Nothing allocates after known_create().
 */
#include "server.h"

enum { KNOWN_SLOTS = 1 << 16 };

struct known_slot {
    uint64_t hash; /* of tenant and id; 0: empty */
    uint8_t state;
};

struct known {
    struct known_slot slots[KNOWN_SLOTS];
};

struct known *known_create(void)
{
    struct known *k = calloc(1, sizeof *k);
    if (!k)
        abort();
    return k;
}

void known_destroy(struct known *k) { free(k); }

static uint64_t hash_of(const char *tenant_id, const char *id, size_t id_len)
{
    uint64_t h = 0xcbf29ce484222325u;
    for (; *tenant_id; tenant_id++)
        h = (h ^ (uint8_t)*tenant_id) * 0x100000001b3u;
    h = (h ^ 0xff) * 0x100000001b3u;
    for (size_t i = 0; i < id_len; i++)
        h = (h ^ (uint8_t)id[i]) * 0x100000001b3u;
    h ^= h >> 29;
    return h ? h : 1;
}

void known_set(struct known *k, const char *tenant_id, const char *id, unsigned state)
{
    uint64_t hash = hash_of(tenant_id, id, strlen(id));
    k->slots[hash % KNOWN_SLOTS] = (struct known_slot){ hash, (uint8_t)state };
}

int known_get(const struct known *k, const char *tenant_id, const char *id, size_t id_len)
{
    uint64_t hash = hash_of(tenant_id, id, id_len);
    const struct known_slot *slot = &k->slots[hash % KNOWN_SLOTS];
    return slot->hash == hash ? slot->state : -1;
}
