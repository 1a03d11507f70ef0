/* SPDX-License-Identifier: Apache-2.0
 * Lua steps: what they read, return, wait for, and how they fail.
 */
#include "fixture.h"

struct run {
    struct fixture x;
    struct json items[3];
    struct expr_item list[3];
    struct script_run run;
    struct expr_script *script;
    char *text; /* of the outputs: "json from[=]; " */
    size_t len;
    FILE *out;
};

static void on_emit(void *ctx, const struct json *json, int64_t from, bool pass)
{
    struct run *r = ctx;
    fprintf(r->out, "%s %lld%s; ", json_text(&r->x.arena, json).ptr, (long long)from,
            pass ? "=" : "");
}

static void on_log(void *ctx, wf_str text)
{
    fprintf(((struct run *)ctx)->out, "log %.*s; ", STR_ARG(text));
}

static void open_run(struct run *r, const struct expr_limits *limits)
{
    static const char *const texts[] = { "{\"v\":3,\"a\":{\"b\":[1,{\"c\":2}]},\"z\":null}",
                                         "{\"v\":1}", "{\"v\":2}" };
    memset(r, 0, sizeof *r);
    fixture_open(&r->x, limits);
    for (int i = 0; i < 3; i++) {
        r->items[i] = fixture_parse(&r->x, texts[i]);
        r->list[i] = (struct expr_item){ &r->items[i], NULL };
    }
}

static void close_run(struct run *r)
{
    free(r->text);
    fixture_close(&r->x);
}

static enum script_status start(struct run *r, const char *source, bool each)
{
    free(r->text);
    r->text = NULL;
    r->out = open_memstream(&r->text, &r->len);
    r->script = script_compile(r->x.lua, str_of(source), "test", each, &r->x.err);
    if (!r->script)
        fail_msg("%s: %s", source, r->x.err.text);
    r->run = (struct script_run){ .scope = fixture_scope(&r->x),
                                  .items = r->list,
                                  .n_items = each ? 1 : 3,
                                  .emit = on_emit,
                                  .log = on_log,
                                  .ctx = r };
    return script_start(r->x.lua, r->script, &r->run);
}

static const char *finish(struct run *r, enum script_status status)
{
    script_free(r->x.lua, r->script);
    fclose(r->out);
    return status == SCRIPT_DONE ? r->text : r->run.err.text;
}

