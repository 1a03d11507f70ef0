/* SPDX-License-Identifier: Apache-2.0
 * The plugin's tables, in steps, and how money moves in them.
 *
 *   top-up --> billing_accounts.cash --grant--> billing_slices.granted = free + held + spent
 *                      ^                              |  release, rest of a commit, refund
 *                      '---- sweep (with a grant) ----'--> freed
 *
 * A worker reserves from its own slice, so workers share no row on the way of a message. Money in a
 * slice has left the account before: nothing can be spent twice. Rows of billing_transactions are
 * only ever inserted; triggers move held, spent and freed of their slice, so a row that is there
 * already moves nothing. CHECK constraints say cash + credit_limit >= 0 and held + spent <=
 * granted. A reserve row that comes after its slice was taken back (a worker that hung, an
 * execution that waited long) takes its money from the account at that moment, or is refused.
 *
 * Slices that ended long ago, with nothing held, are folded into one row for each tenant, whose
 * owner is '' (upkeep.c). Rows that name them are refused, but for refunds, which that row pays.
 */
#ifndef PLUGIN_BILLING_SCHEMA_H
#define PLUGIN_BILLING_SCHEMA_H

extern const char billing_pg_tenants[], billing_pg_rates[], billing_pg_ledger[], billing_pg_moves[],
    billing_pg_looks[];
extern const char billing_sqlite_tenants[], billing_sqlite_rates[], billing_sqlite_ledger[],
    billing_sqlite_moves[], billing_sqlite_looks[];

/* Microseconds since 1970 by the store's clock: leases are compared with no other. One time for a
 * whole statement: whether a lease has ended is asked more than once. */
#define NOW_US_PG     "(extract(epoch from statement_timestamp()) * 1000000)::bigint"
#define NOW_US_SQLITE "CAST((julianday('now') - 2440587.5) * 86400000000 AS INTEGER)"

#endif
