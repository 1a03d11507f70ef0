/* SPDX-License-Identifier: Apache-2.0
 * Tickets: everything an item waits for outside, and every timer.
 *
 * A ticket's name is its address and a generation: slots live as long as the engine and are used
 * again with another generation, so a late answer finds a stale name and does nothing. Timers stand
 * in one binary heap: a million that are due in the same second cost a logarithm each.
 */
#include "engine/engine_int.h"
#include <stdlib.h>

enum { SLAB_TICKETS = 256 };

static void slab_add(struct engine *en)
{
    struct ticket *slab = xcalloc(SLAB_TICKETS, sizeof *slab);
    if (en->n_ticket_slabs == en->ticket_slabs_size) {
        en->ticket_slabs_size = en->ticket_slabs_size ? en->ticket_slabs_size * 2 : 16;
        en->ticket_slabs =
            xrealloc(en->ticket_slabs, en->ticket_slabs_size * sizeof *en->ticket_slabs);
    }
    en->ticket_slabs[en->n_ticket_slabs++] = slab;
    for (size_t i = SLAB_TICKETS; i-- > 0;) {
        slab[i].en = en;
        slab[i].next_free = en->free_tickets;
        en->free_tickets = &slab[i];
    }
}

void ticket_free_slabs(struct engine *en)
{
    for (uint32_t i = 0; i < en->n_ticket_slabs; i++)
        free(en->ticket_slabs[i]);
    free(en->ticket_slabs);
    free(en->heap);
}

/* --- the heap: heap[1..n_heap], earliest first ------------------------------------------------ */

static void heap_put(struct engine *en, uint32_t at, struct ticket *t)
{
    en->heap[at] = t;
    t->heap_at = at;
}

static void heap_up(struct engine *en, uint32_t at)
{
    struct ticket *t = en->heap[at];
    for (; at > 1 && t->due_us < en->heap[at / 2]->due_us; at /= 2)
        heap_put(en, at, en->heap[at / 2]);
    heap_put(en, at, t);
}

static void heap_down(struct engine *en, uint32_t at)
{
    struct ticket *t = en->heap[at];
    for (;;) {
        uint32_t child = at * 2;
        if (child > en->n_heap)
            break;
        if (child < en->n_heap && en->heap[child + 1]->due_us < en->heap[child]->due_us)
            child++;
        if (t->due_us <= en->heap[child]->due_us)
            break;
        heap_put(en, at, en->heap[child]);
        at = child;
    }
    heap_put(en, at, t);
}

static void heap_remove(struct engine *en, struct ticket *t)
{
    uint32_t at = t->heap_at;
    if (!at)
        return;
    t->heap_at = 0;
    struct ticket *last = en->heap[en->n_heap--];
    if (last == t)
        return;
    heap_put(en, at, last);
    heap_up(en, at);
    heap_down(en, last->heap_at);
}

void ticket_set_timer(struct ticket *t, int64_t due_us)
{
    struct engine *en = t->en;
    heap_remove(en, t);
    t->due_us = due_us;
    if (!due_us)
        return;
    if (en->n_heap + 2 > en->heap_size) {
        en->heap_size = en->heap_size ? en->heap_size * 2 : 256;
        en->heap = xrealloc(en->heap, en->heap_size * sizeof *en->heap);
    }
    en->n_heap++;
    heap_put(en, en->n_heap, t);
    heap_up(en, en->n_heap);
}

/* --- tickets ---------------------------------------------------------------------------------- */

struct ticket *ticket_take(struct engine *en, enum ticket_kind kind, struct exec *e,
                           struct wf_item *it, int64_t timeout_us)
{
    if (!en->free_tickets)
        slab_add(en);
    struct ticket *t = en->free_tickets;
    en->free_tickets = t->next_free;
    t->gen++; /* odd: in use */
    t->kind = (uint8_t)kind;
    t->e = e;
    t->it = it;
    t->job = NULL;
    t->on_reply = NULL;
    t->due_us = 0;
    t->times_out = false;
    if (it) {
        BUG_IF(it->ticket);
        it->ticket = t;
    }
    if (timeout_us > 0)
        ticket_set_timer(t, en->now_us + timeout_us);
    return t;
}

void ticket_free(struct ticket *t)
{
    heap_remove(t->en, t);
    if (t->it)
        t->it->ticket = NULL;
    t->it = NULL;
    t->e = NULL;
    t->gen++; /* even: free */
    t->next_free = t->en->free_tickets;
    t->en->free_tickets = t;
}

