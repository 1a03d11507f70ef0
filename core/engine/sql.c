/* SPDX-License-Identifier: Apache-2.0
 * Service "sql/1": statements of plugins, handed to whoever owns the engine, and their answers.
 *
 * A call belongs to the node that asked, not to an item. When the node is closed before the answer
 * comes, it is told so right behind close(), and the answer is nobody's: so fn is called exactly
 * once, and never with memory of a node that is gone.
 */
#include "engine/engine_int.h"
#include <stdlib.h>

struct sql_ask {
    struct link link; /* of its instance, or of engine->sql_left */
    struct engine *en;
    wf_inst *inst; /* NULL: closed, and told */
    wf_rows_fn *fn;
    void *arg;
};

static void forget(struct sql_ask *ask)
{
    ask->en->n_sql--;
    list_remove(&ask->link);
    free(ask);
}

static int sql_run(wf_inst *inst, const wf_statement *statements, size_t n, wf_rows_fn *fn,
                   void *arg)
{
    struct engine *en = inst->ep->en;
    if (!en->io.sql || !n || !fn || inst->closing)
        return -1;
    for (size_t i = 0; i < n; i++)
        if (!statements[i].pg)
            return -1;
    struct sql_ask *ask = xcalloc(1, sizeof *ask);
    *ask = (struct sql_ask){ .en = en, .inst = inst, .fn = fn, .arg = arg };
    list_append(&inst->sql, &ask->link);
    en->n_sql++;
    if (en->io.sql(en->io.ctx, ask, statements, n) == 0)
        return 0;
    forget(ask);
    return -1;
}

void engine_sql_answer(void *handle, const wf_rows *rows)
{
    struct sql_ask *ask = handle;
    struct engine *en = ask->en;
    wf_inst *inst = ask->inst;
    wf_rows_fn *fn = ask->fn;
    void *arg = ask->arg;
    forget(ask);
    if (!inst)
        return;
    en->now_us = en->io.mono_us(en->io.ctx);
    en->now_wall_us = en->io.wall_us(en->io.ctx);
    fn(&en->host.h, arg, rows);
}

void sql_node_closed(wf_inst *inst)
{
    static const wf_rows closed = {
        .size = sizeof closed, .error = "the node was closed", .maybe_done = 1, .missed = -1
    };
    struct engine *en = inst->ep->en;
    struct sql_ask *ask;
    LIST_EACH(ask, &inst->sql, struct sql_ask, link)
    {
        list_remove(&ask->link);
        list_append(&en->sql_left, &ask->link);
        ask->inst = NULL;
        ask->fn(&en->host.h, ask->arg, &closed);
    }
}

/* Their answers do not come any more. */
void sql_forget_all(struct engine *en)
{
    struct sql_ask *ask;
    LIST_EACH(ask, &en->sql_left, struct sql_ask, link) { forget(ask); }
}

const wf_sql sql_service = { sizeof sql_service, sql_run };
