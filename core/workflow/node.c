/* SPDX-License-Identifier: Apache-2.0
 * The nodes: names, types, places and flags. Parameters follow in bind.c, when all names are known,
 * because expressions look nodes up by name.
 *
 * A node that is wrong keeps its place in the plan's array, so that the later steps can go on and
 * find their own mistakes; the plan is thrown away in the end.
 *
 * Thread: the compilation's.
 */
#include "workflow/workflow_int.h"
#include <math.h>

static const char note_type[] = "n8n-nodes-base.stickyNote";

/* "name" and what follows are read elsewhere, too; this list is for the search of misspelt ones. */
static const char *const node_fields[] = { "id",
                                           "name",
                                           "type",
                                           "typeVersion",
                                           "position",
                                           "parameters",
                                           "credentials",
                                           "disabled",
                                           "notes",
                                           "notesInFlow",
                                           "webhookId",
                                           "retryOnFail",
                                           "maxTries",
                                           "waitBetweenTries",
                                           "alwaysOutputData",
                                           "executeOnce",
                                           "onError",
                                           "continueOnFail",
                                           "extendsCredential",
                                           "rewireOutputLogTo",
                                           "forceCustomOperation",
                                           "retry",
                                           "timeout_ms",
                                           "idempotencyKey",
                                           NULL };

/* The name by which mistakes call a node that has none yet. */
static const char *any_name(struct compile *c, struct at at)
{
    struct at name = at_field(c, at, "name"), id = at_field(c, at, "id");
    wf_str s = json_str(name.json);
    if (!s.len)
        s = json_str(id.json);
    return s.len ? arena_str(&c->scratch, s.ptr, s.len).ptr : NULL;
}

static void read_name(struct compile *c, uint32_t i, struct at at)
{
    struct at v = at_field(c, at, "name");
    const char *name = at_text(c, at, "name");
    c->nodes[i].name = "";
    if (!v.json)
        mistake(c, at, "node %u has no name", i + 1);
    if (!name)
        return;
    size_t len = strlen(name);
    if (!len || len > NAME_BYTES_MAX) {
        mistake(c, v, len ? "the name is longer than %d bytes" : "the name must not be empty",
                NAME_BYTES_MAX);
        return;
    }
    int before = compile_find(c, str_of(name));
    c->nodes[i].name = name;
    if (before >= 0) {
        mistake(c, v, "another node has this name (line %u); connections need it to be unique",
                locate_line(&c->locate, c->places[before].at.spot->at));
        return;
    }
    c->places[i].named = true;
    c->names[c->n_names++] = name;
    map_put(&c->by_name, name, len, (void *)((uintptr_t)i + 1));
}

int compile_find(const struct compile *c, wf_str name)
{
    return (int)(uintptr_t)map_get(&c->by_name, name.ptr, name.len) - 1;
}

/* `now` is the type that does today what `type` did. */
static const struct node_type *find_type(struct compile *c, struct at v, const char *type,
                                         const char *now)
{
    const struct plugin_set *set = c->options->plugins;
    const struct node_type *found = set ? plugin_find(set, type) : NULL;
    if (set && !found)
        found = plugin_find(set, now);
    if (found)
        return found;
    const char *near = set ? plugin_nearest(set, type) : NULL;
    if (near)
        mistake(c, v, "no plugin has the node type '%s'; did you mean '%s'?", type, near);
    else
        mistake(c, v, "no plugin has the node type '%s'; 'catalyst nodes' lists all there are",
                type);
    return NULL;
}

static void read_type(struct compile *c, struct plan_node *n, struct node_at *place, struct at at)
{
    struct at v = at_field(c, at, "type");
    const char *type = at_text(c, at, "type");
    n->type_name = type ? type : "";
    n->type_version = 1;
    at_number(c, at, "typeVersion", 0, INFINITY, &n->type_version);
    if (!v.json)
        mistake(c, at, "the node has no type");
    if (!type)
        return;
    place->note = !strcmp(type, note_type);
    if (!place->note)
        n->type = find_type(c, v, type, n8n_type(type, at_field(c, at, "parameters").json));
}

static void read_position(struct compile *c, struct plan_node *n, struct at at)
{
    struct at v = at_field(c, at, "position");
    if (!v.json)
        return;
    if (!is_array(v) || v.json->len != 2 || !json_double(&v.json->elements[0], &n->x) ||
        !json_double(&v.json->elements[1], &n->y))
        mistake(c, v, "position must be two numbers [x, y]");
}

static struct at read_object(struct compile *c, struct at at, const char *name)
{
    struct at v = at_field(c, at, name);
    if (v.json && !is_object(v)) {
        mistake(c, v, "%s must be an object, got %s", name, json_type_name(v.json));
        v.json = NULL;
    }
    return v;
}

static void read_node(struct compile *c, uint32_t i, struct at at)
{
    struct plan_node *n = &c->nodes[i];
    struct node_at *place = &c->places[i];
    *n = (struct plan_node){
        .index = i, .error_port = -1, .on_error = ON_ERROR_STOP, .retry.tries = 1
    };
    *place = (struct node_at){ .at = at,
                               .parameters = { NULL, at.spot },
                               .credentials = { NULL, at.spot } };
    n->name = n->id = n->type_name = "";
    c->node = any_name(c, at);
    if (!is_object(at)) {
        mistake(c, at, "a node must be an object, got %s", json_type_name(at.json));
        return;
    }
    at_check_names(c, at, "field", node_fields, false);
    read_name(c, i, at);
    const char *id = at_text(c, at, "id");
    n->id = id ? id : "";
    read_type(c, n, place, at);
    read_position(c, n, at);
    n->disabled = at_bool(c, at, "disabled", false);
    n->always_output = at_bool(c, at, "alwaysOutputData", false);
    n->execute_once = at_bool(c, at, "executeOnce", false);
    n->on_error = compile_on_error(c, at);
    compile_retry(c, n, at);
    at_ms(c, at, "timeout_ms", &n->timeout_ms);
    place->parameters = read_object(c, at, "parameters");
    n8n_parameters(c, n, &place->parameters);
    place->credentials = read_object(c, at, "credentials");
    n->parameters = place->parameters.json;
}

void compile_nodes(struct compile *c)
{
    struct at nodes = at_field(c, c->root, "nodes");
    if (!nodes.json) {
        mistake(c, c->root, "the workflow has no nodes: \"nodes\" must be an array of them");
        return;
    }
    if (!is_array(nodes)) {
        mistake(c, nodes, "nodes must be an array, got %s", json_type_name(nodes.json));
        return;
    }
    if (nodes.json->len > NODES_MAX) {
        mistake(c, nodes, "%u nodes are more than a workflow may have (%d)", nodes.json->len,
                NODES_MAX);
        return;
    }
    c->n_nodes = nodes.json->len;
    c->nodes = ARENA_ARRAY(&c->plan->arena, struct plan_node, c->n_nodes);
    c->places = ARENA_ARRAY(&c->scratch, struct node_at, c->n_nodes);
    c->names = ARENA_ARRAY(&c->scratch, const char *, c->n_nodes);
    for (uint32_t i = 0; i < c->n_nodes; i++)
        read_node(c, i, at_element(c, nodes, i));
    c->node = NULL;
    if (!c->n_nodes)
        mistake(c, nodes, "the workflow has no nodes");
}
