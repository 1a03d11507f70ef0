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

static const char *add_unique(struct strbuf *key, wf_str unique)
{
    wf_str column;
    bool is_first = true;
    for (size_t at = 0; store_next_column(unique, &at, &column); is_first = false) {
        if (!store_name_ok(column))
            return "a column in `unique` is no name";
        strbuf_addf(key, "%s%.*s", is_first ? "" : ",", STR_ARG(column));
    }
    return NULL;
}

/* Appends table, unique and columns; rows with the same key go together. NULL, or why the row is
 * bad. */
static const char *row_key(struct arena *a, const struct store_row *row, struct strbuf *key)
{
    struct json value;
    struct json_error error;
    if (!store_table_ok(row->table))
        return "this is no name of a table that plugins may write to";
    if (json_parse(a, row->row.ptr, row->row.len, 0, &value, &error) != 0)
        return error.reason;
    if (value.type != JSON_OBJECT || !value.len)
        return "the row is not a JSON object with columns";
    if (has_nul(row->row))
        return "the row holds a NUL character, which PostgreSQL cannot keep";
    strbuf_add(key, row->table.ptr, row->table.len);
    strbuf_addc(key, '|');
    const char *why = add_unique(key, row->unique);
    for (uint32_t i = 0; i < value.len && !why; i++) {
        wf_str column = json_str(&value.members[i].key);
        strbuf_addc(key, i ? ',' : '|');
        strbuf_add(key, column.ptr, column.len);
        if (!store_name_ok(column))
            why = "a column's name is not made of letters, digits and _";
    }
    return key->failed ? "the row has too many columns" : why;
}

static void add_names(struct strbuf *sql, wf_str names)
{
    wf_str name;
    bool is_first = true;
    for (size_t at = 0; store_next_column(names, &at, &name); is_first = false)
        strbuf_addf(sql, "%s\"%.*s\"", is_first ? "" : ", ", STR_ARG(name));
}

/* From "table|unique|columns". */
static const char *insert_sql(struct arena *a, wf_str key)
{
    const char *bar = memchr(key.ptr, '|', key.len), *end = key.ptr + key.len;
    const char *second = memchr(bar + 1, '|', (size_t)(end - bar - 1));
    wf_str table = { key.ptr, (size_t)(bar - key.ptr) },
           unique = { bar + 1, (size_t)(second - bar - 1) };
    wf_str columns = { second + 1, (size_t)(end - second - 1) };
    struct strbuf quoted, sql;
    strbuf_init(&quoted, 1 << 20);
    strbuf_init(&sql, 1 << 20);
    const char *dot = memchr(table.ptr, '.', table.len);
    if (dot)
        strbuf_addf(&quoted, "\"%.*s\".\"%.*s\"", (int)(dot - table.ptr), table.ptr,
                    (int)(table.len - (size_t)(dot + 1 - table.ptr)), dot + 1);
    else
        strbuf_addf(&quoted, "\"%.*s\"", STR_ARG(table));
    strbuf_addf(&sql, "INSERT INTO %s (", quoted.ptr);
    add_names(&sql, columns);
    strbuf_adds(&sql, ") SELECT ");
    add_names(&sql, columns);
    strbuf_addf(&sql, " FROM jsonb_populate_recordset(NULL::%s, $1::jsonb)", quoted.ptr);
    if (unique.len) {
        strbuf_adds(&sql, " ON CONFLICT (");
        add_names(&sql, unique);
        strbuf_adds(&sql, ") DO NOTHING");
    }
    const char *text = arena_strdup(a, sql.ptr);
    strbuf_fini(&quoted);
    strbuf_fini(&sql);
    return text;
}

