/* SPDX-License-Identifier: Apache-2.0
 * From a plugin's tables to today's layout.
 *
 * A plugin was compiled with the header of its day. It says how large its structs were then, and
 * arrays are walked with its strides: a shorter element is filled up with zeros, a longer one is
 * taken only when what we do not know is zero. Numbers and sizes are read first, everything else
 * after they were found sound. Texts stay where they are, in the plugin's read-only data, which is
 * never unmapped. Thread: the one that loads; nothing blocks.
 */
#include "plugin/plugin_int.h"
#include <stdarg.h>
#include <stdio.h>

enum {
    STRUCT_MAX = 4096, /* bytes of one declared struct; more is no struct of ours */
    NODES_MAX = 1000,
    NAMES_MAX = 64,     /* ports, inputs */
    METRICS_MAX = 1024, /* where labels are combined, each combination is one */
    CONFIG_MAX = 1 << 20,
    NODE_FLAGS = WF_NODE_TRIGGER | WF_NODE_EFFECT | WF_NODE_SEGMENT | WF_NODE_ANY_INPUT |
                 WF_NODE_ONCE | WF_NODE_BEGINS,
};

/* What every plugin must at least know of a struct, and where it may not have padding at the end.
 */
#define SIZES(X)                                                                                   \
    X(node_size, wf_node, offsetof(wf_node, process_segments))                                     \
    X(param_size, wf_param, offsetof(wf_param, min))                                               \
    X(request_size, wf_request, offsetof(wf_request, timeout_ms))                                  \
    X(error_size, wf_error, offsetof(wf_error, code))                                              \
    X(metric_size, wf_metric, sizeof(wf_metric))                                                   \
    X(cred_size, wf_cred_type, sizeof(wf_cred_type))                                               \
    X(output_size, wf_output, offsetof(wf_output, partition))

int plugin_struct_copy(void *to, size_t to_size, const void *from, size_t from_size)
{
    const char *bytes = from;
    size_t known = from_size < to_size ? from_size : to_size;
    for (size_t i = known; i < from_size; i++)
        if (bytes[i])
            return -1;
    memcpy(to, from, known);
    memset((char *)to + known, 0, to_size - known);
    return 0;
}

struct copy {
    struct arena *a;
    const wf_plugin *entry; /* today's layout */
    struct err *err;
};

/* --- head ------------------------------------------------------------------------------------- */

static int check_size(const char *what, uint32_t size, size_t least, struct err *err)
{
    if (size < least || size > STRUCT_MAX || size % sizeof(void *))
        return err_set(err, ERR_INVALID, "%s of %u bytes cannot be: %zu are the least, %d the most",
                       what, size, least, STRUCT_MAX);
    return 0;
}

