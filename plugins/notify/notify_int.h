/* SPDX-License-Identifier: Apache-2.0
 * What the nodes of the notification plugin share: configs, ports, tables, small helpers.
 */
#ifndef PLUGIN_NOTIFY_INT_H
#define PLUGIN_NOTIFY_INT_H
#include <catalyst/channel.h>
#include <catalyst/limiter.h>
#include <catalyst/plugin.h>
#include <catalyst/text.h>
#include "conf.h"
#include "memory.h"
#include <jansson.h>

static inline wf_str str_of(const char *text) { return (wf_str){ text, text ? strlen(text) : 0 }; }

/* A wf_value as jansson's, and JSON text of it; to be dropped. */
json_t *json_of_value(const wf_values *v, const wf_value *value);
/* An item's value of JSON. */
const wf_value *value_of_json(const wf_host *h, wf_item *it, const json_t *json);
/* The text of a member, "" when it is none. */
wf_str member(const wf_host *h, const wf_value *object, const char *path);

/* --- catalyst.notify, catalyst.notifySilence, catalyst.notifyAck ------------------------------ */

enum { TAKE_DONE, TAKE_REJECTED };
enum { TAKE_ALERTS, TAKE_WRONG };

struct take_config {
    wf_str engine;
    const wf_value *alerts;
};
extern const wf_param take_params[];
extern const wf_metric take_metrics[];
extern const char take_docs[];
void take_process(const wf_host *h, wf_item *const *items, size_t n);

enum { SILENCE_ADD, SILENCE_EXPIRE, SILENCE_LIST };
struct silence_config {
    wf_str engine, id, starts_at, ends_at, duration, created_by, comment;
    int operation;
    const wf_value *matchers;
};
extern const wf_param silence_params[];
extern const char silence_docs[];
void silence_process(const wf_host *h, wf_item *const *items, size_t n);

struct ack_config {
    wf_str engine, what, who;
};
extern const wf_param ack_params[];
extern const char ack_docs[];
void ack_process(const wf_host *h, wf_item *const *items, size_t n);

/* A row for the trigger's inbox, durable with the item's outcome. -1: the item was failed. */
int inbox_add(const wf_host *h, wf_item *it, wf_str engine, const char *kind, size_t number,
              const wf_value *body);

/* --- catalyst.notifyTrigger ------------------------------------------------------------------- */

struct trigger_config {
    wf_str engine, file;
    const wf_value *configuration;
    int64_t poll_ms;
};
extern const wf_param trigger_params[];
extern const wf_metric trigger_metrics[];
extern const char trigger_docs[];
extern const wf_trigger notify_trigger;
int trigger_check(const wf_host *h, const void *config, char *why, size_t why_size);
void *trigger_open(const wf_host *h, wf_inst *inst, wf_error *why);
void trigger_close(const wf_host *h, void *state);
void trigger_process(const wf_host *h, wf_item *const *items, size_t n);

/* --- catalyst.notifyDispatch ------------------------------------------------------------------ */

extern const wf_metric dispatch_metrics[];
extern const char dispatch_docs[];
void dispatch_process(const wf_host *h, wf_item *const *items, size_t n);

/* --- senders ---------------------------------------------------------------------------------- */

enum { PORT_ACCEPTED, PORT_REJECTED, PORT_UNKNOWN };
enum {
    COUNT_ACCEPTED,
    COUNT_REJECTED,
    COUNT_UNKNOWN,
    COUNT_REASON, /* one for each enum wf_class */
    COUNT_THROTTLED = COUNT_REASON + WF_CLASSES,
    COUNT_FAILURES = COUNT_THROTTLED, /* of webhooks */
    COUNT_DISABLED
};

/* What became of a notification, as `send` of the item; then the item leaves by its port. */
struct outcome {
    enum wf_outcome outcome;
    enum wf_class class;
    const char *channel, *code;
    wf_str account, provider_id, text;
};
void send_end(const wf_host *h, wf_item *it, const struct outcome *o);
/* 5xx, 429 and no answer at all, alike for all that speak HTTP: 1 when the item was ended so.
 * `repeats` 1: the other side knows a repetition by its key. */
