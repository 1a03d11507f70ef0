/* SPDX-License-Identifier: Apache-2.0
 * The administration's connections: blocking statements of the command line, program start and the
 * offload pool. Each has a lock; it is made when first needed and again after it broke. Thread:
 * any; blocks.
 */
#include "store/pg_int.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

void pg_arg_str(struct pg_args *args, wf_str s)
{
    BUG_IF(args->n == PG_ARGS_MAX);
    args->values[args->n] = s.ptr ? s.ptr : "";
    args->lengths[args->n] = (int)s.len;
    args->formats[args->n++] = 1; /* text is the same in binary, and needs no NUL */
}

void pg_arg_int(struct pg_args *args, int64_t i)
{
    BUG_IF(args->n == PG_ARGS_MAX);
    char *text = args->numbers[args->n];
    snprintf(text, sizeof args->numbers[0], "%" PRId64, i);
    args->values[args->n] = text;
    args->lengths[args->n] = 0;
    args->formats[args->n++] = 0;
}

void pg_arg_null(struct pg_args *args)
{
    BUG_IF(args->n == PG_ARGS_MAX);
    args->values[args->n] = NULL;
    args->lengths[args->n] = args->formats[args->n] = 0;
    args->n++;
}

void pg_hang_up(struct pg_store *ps, enum pg_line_name name)
{
    PQfinish(ps->lines[name].conn);
    ps->lines[name].conn = NULL;
}

static void no_notices(void *ctx, const char *message) { (void)ctx, (void)message; }

/* Words with a password in it never come back from libpq. */
static int check_server(PGconn *conn, struct err *err)
{
    PQsetNoticeProcessor(conn, no_notices, NULL);
    const char *encoding = PQparameterStatus(conn, "server_encoding");
    if (!encoding || strcmp(encoding, "UTF8") != 0)
        return err_set(err, ERR_INVALID, "store: the database's encoding is %s; it must be UTF8",
                       encoding ? encoding : "unknown");
    if (PQserverVersion(conn) < 130000)
        return err_set(err, ERR_INVALID, "store: PostgreSQL %d is too old; 13 or newer is needed",
                       PQserverVersion(conn) / 10000);
    return 0;
}

static int dial(struct pg_store *ps, struct pg_line *line, struct err *err)
{
    struct pg_target t;
    pg_resolve(ps);
    if (pg_target_init(&t, ps, NULL, err) != 0)
        return -1;
    line->conn = PQconnectdbParams(t.keywords, t.values, 0);
    pg_target_fini(&t);
    if (PQstatus(line->conn) == CONNECTION_OK)
        return check_server(line->conn, err);
    return pg_err(err, line->conn, NULL, "connect");
}

PGconn *pg_lock(struct pg_store *ps, enum pg_line_name name, struct err *err)
{
    struct pg_line *line = &ps->lines[name];
    pthread_mutex_lock(&line->lock);
    if (line->conn && PQstatus(line->conn) != CONNECTION_OK)
        pg_hang_up(ps, name);
    if (!line->conn && dial(ps, line, err) != 0) {
        pg_hang_up(ps, name);
        pthread_mutex_unlock(&line->lock);
        return NULL;
    }
    return line->conn;
}

void pg_unlock(struct pg_store *ps, enum pg_line_name name)
{
    pthread_mutex_unlock(&ps->lines[name].lock);
}

static bool is_fine(const PGresult *r)
{
    return PQresultStatus(r) == PGRES_TUPLES_OK || PQresultStatus(r) == PGRES_COMMAND_OK;
}

PGresult *pg_query(struct pg_store *ps, enum pg_line_name name, const char *what, const char *sql,
                   const struct pg_args *args, bool binary, struct err *err)
{
    static const struct pg_args none = { .n = 0 };
    if (!args)
        args = &none;
    for (int try = 0;; try++) {
        PGconn *conn = pg_lock(ps, name, err);
        if (!conn)
            return NULL;
        PGresult *r = PQexecParams(conn, sql, args->n, NULL, args->values, args->lengths,
                                   args->formats, binary);
        bool is_gone = PQstatus(conn) != CONNECTION_OK;
        if (!is_fine(r))
            pg_err(err, conn, r, what);
        if (is_gone)
            pg_hang_up(ps, name);
        pg_unlock(ps, name);
        if (is_fine(r))
            return r;
        PQclear(r);
        if (!is_gone || try)
            return NULL;
    }
}

wf_str pg_text(const PGresult *r, int row, int column)
{
    return (wf_str){ PQgetvalue(r, row, column), (size_t)PQgetlength(r, row, column) };
}

int64_t pg_int(const PGresult *r, int row, int column)
{
    return strtoll(PQgetvalue(r, row, column), NULL, 10);
}
