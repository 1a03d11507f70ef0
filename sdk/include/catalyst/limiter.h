/* SPDX-License-Identifier: Apache-2.0
 * catalyst/limiter.h - how often a connector may act: so many a second for an account, a sender, a
 * recipient, all of them at once. Header only, needs libc and service "loop/1".
 *
 * A provider that is asked too often refuses, and some punish. So an item asks before it acts:
 *
 *     struct wf_limit limits[] = {
 *         wf_limit("account", account, wf_rate(80, 1000, 80)),   80 in 1,000 ms, 80 at once
 *         wf_limit("pair", recipient, wf_rate(1, 6000, 45)),
 *     };
 *     wf_gate_pass(gate, it, limits, 2, COUNT_PACED);   calls go(h, it) now, or when its turn came
 *
 * An item that must wait is parked, with its slot reserved: those of one recipient go in the order
 * they came, and nobody waits for a slot of somebody else. What would wait longer than
 * `max_wait_ms` is refused at once, with how long it would have been, so that a queue outside can
 * hold it.
 *
 * When the provider says "too often" all the same, wf_gate_throttled() closes that scope for as
 * long as it said and halves its rate; each success afterwards, wf_gate_went_well(), gives a little
 * of it back (AIMD).
 *
 * A connector that keeps its own queue asks a bucket of its own how many may go:
 *
 *     uint32_t n = wf_bucket_room(&bucket, rate, now_us, most);
 *     wf_bucket_took(&bucket, rate, now_us, n);
 *
 * Rules are GCRA: a bucket is one number, the time at which it would be empty again. Buckets live
 * in a table of fixed size; the one idle for longest makes room. A forgotten idle bucket is a full
 * one, so nothing is lost by that.
 *
 * Thread: [w]. A gate belongs to one node on one worker: limits hold per worker, so with N workers
 * each gets the N-th part of an account's rate (wf_rate_share).
 */
#ifndef WF_LIMITER_H
#define WF_LIMITER_H
#include <catalyst/plugin.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* --- rates ------------------------------------------------------------------------------------ */

/* interval_us 0: no limit. */
struct wf_rate {
    int64_t interval_us; /* between two, in the long run */
    int64_t burst_us;    /* how far ahead of that it may run */
};

/* `count` in `per_ms`, and up to `burst` (at least 1) at once after a pause. Intervals are whole
 * microseconds, so it is never more than that and may be a little less. */
static inline struct wf_rate wf_rate(int64_t count, int64_t per_ms, int64_t burst)
{
    if (count <= 0 || per_ms <= 0)
        return (struct wf_rate){ 0, 0 };
    int64_t interval_us = (per_ms * 1000 + count - 1) / count;
    return (struct wf_rate){ interval_us, interval_us * (burst > 1 ? burst - 1 : 0) };
}

/* The n-th part of it. */
static inline struct wf_rate wf_rate_share(struct wf_rate rate, unsigned n)
{
    rate.interval_us *= n > 1 ? n : 1;
    return rate;
}

struct wf_limit {
    uint64_t key; /* of scope and name */
    struct wf_rate rate;
};

/* FNV-1a, never 0. */
static inline uint64_t wf_limit_key(const char *scope, wf_str name)
{
    uint64_t hash = 1469598103934665603u;
    for (; *scope; scope++)
        hash = (hash ^ (unsigned char)*scope) * 1099511628211u;
    hash = (hash ^ 0xFFu) * 1099511628211u;
    for (size_t i = 0; i < name.len; i++)
        hash = (hash ^ (unsigned char)name.ptr[i]) * 1099511628211u;
    hash ^= hash >> 29;
    return hash ? hash : 1;
}

static inline struct wf_limit wf_limit(const char *scope, wf_str name, struct wf_rate rate)
{
    return (struct wf_limit){ wf_limit_key(scope, name), rate };
}

/* --- buckets ---------------------------------------------------------------------------------- */

enum { WF_LIMITER_WAYS = 8, WF_LIMITER_SLOWEST = 64 };

struct wf_bucket {
    uint64_t key;     /* 0: free */
    int64_t empty_us; /* all that was taken is paid for then */
    int64_t shut_us;  /* nothing goes before */
    uint32_t slow;    /* the interval times this; 1: as it should be */
    uint32_t calm;    /* successes since it last changed */
};

struct wf_limiter {
    struct wf_bucket *buckets;
    size_t n; /* a power of two */
};

