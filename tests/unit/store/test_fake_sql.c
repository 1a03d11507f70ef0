/* SPDX-License-Identifier: Apache-2.0
 * The fake host's "sql/1" and its rows (sdk/fake_sql.h): what authors of plugins test with must
 * behave as the engine does.
 */
#include "../../../sdk/fake_sql.h"
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

/* --- a plugin with an account, as small as can be --------------------------------------------- */

static const wf_sql *sql;
static char told[200];
static unsigned n_told;

static void on_rows(const wf_host *h, void *arg, const wf_rows *rows)
{
    n_told++;
    if (rows->error)
        snprintf(told, sizeof told, "%s (retryable %d, maybe %d, missed %d)", rows->error,
                 rows->retryable, rows->maybe_done, rows->missed);
    else
        snprintf(told, sizeof told, "rows %zu, changed %d, first %s", rows->n_rows,
                 (int)rows->changed, rows->n_rows && rows->cells[0].ptr ? rows->cells[0].ptr : "-");
    wf_item *it = arg ? h->resume(h, *(wf_ticket *)arg) : NULL;
    if (it)
        h->emit(it, 0, h->value(it));
}

static void *test_open(const wf_host *h, wf_inst *inst, wf_error *why)
{
    (void)inst, (void)why;
    sql = h->service("sql/1");
    return NULL;
}

static void test_process(const wf_host *h, wf_item *const *items, size_t n)
{
    const wf_ledger *ledger = h->service("ledger/1");
    for (size_t i = 0; i < n; i++) {
        const wf_value *v = h->value(items[i]), *row = h->v->get(v, "row", 3);
        wf_str text = h->v->text(items[i], h->v->get(v, "sql", 3));
        if (row)
            ledger->commit_row(items[i], "acme_entry", row, "id");
        if (!text.len) {
            h->pass(items[i], 0);
            continue;
        }
        wf_ticket *ticket = h->alloc(items[i], sizeof *ticket);
        *ticket = h->park(items[i], 0);
        wf_str param = h->v->text(items[i], h->v->get(v, "param", 5));
        wf_statement statement = { .pg = text.ptr,
                                   .params = &param,
                                   .n_params = 1,
                                   .flags = h->v->get(v, "must", 4) ? WF_SQL_MUST_HIT : 0 };
        if (sql->run(h->inst(items[i]), &statement, 1, on_rows, ticket) != 0)
            (h->fail)(h->resume(h, *ticket), "no store");
    }
}

static const char *const ports[] = { "main", NULL };
static const wf_node nodes[] = { { .type = "acme.sql",
                                   .help = "Runs what the item says.",
                                   .ports = ports,
                                   .open = test_open,
                                   .process = test_process } };
static const wf_migration migrations[] = {
    { 1, 0, "accounts", "-",
      "CREATE TABLE acme_account (tenant TEXT PRIMARY KEY, balance INTEGER NOT NULL "
      "CHECK (balance >= 0)); INSERT INTO acme_account VALUES ('t1', 100)" },
    { 2, 0, "entries", "-",
      "CREATE TABLE acme_entry (id TEXT PRIMARY KEY, tenant TEXT, amount INTEGER);"
      "CREATE TRIGGER acme_entry_moves AFTER INSERT ON acme_entry BEGIN "
      "UPDATE acme_account SET balance = balance - NEW.amount WHERE tenant = NEW.tenant; END" },
};
static const wf_plugin plugin = { WF_PLUGIN_BASE("acme", "1", nodes), .migrations = migrations,
                                  .n_migrations = 2 };

static struct fake *start(void)
{
    struct fake *f = fake_create(&plugin, NULL);
    fake_sql(f);
    n_told = 0;
    assert_int_equal(fake_start(f, "{}"), 0);
    assert_non_null(sql);
    return f;
}

/* --- tests ------------------------------------------------------------------------------------ */