static const struct {
    const char *source, *expected;
} each_cases[] = {
    { "", "{\"v\":3,\"a\":{\"b\":[1,{\"c\":2}]},\"z\":null} 0=; " },
    { "return item", "{\"v\":3,\"a\":{\"b\":[1,{\"c\":2}]},\"z\":null} 0=; " },
    { "return item.json", "{\"v\":3,\"a\":{\"b\":[1,{\"c\":2}]},\"z\":null} 0=; " },
    { "return false", "" },
    { "item.json = {v = json.v * 2}", "{\"v\":6} 0; " },
    { "item.json.z = nil item.json.a = nil item.json.w = 'x'", "{\"v\":3,\"w\":\"x\"} 0; " },
    { "json.a.b[2].c = 5 json.z = nil", "{\"v\":3,\"a\":{\"b\":[1,{\"c\":5}]}} 0; " },
    { "local b = json.a.b b[#b + 1] = {} b[1] = nil return {b = b}",
      "{\"b\":[null,{\"c\":2},{}]} 0; " },
    { "table.insert(json.a.b, 1, 'x') return {n = #json.a.b, f = json.a.b[1]}",
      "{\"f\":\"x\",\"n\":3} 0; " },
    { "return {a = 1.5, b = 2^53, c = 7 // 2, d = 'ü', e = true, f = null, g = {1, 2}, h = {}, i = "
      "array{}}",
      "{\"a\":1.5,\"b\":9007199254740992,\"c\":3,\"d\":\"ü\",\"e\":true,\"f\":null,\"g\":[1,2],"
      "\"h\":{},\"i\":[]} 0; " },
    { "return {json = {x = 1}}", "{\"x\":1} 0; " },
    { "return {isnull = json.z == null, none = json.nope == nil, t = type(json.a), tn = "
      "type(null)}",
      "{\"isnull\":true,\"none\":true,\"t\":\"table\",\"tn\":\"null\"} 0; " },
    { "local k = {} for key, value in pairs(json) do k[#k + 1] = key end return {k = "
      "table.concat(k, ',')}",
      "{\"k\":\"v,a,z\"} 0; " },
    { "local s = 0 for i, x in ipairs({4, 5}) do s = s + i * x end return {s = s}",
      "{\"s\":14} 0; " },
    { "return {i = index, w = workflow.id, e = env == nil, n = now()}",
      "{\"e\":true,\"i\":4,\"n\":1700000000000,\"w\":\"w1\"} 0; " },
    { "counter = (counter or 0) + 1 return {n = counter}", "{\"n\":1} 0; " },
    { "function helper(x) return x * 2 end return {n = helper(21)}", "{\"n\":42} 0; " },
    { "local s = json_encode({b = 1, a = {json.a.b}}) return {s = s, d = json_decode(s).a[1][2].c}",
      "{\"d\":2,\"s\":\"{\\\"a\\\":[[1,{\\\"c\\\":2}]],\\\"b\\\":1}\"} 0; " },
    { "log('a', 1, json.a.b, null)",
      "log a 1 [1,{\"c\":2}] null; {\"v\":3,\"a\":{\"b\":[1,{\"c\":2}]},\"z\":null} 0=; " },
    { "return {f = node('First').first().json.v, i = node('First').item.json.v, n = "
      "#node('First'):all()}",
      "{\"f\":\"first\",\"i\":\"second\",\"n\":2} 0; " },
    { "local ok, e = pcall(function() error('x', 0) end) return {ok = ok, e = e}",
      "{\"e\":\"x\",\"ok\":false} 0; " },
    { "local ok, e = pcall(json_decode, '{') return {ok = ok}", "{\"ok\":false} 0; " },
    { "return {a = ('k=v'):match('(%w)=(%w)'), g = ('aXbX'):gsub('X', '-'), f = ('abc'):find('c', "
      "1, true)}",
      "{\"a\":\"k\",\"f\":3,\"g\":\"a-b-\"} 0; " },
    { "local t = {} for w in ('one two'):gmatch('%a+') do t[#t + 1] = w:upper() end return {t = t}",
      "{\"t\":[\"ONE\",\"TWO\"]} 0; " },
    { "return {b = ('x(a(b)c)'):match('%b()'), f = ('THE (q) fox'):find('%f[%a]%a+%f[%A]')}",
      "{\"b\":\"(a(b)c)\",\"f\":1} 0; " },
    { "return {n = next(json.a) , e = next({}) == nil, l = select('#', 1, 2)}",
      "{\"e\":true,\"l\":2,\"n\":\"b\"} 0; " },
    { "return {no = tostring(os) .. tostring(io) .. tostring(load) .. tostring(debug) .. "
      "tostring(coroutine)}",
      "{\"no\":\"nilnilnilnilnil\"} 0; " },
    /* what was handed out stays as it was then; writes through all references are seen */
    { "json.v = 1 local s = json_encode(json) json.v = 2 return {s = s, v = json.v}",
      "{\"s\":\"{\\\"v\\\":1,\\\"a\\\":{\\\"b\\\":[1,{\\\"c\\\":2}]},\\\"z\\\":null}\",\"v\":2} "
      "0; " },
    { "local c = json.a.b[2] json.w = c c.c = 9 json.v = nil",
      "{\"a\":{\"b\":[1,{\"c\":9}]},\"z\":null,\"w\":{\"c\":9}} 0; " },
    { "json.w = json.a json.v = nil json.z = nil",
      "{\"a\":{\"b\":[1,{\"c\":2}]},\"w\":{\"b\":[1,{\"c\":2}]}} 0; " },
    { "for i = 1, 9 do json['k' .. i] = i end json.k3 = nil json.k9 = {} json.k10 = json.k8",
      "{\"v\":3,\"a\":{\"b\":[1,{\"c\":2}]},\"z\":null,\"k1\":1,\"k2\":2,\"k4\":4,\"k5\":5,\"k6\":"
      "6,\"k7\":7,\"k8\":8,\"k9\":{},\"k10\":8} 0; " },
    { "local b = json.a.b for i = 3, 9 do b[i] = i end table.remove(b, 2) return {b = b, n = #b}",
      "{\"b\":[1,3,4,5,6,7,8,9],\"n\":8} 0; " },
    /* item.json is json, but where it is made another */
    { "item.json.w = item . json.v + 1 --[[ item.json = ]] json.z = nil json.a = nil",
      "{\"v\":3,\"w\":4} 0; " },
    { "local json = {v = 7} item.json.w = item.json.v return {v = json.v, w = item.json.w}",
      "{\"v\":7,\"w\":3} 0; " },
    { "json = {v = 7} return {v = item.json.v, s = 'item.json = 1'}",
      "{\"s\":\"item.json = 1\",\"v\":3} 0; " },
    { "item.json = {v = 8} return {v = item.json.v, w = json.v}", "{\"v\":8,\"w\":3} 0; " },
    { "local function f(json) return item.json.v + json end return {v = f(1)}", "{\"v\":4} 0; " },
    { "local item = {json = {v = 5}} return {v = item.json.v}", "{\"v\":5} 0; " },
    { "for _, json in ipairs{1, 2} do item.json.v = item.json.v + json end return {v = json.v}",
      "{\"v\":6} 0; " },
    { "return {json = {v = item.json.v + 1}}", "{\"v\":4} 0; " },
    { "local x, y = ... return {a = x.json.v, b = y.v}", "{\"a\":3,\"b\":3} 0; " },
    { "_left = 3 repeat _left = _left - 1 until _left == 0 return {left = _left}",
      "{\"left\":0} 0; " },
    { "local n = 0 for i = 1, 2000 do n = n + 1 end return {n = n}", "{\"n\":2000} 0; " },
    /* errors */
    { "local x = json.nope.y", "line 1: attempt to index a nil value (field 'nope')" },
    { "\n\nlocal x = nothing.y", "line 3: attempt to index a nil value (global 'nothing')" },
    { "return json.z.y", "line 1: attempt to index a null value (field 'y')" },
    { "\nerror('boom')", "line 2: boom" },
    { "error({code = 7})", "error: {\"code\":7}" },
    { "return 5", "an item of the result is a number: return items, tables, nil or false" },
    { "return json.a.b", "a run for each item returns one item, {json = ..} or its fields, not a "
                         "list: lists are of mode runOnceForAllItems" },
    { "return {json = 5}", "the json of an item must be a table with named fields, not number (a "
                           "field of that name: {json = {json = ..}})" },
    { "return items", "line 1: items is there in mode runOnceForAllItems; in this mode there is "
                      "item" },
    { "return {s = json.a .. 'x'}",
      "line 1: attempt to concatenate a table or null value (field 'a')" },
    { "return {s = 1 + json.z}",
      "line 1: attempt to perform arithmetic on a table or null value (field 'z')" },
    { "error('userdata is gone')", "line 1: userdata is gone" },
    { "error()", "error() was called without a message" },
    { "for x in json.a.b do end",
      "line 1: attempt to call a table value: walk a list by ipairs(..)" },
    { "return {f = print}", "a function cannot become JSON" },
    { "json.self = json", "a value is nested deeper than 128 levels, or contains itself" },
    { "string.x = 1", "line 1: cannot change 'x': libraries are shared" },
    { "string = {}", "line 1: 'string' is part of the language here: write local string" },
    { "setmetatable({}, {__gc = function() end})", "line 1: __gc is not allowed" },
    { "getmetatable('').__index = nil", "line 1: attempt to index a boolean value" },
    { "item.foo = 1", "line 1: an item has json, binary and pairedItem: write to item.json.foo" },
    { "json.v = print", "line 1: a function cannot be put into an item" },
    { "node('Nope')", "line 1: there is no node named 'Nope'" },
    { "require('x')", "line 1: require: no folder of modules is configured" },
    { "http.request{}", "line 1: http.request takes a table with a url" },
    /* limits */
    { "while true do end", "line 1: step limit of 1000000 reached" },
    { "pcall(function() while true do end end) return {}",
      "line 1: step limit of 1000000 reached" },
    { "local a = 1 ::again:: a = a + 1 goto again", "line 1: step limit of 1000000 reached" },
    { "repeat local x = 1 until x == 2", "line 1: step limit of 1000000 reached" },
    { "\nlocal function f(a, ...)\nreturn f(a) end f(1)", "line 2: step limit of 1000000 reached" },
    { "while true do pcall(error) end", "line 1: step limit of 1000000 reached" },
    { "local function f() return f() end f()", "line 1: step limit of 1000000 reached" },
    { "local t = {} for i = 1, 1e9 do t[i] = ('x'):rep(100000) .. i end",
      "memory limit of 8192 KiB reached" },
    { "return {s = ('x'):rep(1e10)}",
      "line 1: string.rep of 10000000000 times 1 bytes is too large" },
    { "('').rep('', 1e18)",
      "line 1: string.rep of 1000000000000000000 times 0 bytes is too large" },
    { "table.move({}, 1, 1e15, 2)", "line 1: step limit of 1000000 reached" },
    { "table.insert(setmetatable({}, {__len = function() return 1e15 // 1 | 0 end}), 1, 2)",
      "line 1: step limit of 1000000 reached" },
    { "return {x = ('a'):rep(30):find(('a?'):rep(30) .. ('a'):rep(30) .. 'b')}",
      "line 1: step limit of 1000000 reached" },
    { "return {x = ('a'):rep(5000):find('.-.-.-.-b')}", "line 1: step limit of 1000000 reached" },
    { "local t = {1} for i = 1, 40 do t = {t, t} end return {t = t}", "the result is too large" },
};

