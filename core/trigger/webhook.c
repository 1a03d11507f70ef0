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
#include "trigger/trigger_int.h"
#include "base/list.h"
#include "base/log.h"
#include "http/http.h"
#include "loop/loop.h"
#include <catalyst/triggers.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_PARTS = 64, MAX_FIELDS = 1024 };

struct webhook {
    struct trigger trigger;
    const struct wf_webhook_trigger *config;
    struct link link; /* in its table */
    struct lane *lane;
    struct lane_open *opening;
    bool stopping;
    void (*gone)(void *ctx);
    void *gone_ctx;
};

struct webhook_table {
    struct link hooks;
    struct route_table *routes; /* NULL: to be built anew */
};

/* A request whose answer is still to come. */
struct pending {
    struct http_request *req; /* NULL: the client went away */
    int64_t status;           /* of a good answer, when the node sets one; 0: as the engine says */
    struct http_header *headers;
    unsigned n_headers;
};

/* A request on its way into the engine. */
struct call {
    struct http_request *req;
    const struct webhook *hook;
    const struct route_match *match;
    wf_str body;                 /* copied: the request may be answered before its execution ends */
    const char *token;           /* payload of a JSON Web Token, or NULL */
    struct webhook_claim *claim; /* of its idempotency key; or NULL */
};

static struct webhook *of(struct trigger *t) { return (struct webhook *)t; }

/* --- routes ----------------------------------------------------------------------------------- */

static void add_method(struct webhook_table *t, struct webhook *hook, const char *name,
                       const char *pattern)
{
    struct err err;
    enum http_method method = http_method_parse(str_of(name));
    if (method == HTTP_NONE || route_add(t->routes, method, pattern, hook, &err) != 0)
        log_error("webhook", "route.refused", "workflow '%s': %s /%s: %s",
                  engine_plan_get(hook->trigger.ep)->name, name, pattern,
                  method == HTTP_NONE ? "unknown method" : err.text);
}

static void add_routes(struct webhook_table *t, struct webhook *hook)
{
    char pattern[512];
    const char *path = hook->config->path.ptr;
    while (*path == '/')
        path++;
    snprintf(pattern, sizeof pattern, "/webhook/%s", path);
    char methods[128], *rest = methods, *name;
    snprintf(methods, sizeof methods, "%s",
             hook->config->methods.len ? hook->config->methods.ptr : "GET");
    const struct wf_webhook_method *more = hook->config->more_methods.rows;
    for (size_t i = 0; hook->config->several_methods && i < hook->config->more_methods.n; i++)
        add_method(t, hook, more[i].name.ptr, pattern);
    while (!hook->config->several_methods && (name = strtok_r(rest, ", ", &rest)))
        add_method(t, hook, name, pattern);
}

static void build_routes(struct webhook_table *t)
{
    struct webhook *hook;
    t->routes = route_table_create();
    LIST_EACH(hook, &t->hooks, struct webhook, link) { add_routes(t, hook); }
}

static void routes_changed(struct webhook_table *t)
{
    if (t->routes)
        route_table_destroy(t->routes);
    t->routes = NULL;
}

struct webhook_table *webhook_table_create(void)
{
    struct webhook_table *t = xcalloc(1, sizeof *t);
    list_init(&t->hooks);
    return t;
}

void webhook_table_destroy(struct webhook_table *t)
{
    routes_changed(t);
    free(t);
}

/* --- request to item -------------------------------------------------------------------------- */

static struct json text_value(struct arena *a, wf_str s) { return json_of_str(a, s.ptr, s.len); }

/* Adds a member, or replaces the one of that name: the last wins. */
static void member_put(struct json *object, struct json_member *members, struct json key,
                       struct json value)
{
    uint32_t at = 0;
    while (at < object->len && !json_equal(&members[at].key, &key))
        at++;
    members[at].key = key;
    members[at].value = value;
    object->len += at == object->len;
}

