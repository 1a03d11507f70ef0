/* SPDX-License-Identifier: Apache-2.0
 * Every function, method and variable that workflows written for n8n may use is known: the lists
 * are those of its documentation by type. What each gives is in cases.txt; here a name that is
 * missing fails.
 */
#include "fixture.h"

static const struct {
    const char *value, *names; /* names in parentheses of the value's type */
} methods[] = {
    { "$json.text",
      "hash removeMarkdown removeTags toDate toDateTime toBoolean toDecimalNumber toNumber toFloat "
      "toInt toWholeNumber toSentenceCase toSnakeCase toTitleCase urlDecode urlEncode quote "
      "replaceSpecialChars length isDomain isEmail isNumeric isUrl isEmpty isNotEmpty toJsonString "
      "extractEmail extractDomain extractUrl extractUrlPath parseJson base64Encode base64Decode" },
    { "$json.text", "replace replaceAll split match matchAll search trim trimStart trimEnd "
                    "toLowerCase toUpperCase toString slice substring substr includes indexOf "
                    "lastIndexOf startsWith endsWith padStart padEnd repeat charAt charCodeAt "
                    "normalize trimLeft trimRight "
                    "codePointAt at concat localeCompare valueOf toLocaleLowerCase" },
    { "$json.list",
      "removeDuplicates unique first last pluck randomItem sum min max average isNotEmpty isEmpty "
      "compact smartJoin chunk renameKeys merge union difference intersection append toJsonString "
      "toInt toFloat toBoolean toDateTime length" },
    { "$json.list",
      "join map filter find findIndex findLast some every reduce reduceRight forEach "
      "includes indexOf lastIndexOf slice concat flat flatMap sort toSorted reverse "
      "toReversed push pop shift unshift splice keys values entries at fill toString" },
    { "$now", "beginningOf endOfMonth extract isBetween isDst isInLast isWeekend minus plus format "
              "toDateTime diffTo diffToNow toInt toFloat toBoolean isEmpty isNotEmpty" },
    { "$now", "toISO toFormat startOf endOf set setZone setLocale diff diffNow toMillis toSeconds "
              "toISODate toISOTime toJSDate toLocal toUTC toRelative hasSame toObject toSQL "
              "toLocaleString valueOf toString toUnixInteger" },
    { "({a: 1})", "isEmpty isNotEmpty hasField removeField removeFieldsContaining "
                  "keepFieldsContaining compact urlEncode keys values toJsonString toInt toFloat "
                  "toBoolean toDateTime" },
    { "$json.n", "ceil floor format round abs isInteger isEven isOdd toBoolean toInt toFloat "
                 "toDateTime toFixed toString toPrecision toLocaleString" },
    { "true", "toBoolean toInt toFloat toNumber toDateTime toString" },
    { "new Date()", "getTime toISOString getFullYear getMonth getDate getDay getHours getMinutes "
                    "getSeconds toLocaleDateString toLocaleString toLocaleTimeString toJSON "
                    "setDate setMonth setHours getTimezoneOffset toDateTime plus format" },
};

/* The next word of a list, or NULL. */
static const char *next_word(struct fixture *x, const char **at)
{
    *at += strspn(*at, " ");
    size_t n = strcspn(*at, " ");
    if (!n)
        return NULL;
    const char *word = arena_str(&x->arena, *at, n).ptr;
    *at += n;
    return word;
}

static void every_method_is_there(void **state)
{
    (void)state;
    struct fixture x;
    unsigned bad = 0;
    fixture_open(&x, NULL);
    for (size_t i = 0; i < sizeof methods / sizeof *methods; i++) {
        const char *at = methods[i].names, *name;
        while ((name = next_word(&x, &at))) {
            wf_str text = arena_printf(&x.arena, "{{ %s.%s() }}", methods[i].value, name);
            /* without its arguments a method may refuse, but it must be there */
            if (fixture_eval(&x, text.ptr) ||
                (x.kind && strstr(x.err.text, "is no method") == NULL && !x.error.text[0]))
                continue;
            print_error("%s.%s(): %s%s\n", methods[i].value, name, x.error.text, x.err.text);
            bad++;
        }
    }
    assert_int_equal(bad, 0);
    fixture_close(&x);
}

