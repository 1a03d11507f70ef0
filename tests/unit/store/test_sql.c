/* SPDX-License-Identifier: Apache-2.0
 * Statements of plugins (store_sql) on all kinds of stores.
 */
#include "fixture.h"

static const wf_migration steps[] = {
    { 1, 0, "accounts",
      "CREATE TABLE acme_account (tenant text PRIMARY KEY, balance bigint NOT NULL "
      "CHECK (balance >= 0), note text); CREATE TABLE acme_child (id integer PRIMARY KEY, "
      "tenant text REFERENCES acme_account DEFERRABLE INITIALLY DEFERRED)",
      "CREATE TABLE acme_account (tenant TEXT PRIMARY KEY, balance INTEGER NOT NULL "
      "CHECK (balance >= 0), note TEXT); CREATE TABLE acme_child (id INTEGER PRIMARY KEY, "
      "tenant TEXT REFERENCES acme_account DEFERRABLE INITIALLY DEFERRED)" },
};

/* --- asking and waiting ----------------------------------------------------------------------- */

struct answer {
    struct fixture *f;
    unsigned *waits; /* answers that are still to come */
    unsigned order;  /* 1: it came first */
    char error[400], first[100], last[100];
    int retryable, maybe_done, missed;
    size_t n_rows, n_columns;
    uint64_t changed;
    struct store_session *close; /* closes it when it comes */
};
static unsigned n_answers;

static void on_rows(void *ctx, void *arg, const wf_rows *rows)
{
    struct answer *a = arg;
    assert_ptr_equal(ctx, a->f);
    assert_int_equal(rows->size, sizeof *rows);
    assert_int_equal(a->order, 0);
    a->order = ++n_answers;
    snprintf(a->error, sizeof a->error, "%s", rows->error ? rows->error : "");
    a->retryable = rows->retryable;
    a->maybe_done = rows->maybe_done;
    a->missed = rows->missed;
    a->n_rows = rows->n_rows;
    a->n_columns = rows->n_columns;
    a->changed = rows->changed;
    size_t n = rows->n_rows * rows->n_columns;
    if (n) {
        const wf_str *first = &rows->cells[0], *last = &rows->cells[n - 1];
        snprintf(a->first, sizeof a->first, "%s", first->ptr ? first->ptr : "(null)");
        snprintf(a->last, sizeof a->last, "%.*s", last->ptr ? (int)last->len : 6,
                 last->ptr ? last->ptr : "(null)");
    }
    if (a->close)
        close_session(a->f, a->close);
    if (--*a->waits == 0)
        loop_stop(a->f->loop);
}

static struct store_session *open_sql(struct fixture *f)
{
    struct store_session_config config = { .loop = f->loop, .instance = f->instance, .ctx = f };
    size_t i = 0;
    while (f->sessions[i])
        i++;
    return f->sessions[i] = store_session_open(f->store, &config);
}

static struct answer ask_all(struct fixture *f, struct store_session *ss, const wf_statement *s,
                             size_t n)
{
    unsigned waits = 1;
    struct answer a = { .f = f, .waits = &waits };
    store_sql(ss, s, n, on_rows, &a);
    assert_int_equal(a.order, 0); /* never from within */
    wait_loop(f);
    assert_int_equal(waits, 0);
    return a;
}

static struct answer ask(struct fixture *f, struct store_session *ss, const char *text,
                         const char *first, const char *second)
{
    wf_str params[2] = { first ? str_of(first) : (wf_str){ NULL, 0 },
                         second ? str_of(second) : (wf_str){ NULL, 0 } };
    wf_statement s = { .pg = text,
                       .params = params,
                       .n_params = strstr(text, "$2")   ? 2
                                   : strstr(text, "$1") ? 1
                                                        : 0 };
    return ask_all(f, ss, &s, 1);
}

static void good(const struct answer *a)
{
    if (a->error[0])
        fail_msg("%s", a->error);
}

static struct fixture *fixture_of(void **state) { return *state; }

