/* SPDX-License-Identifier: Apache-2.0
 * What all nodes of the plugin share on one worker: its tenants, what became of recent messages,
 * its calls of the store, and the clock of what is due.
 *
 * It is made with the worker's first node and goes with the last one, when no call is under way. A
 * call belongs to a node, because the engine answers it there: the node's memory stays until then.
 * Thread: the worker's. Nothing blocks, but that a zone's file is read when a tenant is first seen.
 */
#include "billing_int.h"
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <time.h>

enum { TICK_MS = 200, BUCKETS_FIRST = 1024 };

static _Thread_local struct worker *this_worker;

void *worker_memory(size_t bytes)
{
    void *memory = calloc(1, bytes);
    if (!memory)
        abort();
    return memory;
}

static void *worker_larger(void *old, size_t bytes)
{
    void *memory = realloc(old, bytes);
    if (!memory)
        abort();
    return memory;
}

int64_t wall_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* Where the wall clock goes ahead this one follows: the machine may have slept, and money is used
 * for too short a time rather than for too long. */
int64_t worker_clock(struct worker *w, int64_t wall)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    int64_t steady_ms = (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
    if (wall && wall - steady_ms > w->ahead_ms)
        w->ahead_ms = wall - steady_ms;
    return w->now_ms = steady_ms + w->ahead_ms;
}

/* --- calls of the store ----------------------------------------------------------------------- */

struct store_call {
    struct worker *worker;
    struct node *node;
    sql_fn *fn;
    void *arg;
};

static void worker_free(struct worker *w);

static void node_let_go(struct worker *w, struct node *node)
{
    if (node->is_closed && !node->jobs)
        free(node);
    if (!w->nodes && !w->jobs)
        worker_free(w);
}

static void on_rows(const wf_host *h, void *arg, const wf_rows *rows)
{
    (void)h;
    struct store_call *call = arg;
    struct worker *w = call->worker;
    struct node *node = call->node;
    worker_clock(w, 0);
    call->fn(w, node, call->arg, rows);
    free(call);
    node->jobs--;
    w->jobs--;
    node_let_go(w, node);
}

int worker_sql(struct worker *w, struct node *node, const wf_statement *statements, size_t n,
               sql_fn *fn, void *arg)
{
    if (!node)
        return -1;
    struct store_call *call = worker_memory(sizeof *call);
    *call = (struct store_call){ w, node, fn, arg };
    if (w->sql->run(node->inst, statements, n, on_rows, call) != 0) {
        free(call);
        return -1;
    }
    node->jobs++;
    w->jobs++;
    return 0;
}

/* --- tenants ---------------------------------------------------------------------------------- */

static uint64_t name_hash(const char *s, size_t len)
{
    uint64_t h = 0xcbf29ce484222325u ^ len;
    for (; len >= 8; s += 8, len -= 8) {
        uint64_t part;
        memcpy(&part, s, 8);
        h = (h ^ part) * 0x9e3779b97f4a7c15u;
        h ^= h >> 29;
    }
    for (; len; s++, len--)
        h = (h ^ (unsigned char)*s) * 0x100000001b3u;
    h ^= h >> 32;
    h *= 0x9e3779b97f4a7c15u;
    return h ^ h >> 29;
}

static void tenants_grow(struct worker *w)
{
    size_t n = w->n_buckets * 2;
    struct tenant **larger = worker_memory(n * sizeof(struct tenant *));
    for (size_t i = 0; i < w->n_buckets; i++)
        while (w->buckets[i]) {
            struct tenant *t = w->buckets[i];
            w->buckets[i] = t->next;
            t->next = larger[t->hash & (n - 1)];
            larger[t->hash & (n - 1)] = t;
        }
    free(w->buckets);
    w->buckets = larger;
    w->n_buckets = n;
}

struct tenant *tenant_of(struct worker *w, const char *name, size_t len)
{
    uint64_t hash = name_hash(name, len);
    struct tenant *t = w->buckets[hash & (w->n_buckets - 1)];
    for (; t; t = t->next)
        if (t->hash == hash && t->name_len == len && !memcmp(t->name, name, len))
            return t;
    if (w->n_tenants++ == w->n_buckets)
        tenants_grow(w);
    t = worker_memory(sizeof *t);
    t->hash = hash;
    t->state = TENANT_NEW;
    t->last = &t->first;
    t->name = worker_memory(len + 1);
    memcpy(t->name, name, len);
    t->name_len = len;
    t->next = w->buckets[hash & (w->n_buckets - 1)];
    w->buckets[hash & (w->n_buckets - 1)] = t;
    return t;
}

