/* SPDX-License-Identifier: Apache-2.0
 * expireHolds: what nobody comes back for. Holds older than the tenant's `hold_ttl_s` are released;
 * what slices of dead workers still have, and all that slices were given free, goes back to the
 * account; slices that ended long ago become one row for each tenant, the rest, whose owner is ''.
 *
 * The fence of a worker that hung and comes back is the slice's row: it is closed and granted no
 * more than what is held and spent, so that a reservation that comes after takes its money from the
 * account at that moment, or is refused by a CHECK. Once its slice is folded away it is refused; a
 * refund is booked on the rest.
 *
 * Accounts are locked before slices, as grants do. Thread: the worker's; nothing blocks.
 */
#include "billing_int.h"
#include "schema.h"
#include <stdlib.h>

/* --- holds that are too old ------------------------------------------------------------------- */

/* No more of a slice than it holds: rows that the store would refuse together are not asked for. */
#define OLD_HOLDS(age, ago, id)                                                                    \
    "SELECT tenant_id, id, currency, channel, card, prefix, hold_micro, units, unit_micro, "       \
    "version, slice_id, accept_us FROM (SELECT r.*, " id " AS id, s.held_micro AS of_slice, "      \
    "sum(r.hold_micro) OVER (PARTITION BY r.slice_id ORDER BY r.created_at, r.idempotency_key) "   \
    "AS so_far FROM billing_transactions r "                                                       \
    "JOIN tenant_billing_config c ON c.tenant_id = r.tenant_id "                                   \
    "JOIN billing_slices s ON s.slice_id = r.slice_id AND s.held_micro > 0 "                       \
    "WHERE r.op = 'reserve' AND r.created_at >= " ago " AND " age                                  \
    " AND NOT EXISTS (SELECT 1 FROM billing_transactions e WHERE e.tenant_id = r.tenant_id "       \
    "AND e.idempotency_key = " id " || ':end')) x WHERE so_far <= of_slice "                       \
    "LIMIT CAST($2 AS bigint)"

/* The rows leave with the turn, and with them their events: a receipt that was quicker fails this
 * run, and the next one finds what is left. */
static int give_back(struct account_job *job, wf_item *it, const wf_str *cells)
{
    int64_t n[6];
    for (unsigned k = 0; k < COUNT_OF(n); k++)
        n[k] = int_of(cells[6 + k]);
    return ledger_write(job->node->worker, it,
                        &(struct charge){ .op = OP_RELEASE,
                                          .tenant = cells[0],
                                          .id = cells[1],
                                          .currency = cells[2],
                                          .channel = cells[3],
                                          .card = cells[4],
                                          .prefix = cells[5],
                                          .amount_micro = n[0],
                                          .hold_micro = n[0],
                                          .units = n[1],
                                          .unit_micro = n[2],
                                          .version = n[3],
                                          .slice = n[4],
                                          .accept_us = n[5],
                                          .body = (uint64_t)OP_RELEASE << 56 ^ (uint64_t)n[0] },
                        job->c->events);
}

/* --- money and rows of slices that ended ------------------------------------------------------ */

#define ENDED(now)                                                                                 \
    "((lease_us < " now " AND (state = 'open' OR granted_micro > held_micro + spent_micro)) "      \
    "OR freed_micro > 0)"
#define HOLD_ACCOUNTS_PG                                                                           \
    "SELECT 1 FROM billing_accounts WHERE tenant_id IN (SELECT tenant_id FROM billing_slices "     \
    "WHERE " ENDED(NOW_US_PG) ") ORDER BY tenant_id FOR UPDATE"
/* One statement, so that what leaves the slices is what comes to the accounts. */
#define RETURN_PG                                                                                  \
    "WITH o AS (SELECT slice_id, lease_us < " NOW_US_PG " AS ended, freed_micro + CASE WHEN "      \
    "lease_us < " NOW_US_PG " THEN granted_micro - held_micro - spent_micro ELSE 0 END AS m "      \
    "FROM billing_slices WHERE " ENDED(                                                            \
        NOW_US_PG) " ORDER BY slice_id FOR UPDATE), "                                              \
                   "s AS (UPDATE billing_slices b SET freed_micro = 0, granted_micro = CASE WHEN " \
                   "o.ended THEN "                                                                 \
                   "b.held_micro + b.spent_micro ELSE b.granted_micro END, state = CASE WHEN "     \
                   "o.ended THEN "                                                                 \
                   "'closed' ELSE b.state END, version = b.version + 1, updated_us = " NOW_US_PG   \
                   " FROM o WHERE b.slice_id = o.slice_id RETURNING b.tenant_id, o.m) "            \
                   "UPDATE billing_accounts a SET cash_micro = a.cash_micro + f.m, version = "     \
                   "a.version + 1, "                                                               \
                   "updated_us = " NOW_US_PG                                                       \
                   " FROM (SELECT tenant_id, sum(m)::bigint AS m FROM s "                          \
                   "GROUP BY tenant_id) f WHERE a.tenant_id = f.tenant_id"
/* In SQLite nobody else writes meanwhile. */
#define MARK_SQLITE                                                                                \
    "UPDATE billing_slices SET swept_micro = freed_micro + CASE WHEN lease_us < " NOW_US_SQLITE    \
    " THEN granted_micro - held_micro - spent_micro ELSE 0 END, freed_micro = 0, "                 \
    "granted_micro = CASE WHEN lease_us < " NOW_US_SQLITE " THEN held_micro + spent_micro "        \
    "ELSE granted_micro END, state = CASE WHEN lease_us < " NOW_US_SQLITE " THEN 'closed' "        \
    "ELSE state END, version = version + 1, updated_us = " NOW_US_SQLITE                           \
    " WHERE swept_micro > 0 OR " ENDED(NOW_US_SQLITE)
