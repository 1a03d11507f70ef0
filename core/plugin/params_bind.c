/* SPDX-License-Identifier: Apache-2.0
 * Binding: the parameters of one node of a workflow become a config struct and a list of slots.
 *
 * Runs when a workflow is checked and compiled, never on the message path. It walks the table, not
 * the JSON, so every parameter gets its value or its default; a second walk over the JSON finds the
 * names that the table does not know. Every mistake is reported and binding goes on, so an author
 * sees all of them.
 *
 * What an expression gives is left to params_solve: the field holds the default meanwhile, and a
 * slot remembers where the field is. A list with slots in its rows has one slot of its own that
 * holds theirs; a WF_VALUE with expressions inside keeps the tree of containers that must be
 * copied.
 *
 * Thread: the caller's; nothing blocks.
 */
#include "plugin/plugin_int.h"
#include <stdarg.h>
#include <stdio.h>

struct path {
    char text[480]; /* what does not fit is cut: it is for people */
    size_t len;
};

struct bind {
    struct arena *a;
    const struct params_hooks *hooks;
    const struct json *credentials;
    struct path path;
    bool failed;
};

/* Slots are gathered in a chain, because their number is known at the end only. */
struct chain {
    struct chain_link *first, *last;
    uint32_t n;
};
struct chain_link {
    struct params_slot slot;
    struct chain_link *next;
};

/* Without a chain the slot goes nowhere: its field will be bound again. */
static struct params_slot *chain_add(struct bind *b, struct chain *chain, const wf_param *row,
                                     size_t at)
{
    struct chain_link *link = ARENA_NEW(b->a, struct chain_link);
    if (!chain)
        return &link->slot;
    *(chain->last ? &chain->last->next : &chain->first) = link;
    chain->last = link;
    chain->n++;
    link->slot.row = row;
    link->slot.at = at;
    link->slot.path = arena_strdup(b->a, b->path.text);
    return &link->slot;
}

/* What one expression gives goes into the slot. */
static void slot_set(struct bind *b, struct params_slot *slot, const void *expr)
{
    slot->expr = expr;
    slot->look = b->hooks->path ? b->hooks->path(b->hooks->ctx, expr) : NULL;
}

static struct params_slot *chain_take(struct bind *b, const struct chain *chain)
{
    struct params_slot *slots = ARENA_ARRAY(b->a, struct params_slot, chain->n);
    size_t i = 0;
    for (const struct chain_link *link = chain->first; link; link = link->next)
        slots[i++] = link->slot;
    return slots;
}

/* --- paths and reports ------------------------------------------------------------------------ */

WF_PRINTF(2, 3) static size_t path_add(struct path *p, const char *format, ...)
{
    size_t before = p->len;
    va_list args;
    va_start(args, format);
    int n = vsnprintf(p->text + p->len, sizeof p->text - p->len, format, args);
    va_end(args);
    p->len += (size_t)n;
    if (p->len >= sizeof p->text)
        p->len = sizeof p->text - 1;
    return before;
}

static void path_cut(struct path *p, size_t len)
{
    p->len = len;
    p->text[len] = 0;
}

static size_t path_key(struct path *p, wf_str key)
{
    bool plain = key.len > 0;
    for (size_t i = 0; i < key.len; i++)
        plain &= (key.ptr[i] >= 'a' && key.ptr[i] <= 'z') ||
                 (key.ptr[i] >= 'A' && key.ptr[i] <= 'Z') ||
                 (key.ptr[i] >= '0' && key.ptr[i] <= '9') || key.ptr[i] == '_' ||
                 key.ptr[i] == '-' || key.ptr[i] == '$';
    if (!plain)
        return path_add(p, "['%.*s']", STR_ARG(key));
    return path_add(p, "%s%.*s", p->len ? "." : "", STR_ARG(key));
}

WF_PRINTF(3, 4) static void report(struct bind *b, bool key, const char *format, ...)
{
    char message[PARAM_WHY_MAX + 100];
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    b->failed = true;
    b->hooks->report(b->hooks->ctx, b->path.text, key, message);
}

