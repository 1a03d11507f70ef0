/* SPDX-License-Identifier: Apache-2.0
 * Tables of plugins: their migrations, and rows whose triggers and constraints have a say.
 */
#include "conformance.h"

/* An account moves by the rows of its entries, which are written once: a statement-level trigger
 * over a hash-partitioned table in PostgreSQL, a row trigger in SQLite. */
static const wf_migration steps[] = {
    { 1, 0, "accounts",
      "CREATE TABLE acme_account (tenant bigint PRIMARY KEY, balance bigint NOT NULL, "
      "CONSTRAINT acme_funds CHECK (balance >= 0));"
      "INSERT INTO acme_account VALUES (1, 100), (2, 1000000)",
      "CREATE TABLE acme_account (tenant INTEGER PRIMARY KEY, balance INTEGER NOT NULL, "
      "CONSTRAINT acme_funds CHECK (balance >= 0));"
      "INSERT INTO acme_account VALUES (1, 100), (2, 1000000)" },
    { 2, 0, "entries",
      "CREATE TABLE acme_entry (tenant bigint NOT NULL, idem text NOT NULL, amount bigint NOT "
      "NULL, "
      "made_at timestamptz NOT NULL DEFAULT now(), UNIQUE (tenant, idem)) "
      "PARTITION BY HASH (tenant);"
      "CREATE TABLE acme_entry_0 PARTITION OF acme_entry FOR VALUES WITH (MODULUS 2, REMAINDER 0);"
      "CREATE TABLE acme_entry_1 PARTITION OF acme_entry FOR VALUES WITH (MODULUS 2, REMAINDER 1);"
      "CREATE FUNCTION acme_move() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
      "UPDATE acme_account a SET balance = a.balance - n.amount FROM "
      "(SELECT tenant, sum(amount) AS amount FROM fresh GROUP BY tenant) n "
      "WHERE a.tenant = n.tenant; RETURN NULL; END $$;"
      "CREATE TRIGGER acme_entry_moves AFTER INSERT ON acme_entry REFERENCING NEW TABLE AS fresh "
      "FOR EACH STATEMENT EXECUTE FUNCTION acme_move()",
      "CREATE TABLE acme_entry (tenant INTEGER NOT NULL, idem TEXT NOT NULL, "
      "amount INTEGER NOT NULL, made_at TEXT DEFAULT CURRENT_TIMESTAMP, UNIQUE (tenant, idem));"
      "CREATE TRIGGER acme_entry_moves AFTER INSERT ON acme_entry BEGIN "
      "UPDATE acme_account SET balance = balance - NEW.amount WHERE tenant = NEW.tenant; END" },
    { 3, 0, "notes", "CREATE TABLE acme_note (id integer, words text)",
      "CREATE TABLE acme_note (id INTEGER, words TEXT)" },
};

struct told {
    unsigned n;
    char last[100];
};

static void on_step(void *ctx, const char *plugin, int number, const char *name)
{
    struct told *told = ctx;
    if (plugin)
        told->n++;
    snprintf(told->last, sizeof told->last, "%s %d %s", plugin ? plugin : "-", number, name);
}

/* Another opening of the same store; NULL with the text in *err. */
static struct store *open_with(struct fixture *f, const struct store_tables *tables, bool migrate,
                               struct told *told, struct err *err)
{
    struct store_config config = { .url = f->url,
                                   .save_inputs = true,
                                   .tables = tables,
                                   .n_tables = 1,
                                   .on_step = told ? on_step : NULL,
                                   .on_step_ctx = told };
    *err = (struct err){ 0 };
    return store_open(&config, migrate, err);
}

static void refused(struct fixture *f, const struct store_tables *tables, bool migrate,
                    const char *words)
{
    struct err err;
    struct store *s = open_with(f, tables, migrate, NULL, &err);
    assert_null(s);
    if (!strstr(err.text, words))
        fail_msg("\"%s\" is not in \"%s\"", words, err.text);
}

