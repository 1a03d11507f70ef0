/* SPDX-License-Identifier: Apache-2.0
 * accounts: a plugin with tables of its own, for the guide's part on them (sdk/README.md). Accounts
 * that never go below zero, whatever happens: an entry is a row of commit_row(), written once, and
 * a trigger of the database moves the balance in the same transaction.
 *
 *   charge   writes an entry; an execution that would overdraw the account fails, the others do not
 *   balance  asks for a balance: one statement for all items of a frame
 *   move     takes from one account and gives to another, both or neither
 */
#include <catalyst/plugin.h>
#include <stdlib.h>
#include <string.h>

/* --- tables ----------------------------------------------------------------------------------- */

static const wf_migration migrations[] = {
    { .number = 1,
      .name = "accounts and their entries",
      .pg =
          "CREATE TABLE accounts_account (id text PRIMARY KEY, balance bigint NOT NULL DEFAULT 0,\n"
          "    CONSTRAINT accounts_funds CHECK (balance >= 0));\n"
          "CREATE TABLE accounts_entry (account text NOT NULL, key text NOT NULL,\n"
          "    amount bigint NOT NULL, UNIQUE (account, key)) PARTITION BY HASH (account);\n"
          "CREATE TABLE accounts_entry_0 PARTITION OF accounts_entry\n"
          "    FOR VALUES WITH (MODULUS 2, REMAINDER 0);\n"
          "CREATE TABLE accounts_entry_1 PARTITION OF accounts_entry\n"
          "    FOR VALUES WITH (MODULUS 2, REMAINDER 1);\n"
          /* Once per statement, so once per turn: locks in one order, one update per account. */
          "CREATE FUNCTION accounts_move() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN\n"
          "    INSERT INTO accounts_account (id) SELECT DISTINCT account FROM fresh\n"
          "        ORDER BY account ON CONFLICT DO NOTHING;\n"
          "    PERFORM 1 FROM accounts_account WHERE id IN (SELECT account FROM fresh)\n"
          "        ORDER BY id FOR UPDATE;\n"
          "    UPDATE accounts_account a SET balance = a.balance + f.amount\n"
          "        FROM (SELECT account, sum(amount) AS amount FROM fresh GROUP BY account) f\n"
          "        WHERE a.id = f.account;\n"
          "    RETURN NULL;\n"
          "END $$;\n"
          "CREATE TRIGGER accounts_entry_moves AFTER INSERT ON accounts_entry\n"
          "    REFERENCING NEW TABLE AS fresh FOR EACH STATEMENT EXECUTE FUNCTION accounts_move()",
      .sqlite =
          "CREATE TABLE accounts_account (id TEXT PRIMARY KEY, balance INTEGER NOT NULL\n"
          "    DEFAULT 0, CONSTRAINT accounts_funds CHECK (balance >= 0));\n"
          "CREATE TABLE accounts_entry (account TEXT NOT NULL, key TEXT NOT NULL,\n"
          "    amount INTEGER NOT NULL, UNIQUE (account, key));\n"
          "CREATE TRIGGER accounts_entry_moves AFTER INSERT ON accounts_entry BEGIN\n"
          "    INSERT INTO accounts_account (id) VALUES (NEW.account) ON CONFLICT DO NOTHING;\n"
          "    UPDATE accounts_account SET balance = balance + NEW.amount\n"
          "        WHERE id = NEW.account;\n"
          "END" },
    { .number = 2,
      .name = "notes of accounts",
#ifdef EDITED_MIGRATION /* what nobody should do: tests show that it is noticed */
      .pg = "ALTER TABLE accounts_account ADD COLUMN remark text",
      .sqlite = "ALTER TABLE accounts_account ADD COLUMN remark TEXT" },
#else
      .pg = "ALTER TABLE accounts_account ADD COLUMN note text",
      .sqlite = "ALTER TABLE accounts_account ADD COLUMN note TEXT" },
#endif
};

/* --- the node --------------------------------------------------------------------------------- */

enum operation { CHARGE, BALANCE, MOVE };

struct config {
    int operation;
    wf_str account, to, key;
    int64_t amount;
};

