/* SPDX-License-Identifier: Apache-2.0
 * The billing plugin: its nodes, and its tables. What money does is drawn in schema.h; the nodes
 * stand in reserve.c, settle.c and account.c.
 */
#include "billing_int.h"
#include "schema.h"

static void *billing_open(const wf_host *h, wf_inst *inst, wf_error *why)
{
    return node_open(h, inst, why);
}

static void billing_close(const wf_host *h, void *state)
{
    (void)h;
    node_close(state);
}

static const char *const reserve_ports[] = { "reserved", "denied", NULL };
static const char *const settle_ports[] = { "settled", "repeated", "refused", NULL };
static const char *const account_ports[] = { "done", "refused", NULL };

static const wf_node nodes[] = {
    { .type = "catalyst.billingReserve",
      .help = "Rate a message and reserve its price",
      .ports = reserve_ports,
      .params = reserve_params,
      .config_size = sizeof(struct reserve_config),
      .process = reserve_process,
      .open = billing_open,
      .close = billing_close,
      .metrics = reserve_metrics,
      .codes = reserve_codes,
      .group = "messaging",
      .docs = reserve_docs },
    { .type = "catalyst.billingSettle",
      .help = "Charge a reservation, give it back, or refund a charge",
      .ports = settle_ports,
      .params = settle_params,
      .config_size = sizeof(struct settle_config),
      .process = settle_process,
      .open = billing_open,
      .close = billing_close,
      .metrics = settle_metrics,
      .codes = settle_codes,
      .group = "messaging",
      .docs = settle_docs },
    { .type = "catalyst.billingAccount",
      .help = "Accounts of tenants: top-ups, balances, rate cards, invoices, reconciliation",
      .ports = account_ports,
      .params = account_params,
      .config_size = sizeof(struct account_config),
      .process = account_process,
      .open = billing_open,
      .close = billing_close,
      .metrics = account_metrics,
      .flags = WF_NODE_EFFECT,
      .check = account_check,
      .group = "messaging",
      .docs = account_docs },
};

#define STEP(n, words, part)                                                                       \
    {                                                                                              \
        .number = (n), .name = (words), .pg = billing_pg_##part, .sqlite = billing_sqlite_##part   \
    }

static const wf_migration migrations[] = {
    STEP(1, "tenants and accounts", tenants),          STEP(2, "rate cards", rates),
    STEP(3, "slices and the ledger", ledger),          STEP(4, "how money moves", moves),
    STEP(5, "balances, postings and invoices", looks),
};

static const char docs[] =
    "Converged billing: prepaid and postpaid by one rule, `avail + credit limit >= 0`. Rate cards "
    "by longest\nprefix, quota slices in the memory of each worker, a ledger that is only added "
    "to, "
    "written in the turn's\nown transaction. Money is whole micro-units of the currency.\n"
    "\n"
    "| table | what |\n"
    "|---|---|\n"
    "| `tenant_billing_config` | currency, time zone, limit, cards, charge points "
    "(`sms=delivery,voice=submit`), status |\n"
    "| `rate_card_versions`, `rate_cards` | prices; a version is valid until the next one begins, "
    "so "
    "there is no gap and no overlap |\n"
    "| `billing_accounts` | money that is in no slice |\n"
    "| `billing_slices` | money granted to a worker: held, spent, given free |\n"
    "| `billing_transactions` | every move, once for each key |\n"
    "| `billing_balances`, `billing_postings` | views: a tenant's money; the moves as double entry "
    "|\n"
    "| `billing_alerts` | what was told of low balances |\n"
    "| `billing_invoices`, `billing_usage` | lines of invoices; units of a month for volume bands "
    "|\n";

extern const wf_plugin wf_plugin_entry;
WF_EXPORT const wf_plugin wf_plugin_entry = { WF_PLUGIN_BASE("billing", "1.0.0", nodes),
                                              .docs = docs, .migrations = migrations,
                                              .n_migrations = COUNT_OF(migrations) };