/* Room for about `buckets` names. Out of memory aborts. */
static inline void wf_limiter_init(struct wf_limiter *l, size_t buckets)
{
    l->n = WF_LIMITER_WAYS;
    while (l->n < buckets)
        l->n *= 2;
    l->buckets = calloc(l->n, sizeof *l->buckets);
    if (!l->buckets)
        abort();
}

static inline void wf_limiter_fini(struct wf_limiter *l)
{
    free(l->buckets);
    *l = (struct wf_limiter){ NULL, 0 };
}

static inline struct wf_bucket *wf_limiter_find(struct wf_limiter *l, uint64_t key)
{
    struct wf_bucket *set = &l->buckets[(key & (l->n - 1)) / WF_LIMITER_WAYS * WF_LIMITER_WAYS];
    struct wf_bucket *idle = set;
    for (size_t i = 0; i < WF_LIMITER_WAYS; i++) {
        if (set[i].key == key)
            return &set[i];
        int64_t end = set[i].empty_us > set[i].shut_us ? set[i].empty_us : set[i].shut_us;
        int64_t idle_end = idle->empty_us > idle->shut_us ? idle->empty_us : idle->shut_us;
        if (end < idle_end)
            idle = &set[i];
    }
    *idle = (struct wf_bucket){ .key = key, .slow = 1 };
    return idle;
}

/* When one more may go; `now_us` when at once. */
static inline int64_t wf_bucket_slot(const struct wf_bucket *b, struct wf_rate rate, int64_t now_us)
{
    int64_t at = b->empty_us - (b->slow > 1 ? 0 : rate.burst_us);
    at = at > b->shut_us ? at : b->shut_us;
    return rate.interval_us && at > now_us ? at : b->shut_us > now_us ? b->shut_us : now_us;
}

static inline void wf_bucket_take(struct wf_bucket *b, struct wf_rate rate, int64_t at_us)
{
    if (!rate.interval_us)
        return;
    b->empty_us = (b->empty_us > at_us ? b->empty_us : at_us) + rate.interval_us * b->slow;
}

/* How many may go now, at most `most`. */
static inline uint32_t wf_bucket_room(const struct wf_bucket *b, struct wf_rate rate,
                                      int64_t now_us, uint32_t most)
{
    if (b->shut_us > now_us)
        return 0;
    if (!rate.interval_us)
        return most;
    int64_t from_us = b->empty_us > now_us ? b->empty_us : now_us;
    int64_t ahead_us = now_us + rate.burst_us - from_us;
    int64_t n = ahead_us < 0 ? 0 : ahead_us / rate.interval_us + 1;
    return n < (int64_t)most ? (uint32_t)n : most;
}

static inline void wf_bucket_took(struct wf_bucket *b, struct wf_rate rate, int64_t now_us,
                                  uint32_t n)
{
    if (n)
        b->empty_us = (b->empty_us > now_us ? b->empty_us : now_us) + rate.interval_us * n;
}

/* The time at which one more may go in all n, reserved there. With `max_wait_us` passed nothing is
 * reserved. */
static inline int64_t wf_limiter_reserve(struct wf_limiter *l, const struct wf_limit *limits,
                                         size_t n, int64_t now_us, int64_t max_wait_us)
{
    int64_t at = now_us;
    for (size_t i = 0; i < n; i++) {
        int64_t slot = wf_bucket_slot(wf_limiter_find(l, limits[i].key), limits[i].rate, now_us);
        at = slot > at ? slot : at;
    }
    if (at - now_us > max_wait_us)
        return at;
    for (size_t i = 0; i < n; i++)
        wf_bucket_take(wf_limiter_find(l, limits[i].key), limits[i].rate, at);
    return at;
}

/* The provider refused: nothing goes for wait_us, and from then on half as often. */
static inline void wf_limiter_throttled(struct wf_limiter *l, uint64_t key, int64_t now_us,
                                        int64_t wait_us)
{
    struct wf_bucket *b = wf_limiter_find(l, key);
    int is_news = b->shut_us <= now_us; /* those under way are refused together */
    if (now_us + wait_us > b->shut_us)
        b->shut_us = now_us + wait_us;
    if (is_news && b->slow < WF_LIMITER_SLOWEST)
        b->slow *= 2;
    b->calm = 0;
}

