/* SPDX-License-Identifier: Apache-2.0
 * Which fields of the item stay, and how one field is written.
 *
 * Thread: the worker's. Nothing blocks.
 */
#include "set_int.h"

/* Takes the next name of "a, b.c" off the list; 0 at its end. The name is NUL-ended, in the arena.
 */
static int next_name(struct edit *e, wf_str *list, wf_str *name)
{
    while (list->len) {
        const char *comma = memchr(list->ptr, ',', list->len);
        size_t len = comma ? (size_t)(comma - list->ptr) : list->len;
        const char *s = list->ptr;
        list->ptr += len + (comma != NULL);
        list->len -= len + (comma != NULL);
        while (len && *s == ' ')
            s++, len--;
        while (len && s[len - 1] == ' ')
            len--;
        if (len) {
            *name = e->h->fmt(e->it, "%.*s", (int)len, s);
            return 1;
        }
    }
    return 0;
}

static int is_path(wf_str name)
{
    return memchr(name.ptr, '.', name.len) || memchr(name.ptr, '[', name.len);
}

int set_field(struct edit *e, wf_str name, const wf_value *value)
{
    const wf_values *v = e->h->v;
    const wf_value *out;
    if (e->c->dots && is_path(name))
        out = v->set(e->it, e->out, name.ptr, value);
    else
        out = v->set_key(e->it, e->out, name, value);
    if (!out)
        return -1;
    e->out = out;
    return 0;
}

static void keep_selected(struct edit *e)
{
    const wf_values *v = e->h->v;
    const wf_value *from = e->h->value(e->it);
    wf_str list = e->c->include_fields, name;
    while (next_name(e, &list, &name)) {
        const wf_value *value = v->get(from, name.ptr, name.len);
        if (value)
            e->out = v->set_key(e->it, e->out, name, value);
        else if (e->c->dots && (value = v->path(from, name.ptr)) != NULL)
            set_field(e, name, value);
    }
}

/* The object without one member. */
static const wf_value *without(struct edit *e, const wf_value *from, wf_str name)
{
    const wf_values *v = e->h->v;
    size_t n = v->count(from), kept = 0;
    wf_str *keys = e->h->alloc(e->it, n * sizeof *keys);
    const wf_value **values = e->h->alloc(e->it, n * sizeof *values);
    for (size_t i = 0; i < n; i++) {
        wf_str key = v->key(from, i);
        if (key.len == name.len && memcmp(key.ptr, name.ptr, key.len) == 0)
            continue;
        keys[kept] = key;
        values[kept++] = v->at(from, i);
    }
    return v->object(e->it, keys, values, kept);
}

static void keep_others(struct edit *e)
{
    const wf_values *v = e->h->v;
    wf_str list = e->c->exclude_fields, name;
    e->out = e->h->value(e->it);
    while (next_name(e, &list, &name)) {
        const wf_value *out = NULL;
        if (v->get(e->out, name.ptr, name.len))
            out = without(e, e->out, name);
        else if (e->c->dots && is_path(name))
            out = v->unset(e->it, e->out, name.ptr);
        if (out)
            e->out = out;
    }
}

void set_keep(struct edit *e, int include)
{
    e->out = NULL;
    if (include == INCLUDE_ALL)
        e->out = e->h->value(e->it);
    else if (include == INCLUDE_SELECTED)
        keep_selected(e);
    else if (include == INCLUDE_EXCEPT)
        keep_others(e);
}
