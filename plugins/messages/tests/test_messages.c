/* SPDX-License-Identifier: Apache-2.0 */
#include "../cache.c"
#include "../event.c"
#include "../lookup.c"
#include "../messages.c"
#include "../record.c"
#include "../status.c"
#include "fake_sql.h"
#include <setjmp.h>
#include <cmocka.h>

/* --- a loop whose timers fire when the test says so ------------------------------------------- */

struct wf_timer {
    void (*fn)(void *);
    void *arg;
};
static struct wf_timer timer;

static wf_timer *loop_timer(wf_inst *inst, int64_t in_ms, void (*fn)(void *), void *arg)
{
    (void)inst, (void)in_ms;
    timer = (struct wf_timer){ fn, arg };
    return &timer;
}
static void loop_timer_stop(wf_timer *t) { t->fn = NULL; }
static const wf_loop loop_table = { .size = sizeof loop_table,
                                    .timer = loop_timer,
                                    .timer_stop = loop_timer_stop };

/* The time has come for all that wait. */
static void fire(struct fake *f)
{
    void (*fn)(void *) = timer.fn;
    struct status_node *node = f->state;
    for (size_t i = 0; i < node->n_waiting; i++)
        node->waiting[i].due_ms = 0;
    assert_non_null(fn);
    timer.fn = NULL;
    fn(timer.arg);
    fake_run(f);
}

/* --- nodes over one store --------------------------------------------------------------------- */

struct pair {
    struct fake *record, *status;
};

static struct fake *status_over(struct fake *record, const char *params)
{
    struct fake *f = fake_create(&wf_plugin_entry, "catalyst.messageStatus");
    if (record)
        fake_sql_share(f, record);
    else
        fake_sql(f);
    fake_service(f, "loop/1", &loop_table);
    if (fake_start(f, params) != 0)
        fail_msg("%s", fake_error(f));
    return f;
}

static struct pair nodes_with(const char *record, const char *status)
{
    struct pair p;
    timer.fn = NULL;
    p.record = fake_create(&wf_plugin_entry, "catalyst.messageRecord");
    fake_sql(p.record);
    if (fake_start(p.record, record) != 0)
        fail_msg("%s", fake_error(p.record));
    p.status = status_over(p.record, status);
    return p;
}

static void destroy(struct pair p)
{
    fake_destroy(p.status);
    fake_destroy(p.record);
}

static const char sent[] =
    "{\"v\":1,\"id\":\"m1\",\"tenant_id\":\"t1\",\"trace_id\":\"x\",\"channel\":\"sms\",\"from\":"
    "\"Shop\",\"to\":\"4917\",\"dlr\":true,\"text\":\"secret\",\"billing\":{\"idem\":\"m1\","
    "\"price_micro\":"
    "70000,"
    "\"ccy\":\"EUR\"},\"send\":{\"outcome\":\"accepted\",\"channel\":\"sms\",\"account\":\"a\","
    "\"provider_id\":\"p1\",\"segments\":1}}";
static const char sent_in_two[] =
    "{\"id\":\"m2\",\"tenant_id\":\"t1\",\"channel\":\"sms\",\"to\":\"4917\",\"send\":{\"outcome\":"
    "\"accepted\",\"channel\":\"sms\",\"account\":\"a\",\"provider_id\":\"q1\",\"provider_ids\":["
    "\"q1\",\"q2\"],\"segments\":2}}";

static void record_message(struct pair p, const char *json)
{
    wf_item *it = fake_item(p.record, json);
    fake_run(p.record);
    assert_int_equal(fake_ended(it), FAKE_PASSED);
    assert_int_equal(fake_sql_commit(p.record), 0);
}

/* The port a receipt leaves on, and the state it tells. */
static int receipt(struct fake *f, const char *provider_id, const char *state, const char **now)
{
    size_t before[3];
    for (unsigned port = 0; port < 3; port++)
        before[port] = fake_outputs(f, port);
    fake_item(f, fake_fmt(&f->heap,
                          "{\"channel\":\"sms\",\"account\":\"a\",\"provider_id\":\"%s\",\"state\":"
                          "\"%s\",\"code\":0}",
                          provider_id, state));
    fake_run(f);
    fake_sql_commit(f);
    for (unsigned port = 0; port < 3; port++)
        if (fake_outputs(f, port) > before[port]) {
            const wf_value *out = fake_output(f, port, before[port])->value;
            *now = port < 2 ? fake_path(out, "status.state")->text.ptr : "";
            return (int)port;
        }
    return -1;
}

/* --- record ----------------------------------------------------------------------------------- */

