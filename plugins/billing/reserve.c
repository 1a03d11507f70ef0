/* SPDX-License-Identifier: Apache-2.0
 * catalyst.billingReserve: rates a message and takes its price from the tenant's slice of this
 * worker. The row of the ledger leaves with the turn. An item waits only when its tenant, the rates
 * or money are still to be asked for.
 *
 * Thread: the worker's. Nothing blocks.
 */
#include "billing_int.h"
#include "metrics.h"
#include <stdio.h>

/* --- parameters ------------------------------------------------------------------------------- */

static const wf_pair reserve_directions[] = { { "mt", "To a phone" },
                                              { "mo", "From a phone" },
                                              { NULL, NULL } };
static const wf_pair outages[] = { { "queue", "Wait for it, up to `timeout`" },
                                   { "deny", "Deny with the reason `unavailable`" },
                                   { NULL, NULL } };

#define FIELD(name_, field_, def_, help_)                                                          \
    {                                                                                              \
        WF_NAMED("fields." name_), WF_F_STR(struct reserve_config, field_), .def = (def_),         \
                                                                            .help = (help_)        \
    }
const wf_param reserve_params[] = {
    { WF_P_CHOICE(struct reserve_config, direction, reserve_directions), .def = "mt",
      .help = "Direction of the prices" },
    { WF_NAMED("onOutage"), WF_F_CHOICE(struct reserve_config, on_outage, outages), .def = "queue",
      .help = "What becomes of items while the store cannot be reached" },
    { WF_NAMED("timeout"), WF_F_MS(struct reserve_config, timeout_ms), .def = "60s", .min = 1,
      .max = INT64_MAX, .help = "How long an item waits for tenant, rates and money" },
    { WF_P_STR(struct reserve_config, events),
      .help = "Topic that gets an event for every reservation; empty: none" },
    FIELD("id", id, "id", "Member with the message's id"),
    FIELD("tenant", tenant, "tenant_id", "Member with the tenant"),
    FIELD("channel", channel, "channel", "Member with the channel"),
    FIELD("to", to, "to", "Member with the number"),
    FIELD("text", text, "text", "Member with the text, counted where there are no segments"),
    FIELD("segments", segments, "segments", "Member with the number of units"),
    FIELD("class", class_name, "class", "Member with the message's class"),
    FIELD("ts", ts, "ts_us", "Member with the accept time, microseconds since 1970"),
    FIELD("network", network, "network", "Member with MCC and MNC of the number, where known"),
    WF_END,
};

#define RESERVE_REASONS(X)                                                                         \
    X(unknown_tenant, "The tenant has no billing settings")                                        \
    X(suspended, "The tenant is suspended")                                                        \
    X(no_rate, "No card of the tenant has a price for it at that time")                            \
    X(no_funds, "The price is more than the tenant can spend")                                     \
    X(conflict, "The id was used for another message")                                             \
    X(bad_number, "The number is no international number")                                         \
    X(bad_message, "A member is missing or of the wrong type")                                     \
    X(unavailable, "The store could not be reached")