static const wf_pair operations[] = { { "charge", "Write an entry" },
                                      { "balance", "Ask for the balance" },
                                      { "move", "Take from one account, give to another" },
                                      { NULL, NULL } };
static const wf_param params[] = {
    { WF_P_CHOICE(struct config, operation, operations), .def = "charge", .help = "What to do" },
    { WF_P_STR(struct config, account), .flags = WF_REQUIRED | WF_EXPR, .help = "The account" },
    { WF_P_STR(struct config, to), .flags = WF_REQUIRED | WF_EXPR, .show_if = "operation=move",
      .help = "The other account" },
    { WF_P_STR(struct config, key), .flags = WF_EXPR, .show_if = "operation=charge",
      .help = "Names the entry: written once. Default: the item's own key" },
    { WF_P_INT(struct config, amount), .flags = WF_EXPR, .def = "0",
      .show_if = "operation=charge|move", .help = "How much; below zero takes" },
    WF_END,
};

struct state {
    const wf_ledger *ledger;
    const wf_sql *sql;
};

static void *accounts_open(const wf_host *h, wf_inst *inst, wf_error *why)
{
    struct state *s = calloc(1, sizeof *s);
    (void)inst;
    if (s)
        *s = (struct state){ h->service("ledger/1"), h->service("sql/1") };
    if (s && s->ledger && s->sql)
        return s;
    free(s);
    *why = (wf_error){ .size = sizeof *why,
                       .fault = WF_ACCOUNT,
                       .detail = { "this engine has no tables for plugins", 37 } };
    return NULL;
}

static void accounts_close(const wf_host *h, void *state)
{
    (void)h;
    free(state);
}

static void charge(const wf_host *h, const struct state *s, wf_item *it, const struct config *c)
{
    const wf_value *row =
        h->build(it, "{s:S,s:S,s:i}", "account", c->account, "key",
                 c->key.len ? c->key : h->fmt(it, "%s", h->key(it)), "amount", c->amount);
    if (s->ledger->commit_row(it, "accounts_entry", row, "account,key") != 0)
        h->fail(it, "the store does not take entries");
    else
        h->pass(it, 0);
}

/* --- asking: all of a frame in one statement -------------------------------------------------- */

/* Items are parked while the statement is under way; a ticket may be stale when it is back. */
struct asked {
    size_t n;
    wf_ticket tickets[];
};

static void tell_balance(const wf_host *h, wf_item *it, const wf_rows *rows)
{
    const struct config *c = h->config(it);
    for (size_t i = 0; i < rows->n_rows; i++) {
        const wf_str *row = &rows->cells[2 * i];
        if (row[0].len != c->account.len || memcmp(row[0].ptr, c->account.ptr, row[0].len) != 0)
            continue;
        h->emit(it, 0,
                h->build(it, "{s:S,s:i}", "account", c->account, "balance",
                         (int64_t)strtoll(row[1].ptr, NULL, 10)));
        return;
    }
    h->emit(it, 0, h->build(it, "{s:S,s:n}", "account", c->account, "balance"));
}

static void fail_all(const wf_host *h, const struct asked *a, const wf_rows *rows)
{
    wf_error error = { .size = sizeof error,
                       .fault = rows->retryable ? WF_TRANSIENT : WF_REJECTED };
    for (size_t i = 0; i < a->n; i++) {
        wf_item *it = h->resume(h, a->tickets[i]);
        if (it)
            h->fail_with(it, &error, "%s", rows->error);
    }
}

static void on_balances(const wf_host *h, void *arg, const wf_rows *rows)
{
    struct asked *a = arg;
    if (rows->error)
        fail_all(h, a, rows);
    for (size_t i = 0; i < a->n && !rows->error; i++) {
        wf_item *it = h->resume(h, a->tickets[i]);
        if (it)
            tell_balance(h, it, rows);
    }
    free(a);
}

