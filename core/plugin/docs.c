/* SPDX-License-Identifier: Apache-2.0
 * The manual of a plugin: plugins/<name>/README.md is exactly what docs_plugin writes.
 *
 * Markdown that reads well as plain text. Every fact is taken from the tables, so it cannot differ
 * from what the engine does; what tables cannot say is the plugin's own text, put behind the
 * generated part. Thread: any; nothing blocks.
 */
#include "plugin/docs_int.h"
#include <inttypes.h>

/* --- words for a row, shared with the terminal page ------------------------------------------- */

static void add_range_words(struct strbuf *b, const wf_param *row)
{
    if (row->min == row->max)
        return;
    if (row->max == INT64_MAX)
        strbuf_addf(b, ", %" PRId64 " or more", row->min);
    else if (row->min == INT64_MIN)
        strbuf_addf(b, ", %" PRId64 " or less", row->max);
    else
        strbuf_addf(b, ", %" PRId64 " to %" PRId64, row->min, row->max);
}

void docs_type(struct strbuf *b, const wf_param *row)
{
    static const char *const words[] = {
        [WF_STRING] = "text", [WF_INT] = "whole number", [WF_BOOL] = "true or false",
        [WF_MS] = "time",     [WF_DOUBLE] = "number",    [WF_CHOICE] = "choice",
        [WF_LIST] = "list",   [WF_VALUE] = "JSON",       [WF_CREDENTIAL] = "credential",
        [WF_BYTES] = "size",
    };
    strbuf_adds(b, words[row->type]);
    add_range_words(b, row);
    if (row->type == WF_CREDENTIAL)
        strbuf_addf(b, " (%s)", row->cred);
}

void docs_notes(struct strbuf *b, const wf_param *row, const char *before)
{
    static const struct {
        unsigned flag;
        const char *word;
    } notes[] = {
        { WF_REQUIRED, "required" },
        { WF_EXPR, "expression" },
        { WF_SECRET, "secret" },
        { WF_RAW, "taken as it is" },
    };
    for (size_t i = 0; i < sizeof notes / sizeof *notes; i++)
        if (row->flags & notes[i].flag) {
            strbuf_addf(b, "%s%s", before, notes[i].word);
            before = ", ";
        }
}

void docs_show_if(struct strbuf *b, const wf_param *row, const char *quote)
{
    wf_str name, values, value, rest = str_of(row->show_if);
    const char *before = "with ";
    while (show_if_clause(&rest, &name, &values)) {
        strbuf_addf(b, "%s%s%.*s%s ", before, quote, STR_ARG(name), quote);
        before = " and ";
        const char *between = "";
        while (show_if_value(&values, &value)) {
            strbuf_addf(b, "%s%s%.*s%s", between, quote, STR_ARG(value), quote);
            between = " or ";
        }
    }
}

/* --- Markdown --------------------------------------------------------------------------------- */

/* Text inside a table: a bar would end the cell, a line break the row. */
static void add_cell(struct strbuf *b, const char *text)
{
    for (; text && *text; text++)
        if (*text == '|')
            strbuf_adds(b, "\\|");
        else if (*text == '\n')
            strbuf_addc(b, ' ');
        else
            strbuf_addc(b, *text);
}

static void add_code(struct strbuf *b, const char *text)
{
    const char *fence = strchr(text, '`') ? "``" : "`";
    strbuf_adds(b, fence);
    add_cell(b, text);
    strbuf_adds(b, fence);
}

static void add_row(struct strbuf *b, const wf_param *row)
{
    strbuf_adds(b, "| ");
    add_code(b, row->name);
    strbuf_adds(b, " | ");
    docs_type(b, row);
    strbuf_adds(b, " | ");
    if (row->def && row->def[0])
        add_code(b, row->def);
    strbuf_adds(b, " | ");
    docs_notes(b, row, "");
    strbuf_adds(b, " | ");
    add_cell(b, row->help);
    if (row->show_if) {
        strbuf_adds(b, row->help ? " (" : "(");
        docs_show_if(b, row, "`");
        strbuf_adds(b, ")");
    }
    strbuf_adds(b, " |\n");
}

static void add_choices(struct strbuf *b, const wf_param *row)
{
    strbuf_adds(b, "\nChoices of ");
    add_code(b, row->name);
    if (row->show_if) {
        strbuf_addc(b, ' ');
        docs_show_if(b, row, "`");
    }
    strbuf_adds(b, ":\n\n");
    for (const wf_pair *choice = row->choices; choice->name; choice++) {
        strbuf_adds(b, "- ");
        add_code(b, choice->name);
        if (choice->text && choice->text[0])
            strbuf_addf(b, ": %s", choice->text);
        strbuf_addc(b, '\n');
    }
}

static void add_table(struct strbuf *b, const wf_param *table, const char *list);

static void add_details(struct strbuf *b, const wf_param *table, const char *list)
{
    for (const wf_param *row = table; row->name; row++) {
        if (row->type == WF_CHOICE)
            add_choices(b, row);
        if (row->type != WF_LIST)
            continue;
        struct arena scratch;
        arena_init(&scratch, NULL, 0);
        const char *name =
            list ? arena_printf(&scratch, "%s[].%s", list, row->name).ptr : row->name;
        strbuf_addf(b, "\nEach row of `%s`:\n\n", name);
        add_table(b, row->rows, name);
        arena_fini(&scratch);
    }
}

