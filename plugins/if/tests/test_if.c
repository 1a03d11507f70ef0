/* SPDX-License-Identifier: Apache-2.0
 * Conditions, operation by operation, through catalyst.if.
 */
#include "../if.c"
#include "fake_cases.h"

#define ITEM "[{\"v\":1}]"
/* One condition over $json.l and $json.r. */
#define COND(type, op)                                                                             \
    "{\"leftValue\":\"={{ $json.l }}\",\"rightValue\":\"={{ $json.r "                              \
    "}}\",\"operator\":{\"type\":\"" type "\",\"operation\":\"" op "\"}}"
#define PARAMS(options, conditions)                                                                \
    "{\"conditions\":{\"combinator\":\"and\",\"options\":{" options                                \
    "},\"conditions\":[" conditions "]}}"
#define STRICT(type, op) PARAMS("\"typeValidation\":\"strict\"", COND(type, op))
#define LOOSE(type, op)  PARAMS("\"typeValidation\":\"loose\"", COND(type, op))
#define FOLD(type, op)   PARAMS("\"caseSensitive\":false", COND(type, op))
#define YES(name, params, item)                                                                    \
    {                                                                                              \
        name, params, { "[" item "]" }, { "[" item "]" }                                           \
    }
#define NO(name, params, item)                                                                     \
    {                                                                                              \
        name, params, { "[" item "]" }, { NULL, "[" item "]" }                                     \
    }
#define BAD(name, params, item, why)                                                               \
    {                                                                                              \
        name, params, { "[" item "]" }, .fails = why, .code = "wrong_type"                         \
    }
#define LR(l, r) "{\"l\":" l ",\"r\":" r "}"
#define L(l)     "{\"l\":" l "}"

