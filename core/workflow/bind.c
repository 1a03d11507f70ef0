/* SPDX-License-Identifier: Apache-2.0
 * Parameters: bound to the table of their node type, their expressions compiled, their credentials
 * looked up. core/plugin does the binding and tells mistakes by path; here a path becomes a place
 * in the text.
 *
 * Compiling also finds out whose outputs must be kept: every node that an expression looks up is
 * told to on_node_index.
 *
 * Thread: the compilation's. Nothing blocks.
 */
#include "workflow/workflow_int.h"
#include <stdio.h>

enum { WHY_BYTES = 500, CRED_TYPES_MAX = 64 };

/* What the hooks need of the node being bound. */
struct bind {
    struct compile *c;
    struct plan_node *n;
    struct node_at *place;
};

/* --- expressions ------------------------------------------------------------------------------ */

/* The unit's hook. What it remembers lets a mistake suggest the nearest name. */
struct lookup {
    struct compile *c;
    const char *missing;
};

static int on_node_index(void *ctx, wf_str name)
{
    struct lookup *look = ctx;
    struct compile *c = look->c;
    int i = compile_find(c, name);
    if (i < 0 || c->places[i].note) {
        look->missing = arena_str(&c->scratch, name.ptr, name.len).ptr;
        return -1;
    }
    c->nodes[i].keep_outputs = true;
    return i;
}

const struct expr *compile_expr(struct compile *c, wf_str text, const char *where,
                                struct expr_error *error)
{
    struct expr_unit *unit = &c->plan->unit;
    struct lookup look = { .c = c };
    *error = (struct expr_error){ 0 };
    unit->node_index = on_node_index;
    unit->ctx = &look;
    const struct expr *x = expr_compile(unit, text, where, error);
    unit->node_index = NULL;
    unit->ctx = NULL;
    if (x || !look.missing || strstr(error->text, "did you mean"))
        return x;
    const char *more = compile_find(c, str_of(look.missing)) >= 0
                           ? " (a note has no items)"
                           : issue_hint(c, look.missing, c->names, c->n_names);
    size_t len = strlen(error->text);
    snprintf(error->text + len, sizeof error->text - len, "%s", more);
    return NULL;
}

/* --- hooks of params_bind --------------------------------------------------------------------- */

/* The value at a path of params_bind, and whether it is there itself or only what it should be in.
 */
static struct spot *find(struct bind *b, const char *path, bool *whole)
{
    struct at from = b->place->parameters;
    *whole = false;
    if (b->c->too_many) /* nobody reads it any more */
        return from.spot;
    if (*path == '/')
        return locate_path(&b->c->locate, b->place->at.spot, path + 1, whole);
    return from.json ? locate_path(&b->c->locate, from.spot, path, whole) : from.spot;
}

static const char *describe(struct compile *c, const char *path)
{
    if (*path == '/')
        return arena_printf(&c->scratch, "%s: ", path + 1).ptr;
    return *path ? arena_printf(&c->scratch, "parameter '%s': ", path).ptr : "";
}

static void on_report(void *ctx, const char *path, bool key, const char *message)
{
    struct bind *b = ctx;
    bool whole;
    const struct spot *spot = find(b, path, &whole);
    issue_at(b->c, key && whole ? place_key(spot) : spot->at, false, "%s%s", describe(b->c, path),
             message);
}

static const void *on_compile(void *ctx, const char *path, wf_str text)
{
    struct bind *b = ctx;
    struct expr_error error;
    bool whole;
    /* What fails at run time is told with its node and parameter by those who solve it. */
    const struct expr *x = compile_expr(b->c, text, "expression", &error);
    if (!x)
        issue_at(b->c, locate_in_string(&b->c->locate, find(b, path, &whole), error.offset), false,
                 "%s%s", describe(b->c, path), error.text);
    else if (memmem(text.ptr, text.len, "$env", 4))
        compile_env_reads(b->c, text, find(b, path, &whole), describe(b->c, path));
    return x;
}

static bool on_constant(void *ctx, const void *expr, struct json *out)
{
    const struct expr *x = expr;
    (void)ctx;
    if (x->kind != EXPR_CONST)
        return false;
    *out = x->value;
    return true;
}

/* An index would be a key of an object and a place of an array; that is left to the evaluation. */
static const struct json_path *on_path(void *ctx, const void *expr)
{
    const struct expr *x = expr;
    (void)ctx;
    if (x->kind != EXPR_PATH || x->look->root != EXPR_ROOT_JSON)
        return NULL;
    for (uint32_t i = 0; i < x->look->path.n; i++)
        if (!x->look->path.steps[i].key)
            return NULL;
    return &x->look->path;
}

