/* SPDX-License-Identifier: Apache-2.0
 * catalyst/limiter.h: rates that hold, bursts, several scopes at once, order within a scope, and
 * what a throttle does.
 */
#include <catalyst/limiter.h>
#include <stdarg.h>
#include <setjmp.h>
#include <cmocka.h>

enum { S = 1000000 };
static wf_str str(const char *text) { return (wf_str){ text, strlen(text) }; }

/* Slots of `n` that ask at the same time, in milliseconds from then. */
static int64_t ask(struct wf_limiter *l, struct wf_limit limit, int64_t now_us)
{
    return (wf_limiter_reserve(l, &limit, 1, now_us, INT64_MAX / 2) - now_us) / 1000;
}

static void a_rate_holds(void **state)
{
    (void)state;
    struct wf_limiter l;
    wf_limiter_init(&l, 64);
    struct wf_limit limit = wf_limit("account", str("a"), wf_rate(10, 1000, 1));
    for (int i = 0; i < 50; i++)
        assert_int_equal(ask(&l, limit, 5 * S), i * 100);
    assert_int_equal(ask(&l, limit, 60 * S), 0);
    wf_limiter_fini(&l);
}

static void a_pause_earns_a_burst_and_no_more(void **state)
{
    (void)state;
    struct wf_limiter l;
    wf_limiter_init(&l, 64);
    struct wf_limit limit = wf_limit("pair", str("x"), wf_rate(1, 1000, 3));
    for (int round = 0; round < 2; round++) {
        int64_t now = (1000 + round * 1000) * (int64_t)S;
        assert_int_equal(ask(&l, limit, now), 0);
        assert_int_equal(ask(&l, limit, now), 0);
        assert_int_equal(ask(&l, limit, now), 0);
        assert_int_equal(ask(&l, limit, now), 1000);
        assert_int_equal(ask(&l, limit, now), 2000);
    }
    wf_limiter_fini(&l);
}

static void all_scopes_must_agree(void **state)
{
    (void)state;
    struct wf_limiter l;
    wf_limiter_init(&l, 64);
    struct wf_limit limits[] = { wf_limit("account", str("a"), wf_rate(10, 1000, 1)),
                                 wf_limit("pair", str("x"), wf_rate(1, 1000, 1)) };
    assert_int_equal(wf_limiter_reserve(&l, limits, 2, S, 10 * S), S);
    assert_int_equal(wf_limiter_reserve(&l, limits, 2, S, 10 * S), 2 * S);
    /* Refused: nothing was taken from either. */
    assert_true(wf_limiter_reserve(&l, limits, 2, S, S / 2) > S + S / 2);
    limits[1].key = wf_limit_key("pair", str("y"));
    assert_int_equal(wf_limiter_reserve(&l, limits, 2, 3 * S, 0), 3 * S);
    wf_limiter_fini(&l);
}

static void no_rate_is_no_limit(void **state)
{
    (void)state;
    struct wf_limiter l;
    wf_limiter_init(&l, 64);
    struct wf_limit limit = wf_limit("account", str("a"), wf_rate(0, 1000, 1));
    for (int i = 0; i < 1000; i++)
        assert_int_equal(ask(&l, limit, S), 0);
    wf_limiter_throttled(&l, limit.key, S, 2 * S);
    assert_int_equal(ask(&l, limit, S), 2000); /* a throttle holds all the same */
    wf_limiter_fini(&l);
}

static void a_throttle_shuts_halves_and_is_forgiven(void **state)
{
    (void)state;
    struct wf_limiter l;
    wf_limiter_init(&l, 64);
    struct wf_limit limit = wf_limit("account", str("a"), wf_rate(10, 1000, 5));
    assert_int_equal(ask(&l, limit, S), 0);
    wf_limiter_throttled(&l, limit.key, S, 3 * S);
    wf_limiter_throttled(&l, limit.key, S, 3 * S); /* the same blow */
    assert_int_equal(ask(&l, limit, S), 3000);
    assert_int_equal(ask(&l, limit, S), 3200); /* half the rate, and no burst */
    for (int i = 0; i < 32; i++)
        wf_limiter_went_well(&l, limit.key);
    assert_int_equal(ask(&l, limit, 100 * S), 0);
    assert_int_equal(ask(&l, limit, 100 * S), 0); /* the burst is back */
    wf_limiter_fini(&l);
}

static void the_idle_make_room(void **state)
{
    (void)state;
    struct wf_limiter l;
    wf_limiter_init(&l, 8);
    struct wf_limit busy = { 8, wf_rate(1, 1000, 1) };
    assert_int_equal(ask(&l, busy, S), 0);
    for (uint64_t key = 16; key < 16 + 7 * 8; key += 8) /* the others of its set */
        assert_int_equal(ask(&l, (struct wf_limit){ key, wf_rate(1000, 1000, 1) }, S), 0);
    assert_int_equal(ask(&l, (struct wf_limit){ 800, wf_rate(1000, 1000, 1) }, S), 0);
    assert_int_equal(ask(&l, busy, S), 1000); /* the one in use was not the one to go */
    wf_limiter_fini(&l);
}

