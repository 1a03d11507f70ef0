/* SPDX-License-Identifier: Apache-2.0
 * catalyst.billingAccount: what people and schedules do with accounts. Each operation is one or two
 * transactions of the store; an item waits for its own.
 *
 * Thread: the worker's. Nothing blocks.
 */
#include "billing_int.h"
#include "metrics.h"
#include "schema.h"
#include <stdio.h>
#include <stdlib.h>

/* --- parameters ------------------------------------------------------------------------------- */

static const wf_pair account_operations[] = {
    { "topUp", "Add money, once for each key" },
    { "adjust", "Add or take money by hand, once for each key" },
    { "balance", "A tenant's money" },
    { "priceEnquiry", "What a message would cost" },
    { "invoice", "The lines of a month" },
    { "reconcile", "Find drift between accounts, ledger and cache" },
    { "expireHolds", "Give back what was held for too long, and what dead workers held" },
    { "loadRates", "A new version of a rate card" },
    { "changedBalances", "An item for each balance that changed lately" },
    { "applyEvent", "Write the line that an event of billing.events tells of, if it is not there" },
    { "setTenant", "Make a tenant, or change its settings" },
    { "lowBalances", "An item for each tenant whose money became low, or is no longer" },
    { NULL, NULL },
};
static const wf_pair account_directions[] = { { "mt", "To a phone" },
                                              { "mo", "From a phone" },
                                              { NULL, NULL } };

