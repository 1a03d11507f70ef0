/* SPDX-License-Identifier: Apache-2.0
 * catalyst.aggregate: lists of fields, lists of items, what is left out.
 */
#include "../aggregate.c"
#include "fake_cases.h"

#define FIELD(name) "{\"fieldToAggregate\":\"" name "\"}"
#define RENAMED(name, to)                                                                          \
    "{\"fieldToAggregate\":\"" name "\",\"renameField\":true,\"outputFieldName\":\"" to "\"}"
#define FIELDS(fields, options)                                                                    \
    "{\"fieldsToAggregate\":{\"fieldToAggregate\":[" fields "]},\"options\":{" options "}}"
#define DATA(rest) "{\"aggregate\":\"aggregateAllItemData\"" rest "}"

static const struct fake_case cases[] = {
    { "a field",
      FIELDS(FIELD("a"), ""),
      { "[{\"a\":1,\"b\":0},{\"a\":\"x\"},{\"a\":{\"y\":1}}]" },
      { "[{\"a\":[1,\"x\",{\"y\":1}]}]" } },
    { "two fields",
      FIELDS(FIELD("b") "," FIELD("a"), ""),
      { "[{\"a\":1,\"b\":2},{\"a\":3,\"b\":4}]" },
      { "[{\"b\":[2,4],\"a\":[1,3]}]" } },
    { "by path",
      FIELDS(FIELD("o.x"), ""),
      { "[{\"o\":{\"x\":1}},{\"o\":{\"x\":2}}]" },
      { "[{\"x\":[1,2]}]" } },
    { "dots as they are",
      FIELDS(FIELD("o.x"), "\"disableDotNotation\":true"),
      { "[{\"o.x\":1,\"o\":{\"x\":2}}]" },
      { "[{\"o.x\":[1]}]" } },
    { "renamed",
      FIELDS(RENAMED("o.x", "all"), ""),
      { "[{\"o\":{\"x\":1}}]" },
      { "[{\"all\":[1]}]" } },
    { "missing and null are left out",
      FIELDS(FIELD("a"), ""),
      { "[{\"a\":1},{},{\"a\":null},{\"a\":0},{\"a\":[1,null,2]}]" },
      { "[{\"a\":[1,0,[1,2]]}]" } },
    { "missing and null are kept",
      FIELDS(FIELD("a"), "\"keepMissing\":true"),
      { "[{\"a\":1},{},{\"a\":null},{\"a\":[1,null]}]" },
      { "[{\"a\":[1,null,null,[1,null]]}]" } },
    { "lists are merged",
      FIELDS(FIELD("a"), "\"mergeLists\":true"),
      { "[{\"a\":[1,null]},{\"a\":2},{\"a\":[[3]]}]" },
      { "[{\"a\":[1,2,[3]]}]" } },
    { "lists are merged, nulls kept",
      FIELDS(FIELD("a"), "\"mergeLists\":true,\"keepMissing\":true"),
      { "[{\"a\":[1,null]},{}]" },
      { "[{\"a\":[1,null,null]}]" } },
    { "nothing to gather", FIELDS(FIELD("z"), ""), { "[{\"a\":1}]" }, { "[{\"z\":[]}]" } },
    { "many",
      FIELDS(FIELD("a"), ""),
      { "[{\"a\":1},{\"a\":2},{\"a\":3},{\"a\":4},{\"a\":5},{\"a\":6},{\"a\":7},{\"a\":8},{\"a\":9}"
        ",{\"a\":10},{\"a\":11},"
        "{\"a\":12},{\"a\":13},{\"a\":14},{\"a\":15},{\"a\":16},{\"a\":17}]" },
      { "[{\"a\":[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17]}]" } },
    { "two of a name",
      FIELDS(FIELD("a") "," FIELD("o.a"), ""),
      { "[{\"a\":1}]" },
      .fails = "two lists would be called 'a'" },
    { "all items",
      DATA(""),
      { "[{\"a\":1},{\"b\":{}},{}]" },
      { "[{\"data\":[{\"a\":1},{\"b\":{}},{}]}]" } },
    { "all items elsewhere",
      DATA(",\"destinationFieldName\":\"rows\""),
      { "[{\"a\":1}]" },
      { "[{\"rows\":[{\"a\":1}]}]" } },
    { "some fields",
      DATA(",\"include\":\"specifiedFields\",\"fieldsToInclude\":\"a, o.x\""),
      { "[{\"a\":1,\"b\":2},{\"o\":{\"x\":1,\"y\":2}},{\"b\":1}]" },
      { "[{\"data\":[{\"a\":1},{\"o\":{\"x\":1}}]}]" } },
    { "all but some",
      DATA(",\"include\":\"allFieldsExcept\",\"fieldsToExclude\":\"a,o.x,zz\""),
      { "[{\"a\":1,\"b\":2},{\"o\":{\"x\":1,\"y\":2}},{\"a\":1}]" },
      { "[{\"data\":[{\"b\":2},{\"o\":{\"y\":2}}]}]" } },
    { "no field", "{}", .refused = "no field is named" },
    { "no name", FIELDS("{}", ""), .refused = "fieldToAggregate" },
    { "no names", DATA(",\"include\":\"specifiedFields\""), .refused = "fieldsToInclude" },
};

static void keeps_lineage(void **state)
{
    struct fake *f = fake_create(&wf_plugin_entry, NULL);
    (void)state;
    assert_int_equal(fake_start(f, DATA("")), 0);
    fake_item(f, "{\"n\":1}");
    wf_item *second = fake_item(f, "{\"n\":2}");
    fake_execution(f);
    fake_item(f, "{\"n\":3}");
    fake_run(f);
    assert_int_equal(fake_outputs(f, 0), 2);
    assert_int_equal(fake_output(f, 0, 0)->n_from, 2);
    assert_ptr_equal(fake_output(f, 0, 0)->from[1], second);
    assert_string_equal(fake_output_json(f, 0, 1), "{\"data\":[{\"n\":3}]}");
    fake_destroy(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(keeps_lineage) };
    return FAKE_CASES_RUN(&wf_plugin_entry, "catalyst.aggregate", cases) +
           cmocka_run_group_tests(tests, NULL, NULL);
}
