/* SPDX-License-Identifier: Apache-2.0
 * One connection per worker and node: libpq, non-blocking, in pipeline mode, on the worker's loop.
 *
 *   down --timer--> resolving --> connecting --> up
 *     ^-----------------'-- any error
 *
 * Every statement is followed by a sync, so each is a transaction of its own and a failed one
 * takes nobody along. Items that come while the connection is not up wait; when an attempt fails
 * they fail as transient, so that the engine's back-off decides how long they try. Thread: the
 * worker's. Nothing blocks.
 */
#include "postgres_int.h"
#include <catalyst/resolve.h>
#include <time.h>

enum state { DOWN = 1, RESOLVING, CONNECTING, UP, CLOSING };
enum {
    BACKOFF_MIN_MS = 100,
    BACKOFF_MAX_MS = 5000,
    CONNECT_MS = 10000, /* an attempt takes no longer */
    TICK_MS = 1000,
    LOOK_MS = 2, /* for the answer of a look-up */
    WAITING_MAX = 20000,
};

/* An item that waits for the connection. */
struct waiting {
    struct waiting *next;
    wf_ticket ticket;
};

struct conn {
    const wf_host *h;
    wf_inst *inst;
    const wf_loop *loop;
    const wf_cred *cred;
    wf_resolve *resolve;
    PGconn *pg;
    wf_watch *watch;
    wf_timer *timer;
    enum state state;
    int fd;
    unsigned attempts;
    int64_t backoff_ms, since_ms;
    struct batch *sent, **sent_end; /* statements whose sync has not come */
    PGresult *result;               /* of the first of them */
    struct waiting *waiting, **waiting_end;
    uint32_t n_waiting;
    char why[300];
};

const wf_host *conn_host(const struct conn *c) { return c->h; }

static int64_t mono_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void on_timer(void *arg);
static void on_events(void *arg, int events);

static void start_timer(struct conn *c, int64_t ms)
{
    if (c->timer)
        c->loop->timer_stop(c->timer);
    c->timer = c->loop->timer(c->inst, ms, on_timer, c);
}

/* --- going down ------------------------------------------------------------------------------- */

static void close_socket(struct conn *c)
{
    if (c->watch)
        c->loop->watch_stop(c->watch);
    c->watch = NULL;
    c->fd = -1;
    PQclear(c->result);
    c->result = NULL;
    wf_resolve_end(c->resolve);
    c->resolve = NULL;
    PQfinish(c->pg);
    c->pg = NULL;
}

static void fail_sent(struct conn *c)
{
    struct batch *b = c->sent;
    c->sent = NULL;
    c->sent_end = &c->sent;
    while (b) {
        struct batch *next = b->next;
        batch_lost(c, b, c->why);
        b = next;
    }
}

static void fail_waiting(struct conn *c, wf_fault fault)
{
    struct waiting *w = c->waiting;
    c->waiting = NULL;
    c->waiting_end = &c->waiting;
    c->n_waiting = 0;
    while (w) {
        struct waiting *next = w->next;
        wf_item *it = c->h->resume(c->h, w->ticket);
        if (it)
            fail_item(c->h, it, fault, fault == WF_ACCOUNT ? "auth" : "connection", c->why);
        free(w);
        w = next;
    }
}

/* libpq's words in one line. */
static void set_why(struct conn *c, const char *words)
{
    snprintf(c->why, sizeof c->why, "postgres: %s", words && *words ? words : "connection closed");
    size_t len = strlen(c->why);
    while (len && c->why[len - 1] == '\n')
        c->why[--len] = 0;
    for (char *p = c->why; *p; p++)
        *p = *p == '\n' ? ' ' : *p;
}

/* Wrong login is not the network's fault; libpq tells it by words only. */
static int is_login(const char *words)
{
    return strstr(words, "password authentication failed") ||
           strstr(words, "no password supplied") || strstr(words, "role \"") ||
           strstr(words, "database \"") || strstr(words, "pg_hba.conf");
}

static void go_down(struct conn *c, const char *words)
{
    int was_up = c->state == UP;
    if (c->state == DOWN || c->state == CLOSING)
        return;
    c->state = DOWN;
    set_why(c, words);
    close_socket(c);
    c->h->log(c->inst, WF_WARN, "postgres.down", "%s", c->why);
    start_timer(c, c->backoff_ms);
    c->backoff_ms = c->backoff_ms * 2 > BACKOFF_MAX_MS ? BACKOFF_MAX_MS : c->backoff_ms * 2;
    fail_sent(c);
    if (!was_up) /* those who come from now on wait for the next attempt */
        fail_waiting(c, is_login(c->why) ? WF_ACCOUNT : WF_TRANSIENT);
}

