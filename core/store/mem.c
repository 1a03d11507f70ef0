/* SPDX-License-Identifier: Apache-2.0
 * The memory store: the semantics of the others without anything kept. For tests, `catalyst run`
 * and a first look; what is there ends with the process.
 *
 * Here: opening, sessions, housekeeping. mem_admin.c keeps the records of administration,
 * mem_turn.c runs what sessions ask for, mem_show.c lists executions. Thread: any; one lock. Blocks
 * are kept up to MEM_BLOCK_BYTES, then the oldest that are released go.
 */
#include "store/mem_int.h"
#include "base/clock.h"
#include <stdlib.h>

/* --- opening ---------------------------------------------------------------------------------- */

static void free_lane(struct mem_store *m, struct mem_lane *lane)
{
    struct mem_block *b;
    LIST_EACH(b, &lane->blocks, struct mem_block, link)
    mem_block_free(m, b);
    struct mem_exec *e;
    LIST_EACH(e, &lane->execs, struct mem_exec, link)
    mem_exec_remove(m, e->exec.id);
    free(lane);
}

static void mem_close(struct store *s)
{
    struct mem_store *m = mem_of(s);
    struct map_slot *slot;
    for (size_t at = 0; map_each(&m->lanes, &at, &slot);)
        free_lane(m, slot->value);
    map_fini(&m->lanes);
    map_fini(&m->execs);
    map_fini(&m->uniques);
    mem_key_drop(m, INT64_MAX);
    map_fini(&m->keys);
    while (m->rows) {
        struct mem_row *row = m->rows;
        m->rows = row->next;
        free(row->table);
        free(row->row);
        free(row);
    }
    mem_free_admin(m);
    mem_sql_stop(m);
    mem_tables_close(m);
    pthread_mutex_destroy(&m->lock);
    free(m);
}

static struct store *mem_open(const struct store_config *config, bool migrate, struct err *err)
{
    struct mem_store *m = xcalloc(1, sizeof *m);
    pthread_mutex_init(&m->lock, NULL);
    map_init(&m->lanes);
    map_init(&m->execs);
    map_init(&m->uniques);
    map_init(&m->keys);
    m->base.config = *config;
    if (mem_tables_open(m, config, migrate, err) == 0)
        return &m->base;
    mem_close(&m->base);
    return NULL;
}

static int mem_migrate(struct store *s, bool run, store_on_migrate *report, void *ctx, int *applied,
                       int *newest, struct err *err)
{
    (void)s, (void)run, (void)report, (void)ctx, (void)err;
    *applied = *newest = 1;
    return 0;
}

/* --- housekeeping ----------------------------------------------------------------------------- */

static void housekeep_lane(struct mem_store *m, struct mem_lane *lane, int64_t before_us)
{
    struct mem_block *b;
    LIST_EACH(b, &lane->blocks, struct mem_block, link)
    {
        if (b->created_us < before_us)
            mem_block_free(m, b);
    }
    struct mem_exec *e;
    LIST_EACH(e, &lane->execs, struct mem_exec, link)
    {
        if (e->exec.status != STORE_WAITING && e->exec.ended_us < before_us)
            mem_exec_remove(m, e->exec.id);
    }
}

/* A webhook lane carries the number of an engine that never comes back. */
static bool is_lane_dead(const struct mem_store *m, const struct mem_lane *lane)
{
    uint32_t source = lane->key.source;
    bool is_webhook = source && source <= m->n_sources && m->sources[source - 1].is_webhook;
    bool is_owned =
        lane->owner && lane->owner <= m->n_instances && !m->instances[lane->owner - 1].left;
    return is_webhook && !is_owned && lane->lane.released == lane->lane.block_seq &&
           list_empty(&lane->execs);
}

static int mem_housekeep(struct store *s, int64_t now_us, struct err *err)
{
    (void)err;
    struct mem_store *m = mem_of(s);
    int64_t before_us = now_us - (int64_t)s->config.retention_days * 86400 * 1000000;
    pthread_mutex_lock(&m->lock);
    struct map_slot *slot;
    struct mem_lane *dead = NULL;
    mem_key_drop(m, now_us);
    for (size_t at = 0; map_each(&m->lanes, &at, &slot);) {
        struct mem_lane *lane = slot->value;
        housekeep_lane(m, lane, before_us);
        if (!dead && is_lane_dead(m, lane))
            dead = lane; /* taken out when nobody walks the map; the others next time */
    }
    if (dead) {
        map_take(&m->lanes, (const char *)&dead->key, sizeof dead->key);
        free_lane(m, dead);
    }
    pthread_mutex_unlock(&m->lock);
    return 0;
}

static void run(struct job *job)
{
    if (job->kind == JOB_SQL) {
        mem_sql_queue(mem_of(job->ss->store), job);
        return;
    }
    mem_run(mem_of(job->ss->store), job);
    job_post(job);
}

static struct store_session *mem_session_open(struct store *s,
                                              const struct store_session_config *config)
{
    struct job_session *js = xcalloc(1, sizeof *js);
    job_session_init(js, s, config, run);
    job_state(js, true, NULL);
    return &js->base;
}

static void mem_session_close(struct store_session *ss)
{
    struct job_session *js = job_session_of(ss);
    mem_sql_drop(mem_of(ss->store), ss);
    jobs_drop(&js->jobs);
    free(js);
}

const struct store_ops mem_ops = {
    .kind = "memory",
    .open = mem_open,
    .close = mem_close,
    .migrate = mem_migrate,
    .tables_missing = mem_tables_missing,
    .table_kind = mem_table_kind,
    .deploy = mem_deploy,
    .set_active = mem_set_active,
    .workflows = mem_workflows,
    .workflow_version = mem_workflow_version,
    .revision = mem_revision,
    .source = mem_source,
    .instance = mem_instance,
    .heartbeat = mem_heartbeat,
    .dead_instances = mem_dead_instances,
    .instance_leave = mem_instance_leave,
    .executions = mem_executions,
    .execution = mem_execution,
    .retry = mem_execution_retry,
    .credential_put = mem_credential_put,
    .credential_delete = mem_credential_delete,
    .credentials = mem_credentials,
    .housekeep = mem_housekeep,
    .key_claim = mem_key_claim,
    .key_release = mem_key_release,
    .session_open = mem_session_open,
    .session_close = mem_session_close,
    .commit = job_commit,
    .assign = job_assign,
    .blocks = job_blocks,
    .parked = job_parked,
    .lanes_of = job_lanes_of,
    .sql = job_sql,
};
