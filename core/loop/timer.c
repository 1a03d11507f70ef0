/* SPDX-License-Identifier: Apache-2.0
 * Timers: a heap of four children per place over one libuv timer.
 *
 * libuv's own heap is a binary tree of pointers with one handle per timer; with a million sleepers
 * each step of it misses the cache. Here the times lie beside each other in an array. The libuv
 * timer is set once per iteration, before the wait, however many timers were started and stopped.
 *
 * At most TIMERS_PER_ITERATION fire before the loop looks at its sockets again, so that a million
 * timers due in the same second delay others by milliseconds, not by a second. Thread: the loop's.
 */
#include "loop/loop_int.h"
#include "base/clock.h"
#include <stdlib.h>

enum { FIRST = 1, CHILDREN = 4, SLOTS_MIN = 64, TIMERS_PER_ITERATION = 4096 };

static bool is_before(const struct timer_slot *a, const struct timer_slot *b)
{
    return a->at_us != b->at_us ? a->at_us < b->at_us : a->order < b->order;
}

static uint32_t parent_of(uint32_t slot) { return (slot - 2) / CHILDREN + 1; }

static uint32_t first_child(uint32_t slot) { return (slot - 1) * CHILDREN + 2; }

static void put(struct timers *ts, uint32_t slot, struct timer_slot value)
{
    ts->slots[slot] = value;
    value.timer->slot = slot;
}

static void sift_up(struct timers *ts, uint32_t slot, struct timer_slot value)
{
    while (slot > FIRST && is_before(&value, &ts->slots[parent_of(slot)])) {
        put(ts, slot, ts->slots[parent_of(slot)]);
        slot = parent_of(slot);
    }
    put(ts, slot, value);
}

static void sift_down(struct timers *ts, uint32_t slot, struct timer_slot value)
{
    for (;;) {
        uint32_t child = first_child(slot), best = child;
        if (child > ts->n)
            break;
        uint32_t end = child + CHILDREN <= ts->n + 1 ? child + CHILDREN : ts->n + 1;
        for (uint32_t c = child + 1; c < end; c++)
            if (is_before(&ts->slots[c], &ts->slots[best]))
                best = c;
        if (!is_before(&ts->slots[best], &value))
            break;
        put(ts, slot, ts->slots[best]);
        slot = best;
    }
    put(ts, slot, value);
}

/* Puts a value at a place whose old value is gone, in whichever direction it must go. */
static void settle(struct timers *ts, uint32_t slot, struct timer_slot value)
{
    if (slot > FIRST && is_before(&value, &ts->slots[parent_of(slot)]))
        sift_up(ts, slot, value);
    else
        sift_down(ts, slot, value);
}

void timer_start_at(struct loop *l, struct timer *t, int64_t at_us)
{
    struct timers *ts = &l->timers;
    struct timer_slot value = { .at_us = at_us, .order = ts->order++, .timer = t };
    if (t->slot) {
        settle(ts, t->slot, value);
        return;
    }
    if (ts->n + 1 >= ts->size) {
        ts->size = ts->size ? ts->size * 2 : SLOTS_MIN;
        ts->slots = xrealloc(ts->slots, ts->size * sizeof *ts->slots);
    }
    ts->n++;
    sift_up(ts, ts->n, value);
}

void timer_start(struct loop *l, struct timer *t, int64_t in_us)
{
    timer_start_at(l, t, clock_mono_us() + (in_us > 0 ? in_us : 0));
}

void timer_stop(struct loop *l, struct timer *t)
{
    struct timers *ts = &l->timers;
    uint32_t slot = t->slot;
    if (!slot)
        return;
    t->slot = 0;
    struct timer_slot last = ts->slots[ts->n--];
    if (last.timer != t)
        settle(ts, slot, last);
}

static void on_uv_timer(uv_timer_t *uv)
{
    struct loop *l = uv->data;
    struct timers *ts = &l->timers;
    ts->armed_us = 0;
    int64_t now_us = clock_mono_us();
    l->now_us = now_us;
    /* Those started by the callbacks themselves wait for the next round. */
    uint64_t order_end = ts->order;
    for (int i = 0; i < TIMERS_PER_ITERATION && ts->n; i++) {
        struct timer_slot *first = &ts->slots[FIRST];
        if (first->at_us > now_us || first->order >= order_end)
            break;
        struct timer *t = first->timer;
        timer_stop(l, t);
        t->fn(t->arg);
    }
}

void timers_init(struct loop *l)
{
    uv_timer_init(&l->uv, &l->timers.uv);
    l->timers.uv.data = l;
}

void timers_fini(struct loop *l)
{
    for (uint32_t i = FIRST; i <= l->timers.n; i++)
        l->timers.slots[i].timer->slot = 0;
    free(l->timers.slots);
    l->timers.slots = NULL;
    l->timers.n = l->timers.size = 0;
    uv_close((uv_handle_t *)&l->timers.uv, NULL);
}

void timers_arm(struct loop *l)
{
    struct timers *ts = &l->timers;
    int64_t at_us = ts->n ? ts->slots[FIRST].at_us : 0;
    if (at_us == ts->armed_us)
        return;
    ts->armed_us = at_us;
    if (!at_us) {
        uv_timer_stop(&ts->uv);
        return;
    }
    int64_t in_us = at_us - clock_mono_us();
    uint64_t in_ms = in_us > 0 ? (uint64_t)(in_us + 999) / 1000 : 0;
    uv_update_time(&l->uv); /* turns take time, and libuv counts from its own idea of now */
    uv_timer_start(&ts->uv, on_uv_timer, in_ms, 0);
}
