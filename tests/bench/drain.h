/* SPDX-License-Identifier: Apache-2.0
 * drain: reads an output topic from its beginning until `count` messages came, or until nothing
 * came for quiet_ms (for the first message: wait_ms), and prints what it saw as one JSON line.
 */
#ifndef BENCH_DRAIN_H
#define BENCH_DRAIN_H
#include <stdbool.h>
#include <stdint.h>

struct drain_options {
    uint64_t count; /* 0: until it is quiet */
    int quiet_ms, wait_ms;
    int warm_ms; /* latencies of messages that were made so soon after the first do not count */
    bool id_in_header;      /* the header catalyst-id instead of the field "id" */
    const char *only;       /* what a body must hold to count; NULL: all count */
    const char *time_field; /* where the time of its making stands; NULL: ts_us */
    bool bodies;            /* compare the bodies of messages with the same id */
};

void drain(const char *brokers, const char *topic, const struct drain_options *o);

#endif
