/* SPDX-License-Identifier: Apache-2.0
 * Checks of a parameter table when its plugin is loaded.
 *
 * A wrong table is a mistake of the plugin's author, found here once, so that binding and solving
 * need not defend themselves: offsets lie inside the config, defaults convert, show_if names what
 * is there, lists have rows. Messages name the parameter first. Thread: the one that loads; nothing
 * blocks.
 */
#include "plugin/plugin_int.h"

enum { FLAGS_KNOWN = WF_REQUIRED | WF_SECRET | WF_EXPR | WF_RAW | WF_MULTILINE };

/* A message about a row, which it begins with. The value is -1. */
#define ROW_ERR(err, row, ...)                                                                     \
    (err_set((err), ERR_INVALID, __VA_ARGS__), err_context((err), "parameter '%s'", (row)->name))

static int check_name(const wf_param *row, size_t number, struct err *err)
{
    size_t len = strlen(row->name),
           allowed = strspn(row->name, "abcdefghijklmnopqrstuvwxyz"
                                       "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.$@");
    if (!len)
        return err_set(err, ERR_INVALID, "parameter %zu has an empty name", number);
    if (allowed != len || len >= PARAM_NAME_MAX)
        return ROW_ERR(err, row,
                       "a name holds letters, digits and _ - . $ @ only, at most %d of them",
                       PARAM_NAME_MAX - 1);
    if (row->name[0] == '.' || row->name[len - 1] == '.' || strstr(row->name, ".."))
        return ROW_ERR(err, row, "a dot joins two names; one is empty here");
    return 0;
}

static int check_field(const wf_param *row, size_t config_size, struct err *err)
{
    size_t size = param_field_size(row->type), align = size < 8 ? size : 8;
    if (!size)
        return ROW_ERR(err, row, "type %d is unknown", (int)row->type);
    if (row->offset > config_size || size > config_size - row->offset)
        return ROW_ERR(err, row,
                       "its field (offset %zu, %zu bytes) is outside a config of %zu bytes",
                       row->offset, size, config_size);
    if (row->offset % align)
        return ROW_ERR(err, row, "its field at offset %zu is not aligned to %zu", row->offset,
                       align);
    return 0;
}

static int check_flags(const wf_param *row, struct err *err)
{
    if (row->flags & ~(unsigned)FLAGS_KNOWN)
        return ROW_ERR(err, row, "flags 0x%x are unknown", row->flags & ~(unsigned)FLAGS_KNOWN);
    if (row->flags & WF_RAW && row->flags & WF_EXPR)
        return ROW_ERR(err, row, "WF_RAW and WF_EXPR exclude each other");
    if (row->flags & WF_REQUIRED && row->def)
        return ROW_ERR(err, row, "is required and has a default: one of them means nothing");
    if (row->type == WF_CREDENTIAL && (row->flags & (WF_EXPR | WF_RAW) || row->def))
        return ROW_ERR(err, row, "a credential has no default and is never an expression");
    bool number = row->type == WF_INT || row->type == WF_MS || row->type == WF_BYTES ||
                  row->type == WF_DOUBLE;
    if (row->min != row->max && !number)
        return ROW_ERR(err, row, "a range is for numbers");
    if (row->min > row->max)
        return ROW_ERR(err, row, "its range ends before it starts");
    return 0;
}

static int check_choices(const wf_param *row, struct err *err)
{
    if (!row->choices || !row->choices[0].name)
        return ROW_ERR(err, row, "has no choices");
    for (size_t i = 0; row->choices[i].name; i++)
        for (size_t j = 0; j < i; j++)
            if (!strcmp(row->choices[i].name, row->choices[j].name))
                return ROW_ERR(err, row, "choice '%s' is there twice", row->choices[i].name);
    return 0;
}

static int check_rows(const wf_param *table, size_t config_size, unsigned depth, struct err *err);

static int check_type(const wf_param *row, unsigned depth, struct err *err)
{
    if (row->type == WF_CHOICE)
        return check_choices(row, err);
    if (row->type == WF_CREDENTIAL && (!row->cred || !row->cred[0]))
        return ROW_ERR(err, row, "names no credential type");
    if (row->type != WF_LIST)
        return 0;
    if (!row->rows || !row->rows[0].name || !row->row_size)
        return ROW_ERR(err, row, "a list needs rows and row_size");
    if (depth + 1 > PARAMS_DEPTH_MAX)
        return ROW_ERR(err, row, "lists are nested more than %d deep", PARAMS_DEPTH_MAX);
    if (check_rows(row->rows, row->row_size, depth + 1, err) != 0)
        return err_context(err, "parameter '%s'", row->name);
    return 0;
}

/* --- names against each other ----------------------------------------------------------------- */

static int check_pair(const wf_param *a, const wf_param *b, struct err *err)
{
    size_t la = strlen(a->name), lb = strlen(b->name), n = la < lb ? la : lb;
    if (strncmp(a->name, b->name, n) != 0)
        return 0;
    if (la == lb && (!a->show_if || !b->show_if || !strcmp(a->show_if, b->show_if)))
        return ROW_ERR(err, b,
                       "is there twice; rows of one name must each have a show_if of their own");
    const wf_param *longer = la > lb ? a : b, *shorter = la > lb ? b : a;
    if (la != lb && longer->name[n] == '.')
        return ROW_ERR(err, longer, "'%s' is a parameter already, so it cannot be a group",
                       shorter->name);
    return 0;
}

