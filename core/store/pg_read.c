/* SPDX-License-Identifier: Apache-2.0
 * What a worker reads: lanes it takes, blocks after a crash, parked executions that are due.
 *
 * One struct serves them all; it keeps the result until the sync was answered, so that nothing is
 * told twice when the connection breaks in between. Taking a lane again only raises its epoch
 * again. Executions are marked as handed out with the number of the call, so a repeated call gets
 * the same ones. Thread: the loop's; nothing blocks.
 */
#include "store/pg_int.h"
#include <stdio.h>
#include <stdlib.h>

/* In the order of enum read_kind. */
const struct pg_statement pg_read_statements[] = {
    { "assign", "INSERT INTO source_position AS p (source, partition, owner, epoch, position) "
                "VALUES ($1, $2, $3, 1, $4) ON CONFLICT (source, partition) DO UPDATE "
                "SET owner = excluded.owner, epoch = p.epoch + 1, assigned_at = now() "
                "RETURNING p.epoch, p.position, p.block_seq, p.released, p.fresh, p.begun" },
    { "blocks", "SELECT " PG_BLOCK_COLUMNS " FROM block "
                "WHERE source = $1 AND partition = $2 AND seq > $3 ORDER BY seq LIMIT $4::bigint" },
    /* $6: the call, $7: 1 when it is repeated, $8 and $9: where the page before it ended. Rows are
     * named by where they lie: by their position, the planner may read the whole lane for each page
     * while it knows little of the table. */
    { "parked",
      "WITH lane AS (SELECT epoch FROM source_position "
      "WHERE source = $1 AND partition = $2 AND owner = $3), "
      "again AS (SELECT e.ctid FROM execution e, lane WHERE $7::int = 1 AND e.source = $1 "
      "AND e.partition = $2 AND e.handed_epoch = lane.epoch AND e.handed_call = $6), "
      "failed AS (SELECT e.ctid FROM execution e, lane WHERE e.source = $1 "
      "AND e.partition = $2 AND e.retry AND e.handed_epoch <> lane.epoch LIMIT $5::bigint), "
      "waiting AS (SELECT e.ctid FROM execution e, lane WHERE e.source = $1 "
      "AND e.partition = $2 AND e.status = 4 AND (e.wake_at, e.position) > ($8, $9) "
      "AND e.wake_at <= $4 AND e.handed_epoch <> lane.epoch "
      "ORDER BY e.wake_at, e.position LIMIT $5::bigint), "
      "due AS (SELECT ctid FROM again UNION ALL SELECT ctid FROM failed "
      "UNION ALL SELECT ctid FROM waiting LIMIT $5::bigint) "
      "UPDATE execution e SET handed_epoch = lane.epoch, handed_call = $6 FROM lane "
      "WHERE e.ctid = ANY (ARRAY(SELECT ctid FROM due)) "
      "RETURNING e.position, e.version, e.status, e.started_at, e.ended_at, e.wake_at, "
      "e.node, e.error, e.state" },
    { "lanes_of",
      "SELECT source, partition FROM source_position WHERE owner = $1 ORDER BY source, partition" },
    { "peek",
      "SELECT p.position, p.owner, EXISTS (SELECT FROM engine_instance i WHERE i.id = p.owner "
      "AND i.heartbeat_at > now() - $3::bigint * interval '1 millisecond') "
      "FROM source_position p WHERE p.source = $1 AND p.partition = $2" },
    { NULL, NULL },
};

enum read_kind { READ_ASSIGN = 1, READ_BLOCKS, READ_PARKED, READ_LANES_OF, READ_PEEK };

struct read {
    struct pg_request rq;
    enum read_kind kind;
    uint32_t source, partition, limit, instance;
    uint64_t number; /* position or seq */
    int64_t wake_us;
    uint64_t call;
    bool is_repeated;
    union {
        store_on_lane *lane;
        store_on_block *block;
        store_on_exec *exec;
        store_on_lane_of *lane_of;
        store_on_peek *peek;
    } on;
    void (*tell_rows)(struct pg_session *ps, struct read *read);
    void *ctx;
    PGresult *r;
    bool failed;
    char sqlstate[6], words[300];
};

