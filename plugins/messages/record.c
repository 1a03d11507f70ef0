/* SPDX-License-Identifier: Apache-2.0
 * catalyst.messageRecord: what became of a message, as a row of messages_log and as an event, and
 * for one that its provider took the names under which receipts will come.
 *
 * The outcome is read from the members that the nodes before it added: `send` of a connector, else
 * `billing` of a reservation that was denied, else `firewall`.
 */
#include "messages_int.h"

struct record_node {
    wf_inst *inst;
    struct cache *cache;
    const wf_ledger *ledger;
};

/* A message on its way into the log. */
struct entry {
    const wf_host *h;
    wf_item *it;
    struct record_node *node;
    const wf_value *message, *send;
    wf_str id, tenant_id, outcome, reason, error_class, channel, account, provider_id;
};

void *record_open(const wf_host *h, wf_inst *inst, wf_error *why)
{
    const wf_ledger *ledger = h->service("ledger/1");
    if (!ledger) {
        why->fault = WF_REJECTED;
        why->detail = str_of("this engine has no ledger/1: rows cannot be kept");
        return NULL;
    }
    struct record_node *node = malloc(sizeof *node);
    if (!node)
        abort();
    *node = (struct record_node){ inst, cache_get(), ledger };
    return node;
}

void record_close(const wf_host *h, void *state)
{
    (void)h;
    struct record_node *node = state;
    if (!node)
        return;
    cache_put_back(node->cache);
    free(node);
}

/* --- outcome ---------------------------------------------------------------------------------- */

static wf_str first_of(wf_str a, wf_str b) { return a.len ? a : b; }

static void find_outcome(struct entry *e, const struct record_config *c)
{
    const wf_host *h = e->h;
    const wf_value *billing = h->v->get(e->message, "billing", 7);
    const wf_value *firewall = h->v->get(e->message, "firewall", 8);
    wf_str billed = member_str(h, billing, "reason");
    if (e->send) {
        e->outcome = member_str(h, e->send, "outcome");
        e->error_class = member_str(h, e->send, "class");
        const wf_value *code = h->v->get(e->send, "code", 4);
        e->reason = code ? h->v->text(e->it, code) : (wf_str){ "", 0 };
    } else if (billed.len) {
        e->outcome = str_of("denied");
        e->reason = billed;
    } else if (firewall) {
        e->outcome = member_str(h, firewall, "verdict");
        e->reason = member_str(h, firewall, "reason");
    }
    e->outcome = first_of(first_of(c->outcome, e->outcome), str_of("unknown"));
    e->reason = first_of(c->reason, e->reason);
}

/* --- context: what a receipt's execution will need -------------------------------------------- */

static const char *const context_members[] = { "id",     "tenant_id", "trace_id", "channel",
                                               "from",   "to",        "ts_us",    "class",
                                               "dlr",    "billing",   "settle",   "bind",
                                               "server", "idem" };
enum { CONTEXT_MAX = sizeof context_members / sizeof *context_members + 1 };

static wf_str context_of(const struct entry *e, const wf_value *provider_ids)
{
    const wf_host *h = e->h;
    wf_str keys[CONTEXT_MAX];
    const wf_value *values[CONTEXT_MAX];
    size_t n = 0;
    for (size_t i = 0; i + 1 < CONTEXT_MAX; i++) {
        const wf_value *v = h->v->get(e->message, context_members[i], strlen(context_members[i]));
        if (!v)
            continue;
        keys[n] = str_of(context_members[i]);
        values[n++] = v;
    }
    if (provider_ids) {
        keys[n] = str_of("provider_ids");
        values[n++] = provider_ids;
    }
    return h->v->json(e->it, h->v->object(e->it, keys, values, n));
}

/* --- rows ------------------------------------------------------------------------------------- */

#define NAME(text)                                                                                 \
    {                                                                                              \
        text, sizeof(text) - 1                                                                     \
    }

