/* SPDX-License-Identifier: Apache-2.0
 * raw_pipe: the yardstick the engine is measured against. The same journey without an engine:
 * consume a batch, keep it as one lz4 block with a compare-and-set of the positions in one fsynced
 * transaction sent as one pipeline, and produce the batch when that is committed. One commit is in
 * flight; the next batch is gathered and compressed meanwhile.
 *
 *     raw_pipe --brokers H:P --in TOPIC --out TOPIC --pg URL --count N
 *              [--batch 1024] [--codec none] [--workers 1]
 *
 * Each worker is a thread with its own consumer, producer and connection; partitions are dealt to
 * them. Prints one JSON line when every output is acknowledged.
 */
#include "bench_kafka.h"
#include <arpa/inet.h>
#include <getopt.h>
#include <libpq-fe.h>
#include <lz4.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct options {
    const char *brokers, *in, *out, *pg, *codec;
    uint64_t count;
    unsigned batch, workers;
};

struct batch {
    rd_kafka_message_t *messages[BENCH_BATCH];
    unsigned n;
    unsigned block_bytes;
    int compressed_bytes;
    char *block, *compressed;
};

struct worker {
    const struct options *options;
    pthread_t thread;
    struct consumer consumer;
    struct producer producer;
    PGconn *pg;
    unsigned number;
    int64_t position[BENCH_PARTITIONS]; /* as the journal has it */
    struct batch batches[2];
    uint64_t commits;
    double began_us, ended_us;
};

enum { BLOCK_MAX = BENCH_BATCH * 4096 };
static uint64_t taken; /* over all workers, to know the end */

static void pg_run(PGconn *pg, const char *sql)
{
    PGresult *r = PQexec(pg, sql);
    if (PQresultStatus(r) != PGRES_COMMAND_OK)
        die("%s: %s", sql, PQerrorMessage(pg));
    PQclear(r);
}

static void pg_prepare(PGconn *pg, const char *name, const char *sql)
{
    PGresult *r = PQprepare(pg, name, sql, 0, NULL);
    if (PQresultStatus(r) != PGRES_COMMAND_OK)
        die("prepare %s: %s", sql, PQerrorMessage(pg));
    PQclear(r);
}

static PGconn *pg_open(const char *url)
{
    PGconn *pg = PQconnectdb(url);
    if (PQstatus(pg) != CONNECTION_OK)
        die("%s", PQerrorMessage(pg));
    return pg;
}

static void schema_make(const char *url)
{
    PGconn *pg = pg_open(url);
    pg_run(pg, "SET client_min_messages = warning");
    pg_run(pg, "DROP TABLE IF EXISTS raw_position, raw_block");
    pg_run(pg, "CREATE TABLE raw_position (part int PRIMARY KEY, position bigint NOT NULL,"
               " epoch int NOT NULL)");
    pg_run(pg,
           "CREATE TABLE raw_block (at timestamptz DEFAULT now(), worker int, n int, data bytea)");
    pg_run(pg, "ALTER TABLE raw_block ALTER data SET STORAGE EXTERNAL");
    pg_run(pg, "INSERT INTO raw_position SELECT i, 0, 1 FROM generate_series(0, 255) i");
    PQfinish(pg);
}

static void worker_open(struct worker *w, const struct options *o, unsigned number)
{
    w->options = o;
    w->number = number;
    consumer_open(&w->consumer, o->brokers, o->in, (int)number, (int)o->workers);
    producer_open(&w->producer, o->brokers, o->out, o->codec, "20");
    w->pg = pg_open(o->pg);
    pg_prepare(w->pg, "position",
               "UPDATE raw_position SET position = $3 WHERE part = $1 AND position = $2"
               " AND epoch = 1");
    pg_prepare(w->pg, "block", "INSERT INTO raw_block (worker, n, data) VALUES ($1, $2, $3)");
    if (PQenterPipelineMode(w->pg) != 1 || PQsetnonblocking(w->pg, 1) != 0)
        die("pipeline: %s", PQerrorMessage(w->pg));
    for (unsigned i = 0; i < 2; i++) {
        w->batches[i].block = malloc(BLOCK_MAX);
        w->batches[i].compressed = malloc((size_t)LZ4_compressBound(BLOCK_MAX));
    }
}

static void worker_close(struct worker *w)
{
    producer_close(&w->producer);
    consumer_close(&w->consumer);
    PQfinish(w->pg);
    for (unsigned i = 0; i < 2; i++) {
        free(w->batches[i].block);
        free(w->batches[i].compressed);
    }
}

