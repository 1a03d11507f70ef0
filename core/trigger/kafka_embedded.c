/* SPDX-License-Identifier: Apache-2.0
 * librdkafka's mock cluster in this process, on real TCP sockets of the loopback: a newcomer tries
 * Kafka triggers with kcat and no server. It keeps messages in memory only, a few megabytes a
 * partition.
 *
 * Topics must exist before a consumer subscribes, or it finds them at its next refresh; those of
 * the loaded workflows are made here, others appear when they are first written to.
 */
#include "trigger/kafka_int.h"
#include <librdkafka/rdkafka_mock.h>
#include <stdlib.h>

struct kafka_embedded {
    rd_kafka_t *rk;
    rd_kafka_mock_cluster_t *cluster;
};

struct kafka_embedded *kafka_embedded_start(const char *const *topics, size_t n_topics,
                                            int partitions, struct err *err)
{
    char why[240];
    struct kafka_embedded *k = xcalloc(1, sizeof *k);
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_conf_set(conf, "client.id", "catalyst-embedded", NULL, 0);
    rd_kafka_conf_set(conf, "log_level", "4", NULL,
                      0); /* it warns that it has no brokers; it is the broker */
    k->rk = rd_kafka_new(RD_KAFKA_PRODUCER, conf, why, sizeof why);
    if (!k->rk) {
        rd_kafka_conf_destroy(conf);
        err_set(err, ERR_INTERNAL, "kafka: embedded cluster: %s", why);
        goto fail;
    }
    k->cluster = rd_kafka_mock_cluster_new(k->rk, 1);
    if (!k->cluster) {
        err_set(err, ERR_UNAVAILABLE, "kafka: the embedded cluster could not listen");
        goto fail;
    }
    for (size_t i = 0; i < n_topics; i++)
        rd_kafka_mock_topic_create(k->cluster, topics[i], partitions, 1);
    return k;
fail:
    if (k->rk)
        rd_kafka_destroy(k->rk);
    free(k);
    return NULL;
}

const char *kafka_embedded_brokers(const struct kafka_embedded *k)
{
    return rd_kafka_mock_cluster_bootstraps(k->cluster);
}

void kafka_embedded_stop(struct kafka_embedded *k)
{
    rd_kafka_mock_cluster_destroy(k->cluster);
    rd_kafka_destroy(k->rk);
    free(k);
}
