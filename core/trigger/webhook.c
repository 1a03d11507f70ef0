/* SPDX-License-Identifier: Apache-2.0
 * Webhooks: a request becomes an execution; its answer leaves when the turn that made it is
 * durable.
 *
 * Every worker listens on the same port and has a lane of its own for each webhook: the partition
 * is made of the engine's instance number and the worker, so two engines never share one, and
 * positions count from where the lane was left. What an engine accepted and did not finish is in
 * the journal; its lanes are taken over when it is dead (takeover in worker/).
 *
 * Limits, authentication and the method are checked before anything is started. A client that goes
 * away loses its answer, not its execution.
 */
#include "trigger/webhook_int.h"
#include "base/log.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct webhook *of(struct trigger *t) { return (struct webhook *)t; }

static void webhook_answer(const struct engine_reply_out *reply);

static void release_body(void *body) { free(body); }

/* --- requests --------------------------------------------------------------------------------- */

static void on_gone(struct http_request *req)
{
    struct webhook_pending *p = req->user;
    p->req = NULL;
}

static void pending_header(struct webhook_pending *p, wf_str name, wf_str value)
{
    p->headers[p->n_headers++] =
        (struct http_header){ { xstrdup(name.ptr), name.len }, { xstrdup(value.ptr), value.len } };
}

static struct webhook_pending *pending_create(struct http_request *req,
                                              const struct wf_webhook_trigger *c)
{
    struct webhook_pending *p = xcalloc(1, sizeof *p);
    p->to.answer = webhook_answer;
    p->req = req;
    p->status = c->response_code;
    const struct wf_kafka_property *rows = c->response_headers.rows;
    p->headers = xcalloc(c->response_headers.n + 2, sizeof *p->headers);
    for (size_t i = 0; i < c->response_headers.n; i++)
        pending_header(p, rows[i].name, rows[i].value);
    wf_str origin = http_request_header(req, "origin");
    if (c->allowed_origins.len && origin.len) { /* it was looked at: it is one of those */
        pending_header(p, STR("access-control-allow-origin"), origin);
        pending_header(p, STR("vary"), STR("origin"));
    }
    req->user = p;
    req->on_gone = on_gone;
    return p;
}

static void pending_free(struct webhook_pending *p)
{
    list_remove(&p->link);
    for (unsigned i = 0; i < p->n_headers; i++) {
        free((char *)p->headers[i].name.ptr);
        free((char *)p->headers[i].value.ptr);
    }
    free(p->headers);
    free(p);
}

/* --- refusals --------------------------------------------------------------------------------- */

/* What a page needs to read an answer of another origin than its own: how many headers were set.
 * The origin was looked at when it is not one of those allowed: then nothing is said. */
static unsigned origin_headers(const struct webhook *hook, struct http_request *req,
                               struct http_header *headers)
{
    wf_str origin = http_request_header(req, "origin");
    const wf_str allowed = hook ? hook->config->allowed_origins : (wf_str){ "", 0 };
    if (!allowed.len || !origin.len || !webhook_origin_allowed(allowed.ptr, origin))
        return 0;
    headers[0] = (struct http_header){ STR("access-control-allow-origin"), origin };
    headers[1] = (struct http_header){ STR("vary"), STR("origin") };
    return 2;
}

/* `allow`: of a 405, or empty. `hook`: whose answer it is, or NULL. */
static void refuse_with(struct http_request *req, const struct webhook *hook, int status,
                        wf_str allow, const char *text)
{
    struct http_header headers[5] = { { STR("content-type"), STR("application/json") } };
    struct strbuf body;
    unsigned n = 1 + origin_headers(hook, req, headers + 1);
    if (allow.len)
        headers[n++] = (struct http_header){ STR("allow"), allow };
    if (status == 503)
        headers[n++] = (struct http_header){ STR("retry-after"), STR("1") };
    strbuf_init(&body, 8192);
    strbuf_adds(&body, "{\"error\":");
    strbuf_add_json(&body, text, strlen(text));
    strbuf_adds(&body, "}\n");
    http_respond(req, status, headers, n, strbuf_str(&body));
    strbuf_fini(&body);
}

