/* SPDX-License-Identifier: Apache-2.0
 * A worker's connection to PostgreSQL, on the worker's loop.
 *
 *            timer                    setup done
 *   DOWN ------------> CONNECTING -----------------> READY <----------+
 *    ^                     |                          |  pg_pause     | timer
 *    +---------------------+--------------------------+--> PAUSED ----+
 *          the connection broke, or was silent for too long
 *
 * Requests stand in a queue and run one after the other; each is one pipelined round trip that ends
 * with a sync. A request that was under way when the connection broke is sent again from its
 * beginning on the next one; it knows itself what that means (a commit first asks whether it was
 * in).
 *
 * Without BEGIN and COMMIT: statements of a pipeline up to its sync are one transaction by
 * themselves, and the answer to the sync comes when it is durable.
 *
 * Callbacks may close the session. So every event is between enter() and leave(), and leave() frees
 * it. Thread: the loop's. Nothing blocks: connecting goes to addresses, writing and reading wait on
 * the loop.
 */
#include "store/pg_int.h"
#include "base/clock.h"
#include "base/log.h"
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

enum {
    BACKOFF_FIRST_US = 100 * 1000,
    BACKOFF_MAX_US = 5 * 1000 * 1000,
    AGAIN_US = 5 * 1000,
    CONNECT_US = 10 * 1000 * 1000,
};

static void on_event(void *arg, int events);
static void on_timer(void *arg);
static void pump(struct pg_session *ps);

/* --- small things ----------------------------------------------------------------------------- */

uint64_t pg_random(struct pg_session *ps)
{
    ps->random ^= ps->random << 13;
    ps->random ^= ps->random >> 7;
    ps->random ^= ps->random << 17;
    return ps->random;
}

static void start_timer(struct pg_session *ps, int64_t in_us)
{
    timer_start(ps->base.config.loop, &ps->timer, in_us);
}

/* Doubles from time to time, half of it by chance, so that engines do not come back all at once. */
static int64_t next_backoff(struct pg_session *ps)
{
    int64_t us = ps->backoff_us / 2 + (int64_t)(pg_random(ps) % (uint64_t)(ps->backoff_us / 2));
    ps->backoff_us = ps->backoff_us * 2 > BACKOFF_MAX_US ? BACKOFF_MAX_US : ps->backoff_us * 2;
    return us;
}

/* Changes only; another reason to be down is one. */
static void tell_state(struct pg_session *ps, bool up, const char *reason)
{
    bool is_same = ps->told && ps->up == up && (up || !strcmp(ps->reason, reason));
    ps->told = true;
    ps->up = up;
    snprintf(ps->reason, sizeof ps->reason, "%s", up ? "" : reason);
    if (!is_same && !ps->is_closed && ps->base.config.on_state)
        ps->base.config.on_state(ps->base.config.ctx, up, up ? NULL : ps->reason);
}

static void enter(struct pg_session *ps) { ps->depth++; }

static void destroy(struct pg_session *ps)
{
    pg_sql_close(ps->sql);
    pg_commit_destroy(ps->commit);
    pg_pages_fini(ps);
    pg_places_fini(ps);
    map_fini(&ps->prepared);
    pg_shapes_fini(ps);
    free(ps->tags);
    free(ps);
}

static void leave(struct pg_session *ps)
{
    if (--ps->depth == 0 && ps->is_closed)
        destroy(ps);
}

/* --- the connection goes ---------------------------------------------------------------------- */

static void disconnect(struct pg_session *ps)
{
    watch_stop(ps->watch);
    ps->watch = NULL;
    PQfinish(ps->conn);
    ps->conn = NULL;
    timer_stop(ps->base.config.loop, &ps->timer);
    map_fini(&ps->prepared);
    map_init(&ps->prepared);
    pg_shapes_forget(ps);
    ps->n_tags = ps->next_tag = 0;
}

/* What was under way is sent again when there is a connection. */
static void put_back(struct pg_session *ps)
{
    struct pg_request *rq = ps->current;
    ps->current = NULL;
    if (!rq)
        return;
    rq->on_lost(ps, rq);
    if (rq != ps->setup)
        list_prepend(&ps->queue, &rq->link);
}

static void lost(struct pg_session *ps, const char *reason)
{
    char words[300];
    pg_words(words, sizeof words, reason);
    if (ps->state == PG_CONNECTING)
        ps->rotation++; /* libpq goes to the next address after some troubles only; begin with it */
    disconnect(ps);
    put_back(ps);
    ps->state = PG_DOWN;
    start_timer(ps, next_backoff(ps));
    tell_state(ps, false, words);
}

