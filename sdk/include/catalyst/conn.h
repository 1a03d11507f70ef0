/* SPDX-License-Identifier: Apache-2.0
 * catalyst/conn.h - a connection that comes back by itself, with a queue of items that wait for it.
 * Header only, needs libc and resolve.h (glibc). For every node that talks to a server over one
 * long connection: databases, caches, SMPP sessions, mail.
 *
 *   resting --an item--> resolving --> connecting --wf_conn_up()--> up
 *      ^                    ^  |            |                        |
 *      |  wf_conn_rest()    |  '--- wf_conn_down(), or too late -----|
 *      '--------------------+--------------------------------------- | --'
 *                           '---- timer, back-off ------ down <------'
 *
 * The header has the life: looking the host up without blocking, one attempt at a time and each
 * with a limit, exponential back-off with jitter, items that wait, calls under way, silence,
 * idling. The plugin has the protocol, in a table of functions. stream.h has a socket with TLS for
 * protocols whose library has none of its own.
 *
 *   struct conn { wf_conn c; wf_stream stream; ... };     the plugin's, wf_conn first
 *   static const wf_conn_type type = { .name = "acme", .host = .., .connect = .., .disconnect = ..,
 *                                      .send = .., .lost = .., .timeout_ms = .. };
 *   open():    wf_conn_init(&conn->c, &type, h, inst), wf_conn_start(); close(): wf_conn_close()
 *   process(): wf_conn_take(&conn->c, items, n)
 *
 * What becomes of an item:
 * - While the connection is up, send() gets it at once; else it is parked and waits, and send()
 * gets it when the connection is up, in the order items came.
 * - An attempt that fails ends those who wait: they were never sent, so they fail as WF_TRANSIENT
 *   and the engine's back-off decides how long they are tried. After a failed login (WF_ACCOUNT)
 *   they fail as that, as do items that come before the next attempt: nobody is locked out because
 *   a thousand items tried a wrong password.
 * - What was sent stands in `calls`. When the connection breaks under it, lost() gets each call in
 *   the order they left, and ends its items with wf_conn_lost_item(): WF_TRANSIENT where running it
 *   twice is harmless, WF_UNKNOWN where it is not. Nobody else can know, so say the truth there.
 * - A call that is not answered in its items' time: lost() ends them in the same way, for the other
 *   side may have done it all the same. The call stays under way until its answer comes.
 * - An item that is cancelled, or ended by its node's own timeout, is gone; its answer finds a
 * stale ticket. Take every answer off all the same, or the next one is taken for it.
 *
 * Names of failures: put WF_CONN_CODES into the node's `codes`.
 *
 * Thread: [w]. Nothing blocks. Memory: one array for those who wait, calls are used again; nothing
 * is allocated for an item once it runs.
 */
#ifndef WF_CONN_H
#define WF_CONN_H
#include <catalyst/plugin.h>
#include <catalyst/resolve.h>
#include <time.h>

enum wf_conn_state {
    WF_CONN_DOWN = 1, /* a timer begins the next attempt */
    WF_CONN_RESTING,  /* the next item begins it */
    WF_CONN_RESOLVING,
    WF_CONN_CONNECTING, /* the plugin's: socket, TLS, greeting, login */
    WF_CONN_IS_UP,
    WF_CONN_CLOSED
};

enum {
    WF_CONN_BACKOFF_MIN_MS = 100,
    WF_CONN_BACKOFF_MAX_MS = 5000,
    WF_CONN_CONNECT_MS = 10000,
    WF_CONN_WAITING_MAX = 20000,
    WF_CONN_TICK_MS = 1000,
    WF_CONN_LOOK_MS = 2,    /* for the answer of a look-up */
    WF_CONN_LATE_MS = 1000, /* for an answer that is on its way when the time is over */
    WF_CONN_CHUNK = 256
};

