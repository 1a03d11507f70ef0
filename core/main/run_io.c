/* SPDX-License-Identifier: Apache-2.0
 * The engine's outside for `catalyst run`: one loop, an HTTP client, a pool for blocking calls; no
 * store but for tables of plugins, in memory; outputs are shown on stderr.
 */
#include "main/run_int.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* --- tables of plugins ------------------------------------------------------------------------ */

/* Most workflows need none, so it is made for the first that asks. NULL: told why. */
static struct store_session *session_of(struct run *r)
{
    struct err err;
    if (r->session || r->no_store)
        return r->session;
    struct store_config config = { .url = "memory:" };
    config.tables = r->tables = plugins_tables(r->definitions.plugins, &config.n_tables);
    r->store = store_open(&config, true, &err);
    if (r->store) {
        struct store_session_config session = { .loop = r->out.loop, .instance = 1, .ctx = r };
        return r->session = store_session_open(r->store, &session);
    }
    r->no_store = true;
    fprintf(stderr, "catalyst: %s\n", err.text);
    return NULL;
}

static void on_rows(void *ctx, void *arg, const wf_rows *rows)
{
    struct run *r = ctx;
    engine_sql_answer(arg, rows);
    loop_wake_soon(r->out.loop);
}

static int io_sql(void *ctx, void *handle, const wf_statement *statements, size_t n)
{
    struct store_session *session = session_of(ctx);
    if (!session)
        return -1;
    store_sql(session, statements, n, on_rows, handle);
    return 0;
}

static void on_committed(void *ctx, const struct store_commit_result *result)
{
    struct run *r = ctx;
    r->is_committing = false;
    engine_committed(r->out.engine, result);
    loop_wake_soon(r->out.loop);
}

/* A failed execution asks for a row; nobody keeps it. Rows of plugins go to their tables in memory,
 * which may refuse them; without any, turn() says that it is done. */
static void io_commit(void *ctx, const struct store_turn *record)
{
    struct run *r = ctx;
    if (!record->n_rows || !session_of(r))
        return;
    r->rows = (struct store_turn){ .rows = record->rows, .n_rows = record->n_rows };
    r->is_committing = true;
    store_commit(r->session, &r->rows, on_committed, r);
}

/* --- the rest --------------------------------------------------------------------------------- */

static void io_release(void *ctx, struct lane *lane, uint64_t seq, const struct store_block *block)
{
    struct run *r = ctx;
    struct store_output out;
    size_t at = 0;
    while (store_output_next(block->outputs, &at, &out) == 1)
        fprintf(stderr, "%.*s -> %.*s: %.*s\n", STR_ARG(out.channel), STR_ARG(out.topic),
                out.body.ptr ? (int)out.body.len : 4, out.body.ptr ? out.body.ptr : "null");
    engine_released(r->out.engine, lane, seq);
}

static void io_acknowledge(void *ctx, struct lane *lane, uint64_t position)
{
    (void)ctx;
    (void)lane;
    (void)position;
}

static void io_answer(void *ctx, const struct engine_reply_out *reply)
{
    (void)ctx;
    fprintf(stderr, "answer %d: %.*s\n", reply->status, STR_ARG(reply->body));
}

static void io_lane_lost(void *ctx, struct lane *lane)
{
    (void)ctx;
    (void)lane;
}

static void io_ended(void *ctx, struct exec *e, enum store_status status)
{
    struct run *r = ctx;
    run_ended(r, e, status);
}

static void io_log(void *ctx, int level, const char *event, const char *text)
{
    (void)ctx;
    if (level >= WF_WARN || !strcmp(event, "script.log"))
        fprintf(stderr, "catalyst: %s: %s\n", event, text);
}

/* --- the loop --------------------------------------------------------------------------------- */

static void on_timer(void *arg)
{
    struct run *r = arg;
    loop_wake_soon(r->out.loop);
}

static void turn(void *arg)
{
    struct run *r = arg;
    engine_tick(r->out.engine);
    while (engine_run(r->out.engine, 0))
        ;
    if (engine_commit(r->out.engine) && !r->is_committing) {
        static const struct store_commit_result ok = { .result = STORE_OK };
        engine_committed(r->out.engine, &ok);
        loop_wake_soon(r->out.loop);
    }
    if (engine_idle(r->out.engine)) {
        loop_stop(r->out.loop);
        loop_wake_soon(r->out.loop);
        return;
    }
    int64_t due = engine_next_timer(r->out.engine);
    if (due >= 0)
        timer_start_at(r->out.loop, &r->timer, due);
}

static int build(const struct lane *lane, void *event, struct arena *a, struct inbound_item **items,
                 size_t *n, struct err *err)
{
    struct run *r = event;
    (void)lane;
    (void)a;
    (void)err;
    *items = r->items;
    *n = r->n_items;
    return 0;
}

int run_open(struct run *r, struct err *err)
{
    const struct config *c = r->config;
    struct loop *loop = loop_create(err);
    struct offload *offload = loop ? offload_create(2, err) : NULL;
    if (!offload)
        return -1;
    outside_init(&r->out, loop, offload);
    if (blob_dir_open(c->blob_dir, &r->out.blob_dir, err) != 0)
        return -1;
    r->lua = expr_lua_create(
        &(struct expr_limits){ (uint64_t)c->lua_steps, (size_t)c->lua_memory_bytes }, c->lua_dir,
        err);
    r->out.client = http_client_create(loop, &(struct http_client_config){ 0 }, err);
    if (!r->lua || !r->out.client)
        return -1;
    struct engine_config config = { .io = { .ctx = r,
                                            .commit = io_commit,
                                            .release = io_release,
                                            .acknowledge = io_acknowledge,
                                            .answer = io_answer,
                                            .lane_lost = io_lane_lost,
                                            .sql = io_sql,
                                            .ended = io_ended },
                                    .limits = { .blob_memory = (uint64_t)c->blob_memory_bytes },
                                    .lua = r->lua,
                                    .log = io_log };
    outside_io(&config.io);
    r->out.engine = engine_create(&config);
    return 0;
}

void run_execute(struct run *r, struct engine_plan *ep, uint32_t start)
{
    struct lane_config config = { .plan = ep, .trigger = start };
    struct lane *lane = engine_lane_add(r->out.engine, &config);
    struct inbound in = { .lane = lane, .event = r, .build = build };
    r->timer = (struct timer){ .fn = on_timer, .arg = r };
    r->hook = (struct loop_hook){ .fn = turn, .arg = r };
    loop_hook_add(r->out.loop, LOOP_TURN, &r->hook);
    engine_accept(r->out.engine, &in, 1);
    loop_wake_soon(r->out.loop);
    loop_run(r->out.loop);
    loop_hook_remove(&r->hook);
}

void run_close(struct run *r)
{
    if (r->out.engine)
        engine_destroy(r->out.engine);
    if (r->out.client) {
        outside_cancel_all(&r->out);
        http_client_destroy(r->out.client);
    }
    if (r->out.blob_dir >= 0)
        close(r->out.blob_dir);
    if (r->out.offload)
        offload_destroy(r->out.offload);
    store_session_close(r->session);
    store_close(r->store);
    free(r->tables);
    if (r->lua)
        expr_lua_destroy(r->lua);
    if (r->out.loop) {
        loop_shut(r->out.loop);
        loop_destroy(r->out.loop);
    }
}
