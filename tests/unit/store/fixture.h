/* SPDX-License-Identifier: Apache-2.0
 * What the store's tests share: a store of some kind, sessions whose answers are waited for, turns
 * that are quickly written down.
 *
 * PostgreSQL is tested when CATALYST_TEST_POSTGRES is the URL of a server where databases may be
 * made; each fixture then has a fresh one.
 */
#ifndef STORE_FIXTURE_H
#define STORE_FIXTURE_H
#include "base/clock.h"
#include "loop/loop.h"
#include "store/mem_int.h"
#include "store/store.h"
#include <libpq-fe.h>
#include <setjmp.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>

enum fixture_kind { MEMORY = 1, SQLITE, POSTGRES };

struct fixture {
    enum fixture_kind kind;
    char url[300], path[100], database[64];
    struct store *store;
    struct loop *loop;
    struct timer guard;
    uint32_t instance;
    struct store_session *sessions[16]; /* open ones, so that a failed test leaves nothing behind */
};

/* --- SQL beside the store --------------------------------------------------------------------- */

static inline const char *postgres_url(void) { return getenv("CATALYST_TEST_POSTGRES"); }

/* The server's URL with another database. */
static inline void postgres_database_url(char *to, size_t size, const char *database)
{
    const char *url = postgres_url();
    snprintf(to, size, "%.*s/%s", (int)(strrchr(url, '/') - url), url, database);
}

static inline char *pg_sql(const char *url, const char *sql)
{
    static char value[4096];
    PGconn *conn = PQconnectdb(url);
    PGresult *r = PQexec(conn, sql);
    if (PQresultStatus(r) != PGRES_COMMAND_OK && PQresultStatus(r) != PGRES_TUPLES_OK)
        fail_msg("%s: %s", sql, PQerrorMessage(conn));
    snprintf(value, sizeof value, "%s", PQntuples(r) ? PQgetvalue(r, 0, 0) : "");
    PQclear(r);
    PQfinish(conn);
    return value;
}

static inline char *sqlite_sql(const char *path, const char *sql)
{
    static char value[4096];
    sqlite3 *db;
    sqlite3_stmt *statement;
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    sqlite3_busy_timeout(db, 5000);
    if (sqlite3_prepare_v2(db, sql, -1, &statement, NULL) != SQLITE_OK)
        fail_msg("%s: %s", sql, sqlite3_errmsg(db));
    int rc = sqlite3_step(statement);
    if (rc != SQLITE_ROW && rc != SQLITE_DONE)
        fail_msg("%s: %s", sql, sqlite3_errmsg(db));
    const char *text = rc == SQLITE_ROW ? (const char *)sqlite3_column_text(statement, 0) : NULL;
    snprintf(value, sizeof value, "%s", text ? text : "");
    sqlite3_finalize(statement);
    sqlite3_close(db);
    return value;
}

/* One statement on the database under the store; the first value of the first row. Not for memory.
 */
static inline char *sql(struct fixture *f, const char *text)
{
    return f->kind == POSTGRES ? pg_sql(f->url, text) : sqlite_sql(f->path, text);
}

static inline uint32_t count_rows(struct fixture *f, const char *table)
{
    char text[200];
    if (f->kind == MEMORY)
        return mem_count_rows(f->store, table);
    snprintf(text, sizeof text, "SELECT count(*) FROM %s", table);
    return (uint32_t)atoi(sql(f, text));
}

/* The same on tables that a plugin's migration made, in all kinds. */
static inline const char *plugin_sql(struct fixture *f, const char *text)
{
    static char value[4096];
    if (f->kind != MEMORY)
        return sql(f, text);
    mem_tables_text(mem_of(f->store), text, value, sizeof value);
    return value;
}

/* A table for rows of plugins; memory takes any. */
static inline void make_table(struct fixture *f, const char *text)
{
    if (f->kind != MEMORY)
        sql(f, text);
}

/* --- opening ---------------------------------------------------------------------------------- */

static inline void on_guard(void *arg)
{
    (void)arg;
    fprintf(stderr, "the answer did not come within 20 s\n");
    abort();
}

