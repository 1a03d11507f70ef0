/* SPDX-License-Identifier: Apache-2.0
 * Frames: all items of many executions that stand at one node are handed to it in one call.
 *
 * A frame takes what stands there, never waits to be filled, and is at most FRAME_MAX items of a
 * call. Items of one execution stay together and in order. Items whose parameters cannot be solved
 * fail before the call; items that the node neither finished nor parked fail after it.
 */
#include "engine/engine_int.h"
#include <stdlib.h>
#include <string.h>

void inst_ready(struct wf_inst *inst)
{
    if (!inst->link.next) {
        list_append(&inst->ep->en->ready, &inst->link);
        inst->ep->en->counters.ready++;
    }
}

void inst_add_lone(struct wf_inst *inst, struct wf_item *it)
{
    it->next = NULL;
    *inst->lone_last = it;
    inst->lone_last = &it->next;
    inst_ready(inst);
}

static void grow_items(struct engine *en, uint32_t need)
{
    if (need <= en->frame_size)
        return;
    en->frame_size = need < 2 * FRAME_MAX ? 2 * FRAME_MAX : need * 2;
    en->frame = xrealloc(en->frame, en->frame_size * sizeof *en->frame);
}

static void grow_execs(struct engine *en, uint32_t need)
{
    if (need <= en->frame_execs_size)
        return;
    en->frame_execs_size = need < FRAME_MAX ? FRAME_MAX : need * 2;
    en->frame_execs = xrealloc(en->frame_execs, en->frame_execs_size * sizeof *en->frame_execs);
    en->frame_segs = xrealloc(en->frame_segs, en->frame_execs_size * sizeof *en->frame_segs);
}

/* Most parameters are found in the item itself: the scope is filled when an expression needs it. */
struct late_scope {
    struct wf_item *it;
    bool filled;
    struct expr_scope scope;
};

static int late_eval(void *ctx, const void *expr, struct json *out, struct err *err)
{
    struct late_scope *late = ctx;
    if (!late->filled)
        scope_fill(&late->scope, late->it);
    late->filled = true;
    return view_eval(&late->scope, expr, out, err);
}

/* A key without a value would be the engine's own, and what must not happen twice could. */
static bool check_key(struct wf_item *it)
{
    struct err err;
    if (item_key(it, &err))
        return true;
    outcome_fail(it, error_create(it->e, WF_REJECTED, "%s", err.text));
    return false;
}

/* Solves the parameters of one item. False: it failed. */
static bool solve(struct wf_inst *inst, struct wf_item *it)
{
    const struct params *params = &inst->node->params;
    if (inst->node->idempotency_key && !check_key(it))
        return false;
    if (!params->n_slots) {
        it->config = params->base;
        return true;
    }
    struct late_scope late;
    struct err err;
    late.it = it;
    late.filled = false;
    it->config = params_solve_item(&it->e->arena, params, &it->json, late_eval, &late, &err);
    if (it->config)
        return true;
    outcome_fail(it, error_create(it->e, WF_REJECTED, "%s", err.text));
    return false;
}

/* The attempt is the segment's: larger than 1 for one that comes back from the store between two
 * tries. */
static void item_begin(struct wf_item *it, uint32_t index, uint8_t input, uint16_t attempt)
{
    it->outs = it->outs_last = NULL;
    it->config = NULL;
    it->error = NULL;
    it->attached = NULL;
    it->index = index;
    it->attempt = attempt;
    it->input = input;
    it->state = ITEM_RUNNING;
}

/* --- opening segments ------------------------------------------------------------------------- */

static void cut_to_first(struct wf_segment *seg)
{
    for (uint16_t k = 0; k < seg->n_inputs; k++)
        if (seg->inputs[k].n > 1)
            seg->inputs[k].n = 1;
}

/* A node with several inputs may have none in all of them; it still needs an item to hold config
 * and arena. */
static struct wf_item *first_item(struct exec *e)
{
    struct wf_segment *seg = &e->seg;
    for (uint16_t k = 0; k < seg->n_inputs; k++)
        if (seg->inputs[k].n)
            return seg->inputs[k].items[0];
    struct json_member *none;
    struct json empty = json_object(&e->arena, 0, &none);
    struct wf_item *it = item_create(e, &empty, seg->inst->node->index, seg->run);
    item_begin(it, 0, 0, seg->attempt);
    return it;
}

