/* SPDX-License-Identifier: Apache-2.0
 * The table of metrics: which names and labels the loader takes, and into what it splits them.
 */
#include "stub.h"

static void on_items(const wf_host *h, wf_item *const *items, size_t n)
{
    (void)h;
    (void)items;
    (void)n;
}

static wf_node good_node(const wf_metric *metrics)
{
    return (wf_node){
        .type = "catalyst.count", .help = "Counts", .process = on_items, .metrics = metrics
    };
}

static wf_plugin good_plugin(const wf_node *node)
{
    return (wf_plugin){ WF_PLUGIN_SIZES, .name = "count", .version = "1.0.0", .nodes = node,
                        .n_nodes = 1 };
}

static void refuse_metrics(const char *one, const char *two, const char *message)
{
    wf_metric metrics[] = { { WF_COUNTER, one, "", "" },
                            { WF_GAUGE, two, "", "" },
                            { 0, NULL, NULL, NULL } };
    wf_node node = good_node(metrics);
    wf_plugin entry = good_plugin(&node);
    struct plugin_set *set = plugin_set_create();
    struct err err = { 0 };
    assert_int_equal(plugin_set_add(set, &entry, NULL, &err), -1);
    if (!strstr(err.text, message))
        fail_msg("'%s' is not in '%s'", message, err.text);
    plugin_set_destroy(set);
}

#define LABELS_ARE                                                                                 \
    "labels are {key=\"value\",..} with each key once, values without \\ and none of worker, "     \
    "workflow, node, le, __*"

static void metrics_are_checked(void **state)
{
    (void)state;
    static const char *const bad[] = { "x{}",
                                       "x{a}",
                                       "x{a=b}",
                                       "x{a=\"b}",
                                       "x{a=\"b\"",
                                       "x{a=\"\\\"}",
                                       "x{a=\"b\",}",
                                       "x{a=\"b\"}y",
                                       "x{1=\"b\"}",
                                       "x{=\"b\"}",
                                       "x{a=\"1\",a=\"2\"}",
                                       "x{le=\"1\"}",
                                       "x{node=\"1\"}",
                                       "x{__a=\"1\"}",
                                       "x{a=\"\n\"}",
                                       "x{" };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char message[300];
        snprintf(message, sizeof message, "metric '%s': " LABELS_ARE, bad[i]);
        refuse_metrics(bad[i], NULL, message);
    }
    refuse_metrics("", NULL, "metric '': kind or name is wrong (letters, digits and _)");
    refuse_metrics("a-b", NULL, "metric 'a-b': kind or name is wrong (letters, digits and _)");
    refuse_metrics("{a=\"b\"}", NULL,
                   "metric '{a=\"b\"}': kind or name is wrong (letters, digits and _)");
    refuse_metrics("a", "a", "metric 'a' is there twice");
    refuse_metrics("a{k=\"1\"}", "a{k=\"2\"}", "metric 'a{k=\"2\"}' is of two kinds");
}

static void metrics_with_labels_load(void **state)
{
    (void)state;
    static const wf_metric metrics[] = { { WF_COUNTER, "x_total{verdict=\"no, not\"}", "", "" },
                                         { WF_COUNTER, "x_total{verdict=\"pass\",b=\"\"}", "", "" },
                                         { 0, NULL, NULL, NULL } };
    wf_node node = good_node(metrics);
    wf_plugin entry = good_plugin(&node);
    struct plugin_set *set = plugin_set_create();
    struct err err = { 0 };
    assert_int_equal(plugin_set_add(set, &entry, NULL, &err), 0);
    const struct node_type *type = plugin_node_at(set, 0);
    assert_int_equal(type->n_metrics, 2);
    struct metric_name name = metric_name_split(type->node.metrics[0].name);
    assert_int_equal(name.base.len, 7);
    assert_int_equal(name.labels.len, 17);
    assert_memory_equal(name.labels.ptr, "verdict=\"no, not\"", 17);
    assert_int_equal(metric_name_split("plain").labels.len, 0);
    plugin_set_destroy(set);
}

static void a_table_has_an_end(void **state)
{
    (void)state;
    static char names[1025][16];
    static wf_metric rows[1026];
    for (int i = 0; i < 1025; i++) {
        snprintf(names[i], sizeof names[i], "n%d", i);
        rows[i] = (wf_metric){ WF_COUNTER, names[i], NULL, NULL };
    }
    wf_node node = good_node(rows);
    wf_plugin entry = good_plugin(&node);
    struct plugin_set *set = plugin_set_create();
    struct err err = { 0 };
    assert_int_equal(plugin_set_add(set, &entry, NULL, &err), -1);
    assert_non_null(strstr(err.text, "more than 1024 metrics"));
    rows[1024].name = NULL;
    assert_int_equal(plugin_set_add(set, &entry, NULL, &err), 0);
    assert_int_equal(plugin_node_at(set, 0)->n_metrics, 1024);
    plugin_set_destroy(set);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(metrics_are_checked),
        cmocka_unit_test(metrics_with_labels_load),
        cmocka_unit_test(a_table_has_an_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
