/* SPDX-License-Identifier: Apache-2.0
 * wf_host: the table of functions through which plugins work. Each finds its engine from the item;
 * each outcome checks that the item was not finished before, and a plugin that finishes one twice
 * is told so in the log while the first outcome stands.
 */
#include "engine/engine_int.h"
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static struct engine *engine_of(const wf_host *h)
{
    return ((struct engine_host *)(uintptr_t)h)->en;
}

/* An item may be finished, or wait, while it runs or is parked. Failed with another try to come, it
 * is out of the node's hands. */
static bool may_finish(struct wf_item *it)
{
    if (it->state == ITEM_RUNNING || it->state == ITEM_PARKED)
        return true;
    struct wf_inst *inst = it->e->seg.inst;
    engine_log(it->e->en, WF_ERROR, "node.finished_twice",
               "node '%s' used an item that it had finished", inst ? inst->node->name : "?");
    return false;
}

/* --- the item --------------------------------------------------------------------------------- */

static const void *host_config(wf_item *it) { return it->config; }

static void *host_state(wf_item *it) { return it->e->seg.inst->state; }

static const wf_value *host_value(wf_item *it) { return value_of_json(&it->json); }

/* "source-partition-position:node:run:item", and the input when it is not the first: the same on
 * every retry and replay. */
static const char *own_key(const wf_item *it)
{
    const struct plan_node *node = it->e->seg.inst->node;
    char id[EXEC_ID_TEXT], input[16] = "";
    exec_id_text(it->e->id, id);
    if (it->input)
        snprintf(input, sizeof input, ":%u", it->input);
    return arena_printf(&it->e->arena, "%s:%s:%u:%u%s", id, *node->id ? node->id : node->name,
                        it->e->seg.run, it->index, input)
        .ptr;
}

const char *item_key(wf_item *it, struct err *err)
{
    const struct expr *expr = it->e->seg.inst->node->idempotency_key;
    struct expr_scope scope;
    struct json value;
    if (!expr)
        return own_key(it);
    scope_fill(&scope, it);
    if (view_eval(&scope, expr, &value, err) != 0) {
        err_context(err, "idempotencyKey");
        return NULL;
    }
    bool is_none = value.type == JSON_MISSING || value.type == JSON_NULL;
    wf_str text = is_none ? no_str() : json_to_str(&it->e->arena, &value);
    if (text.len)
        return arena_str(&it->e->arena, text.ptr, text.len).ptr;
    err_set(err, ERR_INVALID, "idempotencyKey has no value for this item");
    return NULL;
}

/* It had a value when the frame was filled. */
static const char *host_key(wf_item *it)
{
    struct err err;
    const char *key = item_key(it, &err);
    return key ? key : own_key(it);
}

static int64_t host_now_ms(wf_item *it) { return it->e->en->now_wall_us / 1000; }

static uint32_t host_attempt(wf_item *it) { return it->attempt; }

static int host_maybe_begun(wf_item *it) { return it->e->maybe_begun != BEGUN_NOT; }

static void *host_alloc(wf_item *it, size_t bytes) { return arena_zalloc(&it->e->arena, bytes); }

static wf_str host_fmt(wf_item *it, const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int len = vsnprintf(NULL, 0, format, args);
    va_end(args);
    char *text = arena_alloc(&it->e->arena, (size_t)len + 1);
    vsnprintf(text, (size_t)len + 1, format, again);
    va_end(again);
    return (wf_str){ text, (size_t)len };
}

static const wf_value *host_build(wf_item *it, const char *shape, ...)
{
    va_list args;
    va_start(args, shape);
    const struct json *v = values_build(&it->e->arena, shape, args);
    va_end(args);
    return value_of_json(v);
}

/* --- outcomes --------------------------------------------------------------------------------- */

static void fail_text(wf_item *it, wf_fault fault, const char *text)
{
    outcome_fail(it, error_create(it->e, fault, "%s", text));
}

