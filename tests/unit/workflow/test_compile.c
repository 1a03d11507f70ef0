/* SPDX-License-Identifier: Apache-2.0
 * What golden cases cannot show: snippets, limits, options, the life of a plan, and large
 * definitions.
 */
#include "kit.h"
#include <setjmp.h>
#include <stdarg.h>
#include <time.h>
#include <cmocka.h>

enum { TEXT_MAX = 40 << 20 };

static struct plugin_set *plugins;
static const char chain[] =
    "{\"id\":\"w\",\"name\":\"W\",\"active\":true,\"nodes\":["
    "{\"name\":\"T\",\"type\":\"test.trigger\"},{\"name\":\"A\",\"type\":\"test.pass\"},"
    "{\"name\":\"B\",\"type\":\"test.pass\",\"parameters\":{\"text\":\"={{ $('A').item.json.x "
    "}}\"}}],"
    "\"connections\":{\"T\":{\"main\":[[{\"node\":\"A\"}]]},\"A\":{\"main\":[[{\"node\":\"B\"}]]}}"
    "}";

static struct plan *compile(const char *text, struct workflow_report *report)
{
    struct workflow_options options = { .plugins = plugins };
    return workflow_compile(str_of(text), &options, report);
}

static bool says(const struct workflow_report *r, const char *what)
{
    for (uint32_t i = 0; i < r->n; i++)
        if (strstr(r->issues[i].text, what))
            return true;
    return false;
}

static double now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* --- the report ------------------------------------------------------------------------------- */

static void check_print(const char *text, bool snippet, const char *expected)
{
    struct workflow_report report;
    struct strbuf b;
    strbuf_init(&b, TEXT_MAX);
    assert_null(compile(text, &report));
    workflow_report_print(&b, &report, "a.json", str_of(text), snippet);
    assert_string_equal(strbuf_str(&b).ptr, expected);
    strbuf_fini(&b);
    workflow_report_fini(&report);
}

static void test_snippet(void **state)
{
    (void)state;
    const char *text = "{\n\t\"nodes\": [{\"name\": \"Ä\", \"type\": 5}]\r\n}";
    check_print(text, false, "a.json:2:34: error: node 'Ä': type must be a text, got number\n");
    check_print(text, true,
                "a.json:2:34: error: node 'Ä': type must be a text, got number\n"
                "    \t\"nodes\": [{\"name\": \"Ä\", \"type\": 5}]\n"
                "    \t                                ^\n");
    check_print("", true, "a.json:1:1: error: not JSON: unexpected end\n    \n    ^\n");
}

/* A definition in one line shows the part around the mistake. */
static void test_snippet_of_long_line(void **state)
{
    (void)state;
    struct strbuf b;
    strbuf_init(&b, TEXT_MAX);
    strbuf_adds(&b, "{\"description\":\"");
    for (int i = 0; i < 300; i++)
        strbuf_adds(&b, "ö");
    strbuf_adds(&b, "\",\"nodes\":7,\"more\":\"");
    for (int i = 0; i < 300; i++)
        strbuf_adds(&b, "x");
    strbuf_adds(&b, "\"}");
    struct workflow_report report;
    struct strbuf out;
    strbuf_init(&out, TEXT_MAX);
    assert_null(compile(b.ptr, &report));
    assert_int_equal(report.issues[0].column, 16 + 300 + 11);
    workflow_report_print(&out, &report, "f", strbuf_str(&b), true);
    const char *line = strchr(out.ptr, '\n') + 1, *caret_line = strchr(line, '\n') + 1;
    const char *caret = strchr(caret_line, '^');
    assert_int_equal(strncmp(line, "    ...ö", 9), 0);
    assert_non_null(strstr(line, "x...\n"));
    /* The caret stands below the 7: as many characters before it, but fewer bytes. */
    size_t characters = 0;
    for (const char *p = line; *p != '7'; p++)
        characters += ((unsigned char)*p & 0xc0) != 0x80;
    assert_int_equal((size_t)(caret - caret_line), characters);
    strbuf_fini(&out);
    strbuf_fini(&b);
    workflow_report_fini(&report);
}

