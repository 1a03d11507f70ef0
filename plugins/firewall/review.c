/* SPDX-License-Identifier: Apache-2.0
 * catalyst.firewallReview: what is held is listed, released, denied or expires, and rules tell
 * their hits.
 *
 * A decision is durable before the item goes on, so it carries the item's key: when the engine dies
 * in between and the item runs again, the same key finds what it had decided and goes on with it,
 * while another's decision is not taken twice.
 *
 * Thread: the worker's; statements run in the store and items wait parked. Nothing blocks.
 */
#include "firewall_int.h"
#include "other_nodes.h"
#include <stdio.h>
#include <stdlib.h>

#define KEY(text)                                                                                  \
    {                                                                                              \
        text, sizeof(text) - 1                                                                     \
    }
#define COLUMNS                                                                                    \
    "id, tenant_id, message_id, rule, reason, version, state, held_us, until_us, decided_us, "     \
    "decided_by, message"
enum { OP_LIST, OP_RELEASE, OP_DENY, OP_EXPIRE, OP_RULES };
enum { FOUND, NONE };
enum { ANSWER_MS = 30000 };

static const wf_pair operations[] = {
    { "list", "What is held, the oldest first" },
    { "release", "Let a message go on" },
    { "deny", "Deny a message for good" },
    { "expire", "End those whose time is over" },
    { "rules", "Rules with their hits in this process" },
    { NULL, NULL },
};

const wf_param review_params[] = {
    { WF_P_CHOICE(struct review_config, operation, operations), .def = "list",
      .help = "What to do" },
    { WF_P_STR(struct review_config, id), .flags = WF_REQUIRED | WF_EXPR,
      .show_if = "operation=release|deny", .help = "The row's id, as list and quarantine tell it" },
    { WF_P_STR(struct review_config, tenant), .flags = WF_EXPR, .show_if = "operation=list",
      .help = "Of this tenant only; empty: of all" },
    { WF_P_STR(struct review_config, by), .flags = WF_EXPR, .show_if = "operation=release|deny",
      .help = "Who decided, for the row" },
    { WF_P_INT(struct review_config, limit), .flags = WF_EXPR, .def = "100", .min = 1, .max = 1000,
      .show_if = "operation=list|expire", .help = "At most so many at a time" },
    { WF_P_STR(struct review_config, rules), .flags = WF_REQUIRED, .show_if = "operation=rules",
      .help = "The rules file of the firewall" },
    WF_END,
};

const wf_pair review_codes[] = {
    { "store", "The engine's store cannot do it, or lacks the table" },
    { "rules", "No firewall of this process has loaded that rules file" },
    { NULL, NULL },
};

struct review {
    const wf_host *h;
    wf_inst *inst;
    const wf_sql *sql;
};

struct asked {
    wf_ticket ticket;
    const wf_host *h;
};

void *review_open(const wf_host *h, wf_inst *inst, wf_error *why)
{
    struct review *r = calloc(1, sizeof *r);
    (void)why;
    if (!r)
        abort();
    *r = (struct review){ h, inst, h->service("sql/1") };
    return r;
}

void review_close(const wf_host *h, void *state)
{
    (void)h;
    free(state);
}

/* --- answers ---------------------------------------------------------------------------------- */

static const wf_value *number_of(const wf_host *h, wf_item *it, wf_str cell)
{
    return cell.ptr ? h->v->of_int(it, strtoll(cell.ptr, NULL, 10)) : NULL;
}

static const wf_value *text_cell(const wf_host *h, wf_item *it, wf_str cell)
{
    return cell.ptr ? h->v->of_str(it, cell.ptr, cell.len) : NULL;
}