/* The value as an item's JSON: an object. Anything else is wrapped as {"value": ..}. */
static const struct json *as_object(wf_item *it, const wf_value *v)
{
    const struct json *json = json_of_value(v);
    if (json && json->type == JSON_OBJECT)
        return json;
    struct json_member *m;
    struct json *object = arena_alloc(&it->e->arena, sizeof *object);
    *object = json_object(&it->e->arena, json ? 1 : 0, &m);
    if (json) {
        m[0].key = json_of_str_borrow(STR("value"));
        m[0].value = *json;
    }
    return object;
}

static bool push_checked(wf_item *it, unsigned port, const struct json *json, struct wf_item **out)
{
    const struct plan_node *node = it->e->seg.inst->node;
    unsigned own = node->error_port >= 0 ? node->n_outputs - 1u : node->n_outputs;
    if (port >= own) {
        outcome_fail(
            it, error_create(it->e, WF_REJECTED, "node emitted on port %u, it has %u", port, own));
        return false;
    }
    *out = outcome_push(it, port, json);
    if (*out)
        return true;
    outcome_fail(it, error_create(it->e, WF_REJECTED, "node gave more than %u items",
                                  it->e->en->limits.max_items));
    return false;
}

static void host_emit(wf_item *it, unsigned port, const wf_value *v)
{
    struct wf_item *out;
    if (may_finish(it) && push_checked(it, port, as_object(it, v), &out))
        outcome_finish(it);
}

static void host_pass(wf_item *it, unsigned port)
{
    struct wf_item *out;
    if (!may_finish(it) || !push_checked(it, port, &it->json, &out))
        return;
    if (!out->parts)
        out->parts = it->parts;
    outcome_finish(it);
}

static void host_done(wf_item *it)
{
    if (may_finish(it))
        outcome_finish(it);
}

static void host_push(wf_item *it, unsigned port, const wf_value *v)
{
    struct wf_item *out;
    if (may_finish(it))
        push_checked(it, port, as_object(it, v), &out);
}

#define FORMAT_TEXT(text, format)                                                                  \
    char text[1024];                                                                               \
    va_list args;                                                                                  \
    va_start(args, format);                                                                        \
    vsnprintf(text, sizeof text, format, args);                                                    \
    va_end(args)

static void host_retry(wf_item *it, int64_t in_ms, const char *why, ...)
{
    FORMAT_TEXT(text, why);
    if (may_finish(it))
        outcome_retry(it, in_ms, error_create(it->e, WF_TRANSIENT, "%s", text));
}

static void host_fail(wf_item *it, const char *why, ...)
{
    FORMAT_TEXT(text, why);
    if (may_finish(it))
        fail_text(it, WF_REJECTED, text);
}

/* Structs of plugins are as long as the header that they were compiled with says; what is behind
 * them is not theirs. */
static const struct plugin *plugin_of(const wf_item *it)
{
    return it->e->seg.inst->node->type->plugin;
}

#define READ(to, from, size) plugin_struct_copy(&(to), sizeof(to), (from), (size))
static const char too_new[] =
    "the plugin asks for what this engine does not know: it needs a newer one";

static void host_fail_with(wf_item *it, const wf_error *from, const char *why, ...)
{
    FORMAT_TEXT(text, why);
    if (!may_finish(it))
        return;
    wf_error with;
    if (READ(with, from, plugin_of(it)->error_size) != 0) {
        fail_text(it, WF_REJECTED, text);
        return;
    }
    struct item_error *error =
        error_create(it->e, with.fault ? with.fault : WF_REJECTED, "%s", text);
    error->code = with.code ? arena_strdup(&it->e->arena, with.code) : NULL;
    error->retry_after_ms = with.retry_after_ms;
    if (with.detail.ptr)
        error->detail = arena_str(&it->e->arena, with.detail.ptr, with.detail.len);
    outcome_fail(it, error);
}

