/* SPDX-License-Identifier: Apache-2.0
 * service "script/1": Lua steps over items and segments.
 *
 * A run that ends at once lives on the stack here; one that waits (sleep, http.request, kafka.send,
 * functions of plugins) moves to the execution's arena and holds a ticket until its answer is
 * there. Scripts of different items wait side by side; none blocks the worker.
 */
#include "engine/engine_int.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct wf_script {
    struct engine *en;
    struct expr_script *script;
    const char *name; /* of the node */
    bool each;
    struct wf_inst *inst;
    struct function_state *functions; /* that it has called */
};

/* A script under way for one item or segment. */
struct script_call {
    struct script_run run;
    struct wf_script *script;
    struct wf_item *it;             /* of a segment: its first */
    bool whole;                     /* a segment */
    bool failed;                    /* an output was refused */
    int64_t deadline_us;            /* of the node's timeout, from the first wait on; 0: none */
    struct function_call *function; /* of a plugin, under way; or NULL */
    const struct item_error *error; /* that the latest call raised, or NULL */
    unsigned effects;               /* calls that may have done something outside */
};

static wf_script *compile(wf_inst *inst, wf_str source, int each, char *why, size_t why_size)
{
    struct engine *en = inst->ep->en;
    struct err err;
    struct expr_script *script =
        script_compile(en->config.lua, source, inst->node->name, each != 0, &err);
    if (!script) {
        snprintf(why, why_size, "%s", err.text);
        return NULL;
    }
    struct wf_script *s = xcalloc(1, sizeof *s);
    *s = (struct wf_script){ en, script, inst->node->name, each != 0, inst, NULL };
    return s;
}

static void script_destroy(wf_script *s)
{
    if (!s)
        return;
    function_close_all(s->en, s->functions);
    script_free(s->en->config.lua, s->script);
    free(s);
}

static int syntax(wf_str source, char *why, size_t why_size)
{
    struct err err;
    if (script_syntax(source, &err) == 0)
        return 0;
    snprintf(why, why_size, "%s", err.text);
    return -1;
}

/* --- outputs ---------------------------------------------------------------------------------- */

static void emit_item(struct script_call *call, const struct json *json, bool pass)
{
    struct wf_item *out = outcome_push(call->it, 0, json);
    if (out && (pass || !out->parts))
        out->parts = call->it->parts;
    call->failed |= !out;
}

static void emit_segment(struct script_call *call, const struct json *json, int64_t from)
{
    struct engine *en = call->it->e->en;
    struct wf_segment *seg = &call->it->e->seg;
    struct wf_item *source =
        from >= 0 && (uint64_t)from < seg->inputs[0].n ? seg->inputs[0].items[from] : NULL;
    if (source)
        en->host.h.seg_push(seg, 0, value_of_json(json), &source, 1);
    else
        en->host.h.seg_push(seg, 0, value_of_json(json), seg->inputs[0].items, seg->inputs[0].n);
}

static void on_emit(void *ctx, const struct json *json, int64_t from, bool pass)
{
    struct script_call *call = ctx;
    if (call->whole)
        emit_segment(call, json, from);
    else
        emit_item(call, json, pass);
}

static void on_log(void *ctx, wf_str text)
{
    const struct script_call *call = ctx;
    const struct exec *e = call->it->e;
    engine_log(e->en, WF_INFO, "script.log", "workflow '%s' node '%s': %.*s", e->ep->plan->name,
               call->script->name, STR_ARG(text));
}

/* --- running ---------------------------------------------------------------------------------- */

static void finish(struct script_call *call)
{
    struct wf_item *it = call->it;
    if (call->failed)
        outcome_fail(it, error_create(it->e, WF_REJECTED, "script gave more than %u items",
                                      it->e->en->limits.max_items));
    else if (call->whole)
        it->e->en->host.h.seg_done(&it->e->seg);
    else
        outcome_finish(it);
}

/* Time went by while it waited. */
static enum script_status resume(struct script_call *call, const struct json *answer,
                                 const char *error)
{
    struct engine *en = call->it->e->en;
    call->run.scope.now_us = en->io.wall_us(en->io.ctx);
    return script_resume(en->config.lua, &call->run, answer, error);
}

static const char *field_text(struct arena *a, const struct json *v, const char *key)
{
    const struct json *field = json_get(v, key, strlen(key));
    if (!field || field->type == JSON_NULL)
        return NULL;
    wf_str s = json_to_str(a, field);
    return arena_str(a, s.ptr, s.len).ptr;
}

static void wait_sleep(struct script_call *call, struct ticket *t)
{
    int64_t ms = 0;
    json_int(JSON_GET(&call->run.wait, "ms"), &ms);
    ticket_set_timer(t, call->it->e->en->now_us + (ms > 0 ? ms : 0) * 1000 + 1);
}

