/* SPDX-License-Identifier: Apache-2.0
 * Outputs to Kafka: the blocks of committed turns are produced, and reported when all is
 * acknowledged.
 *
 * One idempotent producer per worker and connection (kafka_producer.c), made when something is sent
 * there first; that of the settings is, with kafka-transactions, a transactional one (kafka_txn.c).
 * A connection is the id of a credential. A track counts what its block still misses, wherever it
 * goes. Blocks of a lane are reported in order.
 *
 * Thread: the worker's.
 */
#include "trigger/kafka_int.h"
#include "base/clock.h"
#include "base/log.h"
#include "plugin/cred.h"
#include <stdio.h>
#include <stdlib.h>

struct sink_lane {
    struct link link;
    struct lane *lane;
    struct link tracks; /* oldest first */
};

/* --- tracks ----------------------------------------------------------------------------------- */

static struct sink_lane *lane_find(struct kafka_sink *s, struct lane *lane)
{
    struct sink_lane *sl;
    LIST_EACH(sl, &s->lanes, struct sink_lane, link)
    {
        if (sl->lane == lane)
            return sl;
    }
    sl = xcalloc(1, sizeof *sl);
    sl->lane = lane;
    list_init(&sl->tracks);
    list_append(&s->lanes, &sl->link);
    return sl;
}

/* Reports the blocks at the head of the lane that are whole. */
static void lane_report(struct kafka_sink *s, struct sink_lane *sl)
{
    uint64_t seq = 0;
    struct kafka_track *t;
    while ((t = LIST_FIRST(&sl->tracks, struct kafka_track, link)) && t->all_sent && !t->left) {
        seq = t->seq;
        list_remove(&t->link);
        free(t);
    }
    if (seq)
        engine_released(s->engine, sl->lane, seq);
}

void kafka_track_done(struct kafka_sink *s, struct kafka_track *t, uint32_t n)
{
    t->left -= n;
    if (t->left || !t->all_sent)
        return;
    if (t->lane)
        lane_report(s, t->lane);
    else
        free(t);
}

void kafka_sink_forget(struct kafka_sink *s, struct lane *lane)
{
    struct sink_lane *sl;
    LIST_EACH(sl, &s->lanes, struct sink_lane, link)
    {
        if (sl->lane != lane)
            continue;
        struct kafka_track *t;
        LIST_EACH(t, &sl->tracks, struct kafka_track, link)
        {
            list_remove(&t->link);
            t->lane = NULL;
            if (!t->left)
                free(t);
        }
        list_remove(&sl->link);
        free(sl);
    }
    if (s->producer && s->producer->txn)
        kafka_txn_forget(s->producer->txn, lane);
}

/* --- connections ------------------------------------------------------------------------------ */

static struct kafka_producer *producer_open(struct kafka_sink *s, wf_str name,
                                            const struct wf_cred *cred, struct err *err)
{
    struct kafka_producer *p = kafka_producer_create(s, name, cred, err);
    if (p)
        list_append(&s->producers, &p->link);
    return p;
}

static struct kafka_producer *producer_make(struct kafka_sink *s, wf_str name)
{
    const struct kafka_settings *settings = s->settings;
    struct err err;
    if (map_get(&s->refused, name.ptr, name.len))
        return NULL;
    const struct wf_cred *cred =
        name.len && settings->credential ? settings->credential(settings->ctx, name) : NULL;
    struct kafka_producer *p = NULL;
    if (cred)
        p = producer_open(s, name, cred, &err);
    else if (name.len)
        err_set(&err, ERR_NOT_FOUND, "kafka: there is no credential '%.*s' of type kafka",
                STR_ARG(name));
    else
        err_set(&err, ERR_NOT_FOUND, "kafka: no brokers are configured");
    if (p)
        return p;
    log_error("kafka", "sink.connection", "%s; outputs for it wait in the journal", err.text);
    snprintf(s->trouble, sizeof s->trouble, "%s; outputs for it wait in the journal", err.text);
    map_put_copy(&s->refused, name.ptr, name.len, s);
    return NULL;
}

static struct kafka_producer *producer_find(struct kafka_sink *s, wf_str name)
{
    struct kafka_producer *p = s->latest;
    if (p && str_eq(name, str_of(p->name)))
        return p;
    LIST_EACH(p, &s->producers, struct kafka_producer, link)
    {
        if (str_eq(name, str_of(p->name))) {
            s->latest = p;
            return p;
        }
    }
    return producer_make(s, name);
}

