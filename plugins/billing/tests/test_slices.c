/* SPDX-License-Identifier: Apache-2.0
 * The life of slices under the fake host: leases by a clock that never goes back, what is left of
 * dead workers' slices, what was folded away, and rows that come too late for it.
 */
#include "whole.h"

static struct fake *books, *settle, *account;

static int open_books(void **state)
{
    (void)state;
    books = fake_create(&wf_plugin_entry, "catalyst.billingReserve");
    fake_sql(books);
    settle = fake_create(&wf_plugin_entry, "catalyst.billingSettle");
    fake_sql_share(settle, books);
    account = fake_create(&wf_plugin_entry, "catalyst.billingAccount");
    fake_sql_share(account, books);
    fake_sql_exec(books,
                  "INSERT INTO tenant_billing_config (tenant_id, currency) VALUES ('acme', 'EUR');"
                  "INSERT INTO rate_card_versions VALUES ('default', 1, 0, 'EUR', '');"
                  "INSERT INTO rate_cards (card, version, channel, prefix, price_micro) VALUES "
                  "('default', 1, 'sms', '49', 70);"
                  "INSERT INTO billing_transactions (tenant_id, idempotency_key, body, op, "
                  "amount_micro, currency) VALUES ('acme', 'fund', 1, 'topup', 100000000, 'EUR')");
    return fake_start(books, "{}") || fake_start(settle, "{\"operation\":\"refund\"}") ||
           fake_start(account, "{\"operation\":\"expireHolds\",\"foldAfter\":\"1ms\"}");
}

static int close_books(void **state)
{
    (void)state;
    fake_destroy(account);
    fake_destroy(settle);
    fake_destroy(books);
    return 0;
}

static void run(void)
{
    for (int round = 0; round < 8; round++) {
        fake_run(books);
        fake_run(settle);
        fake_run(account);
    }
}

static void commit(unsigned refused)
{
    assert_int_equal(fake_sql_commit(books), refused);
    assert_int_equal(fake_sql_commit(settle), 0);
}

static void reserve(const char *id)
{
    char json[300];
    snprintf(json, sizeof json,
             "{\"id\":\"%s\",\"tenant_id\":\"acme\",\"channel\":\"sms\",\"to\":\"+4917\","
             "\"text\":\"hi\",\"ts_us\":1700000000000000}",
             id);
    fake_execution(books);
    fake_item(books, json);
    run();
}

static void upkeep(void)
{
    fake_execution(account);
    fake_item(account, "{}");
    run();
}

#define expect_sql(sql, wanted) assert_string_equal(fake_sql_text(books, sql), wanted)
#define BALANCE                                                                                    \
    "SELECT avail_micro || '/' || held_micro || '/' || spent_micro FROM billing_balances"
#define CASH "SELECT cash_micro FROM billing_accounts"
#define FREE                                                                                       \
    "SELECT sum(granted_micro - held_micro - spent_micro + freed_micro) FROM billing_slices"

static struct tenant *acme(void) { return tenant_of(this_worker, "acme", 4); }

static void a_clock_that_never_goes_back(void **state)
{
    (void)state;
    struct worker *w = this_worker;
    int64_t wall = 1800000000000, first = worker_clock(w, wall);
    assert_int_equal(first, wall);
    int64_t back = worker_clock(w, wall - 300000);
    assert_true(back >= first && back < first + 60000);
    assert_true(worker_clock(w, 0) >= back);
    assert_int_equal(worker_clock(w, wall + 300000), wall + 300000);
    assert_true(worker_clock(w, wall) >= wall + 300000);
}

/* Nobody took it meanwhile: what the worker has of it is neither lost nor doubled. */
static void a_slice_is_used_again_after_its_lease(void **state)
{
    (void)state;
    reserve("m1");
    commit(0);
    int64_t slice = acme()->slice;
    fake_advance(books, LEASE_MS);
    reserve("m2");
    commit(0);
    assert_int_equal(fake_outputs(books, PORT_RESERVED), 2);
    assert_int_equal(acme()->slice, slice);
    assert_int_equal(int_of((wf_str){ fake_sql_text(books, FREE), 1 }) > 0, 1);
    char have[32];
    snprintf(have, sizeof have, "%lld", (long long)acme()->avail_micro);
    expect_sql(FREE, have);
}

