/* SPDX-License-Identifier: Apache-2.0
 * Executions in PostgreSQL, for people. Rows come by their start, blocks from the newest back until
 * the list is full and no older one can have anything newer. The view `executions` shows the same
 * to SQL, but cannot stop early. Thread: any; blocks.
 */
#include "store/pg_int.h"
#include "store/show_int.h"
#include <endian.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

/* Clocks of engines and database may differ that much. */
#define SKEW_US (INT64_C(3600) * 1000000)
enum { BATCH = 64 };

static const char *const as_time = "to_timestamp(0) + $%d::bigint * interval '1 microsecond'";

static int show_versions(struct pg_store *ps, struct show *show, struct err *err)
{
    PGresult *r = pg_query(ps, PG_ADMIN, "read versions",
                           "SELECT v.version, v.number, w.id, w.name FROM workflow_version v "
                           "JOIN workflow w ON w.id = v.workflow_id",
                           NULL, false, err);
    if (!r)
        return -1;
    for (int i = 0; i < PQntuples(r); i++)
        show_version(show, (uint64_t)pg_int(r, i, 0), (uint32_t)pg_int(r, i, 1), pg_text(r, i, 2),
                     pg_text(r, i, 3));
    PQclear(r);
    return 0;
}

/* "{1,2,3}" of the versions that the filter lets through. */
static void wanted_versions(const struct show *show, struct strbuf *out)
{
    strbuf_addc(out, '{');
    for (uint32_t i = 0; i < show->n_versions; i++)
        if (show_wants_version(show, show->versions[i].version))
            strbuf_addf(out, "%s%" PRIu64, out->len > 1 ? "," : "", show->versions[i].version);
    strbuf_addc(out, '}');
}

/* --- rows ------------------------------------------------------------------------------------- */

#define EXEC_COLUMNS                                                                               \
    "source, partition, position, version, status, started_at, ended_at, wake_at, node, error, "   \
    "state"

static struct store_exec get_exec(const PGresult *r, int row)
{
    return (struct store_exec){ .id = { pg_get_i32(r, row, 0), pg_get_i32(r, row, 1),
                                        pg_get_i64(r, row, 2) },
                                .version = pg_get_i64(r, row, 3),
                                .status = (enum store_status)pg_get_i16(r, row, 4),
                                .started_us = pg_get_time(r, row, 5),
                                .ended_us = pg_get_time(r, row, 6),
                                .wake_us = pg_get_wake(r, row, 7),
                                .node = pg_get_bytes(r, row, 8),
                                .error = pg_get_bytes(r, row, 9),
                                .state = pg_get_bytes(r, row, 10) };
}

static int show_rows(struct pg_store *ps, struct show *show, wf_str versions, struct err *err)
{
    const struct store_filter *f = &show->filter;
    if (f->status == STORE_SUCCESS || f->status == STORE_RETRIED)
        return 0;
    char sql[800], since[100], until[100];
    snprintf(since, sizeof since, as_time, 1);
    snprintf(until, sizeof until, as_time, 2);
    snprintf(sql, sizeof sql,
             "SELECT " EXEC_COLUMNS
             " FROM execution WHERE started_at >= %s AND ($2::bigint IS NULL "
             "OR started_at < %s) AND ($3::int = 0 OR status = $3::int) "
             "AND ($4::text IS NULL OR version = ANY($4::text::bigint[])) ORDER BY started_at DESC "
             "LIMIT $5::int",
             since, until);
    struct pg_args args = { .n = 0 };
    pg_arg_int(&args, f->since_us);
    if (f->until_us == INT64_MAX)
        pg_arg_null(&args);
    else
        pg_arg_int(&args, f->until_us);
    pg_arg_int(&args, f->status);
    if (f->workflow)
        pg_arg_str(&args, versions);
    else
        pg_arg_null(&args);
    pg_arg_int(&args, f->limit);
    PGresult *r = pg_query(ps, PG_ADMIN, "list executions", sql, &args, true, err);
    if (!r)
        return -1;
    for (int i = 0; i < PQntuples(r); i++) {
        struct store_exec e = get_exec(r, i);
        show_exec(show, &e);
    }
    PQclear(r);
    return 0;
}

/* --- blocks ----------------------------------------------------------------------------------- */

/* The positions of a block's lane that have a row, asked at once for the whole block. */
struct told {
    PGresult *r;
};

static bool has_row(void *ctx, uint64_t position)
{
    const struct told *told = ctx;
    for (int i = 0; i < PQntuples(told->r); i++)
        if (pg_get_i64(told->r, i, 0) == position)
            return true;
    return false;
}