static void statements_run(void **state)
{
    (void)state;
    struct fake *f = start();
    fake_item(f, "{\"sql\":\"SELECT balance FROM acme_account WHERE tenant = $1::text\","
                 "\"param\":\"t1\"}");
    fake_run(f);
    assert_string_equal(told, "rows 1, changed 0, first 100");
    fake_item(f, "{\"sql\":\"UPDATE acme_account SET balance = balance - $1\",\"param\":\"30\"}");
    fake_run(f);
    assert_string_equal(told, "rows 0, changed 1, first -");
    fake_item(f, "{\"sql\":\"UPDATE acme_account SET balance = balance - $1\",\"param\":\"71\"}");
    fake_run(f);
    assert_string_equal(told, "CHECK constraint failed: balance >= 0 (retryable 0, maybe 0, "
                              "missed -1)");
    fake_item(f, "{\"sql\":\"UPDATE acme_account SET balance = 5 WHERE tenant = $1\","
                 "\"param\":\"t9\",\"must\":1}");
    fake_run(f);
    assert_string_equal(told, "statement 0 hit no row (retryable 0, maybe 0, missed 0)");
    assert_string_equal(fake_sql_text(f, "SELECT balance FROM acme_account"), "70");
    assert_int_equal(fake_sql_calls(f), 4);
    assert_string_equal(fake_sql_call(f, 3)->statements[0].params[0].ptr, "t9");
    fake_destroy(f);
}

static void rows_move_balances(void **state)
{
    (void)state;
    struct fake *f = start();
    fake_item(f, "{\"row\":{\"id\":\"a\",\"tenant\":\"t1\",\"amount\":40}}");
    fake_item(f, "{\"row\":{\"id\":\"a\",\"tenant\":\"t1\",\"amount\":40}}"); /* a repetition */
    fake_item(f, "{\"row\":{\"id\":\"b\",\"tenant\":\"t1\",\"amount\":61}}"); /* too much */
    fake_item(f, "{\"row\":{\"id\":\"c\",\"tenant\":\"t1\",\"amount\":60}}");
    fake_run(f);
    assert_int_equal(fake_sql_commit(f), 1);
    assert_string_equal(fake_sql_why(f), "CHECK constraint failed: balance >= 0");
    assert_string_equal(fake_sql_text(f, "SELECT balance FROM acme_account"), "0");
    assert_string_equal(fake_sql_text(f, "SELECT group_concat(id) FROM acme_entry"), "a,c");
    assert_int_equal(fake_sql_commit(f), 0);
    fake_destroy(f);
}

static void calls_fail_wait_and_are_answered(void **state)
{
    (void)state;
    struct fake *f = start();
    const char *take = "{\"sql\":\"UPDATE acme_account SET balance = balance - $1\",\"param\":"
                       "\"1\"}";
    fake_sql_fail(f, "the connection broke", 1, 1);
    fake_item(f, take);
    fake_run(f);
    assert_string_equal(told, "the connection broke (retryable 1, maybe 1, missed -1)");
    assert_string_equal(fake_sql_text(f, "SELECT balance FROM acme_account"), "100");
    fake_sql_fail(f, "the connection broke", 1, 2);
    fake_item(f, take);
    fake_run(f);
    assert_string_equal(fake_sql_text(f, "SELECT balance FROM acme_account"), "99");

    fake_sql_delay(f, 500);
    fake_item(f, take);
    fake_run(f);
    assert_int_equal(n_told, 2);
    fake_advance(f, 499);
    assert_int_equal(n_told, 2);
    fake_advance(f, 1);
    assert_int_equal(n_told, 3);
    fake_sql_delay(f, 0);

    fake_sql_hold(f, 1);
    fake_item(f, take);
    fake_item(f, take);
    fake_run(f);
    assert_int_equal(fake_sql_waiting(f), 2);
    wf_str cell = { "by hand", 7 };
    fake_sql_answer(
        f,
        &(wf_rows){
            .size = sizeof(wf_rows), .missed = -1, .n_rows = 1, .n_columns = 1, .cells = &cell });
    assert_string_equal(told, "rows 1, changed 0, first by hand");
    fake_sql_go(f);
    assert_int_equal(fake_sql_waiting(f), 0);
    assert_string_equal(fake_sql_text(f, "SELECT balance FROM acme_account"), "97");
    fake_destroy(f);
}

static void every_call_is_told_once(void **state)
{
    (void)state;
    struct fake *f = start();
    wf_str param = { NULL, 0 };
    wf_statement one = { .pg = "SELECT $1", .params = &param, .n_params = 1 };
    fake_sql_hold(f, 1);
    assert_int_equal(sql->run(&f->inst, &one, 1, on_rows, NULL), 0);
    fake_sql_refuse(f, 1);
    assert_int_equal(sql->run(&f->inst, &one, 1, on_rows, NULL), -1);
    fake_destroy(f);
    assert_int_equal(n_told, 1);
    assert_string_equal(told, "the node was closed (retryable 0, maybe 1, missed -1)");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(statements_run),
        cmocka_unit_test(rows_move_balances),
        cmocka_unit_test(calls_fail_wait_and_are_answered),
        cmocka_unit_test(every_call_is_told_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
