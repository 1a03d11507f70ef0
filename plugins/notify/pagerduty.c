/* SPDX-License-Identifier: Apache-2.0
 * catalyst.pagerDuty: the Events API v2. An event names its incident by dedup_key, so sending one
 * twice does no harm, and what was lost on the way is sent again. Thread: the worker's.
 */
#include "notify_int.h"
#include <openssl/sha.h>

enum { SUMMARY_MAX = 1024, DEDUP_MAX = 255, EVENT_BYTES_MAX = 512 * 1024, PER_MINUTE = 120 };
enum { ACTION_AUTO, ACTION_TRIGGER, ACTION_ACKNOWLEDGE, ACTION_RESOLVE };

static const wf_pair pagerduty_actions[] = {
    { "auto", "resolve when the item's status is resolved, else trigger" },
    { "trigger", "Open an incident, or add to the one with this key" },
    { "acknowledge", "Somebody looks after it" },
    { "resolve", "It is over" },
    { NULL, NULL }
};
static const wf_pair pagerduty_severities[] = { { "auto", "The item's `severity`" },
                                                { "critical", "" },
                                                { "error", "" },
                                                { "warning", "" },
                                                { "info", "" },
                                                { NULL, NULL } };

const wf_param pagerduty_params[] = {
    { WF_P_CRED(struct pagerduty_config, credential, "pagerDutyEvents"), .flags = WF_REQUIRED,
      .help = "The integration" },
    { WF_P_CHOICE(struct pagerduty_config, action, pagerduty_actions), .flags = WF_EXPR,
      .def = "auto", .help = "What the event does" },
    { WF_NAMED("dedupKey"), WF_F_STR(struct pagerduty_config, dedup_key), .flags = WF_EXPR,
      .help = "Names the incident, up to 255 characters; absent: made of the item's groupKey" },
    { WF_P_STR(struct pagerduty_config, summary), .flags = WF_EXPR,
      .help = "One line; absent: the item's title. Cut after 1,024 characters" },
    { WF_P_STR(struct pagerduty_config, source), .flags = WF_EXPR,
      .help = "What is affected; absent: label instance or host, else \"catalyst\"" },
    { WF_P_CHOICE(struct pagerduty_config, severity, pagerduty_severities), .flags = WF_EXPR,
      .def = "auto", .help = "How bad it is" },
    { WF_P_STR(struct pagerduty_config, component), .flags = WF_EXPR, .help = "A component" },
    { WF_P_STR(struct pagerduty_config, group), .flags = WF_EXPR, .help = "A logical group" },
    { WF_P_STR(struct pagerduty_config, class), .flags = WF_EXPR, .help = "The kind of event" },
    { WF_NAMED("client"), WF_F_STR(struct pagerduty_config, client), .def = "Catalyst",
      .help = "Who monitors" },
    { WF_NAMED("clientUrl"), WF_F_STR(struct pagerduty_config, client_url), .flags = WF_EXPR,
      .help = "Where to look; absent: the item's externalURL" },
    { WF_NAMED("customDetails"), WF_F_VALUE(struct pagerduty_config, details), .flags = WF_EXPR,
      .help = "More, any JSON; absent: counts, text and labels of the item" },
    { WF_NAMED("options.timeout"), WF_F_MS(struct pagerduty_config, timeout_ms),
      .help = "How long a call may take; 0: 30 seconds" },
    WF_END,
};
const wf_param pagerduty_cred[] = {
    { .name = "routingKey",
      .type = WF_STRING,
      .flags = WF_REQUIRED | WF_SECRET,
      .help = "The integration key, 32 characters" },
    { .name = "baseUrl",
      .type = WF_STRING,
      .def = "https://events.pagerduty.com",
      .help = "Where the Events API is" },
    WF_END,
};
const wf_metric pagerduty_metrics[] = {
    { WF_COUNTER, "send_total{channel=\"pagerduty\",outcome=\"accepted\"}", NULL,
      "What was sent, by outcome: Events that were accepted" },
    { WF_COUNTER, "send_total{channel=\"pagerduty\",outcome=\"rejected\"}", NULL,
      "What was sent, by outcome: Events that were refused" },
    { WF_COUNTER, "send_total{channel=\"pagerduty\",outcome=\"unknown\"}", NULL,
      "What was sent, by outcome: Events whose fate is not known" },
    WF_EACH_CLASS(WF_REJECTED_ROW, "pagerduty") /* */
    { WF_COUNTER, "send_throttled_total{channel=\"pagerduty\"}", NULL,
      "Told to come later: Events that were told to come later" },
    { (wf_metric_kind)0, NULL, NULL, NULL },
};
const wf_pair pagerduty_codes[] = { SEND_CODES, { NULL, NULL } };

