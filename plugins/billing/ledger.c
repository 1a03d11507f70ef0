/* SPDX-License-Identifier: Apache-2.0
 * Lines of the ledger: a row that commits in the turn's transaction, and the event that tells of
 * it. All rows have the same columns in the same order, so that a turn's rows are one statement,
 * whose trigger locks slices in order. Thread: the worker's; nothing blocks.
 */
#include "billing_int.h"
#include <stdio.h>

const char *op_name(enum ledger_op op)
{
    static const char *const names[] = { "", "reserve", "commit", "release", "refund" };
    return names[op];
}

static wf_str key_of(const wf_host *h, wf_item *it, const struct charge *c)
{
    static const wf_str ends[] = { [0] = { "", 0 },
                                   [OP_RESERVE] = { ":res", 4 },
                                   [OP_COMMIT] = { ":end", 4 },
                                   [OP_RELEASE] = { ":end", 4 },
                                   [OP_REFUND] = { ":refund", 7 } };
    wf_str end = ends[c->op];
    char *key = h->alloc(it, c->id.len + end.len + 1);
    if (c->id.len)
        memcpy(key, c->id.ptr, c->id.len);
    memcpy(key + c->id.len, end.ptr, end.len);
    return (wf_str){ key, c->id.len + end.len };
}

/* --- the event -------------------------------------------------------------------------------- */

struct event {
    char *at;
};

static void event_raw(struct event *e, const char *s, size_t len)
{
    memcpy(e->at, s, len);
    e->at += len;
}

static void event_text(struct event *e, const char *name, size_t name_len, wf_str value)
{
    event_raw(e, name, name_len);
    for (size_t i = 0; i < value.len; i++) {
        unsigned char c = (unsigned char)value.ptr[i];
        if (c < 0x20 || c == '"' || c == '\\')
            e->at += sprintf(e->at, "\\u%04x", c);
        else
            *e->at++ = (char)c;
    }
    *e->at++ = '"';
}

static void event_int(struct event *e, const char *name, size_t name_len, int64_t value)
{
    char digits[24], *p = digits + sizeof digits;
    uint64_t left = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
    do
        *--p = (char)('0' + left % 10);
    while (left /= 10);
    if (value < 0)
        *--p = '-';
    event_raw(e, name, name_len);
    event_raw(e, p, (size_t)(digits + sizeof digits - p));
}
#define EVENT_TEXT(e, name, value) event_text((e), ",\"" name "\":\"", sizeof(name) + 4, (value))
#define EVENT_INT(e, name, value)  event_int((e), ",\"" name "\":", sizeof(name) + 3, (value))

static void write_event(struct worker *w, wf_item *it, const struct charge *c, wf_str key,
                        wf_str topic)
{
    const wf_host *h = w->h;
    size_t room = 700 + 6 * (c->tenant.len * 2 + key.len * 2 + c->id.len + c->channel.len +
                             c->card.len + c->prefix.len);
    char *body = h->alloc(it, room);
    struct event e = { body };
    wf_str op = { op_name(c->op), strlen(op_name(c->op)) };
    event_raw(&e, "{\"v\":1", 6);
    EVENT_TEXT(&e, "id", c->tenant);
    e.at[-1] = '/';
    event_text(&e, "", 0, key);
    EVENT_INT(&e, "ts_us", h->now_ms(it) * 1000);
    EVENT_TEXT(&e, "tenant_id", c->tenant);
    EVENT_TEXT(&e, "op", op);
    EVENT_TEXT(&e, "idem", key);
    EVENT_INT(&e, "body", (int64_t)c->body);
    EVENT_TEXT(&e, "msg_id", c->id);
    EVENT_INT(&e, "units", c->units);
    EVENT_INT(&e, "price_micro", c->amount_micro);
    EVENT_INT(&e, "hold_micro", c->hold_micro);
    EVENT_INT(&e, "unit_micro", c->unit_micro);
    EVENT_TEXT(&e, "ccy", c->currency);
    EVENT_TEXT(&e, "channel", c->channel);
    EVENT_TEXT(&e, "card", c->card);
    EVENT_INT(&e, "ver", c->version);
    EVENT_TEXT(&e, "prefix", c->prefix);
    EVENT_INT(&e, "slice", c->slice);
    EVENT_INT(&e, "accept_us", c->accept_us);
    EVENT_TEXT(&e, "worker", ((wf_str){ w->owner, strlen(w->owner) }));
    EVENT_INT(&e, "seq", ++w->seq);
    *e.at++ = '}';
    h->output(it, &(wf_output){ .channel = "kafka",
                                .topic = topic.ptr,
                                .key = c->tenant,
                                .body = { body, (size_t)(e.at - body) },
                                .partition = -1 });
}

/* --- the row ---------------------------------------------------------------------------------- */

int ledger_write(struct worker *w, wf_item *it, const struct charge *c, wf_str topic)
{
    static const wf_str keys[] = { STR_INIT("tenant_id"),    STR_INIT("idempotency_key"),
                                   STR_INIT("body"),         STR_INIT("op"),
                                   STR_INIT("amount_micro"), STR_INIT("hold_micro"),
                                   STR_INIT("units"),        STR_INIT("unit_micro"),
                                   STR_INIT("currency"),     STR_INIT("channel"),
                                   STR_INIT("card"),         STR_INIT("version"),
                                   STR_INIT("prefix"),       STR_INIT("slice_id"),
                                   STR_INIT("accept_us") };
    const wf_host *h = w->h;
    const wf_values *v = h->v;
    const char *op = op_name(c->op);
    wf_str key = key_of(h, it, c);
    const wf_value *values[COUNT_OF(keys)] = {
        v->of_str(it, c->tenant.ptr, c->tenant.len),
        v->of_str(it, key.ptr, key.len),
        v->of_int(it, (int64_t)c->body),
        v->of_str(it, op, strlen(op)),
        v->of_int(it, c->amount_micro),
        v->of_int(it, c->hold_micro),
        v->of_int(it, c->units),
        v->of_int(it, c->unit_micro),
        v->of_str(it, c->currency.ptr, c->currency.len),
        v->of_str(it, c->channel.ptr, c->channel.len),
        v->of_str(it, c->card.ptr, c->card.len),
        v->of_int(it, c->version),
        v->of_str(it, c->prefix.ptr, c->prefix.len),
        v->of_int(it, c->slice),
        v->of_int(it, c->accept_us),
    };
    if (w->ledger->commit_row(it, "billing_transactions",
                              v->object(it, keys, values, COUNT_OF(keys)),
                              "tenant_id,idempotency_key,body") != 0)
        return -1;
    if (topic.len)
        write_event(w, it, c, key, topic);
    return 0;
}
