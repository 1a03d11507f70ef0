/* SPDX-License-Identifier: Apache-2.0
 * emit_name: what names mean: variables of n8n ($json, $('Node'), $now ...), globals of JavaScript,
 * and which trees are plain look-ups that need no Lua at all.
 */
#include "expr/emit_int.h"
#include <stdlib.h>

#define TEXT(...) arena_printf(e->arena, __VA_ARGS__)

static const struct {
    const char *name;
    enum expr_meta meta;
} metas[] = {
#define X(name, text) { text, EXPR_META_##name },
    EXPR_META_MAP(X)
#undef X
        { "$position", EXPR_META_ITEM_INDEX },
};

static const char *const variables[] = {
    "$json",    "$binary",    "$input",     "$node",      "$now",      "$today",
    "$items",   "$item",      "$if",        "$ifEmpty",   "$min",      "$max",
    "$average", "$not",       "$workflow",  "$execution", "$prevNode", "$vars",
    "$env",     "$parameter", "$itemIndex", "$runIndex",  "$position", "$",
};

/* Known in n8n, not here: a sentence instead of a guess. */
static const struct {
    const char *name, *why;
} unsupported[] = {
    { "$jmespath", "use array methods such as map and filter" },
    { "$fromAI", "it belongs to AI agents" },
    { "$secrets", "use credentials, or $env" },
    { "$rawParameter", "use $parameter" },
    { "$self", "it exists in n8n's own nodes only" },
    { "$mode", "use $execution.mode" },
    { "$nodeVersion", "versions of nodes are not visible here" },
    { "$nodeId", "use the node's name" },
    { "$webhookId", "the webhook trigger gives its own address" },
    { "$getPairedItem", "use $('Node').item" },
    { "$evaluateExpression", "expressions are compiled before the workflow runs" },
    { "$getWorkflowStaticData", "use the ledger or a store node" },
    { "$tool", "it belongs to AI agents" },
    { "$agentInfo", "it belongs to AI agents" },
    { "$request", "it exists in HTTP pagination only" },
    { "$response", "it exists in HTTP pagination only" },
    { "$pageCount", "it exists in HTTP pagination only" },
};

static enum expr_meta meta_of(const struct emit *e, const struct node *n)
{
    if (n->type != NODE_NAME || emit_find(e, n->text))
        return EXPR_META_NONE;
    for (size_t i = 0; i < sizeof metas / sizeof *metas; i++)
        if (!strcmp(metas[i].name, n->text.ptr))
            return metas[i].meta;
    return EXPR_META_NONE;
}

static bool is_variable(const struct emit *e, const struct node *n, const char *name)
{
    return n && n->type == NODE_NAME && !strcmp(n->text.ptr, name) && !emit_find(e, n->text);
}

/* --- nodes ------------------------------------------------------------------------------------ */

/* A node somebody names: by an index known now, or by Lua text that finds it when it runs. */
struct node_ref {
    int index; /* -1: the input of the current node */
    wf_str lua;
    bool legacy; /* $node["X"]: has .json at once */
};

static bool resolve_node(struct emit *e, const struct node *name, struct node_ref *ref)
{
    if (name->type == NODE_STRING) {
        ref->index = e->unit->node_index ? e->unit->node_index(e->unit->ctx, name->text) : -1;
        if (ref->index < 0)
            emit_fail(e, name->at, "there is no node named '%.80s' in this workflow",
                      name->text.ptr);
        ref->lua = TEXT("%d", ref->index);
        return true;
    }
    ref->index = -2;
    ref->lua = STR("-1");
    if (e->naming) {
        emit_fail(e, name->at, "a node's name cannot itself come from a node with a computed name");
        return true;
    }
    e->unit->reads_any_node = true;
    e->naming = true;
    ref->lua = TEXT("N.node(%s)", emit_expression(e, name).text.ptr);
    e->naming = false;
    return true;
}

/* n is $('X'), $node["X"], $node.X or $input. */
static bool match_node(struct emit *e, const struct node *n, struct node_ref *ref)
{
    *ref = (struct node_ref){ .index = -1, .lua = STR("-1") };
    if (is_variable(e, n, "$input"))
        return true;
    if (n->type == NODE_CALL && is_variable(e, n->a, "$")) {
        if (!n->b || n->b->next || n->b->type == NODE_SPREAD) {
            emit_fail(e, n->at, "$() takes the name of one node");
            return true;
        }
        return resolve_node(e, n->b, ref);
    }
    ref->legacy = true;
    if (n->type == NODE_INDEX && is_variable(e, n->a, "$node"))
        return resolve_node(e, n->b, ref);
    if (n->type == NODE_MEMBER && is_variable(e, n->a, "$node")) {
        struct node name = { .type = NODE_STRING, .at = n->at, .text = n->text };
        return resolve_node(e, &name, ref);
    }
    return false;
}

