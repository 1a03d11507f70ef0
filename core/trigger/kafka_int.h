/* SPDX-License-Identifier: Apache-2.0
 * What the Kafka files of this folder share: settings for librdkafka and its log.
 */
#ifndef CATALYST_KAFKA_INT_H
#define CATALYST_KAFKA_INT_H
#include "trigger/trigger.h"
#include <librdkafka/rdkafka.h>

/* A configuration with brokers, properties, log and our defaults. NULL with *err naming the
 * property. */
rd_kafka_conf_t *kafka_conf_create(const struct kafka_settings *settings, const char *client,
                                   struct err *err);
int kafka_conf_set(rd_kafka_conf_t *conf, const char *name, const char *value, struct err *err);

#define KAFKA_STATISTICS_MS "2000"
/* Of librdkafka's statistics: is a broker connected? */
bool kafka_any_broker_up(const char *json);

#endif
