/* SPDX-License-Identifier: Apache-2.0
 * catalyst.billingAccount and the settling node under the fake host: every operation once well and
 * once badly, over the plugin's own tables in SQLite, with the memory checker looking on.
 */
#include "whole.h"

static struct fake *books; /* has the database */

static struct fake *desk(const char *type, const char *params)
{
    struct fake *f = fake_create(&wf_plugin_entry, type);
    if (books)
        fake_sql_share(f, books);
    else
        fake_sql(books = f);
    if (fake_start(f, params) != 0)
        fail_msg("%s", fake_error(f));
    return f;
}

/* The billing of the node's only output; `port` says where it must be. */
static const char *ask(const char *params, const char *item, unsigned port)
{
    struct fake *f = desk("catalyst.billingAccount", params);
    static char out[20000];
    fake_item(f, item);
    fake_run(f);
    fake_run(f);
    snprintf(out, sizeof out, "%s", fake_output_json(f, port, 0));
    fake_destroy(f);
    return out;
}

#define expect_in(text, part)                                                                      \
    do {                                                                                           \
        const char *text_ = (text);                                                                \
        if (!strstr(text_, part))                                                                  \
            fail_msg("no %s in %s", part, text_);                                                  \
    } while (0)

static int open_books(void **state)
{
    (void)state;
    books = NULL;
    desk("catalyst.billingAccount", "{\"operation\":\"changedBalances\"}");
    return 0;
}

static int close_books(void **state)
{
    (void)state;
    fake_destroy(books);
    books = NULL;
    return 0;
}

#define SET_TENANT                                                                                 \
    "{\"operation\":\"setTenant\",\"tenant\":\"acme\",\"settings\":{\"currency\":\"EUR\","         \
    "\"time_zone\":\"Europe/Berlin\"}}"
#define TOP_UP(micro)                                                                              \
    "{\"operation\":\"topUp\",\"tenant\":\"acme\",\"amountMicro\":" micro ",\"key\":\"k\"}"

static void money_comes_once_for_each_key(void **state)
{
    (void)state;
    expect_in(ask(SET_TENANT, "{}", ACCOUNT_DONE), "\"ccy\":\"EUR\",\"avail\":0");
    expect_in(ask(TOP_UP("500"), "{}", ACCOUNT_DONE), "\"avail\":500");
    expect_in(ask(TOP_UP("500"), "{}", ACCOUNT_DONE), "\"avail\":500");
    expect_in(ask(TOP_UP("501"), "{}", ACCOUNT_REFUSED), "\"reason\":\"conflict\"");
    expect_in(ask(TOP_UP("-1"), "{}", ACCOUNT_REFUSED), "\"reason\":\"bad_message\"");
    expect_in(ask("{\"operation\":\"adjust\",\"tenant\":\"acme\",\"amountMicro\":-501}", "{}",
                  ACCOUNT_REFUSED),
              "\"reason\":\"no_funds\"");
    expect_in(ask("{\"operation\":\"balance\",\"tenant\":\"who\"}", "{}", ACCOUNT_REFUSED),
              "\"reason\":\"unknown_tenant\"");
    expect_in(ask("{\"operation\":\"changedBalances\",\"within\":\"1d\"}", "{}", ACCOUNT_DONE),
              "\"tenant_id\":\"acme\"");
}

#define CARD(rows)                                                                                 \
    "{\"operation\":\"loadRates\",\"card\":\"default\",\"currency\":\"EUR\",\"rows\":" rows "}"

