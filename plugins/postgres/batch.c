/* SPDX-License-Identifier: Apache-2.0
 * Items to statements and back. Rows that neighbours insert into the same table become one
 * statement; when it fails as a whole it left nothing behind, so it is halved until the bad row
 * stands alone, and its neighbours succeed. Thread: the worker's.
 */
#include "postgres_int.h"

enum { ROWS_MAX = 500 };

void fail_item(const wf_host *h, wf_item *it, wf_fault fault, const char *code, const char *why)
{
    h->fail_with(it, &(wf_error){ .size = sizeof(wf_error), .fault = fault, .code = code }, "%s",
                 why);
}

/* --- sending ---------------------------------------------------------------------------------- */

static int same(wf_str a, wf_str b) { return a.len == b.len && !memcmp(a.ptr, b.ptr, a.len); }

/* Rows that one answer cannot tell apart stay alone. */
static int may_join(const wf_host *h, wf_item *it, const struct statement *s)
{
    return s->is_row && !((const struct config *)h->config(it))->skip_conflict;
}

/* head VALUES ($1, $2), ($3, $4) tail */
static const char *join(const wf_host *h, wf_item *it, const struct statement *s, size_t rows)
{
    size_t size = s->head.len + s->tail.len + 16 + rows * (s->n * 8 + 4), at = 0;
    char *sql = h->alloc(it, size);
    unsigned param = 0;
    at += (size_t)snprintf(sql, size, "%s", s->head.ptr);
    for (size_t r = 0; s->is_row && r < rows; r++) {
        at += (size_t)snprintf(sql + at, size - at, "%s(", r ? "," : " VALUES ");
        for (size_t i = 0; i < s->n; i++)
            at += (size_t)snprintf(sql + at, size - at, "%s$%u", i ? "," : "", ++param);
        at += (size_t)snprintf(sql + at, size - at, ")");
    }
    snprintf(sql + at, size - at, "%s", s->tail.ptr);
    return sql;
}

static void send_one(wf_conn *c, wf_item *const *items, const struct statement *s, size_t rows)
{
    const wf_host *h = c->h;
    wf_conn_call *call = wf_conn_call_new(c, rows);
    const char **values = h->alloc(items[0], (rows * s->n + 1) * sizeof *values);
    for (size_t r = 0; r < rows; r++)
        if (s->n)
            memcpy(values + r * s->n, s[r].values, s->n * sizeof *values);
    int sent = conn_query(c, call, join(h, items[0], s, rows), (int)(rows * s->n), values);
    for (size_t r = 0; r < rows; r++) {
        const struct config *config = h->config(items[r]);
        if (sent == 0)
            wf_conn_call_park(call, r, items[r], config->timeout_ms);
        else
            fail_item(h, items[r], WF_TRANSIENT, "connection", "postgres: the connection is gone");
    }
    if (sent != 0)
        wf_conn_call_free(call);
}

/* How many of the statements from the first on become one. */
static size_t group(const wf_host *h, wf_item *const *items, const struct statement *s, size_t n)
{
    size_t rows = 1;
    if (!may_join(h, items[0], s))
        return 1;
    while (rows < n && rows < ROWS_MAX && (rows + 1) * s->n <= PARAMS_MAX && !s[rows].error &&
           may_join(h, items[rows], &s[rows]) && same(s->head, s[rows].head) &&
           same(s->tail, s[rows].tail))
        rows++;
    return rows;
}

void batch_send(wf_conn *c, wf_item *const *items, size_t n)
{
    const wf_host *h = c->h;
    struct statement *s = calloc(n, sizeof *s);
    for (size_t i = 0; i < n && s; i++)
        sql_build(h, items[i], &s[i]);
    for (size_t i = 0, rows; i < n; i += rows) {
        rows = 1;
        if (!s || s[i].error)
            fail_item(h, items[i], WF_REJECTED, "statement", s ? s[i].error : "out of memory");
        else
            send_one(c, items + i, s + i, rows = group(h, items + i, s + i, n - i));
    }
    free(s);
}

/* --- answers ---------------------------------------------------------------------------------- */

static void push_rows(const wf_host *h, wf_item *it, const PGresult *r)
{
    for (int row = 0; row < PQntuples(r); row++)
        h->push(it, 0, rows_object(h, it, r, row));
    h->done(it);
}

