/* SPDX-License-Identifier: Apache-2.0
 * catalyst.merge: all modes, who wins, and the cap.
 */
#include "../merge.c"
#include "../combine.c"
#include "../join.c"
#include "fake_cases.h"

#define COMBINE(rest) "{\"mode\":\"combine\"" rest "}"
#define BY_ID(rest)                                                                                \
    COMBINE(",\"combineBy\":\"combineByFields\",\"fieldsToMatchString\":\"id\"" rest)
#define JOIN(mode)     BY_ID(",\"joinMode\":\"" mode "\"")
#define POSITION(rest) COMBINE(",\"combineBy\":\"combineByPosition\"" rest)
#define CLASH(values)  ",\"options\":{\"clashHandling\":{\"values\":{" values "}}}"
#define ONE            "[{\"id\":1,\"a\":\"x\"},{\"id\":2,\"a\":\"y\"},{\"id\":3,\"a\":\"z\"}]"
#define TWO            "[{\"id\":2,\"b\":10},{\"id\":1,\"b\":20},{\"id\":2,\"b\":30},{\"id\":9,\"b\":40}]"

static const struct fake_case cases[] = {
    /* append */
    { "append",
      "{}",
      { "[{\"a\":1},{\"a\":2}]", "[{\"b\":3}]" },
      { "[{\"a\":1},{\"a\":2},{\"b\":3}]" } },
    { "append: an input stayed away",
      "{\"mode\":\"append\"}",
      { "[]", "[{\"b\":3}]" },
      { "[{\"b\":3}]" } },
    { "append: three inputs",
      "{\"numberInputs\":3}",
      { "[{\"a\":1}]", "[{\"b\":2}]", "[{\"c\":3}]" },
      { "[{\"a\":1},{\"b\":2},{\"c\":3}]" } },
    /* by position */
    { "position",
      POSITION(""),
      { "[{\"a\":1},{\"a\":2}]", "[{\"b\":3}]" },
      { "[{\"a\":1,\"b\":3}]" } },
    { "position: with the unpaired",
      POSITION(",\"options\":{\"includeUnpaired\":true}"),
      { "[{\"a\":1},{\"a\":2}]", "[{\"b\":3}]" },
      { "[{\"a\":1,\"b\":3},{\"a\":2}]" } },
    { "position: the last wins",
      POSITION(""),
      { "[{\"a\":1,\"c\":0}]", "[{\"a\":2}]" },
      { "[{\"a\":2,\"c\":0}]" } },
    { "position: three inputs",
      POSITION(",\"numberInputs\":3"),
      { "[{\"a\":1}]", "[{\"a\":2,\"b\":2}]", "[{\"b\":3}]" },
      { "[{\"a\":2,\"b\":3}]" } },
    { "position: the earliest of three",
      POSITION(",\"numberInputs\":3" CLASH("\"resolveClash\":\"preferInput1\"")),
      { "[{\"a\":1}]", "[{\"a\":2,\"b\":2}]", "[{\"b\":3}]" },
      { "[{\"b\":2,\"a\":1}]" } },
    { "position: the second of three",
      POSITION(",\"numberInputs\":3" CLASH("\"resolveClash\":\"preferInput2\"")),
      { "[{\"a\":1}]", "[{\"a\":2}]", "[{\"a\":3,\"c\":3}]" },
      { "[{\"a\":2,\"c\":3}]" } },
    { "position: suffixes",
      POSITION(CLASH("\"resolveClash\":\"addSuffix\"")),
      { "[{\"a\":1,\"b\":0}]", "[{\"a\":2}]" },
      { "[{\"a_1\":1,\"b_1\":0,\"a_2\":2}]" } },
    /* how deep */
    { "deep",
      POSITION(""),
      { "[{\"o\":{\"x\":1,\"l\":[1,{\"p\":1},3]}}]", "[{\"o\":{\"y\":2,\"l\":[9,{\"q\":2}]}}]" },
      { "[{\"o\":{\"x\":1,\"l\":[9,{\"p\":1,\"q\":2},3],\"y\":2}}]" } },
    { "deep: other types",
      POSITION(""),
      { "[{\"o\":{\"x\":1}}]", "[{\"o\":[1]}]" },
      { "[{\"o\":[1]}]" } },
    { "shallow",
      POSITION(CLASH("\"mergeMode\":\"shallowMerge\"")),
      { "[{\"o\":{\"x\":1},\"k\":1}]", "[{\"o\":{\"y\":2}}]" },
      { "[{\"o\":{\"y\":2},\"k\":1}]" } },
    { "empty values never win",
      POSITION(CLASH("\"overrideEmpty\":true")),
      { "[{\"a\":1,\"b\":2,\"c\":3}]", "[{\"a\":null,\"b\":\"\",\"c\":0,\"d\":null}]" },
      { "[{\"a\":1,\"b\":2,\"c\":0,\"d\":null}]" } },
    { "empty values win otherwise",
      POSITION(""),
      { "[{\"a\":1}]", "[{\"a\":null}]" },
      { "[{\"a\":null}]" } },
    /* all combinations */
    { "all",
      COMBINE(",\"combineBy\":\"combineAll\""),
      { "[{\"a\":1},{\"a\":2}]", "[{\"b\":3},{\"b\":4}]" },
      { "[{\"a\":1,\"b\":3},{\"a\":1,\"b\":4},{\"a\":2,\"b\":3},{\"a\":2,\"b\":4}]" } },
    { "all: with nothing", COMBINE(",\"combineBy\":\"combineAll\""), { "[{\"a\":1}]", "[]" } },
    { "all: the older name",
      COMBINE(",\"combinationMode\":\"multiplex\""),
      { "[{\"a\":1}]", "[{\"b\":3}]" },
      { "[{\"a\":1,\"b\":3}]" } },
    /* by fields */
    { "inner join",
      JOIN("keepMatches"),
      { ONE, TWO },
      { "[{\"id\":1,\"a\":\"x\",\"b\":20},{\"id\":2,\"a\":\"y\",\"b\":10},{\"id\":2,\"a\":\"y\","
        "\"b\":30}]" } },
    { "inner join: first match",
      BY_ID(",\"options\":{\"multipleMatches\":\"first\"}"),
      { ONE, TWO },
      { "[{\"id\":1,\"a\":\"x\",\"b\":20},{\"id\":2,\"a\":\"y\",\"b\":10}]" } },
    { "inner join: of input 1",
      BY_ID(",\"outputDataFrom\":\"input1\""),
      { ONE, TWO },
      { "[{\"id\":1,\"a\":\"x\"},{\"id\":2,\"a\":\"y\"}]" } },
    { "inner join: of input 2",
      BY_ID(",\"outputDataFrom\":\"input2\""),
      { ONE, TWO },
      { "[{\"id\":2,\"b\":10},{\"id\":1,\"b\":20},{\"id\":2,\"b\":30}]" } },
    { "no match: both",
      JOIN("keepNonMatches"),
      { ONE, TWO },
      { "[{\"id\":3,\"a\":\"z\"},{\"id\":9,\"b\":40}]" } },
    { "no match: of input 1",
      BY_ID(",\"joinMode\":\"keepNonMatches\",\"outputDataFrom\":\"input1\""),
      { ONE, TWO },
      { "[{\"id\":3,\"a\":\"z\"}]" } },
    { "no match: of input 2",
      BY_ID(",\"joinMode\":\"keepNonMatches\",\"outputDataFrom\":\"input2\""),
      { ONE, TWO },
      { "[{\"id\":9,\"b\":40}]" } },
    { "outer join",
      JOIN("keepEverything"),
      { ONE, "[{\"id\":2,\"b\":10},{\"id\":9,\"b\":40}]" },
      { "[{\"id\":2,\"a\":\"y\",\"b\":10},{\"id\":1,\"a\":\"x\"},{\"id\":3,\"a\":\"z\"},{\"id\":9,"
        "\"b\":40}]" } },
    { "left join",
      JOIN("enrichInput1"),
      { ONE, "[{\"id\":2,\"b\":10,\"a\":\"new\"},{\"id\":9,\"b\":40}]" },
      { "[{\"id\":2,\"a\":\"new\",\"b\":10},{\"id\":1,\"a\":\"x\"},{\"id\":3,\"a\":\"z\"}]" } },
    { "right join",
      JOIN("enrichInput2"),
      { ONE, "[{\"id\":2,\"b\":10,\"a\":\"new\"},{\"id\":9,\"b\":40}]" },
      { "[{\"id\":2,\"b\":10,\"a\":\"y\"},{\"id\":9,\"b\":40}]" } },
    { "left join: suffixes",
      BY_ID(",\"joinMode\":\"enrichInput1\"" CLASH("\"resolveClash\":\"addSuffix\"")),
      { ONE, "[{\"id\":2,\"b\":10}]" },
      { "[{\"id_1\":2,\"a_1\":\"y\",\"id_2\":2,\"b_2\":10},{\"id_1\":1,\"a_1\":\"x\"},{\"id_1\":3,"
        "\"a_1\":\"z\"}]" } },
    { "other names, two fields",
      COMBINE(",\"advanced\":true,\"mergeByFields\":{\"values\":[{\"field1\":\"a.x\",\"field2\":"
              "\"p\"},{\"field1\":\"b\",\"field2\":\"q\"}]}"),
      { "[{\"a\":{\"x\":1},\"b\":2},{\"a\":{\"x\":1},\"b\":3}]",
        "[{\"p\":1,\"q\":3},{\"p\":1,\"q\":4}]" },
      { "[{\"a\":{\"x\":1},\"b\":3,\"p\":1,\"q\":3}]" } },
    { "dots as they are",
      BY_ID(",\"fieldsToMatchString\":\"a.x\",\"options\":{\"disableDotNotation\":true}"),
      { "[{\"a\":{\"x\":1}},{\"a.x\":1}]", "[{\"a.x\":1,\"k\":1}]" },
      { "[{\"a.x\":1,\"k\":1}]" } },
    { "types count",
      BY_ID(""),
      { "[{\"id\":1},{\"id\":true},{\"id\":null}]",
        "[{\"id\":\"1\"},{\"id\":1.0},{\"id\":\"true\"},{\"id\":\"\"}]" },
      { "[{\"id\":1.0}]" } },
    { "fuzzy",
      BY_ID(",\"outputDataFrom\":\"input1\",\"options\":{\"fuzzyCompare\":true}"),
      { "[{\"id\":1},{\"id\":true},{\"id\":null},{\"k\":1},{\"id\":[]},{\"id\":5}]",
        "[{\"id\":\"1\"},{\"id\":\"true\"},{\"id\":\"\"}]" },
      { "[{\"id\":1},{\"id\":true},{\"id\":null},{\"k\":1},{\"id\":[]}]" } },
    { "null matches null",
      BY_ID(",\"outputDataFrom\":\"input1\""),
      { "[{\"id\":null},{}]", "[{\"id\":null},{}]" },
      { "[{\"id\":null}]" } },
    { "objects match",
      BY_ID(",\"outputDataFrom\":\"input1\""),
      { "[{\"id\":{\"a\":1,\"b\":[2]}}]", "[{\"id\":{\"b\":[2],\"a\":1}}]" },
      { "[{\"id\":{\"a\":1,\"b\":[2]}}]" } },
    { "no fields", COMBINE(""), { ONE, TWO }, .fails = "there is no field to match by" },
    { "nothing in input 2", JOIN("enrichInput1"), { "[{\"id\":1}]", "[]" }, { "[{\"id\":1}]" } },
    /* choose */
    { "choose",
      "{\"mode\":\"chooseBranch\",\"useDataOfInput\":2}",
      { "[{\"a\":1}]", "[{\"b\":1},{\"b\":2}]" },
      { "[{\"b\":1},{\"b\":2}]" } },
    { "choose: the first is the default",
      "{\"mode\":\"chooseBranch\"}",
      { "[{\"a\":1}]", "[{\"b\":1}]" },
      { "[{\"a\":1}]" } },
    { "choose: the older form",
      "{\"mode\":\"chooseBranch\",\"output\":\"input2\"}",
      { "[{\"a\":1}]", "[{\"b\":1}]" },
      { "[{\"b\":1}]" } },
    { "choose: empty",
      "{\"mode\":\"chooseBranch\",\"output\":\"empty\"}",
      { "[{\"a\":1}]", "[{\"b\":1}]" },
      { "[{}]" } },
    { "choose: no such input", "{\"mode\":\"chooseBranch\",\"useDataOfInput\":3}",
      .refused = "useDataOfInput is 3" },
    { "SQL", "{\"mode\":\"combineBySql\",\"query\":\"SELECT 1\"}",
      .refused = "combineBySql is not supported" },
};

