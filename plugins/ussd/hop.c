/* SPDX-License-Identifier: Apache-2.0
 * catalyst.ussdHop: what a gateway says of one hop of a session, in one form for all gateways.
 *
 * Gateways differ in names and in what they repeat: some send the input of this hop, some all
 * inputs of the session joined with "*". What comes out is the session, the number, the code, the
 * input of this hop and how far the session is.
 *
 * Thread: the worker's. Nothing blocks.
 */
#include "ussd_int.h"

enum { SESSION_MAX = 100, INPUT_MAX = 182, INPUTS_MAX = 64 };

static const wf_pair dialects[] = {
    { "auto", "By the names of its fields" },
    { "joined", "Form: sessionId, phoneNumber, serviceCode, text with all inputs joined by *" },
    { "query", "Query: SESSIONID, MSISDN, USSDCODE, INPUT" },
    { "json", "JSON: operation begin, continue or end, sessionId, msisdn, code, input" },
    { "smpp", "A message of catalyst.smppReceive with ussd_service_op" },
    { NULL, NULL },
};
const wf_param hop_params[] = {
    { WF_P_CHOICE(struct hop_config, dialect, dialects), .def = "auto",
      .help = "What the gateway sends" },
    WF_END,
};
const char *const hop_ports[] = { "hop", "ended", "refused", NULL };

const char hop_docs[] =
    "Reads the fields from `body`, else from `query`, else from the item itself, so it stands "
    "right "
    "behind a webhook or catalyst.smppReceive. Adds `ussd`:\n\n"
    "| member | |\n"
    "|---|---|\n"
    "| `session` | the gateway's id of the session, over SMPP `<digits of the number>.<session "
    "number>`; `msisdn`, `code`, `network` as it says them |\n"
    "| `op` | `begin`, `continue`, or `end` |\n"
    "| `input` | what was entered at this hop; `inputs` all that the gateway repeats |\n"
    "| `hop` | 0 for the first, 1 for the next ...; -1 where the gateway does not tell |\n"
    "| `key` | `session:<id>:data`, where the session's state is kept in Redis |\n"
    "| `transport` | `http` or `smpp` |\n\n"
    "Ports: `hop`; `ended` for the notice that a session is over; `refused`, with `ussd.reason`, "
    "for "
    "what is no hop: `no_session`, `no_number`, `bad_session` (other characters than letters, "
    "digits "
    "and ._:+-, or more than 100), `input_too_long`.\n\n"
    "Most gateways sign nothing: let the webhook take an allow-list of addresses (`ipWhitelist`) "
    "and a "
    "path nobody guesses.";

const wf_metric hop_metrics[] = {
    { WF_COUNTER, "ussd_hops_total{op=\"begin\"}", NULL, "Hops by what the gateway says" },
    { WF_COUNTER, "ussd_hops_total{op=\"continue\"}", NULL, "Hops by what the gateway says" },
    { WF_COUNTER, "ussd_hops_total{op=\"end\"}", NULL, "Hops by what the gateway says" },
    { WF_COUNTER, "ussd_hops_total{op=\"refused\"}", NULL, "Hops by what the gateway says" },
    { (wf_metric_kind)0, NULL, NULL, NULL },
};

struct hop {
    const wf_host *h;
    wf_item *it;
    const wf_value *from;
    wf_str session, msisdn, code, network, input;
    const wf_value *inputs;
    const char *op, *transport, *reason;
    int64_t hop;
};

static wf_str field(const struct hop *p, const char *name)
{
    return member_text(p->h, p->it, p->from, name);
}

static bool has(const struct hop *p, const char *name)
{
    return p->h->v->get(p->from, name, strlen(name)) != NULL;
}

/* --- dialects --------------------------------------------------------------------------------- */

static void read_joined(struct hop *p)
{
    const wf_value *inputs[INPUTS_MAX];
    size_t n = 0;
    wf_str text = field(p, "text");
    p->session = field(p, "sessionId");
    p->msisdn = field(p, "phoneNumber");
    p->code = field(p, "serviceCode");
    p->network = field(p, "networkCode");
    p->op = text.len ? "continue" : "begin";
    if (!has(p, "text") && has(p, "status"))
        p->op = "end";
    const char *at = text.ptr, *end = text.ptr + text.len;
    while (text.len && n < INPUTS_MAX) {
        const char *star = memchr(at, '*', (size_t)(end - at));
        p->input = (wf_str){ at, (size_t)((star ? star : end) - at) };
        inputs[n++] = p->h->v->of_str(p->it, p->input.ptr, p->input.len);
        if (!star)
            break;
        at = star + 1;
    }
    p->hop = (int64_t)n;
    p->inputs = p->h->v->array(p->it, inputs, n);
}

static void read_query(struct hop *p)
{
    p->session = field(p, "SESSIONID");
    p->msisdn = field(p, "MSISDN");
    p->code = field(p, "USSDCODE");
    p->network = field(p, "NETWORK");
    p->input = field(p, "INPUT");
    p->op = "continue";
    p->hop = -1;
}