static struct read *read_of(struct pg_request *rq) { return CONTAINER_OF(rq, struct read, rq); }

/* --- pages of parked executions --------------------------------------------------------------- */

/* Where the last full page of a lane ended, so that the next one does not walk over all that was
 * handed out before. It is forgotten with the first page that is not full; what was parked
 * meanwhile before that place is found then. */
struct pg_page {
    struct job_lane lane; /* the map's key */
    int64_t asked_us;     /* for which time */
    int64_t wake_us;
    uint64_t position;
};

static struct pg_page *find_page(struct pg_session *ps, const struct read *read)
{
    struct job_lane lane = { read->source, read->partition };
    return map_get(&ps->pages, (const char *)&lane, sizeof lane);
}

static void put_page(struct pg_session *ps, const struct read *read, struct pg_params *p)
{
    const struct pg_page *page = find_page(ps, read);
    bool goes_on = page && page->asked_us == read->wake_us;
    pg_put_time(p, goes_on ? page->wake_us : INT64_MIN);
    pg_put_i64(p, goes_on ? page->position : 0);
}

static void forget_page(struct pg_session *ps, const struct read *read)
{
    struct job_lane lane = { read->source, read->partition };
    free(map_take(&ps->pages, (const char *)&lane, sizeof lane));
}

static void keep_page(struct pg_session *ps, const struct read *read)
{
    struct pg_page *page = xcalloc(1, sizeof *page);
    page->lane = (struct job_lane){ read->source, read->partition };
    page->asked_us = read->wake_us;
    page->wake_us = INT64_MIN;
    for (int i = 0; i < PQntuples(read->r); i++) {
        int64_t wake_us = pg_get_time(read->r, i, 5);
        uint64_t position = pg_get_i64(read->r, i, 0);
        if (pg_get_i16(read->r, i, 2) != STORE_WAITING || wake_us < page->wake_us ||
            (wake_us == page->wake_us && position <= page->position))
            continue;
        page->wake_us = wake_us;
        page->position = position;
    }
    map_put(&ps->pages, (const char *)&page->lane, sizeof page->lane, page);
}

void pg_pages_fini(struct pg_session *ps)
{
    struct map_slot *slot;
    for (size_t at = 0; map_each(&ps->pages, &at, &slot);)
        free(slot->value);
    map_fini(&ps->pages);
}

/* --- as a request ----------------------------------------------------------------------------- */

static int read_send(struct pg_session *ps, struct pg_request *rq)
{
    struct read *read = read_of(rq);
    struct pg_params p = { .n = 0 };
    switch (read->kind) {
    case READ_ASSIGN:
        pg_put_i32(&p, read->source);
        pg_put_i32(&p, read->partition);
        pg_put_i32(&p, ps->base.config.instance);
        pg_put_i64(&p, read->number);
        break;
    case READ_BLOCKS:
        pg_put_i32(&p, read->source);
        pg_put_i32(&p, read->partition);
        pg_put_i64(&p, read->number);
        pg_put_i64(&p, read->limit);
        break;
    case READ_PARKED:
        pg_put_i32(&p, read->source);
        pg_put_i32(&p, read->partition);
        pg_put_i32(&p, ps->base.config.instance);
        pg_put_time(&p, read->wake_us);
        pg_put_i64(&p, read->limit);
        pg_put_i64(&p, read->call);
        pg_put_i32(&p, read->is_repeated);
        put_page(ps, read, &p);
        break;
    case READ_LANES_OF:
        pg_put_i32(&p, read->instance);
        break;
    case READ_PEEK:
        pg_put_i32(&p, read->source);
        pg_put_i32(&p, read->partition);
        pg_put_i64(&p, read->number);
        break;
    }
    return pg_send(ps, 1, pg_read_statements[read->kind - 1].name, &p);
}

