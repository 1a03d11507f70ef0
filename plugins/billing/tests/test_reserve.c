/* SPDX-License-Identifier: Apache-2.0
 * Reserving and settling under the fake host, over an in-memory SQLite with the plugin's tables and
 * triggers: prices, money that runs out, repetitions, conflicts, slices that were taken back.
 */
#include "whole.h"

struct desk {
    struct fake *reserve, *settle, *account;
};

static struct desk open_desk(void)
{
    struct desk d;
    d.reserve = fake_create(&wf_plugin_entry, "catalyst.billingReserve");
    fake_sql(d.reserve);
    d.settle = fake_create(&wf_plugin_entry, "catalyst.billingSettle");
    fake_sql_share(d.settle, d.reserve);
    d.account = fake_create(&wf_plugin_entry, "catalyst.billingAccount");
    fake_sql_share(d.account, d.reserve);
    fake_sql_exec(d.reserve,
                  "INSERT INTO tenant_billing_config (tenant_id, currency, charge_points) VALUES "
                  "('acme', 'EUR', 'sms=submit'), ('late', 'EUR', 'sms=delivery');"
                  "INSERT INTO rate_card_versions VALUES ('default', 1, 0, 'EUR', '');"
                  "INSERT INTO rate_cards (card, version, channel, prefix, price_micro) VALUES "
                  "('default', 1, 'sms', '49', 100), ('default', 1, 'sms', '4917', 70),"
                  "('default', 1, 'sms', '1', 10), ('default', 1, 'sms', '1242', 30);"
                  "INSERT INTO rate_cards (card, version, channel, class, prefix, price_micro) "
                  "VALUES ('default', 1, 'sms', 'otp', '49', 90);");
    return d;
}

static void close_desk(struct desk *d)
{
    fake_destroy(d->account);
    fake_destroy(d->settle);
    fake_destroy(d->reserve);
}

static void fund(struct desk *d, const char *tenant, int micro)
{
    char sql[300];
    static int n;
    snprintf(sql, sizeof sql,
             "INSERT INTO billing_transactions (tenant_id, idempotency_key, body, op, "
             "amount_micro, currency) VALUES ('%s', 'fund%d', 1, 'topup', %d, 'EUR')",
             tenant, ++n, micro);
    fake_sql_exec(d->reserve, sql);
}

/* The worker asks the store in the name of either node. */
static void run(struct desk *d)
{
    struct fake *all[] = { d->reserve, d->settle, d->account };
    for (int round = 0; round < 8; round++)
        for (size_t i = 0; i < 3; i++)
            if (all[i]->started)
                fake_run(all[i]);
}

static void reserve(struct desk *d, const char *id, const char *tenant, const char *to,
                    const char *more)
{
    char json[600];
    snprintf(json, sizeof json,
             "{\"v\":1,\"id\":\"%s\",\"tenant_id\":\"%s\",\"channel\":\"sms\",\"to\":\"%s\","
             "\"text\":\"hi\",\"ts_us\":1700000000000000%s}",
             id, tenant, to, more);
    fake_execution(d->reserve);
    fake_item(d->reserve, json);
    run(d);
}

static const char *last(struct fake *f, unsigned port)
{
    size_t n = fake_outputs(f, port);
    return n ? fake_output_json(f, port, n - 1) : "(none)";
}

#define expect_in(text, part)                                                                      \
    do {                                                                                           \
        if (!strstr(text, part))                                                                   \
            fail_msg("no %s in %s", part, text);                                                   \
    } while (0)
#define expect_sql(d, sql, wanted) assert_string_equal(fake_sql_text((d)->reserve, sql), wanted)
#define BALANCE                                                                                    \
    "SELECT avail_micro || '/' || held_micro || '/' || spent_micro || '/' || topups_micro "        \
    "FROM billing_balances WHERE tenant_id = 'acme'"

static void commit(struct desk *d)
{
    assert_int_equal(fake_sql_commit(d->reserve), 0);
    assert_int_equal(fake_sql_commit(d->settle), 0);
    expect_sql(d,
               "SELECT count(*) FROM billing_balances WHERE avail_micro + held_micro + "
               "spent_micro <> topups_micro",
               "0");
    expect_sql(d, "SELECT COALESCE(sum(micro), 0) FROM billing_postings", "0");
}

