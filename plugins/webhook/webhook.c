/* SPDX-License-Identifier: Apache-2.0
 * catalyst.webhook and catalyst.respondToWebhook, and the credential types of HTTP.
 *
 * The trigger's work is done by the engine (its answers leave with the commit); here are its
 * parameters. The respond node hands its answer to the turn: it leaves when the turn is durable.
 * Thread: the worker's. Nothing blocks.
 */
#include "webhook_int.h"
#include <catalyst/triggers.h>

/* --- trigger ---------------------------------------------------------------------------------- */

static const wf_pair auths[] = {
    { "none", "Everybody may call" },
    { "basicAuth", "User and password" },
    { "headerAuth", "A header with a secret value" },
    { "hmac", "A signature over the body" },
    { "jwtAuth", "A JSON Web Token as bearer" },
    { NULL, NULL },
};

static const wf_pair modes[] = {
    { "onReceived", "At once, when the execution is accepted durably" },
    { "lastNode", "With what the last node gives" },
    { "responseNode", "By a node catalyst.respondToWebhook" },
    { NULL, NULL },
};

static const wf_pair datas[] = {
    { "allEntries", "All items of the last node, as an array" },
    { "firstEntryJson", "The JSON of its first item" },
    { "firstEntryBinary", "The binary part of its first item" },
    { "noData", "Nothing" },
    { NULL, NULL },
};

static const wf_param method_rows[] = {
    { WF_P_STR(struct wf_webhook_method, name), .flags = WF_REQUIRED, .help = "GET, POST ..." },
    WF_END,
};

static const wf_pair hmac_forms[] = {
    { "body", "The body, or hmacTimestampHeader's time, a dot and the body" },
    { "slack", "Slack: v0:time:body, in X-Slack-Signature and X-Slack-Request-Timestamp" },
    { "standardWebhooks",
      "Standard Webhooks: id.time.body, in webhook-signature, webhook-id and "
      "webhook-timestamp; secrets are base64 behind whsec_, several with spaces" },
    { NULL, NULL }
};

static const wf_param answer_header_rows[] = {
    { WF_P_STR(struct wf_kafka_property, name), .flags = WF_REQUIRED, .help = "Header name" },
    { WF_P_STR(struct wf_kafka_property, value), .help = "Header value" },
    WF_END,
};

