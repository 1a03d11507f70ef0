/* SPDX-License-Identifier: Apache-2.0
 * What the nodes of the notification plugin share: configs, ports, tables, small helpers.
 */
#ifndef PLUGIN_NOTIFY_INT_H
#define PLUGIN_NOTIFY_INT_H
#include <catalyst/channel.h>
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

/* --- senders ---------------------------------------------------------------------------------- */

enum { PORT_ACCEPTED, PORT_REJECTED, PORT_UNKNOWN };
enum { COUNT_ACCEPTED, COUNT_REJECTED, COUNT_UNKNOWN, COUNT_THROTTLED };

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

#endif
