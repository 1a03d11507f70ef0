/* SPDX-License-Identifier: Apache-2.0
 * What expressions and scripts see of an execution: earlier nodes' items by lineage, by place and
 * by run, and the objects $workflow, $execution and so on. Everything is in memory already; nothing
 * waits.
 */
#include "engine/engine_int.h"
#include "base/map.h"
#include <stdio.h>
#include <string.h>

static void item_out(const struct wf_item *it, struct expr_item *out)
{
    out->json = &it->json;
    out->binary = it->parts ? &it->parts->meta : NULL;
}

/* --- lineage ---------------------------------------------------------------------------------- */

/* One search. Items with several parents are met by many ways and entered once. */
struct search {
    uint32_t node;
    bool many; /* found several */
    struct map entered;
};

static bool enter_once(struct search *s, const struct wf_item *it)
{
    if (map_get(&s->entered, (const char *)&it->self, sizeof it->self))
        return false;
    map_put(&s->entered, (const char *)&it->self, sizeof it->self, it->self);
    return true;
}

/* The item of the node among the ancestors of `it`; NULL also when another way has found it
 * already. */
static const struct wf_item *ancestor(struct search *s, const struct wf_item *it, unsigned depth)
{
    while (it && it->node != s->node && !it->parents)
        it = it->parent;
    if (!it || it->node == s->node)
        return it;
    const struct wf_item *found = NULL;
    if (!depth || !enter_once(s, it))
        return NULL;
    for (uint32_t i = 0; i < it->parents->n && !s->many; i++) {
        const struct wf_item *one = ancestor(s, it->parents->items[i], depth - 1);
        if (one && found && one != found)
            s->many = true;
        if (one && !found)
            found = one;
    }
    return found;
}

static int lineage(struct wf_item *it, int node, struct expr_item *out, char *why, size_t why_size)
{
    const char *name = exec_node(it->e, (uint32_t)node)->name;
    struct search search = { .node = (uint32_t)node };
    map_init(&search.entered);
    const struct wf_item *found = ancestor(&search, it, 64);
    bool many = search.many;
    map_fini(&search.entered);
    if (found && !many) {
        item_out(found, out);
        return 0;
    }
    if (many)
        snprintf(why, why_size,
                 "several items of node '%s' lead to this item; pick one with .first(), .last() or "
                 ".all()",
                 name);
    else
        snprintf(why, why_size,
                 "no item of node '%s' leads to this item; has it run before this node?", name);
    return -1;
}

static int view_paired(void *of, int node, struct expr_item *out, char *why, size_t why_size)
{
    struct wf_item *it = of;
    if (node >= 0)
        return lineage(it, node, out, why, why_size);
    item_out(it, out);
    return 0;
}

static int view_matching(void *of, int node, int64_t index, struct expr_item *out, char *why,
                         size_t why_size)
{
    struct wf_item *it = of;
    const struct item_vec *input = &it->e->seg.inputs[0];
    if (index < 0 || (uint64_t)index >= input->n) {
        snprintf(why, why_size, "there is no input item %lld", (long long)index);
        return -1;
    }
    return view_paired(input->items[index], node, out, why, why_size);
}

/* --- by place --------------------------------------------------------------------------------- */

static const struct item_vec *items_of(struct wf_item *it, int node, unsigned branch, int run)
{
    struct exec *e = it->e;
    if (node < 0)
        return branch < e->seg.n_inputs ? &e->seg.inputs[branch] : NULL;
    const struct run *r = e->runs ? e->runs[node] : NULL;
    while (r && run >= 0 && r->index != (unsigned)run)
        r = r->prev;
    return r && branch < r->n_outputs ? &r->outputs[branch] : NULL;
}

static int64_t view_count(void *of, int node, unsigned branch, int run)
{
    const struct item_vec *vec = items_of(of, node, branch, run);
    return vec ? (int64_t)vec->n : -1;
}

static int view_at(void *of, int node, unsigned branch, int run, int64_t index,
                   struct expr_item *out)
{
    const struct item_vec *vec = items_of(of, node, branch, run);
    if (!vec || index < 0 || (uint64_t)index >= vec->n)
        return -1;
    item_out(vec->items[index], out);
    return 0;
}

