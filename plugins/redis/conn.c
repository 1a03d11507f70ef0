/* SPDX-License-Identifier: Apache-2.0
 * One connection per worker and node: hiredis without a loop of its own, over the worker's.
 *
 *   down --timer--> resolving --> connecting --> greeting (AUTH, SELECT) --> up
 *     ^-----------------'--------------'--- any error ---------'
 *
 * All commands of a frame are written together. Items that come while it is not up wait; when an
 * attempt fails they fail as transient, so that the engine's back-off decides how long they try.
 * Thread: the worker's. Nothing blocks.
 */
#include "redis_int.h"
#include <catalyst/resolve.h>
#include <time.h>

enum state { DOWN = 1, RESOLVING, CONNECTING, GREETING, UP, CLOSING };
enum {
    BACKOFF_MIN_MS = 100,
    BACKOFF_MAX_MS = 5000,
    CONNECT_MS = 5000, /* an attempt takes no longer */
    SILENT_MS = 30000, /* commands under way and no answer for so long: the connection is dead */
    TICK_MS = 1000,
    LOOK_MS = 2, /* for the answer of a look-up */
    WAITING_MAX = 20000,
};

struct conn {
    const wf_host *h;
    wf_inst *inst;
    const wf_loop *loop;
    const wf_cred *cred;
    wf_resolve *resolve;
    redisAsyncContext *ac;
    wf_watch *watch;
    wf_timer *timer;
    enum state state;
    int events;
    int64_t backoff_ms, since_ms; /* since: of the attempt, or the last answer */
    uint32_t attempts, greetings, under_way, n_waiting;
    struct job *waiting, **waiting_end;
    wf_fault fault; /* of the failed attempt */
    char why[200];
};

const wf_host *conn_host(const struct conn *c) { return c->h; }

static int64_t mono_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void on_timer(void *arg);

static void start_timer(struct conn *c, int64_t ms)
{
    if (c->timer)
        c->loop->timer_stop(c->timer);
    c->timer = c->loop->timer(c->inst, ms, on_timer, c);
}

/* --- hiredis's events on the worker's loop ---------------------------------------------------- */

static void set_events(struct conn *c, int events)
{
    if (events == c->events || !c->watch)
        return;
    c->events = events;
    c->loop->watch_set(c->watch, events);
}

static void add_read(void *arg) { set_events(arg, ((struct conn *)arg)->events | WF_READABLE); }
static void del_read(void *arg) { set_events(arg, ((struct conn *)arg)->events & ~WF_READABLE); }
static void add_write(void *arg) { set_events(arg, ((struct conn *)arg)->events | WF_WRITABLE); }
static void del_write(void *arg) { set_events(arg, ((struct conn *)arg)->events & ~WF_WRITABLE); }

/* The last that hiredis does with a context, whatever became of it. */
static void cleanup(void *arg)
{
    struct conn *c = arg;
    if (c->watch)
        c->loop->watch_stop(c->watch);
    c->watch = NULL;
    c->ac = NULL;
    c->events = 0;
}

static void on_events(void *arg, int events)
{
    struct conn *c = arg;
    if (c->ac && events & WF_READABLE)
        redisAsyncHandleRead(c->ac);
    if (c->ac && events & WF_WRITABLE)
        redisAsyncHandleWrite(c->ac);
}

/* --- waiting items ---------------------------------------------------------------------------- */

static struct job *waiting_pop(struct conn *c)
{
    struct job *job = c->waiting;
    if (!job)
        return NULL;
    c->waiting = job->next;
    if (!c->waiting)
        c->waiting_end = &c->waiting;
    c->n_waiting--;
    return job;
}

static void waiting_fail(struct conn *c)
{
    struct job *job;
    for (uint32_t n = c->n_waiting; n && (job = waiting_pop(c)); n--) {
        wf_item *it = c->h->resume(c->h, job->ticket);
        free(job);
        if (it)
            result_fail(c->h, it, c->fault, c->fault == WF_ACCOUNT ? "auth" : "connection", c->why);
    }
}

static void waiting_send(struct conn *c)
{
    struct job *job;
    while (c->state == UP && (job = waiting_pop(c))) {
        wf_item *it = c->h->resume(c->h, job->ticket);
        if (it)
            command_send(c, it, job);
        else
            free(job);
    }
}

/* --- a life ----------------------------------------------------------------------------------- */

