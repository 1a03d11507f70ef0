/* SPDX-License-Identifier: Apache-2.0
 * catalyst.removeDuplicates: what is equal, what stays, and that many items stay cheap.
 */
#include "../remove_duplicates.c"
#include "fake_cases.h"

#define BY(names, rest) "{\"compare\":\"selectedFields\",\"fieldsToCompare\":\"" names "\"" rest "}"
#define BUT(names, rest)                                                                           \
    "{\"compare\":\"allFieldsExcept\",\"fieldsToExclude\":\"" names "\"" rest "}"
#define OTHERS ",\"options\":{\"removeOtherFields\":true}"

static const struct fake_case cases[] = {
    { "all fields",
      "{}",
      { "[{\"a\":1,\"b\":2},{\"b\":2,\"a\":1.0},{\"a\":1},{\"a\":1,\"b\":2,\"c\":null},{\"a\":"
        "\"1\",\"b\":2}]" },
      { "[{\"a\":1,\"b\":2},{\"a\":1},{\"a\":1,\"b\":2,\"c\":null},{\"a\":\"1\",\"b\":2}]" } },
    { "deep",
      "{}",
      { "[{\"o\":{\"x\":[1,{\"y\":2}],\"z\":0}},{\"o\":{\"z\":0,\"x\":[1,{\"y\":2}]}},{\"o\":{"
        "\"x\":[{\"y\":2},1],\"z\":0}}]" },
      { "[{\"o\":{\"x\":[1,{\"y\":2}],\"z\":0}},{\"o\":{\"x\":[{\"y\":2},1],\"z\":0}}]" } },
    { "scalars",
      BY("a", ""),
      { "[{\"a\":0},{\"a\":-0.0},{\"a\":\"\"},{\"a\":false},{\"a\":null},{},{\"a\":null},{},{\"a\":"
        "[]},{\"a\":{}},{\"a\":true},{\"a\":1}]" },
      { "[{\"a\":0},{\"a\":\"\"},{\"a\":false},{\"a\":null},{},{\"a\":[]},{\"a\":{}},{\"a\":true},{"
        "\"a\":1}]" } },
    { "long texts",
      BY("a", ""),
      { "[{\"a\":\"0123456789abcdef\"},{\"a\":\"0123456789abcdeg\"},{\"a\":\"0123456789abcdef\"}"
        "]" },
      { "[{\"a\":\"0123456789abcdef\"},{\"a\":\"0123456789abcdeg\"}]" } },
    { "some fields",
      BY("a, b.c", ""),
      { "[{\"a\":1,\"b\":{\"c\":1},\"n\":1},{\"a\":1,\"b\":{\"c\":2},\"n\":2},{\"a\":1,\"b\":{"
        "\"c\":1},\"n\":3}]" },
      { "[{\"a\":1,\"b\":{\"c\":1},\"n\":1},{\"a\":1,\"b\":{\"c\":2},\"n\":2}]" } },
    { "some fields only",
      BY("b.c", OTHERS),
      { "[{\"a\":1,\"b\":{\"c\":1,\"d\":2}},{\"a\":2,\"b\":{\"c\":1}}]" },
      { "[{\"b\":{\"c\":1}}]" } },
    { "dots as they are",
      BY("b.c", ",\"options\":{\"disableDotNotation\":true}"),
      { "[{\"b.c\":1},{\"b\":{\"c\":1}},{\"b\":{\"c\":2}}]" },
      { "[{\"b.c\":1},{\"b\":{\"c\":1}}]" } },
    { "all but some",
      BUT("n, o.n", ""),
      { "[{\"a\":1,\"n\":1,\"o\":{\"n\":1,\"m\":1}},{\"a\":1,\"n\":2,\"o\":{\"n\":2,\"m\":1}},{"
        "\"a\":2,\"n\":1}]" },
      { "[{\"a\":1,\"n\":1,\"o\":{\"n\":1,\"m\":1}},{\"a\":2,\"n\":1}]" } },
    { "all but some, others only",
      BUT("n", OTHERS),
      { "[{\"a\":1,\"n\":1},{\"a\":1,\"n\":2}]" },
      { "[{\"a\":1}]" } },
    { "all fields, nothing to remove",
      "{\"options\":{\"removeOtherFields\":true}}",
      { "[{\"a\":1},{\"a\":1}]" },
      { "[{\"a\":1}]" } },
    { "no names", "{\"compare\":\"selectedFields\"}", .refused = "fieldsToCompare" },
    { "earlier executions", "{\"operation\":\"removeItemsSeenInPreviousExecutions\"}",
      .refused = "is not supported" },
};

static void takes_many(void **state)
{
    struct fake *f = fake_create(&wf_plugin_entry, NULL);
    char json[60];
    (void)state;
    assert_int_equal(fake_start(f, BY("a", "")), 0);
    for (int i = 0; i < 6000; i++) {
        snprintf(json, sizeof json, "{\"a\":%d,\"n\":%d}", i % 1500, i);
        fake_item(f, json);
    }
    fake_run(f);
    assert_int_equal(fake_outputs(f, 0), 1500);
    assert_string_equal(fake_output_json(f, 0, 1499), "{\"a\":1499,\"n\":1499}");
    fake_destroy(f);
}

static void keeps_executions_apart(void **state)
{
    struct fake *f = fake_create(&wf_plugin_entry, NULL);
    (void)state;
    assert_int_equal(fake_start(f, "{}"), 0);
    fake_item(f, "{\"a\":1}");
    fake_execution(f);
    fake_item(f, "{\"a\":1}");
    fake_run(f);
    assert_int_equal(fake_outputs(f, 0), 2);
    fake_destroy(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(takes_many),
                                        cmocka_unit_test(keeps_executions_apart) };
    return FAKE_CASES_RUN(&wf_plugin_entry, "catalyst.removeDuplicates", cases) +
           cmocka_run_group_tests(tests, NULL, NULL);
}
