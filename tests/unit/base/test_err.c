/* SPDX-License-Identifier: Apache-2.0
 * Error records, and the two checks that end the process: BUG_IF and OBJ, each tried in a child.
 */
#include "base/err.h"
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

struct thing {
    int other;
    uint32_t magic;
};
#define thing_MAGIC 0x7a11c0deu

static void test_set(void **state)
{
    (void)state;
    struct err e = { 0 };
    assert_int_equal(err_set(&e, ERR_INVALID, "port %d: %s", 5, "taken"), -1);
    assert_int_equal(e.code, ERR_INVALID);
    assert_false(e.retryable);
    assert_string_equal(e.text, "port 5: taken");
    assert_int_equal(err_set(&e, ERR_IO, "x"), -1);
    assert_true(e.retryable);
    err_set(&e, ERR_TIMEOUT, "x");
    assert_true(e.retryable);
    err_set(&e, ERR_FENCED, "x");
    assert_false(e.retryable);
    assert_int_equal(err_set(NULL, ERR_IO, "nobody asks"), -1);
    assert_string_equal(err_name(ERR_INVALID), "INVALID");
    assert_string_equal(err_name(ERR_NONE), "NONE");
    assert_string_equal(err_name((enum err_code)999), "NONE");
}

static void test_context(void **state)
{
    (void)state;
    struct err e;
    err_set(&e, ERR_UNAVAILABLE, "broker down");
    assert_int_equal(err_context(&e, "subscribe '%s'", "orders"), -1);
    assert_int_equal(err_context(&e, "kafka"), -1);
    assert_string_equal(e.text, "kafka: subscribe 'orders': broker down");
    assert_int_equal(e.code, ERR_UNAVAILABLE);
    assert_true(e.retryable);
    assert_int_equal(err_context(NULL, "nobody asks"), -1);
}

/* Texts of every length stay inside and end with a NUL. */
static void test_long_texts(void **state)
{
    (void)state;
    char text[1200];
    struct err e;
    for (int len = 480; len < 500; len++)
        for (int context = 0; context < 520; context += 7) {
            memset(text, 't', sizeof text);
            err_set(&e, ERR_IO, "%.*s", len, text);
            assert_int_equal(strlen(e.text), len < 495 ? len : 495);
            memset(text, 'c', sizeof text);
            err_context(&e, "%.*s", context, text);
            size_t n = strlen(e.text);
            assert_true(n < sizeof e.text && n >= (size_t)(context < 495 ? context : 495));
            for (int i = 0; i < context && i < 495; i++)
                assert_int_equal(e.text[i], 'c');
        }
}

/* The signal that ended a child which ran `run`, or 0. */
static int child_signal(void (*run)(void))
{
    int status;
    pid_t pid = fork();
    if (!pid) {
        struct rlimit none = { 0, 0 };
        setrlimit(RLIMIT_CORE, &none);
        close(STDERR_FILENO);
        signal(SIGABRT, SIG_DFL);
        run();
        _exit(0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

static void no_bug(void) { BUG_IF(1 > 2); }

static void bug(void) { BUG_IF(2 > 1); }

static void right_object(void)
{
    struct thing t = { 1, thing_MAGIC };
    BUG_IF(OBJ(thing, &t) != &t);
}

static void wrong_object(void)
{
    struct thing t = { thing_MAGIC, 1 };
    OBJ(thing, &t);
}

static void no_object(void) { OBJ(thing, NULL); }

static void test_aborts(void **state)
{
    (void)state;
    assert_int_equal(child_signal(no_bug), 0);
    assert_int_equal(child_signal(bug), SIGABRT);
    assert_int_equal(child_signal(right_object), 0);
    assert_int_equal(child_signal(wrong_object), SIGABRT);
    assert_int_equal(child_signal(no_object), SIGABRT);
}

static void test_memory(void **state)
{
    (void)state;
    char *p = xmalloc(0);
    assert_non_null(p);
    p = xrealloc(p, 0);
    assert_non_null(p);
    free(p);
    p = xcalloc(3, 5);
    for (int i = 0; i < 15; i++)
        assert_int_equal(p[i], 0);
    free(p);
    p = xcalloc(0, 5);
    assert_non_null(p);
    free(p);
    p = xstrdup("text");
    assert_string_equal(p, "text");
    free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_set),        cmocka_unit_test(test_context),
        cmocka_unit_test(test_long_texts), cmocka_unit_test(test_aborts),
        cmocka_unit_test(test_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
