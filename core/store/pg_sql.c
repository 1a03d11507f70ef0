/* SPDX-License-Identifier: Apache-2.0
 * The connection for plugins' statements, one for each worker that has asked, on the worker's loop.
 *
 *           a call          timer                     answered
 *   REST ---------> DOWN ----------> CONNECTING -----------------> READY
 *    ^               ^                   |                           |
 *    +--- nobody ----+-------------------+---------------------------+
 *         waits            it broke, or was silent for too long
 *
 * Calls wait in a queue and are sent ahead of each other's answers, up to FLYING_MAX; each ends
 * with a sync, which makes it a transaction by itself. A call that was under way when the
 * connection broke is told so and never sent again: whether it was done is the plugin's to find
 * out. What waits has STORE_SQL_TIMEOUT_MS to be sent; what runs is ended by the server after the
 * same time.
 *
 * Callbacks may close the session. So every event is between enter() and leave(), and leave() frees
 * it. Thread: the loop's; nothing blocks.
 */
#include "store/pg_sql_int.h"
#include "base/clock.h"
#include "base/log.h"
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

enum {
    FLYING_MAX = 64,
    BACKOFF_FIRST_US = 100 * 1000,
    BACKOFF_MAX_US = 5 * 1000 * 1000,
    CONNECT_US = 10 * 1000 * 1000,
    TICK_US = 250 * 1000,
    SILENCE_US = (STORE_SQL_TIMEOUT_MS + 5000) * 1000,
};

static void on_event(void *arg, int events);
static void pump(struct pg_sql *q);

static void enter(struct pg_sql *q) { q->depth++; }

static void destroy(struct pg_sql *q);

static void leave(struct pg_sql *q)
{
    if (--q->depth == 0 && q->is_closed)
        destroy(q);
}

/* --- steps ------------------------------------------------------------------------------------ */

struct sql_step *sql_step_add(struct pg_sql *q, enum sql_step_kind kind, struct sql_call *call)
{
    if (q->n_steps == q->steps_size) {
        unsigned size = q->steps_size ? 2 * q->steps_size : 64;
        struct sql_step *larger = xcalloc(size, sizeof *larger);
        for (unsigned i = 0; i < q->n_steps; i++)
            larger[i] = q->steps[(q->first_step + i) % q->steps_size];
        free(q->steps);
        q->steps = larger;
        q->steps_size = size;
        q->first_step = 0;
    }
    struct sql_step *step = &q->steps[(q->first_step + q->n_steps++) % q->steps_size];
    *step = (struct sql_step){ .kind = kind, .call = call };
    return step;
}

static struct sql_step take_step(struct pg_sql *q)
{
    struct sql_step step = q->steps[q->first_step];
    q->first_step = (q->first_step + 1) % q->steps_size;
    q->n_steps--;
    return step;
}

/* --- the connection goes ---------------------------------------------------------------------- */

static void forget_prepared(struct pg_sql *q)
{
    struct sql_prepared *p;
    LIST_EACH(p, &q->all_prepared, struct sql_prepared, link)
    {
        list_remove(&p->link);
        free(p);
    }
    map_fini(&q->prepared);
    map_init(&q->prepared);
    q->n_prepared = 0;
}

static void disconnect(struct pg_sql *q)
{
    if (q->watch)
        watch_stop(q->watch);
    q->watch = NULL;
    PQfinish(q->conn);
    q->conn = NULL;
    timer_stop(q->loop, &q->timer);
    forget_prepared(q);
    q->n_steps = 0;
    q->verdict = NULL;
    q->is_wrong_server = false;
}

static int64_t next_backoff(struct pg_sql *q)
{
    q->random = q->random * 6364136223846793005u + 1442695040888963407u;
    int64_t us = q->backoff_us / 2 + (int64_t)((q->random >> 33) % (uint64_t)(q->backoff_us / 2));
    q->backoff_us = q->backoff_us * 2 > BACKOFF_MAX_US ? BACKOFF_MAX_US : q->backoff_us * 2;
    return us;
}

static void want_connection(struct pg_sql *q)
{
    if (q->state != SQL_REST || list_empty(&q->waiting))
        return;
    q->state = SQL_DOWN;
    timer_start(q->loop, &q->timer, 0);
}

