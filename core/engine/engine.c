/* SPDX-License-Identifier: Apache-2.0
 * The engine as a whole: creation, plans, input, and the loop over frames that are ready.
 */
#include "engine/engine_int.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void set_limits(struct engine_limits *l)
{
    if (!l->max_live)
        l->max_live = 65536;
    if (!l->max_turn)
        l->max_turn = 16384;
    if (!l->max_turn_bytes)
        l->max_turn_bytes = 64u << 20;
    if (!l->max_exec_bytes)
        l->max_exec_bytes = 64u << 20;
    if (!l->max_items)
        l->max_items = 1000000;
    if (!l->park_timeout_ms)
        l->park_timeout_ms = 300000;
    if (!l->blob_memory)
        l->blob_memory = 1u << 20;
}

struct engine *engine_create(const struct engine_config *config)
{
    struct engine *en = xcalloc(1, sizeof *en);
    en->config = *config;
    en->io = config->io;
    en->limits = config->limits;
    set_limits(&en->limits);
    list_init(&en->plans);
    list_init(&en->lanes);
    list_init(&en->ready);
    list_init(&en->parked);
    list_init(&en->drowsy);
    list_init(&en->held);
    list_init(&en->sql_left);
    turn_init(&en->turns[0], 0);
    turn_init(&en->turns[1], 1);
    en->gather = &en->turns[0];
    en->now_us = en->io.mono_us(en->io.ctx);
    en->now_wall_us = en->io.wall_us(en->io.ctx);
    en->last_commit_us = en->now_us;
    host_init(&en->host, en);
    return en;
}