/* Takes what is there, up to the batch size, and makes the block of it. */
static void batch_take(struct worker *w, struct batch *b, int timeout_ms)
{
    ssize_t n =
        rd_kafka_consume_batch_queue(w->consumer.queue, timeout_ms, b->messages, w->options->batch);
    b->n = b->block_bytes = 0;
    for (ssize_t i = 0; i < n; i++) {
        rd_kafka_message_t *m = b->messages[i];
        if (m->err || b->block_bytes + m->len + 4 > BLOCK_MAX) {
            rd_kafka_message_destroy(m);
            continue;
        }
        uint32_t len = (uint32_t)m->len;
        memcpy(b->block + b->block_bytes, &len, sizeof len);
        memcpy(b->block + b->block_bytes + sizeof len, m->payload, m->len);
        b->block_bytes += (unsigned)sizeof len + len;
        b->messages[b->n++] = m;
    }
    if (b->n)
        b->compressed_bytes = LZ4_compress_default(b->block, b->compressed, (int)b->block_bytes,
                                                   LZ4_compressBound((int)b->block_bytes));
    __atomic_add_fetch(&taken, b->n, __ATOMIC_RELAXED);
}

static void send_query(struct worker *w, const char *name, int n, const char *const *values,
                       const int *lengths, const int *formats)
{
    int sent = name ? PQsendQueryPrepared(w->pg, name, n, values, lengths, formats, 0)
                    : PQsendQueryParams(w->pg, values[0], 0, NULL, NULL, NULL, NULL, 0);
    if (sent != 1)
        die("send: %s", PQerrorMessage(w->pg));
}

static void send_words(struct worker *w, const char *sql)
{
    send_query(w, NULL, 0, &sql, NULL, NULL);
}

/* One compare-and-set for each partition of the batch. */
static unsigned send_positions(struct worker *w, const struct batch *b)
{
    int64_t next[BENCH_PARTITIONS];
    memset(next, 0xff, sizeof next);
    for (unsigned i = 0; i < b->n; i++)
        next[b->messages[i]->partition] = b->messages[i]->offset + 1;
    unsigned n = 0;
    for (int i = 0; i < w->consumer.partitions; i++) {
        char part[16], old[32], new[32];
        if (next[i] < 0)
            continue;
        snprintf(part, sizeof part, "%d", i);
        snprintf(old, sizeof old, "%lld", (long long)w->position[i]);
        snprintf(new, sizeof new, "%lld", (long long)next[i]);
        const char *values[] = { part, old, new };
        send_query(w, "position", 3, values, NULL, NULL);
        w->position[i] = next[i];
        n++;
    }
    return n;
}

static void commit_send(struct worker *w, const struct batch *b)
{
    uint32_t number = htonl(w->number), n = htonl(b->n);
    const char *values[] = { (const char *)&number, (const char *)&n, b->compressed };
    const int lengths[] = { 4, 4, b->compressed_bytes }, formats[] = { 1, 1, 1 };
    send_words(w, "BEGIN");
    send_positions(w, b);
    send_query(w, "block", 3, values, lengths, formats);
    send_words(w, "COMMIT");
    if (PQpipelineSync(w->pg) != 1 || PQflush(w->pg) < 0)
        die("sync: %s", PQerrorMessage(w->pg));
    w->commits++;
}

static void pg_wait(struct worker *w)
{
    struct pollfd fd = { .fd = PQsocket(w->pg), .events = POLLIN };
    if (PQflush(w->pg) > 0)
        fd.events |= POLLOUT;
    poll(&fd, 1, 1000);
    if ((fd.revents & POLLIN) && PQconsumeInput(w->pg) != 1)
        die("commit: %s", PQerrorMessage(w->pg));
}

/* Waits for the pipeline to end; every position must have moved by one row. */
static void commit_wait(struct worker *w)
{
    for (;;) {
        while (PQisBusy(w->pg))
            pg_wait(w);
        PGresult *r = PQgetResult(w->pg);
        if (!r)
            continue;
        ExecStatusType status = PQresultStatus(r);
        if (status != PGRES_COMMAND_OK && status != PGRES_PIPELINE_SYNC)
            die("commit: %s", PQresultErrorMessage(r));
        if (strncmp(PQcmdStatus(r), "UPDATE", 6) == 0 && strcmp(PQcmdTuples(r), "1") != 0)
            die("a position was moved by somebody else");
        PQclear(r);
        if (status == PGRES_PIPELINE_SYNC)
            return;
    }
}

