/* SPDX-License-Identifier: Apache-2.0
 * JSON Schema of the workflow format, with one definition per node type of the registry.
 *
 * Fields that nobody here knows are let through: exports of other tools carry their own, and they
 * are kept. A node's type picks the definition of its parameters by if/then. Thread: any; nothing
 * blocks.
 */
#include "plugin/schema_int.h"
#include <stdio.h>

static void add_string(struct out *o, const char *key, const char *help)
{
    out_key(o, key);
    out_open(o, '{');
    out_pair(o, "type", "string");
    out_pair(o, "description", help);
    out_close(o, '}');
}

static void add_typed(struct out *o, const char *key, const char *type, const char *help)
{
    out_key(o, key);
    out_open(o, '{');
    out_pair_raw(o, "type", type);
    out_pair(o, "description", help);
    out_close(o, '}');
}

static void add_enum(struct out *o, const char *key, const char *values, const char *help)
{
    out_key(o, key);
    out_open(o, '{');
    out_pair_raw(o, "enum", values);
    out_pair(o, "description", help);
    out_close(o, '}');
}

static void add_settings(struct out *o)
{
    out_key(o, "settings");
    out_open(o, '{');
    out_pair(o, "type", "object");
    out_key(o, "properties");
    out_open(o, '{');
    add_enum(o, "durability", "[\"none\",\"at_least_once\",\"exactly_once\",\"each_step\"]",
             "What is promised after a crash; exactly_once when missing");
    add_enum(o, "executionOrder", "[\"v0\",\"v1\"]",
             "v1: depth first, by position; missing or v0: the legacy order");
    add_string(o, "timezone", "IANA name, or DEFAULT");
    add_typed(o, "errorWorkflow", "[\"string\",\"object\"]",
              "Id of the workflow that is started when this one fails");
    add_typed(o, "executionTimeout", "[\"number\",\"string\"]",
              "Seconds an execution may take; -1: no limit");
    add_typed(o, "concurrency", "[\"object\",\"integer\"]",
              "{limit, key}: executions that run at the same time");
    add_typed(o, "rateLimit", "[\"object\",\"integer\"]",
              "{count, per, key}: executions that start in a time");
    add_typed(o, "deadline", "[\"integer\",\"string\"]", "Time after which an execution is ended");
    add_typed(o, "retention", "[\"integer\",\"string\"]", "How long executions are kept");
    add_typed(o, "priority", "\"integer\"", "Higher ones run first");
    add_typed(o, "save", "[\"string\",\"integer\",\"object\"]",
              "Which executions are kept: all, errors, none, sample");
    add_typed(o, "deadLetter", "[\"string\",\"object\"]",
              "Topic for messages whose execution failed");
    add_typed(o, "parallel", "\"boolean\"", "Independent branches with outside effects overlap");
    out_close(o, '}');
    out_close(o, '}');
}

static void add_node_fields(struct out *o)
{
    add_string(o, "id", "Stable id of the node");
    add_string(o, "name", "Unique in the workflow; connections and expressions use it");
    add_string(o, "type", "Node type, such as catalyst.if");
    add_typed(o, "typeVersion", "\"number\"", "Version of the node's parameters");
    out_pair_raw(o, "position",
                 "{\"type\":\"array\",\"prefixItems\":[{\"type\":\"number\"},{\"type\":\"number\"}]"
                 ",\"minItems\":2,"
                 "\"description\":\"x and y on the canvas; they order branches\"}");
    add_typed(o, "parameters", "\"object\"", "By node type, see the definitions");
    out_pair_raw(o, "credentials",
                 "{\"type\":\"object\",\"additionalProperties\":{\"type\":[\"object\",\"string\"]},"
                 "\"description\":\"References by type, never the secret\"}");
    add_typed(o, "disabled", "\"boolean\"", "Items of input 0 pass it unchanged");
    add_string(o, "notes", "A comment");
    add_typed(o, "notesInFlow", "\"boolean\"", "The comment shows on the canvas");
    add_enum(o, "onError", "[\"stopWorkflow\",\"continueRegularOutput\",\"continueErrorOutput\"]",
             "What happens to an item that fails");
    add_typed(o, "continueOnFail", "\"boolean\"", "Older form of continueRegularOutput");
    add_typed(o, "retryOnFail", "\"boolean\"", "Failed items are tried again");
    add_typed(o, "maxTries", "\"integer\"", "With retryOnFail");
    add_typed(o, "waitBetweenTries", "\"integer\"", "With retryOnFail, milliseconds");
    add_typed(o, "retry", "\"object\"",
              "{tries, first_ms, factor, max_ms, jitter}: retries with back-off");
    add_typed(o, "timeout_ms", "[\"integer\",\"string\"]", "How long an item may take here");
    add_typed(o, "idempotencyKey", "\"string\"",
              "Expression for the key that outside requests carry");
    add_typed(o, "alwaysOutputData", "\"boolean\"", "An empty output becomes one empty item");
    add_typed(o, "executeOnce", "\"boolean\"", "Only the first item is taken");
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

static void add_choice_of_type(struct out *o, const struct node_type *type)
{
    const char *const *alias = type->node.aliases;
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
    out_text(o, type->type);
    for (; alias && *alias; alias++)
        out_text(o, *alias);
    out_close(o, ']');
    out_close(o, '}');
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

static void add_nodes(struct out *o, const struct plugin_set *set)
{
    out_key(o, "nodes");
    out_open(o, '{');
    out_pair(o, "type", "array");
    out_key(o, "items");
    out_open(o, '{');
    out_pair(o, "type", "object");
    out_pair_raw(o, "required", "[\"name\",\"type\"]");
    out_key(o, "properties");
    out_open(o, '{');
    add_node_fields(o);
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
    add_string(&o, "id", "Id of the workflow");
    add_string(&o, "name", "What people call it");
    add_typed(&o, "active", "\"boolean\"", "Its triggers listen");
    add_nodes(&o, set);
    out_pair_raw(&o, "connections",
                 "{\"type\":\"object\",\"description\":\"By name of the source node: {main: "
                 "[[{node, type, index}]]}\","
                 "\"additionalProperties\":{\"type\":\"object\",\"additionalProperties\":{\"type\":"
                 "\"array\",\"items\":"
                 "{\"type\":[\"array\",\"null\"],\"items\":{\"type\":\"object\",\"required\":["
                 "\"node\"],\"properties\":"
                 "{\"node\":{\"type\":\"string\"},\"type\":{\"type\":\"string\"},\"index\":{"
                 "\"type\":\"integer\","
                 "\"minimum\":0}}}}}}}");
    add_settings(&o);
    add_typed(&o, "pinData", "\"object\"",
              "Items by node name that stand in for the node's output in tests");
    out_close(&o, '}');
    out_key(&o, "$defs");
    out_open(&o, '{');
    schema_shared_defs(&o);
    for (size_t i = 0; i < set->n_nodes; i++) {
        out_key(&o, set->nodes[i]->type);
        schema_parameters(&o, set->nodes[i]);
    }
    out_close(&o, '}');
    out_close(&o, '}');
}
