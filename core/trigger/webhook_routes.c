/* SPDX-License-Identifier: Apache-2.0
 * Which webhook of a worker a request means. Thread: the worker's.
 */
#include "trigger/webhook_int.h"
#include "base/log.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

void webhook_routes_changed(struct webhook_table *t)
{
    if (t->routes)
        route_table_destroy(t->routes);
    t->routes = NULL;
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
    return t;
}

void webhook_table_destroy(struct webhook_table *t)
{
    webhook_routes_changed(t);
    free(t);
}
