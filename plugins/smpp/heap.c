/* SPDX-License-Identifier: Apache-2.0
 * A heap of messages by the time they may leave, and by number among equals. Thread: the worker's.
 */
#include "outbox.h"

static int is_before(const struct message *a, const struct message *b)
{
    if (a->not_before_ms != b->not_before_ms)
        return a->not_before_ms < b->not_before_ms;
    return a->number < b->number;
}

static void set(struct outbox *o, uint32_t at, struct message *m)
{
    o->heap[at] = m;
    m->heap_at = (int32_t)at + 1;
}

static void rise(struct outbox *o, uint32_t at)
{
    struct message *m = o->heap[at];
    while (at && is_before(m, o->heap[(at - 1) / 2])) {
        set(o, at, o->heap[(at - 1) / 2]);
        at = (at - 1) / 2;
    }
    set(o, at, m);
}

static void sink(struct outbox *o, uint32_t at)
{
    struct message *m = o->heap[at];
    for (uint32_t child; (child = at * 2 + 1) < o->n_heap; at = child) {
        if (child + 1 < o->n_heap && is_before(o->heap[child + 1], o->heap[child]))
            child++;
        if (!is_before(o->heap[child], m))
            break;
        set(o, at, o->heap[child]);
    }
    set(o, at, m);
}

void heap_add(struct outbox *o, struct message *m)
{
    if (o->n_heap == o->size_heap) {
        o->size_heap = o->size_heap ? o->size_heap * 2 : 64;
        o->heap = realloc(o->heap, o->size_heap * sizeof(struct message *));
        if (!o->heap)
            abort();
    }
    o->heap[o->n_heap] = m;
    rise(o, o->n_heap++);
}

void heap_remove(struct outbox *o, struct message *m)
{
    uint32_t at = (uint32_t)m->heap_at - 1;
    struct message *last = o->heap[--o->n_heap];
    m->heap_at = 0;
    if (last == m)
        return;
    o->heap[at] = last;
    rise(o, at);
    sink(o, (uint32_t)last->heap_at - 1);
}
