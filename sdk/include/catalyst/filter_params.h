/* SPDX-License-Identifier: Apache-2.0
 * catalyst/filter_params.h - the shape of the "conditions" parameter: types, operations, table
 * rows, codes, docs. Authors include filter.h only, which says what it is for.
 */
#ifndef WF_FILTER_PARAMS_H
#define WF_FILTER_PARAMS_H
#include <catalyst/plugin.h>

/* --- tables ----------------------------------------------------------------------------------- */

#define WF_FILTER_TYPES(X)                                                                         \
    X(STRING, "string", "a string")                                                                \
    X(NUMBER, "number", "a number")                                                                \
    X(DATE, "dateTime", "a date and time")                                                         \
    X(BOOLEAN, "boolean", "a boolean")                                                             \
    X(ARRAY, "array", "an array")                                                                  \
    X(OBJECT, "object", "an object")                                                               \
    X(ANY, "any", "anything")

enum wf_filter_type {
#define X(id, name, help) WF_FILTER_##id,
    WF_FILTER_TYPES(X)
#undef X
};

#define WF_FILTER_BIT(id) (1u << WF_FILTER_##id)
enum {
    WF_FILTER_S = WF_FILTER_BIT(STRING),
    WF_FILTER_N = WF_FILTER_BIT(NUMBER),
    WF_FILTER_D = WF_FILTER_BIT(DATE),
    WF_FILTER_B = WF_FILTER_BIT(BOOLEAN),
    WF_FILTER_A = WF_FILTER_BIT(ARRAY),
    WF_FILTER_SA = WF_FILTER_BIT(STRING) | WF_FILTER_BIT(ARRAY),
    WF_FILTER_TYPED = WF_FILTER_BIT(ANY) - 1,
    WF_FILTER_EVERY = WF_FILTER_TYPED | WF_FILTER_BIT(ANY),
};

/* id, name, help, types it is for, takes no right value */
#define WF_FILTER_OPERATIONS(X)                                                                    \
    X(EXISTS, "exists", "there is a value that is not null", EVERY, 1)                             \
    X(NOT_EXISTS, "notExists", "the value is null or missing", EVERY, 1)                           \
    X(EMPTY, "empty", "nothing there, or nothing in it", TYPED, 1)                                 \
    X(NOT_EMPTY, "notEmpty", "there is something", TYPED, 1)                                       \
    X(EQUALS, "equals", "is equal to", EVERY, 0)                                                   \
    X(NOT_EQUALS, "notEquals", "is not equal to", EVERY, 0)                                        \
    X(CONTAINS, "contains", "contains", SA, 0)                                                     \
    X(NOT_CONTAINS, "notContains", "does not contain", SA, 0)                                      \
    X(STARTS, "startsWith", "starts with", S, 0)                                                   \
    X(NOT_STARTS, "notStartsWith", "does not start with", S, 0)                                    \
    X(ENDS, "endsWith", "ends with", S, 0)                                                         \
    X(NOT_ENDS, "notEndsWith", "does not end with", S, 0)                                          \
    X(REGEX, "regex", "matches the regular expression", S, 0)                                      \
    X(NOT_REGEX, "notRegex", "does not match the regular expression", S, 0)                        \
    X(GT, "gt", "is greater than", N, 0)                                                           \
    X(LT, "lt", "is less than", N, 0)                                                              \
    X(GTE, "gte", "is greater than or equal to", N, 0)                                             \
    X(LTE, "lte", "is less than or equal to", N, 0)                                                \
    X(AFTER, "after", "is after", D, 0)                                                            \
    X(BEFORE, "before", "is before", D, 0)                                                         \
    X(AFTER_OR, "afterOrEquals", "is after or equal to", D, 0)                                     \
    X(BEFORE_OR, "beforeOrEquals", "is before or equal to", D, 0)                                  \
    X(TRUE, "true", "is true", B, 1)                                                               \
    X(FALSE, "false", "is false", B, 1)                                                            \
    X(LENGTH_EQ, "lengthEquals", "has a length equal to", A, 0)                                    \
    X(LENGTH_NE, "lengthNotEquals", "has a length not equal to", A, 0)                             \
    X(LENGTH_GT, "lengthGt", "has a length greater than", A, 0)                                    \
    X(LENGTH_LT, "lengthLt", "has a length less than", A, 0)                                       \
    X(LENGTH_GTE, "lengthGte", "has a length greater than or equal to", A, 0)                      \
    X(LENGTH_LTE, "lengthLte", "has a length less than or equal to", A, 0)