/* {message, its members.., quarantine: {id, state, ..}}: a released message is what it was. */
static const wf_value *row_value(const wf_host *h, wf_item *it, const wf_str *cells, size_t n)
{
    static const wf_str keys[] = { KEY("id"),         KEY("tenant_id"), KEY("message_id"),
                                   KEY("rule"),       KEY("reason"),    KEY("version"),
                                   KEY("state"),      KEY("held_us"),   KEY("until_us"),
                                   KEY("decided_us"), KEY("decided_by") };
    enum { N = sizeof keys / sizeof *keys };
    const wf_value *values[N];
    const char *why = NULL;
    if (n <= N)
        return NULL;
    for (size_t i = 0; i < N; i++)
        values[i] = i >= 7 && i <= 9 ? number_of(h, it, cells[i]) : text_cell(h, it, cells[i]);
    const wf_value *message = cells[N].ptr ? h->v->parse(it, cells[N], &why) : NULL;
    return h->v->set_key(it, message, (wf_str)KEY("quarantine"), h->v->object(it, keys, values, N));
}

/* Rows of metrics, in the order of the operations. */
static void count_decided(const wf_host *h, wf_item *it, size_t n)
{
    const struct review_config *c = h->config(it);
    if (n && c->operation >= OP_RELEASE && c->operation <= OP_EXPIRE)
        h->count(h->inst(it), (unsigned)(c->operation - OP_RELEASE), (int64_t)n);
}

static void tell_rows(const wf_host *h, wf_item *it, const wf_rows *rows)
{
    count_decided(h, it, rows->n_rows);
    for (size_t i = 0; i < rows->n_rows; i++) {
        const wf_value *v = row_value(h, it, rows->cells + i * rows->n_columns, rows->n_columns);
        if (v)
            h->push(it, FOUND, v);
    }
    if (!rows->n_rows)
        h->push(it, NONE, h->value(it));
    h->done(it);
}

static void on_answer(const wf_host *h, void *arg, const wf_rows *rows)
{
    struct asked *asked = arg;
    wf_item *it = asked->h->resume(asked->h, asked->ticket);
    wf_error e = { .size = sizeof e, .fault = WF_TRANSIENT, .code = "store" };
    free(asked);
    if (!it)
        return;
    if (!rows->error) {
        tell_rows(h, it, rows);
        return;
    }
    /* Repeating is harmless: decisions carry the item's key. */
    e.fault = rows->retryable || rows->maybe_done ? WF_TRANSIENT : WF_ACCOUNT;
    h->fail_with(it, &e, "firewall: %s", rows->error);
}

/* --- questions -------------------------------------------------------------------------------- */

static const char decide_one[] = "UPDATE firewall_quarantine SET state = $2, decided_us = "
                                 "$3::bigint, decided_by = $4, decided_key = $5"
                                 " WHERE id = $1 AND state = 'held'";
static const char find_one[] =
    "SELECT " COLUMNS " FROM firewall_quarantine WHERE id = $1 AND state = $2 AND decided_key = $3";
static const char list_held[] =
    "SELECT " COLUMNS
    " FROM firewall_quarantine WHERE state = 'held' AND ($1 = '' OR tenant_id = $1)"
    " ORDER BY held_us, id LIMIT $2::bigint";
static const char expire_some[] =
    "UPDATE firewall_quarantine SET state = 'expired', decided_us = $1::bigint, decided_by = '',"
    " decided_key = $2 WHERE id IN (SELECT id FROM firewall_quarantine WHERE state = 'held' AND"
    " until_us <= $1::bigint ORDER BY until_us LIMIT $3::bigint)"
    " AND state = 'held'"
    " AND NOT EXISTS (SELECT 1 FROM firewall_quarantine WHERE decided_key = $2)";
static const char find_expired[] =
    "SELECT " COLUMNS
    " FROM firewall_quarantine WHERE decided_key = $1 AND state = 'expired' ORDER BY"
    " until_us, id";

static void ask_store(struct review *r, wf_item *it, const wf_statement *statements, size_t n)
{
    wf_error e = { .size = sizeof e, .fault = WF_ACCOUNT, .code = "store" };
    struct asked *asked = calloc(1, sizeof *asked);
    if (!asked)
        abort();
    if (r->sql) {
        *asked = (struct asked){ r->h->park(it, ANSWER_MS), r->h };
        if (r->sql->run(r->inst, statements, n, on_answer, asked) == 0)
            return;
        it = r->h->resume(r->h, asked->ticket);
    }
    free(asked);
    if (it)
        r->h->fail_with(it, &e, "firewall: the engine has no store for statements");
}