/* --- waiting ---------------------------------------------------------------------------------- */

static struct ticket *wait_for(wf_item *it, enum ticket_kind kind, int64_t timeout_ms)
{
    int64_t node_ms = it->e->seg.inst->node->timeout_ms;
    if (node_ms && (!timeout_ms || node_ms < timeout_ms))
        timeout_ms = node_ms;
    if (it->ticket) /* waits already: the older wait is given up */
        ticket_cancel(it->ticket);
    it->state = ITEM_PARKED;
    it->e->seg.inst->counters.parked++;
    return ticket_take(it->e->en, kind, it->e, it, timeout_ms * 1000);
}

/* Of a node with WF_NODE_BEGINS. False: its lane goes, and the item waits for nothing until then:
 * another engine does it. */
static bool may_begin(wf_item *it)
{
    struct exec *e = it->e;
    if (!(e->seg.inst->node->type->node.flags & WF_NODE_BEGINS))
        return true;
    if (exec_is_leaving(e)) {
        wait_for(it, TICKET_PARK, e->en->limits.park_timeout_ms);
        return false;
    }
    exec_set_begun(e, true);
    return true;
}

static void host_request(wf_item *it, const wf_request *request, wf_reply_fn *fn)
{
    struct engine *en = it->e->en;
    if (!may_finish(it))
        return;
    if (!en->io.request) {
        fail_text(it, WF_ACCOUNT, "requests are not offered here");
        return;
    }
    wf_request known;
    if (READ(known, request, plugin_of(it)->request_size) != 0) {
        fail_text(it, WF_ACCOUNT, too_new);
        return;
    }
    if (!may_begin(it))
        return;
    struct ticket *t = wait_for(it, TICKET_REQUEST, 0);
    t->on_reply = fn;
    en->io.request(en->io.ctx, ticket_name(t), &known);
}

static void host_offload(wf_item *it, void (*work)(void *), wf_done_fn *fn, void *job)
{
    struct engine *en = it->e->en;
    if (!may_finish(it) || !may_begin(it)) {
        fn(&en->host.h, NULL, job);
        return;
    }
    struct ticket *t = wait_for(it, TICKET_OFFLOAD, 0);
    t->on_done = fn;
    t->job = job;
    const char *plugin = it->e->seg.inst->node->type->plugin->name;
    if (en->io.offload && en->io.offload(en->io.ctx, ticket_name(t), plugin, work, job) == 0)
        return;
    ticket_free(t);
    fn(&en->host.h, NULL, job); /* so that the job can be freed */
    struct item_error *error =
        error_create(it->e, WF_THROTTLE, "the pool of blocking calls is full");
    error->code = "busy";
    outcome_fail(it, error);
}

static wf_ticket host_park(wf_item *it, int64_t timeout_ms)
{
    int64_t limit = timeout_ms > 0 ? timeout_ms : it->e->en->limits.park_timeout_ms;
    if (!may_finish(it))
        return (wf_ticket){ 0, 0 };
    return ticket_name(wait_for(it, TICKET_PARK, limit));
}

static wf_item *host_resume(const wf_host *h, wf_ticket name)
{
    (void)engine_of(h);
    struct ticket *t = ticket_check(name);
    if (!t || t->kind != TICKET_PARK)
        return NULL;
    struct wf_item *it = t->it;
    ticket_free(t);
    return it;
}

static int host_begin(const wf_host *h, wf_ticket name)
{
    (void)engine_of(h);
    struct ticket *t = ticket_check(name);
    if (!t || t->kind != TICKET_PARK || exec_is_leaving(t->e))
        return 0;
    exec_set_begun(t->e, true);
    return 1;
}

static int host_wake(wf_ticket name, wf_wake_fn *fn, wf_str data)
{
    /* [any] thread: the slot lives as long as its engine; only its constant engine pointer is read.
     */
    if (!name.id)
        return 0; /* of an item that could not park: too late, as any stale name */
    struct engine *en = ((struct ticket *)(uintptr_t)name.id)->en;
    return en->io.wake ? en->io.wake(en->io.ctx, name, fn, data) : -1;
}

