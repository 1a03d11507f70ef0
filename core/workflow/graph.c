/* SPDX-License-Identifier: Apache-2.0
 * The shape of the whole: cycles that never end, nodes that nothing leads to, triggers.
 *
 * Cycles are allowed: loops and polling need them. What is refused is a cycle that no branch
 * leaves. The rule, precisely. A node may send an item to any one of its outputs, and a copy to
 * every connection of that output. So
 *
 *   a node can end  when it has an output all of whose connections lead to nodes that can end
 *                   (an output without connections ends the item there),
 *                   or when it has no outputs.
 *
 * The outputs that count are those the node type has, and the error output when it is connected:
 * that one is a branch somebody drew. A disabled node passes everything to its output 0, so only
 * that counts. Every node that can not end by this rule leads into an endless cycle; each strongly
 * connected part of those nodes is one mistake, which names a shortest cycle in it. So: a cycle
 * that an if, a switch or a loop node can leave is fine, even by an output that is not connected; a
 * cycle whose nodes have a single output each is not, even when that output also leads elsewhere,
 * because a copy goes round for ever. What a script does cannot be seen here; the engine stops what
 * runs too often (maxNodeRuns).
 *
 * Thread: the compilation's. No recursion: a chain may have thousands of nodes.
 */
#include "workflow/workflow_int.h"

/* --- what can end ----------------------------------------------------------------------------- */

/* For each output, how many of its connections lead to nodes that are not known to end. */
struct ends {
    struct compile *c;
    uint32_t *base; /* per node: where its outputs start in `waits` */
    uint32_t *waits;
    uint32_t *first; /* per node: where its incoming links start in `incoming`; n_nodes + 1 */
    uint32_t *incoming;
    uint32_t *queue, tail; /* nodes that end */
};

static void count_outputs(struct ends *x)
{
    struct compile *c = x->c;
    uint32_t outputs = 0;
    x->base = ARENA_ARRAY(&c->scratch, uint32_t, c->n_nodes);
    for (uint32_t i = 0; i < c->n_nodes; i++) {
        x->base[i] = outputs;
        outputs += c->nodes[i].n_outputs;
    }
    x->waits = ARENA_ARRAY(&c->scratch, uint32_t, outputs);
    for (uint32_t i = 0; i < c->n_links; i++)
        x->waits[x->base[c->links[i].from] + c->links[i].edge.port]++;
}

static void list_incoming(struct ends *x)
{
    struct compile *c = x->c;
    x->first = ARENA_ARRAY(&c->scratch, uint32_t, c->n_nodes + 1);
    x->incoming = ARENA_ARRAY(&c->scratch, uint32_t, c->n_links);
    for (uint32_t i = 0; i < c->n_links; i++)
        x->first[c->links[i].edge.to]++;
    for (uint32_t i = 0, sum = 0; i <= c->n_nodes; i++)
        x->first[i] = sum += x->first[i];
    for (uint32_t i = c->n_links; i-- > 0;)
        x->incoming[--x->first[c->links[i].edge.to]] = i;
}

static void set_ends(struct ends *x, uint32_t at)
{
    if (x->c->places[at].ends)
        return;
    x->c->places[at].ends = true;
    x->queue[x->tail++] = at;
}

/* Whether a node ends whatever its neighbours do. */
static bool ends_alone(const struct ends *x, const struct plan_node *n)
{
    unsigned outputs = n->disabled && n->n_outputs ? 1 : n->n_outputs;
    if (!n->type || !outputs)
        return true;
    for (unsigned port = 0; port < outputs; port++)
        if (!x->waits[x->base[n->index] + port] && (int)port != n->error_port)
            return true;
    return false;
}