static inline void fixture_url(struct fixture *f)
{
    static unsigned number;
    snprintf(f->database, sizeof f->database, "store_%d_%u", (int)getpid(), ++number);
    switch (f->kind) {
    case MEMORY:
        snprintf(f->url, sizeof f->url, "memory:");
        break;
    case SQLITE:
        snprintf(f->path, sizeof f->path, "/tmp/%s.db", f->database);
        snprintf(f->url, sizeof f->url, "sqlite:%s", f->path);
        break;
    case POSTGRES: {
        char text[100];
        snprintf(text, sizeof text, "CREATE DATABASE %s", f->database);
        pg_sql(postgres_url(), text);
        postgres_database_url(f->url, sizeof f->url, f->database);
        break;
    }
    }
}

static inline struct store *open_again(struct fixture *f)
{
    struct err err = { 0 };
    struct store_config config = { .url = f->url, .save_inputs = true };
    struct store *s = store_open(&config, true, &err);
    if (!s)
        fail_msg("%s", err.text);
    return s;
}

static inline struct fixture *fixture_open(enum fixture_kind kind)
{
    struct fixture *f = xcalloc(1, sizeof *f);
    struct err err;
    f->kind = kind;
    fixture_url(f);
    f->store = open_again(f);
    f->loop = loop_create(&err);
    f->guard = (struct timer){ .fn = on_guard };
    assert_int_equal(store_instance(f->store, STR("test"), &f->instance, &err), 0);
    return f;
}

static inline void close_session(struct fixture *f, struct store_session *ss)
{
    for (size_t i = 0; i < sizeof f->sessions / sizeof *f->sessions; i++)
        if (f->sessions[i] == ss)
            f->sessions[i] = NULL;
    store_session_close(ss);
}

static inline void fixture_close(struct fixture *f)
{
    for (size_t i = 0; i < sizeof f->sessions / sizeof *f->sessions; i++)
        store_session_close(f->sessions[i]);
    store_close(f->store);
    loop_destroy(f->loop);
    if (f->kind == POSTGRES) {
        char text[120];
        snprintf(text, sizeof text, "DROP DATABASE %s WITH (FORCE)", f->database);
        pg_sql(postgres_url(), text);
    }
    if (f->kind == SQLITE) {
        char path[120];
        unlink(f->path);
        snprintf(path, sizeof path, "%s-wal", f->path);
        unlink(path);
        snprintf(path, sizeof path, "%s-shm", f->path);
        unlink(path);
    }
    free(f);
}

/* --- waiting for answers ---------------------------------------------------------------------- */

static inline void wait_loop(struct fixture *f)
{
    timer_start(f->loop, &f->guard, 40 * 1000000);
    loop_run(f->loop);
    timer_stop(f->loop, &f->guard);
}

static inline struct store_session *open_session(struct fixture *f, uint32_t instance)
{
    struct store_session_config config = { .loop = f->loop,
                                           .instance = instance ? instance : f->instance };
    struct store_session *ss = store_session_open(f->store, &config);
    size_t i = 0;
    while (f->sessions[i])
        i++;
    return f->sessions[i] = ss;
}

enum { BAD_MAX = 16 };
struct committed {
    struct fixture *f;
    enum store_result result;
    uint32_t lane, n_bad;
    uint32_t bad[BAD_MAX];
    char reasons[BAD_MAX][200];
    bool is_done;
};

static inline void on_commit(void *ctx, const struct store_commit_result *r)
{
    struct committed *c = ctx;
    c->result = r->result;
    c->lane = r->lane;
    c->n_bad = r->n_bad;
    for (uint32_t i = 0; i < r->n_bad && i < BAD_MAX; i++) {
        c->bad[i] = r->bad[i].row;
        snprintf(c->reasons[i], sizeof c->reasons[i], "%s", r->bad[i].reason);
    }
    c->is_done = true;
    loop_stop(c->f->loop);
}

static inline struct committed commit(struct fixture *f, struct store_session *ss,
                                      const struct store_turn *turn)
{
    struct committed c = { .f = f };
    store_commit(ss, turn, on_commit, &c);
    assert_false(c.is_done); /* never from within */
    wait_loop(f);
    assert_true(c.is_done);
    return c;
}

