/* SPDX-License-Identifier: Apache-2.0
 * A turn as one transaction in one round trip.
 *
 *   fence    moves all lanes by compare-and-set, or raises and so ends the transaction
 *   block    once per lane that has one
 *   keep     parked and failed executions, one statement over arrays
 *   remove   those that ended well
 *   rows     of plugins, one statement per table and set of columns
 *   sync     commits; its answer says that it is durable
 *
 * Each commit leaves a token in the lanes it moves. When the answer is lost, the lanes are read
 * back under their locks (which also waits for a server process that is still at it): the token
 * there says that the transaction was in; the old position, that it was not and is sent again;
 * another epoch, that the lane is lost. The same reading tells which lane missed when the fence
 * said no.
 *
 *   SEND -----------------------------> done
 *    |  ^  ^--- rows refused, none found --- DIAGNOSE --> done: bad rows
 *    |  +------ not in ---+
 *    +--- lost or fenced --> READ_BACK --> done: it was in, or fenced
 *
 * SEND is also repeated when a statement that did not look for taken keys met one (pg_shape.c).
 *
 * Thread: the loop's; nothing blocks.
 */
#include "store/pg_int.h"
#include "base/clock.h"
#include "base/log.h"
#include <stdio.h>
#include <stdlib.h>

enum phase { PHASE_SEND = 1, PHASE_READ_BACK, PHASE_DIAGNOSE };

enum tag {
    TAG_FENCE = 1,
    TAG_BLOCK,
    TAG_KEEP,
    TAG_REMOVE,
    TAG_KEY,
    TAG_READ_BACK,
    TAG_END,
    TAG_ROWS, /* + PG_ROWS_TAGS * group + enum pg_rows_tag */
};

enum { DIAGNOSES_MAX = 3 };

struct pg_commit {
    struct pg_request rq;
    struct arena arena;   /* of this commit */
    struct arena scratch; /* of this sending */
    struct pg_session *ps;
    struct timer soon; /* for an answer that needs no database */
    struct packer packer;
    enum phase phase;
    const struct store_turn *turn;
    store_on_commit *done;
    void *ctx;
    int64_t began_us;
    uint64_t token;
    struct pg_rows rows;
    unsigned n_again, n_diagnoses;
    /* the first statement that failed */
    bool failed;
    unsigned failed_tag;
    char sqlstate[6], words[300];
    PGresult *read_back;
    wf_str places; /* where the lanes are now, when the transaction is in */
    struct store_commit_result result;
};

const struct pg_statement pg_commit_statements[] = {
    { "block",
      "INSERT INTO block (" PG_BLOCK_COLUMNS ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, "
      "$11, $12, $13, $14, $15, $16, $17, $18)" },
    { "keep",
      "INSERT INTO execution AS e (source, partition, position, version, status, started_at, "
      "ended_at, wake_at, node, error, state) "
      "SELECT * FROM unnest($1::int[], $2::int[], $3::bigint[], $4::bigint[], $5::smallint[], "
      "$6::timestamptz[], $7::timestamptz[], $8::timestamptz[], $9::text[], $10::text[], "
      "$11::text[]) "
      "ON CONFLICT (source, partition, position) DO UPDATE SET version = excluded.version, "
      "status = excluded.status, retry = false, handed_epoch = 0, handed_call = 0, "
      "started_at = excluded.started_at, ended_at = excluded.ended_at, "
      "wake_at = excluded.wake_at, node = excluded.node, error = excluded.error, "
      "state = excluded.state" },
    { "remove",
      "DELETE FROM execution e USING unnest($1::int[], $2::int[], $3::bigint[]) "
      "AS w(source, partition, position) "
      "WHERE e.source = w.source AND e.partition = w.partition AND e.position = w.position" },
    { "key", "UPDATE webhook_key SET accepted = true, status = coalesce($4, status), "
             "headers = coalesce($5, headers), body = coalesce($6, body) "
             "WHERE source = $1 AND key = $2 AND token = $3" },
    { NULL, NULL },
};

/* --- sending ---------------------------------------------------------------------------------- */

