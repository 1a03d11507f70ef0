/* SPDX-License-Identifier: Apache-2.0
 * JSON Schema (draft 2020-12) from parameter tables.
 *
 * A schema helps an editor while somebody writes; the engine's own check decides. So the schema
 * says what should be written: numbers as numbers or as text that is one, no nulls. Dotted names
 * become nested objects, show_if on a required parameter becomes if/then. What a form needs and
 * JSON Schema has no word for is there as annotations: x-type, x-expression, x-show-if,
 * x-credential, x-multiline. Thread: any; nothing blocks.
 */
#include "plugin/schema_int.h"
#include <inttypes.h>
#include <stdio.h>

/* --- writing JSON ----------------------------------------------------------------------------- */

void out_open(struct out *o, char bracket)
{
    if (o->comma)
        strbuf_addc(o->b, ',');
    strbuf_addc(o->b, bracket);
    o->comma = false;
}

void out_close(struct out *o, char bracket)
{
    strbuf_addc(o->b, bracket);
    o->comma = true;
}

void out_key(struct out *o, const char *key)
{
    if (o->comma)
        strbuf_addc(o->b, ',');
    strbuf_add_json(o->b, key, strlen(key));
    strbuf_addc(o->b, ':');
    o->comma = false;
}

void out_text(struct out *o, const char *text)
{
    if (o->comma)
        strbuf_addc(o->b, ',');
    strbuf_add_json(o->b, text, strlen(text));
    o->comma = true;
}

void out_raw(struct out *o, const char *json)
{
    if (o->comma)
        strbuf_addc(o->b, ',');
    strbuf_adds(o->b, json);
    o->comma = true;
}

void out_pair(struct out *o, const char *key, const char *text)
{
    out_key(o, key);
    out_text(o, text);
}

void out_pair_raw(struct out *o, const char *key, const char *json)
{
    out_key(o, key);
    out_raw(o, json);
}

/* --- one parameter ---------------------------------------------------------------------------- */

static const char *const type_words[] = {
    [WF_STRING] = "text",           [WF_INT] = "int",       [WF_BOOL] = "bool", [WF_MS] = "ms",
    [WF_DOUBLE] = "number",         [WF_CHOICE] = "choice", [WF_LIST] = "list", [WF_VALUE] = "json",
    [WF_CREDENTIAL] = "credential", [WF_BYTES] = "bytes",
};

static void add_range(struct out *o, const wf_param *row)
{
    char number[24];
    if (row->min == row->max) {
        if (row->type == WF_MS || row->type == WF_BYTES)
            out_pair_raw(o, "minimum", "0");
        return;
    }
    if (row->min != INT64_MIN) {
        snprintf(number, sizeof number, "%" PRId64, row->min);
        out_pair_raw(o, "minimum", number);
    }
    if (row->max != INT64_MAX) {
        snprintf(number, sizeof number, "%" PRId64, row->max);
        out_pair_raw(o, "maximum", number);
    }
}

/* A type that may be given as text too: the pattern says which text. */
static void add_scalar(struct out *o, const wf_param *row, const char *types, const char *pattern)
{
    char both[120];
    snprintf(both, sizeof both, row->flags & WF_EXPR ? "(%s)|^=" : "%s", pattern);
    out_pair_raw(o, "type", types);
    out_pair(o, "pattern", both);
    add_range(o, row);
}

static void add_text(struct out *o, const wf_param *row)
{
    out_key(o, "anyOf");
    out_open(o, '[');
    out_raw(o, row->flags & (WF_EXPR | WF_RAW)
                   ? "{\"type\":[\"string\",\"number\",\"boolean\"]}"
                   : "{\"type\":[\"string\",\"number\",\"boolean\"],\"pattern\":\"^[^=]|^$\"}");
    out_raw(o, "{\"$ref\":\"#/$defs/locator\"}");
    out_close(o, ']');
}

