/* SPDX-License-Identifier: Apache-2.0
 * How items finish: with outputs, with an error, or with another try later.
 *
 * Errors are per item. What an error does is the node's onError: it stops the execution once the
 * segment is complete, leaves by the regular output as {error}, or leaves by the error output with
 * the item's own data. A node with `retry` gets failed items again after a back-off; retry() asks
 * for it in any case.
 */
#include "engine/engine_int.h"
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { DEFAULT_TRIES = 5, DEFAULT_FIRST_MS = 1000, DEFAULT_MAX_MS = 60000 };

static struct item_error *error_vcreate(struct exec *e, wf_fault fault, const char *format,
                                        va_list args)
{
    char text[1024];
    vsnprintf(text, sizeof text, format, args);
    struct item_error *error = ARENA_NEW(&e->arena, struct item_error);
    error->message = arena_strdup(&e->arena, text);
    error->fault = fault;
    return error;
}

struct item_error *error_create(struct exec *e, wf_fault fault, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    struct item_error *error = error_vcreate(e, fault, format, args);
    va_end(args);
    return error;
}

static bool is_segment_node(const struct wf_inst *inst) { return inst->whole; }

static struct wf_item *push(struct wf_item *it, unsigned port, const struct json *json)
{
    struct exec *e = it->e;
    struct wf_segment *seg = &e->seg;
    const struct plan_node *node = seg->inst->node;
    BUG_IF(port >= node->n_outputs);
    seg->n_outs++;
    struct wf_item *out = item_create(e, json, node->index, seg->run);
    out->parent = it;
    out->port = (uint16_t)port;
    if (__builtin_expect(it->attached != NULL, 0)) {
        out->parts = it->attached;
        it->attached = NULL;
    }
    if (it->outs_last)
        it->outs_last->next = out;
    else
        it->outs = out;
    it->outs_last = out;
    return out;
}

struct wf_item *outcome_push(struct wf_item *it, unsigned port, const struct json *json)
{
    if (item_is_call(it))
        return function_push(it, json);
    return it->e->seg.n_outs < it->e->en->limits.max_items ? push(it, port, json) : NULL;
}

static void settled(struct wf_item *it, enum item_state state)
{
    struct exec *e = it->e;
    it->state = (uint8_t)state;
    if (it->ticket)
        ticket_give_up(it->ticket);
    if (is_segment_node(e->seg.inst))
        e->seg.done = true;
    BUG_IF(e->seg.pending == 0);
    e->seg.pending--;
    if (e->seg.pending == 0 && e->state == EXEC_PARKED)
        outcome_settle(e);
}

void outcome_finish(struct wf_item *it)
{
    if (item_is_call(it))
        function_finish(it, NULL);
    else
        settled(it, ITEM_FINISHED);
}

void outcome_segment_done(struct wf_segment *seg) { settled(seg->first, ITEM_FINISHED); }

void outcome_settle(struct exec *e)
{
    if (e->seg.pending == 0)
        step_finish(e);
    else if (e->state != EXEC_PARKED)
        exec_set_state(e, EXEC_PARKED);
}

/* --- errors ----------------------------------------------------------------------------------- */

static struct json text_json(const char *text) { return json_of_str_borrow(str_of(text)); }

/* An error is one item for one item: it goes out where the node may emit no more, too.
 *
 * {error: message} by the regular output, as n8n gives it. */
static void push_regular(struct wf_item *it, const struct item_error *error)
{
    struct json_member *m;
    struct json object = json_object(&it->e->arena, 1, &m);
    m[0].key = text_json("error");
    m[0].value = text_json(error->message);
    push(it, 0, &object);
}

/* The item with `error` added by the error output. */
static void push_error(struct wf_item *it, unsigned port, const struct item_error *error)
{
    struct json message = text_json(error->message);
    struct json object = json_set_key(&it->e->arena, &it->json, STR("error"), &message);
    push(it, port, &object)->parts = it->parts;
}

/* --- what leaves with the turn: with the outcome of who asked for it, or not at all ----------- */

