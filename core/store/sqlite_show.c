/* SPDX-License-Identifier: Apache-2.0
 * Executions in SQLite, for people: rows by their start, blocks from the newest back until the list
 * is full and no older one can have anything newer. Thread: any; blocks; callbacks come after the
 * lock.
 */
#include "store/sqlite_int.h"
#include "store/show_int.h"
#include <endian.h>

/* The clock of this machine may have been set back. */
#define SKEW_US (INT64_C(3600) * 1000000)

static int show_versions(sqlite3 *db, struct show *show, struct err *err)
{
    sqlite3_stmt *q = sq_prepare(db,
                                 "SELECT v.version, v.number, w.id, w.name FROM workflow_version v "
                                 "JOIN workflow w ON w.id = v.workflow_id",
                                 err);
    int rc = -1;
    while (q && (rc = sq_step(q, "read versions", err)) == 1)
        show_version(show, (uint64_t)sq_int(q, 0), (uint32_t)sq_int(q, 1), sq_str(q, 2),
                     sq_str(q, 3));
    sqlite3_finalize(q);
    return rc;
}

/* --- listing ---------------------------------------------------------------------------------- */

static int show_rows(sqlite3 *db, struct show *show, struct err *err)
{
    const struct store_filter *f = &show->filter;
    if (f->status == STORE_SUCCESS || f->status == STORE_RETRIED)
        return 0;
    sqlite3_stmt *q = sq_prepare(db,
                                 "SELECT " SQ_EXEC_COLUMNS " FROM execution WHERE started_us >= ?1 "
                                 "AND started_us < ?2 AND (?3 = 0 OR status = ?3) "
                                 "ORDER BY started_us DESC",
                                 err);
    if (!q)
        return -1;
    sq_bind_int(q, 1, f->since_us);
    sq_bind_int(q, 2, f->until_us);
    sq_bind_int(q, 3, f->status);
    int rc = 0;
    while (show->n < f->limit && (rc = sq_step(q, "list executions", err)) == 1) {
        struct store_exec e;
        sq_get_exec(q, &e);
        show_exec(show, &e);
    }
    sqlite3_finalize(q);
    return rc < 0 ? -1 : 0;
}

struct lane_rows {
    sqlite3_stmt *q;
    uint32_t source, partition;
};

static bool has_row(void *ctx, uint64_t position)
{
    const struct lane_rows *rows = ctx;
    sqlite3_reset(rows->q);
    sq_bind_int(rows->q, 1, rows->source);
    sq_bind_int(rows->q, 2, rows->partition);
    sq_bind_int(rows->q, 3, (int64_t)position);
    return sqlite3_step(rows->q) == SQLITE_ROW;
}

static int walk_blocks(sqlite3_stmt *q, sqlite3_stmt *row, struct show *show, struct err *err)
{
    struct arena arena;
    int rc;
    arena_init(&arena, NULL, 0);
    while ((rc = sq_step(q, "list executions", err)) == 1) {
        struct kept_block kept;
        struct store_block b;
        sq_get_block(q, &kept);
        struct lane_rows rows = { row, kept.source, kept.partition };
        if (load_block_columns(&arena, &kept, &b, err) != 0) {
            rc = -1;
            break;
        }
        show_block(show, &b, has_row, &rows);
        arena_clear(&arena);
        if (show->n >= show->filter.limit && show_trim(show) > sq_int(q, 18) + SKEW_US) {
            rc = 0;
            break;
        }
    }
    arena_fini(&arena);
    return rc;
}

static int show_blocks(sqlite3 *db, struct show *show, struct err *err)
{
    const struct store_filter *f = &show->filter;
    if (f->status == STORE_ERROR || f->status == STORE_WAITING)
        return 0; /* these have rows */
    sqlite3_stmt *q =
        sq_prepare(db,
                   "SELECT source, partition, seq, n, position_min, position_max, version, "
                   "started_us, n_outputs, inputs_bytes, outputs_bytes, checksum, positions, "
                   "versions, statuses, durations, started, x'', created_us FROM block "
                   "WHERE created_us >= ?1 AND (?2 = 0 OR statuses IS NOT NULL) "
                   "ORDER BY created_us DESC",
                   err);
    sqlite3_stmt *row =
        q ? sq_prepare(db,
                       "SELECT 1 FROM execution WHERE source = ?1 AND partition = ?2 "
                       "AND position = ?3",
                       err)
          : NULL;
    int rc = -1;
    if (row) {
        sq_bind_int(q, 1, f->since_us - SKEW_US);
        sq_bind_int(q, 2, f->status == STORE_CANCELED || f->status == STORE_RETRIED);
        rc = walk_blocks(q, row, show, err);
    }
    sqlite3_finalize(q);
    sqlite3_finalize(row);
    return rc;
}