static void test_too_many(void **state)
{
    (void)state;
    struct strbuf b;
    struct workflow_report report;
    strbuf_init(&b, TEXT_MAX);
    strbuf_adds(&b, "{\"nodes\":[");
    for (int i = 0; i < 3000; i++)
        strbuf_adds(&b, i ? ",{}" : "{}");
    strbuf_adds(&b, "]}");
    assert_null(compile(b.ptr, &report));
    assert_int_equal(report.n, 1000);
    assert_int_equal(report.n_errors, 6000);
    assert_true(says(&report, "too many mistakes"));
    workflow_report_fini(&report);
    strbuf_fini(&b);
}

/* --- options ---------------------------------------------------------------------------------- */

static void test_options(void **state)
{
    (void)state;
    struct workflow_report report;
    struct workflow_options options = { .plugins = plugins };
    struct plan *p = workflow_compile(
        STR("{\"active\":true,\"nodes\":[{\"name\":\"P\",\"type\":\"test.pass\"}]}"), &options,
        &report);
    assert_null(p);
    assert_true(says(&report, "nothing starts this workflow"));
    workflow_report_fini(&report);
    options.for_run = true; /* a person starts it */
    p = workflow_compile(
        STR("{\"active\":true,\"nodes\":[{\"name\":\"P\",\"type\":\"test.pass\"}]}"), &options,
        &report);
    assert_non_null(p);
    assert_true(report.n == 1 && report.issues[0].warning);
    plan_unref(p);
    workflow_report_fini(&report);

    p = workflow_compile(str_of(chain), &options, &report);
    assert_false(p->keep_all || p->nodes[0].keep_outputs || p->nodes[2].keep_outputs);
    assert_true(p->nodes[1].keep_outputs);
    plan_unref(p);
    workflow_report_fini(&report);
    options.keep_all = true;
    p = workflow_compile(str_of(chain), &options, &report);
    assert_true(p->keep_all && p->nodes[0].keep_outputs && p->nodes[2].keep_outputs);
    plan_unref(p);
    workflow_report_fini(&report);

    options.plugins = NULL; /* nothing installed: every type is unknown */
    assert_null(workflow_compile(str_of(chain), &options, &report));
    assert_int_equal(report.n_errors, 3);
    workflow_report_fini(&report);
}

/* Without a host nobody can be asked, so node types do not check their configs. */
static void test_check_needs_host(void **state)
{
    (void)state;
    static const wf_host host = { .size = sizeof host };
    wf_str text =
        STR("{\"nodes\":[{\"name\":\"T\",\"type\":\"test.trigger\"},{\"name\":\"S\",\"type\":"
            "\"test.send\","
            "\"parameters\":{\"to\":\"x\",\"from\":\"x\"},\"credentials\":{\"smsApi\":\"any\"}}],"
            "\"connections\":{\"T\":{\"main\":[[{\"node\":\"S\"}]]}}}");
    struct workflow_options options = { .plugins = plugins };
    struct workflow_report report;
    struct plan *p = workflow_compile(text, &options, &report);
    assert_non_null(p);
    const struct kit_send *config = p->nodes[1].params.base;
    assert_non_null(config->cred); /* without a hook every reference is taken */
    plan_unref(p);
    workflow_report_fini(&report);
    options.host = &host;
    assert_null(workflow_compile(text, &options, &report));
    assert_true(says(&report, "'from' and 'to' are the same"));
    workflow_report_fini(&report);
}

/* $vars and the allowed part of $env are copied: a plan outlives its options. */
static void test_surroundings(void **state)
{
    (void)state;
    static const char *const allow[] = { "CATALYST_TEST_A", "CATALYST_TEST_NONE", NULL };
    struct arena a;
    struct json vars;
    struct workflow_report report;
    setenv("CATALYST_TEST_A", "1", 1);
    setenv("CATALYST_TEST_B", "2", 1);
    arena_init(&a, NULL, 0);
    assert_int_equal(json_parse_copy(&a, "{\"x\":{\"y\":1}}", 13, 0, &vars, NULL), 0);
    struct workflow_options options = { .plugins = plugins, .vars = &vars, .env_allow = allow };
    struct plan *p = workflow_compile(str_of(chain), &options, &report);
    workflow_report_fini(&report);
    arena_fini(&a);
    assert_non_null(p);
    struct strbuf b;
    strbuf_init(&b, TEXT_MAX);
    json_add(&b, p->vars);
    json_add(&b, p->env);
    assert_string_equal(b.ptr, "{\"x\":{\"y\":1}}{\"CATALYST_TEST_A\":\"1\"}");
    strbuf_fini(&b);
    plan_unref(p);
    p = compile(chain, &report);
    assert_true(!p->vars && !p->env);
    plan_unref(p);
    workflow_report_fini(&report);
}