static void a_slice_that_is_gone_is_followed_by_another(void **state)
{
    (void)state;
    reserve("m1");
    commit(0);
    int64_t slice = acme()->slice;
    fake_sql_exec(books, "UPDATE billing_slices SET lease_us = 1");
    upkeep();
    expect_sql("SELECT state || (granted_micro - held_micro) FROM billing_slices", "closed0");
    expect_sql(CASH, "99999930");
    fake_advance(books, LEASE_MS);
    reserve("m2");
    commit(0);
    assert_int_equal(fake_outputs(books, PORT_RESERVED), 2); /* not denied */
    assert_int_not_equal(acme()->slice, slice);
    expect_sql(BALANCE, "99999860/140/0");
}

/* Its own clock says nothing of the time that went by: the row decides. */
static void a_zombie_gets_what_the_account_has(void **state)
{
    (void)state;
    reserve("m1");
    commit(0);
    fake_sql_exec(books, "UPDATE billing_slices SET lease_us = 1");
    upkeep();
    fake_sql_exec(books, "INSERT INTO billing_transactions (tenant_id, idempotency_key, body, op, "
                         "amount_micro, currency) VALUES ('acme', 'out', 1, 'adjust', -99999860, "
                         "'EUR')");
    expect_sql(CASH, "70");
    reserve("m2");
    commit(0);
    expect_sql(BALANCE, "0/140/0");
    reserve("m3");
    commit(1); /* refused */
    expect_sql(BALANCE, "0/140/0");
}

static void what_ended_long_ago_is_folded(void **state)
{
    (void)state;
    reserve("m1");
    commit(0);
    fake_sql_exec(books,
                  "INSERT INTO billing_transactions (tenant_id, idempotency_key, body, op, "
                  "amount_micro, hold_micro, currency, slice_id) SELECT 'acme', 'm1:end', 1, "
                  "'commit', 70, 70, 'EUR', slice_id FROM billing_slices;"
                  "INSERT INTO billing_slices (slice_id, tenant_id, owner, lease_us, "
                  "granted_micro, spent_micro, state, accept_us) VALUES (5, 'acme', 'old', 1, 30, "
                  "30, 'closed', 9), (6, 'acme', 'old', 1, 10, 10, 'closed', 8);"
                  "UPDATE billing_accounts SET spent_micro = -40, cash_micro = cash_micro");
    expect_sql(BALANCE, "99999930/0/70");
    const char *before = strdup(fake_sql_text(books, "SELECT version FROM billing_balances"));
    upkeep();
    expect_sql("SELECT slice_id || owner || state || granted_micro || spent_micro || accept_us "
               "FROM billing_slices WHERE owner = ''",
               "-5closed40409");
    expect_sql("SELECT count(*) FROM billing_slices", "2"); /* the worker's own is open */
    expect_sql("SELECT version FROM billing_balances", before);
    free((void *)before);
    fake_sql_exec(books, "UPDATE billing_slices SET lease_us = 1 WHERE owner <> ''");
    upkeep();
    expect_sql("SELECT slice_id || '/' || spent_micro FROM billing_slices", "-5/110");
    expect_sql(BALANCE, "99999930/0/70");
    expect_sql(CASH, "99999930");
    upkeep();
    expect_sql("SELECT count(*) FROM billing_slices", "1");
    /* The zombie's slice is not there any more. */
    reserve("m2");
    commit(1);
    expect_sql(BALANCE, "99999930/0/70");
    /* A refund is. */
    fake_sql_exec(books,
                  "INSERT INTO billing_transactions (tenant_id, idempotency_key, body, op, "
                  "amount_micro, currency, slice_id) VALUES ('acme', 'm1:refund', 1, 'refund', 70, "
                  "'EUR', 6)");
    expect_sql(BALANCE, "100000000/0/0");
    upkeep();
    expect_sql(CASH, "100000000");
    expect_sql("SELECT count(*) FROM billing_balances WHERE avail_micro + held_micro + "
               "spent_micro <> topups_micro",
               "0");
}

static void a_released_hold_has_its_event(void **state)
{
    (void)state;
    reserve("m1");
    commit(0);
    fake_destroy(account);
    account = fake_create(&wf_plugin_entry, "catalyst.billingAccount");
    fake_sql_share(account, books);
    assert_int_equal(
        fake_start(account, "{\"operation\":\"expireHolds\",\"events\":\"billing.events\"}"), 0);
    fake_sql_exec(books, "UPDATE tenant_billing_config SET hold_ttl_s = 1");
    fake_sql_exec(books, "DROP TRIGGER billing_transactions_update;"
                         "UPDATE billing_transactions SET created_at = created_at - 2000000");
    upkeep();
    assert_int_equal(fake_sql_commit(account), 0);
    expect_sql(BALANCE, "100000000/0/0");
    assert_int_equal(fake_messages(account), 1);
    const char *event = fake_message(account, 0)->body.ptr;
    assert_non_null(strstr(event, "\"id\":\"acme/m1:end\""));
    assert_non_null(strstr(event, "\"op\":\"release\""));
    assert_non_null(strstr(event, "\"price_micro\":70,\"hold_micro\":70"));
    expect_sql("SELECT body FROM billing_transactions WHERE idempotency_key = 'm1:end'",
               "216172782113783878");
    assert_non_null(strstr(event, "\"body\":216172782113783878"));
    upkeep();
    assert_int_equal(fake_messages(account), 1);
}

