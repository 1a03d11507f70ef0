/* SPDX-License-Identifier: Apache-2.0
 * Workflows of a server: files are deployed into the store under their id when their text changed,
 * so that every execution's version can be found again; what is active in the store runs.
 *
 * A definition with mistakes is told whole and left out; the version that ran before goes on.
 */
#include "main/serve.h"
#include "base/log.h"
#include <catalyst/triggers.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- files ------------------------------------------------------------------------------------ */

static void deploy_file(struct server *s, struct route_owners *owners, const char *path)
{
    struct arena a;
    struct err err;
    struct deployed deployed;
    arena_init(&a, NULL, 0);
    if (definitions_deploy(&s->definitions, s->store, owners, &a, path, &deployed, &err) != 0)
        log_error("serve", "workflow.deploy", "%s", err.text);
    arena_fini(&a);
}

void deployments_from_files(struct server *s)
{
    struct arena a;
    struct err err;
    arena_init(&a, NULL, 0);
    const char **files = workflow_files(&a, (const char *const *)s->config->workflows, &err);
    struct route_owners *owners =
        files && *files ? route_owners_of_store(&s->definitions, s->store, &err) : NULL;
    if (!files || (*files && !owners))
        log_error("serve", "workflow.files", "%s", err.text);
    for (; owners && *files; files++)
        deploy_file(s, owners, *files);
    route_owners_destroy(owners);
    arena_fini(&a);
}

/* --- compiled --------------------------------------------------------------------------------- */

static void running_free(struct running *r)
{
    list_remove(&r->link);
    plan_unref(r->plan);
    free(r->sources);
    free(r);
}

static struct running *running_find(struct server *s, wf_str id)
{
    struct running *r;
    LIST_EACH(r, &s->running, struct running, link)
    {
        if (str_eq(str_of(r->plan->id), id))
            return r;
    }
    return NULL;
}

static int find_sources(struct server *s, struct running *r, struct err *err)
{
    struct arena a;
    arena_init(&a, NULL, 0);
    int result = 0;
    r->sources = xcalloc(r->plan->n_triggers, sizeof *r->sources);
    for (uint32_t i = 0; i < r->plan->n_triggers && result == 0; i++) {
        const struct plan_node *node = &r->plan->nodes[r->plan->triggers[i]];
        const struct trigger_kind *kind = trigger_kind_find(node->type);
        if (kind)
            result = store_source(s->store, str_of(r->plan->id), str_of(node->id),
                                  str_of(kind->source_kind), kind->source_name(&a, node),
                                  &r->sources[i], err);
    }
    arena_fini(&a);
    return result;
}

static struct plan *compile(struct server *s, const struct store_workflow *w)
{
    char name[300];
    snprintf(name, sizeof name, "workflow '%.*s' version %u", STR_ARG(w->name), w->number);
    struct plan *plan = definitions_compile(&s->definitions, w->definition, name);
    if (!plan) {
        log_error("serve", "workflow.mistakes", "%s has mistakes and does not run", name);
        return NULL;
    }
    plan->version = w->version;
    plan->number = w->number;
    plan->active = w->active;
    return plan;
}

static void hand_out(struct server *s, const struct running *r)
{
    for (uint32_t i = 0; i < s->n_workers; i++)
        worker_deploy(s->workers[i], r->plan, r->sources);
    log_info("serve", "workflow.runs", "'%s' (%s), %u nodes", r->plan->name, r->plan->id,
             r->plan->n_nodes);
}

static void retire(struct server *s, struct running *r)
{
    for (uint32_t i = 0; i < s->n_workers; i++)
        worker_retire(s->workers[i], r->plan->id);
    log_info("serve", "workflow.stops", "'%s' (%s)", r->plan->name, r->plan->id);
    running_free(r);
}

