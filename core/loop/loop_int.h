/* SPDX-License-Identifier: Apache-2.0
 * The inside of a loop, for the files of this room. What is shared between threads is marked.
 */
#ifndef CATALYST_LOOP_INT_H
#define CATALYST_LOOP_INT_H
#include "loop/loop.h"
#include <stdatomic.h>
#include <uv.h>

enum { LOOP_SIGNALS_MAX = 8, CACHE_LINE = 64 };

/* A place in the timer heap. The time is kept here so that sifting touches no timer but the moved.
 */
struct timer_slot {
    int64_t at_us;
    uint64_t order;
    struct timer *timer;
};

struct timers {
    struct timer_slot *slots; /* from 1; slots[0] is never used */
    uint32_t n, size;
    uint64_t order;
    int64_t armed_us; /* what uv is set to; 0: nothing */
    uv_timer_t uv;
};

struct loop_signal {
    uv_signal_t uv;
    void (*fn)(void *arg, int signum);
    void *arg;
};

struct loop {
    uv_loop_t uv;
    uv_prepare_t prepare;
    uv_check_t check;
    uv_idle_t idle;
    struct timers timers;
    struct link hooks[LOOP_FLUSH + 1];
    struct loop_signal signals[LOOP_SIGNALS_MAX];
    unsigned n_signals;
    int64_t now_us;
    bool is_soon; /* the next wait is to return at once */
    bool is_idle; /* the idle handle runs */

    /* Written by other threads; on a line of its own. */
    _Alignas(CACHE_LINE) _Atomic(struct mail *) mail; /* newest first */
    atomic_bool sleeps; /* the loop waits, or is about to, and does not look at its mail */
    atomic_bool is_stopping;
    uv_async_t async;
};

/* Delivers all mail that is there now. */
void mailbox_deliver(struct loop *l);
/* The last look before the loop waits: true when there is mail, else posters must wake the loop. */
bool mailbox_before_wait(struct loop *l);
void mailbox_after_wait(struct loop *l);

void timers_init(struct loop *l);
void timers_fini(struct loop *l);
/* Sets the one libuv timer to the earliest deadline. */
void timers_arm(struct loop *l);
#endif
