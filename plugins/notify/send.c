/* SPDX-License-Identifier: Apache-2.0
 * What all senders have in common: the outcome in the words of catalyst/channel.h, and what HTTP
 * answers mean. Thread: the worker's.
 */
#include "notify_int.h"

enum { SEND_TEXT_MAX = 500 };

/* --- JSON on both sides ----------------------------------------------------------------------- */

json_t *json_of_value(const wf_values *v, const wf_value *value)
{
    const char *text;
    size_t len;
    int64_t whole;
    double number = 0;
    json_t *to;
    switch (v->type(value)) {
    case WF_JSON_BOOL:
        return json_boolean(v->boolean(value));
    case WF_JSON_NUMBER:
        if (v->int64(value, &whole) == 0)
            return json_integer(whole);
        v->number(value, &number);
        return json_real(number);
    case WF_JSON_STRING:
        to = v->bytes(value, &text, &len) == 0 ? json_stringn(text, len) : NULL;
        return to ? to : json_string("");
    case WF_JSON_ARRAY:
        to = json_array();
        for (size_t i = 0; i < v->count(value); i++)
            json_array_append_new(to, json_of_value(v, v->at(value, i)));
        return to;
    case WF_JSON_OBJECT:
        to = json_object();
        for (size_t i = 0; i < v->count(value); i++) {
            wf_str key = v->key(value, i);
            char *name = memory_print("%.*s", (int)key.len, key.ptr);
            json_object_set_new(to, name, json_of_value(v, v->at(value, i)));
            free(name);
        }
        return to;
    default:
        return json_null();
    }
}

const wf_value *value_of_json(const wf_host *h, wf_item *it, const json_t *json)
{
    const char *why = NULL;
    char *text = json_dumps(json, JSON_COMPACT | JSON_ENCODE_ANY);
    const wf_value *value = text ? h->v->parse(it, str_of(text), &why) : NULL;
    free(text);
    return value;
}

wf_str member(const wf_host *h, const wf_value *object, const char *path)
{
    wf_str text = { "", 0 };
    const wf_value *value = h->v->path(object, path);
    if (value)
        h->v->bytes(value, &text.ptr, &text.len);
    return text;
}

/* --- outcomes --------------------------------------------------------------------------------- */

static const wf_value *send_text(const wf_host *h, wf_item *it, wf_str text)
{
    if (!text.len)
        return NULL;
    return h->v->of_str(it, text.ptr, wf_text_cut(text.ptr, text.len, SEND_TEXT_MAX));
}

void send_end(const wf_host *h, wf_item *it, const struct outcome *o)
{
    static const unsigned ports[] = { PORT_REJECTED, PORT_ACCEPTED, PORT_REJECTED, PORT_REJECTED,
                                      PORT_UNKNOWN };
    unsigned port = ports[o->outcome <= WF_OUTCOME_UNKNOWN ? o->outcome : 0];
    const wf_value *class = o->class ? send_text(h, it, str_of(wf_class_name(o->class))) : NULL;
    const wf_value *send = h->build(
        it, "{s:s,s:s,s:v,s:v,s:v,s:v,s:v}", "outcome", wf_outcome_name(o->outcome), "channel",
        o->channel, "account", send_text(h, it, o->account), "provider_id",
        send_text(h, it, o->provider_id), "class", class, "code",
        o->code ? send_text(h, it, str_of(o->code)) : NULL, "text", send_text(h, it, o->text));
    h->count(h->inst(it), port, 1); /* the first three counters stand as the ports do */
    if (port == PORT_REJECTED)
        wf_count_rejected(h, it, COUNT_REASON, o->class);
    if (o->class == WF_CLASS_PERMANENT_ACCOUNT)
        h->log(h->inst(it), WF_WARN, "notify.account", "%s: %.*s", o->channel, (int)o->text.len,
               o->text.ptr ? o->text.ptr : "");
    h->emit(it, port, h->v->set_key(it, h->value(it), str_of("send"), send));
}

void send_reject(const wf_host *h, wf_item *it, const char *channel, enum wf_class class,
                 const char *code, wf_str text)
{
    send_end(h, it,
             &(struct outcome){ .outcome = WF_OUTCOME_REJECTED,
                                .class = class,
                                .channel = channel,
                                .code = code,
                                .text = text });
}

int send_http(const wf_host *h, wf_item *it, const wf_reply *r, const char *channel, wf_str account,
              int repeats)
{
    wf_error error = { .size = sizeof error, .fault = WF_TRANSIENT };
    if (r->status == 429) {
        error.fault = WF_THROTTLE;
        error.code = "throttled";
        error.scope = h->fmt(it, "%s:%.*s", channel, (int)account.len, account.ptr).ptr;
        error.retry_after_ms = r->retry_after_ms;
        h->count(h->inst(it), COUNT_THROTTLED, 1);
        h->fail_with(it, &error, "%s: too many requests", channel);
        return 1;
    }
    if (r->status >= 500 || (!r->status && (repeats || !(r->flags & WF_REPLY_MAYBE_SENT)))) {
        error.code = r->status ? "server" : "transport";
        if (r->status)
            h->fail_with(it, &error, "%s: HTTP %d", channel, r->status);
        else
            h->fail_with(it, &error, "%s: %s", channel, r->error ? r->error : "no answer");
        return 1;
    }
    if (r->status)
        return 0;
    send_end(h, it,
             &(struct outcome){ .outcome = WF_OUTCOME_UNKNOWN,
                                .channel = channel,
                                .account = account,
                                .text = str_of(r->error) });
    return 1;
}

int send_maybe_begun(const wf_host *h, wf_item *it, const char *channel)
{
    if (h->size <= offsetof(wf_host, maybe_begun) || !h->maybe_begun || !h->maybe_begun(it))
        return 0;
    send_end(h, it,
             &(struct outcome){ .outcome = WF_OUTCOME_UNKNOWN,
                                .channel = channel,
                                .text = str_of("an earlier process may have sent it") });
    return 1;
}

wf_str send_text_of(const wf_host *h, wf_item *it, wf_str given, const char *path,
                    const char *otherwise)
{
    if (given.len)
        return given;
    wf_str text = member(h, h->value(it), path);
    return text.len ? text : str_of(otherwise);
}
