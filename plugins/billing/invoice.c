/* SPDX-License-Identifier: Apache-2.0
 * invoice: the charges of a calendar month of the tenant's zone, by accept time, as lines of
 * channel, prefix and unit price. Each line is rounded once, half to even, to the currency's minor
 * unit; the differences are booked to `rounding`. Prices that hang on volume were made with
 * counters that lag: here all messages of the month are counted once more, in the order they were
 * accepted, and the difference is booked as `rerate`. Both only when the month is closed with
 * `finish`, once.
 *
 * Thread: the worker's; nothing blocks. A month with bands is read message by message.
 */
#include "billing_int.h"
#include "schema.h"
#include <stdio.h>
#include <stdlib.h>

enum { MESSAGES_MAX = 2000000, CARDS_MAX = 64 };

struct line {
    char channel[32], prefix[18];
    int64_t unit_micro, units, amount_micro;
};
struct invoice {
    struct line *lines;
    size_t n, size;
    struct tenant *tenant;
    struct invoice_card { /* units of the month: all of them, and how many were counted again */
        char name[RATE_NAME_MAX + 1];
        int64_t total, counted;
    } cards[CARDS_MAX];
    unsigned n_cards;
    int64_t charged_micro, exact_micro, open_holds;
};

/* --- lines ------------------------------------------------------------------------------------ */

static void line_cell(char *to, size_t size, wf_str cell)
{
    size_t n = cell.ptr && cell.len < size ? cell.len : 0;
    memcpy(to, cell.ptr ? cell.ptr : "", n);
    to[n] = 0;
}

static void line_add(const wf_host *h, wf_item *it, struct invoice *v, const struct line *more)
{
    for (size_t i = 0; i < v->n; i++) {
        struct line *l = &v->lines[i];
        if (l->unit_micro == more->unit_micro && !strcmp(l->prefix, more->prefix) &&
            !strcmp(l->channel, more->channel)) {
            l->units += more->units;
            l->amount_micro += more->amount_micro;
            return;
        }
    }
    if (v->n == v->size) {
        size_t size = v->size ? v->size * 2 : 64;
        struct line *larger = h->alloc(it, size * sizeof *larger);
        if (v->n)
            memcpy(larger, v->lines, v->n * sizeof *larger);
        v->lines = larger;
        v->size = size;
    }
    v->lines[v->n++] = *more;
}

static int by_line(const void *one, const void *other)
{
    const struct line *a = one, *b = other;
    int way = strcmp(a->channel, b->channel);
    if (!way)
        way = strcmp(a->prefix, b->prefix);
    return way ? way : (a->unit_micro > b->unit_micro) - (a->unit_micro < b->unit_micro);
}

/* --- what is written when the month is closed ------------------------------------------------- */

static const wf_value *line_value(const wf_host *h, wf_item *it, const struct line *l,
                                  int64_t minor)
{
    int64_t whole = money_round(l->amount_micro, minor);
    return h->build(it, "{s:s,s:s,s:i,s:i,s:i,s:i,s:i}", "channel", l->channel, "prefix", l->prefix,
                    "unit_micro", l->unit_micro, "units", l->units, "amount_micro", l->amount_micro,
                    "amount_minor", whole, "rounding_micro", whole * minor - l->amount_micro);
}

static const wf_value *invoice_value(struct account_job *job, wf_item *it, const struct invoice *v,
                                     int is_closed)
{
    const wf_host *h = job->node->worker->h;
    int64_t minor = currency_minor(job->currency, 3), sum = 0, total = 0;
    const wf_value **lines = h->alloc(it, (v->n + 1) * sizeof(const wf_value *));
    for (size_t i = 0; i < v->n; i++) {
        lines[i] = line_value(h, it, &v->lines[i], minor);
        sum += v->lines[i].amount_micro;
        total += money_round(v->lines[i].amount_micro, minor);
    }
    return h->build(it, "{s:s,s:S,s:i,s:s,s:i,s:i,s:i,s:i,s:i,s:i,s:i,s:i,s:b,s:v}", "op",
                    "invoice", "tenant_id", job->tenant, "month", job->month.number, "ccy",
                    job->currency, "from_us", job->month.from_us, "to_us", job->month.to_us,
                    "charged_micro", v->charged_micro, "rerate_micro",
                    v->exact_micro - v->charged_micro, "amount_micro", sum, "amount_minor", total,
                    "rounding_micro", total * minor - sum, "open_holds", v->open_holds, "closed",
                    is_closed, "lines", h->v->array(it, lines, v->n));
}

