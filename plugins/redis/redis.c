/* SPDX-License-Identifier: Apache-2.0
 * catalyst.redis: keys, lists, hashes, sorted sets, scripts and messages of Redis, all commands of
 * a frame in one pipeline. Thread: the worker's.
 */
#include "redis_int.h"

static const wf_pair operations[] = {
    { "delete", "Delete a key" },
    { "get", "Get a key's value" },
    { "set", "Set a key" },
    { "incr", "Add one to a key" },
    { "info", "Information about the server" },
    { "keys", "Keys that match a pattern" },
    { "llen", "Length of a list" },
    { "pop", "Take an element off a list" },
    { "push", "Add an element to a list" },
    { "publish", "Publish a message to a channel" },
    { "hget", "Get a field of a hash" },
    { "hset", "Set a field of a hash" },
    { "hgetall", "Get all fields of a hash" },
    { "zadd", "Add to a sorted set" },
    { "zrange", "Get a range of a sorted set" },
    { "eval", "Run a script on the server" },
    { NULL, NULL },
};

static const wf_pair types[] = {
    { "automatic", "As the key is, or as the value is" },
    { "hash", "Hash" },
    { "list", "List" },
    { "sets", "Set" },
    { "string", "String" },
    { NULL, NULL },
};

static const wf_param text_rows[] = {
    { WF_P_STR(struct text_row, value), .flags = WF_EXPR, .help = "Text" },
    WF_END,
};

#define KEYED "operation=delete|get|set|incr|hget|hset|hgetall|zadd|zrange"

static const wf_param params[] = {
    { WF_P_CRED(struct config, credential, "redis"), .flags = WF_REQUIRED,
      .help = "Server and login" },
    { WF_P_CHOICE(struct config, operation, operations), .def = "info", .help = "What to do" },
    { WF_P_STR(struct config, key), .flags = WF_REQUIRED | WF_EXPR, .show_if = KEYED,
      .help = "The key" },
    { WF_NAMED("propertyName"), WF_F_STR(struct config, property), .flags = WF_EXPR,
      .def = "propertyName", .show_if = "operation=get|pop|hget|hgetall|zrange|eval",
      .help = "Field of the output for the value" },
    { WF_NAMED("keyType"), WF_F_CHOICE(struct config, type, types), .def = "automatic",
      .show_if = "operation=get|set", .help = "Type of the key" },
    { WF_P_VALUE(struct config, value), .flags = WF_EXPR, .show_if = "operation=set|hset",
      .help = "The value; for a hash an object, for a list or set an array" },
    { WF_NAMED("valueIsJSON"), WF_F_BOOL(struct config, value_is_json), .def = "true",
      .show_if = "operation=set,keyType=hash", .help = "The value is JSON; it always may be" },
    { WF_P_BOOL(struct config, expire), .flags = WF_EXPR, .show_if = "operation=set|incr",
      .help = "The key expires" },
    { WF_NAMED("ttl"), WF_F_INT(struct config, ttl_s), .flags = WF_EXPR, .def = "60", .min = 1,
      .max = INT32_MAX, .show_if = "operation=set|incr,expire=true",
      .help = "After so many seconds" },
    { WF_NAMED("keyPattern"), WF_F_STR(struct config, pattern), .flags = WF_REQUIRED | WF_EXPR,
      .show_if = "operation=keys", .help = "Pattern, such as user:*" },
    { WF_NAMED("getValues"), WF_F_BOOL(struct config, get_values), .def = "true",
      .show_if = "operation=keys", .help = "Get their values too" },
    { WF_P_STR(struct config, list), .flags = WF_REQUIRED | WF_EXPR,
      .show_if = "operation=llen|pop|push", .help = "The list" },
    { WF_P_BOOL(struct config, tail), .show_if = "operation=pop|push",
      .help = "At its end, not at its beginning" },
    { WF_P_STR(struct config, channel), .flags = WF_REQUIRED | WF_EXPR,
      .show_if = "operation=publish", .help = "The channel" },
    { WF_NAMED("messageData"), WF_F_STR(struct config, message), .flags = WF_EXPR,
      .show_if = "operation=publish|push", .help = "The message" },
    { WF_P_STR(struct config, field), .flags = WF_REQUIRED | WF_EXPR,
      .show_if = "operation=hget|hset", .help = "The field" },
    { WF_P_DOUBLE(struct config, score), .flags = WF_EXPR, .show_if = "operation=zadd",
      .help = "The score" },
    { WF_P_STR(struct config, member), .flags = WF_REQUIRED | WF_EXPR, .show_if = "operation=zadd",
      .help = "The member" },
    { WF_P_INT(struct config, start), .flags = WF_EXPR, .show_if = "operation=zrange",
      .help = "First rank; negative: from the end" },
    { WF_P_INT(struct config, stop), .flags = WF_EXPR, .def = "-1", .show_if = "operation=zrange",
      .help = "Last rank" },
    { WF_NAMED("withScores"), WF_F_BOOL(struct config, with_scores), .show_if = "operation=zrange",
      .help = "Objects with member and score" },
    { WF_P_BOOL(struct config, reverse), .show_if = "operation=zrange",
      .help = "Highest score first" },
    { WF_P_STR(struct config, script), .flags = WF_REQUIRED | WF_RAW | WF_MULTILINE,
      .show_if = "operation=eval", .help = "The script, Lua of the server" },
    { WF_NAMED("keys"), WF_F_LIST(struct config, keys, text_rows, struct text_row),
      .show_if = "operation=eval", .help = "Keys it touches: KEYS" },
    { WF_NAMED("arguments"), WF_F_LIST(struct config, args, text_rows, struct text_row),
      .show_if = "operation=eval", .help = "Other values: ARGV" },
    { WF_NAMED("options.dotNotation"), WF_F_BOOL(struct config, dots), .def = "true",
      .show_if = "operation=get|pop|hget|hgetall|zrange|eval",
      .help = "A dot in propertyName leads into an object" },
    { WF_NAMED("options.timeout"), WF_F_MS(struct config, timeout_ms), .def = "10s",
      .help = "How long an item waits for its answer" },
    WF_END,
};

