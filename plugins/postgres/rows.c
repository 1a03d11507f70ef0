/* SPDX-License-Identifier: Apache-2.0
 * Rows to JSON, by the type of the column: numbers as numbers (numeric with all its digits), bool,
 * json and jsonb as what they hold, times as ISO 8601, arrays as lists, all others as PostgreSQL's
 * text. Thread: the worker's.
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
    T_TIMESTAMP = 1114,
    T_TIMESTAMPTZ = 1184,
    T_NUMERIC = 1700,
    T_TEXT = 25,
    T_JSONB = 3802
};

/* Types of arrays, and of their elements; texts of all kinds are one here. */
static const struct {
    unsigned array, element;
} arrays[] = {
    { 1000, T_BOOL },      { 1005, T_INT2 },        { 1007, T_INT4 },   { 1016, T_INT8 },
    { 1028, T_OID },       { 1021, T_FLOAT4 },      { 1022, T_FLOAT8 }, { 1231, T_NUMERIC },
    { 1115, T_TIMESTAMP }, { 1185, T_TIMESTAMPTZ }, { 199, T_JSON },    { 3807, T_JSONB },
    { 1009, T_TEXT },      { 1015, T_TEXT },        { 1014, T_TEXT },   { 1003, T_TEXT },
    { 1182, T_TEXT },      { 1183, T_TEXT },        { 2951, T_TEXT },   { 1001, T_TEXT },
    { 1041, T_TEXT },      { 1187, T_TEXT },
};

static unsigned element_of(unsigned type)
{
    for (size_t i = 0; i < sizeof arrays / sizeof *arrays; i++)
        if (arrays[i].array == type)
            return arrays[i].element;
    return 0;
}

static const wf_value *text_value(const wf_host *h, wf_item *it, const char *text, size_t len)
{
    return h->v->of_str(it, text, len);
}

const wf_value *rows_value(const wf_host *h, wf_item *it, unsigned type, const char *text,
                           size_t len)
{
    const char *why = NULL;
    const wf_value *value = NULL;
    if (!text)
        return h->v->parse(it, (wf_str){ "null", 4 }, &why);
    switch (type) {
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
    case T_TIMESTAMP:
    case T_TIMESTAMPTZ:
        value = text_time(h, it, text, len);
        break;
    default:
        if (element_of(type))
            value = text_array(h, it, element_of(type), text, len);
        break;
    }
    return value ? value : text_value(h, it, text, len);
}

static const wf_value *field(const wf_host *h, wf_item *it, const PGresult *r, int row, int column)
{
    int is_null = PQgetisnull(r, row, column);
    return rows_value(h, it, PQftype(r, column), is_null ? NULL : PQgetvalue(r, row, column),
                      (size_t)PQgetlength(r, row, column));
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