/* 1,100 x 1,000 pairs are too many; 40 x 50 keep their order and lineage. */
static void caps_products(void **state)
{
    struct fake *f = fake_create(&wf_plugin_entry, NULL);
    (void)state;
    assert_int_equal(fake_start(f, COMBINE(",\"combineBy\":\"combineAll\"")), 0);
    wf_item *first = fake_item(f, "{}");
    for (int i = 1; i < 1100; i++)
        fake_item(f, "{}");
    for (int i = 0; i < 1000; i++)
        fake_item_at(f, 1, "{}");
    fake_run(f);
    assert_int_equal(fake_ended(first), FAKE_FAILED);
    assert_string_equal(fake_why(first), "1100 times 1000 items are more than 1000000");
    assert_int_equal(fake_outputs(f, 0), 0);
    fake_destroy(f);
}

static void keeps_lineage(void **state)
{
    struct fake *f = fake_create(&wf_plugin_entry, NULL);
    (void)state;
    assert_int_equal(fake_start(f, BY_ID("")), 0);
    wf_item *a = fake_item_at(f, 0, "{\"id\":1}"), *b = fake_item_at(f, 1, "{\"id\":1}");
    fake_run(f);
    const struct fake_output *out = fake_output(f, 0, 0);
    assert_int_equal(out->n_from, 2);
    assert_ptr_equal(out->from[0], a);
    assert_ptr_equal(out->from[1], b);
    fake_destroy(f);
}

