/* SPDX-License-Identifier: Apache-2.0
 * From an answer of the Cloud API to a port, or to another try. Thread: the worker's.
 */
#include "whatsapp_int.h"

enum { TEXT_SHOWN = 500 };

/* --- texts without secrets -------------------------------------------------------------------- */

/* The API repeats a malformed token in its error text. */
static const char *masked(const wf_host *h, wf_item *it, const char *text)
{
    const struct send_config *c = h->config(it);
    wf_str token = h->secret(c->credential, "accessToken");
    const char *at = token.len ? strstr(text, token.ptr) : NULL;
    while (at) {
        size_t before = (size_t)(at - text);
        text = h->fmt(it, "%.*s***%s", (int)before, text, at + token.len).ptr;
        at = strstr(text + before + 3, token.ptr);
    }
    return text;
}

static const char *error_text(const wf_host *h, wf_item *it, const wf_value *error, int status)
{
    const wf_value *detail = h->v->path(error, "error_data.details");
    wf_str text = h->v->text(it, h->v->get(error, "message", 7));
    if (h->v->type(detail) == WF_JSON_STRING)
        text = h->fmt(it, "%s: %s", text.ptr, h->v->text(it, detail).ptr);
    if (!text.len)
        text = h->fmt(it, "HTTP %d", status);
    const char *safe = masked(h, it, text.ptr);
    return h->fmt(it, "%.*s", (int)wf_text_cut(safe, strlen(safe), TEXT_SHOWN), safe).ptr;
}

/* --- ends of an item -------------------------------------------------------------------------- */

static const char *our_id(const wf_host *h, wf_item *it)
{
    const struct send_config *c = h->config(it);
    return c->message_id.len ? c->message_id.ptr : h->key(it);
}

/* The part of `send` that every outcome has. */
static const wf_value *send_value(const wf_host *h, wf_item *it, enum wf_outcome outcome)
{
    const struct send_config *c = h->config(it);
    return h->build(it, "{s:s,s:s,s:S,s:S,s:s}", "outcome", wf_outcome_name(outcome), "channel",
                    "whatsapp", "account", c->phone_number_id, "to", c->to, "msg_id",
                    our_id(h, it));
}

static const wf_value *with_text(const wf_host *h, wf_item *it, const wf_value *send,
                                 const char *name, const char *text)
{
    return h->v->set(it, send, name, h->v->of_str(it, text, strlen(text)));
}

static void finish(const wf_host *h, wf_item *it, unsigned port, const wf_value *send)
{
    h->count(h->inst(it), port, 1);
    h->emit(it, port, h->v->set(it, h->value(it), "send", send));
}

void wa_reject(const wf_host *h, wf_item *it, const struct wa_verdict *v, int64_t code,
               const char *text)
{
    const wf_value *send =
        send_value(h, it, v->is_deferred ? WF_OUTCOME_DEFERRED : WF_OUTCOME_REJECTED);
    send = with_text(h, it, send, "class", wf_class_name(v->class));
    wf_count_rejected(h, it, COUNT_REASON, v->class);
    send = with_text(h, it, send, "reason", v->reason);
    if (code)
        send = h->v->set(it, send, "code", h->v->of_int(it, code));
    if (v->class == WF_CLASS_PERMANENT_ACCOUNT)
        h->log(h->inst(it), WF_ERROR, "whatsapp.account",
               "the account is refused (code %lld): stop sending from it until a person has looked",
               (long long)code);
    finish(h, it, PORT_REJECTED, with_text(h, it, send, "text", text));
}

static void end_unknown(const wf_host *h, wf_item *it, const char *text)
{
    h->log(h->inst(it), WF_WARN, "whatsapp.unknown",
           "a message may have been sent; it is not sent again");
    finish(h, it, PORT_UNKNOWN,
           with_text(h, it, send_value(h, it, WF_OUTCOME_UNKNOWN), "text", masked(h, it, text)));
}

void wa_end_begun(const wf_host *h, wf_item *it)
{
    end_unknown(h, it, "the engine stopped when it may have been sent already");
}

static const char *scope_of(const wf_host *h, wf_item *it, enum wa_scope scope)
{
    const struct send_config *c = h->config(it);
    if (scope == WA_SCOPE_NONE)
        return NULL;
    if (scope == WA_SCOPE_ACCOUNT)
        return h->fmt(it, "whatsapp:%s", c->phone_number_id.ptr).ptr;
    return h->fmt(it, "whatsapp:%s:%s", c->phone_number_id.ptr, c->to.ptr + (c->to.ptr[0] == '+'))
        .ptr;
}

