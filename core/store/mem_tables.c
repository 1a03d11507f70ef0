/* SPDX-License-Identifier: Apache-2.0
 * The tables of plugins beside the memory store: a private in-memory SQLite that their migrations
 * made. A row of a turn whose table is there goes into it, so that triggers, UNIQUE and CHECK do
 * what they do in the other stores; a table that nobody declared is a list in memory, as ever.
 * Thread: any; one lock, taken after the store's. What a statement costs is paid where it runs.
 */
#include "store/mem_int.h"
#include "store/schema_int.h"
#include "store/sqlite_int.h"
#include <stdio.h>
#include <stdlib.h>

struct mem_tables {
    pthread_mutex_t lock;        /* taken after the store's */
    struct sqlite_worker worker; /* only its connection, rows and scratch are used */
    struct map known;            /* names of tables that are there */
};

static int execute(struct mem_tables *t, const char *sql)
{
    return sqlite3_exec(t->worker.db, sql, NULL, NULL, NULL);
}

int mem_tables_open(struct mem_store *m, const struct store_config *config, bool migrate,
                    struct err *err)
{
    struct mem_tables *t = m->tables = xcalloc(1, sizeof *t);
    pthread_mutex_init(&t->lock, NULL);
    map_init(&t->known);
    map_init(&t->worker.rows);
    arena_init(&t->worker.scratch, NULL, 0);
    if (sqlite3_open_v2(":memory:", &t->worker.db,
                        SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX,
                        NULL) != SQLITE_OK ||
        sqlite_rows_init(t->worker.db) != SQLITE_OK)
        return err_set(err, ERR_UNAVAILABLE, "store: SQLite for tables of plugins: %s",
                       sqlite3_errmsg(t->worker.db));
    const struct schema_step *own = schema_find("sqlite", 3);
    if (sq_exec(t->worker.db, "PRAGMA foreign_keys = ON", "open", err) != 0 ||
        sq_exec(t->worker.db, own->sql, own->name, err) != 0)
        return -1;
    (void)migrate; /* it begins empty every time: there is nothing that could be behind */
    return sqlite_migrate_tables(t->worker.db, true, config, err);
}

void mem_tables_close(struct mem_store *m)
{
    struct mem_tables *t = m->tables;
    map_fini(&t->known);
    sqlite_worker_close(&t->worker);
    pthread_mutex_destroy(&t->lock);
    free(t);
}

/* --- rows of a turn --------------------------------------------------------------------------- */

static bool look_up(struct mem_tables *t, wf_str table)
{
    sqlite3_stmt *q = sq_prepare(
        t->worker.db,
        "SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = ? COLLATE NOCASE", NULL);
    if (!q)
        return false;
    sq_bind_str(q, 1, table);
    bool is_there = sqlite3_step(q) == SQLITE_ROW;
    sqlite3_finalize(q);
    return is_there;
}

bool mem_tables_want(void *ctx, const struct store_row *row)
{
    struct mem_store *m = ctx;
    struct mem_tables *t = m->tables;
    if (map_get(&t->known, row->table.ptr, row->table.len))
        return true;
    if (!store_table_ok(row->table) || !look_up(t, row->table))
        return false;
    map_put_copy(&t->known, row->table.ptr, row->table.len, t);
    return true;
}

void mem_tables_begin(struct mem_store *m, struct job *job)
{
    struct mem_tables *t = m->tables;
    pthread_mutex_lock(&t->lock);
    int rc = execute(t, "SAVEPOINT turn");
    if (rc == SQLITE_OK)
        rc = sqlite_rows(&t->worker, job, mem_tables_want, m);
    for (uint32_t i = 0; rc != SQLITE_OK && i < job->turn->n_rows; i++) {
        if (!mem_tables_want(m, &job->turn->rows[i]))
            continue;
        job_bad_row(job, i, sqlite3_errstr(rc)); /* out of memory: there is nothing to wait for */
        break;
    }
}

void mem_tables_end(struct mem_store *m, bool keep)
{
    struct mem_tables *t = m->tables;
    if (!keep)
        (void)execute(t, "ROLLBACK TO turn");
    (void)execute(t, "RELEASE turn");
    pthread_mutex_unlock(&t->lock);
}

void mem_tables_text(struct mem_store *m, const char *sql, char *to, size_t size)
{
    struct mem_tables *t = m->tables;
    pthread_mutex_lock(&t->lock);
    sqlite3_stmt *q = sq_prepare(t->worker.db, sql, NULL);
    bool is_there = q && sqlite3_step(q) == SQLITE_ROW;
    snprintf(to, size, "%.*s", is_there ? (int)sq_str(q, 0).len : 0,
             is_there ? sq_str(q, 0).ptr : "");
    sqlite3_finalize(q);
    pthread_mutex_unlock(&t->lock);
}

void mem_tables_sql(struct mem_store *m, struct job *job)
{
    struct mem_tables *t = m->tables;
    pthread_mutex_lock(&t->lock);
    int rc = execute(t, "SAVEPOINT call");
    if (rc == SQLITE_OK)
        rc = sqlite_sql(&t->worker, job);
    if (rc != SQLITE_OK)
        job_sql_failed(job, true, "%s", sqlite3_errstr(rc));
    if (job->rows.error)
        (void)execute(t, "ROLLBACK TO call");
    if (execute(t, "RELEASE call") != SQLITE_OK) { /* a constraint that is checked at the end */
        job_sql_failed(job, false, "%s", sqlite3_errmsg(t->worker.db));
        (void)execute(t, "ROLLBACK TO call");
        (void)execute(t, "RELEASE call");
    }
    pthread_mutex_unlock(&t->lock);
}

/* Which all of them are, every time. */
int mem_tables_missing(struct store *s, const struct store_config *tables, store_on_step *each,
                       void *ctx, struct err *err)
{
    (void)s, (void)err;
    for (size_t i = 0; i < tables->n_tables; i++)
        for (size_t k = 0; k < tables->tables[i].n; k++)
            each(ctx, tables->tables[i].plugin, (int)tables->tables[i].steps[k].number,
                 tables->tables[i].steps[k].name);
    return 0;
}

int mem_table_kind(struct store *s, const char *name, char kind[16], struct err *err)
{
    struct mem_tables *t = mem_of(s)->tables;
    (void)err;
    pthread_mutex_lock(&t->lock);
    snprintf(kind, 16, "%s", look_up(t, str_of(name)) ? "table" : "");
    pthread_mutex_unlock(&t->lock);
    return 0;
}
