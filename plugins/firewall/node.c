/* SPDX-License-Identifier: Apache-2.0
 * The node on a worker: its hold on what the process shares, frames, and items that came before the
 * rules were there.
 *
 * A frame goes by one snapshot from its first message to its last. The worker takes the newest when
 * a frame begins, which costs one load while nothing has changed, and a timer does so on idle
 * workers, so that old lists are let go of. Thread: the worker's. Nothing blocks.
 */
#include "firewall_int.h"
#include "hash.h"
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { TICK_MS = 1000, TICK_WAITING_MS = 20, WAIT_MS = 120000 };

/* --- what is shared --------------------------------------------------------------------------- */

static const char *secret(const wf_host *h, const wf_cred *cred, const char *field)
{
    return cred ? h->secret(cred, field).ptr : "";
}

static void keeper_config_of(const wf_host *h, const struct config *c, struct keeper_config *to)
{
    const wf_cred *r = c->redis;
    long port = strtol(secret(h, r, "port"), NULL, 10),
         database = strtol(secret(h, r, "database"), NULL, 10);
    *to = (struct keeper_config){ .rules_file = c->rules.ptr,
                                  .model_file = c->model.ptr,
                                  .cache_folder = c->cache.ptr,
                                  .list_file = { c->deny_file.ptr, c->allow_file.ptr },
                                  .saved_file = { c->deny_saved.ptr, c->allow_saved.ptr },
                                  .poll_ms = c->poll_ms,
                                  .lists_wait_ms = c->wait_ms,
                                  .keys = (size_t)c->keys };
    to->redis = (struct redis_source){
        .host = r && !*secret(h, r, "host") ? "127.0.0.1" : secret(h, r, "host"),
        .path = secret(h, r, "path"),
        .user = secret(h, r, "user"),
        .password = secret(h, r, "password"),
        .ca_file = secret(h, r, "caFile"),
        .cert_file = secret(h, r, "certFile"),
        .key_file = secret(h, r, "keyFile"),
        .server_name = secret(h, r, "serverName"),
        .port = port > 0 && port < 65536 ? (int)port : 6379,
        .database = (int)database,
        .is_tls = !strcmp(secret(h, r, "ssl"), "true"),
        .is_insecure = !strcmp(secret(h, r, "disableTlsVerification"), "true"),
        .key = { c->deny_key.ptr, c->allow_key.ptr },
        .is_risk = c->scores
    };
}

static void take_snapshot(struct node *d)
{
    uint64_t newest = keeper_generation(d->keeper);
    if (newest == d->generation && d->snapshot)
        return;
    struct snapshot *s = keeper_snapshot(d->keeper);
    if (!s)
        return;
    snapshot_unref(d->snapshot);
    d->snapshot = s;
    d->generation = newest;
    atomic_store_explicit(&d->rates->window_ms, s->rules->ait_window_ms, memory_order_relaxed);
    atomic_store_explicit(&d->rates->conversion_window_ms, s->rules->conversion_window_ms,
                          memory_order_relaxed);
}

/* --- frames ----------------------------------------------------------------------------------- */

static void tell_counts(struct node *d)
{
    for (unsigned i = 0; i < METRICS; i++)
        if (d->counts[i]) {
            d->h->count(d->inst, i, d->counts[i]);
            d->counts[i] = 0;
        }
}

static int64_t clock_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static void run(struct node *d, wf_item *const *items, size_t n)
{
    int64_t began_us = clock_us();
    d->items = items;
    d->n = n;
    d->now_ms = d->h->now_ms(items[0]);
    d->age_ms = keeper_age_ms(d->keeper, wall_ms());
    message_read_all(d);
    stages_run(d);
    verdict_finish_all(d);
    tell_counts(d);
    d->h->count(d->inst, METRIC_FRAME, clock_us() - began_us);
}