void sql_lost(struct pg_sql *q, const char *reason)
{
    char words[200];
    pg_words(words, sizeof words, reason);
    if (strcmp(q->session->sql.trouble, words) != 0)
        log_warn("store", "sql.down", "the connection for plugins: %s", words);
    snprintf(q->session->sql.trouble, sizeof q->session->sql.trouble, "%s", words);
    if (q->state == SQL_CONNECTING)
        q->rotation++;
    disconnect(q);
    q->state = SQL_DOWN;
    timer_start(q->loop, &q->timer, next_backoff(q));
    q->n_flying = 0;
    struct link flying;
    list_init(&flying);
    while (!list_empty(&q->flying)) {
        struct sql_call *call = LIST_FIRST(&q->flying, struct sql_call, link);
        list_remove(&call->link);
        list_append(&flying, &call->link);
    }
    while (!list_empty(&flying)) {
        struct sql_call *call = LIST_FIRST(&flying, struct sql_call, link);
        list_remove(&call->link);
        if (q->is_closed)
            sql_call_drop(call);
        else
            sql_call_tell_lost(q, call, words);
    }
    if (list_empty(&q->waiting) && q->state == SQL_DOWN) {
        timer_stop(q->loop, &q->timer);
        q->state = SQL_REST;
    }
}

/* --- connecting ------------------------------------------------------------------------------- */

static void watch_connecting(struct pg_sql *q, PostgresPollingStatusType wants)
{
    struct err err;
    q->watch = watch_create(q->loop, PQsocket(q->conn), on_event, q, &err);
    if (!q->watch) {
        sql_lost(q, err.text);
        return;
    }
    watch_set(q->watch, wants == PGRES_POLLING_READING ? WATCH_READABLE : WATCH_WRITABLE);
}

static void no_notice(void *ctx, const char *message) { (void)ctx, (void)message; }

static void connect_start(struct pg_sql *q)
{
    struct pg_target target;
    struct err err;
    if (pg_target_init(&target, pg_of(q->session->store), &q->rotation, &err) != 0) {
        sql_lost(q, err.text);
        return;
    }
    q->state = SQL_CONNECTING;
    q->conn = PQconnectStartParams(target.keywords, target.values, 0);
    pg_target_fini(&target);
    if (!q->conn || PQstatus(q->conn) == CONNECTION_BAD) {
        sql_lost(q, q->conn ? PQerrorMessage(q->conn) : "out of memory");
        return;
    }
    PQsetNoticeProcessor(q->conn, no_notice, NULL);
    timer_start(q->loop, &q->timer, CONNECT_US);
    watch_connecting(q, PGRES_POLLING_WRITING);
}

static int send_setup(struct pg_sql *q)
{
    char ms[24];
    const char *values[] = { ms };
    snprintf(ms, sizeof ms, "%d", STORE_SQL_TIMEOUT_MS);
    if (!PQsendQueryParams(
            q->conn,
            "SELECT set_config('statement_timeout', $1, false), set_config('jit', 'off', false), "
            "set_config('synchronous_commit', CASE current_setting('synchronous_commit') "
            "WHEN 'off' THEN 'on' WHEN 'local' THEN 'on' "
            "ELSE current_setting('synchronous_commit') END, false)",
            1, NULL, values, NULL, NULL, 0) ||
        !PQpipelineSync(q->conn))
        return -1;
    sql_step_add(q, STEP_SETUP, NULL);
    sql_step_add(q, STEP_SETUP_END, NULL);
    return 0;
}

static void connected(struct pg_sql *q)
{
    struct err err = { 0 };
    q->watch = watch_create(q->loop, PQsocket(q->conn), on_event, q, &err);
    if (!q->watch || PQsetnonblocking(q->conn, 1) != 0 || !PQenterPipelineMode(q->conn) ||
        send_setup(q) != 0) {
        sql_lost(q, q->watch ? PQerrorMessage(q->conn) : err.text);
        return;
    }
    timer_stop(q->loop, &q->timer);
    q->heard_us = clock_mono_us();
    q->state = SQL_READY;
}

static void connect_step(struct pg_sql *q)
{
    watch_stop(q->watch); /* before libpq may close the socket */
    q->watch = NULL;
    PostgresPollingStatusType wants = PQconnectPoll(q->conn);
    if (wants == PGRES_POLLING_OK)
        connected(q);
    else if (wants == PGRES_POLLING_FAILED)
        sql_lost(q, PQerrorMessage(q->conn));
    else
        watch_connecting(q, wants);
}