static void enter(struct engine *en)
{
    en->now_us = en->io.mono_us(en->io.ctx);
    en->now_wall_us = en->io.wall_us(en->io.ctx);
}

/* A function that an item waited for must finish it or have it wait again: nothing else looks at
 * it. The item is gone when its execution has ended. */
static void fail_forgotten(const struct exec *e, struct wf_item *it)
{
    if (e->magic == exec_MAGIC && it->state == ITEM_PARKED && !it->ticket)
        fail_text(it, WF_REJECTED, "node did not finish item");
}

void engine_woken(struct engine *en, wf_ticket name, wf_wake_fn *fn, wf_str data)
{
    enter(en);
    struct ticket *t = ticket_check(name);
    if (!t || t->kind != TICKET_PARK)
        return;
    struct wf_item *it = t->it;
    const struct exec *e = t->e;
    ticket_free(t);
    fn(&en->host.h, it, data);
    fail_forgotten(e, it);
}

void engine_reply(struct engine *en, wf_ticket name, const wf_reply *reply)
{
    enter(en);
    struct ticket *t = ticket_check(name);
    if (t && t->kind == TICKET_SCRIPT) {
        if (t->script)
            script_reply(t, reply);
        return;
    }
    if (t && t->kind == TICKET_ASK) {
        wf_source_fn *asked = t->on_asked;
        void *arg = t->job;
        ticket_free(t);
        asked(&en->host.h, arg, reply);
        return;
    }
    if (!t || t->kind != TICKET_REQUEST)
        return;
    struct wf_item *it = t->it;
    const struct exec *e = t->e;
    wf_reply_fn *fn = t->on_reply;
    ticket_free(t);
    if (reply->download)
        blob_keep(it->e, reply->download);
    fn(&en->host.h, it, reply);
    fail_forgotten(e, it);
}

wf_ticket engine_ask(struct engine *en, const wf_request *request, wf_source_fn *fn, void *arg)
{
    if (!en->io.request)
        return (wf_ticket){ 0, 0 };
    struct ticket *t = ticket_take(en, TICKET_ASK, NULL, NULL, 0);
    t->on_asked = fn;
    t->job = arg;
    wf_ticket name = ticket_name(t);
    en->io.request(en->io.ctx, name, request);
    return name;
}

void engine_ask_cancel(struct engine *en, wf_ticket name)
{
    struct ticket *t = ticket_check(name);
    if (!t || t->kind != TICKET_ASK)
        return;
    if (en->io.cancel)
        en->io.cancel(en->io.ctx, name);
    ticket_free(t);
}

void engine_offloaded(struct engine *en, wf_ticket name)
{
    enter(en);
    struct ticket *t = ticket_check(name);
    BUG_IF(!t || t->kind != TICKET_OFFLOAD);
    struct wf_item *it = t->it;
    const struct exec *e = t->e;
    wf_done_fn *fn = t->on_done;
    void *job = t->job;
    ticket_free(t);
    fn(&en->host.h, it, job);
    if (it)
        fail_forgotten(e, it);
}

/* --- outputs ---------------------------------------------------------------------------------- */

/* Bytes the plugin made in the item's own first memory need no second copy. */
static wf_str keep(struct exec *e, wf_str s)
{
    if (!s.ptr)
        return s;
    if (s.ptr >= (const char *)e && s.ptr < (const char *)e + EXEC_BYTES)
        return s;
    return arena_str(&e->arena, s.ptr, s.len);
}

static wf_str encode_headers(struct exec *e, const wf_pair *headers)
{
    if (!headers || !headers->name)
        return no_str();
    struct strbuf b;
    strbuf_init(&b, 1u << 20);
    for (; headers->name; headers++)
        store_headers_add(&b, str_of(headers->name), str_of(headers->text));
    wf_str copy = arena_str(&e->arena, b.ptr, b.len);
    strbuf_fini(&b);
    return copy;
}