static int64_t metric_named(struct fake *f, const wf_metric *rows, const char *name)
{
    for (unsigned i = 0; rows[i].name; i++)
        if (!strcmp(rows[i].name, name))
            return fake_metric(f, i);
    fail_msg("there is no metric %s", name);
    return -1;
}
#define AMOUNT(f, rows, op, class)                                                                 \
    metric_named((f), (rows),                                                                      \
                 "billing_amount_micro_total{op=\"" op "\",channel=\"sms\",class=\"" class "\"}")

static void reserves_and_settles(void **state)
{
    (void)state;
    struct desk d = open_desk();
    fund(&d, "acme", 1000000);
    assert_int_equal(fake_start(d.settle, "{}"), 0);
    assert_int_equal(fake_start(d.reserve, "{\"events\":\"billing.events\"}"), 0);
    reserve(&d, "m1", "acme", "+4917698765432", ",\"class\":\"marketing\"");
    const char *out = last(d.reserve, PORT_RESERVED);
    expect_in(out, "\"price_micro\":70");
    assert_int_equal(AMOUNT(d.reserve, reserve_metrics, "reserve", "marketing"), 70);
    assert_int_equal(AMOUNT(d.reserve, reserve_metrics, "reserve", "other"), 0);
    assert_int_equal(
        metric_named(d.reserve, reserve_metrics, "billing_price_micro{channel=\"sms\"}"), 70);
    expect_in(out, "\"prefix\":\"4917\"");
    expect_in(out, "\"card\":\"default\"");
    expect_in(out, "\"point\":\"submit\"");
    expect_in(out, "\"text\":\"hi\"");
    assert_int_equal(fake_messages(d.reserve), 1);
    const struct fake_message *event = fake_message(d.reserve, 0);
    expect_in(event->body.ptr, "\"id\":\"acme/m1:res\"");
    expect_in(event->body.ptr, "\"op\":\"reserve\"");
    assert_string_equal(event->key.ptr, "acme");
    commit(&d);
    expect_sql(&d, BALANCE, "999930/70/0/1000000");
    char json[1000];
    snprintf(json, sizeof json, "%.*s,\"send\":{\"outcome\":\"accepted\"}}", (int)strlen(out) - 1,
             out);
    fake_item(d.settle, json);
    run(&d);
    expect_in(last(d.settle, PORT_SETTLED), "\"settle\":{\"op\":\"commit\",\"amount_micro\":70");
    commit(&d);
    expect_sql(&d, BALANCE, "999930/0/70/1000000");
    fake_item(d.settle, json);
    run(&d);
    expect_in(last(d.settle, PORT_REPEATED), "\"op\":\"commit\"");
    assert_int_equal(AMOUNT(d.settle, settle_metrics, "commit", "marketing"), 70); /* once */
    assert_int_equal(AMOUNT(d.settle, settle_metrics, "release", "marketing"), 0);
    assert_int_equal(metric_named(d.settle, settle_metrics, "billing_committed_time_seconds"),
                     1700000000);
    snprintf(json, sizeof json, "%.*s,\"send\":{\"outcome\":\"rejected\"}}", (int)strlen(out) - 1,
             out);
    fake_item(d.settle, json);
    run(&d);
    expect_in(last(d.settle, PORT_REFUSED), "\"reason\":\"conflict\"");
    commit(&d);
    expect_sql(&d, BALANCE, "999930/0/70/1000000");
    close_desk(&d);
}

static void rates_by_prefix_class_and_units(void **state)
{
    (void)state;
    struct desk d = open_desk();
    fund(&d, "acme", 1000000);
    assert_int_equal(fake_start(d.reserve, "{}"), 0);
    static const struct {
        const char *to, *more, *wanted;
    } cases[] = {
        { "+491511", "", "\"price_micro\":100," },
        { "0049 (151) 1-1", "", "\"price_micro\":100," },
        { "+491511", ",\"class\":\"otp\"", "\"price_micro\":90," },
        { "+4917", ",\"class\":\"otp\"", "\"price_micro\":90," },
        { "+12125550100", "", "\"price_micro\":10," },
        { "+12425550100", "", "\"price_micro\":30," },
        { "+12425550100", ",\"segments\":3", "\"price_micro\":90," },
        { "+12425550100", ",\"segments\":3", "\"unit_micro\":30," },
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        char id[16];
        snprintf(id, sizeof id, "r%zu", i);
        reserve(&d, id, "acme", cases[i].to, cases[i].more);
        expect_in(last(d.reserve, PORT_RESERVED), cases[i].wanted);
    }
    commit(&d);
    close_desk(&d);
}

