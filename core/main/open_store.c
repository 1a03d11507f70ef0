/* SPDX-License-Identifier: Apache-2.0
 * Waits for the store at start.
 *
 * The store is opened on a thread of its own, again and again with back-off, while the main loop
 * answers health checks: /readyz says why the engine is not up yet. Thread: main, but for what is
 * marked.
 */
#include "main/serve.h"
#include "admin/admin.h"
#include "base/log.h"
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { WAIT_MIN_MS = 250, WAIT_MAX_MS = 8000, LOOK_MS = 50 };

static int stop_early; /* atomic: a signal came before the main loop takes them over */

static void on_early_stop(int signum)
{
    (void)signum;
    __atomic_store_n(&stop_early, 1, __ATOMIC_RELAXED);
}

bool serve_stopped_early(void) { return __atomic_load_n(&stop_early, __ATOMIC_RELAXED); }

struct opening {
    struct server *s;
    struct err *err;
};

/* Why the store is not there, for /readyz. */
struct waiting {
    struct mail mail;
    struct server *s;
    struct err why;
};

static void on_waiting(struct mail *m)
{
    struct waiting *w = CONTAINER_OF(m, struct waiting, mail);
    if (w->s->admin)
        admin_waits(w->s->admin, w->why.text);
    free(w);
}

/* [opener] */
static void tell(struct server *s, const struct err *why, int64_t wait_ms)
{
    struct waiting *w = xcalloc(1, sizeof *w);
    *w = (struct waiting){ .mail = { .fn = on_waiting }, .s = s, .why = *why };
    if (loop_post(s->loop, &w->mail) != 0)
        free(w);
    log_warn("serve", "store.wait", "%s; trying again in %lld ms", why->text, (long long)wait_ms);
}

/* [opener] */
static void log_step(void *ctx, const char *plugin, int number, const char *name)
{
    (void)ctx;
    if (plugin)
        log_info("serve", "store.migrated", "plugin %s, step %d: %s", plugin, number, name);
    else
        log_info("serve", "store.migrated", "schema %d: %s", number, name);
}

/* [opener] */
static void open_until(void *arg)
{
    struct opening *o = arg;
    const struct config *c = o->s->config;
    struct store_config config = { .url = c->store,
                                   .retention_days = (uint32_t)c->retention_days,
                                   .save_inputs = c->save_inputs,
                                   .tables = o->s->tables,
                                   .n_tables = o->s->n_tables,
                                   .on_step = log_step };
    int64_t wait_ms = WAIT_MIN_MS;
    while (!(o->s->store = store_open(&config, c->migrate, o->err)) && o->err->retryable &&
           !serve_stopped_early()) {
        tell(o->s, o->err, wait_ms);
        for (int64_t left = wait_ms; left > 0 && !serve_stopped_early(); left -= LOOK_MS)
            nanosleep(&(struct timespec){ 0, LOOK_MS * 1000000L }, NULL);
        wait_ms = wait_ms < WAIT_MAX_MS ? wait_ms * 2 : WAIT_MAX_MS;
    }
    loop_stop(o->s->loop);
}

int serve_open_store(struct server *s, struct err *err)
{
    struct opening o = { s, err };
    struct thread opener;
    signal(SIGTERM, on_early_stop);
    signal(SIGINT, on_early_stop);
    if (thread_start(&opener, "opener", open_until, &o, err) != 0)
        return -1;
    loop_run(s->loop);
    thread_join(&opener);
    return s->store ? 0 : -1;
}
