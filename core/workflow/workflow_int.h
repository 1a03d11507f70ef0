/* SPDX-License-Identifier: Apache-2.0
 * What the files of this room share: places in the text, the mistakes, and the state of one
 * compilation.
 *
 * One compilation goes through these steps, each in its own file; every step goes on after a
 * mistake, so that one run tells all of them:
 *
 *   compile.c   text -> JSON, top-level fields, the order of the steps
 *   node.c      names, types, flags of each node            retry.c   retry and onError
 *   bind.c      parameters, expressions, credentials        reads.c   whose outputs are read later
 *   settings.c  settings                                    timezone.c
 *   connect.c   connections -> edges                        graph.c   cycles, nodes nothing leads
 * to report.c    mistakes -> lines and columns               locate.c  where a value stands in the
 * text
 */
#ifndef CATALYST_WORKFLOW_INT_H
#define CATALYST_WORKFLOW_INT_H
#include "base/map.h"
#include "workflow/workflow.h"

enum {
    TEXT_BYTES_MAX = 32 << 20,
    NODES_MAX = 10000,
    EDGES_MAX = 50000,
    PORTS_MAX = 1024, /* inputs or outputs of one node */
    NAME_BYTES_MAX = 256,
    ISSUES_MAX = 1000,
    HINTS_MAX = 200000, /* comparisons of names for suggestions in one compilation */
};

/* --- places (locate.c) ------------------------------------------------------------------------ */

/* A value in the text. Its children are listed when they are asked for. The text is known to be
 * JSON. */
struct spot {
    uint32_t at, end;      /* of the value */
    uint32_t key, key_end; /* of the member's name with its quotes; 0, 0 for others */
    struct spot *children; /* in the order of the text, doubled names included */
    uint32_t n;
    bool listed;
};

struct locate {
    wf_str text;
    struct arena *arena;
    struct spot root;
    uint32_t line_at, line; /* a byte and the line it is in; where the next count starts */
};

/* `text` must be valid JSON; it and the arena stay as long as the places are used. */
void locate_init(struct locate *l, struct arena *a, wf_str text);
void locate_list(struct locate *l, struct spot *of);
/* The child of that name, or NULL. Of equal names the last, as in core/json. */
struct spot *locate_member(struct locate *l, struct spot *of, wf_str name);
struct spot *locate_element(struct locate *l, struct spot *of, size_t i);
bool locate_is_key(const struct locate *l, const struct spot *member, wf_str name);
/* Walks a path such as "rules.values[2]['x.y']". Where it finds nothing more it stays at the
 * innermost value that is there, and *whole is false. */
struct spot *locate_path(struct locate *l, struct spot *from, const char *path, bool *whole);
/* Where byte `offset` of a string's content stands in the text: escapes are longer than what they
 * mean. */
uint32_t locate_in_string(const struct locate *l, const struct spot *string, size_t offset);

/* The line of a byte, from 1. Cheap when asked in the order of the text. */
uint32_t locate_line(struct locate *l, uint32_t offset);

/* --- mistakes (report.c) ---------------------------------------------------------------------- */

struct compile;

/* A value together with its place. json NULL: not there, and spot is that of its container. */
struct at {
    const struct json *json;
    struct spot *spot;
};

void issues_init(struct workflow_report *r);
/* Sorts the mistakes by place and gives them line and column. */
void issues_finish(struct workflow_report *r, wf_str text);
/* One mistake at a byte of the text. */
WF_PRINTF(4, 5)
void issue_at(struct compile *c, uint32_t offset, bool warning, const char *format, ...);
#define mistake(c, at_, ...)     issue_at((c), (at_).spot->at, false, __VA_ARGS__)
#define mistake_key(c, at_, ...) issue_at((c), place_key((at_).spot), false, __VA_ARGS__)
#define warn(c, at_, ...)        issue_at((c), (at_).spot->at, true, __VA_ARGS__)
#define warn_key(c, at_, ...)    issue_at((c), place_key((at_).spot), true, __VA_ARGS__)
/* "; did you mean 'x'?", or "" when no name is near. */
const char *issue_hint(struct compile *c, const char *name, const char *const *names, size_t n);

/* Where a member's name stands, or the value itself. */
static inline uint32_t place_key(const struct spot *s) { return s->key_end ? s->key : s->at; }

/* --- one compilation -------------------------------------------------------------------------- */

/* An edge and where it was written. */
struct link_at {
    uint32_t from;
    struct plan_edge edge;
    uint32_t offset;
    uint32_t order;
};

