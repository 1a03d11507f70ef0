/* SPDX-License-Identifier: Apache-2.0
 * clock: the two clocks, in microseconds. The engine never calls these; it is handed the time.
 */
#ifndef CATALYST_CLOCK_H
#define CATALYST_CLOCK_H
#include <stdint.h>
#include <time.h>

/* Monotonic: for durations and timers. */
static inline int64_t clock_mono_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

/* Since 1970 UTC: for records and schedules. May jump. */
static inline int64_t clock_wall_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

enum { CLOCK_TEXT = 32 };
/* "2026-11-22T17:05:30.123Z", cut to milliseconds. */
void clock_text(int64_t wall_us, char to[CLOCK_TEXT]);
#endif