static void scripts_for_each_item(void **state)
{
    (void)state;
    struct run r;
    unsigned bad = 0;
    struct expr_limits limits = { .steps = 1000000, .memory_bytes = 8 << 20 };
    open_run(&r, &limits);
    for (size_t i = 0; i < sizeof each_cases / sizeof *each_cases; i++) {
        const char *got = finish(&r, start(&r, each_cases[i].source, true));
        if (!strcmp(got, each_cases[i].expected))
            continue;
        print_error("%s\n  expected %s\n  got      %s\n", each_cases[i].source,
                    each_cases[i].expected, got);
        bad++;
    }
    assert_int_equal(bad, 0);
    close_run(&r);
}

#define FIRST "{\"v\":3,\"a\":{\"b\":[1,{\"c\":2}]},\"z\":null}"

static const struct {
    const char *source, *expected;
} all_cases[] = {
    { "", FIRST " 0=; {\"v\":1} 1=; {\"v\":2} 2=; " },
    { "return items", FIRST " 0=; {\"v\":1} 1=; {\"v\":2} 2=; " },
    { "return {}", "" },
    { "return {n = #items}", "{\"n\":3} -1; " },
    { "table.sort(items, function(a, b) return a.json.v < b.json.v end)",
      "{\"v\":1} 1=; {\"v\":2} 2=; " FIRST " 0=; " },
    { "for i, it in ipairs(items) do it.json = {i = i} end return items",
      "{\"i\":1} 0; {\"i\":2} 1; {\"i\":3} 2; " },
    { "table.remove(items, 1)", "{\"v\":1} 1=; {\"v\":2} 2=; " },
    { "items[#items + 1] = {json = {n = 1}, pairedItem = 2} table.remove(items, 1)",
      "{\"v\":1} 1=; {\"v\":2} 2=; {\"n\":1} 2; " },
    { "return {items[3], {x = 1}, items[2].json, {json = {y = 2}, pairedItem = 0}}",
      "{\"v\":2} 2=; {\"x\":1} -1; {\"v\":1} 1=; {\"y\":2} 0; " },
    { "local s = 0 for _, it in ipairs(items) do s = s + it.json.v end return {{sum = s}}",
      "{\"sum\":6} -1; " },
    { "items[2].pairedItem = 0 return {items[2]}", "{\"v\":1} 0; " },
    { "return {a = input.all()[2].json.v, f = input.first().json.v, l = input.last().json.v}",
      "{\"a\":1,\"f\":3,\"l\":2} -1; " },
    { "return {1}", "an item of the result is a number: return items, tables, nil or false" },
    { "return {{json = {}, pairedItem = 3}}", "pairedItem is 3, but there are 3 items" },
    { "return {{json = {a = 1}, pairedItem = {item = 2}}}", "{\"a\":1} 2; " },
    { "return {{json = {}, pairedItem = 'x'}}",
      "pairedItem is the number of an input item, from 0, or {item = number}; without it an item "
      "comes from all" },
    { "items[1] = 5", "items[1] is not an item: put {json = ..} or an item there" },
    { "return item", "line 1: item is there in mode runOnceForEachItem; in this mode there is the "
                     "list items" },
    { "items.x = 1", "line 1: a list has numbered elements, not a field 'x'" },
    { "items[9] = {}", "line 1: element 9 of a list with 3 elements" },
};