static void complain(struct bind *b, const wf_param *row, const char *what, const struct json *v)
{
    char why[PARAM_WHY_MAX];
    param_complain(row, what, v, why);
    report(b, false, "%s", why);
}

/* --- names that the table does not know ------------------------------------------------------- */

struct known {
    const wf_param *row;
    bool group; /* the name is a group of parameters: "options" of "options.limit" */
};

static struct known find_name(const wf_param *table, const char *prefix, size_t prefix_len,
                              wf_str key)
{
    struct known known = { NULL, false };
    for (const wf_param *row = table; row && row->name && !known.row; row++) {
        if (strncmp(row->name, prefix, prefix_len) != 0)
            continue;
        const char *name = row->name + prefix_len;
        size_t len = strcspn(name, ".");
        if (len != key.len || memcmp(name, key.ptr, len) != 0)
            continue;
        if (name[len])
            known.group = true;
        else
            known.row = row;
    }
    return known;
}

enum { CONTAINED_MIN = 4 };

/* The longest name that lies in the given one, or that it lies in, whatever the case: "jsCode"
 * means "code". NULL: none. */
static const char *contained(const char *given, const char *const *names, size_t n)
{
    const char *best = NULL;
    for (size_t i = 0; i < n; i++) {
        size_t len = strlen(names[i]), shorter = len < strlen(given) ? len : strlen(given);
        if (shorter < CONTAINED_MIN ||
            (!strcasestr(given, names[i]) && !strcasestr(names[i], given)))
            continue;
        if (!best || len > strlen(best))
            best = names[i];
    }
    return best;
}

/* A slip of one letter is surer than a part in common, and that surer than several letters. */
static const char *meant(const char *given, const char *const *names, size_t n)
{
    const char *near = str_nearest(given, names, n),
               *part = strchr(given, '.') ? NULL : contained(given, names, n);
    return part && (!near || str_distance(given, near, 2) > 1) ? part : near;
}

static void unknown_name(struct bind *b, const wf_param *table, const char *prefix,
                         size_t prefix_len, wf_str key)
{
    const char *names[TABLE_ROWS_MAX], *nearest;
    char name[PARAM_NAME_MAX];
    size_t n = 0, len = key.len < sizeof name ? key.len : sizeof name - 1;
    struct arena scratch;
    arena_init(&scratch, NULL, 0);
    for (const wf_param *row = table; row && row->name && n < TABLE_ROWS_MAX; row++)
        if (strncmp(row->name, prefix, prefix_len) == 0)
            names[n++] =
                arena_str(&scratch, row->name + prefix_len, strcspn(row->name + prefix_len, "."))
                    .ptr;
    memcpy(name, key.ptr, len);
    name[len] = 0;
    nearest = meant(name, names, n);
    if (nearest)
        report(b, true, "unknown parameter; did you mean '%s'?", nearest);
    else if (n)
        report(b, true, "unknown parameter");
    else
        report(b, true, "unknown parameter: this node has none");
    arena_fini(&scratch);
}

static void check_names(struct bind *b, const wf_param *table, const char *prefix,
                        const struct json *given, bool in_list)
{
    static const wf_param plain = { .name = "" }; /* a group has no row; nothing in it is secret */
    size_t prefix_len = strlen(prefix);
    for (size_t i = 0; i < given->len; i++) {
        wf_str key = json_str(&given->members[i].key);
        const struct json *value = &given->members[i].value;
        struct known known = find_name(table, prefix, prefix_len, key);
        size_t before = path_key(&b->path, key);
        if (known.row || (in_list && str_eq(key, STR("id")))) {
            path_cut(&b->path, before);
            continue;
        }
        if (!known.group)
            unknown_name(b, table, prefix, prefix_len, key);
        else if (value->type == JSON_OBJECT)
            check_names(b, table, arena_printf(b->a, "%s%.*s.", prefix, STR_ARG(key)).ptr, value,
                        false);
        else if (value->type == JSON_STRING && value->len && value->s[0] == '=')
            report(b, false,
                   "a group of parameters cannot be one expression; give each parameter its own");
        else if (value->type != JSON_NULL)
            complain(b, &plain, "an object of parameters", value);
        path_cut(&b->path, before);
    }
}

