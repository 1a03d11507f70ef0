/* SPDX-License-Identifier: Apache-2.0
 * Connections: names and indices of the text become edges of integers. Pinned data is checked here
 * as well, because it is keyed by node names in the same way.
 *
 *   connections[source name]["main"][output] = [{node, type, index}, ...] or null
 *
 * Order matters: n8n runs what follows a node in an order that people rely on. With executionOrder
 * v1 that is the place on the canvas, top to bottom and then left to right; in the legacy order it
 * is the order in which the connections are written.
 *
 * Thread: the compilation's.
 */
#include "workflow/workflow_int.h"
#include <stdlib.h>

/* --- reading ---------------------------------------------------------------------------------- */

static void add_link(struct compile *c, uint32_t from, struct plan_edge edge, uint32_t offset)
{
    if (c->n_links == c->links_size) {
        c->links_size = c->links_size ? 2 * c->links_size : 64;
        struct link_at *more = ARENA_ARRAY(&c->scratch, struct link_at, c->links_size);
        if (c->n_links)
            memcpy(more, c->links, c->n_links * sizeof *more);
        c->links = more;
    }
    c->links[c->n_links] = (struct link_at){ from, edge, offset, c->n_links };
    c->n_links++;
}

/* The ports of a node as people see them: "2 outputs (true, false)". */
static const char *describe_ports(struct compile *c, const struct plan_node *n, bool inputs)
{
    unsigned count = inputs ? n->n_inputs : n->n_outputs;
    const char *const *names = inputs ? n->type->node.inputs : n->type->node.ports;
    unsigned declared = names ? (inputs ? n->type->n_inputs : n->type->n_ports) : 0;
    struct strbuf b;
    strbuf_init(&b, 2000);
    strbuf_addf(&b, "%u %s%s", count, inputs ? "input" : "output", count == 1 ? "" : "s");
    unsigned own = count - (!inputs && n->error_port >= 0);
    if (declared == own && own > 1 && own < 10) {
        for (unsigned i = 0; i < own; i++)
            strbuf_addf(&b, "%s%s", i ? ", " : " (", names[i]);
        strbuf_adds(&b, n->error_port >= 0 && !inputs ? ", error)" : ")");
    }
    const char *text = arena_strdup(&c->scratch, strbuf_str(&b).ptr);
    strbuf_fini(&b);
    return text;
}

/* The node that a connection names, or -1 after the mistake was reported. */
static int find_target(struct compile *c, struct at target)
{
    struct at v = at_field(c, target, "node");
    if (!v.json || v.json->type != JSON_STRING) {
        mistake(c, v,
                "a connection must name its target: {\"node\": \"...\", \"type\": \"main\", "
                "\"index\": 0}");
        return -1;
    }
    wf_str name = json_str(v.json);
    int to = compile_find(c, name);
    const char *text = arena_str(&c->scratch, name.ptr, name.len).ptr;
    if (to < 0)
        mistake(c, v, "a connection leads to '%s', but no node has this name%s", text,
                issue_hint(c, text, c->names, c->n_names));
    else if (c->places[to].note)
        mistake(c, v, "a connection leads to '%s', which is a note", text);
    else if (c->nodes[to].type && c->nodes[to].type->node.flags & WF_NODE_TRIGGER)
        mistake(c, v,
                "a connection leads to '%s', which is a trigger: it starts executions and takes no "
                "input",
                text);
    else
        return to;
    return -1;
}

/* A connection's type, which may be left out. */
static bool check_kind(struct compile *c, const char *kind, uint32_t offset)
{
    static const char *const known[] = { "main" };
    if (!strcmp(kind, "main"))
        return true;
    if (!strncmp(kind, "ai_", 3))
        issue_at(c, offset, false,
                 "connections of type %s join the parts of an AI agent, which Catalyst does not"
                 " have; only main carries items",
                 kind);
    else
        issue_at(c, offset, false, "unknown connection type '%s'%s", kind,
                 issue_hint(c, kind, known, 1));
    return false;
}

