/* SPDX-License-Identifier: Apache-2.0
 * Metrics of plugins as Prometheus text: names, kinds, labels, units, histograms, several workers.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "admin/families.h"

/* A node whose table is counted and written. */
struct rig {
    struct node_type type;
    struct metric_cell *cells;
    struct families families;
    struct strbuf text;
};

static void rig_open(struct rig *r, const wf_metric *rows)
{
    *r = (struct rig){ .type.node.metrics = rows };
    while (rows[r->type.n_metrics].name)
        r->type.n_metrics++;
    r->cells = metric_cells_create(&r->type);
    strbuf_init(&r->text, 1 << 20);
}

static void rig_count(struct rig *r, unsigned metric, int64_t by)
{
    metric_count(&r->cells[metric], by);
}

static void rig_add(struct rig *r, const char *labels)
{
    for (unsigned i = 0; i < r->type.n_metrics; i++)
        families_add(&r->families, &r->type.node.metrics[i], &r->cells[i], labels);
}

static const char *rig_text(struct rig *r)
{
    struct families *parts[] = { &r->families };
    families_write(&r->text, parts, 1);
    return r->text.len ? r->text.ptr : "";
}

static void rig_close(struct rig *r)
{
    families_fini(&r->families);
    strbuf_fini(&r->text);
    free(r->cells);
}

static void expect(const char *text, const char *part)
{
    if (!strstr(text, part))
        fail_msg("'%s' is not in\n%s", part, text);
}

static void expect_not(const char *text, const char *part)
{
    if (strstr(text, part))
        fail_msg("'%s' is in\n%s", part, text);
}

static void counters_and_gauges(void **state)
{
    (void)state;
    static const wf_metric rows[] = {
        { WF_COUNTER, "sent", NULL, "Messages sent" },
        { WF_COUNTER, "seen_total", "items", NULL },
        { WF_GAUGE, "queued", NULL, "Waiting,\nin C:\\q" },
        { 0, NULL, NULL, NULL },
    };
    struct rig r;
    rig_open(&r, rows);
    rig_count(&r, 0, 2);
    rig_count(&r, 0, 3);
    rig_count(&r, 1, INT64_C(9007199254740993));
    rig_count(&r, 2, 7);
    rig_count(&r, 2, 4);
    rig_add(&r, "node=\"a\"");
    assert_string_equal(rig_text(&r), "# HELP catalyst_sent_total Messages sent\n"
                                      "# TYPE catalyst_sent_total counter\n"
                                      "catalyst_sent_total{node=\"a\"} 5\n"
                                      "# HELP catalyst_seen_total seen_total (items)\n"
                                      "# TYPE catalyst_seen_total counter\n"
                                      "catalyst_seen_total{node=\"a\"} 9007199254740993\n"
                                      "# HELP catalyst_queued Waiting,\\nin C:\\\\q\n"
                                      "# TYPE catalyst_queued gauge\n"
                                      "catalyst_queued{node=\"a\"} 4\n");
    rig_close(&r);
}

static void labels_are_escaped(void **state)
{
    (void)state;
    struct strbuf b;
    strbuf_init(&b, 1000);
    families_label(&b, "node", "a\"b\\c\nd");
    assert_string_equal(b.ptr, "node=\"a\\\"b\\\\c\\nd\"");
    strbuf_fini(&b);
}

static void rows_with_labels_are_one_family(void **state)
{
    (void)state;
    static const wf_metric rows[] = {
        { WF_COUNTER, "verdict_total{verdict=\"pass\"}", NULL, "Verdicts: it went on" },
        { WF_COUNTER, "verdict_total{verdict=\"drop\",why=\"a, b\"}", NULL, "Verdicts: not" },
        { WF_COUNTER, "other_total", NULL, "Not cut: here" },
        { 0, NULL, NULL, NULL },
    };
    struct rig r;
    rig_open(&r, rows);
    rig_count(&r, 1, 3);
    rig_add(&r, "node=\"a\"");
    rig_add(&r, "node=\"b\"");
    assert_string_equal(rig_text(&r),
                        "# HELP catalyst_verdict_total Verdicts\n"
                        "# TYPE catalyst_verdict_total counter\n"
                        "catalyst_verdict_total{node=\"a\",verdict=\"pass\"} 0\n"
                        "catalyst_verdict_total{node=\"a\",verdict=\"drop\",why=\"a, b\"} 3\n"
                        "catalyst_verdict_total{node=\"b\",verdict=\"pass\"} 0\n"
                        "catalyst_verdict_total{node=\"b\",verdict=\"drop\",why=\"a, b\"} 3\n"
                        "# HELP catalyst_other_total Not cut: here\n"
                        "# TYPE catalyst_other_total counter\n"
                        "catalyst_other_total{node=\"a\"} 0\n"
                        "catalyst_other_total{node=\"b\"} 0\n");
    rig_close(&r);
}

/* --- histograms ------------------------------------------------------------------------------- */

