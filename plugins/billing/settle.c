/* SPDX-License-Identifier: Apache-2.0
 * catalyst.billingSettle: ends a reservation, once. What this worker reserved itself a moment ago
 * is settled at once; for all else the store is asked first, one question for a frame, so that the
 * answer is exact however often and wherever a receipt comes in.
 *
 * Thread: the worker's. Nothing blocks.
 */
#include "billing_int.h"
#include "metrics.h"
#include <stdlib.h>

/* --- parameters ------------------------------------------------------------------------------- */

static const wf_pair settle_operations[] = {
    { "auto", "By send.outcome or status.state, and the tenant's charge point" },
    { "commit", "Charge what is held" },
    { "release", "Give back what is held" },
    { "refund", "Give back what was charged, once" },
    { NULL, NULL },
};

const wf_param settle_params[] = {
    { WF_P_CHOICE(struct settle_config, operation, settle_operations), .def = "auto",
      .help = "What to do" },
    { WF_NAMED("amountMicro"), WF_F_INT(struct settle_config, amount_micro), .flags = WF_EXPR,
      .def = "-1", .min = -1, .max = INT64_MAX, .show_if = "operation=commit|refund",
      .help = "Micro-units to charge or to refund; -1: all" },
    { WF_P_STR(struct settle_config, events),
      .help = "Topic that gets an event for every settlement; empty: none" },
    WF_END,
};

enum {
    SETTLE_COUNT_SETTLED = 0,
    SETTLE_COUNT_KEPT = 3,
    SETTLE_COUNT_AGAIN,
    SETTLE_COUNT_ASKED,
    SETTLE_COUNT_COMMITTED_MICRO,
    SETTLE_COUNT_REFUSED
};

#define SETTLE_REASONS(X)                                                                          \
    X(no_reservation, "The item or the store knows no reservation of it")                          \
    X(conflict, "It was settled in another way before")                                            \
    X(not_charged, "There is no charge to refund")                                                 \
    X(too_much, "More than what is held, or was charged")                                          \
    X(bad_message, "billing or a member of it is missing or of the wrong type")
#define SETTLE_CODE(name, words) { #name, words },
#define SETTLE_METRIC(name, words)                                                                 \
    { WF_COUNTER, "billing_refused_total{reason=\"" #name "\"}", NULL,                             \
      "Settlements refused: " words },

static const wf_pair settle_reasons[] = { SETTLE_REASONS(SETTLE_CODE){ NULL, NULL } };
const wf_pair settle_codes[] = { { "no_tables", "The store has no tables of billing" },
                                 { NULL, NULL } };
const wf_metric settle_metrics[] = {
    { WF_COUNTER, "billing_commits_total", NULL, "Messages charged" },
    { WF_COUNTER, "billing_releases_total", NULL, "Messages given back without a charge" },
    { WF_COUNTER, "billing_refunds_total", NULL, "Charges given back" },
    { WF_COUNTER, "billing_kept_total", NULL, "Items that settle nothing yet" },
    { WF_COUNTER, "billing_settled_again_total", NULL, "Settlements that were there already" },
    { WF_COUNTER, "billing_settle_asked_total", NULL, "Items for which the store was asked" },
    { WF_COUNTER, "billing_committed_micro_total", NULL, "Micro-units charged" },
    SETTLE_REASONS(SETTLE_METRIC)                                      /* */
    WF_EACH_TRAFFIC(AMOUNT_COMMITTED) WF_EACH_TRAFFIC(AMOUNT_RELEASED) /* */
    WF_EACH_TRAFFIC(AMOUNT_REFUNDED)                                   /* */
    { WF_GAUGE, "billing_committed_time_seconds", "s",
      "The latest message that was charged: its ts_us, seconds since 1970" },
    { (wf_metric_kind)0, NULL, NULL, NULL },
};

enum {
    SETTLE_COUNT_AMOUNT = SETTLE_COUNT_REFUSED + COUNT_OF(settle_reasons) - 1,
    SETTLE_GAUGE_COMMITTED = SETTLE_COUNT_AMOUNT + 3 * WF_TRAFFICS
};
_Static_assert(COUNT_OF(settle_metrics) == SETTLE_GAUGE_COMMITTED + 2, "as the table");

/* --- reading the item ------------------------------------------------------------------------- */

