/* SPDX-License-Identifier: Apache-2.0
 * Executions: their memory, their state, their end.
 *
 * Memory comes in slabs of blocks that hold the struct and the first arena memory behind it. The
 * free list is last-in first-out, so a block that is still in the cache is used again; most
 * executions never need more than their block.
 */
#include "engine/engine_int.h"
#include <stdlib.h>
#include <string.h>

enum { SLAB_EXECS = 64, ERROR_INPUT_MAX = 64 << 10 };
_Static_assert(sizeof(struct exec) < EXEC_BYTES / 2,
               "an execution leaves room for its first items");

const char *exec_state_name(enum exec_state state)
{
    static const char *const names[] = { "NONE",
#define X(name) #name,
                                         EXEC_STATES(X)
#undef X
    };
    return names[state];
}

static void slab_add(struct engine *en)
{
    char *slab = xmalloc((size_t)SLAB_EXECS * EXEC_BYTES);
    if (en->n_slabs == en->slabs_size) {
        en->slabs_size = en->slabs_size ? en->slabs_size * 2 : 16;
        en->slabs = xrealloc(en->slabs, en->slabs_size * sizeof *en->slabs);
    }
    en->slabs[en->n_slabs++] = slab;
    for (size_t i = SLAB_EXECS; i-- > 0;) {
        struct exec *e = (struct exec *)(void *)(slab + i * EXEC_BYTES);
        e->magic = 0;
        e->next_free = en->free_execs;
        en->free_execs = e;
    }
}

void exec_free_slabs(struct engine *en)
{
    for (uint32_t i = 0; i < en->n_slabs; i++)
        free(en->slabs[i]);
    free(en->slabs);
}

struct exec *exec_create(struct lane *lane, struct engine_plan *ep, uint64_t position)
{
    struct engine *en = lane->en;
    if (!en->free_execs)
        slab_add(en);
    struct exec *e = en->free_execs;
    en->free_execs = e->next_free;
    memset(e, 0, sizeof *e);
    e->magic = exec_MAGIC;
    e->en = en;
    e->ep = ep;
    e->lane = lane;
    e->id = (struct exec_id){ lane->source, lane->partition, position };
    e->journaled = lane->durability >= DURABILITY_EXACTLY_ONCE;
    e->started_us = en->now_us;
    e->started_wall_us = en->now_wall_us;
    e->stack = e->first_steps;
    e->stack_size = sizeof e->first_steps / sizeof *e->first_steps;
    e->waiting_last = &e->waiting;
    e->outputs_last = &e->outputs;
    arena_init(&e->arena, e + 1, EXEC_BYTES - sizeof *e);
    list_append(&lane->unsaved, &e->lane_link);
    e->is_young = lane->durability != DURABILITY_NONE;
    en->n_young += e->is_young;
    ep->live++;
    lane->live++;
    en->counters.live++;
    if (ep->plan->settings.timeout_ms)
        e->deadline = ticket_take(en, TICKET_EXEC, e, NULL, ep->plan->settings.timeout_ms * 1000);
    return e;
}

/* Lists by state; RUNNING and ENDED stand on none. */
static struct link *state_list(struct exec *e, enum exec_state state)
{
    switch (state) {
    case EXEC_READY:
        return &e->seg.inst->ready;
    case EXEC_PARKED:
        return e->drowsy ? &e->en->drowsy : &e->en->parked;
    case EXEC_HELD:
        return &e->en->held;
    default:
        return NULL;
    }
}

static bool is_far(const struct ticket *t)
{
    const struct engine *en = t ? t->en : NULL;
    return t && (t->kind == TICKET_RETRY || t->kind == TICKET_SLEEP) &&
           t->due_us > en->now_us + en->limits.evict_after_ms * 1000;
}

/* It waits for nothing but another try, of all items that stand here, and that is far away; nobody
 * waits for its answer. */
bool exec_is_drowsy(const struct exec *e)
{
    const struct wf_segment *seg = &e->seg;
    if (!e->en->limits.evict_after_ms || !e->journaled || e->memory || (e->reply && !e->answered))
        return false;
    if (e->sleep || !seg->inst)
        return is_far(e->sleep);
    if (seg->inst->whole)
        return is_far(seg->first->ticket);
    for (uint16_t k = 0; k < seg->n_inputs; k++)
        for (uint32_t i = 0; i < seg->inputs[k].n; i++)
            if (!is_far(seg->inputs[k].items[i]->ticket))
                return false;
    return seg->pending > 0;
}

void exec_set_state(struct exec *e, enum exec_state to)
{
    BUG_IF(e->state == EXEC_ENDED);
    list_remove(&e->link);
    if (e->state == EXEC_PARKED)
        e->en->counters.parked--;
    if (to == EXEC_PARKED) {
        e->en->counters.parked++;
        e->drowsy = exec_is_drowsy(e);
    }
    e->state = (uint8_t)to;
    struct link *list = state_list(e, to);
    if (list)
        list_append(list, &e->link);
    if (to == EXEC_READY)
        inst_ready(e->seg.inst);
}