struct asked_by outcome_asked_by(const struct wf_item *it)
{
    const struct wf_segment *seg = &it->e->seg;
    if (!seg->inst)
        return (struct asked_by){ 0 };
    return (struct asked_by){ .it = it, .node = seg->inst->node->index, .run = seg->run };
}

bool outcome_under_way(const struct exec *e, const struct asked_by *by)
{
    return e->seg.inst && by->it && by->node == e->seg.inst->node->index && by->run == e->seg.run;
}

static bool asked(const struct exec *e, const struct wf_item *it, const struct asked_by *by)
{
    return outcome_under_way(e, by) && (!it || by->it == it || is_segment_node(e->seg.inst));
}

void outcome_take_back(struct exec *e, const struct wf_item *it)
{
    struct pending_output **out = &e->outputs;
    while (*out)
        if (asked(e, it, &(*out)->by))
            *out = (*out)->next;
        else
            out = &(*out)->next;
    e->outputs_last = out;
    for (struct pending_row **row = &e->rows; *row;)
        if (asked(e, it, &(*row)->by))
            *row = (*row)->next;
        else
            row = &(*row)->next;
}

static void drop_outputs(struct wf_item *it)
{
    for (const struct wf_item *out = it->outs; out; out = out->next)
        it->e->seg.n_outs--;
    it->outs = it->outs_last = NULL;
}

/* Segment nodes fail as a whole: every input item takes the way out that onError names. */
static void redirect_segment(struct wf_segment *seg, const struct plan_node *node,
                             struct item_error *error)
{
    if (node->on_error == ON_ERROR_REGULAR) {
        push_regular(seg->first, error);
        seg->outs = seg->first->outs;
        return;
    }
    struct wf_item *first = NULL, **last = &first;
    for (uint16_t k = 0; k < seg->n_inputs; k++)
        for (uint32_t i = 0; i < seg->inputs[k].n; i++) {
            struct wf_item *it = seg->inputs[k].items[i];
            drop_outputs(it);
            push_error(it, (unsigned)node->error_port, error);
            if (it->outs) {
                *last = it->outs;
                last = &it->outs->next;
            }
        }
    seg->outs = first;
}

static void redirect(struct wf_item *it, const struct plan_node *node, struct item_error *error)
{
    drop_outputs(it);
    if (node->on_error == ON_ERROR_REGULAR)
        push_regular(it, error);
    else
        push_error(it, (unsigned)node->error_port, error);
}

static void fail_now(struct wf_item *it, struct item_error *error)
{
    struct wf_segment *seg = &it->e->seg;
    const struct plan_node *node = seg->inst->node;
    seg->inst->counters.failed++;
    it->error = error;
    outcome_take_back(it->e, it);
    if (node->on_error == ON_ERROR_STOP ||
        (node->on_error == ON_ERROR_REGULAR && !node->n_outputs)) {
        seg->failed++;
        if (is_segment_node(seg->inst))
            seg->error = error;
        drop_outputs(it);
        settled(it, ITEM_FAILED);
        return;
    }
    if (it->e->kept)
        memory_take_back(it->e, node->index);
    if (is_segment_node(seg->inst))
        redirect_segment(seg, node, error);
    else
        redirect(it, node, error);
    settled(it, ITEM_FINISHED);
}

/* --- another try ------------------------------------------------------------------------------ */

static uint32_t tries_allowed(const struct plan_node *node, const struct item_error *error,
                              bool asked)
{
    if (error->fault == WF_REJECTED && !asked)
        return node->retry.tries > 1 && !error->code ? node->retry.tries : 1;
    if (error->fault == WF_ACCOUNT || error->fault == WF_UNKNOWN)
        return 1;
    if (node->retry.tries > 1)
        return node->retry.tries;
    return asked || error->fault == WF_TRANSIENT || error->fault == WF_THROTTLE ? DEFAULT_TRIES : 1;
}