/* --- values with expressions inside ----------------------------------------------------------- */

static const void *compile(struct bind *b, wf_str text)
{
    if (!b->hooks->compile) {
        report(b, false, "expressions cannot be used here");
        return NULL;
    }
    const void *expr =
        b->hooks->compile(b->hooks->ctx, b->path.text, arena_str(b->a, text.ptr, text.len));
    b->failed |= !expr;
    return expr;
}

enum part {
    PART_CONSTANT = 1, /* v is the value */
    PART_SOLVED,       /* *tree says how */
    PART_WRONG,        /* reported */
};

static enum part bind_expression(struct bind *b, const wf_param *row, struct json *v,
                                 const void **expr)
{
    struct json constant;
    *expr = compile(b, json_str(v));
    if (!*expr)
        return PART_WRONG;
    if (b->hooks->constant && b->hooks->constant(b->hooks->ctx, *expr, &constant)) {
        *v = constant.type == JSON_MISSING ? (struct json){ .type = JSON_NULL }
                                           : json_copy(b->a, &constant);
        return PART_CONSTANT;
    }
    if (row->flags & WF_EXPR)
        return PART_SOLVED;
    report(b, false, "cannot be an expression: its value must be the same for all items");
    return PART_WRONG;
}

struct branch {
    struct params_tree tree;
    struct branch *next;
};

static enum part bind_tree(struct bind *b, const wf_param *row, struct json *v,
                           struct params_tree *tree);

static enum part bind_container(struct bind *b, const wf_param *row, struct json *v,
                                struct params_tree *tree)
{
    struct branch *first = NULL, **last = &first;
    for (uint32_t i = 0; i < v->len; i++) {
        /* v is our own copy, so constants of expressions may be written into it. */
        struct json *value = v->type == JSON_ARRAY ? (struct json *)(uintptr_t)&v->elements[i]
                                                   : (struct json *)(uintptr_t)&v->members[i].value;
        struct params_tree child = { .index = i };
        size_t before = v->type == JSON_ARRAY ? path_add(&b->path, "[%u]", i)
                                              : path_key(&b->path, json_str(&v->members[i].key));
        if (bind_tree(b, row, value, &child) == PART_SOLVED) {
            struct branch *branch = ARENA_NEW(b->a, struct branch);
            branch->tree = child;
            *last = branch;
            last = &branch->next;
            tree->n++;
        }
        path_cut(&b->path, before);
    }
    struct params_tree *children = ARENA_ARRAY(b->a, struct params_tree, tree->n);
    tree->children = children;
    for (const struct branch *branch = first; branch; branch = branch->next)
        *children++ = branch->tree;
    return tree->n ? PART_SOLVED : PART_CONSTANT;
}

/* Compiles what is in v, which must be the caller's own copy. */
static enum part bind_tree(struct bind *b, const wf_param *row, struct json *v,
                           struct params_tree *tree)
{
    enum part part = PART_CONSTANT;
    if (v->type >= JSON_ARRAY) {
        part = bind_container(b, row, v, tree);
        struct json *base = part == PART_SOLVED ? ARENA_NEW(b->a, struct json) : NULL;
        if (base)
            *base = *v;
        tree->base = base;
    } else if (param_is_expression(row, v)) {
        part = bind_expression(b, row, v, &tree->expr);
    }
    if (part == PART_SOLVED)
        tree->path = arena_strdup(b->a, b->path.text);
    return part;
}

/* --- rows ------------------------------------------------------------------------------------- */

static void bind_object(struct bind *b, const wf_param *table, const struct json *given,
                        bool in_list, char *base, size_t at, struct chain *chain);
