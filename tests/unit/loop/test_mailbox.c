/* SPDX-License-Identifier: Apache-2.0
 * Mail: order, many threads, waking, shutting; hooks and stopping of a loop. Run under tsan too.
 */
#include "loop/loop.h"
#include "base/clock.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>
#include <uv.h>
#include <cmocka.h>

enum { THREADS = 4, EACH = 20000 };

struct parcel {
    struct mail mail;
    unsigned from, number;
};

static struct loop *l;
static unsigned next_of[THREADS], n_got;

static int setup(void **state)
{
    (void)state;
    struct err err;
    l = loop_create(&err);
    assert_non_null(l);
    n_got = 0;
    for (unsigned i = 0; i < THREADS; i++)
        next_of[i] = 0;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    loop_destroy(l);
    return 0;
}

static void on_parcel(struct mail *m)
{
    struct parcel *p = CONTAINER_OF(m, struct parcel, mail);
    assert_int_equal(p->number, next_of[p->from]);
    next_of[p->from]++;
    free(p);
    if (++n_got == THREADS * EACH)
        loop_stop(l);
}

static void post_many(void *arg)
{
    unsigned from = *(unsigned *)arg;
    for (unsigned i = 0; i < EACH; i++) {
        struct parcel *p = malloc(sizeof *p);
        *p = (struct parcel){ .mail.fn = on_parcel, .from = from, .number = i };
        if (loop_post(l, &p->mail) != 0)
            abort();
        if (i % 512 == 0) /* let the loop fall asleep now and then */
            nanosleep(&(struct timespec){ .tv_nsec = 200000 }, NULL);
    }
}

static void test_many_threads_keep_their_order(void **state)
{
    (void)state;
    struct thread threads[THREADS];
    unsigned names[THREADS];
    struct err err;
    for (unsigned i = 0; i < THREADS; i++) {
        names[i] = i;
        assert_int_equal(thread_start(&threads[i], "poster", post_many, &names[i], &err), 0);
    }
    loop_run(l);
    for (unsigned i = 0; i < THREADS; i++)
        thread_join(&threads[i]);
    assert_int_equal(n_got, THREADS * EACH);
}

/* --- a sleeping loop is woken -------------------------------------------------------------------
 */

static int64_t posted_us, woken_us;

static void on_wake(struct mail *m)
{
    (void)m;
    woken_us = clock_mono_us();
    loop_stop(l);
}

static void post_late(void *arg)
{
    nanosleep(&(struct timespec){ .tv_nsec = 50000000 }, NULL);
    posted_us = clock_mono_us();
    if (loop_post(l, arg) != 0)
        abort();
}

static void test_post_wakes_a_waiting_loop(void **state)
{
    (void)state;
    struct thread t;
    struct err err;
    struct mail m = { .fn = on_wake };
    assert_int_equal(thread_start(&t, "late", post_late, &m, &err), 0);
    loop_run(l);
    thread_join(&t);
    assert_true(woken_us - posted_us < 1000000);
}

/* --- mail posted while mail is delivered comes in the next batch ---------------------------------
 */

static unsigned n_again, n_iterations;

static void on_turn(void *arg)
{
    (void)arg;
    n_iterations++;
}

static void on_again(struct mail *m)
{
    if (++n_again < 10)
        assert_int_equal(loop_post(l, m), 0);
    else
        loop_stop(l);
}

static void test_mail_may_post_itself(void **state)
{
    (void)state;
    struct mail m = { .fn = on_again };
    struct loop_hook hook = { .fn = on_turn };
    n_again = n_iterations = 0;
    loop_hook_add(l, LOOP_TURN, &hook);
    assert_int_equal(loop_post(l, &m), 0);
    loop_run(l);
    loop_hook_remove(&hook);
    assert_int_equal(n_again, 10);
    assert_true(n_iterations >= 10); /* the loop looked at its sockets in between */
}

static void on_count(struct mail *m)
{
    (void)m;
    n_got++;
}

static void test_shut_delivers_and_refuses(void **state)
{
    (void)state;
    struct mail first = { .fn = on_count }, second = { .fn = on_count }, late = { .fn = on_count };
    assert_int_equal(loop_post(l, &first), 0);
    assert_int_equal(loop_post(l, &second), 0);
    loop_shut(l);
    assert_int_equal(n_got, 2);
    assert_int_equal(loop_post(l, &late), -1);
    loop_shut(l);
    assert_int_equal(n_got, 2);
}

static void test_destroy_delivers_what_is_left(void **state)
{
    (void)state;
    struct mail m = { .fn = on_count };
    assert_int_equal(loop_post(l, &m), 0);
    loop_destroy(l);
    assert_int_equal(n_got, 1);
    assert_int_equal(setup(state), 0);
}

