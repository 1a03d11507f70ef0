/* SPDX-License-Identifier: Apache-2.0
 * The standard message of the benchmarks: SMS-like JSON of 342 bytes, 11 keys, one nested object,
 * one array of 3; the Kafka key is the destination. Tenants follow Zipf's law with s = 1.1. A share
 * may be duplicates of an earlier message (same id), out of order (an older ts_us) or malformed
 * (cut short).
 *
 * A source belongs to one thread. The same seed gives the same messages, but for ids and times.
 */
#ifndef BENCH_MESSAGE_H
#define BENCH_MESSAGE_H
#include <stdint.h>

enum { MESSAGE_BYTES = 342, MESSAGE_KEY_BYTES = 12, MESSAGE_TENANTS = 1000 };

struct message {
    char body[MESSAGE_BYTES];
    char key[MESSAGE_KEY_BYTES];
    unsigned len; /* MESSAGE_BYTES, less when malformed */
};

/* Shares in parts per thousand. The standard mix is 20, 10 and 1. */
struct message_mix {
    unsigned duplicates, disorder, malformed;
    uint64_t seed;
};

struct message_source {
    struct message_mix mix;
    uint64_t random, made, n_duplicates, n_disorder, n_malformed;
    uint16_t zipf[65536];        /* a uniform 16-bit number -> a tenant */
    struct message recent[1024]; /* to repeat from */
    unsigned n_recent;
};

void message_source_init(struct message_source *s, const struct message_mix *mix);

/* Fills m; now_us goes into the field ts_us and into the id, which is unique in this process. */
void message_next(struct message_source *s, uint64_t now_us, struct message *m);

/* The number in that field of a body, NULL: ts_us; 0 when it has none. */
uint64_t message_time_us(const char *body, unsigned len, const char *field);

#endif