static int send_block(struct pg_session *ps, struct pg_commit *c, const struct store_block *b)
{
    struct kept_block k;
    keep_block(&c->scratch, &c->packer, b, ps->base.store->config.save_inputs, &k);
    struct pg_params p = { .n = 0 };
    pg_put_i32(&p, k.source);
    pg_put_i32(&p, k.partition);
    pg_put_i64(&p, k.seq);
    pg_put_i32(&p, k.n);
    pg_put_i64(&p, k.position_min);
    pg_put_i64(&p, k.position_max);
    pg_put_i64(&p, k.version);
    pg_put_i64(&p, (uint64_t)k.started_us);
    pg_put_i32(&p, k.n_outputs);
    pg_put_i32(&p, k.inputs_bytes);
    pg_put_i32(&p, k.outputs_bytes);
    pg_put_i64(&p, k.checksum);
    pg_put_bytes(&p, k.positions);
    pg_put_bytes(&p, k.versions);
    pg_put_bytes(&p, k.statuses);
    pg_put_bytes(&p, k.durations);
    pg_put_bytes(&p, k.started);
    pg_put_bytes(&p, k.payload);
    return pg_send(ps, TAG_BLOCK, "block", &p);
}

static void add_texts(struct pg_commit *c, struct pg_params *p)
{
    const struct store_turn *turn = c->turn;
    uint32_t n = turn->n_execs;
    wf_str *clean[3];
    size_t bytes[3] = { 0 };
    for (int column = 0; column < 3; column++)
        clean[column] = arena_alloc(&c->scratch, n * sizeof(wf_str));
    for (uint32_t i = 0; i < n; i++) {
        const wf_str texts[3] = { turn->execs[i].node, turn->execs[i].error, turn->execs[i].state };
        for (int column = 0; column < 3; column++) {
            clean[column][i] = store_clean_text(&c->scratch, texts[column]);
            bytes[column] += clean[column][i].len;
        }
    }
    for (int column = 0; column < 3; column++) {
        struct pg_array to = pg_array(&c->scratch, PG_TEXT, n, bytes[column]);
        for (uint32_t i = 0; i < n; i++)
            pg_add_text(&to, clean[column][i]);
        pg_put_array(p, &to);
    }
}

/* The columns of "keep" before its texts; the first three, an execution's id, make "remove". */
enum {
    SOURCE,
    PARTITION,
    POSITION,
    ID_COLUMNS,
    VERSION = ID_COLUMNS,
    STATUS,
    STARTED,
    ENDED,
    WAKE,
    KEEP_COLUMNS
};
static const uint32_t keep_types[KEEP_COLUMNS] = {
    [SOURCE] = PG_INT4,       [PARTITION] = PG_INT4,   [POSITION] = PG_INT8,
    [VERSION] = PG_INT8,      [STATUS] = PG_INT2,      [STARTED] = PG_TIMESTAMPTZ,
    [ENDED] = PG_TIMESTAMPTZ, [WAKE] = PG_TIMESTAMPTZ,
};

static void add_id(struct pg_array *columns, struct exec_id id)
{
    pg_add_i32(&columns[SOURCE], id.source);
    pg_add_i32(&columns[PARTITION], id.partition);
    pg_add_i64(&columns[POSITION], id.position);
}

static int send_keep(struct pg_session *ps, struct pg_commit *c)
{
    const struct store_turn *turn = c->turn;
    struct pg_params p = { .n = 0 };
    struct pg_array columns[KEEP_COLUMNS];
    pg_arrays(&c->scratch, keep_types, KEEP_COLUMNS, turn->n_execs, columns);
    for (uint32_t i = 0; i < turn->n_execs; i++) {
        const struct store_exec *e = &turn->execs[i];
        add_id(columns, e->id);
        pg_add_i64(&columns[VERSION], e->version);
        pg_add_i16(&columns[STATUS], (uint16_t)e->status);
        pg_add_time(&columns[STARTED], e->started_us ? e->started_us : 1);
        pg_add_time(&columns[ENDED], e->ended_us);
        pg_add_time(&columns[WAKE], e->wake_us ? e->wake_us : INT64_MAX);
    }
    pg_put_arrays(&p, columns, KEEP_COLUMNS);
    add_texts(c, &p);
    return pg_send(ps, TAG_KEEP, "keep", &p);
}

static int send_remove(struct pg_session *ps, struct pg_commit *c)
{
    const struct store_turn *turn = c->turn;
    struct pg_params p = { .n = 0 };
    struct pg_array columns[ID_COLUMNS];
    pg_arrays(&c->scratch, keep_types, ID_COLUMNS, turn->n_ended, columns);
    for (uint32_t i = 0; i < turn->n_ended; i++)
        add_id(columns, turn->ended[i]);
    pg_put_arrays(&p, columns, ID_COLUMNS);
    return pg_send(ps, TAG_REMOVE, "remove", &p);
}