static const wf_param trigger_params[] = {
    { WF_NAMED("multipleMethods"), WF_F_BOOL(struct wf_webhook_trigger, several_methods),
      .help = "httpMethod is a list" },
    { WF_NAMED("httpMethod"), WF_F_STR(struct wf_webhook_trigger, methods), .def = "GET",
      .show_if = "multipleMethods=false",
      .help = "Method of the request: GET, HEAD, POST, PUT, PATCH, DELETE; several with commas" },
    { WF_NAMED("httpMethod"),
      WF_F_LIST(struct wf_webhook_trigger, more_methods, method_rows, struct wf_webhook_method),
      .show_if = "multipleMethods=true", .def = "[\"GET\",\"POST\"]",
      .help = "Methods of the request" },
    { WF_NAMED("path"), WF_F_STR(struct wf_webhook_trigger, path), .flags = WF_REQUIRED,
      .help = "Path behind /webhook/; :name takes one part of it, as params.name" },
    { WF_NAMED("authentication"), WF_F_CHOICE(struct wf_webhook_trigger, auth, auths),
      .def = "none", .help = "Who may call" },
    { WF_NAMED("credential"), WF_F_CRED(struct wf_webhook_trigger, credential, "httpBasicAuth"),
      .flags = WF_REQUIRED, .show_if = "authentication=basicAuth", .help = "User and password" },
    { WF_NAMED("credential"), WF_F_CRED(struct wf_webhook_trigger, credential, "httpHeaderAuth"),
      .flags = WF_REQUIRED, .show_if = "authentication=headerAuth", .help = "Header and value" },
    { WF_NAMED("credential"), WF_F_CRED(struct wf_webhook_trigger, credential, "hmac"),
      .flags = WF_REQUIRED, .show_if = "authentication=hmac", .help = "Secret of the signature" },
    { WF_NAMED("credential"), WF_F_CRED(struct wf_webhook_trigger, credential, "jwtAuth"),
      .flags = WF_REQUIRED, .show_if = "authentication=jwtAuth", .help = "Key of the token" },
    { WF_NAMED("options.hmacForm"), WF_F_CHOICE(struct wf_webhook_trigger, hmac_form, hmac_forms),
      .def = "body", .show_if = "authentication=hmac",
      .help = "What is signed, and where it stands" },
    { WF_NAMED("options.hmacHeader"), WF_F_STR(struct wf_webhook_trigger, hmac_header),
      .def = "x-signature", .show_if = "authentication=hmac",
      .help = "Header with the signature: HMAC-SHA256 in hex, also after \"sha256=\"" },
    { WF_NAMED("options.hmacTimestampHeader"),
      WF_F_STR(struct wf_webhook_trigger, hmac_timestamp_header), .show_if = "authentication=hmac",
      .help = "Header with the time of signing, which is signed in front of the body" },
    { WF_NAMED("options.hmacTolerance"), WF_F_MS(struct wf_webhook_trigger, hmac_tolerance_ms),
      .def = "5m", .show_if = "authentication=hmac", .help = "How far that time may be off" },
    { WF_NAMED("responseMode"), WF_F_CHOICE(struct wf_webhook_trigger, response_mode, modes),
      .def = "onReceived", .help = "When the request is answered" },
    { WF_NAMED("responseData"), WF_F_CHOICE(struct wf_webhook_trigger, response_data, datas),
      .def = "firstEntryJson", .show_if = "responseMode=lastNode",
      .help = "What the answer holds" },
    { WF_NAMED("responseCode"), WF_F_INT(struct wf_webhook_trigger, response_code), .min = 0,
      .max = 599, .help = "Status of a good answer; 0: 200, or 202 for onReceived" },
    { WF_NAMED("options.responseCode.values.responseCode"),
      WF_F_INT(struct wf_webhook_trigger, response_code), .min = 0, .max = 599,
      .help = "The same, where newer workflows have it" },
    { WF_NAMED("options.responseHeaders"),
      WF_F_LIST(struct wf_webhook_trigger, response_headers, answer_header_rows,
                struct wf_kafka_property),
      .help = "Headers of the answer" },
    { WF_NAMED("options.rawBody"), WF_F_BOOL(struct wf_webhook_trigger, raw_body),
      .help = "Keep the body as it came as a binary part" },
    { WF_NAMED("options.binaryPropertyName"), WF_F_STR(struct wf_webhook_trigger, binary_name),
      .def = "data", .help = "Name of the binary part for rawBody and for a body that is no text" },
    { WF_NAMED("options.maxBody"), WF_F_BYTES(struct wf_webhook_trigger, max_body),
      .help = "Larger bodies are refused with 413; 0: the server's limit" },
    { WF_NAMED("options.ipWhitelist"), WF_F_STR(struct wf_webhook_trigger, ip_allow),
      .help = "Addresses and networks (10.0.0.0/8) that may call, with commas; empty: all" },
    { WF_NAMED("options.allowedOrigins"), WF_F_STR(struct wf_webhook_trigger, allowed_origins),
      .help = "Origins of web pages that may call (CORS), with commas; *: all" },
    { WF_NAMED("options.idempotencyKeyHeader"),
      WF_F_STR(struct wf_webhook_trigger, idempotency_header),
      .help = "Header that names a request, such as Idempotency-Key: one that comes again gets the "
              "first one's answer; empty: off" },
    { WF_NAMED("options.idempotencyKeyRetention"),
      WF_F_MS(struct wf_webhook_trigger, idempotency_keep_ms), .def = "1d", .min = 1000,
      .max = 31536000000, .help = "How long a key is remembered" },
    { WF_NAMED("options.ignoreBots"), WF_F_BOOL(struct wf_webhook_trigger, ignore_bots),
      .help = "Refuse crawlers and link previews, by their user-agent" },
    WF_END,
};

static int is_method(const char *name, size_t len)
{
    static const char *const names[] = { "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", NULL };
    for (int i = 0; names[i]; i++)
        if (strlen(names[i]) == len && !memcmp(names[i], name, len))
            return 1;
    return 0;
}

