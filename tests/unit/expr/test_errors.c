/* SPDX-License-Identifier: Apache-2.0
 * What is wrong is said at compile time with its place where that can be known, and when it runs
 * otherwise.
 */
#include "fixture.h"

static const struct {
    const char *source; /* behind "=" */
    size_t offset;      /* counted with it */
    const char *part;   /* of the message */
} compile_errors[] = {
    { "{{ $jsn.a }}", 4, "did you mean '$json'" },
    { "{{ $foo }}", 4, "'$foo' is not known" },
    { "{{ foo + 1 }}", 4, "$json.name" },
    { "{{ 1 + }}", 8, "not expected" },
    { "{{ $json.a", 1, "not closed" },
    { "{{ 'abc }}", 4, "not closed" },
    { "{{ \"a\\u00\" }}", 6, "digits" },
    { "{{ (1 + 2 }}", 11, "')' is missing" },
    { "{{ [1, 2 }}", 10, "']' is missing" },
    { "{{ {a: } }}", 8, "not expected" },
    { "{{ a = 1 }}", 6, "only compute" },
    { "{{ $json.n += 1 }}", 12, "only compute" },
    { "{{ $json.n++ }}", 11, "only compute" },
    { "{{ ++$json.n }}", 4, "only compute" },
    { "{{ $json.text.toUperCase() }}", 15, "did you mean 'toUpperCase'" },
    { "{{ $json.text.frobnicate() }}", 15, "no method 'frobnicate'" },
    { "{{ Math.foo(1) }}", 9, "'Math.foo' is not known" },
    { "{{ JSON.prase('x') }}", 9, "did you mean 'JSON.parse'" },
    { "{{ $('Frist').item.json.x }}", 6, "no node named 'Frist'" },
    { "{{ $node[\"Nope\"].json.x }}", 10, "no node named 'Nope'" },
    { "{{ $('First') }}", 5, "not a value" },
    { "{{ $('First').items }}", 15, "did you mean 'item'" },
    { "{{ $('First').frist() }}", 15, "did you mean 'first'" },
    { "{{ $jmespath($json, 'a') }}", 4, "not supported" },
    { "{{ $fromAI('x') }}", 4, "not supported" },
    { "{{ /(a/ }}", 4, "regular expression" },
    { "{{ /a/q }}", 4, "flags" },
    { "{{ 1 2 }}", 6, "not expected" },
    { "{{ function(x) { return x } }}", 4, "arrow function" },
    { "{{ (() => { for (;;) {} })() }}", 13, "not supported" },
    { "{{ x => y }}", 9, "'y' is not known" },
    { "{{ new Foo() }}", 8, "new knows" },
    { "{{ 5 instanceof Foo }}", 17, "instanceof knows" },
    { "{{ 010x }}", 4, "letters" },
    { "{{ 10n }}", 4, "BigInt" },
    { "{{ # }}", 4, "'#'" },
    { "{{ `a${1 }}", 10, "" },
    { "{{ ...$json.list }}", 4, "not expected" },
};

static const struct {
    const char *source, *part;
} run_errors[] = {
    { "{{ $json.list.trim() }}", "trim() is no method of array" },
    { "{{ $json.text.map(x => x) }}", "map() is no method of string" },
    { "{{ $json.n.split(',') }}", "split() is no method of number" },
    { "{{ $json.missing.toJsonString() }}", "toJsonString() cannot be used on undefined" },
    { "{{ $json.list.map(5) }}", "not a function" },
    { "{{ JSON.parse('{a') }}", "not JSON" },
    { "{{ $json.list.push(4) }}", "would change the item" },
    { "{{ $('Later').first().json.x }}", "has not run" },
    { "{{ $('Later').item.json.x }}", "has not run" },
    { "{{ 'x'.repeat(-1) }}", "negative" },
    { "{{ (1).toFixed(101) }}", "digits" },
    { "{{ new Date('x').toISOString() }}", "invalid" },
    { "{{ $now.setZone('Nowhere/City') }}", "time zone 'Nowhere/City'" },
    { "{{ $now.plus(1, 'fortnight') }}", "no unit of time" },
    { "{{ 'x'.hash('crc') }}", "hash() knows" },
    { "{{ decodeURIComponent('%zz') }}", "malformed" },
    { "{{ $($json.text).item.json.x }}", "no node named 'hello'" },
};