#define ACCOUNT_TENANTS "operation=topUp|adjust|balance|priceEnquiry|invoice|setTenant"
#define C               struct account_config
const wf_param account_params[] = {
    { WF_P_CHOICE(C, operation, account_operations), .def = "balance", .help = "What to do" },
    { WF_P_STR(C, tenant), .flags = WF_REQUIRED | WF_EXPR, .show_if = ACCOUNT_TENANTS,
      .help = "The tenant" },
    { WF_NAMED("amountMicro"), WF_F_INT(C, amount_micro), .flags = WF_REQUIRED | WF_EXPR,
      .show_if = "operation=topUp|adjust", .help = "Micro-units of the tenant's currency" },
    { WF_P_STR(C, key), .flags = WF_EXPR, .show_if = "operation=topUp|adjust",
      .help = "Names this change: the same key changes nothing twice; empty: the item's own" },
    { WF_P_STR(C, channel), .flags = WF_EXPR, .def = "sms", .show_if = "operation=priceEnquiry",
      .help = "The channel" },
    { WF_P_STR(C, to), .flags = WF_EXPR, .show_if = "operation=priceEnquiry",
      .help = "The number" },
    { WF_NAMED("class"), WF_F_STR(C, class_name), .flags = WF_EXPR,
      .show_if = "operation=priceEnquiry", .help = "The message's class" },
    { WF_P_STR(C, network), .flags = WF_EXPR, .show_if = "operation=priceEnquiry",
      .help = "MCC and MNC, where known" },
    { WF_P_CHOICE(C, direction, account_directions), .def = "mt",
      .show_if = "operation=priceEnquiry", .help = "Direction of the price" },
    { WF_P_INT(C, units), .flags = WF_EXPR, .def = "1", .min = 1, .max = 100000,
      .show_if = "operation=priceEnquiry", .help = "Segments, or whatever is counted" },
    { WF_NAMED("atUs"), WF_F_INT(C, at_us), .flags = WF_EXPR, .show_if = "operation=priceEnquiry",
      .help = "When, in microseconds since 1970; 0: now" },
    { WF_P_STR(C, month), .flags = WF_EXPR, .show_if = "operation=invoice",
      .help = "2026-07, in the tenant's time zone; empty: the month before this one" },
    { WF_P_BOOL(C, finish), .show_if = "operation=invoice",
      .help = "Close it: write its lines, book rounding and what volume bands change. Only when "
              "no hold of the month can be open any more" },
    { WF_P_VALUE(C, cache), .flags = WF_EXPR, .show_if = "operation=reconcile",
      .help = "Cached balances to compare: an array of {tenant_id, avail, held, version}" },
    { WF_P_STR(C, card), .flags = WF_REQUIRED | WF_EXPR, .show_if = "operation=loadRates",
      .help = "Name of the card: a tenant's `card`, a `tier`, or default" },
    { WF_P_STR(C, currency), .flags = WF_REQUIRED | WF_EXPR, .show_if = "operation=loadRates",
      .help = "Its currency, three letters" },
    { WF_NAMED("validFromUs"), WF_F_INT(C, from_us), .flags = WF_EXPR,
      .show_if = "operation=loadRates",
      .help = "From when it is valid, microseconds since 1970; 0: now. Only a card's first "
              "version may begin in the past" },
    { WF_P_STR(C, note), .flags = WF_EXPR, .show_if = "operation=loadRates", .help = "A remark" },
    { WF_P_VALUE(C, rows), .flags = WF_REQUIRED | WF_EXPR, .show_if = "operation=loadRates",
      .help = "An array of {channel, direction, class, prefix, price_micro, band_mode, bands}, or "
              "a CSV text with these names in its first line" },
    { WF_P_VALUE(C, settings), .flags = WF_EXPR, .show_if = "operation=setTenant",
      .help = "An object with columns of tenant_billing_config; what is left out stays as it is" },
    { WF_NAMED("within"), WF_F_MS(C, within_ms), .flags = WF_EXPR, .def = "10s",
      .show_if = "operation=changedBalances", .help = "How far back to look" },
    { WF_NAMED("lookBack"), WF_F_MS(C, within_ms), .flags = WF_EXPR, .def = "30d",
      .show_if = "operation=expireHolds", .help = "Holds older than this are not looked for" },
    { WF_NAMED("foldAfter"), WF_F_MS(C, fold_ms), .flags = WF_EXPR, .def = "7d",
      .show_if = "operation=expireHolds",
      .help = "Slices that ended so long ago become one row for each tenant" },
    { WF_P_STR(C, events), .show_if = "operation=expireHolds",
      .help = "Topic that gets an event for every hold given back; empty: none" },
    { WF_NAMED("belowMicro"), WF_F_INT(C, below_micro), .flags = WF_EXPR, .def = "5000000",
      .min = 1, .max = INT64_MAX, .show_if = "operation=lowBalances",
      .help = "Low: who can spend less, balance and limit together" },
    { WF_NAMED("overMicro"), WF_F_INT(C, clear_micro), .flags = WF_EXPR, .def = "6000000", .min = 1,
      .max = INT64_MAX, .show_if = "operation=lowBalances",
      .help = "No longer low: who can spend that much again" },
    { WF_P_INT(C, limit), .flags = WF_EXPR, .def = "10000", .min = 1, .max = 100000,
      .show_if = "operation=changedBalances|expireHolds|reconcile|lowBalances",
      .help = "The most rows of one run" },
    WF_END,
};
#undef C

const wf_metric account_metrics[] = {
    { WF_COUNTER, "billing_account_done_total", NULL, "Operations done" },
    { WF_COUNTER, "billing_account_refused_total", NULL, "Operations refused" },
    { WF_COUNTER, "billing_holds_expired_total", NULL, "Holds given back because of their age" },
    { WF_COUNTER, "billing_drift_total", NULL, "Differences that reconciling found" },
    ACCOUNT_GAUGES,
    { (wf_metric_kind)0, NULL, NULL, NULL },
};

int account_check(const wf_host *h, const void *config, char *why, size_t why_size)
{
    const struct account_config *c = config;
    (void)h;
    if (c->operation == ACCOUNT_LOAD && c->currency.len &&
        currency_places(c->currency.ptr, c->currency.len) < 0) {
        snprintf(why, why_size, "currency '%s' is none of ISO 4217", c->currency.ptr);
        return -1;
    }
    return 0;
}

/* --- jobs ------------------------------------------------------------------------------------- */

