/* SPDX-License-Identifier: Apache-2.0
 * A plan as text that people and tests read: what the compiler made of a definition.
 *
 * Only what differs from the default is shown of flags and settings, so that a dump stays short.
 * Thread: any; a plan does not change.
 */
#include "workflow/workflow_int.h"

static const char *const durabilities[] = { [DURABILITY_NONE] = "none",
                                            [DURABILITY_AT_LEAST_ONCE] = "at_least_once",
                                            [DURABILITY_EXACTLY_ONCE] = "exactly_once",
                                            [DURABILITY_EACH_STEP] = "each_step" };
static const char *const saves[] = {
    [SAVE_ALL] = "all", [SAVE_ERRORS] = "errors", [SAVE_NONE] = "none", [SAVE_SAMPLE] = "sample"
};
static const char *const kinds[] = { [EXPR_CONST] = "constant",
                                     [EXPR_PATH] = "path",
                                     [EXPR_TEMPLATE] = "template",
                                     [EXPR_LUA] = "lua" };

static void dump_expr(struct strbuf *b, const char *what, const struct expr *x)
{
    if (x)
        strbuf_addf(b, " %s=%s(%.*s)", what, kinds[x->kind], STR_ARG(x->source));
}

static void dump_settings(struct strbuf *b, const struct plan_settings *s)
{
    strbuf_addf(b, "settings durability=%s order=%s timezone=%s save=%s",
                durabilities[s->durability], s->order_v1 ? "v1" : "legacy", s->timezone,
                saves[s->save]);
    if (s->save == SAVE_SAMPLE)
        strbuf_addf(b, "(1 in %u)", s->save_sample);
    strbuf_addf(b, " max_node_runs=%llu", (unsigned long long)s->max_node_runs);
    if (s->timeout_ms)
        strbuf_addf(b, " timeout=%lldms", (long long)s->timeout_ms);
    if (s->error_workflow)
        strbuf_addf(b, " error_workflow=%s", s->error_workflow);
    if (s->dead_letter)
        strbuf_addf(b, " dead_letter=%s", s->dead_letter);
    if (s->concurrency)
        strbuf_addf(b, " concurrency=%u", s->concurrency);
    dump_expr(b, "concurrency_key", s->concurrency_key);
    strbuf_addc(b, '\n');
}

static void dump_flags(struct strbuf *b, const struct plan_node *n)
{
    const struct plan_retry *r = &n->retry;
    if (n->disabled)
        strbuf_adds(b, " disabled");
    if (n->always_output)
        strbuf_adds(b, " always_output");
    if (n->execute_once)
        strbuf_adds(b, " execute_once");
    if (n->keep_outputs)
        strbuf_adds(b, " keep_outputs");
    if (n->on_error != ON_ERROR_STOP)
        strbuf_adds(b, n->on_error == ON_ERROR_REGULAR ? " on_error=regular" : " on_error=output");
    if (n->error_port >= 0)
        strbuf_addf(b, "(%d)", n->error_port);
    if (r->tries > 1)
        strbuf_addf(b, " retry=%u*%lldms..%lldms,factor=%g,jitter=%g", r->tries,
                    (long long)r->first_ms, (long long)r->max_ms, r->factor, r->jitter);
    if (n->timeout_ms)
        strbuf_addf(b, " timeout=%lldms", (long long)n->timeout_ms);
    dump_expr(b, "idempotency_key", n->idempotency_key);
}

static void dump_node(struct strbuf *b, const struct plan *p, const struct plan_node *n)
{
    strbuf_addf(b, "node %u '%s' %s v%g at %g,%g", n->index, n->name,
                n->type ? n->type->type : "note", n->type_version, n->x, n->y);
    if (!n->type) {
        strbuf_addc(b, '\n');
        return;
    }
    strbuf_addf(b, " outputs=%u inputs=%u(", n->n_outputs, n->n_inputs);
    for (unsigned i = 0; i < n->n_inputs; i++)
        strbuf_addf(b, "%s%u", i ? "," : "", n->in_degree[i]);
    strbuf_adds(b, ")");
    dump_flags(b, n);
    strbuf_addc(b, '\n');
    if (n->parameters && n->parameters->len) {
        strbuf_adds(b, "  ");
        json_add(b, n->parameters);
        strbuf_addf(b, " slots=%u\n", n->params.n_slots);
    }
    for (uint32_t e = 0; e < n->n_edges; e++)
        strbuf_addf(b, "  %u -> %u '%s' input %u\n", n->edges[e].port, n->edges[e].to,
                    p->nodes[n->edges[e].to].name, n->edges[e].input);
}

void plan_dump(struct strbuf *b, const struct plan *p)
{
    strbuf_addf(b, "workflow '%s' id=%s%s\n", p->name, p->id, p->active ? " active" : "");
    dump_settings(b, &p->settings);
    strbuf_adds(b, "triggers");
    for (uint32_t i = 0; i < p->n_triggers; i++)
        strbuf_addf(b, " %u", p->triggers[i]);
    strbuf_addf(b, "\nfunctions %u%s\n", p->unit.n,
                p->unit.reads_any_node ? " (read any node)" : "");
    if (p->pin_data)
        strbuf_addf(b, "pinned %u\n", p->pin_data->len);
    for (uint32_t i = 0; i < p->n_nodes; i++)
        dump_node(b, p, &p->nodes[i]);
}
