/* SPDX-License-Identifier: Apache-2.0
 * Solving: the slots of a config get their values for one item.
 *
 * This is on the message path. A config without slots costs nothing; one with slots is copied into
 * the item's arena, with the lists that have some in their rows, and patched. An expression that is
 * only a path into the item is looked up here. JSON values are copied along the way to an
 * expression only. Thread: the item's worker; nothing blocks, nothing but the arena grows.
 */
#include "plugin/plugin_int.h"

struct solve {
    struct arena *a;
    const struct json *item; /* NULL: every expression is asked for */
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
    *out = (struct json){ .type = JSON_ARRAY, .len = base->len, .elements = elements };
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
    *out = (struct json){ .type = JSON_OBJECT, .len = n, .members = members };
    return 0;
}

static int solve_tree(const struct solve *s, const struct params_tree *tree, struct json *out)
{
    if (tree->expr)
        return eval_at(s, tree->expr, tree->path, out);
    return tree->base->type == JSON_ARRAY ? solve_array(s, tree, out) : solve_object(s, tree, out);
}

/* The rare and the wrong: default, error, conversion. */
static int put_value(const struct solve *s, const struct params_slot *slot, const struct json *v,
                     void *field)
{
    char why[PARAM_WHY_MAX];
    bool value = v->type != JSON_MISSING && (v->type != JSON_NULL || slot->row->type == WF_VALUE);
    if (!value && slot->row->flags & WF_REQUIRED)
        return err_set(s->err, ERR_INVALID,
                       "parameter '%s': is required, but its expression gave %s", slot->path,
                       v->type == JSON_NULL ? "null" : "nothing");
    if (!value) /* the default is there already */
        return 0;
    if (param_convert(s->a, slot->row, v, true, field, why) != 0)
        return err_set(s->err, ERR_INVALID, "parameter '%s': %s", slot->path, why);
    return 0;
}

static int solve_expr(const struct solve *s, const struct params_slot *slot, void *field)
{
    struct json v = { .type = JSON_MISSING };
    if (slot->tree ? solve_tree(s, slot->tree, &v) != 0
                   : eval_at(s, slot->expr, slot->path, &v) != 0)
        return -1;
    return put_value(s, slot, &v, field);
}

/* Names into objects only; NULL when there is nothing. */
static inline const struct json *look_up(const struct json *v, const struct json_path *path)
{
    for (uint32_t i = 0; i < path->n && v; i++)
        v = json_get(v, path->steps[i].key, path->steps[i].len);
    return v;
}

/* A value that is part of the item: text is copied, because it gets a NUL, and JSON is shared. */
static inline int solve_look(const struct solve *s, const struct params_slot *slot, void *field)
{
    static const struct json missing = { .type = JSON_MISSING };
    const struct json *v = look_up(s->item, slot->look);
    if (v && v->type == JSON_STRING && slot->row->type == WF_STRING) {
        *(wf_str *)field = arena_str(s->a, v->s, v->len);
        return 0;
    }
    if (v && slot->row->type == WF_VALUE) {
        *(const struct json **)field = v;
        return 0;
    }
    return put_value(s, slot, v ? v : &missing, field);
}

const void *params_solve_item(struct arena *a, const struct params *p, const struct json *item,
                              int (*eval)(void *ctx, const void *expr, struct json *out,
                                          struct err *err),
                              void *ctx, struct err *err)
{
    const struct solve s = { a, item, eval, ctx, err };
    if (!p->n_slots)
        return p->base;
    const struct params_flat *flat = p->flat;
    char *config = arena_alloc(a, flat->bytes);
    memcpy(config, flat->image, flat->bytes);
    for (uint32_t i = 0; i < flat->n_lists; i++)
        ((wf_list *)(void *)(config + flat->lists[i].at))->rows = config + flat->lists[i].rows;
    for (const struct params_slot *slot = flat->slots, *end = slot + flat->n_slots; slot < end;
         slot++) {
        void *field = config + slot->at;
        if ((item && slot->look ? solve_look(&s, slot, field) : solve_expr(&s, slot, field)) != 0)
            return NULL;
    }
    return config;
}

const void *params_solve(struct arena *a, const struct params *p,
                         int (*eval)(void *ctx, const void *expr, struct json *out,
                                     struct err *err),
                         void *ctx, struct err *err)
{
    return params_solve_item(a, p, NULL, eval, ctx, err);
}
