/* SPDX-License-Identifier: Apache-2.0
 * JSON Schema of the workflow format, with one definition per node type of the registry.
 *
 * Fields that nobody here knows are let through: exports of other tools carry their own, and they
 * are kept. A node's type picks the definition of its parameters by if/then. Thread: any; nothing
 * blocks.
 */
#include "plugin/schema_int.h"
#include <stdio.h>

/* A field of the format: the words of its schema, and what an editor shows. They say what the
 * compiler (workflow/settings.c, node.c, compile.c) takes, and a test compares. */
struct field {
    const char *name, *schema, *help;
};

#define TEXT          "\"$ref\":\"#/$defs/text\""
#define BOOL          "\"type\":\"boolean\""
#define DURATION      "\"$ref\":\"#/$defs/duration\""
#define EXPRESSION    "\"$ref\":\"#/$defs/expression\""
#define INT(min, max) "\"type\":\"integer\",\"minimum\":" #min ",\"maximum\":" #max
#define UINT32        INT(1, 4294967295)
#define ANY_OF(a, b)  "\"anyOf\":[{" a "},{" b "}]"
#define OBJECT(required, properties)                                                               \
    "\"type\":\"object\",\"required\":[" required "],\"properties\":{" properties "}"
#define MEMBER(name, schema) "\"" name "\":{" schema "}"
#define KEPT                 "\"enum\":[\"DEFAULT\",\"all\",\"none\"]"
#define TRISTATE             "\"enum\":[\"DEFAULT\",\"true\",\"false\",true,false]"

static const struct field settings[] = {
    { "durability", "\"enum\":[\"none\",\"at_least_once\",\"exactly_once\",\"each_step\"]",
      "What is promised after a crash; exactly_once when missing" },
    { "executionOrder", "\"enum\":[\"v0\",\"v1\"]",
      "v1: depth first, by position; missing or v0: the legacy order" },
    { "timezone",
      "\"type\":\"string\",\"maxLength\":63,\"pattern\":\"^[A-Za-z0-9_+-]+(/[A-Za-z0-9_+-]+)*$\"",
      "IANA name, or DEFAULT" },
    { "executionTimeout",
      ANY_OF("\"type\":\"number\",\"minimum\":-1,\"maximum\":1000000000",
             DURATION ",\"type\":\"string\""),
      "Seconds an execution may take, or a time such as \"90s\"; -1: no limit" },
    { "maxNodeRuns", "\"type\":\"integer\",\"minimum\":1",
      "How often nodes may run in one execution; 10000 when missing" },
    { "save",
      "\"type\":\"string\",\"maxLength\":21,"
      "\"pattern\":\"^(all|errors|none|sample 1 in 0*[1-9][0-9]*)$\"",
      "Which executions are kept: all, errors, none, or \"sample 1 in 100\"" },
    { "saveDataSuccessExecution", KEPT, "Whether good executions are kept; save wins" },
    { "saveDataErrorExecution", KEPT, "Whether failed executions are kept; save wins" },
    { "errorWorkflow",
      ANY_OF(TEXT, "\"type\":\"object\",\"properties\":{" MEMBER("value", TEXT) "}"),
      "Id of the workflow that is started when this one fails" },
    { "deadLetter", "\"type\":\"string\",\"pattern\":\"^[A-Za-z0-9._-]{1,249}$\"",
      "Topic for messages whose execution failed" },
    { "concurrency",
      ANY_OF(UINT32, OBJECT("\"limit\"", MEMBER("limit", UINT32) "," MEMBER("key", EXPRESSION))),
      "Executions that run at the same time, also by key: {limit, key}" },
    { "rateLimit",
      OBJECT("\"count\",\"per\"",
             MEMBER("count", UINT32) "," MEMBER(
                 "per", DURATION ",\"minimum\":1,\"not\":{\"pattern\":\"^[ "
                                 "\\t]*[0.]+[^0-9.]*$\"}") "," MEMBER("key", EXPRESSION)),
      "Executions that start in a time: {count, per, key}" },
    { "priority", INT(0, 100), "Higher ones run first" },
    { "parallel", BOOL, "Independent branches with outside effects overlap" },
    { "deadline", DURATION, "Time after which an execution is ended" },
    { "retention", DURATION, "How long executions are kept" },
    { "redactionPolicy", "\"enum\":[\"none\",\"all\",\"non-manual\",\"manual-only\"]",
      "Whose data is hidden" },
    { "saveManualExecutions", TRISTATE, "Of n8n, without effect" },
    { "saveExecutionProgress", TRISTATE, "Of n8n, without effect: durability each_step does it" },
    { "binaryMode", "\"enum\":[\"separate\",\"combined\"]", "Of n8n, without effect" },
    { "callerPolicy",
      "\"enum\":[\"any\",\"none\",\"workflowsFromAList\",\"workflowsFromSameOwner\"]",
      "Of n8n, without effect" },
    { "callerIds", TEXT, "Of n8n, without effect" },
    { "timeSavedPerExecution", "\"type\":\"number\",\"minimum\":0", "Of n8n, without effect" },
    { "timeSavedMode", TEXT, "Of n8n, without effect" },
    { "availableInMCP", BOOL, "Of n8n, without effect" },
    { "credentialResolverId", TEXT, "Of n8n, without effect" },
    { 0 },
};

