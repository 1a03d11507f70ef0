/* SPDX-License-Identifier: Apache-2.0
 * When each recipient was sent to last, for accounts that keep a distance. A table of hashes that
 * forgets by itself: entries whose time is over are as good as empty. Thread: the worker's.
 */
#include "outbox.h"

enum { TABLE_MIN = 1024, TABLE_MAX = 1 << 21 };

struct recipient {
    uint32_t hash;
    int64_t free_ms; /* the next message may leave then; 0: empty */
};

struct recipients {
    int64_t distance_ms;
    uint32_t mask, used;
    struct recipient *table;
};

static struct recipient *new_table(size_t size)
{
    struct recipient *table = calloc(size ? size : 1, sizeof *table);
    if (!table)
        abort();
    return table;
}

struct recipients *recipients_create(int64_t distance_ms)
{
    struct recipients *r = calloc(1, sizeof *r);
    if (!r)
        abort();
    *r = (struct recipients){ .distance_ms = distance_ms,
                              .mask = TABLE_MIN - 1,
                              .table = new_table(TABLE_MIN) };
    return r;
}

void recipients_destroy(struct recipients *r)
{
    if (r)
        free(r->table);
    free(r);
}

static struct recipient *find(struct recipients *r, uint32_t hash)
{
    uint32_t at = hash & r->mask;
    while (r->table[at].free_ms && r->table[at].hash != hash)
        at = (at + 1) & r->mask;
    return &r->table[at];
}

/* Leaves out what is over; twice as large when that was not much. */
static void rebuild(struct recipients *r, int64_t now_ms)
{
    struct recipient *old = r->table;
    uint32_t size = r->mask + 1, live = 0;
    for (uint32_t i = 0; i < size; i++)
        live += old[i].free_ms > now_ms;
    if (live > size / 4 && size < TABLE_MAX)
        r->mask = size * 2 - 1;
    else if (live > size / 2)
        live = 0; /* more than anybody needs: begin again */
    r->table = new_table((size_t)r->mask + 1);
    r->used = live;
    for (uint32_t i = 0; live && i < size; i++)
        if (old[i].free_ms > now_ms)
            *find(r, old[i].hash) = old[i];
    free(old);
}

int64_t recipients_next(struct recipients *r, uint32_t hash, int64_t now_ms)
{
    if (r->used > r->mask / 2)
        rebuild(r, now_ms);
    struct recipient *found = find(r, hash);
    r->used += !found->free_ms;
    int64_t at_ms = found->free_ms > now_ms ? found->free_ms : now_ms;
    *found = (struct recipient){ hash, at_ms + r->distance_ms };
    return at_ms;
}