/* Each message goes to the partition it came from. */
static void batch_produce(struct worker *w, struct batch *b)
{
    rd_kafka_message_t out[BENCH_BATCH];
    for (unsigned i = 0; i < b->n; i++) {
        const rd_kafka_message_t *m = b->messages[i];
        out[i] = (rd_kafka_message_t){ .payload = m->payload,
                                       .len = m->len,
                                       .key = m->key,
                                       .key_len = m->key_len,
                                       .partition = m->partition % w->producer.partitions };
    }
    producer_send_raw(&w->producer, out, b->n);
    for (unsigned i = 0; i < b->n; i++)
        rd_kafka_message_destroy(b->messages[i]);
    producer_poll(&w->producer, 0);
}

static void *worker_run(void *arg)
{
    struct worker *w = arg;
    struct batch *now = &w->batches[0], *next = &w->batches[1];
    while (__atomic_load_n(&taken, __ATOMIC_RELAXED) < w->options->count) {
        batch_take(w, now, 100);
        if (now->n)
            break;
    }
    w->began_us = clock_us();
    while (now->n) {
        commit_send(w, now);
        next->n = 0;
        if (__atomic_load_n(&taken, __ATOMIC_RELAXED) < w->options->count)
            batch_take(w, next, 5);
        commit_wait(w);
        batch_produce(w, now);
        struct batch *done = now;
        now = next;
        next = done;
        while (!now->n && __atomic_load_n(&taken, __ATOMIC_RELAXED) < w->options->count)
            batch_take(w, now, 100);
    }
    producer_drain(&w->producer);
    w->ended_us = clock_us();
    return NULL;
}

static struct options parse(int argc, char **argv)
{
    struct options o = { .codec = "none", .batch = 1024, .workers = 1 };
    static const struct option known[] = {
        { "brokers", 1, 0, 'b' }, { "in", 1, 0, 'i' },      { "out", 1, 0, 'o' },
        { "pg", 1, 0, 'p' },      { "count", 1, 0, 'n' },   { "batch", 1, 0, 's' },
        { "codec", 1, 0, 'c' },   { "workers", 1, 0, 'w' }, { 0 },
    };
    for (int c; (c = getopt_long(argc, argv, "", known, NULL)) != -1;) {
        switch (c) {
        case 'b':
            o.brokers = optarg;
            break;
        case 'i':
            o.in = optarg;
            break;
        case 'o':
            o.out = optarg;
            break;
        case 'p':
            o.pg = optarg;
            break;
        case 'n':
            o.count = strtoull(optarg, NULL, 10);
            break;
        case 's':
            o.batch = (unsigned)atoi(optarg);
            break;
        case 'c':
            o.codec = optarg;
            break;
        case 'w':
            o.workers = (unsigned)atoi(optarg);
            break;
        default:
            exit(2);
        }
    }
    if (!o.brokers || !o.in || !o.out || !o.pg || !o.count)
        die("give --brokers --in --out --pg --count");
    if (o.batch < 1 || o.batch > BENCH_BATCH || o.workers < 1 || o.workers > 16)
        die("--batch is 1 to %d, --workers 1 to 16", BENCH_BATCH);
    return o;
}

int main(int argc, char **argv)
{
    struct options o = parse(argc, argv);
    struct worker *workers = calloc(o.workers, sizeof *workers);
    schema_make(o.pg);
    for (unsigned i = 0; i < o.workers; i++)
        worker_open(&workers[i], &o, i);
    double cpu = cpu_us();
    for (unsigned i = 0; i < o.workers; i++)
        pthread_create(&workers[i].thread, NULL, worker_run, &workers[i]);
    double began = 0, ended = 0;
    uint64_t done = 0, commits = 0;
    for (unsigned i = 0; i < o.workers; i++) {
        struct worker *w = &workers[i];
        pthread_join(w->thread, NULL);
        began = i == 0 || w->began_us < began ? w->began_us : began;
        ended = w->ended_us > ended ? w->ended_us : ended;
        done += w->producer.acked;
        commits += w->commits;
    }
    cpu = cpu_us() - cpu;
    printf("{\"load\":\"raw_pipe\",\"batch\":%u,\"codec\":\"%s\",\"workers\":%u,\"messages\":%llu,"
           "\"commits\":%llu,\"seconds\":%.3f,\"per_s\":%.0f,\"cpu_us\":%.3f}\n",
           o.batch, o.codec, o.workers, (unsigned long long)done, (unsigned long long)commits,
           (ended - began) / 1e6, (double)done / (ended - began) * 1e6, cpu / (double)done);
    for (unsigned i = 0; i < o.workers; i++)
        worker_close(&workers[i]);
    free(workers);
    return 0;
}