/* What is known of a node beyond its plan_node. */
struct node_at {
    struct at at;         /* the node's object */
    struct at parameters; /* json NULL: none */
    struct at credentials;
    bool note;        /* a note on the canvas */
    bool named;       /* it has a name of its own */
    bool bound;       /* its parameters are whole */
    bool ports_known; /* n_inputs and n_outputs are right */
    bool ends;        /* graph.c: items that come here can end */
};

struct compile {
    const struct workflow_options *options;
    struct workflow_report *report;
    struct plan *plan;
    struct arena scratch; /* for this compilation only */
    struct locate locate;
    struct at root;
    struct plan_node *nodes; /* the plan's, still open for writing */
    struct node_at *places;  /* n_nodes of them */
    uint32_t n_nodes;
    const char **names; /* of the nodes that have one, for suggestions */
    size_t n_names;
    struct map by_name;    /* name -> index + 1 */
    struct link_at *links; /* in the order of the text */
    uint32_t n_links, links_size;
    const char *node;       /* the node the next mistakes belong to, or NULL */
    bool soft;              /* mistakes of a disabled node are warnings */
    size_t compared;        /* names, for suggestions */
    bool too_many;          /* ISSUES_MAX reached */
    bool connections_right; /* every connection was taken */
};

/* --- older forms of n8n's nodes (n8n.c) ------------------------------------------------------- */

/* The type that does today what `type` did: itemLists by its operation, code, function. */
const char *n8n_type(const char *type, const struct json *parameters);
/* Puts today's parameters in the place of older ones of an n8n-nodes-base.* node. */
void n8n_parameters(struct compile *c, struct plan_node *n, struct at *parameters);
/* The output of ours that the definition means by `port`. */
uint32_t n8n_output(const struct plan_node *n, uint32_t port);

/* --- fields (at.c): everything takes values that are not there -------------------------------- */

/* A member. null counts as not there. */
struct at at_field(struct compile *c, struct at of, const char *name);
struct at at_element(struct compile *c, struct at of, uint32_t i);
/* Member i of the parsed object, with its name NUL-ended. */
struct at at_member(struct compile *c, struct at of, uint32_t i, const char **name);
static inline bool is_object(struct at v) { return v.json && v.json->type == JSON_OBJECT; }
static inline bool is_array(struct at v) { return v.json && v.json->type == JSON_ARRAY; }
/* Reads a field of that kind, or reports what it must be and gives the other value. */
bool at_bool(struct compile *c, struct at of, const char *name, bool otherwise);
/* A text of the plan's arena, or NULL when it is not there or wrong. */
const char *at_text(struct compile *c, struct at of, const char *name);
bool at_number(struct compile *c, struct at of, const char *name, double min, double max,
               double *out);
bool at_int(struct compile *c, struct at of, const char *name, int64_t min, int64_t max,
            int64_t *out);
/* Milliseconds, or a duration such as "5s". */
bool at_ms(struct compile *c, struct at of, const char *name, int64_t *out);
/* An expression that is not constant; NULL when it is not there or wrong. */
const struct expr *at_expr(struct compile *c, struct at of, const char *name, const char *where);
/* The index of the name that is given, or -1. Names end with NULL. */
int at_choice(struct compile *c, struct at of, const char *name, const char *const *choices);
/* Warns of names that an object has twice, and of unknown names that are near a known one; with
 * `all` of every unknown name. */
void at_check_names(struct compile *c, struct at of, const char *what, const char *const *known,
                    bool all);
void at_check_doubles(struct compile *c, struct at of);

/* --- steps ------------------------------------------------------------------------------------ */

void compile_nodes(struct compile *c);                                    /* node.c */
void compile_retry(struct compile *c, struct plan_node *n, struct at at); /* retry.c */
enum on_error compile_on_error(struct compile *c, struct at at);
void compile_parameters(struct compile *c);  /* bind.c */
void compile_settings(struct compile *c);    /* settings.c */
void compile_connections(struct compile *c); /* connect.c */
void compile_pins(struct compile *c);
void compile_graph(struct compile *c); /* graph.c */
/* Marks the nodes that the scripts in n's parameters read. */
/* env.c: warns of every variable that an expression reads by name and no setting allows; `before`
 * is put in front. */
void compile_env_reads(struct compile *c, wf_str expression, const struct spot *string,
                       const char *before);
void compile_script_reads(struct compile *c, struct plan_node *n); /* reads.c */
/* Compiles a text that begins with "=". NULL with *error, whose text suggests a name where it can.
 */
const struct expr *compile_expr(struct compile *c, wf_str text, const char *where,
                                struct expr_error *error);
/* The index of a node, or -1. */
int compile_find(const struct compile *c, wf_str name);

/* NULL, or why it is no time zone of this machine, with the nearest one (timezone.c). */
const char *timezone_check(struct arena *a, const char *name);

#endif
