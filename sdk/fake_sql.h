/* SPDX-License-Identifier: Apache-2.0
 * fake_sql.h - the store's side for unit tests of plugins: service "sql/1" and the rows of
 * commit_row() over an in-memory SQLite, after the plugin's own migrations. Header only; needs
 * libsqlite3.
 *
 *     #include "../billing.c"
 *     #include "fake_sql.h"
 *
 *     struct fake *f = fake_create(&wf_plugin_entry, "acme.charge");
 *     fake_sql(f);                              (before fake_start: open() may ask for the service)
 *     fake_sql_exec(f, "INSERT INTO acme_account VALUES ('t1', 500)");
 *     fake_start(f, "{}");
 *     fake_item(f, "{\"tenant\":\"t1\"}");
 *     fake_run(f);                              (statements are answered in here)
 *     assert(fake_sql_commit(f) == 0);          (commit_row()'s rows go in, triggers fire)
 *     assert(!strcmp(fake_sql_text(f, "SELECT balance FROM acme_account"), "400"));
 *
 * Setting up
 *   fake_sql(f)                    the database, the migrations, the service
 *   fake_sql_share(f, other)       another node's database instead of one of its own
 *   fake_sql_exec(f, sql)          any statements; a mistake in them aborts the test
 *
 * What a call of run() meets; without one of these it runs in the next fake_run or fake_advance
 *   fake_sql_delay(f, ms)          calls are answered when the fake clock has gone on by that much
 *   fake_sql_fail(f, words, retryable, maybe_done)
 *                                  the next call fails; may be given several times. Nothing of it
 *                                  is done; with maybe_done 2 it is, and told as unknown
 *   fake_sql_hold(f, on)           calls wait until the test answers them by hand
 *   fake_sql_refuse(f, on)         run() returns -1: the engine has no store for it
 *
 * Answering by hand, the oldest call first
 *   fake_sql_waiting(f)            how many calls wait
 *   fake_sql_go(f)                 runs and answers the oldest
 *   fake_sql_answer(f, &rows)      answers it with these rows, without running it
 *
 * Looking
 *   fake_sql_calls(f)              calls of run() so far
 *   fake_sql_call(f, i)            .statements, .n
 *   fake_sql_text(f, sql)          the first value of the first row; "(null)", "(no row)"
 *   fake_sql_commit(f)             inserts the rows that commit_row() recorded since the last time,
 *                                  each by itself, as a turn does; returns how many were refused
 *   fake_sql_why(f)                the database's words about the last one that was
 *
 * Parameters are named $1, $2 ...; a cast behind one ("$1::bigint") is PostgreSQL's and does
 * nothing here.
 */
#ifndef WF_FAKE_SQL_H
#define WF_FAKE_SQL_H
#include "fake_host.h"
#include <sqlite3.h>

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wshadow"

struct fake_sql_call {
    struct fake_sql *sql;
    const wf_statement *statements;
    size_t n;
    wf_rows_fn *fn;
    void *arg;
    int64_t due_ms;
    int answered;
};

struct fake_sql_failure {
    const char *words;
    int retryable, maybe_done;
};

struct fake_sql {
    struct fake *fake;
    sqlite3 *db;
    int owns_db, hold, refuse;
    int64_t delay_ms;
    struct fake_array calls, failures;
    size_t n_failures_used, n_rows_done;
    const char *why;
};

static inline struct fake_sql *fake_sql_of(const struct fake *f)
{
    if (!f->sql) {
        fprintf(stderr, "fake host: fake_sql() was not called\n");
        abort();
    }
    return f->sql;
}

static inline void fake_sql_die(sqlite3 *db, const char *sql)
{
    fprintf(stderr, "fake host: SQLite: %s in: %s\n", sqlite3_errmsg(db), sql);
    abort();
}

static inline void fake_sql_exec(struct fake *f, const char *sql)
{
    sqlite3 *db = fake_sql_of(f)->db;
    if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK)
        fake_sql_die(db, sql);
}