static bool read_result(struct pg_session *ps, struct pg_request *rq, unsigned tag, PGresult *r)
{
    (void)ps, (void)tag;
    struct read *read = read_of(rq);
    if (PQresultStatus(r) == PGRES_TUPLES_OK) {
        PQclear(read->r);
        read->r = r;
        return true;
    }
    if (PQresultStatus(r) == PGRES_FATAL_ERROR && !read->failed) {
        const char *state = PQresultErrorField(r, PG_DIAG_SQLSTATE);
        read->failed = true;
        snprintf(read->sqlstate, sizeof read->sqlstate, "%s", state ? state : "");
        pg_words(read->words, sizeof read->words, PQresultErrorField(r, PG_DIAG_MESSAGE_PRIMARY));
    }
    return false;
}

static void read_lost(struct pg_session *ps, struct pg_request *rq)
{
    (void)ps;
    struct read *read = read_of(rq);
    PQclear(read->r);
    read->r = NULL;
    read->failed = false;
    read->is_repeated = true;
}

static bool read_end(struct pg_session *ps, struct pg_request *rq)
{
    struct read *read = read_of(rq);
    if (!read->failed)
        return true;
    char reason[400];
    snprintf(reason, sizeof reason, "PostgreSQL: %s (%s)", read->words, read->sqlstate);
    enum pg_trouble trouble = pg_trouble(read->sqlstate);
    read_lost(ps, rq);
    if (trouble == PG_TROUBLE_AGAIN)
        pg_again(ps, 1);
    else if (trouble == PG_TROUBLE_RECONNECT)
        pg_break(ps, reason);
    else
        pg_pause(ps, reason);
    return false;
}

static void read_drop(struct pg_request *rq)
{
    PQclear(read_of(rq)->r);
    free(read_of(rq));
}

static void read_tell(struct pg_session *ps, struct pg_request *rq)
{
    if (!ps->is_closed)
        read_of(rq)->tell_rows(ps, read_of(rq));
    read_drop(rq);
}

static struct read *read_create(enum read_kind kind, void *ctx)
{
    struct read *read = xcalloc(1, sizeof *read);
    read->rq = (struct pg_request){ .send = read_send,
                                    .on_result = read_result,
                                    .on_end = read_end,
                                    .on_lost = read_lost,
                                    .tell = read_tell,
                                    .drop = read_drop };
    read->kind = kind;
    read->ctx = ctx;
    return read;
}

/* --- lanes ------------------------------------------------------------------------------------ */

static void tell_lane(struct pg_session *ps, struct read *read)
{
    (void)ps;
    struct store_lane lane = { .source = read->source,
                               .partition = read->partition,
                               .epoch = pg_get_i64(read->r, 0, 0),
                               .position = pg_get_i64(read->r, 0, 1),
                               .block_seq = pg_get_i64(read->r, 0, 2),
                               .released = pg_get_i64(read->r, 0, 3),
                               .fresh = pg_get_bool(read->r, 0, 4),
                               .begun = pg_get_i64(read->r, 0, 5) };
    read->on.lane(read->ctx, &lane, NULL);
}

void pg_assign(struct store_session *ss, uint32_t source, uint32_t partition,
               uint64_t start_position, store_on_lane *done, void *ctx)
{
    struct read *read = read_create(READ_ASSIGN, ctx);
    read->source = source;
    read->partition = partition;
    read->number = start_position;
    read->on.lane = done;
    read->tell_rows = tell_lane;
    pg_enqueue(PG_SESSION(ss), &read->rq, false);
}

static void tell_lanes_of(struct pg_session *ps, struct read *read)
{
    for (int i = 0; i < PQntuples(read->r) && !ps->is_closed; i++)
        read->on.lane_of(read->ctx, pg_get_i32(read->r, i, 0), pg_get_i32(read->r, i, 1), NULL);
    if (!ps->is_closed)
        read->on.lane_of(read->ctx, 0, 0, NULL);
}