static void read_json(struct hop *p)
{
    wf_str op = field(p, "operation");
    p->session = field(p, "sessionId");
    p->msisdn = field(p, "msisdn");
    p->code = field(p, "code");
    p->network = field(p, "network");
    p->input = field(p, "input");
    p->op = str_is(op, "begin") ? "begin" : str_is(op, "end") ? "end" : "continue";
    if (p->h->v->int64(p->h->v->get(p->from, "hop", 3), &p->hop) != 0)
        p->hop = str_is(op, "begin") ? 0 : -1;
}

/* its_session_info: the session's number, then a running number and the bit that ends it. A number
 * alone is soon used again, so the session is named with who has it, by his digits: a plus comes
 * and goes with the type of number that the SMSC gives. */
static void read_smpp(struct hop *p)
{
    enum { PSSR_INDICATION = 1, USSR_CONFIRM = 18 };
    int64_t op = -1, info = -1;
    const wf_host *h = p->h;
    h->v->int64(h->v->get(p->from, "ussd_service_op", 15), &op);
    h->v->int64(h->v->get(p->from, "its_session_info", 16), &info);
    p->msisdn = field(p, "from");
    p->code = field(p, "to");
    p->input = field(p, "text");
    p->transport = "smpp";
    p->op = op == PSSR_INDICATION ? "begin" : op == USSR_CONFIRM ? "continue" : "end";
    p->hop = info >= 0 ? info >> 1 & 0x7f : -1;
    if (info & 1 && info >= 0)
        p->op = "end";
    p->session = h->fmt(p->it, "%s.%lld", p->msisdn.ptr + (*p->msisdn.ptr == '+'),
                        (long long)(info >= 0 ? info >> 8 : 0));
}

static enum dialect dialect_of(const struct hop *p)
{
    if (has(p, "ussd_service_op"))
        return DIALECT_SMPP;
    if (has(p, "phoneNumber"))
        return DIALECT_JOINED;
    return has(p, "SESSIONID") ? DIALECT_QUERY : DIALECT_JSON;
}

/* --- checks ----------------------------------------------------------------------------------- */

static bool is_name(wf_str s)
{
    for (size_t i = 0; i < s.len; i++) {
        char c = s.ptr[i];
        if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
              c == '.' || c == '_' || c == ':' || c == '-' || c == '+'))
            return false;
    }
    return s.len <= SESSION_MAX;
}

static const char *refusal(const struct hop *p)
{
    if (!p->session.len)
        return "no_session";
    if (!is_name(p->session))
        return "bad_session";
    if (!p->msisdn.len && strcmp(p->op, "end") != 0)
        return "no_number";
    return p->input.len > INPUT_MAX * 4 ? "input_too_long" : NULL;
}

/* --- the node --------------------------------------------------------------------------------- */

static const wf_value *ussd_value(const struct hop *p)
{
    const wf_host *h = p->h;
    const wf_value *ussd = h->build(
        p->it, "{s:s,s:S,s:S,s:S,s:S,s:s,s:S,s:i,s:S}", "transport", p->transport, "session",
        p->session, "msisdn", p->msisdn, "code", p->code, "network", p->network, "op", p->op,
        "input", p->input, "hop", p->hop, "key", h->fmt(p->it, "session:%s:data", p->session.ptr));
    if (p->inputs)
        ussd = h->v->set(p->it, ussd, "inputs", p->inputs);
    return p->reason
               ? h->v->set(p->it, ussd, "reason", h->v->of_str(p->it, p->reason, strlen(p->reason)))
               : ussd;
}

static const wf_value *fields_of(const wf_host *h, wf_item *it)
{
    static const char *const places[] = { "body", "query" };
    const wf_value *value = h->value(it);
    for (size_t i = 0; i < 2; i++) {
        const wf_value *v = h->v->get(value, places[i], strlen(places[i]));
        if (h->v->type(v) == WF_JSON_OBJECT && h->v->count(v))
            return v;
    }
    return value;
}

static void read_hop(const wf_host *h, wf_item *it)
{
    const struct hop_config *c = h->config(it);
    static const wf_str none = { "", 0 };
    struct hop p = { .h = h,
                     .it = it,
                     .from = fields_of(h, it),
                     .transport = "http",
                     .session = none,
                     .msisdn = none,
                     .code = none,
                     .network = none,
                     .input = none };
    enum dialect dialect = c->dialect ? (enum dialect)c->dialect : dialect_of(&p);
    if (dialect == DIALECT_JOINED)
        read_joined(&p);
    else if (dialect == DIALECT_QUERY)
        read_query(&p);
    else if (dialect == DIALECT_SMPP)
        read_smpp(&p);
    else
        read_json(&p);
    p.reason = refusal(&p);
    h->count(h->inst(it),
             p.reason       ? METRIC_REFUSED
             : *p.op == 'b' ? METRIC_BEGUN
             : *p.op == 'e' ? METRIC_ENDED
                            : METRIC_CONTINUED,
             1);
    unsigned port = p.reason ? HOP_REFUSED : strcmp(p.op, "end") == 0 ? HOP_ENDED : HOP_HOP;
    h->emit(it, port, h->v->set(it, h->value(it), "ussd", ussd_value(&p)));
}

void hop_process(const wf_host *h, wf_item *const *items, size_t n)
{
    for (size_t i = 0; i < n; i++)
        read_hop(h, items[i]);
}