/* Beside "type", whose values are those of the registry. */
static const struct field node_fields[] = {
    { "id", TEXT, "Stable id of the node" },
    { "name", TEXT ",\"minLength\":1,\"maxLength\":256",
      "Unique in the workflow; connections and expressions use it" },
    { "typeVersion", "\"type\":\"number\",\"minimum\":0", "Version of the node's parameters" },
    { "position",
      "\"type\":\"array\",\"prefixItems\":[{\"type\":\"number\"},{\"type\":\"number\"}],"
      "\"minItems\":2,\"maxItems\":2",
      "x and y on the canvas; they order branches" },
    { "parameters", "\"type\":\"object\"", "By node type, see the definitions" },
    { "credentials",
      "\"type\":\"object\",\"additionalProperties\":{\"type\":[\"object\",\"string\"]}",
      "References by type, never the secret" },
    { "disabled", BOOL, "Items of input 0 pass it unchanged" },
    { "notes", "", "A comment" },
    { "notesInFlow", "", "The comment shows on the canvas" },
    { "onError", "\"enum\":[\"stopWorkflow\",\"continueRegularOutput\",\"continueErrorOutput\"]",
      "What happens to an item that fails" },
    { "continueOnFail", BOOL, "Older form of continueRegularOutput" },
    { "retryOnFail", BOOL, "Failed items are tried again" },
    { "maxTries", INT(1, 1000000), "With retryOnFail" },
    { "waitBetweenTries", DURATION, "With retryOnFail, milliseconds" },
    { "retry",
      OBJECT("",
             MEMBER("tries", INT(1, 1000000)) "," MEMBER("first_ms", DURATION) "," MEMBER(
                 "factor", "\"type\":\"number\",\"minimum\":1,\"maximum\":"
                           "1000") "," MEMBER("max_ms", DURATION) "," MEMBER("jitter", "\"type\":"
                                                                                       "\"number\""
                                                                                       ",\"minimum"
                                                                                       "\":0,"
                                                                                       "\"maximum"
                                                                                       "\":1")),
      "Retries with back-off: {tries, first_ms, factor, max_ms, jitter}" },
    { "timeout_ms", DURATION, "How long an item may take here" },
    { "idempotencyKey", EXPRESSION, "Expression for the key that outside requests carry" },
    { "alwaysOutputData", BOOL, "An empty output becomes one empty item" },
    { "executeOnce", BOOL, "Only the first item is taken" },
    { 0 },
};

#define TARGET                                                                                     \
    OBJECT("\"node\"", MEMBER("node", "\"type\":\"string\"") "," MEMBER(                           \
                           "type", "\"const\":\"main\"") "," MEMBER("index", INT(0, 65534)))
#define LISTS(of) "\"type\":[\"array\",\"null\"],\"items\":{\"type\":[\"array\",\"null\"]," of "}"
#define OBJECTS   "\"type\":\"array\",\"items\":{\"type\":\"object\"}"

/* Beside "nodes". What n8n leaves behind of other types of connections is empty. */
static const struct field top_fields[] = {
    { "id", TEXT ",\"minLength\":1", "Id of the workflow; its name when missing" },
    { "name", TEXT ",\"minLength\":1,\"maxLength\":256", "What people call it" },
    { "active", BOOL, "Its triggers listen" },
    { "isArchived", BOOL, "Of n8n, without effect" },
    { "connections",
      "\"type\":\"object\",\"additionalProperties\":{\"type\":\"object\",\"properties\":{" MEMBER(
          "main", LISTS("\"items\":{" TARGET
                        "}")) "},\"additionalProperties\":{" LISTS("\"maxItems\":0") "}}",
      "By name of the source node: {main: [[{node, type, index}]]}" },
    { "pinData", "\"type\":\"object\",\"additionalProperties\":{" OBJECTS "}",
      "Items by node name that stand in for the node's output in tests" },
    { 0 },
};

static void add_fields(struct out *o, const struct field *f)
{
    for (; f->name; f++) {
        out_key(o, f->name);
        out_open(o, '{');
        if (*f->schema)
            out_raw(o, f->schema);
        out_pair(o, "description", f->help);
        out_close(o, '}');
    }
}

static void add_settings(struct out *o)
{
    out_key(o, "settings");
    out_open(o, '{');
    out_pair(o, "type", "object");
    out_key(o, "properties");
    out_open(o, '{');
    add_fields(o, settings);
    out_close(o, '}');
    out_close(o, '}');
}

