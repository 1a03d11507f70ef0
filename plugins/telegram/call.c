/* SPDX-License-Identifier: Apache-2.0
 * From an item's config to a call of the Bot API, with the limits that the Bot API documents.
 * Thread: the worker's. Nothing blocks.
 */
#include "telegram_int.h"
#include <stdlib.h>

enum { TEXT_MAX = 4096, CAPTION_MAX = 1024, ANSWER_MAX = 200, CALLBACK_BYTES_MAX = 64 };
enum { REPLY_BYTES_MAX = 1 << 20 };

const char *const telegram_methods[] = { "sendMessage", "sendPhoto", "sendDocument",
                                         "editMessageText", "answerCallbackQuery" };
static const char *const parse_names[] = { NULL, "Markdown", "MarkdownV2", "HTML" };

int call_refuse(struct call *call, const char *code, const char *why)
{
    call->class = WF_CLASS_PERMANENT_CONTENT;
    call->code = code;
    call->error = why;
    return -1;
}

/* --- the method's parameters ------------------------------------------------------------------ */

static void add(struct call *call, const char *name, const wf_value *value)
{
    call->body = call->h->v->set_key(call->it, call->body, (wf_str){ name, strlen(name) }, value);
}

static void add_text(struct call *call, const char *name, wf_str text)
{
    if (text.len)
        add(call, name, call->h->v->of_str(call->it, text.ptr, text.len));
}

static void add_true(struct call *call, const char *name, int is_set)
{
    if (is_set)
        add(call, name, call->h->v->of_bool(call->it, 1));
}

static void add_number(struct call *call, const char *name, int64_t n)
{
    if (n)
        add(call, name, call->h->v->of_int(call->it, n));
}

/* With a parse mode markup does not count, and only the Bot API knows what is markup. */
static int check_length(struct call *call, const char *what, wf_str s, size_t max, int is_parsed)
{
    size_t n = wf_text_count(s.ptr, s.len);
    if (n <= max || is_parsed)
        return 0;
    return call_refuse(
        call, "request",
        call->h->fmt(call->it, "%s has %zu characters; Telegram takes %zu", what, n, max).ptr);
}

static int add_chat(struct call *call)
{
    char *end = NULL;
    if (!call->chat_id.len) {
        call_refuse(call, "request", "chatId is empty");
        call->class = WF_CLASS_PERMANENT_RECIPIENT;
        return -1;
    }
    const char *id = call->chat_id.ptr;
    long long number = strtoll(id, &end, 10);
    if ((*id == '-' || (*id >= '0' && *id <= '9')) && end == id + call->chat_id.len &&
        call->chat_id.len < 19)
        add(call, "chat_id", call->h->v->of_int(call->it, number));
    else
        add_text(call, "chat_id", call->chat_id);
    return 0;
}

/* --- buttons ---------------------------------------------------------------------------------- */

static int check_button(struct call *call, const wf_value *button)
{
    const wf_value *data = call->h->v->get(button, "callback_data", 13);
    const char *ptr;
    size_t len;
    if (!data)
        return 0;
    if (call->h->v->bytes(data, &ptr, &len) != 0)
        return call_refuse(call, "request", "callback_data of a button is no text");
    if (len >= 1 && len <= CALLBACK_BYTES_MAX)
        return 0;
    return call_refuse(call, "request",
                       call->h
                           ->fmt(call->it,
                                 "callback_data of a button has %zu bytes; Telegram takes 1 to %d",
                                 len, CALLBACK_BYTES_MAX)
                           .ptr);
}

static int check_buttons(struct call *call)
{
    const wf_values *v = call->h->v;
    const wf_value *rows = v->get(call->markup, "inline_keyboard", 15);
    for (size_t i = 0; i < v->count(rows); i++)
        for (size_t k = 0; k < v->count(v->at(rows, i)); k++)
            if (check_button(call, v->at(v->at(rows, i), k)) != 0)
                return -1;
    return 0;
}

static int add_markup(struct call *call)
{
    const wf_values *v = call->h->v;
    const char *why = NULL;
    call->markup = call->c->markup;
    if (v->type(call->markup) == WF_JSON_STRING) {
        wf_str text = v->text(call->it, call->markup);
        if (!text.len || !strcmp(text.ptr, "none"))
            return 0;
        call->markup = keyboard_build(call, text.ptr);
        if (!call->markup)
            call->markup = v->parse(call->it, text, &why);
        if (!call->markup)
            return call_refuse(call, "request",
                               call->h->fmt(call->it, "replyMarkup is no JSON: %s", why).ptr);
    }
    if (v->type(call->markup) == WF_JSON_MISSING || v->type(call->markup) == WF_JSON_NULL)
        return 0;
    if (v->type(call->markup) != WF_JSON_OBJECT)
        return call_refuse(call, "request", "replyMarkup is no object");
    if (check_buttons(call) != 0)
        return -1;
    add(call, "reply_markup", call->markup);
    return 0;
}

/* --- operations ------------------------------------------------------------------------------- */

