/* SPDX-License-Identifier: Apache-2.0
 * One connection per worker and node: a life of catalyst/conn.h, and libpq, non-blocking, in
 * pipeline mode.
 *
 * Every statement is followed by a sync, so each is a transaction of its own and a failed one
 * takes nobody along. Results come in the order of statements, so the first call under way is the
 * one that a sync ends. Thread: the worker's. Nothing blocks but libpq reading files of
 * certificates.
 */
#include "postgres_int.h"

struct conn {
    wf_conn c; /* first */
    const wf_cred *cred;
    PGconn *pg;
    wf_watch *watch;
    int fd;
    PGresult *result; /* of the first statement under way */
};

static void on_events(void *arg, int events);

/* Wrong login or certificate is not the network's fault; libpq tells it by words only. */
static wf_fault fault_of(const char *words)
{
    static const char *const person[] = { "password authentication failed",
                                          "no password supplied",
                                          "role \"",
                                          "database \"",
                                          "pg_hba.conf",
                                          "certificate",
                                          "does not match host name",
                                          "does not support SSL",
                                          "invalid sslmode",
                                          "permission denied" };
    for (size_t i = 0; i < sizeof person / sizeof *person; i++)
        if (strstr(words, person[i]))
            return WF_ACCOUNT;
    return WF_TRANSIENT;
}

static void lost(struct conn *c)
{
    char words[400];
    snprintf(words, sizeof words, "%s", c->pg ? PQerrorMessage(c->pg) : "no memory");
    wf_conn_down(&c->c, wf_conn_is_up(&c->c) ? WF_TRANSIENT : fault_of(words), words);
}

static void on_disconnect(wf_conn *base)
{
    struct conn *c = (struct conn *)base;
    if (c->watch)
        c->c.loop->watch_stop(c->watch);
    c->watch = NULL;
    c->fd = -1;
    PQclear(c->result);
    c->result = NULL;
    PQfinish(c->pg);
    c->pg = NULL;
}

/* --- results ---------------------------------------------------------------------------------- */

static void take_sync(struct conn *c)
{
    wf_conn_call *call = c->c.calls;
    PGresult *r = c->result;
    c->result = NULL;
    wf_conn_answered(call);
    batch_take(call, r);
    wf_conn_call_free(call);
    PQclear(r);
}

static void take_results(struct conn *c)
{
    for (int nothing = 0; wf_conn_is_up(&c->c) && c->c.calls && nothing < 2 && !PQisBusy(c->pg);) {
        PGresult *r = PQgetResult(c->pg);
        ExecStatusType status = r ? PQresultStatus(r) : PGRES_EMPTY_QUERY;
        nothing = r ? 0 : nothing + 1;
        if (status == PGRES_PIPELINE_SYNC) {
            PQclear(r);
            take_sync(c);
        } else if (r && !c->result) {
            c->result = r;
        } else {
            PQclear(r);
        }
    }
}

static void flush(struct conn *c)
{
    int left = wf_conn_is_up(&c->c) ? PQflush(c->pg) : -1;
    if (left >= 0)
        c->c.loop->watch_set(c->watch, WF_READABLE | (left ? WF_WRITABLE : 0));
    else if (wf_conn_is_up(&c->c))
        lost(c);
}

static void on_send(wf_conn *c, wf_item *const *items, size_t n)
{
    batch_send(c, items, n);
    flush((struct conn *)c);
}

int conn_query(wf_conn *base, wf_conn_call *call, const char *sql, int n, const char *const *values)
{
    struct conn *c = (struct conn *)base;
    if (!wf_conn_is_up(base) || !PQsendQueryParams(c->pg, sql, n, NULL, values, NULL, NULL, 0) ||
        !PQpipelineSync(c->pg))
        return -1;
    wf_conn_sent(call);
    return 0;
}

/* --- connecting ------------------------------------------------------------------------------- */

/* libpq may change its socket while it connects. */
static int watch(struct conn *c, int events)
{
    const wf_loop *loop = c->c.loop;
    int fd = PQsocket(c->pg);
    if (fd != c->fd && c->watch) {
        loop->watch_stop(c->watch);
        c->watch = NULL;
    }
    if (!c->watch && fd >= 0)
        c->watch = loop->watch(c->c.inst, fd, on_events, c);
    c->fd = fd;
    if (!c->watch)
        return -1;
    loop->watch_set(c->watch, events);
    return 0;
}