/* Reads the plugin struct itself, abi and size before all else. */
static int copy_head(const wf_plugin *from, wf_plugin *to, struct err *err)
{
    uint32_t abi = from->abi;
    if (abi != WF_ABI)
        return err_set(err, ERR_INVALID,
                       "was made for plugin ABI %u, this is %u: compile it with this SDK", abi,
                       WF_ABI);
    if (check_size("wf_plugin", from->size, offsetof(wf_plugin, creds), err) != 0)
        return -1;
    if (plugin_struct_copy(to, sizeof *to, from, from->size) != 0)
        return err_set(
            err, ERR_INVALID,
            "uses parts of wf_plugin that this engine does not know: it needs a newer one");
#define X(field, type, least)                                                                      \
    if (check_size(#type, to->field, least, err) != 0)                                             \
        return -1;
    SIZES(X)
#undef X
    if (to->reserved)
        return err_set(err, ERR_INVALID, "wf_plugin.reserved is not 0: it needs a newer engine");
    return 0;
}

/* --- arrays ----------------------------------------------------------------------------------- */

/* Copies `n` elements with the plugin's stride into an array of today's with one zeroed element
 * behind. */
static void *copy_array(struct copy *c, const void *from, size_t n, size_t from_size,
                        size_t to_size, const char *what)
{
    char *to = arena_zalloc(c->a, (n + 1) * to_size);
    for (size_t i = 0; i < n; i++)
        if (plugin_struct_copy(to + i * to_size, to_size, (const char *)from + i * from_size,
                               from_size) != 0) {
            err_set(c->err, ERR_INVALID,
                    "%s %zu uses parts that this engine does not know: it needs a newer one", what,
                    i);
            return NULL;
        }
    return to;
}

/* Elements up to the one whose name, at `name_at`, is NULL. */
static size_t count_named(const void *from, size_t stride, size_t name_at, size_t max)
{
    size_t n = 0;
    for (; n <= max; n++) {
        const char *name;
        memcpy(&name, (const char *)from + n * stride + name_at, sizeof name);
        if (!name)
            break;
    }
    return n;
}

static const wf_param *copy_params(struct copy *c, const wf_param *from, unsigned depth)
{
    size_t n = count_named(from, c->entry->param_size, offsetof(wf_param, name), TABLE_ROWS_MAX);
    if (n > TABLE_ROWS_MAX || depth > PARAMS_DEPTH_MAX) {
        err_set(
            c->err, ERR_LIMIT,
            "a table has more than %d parameters or lists more than %d deep; is WF_END missing?",
            TABLE_ROWS_MAX, PARAMS_DEPTH_MAX);
        return NULL;
    }
    wf_param *to = copy_array(c, from, n, c->entry->param_size, sizeof *to, "parameter");
    for (size_t i = 0; to && i < n; i++) {
        if (to[i].row_size > CONFIG_MAX) {
            err_set(c->err, ERR_LIMIT, "parameter '%s': row_size %zu is too large", to[i].name,
                    to[i].row_size);
            return NULL;
        }
        if (to[i].type != WF_LIST || !to[i].rows)
            continue;
        to[i].rows = copy_params(c, to[i].rows, depth + 1);
        if (!to[i].rows)
            return NULL;
    }
    return to;
}

/* --- nodes ------------------------------------------------------------------------------------ */

static bool is_name(const char *text, const char *more)
{
    size_t len = strlen(text);
    for (size_t i = 0; i < len; i++)
        if (!((text[i] >= 'a' && text[i] <= 'z') || (text[i] >= 'A' && text[i] <= 'Z') ||
              (text[i] >= '0' && text[i] <= '9') || strchr(more, text[i])))
            return false;
    return len > 0 && len < PARAM_NAME_MAX;
}

/* "vendor.name": letters, digits and - _ @ / with at least one dot inside. */
static bool is_type(const char *text)
{
    const char *dot = strchr(text, '.');
    return is_name(text, ".-_@/") && dot && dot > text && dot[1] && text[strlen(text) - 1] != '.';
}

static int count_names(const char *const *names, const char *what, uint16_t *n, struct err *err)
{
    *n = 0;
    for (size_t i = 0; names && names[i]; i++) {
        if (i == NAMES_MAX)
            return err_set(err, ERR_LIMIT, "more than %d %ss; does the list end with NULL?",
                           NAMES_MAX, what);
        if (!names[i][0])
            return err_set(err, ERR_INVALID, "%s %zu has an empty name", what, i);
        for (size_t j = 0; j < i; j++)
            if (!strcmp(names[i], names[j]))
                return err_set(err, ERR_INVALID, "%s '%s' is there twice", what, names[i]);
        *n = (uint16_t)(i + 1);
    }
    return 0;
}

static int check_flags(const wf_node *node, struct err *err)
{
    if (node->flags & ~(uint32_t)NODE_FLAGS)
        return err_set(err, ERR_INVALID, "flags 0x%x are unknown: it needs a newer engine",
                       node->flags & ~(uint32_t)NODE_FLAGS);
    if (node->trigger && !(node->flags & WF_NODE_TRIGGER))
        return err_set(err, ERR_INVALID, "has a trigger and not WF_NODE_TRIGGER in its flags");
    if (node->flags & WF_NODE_ONCE && !(node->flags & WF_NODE_EFFECT))
        return err_set(err, ERR_INVALID, "WF_NODE_ONCE is for nodes with WF_NODE_EFFECT");
    if (node->flags & WF_NODE_BEGINS && !(node->flags & WF_NODE_ONCE))
        return err_set(err, ERR_INVALID, "WF_NODE_BEGINS is for nodes with WF_NODE_ONCE");
    return 0;
}

static int check_calls(const wf_node *node, struct err *err)
{
    if (check_flags(node, err) != 0)
        return -1;
    bool segment = node->flags & WF_NODE_SEGMENT;
    if (segment && node->flags & WF_NODE_TRIGGER)
        return err_set(err, ERR_INVALID, "a trigger cannot work over segments");
    if (node->segments && (!node->process || !node->process_segments))
        return err_set(err, ERR_INVALID,
                       "segments() chooses between process() and process_segments(): "
                       "both must be there");
    if (segment ? !node->process_segments : !node->process)
        return err_set(err, ERR_INVALID, "has no %s()", segment ? "process_segments" : "process");
    if (!node->segments && (segment ? node->process != NULL : node->process_segments != NULL))
        return err_set(err, ERR_INVALID,
                       "has a %s() that is never called: its flags %s WF_NODE_SEGMENT",
                       segment ? "process" : "process_segments", segment ? "hold" : "do not hold");
    if (node->close && !node->open)
        return err_set(err, ERR_INVALID, "has close() without open()");
    if (node->config_size > CONFIG_MAX)
        return err_set(err, ERR_LIMIT, "a config of %zu bytes is too large", node->config_size);
    return 0;
}

static int check_codes(const wf_pair *codes, struct err *err)
{
    for (size_t i = 0; codes && codes[i].name; i++) {
        if (i == TABLE_ROWS_MAX)
            return err_set(err, ERR_LIMIT, "more than %d error codes; does the list end with NULL?",
                           TABLE_ROWS_MAX);
        if (!is_name(codes[i].name, "_-."))
            return err_set(err, ERR_INVALID, "error code '%s': letters, digits and _ - . only",
                           codes[i].name);
    }
    return 0;
}

static int copy_metrics(struct copy *c, struct node_type *type)
{
    const wf_metric *from = type->node.metrics;
    if (!from)
        return 0;
    size_t n = count_named(from, c->entry->metric_size, offsetof(wf_metric, name), METRICS_MAX);
    if (n > METRICS_MAX)
        return err_set(c->err, ERR_LIMIT, "more than %d metrics; does the list end with name NULL?",
                       METRICS_MAX);
    wf_metric *to = copy_array(c, from, n, c->entry->metric_size, sizeof *to, "metric");
    if (!to || metrics_check(to, n, c->err) != 0)
        return -1;
    type->node.metrics = to;
    type->n_metrics = (uint16_t)n;
    return 0;
}

static int copy_trigger(struct copy *c, wf_node *node)
{
    enum { FLAGS = WF_TRIGGER_SINGLE };
    const wf_trigger *from = node->trigger;
    wf_trigger *to = ARENA_NEW(c->a, wf_trigger);
    if (!from)
        return 0;
    if (check_size("wf_trigger", from->size, offsetof(wf_trigger, stored), c->err) != 0)
        return -1;
    if (plugin_struct_copy(to, sizeof *to, from, from->size) != 0 || to->flags & ~(uint32_t)FLAGS)
        return err_set(c->err, ERR_INVALID,
                       "its trigger asks for what this engine does not know: it needs a newer one");
    if (!to->start || !to->stop)
        return err_set(c->err, ERR_INVALID, "its trigger has no %s()",
                       to->start ? "stop" : "start");
    node->trigger = to;
    return 0;
}

static int copy_node_parts(struct copy *c, struct node_type *type)
{
    wf_node *node = &type->node;
    uint16_t n_aliases;
    if (!node->help || !node->help[0])
        return err_set(c->err, ERR_INVALID, "has no help: one sentence says what it does");
    if (check_calls(node, c->err) != 0 || check_codes(node->codes, c->err) != 0 ||
        copy_metrics(c, type) != 0 || copy_trigger(c, node) != 0 ||
        count_names(node->ports, "port", &type->n_ports, c->err) != 0 ||
        count_names(node->inputs, "input", &type->n_inputs, c->err) != 0 ||
        count_names(node->aliases, "alias", &n_aliases, c->err) != 0)
        return -1;
    if (!node->inputs)
        type->n_inputs = 1;
    if (!type->n_inputs)
        return err_set(c->err, ERR_INVALID,
                       "has an empty list of inputs; NULL means one, \"main\"");
    for (size_t i = 0; i < n_aliases; i++)
        if (!is_type(node->aliases[i]))
            return err_set(c->err, ERR_INVALID, "alias '%s' is no \"vendor.name\"",
                           node->aliases[i]);
    if (node->params) {
        node->params = copy_params(c, node->params, 0);
        if (!node->params)
            return -1;
    }
    return table_check(node->params, node->config_size, c->err);
}

static int copy_nodes(struct copy *c, struct plugin *p)
{
    if (c->entry->n_nodes > NODES_MAX || (c->entry->n_nodes && !c->entry->nodes))
        return err_set(c->err, ERR_LIMIT, "%zu nodes cannot be: %d are the most", c->entry->n_nodes,
                       NODES_MAX);
    const wf_node *from = copy_array(c, c->entry->nodes, c->entry->n_nodes, c->entry->node_size,
                                     sizeof *from, "node");
    if (!from)
        return -1;
    struct node_type *to = ARENA_ARRAY(c->a, struct node_type, c->entry->n_nodes);
    p->nodes = to;
    p->n_nodes = c->entry->n_nodes;
    for (size_t i = 0; i < p->n_nodes; i++) {
        to[i] = (struct node_type){ .plugin = p, .type = from[i].type, .node = from[i] };
        if (!from[i].type || !is_type(from[i].type))
            return err_set(c->err, ERR_INVALID,
                           "node %zu: type '%s' is no \"vendor.name\" such as \"catalyst.if\"", i,
                           from[i].type ? from[i].type : "");
        if (copy_node_parts(c, &to[i]) != 0)
            return err_context(c->err, "node '%s'", from[i].type);
    }
    return 0;
}

/* --- credentials ------------------------------------------------------------------------------ */

/* Fields of a credential are read by name, so offsets mean nothing; names and types must be sound.
 */
static int check_cred(const wf_cred_type *cred, struct err *err)
{
    if (!cred->type || !is_name(cred->type, "._-") || !cred->help || !cred->fields ||
        !cred->fields[0].name)
        return err_set(err, ERR_INVALID, "needs a type, help and fields");
    for (const wf_param *row = cred->fields; row->name; row++) {
        if (!is_name(row->name, "_-") || !param_field_size(row->type))
            return err_set(err, ERR_INVALID, "field '%s': name or type is wrong", row->name);
        if (row->type == WF_LIST || row->type == WF_CREDENTIAL || row->type == WF_VALUE)
            return err_set(err, ERR_INVALID,
                           "field '%s': fields are text, numbers, booleans and choices", row->name);
        if (row->type == WF_CHOICE && (!row->choices || !row->choices[0].name))
            return err_set(err, ERR_INVALID, "field '%s': has no choices", row->name);
    }
    return 0;
}

static int copy_creds(struct copy *c, struct plugin *p)
{
    size_t n = c->entry->n_creds;
    if (n > NODES_MAX || (n && !c->entry->creds))
        return err_set(c->err, ERR_LIMIT, "%zu credential types cannot be: %d are the most", n,
                       NODES_MAX);
    wf_cred_type *to =
        copy_array(c, c->entry->creds, n, c->entry->cred_size, sizeof *to, "credential type");
    if (!to)
        return -1;
    for (size_t i = 0; i < n; i++) {
        if (to[i].fields && !(to[i].fields = copy_params(c, to[i].fields, 0)))
            return -1;
        if (check_cred(&to[i], c->err) != 0)
            return err_context(c->err, "credential type '%s'", to[i].type ? to[i].type : "");
    }
    p->creds = to;
    p->n_creds = n;
    return 0;
}

/* --- migrations ------------------------------------------------------------------------------- */

static int check_migration(const wf_migration *step, size_t i, struct err *err)
{
    if (step->number != i + 1)
        return err_set(err, ERR_INVALID, "migration %zu has the number %u: they count 1, 2, 3 ...",
                       i + 1, step->number);
    if (step->reserved)
        return err_set(err, ERR_INVALID,
                       "migration %zu: reserved is not 0: it needs a newer engine", i + 1);
    if (!step->name || !step->name[0] || strlen(step->name) >= PARAM_NAME_MAX)
        return err_set(err, ERR_INVALID, "migration %zu needs a name of a few words", i + 1);
    if ((!step->pg || !step->pg[0]) && (!step->sqlite || !step->sqlite[0]))
        return err_set(err, ERR_INVALID, "migration %zu (%s) has no statements", i + 1, step->name);
    return 0;
}

/* Older plugins have none: copy_head filled what they do not know with zeros. */
static int take_migrations(struct copy *c, struct plugin *p)
{
    size_t n = c->entry->n_migrations;
    if (n > TABLE_ROWS_MAX || (n && !c->entry->migrations))
        return err_set(c->err, ERR_LIMIT, "%zu migrations cannot be: %d are the most", n,
                       TABLE_ROWS_MAX);
    p->migrations = c->entry->migrations;
    p->n_migrations = n;
    for (size_t i = 0; i < n; i++)
        if (check_migration(&p->migrations[i], i, c->err) != 0)
            return -1;
    return 0;
}

struct plugin *plugin_copy(struct arena *a, const wf_plugin *entry, const char *path,
                           struct err *err)
{
    wf_plugin *head = ARENA_NEW(a, wf_plugin);
    struct plugin *p = ARENA_NEW(a, struct plugin);
    struct copy c = { .a = a, .entry = head, .err = err };
    if (copy_head(entry, head, err) != 0)
        return NULL;
    if (!head->name || !is_name(head->name, "_-.") || !head->version || !head->version[0]) {
        err_set(err, ERR_INVALID, "needs a name (letters, digits and _ - .) and a version");
        return NULL;
    }
    *p = (struct plugin){ .name = head->name,
                          .version = head->version,
                          .docs = head->docs,
                          .path = path ? arena_strdup(a, path) : "",
                          .request_size = head->request_size,
                          .error_size = head->error_size,
                          .output_size = head->output_size };
    if (copy_creds(&c, p) != 0 || copy_nodes(&c, p) != 0 || take_migrations(&c, p) != 0) {
        err_context(err, "plugin '%s'", p->name);
        return NULL;
    }
    return p;
}