static void cards_are_checked_and_loaded(void **state)
{
    (void)state;
    static const char *const wrong[] = {
        CARD("[{\"prefix\":\"49\"}]"),
        CARD("[{\"prefix\":\"4x\",\"price_micro\":1}]"),
        CARD("\"prefix,price_micro\\n49,1.5\""),
        CARD("7"),
        CARD("[{\"prefix\":\"49\",\"price_micro\":1,\"bands\":\"9:1,8:1\"}]"),
        CARD("[{\"prefix\":\"n26\",\"price_micro\":1}]"),
        CARD("[{\"prefix\":\"49\",\"price_micro\":1,\"direction\":\"x\"}]"),
        CARD("[{\"prefix\":\"49\",\"price_micro\":1,\"band_mode\":\"x\"}]"),
    };
    for (size_t i = 0; i < COUNT_OF(wrong); i++)
        expect_in(ask(wrong[i], "{}", ACCOUNT_REFUSED), "\"reason\":\"bad_message\"");
    expect_in(ask(CARD("\"channel,prefix,price_micro,bands\\r\\nsms,49,70,\\r\\n"
                       "\\\"sms\\\",4917,60,\\\"5:50,9:40\\\"\\n\""),
                  "{}", ACCOUNT_DONE),
              "\"version\":1,\"rows\":2");
    assert_string_equal(fake_sql_text(books, "SELECT bands FROM rate_cards WHERE prefix = '4917'"),
                        "5:50,9:40");
    expect_in(ask(CARD("[{\"prefix\":\"n26201\",\"price_micro\":5}]"), "{}", ACCOUNT_DONE),
              "\"version\":2");
    ask(SET_TENANT, "{}", ACCOUNT_DONE);
    struct fake *f = desk("catalyst.billingAccount",
                          "{\"operation\":\"priceEnquiry\",\"tenant\":\"acme\",\"to\":\"+4917\","
                          "\"network\":\"26201\",\"units\":2,\"atUs\":1900000000000000}");
    wf_item *it = fake_item(f, "{}");
    for (int i = 0; i < 9; i++) { /* until the rates are there */
        fake_run(f);
        fake_run(books);
        if (fake_ended(it) == FAKE_RETRY)
            fake_again(it);
        fake_advance(f, 1100);
    }
    expect_in(fake_output_json(f, ACCOUNT_DONE, 0), "\"price_micro\":10");
    fake_destroy(f);
}

static void tables_only_grow(void **state)
{
    (void)state;
    ask(SET_TENANT, "{}", ACCOUNT_DONE);
    ask(TOP_UP("500"), "{}", ACCOUNT_DONE);
    ask(CARD("[{\"prefix\":\"49\",\"price_micro\":5}]"), "{}", ACCOUNT_DONE);
    fake_sql_exec(books, "INSERT INTO billing_slices (slice_id, tenant_id, owner, lease_us, "
                         "granted_micro) VALUES (5, 'acme', 'o', 0, 10);"
                         "UPDATE billing_accounts SET cash_micro = cash_micro - 10");
    static const char *const wrong[] = {
        "UPDATE billing_transactions SET amount_micro = 1",
        "DELETE FROM billing_transactions",
        "UPDATE rate_cards SET price_micro = 1",
        "DELETE FROM rate_cards",
        "UPDATE rate_card_versions SET valid_from_us = 1",
        "DELETE FROM rate_card_versions",
        "INSERT INTO rate_card_versions VALUES ('default', 9, 0, 'EUR', '')",
        "UPDATE tenant_billing_config SET currency = 'USD'",
        "UPDATE billing_accounts SET cash_micro = -1",
        "UPDATE billing_slices SET held_micro = 11",
        "UPDATE billing_slices SET held_micro = -1",
        "INSERT INTO billing_transactions (tenant_id, idempotency_key, body, op, amount_micro, "
        "hold_micro, currency, slice_id) VALUES ('acme', 'x:res', 1, 'reserve', 1, 1, 'EUR', 77)",
        "INSERT INTO billing_transactions (tenant_id, idempotency_key, body, op, amount_micro, "
        "currency) VALUES ('acme', 'x', 1, 'gift', 1, 'EUR')",
    };
    for (size_t i = 0; i < COUNT_OF(wrong); i++)
        if (sqlite3_exec(fake_sql_of(books)->db, wrong[i], NULL, NULL, NULL) == SQLITE_OK)
            fail_msg("this was done: %s", wrong[i]);
    assert_string_equal(fake_sql_text(books, "SELECT avail_micro FROM billing_balances"), "500");
}

