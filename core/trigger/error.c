/* SPDX-License-Identifier: Apache-2.0
 * Error workflows: an execution that failed starts another workflow, once its failure is durable.
 *
 * The engine tells of the failure in the middle of releasing a turn, when it takes no events; so
 * the item is copied, waits in the list of the trigger that shall take it, and is handed over by a
 * timer in the same round of the loop, or when the trigger's lane is open, or when there is room.
 *
 * Every worker has a lane of its own for each error trigger, numbered as those of webhooks are, so
 * a failure is dealt with where it happened. What waits here is in memory alone: a start is lost
 * when the engine dies before the accepting turn is durable. Nothing is ever started twice.
 *
 * Thread: the worker's. Nothing blocks.
 */
#include "trigger/trigger_int.h"
#include "base/list.h"
#include "base/log.h"
#include "loop/loop.h"
#include <stdlib.h>
#include <string.h>

enum { ROOM_US = 50000, WAITING_MAX = 4096, WAITING_BYTES_MAX = 16 << 20 };

struct failure {
    struct link link;
    size_t len;
    char text[]; /* the item's JSON, NUL-ended */
};

struct error_table {
    struct link triggers; /* struct error_trigger; those that stop are not among them */
};

struct error_trigger {
    struct trigger trigger;
    struct link link;    /* in its table */
    struct link waiting; /* struct failure, oldest first */
    unsigned n_waiting;
    size_t waiting_bytes;
    struct lane *lane;
    struct lane_open *opening;
    struct timer timer; /* hands over */
    bool stopping;
    void (*gone)(void *ctx);
    void *gone_ctx;
};

static struct error_trigger *of(struct trigger *t) { return (struct error_trigger *)t; }

static const struct plan *plan_of(const struct error_trigger *et)
{
    return engine_plan_get(et->trigger.ep);
}

/* --- handing over ----------------------------------------------------------------------------- */

static void release(void *failure) { free(failure); }

static int build(const struct lane *lane, void *event, struct arena *a, struct inbound_item **items,
                 size_t *n, struct err *err)
{
    (void)lane;
    const struct failure *failure = event;
    struct json_error why;
    struct inbound_item *item = ARENA_NEW(a, struct inbound_item);
    if (json_parse(a, failure->text, failure->len, 0, &item->json, &why) != 0)
        return err_set(err, ERR_INVALID, "error trigger: byte %zu: %s", why.offset, why.reason);
    *items = item;
    *n = 1;
    return 0;
}

static void take_out(struct error_trigger *et, struct failure *failure)
{
    list_remove(&failure->link);
    et->n_waiting--;
    et->waiting_bytes -= failure->len;
}

static void hand_over(void *arg)
{
    struct error_trigger *et = arg;
    struct trigger_host *host = et->trigger.host;
    if (!et->lane || list_empty(&et->waiting))
        return; /* not open yet: on_lane_ready comes back to it */
    while (!list_empty(&et->waiting) && engine_room(host->engine)) {
        struct failure *failure = CONTAINER_OF(et->waiting.next, struct failure, link);
        take_out(et, failure);
        struct inbound in = { .lane = et->lane,
                              .position = lane_id(et->lane).position,
                              .event = failure,
                              .raw = { failure->text, failure->len },
                              .build = build,
                              .release = release };
        engine_accept(host->engine, &in, 1);
    }
    if (!list_empty(&et->waiting))
        timer_start(host->loop, &et->timer, ROOM_US);
    host->poke(host->ctx);
}

static void free_waiting(struct error_trigger *et)
{
    while (!list_empty(&et->waiting)) {
        struct failure *failure = CONTAINER_OF(et->waiting.next, struct failure, link);
        take_out(et, failure);
        free(failure);
    }
}

static void drop_waiting(struct error_trigger *et)
{
    if (et->n_waiting)
        log_warn("error", "trigger.stops", "error workflow '%s': %u starts are lost, it stops",
                 plan_of(et)->name, et->n_waiting);
    free_waiting(et);
}

/* --- failures --------------------------------------------------------------------------------- */

struct error_table *error_table_create(void)
{
    struct error_table *t = xcalloc(1, sizeof *t);
    list_init(&t->triggers);
    return t;
}

/* Triggers of a worker that is cut are still here; their plans are gone already. */
void error_table_destroy(struct error_table *t)
{
    while (!list_empty(&t->triggers)) {
        struct error_trigger *et = CONTAINER_OF(t->triggers.next, struct error_trigger, link);
        list_remove(&et->link);
        timer_stop(et->trigger.host->loop, &et->timer);
        free_waiting(et);
        free(et);
    }
    free(t);
}

/* By id; else by name. */
static struct error_trigger *find(struct error_table *t, const char *workflow)
{
    struct error_trigger *et, *named = NULL;
    LIST_EACH(et, &t->triggers, struct error_trigger, link)
    {
        if (!strcmp(plan_of(et)->id, workflow))
            return et;
        if (!named && !strcmp(plan_of(et)->name, workflow))
            named = et;
    }
    return named;
}