static void read_target(struct compile *c, uint32_t from, uint32_t port, struct at target)
{
    if (!is_object(target)) {
        mistake(c, target, "a connection must be an object {node, type, index}, got %s",
                json_type_name(target.json));
        return;
    }
    int64_t input = 0;
    int to = find_target(c, target);
    const char *kind = at_text(c, target, "type");
    bool kind_ok = !kind || check_kind(c, kind, at_field(c, target, "type").spot->at);
    bool input_ok =
        at_int(c, target, "index", 0, UINT16_MAX - 1, &input) || !at_field(c, target, "index").json;
    if (to < 0 || !kind_ok || !input_ok)
        return;
    const struct plan_node *n = &c->nodes[to];
    if (n->type && c->places[to].ports_known && input >= n->n_inputs) {
        mistake(c, at_field(c, target, "index"),
                "there is no input %lld: '%s' has %s, counted from 0", (long long)input, n->name,
                describe_ports(c, n, true));
        return;
    }
    struct plan_edge edge = { .port = (uint16_t)port,
                              .input = (uint16_t)input,
                              .to = (uint32_t)to };
    add_link(c, from, edge, target.spot->at);
}

/* One output's list of targets. */
static void read_output(struct compile *c, uint32_t from, uint32_t port, struct at list)
{
    const struct plan_node *n = &c->nodes[from];
    if (list.json->type == JSON_NULL)
        return;
    if (!is_array(list)) {
        mistake(c, list, "an output must be a list of connections or null, got %s",
                json_type_name(list.json));
        return;
    }
    if (list.json->len && n->type && c->places[from].ports_known && port >= n->n_outputs) {
        mistake(c, list, "there is no output %u: '%s' has %s, counted from 0", port, n->name,
                describe_ports(c, n, false));
        return;
    }
    if (c->n_links + list.json->len > EDGES_MAX || port >= UINT16_MAX) {
        mistake(c, list, "more connections than a workflow may have (%d)", EDGES_MAX);
        return;
    }
    for (uint32_t i = 0; i < list.json->len; i++)
        read_target(c, from, port, at_element(c, list, i));
}

static void read_main(struct compile *c, uint32_t from, struct at outputs)
{
    if (outputs.json->type == JSON_NULL)
        return;
    if (!is_array(outputs)) {
        mistake(c, outputs,
                "main must be an array with a list of connections for each output, got %s",
                json_type_name(outputs.json));
        return;
    }
    for (uint32_t port = 0; port < outputs.json->len; port++)
        read_output(c, from, n8n_output(&c->nodes[from], port), at_element(c, outputs, port));
}

/* Whether anything is connected at all: n8n leaves empty lists behind. */
static bool has_targets(const struct json *outputs)
{
    if (outputs->type != JSON_ARRAY)
        return outputs->type != JSON_NULL;
    for (uint32_t i = 0; i < outputs->len; i++)
        if (outputs->elements[i].type != JSON_NULL &&
            (outputs->elements[i].type != JSON_ARRAY || outputs->elements[i].len))
            return true;
    return false;
}

static void read_kinds(struct compile *c, uint32_t from, struct at kinds)
{
    at_check_doubles(c, kinds);
    for (uint32_t i = 0; i < kinds.json->len; i++) {
        const char *kind;
        struct at outputs = at_member(c, kinds, i, &kind);
        if (has_targets(outputs.json) && check_kind(c, kind, place_key(outputs.spot)))
            read_main(c, from, outputs);
    }
}

static void read_source(struct compile *c, const char *name, struct at kinds)
{
    int from = compile_find(c, str_of(name));
    if (from < 0) {
        mistake_key(c, kinds, "connections leave '%s', but no node has this name%s", name,
                    issue_hint(c, name, c->names, c->n_names));
        return;
    }
    c->node = c->nodes[from].name;
    if (!is_object(kinds))
        mistake(c, kinds, "connections of a node must be an object {\"main\": [[...]]}, got %s",
                json_type_name(kinds.json));
    else if (c->places[from].note && kinds.json->len)
        mistake_key(c, kinds, "a note has no connections");
    else
        read_kinds(c, (uint32_t)from, kinds);
    c->node = NULL;
}

/* --- edges of the plan ------------------------------------------------------------------------ */

