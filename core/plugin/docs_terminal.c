/* SPDX-License-Identifier: Apache-2.0
 * A node's page for a terminal: `catalyst nodes TYPE`. Lines of at most 80 columns, no colours.
 * Thread: any; nothing blocks.
 */
#include "plugin/docs_int.h"

enum { COLUMNS = 80 };

/* Words of `text`, wrapped, each line indented. `at` is the column where the first word goes. */
static void add_wrapped(struct strbuf *b, const char *text, size_t indent, size_t at)
{
    while (*text) {
        size_t len = strcspn(text, " \n");
        if (at > indent && at + 1 + len > COLUMNS) {
            strbuf_addf(b, "\n%*s", (int)indent, "");
            at = indent;
        }
        if (at > indent) {
            strbuf_addc(b, ' ');
            at++;
        }
        strbuf_add(b, text, len);
        at += len;
        text += len + (text[len] != 0);
    }
    strbuf_addc(b, '\n');
}

static void add_line(struct strbuf *b, size_t indent, const char *text)
{
    strbuf_addf(b, "%*s", (int)indent, "");
    add_wrapped(b, text, indent, indent);
}

static void add_names(struct strbuf *b, const char *label, const char *const *names)
{
    struct strbuf line;
    if (!names || !names[0])
        return;
    strbuf_init(&line, 1 << 20);
    for (size_t i = 0; names[i]; i++)
        strbuf_addf(&line, "%s%s", i ? ", " : "", names[i]);
    strbuf_addf(b, "  %-9s", label);
    add_wrapped(b, strbuf_str(&line).ptr, 11, 11);
    strbuf_fini(&line);
}

static void add_rows(struct strbuf *b, const wf_param *table, size_t indent);

static void add_row(struct strbuf *b, const wf_param *row, size_t indent)
{
    struct strbuf line;
    strbuf_init(&line, 1 << 20);
    docs_type(&line, row);
    if (row->def)
        strbuf_addf(&line, "; default %s", row->def[0] ? row->def : "\"\"");
    docs_notes(&line, row, "; ");
    if (row->show_if) {
        strbuf_adds(&line, "; ");
        docs_show_if(&line, row, "");
    }
    strbuf_addf(b, "%*s%s\n", (int)indent, "", row->name);
    add_line(b, indent + 4, strbuf_str(&line).ptr);
    if (row->help)
        add_line(b, indent + 4, row->help);
    strbuf_fini(&line);
    for (const wf_pair *choice = row->choices; row->type == WF_CHOICE && choice->name; choice++) {
        strbuf_addf(b, "%*s%s", (int)indent + 6, "", choice->name);
        if (choice->text && choice->text[0]) {
            strbuf_addc(b, ':');
            add_wrapped(b, choice->text, indent + 8, indent + 8 + strlen(choice->name));
        } else {
            strbuf_addc(b, '\n');
        }
    }
    if (row->type == WF_LIST)
        add_rows(b, row->rows, indent + 4);
}

static void add_rows(struct strbuf *b, const wf_param *table, size_t indent)
{
    for (const wf_param *row = table; row && row->name; row++)
        add_row(b, row, indent);
}

void docs_node(struct strbuf *b, const struct node_type *type)
{
    const wf_node *node = &type->node;
    strbuf_addf(b, "%s\n", type->type);
    add_line(b, 2, node->help);
    strbuf_addf(b, "\n  %-9s%s\n  %-9s%s %s\n", "works", docs_works(node), "plugin",
                type->plugin->name, type->plugin->version);
    add_names(b, "inputs", node->inputs);
    add_names(b, "outputs", node->ports);
    add_names(b, "also", node->aliases);
    strbuf_adds(b, "\nParameters\n");
    if (node->params && node->params[0].name)
        add_rows(b, node->params, 2);
    else
        strbuf_adds(b, "  none\n");
    if (node->codes && node->codes[0].name)
        strbuf_adds(b, "\nError codes\n");
    for (const wf_pair *code = node->codes; code && code->name; code++) {
        strbuf_addf(b, "  %s\n", code->name);
        if (code->text)
            add_line(b, 6, code->text);
    }
    if (type->n_metrics)
        strbuf_adds(b, "\nMetrics\n");
    for (size_t i = 0, n; i < type->n_metrics; i += n) {
        struct strbuf name;
        strbuf_init(&name, 64 << 10);
        n = docs_metric_name(&name, type, i);
        strbuf_addf(&name, " (%s)", docs_metric_kind(&node->metrics[i]));
        add_line(b, 2, strbuf_str(&name).ptr);
        strbuf_fini(&name);
        if (node->metrics[i].help)
            add_line(b, 6, node->metrics[i].help);
    }
    if (node->docs && node->docs[0])
        strbuf_addf(b, "\n%s\n", node->docs);
}
