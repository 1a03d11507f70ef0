/* SPDX-License-Identifier: Apache-2.0
 * A call on the connection for plugins: what it sends, and what its answers mean.
 *
 * Statements are prepared once per connection, each in a round of its own ahead of the call, so
 * that a text that cannot be prepared hits the calls that use it and no other. The call's
 * statements up to its sync are one transaction.
 *
 * A call of several statements of which one must hit a row decides at its end: it is sent behind
 * BEGIN, and COMMIT or ROLLBACK follow when it is answered. Nothing else is sent meanwhile. A lone
 * statement that hit nothing did nothing, and needs no such thing.
 *
 * Thread: the loop's; nothing blocks.
 */
#include "store/pg_sql_int.h"
#include <stdio.h>
#include <stdlib.h>

enum { PREPARED_MAX = 256, PARAMS_MAX = 65535 };

/* What is learned of a call while it is under way. */
struct progress {
    struct sql_prepared **prepared; /* by statement; NULL: sent as it is */
    PGresult *last;                 /* of the last statement */
    int missed;                     /* -1: none */
    bool failed, asked_commit;
    bool is_retryable;
    char error[400];
};

static struct progress *progress_of(const struct sql_call *call) { return call->own; }

void sql_call_begin(struct sql_call *call)
{
    struct progress *p = ARENA_NEW(&call->arena, struct progress);
    p->prepared = ARENA_ARRAY(&call->arena, struct sql_prepared *, call->n);
    p->missed = -1;
    call->own = p;
}

void sql_call_drop(struct sql_call *call)
{
    if (call->own)
        PQclear(progress_of(call)->last);
    sql_call_free(call);
}

bool sql_call_is_alone(const struct sql_call *call)
{
    for (size_t i = 0; i < call->n && call->n > 1; i++)
        if (call->statements[i].flags & WF_SQL_MUST_HIT)
            return true;
    return false;
}

/* --- sending ---------------------------------------------------------------------------------- */

static struct sql_prepared *prepare(struct pg_sql *q, const char *text, int *rc)
{
    size_t len = strlen(text);
    struct sql_prepared *p = map_get(&q->prepared, text, len);
    *rc = 0;
    if (p && !p->is_bad)
        return p;
    if (q->n_prepared >= PREPARED_MAX)
        return NULL;
    p = xcalloc(1, sizeof *p);
    snprintf(p->name, sizeof p->name, "p%u", q->n_prepared++);
    list_append(&q->all_prepared, &p->link);
    map_put_copy(&q->prepared, text, len, p);
    if (!PQsendPrepare(q->conn, p->name, text, 0, NULL) || !PQpipelineSync(q->conn)) {
        *rc = -1;
        return NULL;
    }
    sql_step_add(q, STEP_PREPARE, NULL)->prepared = p;
    sql_step_add(q, STEP_PREPARE_END, NULL);
    return p;
}

static const char *text_of(const wf_statement *s) { return s->pg ? s->pg : ""; }

static int send_statement(struct pg_sql *q, struct sql_call *call, size_t i)
{
    const wf_statement *s = &call->statements[i];
    const struct sql_prepared *p = progress_of(call)->prepared[i];
    const char **values = ARENA_ARRAY(&call->arena, const char *, s->n_params);
    int *lengths = ARENA_ARRAY(&call->arena, int, s->n_params), n = (int)s->n_params;
    for (int k = 0; k < n; k++) {
        values[k] = s->params[k].ptr; /* ends with a NUL */
        lengths[k] = (int)s->params[k].len;
    }
    int sent = p ? PQsendQueryPrepared(q->conn, p->name, n, values, lengths, NULL, 0)
                 : PQsendQueryParams(q->conn, text_of(s), n, NULL, values, lengths, NULL, 0);
    if (!sent)
        return -1;
    sql_step_add(q, STEP_STATEMENT, call)->statement = i;
    return 0;
}

static int send_plain(struct pg_sql *q, const char *text, enum sql_step_kind kind,
                      struct sql_call *call)
{
    if (!PQsendQueryParams(q->conn, text, 0, NULL, NULL, NULL, NULL, 0))
        return -1;
    sql_step_add(q, kind, call);
    return 0;
}

static int send_sync(struct pg_sql *q, enum sql_step_kind kind, struct sql_call *call)
{
    if (!PQpipelineSync(q->conn))
        return -1;
    sql_step_add(q, kind, call);
    return 0;
}

int sql_call_send(struct pg_sql *q, struct sql_call *call)
{
    struct progress *p = progress_of(call);
    int rc = 0;
    for (size_t i = 0; i < call->n && rc == 0; i++)
        if (call->statements[i].n_params <= PARAMS_MAX)
            p->prepared[i] = prepare(q, text_of(&call->statements[i]), &rc);
    if (rc == 0 && sql_call_is_alone(call))
        rc = send_plain(q, "BEGIN", STEP_BEGIN, call);
    for (size_t i = 0; i < call->n && rc == 0; i++)
        rc = send_statement(q, call, i);
    return rc == 0 ? send_sync(q, STEP_END, call) : -1;
}

/* --- answers ---------------------------------------------------------------------------------- */

