/* SPDX-License-Identifier: Apache-2.0
 * Reading values: members, paths, truth, equality. Nothing here allocates in an arena.
 */
#include "json/json_int.h"
#include "base/err.h"
#include "base/map.h"
#include <stdlib.h>

void walk_grow(struct walk *w)
{
    struct walk_frame *old = w->frames == w->local ? NULL : w->frames;
    w->frames = xrealloc(old, sizeof *w->frames * w->size * 2);
    if (!old)
        memcpy(w->frames, w->local, sizeof w->local);
    w->size *= 2;
}

void walk_fini(struct walk *w)
{
    if (w->frames != w->local)
        free(w->frames);
}

const char *json_type_name(const struct json *v)
{
    static const char *const names[] = {
        [JSON_MISSING] = "missing", [JSON_NULL] = "null",     [JSON_FALSE] = "boolean",
        [JSON_TRUE] = "boolean",    [JSON_INT] = "number",    [JSON_DOUBLE] = "number",
        [JSON_NUMBER] = "number",   [JSON_STRING] = "string", [JSON_ARRAY] = "array",
        [JSON_OBJECT] = "object",
    };
    return names[v ? v->type : JSON_MISSING];
}

/* memcmp() == 0 for what names mostly are, short: without a call, by loads that may overlap. */
static inline bool same_bytes(const char *a, const char *b, size_t n)
{
    if (n > 16)
        return !memcmp(a, b, n);
    if (n >= 8) {
        uint64_t a1, a2, b1, b2;
        memcpy(&a1, a, 8);
        memcpy(&b1, b, 8);
        memcpy(&a2, a + n - 8, 8);
        memcpy(&b2, b + n - 8, 8);
        return !((a1 ^ b1) | (a2 ^ b2));
    }
    if (n >= 4) {
        uint32_t a1, a2, b1, b2;
        memcpy(&a1, a, 4);
        memcpy(&b1, b, 4);
        memcpy(&a2, a + n - 4, 4);
        memcpy(&b2, b + n - 4, 4);
        return !((a1 ^ b1) | (a2 ^ b2));
    }
    for (size_t i = 0; i < n; i++)
        if (a[i] != b[i])
            return false;
    return true;
}

const struct json *json_get(const struct json *object, const char *key, size_t len)
{
    if (!object || object->type != JSON_OBJECT || !object->len)
        return NULL;
    const struct json_member *m = object->members, *end = m + object->len;
    for (; m < end; m++)
        if (m->key.len == len && same_bytes(m->key.s, key, len))
            return &m->value;
    return NULL;
}

const struct json *json_at(const struct json *container, size_t i)
{
    if (!container || i >= container->len)
        return NULL;
    if (container->type == JSON_ARRAY)
        return &container->elements[i];
    return container->type == JSON_OBJECT ? &container->members[i].value : NULL;
}

bool step_index(const struct json_step *step, size_t len, size_t *index)
{
    int64_t i = step->index;
    if (step->key) {
        if (!step->len || step->len > 9)
            return false;
        i = 0;
        for (uint32_t at = 0; at < step->len; at++) {
            if (step->key[at] < '0' || step->key[at] > '9')
                return false;
            i = i * 10 + (step->key[at] - '0');
        }
    }
    if (i < 0)
        i += (int64_t)len;
    *index = (size_t)i;
    return i >= 0;
}

const struct json *json_path_get(const struct json *from, const struct json_path *path)
{
    for (uint32_t n = 0; from && n < path->n; n++) {
        const struct json_step *step = &path->steps[n];
        size_t i;
        if (from->type == JSON_ARRAY)
            from = step_index(step, from->len, &i) ? json_at(from, i) : NULL;
        else
            from = step->key ? json_get(from, step->key, step->len) : NULL;
    }
    return from && from->type != JSON_MISSING ? from : NULL;
}

bool json_truth(const struct json *v)
{
    double d;
    switch (v ? v->type : JSON_MISSING) {
    case JSON_MISSING:
    case JSON_NULL:
    case JSON_FALSE:
        return false;
    case JSON_INT:
        return v->i != 0;
    case JSON_DOUBLE:
    case JSON_NUMBER:
        return json_double(v, &d) && d != 0 && d == d;
    case JSON_STRING:
        return v->len > 0;
    default:
        return true;
    }
}

/* --- equality -----------------------------------------------------------------------------------
 */

/* A pair of containers being compared: a's slots in turn, b's by place or by key. */
struct pair {
    const struct json *a, *b;
    size_t i;
    struct map *index; /* b's members, made for a large object whose order differs */
};

enum { INDEX_FROM = 32 };

static const struct json *pair_indexed(struct pair *p, const struct json *key)
{
    if (!p->index) {
        p->index = xmalloc(sizeof *p->index);
        map_init(p->index);
        for (size_t i = p->b->len; i-- > 0;) {
            const struct json_member *m = &p->b->members[i];
            map_put(p->index, m->key.s, m->key.len, (void *)&m->value);
        }
    }
    return map_get(p->index, key->s, key->len);
}

/* b's value that belongs to a's i-th, or NULL. */
static const struct json *pair_other(struct pair *p)
{
    if (p->a->type == JSON_ARRAY)
        return &p->b->elements[p->i];
    const struct json *key = &p->a->members[p->i].key, *same = &p->b->members[p->i].key;
    if (same->len == key->len && !memcmp(same->s, key->s, key->len))
        return same + 1;
    if (p->b->len >= INDEX_FROM)
        return pair_indexed(p, key);
    return json_get(p->b, key->s, key->len);
}

static void pair_end(struct pair *p)
{
    if (p->index) {
        map_fini(p->index);
        free(p->index);
    }
}

/* Everything but the contents of containers. */
static bool equal_outside(const struct json *a, const struct json *b)
{
    if (json_is_number(a))
        return json_is_number(b) && number_equal(a, b);
    if (a->type != b->type)
        return false;
    if (a->type == JSON_STRING)
        return a->len == b->len && !memcmp(a->s, b->s, a->len);
    return a->type < JSON_ARRAY || a->len == b->len;
}

static bool equal_inside(const struct json *a, const struct json *b)
{
    struct pair local[JSON_DEPTH_MAX], *pairs = local;
    size_t n = 0, size = JSON_DEPTH_MAX;
    bool equal = true;
    pairs[n++] = (struct pair){ a, b, 0, NULL };
    while (n && equal) {
        struct pair *p = &pairs[n - 1];
        if (p->i == p->a->len) {
            pair_end(p);
            n--;
            continue;
        }
        const struct json *x = json_at(p->a, p->i), *y = pair_other(p);
        p->i++;
        equal = y && equal_outside(x, y);
        if (!equal || x->type < JSON_ARRAY || x->elements == y->elements)
            continue;
        if (n == size) {
            struct pair *old = pairs == local ? NULL : pairs;
            pairs = xrealloc(old, sizeof *pairs * size * 2);
            if (!old)
                memcpy(pairs, local, sizeof local);
            size *= 2;
        }
        pairs[n++] = (struct pair){ x, y, 0, NULL };
    }
    while (n)
        pair_end(&pairs[--n]);
    if (pairs != local)
        free(pairs);
    return equal;
}

bool json_equal(const struct json *a, const struct json *b)
{
    static const struct json missing = { .type = JSON_MISSING };
    a = a ? a : &missing;
    b = b ? b : &missing;
    if (!equal_outside(a, b))
        return false;
    return a->type < JSON_ARRAY || equal_inside(a, b);
}