bool kafka_sink_knows(struct kafka_sink *s, const char *connection)
{
    return *connection ? producer_find(s, str_of(connection)) != NULL : s->producer != NULL;
}

/* --- sending ---------------------------------------------------------------------------------- */

/* A block that left in a committed transaction before its lane was taken is not sent again. */
static bool has_left(struct lane *lane, uint64_t seq)
{
    struct kafka_lane *kl = kafka_lane_of(lane);
    return kl && seq <= kl->released;
}

static uint32_t hand_over(struct kafka_producer *p, struct lane *lane, const struct store_block *b,
                          struct kafka_track *track)
{
    if (!p->txn)
        return kafka_producer_send(p, b, track);
    if (has_left(lane, b->seq))
        return 0;
    kafka_txn_add(p->txn, lane, b, track, p->n);
    return p->n;
}

/* Outputs whose connection cannot be had are missed for ever: the block stays in the journal until
 * an engine that has it takes the lane. */
static uint32_t count_outputs(struct kafka_sink *s, const struct store_block *b)
{
    struct kafka_producer *p;
    struct store_output out;
    uint32_t missed = 0;
    size_t at = 0;
    LIST_EACH(p, &s->producers, struct kafka_producer, link) { p->n = 0; }
    while (store_output_next(b->outputs, &at, &out) == 1) {
        p = producer_find(s, out.connection);
        if (p)
            p->n++;
        else
            missed++;
    }
    return missed;
}

void kafka_sink_send(struct kafka_sink *s, struct lane *lane, uint64_t seq,
                     const struct store_block *b)
{
    struct sink_lane *sl = lane_find(s, lane);
    struct kafka_track *track = xcalloc(1, sizeof *track);
    struct kafka_producer *p;
    uint32_t missed = count_outputs(s, b), n = 0;
    track->lane = sl;
    track->seq = seq;
    list_append(&sl->tracks, &track->link);
    LIST_EACH(p, &s->producers, struct kafka_producer, link)
    {
        if (p->n)
            n += hand_over(p, lane, b, track);
    }
    track->left = n + missed;
    track->all_sent = true;
    s->stats.waiting += n;
    if (!track->left)
        lane_report(s, sl);
}

void kafka_sink_move(struct kafka_sink *s, struct kafka_lane *kl)
{
    kafka_txn_move(s->producer->txn, kl);
}

/* --- life ------------------------------------------------------------------------------------- */

struct kafka_sink *kafka_sink_create(struct loop *loop, struct engine *engine, uint32_t worker,
                                     const struct kafka_settings *settings, struct err *err)
{
    struct kafka_sink *s = xcalloc(1, sizeof *s);
    s->loop = loop;
    s->engine = engine;
    s->settings = settings;
    list_init(&s->lanes);
    list_init(&s->producers);
    map_init(&s->refused);
    if (settings->transactions)
        kafka_owner_make(settings->run, worker, s->owner);
    if (!settings->brokers || (s->producer = producer_open(s, STR(""), NULL, err)))
        return s;
    map_fini(&s->refused);
    free(s);
    return NULL;
}

void kafka_sink_destroy(struct kafka_sink *s, int64_t grace_ms)
{
    int64_t until = clock_mono_us() + grace_ms * 1000;
    struct kafka_producer *p;
    while (s->stats.waiting && clock_mono_us() < until) {
        LIST_EACH(p, &s->producers, struct kafka_producer, link) { kafka_producer_poll(p, 10); }
    }
    while (!list_empty(&s->lanes))
        kafka_sink_forget(s, CONTAINER_OF(s->lanes.next, struct sink_lane, link)->lane);
    while ((p = LIST_FIRST(&s->producers, struct kafka_producer, link))) {
        list_remove(&p->link);
        kafka_producer_destroy(p);
    }
    map_fini(&s->refused);
    free(s);
}

const char *kafka_sink_transactions(const struct kafka_sink *s)
{
    return s->producer && s->owner[0] ? s->owner : NULL;
}

const struct kafka_sink_stats *kafka_sink_stats(const struct kafka_sink *s) { return &s->stats; }

const char *kafka_sink_trouble(const struct kafka_sink *s)
{
    for (const struct link *at = s->producers.next; at != &s->producers; at = at->next) {
        const struct kafka_producer *p = CONTAINER_OF(at, struct kafka_producer, link);
        if (p->trouble[0])
            return p->trouble;
    }
    return s->trouble[0] ? s->trouble : NULL;
}
