/* SPDX-License-Identifier: Apache-2.0
 * Fuzzes workflow_compile: any text gives a plan or mistakes that lie inside the text, and both can
 * be printed. Node types are those of the unit tests.
 */
#include "../unit/workflow/kit.h"

enum { INPUT_MAX = 1 << 16, OUTPUT_MAX = 64 << 20 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct plugin_set *plugins(void)
{
    static struct plugin_set *set;
    return set ? set : (set = kit_plugins());
}

static uint32_t count_lines(const uint8_t *data, size_t size)
{
    uint32_t lines = 1;
    for (size_t i = 0; i < size; i++)
        lines += data[i] == '\n';
    return lines;
}

static void check_plan(const struct plan *p)
{
    for (uint32_t i = 0; i < p->n_nodes; i++) {
        const struct plan_node *n = &p->nodes[i];
        BUG_IF(plan_find_node(p, str_of(n->name)) != (int)i);
        BUG_IF(!n->type && n->n_edges);
        for (uint32_t e = 0; e < n->n_edges; e++) {
            const struct plan_node *to = &p->nodes[n->edges[e].to];
            BUG_IF(n->edges[e].port >= n->n_outputs || n->edges[e].input >= to->n_inputs);
            BUG_IF(!to->in_degree[n->edges[e].input]);
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const wf_host host = { .size = sizeof host };
    struct workflow_options options = { .plugins = plugins(),
                                        .credential = kit_credential,
                                        .host = &host };
    struct workflow_report report;
    struct strbuf b;
    if (size > INPUT_MAX)
        return 0;
    wf_str text = { (const char *)data, size };
    strbuf_init(&b, OUTPUT_MAX);
    struct plan *p = workflow_compile(text, &options, &report);
    BUG_IF((p == NULL) != (report.n_errors > 0));
    uint32_t lines = count_lines(data, size);
    for (uint32_t i = 0; i < report.n; i++) {
        const struct workflow_issue *x = &report.issues[i];
        BUG_IF(!x->line || x->line > lines || !x->column || x->column > size + 1 || !*x->text);
        BUG_IF(i && x->line < x[-1].line);
    }
    workflow_report_print(&b, &report, "f", text, true);
    if (p) {
        check_plan(p);
        plan_dump(&b, p);
    }
    plan_unref(p);
    workflow_report_fini(&report);
    strbuf_fini(&b);
    return 0;
}
