/* SPDX-License-Identifier: Apache-2.0
 * The bench programs' way to Kafka. One thread per struct; waiting is done in librdkafka's queues.
 */
#include "bench_kafka.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { METADATA_TIMEOUT_MS = 20000, IN_FLIGHT_MAX = 150000 };

void die(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fputs("bench: ", stderr);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
    exit(1);
}

static double read_clock_us(clockid_t id)
{
    struct timespec t;
    clock_gettime(id, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

double clock_us(void) { return read_clock_us(CLOCK_MONOTONIC); }
uint64_t time_now_us(void) { return (uint64_t)read_clock_us(CLOCK_REALTIME); }
double cpu_us(void) { return read_clock_us(CLOCK_PROCESS_CPUTIME_ID); }

static void set(rd_kafka_conf_t *conf, const char *name, const char *value)
{
    char why[256];
    if (rd_kafka_conf_set(conf, name, value, why, sizeof why) != RD_KAFKA_CONF_OK)
        die("%s=%s: %s", name, value, why);
}

static rd_kafka_t *client(rd_kafka_type_t type, rd_kafka_conf_t *conf, const char *brokers)
{
    char why[256];
    set(conf, "bootstrap.servers", brokers);
    set(conf, "log_level", "3");
    rd_kafka_t *rk = rd_kafka_new(type, conf, why, sizeof why);
    if (!rk)
        die("%s: %s", brokers, why);
    return rk;
}

static int count_partitions(rd_kafka_t *rk, const char *name)
{
    rd_kafka_topic_t *topic = rd_kafka_topic_new(rk, name, NULL);
    const struct rd_kafka_metadata *found = NULL;
    rd_kafka_resp_err_t failed = rd_kafka_metadata(rk, 0, topic, &found, METADATA_TIMEOUT_MS);
    if (failed)
        die("topic '%s': %s", name, rd_kafka_err2str(failed));
    int n = found->topic_cnt == 1 && !found->topics[0].err ? found->topics[0].partition_cnt : 0;
    rd_kafka_metadata_destroy(found);
    rd_kafka_topic_destroy(topic);
    if (n < 1 || n > BENCH_PARTITIONS)
        die("topic '%s' has %d partitions: make it first, with 1 to %d", name, n, BENCH_PARTITIONS);
    return n;
}

void producer_open(struct producer *p, const char *brokers, const char *topic, const char *codec,
                   const char *linger_ms)
{
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    set(conf, "enable.idempotence", "true");
    set(conf, "acks", "all");
    set(conf, "compression.codec", codec);
    set(conf, "linger.ms", linger_ms);
    set(conf, "batch.num.messages", "10000");
    set(conf, "batch.size", "1000000");
    set(conf, "queue.buffering.max.messages", "1000000");
    set(conf, "queue.buffering.max.kbytes", "1048576");
    rd_kafka_conf_set_events(conf, RD_KAFKA_EVENT_DR | RD_KAFKA_EVENT_ERROR);
    *p = (struct producer){ .rk = client(RD_KAFKA_PRODUCER, conf, brokers),
                            .in_flight_max = IN_FLIGHT_MAX };
    p->partitions = count_partitions(p->rk, topic);
    p->topic = rd_kafka_topic_new(p->rk, topic, NULL);
    p->queue = rd_kafka_queue_get_main(p->rk);
}

void producer_poll(struct producer *p, int timeout_ms)
{
    rd_kafka_event_t *event;
    const rd_kafka_message_t *message;
    for (; (event = rd_kafka_queue_poll(p->queue, timeout_ms)); timeout_ms = 0) {
        while ((message = rd_kafka_event_message_next(event))) {
            p->acked++;
            p->failed += message->err != 0;
        }
        if (rd_kafka_event_type(event) == RD_KAFKA_EVENT_ERROR &&
            rd_kafka_event_error(event) == RD_KAFKA_RESP_ERR__FATAL)
            die("producer: %s", rd_kafka_event_error_string(event));
        rd_kafka_event_destroy(event);
    }
}

void producer_send_raw(struct producer *p, rd_kafka_message_t *messages, unsigned n)
{
    while (p->sent - p->acked + n > p->in_flight_max)
        producer_poll(p, 5);
    int taken =
        rd_kafka_produce_batch(p->topic, RD_KAFKA_PARTITION_UA,
                               RD_KAFKA_MSG_F_COPY | RD_KAFKA_MSG_F_PARTITION, messages, (int)n);
    if (taken != (int)n)
        die("produce: %d of %u taken: %s", taken, n, rd_kafka_err2str(messages[n - 1].err));
    p->sent += n;
}

void producer_send(struct producer *p, const struct message *messages, unsigned n)
{
    rd_kafka_message_t sorted[BENCH_BATCH];
    uint16_t to[BENCH_BATCH];
    unsigned place[BENCH_PARTITIONS + 1] = { 0 };
    for (unsigned i = 0; i < n; i++) {
        to[i] = (uint16_t)rd_kafka_msg_partitioner_murmur2(
            p->topic, messages[i].key, MESSAGE_KEY_BYTES, p->partitions, NULL, NULL);
        place[to[i] + 1]++;
    }
    for (int i = 0; i < p->partitions; i++)
        place[i + 1] += place[i];
    for (unsigned i = 0; i < n; i++)
        sorted[place[to[i]]++] = (rd_kafka_message_t){ .payload = (void *)messages[i].body,
                                                       .len = messages[i].len,
                                                       .key = (void *)messages[i].key,
                                                       .key_len = MESSAGE_KEY_BYTES,
                                                       .partition = to[i] };
    producer_send_raw(p, sorted, n);
}

void producer_drain(struct producer *p)
{
    double end = clock_us() + 120e6;
    while (p->acked < p->sent) {
        producer_poll(p, 100);
        if (clock_us() > end)
            die("producer: %llu messages are not acknowledged after 120 s",
                (unsigned long long)(p->sent - p->acked));
    }
    if (p->failed)
        die("producer: %llu messages failed", (unsigned long long)p->failed);
}

void producer_close(struct producer *p)
{
    rd_kafka_queue_destroy(p->queue);
    rd_kafka_topic_destroy(p->topic);
    rd_kafka_destroy(p->rk);
}

void consumer_open(struct consumer *c, const char *brokers, const char *topic, int first, int step)
{
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    set(conf, "group.id", "bench"); /* never joined */
    set(conf, "enable.auto.commit", "false");
    set(conf, "fetch.wait.max.ms", "10");
    set(conf, "fetch.min.bytes", "65536"); /* fewer requests: the broker shares the machine */
    set(conf, "fetch.message.max.bytes", "4194304");
    set(conf, "queued.min.messages", "200000");
    set(conf, "check.crcs", "false");
    c->rk = client(RD_KAFKA_CONSUMER, conf, brokers);
    c->partitions = count_partitions(c->rk, topic);
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(c->partitions);
    for (int i = first; i < c->partitions; i += step)
        rd_kafka_topic_partition_list_add(list, topic, i)->offset = RD_KAFKA_OFFSET_BEGINNING;
    rd_kafka_resp_err_t failed = rd_kafka_assign(c->rk, list);
    if (failed)
        die("assign '%s': %s", topic, rd_kafka_err2str(failed));
    rd_kafka_topic_partition_list_destroy(list);
    c->queue = rd_kafka_queue_get_consumer(c->rk);
}

void consumer_close(struct consumer *c)
{
    rd_kafka_queue_destroy(c->queue);
    rd_kafka_consumer_close(c->rk);
    rd_kafka_destroy(c->rk);
}