void ticket_cancel(struct ticket *t)
{
    struct engine *en = t->en;
    if (t->kind == TICKET_SCRIPT)
        script_drop(t);
    if (t->kind == TICKET_OFFLOAD) {
        /* The pool still runs the job: the ticket stays until it comes back, without its item. */
        heap_remove(en, t);
        t->it->ticket = NULL;
        t->it = NULL;
        t->e = NULL;
        return;
    }
    if ((t->kind == TICKET_REQUEST || t->kind == TICKET_SCRIPT) && en->io.cancel)
        en->io.cancel(en->io.ctx, ticket_name(t));
    ticket_free(t);
}

/* An item is finished while something of it is still under way: that goes on, and nobody hears of
 * it. */
void ticket_give_up(struct ticket *t)
{
    if (t->kind == TICKET_RETRY || t->kind == TICKET_PARK)
        ticket_free(t);
    else
        ticket_cancel(t);
}

struct ticket *ticket_check(wf_ticket ticket)
{
    struct ticket *t = (struct ticket *)(uintptr_t)ticket.id;
    return t && t->gen == ticket.gen ? t : NULL;
}

wf_ticket ticket_name(const struct ticket *t)
{
    return (wf_ticket){ (uint64_t)(uintptr_t)t, t->gen };
}

/* --- time ------------------------------------------------------------------------------------- */

static int64_t sooner(int64_t a, int64_t b) { return a < 0 || (b >= 0 && b < a) ? b : a; }

/* What is acknowledged outside is written down with the next turn; without one, a little later. A
 * lane that goes waits only so long. */
static int64_t flush_due(const struct engine *en)
{
    int64_t due = -1;
    if (en->flight)
        return -1;
    for (const struct link *at = en->lanes.next; at != &en->lanes; at = at->next) {
        const struct lane *lane = CONTAINER_OF(at, struct lane, link);
        if (lane->durability >= DURABILITY_EXACTLY_ONCE &&
            (lane->released != lane->released_committed || lane->begun > lane_begun_least(lane)))
            due = sooner(due, en->last_commit_us + RELEASED_FLUSH_US + 1);
        if (lane->n_begun && en->now_us < lane->begun_until_us)
            due = sooner(due, lane->begun_until_us);
    }
    return due;
}

int64_t engine_next_timer(const struct engine *en)
{
    return sooner(en->n_heap ? en->heap[1]->due_us : -1, flush_due(en));
}

/* A retry is due: the item joins the next frame of its node; a segment stands there again as a
 * whole. */
static void retry_due(struct ticket *t)
{
    struct wf_item *it = t->it;
    struct exec *e = t->e;
    ticket_free(t);
    if (e->seg.inst->whole)
        exec_set_state(e, EXEC_READY);
    else
        inst_add_lone(e->seg.inst, it);
}

static void exec_due(struct ticket *t)
{
    struct exec *e = t->e;
    e->deadline = NULL;
    ticket_free(t);
    exec_fail_here(e,
                   error_create(e, WF_REJECTED,
                                "the execution took longer than settings.executionTimeout (%lld s)",
                                (long long)(e->ep->plan->settings.timeout_ms / 1000)));
}

static void sleep_due(struct ticket *t)
{
    struct exec *e = t->e;
    e->sleep = NULL;
    ticket_free(t);
    exec_set_state(e, EXEC_RUNNING);
    step_next(e);
}

static void wait_due(struct ticket *t)
{
    struct wf_item *it = t->it;
    struct exec *e = t->e;
    const char *what = t->kind == TICKET_REQUEST ? "no answer" : "not finished";
    ticket_cancel(t);
    if (!it)
        return;
    struct item_error *error = error_create(e, WF_TRANSIENT, "node timed out: %s in time", what);
    error->code = "timeout";
    outcome_fail(it, error);
}

void engine_tick(struct engine *en)
{
    en->now_us = en->io.mono_us(en->io.ctx);
    en->now_wall_us = en->io.wall_us(en->io.ctx);
    while (en->n_heap && en->heap[1]->due_us <= en->now_us) {
        struct ticket *t = en->heap[1];
        switch ((enum ticket_kind)t->kind) {
        case TICKET_RETRY:
            retry_due(t);
            break;
        case TICKET_EXEC:
            exec_due(t);
            break;
        case TICKET_SLEEP:
            sleep_due(t);
            break;
        case TICKET_SCRIPT:
            (t->times_out ? wait_due : script_ticket_due)(t);
            break;
        case TICKET_PARK:
        case TICKET_REQUEST:
        case TICKET_OFFLOAD:
        case TICKET_ASK: /* has no timer: the client's own is enough */
            wait_due(t);
            break;
        }
    }
}
