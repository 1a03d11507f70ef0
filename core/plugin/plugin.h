/* SPDX-License-Identifier: Apache-2.0
 * plugin: loading of shared objects, the registry of node types, and parameter tables.
 *
 * Everything a plugin declares is checked and copied into structs of today's layout at load;
 * afterwards the registry is read-only and shared by all threads. A plugin is never unloaded. One
 * table of parameters is parser, check, JSON Schema, manual and form.
 *
 * This room knows nothing of expressions and executions: texts that begin with "=" go to a hook of
 * the caller, and come back as an opaque handle that another hook solves.
 */
#ifndef CATALYST_PLUGIN_ROOM_H
#define CATALYST_PLUGIN_ROOM_H
#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"
#include "json/json.h"
#include <catalyst/functions.h>
#include <catalyst/plugin.h>

/* --- the registry ----------------------------------------------------------------------------- */

struct plugin {
    const struct plugin_set *set;
    const char *name, *version, *path, *docs;
    const struct node_type *nodes; /* n_nodes of them */
    size_t n_nodes;
    const wf_cred_type *creds;
    size_t n_creds;
    const wf_migration *migrations; /* numbered 1, 2 ... n_migrations; names and texts are there */
    size_t n_migrations;
    /* Sizes of structs that this plugin makes while it runs: read them with plugin_struct_copy. */
    uint32_t request_size, error_size, output_size;
};

/* Copies a struct made by a plugin that knows it as `from_size` bytes into today's layout of
 * `to_size` bytes: a shorter one is filled with zeros, a longer one must have zeros in what we do
 * not know. 0, or -1 when it has something else there. */
int plugin_struct_copy(void *to, size_t to_size, const void *from, size_t from_size);

struct node_type {
    const struct plugin *plugin;
    /* As declared, always in full: "catalyst.if" for ours, "vendor.name" otherwise. */
    const char *type;
    /* Today's layout: shorter structs were filled with zeros, params are copied likewise. */
    wf_node node;
    uint16_t n_ports, n_inputs; /* as declared, at least 1 input; n_ports may be 0 */
    uint16_t n_metrics;
    uint32_t index; /* place in the registry */
};

/* A metric's name, "base" or "base{key=\"value\",..}": what the loader took is well formed. */
struct metric_name {
    wf_str base, labels; /* labels: what stands between the braces; empty: none */
};
struct metric_name metric_name_split(const char *name);

struct plugin_set;

struct plugin_set *plugin_set_create(void);
void plugin_set_destroy(struct plugin_set *set); /* frees the registry; libraries stay mapped */
/* Loads every *.so of a directory in name order. A broken one is handed to `report` (file, reason)
 * and left out; the others load. Returns how many loaded, or -1 with *err when the directory cannot
 * be read. */
int plugin_set_load_dir(struct plugin_set *set, const char *dir,
                        void (*report)(void *ctx, const char *file, const char *reason), void *ctx,
                        struct err *err);
/* Loads one file. 0, or -1 with *err naming file and reason: no entry symbol, other ABI, sizes, a
 * table that is wrong (row, field), a node type that is there already. */
int plugin_set_load(struct plugin_set *set, const char *path, struct err *err);
/* Adds a plugin that is linked in (tests, the engine's own). Same checks. */
int plugin_set_add(struct plugin_set *set, const wf_plugin *entry, const char *path,
                   struct err *err);

/* By full type, by declared type or by an alias; NULL: none. */
const struct node_type *plugin_find(const struct plugin_set *set, const char *type);
/* The nearest type name to one that is not there, or NULL: an alias when `type` has its vendor. */
const char *plugin_nearest(const struct plugin_set *set, const char *type);
const struct node_type *plugin_node_at(const struct plugin_set *set,
                                       size_t i);                       /* NULL past the end */
const struct plugin *plugin_at(const struct plugin_set *set, size_t i); /* NULL past the end */
const wf_cred_type *plugin_find_cred(const struct plugin_set *set, const char *type);

/* Functions for Lua steps. plugin_set_load finds them by itself. -1 with *err. */
int plugin_set_add_functions(struct plugin_set *set, const wf_functions *entry, struct err *err);
const wf_function *plugin_find_function(const struct plugin_set *set, const char *name);

/* --- parameters ------------------------------------------------------------------------------- */

struct params_slot; /* one place of a config that an expression fills */
struct params_flat; /* the same, laid out for copying */

/* Parameters of one node of a plan, bound to its table. Read-only once bound. */
struct params {
    const wf_param *table;
    size_t config_size;
    const void *base; /* config with all constants; whole when n_slots is 0 */
    struct params_slot *slots;
    uint32_t n_slots;
    const struct params_flat *flat; /* when there are slots */
};

