/* SPDX-License-Identifier: Apache-2.0
 * catalyst.email: single mails, and digests (digest.c). Thread: the worker's; smtp.c works on pool
 * threads.
 */
#include "notify_int.h"
#include "smtp.h"
#include "tz.h"

static const wf_pair email_operations[] = {
    { "send", "A mail for the item" },
    { "collect", "Keep the item for the recipient's digest" },
    { "due", "The recipients whose digest is due, an item each" },
    { "digest", "Send the digest of the item's recipient, once a day" },
    { NULL, NULL }
};

#define SENDS   "operation=send|digest"
#define DIGESTS "operation=collect|due"

const wf_param email_params[] = {
    { WF_P_CRED(struct email_config, credential, "smtp"), .flags = WF_REQUIRED, .show_if = SENDS,
      .help = "The mail server" },
    { WF_P_CHOICE(struct email_config, operation, email_operations), .def = "send",
      .help = "What to do" },
    { WF_P_STR(struct email_config, from), .flags = WF_EXPR | WF_REQUIRED, .show_if = SENDS,
      .help = "Sender: \"Catalyst <alerts@example.com>\"" },
    { WF_P_STR(struct email_config, to), .flags = WF_EXPR, .show_if = "operation=send|collect",
      .help = "Recipients with commas; absent: `config.to` of the item" },
    { WF_NAMED("replyTo"), WF_F_STR(struct email_config, reply_to), .flags = WF_EXPR,
      .show_if = SENDS, .help = "Where answers go" },
    { WF_P_STR(struct email_config, subject), .flags = WF_EXPR, .show_if = SENDS,
      .help = "Absent: the item's title, or that of the digest" },
    { WF_P_STR(struct email_config, text), .flags = WF_EXPR | WF_MULTILINE,
      .show_if = "operation=send|collect", .help = "Absent: the item's text" },
    { WF_P_STR(struct email_config, html), .flags = WF_EXPR | WF_MULTILINE,
      .show_if = "operation=send", .help = "Absent: made of the text" },
    { WF_P_STR(struct email_config, digest), .def = "daily", .show_if = DIGESTS,
      .help = "The digest's name" },
    { WF_P_STR(struct email_config, topic), .flags = WF_EXPR, .show_if = "operation=collect",
      .help = "What lines of a digest are grouped by; absent: alertname and tenant of the item" },
    { WF_P_INT(struct email_config, hour), .def = "8", .min = 0, .max = 23,
      .show_if = "operation=due", .help = "From which hour of the recipient's day on it is due" },
    { WF_NAMED("timeZone"), WF_F_STR(struct email_config, time_zone), .def = "UTC",
      .show_if = "operation=due", .help = "Of recipients that timeZones does not name" },
    { WF_NAMED("timeZones"), WF_F_VALUE(struct email_config, time_zones),
      .show_if = "operation=due",
      .help = "An object: recipient or its domain (\"@example.com\") to time zone" },
    { WF_NAMED("options.timeout"), WF_F_MS(struct email_config, timeout_ms), .show_if = SENDS,
      .help = "How long it may take; 0: 60 seconds" },
    WF_END,
};
const wf_param email_cred[] = {
    { .name = "host", .type = WF_STRING, .flags = WF_REQUIRED, .help = "Name of the server" },
    { .name = "port", .type = WF_STRING, .def = "", .help = "Absent: 587, with tls 465" },
    { .name = "security",
      .type = WF_STRING,
      .def = "starttls",
      .help = "starttls, tls (from the start) or none" },
    { .name = "user", .type = WF_STRING, .help = "Login; absent: none" },
    { .name = "password", .type = WF_STRING, .flags = WF_SECRET, .help = "Its password" },
    { .name = "auth", .type = WF_STRING, .def = "auto", .help = "PLAIN, LOGIN or auto" },
    { .name = "caFile", .type = WF_STRING, .help = "Authorities, PEM; absent: the system's" },
    { .name = "insecure",
      .type = WF_STRING,
      .def = "false",
      .help = "true: do not verify the certificate" },
    WF_END,
};
const wf_metric email_metrics[] = {
    { WF_COUNTER, "send_total{channel=\"email\",outcome=\"accepted\"}", NULL,
      "What was sent, by outcome: Mails that a server took" },
    { WF_COUNTER, "send_total{channel=\"email\",outcome=\"rejected\"}", NULL,
      "What was sent, by outcome: Mails that were refused" },
    { WF_COUNTER, "send_total{channel=\"email\",outcome=\"unknown\"}", NULL,
      "What was sent, by outcome: Mails that were sent and not answered" },
    WF_EACH_CLASS(WF_REJECTED_ROW, "email") /* */
    { WF_COUNTER, "send_throttled_total{channel=\"email\"}", NULL,
      "Told to come later: Mails that were told to come later" },
    { (wf_metric_kind)0, NULL, NULL, NULL },
};
const wf_pair email_codes[] = { { "transport", "The server was not reached, or said 4xx" },
                                { "throttled", "The server asked to come back later" },
                                { NULL, NULL } };