static void open_segment(struct exec *e)
{
    struct wf_segment *seg = &e->seg;
    if (seg->n_inputs == 1 && seg->inputs[0].n == 1) { /* nearly always */
        seg->first = seg->inputs[0].items[0];
        seg->pending = 1;
        item_begin(seg->first, 0, 0, seg->attempt);
        return;
    }
    if (seg->inst->node->execute_once)
        cut_to_first(seg);
    seg->pending = 0;
    for (uint16_t k = 0; k < seg->n_inputs; k++) {
        for (uint32_t i = 0; i < seg->inputs[k].n; i++)
            item_begin(seg->inputs[k].items[i], i, (uint8_t)k, seg->attempt);
        seg->pending += seg->inputs[k].n;
    }
    seg->first = first_item(e);
}

/* --- nodes that are not called ---------------------------------------------------------------- */

static bool is_passive(const struct plan_node *node)
{
    return node->disabled || (node->type->node.flags & WF_NODE_TRIGGER);
}

/* A disabled node hands input 0 on. */
static void pass_through(struct exec *e)
{
    struct wf_segment *seg = &e->seg;
    for (uint16_t k = 0; k < seg->n_inputs; k++)
        for (uint32_t i = 0; i < seg->inputs[k].n; i++) {
            struct wf_item *it = seg->inputs[k].items[i];
            if (k == 0 && seg->inst->node->n_outputs) {
                struct wf_item *out = outcome_push(it, 0, &it->json);
                if (out)
                    out->parts = it->parts;
            }
            it->state = ITEM_FINISHED;
        }
    seg->pending = 0;
    step_finish(e);
}

/* --- calls ------------------------------------------------------------------------------------ */

/* Every item still running after its call was forgotten. */
static void fail_forgotten(struct wf_item **items, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        if (items[i]->state == ITEM_RUNNING)
            outcome_fail(items[i],
                         error_create(items[i]->e, WF_REJECTED, "node did not finish item"));
}

static void fail_broken(struct wf_inst *inst, struct wf_item **items, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        outcome_fail(items[i], error_create(items[i]->e, WF_ACCOUNT, "%s", inst->broken));
}

static void call_items(struct wf_inst *inst, struct wf_item **items, uint32_t n)
{
    struct engine *en = inst->ep->en;
    if (inst->broken) {
        fail_broken(inst, items, n);
        return;
    }
    for (uint32_t at = 0; at < n; at += FRAME_MAX) {
        uint32_t part = n - at < FRAME_MAX ? n - at : FRAME_MAX;
        inst->node->type->node.process(&en->host.h, items + at, part);
        fail_forgotten(items + at, part);
    }
}

static uint32_t solve_all(struct wf_inst *inst, struct wf_item **items, uint32_t n)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < n; i++)
        if (solve(inst, items[i]))
            items[kept++] = items[i];
    return kept;
}

static void count_frame(struct wf_inst *inst, uint32_t items, int64_t started_us)
{
    struct engine *en = inst->ep->en;
    struct engine_counters *c = &en->counters;
    inst->counters.calls++;
    inst->counters.items += items;
    inst->counters.busy_ns += (uint64_t)(en->io.mono_us(en->io.ctx) - started_us) * 1000;
    c->frames++;
    c->frame_items += items;
    unsigned bucket = 0;
    while (bucket < 10 && items > 1u << bucket)
        bucket++;
    c->frame_le[bucket]++;
}

/* Takes executions that stand at the node until the frame is full, behind the `n` that are there
 * already; returns how many there are now. */
static uint32_t take_execs(struct wf_inst *inst, uint32_t n, uint32_t *n_items)
{
    struct engine *en = inst->ep->en;
    uint32_t items = *n_items;
    while (!list_empty(&inst->ready) && items < FRAME_MAX) {
        struct exec *e = CONTAINER_OF(inst->ready.next, struct exec, link);
        exec_set_state(e, EXEC_RUNNING);
        open_segment(e);
        grow_execs(en, n + 1);
        en->frame_execs[n++] = e;
        items += e->seg.pending ? e->seg.pending : 1;
    }
    *n_items = items;
    return n;
}

/* After the call each execution goes on, parks, or waits for its items. The array is walked by
 * index: going on may make this very node ready again, but never touches the array. */
static void settle_all(struct engine *en, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        outcome_settle(en->frame_execs[i]);
}