static const wf_host *host_of(const struct account_job *job) { return job->node->worker->h; }

void account_emit(struct account_job *job, wf_item *it, const wf_value *billing)
{
    const wf_host *h = host_of(job);
    h->count(job->node->inst, ACCOUNT_COUNT_DONE, 1);
    h->emit(it, ACCOUNT_DONE, h->v->set_key(it, h->value(it), STR_OF("billing"), billing));
    free(job);
}

void account_refuse(struct account_job *job, wf_item *it, const char *reason, const char *words)
{
    const wf_host *h = host_of(job);
    h->count(job->node->inst, ACCOUNT_COUNT_REFUSED, 1);
    const wf_value *billing =
        h->build(it, "{s:s,s:s,s:s}", "op", "refused", "reason", reason, "text", words);
    h->emit(it, ACCOUNT_REFUSED, h->v->set_key(it, h->value(it), STR_OF("billing"), billing));
    free(job);
}

/* The database's words as a reason: constraints and triggers have names of their own. */
static const char *reason_of(const char *error)
{
    static const char *const words[][2] = {
        { "billing_no_overdraft", "no_funds" },
        { "same_key_other_body", "conflict" },
        { "idempotency_key_key", "conflict" },
        { "billing_transactions.tenant_id", "conflict" },
        { "must be later", "conflict" },
        { "more than was charged", "too_much" },
        { "currency of an account", "bad_message" },
        { "violates", "bad_message" },
        { "constraint failed", "bad_message" },
        { "invalid input", "bad_message" },
        { "cash_micro + credit_limit_micro", "no_funds" },
    };
    for (size_t i = 0; i < COUNT_OF(words); i++)
        if (strstr(error, words[i][0]))
            return words[i][1];
    return NULL;
}

static void on_job(struct worker *w, struct node *node, void *arg, const wf_rows *rows)
{
    struct account_job *job = arg;
    wf_item *it = node->is_closed ? NULL : node->h->resume(node->h, job->ticket);
    const char *reason = rows->error && !rows->retryable ? reason_of(rows->error) : NULL;
    if (!it) {
        free(job);
    } else if (reason) {
        account_refuse(job, it, reason, rows->error);
    } else if (rows->error && rows->retryable) {
        w->h->retry(it, 1000, "billing: the store: %s", rows->error);
        free(job);
    } else if (rows->error) {
        w->h->fail(it, "billing: the store: %s", rows->error);
        free(job);
    } else {
        job->then(job, it, rows);
    }
}

void account_run(struct account_job *job, wf_item *it, const wf_statement *statements, size_t n,
                 void (*then)(struct account_job *, wf_item *, const wf_rows *))
{
    job->then = then;
    if (worker_sql(job->node->worker, job->node, statements, n, on_job, job) == 0) {
        job->ticket = host_of(job)->park(it, 120000);
        return;
    }
    host_of(job)->fail(it, "billing: the engine has no store");
    free(job);
}

/* A name with # is a number, one with ? may be missing. */
const wf_value *account_row(const wf_host *h, wf_item *it, const char *const *names,
                            const wf_str *cells)
{
    const wf_value *row = NULL;
    for (size_t i = 0; names[i]; i++) {
        int is_number = *names[i] == '#';
        const wf_value *v = !cells[i].ptr ? h->v->of_str(it, "", 0)
                            : is_number   ? h->v->of_int(it, int_of(cells[i]))
                                          : h->v->of_str(it, cells[i].ptr, cells[i].len);
        const char *name = names[i] + is_number;
        row = h->v->set_key(it, row, (wf_str){ name, strlen(name) }, v);
    }
    return row;
}

void account_push_rows(struct account_job *job, wf_item *it, const wf_rows *rows,
                       const char *const *names)
{
    const wf_host *h = host_of(job);
    for (size_t i = 0; i < rows->n_rows; i++)
        h->push(it, ACCOUNT_DONE, account_row(h, it, names, rows->cells + i * rows->n_columns));
    h->count(job->node->inst, ACCOUNT_COUNT_DONE, 1);
    h->done(it);
    free(job);
}

