/* SPDX-License-Identifier: Apache-2.0
 * pipe_load: the load beside a Kafka pipe: fills a topic, feeds it at a steady rate, drains the
 * output.
 *
 *     pipe_load fill  --brokers H:P --topic T --count N [--codec lz4] [--mix standard] [--seed S]
 *     pipe_load pace  --brokers H:P --topic T --rate R --seconds S [--codec lz4] [--mix standard]
 *     pipe_load drain --brokers H:P --topic T --count N [--quiet-ms 3000] [--wait-ms 30000]
 *                     [--id field|header] [--bodies] [--only TEXT] [--time-field NAME]
 *
 * `pace` writes the time into ts_us of each message; `drain` takes the latency from there to the
 * moment it sees the output, and counts ids: distinct, repeated, and with --bodies those that came
 * with two different bodies. With --only a message counts
 * when its body holds that text. The id is the JSON field "id" or the header catalyst-id. Each
 * prints one JSON line.
 */
#include "bench_kafka.h"
#include "drain.h"
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct options {
    const char *brokers, *topic, *codec, *linger_ms;
    struct message_mix mix;
    uint64_t count;
    double rate, seconds;
    struct drain_options drain;
};

static void report(const char *what, const struct message_source *s, double wall_us, double used_us)
{
    printf("{\"load\":\"%s\",\"messages\":%llu,\"duplicates\":%llu,\"disorder\":%llu,\"malformed\":"
           "%llu,"
           "\"seconds\":%.3f,\"per_s\":%.0f,\"cpu_us\":%.3f}\n",
           what, (unsigned long long)s->made, (unsigned long long)s->n_duplicates,
           (unsigned long long)s->n_disorder, (unsigned long long)s->n_malformed, wall_us / 1e6,
           (double)s->made / wall_us * 1e6, used_us / (double)s->made);
}

static void fill(const struct options *o, struct message_source *source, struct message *batch)
{
    struct producer p;
    producer_open(&p, o->brokers, o->topic, o->codec, o->linger_ms ? o->linger_ms : "20");
    double began = clock_us(), cpu = cpu_us();
    while (source->made < o->count) {
        uint64_t left = o->count - source->made, now = time_now_us();
        unsigned n = left < BENCH_BATCH ? (unsigned)left : BENCH_BATCH;
        for (unsigned i = 0; i < n; i++)
            message_next(source, now, &batch[i]);
        producer_send(&p, batch, n);
        producer_poll(&p, 0);
    }
    producer_drain(&p);
    report("fill", source, clock_us() - began, cpu_us() - cpu);
    producer_close(&p);
}

/* A tick each millisecond; what a tick missed is made up in the next, with the time of the sending.
 */
static void pace(const struct options *o, struct message_source *source, struct message *batch)
{
    struct producer p;
    producer_open(&p, o->brokers, o->topic, o->codec, o->linger_ms ? o->linger_ms : "5");
    double began = clock_us(), cpu = cpu_us(), end = began + o->seconds * 1e6;
    for (double at = began; at < end; at = clock_us()) {
        uint64_t due = (uint64_t)((at - began) * o->rate / 1e6), now = time_now_us();
        while (source->made < due) {
            uint64_t left = due - source->made;
            unsigned n = left < BENCH_BATCH ? (unsigned)left : BENCH_BATCH;
            for (unsigned i = 0; i < n; i++)
                message_next(source, now, &batch[i]);
            producer_send(&p, batch, n);
        }
        producer_poll(&p, 0);
        usleep(1000);
    }
    producer_drain(&p);
    report("pace", source, clock_us() - began, cpu_us() - cpu);
    producer_close(&p);
}

static struct message_mix mix_named(const char *name)
{
    if (strcmp(name, "standard") == 0)
        return (struct message_mix){ .duplicates = 20, .disorder = 10, .malformed = 1 };
    if (strcmp(name, "clean") == 0)
        return (struct message_mix){ 0 };
    die("--mix is standard or clean, not '%s'", name);
}

static struct options parse(int argc, char **argv)
{
    struct options o = { .codec = "lz4",
                         .seconds = 10,
                         .drain = { .quiet_ms = 3000, .wait_ms = 30000 } };
    static const struct option known[] = {
        { "brokers", 1, 0, 'b' },
        { "topic", 1, 0, 't' },
        { "codec", 1, 0, 'c' },
        { "count", 1, 0, 'n' },
        { "mix", 1, 0, 'm' },
        { "seed", 1, 0, 'e' },
        { "rate", 1, 0, 'r' },
        { "seconds", 1, 0, 's' },
        { "quiet-ms", 1, 0, 'q' },
        { "wait-ms", 1, 0, 'w' },
        { "id", 1, 0, 'i' },
        { "bodies", 0, 0, 'B' },
        { "linger-ms", 1, 0, 'l' },
        { "warm-ms", 1, 0, 'W' },
        { "only", 1, 0, 'o' },
        { "time-field", 1, 0, 'f' },
        { 0 },
    };
    uint64_t seed = 1;
    for (int c; (c = getopt_long(argc, argv, "", known, NULL)) != -1;) {
        switch (c) {
        case 'b':
            o.brokers = optarg;
            break;
        case 't':
            o.topic = optarg;
            break;
        case 'c':
            o.codec = optarg;
            break;
        case 'n':
            o.count = strtoull(optarg, NULL, 10);
            break;
        case 'm':
            o.mix = mix_named(optarg);
            break;
        case 'e':
            seed = strtoull(optarg, NULL, 10);
            break;
        case 'r':
            o.rate = atof(optarg);
            break;
        case 's':
            o.seconds = atof(optarg);
            break;
        case 'q':
            o.drain.quiet_ms = atoi(optarg);
            break;
        case 'w':
            o.drain.wait_ms = atoi(optarg);
            break;
        case 'W':
            o.drain.warm_ms = atoi(optarg);
            break;
        case 'o':
            o.drain.only = optarg;
            break;
        case 'f':
            o.drain.time_field = optarg;
            break;
        case 'i':
            o.drain.id_in_header = strcmp(optarg, "header") == 0;
            break;
        case 'B':
            o.drain.bodies = true;
            break;
        case 'l':
            o.linger_ms = optarg;
            break;
        default:
            exit(2);
        }
    }
    o.mix.seed = seed;
    o.drain.count = o.count;
    if (!o.brokers || !o.topic)
        die("give --brokers and --topic");
    return o;
}

int main(int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : "";
    if (strcmp(what, "fill") != 0 && strcmp(what, "pace") != 0 && strcmp(what, "drain") != 0)
        die("pipe_load fill|pace|drain --brokers H:P --topic T ...");
    struct options o = parse(argc - 1, argv + 1);
    if (*what == 'd') {
        drain(o.brokers, o.topic, &o.drain);
        return 0;
    }
    struct message_source *source = malloc(sizeof *source);
    struct message *batch = malloc(BENCH_BATCH * sizeof *batch);
    message_source_init(source, &o.mix);
    if (*what == 'f')
        fill(&o, source, batch);
    else
        pace(&o, source, batch);
    free(batch);
    free(source);
    return 0;
}