static int by_canvas(const void *a, const void *b, void *ctx)
{
    const struct link_at *x = a, *y = b;
    const struct compile *c = ctx;
    const struct plan_node *n = &c->nodes[x->edge.to], *m = &c->nodes[y->edge.to];
    if (x->from != y->from)
        return x->from < y->from ? -1 : 1;
    if (c->plan->settings.order_v1) {
        if (n->y != m->y)
            return n->y < m->y ? -1 : 1;
        if (n->x != m->x)
            return n->x < m->x ? -1 : 1;
        int names = strcmp(n->name, m->name);
        if (names)
            return names;
    }
    if (x->edge.port != y->edge.port)
        return x->edge.port < y->edge.port ? -1 : 1;
    return x->order < y->order ? -1 : x->order > y->order;
}

/* Ports of a node whose parameters could not be read (it is disabled, or the plan is lost anyway).
 */
static void widen(struct compile *c, const struct link_at *link)
{
    struct plan_node *from = &c->nodes[link->from], *to = &c->nodes[link->edge.to];
    if (from->n_outputs <= link->edge.port)
        from->n_outputs = (uint16_t)(link->edge.port + 1);
    if (to->n_inputs <= link->edge.input)
        to->n_inputs = (uint16_t)(link->edge.input + 1);
}

static void lay_edges(struct compile *c)
{
    struct plan_edge *edges = ARENA_ARRAY(&c->plan->arena, struct plan_edge, c->n_links);
    struct link_at *sorted = ARENA_ARRAY(&c->scratch, struct link_at, c->n_links);
    for (uint32_t i = 0; i < c->n_links; i++) {
        widen(c, &c->links[i]);
        sorted[i] = c->links[i];
    }
    if (c->n_links)
        qsort_r(sorted, c->n_links, sizeof *sorted, by_canvas, c);
    for (uint32_t i = 0; i < c->n_links; i++) {
        struct plan_node *from = &c->nodes[sorted[i].from];
        edges[i] = sorted[i].edge;
        if (!from->n_edges)
            from->edges = &edges[i];
        from->n_edges++;
    }
    for (uint32_t i = 0; i < c->n_nodes; i++)
        c->nodes[i].in_degree = ARENA_ARRAY(&c->plan->arena, uint16_t, c->nodes[i].n_inputs);
    for (uint32_t i = 0; i < c->n_links; i++)
        ((uint16_t *)(uintptr_t)c->nodes[edges[i].to].in_degree)[edges[i].input]++;
}

void compile_connections(struct compile *c)
{
    struct at of = at_field(c, c->root, "connections");
    uint32_t errors = c->report->n_errors;
    if (of.json && !is_object(of)) {
        mistake(c, of, "connections must be an object keyed by node name, got %s",
                json_type_name(of.json));
    } else if (of.json && of.json->len > NODES_MAX) {
        mistake(c, of, "connections of more nodes than a workflow may have (%d)", NODES_MAX);
    } else if (of.json) {
        at_check_doubles(c, of);
        for (uint32_t i = 0; i < of.json->len; i++) {
            const char *name;
            struct at kinds = at_member(c, of, i, &name);
            read_source(c, name, kinds);
        }
    }
    c->connections_right = c->report->n_errors == errors;
    lay_edges(c);
}

/* --- pinned data ------------------------------------------------------------------------------ */

static void check_pin(struct compile *c, const char *name, struct at items)
{
    if (compile_find(c, str_of(name)) < 0) {
        warn_key(c, items, "data is pinned to '%s', but no node has this name%s", name,
                 issue_hint(c, name, c->names, c->n_names));
        return;
    }
    c->node = name;
    if (!is_array(items))
        mistake(c, items, "pinned data must be an array of items, got %s",
                json_type_name(items.json));
    for (uint32_t i = 0; is_array(items) && i < items.json->len; i++)
        if (items.json->elements[i].type != JSON_OBJECT)
            mistake(c, at_element(c, items, i), "a pinned item must be an object, got %s",
                    json_type_name(&items.json->elements[i]));
    c->node = NULL;
}

void compile_pins(struct compile *c)
{
    struct at of = at_field(c, c->root, "pinData");
    if (!of.json)
        return;
    if (!is_object(of) || of.json->len > NODES_MAX) {
        mistake(c, of, "pinData must be an object of node names, got %s", json_type_name(of.json));
        return;
    }
    for (uint32_t i = 0; i < of.json->len; i++) {
        const char *name;
        struct at items = at_member(c, of, i, &name);
        check_pin(c, name, items);
    }
    c->plan->pin_data = of.json;
}