/* The provider took one: 32 of them speed a slowed scope up by a step. */
static inline void wf_limiter_went_well(struct wf_limiter *l, uint64_t key)
{
    enum { CALM = 32 };
    struct wf_bucket *b = wf_limiter_find(l, key);
    if (b->slow > 1 && ++b->calm >= CALM) {
        b->slow--;
        b->calm = 0;
    }
}

/* --- the gate: items that wait for their slot ------------------------------------------------- */

enum { WF_GATE_LIMITS = 4 };

struct wf_gate_waiter {
    int64_t at_us;
    uint64_t serial; /* of two with one slot the first goes first */
    wf_ticket ticket;
    uint64_t keys[WF_GATE_LIMITS]; /* of scopes that may be shut meanwhile; 0: none */
};

struct wf_gate {
    const wf_host *h;
    wf_inst *inst;
    const wf_loop *loop;
    void (*go)(const wf_host *h, wf_item *it);
    struct wf_limiter limiter;
    struct wf_gate_waiter *heap; /* the next one first */
    size_t n, size, max_waiting;
    uint64_t serial;
    wf_timer *timer;
    int64_t timer_us;
    int64_t max_wait_ms;
    int64_t (*clock_us)(void); /* monotonic; tests bring their own */
};

static inline int64_t wf_gate_clock_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

/* In open(). `go` acts for one item. 0, or -1 when the engine has no loop/1. */
static inline int wf_gate_open(struct wf_gate *g, const wf_host *h, wf_inst *inst, size_t buckets,
                               int64_t max_wait_ms, void (*go)(const wf_host *, wf_item *))
{
    *g = (struct wf_gate){ .h = h,
                           .inst = inst,
                           .loop = h->service("loop/1"),
                           .go = go,
                           .max_waiting = 100000,
                           .max_wait_ms = max_wait_ms,
                           .clock_us = wf_gate_clock_us };
    if (!g->loop)
        return -1;
    wf_limiter_init(&g->limiter, buckets);
    return 0;
}

/* In close(). Items that still wait are the engine's to end. */
static inline void wf_gate_close(struct wf_gate *g)
{
    if (g->timer)
        g->loop->timer_stop(g->timer);
    wf_limiter_fini(&g->limiter);
    free(g->heap);
    *g = (struct wf_gate){ 0 };
}

static inline int wf_gate_before(const struct wf_gate_waiter *a, const struct wf_gate_waiter *b)
{
    return a->at_us < b->at_us || (a->at_us == b->at_us && a->serial < b->serial);
}

static inline void wf_gate_push(struct wf_gate *g, struct wf_gate_waiter w)
{
    if (g->n == g->size) {
        g->size = g->size ? g->size * 2 : 64;
        g->heap = realloc(g->heap, g->size * sizeof *g->heap);
        if (!g->heap)
            abort();
    }
    size_t at = g->n++;
    for (; at && wf_gate_before(&w, &g->heap[(at - 1) / 2]); at = (at - 1) / 2)
        g->heap[at] = g->heap[(at - 1) / 2];
    g->heap[at] = w;
}

static inline struct wf_gate_waiter wf_gate_pop(struct wf_gate *g)
{
    struct wf_gate_waiter first = g->heap[0], w = g->heap[--g->n];
    size_t at = 0;
    for (size_t child; (child = 2 * at + 1) < g->n; at = child) {
        if (child + 1 < g->n && wf_gate_before(&g->heap[child + 1], &g->heap[child]))
            child++;
        if (!wf_gate_before(&g->heap[child], &w))
            break;
        g->heap[at] = g->heap[child];
    }
    g->heap[at] = w;
    return first;
}

static inline void wf_gate_on_timer(void *arg);

static inline void wf_gate_arm(struct wf_gate *g)
{
    if (!g->n || (g->timer && g->timer_us <= g->heap[0].at_us))
        return;
    if (g->timer)
        g->loop->timer_stop(g->timer);
    int64_t in_us = g->heap[0].at_us - g->clock_us();
    g->timer_us = g->heap[0].at_us;
    g->timer = g->loop->timer(g->inst, in_us > 0 ? (in_us + 999) / 1000 : 0, wf_gate_on_timer, g);
}

static inline int64_t wf_gate_open_us(struct wf_gate *g, const struct wf_gate_waiter *w)
{
    int64_t open_us = 0;
    for (size_t i = 0; i < WF_GATE_LIMITS && w->keys[i]; i++) {
        int64_t shut_us = wf_limiter_find(&g->limiter, w->keys[i])->shut_us;
        open_us = shut_us > open_us ? shut_us : open_us;
    }
    return open_us;
}