/* --- show_if ---------------------------------------------------------------------------------- */

static bool value_possible(const wf_param *row, wf_str value)
{
    if (row->type == WF_BOOL)
        return str_eq(value, STR("true")) || str_eq(value, STR("false"));
    if (row->type != WF_CHOICE || !row->choices)
        return true;
    for (const wf_pair *choice = row->choices; choice->name; choice++)
        if (str_eq(str_of(choice->name), value))
            return true;
    return false;
}

static bool any_possible(const wf_param *table, wf_str name, wf_str value)
{
    for (const wf_param *row = table; row->name; row++)
        if (str_eq(str_of(row->name), name) && value_possible(row, value))
            return true;
    return false;
}

static bool has_name(const wf_param *table, wf_str name)
{
    for (const wf_param *row = table; row->name; row++)
        if (str_eq(str_of(row->name), name))
            return true;
    return false;
}

static int check_show_if(const wf_param *table, const wf_param *row, struct err *err)
{
    wf_str name, values, value, rest = str_of(row->show_if);
    if (row->show_if && !rest.len)
        return ROW_ERR(err, row, "show_if is empty; leave it out");
    while (show_if_clause(&rest, &name, &values)) {
        if (!name.len || !values.ptr)
            return ROW_ERR(err, row,
                           "show_if '%s': write name=value, name=a|b, with commas between",
                           row->show_if);
        if (!has_name(table, name))
            return ROW_ERR(err, row, "show_if '%s': there is no parameter '%.*s' beside it",
                           row->show_if, STR_ARG(name));
        while (show_if_value(&values, &value))
            if (!any_possible(table, name, value))
                return ROW_ERR(err, row, "show_if '%s': '%.*s' is never '%.*s'", row->show_if,
                               STR_ARG(name), STR_ARG(value));
    }
    return 0;
}

/* How many show_if hang on one another from here; PARAMS_DEPTH_MAX + 1 when too many, or a circle.
 */
static unsigned show_depth(const wf_param *table, const wf_param *row, unsigned depth)
{
    unsigned deepest = depth;
    wf_str name, values, rest = str_of(row->show_if);
    if (depth > PARAMS_DEPTH_MAX)
        return depth;
    while (show_if_clause(&rest, &name, &values))
        for (const wf_param *other = table; other->name && deepest <= PARAMS_DEPTH_MAX; other++)
            if (str_eq(str_of(other->name), name)) {
                unsigned below = show_depth(table, other, depth + 1);
                deepest = below > deepest ? below : deepest;
            }
    return deepest;
}

/* --- defaults --------------------------------------------------------------------------------- */

struct finding {
    const wf_param *row;
    struct err *err;
};

static void on_mistake(void *ctx, const char *path, bool key, const char *message)
{
    const struct finding *finding = ctx;
    (void)key;
    if (!strcmp(path, finding->row->name))
        ROW_ERR(finding->err, finding->row, "its default: %s", message);
    else
        ROW_ERR(finding->err, finding->row, "its default: at '%s': %s", path, message);
}

static const void *accept_expression(void *ctx, const char *path, wf_str text)
{
    (void)path;
    (void)text;
    return ctx;
}

/* Binds a default as if it had been given. Required rows of a list may be missing in it: an author
 * may want that, and who uses the default is told. */
static int check_default(const wf_param *row, struct err *err)
{
    struct arena a;
    struct params bound;
    struct err found = { 0 };
    struct finding finding = { row, &found };
    struct params_hooks hooks = { .ctx = &finding,
                                  .report = on_mistake,
                                  .compile = accept_expression };
    wf_param alone[2] = { *row, WF_END };
    if (!row->def)
        return 0;
    alone[0].show_if = NULL;
    arena_init(&a, NULL, 0);
    int bad = params_bind(&a, alone, row->offset + param_field_size(row->type), NULL, NULL, &hooks,
                          &bound);
    arena_fini(&a);
    if (bad)
        return err_set(err, ERR_INVALID, "%s", found.text);
    return 0;
}

static int check_rows(const wf_param *table, size_t config_size, unsigned depth, struct err *err)
{
    size_t n = 0;
    for (const wf_param *row = table; row->name; row++, n++) {
        if (n >= TABLE_ROWS_MAX)
            return err_set(err, ERR_LIMIT, "more than %d parameters; is WF_END missing?",
                           TABLE_ROWS_MAX);
        if (check_name(row, n, err) != 0 || check_field(row, config_size, err) != 0 ||
            check_flags(row, err) != 0 || check_type(row, depth, err) != 0)
            return -1;
        for (const wf_param *other = table; other < row; other++)
            if (check_pair(other, row, err) != 0)
                return -1;
    }
    for (const wf_param *row = table; row->name; row++) {
        if (check_show_if(table, row, err) != 0 || check_default(row, err) != 0)
            return -1;
        if (show_depth(table, row, 0) > PARAMS_DEPTH_MAX)
            return ROW_ERR(err, row,
                           "show_if '%s' hangs on itself, or on more than %d others in a row",
                           row->show_if, PARAMS_DEPTH_MAX);
    }
    return 0;
}

int table_check(const wf_param *table, size_t config_size, struct err *err)
{
    return table ? check_rows(table, config_size, 0, err) : 0;
}
