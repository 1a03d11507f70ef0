/* SPDX-License-Identifier: Apache-2.0
 * Slices: money that is this worker's alone. One transaction serves all tenants that wait for some,
 * and while it is under way the next ones gather.
 *
 * It locks the tenants' accounts in order, so two workers never wait for each other; sweeps what
 * their slices have given free and what slices of dead workers still held, moves the grants, and
 * answers with the tenants' settings. How much is granted: what the waiting items need, else a
 * second of the worker's present pace or 256 messages, but never more than a twentieth of what the
 * tenant can spend (a hundredth for the 256 messages, a thousandth where no price is known yet):
 * near zero a slice is one message, and with too little money for those that wait it is all there
 * is.
 *
 * A slice that is little of what the tenant can spend is filled again before it is short, so that
 * nothing waits, and kept for ten seconds without a message: money that nobody misses need
 * not move. Where it is much, what is left goes back after a second without a message.
 *
 * A grant whose answer is lost leaves money in the slice that nobody knows of; it comes back when
 * the lease has ended. Thread: the worker's; nothing blocks.
 */
#include "billing_int.h"
#include "schema.h"
#include <stdio.h>
#include <stdlib.h>

enum {
    LEASE_MS = 30000,
    LEASE_MARGIN_MS = 5000, /* used no longer than until so long before its end */
    PACE_MS = 1000,
    PACE_MESSAGES = 256,
    RICH_PARTS = 20, /* so many such slices could be had */
    IDLE_MS = 1000,
    IDLE_RICH_MS = 10000,
    UNKNOWN_MS = 2000,
    TENANTS_AT_ONCE = 1000,
    AGAIN_MS = 250
};

#define W_PG "jsonb_to_recordset($1::jsonb) AS w(t text, s bigint, n bigint, w bigint, f bigint)"
#define W_SQLITE                                                                                   \
    "(SELECT value->>'t' AS t, CAST(value->>'s' AS INTEGER) AS s, CAST(value->>'n' AS INTEGER) "   \
    "AS n, CAST(value->>'w' AS INTEGER) AS w, CAST(value->>'f' AS INTEGER) AS f "                  \
    "FROM json_each($1)) AS w"

#define LOCK_PG                                                                                    \
    "SELECT 1 FROM billing_accounts WHERE tenant_id IN (SELECT t FROM " W_PG                       \
    ") ORDER BY tenant_id FOR UPDATE"

/* $2: owner, $3: lease in microseconds */
#define OPEN(w, now)                                                                               \
    "INSERT INTO billing_slices (slice_id, tenant_id, owner, lease_us, updated_us) "               \
    "SELECT w.s, a.tenant_id, $2, " now " + CAST($3 AS bigint), " now " FROM " w                   \
    " JOIN billing_accounts a ON a.tenant_id = w.t WHERE w.s > 0 ORDER BY w.s "                    \
    "ON CONFLICT (slice_id) DO UPDATE SET lease_us = excluded.lease_us "                           \
    "WHERE billing_slices.state = 'open' AND billing_slices.owner = excluded.owner"

#define SWEEP(w, now, lock)                                                                        \
    "UPDATE billing_slices SET "                                                                   \
    "swept_micro = freed_micro + CASE WHEN lease_us < " now                                        \
    " THEN granted_micro - held_micro - spent_micro ELSE 0 END, freed_micro = 0, "                 \
    "granted_micro = CASE WHEN lease_us < " now                                                    \
    " THEN held_micro + spent_micro ELSE granted_micro END, "                                      \
    "state = CASE WHEN lease_us < " now " THEN 'closed' ELSE state END, "                          \
    "version = version + 1, updated_us = " now                                                     \
    " WHERE slice_id IN (SELECT slice_id FROM billing_slices WHERE tenant_id IN "                  \
    "(SELECT w.t FROM " w ") AND (freed_micro > 0 OR swept_micro > 0 OR (lease_us < " now          \
    " AND granted_micro > held_micro + spent_micro)) ORDER BY slice_id" lock ")"

