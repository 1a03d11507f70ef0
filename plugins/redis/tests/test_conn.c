/* SPDX-License-Identifier: Apache-2.0
 * catalyst/conn.h with a connection of the test's own: no socket, the test says what the other side
 * does. What becomes of items in each state of a connection's life.
 */
#include <catalyst/conn.h>
#include "fake_loop.h"
#include "fake_cases.h"

struct config {
    const wf_cred *unused;
    int harmless;
};

/* What the connection did, and the one there is. */
static struct conn {
    wf_conn c;
    unsigned connects, disconnects, sent, lost, idles;
    int refuse; /* connect() ends at once */
} * the;
static wf_conn_type conn_type;
static const char *the_host = "127.0.0.1";
static int64_t patience_ms = 60000;

static const char *on_host(wf_conn *c)
{
    (void)c;
    return the_host;
}

static void on_connect(wf_conn *c, const char *address)
{
    the->connects++;
    if (*the_host == 'l') /* localhost, of either kind, as the machine has it */
        assert_true(!strcmp(address, "127.0.0.1") || !strcmp(address, "::1"));
    else
        assert_string_equal(address, the_host);
    if (the->refuse)
        wf_conn_down(c, the->refuse, "refused\n");
}

static void on_disconnect(wf_conn *c)
{
    (void)c;
    the->disconnects++;
}

static void on_send(wf_conn *c, wf_item *const *items, size_t n)
{
    wf_conn_call *call = wf_conn_call_new(c, n);
    wf_conn_sent(call);
    for (size_t i = 0; i < n; i++)
        wf_conn_call_park(call, i, items[i], patience_ms);
    the->sent += (unsigned)n;
}

static void on_lost(wf_conn *c, wf_conn_call *call)
{
    for (size_t i = 0; i < call->n; i++) {
        wf_item *it = wf_conn_call_item(call, i);
        if (it)
            wf_conn_lost_item(c, it, ((const struct config *)c->h->config(it))->harmless);
    }
    the->lost++;
}

static int64_t timeout_ms(wf_conn *c, wf_item *it)
{
    (void)c;
    (void)it;
    return 60000;
}

static void on_idle(wf_conn *c)
{
    the->idles++;
    wf_conn_rest(c);
}

static void *node_open(const wf_host *h, wf_inst *inst, wf_error *why)
{
    the = calloc(1, sizeof *the);
    if (wf_conn_init(&the->c, &conn_type, h, inst, why) != 0) {
        free(the);
        return NULL;
    }
    wf_conn_start(&the->c);
    return the;
}

static void node_close(const wf_host *h, void *state)
{
    (void)h;
    wf_conn_close(state);
    free(state);
}

static void process(const wf_host *h, wf_item *const *items, size_t n)
{
    wf_conn_take(h->state(items[0]), items, n);
}

static const wf_param params[] = { { WF_P_BOOL(struct config, harmless) }, WF_END };
static const char *const ports[] = { "main", NULL };
static const wf_pair codes[] = { WF_CONN_CODES, { NULL, NULL } };
static const wf_node nodes[] = { { .type = "test.conn",
                                   .help = "A connection",
                                   .ports = ports,
                                   .params = params,
                                   .config_size = sizeof(struct config),
                                   .process = process,
                                   .open = node_open,
                                   .close = node_close,
                                   .codes = codes } };
WF_PLUGIN("conn", "1.0.0", nodes);

static struct fake *begin(wf_conn_type more)
{
    conn_type = more;
    conn_type.name = "test";
    conn_type.host = on_host;
    conn_type.connect = on_connect;
    conn_type.disconnect = on_disconnect;
    conn_type.send = on_send;
    conn_type.lost = on_lost;
    conn_type.timeout_ms = timeout_ms;
    the_host = "127.0.0.1";
    struct fake *f = fake_create(&wf_plugin_entry, NULL);
    fake_service(f, "loop/1", &loop_table);
    if (fake_start(f, "{}") != 0)
        fail_msg("%s", fake_error(f));
    return f;
}

static wf_item *one(struct fake *f, const char *more)
{
    wf_item *it = fake_item(f, "{}");
    if (more)
        fake_params(it, more);
    fake_run(f);
    return it;
}

static void until_ms(int64_t ms)
{
    for (int64_t end = loop_now() + ms; loop_now() < end;)
        loop_once();
}

