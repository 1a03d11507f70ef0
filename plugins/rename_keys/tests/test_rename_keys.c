/* SPDX-License-Identifier: Apache-2.0
 * catalyst.renameKeys: names, paths, what is not there.
 */
#include "../rename_keys.c"
#include "fake_cases.h"

#define KEY(from, to) "{\"currentKey\":\"" from "\",\"newKey\":\"" to "\"}"
#define RENAME(keys)  "{\"keys\":{\"key\":[" keys "]}}"

static const struct fake_case cases[] = {
    { "a field", RENAME(KEY("a", "b")), { "[{\"a\":1,\"c\":{}}]" }, { "[{\"c\":{},\"b\":1}]" } },
    { "several, in order",
      RENAME(KEY("a", "b") "," KEY("b", "c") "," KEY("x", "y")),
      { "[{\"a\":1,\"x\":2}]" },
      { "[{\"c\":1,\"y\":2}]" } },
    { "swapped",
      RENAME(KEY("a", "t") "," KEY("b", "a") "," KEY("t", "b")),
      { "[{\"a\":1,\"b\":2}]" },
      { "[{\"a\":2,\"b\":1}]" } },
    { "not there",
      RENAME(KEY("z", "b") "," KEY("a.z", "c")),
      { "[{\"a\":1}]" },
      { "[{\"a\":1}]" } },
    { "to itself", RENAME(KEY("a", "a")), { "[{\"a\":1,\"b\":2}]" }, { "[{\"a\":1,\"b\":2}]" } },
    { "null is moved", RENAME(KEY("a", "b")), { "[{\"a\":null}]" }, { "[{\"b\":null}]" } },
    { "replaces", RENAME(KEY("a", "b")), { "[{\"b\":0,\"a\":1}]" }, { "[{\"b\":1}]" } },
    { "out of an object",
      RENAME(KEY("o.x", "x")),
      { "[{\"o\":{\"x\":1,\"y\":2}}]" },
      { "[{\"o\":{\"y\":2},\"x\":1}]" } },
    { "into an object",
      RENAME(KEY("x", "o.x")),
      { "[{\"x\":1,\"o\":{\"y\":2}}]" },
      { "[{\"o\":{\"y\":2,\"x\":1}}]" } },
    { "within one",
      RENAME(KEY("o.x", "o.z")),
      { "[{\"o\":{\"x\":1,\"y\":2}}]" },
      { "[{\"o\":{\"y\":2,\"z\":1}}]" } },
    { "a name with dots",
      RENAME(KEY("o.x", "x")),
      { "[{\"o.x\":1,\"o\":{\"x\":2}}]" },
      { "[{\"o\":{\"x\":2},\"x\":1}]" } },
    { "dots as they are",
      "{\"keys\":{\"key\":[" KEY("o.x", "p.q") "]},\"options\":{\"disableDotNotation\":true}}",
      { "[{\"o\":{\"x\":2}},{\"o.x\":1}]" },
      { "[{\"o\":{\"x\":2}},{\"p.q\":1}]" } },
    { "a name that leads nowhere",
      RENAME(KEY("a", "b.c")),
      { "[{\"a\":1,\"b\":2},{\"a\":3}]" },
      { "[{\"b\":{\"c\":3}}]" },
      .fails = "'b.c' leads through a value that is no object",
      .code = "bad_name" },
    { "nothing to do", "{}", { "[{\"a\":1}]" }, { "[{\"a\":1}]" } },
    { "regular expressions",
      "{\"additionalOptions\":{\"regexReplacement\":{\"replacements\":[{\"searchRegex\":\"a\","
      "\"replaceRegex\":\"b\"}]}}}",
      .refused = "regexReplacement is not supported" },
    { "half a pair", RENAME("{\"currentKey\":\"a\"}"), .refused = "newKey" },
};

int main(void) { return FAKE_CASES_RUN(&wf_plugin_entry, "catalyst.renameKeys", cases); }
