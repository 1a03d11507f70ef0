/* SPDX-License-Identifier: Apache-2.0
 * What sessions ask of SQLite, on the store thread and within its transaction.
 *
 * A job runs in a savepoint of its own, so a turn that is fenced or whose rows are refused leaves
 * nothing behind while its neighbours in the group go on. Trouble that is nobody's fault (full
 * disk) ends the whole group; the thread runs it again.
 */
#include "store/sqlite_int.h"
#include "base/clock.h"
#include <stdlib.h>

static const char *const statements[SQ_STATEMENTS] = {
    [SQ_BEGIN] = "BEGIN IMMEDIATE",
    [SQ_COMMIT] = "COMMIT",
    [SQ_ROLLBACK] = "ROLLBACK",
    [SQ_SAVEPOINT] = "SAVEPOINT job",
    [SQ_RELEASE] = "RELEASE job",
    [SQ_ROLLBACK_TO] = "ROLLBACK TO job",
    [SQ_MOVE] = "UPDATE source_position SET position = ?5, released = ?6, begun = ?8, fresh = 0, "
                "block_seq = CASE ?7 WHEN 0 THEN block_seq ELSE ?7 END "
                "WHERE source = ?1 AND partition = ?2 AND epoch = ?3 AND position = ?4 "
                "AND (?7 = 0 OR block_seq = ?7 - 1)",
    [SQ_BLOCK] =
        "INSERT INTO block (" SQ_BLOCK_COLUMNS ", created_us) VALUES "
        "(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19)",
    [SQ_KEEP] = "INSERT OR REPLACE INTO execution (" SQ_EXEC_COLUMNS ") VALUES "
                "(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
    [SQ_REMOVE] = "DELETE FROM execution WHERE source = ?1 AND partition = ?2 AND position = ?3",
    [SQ_KEY] = "UPDATE webhook_key SET accepted = 1, status = coalesce(?4, status), "
               "headers = coalesce(?5, headers), body = coalesce(?6, body) "
               "WHERE source = ?1 AND key = ?2 AND token = ?3",
    [SQ_ASSIGN] = "INSERT INTO source_position (source, partition, owner, epoch, position) "
                  "VALUES (?1, ?2, ?3, 1, ?4) ON CONFLICT (source, partition) DO UPDATE SET "
                  "owner = excluded.owner, epoch = epoch + 1 "
                  "RETURNING epoch, position, block_seq, released, fresh, begun",
    [SQ_BLOCKS] = "SELECT " SQ_BLOCK_COLUMNS " FROM block WHERE source = ?1 AND partition = ?2 "
                  "AND seq > ?3 ORDER BY seq LIMIT ?4",
    [SQ_EPOCH] =
        "SELECT epoch FROM source_position WHERE source = ?1 AND partition = ?2 AND owner = ?3",
    [SQ_RETRIES] = "SELECT " SQ_EXEC_COLUMNS " FROM execution WHERE source = ?1 AND partition = ?2 "
                   "AND retry = 1 AND handed_epoch <> ?3 LIMIT ?4",
    [SQ_DUE] = "SELECT " SQ_EXEC_COLUMNS " FROM execution WHERE source = ?1 AND partition = ?2 "
               "AND status = 4 AND wake_us <= ?5 AND handed_epoch <> ?3 "
               "ORDER BY wake_us LIMIT ?4",
    [SQ_HAND_OUT] = "UPDATE execution SET handed_epoch = ?4 "
                    "WHERE source = ?1 AND partition = ?2 AND position = ?3",
    [SQ_LANES_OF] = "SELECT source, partition FROM source_position WHERE owner = ?1 "
                    "ORDER BY source, partition",
};

/* --- the worker ------------------------------------------------------------------------------- */

void sqlite_worker_close(struct sqlite_worker *w)
{
    struct map_slot *slot;
    for (size_t at = 0; map_each(&w->rows, &at, &slot);)
        sqlite3_finalize(slot->value);
    map_fini(&w->rows);
    for (int i = 0; i < SQ_STATEMENTS; i++)
        sqlite3_finalize(w->statements[i]);
    sqlite3_close(w->db);
    packer_fini(&w->packer);
    arena_fini(&w->scratch);
    *w = (struct sqlite_worker){ 0 };
}

