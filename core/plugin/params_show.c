/* SPDX-License-Identifier: Apache-2.0
 * Where a parameter's value stands in JSON, and whether show_if lets it be seen.
 *
 * show_if is "mode=a|b,kind=c": every clause must hold. A clause compares the text of another
 * parameter of the same table, as given or by default. A parameter that is hidden itself has no
 * value to compare with. Rows may share a name when their show_if differ. Thread: any; nothing
 * blocks.
 */
#include "plugin/plugin_int.h"

bool param_is_locator(const struct json *v)
{
    return v && v->type == JSON_OBJECT && json_truth(JSON_GET(v, "__rl"));
}

const struct json *param_unlocate(const struct json *v)
{
    return param_is_locator(v) ? JSON_GET(v, "value") : v;
}

const struct json *param_lookup(const struct json *given, const char *name)
{
    while (given && given->type == JSON_OBJECT) {
        size_t len = strcspn(name, ".");
        given = json_get(given, name, len);
        if (!name[len])
            return given;
        name += len + 1;
    }
    return NULL;
}

/* Cuts a piece off the front of *rest, up to one of `end`, which is dropped. */
static wf_str cut(wf_str *rest, char end)
{
    const char *stop = memchr(rest->ptr, end, rest->len);
    wf_str piece = { rest->ptr, stop ? (size_t)(stop - rest->ptr) : rest->len };
    size_t used = piece.len + (stop != NULL);
    *rest = (wf_str){ rest->ptr + used, rest->len - used };
    while (piece.len && piece.ptr[0] == ' ')
        piece.ptr++, piece.len--;
    while (piece.len && piece.ptr[piece.len - 1] == ' ')
        piece.len--;
    return piece;
}

bool show_if_clause(wf_str *rest, wf_str *name, wf_str *values)
{
    if (!rest->len)
        return false;
    wf_str clause = cut(rest, ',');
    bool has_values = clause.len && memchr(clause.ptr, '=', clause.len);
    *name = cut(&clause, '=');
    *values = has_values ? clause : (wf_str){ NULL, 0 };
    return true;
}

/* "a|b" ends after b; an empty list has one empty value. `values->ptr` NULL is the end. */
bool show_if_value(wf_str *values, wf_str *value)
{
    if (!values->ptr)
        return false;
    bool more = memchr(values->ptr, '|', values->len) != NULL;
    *value = cut(values, '|');
    if (!more)
        values->ptr = NULL;
    return true;
}

/* The text that a clause compares. SHOWN_MAYBE: an expression, known only while it runs. */
static enum shown text_of(const wf_param *row, const struct json *v, char *scratch, size_t size,
                          wf_str *text)
{
    v = param_unlocate(v);
    if (param_is_expression(row, v))
        return SHOWN_MAYBE;
    if (!v || v->type == JSON_NULL) {
        if (row->def)
            *text = str_of(row->def);
        else if (row->type == WF_CHOICE)
            *text = str_of(row->choices[0].name);
        else if (row->type == WF_BOOL)
            *text = STR("false");
        else
            *text = row->type == WF_STRING || row->type == WF_VALUE ? STR("") : STR("0");
        return SHOWN;
    }
    if (v->type == JSON_STRING)
        *text = json_str(v);
    else if (v->type < JSON_ARRAY && json_write_bound(v) <= size)
        *text = (wf_str){ scratch, json_write(v, scratch) };
    else
        *text = STR("");
    return SHOWN;
}

static enum shown row_shown(const wf_param *table, const wf_param *row, const struct json *given,
                            unsigned depth);

static enum shown clause_holds(const wf_param *table, const struct json *given, wf_str name,
                               wf_str values, unsigned depth)
{
    enum shown best = HIDDEN;
    for (const wf_param *row = table; row->name; row++) {
        char scratch[64];
        wf_str text, value, left = values;
        if (!str_eq(str_of(row->name), name))
            continue;
        enum shown shown = row_shown(table, row, given, depth + 1);
        if (shown == HIDDEN)
            continue;
        if (text_of(row, param_lookup(given, row->name), scratch, sizeof scratch, &text) ==
            SHOWN_MAYBE)
            best = SHOWN_MAYBE;
        else
            while (show_if_value(&left, &value))
                if (str_eq(text, value))
                    best = shown;
        if (shown == SHOWN)
            break; /* this is the row of that name that counts */
    }
    return best;
}

static enum shown row_shown(const wf_param *table, const wf_param *row, const struct json *given,
                            unsigned depth)
{
    enum shown all = SHOWN;
    wf_str name, values, rest = str_of(row->show_if);
    if (!row->show_if)
        return SHOWN;
    if (depth > PARAMS_DEPTH_MAX)
        return HIDDEN; /* cycles are refused at load */
    while (show_if_clause(&rest, &name, &values)) {
        enum shown one = clause_holds(table, given, name, values, depth);
        if (one == HIDDEN)
            return HIDDEN;
        if (one == SHOWN_MAYBE)
            all = SHOWN_MAYBE;
    }
    return all;
}

enum shown param_shown(const wf_param *table, const wf_param *row, const struct json *given)
{
    return row_shown(table, row, given, 0);
}
