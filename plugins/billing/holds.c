/* SPDX-License-Identifier: Apache-2.0
 * What became of recent messages: a ring of the latest ones, and an index of open addressing over
 * it. The ring's oldest makes room, and the latest time of all that did is kept: a message that is
 * later than it cannot have been forgotten.
 *
 * Thread: the worker's.
 */
#include "billing_int.h"
#include <stdlib.h>

enum { HOLDS = 1 << 18, SLOTS = HOLDS * 2, AHEAD_MS = 5000 };

void holds_open(struct worker *w)
{
    w->holds = worker_memory(sizeof *w->holds * HOLDS); /* pages that nobody touched cost nothing */
    w->hold_slots = worker_memory(sizeof *w->hold_slots * SLOTS);
    w->n_holds = 0;
}

void holds_close(struct worker *w)
{
    free(w->holds);
    free(w->hold_slots);
    w->holds = NULL;
    w->hold_slots = NULL;
}

/* The slot of a key, or the free one where it belongs. A slot holds the hold's number plus one. */
static uint32_t slot_of(const struct worker *w, uint64_t key)
{
    uint32_t at = (uint32_t)key & (SLOTS - 1);
    while (w->hold_slots[at] && w->holds[w->hold_slots[at] - 1].key != key)
        at = (at + 1) & (SLOTS - 1);
    return at;
}

struct hold *hold_find(struct worker *w, uint64_t key)
{
    uint32_t number = w->hold_slots[slot_of(w, key)];
    return number ? &w->holds[number - 1] : NULL;
}

/* Those behind it that would not be found over the gap move up. */
static void slot_free(struct worker *w, uint32_t gap)
{
    for (uint32_t at = (gap + 1) & (SLOTS - 1); w->hold_slots[at]; at = (at + 1) & (SLOTS - 1)) {
        uint32_t home = (uint32_t)w->holds[w->hold_slots[at] - 1].key & (SLOTS - 1);
        if (((at - home) & (SLOTS - 1)) >= ((at - gap) & (SLOTS - 1))) {
            w->hold_slots[gap] = w->hold_slots[at];
            gap = at;
        }
    }
    w->hold_slots[gap] = 0;
}

static void hold_forget(struct worker *w, struct hold *hold)
{
    if (!hold->key)
        return;
    if (hold->at_us > w->forgot_us)
        w->forgot_us = hold->at_us;
    slot_free(w, slot_of(w, hold->key));
    hold->key = 0;
}

int is_ahead(int64_t at_us, int64_t now_ms) { return at_us / 1000 > now_ms + AHEAD_MS; }

/* A time that no clock shows yet must not count as what was forgotten: such a message is looked for
 * whenever it comes. */
struct hold *hold_add(struct worker *w, uint64_t key, int64_t at_us, int64_t now_ms)
{
    uint32_t number = (uint32_t)(w->n_holds++ & (HOLDS - 1));
    int64_t seen_us = at_us < now_ms * 1000 ? at_us : now_ms * 1000;
    if (seen_us > w->front_us)
        w->front_us = seen_us;
    hold_forget(w, &w->holds[number]);
    w->holds[number] = (struct hold){ .key = key, .at_us = is_ahead(at_us, now_ms) ? 0 : at_us };
    w->hold_slots[slot_of(w, key)] = number + 1;
    return &w->holds[number];
}
