/* SPDX-License-Identifier: Apache-2.0
 * sink_later.c - a wheel of 65,536 slots of a millisecond each.
 *
 * At 200,000 messages a second and a second of delay there are as many receipts waiting, so adding
 * and taking cost the same whatever waits: a slot is a list in the order of coming, entries come
 * from one block and are named by number, because the block moves when it grows. What is due later
 * than the wheel is long stays in its slot for another round.
 *
 * Thread: the loop's.
 */
#include "sink.h"
#include <stdlib.h>

static void grow(struct laters *l)
{
    uint32_t room = l->room ? l->room * 2 : 4096;
    l->all = realloc(l->all, room * sizeof *l->all);
    if (!l->all)
        abort();
    for (uint32_t i = l->room ? l->room : 1; i < room; i++)
        l->all[i].next = i + 1 < room ? i + 1 : 0;
    l->free = l->room ? l->room : 1;
    l->room = room;
}

static void append(struct laters *l, uint32_t at, int64_t slot_ms)
{
    uint32_t slot = (uint32_t)slot_ms & (LATER_SLOTS - 1);
    l->all[at].next = 0;
    if (l->slots[slot].first)
        l->all[l->slots[slot].last].next = at;
    else
        l->slots[slot].first = at;
    l->slots[slot].last = at;
}

struct later *later_add(struct laters *l, int64_t due_ms)
{
    if (!l->free)
        grow(l);
    uint32_t at = l->free;
    l->free = l->all[at].next;
    l->count++;
    l->all[at].due_ms = due_ms;
    append(l, at, due_ms > l->done_ms ? due_ms : l->done_ms + 1);
    return &l->all[at];
}

static void run_slot(struct laters *l, int64_t slot_ms, int64_t now_ms,
                     void (*take)(void *, const struct later *), void *arg)
{
    uint32_t slot = (uint32_t)slot_ms & (LATER_SLOTS - 1), at = l->slots[slot].first;
    l->slots[slot].first = l->slots[slot].last = 0;
    while (at) {
        uint32_t next = l->all[at].next;
        if (l->all[at].due_ms > now_ms) {
            append(l, at, slot_ms);
        } else {
            struct later copy = l->all[at]; /* the block may move under `take` */
            l->all[at].next = l->free;
            l->free = at;
            l->count--;
            take(arg, &copy);
        }
        at = next;
    }
}

void laters_run(struct laters *l, int64_t now_ms, void (*take)(void *, const struct later *),
                void *arg)
{
    if (l->count == 0) {
        l->done_ms = now_ms;
        return;
    }
    if (now_ms - l->done_ms > LATER_SLOTS)
        l->done_ms = now_ms - LATER_SLOTS;
    while (l->done_ms < now_ms) {
        l->done_ms++;
        run_slot(l, l->done_ms, now_ms, take, arg);
    }
}