static void scripts_for_all_items(void **state)
{
    (void)state;
    struct run r;
    unsigned bad = 0;
    open_run(&r, NULL);
    for (size_t i = 0; i < sizeof all_cases / sizeof *all_cases; i++) {
        const char *got = finish(&r, start(&r, all_cases[i].source, false));
        if (!strcmp(got, all_cases[i].expected))
            continue;
        print_error("%s\n  expected %s\n  got      %s\n", all_cases[i].source,
                    all_cases[i].expected, got);
        bad++;
    }
    assert_int_equal(bad, 0);
    close_run(&r);
}

/* Each wait hands out what is wanted; its answer is what the call returns. */
static void scripts_wait(void **state)
{
    (void)state;
    struct run r;
    open_run(&r, NULL);
    struct json answer = fixture_parse(&r.x, "{\"status\":200,\"body\":{\"k\":[7]}}"),
                text = fixture_parse(&r.x, "\"ok\"");
    enum script_status status =
        start(&r,
              "local h = http.request{url = 'http://a', method = 'POST', body = {x = 1}}\n"
              "local g = redis.call('GET', 'key', 1)\n"
              "kafka.send{topic = 't', key = 'k', value = json}\n"
              "sleep(20)\n"
              "return {s = h.status, k = h.body.k[1], g = g}",
              true);
    static const char *const waits[] = {
        "{\"body\":{\"x\":1},\"method\":\"POST\",\"url\":\"http://a\",\"op\":\"http\"}",
        "{\"name\":\"redis.call\",\"args\":[\"GET\",\"key\",1],\"op\":\"call\"}",
        "{\"key\":\"k\",\"topic\":\"t\",\"value\":" FIRST ",\"op\":\"kafka\"}",
        "{\"ms\":20,\"op\":\"sleep\"}",
    };
    for (int i = 0; i < 4; i++) {
        assert_int_equal(status, SCRIPT_WAITS);
        assert_string_equal(json_text(&r.x.arena, &r.run.wait).ptr, waits[i]);
        status = script_resume(r.x.lua, &r.run, i == 1 ? &text : i ? NULL : &answer, NULL);
    }
    assert_string_equal(finish(&r, status), "{\"g\":\"ok\",\"k\":7,\"s\":200} 0; ");
    close_run(&r);
}

