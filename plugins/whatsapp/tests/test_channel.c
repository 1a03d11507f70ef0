/* SPDX-License-Identifier: Apache-2.0
 * catalyst/channel.h: names, and that no order of callbacks changes what is known of a message.
 */
#include <catalyst/channel.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

static void test_names(void **state)
{
    (void)state;
    static const char *const states[] = { "accepted", "sent",    "delivered", "read",
                                          "rejected", "expired", "failed" };
    for (unsigned i = 0; i < 7; i++) {
        assert_string_equal(wf_state_name((enum wf_state)(i + 1)), states[i]);
        assert_int_equal(wf_state_of(states[i], strlen(states[i])), i + 1);
        assert_int_equal(wf_state_is_final((enum wf_state)(i + 1)), i >= 4);
    }
    assert_int_equal(wf_state_of("sen", 3), 0);
    assert_int_equal(wf_state_of("sent ", 5), 0);
    assert_int_equal(wf_state_of("", 0), 0);
    assert_int_equal(wf_state_of(NULL, 0), 0);
    assert_int_equal(wf_state_is_final((enum wf_state)0), 0);
    assert_string_equal(wf_state_name((enum wf_state)99), "");
    assert_string_equal(wf_outcome_name(WF_OUTCOME_DEFERRED), "deferred");
    assert_string_equal(wf_outcome_name(WF_OUTCOME_UNKNOWN), "unknown");
    assert_string_equal(wf_outcome_name((enum wf_outcome)5), "");
    assert_string_equal(wf_class_name(WF_CLASS_THROTTLE), "throttle");
    assert_string_equal(wf_class_name(WF_CLASS_PERMANENT_ACCOUNT), "permanent-account");
    assert_string_equal(wf_class_name(WF_CLASS_WINDOW_CLOSED), "window-closed");
    assert_string_equal(wf_class_name((enum wf_class)7), "");
}

static void test_order(void **state)
{
    (void)state;
    struct wf_status s = { 0 };
    assert_int_equal(wf_status_merge(&s, WF_STATE_DELIVERED, 300), 1);
    assert_int_equal(wf_status_merge(&s, WF_STATE_SENT, 200), 0);
    assert_int_equal(s.state, WF_STATE_DELIVERED);
    assert_int_equal(s.at_ms[WF_STATE_SENT], 200);
    assert_int_equal(wf_status_merge(&s, WF_STATE_DELIVERED, 310), 0);
    assert_int_equal(s.at_ms[WF_STATE_DELIVERED], 300);
    assert_int_equal(wf_status_merge(&s, WF_STATE_FAILED, 0), 1);
    assert_int_equal(wf_status_merge(&s, WF_STATE_READ, 400), 0);
    assert_int_equal(s.state, WF_STATE_FAILED);
    assert_true(wf_status_has(&s, WF_STATE_READ));
    assert_false(wf_status_has(&s, WF_STATE_EXPIRED));
    assert_int_equal(wf_status_merge(&s, WF_STATE_FAILED, 500), 0);
    assert_int_equal(s.at_ms[WF_STATE_FAILED], 500);
}

static void test_no_state(void **state)
{
    (void)state;
    struct wf_status s = { 0 }, nothing = { 0 };
    assert_int_equal(wf_status_merge(&s, (enum wf_state)0, 1), 0);
    assert_int_equal(wf_status_merge(&s, (enum wf_state)8, 1), 0);
    assert_int_equal(wf_status_merge(&s, (enum wf_state) - 1, 1), 0);
    assert_memory_equal(&s, &nothing, sizeof s);
    assert_int_equal(wf_status_has(&s, (enum wf_state)77), 0);
}

/* --- random orders ---------------------------------------------------------------------------- */

struct callback {
    enum wf_state state;
    int64_t at_ms;
};

static uint64_t seed = 0x9e3779b97f4a7c15u;

static unsigned dice(unsigned n)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return (unsigned)(seed % n);
}

static void shuffle(struct callback *list, unsigned n)
{
    for (unsigned i = n; i > 1; i--) {
        unsigned k = dice(i);
        struct callback other = list[k];
        list[k] = list[i - 1];
        list[i - 1] = other;
    }
}

/* Applies them; a rank never falls on the way, and "moved" is told exactly when it grew. */
static struct wf_status apply(const struct callback *list, unsigned n)
{
    struct wf_status s = { 0 };
    for (unsigned i = 0; i < n; i++) {
        enum wf_state before = s.state;
        int moved = wf_status_merge(&s, list[i].state, list[i].at_ms);
        assert_true(s.state >= before);
        assert_int_equal(moved, s.state > before);
    }
    return s;
}

static void test_random_orders(void **state)
{
    (void)state;
    for (int round = 0; round < 20000; round++) {
        struct callback list[24];
        unsigned n = 1 + dice(12), cut;
        for (unsigned i = 0; i < n; i++)
            list[i] = (struct callback){ (enum wf_state)(1 + dice(7)), dice(5) };
        struct wf_status first = apply(list, n), a, b;
        for (unsigned i = 0; i < n; i++)
            list[n + i] = list[dice(n)]; /* redelivered */
        shuffle(list, 2 * n);
        a = apply(list, 2 * n);
        assert_memory_equal(&a, &first, sizeof a);
        cut = dice(2 * n); /* two halves that meet later, either way round */
        a = apply(list, cut);
        b = apply(list + cut, 2 * n - cut);
        struct wf_status other = b;
        wf_status_join(&b, &a);
        wf_status_join(&a, &other);
        assert_memory_equal(&a, &first, sizeof a);
        assert_memory_equal(&b, &first, sizeof b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_order),
        cmocka_unit_test(test_no_state),
        cmocka_unit_test(test_random_orders),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