static inline const char *fake_sql_text(struct fake *f, const char *sql)
{
    sqlite3 *db = fake_sql_of(f)->db;
    sqlite3_stmt *q = NULL;
    if (sqlite3_prepare_v2(db, sql, -1, &q, NULL) != SQLITE_OK)
        fake_sql_die(db, sql);
    int rc = sqlite3_step(q);
    if (rc != SQLITE_ROW && rc != SQLITE_DONE)
        fake_sql_die(db, sql);
    const char *text = rc == SQLITE_ROW ? (const char *)sqlite3_column_text(q, 0) : "(no row)";
    const char *copy = fake_strdup(&f->heap, text ? text : "(null)");
    sqlite3_finalize(q);
    return copy;
}

/* --- running a call --------------------------------------------------------------------------- */

static inline int fake_sql_bind(sqlite3_stmt *q, const wf_statement *s)
{
    for (int i = 1; i <= sqlite3_bind_parameter_count(q); i++) {
        const char *name = sqlite3_bind_parameter_name(q, i);
        long number = name ? strtol(name + 1, NULL, 10) : i;
        if (number < 1 || number > (long)s->n_params)
            return -1;
        wf_str value = s->params[number - 1];
        if (value.ptr)
            sqlite3_bind_text(q, i, value.ptr, (int)value.len, SQLITE_STATIC);
    }
    return 0;
}

/* The rows of one statement. SQLITE_DONE, or the trouble. */
static inline int fake_sql_rows(struct fake *f, sqlite3_stmt *q, wf_rows *rows)
{
    size_t columns = (size_t)sqlite3_column_count(q), size = 0;
    wf_str *cells = NULL;
    int rc;
    rows->n_rows = 0;
    while ((rc = sqlite3_step(q)) == SQLITE_ROW) {
        if ((rows->n_rows + 1) * columns > size) {
            wf_str *larger = fake_alloc(&f->heap, (size = 2 * size + columns) * sizeof *larger);
            if (cells)
                memcpy(larger, cells, rows->n_rows * columns * sizeof *larger);
            cells = larger;
        }
        for (size_t i = 0; i < columns; i++) {
            const char *text = (const char *)sqlite3_column_text(q, (int)i);
            size_t len = (size_t)sqlite3_column_bytes(q, (int)i);
            cells[rows->n_rows * columns + i] =
                text ? fake_str(&f->heap, text, len) : (wf_str){ NULL, 0 };
        }
        rows->n_rows++;
    }
    rows->cells = cells;
    rows->n_columns = columns;
    return rc;
}

static inline int fake_sql_one(struct fake_sql *s, const wf_statement *statement, wf_rows *rows)
{
    const char *text = statement->sqlite ? statement->sqlite : statement->pg;
    sqlite3_stmt *q = NULL;
    int before = sqlite3_total_changes(s->db);
    if (sqlite3_prepare_v2(s->db, text, -1, &q, NULL) != SQLITE_OK || !q) {
        rows->error = fake_fmt(&s->fake->heap, "%s in: %s", sqlite3_errmsg(s->db), text);
        return -1;
    }
    if (fake_sql_bind(q, statement) != 0)
        rows->error = fake_fmt(&s->fake->heap, "a parameter is missing in: %s", text);
    else if (fake_sql_rows(s->fake, q, rows) != SQLITE_DONE)
        rows->error = fake_strdup(&s->fake->heap, sqlite3_errmsg(s->db));
    int writes = !sqlite3_stmt_readonly(q);
    sqlite3_finalize(q);
    rows->changed =
        writes && sqlite3_total_changes(s->db) != before ? (uint64_t)sqlite3_changes64(s->db) : 0;
    return rows->error ? -1 : 0;
}

static inline void fake_sql_tell(struct fake_sql_call *call, const wf_rows *rows)
{
    call->answered = 1;
    call->fn(&call->sql->fake->host, call->arg, rows);
}

