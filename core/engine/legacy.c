/* SPDX-License-Identifier: Apache-2.0
 * The legacy order's way with a node that waits for an input which nothing filled: when nothing
 * else is left to run, the branch that leads there runs after all, from its topmost node that did
 * not run, with one empty item. Workflows made for that order count on it: a merge behind both
 * sides of an if has something on each.
 *
 * A node that ran is not forced, so every one is at most once.
 */
#include "engine/engine_int.h"

static bool has_run(const struct exec *e, uint32_t node)
{
    return (e->trigger.n && e->trigger.items[0]->node == node) ||
           (e->run_counts && e->run_counts[node]);
}

/* A node with an edge to (node, input) that did not run; input -1: to any of its inputs. *ran: one
 * that did is among those that lead there. */
static int64_t unrun_before(const struct exec *e, uint32_t node, int input, const bool *seen,
                            bool *ran)
{
    const struct plan *p = e->ep->plan;
    int64_t found = -1;
    for (uint32_t i = 0; i < p->n_nodes; i++)
        for (uint32_t k = 0; k < p->nodes[i].n_edges; k++) {
            const struct plan_edge *edge = &p->nodes[i].edges[k];
            if (edge->to != node || (input >= 0 && edge->input != input))
                continue;
            *ran |= has_run(e, i);
            if (found < 0 && !seen[i] && !has_run(e, i))
                found = i;
        }
    return found;
}

/* Up from a node that did not run to the one that got nothing, or that nothing leads to. */
static uint32_t topmost(const struct exec *e, uint32_t node, bool *seen)
{
    for (;;) {
        bool ran = false;
        seen[node] = true;
        int64_t above = unrun_before(e, node, -1, seen, &ran);
        if (ran || above < 0)
            return node;
        node = (uint32_t)above;
    }
}

static void push_empty(struct exec *e, uint32_t node)
{
    uint16_t n = exec_node(e, node)->n_inputs;
    struct json_member *none;
    struct json empty = json_object(&e->arena, 0, &none);
    struct wf_item *it = item_create(e, &empty, node, 0);
    struct item_vec *inputs = ARENA_ARRAY(&e->arena, struct item_vec, n ? n : 1);
    inputs[0] = (struct item_vec){ &it->self, 1 };
    step_push(e, node, inputs, n ? n : 1, 1);
}

bool legacy_force(struct exec *e, const struct waiting *w)
{
    const struct plan_node *node = exec_node(e, w->node);
    uint32_t n_nodes = e->ep->plan->n_nodes;
    bool *pushed = ARENA_ARRAY(&e->arena, bool, n_nodes), any = false;
    for (uint16_t i = 0; i < w->n_inputs; i++) {
        bool ran = false, *seen = ARENA_ARRAY(&e->arena, bool, n_nodes);
        seen[w->node] = true;
        for (int64_t from; !w->filled[i] && node->in_degree[i] &&
                           (from = unrun_before(e, w->node, i, seen, &ran)) >= 0;) {
            uint32_t top = topmost(e, (uint32_t)from, seen);
            if (pushed[top])
                continue;
            pushed[top] = any = true;
            push_empty(e, top);
        }
    }
    return any;
}
