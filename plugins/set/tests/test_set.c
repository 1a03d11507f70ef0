/* SPDX-License-Identifier: Apache-2.0
 * catalyst.set: assignments, conversions, which fields stay, raw JSON.
 */
#include "../set.c"
#include "../convert.c"
#include "../keep.c"
#include "fake_cases.h"

#define A(name, type, value)   "{\"name\":\"" name "\",\"type\":\"" type "\",\"value\":" value "}"
#define SET(rest, assignments) "{\"assignments\":{\"assignments\":[" assignments "]}" rest "}"
#define V                      "\"={{ $json.v }}\""
#define BECOMES(name, type, from, to)                                                              \
    {                                                                                              \
        name, SET("", A("x", type, V)), { "[{\"v\":" from "}]" }, { "[{\"x\":" to "}]" }           \
    }
#define CANNOT(name, type, from, why)                                                              \
    {                                                                                              \
        name, SET("", A("x", type, V)), { "[{\"v\":" from "}]" }, .fails = why,                    \
                                                                  .code = "conversion"             \
    }
#define KEEP ",\"includeOtherFields\":true"

static const struct fake_case cases[] = {
    { "only what is set",
      SET("", A("b", "number", "2") "," A("a", "string", "\"x\"")),
      { "[{\"c\":3}]" },
      { "[{\"b\":2,\"a\":\"x\"}]" } },
    { "with the others",
      SET(KEEP, A("b", "number", "2")),
      { "[{\"c\":3},{\"b\":1,\"c\":{}}]" },
      { "[{\"c\":3,\"b\":2},{\"b\":2,\"c\":{}}]" } },
    { "nothing to set", "{}", { "[{\"c\":3}]" }, { "[{}]" } },
    { "nothing to set, all kept",
      "{\"includeOtherFields\":true}",
      { "[{\"c\":3}]" },
      { "[{\"c\":3}]" } },
    { "expressions",
      SET(KEEP, A("sum", "number", V)),
      { "[{\"v\":1},{\"v\":2}]" },
      { "[{\"v\":1,\"sum\":1},{\"v\":2,\"sum\":2}]" } },
    { "dots go into objects",
      SET(KEEP, A("a.b", "number", "1") "," A("a.c", "number", "2")),
      { "[{\"a\":{\"x\":0}}]" },
      { "[{\"a\":{\"x\":0,\"b\":1,\"c\":2}}]" } },
    { "dots in an empty object",
      SET("", A("a.b", "number", "1")),
      { "[{}]" },
      { "[{\"a\":{\"b\":1}}]" } },
    { "dots as they are",
      SET(",\"options\":{\"dotNotation\":false}", A("a.b", "number", "1")),
      { "[{}]" },
      { "[{\"a.b\":1}]" } },
    { "a name that leads nowhere",
      SET(KEEP, A("a.b", "number", "1")),
      { "[{\"a\":5},{\"a\":{}}]" },
      { "[{\"a\":{\"b\":1}}]" },
      .fails = "field 'a.b' cannot be set",
      .code = "bad_name" },
    { "the last of two wins",
      SET("", A("a", "number", "1") "," A("a", "number", "2")),
      { "[{}]" },
      { "[{\"a\":2}]" } },
    /* conversions */
    BECOMES("text stays", "string", "\"\"", "\"\""),
    BECOMES("number to text", "string", "1.50", "\"1.50\""),
    BECOMES("true to text", "string", "true", "\"true\""),
    BECOMES("object to text", "string", "{\"a\":[1]}", "\"{\\\"a\\\":[1]}\""),
    BECOMES("null stays null", "string", "null", "null"),
    { "missing becomes null", SET("", A("x", "number", V)), { "[{}]" }, { "[{\"x\":null}]" } },
    BECOMES("text to number", "number", "\" 12.5 \"", "12.5"),
    BECOMES("text to a large integer", "number", "\"9007199254740993\"", "9007199254740993"),
    BECOMES("empty text to number", "number", "\"\"", "0"),
    BECOMES("true to number", "number", "true", "1"),
    CANNOT("words to number", "number", "\"12 EUR\"",
           "field 'x': \"12 EUR\" cannot become a number"),
    CANNOT("a sign alone", "number", "\"-\"", "cannot become a number"),
    CANNOT("array to number", "number", "[1]", "cannot become a number"),
    BECOMES("text to true", "boolean", "\"True\"", "true"),
    BECOMES("text to false", "boolean", "\"0\"", "false"),
    BECOMES("1 to true", "boolean", "1", "true"),
    CANNOT("2 to boolean", "boolean", "2", "cannot become true or false"),
    CANNOT("yes to boolean", "boolean", "\"yes\"", "cannot become true or false"),
    BECOMES("text to array", "array", "\"[1, 2]\"", "[1,2]"),
    CANNOT("object to array", "array", "{}", "cannot become an array"),
    CANNOT("text of an object to array", "array", "\"{}\"", "cannot become an array"),
    BECOMES("text to object", "object", "\"{\\\"a\\\":1}\"", "{\"a\":1}"),
    CANNOT("broken text to object", "object", "\"{\"", "cannot become an object"),
    { "errors are ignored",
      SET(",\"options\":{\"ignoreConversionErrors\":true}", A("x", "number", V)),
      { "[{\"v\":\"many\"}]" },
      { "[{\"x\":\"many\"}]" } },
    { "one bad item fails alone",
      SET("", A("x", "number", V)),
      { "[{\"v\":\"a\"},{\"v\":1}]" },
      { "[{\"x\":1}]" },
      .fails = "cannot become",
      .code = "conversion" },
    /* which fields stay */
    { "selected",
      SET(",\"include\":\"selected\",\"includeFields\":\"a, c.d ,none\"", A("x", "number", "1")),
      { "[{\"a\":1,\"b\":2,\"c\":{\"d\":3,\"e\":4}}]" },
      { "[{\"a\":1,\"c\":{\"d\":3},\"x\":1}]" } },
    { "selected, dots as they are",
      SET(",\"include\":\"selected\",\"includeFields\":\"c.d\",\"options\":{\"dotNotation\":false}",
          ""),
      { "[{\"c.d\":1,\"c\":{\"d\":3}}]" },
      { "[{\"c.d\":1}]" } },
    { "except",
      SET(",\"include\":\"except\",\"excludeFields\":\"a,c.d\"", A("x", "number", "1")),
      { "[{\"a\":1,\"b\":2,\"c\":{\"d\":3,\"e\":4}}]" },
      { "[{\"b\":2,\"c\":{\"e\":4},\"x\":1}]" } },
    { "except: nothing of it there",
      SET(",\"include\":\"except\",\"excludeFields\":\"z,y.x\"", ""),
      { "[{\"a\":1}]" },
      { "[{\"a\":1}]" } },
    { "include none wins",
      SET(KEEP ",\"include\":\"none\"", A("x", "number", "1")),
      { "[{\"a\":1}]" },
      { "[{\"x\":1}]" } },
    /* raw */
    { "raw text",
      "{\"mode\":\"raw\",\"jsonOutput\":\"{ \\\"a\\\": [1, {}] }\"}",
      { "[{\"z\":1}]" },
      { "[{\"a\":[1,{}]}]" } },
    { "raw object",
      "{\"mode\":\"raw\",\"jsonOutput\":{\"a\":1},\"includeOtherFields\":true}",
      { "[{\"z\":1,\"a\":0}]" },
      { "[{\"z\":1,\"a\":1}]" } },
    { "raw by expression",
      "{\"mode\":\"raw\",\"jsonOutput\":\"={{ $json.o }}\"}",
      { "[{\"o\":{\"k\":1}}]" },
      { "[{\"k\":1}]" } },
    { "raw with dots",
      "{\"mode\":\"raw\",\"jsonOutput\":{\"a.b\":1}}",
      { "[{}]" },
      { "[{\"a\":{\"b\":1}}]" } },
    { "raw is broken",
      "{\"mode\":\"raw\",\"jsonOutput\":\"{\"}",
      { "[{}]" },
      .fails = "jsonOutput is not the JSON of an object: ",
      .code = "bad_json" },
    { "raw is no object",
      "{\"mode\":\"raw\",\"jsonOutput\":[1]}",
      { "[{}]" },
      .fails = "of another type",
      .code = "bad_json" },
    { "raw is missing", "{\"mode\":\"raw\"}", .refused = "jsonOutput" },
    /* the older form */
    { "fields.values",
      "{\"fields\":{\"values\":[{\"name\":\"s\",\"stringValue\":\"x\"},{\"name\":\"n\",\"type\":"
      "\"numberValue\",\"numberValue\":\"={{ $json.v }}\"},"
      "{\"name\":\"b\",\"type\":\"booleanValue\"}]}}",
      { "[{\"v\":\"7\"}]" },
      { "[{\"v\":\"7\",\"s\":\"x\",\"n\":7,\"b\":true}]" } },
    { "no name", SET("", "{\"value\":1}"), .refused = "name" },
};

int main(void) { return FAKE_CASES_RUN(&wf_plugin_entry, "catalyst.set", cases); }
