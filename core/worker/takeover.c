/* SPDX-License-Identifier: Apache-2.0
 * Taking over from an engine that died: its lanes of webhooks, schedules and plugins are taken
 * here, outputs that may not have left are sent again, parked executions go on. Kafka partitions
 * come by the consumer group.
 */
#include "worker/worker_int.h"
#include "base/log.h"
#include <stdlib.h>
#include <string.h>

/* A lane without new events: it stays with the engine, so that what is parked on it wakes here.
 * Stands in for a trigger, as no trigger of ours has this lane. */
struct heir {
    struct trigger trigger; /* first: it is its own lane record */
    struct link link;       /* worker->heirs */
};

static void heir_free(struct heir *h)
{
    list_remove(&h->link);
    free(h);
}

static void heir_lane_lost(struct trigger *t, struct lane *lane)
{
    (void)lane;
    heir_free((struct heir *)t);
}

void takeover_free(struct worker *w)
{
    while (!list_empty(&w->heirs))
        heir_free(CONTAINER_OF(w->heirs.next, struct heir, link));
}

static const struct trigger_kind heir_kind = { .type = "takeover", .lane_lost = heir_lane_lost };

static void on_ready(void *user, struct lane *lane, const struct err *err)
{
    if (lane)
        return;
    log_error("worker", "takeover", "%s", err->text);
    heir_free(user);
}

static void on_dropped(void *user) { heir_free(user); }

/* The deployed trigger whose source this is, of a kind that has no consumer group. */
static struct deployed *owner_of(struct worker *w, uint32_t source, uint32_t *trigger)
{
    struct deployed *d;
    LIST_EACH(d, &w->plans, struct deployed, link)
    {
        for (uint32_t i = 0; i < d->n_triggers; i++)
            if (d->triggers[i] && d->sources[i] == source && !d->retired &&
                !d->triggers[i]->kind->takes_over) {
                *trigger = i;
                return d;
            }
    }
    return NULL;
}

static void on_lane(void *ctx, uint32_t source, uint32_t partition, const struct err *error)
{
    struct worker *w = ctx;
    uint32_t i;
    if (!source) {
        if (error)
            log_error("worker", "takeover", "%s", error->text);
        return;
    }
    struct deployed *d = owner_of(w, source, &i);
    if (!d || engine_lane_find(w->out.engine, source, partition))
        return;
    struct heir *h = xcalloc(1, sizeof *h);
    *h = (struct heir){ .trigger = { .self = &h->trigger,
                                     .kind = &heir_kind,
                                     .host = &w->host,
                                     .ep = d->ep,
                                     .node = d->triggers[i]->node,
                                     .source = source } };
    list_append(&w->heirs, &h->link);
    struct lane_open_config config = { .trigger = &h->trigger,
                                       .partition = partition,
                                       .user = h,
                                       .ready = on_ready,
                                       .dropped = on_dropped };
    lane_open_start(&config);
}

void takeover_start(struct worker *w, uint32_t instance)
{
    log_info("worker", "takeover", "worker %u takes what engine %u left", w->config.number,
             instance);
    store_lanes_of(w->session, instance, on_lane, w);
}
