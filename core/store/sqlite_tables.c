/* SPDX-License-Identifier: Apache-2.0
 * Migrations of plugins in SQLite: the file's, and those of the private database that the memory
 * store keeps for them. The lock of the file's one writer is the lock of a step.
 * Thread: any, under the administration's lock; blocks.
 */
#include "store/sqlite_int.h"
#include "store/tables_int.h"
#include <stdio.h>

static int newest(void *db, const char *plugin, uint32_t *number, struct err *err)
{
    sqlite3_stmt *q = sq_prepare(
        db, "SELECT coalesce(max(number), 0) FROM plugin_migration WHERE plugin = ?", err);
    if (!q)
        return -1;
    sq_bind_str(q, 1, str_of(plugin));
    int rc = sq_step(q, "read plugin_migration", err);
    *number = rc == 1 ? (uint32_t)sq_int(q, 0) : 0;
    sqlite3_finalize(q);
    return rc < 0 ? -1 : 0;
}

static int read_step(void *db, const char *plugin, uint32_t number, struct tables_applied *out,
                     struct err *err)
{
    *out = (struct tables_applied){ 0 };
    sqlite3_stmt *q = sq_prepare(
        db, "SELECT name, checksum FROM plugin_migration WHERE plugin = ? AND number = ?", err);
    if (!q)
        return -1;
    sq_bind_str(q, 1, str_of(plugin));
    sq_bind_int(q, 2, number);
    int rc = sq_step(q, "read plugin_migration", err);
    if (rc == 1) {
        out->number = number;
        snprintf(out->name, sizeof out->name, "%.*s", STR_ARG(sq_str(q, 0)));
        snprintf(out->checksum, sizeof out->checksum, "%.*s", STR_ARG(sq_str(q, 1)));
    }
    sqlite3_finalize(q);
    return rc < 0 ? -1 : 0;
}

static int note_step(sqlite3 *db, const char *plugin, const wf_migration *step,
                     const char *checksum, struct err *err)
{
    sqlite3_stmt *q = sq_prepare(
        db, "INSERT INTO plugin_migration (plugin, number, name, checksum) VALUES (?, ?, ?, ?)",
        err);
    if (!q)
        return -1;
    sq_bind_str(q, 1, str_of(plugin));
    sq_bind_int(q, 2, step->number);
    sq_bind_str(q, 3, str_of(step->name));
    sq_bind_str(q, 4, str_of(checksum));
    return sq_finish(q, "note the step", NULL, err);
}

static int run_statements(sqlite3 *db, const char *sql, struct err *err)
{
    if (sq_exec(db, sql, "run its statements", err) != 0)
        return -1;
    return sqlite3_get_autocommit(db)
               ? err_set(err, ERR_INVALID, "its statements end the transaction themselves")
               : 0;
}

static int apply(void *db, const char *plugin, const wf_migration *step, const char *sql,
                 const char *checksum, struct err *err)
{
    uint32_t there = 0;
    if (sq_exec(db, "BEGIN IMMEDIATE", "wait for another migration", err) != 0)
        return -1;
    int rc = newest(db, plugin, &there, err);
    bool is_there = rc == 0 && there >= step->number; /* another process was quicker */
    if (rc == 0 && !is_there)
        rc = run_statements(db, sql, err);
    if (rc == 0 && !is_there)
        rc = note_step(db, plugin, step, checksum, err);
    if (rc == 0)
        rc = sq_exec(db, "COMMIT", "commit", err);
    if (rc != 0)
        (void)sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
    return rc == 0 && is_there ? 1 : rc;
}

static const struct tables_ops ops = { newest, read_step, apply, false };

int sqlite_migrate_tables(sqlite3 *db, bool run, const struct store_config *config, struct err *err)
{
    return tables_migrate(&ops, db, config, run, NULL, err);
}

int sqlite_tables_missing(struct store *base, const struct store_config *tables,
                          store_on_step *each, void *ctx, struct err *err)
{
    struct sqlite_store *s = sqlite_of(base);
    pthread_mutex_lock(&s->admin_lock);
    int rc = tables_missing(&ops, s->admin, tables, each, ctx, err);
    pthread_mutex_unlock(&s->admin_lock);
    return rc;
}

int sqlite_table_kind(struct store *base, const char *name, char kind[16], struct err *err)
{
    struct sqlite_store *s = sqlite_of(base);
    pthread_mutex_lock(&s->admin_lock);
    sqlite3_stmt *q =
        sq_prepare(s->admin, "SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = ?", err);
    if (q)
        sq_bind_str(q, 1, str_of(name));
    int rc = q ? sq_step(q, "look for a table", err) : -1;
    snprintf(kind, 16, "%s", rc == 1 ? "table" : "");
    sqlite3_finalize(q);
    pthread_mutex_unlock(&s->admin_lock);
    return rc < 0 ? -1 : 0;
}
