/* SPDX-License-Identifier: Apache-2.0
 * From the Bot API's answer to an outcome. Thread: the worker's.
 */
#include "telegram_int.h"

enum { TEXT_BYTES_MAX = 500 };

/* --- outcomes --------------------------------------------------------------------------------- */

wf_str without_token(const wf_host *h, wf_item *it, wf_str text)
{
    const struct config *c = h->config(it);
    wf_str token = h->secret(c->credential, "accessToken");
    char *copy = h->alloc(it, text.len + 1), *to = copy;
    for (size_t i = 0; i < text.len;) {
        if (token.len && text.len - i >= token.len && !memcmp(text.ptr + i, token.ptr, token.len)) {
            *to++ = '*'; /* the token is no shorter than this */
            i += token.len;
        } else {
            *to++ = text.ptr[i++];
        }
    }
    return (wf_str){ copy, (size_t)(to - copy) };
}

/* A text from outside: capped at a character's beginning. */
static const wf_value *outside_text(const wf_host *h, wf_item *it, wf_str text)
{
    text = without_token(h, it, text);
    return h->v->of_str(it, text.ptr, wf_text_cut(text.ptr, text.len, TEXT_BYTES_MAX));
}

static void leave(const wf_host *h, wf_item *it, unsigned port, const wf_value *send)
{
    static const unsigned counters[] = { COUNT_ACCEPTED, COUNT_REJECTED, COUNT_UNKNOWN };
    h->count(h->inst(it), counters[port], 1);
    h->emit(it, port, h->v->set(it, h->value(it), "send", send));
}

static const wf_value *configured_chat(const wf_host *h, wf_item *it)
{
    const struct config *c = h->config(it);
    return c->operation != OP_ANSWER && c->chat_id.len
               ? h->v->of_str(it, c->chat_id.ptr, c->chat_id.len)
               : NULL;
}

void reject(const wf_host *h, wf_item *it, enum wf_class class, const char *code, wf_str text)
{
    const wf_value *said = outside_text(h, it, text);
    wf_count_rejected(h, it, COUNT_REASON, class);
    if (class == WF_CLASS_PERMANENT_ACCOUNT)
        h->log(h->inst(it), WF_ERROR, "telegram.account", "the bot cannot send: %s",
               h->v->text(it, said).ptr);
    leave(h, it, PORT_REJECTED,
          h->build(it, "{s:s,s:s,s:v,s:s,s:s,s:v}", "outcome", wf_outcome_name(WF_OUTCOME_REJECTED),
                   "channel", "telegram", "chat_id", configured_chat(h, it), "class",
                   wf_class_name(class), "code", code, "text", said));
}

static void leave_unknown(const wf_host *h, wf_item *it, wf_str text)
{
    leave(h, it, PORT_UNKNOWN,
          h->build(it, "{s:s,s:s,s:v,s:v}", "outcome", wf_outcome_name(WF_OUTCOME_UNKNOWN),
                   "channel", "telegram", "chat_id", configured_chat(h, it), "text",
                   outside_text(h, it, text)));
}

void leave_begun(const wf_host *h, wf_item *it)
{
    static const char text[] = "the engine stopped when it may have been sent already";
    leave_unknown(h, it, (wf_str){ text, sizeof text - 1 });
}

static void accept(const wf_host *h, wf_item *it, const wf_value *answer)
{
    const wf_value *id = h->v->path(answer, "result.message_id");
    const wf_value *chat = h->v->path(answer, "result.chat.id");
    wf_str number = h->v->text(it, id);
    pace_went_well(h, it);
    leave(h, it, PORT_ACCEPTED,
          h->build(it, "{s:s,s:s,s:v,s:v}", "outcome", wf_outcome_name(WF_OUTCOME_ACCEPTED),
                   "channel", "telegram", "provider_id",
                   id ? h->v->of_str(it, number.ptr, number.len) : NULL, "chat_id",
                   chat ? h->v->of_str(it, h->v->text(it, chat).ptr, h->v->text(it, chat).len)
                        : configured_chat(h, it)));
}

/* --- failures --------------------------------------------------------------------------------- */

static int says(const char *text, const char *part)
{
    size_t len = strlen(part);
    for (; *text; text++) {
        size_t i = 0;
        while (i < len && (text[i] >= 'A' && text[i] <= 'Z' ? text[i] + 32 : text[i]) == part[i])
            i++;
        if (i == len)
            return 1;
    }
    return 0;
}

