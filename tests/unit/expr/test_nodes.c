/* SPDX-License-Identifier: Apache-2.0
 * What an expression sees of its execution, and which expressions need no Lua.
 */
#include "fixture.h"

static const struct {
    const char *source;
    enum expr_kind kind;
    const char *expected;
} cases[] = {
    { "{{ $json.n }}", EXPR_PATH, "5" },
    { "{{ $json[\"list\"][1] }}", EXPR_PATH, "2" },
    { "{{ $json?.list?.[0] }}", EXPR_PATH, "1" },
    { "{{ $json }}", EXPR_PATH, "{\"n\":5,\"text\":\"hello\",\"list\":[1,2,3]}" },
    { "{{ $json.list[9].x }}", EXPR_PATH, "undefined" },
    { "{{ $json.text.x }}", EXPR_PATH, "undefined" },
    { "{{ $input.item.json.n }}", EXPR_PATH, "5" },
    { "{{ $input.first().json.v }}", EXPR_PATH, "\"first\"" },
    { "{{ $input.last().json.v }}", EXPR_PATH, "\"second\"" },
    { "{{ $('First').item.json.v }}", EXPR_PATH, "\"second\"" },
    { "{{ $('First').first().json.v }}", EXPR_PATH, "\"first\"" },
    { "{{ $('First').last().json }}", EXPR_PATH, "{\"v\":\"second\"}" },
    { "{{ $node[\"First\"].json.v }}", EXPR_PATH, "\"second\"" },
    { "{{ $node.First.json[\"v\"] }}", EXPR_PATH, "\"second\"" },
    { "{{ $('First').item.binary.file }}", EXPR_PATH, "undefined" },
    { "{{ $workflow.id }}", EXPR_PATH, "\"w1\"" },
    { "{{ $execution.name }}", EXPR_PATH, "\"Test\"" },
    { "{{ $itemIndex }}", EXPR_PATH, "3" },
    { "{{ $env.HOME }}", EXPR_PATH, "undefined" },
    { "{{ $binary.data }}", EXPR_PATH, "undefined" },
    { "{{ $vars.name }}-{{ $json.n }}", EXPR_TEMPLATE, "\"Test-5\"" },
    { "a {{ $('First').item.json.v }}", EXPR_TEMPLATE, "\"a second\"" },
    { "{{ $json.list[9] }}{{ 'x' }}", EXPR_TEMPLATE, "\"x\"" },
    { "no block", EXPR_CONST, "\"no block\"" },
    { "{{ 'a' }}{{ 1 }}", EXPR_CONST, "\"a1\"" },
    { "{{ {a: [1]} }}", EXPR_CONST, "{\"a\":[1]}" },
    { "{{ $json.list.length }}", EXPR_LUA, "3" },
    { "{{ $json.n + 1 }}", EXPR_LUA, "6" },
    { "{{ $('First').all().length }}", EXPR_LUA, "2" },
    { "{{ $('First').all().map(i => i.json.v) }}", EXPR_LUA, "[\"first\",\"second\"]" },
    { "{{ $input.all()[1].json.v }}", EXPR_LUA, "\"second\"" },
    { "{{ $items('First')[0].json.v }}", EXPR_LUA, "\"first\"" },
    { "{{ $items().length }}", EXPR_LUA, "2" },
    { "{{ $item(1).$node['First'].json.v }}", EXPR_LUA, "\"second\"" },
    { "{{ $('First').itemMatching(0).json.v }}", EXPR_LUA, "\"first\"" },
    { "{{ $('First').isExecuted }}", EXPR_LUA, "true" },
    { "{{ $('Later').isExecuted }}", EXPR_LUA, "false" },
    { "{{ $('First').params.name }}", EXPR_LUA, "\"Test\"" },
    { "{{ $('Fir' + 'st').first().json.v }}", EXPR_LUA, "\"first\"" },
    { "{{ $('First').item.json.v.toUpperCase() }}", EXPR_LUA, "\"SECOND\"" },
    { "{{ $prevNode.name + $workflow.id }}", EXPR_LUA, "\"Testw1\"" },
};

static void sources_have_their_kind_and_value(void **state)
{
    (void)state;
    struct fixture x;
    fixture_open(&x, NULL);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *got = fixture_eval(&x, cases[i].source);
        if (!got)
            fail_msg("%s: %s%s", cases[i].source, x.error.text, x.err.text);
        if (strcmp(got, cases[i].expected) != 0 || x.kind != cases[i].kind)
            fail_msg("%s: kind %d, %s", cases[i].source, x.kind, got);
    }
    fixture_close(&x);
}

/* A name that is known at run time only tells the plan that every output must be kept. */
static void computed_names_are_reported(void **state)
{
    (void)state;
    struct fixture x;
    fixture_open(&x, NULL);
    struct expr_unit unit = { .arena = &x.arena, .node_index = fixture_node };
    assert_non_null(expr_compile(&unit, STR("={{ $('First').item.json.a }}"), "t", &x.error));
    assert_false(unit.reads_any_node);
    assert_non_null(expr_compile(&unit, STR("={{ $($json.text).item.json.a }}"), "t", &x.error));
    assert_true(unit.reads_any_node);
    fixture_close(&x);
}

/* Integers that a double cannot hold are handed on as they are. */
static void large_integers_stay_exact(void **state)
{
    (void)state;
    struct fixture x;
    fixture_open(&x, NULL);
    x.json = fixture_parse(&x, "{\"id\":9007199254740993,\"max\":9223372036854775807}");
    assert_string_equal(fixture_eval(&x, "{{ $json.id || 0 }}"), "9007199254740993");
    assert_string_equal(fixture_eval(&x, "{{ `${$json.max}` }}"), "\"9223372036854775807\"");
    assert_string_equal(fixture_eval(&x, "{{ $json.max + $json.max }}"), "18446744073709552000");
    assert_string_equal(fixture_eval(&x, "{{ [$json.id] }}"), "[9007199254740993]");
    fixture_close(&x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sources_have_their_kind_and_value),
        cmocka_unit_test(computed_names_are_reported),
        cmocka_unit_test(large_integers_stay_exact),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
