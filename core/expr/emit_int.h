/* SPDX-License-Identifier: Apache-2.0
 * emit_int: writing Lua for a tree. An expression becomes a Lua expression text; what needs control
 * flow
 * (&&, ?:, ?., defaults) becomes statements that run before it and leave their result in a local.
 * That reordering is invisible because expressions have no effects.
 */
#ifndef CATALYST_EXPR_EMIT_INT_H
#define CATALYST_EXPR_EMIT_INT_H
#include "expr/syntax_int.h"

/* What is known of a value when the code is written. */
enum emit_kind {
    KIND_ANY = 1,
    KIND_FLOAT, /* a Lua float */
    KIND_BOOL,  /* true or false */
    KIND_STRING,
};

struct emit_value {
    wf_str text; /* Lua expression; binds tighter than any operator */
    enum emit_kind kind;
    bool simple; /* a local or literal: may be written twice */
};

struct emit_name {
    struct emit_name *next;
    wf_str js;
    wf_str lua;
};

struct emit {
    struct expr_unit *unit;
    struct arena *arena; /* for the time of compiling */
    struct expr_error *error;
    bool failed;
    struct strbuf *out;      /* statements of the function being written */
    struct emit_name *names; /* JavaScript names in scope, innermost first */
    unsigned locals;         /* Lua locals alive in the function being written */
    unsigned serial;         /* numbers every local */
    unsigned open;           /* ifs opened by the optional chain being written */
    unsigned depth;
    wf_str constants; /* Lua that makes what is made once */
    unsigned n_constants;
    bool naming; /* inside the computed name of a node */
    bool throws; /* has a call that can end the block as undefined */
};

enum { EMIT_LOCALS_MAX = 150, EMIT_ARGS_MAX = 40, EMIT_DEPTH_MAX = 150 };

struct emit_value emit_expression(struct emit *e, const struct node *n);
/* The truth of a tree as a Lua condition that is true or false. */
wf_str emit_truth(struct emit *e, const struct node *n);
struct emit_value emit_arrow(struct emit *e, const struct node *n);
/* Value in a local (or already simple). */
struct emit_value emit_simple(struct emit *e, struct emit_value v);
/* A new local's name; the caller writes `local`. */
wf_str emit_local(struct emit *e, uint32_t at);
wf_str emit_quote(struct emit *e, wf_str s);
struct emit_value emit_any(wf_str text);
/* The arguments, each after ", " (so they can follow a first one), or with `apply` true as one
 * array text. */
wf_str emit_args(struct emit *e, const struct node *list);
bool emit_has_spread(const struct node *list);
wf_str emit_list(struct emit *e, const struct node *list, wf_str first);
void emit_fail(struct emit *e, uint32_t at, const char *format, ...) WF_PRINTF(3, 4);
const struct emit_name *emit_find(const struct emit *e, wf_str js);

/* Variables, nodes and globals. false: n is nothing of these. */
bool emit_special(struct emit *e, const struct node *n, struct emit_value *out);
struct emit_value emit_global(struct emit *e, const struct node *n);
/* A global function or constant like "Math.max"; checks that it is known when `at` is its place. */
bool emit_is_namespace(const struct emit *e, const struct node *n);

/* A plain look-up, if n is one: made in unit->arena. false with e->failed when it names no known
 * node. */
bool emit_lookup(struct emit *e, const struct node *n, wf_str source, struct expr_lookup *out);

/* Names of what the runtime has, for checks at compile time. */
bool runtime_has_method(const char *name);
bool runtime_has_static(const char *name);
const char *runtime_nearest_method(const char *name);
const char *runtime_nearest_static(const char *name);

#endif