static void on_workflow(void *ctx, const struct store_workflow *w)
{
    struct server *s = ctx;
    struct running *old = running_find(s, w->id);
    if (!w->active) {
        if (old)
            retire(s, old);
        return;
    }
    if (old && old->plan->version == w->version)
        return;
    struct plan *plan = compile(s, w);
    if (!plan)
        return;
    struct err err;
    struct running *r = xcalloc(1, sizeof *r);
    r->plan = plan;
    if (find_sources(s, r, &err) != 0) {
        log_error("serve", "workflow.sources", "'%s': %s", plan->name, err.text);
        plan_unref(plan);
        free(r->sources);
        free(r);
        return;
    }
    list_append(&s->running, &r->link);
    if (old)
        running_free(old);
    hand_out(s, r);
}

void deployments_refresh(struct server *s)
{
    struct err err;
    if (store_workflows(s->store, on_workflow, s, &err) != 0)
        log_error("serve", "workflow.list", "%s", err.text);
}

void deployments_free(struct server *s)
{
    struct running *r;
    LIST_EACH(r, &s->running, struct running, link) { running_free(r); }
}

/* --- older versions --------------------------------------------------------------------------- */

struct wanted {
    struct mail mail;
    struct server *s;
    uint64_t version;
};

static void on_older(void *ctx, const struct store_workflow *w)
{
    struct server *s = ctx;
    struct plan *plan = compile(s, w);
    for (uint32_t i = 0; plan && i < s->n_workers; i++)
        worker_deploy(s->workers[i], plan, NULL);
    if (plan)
        plan_unref(plan);
}

static void on_wanted(struct mail *m)
{
    struct wanted *wanted = CONTAINER_OF(m, struct wanted, mail);
    struct err err;
    if (store_workflow_version(wanted->s->store, wanted->version, on_older, wanted->s, &err) != 0)
        log_error("serve", "workflow.version", "%llu: %s", (unsigned long long)wanted->version,
                  err.text);
    free(wanted);
}

void deployments_need_version(void *ctx, uint64_t version)
{
    struct server *s = ctx;
    struct wanted *wanted = xcalloc(1, sizeof *wanted);
    *wanted = (struct wanted){ .mail = { .fn = on_wanted }, .s = s, .version = version };
    if (loop_post(s->loop, &wanted->mail) != 0)
        free(wanted);
}

/* --- topics ----------------------------------------------------------------------------------- */

static void add_topics(const struct plan *p, struct arena *a, const char **topics, size_t *n,
                       size_t max)
{
    for (uint32_t i = 0; i < p->n_nodes; i++) {
        const struct plan_node *node = &p->nodes[i];
        const char *type = node->type ? node->type->type : "";
        wf_str text = { NULL, 0 };
        if (!strcmp(type, "catalyst.kafkaTrigger"))
            text = ((const struct wf_kafka_trigger *)node->params.base)->topic;
        else if (!strcmp(type, "catalyst.kafka"))
            text = json_str(JSON_GET(node->parameters, "topic"));
        if (!text.len || text.ptr[0] == '=' || text.ptr[0] == '^')
            continue;
        char *copy = arena_strdup(a, arena_str(a, text.ptr, text.len).ptr), *rest = copy, *one;
        while (*n < max && (one = strtok_r(rest, ", ", &rest)))
            topics[(*n)++] = one;
    }
}

struct topics {
    struct server *s;
    struct arena *a;
    const char **list;
    size_t n, max;
};

static void on_topics(void *ctx, const struct store_workflow *w)
{
    struct topics *t = ctx;
    if (!w->active)
        return;
    struct plan *plan = compile(t->s, w);
    if (!plan)
        return;
    add_topics(plan, t->a, t->list, &t->n, t->max);
    plan_unref(plan);
}

const char **deployments_topics(struct server *s, struct arena *a)
{
    struct err err;
    struct topics t = { .s = s, .a = a, .max = 256 };
    t.list = ARENA_ARRAY(a, const char *, t.max + 1);
    store_workflows(s->store, on_topics, &t, &err);
    return t.list;
}