static int setup(void **state, enum fixture_kind kind)
{
    struct fixture *f = fixture_open(kind);
    struct store_tables tables = { "acme", steps, 1 };
    struct store_config config = { .url = f->url, .tables = &tables, .n_tables = 1 };
    struct err err;
    store_close(f->store);
    f->store = store_open(&config, true, &err);
    if (!f->store)
        fail_msg("%s", err.text);
    assert_int_equal(store_instance(f->store, STR("test"), &f->instance, &err), 0);
    n_answers = 0;
    *state = f;
    return 0;
}

/* --- the cases -------------------------------------------------------------------------------- */

static void rows_are_read_and_written(void **state)
{
    struct fixture *f = fixture_of(state);
    struct store_session *ss = open_sql(f);
    struct answer a = ask(f, ss, "INSERT INTO acme_account (tenant, balance) VALUES ($2, $1)",
                          "100", "it's \"t1\"");
    good(&a);
    assert_int_equal(a.changed, 1);
    assert_int_equal(a.n_rows, 0);
    assert_int_equal(a.missed, -1);
    a = ask(f, ss,
            "INSERT INTO acme_account (tenant, balance, note) VALUES ('t2', $1::bigint, $2) "
            "ON CONFLICT (tenant) DO UPDATE SET balance = 7 RETURNING balance, note",
            "5", NULL);
    good(&a);
    assert_int_equal(a.n_rows, 1);
    assert_int_equal(a.n_columns, 2);
    assert_string_equal(a.first, "5");
    assert_string_equal(a.last, "(null)");
    a = ask(f, ss, "SELECT balance + CAST($1 AS bigint), tenant FROM acme_account ORDER BY tenant",
            "1", NULL);
    good(&a);
    assert_int_equal(a.n_rows, 2);
    assert_string_equal(a.first, "101");
    assert_string_equal(a.last, "t2");
    assert_int_equal(a.changed, 0);
    a = ask(f, ss, "UPDATE acme_account SET balance = balance + 1", NULL, NULL);
    good(&a);
    assert_int_equal(a.changed, 2);
    a = ask(f, ss, "UPDATE acme_account SET balance = 0 WHERE tenant = $1", "none", NULL);
    good(&a);
    assert_int_equal(a.changed, 0);
    a = ask(f, ss, "SELECT 1 FROM acme_account WHERE tenant = $1", "none", NULL);
    good(&a);
    assert_int_equal(a.n_rows, 0);
    assert_int_equal(store_sql_stats(ss)->calls, 6);
    assert_int_equal(store_sql_stats(ss)->errors, 0);
    assert_int_equal(store_sql_stats(ss)->open, 0);
}

static void a_transaction_is_whole(void **state)
{
    struct fixture *f = fixture_of(state);
    struct store_session *ss = open_sql(f);
    wf_str tenant = STR("t1");
    wf_statement s[] = {
        { .pg = "INSERT INTO acme_account (tenant, balance) VALUES ($1, 10)",
          .params = &tenant,
          .n_params = 1 },
        { .pg = "UPDATE acme_account SET balance = balance - 4" },
        { .pg = "SELECT nope", .sqlite = "SELECT balance FROM acme_account" },
    };
    s[2].pg = "SELECT balance FROM acme_account";
    struct answer a = ask_all(f, ss, s, 3);
    good(&a);
    assert_string_equal(a.first, "6"); /* of the last statement */
    tenant = STR("t2");
    s[1].pg = "UPDATE acme_account SET balance = balance - 7"; /* t1 has 6 */
    a = ask_all(f, ss, s, 3);
    assert_string_not_equal(a.error, "");
    assert_int_equal(a.retryable, 0);
    assert_int_equal(a.maybe_done, 0);
    assert_int_equal(a.n_rows, 0);
    a = ask(f, ss, "SELECT count(*), sum(balance) FROM acme_account", NULL, NULL);
    assert_string_equal(a.first, "1");
    assert_string_equal(a.last, "6");
    /* A key that is open at the end is this call's fault alone. */
    a = ask(f, ss, "INSERT INTO acme_child VALUES (1, 'nobody')", NULL, NULL);
    assert_string_not_equal(a.error, "");
    assert_int_equal(a.retryable, 0);
    a = ask(f, ss, "INSERT INTO acme_child VALUES (1, 't1')", NULL, NULL);
    good(&a);
    assert_int_equal(store_sql_stats(ss)->errors, 2);
}