const char pagerduty_docs[] =
    "Sends an event to PagerDuty's Events API v2. Behind `catalyst.notifyTrigger` nothing but the\n"
    "credential is needed: a firing group triggers, a resolved one resolves the same incident.\n"
    "\n"
    "| port | meaning |\n"
    "|---|---|\n"
    "| `accepted` | 202; `send.provider_id` is the dedup_key |\n"
    "| `rejected` | 4xx, with `send.class` and `send.text` |\n"
    "| `unknown` | never: an event without answer is sent again, the key makes it harmless |\n"
    "\n"
    "5xx and lost answers are tried again with back-off, 429 after its time. A worker sends at "
    "most 120\nevents a minute for a key and lets the others wait. What is larger than 512 KB goes "
    "without\n`custom_details`.\n"
    "\n"
    "```json\n"
    "{\"type\": \"catalyst.pagerDuty\", \"credentials\": {\"pagerDutyEvents\": {\"name\": "
    "\"duty\"}},\n"
    " \"parameters\": {\"component\": \"={{ $json.commonLabels.account }}\"}}\n"
    "```\n";

/* --- the event -------------------------------------------------------------------------------- */

static wf_str pagerduty_cut(wf_str text, size_t characters)
{
    const char *p = text.ptr, *end = text.ptr + text.len;
    while (p < end && characters--)
        wf_text_next(&p, end);
    return (wf_str){ text.ptr, (size_t)(p - text.ptr) };
}

static wf_str pagerduty_key(const wf_host *h, wf_item *it, wf_str given)
{
    unsigned char sum[SHA256_DIGEST_LENGTH];
    if (given.len)
        return pagerduty_cut(given, DEDUP_MAX);
    wf_str key = send_text_of(h, it, given, "groupKey", h->key(it));
    SHA256((const unsigned char *)key.ptr, key.len, sum);
    char *text = h->alloc(it, 2 * sizeof sum + 1);
    for (size_t i = 0; i < sizeof sum; i++)
        snprintf(text + 2 * i, 3, "%02x", sum[i]);
    return str_of(text);
}

static const char *pagerduty_action(const wf_host *h, wf_item *it, int action)
{
    wf_str status = member(h, h->value(it), "status");
    if (action != ACTION_AUTO)
        return pagerduty_actions[action].name;
    return status.len == 8 && !memcmp(status.ptr, "resolved", 8) ? "resolve" : "trigger";
}

static const char *pagerduty_severity(const wf_host *h, wf_item *it, int severity)
{
    wf_str given = member(h, h->value(it), "severity");
    for (int i = 1; severity == 0 && i < 5; i++)
        if (strlen(pagerduty_severities[i].name) == given.len &&
            !memcmp(pagerduty_severities[i].name, given.ptr, given.len))
            severity = i;
    return pagerduty_severities[severity ? severity : 2].name;
}

static const wf_value *pagerduty_text(const wf_host *h, wf_item *it, wf_str text)
{
    return text.len ? h->v->of_str(it, text.ptr, text.len) : NULL;
}

static const wf_value *pagerduty_details(const wf_host *h, wf_item *it, const wf_value *given)
{
    const wf_value *item = h->value(it);
    if (given)
        return given;
    return h->build(it, "{s:v,s:v,s:v,s:v,s:v}", "firing", h->v->get(item, "firing", 6), "resolved",
                    h->v->get(item, "resolved", 8), "text", h->v->get(item, "text", 4), "labels",
                    h->v->get(item, "commonLabels", 12), "annotations",
                    h->v->get(item, "commonAnnotations", 17));
}