static void take_good(const wf_host *h, wf_item *it, const PGresult *r)
{
    if (PQresultStatus(r) == PGRES_TUPLES_OK)
        push_rows(h, it, r);
    else
        h->emit(it, 0,
                h->build(it, "{s:b,s:i}", "success", 1, "rowCount",
                         (int64_t)strtoll(PQcmdTuples((PGresult *)(uintptr_t)r), NULL, 10)));
}

static void classify(const char *state, wf_fault *fault, const char **code)
{
    *fault = WF_REJECTED;
    *code = "rejected";
    if (!strncmp(state, "23", 2))
        *code = "constraint";
    else if (!strncmp(state, "22", 2))
        *code = "data";
    else if (!strncmp(state, "28", 2) || !strcmp(state, "42501")) {
        *fault = WF_ACCOUNT;
        *code = "auth";
    } else if (!strncmp(state, "40", 2) || !strncmp(state, "53", 2) ||
               !strncmp(state, "55P03", 5) || !strncmp(state, "57", 2) ||
               !strncmp(state, "08", 2)) {
        *fault = WF_TRANSIENT;
        *code = "busy";
    }
}

static void take_bad(const wf_host *h, wf_item *it, const PGresult *r)
{
    const char *state = r ? PQresultErrorField(r, PG_DIAG_SQLSTATE) : NULL,
               *words = r ? PQresultErrorField(r, PG_DIAG_MESSAGE_PRIMARY) : NULL,
               *more = r ? PQresultErrorField(r, PG_DIAG_MESSAGE_DETAIL) : NULL;
    wf_error e = { .size = sizeof e };
    classify(state ? state : "", &e.fault, &e.code);
    if (more)
        e.detail = h->fmt(it, "%s", more);
    h->fail_with(it, &e, "postgres: %s%s%s%s", words ? words : "no answer", state ? " (" : "",
                 state ? state : "", state ? ")" : "");
}

static int is_good(const PGresult *r)
{
    ExecStatusType status = PQresultStatus(r);
    return status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK || status == PGRES_EMPTY_QUERY;
}

static void take_many(wf_conn *c, wf_item *const *items, const int *rows, size_t n, size_t sent,
                      const PGresult *r)
{
    const wf_host *h = c->h;
    if (!is_good(r) || PQntuples(r) != (int)sent) {
        size_t half = n > 1 ? n / 2 : 1;
        batch_send(c, items, half);
        if (n > half)
            batch_send(c, items + half, n - half);
        return;
    }
    for (size_t i = 0; i < n; i++)
        h->emit(items[i], 0, rows_object(h, items[i], r, rows[i]));
}

void batch_take(wf_conn_call *call, const PGresult *r)
{
    wf_conn *c = call->conn;
    if (!call->n)
        return; /* the connection's own */
    wf_item **items = calloc(call->n, sizeof *items);
    int *rows = calloc(call->n, sizeof *rows);
    size_t n = 0;
    for (size_t i = 0; i < call->n && items && rows; i++) {
        wf_item *it = wf_conn_call_item(call, i);
        if (!it)
            continue; /* timed out or cancelled meanwhile */
        rows[n] = (int)i;
        items[n++] = it;
    }
    if (n && call->n > 1)
        take_many(c, items, rows, n, call->n, r);
    else if (n && is_good(r))
        take_good(c->h, items[0], r);
    else if (n)
        take_bad(c->h, items[0], r);
    free(items);
    free(rows);
}

/* Whether running it again could do it twice. */
static int acts_twice(const struct config *c)
{
    const char *p = c->query.ptr;
    if (c->operation != OP_QUERY)
        return c->operation == OP_INSERT && !c->skip_conflict;
    p += strspn(p, " \t\r\n(");
    return strncmp(p, "SELECT", 6) != 0 && strncmp(p, "select", 6) != 0;
}

void batch_lost(wf_conn *c, wf_conn_call *call)
{
    for (size_t i = 0; i < call->n; i++) {
        wf_item *it = wf_conn_call_item(call, i);
        if (it)
            wf_conn_lost_item(c, it, !acts_twice(c->h->config(it)));
    }
}
