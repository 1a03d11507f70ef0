/* SPDX-License-Identifier: Apache-2.0
 * Calls of store_sql: copied, counted, limited, told. What runs them is the kind's.
 * Thread: the session's loop.
 */
#include "store/sql_int.h"
#include "base/clock.h"
#include <stdlib.h>

static wf_str copy_param(struct arena *a, wf_str s)
{
    return s.ptr ? arena_str(a, s.ptr, s.len) : s;
}

static const char *copy_text(struct sql_call *call, const char *text)
{
    if (!text)
        return NULL;
    call->bytes += strlen(text);
    return arena_strdup(&call->arena, text);
}

static void copy_statement(struct sql_call *call, const wf_statement *from, wf_statement *to)
{
    wf_str *params = ARENA_ARRAY(&call->arena, wf_str, from->n_params);
    for (uint32_t i = 0; i < from->n_params; i++) {
        params[i] = copy_param(&call->arena, from->params[i]);
        call->bytes += params[i].len;
    }
    *to = (wf_statement){ .pg = copy_text(call, from->pg),
                          .sqlite = copy_text(call, from->sqlite),
                          .params = params,
                          .n_params = from->n_params,
                          .flags = from->flags };
}

static struct sql_call *call_create(const wf_statement *statements, size_t n, store_on_rows *done,
                                    void *arg)
{
    struct sql_call *call = xcalloc(1, sizeof *call);
    arena_init(&call->arena, NULL, 0);
    call->statements = ARENA_ARRAY(&call->arena, wf_statement, n);
    call->n = n;
    call->done = done;
    call->arg = arg;
    call->began_us = clock_mono_us();
    for (size_t i = 0; i < n; i++)
        copy_statement(call, &statements[i], &call->statements[i]);
    return call;
}

void sql_call_free(struct sql_call *call)
{
    arena_fini(&call->arena);
    free(call);
}

void sql_tell(struct store_session *ss, struct sql_call *call, const wf_rows *rows)
{
    struct store_sql_stats *stats = &ss->sql;
    stats->open--;
    stats->open_bytes -= call->bytes;
    stats->errors += rows->error != NULL;
    stats->us_sum += (uint64_t)(clock_mono_us() - call->began_us);
    call->done(ss->config.ctx, call->arg, rows); /* which may close the session */
    sql_call_free(call);
}

void sql_tell_error(struct store_session *ss, struct sql_call *call, bool retryable,
                    bool maybe_done, const char *error)
{
    wf_rows rows = { .size = sizeof rows,
                     .error = arena_strdup(&call->arena, error),
                     .retryable = retryable,
                     .maybe_done = maybe_done,
                     .missed = -1 };
    sql_tell(ss, call, &rows);
}

const char *sql_missed(struct arena *a, size_t statement)
{
    return arena_printf(a, "statement %zu hit no row: nothing was done", statement).ptr;
}

void store_sql(struct store_session *ss, const wf_statement *statements, size_t n,
               store_on_rows *done, void *arg)
{
    BUG_IF(!n);
    struct sql_call *call = call_create(statements, n, done, arg);
    struct store_sql_stats *stats = &ss->sql;
    bool is_full = stats->open >= STORE_SQL_WAITING ||
                   (stats->open && stats->open_bytes + call->bytes > STORE_SQL_BYTES);
    stats->calls++;
    stats->statements += n;
    stats->open++;
    stats->open_bytes += call->bytes;
    stats->full += is_full;
    if (is_full)
        call->refused = "too many statements wait for the store; try again later";
    ss->store->ops->sql(ss, call);
}

const struct store_sql_stats *store_sql_stats(const struct store_session *ss) { return &ss->sql; }
