/* SPDX-License-Identifier: Apache-2.0
 * Requests of ours that are under way: which sequence number belongs to what, and since when.
 *
 * Sequence numbers go up, and a number's place is the number masked by a ring of a power of two, so
 * a response finds its request in one step, in whatever order responses come. A place whose answer
 * never came keeps its number until it is given up; the numbers that fall on it are left out.
 *
 * Thread: the owner's. Nothing is allocated after window_init().
 */
#ifndef PLUGIN_SMPP_WINDOW_H
#define PLUGIN_SMPP_WINDOW_H
#include <stddef.h>
#include <stdint.h>

enum { WINDOW_MAX = 65536 };

struct window_slot {
    uint32_t sequence; /* 0: free */
    uint32_t command;  /* command id of the request */
    int64_t sent_ms;   /* monotonic */
    uint64_t tag;      /* the owner's name for it */
};

struct window {
    struct window_slot *slots;
    uint32_t mask;  /* number of slots - 1 */
    uint32_t limit; /* most requests at a time */
    uint32_t used;
    uint32_t last; /* sequence number that was given last */
};

/* `limit` 1 to WINDOW_MAX. */
void window_init(struct window *w, uint32_t limit);
void window_fini(struct window *w);
/* All requests are forgotten, sequence numbers go on. */
void window_clear(struct window *w);
/* A sequence number for a request that leaves now; 0: the window is full. */
uint32_t window_add(struct window *w, uint32_t command, uint64_t tag, int64_t now_ms);
/* A number for a request that is not kept here. */
uint32_t window_next(struct window *w);
/* Takes the request with this number out: 0 and *slot; -1: there is none. */
int window_take(struct window *w, uint32_t sequence, struct window_slot *slot);
/* Takes one request out that left before `before_ms`: 1; 0: there is none. Starts looking at *at
 * and moves it; begin with 0. */
int window_take_older(struct window *w, int64_t before_ms, uint32_t *at, struct window_slot *slot);

static inline uint32_t window_room(const struct window *w) { return w->limit - w->used; }

#endif
