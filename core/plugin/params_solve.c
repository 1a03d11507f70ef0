/* SPDX-License-Identifier: Apache-2.0
 * Solving: the slots of a config get their values for one item.
 *
 * This is on the message path. A config without slots costs nothing; one with slots is copied into
 * the item's arena and patched. Lists are copied when a slot is in one of their rows, and JSON
 * values along the way to an expression only. Thread: the item's worker; nothing blocks, nothing
 * but the arena grows.
 */
#include "plugin/plugin_int.h"

struct solve {
    struct arena *a;
    int (*eval)(void *ctx, const void *expr, struct json *out, struct err *err);
    void *ctx;
    struct err *err;
};

static int eval_at(const struct solve *s, const void *expr, const char *path, struct json *out)
{
    if (s->eval(s->ctx, expr, out, s->err) == 0)
        return 0;
    return err_context(s->err, "parameter '%s'", path);
}

static int solve_tree(const struct solve *s, const struct params_tree *tree, struct json *out);

static int solve_array(const struct solve *s, const struct params_tree *tree, struct json *out)
{
    const struct json *base = tree->base;
    struct json *elements = arena_alloc(s->a, base->len * sizeof *elements);
    memcpy(elements, base->elements, base->len * sizeof *elements);
    for (uint32_t i = 0; i < tree->n; i++) {
        struct json *element = &elements[tree->children[i].index];
        if (solve_tree(s, &tree->children[i], element) != 0)
            return -1;
        if (element->type == JSON_MISSING)
            element->type = JSON_NULL;
    }
    *out = *base;
    out->elements = elements;
    return 0;
}

static int solve_object(const struct solve *s, const struct params_tree *tree, struct json *out)
{
    const struct json *base = tree->base;
    struct json_member *members = arena_alloc(s->a, base->len * sizeof *members);
    uint32_t n = base->len, missing = 0;
    memcpy(members, base->members, n * sizeof *members);
    for (uint32_t i = 0; i < tree->n; i++) {
        struct json *value = &members[tree->children[i].index].value;
        if (solve_tree(s, &tree->children[i], value) != 0)
            return -1;
        missing += value->type == JSON_MISSING;
    }
    if (missing) {
        uint32_t kept = 0;
        for (uint32_t i = 0; i < n; i++)
            if (members[i].value.type != JSON_MISSING)
                members[kept++] = members[i];
        n = kept;
    }
    *out = *base;
    out->members = members;
    out->len = n;
    return 0;
}

static int solve_tree(const struct solve *s, const struct params_tree *tree, struct json *out)
{
    if (tree->expr)
        return eval_at(s, tree->expr, tree->path, out);
    return tree->base->type == JSON_ARRAY ? solve_array(s, tree, out) : solve_object(s, tree, out);
}

static int solve_field(const struct solve *s, const struct params_slot *slot, void *field)
{
    struct json v = { .type = JSON_MISSING };
    char why[PARAM_WHY_MAX];
    if (slot->tree ? solve_tree(s, slot->tree, &v) != 0
                   : eval_at(s, slot->expr, slot->path, &v) != 0)
        return -1;
    bool value = v.type != JSON_MISSING && (v.type != JSON_NULL || slot->row->type == WF_VALUE);
    if (!value && slot->row->flags & WF_REQUIRED)
        return err_set(s->err, ERR_INVALID,
                       "parameter '%s': is required, but its expression gave %s", slot->path,
                       v.type == JSON_NULL ? "null" : "nothing");
    if (!value) /* the default is there already */
        return 0;
    if (param_convert(s->a, slot->row, &v, true, field, why) != 0)
        return err_set(s->err, ERR_INVALID, "parameter '%s': %s", slot->path, why);
    return 0;
}

static int solve_slots(const struct solve *s, const struct params_slot *slots, uint32_t n,
                       char *base)
{
    for (uint32_t i = 0; i < n; i++) {
        const struct params_slot *slot = &slots[i];
        char *field = base + slot->at;
        if (slot->row->type != WF_LIST) {
            if (solve_field(s, slot, field) != 0)
                return -1;
            continue;
        }
        wf_list *list = (wf_list *)(void *)field;
        size_t bytes = list->n * slot->row->row_size;
        char *rows = arena_alloc(s->a, bytes);
        memcpy(rows, list->rows, bytes);
        list->rows = rows;
        if (solve_slots(s, slot->slots, slot->n_slots, rows) != 0)
            return -1;
    }
    return 0;
}

const void *params_solve(struct arena *a, const struct params *p,
                         int (*eval)(void *ctx, const void *expr, struct json *out,
                                     struct err *err),
                         void *ctx, struct err *err)
{
    const struct solve s = { a, eval, ctx, err };
    if (!p->n_slots)
        return p->base;
    char *config = arena_alloc(a, p->config_size);
    memcpy(config, p->base, p->config_size);
    return solve_slots(&s, p->slots, p->n_slots, config) == 0 ? config : NULL;
}