static int check_methods(const struct wf_webhook_trigger *c, char *why, size_t why_size)
{
    const struct wf_webhook_method *rows = c->more_methods.rows;
    const char *p = c->methods.ptr;
    size_t len = 0;
    int bad = 0;
    for (size_t i = 0; c->several_methods && i < c->more_methods.n && !bad; i++) {
        p = rows[i].name.ptr;
        len = rows[i].name.len;
        bad = !is_method(p, len);
    }
    for (; !c->several_methods && *p && !bad; p += bad ? 0 : len) {
        p += strspn(p, ", ");
        len = strcspn(p, ", ");
        bad = len && !is_method(p, len);
    }
    if (bad)
        snprintf(why, why_size,
                 "httpMethod '%.*s' is no method; use GET, HEAD, POST, PUT, PATCH or DELETE",
                 (int)(len > 40 ? 40 : len), p);
    return bad ? -1 : 0;
}

/* Each is an address, or a network with the length of its prefix. */
static int check_addresses(const char *at, char *why, size_t why_size)
{
    for (size_t len = 0; *at; at += len) {
        at += strspn(at, ", ");
        len = strcspn(at, ", ");
        if (!len || strspn(at, "0123456789abcdefABCDEF.:/") >= len)
            continue;
        snprintf(why, why_size, "ipWhitelist: '%.*s' is no address or network",
                 (int)(len > 60 ? 60 : len), at);
        return -1;
    }
    return 0;
}

static int check_origins(const char *at, char *why, size_t why_size)
{
    for (size_t len = 0; *at; at += len) {
        at += strspn(at, ", ");
        len = strcspn(at, ", ");
        const char *scheme = strstr(at, "://");
        if (!len || (len == 1 && *at == '*') ||
            (scheme && scheme < at + len &&
             !memchr(scheme + 3, '/', (size_t)(at + len - scheme - 3))))
            continue;
        snprintf(why, why_size,
                 "allowedOrigins: '%.*s' is no origin; it is written as https://example.com",
                 (int)(len > 60 ? 60 : len), at);
        return -1;
    }
    return 0;
}

static int trigger_check(const wf_host *h, const void *config, char *why, size_t why_size)
{
    const struct wf_webhook_trigger *c = config;
    const char *bad = strpbrk(c->path.ptr, " ?#\t\n");
    (void)h;
    if (bad) {
        snprintf(why, why_size, "path '%.80s' holds '%c', which a path cannot", c->path.ptr, *bad);
        return -1;
    }
    if (check_addresses(c->ip_allow.ptr, why, why_size) != 0 ||
        check_origins(c->allowed_origins.ptr, why, why_size) != 0)
        return -1;
    return check_methods(c, why, why_size);
}

static void hand_on(const wf_host *h, wf_item *const *items, size_t n)
{
    for (size_t i = 0; i < n; i++)
        h->pass(items[i], 0);
}

static const char trigger_docs[] =
    "The address is `/webhook/<path>`. The item is\n"
    "\n"
    "```json\n"
    "{\"headers\": {\"content-type\": \"application/json\"}, \"params\": {\"id\": \"42\"},\n"
    " \"query\": {\"full\": \"1\"}, \"body\": {\"amount\": 3}, \"method\": \"POST\", \"path\": "
    "\"...\",\n"
    " \"webhookUrl\": \"https://example.com/webhook/orders/:id\", \"executionMode\": "
    "\"production\"}\n"
    "```\n"
    "\n"
    "`body` is JSON, the fields of a form, or text, as the content type says; files of a "
    "multipart\n"
    "form become binary parts, and so does a body that is no text (an image, an archive). Under\n"
    "`jwtAuth` the item has `jwtPayload` too.\n"
    "`webhookUrl` begins with the Host that the client named.\n"
    "\n"
    "A body that is not what its content type says (JSON, a multipart form) is refused with 400 "
    "and\n"
    "the reason, and nothing is started. With `rawBody` JSON that does not parse is taken as "
    "text.\n"
    "\n"
    "With `idempotencyKeyHeader` a request that comes again with the same key, method, address "
    "and\n"
    "body gets the first one's answer, with `idempotent-replayed: true`, also from another engine "
    "and\n"
    "after a restart: the answer is kept in the transaction that makes it durable. While the "
    "first\n"
    "one runs it gets 409, with another body 422. Requests without the header are taken as they "
    "are.\n"
    "\n"
    "**Signed calls** (`hmac`) are checked over the bytes of the body before anything is parsed, "
    "in\n"
    "constant time; others get 401. What Slack sends is taken with `hmacForm` `slack` and the "
    "app's\n"
    "signing secret, what follows Standard Webhooks with `standardWebhooks`, where\n"
    "`idempotencyKeyHeader` `webhook-id` answers a call that comes again as the first time. For\n"
    "WhatsApp `hmacHeader` is `X-Hub-Signature-256`.\n"
    "\n"
    "With `allowedOrigins` the browser's question before a call (CORS preflight) is answered, and\n"
    "a call from a page of another origin is refused with 403. Refusals, too, can be read by the\n"
    "pages of these origins. `ipWhitelist` looks at the address\n"
    "the connection comes from: behind a proxy that is the proxy's.\n"
    "\n"
    "`onReceived` answers when the execution is durable, so an accepted request is never lost.\n"
    "When the engine is full it answers 503 and accepts nothing.\n"
    "\n"
    "While the store does not answer a request waits, at most for the setting\n"
    "`webhook-accept-timeout`; then it gets 503 with Retry-After. The text says what became of "
    "it:\n"
    "\"nothing was started\", or, when the engine had taken it before and the commit may have\n"
    "arrived, \"whether this request is executed is not known\". Use an idempotency key to ask "
    "again\n"
    "safely.\n"
    "\n"
    "```json\n"
    "{\"type\": \"catalyst.webhook\", \"parameters\": {\"httpMethod\": \"POST\", \"path\": "
    "\"orders/:id\",\n"
    " \"responseMode\": \"responseNode\"}}\n"
    "```\n";