/* --- sending and reading ---------------------------------------------------------------------- */

static void flush(struct pg_sql *q)
{
    int left = PQflush(q->conn);
    if (left < 0)
        sql_lost(q, PQerrorMessage(q->conn));
    else
        watch_set(q->watch, left ? WATCH_READABLE | WATCH_WRITABLE : WATCH_READABLE);
}

static bool may_send(const struct pg_sql *q)
{
    if (q->is_closed || q->state != SQL_READY || q->verdict || q->n_flying >= FLYING_MAX ||
        list_empty(&q->waiting))
        return false;
    const struct sql_call *next = CONTAINER_OF(q->waiting.next, struct sql_call, link);
    return !q->n_flying || !sql_call_is_alone(next);
}

static void pump(struct pg_sql *q)
{
    bool any = false;
    while (may_send(q)) {
        struct sql_call *call = LIST_FIRST(&q->waiting, struct sql_call, link);
        list_remove(&call->link);
        if (!q->n_flying)
            q->heard_us = clock_mono_us();
        list_append(&q->flying, &call->link);
        q->n_flying++;
        if (sql_call_is_alone(call))
            q->verdict = call;
        any = true;
        if (sql_call_send(q, call) != 0) {
            sql_lost(q, PQerrorMessage(q->conn));
            return;
        }
    }
    if (any)
        flush(q);
    want_connection(q);
    if (!q->is_closed && !timer_is_running(&q->tick) &&
        (q->n_flying || !list_empty(&q->waiting) || !list_empty(&q->refused)))
        timer_start(q->loop, &q->tick, list_empty(&q->refused) ? TICK_US : 0);
}

static void end_setup(struct pg_sql *q)
{
    q->backoff_us = BACKOFF_FIRST_US;
    if (q->session->sql.trouble[0])
        log_info("store", "sql.up", "the connection for plugins is back");
    q->session->sql.trouble[0] = 0;
}

static void end_call(struct pg_sql *q, const struct sql_step *step)
{
    int rc = 0;
    struct sql_call *call = step->call;
    if (!sql_call_end(q, step, &rc)) {
        if (rc != 0)
            sql_lost(q, PQerrorMessage(q->conn));
        return;
    }
    if (q->verdict == call)
        q->verdict = NULL;
    list_remove(&call->link);
    q->n_flying--;
    sql_call_tell(q, call);
    if (q->is_wrong_server && !q->is_closed)
        sql_lost(q, "the server cannot serve statements that write");
}

static void take_sync(struct pg_sql *q)
{
    struct sql_step step = take_step(q);
    switch (step.kind) {
    case STEP_SETUP_END:
        end_setup(q);
        break;
    case STEP_END:
    case STEP_VERDICT_END:
        end_call(q, &step);
        break;
    default:
        break;
    }
}

static void take_result(struct pg_sql *q, PGresult *r)
{
    if (PQresultStatus(r) == PGRES_PIPELINE_SYNC) {
        PQclear(r);
        take_sync(q);
        return;
    }
    const struct sql_step *step = &q->steps[q->first_step];
    if (step->kind == STEP_SETUP && PQresultStatus(r) == PGRES_FATAL_ERROR) {
        char words[200];
        pg_words(words, sizeof words, PQresultErrorField(r, PG_DIAG_MESSAGE_PRIMARY));
        PQclear(r);
        sql_lost(q, words);
        return;
    }
    sql_call_result(q, step, r);
}

static bool may_read(const struct pg_sql *q)
{
    return q->conn && !q->is_closed && q->state == SQL_READY && q->n_steps && !PQisBusy(q->conn);
}

static bool is_sync(const struct sql_step *step)
{
    return step->kind == STEP_SETUP_END || step->kind == STEP_PREPARE_END ||
           step->kind == STEP_END || step->kind == STEP_VERDICT_END;
}

/* NULL ends the results of one statement, and of a constraint that failed at the sync, which has an
 * answer of its own; a second one in a row says that nothing is under way. */
static void read_results(struct pg_sql *q)
{
    bool was_null = false;
    while (may_read(q)) {
        PGresult *r = PQgetResult(q->conn);
        if (!r && was_null)
            break;
        was_null = !r;
        if (r)
            take_result(q, r);
        else if (!is_sync(&q->steps[q->first_step]))
            (void)take_step(q);
    }
}

