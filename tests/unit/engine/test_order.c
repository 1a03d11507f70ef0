/* SPDX-License-Identifier: Apache-2.0
 * In which order nodes run: v1 and legacy, merges, loops, node flags, frames larger than a call.
 */
#include "harness.h"

/* In leads to B and A (in that order of the text); each has one behind it. A stands above B. */
#define FORK                                                                                       \
    N("B", "pass", 1, 200, "")                                                                     \
    "," N("A", "pass", 1, 100, "") "," N("B2", "pass", 2, 200, "") "," N("A2", "pass", 2, 100, "")
#define FORK_EDGES                                                                                 \
    E("In", "[" TO("B", 0) "," TO("A", 0) "]") "," E("A", TO1("A2")) "," E("B", TO1("B2"))

static void v1_is_depth_first_from_the_top(void **state)
{
    (void)state;
    rig_flow(V1, FORK, FORK_EDGES);
    send_message("{}");
    expect_seen("A A2 B B2 ");
    assert_int_equal(succeeded(), 1);
}

static void v1_takes_the_leftmost_of_one_height(void **state)
{
    (void)state;
    rig_flow(V1, N("R", "pass", 300, 10, "") "," N("L", "pass", 200, 10, ""),
             E("In", "[" TO("R", 0) "," TO("L", 0) "]"));
    send_message("{}");
    expect_seen("L R ");
}

static void legacy_is_breadth_first_as_written(void **state)
{
    (void)state;
    rig_flow("", FORK, FORK_EDGES);
    send_message("{}");
    expect_seen("B A B2 A2 ");
}

static void output_without_items_starts_nothing(void **state)
{
    (void)state;
    rig_flow(V1,
             N("If", "if", 1, 0, P("\"field\":\"yes\"")) "," N("T", "pass", 2, 0,
                                                               "") "," N("F", "pass", 2, 9, ""),
             E("In", TO1("If")) "," E("If", TO1("T") "," TO1("F")));
    send_message("{\"yes\":true}");
    send_message("{\"yes\":false}");
    expect_seen("If T If F ");
}

#define MERGE(type)                                                                                \
    N("A", "pass", 1, 0, "")                                                                       \
    "," N("B", "pass", 1, 9, "") "," N("M", type, 2, 0, "") "," N("Z", "pass", 3, 0, "")
#define MERGE_EDGES                                                                                \
    E("In", "[" TO("A", 0) "," TO("B", 0) "]")                                                     \
    "," E("A", "[" TO("M", 0) "]") "," E("B", "[" TO("M", 1) "]") "," E("M", TO1("Z"))

static void merge_waits_for_both_inputs(void **state)
{
    (void)state;
    rig_flow(V1, MERGE("merge"), MERGE_EDGES);
    send_message("{}");
    expect_seen("A B M(1,1) Z Z ");
}

/* Only one side of the if has items: the merge is let go when nothing else can run. */
#define ONE_SIDE(type)                                                                             \
    N("If", "if", 1, 0, P("\"field\":\"yes\""))                                                    \
    "," N("A", "pass", 2, 0, "") "," N("B", "pass", 2, 9, "") "," N("M", type, 3, 0, "") "," N(    \
        "C", "pass", 2, 99, "")
#define ONE_SIDE_EDGES                                                                             \
    E("In", "[" TO("If", 0) "," TO("C", 0) "]")                                                    \
    "," E("If", TO1("A") "," TO1("B")) "," E("A", "[" TO("M", 0) "]") "," E("B", "[" TO("M", 1) "]")

static void merge_is_released_when_the_stack_is_dry(void **state)
{
    (void)state;
    rig_flow(V1, ONE_SIDE("merge"), ONE_SIDE_EDGES);
    send_message("{\"yes\":true}");
    expect_seen("If A C M(1,0) ");
    clear_text(&seen.text);
    send_message("{\"yes\":false}");
    expect_seen("If B C M(0,1) ");
}

static void node_that_needs_all_inputs_never_runs_without(void **state)
{
    (void)state;
    rig_flow(V1, ONE_SIDE("join"), ONE_SIDE_EDGES);
    send_message("{\"yes\":true}");
    expect_seen("If A C ");
    assert_int_equal(succeeded(), 1);
}

static void input_that_no_edge_reaches_is_not_waited_for(void **state)
{
    (void)state;
    rig_flow(V1, N("M", "join", 1, 0, ""), E("In", "[" TO("M", 1) "]"));
    send_message("{}");
    expect_seen("M(0,1) ");
}

static void node_with_two_ways_to_it_runs_twice(void **state)
{
    (void)state;
    rig_flow(V1,
             N("A", "pass", 1, 0, "") "," N("B", "pass", 1, 9, "") "," N(
                 "Z", "note", 2, 0, P("\"text\":\"=run{{ $runIndex }}\"")),
             E("In", "[" TO("A", 0) "," TO("B", 0) "]") "," E("A", TO1("Z")) "," E("B", TO1("Z")));
    send_message("{}");
    expect_seen("A run0 B run1 ");
}

static void merge_runs_again_when_both_sides_come_twice(void **state)
{
    (void)state;
    rig_flow(V1,
             N("A", "pass", 1, 0, "") "," N("B", "pass", 1, 5, "") "," N(
                 "C", "pass", 1, 9, "") "," N("M", "merge", 2, 0, ""),
             E("In", "[" TO("A", 0) "," TO("B", 0) "," TO("C", 0) "]") "," E("A", TO1("M")) "," E(
                 "B", TO1("M")) "," E("C", "[" TO("M", 1) "]"));
    send_message("{}");
    expect_seen("A B C M(1,1) M(1,0) ");
}