uint16_t exec_next_run(struct exec *e, uint32_t node)
{
    if (!e->run_counts) {
        /* Straight-through executions, nearly all, visit each node once: a bit set of the first 64
         * nodes would do, but two bytes a node are cheap enough and have no limit. */
        e->run_counts = ARENA_ARRAY(&e->arena, uint16_t, e->ep->plan->n_nodes);
    }
    return e->run_counts[node] == UINT16_MAX ? UINT16_MAX : e->run_counts[node]++;
}

/* Cancels everything the execution waits for. Items of the segment hold the tickets. */
static void cancel_waits(struct exec *e)
{
    struct wf_segment *seg = &e->seg;
    for (uint32_t k = 0; seg->inst && k < seg->n_inputs; k++)
        for (uint32_t i = 0; i < seg->inputs[k].n; i++) {
            struct wf_item *it = seg->inputs[k].items[i];
            if (it->ticket)
                ticket_cancel(it->ticket);
        }
    if (seg->inst && seg->first && seg->first->ticket)
        ticket_cancel(seg->first->ticket);
    if (e->deadline)
        ticket_free(e->deadline);
    if (e->sleep)
        ticket_free(e->sleep);
    e->deadline = e->sleep = NULL;
}

/* An item that waits in a lone list of its node must leave it. */
static void leave_lone_list(struct exec *e)
{
    struct wf_inst *inst = e->seg.inst;
    if (!inst)
        return;
    struct wf_item **at = &inst->lone;
    while (*at)
        if ((*at)->e == e)
            *at = (*at)->next;
        else
            at = &(*at)->next;
    inst->lone_last = at;
}

void exec_drop(struct exec *e)
{
    struct engine *en = e->en;
    struct engine_plan *ep = e->ep;
    struct lane *lane = e->lane;
    if (e->state == EXEC_PARKED || e->deadline || e->seg.pending)
        cancel_waits(e);
    if (e->seg.inst && e->seg.inst->lone)
        leave_lone_list(e);
    exec_set_state(e, EXEC_ENDED);
    exec_set_begun(e, false);
    exec_grow_up(e);
    list_remove(&e->lane_link);
    if (e->release)
        e->release(e->event);
    arena_clear(&e->arena);
    e->magic = 0;
    e->next_free = en->free_execs;
    en->free_execs = e;
    en->counters.live--;
    lane->live--;
    ep->live--;
}

static void count_end(struct exec *e, enum store_status status)
{
    struct plan_counters *c = &e->ep->counters;
    if (status == STORE_SUCCESS)
        c->succeeded++;
    else if (status == STORE_ERROR)
        c->failed++;
    else
        c->canceled++;
    uint64_t took = (uint64_t)(e->en->now_us - e->started_us);
    c->latency_us_sum += took;
    unsigned bucket = 0;
    while (bucket < 19 && took > (uint64_t)64 << bucket)
        bucket++;
    c->latency_le[bucket]++;
}

static void add_entries(struct strbuf *body, const struct item_vec *items)
{
    strbuf_addc(body, '[');
    for (uint32_t i = 0; i < items->n; i++) {
        if (i)
            strbuf_addc(body, ',');
        json_add(body, &items->items[i]->json);
    }
    strbuf_addc(body, ']');
}

/* A binary part is the answer itself, with its type. */
static void answer_binary(struct exec *e, const struct parts *parts)
{
    struct strbuf headers;
    strbuf_init(&headers, 1u << 16);
    wf_str type = json_str(JSON_GET(&parts->meta.members[0].value, "mimeType"));
    store_headers_add(&headers, STR("content-type"), type);
    wf_str bytes;
    if (blob_whole(parts->blobs[0], &bytes))
        turn_answer(e, 200, strbuf_str(&headers), bytes);
    else
        turn_answer(e, 500, no_str(), STR(TURN_FAILURE_BODY));
    strbuf_fini(&headers);
}

/* The answer of a webhook that waits for the last node. */
static void answer_end(struct exec *e, enum store_status status)
{
    if ((!e->reply && !e->key.len) || e->answered)
        return;
    const struct wf_item *first = e->last.n ? e->last.items[0] : NULL;
    bool ok = status == STORE_SUCCESS;
    if (ok && e->answer_data == ANSWER_FIRST_BINARY && first && first->parts &&
        first->parts->meta.len) {
        answer_binary(e, first->parts);
        return;
    }
    struct strbuf body;
    strbuf_init(&body, 64u << 20);
    if (ok && e->answer_data == ANSWER_ALL_ENTRIES)
        add_entries(&body, &e->last);
    else if (ok && (e->answer_data == ANSWER_FIRST_JSON || e->answer_data == ANSWER_ITEM) && first)
        json_add(&body, &first->json);
    else if (ok && e->answer_data == ANSWER_FIRST_JSON)
        strbuf_adds(&body, "{}");
    if (ok)
        turn_answer(e, 200, no_str(), strbuf_str(&body));
    else
        turn_answer_failure(e, e->error ? e->error->message : "it was canceled");
    strbuf_fini(&body);
}