static const char *const node_members[] = { "item",       "first",        "last",
                                            "all",        "itemMatching", "pairedItem",
                                            "isExecuted", "params",       "context" };

static wf_str member_name(const struct node *n)
{
    if (n->type == NODE_MEMBER)
        return n->text;
    if (n->type == NODE_INDEX && n->b->type == NODE_STRING)
        return n->b->text;
    return (wf_str){ 0 };
}

static bool is_word(wf_str s, const char *word)
{
    return s.ptr && s.len == strlen(word) && !memcmp(s.ptr, word, s.len);
}

/* ref.member without a call. */
static struct emit_value emit_node_member(struct emit *e, const struct node *n,
                                          const struct node_ref *ref)
{
    wf_str name = member_name(n);
    if (is_word(name, "item"))
        return emit_any(TEXT("N.item(%s)", ref->lua.ptr));
    if (is_word(name, "isExecuted"))
        return (struct emit_value){ TEXT("N.ran(%s)", ref->lua.ptr), KIND_BOOL, false };
    if (is_word(name, "params") || (ref->legacy && is_word(name, "parameter")))
        return emit_any(TEXT("N.meta(%d,%s)", EXPR_META_PARAMETER, ref->lua.ptr));
    if (ref->legacy && (is_word(name, "json") || is_word(name, "data")))
        return emit_any(TEXT("N.json(%s)", ref->lua.ptr));
    if (ref->legacy && is_word(name, "binary"))
        return emit_any(TEXT("N.binary(%s)", ref->lua.ptr));
    const char *near = name.ptr ? str_nearest(name.ptr, node_members, 9) : NULL;
    emit_fail(e, n->at, "a node has no '%.40s'%s%s%s", name.ptr ? name.ptr : "[...]",
              near ? ": did you mean '"
                   : ": it has item, first(), last(), all(), params, isExecuted",
              near ? near : "", near ? "'?" : "");
    return emit_any(STR("nil"));
}

static bool emit_node_call(struct emit *e, const struct node *n, struct emit_value *out)
{
    static const struct {
        const char *name, *lua;
    } calls[] = {
        { "first", "N.first" },           { "last", "N.last" },           { "all", "N.all" },
        { "itemMatching", "N.matching" }, { "pairedItem", "N.matching" },
    };
    struct node_ref ref;
    if (n->a->type != NODE_MEMBER || !match_node(e, n->a->a, &ref))
        return false;
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++)
        if (is_word(n->a->text, calls[i].name)) {
            *out = emit_any(TEXT("%s(%s%s)", calls[i].lua, ref.lua.ptr, emit_args(e, n->b).ptr));
            return true;
        }
    const char *near = str_nearest(n->a->text.ptr, node_members, 9);
    emit_fail(e, n->a->at, "a node has no method '%.40s'%s%s%s", n->a->text.ptr,
              near ? ": did you mean '" : ": it has first(), last(), all(), itemMatching()",
              near ? near : "", near ? "'?" : "");
    return true;
}

/* $item(i).$node["X"].json, $item(i).$json */
static bool emit_item_at(struct emit *e, const struct node *n, struct emit_value *out)
{
    const struct node *base = n->a;
    if (n->type == NODE_MEMBER && base->type == NODE_CALL && is_variable(e, base->a, "$item") &&
        base->b && is_word(n->text, "$json")) {
        wf_str index = emit_expression(e, base->b).text;
        *out = emit_any(TEXT("(N.at(-1,%s))[\"json\"]", index.ptr));
        return true;
    }
    wf_str name = member_name(n);
    if (!name.ptr || base->type != NODE_MEMBER || !is_word(base->text, "$node") ||
        base->a->type != NODE_CALL || !is_variable(e, base->a->a, "$item") || !base->a->b)
        return false;
    struct node_ref ref = { 0 };
    struct node literal = { .type = NODE_STRING, .at = n->at, .text = name };
    resolve_node(e, &literal, &ref);
    wf_str index = emit_expression(e, base->a->b).text;
    *out = emit_any(TEXT("N.matching(%s,%s)", ref.lua.ptr, index.ptr));
    return true;
}

static bool emit_items(struct emit *e, const struct node *n, struct emit_value *out)
{
    if (n->type != NODE_CALL || !is_variable(e, n->a, "$items"))
        return false;
    struct node_ref ref = { .index = -1, .lua = STR("-1") };
    const struct node *rest = n->b;
    if (n->b) {
        resolve_node(e, n->b, &ref);
        rest = n->b->next;
    }
    *out = emit_any(TEXT("N.all(%s%s)", ref.lua.ptr, emit_args(e, rest).ptr));
    return true;
}

