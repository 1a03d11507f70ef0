/* SPDX-License-Identifier: Apache-2.0
 * Rows of plugins as arrays, one for each column:
 *
 *   INSERT INTO "charge" AS r ("id", "amount", "at")
 *   SELECT "id", "amount", "at"::timestamp with time zone
 *   FROM unnest($1::text[], $2::int8[], $3::text[]) AS u("id", "amount", "at")
 *   ON CONFLICT ("id") DO NOTHING
 *
 * To look for each row whether one with its key is there costs as much as to write it (a second way
 * down the index, and a second record for the log, as others might write the same at that moment),
 * and hardly ever one is: after a crash, or when a client repeats itself. So rows are sent without
 * ON CONFLICT first. The database then refuses a key that is taken, by the same constraint, and the
 * turn is sent again with it, as those of the next turns are.
 *
 * Integers and text travel in binary; other types as text that the database casts as it would have
 * cast JSON's. What JSON does better goes as JSON: arrays and composites, and rows with something
 * else than an integer for a column of integers, which the database may still know how to take.
 *
 * The types are asked for once per connection, beside the first statement on a table. A table that
 * was changed since makes the statement fail; the diagnosis then goes over JSON and finds no guilty
 * row, and so does what follows.
 *
 * Thread: the loop's; nothing blocks.
 */
#include "store/pg_int.h"
#include <stdlib.h>

enum { SHAPES_MAX = 256, DOUBT_TURNS = 64 };

enum column_kind {
    COLUMN_INT = 1, /* an int8[], which the database makes smaller where it must */
    COLUMN_TEXT,    /* a text[] */
    COLUMN_CAST,    /* a text[], cast */
    COLUMN_JSON,    /* a text[] of JSON texts, cast */
};

struct pg_shape {
    char *sql;      /* NULL: of no use for this table */
    char *bare;     /* without ON CONFLICT; NULL: `sql` has none */
    unsigned doubt; /* so many turns will look, as one met a key that is taken */
    unsigned n;
    uint8_t kinds[PG_PARAMS_MAX];
};

struct pg_shape *pg_shape_find(const struct pg_session *ps, const struct pg_group *group)
{
    return map_get(&ps->shapes, group->key.ptr, group->key.len);
}

void pg_shapes_fini(struct pg_session *ps)
{
    struct map_slot *slot;
    for (size_t at = 0; map_each(&ps->shapes, &at, &slot);) {
        struct pg_shape *shape = slot->value;
        free(shape->sql);
        free(shape->bare);
        free(shape);
    }
    map_fini(&ps->shapes);
}

void pg_shapes_forget(struct pg_session *ps)
{
    pg_shapes_fini(ps);
    map_init(&ps->shapes);
}

/* --- asking ----------------------------------------------------------------------------------- */

int pg_shape_ask(struct pg_session *ps, const struct pg_group *group, unsigned tag)
{
    if (ps->shapes.used >= SHAPES_MAX)
        return 0;
    struct strbuf table;
    strbuf_init(&table, 1 << 20);
    pg_rows_quote_table(&table, group->key);
    const char *value = table.ptr;
    int sent = PQsendQueryParams(
        ps->conn,
        "SELECT a.attname, t.typtype::text || t.typcategory::text, format_type(t.oid, NULL), "
        "t.oid::int8 "
        "FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid "
        "WHERE a.attrelid = to_regclass($1) AND a.attnum > 0 AND NOT a.attisdropped",
        1, NULL, &value, NULL, NULL, 0);
    strbuf_fini(&table);
    if (!sent)
        return -1;
    pg_expect(ps, tag);
    return 0;
}

static int find_column(const PGresult *r, wf_str name)
{
    for (int i = 0; i < PQntuples(r); i++)
        if (str_eq(pg_text(r, i, 0), name))
            return i;
    return -1;
}

/* 0: not as an array. */
static enum column_kind kind_of(const PGresult *r, int row)
{
    static const struct {
        int oid;
        enum column_kind kind;
    } kinds[] = { { PG_INT2, COLUMN_INT },  { PG_INT4, COLUMN_INT }, { PG_INT8, COLUMN_INT },
                  { PG_TEXT, COLUMN_TEXT }, { 1043, COLUMN_TEXT },   { 114, COLUMN_JSON },
                  { 3802, COLUMN_JSON } };
    const char *type = PQgetvalue(r, row, 1);
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (pg_int(r, row, 3) == kinds[i].oid)
            return kinds[i].kind;
    bool is_plain = type[0] == 'b' || type[0] == 'e'; /* a base type or an enum */
    return is_plain && type[1] != 'A' ? COLUMN_CAST : 0;
}