static void went_down(struct conn *c, const char *why, wf_fault fault)
{
    if (c->state == CLOSING || c->state == DOWN)
        return;
    int was_up = c->state == UP;
    c->state = DOWN;
    wf_resolve_end(c->resolve);
    c->resolve = NULL;
    c->fault = fault;
    snprintf(c->why, sizeof c->why, "redis %s:%s: %s", c->h->secret(c->cred, "host").ptr,
             c->h->secret(c->cred, "port").ptr, why && *why ? why : "connection closed");
    c->h->log(c->inst, WF_WARN, "redis.down", "%s", c->why);
    start_timer(c, c->backoff_ms);
    c->backoff_ms = c->backoff_ms * 2 > BACKOFF_MAX_MS ? BACKOFF_MAX_MS : c->backoff_ms * 2;
    if (!was_up) /* those who come from now on wait for the next attempt */
        waiting_fail(c);
}

/* Frees the context; callbacks of what is under way come with reply NULL. */
static void drop(struct conn *c, const char *why, wf_fault fault)
{
    went_down(c, why, fault);
    if (c->ac)
        redisAsyncFree(c->ac);
}

static void now_up(struct conn *c)
{
    c->state = UP;
    c->backoff_ms = BACKOFF_MIN_MS;
    waiting_send(c);
}

static void on_greeting(redisAsyncContext *ac, void *reply, void *arg)
{
    struct conn *c = arg;
    const redisReply *r = reply;
    if (c->state != GREETING)
        return;
    if (!r) {
        went_down(c, ac->errstr, WF_TRANSIENT);
    } else if (r->type == REDIS_REPLY_ERROR) {
        int is_loading = !strncmp(r->str, "LOADING", 7);
        went_down(c, r->str, is_loading ? WF_TRANSIENT : WF_ACCOUNT);
        redisAsyncDisconnect(ac); /* a free is not allowed from within */
    } else if (--c->greetings == 0) {
        now_up(c);
    }
}

static void greet(struct conn *c)
{
    wf_str user = c->h->secret(c->cred, "user"), password = c->h->secret(c->cred, "password"),
           database = c->h->secret(c->cred, "database");
    c->state = GREETING;
    c->greetings = 1;
    if (user.len && password.len) {
        c->greetings++;
        redisAsyncCommand(c->ac, on_greeting, c, "AUTH %b %b", user.ptr, user.len, password.ptr,
                          password.len);
    } else if (password.len) {
        c->greetings++;
        redisAsyncCommand(c->ac, on_greeting, c, "AUTH %b", password.ptr, password.len);
    }
    if (database.len && strcmp(database.ptr, "0") != 0) {
        c->greetings++;
        redisAsyncCommand(c->ac, on_greeting, c, "SELECT %b", database.ptr, database.len);
    }
    redisAsyncCommand(c->ac, on_greeting, c, "PING");
}

static void on_connect(const redisAsyncContext *ac, int status)
{
    struct conn *c = ac->ev.data;
    if (status != REDIS_OK)
        went_down(c, ac->errstr, WF_TRANSIENT);
    else if (c->state == CONNECTING)
        greet(c);
}

static void on_disconnect(const redisAsyncContext *ac, int status)
{
    struct conn *c = ac->data;
    went_down(c, status == REDIS_OK ? "" : ac->errstr, WF_TRANSIENT);
}

static void connect_to(struct conn *c, const char *address)
{
    long port = strtol(c->h->secret(c->cred, "port").ptr, NULL, 10);
    c->state = CONNECTING;
    redisAsyncContext *ac = redisAsyncConnect(address, port > 0 && port < 65536 ? (int)port : 6379);
    if (!ac || ac->err) {
        went_down(c, ac ? ac->errstr : "no memory", WF_TRANSIENT);
        if (ac)
            redisAsyncFree(ac);
        return;
    }
    c->watch = c->loop->watch(c->inst, ac->c.fd, on_events, c);
    if (!c->watch) {
        redisAsyncFree(ac);
        went_down(c, "its socket cannot be watched", WF_TRANSIENT);
        return;
    }
    c->ac = ac;
    ac->data = c;
    ac->ev.data = c;
    ac->ev.addRead = add_read;
    ac->ev.delRead = del_read;
    ac->ev.addWrite = add_write;
    ac->ev.delWrite = del_write;
    ac->ev.cleanup = cleanup;
    redisAsyncSetConnectCallback(ac, on_connect);
    redisAsyncSetDisconnectCallback(ac, on_disconnect);
    start_timer(c, TICK_MS);
}

