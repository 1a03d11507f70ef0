/* SPDX-License-Identifier: Apache-2.0
 * main: program start. Commands, and what several of them need: plugins, credentials, definitions.
 */
#ifndef CATALYST_MAIN_H
#define CATALYST_MAIN_H
#include "main/config.h"
#include "plugin/plugin.h"
#include "store/store.h"
#include "workflow/workflow.h"

/* Exit codes. */
enum {
    EXIT_OK = 0,
    EXIT_FAILED = 1,      /* the execution failed; check found mistakes */
    EXIT_USAGE = 2,       /* unknown command, flag or setting */
    EXIT_UNREACHABLE = 3, /* store, broker or port cannot be had */
    EXIT_INTERNAL = 4,
};

struct command {
    const char *name, *usage, *help;
    const char *docs; /* more for --help, with examples; or NULL */
    int (*run)(struct config *c, const char **args, int n_args);
};
extern const struct command commands[]; /* ends with name NULL */

int cmd_serve(struct config *c, const char **args, int n_args);
int cmd_run(struct config *c, const char **args, int n_args);
int cmd_check(struct config *c, const char **args, int n_args);
int cmd_deploy(struct config *c, const char **args, int n_args);
int cmd_activate(struct config *c, const char **args, int n_args);
int cmd_deactivate(struct config *c, const char **args, int n_args);
int cmd_list(struct config *c, const char **args, int n_args);
int cmd_nodes(struct config *c, const char **args, int n_args);
int cmd_executions(struct config *c, const char **args, int n_args);
int cmd_credentials(struct config *c, const char **args, int n_args);
int cmd_migrate(struct config *c, const char **args, int n_args);
int cmd_init_platform(struct config *c, const char **args, int n_args);
int cmd_version(struct config *c, const char **args, int n_args);

/* Takes "--name VALUE" or "--name=VALUE" out of args; NULL: not there. */
const char *arg_value(const char **args, int *n_args, const char *name);
/* Takes "--name" out of args. */
bool arg_flag(const char **args, int *n_args, const char *name);
/* Says "catalyst: text" on stderr and returns `code`. */
int say_error(int code, const char *format, ...) WF_PRINTF(2, 3);
/* EXIT_USAGE with a message when words are left over that no one took. `flags`: those the command
 * has of its own, by which a misspelt one is told: "status limit"; or NULL. */
int args_done(const char **args, int n_args, const char *flags);

/* A store that could not be opened: `catalyst migrate` helps. */
bool store_is_behind(const struct err *err);
/* The store of the settings, migrated as they say; NULL: *code is the exit code, and it was told
 * why. */
struct store *store_for(const struct config *c, int *code);
/* EXIT_OK when the store has a workflow of this id, or of this name where that counts; else says
 * that it has none, and the nearest. */
int workflow_known(struct store *s, const char *wanted, bool by_name);

/* EXIT_USAGE for what the settings say wrong, EXIT_UNREACHABLE for all else. */
int exit_of(const struct err *err);

/* The *.json of folders and the files among `paths` ("-": standard input), in name order;
 * NULL-ended. */
const char **workflow_files(struct arena *a, const char *const *paths, struct err *err);

/* --- plugins: plugins.c ----------------------------------------------------------------------- */

/* The install's folder, then those of the settings. Broken ones are told on stderr. NULL with *err.
 */
struct plugin_set *plugins_load(const struct config *c, struct err *err);
/* The tables they bring, for store_config; to be freed. */
struct store_tables *plugins_tables(const struct plugin_set *set, size_t *n);

/* --- credentials: credentials.c --------------------------------------------------------------- */

struct credentials;
/* From the file and the environment, and from the store when there is one. NULL with *err. */
struct credentials *credentials_load(const struct config *c, const struct plugin_set *plugins,
                                     struct store *store, struct err *err);
void credentials_free(struct credentials *cs); /* wipes the secrets */
/* For workflow_options.credential, with the credentials as ctx. */
const wf_cred *credentials_find(void *ctx, wf_str id, wf_str name, const char *types, char *why,
                                size_t why_size);

/* --- definitions: definitions.c --------------------------------------------------------------- */

enum { DEFINITION_CAP = 16 << 20 };

/* What compiling needs, made once. All zero before definitions_init; plugins that are loaded by
 * then are taken over. */
struct route_owners;
struct definitions {
    struct arena arena;
    struct plugin_set *plugins;
    struct credentials *credentials;
    struct json vars;
    bool has_vars, keep_all;
    const char *const *env_allow;
};
int definitions_init(struct definitions *d, const struct config *c, struct store *store,
                     struct err *err);
void definitions_fini(struct definitions *d);
/* Compiles; mistakes are printed to stderr under `file`. NULL: there were some. */
struct plan *definitions_compile(struct definitions *d, wf_str text, const char *file);
/* The same without a word about mistakes. */
struct plan *definitions_compile_quietly(struct definitions *d, wf_str text);
/* What stands in the store now; the strings lie in the arena. */
struct deployed {
    wf_str id, name;
    unsigned number; /* of the version */
};
/* Puts a file into the store under its id, active at once. -1 with *err, also when it has mistakes:
 * then they were printed; and when one of its webhooks is another's of `owners`. */
int definitions_deploy(struct definitions *d, struct store *s, struct route_owners *owners,
                       struct arena *a, const char *path, struct deployed *out, struct err *err);

/* --- error workflows: error_workflows.c ------------------------------------------------------- */

/* Warns on stderr of each of the files whose errorWorkflow is none of them, nor, unless NULL, of
 * the store. */
void error_workflows_check(const char *const *files, struct store *s);

/* --- which workflow answers which webhook: route_owners.c ------------------------------------- */

struct route_owners *route_owners_create(void);
/* Those of the active workflows of the store. NULL with *err: it cannot be read. */
struct route_owners *route_owners_of_store(struct definitions *d, struct store *s, struct err *err);
void route_owners_destroy(struct route_owners *o); /* NULL: nothing */
/* CONFLICT names both when a method and path of the plan is another workflow's, or another node's.
 */
int route_owners_check(struct route_owners *o, struct plan *p, struct err *err);
/* The same for the newest version of a workflow in the store. */
int route_owners_check_stored(struct route_owners *o, struct definitions *d, struct store *s,
                              wf_str id, struct err *err);
/* Its routes are the plan's, in place of those of an older version. */
void route_owners_take(struct route_owners *o, struct plan *p);

#endif