static void add_choices(struct out *o, const wf_param *row)
{
    out_key(o, "anyOf");
    out_open(o, '[');
    for (const wf_pair *choice = row->choices; choice->name; choice++) {
        out_open(o, '{');
        out_pair(o, "const", choice->name);
        if (choice->text && choice->text[0])
            out_pair(o, "description", choice->text);
        out_close(o, '}');
    }
    if (row->flags & WF_EXPR)
        out_raw(o, "{\"$ref\":\"#/$defs/expression\"}");
    out_close(o, ']');
}

static void add_group(struct out *o, const wf_param *table, const char *prefix, bool in_list);
static void add_row(struct out *o, const wf_param *row);

/* A lone object is a list of one, or n8n's collection around the list, so objects are let through.
 */
static void add_list(struct out *o, const wf_param *row)
{
    bool single = !row->rows[1].name && !strchr(row->rows[0].name, '.');
    out_pair_raw(o, "type",
                 single ? "[\"array\",\"object\",\"string\",\"number\",\"boolean\"]"
                        : "[\"array\",\"object\"]");
    out_key(o, "items");
    out_open(o, '{');
    if (single) {
        out_key(o, "anyOf");
        out_open(o, '[');
        add_row(o, &row->rows[0]);
        out_open(o, '{');
    }
    add_group(o, row->rows, "", true);
    out_close(o, '}');
    if (single) {
        out_close(o, ']');
        out_close(o, '}');
    }
}

static void add_annotations(struct out *o, const wf_param *row)
{
    struct arena scratch;
    arena_init(&scratch, NULL, 0);
    struct json def = param_default(&scratch, row);
    if (row->help)
        out_pair(o, "description", row->help);
    if (def.type != JSON_MISSING)
        out_pair_raw(o, "default", json_text(&scratch, &def).ptr);
    out_pair(o, "x-type", type_words[row->type]);
    if (row->flags & WF_EXPR)
        out_pair_raw(o, "x-expression", "true");
    if (row->flags & WF_MULTILINE)
        out_pair_raw(o, "x-multiline", "true");
    if (row->flags & WF_SECRET)
        out_pair_raw(o, "writeOnly", "true");
    if (row->show_if)
        out_pair(o, "x-show-if", row->show_if);
    if (row->type == WF_CREDENTIAL)
        out_pair(o, "x-credential", row->cred);
    arena_fini(&scratch);
}

static void add_row(struct out *o, const wf_param *row)
{
    out_open(o, '{');
    add_annotations(o, row);
    switch (row->type) {
    case WF_STRING:
        add_text(o, row);
        break;
    case WF_INT:
        add_scalar(o, row, "[\"integer\",\"string\"]", "^-?[0-9]+$");
        break;
    case WF_DOUBLE:
        add_scalar(o, row, "[\"number\",\"string\"]", "^-?[0-9.]+([eE][-+]?[0-9]+)?$");
        break;
    case WF_BOOL:
        add_scalar(o, row, "[\"boolean\",\"string\"]", "^(true|false)$");
        break;
    case WF_MS:
        add_scalar(o, row, "[\"integer\",\"string\"]", "^[0-9.]+ ?(ms|s|m|min|h|d|w)?$");
        break;
    case WF_BYTES:
        add_scalar(o, row, "[\"integer\",\"string\"]", "^[0-9.]+ ?([kKmMgGtT]([iI]?[bB])?|[bB])?$");
        break;
    case WF_CHOICE:
        add_choices(o, row);
        break;
    case WF_LIST:
        add_list(o, row);
        break;
    case WF_CREDENTIAL:
        out_pair_raw(o, "type", "[\"string\",\"object\"]");
        break;
    case WF_VALUE:
        break; /* anything */
    }
    out_close(o, '}');
}

/* --- groups of parameters --------------------------------------------------------------------- */

/* The part of a row's name that stands in a group: "limit" of "options.limit" in "options.". */
static wf_str name_in(const wf_param *row, const char *prefix)
{
    size_t len = strlen(prefix);
    if (strncmp(row->name, prefix, len) != 0)
        return (wf_str){ NULL, 0 };
    return (wf_str){ row->name + len, strcspn(row->name + len, ".") };
}

static bool came_before(const wf_param *table, const wf_param *row, const char *prefix)
{
    wf_str name = name_in(row, prefix);
    for (const wf_param *before = table; before < row; before++) {
        wf_str other = name_in(before, prefix);
        if (other.ptr && str_eq(other, name))
            return true;
    }
    return false;
}