/* --- connecting ------------------------------------------------------------------------------- */

/* libpq changes sockets while it tries addresses, so each step watches anew. */
static void watch_connecting(struct pg_session *ps, PostgresPollingStatusType wants)
{
    struct err err;
    ps->watch = watch_create(ps->base.config.loop, PQsocket(ps->conn), on_event, ps, &err);
    if (!ps->watch) {
        lost(ps, err.text);
        return;
    }
    watch_set(ps->watch, wants == PGRES_POLLING_READING ? WATCH_READABLE : WATCH_WRITABLE);
}

static void on_notice(void *ctx, const char *message)
{
    (void)ctx;
    char words[300];
    pg_words(words, sizeof words, message);
    log_debug("store", "store.notice", "%s", words);
}

static void connect_start(struct pg_session *ps)
{
    struct pg_target target;
    struct err err;
    if (pg_target_init(&target, pg_of(ps->base.store), &ps->rotation, &err) != 0) {
        ps->state = PG_DOWN;
        lost(ps, err.text);
        return;
    }
    ps->state = PG_CONNECTING;
    ps->conn = PQconnectStartParams(target.keywords, target.values, 0);
    pg_target_fini(&target);
    if (!ps->conn || PQstatus(ps->conn) == CONNECTION_BAD) {
        lost(ps, ps->conn ? PQerrorMessage(ps->conn) : "out of memory");
        return;
    }
    PQsetNoticeProcessor(ps->conn, on_notice, NULL);
    start_timer(ps, CONNECT_US);
    watch_connecting(ps, PGRES_POLLING_WRITING);
}

static void connected(struct pg_session *ps)
{
    struct err err;
    ps->watch = watch_create(ps->base.config.loop, PQsocket(ps->conn), on_event, ps, &err);
    if (!ps->watch || PQsetnonblocking(ps->conn, 1) != 0 || !PQenterPipelineMode(ps->conn)) {
        lost(ps, ps->watch ? PQerrorMessage(ps->conn) : err.text);
        return;
    }
    timer_stop(ps->base.config.loop, &ps->timer);
    ps->state = PG_READY;
    pg_enqueue(ps, ps->setup, true);
}

static void connect_step(struct pg_session *ps)
{
    watch_stop(ps->watch); /* before libpq may close the socket */
    ps->watch = NULL;
    PostgresPollingStatusType wants = PQconnectPoll(ps->conn);
    if (wants == PGRES_POLLING_OK)
        connected(ps);
    else if (wants == PGRES_POLLING_FAILED)
        lost(ps, PQerrorMessage(ps->conn));
    else
        watch_connecting(ps, wants);
}

/* --- the first request on a connection -------------------------------------------------------- */

enum { TAG_SETTINGS = 1, TAG_PREPARE };

struct setup {
    struct pg_request rq;
    char why[300]; /* it failed */
};

static int prepare_all(struct pg_session *ps, const struct pg_statement *statements)
{
    for (; statements->name; statements++) {
        if (!PQsendPrepare(ps->conn, statements->name, statements->sql, 0, NULL))
            return -1;
        pg_expect(ps, TAG_PREPARE);
    }
    return 0;
}

/* All statements are look-ups by index, whatever the statistics say of a table that was empty
 * yesterday; planning each of them anew would cost more than running it. */
static int setup_send(struct pg_session *ps, struct pg_request *rq)
{
    struct setup *setup = CONTAINER_OF(rq, struct setup, rq);
    setup->why[0] = 0;
    if (!PQsendQueryParams(
            ps->conn,
            "SELECT set_config('plan_cache_mode', 'force_generic_plan', false), "
            "set_config('enable_seqscan', 'off', false), "
            "set_config('enable_hashjoin', 'off', false), "
            "set_config('enable_mergejoin', 'off', false), "
            "set_config('jit', 'off', false), "
            "set_config('synchronous_commit', CASE current_setting('synchronous_commit') "
            "WHEN 'off' THEN 'on' WHEN 'local' THEN 'on' "
            "ELSE current_setting('synchronous_commit') END, false)",
            0, NULL, NULL, NULL, NULL, 0))
        return -1;
    pg_expect(ps, TAG_SETTINGS);
    if (prepare_all(ps, pg_fence_statements) != 0 || prepare_all(ps, pg_commit_statements) != 0)
        return -1;
    return prepare_all(ps, pg_read_statements);
}

