/* SPDX-License-Identifier: Apache-2.0
 * loadRates: a new version of a rate card from an array of objects or a CSV text. All rows are
 * checked before anything is written, and written in one transaction; the trigger on the version
 * refuses one that is not later than the others. Thread: the worker's; nothing blocks.
 */
#include "billing_int.h"
#include "schema.h"
#include <stdio.h>

enum { CARD_COLUMNS = 7, CARD_ROWS_MAX = 1000000 };
static const char *const card_names[CARD_COLUMNS] = { "channel",     "direction", "class", "prefix",
                                                      "price_micro", "band_mode", "bands" };
static const char *const card_defaults[CARD_COLUMNS] = {
    "sms", "mt", "", "", NULL, "graduated", ""
};

struct card_row {
    wf_str cells[CARD_COLUMNS];
};

static int all_digits(wf_str s)
{
    for (size_t i = 0; i < s.len; i++)
        if (s.ptr[i] < '0' || s.ptr[i] > '9')
            return 0;
    return 1;
}

static int is_one_of(wf_str s, const char *a, const char *b)
{
    return (s.len == strlen(a) && !memcmp(s.ptr, a, s.len)) ||
           (s.len == strlen(b) && !memcmp(s.ptr, b, s.len));
}

/* NULL, or what is wrong. */
static const char *row_wrong(const struct card_row *row)
{
    const wf_str *c = row->cells;
    wf_str network = { c[3].ptr + 1, c[3].len ? c[3].len - 1 : 0 };
    char bands[1024] = "";
    struct rate_band parsed[RATE_BANDS_MAX];
    if (!c[0].len || c[0].len > 31)
        return "channel has 1 to 31 bytes";
    if (!is_one_of(c[1], "mt", "mo"))
        return "direction is mt or mo";
    if (c[2].len > 31)
        return "class has at most 31 bytes";
    if (c[3].len > 15 || !(all_digits(c[3]) || (c[3].ptr[0] == 'n' && all_digits(network) &&
                                                network.len >= 5 && network.len <= 6)))
        return "prefix is up to 15 digits, or n and MCC and MNC";
    if (!c[4].ptr || !c[4].len || c[4].len > 17 || !all_digits(c[4]))
        return "price_micro is a whole number of micro-units, 0 or more";
    if (!is_one_of(c[5], "graduated", "all"))
        return "band_mode is graduated or all";
    if (c[6].len >= sizeof bands)
        return "bands are too long";
    memcpy(bands, c[6].ptr, c[6].len);
    return rate_bands_parse(bands, parsed, RATE_BANDS_MAX) < 0
               ? "bands are like 1000:4500,5000:4000, thresholds rising from above 0"
               : NULL;
}

static void row_json(struct text *list, const struct card_row *row)
{
    text_add(list, list->len > 1 ? ",{" : "{", list->len > 1 ? 2 : 1);
    for (unsigned i = 0; i < CARD_COLUMNS; i++) {
        text_addf(list, "%s\"%s\":", i ? "," : "", card_names[i]);
        text_json(list, row->cells[i].ptr, row->cells[i].len);
    }
    text_add(list, "}", 1);
}

static const char *take_row(struct text *list, struct card_row *row)
{
    for (unsigned i = 0; i < CARD_COLUMNS; i++)
        if (!row->cells[i].ptr && card_defaults[i])
            row->cells[i] = (wf_str){ card_defaults[i], strlen(card_defaults[i]) };
    const char *wrong = row_wrong(row);
    if (!wrong)
        row_json(list, row);
    return wrong;
}

/* --- where rows come from --------------------------------------------------------------------- */

static const char *take_array(const wf_host *h, wf_item *it, const wf_value *rows,
                              struct text *list, size_t *at)
{
    size_t n = h->v->count(rows);
    const char *wrong = n > CARD_ROWS_MAX ? "there are too many rows" : NULL;
    for (*at = 0; *at < n && !wrong; ++*at) {
        struct card_row row = { 0 };
        for (unsigned k = 0; k < CARD_COLUMNS; k++) {
            const wf_value *v =
                h->v->get(h->v->at(rows, *at), card_names[k], strlen(card_names[k]));
            if (v && h->v->type(v) != WF_JSON_NULL)
                row.cells[k] = h->v->text(it, v);
        }
        wrong = take_row(list, &row);
    }
    return wrong;
}

/* The next cell of a line, with or without quotes; *p moves behind its comma. */
static wf_str next_cell(const char **p, const char *end)
{
    const char *from = *p;
    wf_str cell;
    if (from < end && *from == '"') {
        const char *stop = memchr(from + 1, '"', (size_t)(end - from - 1));
        cell = (wf_str){ from + 1, (size_t)((stop ? stop : end) - from - 1) };
        from = stop ? stop + 1 : end;
        const char *comma = memchr(from, ',', (size_t)(end - from));
        *p = comma ? comma + 1 : end + 1;
        return cell;
    }
    const char *comma = memchr(from, ',', (size_t)(end - from));
    cell = (wf_str){ from, (size_t)((comma ? comma : end) - from) };
    *p = comma ? comma + 1 : end + 1;
    return cell;
}

static int column_of(wf_str name)
{
    for (int i = 0; i < CARD_COLUMNS; i++)
        if (is_one_of(name, card_names[i], card_names[i]))
            return i;
    return -1;
}

struct csv {
    int columns[CARD_COLUMNS * 2]; /* what stands in each place; -1: nothing of ours */
    unsigned n;
};

/* The first line names the columns. */
static void csv_head(struct csv *csv, const char *p, const char *end)
{
    while (p <= end && csv->n < COUNT_OF(csv->columns))
        csv->columns[csv->n++] = column_of(next_cell(&p, end));
}