static void tenant_free(struct tenant *t)
{
    while (t->first) {
        struct waiter *next = t->first->next;
        free(t->first);
        t->first = next;
    }
    zone_free(t->zone);
    free(t->usages);
    free(t->name);
    free(t);
}

/* Names that no tenant has come from outside: they are not kept. */
static void tenants_purge(struct worker *w, int64_t now_ms)
{
    for (size_t i = 0; i < w->n_buckets; i++)
        for (struct tenant **at = &w->buckets[i]; *at;) {
            struct tenant *t = *at;
            if (t->state != TENANT_UNKNOWN || t->retry_ms > now_ms || t->first || t->wants ||
                t->asked) {
                at = &t->next;
                continue;
            }
            *at = t->next;
            w->n_tenants--;
            tenant_free(t);
        }
}

void tenant_wait(struct tenant *t, struct node *node, wf_ticket ticket, int64_t amount_micro)
{
    struct waiter *wait = worker_memory(sizeof *wait);
    *wait = (struct waiter){ .ticket = ticket, .node = node, .amount_micro = amount_micro };
    *t->last = wait;
    t->last = &wait->next;
}

void tenant_want(struct worker *w, struct tenant *t)
{
    if (t->wants)
        return;
    t->wants = 1;
    t->next_asked = w->wanting;
    w->wanting = t;
}

void tenant_forget_slice(struct tenant *t)
{
    t->slice = 0;
    t->avail_micro = t->lease_ms = 0;
}

/* Messages come with the time they were accepted, so it is nearly always the first one. */
struct usage *tenant_usage(struct tenant *t, const char *card, int64_t month)
{
    unsigned i = 0;
    while (i < t->n_usages && (t->usages[i].month != month || strcmp(t->usages[i].card, card) != 0))
        i++;
    struct usage found = { .month = month };
    memcpy(found.card, card, strlen(card) + 1);
    if (i == t->n_usages) {
        if (i == USAGES_MAX)
            i--; /* the one used longest ago; the store still counts it */
        else
            t->usages = worker_larger(t->usages, ++t->n_usages * sizeof *t->usages);
    } else if (i) {
        found = t->usages[i];
    } else {
        return &t->usages[0];
    }
    memmove(t->usages + 1, t->usages, i * sizeof *t->usages);
    t->usages[0] = found;
    return &t->usages[0];
}

/* "sms=delivery,whatsapp=submit": what is not named is charged when it was submitted, but for
 * templates of WhatsApp, which are charged when they were delivered. */
enum point tenant_point(const struct tenant *t, const char *channel, size_t len)
{
    for (const char *p = t->points; *p;) {
        const char *end = strchr(p, ',');
        size_t n = end ? (size_t)(end - p) : strlen(p);
        if (n > len && !memcmp(p, channel, len) && p[len] == '=')
            return p[len + 1] == 'd' ? POINT_DELIVERY : POINT_SUBMIT;
        p += n + (end != NULL);
    }
    return len == 8 && !memcmp(channel, "whatsapp", 8) ? POINT_DELIVERY : POINT_SUBMIT;
}

static void copy_cell(char *to, size_t size, wf_str cell)
{
    size_t n = cell.ptr && cell.len < size ? cell.len : 0;
    if (n)
        memcpy(to, cell.ptr, n);
    to[n] = 0;
}

void tenant_fill(struct worker *w, struct tenant *t, const wf_str *cells)
{
    char zone[sizeof t->zone_name];
    t->state = TENANT_KNOWN;
    t->rates_serial = 0;
    copy_cell(t->currency, sizeof t->currency, cells[1]);
    copy_cell(zone, sizeof zone, cells[2]);
    copy_cell(t->card, sizeof t->card, cells[3]);
    copy_cell(t->tier, sizeof t->tier, cells[4]);
    copy_cell(t->points, sizeof t->points, cells[5]);
    t->is_suspended = cells[6].len != 6; /* "active" */
    t->hold_ttl_s = int_of(cells[7]);
    t->bundle = int_of(cells[8]);
    if (t->zone && !strcmp(zone, t->zone_name))
        return;
    memcpy(t->zone_name, zone, sizeof zone);
    zone_free(t->zone);
    t->zone = zone_read(zone);
    t->month = (struct money_month){ 0 };
    if (!t->zone) {
        w->h->log(w->nodes->inst, WF_WARN, "billing.zone",
                  "tenant %s: there is no time zone '%s' here; its months are those of UTC",
                  t->name, zone);
        t->zone = zone_read("UTC");
    }
}

