/* SPDX-License-Identifier: Apache-2.0
 * The memory of recent messages against a plain list: what it finds, what it forgets, and that the
 * time it tells covers all that it forgot.
 */
#include "whole.h"

enum { NOW_MS = 1700000000 };

static uint64_t key_at(uint64_t i)
{
    return (i + 1) * 0x9e3779b97f4a7c15u >> (i & 7 ? 20 : 0); /* some crowd into the same slots */
}

static void the_oldest_makes_room(void **state)
{
    (void)state;
    struct worker w = { 0 };
    holds_open(&w);
    for (uint64_t i = 0; i < HOLDS; i++)
        hold_add(&w, key_at(i), (int64_t)i + 1, NOW_MS)->amount_micro = (int64_t)i;
    assert_int_equal(w.forgot_us, 0);
    for (uint64_t i = HOLDS; i < HOLDS * 5 / 2; i++) {
        assert_null(hold_find(&w, key_at(i)));
        hold_add(&w, key_at(i), (int64_t)i + 1, NOW_MS)->amount_micro = (int64_t)i;
        assert_int_equal(w.forgot_us, i - HOLDS + 1);
    }
    for (uint64_t i = 0; i < HOLDS * 5 / 2; i++) {
        struct hold *hold = hold_find(&w, key_at(i));
        if (i < HOLDS * 3 / 2)
            assert_null(hold);
        else
            assert_int_equal(hold->amount_micro, i);
    }
    size_t used = 0;
    for (size_t i = 0; i < SLOTS; i++)
        used += w.hold_slots[i] != 0;
    assert_int_equal(used, HOLDS);
    holds_close(&w);
}

static void times_to_come_do_not_count(void **state)
{
    (void)state;
    struct worker w = { 0 };
    int64_t now_us = (int64_t)NOW_MS * 1000;
    holds_open(&w);
    assert_true(is_ahead(now_us + 6000000, NOW_MS));
    assert_false(is_ahead(now_us + 4000000, NOW_MS));
    hold_add(&w, 1, now_us + 3600000000, NOW_MS);
    assert_int_equal(w.front_us, now_us);
    hold_add(&w, 2, now_us - 5, NOW_MS);
    hold_forget(&w, hold_find(&w, 1));
    assert_null(hold_find(&w, 1));
    assert_int_equal(w.forgot_us, 0);
    hold_forget(&w, hold_find(&w, 2));
    assert_int_equal(w.forgot_us, now_us - 5);
    holds_close(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_oldest_makes_room),
        cmocka_unit_test(times_to_come_do_not_count),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