static bool emit_variable(struct emit *e, const struct node *n, struct emit_value *out)
{
    enum expr_meta meta = meta_of(e, n);
    if (meta)
        *out = emit_any(TEXT("N.meta(%d,-1)", meta));
    else if (is_variable(e, n, "$json"))
        *out = (struct emit_value){ STR("J"), KIND_ANY, true };
    else if (is_variable(e, n, "$binary"))
        *out = emit_any(STR("N.binary()"));
    else if (is_variable(e, n, "$now"))
        *out = emit_any(STR("N.now()"));
    else if (is_variable(e, n, "$today"))
        *out = emit_any(STR("N.today()"));
    else
        return false;
    return true;
}

/* $input.item is the item itself: no look-up. */
static bool emit_current_item(struct emit *e, const struct node *n, struct emit_value *out)
{
    const struct node *base = n->a;
    if (n->type != NODE_MEMBER || base->type != NODE_MEMBER || !is_variable(e, base->a, "$input") ||
        !is_word(base->text, "item"))
        return false;
    if (is_word(n->text, "json"))
        *out = (struct emit_value){ STR("J"), KIND_ANY, true };
    else if (is_word(n->text, "binary"))
        *out = emit_any(STR("N.binary()"));
    else
        return false;
    return true;
}

bool emit_special(struct emit *e, const struct node *n, struct emit_value *out)
{
    struct node_ref ref;
    *out = emit_any(STR("nil"));
    switch (n->type) {
    case NODE_NAME:
        return emit_variable(e, n, out);
    case NODE_CALL:
        if (emit_items(e, n, out) || emit_node_call(e, n, out))
            return true;
        break;
    case NODE_MEMBER:
    case NODE_INDEX:
        if (emit_current_item(e, n, out) || emit_item_at(e, n, out))
            return true;
        if (match_node(e, n->a, &ref)) {
            *out = emit_node_member(e, n, &ref);
            return true;
        }
        break;
    default:
        return false;
    }
    if (match_node(e, n, &ref)) {
        emit_fail(e, n->at, "a node is not a value: take its .item, .first(), .last() or .all()");
        return true;
    }
    return false;
}

/* --- globals ---------------------------------------------------------------------------------- */

bool emit_is_namespace(const struct emit *e, const struct node *n)
{
    static const char *const names[] = { "Math",   "JSON", "Object",   "Array",    "Number",
                                         "String", "Date", "DateTime", "Duration", "Boolean" };
    if (n->type != NODE_NAME || emit_find(e, n->text))
        return false;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (!strcmp(names[i], n->text.ptr))
            return true;
    return false;
}

static void fail_unknown(struct emit *e, const struct node *n)
{
    const char *name = n->text.ptr;
    for (size_t i = 0; i < sizeof unsupported / sizeof *unsupported; i++)
        if (!strcmp(unsupported[i].name, name)) {
            emit_fail(e, n->at, "%s is not supported: %s", name, unsupported[i].why);
            return;
        }
    const char *near = name[0] == '$'
                           ? str_nearest(name, variables, sizeof variables / sizeof *variables)
                           : runtime_nearest_static(name);
    if ((near && !strcmp(near, "$")) || strlen(name) < 4) /* short names are near to everything */
        near = NULL;
    if (near)
        emit_fail(e, n->at, "'%.60s' is not known: did you mean '%s'?", name, near);
    else
        emit_fail(e, n->at, "'%.60s' is not known%s", name,
                  name[0] == '$' ? "" : ": a field of the item is read as $json.name");
}

struct emit_value emit_global(struct emit *e, const struct node *n)
{
    if (n->type == NODE_NAME) {
        const struct emit_name *local = emit_find(e, n->text);
        if (local)
            return (struct emit_value){ local->lua, KIND_ANY, true };
        if (is_variable(e, n, "NaN"))
            return (struct emit_value){ STR("(0/0)"), KIND_FLOAT, true };
        if (is_variable(e, n, "Infinity"))
            return (struct emit_value){ STR("(1/0)"), KIND_FLOAT, true };
        if (!runtime_has_static(n->text.ptr)) {
            if (is_variable(e, n, "$") || is_variable(e, n, "$node") || is_variable(e, n, "$input"))
                emit_fail(e, n->at, "'%s' is not a value by itself", n->text.ptr);
            else
                fail_unknown(e, n);
            return emit_any(STR("nil"));
        }
        return emit_any(TEXT("S[%s]", emit_quote(e, n->text).ptr));
    }
    wf_str name = TEXT("%s.%s", n->a->text.ptr, n->text.ptr);
    if (!runtime_has_static(name.ptr)) {
        const char *near = runtime_nearest_static(name.ptr);
        emit_fail(e, n->at, "'%.80s' is not known%s%s%s", name.ptr, near ? ": did you mean '" : "",
                  near ? near : "", near ? "'?" : "");
    }
    return emit_any(TEXT("S[%s]", emit_quote(e, name).ptr));
}

