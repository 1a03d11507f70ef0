/* SPDX-License-Identifier: Apache-2.0
 * catalyst.switch: outputs by rules and by number, fallbacks, how many outputs there are.
 */
#include "../switch.c"
#include "fake_cases.h"

#define RULE(op, value)                                                                            \
    "{\"outputKey\":\"x\",\"renameOutput\":true,\"conditions\":{\"conditions\":[{\"leftValue\":"   \
    "\"={{ $json.n }}\",\"rightValue\":" value                                                     \
    ",\"operator\":{\"type\":\"number\",\"operation\":\"" op "\"}}]}}"
#define RULES(options)                                                                             \
    "{\"mode\":\"rules\",\"rules\":{\"values\":[" RULE("lt", "10") "," RULE(                       \
        "lt", "5") "]},\"options\":{" options "}}"

static const struct fake_case cases[] = {
    { "first rule wins",
      RULES(""),
      { "[{\"n\":3},{\"n\":7},{\"n\":20}]" },
      { "[{\"n\":3},{\"n\":7}]" } },
    { "second rule",
      "{\"rules\":{\"values\":[" RULE("lt", "5") "," RULE("lt", "10") "]}}",
      { "[{\"n\":3},{\"n\":7}]" },
      { "[{\"n\":3}]", "[{\"n\":7}]" } },
    { "all matching outputs",
      RULES("\"allMatchingOutputs\":true"),
      { "[{\"n\":3},{\"n\":7},{\"n\":20}]" },
      { "[{\"n\":3},{\"n\":7}]", "[{\"n\":3}]" } },
    { "extra fallback",
      RULES("\"fallbackOutput\":\"extra\",\"renameFallbackOutput\":\"rest\""),
      { "[{\"n\":20},{\"n\":3}]" },
      { "[{\"n\":3}]", NULL, "[{\"n\":20}]" } },
    { "all matching with fallback",
      RULES("\"allMatchingOutputs\":true,\"fallbackOutput\":\"extra\""),
      { "[{\"n\":20},{\"n\":3}]" },
      { "[{\"n\":3}]", "[{\"n\":3}]", "[{\"n\":20}]" } },
    { "numbered fallback",
      RULES("\"fallbackOutput\":1"),
      { "[{\"n\":20}]" },
      { NULL, "[{\"n\":20}]" } },
    { "a bad item fails alone",
      RULES(""),
      { "[{\"n\":\"x\"},{\"n\":1}]" },
      { "[{\"n\":1}]" },
      .fails = "expected a number",
      .code = "wrong_type" },
    { "loose",
      "{\"looseTypeValidation\":true,\"rules\":{\"values\":[" RULE("lt", "10") "]}}",
      { "[{\"n\":\"3\"}]" },
      { "[{\"n\":\"3\"}]" } },
    { "by number",
      "{\"mode\":\"expression\",\"numberOutputs\":3,\"output\":\"={{ $json.n }}\"}",
      { "[{\"n\":2},{\"n\":0}]" },
      { "[{\"n\":0}]", NULL, "[{\"n\":2}]" } },
    { "by number: four outputs are the default",
      "{\"mode\":\"expression\",\"output\":\"={{ $json.n }}\"}",
      { "[{\"n\":3}]" },
      { NULL, NULL, NULL, "[{\"n\":3}]" } },
    { "by number: none has it",
      "{\"mode\":\"expression\",\"numberOutputs\":3,\"output\":\"={{ $json.n }}\"}",
      { "[{\"n\":3},{\"n\":1}]" },
      { NULL, "[{\"n\":1}]" },
      .fails = "output 3: the outputs are 0 to 2",
      .code = "no_such_output" },
    { "by number: negative",
      "{\"mode\":\"expression\",\"output\":\"={{ $json.n }}\"}",
      { "[{\"n\":-1}]" },
      .fails = "output -1",
      .code = "no_such_output" },
    { "no rules", "{}", .refused = "there is no rule" },
    { "a bad fallback", RULES("\"fallbackOutput\":\"2\""),
      .refused = "options.fallbackOutput is '2'" },
    { "a worse fallback", RULES("\"fallbackOutput\":\"other\""),
      .refused = "options.fallbackOutput is 'other'" },
    { "a bad rule", "{\"rules\":{\"values\":[" RULE("lt", "5") "," RULE("contains", "5") "]}}",
      .refused = "rule 2: condition 1: type 'number' has no operation 'contains'" },
};

static void counts_outputs(void **state)
{
    struct config c = { .rules = { NULL, 3 }, .fallback = { "extra", 5 } };
    unsigned inputs = 1, outputs = 4;
    (void)state;
    switch_shape(&c, &inputs, &outputs);
    assert_int_equal(outputs, 4);
    c.fallback = (wf_str){ "none", 4 };
    switch_shape(&c, &inputs, &outputs);
    assert_int_equal(outputs, 3);
    c = (struct config){ .mode = MODE_EXPRESSION, .number_outputs = 7 };
    switch_shape(&c, &inputs, &outputs);
    assert_int_equal(outputs, 7);
    assert_int_equal(inputs, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(counts_outputs) };
    return FAKE_CASES_RUN(&wf_plugin_entry, "catalyst.switch", cases) +
           cmocka_run_group_tests(tests, NULL, NULL);
}