int sqlite_worker_open(struct sqlite_worker *w, const char *path, struct err *err)
{
    map_init(&w->rows);
    arena_init(&w->scratch, NULL, 0);
    w->db = sq_open(path, err);
    for (int i = 0; w->db && i < SQ_STATEMENTS; i++) {
        w->statements[i] = sq_prepare(w->db, statements[i], err);
        if (!w->statements[i])
            break;
    }
    if (w->statements[SQ_STATEMENTS - 1])
        return 0;
    sqlite_worker_close(w);
    return -1;
}

static sqlite3_stmt *use(struct sqlite_worker *w, enum sqlite_statement which)
{
    sqlite3_reset(w->statements[which]);
    return w->statements[which];
}

/* Runs a statement that gives no rows. SQLITE_OK or the trouble. */
static int run(sqlite3_stmt *q)
{
    int rc = sqlite3_step(q);
    sqlite3_reset(q);
    return rc == SQLITE_DONE || rc == SQLITE_ROW ? SQLITE_OK : rc;
}

/* --- turns ------------------------------------------------------------------------------------ */

static int move_lane(struct sqlite_worker *w, const struct store_block *b, bool *moved)
{
    sqlite3_stmt *q = use(w, SQ_MOVE);
    sq_bind_int(q, 1, b->source);
    sq_bind_int(q, 2, b->partition);
    sq_bind_int(q, 3, (int64_t)b->epoch);
    sq_bind_int(q, 4, (int64_t)b->position_old);
    sq_bind_int(q, 5, (int64_t)b->position_new);
    sq_bind_int(q, 6, (int64_t)b->released);
    sq_bind_int(q, 7, (int64_t)b->seq);
    sq_bind_int(q, 8, (int64_t)b->begun);
    int rc = run(q);
    *moved = sqlite3_changes(w->db) == 1;
    return rc;
}

static int write_block(struct sqlite_worker *w, const struct store_block *b)
{
    struct kept_block k;
    keep_block(&w->scratch, &w->packer, b, w->save_inputs, &k);
    sqlite3_stmt *q = use(w, SQ_BLOCK);
    sq_bind_int(q, 1, k.source);
    sq_bind_int(q, 2, k.partition);
    sq_bind_int(q, 3, (int64_t)k.seq);
    sq_bind_int(q, 4, k.n);
    sq_bind_int(q, 5, (int64_t)k.position_min);
    sq_bind_int(q, 6, (int64_t)k.position_max);
    sq_bind_int(q, 7, (int64_t)k.version);
    sq_bind_int(q, 8, k.started_us);
    sq_bind_int(q, 9, k.n_outputs);
    sq_bind_int(q, 10, k.inputs_bytes);
    sq_bind_int(q, 11, k.outputs_bytes);
    sq_bind_int(q, 12, k.checksum);
    sq_bind_bytes(q, 13, k.positions);
    sq_bind_bytes(q, 14, k.versions);
    sq_bind_bytes(q, 15, k.statuses);
    sq_bind_bytes(q, 16, k.durations);
    sq_bind_bytes(q, 17, k.started);
    sq_bind_bytes(q, 18, k.payload);
    sq_bind_int(q, 19, clock_wall_us());
    return run(q);
}

static int keep_exec(struct sqlite_worker *w, const struct store_exec *e)
{
    sqlite3_stmt *q = use(w, SQ_KEEP);
    sq_bind_int(q, 1, e->id.source);
    sq_bind_int(q, 2, e->id.partition);
    sq_bind_int(q, 3, (int64_t)e->id.position);
    sq_bind_int(q, 4, (int64_t)e->version);
    sq_bind_int(q, 5, e->status);
    sq_bind_int(q, 6, e->started_us);
    sq_bind_int(q, 7, e->ended_us);
    sq_bind_int(q, 8, e->wake_us ? e->wake_us : INT64_MAX);
    sq_bind_str(q, 9, store_clean_text(&w->scratch, e->node));
    sq_bind_str(q, 10, store_clean_text(&w->scratch, e->error));
    sq_bind_str(q, 11, store_clean_text(&w->scratch, e->state));
    return run(q);
}

static int remove_exec(struct sqlite_worker *w, struct exec_id id)
{
    sqlite3_stmt *q = use(w, SQ_REMOVE);
    sq_bind_int(q, 1, id.source);
    sq_bind_int(q, 2, id.partition);
    sq_bind_int(q, 3, (int64_t)id.position);
    return run(q);
}