static void mistakes_are_found_when_compiled(void **state)
{
    (void)state;
    struct fixture x;
    unsigned bad = 0;
    fixture_open(&x, NULL);
    for (size_t i = 0; i < sizeof compile_errors / sizeof *compile_errors; i++) {
        if (fixture_eval(&x, compile_errors[i].source) || !x.error.text[0])
            fail_msg("%s: compiled", compile_errors[i].source);
        if (!strstr(x.error.text, compile_errors[i].part) ||
            x.error.offset != compile_errors[i].offset) {
            print_error("%s: %zu: %s\n", compile_errors[i].source, x.error.offset, x.error.text);
            bad++;
        }
    }
    assert_int_equal(bad, 0);
    fixture_close(&x);
}

static void mistakes_of_values_are_named(void **state)
{
    (void)state;
    struct fixture x;
    fixture_open(&x, NULL);
    for (size_t i = 0; i < sizeof run_errors / sizeof *run_errors; i++) {
        const char *got = fixture_eval(&x, run_errors[i].source);
        if (got || !strstr(x.err.text, run_errors[i].part))
            fail_msg("%s: %s%s%s", run_errors[i].source, got ? got : "", x.error.text, x.err.text);
        if (x.err.text[0] == 'x' && x.err.text[1] == ':')
            fail_msg("a place in generated code: %s", x.err.text);
    }
    fixture_close(&x);
}

static void deep_and_long_sources_are_refused(void **state)
{
    (void)state;
    struct fixture x;
    char *text = malloc(400000);
    static const struct {
        const char *open, *middle, *close;
    } deep[] = { { "(", "1", ")" },         { "[", "1", "]" },         { "!", "1", "" },
                 { "{a:", "1", "}" },       { "-", "1", "" },          { "(x=>", "1", ")" },
                 { "1?", "1", ":1" },       { "Math.abs(", "1", ")" }, { "`${", "1", "}`" },
                 { "$(", "'x'", ").item" }, { "(a=(", "1", "))=>1" },  { "1+(", "1", ")" },
                 { "a?.b(", "1", ")" },     { "1&&(", "1", ")" } };
    assert_non_null(text);
    for (size_t i = 0; i < sizeof deep / sizeof *deep; i++) {
        char *at = stpcpy(text, "{{ ");
        for (int k = 0; k < 5000; k++)
            at = stpcpy(at, deep[i].open);
        at = stpcpy(at, deep[i].middle);
        for (int k = 0; k < 5000; k++)
            at = stpcpy(at, deep[i].close);
        stpcpy(at, " }}");
        fixture_open(&x, NULL);
        assert_null(fixture_eval(&x, text));
        assert_true(x.error.text[0]);
        fixture_close(&x);
    }
    free(text);
}

/* Long chains of one operator do not nest. */
static void long_chains_are_fine(void **state)
{
    (void)state;
    struct fixture x;
    char *text = malloc(100000), *at = stpcpy(text, "{{ $json.n");
    assert_non_null(text);
    for (int i = 0; i < 500; i++)
        at = stpcpy(at, " + 1");
    stpcpy(at, " }}");
    fixture_open(&x, NULL);
    assert_string_equal(fixture_eval(&x, text), "505");
    fixture_close(&x);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mistakes_are_found_when_compiled),
        cmocka_unit_test(mistakes_of_values_are_named),
        cmocka_unit_test(deep_and_long_sources_are_refused),
        cmocka_unit_test(long_chains_are_fine),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