/* The values, and where they come from; -1 when a column cannot come as an array. */
static int add_source(struct strbuf *sql, struct pg_shape *shape, wf_str columns, wf_str unique,
                      const PGresult *r)
{
    struct strbuf arrays;
    strbuf_init(&arrays, 1 << 20);
    wf_str name;
    int rc = 0;
    for (size_t at = 0; rc == 0 && store_next_column(columns, &at, &name); shape->n++) {
        int row = shape->n < PG_PARAMS_MAX ? find_column(r, name) : -1;
        enum column_kind kind = row < 0 ? 0 : kind_of(r, row);
        if (!kind) {
            rc = -1;
            break;
        }
        const char *comma = shape->n ? ", " : "";
        shape->kinds[shape->n] = (uint8_t)kind;
        strbuf_addf(sql, "%s\"%.*s\"", comma, STR_ARG(name));
        if (kind == COLUMN_CAST || kind == COLUMN_JSON)
            strbuf_addf(sql, "::%s", PQgetvalue(r, row, 2));
        strbuf_addf(&arrays, "%s$%u::%s[]", comma, shape->n + 1,
                    kind == COLUMN_INT ? "int8" : "text");
    }
    if (rc == 0) {
        bool numbered = pg_rows_numbered(unique);
        strbuf_addf(sql, " FROM unnest(%s)%s AS u(", arrays.ptr,
                    numbered ? " WITH ORDINALITY" : "");
        pg_rows_names(sql, columns, "");
        strbuf_adds(sql, numbered ? ", \"" PG_ROWS_NUMBER "\")" : ")");
    }
    strbuf_fini(&arrays);
    return rc;
}

/* The statement with what `unique` asks for; NULL when a column cannot come as an array. */
static char *statement(struct pg_shape *shape, wf_str key, wf_str unique, const PGresult *r)
{
    wf_str table, ignored, columns;
    struct strbuf sql;
    char *text = NULL;
    pg_rows_split(key, &table, &ignored, &columns);
    shape->n = 0;
    strbuf_init(&sql, 1 << 20);
    strbuf_adds(&sql, "INSERT INTO ");
    pg_rows_quote_table(&sql, key);
    strbuf_adds(&sql, " AS r (");
    pg_rows_names(&sql, columns, "");
    strbuf_adds(&sql, ") ");
    pg_rows_select(&sql, unique);
    if (add_source(&sql, shape, columns, unique, r) == 0) {
        pg_rows_conflict(&sql, unique);
        text = xstrdup(sql.ptr);
    }
    strbuf_fini(&sql);
    return text;
}

void pg_shape_take(struct pg_session *ps, const struct pg_group *group, const PGresult *r)
{
    if (!PQntuples(r) || pg_shape_find(ps, group))
        return; /* no such table: it may come */
    struct pg_shape *shape = xcalloc(1, sizeof *shape);
    wf_str table, unique, columns;
    pg_rows_split(group->key, &table, &unique, &columns);
    shape->sql = statement(shape, group->key, unique, r);
    if (shape->sql && unique.len)
        shape->bare = statement(shape, group->key, (wf_str){ "", 0 }, r);
    map_put_copy(&ps->shapes, group->key.ptr, group->key.len, shape);
}

/* --- sending ---------------------------------------------------------------------------------- */

/* NULL stays NULL in both. */
static wf_str text_of(struct arena *a, enum column_kind kind, const struct json *v)
{
    if (v->type == JSON_NULL)
        return (wf_str){ NULL, 0 };
    if (v->type == JSON_STRING && kind != COLUMN_JSON)
        return (wf_str){ v->s ? v->s : "", v->len };
    return json_text(a, v);
}

static bool put_texts(struct arena *a, enum column_kind kind, const struct pg_rows *rows,
                      const struct pg_group *group, unsigned column, struct pg_params *p)
{
    wf_str *texts = arena_alloc(a, group->n * sizeof *texts);
    size_t bytes = 0;
    for (uint32_t i = 0; i < group->n; i++) {
        texts[i] = text_of(a, kind, &rows->values[group->rows[i]].members[column].value);
        bytes += texts[i].len;
    }
    struct pg_array to = pg_array(a, PG_TEXT, group->n, bytes);
    for (uint32_t i = 0; i < group->n; i++)
        texts[i].ptr ? pg_add_text(&to, texts[i]) : pg_add_null(&to);
    pg_put_array(p, &to);
    return true;
}

static bool put_ints(struct arena *a, const struct pg_rows *rows, const struct pg_group *group,
                     unsigned column, struct pg_params *p)
{
    struct pg_array to = pg_array(a, PG_INT8, group->n, (size_t)group->n * 8);
    for (uint32_t i = 0; i < group->n; i++) {
        const struct json *v = &rows->values[group->rows[i]].members[column].value;
        if (v->type == JSON_INT)
            pg_add_i64(&to, (uint64_t)v->i);
        else if (v->type == JSON_NULL)
            pg_add_null(&to);
        else
            return false;
    }
    pg_put_array(p, &to);
    return true;
}

bool pg_shape_doubt(struct pg_session *ps, const struct pg_group *group)
{
    struct pg_shape *shape = pg_shape_find(ps, group);
    if (!shape || !group->by_columns || group->by_columns != shape->bare)
        return false;
    shape->doubt = DOUBT_TURNS;
    return true;
}

static const char *statement_now(struct pg_shape *shape)
{
    if (!shape->bare || !shape->doubt)
        return shape->bare ? shape->bare : shape->sql;
    shape->doubt--;
    return shape->sql;
}

const char *pg_shape_params(struct pg_shape *shape, struct arena *a, const struct pg_rows *rows,
                            const struct pg_group *group, struct pg_params *p)
{
    if (!shape->sql)
        return NULL;
    for (unsigned i = 0; i < shape->n; i++) {
        enum column_kind kind = shape->kinds[i];
        if (!(kind == COLUMN_INT ? put_ints(a, rows, group, i, p)
                                 : put_texts(a, kind, rows, group, i, p)))
            return NULL;
    }
    return statement_now(shape);
}