static struct json headers_object(struct arena *a, const struct http_request *req)
{
    struct json_member *members;
    struct json object = json_object(a, req->n_headers, &members);
    object.len = 0;
    for (unsigned i = 0; i < req->n_headers; i++)
        member_put(&object, members, text_value(a, req->headers[i].name),
                   text_value(a, req->headers[i].value));
    return object;
}

static struct json fields_object(struct arena *a, wf_str text)
{
    struct http_fields fields = { 0 };
    struct err err;
    struct json_member *members;
    if (http_form_parse(a, text, MAX_FIELDS, &fields, &err) != 0)
        fields.n = 0;
    struct json object = json_object(a, fields.n, &members);
    object.len = 0;
    for (size_t i = 0; i < fields.n; i++)
        member_put(&object, members, text_value(a, fields.at[i].name),
                   text_value(a, fields.at[i].value));
    return object;
}

static struct json params_object(struct arena *a, const struct route_match *match)
{
    struct json_member *members;
    struct json object = json_object(a, match->n_params, &members);
    for (unsigned i = 0; i < match->n_params; i++) {
        char *decoded = arena_alloc(a, match->params[i].value.len + 1);
        size_t len = http_decode(decoded, match->params[i].value, false);
        members[i].key = text_value(a, match->params[i].name);
        members[i].value = json_of_str(a, decoded, len);
    }
    return object;
}

static int body_multipart(struct arena *a, const struct call *call, wf_str type, struct json *body,
                          struct inbound_item *item, struct err *err)
{
    struct http_part *parts;
    size_t n;
    if (http_multipart_parse(a, type, call->body, MAX_PARTS, &parts, &n, err) != 0)
        return -1;
    struct json_member *members;
    struct inbound_file *files = ARENA_ARRAY(a, struct inbound_file, n + 2);
    *body = json_object(a, n, &members);
    body->len = 0;
    if (item->n_files) /* the raw body */
        files[0] = item->files[0];
    for (size_t i = 0; i < n; i++) {
        if (parts[i].file_name.ptr)
            files[item->n_files++] =
                (struct inbound_file){ parts[i].name.ptr, parts[i].content_type, parts[i].file_name,
                                       parts[i].body };
        else
            member_put(body, members, text_value(a, parts[i].name), text_value(a, parts[i].body));
    }
    item->files = files;
    return 0;
}

static void add_whole_body(struct arena *a, const struct call *call, wf_str media,
                           struct inbound_item *item)
{
    wf_str name = call->hook->config->binary_name;
    struct inbound_file *file = ARENA_NEW(a, struct inbound_file);
    *file = (struct inbound_file){ name.len ? arena_str(a, name.ptr, name.len).ptr : "data",
                                   media.len ? media : STR("application/octet-stream"), STR("body"),
                                   call->body };
    item->files = file;
    item->n_files = 1;
}

static int body_value(struct arena *a, const struct call *call, struct json *body,
                      struct inbound_item *item, struct err *err)
{
    wf_str type = http_request_header(call->req, "content-type");
    wf_str media = type.ptr ? http_media_type(a, type) : (wf_str){ "", 0 };
    struct json_error why;
    struct json_member *none;
    *body = json_object(a, 0, &none);
    if (!call->body.len)
        return 0;
    bool is_binary = webhook_is_binary(media);
    if (call->hook->config->raw_body || is_binary)
        add_whole_body(a, call, media, item);
    if (is_binary)
        return 0;
    if (str_eq(media, STR("application/x-www-form-urlencoded"))) {
        *body = fields_object(a, call->body);
        return 0;
    }
    if (str_eq(media, STR("multipart/form-data")))
        return body_multipart(a, call, type, body, item, err);
    bool is_json = str_eq(media, STR("application/json")) ||
                   (media.len > 5 && !memcmp(media.ptr + media.len - 5, "+json", 5));
    if (!is_json && media.len) {
        *body = text_value(a, call->body);
        return 0;
    }
    if (json_parse(a, call->body.ptr, call->body.len, 0, body, &why) == 0)
        return 0;
    if (!is_json) {
        *body = text_value(a, call->body);
        return 0;
    }
    return err_set(err, ERR_INVALID, "the body is not JSON: byte %zu: %s", why.offset, why.reason);
}