#define WF_CONN_CODES                                                                              \
    { "connection", "The server cannot be reached, or the connection broke before anything was "   \
                    "done" },                                                                      \
        { "unknown", "The connection broke, or no answer came in time, under something that must " \
                     "not be done twice" },                                                        \
    {                                                                                              \
        "auth", "Login, permission or certificate"                                                 \
    }

typedef struct wf_conn wf_conn;
typedef struct wf_conn_call wf_conn_call;

/* Something sent whose answer has not come, for one item or many. The plugin's own struct may begin
 * with it: wf_conn_type.call_size. */
struct wf_conn_call {
    wf_conn_call *next, **at;
    wf_conn *conn;
    size_t n;
    wf_ticket one, *tickets; /* of its items; stale where an item is gone */
    int64_t sent_ms;         /* monotonic */
    int64_t timeout_ms;      /* the longest of its items' */
};

/* What the plugin brings. No function is called from within a wf_conn_ function of another
 * connection. */
typedef struct {
    const char *name; /* "redis": messages and log events begin with it */
    size_t call_size; /* of the struct that begins with wf_conn_call; 0: that alone */
    /* Where it is: a name, an address or the path of a local socket. Valid until the next call. */
    const char *(*host)(wf_conn *c);
    /* Begins an attempt: then wf_conn_up() or wf_conn_down(), now or later. `address` is a number
     * or path as text, or what host() said when that needs no look-up. */
    void (*connect)(wf_conn *c, const char *address);
    /* Closes sockets and forgets what the server sent, whatever stage it is in; again is fine. */
    void (*disconnect)(wf_conn *c);
    /* Sends these: each is finished or waits with a call, or is given to wf_conn_take() again
     * when the connection broke meanwhile. */
    void (*send)(wf_conn *c, wf_item *const *items, size_t n);
    /* The connection broke under a call, or it is late: end its items. The header frees it. */
    void (*lost)(wf_conn *c, wf_conn_call *call);
    /* How long an item may wait for the connection. */
    int64_t (*timeout_ms)(wf_conn *c, wf_item *it);
    /* Nothing was sent or heard for idle_ms: send a ping as a call without items, or
     * wf_conn_rest(). NULL: nothing is done. */
    void (*idle)(wf_conn *c);
    int64_t connect_ms;   /* an attempt takes no longer; 0: 10 s */
    int64_t silent_ms;    /* calls under way and nothing heard for so long: dead. 0: never */
    int64_t idle_ms;      /* see idle(); 0: never */
    uint32_t max_waiting; /* items; 0: 20,000 */
    int lazy;             /* connects with the first item, not in open() */
} wf_conn_type;

struct wf_conn {
    const wf_conn_type *type;
    const wf_host *h;
    wf_inst *inst;
    const wf_loop *loop;
    enum wf_conn_state state;
    wf_resolve *resolve;
    wf_timer *timer;
    uint64_t seed;
    unsigned attempts;
    int64_t backoff_ms;
    int64_t since_ms; /* the attempt's begin; up: last heard, or asked when nothing was under way */
    int64_t used_ms;  /* last sent or heard */
    wf_conn_call *calls, **calls_end, *spare;
    uint32_t n_calls;
    wf_ticket *waiting;
    size_t n_waiting, waiting_size;
    int was_down;    /* it is worth a line when it is back */
    wf_fault fault;  /* of the last failure */
    char label[300]; /* begins messages: name, or what the plugin writes here ("redis host:port") */
    char why[500];
};

static inline int64_t wf_conn_now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static inline int wf_conn_is_up(const wf_conn *c) { return c->state == WF_CONN_IS_UP; }

/* --- items ------------------------------------------------------------------------------------ */

static inline void wf_conn_fail_item(const wf_conn *c, wf_item *it, wf_fault fault,
                                     const char *code, const char *why)
{
    c->h->fail_with(it, &(wf_error){ .size = sizeof(wf_error), .fault = fault, .code = code }, "%s",
                    why);
}

