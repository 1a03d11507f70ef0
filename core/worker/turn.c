/* SPDX-License-Identifier: Apache-2.0
 * A worker's round: take what the triggers have, run frames until none is ready, commit.
 *
 * Events are taken a few hundred at a time, so that an execution's memory is still in the cache
 * when its next node runs; the commit sees them all. While a commit is in flight the next turn
 * gathers, up to the engine's limits; then triggers wait, which is the back-pressure.
 */
#include "worker/worker_int.h"

enum { ROUNDS = 16 };

static size_t take_from(struct worker *w, struct trigger *t, size_t batch)
{
    size_t room = engine_take_room(w->out.engine);
    if (!t || !t->kind->take || !room || w->draining || w->settle_until)
        return 0;
    return t->kind->take(t, room < batch ? room : batch);
}

/* Where there is room for a few only, another trigger is the first each time. */
static size_t take_all(struct worker *w, size_t batch)
{
    size_t taken = 0, n = 0, first;
    struct deployed *d;
    LIST_EACH(d, &w->plans, struct deployed, link) { n += d->n_triggers; }
    first = n ? w->take_turn++ % n : 0;
    for (int pass = 0; pass < 2; pass++) {
        size_t number = 0;
        LIST_EACH(d, &w->plans, struct deployed, link)
        {
            for (uint32_t i = 0; i < d->n_triggers; i++, number++)
                if ((number >= first) == (pass == 0))
                    taken += take_from(w, d->triggers[i], batch);
        }
    }
    return taken;
}

static bool gathers_more(const struct worker *w)
{
    return !w->draining && loop_now_us(w->out.loop) < w->commit_after &&
           engine_can_wait(w->out.engine);
}

/* An execution that waits for milliseconds only, an answer of a partner, is cheaper to wait for
 * than to keep: a row that is written now and removed with the next commit costs the database more
 * than all else of it. So before a commit nothing new is taken as long as a good part of them ends
 * in every while, until few are left. Where they do not, since what they wait for takes long, the
 * next commits do not wait. True: wait. */
enum { SETTLE_US = 25000, SETTLE_MOST_US = 250000, SETTLE_LEAST = 32, SKIP_FIRST = 8 };
enum { SKIP_MOST = 512 };

static bool settle_begin(struct worker *w, uint32_t young, int64_t now_us)
{
    if (young < SETTLE_LEAST || (w->settle_skip && w->settle_skip--))
        return false;
    w->settle_until = now_us + SETTLE_US;
    w->settle_end = now_us + SETTLE_MOST_US;
    w->settle_from = w->settle_mark = young;
    return true;
}

static bool settles(struct worker *w)
{
    uint32_t young = w->draining ? 0 : engine_young(w->out.engine);
    int64_t now_us = loop_now_us(w->out.loop);
    if (!w->settle_until)
        return settle_begin(w, young, now_us);
    if (young > w->settle_from / 16 && now_us < w->settle_end) {
        if (now_us < w->settle_until)
            return true;
        if (young <= w->settle_mark - w->settle_mark / 4) {
            w->settle_mark = young;
            w->settle_until = now_us + SETTLE_US;
            return true;
        }
    }
    bool helped = young <= w->settle_from / 2;
    uint32_t longer = w->settle_backoff ? w->settle_backoff * 2 : SKIP_FIRST;
    w->settle_backoff = helped ? 0 : longer < SKIP_MOST ? longer : SKIP_MOST;
    w->settle_skip = w->settle_backoff;
    w->settle_until = 0;
    return false;
}

static void set_timer(struct worker *w, bool waits)
{
    int64_t due = engine_next_timer(w->out.engine);
    int64_t until = w->settle_until ? w->settle_until : w->commit_after;
    if (waits && (due < 0 || due > until))
        due = until;
    if (due < 0)
        timer_stop(w->out.loop, &w->timer);
    else
        timer_start_at(w->out.loop, &w->timer, due);
}

static void finish_drain(struct worker *w)
{
    if (!w->draining || !w->http_gone || !deploy_all_gone(w) || !engine_idle(w->out.engine))
        return;
    if (w->sink && kafka_sink_stats(w->sink)->waiting)
        return;
    loop_stop(w->out.loop);
}

void worker_turn(void *arg)
{
    struct worker *w = arg;
    size_t batch = w->config.accept_batch ? w->config.accept_batch : 256;
    engine_tick(w->out.engine);
    bool more = true;
    for (int i = 0; more && i < ROUNDS; i++) {
        size_t taken = take_all(w, batch);
        more = engine_run(w->out.engine, 0) || taken > 0;
    }
    bool waits = gathers_more(w) || settles(w);
    if (!waits)
        engine_commit(w->out.engine);
    if (more)
        loop_wake_soon(w->out.loop);
    set_timer(w, waits);
    finish_drain(w);
}

void worker_poke(void *arg)
{
    struct worker *w = arg;
    loop_wake_soon(w->out.loop);
}