/* Ends what is under way as if it had been answered. */
static void answer_all(void)
{
    while (the->c.calls) {
        wf_conn_call *call = the->c.calls;
        wf_conn_answered(call);
        for (size_t i = 0; i < call->n; i++) {
            wf_item *it = wf_conn_call_item(call, i);
            if (it)
                the->c.h->pass(it, 0);
        }
        wf_conn_call_free(call);
    }
}

static void test_waits_until_up(void **state)
{
    (void)state;
    struct fake *f = begin((wf_conn_type){ 0 });
    wf_item *a = one(f, NULL), *gone = one(f, NULL), *b = one(f, NULL);
    assert_int_equal(the->sent, 0);
    fake_cancel(gone);
    wf_conn_up(&the->c);
    assert_int_equal(the->sent, 2);
    answer_all();
    assert_int_equal(fake_ended(a), FAKE_PASSED);
    assert_int_equal(fake_ended(b), FAKE_PASSED);
    wf_item *c = one(f, NULL);
    assert_int_equal(the->sent, 3);
    answer_all();
    assert_int_equal(fake_ended(c), FAKE_PASSED);
    fake_destroy(f);
}

/* More than are handed over at once, in order. */
static void test_many_wait(void **state)
{
    (void)state;
    struct fake *f = begin((wf_conn_type){ .max_waiting = 600 });
    wf_item *items[601];
    for (int i = 0; i < 601; i++)
        items[i] = fake_item(f, "{}");
    fake_run(f);
    assert_int_equal(fake_fault(items[600])->fault, WF_TRANSIENT);
    assert_non_null(strstr(fake_why(items[600]), "too many items"));
    wf_conn_up(&the->c);
    assert_int_equal(the->sent, 600);
    assert_int_equal(the->c.n_calls, 3);
    answer_all();
    assert_int_equal(fake_ended(items[599]), FAKE_PASSED);
    fake_destroy(f);
}

static void test_lost(void **state)
{
    (void)state;
    struct fake *f = begin((wf_conn_type){ 0 });
    wf_conn_up(&the->c);
    wf_item *twice = one(f, NULL), *harmless = one(f, "{\"harmless\":true}"), *gone = one(f, NULL);
    fake_cancel(gone);
    wf_conn_down(&the->c, WF_TRANSIENT, "reset\r\nby peer\n");
    assert_int_equal(fake_fault(twice)->fault, WF_UNKNOWN);
    assert_string_equal(fake_fault(twice)->code, "unknown");
    assert_string_equal(fake_why(twice), "test: reset  by peer; whether it was done is not known");
    assert_int_equal(fake_fault(harmless)->fault, WF_TRANSIENT);
    assert_string_equal(fake_fault(harmless)->code, "connection");
    assert_int_equal(the->lost, 3);
    wf_item *waits = one(f, NULL); /* for the next attempt */
    assert_int_equal(fake_ended(waits), FAKE_NOT_ENDED);
    until_ms(150);
    assert_int_equal(the->connects, 2);
    wf_conn_up(&the->c);
    answer_all();
    assert_int_equal(fake_ended(waits), FAKE_PASSED);
    fake_destroy(f);
}

static void test_attempt_fails(void **state)
{
    (void)state;
    struct fake *f = begin((wf_conn_type){ 0 });
    wf_item *it = one(f, NULL);
    wf_conn_down(&the->c, WF_TRANSIENT, NULL);
    wf_conn_down(&the->c, WF_TRANSIENT, "again"); /* it is down already */
    assert_int_equal(fake_fault(it)->fault, WF_TRANSIENT);
    assert_string_equal(fake_why(it), "test: connection closed");
    assert_int_equal(the->disconnects, 1);
    assert_int_equal(fake_logs(f), 1);
    fake_destroy(f);
}

/* A refused login: items fail with it until the next attempt, which is far off. */
static void test_refused_login(void **state)
{
    (void)state;
    struct fake *f = begin((wf_conn_type){ 0 });
    wf_item *first = one(f, NULL);
    wf_conn_down(&the->c, WF_ACCOUNT, "wrong password");
    wf_item *second = one(f, NULL);
    assert_int_equal(fake_fault(first)->fault, WF_ACCOUNT);
    assert_int_equal(fake_fault(second)->fault, WF_ACCOUNT);
    assert_string_equal(fake_fault(second)->code, "auth");
    until_ms(300);
    assert_int_equal(the->connects, 1);
    fake_destroy(f);
}

