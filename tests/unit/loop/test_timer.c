/* SPDX-License-Identifier: Apache-2.0
 * Timers: order, restarting, stopping, a hundred thousand of them; watches and signals of a loop.
 */
#include "loop/loop.h"
#include "base/clock.h"
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

static struct loop *l;

static int setup(void **state)
{
    (void)state;
    struct err err;
    l = loop_create(&err);
    assert_non_null(l);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    loop_destroy(l);
    return 0;
}

struct probe {
    struct timer timer;
    int64_t due_us, fired_us;
    unsigned place, n_fired;
};

static unsigned n_fired;

static void on_probe(void *arg)
{
    struct probe *p = arg;
    assert_false(timer_is_running(&p->timer));
    p->fired_us = clock_mono_us();
    p->place = n_fired++;
    p->n_fired++;
}

static void on_stop(void *arg)
{
    (void)arg;
    loop_stop(l);
}

static void start(struct probe *p, int64_t in_us)
{
    p->timer.fn = on_probe;
    p->timer.arg = p;
    p->due_us = clock_mono_us() + in_us;
    timer_start(l, &p->timer, in_us);
}

static void run_for(int64_t us)
{
    struct timer end = { .fn = on_stop };
    timer_start(l, &end, us);
    loop_run(l);
    timer_stop(l, &end);
}

static void test_fire_in_order_and_never_early(void **state)
{
    (void)state;
    static const int64_t in_ms[] = { 30, 10, 20, 0, 10 };
    static const unsigned place[] = { 4, 1, 3, 0, 2 }; /* equal times in the order of starting */
    struct probe probes[5] = { 0 };
    int64_t base_us = clock_mono_us();
    n_fired = 0;
    for (unsigned i = 0; i < 5; i++) {
        probes[i].timer = (struct timer){ .fn = on_probe, .arg = &probes[i] };
        timer_start_at(l, &probes[i].timer, base_us + in_ms[i] * 1000);
    }
    run_for(60000);
    for (unsigned i = 0; i < 5; i++) {
        assert_int_equal(probes[i].n_fired, 1);
        assert_int_equal(probes[i].place, place[i]);
        assert_true(probes[i].fired_us >= base_us + in_ms[i] * 1000);
        assert_true(probes[i].fired_us < base_us + in_ms[i] * 1000 + 1000000);
    }
}

static void test_restart_and_stop(void **state)
{
    (void)state;
    struct probe later = { 0 }, sooner = { 0 }, stopped = { 0 };
    start(&later, 5000);
    start(&sooner, 10000000);
    start(&stopped, 5000);
    start(&later, 40000);
    start(&sooner, 1000);
    timer_stop(l, &stopped.timer);
    timer_stop(l, &stopped.timer);
    assert_false(timer_is_running(&stopped.timer));
    run_for(80000);
    assert_int_equal(stopped.n_fired, 0);
    assert_int_equal(later.n_fired, 1);
    assert_int_equal(sooner.n_fired, 1);
    assert_true(later.fired_us >= later.due_us);
    assert_true(sooner.fired_us < later.fired_us);
}

/* A callback may start its own timer again, and stop one that is due in the same round. */
static struct probe victim;
static unsigned n_again;

static void on_again(void *arg)
{
    timer_stop(l, &victim.timer);
    if (++n_again < 5)
        timer_start(l, arg, 0);
}

static void test_callbacks_start_and_stop(void **state)
{
    (void)state;
    struct timer again = { .fn = on_again };
    again.arg = &again;
    victim = (struct probe){ 0 };
    n_again = 0;
    int64_t now_us = clock_mono_us();
    timer_start_at(l, &again, now_us);
    victim.timer = (struct timer){ .fn = on_probe, .arg = &victim };
    timer_start_at(l, &victim.timer, now_us);
    run_for(20000);
    assert_int_equal(n_again, 5);
    assert_int_equal(victim.n_fired, 0);
}

/* One that is always due does not keep the loop from its turns. */
static unsigned n_due, n_turns;

static void on_due(void *arg)
{
    if (++n_due < 100)
        timer_start_at(l, arg, 1);
    else
        loop_stop(l);
}

static void on_turn(void *arg)
{
    (void)arg;
    n_turns++;
}

static void test_always_due_leaves_turns(void **state)
{
    (void)state;
    struct timer due = { .fn = on_due };
    struct loop_hook hook = { .fn = on_turn };
    due.arg = &due;
    n_due = n_turns = 0;
    loop_hook_add(l, LOOP_TURN, &hook);
    timer_start_at(l, &due, 1);
    loop_run(l);
    loop_hook_remove(&hook);
    assert_int_equal(n_due, 100);
    assert_true(n_turns >= 100);
}

enum { MANY = 100000 };

static uint32_t seed = 7;

static uint32_t roll(void)
{
    seed = seed * 1664525u + 1013904223u;
    return seed >> 8;
}

static int64_t last_us;