static inline void fake_sql_perform(struct fake_sql_call *call)
{
    struct fake_sql *s = call->sql;
    wf_rows rows = { .size = sizeof rows, .missed = -1 };
    const struct fake_sql_failure *failure = NULL;
    if (s->n_failures_used < s->failures.n)
        failure = s->failures.at[s->n_failures_used++];
    if (!failure || failure->maybe_done == 2) {
        sqlite3_exec(s->db, "SAVEPOINT fake_call", NULL, NULL, NULL);
        for (size_t i = 0; i < call->n && !rows.error && rows.missed < 0; i++) {
            rows.changed = 0;
            if (fake_sql_one(s, &call->statements[i], &rows) == 0 &&
                call->statements[i].flags & WF_SQL_MUST_HIT && !rows.n_rows && !rows.changed)
                rows.missed = (int)i;
        }
        if (rows.error || rows.missed >= 0)
            sqlite3_exec(s->db, "ROLLBACK TO fake_call", NULL, NULL, NULL);
        sqlite3_exec(s->db, "RELEASE fake_call", NULL, NULL, NULL);
        if (rows.missed >= 0) {
            int missed = rows.missed;
            rows =
                (wf_rows){ .size = sizeof rows,
                           .missed = missed,
                           .error = fake_fmt(&s->fake->heap, "statement %d hit no row", missed) };
        }
    }
    if (failure)
        rows = (wf_rows){ .size = sizeof rows,
                          .missed = -1,
                          .error = failure->words,
                          .retryable = failure->retryable,
                          .maybe_done = failure->maybe_done != 0 };
    fake_sql_tell(call, &rows);
}

static inline struct fake_sql_call *fake_sql_oldest(struct fake_sql *s)
{
    for (size_t i = 0; i < s->calls.n; i++) {
        struct fake_sql_call *call = s->calls.at[i];
        if (!call->answered)
            return call;
    }
    return NULL;
}

/* For fake_run: answers one call that is due. */
static inline int fake_sql_pump(struct fake *f)
{
    struct fake_sql *s = f->sql;
    struct fake_sql_call *call = s->hold ? NULL : fake_sql_oldest(s);
    if (!call || call->due_ms > f->now_ms)
        return 0;
    fake_sql_perform(call);
    return 1;
}

/* --- the service ------------------------------------------------------------------------------ */

static inline const char *fake_sql_copy_text(struct fake *f, const char *text)
{
    return text ? fake_strdup(&f->heap, text) : NULL;
}

static inline int fake_sql_run(wf_inst *inst, const wf_statement *statements, size_t n,
                               wf_rows_fn *fn, void *arg)
{
    struct fake *f = inst->fake;
    struct fake_sql *s = f->sql;
    if (!s || s->refuse || !n)
        return -1;
    wf_statement *copy = fake_alloc(&f->heap, n * sizeof *copy);
    for (size_t i = 0; i < n; i++) {
        wf_str *params = fake_alloc(&f->heap, (statements[i].n_params + 1) * sizeof *params);
        for (uint32_t k = 0; k < statements[i].n_params; k++)
            params[k] = fake_copy(f, statements[i].params[k]);
        copy[i] = (wf_statement){ .pg = fake_sql_copy_text(f, statements[i].pg),
                                  .sqlite = fake_sql_copy_text(f, statements[i].sqlite),
                                  .params = params,
                                  .n_params = statements[i].n_params,
                                  .flags = statements[i].flags };
        if (!copy[i].pg)
            fake_wrong_use(f, "sql/1: statement %zu has no text for PostgreSQL", i);
    }
    *(struct fake_sql_call *)fake_add(f, &s->calls, sizeof(struct fake_sql_call)) =
        (struct fake_sql_call){ s, copy, n, fn, arg, f->now_ms + s->delay_ms, 0 };
    return 0;
}

/* After close(): every call is told, and the database is gone. */
static inline void fake_sql_end(struct fake *f)
{
    static const wf_rows closed = {
        .size = sizeof closed, .missed = -1, .maybe_done = 1, .error = "the node was closed"
    };
    struct fake_sql *s = f->sql;
    struct fake_sql_call *call;
    s->refuse = 1;
    while ((call = fake_sql_oldest(s)))
        fake_sql_tell(call, &closed);
    if (s->owns_db)
        sqlite3_close(s->db);
}

