/* SPDX-License-Identifier: Apache-2.0
 * SQLite: the embedded store, one file. Opening, migration, and thin helpers over the library.
 *
 * WAL with synchronous=FULL: a commit is one fsync of the log and readers do not wait for it. Two
 * kinds of connections: the administration's under a lock (any thread, blocks), and the store
 * thread's. Other processes may use the file too; who writes waits for the other, up to BUSY_MS.
 */
#include "store/sqlite_int.h"
#include "store/schema_int.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

enum { BUSY_MS = 10000 };

/* --- helpers ---------------------------------------------------------------------------------- */

int sq_err(struct err *err, sqlite3 *db, const char *what)
{
    int rc = sqlite3_errcode(db);
    return err_set(err, sq_is_weather(rc) ? ERR_UNAVAILABLE : ERR_INVALID, "store: %s: %s", what,
                   sqlite3_errmsg(db));
}

bool sq_is_weather(int rc)
{
    switch (rc & 0xff) {
    case SQLITE_ERROR: /* no such table or column */
    case SQLITE_CONSTRAINT:
    case SQLITE_MISMATCH:
    case SQLITE_TOOBIG:
    case SQLITE_RANGE:
    case SQLITE_AUTH:
        return false;
    default: /* full, busy, locked, I/O, read-only, corrupt, out of memory ... */
        return true;
    }
}

sqlite3_stmt *sq_prepare(sqlite3 *db, const char *sql, struct err *err)
{
    sqlite3_stmt *q = NULL;
    if (sqlite3_prepare_v2(db, sql, -1, &q, NULL) != SQLITE_OK)
        sq_err(err, db, "prepare");
    return q;
}

void sq_bind_str(sqlite3_stmt *q, int i, wf_str s)
{
    sqlite3_bind_text64(q, i, s.ptr ? s.ptr : "", s.len, SQLITE_STATIC, SQLITE_UTF8);
}

void sq_bind_bytes(sqlite3_stmt *q, int i, wf_str s)
{
    if (s.ptr)
        sqlite3_bind_blob64(q, i, s.ptr, s.len, SQLITE_STATIC);
    else
        sqlite3_bind_null(q, i);
}

void sq_bind_int(sqlite3_stmt *q, int i, int64_t n) { sqlite3_bind_int64(q, i, n); }

int sq_step(sqlite3_stmt *q, const char *what, struct err *err)
{
    int rc = sqlite3_step(q);
    if (rc == SQLITE_ROW)
        return 1;
    return rc == SQLITE_DONE ? 0 : sq_err(err, sqlite3_db_handle(q), what);
}

int sq_finish(sqlite3_stmt *q, const char *what, int *changed, struct err *err)
{
    if (!q)
        return -1;
    int rc;
    while ((rc = sq_step(q, what, err)) == 1)
        ;
    if (changed)
        *changed = rc == 0 ? sqlite3_changes(sqlite3_db_handle(q)) : 0;
    sqlite3_finalize(q);
    return rc;
}

int sq_exec(sqlite3 *db, const char *sql, const char *what, struct err *err)
{
    return sqlite3_exec(db, sql, NULL, NULL, NULL) == SQLITE_OK ? 0 : sq_err(err, db, what);
}

wf_str sq_str(sqlite3_stmt *q, int column)
{
    const char *text = (const char *)sqlite3_column_text(q, column);
    return (wf_str){ text ? text : "", text ? (size_t)sqlite3_column_bytes(q, column) : 0 };
}

wf_str sq_bytes(sqlite3_stmt *q, int column)
{
    if (sqlite3_column_type(q, column) == SQLITE_NULL)
        return (wf_str){ 0 };
    const char *bytes = sqlite3_column_blob(q, column);
    return (wf_str){ bytes ? bytes : "", (size_t)sqlite3_column_bytes(q, column) };
}

int64_t sq_int(sqlite3_stmt *q, int column) { return sqlite3_column_int64(q, column); }

void sq_get_block(sqlite3_stmt *q, struct kept_block *out)
{
    *out = (struct kept_block){ .source = (uint32_t)sq_int(q, 0),
                                .partition = (uint32_t)sq_int(q, 1),
                                .seq = (uint64_t)sq_int(q, 2),
                                .n = (uint32_t)sq_int(q, 3),
                                .position_min = (uint64_t)sq_int(q, 4),
                                .position_max = (uint64_t)sq_int(q, 5),
                                .version = (uint64_t)sq_int(q, 6),
                                .started_us = sq_int(q, 7),
                                .n_outputs = (uint32_t)sq_int(q, 8),
                                .inputs_bytes = (uint32_t)sq_int(q, 9),
                                .outputs_bytes = (uint32_t)sq_int(q, 10),
                                .checksum = (uint32_t)sq_int(q, 11),
                                .positions = sq_bytes(q, 12),
                                .versions = sq_bytes(q, 13),
                                .statuses = sq_bytes(q, 14),
                                .durations = sq_bytes(q, 15),
                                .started = sq_bytes(q, 16),
                                .payload = sq_bytes(q, 17) };
}