void pg_lanes_of(struct store_session *ss, uint32_t instance, store_on_lane_of *each, void *ctx)
{
    struct read *read = read_create(READ_LANES_OF, ctx);
    read->instance = instance;
    read->on.lane_of = each;
    read->tell_rows = tell_lanes_of;
    pg_enqueue(PG_SESSION(ss), &read->rq, false);
}

static void tell_peek(struct pg_session *ps, struct read *read)
{
    (void)ps;
    struct store_peek peek = { .found = PQntuples(read->r) > 0 };
    if (peek.found) {
        peek.position = pg_get_i64(read->r, 0, 0);
        peek.owner = pg_get_i32(read->r, 0, 1);
        peek.owner_lives = pg_get_bool(read->r, 0, 2);
    }
    read->on.peek(read->ctx, &peek);
}

void pg_peek(struct store_session *ss, uint32_t source, uint32_t partition, int64_t silent_ms,
             store_on_peek *done, void *ctx)
{
    struct read *read = read_create(READ_PEEK, ctx);
    read->source = source;
    read->partition = partition;
    read->number = (uint64_t)silent_ms;
    read->on.peek = done;
    read->tell_rows = tell_peek;
    pg_enqueue(PG_SESSION(ss), &read->rq, false);
}

/* --- blocks ----------------------------------------------------------------------------------- */

static void tell_blocks(struct pg_session *ps, struct read *read)
{
    struct arena arena;
    struct err err;
    int rc = 0;
    arena_init(&arena, NULL, 0);
    for (int i = 0; i < PQntuples(read->r) && rc == 0 && !ps->is_closed; i++) {
        struct kept_block kept;
        struct store_block block;
        pg_get_block(read->r, i, &kept);
        rc = load_block(&arena, &kept, &block, &err);
        if (rc == 0)
            read->on.block(read->ctx, &block, NULL);
        arena_clear(&arena);
    }
    arena_fini(&arena);
    if (!ps->is_closed)
        read->on.block(read->ctx, NULL, rc ? &err : NULL);
}

void pg_blocks(struct store_session *ss, uint32_t source, uint32_t partition, uint64_t after,
               uint32_t limit, store_on_block *each, void *ctx)
{
    struct read *read = read_create(READ_BLOCKS, ctx);
    read->source = source;
    read->partition = partition;
    read->number = after;
    read->limit = limit;
    read->on.block = each;
    read->tell_rows = tell_blocks;
    pg_enqueue(PG_SESSION(ss), &read->rq, false);
}

/* --- parked executions ------------------------------------------------------------------------ */

static void tell_parked(struct pg_session *ps, struct read *read)
{
    const PGresult *r = read->r;
    forget_page(ps, read);
    if ((uint32_t)PQntuples(r) == read->limit)
        keep_page(ps, read);
    for (int i = 0; i < PQntuples(r) && !ps->is_closed; i++) {
        struct store_exec e = { .id = { read->source, read->partition, pg_get_i64(r, i, 0) },
                                .version = pg_get_i64(r, i, 1),
                                .status = (enum store_status)pg_get_i16(r, i, 2),
                                .started_us = pg_get_time(r, i, 3),
                                .ended_us = pg_get_time(r, i, 4),
                                .wake_us = pg_get_wake(r, i, 5),
                                .node = pg_get_bytes(r, i, 6),
                                .error = pg_get_bytes(r, i, 7),
                                .state = pg_get_bytes(r, i, 8) };
        read->on.exec(read->ctx, &e, NULL);
    }
    if (!ps->is_closed)
        read->on.exec(read->ctx, NULL, NULL);
}

void pg_parked(struct store_session *ss, uint32_t source, uint32_t partition, int64_t wake_us,
               uint32_t limit, store_on_exec *each, void *ctx)
{
    struct read *read = read_create(READ_PARKED, ctx);
    read->source = source;
    read->partition = partition;
    read->wake_us = wake_us;
    read->limit = limit;
    read->call = pg_random(PG_SESSION(ss)) | 1;
    read->on.exec = each;
    read->tell_rows = tell_parked;
    pg_enqueue(PG_SESSION(ss), &read->rq, false);
}