static void what_must_hit_hits_or_nothing_is_done(void **state)
{
    struct fixture *f = fixture_of(state);
    struct store_session *ss = open_sql(f);
    struct answer a = ask(f, ss, "INSERT INTO acme_account VALUES ('t1', 10, NULL)", NULL, NULL);
    good(&a);
    wf_statement s[] = {
        { .pg = "UPDATE acme_account SET balance = 1 WHERE tenant = 't1'",
          .flags = WF_SQL_MUST_HIT },
        { .pg = "UPDATE acme_account SET balance = 2 WHERE tenant = 'none'",
          .flags = WF_SQL_MUST_HIT },
        { .pg = "INSERT INTO acme_account VALUES ('t3', 3, NULL) RETURNING tenant" },
    };
    a = ask_all(f, ss, s, 3);
    assert_int_equal(a.missed, 1);
    assert_non_null(strstr(a.error, "hit no row"));
    assert_int_equal(a.retryable, 0);
    a = ask(f, ss, "SELECT count(*), max(balance) FROM acme_account", NULL, NULL);
    assert_string_equal(a.first, "1");
    assert_string_equal(a.last, "10");
    s[1].flags = 0;
    a = ask_all(f, ss, s, 3);
    good(&a);
    assert_string_equal(a.first, "t3");
    a = ask(f, ss, "SELECT balance FROM acme_account WHERE tenant = 't1'", NULL, NULL);
    assert_string_equal(a.first, "1");
    s[1].flags = WF_SQL_MUST_HIT; /* alone */
    a = ask_all(f, ss, &s[1], 1);
    assert_int_equal(a.missed, 0);
    s[0].pg = "SELECT 1 FROM acme_account WHERE tenant = 't1'";
    s[1].pg = "UPDATE acme_account SET balance = -1 WHERE tenant = 't1'"; /* fails itself */
    a = ask_all(f, ss, s, 2);
    assert_int_equal(a.missed, -1);
    assert_string_not_equal(a.error, "");
    a = ask_all(f, ss, s, 1);
    good(&a);
}

static void mistakes_are_told_in_words(void **state)
{
    struct fixture *f = fixture_of(state);
    struct store_session *ss = open_sql(f);
    static const char *const bad[] = { "SELEKT 1", "SELECT * FROM acme_none",
                                       "SELECT nope FROM acme_account", "" };
    for (int round = 0; round < 2; round++) {
        for (size_t i = 0; i < 3; i++) {
            struct answer a = ask(f, ss, bad[i], NULL, NULL);
            assert_true(strlen(a.error) > 5);
            assert_int_equal(a.retryable, 0);
            assert_int_equal(a.maybe_done, 0);
        }
    }
    if (f->kind != POSTGRES) {
        static const char *const forbidden[] = { "COMMIT", "PRAGMA synchronous = OFF",
                                                 "ATTACH 'x' AS y", "SAVEPOINT z", "" };
        for (size_t i = 0; i < 5; i++)
            assert_string_not_equal(ask(f, ss, forbidden[i], NULL, NULL).error, "");
        assert_string_not_equal(ask(f, ss, "SELECT $3", "1", NULL).error, "");
    }
    /* A text that failed for want of a table works when that is there. */
    struct answer a = ask(f, ss, "CREATE TABLE acme_none (n integer)", NULL, NULL);
    good(&a);
    a = ask(f, ss, "SELECT * FROM acme_none", NULL, NULL);
    good(&a);
    a = ask(f, ss, "ALTER TABLE acme_none ADD COLUMN m integer", NULL, NULL);
    good(&a);
    a = ask(f, ss, "SELECT * FROM acme_none", NULL, NULL);
    if (a.error[0]) /* PostgreSQL: prepared for another table; worth another try */
        assert_int_equal(a.retryable, 1);
    a = ask(f, ss, "SELECT * FROM acme_none", NULL, NULL);
    good(&a);
    assert_int_equal(a.n_columns, 2);
}