static const wf_value *pagerduty_payload(const wf_host *h, wf_item *it,
                                         const struct pagerduty_config *c, const wf_value *details)
{
    wf_str summary = send_text_of(h, it, c->summary, "title", "");
    wf_str source = send_text_of(h, it, c->source, "commonLabels.instance", "");
    int64_t us = 0;
    char when[] = "1970-01-01T00:00:00Z";
    if (!source.len)
        source = send_text_of(h, it, source, "commonLabels.host", "catalyst");
    if (h->v->int64(h->v->get(h->value(it), "ts_us", 5), &us) != 0)
        us = h->now_ms(it) * 1000;
    time_t s = (time_t)(us / 1000000);
    struct tm tm;
    strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&s, &tm));
    return h->build(it, "{s:S,s:S,s:s,s:s,s:v,s:v,s:v,s:v}", "summary",
                    pagerduty_cut(summary, SUMMARY_MAX), "source", source, "severity",
                    pagerduty_severity(h, it, c->severity), "timestamp", when, "component",
                    pagerduty_text(h, it, c->component), "group", pagerduty_text(h, it, c->group),
                    "class", pagerduty_text(h, it, c->class), "custom_details", details);
}

static wf_str pagerduty_event(const wf_host *h, wf_item *it, wf_str key, int with_details)
{
    const struct pagerduty_config *c = h->config(it);
    const char *action = pagerduty_action(h, it, c->action);
    const wf_value *payload = NULL;
    wf_str url = send_text_of(h, it, c->client_url, "externalURL", "");
    if (!strcmp(action, "trigger"))
        payload =
            pagerduty_payload(h, it, c, with_details ? pagerduty_details(h, it, c->details) : NULL);
    const wf_value *event =
        h->build(it, "{s:S,s:s,s:S,s:v,s:v,s:v}", "routing_key",
                 h->secret(c->credential, "routingKey"), "event_action", action, "dedup_key", key,
                 "payload", payload, "client", payload ? pagerduty_text(h, it, c->client) : NULL,
                 "client_url", payload ? pagerduty_text(h, it, url) : NULL);
    return h->v->json(it, event);
}

/* --- sending ---------------------------------------------------------------------------------- */

static void pagerduty_on_reply(const wf_host *h, wf_item *it, const wf_reply *r)
{
    const struct pagerduty_config *c = h->config(it);
    if (send_http(h, it, r, "pagerduty", (wf_str){ "", 0 }, 1))
        return;
    if (r->status == 202 || r->status == 200) {
        send_end(h, it,
                 &(struct outcome){ .outcome = WF_OUTCOME_ACCEPTED,
                                    .channel = "pagerduty",
                                    .provider_id = pagerduty_key(h, it, c->dedup_key) });
        return;
    }
    enum wf_class class = r->status == 401 || r->status == 403 || r->status == 404
                              ? WF_CLASS_PERMANENT_ACCOUNT
                              : WF_CLASS_PERMANENT_CONTENT;
    send_reject(h, it, "pagerduty", class, h->fmt(it, "%d", r->status).ptr, r->body);
}

static void pagerduty_send(const wf_host *h, wf_item *it)
{
    static const wf_pair headers[] = { { "content-type", "application/json" }, { NULL, NULL } };
    const struct pagerduty_config *c = h->config(it);
    wf_str base = h->secret(c->credential, "baseUrl");
    wf_str key = pagerduty_key(h, it, c->dedup_key);
    if (!base.len)
        base = str_of("https://events.pagerduty.com");
    while (base.len && base.ptr[base.len - 1] == '/')
        base.len--;
    wf_str body = pagerduty_event(h, it, key, 1);
    if (body.len > EVENT_BYTES_MAX)
        body = pagerduty_event(h, it, key, 0);
    h->request(it,
               &(wf_request){ .method = "POST",
                              .url = h->fmt(it, "%.*s/v2/enqueue", (int)base.len, base.ptr).ptr,
                              .body = body,
                              .headers = headers,
                              .timeout_ms = c->timeout_ms,
                              .max_bytes = 65536 },
               pagerduty_on_reply);
}

void *pagerduty_open(const wf_host *h, wf_inst *inst, wf_error *why)
{
    (void)why;
    return pace_open(h, inst, wf_rate(PER_MINUTE, 60000, PER_MINUTE / 2), "pagerduty",
                     pagerduty_send);
}

void pagerduty_process(const wf_host *h, wf_item *const *items, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const struct pagerduty_config *c = h->config(items[i]);
        wf_str title = send_text_of(h, items[i], c->summary, "title", "");
        if (!title.len && !strcmp(pagerduty_action(h, items[i], c->action), "trigger"))
            send_reject(h, items[i], "pagerduty", WF_CLASS_PERMANENT_CONTENT, "request",
                        str_of("summary is empty"));
        else
            pace_enter(h, items[i], h->secret(c->credential, "routingKey"), pagerduty_send);
    }
}