/* For lost(): ends an item whose request was sent. `harmless`: running it twice does no harm. */
static inline void wf_conn_lost_item(const wf_conn *c, wf_item *it, int harmless)
{
    if (harmless)
        wf_conn_fail_item(c, it, WF_TRANSIENT, "connection", c->why);
    else
        wf_conn_fail_item(c, it, WF_UNKNOWN, "unknown",
                          c->h->fmt(it, "%s; whether it was done is not known", c->why).ptr);
}

static inline void wf_conn_wait(wf_conn *c, wf_item *it)
{
    size_t max = c->type->max_waiting ? c->type->max_waiting : WF_CONN_WAITING_MAX;
    if (c->n_waiting == max) {
        wf_conn_fail_item(c, it, WF_TRANSIENT, "connection",
                          c->h->fmt(it, "%s: too many items wait for it", c->label).ptr);
        return;
    }
    if (c->n_waiting == c->waiting_size) {
        c->waiting_size = c->waiting_size ? c->waiting_size * 2 : 64;
        c->waiting = realloc(c->waiting, c->waiting_size * sizeof *c->waiting);
        if (!c->waiting)
            abort();
    }
    c->waiting[c->n_waiting++] = c->h->park(it, c->type->timeout_ms(c, it));
}

/* Takes up to WF_CONN_CHUNK of those who wait between *at and `end`. */
static inline size_t wf_conn_next_waiting(wf_conn *c, size_t *at, size_t end, wf_item **items)
{
    size_t n = 0;
    while (n < WF_CONN_CHUNK && *at < end) {
        wf_item *it = c->h->resume(c->h, c->waiting[(*at)++]);
        if (it) /* else it timed out or was cancelled */
            items[n++] = it;
    }
    return n;
}

static inline void wf_conn_drop_waiting(wf_conn *c, size_t n)
{
    c->n_waiting -= n;
    if (c->n_waiting)
        memmove(c->waiting, c->waiting + n, c->n_waiting * sizeof *c->waiting);
}

static inline void wf_conn_fail_waiting(wf_conn *c)
{
    wf_item *items[WF_CONN_CHUNK];
    const char *code = c->fault == WF_ACCOUNT ? "auth" : "connection";
    size_t all = c->n_waiting, at = 0; /* whoever comes meanwhile waits for the next attempt */
    while (at < all) {
        size_t n = wf_conn_next_waiting(c, &at, all, items);
        for (size_t i = 0; i < n; i++)
            wf_conn_fail_item(c, items[i], c->fault, code, c->why);
    }
    wf_conn_drop_waiting(c, all);
}

static inline void wf_conn_send_waiting(wf_conn *c)
{
    wf_item *items[WF_CONN_CHUNK];
    while (c->n_waiting && wf_conn_is_up(c)) {
        size_t at = 0, n = wf_conn_next_waiting(c, &at, c->n_waiting, items);
        wf_conn_drop_waiting(c, at);
        if (n)
            c->type->send(c, items, n);
    }
}

/* --- calls ------------------------------------------------------------------------------------ */

/* A call for `n` items, cleared, not under way yet. */
static inline wf_conn_call *wf_conn_call_new(wf_conn *c, size_t n)
{
    size_t size = c->type->call_size ? c->type->call_size : sizeof(wf_conn_call);
    wf_conn_call *call = c->spare;
    if (call)
        c->spare = call->next;
    else
        call = malloc(size);
    if (!call)
        abort();
    memset(call, 0, size);
    call->conn = c;
    call->n = n;
    call->tickets = n > 1 ? calloc(n, sizeof *call->tickets) : &call->one;
    if (!call->tickets)
        abort();
    return call;
}

/* Parks item number `i` of a call. The engine's own timeout would have it tried again whatever it
 * does, so it comes last. */
static inline void wf_conn_call_park(wf_conn_call *call, size_t i, wf_item *it, int64_t timeout_ms)
{
    if (timeout_ms > call->timeout_ms)
        call->timeout_ms = timeout_ms;
    call->tickets[i] = call->conn->h->park(it, timeout_ms + 10 * WF_CONN_LATE_MS);
}