static wf_str account_number(const wf_host *h, wf_item *it, int64_t n)
{
    return h->fmt(it, "%lld", (long long)n);
}

/* --- balances --------------------------------------------------------------------------------- */

#define BALANCE_COLUMNS                                                                            \
    "tenant_id, currency, avail_micro, held_micro, spent_micro, topups_micro, "                    \
    "credit_limit_micro, version, updated_us"
static const char *const balance_names[] = { "tenant_id", "ccy",    "#avail",   "#held",  "#spent",
                                             "#topups",   "#limit", "#version", "#as_of", NULL };

static void on_balance(struct account_job *job, wf_item *it, const wf_rows *rows)
{
    if (rows->n_rows != 1) {
        account_refuse(job, it, "unknown_tenant", "the tenant has no billing settings");
        return;
    }
    /* The next message is served from what there is now. */
    struct worker *w = job->node->worker;
    struct tenant *t = tenant_of(w, rows->cells[0].ptr, rows->cells[0].len);
    t->retry_ms = 0;
    account_emit(job, it, account_row(host_of(job), it, balance_names, rows->cells));
}

static void balance_start(struct account_job *job, wf_item *it)
{
    const wf_statement statement = { .pg = "SELECT " BALANCE_COLUMNS
                                           " FROM billing_balances WHERE tenant_id = $1",
                                     .params = &job->tenant,
                                     .n_params = 1 };
    account_run(job, it, &statement, 1, on_balance);
}

static void fund_start(struct account_job *job, wf_item *it)
{
    const wf_host *h = host_of(job);
    const struct account_config *c = job->c;
    int is_topup = c->operation == ACCOUNT_TOP_UP;
    const char *key = c->key.len ? c->key.ptr : h->key(it);
    if (is_topup && c->amount_micro <= 0) {
        account_refuse(job, it, "bad_message", "amountMicro is not more than 0");
        return;
    }
    const wf_str params[] = { job->tenant, h->fmt(it, "%s:%s", is_topup ? "topup" : "adjust", key),
                              account_number(h, it, c->amount_micro),
                              is_topup ? STR_OF("topup") : STR_OF("adjust") };
    const wf_statement statements[] = {
        { .pg = "INSERT INTO billing_transactions (tenant_id, idempotency_key, body, op, "
                "amount_micro, currency) SELECT tenant_id, $2, CAST($3 AS bigint), $4, "
                "CAST($3 AS bigint), currency FROM tenant_billing_config WHERE tenant_id = "
                "$1 " LEDGER_ONCE,
          .params = params,
          .n_params = 4 },
        { .pg = "SELECT " BALANCE_COLUMNS " FROM billing_balances WHERE tenant_id = $1",
          .params = params,
          .n_params = 1 },
    };
    account_run(job, it, statements, 2, on_balance);
}

static void on_changed(struct account_job *job, wf_item *it, const wf_rows *rows)
{
    account_push_rows(job, it, rows, balance_names);
}

static void changed_start(struct account_job *job, wf_item *it)
{
    const wf_host *h = host_of(job);
    const wf_str params[] = { account_number(h, it, job->c->within_ms * 1000),
                              account_number(h, it, job->c->limit) };
#define CHANGED(now)                                                                               \
    "SELECT " BALANCE_COLUMNS " FROM billing_balances WHERE updated_us >= " now                    \
    " - CAST($1 AS bigint) ORDER BY updated_us DESC LIMIT CAST($2 AS bigint)"
    const wf_statement statement = {
        .pg = CHANGED(NOW_US_PG), .sqlite = CHANGED(NOW_US_SQLITE), .params = params, .n_params = 2
    };
    account_run(job, it, &statement, 1, on_changed);
}

/* --- prices ----------------------------------------------------------------------------------- */