/* The rows of one name: one schema, or any of several that show_if tells apart. */
static void add_leaf(struct out *o, const wf_param *row)
{
    size_t n = 0;
    for (const wf_param *other = row; other->name; other++)
        n += !strcmp(other->name, row->name);
    if (n == 1) {
        add_row(o, row);
        return;
    }
    out_open(o, '{');
    out_key(o, "anyOf");
    out_open(o, '[');
    for (const wf_param *other = row; other->name; other++)
        if (!strcmp(other->name, row->name))
            add_row(o, other);
    out_close(o, ']');
    out_close(o, '}');
}

static void add_properties(struct out *o, const wf_param *table, const char *prefix, bool in_list)
{
    struct arena scratch;
    arena_init(&scratch, NULL, 0);
    out_key(o, "properties");
    out_open(o, '{');
    for (const wf_param *row = table; row && row->name; row++) {
        wf_str name = name_in(row, prefix);
        if (!name.ptr || came_before(table, row, prefix))
            continue;
        out_key(o, arena_str(&scratch, name.ptr, name.len).ptr);
        if (!name.ptr[name.len]) {
            add_leaf(o, row);
            continue;
        }
        out_open(o, '{');
        add_group(o, table, arena_printf(&scratch, "%s%.*s.", prefix, STR_ARG(name)).ptr, false);
        out_close(o, '}');
    }
    if (in_list && !param_lookup_row(table, "id"))
        out_pair_raw(o, "id", "true"); /* editors number rows */
    out_close(o, '}');
    arena_fini(&scratch);
}

const wf_param *param_lookup_row(const wf_param *table, const char *name)
{
    for (const wf_param *row = table; row && row->name; row++)
        if (!strcmp(row->name, name))
            return row;
    return NULL;
}

static bool always_required(const wf_param *row)
{
    return row->flags & WF_REQUIRED && !row->show_if && row->type != WF_CREDENTIAL;
}

static void add_required(struct out *o, const wf_param *table, const char *prefix)
{
    bool any = false;
    struct arena scratch;
    arena_init(&scratch, NULL, 0);
    for (const wf_param *row = table; row && row->name; row++) {
        wf_str name = name_in(row, prefix);
        if (!name.ptr || !always_required(row))
            continue;
        bool there = false;
        for (const wf_param *before = table; before < row; before++)
            there |= always_required(before) && name_in(before, prefix).ptr &&
                     str_eq(name_in(before, prefix), name);
        if (there)
            continue;
        if (!any) {
            out_key(o, "required");
            out_open(o, '[');
        }
        any = true;
        out_text(o, arena_str(&scratch, name.ptr, name.len).ptr);
    }
    if (any)
        out_close(o, ']');
    arena_fini(&scratch);
}

/* --- show_if as if/then ----------------------------------------------------------------------- */

/* Opens {"required":["a"],"properties":{"a":{ ... down to the last name; returns how many were
 * opened. */
static size_t open_path(struct out *o, struct arena *a, wf_str path, bool required)
{
    size_t depth = 0;
    while (path.len) {
        const char *dot = memchr(path.ptr, '.', path.len);
        size_t len = dot ? (size_t)(dot - path.ptr) : path.len;
        const char *name = arena_str(a, path.ptr, len).ptr;
        if (required) {
            out_key(o, "required");
            out_open(o, '[');
            out_text(o, name);
            out_close(o, ']');
        }
        path.ptr += len + (dot != NULL);
        path.len -= len + (dot != NULL);
        out_key(o, "properties");
        out_open(o, '{');
        out_key(o, name);
        out_open(o, '{');
        depth++;
    }
    return depth;
}

static void close_path(struct out *o, size_t depth)
{
    while (depth--) {
        out_close(o, '}');
        out_close(o, '}');
    }
}

static bool default_is(const wf_param *row, wf_str value)
{
    const char *def = row && row->def                 ? row->def
                      : row && row->type == WF_CHOICE ? row->choices[0].name
                      : row && row->type == WF_BOOL   ? "false"
                      : row && row->type == WF_STRING ? ""
                                                      : "0";
    return str_eq(str_of(def), value);
}

