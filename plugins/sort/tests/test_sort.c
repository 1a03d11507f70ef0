/* SPDX-License-Identifier: Apache-2.0
 * catalyst.sort: the order of values, directions, several fields, shuffling.
 */
#include "../sort.c"
#include "fake_cases.h"

#define BY(name, order) "{\"fieldName\":\"" name "\",\"order\":\"" order "\"}"
#define SORT(fields)    "{\"type\":\"simple\",\"sortFieldsUi\":{\"sortField\":[" fields "]}}"
#define UP              SORT(BY("a", "ascending"))
#define DOWN            SORT(BY("a", "descending"))

static const struct fake_case cases[] = {
    { "numbers",
      UP,
      { "[{\"a\":10},{\"a\":9},{\"a\":-1.5},{\"a\":9.5}]" },
      { "[{\"a\":-1.5},{\"a\":9},{\"a\":9.5},{\"a\":10}]" } },
    { "large integers",
      UP,
      { "[{\"a\":9007199254740993},{\"a\":9007199254740992}]" },
      { "[{\"a\":9007199254740992},{\"a\":9007199254740993}]" } },
    { "numbers down",
      DOWN,
      { "[{\"a\":1},{\"a\":3},{\"a\":2}]" },
      { "[{\"a\":3},{\"a\":2},{\"a\":1}]" } },
    { "texts without case",
      UP,
      { "[{\"a\":\"b\"},{\"a\":\"A\"},{\"a\":\"a\"},{\"a\":\"B\"},{\"a\":\"ab\"},{\"a\":\"\"}]" },
      { "[{\"a\":\"\"},{\"a\":\"A\"},{\"a\":\"a\"},{\"a\":\"ab\"},{\"a\":\"b\"},{\"a\":\"B\"}]" } },
    { "kinds",
      UP,
      { "[{\"a\":null},{},{\"a\":{}},{\"a\":[2]},{\"a\":[1,2]},{\"a\":[1]},{\"a\":\"1\"},{\"a\":0},"
        "{\"a\":true},{\"a\":false}]" },
      { "[{\"a\":false},{\"a\":true},{\"a\":0},{\"a\":\"1\"},{\"a\":[1]},{\"a\":[1,2]},{\"a\":[2]},"
        "{\"a\":{}},{\"a\":null},{}]" } },
    { "nothing is last in both directions",
      DOWN,
      { "[{\"x\":1},{\"a\":1},{\"a\":null},{\"a\":2}]" },
      { "[{\"a\":2},{\"a\":1},{\"x\":1},{\"a\":null}]" } },
    { "equal items keep their order",
      DOWN,
      { "[{\"a\":1,\"n\":1},{\"a\":2,\"n\":2},{\"a\":1,\"n\":3},{\"a\":2,\"n\":4}]" },
      { "[{\"a\":2,\"n\":2},{\"a\":2,\"n\":4},{\"a\":1,\"n\":1},{\"a\":1,\"n\":3}]" } },
    { "two fields",
      SORT(BY("a", "ascending") "," BY("b.c", "descending")),
      { "[{\"a\":2,\"b\":{\"c\":1}},{\"a\":1,\"b\":{\"c\":1}},{\"a\":1,\"b\":{\"c\":2}}]" },
      { "[{\"a\":1,\"b\":{\"c\":2}},{\"a\":1,\"b\":{\"c\":1}},{\"a\":2,\"b\":{\"c\":1}}]" } },
    { "dots as they are",
      "{\"sortFieldsUi\":{\"sortField\":[{\"fieldName\":\"a.b\"}]},\"options\":{"
      "\"disableDotNotation\":true}}",
      { "[{\"a.b\":2,\"a\":{\"b\":1}},{\"a.b\":1,\"a\":{\"b\":2}}]" },
      { "[{\"a.b\":1,\"a\":{\"b\":2}},{\"a.b\":2,\"a\":{\"b\":1}}]" } },
    { "no item has the field",
      SORT(BY("a", "ascending") "," BY("zz", "ascending")),
      { "[{\"a\":1},{}]" },
      .fails = "no item has the field 'zz' to sort by" },
    { "no fields", "{}", .refused = "no field is named" },
    { "code", "{\"type\":\"code\",\"code\":\"return 0\"}", .refused = "use a catalyst.code node" },
};

static void order_of(char *to, const char *given)
{
    struct fake *f = fake_create(&wf_plugin_entry, NULL);
    char json[20];
    assert_int_equal(fake_start(f, given), 0);
    for (int i = 0; i < 26; i++) {
        snprintf(json, sizeof json, "{\"n\":\"%c\"}", 'a' + i);
        fake_item(f, json);
    }
    fake_run(f);
    assert_int_equal(fake_outputs(f, 0), 26);
    for (size_t i = 0; i < 26; i++)
        to[i] = fake_output_json(f, 0, i)[6];
    to[26] = 0;
    fake_destroy(f);
}

/* All are there, in another order, and a replay gives the same. */
static void shuffles(void **state)
{
    char once[27], again[27];
    (void)state;
    order_of(once, "{\"type\":\"random\"}");
    order_of(again, "{\"type\":\"random\"}");
    assert_string_equal(once, again);
    assert_string_not_equal(once, "abcdefghijklmnopqrstuvwxyz");
    for (char c = 'a'; c <= 'z'; c++)
        assert_non_null(strchr(once, c));
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(shuffles) };
    return FAKE_CASES_RUN(&wf_plugin_entry, "catalyst.sort", cases) +
           cmocka_run_group_tests(tests, NULL, NULL);
}