/* The item number `i`, or NULL when it is gone. */
static inline wf_item *wf_conn_call_item(const wf_conn_call *call, size_t i)
{
    return call->conn->h->resume(call->conn->h, call->tickets[i]);
}

/* It has left: from now on it is lost with the connection. */
static inline void wf_conn_sent(wf_conn_call *call)
{
    wf_conn *c = call->conn;
    call->sent_ms = wf_conn_now_ms();
    c->used_ms = call->sent_ms;
    if (!c->n_calls++)
        c->since_ms = call->sent_ms;
    call->next = NULL;
    call->at = c->calls_end;
    *c->calls_end = call;
    c->calls_end = &call->next;
}

/* Its answer is there, or it gave up: no longer under way. It may be sent again. */
static inline void wf_conn_answered(wf_conn_call *call)
{
    wf_conn *c = call->conn;
    if (!call->at)
        return;
    *call->at = call->next;
    if (call->next)
        call->next->at = call->at;
    else
        c->calls_end = call->at;
    call->at = NULL;
    c->n_calls--;
}

static inline void wf_conn_call_free(wf_conn_call *call)
{
    wf_conn *c = call->conn;
    wf_conn_answered(call);
    if (call->tickets != &call->one)
        free(call->tickets);
    call->next = c->spare;
    c->spare = call;
}

/* The other side gave a sign of life. */
static inline void wf_conn_heard(wf_conn *c) { c->since_ms = c->used_ms = wf_conn_now_ms(); }

static inline void wf_conn_lose_calls(wf_conn *c)
{
    wf_conn_call *call = c->calls;
    c->calls = NULL;
    c->calls_end = &c->calls;
    c->n_calls = 0;
    while (call) {
        wf_conn_call *next = call->next;
        call->at = NULL;
        if (c->state != WF_CONN_CLOSED)
            c->type->lost(c, call);
        wf_conn_call_free(call);
        call = next;
    }
}

/* --- a life ----------------------------------------------------------------------------------- */

static inline void wf_conn_on_timer(void *arg);

static inline void wf_conn_start_timer(wf_conn *c, int64_t ms)
{
    if (c->timer)
        c->loop->timer_stop(c->timer);
    c->timer = c->loop->timer(c->inst, ms, wf_conn_on_timer, c);
}

/* Half of the back-off is chance, so that clients of a server that was away do not come in step. */
static inline int64_t wf_conn_next_delay(wf_conn *c)
{
    int64_t half = c->backoff_ms / 2;
    c->seed ^= c->seed << 13;
    c->seed ^= c->seed >> 7;
    c->seed ^= c->seed << 17;
    c->backoff_ms =
        c->backoff_ms * 2 > WF_CONN_BACKOFF_MAX_MS ? WF_CONN_BACKOFF_MAX_MS : c->backoff_ms * 2;
    return half + (int64_t)(c->seed % (uint64_t)(half + 1));
}

/* In one line: libraries end their words with one or several. */
static inline void wf_conn_set_why(wf_conn *c, const char *words)
{
    snprintf(c->why, sizeof c->why, "%s: %s", c->label,
             words && *words ? words : "connection closed");
    size_t len = strlen(c->why);
    while (len && (c->why[len - 1] == '\n' || c->why[len - 1] == '\r'))
        c->why[--len] = 0;
    for (char *p = c->why; *p; p++)
        if (*p == '\n' || *p == '\r')
            *p = ' ';
}

static inline void wf_conn_end_attempt(wf_conn *c)
{
    wf_resolve_end(c->resolve);
    c->resolve = NULL;
    c->type->disconnect(c);
}

static inline void wf_conn_log(const wf_conn *c, int level, const char *what, const char *words)
{
    char event[64];
    snprintf(event, sizeof event, "%s.%s", c->type->name, what);
    c->h->log(c->inst, level, event, "%s", words);
}