static int add_row(const struct entry *e, wf_str provider_id, wf_str context)
{
    static const wf_str keys[] = { NAME("channel"),     NAME("account"),   NAME("provider_id"),
                                   NAME("id"),          NAME("tenant_id"), NAME("sender"),
                                   NAME("recipient"),   NAME("outcome"),   NAME("reason"),
                                   NAME("currency"),    NAME("context"),   NAME("segments"),
                                   NAME("price_micro"), NAME("at_us") };
    const wf_host *h = e->h;
    const wf_value *billing = h->v->get(e->message, "billing", 7);
    const wf_str texts[] = { e->channel,
                             e->account,
                             provider_id,
                             e->id,
                             e->tenant_id,
                             member_str(h, e->message, "from"),
                             member_str(h, e->message, "to"),
                             e->outcome,
                             e->reason,
                             member_str(h, billing, "ccy"),
                             context };
    const int64_t numbers[] = { member_int(h, e->send, "segments", 0),
                                member_int(h, billing, "price_micro", 0), h->now_ms(e->it) * 1000 };
    enum { TEXTS = sizeof texts / sizeof *texts, NUMBERS = sizeof numbers / sizeof *numbers };
    const wf_value *values[TEXTS + NUMBERS];
    for (size_t i = 0; i < TEXTS; i++)
        values[i] = h->v->of_str(e->it, texts[i].ptr, texts[i].len);
    for (size_t i = 0; i < NUMBERS; i++)
        values[TEXTS + i] = h->v->of_int(e->it, numbers[i]);
    const wf_value *row = h->v->object(e->it, keys, values, TEXTS + NUMBERS);
    if (e->node->ledger->commit_row(e->it, "messages_log", row, "provider_id,id,channel,account") ==
        0)
        return 0;
    h->fail(e->it, "table messages_log is not there: run `catalyst migrate`");
    return -1;
}

/* One row for each part that the provider named. What no provider took has one row for each time it
 * came, however often that execution runs. */
static int add_rows(const struct entry *e)
{
    const wf_host *h = e->h;
    const wf_value *ids = h->v->get(e->send, "provider_ids", 12);
    size_t parts = h->v->type(ids) == WF_JSON_ARRAY ? h->v->count(ids) : 0;
    wf_str context = context_of(e, parts > 1 ? ids : NULL);
    if (!e->provider_id.len)
        return add_row(e, str_of(h->key(e->it)), context);
    for (size_t i = 0; i < (parts ? parts : 1); i++) {
        struct place at = { e->channel, e->account, e->provider_id };
        if (parts && h->v->bytes(h->v->at(ids, i), &at.provider_id.ptr, &at.provider_id.len) != 0)
            continue;
        if (add_row(e, at.provider_id, context) != 0)
            return -1;
        cache_add(e->node->cache, &at, context, 1u << WF_STATE_ACCEPTED);
    }
    return 0;
}

void count_time(const wf_host *h, wf_item *it, wf_inst *inst, unsigned metric,
                const wf_value *message, enum wf_channel channel)
{
    int64_t ts_us = member_int(h, message, "ts_us", 0), ms = h->now_ms(it) - ts_us / 1000;
    if (ts_us > 0)
        h->count(inst, metric + (unsigned)channel, ms > 0 ? ms : 0);
}

static void count(const struct entry *e)
{
    wf_str class = member_str(e->h, e->message, "class");
    enum wf_channel channel = wf_channel_of(e->channel.ptr, e->channel.len);
    unsigned row = wf_traffic(channel, wf_kind_of(class.ptr, class.len)) * OUTCOMES +
                   outcome_index(e->outcome.ptr, e->outcome.len);
    e->h->count(e->node->inst, METRIC_RECORDED + row, 1);
    count_time(e->h, e->it, e->node->inst, METRIC_RECORD_TIME, e->message, channel);
}

static void record(const wf_host *h, wf_item *it, const struct record_config *c,
                   struct record_node *node)
{
    const wf_value *message = h->value(it);
    struct entry e = { .h = h,
                       .it = it,
                       .node = node,
                       .message = message,
                       .send = h->v->get(message, "send", 4),
                       .id = member_str(h, message, "id"),
                       .tenant_id = member_str(h, message, "tenant_id") };
    e.channel = first_of(member_str(h, e.send, "channel"), member_str(h, message, "channel"));
    e.account = member_str(h, e.send, "account");
    e.provider_id = member_str(h, e.send, "provider_id");
    e.id = first_of(e.id, str_of(h->key(it))); /* a message without a name still gets its row */
    e.reason = e.error_class = (wf_str){ "", 0 };
    find_outcome(&e, c);
    struct event event = { .topic = c->events,
                           .channel = e.channel,
                           .id = e.id,
                           .tenant_id = e.tenant_id,
                           .trace_id = member_str(h, message, "trace_id"),
                           .from = member_str(h, message, "from"),
                           .to = member_str(h, message, "to"),
                           .wants_receipt = member_true(h, message, "dlr"),
                           .provider_id = e.provider_id,
                           .message_ts_us = member_int(h, message, "ts_us", 0),
                           .state = e.outcome,
                           .code = e.send ? e.reason : (wf_str){ "", 0 },
                           .error_class = e.error_class,
                           .reason = e.send ? (wf_str){ "", 0 } : e.reason };
    if (add_rows(&e) != 0 || event_send(h, it, &event) != 0)
        return;
    count(&e);
    h->pass(it, 0);
}

void record_process(const wf_host *h, wf_item *const *items, size_t n)
{
    for (size_t i = 0; i < n; i++)
        record(h, items[i], h->config(items[i]), h->state(items[i]));
}
