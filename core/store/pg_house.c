/* SPDX-License-Identifier: Apache-2.0
 * Housekeeping of PostgreSQL: partitions of `block` by day (UTC), made ahead and dropped by
 * retention; failed executions and forgotten engines past it.
 *
 * Many engines may call this at once: an advisory lock lets one work and sends the others home. The
 * database's clock decides what is old, and the caller's only makes it younger, so that an engine
 * whose clock runs ahead drops nothing. DDL waits for locks for a moment only and is left to the
 * next time then: while it waits, commits would wait behind it. Thread: any; blocks.
 */
#include "store/pg_int.h"
#include "base/log.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define HOUSE_LOCK "7161115434413421429"
enum { DAYS_AHEAD = 3, LOCK_TRIES = 3, LOCK_PAUSE_US = 200 * 1000 };
#define LOCK_TIMEOUT "SET LOCAL lock_timeout = '100ms';"
#define DAY_US       (INT64_C(86400) * 1000000)

static int run(PGconn *conn, const char *sql, const char *what, bool *is_locked, struct err *err)
{
    PGresult *r = PQexec(conn, sql);
    int rc = 0;
    if (PQresultStatus(r) != PGRES_COMMAND_OK && PQresultStatus(r) != PGRES_TUPLES_OK) {
        const char *state = PQresultErrorField(r, PG_DIAG_SQLSTATE);
        if (is_locked)
            *is_locked = state && !strcmp(state, "55P03");
        rc = pg_err(err, conn, r, what);
        PQclear(PQexec(conn, "ROLLBACK"));
    }
    PQclear(r);
    return rc;
}

/* DDL in a transaction that gives up when others hold the table. 1: it did, and is left for later.
 */
static int run_ddl(PGconn *conn, const char *sql, const char *what, struct err *err)
{
    for (int try = 0; try < LOCK_TRIES; try++) {
        bool is_locked = false;
        if (run(conn, sql, what, &is_locked, err) == 0)
            return 0;
        if (!is_locked)
            return -1;
        usleep(LOCK_PAUSE_US);
    }
    log_info("store", "store.housekeep_later", "%s: the table is in use; left for the next time",
             what);
    return 1;
}

/* --- partitions ahead ------------------------------------------------------------------------- */

/* What went to the default partition of that day moves along, or the day could not be attached. */
static int make_day(PGconn *conn, const char *name, const char *from, const char *to,
                    struct err *err)
{
    char sql[1200], what[80];
    snprintf(what, sizeof what, "make partition %s", name);
    snprintf(
        sql, sizeof sql,
        "BEGIN;" LOCK_TIMEOUT "CREATE TABLE %s (LIKE block INCLUDING DEFAULTS INCLUDING STORAGE) "
        "WITH (toast_tuple_target = 8160);"
        "WITH moved AS (DELETE FROM block_default WHERE created_at >= '%s' AND created_at < '%s' "
        "RETURNING *) INSERT INTO %s SELECT * FROM moved;"
        "ALTER TABLE block ATTACH PARTITION %s FOR VALUES FROM ('%s') TO ('%s');"
        "COMMIT",
        name, from, to, name, name, from, to);
    return run_ddl(conn, sql, what, err);
}

static int make_ahead(PGconn *conn, struct err *err)
{
    char sql[600];
    snprintf(
        sql, sizeof sql,
        "SELECT 'block_p' || to_char(d, 'YYYYMMDD'), to_char(d, 'YYYY-MM-DD') || ' 00:00+00', "
        "to_char(d + interval '1 day', 'YYYY-MM-DD') || ' 00:00+00' "
        "FROM generate_series(date_trunc('day', now() AT TIME ZONE 'UTC'), "
        "date_trunc('day', now() AT TIME ZONE 'UTC') + interval '%d days', interval '1 day') AS d "
        "WHERE to_regclass('block_p' || to_char(d, 'YYYYMMDD')) IS NULL ORDER BY d",
        DAYS_AHEAD);
    PGresult *r = PQexec(conn, sql);
    int rc = PQresultStatus(r) == PGRES_TUPLES_OK ? 0 : pg_err(err, conn, r, "look for partitions");
    for (int i = 0; rc >= 0 && i < PQntuples(r); i++)
        rc = make_day(conn, PQgetvalue(r, i, 0), PQgetvalue(r, i, 1), PQgetvalue(r, i, 2), err);
    PQclear(r);
    return rc < 0 ? -1 : 0;
}