/* Compiled only: what they give belongs to the execution. */
static const char *const texts[] = {
    "$json",
    "$binary",
    "$itemIndex",
    "$position",
    "$runIndex",
    "$now",
    "$today",
    "$vars",
    "$env.A",
    "$input.item",
    "$input.item.json.a",
    "$input.first()",
    "$input.last()",
    "$input.all()",
    "$input.params",
    "$('First').item.json.v",
    "$('First').first().json.v",
    "$('First').first(0, 0)",
    "$('First').last()",
    "$('First').all()",
    "$('First').itemMatching(0)",
    "$('First').pairedItem(0)",
    "$('First').isExecuted",
    "$('First').params",
    "$node['First'].json.v",
    "$node[\"First\"].json[\"v\"]",
    "$node.First.json.v",
    "$node['First'].binary",
    "$node['First'].parameter",
    "$items()",
    "$items('First')",
    "$items('First', 0, 0)",
    "$item(0).$node['First'].json.v",
    "$item(0).$json.v",
    "$prevNode.name",
    "$prevNode.outputIndex",
    "$prevNode.runIndex",
    "$workflow.id",
    "$workflow.name",
    "$workflow.active",
    "$execution.id",
    "$execution.mode",
    "$execution.resumeUrl",
    "$parameter.url",
    "$if(true, 1, 2)",
    "$ifEmpty($json.a, 1)",
    "$min(1, 2)",
    "$max(1, 2)",
    "$average(1, 2)",
    "$not(true)",
    "ifEmpty($json.a, 1)",
    "min(1, 2)",
    "max(1, 2)",
    "average(1, 2)",
    "not(true)",
    "numberList(1, 3)",
    "zip(['a'], [1])",
    "JSON.stringify($json)",
    "JSON.parse('{}')",
    "Object.keys($json)",
    "Object.values($json)",
    "Object.entries($json)",
    "Object.assign({}, $json)",
    "Object.fromEntries([['a', 1]])",
    "Math.round(1.5)",
    "Math.floor(1.5)",
    "Math.ceil(1.5)",
    "Math.max(1, 2)",
    "Math.min(1, 2)",
    "Math.random()",
    "Math.abs(-1)",
    "Math.trunc(1.5)",
    "Math.pow(2, 3)",
    "Number('1')",
    "String(1)",
    "Boolean(1)",
    "parseInt('1', 10)",
    "parseFloat('1.5')",
    "isNaN(1)",
    "Array.isArray([])",
    "Array.from([1])",
    "new Date()",
    "new Date().toISOString()",
    "Date.now()",
    "new Set([1]).size",
    "[...new Set([1])]",
    "encodeURIComponent('a')",
    "decodeURIComponent('a')",
    "encodeURI('a')",
    "decodeURI('a')",
    "btoa('a')",
    "atob('YQ==')",
    "DateTime.now()",
    "DateTime.utc()",
    "DateTime.local()",
    "DateTime.fromISO('2024-01-01')",
    "DateTime.fromFormat('2024', 'yyyy')",
    "DateTime.fromMillis(0)",
    "DateTime.fromSeconds(0)",
    "DateTime.fromJSDate(new Date())",
    "DateTime.fromObject({year: 2024})",
    "Duration.fromObject({hours: 1})",
    "$json.a?.b ?? 'c'",
    "typeof $json.a",
    "`a${1}b`",
    "$json.list.map(x => x * 2)",
    "$json.list.reduce((a, b) => a + b, 0)",
    "/a/g.test('a')",
};

static void every_variable_is_there(void **state)
{
    (void)state;
    struct fixture x;
    unsigned bad = 0;
    fixture_open(&x, NULL);
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct expr_unit unit = { .arena = &x.arena, .node_index = fixture_node };
        wf_str source = arena_printf(&x.arena, "={{ %s }}", texts[i]);
        if (expr_compile(&unit, source, "test", &x.error))
            continue;
        print_error("%s: %s\n", texts[i], x.error.text);
        bad++;
    }
    assert_int_equal(bad, 0);
    fixture_close(&x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_method_is_there),
        cmocka_unit_test(every_variable_is_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