static bool setup_result(struct pg_session *ps, struct pg_request *rq, unsigned tag, PGresult *r)
{
    (void)ps, (void)tag;
    struct setup *setup = CONTAINER_OF(rq, struct setup, rq);
    if (PQresultStatus(r) == PGRES_FATAL_ERROR && !setup->why[0])
        pg_words(setup->why, sizeof setup->why, PQresultErrorField(r, PG_DIAG_MESSAGE_PRIMARY));
    return false;
}

static bool setup_end(struct pg_session *ps, struct pg_request *rq)
{
    struct setup *setup = CONTAINER_OF(rq, struct setup, rq);
    if (!setup->why[0])
        return true;
    pg_break(ps, setup->why);
    return false;
}

static void setup_lost(struct pg_session *ps, struct pg_request *rq) { (void)ps, (void)rq; }

/* When a request waits, its success tells that we are up: it may be what broke the last connection.
 */
static void setup_tell(struct pg_session *ps, struct pg_request *rq)
{
    (void)rq;
    if (!list_empty(&ps->queue))
        return;
    ps->backoff_us = BACKOFF_FIRST_US;
    tell_state(ps, true, NULL);
}

static void setup_drop(struct pg_request *rq) { free(CONTAINER_OF(rq, struct setup, rq)); }

static struct pg_request *setup_create(void)
{
    struct setup *setup = xcalloc(1, sizeof *setup);
    setup->rq = (struct pg_request){ .send = setup_send,
                                     .on_result = setup_result,
                                     .on_end = setup_end,
                                     .on_lost = setup_lost,
                                     .tell = setup_tell,
                                     .drop = setup_drop };
    return &setup->rq;
}

/* --- requests --------------------------------------------------------------------------------- */

void pg_expect(struct pg_session *ps, unsigned tag)
{
    if (ps->n_tags == ps->tags_size) {
        ps->tags_size = ps->tags_size ? 2 * ps->tags_size : 32;
        ps->tags = xrealloc(ps->tags, ps->tags_size * sizeof *ps->tags);
    }
    ps->tags[ps->n_tags++] = (uint16_t)tag;
}

int pg_send(struct pg_session *ps, unsigned tag, const char *prepared, const struct pg_params *p)
{
    if (!PQsendQueryPrepared(ps->conn, prepared, p->n, p->values, p->lengths, p->formats, 1))
        return -1;
    pg_expect(ps, tag);
    return 0;
}

/* Watches for room to write as long as something is left to be written. */
static void flush(struct pg_session *ps)
{
    int left = PQflush(ps->conn);
    if (left < 0)
        lost(ps, PQerrorMessage(ps->conn));
    else
        watch_set(ps->watch, left ? WATCH_READABLE | WATCH_WRITABLE : WATCH_READABLE);
}

static void finish(struct pg_session *ps, struct pg_request *rq)
{
    timer_stop(ps->base.config.loop, &ps->timer);
    if (rq != ps->setup) {
        ps->backoff_us = BACKOFF_FIRST_US;
        tell_state(ps, true, NULL);
    }
    rq->tell(ps, rq);
}

static void send_current(struct pg_session *ps)
{
    struct pg_request *rq = ps->current;
    ps->n_tags = ps->next_tag = 0;
    if (rq->send(ps, rq) != 0 || !PQpipelineSync(ps->conn)) {
        lost(ps, PQerrorMessage(ps->conn));
        return;
    }
    start_timer(ps, ps->base.store->config.commit_timeout_ms * 1000);
    flush(ps);
}

static void pump(struct pg_session *ps)
{
    while (!ps->is_closed && ps->state == PG_READY && !ps->current && !list_empty(&ps->queue)) {
        ps->current = LIST_FIRST(&ps->queue, struct pg_request, link);
        list_remove(&ps->current->link);
        send_current(ps);
    }
}

void pg_enqueue(struct pg_session *ps, struct pg_request *rq, bool first)
{
    enter(ps);
    if (first)
        list_prepend(&ps->queue, &rq->link);
    else
        list_append(&ps->queue, &rq->link);
    pump(ps);
    leave(ps);
}

static void pause_for(struct pg_session *ps, int64_t us)
{
    ps->state = PG_PAUSED;
    start_timer(ps, us);
}

void pg_pause(struct pg_session *ps, const char *reason)
{
    pause_for(ps, next_backoff(ps));
    tell_state(ps, false, reason);
}

void pg_again(struct pg_session *ps, unsigned n)
{
    pause_for(ps, 1 + (int64_t)(pg_random(ps) % (uint64_t)(AGAIN_US * (int64_t)n)));
}

void pg_tell(struct pg_session *ps, struct pg_request *rq)
{
    enter(ps);
    rq->tell(ps, rq);
    pump(ps);
    leave(ps);
}