static inline void fake_sql_migrate(struct fake *f)
{
    const wf_plugin *p = f->entry;
    if (p->size < sizeof *p)
        return;
    for (size_t i = 0; i < p->n_migrations; i++) {
        const wf_migration *step = &p->migrations[i];
        if (step->number != i + 1) {
            fprintf(stderr, "fake host: migration %zu has the number %u\n", i + 1, step->number);
            abort();
        }
        if (step->sqlite)
            fake_sql_exec(f, step->sqlite);
    }
}

static inline struct fake_sql *fake_sql_begin(struct fake *f)
{
    static const wf_sql service = { sizeof service, fake_sql_run };
    struct fake_sql *s = fake_alloc(&f->heap, sizeof *s);
    *s = (struct fake_sql){ .fake = f, .why = "" };
    f->sql = s;
    f->pump = fake_sql_pump;
    f->at_end = fake_sql_end;
    fake_service(f, "sql/1", &service);
    return s;
}

/* What the engine's stores have, too: the end of a row that meets another one. */
static inline void fake_sql_no(sqlite3_context *call, int n, sqlite3_value **args)
{
    (void)n;
    sqlite3_result_error(call, (const char *)sqlite3_value_text(args[1]), -1);
    sqlite3_result_error_code(call, SQLITE_CONSTRAINT);
}

static inline void fake_sql(struct fake *f)
{
    struct fake_sql *s = fake_sql_begin(f);
    s->owns_db = 1;
    if (sqlite3_open(":memory:", &s->db) != SQLITE_OK ||
        sqlite3_create_function(s->db, "catalyst_refuse", 2, SQLITE_UTF8, NULL, fake_sql_no, NULL,
                                NULL) != SQLITE_OK)
        abort();
    fake_sql_exec(f, "PRAGMA foreign_keys = ON");
    fake_sql_migrate(f);
}

static inline void fake_sql_share(struct fake *f, struct fake *other)
{
    fake_sql_begin(f)->db = fake_sql_of(other)->db;
}

/* --- what calls meet, answers by hand --------------------------------------------------------- */

static inline void fake_sql_delay(struct fake *f, int64_t ms) { fake_sql_of(f)->delay_ms = ms; }

static inline void fake_sql_hold(struct fake *f, int on) { fake_sql_of(f)->hold = on; }

static inline void fake_sql_refuse(struct fake *f, int on) { fake_sql_of(f)->refuse = on; }

static inline void fake_sql_fail(struct fake *f, const char *words, int retryable, int maybe_done)
{
    *(struct fake_sql_failure *)fake_add(f, &fake_sql_of(f)->failures,
                                         sizeof(struct fake_sql_failure)) =
        (struct fake_sql_failure){ fake_strdup(&f->heap, words), retryable, maybe_done };
}

static inline size_t fake_sql_waiting(const struct fake *f)
{
    const struct fake_sql *s = fake_sql_of(f);
    size_t n = 0;
    for (size_t i = 0; i < s->calls.n; i++)
        n += !((const struct fake_sql_call *)s->calls.at[i])->answered;
    return n;
}

static inline struct fake_sql_call *fake_sql_take(struct fake *f)
{
    struct fake_sql_call *call = fake_sql_oldest(fake_sql_of(f));
    if (!call) {
        fprintf(stderr, "fake host: no call of sql/1 waits for an answer\n");
        abort();
    }
    return call;
}

static inline void fake_sql_go(struct fake *f)
{
    fake_sql_perform(fake_sql_take(f));
    fake_settle(f);
}

static inline void fake_sql_answer(struct fake *f, const wf_rows *rows)
{
    fake_sql_tell(fake_sql_take(f), rows);
    fake_settle(f);
}

static inline size_t fake_sql_calls(const struct fake *f) { return fake_sql_of(f)->calls.n; }

static inline const struct fake_sql_call *fake_sql_call(const struct fake *f, size_t i)
{
    const struct fake_sql *s = fake_sql_of(f);
    return i < s->calls.n ? s->calls.at[i] : NULL;
}

/* --- rows of commit_row() --------------------------------------------------------------------- */