static const struct fake_case cases[] = {
    /* exists, empty */
    YES("exists", STRICT("string", "exists"), L("\"\"")),
    NO("exists: null", STRICT("string", "exists"), L("null")),
    NO("exists: missing", STRICT("number", "exists"), "{}"),
    YES("exists needs no type", STRICT("number", "exists"), L("\"x\"")),
    YES("notExists: missing", STRICT("string", "notExists"), "{}"),
    NO("notExists", STRICT("any", "notExists"), L("0")),
    YES("string empty", STRICT("string", "empty"), L("\"\"")),
    YES("string empty: missing", STRICT("string", "empty"), "{}"),
    NO("string notEmpty: null", STRICT("string", "notEmpty"), L("null")),
    YES("string notEmpty", STRICT("string", "notEmpty"), L("\" \"")),
    YES("number empty", STRICT("number", "empty"), L("null")),
    NO("number empty: 0", STRICT("number", "empty"), L("0")),
    YES("number notEmpty", STRICT("number", "notEmpty"), L("0")),
    YES("date empty", STRICT("dateTime", "empty"), "{}"),
    YES("boolean notEmpty", STRICT("boolean", "notEmpty"), L("false")),
    YES("array empty", STRICT("array", "empty"), L("[]")),
    YES("array empty: missing", STRICT("array", "empty"), "{}"),
    YES("array notEmpty", STRICT("array", "notEmpty"), L("[0]")),
    YES("object empty", STRICT("object", "empty"), L("{}")),
    YES("object empty: null", STRICT("object", "empty"), L("null")),
    YES("object notEmpty", STRICT("object", "notEmpty"), L("{\"a\":1}")),
    /* string */
    YES("string equals", STRICT("string", "equals"), LR("\"a\"", "\"a\"")),
    NO("string equals: case", STRICT("string", "equals"), LR("\"a\"", "\"A\"")),
    YES("string equals: fold", FOLD("string", "equals"),
        LR("\"STRA\\u00dfE \\u00c4\"", "\"stra\\u00dfe \\u00e4\"")),
    YES("string equals: null and empty", STRICT("string", "equals"), LR("null", "\"\"")),
    YES("string notEquals", STRICT("string", "notEquals"), LR("\"a\"", "\"b\"")),
    YES("string contains", STRICT("string", "contains"), LR("\"abc\"", "\"bc\"")),
    YES("string contains: nothing", STRICT("string", "contains"), LR("\"\"", "\"\"")),
    NO("string contains: case", STRICT("string", "contains"), LR("\"abc\"", "\"BC\"")),
    YES("string contains: fold", FOLD("string", "contains"),
        LR("\"\\u043f\\u0440\\u0418\\u0412\\u0435\\u0442\"", "\"\\u0438\\u0432\"")),
    YES("string notContains", STRICT("string", "notContains"), LR("\"abc\"", "\"x\"")),
    YES("string startsWith", STRICT("string", "startsWith"), LR("\"abc\"", "\"ab\"")),
    NO("string startsWith: longer", STRICT("string", "startsWith"), LR("\"a\"", "\"ab\"")),
    YES("string notStartsWith", FOLD("string", "notStartsWith"), LR("\"abc\"", "\"B\"")),
    YES("string endsWith", STRICT("string", "endsWith"), LR("\"abc\"", "\"bc\"")),
    YES("string endsWith: fold", FOLD("string", "endsWith"),
        LR("\"a\\u00c4\\u00dc\"", "\"\\u00e4\\u00fc\"")),
    NO("string endsWith: fold, other", FOLD("string", "endsWith"), LR("\"abc\"", "\"B\"")),
    YES("string notEndsWith", STRICT("string", "notEndsWith"), LR("\"abc\"", "\"ab\"")),
    YES("string regex", STRICT("string", "regex"), LR("\"order-4711\"", "\"^order-\\\\d{4}$\"")),
    NO("string regex: none", STRICT("string", "regex"), LR("\"order-47\"", "\"^order-\\\\d{4}$\"")),
    YES("string regex with flags", STRICT("string", "regex"), LR("\"ORDER\"", "\"/^order$/i\"")),
    YES("string regex with lines", STRICT("string", "regex"), LR("\"a\\nb\"", "\"/^b$/m\"")),
    YES("string regex with dots", STRICT("string", "regex"), LR("\"a\\nb\"", "\"/a.b/gs\"")),
    NO("string regex: slashes without flags", STRICT("string", "regex"), LR("\"a\"", "\"/a/x\"")),
    YES("string regex: fold", FOLD("string", "regex"), LR("\"Order\"", "\"[O]RDER\"")),
    YES("string notRegex", STRICT("string", "notRegex"), LR("\"abc\"", "\"\\\\d\"")),
    { "string regex: bad",
      STRICT("string", "regex"),
      { "[" LR("\"a\"", "\"(?=a)\"") "]" },
      .fails = "condition 1: the pattern cannot be used: look-ahead",
      .code = "bad_pattern" },
    BAD("string strict: number", STRICT("string", "equals"), LR("1", "\"1\""),
        "condition 1: the left value 1 is a number, expected a string; convert it"),
    YES("string loose: number", LOOSE("string", "equals"), LR("1", "\"1\"")),
    YES("string loose: object", LOOSE("string", "contains"), LR("{\"a\":[1]}", "\"[1]\"")),
    /* number */
    YES("number equals", STRICT("number", "equals"), LR("1", "1.0")),
    YES("number equals: large", STRICT("number", "notEquals"),
        LR("9007199254740993", "9007199254740992")),
    YES("number equals: null and null", STRICT("number", "equals"), LR("null", "null")),
    NO("number equals: null and 0", STRICT("number", "equals"), LR("null", "0")),
    YES("number gt", STRICT("number", "gt"), LR("2", "1.5")),
    NO("number gt: same", STRICT("number", "gt"), LR("2", "2")),
    YES("number lt", STRICT("number", "lt"), LR("-1", "0")),
    YES("number lt: null is 0", STRICT("number", "lt"), LR("null", "5")),
    NO("number lt: missing", STRICT("number", "lt"), "{\"r\":5}"),
    NO("number gte: missing", STRICT("number", "gte"), "{\"r\":5}"),
    YES("number gte", STRICT("number", "gte"), LR("2", "2")),
    YES("number lte", STRICT("number", "lte"), LR("1.5", "2")),
    NO("number lte: above", STRICT("number", "lte"), LR("3", "2")),
    BAD("number strict: text", STRICT("number", "gt"), LR("\"5\"", "1"),
        "the left value \"5\" is a string"),
    BAD("number strict: right", STRICT("number", "gt"), LR("5", "\"1\""),
        "the right value \"1\" is a string"),
    YES("number loose: text", LOOSE("number", "gt"), LR("\" 5 \"", "\"1e0\"")),
    YES("number loose: hex", LOOSE("number", "equals"), LR("\"0x1F\"", "31")),
    YES("number loose: true", LOOSE("number", "equals"), LR("true", "1")),
    YES("number loose: empty", LOOSE("number", "equals"), LR("\"\"", "0")),
    BAD("number loose: words", LOOSE("number", "gt"), LR("\"5 EUR\"", "1"),
        "it cannot be converted"),
    BAD("number loose: inf", LOOSE("number", "gt"), LR("\"inf\"", "1"), "it cannot be converted"),
    BAD("number loose: array", LOOSE("number", "gt"), LR("[1]", "1"), "it cannot be converted"),
    /* dateTime */
    YES("date after", STRICT("dateTime", "after"),
        LR("\"2024-02-01\"", "\"2024-01-31T23:59:59Z\"")),
    YES("date before", STRICT("dateTime", "before"),
        LR("\"2024-01-31T12:00:00+02:00\"", "\"2024-01-31T11:00:00Z\"")),
    YES("date equals: number", STRICT("dateTime", "equals"), LR("1706659200000", "\"2024-01-31\"")),
    YES("date notEquals", STRICT("dateTime", "notEquals"), LR("1706659200001", "\"2024-01-31\"")),
    YES("date afterOrEquals", STRICT("dateTime", "afterOrEquals"),
        LR("\"2024-01-31\"", "\"2024-01-31\"")),
    YES("date beforeOrEquals: mail", STRICT("dateTime", "beforeOrEquals"),
        LR("\"Tue, 15 Nov 1994 08:12:31 GMT\"", "\"2024-01-31\"")),
    NO("date after: nothing", STRICT("dateTime", "after"), "{\"r\":\"2024-01-31\"}"),
    NO("date before: nothing", STRICT("dateTime", "before"), "{\"r\":\"2024-01-31\"}"),
    NO("date beforeOrEquals: null", STRICT("dateTime", "beforeOrEquals"),
       LR("null", "\"2024-01-31\"")),
    NO("date after: right is nothing", STRICT("dateTime", "after"), L("\"2024-01-31\"")),
    NO("date afterOrEquals: right is nothing", STRICT("dateTime", "afterOrEquals"),
       L("\"2024-01-31\"")),
    BAD("date: an array", LOOSE("dateTime", "after"), LR("[]", "1"), "expected a date and time"),
    BAD("date: words", STRICT("dateTime", "after"), LR("\"soon\"", "\"2024-01-31\""),
        "expected a date and time"),
    BAD("date: no such day", LOOSE("dateTime", "after"), LR("\"2024-02-30\"", "\"2024-01-31\""),
        "expected a date"),
    /* boolean */
    YES("boolean true", STRICT("boolean", "true"), L("true")),
    NO("boolean true: missing", STRICT("boolean", "true"), "{}"),
    YES("boolean false", STRICT("boolean", "false"), L("false")),
    YES("boolean false: null", STRICT("boolean", "false"), L("null")),
    YES("boolean equals", STRICT("boolean", "equals"), LR("false", "false")),
    NO("boolean equals: null", STRICT("boolean", "equals"), LR("null", "false")),
    YES("boolean notEquals", STRICT("boolean", "notEquals"), LR("true", "false")),
    BAD("boolean strict: text", STRICT("boolean", "true"), L("\"true\""), "expected a boolean"),
    NO("boolean loose: text false", LOOSE("boolean", "true"), L("\"False\"")),
    NO("boolean loose: 0", LOOSE("boolean", "true"), L("\"0\"")),
    YES("boolean loose: words", LOOSE("boolean", "true"), L("\"yes\"")),
    YES("boolean loose: 1", LOOSE("boolean", "true"), L("1")),
    /* array, object, any */
    YES("array contains", STRICT("array", "contains"), LR("[1,\"a\"]", "\"a\"")),
    NO("array contains: type", STRICT("array", "contains"), LR("[1]", "\"1\"")),
    YES("array contains: fold", FOLD("array", "contains"), LR("[1,\"A\"]", "\"a\"")),
    YES("array notContains", STRICT("array", "notContains"), LR("[1]", "2")),
    NO("array contains: missing", STRICT("array", "contains"), "{\"r\":1}"),
    YES("array lengthEquals", STRICT("array", "lengthEquals"), LR("[1,2]", "2")),
    YES("array lengthNotEquals", STRICT("array", "lengthNotEquals"), LR("[1,2]", "3")),
    YES("array lengthGt", STRICT("array", "lengthGt"), LR("[1,2]", "1")),
    NO("array lengthGt: same", STRICT("array", "lengthGt"), LR("[1,2]", "2")),
    YES("array lengthLt", STRICT("array", "lengthLt"), LR("[1,2]", "3")),
    YES("array lengthGte", STRICT("array", "lengthGte"), LR("[1,2]", "2")),
    YES("array lengthLte", STRICT("array", "lengthLte"), LR("[1,2]", "2")),
    NO("array lengthLte: longer", STRICT("array", "lengthLte"), LR("[1,2]", "1")),
    YES("array equals", STRICT("array", "equals"), LR("[1,{\"a\":2}]", "[1,{\"a\":2}]")),
    BAD("array strict: text", STRICT("array", "notEmpty"), L("\"[1]\""), "expected an array"),
    YES("array loose: text", LOOSE("array", "notEmpty"), L("\"[1]\"")),
    BAD("array loose: no JSON", LOOSE("array", "notEmpty"), L("\"[1\""), "it cannot be converted"),
    YES("object loose: text", LOOSE("object", "notEmpty"), L("\"{\\\"a\\\":1}\"")),
    YES("any equals", STRICT("any", "equals"), LR("[1]", "[1]")),
    YES("any notEquals", STRICT("any", "notEquals"), LR("1", "\"1\"")),
    /* joined */
    YES("and: none", PARAMS("", ""), L("1")),
    { "or: none",
      "{\"conditions\":{\"combinator\":\"or\",\"conditions\":[]}}",
      { ITEM },
      { NULL, ITEM } },
    YES("and: both", PARAMS("", COND("number", "gt") "," COND("number", "notEquals")),
        LR("2", "1")),
    NO("and: one fails", PARAMS("", COND("number", "gt") "," COND("number", "equals")),
       LR("2", "1")),
    { "or: the second",
      "{\"conditions\":{\"combinator\":\"or\",\"conditions\":[" COND("number", "lt") "," COND(
          "number", "gt") "]}}",
      { "[" LR("2", "1") "]" },
      { "[" LR("2", "1") "]" } },
    { "or: an error before it holds",
      "{\"conditions\":{\"combinator\":\"or\",\"conditions\":[" COND("number", "exists") "," COND(
          "string", "empty") "]}}",
      { "[{\"r\":1,\"l\":5},{\"r\":1}]" },
      { "[{\"r\":1,\"l\":5},{\"r\":1}]" } },
    { "the number of the condition",
      PARAMS("", COND("any", "exists") "," COND("string", "empty")),
      { "[" L("5") "]" },
      .fails = "condition 2: ",
      .code = "wrong_type" },
    { "one bad item leaves the others",
      STRICT("number", "gt"),
      { "[" LR("2", "1") "," LR("\"x\"", "1") "," LR("0", "1") "]" },
      { "[" LR("2", "1") "]", "[" LR("0", "1") "]" },
      .fails = "\"x\"" },
    /* n8n's own switches and fields */
    { "looseTypeValidation",
      "{\"looseTypeValidation\":true,\"conditions\":{\"conditions\":[" COND("number", "gt") "]}}",
      { "[" LR("\"2\"", "1") "]" },
      { "[" LR("\"2\"", "1") "]" } },
    { "options.ignoreCase",
      "{\"options\":{\"ignoreCase\":true},\"conditions\":{\"conditions\":[" COND("string",
                                                                                 "equals") "]}}",
      { "[" LR("\"a\"", "\"A\"") "]" },
      { "[" LR("\"a\"", "\"A\"") "]" } },
    { "an exported file",
      "{\"conditions\":{\"options\":{\"caseSensitive\":true,\"leftValue\":\"\",\"typeValidation\":"
      "\"strict\",\"version\":2},"
      "\"conditions\":[{\"id\":\"b5\",\"leftValue\":\"={{ $json.l "
      "}}\",\"rightValue\":\"\",\"operator\":{\"type\":\"string\","
      "\"operation\":\"notEmpty\",\"singleValue\":true,\"name\":\"filter.operator.notEmpty\"}}],"
      "\"combinator\":\"and\"},\"options\":{}}",
      { "[" L("\"a\"") "]" },
      { "[" L("\"a\"") "]" } },
    /* refused */
    { "no such operation", PARAMS("", COND("number", "startsWith")),
      .refused = "condition 1: type 'number' has no operation 'startsWith'" },
    { "a constant of the wrong type",
      PARAMS("", "{\"leftValue\":1,\"rightValue\":\"1\",\"operator\":{\"type\":\"number\","
                 "\"operation\":\"gt\"}}"),
      .refused = "condition 1: the right value is a string, expected a number" },
    { "a bad pattern",
      PARAMS("", "{\"leftValue\":\"\",\"rightValue\":\"(a\",\"operator\":{\"type\":\"string\","
                 "\"operation\":\"regex\"}}"),
      .refused = "condition 1: the pattern cannot be used: a parenthesis ( is not closed" },
    { "no operator", "{\"conditions\":{\"conditions\":[{\"leftValue\":1}]}}",
      .refused = "operator" },
};

int main(void) { return FAKE_CASES_RUN(&wf_plugin_entry, "catalyst.if", cases); }
