/* SPDX-License-Identifier: Apache-2.0
 * The lane of a plugin's trigger.
 *
 * Usually every worker of every engine has one of its own, as webhooks have; those of dead engines
 * are taken over in worker/. With WF_TRIGGER_SINGLE there is one for all (partition 0), and worker
 * 0 of each engine looks once a second whose it is:
 *
 *   ours, or nobody's        take it, start the plugin
 *   another's, who is silent likewise
 *   another's, who lives     look again; what we had is given up
 *
 * The look costs one read. Where two engines take a lane at the same moment, the epoch decides: the
 * one that lost it sees that at its next look, or at its next commit, of which nothing is written.
 */
#include "trigger/plugin_int.h"
#include "base/log.h"
#include <stdio.h>

enum { LOOK_US = 1000000, SILENT_MS = 3000, AGAIN_US = 1000000, BUSY_US = 20000 };

static const char *workflow(const struct wf_source *s)
{
    return engine_plan_get(s->trigger.ep)->name;
}

static uint32_t partition_of(const struct wf_source *s)
{
    return s->is_single ? 0 : lane_of_worker(s->trigger.host);
}

static void again(struct wf_source *s, int64_t in_us)
{
    timer_start(s->trigger.host->loop, &s->retry, in_us);
}

/* --- opening ---------------------------------------------------------------------------------- */

static void on_ready(void *user, struct lane *lane, const struct err *err)
{
    struct wf_source *s = source_of(user);
    s->opening = NULL;
    s->lane = lane;
    if (lane) {
        s->trouble[0] = 0;
        plugin_events_opened(s);
        plugin_run(s);
        return;
    }
    snprintf(s->trouble, sizeof s->trouble, "its lane: %s", err->text);
    log_error("trigger", "plugin.lane", "workflow '%s': %s", workflow(s), s->trouble);
    again(s, AGAIN_US);
}

static void on_assigned(void *user, const struct store_lane *at)
{
    source_of(user)->epoch = at->epoch;
}

static void on_dropped(void *user)
{
    struct wf_source *s = source_of(user);
    s->opening = NULL;
    if (s->stopping)
        timer_start(s->trigger.host->loop, &s->soon, 0);
}

static void open_lane(struct wf_source *s)
{
    struct lane_open_config config = { .trigger = &s->trigger,
                                       .partition = partition_of(s),
                                       .user = &s->trigger,
                                       .assigned = on_assigned,
                                       .ready = on_ready,
                                       .dropped = on_dropped };
    struct lane_open *opening = lane_open_start(&config);
    if (!s->lane)
        s->opening = opening;
}

static void on_claimed(void *ctx, const struct store_lane *lane, const struct err *err)
{
    struct wf_source *s = ctx;
    s->asking = false;
    if (s->stopping)
        plugin_finish(s);
    else if (lane)
        open_lane(s);
    else
        on_ready(&s->trigger, NULL, err);
}

/* An older version's trigger may still have it: its turn must be in first. */
static void take(struct wf_source *s)
{
    struct trigger_host *host = s->trigger.host;
    uint32_t partition = partition_of(s);
    if (engine_lane_find(host->engine, s->trigger.source, partition)) {
        again(s, BUSY_US);
        return;
    }
    if (!s->is_single || engine_plan_get(s->trigger.ep)->settings.durability != DURABILITY_NONE) {
        open_lane(s);
        return;
    }
    s->asking = true; /* such a lane is not assigned by lane_open: say whose it is */
    store_assign(host->session, s->trigger.source, partition, 0, on_claimed, s);
}

/* --- one of all engines ----------------------------------------------------------------------- */

static void on_foreign(struct wf_source *s)
{
    s->is_elsewhere = true;
    if (!s->lane)
        return;
    log_info("trigger", "plugin.elsewhere", "workflow '%s': another engine runs its trigger",
             workflow(s));
    plugin_halt(s);
    engine_lane_drop(s->trigger.host->engine, s->lane, false);
}

static void on_peek(void *ctx, const struct store_peek *peek)
{
    struct wf_source *s = ctx;
    s->asking = false;
    if (s->stopping) {
        plugin_finish(s);
        return;
    }
    if (peek && peek->found && peek->owner != s->trigger.host->instance && peek->owner_lives) {
        on_foreign(s);
        return;
    }
    bool had = s->lane && (!peek || (peek->found && peek->owner == s->trigger.host->instance));
    s->is_elsewhere = false;
    if (had || s->opening || (!s->lane && timer_is_running(&s->retry)))
        return;
    if (s->lane) { /* another engine had it meanwhile, and died */
        plugin_halt(s);
        engine_lane_drop(s->trigger.host->engine, s->lane, false);
        return;
    }
    take(s);
}

static void on_watch(void *arg)
{
    struct wf_source *s = arg;
    struct trigger_host *host = s->trigger.host;
    timer_start(host->loop, &s->watch, LOOK_US);
    if (s->asking || s->opening)
        return;
    s->asking = true;
    if (!store_peek(host->session, s->trigger.source, 0, SILENT_MS, on_peek, s))
        on_peek(s, NULL);
}

/* --- life ------------------------------------------------------------------------------------- */

void plugin_lane_begin(struct wf_source *s)
{
    if (s->is_idle)
        return;
    if (s->is_single && !s->watch.fn) {
        s->watch = (struct timer){ .fn = on_watch, .arg = s };
        on_watch(s);
    } else {
        take(s);
    }
}

void plugin_lane_stop(struct wf_source *s, bool drain)
{
    timer_stop(s->trigger.host->loop, &s->watch);
    if (s->opening)
        lane_open_cancel(s->opening);
    else if (s->lane)
        engine_lane_drop(s->trigger.host->engine, s->lane, drain);
    else
        timer_start(s->trigger.host->loop, &s->soon, 0);
}

void plugin_lane_lost(struct trigger *t, struct lane *lane)
{
    struct wf_source *s = source_of(t);
    (void)lane;
    s->lane = NULL;
    lane_open_lost(s->opening);
    s->opening = NULL;
    timer_start(t->host->loop, &s->soon, 0); /* what was not stored is told there */
    if (s->stopping)
        return;
    if (!s->is_elsewhere)
        log_warn("trigger", "plugin.fenced", "workflow '%s': another engine has its trigger's lane",
                 workflow(s));
    if (!s->is_single)
        again(s, AGAIN_US);
}
