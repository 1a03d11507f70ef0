/* SPDX-License-Identifier: Apache-2.0
 * Rows that plugins want in the turn's transaction.
 *
 * Rows with the same table, the same `unique` and the same columns are one statement over a JSON
 * array:
 *
 *   INSERT INTO "charge" ("id", "amount")
 *   SELECT "id", "amount" FROM jsonb_populate_recordset(NULL::"charge", $1)
 *   ON CONFLICT ("id") DO NOTHING
 *
 * Columns are named, so that those a row does not have get their defaults, and one that the table
 * does not have is an error instead of nothing. Names are checked and quoted, values travel as a
 * parameter.
 *
 * That is what a table is met with. Once its columns' types are known the values travel as arrays,
 * one for each column, which costs the database half (pg_shape.c).
 *
 * With "id;amount" as `unique`, a row that is there with another amount makes the new one bad:
 *
 *   SELECT DISTINCT ON ("id", "amount") .. ORDER BY "id", "amount", "@" ON CONFLICT ("id")
 *   DO UPDATE SET "amount" = catalyst_refuse(excluded."amount", ..)
 *   WHERE (r."amount") IS DISTINCT FROM (excluded."amount")
 *
 * The database's refusal hits the whole transaction; catalyst_bad_rows then finds the guilty rows.
 * Thread: the loop's; nothing blocks.
 */
#include "store/pg_int.h"
#include <stdio.h>
#include <stdlib.h>

enum { PREPARED_MAX = 256 };

/* --- grouping --------------------------------------------------------------------------------- */

/* PostgreSQL keeps no NUL in text. In JSON it is \u0000 behind an even number of backslashes. */
static bool has_nul(wf_str text)
{
    const char *at = text.ptr, *end = text.ptr + text.len;
    while ((at = memmem(at, (size_t)(end - at), "\\u0000", 6))) {
        size_t before = 0;
        while (at - before > text.ptr && at[-1 - (ptrdiff_t)before] == '\\')
            before++;
        if (before % 2 == 0)
            return true;
        at += 6;
    }
    return false;
}

static const char *add_list(struct strbuf *key, wf_str columns)
{
    wf_str column;
    bool is_first = true;
    for (size_t at = 0; store_next_column(columns, &at, &column); is_first = false) {
        if (!store_name_ok(column))
            return "a column in `unique` is no name";
        strbuf_addf(key, "%s%.*s", is_first ? "" : ",", STR_ARG(column));
    }
    return NULL;
}

static const char *add_unique(struct strbuf *key, wf_str unique)
{
    wf_str keys, same;
    store_unique_split(unique, &keys, &same);
    const char *why = add_list(key, keys);
    if (why || !same.len)
        return why;
    strbuf_addc(key, ';');
    return add_list(key, same);
}

/* NULL, or why no statement could take the row. */
static const char *parse_row(struct arena *a, const struct store_row *row, struct json *value)
{
    struct json_error error;
    if (!store_table_ok(row->table))
        return "this is no name of a table that plugins may write to";
    if (json_parse(a, row->row.ptr, row->row.len, 0, value, &error) != 0)
        return error.reason;
    if (value->type != JSON_OBJECT || !value->len)
        return "the row is not a JSON object with columns";
    if (has_nul(row->row))
        return "the row holds a NUL character, which PostgreSQL cannot keep";
    return NULL;
}

/* Appends table, unique and columns; rows with the same key go together. NULL, or why the row is
 * bad. */
static const char *row_key(const struct store_row *row, const struct json *value,
                           struct strbuf *key)
{
    strbuf_add(key, row->table.ptr, row->table.len);
    strbuf_addc(key, '|');
    const char *why = add_unique(key, row->unique);
    for (uint32_t i = 0; i < value->len && !why; i++) {
        wf_str column = json_str(&value->members[i].key);
        strbuf_addc(key, i ? ',' : '|');
        strbuf_add(key, column.ptr, column.len);
        if (!store_name_ok(column))
            why = "a column's name is not made of letters, digits and _";
    }
    return key->failed ? "the row has too many columns" : why;
}

