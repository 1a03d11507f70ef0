/* SPDX-License-Identifier: Apache-2.0
 * Triggers of plugins: nodes with a wf_trigger.
 *
 * The trigger has a lane, and while it has it the plugin is started. A newer version of the
 * workflow with the same parameters goes on with what is running: the plugin's state is that of the
 * version it was started with, whose nodes stay open for that long. start() that fails for the
 * moment is tried again, 1 to 60 seconds apart; one that fails for good stays a line in the ready
 * check until a newer version comes.
 *
 *   begin --> lane (plugin_lane.c) --> plugin_run: start() --> events --> plugin_halt: stop()
 *                 ^                        | transient              |
 *                 `---- lane lost ---------+--- retry timer <-------'
 *
 * At stop the plugin is stopped first, so nothing new comes; what it gave is run and stored, and
 * the lane is given up when that is done.
 */
#include "trigger/plugin_int.h"
#include "base/log.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FIRST_TRY_S = 1, LAST_TRY_S = 60 };

static const struct plan_node *node_of(const struct wf_source *s)
{
    return &engine_plan_get(s->trigger.ep)->nodes[s->trigger.node];
}

/* --- the plugin ------------------------------------------------------------------------------- */

static void on_start_failed(struct wf_source *s, const wf_error *why)
{
    int64_t wait_s = (int64_t)FIRST_TRY_S << (s->failures < 6 ? s->failures : 6);
    if (wait_s > LAST_TRY_S)
        wait_s = LAST_TRY_S;
    wf_str detail = why->detail.len ? why->detail : STR("it does not say why");
    snprintf(s->trouble, sizeof s->trouble, "does not start: %.*s", STR_ARG(detail));
    s->failures++;
    s->is_refused = why->fault != WF_TRANSIENT;
    if (!s->is_refused)
        timer_start(s->trigger.host->loop, &s->retry, wait_s * 1000000);
    log_line(s->is_refused ? LOG_ERROR : LOG_WARN, "trigger", "plugin.start_failed",
             "workflow '%s' node '%s' %s%s", engine_plan_get(s->trigger.ep)->name, node_of(s)->name,
             s->trouble, s->is_refused ? "" : "; it is tried again");
}

void plugin_run(struct wf_source *s)
{
    wf_error why = { .size = sizeof why };
    if (s->is_started || s->stopping || s->is_refused)
        return;
    s->is_started = true; /* it may accept from within start() */
    if (s->calls->start(s->host, s->state, s, &why) != 0) {
        s->is_started = false;
        plugin_request_cancel(s);
        on_start_failed(s, &why);
        return;
    }
    s->failures = 0;
    s->trouble[0] = 0;
}

void plugin_halt(struct wf_source *s)
{
    if (!s->is_started)
        return;
    s->calls->stop(s->host, s->state);
    plugin_request_cancel(s);
    s->is_started = s->wants_room = false;
}

/* Opens the lane, or starts the plugin on the one that is there. */
static void on_retry(void *arg)
{
    struct wf_source *s = arg;
    if (s->lane)
        plugin_run(s);
    else
        plugin_lane_begin(s);
}

/* --- the trigger ------------------------------------------------------------------------------ */

/* What the plugin counts is told of this version, which stays as long. */
static void count_as(struct wf_source *s, struct engine_plan *ep, uint32_t node)
{
    engine_plan_pin(ep);
    if (s->counted)
        engine_plan_unpin(s->counted);
    s->counted = ep;
    engine_node_counts_for(s->opened, s->opened_node, ep, node);
}

static void unpin_all(struct wf_source *s)
{
    engine_node_counts_for(s->opened, s->opened_node, NULL, 0);
    engine_plan_unpin(s->counted);
    engine_plan_unpin(s->opened);
}

/* The state of this version's node is the one to start. */
static void adopt(struct wf_source *s, struct engine_plan *ep, uint32_t node)
{
    const char *broken;
    engine_plan_pin(ep);
    if (s->opened)
        unpin_all(s);
    s->opened = ep;
    s->opened_node = node;
    s->state = engine_node_state(ep, node, &broken);
    s->calls = engine_plan_get(ep)->nodes[node].type->node.trigger;
    s->counted = NULL;
    count_as(s, ep, node);
}

