/* SPDX-License-Identifier: Apache-2.0
 * fake_params.h - parameters of the fake host; authors include fake_host.h only.
 *
 * Fills a config struct from the JSON of a node's parameters by the plugin's own table: types,
 * defaults, choices, ranges, required, unknown names, lists, show_if. Of expressions it knows one
 * form,
 * "={{ $json.path }}", a path into the item; a test with others gives the config itself
 * (fake_config).
 */
#ifndef WF_FAKE_PARAMS_H
#define WF_FAKE_PARAMS_H
#include "fake_edit.h"

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wshadow"

struct wf_cred {
    const char *type;
    const wf_value *fields;
    struct wf_cred *next;
};

struct fake_bind {
    struct fake_heap *heap;
    struct wf_cred *creds; /* what the test gave with fake_cred() */
    const wf_value *item;  /* NULL: expressions have no value yet */
    int has_expressions;   /* set while binding */
    const char *why;       /* the first mistake */
};

WF_PRINTF(3, 4)
static inline void fake_wrong(struct fake_bind *b, const char *path, const char *format, ...)
{
    va_list args;
    if (b->why)
        return;
    va_start(args, format);
    wf_str text = fake_vfmt(b->heap, format, args);
    va_end(args);
    b->why = fake_fmt(b->heap, "parameter '%s': %s", path, text.ptr);
}

static inline const wf_value *fake_param_lookup(const wf_value *given, const char *name)
{
    for (;;) {
        size_t len = strcspn(name, ".");
        given = fake_get(given, name, len);
        if (!given || !name[len])
            return given;
        name += len + 1;
    }
}

/* --- show_if -------------------------------------------------------------------------------------
 */

static inline int fake_shown(const wf_param *table, const wf_param *row, const wf_value *given,
                             unsigned depth);

static inline int fake_clause(const wf_param *table, const wf_value *given, const char *clause,
                              size_t len, unsigned depth)
{
    const char *equals = memchr(clause, '=', len);
    for (const wf_param *row = table; equals && row->name; row++) {
        if (strlen(row->name) != (size_t)(equals - clause) ||
            strncmp(row->name, clause, strlen(row->name)) != 0 ||
            !fake_shown(table, row, given, depth + 1))
            continue;
        const wf_value *v = fake_param_lookup(given, row->name);
        const char *text = row->def                 ? row->def
                           : row->type == WF_CHOICE ? row->choices[0].name
                           : row->type == WF_BOOL   ? "false"
                           : row->type == WF_STRING ? ""
                                                    : "0";
        if (fake_type(v) == WF_JSON_BOOL)
            text = v->truth ? "true" : "false";
        else if (fake_type(v) >= WF_JSON_NUMBER && v->text.ptr)
            text = v->text.ptr;
        for (const char *value = equals + 1; value <= clause + len;) {
            size_t n = strcspn(value, "|,");
            if (strlen(text) == n && !strncmp(text, value, n))
                return 1;
            value += n + 1;
        }
        return 0;
    }
    return 0;
}

static inline int fake_shown(const wf_param *table, const wf_param *row, const wf_value *given,
                             unsigned depth)
{
    const char *at = row->show_if;
    while (at && *at && depth < 8) {
        size_t len = strcspn(at, ",");
        if (!fake_clause(table, given, at, len, depth))
            return 0;
        at += len + (at[len] == ',');
    }
    return 1;
}

/* --- one value -------------------------------------------------------------------------------- */

/* "={{ $json.a.b }}" -> "a.b"; NULL: another form. */
static inline const char *fake_expression_path(struct fake_heap *heap, const char *text)
{
    size_t len = strlen(text);
    if (strncmp(text, "={{", 3) != 0 || len < 5 || strcmp(text + len - 2, "}}") != 0)
        return NULL;
    char *path = (char *)(uintptr_t)fake_str(heap, text + 3, len - 5).ptr;
    while (*path == ' ')
        path++;
    for (size_t end = strlen(path); end && path[end - 1] == ' '; end--)
        path[end - 1] = 0;
    if (strncmp(path, "$json", 5) != 0 || (path[5] && path[5] != '.' && path[5] != '['))
        return NULL;
    return path[5] == '.' ? path + 6 : path + 5;
}