static const wf_pair *headers_of(struct arena *a, const struct json *object)
{
    if (!object || object->type != JSON_OBJECT)
        return NULL;
    wf_pair *pairs = ARENA_ARRAY(a, wf_pair, object->len + 1);
    for (uint32_t i = 0; i < object->len; i++) {
        wf_str key = json_str(&object->members[i].key),
               value = json_to_str(a, &object->members[i].value);
        pairs[i] =
            (wf_pair){ arena_str(a, key.ptr, key.len).ptr, arena_str(a, value.ptr, value.len).ptr };
    }
    return pairs;
}

static const char *wait_http(struct script_call *call, struct ticket *t)
{
    struct engine *en = call->it->e->en;
    struct arena *a = &call->it->e->arena;
    const struct json *op = &call->run.wait;
    if (!en->io.request)
        return "http.request is not offered here";
    wf_request request = { .method = field_text(a, op, "method"), .url = field_text(a, op, "url") };
    if (!request.url)
        return "http.request: url is missing";
    const struct json *body = JSON_GET(op, "body");
    if (body && body->type != JSON_NULL)
        request.body = json_to_str(a, body);
    json_int(JSON_GET(op, "timeout"), &request.timeout_ms);
    request.headers = headers_of(a, JSON_GET(op, "headers"));
    en->io.request(en->io.ctx, ticket_name(t), &request);
    return NULL;
}

static const char *send_kafka(struct script_call *call)
{
    struct arena *a = &call->it->e->arena;
    const struct json *op = &call->run.wait;
    wf_output out = { .channel = "kafka", .topic = field_text(a, op, "topic"), .partition = -1 };
    if (!out.topic)
        return "kafka.send: topic is missing";
    const char *key = field_text(a, op, "key");
    if (key)
        out.key = str_of(key);
    const struct json *value = JSON_GET(op, "value");
    if (value && value->type != JSON_NULL)
        out.body = json_to_str(a, value);
    out.headers = headers_of(a, JSON_GET(op, "headers"));
    return outcome_output(call->it, &out) == 0 ? NULL : "kafka.send: no Kafka is configured";
}

static void on_function(void *ctx);

/* Starts what the script waits for. NULL, or why it cannot be. *at_once: the script goes on right
 * away. */
static const char *begin_wait(struct script_call *call, struct ticket *t, bool *at_once)
{
    wf_str op = json_str(JSON_GET(&call->run.wait, "op"));
    *at_once = false;
    if (str_eq(op, STR("sleep"))) {
        wait_sleep(call, t);
        return NULL;
    }
    call->effects++;
    if (str_eq(op, STR("call"))) {
        call->function = function_start(call->script->inst, &call->script->functions, call->it,
                                        &call->run.wait, on_function, call);
        *at_once = function_is_over(call->function);
        return NULL;
    }
    if (str_eq(op, STR("http")))
        return wait_http(call, t);
    if (str_eq(op, STR("kafka"))) {
        *at_once = true;
        return send_kafka(call);
    }
    return "this call is not offered here; use the node of that name instead";
}

/* The node's timeout holds for all waits of a script together. */
static void limit_wait(struct script_call *call, struct ticket *t)
{
    struct exec *e = call->it->e;
    int64_t timeout_ms = e->seg.inst->node->timeout_ms;
    if (!timeout_ms)
        return;
    if (!call->deadline_us)
        call->deadline_us = e->en->now_us + timeout_ms * 1000;
    if (t->due_us && t->due_us <= call->deadline_us)
        return;
    ticket_set_timer(t, call->deadline_us);
    t->times_out = true;
}

static enum script_status take_function(struct script_call *call)
{
    static const struct json none = { .type = JSON_MISSING };
    struct function_call *f = call->function;
    call->function = NULL;
    const struct json *answer = function_answer(f, &call->error);
    return resume(call, answer ? answer : &none, call->error ? call->error->message : NULL);
}

/* Starts a wait. False: it was over at once, and the script has gone on to *status. */
static bool park_call(struct script_call *call, enum script_status *status)
{
    struct exec *e = call->it->e;
    struct ticket *t = ticket_take(e->en, TICKET_SCRIPT, e, call->it, 0);
    t->script = call;
    call->it->state = ITEM_PARKED;
    bool at_once;
    const char *why = begin_wait(call, t, &at_once);
    if (!why && !at_once) {
        limit_wait(call, t);
        return true;
    }
    t->script = NULL;
    ticket_free(t);
    struct json none = { .type = JSON_NULL };
    *status = call->function ? take_function(call) : resume(call, &none, why);
    return false;
}

/* The error of a script. One that its first call raised keeps what it was: the step may be tried
 * again, for nothing was done before. */
static struct item_error *script_error(const struct script_call *call)
{
    struct exec *e = call->it->e;
    struct item_error *error = error_create(e, WF_REJECTED, "%s", call->run.err.text);
    char begin[60] = "";
    if (call->error)
        snprintf(begin, sizeof begin, "%s", call->error->message);
    if (!*begin || !strstr(error->message, begin))
        return error;
    if (call->effects == 1 || call->error->fault == WF_ACCOUNT ||
        call->error->fault == WF_UNKNOWN) {
        error->fault = call->error->fault;
        error->code = call->error->code;
        error->retry_after_ms = call->error->retry_after_ms;
    }
    return error;
}