static void on_closed(struct account_job *job, wf_item *it, const wf_rows *rows)
{
    const struct invoice *v = job->more;
    (void)rows;
    account_emit(job, it, invoice_value(job, it, v, 1));
}

#define INVOICE_LINES(w)                                                                           \
    "INSERT INTO billing_invoices (tenant_id, month, line, channel, prefix, unit_micro, units, "   \
    "amount_micro, amount_minor, rounding_micro, currency) SELECT CAST($1 AS text), "              \
    "CAST($2 AS bigint), w.n, w.c, w.p, w.u, w.q, w.a, w.m, w.r, CAST($4 AS text) FROM " w         \
    " WHERE true ON CONFLICT (tenant_id, month, line) DO NOTHING"
#define INVOICE_BOOK                                                                               \
    "INSERT INTO billing_transactions (tenant_id, idempotency_key, body, op, amount_micro, "       \
    "currency) SELECT CAST($1 AS text), CAST($2 AS text), CAST($3 AS bigint), CAST($4 AS text), "  \
    "CAST($3 AS bigint), CAST($5 AS text) WHERE CAST($3 AS bigint) <> 0 " LEDGER_ONCE

/* In SQLite a SELECT without FROM before ON CONFLICT needs its WHERE, which is there. */
static void invoice_close(struct account_job *job, wf_item *it, const struct invoice *v)
{
    const wf_host *h = job->node->worker->h;
    int64_t minor = currency_minor(job->currency, 3), rounding = 0;
    struct text list = { 0 };
    text_add(&list, "[", 1);
    for (size_t i = 0; i < v->n; i++) {
        const struct line *l = &v->lines[i];
        int64_t whole = money_round(l->amount_micro, minor), off = whole * minor - l->amount_micro;
        rounding += off;
        text_addf(&list, "%s{\"n\":%zu,\"c\":", i ? "," : "", i + 1);
        text_json(&list, l->channel, strlen(l->channel));
        text_addf(&list, ",\"p\":\"%s\",\"u\":%lld,\"q\":%lld,\"a\":%lld,\"m\":%lld,\"r\":%lld}",
                  l->prefix, (long long)l->unit_micro, (long long)l->units,
                  (long long)l->amount_micro, (long long)whole, (long long)off);
    }
    text_add(&list, "]", 1);
    wf_str currency = { job->currency, 3 };
    const wf_str lines[] = { job->tenant,
                             h->fmt(it, "%lld", (long long)job->month.number),
                             { list.ptr, list.len },
                             currency };
    const wf_str rerate[] = { job->tenant,
                              h->fmt(it, "invoice:%lld:rerate", (long long)job->month.number),
                              h->fmt(it, "%lld", (long long)(v->exact_micro - v->charged_micro)),
                              STR_OF("rerate"), currency };
    const wf_str round[] = { job->tenant,
                             h->fmt(it, "invoice:%lld:rounding", (long long)job->month.number),
                             h->fmt(it, "%lld", (long long)rounding), STR_OF("rounding"),
                             currency };
    const wf_statement statements[] = {
        { .pg = INVOICE_BOOK, .params = rerate, .n_params = 5 },
        { .pg = INVOICE_BOOK, .params = round, .n_params = 5 },
        { .pg = INVOICE_LINES("jsonb_to_recordset($3::jsonb) AS w(n bigint, c text, p text, "
                              "u bigint, q bigint, a bigint, m bigint, r bigint)"),
          .sqlite = INVOICE_LINES(
              "(SELECT CAST(value->>'n' AS INTEGER) AS n, value->>'c' AS c, value->>'p' AS p, "
              "CAST(value->>'u' AS INTEGER) AS u, CAST(value->>'q' AS INTEGER) AS q, "
              "CAST(value->>'a' AS INTEGER) AS a, CAST(value->>'m' AS INTEGER) AS m, "
              "CAST(value->>'r' AS INTEGER) AS r FROM json_each($3)) AS w"),
          .params = lines,
          .n_params = 4 },
    };
    account_run(job, it, statements, 3, on_closed);
    text_free(&list);
}

