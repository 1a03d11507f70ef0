/* SPDX-License-Identifier: Apache-2.0
 * A worker's round: take what the triggers have, run frames until none is ready, commit.
 *
 * Events are taken a few hundred at a time, so that an execution's memory is still in the cache
 * when its next node runs; the commit sees them all. While a commit is in flight the next turn
 * gathers, up to the engine's limits; then triggers wait, which is the back-pressure.
 */
#include "worker/worker_int.h"

enum { ROUNDS = 16 };

static size_t take_all(struct worker *w, size_t batch)
{
    size_t taken = 0;
    struct deployed *d;
    LIST_EACH(d, &w->plans, struct deployed, link)
    {
        for (uint32_t i = 0; i < d->n_triggers; i++) {
            struct trigger *t = d->triggers[i];
            size_t room = engine_room(w->out.engine);
            if (t && t->kind->take && room && !w->draining)
                taken += t->kind->take(t, room < batch ? room : batch);
        }
    }
    return taken;
}

static bool gathers_more(const struct worker *w)
{
    return !w->draining && loop_now_us(w->out.loop) < w->commit_after &&
           engine_can_wait(w->out.engine);
}

static void set_timer(struct worker *w, bool waits)
{
    int64_t due = engine_next_timer(w->out.engine);
    if (waits && (due < 0 || due > w->commit_after))
        due = w->commit_after;
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
    bool waits = gathers_more(w);
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