struct settle {
    struct charge charge; /* of the reservation; hold_micro is what is held */
    wf_str point, class_name;
    int is_own;        /* reserved by this very execution: its row may come with the same turn */
    enum ledger_op op; /* 0: nothing yet */
};

static const wf_value *settle_get(const wf_host *h, const wf_value *v, const char *name)
{
    return h->v->get(v, name, strlen(name));
}

static wf_str settle_text(const wf_host *h, const wf_value *v, const char *name)
{
    wf_str s = { NULL, 0 };
    return h->v->bytes(settle_get(h, v, name), &s.ptr, &s.len) == 0 ? s : (wf_str){ "", 0 };
}

static int settle_is(wf_str s, const char *text)
{
    return s.len == strlen(text) && !memcmp(s.ptr, text, s.len);
}

static int read_settle(const wf_host *h, const wf_value *value, struct settle *s)
{
    const wf_value *billing = settle_get(h, value, "billing"),
                   *message = settle_get(h, value, "message");
    struct charge *c = &s->charge;
    s->is_own = h->v->type(billing) == WF_JSON_OBJECT;
    if (!s->is_own)
        billing = settle_get(h, message, "billing");
    wf_str op = settle_text(h, billing, "op");
    *c = (struct charge){ .tenant = settle_text(h, s->is_own ? value : message, "tenant_id"),
                          .id = settle_text(h, billing, "idem"),
                          .channel = settle_text(h, billing, "channel"),
                          .currency = settle_text(h, billing, "ccy"),
                          .card = settle_text(h, billing, "card"),
                          .prefix = settle_text(h, billing, "prefix") };
    if (!c->tenant.len)
        c->tenant = settle_text(h, value, "tenant_id");
    s->point = settle_text(h, billing, "point");
    s->class_name = settle_text(h, s->is_own ? value : message, "class");
    const struct {
        const char *name;
        int64_t *to;
    } numbers[] = { { "units", &c->units },           { "price_micro", &c->hold_micro },
                    { "unit_micro", &c->unit_micro }, { "version", &c->version },
                    { "slice", &c->slice },           { "ts_us", &c->accept_us } };
    for (size_t i = 0; i < COUNT_OF(numbers); i++)
        if (h->v->int64(settle_get(h, billing, numbers[i].name), numbers[i].to) != 0)
            return -1;
    return settle_is(op, "reserve") && c->tenant.len && c->id.len && c->id.len <= MESSAGE_ID_MAX &&
                   c->currency.len == 3 && c->hold_micro >= 0
               ? 0
               : -1;
}

/* A receipt tells more than the answer of the send did. With the charge point `submit` a message
 * that got a receipt was taken, so it is charged whatever became of it, but for one that was
 * refused. */
static enum ledger_op op_of_item(const wf_host *h, const wf_value *value, wf_str point)
{
    wf_str name = settle_text(h, settle_get(h, value, "status"), "state");
    enum wf_state state = wf_state_of(name.ptr, name.len);
    int on_delivery = settle_is(point, "delivery");
    if (state == WF_STATE_DELIVERED || state == WF_STATE_READ)
        return OP_COMMIT;
    if (state == WF_STATE_REJECTED)
        return OP_RELEASE;
    if (state == WF_STATE_EXPIRED || state == WF_STATE_FAILED)
        return on_delivery ? OP_RELEASE : OP_COMMIT;
    wf_str outcome = settle_text(h, settle_get(h, value, "send"), "outcome");
    if (!state && settle_is(outcome, "rejected"))
        return OP_RELEASE;
    if (state || settle_is(outcome, "accepted"))
        return on_delivery ? (enum ledger_op)0 : OP_COMMIT;
    return (enum ledger_op)0;
}

/* --- ways out --------------------------------------------------------------------------------- */

static void settle_leave(struct node *node, wf_item *it, unsigned port, const wf_value *settle)
{
    const wf_host *h = node->worker->h;
    h->emit(it, port, h->v->set_key(it, h->value(it), STR_OF("settle"), settle));
}

static void settle_refuse(struct node *node, wf_item *it, const char *reason)
{
    const wf_host *h = node->worker->h;
    unsigned i = 0;
    while (settle_reasons[i].name && strcmp(settle_reasons[i].name, reason) != 0)
        i++;
    h->count(node->inst, SETTLE_COUNT_REFUSED + i, 1);
    settle_leave(node, it, PORT_REFUSED,
                 h->build(it, "{s:s,s:s,s:s}", "op", "refused", "reason", reason, "text",
                          settle_reasons[i].text));
}