static void start_connecting(struct conn *c)
{
    const char *host = c->h->secret(c->cred, "host").ptr;
    c->since_ms = mono_ms();
    c->attempts++;
    c->state = RESOLVING;
    if (wf_resolve_needless(host))
        connect_to(c, *host ? host : "127.0.0.1");
    else if (!(c->resolve = wf_resolve_start(host)))
        went_down(c, "the host's name cannot be looked up", WF_TRANSIENT);
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
        went_down(c, address, WF_TRANSIENT);
    else
        connect_to(c, address);
}

/* Down: another attempt. Else: looks whether the other side is still there. */
static void on_timer(void *arg)
{
    struct conn *c = arg;
    int64_t silent = mono_ms() - c->since_ms;
    c->timer = NULL;
    if (c->state == DOWN) {
        if (c->ac) /* it was to end by itself */
            redisAsyncFree(c->ac);
        start_connecting(c);
        return;
    }
    if (c->state == RESOLVING && silent <= CONNECT_MS)
        go_on_resolving(c);
    else if (c->state != UP && silent > CONNECT_MS)
        drop(c, "does not answer", WF_TRANSIENT);
    else if (c->state == UP && c->under_way && silent > SILENT_MS)
        drop(c, "does not answer any more", WF_TRANSIENT);
    else
        start_timer(c, TICK_MS);
}

void *conn_open(const wf_host *h, wf_inst *inst, wf_error *why)
{
    const struct config *config = h->inst_config(inst);
    const wf_loop *loop = h->service("loop/1");
    struct conn *c = calloc(1, sizeof *c);
    const char *wrong = !c ? "no memory" : !loop ? "this engine has no sockets for plugins" : NULL;
    if (!wrong && !strcmp(h->secret(config->credential, "ssl").ptr, "true"))
        wrong = "TLS is not offered here; use a proxy such as stunnel";
    if (wrong) {
        free(c);
        *why = (wf_error){ .size = sizeof *why,
                           .fault = WF_ACCOUNT,
                           .detail = { wrong, strlen(wrong) } };
        return NULL;
    }
    *c = (struct conn){
        .h = h, .inst = inst, .loop = loop, .cred = config->credential, .backoff_ms = BACKOFF_MIN_MS
    };
    c->waiting_end = &c->waiting;
    start_connecting(c);
    return c;
}

void conn_close(const wf_host *h, void *state)
{
    struct conn *c = state;
    struct job *job;
    (void)h;
    c->state = CLOSING;
    if (c->timer)
        c->loop->timer_stop(c->timer);
    wf_resolve_end(c->resolve);
    if (c->ac)
        redisAsyncFree(c->ac);
    while ((job = waiting_pop(c)))
        free(job);
    free(c);
}

/* --- items ------------------------------------------------------------------------------------ */

void conn_wait(struct job *job, wf_item *it)
{
    const wf_host *h = job->conn->h;
    job->ticket = h->park(it, ((const struct config *)h->config(it))->timeout_ms);
}

static void on_reply(redisAsyncContext *ac, void *reply, void *arg)
{
    struct job *job = arg;
    struct conn *c = job->conn;
    c->under_way--;
    c->since_ms = mono_ms();
    if (!reply)
        went_down(c, ac->errstr, WF_TRANSIENT);
    wf_item *it = c->state == CLOSING ? NULL : c->h->resume(c->h, job->ticket);
    if (it && !reply)
        result_lost(c->h, it, c->why);
    if (!it || !reply || !result_take(it, job, reply))
        free(job);
}

int conn_send(struct conn *c, struct job *job, int argc, const char **argv, const size_t *lens)
{
    if (redisAsyncCommandArgv(c->ac, job ? on_reply : NULL, job, argc, argv, lens) != REDIS_OK)
        return -1;
    if (job && !c->under_way++)
        c->since_ms = mono_ms();
    return 0;
}

void conn_take(struct conn *c, wf_item *it)
{
    struct job *job = c->n_waiting < WAITING_MAX ? calloc(1, sizeof *job) : NULL;
    if (!job) {
        result_fail(c->h, it, WF_TRANSIENT, "connection", "too many items wait for redis");
        return;
    }
    job->conn = c;
    if (c->state == UP) {
        command_send(c, it, job);
        return;
    }
    conn_wait(job, it);
    *c->waiting_end = job;
    c->waiting_end = &job->next;
    c->n_waiting++;
}