static void bind_any(struct bind *b, const wf_param *row, const struct json *v, char *base,
                     size_t at, struct chain *chain);
static void bind_default(struct bind *b, const wf_param *row, char *base, size_t at,
                         struct chain *chain);
static void report_missing(struct bind *b, const wf_param *row);
static bool is_given(const wf_param *row, const struct json *v);

static void bind_constant(struct bind *b, const wf_param *row, const struct json *v, void *field)
{
    char why[PARAM_WHY_MAX];
    if (param_convert(b->a, row, v, false, field, why) != 0)
        report(b, false, "%s", why);
}

static void bind_value(struct bind *b, const wf_param *row, const struct json *v, char *base,
                       size_t at, struct chain *chain)
{
    struct params_tree *tree = ARENA_NEW(b->a, struct params_tree);
    struct json copy = json_copy(b->a, v);
    if (bind_tree(b, row, &copy, tree) != PART_SOLVED) {
        bind_constant(b, row, &copy, base + at);
        return;
    }
    struct params_slot *slot = chain_add(b, chain, row, at);
    if (tree->expr)
        slot_set(b, slot, tree->expr);
    else
        slot->tree = tree;
}

static void bind_scalar(struct bind *b, const wf_param *row, const struct json *v, char *base,
                        size_t at, struct chain *chain)
{
    const void *expr = NULL;
    struct json copy = *v;
    enum part part = PART_CONSTANT;
    if (param_is_expression(row, v))
        part = bind_expression(b, row, &copy, &expr);
    if (part == PART_SOLVED)
        slot_set(b, chain_add(b, chain, row, at), expr);
    else if (part == PART_CONSTANT && copy.type != JSON_NULL)
        bind_constant(b, row, &copy, base + at);
    else if (part == PART_CONSTANT && row->flags & WF_REQUIRED)
        report(b, false, "is required, but its expression is always null");
}

/* n8n wraps lists: {"values": [...]} where the table says the list alone. */
static const struct json *unwrap_collection(struct bind *b, const wf_param *row,
                                            const struct json *v)
{
    if (v->type != JSON_OBJECT || v->len != 1 || v->members[0].value.type < JSON_ARRAY)
        return v;
    struct known known = find_name(row->rows, "", 0, json_str(&v->members[0].key));
    if (known.row || known.group)
        return v;
    path_key(&b->path, json_str(&v->members[0].key));
    return &v->members[0].value;
}

/* A list whose rows have one parameter takes plain values too. */
static bool is_single(const wf_param *list)
{
    return !list->rows[1].name && !strchr(list->rows[0].name, '.');
}

static void bind_row(struct bind *b, const wf_param *list, const struct json *v, char *base,
                     size_t at, struct chain *chain)
{
    const wf_param *only = &list->rows[0];
    if (v->type == JSON_OBJECT) {
        bind_object(b, list->rows, v, true, base, at, chain);
    } else if (!is_single(list)) {
        complain(b, list, "an object of parameters", v);
    } else {
        bind_default(b, only, base, at + only->offset, NULL);
        if (is_given(only, v))
            bind_any(b, only, v, base, at + only->offset, chain);
        else
            report_missing(b, only);
    }
}

static void bind_list(struct bind *b, const wf_param *row, const struct json *v, char *base,
                      size_t at, struct chain *chain)
{
    struct chain inner = { 0 };
    if (v->type == JSON_STRING && v->len && v->s[0] == '=') {
        report(b, false, "a whole list cannot be one expression; put expressions into its rows");
        return;
    }
    v = unwrap_collection(b, row, v);
    bool lone = v->type != JSON_ARRAY;
    size_t n = lone ? (v->type == JSON_OBJECT ? v->len > 0 : 1) : v->len;
    if (n > PARAMS_ROWS_MAX) {
        report(b, false, "has %zu rows; %d is the most", n, PARAMS_ROWS_MAX);
        return;
    }
    if (lone && v->type != JSON_OBJECT && !is_single(row)) {
        complain(b, row, "a list", v);
        return;
    }
    char *rows = arena_zalloc(b->a, n * row->row_size);
    for (size_t i = 0; i < n; i++) {
        size_t before = b->path.len;
        if (!lone)
            path_add(&b->path, "[%zu]", i);
        bind_row(b, row, lone ? v : &v->elements[i], rows, i * row->row_size, &inner);
        path_cut(&b->path, before);
    }
    *(wf_list *)(void *)(base + at) = (wf_list){ rows, n };
    if (!inner.n)
        return;
    struct params_slot *slot = chain_add(b, chain, row, at);
    slot->slots = chain_take(b, &inner);
    slot->n_slots = inner.n;
}