/* Late receipts come among others: the time is that of the latest message, of this worker's. */
static void settle_count_amount(struct node *node, wf_item *it, const struct settle *s,
                                int64_t amount)
{
    static _Thread_local int64_t latest_s;
    const wf_host *h = node->worker->h;
    h->count(node->inst,
             SETTLE_COUNT_AMOUNT + (unsigned)(s->op - OP_COMMIT) * WF_TRAFFICS +
                 amount_row(s->charge.channel, s->class_name),
             amount);
    int64_t now_s = h->now_ms(it) / 1000, at_s = s->charge.accept_us / 1000000;
    if (s->op != OP_COMMIT)
        return;
    at_s = at_s < now_s ? at_s : now_s;
    latest_s = at_s > latest_s ? at_s : latest_s;
    h->count(node->inst, SETTLE_GAUGE_COMMITTED, latest_s);
}

/* Row and event leave for a repetition, too: where the first one's execution began again, they were
 * dropped with it. `is_told`: the ledger has the row, so the event left with it. */
static void settle_write(struct node *node, wf_item *it, const struct settle_config *c,
                         struct settle *s, int64_t amount, int is_again, int is_told)
{
    const wf_host *h = node->worker->h;
    s->charge.op = s->op;
    s->charge.amount_micro = amount;
    s->charge.body = (uint64_t)s->op << 56 ^ (uint64_t)amount;
    if (s->op == OP_REFUND) { /* it belongs to the month in which it is given */
        s->charge.hold_micro = 0;
        s->charge.accept_us = h->now_ms(it) * 1000;
    }
    if (ledger_write(node->worker, it, &s->charge, is_told ? (wf_str){ "", 0 } : c->events) != 0) {
        h->fail_with(
            it, &(wf_error){ .size = sizeof(wf_error), .fault = WF_ACCOUNT, .code = "no_tables" },
            "billing: the store has no table billing_transactions");
        return;
    }
    h->count(node->inst,
             is_again ? SETTLE_COUNT_AGAIN : SETTLE_COUNT_SETTLED + (unsigned)(s->op - OP_COMMIT),
             1);
    if (s->op == OP_COMMIT && !is_again)
        h->count(node->inst, SETTLE_COUNT_COMMITTED_MICRO, amount);
    if (!is_again)
        settle_count_amount(node, it, s, amount);
    settle_leave(node, it, is_again ? PORT_REPEATED : PORT_SETTLED,
                 h->build(it, "{s:s,s:i,s:S}", "op", op_name(s->op), "amount_micro", amount, "ccy",
                          s->charge.currency));
}

/* --- from the worker's own memory ------------------------------------------------------------- */

/* 1 when it was enough. */
static int settle_at_once(struct node *node, wf_item *it, const struct settle_config *c,
                          struct settle *s)
{
    struct hold *hold = s->op == OP_REFUND
                            ? NULL
                            : hold_find(node->worker, hold_key(s->charge.tenant, s->charge.id));
    if (!hold || hold->amount_micro != s->charge.hold_micro || hold->slice != s->charge.slice)
        return 0;
    enum hold_state wanted = s->op == OP_COMMIT ? HOLD_COMMITTED : HOLD_RELEASED;
    int64_t amount = hold->amount_micro;
    if (s->op == OP_COMMIT && c->operation == SETTLE_COMMIT && c->amount_micro >= 0)
        amount = c->amount_micro;
    if (amount > hold->amount_micro) {
        settle_refuse(node, it, "too_much");
    } else if (hold->state != HOLD_RESERVED && hold->state != wanted) {
        settle_refuse(node, it, "conflict");
    } else {
        int is_again = hold->state == wanted;
        hold->state = (uint8_t)wanted;
        settle_write(node, it, c, s, amount, is_again, 0);
    }
    return 1;
}

/* --- from the store --------------------------------------------------------------------------- */

/* What the ledger has of one message. */
struct facts {
    int has_hold, end, has_refund; /* end: an op, or 0 */
    int64_t hold_micro, end_micro, slice;
};
struct ask {
    size_t n;
    wf_ticket tickets[1024];
};