static void on_price(struct account_job *job, wf_item *it, const wf_rows *rows)
{
    const struct account_config *c = job->c;
    struct worker *w = job->node->worker;
    const wf_host *h = w->h;
    struct rate_hit hit;
    char digits[16];
    int64_t amount = 0, unit = 0;
    if (rows->n_rows != 1) {
        account_refuse(job, it, "unknown_tenant", "the tenant has no billing settings");
        return;
    }
    if (!w->rates) {
        h->retry(it, 200, "billing: the rate cards are being loaded");
        free(job);
        return;
    }
    struct tenant *t = tenant_of(w, job->tenant.ptr, job->tenant.len);
    tenant_fill(w, t, rows->cells);
    const char *const names[] = { t->card, t->tier, "default" };
    const struct rate_card *cards[3];
    for (unsigned i = 0; i < 3; i++)
        cards[i] = *names[i] ? rates_card(w->rates, names[i]) : NULL;
    struct rate_query q = { .channel = c->channel.ptr,
                            .channel_len = c->channel.len,
                            .class_name = c->class_name.ptr,
                            .class_len = c->class_name.len,
                            .network = c->network.ptr,
                            .network_len = c->network.len,
                            .digits = digits,
                            .digits_len = number_digits(c->to.ptr, c->to.len, digits),
                            .direction = c->direction ? "mo" : "mt",
                            .direction_len = 2,
                            .currency = t->currency,
                            .at_us = c->at_us ? c->at_us : h->now_ms(it) * 1000 };
    if (rates_find(w->rates, cards, 3, &q, &hit) != 0) {
        account_refuse(job, it, "no_rate", "no card of the tenant has a price for it");
        return;
    }
    struct money_month month = month_of(t->zone, q.at_us);
    const struct usage *u = tenant_usage(t, hit.card->name, month.number);
    rate_price(w->rates, hit.rate, t->bundle, u->base + u->delta, c->units, &amount, &unit);
    account_emit(job, it,
                 h->build(it, "{s:s,s:i,s:i,s:i,s:s,s:s,s:i,s:s}", "op", "priceEnquiry", "units",
                          c->units, "price_micro", amount, "unit_micro", unit, "ccy", t->currency,
                          "card", hit.card->name, "version", hit.version->number, "prefix",
                          hit.rate->prefix));
}

static void price_start(struct account_job *job, wf_item *it)
{
    const wf_statement statement = { .pg = "SELECT " CONFIG_COLUMNS
                                           " FROM tenant_billing_config c WHERE c.tenant_id = $1",
                                     .params = &job->tenant,
                                     .n_params = 1 };
    account_run(job, it, &statement, 1, on_price);
}

/* --- tenants and events ----------------------------------------------------------------------- */

static void tenant_start(struct account_job *job, wf_item *it)
{
    static const char *const names[] = {
        "currency", "time_zone",          "mode",       "card",        "tier", "charge_points",
        "status",   "credit_limit_micro", "hold_ttl_s", "bundle_units"
    };
    const wf_host *h = host_of(job);
    wf_str params[COUNT_OF(names) + 1] = { job->tenant };
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        const wf_value *v = h->v->get(job->c->settings, names[i], strlen(names[i]));
        if (v && h->v->type(v) != WF_JSON_NULL)
            params[i + 1] = h->v->text(it, v);
    }
    if (params[1].ptr && currency_places(params[1].ptr, params[1].len) < 0) {
        account_refuse(job, it, "bad_message", "the currency is none of ISO 4217");
        return;
    }
    const wf_statement statements[] = {
        { .pg = "UPDATE tenant_billing_config SET currency = COALESCE($2, currency), "
                "time_zone = COALESCE($3, time_zone), mode = COALESCE($4, mode), "
                "card = COALESCE($5, card), tier = COALESCE($6, tier), "
                "charge_points = COALESCE($7, charge_points), status = COALESCE($8, status), "
                "credit_limit_micro = COALESCE(CAST($9 AS bigint), credit_limit_micro), "
                "hold_ttl_s = COALESCE(CAST($10 AS bigint), hold_ttl_s), "
                "bundle_units = COALESCE(CAST($11 AS bigint), bundle_units) WHERE tenant_id = $1",
          .params = params,
          .n_params = 11 },
        { .pg = "INSERT INTO tenant_billing_config (tenant_id, currency, time_zone, mode, card, "
                "tier, charge_points, status, credit_limit_micro, hold_ttl_s, bundle_units) "
                "SELECT CAST($1 AS text), COALESCE($2, 'EUR'), COALESCE($3, 'UTC'), "
                "COALESCE($4, 'prepaid'), COALESCE($5, ''), COALESCE($6, ''), COALESCE($7, ''), "
                "COALESCE($8, 'active'), COALESCE(CAST($9 AS bigint), 0), "
                "COALESCE(CAST($10 AS bigint), 259200), COALESCE(CAST($11 AS bigint), 0) "
                "WHERE NOT EXISTS (SELECT 1 FROM tenant_billing_config WHERE tenant_id = $1)",
          .params = params,
          .n_params = 11 },
        { .pg = "SELECT " BALANCE_COLUMNS " FROM billing_balances WHERE tenant_id = $1",
          .params = params,
          .n_params = 1 },
    };
    account_run(job, it, statements, 3, on_balance);
}