/* The fixture's store is opened anew, with the plugin's tables. */
static void use_tables(struct fixture *f)
{
    struct store_tables tables = { "acme", steps, 3 };
    struct err err;
    store_close(f->store);
    f->store = open_with(f, &tables, true, NULL, &err);
    if (!f->store)
        fail_msg("%s", err.text);
    assert_int_equal(store_instance(f->store, STR("test"), &f->instance, &err), 0);
}

void tables_are_migrated(void **state)
{
    struct fixture *f = fixture_of(state);
    struct store_tables two = { "acme", steps, 2 }, three = { "acme", steps, 3 };
    struct told told = { 0 };
    struct err err;
    if (f->kind != MEMORY) /* which begins empty and is always brought up to date */
        refused(f, &two, false, "at version 0, this plugin needs 2: run `catalyst migrate`");
    struct store *s = open_with(f, &two, true, &told, &err);
    assert_non_null(s);
    store_close(s);
    assert_int_equal(told.n, 2);
    assert_string_equal(told.last, "acme 2 entries");
    if (f->kind == MEMORY)
        return;
    refused(f, &three, false, "at version 2, this plugin needs 3");
    told.n = 0;
    for (int i = 0; i < 2; i++) { /* once only */
        store_close(open_with(f, &three, true, &told, &err));
        assert_int_equal(told.n, 1);
    }
    assert_string_equal(told.last, "acme 3 notes");
    assert_string_equal(sql(f, "SELECT count(*) FROM plugin_migration WHERE plugin = 'acme' AND "
                               "applied_at IS NOT NULL AND name <> ''"),
                        "3");
    s = open_with(f, &three, false, NULL, &err);
    assert_non_null(s);
    store_close(s);
    refused(f, &two, true, "newer than the 2 that this plugin knows");
    wf_migration edited[3] = { steps[0], steps[1], steps[2] };
    edited[1].pg = "CREATE TABLE acme_entry (id integer)";
    edited[1].sqlite = "CREATE TABLE acme_entry (id INTEGER)";
    refused(f, &(struct store_tables){ "acme", edited, 3 }, true,
            "migration 2 (entries) was changed after it was applied");
}

void a_bad_step_leaves_nothing(void **state)
{
    struct fixture *f = fixture_of(state);
    static const char half[] = "CREATE TABLE acme_half (id integer); INSERT INTO acme_none VALUES "
                               "(1)";
    static const char ends[] = "CREATE TABLE acme_half (id integer); COMMIT";
    wf_migration bad[2] = { steps[0], { 2, 0, "half", half, half } };
    struct store_tables tables = { "acme", bad, 2 };
    struct err err;
    refused(f, &tables, true, "plugin 'acme', migration 2 (half)");
    refused(f, &tables, true, "acme_none");
    if (f->kind == MEMORY)
        return;
    bad[1].pg = bad[1].sqlite = ends;
    refused(f, &tables, true, "end the transaction themselves");
    assert_string_equal(sql(f, "SELECT count(*) FROM plugin_migration WHERE plugin = 'acme'"), "1");
    sql(f, "DROP TABLE IF EXISTS acme_half");
    bad[1] = steps[1];
    struct store *s = open_with(f, &tables, true, NULL, &err);
    assert_non_null(s);
    store_close(s);
}

/* --- rows with triggers ----------------------------------------------------------------------- */

static struct committed write_entries(struct fixture *f, struct store_session *ss,
                                      struct store_lane *lane, const char *const *json, uint32_t n)
{
    struct store_row rows[BAD_MAX];
    for (uint32_t i = 0; i < n; i++)
        rows[i] = (struct store_row){ .table = STR("acme_entry"),
                                      .row = str_of(json[i]),
                                      .unique = STR("tenant,idem"),
                                      .exec = { lane->source, lane->partition, i } };
    struct sample *s = sample(lane, 1, 1);
    struct store_turn turn = { .blocks = &s->block, .n_blocks = 1, .rows = rows, .n_rows = n };
    struct committed c = commit(f, ss, &turn);
    if (c.result == STORE_OK)
        advance(lane, &s->block);
    sample_fini(s);
    return c;
}