static void an_error_of_a_wait_is_raised(void **state)
{
    (void)state;
    struct run r;
    open_run(&r, NULL);
    assert_int_equal(start(&r, "\nhttp.request('http://a')", true), SCRIPT_WAITS);
    assert_string_equal(finish(&r, script_resume(r.x.lua, &r.run, NULL, "refused")),
                        "line 2: refused");
    assert_int_equal(start(&r, "local ok, e = pcall(sleep, 1) return {ok = ok, e = e}", true),
                     SCRIPT_WAITS);
    assert_string_equal(finish(&r, script_resume(r.x.lua, &r.run, NULL, "stopped")),
                        "{\"e\":\"stopped\",\"ok\":false} 0; ");
    close_run(&r);
}

/* While one run waits another uses the same script; their globals do not meet. */
static void runs_do_not_meet(void **state)
{
    (void)state;
    struct run r;
    open_run(&r, NULL);
    const char *source =
        "mine = item.json.v keep = item.json.a sleep(1) return {mine = mine, a = keep}";
    assert_int_equal(start(&r, source, true), SCRIPT_WAITS);
    struct script_run other = r.run;
    other.items = &r.list[1];
    other.thread = NULL;
    assert_int_equal(script_start(r.x.lua, r.script, &other), SCRIPT_WAITS);
    assert_int_equal(script_resume(r.x.lua, &r.run, NULL, NULL), SCRIPT_DONE);
    assert_int_equal(script_resume(r.x.lua, &other, NULL, NULL), SCRIPT_DONE);
    assert_string_equal(finish(&r, SCRIPT_DONE),
                        "{\"a\":{\"b\":[1,{\"c\":2}]},\"mine\":3} 0; {\"mine\":1} 0; ");
    close_run(&r);
}