/* 400 covers both: the Bot API tells them apart by its description only. */
static enum wf_class class_of(int code, const char *description)
{
    static const char *const recipient[] = { "chat not found",
                                             "user not found",
                                             "peer_id_invalid",
                                             "chat_id is empty",
                                             "group chat was",
                                             "upgraded to a supergroup",
                                             "not enough rights",
                                             "have no rights",
                                             "chat_write_forbidden",
                                             "is deactivated",
                                             NULL };
    if (code == 403)
        return WF_CLASS_PERMANENT_RECIPIENT;
    if (code != 400 && code != 413)
        return WF_CLASS_PERMANENT_ACCOUNT;
    for (int i = 0; recipient[i]; i++)
        if (says(description, recipient[i]))
            return WF_CLASS_PERMANENT_RECIPIENT;
    return WF_CLASS_PERMANENT_CONTENT;
}

static void fail_throttled(const wf_host *h, wf_item *it, const wf_reply *r, const wf_value *answer)
{
    const struct config *c = h->config(it);
    wf_error e = { .size = sizeof e,
                   .fault = WF_THROTTLE,
                   .code = "throttled",
                   .retry_after_ms = r->retry_after_ms };
    int64_t seconds;
    if (h->v->int64(h->v->path(answer, "parameters.retry_after"), &seconds) == 0 && seconds > 0 &&
        seconds < INT64_MAX / 1000)
        e.retry_after_ms = seconds * 1000;
    e.scope = c->operation == OP_ANSWER || !c->chat_id.len
                  ? NULL
                  : h->fmt(it, "chat:%.100s", c->chat_id.ptr).ptr;
    pace_throttled(h, it, e.retry_after_ms);
    h->count(h->inst(it), COUNT_THROTTLED, 1);
    h->fail_with(it, &e, "%s: Telegram asks to wait", telegram_methods[c->operation]);
}

static void fail_transient(const wf_host *h, wf_item *it, const char *code, wf_str text)
{
    const struct config *c = h->config(it);
    wf_error e = { .size = sizeof e, .fault = WF_TRANSIENT, .code = code };
    h->fail_with(it, &e, "%s: %s", telegram_methods[c->operation],
                 h->v->text(it, outside_text(h, it, text)).ptr);
}

/* No answer at all. */
static void take_nothing(const wf_host *h, wf_item *it, const wf_reply *r)
{
    const char *error = r->error ? r->error : "no answer";
    wf_str text = { error, strlen(error) };
    if (r->flags & WF_REPLY_MAYBE_SENT)
        leave_unknown(h, it, text);
    else
        fail_transient(h, it, "transport", text);
}

/* --- the answer ------------------------------------------------------------------------------- */

wf_str reply_take(const wf_host *h, wf_item *it, const wf_reply *r, int may_move)
{
    const wf_str ended = { NULL, 0 };
    const char *why = NULL;
    int64_t moved, code = r->status;
    const wf_value *answer = r->status ? h->v->parse(it, r->body, &why) : NULL;
    wf_str said = h->v->text(it, h->v->get(answer, "description", 11));
    if (!said.len)
        said = h->fmt(it, "HTTP %d", r->status);
    h->v->int64(h->v->get(answer, "error_code", 10), &code);
    if (!r->status)
        take_nothing(h, it, r);
    else if (r->status == 429 || code == 429)
        fail_throttled(h, it, r, answer);
    else if (r->status >= 500 || code >= 500)
        fail_transient(h, it, "server", said);
    else if (r->status < 300 && h->v->boolean(h->v->get(answer, "ok", 2)))
        accept(h, it, answer);
    else if (r->status < 300 &&
             !h->v->get(answer, "ok", 2)) /* whose answer this is, nobody knows */
        leave_unknown(h, it, (wf_str){ "the answer is none of the Bot API", 33 });
    else if (may_move &&
             h->v->int64(h->v->path(answer, "parameters.migrate_to_chat_id"), &moved) == 0)
        return h->fmt(it, "%lld", (long long)moved);
    else
        reject(h, it, class_of((int)code, said.ptr), h->fmt(it, "%lld", (long long)code).ptr, said);
    return ended;
}
