/* SPDX-License-Identifier: Apache-2.0
 * catalyst.kafkaTrigger and catalyst.kafka: messages in and out.
 *
 * The trigger's work is done by the engine (its positions are part of the commit protocol); this
 * declares its parameters. The send node hands its message to the turn: it leaves when the turn is
 * committed, and again after a crash, with the same body and the same catalyst-id header, until the
 * broker has acknowledged it.
 */
#include <catalyst/plugin.h>
#include <catalyst/triggers.h>
#include <stdbool.h>
#include <string.h>

/* --- trigger ---------------------------------------------------------------------------------- */

static const wf_pair formats[] = {
    { "json", "The value is JSON; one that is not goes to the failure path with its bytes" },
    { "text", "The value is text" },
    { "binary", "The value is bytes; the item has them in base64" },
    { NULL, NULL },
};

static const wf_param property_rows[] = {
    { WF_P_STR(struct wf_kafka_property, name), .flags = WF_REQUIRED,
      .help = "Name, as librdkafka has it" },
    { WF_P_STR(struct wf_kafka_property, value), .help = "Value" },
    WF_END,
};

static const wf_param trigger_params[] = {
    { WF_P_STR(struct wf_kafka_trigger, topic), .flags = WF_REQUIRED,
      .help = "Topic; several with commas; a regular expression begins with ^" },
    { WF_NAMED("groupId"), WF_F_STR(struct wf_kafka_trigger, group),
      .help = "Consumer group; empty: one of this workflow's own" },
    { WF_NAMED("options.fromBeginning"), WF_F_BOOL(struct wf_kafka_trigger, from_beginning),
      .def = "true",
      .help =
          "Where a partition that was never read starts: at its first message, else at its end" },
    { WF_NAMED("options.format"), WF_F_CHOICE(struct wf_kafka_trigger, format, formats),
      .def = "json", .help = "What the message's value is" },
    { WF_NAMED("options.onlyMessage"), WF_F_BOOL(struct wf_kafka_trigger, only_message),
      .help =
          "The item is the message itself, without topic, key, partition, offset and timestamp" },
    { WF_NAMED("options.headers"), WF_F_BOOL(struct wf_kafka_trigger, headers),
      .help = "Add the message's headers as an object" },
    { WF_NAMED("options.properties"),
      WF_F_LIST(struct wf_kafka_trigger, properties, property_rows, struct wf_kafka_property),
      .help = "More settings of the consumer, handed to librdkafka" },
    { WF_NAMED("credential"), WF_F_CRED(struct wf_kafka_trigger, credential, "kafka"),
      .help = "Brokers and login, when they are not the engine's own" },
    WF_END,
};

static void hand_on(const wf_host *h, wf_item *const *items, size_t n)
{
    for (size_t i = 0; i < n; i++)
        h->pass(items[i], 0);
}

/* --- send ------------------------------------------------------------------------------------- */

struct send_config {
    wf_str topic, key;
    const wf_value *message;
    int send_input;
    int64_t partition;
    wf_list headers;
    const wf_cred *credential;
};

struct header {
    wf_str name, value;
};

static const wf_param header_rows[] = {
    { WF_P_STR(struct header, name), .flags = WF_REQUIRED, .help = "Header name" },
    { WF_P_STR(struct header, value), .flags = WF_EXPR, .help = "Header value" },
    WF_END,
};

static const wf_param send_params[] = {
    { WF_P_STR(struct send_config, topic), .flags = WF_REQUIRED | WF_EXPR,
      .help = "Topic to send to" },
    { WF_NAMED("sendInputData"), WF_F_BOOL(struct send_config, send_input), .def = "true",
      .help = "The message is the item's JSON" },
    { WF_P_VALUE(struct send_config, message), .flags = WF_REQUIRED | WF_EXPR,
      .show_if = "sendInputData=false",
      .help = "The message: text is sent as it is, anything else as JSON, null as a tombstone" },
    { WF_P_STR(struct send_config, key), .flags = WF_EXPR,
      .help = "Key; it decides the partition. Empty: none" },
    { WF_P_INT(struct send_config, partition), .flags = WF_EXPR, .def = "-1", .min = -1,
      .max = 1000000, .help = "Partition; -1: by key" },
    { WF_NAMED("headers"), WF_F_LIST(struct send_config, headers, header_rows, struct header),
      .help = "Headers of the message; catalyst-id is added by the engine" },
    { WF_NAMED("credential"), WF_F_CRED(struct send_config, credential, "kafka"),
      .help = "Brokers and login, when they are not the engine's own" },
    WF_END,
};

static const wf_pair *headers_of(const wf_host *h, wf_item *it, const wf_list *list)
{
    if (!list->n)
        return NULL;
    const struct header *rows = list->rows;
    wf_pair *pairs = h->alloc(it, (list->n + 1) * sizeof *pairs);
    for (size_t i = 0; i < list->n; i++)
        pairs[i] = (wf_pair){ rows[i].name.ptr, rows[i].value.ptr };
    return pairs;
}

static wf_str body_of(const wf_host *h, wf_item *it, const struct send_config *c)
{
    const wf_value *v = c->send_input ? h->value(it) : c->message;
    wf_json_type type = h->v->type(v);
    if (type == WF_JSON_NULL || type == WF_JSON_MISSING)
        return (wf_str){ NULL, 0 };
    return type == WF_JSON_STRING ? h->v->text(it, v) : h->v->json(it, v);
}

