/* SPDX-License-Identifier: Apache-2.0
 * The keeper: a thread for store calls that may block. Twice a second it tells the store that this
 * engine lives, and looks whether definitions changed or another engine died. Partitions are made
 * and dropped once an hour on a thread of its own: that may take long, and a heartbeat must not
 * wait for it.
 *
 * An engine that was silent for so long that others took its work stops: it owns nothing any more.
 */
#include "main/serve.h"
#include "admin/admin.h"
#include "base/clock.h"
#include "base/log.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { TICK_MS = 500, DEAD_MS = 1500, SAY_AGAIN_US = 30000000 };

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

static void pause_ms(long ms) { nanosleep(&(struct timespec){ .tv_nsec = ms * 1000000L }, NULL); }

static bool is_stopped(struct server *s)
{
    return __atomic_load_n(&s->stop_keeper, __ATOMIC_ACQUIRE);
}

static void keep_house(void *arg)
{
    struct server *s = arg;
    struct err err;
    int64_t next_us = 0;
    for (; !is_stopped(s); pause_ms(TICK_MS)) {
        if (clock_mono_us() < next_us || __atomic_load_n(&s->draining, __ATOMIC_ACQUIRE))
            continue;
        next_us = clock_mono_us() + (int64_t)3600 * 1000000;
        bool is_done = store_housekeep(s->store, clock_wall_us(), &err) == 0;
        struct store_house house = store_house(s->store);
        if (!is_done)
            log_warn("serve", "housekeeping", "%s", err.text);
        if (s->admin)
            admin_housekept(s->admin, is_done, &house);
    }
}

static void on_fenced(struct mail *m)
{
    struct notice *n = CONTAINER_OF(m, struct notice, mail);
    serve_drain(n->s);
    free(n);
}

/* A store that is down is told when it begins, when the reason changes, and twice a minute; and its
 * end, too. [keeper] */
struct silence {
    char said[sizeof(((struct err *)0)->text)]; /* empty: the store answers */
    int64_t said_us;
};

static void tell_silence(struct silence *quiet, const char *why)
{
    int64_t now_us = clock_mono_us();
    if (!*why && *quiet->said)
        log_info("serve", "heartbeat", "the store answers again");
    if (*why && (strcmp(why, quiet->said) != 0 || now_us - quiet->said_us >= SAY_AGAIN_US)) {
        log_warn("serve", "heartbeat", "%s", why);
        quiet->said_us = now_us;
    }
    snprintf(quiet->said, sizeof quiet->said, "%s", why);
}

static void beat(struct server *s, struct silence *quiet)
{
    struct err err = { 0 };
    int result = store_heartbeat(s->store, s->instance, &err);
    if (result == 0 || err.code != ERR_FENCED) {
        tell_silence(quiet, result == 0 ? "" : err.text);
        return;
    }
    if (__atomic_exchange_n(&s->fenced, 1, __ATOMIC_ACQ_REL))
        return;
    log_error("serve", "fenced", "%s; this engine stops and must be started again", err.text);
    struct notice *n = xcalloc(1, sizeof *n);
    *n = (struct notice){ .mail = { .fn = on_fenced }, .s = s };
    if (loop_post(s->loop, &n->mail) != 0)
        free(n);
}

static void keep(void *arg)
{
    struct server *s = arg;
    struct err err;
    struct silence quiet = { 0 };
    for (; !is_stopped(s); pause_ms(TICK_MS)) {
        beat(s, &quiet);
        if (__atomic_load_n(&s->draining, __ATOMIC_ACQUIRE))
            continue; /* no new work */
        look_for_changes(s);
        store_dead_instances(s->store, s->instance, DEAD_MS, on_dead, s, &err);
    }
}

int keeper_start(struct server *s, struct err *err)
{
    if (thread_start(&s->keeper, "keeper", keep, s, err) != 0)
        return -1;
    return thread_start(&s->housekeeper, "housekeeper", keep_house, s, err);
}

void keeper_stop(struct server *s)
{
    __atomic_store_n(&s->stop_keeper, 1, __ATOMIC_RELEASE);
    thread_join(&s->keeper);
    thread_join(&s->housekeeper);
}