/* It is kept as it is, until the store has taken its rows. */
static void set_done(struct exec *e, struct turn *t)
{
    cancel_waits(e);
    leave_lone_list(e);
    exec_set_state(e, EXEC_DONE);
    exec_set_begun(e, false);
    list_append(&t->done, &e->link);
    exec_grow_up(e);
    list_remove(&e->lane_link);
    list_append(&e->lane->done, &e->lane_link);
}

void exec_end(struct exec *e, enum store_status status)
{
    struct turn *t = e->en->gather;
    count_end(e, status);
    answer_end(e, status);
    if (e->en->io.ended)
        e->en->io.ended(e->en->io.ctx, e, status);
    if (turn_add_ended(e, status))
        set_done(e, t);
    else
        exec_drop(e);
}

/* The error workflow to start: the one that is named, or itself when it has an error trigger. None
 * when it was a failure that started this execution, so that no two of them go round in circles. */
static const char *error_workflow(const struct exec *e, const char *trigger_type)
{
    const struct plan *p = e->ep->plan;
    if (!strcmp(trigger_type, ERROR_TRIGGER_TYPE))
        return NULL;
    if (p->settings.error_workflow)
        return p->settings.error_workflow;
    return plan_has_error_trigger(p) ? p->id : NULL;
}

/* What it began with, so that who deals with the failure knows whose it was. Not a request: its
 * headers may hold secrets. */
static void add_began_with(struct strbuf *b, struct exec *e)
{
    struct json value;
    struct json_error why;
    if (!e->raw.len || e->raw.len > ERROR_INPUT_MAX || *e->raw.ptr != '{' ||
        json_parse(&e->arena, e->raw.ptr, e->raw.len, 0, &value, &why) != 0)
        return;
    strbuf_adds(b, "\"input\":");
    json_add(b, &value);
    strbuf_addc(b, ',');
}

/* {"execution":{...},"workflow":{...}} for the error workflow. */
void exec_start_error_workflow(struct exec *e, struct turn *t)
{
    const struct plan *p = e->ep->plan;
    const struct lane *lane = e->lane;
    const char *type = lane->ep->plan->nodes[lane->trigger].type->type;
    const char *workflow = error_workflow(e, type);
    if (!workflow || !e->en->io.start)
        return;
    struct strbuf b;
    strbuf_init(&b, 1u << 20);
    char id[EXEC_ID_TEXT];
    exec_id_text(e->id, id);
    wf_str error;
    error_json(&e->arena, e, &error);
    strbuf_addf(&b, "{\"execution\":{\"id\":\"%s\",\"mode\":\"%s\",\"error\":%s,", id,
                strcmp(type, "catalyst.webhook") ? "trigger" : "webhook", error.ptr);
    if (strcmp(type, "catalyst.webhook") != 0)
        add_began_with(&b, e);
    strbuf_adds(&b, "\"lastNodeExecuted\":");
    const char *node = exec_node(e, e->error_node)->name;
    strbuf_add_json(&b, node, strlen(node));
    strbuf_adds(&b, "},\"workflow\":{\"id\":");
    strbuf_add_json(&b, p->id, strlen(p->id));
    strbuf_adds(&b, ",\"name\":");
    strbuf_add_json(&b, p->name, strlen(p->name));
    strbuf_adds(&b, "}}");
    turn_start_workflow(t, e, workflow, strbuf_str(&b));
    strbuf_fini(&b);
}

void exec_fail(struct exec *e, uint32_t node, uint32_t item, const struct item_error *error)
{
    struct item_error *copy = arena_alloc(&e->arena, sizeof *copy);
    *copy = *error;
    e->error = copy;
    e->error_node = node;
    e->error_item = item;
    e->failed = true;
    outcome_take_back(e, NULL); /* tried again, the whole node runs again */
    exec_start_error_workflow(e, e->en->gather);
    exec_end(e, STORE_ERROR);
}

void exec_fail_here(struct exec *e, const struct item_error *error)
{
    uint32_t node = e->trigger.n ? e->trigger.items[0]->node : 0;
    if (e->seg.inst)
        node = e->seg.inst->node->index;
    else if (e->n_stack)
        node = e->stack[e->n_stack - 1].node;
    exec_fail(e, node, 0, error);
}

struct exec_id exec_id_of(const struct exec *e) { return e->id; }

const struct plan *exec_plan(const struct exec *e) { return e->ep->plan; }

void *exec_reply(const struct exec *e) { return e->reply; }

const char *exec_error(const struct exec *e) { return e->error ? e->error->message : NULL; }

const char *exec_error_node(const struct exec *e)
{
    return e->error ? exec_node(e, e->error_node)->name : NULL;
}
