/* SPDX-License-Identifier: Apache-2.0
 * One item's statement. Values are always parameters; names are always quoted. Thread: the
 * worker's.
 */
#include "postgres_int.h"

/* Text and parameters being written; memory is the item's. */
struct sql {
    const wf_host *h;
    wf_item *it;
    const struct config *c;
    char *text;
    size_t len, size;
    const char **values;
    size_t n, room;
    const char *error;
};

static void add(struct sql *q, const char *ptr, size_t len)
{
    if (q->len + len + 1 > q->size) {
        size_t size = (q->len + len + 1) * 2;
        char *text = q->h->alloc(q->it, size);
        if (q->len)
            memcpy(text, q->text, q->len);
        q->text = text;
        q->size = size;
    }
    if (len)
        memcpy(q->text + q->len, ptr, len);
    q->len += len;
    q->text[q->len] = 0;
}

static void adds(struct sql *q, const char *text) { add(q, text, strlen(text)); }

static void add_name(struct sql *q, wf_str name)
{
    if (!name.len || name.len > 200 || memchr(name.ptr, 0, name.len))
        q->error = q->h->fmt(q->it, "'%.*s' is no name of a column or table",
                             name.len > 60 ? 60 : (int)name.len, name.ptr)
                       .ptr;
    adds(q, "\"");
    for (size_t i = 0; i < name.len; i++) {
        add(q, &name.ptr[i], 1);
        if (name.ptr[i] == '"')
            adds(q, "\"");
    }
    adds(q, "\"");
}

static void add_table(struct sql *q)
{
    if (q->c->schema.len) {
        add_name(q, q->c->schema);
        adds(q, ".");
    }
    add_name(q, q->c->table);
}

static void put(struct sql *q, const wf_value *value)
{
    const wf_values *v = q->h->v;
    wf_json_type type = v->type(value);
    if (q->n == q->room) {
        size_t room = q->room ? q->room * 2 : 16;
        const char **values = q->h->alloc(q->it, room * sizeof *values);
        if (q->n)
            memcpy(values, q->values, q->n * sizeof *values);
        q->values = values;
        q->room = room;
    }
    if (q->n == PARAMS_MAX) {
        q->error = "a statement has 65,535 parameters at most";
        return;
    }
    wf_str text = { NULL, 0 };
    if (type != WF_JSON_MISSING && type != WF_JSON_NULL)
        text = type == WF_JSON_STRING ? v->text(q->it, value) : v->json(q->it, value);
    if (text.len && memchr(text.ptr, 0, text.len))
        q->error = "text with a NUL byte cannot be stored";
    q->values[q->n++] = text.ptr;
}

static void add_value(struct sql *q, const wf_value *value)
{
    put(q, value);
    adds(q, q->h->fmt(q->it, "$%zu", q->n).ptr);
}

/* --- parts of statements ---------------------------------------------------------------------- */

static wf_str column_of(struct sql *q, const wf_value *name) { return q->h->v->text(q->it, name); }

static void add_columns(struct sql *q, const wf_value *list)
{
    size_t n = q->h->v->count(list);
    if (q->h->v->type(list) != WF_JSON_ARRAY || !n) {
        adds(q, "*");
        return;
    }
    for (size_t i = 0; i < n; i++) {
        wf_str name = column_of(q, q->h->v->at(list, i));
        adds(q, i ? ", " : "");
        if (!strcmp(name.ptr, "*"))
            adds(q, "*");
        else
            add_name(q, name);
    }
}

static void add_returning(struct sql *q)
{
    adds(q, " RETURNING ");
    add_columns(q, q->c->output);
}

static void add_where(struct sql *q)
{
    static const char *const operators[] = { "=",  "<>", "LIKE",    ">",          "<",
                                             ">=", "<=", "IS NULL", "IS NOT NULL" };
    enum { IS_NULL = 7 };
    const struct condition *rows = q->c->where.rows;
    for (size_t i = 0; i < q->c->where.n; i++) {
        adds(q, !i ? " WHERE " : q->c->combine ? " OR " : " AND ");
        add_name(q, rows[i].column);
        adds(q, " ");
        adds(q, operators[rows[i].condition]);
        adds(q, " ");
        if (rows[i].condition < IS_NULL)
            add_value(q, rows[i].value);
    }
}

static int is_matching(struct sql *q, wf_str name)
{
    for (size_t i = 0; i < q->h->v->count(q->c->matching); i++) {
        wf_str column = column_of(q, q->h->v->at(q->c->matching, i));
        if (column.len == name.len && !memcmp(column.ptr, name.ptr, name.len))
            return 1;
    }
    return 0;
}

/* The row as an object of columns. NULL: q->error. */
static const wf_value *row_of(struct sql *q)
{
    const wf_value *row = q->c->mapping == MAP_BELOW ? q->c->columns : q->h->value(q->it);
    if (q->h->v->type(row) == WF_JSON_OBJECT && q->h->v->count(row))
        return row;
    q->error = "there are no columns to write";
    return NULL;
}

/* --- statements ------------------------------------------------------------------------------- */

