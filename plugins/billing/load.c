/* SPDX-License-Identifier: Apache-2.0
 * Loading the rate cards, once for the whole process: the first worker that finds a newer version
 * number reads them, in pages so that its loop goes on, builds the snapshot and puts it where the
 * others find it. Each worker looks for newer numbers once a second; settings of tenants that
 * changed since come by the same way.
 *
 * Thread: the worker's. The shared snapshot is guarded by a lock that is taken when a worker looks,
 * never for a message.
 */
#include "billing_int.h"
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

enum { PAGE_ROWS = 20000, CARD_CELLS = 9 };

static struct {
    pthread_mutex_t lock;
    struct rates *current;
    struct worker *loading; /* who loads it now */
    unsigned workers;
} shared = { .lock = PTHREAD_MUTEX_INITIALIZER };

/* A load under way. */
struct rate_load {
    struct rate_builder builder;
    struct load_version {
        char card[RATE_NAME_MAX + 1], currency[4];
        int64_t number, from_us;
    } * versions;
    size_t n_versions;
    int64_t number;
    char last[6][64]; /* key of the last row */
};

static void load_cell(char *to, size_t size, wf_str cell)
{
    size_t n = cell.ptr && cell.len < size ? cell.len : 0;
    if (n)
        memcpy(to, cell.ptr, n);
    to[n] = 0;
}

static void load_end(struct worker *w)
{
    struct rate_load *load = w->load;
    w->load = NULL;
    if (!load)
        return;
    rate_builder_free(&load->builder);
    free(load->versions);
    free(load);
    pthread_mutex_lock(&shared.lock);
    if (shared.loading == w)
        shared.loading = NULL;
    pthread_mutex_unlock(&shared.lock);
}

/* --- taking a snapshot over ------------------------------------------------------------------- */

static void load_take(struct worker *w)
{
    pthread_mutex_lock(&shared.lock);
    struct rates *current = shared.current;
    if (current && current != w->rates) {
        rates_drop(w->rates);
        w->rates = rates_hold(current);
        w->rates_serial++;
    }
    pthread_mutex_unlock(&shared.lock);
    if (w->rates)
        rates_waiters_go(w);
}

void rates_wait(struct worker *w, struct node *node, wf_ticket ticket)
{
    struct waiter *wait = calloc(1, sizeof *wait);
    if (!wait)
        abort();
    *wait = (struct waiter){ .ticket = ticket, .node = node };
    *w->rates_last = wait;
    w->rates_last = &wait->next;
}

void rates_waiters_go(struct worker *w)
{
    look_back_begin(w);
    while (w->rates_first) {
        struct waiter *wait = w->rates_first;
        w->rates_first = wait->next;
        if (!w->rates_first)
            w->rates_last = &w->rates_first;
        wf_item *it = wait->node->h->resume(wait->node->h, wait->ticket);
        if (it)
            reserve_item(wait->node, it, w->h->config(it), w->h->now_ms(it), 0);
        free(wait);
    }
    look_back_flush(w);
    grant_ask(w, w->now_ms);
}

/* --- pages ------------------------------------------------------------------------------------ */

static int by_version(const void *one, const void *other)
{
    const struct load_version *a = one, *b = other;
    int way = strcmp(a->card, b->card);
    return way ? way : (a->number > b->number) - (a->number < b->number);
}

static void load_row(struct rate_load *load, const wf_str *cells)
{
    struct rate_row row = { .price_micro = int_of(cells[6]), .mode = RATE_GRADUATED };
    struct load_version wanted = { .number = int_of(cells[1]) };
    load_cell(row.card, sizeof row.card, cells[0]);
    load_cell(row.channel, sizeof row.channel, cells[2]);
    load_cell(row.direction, sizeof row.direction, cells[3]);
    load_cell(row.class_name, sizeof row.class_name, cells[4]);
    load_cell(row.prefix, sizeof row.prefix, cells[5]);
    if (cells[7].len == 3) /* "all" */
        row.mode = RATE_ALL_UNITS;
    memcpy(wanted.card, row.card, sizeof wanted.card);
    const struct load_version *v =
        bsearch(&wanted, load->versions, load->n_versions, sizeof *v, by_version);
    if (!v || !*row.channel)
        return; /* of a version that came meanwhile: the next load has it all */
    row.version = v->number;
    row.from_us = v->from_us;
    memcpy(row.currency, v->currency, sizeof row.currency);
    if (cells[8].len)
        row.bands = strndup(cells[8].ptr, cells[8].len);
    rate_builder_add(&load->builder, &row);
}