static const wf_cred *on_credential(void *ctx, const char *path, const char *types,
                                    const struct json *reference)
{
    struct bind *b = ctx;
    const struct workflow_options *o = b->c->options;
    char why[WHY_BYTES] = "";
    wf_str id = json_str(JSON_GET(reference, "id")), name = json_str(JSON_GET(reference, "name"));
    if (reference->type == JSON_STRING)
        name = json_str(reference);
    const wf_cred *cred = o->credential(o->ctx, id, name, types, why, sizeof why);
    if (cred)
        return cred;
    if (!why[0])
        snprintf(why, sizeof why, "there is no credential '%.*s' of type %s",
                 STR_ARG(name.len ? name : id), types);
    on_report(b, path, false, why);
    return NULL;
}

/* --- credentials that nobody asks for --------------------------------------------------------- */

static size_t add_types(const char **types, size_t n, struct compile *c, const wf_param *table)
{
    for (const wf_param *row = table; row && row->name; row++) {
        if (row->type == WF_LIST)
            n = add_types(types, n, c, row->rows);
        const char *at = row->type == WF_CREDENTIAL ? row->cred : NULL;
        while (at && *at && n < CRED_TYPES_MAX) {
            size_t len = strcspn(at, ",");
            types[n++] = arena_str(&c->scratch, at, len).ptr;
            at += len + (at[len] == ',');
            at += strspn(at, " ");
        }
    }
    return n;
}

/* A misspelt credential type would leave the node without the credential its author thinks it uses.
 */
static void check_credentials(struct compile *c, const struct plan_node *n,
                              const struct node_at *place)
{
    const char *types[CRED_TYPES_MAX];
    size_t n_types = add_types(types, 0, c, n->type->node.params);
    for (uint32_t i = 0; is_object(place->credentials) && i < place->credentials.json->len; i++) {
        const char *name;
        struct at v = at_member(c, place->credentials, i, &name);
        bool known = false;
        for (size_t k = 0; k < n_types && !known; k++)
            known = !strcmp(types[k], name);
        if (!known)
            warn_key(c, v, "the node type takes no credential '%s'%s", name,
                     issue_hint(c, name, types, n_types));
    }
}

/* --- one node --------------------------------------------------------------------------------- */

static void set_ports(struct compile *c, struct plan_node *n, struct node_at *place)
{
    const wf_node *type = &n->type->node;
    unsigned inputs = n->type->n_inputs, outputs = n->type->n_ports;
    place->ports_known = place->bound || !type->shape;
    if (place->bound && type->shape)
        type->shape(n->params.base, &inputs, &outputs);
    if (inputs < 1 || inputs > PORTS_MAX || outputs > PORTS_MAX) {
        mistake(c, place->parameters,
                "%u inputs and %u outputs are asked for: 1 to %d inputs and up to %d outputs"
                " can be had",
                inputs, outputs, PORTS_MAX, PORTS_MAX);
        place->ports_known = false;
        inputs = n->type->n_inputs;
        outputs = n->type->n_ports;
    }
    n->n_inputs = (uint16_t)inputs;
    n->n_outputs = (uint16_t)outputs;
    if (n->on_error == ON_ERROR_OUTPUT)
        n->error_port = (int16_t)n->n_outputs++;
}

/* What the node type itself has to say about its config. */
static void check_config(struct compile *c, struct plan_node *n, struct node_at *place)
{
    char why[WHY_BYTES] = "";
    if (!c->options->host || !n->type->node.check)
        return;
    if (n->type->node.check(c->options->host, n->params.base, why, sizeof why) != 0) {
        mistake(c, place->parameters, "%s", why[0] ? why : "the parameters do not go together");
        place->bound = false;
    }
}

static void bind_node(struct compile *c, struct plan_node *n, struct node_at *place)
{
    struct bind b = { .c = c, .n = n, .place = place };
    struct params_hooks hooks = { .ctx = &b,
                                  .compile = on_compile,
                                  .report = on_report,
                                  .credential = c->options->credential ? on_credential : NULL,
                                  .constant = on_constant,
                                  .path = on_path };
    n->idempotency_key = at_expr(c, place->at, "idempotencyKey", "idempotencyKey");
    if (!n->type)
        return;
    c->soft = n->disabled;
    at_check_doubles(c, place->parameters);
    place->bound = params_bind(&c->plan->arena, n->type->node.params, n->type->node.config_size,
                               n->parameters, place->credentials.json, &hooks, &n->params) == 0;
    check_credentials(c, n, place);
    if (place->bound)
        check_config(c, n, place);
    if (place->bound)
        compile_script_reads(c, n);
    else
        n->params = (struct params){ 0 };
    set_ports(c, n, place);
    c->soft = false;
}

void compile_parameters(struct compile *c)
{
    c->plan->unit.arena = &c->plan->arena;
    for (uint32_t i = 0; i < c->n_nodes; i++) {
        c->node = *c->nodes[i].name ? c->nodes[i].name : NULL;
        bind_node(c, &c->nodes[i], &c->places[i]);
    }
    c->node = NULL;
}
