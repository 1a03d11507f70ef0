/* SPDX-License-Identifier: Apache-2.0
 * Idempotency keys of the memory store. Thread: any; one lock.
 */
#include "store/mem_int.h"
#include "base/clock.h"
#include <stdlib.h>

static wf_str name_of(struct arena *a, uint32_t source, wf_str key)
{
    return arena_printf(a, "%u:%.*s", source, STR_ARG(key));
}

static struct mem_key *find(struct mem_store *m, uint32_t source, wf_str key)
{
    char room[256];
    struct arena a;
    arena_init(&a, room, sizeof room);
    wf_str name = name_of(&a, source, key);
    struct mem_key *k = map_get(&m->keys, name.ptr, name.len);
    arena_fini(&a);
    return k;
}

static void drop(struct mem_store *m, struct mem_key *k)
{
    map_take(&m->keys, k->name.ptr, k->name.len);
    arena_fini(&k->arena);
    free(k);
}

static bool is_free(const struct mem_store *m, const struct mem_key *k)
{
    bool lives = k->owner && k->owner <= m->n_instances && !m->instances[k->owner - 1].left &&
                 !m->instances[k->owner - 1].taken_by;
    return k->expires_us <= clock_wall_us() || (!k->accepted && !lives);
}

static void make(struct mem_store *m, const struct store_key *key)
{
    struct mem_key *k = xcalloc(1, sizeof *k);
    arena_init(&k->arena, NULL, 0);
    k->name = name_of(&k->arena, key->source, key->key);
    k->print = arena_str(&k->arena, key->print.ptr, key->print.len);
    k->token = key->token;
    k->owner = key->instance;
    k->expires_us = clock_wall_us() + key->keep_ms * 1000;
    map_put(&m->keys, k->name.ptr, k->name.len, k);
}

int mem_key_claim(struct store *s, const struct store_key *key, struct arena *a,
                  struct store_key_found *found, struct err *err)
{
    (void)err;
    struct mem_store *m = mem_of(s);
    pthread_mutex_lock(&m->lock);
    struct mem_key *k = find(m, key->source, key->key);
    if (k && is_free(m, k)) {
        drop(m, k);
        k = NULL;
    }
    if (!k) {
        make(m, key);
        found->state = STORE_KEY_NEW;
    } else if (!str_eq(k->print, key->print)) {
        found->state = STORE_KEY_OTHER;
    } else if (!k->status) {
        found->state = STORE_KEY_BUSY;
    } else {
        found->state = STORE_KEY_ANSWERED;
        found->status = k->status;
        found->headers = arena_str(a, k->headers.ptr, k->headers.len);
        found->body = arena_str(a, k->body.ptr, k->body.len);
    }
    pthread_mutex_unlock(&m->lock);
    return 0;
}

int mem_key_release(struct store *s, const struct store_key *key, struct err *err)
{
    (void)err;
    struct mem_store *m = mem_of(s);
    pthread_mutex_lock(&m->lock);
    struct mem_key *k = find(m, key->source, key->key);
    if (k && k->token == key->token && !k->accepted)
        drop(m, k);
    pthread_mutex_unlock(&m->lock);
    return 0;
}

void mem_key_mark(struct mem_store *m, const struct store_key_mark *mark)
{
    struct mem_key *k = find(m, mark->exec.source, mark->key);
    if (!k || k->token != mark->token)
        return;
    k->accepted = true;
    if (!mark->status)
        return;
    k->status = mark->status;
    k->headers = arena_str(&k->arena, mark->headers.ptr, mark->headers.len);
    k->body = arena_str(&k->arena, mark->body.ptr, mark->body.len);
}

void mem_key_drop(struct mem_store *m, int64_t now_us)
{
    struct map_slot *slot;
    for (bool found = true; found;) { /* the map may not change while it is walked */
        struct mem_key *old = NULL;
        for (size_t at = 0; !old && map_each(&m->keys, &at, &slot);)
            if (((struct mem_key *)slot->value)->expires_us <= now_us)
                old = slot->value;
        found = old != NULL;
        if (found)
            drop(m, old);
    }
}
