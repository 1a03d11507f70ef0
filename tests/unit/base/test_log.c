/* SPDX-License-Identifier: Apache-2.0
 * The logger: levels, both forms, lines held back, and above all that a registered secret never
 * appears. What is logged goes to a file in place of stderr.
 */
#include "base/log.h"
#include "base/clock.h"
#include "base/str.h"
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>

static int real_stderr = -1, sink = -1;
static char written[1 << 20];

static void capture(void)
{
    char name[] = "/tmp/catalyst-log-XXXXXX";
    sink = mkstemp(name);
    assert_true(sink >= 0);
    unlink(name);
    real_stderr = dup(STDERR_FILENO);
    dup2(sink, STDERR_FILENO);
}

/* Ends the capture; what was logged is in `written`. */
static const char *captured(void)
{
    dup2(real_stderr, STDERR_FILENO);
    close(real_stderr);
    ssize_t n = pread(sink, written, sizeof written - 1, 0);
    assert_true(n >= 0);
    written[n] = 0;
    close(sink);
    return written;
}

static size_t lines(const char *text)
{
    size_t n = 0;
    for (; *text; text++)
        n += *text == '\n';
    return n;
}

static void test_levels(void **state)
{
    (void)state;
    assert_int_equal(log_level_parse("debug"), LOG_DEBUG);
    assert_int_equal(log_level_parse("error"), LOG_ERROR);
    assert_int_equal(log_level_parse("loud"), 0);
    assert_int_equal(log_level_parse(""), 0);
    log_setup(LOG_WARN, LOG_TEXT);
    assert_false(log_wants(LOG_INFO));
    assert_true(log_wants(LOG_WARN));
    capture();
    log_debug("test", "level.debug", "no");
    log_info("test", "level.info", "no");
    log_warn("test", "level.warn", "yes %d", 1);
    log_error("test", "level.error", "yes %d", 2);
    const char *text = captured();
    assert_int_equal(lines(text), 2);
    assert_non_null(strstr(text, "Z warn  test level.warn: yes 1\n"));
    assert_non_null(strstr(text, "Z error test level.error: yes 2\n"));
}

static void test_json(void **state)
{
    (void)state;
    log_setup(LOG_INFO, LOG_JSON);
    capture();
    log_info("test", "json.line", "a \"quote\"\nand \xff");
    const char *text = captured();
    assert_int_equal(lines(text), 1);
    assert_memory_equal(text, "{\"time\":\"20", 11);
    assert_non_null(strstr(text,
                           "\"level\":\"info\",\"component\":\"test\",\"event\":\"json.line\","
                           "\"text\":\"a \\\"quote\\\"\\nand \xef\xbf\xbd\"}\n"));
}

static void check_hidden(enum log_format format, const char *event)
{
    log_setup(LOG_INFO, format);
    capture();
    log_info("test", event, "url https://user:hunter22@host, again hunter22hunter22, %s",
             "hunter22");
    log_info("test", event, "pin abc, key with \"quotes\" and \n line");
    log_info("test", event, "short long-secret-long end");
    log_info("test", event, "late: secret-number-700.");
    const char *text = captured();
    assert_null(strstr(text, "hunter"));
    assert_non_null(strstr(text, "https://user:***@host, again ******, ***"));
    assert_non_null(strstr(text, "pin abc, key ***"));
    assert_null(strstr(text, "quotes"));
    /* One secret is the beginning of another: nothing of the longer one is left. */
    assert_non_null(strstr(text, "short *** end"));
    assert_non_null(strstr(text, "late: ***."));
}

static void test_secrets(void **state)
{
    (void)state;
    log_hide(STR("hunter22"));
    log_hide(STR("hunter22"));
    log_hide(STR("abc")); /* too short to be hidden: it would be everywhere */
    log_hide(STR(""));
    log_hide(STR("with \"quotes\" and \n line"));
    log_hide(STR("long-secret"));
    log_hide(STR("long-secret-long"));
    /* A NUL inside cannot appear in a line; what stands before it can. */
    log_hide((wf_str){ "before-nul\0behind", 17 });
    for (int i = 0; i < 1000; i++) {
        char secret[32];
        int len = snprintf(secret, sizeof secret, "secret-number-%03d", i);
        log_hide((wf_str){ secret, (size_t)len });
        memset(secret, 'x', sizeof secret); /* it was copied */
    }
    check_hidden(LOG_TEXT, "hide.text");
    check_hidden(LOG_JSON, "hide.json");
    capture();
    log_info("test", "hide.nul", "x before-nul");
    assert_non_null(strstr(captured(), "x ***"));
}

/* Lines over the rate are counted, not written, and the next one says how many. */
static void test_rate(void **state)
{
    (void)state;
    log_setup(LOG_INFO, LOG_TEXT);
    capture();
    usleep((useconds_t)(1000000 - clock_mono_us() % 1000000)); /* lines are counted by the second */
    for (int i = 0; i < 500; i++)
        log_info("test", "rate.many", "line %d", i);
    log_info("test", "rate.other", "other");
    const char *text = captured();
    size_t shown = lines(text);
    assert_true(shown >= 21 && shown <= 41); /* the second may have changed, and said so */
    bool said = strstr(text, " like it not shown)\n") != NULL;
    usleep(1100 * 1000);
    capture();
    log_info("test", "rate.many", "one more");
    text = captured();
    assert_non_null(strstr(text, said ? "one more" : "one more ("));
    assert_true(said || strstr(text, " like it not shown)\n"));
}

static void test_too_long(void **state)
{
    (void)state;
    char *text = malloc(100001);
    memset(text, 'x', 100000);
    text[100000] = 0;
    log_setup(LOG_INFO, LOG_TEXT);
    capture();
    log_info("test", "long.line", "%s", text);
    const char *line = captured();
    assert_int_equal(lines(line), 1);
    assert_non_null(strstr(line, "long.line: (text too long)\n"));
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_levels),   cmocka_unit_test(test_json),
        cmocka_unit_test(test_secrets),  cmocka_unit_test(test_rate),
        cmocka_unit_test(test_too_long),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