static void add_table(struct strbuf *b, const wf_param *table, const char *list)
{
    strbuf_adds(b, "| Name | Type | Default | Notes | Meaning |\n|---|---|---|---|---|\n");
    for (const wf_param *row = table; row->name; row++)
        add_row(b, row);
    add_details(b, table, list);
}

static void add_names(struct strbuf *b, const char *label, const char *const *names)
{
    if (!names || !names[0])
        return;
    strbuf_addf(b, "- %s: ", label);
    for (size_t i = 0; names[i]; i++) {
        strbuf_adds(b, i ? ", " : "");
        add_code(b, names[i]);
    }
    strbuf_addc(b, '\n');
}

const char *docs_works(const wf_node *node)
{
    if (node->flags & WF_NODE_TRIGGER)
        return "starts executions";
    if (node->flags & WF_NODE_SEGMENT)
        return "over all items of an execution";
    return "on each item";
}

static void add_facts(struct strbuf *b, const struct node_type *type)
{
    const wf_node *node = &type->node;
    strbuf_addf(b, "- Works: %s\n", docs_works(node));
    if (node->trigger && node->trigger->flags & WF_TRIGGER_SINGLE)
        strbuf_adds(b, "- Runs on one worker of all engines at a time\n");
    if (node->flags & WF_NODE_EFFECT)
        strbuf_adds(
            b,
            "- Acts on the outside: durability `each_step` stores its results before going on\n");
    if (node->flags & WF_NODE_ONCE)
        strbuf_adds(b, "- Is not repeated blindly: durability `each_step` stores its input, too\n");
    if (node->group)
        strbuf_addf(b, "- Group: %s\n", node->group);
    add_names(b, "Inputs", node->inputs);
    add_names(b, "Outputs", node->ports);
    if (!type->n_ports && !node->shape)
        strbuf_adds(b, "- Outputs: none\n");
    if (node->shape)
        strbuf_adds(b, "- The number of inputs or outputs follows the parameters\n");
    add_names(b, "Also", node->aliases);
}

static void add_codes(struct strbuf *b, const wf_pair *codes)
{
    if (!codes || !codes[0].name)
        return;
    strbuf_adds(b, "\n### Error codes\n\n| Code | Meaning |\n|---|---|\n");
    for (; codes->name; codes++) {
        strbuf_adds(b, "| ");
        add_code(b, codes->name);
        strbuf_adds(b, " | ");
        add_cell(b, codes->text);
        strbuf_adds(b, " |\n");
    }
}

static void add_metrics(struct strbuf *b, const struct node_type *type)
{
    if (!type->n_metrics)
        return;
    strbuf_adds(b, "\n### Metrics\n\n| Name | Kind | Unit | Meaning |\n|---|---|---|---|\n");
    for (size_t i = 0, n; i < type->n_metrics; i += n) {
        const wf_metric *metric = &type->node.metrics[i];
        struct strbuf name;
        strbuf_init(&name, 64 << 10);
        n = docs_metric_name(&name, type, i);
        strbuf_adds(b, "| ");
        add_code(b, strbuf_str(&name).ptr);
        strbuf_fini(&name);
        strbuf_addf(b, " | %s | ", docs_metric_kind(metric));
        add_cell(b, metric->unit);
        strbuf_adds(b, " | ");
        add_cell(b, metric->help);
        strbuf_adds(b, " |\n");
    }
}

/* An author's own text, with exactly one line end behind it. */
static void add_text(struct strbuf *b, const char *text)
{
    size_t len = text ? strlen(text) : 0;
    while (len && text[len - 1] == '\n')
        len--;
    if (!len)
        return;
    strbuf_addc(b, '\n');
    strbuf_add(b, text, len);
    strbuf_addc(b, '\n');
}

static void add_node(struct strbuf *b, const struct node_type *type)
{
    strbuf_addf(b, "\n## %s\n\n%s.\n\n", type->type, type->node.help);
    add_facts(b, type);
    strbuf_adds(b, "\n### Parameters\n\n");
    if (type->node.params && type->node.params[0].name)
        add_table(b, type->node.params, NULL);
    else
        strbuf_adds(b, "None.\n");
    add_codes(b, type->node.codes);
    add_metrics(b, type);
    add_text(b, type->node.docs);
}

void docs_plugin(struct strbuf *b, const struct plugin *plugin)
{
    strbuf_addf(b, "# Plugin %s\n\n", plugin->name);
    strbuf_addf(b, "<!-- Generated from the tables of the plugin by the build target `docs`: edit "
                   "those. -->\n\n");
    strbuf_addf(b, "Version %s.\n", plugin->version);
    add_text(b, plugin->docs);
    for (size_t i = 0; i < plugin->n_nodes; i++)
        add_node(b, &plugin->nodes[i]);
    if (plugin->n_creds)
        strbuf_adds(b, "\n## Credentials\n");
    for (size_t i = 0; i < plugin->n_creds; i++) {
        strbuf_addf(b, "\n### %s\n\n%s.\n\n", plugin->creds[i].type, plugin->creds[i].help);
        add_table(b, plugin->creds[i].fields, NULL);
    }
}