static int64_t backoff_ms(struct engine *en, const struct plan_node *node, unsigned attempt)
{
    struct plan_retry r = node->retry;
    if (r.tries <= 1)
        r = (struct plan_retry){
            .first_ms = DEFAULT_FIRST_MS, .max_ms = DEFAULT_MAX_MS, .factor = 2, .jitter = 0.2
        };
    double wait = (double)r.first_ms;
    for (unsigned i = 1; i < attempt && wait < 1e12; i++)
        wait *= r.factor > 0 ? r.factor : 1;
    if (r.max_ms && wait > (double)r.max_ms)
        wait = (double)r.max_ms;
    double share = (double)(en->io.random(en->io.ctx) >> 11) / (double)(1ull << 53);
    return (int64_t)(wait * (1 - r.jitter * share));
}

static void schedule(struct wf_item *it, int64_t in_ms, const struct item_error *error)
{
    struct exec *e = it->e;
    struct engine *en = e->en;
    const struct plan_node *node = e->seg.inst->node;
    int64_t wait_ms = backoff_ms(en, node, it->attempt);
    if (in_ms > wait_ms)
        wait_ms = in_ms;
    if (it->attempt < UINT16_MAX)
        it->attempt++;
    if (it->attempt > e->seg.attempt)
        e->seg.attempt = it->attempt;
    e->seg.inst->counters.retried++;
    drop_outputs(it);
    outcome_take_back(it->e, it);
    it->attached = NULL;
    if (e->kept)
        memory_take_back(e, node->index);
    if (is_segment_node(e->seg.inst)) {
        e->seg.outs = e->seg.outs_last = NULL;
        e->seg.n_outs = 0;
    }
    it->error = (struct item_error *)error;
    if (it->ticket)
        ticket_give_up(it->ticket);
    it->state = ITEM_AGAIN;
    ticket_take(en, TICKET_RETRY, e, it, (wait_ms > 0 ? wait_ms : 1) * 1000);
    e->dirty = true;
    if (error && error->fault == WF_THROTTLE && e->seg.n_inputs == 1 && e->seg.one.n == 1)
        exec_set_begun(e, false); /* the other side has refused it */
    if (e->state == EXEC_PARKED)
        exec_set_state(e, EXEC_PARKED); /* it may leave memory now */
}

void outcome_fail(struct wf_item *it, const struct item_error *error)
{
    const struct plan_node *node = it->e->seg.inst->node;
    if (item_is_call(it)) {
        function_finish(it, error);
        return;
    }
    if (it->attempt < tries_allowed(node, error, false)) {
        int64_t wait =
            error->fault == WF_THROTTLE || error->fault == WF_TRANSIENT ? error->retry_after_ms : 0;
        schedule(it, wait, error);
        return;
    }
    fail_now(it, (struct item_error *)error);
}

void outcome_retry(struct wf_item *it, int64_t in_ms, const struct item_error *error)
{
    if (item_is_call(it))
        function_finish(it, error);
    else if (it->attempt < tries_allowed(it->e->seg.inst->node, error, true))
        schedule(it, in_ms, error);
    else
        fail_now(it, (struct item_error *)error);
}

/* The execution's error as it is stored and shown. */
const char *error_json(struct arena *a, const struct exec *e, wf_str *out)
{
    struct strbuf b;
    strbuf_init(&b, 1u << 20);
    const struct item_error *error = e->error;
    strbuf_adds(&b, "{\"message\":");
    strbuf_add_json(&b, error->message, strlen(error->message));
    strbuf_adds(&b, ",\"node\":");
    const char *node = exec_node(e, e->error_node)->name;
    strbuf_add_json(&b, node, strlen(node));
    strbuf_addf(&b, ",\"itemIndex\":%u", e->error_item);
    if (error->code) {
        strbuf_adds(&b, ",\"code\":");
        strbuf_add_json(&b, error->code, strlen(error->code));
    }
    if (error->detail.len) {
        strbuf_adds(&b, ",\"description\":");
        strbuf_add_json(&b, error->detail.ptr, error->detail.len > 4096 ? 4096 : error->detail.len);
    }
    strbuf_addc(&b, '}');
    *out = arena_str(a, b.ptr, b.len);
    strbuf_fini(&b);
    return out->ptr;
}
