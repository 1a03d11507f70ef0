/* SPDX-License-Identifier: Apache-2.0
 * From node to node: what a node gave goes to its successors, in n8n's order.
 *
 * An execution has an explicit stack of nodes with their input. v1 order is depth first: successors
 * are pushed so that the one highest on the canvas (then the leftmost) is on top. The legacy order
 * is breadth first: successors go to the bottom. A successor gets nothing, and does not run, when
 * the output that leads to it is empty. A node with several inputs waits until all are filled; when
 * the stack runs dry, waiting nodes are let go one at a time, earliest first, with empty lists for
 * what never came; the legacy order runs what leads to their inputs first (legacy.c).
 */
#include "engine/engine_int.h"
#include <string.h>

static void stack_grow(struct exec *e)
{
    struct step *old = e->stack;
    e->stack_size *= 2;
    e->stack = arena_alloc(&e->arena, e->stack_size * sizeof *e->stack);
    memcpy(e->stack, old, e->n_stack * sizeof *old);
    for (uint32_t i = 0; i < e->n_stack; i++)
        if (e->stack[i].inputs == &old[i].one)
            e->stack[i].inputs = &e->stack[i].one;
}

static void step_set(struct step *s, uint32_t node, struct item_vec *inputs, uint16_t n_inputs,
                     uint16_t attempt)
{
    s->node = node;
    s->n_inputs = n_inputs;
    s->attempt = attempt;
    s->one = inputs[0];
    s->inputs = n_inputs == 1 ? &s->one : inputs;
}

void step_push(struct exec *e, uint32_t node, struct item_vec *inputs, uint16_t n_inputs,
               uint16_t attempt)
{
    if (e->n_stack == e->stack_size)
        stack_grow(e);
    if (e->ep->plan->settings.order_v1) {
        step_set(&e->stack[e->n_stack++], node, inputs, n_inputs, attempt);
        return;
    }
    /* Legacy: to the bottom. Stacks are short; the pointers into the steps move along. */
    memmove(e->stack + 1, e->stack, e->n_stack * sizeof *e->stack);
    e->n_stack++;
    for (uint32_t i = 1; i < e->n_stack; i++)
        if (e->stack[i].n_inputs == 1)
            e->stack[i].inputs = &e->stack[i].one;
    step_set(&e->stack[0], node, inputs, n_inputs, attempt);
}

static struct waiting *waiting_find(struct exec *e, uint32_t node, uint16_t input)
{
    for (struct waiting *w = e->waiting; w; w = w->next)
        if (w->node == node && !w->filled[input])
            return w;
    const struct plan_node *target = exec_node(e, node);
    struct waiting *w = ARENA_NEW(&e->arena, struct waiting);
    w->node = node;
    w->n_inputs = target->n_inputs;
    w->inputs = ARENA_ARRAY(&e->arena, struct item_vec, target->n_inputs);
    w->filled = ARENA_ARRAY(&e->arena, bool, target->n_inputs);
    *e->waiting_last = w;
    e->waiting_last = &w->next;
    return w;
}

static void waiting_remove(struct exec *e, struct waiting *w)
{
    struct waiting **at = &e->waiting;
    while (*at != w)
        at = &(*at)->next;
    *at = w->next;
    if (!*at)
        e->waiting_last = at;
}

/* Inputs that no edge reaches never fill; they do not keep a node waiting. */
static bool waiting_complete(const struct exec *e, const struct waiting *w)
{
    const struct plan_node *node = exec_node(e, w->node);
    for (uint16_t i = 0; i < w->n_inputs; i++)
        if (!w->filled[i] && node->in_degree[i])
            return false;
    return true;
}

void step_wait_input(struct exec *e, uint32_t node, uint16_t input, struct item_vec items)
{
    struct waiting *w = waiting_find(e, node, input);
    w->inputs[input] = items;
    w->filled[input] = true;
    if (!waiting_complete(e, w))
        return;
    waiting_remove(e, w);
    step_push(e, node, w->inputs, w->n_inputs, 1);
}