/* Executions do not see each other. */
static void keeps_executions_apart(void **state)
{
    struct fake *f = fake_create(&wf_plugin_entry, NULL);
    (void)state;
    assert_int_equal(fake_start(f, BY_ID("")), 0);
    fake_item_at(f, 0, "{\"id\":1}");
    fake_execution(f);
    fake_item_at(f, 1, "{\"id\":1}");
    fake_run(f);
    assert_int_equal(fake_outputs(f, 0), 0);
    fake_destroy(f);
}

static void counts_inputs(void **state)
{
    struct config c = { .mode = MODE_APPEND, .n_inputs = 5 };
    unsigned n = 2, n_outputs = 1;
    (void)state;
    merge_shape(&c, &n, &n_outputs);
    assert_int_equal(n, 5);
    c.mode = MODE_COMBINE;
    merge_shape(&c, &n, &n_outputs);
    assert_int_equal(n, 2);
    c.combine_by = BY_POSITION;
    merge_shape(&c, &n, &n_outputs);
    assert_int_equal(n, 5);
    assert_int_equal(n_outputs, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(caps_products),
                                        cmocka_unit_test(keeps_lineage),
                                        cmocka_unit_test(keeps_executions_apart),
                                        cmocka_unit_test(counts_inputs) };
    return FAKE_CASES_RUN(&wf_plugin_entry, "catalyst.merge", cases) +
           cmocka_run_group_tests(tests, NULL, NULL);
}
