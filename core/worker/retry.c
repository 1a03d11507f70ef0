/* SPDX-License-Identifier: Apache-2.0
 * Failed executions that a person marked to run again (`catalyst executions retry`). The lanes are
 * asked in turn, one every quarter of a second, so that looking costs next to nothing however many
 * lanes there are.
 */
#include "worker/worker_int.h"
#include "base/log.h"

enum { LOOK_US = 250000, AT_ONCE = 64 };

static void on_marked(void *ctx, const struct store_exec *exec, const struct err *error)
{
    struct worker *w = ctx;
    struct err err;
    if (!exec) {
        if (error)
            log_warn("worker", "retry.look", "%s", error->text);
        w->looking = false;
        loop_wake_soon(w->out.loop);
        return;
    }
    struct lane *lane = engine_lane_find(w->out.engine, exec->id.source, exec->id.partition);
    if (!lane || engine_restore(w->out.engine, lane, exec, &err) == 0)
        return;
    if (err.code == ERR_NOT_FOUND)
        deploy_adopt(w, lane, exec);
    else
        log_error("worker", "retry.failed", "%s", err.text);
}

static void on_look(void *arg)
{
    struct worker *w = arg;
    timer_start(w->out.loop, &w->retry_timer, LOOK_US);
    if (w->looking || !w->store_up || w->draining)
        return;
    struct lane *lane = engine_lane_after(w->out.engine, w->looked_source, w->looked_partition);
    if (!lane)
        return;
    struct exec_id id = lane_id(lane);
    w->looked_source = id.source;
    w->looked_partition = id.partition;
    if (lane_durability(lane) == DURABILITY_NONE)
        return;
    w->looking = true;
    /* No time to wake is that early: only marked ones come. */
    store_parked(w->session, id.source, id.partition, -1, AT_ONCE, on_marked, w);
}

void retry_start(struct worker *w)
{
    w->retry_timer = (struct timer){ .fn = on_look, .arg = w };
    timer_start(w->out.loop, &w->retry_timer, LOOK_US);
}

void retry_stop(struct worker *w) { timer_stop(w->out.loop, &w->retry_timer); }
