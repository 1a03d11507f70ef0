/* SPDX-License-Identifier: Apache-2.0
 * What the files of the postgres plugin share.
 *
 *   postgres.c  parameters, the plugin
 *   conn.c      one connection per worker and node, on the worker's loop, in pipeline mode
 *   batch.c     items become statements, answers end them; a failed bulk statement is halved
 *   sql.c       one item's statement
 *   rows.c      rows become items
 *   text.c      PostgreSQL's text of times and arrays
 */
#ifndef PLUGIN_POSTGRES_INT_H
#define PLUGIN_POSTGRES_INT_H
#include <catalyst/conn.h>
#include <libpq-fe.h>

enum { OP_DELETE, OP_QUERY, OP_INSERT, OP_UPSERT, OP_SELECT, OP_UPDATE };
enum { DELETE_TRUNCATE, DELETE_ROWS, DELETE_DROP };
enum { MAP_AUTO, MAP_BELOW };
enum { PARAMS_MAX = 65535 }; /* of a statement, by the protocol */

struct condition {
    wf_str column;
    int condition;
    const wf_value *value;
};

struct sort {
    wf_str column;
    int direction;
};

struct config {
    const wf_cred *credential;
    int resource, operation, delete_command, mapping, combine, all, skip_conflict;
    wf_str schema, table, query;
    const wf_value *replacement, *columns, *matching, *output, *column_schema;
    int convert, convert_text;
    wf_list where, sort; /* struct condition, struct sort */
    int64_t limit, timeout_ms;
};

/* --- one item's statement --------------------------------------------------------------------- */

/* head VALUES (...), (...) tail: statements with the same head and tail become one. Others have all
 * of it in head. Memory is the item's. */
struct statement {
    wf_str head, tail;
    const char **values; /* text, or NULL for null */
    size_t n;
    int is_row;        /* values are one row of VALUES */
    const char *error; /* why there is none */
};

void sql_build(const wf_host *h, wf_item *it, struct statement *s);

/* --- batches ---------------------------------------------------------------------------------- */

/* Makes statements of these items and sends them. They are parked, or failed. */
void batch_send(wf_conn *c, wf_item *const *items, size_t n);
/* The answer of a statement. */
void batch_take(wf_conn_call *call, const PGresult *r);
/* The connection broke under it. */
void batch_lost(wf_conn *c, wf_conn_call *call);

/* --- rows ------------------------------------------------------------------------------------- */

const wf_value *rows_object(const wf_host *h, wf_item *it, const PGresult *r, int row);
/* A value of a type (by its number in pg_type) from PostgreSQL's text; NULL is null. */
const wf_value *rows_value(const wf_host *h, wf_item *it, unsigned type, const char *text,
                           size_t len);
/* NULL: it is no such. */
const wf_value *text_time(const wf_host *h, wf_item *it, const char *text, size_t len);
const wf_value *text_array(const wf_host *h, wf_item *it, unsigned type, const char *text,
                           size_t len);
void fail_item(const wf_host *h, wf_item *it, wf_fault fault, const char *code, const char *why);

/* --- the connection --------------------------------------------------------------------------- */

void *conn_open(const wf_host *h, wf_inst *inst, wf_error *why);
void conn_close(const wf_host *h, void *state);
/* Queues a statement; its answer goes to batch_take. -1: the connection is gone. */
int conn_query(wf_conn *c, wf_conn_call *call, const char *sql, int n, const char *const *values);

#endif