/* The engine does it again. */
static void try_later(const wf_host *h, wf_item *it, const struct wa_verdict *v, const wf_reply *r,
                      int64_t code, const char *text)
{
    const struct send_config *c = h->config(it);
    wf_error e = { .size = sizeof e,
                   .fault = v->class == WF_CLASS_THROTTLE ? WF_THROTTLE : WF_TRANSIENT,
                   .code = v->reason,
                   .scope = scope_of(h, it, v->scope),
                   .retry_after_ms = r->retry_after_ms };
    if (v->is_held && !e.retry_after_ms)
        e.retry_after_ms = c->hold_ms;
    if (e.fault == WF_THROTTLE)
        pace_throttled(h, it, v->scope, e.retry_after_ms);
    h->fail_with(it, &e, "WhatsApp answered HTTP %d, code %lld: %s", r->status, (long long)code,
                 text);
}

/* --- answers ---------------------------------------------------------------------------------- */

static void accept(const wf_host *h, wf_item *it, const wf_value *body)
{
    const wf_value *id = h->v->path(body, "messages[0].id");
    const wf_value *wa_id = h->v->path(body, "contacts[0].wa_id");
    const wf_value *send = send_value(h, it, WF_OUTCOME_ACCEPTED);
    if (h->v->type(id) != WF_JSON_STRING) {
        end_unknown(h, it, "the answer holds no id of the message");
        return;
    }
    send = h->v->set(it, send, "provider_id", id);
    if (wa_id)
        send = h->v->set(it, send, "wa_id", wa_id);
    pace_went_well(h, it);
    finish(h, it, PORT_ACCEPTED, send);
}

static void no_answer(const wf_host *h, wf_item *it, const wf_reply *r)
{
    const char *why = r->error ? r->error : "no answer";
    if (r->flags & (WF_REPLY_MAYBE_SENT | WF_REPLY_TOO_LARGE)) {
        end_unknown(h, it, why);
        return;
    }
    h->fail_with(
        it, &(wf_error){ .size = sizeof(wf_error), .fault = WF_TRANSIENT, .code = "transport" },
        "WhatsApp: %s", masked(h, it, why));
}

static int is_to_be_tried(const struct wa_verdict *v)
{
    return v->class == WF_CLASS_TRANSIENT || (v->class == WF_CLASS_THROTTLE && !v->is_deferred);
}

/* `error` of the answer's body, and its code, or 0. */
static const wf_value *error_of(const wf_host *h, wf_item *it, const wf_reply *r,
                                const wf_value **body, int64_t *code)
{
    const char *why = NULL;
    *body = r->body.len ? h->v->parse(it, r->body, &why) : NULL;
    const wf_value *error = h->v->get(*body, "error", 5);
    if (h->v->int64(h->v->get(error, "code", 4), code) != 0)
        *code = 0;
    return error;
}

void wa_upload_failed(const wf_host *h, wf_item *it, const wf_reply *r)
{
    const wf_value *body;
    int64_t code;
    const wf_value *error = error_of(h, it, r, &body, &code);
    if (!r->status || (r->status < 300 && !error)) {
        h->fail_with(
            it, &(wf_error){ .size = sizeof(wf_error), .fault = WF_TRANSIENT, .code = "transport" },
            "WhatsApp: the upload: %s",
            masked(h, it, r->error ? r->error : "the answer holds no id of the file"));
        return;
    }
    struct wa_verdict v = wa_classify(code, r->status);
    const char *text = error_text(h, it, error, r->status);
    if (is_to_be_tried(&v))
        try_later(h, it, &v, r, code, text);
    else
        wa_reject(h, it, &v, code, text);
}

void wa_on_reply(const wf_host *h, wf_item *it, const wf_reply *r)
{
    const wf_value *body;
    int64_t code;
    if (r->status == 0) {
        no_answer(h, it, r);
        return;
    }
    const wf_value *error = error_of(h, it, r, &body, &code);
    if (r->status >= 200 && r->status < 300 && !error) {
        accept(h, it, body);
        return;
    }
    if (r->status == 504 && !code) {
        end_unknown(h, it, "HTTP 504: a gateway waited in vain");
        return;
    }
    struct wa_verdict v = wa_classify(code, r->status);
    const char *text = error_text(h, it, error, r->status);
    if (is_to_be_tried(&v))
        try_later(h, it, &v, r, code, text);
    else
        wa_reject(h, it, &v, code, text);
}
