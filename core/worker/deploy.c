/* SPDX-License-Identifier: Apache-2.0
 * Plans and their triggers coming and going on one worker.
 *
 * A new version of a workflow takes over the lanes of the old one where the trigger node is the
 * same (name, type and parameters): no message is held up. Where it changed, the old trigger stops
 * first. Executions under way stay on their version.
 */
#include "worker/worker_int.h"
#include "base/log.h"
#include <stdlib.h>
#include <string.h>

static const struct plan *plan_of(const struct deployed *d) { return engine_plan_get(d->ep); }

static const struct plan_node *trigger_node(const struct deployed *d, uint32_t i)
{
    const struct plan *p = plan_of(d);
    return &p->nodes[p->triggers[i]];
}

static void deployed_forget(struct deployed *d)
{
    list_remove(&d->link);
    for (uint32_t i = 0; i < d->n_triggers; i++)
        free(d->troubles[i]);
    free(d->troubles);
    free(d->triggers);
    free(d->sources);
    free(d);
}

static void deployed_free(struct deployed *d)
{
    struct engine *engine = d->w->out.engine;
    struct engine_plan *ep = d->ep;
    deployed_forget(d);
    engine_plan_retire(engine, ep);
}

/* --- triggers --------------------------------------------------------------------------------- */

struct stopping {
    struct deployed *d;
    uint32_t i;
};

static void on_gone(void *ctx)
{
    struct stopping *s = ctx;
    struct deployed *d = s->d;
    struct worker *w = d->w;
    d->triggers[s->i] = NULL;
    free(s);
    if (--d->stopping == 0 && d->retired)
        deployed_free(d);
    loop_wake_soon(w->out.loop);
}

static void trigger_stop(struct deployed *d, uint32_t i, bool drain)
{
    struct trigger *t = d->triggers[i];
    if (!t)
        return;
    struct stopping *s = xmalloc(sizeof *s);
    *s = (struct stopping){ d, i };
    d->stopping++;
    t->kind->stop(t, drain, on_gone, s);
}

static void trigger_start(struct deployed *d, uint32_t i)
{
    const struct plan_node *node = trigger_node(d, i);
    const struct trigger_kind *kind = trigger_kind_find(node->type);
    struct err err;
    if (!kind)
        return; /* manual: started by people */
    d->triggers[i] = kind->start(&d->w->host, d->ep, node->index, d->sources[i], &err);
    if (d->triggers[i]) {
        d->triggers[i]->kind = kind;
        return;
    }
    d->troubles[i] = xstrdup(err.text);
    log_error("worker", "trigger.start_failed", "workflow '%s' node '%s': %s", plan_of(d)->name,
              node->name, err.text);
}

static bool same_trigger(const struct plan_node *a, const struct plan_node *b)
{
    return a->type == b->type && !strcmp(a->id, b->id) && json_equal(a->parameters, b->parameters);
}

/* Hands the triggers that did not change to the new version; true: that one was handed over. */
static bool hand_over(struct deployed *from, struct deployed *to, uint32_t i)
{
    for (uint32_t k = 0; from && k < from->n_triggers; k++) {
        struct trigger *t = from->triggers[k];
        if (!t || from->sources[k] != to->sources[i] ||
            !same_trigger(trigger_node(from, k), trigger_node(to, i)) ||
            plan_of(from)->settings.durability != plan_of(to)->settings.durability)
            continue;
        t->kind->replace(t, to->ep, trigger_node(to, i)->index);
        to->triggers[i] = t;
        from->triggers[k] = NULL;
        return true;
    }
    return false;
}

static void retire(struct deployed *d, bool drain)
{
    d->retired = true;
    d->stopping++; /* so that triggers that are gone at once do not free it under us */
    for (uint32_t i = 0; i < d->n_triggers; i++)
        trigger_stop(d, i, drain);
    if (--d->stopping == 0)
        deployed_free(d);
}