static const char *csv_line(const struct csv *csv, const char *p, const char *end,
                            struct text *list)
{
    struct card_row row = { 0 };
    for (unsigned i = 0; p <= end && i < csv->n; i++) {
        wf_str cell = next_cell(&p, end);
        if (csv->columns[i] >= 0)
            row.cells[csv->columns[i]] = cell;
    }
    return row.cells[3].len || row.cells[4].len ? take_row(list, &row) : NULL; /* else empty */
}

static const char *take_csv(wf_str text, struct text *list, size_t *line)
{
    struct csv csv = { .n = 0 };
    const char *wrong = NULL, *all = text.ptr + text.len;
    *line = 0;
    for (const char *p = text.ptr, *next; p < all && !wrong; p = next, ++*line) {
        const char *stop = memchr(p, '\n', (size_t)(all - p)), *end = stop ? stop : all;
        next = stop ? stop + 1 : all;
        if (end > p && end[-1] == '\r')
            end--;
        if (*line)
            wrong = csv_line(&csv, p, end, list);
        else
            csv_head(&csv, p, end);
    }
    return wrong;
}

/* --- the operation ---------------------------------------------------------------------------- */

static void on_loaded(struct account_job *job, wf_item *it, const wf_rows *rows)
{
    const wf_host *h = job->node->worker->h;
    if (rows->n_rows != 1) {
        account_refuse(job, it, "conflict", "another version came in between");
        return;
    }
    job->node->worker->look_ms = 0; /* it is wanted now */
    account_emit(job, it,
                 h->build(it, "{s:s,s:S,s:i,s:i,s:i}", "op", "loadRates", "card", job->c->card,
                          "version", int_of(rows->cells[0]), "rows", int_of(rows->cells[1]),
                          "valid_from_us", int_of(rows->cells[2])));
}

/* Two loads in one tick of the store's clock follow each other. */
#define CARD_VERSION(now)                                                                          \
    "INSERT INTO rate_card_versions (card, version, valid_from_us, currency, note) "               \
    "SELECT CAST($1 AS text), COALESCE(max(version), 0) + 1, "                                     \
    "CASE WHEN CAST($3 AS bigint) > 0 AND (count(*) = 0 OR CAST($3 AS bigint) >= " now             \
    " - 60000000) THEN CAST($3 AS bigint) WHEN CAST($3 AS bigint) > 0 THEN NULL ELSE " now         \
    " + CASE WHEN max(valid_from_us) = " now " THEN 1 ELSE 0 END END, CAST($2 AS text), "          \
    "CAST($4 AS text) FROM rate_card_versions WHERE card = $1"
#define CARD_ROWS_PG                                                                               \
    "INSERT INTO rate_cards (card, version, channel, direction, class, prefix, price_micro, "      \
    "band_mode, bands) SELECT CAST($1 AS text), (SELECT max(version) FROM rate_card_versions "     \
    "WHERE card = $1), w.* FROM jsonb_to_recordset($2::jsonb) AS w(channel text, direction text, " \
    "class text, prefix text, price_micro bigint, band_mode text, bands text)"
#define CARD_ROWS_SQLITE                                                                           \
    "INSERT INTO rate_cards (card, version, channel, direction, class, prefix, price_micro, "      \
    "band_mode, bands) SELECT $1, (SELECT max(version) FROM rate_card_versions WHERE card = $1), " \
    "value->>'channel', value->>'direction', value->>'class', value->>'prefix', "                  \
    "CAST(value->>'price_micro' AS INTEGER), value->>'band_mode', value->>'bands' "                \
    "FROM json_each($2)"

void load_start(struct account_job *job, wf_item *it)
{
    const wf_host *h = job->node->worker->h;
    const struct account_config *c = job->c;
    struct text list = { 0 };
    size_t at = 0;
    wf_str csv;
    text_add(&list, "[", 1);
    const char *wrong;
    if (!c->card.len || c->card.len > RATE_NAME_MAX)
        wrong = "card has 1 to 63 bytes";
    else if (currency_places(c->currency.ptr, c->currency.len) < 0)
        wrong = "currency is none of ISO 4217";
    else if (h->v->bytes(c->rows, &csv.ptr, &csv.len) == 0)
        wrong = take_csv(csv, &list, &at);
    else if (h->v->type(c->rows) == WF_JSON_ARRAY)
        wrong = take_array(h, it, c->rows, &list, &at);
    else
        wrong = "rows is neither an array nor a CSV text";
    text_add(&list, "]", 1);
    if (wrong) {
        account_refuse(job, it, "bad_message", h->fmt(it, "row %zu: %s", at, wrong).ptr);
    } else {
        const wf_str version[] = { c->card, c->currency, h->fmt(it, "%lld", (long long)c->from_us),
                                   c->note };
        const wf_str rows[] = { c->card, { list.ptr, list.len } };
        const wf_statement statements[] = {
            { .pg = CARD_VERSION(NOW_US_PG),
              .sqlite = CARD_VERSION(NOW_US_SQLITE),
              .params = version,
              .n_params = 4 },
            { .pg = CARD_ROWS_PG, .sqlite = CARD_ROWS_SQLITE, .params = rows, .n_params = 2 },
            { .pg = "SELECT v.version, (SELECT count(*) FROM rate_cards r WHERE r.card = v.card "
                    "AND r.version = v.version), v.valid_from_us FROM rate_card_versions v "
                    "WHERE v.card = $1 ORDER BY v.version DESC LIMIT 1",
              .params = rows,
              .n_params = 1 },
        };
        account_run(job, it, statements, 3, on_loaded);
    }
    text_free(&list);
}