/* The server gives a statement up when its item does; it would hold up those behind it. Its own
 * call, before all others. */
static int set_limit(struct conn *c)
{
    const struct config *config = c->c.h->inst_config(c->c.inst);
    char sql[64];
    snprintf(sql, sizeof sql, "SET statement_timeout = %lld", (long long)config->timeout_ms);
    if (!PQsendQueryParams(c->pg, sql, 0, NULL, NULL, NULL, NULL, 0) || !PQpipelineSync(c->pg))
        return 0;
    wf_conn_sent(wf_conn_call_new(&c->c, 0));
    return 1;
}

static void now_up(struct conn *c)
{
    if (PQsetnonblocking(c->pg, 1) != 0 || !PQenterPipelineMode(c->pg) ||
        watch(c, WF_READABLE) != 0 || !set_limit(c)) {
        lost(c);
        return;
    }
    wf_conn_up(&c->c);
    flush(c);
}

static void go_on_connecting(struct conn *c)
{
    PostgresPollingStatusType status = PQconnectPoll(c->pg);
    if (status == PGRES_POLLING_OK)
        now_up(c);
    else if (status == PGRES_POLLING_FAILED)
        lost(c);
    else if (watch(c, status == PGRES_POLLING_READING ? WF_READABLE : WF_WRITABLE) != 0)
        wf_conn_down(&c->c, WF_TRANSIENT, "its socket cannot be watched");
}

static void on_events(void *arg, int events)
{
    struct conn *c = arg;
    if (!wf_conn_is_up(&c->c)) {
        go_on_connecting(c);
        return;
    }
    wf_conn_heard(&c->c);
    int broken = events & WF_READABLE && !PQconsumeInput(c->pg);
    take_results(c);
    if (!wf_conn_is_up(&c->c))
        return;
    if (broken || PQstatus(c->pg) == CONNECTION_BAD)
        lost(c);
    else
        flush(c);
}

/* The name goes along: certificates are checked against it. */
static void on_connect(wf_conn *base, const char *address)
{
    static const char *const fields[][2] = {
        { "host", "host" },          { "port", "port" },         { "dbname", "database" },
        { "user", "user" },          { "password", "password" }, { "sslmode", "ssl" },
        { "sslrootcert", "caFile" }, { "sslcert", "certFile" },  { "sslkey", "keyFile" },
    };
    struct conn *c = (struct conn *)base;
    const char *names[20] = { "application_name", "client_encoding", "keepalives_idle",
                              "tcp_user_timeout" },
               *values[20] = { "catalyst", "UTF8", "30", "30000" };
    size_t n = 4;
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        wf_str value = c->c.h->secret(c->cred, fields[i][1]);
        if (!value.len)
            continue;
        names[n] = fields[i][0];
        values[n++] = value.ptr;
    }
    if (*address && *address != '/') {
        names[n] = "hostaddr";
        values[n++] = address;
    }
    c->fd = -1;
    c->pg = PQconnectStartParams(names, values, 0);
    if (!c->pg || PQstatus(c->pg) == CONNECTION_BAD)
        lost(c);
    else if (watch(c, WF_WRITABLE) != 0)
        wf_conn_down(&c->c, WF_TRANSIENT, "its socket cannot be watched");
}

static const char *on_host(wf_conn *base)
{
    return base->h->secret(((struct conn *)base)->cred, "host").ptr;
}

static int64_t timeout_ms(wf_conn *c, wf_item *it)
{
    return ((const struct config *)c->h->config(it))->timeout_ms;
}

static const wf_conn_type conn_type = {
    .name = "postgres",
    .host = on_host,
    .connect = on_connect,
    .disconnect = on_disconnect,
    .send = on_send,
    .lost = batch_lost,
    .timeout_ms = timeout_ms,
};

void *conn_open(const wf_host *h, wf_inst *inst, wf_error *why)
{
    const struct config *config = h->inst_config(inst);
    struct conn *c = calloc(1, sizeof *c);
    if (!c)
        abort();
    c->cred = config->credential;
    c->fd = -1;
    if (wf_conn_init(&c->c, &conn_type, h, inst, why) != 0) {
        free(c);
        return NULL;
    }
    wf_conn_start(&c->c);
    return c;
}

void conn_close(const wf_host *h, void *state)
{
    struct conn *c = state;
    (void)h;
    wf_conn_close(&c->c);
    free(c);
}
