/* SPDX-License-Identifier: Apache-2.0
 * catalyst.slack: messages by a bot's token (chat.postMessage, chat.update) or by an incoming
 * webhook. The message that began an incident is remembered, so that what follows goes into its
 * thread or changes it. Slack knows no repetition by a key: a call without answer is not repeated.
 * Thread: the worker's.
 */
#include "notify_int.h"

enum { TEXT_MAX = 40000, BLOCKS_MAX = 50, ATTACHMENTS_MAX = 20, ANSWER_BYTES = 1 << 18 };
enum { THREAD_NONE, THREAD_REPLY, THREAD_UPDATE };

static const wf_pair slack_threadings[] = {
    { "none", "Each notification is a message of its own" },
    { "thread", "What follows the first message of an incident goes into its thread" },
    { "update", "What follows changes the first message" },
    { NULL, NULL }
};

const wf_param slack_params[] = {
    { WF_P_CRED(struct slack_config, credential, "slackApi"), .flags = WF_REQUIRED,
      .help = "The bot, or the incoming webhook" },
    { WF_P_STR(struct slack_config, channel), .flags = WF_EXPR,
      .help = "Name or id; absent: `config.channel` of the item. A webhook has its own" },
    { WF_P_STR(struct slack_config, text), .flags = WF_EXPR | WF_MULTILINE,
      .help = "The text; absent: title and text of the item" },
    { WF_P_VALUE(struct slack_config, blocks), .flags = WF_EXPR, .help = "Blocks, a list" },
    { WF_P_VALUE(struct slack_config, attachments), .flags = WF_EXPR,
      .help = "Attachments, a list; absent, and without text and blocks: one in the colour of the "
              "severity" },
    { WF_P_CHOICE(struct slack_config, threading, slack_threadings), .def = "none",
      .help = "What becomes of later notifications of an incident" },
    { WF_NAMED("options.timeout"), WF_F_MS(struct slack_config, timeout_ms),
      .help = "How long a call may take; 0: 30 seconds" },
    WF_END,
};
const wf_param slack_cred[] = {
    { .name = "accessToken",
      .type = WF_STRING,
      .flags = WF_SECRET,
      .help = "The bot's token, xoxb-.." },
    { .name = "webhookUrl",
      .type = WF_STRING,
      .flags = WF_SECRET,
      .help = "An incoming webhook, used where there is no token" },
    { .name = "baseUrl",
      .type = WF_STRING,
      .def = "https://slack.com/api",
      .help = "Where the Web API is" },
    WF_END,
};
const wf_metric slack_metrics[] = {
    { WF_COUNTER, "send_total{channel=\"slack\",outcome=\"accepted\"}", NULL,
      "What was sent, by outcome: Messages that Slack took" },
    { WF_COUNTER, "send_total{channel=\"slack\",outcome=\"rejected\"}", NULL,
      "What was sent, by outcome: Messages that were refused" },
    { WF_COUNTER, "send_total{channel=\"slack\",outcome=\"unknown\"}", NULL,
      "What was sent, by outcome: Messages that were sent and not answered" },
    WF_EACH_CLASS(WF_REJECTED_ROW, "slack") /* */
    { WF_COUNTER, "send_throttled_total{channel=\"slack\"}", NULL,
      "Told to come later: Messages that were told to come later" },
    { (wf_metric_kind)0, NULL, NULL, NULL },
};
const wf_pair slack_codes[] = { SEND_CODES, { NULL, NULL } };

const char slack_docs[] =
    "Sends a message to Slack. Behind `catalyst.notifyTrigger` the channel comes from the "
    "receiver's\n`slack_configs`, and text and colour from the notification.\n"
    "\n"
    "| port | `send` | meaning |\n"
    "|---|---|---|\n"
    "| `accepted` | `provider_id` is the message's `ts` | Slack took it |\n"
    "| `rejected` | `class`, `code` (Slack's word), `text` | it will never be taken like this |\n"
    "| `unknown` | `text` | it was sent and the answer was lost, or a process died with it |\n"
    "\n"
    "429 and `ratelimited` come back after Retry-After; 5xx and `internal_error` are tried again. "
    "A worker\nsends one message a second to a channel, with a burst of three. With `threading` "
    "the first message of an\n`incident` is kept in `notify_threads`; it needs a token.\n"
    "\n"
    "```json\n"
    "{\"type\": \"catalyst.slack\", \"credentials\": {\"slackApi\": {\"name\": \"bot\"}},\n"
    " \"parameters\": {\"threading\": \"thread\"}}\n"
    "```\n";

