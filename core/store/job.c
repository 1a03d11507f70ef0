/* SPDX-License-Identifier: Apache-2.0
 * Jobs: what a session asks for and what came of it, for the kinds of stores that do not speak on
 * the loop themselves. See store_int.h.
 *
 * A job outlives its session when it is under way while the session closes: it then comes home with
 * ss NULL and frees itself. Thread: created, delivered and dropped on the session's loop.
 */
#include "store/sql_int.h"
#include "base/clock.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

static void deliver_commit(struct job *job)
{
    job->result.took_us = clock_mono_us() - job->began_us;
    job->on.commit(job->ctx, &job->result);
}

static void deliver_blocks(struct job *job)
{
    for (uint32_t i = 0; i < job->n && job->ss; i++)
        job->on.block(job->ctx, &job->blocks[i], NULL);
    if (job->ss)
        job->on.block(job->ctx, NULL, job->failed ? &job->err : NULL);
}

static void deliver_parked(struct job *job)
{
    for (uint32_t i = 0; i < job->n && job->ss; i++)
        job->on.exec(job->ctx, &job->execs[i], NULL);
    if (job->ss)
        job->on.exec(job->ctx, NULL, job->failed ? &job->err : NULL);
}

static void deliver_lanes_of(struct job *job)
{
    for (uint32_t i = 0; i < job->n && job->ss; i++)
        job->on.lane_of(job->ctx, job->lanes[i].source, job->lanes[i].partition, NULL);
    if (job->ss)
        job->on.lane_of(job->ctx, 0, 0, job->failed ? &job->err : NULL);
}

static void deliver_state(struct job *job)
{
    const struct store_session_config *config = &job->ss->config;
    if (config->on_state)
        config->on_state(config->ctx, job->up, job->up ? NULL : job->err.text);
}

static void deliver_sql(struct job *job)
{
    struct sql_call *call = job->sql;
    job->sql = NULL;
    sql_tell(job->ss, call, &job->rows);
}

/* A callback may close the session; jobs_drop then clears job->ss of this job too, because it is
 * still on the session's list. */
static void job_deliver(struct job *job)
{
    switch (job->kind) {
    case JOB_COMMIT:
        job->ss->is_committing = false; /* the callback may start the next one */
        deliver_commit(job);
        break;
    case JOB_ASSIGN:
        job->on.assign(job->ctx, job->failed ? NULL : &job->lane, job->failed ? &job->err : NULL);
        break;
    case JOB_BLOCKS:
        deliver_blocks(job);
        break;
    case JOB_PARKED:
        deliver_parked(job);
        break;
    case JOB_LANES_OF:
        deliver_lanes_of(job);
        break;
    case JOB_STATE:
        deliver_state(job);
        break;
    case JOB_SQL:
        deliver_sql(job);
        break;
    }
}

static void job_free(struct job *job)
{
    list_remove(&job->link);
    arena_fini(&job->arena);
    if (job->sql)
        sql_call_free(job->sql);
    free(job);
}

static void on_home(struct mail *mail)
{
    struct job *job = CONTAINER_OF(mail, struct job, mail);
    if (job->ss)
        job_deliver(job);
    job_free(job);
}

struct job *job_create(struct store_session *ss, struct link *jobs, enum job_kind kind, void *ctx)
{
    struct job *job = xcalloc(1, sizeof *job);
    job->ss = ss;
    job->loop = ss->config.loop;
    job->kind = kind;
    job->instance = ss->config.instance;
    job->ctx = ctx;
    job->mail.fn = on_home;
    job->began_us = clock_mono_us();
    arena_init(&job->arena, NULL, 0);
    list_append(jobs, &job->link);
    return job;
}

void job_post(struct job *job)
{
    /* Once it is posted it is the loop's, which may free it at any time. */
    if (loop_post(job->loop, &job->mail) != 0)
        job->is_stranded = true;
}

void jobs_drop(struct link *jobs)
{
    struct job *job;
    LIST_EACH(job, jobs, struct job, link)
    {
        list_remove(&job->link);
        job->ss = NULL;
        if (job->is_stranded)
            job_free(job);
    }
}

void job_bad_row(struct job *job, uint32_t row, const char *reason)
{
    struct store_commit_result *result = &job->result;
    struct store_bad_row *bad = (struct store_bad_row *)result->bad;
    if (!bad)
        result->bad = bad = ARENA_ARRAY(&job->arena, struct store_bad_row, job->turn->n_rows);
    bad[result->n_bad++] = (struct store_bad_row){ row, arena_strdup(&job->arena, reason) };
    result->result = STORE_BAD_ROWS;
}

void job_sql_failed(struct job *job, bool retryable, const char *format, ...)
{
    char text[400];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    job->rows = (wf_rows){ .size = sizeof job->rows,
                           .error = arena_strdup(&job->arena, text),
                           .retryable = retryable,
                           .missed = -1 };
}

/* --- the session calls, for the tables of such kinds ------------------------------------------ */

void job_session_init(struct job_session *js, struct store *s,
                      const struct store_session_config *config, void (*run)(struct job *job))
{
    js->base = (struct store_session){ .store = s, .config = *config };
    js->run = run;
    list_init(&js->jobs);
}

void job_state(struct job_session *js, bool up, const struct err *err)
{
    struct job *job = job_create(&js->base, &js->jobs, JOB_STATE, NULL);
    job->up = up;
    if (err)
        job->err = *err;
    job_post(job);
}

static struct job *new_job(struct store_session *ss, enum job_kind kind, void *ctx)
{
    return job_create(ss, &job_session_of(ss)->jobs, kind, ctx);
}

static void run(struct job *job) { job_session_of(job->ss)->run(job); }

void job_commit(struct store_session *ss, const struct store_turn *turn, store_on_commit *done,
                void *ctx)
{
    struct job *job = new_job(ss, JOB_COMMIT, ctx);
    job->turn = turn;
    job->on.commit = done;
    run(job);
}

void job_assign(struct store_session *ss, uint32_t source, uint32_t partition,
                uint64_t start_position, store_on_lane *done, void *ctx)
{
    struct job *job = new_job(ss, JOB_ASSIGN, ctx);
    job->source = source;
    job->partition = partition;
    job->number = start_position;
    job->on.assign = done;
    run(job);
}

void job_blocks(struct store_session *ss, uint32_t source, uint32_t partition, uint64_t after,
                uint32_t limit, store_on_block *each, void *ctx)
{
    struct job *job = new_job(ss, JOB_BLOCKS, ctx);
    job->source = source;
    job->partition = partition;
    job->number = after;
    job->limit = limit;
    job->on.block = each;
    run(job);
}

void job_parked(struct store_session *ss, uint32_t source, uint32_t partition, int64_t wake_us,
                uint32_t limit, store_on_exec *each, void *ctx)
{
    struct job *job = new_job(ss, JOB_PARKED, ctx);
    job->source = source;
    job->partition = partition;
    job->wake_us = wake_us;
    job->limit = limit;
    job->on.exec = each;
    run(job);
}

void job_lanes_of(struct store_session *ss, uint32_t instance, store_on_lane_of *each, void *ctx)
{
    struct job *job = new_job(ss, JOB_LANES_OF, ctx);
    job->instance = instance;
    job->on.lane_of = each;
    run(job);
}

void job_sql(struct store_session *ss, struct sql_call *call)
{
    struct job *job = new_job(ss, JOB_SQL, NULL);
    job->sql = call;
    if (!call->refused) {
        run(job);
        return;
    }
    job_sql_failed(job, true, "%s", call->refused);
    job_post(job);
}
