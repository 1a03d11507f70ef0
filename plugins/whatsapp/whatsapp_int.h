/* SPDX-License-Identifier: Apache-2.0
 * What the files of the WhatsApp plugin share: the table of error codes, the config of the send
 * node, and the parts of both nodes that whatsapp.c puts together.
 */
#ifndef PLUGIN_WHATSAPP_INT_H
#define PLUGIN_WHATSAPP_INT_H
#include <catalyst/channel.h>
#include <catalyst/limiter.h>
#include <catalyst/plugin.h>
#include <catalyst/text.h>
#include <stdio.h>
#include <string.h>

/* --- error codes ------------------------------------------------------------------------------ */

/* What a THROTTLE slows: every send of the number, or those to one recipient. */
enum wa_scope { WA_SCOPE_NONE, WA_SCOPE_ACCOUNT, WA_SCOPE_PAIR };

struct wa_verdict {
    enum wf_class class;
    enum wa_scope scope;
    int is_held;        /* a penalty, not a rate: the wait is options.holdTime */
    int is_deferred;    /* not now for this recipient, but other ways may do */
    const char *reason; /* one of the send node's codes */
};

/* By the error's `code`; 0 when the answer holds none, then by the HTTP status. */
struct wa_verdict wa_classify(int64_t code, int http_status);

/* --- send ------------------------------------------------------------------------------------- */

enum wa_kind {
    KIND_TEXT,
    KIND_TEMPLATE,
    KIND_IMAGE,
    KIND_DOCUMENT,
    KIND_AUDIO,
    KIND_VIDEO,
    KIND_INTERACTIVE
};

struct send_config {
    const wf_cred *credential;
    wf_str phone_number_id, to, text, template_name, language, media_link, media_id, caption;
    wf_str file_name, reply_to, message_id, part;
    const wf_value *components, *interactive;
    int kind, preview_url;
    int64_t timeout_ms, hold_ms, rate, pair_interval_ms, max_wait_ms;
};

extern const char *const wa_kind_names[];

/* Why a message was not made. */
struct wa_refusal {
    enum wf_class class;
    const char *reason, *text;
};

/* The body of the request; NULL: `no` says why. `media_id`: of the item's binary part, which was
 * uploaded; ptr NULL: none. */
const wf_value *wa_message(const wf_host *h, wf_item *it, wf_str media_id, struct wa_refusal *no);
/* Whether it is sent with a binary part of the item, which must be uploaded first. */
static inline int wa_has_part(const struct send_config *c)
{
    return c->part.len && c->kind >= KIND_IMAGE && c->kind <= KIND_VIDEO;
}
/* Uploads it and goes on with wa_send_message (upload.c). */
void wa_upload(const wf_host *h, wf_item *it, const char *url, const char *auth);
void wa_upload_failed(const wf_host *h, wf_item *it, const wf_reply *r);
void wa_send_message(const wf_host *h, wf_item *it, wf_str media_id);
/* Ends the item on port rejected. `code` 0: the message never left. */
void wa_reject(const wf_host *h, wf_item *it, const struct wa_verdict *v, int64_t code,
               const char *text);
void wa_on_reply(const wf_host *h, wf_item *it, const wf_reply *r);
/* An earlier life of the execution may have sent it: nobody knows. */
void wa_end_begun(const wf_host *h, wf_item *it);
void wa_send(const wf_host *h, wf_item *it);

/* How often a number may send, and to one recipient (pace.c): a gate. */
/* The first three are those of the ports. */
enum { COUNT_ACCEPTED, COUNT_REJECTED, COUNT_UNKNOWN, COUNT_PACED, COUNT_THROTTLED, COUNT_REASON };
void *pace_open(const wf_host *h, wf_inst *inst, wf_error *why);
void pace_close(const wf_host *h, void *state);
/* Calls wa_send() for each item, now or when its turn has come. */
void pace_items(const wf_host *h, wf_item *const *items, size_t n);
void pace_throttled(const wf_host *h, wf_item *it, enum wa_scope scope, int64_t wait_ms);
void pace_went_well(const wf_host *h, wf_item *it);

enum { PORT_ACCEPTED, PORT_REJECTED, PORT_UNKNOWN };

extern const wf_param send_params[];
extern const wf_pair send_codes[];
extern const char send_docs[];
int send_check(const wf_host *h, const void *config, char *why, size_t why_size);

/* --- events ----------------------------------------------------------------------------------- */

struct events_config {
    const wf_cred *credential;
};

enum { PORT_MESSAGES, PORT_STATUSES, PORT_ERRORS, PORT_CHALLENGE };

/* Answers the question that subscribes a webhook and ends the item. */
void wa_challenge(const wf_host *h, wf_item *it);

extern const wf_param events_params[];
extern const wf_pair events_codes[];
extern const char events_docs[];
void events_process(const wf_host *h, wf_item *const *items, size_t n);

#endif