/* Puts values where expressions are. NULL: nothing there. */
static inline const wf_value *fake_solve(struct fake_bind *b, const wf_param *row, const char *path,
                                         const wf_value *v)
{
    if (fake_type(v) == WF_JSON_STRING && v->text.len && v->text.ptr[0] == '=' &&
        !(row->flags & WF_RAW)) {
        const char *into = fake_expression_path(b->heap, v->text.ptr);
        b->has_expressions = 1;
        if (!(row->flags & WF_EXPR))
            fake_wrong(b, path, "cannot be an expression: WF_EXPR is not set");
        else if (!into)
            fake_wrong(b, path, "the fake host solves ={{ $json.path }} only, not %s", v->text.ptr);
        return into && b->item ? fake_path(b->item, into) : NULL;
    }
    if (row->type != WF_VALUE || fake_type(v) < WF_JSON_ARRAY)
        return v;
    wf_value *copy = fake_container(b->heap, v->type, v->n);
    copy->n = 0;
    for (size_t i = 0; i < v->n; i++) {
        const wf_value *part = fake_solve(b, row, path, v->parts[i]);
        if (!part && v->keys)
            continue;
        if (v->keys)
            copy->keys[copy->n] = v->keys[i];
        copy->parts[copy->n++] = part ? part : fake_value(b->heap, WF_JSON_NULL);
    }
    return copy;
}

static inline int64_t fake_with_unit(const char *text, const char *const *units,
                                     const int64_t *factors)
{
    char *end;
    double number = strtod(text, &end);
    while (*end == ' ')
        end++;
    for (size_t i = 0; units[i]; i++)
        if (end != text && !strcmp(end, units[i]))
            return (int64_t)(number * (double)factors[i]);
    return -1;
}

static inline int fake_param_int(const wf_param *row, const wf_value *v, int64_t *out)
{
    static const char *const times[] = { "", "ms", "s", "m", "min", "h", "d", "w", NULL };
    static const int64_t ms[] = { 1, 1, 1000, 60000, 60000, 3600000, 86400000, 604800000 };
    static const char *const sizes[] = { "",  "k",  "K", "kb", "KB", "m",
                                         "M", "MB", "g", "G",  "GB", NULL };
    static const int64_t bytes[] = { 1,       1 << 10, 1 << 10, 1 << 10, 1 << 10, 1 << 20,
                                     1 << 20, 1 << 20, 1 << 30, 1 << 30, 1 << 30 };
    char *end;
    if (fake_type(v) == WF_JSON_NUMBER)
        return fake_get_int64(v, out);
    if (fake_type(v) != WF_JSON_STRING || !v->text.len)
        return -1;
    if (row->type == WF_INT) {
        *out = strtoll(v->text.ptr, &end, 10);
        return *end ? -1 : 0;
    }
    *out = row->type == WF_MS ? fake_with_unit(v->text.ptr, times, ms)
                              : fake_with_unit(v->text.ptr, sizes, bytes);
    return *out < 0 ? -1 : 0;
}

static inline void fake_param_choice(struct fake_bind *b, const wf_param *row, const char *path,
                                     const char *text, int *field)
{
    for (int i = 0; row->choices && row->choices[i].name; i++)
        if (!strcmp(row->choices[i].name, text)) {
            *field = i;
            return;
        }
    fake_wrong(b, path, "'%s' is none of its choices", text);
}

static inline void fake_param_scalar(struct fake_bind *b, const wf_param *row, const char *path,
                                     const wf_value *v, void *field)
{
    int64_t i = 0;
    double d = 0;
    char *end;
    wf_str text = fake_type(v) == WF_JSON_STRING ? v->text : fake_json(b->heap, v);
    switch (row->type) {
    case WF_STRING:
        *(wf_str *)field = text;
        return;
    case WF_INT:
    case WF_MS:
    case WF_BYTES:
        if (fake_param_int(row, v, &i) != 0)
            fake_wrong(b, path, "%s is no whole number, time or size", text.ptr);
        *(int64_t *)field = i;
        d = (double)i;
        break;
    case WF_DOUBLE:
        d = strtod(text.ptr, &end);
        if (!text.len || *end)
            fake_wrong(b, path, "%s is no number", text.ptr);
        *(double *)field = d;
        break;
    case WF_BOOL:
        if (strcmp(text.ptr, "true") != 0 && strcmp(text.ptr, "false") != 0)
            fake_wrong(b, path, "%s is neither true nor false", text.ptr);
        *(int *)field = !strcmp(text.ptr, "true");
        return;
    case WF_CHOICE:
        fake_param_choice(b, row, path, text.ptr, field);
        return;
    default:
        *(const wf_value **)field = v;
        return;
    }
    if (row->min != row->max && (d < (double)row->min || d > (double)row->max))
        fake_wrong(b, path, "%s is not between %lld and %lld", text.ptr, (long long)row->min,
                   (long long)row->max);
}

/* --- rows ------------------------------------------------------------------------------------- */

static inline void fake_bind_table(struct fake_bind *b, const wf_param *table,
                                   const wf_value *given, const char *prefix, char *base);