static void drift_is_told(void **state)
{
    (void)state;
    ask(SET_TENANT, "{}", ACCOUNT_DONE);
    ask(TOP_UP("500"), "{}", ACCOUNT_DONE);
    expect_in(ask("{\"operation\":\"reconcile\"}", "{}", ACCOUNT_DONE), "\"drift\":[]");
    fake_sql_exec(books, "UPDATE billing_accounts SET cash_micro = cash_micro + 7");
    expect_in(ask("{\"operation\":\"reconcile\"}", "{}", ACCOUNT_DONE),
              "\"where\":\"accounts\",\"field\":\"avail\",\"have\":507,\"should\":500");
    fake_sql_exec(books, "UPDATE billing_accounts SET cash_micro = cash_micro - 7");
    expect_in(ask("{\"operation\":\"reconcile\",\"cache\":[{\"tenant_id\":\"acme\",\"avail\":\"3\","
                  "\"held\":0,\"version\":99}]}",
                  "{}", ACCOUNT_DONE),
              "\"where\":\"cache\",\"field\":\"version\"");
}

#define LOW_BALANCES "{\"operation\":\"lowBalances\",\"belowMicro\":500,\"overMicro\":600}"

/* One crossing: `n` items of which the last has these members, and nothing when asked again. */
static void expect_crossing(int64_t adjust, size_t n, const char *part)
{
    char sql[300];
    static int key;
    snprintf(sql, sizeof sql,
             "INSERT INTO billing_transactions (tenant_id, idempotency_key, body, op, "
             "amount_micro, currency) VALUES ('acme', 'a%d', 1, 'adjust', %lld, 'EUR')",
             ++key, (long long)adjust);
    fake_sql_exec(books, sql);
    for (int round = 0; round < 2; round++) {
        struct fake *f = desk("catalyst.billingAccount", LOW_BALANCES);
        fake_item(f, "{}");
        fake_run(f);
        fake_run(f);
        assert_int_equal(fake_outputs(f, ACCOUNT_DONE), round ? 0 : n);
        if (!round && n)
            expect_in(fake_output_json(f, ACCOUNT_DONE, n - 1), part);
        assert_int_equal(fake_sql_commit(f), 0);
        fake_destroy(f);
    }
}

static void a_crossing_is_told_once(void **state)
{
    (void)state;
    ask(SET_TENANT, "{}", ACCOUNT_DONE);
    expect_crossing(0, 0, ""); /* nobody paid into it yet */
    expect_crossing(500, 0, "");
    expect_crossing(-1, 1, "\"spendable\":499,\"level\":\"low\",\"state\":\"firing\"");
    expect_crossing(100, 0, ""); /* 599 */
    expect_crossing(-300, 0, "");
    expect_crossing(-299, 1, "\"level\":\"out\",\"state\":\"firing\"");
    expect_crossing(100, 0, "");
    expect_crossing(-100, 0, "");
    expect_crossing(600, 2, "\"level\":\"out\",\"state\":\"resolved\"");
    expect_crossing(-100, 0, "");
    expect_crossing(-450, 1, "\"level\":\"low\",\"state\":\"firing\"");
    expect_crossing(700, 1, "\"level\":\"low\",\"state\":\"resolved\"");
    assert_string_equal(fake_sql_text(books, "SELECT max(number) FROM billing_alerts"), "5");
    expect_in(ask("{\"operation\":\"lowBalances\",\"belowMicro\":500,\"overMicro\":499}", "{}",
                  ACCOUNT_REFUSED),
              "\"reason\":\"bad_message\"");
}

static void expect_gauges(int64_t low, int64_t empty, int64_t imbalance)
{
    struct fake *f = desk("catalyst.billingAccount", LOW_BALANCES);
    fake_item(f, "{}");
    fake_run(f);
    fake_run(f);
    assert_int_equal(fake_metric(f, ACCOUNT_GAUGE_LOW), low);
    assert_int_equal(fake_metric(f, ACCOUNT_GAUGE_EMPTY), empty);
    assert_int_equal(fake_metric(f, ACCOUNT_GAUGE_IMBALANCE), imbalance);
    fake_destroy(f);
}

