/* SPDX-License-Identifier: Apache-2.0
 * Two inputs joined by fields: a hash join.
 *
 * The second input is put into an index by the values of its match fields; equal ones hang in a
 * chain in their order. Then the first input is walked once. So the work is (items of input 1) +
 * (items of input 2) + (items made), never a product. Thread: the worker's. Nothing blocks.
 */
#include "merge_int.h"

#define NONE SIZE_MAX /* the end of a chain */

struct join {
    struct merge *m;
    wf_item *const *items[2];
    size_t n[2];
    wf_names fields[2];
    wf_index index;       /* tuples of input 2 */
    size_t *first, *last; /* per tuple: ends of its chain of items of input 2 */
    size_t *next;         /* per item of input 2 */
    uint8_t *matched[2];  /* per item */
};

static void read_fields(struct join *j)
{
    const struct config *c = j->m->c;
    const struct field_pair *pairs = c->pairs.rows;
    if (!c->advanced && c->fields.len) {
        j->fields[0] = j->fields[1] = wf_names_of(j->m->h, j->m->it, c->fields);
        return;
    }
    wf_str *names = j->m->h->alloc(j->m->it, 2 * c->pairs.n * sizeof *names + 1);
    for (size_t i = 0; i < c->pairs.n; i++) {
        names[i] = pairs[i].field1;
        names[c->pairs.n + i] = pairs[i].field2;
    }
    j->fields[0] = (wf_names){ names, c->pairs.n };
    j->fields[1] = (wf_names){ names + c->pairs.n, c->pairs.n };
}

/* Under fuzzyCompare: what is empty is one, and numbers and booleans are their text. */
static const wf_value *fuzzy_form(struct merge *m, const wf_value *value)
{
    const wf_values *v = m->h->v;
    wf_json_type type = v->type(value);
    if (type <= WF_JSON_NULL || (type >= WF_JSON_ARRAY && v->count(value) == 0))
        return v->of_str(m->it, "", 0);
    if (type != WF_JSON_BOOL && type != WF_JSON_NUMBER)
        return value;
    wf_str text = v->text(m->it, value);
    return v->of_str(m->it, text.ptr, text.len);
}

/* The match fields of one item; 0 when one is missing: such an item matches nothing. */
static int read_tuple(struct join *j, unsigned input, size_t i, const wf_value **tuple)
{
    struct merge *m = j->m;
    const wf_value *object = m->h->value(j->items[input][i]);
    for (size_t k = 0; k < j->fields[input].n; k++) {
        tuple[k] = wf_field_get(m->h->v, object, j->fields[input].names[k], !m->c->no_dots);
        if (m->c->fuzzy)
            tuple[k] = fuzzy_form(m, tuple[k]);
        if (!tuple[k])
            return 0;
    }
    return 1;
}

static void index_second(struct join *j, const wf_value **tuple)
{
    struct merge *m = j->m;
    size_t n = j->n[1];
    j->index = wf_index_of(m->h, m->it, j->fields[1].n);
    j->first = m->h->alloc(m->it, n * sizeof *j->first + 1);
    j->last = m->h->alloc(m->it, n * sizeof *j->last + 1);
    j->next = m->h->alloc(m->it, n * sizeof *j->next + 1);
    for (size_t i = 0; i < n; i++) {
        j->next[i] = NONE;
        if (!read_tuple(j, 1, i, tuple))
            continue;
        size_t before = j->index.n, at = wf_index_add(&j->index, tuple);
        if (at == before)
            j->first[at] = i;
        else
            j->next[j->last[at]] = i;
        j->last[at] = i;
    }
}

/* Finds the partners of one item of input 1; with `both` puts the pairs out. */
static int match_one(struct join *j, size_t i, const wf_value **tuple, int both)
{
    int64_t at = read_tuple(j, 0, i, tuple) ? wf_index_find(&j->index, tuple) : WF_INDEX_NONE;
    if (at < 0)
        return 0;
    j->matched[0][i] = 1;
    for (size_t k = j->first[at]; k != NONE; k = j->next[k]) {
        wf_item *const pair[] = { j->items[0][i], j->items[1][k] };
        j->matched[1][k] = 1;
        if (both && merge_put(j->m, pair, 2) != 0)
            return -1;
        if (j->m->c->matches == MATCHES_FIRST)
            break;
    }
    return 0;
}

/* Puts out the items of one input that have found a partner, or those that have not. */
static int put_input(struct join *j, unsigned input, int matched)
{
    for (size_t i = 0; i < j->n[input]; i++)
        if (j->matched[input][i] == matched) {
            wf_item *it = j->items[input][i];
            if ((matched ? merge_pass(j->m, it) : merge_put_alone(j->m, it, input)) != 0)
                return -1;
        }
    return 0;
}

static int put_rest(struct join *j)
{
    int mode = j->m->c->join_mode, from = j->m->c->from;
    if (mode == JOIN_MATCHES)
        return from == FROM_BOTH ? 0 : put_input(j, from == FROM_INPUT_2, 1);
    if (mode == JOIN_NON_MATCHES && from != FROM_BOTH)
        return put_input(j, from == FROM_INPUT_2, 0);
    if (mode != JOIN_ENRICH_2 && put_input(j, 0, 0) != 0)
        return -1;
    return mode == JOIN_ENRICH_1 ? 0 : put_input(j, 1, 0);
}

int merge_join(struct merge *m)
{
    struct join j = { .m = m };
    int both = m->c->join_mode >= JOIN_EVERYTHING ||
               (m->c->join_mode == JOIN_MATCHES && m->c->from == FROM_BOTH);
    read_fields(&j);
    if (j.fields[0].n == 0) {
        m->h->seg_fail(m->seg, "there is no field to match by; name some in fieldsToMatchString");
        return -1;
    }
    for (unsigned input = 0; input < 2; input++) {
        j.items[input] = m->h->items(m->seg, input, &j.n[input]);
        j.matched[input] = m->h->alloc(m->it, j.n[input] + 1);
    }
    const wf_value **tuple = wf_values_new(m->h, m->it, j.fields[0].n);
    index_second(&j, tuple);
    for (size_t i = 0; i < j.n[0]; i++)
        if (match_one(&j, i, tuple, both) != 0)
            return -1;
    return put_rest(&j);
}
