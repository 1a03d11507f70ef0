/* SPDX-License-Identifier: Apache-2.0
 * The published JSON Schema and the compiler know the same names: what the schema offers in an
 * editor is no unknown field here, and what a definition may say is offered.
 *
 *     test_unit_workflow_schema --print     the schema with the node types of the tests, by which
 *                                           tests/scenario/test_schema.py validates the cases
 */
#include "kit.h"
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static struct plugin_set *plugins;
static struct arena arena;
static struct json schema;

static const struct json *properties(const char *path)
{
    struct json_path steps;
    assert_int_equal(json_path_parse(&arena, path, strlen(path), &steps, NULL), 0);
    const struct json *found = json_path_get(&schema, &steps);
    assert_non_null(found);
    assert_int_equal(found->type, JSON_OBJECT);
    return found;
}

/* Puts each name with null into the definition; none may be called unknown. */
static void check_known(const struct json *names, const char *before, const char *after)
{
    assert_true(names->len > 5);
    for (uint32_t i = 0; i < names->len; i++) {
        struct workflow_options options = { .plugins = plugins };
        struct workflow_report report;
        wf_str name = json_str(&names->members[i].key);
        wf_str text = arena_printf(&arena, "%s\"%.*s\":null%s", before, STR_ARG(name), after);
        struct plan *p = workflow_compile(text, &options, &report);
        for (uint32_t k = 0; k < report.n; k++)
            if (strstr(report.issues[k].text, "unknown"))
                fail_msg("%.*s: %s", STR_ARG(name), report.issues[k].text);
        plan_unref(p);
        workflow_report_fini(&report);
    }
}

static void test_schema_is_known(void **state)
{
    (void)state;
    check_known(properties("properties.settings.properties"),
                "{\"nodes\":[{\"name\":\"T\",\"type\":\"test.trigger\"}],\"settings\":{", "}}");
    check_known(properties("properties"),
                "{\"nodes\":[{\"name\":\"T\",\"type\":\"test.trigger\"}],", "}");
    check_known(properties("properties.nodes.items.properties"),
                "{\"nodes\":[{\"name\":\"T\",\"type\":\"test.trigger\",", "}]}");
}

static void check_offered(const char *path, const char *const *names)
{
    const struct json *offered = properties(path);
    for (; *names; names++)
        if (!json_get(offered, *names, strlen(*names)))
            fail_msg("the schema does not offer %s in %s", *names, path);
}

static void test_known_is_in_schema(void **state)
{
    (void)state;
    static const char *const top[] = { "id",          "name",     "active",  "nodes",
                                       "connections", "settings", "pinData", NULL };
    static const char *const node[] = { "id",
                                        "name",
                                        "type",
                                        "typeVersion",
                                        "position",
                                        "parameters",
                                        "credentials",
                                        "disabled",
                                        "notes",
                                        "notesInFlow",
                                        "retryOnFail",
                                        "maxTries",
                                        "waitBetweenTries",
                                        "alwaysOutputData",
                                        "executeOnce",
                                        "onError",
                                        "continueOnFail",
                                        "retry",
                                        "timeout_ms",
                                        "idempotencyKey",
                                        NULL };
    static const char *const settings[] = { "durability",       "executionOrder", "timezone",
                                            "executionTimeout", "maxNodeRuns",    "save",
                                            "errorWorkflow",    "deadLetter",     "concurrency",
                                            "rateLimit",        "priority",       "parallel",
                                            "deadline",         "retention",      NULL };
    check_offered("properties", top);
    check_offered("properties.nodes.items.properties", node);
    check_offered("properties.settings.properties", settings);
}

static int setup(void **state)
{
    (void)state;
    struct strbuf b;
    struct json_error error;
    plugins = kit_plugins();
    arena_init(&arena, NULL, 0);
    strbuf_init(&b, 8 << 20);
    schema_workflow(&b, plugins);
    int rc = json_parse_copy(&arena, b.ptr, b.len, 0, &schema, &error);
    strbuf_fini(&b);
    return rc;
}

static int teardown(void **state)
{
    (void)state;
    arena_fini(&arena);
    plugin_set_destroy(plugins);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc > 1 && !strcmp(argv[1], "--print")) {
        struct strbuf b;
        strbuf_init(&b, 8 << 20);
        plugins = kit_plugins();
        schema_workflow(&b, plugins);
        puts(b.ptr);
        strbuf_fini(&b);
        plugin_set_destroy(plugins);
        return 0;
    }
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_schema_is_known),
                                        cmocka_unit_test(test_known_is_in_schema) };
    return cmocka_run_group_tests(tests, setup, teardown);
}