static int send_key(struct pg_session *ps, const struct store_key_mark *k)
{
    static const wf_str none = { NULL, 0 };
    struct pg_params p = { .n = 0 };
    pg_put_i32(&p, k->exec.source);
    pg_put_bytes(&p, k->key);
    pg_put_i64(&p, k->token);
    if (k->status)
        pg_put_i32(&p, (uint32_t)k->status);
    else
        pg_put_bytes(&p, none);
    pg_put_bytes(&p, k->status ? k->headers : none);
    pg_put_bytes(&p, k->status ? k->body : none);
    return pg_send(ps, TAG_KEY, "key", &p);
}

static int send_turn(struct pg_session *ps, struct pg_commit *c)
{
    const struct store_turn *turn = c->turn;
    if (turn->n_blocks && pg_fence_send(ps, &c->scratch, turn, c->token, TAG_FENCE) != 0)
        return -1;
    for (uint32_t i = 0; i < turn->n_blocks; i++)
        if (turn->blocks[i].seq && send_block(ps, c, &turn->blocks[i]) != 0)
            return -1;
    if (turn->n_execs && send_keep(ps, c) != 0)
        return -1;
    if (turn->n_ended && send_remove(ps, c) != 0)
        return -1;
    for (uint32_t i = 0; i < turn->n_keys; i++)
        if (send_key(ps, &turn->keys[i]) != 0)
            return -1;
    for (uint32_t i = 0; i < c->rows.n_groups; i++)
        if (pg_rows_send(ps, &c->scratch, turn, &c->rows, &c->rows.groups[i],
                         TAG_ROWS + PG_ROWS_TAGS * i) != 0)
            return -1;
    return 0;
}

/* Tries the rows one by one; the fence that nobody passes takes it all back. */
static int send_diagnose(struct pg_session *ps, struct pg_commit *c)
{
    for (uint32_t i = 0; i < c->rows.n_groups; i++)
        if (pg_rows_diagnose(ps, &c->scratch, c->turn, &c->rows.groups[i],
                             TAG_ROWS + PG_ROWS_TAGS * i + PG_ROWS_WRITTEN) != 0)
            return -1;
    if (!PQsendQueryParams(ps->conn, "SELECT catalyst_fence(1, 0)", 0, NULL, NULL, NULL, NULL, 0))
        return -1;
    pg_expect(ps, TAG_END);
    return 0;
}

static struct pg_commit *commit_of(struct pg_request *rq)
{
    return CONTAINER_OF(rq, struct pg_commit, rq);
}

static void forget_answers(struct pg_commit *c)
{
    PQclear(c->read_back);
    c->read_back = NULL;
    c->failed = false;
}

static int commit_send(struct pg_session *ps, struct pg_request *rq)
{
    struct pg_commit *c = commit_of(rq);
    forget_answers(c);
    arena_clear(&c->scratch);
    switch (c->phase) {
    case PHASE_SEND:
        return send_turn(ps, c);
    case PHASE_READ_BACK:
        return pg_read_back_send(ps, &c->scratch, c->turn, TAG_READ_BACK);
    case PHASE_DIAGNOSE:
        break;
    }
    return send_diagnose(ps, c);
}

/* --- answers ---------------------------------------------------------------------------------- */

static void note_bad_rows(struct pg_commit *c, const struct pg_group *group, const PGresult *r)
{
    for (int i = 0; i < PQntuples(r); i++) {
        uint32_t entry = (uint32_t)pg_int(r, i, 0);
        if (entry < group->n)
            pg_rows_bad(&c->rows, group->rows[entry], arena_strdup(&c->arena, PQgetvalue(r, i, 1)));
    }
}

static bool is_of_rows(unsigned tag, enum pg_rows_tag which)
{
    return tag >= TAG_ROWS && (tag - TAG_ROWS) % PG_ROWS_TAGS == which;
}

static const struct pg_group *group_of(const struct pg_commit *c, unsigned tag)
{
    return &c->rows.groups[(tag - TAG_ROWS) / PG_ROWS_TAGS];
}

static bool commit_result(struct pg_session *ps, struct pg_request *rq, unsigned tag, PGresult *r)
{
    struct pg_commit *c = commit_of(rq);
    ExecStatusType status = PQresultStatus(r);
    if (status == PGRES_FATAL_ERROR && !c->failed) {
        const char *state = PQresultErrorField(r, PG_DIAG_SQLSTATE);
        c->failed = true;
        c->failed_tag = tag;
        snprintf(c->sqlstate, sizeof c->sqlstate, "%s", state ? state : "");
        pg_words(c->words, sizeof c->words, PQresultErrorField(r, PG_DIAG_MESSAGE_PRIMARY));
    }
    if (is_of_rows(tag, PG_ROWS_PREPARED) && status == PGRES_COMMAND_OK)
        pg_rows_prepared(ps, group_of(c, tag));
    if (status != PGRES_TUPLES_OK)
        return false;
    if (tag == TAG_FENCE)
        pg_fence_moved(&c->arena, r, &c->places);
    if (is_of_rows(tag, PG_ROWS_SHAPE))
        pg_shape_take(ps, group_of(c, tag), r);
    if (c->phase == PHASE_DIAGNOSE && is_of_rows(tag, PG_ROWS_WRITTEN))
        note_bad_rows(c, group_of(c, tag), r);
    if (tag != TAG_READ_BACK)
        return false;
    c->read_back = r;
    return true;
}

