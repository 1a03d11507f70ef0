/* SPDX-License-Identifier: Apache-2.0
 * Rows to JSON, by the type of the column: numbers as numbers (numeric with all its digits), bool,
 * json and jsonb as what they hold, all others as PostgreSQL's text. Thread: the worker's.
 */
#include "postgres_int.h"

/* Types, by their fixed numbers in pg_type. */
enum {
    T_BOOL = 16,
    T_INT8 = 20,
    T_INT2 = 21,
    T_INT4 = 23,
    T_OID = 26,
    T_JSON = 114,
    T_FLOAT4 = 700,
    T_FLOAT8 = 701,
    T_NUMERIC = 1700,
    T_JSONB = 3802
};

static const wf_value *text_value(const wf_host *h, wf_item *it, const char *text, size_t len)
{
    return h->v->of_str(it, text, len);
}

static const wf_value *field(const wf_host *h, wf_item *it, const PGresult *r, int row, int column)
{
    const char *text = PQgetvalue(r, row, column), *why = NULL;
    size_t len = (size_t)PQgetlength(r, row, column);
    const wf_value *value = NULL;
    if (PQgetisnull(r, row, column))
        return h->v->parse(it, (wf_str){ "null", 4 }, &why);
    switch (PQftype(r, column)) {
    case T_BOOL:
        return h->v->of_bool(it, *text == 't');
    case T_INT2:
    case T_INT4:
    case T_INT8:
    case T_OID:
    case T_FLOAT4:
    case T_FLOAT8:
    case T_NUMERIC: /* NaN and Infinity are no JSON: text */
    case T_JSON:
    case T_JSONB:
        value = h->v->parse(it, (wf_str){ text, len }, &why);
        break;
    default:
        break;
    }
    return value ? value : text_value(h, it, text, len);
}

const wf_value *rows_object(const wf_host *h, wf_item *it, const PGresult *r, int row)
{
    int n = PQnfields(r);
    wf_str *keys = h->alloc(it, (size_t)n * sizeof *keys + 1);
    const wf_value **values = h->alloc(it, (size_t)n * sizeof *values + 1);
    size_t used = 0;
    for (int i = 0; i < n; i++) {
        const char *name = PQfname(r, i);
        size_t at = 0;
        while (at < used && strcmp(keys[at].ptr, name) != 0)
            at++; /* of columns with one name the last counts */
        keys[at] = (wf_str){ name, strlen(name) };
        values[at] = field(h, it, r, row, i);
        used += at == used;
    }
    return h->v->object(it, keys, values, used);
}