/* --- the message ------------------------------------------------------------------------------ */

static wf_str slack_channel(const wf_host *h, wf_item *it)
{
    const struct slack_config *c = h->config(it);
    return send_text_of(h, it, c->channel, "config.channel", "");
}

/* The three characters that are markup. */
static wf_str slack_escape(const wf_host *h, wf_item *it, wf_str text)
{
    char *copy = h->alloc(it, text.len * 5 + 1), *to = copy;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        const char *as = c == '&' ? "&amp;" : c == '<' ? "&lt;" : c == '>' ? "&gt;" : NULL;
        if (as)
            to = stpcpy(to, as);
        else
            *to++ = c;
    }
    return (wf_str){ copy, (size_t)(to - copy) };
}

static const char *slack_colour(const wf_host *h, wf_item *it)
{
    wf_str status = member(h, h->value(it), "status"),
           severity = member(h, h->value(it), "severity");
    if (status.len == 8 && !memcmp(status.ptr, "resolved", 8))
        return "good";
    return severity.len == 8 && !memcmp(severity.ptr, "critical", 8) ? "danger" : "warning";
}

static const wf_value *slack_message(const wf_host *h, wf_item *it, wf_str ts, wf_str channel)
{
    const struct slack_config *c = h->config(it);
    const wf_value *attachments = c->attachments, *body;
    wf_str text = c->text;
    if (!text.len && !c->blocks) {
        wf_str title = slack_escape(h, it, member(h, h->value(it), "title"));
        wf_str more = slack_escape(h, it, member(h, h->value(it), "text"));
        text = title;
        if (!attachments && more.len)
            attachments = h->build(it, "[{s:s,s:S,s:S}]", "color", slack_colour(h, it), "text",
                                   more, "fallback", title);
    }
    body = h->build(it, "{s:v,s:S,s:v,s:v}", "channel",
                    channel.len ? h->v->of_str(it, channel.ptr, channel.len) : NULL, "text", text,
                    "blocks", c->blocks, "attachments", attachments);
    if (!ts.len)
        return body;
    return h->v->set_key(it, body, str_of(c->threading == THREAD_UPDATE ? "ts" : "thread_ts"),
                         h->v->of_str(it, ts.ptr, ts.len));
}

/* A sentence, or NULL when Slack may take it. */
static const char *slack_wrong(const wf_host *h, wf_item *it)
{
    const struct slack_config *c = h->config(it);
    int has_token = h->secret(c->credential, "accessToken").len > 0;
    wf_str title = member(h, h->value(it), "title");
    if (!has_token && !h->secret(c->credential, "webhookUrl").len)
        return "the credential has neither accessToken nor webhookUrl";
    if (has_token && !slack_channel(h, it).len)
        return "channel is empty";
    if (!c->text.len && !c->blocks && !c->attachments && !title.len)
        return "there is no text";
    if (wf_text_count(c->text.ptr, c->text.len) > TEXT_MAX)
        return "text has more than 40,000 characters";
    if (h->v->count(c->blocks) > BLOCKS_MAX)
        return "there are more than 50 blocks";
    return h->v->count(c->attachments) > ATTACHMENTS_MAX ? "there are more than 20 attachments"
                                                         : NULL;
}

/* --- answers ---------------------------------------------------------------------------------- */