static wf_str text_of(const struct json *v)
{
    return v && v->type == JSON_STRING ? (wf_str){ v->s, v->len } : (wf_str){ "", 0 };
}

static void tell(const char *workflow, wf_str item, const char *why)
{
    struct arena a;
    struct json root = { 0 };
    struct json_error unused;
    arena_init(&a, NULL, 0);
    json_parse(&a, item.ptr, item.len, 0, &root, &unused);
    const struct json *failed = JSON_GET(&root, "workflow");
    wf_str id = text_of(JSON_GET(failed, "id")), name = text_of(JSON_GET(failed, "name"));
    log_warn("error", "workflow.not_started",
             "error workflow '%s' of workflow '%.*s' (%.*s) does not start: %s", workflow,
             STR_ARG(name), STR_ARG(id), why);
    arena_fini(&a);
}

void error_workflow_start(struct error_table *t, const char *workflow, wf_str item)
{
    struct error_trigger *et = find(t, workflow);
    if (!et) {
        tell(workflow, item, "no active workflow of that id or name has an error trigger");
        return;
    }
    if (et->n_waiting >= WAITING_MAX || et->waiting_bytes + item.len > WAITING_BYTES_MAX) {
        tell(workflow, item, "too many failures wait for it");
        return;
    }
    struct failure *failure = xmalloc(sizeof *failure + item.len + 1);
    failure->len = item.len;
    memcpy(failure->text, item.ptr, item.len);
    failure->text[item.len] = 0;
    list_append(&et->waiting, &failure->link);
    et->n_waiting++;
    et->waiting_bytes += item.len;
    if (!timer_is_running(&et->timer))
        timer_start(et->trigger.host->loop, &et->timer, 0);
}

/* --- the trigger ------------------------------------------------------------------------------ */

static void finish_stop(struct error_trigger *et)
{
    void (*gone)(void *) = et->gone;
    void *ctx = et->gone_ctx;
    free(et);
    gone(ctx);
}

static void on_lane_ready(void *user, struct lane *lane, const struct err *err)
{
    struct error_trigger *et = user;
    et->opening = NULL;
    et->lane = lane;
    if (!lane)
        log_error("error", "lane", "workflow '%s': %s", plan_of(et)->name, err->text);
    else if (!list_empty(&et->waiting))
        timer_start(et->trigger.host->loop, &et->timer, 0);
}

static void on_lane_dropped(void *user) { finish_stop(user); }

static struct trigger *start(struct trigger_host *host, struct engine_plan *ep, uint32_t node,
                             uint32_t source, struct err *err)
{
    (void)err;
    struct error_trigger *et = xcalloc(1, sizeof *et);
    et->trigger = (struct trigger){
        .self = &et->trigger, .host = host, .ep = ep, .node = node, .source = source
    };
    et->timer = (struct timer){ .fn = hand_over, .arg = et };
    list_init(&et->waiting);
    list_append(&host->errors->triggers, &et->link);
    struct lane_open_config config = { .trigger = &et->trigger,
                                       .partition = lane_of_worker(host),
                                       .user = et,
                                       .ready = on_lane_ready,
                                       .dropped = on_lane_dropped };
    et->opening = lane_open_start(&config);
    return &et->trigger;
}

static void replace(struct trigger *t, struct engine_plan *ep, uint32_t node)
{
    struct error_trigger *et = of(t);
    t->ep = ep;
    t->node = node;
    if (et->lane)
        lane_set_plan(et->lane, ep, node);
}

static void lane_lost(struct trigger *t, struct lane *lane)
{
    struct error_trigger *et = of(t);
    (void)lane;
    et->lane = NULL;
    lane_open_lost(et->opening);
    et->opening = NULL;
    if (et->stopping)
        finish_stop(et);
}

static void stop(struct trigger *t, bool drain, void (*gone)(void *ctx), void *ctx)
{
    struct error_trigger *et = of(t);
    if (drain)
        hand_over(et); /* what waits already is let in */
    drop_waiting(et);
    timer_stop(t->host->loop, &et->timer);
    list_remove(&et->link);
    et->stopping = true;
    et->gone = gone;
    et->gone_ctx = ctx;
    if (et->opening)
        lane_open_cancel(et->opening);
    else if (et->lane)
        engine_lane_drop(t->host->engine, et->lane, drain);
    else
        finish_stop(et);
}

static const char *trouble(struct trigger *t)
{
    return of(t)->lane ? NULL : "error trigger: its lane is not open yet";
}

static wf_str source_name(struct arena *a, const struct plan_node *node)
{
    (void)node;
    return arena_str(a, "errors", 6);
}

const struct trigger_kind error_trigger_kind = {
    .type = ERROR_TRIGGER_TYPE,
    .start = start,
    .replace = replace,
    .stop = stop,
    .lane_lost = lane_lost,
    .trouble = trouble,
    .source_kind = "error",
    .source_name = source_name,
};
