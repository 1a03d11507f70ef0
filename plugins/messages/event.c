/* SPDX-License-Identifier: Apache-2.0
 * The event that tells others what became of a message: one message on a topic, keyed by the
 * recipient, so that the states of one message come in order. Its id is made of what it says, so
 * that readers may drop repetitions.
 */
#include "messages_int.h"
#include <catalyst/json_text.h>

wf_str member_str(const wf_host *h, const wf_value *object, const char *name)
{
    wf_str s = { "", 0 };
    const wf_value *v = h->v->get(object, name, strlen(name));
    if (v && h->v->bytes(v, &s.ptr, &s.len) != 0)
        s = (wf_str){ "", 0 };
    return s;
}

int64_t member_int(const wf_host *h, const wf_value *object, const char *name, int64_t other)
{
    int64_t n;
    return h->v->int64(h->v->get(object, name, strlen(name)), &n) == 0 ? n : other;
}

bool member_true(const wf_host *h, const wf_value *object, const char *name)
{
    const wf_value *v = h->v->get(object, name, strlen(name));
    return h->v->type(v) == WF_JSON_BOOL && h->v->boolean(v);
}

static wf_str write_body(const wf_host *h, wf_item *it, const struct event *e)
{
    size_t room =
        20 * WF_JSON_MEMBER_BYTES +
        WF_JSON_BYTE_BYTES * (e->id.len * 2 + e->provider_id.len * 2 + e->state.len * 2 +
                              e->tenant_id.len + e->trace_id.len + e->channel.len + e->code.len +
                              e->error_class.len + e->reason.len + e->from.len);
    char *body = h->alloc(it, room);
    struct wf_json j = { body };
    wf_json_raw(&j, "{\"v\":1,\"id\":\"", 13);
    wf_json_escaped(&j, e->id);
    wf_json_raw(&j, ":", 1);
    wf_json_escaped(&j, e->provider_id);
    wf_json_raw(&j, ":", 1);
    wf_json_escaped(&j, e->state);
    wf_json_raw(&j, "\"", 1);
    WF_JSON_INT(&j, "ts_us", h->now_ms(it) * 1000);
    WF_JSON_TEXT(&j, "tenant_id", e->tenant_id);
    WF_JSON_TEXT(&j, "trace_id", e->trace_id);
    WF_JSON_TEXT(&j, "channel", e->channel);
    WF_JSON_TEXT(&j, "msg_id", e->id);
    WF_JSON_TEXT(&j, "provider_id", e->provider_id);
    WF_JSON_TEXT(&j, "state", e->state);
    WF_JSON_TEXT(&j, "code", e->code);
    WF_JSON_TEXT(&j, "class", e->error_class);
    WF_JSON_TEXT(&j, "reason", e->reason);
    WF_JSON_INT(&j, "ts_provider_us", e->at_us);
    WF_JSON_INT(&j, "msg_ts_us", e->message_ts_us);
    WF_JSON_TEXT(&j, "from", e->from);
    if (e->wants_receipt)
        wf_json_raw(&j, ",\"dlr\":true}", 12);
    else
        wf_json_raw(&j, ",\"dlr\":false}", 13);
    return (wf_str){ body, (size_t)(j.at - body) };
}

int event_send(const wf_host *h, wf_item *it, const struct event *e)
{
    if (!e->topic.len)
        return 0;
    wf_output out = { .channel = "kafka",
                      .topic = e->topic.ptr,
                      .key = e->to,
                      .body = write_body(h, it, e),
                      .partition = -1 };
    if (h->output(it, &out) == 0)
        return 0;
    h->fail(it, "the event cannot be sent to topic '%s': no Kafka is configured", e->topic.ptr);
    return -1;
}