static void on_page(struct worker *w, struct node *node, void *arg, const wf_rows *rows);

static int ask_page(struct worker *w)
{
    struct rate_load *load = w->load;
    static const char sql[] =
        "SELECT card, version, channel, direction, class, prefix, price_micro, band_mode, bands "
        "FROM rate_cards WHERE (card, version, channel, direction, class, prefix) > "
        "($1, CAST($2 AS bigint), $3, $4, $5, $6) "
        "ORDER BY card, version, channel, direction, class, prefix LIMIT 20000";
    wf_str params[6];
    for (unsigned i = 0; i < 6; i++)
        params[i] = (wf_str){ load->last[i], strlen(load->last[i]) };
    const wf_statement statement = { .pg = sql, .params = params, .n_params = 6 };
    return worker_sql(w, w->nodes, &statement, 1, on_page, load);
}

static void load_publish(struct worker *w)
{
    struct rates *built = rates_build(&w->load->builder, w->load->number);
    pthread_mutex_lock(&shared.lock);
    struct rates *old = shared.current;
    shared.current = built;
    pthread_mutex_unlock(&shared.lock);
    rates_drop(old);
    w->h->log(w->nodes->inst, WF_INFO, "billing.rates", "%u prices of %u cards, number %lld",
              built->n_rates, built->n_cards, (long long)built->number);
}

static void on_page(struct worker *w, struct node *node, void *arg, const wf_rows *rows)
{
    (void)node;
    struct rate_load *load = w->load;
    if (rows->error || !w->nodes || load != arg) {
        load_end(w);
        return;
    }
    for (size_t i = 0; i < rows->n_rows; i++)
        load_row(load, rows->cells + i * rows->n_columns);
    if (rows->n_rows == PAGE_ROWS) {
        const wf_str *cells = rows->cells + (rows->n_rows - 1) * rows->n_columns;
        for (unsigned i = 0; i < 6; i++)
            load_cell(load->last[i], sizeof load->last[i], cells[i]);
        if (ask_page(w) == 0)
            return;
    } else {
        load_publish(w);
    }
    load_end(w);
    load_take(w);
}

static void on_versions(struct worker *w, struct node *node, void *arg, const wf_rows *rows)
{
    (void)node;
    struct rate_load *load = w->load;
    if (rows->error || !w->nodes || load != arg) {
        load_end(w);
        return;
    }
    load->versions = calloc(rows->n_rows + 1, sizeof *load->versions);
    if (!load->versions)
        abort();
    for (size_t i = 0; i < rows->n_rows; i++) {
        const wf_str *cells = rows->cells + i * rows->n_columns;
        struct load_version *v = &load->versions[load->n_versions++];
        load_cell(v->card, sizeof v->card, cells[0]);
        load_cell(v->currency, sizeof v->currency, cells[2]);
        v->number = int_of(cells[1]);
        v->from_us = int_of(cells[3]);
        struct rate_row empty = { .version = v->number, .from_us = v->from_us };
        memcpy(empty.card, v->card, sizeof empty.card);
        memcpy(empty.currency, v->currency, sizeof empty.currency);
        rate_builder_add(&load->builder, &empty); /* a version without prices ends the one before */
    }
    qsort(load->versions, load->n_versions, sizeof *load->versions, by_version);
    snprintf(load->last[1], sizeof load->last[1], "0");
    if (ask_page(w) != 0)
        load_end(w);
}