static void denies_with_a_reason(void **state)
{
    (void)state;
    struct desk d = open_desk();
    fund(&d, "acme", 1000);
    assert_int_equal(fake_start(d.reserve, "{}"), 0);
    static const struct {
        const char *id, *tenant, *to, *more, *reason;
    } cases[] = {
        { "a", "nobody", "+4917", "", "unknown_tenant" },
        { "b", "acme", "+3312345", "", "no_rate" },
        { "c", "acme", "hello", "", "bad_number" },
        { "d", "acme", "+12", "", "bad_number" },
        { "e", "acme", "+1234567890123456", "", "bad_number" },
        { "", "acme", "+4917", "", "bad_message" },
        { "f", "acme", "+4917", ",\"segments\":0", "bad_message" },
        { "g", "acme", "+4917", ",\"ts_us\":\"x\"", "bad_message" },
        { "h", "acme", "+4917", ",\"segments\":50", "no_funds" },
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        char wanted[64];
        snprintf(wanted, sizeof wanted, "\"reason\":\"%s\"", cases[i].reason);
        reserve(&d, cases[i].id, cases[i].tenant, cases[i].to, cases[i].more);
        expect_in(last(d.reserve, PORT_DENIED), wanted);
    }
    assert_int_equal(fake_outputs(d.reserve, PORT_DENIED), COUNT_OF(cases));
    assert_int_equal(fake_outputs(d.reserve, PORT_RESERVED), 0);
    commit(&d);
    expect_sql(&d, BALANCE, "1000/0/0/1000");
    close_desk(&d);
}

static void forget(struct desk *d, const char *id)
{
    struct worker *w = ((struct node *)d->reserve->state)->worker;
    struct hold *hold = hold_find(w, hold_key(STR_OF("acme"), (wf_str){ id, strlen(id) }));
    assert_non_null(hold);
    hold_forget(w, hold);
}

/* Questions about an earlier life. */
static unsigned looks(const struct desk *d)
{
    unsigned n = 0;
    for (size_t i = 0; i < fake_sql_calls(d->reserve); i++)
        n += strstr(fake_sql_call(d->reserve, i)->statements->pg, "b.unit_micro") != NULL;
    return n;
}

/* As after a restart: the ledger knows what the worker does not. */
static void an_earlier_life_is_looked_up(void **state)
{
    (void)state;
    struct desk d = open_desk();
    fund(&d, "acme", 1000);
    assert_int_equal(fake_start(d.reserve, "{}"), 0);
    reserve(&d, "m", "acme", "+4917", "");
    commit(&d);
    expect_sql(&d, BALANCE, "930/70/0/1000");
    forget(&d, "m");
    reserve(&d, "m", "acme", "+4917", "");
    expect_in(last(d.reserve, PORT_RESERVED), "\"repeated\":true");
    commit(&d);
    expect_sql(&d, BALANCE, "930/70/0/1000");
    forget(&d, "m");
    reserve(&d, "m", "acme", "+4917", ",\"segments\":2");
    expect_in(last(d.reserve, PORT_DENIED), "\"reason\":\"conflict\"");
    assert_int_equal(looks(&d), 2);
    struct node *node = d.reserve->state;
    node->worker->forgot_us = 0;
    reserve(&d, "young", "acme", "+4917", "");
    expect_in(last(d.reserve, PORT_RESERVED), "\"idem\":\"young\"");
    assert_int_equal(looks(&d), 2);
    close_desk(&d);
}

static void same_id_other_message_is_a_conflict(void **state)
{
    (void)state;
    struct desk d = open_desk();
    fund(&d, "acme", 1000);
    assert_int_equal(fake_start(d.reserve, "{}"), 0);
    reserve(&d, "m", "acme", "+4917", "");
    reserve(&d, "m", "acme", "+4917", "");
    expect_in(last(d.reserve, PORT_RESERVED), "\"repeated\":true");
    reserve(&d, "m", "acme", "+4917", ",\"segments\":2");
    expect_in(last(d.reserve, PORT_DENIED), "\"reason\":\"conflict\"");
    reserve(&d, "m", "acme", "+4918", "");
    expect_in(last(d.reserve, PORT_DENIED), "\"reason\":\"conflict\"");
    commit(&d);
    expect_sql(&d, BALANCE, "930/70/0/1000");
    /* Where a young message is in another worker's memory, the store refuses the other body. */
    holds_close(this_worker);
    holds_open(this_worker);
    reserve(&d, "m", "acme", "+4917", "");
    commit(&d);
    holds_close(this_worker);
    holds_open(this_worker);
    reserve(&d, "m", "acme", "+4917", ",\"segments\":2");
    assert_int_equal(fake_sql_commit(d.reserve), 1);
    expect_sql(&d, BALANCE, "930/70/0/1000");
    close_desk(&d);
}