/* Another worker, with a slice of its own, had the message of the last reserve() first. */
static void other_worker_was_first(enum point point)
{
    enum { SLICE = 7 };
    wf_str tenant = { "acme", 4 }, id = { "m1", 2 };
    uint64_t body = hold_find(this_worker, hold_key(tenant, id))->body;
    char sql[700];
    if (point == POINT_DELIVERY)
        body ^= slice_mark(SLICE);
    snprintf(
        sql, sizeof sql,
        "INSERT INTO billing_slices (slice_id, tenant_id, owner, granted_micro, lease_us) "
        "VALUES (%d, 'acme', 'other', 1000, 1);"
        "UPDATE billing_accounts SET cash_micro = cash_micro - 1000;"
        "INSERT INTO billing_transactions (tenant_id, idempotency_key, body, op, amount_micro, "
        "hold_micro, currency, slice_id) VALUES ('acme', 'm1:res', %lld, 'reserve', 70, 70, "
        "'EUR', %d)",
        SLICE, (long long)body, SLICE);
    fake_sql_exec(books, sql);
}

#define HELD                                                                                       \
    "SELECT group_concat(held_micro) FROM (SELECT held_micro FROM billing_slices ORDER BY "        \
    "slice_id = 7)"

static void charged_at_once_the_second_line_is_left_out(void **state)
{
    (void)state;
    reserve("m1");
    other_worker_was_first(POINT_SUBMIT);
    commit(0);
    expect_sql(HELD, "0,70");
}

/* Its receipt would end on this slice what is held on the other. */
static void charged_by_receipt_the_second_line_is_refused(void **state)
{
    (void)state;
    fake_sql_exec(books, "UPDATE tenant_billing_config SET charge_points = 'sms=delivery'");
    reserve("m1");
    other_worker_was_first(POINT_DELIVERY);
    commit(1);
    expect_sql(HELD, "0,70");
    holds_close(this_worker); /* read back, it is still the same message */
    holds_open(this_worker);
    reserve("m1");
    assert_int_equal(fake_outputs(books, PORT_DENIED), 0);
}

/* An execution that lost its partition before its turn was in begins again on the same worker: its
 * row is told of, though the worker remembers that it was settled. What the ledger has is not. */
static void an_end_that_was_dropped_is_told_again(void **state)
{
    (void)state;
    fake_destroy(settle);
    settle = fake_create(&wf_plugin_entry, "catalyst.billingSettle");
    fake_sql_share(settle, books);
    assert_int_equal(fake_start(settle, "{\"operation\":\"commit\",\"events\":\"billing.events\"}"),
                     0);
    reserve("m1");
    commit(0);
    char *item = strdup(fake_output_json(books, PORT_RESERVED, 0));
    for (size_t n = 1; n <= 3; n++) { /* the third time the memory is gone */
        fake_item(settle, item);
        run();
        assert_int_equal(fake_outputs(settle, PORT_SETTLED), 1);
        assert_int_equal(fake_outputs(settle, PORT_REPEATED), n - 1);
        assert_int_equal(fake_messages(settle), n < 3 ? n : 2);
        if (n == 2) {
            commit(0);
            holds_close(this_worker);
            holds_open(this_worker);
        }
    }
    assert_string_equal(fake_message(settle, 1)->key.ptr, "acme");
    expect_sql(BALANCE, "99999930/0/70");
    free(item);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, open_books, close_books)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_clock_that_never_goes_back),
        TEST(a_slice_is_used_again_after_its_lease),
        TEST(a_slice_that_is_gone_is_followed_by_another),
        TEST(a_zombie_gets_what_the_account_has),
        TEST(what_ended_long_ago_is_folded),
        TEST(a_released_hold_has_its_event),
        TEST(an_end_that_was_dropped_is_told_again),
        TEST(charged_at_once_the_second_line_is_left_out),
        TEST(charged_by_receipt_the_second_line_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