static void on_ordered(void *arg)
{
    struct probe *p = arg;
    assert_true(p->due_us >= last_us);
    last_us = p->due_us;
    p->n_fired++;
    n_fired++;
}

static void test_a_hundred_thousand(void **state)
{
    (void)state;
    struct probe *probes = calloc(MANY, sizeof *probes);
    int64_t base_us = clock_mono_us();
    unsigned expected = 0;
    for (unsigned i = 0; i < MANY; i++) {
        probes[i].timer = (struct timer){ .fn = on_ordered, .arg = &probes[i] };
        probes[i].due_us = base_us + roll() % 50000;
        timer_start_at(l, &probes[i].timer, probes[i].due_us);
    }
    for (unsigned i = 0; i < MANY; i += 3)
        timer_stop(l, &probes[i].timer);
    for (unsigned i = 1; i < MANY; i += 3) {
        probes[i].due_us = base_us + roll() % 50000;
        timer_start_at(l, &probes[i].timer, probes[i].due_us);
    }
    for (unsigned i = 0; i < MANY; i++)
        expected += timer_is_running(&probes[i].timer);
    n_fired = 0;
    last_us = 0;
    run_for(400000);
    assert_int_equal(n_fired, expected);
    for (unsigned i = 0; i < MANY; i++)
        assert_int_equal(probes[i].n_fired, i % 3 ? 1 : 0);
    free(probes);
}

static void test_destroy_forgets_timers(void **state)
{
    (void)state;
    struct probe p = { 0 };
    start(&p, 1000000);
    loop_destroy(l);
    assert_false(timer_is_running(&p.timer));
    assert_int_equal(setup(state), 0);
}

/* --- watches ---------------------------------------------------------------------------------- */

static int pipe_fds[2];
static struct watch *reader, *writer;
static unsigned n_reads, n_writes;

static void on_readable(void *arg, int events)
{
    (void)arg;
    assert_int_equal(events, WATCH_READABLE);
    char byte;
    assert_int_equal(read(pipe_fds[0], &byte, 1), 1);
    if (++n_reads == 3) {
        watch_stop(reader); /* from its own callback */
        loop_stop(l);
    }
}

static void on_writable(void *arg, int events)
{
    (void)arg;
    assert_int_equal(events, WATCH_WRITABLE);
    assert_int_equal(write(pipe_fds[1], "x", 1), 1);
    if (++n_writes == 3)
        watch_set(writer, 0);
}

static void test_watch_a_pipe(void **state)
{
    (void)state;
    struct err err;
    assert_int_equal(pipe(pipe_fds), 0);
    n_reads = n_writes = 0;
    reader = watch_create(l, pipe_fds[0], on_readable, NULL, &err);
    writer = watch_create(l, pipe_fds[1], on_writable, NULL, &err);
    assert_non_null(reader);
    assert_non_null(writer);
    watch_set(reader, WATCH_READABLE);
    watch_set(writer, WATCH_WRITABLE);
    loop_run(l);
    assert_int_equal(n_reads, 3);
    assert_int_equal(n_writes, 3);
    watch_stop(writer);
    watch_stop(NULL);
    close(pipe_fds[0]);
    close(pipe_fds[1]);
}

static void test_watch_a_bad_descriptor(void **state)
{
    (void)state;
    struct err err = { 0 };
    assert_null(watch_create(l, 9999, on_readable, NULL, &err));
    assert_int_equal(err.code, ERR_IO);
    assert_non_null(strstr(err.text, "9999"));
}

/* --- signals ---------------------------------------------------------------------------------- */

static int got_signal;

static void on_signal(void *arg, int signum)
{
    (void)arg;
    got_signal = signum;
    loop_stop(l);
}

static void raise_signal(void *arg)
{
    (void)arg;
    kill(getpid(), SIGUSR1);
}

static void test_signal(void **state)
{
    (void)state;
    struct err err;
    struct timer t = { .fn = raise_signal };
    assert_int_equal(loop_on_signal(l, SIGUSR1, on_signal, NULL, &err), 0);
    timer_start(l, &t, 1000);
    loop_run(l);
    assert_int_equal(got_signal, SIGUSR1);
    assert_int_equal(loop_on_signal(l, SIGKILL, on_signal, NULL, &err), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_fire_in_order_and_never_early, setup, teardown),
        cmocka_unit_test_setup_teardown(test_restart_and_stop, setup, teardown),
        cmocka_unit_test_setup_teardown(test_callbacks_start_and_stop, setup, teardown),
        cmocka_unit_test_setup_teardown(test_always_due_leaves_turns, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_hundred_thousand, setup, teardown),
        cmocka_unit_test_setup_teardown(test_destroy_forgets_timers, setup, teardown),
        cmocka_unit_test_setup_teardown(test_watch_a_pipe, setup, teardown),
        cmocka_unit_test_setup_teardown(test_watch_a_bad_descriptor, setup, teardown),
        cmocka_unit_test_setup_teardown(test_signal, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