static void on_applied(struct account_job *job, wf_item *it, const wf_rows *rows)
{
    const wf_host *h = host_of(job);
    account_emit(job, it,
                 h->build(it, "{s:s,s:b}", "op", "applyEvent", "written", (int)(rows->n_rows > 0)));
}

static void apply_start(struct account_job *job, wf_item *it)
{
    static const char *const names[] = { "tenant_id",   "idem",       "body",     "op",
                                         "price_micro", "hold_micro", "units",    "unit_micro",
                                         "ccy",         "channel",    "card",     "ver",
                                         "prefix",      "slice",      "accept_us" };
    const wf_host *h = host_of(job);
    wf_str params[COUNT_OF(names)];
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        const wf_value *v = h->v->get(h->value(it), names[i], strlen(names[i]));
        if (!v || h->v->type(v) == WF_JSON_NULL) {
            account_refuse(job, it, "bad_message",
                           h->fmt(it, "the event has no member '%s'", names[i]).ptr);
            return;
        }
        params[i] = h->v->text(it, v);
    }
    const wf_statement statement = {
        .pg = "INSERT INTO billing_transactions (tenant_id, idempotency_key, body, op, "
              "amount_micro, hold_micro, units, unit_micro, currency, channel, card, version, "
              "prefix, slice_id, accept_us) VALUES ($1, $2, CAST($3 AS bigint), $4, "
              "CAST($5 AS bigint), CAST($6 AS bigint), CAST($7 AS bigint), CAST($8 AS bigint), $9, "
              "$10, $11, CAST($12 AS bigint), $13, CAST($14 AS bigint), CAST($15 AS "
              "bigint)) " LEDGER_ONCE " RETURNING tenant_id",
        .params = params,
        .n_params = 15
    };
    account_run(job, it, &statement, 1, on_applied);
}

/* --- the node --------------------------------------------------------------------------------- */

void account_process(const wf_host *h, wf_item *const *items, size_t n)
{
    static void (*const starts[])(struct account_job *, wf_item *) = {
        [ACCOUNT_TOP_UP] = fund_start,     [ACCOUNT_ADJUST] = fund_start,
        [ACCOUNT_BALANCE] = balance_start, [ACCOUNT_PRICE] = price_start,
        [ACCOUNT_INVOICE] = invoice_start, [ACCOUNT_RECONCILE] = reconcile_start,
        [ACCOUNT_EXPIRE] = expire_start,   [ACCOUNT_LOAD] = load_start,
        [ACCOUNT_CHANGED] = changed_start, [ACCOUNT_APPLY] = apply_start,
        [ACCOUNT_TENANT] = tenant_start,   [ACCOUNT_LOW] = low_start,
    };
    struct node *node = h->state(items[0]);
    for (size_t i = 0; i < n; i++) {
        struct account_job *job = calloc(1, sizeof *job);
        if (!job)
            abort();
        job->node = node;
        job->c = h->config(items[i]);
        job->tenant = job->c->tenant;
        starts[job->c->operation](job, items[i]);
    }
    worker_tick(node->worker, h->now_ms(items[0]));
}