static enum wf_class slack_class(wf_str error)
{
    static const struct {
        const char *word;
        enum wf_class class;
    } words[] = {
        { "channel_not_found", WF_CLASS_PERMANENT_RECIPIENT },
        { "channel_is_archived", WF_CLASS_PERMANENT_RECIPIENT },
        { "is_archived", WF_CLASS_PERMANENT_RECIPIENT },
        { "not_in_channel", WF_CLASS_PERMANENT_RECIPIENT },
        { "user_not_found", WF_CLASS_PERMANENT_RECIPIENT },
        { "cannot_dm_bot", WF_CLASS_PERMANENT_RECIPIENT },
        { "invalid_auth", WF_CLASS_PERMANENT_ACCOUNT },
        { "not_authed", WF_CLASS_PERMANENT_ACCOUNT },
        { "account_inactive", WF_CLASS_PERMANENT_ACCOUNT },
        { "token_revoked", WF_CLASS_PERMANENT_ACCOUNT },
        { "token_expired", WF_CLASS_PERMANENT_ACCOUNT },
        { "missing_scope", WF_CLASS_PERMANENT_ACCOUNT },
        { "no_permission", WF_CLASS_PERMANENT_ACCOUNT },
        { "action_prohibited", WF_CLASS_PERMANENT_ACCOUNT },
        { "no_service", WF_CLASS_PERMANENT_ACCOUNT },
        { "no_active_hooks", WF_CLASS_PERMANENT_ACCOUNT },
        { "org_login_required", WF_CLASS_PERMANENT_ACCOUNT },
        { "ratelimited", WF_CLASS_THROTTLE },
        { "rate_limited", WF_CLASS_THROTTLE },
        { "internal_error", WF_CLASS_TRANSIENT },
        { "fatal_error", WF_CLASS_TRANSIENT },
        { "service_unavailable", WF_CLASS_TRANSIENT },
        { "request_timeout", WF_CLASS_TRANSIENT },
    };
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strlen(words[i].word) == error.len && !memcmp(words[i].word, error.ptr, error.len))
            return words[i].class;
    return WF_CLASS_PERMANENT_CONTENT;
}

static void slack_refused(const wf_host *h, wf_item *it, wf_str word, int64_t retry_after_ms)
{
    enum wf_class class = slack_class(word);
    wf_error error = { .size = sizeof error, .retry_after_ms = retry_after_ms };
    if (class == WF_CLASS_THROTTLE || class == WF_CLASS_TRANSIENT) {
        error.fault = class == WF_CLASS_THROTTLE ? WF_THROTTLE : WF_TRANSIENT;
        error.code = class == WF_CLASS_THROTTLE ? "throttled" : "server";
        if (class == WF_CLASS_THROTTLE)
            h->count(h->inst(it), COUNT_THROTTLED, 1);
        h->fail_with(it, &error, "slack: %.*s", (int)word.len, word.ptr);
        return;
    }
    send_reject(h, it, "slack", class, h->fmt(it, "%.*s", (int)word.len, word.ptr).ptr, word);
}

/* One message of an incident and channel is the first. */
static wf_str slack_thread(const wf_host *h, wf_item *it)
{
    wf_str incident = member(h, h->value(it), "incident"), channel = slack_channel(h, it);
    const struct slack_config *c = h->config(it);
    if (!incident.len || c->threading == THREAD_NONE)
        return (wf_str){ "", 0 };
    return h->fmt(it, "%.*s %.*s", (int)incident.len, incident.ptr, (int)channel.len, channel.ptr);
}

static void slack_accepted(const wf_host *h, wf_item *it, wf_str ts, wf_str channel)
{
    const wf_ledger *ledger = h->service("ledger/1");
    wf_str thread = slack_thread(h, it);
    if (thread.len && ts.len && ledger)
        ledger->commit_row(it, "notify_threads",
                           h->build(it, "{s:S,s:S,s:S,s:i}", "id", thread, "ts", ts, "channel",
                                    channel, "at_ms", h->now_ms(it)),
                           "id");
    send_end(h, it,
             &(struct outcome){ .outcome = WF_OUTCOME_ACCEPTED,
                                .channel = "slack",
                                .account = slack_channel(h, it),
                                .provider_id = ts });
}

static void slack_on_reply(const wf_host *h, wf_item *it, const wf_reply *r)
{
    const char *why = NULL;
    if (send_http(h, it, r, "slack", slack_channel(h, it), 0))
        return;
    const wf_value *answer = h->v->parse(it, r->body, &why);
    if (h->v->type(answer) != WF_JSON_OBJECT) { /* an incoming webhook says a word */
        if (r->status == 200)
            slack_accepted(h, it, (wf_str){ "", 0 }, (wf_str){ "", 0 });
        else
            slack_refused(h, it, r->body, 0);
    } else if (h->v->boolean(h->v->get(answer, "ok", 2))) {
        slack_accepted(h, it, member(h, answer, "ts"), member(h, answer, "channel"));
    } else {
        slack_refused(h, it, member(h, answer, "error"), r->retry_after_ms);
    }
}