static int view_node_index(void *of, wf_str name)
{
    struct wf_item *it = of;
    return plan_find_node(it->e->ep->plan, name);
}

/* --- objects ---------------------------------------------------------------------------------- */

static const struct json *object3(struct arena *a, const char *const keys[3],
                                  const struct json values[3])
{
    struct json_member *m;
    struct json *object = arena_alloc(a, sizeof *object);
    *object = json_object(a, 3, &m);
    for (int i = 0; i < 3; i++) {
        m[i].key = json_of_str_borrow(str_of(keys[i]));
        m[i].value = values[i];
    }
    return object;
}

static const struct json *meta_workflow(struct exec *e)
{
    const struct plan *p = e->ep->plan;
    return object3(&e->arena, (const char *const[]){ "id", "name", "active" },
                   (const struct json[]){ json_of_str_borrow(str_of(p->id)),
                                          json_of_str_borrow(str_of(p->name)),
                                          json_of_bool(p->active) });
}

static const struct json *meta_execution(struct exec *e)
{
    char id[EXEC_ID_TEXT];
    exec_id_text(e->id, id);
    return object3(&e->arena, (const char *const[]){ "id", "mode", "restored" },
                   (const struct json[]){
                       json_of_str(&e->arena, id, strlen(id)),
                       json_of_str_borrow(e->ep->plan->version ? STR("production") : STR("test")),
                       json_of_bool(e->restored) });
}

static const struct json *meta_prev_node(struct wf_item *it)
{
    struct exec *e = it->e;
    return object3(&e->arena, (const char *const[]){ "name", "outputIndex", "runIndex" },
                   (const struct json[]){ json_of_str_borrow(str_of(exec_node(e, it->node)->name)),
                                          json_of_int(it->port), json_of_int(it->run) });
}

static const struct json *meta_int(struct exec *e, int64_t i)
{
    struct json *v = arena_alloc(&e->arena, sizeof *v);
    *v = json_of_int(i);
    return v;
}

static const struct json *view_meta(void *of, enum expr_meta meta, int node)
{
    struct wf_item *it = of;
    struct exec *e = it->e;
    switch (meta) {
    case EXPR_META_WORKFLOW:
        return meta_workflow(e);
    case EXPR_META_EXECUTION:
        return meta_execution(e);
    case EXPR_META_PREV_NODE:
        return meta_prev_node(it);
    case EXPR_META_VARS:
        return e->ep->plan->vars;
    case EXPR_META_ENV:
        return e->ep->plan->env;
    case EXPR_META_PARAMETER:
        return node >= 0 ? exec_node(e, (uint32_t)node)->parameters : e->seg.inst->node->parameters;
    case EXPR_META_ITEM_INDEX:
        return meta_int(e, it->index);
    case EXPR_META_RUN_INDEX:
        return meta_int(e, e->seg.run);
    case EXPR_META_NONE:
        break;
    }
    return NULL;
}

const struct expr_view view_table = {
    .paired = view_paired,
    .matching = view_matching,
    .count = view_count,
    .at = view_at,
    .node_index = view_node_index,
    .meta = view_meta,
};

/* --- evaluation ------------------------------------------------------------------------------- */

void scope_fill(struct expr_scope *scope, struct wf_item *it)
{
    struct exec *e = it->e;
    *scope = (struct expr_scope){ .arena = &e->arena,
                                  .json = &it->json,
                                  .binary = it->parts ? &it->parts->meta : NULL,
                                  .view = &view_table,
                                  .of = it,
                                  .now_us = e->en->now_wall_us,
                                  .timezone = e->ep->plan->settings.timezone };
}

int view_eval(void *ctx, const void *expr, struct json *out, struct err *err)
{
    const struct expr_scope *scope = ctx;
    struct exec *e = ((struct wf_item *)scope->of)->e;
    return expr_eval(e->en->config.lua, e->ep->loaded, expr, scope, out, err);
}