/* The least fixed point, from the ends backwards. */
static void find_ends(struct compile *c)
{
    struct ends x = { .c = c, .queue = ARENA_ARRAY(&c->scratch, uint32_t, c->n_nodes) };
    count_outputs(&x);
    list_incoming(&x);
    for (uint32_t i = 0; i < c->n_nodes; i++)
        if (ends_alone(&x, &c->nodes[i]))
            set_ends(&x, i);
    for (uint32_t head = 0; head < x.tail; head++)
        for (uint32_t s = x.first[x.queue[head]]; s < x.first[x.queue[head] + 1]; s++) {
            const struct link_at *link = &c->links[x.incoming[s]];
            bool counts = !c->nodes[link->from].disabled || link->edge.port == 0;
            if (--x.waits[x.base[link->from] + link->edge.port] == 0 && counts)
                set_ends(&x, link->from);
        }
}

/* --- endless cycles --------------------------------------------------------------------------- */

/* Tarjan's strongly connected components over the nodes that cannot end, with a stack of its own.
 */
struct tarjan {
    struct compile *c;
    uint32_t *order, *low; /* order 0: not seen */
    uint32_t *part;        /* number of the component, from 1; 0: none yet */
    uint32_t *open;        /* nodes without a component */
    uint32_t *path, *edge; /* the walk, and the next edge of each node on it */
    uint32_t n_open, n_path, seen, parts;
};

static void enter(struct tarjan *t, uint32_t at)
{
    t->order[at] = t->low[at] = ++t->seen;
    t->open[t->n_open++] = at;
    t->edge[t->n_path] = 0;
    t->path[t->n_path++] = at;
}

static void leave(struct tarjan *t)
{
    uint32_t at = t->path[--t->n_path], other;
    if (t->n_path && t->low[at] < t->low[t->path[t->n_path - 1]])
        t->low[t->path[t->n_path - 1]] = t->low[at];
    if (t->low[at] != t->order[at])
        return;
    t->parts++;
    do {
        other = t->open[--t->n_open];
        t->part[other] = t->parts;
    } while (other != at);
}

static void walk(struct tarjan *t, uint32_t from)
{
    enter(t, from);
    while (t->n_path) {
        uint32_t at = t->path[t->n_path - 1], *e = &t->edge[t->n_path - 1];
        const struct plan_node *n = &t->c->nodes[at];
        if (*e == n->n_edges) {
            leave(t);
            continue;
        }
        uint32_t to = n->edges[(*e)++].to;
        if (t->c->places[to].ends)
            continue;
        if (!t->order[to])
            enter(t, to);
        else if (!t->part[to] && t->order[to] < t->low[at])
            t->low[at] = t->order[to];
    }
}

/* The names along a shortest way from `from` round to itself inside its part: "'A' -> 'B' -> 'A'".
 */
static const char *name_cycle(struct tarjan *t, uint32_t from)
{
    struct compile *c = t->c;
    uint32_t *queue = ARENA_ARRAY(&c->scratch, uint32_t, c->n_nodes), head = 0, tail = 0;
    uint32_t *next = ARENA_ARRAY(&c->scratch, uint32_t, c->n_nodes); /* towards `from`, + 1 */
    uint32_t *back_from =
        ARENA_ARRAY(&c->scratch, uint32_t, c->n_nodes); /* who was reached from whom, + 1 */
    uint32_t last = from;
    queue[tail++] = from;
    for (bool found = false; head < tail && !found;) {
        uint32_t at = queue[head++];
        for (uint32_t e = 0; e < c->nodes[at].n_edges && !found; e++) {
            uint32_t to = c->nodes[at].edges[e].to;
            found = to == from;
            last = at;
            if (found || t->part[to] != t->part[from] || back_from[to])
                continue;
            back_from[to] = at + 1;
            queue[tail++] = to;
        }
    }
    for (uint32_t at = last; at != from; at = back_from[at] - 1)
        next[back_from[at] - 1] = at + 1;
    struct strbuf b;
    strbuf_init(&b, 600);
    strbuf_addf(&b, "'%s'", c->nodes[from].name);
    for (uint32_t at = from; at != last; at = next[at] - 1)
        strbuf_addf(&b, " -> '%s'", c->nodes[next[at] - 1].name);
    const char *text = arena_printf(&c->scratch, "%s%s -> '%s'", strbuf_str(&b).ptr,
                                    b.failed ? " -> ..." : "", c->nodes[from].name)
                           .ptr;
    strbuf_fini(&b);
    return text;
}