int send_http(const wf_host *h, wf_item *it, const wf_reply *r, const char *channel, wf_str account,
              int repeats);
void send_reject(const wf_host *h, wf_item *it, const char *channel, enum wf_class class,
                 const char *code, wf_str text);
#define SEND_CODES                                                                                 \
    { "transport", "The service was not reached" }, { "server", "The service answered 5xx" },      \
    {                                                                                              \
        "throttled", "The service asked to come back later"                                        \
    }

/* A run before a crash may have sent it. */
int send_maybe_begun(const wf_host *h, wf_item *it, const char *channel);
/* The text of a parameter, else of the item's member, else `otherwise`. */
wf_str send_text_of(const wf_host *h, wf_item *it, wf_str given, const char *path,
                    const char *otherwise);

/* A pace by the node's own limiter: one limit of `count` in `per_ms`. */
struct pace {
    struct wf_gate gate;
    struct wf_rate rate;
    const char *scope;
};
void *pace_open(const wf_host *h, wf_inst *inst, struct wf_rate rate, const char *scope,
                void (*go)(const wf_host *h, wf_item *it));
void pace_close(const wf_host *h, void *state);
void pace_enter(const wf_host *h, wf_item *it, wf_str who,
                void (*go)(const wf_host *h, wf_item *it));

struct pagerduty_config {
    const wf_cred *credential;
    int action, severity;
    wf_str dedup_key, summary, source, component, group, class, client, client_url;
    const wf_value *details;
    int64_t timeout_ms;
};
extern const wf_param pagerduty_params[];
extern const wf_param pagerduty_cred[];
extern const wf_metric pagerduty_metrics[];
extern const wf_pair pagerduty_codes[];
extern const char pagerduty_docs[];
void *pagerduty_open(const wf_host *h, wf_inst *inst, wf_error *why);
void pagerduty_process(const wf_host *h, wf_item *const *items, size_t n);

struct slack_config {
    const wf_cred *credential;
    int threading;
    wf_str channel, text;
    const wf_value *blocks, *attachments;
    int64_t timeout_ms;
};
extern const wf_param slack_params[];
extern const wf_param slack_cred[];
extern const wf_metric slack_metrics[];
extern const wf_pair slack_codes[];
extern const char slack_docs[];
void *slack_open(const wf_host *h, wf_inst *inst, wf_error *why);
void slack_process(const wf_host *h, wf_item *const *items, size_t n);

struct webhook_config {
    const wf_cred *credential;
    int operation, allow_private;
    wf_str url, id;
    const wf_value *body;
    int64_t timeout_ms, disable_after_ms;
};
extern const wf_param webhook_params[];
extern const wf_param webhook_cred[];
extern const wf_metric webhook_metrics[];
extern const wf_pair webhook_codes[];
extern const char webhook_docs[];
int webhook_check(const wf_host *h, const void *config, char *why, size_t why_size);
void webhook_process(const wf_host *h, wf_item *const *items, size_t n);

enum { EMAIL_SEND, EMAIL_COLLECT, EMAIL_DUE, EMAIL_DIGEST };
struct email_config {
    const wf_cred *credential;
    int operation;
    wf_str from, to, subject, text, html, reply_to, digest, topic, time_zone;
    const wf_value *time_zones;
    int64_t hour, timeout_ms;
};
extern const wf_param email_params[];
extern const wf_param email_cred[];
extern const wf_metric email_metrics[];
extern const wf_pair email_codes[];
extern const char email_docs[];
int email_check(const wf_host *h, const void *config, char *why, size_t why_size);
void email_process(const wf_host *h, wf_item *const *items, size_t n);
/* digest.c */
void digest_collect(const wf_host *h, wf_item *it);
void digest_due(const wf_host *h, wf_item *it);
void digest_send(const wf_host *h, wf_item *it);

#endif
