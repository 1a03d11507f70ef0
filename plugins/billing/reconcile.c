/* SPDX-License-Identifier: Apache-2.0
 * reconcile: the fold of the ledger against what accounts and slices say, and both against cached
 * balances that the item brings. It reports; what may be healed is the cache alone, by the rows it
 * hands out. Thread: the worker's; nothing blocks.
 */
#include "billing_int.h"
#include <stdlib.h>
#include "metrics.h"

/* A tenant's money by its transactions alone, beside what the tables say. */
#define FOLD                                                                                       \
    "SELECT b.tenant_id, b.currency, b.avail_micro, b.held_micro, b.spent_micro, "                 \
    "b.topups_micro, b.credit_limit_micro, b.version, b.updated_us, "                              \
    "COALESCE(f.topups, 0) - COALESCE(f.held, 0) - COALESCE(f.spent, 0), COALESCE(f.held, 0), "    \
    "COALESCE(f.spent, 0), COALESCE(f.topups, 0) FROM billing_balances b LEFT JOIN ("              \
    "SELECT tenant_id, "                                                                           \
    "CAST(sum(CASE WHEN op = 'reserve' THEN hold_micro WHEN op IN ('commit', 'release') "          \
    "THEN -hold_micro ELSE 0 END) AS bigint) AS held, "                                            \
    "CAST(sum(CASE WHEN op IN ('commit', 'rerate') THEN amount_micro WHEN op = 'refund' "          \
    "THEN -amount_micro ELSE 0 END) AS bigint) AS spent, "                                         \
    "CAST(sum(CASE WHEN op IN ('topup', 'adjust') THEN amount_micro ELSE 0 END) AS bigint) "       \
    "AS topups FROM billing_transactions GROUP BY tenant_id) f ON f.tenant_id = b.tenant_id "      \
    "ORDER BY b.tenant_id LIMIT CAST($1 AS bigint)"
enum { CELL_BOOKS = 2, CELL_LIMIT = 6, CELL_VERSION, CELL_AS_OF, CELL_FOLD };

static const char *const money_names[] = { "avail", "held", "spent", "topups" };

struct drift {
    const wf_host *h;
    wf_item *it;
    const wf_value **found;
    size_t n, size;
};

static void drift_add(struct drift *d, wf_str tenant, const char *where, const char *field,
                      int64_t have, int64_t should)
{
    if (d->n == d->size)
        return;
    d->found[d->n++] = d->h->build(d->it, "{s:S,s:s,s:s,s:i,s:i}", "tenant_id", tenant, "where",
                                   where, "field", field, "have", have, "should", should);
}

struct cached {
    wf_str tenant;
    const wf_value *row;
};

static int by_tenant(const void *a, const void *b)
{
    const wf_str *x = &((const struct cached *)a)->tenant, *y = &((const struct cached *)b)->tenant;
    int order = memcmp(x->ptr, y->ptr, x->len < y->len ? x->len : y->len);
    return order ? order : (x->len > y->len) - (x->len < y->len);
}

/* The item's rows in order: there may be as many as tenants. */
static const struct cached *read_cache(const wf_host *h, wf_item *it, const wf_value *cache,
                                       size_t *n)
{
    size_t all = h->v->count(cache);
    struct cached *rows = h->alloc(it, (all + 1) * sizeof *rows);
    *n = 0;
    for (size_t i = 0; i < all; i++) {
        const wf_value *row = h->v->at(cache, i);
        struct cached *c = &rows[*n];
        c->row = row;
        *n += h->v->bytes(h->v->get(row, "tenant_id", 9), &c->tenant.ptr, &c->tenant.len) == 0;
    }
    qsort(rows, *n, sizeof *rows, by_tenant);
    return rows;
}

/* Texts too: a cache's values often are. */
static int64_t field_of(const struct drift *d, const wf_value *row, const char *name)
{
    const wf_value *v = d->h->v->get(row, name, strlen(name));
    int64_t n = INT64_MIN;
    if (d->h->v->int64(v, &n) == 0)
        return n;
    wf_str s;
    return d->h->v->bytes(v, &s.ptr, &s.len) == 0 && s.len ? int_of(s) : INT64_MIN;
}

