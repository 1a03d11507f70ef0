/* SPDX-License-Identifier: Apache-2.0
 * loop: threads, event loops and what lives on them. This room alone creates threads and libuv
 * loops.
 *
 * A loop belongs to the thread that runs it. Everything here is [loop]: to be called on that thread
 * (or before it runs), unless marked [any]. Other threads reach a loop by posting mail.
 *
 * One iteration:   timers -> LOOP_TURN hooks -> LOOP_FLUSH hooks -> wait for events -> mail -> ...
 *
 * A worker runs its turn in a LOOP_TURN hook. When more is ready it calls loop_wake_soon(), and the
 * loop looks for events without waiting. What turns and callbacks queued (answers on sockets)
 * leaves in LOOP_FLUSH hooks, so a thousand answers of one commit are one write per connection.
 */
#ifndef CATALYST_LOOP_H
#define CATALYST_LOOP_H
#include "base/err.h"
#include "base/list.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct loop;
struct uv_loop_s; /* uv_loop_t */

/* --- thread -------------------------------------------------------------------------------------
 */

struct thread {
    unsigned long id; /* pthread_t */
    bool is_started;
    void (*fn)(void *arg);
    void *arg;
    char name[16];
};

/* [any] Runs fn(arg) on a new thread; the name is cut to 15 bytes. All signals but those of faults
 * are blocked there, so that they reach the thread that handles them. */
int thread_start(struct thread *t, const char *name, void (*fn)(void *arg), void *arg,
                 struct err *err);
/* [any] Waits for its end. Nothing when it was not started. */
void thread_join(struct thread *t);

/* --- loop ---------------------------------------------------------------------------------------
 */

/* [any] A loop that nobody runs yet. */
struct loop *loop_create(struct err *err);
/* After loop_run: delivers the mail that is left and frees the loop. Timers are forgotten; watches,
 * servers and clients must be stopped before (they may still wait for their last close). */
void loop_destroy(struct loop *l);
/* Runs until loop_stop. May be called again. */
void loop_run(struct loop *l);
/* [any] Ends loop_run after the iteration under way. */
void loop_stop(struct loop *l);
/* The next wait for events returns at once. */
void loop_wake_soon(struct loop *l);
/* Monotonic time of this iteration in microseconds; cheap. */
int64_t loop_now_us(const struct loop *l);
/* The libuv loop, for the rooms that may include uv.h. */
struct uv_loop_s *loop_uv(struct loop *l);

enum loop_phase { LOOP_TURN = 1, LOOP_FLUSH };

struct loop_hook {
    struct link link;
    void (*fn)(void *arg);
    void *arg;
};

/* Calls fn(arg) once per iteration in that phase, in the order of adding. */
void loop_hook_add(struct loop *l, enum loop_phase phase, struct loop_hook *hook);
/* Idempotent; a hook may remove itself. */
void loop_hook_remove(struct loop_hook *hook);

/* Calls fn(arg, signum) on the loop when the process gets the signal; at most 8 per loop. */
int loop_on_signal(struct loop *l, int signum, void (*fn)(void *arg, int signum), void *arg,
                   struct err *err);

/* --- mailbox ------------------------------------------------------------------------------------
 */

/* A message, embedded in what it carries (CONTAINER_OF gives that back). */
struct mail {
    struct mail *next;
    void (*fn)(struct mail *m); /* on the loop's thread; may free or post the mail again */
};

/* [any] Delivers `m` on the loop's thread by calling m->fn. Mail of one thread arrives in the order
 * of posting. No lock; at most one system call, and none while the loop is busy. -1: the mailbox is
 * shut and the mail still belongs to the caller. */
int loop_post(struct loop *l, struct mail *m);
/* Delivers what is there and refuses mail from now on: the first step of a shutdown. */
void loop_shut(struct loop *l);

/* --- timer --------------------------------------------------------------------------------------
 */

/* One shot, embedded in its owner. All zero is a stopped timer. */
struct timer {
    void (*fn)(void *arg); /* may start the timer again, or free its owner */
    void *arg;
    uint32_t slot; /* place in the heap; 0: not running */
};

/* Starts, or starts anew. Monotonic; fires up to a millisecond late, never early; equal times fire
 * in the order of starting. O(log n). */
void timer_start(struct loop *l, struct timer *t, int64_t in_us);
/* As timer_start with a time of clock_mono_us(). */
void timer_start_at(struct loop *l, struct timer *t, int64_t at_us);
/* Idempotent. O(log n). */
void timer_stop(struct loop *l, struct timer *t);
static inline bool timer_is_running(const struct timer *t) { return t->slot != 0; }

/* --- watch: somebody else's file descriptor ------------------------------------------------------
 */

struct watch;
enum { WATCH_READABLE = 1, WATCH_WRITABLE = 2 }; /* as WF_READABLE, WF_WRITABLE */

/* Watches for nothing until watch_set. One watch per descriptor, which becomes non-blocking. A
 * broken descriptor is reported as both, so that the owner's read finds the error. */
struct watch *watch_create(struct loop *l, int fd, void (*fn)(void *arg, int events), void *arg,
                           struct err *err);
/* Level triggered: calls fn as long as it is so. 0 pauses. */
void watch_set(struct watch *w, int events);
/* Ends and frees it, before the descriptor is closed; also from its own callback. */
void watch_stop(struct watch *w);

/* --- offload: a pool of threads for what blocks ----------------------------------------------- */

struct offload;

/* Whose jobs share a limit: a plugin. Embedded; lives until its jobs are done and the pool knows no
 * more of them. Fields belong to the pool. */
struct offload_owner {
    struct link ready; /* on the pool's list when it has a job that may run */
    struct link jobs;
    unsigned limit;   /* jobs queued and running */
    unsigned threads; /* jobs running */
    unsigned n_jobs, n_running;
};

struct offload_job {
    struct link link;
    struct mail mail;
    struct loop *home;
    struct offload_owner *owner;
    void (*work)(struct offload_job *job); /* on a pool thread: may block, touches its job only */
    void (*done)(struct offload_job *job); /* on the home loop, exactly once; may free the job */
    bool is_dropped;                       /* in done: the pool ended before work() was called */
};

/* [any] */
struct offload *offload_create(unsigned threads, struct err *err);
/* [any] Waits for jobs that run; jobs still queued are handed to done() as dropped. The loops they
 * came from must still take mail. */
void offload_destroy(struct offload *o);
/* [any] At most `limit` jobs queued and running (0: 64), at most `threads` running at once (0: all
 * but one of the pool, at least one), so that one slow library cannot starve the rest. */
void offload_owner_init(struct offload *o, struct offload_owner *owner, unsigned limit,
                        unsigned threads);
/* [any] Runs job->work on the pool, then job->done on `home`. Owners take turns. -1: the owner is
 * at its limit; nothing was queued. */
int offload_submit(struct offload *o, struct offload_owner *owner, struct loop *home,
                   struct offload_job *job);
#endif
