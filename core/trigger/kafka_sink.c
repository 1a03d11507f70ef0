/* SPDX-License-Identifier: Apache-2.0
 * Outputs to Kafka: the blocks of committed turns are produced, and reported when all is
 * acknowledged.
 *
 * One idempotent producer per worker (kafka_producer.c), which with the setting kafka-transactions
 * is a transactional one (kafka_txn.c). A track counts what its block still misses. Blocks of a
 * lane are reported in order.
 *
 * Thread: the worker's.
 */
#include "trigger/kafka_int.h"
#include "base/clock.h"
#include <stdlib.h>
#include <string.h>

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

/* --- sending ---------------------------------------------------------------------------------- */

/* A block that left in a committed transaction before its lane was taken is not sent again. */
static bool has_left(struct lane *lane, uint64_t seq)
{
    struct kafka_lane *kl = kafka_lane_of(lane);
    return kl && seq <= kl->released;
}

static uint32_t send_block(struct kafka_sink *s, struct lane *lane, const struct store_block *b,
                           struct kafka_track *track)
{
    if (!s->producer->txn)
        return kafka_producer_send(s->producer, b, track);
    if (has_left(lane, b->seq))
        return 0;
    track->left = b->n_outputs;
    kafka_txn_add(s->producer->txn, lane, b, track, b->n_outputs);
    return b->n_outputs;
}

void kafka_sink_send(struct kafka_sink *s, struct lane *lane, uint64_t seq,
                     const struct store_block *b)
{
    struct sink_lane *sl = lane_find(s, lane);
    struct kafka_track *track = xcalloc(1, sizeof *track);
    track->lane = sl;
    track->seq = seq;
    list_append(&sl->tracks, &track->link);
    uint32_t n = send_block(s, lane, b, track);
    track->left = n;
    track->all_sent = true;
    s->stats.waiting += n;
    if (!n)
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
    if (settings->transactions)
        kafka_owner_make(worker, s->owner);
    s->producer = kafka_producer_create(s, err);
    if (s->producer)
        return s;
    free(s);
    return NULL;
}

void kafka_sink_destroy(struct kafka_sink *s, int64_t grace_ms)
{
    int64_t until = clock_mono_us() + grace_ms * 1000;
    while (s->stats.waiting && clock_mono_us() < until && !s->producer->txn)
        kafka_producer_poll(s->producer, 20);
    while (!list_empty(&s->lanes))
        kafka_sink_forget(s, CONTAINER_OF(s->lanes.next, struct sink_lane, link)->lane);
    kafka_producer_destroy(s->producer);
    free(s);
}

const char *kafka_sink_transactions(const struct kafka_sink *s)
{
    return s->owner[0] ? s->owner : NULL;
}

const struct kafka_sink_stats *kafka_sink_stats(const struct kafka_sink *s) { return &s->stats; }

const char *kafka_sink_trouble(const struct kafka_sink *s)
{
    return s->producer->trouble[0] ? s->producer->trouble : NULL;
}