static int host_output(wf_item *it, const wf_output *from)
{
    const struct plugin *plugin = plugin_of(it);
    wf_output out;
    if (READ(out, from, plugin->output_size) != 0)
        return -1;
    if (plugin->output_size <= offsetof(wf_output, partition))
        out.partition = -1;
    return outcome_output(it, &out);
}

int outcome_output(wf_item *it, const wf_output *out)
{
    struct exec *e = it->e;
    const char *connection = out->connection ? out->connection : "";
    if (e->en->io.knows_output && !e->en->io.knows_output(e->en->io.ctx, out->channel, connection))
        return -1;
    struct pending_output *p = arena_alloc(&e->arena, sizeof *p);
    *p = (struct pending_output){ .by = outcome_asked_by(it),
                                  .out = { .index = e->n_outputs++,
                                           .partition = out->partition,
                                           .channel = keep(e, str_of(out->channel)),
                                           .connection = keep(e, str_of(connection)),
                                           .topic = keep(e, str_of(out->topic)),
                                           .key = keep(e, out->key),
                                           .body = keep(e, out->body),
                                           .headers = encode_headers(e, out->headers) } };
    *e->outputs_last = p;
    e->outputs_last = &p->next;
    return 0;
}

/* --- segments --------------------------------------------------------------------------------- */

static unsigned host_inputs(wf_segment *seg) { return seg->n_inputs; }

static wf_item *const *host_items(wf_segment *seg, unsigned input, size_t *n)
{
    if (input >= seg->n_inputs) {
        *n = 0;
        return NULL;
    }
    *n = seg->inputs[input].n;
    return seg->inputs[input].items;
}

static wf_item *host_first(wf_segment *seg) { return seg->first; }

/* As may_finish. */
static bool may_finish_segment(const wf_segment *seg)
{
    return !seg->done && (seg->first->state == ITEM_RUNNING || seg->first->state == ITEM_PARKED);
}

static struct wf_item *seg_output(wf_segment *seg, unsigned port, const struct json *json)
{
    struct wf_item *first = seg->first;
    const struct plan_node *node = seg->inst->node;
    unsigned own = node->error_port >= 0 ? node->n_outputs - 1u : node->n_outputs;
    if (seg->error || !may_finish_segment(seg))
        return NULL;
    if (port >= own || ++seg->n_outs > first->e->en->limits.max_items) {
        seg->error = port >= own
                         ? error_create(first->e, WF_REJECTED, "node emitted on port %u, it has %u",
                                        port, own)
                         : error_create(first->e, WF_REJECTED, "node gave more than %u items",
                                        first->e->en->limits.max_items);
        return NULL;
    }
    struct wf_item *out = item_create(first->e, json, node->index, seg->run);
    out->port = (uint16_t)port;
    if (seg->outs_last)
        seg->outs_last->next = out;
    else
        seg->outs = out;
    seg->outs_last = out;
    return out;
}

static void host_seg_push(wf_segment *seg, unsigned port, const wf_value *v, wf_item *const *from,
                          size_t n)
{
    struct exec *e = seg->first->e;
    struct wf_item *out = seg_output(seg, port, as_object(seg->first, v));
    if (!out || !n)
        return;
    out->parts = from[0]->parts;
    if (n == 1) {
        out->parent = from[0];
        return;
    }
    struct item_vec *parents = arena_alloc(&e->arena, sizeof *parents);
    *parents = (struct item_vec){ arena_alloc(&e->arena, n * sizeof *from), (uint32_t)n };
    memcpy(parents->items, from, n * sizeof *from);
    out->parents = parents;
}

static void host_seg_pass(wf_segment *seg, unsigned port, wf_item *it)
{
    struct wf_item *out = seg_output(seg, port, &it->json);
    if (!out)
        return;
    out->parent = it;
    out->parts = it->parts;
}