static wf_str number_text(const wf_host *h, wf_item *it, int64_t n)
{
    return h->fmt(it, "%lld", (long long)n);
}

static void ask_one(struct review *r, wf_item *it, const struct review_config *c)
{
    const wf_host *h = r->h;
    wf_str key = h->fmt(it, "%s", h->key(it)), now = number_text(h, it, h->now_ms(it) * 1000);
    wf_str state = c->operation == OP_RELEASE ? (wf_str)KEY("released") : (wf_str)KEY("denied");
    wf_str decide[] = { c->id, state, now, c->by.ptr ? c->by : (wf_str){ "", 0 }, key };
    wf_str found[] = { c->id, state, key };
    wf_str list[] = { c->tenant.ptr ? c->tenant : (wf_str){ "", 0 }, number_text(h, it, c->limit) };
    wf_str expire[] = { now, key, number_text(h, it, c->limit) };
    const wf_statement one[] = { { .pg = decide_one, .params = decide, .n_params = 5 },
                                 { .pg = find_one, .params = found, .n_params = 3 } };
    const wf_statement held[] = { { .pg = list_held, .params = list, .n_params = 2 } };
    const wf_statement over[] = { { .pg = expire_some, .params = expire, .n_params = 3 },
                                  { .pg = find_expired, .params = &key, .n_params = 1 } };
    if (c->operation == OP_LIST)
        ask_store(r, it, held, 1);
    else if (c->operation == OP_EXPIRE)
        ask_store(r, it, over, 2);
    else
        ask_store(r, it, one, 2);
}

/* --- rules ------------------------------------------------------------------------------------ */

static const wf_value *rule_value(const wf_host *h, wf_item *it, const struct rules *rules,
                                  uint32_t i)
{
    const struct rule *rule = &rules->rules[i];
    return h->build(it, "{s:s,s:i,s:s,s:s,s:s,s:i,s:s}", "id", rule->id, "stage",
                    (int64_t)rule->stage, "action", verdict_name(rule->verdict), "mode",
                    rule->is_monitor ? "monitor" : "enforce", "reason", reason_name(rule->reason),
                    "hits", (int64_t)atomic_load(&rules->hits[i]), "version", rules->hash);
}

static void tell_rules(const wf_host *h, wf_item *it, const struct review_config *c)
{
    wf_error e = { .size = sizeof e, .fault = WF_TRANSIENT, .code = "rules" };
    struct rules *rules = keeper_rules_of(c->rules.ptr);
    if (!rules) {
        h->fail_with(it, &e, "no firewall of this process has loaded '%s'", c->rules.ptr);
        return;
    }
    for (uint32_t i = 0; i < rules->n; i++)
        h->push(it, FOUND, rule_value(h, it, rules, i));
    h->done(it);
    rules_unref(rules);
}

void review_process(const wf_host *h, wf_item *const *items, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const struct review_config *c = h->config(items[i]);
        if (c->operation == OP_RULES)
            tell_rules(h, items[i], c);
        else
            ask_one(h->state(items[i]), items[i], c);
    }
}

const char review_docs[] = "`list` gives each held message as it was, with `quarantine: {id, "
                           "tenant_id, message_id, rule, reason, "
                           "version, state,\nheld_us, until_us}` added. `release` and `deny` "
                           "decide one by `id`, once: the first "
                           "decision stands, and who comes later\nleaves on `none`. What is "
                           "released goes on as the message it "
                           "was, to the node behind port `found`: connect it to what\nstands "
                           "behind the firewall, not before it. "
                           "`expire` ends those whose time is over, up to `limit` at a time: run "
                           "it from\na schedule; whether they "
                           "go on or not is the workflow's to say.\n\n"
                           "`rules` gives each rule with its hits, counted by this process since "
                           "it started, over reloads.\n";