#define GRANT(w, now, least, most)                                                                 \
    "UPDATE billing_accounts SET cash_micro = billing_accounts.cash_micro + x.swept - x.given, "   \
    "last_grant_micro = x.given, version = billing_accounts.version + 1, updated_us = " now        \
    " FROM (SELECT t, swept, CASE WHEN may THEN " least "(spend, " most "(n, " least               \
    "(spend / 20, " most "(w, CASE WHEN f > 0 THEN " least "(f, spend / 100) "                     \
    "ELSE spend / 1000 END)))) ELSE 0 END AS given FROM ("                                         \
    "SELECT w.t, w.n, w.w, w.f, COALESCE(f.swept, 0) AS swept, "                                   \
    "c.status = 'active' AND s.state = 'open' AND s.owner = $2 AS may, " most                      \
    "(0, b.cash_micro + COALESCE(f.swept, 0) + b.credit_limit_micro) AS spend "                    \
    "FROM " w " JOIN billing_accounts b ON b.tenant_id = w.t "                                     \
    "JOIN tenant_billing_config c ON c.tenant_id = w.t "                                           \
    "LEFT JOIN billing_slices s ON s.slice_id = w.s "                                              \
    "LEFT JOIN (SELECT tenant_id, CAST(sum(swept_micro) AS bigint) AS swept FROM billing_slices "  \
    "WHERE swept_micro > 0 GROUP BY tenant_id) f ON f.tenant_id = w.t) y) x "                      \
    "WHERE billing_accounts.tenant_id = x.t"

#define MOVE(w, now)                                                                               \
    "UPDATE billing_slices SET granted_micro = granted_micro + a.last_grant_micro, "               \
    "version = billing_slices.version + 1, updated_us = " now " FROM " w                           \
    " JOIN billing_accounts a ON a.tenant_id = w.t WHERE billing_slices.slice_id = w.s "           \
    "AND a.last_grant_micro > 0"

/* $1: what this worker has counted since the last time */
#define COUNT_PG                                                                                   \
    "INSERT INTO billing_usage AS b (tenant_id, card, month, units) SELECT t, c, m, u FROM "       \
    "jsonb_to_recordset($1::jsonb) AS v(t text, c text, m bigint, u bigint) ORDER BY 1, 2, 3 "     \
    "ON CONFLICT (tenant_id, card, month) DO UPDATE SET units = b.units + excluded.units"
#define COUNT_SQLITE                                                                               \
    "INSERT INTO billing_usage AS b (tenant_id, card, month, units) SELECT value->>'t', "          \
    "value->>'c', CAST(value->>'m' AS INTEGER), CAST(value->>'u' AS INTEGER) FROM json_each($1) "  \
    "WHERE true ON CONFLICT (tenant_id, card, month) DO UPDATE SET units = b.units + "             \
    "excluded.units"

#define ANSWER(w, list)                                                                            \
    "SELECT " CONFIG_COLUMNS ", a.last_grant_micro, "                                              \
    "CASE WHEN s.owner = $2 AND s.state = 'open' THEN 1 ELSE 0 END, "                              \
    "(SELECT " list " FROM billing_usage u WHERE u.tenant_id = w.t), "                             \
    "a.cash_micro + a.credit_limit_micro, "                                                        \
    "(SELECT max(x.accept_us) FROM billing_slices x WHERE x.tenant_id = w.t) FROM " w              \
    " JOIN tenant_billing_config c ON c.tenant_id = w.t "                                          \
    "JOIN billing_accounts a ON a.tenant_id = w.t LEFT JOIN billing_slices s ON s.slice_id = w.s"

struct grant_request {
    struct tenant *first; /* by next_asked */
    int64_t sent_ms, began_ms;
};

/* How many parameters each of them has; COUNT has the fourth alone. */
enum { STEP_COUNT = 5 };
static const uint32_t grant_params[] = { 1, 3, 1, 2, 1, 1, 2 };

static const wf_statement grant_statements[] = {
    { .pg = LOCK_PG, .sqlite = "SELECT 1" },
    { .pg = OPEN(W_PG, NOW_US_PG), .sqlite = OPEN(W_SQLITE, NOW_US_SQLITE) },
    { .pg = SWEEP(W_PG, NOW_US_PG, " FOR UPDATE"), .sqlite = SWEEP(W_SQLITE, NOW_US_SQLITE, "") },
    { .pg = GRANT(W_PG, NOW_US_PG, "LEAST", "GREATEST"),
      .sqlite = GRANT(W_SQLITE, NOW_US_SQLITE, "MIN", "MAX") },
    { .pg = MOVE(W_PG, NOW_US_PG), .sqlite = MOVE(W_SQLITE, NOW_US_SQLITE) },
    { .pg = COUNT_PG, .sqlite = COUNT_SQLITE },
    { .pg = ANSWER(W_PG, "string_agg(u.card || ' ' || u.month || ' ' || u.units, E'\\n')"),
      .sqlite =
          ANSWER(W_SQLITE, "group_concat(u.card || ' ' || u.month || ' ' || u.units, char(10))") },
};

/* --- asking ----------------------------------------------------------------------------------- */