/* One mistake per part, where its first connection is written. */
static void report_cycles(struct tarjan *t)
{
    struct compile *c = t->c;
    bool *told = ARENA_ARRAY(&c->scratch, bool, t->parts + 1);
    for (uint32_t i = 0; i < c->n_links; i++) {
        uint32_t from = c->links[i].from, part = t->part[from];
        if (!part || told[part] || t->part[c->links[i].edge.to] != part)
            continue;
        told[part] = true;
        c->node = c->nodes[from].name;
        issue_at(c, c->links[i].offset, false,
                 "%s goes round for ever: no branch leaves this cycle; let an if, switch or loop "
                 "node lead out",
                 name_cycle(t, from));
    }
    c->node = NULL;
}

static void check_cycles(struct compile *c)
{
    uint32_t *space = ARENA_ARRAY(&c->scratch, uint32_t, (size_t)c->n_nodes * 6), n = c->n_nodes;
    struct tarjan t = { .c = c,
                        .order = space,
                        .low = space + n,
                        .part = space + 2 * (size_t)n,
                        .open = space + 3 * (size_t)n,
                        .path = space + 4 * (size_t)n,
                        .edge = space + 5 * (size_t)n };
    find_ends(c);
    for (uint32_t i = 0; i < n; i++)
        if (!c->places[i].ends && !t.order[i])
            walk(&t, i);
    report_cycles(&t);
}

/* --- triggers --------------------------------------------------------------------------------- */

static bool is_trigger(const struct plan_node *n)
{
    return n->type && n->type->node.flags & WF_NODE_TRIGGER;
}

/* Nodes that nothing leads to. Disabled triggers count: they are switched on again one day. */
static void check_reached(struct compile *c)
{
    uint32_t head = 0, tail = 0, *queue = ARENA_ARRAY(&c->scratch, uint32_t, c->n_nodes);
    bool *reached = ARENA_ARRAY(&c->scratch, bool, c->n_nodes);
    for (uint32_t i = 0; i < c->n_nodes; i++)
        if (is_trigger(&c->nodes[i])) {
            reached[i] = true;
            queue[tail++] = i;
        }
    while (head < tail) {
        const struct plan_node *n = &c->nodes[queue[head++]];
        for (uint32_t e = 0; e < n->n_edges; e++)
            if (!reached[n->edges[e].to]) {
                reached[n->edges[e].to] = true;
                queue[tail++] = n->edges[e].to;
            }
    }
    for (uint32_t i = 0; i < c->n_nodes; i++)
        if (!reached[i] && !c->places[i].note && !c->nodes[i].disabled) {
            c->node = c->nodes[i].name;
            warn(c, c->places[i].at, "never runs: no trigger leads to it");
        }
    c->node = NULL;
}

/* Without a trigger, or with a node that may be meant to be one, "never runs" would be said of all.
 */
static void check_triggers(struct compile *c)
{
    struct plan *p = c->plan;
    uint32_t *triggers = ARENA_ARRAY(&p->arena, uint32_t, c->n_nodes);
    bool all_known = true, any = false;
    for (uint32_t i = 0; i < c->n_nodes; i++) {
        const struct plan_node *n = &c->nodes[i];
        all_known &= c->places[i].named && (n->type || c->places[i].note);
        any |= is_trigger(n);
        if (is_trigger(n) && !n->disabled)
            triggers[p->n_triggers++] = i;
    }
    p->triggers = triggers;
    if (any && all_known && c->connections_right)
        check_reached(c);
    if (p->n_triggers || !all_known || !c->n_nodes)
        return;
    struct at nodes = at_field(c, c->root, "nodes");
    issue_at(c, nodes.spot->at, !p->active || c->options->for_run,
             "nothing starts this workflow: it has no trigger%s",
             any ? " that is not disabled" : "");
}

void compile_graph(struct compile *c)
{
    check_triggers(c);
    check_cycles(c);
}