static void add_conflict(struct sql *q, const wf_value *row)
{
    const wf_values *v = q->h->v;
    size_t n = v->count(q->c->matching), set = 0;
    if (q->c->operation == OP_INSERT) {
        adds(q, q->c->skip_conflict ? " ON CONFLICT DO NOTHING" : "");
        return;
    }
    if (!n)
        q->error = "upsert wants columns.matchingColumns";
    adds(q, " ON CONFLICT (");
    for (size_t i = 0; i < n; i++) {
        adds(q, i ? ", " : "");
        add_name(q, column_of(q, v->at(q->c->matching, i)));
    }
    adds(q, ") DO UPDATE SET ");
    for (size_t i = 0; i <= v->count(row); i++) {
        int is_last = i == v->count(row);
        if ((is_last && set) || (!is_last && is_matching(q, v->key(row, i))))
            continue; /* a row of its key alone sets that, so that it is returned */
        wf_str name = is_last ? column_of(q, v->at(q->c->matching, 0)) : v->key(row, i);
        adds(q, set++ ? ", " : "");
        add_name(q, name);
        adds(q, " = excluded.");
        add_name(q, name);
    }
}

static void build_insert(struct sql *q, struct statement *s)
{
    const wf_values *v = q->h->v;
    const wf_value *row = row_of(q);
    if (!row)
        return;
    adds(q, "INSERT INTO ");
    add_table(q);
    adds(q, " (");
    for (size_t i = 0; i < v->count(row); i++) {
        adds(q, i ? ", " : "");
        add_name(q, v->key(row, i));
        put(q, v->at(row, i));
    }
    adds(q, ")");
    s->head = (wf_str){ q->text, q->len };
    q->text = NULL;
    q->len = q->size = 0;
    add_conflict(q, row);
    add_returning(q);
    s->tail = (wf_str){ q->text, q->len };
    s->is_row = 1;
}

static void build_update(struct sql *q)
{
    const wf_values *v = q->h->v;
    const wf_value *row = row_of(q);
    size_t n = v->count(q->c->matching), set = 0;
    if (row && !n)
        q->error = "update wants columns.matchingColumns";
    if (!row || !n)
        return;
    adds(q, "UPDATE ");
    add_table(q);
    adds(q, " SET ");
    for (size_t i = 0; i < v->count(row); i++) {
        if (is_matching(q, v->key(row, i)))
            continue;
        adds(q, set++ ? ", " : "");
        add_name(q, v->key(row, i));
        adds(q, " = ");
        add_value(q, v->at(row, i));
    }
    for (size_t i = 0; i < n; i++) {
        wf_str name = column_of(q, v->at(q->c->matching, i));
        adds(q, i ? " AND " : " WHERE ");
        add_name(q, name);
        adds(q, " = ");
        add_value(q, v->get(row, name.ptr, name.len));
        if (!v->get(row, name.ptr, name.len))
            q->error = q->h->fmt(q->it, "the matching column '%.60s' has no value", name.ptr).ptr;
    }
    if (!set)
        q->error = "there are no columns to write";
    add_returning(q);
}

static void build_select(struct sql *q)
{
    const struct sort *rows = q->c->sort.rows;
    adds(q, "SELECT ");
    add_columns(q, q->c->output);
    adds(q, " FROM ");
    add_table(q);
    add_where(q);
    for (size_t i = 0; i < q->c->sort.n; i++) {
        adds(q, i ? ", " : " ORDER BY ");
        add_name(q, rows[i].column);
        adds(q, rows[i].direction ? " DESC" : " ASC");
    }
    if (!q->c->all)
        adds(q, q->h->fmt(q->it, " LIMIT %lld", (long long)q->c->limit).ptr);
}

static void build_delete(struct sql *q)
{
    adds(q, q->c->delete_command == DELETE_ROWS   ? "DELETE FROM "
            : q->c->delete_command == DELETE_DROP ? "DROP TABLE IF EXISTS "
                                                  : "TRUNCATE TABLE ");
    add_table(q);
    if (q->c->delete_command == DELETE_ROWS)
        add_where(q);
}

/* "a, b" as n8n's older workflows give parameters. */
static void put_list(struct sql *q, wf_str text)
{
    const char *p = text.ptr, *end = text.ptr + text.len;
    while (p < end) {
        const char *comma = memchr(p, ',', (size_t)(end - p)), *stop = comma ? comma : end;
        const char *last = stop;
        while (p < last && *p == ' ')
            p++;
        while (last > p && last[-1] == ' ')
            last--;
        put(q, q->h->v->of_str(q->it, p, (size_t)(last - p)));
        p = stop + 1;
    }
}

static void build_query(struct sql *q)
{
    const wf_values *v = q->h->v;
    const wf_value *given = q->c->replacement;
    add(q, q->c->query.ptr, q->c->query.len);
    if (v->type(given) == WF_JSON_ARRAY)
        for (size_t i = 0; i < v->count(given); i++)
            put(q, v->at(given, i));
    else if (v->type(given) == WF_JSON_STRING)
        put_list(q, v->text(q->it, given));
    else if (given && v->type(given) != WF_JSON_NULL)
        put(q, given);
}

void sql_build(const wf_host *h, wf_item *it, struct statement *s)
{
    struct sql q = { .h = h, .it = it, .c = h->config(it) };
    *s = (struct statement){ .tail = { "", 0 } };
    switch (q.c->operation) {
    case OP_INSERT:
    case OP_UPSERT:
        build_insert(&q, s);
        break;
    case OP_UPDATE:
        build_update(&q);
        break;
    case OP_SELECT:
        build_select(&q);
        break;
    case OP_DELETE:
        build_delete(&q);
        break;
    default:
        build_query(&q);
    }
    if (!s->is_row)
        s->head = (wf_str){ q.text, q.len };
    s->values = q.values;
    s->n = q.n;
    s->error = q.error;
}
