/* SPDX-License-Identifier: Apache-2.0
 * Routes: precedence, parameters, methods, what a pattern may not be.
 */
#include "http/http.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

static struct route_table *t;
static struct route_match m;
static struct err err;

static int setup(void **state)
{
    (void)state;
    t = route_table_create();
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    route_table_destroy(t);
    return 0;
}

/* The target of a route is its pattern, so that a look-up says what it found. */
static void add(enum http_method method, const char *pattern)
{
    if (route_add(t, method, pattern, (void *)(uintptr_t)pattern, &err) != 0)
        fail_msg("%s", err.text);
}

static enum route_result find(enum http_method method, const char *path)
{
    return route_find(t, method, str_of(path), &m);
}

static void assert_finds(enum http_method method, const char *path, const char *pattern)
{
    assert_int_equal(find(method, path), ROUTE_FOUND);
    assert_string_equal(m.target, pattern);
    assert_string_equal(m.pattern, pattern);
}

static void assert_param(unsigned i, const char *name, const char *value)
{
    assert_true(i < m.n_params);
    assert_true(str_eq(m.params[i].name, str_of(name)));
    assert_true(str_eq(m.params[i].value, str_of(value)));
}

static void test_text_wins_over_param_over_rest(void **state)
{
    (void)state;
    add(HTTP_GET, "/a/*all");
    add(HTTP_GET, "/a/:id");
    add(HTTP_GET, "/a/me");
    add(HTTP_GET, "/a/:id/x");
    add(HTTP_GET, "/a/me/y");
    assert_finds(HTTP_GET, "/a/me", "/a/me");
    assert_finds(HTTP_GET, "/a/you", "/a/:id");
    assert_param(0, "id", "you");
    assert_finds(HTTP_GET, "/a/me/y", "/a/me/y");
    assert_finds(HTTP_GET, "/a/me/x", "/a/:id/x"); /* back up from the text branch */
    assert_param(0, "id", "me");
    assert_finds(HTTP_GET, "/a/me/z/w", "/a/*all");
    assert_param(0, "all", "me/z/w");
    assert_finds(HTTP_GET, "/a", "/a/*all");
    assert_param(0, "all", "");
    assert_int_equal(find(HTTP_GET, "/b"), ROUTE_NOT_FOUND);
    assert_int_equal(m.allowed, 0);
}

static void test_the_same_route(void **state)
{
    (void)state;
    add(HTTP_GET, "/a/:id/x");
    add(HTTP_POST, "/b/*rest");
    assert_string_equal(route_same(t, HTTP_GET, "/a/:other/x"), "/a/:id/x");
    assert_string_equal(route_same(t, HTTP_GET, "/a/:id/x/"), "/a/:id/x");
    assert_string_equal(route_same(t, HTTP_POST, "/b/*all"), "/b/*rest");
    const char *const others[] = { "/a/1/x", "/a/:id", "/a/:id/x/y", "/b", "/", "", "/a/*id" };
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        assert_null(route_same(t, HTTP_GET, others[i]));
    assert_null(route_same(t, HTTP_POST, "/a/:id/x"));
    assert_null(route_same(t, HTTP_HEAD, "/a/:id/x"));
}

static void test_root_and_slashes(void **state)
{
    (void)state;
    add(HTTP_GET, "/");
    add(HTTP_GET, "/a/b");
    add(HTTP_GET, "/p/:x");
    assert_finds(HTTP_GET, "/", "/");
    assert_finds(HTTP_GET, "/a/b/", "/a/b");
    assert_int_equal(find(HTTP_GET, "/a//b"), ROUTE_NOT_FOUND);
    assert_int_equal(find(HTTP_GET, "/a/b//"), ROUTE_NOT_FOUND);
    assert_int_equal(find(HTTP_GET, "/p/"), ROUTE_NOT_FOUND);
    assert_int_equal(find(HTTP_GET, "/p//"), ROUTE_NOT_FOUND);
    assert_int_equal(find(HTTP_GET, ""), ROUTE_NOT_FOUND);
    assert_int_equal(find(HTTP_OPTIONS, "*"), ROUTE_NOT_FOUND);
}

static void test_several_params(void **state)
{
    (void)state;
    add(HTTP_POST, "/t/:tenant/hook/:name/*rest");
    assert_finds(HTTP_POST, "/t/acme/hook/o%2Frder/x/y%20z", "/t/:tenant/hook/:name/*rest");
    assert_int_equal(m.n_params, 3);
    assert_param(0, "tenant", "acme");
    assert_param(1, "name", "o%2Frder"); /* as sent: an encoded slash is no border */
    assert_param(2, "rest", "x/y%20z");
}