static bool finish(struct pg_commit *c, enum store_result result)
{
    c->result.result = result;
    return true;
}

static bool go_on(struct pg_commit *c, enum phase phase)
{
    c->phase = phase;
    return false;
}

/* Trouble that is not the turn's: wait, and do this phase again. */
static bool wait_out(struct pg_session *ps, struct pg_commit *c)
{
    char reason[400];
    snprintf(reason, sizeof reason, "PostgreSQL: %s (%s)", c->words, c->sqlstate);
    switch (pg_trouble(c->sqlstate)) {
    case PG_TROUBLE_AGAIN:
        pg_again(ps, ++c->n_again);
        break;
    case PG_TROUBLE_RECONNECT:
        /* The server said that it failed, so reading back is not needed, but does no harm. */
        pg_break(ps, reason);
        break;
    case PG_TROUBLE_DATA: /* in a statement of ours: somebody changed the schema or our rights */
    case PG_TROUBLE_WEATHER:
        pg_pause(ps, reason);
        break;
    }
    return false;
}

static bool is_rows_fault(const struct pg_commit *c)
{
    /* Constraints that are checked at the end fail at the sync, which has no tag. */
    return c->turn->n_rows && (c->failed_tag >= TAG_ROWS || !c->failed_tag) &&
           (pg_trouble(c->sqlstate) == PG_TROUBLE_DATA || !strcmp(c->sqlstate, "0A000"));
}

/* A statement that did not look found a key that is taken. */
static bool met_a_key(struct pg_session *ps, const struct pg_commit *c)
{
    return !strcmp(c->sqlstate, "23505") && is_of_rows(c->failed_tag, PG_ROWS_WRITTEN) &&
           pg_shape_doubt(ps, group_of(c, c->failed_tag));
}

static bool end_send(struct pg_session *ps, struct pg_commit *c)
{
    if (!c->failed) {
        pg_fence_remember(ps, c->turn, c->places);
        return finish(c, STORE_OK);
    }
    if (c->failed_tag == TAG_FENCE && !strcmp(c->sqlstate, "CT001"))
        return go_on(c, PHASE_READ_BACK);
    if (!is_rows_fault(c))
        return wait_out(ps, c);
    if (met_a_key(ps, c))
        return go_on(c, PHASE_SEND);
    if (c->n_diagnoses < DIAGNOSES_MAX)
        return go_on(c, PHASE_DIAGNOSE);
    /* One by one they pass, together they do not: the whole statement is refused. */
    uint32_t failed = c->failed_tag ? (c->failed_tag - TAG_ROWS) / PG_ROWS_TAGS : 0;
    for (uint32_t g = failed; g < (c->failed_tag ? failed + 1 : c->rows.n_groups); g++)
        for (uint32_t i = 0; i < c->rows.groups[g].n; i++)
            pg_rows_bad(&c->rows, c->rows.groups[g].rows[i], arena_strdup(&c->arena, c->words));
    return finish(c, STORE_BAD_ROWS);
}

static bool end_diagnose(struct pg_session *ps, struct pg_commit *c)
{
    if (c->failed && c->failed_tag != TAG_END)
        return wait_out(ps, c);
    if (c->rows.n_bad)
        return finish(c, STORE_BAD_ROWS);
    c->n_diagnoses++;
    c->rows.as_json = true;
    pg_shapes_forget(ps);
    return go_on(c, PHASE_SEND);
}