void webhook_refuse(struct http_request *req, const struct webhook *hook, int status,
                    const char *format, ...)
{
    char text[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    refuse_with(req, hook, status, (wf_str){ "", 0 }, text);
}

/* The path is a webhook's, but not with this method: whose it is tells which pages may read that.
 */
static void refuse_method(const struct route_table *routes, struct http_request *req,
                          unsigned allowed)
{
    char allow[128];
    struct route_match match = { 0 };
    for (enum http_method m = HTTP_NONE + 1; m < HTTP_METHOD_COUNT && !match.target; m++)
        if (allowed & 1u << m)
            route_find(routes, m, req->path, &match);
    refuse_with(req, match.target, 405, route_allow(allowed, allow, sizeof allow),
                "method not allowed");
}

/* --- starting --------------------------------------------------------------------------------- */

static const char *why_not(const struct webhook *hook)
{
    if (hook->stopping || !hook->lane)
        return "the workflow is not ready";
    return engine_room(hook->trigger.host->engine) ? NULL : "the engine is busy";
}

/* One build and one call: what the engine borrows lives on this stack until engine_accept returns;
 * the body lives until the execution ends. */
static void start_execution(struct webhook_call *call, struct webhook *hook)
{
    const struct wf_webhook_trigger *c = hook->config;
    struct webhook_pending *p = pending_create(call->req, c);
    char *body = call->req->body.len ? memcpy(xmalloc(call->req->body.len + 1), call->req->body.ptr,
                                              call->req->body.len)
                                     : NULL;
    if (body)
        body[call->req->body.len] = 0;
    call->body = (wf_str){ body ? body : "", call->req->body.len };
    struct inbound in = { .lane = hook->lane,
                          .position = lane_id(hook->lane).position,
                          .event = call,
                          .raw = call->body,
                          .reply = p,
                          .answer_accept = c->response_mode == WF_WEBHOOK_RECEIVED,
                          .accept_status = (uint16_t)(c->response_code ? c->response_code : 202),
                          .answer_data = (uint8_t)c->response_data,
                          .build = webhook_item_build,
                          .release = body ? release_body : NULL,
                          .keep = body };
    if (call->claim) {
        in.key = call->claim->key.key;
        in.key_token = call->claim->key.token;
        in.key_status = (uint16_t)c->response_code;
    }
    webhook_watch(hook->trigger.host->webhooks, hook, p);
    engine_accept(hook->trigger.host->engine, &in, 1);
}

/* The browser asks before it calls from a page of another origin. False: that is no such question,
 * or not one for a webhook that speaks about origins. */
static bool preflight(struct webhook_table *t, struct http_request *req)
{
    char allow[128];
    struct route_match match;
    wf_str origin = http_request_header(req, "origin");
    wf_str method = http_request_header(req, "access-control-request-method");
    wf_str asked = http_request_header(req, "access-control-request-headers");
    if (!origin.len || !method.len ||
        route_find(webhook_routes(t), http_method_parse(method), req->path, &match) != ROUTE_FOUND)
        return false;
    const struct webhook *hook = match.target;
    if (!hook->config->allowed_origins.len)
        return false;
    if (!webhook_origin_allowed(hook->config->allowed_origins.ptr, origin)) {
        http_respond_error(req, 403, "not allowed from this origin");
        return true;
    }
    struct http_header headers[] = {
        { STR("access-control-allow-origin"), origin },
        { STR("vary"), STR("origin, access-control-request-headers") },
        { STR("access-control-allow-methods"), route_allow(match.allowed, allow, sizeof allow) },
        { STR("access-control-max-age"), STR("300") },
        { STR("access-control-allow-headers"), asked },
    };
    http_respond(req, 204, headers, asked.len ? 5 : 4, STR(""));
    return true;
}

static unsigned answer_headers(const struct webhook_pending *p,
                               const struct engine_reply_out *reply, struct http_header *headers,
                               unsigned max)
{
    wf_str encoded = reply->headers;
    unsigned n = 0;
    size_t at = 0;
    wf_str name, value;
    bool typed = false;
    while (n < max && encoded.len && store_headers_next(encoded, &at, &name, &value) == 1) {
        typed |= str_eq_nocase(name, STR("content-type"));
        headers[n++] = (struct http_header){ name, value };
    }
    for (unsigned i = 0; i < p->n_headers && n < max; i++) {
        typed |= str_eq_nocase(p->headers[i].name, STR("content-type"));
        headers[n++] = p->headers[i];
    }
    if (!typed && reply->body.len && n < max)
        headers[n++] = (struct http_header){ STR("content-type"), STR("application/json") };
    return n;
}

static void go_on(void *table, struct http_request *req, struct webhook_claim *claim);

static bool begin_claim(struct webhook_table *t, const struct webhook *hook,
                        struct http_request *req, wf_str key)
{
    const struct trigger_host *host = hook->trigger.host;
    struct webhook_claim_config config = { .host = host,
                                           .source = hook->trigger.source,
                                           .keep_ms = hook->config->idempotency_keep_ms,
                                           .req = req,
                                           .key = key,
                                           .table = t,
                                           .done = go_on };
    return webhook_claim_start(&config) == 0;
}

static void replay(const struct webhook *hook, struct http_request *req,
                   const struct webhook_claim *claim)
{
    struct webhook_pending *p = pending_create(req, hook->config);
    struct engine_reply_out out = { .handle = p,
                                    .status = claim->found.status,
                                    .headers = claim->found.headers,
                                    .body = claim->found.body };
    struct http_header headers[64];
    unsigned n = answer_headers(p, &out, headers, 63);
    headers[n++] = (struct http_header){ STR("idempotent-replayed"), STR("true") };
    req->on_gone = NULL;
    http_respond(req, out.status, headers, n, out.body);
    pending_free(p);
}

/* The key of a request that may call: it is claimed first. True: the execution may start. */
static bool key_allows(struct webhook_table *t, struct webhook_call *call,
                       const struct webhook *hook)
{
    enum { KEY_MAX = 255 };
    struct http_request *req = call->req;
    char room[256];
    struct arena a;
    if (!hook->config->idempotency_header.len)
        return true;
    if (call->claim && call->claim->key.source == hook->trigger.source) {
        switch (call->claim->found.state) {
        case STORE_KEY_NEW:
            return true;
        case STORE_KEY_ANSWERED:
            replay(hook, req, call->claim);
            return false;
        case STORE_KEY_OTHER:
            webhook_refuse(req, hook, 422, "this idempotency key was another request's");
            return false;
        case STORE_KEY_BUSY:
            webhook_refuse(req, hook, 409,
                           "a request with this idempotency key is being worked on");
            return false;
        }
    }
    arena_init(&a, room, sizeof room);
    wf_str key = webhook_header(req, hook->config->idempotency_header, "", &a);
    arena_fini(&a);
    if (!key.ptr)
        return true;
    if (!key.len || key.len > KEY_MAX)
        webhook_refuse(req, hook, 400, "the idempotency key must have 1 to %d bytes", KEY_MAX);
    else if (!begin_claim(t, hook, req, key))
        webhook_refuse(req, hook, 503, "the engine is busy");
    return false;
}

/* Whether its sender may call, and with this body; else it was told why not. */
static bool may_start(struct webhook_call *call, struct arena *a)
{
    struct http_request *req = call->req;
    const struct wf_webhook_trigger *c = call->hook->config;
    struct err err;
    if (!webhook_ip_allowed(c->ip_allow.ptr, req->peer))
        webhook_refuse(req, call->hook, 403, "not allowed from this address");
    else if (c->ignore_bots && webhook_is_bot(http_request_header(req, "user-agent")))
        webhook_refuse(req, call->hook, 403, "not for bots");
    else if (!webhook_origin_allowed(c->allowed_origins.ptr, http_request_header(req, "origin")))
        webhook_refuse(req, call->hook, 403, "not allowed from this origin");
    else if (c->max_body && req->body.len > (uint64_t)c->max_body)
        webhook_refuse(req, call->hook, 413, "the body is larger than %lld bytes",
                       (long long)c->max_body);
    else if (!webhook_may_call(c, req, a, &call->token))
        webhook_refuse(req, call->hook, 401, "authentication failed");
    else if (webhook_body_check(a, call, &err) != 0)
        webhook_refuse(req, call->hook, 400, "%s", err.text);
    else
        return true;
    return false;
}

/* True: an execution was started. */
static bool serve(struct webhook_table *t, struct http_request *req, struct webhook_claim *claim)
{
    bool started = false;
    char room[2048];
    struct route_match match;
    struct arena a;
    const struct route_table *routes = webhook_routes(t);
    if (req->method == HTTP_OPTIONS && preflight(t, req))
        return false;
    enum route_result found = route_find(routes, req->method, req->path, &match);
    if (found == ROUTE_BAD_METHOD) {
        refuse_method(routes, req, match.allowed);
        return false;
    }
    if (found != ROUTE_FOUND) {
        http_respond_error(req, 404, "no webhook at %.*s", STR_ARG(req->path));
        return false;
    }
    struct webhook *hook = match.target;
    struct webhook_call call = {
        .req = req, .hook = hook, .match = &match, .body = req->body, .claim = claim
    };
    arena_init(&a, room, sizeof room);
    const char *busy = why_not(hook);
    if (may_start(&call, &a)) {
        if (busy) {
            webhook_refuse(req, hook, 503, "%s", busy);
        } else if (!claim && webhook_hold(t, hook, req)) {
            started = false;
        } else if (key_allows(t, &call, hook)) {
            start_execution(&call, hook);
            started = true;
        }
    }
    arena_fini(&a);
    return started;
}

const struct webhook *webhook_of(struct webhook_table *t, const struct http_request *req)
{
    struct route_match match;
    route_find(webhook_routes(t), req->method, req->path, &match);
    return match.target;
}

void webhook_request(struct webhook_table *t, struct http_request *req) { serve(t, req, NULL); }

/* The store has said what it knows of the key. */
static void go_on(void *table, struct http_request *req, struct webhook_claim *claim)
{
    if (claim->failed)
        webhook_refuse(req, webhook_of(table, req), 503, "the store does not answer");
    else
        claim->is_used = serve(table, req, claim);
}

static void webhook_answer(const struct engine_reply_out *reply)
{
    struct webhook_pending *p = reply->handle;
    struct http_header headers[64];
    if (p->req) {
        int status = p->status && reply->status == 200 ? (int)p->status : reply->status;
        unsigned n = answer_headers(p, reply, headers, 64);
        p->req->on_gone = NULL;
        http_respond(p->req, status, headers, n, reply->body);
    }
    pending_free(p);
}

/* --- the trigger ------------------------------------------------------------------------------ */

static void finish_stop(struct webhook *hook)
{
    void (*gone)(void *) = hook->gone;
    void *ctx = hook->gone_ctx;
    free(hook->trouble);
    free(hook);
    gone(ctx);
}

static void on_lane_ready(void *user, struct lane *lane, const struct err *err)
{
    struct webhook *hook = user;
    hook->opening = NULL;
    hook->lane = lane;
    if (!lane)
        log_error("webhook", "lane", "workflow '%s': %s", engine_plan_get(hook->trigger.ep)->name,
                  err->text);
}

static void on_lane_dropped(void *user) { finish_stop(user); }

static struct trigger *start(struct trigger_host *host, struct engine_plan *ep, uint32_t node,
                             uint32_t source, struct err *err)
{
    if (!host->webhooks) {
        err_set(err, ERR_INVALID, "webhooks are off: no HTTP port is set");
        return NULL;
    }
    struct webhook *hook = xcalloc(1, sizeof *hook);
    hook->trigger = (struct trigger){
        .self = &hook->trigger, .host = host, .ep = ep, .node = node, .source = source
    };
    hook->config = engine_plan_get(ep)->nodes[node].params.base;
    list_append(&host->webhooks->hooks, &hook->link);
    webhook_routes_changed(host->webhooks, host);
    struct lane_open_config config = { .trigger = &hook->trigger,
                                       .partition = lane_of_worker(host),
                                       .user = hook,
                                       .ready = on_lane_ready,
                                       .dropped = on_lane_dropped };
    hook->opening = lane_open_start(&config);
    if (hook->lane)
        hook->opening = NULL;
    return &hook->trigger;
}

static void replace(struct trigger *t, struct engine_plan *ep, uint32_t node)
{
    struct webhook *hook = of(t);
    t->ep = ep;
    t->node = node;
    hook->config = engine_plan_get(ep)->nodes[node].params.base;
    if (hook->lane)
        lane_set_plan(hook->lane, ep, node);
    webhook_routes_changed(t->host->webhooks, t->host);
}

static void lane_lost(struct trigger *t, struct lane *lane)
{
    struct webhook *hook = of(t);
    (void)lane;
    hook->lane = NULL;
    lane_open_lost(hook->opening);
    hook->opening = NULL;
    if (hook->stopping)
        finish_stop(hook);
}

static void stop(struct trigger *t, bool drain, void (*gone)(void *ctx), void *ctx)
{
    struct webhook *hook = of(t);
    hook->gone = gone;
    hook->gone_ctx = ctx;
    hook->stopping = true;
    list_remove(&hook->link);
    webhook_routes_changed(t->host->webhooks, t->host);
    if (hook->opening)
        lane_open_cancel(hook->opening);
    else if (hook->lane)
        engine_lane_drop(t->host->engine, hook->lane, drain);
    else
        finish_stop(hook);
}

static const char *trouble(struct trigger *t)
{
    webhook_routes(t->host->webhooks);
    return of(t)->lane ? of(t)->trouble : "webhook: its lane is not open yet";
}

static wf_str source_name(struct arena *a, const struct plan_node *node)
{
    const struct wf_webhook_trigger *c = node->params.base;
    return arena_str(a, c->path.ptr, c->path.len);
}

const struct trigger_kind webhook_trigger_kind = {
    .type = "catalyst.webhook",
    .start = start,
    .replace = replace,
    .stop = stop,
    .lane_lost = lane_lost,
    .trouble = trouble,
    .source_kind = "webhook",
    .source_name = source_name,
};