/* In a reference, "~" and "/" of a name are written "~0" and "~1". */
static void add_reference(struct out *o, const char *type)
{
    struct arena scratch;
    arena_init(&scratch, NULL, 0);
    char *to = arena_alloc(&scratch, strlen(type) * 2 + 32), *end = to;
    end += sprintf(end, "#/$defs/");
    for (; *type; type++)
        if (*type == '~' || *type == '/')
            end += sprintf(end, "~%c", *type == '/' ? '1' : '0');
        else
            *end++ = *type;
    *end = 0;
    out_pair(o, "$ref", to);
    arena_fini(&scratch);
}

static void add_names(struct out *o, const struct node_type *type)
{
    const char *const *alias = type->node.aliases;
    out_text(o, type->type);
    for (; alias && *alias; alias++)
        out_text(o, *alias);
}

/* The parameters of a disabled node may be wrong. */
static void add_choice_of_type(struct out *o, const struct node_type *type)
{
    out_open(o, '{');
    out_key(o, "if");
    out_open(o, '{');
    out_pair_raw(o, "required", "[\"type\"]");
    out_key(o, "properties");
    out_open(o, '{');
    out_key(o, "type");
    out_open(o, '{');
    out_key(o, "enum");
    out_open(o, '[');
    add_names(o, type);
    out_close(o, ']');
    out_close(o, '}');
    out_pair_raw(o, "disabled", "{\"const\":false}");
    out_close(o, '}');
    out_close(o, '}');
    out_key(o, "then");
    out_open(o, '{');
    out_key(o, "properties");
    out_open(o, '{');
    out_key(o, "parameters");
    out_open(o, '{');
    add_reference(o, type->type);
    out_close(o, '}');
    out_close(o, '}');
    out_close(o, '}');
    out_close(o, '}');
}

/* Notes are nodes of the canvas only. */
static void add_type(struct out *o, const struct plugin_set *set)
{
    out_key(o, "type");
    out_open(o, '{');
    out_key(o, "enum");
    out_open(o, '[');
    for (size_t i = 0; i < set->n_nodes; i++)
        add_names(o, set->nodes[i]);
    out_text(o, "n8n-nodes-base.stickyNote");
    out_close(o, ']');
    out_pair(o, "description", "Node type, such as catalyst.if");
    out_close(o, '}');
}

static void add_nodes(struct out *o, const struct plugin_set *set)
{
    out_key(o, "nodes");
    out_open(o, '{');
    out_pair(o, "type", "array");
    out_pair_raw(o, "minItems", "1");
    out_pair_raw(o, "maxItems", "10000");
    out_key(o, "items");
    out_open(o, '{');
    out_pair(o, "type", "object");
    out_pair_raw(o, "required", "[\"name\",\"type\"]");
    out_key(o, "properties");
    out_open(o, '{');
    add_type(o, set);
    add_fields(o, node_fields);
    out_close(o, '}');
    if (set->n_nodes) {
        out_key(o, "allOf");
        out_open(o, '[');
        for (size_t i = 0; i < set->n_nodes; i++)
            add_choice_of_type(o, set->nodes[i]);
        out_close(o, ']');
    }
    out_close(o, '}');
    out_close(o, '}');
}

/* Texts hold no control characters. */
static void add_format_defs(struct out *o)
{
    out_pair_raw(o, "text", "{\"type\":\"string\",\"not\":{\"pattern\":\"[\\u0000-\\u001f]\"}}");
    out_pair_raw(o, "duration",
                 "{\"type\":[\"integer\",\"string\"],\"minimum\":0,\"pattern\":"
                 "\"^[ \\t]*[0-9]+([.][0-9]{1,9})?[ \\t]*(ms|s|m|min|h|d|w)?[ \\t]*$\"}");
}

void schema_workflow(struct strbuf *b, const struct plugin_set *set)
{
    struct out o = { .b = b };
    out_open(&o, '{');
    out_pair(&o, "$schema", SCHEMA_DRAFT);
    out_pair(&o, "title", "Catalyst workflow");
    out_pair(&o, "type", "object");
    out_pair_raw(&o, "required", "[\"nodes\"]");
    out_key(&o, "properties");
    out_open(&o, '{');
    add_nodes(&o, set);
    add_settings(&o);
    add_fields(&o, top_fields);
    out_close(&o, '}');
    out_key(&o, "$defs");
    out_open(&o, '{');
    schema_shared_defs(&o);
    add_format_defs(&o);
    for (size_t i = 0; i < set->n_nodes; i++) {
        out_key(&o, set->nodes[i]->type);
        schema_parameters(&o, set->nodes[i]);
    }
    out_close(&o, '}');
    out_close(&o, '}');
}
