/* SPDX-License-Identifier: Apache-2.0
 * sketch.h - counting with fixed memory, shared by all workers of the process without locks.
 *
 *   slots      keys with a number of 64 bits each, set-associative: rates and windows per key
 *   sketch     of one rule, two windows in turn: counts (count-min with conservative update),
 * counts of distinct values (HyperLogLog per key), heaviest keys (Space-Saving) ranges     what
 * went to a block of 1,000 numbers: volume against its own past, runs, conversions
 *
 * Updates are atomic, relaxed: two workers that meet in one cell may lose an update now and then,
 * never more than one message's worth. Times are the wall clock's. Memory is bounded whatever
 * comes: slots and ranges are divided by tenant into 8 parts, so one tenant cannot push out more
 * than the eighth it falls into.
 */
#ifndef FIREWALL_SKETCH_H
#define FIREWALL_SKETCH_H
#include <stdint.h>
#include <stddef.h>

/* --- slots ------------------------------------------------------------------------------------ */

struct slots;
/* `keys` is rounded up to a power of two, 8 bytes each. A table for slots_since() keeps the old
 * when it is full, others the new. One table serves one of the three functions. */
struct slots *slots_create(size_t keys, int keeps_old);
void slots_free(struct slots *s);
size_t slots_bytes(const struct slots *s);

/* Has the key's line fetched, ahead of a function that needs it. */
void slots_fetch(const struct slots *s, uint64_t tenant, uint64_t key);
/* GCRA: `cost` out of a bucket that refills `limit` per `window_ms` and holds `burst`. 0: taken;
 * else in how many ms it would be. What is refused takes nothing. */
int64_t slots_gcra(struct slots *s, uint64_t tenant, uint64_t key, int64_t now_ms, int64_t limit,
                   int64_t window_ms, int64_t burst, int64_t cost);
/* At most `limit` (16,000 or less) in any window that slides; same answer. The window before counts
 * for the part of it that still lies within. */
int64_t slots_window(struct slots *s, uint64_t tenant, uint64_t key, int64_t now_ms, int64_t limit,
                     int64_t window_ms);
/* When the key was first met, in ms; `now_ms` the first time. */
int64_t slots_since(struct slots *s, uint64_t tenant, uint64_t key, int64_t now_ms);
/* How long ago its first message was. */
int64_t slots_age(struct slots *s, int64_t now_ms);

/* --- sketches of a rule ----------------------------------------------------------------------- */

enum sketch_kind { SKETCH_COUNT = 1, SKETCH_DISTINCT, SKETCH_HEAVY };
struct sketch;
struct sketch *sketch_create(enum sketch_kind kind, int64_t window_ms);
struct sketch *sketch_ref(struct sketch *s);
void sketch_unref(struct sketch *s); /* NULL is fine */
int sketch_is(const struct sketch *s, enum sketch_kind kind, int64_t window_ms);

/* Adds `by` (0: only looks) and says how many in the window that slides. Never too few. */
uint64_t sketch_count(struct sketch *s, uint64_t key, int64_t now_ms, uint32_t by);
/* Adds a value to the key's and says how many different ones, by about 7%. */
uint64_t sketch_distinct(struct sketch *s, uint64_t key, uint64_t value, int64_t now_ms);
/* Adds one; *total gets all of the window, the answer is the key's share of it, never too few. */
uint64_t sketch_heavy(struct sketch *s, uint64_t key, int64_t now_ms, uint64_t *total);

/* --- ranges ----------------------------------------------------------------------------------- */

struct ranges;
struct ranges *ranges_create(size_t blocks);
void ranges_free(struct ranges *r);
size_t ranges_bytes(const struct ranges *r);

/* As slots_fetch(). */
void ranges_fetch(const struct ranges *r, uint64_t tenant, uint64_t number);

struct range_view {
    uint32_t volume, distinct,
        run; /* of this window: messages, numbers, longest run met by this one */
    double usual_volume, usual_distinct; /* exponentially weighted averages of the windows before */
    uint32_t codes, conversions;         /* of the conversion's window */
};
/* A message to `number`; `is_code`: one whose use is fed back. */
void ranges_add(struct ranges *r, uint64_t tenant, uint64_t number, int is_code, int64_t now_ms,
                int64_t window_ms, int64_t conversion_window_ms, struct range_view *view);
/* A code sent to `number` was used. 0, or -1: nothing is known of the block. */
int ranges_convert(struct ranges *r, uint64_t tenant, uint64_t number);

#endif