struct assigned {
    struct fixture *f;
    struct store_lane lane;
};

static inline void on_assign(void *ctx, const struct store_lane *lane, const struct err *err)
{
    struct assigned *a = ctx;
    assert_null(err);
    a->lane = *lane;
    loop_stop(a->f->loop);
}

static inline struct store_lane assign(struct fixture *f, struct store_session *ss, uint32_t source,
                                       uint32_t partition, uint64_t start)
{
    struct assigned a = { .f = f };
    store_assign(ss, source, partition, start, on_assign, &a);
    wait_loop(f);
    return a.lane;
}

/* --- turns ------------------------------------------------------------------------------------ */

enum { ENTRIES_MAX = 2048 };

/* One block with its columns. Statuses and the like may be changed before the commit. */
struct sample {
    struct store_block block;
    uint64_t positions[ENTRIES_MAX], versions[ENTRIES_MAX];
    uint8_t statuses[ENTRIES_MAX];
    uint32_t durations[ENTRIES_MAX];
    int64_t started[ENTRIES_MAX];
    struct strbuf inputs, outputs;
};

static inline void sample_fini(struct sample *s)
{
    strbuf_fini(&s->inputs);
    strbuf_fini(&s->outputs);
    free(s);
}

/* The next n executions of a lane, all well, with an input and an output each. */
static inline struct sample *sample(const struct store_lane *lane, uint32_t n, uint64_t version)
{
    struct sample *s = xcalloc(1, sizeof *s);
    strbuf_init(&s->inputs, 64 << 20);
    strbuf_init(&s->outputs, 64 << 20);
    int64_t now_us = clock_wall_us();
    for (uint32_t i = 0; i < n; i++) {
        s->positions[i] = lane->position + i;
        s->versions[i] = version;
        s->statuses[i] = STORE_SUCCESS;
        s->durations[i] = 1000 + i;
        s->started[i] = now_us - 2000 + i;
        char text[100];
        int len =
            snprintf(text, sizeof text, "{\"n\":%llu}", (unsigned long long)(lane->position + i));
        store_input_add(&s->inputs, (wf_str){ text, (size_t)len });
        struct store_output out = { .exec = i,
                                    .channel = STR("kafka"),
                                    .topic = STR("out"),
                                    .key = { text, (size_t)len },
                                    .body = { text, (size_t)len } };
        store_output_add(&s->outputs, &out);
    }
    s->block = (struct store_block){ .source = lane->source,
                                     .partition = lane->partition,
                                     .epoch = lane->epoch,
                                     .position_old = lane->position,
                                     .position_new = lane->position + n,
                                     .seq = lane->block_seq + 1,
                                     .released = lane->released,
                                     .n = n,
                                     .positions = s->positions,
                                     .versions = s->versions,
                                     .statuses = s->statuses,
                                     .durations_us = s->durations,
                                     .started_us = s->started,
                                     .inputs = strbuf_str(&s->inputs),
                                     .outputs = strbuf_str(&s->outputs),
                                     .n_outputs = n };
    return s;
}

/* What the lane is after the block was committed. */
static inline void advance(struct store_lane *lane, const struct store_block *b)
{
    lane->position = b->position_new;
    lane->released = b->released;
    if (b->seq)
        lane->block_seq = b->seq;
    lane->fresh = false;
}

static inline enum store_result commit_sample(struct fixture *f, struct store_session *ss,
                                              struct store_lane *lane, uint32_t n, uint64_t version)
{
    struct sample *s = sample(lane, n, version);
    struct store_turn turn = { .blocks = &s->block, .n_blocks = 1 };
    struct committed c = commit(f, ss, &turn);
    if (c.result == STORE_OK)
        advance(lane, &s->block);
    sample_fini(s);
    return c.result;
}

/* A turn that moves nothing but names its lane. */
static inline struct store_block lane_only(const struct store_lane *lane)
{
    return (struct store_block){ .source = lane->source,
                                 .partition = lane->partition,
                                 .epoch = lane->epoch,
                                 .position_old = lane->position,
                                 .position_new = lane->position,
                                 .released = lane->released };
}
#endif