static int build(const struct lane *lane, void *event, struct arena *a, struct inbound_item **items,
                 size_t *n, struct err *err)
{
    const struct call *call = event;
    struct json_member *m;
    (void)lane;
    struct inbound_item *item = ARENA_NEW(a, struct inbound_item);
    item->json = json_object(a, call->token ? 7 : 6, &m);
    m[0].key = json_of_str_borrow(STR("headers"));
    m[0].value = headers_object(a, call->req);
    m[1].key = json_of_str_borrow(STR("params"));
    m[1].value = params_object(a, call->match);
    m[2].key = json_of_str_borrow(STR("query"));
    m[2].value = fields_object(a, call->req->query);
    m[3].key = json_of_str_borrow(STR("body"));
    if (body_value(a, call, &m[3].value, item, err) != 0)
        return -1;
    m[4].key = json_of_str_borrow(STR("method"));
    m[4].value = text_value(a, str_of(http_method_name(call->req->method)));
    m[5].key = json_of_str_borrow(STR("path"));
    m[5].value = text_value(a, call->req->path);
    if (call->token) {
        struct json_error why;
        m[6].key = json_of_str_borrow(STR("jwtPayload"));
        if (json_parse_copy(a, call->token, strlen(call->token), 0, &m[6].value, &why) != 0)
            m[6].value = (struct json){ .type = JSON_NULL };
    }
    *items = item;
    *n = 1;
    return 0;
}

static void release_body(void *body) { free(body); }

/* --- requests --------------------------------------------------------------------------------- */

static void on_gone(struct http_request *req)
{
    struct pending *p = req->user;
    p->req = NULL;
}

static void pending_header(struct pending *p, wf_str name, wf_str value)
{
    p->headers[p->n_headers++] =
        (struct http_header){ { xstrdup(name.ptr), name.len }, { xstrdup(value.ptr), value.len } };
}

static struct pending *pending_create(struct http_request *req, const struct wf_webhook_trigger *c)
{
    struct pending *p = xcalloc(1, sizeof *p);
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

static void pending_free(struct pending *p)
{
    for (unsigned i = 0; i < p->n_headers; i++) {
        free((char *)p->headers[i].name.ptr);
        free((char *)p->headers[i].value.ptr);
    }
    free(p->headers);
    free(p);
}

static const char *why_not(const struct webhook *hook)
{
    if (hook->stopping || !hook->lane)
        return "the workflow is not ready";
    return engine_room(hook->trigger.host->engine) ? NULL : "the engine is busy";
}

/* One build and one call: what the engine borrows lives on this stack until engine_accept returns;
 * the body lives until the execution ends. */
static void start_execution(struct call *call, struct webhook *hook)
{
    const struct wf_webhook_trigger *c = hook->config;
    struct pending *p = pending_create(call->req, c);
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
                          .build = build,
                          .release = body ? release_body : NULL,
                          .keep = body };
    if (call->claim) {
        in.key = call->claim->key.key;
        in.key_token = call->claim->key.token;
        in.key_status = (uint16_t)c->response_code;
    }
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
        route_find(t->routes, http_method_parse(method), req->path, &match) != ROUTE_FOUND)
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

static unsigned answer_headers(const struct pending *p, const struct engine_reply_out *reply,
                               struct http_header *headers, unsigned max)
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
    struct pending *p = pending_create(req, hook->config);
    struct engine_reply_out out = { p, claim->found.status, claim->found.headers,
                                    claim->found.body };
    struct http_header headers[64];
    unsigned n = answer_headers(p, &out, headers, 63);
    headers[n++] = (struct http_header){ STR("idempotent-replayed"), STR("true") };
    req->on_gone = NULL;
    http_respond(req, out.status, headers, n, out.body);
    pending_free(p);
}