/* --- plain look-ups --------------------------------------------------------------------------- */

/* $('X').first() and .last() without arguments. */
static bool match_end_of(struct emit *e, const struct node *n, struct expr_lookup *look)
{
    struct node_ref ref;
    if (n->type != NODE_CALL || n->b || n->a->type != NODE_MEMBER)
        return false;
    bool first = is_word(n->a->text, "first");
    if ((!first && !is_word(n->a->text, "last")) || !match_node(e, n->a->a, &ref) ||
        ref.index == -2)
        return false;
    look->root = first ? EXPR_ROOT_FIRST_OF : EXPR_ROOT_LAST_OF;
    look->node = (uint32_t)ref.index;
    return true;
}

/* n is an item: $('X').item, $('X').first(), $node["X"], $input.item. */
static bool match_item(struct emit *e, const struct node *n, struct expr_lookup *look)
{
    struct node_ref ref;
    if (match_end_of(e, n, look))
        return true;
    bool item = n->type == NODE_MEMBER && is_word(n->text, "item");
    if (!match_node(e, item ? n->a : n, &ref) || ref.index == -2 || (!item && !ref.legacy))
        return false;
    look->root = EXPR_ROOT_ITEM_OF;
    look->node = (uint32_t)ref.index;
    return true;
}

static bool match_root(struct emit *e, const struct node *n, struct expr_lookup *look)
{
    *look = (struct expr_lookup){ 0 };
    look->meta = meta_of(e, n);
    if (look->meta) {
        look->root = EXPR_ROOT_META;
        return true;
    }
    if (is_variable(e, n, "$json") || is_variable(e, n, "$binary")) {
        look->root = n->text.ptr[1] == 'j' ? EXPR_ROOT_JSON : EXPR_ROOT_BINARY;
        return true;
    }
    wf_str name = member_name(n);
    if (!is_word(name, "json") && !is_word(name, "binary"))
        return false;
    if (!match_item(e, n->a, look))
        return false;
    look->binary = is_word(name, "binary");
    if (look->root == EXPR_ROOT_ITEM_OF && (int)look->node == -1)
        look->root = look->binary ? EXPR_ROOT_BINARY : EXPR_ROOT_JSON;
    return true;
}

/* One step as a path step; false when it needs the runtime (length, computed, numeric text). */
static bool match_step(const struct node *n, struct json_step *step)
{
    wf_str key = member_name(n);
    if (key.ptr) {
        if (is_word(key, "length") || (key.len && key.ptr[0] >= '0' && key.ptr[0] <= '9'))
            return false;
        *step = (struct json_step){ .key = key.ptr, .len = (uint32_t)key.len };
        return true;
    }
    if (n->type != NODE_INDEX || n->b->type != NODE_NUMBER || n->b->number < 0 ||
        n->b->number > 1e9 || n->b->number != (double)(int32_t)n->b->number)
        return false;
    *step = (struct json_step){ .index = (int32_t)n->b->number };
    return true;
}

static const struct node *strip_chain(const struct node *n)
{
    while (n->type == NODE_CHAIN)
        n = n->a;
    return n;
}

bool emit_lookup(struct emit *e, const struct node *n, wf_str source, struct expr_lookup *out)
{
    struct json_step steps[64];
    uint32_t count = 0;
    n = strip_chain(n);
    while (!match_root(e, n, out)) {
        if (e->failed || count == 64 || (n->type != NODE_MEMBER && n->type != NODE_INDEX) ||
            !match_step(n, &steps[count]))
            return false;
        count++;
        n = strip_chain(n->a);
    }
    struct json_step *path = ARENA_ARRAY(e->unit->arena, struct json_step, count + 1);
    for (uint32_t i = 0; i < count; i++) {
        path[i] = steps[count - 1 - i];
        if (path[i].key)
            path[i].key = arena_str(e->unit->arena, path[i].key, path[i].len).ptr;
    }
    out->path = (struct json_path){ path, count };
    out->text = arena_str(e->unit->arena, source.ptr, source.len).ptr;
    return !e->failed;
}