/* The same text for every frame, so that it is prepared once: the accounts go as one JSON array. */
static void ask_balances(const wf_host *h, const struct state *s, wf_item *const *items, size_t n)
{
    struct asked *a = malloc(sizeof *a + n * sizeof *a->tickets);
    const wf_value **names = h->alloc(items[0], n * sizeof *names);
    if (!a)
        abort();
    a->n = n;
    for (size_t i = 0; i < n; i++) {
        const struct config *c = h->config(items[i]);
        names[i] = h->v->of_str(items[0], c->account.ptr, c->account.len);
    }
    wf_str json = h->v->json(items[0], h->v->array(items[0], names, n));
    wf_statement ask = {
        .pg = "SELECT id, balance FROM accounts_account\n"
              "WHERE id IN (SELECT jsonb_array_elements_text($1::jsonb))",
        .sqlite = "SELECT id, balance FROM accounts_account\n"
                  "WHERE id IN (SELECT value FROM json_each($1))",
        .params = &json,
        .n_params = 1,
    };
    for (size_t i = 0; i < n; i++)
        a->tickets[i] = h->park(items[i], 60000);
    if (s->sql->run(h->inst(items[0]), &ask, 1, on_balances, a) == 0)
        return;
    static const wf_rows none = { .size = sizeof none, .error = "this engine has no store for it" };
    fail_all(h, a, &none);
    free(a);
}

/* --- moving: a transaction -------------------------------------------------------------------- */

static void on_moved(const wf_host *h, void *arg, const wf_rows *rows)
{
    wf_ticket *ticket = arg;
    wf_item *it = h->resume(h, *ticket);
    free(ticket);
    if (!it)
        return;
    if (!rows->error)
        h->emit(it, 0, h->build(it, "{s:b}", "moved", 1));
    else if (rows->missed >= 0)
        h->fail(it, "there is no account '%s'",
                rows->missed ? ((const struct config *)h->config(it))->to.ptr
                             : ((const struct config *)h->config(it))->account.ptr);
    else /* maybe_done: it may have happened, so it is not repeated blindly */
        h->fail_with(it,
                     &(wf_error){ .size = sizeof(wf_error),
                                  .fault = rows->maybe_done  ? WF_UNKNOWN
                                           : rows->retryable ? WF_TRANSIENT
                                                             : WF_REJECTED },
                     "%s", rows->error);
}

static void move(const wf_host *h, const struct state *s, wf_item *it, const struct config *c)
{
    static const char update[] =
        "UPDATE accounts_account SET balance = balance + CAST($1 AS bigint) WHERE id = $2";
    wf_str from[] = { h->fmt(it, "%lld", (long long)-c->amount), c->account };
    wf_str to[] = { h->fmt(it, "%lld", (long long)c->amount), c->to };
    wf_statement both[] = {
        { .pg = update, .params = from, .n_params = 2, .flags = WF_SQL_MUST_HIT },
        { .pg = update, .params = to, .n_params = 2, .flags = WF_SQL_MUST_HIT },
    };
    wf_ticket *ticket = malloc(sizeof *ticket);
    if (!ticket)
        abort();
    *ticket = h->park(it, 60000);
    if (s->sql->run(h->inst(it), both, 2, on_moved, ticket) == 0)
        return;
    free(ticket);
    h->fail(it, "this engine has no store for it");
}

static void process(const wf_host *h, wf_item *const *items, size_t n)
{
    const struct state *s = h->state(items[0]);
    const struct config *first = h->config(items[0]);
    if (first->operation == BALANCE) { /* no expression can change it: it is the same for all */
        ask_balances(h, s, items, n);
        return;
    }
    for (size_t i = 0; i < n; i++) {
        const struct config *c = h->config(items[i]);
        if (c->operation == CHARGE)
            charge(h, s, items[i], c);
        else
            move(h, s, items[i], c);
    }
}

static const char *const ports[] = { "main", NULL };
static const wf_node nodes[] = { { .type = "acme.accounts",
                                   .help = "Accounts that never go below zero.",
                                   .ports = ports,
                                   .params = params,
                                   .config_size = sizeof(struct config),
                                   .process = process,
                                   .open = accounts_open,
                                   .close = accounts_close,
                                   .group = "data" } };

extern const wf_plugin wf_plugin_entry;
WF_EXPORT const wf_plugin wf_plugin_entry = { WF_PLUGIN_BASE("accounts", "1.0.0", nodes),
                                              .migrations = migrations, .n_migrations = 2 };