/* The key of a request that may call: it is claimed first. True: the execution may start. */
static bool key_allows(struct webhook_table *t, struct call *call, const struct webhook *hook)
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
            http_respond_error(req, 422, "this idempotency key was another request's");
            return false;
        case STORE_KEY_BUSY:
            http_respond_error(req, 409, "a request with this idempotency key is being worked on");
            return false;
        }
    }
    arena_init(&a, room, sizeof room);
    wf_str key = webhook_header(req, hook->config->idempotency_header, "", &a);
    arena_fini(&a);
    if (!key.ptr)
        return true;
    if (!key.len || key.len > KEY_MAX)
        http_respond_error(req, 400, "the idempotency key must have 1 to %d bytes", KEY_MAX);
    else if (!begin_claim(t, hook, req, key))
        http_respond_error(req, 503, "the engine is busy");
    return false;
}

/* True: an execution was started. */
static bool serve(struct webhook_table *t, struct http_request *req, struct webhook_claim *claim)
{
    bool started = false;
    char allow[128], room[2048];
    struct route_match match;
    struct arena a;
    if (!t->routes)
        build_routes(t);
    if (req->method == HTTP_OPTIONS && preflight(t, req))
        return false;
    enum route_result found = route_find(t->routes, req->method, req->path, &match);
    if (found == ROUTE_BAD_METHOD) {
        struct http_header header = { STR("allow"),
                                      route_allow(match.allowed, allow, sizeof allow) };
        http_respond(req, 405, &header, 1, STR("{\"error\":\"method not allowed\"}"));
        return false;
    }
    if (found != ROUTE_FOUND) {
        http_respond_error(req, 404, "no webhook at %.*s", STR_ARG(req->path));
        return false;
    }
    struct webhook *hook = match.target;
    struct call call = { .req = req, .hook = hook, .match = &match, .claim = claim };
    arena_init(&a, room, sizeof room);
    const char *busy = why_not(hook);
    if (!webhook_ip_allowed(hook->config->ip_allow.ptr, req->peer))
        http_respond_error(req, 403, "not allowed from this address");
    else if (hook->config->ignore_bots && webhook_is_bot(http_request_header(req, "user-agent")))
        http_respond_error(req, 403, "not for bots");
    else if (!webhook_origin_allowed(hook->config->allowed_origins.ptr,
                                     http_request_header(req, "origin")))
        http_respond_error(req, 403, "not allowed from this origin");
    else if (hook->config->max_body && req->body.len > (uint64_t)hook->config->max_body)
        http_respond_error(req, 413, "the body is larger than %lld bytes",
                           (long long)hook->config->max_body);
    else if (!webhook_may_call(hook->config, req, &a, &call.token))
        http_respond_error(req, 401, "authentication failed");
    else if (busy)
        http_respond_error(req, 503, "%s", busy);
    else if (key_allows(t, &call, hook)) {
        start_execution(&call, hook);
        started = true;
    }
    arena_fini(&a);
    return started;
}

void webhook_request(struct webhook_table *t, struct http_request *req) { serve(t, req, NULL); }

/* The store has said what it knows of the key. */
static void go_on(void *table, struct http_request *req, struct webhook_claim *claim)
{
    if (claim->failed)
        http_respond_error(req, 503, "the store does not answer");
    else
        claim->is_used = serve(table, req, claim);
}

void webhook_answer(const struct engine_reply_out *reply)
{
    struct pending *p = reply->handle;
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
    routes_changed(host->webhooks);
    struct lane_open_config config = { .trigger = &hook->trigger,
                                       .partition = host->instance * 64 + host->worker,
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
    routes_changed(t->host->webhooks);
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
    routes_changed(t->host->webhooks);
    if (hook->opening)
        lane_open_cancel(hook->opening);
    else if (hook->lane)
        engine_lane_drop(t->host->engine, hook->lane, drain);
    else
        finish_stop(hook);
}

static const char *trouble(struct trigger *t)
{
    return of(t)->lane ? NULL : "webhook: its lane is not open yet";
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