static struct trigger *start_kind(const struct trigger_kind *kind, struct trigger_host *host,
                                  struct engine_plan *ep, uint32_t node, uint32_t source,
                                  struct err *err)
{
    const char *broken;
    engine_node_state(ep, node, &broken);
    if (broken) {
        err_set(err, ERR_INVALID, "%s", broken);
        return NULL;
    }
    struct wf_source *s = xcalloc(1, sizeof *s);
    s->to = (struct source_head){ plugin_accept, plugin_request, plugin_place };
    list_init(&s->requests);
    s->trigger = (struct trigger){
        .self = &s->trigger, .kind = kind, .host = host, .ep = ep, .node = node, .source = source
    };
    s->host = engine_host_table(host->engine);
    s->is_single = kind == &single_trigger_kind;
    s->is_idle = s->is_single && host->worker != 0;
    adopt(s, ep, node);
    plugin_events_init(s);
    snprintf(s->trouble, sizeof s->trouble, "its lane is not open yet");
    s->retry = (struct timer){ .fn = on_retry, .arg = s };
    timer_start(host->loop, &s->retry, 0); /* not from inside start: an answer may come at once */
    return &s->trigger;
}

static struct trigger *start_plugin(struct trigger_host *host, struct engine_plan *ep,
                                    uint32_t node, uint32_t source, struct err *err)
{
    return start_kind(&plugin_trigger_kind, host, ep, node, source, err);
}

static struct trigger *start_single(struct trigger_host *host, struct engine_plan *ep,
                                    uint32_t node, uint32_t source, struct err *err)
{
    return start_kind(&single_trigger_kind, host, ep, node, source, err);
}

static void replace(struct trigger *t, struct engine_plan *ep, uint32_t node)
{
    struct wf_source *s = source_of(t);
    t->ep = ep;
    t->node = node;
    if (s->lane)
        lane_set_plan(s->lane, ep, node);
    if (s->is_started) {
        count_as(s, ep, node);
        return;
    }
    adopt(s, ep, node); /* it did not start: what was wrong with it may be mended */
    s->is_refused = false;
    s->failures = 0;
    if (s->lane)
        timer_start(t->host->loop, &s->retry, 0);
}

void plugin_finish(struct wf_source *s)
{
    if (s->lane || s->opening || s->asking)
        return;
    plugin_events_flush(s);
    struct loop *loop = s->trigger.host->loop;
    timer_stop(loop, &s->soon);
    timer_stop(loop, &s->retry);
    timer_stop(loop, &s->watch);
    void (*gone)(void *) = s->gone;
    void *ctx = s->gone_ctx;
    unpin_all(s);
    plugin_events_free(s);
    free(s);
    gone(ctx);
}

static void stop(struct trigger *t, bool drain, void (*gone)(void *ctx), void *ctx)
{
    struct wf_source *s = source_of(t);
    s->stopping = true;
    s->gone = gone;
    s->gone_ctx = ctx;
    timer_stop(t->host->loop, &s->retry);
    plugin_halt(s);
    if (drain)
        plugin_events_flush(s);
    plugin_lane_stop(s, drain);
}

static const char *trouble(struct trigger *t)
{
    struct wf_source *s = source_of(t);
    if (s->is_idle || s->is_elsewhere)
        return NULL;
    if (!s->is_started)
        return s->trouble[0] ? s->trouble : "its lane is not open yet";
    return s->calls->trouble ? s->calls->trouble(s->host, s->state) : NULL;
}

/* One source for each node, whatever its parameters: they are the plugin's. */
static wf_str source_name(struct arena *a, const struct plan_node *node)
{
    return arena_str(a, node->type->type, strlen(node->type->type));
}

const struct trigger_kind plugin_trigger_kind = {
    .type = "plugin",
    .start = start_plugin,
    .replace = replace,
    .stop = stop,
    .take = plugin_take,
    .lane_lost = plugin_lane_lost,
    .acknowledge = plugin_acknowledge,
    .trouble = trouble,
    .source_kind = "plugin",
    .source_name = source_name,
};

const struct trigger_kind single_trigger_kind = {
    .type = "single",
    .start = start_single,
    .replace = replace,
    .stop = stop,
    .take = plugin_take,
    .lane_lost = plugin_lane_lost,
    .acknowledge = plugin_acknowledge,
    .trouble = trouble,
    .source_kind = "single",
    .source_name = source_name,
    .takes_over = true,
};