/* 1 when the cache is to be written anew. A cache that is older than the books is only late. */
static int compare_cache(struct drift *d, const wf_value *row, const wf_str *cells)
{
    size_t before = d->n;
    int64_t version = int_of(cells[CELL_VERSION]);
    if (field_of(d, row, "version") > version)
        drift_add(d, cells[0], "cache", "version", field_of(d, row, "version"), version);
    for (unsigned i = 0; i < 2 && field_of(d, row, "version") >= version; i++)
        if (field_of(d, row, money_names[i]) != int_of(cells[CELL_BOOKS + i]))
            drift_add(d, cells[0], "cache", money_names[i], field_of(d, row, money_names[i]),
                      int_of(cells[CELL_BOOKS + i]));
    return d->n > before;
}

static void on_fold(struct account_job *job, wf_item *it, const wf_rows *rows)
{
    const wf_host *h = job->node->worker->h;
    size_t n_cached;
    const struct cached *cache = read_cache(h, it, job->c->cache, &n_cached);
    struct drift d = { .h = h, .it = it, .size = rows->n_rows * 8 + 1 };
    d.found = h->alloc(it, d.size * sizeof(const wf_value *));
    const wf_value **heal = h->alloc(it, (rows->n_rows + 1) * sizeof(const wf_value *));
    size_t n_heal = 0;
    for (size_t i = 0; i < rows->n_rows; i++) {
        const wf_str *cells = rows->cells + i * rows->n_columns;
        for (unsigned k = 0; k < COUNT_OF(money_names); k++)
            if (int_of(cells[CELL_BOOKS + k]) != int_of(cells[CELL_FOLD + k]))
                drift_add(&d, cells[0], "accounts", money_names[k], int_of(cells[CELL_BOOKS + k]),
                          int_of(cells[CELL_FOLD + k]));
        if (int_of(cells[CELL_BOOKS]) + int_of(cells[CELL_LIMIT]) < 0)
            drift_add(&d, cells[0], "accounts", "limit", int_of(cells[CELL_BOOKS]),
                      -int_of(cells[CELL_LIMIT]));
        const struct cached *at =
            bsearch(&(struct cached){ cells[0], NULL }, cache, n_cached, sizeof *cache, by_tenant);
        const wf_value *row = at ? at->row : NULL;
        if (row && (compare_cache(&d, row, cells) || field_of(&d, row, "version") == INT64_MIN))
            heal[n_heal++] = h->build(
                it, "{s:S,s:i,s:i,s:i,s:S,s:i,s:i,s:v}", "tenant_id", cells[0], "avail",
                int_of(cells[CELL_BOOKS]), "held", int_of(cells[CELL_BOOKS + 1]), "limit",
                int_of(cells[CELL_LIMIT]), "ccy", cells[1], "version", int_of(cells[CELL_VERSION]),
                "as_of", int_of(cells[CELL_AS_OF]), "had", h->v->get(row, "version", 7));
    }
    h->count(job->node->inst, ACCOUNT_COUNT_DRIFT, (int64_t)d.n);
    h->count(job->node->inst, ACCOUNT_GAUGE_DRIFT, (int64_t)d.n);
    h->count(job->node->inst, ACCOUNT_GAUGE_RECONCILED, h->now_ms(it) / 1000);
    if (d.n)
        h->log(job->node->inst, WF_ERROR, "billing.drift", "%zu differences in %zu tenants", d.n,
               rows->n_rows);
    account_emit(job, it,
                 h->build(it, "{s:s,s:i,s:v,s:v}", "op", "reconcile", "tenants",
                          (int64_t)rows->n_rows, "drift", h->v->array(it, d.found, d.n), "heal",
                          h->v->array(it, heal, n_heal)));
}

void reconcile_start(struct account_job *job, wf_item *it)
{
    const wf_host *h = job->node->worker->h;
    const wf_str params[] = { h->fmt(it, "%lld", (long long)job->c->limit) };
    const wf_statement statement = { .pg = FOLD, .params = params, .n_params = 1 };
    account_run(job, it, &statement, 1, on_fold);
}
