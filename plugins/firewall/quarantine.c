/* SPDX-License-Identifier: Apache-2.0
 * catalyst.firewallQuarantine: keeps a message with its verdict in firewall_quarantine until
 * somebody decides or its time is over. The row commits with the item's outcome, and only once: its
 * id is made of tenant and message.
 *
 * Thread: the worker's. Nothing blocks.
 */
#include "firewall_int.h"
#include "other_nodes.h"
#include <stdio.h>
#include <string.h>

#define KEY(text)                                                                                  \
    {                                                                                              \
        text, sizeof(text) - 1                                                                     \
    }

const wf_param quarantine_params[] = {
    { WF_NAMED("fields.id"), WF_F_STR(struct quarantine_config, id), .def = "id",
      .help = "Member that names the message within its tenant" },
    WF_END,
};

static const wf_value *text_at(const wf_host *h, wf_item *it, const wf_value *object,
                               const char *key)
{
    const wf_value *v = h->v->get(object, key, strlen(key));
    wf_str text = h->v->text(it, v);
    return h->v->of_str(it, text.ptr, text.len);
}

static const wf_value *number_at(const wf_host *h, wf_item *it, const wf_value *object,
                                 const char *key, int64_t otherwise)
{
    int64_t n = otherwise;
    h->v->int64(h->v->get(object, key, strlen(key)), &n);
    return h->v->of_int(it, n);
}

static const wf_value *row_of(const wf_host *h, wf_item *it, const struct quarantine_config *c,
                              wf_str id)
{
    static const wf_str keys[] = { KEY("id"),     KEY("tenant_id"), KEY("message_id"),
                                   KEY("rule"),   KEY("reason"),    KEY("version"),
                                   KEY("state"),  KEY("held_us"),   KEY("until_us"),
                                   KEY("message") };
    const wf_value *item = h->value(it), *verdict = h->v->get(item, "firewall", 8);
    wf_str body = h->v->json(it, item);
    int64_t now_us = h->now_ms(it) * 1000;
    const wf_value *values[] = {
        h->v->of_str(it, id.ptr, id.len),
        text_at(h, it, item, "tenant_id"),
        text_at(h, it, item, c->id.ptr),
        text_at(h, it, verdict, "rule"),
        text_at(h, it, verdict, "reason"),
        text_at(h, it, verdict, "version"),
        h->v->of_str(it, "held", 4),
        h->v->of_int(it, now_us),
        number_at(h, it, verdict, "hold_until_us", now_us + 1800000000),
        h->v->of_str(it, body.ptr, body.len),
    };
    return h->v->object(it, keys, values, sizeof keys / sizeof *keys);
}

static void hold(const wf_host *h, wf_item *it, const wf_ledger *ledger)
{
    const struct quarantine_config *c = h->config(it);
    const wf_value *item = h->value(it);
    wf_error e = { .size = sizeof e, .fault = WF_ACCOUNT, .code = "store" };
    wf_str tenant = h->v->text(it, h->v->get(item, "tenant_id", 9));
    wf_str message = h->v->text(it, h->v->get(item, c->id.ptr, c->id.len));
    wf_str id =
        message.len ? h->fmt(it, "%s/%s", tenant.ptr, message.ptr) : h->fmt(it, "%s", h->key(it));
    if (!ledger || ledger->commit_row(it, "firewall_quarantine", row_of(h, it, c, id), "id") != 0) {
        h->fail_with(it, &e, "the store has no table firewall_quarantine: run catalyst migrate");
        return;
    }
    const wf_value *out =
        h->v->set_key(it, item, (wf_str)KEY("quarantine"), h->build(it, "{s:S}", "id", id));
    h->emit(it, 0, out);
}

void quarantine_process(const wf_host *h, wf_item *const *items, size_t n)
{
    const wf_ledger *ledger = h->service("ledger/1");
    for (size_t i = 0; i < n; i++)
        hold(h, items[i], ledger);
    h->count(h->inst(items[0]), 0, (int64_t)n);
}
