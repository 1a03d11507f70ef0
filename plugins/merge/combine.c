/* SPDX-License-Identifier: Apache-2.0
 * Several objects become one: who wins, how deep, and the cap on what comes out.
 *
 * Objects are laid over each other from the least to the most preferred; members that stand in one
 * of them only are shared. Thread: the worker's. Nothing blocks.
 */
#include "merge_int.h"

int merge_clash(const struct config *c)
{
    if (c->clash != CLASH_AUTO)
        return c->clash;
    return c->mode == MODE_COMBINE && c->join_mode == JOIN_ENRICH_2 ? CLASH_INPUT_1 : CLASH_LAST;
}

static int is_empty(const wf_values *v, const wf_value *value)
{
    const char *s;
    size_t len;
    return v->type(value) <= WF_JSON_NULL || (v->bytes(value, &s, &len) == 0 && len == 0);
}

static const wf_value *lay_over(struct merge *m, const wf_value *under, const wf_value *over);

/* One member: what comes of the value below and the one above. */
static const wf_value *lay_member(struct merge *m, const wf_value *under, const wf_value *over)
{
    const wf_values *v = m->h->v;
    wf_json_type type = v->type(over);
    if (m->c->override_empty && under && is_empty(v, over))
        return under;
    if (m->c->depth == DEPTH_DEEP && type >= WF_JSON_ARRAY && v->type(under) == type)
        return lay_over(m, under, over);
    return over;
}

static const wf_value *lay_arrays(struct merge *m, const wf_value *under, const wf_value *over)
{
    const wf_values *v = m->h->v;
    size_t a = v->count(under), b = v->count(over), n = a > b ? a : b;
    const wf_value **elements = wf_values_new(m->h, m->it, n);
    for (size_t i = 0; i < n; i++)
        elements[i] = i >= b ? v->at(under, i) : lay_member(m, v->at(under, i), v->at(over, i));
    return v->array(m->it, elements, n);
}

/* Two objects, or two arrays element by element. */
static const wf_value *lay_over(struct merge *m, const wf_value *under, const wf_value *over)
{
    const wf_values *v = m->h->v;
    const wf_value *out = under;
    if (v->type(over) == WF_JSON_ARRAY)
        return lay_arrays(m, under, over);
    size_t n = v->count(over);
    if (v->count(under) == 0)
        return over;
    for (size_t i = 0; i < n; i++) {
        wf_str key = v->key(over, i);
        const wf_value *below = v->get(under, key.ptr, key.len);
        const wf_value *value = lay_member(m, below, v->at(over, i));
        if (value != below)
            out = v->set_key(m->it, out, key, value);
    }
    return out;
}

/* All keys with the number of their input behind: name_1. */
static const wf_value *with_suffix(struct merge *m, const wf_value *object, unsigned number)
{
    const wf_values *v = m->h->v;
    size_t n = v->count(object);
    wf_str *keys = m->h->alloc(m->it, n * sizeof *keys + 1);
    const wf_value **values = wf_values_new(m->h, m->it, n);
    for (size_t i = 0; i < n; i++) {
        wf_str key = v->key(object, i);
        keys[i] = m->h->fmt(m->it, "%.*s_%u", (int)key.len, key.ptr, number + 1);
        values[i] = v->at(object, i);
    }
    return v->object(m->it, keys, values, n);
}

static int count_one(struct merge *m)
{
    if (m->made++ < OUTPUT_MAX)
        return 0;
    m->h->seg_fail(
        m->seg,
        "merge makes more than %d items; match by more fields, or take the first match only",
        OUTPUT_MAX);
    return -1;
}

/* Which of n inputs is laid i-th: the preferred one last, the others in their order. With
 * preferInput1 and more than two inputs the earlier ones win. */
static size_t layer(const struct merge *m, size_t i, size_t n)
{
    if (m->clash == CLASH_INPUT_1)
        return n - 1 - i;
    if (m->clash != CLASH_INPUT_2 || n < 2 || i == 0)
        return i;
    return i == n - 1 ? 1 : i + 1;
}

int merge_put(struct merge *m, wf_item *const *items, size_t n)
{
    wf_item *from[INPUTS_MAX];
    const wf_value *out = NULL;
    size_t n_from = 0;
    if (count_one(m) != 0)
        return -1;
    for (size_t i = 0; i < n; i++)
        if (items[i])
            from[n_from++] = items[i];
    for (size_t i = 0; i < n; i++) {
        size_t k = layer(m, i, n);
        if (!items[k])
            continue;
        const wf_value *object = m->h->value(items[k]);
        if (m->clash == CLASH_SUFFIX)
            object = with_suffix(m, object, (unsigned)k);
        out = out ? lay_over(m, out, object) : object;
    }
    m->h->seg_push(m->seg, 0, out, from, n_from);
    return 0;
}

int merge_pass(struct merge *m, wf_item *it)
{
    if (count_one(m) != 0)
        return -1;
    m->h->seg_pass(m->seg, 0, it);
    return 0;
}

int merge_put_alone(struct merge *m, wf_item *it, unsigned number)
{
    if (m->clash != CLASH_SUFFIX)
        return merge_pass(m, it);
    if (count_one(m) != 0)
        return -1;
    m->h->seg_push(m->seg, 0, with_suffix(m, m->h->value(it), number), &it, 1);
    return 0;
}