/* Since the slice was last filled: micro-units in PACE_MS. */
static int64_t pace_of(const struct tenant *t, int64_t now_ms)
{
    int64_t ms = now_ms - t->rate_from_ms;
    return ms > 0 ? (int64_t)((money_wide)t->rate_micro * PACE_MS / ms) : t->rate_micro;
}

static void ask_for(struct worker *w, struct tenant *t, struct text *list, struct text *usage,
                    int64_t now_ms)
{
    int64_t need = 0, one = 0;
    for (struct waiter *wait = t->first; wait; wait = wait->next) {
        wait->is_asked = wait->amount_micro > 0;
        need += wait->amount_micro;
        one = wait->amount_micro > one ? wait->amount_micro : one;
        if (need > INT64_MAX / 8)
            break;
    }
    need = need > t->avail_micro ? need - t->avail_micro : 0;
    t->asked_micro = need;
    one = one > t->price_micro ? one : t->price_micro;
    if (!t->slice)
        t->slice = w->next_slice++;
    text_add(list, list->len > 1 ? ",{\"t\":" : "{\"t\":", list->len > 1 ? 6 : 5);
    text_json(list, t->name, t->name_len);
    text_addf(list, ",\"s\":%lld,\"n\":%lld,\"w\":%lld,\"f\":%lld}", (long long)t->slice,
              (long long)need, (long long)pace_of(t, now_ms),
              (long long)(one < INT64_MAX / 8 / PACE_MESSAGES ? one * PACE_MESSAGES : one));
    t->rate_from_ms = now_ms;
    t->rate_micro = 0;
    for (unsigned i = 0; i < t->n_usages; i++) {
        struct usage *u = &t->usages[i];
        if (!u->delta)
            continue;
        text_add(usage, usage->len > 1 ? ",{\"t\":" : "{\"t\":", usage->len > 1 ? 6 : 5);
        text_json(usage, t->name, t->name_len);
        text_add(usage, ",\"c\":", 5);
        text_json(usage, u->card, strlen(u->card));
        text_addf(usage, ",\"m\":%lld,\"u\":%lld}", (long long)u->month, (long long)u->delta);
        u->base += u->delta; /* until the answer tells what all have counted */
        u->delta = 0;
    }
}

/* What became of a request, in the order they came. One that was not counted in it asks again, and
 * so does one that needs more by now, as long as there was all that was asked for. */
static void serve(struct worker *w, struct tenant *t)
{
    struct waiter *wait = t->first;
    t->first = NULL;
    t->last = &t->first;
    while (wait) {
        struct waiter *next = wait->next;
        wf_item *it = wait->node->h->resume(wait->node->h, wait->ticket);
        w->may_look = !wait->amount_micro; /* it waited for its tenant, not for money */
        if (it)
            reserve_item(wait->node, it, w->h->config(it), w->h->now_ms(it),
                         wait->is_asked && t->is_out);
        free(wait);
        wait = next;
    }
    look_back_flush(w);
}

/* The store does not answer: who would rather hear no than wait is denied, the others ask again. */
static void serve_outage(struct worker *w, struct tenant *t)
{
    struct waiter *wait = t->first;
    t->first = NULL;
    t->last = &t->first;
    while (wait) {
        struct waiter *next = wait->next;
        wf_item *it = wait->node->h->resume(wait->node->h, wait->ticket);
        const struct reserve_config *c = it ? w->h->config(it) : NULL;
        if (c && c->on_outage == OUTAGE_DENY)
            reserve_deny(wait->node, it, "unavailable", "the store cannot be reached");
        else if (c)
            tenant_wait(t, wait->node, w->h->park(it, c->timeout_ms), wait->amount_micro);
        free(wait);
        wait = next;
    }
    if (t->first)
        tenant_want(w, t);
}

static void take_usages(struct tenant *t, wf_str list)
{
    const char *p = list.ptr, *end = list.ptr ? list.ptr + list.len : NULL;
    while (p && p < end) {
        const char *stop = memchr(p, '\n', (size_t)(end - p));
        char line[RATE_NAME_MAX + 48] = "", card[RATE_NAME_MAX + 1] = "";
        size_t n = (size_t)((stop ? stop : end) - p);
        long long month, units;
        if (n < sizeof line)
            memcpy(line, p, n);
        char *space = strchr(line, ' ');
        /* The card's name may hold spaces: the two numbers stand last. */
        for (char *at = space; at && (at = strchr(at + 1, ' ')) && strchr(at + 1, ' ');)
            space = at;
        if (space && (size_t)(space - line) < sizeof card &&
            sscanf(space, "%lld %lld", &month, &units) == 2) {
            memcpy(card, line, (size_t)(space - line));
            tenant_usage(t, card, month)->base = units;
        }
        p = stop ? stop + 1 : end;
    }
}