static inline void wf_gate_on_timer(void *arg)
{
    struct wf_gate *g = arg;
    g->timer = NULL;
    int64_t now_us = g->clock_us();
    while (g->n && g->heap[0].at_us <= now_us) {
        struct wf_gate_waiter w = wf_gate_pop(g);
        int64_t open_us = wf_gate_open_us(g, &w);
        if (open_us > now_us) { /* shut since it got its slot */
            w.at_us = open_us;
            wf_gate_push(g, w);
            continue;
        }
        wf_item *it = g->h->resume(g->h, w.ticket);
        if (it)
            g->go(g->h, it);
    }
    wf_gate_arm(g);
}

/* Calls go() now (0), or parks the item until its slot (1), or refuses it: -1, and *wait_ms says
 * how long it would have waited. At most WF_GATE_LIMITS limits. */
static inline int wf_gate_enter(struct wf_gate *g, wf_item *it, const struct wf_limit *limits,
                                size_t n, int64_t *wait_ms)
{
    int64_t now_us = g->clock_us(), max_us = g->n < g->max_waiting ? g->max_wait_ms * 1000 : 0;
    int64_t at_us = wf_limiter_reserve(&g->limiter, limits, n, now_us, max_us);
    *wait_ms = (at_us - now_us + 999) / 1000;
    if (at_us <= now_us) {
        g->go(g->h, it);
        return 0;
    }
    if (at_us - now_us > max_us)
        return -1;
    /* The gate ends the wait; the ticket's own time is for a gate that is gone. */
    enum { GONE_MS = 3600000 };
    struct wf_gate_waiter w = { .at_us = at_us,
                                .serial = g->serial++,
                                .ticket = g->h->park(it, *wait_ms + GONE_MS) };
    for (size_t i = 0; i < n; i++)
        w.keys[i] = limits[i].key;
    wf_gate_push(g, w);
    wf_gate_arm(g);
    return 1;
}

/* --- a node's gate, whole --------------------------------------------------------------------- */

/* The state of a node that has nothing but a gate: its open() and close(). NULL when the engine has
 * no loop/1: such a node paces nothing, and the calls below know that. */
static inline struct wf_gate *wf_gate_create(const wf_host *h, wf_inst *inst, size_t buckets,
                                             int64_t max_wait_ms,
                                             void (*go)(const wf_host *, wf_item *))
{
    struct wf_gate *g = malloc(sizeof *g);
    if (!g)
        abort();
    if (wf_gate_open(g, h, inst, buckets, max_wait_ms, go) == 0)
        return g;
    free(g);
    return NULL;
}

static inline void wf_gate_destroy(struct wf_gate *g)
{
    if (g)
        wf_gate_close(g);
    free(g);
}

/* As wf_gate_enter(); who would wait too long fails with `paced`. `metric` counts who waits. */
static inline void wf_gate_pass(struct wf_gate *g, wf_item *it, const struct wf_limit *limits,
                                size_t n, unsigned metric)
{
    int64_t wait_ms;
    int entered = wf_gate_enter(g, it, limits, n, &wait_ms);
    if (entered != 0)
        g->h->count(g->inst, metric, 1);
    if (entered >= 0)
        return;
    wf_error e = {
        .size = sizeof e, .fault = WF_THROTTLE, .code = "paced", .retry_after_ms = wait_ms
    };
    g->h->fail_with(it, &e,
                    "its turn is in %lld ms, which is longer than options.maxWait; give the node "
                    "retries or send less",
                    (long long)wait_ms);
}

/* wait_ms 0: the provider did not say for how long. */
static inline void wf_gate_throttled(struct wf_gate *g, uint64_t key, int64_t wait_ms)
{
    enum { DEFAULT_WAIT_MS = 1000 };
    if (g)
        wf_limiter_throttled(&g->limiter, key, g->clock_us(),
                             (wait_ms > 0 ? wait_ms : DEFAULT_WAIT_MS) * 1000);
}

static inline void wf_gate_went_well(struct wf_gate *g, const struct wf_limit *limits, size_t n)
{
    for (size_t i = 0; g && i < n; i++)
        wf_limiter_went_well(&g->limiter, limits[i].key);
}

#endif