static int mark_key(struct sqlite_worker *w, const struct store_key_mark *k)
{
    sqlite3_stmt *q = use(w, SQ_KEY);
    sq_bind_int(q, 1, k->exec.source);
    sq_bind_str(q, 2, k->key);
    sq_bind_int(q, 3, (int64_t)k->token);
    if (k->status) {
        sq_bind_int(q, 4, k->status);
        sq_bind_bytes(q, 5, (wf_str){ k->headers.ptr ? k->headers.ptr : "", k->headers.len });
        sq_bind_bytes(q, 6, (wf_str){ k->body.ptr ? k->body.ptr : "", k->body.len });
    } else {
        sqlite3_bind_null(q, 4);
        sqlite3_bind_null(q, 5);
        sqlite3_bind_null(q, 6);
    }
    return run(q);
}

/* All lanes first: a zombie does no work beyond its first miss. */
static int move_lanes(struct sqlite_worker *w, struct job *job)
{
    for (uint32_t i = 0; i < job->turn->n_blocks; i++) {
        bool moved;
        int rc = move_lane(w, &job->turn->blocks[i], &moved);
        if (rc != SQLITE_OK)
            return rc;
        if (!moved) {
            job->result = (struct store_commit_result){ .result = STORE_FENCED, .lane = i };
            return SQLITE_OK;
        }
    }
    return SQLITE_OK;
}

static int commit(struct sqlite_worker *w, struct job *job)
{
    const struct store_turn *turn = job->turn;
    int rc = move_lanes(w, job);
    if (rc != SQLITE_OK || job->result.result == STORE_FENCED)
        return rc;
    for (uint32_t i = 0; i < turn->n_blocks && rc == SQLITE_OK; i++)
        if (turn->blocks[i].seq)
            rc = write_block(w, &turn->blocks[i]);
    for (uint32_t i = 0; i < turn->n_execs && rc == SQLITE_OK; i++)
        rc = keep_exec(w, &turn->execs[i]);
    for (uint32_t i = 0; i < turn->n_ended && rc == SQLITE_OK; i++)
        rc = remove_exec(w, turn->ended[i]);
    for (uint32_t i = 0; i < turn->n_keys && rc == SQLITE_OK; i++)
        rc = mark_key(w, &turn->keys[i]);
    if (rc == SQLITE_OK && turn->n_rows)
        rc = sqlite_rows(w, job, NULL, NULL);
    if (rc == SQLITE_OK && !job->result.result)
        job->result.result = STORE_OK;
    return rc;
}

/* --- lanes and what they hold ----------------------------------------------------------------- */

