/* SPDX-License-Identifier: Apache-2.0
 * catalyst.summarize: each measure, groups and their order, both formats.
 */
#include "../summarize.c"
#include "../measure.c"
#include "fake_cases.h"

#define M(how, rest)  "{\"aggregation\":\"" how "\",\"field\":\"a\"" rest "}"
#define ALL(measures) "{\"fieldsToSummarize\":{\"values\":[" measures "]}}"
#define BY(fields, measures, options)                                                              \
    "{\"fieldsToSplitBy\":\"" fields "\",\"fieldsToSummarize\":{\"values\":[" measures             \
    "]},\"options\":{" options "}}"
#define EMPTY ",\"includeEmpty\":true"
#define MIXED "[{\"a\":3},{\"a\":null},{},{\"a\":\"\"},{\"a\":\"x\"},{\"a\":3.0},{\"a\":-1}]"
#define PLACES                                                                                     \
    "[{\"x\":\"de\",\"y\":1,\"a\":1},{\"x\":\"fr\",\"y\":1,\"a\":2},{\"x\":\"de\",\"y\":2,\"a\":"  \
    "3},{\"x\":\"fr\",\"y\":1,\"a\":4},"                                                           \
    "{\"x\":\"de\",\"y\":1,\"a\":5}]"

static const struct fake_case cases[] = {
    { "append", ALL(M("append", "")), { MIXED }, { "[{\"appended_a\":[3,\"x\",3.0,-1]}]" } },
    { "append with empty ones",
      ALL(M("append", EMPTY)),
      { MIXED },
      { "[{\"appended_a\":[3,null,null,\"\",\"x\",3.0,-1]}]" } },
    { "count", ALL(M("count", "")), { MIXED }, { "[{\"count_a\":4}]" } },
    { "count with empty ones", ALL(M("count", EMPTY)), { MIXED }, { "[{\"count_a\":7}]" } },
    { "countUnique", ALL(M("countUnique", "")), { MIXED }, { "[{\"unique_count_a\":3}]" } },
    { "countUnique with empty ones",
      ALL(M("countUnique", EMPTY)),
      { MIXED },
      { "[{\"unique_count_a\":6}]" } },
    { "sum",
      ALL(M("sum", "")),
      { "[{\"a\":3},{\"a\":\"9\"},{\"a\":-1},{}]" },
      { "[{\"sum_a\":2}]" } },
    { "sum of fractions",
      ALL(M("sum", "")),
      { "[{\"a\":0.5},{\"a\":1},{\"a\":1}]" },
      { "[{\"sum_a\":2.5}]" } },
    { "sum of large integers",
      ALL(M("sum", "")),
      { "[{\"a\":9007199254740993},{\"a\":2}]" },
      { "[{\"sum_a\":9007199254740995}]" } },
    { "sum beyond 64 bits",
      ALL(M("sum", "")),
      { "[{\"a\":9223372036854775807},{\"a\":1},{\"a\":1e22}]" },
      { "[{\"sum_a\":1.0009223372036855e+22}]" } },
    { "average",
      ALL(M("average", "")),
      { "[{\"a\":1},{\"a\":2},{\"a\":\"x\"},{}]" },
      { "[{\"average_a\":1.5}]" } },
    { "average of none",
      ALL(M("average", "")),
      { "[{\"a\":\"x\"}]" },
      { "[{\"average_a\":null}]" } },
    { "max",
      ALL(M("max", "")),
      { "[{\"a\":3},{\"a\":null},{\"a\":10},{\"a\":9}]" },
      { "[{\"max_a\":10}]" } },
    { "min",
      ALL(M("min", "")),
      { "[{},{\"a\":3},{\"a\":-1.5},{\"a\":9}]" },
      { "[{\"min_a\":-1.5}]" } },
    { "min of texts",
      ALL(M("min", "")),
      { "[{\"a\":\"b\"},{\"a\":\"\"},{\"a\":\"A\"}]" },
      { "[{\"min_a\":\"A\"}]" } },
    { "max of none", ALL(M("max", EMPTY)), { "[{\"a\":null}]" }, { "[{\"max_a\":null}]" } },
    { "concatenate",
      ALL(M("concatenate", "")),
      { "[{\"a\":\"x\"},{\"a\":1},{},{\"a\":{\"k\":true}}]" },
      { "[{\"concatenated_a\":\"x,1,{\\\"k\\\":true}\"}]" } },
    { "concatenate with empty ones",
      ALL(M("concatenate", EMPTY ",\"separateBy\":\"; \"")),
      { "[{\"a\":\"x\"},{},{\"a\":\"y\"}]" },
      { "[{\"concatenated_a\":\"x; ; y\"}]" } },
    { "concatenate by something else",
      ALL(M("concatenate", ",\"separateBy\":\"other\",\"customSeparator\":\" and \"")),
      { "[{\"a\":\"x\"},{\"a\":\"y\"},{\"a\":\"z\"}]" },
      { "[{\"concatenated_a\":\"x and y and z\"}]" } },
    { "several measures",
      ALL(M("sum", "") "," M("max", "")),
      { "[{\"a\":1},{\"a\":2}]" },
      { "[{\"sum_a\":3,\"max_a\":2}]" } },
    { "a path",
      ALL("{\"aggregation\":\"sum\",\"field\":\"o.the x[0]\"}"),
      { "[{\"o\":{\"the x\":[1]}},{\"o\":{\"the x\":[2]}}]" },
      { "[{\"sum_o_the_x0\":3}]" } },
    { "groups",
      BY("x", M("sum", ""), ""),
      { PLACES },
      { "[{\"x\":\"de\",\"sum_a\":9},{\"x\":\"fr\",\"sum_a\":6}]" } },
    { "groups in groups",
      BY("x, y", M("sum", ""), ""),
      { PLACES },
      { "[{\"x\":\"de\",\"y\":1,\"sum_a\":6},{\"x\":\"de\",\"y\":2,\"sum_a\":3},{\"x\":\"fr\","
        "\"y\":1,\"sum_a\":6}]" } },
    { "groups keep types",
      BY("x", M("count", ""), ""),
      { "[{\"x\":1,\"a\":1},{\"x\":\"1\",\"a\":1},{\"a\":1},{\"x\":null,\"a\":1}]" },
      { "[{\"x\":1,\"count_a\":1},{\"x\":\"1\",\"count_a\":1},{\"x\":null,\"count_a\":1},{\"x\":"
        "null,\"count_a\":1}]" } },
    { "groups without empty ones",
      BY("x", M("count", ""), "\"skipEmptySplitFields\":true"),
      { "[{\"a\":1},{\"x\":0,\"a\":1},{\"x\":\"\",\"a\":1},{\"x\":null,\"a\":1}]" },
      { "[{\"x\":0,\"count_a\":1}]" } },
    { "one item",
      BY("x,y", M("sum", ""), "\"outputFormat\":\"singleItem\""),
      { PLACES },
      { "[{\"de\":{\"1\":{\"sum_a\":6},\"2\":{\"sum_a\":3}},\"fr\":{\"1\":{\"sum_a\":6}}}]" } },
    { "one item without groups",
      "{\"fieldsToSummarize\":{\"values\":[" M(
          "sum", "") "]},\"options\":{\"outputFormat\":\"singleItem\"}}",
      { "[{\"a\":1},{\"a\":2}]" },
      { "[{\"sum_a\":3}]" } },
    { "many groups",
      BY("x", M("count", ""), ""),
      { "[{\"x\":1,\"a\":1},{\"x\":2,\"a\":1},{\"x\":3,\"a\":1},{\"x\":4,\"a\":1},{\"x\":5,\"a\":1}"
        ",{\"x\":1,\"a\":1}]" },
      { "[{\"x\":1,\"count_a\":2},{\"x\":2,\"count_a\":1},{\"x\":3,\"count_a\":1},{\"x\":4,\"count_"
        "a\":1},{\"x\":5,\"count_a\":1}]" } },
    { "no such field", ALL(M("sum", "")), { "[{\"b\":1}]" }, .fails = "no item has the field 'a'" },
    { "no such group",
      BY("z", M("sum", ""), ""),
      { "[{\"a\":1}]" },
      .fails = "no item has the field 'z'" },
    { "no such field, and on",
      BY("z", M("sum", ""), "\"continueIfFieldNotFound\":true"),
      { "[{\"b\":1}]" },
      { "[{\"z\":null,\"sum_a\":0}]" } },
    { "dots as they are",
      "{\"fieldsToSummarize\":{\"values\":[{\"aggregation\":\"sum\",\"field\":\"o.a\"}]},"
      "\"options\":{\"disableDotNotation\":true}}",
      { "[{\"o.a\":1,\"o\":{\"a\":5}},{\"o\":{\"a\":5}}]" },
      { "[{\"sum_o_a\":1}]" } },
    { "no measure", "{}", .refused = "there is no measure" },
};

static void keeps_lineage(void **state)
{
    struct fake *f = fake_create(&wf_plugin_entry, NULL);
    wf_item *items[5];
    (void)state;
    assert_int_equal(fake_start(f, BY("x", M("sum", ""), "\"skipEmptySplitFields\":true")), 0);
    items[0] = fake_item(f, "{\"x\":1,\"a\":1}");
    items[1] = fake_item(f, "{\"x\":2,\"a\":1}");
    items[2] = fake_item(f, "{\"a\":1}");
    items[3] = fake_item(f, "{\"x\":1,\"a\":1}");
    fake_run(f);
    const struct fake_output *first = fake_output(f, 0, 0), *second = fake_output(f, 0, 1);
    assert_int_equal(first->n_from, 2);
    assert_ptr_equal(first->from[0], items[0]);
    assert_ptr_equal(first->from[1], items[3]);
    assert_int_equal(second->n_from, 1);
    assert_ptr_equal(second->from[0], items[1]);
    fake_destroy(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(keeps_lineage) };
    return FAKE_CASES_RUN(&wf_plugin_entry, "catalyst.summarize", cases) +
           cmocka_run_group_tests(tests, NULL, NULL);
}