static void invoice_end(struct account_job *job, wf_item *it)
{
    struct invoice *v = job->more;
    if (v->n)
        qsort(v->lines, v->n, sizeof *v->lines, by_line);
    if (!job->c->finish)
        account_emit(job, it, invoice_value(job, it, v, 0));
    else if (job->month.to_us > job->node->worker->h->now_ms(it) * 1000)
        account_refuse(job, it, "too_early", "the month has not ended");
    else if (v->open_holds)
        account_refuse(job, it, "open_holds",
                       "messages of the month are still held: settle or "
                       "expire them first");
    else
        invoice_close(job, it, v);
}

/* --- counting once more ----------------------------------------------------------------------- */

static int has_price(const struct rates *r, const struct rate *rate, int64_t unit_micro)
{
    for (unsigned b = 0; b < rate->n_bands; b++)
        if (r->bands[rate->bands + b].price_micro == unit_micro)
            return 1;
    return rate->price_micro == unit_micro;
}

/* The rate of this very prefix in a version; of several groups the one that has the price. */
static const struct rate *rate_in(const struct rates *r, const struct rate_version *v,
                                  const char *channel, const char *prefix, int64_t unit_micro)
{
    const struct rate *found = NULL;
    int is_network = *prefix == 'n';
    for (uint32_t k = 0; k < v->n_groups; k++) {
        const struct rate_group *g = &v->groups[k];
        if (strcmp(g->channel, channel) != 0)
            continue;
        int32_t at = trie_find(is_network ? &g->networks : &g->numbers, prefix + is_network,
                               strlen(prefix + is_network));
        const struct rate *rate = at >= 0 ? &r->rates[at] : NULL;
        if (rate && !strcmp(rate->prefix, prefix) && (!found || has_price(r, rate, unit_micro)))
            found = rate;
    }
    return found;
}

/* The rate of a message as it was sent: by card, version, channel and the prefix it matched. */
static const struct rate *rate_as_sent(const struct rates *r, const wf_str *cells)
{
    char name[RATE_NAME_MAX + 1], channel[32], prefix[18];
    line_cell(name, sizeof name, cells[3]);
    line_cell(channel, sizeof channel, cells[0]);
    line_cell(prefix, sizeof prefix, cells[1]);
    const struct rate_card *card = rates_card(r, name);
    for (uint32_t i = 0; card && i < card->n_versions; i++)
        if (card->versions[i].number == int_of(cells[4]))
            return rate_in(r, &card->versions[i], channel, prefix, int_of(cells[6]));
    return NULL;
}

static struct invoice_card *card_of(struct invoice *v, wf_str name)
{
    char text[RATE_NAME_MAX + 1];
    line_cell(text, sizeof text, name);
    for (unsigned i = 0; i < v->n_cards; i++)
        if (!strcmp(v->cards[i].name, text))
            return &v->cards[i];
    unsigned i = v->n_cards < CARDS_MAX ? v->n_cards++ : CARDS_MAX - 1;
    memcpy(v->cards[i].name, text, sizeof text);
    return &v->cards[i];
}

/* One message's units as they fall into bands: a line for each price. With `all` every unit of the
 * month has the price of the band that the month has reached. */