/* As the broker checks it. A message it can never take would hold up those behind it. */
static bool is_topic(wf_str topic)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyz"
                                  "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
    return topic.len && topic.len <= 249 && strspn(topic.ptr, allowed) == topic.len &&
           strcmp(topic.ptr, ".") != 0 && strcmp(topic.ptr, "..") != 0;
}

static void send(const wf_host *h, wf_item *const *items, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        wf_item *it = items[i];
        const struct send_config *c = h->config(it);
        if (!is_topic(c->topic)) {
            h->fail(it,
                    "topic '%.80s' is no name of a Kafka topic: 1 to 249 letters, digits, "
                    "dots, dashes, underscores",
                    c->topic.len ? c->topic.ptr : "");
            continue;
        }
        wf_output out = { .channel = "kafka",
                          .topic = c->topic.ptr,
                          .partition = (int32_t)c->partition };
        if (c->credential)
            out.connection = h->secret(c->credential, "$id").ptr;
        out.body = body_of(h, it, c);
        if (c->key.len)
            out.key = c->key;
        out.headers = headers_of(h, it, &c->headers);
        if (h->output(it, &out) == 0)
            h->pass(it, 0);
        else if (c->credential)
            h->fail(it, "the connection of credential '%s' cannot be made; the log tells why",
                    out.connection);
        else
            h->fail(it, "no Kafka is configured; start the engine with --kafka HOST:PORT, or give "
                        "the node a credential");
    }
}

static const char send_docs[] =
    "The message leaves when the execution's turn is durable. A reader that must see each message "
    "once drops those\n"
    "whose `catalyst-id` header it has seen: a resend after a crash has the same one.\n\n"
    "With the setting `kafka-transactions` messages leave in Kafka transactions, together with the "
    "offsets of the\n"
    "triggers they come from. A reader with `isolation.level=read_committed` then sees each "
    "message "
    "of an execution\n"
    "that a Kafka trigger started exactly once, also after a crash of the engine (durability "
    "`exactly_once` or\n"
    "`each_step`). Of executions that a webhook or a schedule started it never sees those of a "
    "turn "
    "in part; after a\n"
    "crash it may see them again, with the same `catalyst-id`. So it is with messages to brokers "
    "of "
    "a credential, and\n"
    "with executions that a trigger with a credential's brokers started: a transaction is of one "
    "cluster.\n\n"
    "With a credential that names brokers the message goes there; without, to those of the "
    "settings. Login and TLS of\n"
    "the settings (`sasl.*`, `ssl.*`, `security.*`) are not used for a credential's brokers, other "
    "properties are. The\n"
    "journal keeps the credential's id with the message: one that is gone holds up what was "
    "committed for it.\n";

static const char *const ports[] = { "main", NULL };
static const char *const trigger_aliases[] = { "n8n-nodes-base.kafkaTrigger", NULL };
static const char *const send_aliases[] = { "n8n-nodes-base.kafka", "catalyst.kafka.send", NULL };

static const wf_node nodes[] = {
    { .type = "catalyst.kafkaTrigger",
      .help = "Start an execution for every message of a Kafka topic",
      .ports = ports,
      .params = trigger_params,
      .config_size = sizeof(struct wf_kafka_trigger),
      .process = hand_on,
      .flags = WF_NODE_TRIGGER,
      .group = "trigger",
      .aliases = trigger_aliases },
    { .type = "catalyst.kafka",
      .help = "Send a message to a Kafka topic",
      .ports = ports,
      .params = send_params,
      .config_size = sizeof(struct send_config),
      .process = send,
      .flags = WF_NODE_EFFECT,
      .group = "channel",
      .docs = send_docs,
      .aliases = send_aliases },
};

static const wf_pair protocols[] = {
    { "plaintext", "Neither TLS nor login" },
    { "ssl", "TLS" },
    { "sasl_plaintext", "Login without TLS" },
    { "sasl_ssl", "Login over TLS" },
    { NULL, NULL },
};
static const wf_pair mechanisms[] = {
    { "PLAIN", "The password as it is" },
    { "SCRAM-SHA-256", "A proof of the password" },
    { "SCRAM-SHA-512", "The same with a longer hash" },
    { NULL, NULL },
};

static const wf_param cred_fields[] = {
    { .name = "brokers",
      .type = WF_STRING,
      .help = "host:port,host:port; empty: the engine's own, with another login" },
    { .name = "protocol",
      .type = WF_CHOICE,
      .choices = protocols,
      .def = "sasl_ssl",
      .help = "How brokers are spoken to" },
    { .name = "mechanism",
      .type = WF_CHOICE,
      .choices = mechanisms,
      .def = "SCRAM-SHA-512",
      .help = "How the login is made" },
    { .name = "user", .type = WF_STRING, .help = "User" },
    { .name = "password", .type = WF_STRING, .flags = WF_SECRET, .help = "Password" },
    { .name = "caFile",
      .type = WF_STRING,
      .help = "File of authorities the brokers' certificates are checked with, PEM; empty: the "
              "system's" },
    { .name = "certFile", .type = WF_STRING, .help = "File with an own certificate, PEM" },
    { .name = "keyFile", .type = WF_STRING, .help = "File with its private key, PEM" },
    { .name = "keyPassword",
      .type = WF_STRING,
      .flags = WF_SECRET,
      .help = "Password of the private key" },
    { .name = "disableTlsVerification",
      .type = WF_BOOL,
      .def = "false",
      .help = "Take any certificate of the brokers" },
    WF_END,
};

static const wf_cred_type creds[] = { { "kafka", "Kafka brokers and login", cred_fields } };

WF_PLUGIN_CREDS("kafka", "1.0.0", nodes, creds);