const char email_docs[] =
    "Mails by SMTP: text and HTML in one, headers in any language, STARTTLS by default with the "
    "server's\ncertificate verified.\n"
    "\n"
    "| port | meaning |\n"
    "|---|---|\n"
    "| `accepted` | the server took it; `send.provider_id` is the Message-ID without domain |\n"
    "| `rejected` | 5xx; `send.class`: `permanent-recipient` before the text, `permanent-content` "
    "after it, `permanent-account` for login and certificate |\n"
    "| `unknown` | the text was sent and the answer was lost, or a process died with it: not sent "
    "again |\n"
    "\n"
    "4xx and servers that are not reached are tried again with back-off. Behind "
    "`catalyst.notifyTrigger` the\nrecipient comes from the receiver's `email_configs` "
    "(`to`), the notification's `id` is the Message-ID\nand all mails of an `incident` are one "
    "thread.\n"
    "\n"
    "```json\n"
    "{\"type\": \"catalyst.email\", \"credentials\": {\"smtp\": {\"name\": \"mail\"}},\n"
    " \"parameters\": {\"from\": \"Catalyst <alerts@example.com>\"}}\n"
    "```\n"
    "\n"
    "**A daily digest** takes three nodes. `collect` stands where single mails would be sent too "
    "often; an\nhourly schedule leads to `due`, which gives an item for each recipient whose local "
    "hour has come, and\nthat to `digest`, which sends what was collected, grouped by topic. It is "
    "sent once for a date, a\nrecipient and its content (`notify_digest_sent`); an empty one is "
    "not "
    "sent.\n"
    "\n"
    "```json\n"
    "[{\"type\": \"catalyst.email\", \"parameters\": {\"operation\": \"collect\", \"digest\": "
    "\"daily\"}},\n"
    " {\"type\": \"catalyst.email\", \"parameters\": {\"operation\": \"due\", \"digest\": "
    "\"daily\", \"hour\": 8,\n"
    "  \"timeZones\": {\"@example.com\": \"Europe/Berlin\"}}},\n"
    " {\"type\": \"catalyst.email\", \"parameters\": {\"operation\": \"digest\", \"from\": "
    "\"alerts@example.com\"}}]\n"
    "```\n";

int email_check(const wf_host *h, const void *config, char *why, size_t why_size)
{
    const struct email_config *c = config;
    (void)h;
    if (c->operation != EMAIL_DUE || !c->time_zone.len)
        return 0;
    struct tz *z = tz_open(c->time_zone.ptr);
    if (!z) {
        snprintf(why, why_size, "there is no time zone '%.60s'", c->time_zone.ptr);
        return -1;
    }
    tz_free(z);
    return 0;
}

/* --- a single mail ---------------------------------------------------------------------------- */

static void email_done(const wf_host *h, wf_item *it, void *arg)
{
    struct smtp_job *job = arg;
    if (!it) {
        smtp_free(job);
        return;
    }
    struct smtp_verdict v = smtp_judge(job);
    wf_error error = { .size = sizeof error, .fault = v.fault };
    wf_str why = h->fmt(it, "%s", job->why);
    smtp_free(job);
    if (v.fault) {
        error.code = v.fault == WF_THROTTLE ? "throttled" : "transport";
        if (v.fault == WF_THROTTLE)
            h->count(h->inst(it), COUNT_THROTTLED, 1);
        h->fail_with(it, &error, "mail server: %s", why.ptr);
        return;
    }
    int accepted = v.outcome == WF_OUTCOME_ACCEPTED;
    wf_str id = send_text_of(h, it, (wf_str){ "", 0 }, "id", h->key(it));
    send_end(h, it,
             &(struct outcome){ .outcome = v.outcome,
                                .class = v.class,
                                .channel = "email",
                                .code = v.outcome == WF_OUTCOME_REJECTED ? "refused" : NULL,
                                .provider_id = accepted ? id : (wf_str){ "", 0 },
                                .text = accepted ? (wf_str){ "", 0 } : why });
}

static const char *email_text(const wf_host *h, wf_item *it, wf_str given, const char *path,
                              const char *otherwise)
{
    wf_str text = send_text_of(h, it, given, path, otherwise);
    return h->fmt(it, "%.*s", (int)text.len, text.ptr).ptr;
}

static void email_send(const wf_host *h, wf_item *it)
{
    const struct email_config *c = h->config(it);
    const char *why = NULL;
    wf_str none = { "", 0 };
    struct mime_mail mail = { .from = c->from.ptr,
                              .to = email_text(h, it, c->to, "config.to", ""),
                              .reply_to = c->reply_to.ptr,
                              .subject = email_text(h, it, c->subject, "title", ""),
                              .text = email_text(h, it, c->text, "text", ""),
                              .html = c->html.ptr,
                              .id = email_text(h, it, none, "id", h->key(it)),
                              .thread = email_text(h, it, none, "incident", ""),
                              .at_ms = h->now_ms(it) };
    struct smtp_job *job = smtp_start(h, c->credential, &mail, c->timeout_ms, &why);
    if (job)
        h->offload(it, smtp_call, email_done, job);
    else
        send_reject(h, it, "email",
                    strstr(why, "credential") ? WF_CLASS_PERMANENT_ACCOUNT
                    : strstr(why, "to:")      ? WF_CLASS_PERMANENT_RECIPIENT
                                              : WF_CLASS_PERMANENT_CONTENT,
                    "request", str_of(why));
}

void email_process(const wf_host *h, wf_item *const *items, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const struct email_config *c = h->config(items[i]);
        if (c->operation == EMAIL_COLLECT)
            digest_collect(h, items[i]);
        else if (c->operation == EMAIL_DUE)
            digest_due(h, items[i]);
        else if (c->operation == EMAIL_DIGEST)
            digest_send(h, items[i]);
        else if (!send_maybe_begun(h, items[i], "email"))
            email_send(h, items[i]);
    }
}