static void cancelled_runs_leave_nothing(void **state)
{
    (void)state;
    struct run r;
    open_run(&r, NULL);
    for (int i = 0; i < 50; i++) {
        const char *source = "local c <close> = setmetatable({}, {__close = function() item.json.x "
                             "= 1 end}) sleep(1)";
        assert_int_equal(start(&r, source, true), SCRIPT_WAITS);
        script_cancel(r.x.lua, &r.run);
        assert_null(r.run.thread);
        finish(&r, SCRIPT_DONE);
    }
    assert_true(expr_lua_bytes(r.x.lua) < 1 << 20);
    close_run(&r);
}

static void handles_die_with_their_run(void **state)
{
    (void)state;
    struct run r;
    char dir[] = "/tmp/expr-test-XXXXXX", path[64];
    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/keeper.lua", dir);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs("return { n = 0, spin = function() while true do end end }", file);
    fclose(file);
    open_run(&r, NULL);
    expr_lua_destroy(r.x.lua);
    r.x.lua = expr_lua_create(NULL, dir, &r.x.err);
    assert_string_equal(finish(&r, start(&r, "require('keeper').a = json.a return {}", true)),
                        "{} 0; ");
    assert_string_equal(
        finish(&r, start(&r, "local here = json.a return {x = require('keeper').a.b}", true)),
        "line 1: an item of an earlier run was kept: it is gone");
    assert_string_equal(
        finish(&r, start(&r, "local here = json.a return {x = require('keeper').a}", true)),
        "an item of an earlier run was kept: it is gone");
    assert_string_equal(finish(&r, start(&r, "require('keeper').spin()", true)),
                        "keeper.lua:1: step limit of 10000000 reached");
    assert_string_equal(finish(&r, start(&r, "require('../keeper')", true)),
                        "line 1: require: '../keeper' is not the name of a module");
    close_run(&r);
    remove(path);
    remove(dir);
}

static void syntax_names_the_line(void **state)
{
    (void)state;
    struct err err;
    assert_int_equal(script_syntax(STR("return item"), &err), 0);
    assert_int_equal(script_syntax(STR("local a = 1\nlocal b = = 2"), &err), -1);
    assert_string_equal(err.text, "line 2: unexpected symbol near '='");
    assert_int_equal(script_syntax(STR("const x = 1;"), &err), -1);
    assert_string_equal(err.text, "line 1: syntax error near 'x' (this looks like JavaScript: the "
                                  "step is written in Lua)");
    assert_int_equal(script_syntax(STR("return {v = $json.v}"), &err), -1);
    assert_string_equal(err.text,
                        "line 1: unexpected symbol near '$' ($json is of expressions: Lua "
                        "has item.json, or items[1].json)");
    assert_int_equal(script_syntax(STR("\x1bLua"), &err), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scripts_for_each_item),
        cmocka_unit_test(scripts_for_all_items),
        cmocka_unit_test(scripts_wait),
        cmocka_unit_test(an_error_of_a_wait_is_raised),
        cmocka_unit_test(runs_do_not_meet),
        cmocka_unit_test(cancelled_runs_leave_nothing),
        cmocka_unit_test(handles_die_with_their_run),
        cmocka_unit_test(syntax_names_the_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
