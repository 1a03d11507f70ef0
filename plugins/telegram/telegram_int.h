/* SPDX-License-Identifier: Apache-2.0
 * What the files of the Telegram plugin share: the config, and the steps from item to request to
 * outcome.
 */
#ifndef PLUGIN_TELEGRAM_INT_H
#define PLUGIN_TELEGRAM_INT_H
#include <catalyst/channel.h>
#include <catalyst/limiter.h>
#include <catalyst/plugin.h>
#include <catalyst/text.h>
#include <string.h>

enum { OP_MESSAGE, OP_PHOTO, OP_DOCUMENT, OP_EDIT, OP_ANSWER };
enum { PARSE_NONE, PARSE_MARKDOWN, PARSE_MARKDOWN_V2, PARSE_HTML };
enum { PORT_ACCEPTED, PORT_REJECTED, PORT_UNKNOWN };
enum { COUNT_ACCEPTED, COUNT_REJECTED, COUNT_UNKNOWN, COUNT_THROTTLED, COUNT_PACED, COUNT_REASON };

struct config {
    int resource, operation, parse_mode, parse_mode_n8n;
    int silent, silent_n8n, protect, no_preview, alert, is_binary;
    const wf_cred *credential;
    wf_str chat_id, text, caption, caption_n8n, file, part, inline_id, callback_id;
    int64_t message_id, thread_id, reply_to, timeout_ms;
    int64_t bot_rate, chat_interval_ms, max_wait_ms;
    const wf_value *markup;
    const wf_value *inline_rows, *reply_rows, *reply_options, *force_reply, *remove_keyboard;
};

/* A request under construction; memory is the item's. */
struct call {
    const wf_host *h;
    wf_item *it;
    const struct config *c;
    wf_str chat_id;       /* where to: the config's, or where that chat has moved */
    const wf_value *body; /* the method's parameters */
    const wf_value *markup;
    enum wf_class class; /* why there can be no request; so are the next */
    const char *code, *error;
    wf_pair headers[2];
    wf_request request;
};

extern const char *const telegram_methods[];

/* How often a bot may send, and to one chat (pace.c): a gate at which items wait for their turn. */
void *pace_open(const wf_host *h, wf_inst *inst, wf_error *why);
void pace_close(const wf_host *h, void *state);
/* Calls the gate's go() for each item, now or when its turn has come. */
void pace_items(const wf_host *h, wf_item *const *items, size_t n);
/* The Bot API said 429 for this item's chat. */
void pace_throttled(const wf_host *h, wf_item *it, int64_t wait_ms);
void pace_went_well(const wf_host *h, wf_item *it);
/* Sends one item (telegram.c). */
void telegram_send(const wf_host *h, wf_item *it);

/* Fills call->request. -1: call->class, ->code and ->error. */
int call_build(struct call *call);
/* reply_markup of the kind that replyMarkup names, from parameters beside it; NULL: no such kind.
 */
const wf_value *keyboard_build(const struct call *call, const char *kind);
/* call->body with the item's binary part as a form with a file. */
int form_build(struct call *call);
int call_refuse(struct call *call, const char *code, const char *why);

/* What an answer means: ends the item, or returns the chat to send to instead. `may_move` 0: the
 * item was sent to another chat already. The result's ptr is NULL when the item was ended. */
wf_str reply_take(const wf_host *h, wf_item *it, const wf_reply *r, int may_move);
void reject(const wf_host *h, wf_item *it, enum wf_class class, const char *code, wf_str text);
/* An earlier life of the execution may have sent it: nobody knows. */
void leave_begun(const wf_host *h, wf_item *it);
/* `text` with every occurrence of the bot's token replaced. */
wf_str without_token(const wf_host *h, wf_item *it, wf_str text);

#endif