/* --- phases ----------------------------------------------------------------------------------- */

static char order[64];
static unsigned n_order, turns_left;

static void note(char c)
{
    if (n_order + 1 < sizeof order)
        order[n_order++] = c;
    order[n_order] = 0;
}

static void on_busy_turn(void *arg)
{
    (void)arg;
    note('t');
    if (--turns_left)
        loop_wake_soon(l);
    else
        loop_stop(l);
}

static void on_flush(void *arg)
{
    (void)arg;
    note('f');
}

static void test_turns_then_flushes_without_waiting(void **state)
{
    (void)state;
    struct loop_hook flush = { .fn = on_flush }, turn = { .fn = on_busy_turn };
    n_order = 0;
    turns_left = 4;
    loop_hook_add(l, LOOP_FLUSH, &flush); /* added first, still after the turn */
    loop_hook_add(l, LOOP_TURN, &turn);
    int64_t start_us = clock_mono_us();
    loop_run(l); /* nothing else is there to end a wait */
    assert_string_equal(order, "tftftftf");
    assert_true(clock_mono_us() - start_us < 1000000);
    loop_hook_remove(&flush);
    loop_hook_remove(&turn);
}

static void on_wake_soon(struct mail *m)
{
    (void)m;
    loop_wake_soon(l);
}

static void stop_at_second_turn(void *arg)
{
    unsigned *n = arg;
    if (++*n == 3)
        loop_stop(l);
}

/* wake_soon from a callback holds for the next wait, not for one that is over. */
static void test_wake_soon_from_mail(void **state)
{
    (void)state;
    unsigned n = 0;
    struct loop_hook turn = { .fn = stop_at_second_turn, .arg = &n };
    struct mail m = { .fn = on_wake_soon };
    loop_hook_add(l, LOOP_TURN, &turn);
    assert_int_equal(loop_post(l, &m), 0);
    loop_run(l);
    assert_int_equal(n, 3);
    loop_hook_remove(&turn);
}

static void stop_from_outside(void *arg)
{
    (void)arg;
    nanosleep(&(struct timespec){ .tv_nsec = 20000000 }, NULL);
    loop_stop(l);
}

static void test_stop_from_another_thread_and_run_again(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        struct thread t;
        struct err err;
        assert_int_equal(
            thread_start(&t, "a name longer than fifteen bytes", stop_from_outside, NULL, &err), 0);
        loop_run(l);
        thread_join(&t);
        thread_join(&t); /* idempotent */
    }
}

struct sleeper {
    int ends[2];
    int64_t late_us; /* what the loop took for now, against the clock */
};

static void write_later(void *arg)
{
    const struct sleeper *s = arg;
    nanosleep(&(struct timespec){ .tv_nsec = 300000000 }, NULL);
    assert_int_equal(write(s->ends[1], "x", 1), 1);
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
    struct sleeper *s = poll->data;
    (void)status;
    (void)events;
    s->late_us = clock_mono_us() - loop_now_us(l);
    uv_close((uv_handle_t *)poll, NULL);
    loop_stop(l);
}

/* Else a connection that comes after a long silence is late before it has said a word. */
static void test_what_wakes_the_loop_finds_the_time_of_now(void **state)
{
    (void)state;
    struct sleeper s = { .late_us = -1 };
    struct thread t;
    struct err err;
    uv_poll_t poll = { .data = &s };
    assert_int_equal(pipe(s.ends), 0);
    assert_int_equal(uv_poll_init(loop_uv(l), &poll, s.ends[0]), 0);
    assert_int_equal(uv_poll_start(&poll, UV_READABLE, on_readable), 0);
    assert_int_equal(thread_start(&t, "late", write_later, &s, &err), 0);
    loop_run(l);
    thread_join(&t);
    assert_in_range(s.late_us, 0, 150000);
    close(s.ends[0]);
    close(s.ends[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_many_threads_keep_their_order, setup, teardown),
        cmocka_unit_test_setup_teardown(test_post_wakes_a_waiting_loop, setup, teardown),
        cmocka_unit_test_setup_teardown(test_mail_may_post_itself, setup, teardown),
        cmocka_unit_test_setup_teardown(test_shut_delivers_and_refuses, setup, teardown),
        cmocka_unit_test_setup_teardown(test_destroy_delivers_what_is_left, setup, teardown),
        cmocka_unit_test_setup_teardown(test_turns_then_flushes_without_waiting, setup, teardown),
        cmocka_unit_test_setup_teardown(test_wake_soon_from_mail, setup, teardown),
        cmocka_unit_test_setup_teardown(test_stop_from_another_thread_and_run_again, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_what_wakes_the_loop_finds_the_time_of_now, setup,
                                        teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