/* One clause: the named parameter has one of the values. Where its default is one of them, it may
 * be absent. */
static void add_clause(struct out *o, struct arena *a, const wf_param *table, wf_str name,
                       wf_str values)
{
    const wf_param *row = param_lookup_row(table, arena_str(a, name.ptr, name.len).ptr);
    bool by_default = false;
    wf_str value, left = values;
    while (show_if_value(&left, &value))
        by_default |= default_is(row, value);
    out_open(o, '{');
    size_t depth = open_path(o, a, name, !by_default);
    out_key(o, "enum");
    out_open(o, '[');
    while (show_if_value(&values, &value)) {
        const char *text = arena_str(a, value.ptr, value.len).ptr;
        out_text(o, text);
        if (row && row->type != WF_STRING && row->type != WF_CHOICE && param_is_json_scalar(text))
            out_raw(o, text);
    }
    out_close(o, ']');
    close_path(o, depth);
    out_close(o, '}');
}

bool param_is_json_scalar(const char *text)
{
    struct json v;
    struct arena scratch;
    arena_init(&scratch, NULL, 0);
    bool is =
        json_parse_copy(&scratch, text, strlen(text), 0, &v, NULL) == 0 && v.type < JSON_STRING;
    arena_fini(&scratch);
    return is;
}

static void add_condition(struct out *o, const wf_param *table, const wf_param *row)
{
    struct arena scratch;
    wf_str name, values, rest = str_of(row->show_if);
    arena_init(&scratch, NULL, 0);
    out_open(o, '{');
    out_key(o, "if");
    out_open(o, '{');
    out_key(o, "allOf");
    out_open(o, '[');
    while (show_if_clause(&rest, &name, &values))
        add_clause(o, &scratch, table, name, values);
    out_close(o, ']');
    out_close(o, '}');
    out_key(o, "then");
    out_open(o, '{');
    close_path(o, open_path(o, &scratch, str_of(row->name), true));
    out_close(o, '}');
    out_close(o, '}');
    arena_fini(&scratch);
}

static void add_conditions(struct out *o, const wf_param *table)
{
    bool any = false;
    for (const wf_param *row = table; row && row->name; row++) {
        if (!(row->flags & WF_REQUIRED) || !row->show_if || row->type == WF_CREDENTIAL)
            continue;
        if (!any) {
            out_key(o, "allOf");
            out_open(o, '[');
        }
        any = true;
        add_condition(o, table, row);
    }
    if (any)
        out_close(o, ']');
}

static void add_group(struct out *o, const wf_param *table, const char *prefix, bool in_list)
{
    out_pair(o, "type", "object");
    add_properties(o, table, prefix, in_list);
    add_required(o, table, prefix);
    if (!prefix[0])
        add_conditions(o, table);
    out_pair_raw(o, "additionalProperties", "false");
}

void schema_parameters(struct out *o, const struct node_type *type)
{
    out_open(o, '{');
    out_pair(o, "title", type->type);
    out_pair(o, "description", type->node.help);
    add_group(o, type->node.params, "", false);
    out_close(o, '}');
}

void schema_shared_defs(struct out *o)
{
    out_pair_raw(o, "expression", "{\"type\":\"string\",\"pattern\":\"^=\"}");
    out_pair_raw(o, "locator",
                 "{\"type\":\"object\",\"required\":[\"__rl\",\"value\"],\"properties\":{\"__rl\":{"
                 "\"const\":true}}}");
}

void schema_node(struct strbuf *b, const struct node_type *type)
{
    struct out o = { .b = b };
    out_open(&o, '{');
    out_pair(&o, "$schema", SCHEMA_DRAFT);
    out_pair(&o, "title", type->type);
    out_pair(&o, "description", type->node.help);
    add_group(&o, type->node.params, "", false);
    out_key(&o, "$defs");
    out_open(&o, '{');
    schema_shared_defs(&o);
    out_close(&o, '}');
    out_close(&o, '}');
}
