/* SPDX-License-Identifier: Apache-2.0
 * Functions that plugins offer to Lua steps (catalyst/functions.h).
 *
 * A call is an item that stands at no node: it has its script's execution and memory, may wait by a
 * ticket of its own, and ends in outcome.c as any item does, which hands it over here. While a call
 * is under way its script's item waits by a ticket too, so a timeout, a cancelled or a dropped
 * execution ends both.
 */
#include "engine/engine_int.h"
#include <stdlib.h>
#include <string.h>

struct function_call {
    struct wf_item it; /* first; its node is CALL_NODE */
    function_over_fn *on_over;
    void *ctx; /* NULL: nobody waits for it any more */
    const struct json *answer;
    const struct item_error *error;
    bool starting, over;
};

/* A function as one step uses it. */
struct function_state {
    struct function_state *next;
    const wf_function *function;
    void *state;
};

/* --- a step's functions ----------------------------------------------------------------------- */

static const wf_cred *credential_of(const struct wf_inst *inst, const char *type)
{
    const struct params *p = &inst->node->params;
    for (const wf_param *row = p->table; type && row && row->name; row++) {
        if (row->type != WF_CREDENTIAL)
            continue;
        const wf_cred *cred;
        memcpy(&cred, (const char *)p->base + row->offset, sizeof cred);
        if (cred && !strcmp(cred->type, type))
            return cred;
    }
    return NULL;
}

static const struct item_error *not_open(struct exec *e, const char *name, const wf_error *why)
{
    return error_create(e, why->fault, "%s: %.*s", name,
                        (int)(why->detail.len > 500 ? 500 : why->detail.len),
                        why->detail.ptr ? why->detail.ptr : "");
}

/* NULL with *error. */
static struct function_state *state_of(struct wf_inst *inst, struct function_state **states,
                                       struct exec *e, const char *name,
                                       const struct item_error **error)
{
    const struct plugin_set *set = inst->node->type->plugin->set;
    for (struct function_state *s = *states; s; s = s->next)
        if (!strcmp(s->function->name, name))
            return s;
    const wf_function *f = plugin_find_function(set, name);
    if (!f) {
        *error = error_create(e, WF_REJECTED, "no plugin has a function '%.100s'", name);
        return NULL;
    }
    wf_error why = { .size = sizeof why };
    void *state =
        f->open ? f->open(&e->en->host.h, inst, credential_of(inst, f->cred), &why) : NULL;
    if (f->open && !state && why.fault) {
        *error = not_open(e, name, &why);
        return NULL;
    }
    struct function_state *s = xcalloc(1, sizeof *s);
    *s = (struct function_state){ *states, f, state };
    *states = s;
    return s;
}

void function_close_all(struct engine *en, struct function_state *states)
{
    while (states) {
        struct function_state *next = states->next;
        if (states->function->close)
            states->function->close(&en->host.h, states->state);
        free(states);
        states = next;
    }
}

/* --- a call ----------------------------------------------------------------------------------- */

static void end_call(struct function_call *f, const struct item_error *error)
{
    f->error = error;
    f->over = true;
    f->it.state = ITEM_FINISHED;
    if (f->it.ticket)
        ticket_give_up(f->it.ticket);
}

static struct json value_of_call(struct exec *e, const struct json *op)
{
    struct json_member *m;
    struct json value = json_object(&e->arena, 1, &m);
    m[0].key = json_of_str_borrow(STR("args"));
    m[0].value = *JSON_GET(op, "args");
    return value;
}

struct function_call *function_start(struct wf_inst *inst, struct function_state **states,
                                     const struct wf_item *caller, const struct json *op,
                                     function_over_fn *on_over, void *ctx)
{
    struct exec *e = caller->e;
    struct function_call *f = ARENA_NEW(&e->arena, struct function_call);
    wf_str given = json_str(JSON_GET(op, "name"));
    const char *name = arena_str(&e->arena, given.ptr, given.len).ptr;
    *f = (struct function_call){ .it = { .json = value_of_call(e, op),
                                         .e = e,
                                         .self = &f->it,
                                         .node = CALL_NODE,
                                         .index = caller->index,
                                         .attempt = caller->attempt,
                                         .state = ITEM_RUNNING },
                                 .on_over = on_over,
                                 .ctx = ctx,
                                 .starting = true };
    const struct item_error *error = NULL;
    struct function_state *s = state_of(inst, states, e, name, &error);
    if (s)
        s->function->call(&e->en->host.h, s->state, &f->it);
    else
        end_call(f, error);
    f->starting = false;
    if (!f->over && !f->it.ticket)
        end_call(f, error_create(e, WF_REJECTED, "%s did not finish its call", name));
    return f;
}

bool function_is_over(const struct function_call *f) { return f->over; }

const struct json *function_answer(const struct function_call *f, const struct item_error **error)
{
    *error = f->error;
    return f->answer && !f->error ? JSON_GET(f->answer, "value") : NULL;
}

void function_drop(struct function_call *f)
{
    f->ctx = NULL;
    f->over = true;
    f->it.state = ITEM_FINISHED;
    if (f->it.ticket)
        ticket_cancel(f->it.ticket);
}

/* --- how it ends ------------------------------------------------------------------------------ */

struct wf_item *function_push(struct wf_item *it, const struct json *json)
{
    struct function_call *f = (struct function_call *)it;
    struct json *copy = arena_alloc(&it->e->arena, sizeof *copy);
    *copy = *json;
    f->answer = copy;
    return it;
}

void function_finish(struct wf_item *it, const struct item_error *error)
{
    struct function_call *f = (struct function_call *)it;
    end_call(f, error);
    if (!f->starting && f->ctx)
        f->on_over(f->ctx);
}
