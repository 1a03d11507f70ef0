/* SPDX-License-Identifier: Apache-2.0
 * Counting with fixed memory: token buckets, windows, first times, sketches against exact counts,
 * and blocks of numbers. Times are the test's.
 */
#include "../hash.c"
#include "../slots.c"
#include "../sketch.c"
#include "../ranges.c"
#include <setjmp.h>
#include <stdarg.h>
#include <pthread.h>
#include <cmocka.h>

enum { T0 = 1000000000 };

static uint64_t key(uint64_t i) { return hash_mix(i + 77); }

static void a_bucket_refills(void **state)
{
    struct slots *s = slots_create(10000, 0);
    (void)state;
    for (int i = 0; i < 5; i++)
        assert_int_equal(slots_gcra(s, 1, key(1), T0, 10, 10000, 5, 1), 0);
    int64_t wait = slots_gcra(s, 1, key(1), T0, 10, 10000, 5, 1);
    assert_int_equal(wait, 1000);
    assert_true(slots_gcra(s, 1, key(1), T0 + wait - 1, 10, 10000, 5, 1) > 0);
    assert_int_equal(slots_gcra(s, 1, key(1), T0 + wait, 10, 10000, 5, 1), 0);
    assert_int_equal(slots_gcra(s, 1, key(2), T0, 10, 10000, 5, 1), 0);
    assert_int_equal(slots_gcra(s, 1, key(1), T0 + 100000, 10, 10000, 5, 5), 0);
    assert_int_equal(slots_gcra(s, 1, key(1), T0 + 100000, 10, 10000, 5, 1), 1000);
    slots_free(s);
}

static void money_is_capped(void **state)
{
    struct slots *s = slots_create(10000, 0);
    int64_t spent = 0;
    (void)state;
    for (int i = 0; i < 2000; i++) /* 50 units in an hour, 75,000 micro a message */
        if (slots_gcra(s, 1, key(1), T0, 50000000, 3600000, 50000000, 75000) == 0)
            spent += 75000;
    assert_true(spent <= 50000000 + 75000 && spent >= 49900000);
    slots_free(s);
}

/* The window before counts evenly over its length: one above the limit at most. */
static void a_window_slides(void **state)
{
    struct slots *s = slots_create(10000, 0);
    int64_t passed[200];
    size_t n = 0;
    (void)state;
    for (int64_t t = 0; t < 3600000; t += 20000)
        if (slots_window(s, 1, key(3), T0 + t, 3, 600000) == 0)
            passed[n++] = t;
    assert_in_range(n, 15, 20);
    for (size_t i = 4; i < n; i++)
        assert_true(passed[i] - passed[i - 4] >= 600000);
    for (int i = 0; i < 3; i++)
        assert_int_equal(slots_window(s, 1, key(4), 600000000, 3, 600000), 0);
    int64_t wait = slots_window(s, 1, key(4), 600000000, 3, 600000);
    assert_in_range(wait, 1, 600001);
    assert_true(slots_window(s, 1, key(4), 600000000 + 599999, 3, 600000) > 0);
    assert_int_equal(slots_window(s, 1, key(4), 600000000 + 1200000, 3, 600000), 0);
    slots_free(s);
}

static void first_times_are_kept(void **state)
{
    struct slots *s = slots_create(512, 1);
    (void)state;
    assert_int_equal(slots_since(s, 1, key(1), T0), T0);
    for (uint64_t i = 2; i < 5000; i++)
        slots_since(s, 1, key(i), T0 + (int64_t)i);
    assert_int_equal(slots_since(s, 1, key(1), T0 + 90000),
                     T0); /* the flood of names did not push it out */
    assert_int_equal(slots_age(s, T0 + 5000), 5000);
    slots_free(s);
}

/* One tenant fills its part; the keys of another are still there. */
static void tenants_have_their_part(void **state)
{
    struct slots *s = slots_create(4096, 0);
    uint64_t other = 2;
    (void)state;
    while (hash_mix(other) % PARTS == hash_mix(1) % PARTS)
        other++;
    for (int i = 0; i < 3; i++)
        slots_window(s, other, key(9), T0, 3, 600000);
    for (uint64_t i = 0; i < 100000; i++)
        slots_window(s, 1, key(i + 100), T0 + 10, 3, 600000);
    assert_true(slots_window(s, other, key(9), T0 + 20, 3, 600000) > 0);
    slots_free(s);
}

static void counts_are_never_too_few(void **state)
{
    struct sketch *s = sketch_create(SKETCH_COUNT, 60000);
    uint32_t exact[1000] = { 0 };
    uint64_t over = 0;
    (void)state;
    for (uint64_t i = 0; i < 200000; i++) {
        uint64_t k = hash_mix(i) % 1000;
        k = k * k / 1000;
        exact[k]++;
        sketch_count(s, key(k), T0, 1);
    }
    for (uint64_t k = 0; k < 1000; k++) {
        uint64_t said = sketch_count(s, key(k), T0, 0);
        assert_true(said >= exact[k]);
        over += said - exact[k];
    }
    assert_true(over < 100);
    /* Half of the window before counts in the middle of the next, nothing two windows on. */
    int64_t begin = T0 / 60000 * 60000;
    sketch_count(s, key(5000), begin + 100, 100);
    assert_in_range(sketch_count(s, key(5000), begin + 90000, 0), 49, 51);
    assert_int_equal(sketch_count(s, key(5000), begin + 120000, 0), 0);
    assert_int_equal(sketch_count(s, key(5000), begin + 180000, 1), 1);
    sketch_unref(s);
}