/* --- plans ------------------------------------------------------------------------------------ */

static struct deployed *find(struct worker *w, const char *workflow_id)
{
    struct deployed *d;
    LIST_EACH(d, &w->plans, struct deployed, link)
    {
        if (!d->retired && !strcmp(plan_of(d)->id, workflow_id))
            return d;
    }
    return NULL;
}

void deploy_plan(struct worker *w, struct plan *plan, const uint32_t *sources)
{
    struct err err;
    struct deployed *old = find(w, plan->id);
    struct engine_plan *ep = engine_plan_of(w->out.engine, plan->version);
    if (!ep)
        ep = engine_plan_add(w->out.engine, plan, &err);
    if (!ep) {
        log_error("worker", "plan.failed", "%s", err.text);
        return;
    }
    struct deployed *d = xcalloc(1, sizeof *d);
    d->w = w;
    d->ep = ep;
    d->n_triggers = sources ? plan->n_triggers : 0;
    d->triggers = xcalloc(d->n_triggers, sizeof *d->triggers);
    d->troubles = xcalloc(d->n_triggers, sizeof *d->troubles);
    d->sources = xcalloc(d->n_triggers, sizeof *d->sources);
    if (d->n_triggers)
        memcpy(d->sources, sources, d->n_triggers * sizeof *sources);
    list_append(&w->plans, &d->link);
    for (uint32_t i = 0; i < d->n_triggers; i++)
        hand_over(sources ? old : NULL, d, i);
    if (old && sources)
        retire(old, true);
    for (uint32_t i = 0; i < d->n_triggers; i++)
        if (!d->triggers[i])
            trigger_start(d, i);
    deploy_orphans(w);
    loop_wake_soon(w->out.loop);
}

void deploy_retire(struct worker *w, const char *workflow_id)
{
    struct deployed *d = find(w, workflow_id);
    if (d)
        retire(d, true);
}

void deploy_drain_all(struct worker *w)
{
    struct deployed *d;
    LIST_EACH(d, &w->plans, struct deployed, link)
    {
        if (!d->retired)
            retire(d, true);
    }
}

bool deploy_all_gone(const struct worker *w) { return list_empty(&w->plans); }

void deploy_free_all(struct worker *w)
{
    struct deployed *d;
    LIST_EACH(d, &w->plans, struct deployed, link) { deployed_forget(d); }
    struct orphan *o;
    LIST_EACH(o, &w->orphans, struct orphan, link)
    {
        list_remove(&o->link);
        arena_fini(&o->arena);
        free(o);
    }
}

/* --- executions whose version comes later ----------------------------------------------------- */

void deploy_adopt(struct worker *w, struct lane *lane, const struct store_exec *exec)
{
    struct orphan *o = xcalloc(1, sizeof *o);
    arena_init(&o->arena, NULL, 0);
    o->exec = *exec;
    o->exec.node = arena_str(&o->arena, exec->node.ptr, exec->node.len);
    o->exec.error = arena_str(&o->arena, exec->error.ptr, exec->error.len);
    o->exec.state = arena_str(&o->arena, exec->state.ptr, exec->state.len);
    struct exec_id id = lane_id(lane);
    o->source = id.source;
    o->partition = id.partition;
    list_append(&w->orphans, &o->link);
    if (w->config.need_version)
        w->config.need_version(w->config.ctx, exec->version);
}

void deploy_orphans(struct worker *w)
{
    struct orphan *o;
    LIST_EACH(o, &w->orphans, struct orphan, link)
    {
        struct lane *lane = engine_lane_find(w->out.engine, o->source, o->partition);
        if (lane && !engine_plan_of(w->out.engine, o->exec.version))
            continue;
        struct err err;
        if (lane && engine_restore(w->out.engine, lane, &o->exec, &err) != 0)
            log_error("worker", "restore.failed", "%s", err.text);
        list_remove(&o->link);
        arena_fini(&o->arena);
        free(o);
    }
}
