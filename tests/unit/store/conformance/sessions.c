/* SPDX-License-Identifier: Apache-2.0
 * Sessions: closing, and the news that one is up.
 */
#include "conformance.h"

static void never(void *ctx, const struct store_commit_result *r)
{
    (void)ctx, (void)r;
    fail_msg("told after the session was closed");
}

static void stop_loop(void *arg) { loop_stop(arg); }

void a_closed_session_says_nothing(void **state)
{
    struct fixture *f = fixture_of(state);
    struct store_session *ss = open_session(f, 0);
    struct store_lane lane = assign(f, ss, 1, 0, 0);
    struct sample *s = sample(&lane, 10, 1);
    struct store_turn turn = { .blocks = &s->block, .n_blocks = 1 };
    store_commit(ss, &turn, never, NULL);
    close_session(f, ss);
    sample_fini(s);
    struct timer soon = { .fn = stop_loop, .arg = f->loop };
    timer_start(f->loop, &soon, 50000);
    wait_loop(f);
    ss = open_session(f, 0);
    close_session(f, ss); /* before it was up */
}

struct weather {
    struct fixture *f;
    bool up;
    unsigned n;
};

static void on_state(void *ctx, bool up, const char *reason)
{
    struct weather *w = ctx;
    assert_true(up ? reason == NULL : reason != NULL);
    w->up = up;
    w->n++;
    loop_stop(w->f->loop);
}

void a_session_tells_that_it_is_up(void **state)
{
    struct fixture *f = fixture_of(state);
    struct weather w = { .f = f };
    struct store_session_config config = {
        .loop = f->loop, .instance = f->instance, .ctx = &w, .on_state = on_state
    };
    struct store_session *ss = store_session_open(f->store, &config);
    assert_int_equal(w.n, 0);
    wait_loop(f);
    assert_true(w.up);
    assert_int_equal(w.n, 1);
    close_session(f, ss);
}