/* --- results ---------------------------------------------------------------------------------- */

static void take_sync(struct conn *c)
{
    struct batch *b = c->sent;
    PGresult *r = c->result;
    c->result = NULL;
    c->sent = b->next;
    if (!c->sent)
        c->sent_end = &c->sent;
    batch_take(c, b, r);
    PQclear(r);
}

static void take_results(struct conn *c)
{
    for (int nothing = 0; c->state == UP && c->sent && nothing < 2 && !PQisBusy(c->pg);) {
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
    int left = c->state == UP ? PQflush(c->pg) : -1;
    if (left >= 0)
        c->loop->watch_set(c->watch, WF_READABLE | (left ? WF_WRITABLE : 0));
    else if (c->state == UP)
        go_down(c, PQerrorMessage(c->pg));
}

/* --- waiting items ---------------------------------------------------------------------------- */

static void send_waiting(struct conn *c)
{
    struct waiting *w = c->waiting;
    wf_item **items = c->n_waiting ? calloc(c->n_waiting, sizeof *items) : NULL;
    size_t n = 0;
    c->waiting = NULL;
    c->waiting_end = &c->waiting;
    c->n_waiting = 0;
    while (w) {
        struct waiting *next = w->next;
        wf_item *it = c->h->resume(c->h, w->ticket);
        if (it && items)
            items[n++] = it;
        else if (it)
            fail_item(c->h, it, WF_TRANSIENT, "connection", "out of memory");
        free(w);
        w = next;
    }
    if (n)
        batch_send(c, items, n);
    free(items);
    flush(c);
}

static void wait_for(struct conn *c, wf_item *it)
{
    struct waiting *w = c->n_waiting < WAITING_MAX ? calloc(1, sizeof *w) : NULL;
    if (!w) {
        fail_item(c->h, it, WF_TRANSIENT, "connection", "too many items wait for postgres");
        return;
    }
    w->ticket = c->h->park(it, ((const struct config *)c->h->config(it))->timeout_ms);
    *c->waiting_end = w;
    c->waiting_end = &w->next;
    c->n_waiting++;
}

void conn_take(struct conn *c, wf_item *const *items, size_t n)
{
    for (size_t i = 0; c->state != UP && i < n; i++)
        wait_for(c, items[i]);
    if (c->state != UP)
        return;
    batch_send(c, items, n);
    flush(c);
}

int conn_query(struct conn *c, struct batch *b, const char *sql, int n, const char *const *values)
{
    if (c->state != UP || !PQsendQueryParams(c->pg, sql, n, NULL, values, NULL, NULL, 0) ||
        !PQpipelineSync(c->pg))
        return -1;
    b->next = NULL;
    *c->sent_end = b;
    c->sent_end = &b->next;
    return 0;
}

/* --- connecting ------------------------------------------------------------------------------- */

/* libpq may change its socket while it connects. */
static int watch(struct conn *c, int events)
{
    int fd = PQsocket(c->pg);
    if (fd != c->fd && c->watch) {
        c->loop->watch_stop(c->watch);
        c->watch = NULL;
    }
    if (!c->watch)
        c->watch = c->loop->watch(c->inst, fd, on_events, c);
    c->fd = fd;
    if (!c->watch)
        return -1;
    c->loop->watch_set(c->watch, events);
    return 0;
}

static void now_up(struct conn *c)
{
    if (PQsetnonblocking(c->pg, 1) != 0 || !PQenterPipelineMode(c->pg) ||
        watch(c, WF_READABLE) != 0) {
        go_down(c, PQerrorMessage(c->pg));
        return;
    }
    c->state = UP;
    c->backoff_ms = BACKOFF_MIN_MS;
    send_waiting(c);
}

static void go_on_connecting(struct conn *c)
{
    PostgresPollingStatusType status = PQconnectPoll(c->pg);
    if (status == PGRES_POLLING_OK)
        now_up(c);
    else if (status == PGRES_POLLING_FAILED)
        go_down(c, PQerrorMessage(c->pg));
    else if (watch(c, status == PGRES_POLLING_READING ? WF_READABLE : WF_WRITABLE) != 0)
        go_down(c, "its socket cannot be watched");
}

static void on_events(void *arg, int events)
{
    struct conn *c = arg;
    if (c->state == CONNECTING) {
        go_on_connecting(c);
        return;
    }
    if (c->state == UP && events & WF_READABLE && !PQconsumeInput(c->pg)) {
        take_results(c);
        if (c->state == UP)
            go_down(c, PQerrorMessage(c->pg));
        return;
    }
    take_results(c);
    if (c->state == UP && PQstatus(c->pg) == CONNECTION_BAD)
        go_down(c, PQerrorMessage(c->pg));
    else if (c->state == UP)
        flush(c);
}

/* The name goes along: certificates are checked against it. */
static void connect_to(struct conn *c, const char *address)
{
    static const char *const fields[][2] = { { "host", "host" },         { "port", "port" },
                                             { "dbname", "database" },   { "user", "user" },
                                             { "password", "password" }, { "sslmode", "ssl" } };
    const char *names[16] = { "application_name", "client_encoding", "keepalives_idle" },
               *values[16] = { "catalyst", "UTF8", "30" };
    size_t n = 3;
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        wf_str value = c->h->secret(c->cred, fields[i][1]);
        if (!value.len)
            continue;
        names[n] = fields[i][0];
        values[n++] = value.ptr;
    }
    if (address) {
        names[n] = "hostaddr";
        values[n++] = address;
    }
    c->state = CONNECTING;
    c->fd = -1;
    c->pg = PQconnectStartParams(names, values, 0);
    if (!c->pg || PQstatus(c->pg) == CONNECTION_BAD)
        go_down(c, c->pg ? PQerrorMessage(c->pg) : "no memory");
    else if (watch(c, WF_WRITABLE) != 0)
        go_down(c, "its socket cannot be watched");
    else
        start_timer(c, TICK_MS);
}

