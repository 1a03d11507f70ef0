/* SPDX-License-Identifier: Apache-2.0
 * What the bench programs share: a producer, a consumer, clocks, and dying with a reason. Not for
 * the engine: it uses librdkafka as a plain program would, as a yardstick should.
 */
#ifndef BENCH_KAFKA_H
#define BENCH_KAFKA_H
#include "message.h"
#include <librdkafka/rdkafka.h>

enum { BENCH_BATCH = 4096, BENCH_PARTITIONS = 256 };

_Noreturn void die(const char *format, ...) __attribute__((format(printf, 1, 2)));

double clock_us(void);      /* monotonic */
uint64_t time_now_us(void); /* of the day */
double cpu_us(void);        /* of this process, all threads */

struct producer {
    rd_kafka_t *rk;
    rd_kafka_topic_t *topic;
    rd_kafka_queue_t *queue; /* delivery reports, many in an event */
    int partitions;
    uint64_t sent, acked, failed, in_flight_max;
};

/* Idempotent, acks=all. codec: none, lz4, ...; linger_ms: how long a batch may gather. */
void producer_open(struct producer *p, const char *brokers, const char *topic, const char *codec,
                   const char *linger_ms);
/* Copies n (at most BENCH_BATCH) messages, each to the partition of its key, those of one partition
 * together: librdkafka is twice as quick that way. Waits while too much is in flight. */
void producer_send(struct producer *p, const struct message *messages, unsigned n);
/* The same for messages whose partition is set. */
void producer_send_raw(struct producer *p, rd_kafka_message_t *messages, unsigned n);
/* Takes delivery reports; waits up to timeout_ms for the first. */
void producer_poll(struct producer *p, int timeout_ms);
/* Waits until everything is acknowledged. */
void producer_drain(struct producer *p);
void producer_close(struct producer *p);

/* Reads partitions [first, n) in steps of `step` of a topic from the beginning, without a group. */
struct consumer {
    rd_kafka_t *rk;
    rd_kafka_queue_t *queue;
    int partitions;
};

void consumer_open(struct consumer *c, const char *brokers, const char *topic, int first, int step);
void consumer_close(struct consumer *c);

#endif
