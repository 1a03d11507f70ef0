/* SPDX-License-Identifier: Apache-2.0
 * Taking a lane: what a crash or another engine left of it is put in order before new events come.
 *
 *   assign --> (new lane: first position, on a pool thread) --> add to the engine
 *          --> blocks after `released` are sent again --> parked executions come back --> ready
 *
 * Thread: the worker's.
 */
#include "trigger/trigger.h"
#include "base/log.h"
#include "loop/loop.h"
#include <stdlib.h>

enum { BLOCKS_AT_ONCE = 64, PARKED_AT_ONCE = 1024, POOL_FULL_US = 10000 };

struct lane_open {
    struct lane_open_config config;
    struct store_lane at;
    struct lane *lane;
    struct offload_job job;
    struct timer timer; /* the pool was full */
    uint64_t first;
    uint64_t seen; /* last block resent */
    uint32_t got;  /* blocks or executions of the request under way */
    bool canceled; /* callbacks are still to come: they free it */
};

static void drop(struct lane_open *o)
{
    if (o->lane) /* added already: its executions go with it, and lane_lost tells the trigger */
        engine_lane_drop(o->config.trigger->host->engine, o->lane, false);
    else if (o->config.dropped)
        o->config.dropped(o->config.user);
    free(o);
}

static void fail(struct lane_open *o, const struct err *err)
{
    if (o->canceled) {
        drop(o);
        return;
    }
    o->config.ready(o->config.user, NULL, err);
    free(o);
}

/* --- parked executions ------------------------------------------------------------------------ */

static void restore(struct lane_open *o, const struct store_exec *exec)
{
    struct trigger_host *host = o->config.trigger->host;
    struct err err;
    if (engine_restore(host->engine, o->lane, exec, &err) == 0)
        return;
    if (err.code == ERR_NOT_FOUND && host->need_version)
        host->need_version(host->ctx, o->lane, exec);
    else
        log_error("trigger", "lane.restore", "%s", err.text);
}

static void on_parked(void *ctx, const struct store_exec *exec, const struct err *error)
{
    struct lane_open *o = ctx;
    if (exec) {
        o->got++;
        if (!o->canceled)
            restore(o, exec);
        return;
    }
    if (error)
        log_error("trigger", "lane.parked", "%s", error->text);
    struct trigger_host *host = o->config.trigger->host;
    if (o->canceled) {
        drop(o);
        return;
    }
    if (o->got == PARKED_AT_ONCE) {
        o->got = 0;
        store_parked(host->session, o->at.source, o->at.partition, INT64_MAX, PARKED_AT_ONCE,
                     on_parked, o);
        return;
    }
    o->config.ready(o->config.user, o->lane, NULL);
    free(o);
}

/* --- blocks ----------------------------------------------------------------------------------- */

static void on_block(void *ctx, const struct store_block *block, const struct err *error)
{
    struct lane_open *o = ctx;
    struct trigger_host *host = o->config.trigger->host;
    if (block) {
        o->got++;
        o->seen = block->seq;
        if (!o->canceled)
            engine_lane_resend(host->engine, o->lane, block);
        return;
    }
    if (error) {
        log_error("trigger", "lane.recover", "%s", error->text);
        fail(o, error);
        return;
    }
    if (o->canceled) {
        drop(o);
        return;
    }
    bool more = o->got == BLOCKS_AT_ONCE;
    o->got = 0;
    if (more)
        store_blocks(host->session, o->at.source, o->at.partition, o->seen, BLOCKS_AT_ONCE,
                     on_block, o);
    else
        store_parked(host->session, o->at.source, o->at.partition, INT64_MAX, PARKED_AT_ONCE,
                     on_parked, o);
}

/* --- assignment ------------------------------------------------------------------------------- */

static void add_lane(struct lane_open *o)
{
    struct trigger *t = o->config.trigger;
    struct lane_config config = {
        .at = o->at, .plan = t->ep, .trigger = t->node, .start = o->first, .user = o->config.user
    };
    o->lane = engine_lane_add(t->host->engine, &config);
    o->seen = o->at.released;
    if (engine_plan_get(t->ep)->settings.durability == DURABILITY_NONE) {
        o->config.ready(o->config.user, o->lane, NULL);
        free(o);
        return;
    }
    store_blocks(t->host->session, o->at.source, o->at.partition, o->at.released, BLOCKS_AT_ONCE,
                 on_block, o);
}

static void work_first(struct offload_job *job)
{
    struct lane_open *o = CONTAINER_OF(job, struct lane_open, job);
    o->first = o->config.first_position(o->config.user);
}

static void done_first(struct offload_job *job)
{
    struct lane_open *o = CONTAINER_OF(job, struct lane_open, job);
    if (o->canceled)
        drop(o);
    else
        add_lane(o);
}

/* A topic may have more partitions than the pool takes jobs. */
static void ask_first(void *arg)
{
    struct lane_open *o = arg;
    struct trigger_host *host = o->config.trigger->host;
    if (o->canceled) {
        drop(o);
        return;
    }
    o->job = (struct offload_job){ .work = work_first, .done = done_first };
    o->timer = (struct timer){ .fn = ask_first, .arg = o };
    if (offload_submit(host->offload, host->owner, host->loop, &o->job) != 0)
        timer_start(host->loop, &o->timer, POOL_FULL_US);
}

static void on_assigned(void *ctx, const struct store_lane *lane, const struct err *err)
{
    struct lane_open *o = ctx;
    if (!lane || o->canceled) {
        fail(o, err);
        return;
    }
    o->at = *lane;
    if (o->config.assigned)
        o->config.assigned(o->config.user, lane);
    if (!lane->fresh || !o->config.first_position) {
        add_lane(o);
        return;
    }
    ask_first(o);
}

struct lane_open *lane_open_start(const struct lane_open_config *config)
{
    struct trigger *t = config->trigger;
    struct lane_open *o = xcalloc(1, sizeof *o);
    o->config = *config;
    if (engine_plan_get(t->ep)->settings.durability == DURABILITY_NONE) {
        o->at = (struct store_lane){ .source = t->source, .partition = config->partition };
        add_lane(o);
        return NULL;
    }
    store_assign(t->host->session, t->source, config->partition, 0, on_assigned, o);
    return o;
}

void lane_open_lost(struct lane_open *o)
{
    if (!o)
        return;
    o->canceled = true;
    o->lane = NULL;
    o->config.dropped = NULL;
}

void lane_open_cancel(struct lane_open *o)
{
    if (o)
        o->canceled = true;
}
