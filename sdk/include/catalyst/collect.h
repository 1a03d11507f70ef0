/* SPDX-License-Identifier: Apache-2.0
 * catalyst/collect.h - for nodes that work over all items of an execution. Header only, needs libc
 * only.
 *
 * Such nodes (merge, aggregate, sort, summarize ...) name fields with commas and dots, look for
 * equal values, and put values in order. Here are the lists of names, an index that finds equal
 * tuples of values by hash, and the one order of values that all of them share.
 *
 * Thread: [w]. Memory: the arena of an item, usually h->first(segment). Nothing blocks.
 */
#ifndef WF_COLLECT_H
#define WF_COLLECT_H
#include <catalyst/plugin.h>
#include <catalyst/text.h>

/* --- lists of values ---------------------------------------------------------------------------
 */

/* Room for n values, all missing. */
static inline const wf_value **wf_values_new(const wf_host *h, wf_item *it, size_t n)
{
    return h->alloc(it, n * sizeof(void *) + 1);
}

/* A list that grows; start with {0}. */
typedef struct {
    const wf_value **values;
    size_t n, size;
} wf_gathered;

static inline void wf_gather(const wf_host *h, wf_item *it, wf_gathered *list,
                             const wf_value *value)
{
    if (list->n == list->size) {
        list->size = list->size ? list->size * 2 : 8;
        const wf_value **larger = wf_values_new(h, it, list->size);
        if (list->n)
            memcpy(larger, list->values, list->n * sizeof(void *));
        list->values = larger;
    }
    list->values[list->n++] = value;
}

/* --- names of fields ---------------------------------------------------------------------------
 */

typedef struct {
    const wf_str *names; /* NUL-ended */
    size_t n;
} wf_names;

/* Splits "a, b.c" at its commas; blanks around names and empty names do not count. */
static inline wf_names wf_names_of(const wf_host *h, wf_item *it, wf_str text)
{
    size_t n = 1;
    for (size_t i = 0; i < text.len; i++)
        n += text.ptr[i] == ',';
    wf_str *names = h->alloc(it, n * sizeof *names);
    const char *p = text.ptr, *end = text.ptr + text.len;
    for (n = 0; p < end;) {
        const char *comma = memchr(p, ',', (size_t)(end - p)), *stop = comma ? comma : end,
                   *last = stop;
        while (p < last && (*p == ' ' || *p == '\n' || *p == '\t'))
            p++;
        while (last > p && (last[-1] == ' ' || last[-1] == '\n' || last[-1] == '\t'))
            last--;
        if (last > p)
            names[n++] = h->fmt(it, "%.*s", (int)(last - p), p);
        p = stop + 1;
    }
    return (wf_names){ names, n };
}

/* Whether the name is one of the list. */
static inline int wf_names_have(const wf_names *list, wf_str name)
{
    for (size_t i = 0; i < list->n; i++)
        if (list->names[i].len == name.len && memcmp(list->names[i].ptr, name.ptr, name.len) == 0)
            return 1;
    return 0;
}

static inline int wf_name_is_path(wf_str name)
{
    return memchr(name.ptr, '.', name.len) || memchr(name.ptr, '[', name.len);
}

/* A member by its name, or with `dots` by its path; NULL: not there. The name is NUL-ended. */
static inline const wf_value *wf_field_get(const wf_values *v, const wf_value *object, wf_str name,
                                           int dots)
{
    const wf_value *value = v->get(object, name.ptr, name.len);
    return value || !dots || !wf_name_is_path(name) ? value : v->path(object, name.ptr);
}

/* The object with a field set, by name or with `dots` by path; NULL when the path leads through a
 * value that is no object. `object` NULL: an empty one. */
static inline const wf_value *wf_field_set(const wf_host *h, wf_item *it, const wf_value *object,
                                           wf_str name, int dots, const wf_value *value)
{
    if (dots && wf_name_is_path(name) && !h->v->get(object, name.ptr, name.len))
        return h->v->set(it, object, name.ptr, value);
    return h->v->set_key(it, object, name, value);
}

/* The object without the fields of a list; with `dots` names may be paths. */
static inline const wf_value *wf_fields_drop(const wf_host *h, wf_item *it, const wf_value *object,
                                             const wf_names *drop, int dots)
{
    const wf_values *v = h->v;
    size_t n = v->count(object), kept = 0;
    wf_str *keys = h->alloc(it, n * sizeof *keys + 1);
    const wf_value **values = wf_values_new(h, it, n);
    for (size_t i = 0; i < n; i++) {
        wf_str key = v->key(object, i);
        if (wf_names_have(drop, key))
            continue;
        keys[kept] = key;
        values[kept++] = v->at(object, i);
    }
    const wf_value *out = kept == n ? object : v->object(it, keys, values, kept);
    for (size_t i = 0; dots && i < drop->n; i++)
        if (wf_name_is_path(drop->names[i]) && v->path(out, drop->names[i].ptr)) {
            const wf_value *less = v->unset(it, out, drop->names[i].ptr);
            out = less ? less : out;
        }
    return out;
}