static void count_again(struct account_job *job, wf_item *it, struct invoice *v,
                        const wf_str *cells, struct line *line)
{
    const struct rates *r = job->node->worker->rates;
    const struct rate *rate = rate_as_sent(r, cells);
    int64_t bundle = v->tenant->bundle, units = line->units, amount, unit;
    struct invoice_card *card = card_of(v, cells[3]);
    if (!rate) { /* its card is not there: as it was charged */
        v->exact_micro += line->amount_micro;
        line_add(job->node->worker->h, it, v, line);
    }
    for (int64_t i = 0; rate && i < units; i++) {
        int64_t before = card->counted + i;
        int is_free = before < bundle;
        if (rate->mode == RATE_ALL_UNITS && !is_free)
            before = card->total - 1;
        if (rate_price(r, rate, bundle, before, 1, &amount, &unit) != 0)
            amount = unit = 0;
        line->unit_micro = unit;
        line->units = 1;
        line->amount_micro = amount;
        v->exact_micro += amount;
        line_add(job->node->worker->h, it, v, line);
    }
    card->counted += units;
}

/* --- the rows of the month -------------------------------------------------------------------- */

static int has_volume_prices(const struct account_job *job, const struct tenant *t)
{
    const char *const names[] = { t->card, t->tier, "default" };
    for (unsigned i = 0; i < COUNT_OF(names); i++) {
        const struct rate_card *card =
            *names[i] ? rates_card(job->node->worker->rates, names[i]) : NULL;
        for (uint32_t k = 0; card && k < card->n_versions; k++)
            if (card->versions[k].has_bands)
                return 1;
    }
    return t->bundle > 0;
}

static void on_charges(struct account_job *job, wf_item *it, const wf_rows *rows)
{
    struct invoice *v = job->more;
    int again = has_volume_prices(job, v->tenant);
    if (rows->n_rows > MESSAGES_MAX) {
        account_refuse(job, it, "too_much",
                       "the month has more messages than can be counted again");
        return;
    }
    for (size_t i = 0; again && i < rows->n_rows; i++) {
        const wf_str *cells = rows->cells + i * rows->n_columns;
        if (int_of(cells[2]) > 0)
            card_of(v, cells[3])->total += int_of(cells[2]);
    }
    for (size_t i = 0; i < rows->n_rows; i++) {
        const wf_str *cells = rows->cells + i * rows->n_columns;
        struct line line = { .units = int_of(cells[2]),
                             .amount_micro = int_of(cells[5]),
                             .unit_micro = int_of(cells[6]) };
        line_cell(line.channel, sizeof line.channel, cells[0]);
        line_cell(line.prefix, sizeof line.prefix, cells[1]);
        v->charged_micro += line.amount_micro;
        if (again && line.units > 0) {
            count_again(job, it, v, cells, &line);
        } else {
            v->exact_micro += line.amount_micro;
            line_add(job->node->worker->h, it, v, &line);
        }
    }
    invoice_end(job, it);
}

#define OF_MONTH(from)                                                                             \
    " FROM billing_transactions WHERE tenant_id = $1 AND op IN ('commit', 'refund') "              \
    "AND accept_us >= CAST($2 AS bigint) AND accept_us < CAST($3 AS bigint) AND created_at "       \
    ">= " from
#define EACH(from)                                                                                 \
    "SELECT channel, prefix, CASE op WHEN 'refund' THEN -units ELSE units END, card, version, "    \
    "CASE op WHEN 'refund' THEN -amount_micro ELSE amount_micro END, unit_micro" OF_MONTH(         \
        from) " ORDER BY accept_us, idempotency_key LIMIT 2000001"
#define GROUPED(from)                                                                              \
    "SELECT channel, prefix, CAST(sum(CASE op WHEN 'refund' THEN -units ELSE units END) AS "       \
    "bigint), '', 0, CAST(sum(CASE op WHEN 'refund' THEN -amount_micro ELSE amount_micro END) "    \
    "AS bigint), unit_micro" OF_MONTH(from) " GROUP BY channel, prefix, unit_micro, op"
#define DAY_BEFORE_PG     "to_timestamp((CAST($2 AS bigint) - 86400000000) / 1000000.0)"
#define DAY_BEFORE_SQLITE "CAST($2 AS bigint) - 86400000000"

