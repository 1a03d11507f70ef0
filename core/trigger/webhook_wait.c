/* SPDX-License-Identifier: Apache-2.0
 * Requests while the store does not answer.
 *
 * What comes while it is known to be down waits outside the engine: it is served when the store is
 * up again, and when that takes longer than the setting allows it is refused, with nothing started.
 * What the engine had taken before cannot be called back, because a commit may have arrived: its
 * client is told that the outcome is not known. Thread: the worker's.
 */
#include "trigger/webhook_int.h"
#include "base/clock.h"
#include <stdlib.h>

struct held {
    struct link link;
    struct webhook_table *table;
    struct http_request *req;
    int64_t since_us;
};

enum { HELD_MAX = 10000 };

static const char nothing_started[] = "the store does not answer; nothing was started";
static const char not_known[] =
    "the store does not answer; whether this request is executed is not known";

static int64_t limit_us(const struct webhook_table *t)
{
    enum { DEFAULT_MS = 10000 };
    int64_t ms = t->host->webhook_accept_ms;
    return (ms ? ms : DEFAULT_MS) * 1000;
}

static void look_later(struct webhook_table *t)
{
    enum { SHORTEST_US = 20000, LONGEST_US = 250000 };
    int64_t in_us = limit_us(t) / 8;
    if (timer_is_running(&t->waiting))
        return;
    in_us = in_us < SHORTEST_US ? SHORTEST_US : in_us;
    timer_start(t->host->loop, &t->waiting, in_us > LONGEST_US ? LONGEST_US : in_us);
}

static struct http_request *held_take(struct webhook_table *t, struct held *h)
{
    struct http_request *req = h->req;
    req->on_gone = NULL;
    req->user = NULL;
    t->n_held--;
    list_remove(&h->link);
    free(h);
    return req;
}

static void look_at_held(struct webhook_table *t, int64_t now_us)
{
    struct held *h;
    LIST_EACH(h, &t->held, struct held, link)
    {
        bool is_late = now_us - h->since_us >= limit_us(t);
        if (!t->down_us)
            webhook_request(t, held_take(t, h));
        else if (is_late) {
            struct http_request *req = held_take(t, h);
            webhook_refuse(req, webhook_of(t, req), 503, "%s", nothing_started);
        }
    }
}

/* The list is in the order of time. */
static void look_at_pending(struct webhook_table *t, struct link *list, const char *text,
                            int64_t now_us)
{
    struct webhook_pending *p;
    LIST_EACH(p, list, struct webhook_pending, link)
    {
        struct http_request *req = p->req;
        if (req && now_us - p->since_us < limit_us(t))
            return;
        list_remove(&p->link);
        p->req = NULL;
        if (!req)
            continue;
        req->on_gone = NULL;
        req->user = NULL;
        webhook_refuse(req, webhook_of(t, req), 503, "%s", text);
    }
}

static void on_time(void *arg)
{
    struct webhook_table *t = arg;
    int64_t now_us = clock_mono_us();
    if (*t->host->store_up)
        t->down_us = 0;
    else if (!t->down_us)
        t->down_us = now_us;
    look_at_held(t, now_us);
    look_at_pending(t, &t->claiming, nothing_started, now_us);
    look_at_pending(t, &t->accepting, not_known, now_us);
    if (t->down_us && now_us - t->down_us >= limit_us(t))
        look_at_pending(t, &t->executing, not_known, now_us);
    if (!list_empty(&t->held) || !list_empty(&t->claiming) || !list_empty(&t->accepting) ||
        !list_empty(&t->executing))
        look_later(t);
}

void webhook_wait_init(struct webhook_table *t)
{
    list_init(&t->held);
    list_init(&t->claiming);
    list_init(&t->accepting);
    list_init(&t->executing);
    t->waiting = (struct timer){ .fn = on_time, .arg = t };
}

/* The server is gone, and what was held with it. */
void webhook_wait_fini(struct webhook_table *t)
{
    if (t->host)
        timer_stop(t->host->loop, &t->waiting);
}

static void on_gone(struct http_request *req)
{
    struct held *h = req->user;
    h->table->n_held--;
    list_remove(&h->link);
    free(h);
}

static bool needs_store(const struct webhook *hook)
{
    return lane_durability(hook->lane) >= DURABILITY_EXACTLY_ONCE;
}

bool webhook_hold(struct webhook_table *t, const struct webhook *hook, struct http_request *req)
{
    if (*t->host->store_up || !needs_store(hook))
        return false;
    if (t->n_held == HELD_MAX) {
        webhook_refuse(req, hook, 503, "%s", nothing_started);
        return true;
    }
    t->n_held++;
    struct held *h = xcalloc(1, sizeof *h);
    *h = (struct held){ .table = t, .req = req, .since_us = clock_mono_us() };
    req->user = h;
    req->on_gone = on_gone;
    list_append(&t->held, &h->link);
    if (!t->down_us)
        t->down_us = h->since_us;
    look_later(t);
    return true;
}

void webhook_watch_claim(struct webhook_table *t, struct webhook_pending *p)
{
    p->since_us = clock_mono_us();
    list_append(&t->claiming, &p->link);
    look_later(t);
}

void webhook_watch(struct webhook_table *t, const struct webhook *hook, struct webhook_pending *p)
{
    p->since_us = clock_mono_us();
    if (hook->config->response_mode == WF_WEBHOOK_RECEIVED)
        list_append(&t->accepting, &p->link);
    else if (needs_store(hook))
        list_append(&t->executing, &p->link);
    look_later(t);
}
