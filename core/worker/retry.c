/* SPDX-License-Identifier: Apache-2.0
 * Executions that come back from the store: those that left memory until their next try, and failed
 * ones that a person marked to run again (`catalyst executions retry`). For these the lanes are
 * asked in turn, one every quarter of a second, so that looking costs next to nothing however many
 * lanes there are.
 */
#include "worker/worker_int.h"
#include "base/clock.h"
#include "base/log.h"

enum { LOOK_US = 250000, AT_ONCE = 64 };

static void look_on(struct worker *w);

static void on_found(void *ctx, const struct store_exec *exec, const struct err *error)
{
    struct worker *w = ctx;
    struct err err;
    if (!exec) {
        if (error)
            log_warn("worker", "retry.look", "%s", error->text);
        w->looking = false;
        look_on(w);
        loop_wake_soon(w->out.loop);
        return;
    }
    w->looked_got++;
    struct lane *lane = engine_lane_find(w->out.engine, exec->id.source, exec->id.partition);
    if (!lane || engine_restore_own(w->out.engine, lane, exec, &err) == 0)
        return;
    if (err.code == ERR_NOT_FOUND)
        deploy_adopt(w, lane, exec);
    else
        log_error("worker", "retry.failed", "%s", err.text);
}

static void look(struct worker *w, struct exec_id lane, int64_t wake_us)
{
    w->looking = true;
    w->looked_got = 0;
    w->looked_source = lane.source;
    w->looked_partition = lane.partition;
    store_parked(w->session, lane.source, lane.partition, wake_us, AT_ONCE, on_found, w);
}

/* There may be more in a lane that gave all that was asked for; those wait while memory is full. */
static void look_on(struct worker *w)
{
    struct lane *lane = engine_lane_find(w->out.engine, w->looked_source, w->looked_partition);
    if (lane && w->looked_got == AT_ONCE && !w->draining && engine_room(w->out.engine))
        look(w, lane_id(lane), clock_wall_us());
}

static void on_look(void *arg)
{
    struct worker *w = arg;
    timer_start(w->out.loop, &w->retry_timer, LOOK_US);
    if (w->looking || !w->store_up || w->draining)
        return;
    struct lane *lane = engine_lane_waking(w->out.engine);
    if (lane) {
        look(w, lane_id(lane), clock_wall_us());
        return;
    }
    lane = engine_lane_after(w->out.engine, w->looked_source, w->looked_partition);
    if (!lane)
        return;
    if (lane_durability(lane) != DURABILITY_NONE) {
        look(w, lane_id(lane), -1); /* no time to wake is that early: only marked ones come */
        return;
    }
    w->looked_source = lane_id(lane).source;
    w->looked_partition = lane_id(lane).partition;
}

void retry_start(struct worker *w)
{
    w->retry_timer = (struct timer){ .fn = on_look, .arg = w };
    timer_start(w->out.loop, &w->retry_timer, LOOK_US);
}

void retry_stop(struct worker *w) { timer_stop(w->out.loop, &w->retry_timer); }