static void spends_to_the_last_message_and_no_further(void **state)
{
    (void)state;
    struct desk d = open_desk();
    fund(&d, "acme", 70 * 40 + 5);
    assert_int_equal(fake_start(d.reserve, "{}"), 0);
    for (int i = 0; i < 60; i++) {
        char id[16];
        snprintf(id, sizeof id, "m%d", i);
        reserve(&d, id, "acme", "+4917", "");
        commit(&d);
    }
    assert_int_equal(fake_outputs(d.reserve, PORT_RESERVED), 40);
    assert_int_equal(fake_outputs(d.reserve, PORT_DENIED), 20);
    expect_sql(&d, BALANCE, "5/2800/0/2805");
    fund(&d, "acme", 70);
    fake_advance(d.reserve, 10000); /* the worker counts the time that went by besides */
    reserve(&d, "more", "acme", "+4917", "");
    assert_int_equal(fake_outputs(d.reserve, PORT_RESERVED), 41);
    commit(&d);
    close_desk(&d);
}

static void a_limit_is_spent_too(void **state)
{
    (void)state;
    struct desk d = open_desk();
    fake_sql_exec(d.reserve, "UPDATE tenant_billing_config SET credit_limit_micro = 700 "
                             "WHERE tenant_id = 'acme'");
    assert_int_equal(fake_start(d.reserve, "{}"), 0);
    for (int i = 0; i < 11; i++) {
        char id[16];
        snprintf(id, sizeof id, "m%d", i);
        reserve(&d, id, "acme", "+4917", "");
    }
    assert_int_equal(fake_outputs(d.reserve, PORT_RESERVED), 10);
    commit(&d);
    expect_sql(&d, BALANCE, "-700/700/0/0");
    close_desk(&d);
}

static void a_slice_that_was_taken_back_is_not_spent_again(void **state)
{
    (void)state;
    struct desk d = open_desk();
    fund(&d, "acme", 10000);
    assert_int_equal(fake_start(d.reserve, "{}"), 0);
    reserve(&d, "m1", "acme", "+4917", "");
    reserve(&d, "m2", "acme", "+4917", "");
    /* Its lease runs out; another worker closes it, and all the money is spent elsewhere. */
    fake_sql_exec(d.reserve,
                  "UPDATE billing_accounts SET cash_micro = cash_micro + (SELECT sum(granted_micro "
                  "- held_micro - spent_micro) FROM billing_slices) WHERE tenant_id = 'acme';"
                  "UPDATE billing_slices SET granted_micro = held_micro + spent_micro, "
                  "state = 'closed';"
                  "INSERT INTO billing_transactions (tenant_id, idempotency_key, body, op, "
                  "amount_micro, currency) SELECT 'acme', 'all', 1, 'adjust', 70 - cash_micro, "
                  "'EUR' FROM billing_accounts WHERE tenant_id = 'acme'");
    assert_int_equal(fake_sql_commit(d.reserve), 1); /* one of the two fits in what is left */
    expect_sql(&d, BALANCE, "0/70/0/70");
    reserve(&d, "m3", "acme", "+4917", "");
    close_desk(&d);
}

static void the_store_may_be_away(void **state)
{
    (void)state;
    struct desk d = open_desk();
    fund(&d, "acme", 10000);
    assert_int_equal(fake_start(d.reserve, "{\"onOutage\":\"deny\"}"), 0);
    reserve(&d, "m0", "acme", "+4917", "");
    fake_sql_fail(d.reserve, "the connection broke", 1, 0);
    reserve(&d, "m1", "late", "+4917", "");
    expect_in(last(d.reserve, PORT_DENIED), "\"reason\":\"unavailable\"");
    fake_advance(d.reserve, 10000);
    reserve(&d, "m2", "late", "+4917", "");
    expect_in(last(d.reserve, PORT_DENIED), "\"reason\":\"no_funds\"");
    commit(&d);
    close_desk(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reserves_and_settles),
        cmocka_unit_test(an_earlier_life_is_looked_up),
        cmocka_unit_test(rates_by_prefix_class_and_units),
        cmocka_unit_test(denies_with_a_reason),
        cmocka_unit_test(same_id_other_message_is_a_conflict),
        cmocka_unit_test(spends_to_the_last_message_and_no_further),
        cmocka_unit_test(a_limit_is_spent_too),
        cmocka_unit_test(a_slice_that_was_taken_back_is_not_spent_again),
        cmocka_unit_test(the_store_may_be_away),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