/* Who keeps a queue of his own asks how many may go, and takes them. */
static void many_at_once_by_a_bucket(void **state)
{
    (void)state;
    struct wf_bucket b = { 0 };
    struct wf_rate rate = wf_rate(100, 1000, 10), none = wf_rate(0, 1000, 1);
    uint32_t sent = 0;
    assert_int_equal(wf_bucket_room(&b, none, S, 1000), 1000);
    assert_int_equal(wf_bucket_room(&b, rate, S, 1000), 10);
    assert_int_equal(wf_bucket_room(&b, rate, S, 4), 4);
    for (int64_t now = S; now < 11 * S; now += 7000) {
        uint32_t n = wf_bucket_room(&b, rate, now, 1000);
        wf_bucket_took(&b, rate, now, n);
        sent += n;
        assert_int_equal(wf_bucket_room(&b, rate, now, 1000), 0);
    }
    assert_in_range(sent, 1005, 1010);
    b.shut_us = 50 * S;
    assert_int_equal(wf_bucket_room(&b, rate, 49 * S, 1000), 0);
    assert_int_equal(wf_bucket_room(&b, none, 49 * S, 1000), 0);
    assert_int_equal(wf_bucket_room(&b, rate, 50 * S, 1000), 10);
    /* What does not divide is slower, never faster. */
    assert_int_equal(wf_rate(3, 1000, 1).interval_us, 333334);
}

/* --- the gate --------------------------------------------------------------------------------- */

struct wf_timer {
    void (*fn)(void *);
    void *arg;
};
static struct wf_timer timer;
static int64_t now_us;
static unsigned parked, gone[16], n_gone;

static int64_t test_clock(void) { return now_us; }
static wf_timer *make_timer(wf_inst *inst, int64_t in_ms, void (*fn)(void *), void *arg)
{
    (void)inst, (void)in_ms;
    timer = (struct wf_timer){ fn, arg };
    return &timer;
}
static void stop_timer(wf_timer *t) { t->fn = NULL; }
static const wf_loop loop = { .size = sizeof loop, .timer = make_timer, .timer_stop = stop_timer };
static const void *service(const char *name) { return strcmp(name, "loop/1") == 0 ? &loop : NULL; }
static wf_ticket park(wf_item *it, int64_t timeout_ms)
{
    assert_true(timeout_ms > 0);
    parked++;
    return (wf_ticket){ (uint64_t)(uintptr_t)it, 1 };
}
static wf_item *resume(const wf_host *h, wf_ticket t)
{
    (void)h;
    return (wf_item *)(uintptr_t)t.id;
}
static void go(const wf_host *h, wf_item *it)
{
    (void)h;
    gone[n_gone++] = (unsigned)(uintptr_t)it;
}
static wf_item *item(unsigned i) { return (wf_item *)(uintptr_t)i; }

static void tick(int64_t at_us)
{
    void (*fn)(void *) = timer.fn;
    now_us = at_us;
    timer.fn = NULL;
    assert_non_null(fn);
    fn(timer.arg);
}

static void items_go_in_their_order(void **state)
{
    (void)state;
    wf_host h = { .size = sizeof h, .service = service, .park = park, .resume = resume };
    struct wf_gate g;
    int64_t wait_ms;
    now_us = S;
    assert_int_equal(wf_gate_open(&g, &h, NULL, 64, 3000, go), 0);
    g.clock_us = test_clock;
    struct wf_limit slow = wf_limit("chat", str("x"), wf_rate(1, 1000, 1));
    struct wf_limit other = wf_limit("chat", str("y"), wf_rate(1, 1000, 1));
    assert_int_equal(wf_gate_enter(&g, item(1), &slow, 1, &wait_ms), 0);
    assert_int_equal(wf_gate_enter(&g, item(2), &slow, 1, &wait_ms), 1);
    assert_int_equal(wf_gate_enter(&g, item(3), &slow, 1, &wait_ms), 1);
    assert_int_equal(wf_gate_enter(&g, item(4), &other, 1, &wait_ms), 0); /* does not wait for x */
    assert_int_equal(wf_gate_enter(&g, item(5), &slow, 1, &wait_ms), 1);
    assert_int_equal(wf_gate_enter(&g, item(6), &slow, 1, &wait_ms), -1);
    assert_int_equal(wait_ms, 4000);
    assert_int_equal(parked, 3);
    tick(2 * S);
    tick(3 * S);
    wf_limiter_throttled(&g.limiter, slow.key, now_us, 10 * S);
    tick(4 * S); /* shut: 5 goes when it opens */
    assert_int_equal(n_gone, 4);
    tick(13 * S);
    static const unsigned expected[] = { 1, 4, 2, 3, 5 };
    assert_int_equal(n_gone, 5);
    assert_memory_equal(gone, expected, sizeof expected);
    wf_gate_close(&g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_rate_holds),
        cmocka_unit_test(a_pause_earns_a_burst_and_no_more),
        cmocka_unit_test(all_scopes_must_agree),
        cmocka_unit_test(no_rate_is_no_limit),
        cmocka_unit_test(a_throttle_shuts_halves_and_is_forgiven),
        cmocka_unit_test(the_idle_make_room),
        cmocka_unit_test(many_at_once_by_a_bucket),
        cmocka_unit_test(items_go_in_their_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
