/* SPDX-License-Identifier: Apache-2.0
 * Which workflow answers which webhook: two that want the same method and path are told before they
 * are deployed, because only one of them would ever be called.
 *
 * A workflow that comes again with other paths leaves its old ones to who wants them.
 */
#include "main/main.h"
#include "http/http.h"
#include "trigger/trigger.h"
#include <stdlib.h>
#include <string.h>

struct owner {
    struct owner *next;
    struct plan *plan;
    bool replaced;
};

struct route_owners {
    struct route_table *routes; /* to struct owned, of the arena */
    struct owner *all;
    struct arena arena;
};

struct owned {
    const struct owner *by;
    const struct plan_node *node;
};

struct walk {
    struct route_owners *o;
    struct route_table *own; /* of the plan at hand, to its nodes */
    const struct owner *owner;
    const struct plan_node *node;
    struct err *err;
    int result;
};

struct route_owners *route_owners_create(void)
{
    struct route_owners *o = xcalloc(1, sizeof *o);
    arena_init(&o->arena, NULL, 0);
    o->routes = route_table_create();
    return o;
}

void route_owners_destroy(struct route_owners *o)
{
    if (!o)
        return;
    for (struct owner *one = o->all, *next; one; one = next) {
        next = one->next;
        plan_unref(one->plan);
        free(one);
    }
    route_table_destroy(o->routes);
    arena_fini(&o->arena);
    free(o);
}

static void check_route(void *ctx, const char *method, const char *pattern)
{
    struct walk *w = ctx;
    const struct plan *p = w->owner->plan;
    struct err ignored;
    enum http_method m = http_method_parse(str_of(method));
    if (w->result != 0 || m == HTTP_NONE)
        return;
    const struct plan_node *twin = route_same(w->own, m, pattern);
    const struct owned *other = route_same(w->o->routes, m, pattern);
    if (twin && twin != w->node)
        w->result = err_set(w->err, ERR_CONFLICT,
                            "workflow '%s' (%s): nodes '%s' and '%s' both answer %s %s", p->name,
                            p->id, twin->name, w->node->name, method, pattern);
    else if (other && !other->by->replaced && strcmp(other->by->plan->id, p->id) != 0)
        w->result =
            err_set(w->err, ERR_CONFLICT,
                    "workflow '%s' (%s) node '%s': %s %s is answered by workflow '%s' (%s) node "
                    "'%s'; change one of the paths, or deactivate that workflow",
                    p->name, p->id, w->node->name, method, pattern, other->by->plan->name,
                    other->by->plan->id, other->node->name);
    else if (!twin) /* a pattern that is none is for others to tell */
        (void)route_add(w->own, m, pattern, (void *)(uintptr_t)w->node, &ignored);
}

static void take_route(void *ctx, const char *method, const char *pattern)
{
    struct walk *w = ctx;
    struct err ignored;
    enum http_method m = http_method_parse(str_of(method));
    struct owned *owned = m ? route_same(w->o->routes, m, pattern) : NULL;
    if (!owned) {
        owned = ARENA_NEW(&w->o->arena, struct owned);
        if (m)
            (void)route_add(w->o->routes, m, pattern, owned, &ignored);
    }
    *owned = (struct owned){ w->owner, w->node };
}

static void each_route(struct walk *w, void (*each)(void *, const char *, const char *))
{
    const struct plan *p = w->owner->plan;
    for (uint32_t i = 0; i < p->n_triggers; i++) {
        w->node = &p->nodes[p->triggers[i]];
        if (!strcmp(w->node->type->type, "catalyst.webhook"))
            webhook_each_route(w->node->params.base, each, w);
    }
}

int route_owners_check(struct route_owners *o, struct plan *p, struct err *err)
{
    struct owner owner = { .plan = p };
    struct walk w = { .o = o, .own = route_table_create(), .owner = &owner, .err = err };
    each_route(&w, check_route);
    route_table_destroy(w.own);
    return w.result;
}

void route_owners_take(struct route_owners *o, struct plan *p)
{
    struct owner *owner = xcalloc(1, sizeof *owner);
    for (struct owner *one = o->all; one; one = one->next)
        one->replaced |= !strcmp(one->plan->id, p->id);
    *owner = (struct owner){ .next = o->all, .plan = plan_ref(p) };
    o->all = owner;
    struct walk w = { .o = o, .owner = owner };
    each_route(&w, take_route);
}

/* --- of a store ------------------------------------------------------------------------------- */

struct reading {
    struct definitions *d;
    struct route_owners *o;
    wf_str wanted; /* this one only, active or not; or empty */
    struct err *err;
    int result;
};

static void on_stored(void *ctx, const struct store_workflow *w)
{
    struct reading *r = ctx;
    if (r->wanted.len ? !str_eq(w->id, r->wanted) : !w->active)
        return;
    struct plan *p = definitions_compile_quietly(r->d, w->definition);
    if (!p)
        return; /* it does not run, so it answers nothing */
    if (r->wanted.len)
        r->result = route_owners_check(r->o, p, r->err);
    else
        route_owners_take(r->o, p);
    plan_unref(p);
}

struct route_owners *route_owners_of_store(struct definitions *d, struct store *s, struct err *err)
{
    struct reading r = { .d = d, .o = route_owners_create() };
    if (store_workflows(s, on_stored, &r, err) == 0)
        return r.o;
    route_owners_destroy(r.o);
    return NULL;
}

int route_owners_check_stored(struct route_owners *o, struct definitions *d, struct store *s,
                              wf_str id, struct err *err)
{
    struct reading r = { .d = d, .o = o, .wanted = id, .err = err };
    return store_workflows(s, on_stored, &r, err) == 0 ? r.result : -1;
}