enum wf_filter_operation {
#define X(id, name, help, types, single) WF_FILTER_OP_##id,
    WF_FILTER_OPERATIONS(X)
#undef X
};

#define WF_FILTER_TABLE static const __attribute__((unused))
WF_FILTER_TABLE wf_pair wf_filter_types[] = {
#define X(id, name, help) { name, help },
    WF_FILTER_TYPES(X)
#undef X
        { NULL, NULL }
};
WF_FILTER_TABLE wf_pair wf_filter_operations[] = {
#define X(id, name, help, types, single) { name, help },
    WF_FILTER_OPERATIONS(X)
#undef X
        { NULL, NULL }
};
/* What each operation is for, and whether it stands alone. */
WF_FILTER_TABLE struct {
    uint8_t types, single;
} wf_filter_traits[] = {
#define X(id, name, help, types, single) { WF_FILTER_##types, single },
    WF_FILTER_OPERATIONS(X)
#undef X
};

enum { WF_FILTER_AND, WF_FILTER_OR };
WF_FILTER_TABLE wf_pair wf_filter_combinators[] = { { "and", "all conditions hold" },
                                                    { "or", "one of them holds" },
                                                    { NULL, NULL } };
enum { WF_FILTER_STRICT, WF_FILTER_IS_LOOSE };
WF_FILTER_TABLE wf_pair wf_filter_validations[] = {
    { "strict", "a value of another type is an error" },
    { "loose", "values are converted to the operator's type" },
    { NULL, NULL }
};

/* --- config ----------------------------------------------------------------------------------- */

typedef struct {
    const wf_value *left, *right;
    int type, operation; /* enum wf_filter_type, enum wf_filter_operation */
    int single;
    wf_str name, right_type;
} wf_filter_condition;

typedef struct {
    wf_list conditions; /* of wf_filter_condition */
    int combinator, case_sensitive, validation;
    const wf_value *left_template, *version; /* kept from n8n's files, mean nothing here */
} wf_filter;

/* Switches that n8n's nodes have beside the filter; each of them can only make the filter milder.
 */
typedef struct {
    int ignore_case, loose, also_loose;
} wf_filter_switches;

WF_FILTER_TABLE wf_param wf_filter_rows[] = {
    { WF_NAMED("leftValue"), WF_F_VALUE(wf_filter_condition, left), .flags = WF_EXPR,
      .help = "The value to look at, mostly an expression" },
    { WF_NAMED("rightValue"), WF_F_VALUE(wf_filter_condition, right), .flags = WF_EXPR,
      .help = "What it is compared with" },
    { WF_NAMED("operator.type"), WF_F_CHOICE(wf_filter_condition, type, wf_filter_types),
      .flags = WF_REQUIRED, .help = "Type that both values have" },
    { WF_NAMED("operator.operation"),
      WF_F_CHOICE(wf_filter_condition, operation, wf_filter_operations), .flags = WF_REQUIRED,
      .help = "How they are compared; which operations a type has is checked" },
    { WF_NAMED("operator.singleValue"), WF_F_BOOL(wf_filter_condition, single),
      .help = "The operation takes no right value; known anyway" },
    { WF_NAMED("operator.name"), WF_F_STR(wf_filter_condition, name),
      .help = "Name of the operator in an editor; not used" },
    { WF_NAMED("operator.rightType"), WF_F_STR(wf_filter_condition, right_type),
      .help = "Type of the right value in an editor; not used" },
    WF_END
};