static void settle_by_facts(struct node *node, wf_item *it, const struct settle_config *c,
                            struct settle *s, const struct facts *f)
{
    int64_t amount = c->operation != SETTLE_AUTO ? c->amount_micro : -1;
    if (f->has_hold) {
        s->charge.hold_micro = f->hold_micro;
        s->charge.slice = f->slice;
    } else if (!s->is_own) {
        settle_refuse(node, it, "no_reservation");
        return;
    }
    int64_t most = s->op == OP_REFUND ? f->end_micro : s->charge.hold_micro;
    if (amount < 0 || s->op == OP_RELEASE)
        amount = most;
    if (s->op == OP_REFUND && f->end != OP_COMMIT)
        settle_refuse(node, it, "not_charged");
    else if (amount > most)
        settle_refuse(node, it, "too_much");
    else if (s->op == OP_REFUND)
        settle_write(node, it, c, s, amount, f->has_refund, f->has_refund);
    else if (f->end && f->end != (int)s->op)
        settle_refuse(node, it, "conflict");
    else
        settle_write(node, it, c, s, f->end ? f->end_micro : amount, f->end != 0, f->end != 0);
}

static void take_fact(struct facts *f, const wf_str *cells)
{
    if (settle_is(cells[1], "reserve")) {
        f->has_hold = 1;
        f->hold_micro = int_of(cells[3]);
        f->slice = int_of(cells[4]);
    } else if (settle_is(cells[1], "refund")) {
        f->has_refund = 1;
    } else {
        f->end = settle_is(cells[1], "commit") ? OP_COMMIT : OP_RELEASE;
        f->end_micro = int_of(cells[2]);
    }
}

static int settle_prepare(const wf_host *h, wf_item *it, const struct settle_config *c,
                          struct settle *s)
{
    static const enum ledger_op ops[] = {
        [SETTLE_COMMIT] = OP_COMMIT, [SETTLE_RELEASE] = OP_RELEASE, [SETTLE_REFUND] = OP_REFUND
    };
    if (read_settle(h, h->value(it), s) != 0)
        return -1;
    s->op = c->operation == SETTLE_AUTO ? op_of_item(h, h->value(it), s->point) : ops[c->operation];
    return 0;
}

static void on_facts(struct worker *w, struct node *node, void *arg, const wf_rows *rows)
{
    struct ask *ask = arg;
    struct facts *facts = calloc(ask->n, sizeof *facts);
    if (!facts)
        abort();
    for (size_t i = 0; !rows->error && i < rows->n_rows; i++) {
        const wf_str *cells = rows->cells + i * rows->n_columns;
        size_t at = (size_t)int_of(cells[0]);
        if (at < ask->n)
            take_fact(&facts[at], cells);
    }
    for (size_t i = 0; i < ask->n; i++) {
        struct settle s;
        wf_item *it = node->is_closed ? NULL : node->h->resume(node->h, ask->tickets[i]);
        const struct settle_config *c = it ? w->h->config(it) : NULL;
        if (it && rows->error)
            w->h->retry(it, 1000, "billing: the store: %s", rows->error);
        else if (it && settle_prepare(w->h, it, c, &s) == 0 && !settle_at_once(node, it, c, &s))
            settle_by_facts(node, it, c, &s, &facts[i]);
    }
    free(facts);
    free(ask);
}

#define FACTS "SELECT w.i, b.op, b.amount_micro, b.hold_micro, b.slice_id FROM "

static void ask_store(struct node *node, struct ask *ask, struct text *list)
{
    text_add(list, "]", 1);
    const wf_str params[] = { { list->ptr, list->len } };
    const wf_statement statement = { .pg = FACTS LEDGER_ROWS_PG,
                                     .sqlite = FACTS LEDGER_ROWS_SQLITE,
                                     .params = params,
                                     .n_params = 1 };
    if (worker_sql(node->worker, node, &statement, 1, on_facts, ask) != 0) {
        static const wf_rows none = { .size = sizeof none,
                                      .missed = -1,
                                      .error = "the engine has no store" };
        on_facts(node->worker, node, ask, &none);
    }
}

/* A receipt whose message brings along that it was settled just so: nothing is to be asked or
 * written. */
static int settle_known(struct node *node, wf_item *it, const struct settle *s)
{
    const wf_host *h = node->worker->h;
    const wf_value *known = settle_get(h, settle_get(h, h->value(it), "message"), "settle");
    if (s->is_own || s->op == OP_REFUND || !settle_is(settle_text(h, known, "op"), op_name(s->op)))
        return 0;
    h->count(node->inst, SETTLE_COUNT_AGAIN, 1);
    settle_leave(node, it, PORT_REPEATED, known);
    return 1;
}