static inline void fake_bind_list(struct fake_bind *b, const wf_param *row, const char *path,
                                  const wf_value *v, wf_list *list)
{
    size_t n = fake_type(v) == WF_JSON_ARRAY             ? v->n
               : fake_type(v) == WF_JSON_OBJECT && !v->n ? 0
                                                         : 1;
    char *rows = fake_alloc(b->heap, n * row->row_size);
    int single = !row->rows[1].name;
    for (size_t i = 0; i < n; i++) {
        const wf_value *one = fake_type(v) == WF_JSON_ARRAY ? v->parts[i] : v;
        if (fake_type(one) != WF_JSON_OBJECT && single)
            one = fake_with(b->heap, NULL, (wf_str){ row->rows[0].name, strlen(row->rows[0].name) },
                            one);
        if (fake_type(one) != WF_JSON_OBJECT)
            fake_wrong(b, path, "row %zu is no object", i);
        fake_bind_table(b, row->rows, one, fake_fmt(b->heap, "%s[%zu].", path, i),
                        rows + i * row->row_size);
    }
    *list = (wf_list){ rows, n };
}

static inline void fake_bind_cred(struct fake_bind *b, const wf_param *row, const char *path,
                                  const wf_cred **field)
{
    for (const char *at = row->cred; at && *at && !*field;) {
        size_t len = strcspn(at, ",");
        for (struct wf_cred *cred = b->creds; cred; cred = cred->next)
            if (strlen(cred->type) == len && !strncmp(cred->type, at, len))
                *field = cred;
        at += len + (at[len] == ',');
    }
    if (!*field && row->flags & WF_REQUIRED)
        fake_wrong(b, path, "needs a credential of type %s; give it with fake_cred()", row->cred);
}

static inline void fake_bind_row(struct fake_bind *b, const wf_param *row, const wf_value *v,
                                 int shown, const char *path, char *field)
{
    const wf_value *def = NULL;
    if (row->def) { /* as JSON where that has another type than text */
        int json = row->type != WF_STRING && row->type != WF_CHOICE && row->type != WF_MS &&
                   row->type != WF_BYTES;
        def = json && row->def[0] != '=' ? fake_parse(b->heap, row->def, strlen(row->def), NULL)
                                         : NULL;
        if (!def)
            def = fake_string(b->heap, row->def, strlen(row->def));
    }
    if (row->type == WF_STRING)
        *(wf_str *)(void *)field = (wf_str){ "", 0 };
    if (row->type == WF_CREDENTIAL) {
        if (shown)
            fake_bind_cred(b, row, path, (const wf_cred **)(void *)field);
        return;
    }
    if (!shown || fake_type(v) == WF_JSON_MISSING ||
        (fake_type(v) == WF_JSON_NULL && row->type != WF_VALUE)) {
        if (shown && !def && row->flags & WF_REQUIRED)
            fake_wrong(b, path, "is required");
        v = def;
    }
    int given = v != NULL;
    v = fake_solve(b, row, path, v);
    if (!v && given && b->item && !def && row->flags & WF_REQUIRED)
        fake_wrong(b, path, "is required, but its expression gave nothing");
    if (!v && def)
        v = fake_solve(b, row, path, def);
    if (!v)
        return;
    if (row->type == WF_LIST)
        fake_bind_list(b, row, path, v, (wf_list *)(void *)field);
    else
        fake_param_scalar(b, row, path, v, field);
}

static inline void fake_check_names(struct fake_bind *b, const wf_param *table,
                                    const wf_value *given, const char *prefix, const char *group)
{
    size_t group_len = strlen(group);
    for (size_t i = 0; i < given->n; i++) {
        const char *name = fake_fmt(b->heap, "%s%s", group, given->keys[i].ptr);
        size_t len = strlen(name);
        int known = 0;
        for (const wf_param *row = table; row && row->name && known < 2; row++)
            if (!strncmp(row->name, name, len) && (!row->name[len] || row->name[len] == '.'))
                known = row->name[len] ? 1 : 2;
        if (known == 1 && fake_type(given->parts[i]) == WF_JSON_OBJECT)
            fake_check_names(b, table, given->parts[i], prefix, fake_fmt(b->heap, "%s.", name));
        else if (!known && !(*prefix && !group_len && !strcmp(name, "id")))
            fake_wrong(b, fake_fmt(b->heap, "%s%s", prefix, name), "unknown parameter");
    }
}

static inline void fake_bind_table(struct fake_bind *b, const wf_param *table,
                                   const wf_value *given, const char *prefix, char *base)
{
    if (fake_type(given) == WF_JSON_OBJECT)
        fake_check_names(b, table, given, prefix, "");
    for (int pass = 0; pass < 2;
         pass++) /* hidden rows first: they may share a field with one that is shown */
        for (const wf_param *row = table; row && row->name; row++) {
            int shown = fake_shown(table, row, given, 0);
            if (shown == pass)
                fake_bind_row(b, row, fake_param_lookup(given, row->name), shown,
                              fake_fmt(b->heap, "%s%s", prefix, row->name), base + row->offset);
        }
}
#pragma GCC diagnostic pop
#endif
