/* SPDX-License-Identifier: Apache-2.0
 * catalyst.redis against a server that follows a script: what leaves, what comes of answers, and of
 * connections that break. All operations run against a real server in tests/integration.
 */
#include "../redis.c"
#include "../conn.c"
#include "../command.c"
#include "../result.c"
#include "../call.c"
#include "fake_loop.h"
#include "fake_cases.h"

static struct fake *start_node(uint16_t port, const char *more, const char *json)
{
    struct fake *f = fake_create(&wf_plugin_entry, NULL);
    char cred[200];
    snprintf(cred, sizeof cred, "{%s\"port\":\"%u\"%s}",
             strstr(more, "host") ? "" : "\"host\":\"127.0.0.1\",", port, more);
    fake_cred(f, "redis", cred);
    fake_service(f, "loop/1", &loop_table);
    if (fake_start(f, json) != 0)
        fail_msg("%s", fake_error(f));
    return f;
}

static void until_ended(wf_item *it)
{
    int64_t end = loop_now() + 12000;
    while (fake_ended(it) == FAKE_NOT_ENDED && loop_now() < end)
        loop_once();
}

#define GET  "{\"operation\":\"get\",\"key\":\"k\",\"propertyName\":\"v\"}"
#define INCR "{\"operation\":\"incr\",\"key\":\"k\"}"
#define PING                                                                                       \
    {                                                                                              \
        "PING", "+PONG\r\n", 0                                                                     \
    }

static const struct {
    const char *params;
    struct line lines[3];
    enum fake_end end;
    const char *out, *code;
    wf_fault fault;
} cases[] = {
    { GET,
      { PING, { "GET\r\n$1\r\nk", "$1\r\nx\r\n", 0 } },
      FAKE_EMITTED,
      "{\"v\":\"x\"}",
      NULL,
      0 },
    { GET, { PING, { "GET", "$-1\r\n", 0 } }, FAKE_EMITTED, "{\"v\":null}", NULL, 0 },
    { INCR, { PING, { "INCR", ":7\r\n", 0 } }, FAKE_EMITTED, "{\"k\":7}", NULL, 0 },
    { GET, { PING, { "GET", "-LOADING wait\r\n", 0 } }, FAKE_FAILED, NULL, "busy", WF_TRANSIENT },
    { GET, { PING, { "GET", "-NOPERM no\r\n", 0 } }, FAKE_FAILED, NULL, "auth", WF_ACCOUNT },
    { INCR,
      { PING, { "INCR", "-WRONGTYPE no\r\n", 0 } },
      FAKE_FAILED,
      NULL,
      "rejected",
      WF_REJECTED },
    { GET,
      { PING, { "GET", "-MOVED 3999 127.0.0.1:6381\r\n", 0 } },
      FAKE_FAILED,
      NULL,
      "cluster",
      WF_ACCOUNT },
    { GET, { PING, { "GET", NULL, 0 } }, FAKE_FAILED, NULL, "connection", WF_TRANSIENT },
    { INCR, { PING, { "INCR", NULL, 0 } }, FAKE_FAILED, NULL, "unknown", WF_UNKNOWN },
    { INCR, { PING, { "INCR", "nonsense\r\n", 0 } }, FAKE_FAILED, NULL, "unknown", WF_UNKNOWN },
    { INCR, { { "PING", NULL, 0 } }, FAKE_FAILED, NULL, "connection", WF_TRANSIENT },
    { INCR, { { "PING", "-NOAUTH no\r\n", 0 } }, FAKE_FAILED, NULL, "auth", WF_ACCOUNT },
};

static void test_answers(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct script s;
        script_start(&s, cases[i].lines, cases[i].lines[1].wants ? 2 : 1);
        struct fake *f = start_node(s.port, "", cases[i].params);
        wf_item *it = fake_item(f, "{}");
        fake_run(f);
        until_ended(it);
        if (fake_ended(it) != cases[i].end)
            fail_msg("%zu: ended %d: %s", i, (int)fake_ended(it), fake_why(it));
        if (cases[i].out)
            assert_string_equal(fake_output_json(f, 0, 0), cases[i].out);
        if (cases[i].code) {
            assert_string_equal(fake_fault(it)->code, cases[i].code);
            assert_int_equal(fake_fault(it)->fault, cases[i].fault);
        }
        fake_destroy(f);
        script_stop(&s);
    }
}

static void test_greeting(void **state)
{
    (void)state;
    static const struct line lines[] = {
        { "AUTH\r\n$3\r\nann\r\n$6\r\ns3cret\r\n", "+OK\r\n", 0 },
        { "SELECT\r\n$1\r\n2\r\n", "+OK\r\n", 0 },
        PING,
        { "INCR", ":1\r\n", 0 },
    };
    struct script s;
    script_start(&s, lines, 4);
    struct fake *f =
        start_node(s.port, ",\"user\":\"ann\",\"password\":\"s3cret\",\"database\":\"2\"", INCR);
    wf_item *it = fake_item(f, "{}");
    fake_run(f);
    until_ended(it);
    assert_int_equal(fake_ended(it), FAKE_EMITTED);
    fake_destroy(f);
    script_stop(&s);
}