/* --- a plan ----------------------------------------------------------------------------------- */

static void test_find_node(void **state)
{
    (void)state;
    struct workflow_report report;
    struct plan *p = compile(
        "{\"nodes\":[{\"name\":\"b\",\"type\":\"test.trigger\"},{\"name\":\"a\",\"type\":\"test."
        "trigger\"},"
        "{\"name\":\"ab\",\"type\":\"test.trigger\"},{\"name\":\"é\",\"type\":\"test.trigger\"}]}",
        &report);
    assert_non_null(p);
    assert_int_equal(plan_find_node(p, STR("a")), 1);
    assert_int_equal(plan_find_node(p, STR("ab")), 2);
    assert_int_equal(plan_find_node(p, STR("b")), 0);
    assert_int_equal(plan_find_node(p, STR("é")), 3);
    assert_int_equal(plan_find_node(p, STR("")), -1);
    assert_int_equal(plan_find_node(p, STR("abc")), -1);
    assert_int_equal(plan_find_node(p, STR("zz")), -1);
    workflow_report_fini(&report);
    assert_ptr_equal(plan_ref(p), p);
    plan_unref(p);
    assert_int_equal(plan_find_node(p, STR("a")), 1);
    plan_unref(p);
    plan_unref(NULL);
}

/* The plan keeps its own text: the caller's may go, and needs no NUL at its end. */
static void test_text_is_copied(void **state)
{
    (void)state;
    struct workflow_options options = { .plugins = plugins };
    struct workflow_report report;
    size_t len = strlen(chain);
    char *text = malloc(len);
    memcpy(text, chain, len);
    struct plan *p = workflow_compile((wf_str){ text, len }, &options, &report);
    memset(text, 'x', len);
    free(text);
    assert_non_null(p);
    assert_int_equal(p->definition.len, len);
    assert_memory_equal(p->definition.ptr, chain, len);
    assert_string_equal(p->nodes[2].name, "B");
    assert_int_equal(p->nodes[2].parameters->len, 1);
    const struct json *written = JSON_GET(p->nodes[2].parameters, "text");
    assert_true(str_eq(json_str(written), STR("={{ $('A').item.json.x }}")));
    assert_null(p->unit.node_index);
    plan_unref(p);
    workflow_report_fini(&report);
}

static void check_identity(const char *text, const char *id, const char *name, bool active)
{
    struct arena a;
    struct err err = { 0 };
    wf_str got_id, got_name;
    bool got_active;
    arena_init(&a, NULL, 0);
    int rc = workflow_identity(&a, str_of(text), &got_id, &got_name, &got_active, &err);
    if (!id) {
        assert_int_equal(rc, -1);
        assert_non_null(strstr(err.text, name));
    } else {
        assert_int_equal(rc, 0);
        assert_string_equal(got_id.ptr, id);
        assert_string_equal(got_name.ptr, name);
        assert_true(got_active == active);
    }
    arena_fini(&a);
}

static void test_identity(void **state)
{
    (void)state;
    check_identity("{\"id\":\"7\",\"name\":\"n\\u00e4\",\"active\":true}", "7", "nä", true);
    check_identity("{\"name\":\"n\"}", "n", "n", false);
    check_identity("{\"id\":\"i\",\"active\":1}", "i", "i", false);
    check_identity("{}", NULL, "neither id nor name", false);
    check_identity("[]", NULL, "must be an object, got array", false);
    check_identity("{\n\n\"a\" 1}", NULL, "line 3: not JSON", false);
}

/* --- large ones ------------------------------------------------------------------------------- */