static void note_error(struct progress *p, const char *sqlstate, const char *words)
{
    if (p->failed)
        return;
    p->failed = true;
    p->is_retryable = pg_trouble(sqlstate) != PG_TROUBLE_DATA;
    snprintf(p->error, sizeof p->error, "%s (%s)", words, sqlstate);
}

static void take_error(struct pg_sql *q, const struct sql_step *step, const PGresult *r)
{
    char words[300];
    const char *state = PQresultErrorField(r, PG_DIAG_SQLSTATE);
    pg_words(words, sizeof words, PQresultErrorField(r, PG_DIAG_MESSAGE_PRIMARY));
    if (state && (!strcmp(state, "25006") || !strncmp(state, "57P", 3)))
        q->is_wrong_server = true;
    if (step->kind == STEP_PREPARE) {
        step->prepared->is_bad = true;
        snprintf(step->prepared->why, sizeof step->prepared->why, "%s", words);
        snprintf(step->prepared->sqlstate, sizeof step->prepared->sqlstate, "%s",
                 state ? state : "");
        return;
    }
    struct progress *p = progress_of(step->call);
    struct sql_prepared *prepared =
        step->kind == STEP_STATEMENT ? p->prepared[step->statement] : NULL;
    if (prepared && prepared->is_bad)
        note_error(p, prepared->sqlstate, prepared->why);
    else
        note_error(p, state ? state : "", words);
    if (prepared && state && !strcmp(state, "0A000"))
        prepared->is_bad = true; /* the table is another by now: the next one prepares it anew */
}

static bool has_changed(const PGresult *r)
{
    const char *command = PQcmdStatus((PGresult *)r);
    return strncmp(command, "SELECT", 6) != 0;
}

static uint64_t count_of(const PGresult *r)
{
    return strtoull(PQcmdTuples((PGresult *)r), NULL, 10);
}

void sql_call_result(struct pg_sql *q, const struct sql_step *step, PGresult *r)
{
    ExecStatusType status = PQresultStatus(r);
    if (status == PGRES_FATAL_ERROR && step->kind != STEP_SETUP)
        take_error(q, step, r);
    if (step->kind != STEP_STATEMENT ||
        (status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK && status != PGRES_EMPTY_QUERY)) {
        PQclear(r);
        return;
    }
    struct progress *p = progress_of(step->call);
    bool is_hit = PQntuples(r) || count_of(r);
    if (step->call->statements[step->statement].flags & WF_SQL_MUST_HIT && !is_hit && p->missed < 0)
        p->missed = (int)step->statement;
    if (step->statement + 1 < step->call->n) {
        PQclear(r);
        return;
    }
    PQclear(p->last);
    p->last = r;
}

bool sql_call_end(struct pg_sql *q, const struct sql_step *step, int *rc)
{
    struct sql_call *call = step->call;
    struct progress *p = progress_of(call);
    if (step->kind == STEP_VERDICT_END || !sql_call_is_alone(call))
        return true;
    p->asked_commit = !p->failed && p->missed < 0;
    *rc = send_plain(q, p->asked_commit ? "COMMIT" : "ROLLBACK", STEP_VERDICT, call);
    if (*rc == 0)
        *rc = send_sync(q, STEP_VERDICT_END, call);
    return false;
}

/* --- telling ---------------------------------------------------------------------------------- */

static void fill_rows(struct sql_call *call, const PGresult *r, wf_rows *rows)
{
    int n = PQntuples(r), columns = PQnfields(r);
    wf_str *cells = arena_alloc(&call->arena, ((size_t)n * (size_t)columns + 1) * sizeof *cells);
    for (int i = 0; i < n; i++)
        for (int k = 0; k < columns; k++)
            cells[i * columns + k] = PQgetisnull(r, i, k) ? (wf_str){ NULL, 0 } : pg_text(r, i, k);
    rows->n_rows = (size_t)n;
    rows->n_columns = (size_t)columns;
    rows->cells = cells;
    rows->changed = has_changed(r) ? count_of(r) : 0;
}

void sql_call_tell(struct pg_sql *q, struct sql_call *call)
{
    struct progress *p = progress_of(call);
    wf_rows rows = { .size = sizeof rows, .missed = -1 };
    PGresult *last = p->last;
    p->last = NULL;
    if (p->failed) {
        rows.error = p->error;
        rows.retryable = p->is_retryable;
    } else if (p->missed >= 0) {
        rows.error = sql_missed(&call->arena, (size_t)p->missed);
        rows.missed = p->missed;
    } else if (last && PQresultMemorySize(last) > STORE_SQL_ANSWER_BYTES) {
        rows.error = "the answer is too large";
        rows.maybe_done = 1;
    } else if (last) {
        fill_rows(call, last, &rows);
    }
    sql_tell(q->session, call, &rows);
    PQclear(last);
}

/* Only a sync that was sent can have committed; with an error known before it nothing was. */
void sql_call_tell_lost(struct pg_sql *q, struct sql_call *call, const char *reason)
{
    const struct progress *p = progress_of(call);
    bool maybe = !p->failed && (p->asked_commit || !sql_call_is_alone(call));
    char text[500];
    snprintf(text, sizeof text, "the connection broke: %s", p->failed ? p->error : reason);
    PQclear(p->last);
    progress_of(call)->last = NULL;
    sql_tell_error(q->session, call, true, maybe, text);
}