static int parse_mode(const struct config *c)
{
    return c->parse_mode ? c->parse_mode : c->parse_mode_n8n;
}

static int build_text(struct call *call)
{
    const struct config *c = call->c;
    if (!c->text.len)
        return call_refuse(call, "request", "text is empty");
    if (check_length(call, "text", c->text, TEXT_MAX, parse_mode(c)) != 0)
        return -1;
    add_text(call, "text", c->text);
    if (c->no_preview)
        add(call, "link_preview_options", call->h->build(call->it, "{s:b}", "is_disabled", 1));
    return 0;
}

static int build_file(struct call *call)
{
    const struct config *c = call->c;
    wf_str caption = c->caption.len ? c->caption : c->caption_n8n;
    if (check_length(call, "caption", caption, CAPTION_MAX, parse_mode(c)) != 0)
        return -1;
    if (!c->is_binary && !c->file.len)
        return call_refuse(call, "request", "file is empty");
    if (!c->is_binary)
        add_text(call, c->operation == OP_PHOTO ? "photo" : "document", c->file);
    add_text(call, "caption", caption);
    return 0;
}

static int build_edit(struct call *call)
{
    const struct config *c = call->c;
    if (c->inline_id.len) {
        add_text(call, "inline_message_id", c->inline_id);
    } else {
        if (add_chat(call) != 0)
            return -1;
        if (c->message_id <= 0)
            return call_refuse(call, "request", "messageId is missing");
        add_number(call, "message_id", c->message_id);
    }
    return build_text(call);
}

static int build_answer(struct call *call)
{
    const struct config *c = call->c;
    if (!c->callback_id.len)
        return call_refuse(call, "request", "callbackQueryId is empty");
    if (check_length(call, "text", c->text, ANSWER_MAX, 0) != 0)
        return -1;
    add_text(call, "callback_query_id", c->callback_id);
    add_text(call, "text", c->text);
    add_true(call, "show_alert", c->alert);
    return 0;
}

static int build_send(struct call *call)
{
    const struct config *c = call->c;
    if (add_chat(call) != 0)
        return -1;
    if ((c->operation == OP_MESSAGE ? build_text(call) : build_file(call)) != 0)
        return -1;
    add_true(call, "disable_notification", c->silent || c->silent_n8n);
    add_true(call, "protect_content", c->protect);
    add_number(call, "message_thread_id", c->thread_id);
    if (c->reply_to)
        add(call, "reply_parameters", call->h->build(call->it, "{s:i}", "message_id", c->reply_to));
    return 0;
}

static int build_body(struct call *call)
{
    const struct config *c = call->c;
    call->body = call->h->build(call->it, "{}");
    if (c->operation == OP_ANSWER)
        return build_answer(call);
    if ((c->operation == OP_EDIT ? build_edit(call) : build_send(call)) != 0)
        return -1;
    const char *mode = parse_names[parse_mode(c)];
    if (mode)
        add_text(call, "parse_mode", (wf_str){ mode, strlen(mode) });
    return add_markup(call);
}

/* --- the request ------------------------------------------------------------------------------ */

static int refuse_account(struct call *call, const char *why)
{
    call_refuse(call, "request", why);
    call->class = WF_CLASS_PERMANENT_ACCOUNT;
    return -1;
}

/* The token stands in the path: anything else in it would make another URL of it. */
static int build_url(struct call *call)
{
    static const char plain[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_-:";
    const wf_host *h = call->h;
    wf_str token = h->secret(call->c->credential, "accessToken");
    wf_str base = h->secret(call->c->credential, "baseUrl");
    if (!base.len)
        base = (wf_str){ "https://api.telegram.org", 24 };
    const char *copy = h->fmt(call->it, "%.*s", (int)token.len, token.ptr).ptr;
    if (!token.len || strspn(copy, plain) != token.len)
        return refuse_account(call, "accessToken of the credential is no token of a bot");
    while (base.len && base.ptr[base.len - 1] == '/')
        base.len--;
    if (!(base.len > 7 && !strncmp(base.ptr, "http://", 7)) &&
        !(base.len > 8 && !strncmp(base.ptr, "https://", 8)))
        return refuse_account(call,
                              "baseUrl of the credential must begin with http:// or https://");
    call->request.url = h->fmt(call->it, "%.*s/bot%s/%s", (int)base.len, base.ptr, copy,
                               telegram_methods[call->c->operation])
                            .ptr;
    return 0;
}

int call_build(struct call *call)
{
    const struct config *c = call->c;
    call->headers[0] = (wf_pair){ "content-type", "application/json" };
    if (build_body(call) != 0 || build_url(call) != 0)
        return -1;
    if (c->is_binary && (c->operation == OP_PHOTO || c->operation == OP_DOCUMENT)) {
        if (form_build(call) != 0)
            return -1;
    } else {
        call->request.body = call->h->v->json(call->it, call->body);
    }
    call->request.method = "POST";
    call->request.headers = call->headers;
    call->request.timeout_ms = c->timeout_ms;
    call->request.max_bytes = REPLY_BYTES_MAX;
    return 0;
}
