/* SPDX-License-Identifier: Apache-2.0
 * Migration of PostgreSQL: the embedded steps that are missing, each in its own transaction, all
 * under an advisory lock, so that of two engines that start together one works and the other waits.
 * Thread: any, with the store's lock; blocks.
 */
#include "store/pg_int.h"
#include "store/schema_int.h"
#include "store/tables_int.h"
#include <stdio.h>
#include <stdlib.h>

/* "catalyst" as a number; the lock of migrations in this database. */
#define MIGRATION_LOCK "7161115434413421428"

static int run(PGconn *conn, const char *sql, const char *what, struct err *err)
{
    PGresult *r = PQexec(conn, sql);
    int rc = 0;
    if (PQresultStatus(r) != PGRES_COMMAND_OK && PQresultStatus(r) != PGRES_TUPLES_OK)
        rc = pg_err(err, conn, r, what);
    PQclear(r);
    return rc;
}

static int read_version(PGconn *conn, int *applied, struct err *err)
{
    PGresult *r = PQexec(conn, "SELECT to_regclass('schema_version') IS NOT NULL");
    bool is_there = PQresultStatus(r) == PGRES_TUPLES_OK && *PQgetvalue(r, 0, 0) == 't';
    int rc = PQresultStatus(r) == PGRES_TUPLES_OK ? 0 : pg_err(err, conn, r, "read schema version");
    PQclear(r);
    *applied = 0;
    if (rc != 0 || !is_there)
        return rc;
    r = PQexec(conn, "SELECT coalesce(max(version), 0) FROM schema_version");
    if (PQresultStatus(r) == PGRES_TUPLES_OK)
        *applied = (int)pg_int(r, 0, 0);
    else
        rc = pg_err(err, conn, r, "read schema version");
    PQclear(r);
    return rc;
}

static int apply(PGconn *conn, const struct schema_step *step, struct err *err)
{
    struct strbuf sql;
    strbuf_init(&sql, 16 << 20);
    strbuf_addf(&sql,
                "BEGIN;\n%s\n;INSERT INTO schema_version (version, name) VALUES (%d, '%s'); COMMIT",
                step->sql, step->version, step->name);
    char what[100];
    snprintf(what, sizeof what, "migrate to version %d (%s)", step->version, step->name);
    int rc = run(conn, sql.ptr, what, err);
    if (rc != 0)
        (void)run(conn, "ROLLBACK", "roll back", NULL);
    strbuf_fini(&sql);
    return rc;
}

static int apply_missing(PGconn *conn, store_on_migrate *report, void *ctx, int *applied,
                         struct err *err)
{
    if (run(conn,
            "CREATE TABLE IF NOT EXISTS schema_version (version integer PRIMARY KEY, name text NOT "
            "NULL, "
            "applied_at timestamptz NOT NULL DEFAULT now())",
            "make table schema_version", err) != 0 ||
        read_version(conn, applied, err) != 0)
        return -1;
    const struct schema_step *step;
    while ((step = schema_find("pg", *applied + 1))) {
        if (apply(conn, step, err) != 0)
            return -1;
        *applied = step->version;
        report(ctx, step->version, step->name);
    }
    return 0;
}

int pg_migrate(PGconn *conn, bool missing, store_on_migrate *report, void *ctx, int *applied,
               struct err *err)
{
    if (read_version(conn, applied, err) != 0)
        return -1;
    if (!missing || *applied >= schema_newest("pg"))
        return 0;
    if (run(conn, "SELECT pg_advisory_lock(" MIGRATION_LOCK ")", "wait for another migration",
            err) != 0)
        return -1;
    int rc = apply_missing(conn, report, ctx, applied, err);
    (void)run(conn, "SELECT pg_advisory_unlock(" MIGRATION_LOCK ")", "unlock", NULL);
    return rc;
}

/* --- tables of plugins ------------------------------------------------------------------------ */

static PGresult *ask(PGconn *conn, const char *sql, const struct pg_args *args, const char *what,
                     struct err *err)
{
    PGresult *r =
        PQexecParams(conn, sql, args->n, NULL, args->values, args->lengths, args->formats, 0);
    if (PQresultStatus(r) == PGRES_TUPLES_OK || PQresultStatus(r) == PGRES_COMMAND_OK)
        return r;
    pg_err(err, conn, r, what);
    PQclear(r);
    return NULL;
}

