/* SPDX-License-Identifier: Apache-2.0
 * Statements of plugins in SQLite: the file's on the store thread, the private ones of the memory
 * store on a thread of theirs.
 *
 * Parameters are bound by their numbers: $2 may stand before $1, and a cast behind one
 * ("$1::bigint", which SQLite takes for a part of the name) means nothing here. They are bound as
 * text, which a column's affinity turns into what the column is of.
 *
 * A statement may not begin or end transactions, attach files or set pragmas: it shares the
 * connection with the journal. One that takes too long is interrupted.
 */
#include "store/sql_int.h"
#include "store/sqlite_int.h"
#include "base/clock.h"
#include <stdlib.h>

enum { PROGRESS_STEPS = 20000 };

static int is_late(void *arg) { return clock_mono_us() > *(const int64_t *)arg; }

static int authorize(void *ctx, int action, const char *a, const char *b, const char *c,
                     const char *d)
{
    (void)ctx, (void)a, (void)b, (void)c, (void)d;
    return action == SQLITE_TRANSACTION || action == SQLITE_SAVEPOINT || action == SQLITE_ATTACH ||
                   action == SQLITE_DETACH || action == SQLITE_PRAGMA
               ? SQLITE_DENY
               : SQLITE_OK;
}

/* NULL: the job's rows say why, or *rc is weather. */
static sqlite3_stmt *prepare(struct sqlite_worker *w, struct job *job, const char *sql, int *rc)
{
    *rc = SQLITE_OK;
    sqlite3_set_authorizer(w->db, authorize, NULL);
    sqlite3_stmt *q = sqlite_statement(w, str_of(sql), rc);
    sqlite3_set_authorizer(w->db, NULL, NULL);
    if (q)
        return q;
    if (*rc == SQLITE_OK)
        job_sql_failed(job, false, "the statement is empty");
    else if (!sq_is_weather(*rc))
        job_sql_failed(job, false, "%s", sqlite3_errmsg(w->db));
    return NULL;
}

static bool bind(struct job *job, sqlite3_stmt *q, const wf_statement *s)
{
    for (int i = 1; i <= sqlite3_bind_parameter_count(q); i++) {
        const char *name = sqlite3_bind_parameter_name(q, i);
        unsigned long number = name ? strtoul(name + 1, NULL, 10) : (unsigned long)i;
        if (number < 1 || number > s->n_params) {
            job_sql_failed(job, false, "there is no parameter %s", name ? name : "?");
            return false;
        }
        wf_str value = s->params[number - 1];
        if (value.ptr)
            sq_bind_str(q, i, value);
        else
            sqlite3_bind_null(q, i);
    }
    return true;
}

struct cells {
    wf_str *at;
    size_t n, size, bytes;
};

static void add_cell(struct arena *a, struct cells *cells, wf_str text)
{
    if (cells->n == cells->size) {
        wf_str *old = cells->at;
        cells->size = cells->size ? 2 * cells->size : 64;
        cells->at = arena_alloc(a, cells->size * sizeof *cells->at);
        if (cells->n)
            memcpy(cells->at, old, cells->n * sizeof *old);
    }
    cells->bytes += text.len + sizeof text;
    cells->at[cells->n++] = text.ptr ? arena_str(a, text.ptr, text.len) : text;
}

static wf_str cell_of(sqlite3_stmt *q, int column)
{
    return sqlite3_column_type(q, column) == SQLITE_NULL ? (wf_str){ NULL, 0 } : sq_str(q, column);
}

/* SQLITE_OK, or the trouble; the job's rows are this statement's. */
static int take_rows(struct job *job, sqlite3_stmt *q)
{
    struct cells cells = { 0 };
    wf_rows *rows = &job->rows;
    int rc, columns = sqlite3_column_count(q);
    while ((rc = sqlite3_step(q)) == SQLITE_ROW) {
        rows->n_rows++;
        for (int i = 0; i < columns; i++)
            add_cell(&job->arena, &cells, cell_of(q, i));
        if (cells.bytes > STORE_SQL_ANSWER_BYTES) {
            job_sql_failed(job, false, "the answer is larger than %d MiB",
                           STORE_SQL_ANSWER_BYTES >> 20);
            return SQLITE_OK;
        }
    }
    rows->n_columns = (size_t)columns;
    rows->cells = cells.at;
    return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

static int run_statement(struct sqlite_worker *w, struct job *job, size_t i)
{
    const wf_statement *s = &job->sql->statements[i];
    const char *text = s->sqlite ? s->sqlite : s->pg;
    int rc;
    job->rows = (wf_rows){ .size = sizeof job->rows, .missed = -1 };
    sqlite3_stmt *q = prepare(w, job, text ? text : "", &rc);
    if (!q || !bind(job, q, s))
        return sq_is_weather(rc) && rc != SQLITE_OK ? rc : SQLITE_OK;
    int before = sqlite3_total_changes(w->db);
    rc = take_rows(job, q);
    if (rc == SQLITE_INTERRUPT)
        job_sql_failed(job, true, "took longer than %d s", STORE_SQL_TIMEOUT_MS / 1000);
    else if (rc != SQLITE_OK && !sq_is_weather(rc))
        job_sql_failed(job, false, "%s", sqlite3_errmsg(w->db));
    bool is_write = !sqlite3_stmt_readonly(q);
    sqlite3_reset(q);
    sqlite3_clear_bindings(q);
    if (rc == SQLITE_OK && is_write && sqlite3_total_changes(w->db) != before)
        job->rows.changed = (uint64_t)sqlite3_changes64(w->db);
    return rc == SQLITE_INTERRUPT || !sq_is_weather(rc) ? SQLITE_OK : rc;
}

int sqlite_sql(struct sqlite_worker *w, struct job *job)
{
    int64_t until_us = clock_mono_us() + (int64_t)STORE_SQL_TIMEOUT_MS * 1000;
    int rc = SQLITE_OK;
    sqlite3_progress_handler(w->db, PROGRESS_STEPS, is_late, &until_us);
    for (size_t i = 0; i < job->sql->n && rc == SQLITE_OK; i++) {
        rc = run_statement(w, job, i);
        if (rc != SQLITE_OK || job->rows.error)
            break;
        if (!(job->sql->statements[i].flags & WF_SQL_MUST_HIT) || job->rows.n_rows ||
            job->rows.changed)
            continue;
        job_sql_failed(job, false, "%s", sql_missed(&job->arena, i));
        job->rows.missed = (int)i;
        break;
    }
    sqlite3_progress_handler(w->db, 0, NULL, NULL);
    /* One that is open at the end would hit all jobs of the transaction. */
    if (rc == SQLITE_OK && !job->rows.error && sqlite_open_keys(w) > 0)
        job_sql_failed(job, false, "FOREIGN KEY constraint failed");
    return rc;
}