static void test_wrong_password(void **state)
{
    (void)state;
    static const struct line lines[] = { { "AUTH", "-WRONGPASS invalid\r\n", 0 } };
    struct script s;
    script_start(&s, lines, 1);
    struct fake *f = start_node(s.port, ",\"password\":\"s3cret\"", INCR);
    wf_item *it = fake_item(f, "{}");
    fake_run(f);
    until_ended(it);
    assert_int_equal(fake_fault(it)->fault, WF_ACCOUNT);
    assert_null(strstr(fake_why(it), "s3cret"));
    fake_destroy(f);
    script_stop(&s);
}

/* An item that is gone when its answer comes; the next one is served. */
static void test_late_answer(void **state)
{
    (void)state;
    static const struct line lines[] = { PING, { "INCR", ":1\r\n", 1 }, { "INCR", ":2\r\n", 0 } };
    struct script s;
    script_start(&s, lines, 3);
    struct fake *f = start_node(s.port, "", INCR);
    wf_item *gone = fake_item(f, "{}");
    fake_run(f);
    for (int i = 0; i < 20; i++)
        loop_once();
    fake_cancel(gone);
    script_go(&s);
    wf_item *it = fake_item(f, "{}");
    fake_run(f);
    until_ended(it);
    assert_string_equal(fake_output_json(f, 0, 0), "{\"k\":2}");
    fake_destroy(f);
    script_stop(&s);
}

/* The connection is there again for the next item. */
static void test_reconnects(void **state)
{
    (void)state;
    static const struct line lines[] = {
        PING, { "GET", NULL, 0 }, PING, { "GET", "$1\r\nx\r\n", 0 }
    };
    struct script s;
    script_start(&s, lines, 4);
    struct fake *f = start_node(s.port, "", GET);
    wf_item *lost = fake_item(f, "{}");
    fake_run(f);
    until_ended(lost);
    assert_int_equal(fake_fault(lost)->fault, WF_TRANSIENT);
    wf_item *it = fake_item(f, "{}");
    fake_run(f);
    until_ended(it);
    assert_int_equal(fake_ended(it), FAKE_EMITTED);
    fake_destroy(f);
    script_stop(&s);
}

static void test_nobody_listens(void **state)
{
    (void)state;
    struct script s;
    script_start(&s, NULL, 0);
    script_stop(&s); /* its port is free now */
    struct fake *f = start_node(s.port, "", GET);
    wf_item *it = fake_item(f, "{}");
    fake_run(f);
    until_ended(it);
    assert_int_equal(fake_fault(it)->fault, WF_TRANSIENT);
    assert_string_equal(fake_fault(it)->code, "connection");
    assert_non_null(strstr(fake_log(f, 0), "redis.down"));
    fake_destroy(f);
}

/* A name is looked up; one that is not there fails as transient. */
static void test_names(void **state)
{
    (void)state;
    static const struct line lines[] = { PING, { "INCR", ":1\r\n", 0 } };
    struct script s;
    script_start(&s, lines, 2);
    struct fake *f = start_node(s.port, ",\"host\":\"localhost\"", INCR);
    wf_item *it = fake_item(f, "{}");
    fake_run(f);
    until_ended(it);
    assert_int_equal(fake_ended(it), FAKE_EMITTED);
    fake_destroy(f);
    script_stop(&s);
    f = start_node(1, ",\"host\":\"no-such-host.invalid\"", INCR);
    it = fake_item(f, "{}");
    fake_run(f);
    until_ended(it);
    assert_int_equal(fake_fault(it)->fault, WF_TRANSIENT);
    assert_non_null(strstr(fake_why(it), "no-such-host.invalid"));
    fake_destroy(f);
}

static void refuse(const char *cred, const void *loop, const char *params_json, const char *why)
{
    struct fake *f = fake_create(&wf_plugin_entry, NULL);
    if (cred)
        fake_cred(f, "redis", cred);
    if (loop)
        fake_service(f, "loop/1", loop);
    assert_int_equal(fake_start(f, params_json), -1);
    if (!strstr(fake_error(f), why))
        fail_msg("%s, wanted %s", fake_error(f), why);
    fake_destroy(f);
}

static void test_refused(void **state)
{
    (void)state;
    refuse(NULL, &loop_table, GET, "credential");
    refuse("{}", NULL, GET, "no sockets");
    refuse("{\"ssl\":\"true\",\"caFile\":\"/nowhere/ca.pem\"}", &loop_table, GET,
           "/nowhere/ca.pem");
    refuse("{}", &loop_table, "{\"operation\":\"get\"}", "key");
    refuse("{}", &loop_table, "{\"operation\":\"flushall\"}", "operation");
    refuse("{}", &loop_table, "{\"operation\":\"incr\",\"key\":\"k\",\"expire\":true,\"ttl\":0}",
           "ttl");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_answers),        cmocka_unit_test(test_greeting),
        cmocka_unit_test(test_wrong_password), cmocka_unit_test(test_late_answer),
        cmocka_unit_test(test_reconnects),     cmocka_unit_test(test_nobody_listens),
        cmocka_unit_test(test_names),          cmocka_unit_test(test_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