/* The legacy order hands empty lists to inputs beyond the first. */
static bool gets(const struct exec *e, const struct plan_edge *edge, const struct item_vec *outputs)
{
    return outputs[edge->port].n || (edge->input && !e->ep->plan->settings.order_v1);
}

static void send(struct exec *e, const struct plan_edge *edge, struct item_vec items)
{
    if (exec_node(e, edge->to)->n_inputs > 1)
        step_wait_input(e, edge->to, edge->input, items);
    else
        step_push(e, edge->to, &items, 1, 1);
}

/* Edges are sorted as their targets run; a stack wants the last one first, a queue the first one
 * first. */
static void send_all(struct exec *e, const struct plan_node *node, const struct item_vec *outputs)
{
    bool v1 = e->ep->plan->settings.order_v1;
    for (uint32_t k = 0; k < node->n_edges; k++) {
        const struct plan_edge *edge = &node->edges[v1 ? node->n_edges - 1 - k : k];
        if (gets(e, edge, outputs))
            send(e, edge, outputs[edge->port]);
    }
}

/* The only successor that gets something, when it needs nothing else: it would be pushed and at
 * once popped again. With items behind it in the stack, only the order v1 takes it first. */
static bool only_successor(const struct exec *e, const struct plan_node *node,
                           const struct item_vec *outputs, struct step *s)
{
    const struct plan_edge *only = NULL;
    for (uint32_t k = 0; k < node->n_edges; k++) {
        if (!gets(e, &node->edges[k], outputs))
            continue;
        if (only)
            return false;
        only = &node->edges[k];
    }
    if (!only || exec_node(e, only->to)->n_inputs > 1 ||
        (e->n_stack && !e->ep->plan->settings.order_v1))
        return false;
    s->node = only->to;
    s->n_inputs = s->attempt = 1;
    s->one = outputs[only->port];
    return true;
}

/* --- collecting what a node gave -------------------------------------------------------------- */

static struct item_vec vec_of(struct exec *e, struct wf_item **items, uint32_t n)
{
    struct item_vec vec = { arena_alloc(&e->arena, n * sizeof *items), n };
    memcpy(vec.items, items, n * sizeof *items);
    return vec;
}

static uint32_t count_outs(const struct wf_item *first, uint32_t *counts)
{
    uint32_t total = 0;
    for (; first; first = first->next, total++)
        counts[first->port]++;
    return total;
}

static void place_outs(struct wf_item *first, struct item_vec *outputs)
{
    for (struct wf_item *it = first; it; it = it->next)
        outputs[it->port].items[outputs[it->port].n++] = it;
}

enum { FEW_PORTS = 8 };

/* Chains of outputs, one per input item (or one of the segment), become one vector per port, in the
 * order of the input items. The array is `few` where that is enough and the run is not kept. */
static struct item_vec *collect(struct exec *e, const struct plan_node *node,
                                struct item_vec few[FEW_PORTS], bool keep)
{
    struct wf_segment *seg = &e->seg;
    struct item_vec *outputs = few;
    if (keep || node->n_outputs > FEW_PORTS)
        outputs = ARENA_ARRAY(&e->arena, struct item_vec, node->n_outputs ? node->n_outputs : 1);
    else
        for (uint16_t p = 0; p < node->n_outputs; p++)
            outputs[p] = (struct item_vec){ NULL, 0 };
    bool whole = seg->inst->whole;
    if (!whole && seg->inputs[0].n == 1 && seg->n_inputs == 1) {
        struct wf_item *out = seg->inputs[0].items[0]->outs;
        if (out && !out->next) { /* one in, one out: nearly always */
            outputs[out->port] = (struct item_vec){ &out->self, 1 };
            return outputs;
        }
    }
    uint32_t *counts = ARENA_ARRAY(&e->arena, uint32_t, node->n_outputs ? node->n_outputs : 1);
    count_outs(seg->outs, counts);
    for (uint16_t k = 0; !whole && k < seg->n_inputs; k++)
        for (uint32_t i = 0; i < seg->inputs[k].n; i++)
            count_outs(seg->inputs[k].items[i]->outs, counts);
    for (uint16_t p = 0; p < node->n_outputs; p++)
        outputs[p].items = arena_alloc(&e->arena, counts[p] * sizeof(struct wf_item *) + 1);
    place_outs(seg->outs, outputs);
    for (uint16_t k = 0; !whole && k < seg->n_inputs; k++)
        for (uint32_t i = 0; i < seg->inputs[k].n; i++)
            place_outs(seg->inputs[k].items[i]->outs, outputs);
    return outputs;
}

