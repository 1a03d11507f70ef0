/* SPDX-License-Identifier: Apache-2.0
 * Offloaded jobs: done on the home loop exactly once, limits per owner, turns of owners, dropping
 * at the end. Run under tsan too.
 */
#include "loop/loop.h"
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>
#include <cmocka.h>

struct task {
    struct offload_job job;
    unsigned number, n_work, n_done;
    bool was_dropped;
    pthread_t ran_on;
};

static struct loop *l;
static struct offload *pool;
static unsigned n_done, n_expected;
static atomic_uint n_running, most_running;
static atomic_bool gate_open;

static int setup(void **state)
{
    (void)state;
    struct err err;
    l = loop_create(&err);
    pool = offload_create(3, &err);
    assert_non_null(l);
    assert_non_null(pool);
    n_done = 0;
    atomic_store(&most_running, 0);
    atomic_store(&gate_open, false);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    offload_destroy(pool);
    loop_destroy(l);
    return 0;
}

static void nap_us(long us) { nanosleep(&(struct timespec){ .tv_nsec = us * 1000 }, NULL); }

static void work(struct offload_job *job)
{
    struct task *t = CONTAINER_OF(job, struct task, job);
    unsigned now = atomic_fetch_add(&n_running, 1) + 1, most = atomic_load(&most_running);
    while (now > most && !atomic_compare_exchange_weak(&most_running, &most, now))
        ;
    nap_us(200);
    t->n_work++;
    t->ran_on = pthread_self();
    atomic_fetch_sub(&n_running, 1);
}

static void work_at_gate(struct offload_job *job)
{
    while (!atomic_load(&gate_open))
        nap_us(100);
    work(job);
}

static void done(struct offload_job *job)
{
    struct task *t = CONTAINER_OF(job, struct task, job);
    t->n_done++;
    t->was_dropped = job->is_dropped;
    if (++n_done == n_expected)
        loop_stop(l);
}

static void prepare(struct task *t, void (*fn)(struct offload_job *))
{
    *t = (struct task){ .job = { .work = fn, .done = done } };
}

static void test_done_on_the_loop_once(void **state)
{
    (void)state;
    enum { N = 500 };
    static struct task tasks[N];
    struct offload_owner owner;
    offload_owner_init(pool, &owner, N, 0);
    n_expected = N;
    for (unsigned i = 0; i < N; i++) {
        prepare(&tasks[i], work);
        assert_int_equal(offload_submit(pool, &owner, l, &tasks[i].job), 0);
    }
    loop_run(l);
    for (unsigned i = 0; i < N; i++) {
        assert_int_equal(tasks[i].n_work, 1);
        assert_int_equal(tasks[i].n_done, 1);
        assert_false(pthread_equal(tasks[i].ran_on, pthread_self()));
    }
    assert_true(atomic_load(&most_running) <= 2); /* one thread of three is left for others */
}

static void test_full_queue_refuses(void **state)
{
    (void)state;
    struct task tasks[5];
    struct offload_owner owner, other;
    offload_owner_init(pool, &owner, 4, 1);
    offload_owner_init(pool, &other, 4, 1);
    for (unsigned i = 0; i < 5; i++)
        prepare(&tasks[i], work_at_gate);
    for (unsigned i = 0; i < 4; i++)
        assert_int_equal(offload_submit(pool, &owner, l, &tasks[i].job), 0);
    assert_int_equal(offload_submit(pool, &owner, l, &tasks[4].job), -1);
    assert_int_equal(offload_submit(pool, &other, l, &tasks[4].job), 0); /* its own limit */
    n_expected = 5;
    atomic_store(&gate_open, true);
    loop_run(l);
    prepare(&tasks[0], work); /* there is room again */
    n_done = 0;
    n_expected = 1;
    assert_int_equal(offload_submit(pool, &owner, l, &tasks[0].job), 0);
    loop_run(l);
}

/* One owner's jobs hang; another owner's still run. */
static void test_a_hanging_owner_starves_nobody(void **state)
{
    (void)state;
    struct task hanging[8], quick[20];
    struct offload_owner slow, fast;
    offload_owner_init(pool, &slow, 8, 0);
    offload_owner_init(pool, &fast, 20, 0);
    for (unsigned i = 0; i < 8; i++) {
        prepare(&hanging[i], work_at_gate);
        assert_int_equal(offload_submit(pool, &slow, l, &hanging[i].job), 0);
    }
    for (unsigned i = 0; i < 20; i++) {
        prepare(&quick[i], work);
        assert_int_equal(offload_submit(pool, &fast, l, &quick[i].job), 0);
    }
    n_expected = 20;
    loop_run(l); /* ends although the gate is shut */
    for (unsigned i = 0; i < 20; i++)
        assert_int_equal(quick[i].n_done, 1);
    n_done = 0;
    n_expected = 8;
    atomic_store(&gate_open, true);
    loop_run(l);
}

static void open_gate_later(void *arg)
{
    (void)arg;
    nap_us(30000);
    atomic_store(&gate_open, true);
}

static void test_destroy_drops_what_is_queued(void **state)
{
    (void)state;
    struct task tasks[6];
    struct offload_owner owner;
    struct thread opener;
    struct err err;
    offload_owner_init(pool, &owner, 6, 1);
    for (unsigned i = 0; i < 6; i++) {
        prepare(&tasks[i], work_at_gate);
        assert_int_equal(offload_submit(pool, &owner, l, &tasks[i].job), 0);
    }
    nap_us(20000); /* the first runs */
    assert_int_equal(thread_start(&opener, "opener", open_gate_later, NULL, &err), 0);
    offload_destroy(pool);
    thread_join(&opener);
    n_expected = 6;
    loop_run(l);
    unsigned worked = 0, dropped = 0;
    for (unsigned i = 0; i < 6; i++) {
        assert_int_equal(tasks[i].n_done, 1);
        assert_int_equal(tasks[i].n_work, tasks[i].was_dropped ? 0 : 1);
        worked += tasks[i].n_work;
        dropped += tasks[i].was_dropped;
    }
    assert_int_equal(worked, 1);
    assert_int_equal(dropped, 5);
    pool = offload_create(1, &err);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_done_on_the_loop_once, setup, teardown),
        cmocka_unit_test_setup_teardown(test_full_queue_refuses, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_hanging_owner_starves_nobody, setup, teardown),
        cmocka_unit_test_setup_teardown(test_destroy_drops_what_is_queued, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