/* The frame holds n_lone items already, of the first lone_execs executions. */
static void run_items(struct wf_inst *inst, uint32_t n_execs, uint32_t lone_execs, uint32_t n_lone)
{
    struct engine *en = inst->ep->en;
    uint32_t n = n_lone;
    for (uint32_t i = lone_execs; i < n_execs; i++) {
        struct wf_segment *seg = &en->frame_execs[i]->seg;
        grow_items(en, n + seg->pending);
        if (seg->pending == 1) {
            en->frame[n++] = seg->first;
            continue;
        }
        for (uint16_t k = 0; k < seg->n_inputs; k++) {
            memcpy(en->frame + n, seg->inputs[k].items, seg->inputs[k].n * sizeof *en->frame);
            n += seg->inputs[k].n;
        }
    }
    int64_t started = en->io.mono_us(en->io.ctx);
    uint32_t total = n;
    n = solve_all(inst, en->frame, n);
    en->calling = inst;
    call_items(inst, en->frame, n);
    en->calling = NULL;
    count_frame(inst, total, started);
    settle_all(en, n_execs);
}

static void run_segments(struct wf_inst *inst, uint32_t n_execs)
{
    struct engine *en = inst->ep->en;
    int64_t started = en->io.mono_us(en->io.ctx);
    uint32_t n = 0, items = 0;
    for (uint32_t i = 0; i < n_execs; i++) {
        struct exec *e = en->frame_execs[i];
        items += e->seg.pending;
        e->seg.pending = 1;
        e->seg.first->attempt = e->seg.attempt;
        e->seg.first->state = ITEM_RUNNING;
        if (solve(inst, e->seg.first))
            en->frame_segs[n++] = &e->seg;
    }
    en->calling = inst;
    for (uint32_t i = 0; inst->broken && i < n; i++)
        outcome_fail(en->frame_segs[i]->first,
                     error_create(en->frame_segs[i]->first->e, WF_ACCOUNT, "%s", inst->broken));
    for (uint32_t at = 0; !inst->broken && at < n; at += FRAME_MAX)
        inst->node->type->node.process_segments(&en->host.h, en->frame_segs + at,
                                                n - at < FRAME_MAX ? n - at : FRAME_MAX);
    for (uint32_t i = 0; i < n; i++) {
        wf_segment *seg = en->frame_segs[i];
        if (!seg->done && !seg->first->ticket)
            outcome_fail(seg->first,
                         error_create(seg->first->e, WF_REJECTED, "node did not finish its items"));
    }
    en->calling = NULL;
    count_frame(inst, items, started);
    settle_all(en, n_execs);
}

/* Items that come back for another try, each alone. Their executions run with the frame, so that
 * none of them can end, and its memory go, while the node still has the frame in its hands. */
static uint32_t take_lone(struct wf_inst *inst, uint32_t *n_execs)
{
    struct engine *en = inst->ep->en;
    uint32_t n = 0;
    while (inst->lone && n < FRAME_MAX) {
        struct wf_item *it = inst->lone;
        inst->lone = it->next;
        if (!inst->lone)
            inst->lone_last = &inst->lone;
        it->next = NULL;
        it->outs = it->outs_last = NULL;
        it->error = NULL;
        it->state = ITEM_RUNNING;
        grow_items(en, n + 1);
        en->frame[n++] = it;
        if (it->e->state == EXEC_PARKED) {
            exec_set_state(it->e, EXEC_RUNNING);
            grow_execs(en, *n_execs + 1);
            en->frame_execs[(*n_execs)++] = it->e;
        }
    }
    return n;
}

void frame_run(struct wf_inst *inst)
{
    struct engine *en = inst->ep->en;
    list_remove(&inst->link);
    en->counters.ready--;
    uint32_t lone_execs = 0, n_lone = take_lone(inst, &lone_execs), n_items = n_lone;
    uint32_t n_execs = take_execs(inst, lone_execs, &n_items);
    if (inst->pinned || is_passive(inst->node)) {
        inst->counters.calls++;
        inst->counters.items += n_items;
        for (uint32_t i = 0; i < n_execs; i++)
            (inst->pinned ? step_pinned : pass_through)(en->frame_execs[i]);
    } else if (inst->whole) {
        run_segments(inst, n_execs);
    } else {
        run_items(inst, n_execs, lone_execs, n_lone);
    }
    if (inst->lone || !list_empty(&inst->ready))
        inst_ready(inst);
}