void sq_get_exec(sqlite3_stmt *q, struct store_exec *out)
{
    *out = (struct store_exec){ .id = { (uint32_t)sq_int(q, 0), (uint32_t)sq_int(q, 1),
                                        (uint64_t)sq_int(q, 2) },
                                .version = (uint64_t)sq_int(q, 3),
                                .status = (enum store_status)sq_int(q, 4),
                                .started_us = sq_int(q, 5),
                                .ended_us = sq_int(q, 6),
                                .wake_us = sq_int(q, 7),
                                .node = sq_str(q, 8),
                                .error = sq_str(q, 9),
                                .state = sq_str(q, 10) };
    if (out->wake_us == INT64_MAX)
        out->wake_us = 0;
}

/* --- opening ---------------------------------------------------------------------------------- */

/* A path that is wrong stays wrong, a full disk does not. */
static int open_err(struct err *err, const char *path, const char *why, bool is_weather)
{
    return err_set(err, is_weather ? ERR_UNAVAILABLE : ERR_INVALID, "store: open %s: %s", path,
                   why);
}

/* The log and its index take the file's mode. */
static int make_file(const char *path, bool create, struct err *err)
{
    int fd = open(path, O_RDWR | O_CLOEXEC | (create ? O_CREAT : 0), 0600);
    if (fd < 0 && errno == ENOENT && !create)
        return err_set(err, ERR_NOT_FOUND, "store: there is no file %s: run `catalyst migrate`",
                       path);
    if (fd < 0)
        return open_err(err, path,
                        errno == EISDIR   ? "is a folder; the path of a file is needed"
                        : errno == ENOENT ? "its folder does not exist"
                                          : strerror(errno),
                        errno == ENOSPC || errno == EMFILE || errno == ENFILE || errno == EINTR);
    close(fd);
    return 0;
}

sqlite3 *sq_open(const char *path, struct err *err)
{
    sqlite3 *db = NULL;
    if (sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL) !=
            SQLITE_OK ||
        sqlite_rows_init(db) != SQLITE_OK) {
        open_err(err, path, db ? sqlite3_errmsg(db) : "out of memory", true);
        goto fail;
    }
    sqlite3_busy_timeout(db, BUSY_MS);
    if (sq_exec(db,
                "PRAGMA auto_vacuum = INCREMENTAL; PRAGMA journal_mode = WAL; PRAGMA synchronous = "
                "FULL;"
                "PRAGMA foreign_keys = ON; PRAGMA wal_autocheckpoint = 4000; PRAGMA cache_size = "
                "-16384;"
                "PRAGMA journal_size_limit = 67108864",
                path, err) == 0)
        return db;
    if (sqlite3_errcode(db) == SQLITE_NOTADB || sqlite3_errcode(db) == SQLITE_READONLY)
        err->retryable = false;
fail:
    sqlite3_close(db);
    return NULL;
}

/* --- migration -------------------------------------------------------------------------------- */

static int read_version(sqlite3 *db, int *applied, struct err *err)
{
    *applied = 0;
    sqlite3_stmt *q =
        sq_prepare(db, "SELECT 1 FROM sqlite_schema WHERE name = 'schema_version'", err);
    if (!q)
        return -1;
    int rc = sq_step(q, "read schema version", err);
    sqlite3_finalize(q);
    if (rc != 1)
        return rc;
    q = sq_prepare(db, "SELECT coalesce(max(version), 0) FROM schema_version", err);
    rc = q ? sq_step(q, "read schema version", err) : -1;
    if (rc == 1)
        *applied = (int)sq_int(q, 0);
    sqlite3_finalize(q);
    return rc == 1 ? 0 : -1;
}

static int apply(sqlite3 *db, const struct schema_step *step, struct err *err)
{
    if (sq_exec(db, step->sql, step->name, err) != 0)
        return -1;
    sqlite3_stmt *q =
        sq_prepare(db, "INSERT INTO schema_version (version, name) VALUES (?, ?)", err);
    if (!q)
        return -1;
    sq_bind_int(q, 1, step->version);
    sq_bind_str(q, 2, str_of(step->name));
    return sq_finish(q, step->name, NULL, err);
}

