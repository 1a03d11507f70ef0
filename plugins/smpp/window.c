/* SPDX-License-Identifier: Apache-2.0
 * The ring of requests under way. Thread: the owner's; nothing blocks.
 */
#include "window.h"
#include <stdlib.h>
#include <string.h>

/* The ring is twice as large as the limit, so that one answer that never comes costs little. */
void window_init(struct window *w, uint32_t limit)
{
    uint32_t slots = 2;
    memset(w, 0, sizeof *w);
    w->limit = limit < 1 ? 1 : limit > WINDOW_MAX ? WINDOW_MAX : limit;
    while (slots < w->limit * 2)
        slots *= 2;
    w->mask = slots - 1;
    w->slots = calloc(slots, sizeof *w->slots);
    if (!w->slots)
        abort();
}

void window_fini(struct window *w)
{
    free(w->slots);
    w->slots = NULL;
}

void window_clear(struct window *w)
{
    memset(w->slots, 0, (w->mask + 1u) * sizeof *w->slots);
    w->used = 0;
}

/* 1 to 0x7fffffff. */
uint32_t window_next(struct window *w)
{
    w->last = w->last >= 0x7fffffffu ? 1 : w->last + 1;
    return w->last;
}

uint32_t window_add(struct window *w, uint32_t command, uint64_t tag, int64_t now_ms)
{
    if (w->used >= w->limit)
        return 0;
    uint32_t sequence = window_next(w);
    while (w->slots[sequence & w->mask].sequence)
        sequence = window_next(w);
    w->slots[sequence & w->mask] = (struct window_slot){
        .sequence = sequence, .command = command, .sent_ms = now_ms, .tag = tag
    };
    w->used++;
    return sequence;
}

int window_take(struct window *w, uint32_t sequence, struct window_slot *slot)
{
    struct window_slot *found = &w->slots[sequence & w->mask];
    if (!sequence || found->sequence != sequence)
        return -1;
    *slot = *found;
    found->sequence = 0;
    w->used--;
    return 0;
}

int window_take_older(struct window *w, int64_t before_ms, uint32_t *at, struct window_slot *slot)
{
    for (; w->used && *at <= w->mask; ++*at) {
        struct window_slot *found = &w->slots[*at];
        if (!found->sequence || found->sent_ms >= before_ms)
            continue;
        *slot = *found;
        found->sequence = 0;
        w->used--;
        return 1;
    }
    return 0;
}