/* A chain of n nodes, which the last one's connection closes to a cycle when `closed`. */
static void add_chain(struct strbuf *b, unsigned n, bool closed)
{
    strbuf_adds(b, "{\"nodes\":[{\"name\":\"T\",\"type\":\"test.trigger\"}");
    for (unsigned i = 0; i + 1 < n; i++)
        strbuf_addf(b, ",{\"name\":\"n%u\",\"type\":\"test.pass\",\"position\":[%u,0]}", i, i);
    strbuf_adds(b, "],\"settings\":{\"executionOrder\":\"v1\"},\"connections\":{\"T\":{\"main\":[[{"
                   "\"node\":\"n0\"}]]}");
    for (unsigned i = 0; i + 2 < n; i++)
        strbuf_addf(b, ",\"n%u\":{\"main\":[[{\"node\":\"n%u\"}]]}", i, i + 1);
    if (closed)
        strbuf_addf(b, ",\"n%u\":{\"main\":[[{\"node\":\"n0\"}]]}", n - 2);
    strbuf_adds(b, "}}");
}

static void test_largest(void **state)
{
    (void)state;
    struct strbuf b;
    struct workflow_report report;
    strbuf_init(&b, TEXT_MAX);
    add_chain(&b, 10000, false);
    double start = now_s();
    struct plan *p = compile(b.ptr, &report);
    print_message("10,000 nodes, %zu bytes: %.0f ms\n", b.len, (now_s() - start) * 1000);
    assert_non_null(p);
    assert_int_equal(p->n_nodes, 10000);
    plan_unref(p);
    workflow_report_fini(&report);

    strbuf_clear(&b);
    add_chain(&b, 10000, true);
    assert_null(compile(b.ptr, &report));
    assert_int_equal(report.n, 1);
    assert_non_null(strstr(report.issues[0].text, "'n0' -> 'n1' -> "));
    workflow_report_fini(&report);

    strbuf_clear(&b);
    add_chain(&b, 10001, false);
    assert_null(compile(b.ptr, &report));
    assert_true(says(&report, "10001 nodes are more than a workflow may have (10000)"));
    workflow_report_fini(&report);
    strbuf_fini(&b);
}

static void test_too_many_edges(void **state)
{
    (void)state;
    struct strbuf b;
    struct workflow_report report;
    strbuf_init(&b, TEXT_MAX);
    strbuf_adds(&b, "{\"nodes\":[{\"name\":\"T\",\"type\":\"test.trigger\"},{\"name\":\"A\","
                    "\"type\":\"test.pass\"}],"
                    "\"connections\":{\"T\":{\"main\":[[");
    for (int i = 0; i < 50001; i++)
        strbuf_adds(&b, i ? ",{\"node\":\"A\"}" : "{\"node\":\"A\"}");
    strbuf_adds(&b, "]]}}}");
    assert_null(compile(b.ptr, &report));
    assert_true(says(&report, "more connections than a workflow may have (50000)"));
    workflow_report_fini(&report);
    strbuf_fini(&b);
}

static void test_too_long(void **state)
{
    (void)state;
    struct workflow_report report;
    size_t len = (32u << 20) + 1;
    char *text = malloc(len + 1);
    memset(text, ' ', len);
    text[len] = 0;
    assert_null(compile(text, &report));
    assert_true(says(&report, "33554432 are the most"));
    workflow_report_fini(&report);
    free(text);
}

static void test_nested_too_deep(void **state)
{
    (void)state;
    struct strbuf b;
    struct workflow_report report;
    strbuf_init(&b, TEXT_MAX);
    strbuf_adds(&b, "{\"meta\":");
    for (int i = 0; i < 200; i++)
        strbuf_addc(&b, '[');
    assert_null(compile(b.ptr, &report));
    assert_int_equal(report.issues[0].line, 1);
    assert_int_equal(report.issues[0].column, 8 + 128);
    assert_true(says(&report, "nested too deep"));
    workflow_report_fini(&report);
    strbuf_fini(&b);
}

static int setup(void **state)
{
    (void)state;
    plugins = kit_plugins();
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    plugin_set_destroy(plugins);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_snippet),          cmocka_unit_test(test_snippet_of_long_line),
        cmocka_unit_test(test_too_many),         cmocka_unit_test(test_options),
        cmocka_unit_test(test_check_needs_host), cmocka_unit_test(test_surroundings),
        cmocka_unit_test(test_find_node),        cmocka_unit_test(test_text_is_copied),
        cmocka_unit_test(test_identity),         cmocka_unit_test(test_largest),
        cmocka_unit_test(test_too_many_edges),   cmocka_unit_test(test_too_long),
        cmocka_unit_test(test_nested_too_deep),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