int sqlite_executions(struct store *s, const struct store_filter *filter, store_on_execution *each,
                      void *ctx, struct err *err)
{
    struct sqlite_store *ss = sqlite_of(s);
    struct show show;
    show_init(&show, filter);
    pthread_mutex_lock(&ss->admin_lock);
    int rc = show_versions(ss->admin, &show, err);
    if (rc == 0)
        rc = show_rows(ss->admin, &show, err);
    if (rc == 0)
        rc = show_blocks(ss->admin, &show, err);
    pthread_mutex_unlock(&ss->admin_lock);
    if (rc == 0) {
        show_trim(&show);
        show_tell(&show, each, ctx);
    }
    show_fini(&show);
    return rc;
}

/* --- one -------------------------------------------------------------------------------------- */

/* The newest block that has it: an execution that was retried ended twice. 1, 0 or -1. */
static int find_block(sqlite3 *db, struct arena *a, struct exec_id id, struct store_block *b,
                      uint32_t *at, struct err *err)
{
    uint64_t packed = htole64(id.position);
    sqlite3_stmt *q =
        sq_prepare(db,
                   "SELECT " SQ_BLOCK_COLUMNS " FROM block WHERE source = ?1 "
                   "AND partition = ?2 AND position_max >= ?3 AND position_min <= ?3 "
                   "AND (positions IS NULL OR instr(positions, ?4) > 0) ORDER BY seq DESC",
                   err);
    if (!q)
        return -1;
    sq_bind_int(q, 1, id.source);
    sq_bind_int(q, 2, id.partition);
    sq_bind_int(q, 3, (int64_t)id.position);
    sq_bind_bytes(q, 4, (wf_str){ (const char *)&packed, sizeof packed });
    int rc;
    while ((rc = sq_step(q, "show an execution", err)) == 1) {
        struct kept_block kept;
        sq_get_block(q, &kept);
        rc = load_block(a, &kept, b, err) == 0 ? show_find(b, id.position, at) : -1;
        if (rc)
            break;
    }
    sqlite3_finalize(q);
    return rc;
}

static int show_one_of(sqlite3 *db, struct show *show, struct exec_id id, struct err *err)
{
    sqlite3_stmt *q = sq_prepare(db,
                                 "SELECT " SQ_EXEC_COLUMNS " FROM execution WHERE source = ?1 "
                                 "AND partition = ?2 AND position = ?3",
                                 err);
    if (!q)
        return -1;
    sq_bind_int(q, 1, id.source);
    sq_bind_int(q, 2, id.partition);
    sq_bind_int(q, 3, (int64_t)id.position);
    struct arena arena;
    struct store_exec e;
    struct store_block b;
    uint32_t at = 0;
    arena_init(&arena, NULL, 0);
    int row = sq_step(q, "show an execution", err), block = -1;
    if (row == 1)
        sq_get_exec(q, &e);
    if (row >= 0)
        block = find_block(db, &arena, id, &b, &at, err);
    if (block >= 0)
        show_one(show, row ? &e : NULL, block ? &b : NULL, at);
    sqlite3_finalize(q);
    arena_fini(&arena);
    return block < 0 ? -1 : 0;
}

int sqlite_execution(struct store *s, struct exec_id id, store_on_execution *each, void *ctx,
                     struct err *err)
{
    struct sqlite_store *ss = sqlite_of(s);
    struct show show;
    show_init(&show, NULL);
    pthread_mutex_lock(&ss->admin_lock);
    int rc = show_versions(ss->admin, &show, err);
    if (rc == 0)
        rc = show_one_of(ss->admin, &show, id, err);
    pthread_mutex_unlock(&ss->admin_lock);
    if (rc == 0 && !show.n)
        rc = show_missing(id, err);
    show_tell(&show, each, ctx);
    show_fini(&show);
    return rc;
}

int sqlite_execution_retry(struct store *s, struct exec_id id, struct err *err)
{
    struct sqlite_store *ss = sqlite_of(s);
    enum store_status status = STORE_STATUS_NONE;
    pthread_mutex_lock(&ss->admin_lock);
    sqlite3_stmt *q =
        sq_prepare(ss->admin,
                   "UPDATE execution SET retry = status IN (2, 3), handed_epoch = CASE "
                   "WHEN status IN (2, 3) THEN 0 ELSE handed_epoch END WHERE source = ?1 "
                   "AND partition = ?2 AND position = ?3 RETURNING status",
                   err);
    int rc = -1;
    if (q) {
        sq_bind_int(q, 1, id.source);
        sq_bind_int(q, 2, id.partition);
        sq_bind_int(q, 3, (int64_t)id.position);
        while ((rc = sq_step(q, "retry an execution", err)) == 1)
            status = (enum store_status)sq_int(q, 0);
    }
    sqlite3_finalize(q);
    pthread_mutex_unlock(&ss->admin_lock);
    return rc == 0 ? show_may_retry(id, status, err) : rc;
}