static void histogram_of_times(void **state)
{
    (void)state;
    static const wf_metric rows[] = {
        { WF_HISTOGRAM, "wait_seconds{way=\"x\"}", "ms", "Waiting" },
        { 0, NULL, NULL, NULL },
    };
    static const int64_t seen[] = { -5, 0, 1, 2, 3, 4, 5, 524288, 524289, 1000000 };
    struct rig r;
    rig_open(&r, rows);
    for (size_t i = 0; i < sizeof seen / sizeof *seen; i++)
        rig_count(&r, 0, seen[i]);
    rig_add(&r, "node=\"a\"");
    const char *text = rig_text(&r);
    expect(text, "# HELP catalyst_wait_seconds Waiting\n# TYPE catalyst_wait_seconds histogram\n");
    expect(text, "catalyst_wait_seconds_bucket{node=\"a\",way=\"x\",le=\"0.001\"} 3\n");
    expect(text, "le=\"0.002\"} 4\n");
    expect(text, "le=\"0.004\"} 6\n");
    expect(text, "le=\"0.008\"} 7\n");
    expect(text, "le=\"262.144\"} 7\n");
    expect(text, "le=\"524.288\"} 8\n");
    expect(text, "le=\"+Inf\"} 10\n");
    expect(text, "catalyst_wait_seconds_sum{node=\"a\",way=\"x\"} 2048.587\n");
    expect(text, "catalyst_wait_seconds_count{node=\"a\",way=\"x\"} 10\n");
    rig_close(&r);
}

static void histogram_of_amounts(void **state)
{
    (void)state;
    static const wf_metric rows[] = {
        { WF_HISTOGRAM, "grant_micro", NULL, NULL },
        { 0, NULL, NULL, NULL },
    };
    struct rig r;
    rig_open(&r, rows);
    rig_count(&r, 0, 4);
    rig_count(&r, 0, 5);
    rig_count(&r, 0, 16);
    rig_count(&r, 0, 17);
    rig_count(&r, 0, INT64_C(274877906944));
    rig_count(&r, 0, INT64_C(274877906945));
    rig_add(&r, "node=\"a\"");
    const char *text = rig_text(&r);
    expect(text, "le=\"1\"} 0\n");
    expect(text, "le=\"4\"} 1\n");
    expect(text, "le=\"16\"} 3\n");
    expect(text, "le=\"64\"} 4\n");
    expect(text, "le=\"274877906944\"} 5\n");
    expect(text, "le=\"+Inf\"} 6\n");
    expect(text, "_sum{node=\"a\"} 549755813931\n");
    rig_close(&r);
}

/* Every power and its neighbours stand below the first bound that holds them. */
static void buckets_hold_what_they_say(void **state)
{
    (void)state;
    static const wf_metric rows[] = { { WF_HISTOGRAM, "a", "ms", NULL },
                                      { WF_HISTOGRAM, "b", "", NULL },
                                      { 0, NULL, NULL, NULL } };
    for (unsigned bit = 1; bit < 62; bit++)
        for (int64_t off = -1; off <= 1; off++)
            for (unsigned row = 0; row < 2; row++) {
                struct rig r;
                rig_open(&r, rows);
                int64_t value = (INT64_C(1) << bit) + off;
                rig_count(&r, row, value);
                unsigned at = 0;
                while (at < METRIC_BOUNDS && metric_bound(&r.cells[row], at) < (uint64_t)value)
                    at++;
                assert_int_equal(r.cells[row].buckets[at], 1);
                rig_close(&r);
            }
}

/* --- names that meet -------------------------------------------------------------------------- */

static bool is_ours(const char *name) { return !strcmp(name, "catalyst_commits_total"); }

static void names_of_the_engine_are_its_own(void **state)
{
    (void)state;
    static const wf_metric rows[] = {
        { WF_COUNTER, "commits_total", NULL, "Mine" },
        { WF_COUNTER, "commits", NULL, "Mine too" },
        { 0, NULL, NULL, NULL },
    };
    struct rig r;
    rig_open(&r, rows);
    r.families.is_ours = is_ours;
    rig_add(&r, "node=\"a\"");
    const char *text = rig_text(&r);
    expect(text, "# TYPE catalyst_plugin_commits_total counter\n");
    expect_not(text, "catalyst_commits_total");
    rig_close(&r);
}

static void one_name_of_two_kinds(void **state)
{
    (void)state;
    static const wf_metric counter[] = { { WF_COUNTER, "x_total", NULL, "A" },
                                         { 0, NULL, NULL, NULL } };
    static const wf_metric gauge[] = { { WF_GAUGE, "x_total", NULL, "B" },
                                       { 0, NULL, NULL, NULL } };
    struct rig a, b;
    rig_open(&a, counter);
    rig_open(&b, gauge);
    rig_count(&b, 0, 0);
    rig_add(&a, "node=\"a\"");
    for (int i = 0; i < 2; i++)
        families_add(&a.families, gauge, b.cells, i ? "node=\"c\"" : "node=\"b\"");
    assert_string_equal(rig_text(&a), "# HELP catalyst_x_total A\n"
                                      "# TYPE catalyst_x_total counter\n"
                                      "catalyst_x_total{node=\"a\"} 0\n"
                                      "# HELP catalyst_x_total_gauge B\n"
                                      "# TYPE catalyst_x_total_gauge gauge\n"
                                      "catalyst_x_total_gauge{node=\"b\"} 0\n"
                                      "catalyst_x_total_gauge{node=\"c\"} 0\n");
    rig_close(&a);
    rig_close(&b);
}