/* --- retention -------------------------------------------------------------------------------- */

static int drop_days(PGconn *conn, int64_t before_us, struct err *err)
{
    char sql[600];
    snprintf(sql, sizeof sql,
             "SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid "
             "WHERE i.inhparent = 'block'::regclass AND c.relname ~ '^block_p[0-9]{8}$' "
             "AND (to_date(substr(c.relname, 8), 'YYYYMMDD') + 1)::timestamp AT TIME ZONE 'UTC' "
             "<= to_timestamp(0) + %" PRId64 " * interval '1 microsecond' ORDER BY 1",
             before_us);
    PGresult *r = PQexec(conn, sql);
    int rc =
        PQresultStatus(r) == PGRES_TUPLES_OK ? 0 : pg_err(err, conn, r, "look for old partitions");
    for (int i = 0; rc >= 0 && i < PQntuples(r); i++) {
        char drop[200], what[80];
        snprintf(what, sizeof what, "drop partition %s", PQgetvalue(r, i, 0));
        snprintf(drop, sizeof drop, "BEGIN;" LOCK_TIMEOUT "DROP TABLE %s; COMMIT",
                 PQgetvalue(r, i, 0));
        rc = run_ddl(conn, drop, what, err);
        if (rc == 0)
            log_info("store", "store.partition_dropped", "%s", what);
    }
    PQclear(r);
    return rc < 0 ? -1 : 0;
}

/* Deletes in small transactions, so that vacuum and locks keep pace. */
static int delete_batches(PGconn *conn, const char *sql, const char *what, struct err *err)
{
    for (;;) {
        PGresult *r = PQexec(conn, sql);
        int rc = PQresultStatus(r) == PGRES_COMMAND_OK ? 0 : pg_err(err, conn, r, what);
        int n = rc == 0 ? atoi(PQcmdTuples(r)) : 0;
        PQclear(r);
        if (rc != 0 || !n)
            return rc;
    }
}

static int delete_old(PGconn *conn, int64_t before_us, struct err *err)
{
    char before[100], sql[600];
    snprintf(before, sizeof before, "to_timestamp(0) + %" PRId64 " * interval '1 microsecond'",
             before_us);
    snprintf(sql, sizeof sql,
             "DELETE FROM block_default WHERE ctid = ANY(ARRAY(SELECT ctid FROM block_default "
             "WHERE created_at < %s LIMIT 5000))",
             before);
    if (delete_batches(conn, sql, "drop old blocks", err) != 0)
        return -1;
    snprintf(sql, sizeof sql,
             "DELETE FROM execution WHERE ctid = ANY(ARRAY(SELECT ctid FROM execution "
             "WHERE status <> 4 AND ended_at < %s LIMIT 5000))",
             before);
    if (delete_batches(conn, sql, "drop old executions", err) != 0)
        return -1;
    if (run(conn, "DELETE FROM webhook_key WHERE expires_at <= now()", "drop old keys", NULL,
            err) != 0)
        return -1;
    /* Lanes of webhooks, error triggers and plugins carry the number of an engine that never comes
     * back. */
    if (run(conn,
            "DELETE FROM source_position p USING source s WHERE s.id = p.source "
            "AND s.kind IN ('webhook', 'error', 'plugin') AND p.released = p.block_seq "
            "AND NOT EXISTS (SELECT FROM engine_instance i WHERE i.id = p.owner) "
            "AND NOT EXISTS (SELECT FROM execution e WHERE e.source = p.source "
            "AND e.partition = p.partition)",
            "forget lanes of old engines", NULL, err) != 0)
        return -1;
    snprintf(sql, sizeof sql,
             "DELETE FROM engine_instance i WHERE heartbeat_at < %s "
             "AND NOT EXISTS (SELECT FROM source_position p WHERE p.owner = i.id)",
             before);
    return run(conn, sql, "forget old engines", NULL, err);
}

/* --- series of the platform, where they were made --------------------------------------------- */

