/* SPDX-License-Identifier: Apache-2.0
 * What the Kafka files of this folder share: settings for librdkafka and its log.
 */
#ifndef CATALYST_KAFKA_INT_H
#define CATALYST_KAFKA_INT_H
#include "trigger/trigger.h"
#include "base/list.h"
#include "loop/loop.h"
#include <catalyst/triggers.h>
#include <librdkafka/rdkafka.h>

/* A configuration with brokers, properties, log and our defaults. NULL with *err naming the
 * property. */
rd_kafka_conf_t *kafka_conf_create(const struct kafka_settings *settings, const char *client,
                                   struct err *err);
int kafka_conf_set(rd_kafka_conf_t *conf, const char *name, const char *value, struct err *err);

#define KAFKA_STATISTICS_MS "2000"
/* Of librdkafka's statistics: is a broker connected? */
bool kafka_any_broker_up(const char *json);

/* --- the trigger: kafka.c --------------------------------------------------------------------- */

struct kafka_trigger;

/* A partition of ours. */
struct kafka_lane {
    struct trigger *trigger; /* first: see lane_trigger() */
    struct link link;
    struct lane *lane; /* NULL until it is open, and after it is lost */
    struct lane_open *opening;
    char *topic;
    int32_t partition;
    int64_t start; /* offset to read from */
    bool ready, gone;
};

struct kafka_trigger {
    struct trigger t;
    const struct wf_kafka_trigger *config;
    rd_kafka_t *rk;
    rd_kafka_queue_t *queue;
    struct watch *watch;
    int fd;
    struct link lanes;
    unsigned opening; /* lanes of the assignment under way */
    bool assigning;   /* rd_kafka_assign is still owed */
    bool more;        /* messages may be there */
    bool stopping, closing;
    void (*gone)(void *ctx);
    void *gone_ctx;
    struct timer close_timer;
    struct timer poll_timer; /* looks even when no wake-up came */
    struct kafka_lane *latest;
    char trouble[800];
    bool broker_trouble; /* it is weather: gone as soon as a broker answers */
};

static inline struct kafka_trigger *kafka_of(struct trigger *t)
{
    return (struct kafka_trigger *)t;
}

/* inbound.build of a message: kafka_item.c. */
int kafka_build(const struct lane *lane, void *event, struct arena *a, struct inbound_item **items,
                size_t *n, struct err *err);

#endif