static void workers_are_put_together(void **state)
{
    (void)state;
    static const wf_metric one[] = { { WF_COUNTER, "a_total", NULL, "A" },
                                     { WF_COUNTER, "b_total", NULL, "B" },
                                     { 0, NULL, NULL, NULL } };
    static const wf_metric two[] = { { WF_COUNTER, "b_total", NULL, "B" },
                                     { WF_COUNTER, "c_total", NULL, "C" },
                                     { 0, NULL, NULL, NULL } };
    struct rig a, b;
    rig_open(&a, one);
    rig_open(&b, two);
    rig_add(&a, "worker=\"0\"");
    rig_add(&b, "worker=\"2\"");
    struct families *parts[] = { &a.families, NULL, &b.families };
    families_write(&a.text, parts, 3);
    assert_string_equal(a.text.ptr,
                        "# HELP catalyst_a_total A\n# TYPE catalyst_a_total counter\n"
                        "catalyst_a_total{worker=\"0\"} 0\n"
                        "# HELP catalyst_b_total B\n# TYPE catalyst_b_total counter\n"
                        "catalyst_b_total{worker=\"0\"} 0\ncatalyst_b_total{worker=\"2\"} 0\n"
                        "# HELP catalyst_c_total C\n# TYPE catalyst_c_total counter\n"
                        "catalyst_c_total{worker=\"2\"} 0\n");
    rig_close(&a);
    rig_close(&b);
}

static void a_gauge_that_was_never_set(void **state)
{
    (void)state;
    static const wf_metric rows[] = { { WF_GAUGE, "queued", NULL, "Waiting" },
                                      { 0, NULL, NULL, NULL } };
    struct rig r;
    rig_open(&r, rows);
    rig_add(&r, "node=\"a\"");
    assert_string_equal(rig_text(&r), "");
    rig_count(&r, 0, 0);
    rig_add(&r, "node=\"a\"");
    expect(rig_text(&r), "catalyst_queued{node=\"a\"} 0\n");
    rig_close(&r);
}

static void a_node_without_metrics(void **state)
{
    (void)state;
    static const struct node_type type;
    assert_null(metric_cells_create(&type));
}

static void what_was_not_counted(void **state)
{
    (void)state;
    static const wf_metric rows[] = {
        { WF_COUNTER, "two_total{a=\"1\",b=\"1\"}", NULL, "Two" },
        { WF_COUNTER, "three_total{a=\"1\",b=\"1\",c=\"1\"}", NULL, "Three" },
        { WF_COUNTER, "three_total{a=\"1\",b=\"1\",c=\"2\"}", NULL, "Three" },
        { WF_HISTOGRAM, "times{a=\"1\"}", NULL, "Times" },
        { WF_HISTOGRAM, "times{a=\"2\"}", NULL, "Times" },
        { WF_HISTOGRAM, "plain", NULL, "Plain" },
        { 0, NULL, NULL, NULL },
    };
    struct rig r;
    rig_open(&r, rows);
    rig_count(&r, 2, 5);
    rig_count(&r, 4, 1);
    rig_add(&r, "worker=\"0\"");
    const char *text = rig_text(&r);
    expect(text, "catalyst_two_total{worker=\"0\",a=\"1\",b=\"1\"} 0\n");
    expect(text, "catalyst_three_total{worker=\"0\",a=\"1\",b=\"1\",c=\"2\"} 5\n");
    assert_null(strstr(text, "c=\"1\""));
    expect(text, "catalyst_times_count{worker=\"0\",a=\"2\"} 1\n");
    assert_null(strstr(text, "catalyst_times_count{worker=\"0\",a=\"1\"}"));
    expect(text, "catalyst_plain_count{worker=\"0\"} 0\n");
    rig_close(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counters_and_gauges),
        cmocka_unit_test(labels_are_escaped),
        cmocka_unit_test(rows_with_labels_are_one_family),
        cmocka_unit_test(histogram_of_times),
        cmocka_unit_test(histogram_of_amounts),
        cmocka_unit_test(buckets_hold_what_they_say),
        cmocka_unit_test(names_of_the_engine_are_its_own),
        cmocka_unit_test(one_name_of_two_kinds),
        cmocka_unit_test(workers_are_put_together),
        cmocka_unit_test(a_gauge_that_was_never_set),
        cmocka_unit_test(what_was_not_counted),
        cmocka_unit_test(a_node_without_metrics),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
