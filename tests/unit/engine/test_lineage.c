/* SPDX-License-Identifier: Apache-2.0
 * $('X').item and its kin: which earlier item an item came from.
 */
#include "harness.h"

#define NOTE(name, expr) N(name, "note", 9, 0, P("\"text\":\"={{ " expr " }}\""))

static void item_through_if_and_fan_out(void **state)
{
    (void)state;
    rig_flow(
        V1,
        N("If", "if", 1, 0, P("\"field\":\"yes\"")) "," N("F", "fan", 2, 0, P("\"n\":2")) "," NOTE(
            "Z", "$('In').item.json.id + '/' + $('F').item.json.i"),
        E("In", TO1("If")) "," E("If", TO1("F")) "," E("F", TO1("Z")));
    send_message("[{\"id\":1},{\"id\":2,\"yes\":1},{\"id\":3,\"yes\":1}]");
    expect_seen("If If If 2/0 2/1 3/0 3/1 ");
}

#define MERGE_FLOW(expr)                                                                           \
    N("A", "fan", 1, 0, P("\"n\":1"))                                                              \
    "," N("B", "fan", 1, 9, P("\"n\":1")) "," N("M", "merge", 2, 0, "") "," NOTE("Z", expr)
#define MERGE_EDGES                                                                                \
    E("In", "[" TO("A", 0) "," TO("B", 0) "]")                                                     \
    "," E("A", TO1("M")) "," E("B", "[" TO("M", 1) "]") "," E("M", TO1("Z"))

static void item_through_merge(void **state)
{
    (void)state;
    rig_flow(V1, MERGE_FLOW("$('In').item.json.id"), MERGE_EDGES);
    send_message("[{\"id\":1},{\"id\":2}]");
    expect_seen("M(2,2) 1 2 1 2 ");
}

static void node_of_the_other_branch_is_missing(void **state)
{
    (void)state;
    rig_flow(V1, MERGE_FLOW("$('A').item.json.i"), MERGE_EDGES);
    send_message("{\"id\":1}");
    expect_failed("Z", "no item of node 'A' leads to this item");
}

#define COUNT_FLOW(expr) N("C", "count", 1, 0, "") "," NOTE("Z", expr)
#define COUNT_EDGES      E("In", TO1("C")) "," E("C", TO1("Z"))

static void many_parents_are_ambiguous(void **state)
{
    (void)state;
    rig_flow(V1, COUNT_FLOW("$('In').item.json.id"), COUNT_EDGES);
    send_message("{\"id\":1}");
    expect_seen("C 1 ");
    send_message("[{\"id\":1},{\"id\":2}]");
    expect_failed("Z", "several items of node 'In'");
}

static void several_ways_to_one_item_are_not_ambiguous(void **state)
{
    (void)state;
    rig_flow(V1,
             N("F", "fan", 1, 0, P("\"n\":3")) "," N("C", "count", 2, 0,
                                                     "") "," NOTE("Z", "$('In').item.json.id"),
             E("In", TO1("F")) "," E("F", TO1("C")) "," E("C", TO1("Z")));
    send_message("{\"id\":7}");
    expect_seen("C 7 ");
}

static void first_last_all(void **state)
{
    (void)state;
    rig_flow(
        V1,
        COUNT_FLOW(
            "$('In').first().json.id + '-' + $('In').last().json.id + '-' + $('In').all().length"),
        COUNT_EDGES);
    send_message("[{\"id\":1},{\"id\":2},{\"id\":3}]");
    expect_seen("C 1-3-3 ");
}

static void run_index_names_an_earlier_run(void **state)
{
    (void)state;
    rig_flow(V1,
             N("L", "loop", 1, 0, "") "," NOTE("Z",
                                               "$('L').first(0, 0).json.n + '/' + $('L').first(0, "
                                               "1).json.n + '/' + $('L').last(1).json.n"),
             E("In", TO1("L")) "," E("L", TO1("L") "," TO1("Z")));
    send_message("{\"n\":2}");
    expect_seen("2 1 0 1/0/-1 ");
}

/* The nearest pass counts. */
static void item_through_a_loop(void **state)
{
    (void)state;
    rig_flow(V1,
             N("L", "loop", 1, 0, "") "," N("P", "pass", 2, 0, "") "," NOTE(
                 "Z", "$('P').item.json.n + '/' + $('In').item.json.n"),
             E("In", TO1("L")) "," E("L", TO1("P") "," TO1("Z")) "," E("P", TO1("L")));
    send_message("{\"n\":3}");
    expect_seen("3 P 2 P 1 P 0 0/3 ");
}

/* The empty item of alwaysOutputData came from all inputs of its node. */
static void item_through_always_output_data(void **state)
{
    (void)state;
    rig_flow(V1,
             N("F", "fan", 1, 0, ",\"alwaysOutputData\":true" P("\"n\":0")) "," N(
                 "P", "pass", 2, 0, "") "," NOTE("Z", "$('In').item.json.id"),
             E("In", TO1("F")) "," E("F", TO1("P")) "," E("P", TO1("Z")));
    send_message("{\"id\":5}");
    expect_seen("P 5 ");
}

/* Each node doubles the ways back: the search must go to each item once, not each way. */
static void many_ways_back_are_searched_once(void **state)
{
    (void)state;
    enum { DEPTH = 40 };
    struct strbuf nodes, edges;
    strbuf_init(&nodes, 1u << 16);
    strbuf_init(&edges, 1u << 16);
    strbuf_adds(&nodes, NOTE("Z", "$('In').item.json.id"));
    strbuf_adds(&edges, E("In", TO1("S0")));
    for (int i = 0; i < DEPTH; i++) {
        strbuf_addf(&nodes, ",{\"name\":\"S%d\",\"type\":\"test.spread\",\"position\":[%d,0]}", i,
                    i);
        strbuf_addf(&edges,
                    ",\"S%d\":{\"main\":[[{\"node\":\"%c%.0d\",\"type\":\"main\",\"index\":0}]]}",
                    i, i + 1 < DEPTH ? 'S' : 'Z', i + 1 < DEPTH ? i + 1 : 0);
    }
    rig_flow(V1, nodes.ptr, edges.ptr);
    send_message("{\"id\":8}");
    expect_seen("8 8 ");
    strbuf_fini(&nodes);
    strbuf_fini(&edges);
}

static void previous_node_and_index(void **state)
{
    (void)state;
    rig_flow(V1,
             N("If", "if", 1, 0, P("\"field\":\"yes\"")) "," NOTE(
                 "Z", "$prevNode.name + $prevNode.outputIndex + ':' + $itemIndex"),
             E("In", TO1("If")) "," E("If", "[]," TO1("Z")));
    send_message("[{},{}]");
    expect_seen("If If If1:0 If1:1 ");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(item_through_if_and_fan_out),
        TEST(item_through_merge),
        TEST(node_of_the_other_branch_is_missing),
        TEST(many_parents_are_ambiguous),
        TEST(several_ways_to_one_item_are_not_ambiguous),
        TEST(first_last_all),
        TEST(run_index_names_an_earlier_run),
        TEST(item_through_a_loop),
        TEST(item_through_always_output_data),
        TEST(many_ways_back_are_searched_once),
        TEST(previous_node_and_index),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