/* Waits grow, none is the same for two clients, none is longer than the limit. */
static void test_back_off(void **state)
{
    (void)state;
    struct fake *f = begin((wf_conn_type){ 0 });
    int64_t grown = 100, others = 0, last = 0;
    for (int i = 0; i < 40; i++) {
        int64_t ms = wf_conn_next_delay(&the->c);
        assert_true(ms >= grown / 2 && ms <= grown);
        grown = grown * 2 > 5000 ? 5000 : grown * 2;
        others += i > 10 && ms != last;
        last = ms;
    }
    assert_true(others > 20);
    fake_destroy(f);
}

static void test_does_not_answer(void **state)
{
    (void)state;
    struct fake *f = begin((wf_conn_type){ .connect_ms = 200, .silent_ms = 500 });
    wf_item *it = one(f, NULL);
    until_ms(1300);
    assert_non_null(strstr(fake_why(it), "does not answer"));
    until_ms(200);
    wf_conn_up(&the->c);
    it = one(f, "{\"harmless\":true}");
    until_ms(1300);
    assert_string_equal(fake_why(it), "test: does not answer any more");
    fake_destroy(f);
}

static void test_idles_and_is_lazy(void **state)
{
    (void)state;
    struct fake *f = begin((wf_conn_type){ .lazy = 1, .idle = on_idle, .idle_ms = 500 });
    until_ms(50);
    assert_int_equal(the->connects, 0);
    wf_item *it = one(f, NULL);
    assert_int_equal(the->connects, 1);
    wf_conn_up(&the->c);
    wf_conn_rest(&the->c); /* not while something is under way */
    assert_true(wf_conn_is_up(&the->c));
    answer_all();
    assert_int_equal(fake_ended(it), FAKE_PASSED);
    until_ms(1300);
    assert_int_equal(the->idles, 1);
    assert_int_equal(the->disconnects, 1);
    it = one(f, NULL);
    assert_int_equal(the->connects, 2);
    wf_conn_up(&the->c);
    answer_all();
    assert_int_equal(fake_ended(it), FAKE_PASSED);
    assert_int_equal(fake_logs(f), 0); /* resting is no failure */
    fake_destroy(f);
}

/* The answer to a call whose items are gone is taken off all the same. */
static void test_late(void **state)
{
    (void)state;
    struct fake *f = begin((wf_conn_type){ 0 });
    wf_conn_up(&the->c);
    patience_ms = 100;
    wf_item *twice = one(f, NULL), *harmless = one(f, "{\"harmless\":true}");
    patience_ms = 60000;
    wf_item *patient = one(f, NULL);
    until_ms(3400);
    assert_int_equal(fake_fault(twice)->fault, WF_UNKNOWN);
    assert_string_equal(fake_why(twice),
                        "test: no answer in time; whether it was done is not known");
    assert_int_equal(fake_fault(harmless)->fault, WF_TRANSIENT);
    assert_int_equal(fake_ended(patient), FAKE_NOT_ENDED);
    assert_int_equal(the->lost, 2);
    assert_int_equal(the->c.n_calls, 3);
    answer_all();
    assert_int_equal(fake_ended(patient), FAKE_PASSED);
    fake_destroy(f);
}

static void test_names_are_looked_up(void **state)
{
    (void)state;
    struct fake *f = begin((wf_conn_type){ 0 });
    the->refuse = WF_TRANSIENT;
    the_host = "localhost";
    wf_conn_down(&the->c, WF_TRANSIENT, "gone");
    wf_item *it = one(f, NULL);
    until_ms(400);
    assert_true(the->connects >= 2);
    assert_string_equal(fake_why(it), "test: refused");
    fake_destroy(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_waits_until_up),
        cmocka_unit_test(test_many_wait),
        cmocka_unit_test(test_lost),
        cmocka_unit_test(test_attempt_fails),
        cmocka_unit_test(test_refused_login),
        cmocka_unit_test(test_back_off),
        cmocka_unit_test(test_does_not_answer),
        cmocka_unit_test(test_idles_and_is_lazy),
        cmocka_unit_test(test_names_are_looked_up),
        cmocka_unit_test(test_late),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