/* The object with only the fields of a list. */
static inline const wf_value *wf_fields_pick(const wf_host *h, wf_item *it, const wf_value *object,
                                             const wf_names *pick, int dots)
{
    const wf_value *out = h->build(it, "{}");
    for (size_t i = 0; i < pick->n; i++) {
        const wf_value *value = wf_field_get(h->v, object, pick->names[i], dots);
        const wf_value *more = value ? wf_field_set(h, it, out, pick->names[i], dots, value) : NULL;
        out = more ? more : out;
    }
    return out;
}

static inline const wf_value *wf_null(const wf_host *h, wf_item *it)
{
    return h->v->of_number(it, (double)NAN); /* which JSON writes as null */
}

/* --- equal values ------------------------------------------------------------------------------
 */

/* Both halves of the product count: with a seed that nobody outside knows, values cannot be made to
 * collide. */
static inline uint64_t wf_hash_mix(uint64_t hash, uint64_t more)
{
    __extension__ typedef unsigned __int128 wide;
    wide product = (wide)(hash ^ 0xa0761d6478bd642fu) * (more ^ hash ^ 0xe7037ed1a0b428dbu);
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static inline uint64_t wf_hash_bytes(uint64_t hash, const char *s, size_t len)
{
    uint64_t word;
    hash = wf_hash_mix(hash, len);
    for (; len >= sizeof word; s += sizeof word, len -= sizeof word) {
        memcpy(&word, s, sizeof word);
        hash = wf_hash_mix(hash, word);
    }
    word = 0;
    if (len)
        memcpy(&word, s, len);
    return wf_hash_mix(hash, word);
}

/* The same for values that are equal: numbers by value, objects without regard to the order of
 * members. */
static inline uint64_t wf_hash_value(const wf_values *v, uint64_t hash, const wf_value *value)
{
    wf_json_type type = v->type(value);
    uint64_t bits, sum = 0;
    size_t n = v->count(value), len;
    const char *s;
    double d;
    hash = wf_hash_mix(hash, (uint64_t)type);
    switch (type) {
    case WF_JSON_BOOL:
        return wf_hash_mix(hash, (uint64_t)v->boolean(value));
    case WF_JSON_NUMBER:
        if (v->number(value, &d) != 0)
            return hash;
        d += 0.0; /* -0 is 0 */
        memcpy(&bits, &d, sizeof bits);
        return wf_hash_mix(hash, bits);
    case WF_JSON_STRING:
        v->bytes(value, &s, &len);
        return wf_hash_bytes(hash, s, len);
    case WF_JSON_ARRAY:
        for (size_t i = 0; i < n; i++)
            hash = wf_hash_value(v, hash, v->at(value, i));
        return hash;
    case WF_JSON_OBJECT:
        for (size_t i = 0; i < n; i++) {
            wf_str key = v->key(value, i);
            sum += wf_hash_value(v, wf_hash_bytes(hash, key.ptr, key.len), v->at(value, i));
        }
        return wf_hash_mix(hash, sum);
    default:
        return hash;
    }
}

/* Numbers tuples of values: equal tuples have one number, in the order they came. */
typedef struct {
    const wf_host *h;
    wf_item *it;
    size_t width; /* values of a tuple */
    uint64_t seed;
    const wf_value **keys; /* n * width; NULL is "missing" and equals itself */
    uint64_t *hashes;
    size_t *slots; /* number + 1 of a tuple, or 0; `size` of them, a power of two */
    size_t n, size;
} wf_index;

static inline void wf_index_grow(wf_index *x)
{
    size_t size = x->size ? x->size * 2 : 16, width = x->width ? x->width : 1;
    const wf_value **keys = wf_values_new(x->h, x->it, size / 2 * width);
    uint64_t *hashes = x->h->alloc(x->it, size / 2 * sizeof *hashes);
    size_t *slots = x->h->alloc(x->it, size * sizeof *slots);
    if (x->n) {
        memcpy(keys, x->keys, x->n * x->width * sizeof(void *));
        memcpy(hashes, x->hashes, x->n * sizeof *hashes);
    }
    for (size_t i = 0; i < x->n; i++) {
        size_t at = hashes[i] & (size - 1);
        while (slots[at])
            at = (at + 1) & (size - 1);
        slots[at] = i + 1;
    }
    x->keys = keys;
    x->hashes = hashes;
    x->slots = slots;
    x->size = size;
}

static inline wf_index wf_index_of(const wf_host *h, wf_item *it, size_t width)
{
    wf_index x = { .h = h, .it = it, .width = width, .seed = (uint64_t)(uintptr_t)it };
    wf_index_grow(&x);
    return x;
}

/* A string, or a number that is no integer, is equal only to one with the same bytes or value; the
 * host's equal() knows. Missing is not null. */
static inline int wf_index_same(const wf_index *x, size_t i, const wf_value *const *tuple)
{
    for (size_t k = 0; k < x->width; k++) {
        const wf_value *a = x->keys[i * x->width + k], *b = tuple[k];
        if (a != b && (!a || !b || !x->h->v->equal(a, b)))
            return 0;
    }
    return 1;
}

static inline uint64_t wf_index_hash(const wf_index *x, const wf_value *const *tuple)
{
    uint64_t hash = x->seed;
    for (size_t k = 0; k < x->width; k++)
        hash = wf_hash_value(x->h->v, hash, tuple[k]);
    return hash;
}

enum { WF_INDEX_NONE = -1 };

static inline int64_t wf_index_look(const wf_index *x, uint64_t hash, const wf_value *const *tuple)
{
    for (size_t at = hash & (x->size - 1); x->slots[at]; at = (at + 1) & (x->size - 1)) {
        size_t i = x->slots[at] - 1;
        if (x->hashes[i] == hash && wf_index_same(x, i, tuple))
            return (int64_t)i;
    }
    return WF_INDEX_NONE;
}

/* The number of a tuple, or WF_INDEX_NONE. */
static inline int64_t wf_index_find(const wf_index *x, const wf_value *const *tuple)
{
    return wf_index_look(x, wf_index_hash(x, tuple), tuple);
}

/* The number of a tuple, which is added when it is not there: then the number is the n of before.
 */
static inline size_t wf_index_add(wf_index *x, const wf_value *const *tuple)
{
    uint64_t hash = wf_index_hash(x, tuple);
    int64_t found = wf_index_look(x, hash, tuple);
    if (found >= 0)
        return (size_t)found;
    if (x->n == x->size / 2)
        wf_index_grow(x);
    size_t at = hash & (x->size - 1);
    while (x->slots[at])
        at = (at + 1) & (x->size - 1);
    x->slots[at] = x->n + 1;
    x->hashes[x->n] = hash;
    if (x->width)
        memcpy(x->keys + x->n * x->width, tuple, x->width * sizeof(void *));
    return x->n++;
}

/* --- order -------------------------------------------------------------------------------------
 */

/* Texts by their code points, without regard to case; those that differ in case only are equal. */
static inline int wf_order_text(const char *a, size_t a_len, const char *b, size_t b_len)
{
    const char *a_end = a + a_len, *b_end = b + b_len;
    while (a < a_end && b < b_end) {
        uint32_t x = wf_text_lower(wf_text_next(&a, a_end)),
                 y = wf_text_lower(wf_text_next(&b, b_end));
        if (x != y)
            return x < y ? -1 : 1;
    }
    return (a < a_end) - (b < b_end);
}

static inline int wf_order_numbers(const wf_values *v, const wf_value *a, const wf_value *b)
{
    int64_t i, j;
    double x = 0, y = 0;
    if (v->int64(a, &i) == 0 && v->int64(b, &j) == 0)
        return (i > j) - (i < j);
    v->number(a, &x);
    v->number(b, &y);
    return (x > y) - (x < y);
}

/* -1, 0 or 1: false, true, numbers, texts, arrays by their elements, objects, null and missing
 * last. */
static inline int wf_order(const wf_values *v, const wf_value *a, const wf_value *b)
{
    static const uint8_t ranks[] = { 9, 9, 1, 2, 3, 4, 5 };
    wf_json_type t = v->type(a), u = v->type(b);
    const char *s, *r;
    size_t s_len, r_len, n;
    if (ranks[t] != ranks[u])
        return ranks[t] < ranks[u] ? -1 : 1;
    switch (t) {
    case WF_JSON_BOOL:
        return v->boolean(a) - v->boolean(b);
    case WF_JSON_NUMBER:
        return wf_order_numbers(v, a, b);
    case WF_JSON_STRING:
        v->bytes(a, &s, &s_len);
        v->bytes(b, &r, &r_len);
        return wf_order_text(s, s_len, r, r_len);
    case WF_JSON_ARRAY:
        n = v->count(a) < v->count(b) ? v->count(a) : v->count(b);
        for (size_t i = 0; i < n; i++) {
            int order = wf_order(v, v->at(a, i), v->at(b, i));
            if (order)
                return order;
        }
        return (v->count(a) > n) - (v->count(b) > n);
    default:
        return 0;
    }
}

#endif