static const wf_pair codes[] = {
    WF_CONN_CODES,
    { "busy", "The server cannot do it now: loading, out of memory, read only" },
    { "value", "The value is not of the key's type" },
    { "rejected", "The server refused the command" },
    { "cluster", "The server is one of a cluster and the key belongs to another" },
    { NULL, NULL },
};

static void process(const wf_host *h, wf_item *const *items, size_t n)
{
    wf_conn_take(h->state(items[0]), items, n);
}

static const char docs[] =
    "One connection per worker and node; the commands of all items that stand here leave in one\n"
    "pipeline, in order. While the server is away items wait for the connection and are tried "
    "again\n"
    "with back-off. A connection that breaks under `incr`, `push`, `pop`, `publish` or `eval` "
    "leaves\n"
    "open whether the command was run: such an item ends as `unknown` and is not tried again.\n"
    "\n"
    "Operations that write hand their item on; `get`, `pop`, `hget`, `hgetall`, `zrange` and "
    "`eval`\n"
    "give `{<propertyName>: value}`, `incr` and `llen` `{<key>: number}`, `keys` `{<key>: value}` "
    "or\n"
    "`{\"keys\": [...]}`. `set` of a list or set replaces it, of a hash sets fields, each as one\n"
    "transaction. `keys` looks at every key of the server: not for large ones.\n"
    "\n"
    "By TLS with `ssl`: the server's certificate is verified, for its host's name or `serverName`, "
    "against the\n"
    "system's authorities or `caFile`. Of a cluster each node serves its own keys alone: other "
    "keys "
    "fail as\n"
    "`cluster`. A server that became a replica is left, and its name looked up again.\n"
    "\n"
    "Lua steps (`catalyst.code`) have `redis.call(command, ..)` over a connection of their own.\n"
    "\n"
    "```json\n"
    "{\"type\": \"catalyst.redis\", \"parameters\": {\"operation\": \"set\", \"key\": \"=user:{{ "
    "$json.id }}\",\n"
    " \"value\": \"={{ $json.name }}\", \"expire\": true, \"ttl\": 3600},\n"
    " \"credentials\": {\"redis\": {\"name\": \"cache\"}}}\n"
    "```\n";

static const wf_param cred_fields[] = {
    { .name = "host", .type = WF_STRING, .def = "localhost", .help = "Host" },
    { .name = "port", .type = WF_INT, .def = "6379", .help = "Port", .min = 1, .max = 65535 },
    { .name = "user", .type = WF_STRING, .help = "User; empty: the default one" },
    { .name = "password", .type = WF_STRING, .flags = WF_SECRET, .help = "Password" },
    { .name = "database",
      .type = WF_INT,
      .def = "0",
      .help = "Number of the database",
      .min = 0,
      .max = INT32_MAX },
    { .name = "path",
      .type = WF_STRING,
      .help = "Path of the server's local socket, instead of host and port" },
    { .name = "ssl", .type = WF_BOOL, .def = "false", .help = "By TLS" },
    { .name = "caFile",
      .type = WF_STRING,
      .help = "File with the authorities that sign the server's certificate, PEM; empty: the "
              "system's" },
    { .name = "certFile",
      .type = WF_STRING,
      .help = "File with an own certificate, PEM, where the server asks for one" },
    { .name = "keyFile",
      .type = WF_STRING,
      .flags = WF_SECRET,
      .help = "File with its key, PEM; empty: it is in certFile" },
    { .name = "serverName",
      .type = WF_STRING,
      .help = "Name that the server's certificate must have; empty: the host" },
    { .name = "disableTlsVerification",
      .type = WF_BOOL,
      .def = "false",
      .help = "Take any certificate: whoever is in the middle can read and write" },
    WF_END,
};
static const wf_cred_type creds[] = { { "redis", "Redis server and login", cred_fields } };

static const char *const ports[] = { "main", NULL };
static const char *const aliases[] = { "n8n-nodes-base.redis", NULL };
static const wf_node nodes[] = {
    { .type = "catalyst.redis",
      .help = "Read and write keys of Redis",
      .ports = ports,
      .params = params,
      .config_size = sizeof(struct config),
      .process = process,
      .open = conn_open,
      .close = conn_close,
      .codes = codes,
      .flags = WF_NODE_EFFECT,
      .group = "channel",
      .docs = docs,
      .aliases = aliases },
};

WF_PLUGIN_CREDS("redis", "1.0.0", nodes, creds);