/* The attempt failed, or the connection broke: why. WF_ACCOUNT: a person must look (login,
 * certificate); everything else WF_TRANSIENT. Does nothing while it is down. */
static inline void wf_conn_down(wf_conn *c, wf_fault fault, const char *words)
{
    int was_up = wf_conn_is_up(c);
    if (c->state == WF_CONN_DOWN || c->state == WF_CONN_RESTING || c->state == WF_CONN_CLOSED)
        return;
    c->state = WF_CONN_DOWN;
    c->fault = fault;
    c->was_down = 1;
    wf_conn_set_why(c, words);
    wf_conn_end_attempt(c);
    wf_conn_log(c, WF_WARN, "down", c->why);
    if (fault == WF_ACCOUNT)
        c->backoff_ms = WF_CONN_BACKOFF_MAX_MS;
    wf_conn_start_timer(c, wf_conn_next_delay(c));
    wf_conn_lose_calls(c);
    if (!was_up)
        wf_conn_fail_waiting(c);
}

/* The other side may be used: those who wait are sent. */
static inline void wf_conn_up(wf_conn *c)
{
    if (c->state != WF_CONN_CONNECTING)
        return;
    c->state = WF_CONN_IS_UP;
    c->fault = 0;
    c->backoff_ms = WF_CONN_BACKOFF_MIN_MS;
    wf_conn_heard(c);
    if (c->was_down)
        wf_conn_log(c, WF_INFO, "up", c->label);
    c->was_down = 0;
    wf_conn_start_timer(c, WF_CONN_TICK_MS);
    wf_conn_send_waiting(c);
}

static inline void wf_conn_go_on_resolving(wf_conn *c)
{
    char address[300];
    int found = wf_resolve_address(c->resolve, c->attempts - 1, address, sizeof address);
    if (found == 0) {
        wf_conn_start_timer(c, WF_CONN_LOOK_MS);
        return;
    }
    wf_resolve_end(c->resolve);
    c->resolve = NULL;
    if (found < 0) {
        wf_conn_down(c, WF_TRANSIENT, address);
        return;
    }
    c->state = WF_CONN_CONNECTING;
    wf_conn_start_timer(c, WF_CONN_TICK_MS);
    c->type->connect(c, address);
}

static inline void wf_conn_attempt(wf_conn *c)
{
    const char *host = c->type->host(c);
    c->since_ms = wf_conn_now_ms();
    c->attempts++;
    if (wf_resolve_needless(host)) {
        c->state = WF_CONN_CONNECTING;
        wf_conn_start_timer(c, WF_CONN_TICK_MS);
        c->type->connect(c, host);
        return;
    }
    c->state = WF_CONN_RESOLVING;
    c->resolve = wf_resolve_start(host);
    if (c->resolve)
        wf_conn_start_timer(c, WF_CONN_LOOK_MS);
    else
        wf_conn_down(c, WF_TRANSIENT, "the host's name cannot be looked up");
}

/* Closes an idle connection; the next item opens it. Not while calls are under way. */
static inline void wf_conn_rest(wf_conn *c)
{
    if (!wf_conn_is_up(c) || c->n_calls)
        return;
    c->state = WF_CONN_RESTING;
    if (c->timer)
        c->loop->timer_stop(c->timer);
    c->timer = NULL;
    wf_conn_end_attempt(c);
}

/* Ends the items of calls whose time is over; the calls wait on. */
static inline void wf_conn_end_late(wf_conn *c, int64_t now_ms)
{
    uint32_t n = c->n_calls;
    wf_conn_call *call = c->calls;
    for (wf_conn_call *next; call && n-- && wf_conn_is_up(c); call = next) {
        next = call->next;
        if (!call->timeout_ms || now_ms - call->sent_ms < call->timeout_ms + WF_CONN_LATE_MS)
            continue;
        call->timeout_ms = 0; /* once */
        wf_conn_set_why(c, "no answer in time");
        c->type->lost(c, call);
    }
}