/* The JSON array of each group, in the order of the turn. */
static void fill_groups(struct arena *a, const struct store_turn *turn, const uint32_t *group_of,
                        struct pg_rows *out)
{
    for (uint32_t g = 0; g < out->n_groups; g++) {
        struct pg_group *group = &out->groups[g];
        uint32_t *rows = ARENA_ARRAY(a, uint32_t, group->n);
        char *text = arena_alloc(a, group->entries.len + group->n + 3), *to = text;
        *to++ = '[';
        for (uint32_t i = 0, n = 0; n < group->n; i++) {
            if (group_of[i] != g)
                continue;
            if (n)
                *to++ = ',';
            memcpy(to, turn->rows[i].row.ptr, turn->rows[i].row.len);
            to += turn->rows[i].row.len;
            rows[n++] = i;
        }
        *to++ = ']';
        *to = 0;
        group->rows = rows;
        group->entries = (wf_str){ text, (size_t)(to - text) };
    }
}

void pg_rows_group(struct arena *a, const struct store_turn *turn, struct pg_rows *out)
{
    uint32_t n = turn->n_rows;
    *out = (struct pg_rows){ 0 };
    if (!n)
        return;
    out->bad = arena_alloc(a, n * sizeof *out->bad);
    out->groups = arena_alloc(a, n * sizeof *out->groups);
    uint32_t *group_of = arena_alloc(a, n * sizeof *group_of);
    struct map seen;
    struct strbuf key;
    struct arena scratch;
    map_init(&seen);
    strbuf_init(&key, 1 << 16);
    arena_init(&scratch, NULL, 0);
    for (uint32_t i = 0; i < n; i++) {
        strbuf_clear(&key);
        const char *why = row_key(&scratch, &turn->rows[i], &key);
        arena_clear(&scratch);
        group_of[i] = UINT32_MAX;
        if (why) {
            pg_rows_bad(out, i, why);
            continue;
        }
        struct pg_group *group = map_get(&seen, key.ptr, key.len);
        if (!group) {
            group = &out->groups[out->n_groups++];
            *group = (struct pg_group){ .sql = insert_sql(a, strbuf_str(&key)) };
            map_put_copy(&seen, key.ptr, key.len, group);
        }
        group_of[i] = (uint32_t)(group - out->groups);
        group->n++;
        group->entries.len += turn->rows[i].row.len;
    }
    if (!out->n_bad)
        fill_groups(a, turn, group_of, out);
    arena_fini(&scratch);
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

static int send_prepared(struct pg_session *ps, const char *name, const struct pg_group *group,
                         unsigned tag)
{
    struct pg_params p = { .n = 0 };
    pg_put_bytes(&p, group->entries);
    p.formats[0] = 0;
    return pg_send(ps, tag, name, &p);
}

int pg_rows_send(struct pg_session *ps, const struct pg_group *group, unsigned tag_prepare,
                 unsigned tag)
{
    char name[24];
    statement_name(name, group->sql);
    size_t sql_len = strlen(group->sql);
    if (!map_get(&ps->prepared, group->sql, sql_len)) {
        if (ps->prepared.used >= PREPARED_MAX) {
            const char *value = group->entries.ptr;
            if (!PQsendQueryParams(ps->conn, group->sql, 1, NULL, &value, NULL, NULL, 1))
                return -1;
            pg_expect(ps, tag);
            return 0;
        }
        if (!PQsendPrepare(ps->conn, name, group->sql, 0, NULL))
            return -1;
        pg_expect(ps, tag_prepare);
    }
    return send_prepared(ps, name, group, tag);
}

void pg_rows_prepared(struct pg_session *ps, const struct pg_group *group)
{
    map_put_copy(&ps->prepared, group->sql, strlen(group->sql), ps);
}

int pg_rows_diagnose(struct pg_session *ps, const struct pg_group *group, unsigned tag)
{
    const char *values[] = { group->sql, group->entries.ptr };
    if (!PQsendQueryParams(ps->conn,
                           "SELECT entry, reason FROM catalyst_bad_rows($1::text, $2::jsonb)", 2,
                           NULL, values, NULL, NULL, 0))
        return -1;
    pg_expect(ps, tag);
    return 0;
}
