/* SPDX-License-Identifier: Apache-2.0
 * The services a plugin asks for by name: rows in the turn's transaction, webhook answers, the
 * worker's loop, events of triggers. Scripts stand in script.c, binary data in blob.c.
 */
#include "engine/engine_int.h"
#include <stdlib.h>
#include <string.h>

/* --- ledger/1 --------------------------------------------------------------------------------- */

static bool is_identifier(const char *text)
{
    size_t n = 0;
    for (; *text; text++, n++)
        if (!((*text >= 'a' && *text <= 'z') || (*text >= 'A' && *text <= 'Z') || *text == '_' ||
              *text == '.' || *text == ',' || *text == ';' || *text == ' ' ||
              (n && *text >= '0' && *text <= '9')))
            return false;
    return n > 0 && n < 256;
}

static int commit_row(wf_item *it, const char *table, const wf_value *row, const char *unique)
{
    struct exec *e = it->e;
    const struct json *json = json_of_value(row);
    if (!json || json->type != JSON_OBJECT || !is_identifier(table) ||
        (unique && *unique && !is_identifier(unique)))
        return -1;
    struct pending_row *r = ARENA_NEW(&e->arena, struct pending_row);
    r->by = outcome_asked_by(it);
    r->table = arena_str(&e->arena, table, strlen(table));
    r->row = json_text(&e->arena, json);
    r->unique = unique ? arena_str(&e->arena, unique, strlen(unique)) : (wf_str){ "", 0 };
    struct pending_row **last = &e->rows;
    while (*last)
        last = &(*last)->next;
    *last = r;
    return 0;
}

static const wf_ledger ledger = { sizeof ledger, commit_row };

/* --- webhook/1 -------------------------------------------------------------------------------- */

static int webhook_respond(wf_item *it, int status, const wf_pair *headers, wf_str body)
{
    struct exec *e = it->e;
    if ((!e->reply && !e->key.len) || e->answered || e->answer_data == ANSWER_ITEM)
        return -1;
    struct strbuf b;
    strbuf_init(&b, 1u << 20);
    for (; headers && headers->name; headers++)
        store_headers_add(&b, str_of(headers->name), str_of(headers->text));
    turn_answer(e, status, strbuf_str(&b), body.ptr ? body : (wf_str){ "", 0 });
    strbuf_fini(&b);
    return 0;
}

static const wf_webhook webhook = { sizeof webhook, webhook_respond };

/* --- loop/1: handed on to the worker ---------------------------------------------------------- */

static const wf_loop *loop_of(wf_inst *inst) { return inst->ep->en->io.loop; }

static wf_watch *loop_watch(wf_inst *inst, int fd, void (*fn)(void *, int), void *arg)
{
    const wf_loop *loop = loop_of(inst);
    return loop ? loop->watch(inst, fd, fn, arg) : NULL;
}

/* wf_watch and wf_timer begin with a pointer to the table that made them, so that these find their
 * way. */
struct loop_handle {
    const wf_loop *table;
};

static void loop_watch_set(wf_watch *w, int events)
{
    ((struct loop_handle *)(void *)w)->table->watch_set(w, events);
}

static void loop_watch_stop(wf_watch *w)
{
    ((struct loop_handle *)(void *)w)->table->watch_stop(w);
}

static wf_timer *loop_timer(wf_inst *inst, int64_t in_ms, void (*fn)(void *), void *arg)
{
    const wf_loop *loop = loop_of(inst);
    return loop ? loop->timer(inst, in_ms, fn, arg) : NULL;
}

static void loop_timer_stop(wf_timer *t)
{
    ((struct loop_handle *)(void *)t)->table->timer_stop(t);
}

static const wf_loop loop_service = { sizeof loop_service, loop_watch, loop_watch_set,
                                      loop_watch_stop,     loop_timer, loop_timer_stop };

/* --- trigger/1: handed on to the trigger ------------------------------------------------------ */

static size_t trigger_accept(wf_source *source, const wf_inbound *events, size_t n)
{
    return ((struct source_head *)(void *)source)->accept(source, events, n);
}

static int trigger_request(wf_source *source, const wf_request *request, wf_source_fn *fn,
                           void *arg)
{
    return ((struct source_head *)(void *)source)->request(source, request, fn, arg);
}

static uint64_t trigger_place(wf_source *source)
{
    return ((struct source_head *)(void *)source)->place(source);
}

static const wf_triggers trigger_service = { sizeof trigger_service, trigger_accept,
                                             trigger_request, trigger_place };

void *engine_inst_ctx(wf_inst *inst) { return inst->ep->en->io.ctx; }

const void *service_find(const char *name)
{
    static const struct {
        const char *name;
        const void *table;
    } services[] = { { "memory/1", &memory_service },   { "ledger/1", &ledger },
                     { "blob/1", &blob_service },       { "script/1", &script_service },
                     { "webhook/1", &webhook },         { "loop/1", &loop_service },
                     { "trigger/1", &trigger_service }, { "sql/1", &sql_service } };
    for (size_t i = 0; i < sizeof services / sizeof *services; i++)
        if (!strcmp(services[i].name, name))
            return services[i].table;
    return NULL;
}
