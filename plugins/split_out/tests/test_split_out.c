/* SPDX-License-Identifier: Apache-2.0
 * catalyst.splitOut: elements, several lists, other fields, names.
 */
#include "../split_out.c"
#include "fake_cases.h"

#define SPLIT(fields, rest) "{\"fieldToSplitOut\":\"" fields "\"" rest "}"
#define ALL                 ",\"include\":\"allOtherFields\""
#define SOME(names)         ",\"include\":\"selectedOtherFields\",\"fieldsToInclude\":\"" names "\""
#define OPTIONS(o)          ",\"options\":{" o "}"

static const struct fake_case cases[] = {
    { "objects become items",
      SPLIT("l", ""),
      { "[{\"l\":[{\"a\":1},{\"b\":{}}],\"k\":0}]" },
      { "[{\"a\":1},{\"b\":{}}]" } },
    { "values become fields",
      SPLIT("l", ""),
      { "[{\"l\":[1,\"x\",null,[2]]}]" },
      { "[{\"l\":1},{\"l\":\"x\"},{\"l\":null},{\"l\":[2]}]" } },
    { "by path", SPLIT("a.l", ""), { "[{\"a\":{\"l\":[1]}}]" }, { "[{\"a.l\":1}]" } },
    { "by path with $json",
      SPLIT(" $json.a.l ", ""),
      { "[{\"a\":{\"l\":[{\"x\":1}]}}]" },
      { "[{\"x\":1}]" } },
    { "a name with dots",
      SPLIT("a.l", OPTIONS("\"disableDotNotation\":true")),
      { "[{\"a.l\":[1],\"a\":{\"l\":[2]}}]" },
      { "[{\"a.l\":1}]" } },
    { "an object gives its members",
      SPLIT("l", ""),
      { "[{\"l\":{\"x\":1,\"y\":{\"z\":2}}}]" },
      { "[{\"l\":1},{\"z\":2}]" } },
    { "any other value gives one",
      SPLIT("l", ""),
      { "[{\"l\":5},{\"l\":null},{\"l\":\"\"}]" },
      { "[{\"l\":5},{\"l\":null},{\"l\":\"\"}]" } },
    { "nothing gives nothing", SPLIT("l", ""), { "[{\"l\":[]},{\"l\":{}},{}]" } },
    { "several items",
      SPLIT("l", ""),
      { "[{\"l\":[1,2]},{\"l\":[3]}]" },
      { "[{\"l\":1},{\"l\":2},{\"l\":3}]" } },
    { "several lists",
      SPLIT("a, b", ""),
      { "[{\"a\":[1,2],\"b\":[{\"x\":1}]}]" },
      { "[{\"a\":1,\"b\":{\"x\":1}},{\"a\":2}]" } },
    { "all others",
      SPLIT("l", ALL),
      { "[{\"k\":1,\"l\":[{\"a\":1},2],\"m\":{}}]" },
      { "[{\"k\":1,\"m\":{},\"l\":{\"a\":1}},{\"k\":1,\"m\":{},\"l\":2}]" } },
    { "all others, by path",
      SPLIT("o.l", ALL),
      { "[{\"o\":{\"l\":[1],\"k\":2}}]" },
      { "[{\"o\":{\"k\":2},\"o.l\":1}]" } },
    { "some others",
      SPLIT("l", SOME("k, o.x,none")),
      { "[{\"l\":[1,2],\"k\":0,\"o\":{\"x\":1,\"y\":2}}]" },
      { "[{\"k\":0,\"o\":{\"x\":1},\"l\":1},{\"k\":0,\"o\":{\"x\":1},\"l\":2}]" } },
    { "another name",
      SPLIT("l", OPTIONS("\"destinationFieldName\":\"e\"")),
      { "[{\"l\":[{\"a\":1},2]}]" },
      { "[{\"e\":{\"a\":1}},{\"e\":2}]" } },
    { "other names",
      SPLIT("a,b", OPTIONS("\"destinationFieldName\":\"x,y.z\"")),
      { "[{\"a\":[1],\"b\":[2]}]" },
      { "[{\"x\":1,\"y.z\":2}]" } },
    { "another name with others",
      SPLIT("l", ALL OPTIONS("\"destinationFieldName\":\"k\"")),
      { "[{\"k\":0,\"l\":[1]}]" },
      { "[{\"k\":1}]" } },
    { "too few names",
      SPLIT("a,b", OPTIONS("\"destinationFieldName\":\"x\"")),
      { "[{\"a\":[1],\"b\":[2]}]" },
      .fails = "needs one name for each field that is split, not 'x'",
      .code = "no_field" },
    { "commas only", SPLIT(" , ", ""), { "[{}]" }, .fails = "names no field", .code = "no_field" },
    { "the name of the field by expression",
      "{\"fieldToSplitOut\":\"={{ $json.which }}\"}",
      { "[{\"which\":\"p\",\"p\":[1]},{\"which\":\"q\",\"q\":[2]}]" },
      { "[{\"p\":1},{\"q\":2}]" } },
    { "no field", "{}", .refused = "fieldToSplitOut" },
    { "no others named", SPLIT("l", ",\"include\":\"selectedOtherFields\""),
      .refused = "fieldsToInclude" },
};

static void caps_a_list(void **state)
{
    struct fake *f = fake_create(&wf_plugin_entry, NULL);
    size_t n = OUTPUT_MAX + 1;
    char *json = malloc(2 * n + 20), *p = json;
    (void)state;
    p += sprintf(p, "{\"l\":[1");
    for (size_t i = 1; i < n; i++)
        p += sprintf(p, ",1");
    strcpy(p, "]}");
    assert_int_equal(fake_start(f, SPLIT("l", "")), 0);
    wf_item *it = fake_item(f, json);
    fake_run(f);
    assert_int_equal(fake_ended(it), FAKE_FAILED);
    assert_string_equal(fake_fault(it)->code, "too_many");
    assert_int_equal(fake_outputs(f, 0), 0);
    fake_destroy(f);
    free(json);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(caps_a_list) };
    return FAKE_CASES_RUN(&wf_plugin_entry, "catalyst.splitOut", cases) +
           cmocka_run_group_tests(tests, NULL, NULL);
}
