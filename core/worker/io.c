/* SPDX-License-Identifier: Apache-2.0
 * What the engine asks of its worker: commits, outputs, answers. Time, requests, blocking work and
 * sockets are in outside.c.
 */
#include "worker/worker_int.h"
#include "base/log.h"
#include <string.h>

/* A commit costs the database, the broker and the disk much the same whether it holds ten
 * executions or a thousand. So under load the next turn gathers for that long after a commit ended.
 */
enum { COMMIT_GAP_US = 10000 };

static struct worker *worker_of(void *ctx) { return ctx; }

/* --- store and outputs ------------------------------------------------------------------------ */

static void on_committed(void *ctx, const struct store_commit_result *result)
{
    struct worker *w = ctx;
    w->commit_after = loop_now_us(w->out.loop) + COMMIT_GAP_US;
    engine_committed(w->out.engine, result);
    loop_wake_soon(w->out.loop);
}

static void io_commit(void *ctx, const struct store_turn *turn)
{
    struct worker *w = ctx;
    store_commit(w->session, turn, on_committed, w);
}

static void io_release(void *ctx, struct lane *lane, uint64_t seq, const struct store_block *block)
{
    struct worker *w = ctx;
    if (w->sink) {
        kafka_sink_send(w->sink, lane, seq, block);
        return;
    }
    log_error("worker", "outputs.no_kafka",
              "%u outputs wait in the journal: no Kafka is configured", block->n_outputs);
}

static void io_acknowledge(void *ctx, struct lane *lane, uint64_t position)
{
    (void)ctx;
    struct trigger *t = lane_trigger(lane);
    if (t->kind->acknowledge)
        t->kind->acknowledge(t, lane, position);
}

static void io_answer(void *ctx, const struct engine_reply_out *reply)
{
    (void)ctx;
    trigger_answer(reply);
}

static void io_start(void *ctx, const char *workflow, wf_str item)
{
    error_workflow_start(worker_of(ctx)->errors, workflow, item);
}

static void io_lane_lost(void *ctx, struct lane *lane)
{
    struct worker *w = ctx;
    struct trigger *t = lane_trigger(lane);
    if (w->sink)
        kafka_sink_forget(w->sink, lane);
    t->kind->lane_lost(t, lane);
}

static bool io_knows_output(void *ctx, const char *channel, const char *connection)
{
    struct worker *w = worker_of(ctx);
    return w->sink && !strcmp(channel, "kafka") && kafka_sink_knows(w->sink, connection);
}

static void on_rows(void *ctx, void *arg, const wf_rows *rows)
{
    struct worker *w = ctx;
    engine_sql_answer(arg, rows);
    loop_wake_soon(w->out.loop);
}

static int io_sql(void *ctx, void *handle, const wf_statement *statements, size_t n)
{
    struct worker *w = ctx;
    if (!w->session)
        return -1; /* it is about to be opened: nodes ask when they run */
    store_sql(w->session, statements, n, on_rows, handle);
    return 0;
}

struct engine_io worker_io(struct worker *w)
{
    struct engine_io io = { .ctx = w,
                            .commit = io_commit,
                            .release = io_release,
                            .acknowledge = io_acknowledge,
                            .answer = io_answer,
                            .start = io_start,
                            .lane_lost = io_lane_lost,
                            .sql = io_sql,
                            .knows_output = io_knows_output };
    outside_io(&io);
    return io;
}
