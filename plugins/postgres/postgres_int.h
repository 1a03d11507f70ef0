/* SPDX-License-Identifier: Apache-2.0
 * What the files of the postgres plugin share.
 *
 *   postgres.c  parameters, the plugin
 *   conn.c      one connection per worker and node, on the worker's loop, in pipeline mode
 *   batch.c     items become statements, answers end them; a failed bulk statement is halved
 *   sql.c       one item's statement
 *   rows.c      rows become items
 */
#ifndef PLUGIN_POSTGRES_INT_H
#define PLUGIN_POSTGRES_INT_H
#include <catalyst/plugin.h>
#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

struct conn;

/* A statement under way, for one item or many. */
struct batch {
    struct batch *next;
    size_t n;
    wf_ticket tickets[];
};

/* Makes statements of these items and sends them. They are parked, or failed. */
void batch_send(struct conn *c, wf_item *const *items, size_t n);
/* The answer of a batch, which is freed. */
void batch_take(struct conn *c, struct batch *b, const PGresult *r);
/* The connection broke under it. Frees it. */
void batch_lost(struct conn *c, struct batch *b, const char *why);

/* --- rows ------------------------------------------------------------------------------------- */

const wf_value *rows_object(const wf_host *h, wf_item *it, const PGresult *r, int row);
void fail_item(const wf_host *h, wf_item *it, wf_fault fault, const char *code, const char *why);

/* --- the connection --------------------------------------------------------------------------- */

void *conn_open(const wf_host *h, wf_inst *inst, wf_error *why);
void conn_close(const wf_host *h, void *state);
const wf_host *conn_host(const struct conn *c);
/* Sends the items now, or when the connection is up. */
void conn_take(struct conn *c, wf_item *const *items, size_t n);
/* Queues a statement; its answer goes to batch_take. -1: the connection is gone. */
int conn_query(struct conn *c, struct batch *b, const char *sql, int n, const char *const *values);

#endif