static void gauges_tell_of_all_tenants(void **state)
{
    (void)state;
    expect_gauges(0, 0, 0);
    ask(SET_TENANT, "{}", ACCOUNT_DONE);
    expect_gauges(0, 0, 0); /* nobody paid into it yet */
    ask(TOP_UP("500"), "{}", ACCOUNT_DONE);
    expect_gauges(0, 0, 0);
    fake_sql_exec(books, "UPDATE billing_accounts SET cash_micro = cash_micro - 7");
    expect_gauges(1, 0, 7);
    fake_sql_exec(books, "UPDATE billing_accounts SET cash_micro = 0");
    expect_gauges(1, 1, 500);
    struct fake *f = desk("catalyst.billingAccount", "{\"operation\":\"reconcile\"}");
    fake_item(f, "{}");
    fake_run(f);
    fake_run(f);
    assert_int_equal(fake_metric(f, ACCOUNT_GAUGE_DRIFT), 1);
    assert_true(fake_metric(f, ACCOUNT_GAUGE_RECONCILED) > 0);
    fake_destroy(f);
}

static void the_store_may_fail(void **state)
{
    (void)state;
    ask(SET_TENANT, "{}", ACCOUNT_DONE);
    struct fake *f =
        desk("catalyst.billingAccount", "{\"operation\":\"balance\",\"tenant\":\"acme\"}");
    fake_run(f); /* what the worker asked when it began */
    fake_sql_fail(f, "the connection broke", 1, 0);
    wf_item *it = fake_item(f, "{}");
    fake_run(f);
    assert_int_equal(fake_ended(it), FAKE_RETRY);
    fake_again(it);
    fake_run(f);
    assert_int_equal(fake_outputs(f, ACCOUNT_DONE), 1);
    fake_sql_refuse(f, 1);
    it = fake_item(f, "{}");
    fake_run(f);
    assert_int_equal(fake_ended(it), FAKE_FAILED);
    fake_destroy(f);
}

static void what_is_no_reservation_is_refused(void **state)
{
    (void)state;
    ask(SET_TENANT, "{}", ACCOUNT_DONE);
    struct fake *f = desk("catalyst.billingSettle", "{\"operation\":\"commit\"}");
    static const char *const items[] = {
        "{}",
        "{\"billing\":5,\"tenant_id\":\"acme\"}",
        "{\"tenant_id\":\"acme\",\"billing\":{\"op\":\"reserve\",\"idem\":\"m\"}}",
        "{\"tenant_id\":\"acme\",\"billing\":{\"op\":\"denied\",\"reason\":\"no_rate\"}}",
        "{\"message\":{\"tenant_id\":\"acme\",\"billing\":{\"op\":\"reserve\",\"idem\":\"m\","
        "\"units\":1,\"price_micro\":1,\"unit_micro\":1,\"ccy\":\"EUR\",\"card\":\"c\",\"version\":"
        "1,"
        "\"prefix\":\"4\",\"slice\":1,\"channel\":\"sms\",\"ts_us\":1}}}",
    };
    for (size_t i = 0; i < COUNT_OF(items); i++) {
        fake_item(f, items[i]);
        fake_run(f);
        fake_run(f);
    }
    assert_int_equal(fake_outputs(f, PORT_REFUSED), COUNT_OF(items));
    assert_int_equal(fake_rows(f), 0);
    fake_destroy(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(money_comes_once_for_each_key, open_books, close_books),
        cmocka_unit_test_setup_teardown(cards_are_checked_and_loaded, open_books, close_books),
        cmocka_unit_test_setup_teardown(tables_only_grow, open_books, close_books),
        cmocka_unit_test_setup_teardown(drift_is_told, open_books, close_books),
        cmocka_unit_test_setup_teardown(a_crossing_is_told_once, open_books, close_books),
        cmocka_unit_test_setup_teardown(gauges_tell_of_all_tenants, open_books, close_books),
        cmocka_unit_test_setup_teardown(the_store_may_fail, open_books, close_books),
        cmocka_unit_test_setup_teardown(what_is_no_reservation_is_refused, open_books, close_books),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