static void keeps_a_row_without_the_text(void **state)
{
    (void)state;
    struct pair p = nodes_with("{}", "{}");
    record_message(p, sent);
    assert_string_equal(fake_sql_text(p.record,
                                      "SELECT id||tenant_id||account||provider_id||outcome||"
                                      "price_micro||currency FROM messages_log"),
                        "m1t1ap1accepted70000EUR");
    assert_string_equal(
        fake_sql_text(p.record, "SELECT instr(context, 'secret') FROM messages_log"), "0");
    assert_string_equal(fake_sql_text(p.record, "SELECT state FROM messages_current"), "accepted");
    record_message(p, sent); /* repeated: the same row */
    assert_string_equal(fake_sql_text(p.record, "SELECT count(*) FROM messages_log"), "1");
    destroy(p);
}

static void names_the_outcome(void **state)
{
    (void)state;
    static const struct {
        const char *json, *outcome;
    } cases[] = {
        { "{\"id\":\"1\",\"send\":{\"outcome\":\"rejected\",\"code\":11,\"channel\":\"sms\"}}",
          "rejected/11" },
        { "{\"id\":\"1\",\"billing\":{\"reason\":\"no_funds\"},\"firewall\":{\"verdict\":\"pass\"}"
          "}",
          "denied/no_funds" },
        { "{\"id\":\"1\",\"firewall\":{\"verdict\":\"reject\",\"reason\":\"smishing\"}}",
          "reject/smishing" },
        { "{\"id\":\"1\"}", "unknown/" },
        { "{}", "unknown/" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct pair p = nodes_with("{}", "{}");
        record_message(p, cases[i].json);
        assert_string_equal(
            fake_sql_text(p.record, "SELECT outcome || '/' || reason FROM messages_log"),
            cases[i].outcome);
        destroy(p);
    }
}

static void tells_others(void **state)
{
    (void)state;
    struct pair p = nodes_with("{\"events\":\"messaging.sms.status\"}",
                               "{\"events\":\"messaging.sms.status\"}");
    const char *now;
    record_message(p, sent);
    assert_int_equal(fake_messages(p.record), 1);
    const struct fake_message *m = fake_message(p.record, 0);
    assert_string_equal(m->topic, "messaging.sms.status");
    assert_string_equal(m->key.ptr, "4917");
    assert_non_null(strstr(m->body.ptr, "\"state\":\"accepted\""));
    assert_non_null(strstr(m->body.ptr, "\"from\":\"Shop\",\"dlr\":true"));
    assert_int_equal(receipt(p.status, "p1", "delivered", &now), PORT_MOVED);
    assert_int_equal(receipt(p.status, "p1", "delivered", &now), PORT_OLD);
    assert_int_equal(fake_messages(p.status), 1); /* nothing is told twice */
    assert_non_null(strstr(fake_message(p.status, 0)->body.ptr, "\"state\":\"delivered\""));
    assert_non_null(strstr(fake_message(p.status, 0)->body.ptr, "\"from\":\"Shop\",\"dlr\":true"));
    destroy(p);
}

/* --- status ----------------------------------------------------------------------------------- */

static void a_state_only_grows(void **state)
{
    (void)state;
    struct pair p = nodes_with("{}", "{}");
    const char *now;
    record_message(p, sent);
    assert_int_equal(receipt(p.status, "p1", "delivered", &now), PORT_MOVED);
    assert_string_equal(now, "delivered");
    assert_int_equal(receipt(p.status, "p1", "sent", &now), PORT_OLD);
    assert_string_equal(now, "delivered");
    assert_int_equal(receipt(p.status, "p1", "delivered", &now), PORT_OLD);
    assert_int_equal(receipt(p.status, "p1", "nonsense", &now), PORT_UNKNOWN);
    assert_int_equal(receipt(p.status, "p1", "failed", &now), PORT_MOVED);
    assert_string_equal(fake_sql_text(p.status, "SELECT count(*) FROM messages_status"), "2");
    assert_string_equal(fake_sql_text(p.status, "SELECT state FROM messages_current"), "failed");
    assert_int_equal(fake_sql_calls(p.status), 0);
    destroy(p);
}

static void the_message_comes_along(void **state)
{
    (void)state;
    struct pair p = nodes_with("{}", "{}");
    const char *now;
    record_message(p, sent);
    receipt(p.status, "p1", "delivered", &now);
    const wf_value *out = fake_output(p.status, PORT_MOVED, 0)->value;
    assert_string_equal(fake_path(out, "message.id")->text.ptr, "m1");
    assert_string_equal(fake_path(out, "message.billing.ccy")->text.ptr, "EUR");
    destroy(p);
}

static void a_message_is_as_far_as_its_last_part(void **state)
{
    (void)state;
    struct pair p = nodes_with("{}", "{}");
    const char *now;
    record_message(p, sent_in_two);
    assert_string_equal(fake_sql_text(p.record, "SELECT count(*) FROM messages_log"), "2");
    assert_int_equal(receipt(p.status, "q2", "delivered", &now), PORT_OLD);
    assert_string_equal(now, "accepted");
    assert_int_equal(receipt(p.status, "q1", "delivered", &now), PORT_MOVED);
    assert_string_equal(now, "delivered");
    destroy(p);
    p = nodes_with("{}", "{}");
    record_message(p, sent_in_two);
    assert_int_equal(receipt(p.status, "q2", "expired", &now), PORT_MOVED);
    assert_string_equal(now, "expired");
    assert_int_equal(receipt(p.status, "q1", "delivered", &now), PORT_OLD);
    assert_string_equal(now, "expired");
    destroy(p);
}

/* --- receipts of messages that are not in memory ---------------------------------------------- */

/* As after a restart: the rows are there, the memory is empty. */
static struct pair restarted(const char *json, const char *params)
{
    struct pair p = nodes_with("{}", "{}");
    record_message(p, json);
    fake_destroy(p.status);
    record_close(NULL, p.record->state);
    p.record->state = NULL;
    assert_null(own);
    p.status = status_over(p.record, params);
    return p;
}

static void one_query_serves_all(void **state)
{
    (void)state;
    struct pair p = restarted(sent_in_two, "{}");
    const char *now;
    assert_int_equal(receipt(p.status, "q1", "delivered", &now), -1);
    assert_int_equal(receipt(p.status, "q2", "delivered", &now), -1);
    fire(p.status);
    assert_int_equal(fake_sql_calls(p.status), 1);
    assert_int_equal(fake_outputs(p.status, PORT_OLD), 1);
    assert_int_equal(fake_outputs(p.status, PORT_MOVED), 1);
    fake_sql_commit(p.status);
    assert_int_equal(receipt(p.status, "q2", "delivered", &now), PORT_OLD); /* known now */
    assert_int_equal(fake_sql_calls(p.status), 1);
    destroy(p);
}

static void what_was_seen_is_read_back(void **state)
{
    (void)state;
    struct pair p = restarted(sent, "{}");
    const char *now;
    fake_sql_exec(p.status, "INSERT INTO messages_status VALUES ('sms','a','p1','m1',3,'','',5)");
    assert_int_equal(receipt(p.status, "p1", "sent", &now), -1);
    fire(p.status);
    assert_int_equal(fake_outputs(p.status, PORT_OLD), 1);
    destroy(p);
}

static void a_receipt_may_overtake_its_message(void **state)
{
    (void)state;
    struct pair p = nodes_with("{}", "{}");
    const char *now;
    assert_int_equal(receipt(p.status, "p1", "delivered", &now), -1);
    fire(p.status);
    assert_int_equal(fake_outputs(p.status, PORT_UNKNOWN), 0);
    record_message(p, sent);
    fire(p.status);
    assert_int_equal(fake_outputs(p.status, PORT_MOVED), 1);
    destroy(p);
}

static void nobody_knows_it(void **state)
{
    (void)state;
    struct pair p = nodes_with("{}", "{\"options\":{\"hold\":0}}");
    const char *now;
    assert_int_equal(receipt(p.status, "stranger\\\"'\\u0001", "delivered", &now), -1);
    fire(p.status);
    assert_int_equal(fake_outputs(p.status, PORT_UNKNOWN), 1);
    assert_int_equal(receipt(p.status, "", "delivered", &now), PORT_UNKNOWN);
    destroy(p);
}

static void a_store_that_is_down_loses_nothing(void **state)
{
    (void)state;
    struct pair p = restarted(sent, "{\"options\":{\"hold\":0}}");
    const char *now;
    fake_sql_fail(p.status, "no connection", 1, 0);
    assert_int_equal(receipt(p.status, "p1", "delivered", &now), -1);
    fire(p.status);
    assert_int_equal(fake_outputs(p.status, PORT_UNKNOWN), 0);
    fire(p.status);
    assert_int_equal(fake_outputs(p.status, PORT_MOVED), 1);
    destroy(p);
}

/* --- cache ------------------------------------------------------------------------------------ */

static void the_oldest_goes_first(void **state)
{
    (void)state;
    struct cache *c = cache_get();
    char id[32];
    char *context = calloc(1, 4000);
    memset(context, 'x', 3999);
    wf_str unused;
    enum { N = 40000 }; /* more than the ring holds */
    for (int i = 0; i < N; i++) {
        snprintf(id, sizeof id, "%d", i);
        struct place at = { str_of("sms"), str_of("a"), str_of(id) };
        cache_add(c, &at, (wf_str){ context, 3999 }, 2);
    }
    int found = 0, newest = 0;
    for (int i = 0; i < N; i++) {
        snprintf(id, sizeof id, "%d", i);
        struct place at = { str_of("sms"), str_of("a"), str_of(id) };
        struct known *known = cache_find(c, &at, &unused);
        found += known != NULL;
        newest += known != NULL && i >= N - 10000;
        if (known)
            assert_int_equal(unused.len, 3999);
    }
    assert_int_equal(newest, 10000);
    assert_true(found < 17000);
    struct place other = { str_of("sm"), str_of("sa"), str_of("1") };
    assert_null(cache_find(c, &other, &unused));
    free(context);
    cache_put_back(c);
}

/* --- metrics ---------------------------------------------------------------------------------- */

static int64_t metric_named(struct fake *f, const wf_metric *rows, const char *name)
{
    for (unsigned i = 0; rows[i].name; i++)
        if (!strcmp(rows[i].name, name))
            return fake_metric(f, i);
    fail_msg("there is no metric %s", name);
    return -1;
}
#define RECORDED(f, labels) metric_named((f), record_metrics, "messages_recorded_total{" labels "}")
#define ENDED(f, labels)    metric_named((f), status_metrics, "messages_ended_total{" labels "}")

static void counts_by_channel_class_and_outcome(void **state)
{
    (void)state;
    static const char *const others[] = {
        "{\"id\":\"2\",\"channel\":\"telegram\",\"class\":\"marketing\",\"firewall\":{\"verdict\":"
        "\"quarantine\"}}",
        "{\"id\":\"3\",\"channel\":\"ussd\",\"class\":\"transactional\",\"billing\":{\"reason\":"
        "\"no_funds\"}}",
        "{\"id\":\"4\",\"channel\":\"pigeon\",\"class\":7,\"firewall\":{\"verdict\":\"tag\"}}",
        "{}",
    };
    struct pair p = nodes_with("{}", "{}");
    fake_clock(p.record, 1700000005000);
    record_message(p,
                   "{\"id\":\"1\",\"channel\":\"sms\",\"class\":\"otp\",\"ts_us\":1700000000000000,"
                   "\"send\":{\"outcome\":\"accepted\",\"channel\":\"sms\",\"account\":\"a\","
                   "\"provider_id\":\"p9\"}}");
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        record_message(p, others[i]);
#define ROW(channel, class, outcome)                                                               \
    RECORDED(p.record, "channel=\"" channel "\",class=\"" class "\",outcome=\"" outcome "\"")
    assert_int_equal(ROW("sms", "otp", "accepted"), 1);
    assert_int_equal(ROW("telegram", "marketing", "quarantine"), 1);
    assert_int_equal(ROW("ussd", "transactional", "denied"), 1);
    assert_int_equal(ROW("other", "other", "other"), 1);
    assert_int_equal(ROW("other", "other", "unknown"), 1);
    assert_int_equal(ROW("sms", "otp", "rejected"), 0);
    assert_int_equal(
        metric_named(p.record, record_metrics, "messages_record_seconds{channel=\"sms\"}"), 5000);

    const char *now;
    fake_clock(p.status, 1700000009000);
    assert_int_equal(receipt(p.status, "p9", "sent", &now), PORT_MOVED);
    assert_int_equal(ENDED(p.status, "channel=\"sms\",class=\"otp\",state=\"delivered\""), 0);
    assert_int_equal(receipt(p.status, "p9", "delivered", &now), PORT_MOVED);
    assert_int_equal(receipt(p.status, "p9", "delivered", &now), PORT_OLD);
    assert_int_equal(receipt(p.status, "p9", "read", &now), PORT_MOVED); /* one end, not two */
    assert_int_equal(ENDED(p.status, "channel=\"sms\",class=\"otp\",state=\"delivered\""), 1);
    assert_int_equal(ENDED(p.status, "channel=\"sms\",class=\"otp\",state=\"read\""), 0);
    assert_int_equal(
        metric_named(p.status, status_metrics, "messages_end_seconds{channel=\"sms\"}"), 9000);
    destroy(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keeps_a_row_without_the_text),
        cmocka_unit_test(names_the_outcome),
        cmocka_unit_test(tells_others),
        cmocka_unit_test(a_state_only_grows),
        cmocka_unit_test(the_message_comes_along),
        cmocka_unit_test(a_message_is_as_far_as_its_last_part),
        cmocka_unit_test(one_query_serves_all),
        cmocka_unit_test(what_was_seen_is_read_back),
        cmocka_unit_test(a_receipt_may_overtake_its_message),
        cmocka_unit_test(nobody_knows_it),
        cmocka_unit_test(a_store_that_is_down_loses_nothing),
        cmocka_unit_test(the_oldest_goes_first),
        cmocka_unit_test(counts_by_channel_class_and_outcome),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