void engine_log(struct engine *en, int level, const char *event, const char *format, ...)
{
    if (!en->config.log)
        return;
    char text[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    en->config.log(en->io.ctx, level, event, text);
}

/* --- plans ------------------------------------------------------------------------------------ */

static void inst_open(struct engine *en, struct wf_inst *inst)
{
    const struct node_type *type = inst->node->type;
    if (!type || !type->node.open || inst->node->disabled)
        return;
    wf_error why = { .size = sizeof why };
    inst->state = type->node.open(&en->host.h, inst, &why);
    if (inst->state || !why.fault)
        return;
    char *text = xmalloc(why.detail.len + 64);
    snprintf(text, why.detail.len + 64, "node cannot work: %.*s", STR_ARG(why.detail));
    inst->broken = text;
    engine_log(en, WF_ERROR, "node.open_failed", "workflow '%s' node '%s': %s",
               inst->ep->plan->name, inst->node->name, text);
}

static void inst_init(struct engine_plan *ep, uint32_t i)
{
    struct wf_inst *inst = &ep->insts[i];
    inst->ep = ep;
    inst->node = &ep->plan->nodes[i];
    list_init(&inst->ready);
    list_init(&inst->sql);
    inst->lone_last = &inst->lone;
    if (inst->node->type)
        inst->metrics = metric_cells_create(inst->node->type);
    if (!ep->plan->version && ep->plan->pin_data)
        inst->pinned = json_get(ep->plan->pin_data, inst->node->name, strlen(inst->node->name));
    if (inst->node->type) {
        const wf_node *node = &inst->node->type->node;
        inst->whole = node->segments ? node->segments(inst->node->params.base) != 0
                                     : node->flags & WF_NODE_SEGMENT;
    }
    inst_open(ep->en, inst);
}

struct engine_plan *engine_plan_add(struct engine *en, struct plan *plan, struct err *err)
{
    struct expr_loaded *loaded = NULL;
    if (en->config.lua) {
        loaded = expr_load(en->config.lua, &plan->unit, err);
        if (!loaded) {
            err_context(err, "workflow '%s'", plan->name);
            return NULL;
        }
    }
    struct engine_plan *ep = xcalloc(1, sizeof *ep);
    ep->en = en;
    ep->plan = plan_ref(plan);
    ep->loaded = loaded;
    ep->insts = xcalloc(plan->n_nodes ? plan->n_nodes : 1, sizeof *ep->insts);
    list_append(&en->plans, &ep->link);
    for (uint32_t i = 0; i < plan->n_nodes; i++) {
        inst_init(ep, i);
        ep->has_once |= plan_node_is_once(&plan->nodes[i]);
    }
    return ep;
}

static void plan_destroy(struct engine_plan *ep)
{
    struct engine *en = ep->en;
    for (uint32_t i = 0; i < ep->plan->n_nodes; i++) {
        struct wf_inst *inst = &ep->insts[i];
        inst->closing = true;
        if (inst->state && inst->node->type->node.close)
            inst->node->type->node.close(&en->host.h, inst->state);
        sql_node_closed(inst);
        list_remove(&inst->link);
        free((char *)inst->broken);
        free(inst->metrics);
    }
    if (ep->loaded)
        expr_unload(en->config.lua, ep->loaded);
    list_remove(&ep->link);
    plan_unref(ep->plan);
    free(ep->insts);
    free(ep);
}

void engine_plan_retire(struct engine *en, struct engine_plan *ep)
{
    (void)en;
    ep->retired = true;
}

struct engine_plan *engine_plan_of(struct engine *en, uint64_t version)
{
    struct engine_plan *ep;
    LIST_EACH(ep, &en->plans, struct engine_plan, link)
    {
        if (ep->plan->version == version)
            return ep;
    }
    return NULL;
}

const struct plan *engine_plan_get(const struct engine_plan *ep) { return ep->plan; }

bool engine_plan_retired(const struct engine_plan *ep) { return ep->retired; }

void engine_plan_pin(struct engine_plan *ep) { ep->pins++; }

void engine_plan_unpin(struct engine_plan *ep) { ep->pins--; }

void *engine_node_state(const struct engine_plan *ep, uint32_t node, const char **broken)
{
    *broken = ep->insts[node].broken;
    return ep->insts[node].state;
}

void engine_node_counts_for(struct engine_plan *ep, uint32_t node, struct engine_plan *to,
                            uint32_t to_node)
{
    ep->insts[node].counts_for = to && to != ep ? &to->insts[to_node] : NULL;
}

const wf_host *engine_host_table(const struct engine *en) { return &en->host.h; }

/* Retired plans go when nothing runs on them. */
static void sweep_plans(struct engine *en)
{
    struct engine_plan *ep;
    LIST_EACH(ep, &en->plans, struct engine_plan, link)
    {
        if (ep->retired && !ep->live && !ep->lanes && !ep->pins)
            plan_destroy(ep);
    }
}

void engine_destroy(struct engine *en)
{
    struct lane *lane;
    LIST_EACH(lane, &en->lanes, struct lane, link)
    {
        struct exec *e;
        LIST_EACH(e, &lane->unsaved, struct exec, lane_link) { exec_drop(e); }
        LIST_EACH(e, &lane->saved, struct exec, lane_link) { exec_drop(e); }
        LIST_EACH(e, &lane->done, struct exec, lane_link) { exec_drop(e); }
        lane_destroy(lane);
    }
    struct engine_plan *ep;
    LIST_EACH(ep, &en->plans, struct engine_plan, link) { plan_destroy(ep); }
    sql_forget_all(en);
    turn_fini(&en->turns[0]);
    turn_fini(&en->turns[1]);
    exec_free_slabs(en);
    ticket_free_slabs(en);
    free(en->frame);
    free(en->frame_execs);
    free(en->frame_segs);
    free(en);
}

/* --- input ------------------------------------------------------------------------------------ */

/* A commit with more rows takes so long that what waits for it waits too long. */
enum { YOUNG_MAX = 1024, ROWS_MAX = 6000 };

size_t engine_room(const struct engine *en)
{
    const struct turn *t = en->gather;
    if (en->counters.live >= en->limits.max_live || t->n_done >= en->limits.max_turn ||
        t->bytes >= en->limits.max_turn_bytes)
        return 0;
    size_t live = en->limits.max_live - en->counters.live, turn = en->limits.max_turn - t->n_done;
    return live < turn ? live : turn;
}

size_t engine_take_room(const struct engine *en)
{
    size_t room = engine_room(en), young = en->n_young < YOUNG_MAX ? YOUNG_MAX - en->n_young : 0;
    if (en->gather->n_rows >= ROWS_MAX)
        return 0;
    return room < young ? room : young;
}

static void fail_build(struct exec *e, const struct err *err)
{
    struct item_error *error = error_create(e, WF_REJECTED, "%s", err->text);
    error->code = "bad_input";
    exec_fail(e, e->lane->trigger, 0, error);
}

static void add_files(struct wf_item *it, const struct inbound_item *from)
{
    const wf_blobs *blobs = service_find("blob/1");
    for (uint32_t i = 0; i < from->n_files; i++) {
        const struct inbound_file *f = &from->files[i];
        blobs->attach(it, f->name, blobs->of_bytes(it, f->bytes.ptr, f->bytes.len), f->mime_type,
                      f->file_name);
    }
    it->parts = it->attached;
    it->attached = NULL;
}

static void accept_one(const struct inbound *in)
{
    struct lane *lane = in->lane;
    if (in->position < lane->next || lane->dropping) {
        if (in->release)
            in->release(in->keep ? in->keep : in->event);
        return;
    }
    lane->next = in->position + 1;
    struct exec *e = exec_create(lane, lane->ep, in->position);
    exec_set_state(e, EXEC_RUNNING);
    e->event = in->keep ? in->keep : in->event;
    e->release = in->release;
    e->raw = in->raw;
    e->reply = in->reply;
    if (in->key.len) {
        e->key = arena_str(&e->arena, in->key.ptr, in->key.len);
        e->key_token = in->key_token;
        e->key_status = in->key_status;
    }
    lane->ep->counters.started++;
    if (in->answer_accept)
        turn_answer_accept(e, in->accept_status);
    e->answer_data = in->answer_data;
    e->maybe_begun = in->position < lane->taken ? BEGUN_MAYBE : BEGUN_NOT;
    struct inbound_item *items;
    size_t n = 0;
    struct err err;
    if (in->build(lane, in->event, &e->arena, &items, &n, &err) != 0) {
        fail_build(e, &err);
        return;
    }
    struct wf_item *few[16], **made = n <= 16 ? few : arena_alloc(&e->arena, n * sizeof *made);
    for (size_t i = 0; i < n; i++) {
        made[i] = item_create(e, &items[i].json, lane->trigger, 0);
        made[i]->index = (uint32_t)i;
        if (items[i].n_files)
            add_files(made[i], &items[i]);
    }
    step_after_trigger(e, made, (uint32_t)n);
}

void engine_accept(struct engine *en, const struct inbound *in, size_t n)
{
    en->now_us = en->io.mono_us(en->io.ctx);
    en->now_wall_us = en->io.wall_us(en->io.ctx);
    for (size_t i = 0; i < n; i++)
        accept_one(&in[i]);
}

static int restore(struct engine *en, struct lane *lane, const struct store_exec *saved, bool own,
                   struct err *err)
{
    struct engine_plan *ep = engine_plan_of(en, saved->version);
    if (!ep)
        return err_set(err, ERR_NOT_FOUND, "workflow version %llu is not loaded",
                       (unsigned long long)saved->version);
    en->now_us = en->io.mono_us(en->io.ctx);
    en->now_wall_us = en->io.wall_us(en->io.ctx);
    struct exec *e = exec_create(lane, ep, saved->id.position);
    exec_set_state(e, EXEC_RUNNING);
    e->started_wall_us = saved->started_us;
    e->restored = e->saved = e->stored_here = true;
    e->maybe_begun = own ? BEGUN_NOT : BEGUN_MAYBE;
    e->returned = own;
    exec_grow_up(e);
    list_remove(&e->lane_link);
    list_append(&lane->saved, &e->lane_link);
    int64_t wake_us;
    if (exec_load(e, saved->state, &wake_us, err) != 0) {
        char id[EXEC_ID_TEXT];
        exec_id_text(saved->id, id);
        err_context(err, "execution %s cannot be restored", id);
        exec_drop(e);
        return -1;
    }
    en->counters.restored++;
    if (saved->status == STORE_WAITING && lane->evicted)
        lane->evicted--;
    if (wake_us <= en->now_wall_us) {
        step_next(e);
        return 0;
    }
    e->sleep = ticket_take(en, TICKET_SLEEP, e, NULL, wake_us - en->now_wall_us);
    exec_set_state(e, EXEC_PARKED);
    return 0;
}

int engine_restore(struct engine *en, struct lane *lane, const struct store_exec *saved,
                   struct err *err)
{
    return restore(en, lane, saved, false, err);
}

int engine_restore_own(struct engine *en, struct lane *lane, const struct store_exec *saved,
                       struct err *err)
{
    return restore(en, lane, saved, true, err);
}

/* --- running ---------------------------------------------------------------------------------- */

bool engine_run(struct engine *en, unsigned frames)
{
    en->now_us = en->io.mono_us(en->io.ctx);
    en->now_wall_us = en->io.wall_us(en->io.ctx);
    unsigned done = 0;
    struct wf_inst *inst;
    bool full = false;
    while (!(full = turn_full(en)) && (inst = LIST_FIRST(&en->ready, struct wf_inst, link))) {
        frame_run(inst);
        if (frames && ++done >= frames)
            break;
    }
    if (list_empty(&en->ready))
        sweep_plans(en);
    return !full && !list_empty(&en->ready);
}

/* A row that is being written does not count: the lane's position moves with it. */
static uint32_t count_durable(const struct lane *lane, const struct link *list)
{
    uint32_t n = 0;
    for (const struct link *at = list->next; at != list; at = at->next) {
        const struct exec *e = CONTAINER_OF(at, struct exec, lane_link);
        n += e->saved && e->id.position < lane->committed;
    }
    return n;
}

struct engine_left engine_left(const struct engine *en)
{
    struct engine_left left = { .others = en->counters.live, .ended = en->gather->n_done };
    if (en->flight)
        left.ended += en->flight->n_done;
    for (const struct link *at = en->lanes.next; at != &en->lanes; at = at->next) {
        const struct lane *lane = CONTAINER_OF(at, struct lane, link);
        left.durable += count_durable(lane, &lane->saved);
        for (const struct link *done = lane->done.next; done != &lane->done; done = done->next)
            left.others--; /* it is among those that ended */
    }
    left.others -= left.durable;
    return left;
}

bool engine_idle(const struct engine *en)
{
    if (en->counters.live || en->flight || en->gather->n_replies)
        return false;
    const struct lane *lane;
    for (const struct link *at = en->lanes.next; at != &en->lanes; at = at->next) {
        lane = CONTAINER_OF(at, struct lane, link);
        if (lane->columns[en->gather->index].n || lane->next != lane->committed || lane->n_pending)
            return false;
    }
    return true;
}

/* --- looking inside --------------------------------------------------------------------------- */

const struct engine_counters *engine_counters_get(const struct engine *en) { return &en->counters; }

const struct plan_counters *engine_plan_counters(const struct engine_plan *ep)
{
    return &ep->counters;
}

const struct node_counters *engine_node_counters(const struct engine_plan *ep, uint32_t node)
{
    return &ep->insts[node].counters;
}

const struct metric_cell *engine_node_metric(const struct engine_plan *ep, uint32_t node,
                                             unsigned m)
{
    return &ep->insts[node].metrics[m];
}

struct engine_plan *engine_plan_next(const struct engine *en, const struct engine_plan *after)
{
    const struct link *at = after ? after->link.next : en->plans.next;
    return at == &en->plans ? NULL : CONTAINER_OF(at, struct engine_plan, link);
}

static struct exec *find_in(struct link *list, struct exec_id id)
{
    struct exec *e;
    LIST_EACH(e, list, struct exec, lane_link)
    {
        if (e->id.position == id.position)
            return e;
    }
    return NULL;
}

struct exec *engine_exec(struct engine *en, struct exec_id id)
{
    struct lane *lane;
    LIST_EACH(lane, &en->lanes, struct lane, link)
    {
        if (lane->source != id.source || lane->partition != id.partition)
            continue;
        struct exec *e = find_in(&lane->unsaved, id);
        return e ? e : find_in(&lane->saved, id);
    }
    return NULL;
}