void pg_rows_names(struct strbuf *sql, wf_str names, const char *before)
{
    wf_str name;
    bool is_first = true;
    for (size_t at = 0; store_next_column(names, &at, &name); is_first = false)
        strbuf_addf(sql, "%s%s\"%.*s\"", is_first ? "" : ", ", before, STR_ARG(name));
}

void pg_rows_select(struct strbuf *sql, wf_str unique)
{
    wf_str keys, same;
    store_unique_split(unique, &keys, &same);
    strbuf_adds(sql, "SELECT ");
    if (!same.len)
        return;
    /* Else the second of two rows that are the same would meet the first in one statement, which
     * PostgreSQL refuses. */
    strbuf_adds(sql, "DISTINCT ON (");
    pg_rows_names(sql, keys, "");
    strbuf_adds(sql, ", ");
    pg_rows_names(sql, same, "");
    strbuf_adds(sql, ") ");
}

bool pg_rows_numbered(wf_str unique)
{
    wf_str keys, same;
    store_unique_split(unique, &keys, &same);
    return same.len != 0;
}

/* Of rows that are the same the first is taken, as it would be one by one. */
static void add_order(struct strbuf *sql, wf_str unique)
{
    wf_str keys, same;
    store_unique_split(unique, &keys, &same);
    strbuf_adds(sql, " ORDER BY ");
    pg_rows_names(sql, keys, "");
    strbuf_adds(sql, ", ");
    pg_rows_names(sql, same, "");
    strbuf_adds(sql, ", \"" PG_ROWS_NUMBER "\"");
}

void pg_rows_conflict(struct strbuf *sql, wf_str unique)
{
    wf_str keys, same, first;
    size_t at = 0;
    store_unique_split(unique, &keys, &same);
    if (!keys.len)
        return;
    if (same.len)
        add_order(sql, unique);
    strbuf_adds(sql, " ON CONFLICT (");
    pg_rows_names(sql, keys, "");
    if (!store_next_column(same, &at, &first)) {
        strbuf_adds(sql, ") DO NOTHING");
        return;
    }
    strbuf_addf(sql,
                ") DO UPDATE SET \"%.*s\" = catalyst_refuse(excluded.\"%.*s\", 'a row with the "
                "same %.*s is there, with another %.*s') WHERE (",
                STR_ARG(first), STR_ARG(first), STR_ARG(keys), STR_ARG(same));
    pg_rows_names(sql, same, "r.");
    strbuf_adds(sql, ") IS DISTINCT FROM (");
    pg_rows_names(sql, same, "excluded.");
    strbuf_adds(sql, ")");
}

void pg_rows_split(wf_str key, wf_str *table, wf_str *unique, wf_str *columns)
{
    const char *bar = memchr(key.ptr, '|', key.len), *end = key.ptr + key.len;
    const char *second = memchr(bar + 1, '|', (size_t)(end - bar - 1));
    *table = (wf_str){ key.ptr, (size_t)(bar - key.ptr) };
    *unique = (wf_str){ bar + 1, (size_t)(second - bar - 1) };
    *columns = (wf_str){ second + 1, (size_t)(end - second - 1) };
}

void pg_rows_quote_table(struct strbuf *to, wf_str key)
{
    wf_str table, unique, columns;
    pg_rows_split(key, &table, &unique, &columns);
    const char *dot = memchr(table.ptr, '.', table.len);
    if (dot)
        strbuf_addf(to, "\"%.*s\".\"%.*s\"", (int)(dot - table.ptr), table.ptr,
                    (int)(table.len - (size_t)(dot + 1 - table.ptr)), dot + 1);
    else
        strbuf_addf(to, "\"%.*s\"", STR_ARG(table));
}