/* alwaysOutputData: an empty first output becomes one empty item that came from all inputs. */
static void add_empty_item(struct exec *e, const struct plan_node *node, struct item_vec *outputs)
{
    struct json_member *none;
    struct json empty = json_object(&e->arena, 0, &none);
    struct wf_item *it = item_create(e, &empty, node->index, e->seg.run);
    /* A copy: the segment is used again for the next node. */
    struct item_vec *parents = ARENA_NEW(&e->arena, struct item_vec);
    *parents = e->seg.inputs[0];
    it->parents = parents;
    outputs[0] = (struct item_vec){ &it->self, 1 };
}

static void keep_run(struct exec *e, const struct plan_node *node, struct item_vec *outputs,
                     uint16_t index)
{
    if (!e->runs)
        e->runs = ARENA_ARRAY(&e->arena, struct run *, e->ep->plan->n_nodes);
    struct run *run = ARENA_NEW(&e->arena, struct run);
    *run = (struct run){ .prev = e->runs[node->index],
                         .older = e->newest_run,
                         .node = node->index,
                         .index = index,
                         .n_outputs = node->n_outputs,
                         .outputs = outputs,
                         .error = e->error,
                         .started_us = e->en->now_us };
    e->runs[node->index] = e->newest_run = run;
}

static bool keeps(const struct exec *e, const struct plan_node *node)
{
    return node->keep_outputs || e->ep->plan->keep_all;
}

/* The last node's output is the answer of a waiting webhook, and of `catalyst run`. */
static void note_last(struct exec *e, const struct plan_node *node, const struct item_vec *outputs)
{
    if (!e->reply && !e->key.len && !e->ep->plan->keep_all)
        return;
    struct item_vec last = { 0 };
    for (uint16_t p = 0; p < node->n_outputs && !last.n; p++)
        if (p != node->error_port)
            last = outputs[p];
    if (last.n || node->n_outputs)
        e->last = last;
}

static void enter(struct exec *e, const struct step *s);

/* Hands a node's outputs on and goes to the next node. */
static void go_on(struct exec *e, const struct plan_node *node, const struct item_vec *outputs)
{
    struct step only;
    if (only_successor(e, node, outputs, &only)) {
        enter(e, &only);
        return;
    }
    send_all(e, node, outputs);
    step_next(e);
}

void step_after_trigger(struct exec *e, struct wf_item **items, uint32_t n)
{
    const struct plan_node *node = exec_node(e, e->lane->trigger);
    struct item_vec few[FEW_PORTS] = { { NULL, 0 } };
    bool keep = keeps(e, node);
    struct item_vec *outputs = few;
    if (keep || node->n_outputs > FEW_PORTS)
        outputs = ARENA_ARRAY(&e->arena, struct item_vec, node->n_outputs ? node->n_outputs : 1);
    e->trigger = n == 1 ? (struct item_vec){ &items[0]->self, 1 } : vec_of(e, items, n);
    outputs[0] = e->trigger;
    struct wf_inst *inst = &e->ep->insts[node->index];
    inst->counters.calls++;
    inst->counters.items += n;
    if (keep)
        keep_run(e, node, outputs, exec_next_run(e, node->index));
    note_last(e, node, outputs);
    go_on(e, node, outputs);
}

static bool acts_outside(const struct plan_node *node)
{
    return node->type && (node->type->node.flags & WF_NODE_EFFECT);
}