static void load_begin(struct worker *w, int64_t number)
{
    pthread_mutex_lock(&shared.lock);
    int is_mine = !shared.loading && !w->load;
    if (is_mine)
        shared.loading = w;
    pthread_mutex_unlock(&shared.lock);
    if (!is_mine)
        return; /* it will be there when this worker looks again */
    w->load = calloc(1, sizeof *w->load);
    if (!w->load)
        abort();
    w->load->number = number;
    const wf_statement statement = {
        .pg = "SELECT card, version, currency, valid_from_us FROM rate_card_versions"
    };
    if (worker_sql(w, w->nodes, &statement, 1, on_versions, w->load) != 0)
        load_end(w);
}

/* --- looking for newer ones ------------------------------------------------------------------- */

static void on_tenants(struct worker *w, struct node *node, void *arg, const wf_rows *rows)
{
    (void)node;
    int64_t version = *(int64_t *)arg;
    free(arg);
    if (rows->error)
        return;
    for (size_t i = 0; i < rows->n_rows && w->nodes; i++) {
        const wf_str *cells = rows->cells + i * rows->n_columns;
        struct tenant *t = tenant_of(w, cells[0].ptr, cells[0].len);
        if (t->state == TENANT_KNOWN)
            tenant_fill(w, t, cells);
        t->retry_ms = 0; /* it may be new, or have more to spend */
    }
    w->tenants_version = version;
}

static void ask_tenants(struct worker *w, int64_t version)
{
    char since[24];
    int64_t *arg = malloc(sizeof *arg);
    if (!arg)
        abort();
    *arg = version;
    snprintf(since, sizeof since, "%lld", (long long)w->tenants_version);
    const wf_str params[] = { { since, strlen(since) } };
    const wf_statement statement = { .pg = "SELECT " CONFIG_COLUMNS " FROM tenant_billing_config c "
                                           "WHERE c.changed > CAST($1 AS bigint)",
                                     .params = params,
                                     .n_params = 1 };
    if (worker_sql(w, w->nodes, &statement, 1, on_tenants, arg) != 0)
        free(arg);
}

static void on_look(struct worker *w, struct node *node, void *arg, const wf_rows *rows)
{
    (void)node;
    (void)arg;
    w->is_looking = 0;
    if (rows->error || !w->nodes || rows->n_rows != 1 || rows->n_columns != 2)
        return;
    int64_t rates = int_of(rows->cells[0]), tenants = int_of(rows->cells[1]);
    pthread_mutex_lock(&shared.lock);
    int is_old = !shared.current || shared.current->number != rates;
    pthread_mutex_unlock(&shared.lock);
    if (is_old)
        load_begin(w, rates);
    else
        load_take(w);
    if (!w->tenants_version)
        w->tenants_version = tenants; /* nobody is known from before */
    else if (tenants != w->tenants_version)
        ask_tenants(w, tenants);
}

void rates_look(struct worker *w, int64_t now_ms)
{
    (void)now_ms;
    static const wf_statement statement = {
        .pg = "SELECT r.version, t.version FROM billing_meta r, billing_meta t "
              "WHERE r.name = 'rates' AND t.name = 'tenants'"
    };
    if (!w->is_looking && worker_sql(w, w->nodes, &statement, 1, on_look, NULL) == 0)
        w->is_looking = 1;
}

void rates_join(void)
{
    pthread_mutex_lock(&shared.lock);
    shared.workers++;
    pthread_mutex_unlock(&shared.lock);
}

/* With the last worker goes the snapshot, so that a store opened later is read anew. */
void rates_close(struct worker *w)
{
    load_end(w);
    rates_drop(w->rates);
    w->rates = NULL;
    pthread_mutex_lock(&shared.lock);
    struct rates *old = --shared.workers ? NULL : shared.current;
    if (!shared.workers)
        shared.current = NULL;
    pthread_mutex_unlock(&shared.lock);
    rates_drop(old);
    while (w->rates_first) {
        struct waiter *next = w->rates_first->next;
        free(w->rates_first);
        w->rates_first = next;
    }
}
