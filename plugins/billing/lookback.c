/* SPDX-License-Identifier: Apache-2.0
 * What an earlier life reserved. A worker remembers its own reservations, so a message that comes
 * twice is known; not those of a process that ended, or of a worker that had the partition before.
 *
 * Both copies of a message carry the same ts_us, so one time tells what cannot have been reserved
 * before: later than the tenant's latest message in the ledger when this worker first asked for
 * the tenant (its horizon), and later than all that this worker had to forget. A backlog of new
 * messages is beyond both and asks nothing. All others are looked for in the ledger, those of a
 * frame with one query: also one that comes long after its neighbours, because its first copy may
 * have come to another worker, and one whose time is still to come, which no horizon counts. What
 * is found becomes a memory like any other: the message is a repetition.
 *
 * Thread: the worker's. Nothing blocks.
 */
#include "billing_int.h"
#include <stdlib.h>

enum { LOOKS = 1024, LATE_MS = 30000 };

struct look {
    struct node *node;
    size_t n;
    wf_ticket tickets[LOOKS];
    uint64_t keys[LOOKS];
    int64_t at_us[LOOKS];
    struct text list;
};

void ledger_key(struct text *list, size_t i, wf_str tenant, wf_str id, const char *end)
{
    text_addf(list, "%s{\"i\":%zu,\"t\":", list->len > 1 ? "," : "", i);
    text_json(list, tenant.ptr, tenant.len);
    text_add(list, ",\"k\":", 5);
    text_json(list, id.ptr, id.len);
    list->len--; /* the end belongs inside the quotes */
    text_add(list, end, strlen(end));
    text_add(list, "\"}", 2);
}

void look_back_begin(struct worker *w) { w->may_look = 1; }

static void look_free(struct look *look)
{
    text_free(&look->list);
    free(look);
}

static void look_back_ask(struct worker *w);

static int may_be_there(const struct worker *w, const struct tenant *t, int64_t at_us,
                        int64_t now_ms)
{
    return at_us <= t->horizon_us || at_us <= w->forgot_us ||
           at_us < w->front_us - (int64_t)LATE_MS * 1000 || is_ahead(at_us, now_ms);
}

int look_back(struct node *node, wf_item *it, const struct tenant *t, wf_str id, int64_t at_us,
              int64_t now_ms, int64_t timeout_ms)
{
    struct worker *w = node->worker;
    wf_str tenant = { t->name, t->name_len };
    if (!w->may_look || !may_be_there(w, t, at_us, now_ms))
        return 0;
    if (w->look && (w->look->node != node || w->look->n == LOOKS))
        look_back_ask(w);
    if (!w->look) {
        w->look = worker_memory(sizeof *w->look);
        w->look->node = node;
        text_add(&w->look->list, "[", 1);
    }
    struct look *look = w->look;
    ledger_key(&look->list, look->n, tenant, id, ":res");
    ledger_key(&look->list, look->n, tenant, id, ":end");
    look->keys[look->n] = hold_key(tenant, id);
    look->at_us[look->n] = at_us;
    look->tickets[look->n++] = node->h->park(it, timeout_ms);
    return 1;
}

/* op, body, amount, price of a unit, units, slice; the end of a message may come before its
 * reservation. */
static void remember(struct worker *w, const struct look *look, size_t at, const wf_str *cells)
{
    struct hold *hold = hold_find(w, look->keys[at]);
    if (!hold)
        hold = hold_add(w, look->keys[at], look->at_us[at], w->now_ms);
    if (cells[1].len == 7 && !memcmp(cells[1].ptr, "reserve", 7)) {
        hold->body = (uint64_t)int_of(cells[2]);
        hold->amount_micro = int_of(cells[3]);
        hold->unit_micro = int_of(cells[4]);
        hold->units = (uint32_t)int_of(cells[5]);
        hold->slice = int_of(cells[6]);
        if (!hold->state)
            hold->state = HOLD_RESERVED;
    } else {
        hold->state = cells[1].ptr[0] == 'c' ? HOLD_COMMITTED : HOLD_RELEASED;
    }
}

static void on_looked(struct worker *w, struct node *node, void *arg, const wf_rows *rows)
{
    struct look *look = arg;
    for (size_t i = 0; !rows->error && i < rows->n_rows; i++) {
        const wf_str *cells = rows->cells + i * rows->n_columns;
        size_t at = (size_t)int_of(cells[0]);
        if (at < look->n)
            remember(w, look, at, cells);
    }
    for (size_t i = 0; i < look->n; i++) {
        wf_item *it = node->is_closed ? NULL : node->h->resume(node->h, look->tickets[i]);
        if (it && rows->error)
            w->h->retry(it, 1000, "billing: the store: %s", rows->error);
        else if (it)
            reserve_item(node, it, w->h->config(it), w->h->now_ms(it), 0);
    }
    look_free(look);
    grant_ask(w, w->now_ms); /* some wait for money now */
}

#define LOOK "SELECT w.i, b.op, b.body, b.amount_micro, b.unit_micro, b.units, b.slice_id FROM "

static void look_back_ask(struct worker *w)
{
    struct look *look = w->look;
    struct node *node = look->node;
    w->look = NULL;
    text_add(&look->list, "]", 1);
    const wf_str params[] = { { look->list.ptr, look->list.len } };
    const wf_statement statement = { .pg = LOOK LEDGER_ROWS_PG,
                                     .sqlite = LOOK LEDGER_ROWS_SQLITE,
                                     .params = params,
                                     .n_params = 1 };
    if (worker_sql(w, node, &statement, 1, on_looked, look) != 0) {
        static const wf_rows none = { .size = sizeof none,
                                      .missed = -1,
                                      .error = "the engine has no store" };
        on_looked(w, node, look, &none);
    }
}

void look_back_flush(struct worker *w)
{
    if (w->look)
        look_back_ask(w);
    w->may_look = 0; /* who comes again is not looked for again */
}