/* Up: is the other side still there? */
static inline void wf_conn_tick(wf_conn *c, int64_t now_ms)
{
    const wf_conn_type *type = c->type;
    wf_conn_start_timer(c, WF_CONN_TICK_MS);
    if (type->silent_ms && c->n_calls && now_ms - c->since_ms > type->silent_ms)
        wf_conn_down(c, WF_TRANSIENT, "does not answer any more");
    else if (type->idle && type->idle_ms && !c->n_calls && now_ms - c->used_ms >= type->idle_ms)
        type->idle(c);
    if (wf_conn_is_up(c))
        wf_conn_end_late(c, now_ms);
}

static inline void wf_conn_on_timer(void *arg)
{
    wf_conn *c = arg;
    int64_t now_ms = wf_conn_now_ms();
    int64_t limit_ms = c->type->connect_ms ? c->type->connect_ms : WF_CONN_CONNECT_MS;
    c->timer = NULL;
    if (c->state == WF_CONN_DOWN)
        wf_conn_attempt(c);
    else if (wf_conn_is_up(c))
        wf_conn_tick(c, now_ms);
    else if (now_ms - c->since_ms > limit_ms)
        wf_conn_down(c, WF_TRANSIENT, "does not answer");
    else if (c->state == WF_CONN_RESOLVING)
        wf_conn_go_on_resolving(c);
    else
        wf_conn_start_timer(c, WF_CONN_TICK_MS);
}

/* Fills a cleared wf_conn. 0, or -1 with *why: this engine has no sockets for plugins. */
static inline int wf_conn_init(wf_conn *c, const wf_conn_type *type, const wf_host *h,
                               wf_inst *inst, wf_error *why)
{
    static const char none[] = "this engine has no sockets for plugins";
    c->type = type;
    c->h = h;
    c->inst = inst;
    c->loop = h->service("loop/1");
    c->state = WF_CONN_RESTING;
    c->backoff_ms = WF_CONN_BACKOFF_MIN_MS;
    c->calls_end = &c->calls;
    c->seed = ((uint64_t)wf_conn_now_ms() * 0x9e3779b97f4a7c15u) ^ (uint64_t)(uintptr_t)c;
    c->seed |= 1;
    snprintf(c->label, sizeof c->label, "%s", type->name);
    if (c->loop)
        return 0;
    *why =
        (wf_error){ .size = sizeof *why, .fault = WF_ACCOUNT, .detail = { none, sizeof none - 1 } };
    return -1;
}

/* Begins the first attempt, unless it is lazy. */
static inline void wf_conn_start(wf_conn *c)
{
    if (!c->type->lazy)
        wf_conn_attempt(c);
}

/* The end: nothing of it is called any more. The plugin frees the struct. */
static inline void wf_conn_close(wf_conn *c)
{
    c->state = WF_CONN_CLOSED;
    if (c->timer)
        c->loop->timer_stop(c->timer);
    c->timer = NULL;
    wf_conn_end_attempt(c);
    wf_conn_lose_calls(c);
    for (wf_conn_call *call = c->spare, *next; call; call = next) {
        next = call->next;
        free(call);
    }
    c->spare = NULL;
    free(c->waiting);
    c->waiting = NULL;
    c->n_waiting = c->waiting_size = 0;
}

/* Sends the items now, or when the connection is up; or fails them after a refused login. */
static inline void wf_conn_take(wf_conn *c, wf_item *const *items, size_t n)
{
    if (wf_conn_is_up(c) && !c->n_waiting) {
        c->type->send(c, items, n);
        return;
    }
    int refused = c->state == WF_CONN_DOWN && c->fault == WF_ACCOUNT;
    for (size_t i = 0; i < n; i++)
        if (refused)
            wf_conn_fail_item(c, items[i], WF_ACCOUNT, "auth", c->why);
        else
            wf_conn_wait(c, items[i]);
    if (c->state == WF_CONN_RESTING)
        wf_conn_attempt(c);
}
#endif