/* Rows for a `wf_filter` at field f of struct S, under the name "conditions". */
#define WF_FILTER_PARAMS(S, f)                                                                     \
    { WF_NAMED("conditions.conditions"),                                                           \
      WF_F_LIST(S, f.conditions, wf_filter_rows, wf_filter_condition),                             \
      .help = "Conditions; none at all hold under `and` and fail under `or`" },                    \
        { WF_NAMED("conditions.combinator"), WF_F_CHOICE(S, f.combinator, wf_filter_combinators),  \
          .def = "and", .help = "How conditions are joined" },                                     \
        { WF_NAMED("conditions.options.caseSensitive"), WF_F_BOOL(S, f.case_sensitive),            \
          .def = "true", .help = "Whether letter case matters when texts are compared" },          \
        { WF_NAMED("conditions.options.typeValidation"),                                           \
          WF_F_CHOICE(S, f.validation, wf_filter_validations), .def = "strict",                    \
          .help = "What happens to a value of another type than the operator's" },                 \
        { WF_NAMED("conditions.options.leftValue"), WF_F_VALUE(S, f.left_template),                \
          .help = "Kept for files made elsewhere; not used" },                                     \
    {                                                                                              \
        WF_NAMED("conditions.options.version"), WF_F_VALUE(S, f.version),                          \
            .help = "Kept for files made elsewhere; not used"                                      \
    }

/* Rows for a `wf_filter_switches` at field f of struct S. */
#define WF_FILTER_SWITCH_PARAMS(S, f)                                                              \
    { WF_NAMED("looseTypeValidation"), WF_F_BOOL(S, f.loose),                                      \
      .help = "The same as typeValidation `loose`" },                                              \
        { WF_NAMED("options.looseTypeValidation"), WF_F_BOOL(S, f.also_loose),                     \
          .help = "The same as typeValidation `loose`" },                                          \
    {                                                                                              \
        WF_NAMED("options.ignoreCase"), WF_F_BOOL(S, f.ignore_case),                               \
            .help = "The same as caseSensitive `false`"                                            \
    }

/* Error codes of nodes that filter, for their `codes`. */
#define WF_FILTER_CODES                                                                            \
    { "wrong_type", "A value has another type than the condition's operator, and typeValidation "  \
                    "is strict, or it cannot be converted" },                                      \
    {                                                                                              \
        "bad_pattern", "A regular expression cannot be used or takes too long"                     \
    }

/* What every node's page says about conditions. */
#define WF_FILTER_DOCS                                                                             \
    "### Conditions\n"                                                                             \
    "\n"                                                                                           \
    "| type | operations |\n"                                                                      \
    "|---|---|\n"                                                                                  \
    "| every type | `exists`, `notExists`, `equals`, `notEquals`, and but for `any` `empty`, "     \
    "`notEmpty` |\n"                                                                               \
    "| `string` | `contains`, `notContains`, `startsWith`, `notStartsWith`, `endsWith`, "          \
    "`notEndsWith`, `regex`, `notRegex` |\n"                                                       \
    "| `number` | `gt`, `lt`, `gte`, `lte` |\n"                                                    \
    "| `dateTime` | `after`, `before`, `afterOrEquals`, `beforeOrEquals` |\n"                      \
    "| `boolean` | `true`, `false` |\n"                                                            \
    "| `array` | `contains`, `notContains`, `lengthEquals`, `lengthNotEquals`, `lengthGt`, "       \
    "`lengthLt`, `lengthGte`, `lengthLte` |\n"                                                     \
    "\n"                                                                                           \
    "- `strict`: a value of another type than the operator's fails the item with `wrong_type`. "   \
    "`loose`: numbers and booleans become text, text becomes a number (an empty one 0), `false` "  \
    "and `0` become false and every other value its JavaScript truth, JSON text becomes an array " \
    "or object; what cannot be converted fails the item.\n"                                        \
    "- null and a missing value are no mistake: they are an empty text, an empty array, no date. " \
    "In comparisons of numbers null counts as 0 and a missing value is neither greater nor less "  \
    "than anything. `exists` never fails.\n"                                                       \
    "- Dates are ISO 8601 text, the dates of mails and HTTP headers, or milliseconds since 1970. " \
    "Without a zone they are UTC.\n"                                                               \
    "- Without regard to case: Latin, Greek, Cyrillic and Armenian letters.\n"                     \
    "- Regular expressions have JavaScript's syntax, bare or as `/pattern/flags` with the flags "  \
    "`i`, `m` and `s`. They run in time linear in the text. Look-ahead, look-behind, "             \
    "back-references and `\\p{..}` are refused with `bad_pattern`.\n"

#endif
