/* SPDX-License-Identifier: Apache-2.0
 * A libuv loop with phases. See loop.h for the order of an iteration.
 *
 * libuv runs: timers, idle, prepare, poll, check, closing. One prepare handle drives our phases, so
 * their order is ours and not that of handle registration; the idle handle runs only to make poll
 * not wait. Thread: the loop's; nothing blocks but the wait itself.
 */
#include "loop/loop_int.h"
#include "base/clock.h"
#include <stdlib.h>

static void run_hooks(struct link *hooks)
{
    struct loop_hook *hook;
    LIST_EACH(hook, hooks, struct loop_hook, link) { hook->fn(hook->arg); }
}

static void on_idle(uv_idle_t *idle) { (void)idle; /* exists only so that poll does not wait */ }

static void set_idle(struct loop *l, bool on)
{
    if (l->is_idle == on)
        return;
    l->is_idle = on;
    if (on)
        uv_idle_start(&l->idle, on_idle);
    else
        uv_idle_stop(&l->idle);
}

static void on_prepare(uv_prepare_t *prepare)
{
    struct loop *l = prepare->data;
    run_hooks(&l->hooks[LOOP_TURN]);
    run_hooks(&l->hooks[LOOP_FLUSH]);
    timers_arm(l);
    set_idle(l, l->is_soon || mailbox_before_wait(l));
    l->is_soon = false;
}

static void on_check(uv_check_t *check)
{
    struct loop *l = check->data;
    mailbox_after_wait(l);
    l->now_us = clock_mono_us();
    mailbox_deliver(l);
    if (atomic_load(&l->is_stopping))
        uv_stop(&l->uv);
}

static void on_async(uv_async_t *async)
{
    (void)async; /* the wake-up is all: the check phase looks at the mail */
}

struct loop *loop_create(struct err *err)
{
    struct loop *l = aligned_alloc(CACHE_LINE, sizeof *l);
    if (!l)
        bug_out_of_memory(sizeof *l);
    *l = (struct loop){ .now_us = clock_mono_us() };
    int rc = uv_loop_init(&l->uv);
    if (rc)
        goto fail_loop;
    rc = uv_async_init(&l->uv, &l->async, on_async);
    if (rc)
        goto fail_async;
    uv_prepare_init(&l->uv, &l->prepare);
    uv_check_init(&l->uv, &l->check);
    uv_idle_init(&l->uv, &l->idle);
    l->async.data = l->prepare.data = l->check.data = l->idle.data = l;
    for (enum loop_phase phase = LOOP_TURN; phase <= LOOP_FLUSH; phase++)
        list_init(&l->hooks[phase]);
    timers_init(l);
    uv_prepare_start(&l->prepare, on_prepare);
    uv_check_start(&l->check, on_check);
    return l;

fail_async:
    uv_loop_close(&l->uv);
fail_loop:
    free(l);
    err_set(err, ERR_IO, "loop: create: %s", uv_strerror(rc));
    return NULL;
}

void loop_destroy(struct loop *l)
{
    if (!l)
        return;
    loop_shut(l);
    timers_fini(l);
    for (unsigned i = 0; i < l->n_signals; i++)
        uv_close((uv_handle_t *)&l->signals[i].uv, NULL);
    uv_close((uv_handle_t *)&l->async, NULL);
    uv_close((uv_handle_t *)&l->prepare, NULL);
    uv_close((uv_handle_t *)&l->check, NULL);
    uv_close((uv_handle_t *)&l->idle, NULL);
    for (int i = 0; i < 100 && uv_loop_alive(&l->uv); i++)
        uv_run(&l->uv, UV_RUN_NOWAIT);
    BUG_IF(uv_loop_close(&l->uv) != 0); /* a watch, server or client was not stopped */
    free(l);
}

void loop_run(struct loop *l)
{
    uv_run(&l->uv, UV_RUN_DEFAULT);
    atomic_store(&l->is_stopping, false);
}

void loop_stop(struct loop *l)
{
    atomic_store(&l->is_stopping, true);
    uv_async_send(&l->async);
}

void loop_wake_soon(struct loop *l) { l->is_soon = true; }

/* Callbacks of sockets run after the wait and before on_check: what libuv noted when it woke up is
 * later than now_us then, by as long as the loop was asleep. */
int64_t loop_now_us(const struct loop *l)
{
    int64_t woken_us = (int64_t)uv_now(&l->uv) * 1000;
    return woken_us > l->now_us ? woken_us : l->now_us;
}

struct uv_loop_s *loop_uv(struct loop *l) { return &l->uv; }

void loop_hook_add(struct loop *l, enum loop_phase phase, struct loop_hook *hook)
{
    list_append(&l->hooks[phase], &hook->link);
}

void loop_hook_remove(struct loop_hook *hook) { list_remove(&hook->link); }

static void on_signal(uv_signal_t *uv, int signum)
{
    struct loop_signal *signal = uv->data;
    signal->fn(signal->arg, signum);
}

int loop_on_signal(struct loop *l, int signum, void (*fn)(void *arg, int signum), void *arg,
                   struct err *err)
{
    if (l->n_signals == LOOP_SIGNALS_MAX)
        return err_set(err, ERR_LIMIT, "loop: signal %d: at most %d signals", signum,
                       LOOP_SIGNALS_MAX);
    struct loop_signal *signal = &l->signals[l->n_signals];
    *signal = (struct loop_signal){ .fn = fn, .arg = arg };
    int rc = uv_signal_init(&l->uv, &signal->uv);
    if (rc)
        return err_set(err, ERR_IO, "loop: signal %d: %s", signum, uv_strerror(rc));
    l->n_signals++;
    signal->uv.data = signal;
    rc = uv_signal_start(&signal->uv, on_signal, signum);
    if (rc)
        return err_set(err, ERR_INVALID, "loop: signal %d: %s", signum, uv_strerror(rc));
    return 0;
}