void pg_break(struct pg_session *ps, const char *reason) { lost(ps, reason); }

/* --- results ---------------------------------------------------------------------------------- */

/* The sync was answered: the request is over, or wants to be sent again. */
static void end_current(struct pg_session *ps)
{
    struct pg_request *rq = ps->current;
    timer_stop(ps->base.config.loop, &ps->timer);
    if (rq->on_end(ps, rq)) {
        ps->current = NULL;
        finish(ps, rq);
    } else if (ps->state == PG_READY && !ps->is_closed) {
        send_current(ps); /* the next step of the same request */
    }
}

static void take_result(struct pg_session *ps, PGresult *r)
{
    struct pg_request *rq = ps->current;
    unsigned tag = ps->next_tag < ps->n_tags ? ps->tags[ps->next_tag] : 0;
    if (PQresultStatus(r) == PGRES_PIPELINE_SYNC) {
        PQclear(r);
        end_current(ps);
    } else if (!rq->on_result(ps, rq, tag, r)) {
        PQclear(r);
    }
}

static bool may_read(struct pg_session *ps)
{
    return ps->conn && ps->current && ps->state == PG_READY && !PQisBusy(ps->conn);
}

/* NULL ends the results of one statement; a second one in a row says that nothing is under way any
 * more, which happens only when the connection broke. */
static void read_results(struct pg_session *ps)
{
    bool was_null = false;
    while (may_read(ps)) {
        PGresult *r = PQgetResult(ps->conn);
        if (!r && was_null)
            break;
        was_null = !r;
        if (r)
            take_result(ps, r);
        else
            ps->next_tag++;
    }
}

static void on_ready(struct pg_session *ps, int events)
{
    if (events & WATCH_READABLE) {
        if (!PQconsumeInput(ps->conn)) {
            /* What came before the end may say why. */
            read_results(ps);
            if (ps->conn)
                lost(ps, PQerrorMessage(ps->conn));
            return;
        }
        if (timer_is_running(&ps->timer) && ps->state == PG_READY)
            start_timer(ps, ps->base.store->config.commit_timeout_ms * 1000);
        read_results(ps);
        if (ps->conn && !ps->current && PQstatus(ps->conn) == CONNECTION_BAD)
            lost(ps, PQerrorMessage(ps->conn));
    }
    if (ps->conn && ps->state != PG_CONNECTING)
        flush(ps);
}

static void on_event(void *arg, int events)
{
    struct pg_session *ps = arg;
    enter(ps);
    if (ps->state == PG_CONNECTING)
        connect_step(ps);
    else
        on_ready(ps, events);
    pump(ps);
    leave(ps);
}

static void on_timer(void *arg)
{
    struct pg_session *ps = arg;
    enter(ps);
    switch (ps->state) {
    case PG_DOWN:
        connect_start(ps);
        break;
    case PG_CONNECTING:
        lost(ps, "PostgreSQL does not answer");
        break;
    case PG_READY:
        lost(ps, "PostgreSQL was silent for too long");
        break;
    case PG_PAUSED:
        ps->state = PG_READY;
        send_current(ps);
        break;
    }
    pump(ps);
    leave(ps);
}

/* --- opening and closing ---------------------------------------------------------------------- */

struct store_session *pg_session_open(struct store *s, const struct store_session_config *config)
{
    struct pg_session *ps = xcalloc(1, sizeof *ps);
    ps->base = (struct store_session){ .store = s, .config = *config };
    ps->state = PG_DOWN;
    ps->backoff_us = BACKOFF_FIRST_US;
    ps->timer = (struct timer){ .fn = on_timer, .arg = ps };
    ps->setup = setup_create();
    ps->commit = pg_commit_create(ps);
    list_init(&ps->queue);
    map_init(&ps->prepared);
    map_init(&ps->shapes);
    map_init(&ps->pages);
    map_init(&ps->places);
    while (!ps->random)
        if (getrandom(&ps->random, sizeof ps->random, 0) != (ssize_t)sizeof ps->random)
            ps->random = (uint64_t)clock_mono_us();
    start_timer(ps, 0);
    return &ps->base;
}

void pg_session_close(struct store_session *ss)
{
    struct pg_session *ps = PG_SESSION(ss);
    enter(ps);
    ps->is_closed = true;
    disconnect(ps);
    put_back(ps);
    while (!list_empty(&ps->queue)) {
        struct pg_request *rq = LIST_FIRST(&ps->queue, struct pg_request, link);
        list_remove(&rq->link);
        rq->drop(rq);
    }
    list_remove(&ps->setup->link);
    ps->setup->drop(ps->setup);
    leave(ps);
}