static void charges_start(struct account_job *job, wf_item *it)
{
    const wf_host *h = job->node->worker->h;
    const struct invoice *v = job->more;
    const wf_str params[] = { job->tenant, h->fmt(it, "%lld", (long long)job->month.from_us),
                              h->fmt(it, "%lld", (long long)job->month.to_us) };
    wf_statement statement = { .pg = GROUPED(DAY_BEFORE_PG),
                               .sqlite = GROUPED(DAY_BEFORE_SQLITE),
                               .params = params,
                               .n_params = 3 };
    if (has_volume_prices(job, v->tenant)) {
        statement.pg = EACH(DAY_BEFORE_PG);
        statement.sqlite = EACH(DAY_BEFORE_SQLITE);
    }
    account_run(job, it, &statement, 1, on_charges);
}

static void on_holds(struct account_job *job, wf_item *it, const wf_rows *rows)
{
    struct invoice *v = job->more;
    v->open_holds = rows->n_rows ? int_of(rows->cells[0]) : 0;
    charges_start(job, it);
}

#define HOLDS(from, id)                                                                            \
    "SELECT count(*) FROM billing_transactions r WHERE tenant_id = $1 AND op = 'reserve' "         \
    "AND accept_us >= CAST($2 AS bigint) AND accept_us < CAST($3 AS bigint) AND created_at "       \
    ">= " from " AND NOT EXISTS (SELECT 1 FROM billing_transactions e WHERE e.tenant_id = $1 "     \
    "AND e.idempotency_key = " id " || ':end')"

/* "2026-07"; 0: it is no month. */
static int64_t month_text(wf_str text)
{
    int year, month, end = 0;
    if (sscanf(text.ptr, "%4d-%2d%n", &year, &month, &end) != 2 || (size_t)end != text.len ||
        year < 1970 || month < 1 || month > 12)
        return 0;
    return year * 100 + month;
}

static void on_settings(struct account_job *job, wf_item *it, const wf_rows *rows)
{
    const wf_host *h = job->node->worker->h;
    struct worker *w = job->node->worker;
    struct invoice *v = job->more;
    if (rows->n_rows != 1) {
        account_refuse(job, it, "unknown_tenant", "the tenant has no billing settings");
        return;
    }
    if (!w->rates) {
        h->retry(it, 200, "billing: the rate cards are being loaded");
        free(job);
        return;
    }
    v->tenant = tenant_of(w, job->tenant.ptr, job->tenant.len);
    tenant_fill(w, v->tenant, rows->cells);
    memcpy(job->currency, v->tenant->currency, sizeof job->currency);
    int64_t number = month_text(job->c->month);
    job->month = job->c->month.len ? (struct money_month){ 0 }
                                   : month_of(v->tenant->zone, h->now_ms(it) * 1000);
    if (!job->c->month.len)
        number = month_of(v->tenant->zone, job->month.from_us - 1).number;
    if (!number) {
        account_refuse(job, it, "bad_message", "month is not like 2026-07");
        return;
    }
    job->month = month_numbered(v->tenant->zone, number);
    const wf_str params[] = { job->tenant, h->fmt(it, "%lld", (long long)job->month.from_us),
                              h->fmt(it, "%lld", (long long)job->month.to_us) };
    const wf_statement statement = {
        .pg = HOLDS(DAY_BEFORE_PG, "left(r.idempotency_key, -4)"),
        .sqlite =
            HOLDS(DAY_BEFORE_SQLITE, "substr(r.idempotency_key, 1, length(r.idempotency_key) - 4)"),
        .params = params,
        .n_params = 3
    };
    account_run(job, it, &statement, 1, on_holds);
}

void invoice_start(struct account_job *job, wf_item *it)
{
    const wf_statement statement = { .pg = "SELECT " CONFIG_COLUMNS
                                           " FROM tenant_billing_config c WHERE c.tenant_id = $1",
                                     .params = &job->tenant,
                                     .n_params = 1 };
    job->more = job->node->worker->h->alloc(it, sizeof(struct invoice));
    account_run(job, it, &statement, 1, on_settings);
}
