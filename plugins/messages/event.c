/* SPDX-License-Identifier: Apache-2.0
 * The event that tells others what became of a message: one message on a topic, keyed by the
 * recipient, so that the states of one message come in order. Its id is made of what it says, so
 * that readers may drop repetitions.
 */
#include "messages_int.h"

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

int event_send(const wf_host *h, wf_item *it, const struct event *e)
{
    if (!e->topic.len)
        return 0;
    wf_str id = h->fmt(it, "%.*s:%.*s:%.*s", (int)e->id.len, e->id.ptr, (int)e->provider_id.len,
                       e->provider_id.ptr, (int)e->state.len, e->state.ptr);
    const wf_value *body = h->build(
        it, "{s:i,s:S,s:i,s:S,s:S,s:S,s:S,s:S,s:S,s:S,s:S,s:S,s:i,s:i,s:S,s:b}", "v", (int64_t)1,
        "id", id, "ts_us", h->now_ms(it) * 1000, "tenant_id", e->tenant_id, "trace_id", e->trace_id,
        "channel", e->channel, "msg_id", e->id, "provider_id", e->provider_id, "state", e->state,
        "code", e->code, "class", e->error_class, "reason", e->reason, "ts_provider_us", e->at_us,
        "msg_ts_us", e->message_ts_us, "from", e->from, "dlr", e->wants_receipt ? 1 : 0);
    wf_output out = { .channel = "kafka",
                      .topic = e->topic.ptr,
                      .key = e->to,
                      .body = h->v->json(it, body),
                      .partition = -1 };
    if (h->output(it, &out) == 0)
        return 0;
    h->fail(it, "the event cannot be sent to topic '%s': no Kafka is configured", e->topic.ptr);
    return -1;
}
