/* SPDX-License-Identifier: Apache-2.0
 * Which webhook of a worker a request means.
 *
 * Two workflows may want the same method and path, though deploying refuses it: they can come from
 * two stores' pasts, or at the same time. Then the one whose source is older in the store answers,
 * on all workers and engines alike; the other tells it as its trouble, and takes the route over
 * when it is free. Thread: the worker's.
 */
#include "trigger/webhook_int.h"
#include "base/log.h"
#include <stdlib.h>
#include <string.h>

void webhook_each_route(const struct wf_webhook_trigger *c,
                        void (*each)(void *ctx, const char *method, const char *pattern), void *ctx)
{
    const char *path = c->path.ptr + strspn(c->path.ptr, "/");
    char *pattern = xmalloc(sizeof "/webhook/" + strlen(path));
    strcpy(pattern, "/webhook/");
    strcat(pattern, path);
    const struct wf_webhook_method *more = c->more_methods.rows;
    for (size_t i = 0; c->several_methods && i < c->more_methods.n; i++)
        each(ctx, more[i].name.ptr, pattern);
    char *methods = xstrdup(c->methods.len ? c->methods.ptr : "GET"), *rest = methods, *name;
    while (!c->several_methods && (name = strtok_r(rest, ", ", &rest)))
        each(ctx, name, pattern);
    free(methods);
    free(pattern);
}

/* --- building --------------------------------------------------------------------------------- */

struct adding {
    struct route_table *routes;
    struct webhook *hook;
    struct strbuf trouble;
};

static const struct plan *plan_of(const struct webhook *hook)
{
    return engine_plan_get(hook->trigger.ep);
}

static void add_route(void *ctx, const char *name, const char *pattern)
{
    struct adding *adding = ctx;
    struct err err;
    enum http_method method = http_method_parse(str_of(name));
    struct strbuf *b = &adding->trouble;
    const struct webhook *other = method ? route_same(adding->routes, method, pattern) : NULL;
    if (method && !other && route_add(adding->routes, method, pattern, adding->hook, &err) == 0)
        return;
    strbuf_addf(b, "%s%s %s ", b->len ? "; " : "", name, pattern);
    if (other)
        strbuf_addf(b, "is answered by workflow '%s' (%s) node '%s'", plan_of(other)->name,
                    plan_of(other)->id, plan_of(other)->nodes[other->trigger.node].name);
    else
        strbuf_addf(b, "cannot be a route: %s", method ? err.text : "unknown method");
}

/* Said once, by one of the workers, and again when it is over. */
static void tell(const struct webhook *hook, const char *was, const char *is)
{
    const struct plan *p = plan_of(hook);
    const char *node = p->nodes[hook->trigger.node].name;
    if (hook->trigger.host->worker || !strcmp(was ? was : "", is ? is : ""))
        return;
    if (is)
        log_error("webhook", "route.refused", "workflow '%s' (%s) node '%s': %s", p->name, p->id,
                  node, is);
    else
        log_info("webhook", "route.free", "workflow '%s' (%s) node '%s' answers now", p->name,
                 p->id, node);
}

static void add_routes(struct webhook_table *t, struct webhook *hook)
{
    struct adding adding = { t->routes, hook, { 0 } };
    strbuf_init(&adding.trouble, 8192);
    webhook_each_route(hook->config, add_route, &adding);
    char *trouble = adding.trouble.len ? xstrdup(adding.trouble.ptr) : NULL;
    strbuf_fini(&adding.trouble);
    tell(hook, hook->trouble, trouble);
    free(hook->trouble);
    hook->trouble = trouble;
}

static int by_source(const void *a, const void *b)
{
    const struct webhook *x = *(struct webhook *const *)a, *y = *(struct webhook *const *)b;
    return (x->trigger.source > y->trigger.source) - (x->trigger.source < y->trigger.source);
}

static void build_routes(struct webhook_table *t)
{
    struct webhook *hook;
    size_t n = 0;
    LIST_EACH(hook, &t->hooks, struct webhook, link) { n++; }
    struct webhook **sorted = xcalloc(n ? n : 1, sizeof *sorted);
    n = 0;
    LIST_EACH(hook, &t->hooks, struct webhook, link) { sorted[n++] = hook; }
    qsort(sorted, n, sizeof(*sorted), by_source);
    t->routes = route_table_create();
    for (size_t i = 0; i < n; i++)
        add_routes(t, sorted[i]);
    free(sorted);
}

static void on_build(void *arg) { webhook_routes(arg); }

void webhook_routes_changed(struct webhook_table *t, const struct trigger_host *host)
{
    route_table_destroy(t->routes);
    t->routes = NULL;
    t->host = host;
    if (!timer_is_running(&t->build))
        timer_start(host->loop, &t->build, 0);
}

const struct route_table *webhook_routes(struct webhook_table *t)
{
    if (!t->routes)
        build_routes(t);
    return t->routes;
}

struct webhook_table *webhook_table_create(void)
{
    struct webhook_table *t = xcalloc(1, sizeof *t);
    list_init(&t->hooks);
    webhook_wait_init(t);
    t->build = (struct timer){ .fn = on_build, .arg = t };
    return t;
}

void webhook_table_destroy(struct webhook_table *t)
{
    if (t->host)
        timer_stop(t->host->loop, &t->build);
    webhook_wait_fini(t);
    route_table_destroy(t->routes);
    free(t);
}