static void many_calls_are_answered_in_their_order(void **state)
{
    enum { N = 300 };
    struct fixture *f = fixture_of(state);
    struct store_session *ss = open_sql(f);
    struct answer a = ask(f, ss, "INSERT INTO acme_account VALUES ('t1', 0, NULL)", NULL, NULL);
    good(&a);
    unsigned waits = N;
    struct answer *all = xcalloc(N, sizeof *all);
    wf_statement s[2] = {
        { .pg = "UPDATE acme_account SET balance = balance + 1 RETURNING balance" },
        { .pg = "SELECT balance FROM acme_account", .flags = WF_SQL_MUST_HIT },
    };
    n_answers = 0;
    for (unsigned i = 0; i < N; i++) {
        all[i] = (struct answer){ .f = f, .waits = &waits };
        store_sql(ss, s, i % 50 == 7 ? 2 : 1, on_rows, &all[i]);
    }
    assert_int_equal(store_sql_stats(ss)->open, N);
    wait_loop(f);
    for (unsigned i = 0; i < N; i++) {
        char expected[12];
        snprintf(expected, sizeof expected, "%u", i + 1);
        assert_int_equal(all[i].order, i + 1);
        assert_string_equal(all[i].first, expected);
    }
    free(all);
}

static void too_many_are_refused(void **state)
{
    struct fixture *f = fixture_of(state);
    struct store_session *ss = open_sql(f);
    unsigned waits = STORE_SQL_WAITING + 3, refused = 0;
    struct answer *all = xcalloc(waits, sizeof *all);
    wf_statement s = { .pg = "SELECT 1" };
    for (unsigned i = 0, n = waits; i < n; i++) {
        all[i] = (struct answer){ .f = f, .waits = &waits };
        store_sql(ss, &s, 1, on_rows, &all[i]);
        assert_int_equal(all[i].order, 0);
    }
    wait_loop(f);
    for (unsigned i = 0; i < STORE_SQL_WAITING + 3; i++) {
        if (!all[i].error[0])
            continue;
        refused++;
        assert_non_null(strstr(all[i].error, "too many statements wait"));
        assert_int_equal(all[i].retryable, 1);
        assert_int_equal(all[i].maybe_done, 0);
    }
    assert_int_equal(refused, 3);
    assert_int_equal(store_sql_stats(ss)->full, 3);
    struct answer a = ask(f, ss, "SELECT 1", NULL, NULL);
    good(&a);
    free(all);
}

static void a_closed_session_tells_nobody(void **state)
{
    struct fixture *f = fixture_of(state);
    unsigned waits = 100;
    static struct answer all[100];
    wf_statement s = { .pg = "SELECT count(*) FROM acme_account" };
    struct store_session *ss = open_sql(f);
    for (int i = 0; i < 100; i++) {
        all[i] = (struct answer){ .f = f, .waits = &waits };
        store_sql(ss, &s, 1, on_rows, &all[i]);
    }
    close_session(f, ss);
    ss = open_sql(f);
    unsigned one = 1;
    struct answer last = { .f = f, .waits = &one, .close = ss }, after = { .f = f, .waits = &one };
    store_sql(ss, &s, 1, on_rows, &last); /* and within an answer, with another behind it */
    store_sql(ss, &s, 1, on_rows, &after);
    wait_loop(f);
    assert_int_equal(waits, 100);
    assert_int_equal(after.order, 0);
    good(&last);
}

static void rows_of_turns_are_seen(void **state)
{
    struct fixture *f = fixture_of(state);
    struct store_session *ss = open_sql(f);
    struct store_lane lane = assign(f, ss, 1, 0, 0);
    struct store_block block = lane_only(&lane);
    struct store_row row = { .table = STR("acme_account"),
                             .row = STR("{\"tenant\":\"t1\",\"balance\":12}"),
                             .unique = STR("tenant"),
                             .exec = { 1, 0, 0 } };
    struct store_turn turn = { .blocks = &block, .n_blocks = 1, .rows = &row, .n_rows = 1 };
    assert_int_equal(commit(f, ss, &turn).result, STORE_OK);
    struct answer a = ask(f, ss, "SELECT balance FROM acme_account WHERE tenant = $1", "t1", NULL);
    assert_string_equal(a.first, "12");
    row.row = STR("{\"tenant\":\"t2\",\"balance\":-1}");
    assert_int_equal(commit(f, ss, &turn).result, STORE_BAD_ROWS);
    a = ask(f, ss, "SELECT count(*) FROM acme_account", NULL, NULL);
    assert_string_equal(a.first, "1");
}