/* The first credential of the allowed types that the node refers to. */
static const struct json *find_reference(const struct bind *b, const wf_param *row, wf_str *type)
{
    wf_str rest = str_of(row->cred);
    while (rest.len) {
        const char *comma = memchr(rest.ptr, ',', rest.len);
        size_t len = comma ? (size_t)(comma - rest.ptr) : rest.len;
        *type = (wf_str){ rest.ptr, len };
        rest.ptr += len + (comma != NULL);
        rest.len -= len + (comma != NULL);
        while (type->len && type->ptr[0] == ' ')
            type->ptr++, type->len--;
        const struct json *reference = json_get(b->credentials, type->ptr, type->len);
        if (reference && reference->type != JSON_NULL)
            return reference;
    }
    return NULL;
}

/* True when a reference was found; false leaves the field NULL. */
static bool bind_credential(struct bind *b, const wf_param *row, const struct json *given,
                            char *field)
{
    static const char stand_in; /* its address is the handle when nobody looks credentials up */
    struct path path = b->path;
    const char *types = row->cred;
    const struct json *reference = given;
    if (!reference || reference->type == JSON_NULL) {
        wf_str type;
        reference = find_reference(b, row, &type);
        if (!reference)
            return false;
        types = arena_str(b->a, type.ptr, type.len).ptr;
        path_cut(&b->path, 0);
        path_add(&b->path, "/credentials.%s", types);
    }
    const wf_cred *cred = (const wf_cred *)(const void *)&stand_in;
    if (reference->type != JSON_OBJECT && reference->type != JSON_STRING) {
        report(b, false, "must name a credential, got %s", json_type_name(reference));
    } else if (reference->type == JSON_STRING && reference->len && reference->s[0] == '=') {
        report(b, false, "a credential cannot be an expression");
    } else if (b->hooks->credential) {
        cred = b->hooks->credential(b->hooks->ctx, b->path.text, types, reference);
        b->failed |= !cred;
    }
    *(const wf_cred **)(void *)field = cred;
    b->path = path;
    return true;
}

static void report_missing(struct bind *b, const wf_param *row)
{
    const char *help = row->help && row->help[0] ? row->help : NULL;
    if (row->type == WF_CREDENTIAL)
        report(b, false, "needs a credential of type %s%s%s", row->cred, help ? ": " : "",
               help ? help : "");
    else
        report(b, false, "is required%s%s", help ? ": " : "", help ? help : "");
}

static bool is_given(const wf_param *row, const struct json *v)
{
    if (!v || v->type == JSON_NULL)
        return row->type == WF_VALUE && v;
    return !(row->flags & WF_REQUIRED && row->type == WF_STRING && v->type == JSON_STRING &&
             !v->len);
}

static void bind_any(struct bind *b, const wf_param *row, const struct json *v, char *base,
                     size_t at, struct chain *chain)
{
    size_t before = b->path.len;
    if (row->type == WF_LIST) {
        bind_list(b, row, v, base, at, chain);
    } else if (row->type == WF_VALUE) {
        bind_value(b, row, v, base, at, chain);
    } else {
        if (param_is_locator(v))
            path_add(&b->path, ".value");
        v = param_unlocate(v);
        if (v)
            bind_scalar(b, row, v, base, at, chain);
    }
    path_cut(&b->path, before);
}