/* --- credential types ------------------------------------------------------------------------- */

static const wf_param basic_fields[] = {
    { .name = "user", .type = WF_STRING, .flags = WF_REQUIRED, .help = "User" },
    { .name = "password", .type = WF_STRING, .flags = WF_SECRET, .help = "Password" },
    WF_END,
};
static const wf_param header_fields[] = {
    { .name = "name", .type = WF_STRING, .flags = WF_REQUIRED, .help = "Header name" },
    { .name = "value", .type = WF_STRING, .flags = WF_REQUIRED | WF_SECRET, .help = "Its value" },
    WF_END,
};
static const wf_param bearer_fields[] = {
    { .name = "token", .type = WF_STRING, .flags = WF_REQUIRED | WF_SECRET, .help = "Token" },
    WF_END,
};
static const wf_param hmac_fields[] = {
    { .name = "secret", .type = WF_STRING, .flags = WF_REQUIRED | WF_SECRET, .help = "Secret" },
    WF_END,
};
static const wf_param jwt_fields[] = {
    { .name = "secret", .type = WF_STRING, .flags = WF_SECRET, .help = "Secret, for HS256 ..." },
    { .name = "publicKey",
      .type = WF_STRING,
      .flags = WF_MULTILINE,
      .help = "Public key in PEM, for RS256, ES256 ..." },
    { .name = "algorithm", .type = WF_STRING, .def = "HS256", .help = "Algorithm of the token" },
    WF_END,
};
static const wf_cred_type creds[] = {
    { "httpBasicAuth", "User and password of HTTP", basic_fields },
    { "httpHeaderAuth", "A header with a secret value", header_fields },
    { "httpBearerAuth", "A bearer token", bearer_fields },
    { "hmac", "A secret that signs bodies", hmac_fields },
    { "jwtAuth", "The key of JSON Web Tokens", jwt_fields },
};

/* --- the plugin ------------------------------------------------------------------------------- */

static const char *const ports[] = { "main", NULL };
static const char *const trigger_aliases[] = { "n8n-nodes-base.webhook", NULL };
static const char *const respond_aliases[] = { "n8n-nodes-base.respondToWebhook", NULL };

static const wf_node nodes[] = {
    { .type = "catalyst.webhook",
      .help = "Start an execution for every request to an address",
      .ports = ports,
      .params = trigger_params,
      .config_size = sizeof(struct wf_webhook_trigger),
      .process = hand_on,
      .check = trigger_check,
      .flags = WF_NODE_TRIGGER,
      .group = "trigger",
      .docs = trigger_docs,
      .aliases = trigger_aliases },
    { .type = "catalyst.respondToWebhook",
      .help = "Answer the request that began the execution",
      .ports = ports,
      .params = respond_params,
      .config_size = sizeof(struct respond_config),
      .process_segments = respond,
      .flags = WF_NODE_SEGMENT,
      .group = "flow",
      .docs = respond_docs,
      .aliases = respond_aliases },
};

WF_PLUGIN_CREDS("webhook", "1.0.0", nodes, creds);