/* What follows the tenant's settings in an answer. */
enum {
    CELL_GIVEN = CONFIG_CELLS,
    CELL_IS_OURS,
    CELL_USAGES,
    CELL_LEFT, /* in the account */
    CELL_HORIZON
};

static void take_answer(struct worker *w, struct tenant *t, const wf_str *cells, int64_t sent_ms)
{
    int64_t given = int_of(cells[CELL_GIVEN]);
    tenant_fill(w, t, cells);
    t->is_out = given < t->asked_micro;
    if (!t->has_horizon) {
        t->has_horizon = 1;
        t->horizon_us = int_of(cells[CELL_HORIZON]);
    }
    if (int_of(cells[CELL_IS_OURS])) {
        t->avail_micro += given;
        t->lease_ms = sent_ms + LEASE_MS - LEASE_MARGIN_MS;
        t->is_rich = t->avail_micro <= int_of(cells[CELL_LEFT]) / RICH_PARTS;
        t->low_micro = t->is_rich ? t->avail_micro / 4 : 0;
    } else {
        tenant_forget_slice(
            t);        /* taken back meanwhile: this worker hung for longer than its lease */
        t->is_out = 0; /* the next slice tells what there is */
    }
    take_usages(t, cells[CELL_USAGES]);
    if (t->first && given) {
        w->h->count(t->first->node->inst, COUNT_GRANTS, 1);
        w->h->count(t->first->node->inst, COUNT_GRANT_MICRO, given);
    }
}

static void take_answers(struct worker *w, const struct grant_request *request, const wf_rows *rows)
{
    for (size_t i = 0; i < rows->n_rows; i++) {
        const wf_str *cells = rows->cells + i * rows->n_columns;
        struct tenant *t = tenant_of(w, cells[0].ptr, cells[0].len);
        if (t->asked) {
            take_answer(w, t, cells, request->sent_ms);
            t->asked = 2;
        }
    }
}

static void on_answer(struct worker *w, struct node *node, void *arg, const wf_rows *rows)
{
    struct grant_request *request = arg;
    w->is_asking = 0;
    if (rows->error && !node->is_closed) {
        w->h->log(node->inst, WF_WARN, "billing.grant", "%s", rows->error);
        w->ask_ms = request->sent_ms + AGAIN_MS;
    }
    if (!rows->error)
        take_answers(w, request, rows);
    for (struct tenant *t = request->first, *next; t; t = next) {
        next = t->next_asked;
        int was_told = t->asked == 2;
        t->asked = 0;
        if (rows->error) {
            serve_outage(w, t);
            continue;
        }
        if (!was_told) {
            t->state = TENANT_UNKNOWN;
            t->retry_ms = request->sent_ms + UNKNOWN_MS;
            tenant_forget_slice(t);
        } else if (t->first) {
            w->h->count(t->first->node->inst, COUNT_GRANT_MS, w->now_ms - request->began_ms);
        }
        serve(w, t);
    }
    int64_t sent_ms = request->sent_ms;
    free(request);
    grant_ask(w, sent_ms);
}

void grant_ask(struct worker *w, int64_t now_ms)
{
    struct text list = { 0 }, usage = { 0 };
    if (w->is_asking || !w->wanting || !w->nodes || now_ms < w->ask_ms)
        return;
    struct grant_request *request = calloc(1, sizeof *request);
    if (!request)
        abort();
    request->sent_ms = now_ms;
    request->began_ms = worker_clock(w, 0);
    text_add(&list, "[", 1);
    text_add(&usage, "[", 1);
    for (unsigned n = 0; w->wanting && n < TENANTS_AT_ONCE; n++) {
        struct tenant *t = w->wanting;
        w->wanting = t->next_asked;
        t->wants = 0;
        t->asked = 1;
        t->next_asked = request->first;
        request->first = t;
        ask_for(w, t, &list, &usage, now_ms);
    }
    text_add(&list, "]", 1);
    text_add(&usage, "]", 1);
    char lease[24];
    snprintf(lease, sizeof lease, "%lld", (long long)LEASE_MS * 1000);
    const wf_str params[] = { { list.ptr, list.len },
                              { w->owner, strlen(w->owner) },
                              { lease, strlen(lease) },
                              { usage.ptr, usage.len } };
    wf_statement statements[COUNT_OF(grant_statements)];
    for (size_t i = 0; i < COUNT_OF(statements); i++) {
        statements[i] = grant_statements[i];
        statements[i].params = i == STEP_COUNT ? &params[3] : params;
        statements[i].n_params = grant_params[i];
    }
    w->is_asking = 1;
    if (worker_sql(w, w->nodes, statements, COUNT_OF(statements), on_answer, request) != 0) {
        static const wf_rows none = {
            .size = sizeof none, .missed = -1, .retryable = 1, .error = "the engine has no store"
        };
        w->ask_ms = now_ms + AGAIN_MS;
        on_answer(w, w->nodes, request, &none);
    }
    text_free(&list);
    text_free(&usage);
}