static void bind_parameter(struct bind *b, const wf_param *row, const struct json *given,
                           enum shown shown, char *base, size_t at, struct chain *chain)
{
    const struct json *v = param_lookup(given, row->name);
    size_t before = path_add(&b->path, "%s%s", b->path.len ? "." : "", row->name);
    bool required = row->flags & WF_REQUIRED && shown == SHOWN;
    if (row->type == WF_CREDENTIAL) {
        if (!bind_credential(b, row, v, base + at) && required)
            report_missing(b, row);
    } else if (is_given(row,
                        row->type == WF_LIST || row->type == WF_VALUE ? v : param_unlocate(v))) {
        bind_any(b, row, v, base, at, chain);
    } else if (required) {
        report_missing(b, row);
    }
    path_cut(&b->path, before);
}

static bool has_expression(const wf_param *row)
{
    if (!row->def || row->flags & WF_RAW)
        return false;
    bool inside = row->type == WF_LIST || row->type == WF_VALUE;
    return row->def[0] == '=' || (inside && strstr(row->def, "\"=") != NULL);
}

/* The value of a field whose parameter says nothing. Without a chain, a default with expressions in
 * it is left out: it counts only once it is known that nothing is given. */
static void bind_default(struct bind *b, const wf_param *row, char *base, size_t at,
                         struct chain *chain)
{
    size_t before = path_add(&b->path, "%s%s", b->path.len ? "." : "", row->name);
    struct json def = param_default(b->a, row);
    memset(base + at, 0, param_field_size(row->type));
    if (row->type == WF_STRING)
        *(wf_str *)(void *)(base + at) = STR("");
    if (def.type != JSON_MISSING && (chain || !has_expression(row)))
        bind_any(b, row, &def, base, at, chain);
    path_cut(&b->path, before);
}

/* Rows may share a name: the first that is not hidden is the one that counts. */
static bool counts(const wf_param *table, const wf_param *row, const struct json *given)
{
    for (const wf_param *before = table; before < row; before++)
        if (!strcmp(before->name, row->name) && param_shown(table, before, given) != HIDDEN)
            return false;
    return true;
}

/* Defaults first, all of them: rows that hide one another may use the same field. */
static void bind_object(struct bind *b, const wf_param *table, const struct json *given,
                        bool in_list, char *base, size_t at, struct chain *chain)
{
    if (given)
        check_names(b, table, "", given, in_list);
    for (const wf_param *row = table; row && row->name; row++)
        bind_default(b, row, base, at + row->offset, NULL);
    for (const wf_param *row = table; row && row->name; row++) {
        enum shown shown = param_shown(table, row, given);
        if (shown == HIDDEN || !counts(table, row, given))
            continue;
        if (row->def && !is_given(row, param_lookup(given, row->name)))
            bind_default(b, row, base, at + row->offset, chain);
        else
            bind_parameter(b, row, given, shown, base, at + row->offset, chain);
    }
}

int params_bind(struct arena *a, const wf_param *table, size_t config_size,
                const struct json *given, const struct json *credentials,
                const struct params_hooks *hooks, struct params *out)
{
    struct bind b = { .a = a, .hooks = hooks, .credentials = credentials };
    struct chain chain = { 0 };
    char *base = arena_zalloc(a, config_size);
    if (given && (given->type == JSON_NULL || given->type == JSON_MISSING))
        given = NULL;
    if (given && given->type != JSON_OBJECT) {
        report(&b, false, "parameters must be an object, got %s", json_type_name(given));
        given = NULL;
    }
    bind_object(&b, table, given, false, base, 0, &chain);
    *out = (struct params){ .table = table,
                            .config_size = config_size,
                            .base = base,
                            .slots = chain_take(&b, &chain),
                            .n_slots = chain.n };
    if (out->n_slots)
        out->flat = params_flatten(a, out);
    return b.failed ? -1 : 0;
}