static int keep_series(PGconn *conn, struct err *err)
{
    PGresult *r = PQexec(conn, "SELECT to_regproc('platform_house') IS NOT NULL");
    int rc = PQresultStatus(r) == PGRES_TUPLES_OK ? 0 : pg_err(err, conn, r, "look for series");
    bool is_there = rc == 0 && *PQgetvalue(r, 0, 0) == 't';
    PQclear(r);
    return is_there ? run(conn, "SELECT platform_house()", "keep the platform's series", NULL, err)
                    : rc;
}

/* --- what metrics tell ------------------------------------------------------------------------ */

/* A number, or -1 where the table it is asked of does not exist. */
static int ask(PGconn *conn, const char *table, const char *sql, int64_t *n, struct err *err)
{
    char there[200];
    *n = -1;
    snprintf(there, sizeof there, "SELECT to_regclass('%s') IS NOT NULL", table);
    PGresult *r = PQexec(conn, there);
    bool is_there = PQresultStatus(r) == PGRES_TUPLES_OK && *PQgetvalue(r, 0, 0) == 't';
    PQclear(r);
    if (!is_there)
        return 0;
    r = PQexec(conn, sql);
    int rc = PQresultStatus(r) == PGRES_TUPLES_OK ? 0 : pg_err(err, conn, r, "look at the house");
    if (rc == 0)
        *n = pg_int(r, 0, 0);
    PQclear(r);
    return rc;
}

static int look_at_house(PGconn *conn, struct store *s, struct err *err)
{
    int64_t days, series;
    if (ask(conn, "block",
            "SELECT (to_regclass('block_p' || to_char(now() AT TIME ZONE 'UTC' + interval '1 day', "
            "'YYYYMMDD')) IS NULL)::int",
            &days, err) != 0 ||
        ask(conn, "platform_series",
            "SELECT count(*) FROM platform_series WHERE NOT is_hyper AND to_regclass(quote_ident("
            "name || '_p' || to_char(date_trunc(unit, now() AT TIME ZONE 'UTC' + interval '1 "
            "day'), "
            "'YYYYMMDD'))) IS NULL",
            &series, err) != 0 ||
        ask(conn, "timescaledb_information.job_stats",
            "SELECT coalesce(sum(total_failures), 0)::bigint FROM "
            "timescaledb_information.job_stats",
            &s->house.retention_failures, err) != 0)
        return -1;
    s->house.partitions_missing = days + (series > 0 ? series : 0);
    s->has_house = true;
    return 0;
}

/* --- all of it -------------------------------------------------------------------------------- */

static int lock_house(PGconn *conn, int64_t *now_us, struct err *err)
{
    PGresult *r = PQexec(conn, "SELECT pg_try_advisory_lock(" HOUSE_LOCK
                               "), (extract(epoch FROM now()) * 1000000)::bigint");
    int rc = PQresultStatus(r) == PGRES_TUPLES_OK ? *PQgetvalue(r, 0, 0) == 't' : -1;
    if (rc < 0)
        pg_err(err, conn, r, "housekeep");
    else
        *now_us = pg_int(r, 0, 1);
    PQclear(r);
    return rc;
}

int pg_housekeep(struct store *s, int64_t now_us, struct err *err)
{
    struct pg_store *ps = pg_of(s);
    PGconn *conn = pg_lock(ps, PG_HOUSE, err);
    if (!conn)
        return -1;
    int64_t database_us = 0;
    int rc = lock_house(conn, &database_us, err);
    if (rc > 0) {
        if (!now_us || now_us > database_us)
            now_us = database_us;
        int64_t before_us = now_us - (int64_t)s->config.retention_days * DAY_US;
        rc = make_ahead(conn, err);
        if (rc == 0)
            rc = drop_days(conn, before_us, err);
        if (rc == 0)
            rc = delete_old(conn, before_us, err);
        if (rc == 0)
            rc = keep_series(conn, err);
    }
    if (rc >= 0) /* others may do the work, and yet it is not done */
        rc = look_at_house(conn, s, err);
    pg_hang_up(ps, PG_HOUSE); /* which unlocks */
    pg_unlock(ps, PG_HOUSE);
    return rc;
}