static const char *insert_sql(struct arena *a, wf_str key)
{
    wf_str table, unique, columns;
    struct strbuf quoted, sql;
    pg_rows_split(key, &table, &unique, &columns);
    strbuf_init(&quoted, 1 << 20);
    strbuf_init(&sql, 1 << 20);
    pg_rows_quote_table(&quoted, key);
    strbuf_addf(&sql, "INSERT INTO %s AS r (", quoted.ptr);
    pg_rows_names(&sql, columns, "");
    strbuf_adds(&sql, ") ");
    pg_rows_select(&sql, unique);
    pg_rows_names(&sql, columns, "");
    strbuf_addf(&sql,
                pg_rows_numbered(unique)
                    ? " FROM (SELECT v.*, row_number() OVER () AS \"" PG_ROWS_NUMBER
                      "\" FROM jsonb_populate_recordset(NULL::%s, $1::jsonb) v) u"
                    : " FROM jsonb_populate_recordset(NULL::%s, $1::jsonb)",
                quoted.ptr);
    pg_rows_conflict(&sql, unique);
    const char *text = arena_strdup(a, sql.ptr);
    strbuf_fini(&quoted);
    strbuf_fini(&sql);
    return text;
}

/* The group's rows as a JSON array, in the order of the turn. */
static const char *entries(struct arena *a, const struct store_turn *turn,
                           const struct pg_group *group, size_t *len)
{
    char *text = arena_alloc(a, group->bytes + group->n + 3), *to = text;
    *to++ = '[';
    for (uint32_t i = 0; i < group->n; i++) {
        const struct store_row *row = &turn->rows[group->rows[i]];
        if (i)
            *to++ = ',';
        memcpy(to, row->row.ptr, row->row.len);
        to += row->row.len;
    }
    *to++ = ']';
    *to = 0;
    *len = (size_t)(to - text);
    return text;
}

static void fill_groups(struct arena *a, uint32_t n, const uint32_t *group_of, struct pg_rows *out)
{
    uint32_t **at = ARENA_ARRAY(a, uint32_t *, out->n_groups);
    for (uint32_t g = 0; g < out->n_groups; g++)
        out->groups[g].rows = at[g] = ARENA_ARRAY(a, uint32_t, out->groups[g].n);
    for (uint32_t i = 0; i < n; i++)
        *at[group_of[i]]++ = i;
}

/* Most rows look like the one before: no key has to be written for them. */
static bool is_alike(const struct store_row *x, const struct json *xv, const struct store_row *y,
                     const struct json *yv)
{
    if (!str_eq(x->table, y->table) || !str_eq(x->unique, y->unique) || xv->len != yv->len)
        return false;
    for (uint32_t i = 0; i < xv->len; i++)
        if (!str_eq(json_str(&xv->members[i].key), json_str(&yv->members[i].key)))
            return false;
    return true;
}

/* The group of rows like this one; NULL: *why it is bad. */
static struct pg_group *find_group(struct arena *a, struct map *seen, struct strbuf *key,
                                   struct pg_rows *out, const struct store_row *row,
                                   const struct json *value, const char **why)
{
    strbuf_clear(key);
    *why = row_key(row, value, key);
    if (*why)
        return NULL;
    struct pg_group *group = map_get(seen, key->ptr, key->len);
    if (group)
        return group;
    group = &out->groups[out->n_groups++];
    *group = (struct pg_group){ .key = arena_str(a, key->ptr, key->len),
                                .sql = insert_sql(a, strbuf_str(key)),
                                .sample = value };
    map_put(seen, group->key.ptr, group->key.len, group);
    return group;
}

void pg_rows_group(struct arena *a, const struct store_turn *turn, struct pg_rows *out)
{
    uint32_t n = turn->n_rows;
    *out = (struct pg_rows){ 0 };
    if (!n)
        return;
    out->bad = arena_alloc(a, n * sizeof *out->bad);
    out->groups = arena_alloc(a, n * sizeof *out->groups);
    struct json *values = arena_alloc(a, n * sizeof *values);
    uint32_t *group_of = arena_alloc(a, n * sizeof *group_of);
    struct map seen;
    struct strbuf key;
    struct pg_group *group = NULL;
    uint32_t last = 0;
    map_init(&seen);
    strbuf_init(&key, 1 << 16);
    for (uint32_t i = 0; i < n; i++) {
        const struct store_row *row = &turn->rows[i];
        const char *why = parse_row(a, row, &values[i]);
        if (!why && !(group && is_alike(row, &values[i], &turn->rows[last], &values[last])))
            group = find_group(a, &seen, &key, out, row, &values[i], &why);
        if (why) {
            pg_rows_bad(out, i, why);
            group = NULL;
            continue;
        }
        last = i;
        group_of[i] = (uint32_t)(group - out->groups);
        group->n++;
        group->bytes += row->row.len;
    }
    out->values = values;
    if (!out->n_bad)
        fill_groups(a, n, group_of, out);
    strbuf_fini(&key);
    map_fini(&seen);
}