static void on_ready(struct pg_sql *q, int events)
{
    if (events & WATCH_READABLE) {
        bool is_whole = PQconsumeInput(q->conn);
        q->heard_us = clock_mono_us();
        read_results(q);
        if (q->is_closed || q->state != SQL_READY)
            return;
        if (!is_whole || PQstatus(q->conn) == CONNECTION_BAD) {
            sql_lost(q, PQerrorMessage(q->conn));
            return;
        }
    }
    flush(q);
}

static void on_event(void *arg, int events)
{
    struct pg_sql *q = arg;
    enter(q);
    if (q->state == SQL_CONNECTING)
        connect_step(q);
    else
        on_ready(q, events);
    pump(q);
    leave(q);
}

static void on_timer(void *arg)
{
    struct pg_sql *q = arg;
    enter(q);
    if (q->state == SQL_DOWN)
        connect_start(q);
    else if (q->state == SQL_CONNECTING)
        sql_lost(q, "PostgreSQL does not answer");
    pump(q);
    leave(q);
}

/* --- limits of time --------------------------------------------------------------------------- */

static void tell_late(struct pg_sql *q)
{
    int64_t since_us = clock_mono_us() - (int64_t)STORE_SQL_TIMEOUT_MS * 1000;
    while (!q->is_closed && !list_empty(&q->waiting)) {
        struct sql_call *call = LIST_FIRST(&q->waiting, struct sql_call, link);
        if (call->began_us > since_us)
            break;
        char text[300];
        const char *trouble = q->session->sql.trouble;
        snprintf(text, sizeof text, "was not sent within %d s: %s", STORE_SQL_TIMEOUT_MS / 1000,
                 *trouble ? trouble : "the store is busy");
        list_remove(&call->link);
        sql_tell_error(q->session, call, true, false, text);
    }
}

static void on_tick(void *arg)
{
    struct pg_sql *q = arg;
    enter(q);
    while (!q->is_closed && !list_empty(&q->refused)) {
        struct sql_call *call = LIST_FIRST(&q->refused, struct sql_call, link);
        list_remove(&call->link);
        sql_tell_error(q->session, call, true, false, call->refused);
    }
    tell_late(q);
    if (!q->is_closed && q->n_flying && clock_mono_us() - q->heard_us > SILENCE_US)
        sql_lost(q, "PostgreSQL was silent for too long");
    pump(q);
    leave(q);
}

/* --- from outside ----------------------------------------------------------------------------- */

static struct pg_sql *create(struct store_session *ss)
{
    struct pg_sql *q = xcalloc(1, sizeof *q);
    q->session = ss;
    q->loop = ss->config.loop;
    q->state = SQL_REST;
    q->backoff_us = BACKOFF_FIRST_US;
    q->timer = (struct timer){ .fn = on_timer, .arg = q };
    q->tick = (struct timer){ .fn = on_tick, .arg = q };
    list_init(&q->waiting);
    list_init(&q->flying);
    list_init(&q->refused);
    list_init(&q->all_prepared);
    map_init(&q->prepared);
    if (getrandom(&q->random, sizeof q->random, 0) != (ssize_t)sizeof q->random)
        q->random = (uint64_t)clock_mono_us();
    return q;
}

void pg_sql(struct store_session *ss, struct sql_call *call)
{
    struct pg_session *ps = PG_SESSION(ss);
    struct pg_sql *q = ps->sql = ps->sql ? ps->sql : create(ss);
    enter(q);
    if (call->refused) {
        list_append(&q->refused, &call->link);
        timer_start(q->loop, &q->tick, 0);
    } else {
        sql_call_begin(call);
        list_append(&q->waiting, &call->link);
    }
    /* From within an answer: the event under way goes on with it. */
    if (q->depth == 1)
        pump(q);
    leave(q);
}

static void drop_all(struct link *list)
{
    while (!list_empty(list)) {
        struct sql_call *call = LIST_FIRST(list, struct sql_call, link);
        list_remove(&call->link);
        sql_call_drop(call);
    }
}

static void destroy(struct pg_sql *q)
{
    map_fini(&q->prepared);
    free(q->steps);
    free(q);
}

void pg_sql_close(struct pg_sql *q)
{
    if (!q)
        return;
    enter(q);
    q->is_closed = true;
    disconnect(q);
    timer_stop(q->loop, &q->tick);
    drop_all(&q->waiting);
    drop_all(&q->flying);
    drop_all(&q->refused);
    leave(q);
}