/* The error that stops the execution: of the segment, or of its first failed item. */
static bool stopping_error(struct exec *e, const struct plan_node *node)
{
    struct wf_segment *seg = &e->seg;
    if (node->on_error != ON_ERROR_STOP || (!seg->error && !seg->failed))
        return false;
    if (seg->error) {
        exec_fail(e, node->index, 0, seg->error);
        return true;
    }
    for (uint16_t k = 0; k < seg->n_inputs; k++)
        for (uint32_t i = 0; i < seg->inputs[k].n; i++) {
            struct wf_item *it = seg->inputs[k].items[i];
            if (it->state == ITEM_FAILED) {
                exec_fail(e, node->index, it->index, it->error);
                return true;
            }
        }
    BUG_IF("a failed segment has a failed item");
    return false;
}

void step_finish(struct exec *e)
{
    const struct plan_node *node = e->seg.inst->node;
    if (stopping_error(e, node))
        return;
    struct item_vec few[FEW_PORTS];
    bool keep = keeps(e, node);
    struct item_vec *outputs = collect(e, node, few, keep);
    if (node->always_output && node->n_outputs && !outputs[0].n)
        add_empty_item(e, node, outputs);
    if (keep)
        keep_run(e, node, outputs, e->seg.run);
    note_last(e, node, outputs);
    if (e->kept)
        memory_run_ended(e, node->index);
    e->seg.inst = NULL;
    e->dirty = true;
    e->stored_here = false;
    e->returned = false;
    exec_set_begun(e, false);
    if (e->ep->plan->settings.durability == DURABILITY_EACH_STEP && acts_outside(node)) {
        send_all(e, node, outputs);
        exec_set_state(e, EXEC_HELD);
        return;
    }
    go_on(e, node, outputs);
}

void step_pinned(struct exec *e)
{
    struct wf_segment *seg = &e->seg;
    const struct json *items = seg->inst->pinned;
    static const struct json empty = { .type = JSON_OBJECT };
    struct wf_item **last = &seg->outs;
    bool can_give = seg->inst->node->n_outputs > 0;
    for (uint32_t i = 0; can_give && items->type == JSON_ARRAY && i < items->len; i++) {
        const struct json *json = JSON_GET(&items->elements[i], "json");
        struct wf_item *out =
            item_create(e, json ? json : &empty, seg->inst->node->index, seg->run);
        if (seg->inputs[0].n)
            out->parent = seg->inputs[0].items[i < seg->inputs[0].n ? i : 0];
        *last = out;
        last = &out->next;
    }
    seg->pending = 0;
    step_finish(e);
}

static bool leads_to(struct exec *e, uint32_t from, uint32_t to)
{
    uint32_t n_nodes = e->ep->plan->n_nodes, n = 0;
    bool *seen = ARENA_ARRAY(&e->arena, bool, n_nodes);
    uint32_t *open = ARENA_ARRAY(&e->arena, uint32_t, n_nodes);
    open[n++] = from;
    seen[from] = true;
    while (n) {
        const struct plan_node *node = exec_node(e, open[--n]);
        for (uint32_t k = 0; k < node->n_edges; k++) {
            uint32_t next = node->edges[k].to;
            if (next == to)
                return true;
            if (!seen[next])
                open[n++] = next;
            seen[next] = true;
        }
    }
    return false;
}

/* What still waits above a node may send to it later. */
static bool waits_for_another(struct exec *e, const struct waiting *w)
{
    for (const struct waiting *other = e->waiting; other; other = other->next)
        if (other->node != w->node && leads_to(e, other->node, w->node))
            return true;
    return false;
}

static bool has_items(const struct waiting *w)
{
    for (uint16_t i = 0; i < w->n_inputs; i++)
        if (w->inputs[i].n)
            return true;
    return false;
}

/* Pushes the next waiting node that may run with what is there. As in n8n, one that needs all its
 * inputs never does (v1), nor what stands below it; one that got nothing but empty lists is
 * dropped. */
