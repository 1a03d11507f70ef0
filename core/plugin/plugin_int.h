/* SPDX-License-Identifier: Apache-2.0
 * What the files of this room share and nobody else sees: the registry's layout, the checks of a
 * table, the conversion of one value, and the slots that params_bind leaves for params_solve.
 */
#ifndef CATALYST_PLUGIN_INT_H
#define CATALYST_PLUGIN_INT_H
#include "plugin/plugin.h"
#include "base/map.h"

enum {
    PARAMS_DEPTH_MAX = 8,    /* lists in lists, show_if that hangs on show_if */
    PARAMS_ROWS_MAX = 10000, /* rows of one list in a workflow */
    TABLE_ROWS_MAX = 1000,   /* parameters of one table */
    PARAM_NAME_MAX = 200,
    PARAM_WHY_MAX = 400,
};

/* --- registry ------------------------------------------------------------------------------------
 */

struct plugin_set {
    struct arena arena;
    struct plugin **plugins;
    size_t n_plugins, plugins_size;
    struct node_type **nodes;
    size_t n_nodes, nodes_size;
    struct map by_type;   /* types and aliases -> struct node_type */
    struct map by_name;   /* plugin names -> struct plugin */
    struct map creds;     /* credential types -> wf_cred_type */
    struct map functions; /* names -> wf_function */
};

/* Copies what a plugin declares into today's layout, in the set's arena, with all checks but the
 * ones against other plugins. NULL with *err. */
struct plugin *plugin_copy(struct arena *a, const wf_plugin *entry, const char *path,
                           struct err *err);
/* Checks a parameter table (already in today's layout). 0, or -1 with *err naming row and reason.
 */
int table_check(const wf_param *table, size_t config_size, struct err *err);
/* Checks n rows of metrics: kinds, and names with their labels. */
int metrics_check(const wf_metric *rows, size_t n, struct err *err);

/* --- parameters ------------------------------------------------------------------------------- */

/* A value inside a WF_VALUE that is not constant: an expression, or a container with some inside.
 */
struct params_tree {
    const void *expr;                   /* or NULL: a container */
    const struct json *base;            /* the container with everything that is constant */
    const struct params_tree *children; /* n of them, by rising index */
    uint32_t n, index;                  /* index: place in the parent */
    const char *path;
};

struct params_slot {
    const wf_param *row;
    const char *path;
    size_t at;        /* of the field, from the start of the config or of the list's rows */
    const void *expr; /* a field that one expression gives */
    const struct json_path *look;   /* or NULL: where in the item it is (params_hooks.path) */
    const struct params_tree *tree; /* WF_VALUE with expressions inside */
    struct params_slot *slots;      /* WF_LIST: slots in its rows */
    uint32_t n_slots;
};

/* A list that lies in a config: its field is at `at`, its rows begin at `rows`. */
struct params_move {
    size_t at, rows;
};

/* A config and the rows of its lists with slots in them, in one piece. */
struct params_flat {
    const char *image;
    size_t bytes;
    const struct params_move *lists;
    const struct params_slot *slots; /* in the order of their parameters, none a list */
    uint32_t n_lists, n_slots;
};
/* params_flat.c. Of a config with slots. */
const struct params_flat *params_flatten(struct arena *a, const struct params *p);

/* Size of a type's field; 0 for an unknown type. */
size_t param_field_size(wf_type type);
/* How a type is called in messages and manuals: "a whole number". */
const char *param_type_words(wf_type type);

/* A text is an expression for this row. */
static inline bool param_is_expression(const wf_param *row, const struct json *v)
{
    return v && v->type == JSON_STRING && v->len && v->s[0] == '=' && !(row->flags & WF_RAW);
}

/* A default as it would be given. */
struct json param_default(struct arena *a, const wf_param *row);

/* Writes a constant or solved value of any type but WF_LIST and WF_CREDENTIAL into its field.
 * `solved`: text takes objects and arrays too. 0, or -1 with a sentence in why (PARAM_WHY_MAX
 * bytes). */
int param_convert(struct arena *a, const wf_param *row, const struct json *v, bool solved,
                  void *field, char *why);
/* "must be a number, got "x"" without secrets. */
void param_complain(const wf_param *row, const char *what, const struct json *v, char *why);

enum shown { SHOWN = 1, HIDDEN, SHOWN_MAYBE };
/* Whether show_if lets a row be seen, given the object its table describes. */
enum shown param_shown(const wf_param *table, const wf_param *row, const struct json *given);
/* Walks the clauses of a show_if: *rest starts as the text. False at the end. `values` has the part
 * behind "=", to be walked with show_if_value; without "=" it is empty with ptr NULL. */
bool show_if_clause(wf_str *rest, wf_str *name, wf_str *values);
bool show_if_value(wf_str *values, wf_str *value);

/* A parameter's value by its dotted name, or NULL. */
const struct json *param_lookup(const struct json *given, const char *name);
/* The value of a resourceLocator, or v. */
const struct json *param_unlocate(const struct json *v);
/* A locator {__rl, mode, value}. */
bool param_is_locator(const struct json *v);

#endif