/* The lock of the file's one writer is the lock of the migration. */
static int apply_missing(sqlite3 *db, store_on_migrate *report, void *ctx, int *applied,
                         struct err *err)
{
    if (sq_exec(db, "BEGIN IMMEDIATE", "wait for another migration", err) != 0)
        return -1;
    int before = 0, rc = -1;
    if (sq_exec(db,
                "CREATE TABLE IF NOT EXISTS schema_version (version INTEGER PRIMARY KEY, "
                "name TEXT NOT NULL, applied_at TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP)",
                "migrate", err) != 0 ||
        read_version(db, &before, err) != 0)
        goto end;
    int version = before;
    const struct schema_step *step;
    while ((step = schema_find("sqlite", version + 1))) {
        if (apply(db, step, err) != 0)
            goto end;
        version = step->version;
    }
    rc = sq_exec(db, "COMMIT", "migrate", err);
    *applied = rc == 0 ? version : before;
    for (int v = before + 1; rc == 0 && v <= version; v++)
        report(ctx, v, schema_find("sqlite", v)->name);
end:
    if (rc != 0)
        (void)sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
    return rc;
}

static int sqlite_migrate(struct store *base, bool run, store_on_migrate *report, void *ctx,
                          int *applied, int *newest, struct err *err)
{
    struct sqlite_store *s = sqlite_of(base);
    *newest = schema_newest("sqlite");
    pthread_mutex_lock(&s->admin_lock);
    int rc = read_version(s->admin, applied, err);
    if (rc == 0 && run && *applied < *newest)
        rc = apply_missing(s->admin, report, ctx, applied, err);
    pthread_mutex_unlock(&s->admin_lock);
    return rc;
}

/* --- the store -------------------------------------------------------------------------------- */

static void sqlite_close(struct store *base)
{
    struct sqlite_store *s = sqlite_of(base);
    sqlite_thread_stop(s);
    sqlite3_close(s->admin);
    pthread_mutex_destroy(&s->admin_lock);
    pthread_mutex_destroy(&s->lock);
    pthread_cond_destroy(&s->wake);
    pthread_cond_destroy(&s->idle);
    free(s->path);
    free(s);
}

static void report_step(void *ctx, int version, const char *name)
{
    const struct store_config *config = ctx;
    if (config->on_step)
        config->on_step(config->on_step_ctx, NULL, version, name);
}

static struct store *sqlite_open(const struct store_config *config, bool migrate, struct err *err)
{
    const char *path = config->url + strlen("sqlite:");
    if (!*path) {
        err_set(err, ERR_INVALID, "store: sqlite: needs the path of a file");
        return NULL;
    }
    if (make_file(path, migrate, err) != 0)
        return NULL;
    struct sqlite_store *s = xcalloc(1, sizeof *s);
    s->base.config = *config;
    s->path = xstrdup(path);
    pthread_mutex_init(&s->admin_lock, NULL);
    pthread_mutex_init(&s->lock, NULL);
    pthread_cond_init(&s->wake, NULL);
    pthread_cond_init(&s->idle, NULL);
    list_init(&s->queue);
    list_init(&s->group);
    list_init(&s->sessions);
    list_init(&s->notes);
    int applied = 0, newest = 0;
    s->admin = sq_open(path, err);
    if (s->admin &&
        sqlite_migrate(&s->base, migrate, report_step, &s->base.config, &applied, &newest, err) ==
            0 &&
        schema_check(applied, newest, err) == 0 &&
        sqlite_migrate_tables(s->admin, migrate, config, err) == 0)
        return &s->base;
    sqlite_close(&s->base);
    return NULL;
}

const struct store_ops sqlite_ops = {
    .kind = "sqlite",
    .open = sqlite_open,
    .close = sqlite_close,
    .migrate = sqlite_migrate,
    .tables_missing = sqlite_tables_missing,
    .table_kind = sqlite_table_kind,
    .deploy = sqlite_deploy,
    .set_active = sqlite_set_active,
    .workflows = sqlite_workflows,
    .workflow_version = sqlite_workflow_version,
    .revision = sqlite_revision,
    .source = sqlite_source,
    .instance = sqlite_instance,
    .heartbeat = sqlite_heartbeat,
    .dead_instances = sqlite_dead_instances,
    .instance_leave = sqlite_instance_leave,
    .executions = sqlite_executions,
    .execution = sqlite_execution,
    .retry = sqlite_execution_retry,
    .credential_put = sqlite_credential_put,
    .credential_delete = sqlite_credential_delete,
    .credentials = sqlite_credentials,
    .housekeep = sqlite_housekeep,
    .key_claim = sqlite_key_claim,
    .key_release = sqlite_key_release,
    .session_open = sqlite_session_open,
    .session_close = sqlite_session_close,
    .commit = job_commit,
    .assign = job_assign,
    .blocks = job_blocks,
    .parked = job_parked,
    .lanes_of = job_lanes_of,
    .sql = job_sql,
};