static int tables_newest(void *db, const char *plugin, uint32_t *number, struct err *err)
{
    struct pg_args args = { 0 };
    pg_arg_str(&args, str_of(plugin));
    PGresult *r = ask(db, "SELECT coalesce(max(number), 0) FROM plugin_migration WHERE plugin = $1",
                      &args, "read plugin_migration", err);
    if (r)
        *number = (uint32_t)pg_int(r, 0, 0);
    PQclear(r);
    return r ? 0 : -1;
}

static int tables_read(void *db, const char *plugin, uint32_t number, struct tables_applied *out,
                       struct err *err)
{
    struct pg_args args = { 0 };
    pg_arg_str(&args, str_of(plugin));
    pg_arg_int(&args, number);
    PGresult *r =
        ask(db, "SELECT name, checksum FROM plugin_migration WHERE plugin = $1 AND number = $2",
            &args, "read plugin_migration", err);
    *out = (struct tables_applied){ 0 };
    if (r && PQntuples(r)) {
        out->number = number;
        snprintf(out->name, sizeof out->name, "%s", PQgetvalue(r, 0, 0));
        snprintf(out->checksum, sizeof out->checksum, "%s", PQgetvalue(r, 0, 1));
    }
    PQclear(r);
    return r ? 0 : -1;
}

static int note_step(PGconn *conn, const char *plugin, const wf_migration *step,
                     const char *checksum, struct err *err)
{
    struct pg_args args = { 0 };
    pg_arg_str(&args, str_of(plugin));
    pg_arg_int(&args, step->number);
    pg_arg_str(&args, str_of(step->name));
    pg_arg_str(&args, str_of(checksum));
    PGresult *r = ask(conn,
                      "INSERT INTO plugin_migration (plugin, number, name, checksum) "
                      "VALUES ($1, $2, $3, $4)",
                      &args, "note the step", err);
    PQclear(r);
    return r ? 0 : -1;
}

static int tables_apply(void *db, const char *plugin, const wf_migration *step, const char *sql,
                        const char *checksum, struct err *err)
{
    if (run(db, "BEGIN", "begin", err) != 0)
        return -1;
    int rc = *sql ? run(db, sql, "run its statements", err) : 0;
    if (rc == 0 && PQtransactionStatus(db) != PQTRANS_INTRANS)
        rc = err_set(err, ERR_INVALID, "its statements end the transaction themselves");
    if (rc == 0)
        rc = note_step(db, plugin, step, checksum, err);
    if (rc == 0)
        rc = run(db, "COMMIT", "commit", err);
    if (rc != 0)
        (void)run(db, "ROLLBACK", "roll back", NULL);
    return rc;
}

static const struct tables_ops ops = { tables_newest, tables_read, tables_apply, true };

int pg_migrate_tables(PGconn *conn, bool missing, const struct store_config *config,
                      struct err *err)
{
    if (!config->n_tables)
        return 0;
    if (!missing || tables_are_fine(&ops, conn, config))
        return tables_migrate(&ops, conn, config, false, NULL, err);
    if (run(conn, "SELECT pg_advisory_lock(" MIGRATION_LOCK ")", "wait for another migration",
            err) != 0)
        return -1;
    int rc = tables_migrate(&ops, conn, config, true, NULL, err);
    (void)run(conn, "SELECT pg_advisory_unlock(" MIGRATION_LOCK ")", "unlock", NULL);
    return rc;
}

int pg_tables_missing(struct store *s, const struct store_config *tables, store_on_step *each,
                      void *ctx, struct err *err)
{
    struct pg_store *ps = pg_of(s);
    PGconn *conn = pg_lock(ps, PG_ADMIN, err);
    if (!conn)
        return -1;
    int rc = tables_missing(&ops, conn, tables, each, ctx, err);
    pg_unlock(ps, PG_ADMIN);
    return rc;
}

int pg_table_kind(struct store *s, const char *name, char kind[16], struct err *err)
{
    struct pg_args args = { 0 };
    pg_arg_str(&args, str_of(name));
    PGresult *r = pg_query(
        pg_of(s), PG_ADMIN, "look for a table",
        "SELECT CASE WHEN c.relkind = 'p' THEN 'partitions' "
        "WHEN EXISTS (SELECT FROM pg_trigger t WHERE t.tgrelid = c.oid "
        "AND t.tgname = 'ts_insert_blocker') THEN 'hypertable' ELSE 'table' END "
        "FROM pg_class c WHERE c.oid = to_regclass(quote_ident($1)) AND c.relkind IN ('r', 'p')",
        &args, false, err);
    if (r && PQntuples(r))
        snprintf(kind, 16, "%s", PQgetvalue(r, 0, 0));
    PQclear(r);
    return r ? 0 : -1;
}