/* --- bad rows --------------------------------------------------------------------------------- */

void pg_rows_bad(struct pg_rows *rows, uint32_t row, const char *reason)
{
    rows->bad[rows->n_bad++] = (struct store_bad_row){ row, reason };
}

static int by_row(const void *a, const void *b)
{
    const struct store_bad_row *x = a, *y = b;
    return x->row < y->row ? -1 : x->row > y->row;
}

void pg_rows_sort(struct pg_rows *rows)
{
    if (rows->n_bad)
        qsort(rows->bad, rows->n_bad, sizeof *rows->bad, by_row);
}

/* --- sending ---------------------------------------------------------------------------------- */

/* A name by content needs no counter, and a statement that was prepared though nobody heard of it
 * does not get in the way: the connection is new then. */
static void statement_name(char name[24], const char *sql)
{
    snprintf(name, 24, "r%016llx", (unsigned long long)map_hash(sql, strlen(sql)));
}

/* By its name, which is made first where this connection does not know it; with many statements
 * already known, as it is. */
static int send_statement(struct pg_session *ps, const char *sql, const struct pg_params *p,
                          unsigned first_tag)
{
    char name[24];
    statement_name(name, sql);
    if (!map_get(&ps->prepared, sql, strlen(sql))) {
        if (ps->prepared.used >= PREPARED_MAX) {
            if (!PQsendQueryParams(ps->conn, sql, p->n, NULL, p->values, p->lengths, p->formats, 1))
                return -1;
            pg_expect(ps, first_tag + PG_ROWS_WRITTEN);
            return 0;
        }
        if (!PQsendPrepare(ps->conn, name, sql, 0, NULL))
            return -1;
        pg_expect(ps, first_tag + PG_ROWS_PREPARED);
    }
    return pg_send(ps, first_tag + PG_ROWS_WRITTEN, name, p);
}

int pg_rows_send(struct pg_session *ps, struct arena *a, const struct store_turn *turn,
                 const struct pg_rows *rows, struct pg_group *group, unsigned first_tag)
{
    struct pg_params p = { .n = 0 };
    struct pg_shape *shape = pg_shape_find(ps, group);
    group->by_columns = NULL;
    if (shape && !rows->as_json)
        group->by_columns = pg_shape_params(shape, a, rows, group, &p);
    if (group->by_columns)
        return send_statement(ps, group->by_columns, &p, first_tag);
    wf_str json;
    json.ptr = entries(a, turn, group, &json.len);
    p.n = 0;
    pg_put_bytes(&p, json);
    p.formats[0] = 0;
    if (send_statement(ps, group->sql, &p, first_tag) != 0)
        return -1;
    return shape ? 0 : pg_shape_ask(ps, group, first_tag + PG_ROWS_SHAPE);
}

void pg_rows_prepared(struct pg_session *ps, const struct pg_group *group)
{
    const char *sql = group->by_columns ? group->by_columns : group->sql;
    map_put_copy(&ps->prepared, sql, strlen(sql), ps);
}

int pg_rows_diagnose(struct pg_session *ps, struct arena *a, const struct store_turn *turn,
                     const struct pg_group *group, unsigned tag)
{
    size_t len;
    const char *values[] = { group->sql, entries(a, turn, group, &len) };
    if (!PQsendQueryParams(ps->conn,
                           "SELECT entry, reason FROM catalyst_bad_rows($1::text, $2::jsonb)", 2,
                           NULL, values, NULL, NULL, 0))
        return -1;
    pg_expect(ps, tag);
    return 0;
}
