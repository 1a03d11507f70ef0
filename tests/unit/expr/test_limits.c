/* SPDX-License-Identifier: Apache-2.0
 * Expressions that would not end or would take all memory fail with a limit, and the state works
 * on.
 */
#include "fixture.h"

static const struct {
    const char *source, *part;
} bombs[] = {
    { "{{ (f => f(f))(f => f(f)) }}", "" },
    { "{{ (f => f(f))(f => 1 + f(f)) }}", "" },
    { "{{ Array.from({length: 9000000}, (_, i) => i).map(x => [x]) }}", "limit" },
    { "{{ [1,2,3,4,5,6,7,8].forEach(a => [1,2,3,4,5,6,7,8].forEach(b => "
      "[1,2,3,4,5,6,7,8].forEach(c => "
      "[1,2,3,4,5,6,7,8].forEach(d => [1,2,3,4,5,6,7,8].forEach(e => [1,2,3,4,5,6,7,8].forEach(f "
      "=> "
      "[1,2,3,4,5,6,7,8].forEach(g => 1))))))) }}",
      "step limit of 1000000 reached" },
    { "{{ 'x'.repeat(1e9) }}", "memory limit" },
    { "{{ 'x'.padStart(1e15) }}", "" },
    { "{{ Array.from({length: 30}).reduce(s => s + s, 'xxxxxxxxxx') }}", "limit" },
    { "{{ Array.from({length: 40}).reduce(s => [s, s], 'x') }}", "too large" },
    { "{{ /^(a+)+$/.test('aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab') }}", "too many steps" },
    { "{{ new Array(1e9) }}", "elements" },
    { "{{ numberList(1, 1e12) }}", "numberList" },
    { "{{ Array.from({length: 200}).reduce(s => JSON.stringify([s]), '\"') }}", "memory limit" },
    { "{{ Math.max(...Array.from({length: 200000})) }}", "arguments" },
};

static void bombs_end_and_the_state_lives(void **state)
{
    (void)state;
    struct fixture x;
    struct expr_limits limits = { .steps = 1000000, .memory_bytes = 16 << 20 };
    fixture_open(&x, &limits);
    for (size_t i = 0; i < sizeof bombs / sizeof *bombs; i++) {
        const char *got = fixture_eval(&x, bombs[i].source);
        if (got || !strstr(x.err.text, bombs[i].part) || x.err.code == ERR_NONE)
            fail_msg("%s: %.100s %s%s", bombs[i].source, got ? got : "", x.error.text, x.err.text);
        assert_string_equal(fixture_eval(&x, "{{ $json.list.map(x => x + 1) }}"), "[2,3,4]");
    }
    fixture_close(&x);
}

/* Nothing is left behind by many evaluations. */
static void memory_stays_level(void **state)
{
    (void)state;
    struct fixture x;
    fixture_open(&x, NULL);
    for (int i = 0; i < 200; i++)
        assert_non_null(fixture_eval(
            &x, "{{ $json.list.map(v => ({v, t: `${v}`})).filter(o => /\\d/.test(o.t)) }}"));
    assert_true(expr_lua_bytes(x.lua) < 2 << 20);
    fixture_close(&x);
}

static void too_little_memory_is_an_error(void **state)
{
    (void)state;
    struct err err = { 0 };
    struct expr_limits limits = { .memory_bytes = 20000 };
    assert_null(expr_lua_create(&limits, NULL, &err));
    assert_int_equal(err.code, ERR_LIMIT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bombs_end_and_the_state_lives),
        cmocka_unit_test(memory_stays_level),
        cmocka_unit_test(too_little_memory_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