/* The lanes in the order of the turn; a lane that is not there is lost. */
static bool end_read_back(struct pg_session *ps, struct pg_commit *c)
{
    if (c->failed)
        return wait_out(ps, c);
    const PGresult *r = c->read_back;
    uint32_t n = c->turn->n_blocks;
    pg_fence_forget(ps, c->turn); /* from here on they are looked for by their key */
    bool *holds = arena_zalloc(&c->arena, n * sizeof *holds);
    for (int row = 0; row < PQntuples(r); row++) {
        uint32_t i = pg_get_i32(r, row, 0) - 1;
        const struct store_block *b = &c->turn->blocks[i];
        if (pg_get_i64(r, row, 4) == c->token)
            return finish(c, STORE_OK); /* it was in, and so was all of it */
        if (pg_get_i64(r, row, 1) == b->epoch && pg_get_i64(r, row, 2) < b->position_old)
            log_error("store", "store.regressed",
                      "source %u, partition %u: PostgreSQL is back at position %llu, this engine "
                      "was at %llu: the server lost commits (a fail-over to a replica?)",
                      b->source, b->partition, (unsigned long long)pg_get_i64(r, row, 2),
                      (unsigned long long)b->position_old);
        holds[i] = pg_get_i64(r, row, 1) == b->epoch && pg_get_i64(r, row, 2) == b->position_old &&
                   (!b->seq || pg_get_i64(r, row, 3) == b->seq - 1);
    }
    for (uint32_t i = 0; i < n; i++) {
        if (!holds[i]) {
            c->result.lane = i;
            return finish(c, STORE_FENCED);
        }
    }
    return go_on(c, PHASE_SEND);
}

static bool commit_end(struct pg_session *ps, struct pg_request *rq)
{
    struct pg_commit *c = commit_of(rq);
    switch (c->phase) {
    case PHASE_SEND:
        return end_send(ps, c);
    case PHASE_READ_BACK:
        return end_read_back(ps, c);
    case PHASE_DIAGNOSE:
        break;
    }
    return end_diagnose(ps, c);
}

static void commit_lost(struct pg_session *ps, struct pg_request *rq)
{
    (void)ps;
    struct pg_commit *c = commit_of(rq);
    c->rows.n_bad = 0;
    /* Without lanes there is nothing to read back, and the turn may be repeated. */
    if (c->phase == PHASE_SEND && c->turn->n_blocks)
        c->phase = PHASE_READ_BACK;
}

static void commit_tell(struct pg_session *ps, struct pg_request *rq)
{
    struct pg_commit *c = commit_of(rq);
    forget_answers(c);
    if (ps->is_closed)
        return;
    pg_rows_sort(&c->rows);
    struct store_commit_result result = c->result;
    result.bad = c->rows.bad;
    result.n_bad = c->rows.n_bad;
    result.took_us = clock_mono_us() - c->began_us;
    ps->base.is_committing = false;
    /* The callback may start the next commit, which clears the arena: `bad` is the callback's until
     * then. */
    c->done(c->ctx, &result);
}

static void commit_drop(struct pg_request *rq) { forget_answers(commit_of(rq)); }

/* --- from outside ----------------------------------------------------------------------------- */

static void on_soon(void *arg)
{
    struct pg_commit *c = arg;
    pg_tell(c->ps, &c->rq);
}

struct pg_commit *pg_commit_create(struct pg_session *ps)
{
    struct pg_commit *c = xcalloc(1, sizeof *c);
    c->ps = ps;
    c->soon = (struct timer){ .fn = on_soon, .arg = c };
    arena_init(&c->arena, NULL, 0);
    arena_init(&c->scratch, NULL, 0);
    c->rq = (struct pg_request){ .send = commit_send,
                                 .on_result = commit_result,
                                 .on_end = commit_end,
                                 .on_lost = commit_lost,
                                 .tell = commit_tell,
                                 .drop = commit_drop };
    return c;
}

void pg_commit_destroy(struct pg_commit *c)
{
    timer_stop(c->ps->base.config.loop, &c->soon);
    arena_fini(&c->arena);
    arena_fini(&c->scratch);
    packer_fini(&c->packer);
    free(c);
}

void pg_commit(struct store_session *ss, const struct store_turn *turn, store_on_commit *done,
               void *ctx)
{
    struct pg_session *ps = PG_SESSION(ss);
    struct pg_commit *c = ps->commit;
    arena_clear(&c->arena);
    c->phase = PHASE_SEND;
    c->turn = turn;
    c->done = done;
    c->ctx = ctx;
    c->began_us = clock_mono_us();
    c->token = pg_random(ps) | 1; /* a lane begins with 0 */
    c->n_again = c->n_diagnoses = 0;
    c->result = (struct store_commit_result){ 0 };
    pg_rows_group(&c->arena, turn, &c->rows);
    if (!c->rows.n_bad) {
        pg_enqueue(ps, &c->rq, true);
        return;
    }
    c->result.result = STORE_BAD_ROWS; /* no need to ask the database */
    timer_start(ps->base.config.loop, &c->soon, 0);
}