const char account_docs[] =
    "Answers under `billing` on `done`, or `{op: refused, reason, text}` on `refused`; what lists "
    "rows gives an\nitem for each.\n"
    "\n"
    "- **setTenant** makes a tenant or changes its settings: `{\"currency\": \"EUR\", "
    "\"time_zone\":\n  \"Europe/Berlin\", \"credit_limit_micro\": 0, \"card\": \"\", \"tier\": "
    "\"gold\", \"charge_points\": \"sms=delivery\",\n  \"status\": \"active\", \"bundle_units\": "
    "0}`. A tier's card has the tier's name.\n"
    "- **topUp**, **adjust** move money once for each `key`; the same key with another amount is "
    "refused as\n  `conflict`, and taking more than there is as `no_funds`.\n"
    "- **balance** gives `avail`, `held`, `spent`, `topups`, `limit`, `ccy`, `version`, `as_of`; "
    "always `avail +\n  held + spent = topups`.\n"
    "- **priceEnquiry** reserves nothing.\n"
    "- **loadRates** checks all rows, then writes a new version. It is valid from `validFromUs` "
    "until the next\n  version begins. Prices of the past never change.\n"
    "- **invoice** gives the lines of a month, by accept time in the tenant's zone, with totals in "
    "minor units.\n  Each line is rounded once, half to even; `rounding_micro` is what that moved. "
    "Volume bands are counted\n  again in the order of accept; with `band_mode` `all` every unit "
    "has the price of the band that the month\n  has reached. `finish` writes lines, `rerate` and "
    "`rounding`, once, and only when nothing of the month is\n  held any more.\n"
    "- **reconcile** compares accounts and slices with the fold of all transactions, and cached "
    "balances with\n  both. `drift` tells every difference; `heal` has the rows that a cache "
    "should "
    "be given, each with the\n  version that it `had`: write one only where that is still there. "
    "Nothing else is changed. The shipped\n  workflow `billing-reconcile` does it every hour.\n"
    "- **expireHolds** releases what was held for longer than the tenant's `hold_ttl_s`, gives "
    "what "
    "slices of dead\n  workers still had back to the accounts, and folds slices that ended long "
    "ago "
    "into one row for each tenant.\n  A worker that comes back cannot use what was taken from it. "
    "Run it every minute.\n"
    "- **changedBalances** gives the rows for a cache of balances. Their `version` only grows: "
    "write one only\n  where the cached version is lower.\n"
    "- **lowBalances** gives an item with `level`, `low` or `out` (nothing left), and `state`, "
    "`firing` or\n  `resolved`, with the balance and what is `spendable`: once when a tenant can "
    "spend "
    "less than `belowMicro`,\n  once when there is nothing left, and for each level that was told "
    "when it is "
    "`overMicro` again. What was\n  told is in `billing_alerts`. Run it as often as you like, in a "
    "workflow with "
    "`exactly_once`.\n"
    "- **applyEvent** writes the line that an event tells of, and does nothing when it is there: "
    "any part of\n  `billing.events` may be read again, in any order that has a reservation before "
    "its end.\n"
    "\n"
    "```json\n"
    "{\"type\": \"catalyst.billingAccount\", \"parameters\": {\"operation\": \"topUp\", "
    "\"tenant\": "
    "\"acme\",\n \"amountMicro\": 25000000, \"key\": \"={{ $json.payment }}\"}}\n"
    "```\n"
    "\n"
    "adds 25 EUR to an account in EUR, once for each payment, and gives `\"billing\": "
    "{\"tenant_id\": \"acme\",\n\"ccy\": \"EUR\", \"avail\": 25000000, \"held\": 0, \"spent\": 0, "
    "..}`.\n";