#define ENTRY(tenant, idem, amount)                                                                \
    "{\"tenant\":" #tenant ",\"idem\":\"" idem "\",\"amount\":" #amount "}"

void triggers_move_balances(void **state)
{
    struct fixture *f = fixture_of(state);
    use_tables(f);
    struct store_session *ss = open_session(f, 0);
    struct store_lane lane = assign(f, ss, 1, 0, 0);
    static const char *const good[] = { ENTRY(1, "a", 40), ENTRY(2, "a", 7), ENTRY(1, "a", 40),
                                        ENTRY(1, "b", 20) };
    for (int i = 0; i < 2; i++) { /* the same again moves nothing */
        assert_int_equal(write_entries(f, ss, &lane, good, 4).result, STORE_OK);
        assert_int_equal(count_rows(f, "acme_entry"), 3);
        assert_string_equal(plugin_sql(f, "SELECT balance FROM acme_account WHERE tenant = 1"),
                            "40");
        assert_string_equal(plugin_sql(f, "SELECT balance FROM acme_account WHERE tenant = 2"),
                            "999993");
    }
    /* Two of them together overdraw: the later is guilty, and only that. */
    static const char *const over[] = { ENTRY(2, "c", 1),  ENTRY(1, "c", 30), ENTRY(2, "d", 1),
                                        ENTRY(1, "d", 11), ENTRY(1, "e", 10), ENTRY(2, "e", 1) };
    struct committed c = write_entries(f, ss, &lane, over, 6);
    assert_int_equal(c.result, STORE_BAD_ROWS);
    assert_int_equal(c.n_bad, 1);
    assert_int_equal(c.bad[0], 3);
    assert_non_null(strstr(c.reasons[0], f->kind == POSTGRES ? "acme_funds" : "CHECK constraint"));
    assert_int_equal(count_rows(f, "acme_entry"), 3); /* nothing was written */
    static const char *const rest[] = { ENTRY(2, "c", 1), ENTRY(1, "c", 30), ENTRY(2, "d", 1),
                                        ENTRY(1, "e", 10), ENTRY(2, "e", 1) };
    assert_int_equal(write_entries(f, ss, &lane, rest, 5).result, STORE_OK);
    assert_string_equal(plugin_sql(f, "SELECT balance FROM acme_account WHERE tenant = 1"), "0");
    close_session(f, ss);
}

/* Many bad ones in a large turn are found at once, and by their numbers. */
void guilty_rows_are_found_among_many(void **state)
{
    enum { N = 1500, EVERY = 100 };
    struct fixture *f = fixture_of(state);
    use_tables(f);
    struct store_session *ss = open_session(f, 0);
    struct store_lane lane = assign(f, ss, 1, 0, 0);
    struct store_row *rows = xcalloc(N, sizeof *rows);
    char(*json)[100] = xcalloc(N, sizeof *json);
    for (uint32_t i = 0; i < N; i++) {
        snprintf(json[i], sizeof json[i], "{\"tenant\":2,\"idem\":\"%u\",\"amount\":%d}", i,
                 i % EVERY == 7 ? 5000000 : 1);
        rows[i] = (struct store_row){ .table = STR("acme_entry"),
                                      .row = str_of(json[i]),
                                      .unique = STR("tenant,idem") };
    }
    struct sample *s = sample(&lane, 1, 1);
    struct store_turn turn = { .blocks = &s->block, .n_blocks = 1, .rows = rows, .n_rows = N };
    struct committed c = commit(f, ss, &turn);
    assert_int_equal(c.result, STORE_BAD_ROWS);
    assert_int_equal(c.n_bad, N / EVERY);
    for (uint32_t i = 0; i < c.n_bad; i++)
        assert_int_equal(c.bad[i], i * EVERY + 7);
    sample_fini(s);
    free(rows);
    free(json);
    close_session(f, ss);
}
