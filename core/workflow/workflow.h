/* SPDX-License-Identifier: Apache-2.0
 * workflow: from a JSON definition to a read-only plan, or to all of its mistakes at once.
 *
 * parse reads n8n's export format and ours (one format), check finds every mistake with line,
 * column, node and a suggestion, plan turns names into integers, binds parameters and compiles
 * expressions. A plan is immutable, counted by its users, and shared by all workers.
 *
 * Thread: compiling anywhere; a plan is read by all.
 */
#ifndef CATALYST_WORKFLOW_H
#define CATALYST_WORKFLOW_H
#include "base/arena.h"
#include "base/err.h"
#include "expr/expr.h"
#include "json/json.h"
#include "plugin/plugin.h"

enum durability {
    DURABILITY_NONE = 1,
    DURABILITY_AT_LEAST_ONCE,
    DURABILITY_EXACTLY_ONCE,
    DURABILITY_EACH_STEP
};
enum on_error { ON_ERROR_STOP = 1, ON_ERROR_REGULAR, ON_ERROR_OUTPUT };
enum save_mode { SAVE_ALL = 1, SAVE_ERRORS, SAVE_NONE, SAVE_SAMPLE };

struct plan_edge {
    uint16_t port;  /* output of the node it leaves */
    uint16_t input; /* input of the node it reaches */
    uint32_t to;    /* index of that node */
};

struct plan_retry {
    uint32_t tries; /* in all; 1: no retry */
    int64_t first_ms, max_ms;
    double factor, jitter; /* jitter 0..1: the share of the wait that is random */
};

struct plan_node {
    uint32_t index;
    const char *name, *id, *type_name;
    const struct node_type *type; /* NULL for notes, which no edge reaches */
    double type_version;
    double x, y;
    struct params params;
    const struct json *parameters; /* as written, for $parameter */
    uint16_t n_inputs, n_outputs;  /* n_outputs counts the error output */
    int16_t error_port;            /* the last output under ON_ERROR_OUTPUT, else -1 */
    enum on_error on_error;
    bool disabled, always_output, execute_once;
    bool keep_outputs; /* some expression or script may read them later */
    struct plan_retry retry;
    int64_t timeout_ms;                 /* 0: none */
    const struct expr *idempotency_key; /* or NULL */
    /* All edges that leave, in the order their targets run: executionOrder v1 by canvas y, then x,
     * then name; legacy in the order of the connections. */
    const struct plan_edge *edges;
    uint32_t n_edges;
    const uint16_t *in_degree; /* edges per input; n_inputs of them */
};

struct plan_settings {
    enum durability durability;
    bool order_v1;
    const char *timezone;       /* IANA; "UTC" by default */
    const char *error_workflow; /* id, or NULL */
    int64_t timeout_ms;         /* of an execution; 0: none */
    uint64_t max_node_runs;     /* stop for endless loops; default 10,000 */
    enum save_mode save;
    uint32_t save_sample;               /* with SAVE_SAMPLE: 1 in N */
    const char *dead_letter;            /* topic, or NULL */
    uint32_t concurrency;               /* 0: no limit */
    const struct expr *concurrency_key; /* or NULL */
};

struct plan {
    struct arena arena;
    uint32_t refs;    /* atomic */
    uint64_t version; /* of the store; 0 for `catalyst run` */
    uint32_t number;  /* of the version within its workflow, as `catalyst list` tells it; or 0 */
    const char *id, *name;
    bool active;
    struct plan_settings settings;
    const struct plan_node *nodes;
    uint32_t n_nodes;
    const uint32_t *by_name;  /* indices in the order of the names' bytes, for plan_find_node */
    const uint32_t *triggers; /* indices of trigger nodes that are not disabled */
    uint32_t n_triggers;
    struct expr_unit unit;         /* all Lua functions of its expressions */
    const struct json *vars, *env; /* $vars and the allowed part of $env: objects; or NULL */
    const struct json *pin_data;   /* {node: [items]}; or NULL; for `catalyst run` */
    wf_str definition;             /* the text, kept for export */
    bool keep_all;                 /* every node's outputs are kept (run --output json) */
};

/* One mistake. */
struct workflow_issue {
    uint32_t line, column; /* 1-based, in code points */
    const char *node;      /* name, or NULL */
    const char *text;      /* what, and what to do */
    bool warning;
};

struct workflow_options {
    const struct plugin_set *plugins;
    /* Looks up a credential by id or name and types; NULL hook: any reference is taken. Returns
     * NULL with a sentence in why when there is none. */
    const wf_cred *(*credential)(void *ctx, wf_str id, wf_str name, const char *types, char *why,
                                 size_t why_size);
    const struct json *vars;      /* $vars, or NULL */
    const char *const *env_allow; /* names for $env; ends with NULL; or NULL */
    void *ctx;
    bool keep_all;
    /* Handed to wf_node.check, which asks it for services; NULL: node types do not check their
     * configs. */
    const wf_host *host;
    bool for_run; /* `catalyst run`: an active workflow needs no trigger */
};

struct workflow_report {
    struct arena arena;
    struct workflow_issue *issues; /* in the order of the text */
    uint32_t n, n_errors;
};

/* Compiles a definition. Returns a plan with one reference, or NULL with every mistake in *report
 * (which may hold warnings on success too). The text is copied. Free the report with
 * workflow_report_fini. */
struct plan *workflow_compile(wf_str text, const struct workflow_options *options,
                              struct workflow_report *report);
void workflow_report_fini(struct workflow_report *report);
/* "file:line:column: error: node 'X': text" lines, each with the source line and a caret when
 * `snippet`. */
void workflow_report_print(struct strbuf *b, const struct workflow_report *report, const char *file,
                           wf_str text, bool snippet);

struct plan *plan_ref(struct plan *p);
void plan_unref(struct plan *p);
/* The type of the nodes where error workflows begin. */
#define ERROR_TRIGGER_TYPE "catalyst.errorTrigger"
bool plan_has_error_trigger(const struct plan *p);
/* Node index by name, or -1. */
int plan_find_node(const struct plan *p, wf_str name);

/* A plan as text, for tests and people: settings, then each node with its ports, flags, parameters
 * and edges, by name and number. */
void plan_dump(struct strbuf *b, const struct plan *p);

/* id and name of a definition without compiling it (list, deploy). The name when there is no id. */
int workflow_identity(struct arena *a, wf_str text, wf_str *id, wf_str *name, bool *active,
                      struct err *err);

#endif