#define LOOP       N("L", "loop", 1, 0, "") "," N("Z", "pass", 2, 9, "")
#define LOOP_EDGES E("In", TO1("L")) "," E("L", TO1("L") "," TO1("Z"))

static void loop_runs_until_it_leaves(void **state)
{
    (void)state;
    rig_flow(V1, LOOP, LOOP_EDGES);
    send_message("{\"n\":3}");
    expect_seen("3 2 1 0 Z ");
    assert_int_equal(succeeded(), 1);
}

static void endless_loop_is_stopped_by_max_node_runs(void **state)
{
    (void)state;
    rig_flow(V1 ",\"maxNodeRuns\":5", LOOP, LOOP_EDGES);
    send_message("{\"n\":100}");
    expect_seen("100 99 98 97 96 ");
    expect_failed("L", "maxNodeRuns");
}

static void execute_once_takes_the_first_item_of_each_input(void **state)
{
    (void)state;
    rig_flow(V1,
             N("A", "pass", 1, 0, ",\"executeOnce\":true") "," N("C", "count", 2, 0, "") "," N(
                 "Z", "note", 3, 0, P("\"text\":\"={{ $json.count }}\"")),
             E("In", TO1("A")) "," E("A", TO1("C")) "," E("C", TO1("Z")));
    send_message("[{\"i\":0},{\"i\":1},{\"i\":2}]");
    expect_seen("A C 1 ");
}

static void always_output_data_gives_one_empty_item(void **state)
{
    (void)state;
    rig_flow(
        V1,
        N("F", "fan", 1, 0, ",\"alwaysOutputData\":true" P("\"n\":0")) "," N(
            "C", "count", 2, 0, "") "," N("Z", "note", 3, 0, P("\"text\":\"={{ $json.count }}\"")),
        E("In", TO1("F")) "," E("F", TO1("C")) "," E("C", TO1("Z")));
    send_message("[{},{}]");
    expect_seen("C 1 ");
}

static void node_without_output_items_ends_the_branch(void **state)
{
    (void)state;
    rig_flow(V1, N("F", "fan", 1, 0, P("\"n\":0")) "," N("Z", "pass", 2, 0, ""),
             E("In", TO1("F")) "," E("F", TO1("Z")));
    send_message("{}");
    expect_seen("");
    assert_int_equal(succeeded(), 1);
}

static void disabled_node_hands_its_first_input_on(void **state)
{
    (void)state;
    rig_flow(V1,
             N("D", "fail", 1, 0, ",\"disabled\":true" P("\"field\":\"x\"")) "," N("Z", "pass", 2,
                                                                                   0, ""),
             E("In", TO1("D")) "," E("D", TO1("Z")));
    send_message("{\"x\":true}");
    expect_seen("Z ");
}

static void fan_out_larger_than_a_frame(void **state)
{
    (void)state;
    rig_flow(
        V1,
        N("F", "fan", 1, 0, P("\"n\":\"={{ $json.n }}\"")) "," N(
            "D", "fan", 2, 0, P("\"n\":1")) "," N("C", "count", 3, 0,
                                                  "") "," N("Z", "note", 4, 0,
                                                            P("\"text\":\"={{ $json.count }}\"")),
        E("In", TO1("F")) "," E("F", TO1("D")) "," E("D", TO1("C")) "," E("C", TO1("Z")));
    send_message("{\"n\":5000}");
    send_message("{\"n\":1024}");
    send_message("{\"n\":1025}");
    expect_seen("C 5000 C 1024 C 1025 ");
    assert_int_equal(succeeded(), 3);
}

static void executions_share_a_frame(void **state)
{
    (void)state;
    rig_flow(V1, N("A", "pass", 1, 0, ""), E("In", TO1("A")));
    for (int i = 0; i < 2000; i++)
        send_to(rig.lane, "{}");
    rig_run();
    assert_int_equal(succeeded(), 2000);
    const struct node_counters *c = engine_node_counters(rig.ep, 1);
    assert_int_equal(c->items, 2000);
    assert_int_equal(c->calls, 2);
}

static void positions_seen_before_are_dropped(void **state)
{
    (void)state;
    rig_flow(V1, N("A", "pass", 1, 0, ""), E("In", TO1("A")));
    send_message("{}");
    rig.position = 0;
    send_message("{}");
    expect_seen("A ");
    assert_int_equal(rig.freed, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(v1_is_depth_first_from_the_top),
        TEST(v1_takes_the_leftmost_of_one_height),
        TEST(legacy_is_breadth_first_as_written),
        TEST(output_without_items_starts_nothing),
        TEST(merge_waits_for_both_inputs),
        TEST(merge_is_released_when_the_stack_is_dry),
        TEST(node_that_needs_all_inputs_never_runs_without),
        TEST(input_that_no_edge_reaches_is_not_waited_for),
        TEST(node_with_two_ways_to_it_runs_twice),
        TEST(merge_runs_again_when_both_sides_come_twice),
        TEST(loop_runs_until_it_leaves),
        TEST(endless_loop_is_stopped_by_max_node_runs),
        TEST(execute_once_takes_the_first_item_of_each_input),
        TEST(always_output_data_gives_one_empty_item),
        TEST(node_without_output_items_ends_the_branch),
        TEST(disabled_node_hands_its_first_input_on),
        TEST(fan_out_larger_than_a_frame),
        TEST(executions_share_a_frame),
        TEST(positions_seen_before_are_dropped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