static PGresult *ask_rows(struct pg_store *ps, const struct store_block *b, struct err *err)
{
    struct strbuf list;
    strbuf_init(&list, 64 << 20);
    for (uint32_t i = 0; i < b->n; i++)
        if (b->statuses[i] != STORE_SUCCESS)
            strbuf_addf(&list, "%c%" PRIu64, list.len ? ',' : '{', b->positions[i]);
    strbuf_adds(&list, list.len ? "}" : "{}");
    struct pg_args args = { .n = 0 };
    pg_arg_int(&args, b->source);
    pg_arg_int(&args, b->partition);
    pg_arg_str(&args, strbuf_str(&list));
    PGresult *r = pg_query(ps, PG_ADMIN, "list executions",
                           "SELECT position FROM execution WHERE source = $1 AND partition = $2 "
                           "AND position = ANY($3::text::bigint[])",
                           &args, true, err);
    strbuf_fini(&list);
    return r;
}

static int show_kept(struct pg_store *ps, struct show *show, const struct kept_block *kept,
                     struct err *err)
{
    struct arena arena;
    struct store_block b;
    struct told told = { NULL };
    arena_init(&arena, NULL, 0);
    int rc = load_block_columns(&arena, kept, &b, err);
    bool asks = rc == 0 && kept->statuses.ptr;
    if (asks && !(told.r = ask_rows(ps, &b, err)))
        rc = -1;
    if (rc == 0)
        show_block(show, &b, has_row, &told);
    PQclear(told.r);
    arena_fini(&arena);
    return rc;
}

/* Where the next batch goes on: before this block. */
struct cursor {
    int64_t created_us;
    uint32_t source, partition;
    uint64_t seq;
};

static PGresult *read_batch(struct pg_store *ps, const struct show *show, const struct cursor *from,
                            wf_str versions, struct err *err)
{
    const struct store_filter *f = &show->filter;
    struct pg_args args = { .n = 0 };
    pg_arg_int(&args, from->created_us);
    pg_arg_int(&args, from->source);
    pg_arg_int(&args, from->partition);
    pg_arg_int(&args, (int64_t)from->seq);
    pg_arg_int(&args, f->since_us > SKEW_US ? f->since_us - SKEW_US : 0);
    pg_arg_int(&args, f->status == STORE_CANCELED || f->status == STORE_RETRIED);
    if (f->workflow)
        pg_arg_str(&args, versions);
    else
        pg_arg_null(&args);
    pg_arg_int(&args, BATCH);
    return pg_query(
        ps, PG_ADMIN, "list executions",
        "SELECT source, partition, seq, n, position_min, position_max, version, started_us, "
        "n_outputs, inputs_bytes, outputs_bytes, checksum, positions, versions, statuses, "
        "durations, started, ''::bytea, created_at FROM block "
        "WHERE (created_at, source, partition, seq) < (to_timestamp(0) + $1::bigint * "
        "interval '1 microsecond', $2::int, $3::int, $4::bigint) "
        "AND created_at >= to_timestamp(0) + $5::bigint * interval '1 microsecond' "
        "AND ($6::int = 0 OR statuses IS NOT NULL) "
        "AND ($7::text IS NULL OR versions IS NOT NULL OR version = ANY($7::text::bigint[])) "
        "ORDER BY created_at DESC, source DESC, partition DESC, seq DESC LIMIT $8::int",
        &args, true, err);
}

static int show_blocks(struct pg_store *ps, struct show *show, wf_str versions, struct err *err)
{
    enum store_status status = show->filter.status;
    if (status == STORE_ERROR || status == STORE_WAITING)
        return 0; /* these have rows */
    /* Far in the future, yet a time that PostgreSQL can hold. */
    struct cursor from = { .created_us = INT64_C(4102444800) * 1000000, .source = INT32_MAX };
    for (;;) {
        PGresult *r = read_batch(ps, show, &from, versions, err);
        if (!r)
            return -1;
        int n = PQntuples(r), rc = 0;
        for (int i = 0; i < n && rc == 0; i++) {
            struct kept_block kept;
            pg_get_block(r, i, &kept);
            rc = show_kept(ps, show, &kept, err);
            from = (struct cursor){ pg_get_time(r, i, 18), kept.source, kept.partition, kept.seq };
        }
        PQclear(r);
        if (rc != 0 || n < BATCH || show_trim(show) > from.created_us + SKEW_US)
            return rc;
    }
}

