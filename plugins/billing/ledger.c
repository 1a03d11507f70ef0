/* SPDX-License-Identifier: Apache-2.0
 * Lines of the ledger: a row that commits in the turn's transaction, and the event that tells of
 * it. All rows have the same columns in the same order, so that a turn's rows are one statement,
 * whose trigger locks slices in order. Thread: the worker's; nothing blocks.
 */
#include "billing_int.h"
#include <catalyst/json_text.h>

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

static void write_event(struct worker *w, wf_item *it, const struct charge *c, wf_str key,
                        wf_str topic)
{
    const wf_host *h = w->h;
    size_t room = 20 * WF_JSON_MEMBER_BYTES +
                  WF_JSON_BYTE_BYTES * (c->tenant.len * 2 + key.len * 2 + c->id.len +
                                        c->channel.len + c->card.len + c->prefix.len);
    char *body = h->alloc(it, room);
    struct wf_json j = { body };
    wf_str op = { op_name(c->op), strlen(op_name(c->op)) };
    wf_json_raw(&j, "{\"v\":1,\"id\":\"", 13);
    wf_json_escaped(&j, c->tenant);
    wf_json_raw(&j, "/", 1);
    wf_json_escaped(&j, key);
    wf_json_raw(&j, "\"", 1);
    WF_JSON_INT(&j, "ts_us", h->now_ms(it) * 1000);
    WF_JSON_TEXT(&j, "tenant_id", c->tenant);
    WF_JSON_TEXT(&j, "op", op);
    WF_JSON_TEXT(&j, "idem", key);
    WF_JSON_INT(&j, "body", (int64_t)c->body);
    WF_JSON_TEXT(&j, "msg_id", c->id);
    WF_JSON_INT(&j, "units", c->units);
    WF_JSON_INT(&j, "price_micro", c->amount_micro);
    WF_JSON_INT(&j, "hold_micro", c->hold_micro);
    WF_JSON_INT(&j, "unit_micro", c->unit_micro);
    WF_JSON_TEXT(&j, "ccy", c->currency);
    WF_JSON_TEXT(&j, "channel", c->channel);
    WF_JSON_TEXT(&j, "card", c->card);
    WF_JSON_INT(&j, "ver", c->version);
    WF_JSON_TEXT(&j, "prefix", c->prefix);
    WF_JSON_INT(&j, "slice", c->slice);
    WF_JSON_INT(&j, "accept_us", c->accept_us);
    WF_JSON_TEXT(&j, "worker", ((wf_str){ w->owner, strlen(w->owner) }));
    WF_JSON_INT(&j, "seq", ++w->seq);
    wf_json_raw(&j, "}", 1);
    h->output(it, &(wf_output){ .channel = "kafka",
                                .topic = topic.ptr,
                                .key = c->tenant,
                                .body = { body, (size_t)(j.at - body) },
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
                              "tenant_id,idempotency_key;body") != 0)
        return -1;
    if (topic.len)
        write_event(w, it, c, key, topic);
    return 0;
}