static void start_connecting(struct conn *c)
{
    const char *host = c->h->secret(c->cred, "host").ptr;
    c->since_ms = mono_ms();
    c->attempts++;
    c->state = RESOLVING;
    if (wf_resolve_needless(host))
        connect_to(c, NULL);
    else if (!(c->resolve = wf_resolve_start(host)))
        go_down(c, "the host's name cannot be looked up");
    else
        start_timer(c, LOOK_MS);
}

static void go_on_resolving(struct conn *c)
{
    char address[300];
    int found = wf_resolve_address(c->resolve, c->attempts - 1, address, sizeof address);
    if (found == 0) {
        start_timer(c, LOOK_MS);
        return;
    }
    wf_resolve_end(c->resolve);
    c->resolve = NULL;
    if (found < 0)
        go_down(c, address);
    else
        connect_to(c, address);
}

static void on_timer(void *arg)
{
    struct conn *c = arg;
    int is_late = mono_ms() - c->since_ms > CONNECT_MS;
    c->timer = NULL;
    if (c->state == DOWN)
        start_connecting(c);
    else if (c->state == RESOLVING && !is_late)
        go_on_resolving(c);
    else if (c->state != UP && is_late)
        go_down(c, "the server does not answer");
    else if (c->state == CONNECTING)
        start_timer(c, TICK_MS);
}

void *conn_open(const wf_host *h, wf_inst *inst, wf_error *why)
{
    const struct config *config = h->inst_config(inst);
    const wf_loop *loop = h->service("loop/1");
    struct conn *c = calloc(1, sizeof *c);
    const char *wrong = !c ? "no memory" : !loop ? "this engine has no sockets for plugins" : NULL;
    if (wrong) {
        free(c);
        *why = (wf_error){ .size = sizeof *why,
                           .fault = WF_ACCOUNT,
                           .detail = { wrong, strlen(wrong) } };
        return NULL;
    }
    *c = (struct conn){ .h = h,
                        .inst = inst,
                        .loop = loop,
                        .cred = config->credential,
                        .fd = -1,
                        .backoff_ms = BACKOFF_MIN_MS };
    c->sent_end = &c->sent;
    c->waiting_end = &c->waiting;
    start_connecting(c);
    return c;
}

void conn_close(const wf_host *h, void *state)
{
    struct conn *c = state;
    (void)h;
    c->state = CLOSING;
    if (c->timer)
        c->loop->timer_stop(c->timer);
    close_socket(c);
    while (c->sent) {
        struct batch *next = c->sent->next;
        free(c->sent);
        c->sent = next;
    }
    while (c->waiting) {
        struct waiting *next = c->waiting->next;
        free(c->waiting);
        c->waiting = next;
    }
    free(c);
}