/* A script may make any number of calls that are over at once: a loop, no recursion. */
static void go_on(struct script_call *call, enum script_status status)
{
    while (status == SCRIPT_WAITS)
        if (park_call(call, &status))
            return;
    if (status == SCRIPT_DONE)
        finish(call);
    else
        outcome_fail(call->it, script_error(call));
}

static void start(struct script_call *call)
{
    enum script_status status =
        script_start(call->script->en->config.lua, call->script->script, &call->run);
    if (status != SCRIPT_WAITS) {
        go_on(call, status);
        return;
    }
    struct script_call *kept = arena_alloc(&call->it->e->arena, sizeof *kept);
    *kept = *call;
    kept->run.ctx = kept;
    script_moved(&kept->run);
    kept->run.scope.arena = &call->it->e->arena;
    go_on(kept, status);
}

static void call_init(struct script_call *call, wf_script *s, struct wf_item *it,
                      const struct expr_item *items, size_t n)
{
    call->script = s;
    call->it = it;
    call->whole = !s->each;
    call->failed = false;
    call->deadline_us = 0;
    call->function = NULL;
    call->error = NULL;
    call->effects = 0;
    scope_fill(&call->run.scope, it);
    call->run.items = items;
    call->run.n_items = n;
    call->run.emit = on_emit;
    call->run.log = on_log;
    call->run.ctx = call;
    call->run.thread = NULL;
    call->run.err.code = ERR_NONE;
}

static struct expr_item item_of(const struct wf_item *it)
{
    return (struct expr_item){ &it->json, it->parts ? &it->parts->meta : NULL };
}

static void run_items(wf_script *s, wf_item *const *items, size_t n)
{
    struct script_call call;
    for (size_t i = 0; i < n; i++) {
        struct expr_item *one = arena_alloc(&items[i]->e->arena, sizeof *one);
        *one = item_of(items[i]);
        call_init(&call, s, items[i], one, 1);
        start(&call);
    }
}

static void run_segments(wf_script *s, wf_segment *const *segs, size_t n)
{
    struct script_call call;
    for (size_t i = 0; i < n; i++) {
        struct wf_segment *seg = segs[i];
        uint32_t count = seg->inputs[0].n;
        struct expr_item *all = arena_alloc(&seg->first->e->arena, count * sizeof *all + 1);
        for (uint32_t k = 0; k < count; k++)
            all[k] = item_of(seg->inputs[0].items[k]);
        call_init(&call, s, seg->first, all, count);
        start(&call);
    }
}

const wf_scripts script_service = { sizeof script_service, compile,        run_items,
                                    run_segments,          script_destroy, syntax };

/* --- what it waited for ----------------------------------------------------------------------- */

void script_ticket_due(struct ticket *t)
{
    struct script_call *call = t->script;
    t->script = NULL;
    ticket_free(t);
    struct json none = { .type = JSON_NULL };
    go_on(call, resume(call, &none, NULL));
}

static void on_function(void *ctx)
{
    struct script_call *call = ctx;
    struct ticket *t = call->it->ticket;
    t->script = NULL;
    ticket_free(t);
    go_on(call, take_function(call));
}

void script_drop(struct ticket *t)
{
    if (t->script && t->script->function)
        function_drop(t->script->function);
    if (t->script)
        script_cancel(t->script->script->en->config.lua, &t->script->run);
    t->script = NULL;
}

static struct json reply_headers(struct arena *a, const wf_pair *headers)
{
    size_t n = 0;
    while (headers && headers[n].name)
        n++;
    struct json_member *m;
    struct json object = json_object(a, n, &m);
    for (size_t i = 0; i < n; i++) {
        m[i].key = json_of_str(a, headers[i].name, strlen(headers[i].name));
        m[i].value = json_of_str(a, headers[i].text, strlen(headers[i].text));
    }
    return object;
}

void script_reply(struct ticket *t, const wf_reply *reply)
{
    struct script_call *call = t->script;
    struct arena *a = &call->it->e->arena;
    t->script = NULL;
    ticket_free(t);
    struct json_member *m;
    struct json answer = json_object(a, 3, &m);
    m[0].key = json_of_str_borrow(STR("status"));
    m[0].value = json_of_int(reply->status);
    m[1].key = json_of_str_borrow(STR("body"));
    m[1].value = json_of_str(a, reply->body.ptr, reply->body.len);
    m[2].key = json_of_str_borrow(STR("headers"));
    m[2].value = reply_headers(a, reply->headers);
    const char *error = reply->status ? NULL : reply->error ? reply->error : "no answer";
    go_on(call, resume(call, &answer, error));
}
