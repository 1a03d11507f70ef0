/* SPDX-License-Identifier: Apache-2.0
 * engine_young(), engine_take_room(): what a commit may wait for, and how much is taken meanwhile.
 */
#include "harness.h"

#define PARKS N("P", "park", 1, 0, "")

static void send_messages(int n)
{
    for (int i = 0; i < n; i++)
        send_message("{}");
}

static void wake_all(void)
{
    for (unsigned i = 0; i < seen.n_tickets; i++)
        engine_woken(rig.en, seen.tickets[i], wake_fn(), STR("x"));
    seen.n_tickets = 0;
    rig_run();
}

/* Few that end are not worth waiting for; with enough of them, those on their way count. */
static void counts_what_no_commit_has_seen(void **state)
{
    (void)state;
    rig_flow(V1, PARKS, E("In", TO1("P")));
    send_messages(50);
    assert_int_equal(engine_young(rig.en), 0); /* none has ended: nothing to commit for */
    wake_all();
    assert_int_equal(engine_young(rig.en), 0); /* and now none is left */
    send_messages(7);
    assert_int_equal(engine_young(rig.en), 7);
    assert_true(commit_start());
    assert_int_equal(engine_young(rig.en), 0); /* it is on its way: too late to wait */
    assert_int_equal(rig.turn->n_execs, 7);    /* a row for each */
    commit_ok();
    send_messages(3);
    wake_all();
    send_messages(40);
    wake_all();
    assert_int_equal(engine_young(rig.en), 0);
    commit();
}

/* What ended before the commit costs no row. */
static void who_ends_in_time_gets_no_row(void **state)
{
    (void)state;
    rig_flow(V1, PARKS, E("In", TO1("P")));
    send_messages(40);
    wake_all();
    send_messages(5);
    assert_int_equal(engine_young(rig.en), 5);
    wake_all();
    assert_true(commit_start());
    assert_int_equal(rig.turn->n_execs, 0);
    commit_ok();
}

static void no_more_are_taken_than_a_commit_waits_for(void **state)
{
    (void)state;
    rig_flow(V1, PARKS, E("In", TO1("P")));
    size_t room = engine_take_room(rig.en);
    assert_true(room < engine_room(rig.en));
    send_messages(10);
    assert_int_equal(engine_take_room(rig.en), room - 10);
    commit();
    assert_int_equal(engine_take_room(rig.en), room); /* they have rows now */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(counts_what_no_commit_has_seen),
        TEST(who_ends_in_time_gets_no_row),
        TEST(no_more_are_taken_than_a_commit_waits_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
