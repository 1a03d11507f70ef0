/* SPDX-License-Identifier: Apache-2.0
 * The routes of the admin server: health, readiness, metrics, state.
 */
#include "admin/admin_int.h"
#include "base/clock.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct http_header json_type = { { "content-type", 12 }, { "application/json", 16 } };

/* --- ready ------------------------------------------------------------------------------------ */

struct reasons {
    char **texts;
    uint32_t n, size;
};

/* Once: workers have most reasons in common. */
static void add_reason(struct reasons *r, const char *text)
{
    for (uint32_t i = 0; i < r->n; i++)
        if (!strcmp(r->texts[i], text))
            return;
    if (r->n == r->size) {
        r->size = r->size ? r->size * 2 : 8;
        r->texts = xrealloc(r->texts, r->size * sizeof *r->texts);
    }
    r->texts[r->n++] = xstrdup(text);
}

static void clear_reasons(struct reasons *r)
{
    for (uint32_t i = 0; i < r->n; i++)
        free(r->texts[i]);
    free(r->texts);
}

static void on_trigger(void *ctx, const struct worker_trigger *t)
{
    if (!t->trouble)
        return;
    char text[800];
    snprintf(text, sizeof text, "workflow '%s' node '%s': %s", t->workflow, t->node, t->trouble);
    add_reason(ctx, text);
}

static void *collect_reasons(struct worker *w)
{
    struct reasons *r = xcalloc(1, sizeof *r);
    const char *trouble = worker_trouble(w);
    if (trouble)
        add_reason(r, trouble);
    worker_triggers(w, on_trigger, r);
    return r;
}

static void free_reasons(void *part)
{
    clear_reasons(part);
    free(part);
}

static void answer_ready(struct gather *g)
{
    struct reasons all = { 0 };
    for (uint32_t i = 0; i < g->admin->n_workers; i++) {
        const struct reasons *r = g->parts[i];
        for (uint32_t k = 0; r && k < r->n; k++)
            add_reason(&all, r->texts[k]);
    }
    if (g->admin->draining)
        add_reason(&all, "draining");
    struct strbuf body;
    strbuf_init(&body, 32u << 20);
    strbuf_addf(&body, "{\"ready\":%s,\"reasons\":[", all.n ? "false" : "true");
    for (uint32_t i = 0; i < all.n; i++) {
        if (i)
            strbuf_addc(&body, ',');
        strbuf_add_json(&body, all.texts[i], strlen(all.texts[i]));
    }
    strbuf_adds(&body, "]}\n");
    http_respond(g->req, all.n ? 503 : 200, &json_type, 1, strbuf_str(&body));
    strbuf_fini(&body);
    clear_reasons(&all);
}

/* --- state ------------------------------------------------------------------------------------ */

static void *collect_state(struct worker *w)
{
    struct strbuf *b = xcalloc(1, sizeof *b);
    strbuf_init(b, 64u << 20);
    engine_dump(b, worker_engine(w));
    return b;
}

static void free_state(void *part)
{
    strbuf_fini(part);
    free(part);
}

static void answer_state(struct gather *g)
{
    struct strbuf body;
    strbuf_init(&body, 256u << 20);
    strbuf_adds(&body, "{\"workers\":[");
    for (uint32_t i = 0, n = 0; i < g->admin->n_workers; i++) {
        const struct strbuf *part = g->parts[i];
        if (!part)
            continue;
        if (n++)
            strbuf_addc(&body, ',');
        strbuf_add(&body, part->ptr, part->len);
    }
    strbuf_adds(&body, "]}\n");
    http_respond(g->req, 200, &json_type, 1, strbuf_str(&body));
    strbuf_fini(&body);
}

/* --- server ----------------------------------------------------------------------------------- */

/* Before there are workers. */
static void answer_early(const struct admin *a, struct http_request *req)
{
    struct strbuf b;
    if (!str_eq(req->path, STR("/readyz"))) {
        http_respond_error(req, 503, "the engine is starting");
        return;
    }
    strbuf_init(&b, 1u << 20);
    const char *why = a->waits ? a->waits : "the engine is starting";
    strbuf_adds(&b, "{\"ready\":false,\"reasons\":[");
    strbuf_add_json(&b, why, strlen(why));
    strbuf_adds(&b, "]}\n");
    http_respond(req, 503, &json_type, 1, strbuf_str(&b));
    strbuf_fini(&b);
}

static void on_request(void *ctx, struct http_request *req)
{
    struct admin *a = ctx;
    if (req->method != HTTP_GET && req->method != HTTP_HEAD)
        http_respond_error(req, 405, "GET only");
    else if (str_eq(req->path, STR("/healthz")))
        http_respond(req, 200, &json_type, 1, STR("{\"healthy\":true}\n"));
    else if (!a->n_workers)
        answer_early(a, req);
    else if (str_eq(req->path, STR("/readyz")))
        gather_start(a, req, collect_reasons, answer_ready, free_reasons);
    else if (str_eq(req->path, STR("/metrics")))
        gather_start(a, req, metrics_collect, metrics_answer, metrics_free);
    else if (str_eq(req->path, STR("/admin/state")))
        gather_start(a, req, collect_state, answer_state, free_state);
    else
        http_respond_error(req, 404, "there are /healthz, /readyz, /metrics and /admin/state");
}

struct admin *admin_start(const struct admin_config *config, struct err *err)
{
    struct admin *a = xcalloc(1, sizeof *a);
    a->config = *config;
    a->started_us = clock_wall_us();
    struct http_server_config server = {
        .address = config->address, .port = config->port, .ctx = a, .on_request = on_request
    };
    a->server = http_server_create(config->loop, &server, err);
    if (a->server)
        return a;
    free(a);
    return NULL;
}

int admin_port(const struct admin *a) { return http_server_port(a->server); }

void admin_waits(struct admin *a, const char *why)
{
    free(a->waits);
    a->waits = xstrdup(why);
}

void admin_workers(struct admin *a, struct worker **workers, uint32_t n_workers)
{
    a->workers = workers;
    a->n_workers = n_workers;
}

void admin_draining(struct admin *a) { a->draining = true; }

void admin_stop(struct admin *a)
{
    http_server_destroy(a->server);
    free(a->waits);
    free(a);
}