int pg_executions(struct store *s, const struct store_filter *filter, store_on_execution *each,
                  void *ctx, struct err *err)
{
    struct pg_store *ps = pg_of(s);
    struct show show;
    struct strbuf versions;
    show_init(&show, filter);
    strbuf_init(&versions, 64 << 20);
    int rc = show_versions(ps, &show, err);
    wanted_versions(&show, &versions);
    if (rc == 0)
        rc = show_rows(ps, &show, strbuf_str(&versions), err);
    if (rc == 0)
        rc = show_blocks(ps, &show, strbuf_str(&versions), err);
    if (rc == 0) {
        show_trim(&show);
        show_tell(&show, each, ctx);
    }
    strbuf_fini(&versions);
    show_fini(&show);
    return rc;
}

/* --- one -------------------------------------------------------------------------------------- */

/* Blocks that may hold the position, the newest first: an execution that was retried ended twice.
 */
static PGresult *read_candidates(struct pg_store *ps, struct exec_id id, struct err *err)
{
    uint64_t packed = htole64(id.position);
    struct pg_args args = { .n = 0 };
    pg_arg_int(&args, id.source);
    pg_arg_int(&args, id.partition);
    pg_arg_int(&args, (int64_t)id.position);
    pg_arg_str(&args, (wf_str){ (const char *)&packed, sizeof packed });
    return pg_query(ps, PG_ADMIN, "show an execution",
                    "SELECT " PG_BLOCK_COLUMNS " FROM block WHERE source = $1 AND partition = $2 "
                    "AND position_max >= $3 AND position_min <= $3 "
                    "AND (positions IS NULL OR position($4::bytea IN positions) > 0) "
                    "ORDER BY seq DESC LIMIT 8",
                    &args, true, err);
}

static PGresult *read_row(struct pg_store *ps, struct exec_id id, struct err *err)
{
    struct pg_args args = { .n = 0 };
    pg_arg_int(&args, id.source);
    pg_arg_int(&args, id.partition);
    pg_arg_int(&args, (int64_t)id.position);
    return pg_query(ps, PG_ADMIN, "show an execution",
                    "SELECT " EXEC_COLUMNS " FROM execution WHERE source = $1 AND partition = $2 "
                    "AND position = $3",
                    &args, true, err);
}

static int show_both(struct show *show, const PGresult *row, const PGresult *blocks,
                     uint64_t position, struct err *err)
{
    struct arena arena;
    struct store_block b;
    uint32_t at = 0;
    bool found = false;
    int rc = 0;
    arena_init(&arena, NULL, 0);
    for (int i = 0; i < PQntuples(blocks) && !found && rc == 0; i++) {
        struct kept_block kept;
        pg_get_block(blocks, i, &kept);
        rc = load_block(&arena, &kept, &b, err);
        found = rc == 0 && show_find(&b, position, &at);
    }
    struct store_exec e;
    bool has = PQntuples(row) != 0;
    if (has)
        e = get_exec(row, 0);
    if (rc == 0)
        show_one(show, has ? &e : NULL, found ? &b : NULL, at);
    arena_fini(&arena);
    return rc;
}

int pg_execution(struct store *s, struct exec_id id, store_on_execution *each, void *ctx,
                 struct err *err)
{
    struct pg_store *ps = pg_of(s);
    struct show show;
    show_init(&show, NULL);
    PGresult *row = read_row(ps, id, err), *blocks = row ? read_candidates(ps, id, err) : NULL;
    int rc = blocks ? show_versions(ps, &show, err) : -1;
    if (rc == 0)
        rc = show_both(&show, row, blocks, id.position, err);
    PQclear(row);
    PQclear(blocks);
    if (rc == 0 && !show.n)
        rc = show_missing(id, err);
    show_tell(&show, each, ctx);
    show_fini(&show);
    return rc;
}

int pg_execution_retry(struct store *s, struct exec_id id, struct err *err)
{
    struct pg_args args = { .n = 0 };
    pg_arg_int(&args, id.source);
    pg_arg_int(&args, id.partition);
    pg_arg_int(&args, (int64_t)id.position);
    PGresult *r =
        pg_query(pg_of(s), PG_ADMIN, "retry an execution",
                 "WITH found AS (SELECT status FROM execution WHERE source = $1 AND partition = $2 "
                 "AND position = $3), "
                 "marked AS (UPDATE execution SET retry = true, handed_epoch = 0, handed_call = 0 "
                 "WHERE source = $1 AND partition = $2 AND position = $3 AND status IN (2, 3)) "
                 "SELECT status FROM found",
                 &args, false, err);
    if (!r)
        return -1;
    enum store_status status =
        PQntuples(r) ? (enum store_status)pg_int(r, 0, 0) : STORE_STATUS_NONE;
    PQclear(r);
    return show_may_retry(id, status, err);
}