struct params_hooks {
    void *ctx;
    /* Compiles a text that begins with "=". NULL after it told `report` itself, with offset into
     * the text. */
    const void *(*compile)(void *ctx, const char *path, wf_str text);
    /* One mistake. `path` is the parameter's place in JSON ("rules.values[2].name", odd keys as
     * "body['x.y']"), from the node's `parameters` object; "" is that object. A path that starts
     * with "/" is from the node itself ("/credentials.redis"). `key` true: the mistake is the key
     * itself (unknown name). A required parameter that is missing is reported at the path it should
     * have. */
    void (*report)(void *ctx, const char *path, bool key, const char *message);
    /* Looks a credential reference up: the JSON given ({id,name} or a name). Returns the handle to
     * be put into the config, or NULL after it told `report`. NULL hook: every reference gives a
     * dummy handle. */
    const wf_cred *(*credential)(void *ctx, const char *path, const char *types,
                                 const struct json *reference);
    /* Tells whether a compiled expression is a constant, and its value. Constants are bound at
     * once, take no slot and are accepted where expressions are not. NULL hook: none is. */
    bool (*constant)(void *ctx, const void *expr, struct json *out);
    /* Tells whether a compiled expression is nothing but a path of names into objects of the item's
     * own JSON: that path, which lives as long as the expression, or NULL. params_solve_item takes
     * it without asking eval. NULL hook: none is. */
    const struct json_path *(*path)(void *ctx, const void *expr);
};

/* Binds `given` (an object, or NULL) to the table: types, ranges, choices, required, unknown names
 * with the nearest right one, n8n's shapes (resourceLocator {__rl, mode, value}; fixedCollection;
 * numbers and booleans given as text). Credentials are looked for in `given` by name and in
 * `credentials` (the node's object) by type. Reports every mistake. 0, or -1 when there was one.
 * Memory: `a`, the plan's; `given` is copied.
 *
 * - null is the same as not given, but for WF_VALUE, where it is a value. Text that is absent is ""
 * (its ptr is never NULL); "" does not satisfy WF_REQUIRED.
 * - A parameter that show_if hides keeps its default, and what is given for it is not looked at.
 * While the parameter it hangs on is an expression, it is bound when given and not required.
 * - In WF_VALUE every text that begins with "=" is an expression, however deep.
 * - Rows of a list with a single parameter may be given as plain values: ["a", "b"]. A row may have
 * an "id" that the table does not know. */
int params_bind(struct arena *a, const wf_param *table, size_t config_size,
                const struct json *given, const struct json *credentials,
                const struct params_hooks *hooks, struct params *out);

/* Solves the slots for one item into a config of its own. eval gives the value of a handle of
 * params_hooks.compile: 0, or -1 with *err. Returns the config in `a` (or p->base without slots),
 * or NULL with *err naming the parameter: "parameter 'amount': must be a number, got \"x\"".
 *
 * Conversions are as at bind; text takes any value, objects and arrays as JSON. null and missing
 * become the default, and are an error where the parameter is required. Inside WF_VALUE a missing
 * member is left out and a missing element is null, as JavaScript's JSON has it. */
const void *params_solve(struct arena *a, const struct params *p,
                         int (*eval)(void *ctx, const void *expr, struct json *out,
                                     struct err *err),
                         void *ctx, struct err *err);
/* The same, given the item's own JSON, which must live as long as the config. */
const void *params_solve_item(struct arena *a, const struct params *p, const struct json *item,
                              int (*eval)(void *ctx, const void *expr, struct json *out,
                                          struct err *err),
                              void *ctx, struct err *err);

/* One value of a row that has no config (a credential's field), as text: a choice's name, "true" or
 * "false", digits, the text itself. Text must be given as text. -1 with *err: "must be ..". */
int param_text(struct arena *a, const wf_param *row, const struct json *v, wf_str *out,
               struct err *err);

/* "2s", "5m", "1h", "3d", "250ms" or a number -> milliseconds; "64k", "2M", "1G" -> bytes. -1: no
 * such. */
int64_t params_ms(wf_str text);
int64_t params_bytes(wf_str text);

/* --- what a table tells ----------------------------------------------------------------------- */

/* JSON Schema of one node's `parameters`, and of the whole workflow format with one definition per
 * node. */
void schema_node(struct strbuf *b, const struct node_type *type);
void schema_workflow(struct strbuf *b, const struct plugin_set *set);
/* The manual page (Markdown) of a plugin: plugins/<name>/README.md is exactly this. */
void docs_plugin(struct strbuf *b, const struct plugin *plugin);
/* A node's page for a terminal. */
void docs_node(struct strbuf *b, const struct node_type *type);

/* The values table behind wf_host.v works on core/json values: wf_value is struct json. The
 * functions that need an arena get it from the item through this hook. There is one table in a
 * process, so every caller gives the same hook. */
const wf_values *values_table(struct arena *(*arena_of)(wf_item *));
/* wf_host.build over the same. NULL when the shape is wrong. */
const struct json *values_build(struct arena *a, const char *shape, va_list args);

#endif
