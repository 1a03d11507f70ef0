/* SPDX-License-Identifier: Apache-2.0
 * Which fields of the item stay, and how one field is written.
 *
 * Thread: the worker's. Nothing blocks.
 */
#include "set_int.h"

int set_field(struct edit *e, wf_str name, const wf_value *value)
{
    const wf_values *v = e->h->v;
    const wf_value *out;
    if (e->c->dots && wf_name_is_path(name))
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
    wf_names names = wf_names_of(e->h, e->it, e->c->include_fields);
    for (size_t i = 0; i < names.n; i++) {
        const wf_value *value = wf_field_get(v, from, names.names[i], e->c->dots);
        if (!value)
            continue;
        if (v->get(from, names.names[i].ptr, names.names[i].len))
            e->out = v->set_key(e->it, e->out, names.names[i], value);
        else
            set_field(e, names.names[i], value);
    }
}

static void keep_others(struct edit *e)
{
    wf_names names = wf_names_of(e->h, e->it, e->c->exclude_fields);
    e->out = wf_fields_drop(e->h, e->it, e->h->value(e->it), &names, e->c->dots);
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