/* --- PostgreSQL: the connection breaks -------------------------------------------------------- */

static void kill_connections(struct fixture *f)
{
    sql(f, "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
           "WHERE datname = current_database() AND pid <> pg_backend_pid()");
}

static void a_broken_connection_is_told(void **state)
{
    struct fixture *f = fixture_of(state);
    if (f->kind != POSTGRES)
        return;
    struct store_session *ss = open_sql(f);
    struct answer a = ask(f, ss, "SELECT 1", NULL, NULL);
    good(&a);
    unsigned waits = 2;
    struct answer slow = { .f = f, .waits = &waits }, late = { .f = f, .waits = &waits };
    wf_statement s = { .pg = "SELECT pg_sleep(20)" };
    store_sql(ss, &s, 1, on_rows, &slow);
    store_sql(ss, &s, 1, on_rows, &late);
    /* It is under way when the server has it. */
    struct timer stop = { .fn = (void (*)(void *))loop_stop, .arg = f->loop };
    for (int i = 0; i < 100 && !atoi(sql(f, "SELECT count(*) FROM pg_stat_activity WHERE query = "
                                            "'SELECT pg_sleep(20)' AND state = 'active'"));
         i++) {
        timer_start(f->loop, &stop, 20000);
        loop_run(f->loop);
    }
    kill_connections(f);
    wait_loop(f);
    assert_non_null(strstr(slow.error, "terminat"));
    assert_int_equal(slow.retryable, 1);
    assert_non_null(strstr(late.error, "the connection broke"));
    assert_int_equal(late.retryable, 1);
    assert_int_equal(late.maybe_done, 1);
    a = ask(f, ss, "SELECT 2", NULL, NULL); /* connects anew */
    good(&a);
    assert_string_equal(a.first, "2");
    assert_string_equal(store_sql_stats(ss)->trouble, "");
    /* One that broke while nobody waited. */
    kill_connections(f);
    timer_start(f->loop, &stop, 200000);
    loop_run(f->loop);
    a = ask(f, ss, "SELECT 3", NULL, NULL);
    good(&a);
}

#define CASES(X)                                                                                   \
    X(rows_are_read_and_written)                                                                   \
    X(a_transaction_is_whole)                                                                      \
    X(what_must_hit_hits_or_nothing_is_done)                                                       \
    X(mistakes_are_told_in_words)                                                                  \
    X(many_calls_are_answered_in_their_order)                                                      \
    X(too_many_are_refused)                                                                        \
    X(a_closed_session_tells_nobody)                                                               \
    X(rows_of_turns_are_seen)                                                                      \
    X(a_broken_connection_is_told)

static int setup_memory(void **state) { return setup(state, MEMORY); }
static int setup_sqlite(void **state) { return setup(state, SQLITE); }
static int setup_postgres(void **state) { return setup(state, POSTGRES); }

static int teardown(void **state)
{
    fixture_close(*state);
    return 0;
}

int main(void)
{
#define MEMORY_TEST(test)   { "memory: " #test, test, setup_memory, teardown, NULL },
#define SQLITE_TEST(test)   { "sqlite: " #test, test, setup_sqlite, teardown, NULL },
#define POSTGRES_TEST(test) { "postgresql: " #test, test, setup_postgres, teardown, NULL },
    const struct CMUnitTest memory[] = { CASES(MEMORY_TEST) };
    const struct CMUnitTest sqlite[] = { CASES(SQLITE_TEST) };
    const struct CMUnitTest postgres[] = { CASES(POSTGRES_TEST) };
    int failed = cmocka_run_group_tests_name("sql.memory", memory, NULL, NULL);
    failed += cmocka_run_group_tests_name("sql.sqlite", sqlite, NULL, NULL);
    if (postgres_url())
        failed += cmocka_run_group_tests_name("sql.postgresql", postgres, NULL, NULL);
    else
        printf("skipped: %zu tests of PostgreSQL: CATALYST_TEST_POSTGRES is not set\n",
               sizeof postgres / sizeof *postgres);
    return failed;
}
