/* SPDX-License-Identifier: Apache-2.0
 * catalyst.ussdReply: a text that fits a USSD screen, in the form the gateway wants.
 *
 * A screen holds 160 octets: 182 septets of GSM 03.38, or 80 units of UCS-2 (3GPP TS 23.038, 5).
 * Many gateways take 160 characters only.
 *
 * Thread: the worker's. Nothing blocks.
 */
#include "ussd_int.h"

static const wf_pair on_longs[] = {
    { "cut", "Its end is cut, with .. in its place" },
    { "refuse", "It leaves on the port refused" },
    { NULL, NULL },
};
const wf_param reply_params[] = {
    { WF_P_STR(struct reply_config, text), .flags = WF_EXPR, .def = "={{ $json.menu.text }}",
      .help = "What is shown" },
    { WF_P_BOOL(struct reply_config, end), .flags = WF_EXPR, .def = "={{ $json.menu.end }}",
      .help = "This ends the session" },
    { WF_P_INT(struct reply_config, limit), .def = "182", .min = 20, .max = 182,
      .help = "Septets that the gateway takes; UCS-2 gets 80 units of 182, 70 of 160" },
    { WF_NAMED("onLong"), WF_F_CHOICE(struct reply_config, on_long, on_longs), .def = "cut",
      .help = "What becomes of a text that is longer" },
    WF_END,
};
const char *const reply_ports[] = { "reply", "refused", NULL };
const wf_metric reply_metrics[] = {
    { WF_COUNTER, "ussd_cut_total", NULL, "Texts that were longer than a screen" },
    { (wf_metric_kind)0, NULL, NULL, NULL },
};

const char reply_docs[] =
    "Adds `reply`: `{text, end, body, units, ucs2, cut, ussd_service_op}`. `body` is what an HTTP "
    "gateway is answered: `CON ` and the text while the session goes on, `END ` and the text when "
    "it "
    "ends; `ussd_service_op` is what goes to an SMSC: 2 (a menu that wants an answer) or 17 (the "
    "final answer). Answer a webhook with\n\n"
    "```json\n"
    "{\"type\": \"catalyst.respondToWebhook\", \"parameters\": {\"respondWith\": \"text\", "
    "\"responseBody\": \"={{ $json.reply.body }}\"}}\n"
    "```";

/* How much of the text fits, in bytes. */
static size_t fitting(wf_str text, uint32_t limit, bool is_ucs2)
{
    uint32_t used = 0;
    const char *at = text.ptr, *end = text.ptr + text.len;
    while (at < end) {
        const char *next = at;
        uint32_t cp = wf_text_next(&next, end);
        used += is_ucs2 ? cp > 0xffff ? 2 : 1 : wf_gsm_septets(cp);
        if (used > limit)
            break;
        at = next;
    }
    return (size_t)(at - text.ptr);
}

static void reply_one(const wf_host *h, wf_item *it)
{
    enum { FINAL = 17, MENU = 2, DOTS = 2 };
    const struct reply_config *c = h->config(it);
    struct wf_sms_length length = wf_sms_length(c->text.ptr, c->text.len);
    uint32_t limit = (uint32_t)c->limit;
    if (length.is_ucs2)
        limit = limit * WF_USSD_UNITS / WF_USSD_SEPTETS;
    bool is_long = length.units > limit;
    wf_str text = c->text;
    if (is_long && c->on_long == 0) {
        size_t keep = fitting(text, limit - DOTS, length.is_ucs2);
        text = h->fmt(it, "%.*s..", (int)keep, text.ptr);
        h->count(h->inst(it), METRIC_CUT, 1);
    }
    const wf_value *reply =
        h->build(it, "{s:S,s:b,s:S,s:i,s:b,s:b,s:i}", "text", text, "end", c->end, "body",
                 h->fmt(it, "%s %.*s", c->end ? "END" : "CON", (int)text.len, text.ptr), "units",
                 (int64_t)(is_long && c->on_long == 0 ? wf_sms_length(text.ptr, text.len).units
                                                      : length.units),
                 "ucs2", length.is_ucs2, "cut", is_long && c->on_long == 0, "ussd_service_op",
                 (int64_t)(c->end ? FINAL : MENU));
    h->emit(it, is_long && c->on_long ? REPLY_REFUSED : REPLY_REPLY,
            h->v->set(it, h->value(it), "reply", reply));
}

void reply_process(const wf_host *h, wf_item *const *items, size_t n)
{
    for (size_t i = 0; i < n; i++)
        reply_one(h, items[i]);
}