static void distinct_values_are_counted(void **state)
{
    static const uint64_t sizes[] = { 1, 10, 100, 1000, 20000 };
    (void)state;
    for (size_t k = 0; k < 5; k++) {
        struct sketch *s = sketch_create(SKETCH_DISTINCT, 60000);
        uint64_t said = 0;
        for (int rounds = 0; rounds < 3; rounds++)
            for (uint64_t i = 0; i < sizes[k]; i++)
                said = sketch_distinct(s, key(k), 491510000000 + i, T0);
        assert_true((double)said > 0.8 * (double)sizes[k] && (double)said < 1.2 * (double)sizes[k]);
        assert_int_equal(sketch_distinct(s, key(900), 1, T0), 1);
        sketch_unref(s);
    }
}

static void heavy_keys_are_found(void **state)
{
    struct sketch *s = sketch_create(SKETCH_HEAVY, 60000);
    uint64_t total, heavy = 0;
    (void)state;
    for (uint64_t i = 0; i < 40000; i++)
        if (i % 4 == 0)
            heavy = sketch_heavy(s, key(1), T0, &total);
        else
            sketch_heavy(s, key(hash_mix(i) % 100000), T0, &total);
    assert_int_equal(total, 40000);
    assert_true(heavy >= 10000 && heavy < 10500);
    sketch_heavy(s, key(1), T0 + 60000, &total);
    assert_int_equal(total, 1);
    sketch_unref(s);
}

static struct range_view add(struct ranges *r, uint64_t number, int is_code, int64_t now)
{
    struct range_view v;
    ranges_add(r, 7, number, is_code, now, 60000, 3600000, &v);
    return v;
}

static void runs_are_found_in_any_order(void **state)
{
    struct ranges *r = ranges_create(1000);
    struct range_view v = { 0 };
    (void)state;
    for (uint64_t i = 0; i < 40; i++)
        v = add(r, 491510000100 + i * 17 % 40, 0, T0);
    assert_int_equal(v.run, 40);
    assert_int_equal(v.distinct, 40);
    v = add(r, 491510000100, 0, T0);
    assert_int_equal(v.volume, 41);
    assert_int_equal(v.distinct, 40);
    assert_int_equal(add(r, 491510000500, 0, T0).run, 1);
    assert_int_equal(add(r, 491510001100, 0, T0).run, 1);         /* another block */
    assert_int_equal(add(r, 491510000140, 0, T0 + 60000).run, 1); /* another window */
    ranges_free(r);
}

static void usual_volume_is_learnt(void **state)
{
    struct ranges *r = ranges_create(1000);
    struct range_view v = { 0 };
    (void)state;
    for (int w = 0; w < 30; w++)
        for (int i = 0; i < 10; i++)
            v = add(r, 491510000100, 0, T0 + w * 60000);
    assert_true(v.usual_volume > 9.5 && v.usual_volume <= 10);
    assert_true(v.usual_distinct > 0.9 && v.usual_distinct <= 1);
    v = add(r, 491510000100, 0, T0 + 50 * 60000);
    assert_true(v.usual_volume < 1);
    ranges_free(r);
}

static void conversions_come_back(void **state)
{
    struct ranges *r = ranges_create(1000);
    struct range_view v = { 0 };
    (void)state;
    assert_int_equal(ranges_convert(r, 7, 491510000100), -1);
    for (int i = 0; i < 10; i++)
        v = add(r, 491510000100, 1, T0);
    assert_int_equal(v.codes, 10);
    for (int i = 0; i < 4; i++)
        assert_int_equal(ranges_convert(r, 7, 491510000999), 0);
    v = add(r, 491510000100, 0, T0);
    assert_int_equal(v.codes, 10);
    assert_int_equal(v.conversions, 4);
    v = add(r, 491510000100, 0, T0 + 3600000);
    assert_int_equal(v.codes, 5);
    assert_int_equal(v.conversions, 2);
    ranges_free(r);
}

/* A limit holds for all threads together. */
struct race {
    struct slots *slots;
    struct sketch *sketch;
    _Atomic int passed;
};

static void *race_one(void *arg)
{
    struct race *r = arg;
    for (int i = 0; i < 20000; i++) {
        if (slots_window(r->slots, 1, key(1), T0, 500, 600000) == 0)
            atomic_fetch_add(&r->passed, 1);
        sketch_count(r->sketch, key((uint64_t)i % 7), T0 + i, 1);
    }
    return NULL;
}

static void threads_share_a_limit(void **state)
{
    struct race r = { slots_create(1000, 0), sketch_create(SKETCH_COUNT, 5000), 0 };
    pthread_t threads[4];
    (void)state;
    for (int i = 0; i < 4; i++)
        pthread_create(&threads[i], NULL, race_one, &r);
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(r.passed, 500);
    slots_free(r.slots);
    sketch_unref(r.sketch);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_bucket_refills),
        cmocka_unit_test(money_is_capped),
        cmocka_unit_test(a_window_slides),
        cmocka_unit_test(first_times_are_kept),
        cmocka_unit_test(tenants_have_their_part),
        cmocka_unit_test(counts_are_never_too_few),
        cmocka_unit_test(distinct_values_are_counted),
        cmocka_unit_test(heavy_keys_are_found),
        cmocka_unit_test(runs_are_found_in_any_order),
        cmocka_unit_test(usual_volume_is_learnt),
        cmocka_unit_test(conversions_come_back),
        cmocka_unit_test(threads_share_a_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