static bool release_waiting(struct exec *e)
{
    bool v1 = e->ep->plan->settings.order_v1;
    for (struct waiting *w = e->waiting, *next; w; w = next) {
        const struct plan_node *node = exec_node(e, w->node);
        bool any = !v1 || !node->type || node->type->node.flags & WF_NODE_ANY_INPUT;
        next = w->next;
        if (!any || waits_for_another(e, w))
            continue;
        if (!v1 && has_items(w) && legacy_force(e, w))
            return true;
        waiting_remove(e, w);
        if (has_items(w)) {
            step_push(e, w->node, w->inputs, w->n_inputs, 1);
            return true;
        }
        next = e->waiting; /* what it held back may go now */
    }
    return false;
}

static void put_back(struct exec *e, const struct step *s)
{
    if (e->n_stack == e->stack_size)
        stack_grow(e);
    struct step *top = &e->stack[e->n_stack++];
    *top = *s;
    if (top->n_inputs == 1)
        top->inputs = &top->one;
}

/* The step is not taken, and stays: another try of the execution begins with it. */
static void refuse(struct exec *e, const struct step *s, const struct item_error *error)
{
    put_back(e, s);
    e->node_runs--;
    exec_fail(e, s->node, 0, error);
}

static struct item_error *endless(struct exec *e)
{
    return error_create(
        e, WF_REJECTED,
        "stopped after %llu node runs; if this loop should run longer, raise settings.maxNodeRuns",
        (unsigned long long)e->node_runs);
}

/* Opens the segment of the step and stands at its node. */
static void stand(struct exec *e, const struct step *s)
{
    struct wf_segment *seg = &e->seg;
    seg->inst = &e->ep->insts[s->node];
    seg->one = s->one;
    seg->inputs = s->n_inputs == 1 ? &seg->one : s->inputs;
    seg->n_inputs = s->n_inputs;
    seg->attempt = s->attempt;
    seg->first = NULL;
    seg->outs = seg->outs_last = NULL;
    seg->error = NULL;
    seg->n_outs = seg->failed = seg->pending = 0;
    seg->done = false;
    seg->run = exec_next_run(e, s->node);
    exec_set_begun(e, false);
    exec_set_state(e, EXEC_READY);
}

/* What must not happen twice begins when the store knows that it may: each_step by the execution's
 * own row, exactly_once by how far its lane may have run (lane->begun). Where the lane goes, it
 * does not begin. */
static bool needs_storing(const struct exec *e, const struct step *s)
{
    enum durability durability = e->ep->plan->settings.durability;
    if (!e->ep->has_once || durability < DURABILITY_EXACTLY_ONCE ||
        !plan_node_is_once(exec_node(e, s->node)))
        return false;
    if (exec_is_leaving(e))
        return true;
    if (e->stored_here)
        return false;
    return durability == DURABILITY_EACH_STEP || e->id.position >= e->lane->begun;
}

/* Stands at the node of a step, unless the execution has gone too far. */
static void enter(struct exec *e, const struct step *s)
{
    if (needs_storing(e, s)) {
        put_back(e, s);
        e->dirty = exec_is_leaving(e) ? !e->handed : !e->stored_here;
        exec_set_state(e, EXEC_HELD);
        return;
    }
    if (++e->node_runs > e->ep->plan->settings.max_node_runs) {
        refuse(e, s, endless(e));
        return;
    }
    if (e->arena.total_bytes > e->en->limits.max_exec_bytes) {
        refuse(e, s,
               error_create(e, WF_REJECTED, "the execution uses more than %llu bytes of memory",
                            (unsigned long long)e->en->limits.max_exec_bytes));
        return;
    }
    stand(e, s);
}

void step_next(struct exec *e)
{
    if (!e->n_stack && !release_waiting(e)) {
        if (turn_full(e->en)) /* its outputs go with the next turn */
            exec_set_state(e, EXEC_HELD);
        else
            exec_end(e, STORE_SUCCESS);
        return;
    }
    struct step s = e->stack[--e->n_stack];
    enter(e, &s);
}