static void settle_item(struct node *node, wf_item *it, struct ask **ask, struct text *list)
{
    const wf_host *h = node->worker->h;
    const struct settle_config *c = h->config(it);
    struct settle s;
    if (settle_prepare(h, it, c, &s) != 0) {
        settle_refuse(node, it,
                      h->v->type(settle_get(h, h->value(it), "billing")) ? "bad_message"
                                                                         : "no_reservation");
        return;
    }
    if (!s.op) {
        h->count(node->inst, SETTLE_COUNT_KEPT, 1);
        settle_leave(node, it, PORT_SETTLED,
                     h->build(it, "{s:s,s:i}", "op", "hold", "amount_micro", s.charge.hold_micro));
        return;
    }
    if (settle_known(node, it, &s) || settle_at_once(node, it, c, &s))
        return;
    if (!*ask) {
        *ask = calloc(1, sizeof **ask);
        if (!*ask)
            abort();
        text_add(list, "[", 1);
    }
    ledger_key(list, (*ask)->n, s.charge.tenant, s.charge.id, ":res");
    ledger_key(list, (*ask)->n, s.charge.tenant, s.charge.id, ":end");
    if (s.op == OP_REFUND)
        ledger_key(list, (*ask)->n, s.charge.tenant, s.charge.id, ":refund");
    (*ask)->tickets[(*ask)->n++] = h->park(it, 60000);
    h->count(node->inst, SETTLE_COUNT_ASKED, 1);
}

void settle_process(const wf_host *h, wf_item *const *items, size_t n)
{
    struct node *node = h->state(items[0]);
    struct ask *ask = NULL;
    struct text list = { 0 };
    for (size_t i = 0; i < n; i++)
        settle_item(node, items[i], &ask, &list);
    if (ask)
        ask_store(node, ask, &list);
    text_free(&list);
    worker_tick(node->worker, h->now_ms(items[0]));
}

const char settle_docs[] =
    "Takes items with `billing`, or receipts with `message.billing`, and adds `settle`:\n"
    "\n"
    "| port | `settle` | meaning |\n"
    "|---|---|---|\n"
    "| `settled` | `op`: commit, release or refund; `amount_micro`, `ccy` | It is written |\n"
    "| `settled` | `op`: hold | Nothing to do yet: the price stays held |\n"
    "| `repeated` | as it was settled | It was settled like this before |\n"
    "| `refused` | `op`: refused, `reason`, `text` | Nothing changed |\n"
    "\n"
    "**One end.** A message is committed or released, whatever comes first, under one key; the "
    "other is\nrefused as `conflict`. A commit may be refunded once, never by more than it "
    "charged.\n"
    "\n"
    "**auto.** What the tenant's charge point says:\n"
    "\n"
    "| | point `submit` | point `delivery` |\n"
    "|---|---|---|\n"
    "| send `accepted` | commit | hold |\n"
    "| send `rejected`, state `rejected` | release | release |\n"
    "| send `unknown`, `deferred` | hold | hold |\n"
    "| state `accepted`, `sent` | commit | hold |\n"
    "| state `delivered`, `read` | commit | commit |\n"
    "| state `failed`, `expired` | commit | release |\n"
    "\n"
    "A receipt whose `message.settle` says that it was settled so already is `repeated` at once;\n"
    "catalyst.messageRecord behind this node keeps that.\n"
    "\n"
    "What stays held is settled by a receipt, or given back by `expireHolds` of "
    "catalyst.billingAccount\nafter the tenant's `hold_ttl_s`.\n"
    "\n"
    "Reasons: `no_reservation`, `conflict`, `not_charged`, `too_much`, `bad_message`.\n"
    "\n"
    "```json\n"
    "{\"type\": \"catalyst.billingSettle\", \"parameters\": {\"operation\": \"auto\", \"events\": "
    "\"billing.events\"}}\n"
    "```\n"
    "\n"
    "After an item was sent with `\"send\": {\"outcome\": \"accepted\", ..}` and its `billing` "
    "holds "
    "65000 EUR\nmicro-units with the point `submit`, it leaves on `settled` with\n"
    "`\"settle\": {\"op\": \"commit\", \"amount_micro\": 65000, \"ccy\": \"EUR\"}`.\n";