static int assign(struct sqlite_worker *w, struct job *job)
{
    sqlite3_stmt *q = use(w, SQ_ASSIGN);
    sq_bind_int(q, 1, job->source);
    sq_bind_int(q, 2, job->partition);
    sq_bind_int(q, 3, job->instance);
    sq_bind_int(q, 4, (int64_t)job->number);
    int rc = sqlite3_step(q);
    if (rc != SQLITE_ROW)
        return rc;
    job->lane = (struct store_lane){ .source = job->source,
                                     .partition = job->partition,
                                     .epoch = (uint64_t)sq_int(q, 0),
                                     .position = (uint64_t)sq_int(q, 1),
                                     .block_seq = (uint64_t)sq_int(q, 2),
                                     .released = (uint64_t)sq_int(q, 3),
                                     .fresh = sq_int(q, 4) != 0,
                                     .begun = (uint64_t)sq_int(q, 5) };
    rc = sqlite3_step(q); /* to the end, or the row is not written */
    sqlite3_reset(q);
    return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

/* Room for one more entry of an array in the job's arena; the old ones move along. */
static void *grow(struct job *job, void *array, size_t bytes)
{
    if (job->n & (job->n - 1))
        return array;
    void *to = arena_alloc(&job->arena, (job->n ? 2 * (size_t)job->n : 1) * bytes);
    if (job->n)
        memcpy(to, array, job->n * bytes);
    return to;
}

static int blocks(struct sqlite_worker *w, struct job *job)
{
    sqlite3_stmt *q = use(w, SQ_BLOCKS);
    sq_bind_int(q, 1, job->source);
    sq_bind_int(q, 2, job->partition);
    sq_bind_int(q, 3, (int64_t)job->number);
    sq_bind_int(q, 4, job->limit);
    int rc;
    while ((rc = sqlite3_step(q)) == SQLITE_ROW && !job->failed) {
        struct kept_block kept;
        sq_get_block(q, &kept);
        job->blocks = grow(job, job->blocks, sizeof *job->blocks);
        job->failed = load_block(&job->arena, &kept, &job->blocks[job->n], &job->err) != 0;
        job->n += !job->failed;
    }
    sqlite3_reset(q);
    return rc == SQLITE_DONE || rc == SQLITE_ROW ? SQLITE_OK : rc;
}

static wf_str copy_str(struct arena *a, wf_str s) { return arena_str(a, s.ptr, s.len); }

static int gather(struct sqlite_worker *w, struct job *job, enum sqlite_statement which,
                  uint64_t epoch)
{
    sqlite3_stmt *q = use(w, which);
    sq_bind_int(q, 1, job->source);
    sq_bind_int(q, 2, job->partition);
    sq_bind_int(q, 3, (int64_t)epoch);
    sq_bind_int(q, 4, job->limit - job->n);
    if (which == SQ_DUE)
        sq_bind_int(q, 5, job->wake_us);
    int rc;
    while ((rc = sqlite3_step(q)) == SQLITE_ROW) {
        job->execs = grow(job, job->execs, sizeof *job->execs);
        struct store_exec *e = &job->execs[job->n++];
        sq_get_exec(q, e);
        e->node = copy_str(&job->arena, e->node);
        e->error = copy_str(&job->arena, e->error);
        e->state = copy_str(&job->arena, e->state);
    }
    sqlite3_reset(q);
    return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

static int parked(struct sqlite_worker *w, struct job *job)
{
    sqlite3_stmt *q = use(w, SQ_EPOCH);
    sq_bind_int(q, 1, job->source);
    sq_bind_int(q, 2, job->partition);
    sq_bind_int(q, 3, job->instance);
    int rc = sqlite3_step(q);
    uint64_t epoch = rc == SQLITE_ROW ? (uint64_t)sq_int(q, 0) : 0;
    sqlite3_reset(q);
    if (!epoch)
        return rc == SQLITE_DONE ? SQLITE_OK : rc; /* not the owner */
    rc = gather(w, job, SQ_RETRIES, epoch);
    if (rc == SQLITE_OK)
        rc = gather(w, job, SQ_DUE, epoch);
    for (uint32_t i = 0; i < job->n && rc == SQLITE_OK; i++) {
        q = use(w, SQ_HAND_OUT);
        sq_bind_int(q, 1, job->execs[i].id.source);
        sq_bind_int(q, 2, job->execs[i].id.partition);
        sq_bind_int(q, 3, (int64_t)job->execs[i].id.position);
        sq_bind_int(q, 4, (int64_t)epoch);
        rc = run(q);
    }
    return rc;
}

static int lanes_of(struct sqlite_worker *w, struct job *job)
{
    sqlite3_stmt *q = use(w, SQ_LANES_OF);
    sq_bind_int(q, 1, job->instance);
    int rc;
    while ((rc = sqlite3_step(q)) == SQLITE_ROW) {
        job->lanes = grow(job, job->lanes, sizeof *job->lanes);
        job->lanes[job->n++] = (struct job_lane){ (uint32_t)sq_int(q, 0), (uint32_t)sq_int(q, 1) };
    }
    sqlite3_reset(q);
    return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

/* --- a job ------------------------------------------------------------------------------------ */

static int dispatch(struct sqlite_worker *w, struct job *job)
{
    switch (job->kind) {
    case JOB_COMMIT:
        return commit(w, job);
    case JOB_ASSIGN:
        return assign(w, job);
    case JOB_BLOCKS:
        return blocks(w, job);
    case JOB_PARKED:
        return parked(w, job);
    case JOB_LANES_OF:
        return lanes_of(w, job);
    case JOB_SQL:
        return sqlite_sql(w, job);
    case JOB_STATE:
        break;
    }
    return SQLITE_OK;
}

/* What an earlier run, whose transaction was rolled back, has answered. */
static void forget_answers(struct job *job)
{
    arena_clear(&job->arena);
    job->result = (struct store_commit_result){ 0 };
    job->rows = (wf_rows){ 0 };
    job->failed = false;
    job->n = 0;
    job->blocks = NULL;
    job->execs = NULL;
    job->lanes = NULL;
}

int sqlite_run(struct sqlite_worker *w, struct job *job)
{
    forget_answers(job);
    arena_clear(&w->scratch);
    int rc = run(use(w, SQ_SAVEPOINT));
    if (rc == SQLITE_OK)
        rc = dispatch(w, job);
    if (rc != SQLITE_OK)
        return rc;
    if (job->kind == JOB_COMMIT ? job->result.result != STORE_OK : job->rows.error != NULL) {
        rc = run(use(w, SQ_ROLLBACK_TO));
        if (rc != SQLITE_OK)
            return rc;
    }
    return run(use(w, SQ_RELEASE));
}