uint64_t hold_key(wf_str tenant, wf_str id)
{
    uint64_t key = name_hash(tenant.ptr, tenant.len) * 31 + name_hash(id.ptr, id.len);
    return key ? key : 1;
}

/* --- the clock -------------------------------------------------------------------------------- */

static void on_timer(void *arg)
{
    struct worker *w = arg;
    w->timer = NULL;
    worker_tick(w, wall_ms());
    if (!w->timer && w->nodes)
        w->timer = w->loop->timer(w->timer_inst, TICK_MS, on_timer, w);
}

static void timer_on(struct worker *w)
{
    if (!w->loop || w->timer || !w->nodes)
        return;
    w->timer_inst = w->nodes->inst;
    w->timer = w->loop->timer(w->timer_inst, TICK_MS, on_timer, w);
}

void worker_tick(struct worker *w, int64_t now_ms)
{
    now_ms = worker_clock(w, now_ms);
    if (now_ms >= w->look_ms) {
        w->look_ms = now_ms + 1000;
        rates_look(w, now_ms);
    }
    if (now_ms >= w->lease_ms) {
        if (w->lease_ms) {
            lease_renew(w, now_ms);
            tenants_purge(w, now_ms);
        }
        w->lease_ms = now_ms + 10000;
    }
    if (now_ms >= w->idle_ms) {
        w->idle_ms = now_ms + 500;
        slices_give_back(w, now_ms, 0);
    }
    grant_ask(w, now_ms);
}

/* --- its life --------------------------------------------------------------------------------- */

static struct worker *worker_make(const wf_host *h, wf_error *why)
{
    const wf_sql *sql = h->service("sql/1");
    const wf_ledger *ledger = h->service("ledger/1");
    if (!sql || !ledger) {
        static const char words[] = "billing needs an engine with a store: sql/1 and ledger/1";
        *why = (wf_error){ .size = sizeof *why, .fault = WF_ACCOUNT, .detail = STR_OF(words) };
        return NULL;
    }
    struct worker *w = worker_memory(sizeof *w);
    uint64_t random[2] = { (uint64_t)(uintptr_t)w, (uint64_t)wall_ms() };
    if (getrandom(random, sizeof random, 0) != sizeof random)
        random[0] ^= (uint64_t)clock();
    w->h = h;
    w->sql = sql;
    w->ledger = ledger;
    w->loop = h->service("loop/1");
    snprintf(w->owner, sizeof w->owner, "%016llx", (unsigned long long)random[0]);
    /* 53 bits at most: a number that every reader of JSON keeps. */
    w->next_slice = (int64_t)((random[1] & 0xffffffffu) << 20 | 1);
    w->n_buckets = BUCKETS_FIRST;
    w->buckets = worker_memory(w->n_buckets * sizeof(struct tenant *));
    holds_open(w);
    w->rates_last = &w->rates_first;
    rates_join();
    return w;
}

static void worker_free(struct worker *w)
{
    for (size_t i = 0; i < w->n_buckets; i++)
        while (w->buckets[i]) {
            struct tenant *next = w->buckets[i]->next;
            tenant_free(w->buckets[i]);
            w->buckets[i] = next;
        }
    rates_close(w);
    free(w->buckets);
    holds_close(w);
    if (this_worker == w)
        this_worker = NULL;
    free(w);
}

struct node *node_open(const wf_host *h, wf_inst *inst, wf_error *why)
{
    if (!this_worker || !this_worker->nodes)
        this_worker = worker_make(h, why); /* one that only waits for answers is not used again */
    struct worker *w = this_worker;
    if (!w)
        return NULL;
    struct node *node = worker_memory(sizeof *node);
    *node = (struct node){ .worker = w, .h = h, .inst = inst, .next = w->nodes };
    w->nodes = node;
    timer_on(w);
    if (!node->next)
        rates_look(w, 0);
    return node;
}

void node_close(struct node *node)
{
    struct worker *w = node->worker;
    if (!node->next && w->nodes == node)
        slices_give_back(w, 0, 1);
    struct node **at = &w->nodes;
    while (*at != node)
        at = &(*at)->next;
    *at = node->next;
    node->is_closed = 1;
    if (w->timer && w->timer_inst == node->inst) {
        w->loop->timer_stop(w->timer);
        w->timer = NULL;
        timer_on(w);
    }
    node_let_go(w, node);
}