#define RESERVE_CODE(name, words) { #name, (words) },
#define RESERVE_METRIC(name, words)                                                                \
    { WF_COUNTER, "billing_denied_total{reason=\"" #name "\"}", NULL, "Messages denied: " words },

static const wf_pair reserve_reasons[] = { RESERVE_REASONS(RESERVE_CODE){ NULL, NULL } };
const wf_pair reserve_codes[] = { { "no_tables", "The store has no tables of billing" },
                                  { NULL, NULL } };
const wf_metric reserve_metrics[] = {
    { WF_COUNTER, "billing_reserved_total", NULL, "Messages with a reservation" },
    { WF_COUNTER, "billing_repeated_total", NULL, "Messages that had a reservation already" },
    { WF_COUNTER, "billing_reserved_micro_total", NULL, "Micro-units reserved" },
    { WF_COUNTER, "billing_grants_total", NULL, "Slices granted" },
    { WF_HISTOGRAM, "billing_grant_micro", NULL, "Micro-units of a slice" },
    { WF_HISTOGRAM, "billing_grant_seconds", "ms", "From asking for slices to having them" },
    { WF_COUNTER, "billing_waited_total", NULL, "Times that an item waited for its tenant" },
    RESERVE_REASONS(RESERVE_METRIC) /* */
    WF_EACH_TRAFFIC(AMOUNT_RESERVED)
        WF_EACH_CHANNEL(PRICE_ROW){ (wf_metric_kind)0, NULL, NULL, NULL },
};
enum {
    COUNT_AMOUNT = COUNT_DENIED + COUNT_OF(reserve_reasons) - 1,
    COUNT_PRICE = COUNT_AMOUNT + WF_TRAFFICS
};
_Static_assert(COUNT_OF(reserve_metrics) == COUNT_PRICE + WF_CHANNELS + 1, "as the table");

/* --- saying no -------------------------------------------------------------------------------- */

void reserve_deny(struct node *node, wf_item *it, const char *reason, const char *words)
{
    const wf_host *h = node->worker->h;
    unsigned i = 0;
    while (reserve_reasons[i].name && strcmp(reserve_reasons[i].name, reason) != 0)
        i++;
    h->count(node->inst, COUNT_DENIED + i, 1);
    const wf_value *billing =
        h->build(it, "{s:s,s:s,s:s}", "op", "denied", "reason", reason, "text", words);
    h->emit(it, PORT_DENIED, h->v->set_key(it, h->value(it), STR_OF("billing"), billing));
}

/* --- reading the message ---------------------------------------------------------------------- */

struct message {
    wf_str id, tenant, channel, class_name, network, digits;
    int64_t units, at_us;
    uint64_t body;
    char number[16];
};

static const wf_value *reserve_member(const wf_host *h, const wf_value *value, wf_str name)
{
    return h->v->get(value, name.ptr, name.len);
}

/* 0 when the member is missing or null, too; -1: it is no text. */
static int reserve_text(const wf_host *h, const wf_value *value, wf_str name, wf_str *out)
{
    const wf_value *m = reserve_member(h, value, name);
    *out = (wf_str){ "", 0 };
    return !m || h->v->type(m) == WF_JSON_NULL ? 0 : h->v->bytes(m, &out->ptr, &out->len);
}

static int reserve_is(wf_str s, const char *text)
{
    return s.len == strlen(text) && !memcmp(s.ptr, text, s.len);
}

static const char *read_units(const wf_host *h, const wf_value *value,
                              const struct reserve_config *c, struct message *m)
{
    const wf_value *segments = reserve_member(h, value, c->segments);
    wf_str text;
    m->units = 1;
    if (segments && h->v->type(segments) != WF_JSON_NULL)
        return h->v->int64(segments, &m->units) != 0 || m->units < 1 || m->units > 100000
                   ? "segments is no number from 1 to 100000"
                   : NULL;
    if (reserve_text(h, value, c->text, &text) != 0)
        return "text is no text";
    if (reserve_is(m->channel, "sms"))
        m->units = units_of_sms(text.ptr, text.len);
    return NULL;
}

/* NULL, or why the message cannot be billed. */
static const char *read_message(const wf_host *h, wf_item *it, const struct reserve_config *c,
                                int64_t now_ms, struct message *m)
{
    const wf_value *value = h->value(it), *ts = reserve_member(h, value, c->ts);
    if (reserve_text(h, value, c->id, &m->id) != 0 || !m->id.len || m->id.len > MESSAGE_ID_MAX)
        return "id is no text of 1 to 200 bytes";
    if (reserve_text(h, value, c->tenant, &m->tenant) != 0 || !m->tenant.len ||
        m->tenant.len > TENANT_NAME_MAX)
        return "tenant_id is no text of 1 to 200 bytes";
    if (memchr(m->id.ptr, 0, m->id.len) || memchr(m->tenant.ptr, 0, m->tenant.len))
        return "id or tenant_id holds a NUL character";
    if (reserve_text(h, value, c->channel, &m->channel) != 0 || !m->channel.len ||
        m->channel.len > 31)
        return "channel is no text of 1 to 31 bytes";
    if (reserve_text(h, value, c->class_name, &m->class_name) != 0)
        return "class is no text";
    if (reserve_text(h, value, c->network, &m->network) != 0)
        return "network is no text";
    m->at_us = now_ms * 1000;
    if (ts && h->v->type(ts) != WF_JSON_NULL && (h->v->int64(ts, &m->at_us) != 0 || m->at_us < 0))
        return "ts_us is no time in microseconds";
    return read_units(h, value, c, m);
}

/* Channels that are reached by a phone's number. */
static int needs_number(wf_str channel)
{
    static const char *const names[] = { "sms", "ussd", "voice", "whatsapp", "rcs", "mms" };
    for (size_t i = 0; i < COUNT_OF(names); i++)
        if (reserve_is(channel, names[i]))
            return 1;
    return 0;
}

static int read_number(const wf_host *h, wf_item *it, const struct reserve_config *c,
                       struct message *m)
{
    wf_str to;
    m->digits = (wf_str){ m->number, 0 };
    m->number[0] = 0;
    if (reserve_text(h, h->value(it), c->to, &to) == 0)
        m->digits.len = number_digits(to.ptr, to.len, m->number);
    for (size_t i = 0; i < m->network.len; i++)
        if (m->network.ptr[i] < '0' || m->network.ptr[i] > '9')
            return -1;
    if (m->network.len && (m->network.len < 5 || m->network.len > 6))
        return -1;
    return m->digits.len || !needs_number(m->channel) ? 0 : -1;
}

static uint64_t body_mix(uint64_t hash, const char *s, size_t len)
{
    for (size_t i = 0; i < len; i++)
        hash = (hash ^ (unsigned char)s[i]) * 0x100000001b3u;
    return (hash ^ 0xff) * 0x100000001b3u;
}

/* What makes two messages the same for billing. */
static uint64_t body_of(const struct message *m, int direction)
{
    uint64_t hash = body_mix(0xcbf29ce484222325u, m->channel.ptr, m->channel.len);
    hash = body_mix(hash, m->class_name.ptr, m->class_name.len);
    hash = body_mix(hash, m->digits.ptr, m->digits.len);
    hash = body_mix(hash, m->network.ptr, m->network.len);
    return (hash ^ (uint64_t)m->units ^ (uint64_t)direction << 32) * 0x9e3779b97f4a7c15u;
}

static uint64_t slice_mark(int64_t slice) { return (uint64_t)slice * 0xc2b2ae3d27d4eb4fu; }

/* What the ledger compares. Two workers may begin one message before either knows of the other.
 * When it is charged at once, the pair of lines that comes first stands and the other is left out.
 * When its receipt ends the hold, whose slice it was must not be forgotten: there the second is
 * refused, or a receipt would end on one slice what the ledger holds on the other. */
static uint64_t line_body(const struct message *m, enum point point, int64_t slice)
{
    return point == POINT_DELIVERY ? m->body ^ slice_mark(slice) : m->body;
}

/* A hold that was read back has the body of its line. */
static int is_of(const struct hold *hold, const struct message *m)
{
    return hold->body == m->body || hold->body == (m->body ^ slice_mark(hold->slice));
}

/* --- rating ----------------------------------------------------------------------------------- */

static void look_cards_up(struct worker *w, struct tenant *t)
{
    const char *const names[] = { t->card, t->tier, "default" };
    for (unsigned i = 0; i < 3; i++)
        t->cards[i] = *names[i] ? rates_card(w->rates, names[i]) : NULL;
    t->rates_serial = w->rates_serial;
}

static int rate_message(struct worker *w, struct tenant *t, const struct message *m, int direction,
                        struct rate_hit *hit)
{
    if (t->rates_serial != w->rates_serial)
        look_cards_up(w, t);
    struct rate_query q = { .channel = m->channel.ptr,
                            .channel_len = m->channel.len,
                            .class_name = m->class_name.ptr,
                            .class_len = m->class_name.len,
                            .digits = m->digits.ptr,
                            .digits_len = m->digits.len,
                            .network = m->network.ptr,
                            .network_len = m->network.len,
                            .direction = direction ? "mo" : "mt",
                            .direction_len = 2,
                            .currency = t->currency,
                            .at_us = m->at_us };
    return rates_find(w->rates, t->cards, 3, &q, hit);
}

/* The counter that bands and bundles go by; NULL: the price does not hang on one. */
static struct usage *usage_of(struct tenant *t, const struct rate_hit *hit, int64_t at_us)
{
    if (!hit->version->has_bands && !t->bundle)
        return NULL;
    if (at_us < t->month.from_us || at_us >= t->month.to_us)
        t->month = month_of(t->zone, at_us);
    return tenant_usage(t, hit->card->name, t->month.number);
}

/* --- reserving -------------------------------------------------------------------------------- */

static void reserve_count_amount(struct node *node, const struct message *m, int64_t amount_micro)
{
    unsigned row = amount_row(m->channel, m->class_name);
    node->worker->h->count(node->inst, COUNT_AMOUNT + row, amount_micro);
    node->worker->h->count(node->inst, COUNT_PRICE + row / WF_KINDS, amount_micro);
}

static void emit_reserved(struct node *node, wf_item *it, const struct reserve_config *c,
                          const struct message *m, const struct tenant *t,
                          const struct rate_hit *hit, const struct hold *hold, int is_repeated)
{
    static const wf_str keys[] = {
        STR_INIT("op"),         STR_INIT("idem"),    STR_INIT("units"),   STR_INIT("price_micro"),
        STR_INIT("unit_micro"), STR_INIT("ccy"),     STR_INIT("card"),    STR_INIT("version"),
        STR_INIT("prefix"),     STR_INIT("slice"),   STR_INIT("channel"), STR_INIT("ts_us"),
        STR_INIT("point"),      STR_INIT("repeated")
    };
    struct worker *w = node->worker;
    const wf_host *h = w->h;
    const wf_values *v = h->v;
    enum point point = tenant_point(t, m->channel.ptr, m->channel.len);
    struct charge charge = { .op = OP_RESERVE,
                             .tenant = m->tenant,
                             .id = m->id,
                             .channel = m->channel,
                             .currency = { t->currency, 3 },
                             .card = { hit->card->name, strlen(hit->card->name) },
                             .prefix = { hit->rate->prefix, strlen(hit->rate->prefix) },
                             .amount_micro = hold->amount_micro,
                             .hold_micro = hold->amount_micro,
                             .units = hold->units,
                             .unit_micro = hold->unit_micro,
                             .version = hit->version->number,
                             .slice = hold->slice,
                             .accept_us = m->at_us,
                             .body = line_body(m, point, hold->slice) };
    /* Who took it first writes, or wrote, its line. */
    if (!is_repeated && ledger_write(w, it, &charge, c->events) != 0) {
        h->fail_with(
            it, &(wf_error){ .size = sizeof(wf_error), .fault = WF_ACCOUNT, .code = "no_tables" },
            "billing: the store has no table billing_transactions");
        return;
    }
    const char *word = point == POINT_DELIVERY ? "delivery" : "submit";
    const wf_value *values[COUNT_OF(keys)] = {
        v->of_str(it, "reserve", 7),
        v->of_str(it, m->id.ptr, m->id.len),
        v->of_int(it, hold->units),
        v->of_int(it, hold->amount_micro),
        v->of_int(it, hold->unit_micro),
        v->of_str(it, t->currency, 3),
        v->of_str(it, charge.card.ptr, charge.card.len),
        v->of_int(it, charge.version),
        v->of_str(it, charge.prefix.ptr, charge.prefix.len),
        v->of_int(it, hold->slice),
        v->of_str(it, m->channel.ptr, m->channel.len),
        v->of_int(it, m->at_us),
        v->of_str(it, word, strlen(word)),
        is_repeated ? v->of_bool(it, 1) : NULL,
    };
    const wf_value *billing = v->object(it, keys, values, COUNT_OF(keys));
    h->count(node->inst, is_repeated ? COUNT_REPEATED : COUNT_RESERVED, 1);
    h->count(node->inst, COUNT_RESERVED_MICRO, is_repeated ? 0 : hold->amount_micro);
    if (!is_repeated)
        reserve_count_amount(node, m, hold->amount_micro);
    h->emit(it, PORT_RESERVED, v->set_key(it, h->value(it), STR_OF("billing"), billing));
}

static void wait_for_tenant(struct node *node, wf_item *it, const struct reserve_config *c,
                            struct tenant *t, int64_t amount_micro)
{
    const wf_host *h = node->worker->h;
    h->count(node->inst, COUNT_WAITED, 1);
    tenant_wait(t, node, h->park(it, c->timeout_ms), amount_micro);
    if (!t->asked)
        tenant_want(node->worker, t);
}

/* The slice covers the price, or the item waits, or is denied: 1 when it may go on. */
static int take_money(struct node *node, wf_item *it, const struct reserve_config *c,
                      struct tenant *t, int64_t amount_micro, int final)
{
    /* After its lease a slice is used when the next answer says that it is still ours. */
    int64_t now_ms = node->worker->now_ms;
    if (t->slice && t->lease_ms > now_ms && amount_micro <= t->avail_micro && (final || !t->first))
        return 1;
    if (!final && now_ms >= t->retry_ms) {
        wait_for_tenant(node, it, c, t, amount_micro ? amount_micro : 1);
        return 0;
    }
    if (final) {
        t->retry_ms = now_ms + 100; /* not one question for every message */
        t->used_ms = 0;             /* what is left goes back at once: others may add theirs */
        t->is_rich = 0;
    }
    reserve_deny(node, it, "no_funds", "the price is more than the tenant can spend");
    return 0;
}

static void reserve_known(struct node *node, wf_item *it, const struct reserve_config *c,
                          struct tenant *t, struct message *m, int64_t now_ms, int final)
{
    struct worker *w = node->worker;
    struct rate_hit hit;
    int64_t amount, unit;
    uint64_t key = hold_key(m->tenant, m->id);
    if (read_number(w->h, it, c, m) != 0) {
        reserve_deny(node, it, "bad_number", "to is no international number");
        return;
    }
    m->body = body_of(m, c->direction);
    struct hold *hold = hold_find(w, key);
    if (hold && !is_of(hold, m)) {
        reserve_deny(node, it, "conflict", "the id was used for another message");
        return;
    }
    if (!hold && t->is_suspended) {
        reserve_deny(node, it, "suspended", "the tenant is suspended");
        return;
    }
    if (rate_message(w, t, m, c->direction, &hit) != 0) {
        reserve_deny(node, it, "no_rate", "no card of the tenant has a price for it");
        return;
    }
    const char *name = w->h->key(it);
    uint64_t by = body_mix(0xcbf29ce484222325u, name, strlen(name));
    if (hold) {
        emit_reserved(node, it, c, m, t, &hit, hold, hold->by != by);
        return;
    }
    if (!final && look_back(node, it, t, m->id, m->at_us, now_ms, c->timeout_ms))
        return;
    struct usage *usage = usage_of(t, &hit, m->at_us);
    int64_t before = usage ? usage->base + usage->delta : 0;
    if (rate_price(w->rates, hit.rate, usage ? t->bundle : 0, before, m->units, &amount, &unit)) {
        reserve_deny(node, it, "no_rate", "the price is more than money can be");
        return;
    }
    if (!take_money(node, it, c, t, amount, final))
        return;
    t->avail_micro -= amount;
    t->rate_micro += amount;
    t->price_micro = amount;
    t->used_ms = w->now_ms;
    if (t->avail_micro < t->low_micro && !t->asked)
        tenant_want(w, t);
    if (usage)
        usage->delta += m->units;
    hold = hold_add(w, key, m->at_us, now_ms);
    hold->body = m->body;
    hold->by = by;
    hold->amount_micro = amount;
    hold->unit_micro = unit;
    hold->slice = t->slice;
    hold->units = (uint32_t)m->units;
    hold->state = HOLD_RESERVED;
    emit_reserved(node, it, c, m, t, &hit, hold, 0);
}

void reserve_item(struct node *node, wf_item *it, const struct reserve_config *c, int64_t now_ms,
                  int final)
{
    struct worker *w = node->worker;
    struct message m;
    const char *why = read_message(w->h, it, c, now_ms, &m);
    if (why) {
        reserve_deny(node, it, "bad_message", why);
        return;
    }
    struct tenant *t = tenant_of(w, m.tenant.ptr, m.tenant.len);
    if (t->state == TENANT_UNKNOWN && w->now_ms < t->retry_ms) {
        reserve_deny(node, it, "unknown_tenant", "the tenant has no billing settings");
        return;
    }
    if (t->state != TENANT_KNOWN)
        wait_for_tenant(node, it, c, t, 0);
    else if (!w->rates)
        rates_wait(w, node, w->h->park(it, c->timeout_ms));
    else
        reserve_known(node, it, c, t, &m, now_ms, final);
}

/* --- the node --------------------------------------------------------------------------------- */

void reserve_process(const wf_host *h, wf_item *const *items, size_t n)
{
    struct node *node = h->state(items[0]);
    struct worker *w = node->worker;
    int64_t now_ms = h->now_ms(items[0]);
    look_back_begin(w);
    worker_clock(w, now_ms);
    for (size_t i = 0; i < n; i++)
        reserve_item(node, items[i], h->config(items[i]), now_ms, 0);
    look_back_flush(w);
    worker_tick(w, now_ms);
}

const char reserve_docs[] =
    "Every item leaves on one of two ports, with `billing` added:\n"
    "\n"
    "| port | `billing` | meaning |\n"
    "|---|---|---|\n"
    "| `reserved` | `op`, `idem`, `units`, `price_micro`, `unit_micro`, `ccy`, `card`, `version`, "
    "`prefix`, `slice`, `channel`, `ts_us`, `point` | The price is held |\n"
    "| `denied` | `op`, `reason`, `text` | Nothing is held |\n"
    "\n"
    "**Price.** Cards are asked in the order of the tenant's own, its tier's, and `default`; "
    "within "
    "a card\nthe version that was valid at `ts_us`, then the message's class before any class, "
    "then "
    "the network\nbefore the longest prefix of `to`. A card in another currency has no price. "
    "Units "
    "are `segments`,\nelse those of an SMS text, else 1. With bands the price hangs on the units "
    "of the month in the\ntenant's time zone, all workers together, with some lag that the invoice "
    "takes out.\n"
    "\n"
    "**Money.** The worker takes the price from a slice that was moved out of the tenant's account "
    "before,\nso no two workers can spend the same money. Only when the slice is short the item "
    "waits for one\ntransaction, which serves all tenants that wait. `avail + credit limit` never "
    "falls below 0.\n"
    "\n"
    "**Twice.** The same id with the same message answers as the first time, with `repeated` where "
    "it "
    "came by\nanother event and not by the same execution beginning again; with "
    "another\nnumber, class or number of units it is denied as `conflict`. A message that may have "
    "come\nbefore this worker, or that it may have forgotten (by `ts_us`: no later than the "
    "tenant's latest in the\nledger at that time, or half a minute behind the others), is looked "
    "for in the ledger first, many at\na time. What two engines get at the same moment is charged "
    "once: "
    "the line that comes first\nstands. Charged by its receipt, or with another body, the second "
    "is refused by the store when its row\nis written (`row_refused`).\n"
    "\n"
    "Reasons: `unknown_tenant`, `suspended`, `no_rate`, `no_funds`, `conflict`, `bad_number`, "
    "`bad_message`,\n`unavailable`.\n"
    "\n"
    "```json\n"
    "{\"type\": \"catalyst.billingReserve\", \"parameters\": {\"events\": \"billing.events\"}}\n"
    "```\n"
    "\n"
    "With the card `default`, version 3, EUR, `sms` to `4917` at 65000: an item\n"
    "`{\"id\": \"m1\", \"tenant_id\": \"acme\", \"channel\": \"sms\", \"to\": \"+4917698765432\", "
    "\"text\": \"hi\"}` gets\n"
    "`\"billing\": {\"op\": \"reserve\", \"idem\": \"m1\", \"units\": 1, \"price_micro\": 65000, "
    "\"unit_micro\": 65000,\n\"ccy\": \"EUR\", \"card\": \"default\", \"version\": 3, \"prefix\": "
    "\"4917\", \"slice\": .., \"point\": \"submit\"}`.\n";
