/* SPDX-License-Identifier: Apache-2.0
 * From a Kafka message to its item: the message alone, or with topic, key, partition, offset,
 * timestamp and headers. The JSON is parsed in place: strings stay slices of the message.
 */
#include "trigger/kafka_int.h"
#include "base/base64.h"
#include <string.h>

static struct json text_of(struct arena *a, const void *ptr, size_t len)
{
    return ptr ? json_of_str(a, ptr, len) : (struct json){ .type = JSON_NULL };
}

static int message_json(const struct wf_kafka_trigger *c, const rd_kafka_message_t *m,
                        struct arena *a, struct json *out, struct err *err)
{
    if (!m->payload) { /* a tombstone */
        *out = (struct json){ .type = JSON_NULL };
        return 0;
    }
    if (c->format == WF_KAFKA_TEXT) {
        *out = json_of_str(a, m->payload, m->len);
        return 0;
    }
    if (c->format == WF_KAFKA_BINARY) {
        struct strbuf b;
        strbuf_init(&b, m->len * 2 + 16);
        base64_add(&b, m->payload, m->len);
        *out = json_of_str(a, b.ptr, b.len);
        strbuf_fini(&b);
        return 0;
    }
    struct json_error why;
    if (json_parse(a, m->payload, m->len, 0, out, &why) == 0)
        return 0;
    return err_set(err, ERR_INVALID, "the message is not JSON: byte %zu: %s", why.offset,
                   why.reason);
}

static struct json headers_json(const rd_kafka_message_t *m, struct arena *a)
{
    rd_kafka_headers_t *headers;
    struct json_member *members;
    if (rd_kafka_message_headers(m, &headers) != 0)
        return json_object(a, 0, &members);
    size_t n = rd_kafka_header_cnt(headers), used = 0;
    struct json object = json_object(a, n, &members);
    for (size_t i = 0; i < n; i++) {
        const char *name;
        const void *value;
        size_t len;
        if (rd_kafka_header_get_all(headers, i, &name, &value, &len) != 0)
            break;
        struct json key = json_of_str(a, name, strlen(name));
        size_t at = 0;
        while (at < used && !json_equal(&members[at].key, &key))
            at++; /* of equal names the last wins */
        members[at].key = key;
        members[at].value = text_of(a, value, len);
        used += at == used;
    }
    object.len = (uint32_t)used;
    return object;
}

/* {message, topic, key, partition, offset, timestamp, headers} */
static struct json wrap(const struct wf_kafka_trigger *c, const rd_kafka_message_t *m,
                        const struct json *message, const char *topic, struct arena *a)
{
    struct json_member *members;
    struct json object = json_object(a, c->headers ? 7 : 6, &members);
    rd_kafka_timestamp_type_t type;
    int64_t timestamp = rd_kafka_message_timestamp(m, &type);
    members[0].key = json_of_str_borrow(STR("message"));
    members[0].value = *message;
    members[1].key = json_of_str_borrow(STR("topic"));
    members[1].value = json_of_str(a, topic, strlen(topic));
    members[2].key = json_of_str_borrow(STR("key"));
    members[2].value = text_of(a, m->key, m->key_len);
    members[3].key = json_of_str_borrow(STR("partition"));
    members[3].value = json_of_int(m->partition);
    members[4].key = json_of_str_borrow(STR("offset"));
    members[4].value = json_of_int(m->offset);
    members[5].key = json_of_str_borrow(STR("timestamp"));
    members[5].value = timestamp >= 0 ? json_of_int(timestamp) : (struct json){ .type = JSON_NULL };
    if (c->headers) {
        members[6].key = json_of_str_borrow(STR("headers"));
        members[6].value = headers_json(m, a);
    }
    return object;
}

int kafka_build(const struct lane *lane, void *event, struct arena *a, struct inbound_item **items,
                size_t *n, struct err *err)
{
    const struct kafka_lane *kl = lane_user(lane);
    const struct wf_kafka_trigger *c = kafka_of(kl->trigger)->config;
    const rd_kafka_message_t *m = event;
    struct inbound_item *item = ARENA_NEW(a, struct inbound_item);
    struct json message;
    if (message_json(c, m, a, &message, err) != 0)
        return -1;
    if (c->only_message && message.type == JSON_OBJECT) {
        item->json = message;
    } else if (c->only_message) {
        struct json_member *members;
        item->json = json_object(a, 1, &members);
        members[0].key = json_of_str_borrow(STR("message"));
        members[0].value = message;
    } else {
        item->json = wrap(c, m, &message, kl->topic, a);
    }
    *items = item;
    *n = 1;
    return 0;
}