static void wait_for_rules(struct node *d, wf_item *const *items, size_t n)
{
    char text[600];
    wf_error e = {
        .size = sizeof e, .fault = WF_TRANSIENT, .code = "rules", .retry_after_ms = 1000
    };
    keeper_trouble(d->keeper, text, sizeof text);
    for (size_t i = 0; i < n; i++) {
        if (d->timer && d->n_waiting < WAITING_MAX)
            d->waiting[d->n_waiting++] = d->h->park(items[i], WAIT_MS);
        else
            d->h->fail_with(items[i], &e, "firewall: no rules yet: %s", text);
    }
}

void node_process(const wf_host *h, wf_item *const *items, size_t n)
{
    struct node *d = h->state(items[0]);
    take_snapshot(d);
    for (size_t i = 0; i < n; i += FRAME) {
        size_t some = n - i < FRAME ? n - i : FRAME;
        if (d->snapshot)
            run(d, items + i, some);
        else
            wait_for_rules(d, items + i, some);
    }
}

/* The rules are there: those who waited go on, in their order. */
static void let_go_on(struct node *d)
{
    wf_item *items[FRAME];
    size_t n = 0, waited = d->n_waiting;
    d->n_waiting = 0;
    for (size_t i = 0; i < waited; i++) {
        wf_item *it = d->h->resume(d->h, d->waiting[i]);
        if (it)
            items[n++] = it;
        if (n && (n == FRAME || i + 1 == waited)) {
            run(d, items, n);
            n = 0;
        }
    }
    if (n)
        run(d, items, n);
}

/* --- the timer -------------------------------------------------------------------------------- */

static void tell_state(struct node *d)
{
    char text[600];
    int64_t denied = 0;
    if (d->snapshot)
        denied = (int64_t)numbers_count(d->snapshot->lists[LIST_DENY]);
    keeper_trouble(d->keeper, text, sizeof text);
    d->h->count(d->inst, METRIC_TROUBLE, *text != 0);
    d->h->count(d->inst, METRIC_RULES, d->snapshot ? d->snapshot->rules->n : 0);
    d->h->count(d->inst, METRIC_DENIED_NUMBERS, denied);
    d->h->count(d->inst, METRIC_LIST_AGE, keeper_age_ms(d->keeper, wall_ms()) / 1000);
}

static void on_tick(void *arg)
{
    struct node *d = arg;
    d->timer = NULL;
    take_snapshot(d);
    if (keeper_speaks(d->keeper, d)) {
        node_audit(d);
        tell_state(d);
    }
    d->timer = d->loop->timer(d->inst, d->snapshot ? TICK_MS : TICK_WAITING_MS, on_tick, d);
    if (d->snapshot && d->n_waiting)
        let_go_on(d);
}

/* --- open, close ------------------------------------------------------------------------------ */

void *node_open(const wf_host *h, wf_inst *inst, wf_error *why)
{
    struct node *d = calloc(1, sizeof *d);
    struct keeper_config config;
    (void)why;
    if (!d || !(d->waiting = calloc(WAITING_MAX, sizeof *d->waiting)))
        abort();
    d->h = h;
    d->inst = inst;
    d->c = h->inst_config(inst);
    d->loop = h->service("loop/1");
    d->sql = h->service("sql/1");
    hash_key(d->c->hash_key.len ? d->c->hash_key.ptr : "catalyst.firewall",
             d->c->hash_key.len ? d->c->hash_key.len : 17, d->hash_key);
    message_fields(d);
    keeper_config_of(h, d->c, &config);
    d->rates = rates_get(config.rules_file, config.keys);
    d->keeper = keeper_get(&config);
    d->scratch = content_scratch_create();
    if (d->loop)
        d->timer = d->loop->timer(inst, TICK_WAITING_MS, on_tick, d);
    return d;
}

void node_close(const wf_host *h, void *state)
{
    struct node *d = state;
    (void)h;
    if (d->timer)
        d->loop->timer_stop(d->timer);
    keeper_silence(d->keeper, d);
    snapshot_unref(d->snapshot);
    keeper_put(d->keeper);
    rates_put(d->rates);
    content_scratch_free(d->scratch);
    free(d->waiting);
    free(d);
}
