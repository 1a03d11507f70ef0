/* SPDX-License-Identifier: Apache-2.0
 * lowBalances: who can spend too little, told once for each crossing. What was told of a tenant is
 * a row that commits with the turn that tells it, so that neither a crash nor another engine makes
 * it come twice or not at all; it is over at a higher mark than it began, so that a balance that
 * moves around one is not told again and again.
 *
 * Thread: the worker's; nothing blocks.
 */
#include "billing_int.h"
#include "metrics.h"
#include <stdlib.h>

enum { TOLD_LOW = 1, TOLD_OUT = 2 };
enum { LOW_SPENDABLE = 9, LOW_NUMBER, LOW_TOLD };

/* Of an account that nobody has paid into yet nothing is told. */
#define LOW                                                                                        \
    "SELECT * FROM (SELECT b.tenant_id, b.currency, b.avail_micro, b.held_micro, b.spent_micro, "  \
    "b.topups_micro, b.credit_limit_micro, b.version, b.updated_us, "                              \
    "b.avail_micro + b.credit_limit_micro AS spendable, COALESCE(a.number, 0) AS number, "         \
    "COALESCE(a.told, 0) AS told FROM billing_balances b LEFT JOIN billing_alerts a "              \
    "ON a.tenant_id = b.tenant_id AND a.number = (SELECT max(m.number) FROM billing_alerts m "     \
    "WHERE m.tenant_id = b.tenant_id) "                                                            \
    "WHERE b.topups_micro <> 0 OR b.credit_limit_micro <> 0 OR a.told > 0) x "                     \
    "WHERE (spendable <= 0 AND told < 2) OR (spendable < CAST($1 AS bigint) AND told = 0) "        \
    "OR (spendable >= CAST($2 AS bigint) AND told > 0) ORDER BY tenant_id LIMIT CAST($3 AS "       \
    "bigint)"

/* What metrics tell of all tenants, in one snapshot: nothing is on its way between tables then. */
#define SUMMARY                                                                                    \
    "SELECT COALESCE(sum(CASE WHEN spendable < CAST($1 AS bigint) THEN 1 ELSE 0 END), 0), "        \
    "COALESCE(sum(CASE WHEN spendable <= 0 THEN 1 ELSE 0 END), 0), "                               \
    "CAST(COALESCE(sum(abs(off)), 0) AS bigint) FROM (SELECT CASE WHEN topups_micro <> 0 OR "      \
    "credit_limit_micro <> 0 THEN avail_micro + credit_limit_micro END AS spendable, "             \
    "avail_micro + held_micro + spent_micro - topups_micro AS off FROM billing_balances) x"

static const char *const low_names[] = { "tenant_id", "ccy",        "#avail", "#held",
                                         "#spent",    "#topups",    "#limit", "#version",
                                         "#as_of",    "#spendable", NULL };

static void tell_level(struct account_job *job, wf_item *it, const wf_str *cells, int level,
                       int is_over)
{
    const wf_host *h = job->node->worker->h;
    const wf_value *row = account_row(h, it, low_names, cells);
    const char *name = level == TOLD_OUT ? "out" : "low", *state = is_over ? "resolved" : "firing";
    row = h->v->set_key(it, row, STR_OF("level"), h->v->of_str(it, name, 3));
    row = h->v->set_key(it, row, STR_OF("state"), h->v->of_str(it, state, strlen(state)));
    h->push(it, ACCOUNT_DONE, row);
}

static int write_told(struct account_job *job, wf_item *it, const wf_str *cells, int told)
{
    struct worker *w = job->node->worker;
    const wf_value *row =
        w->h->build(it, "{s:S,s:i,s:i,s:i,s:i}", "tenant_id", cells[0], "number",
                    int_of(cells[LOW_NUMBER]) + 1, "told", (int64_t)told, "spendable_micro",
                    int_of(cells[LOW_SPENDABLE]), "at_us", w->h->now_ms(it) * 1000);
    return w->ledger->commit_row(it, "billing_alerts", row, "tenant_id,number");
}

static int tell_one(struct account_job *job, wf_item *it, const wf_str *cells)
{
    int64_t spendable = int_of(cells[LOW_SPENDABLE]);
    int told = (int)int_of(cells[LOW_TOLD]);
    int level = spendable <= 0 ? TOLD_OUT : TOLD_LOW;
    int is_over = told && spendable > 0;
    if (is_over && (told & TOLD_LOW))
        tell_level(job, it, cells, TOLD_LOW, 1);
    if (is_over && (told & TOLD_OUT))
        tell_level(job, it, cells, TOLD_OUT, 1);
    if (!is_over)
        tell_level(job, it, cells, level, 0);
    return write_told(job, it, cells, is_over ? 0 : told | level);
}

static void on_low(struct account_job *job, wf_item *it, const wf_rows *rows)
{
    const wf_host *h = job->node->worker->h;
    for (size_t i = 0; i < rows->n_rows; i++)
        if (tell_one(job, it, rows->cells + i * rows->n_columns) != 0) {
            h->fail(it, "billing: the store has no table billing_alerts");
            free(job);
            return;
        }
    h->count(job->node->inst, ACCOUNT_COUNT_DONE, 1);
    h->done(it);
    free(job);
}

static void on_summary(struct account_job *job, wf_item *it, const wf_rows *rows)
{
    const wf_host *h = job->node->worker->h;
    const struct account_config *c = job->c;
    for (unsigned i = 0; rows->n_rows && i < 3; i++)
        h->count(job->node->inst, ACCOUNT_GAUGE_LOW + i, int_of(rows->cells[i]));
    const wf_str params[] = { h->fmt(it, "%lld", (long long)c->below_micro),
                              h->fmt(it, "%lld", (long long)c->clear_micro),
                              h->fmt(it, "%lld", (long long)c->limit) };
    const wf_statement statement = { .pg = LOW, .params = params, .n_params = 3 };
    account_run(job, it, &statement, 1, on_low);
}

void low_start(struct account_job *job, wf_item *it)
{
    const wf_host *h = job->node->worker->h;
    const struct account_config *c = job->c;
    if (c->clear_micro < c->below_micro) {
        account_refuse(job, it, "bad_message", "overMicro is less than belowMicro");
        return;
    }
    const wf_str below = h->fmt(it, "%lld", (long long)c->below_micro);
    const wf_statement statement = { .pg = SUMMARY, .params = &below, .n_params = 1 };
    account_run(job, it, &statement, 1, on_summary);
}
