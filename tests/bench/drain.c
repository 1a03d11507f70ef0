/* SPDX-License-Identifier: Apache-2.0
 * drain: counts what came out. Ids are kept as 64-bit hashes in one open table, latencies as an
 * array that is sorted at the end, so that ten million messages cost 240 MB and no thought.
 */
#include "drain.h"
#include "bench_kafka.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TAKE = 4096 };

struct seen {
    uint64_t id, body;
};

struct tally {
    const struct drain_options *options;
    struct seen *table; /* a power of two, at most half full */
    uint64_t size, distinct, duplicates, two_bodies, without_id, messages, others;
    uint32_t *latencies_us;
    uint64_t n_latencies, room_latencies;
    double first_us, last_us;
    uint64_t first_sent_us;
};

static uint64_t hash_bytes(const char *p, size_t n)
{
    uint64_t h = n + 1, word;
    for (; n >= 8; p += 8, n -= 8) {
        memcpy(&word, p, 8);
        h = (h ^ word) * 0x9e3779b97f4a7c15u;
        h ^= h >> 29;
    }
    word = 0;
    memcpy(&word, p, n);
    h = (h ^ word) * 0xbf58476d1ce4e5b9u;
    h ^= h >> 32;
    return h ? h : 1;
}

static struct seen *table_find(struct seen *table, uint64_t size, uint64_t id)
{
    uint64_t at = id & (size - 1);
    while (table[at].id && table[at].id != id)
        at = (at + 1) & (size - 1);
    return &table[at];
}

static void table_grow(struct tally *t)
{
    uint64_t size = t->size ? t->size * 2 : 1 << 20;
    struct seen *table = calloc(size, sizeof *table);
    if (!table)
        die("no memory for %llu ids", (unsigned long long)t->distinct);
    for (uint64_t i = 0; i < t->size; i++)
        if (t->table[i].id)
            *table_find(table, size, t->table[i].id) = t->table[i];
    free(t->table);
    t->table = table;
    t->size = size;
}

/* The id's bytes, or NULL when the message has none. */
static const char *find_id(const struct tally *t, const rd_kafka_message_t *m, size_t *len)
{
    static const char field[] = "\"id\":\"";
    if (t->options->id_in_header) {
        rd_kafka_headers_t *headers;
        const void *value = NULL;
        if (rd_kafka_message_headers(m, &headers) ||
            rd_kafka_header_get_last(headers, "catalyst-id", &value, len))
            return NULL;
        return value;
    }
    const char *at = memmem(m->payload, m->len, field, sizeof field - 1);
    if (!at)
        return NULL;
    at += sizeof field - 1;
    const char *end = memchr(at, '"', (size_t)((const char *)m->payload + m->len - at));
    *len = end ? (size_t)(end - at) : 0;
    return end ? at : NULL;
}

static void tally_id(struct tally *t, const rd_kafka_message_t *m)
{
    size_t len = 0;
    const char *id = find_id(t, m, &len);
    if (!id) {
        t->without_id++;
        return;
    }
    if (t->distinct * 2 >= t->size)
        table_grow(t);
    uint64_t hash = hash_bytes(id, len);
    uint64_t body = t->options->bodies ? hash_bytes(m->payload, m->len) : 0;
    struct seen *seen = table_find(t->table, t->size, hash);
    if (!seen->id) {
        *seen = (struct seen){ .id = hash, .body = body };
        t->distinct++;
        return;
    }
    t->duplicates++;
    t->two_bodies += seen->body != body;
}

static void tally_latency(struct tally *t, const rd_kafka_message_t *m, uint64_t now_us)
{
    uint64_t sent_us = message_time_us(m->payload, (unsigned)m->len, t->options->time_field);
    if (!sent_us || sent_us > now_us)
        return;
    if (!t->first_sent_us)
        t->first_sent_us = sent_us;
    if (sent_us < t->first_sent_us + (uint64_t)t->options->warm_ms * 1000)
        return;
    if (t->n_latencies == t->room_latencies) {
        t->room_latencies = t->room_latencies ? t->room_latencies * 2 : 1 << 16;
        t->latencies_us = realloc(t->latencies_us, t->room_latencies * sizeof(uint32_t));
        if (!t->latencies_us)
            die("no memory for latencies");
    }
    uint64_t took_us = now_us - sent_us;
    t->latencies_us[t->n_latencies++] = took_us > UINT32_MAX ? UINT32_MAX : (uint32_t)took_us;
}

static int by_size(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static double latency_ms(const struct tally *t, double share)
{
    if (!t->n_latencies)
        return 0;
    return t->latencies_us[(uint64_t)(share * (double)(t->n_latencies - 1))] / 1e3;
}

static void print(struct tally *t)
{
    if (t->n_latencies)
        qsort(t->latencies_us, t->n_latencies, sizeof(uint32_t), by_size);
    double took_us = t->messages ? t->last_us - t->first_us : 0;
    printf(
        "{\"load\":\"drain\",\"messages\":%llu,\"others\":%llu,\"distinct\":%llu,\"duplicates\":%"
        "llu,"
        "\"two_bodies\":%llu,\"without_id\":%llu,\"seconds\":%.3f,\"p50_ms\":%.2f,\"p90_ms\":%.2f,"
        "\"p99_ms\":%.2f,\"p999_ms\":%.2f,\"max_ms\":%.2f}\n",
        (unsigned long long)t->messages, (unsigned long long)t->others,
        (unsigned long long)t->distinct, (unsigned long long)t->duplicates,
        (unsigned long long)t->two_bodies, (unsigned long long)t->without_id, took_us / 1e6,
        latency_ms(t, 0.5), latency_ms(t, 0.9), latency_ms(t, 0.99), latency_ms(t, 0.999),
        latency_ms(t, 1));
}

static bool counts(const struct tally *t, const rd_kafka_message_t *m)
{
    const char *only = t->options->only;
    return !only || memmem(m->payload, m->len, only, strlen(only));
}

void drain(const char *brokers, const char *topic, const struct drain_options *o)
{
    struct tally t = { .options = o };
    rd_kafka_message_t *messages[TAKE];
    struct consumer c;
    consumer_open(&c, brokers, topic, 0, 1);
    double last = clock_us();
    while (!o->count || t.messages < o->count) {
        ssize_t n = rd_kafka_consume_batch_queue(c.queue, 1, messages, TAKE);
        uint64_t now_us = time_now_us();
        double at = clock_us();
        for (ssize_t i = 0; i < n; i++) {
            rd_kafka_message_t *m = messages[i];
            if (!m->err && !counts(&t, m)) {
                t.others++;
                last = at;
            } else if (!m->err) {
                t.first_us = t.messages ? t.first_us : at;
                t.last_us = last = at;
                t.messages++;
                tally_id(&t, m);
                tally_latency(&t, m, now_us);
            }
            rd_kafka_message_destroy(m);
        }
        if (at - last > (t.messages ? o->quiet_ms : o->wait_ms) * 1e3)
            break;
    }
    print(&t);
    consumer_close(&c);
    free(t.table);
    free(t.latencies_us);
}