/* --- leases and what is left over ------------------------------------------------------------- */

static void on_renewed(struct worker *w, struct node *node, void *arg, const wf_rows *rows)
{
    (void)node;
    int64_t sent_ms = *(int64_t *)arg;
    free(arg);
    if (rows->error)
        return; /* its slices end with their leases, and are not used any longer than that */
    for (size_t i = 0; i < rows->n_rows; i++) {
        const wf_str *cells = rows->cells + i * rows->n_columns;
        struct tenant *t = tenant_of(w, cells[0].ptr, cells[0].len);
        if (t->slice == int_of(cells[1]))
            t->lease_ms = sent_ms + LEASE_MS - LEASE_MARGIN_MS;
    }
}

void lease_renew(struct worker *w, int64_t now_ms)
{
    char lease[24];
    int64_t *sent_ms = malloc(sizeof *sent_ms);
    if (!sent_ms)
        abort();
    *sent_ms = now_ms;
    snprintf(lease, sizeof lease, "%lld", (long long)LEASE_MS * 1000);
    const wf_str params[] = { { w->owner, strlen(w->owner) }, { lease, strlen(lease) } };
    const wf_statement statement = {
        .pg = "UPDATE billing_slices SET lease_us = " NOW_US_PG " + CAST($2 AS bigint) "
              "WHERE slice_id IN (SELECT slice_id FROM billing_slices WHERE owner = $1 "
              "AND state = 'open' ORDER BY slice_id FOR UPDATE) RETURNING tenant_id, slice_id",
        .sqlite = "UPDATE billing_slices SET lease_us = " NOW_US_SQLITE " + CAST($2 AS bigint) "
                  "WHERE owner = $1 AND state = 'open' RETURNING tenant_id, slice_id",
        .params = params,
        .n_params = 2
    };
    if (worker_sql(w, w->nodes, &statement, 1, on_renewed, sent_ms) != 0)
        free(sent_ms);
}

static void on_given_back(struct worker *w, struct node *node, void *arg, const wf_rows *rows)
{
    (void)w;
    (void)node;
    (void)arg;
    (void)rows; /* what was not done comes back with the end of the lease */
}

#define BACK(w, now)                                                                               \
    "UPDATE billing_slices SET granted_micro = granted_micro - w.n, "                              \
    "freed_micro = freed_micro + w.n, version = version + 1, updated_us = " now ", "               \
    "lease_us = CASE WHEN CAST($2 AS bigint) > 0 THEN " now                                        \
    " + CAST($2 AS bigint) ELSE lease_us END FROM " w                                              \
    " WHERE billing_slices.slice_id = w.s AND state = 'open' "                                     \
    "AND granted_micro - held_micro - spent_micro >= w.n"

static int is_idle(const struct tenant *t, int64_t now_ms)
{
    return t->used_ms < now_ms - (t->is_rich ? IDLE_RICH_MS : IDLE_MS);
}

void slices_give_back(struct worker *w, int64_t now_ms, int is_closing)
{
    struct text list = { 0 };
    text_add(&list, "[", 1);
    for (size_t i = 0; i < w->n_buckets; i++)
        for (struct tenant *t = w->buckets[i]; t; t = t->next) {
            if (!t->slice || t->asked || t->first ||
                (!is_closing && (t->avail_micro <= 0 || !is_idle(t, now_ms))))
                continue;
            text_addf(&list, "%s{\"s\":%lld,\"n\":%lld}", list.len > 1 ? "," : "",
                      (long long)t->slice, (long long)(t->avail_micro > 0 ? t->avail_micro : 0));
            t->avail_micro = 0;
        }
    text_add(&list, "]", 1);
    const wf_str params[] = { { list.ptr, list.len },
                              is_closing ? STR_OF("2000000") : STR_OF("0") };
    const wf_statement statement = { .pg = BACK(W_PG, NOW_US_PG),
                                     .sqlite = BACK(W_SQLITE, NOW_US_SQLITE),
                                     .params = params,
                                     .n_params = 2 };
    if (list.len > 2)
        worker_sql(w, w->nodes, &statement, 1, on_given_back, NULL);
    text_free(&list);
}