static void test_text_is_compared_decoded(void **state)
{
    (void)state;
    add(HTTP_GET, "/caf\xc3\xa9/a b");
    assert_finds(HTTP_GET, "/caf%C3%A9/a%20b", "/caf\xc3\xa9/a b");
    assert_int_equal(find(HTTP_GET, "/caf%C3%A8/a%20b"), ROUTE_NOT_FOUND);
}

static void test_methods(void **state)
{
    (void)state;
    char buffer[64];
    add(HTTP_GET, "/x");
    add(HTTP_POST, "/x");
    add(HTTP_DELETE, "/:any");
    assert_int_equal(find(HTTP_PUT, "/x"), ROUTE_BAD_METHOD);
    assert_string_equal(route_allow(m.allowed, buffer, sizeof buffer).ptr,
                        "GET, HEAD, POST, DELETE");
    assert_finds(HTTP_DELETE, "/x", "/:any"); /* the text branch lacks the method */
    assert_finds(HTTP_HEAD, "/x", "/x");
    assert_int_equal(find(HTTP_HEAD, "/y"), ROUTE_BAD_METHOD);
    assert_string_equal(route_allow(m.allowed, buffer, 4).ptr, ""); /* no room for a whole name */
}

static void assert_refused(const char *pattern, const char *why)
{
    err = (struct err){ 0 };
    assert_int_equal(route_add(t, HTTP_GET, pattern, t, &err), -1);
    if (!strstr(err.text, why))
        fail_msg("'%s' does not say '%s'", err.text, why);
}

static void test_bad_patterns(void **state)
{
    (void)state;
    char deep[256] = "", many[256] = "";
    for (int i = 0; i < 33; i++)
        strcat(deep, "/d");
    for (int i = 0; i < 17; i++)
        snprintf(many + strlen(many), sizeof many - strlen(many), "/:p%d", i);
    char wide[300] = "/";
    memset(wide + 1, 'w', 256);
    assert_refused("", "start with '/'");
    assert_refused("a", "start with '/'");
    assert_refused("/a//b", "empty segment");
    assert_refused("/:", "without a name");
    assert_refused("/*", "without a name");
    assert_refused("/*a/b", "last segment");
    assert_refused("/:a/:a", "twice");
    assert_refused(deep, "more than 32");
    assert_refused(many, "more than 16");
    assert_refused(wide, "over 255");
    add(HTTP_GET, "/o/:id");
    assert_refused("/o/:name", "'/o/:id' is there already");
    assert_int_equal(err.code, ERR_CONFLICT);
    assert_int_equal(route_add(t, HTTP_POST, "/o/:name", t, &err), 0);
}

static void test_ten_thousand(void **state)
{
    (void)state;
    static char patterns[10000][32];
    for (int i = 0; i < 10000; i++) {
        snprintf(patterns[i], sizeof patterns[i], "/webhook/%d/:id", i);
        add(HTTP_POST, patterns[i]);
    }
    for (int i = 0; i < 10000; i++) {
        char path[40];
        snprintf(path, sizeof path, "/webhook/%d/k%d", i, i);
        assert_finds(HTTP_POST, path, patterns[i]);
    }
}

static void test_method_names(void **state)
{
    (void)state;
    for (enum http_method method = HTTP_GET; method < HTTP_METHOD_COUNT; method++)
        assert_int_equal(http_method_parse(str_of(http_method_name(method))), method);
    assert_int_equal(http_method_parse(STR("get")), HTTP_NONE);
    assert_int_equal(http_method_parse(STR("")), HTTP_NONE);
    assert_string_equal(http_method_name(HTTP_NONE), "");
    assert_string_equal(http_status_text(202), "Accepted");
    assert_string_equal(http_status_text(299), "Unknown");
    assert_string_equal(http_reject_name(HTTP_REJECT_BODY), "body");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_text_wins_over_param_over_rest),
        TEST(test_the_same_route),
        TEST(test_root_and_slashes),
        TEST(test_several_params),
        TEST(test_text_is_compared_decoded),
        TEST(test_methods),
        TEST(test_bad_patterns),
        TEST(test_ten_thousand),
        TEST(test_method_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
