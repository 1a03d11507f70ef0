/* SPDX-License-Identifier: Apache-2.0
 * Migration of PostgreSQL: the embedded steps that are missing, each in its own transaction, all
 * under an advisory lock, so that of two engines that start together one works and the other waits.
 * Thread: any, with the store's lock; blocks.
 */
#include "store/pg_int.h"
#include "store/schema_int.h"
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