/* --- sending ---------------------------------------------------------------------------------- */

static void slack_request(const wf_host *h, wf_item *it, wf_str ts, wf_str channel)
{
    const struct slack_config *c = h->config(it);
    wf_str token = h->secret(c->credential, "accessToken");
    wf_str base = h->secret(c->credential, "baseUrl"),
           hook = h->secret(c->credential, "webhookUrl");
    const wf_pair headers[] = { { "content-type", "application/json; charset=utf-8" },
                                { "authorization",
                                  h->fmt(it, "Bearer %.*s", (int)token.len, token.ptr).ptr },
                                { NULL, NULL } };
    const wf_pair plain[] = { headers[0], { NULL, NULL } };
    const char *method = ts.len && c->threading == THREAD_UPDATE ? "update" : "postMessage";
    if (!base.len)
        base = str_of("https://slack.com/api");
    while (base.len && base.ptr[base.len - 1] == '/')
        base.len--;
    wf_str url = token.len ? h->fmt(it, "%.*s/chat.%s", (int)base.len, base.ptr, method)
                           : h->fmt(it, "%.*s", (int)hook.len, hook.ptr);
    h->request(it,
               &(wf_request){ .method = "POST",
                              .url = url.ptr,
                              .body = h->v->json(it, slack_message(h, it, ts, channel)),
                              .headers = token.len ? headers : plain,
                              .timeout_ms = c->timeout_ms,
                              .max_bytes = ANSWER_BYTES },
               slack_on_reply);
}

struct slack_look {
    wf_ticket ticket;
};

/* ts, channel of the incident's first message */
static void slack_found(const wf_host *h, void *arg, const wf_rows *rows)
{
    wf_item *it = h->resume(h, ((struct slack_look *)arg)->ticket);
    free(arg);
    if (!it)
        return;
    if (rows->error)
        h->fail_with(it, &(wf_error){ .size = sizeof(wf_error), .fault = WF_TRANSIENT },
                     "looking for the thread: %s", rows->error);
    else if (rows->n_rows)
        slack_request(h, it, h->fmt(it, "%.*s", (int)rows->cells[0].len, rows->cells[0].ptr),
                      h->fmt(it, "%.*s", (int)rows->cells[1].len, rows->cells[1].ptr));
    else
        slack_request(h, it, (wf_str){ "", 0 }, slack_channel(h, it));
}

static void slack_send(const wf_host *h, wf_item *it)
{
    const struct slack_config *c = h->config(it);
    const wf_sql *sql = h->service("sql/1");
    wf_str thread = slack_thread(h, it);
    wf_statement statement = { .pg = "SELECT ts, channel FROM notify_threads WHERE id = $1",
                               .params = &thread,
                               .n_params = 1 };
    int has_token = h->secret(c->credential, "accessToken").len > 0;
    if (thread.len && sql && has_token) {
        struct slack_look *look = memory_get(sizeof *look);
        look->ticket = h->park(it, 60000);
        if (sql->run(h->inst(it), &statement, 1, slack_found, look) == 0)
            return;
        it = h->resume(h, look->ticket);
        free(look);
    }
    slack_request(h, it, (wf_str){ "", 0 }, has_token ? slack_channel(h, it) : (wf_str){ "", 0 });
}

void *slack_open(const wf_host *h, wf_inst *inst, wf_error *why)
{
    (void)why;
    return pace_open(h, inst, wf_rate(1, 1000, 3), "slack", slack_send);
}

void slack_process(const wf_host *h, wf_item *const *items, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const char *wrong = slack_wrong(h, items[i]);
        if (wrong)
            send_reject(h, items[i], "slack", WF_CLASS_PERMANENT_CONTENT, "request", str_of(wrong));
        else if (!send_maybe_begun(h, items[i], "slack"))
            pace_enter(h, items[i], slack_channel(h, items[i]), slack_send);
    }
}