#define RETURN_SQLITE                                                                              \
    "UPDATE billing_accounts SET cash_micro = cash_micro + f.m, version = version + 1, "           \
    "updated_us = " NOW_US_SQLITE " FROM (SELECT tenant_id AS t, sum(swept_micro) AS m "           \
    "FROM billing_slices WHERE swept_micro > 0 GROUP BY tenant_id) f WHERE tenant_id = f.t"
#define UNMARK_SQLITE "UPDATE billing_slices SET swept_micro = 0 WHERE swept_micro > 0"

/* $1: ended so many microseconds ago, $2: how many at a time */
#define OLD(now)                                                                                   \
    "SELECT slice_id FROM billing_slices WHERE state = 'closed' AND owner <> '' "                  \
    "AND held_micro = 0 AND freed_micro = 0 AND granted_micro = spent_micro AND lease_us < " now   \
    " - CAST($1 AS bigint) ORDER BY slice_id LIMIT CAST($2 AS bigint)"
#define REST(from, greatest)                                                                       \
    "INSERT INTO billing_slices AS r (slice_id, tenant_id, owner, state, granted_micro, "          \
    "spent_micro, accept_us, lease_us, version, updated_us) SELECT -min(slice_id), tenant_id, "    \
    "'', 'closed', CAST(sum(spent_micro) AS bigint), CAST(sum(spent_micro) AS bigint), "           \
    "max(accept_us), 0, CAST(sum(version) AS bigint), max(updated_us) FROM " from                  \
    " GROUP BY tenant_id ORDER BY tenant_id ON CONFLICT (tenant_id) WHERE owner = '' DO UPDATE "   \
    "SET granted_micro = r.granted_micro + excluded.granted_micro, "                               \
    "spent_micro = r.spent_micro + excluded.spent_micro, "                                         \
    "accept_us = " greatest "(r.accept_us, excluded.accept_us), "                                  \
    "version = r.version + excluded.version, "                                                     \
    "updated_us = " greatest "(r.updated_us, excluded.updated_us)"
#define FOLD_PG                                                                                    \
    "WITH o AS (" OLD(NOW_US_PG) " FOR UPDATE), gone AS (DELETE FROM billing_slices b USING o "    \
                                 "WHERE b.slice_id = o.slice_id RETURNING b.*) " REST("gone",      \
                                                                                      "GREATEST")
#define CHOOSE_SQLITE                                                                              \
    "UPDATE billing_slices SET swept_micro = -1 WHERE slice_id IN (" OLD(NOW_US_SQLITE) ")"
#define FOLD_SQLITE   REST("billing_slices WHERE swept_micro = -1", "MAX")
#define REMOVE_SQLITE "DELETE FROM billing_slices WHERE swept_micro = -1"

static void on_returned(struct account_job *job, wf_item *it, const wf_rows *rows)
{
    (void)rows;
    account_emit(job, it,
                 job->node->worker->h->build(it, "{s:s,s:i}", "op", "expireHolds", "expired",
                                             (int64_t)job->step));
}

static void on_old(struct account_job *job, wf_item *it, const wf_rows *rows)
{
    const wf_host *h = job->node->worker->h;
    const wf_str params[] = { h->fmt(it, "%lld", (long long)job->c->fold_ms * 1000),
                              h->fmt(it, "%lld", (long long)job->c->limit) };
    const wf_statement statements[] = {
        { .pg = HOLD_ACCOUNTS_PG, .sqlite = "SELECT 1" },
        { .pg = RETURN_PG, .sqlite = MARK_SQLITE },
        { .pg = "SELECT 1", .sqlite = RETURN_SQLITE },
        { .pg = "SELECT 1", .sqlite = UNMARK_SQLITE },
        { .pg = FOLD_PG, .sqlite = CHOOSE_SQLITE, .params = params, .n_params = 2 },
        { .pg = "SELECT 1", .sqlite = FOLD_SQLITE },
        { .pg = "SELECT 1", .sqlite = REMOVE_SQLITE },
    };
    for (size_t i = 0; i < rows->n_rows; i++)
        if (give_back(job, it, rows->cells + i * rows->n_columns) != 0) {
            h->fail(it, "billing: the store has no table billing_transactions");
            free(job);
            return;
        }
    h->count(job->node->inst, ACCOUNT_COUNT_EXPIRED, (int64_t)rows->n_rows);
    job->step = (int)rows->n_rows;
    account_run(job, it, statements, COUNT_OF(statements), on_returned);
}

void expire_start(struct account_job *job, wf_item *it)
{
    const wf_host *h = job->node->worker->h;
    const wf_str params[] = { h->fmt(it, "%lld", (long long)(job->c->within_ms / 1000)),
                              h->fmt(it, "%lld", (long long)job->c->limit) };
    const wf_statement statement = {
        .pg = OLD_HOLDS("r.created_at < now() - c.hold_ttl_s * interval '1 second'",
                        "now() - CAST($1 AS bigint) * interval '1 second'",
                        "left(r.idempotency_key, -4)"),
        .sqlite = OLD_HOLDS("r.created_at < " NOW_US_SQLITE " - c.hold_ttl_s * 1000000",
                            NOW_US_SQLITE " - CAST($1 AS bigint) * 1000000",
                            "substr(r.idempotency_key, 1, length(r.idempotency_key) - 4)"),
        .params = params,
        .n_params = 2
    };
    account_run(job, it, &statement, 1, on_old);
}