/* "keys" or "keys;same", as commit_row() takes them. */
static inline const char *fake_sql_conflict(struct fake *f, const char *sql, const char *unique)
{
    const char *same = strchr(unique, ';'), *names = "";
    int keys = same ? (int)(same - unique) : (int)strlen(unique);
    if (!same)
        return fake_fmt(&f->heap, "%s ON CONFLICT (%s) DO NOTHING", sql, unique);
    for (const char *at = ++same; *at; at += strcspn(at, ",") + (at[strcspn(at, ",")] == ','))
        names = fake_fmt(&f->heap, "%s%sexcluded.%.*s", names, *names ? ", " : "",
                         (int)strcspn(at, ","), at);
    return fake_fmt(
        &f->heap,
        "%s ON CONFLICT (%.*s) DO UPDATE SET %.*s = catalyst_refuse(NULL, 'a row with the "
        "same key is there, with other values') WHERE (%s) IS NOT (%s)",
        sql, keys, unique, (int)strcspn(same, ","), same, same, names);
}

static inline const char *fake_sql_insert_text(struct fake *f, const struct fake_row *row,
                                               const wf_value *v)
{
    const wf_values *of = f->host.v;
    const char *sql = fake_fmt(&f->heap, "INSERT INTO \"%s\" (", row->table), *values = "";
    for (size_t i = 0; i < of->count(v); i++) {
        wf_str key = of->key(v, i);
        sql = fake_fmt(&f->heap, "%s%s\"%.*s\"", sql, i ? ", " : "", (int)key.len, key.ptr);
        values = fake_fmt(&f->heap, "%s%s?", values, i ? ", " : "");
    }
    sql = fake_fmt(&f->heap, "%s) VALUES (%s)", sql, values);
    return row->unique && *row->unique ? fake_sql_conflict(f, sql, row->unique) : sql;
}

static inline void fake_sql_bind_value(struct fake *f, sqlite3_stmt *q, int i, const wf_value *v)
{
    const wf_values *of = f->host.v;
    int64_t number;
    const char *ptr;
    size_t len;
    switch (of->type(v)) {
    case WF_JSON_MISSING:
    case WF_JSON_NULL:
        sqlite3_bind_null(q, i);
        break;
    case WF_JSON_BOOL:
        sqlite3_bind_int(q, i, of->boolean(v));
        break;
    default:
        if (of->int64(v, &number) == 0 && of->type(v) == WF_JSON_NUMBER) {
            sqlite3_bind_int64(q, i, number);
            break;
        }
        if (of->bytes(v, &ptr, &len) != 0) {
            wf_str json = fake_json(&f->heap, v);
            ptr = json.ptr;
            len = json.len;
        }
        sqlite3_bind_text(q, i, ptr, (int)len, SQLITE_TRANSIENT);
    }
}

static inline int fake_sql_insert(struct fake *f, const struct fake_row *row)
{
    struct fake_sql *s = f->sql;
    const wf_value *v = fake_parse_or_die(f, row->json);
    const char *sql = fake_sql_insert_text(f, row, v);
    sqlite3_stmt *q = NULL;
    int rc = sqlite3_prepare_v2(s->db, sql, -1, &q, NULL);
    for (size_t i = 0; rc == SQLITE_OK && i < f->host.v->count(v); i++)
        fake_sql_bind_value(f, q, (int)i + 1, f->host.v->at(v, i));
    if (rc == SQLITE_OK)
        rc = sqlite3_step(q);
    if (rc != SQLITE_DONE)
        s->why = fake_strdup(&f->heap, sqlite3_errmsg(s->db));
    sqlite3_finalize(q);
    return rc == SQLITE_DONE ? 0 : -1;
}

static inline size_t fake_sql_commit(struct fake *f)
{
    struct fake_sql *s = fake_sql_of(f);
    size_t refused = 0;
    for (; s->n_rows_done < f->rows.n; s->n_rows_done++)
        refused += fake_sql_insert(f, f->rows.at[s->n_rows_done]) != 0;
    return refused;
}

static inline const char *fake_sql_why(const struct fake *f) { return fake_sql_of(f)->why; }

#pragma GCC diagnostic pop
#endif
