/* SPDX-License-Identifier: Apache-2.0
 * The keeper: a thread for store calls that may block. Twice a second it tells the store that this
 * engine lives, and looks whether definitions changed or another engine died; once an hour it makes
 * and drops partitions.
 */
#include "main/serve.h"
#include "base/clock.h"
#include "base/log.h"
#include <stdlib.h>
#include <time.h>

enum { TICK_MS = 500, DEAD_MS = 1500 };

struct notice {
    struct mail mail;
    struct server *s;
};

static void on_changed(struct mail *m)
{
    struct notice *n = CONTAINER_OF(m, struct notice, mail);
    struct server *s = n->s;
    free(n);
    __atomic_store_n(&s->reload, 0, __ATOMIC_RELEASE);
    deployments_refresh(s);
}

static void look_for_changes(struct server *s)
{
    struct err err;
    uint64_t revision;
    if (store_revision(s->store, &revision, &err) != 0 || revision == s->revision)
        return;
    s->revision = revision;
    if (__atomic_exchange_n(&s->reload, 1, __ATOMIC_ACQ_REL))
        return;
    struct notice *n = xcalloc(1, sizeof *n);
    *n = (struct notice){ .mail = { .fn = on_changed }, .s = s };
    if (loop_post(s->loop, &n->mail) != 0)
        free(n);
}

static void on_dead(void *ctx, uint32_t instance)
{
    struct server *s = ctx;
    log_warn("serve", "engine.dead", "engine %u does not answer any more; its work is taken over",
             instance);
    worker_takeover(s->workers[instance % s->n_workers], instance);
}

static void keep_house(struct server *s, int64_t *next_us)
{
    struct err err;
    if (clock_mono_us() < *next_us)
        return;
    *next_us = clock_mono_us() + (int64_t)3600 * 1000000;
    if (store_housekeep(s->store, clock_wall_us(), &err) != 0)
        log_warn("serve", "housekeeping", "%s", err.text);
}

static void keep(void *arg)
{
    struct server *s = arg;
    struct err err;
    int64_t housekeeping = 0;
    while (!__atomic_load_n(&s->stop_keeper, __ATOMIC_ACQUIRE)) {
        if (store_heartbeat(s->store, s->instance, &err) != 0)
            log_warn("serve", "heartbeat", "%s", err.text);
        if (!__atomic_load_n(&s->draining, __ATOMIC_ACQUIRE)) { /* else: no new work */
            look_for_changes(s);
            store_dead_instances(s->store, s->instance, DEAD_MS, on_dead, s, &err);
            keep_house(s, &housekeeping);
        }
        nanosleep(&(struct timespec){ .tv_nsec = TICK_MS * 1000000L }, NULL);
    }
}

int keeper_start(struct server *s, struct err *err)
{
    return thread_start(&s->keeper, "keeper", keep, s, err);
}

void keeper_stop(struct server *s)
{
    __atomic_store_n(&s->stop_keeper, 1, __ATOMIC_RELEASE);
    thread_join(&s->keeper);
}