static void host_seg_done(wf_segment *seg)
{
    if (!may_finish_segment(seg))
        return;
    struct item_error *error = seg->error;
    seg->error = NULL;
    if (error)
        outcome_fail(seg->first, error);
    else
        outcome_segment_done(seg);
}

static void host_seg_fail(wf_segment *seg, const char *why, ...)
{
    FORMAT_TEXT(text, why);
    if (may_finish_segment(seg))
        fail_text(seg->first, WF_REJECTED, text);
}

/* Per execution and node, cleared on first use. */
static void *host_memory(wf_segment *seg, size_t bytes)
{
    struct exec *e = seg->first->e;
    uint32_t node = seg->inst->node->index;
    struct node_memory *m = e->memory;
    while (m && (m->node != node || m->bytes < bytes))
        m = m->next;
    if (!m) {
        size_t header = (sizeof *m + 15) & ~(size_t)15;
        m = arena_zalloc(&e->arena, header + bytes);
        *m = (struct node_memory){ e->memory, node, bytes };
        e->memory = m;
    }
    return (char *)m + ((sizeof *m + 15) & ~(size_t)15);
}

/* --- the node --------------------------------------------------------------------------------- */

static const void *host_inst_config(wf_inst *inst) { return inst->node->params.base; }

static wf_inst *host_inst(wf_item *it) { return it->e->seg.inst; }

static const char *host_inst_name(wf_inst *inst) { return inst->node->name; }

static wf_str host_secret(const wf_cred *cred, const char *field) { return cred_get(cred, field); }

static const char *host_cred_type(const wf_cred *cred) { return cred ? cred->type : ""; }

static void host_count(wf_inst *inst, unsigned metric, int64_t by)
{
    if (metric >= inst->node->type->n_metrics)
        return;
    if (inst->counts_for)
        inst = inst->counts_for;
    metric_count(&inst->metrics[metric], by);
}

static void host_log(wf_inst *inst, int level, const char *event, const char *format, ...)
{
    FORMAT_TEXT(text, format);
    engine_log(inst->ep->en, level, event, "workflow '%s' node '%s': %s", inst->ep->plan->name,
               inst->node->name, text);
}

static struct arena *arena_of_item(wf_item *it) { return &it->e->arena; }

void host_init(struct engine_host *host, struct engine *en)
{
    host->en = en;
    host->h = (wf_host){
        .size = sizeof(wf_host),
        .reply_size = sizeof(wf_reply),
        .v = values_table(arena_of_item),
        .config = host_config,
        .state = host_state,
        .value = host_value,
        .key = host_key,
        .now_ms = host_now_ms,
        .attempt = host_attempt,
        .alloc = host_alloc,
        .fmt = host_fmt,
        .build = host_build,
        .emit = host_emit,
        .pass = host_pass,
        .done = host_done,
        .retry = host_retry,
        .fail = host_fail,
        .fail_with = host_fail_with,
        .push = host_push,
        .request = host_request,
        .offload = host_offload,
        .park = host_park,
        .resume = host_resume,
        .wake = host_wake,
        .output = host_output,
        .inputs = host_inputs,
        .items = host_items,
        .first = host_first,
        .seg_push = host_seg_push,
        .seg_pass = host_seg_pass,
        .seg_done = host_seg_done,
        .seg_fail = host_seg_fail,
        .inst_config = host_inst_config,
        .inst = host_inst,
        .inst_name = host_inst_name,
        .secret = host_secret,
        .cred_type = host_cred_type,
        .count = host_count,
        .log = host_log,
        .service = service_find,
        .memory = host_memory,
        .maybe_begun = host_maybe_begun,
        .begin = host_begin,
    };
}

const wf_host *engine_check_host(void)
{
    static _Thread_local struct engine_host host;
    if (!host.h.size)
        host_init(&host, NULL);
    return &host.h;
}
