/* SPDX-License-Identifier: Apache-2.0
 * lookup: plain paths and templates of paths, evaluated without Lua. This is the hot path of most
 * expressions: no memory is allocated but the text of a template, in the scope's arena.
 */
#include "expr/expr_int.h"
#include <stdio.h>

/* The value an item gives for .json or .binary. */
static const struct json *item_part(const struct expr_item *item, bool binary)
{
    return binary ? item->binary : item->json;
}

static int item_of(const struct expr_lookup *look, const struct expr_scope *s,
                   struct expr_item *item, struct err *err)
{
    char why[200] = "it has not run";
    int node = (int)look->node;
    if (look->root == EXPR_ROOT_ITEM_OF) {
        if (!s->view || !s->view->paired ||
            s->view->paired(s->of, node, item, why, sizeof why) != 0)
            return err_set(err, ERR_INVALID, "%s: %s", look->text, why);
        return 0;
    }
    int64_t n = s->view && s->view->count ? s->view->count(s->of, node, 0, -1) : -1;
    if (n < 0)
        return err_set(err, ERR_INVALID, "%s: the node has not run", look->text);
    *item = (struct expr_item){ 0 };
    if (!n)
        return 0;
    int64_t at = look->root == EXPR_ROOT_FIRST_OF ? 0 : n - 1;
    if (s->view->at(s->of, node, 0, -1, at, item) != 0)
        *item = (struct expr_item){ 0 };
    return 0;
}

static int root_of(const struct expr_lookup *look, const struct expr_scope *s,
                   const struct json **root, struct err *err)
{
    struct expr_item item = { 0 };
    switch (look->root) {
    case EXPR_ROOT_JSON:
        *root = s->json;
        return 0;
    case EXPR_ROOT_BINARY:
        *root = s->binary;
        return 0;
    case EXPR_ROOT_META:
        *root = s->view && s->view->meta ? s->view->meta(s->of, look->meta, -1) : NULL;
        return 0;
    default:
        if (item_of(look, s, &item, err) != 0)
            return -1;
        *root = item_part(&item, look->binary);
        return 0;
    }
}

/* Steps by JavaScript's rules: an index of an object is a key. */
static const struct json *walk(const struct json *v, const struct json_path *path)
{
    for (uint32_t i = 0; i < path->n && v; i++) {
        const struct json_step *step = &path->steps[i];
        if (step->key)
            v = v->type == JSON_OBJECT ? json_get(v, step->key, step->len) : NULL;
        else if (v->type == JSON_ARRAY)
            v = json_at(v, (size_t)step->index);
        else if (v->type == JSON_OBJECT) {
            char key[16];
            int len = snprintf(key, sizeof key, "%d", step->index);
            v = json_get(v, key, (size_t)len);
        } else {
            v = NULL;
        }
    }
    return v;
}

int lookup_value(const struct expr_lookup *look, const struct expr_scope *s,
                 const struct json **out, struct err *err)
{
    const struct json *root = NULL;
    if (root_of(look, s, &root, err) != 0)
        return -1;
    *out = walk(root, &look->path);
    return 0;
}

wf_str lookup_text(struct arena *a, const struct json *v)
{
    char number[TEXT_NUMBER_MAX];
    double d;
    if (!v)
        return STR("");
    if (v->type == JSON_STRING)
        return (wf_str){ v->s, v->len };
    if (v->type == JSON_DOUBLE ||
        (v->type == JSON_NUMBER &&
         (memchr(v->s, '.', v->len) || memchr(v->s, 'e', v->len) || memchr(v->s, 'E', v->len)))) {
        json_double(v, &d);
        size_t len = text_of_number(d, number);
        return arena_str(a, number, len);
    }
    return json_to_str(a, v);
}

int lookup_template(const struct expr *x, const struct expr_scope *s, struct json *out,
                    struct err *err)
{
    wf_str small[16], *texts = small;
    size_t total = 0;
    if (x->n_parts > 16)
        texts = arena_alloc(s->arena, sizeof *texts * x->n_parts);
    for (uint32_t i = 0; i < x->n_parts; i++) {
        const struct json *v = &x->parts[i].text;
        if (x->parts[i].lookup && lookup_value(x->parts[i].lookup, s, &v, err) != 0)
            return -1;
        texts[i] = lookup_text(s->arena, v);
        total += texts[i].len;
    }
    if (total > UINT32_MAX)
        return err_set(err, ERR_LIMIT, "a text of more than 4 GiB");
    char *text = arena_alloc(s->arena, total + 1), *to = text;
    for (uint32_t i = 0; i < x->n_parts; i++) {
        memcpy(to, texts[i].ptr, texts[i].len);
        to += texts[i].len;
    }
    *to = '\0';
    *out = json_of_str_borrow((wf_str){ text, total });
    return 0;
}
