/* SPDX-License-Identifier: Apache-2.0
 * Rows of plugins in SQLite: one INSERT per row, prepared once per table and set of columns. A
 * statement that fails undoes itself only, so all bad rows of a turn are found in one go. Thread:
 * the store thread.
 */
#include "store/sqlite_int.h"
#include <stdio.h>

enum { PREPARED_MAX = 256, COLUMNS_MAX = 500 };

/* Foreign keys that are checked at the end of the transaction would hit all turns of the group:
 * they are counted here after each row. */
int sqlite_open_keys(struct sqlite_worker *w)
{
    int now = 0, highest;
    sqlite3_db_status(w->db, SQLITE_DBSTATUS_DEFERRED_FKS, &now, &highest, 0);
    return now;
}

static void add_name(struct strbuf *sql, wf_str name, const char *before)
{
    strbuf_addf(sql, "%s\"%.*s\"", before, STR_ARG(name));
}

/* False when one of the names is none. */
static bool add_list(struct strbuf *sql, wf_str names, const char *before)
{
    wf_str name;
    bool is_first = true;
    for (size_t at = 0; store_next_column(names, &at, &name); is_first = false) {
        if (!store_name_ok(name))
            return false;
        strbuf_addf(sql, "%s%s\"%.*s\"", is_first ? "" : ", ", before, STR_ARG(name));
    }
    return true;
}

static void refuse(sqlite3_context *call, int n, sqlite3_value **args)
{
    (void)n;
    sqlite3_result_error(call, (const char *)sqlite3_value_text(args[1]), -1);
    sqlite3_result_error_code(call, SQLITE_CONSTRAINT);
}

int sqlite_rows_init(sqlite3 *db)
{
    return sqlite3_create_function(db, "catalyst_refuse", 2, SQLITE_UTF8, NULL, refuse, NULL, NULL);
}

/* What a row does that meets one with its key; NULL, or why it is bad. */
static const char *add_conflict(struct strbuf *sql, wf_str unique)
{
    static const char *const no_name = "a column in `unique` is no name";
    wf_str keys, same, first;
    size_t at = 0;
    store_unique_split(unique, &keys, &same);
    if (!keys.len)
        return NULL;
    strbuf_adds(sql, " ON CONFLICT (");
    if (!add_list(sql, keys, ""))
        return no_name;
    if (!store_next_column(same, &at, &first)) {
        strbuf_adds(sql, ") DO NOTHING");
        return NULL;
    }
    add_name(sql, first, ") DO UPDATE SET ");
    strbuf_adds(sql,
                " = catalyst_refuse(NULL, 'a row with the same key is there, with other values in "
                "`unique`') WHERE (");
    if (!add_list(sql, same, ""))
        return no_name;
    strbuf_adds(sql, ") IS NOT (");
    add_list(sql, same, "excluded.");
    strbuf_adds(sql, ")");
    return NULL;
}

/* NULL, or why the row is bad. */
static const char *insert_sql(const struct store_row *row, const struct json *value,
                              struct strbuf *sql)
{
    wf_str column;
    if (!store_table_ok(row->table) || memchr(row->table.ptr, '.', row->table.len))
        return "this is no name of a table that plugins may write to";
    strbuf_adds(sql, "INSERT INTO ");
    add_name(sql, row->table, "");
    for (uint32_t i = 0; i < value->len; i++) {
        column = json_str(&value->members[i].key);
        if (!store_name_ok(column))
            return "a column's name is not made of letters, digits and _";
        add_name(sql, column, i ? ", " : " (");
    }
    strbuf_adds(sql, ") VALUES (?");
    for (uint32_t i = 1; i < value->len; i++)
        strbuf_adds(sql, ", ?");
    strbuf_addc(sql, ')');
    return add_conflict(sql, row->unique);
}

static void bind_value(struct arena *a, sqlite3_stmt *q, int i, const struct json *v)
{
    switch (v->type) {
    case JSON_NULL:
        sqlite3_bind_null(q, i);
        break;
    case JSON_FALSE:
    case JSON_TRUE:
        sq_bind_int(q, i, v->type == JSON_TRUE);
        break;
    case JSON_INT:
        sq_bind_int(q, i, v->i);
        break;
    case JSON_STRING:
        sq_bind_str(q, i, json_str(v));
        break;
    default: /* other numbers as their text, which the column's affinity takes; the rest as JSON */
        sq_bind_str(q, i, json_text(a, v));
        break;
    }
}

sqlite3_stmt *sqlite_statement(struct sqlite_worker *w, wf_str sql, int *rc)
{
    sqlite3_stmt *q = map_get(&w->rows, sql.ptr, sql.len);
    if (q)
        return q;
    *rc = sqlite3_prepare_v2(w->db, sql.ptr, (int)sql.len, &q, NULL);
    if (*rc == SQLITE_OK && q && w->rows.used >= PREPARED_MAX) {
        struct map_slot *slot;
        for (size_t at = 0; map_each(&w->rows, &at, &slot);)
            sqlite3_finalize(slot->value);
        map_fini(&w->rows);
        map_init(&w->rows);
    }
    if (*rc == SQLITE_OK && q)
        map_put_copy(&w->rows, sql.ptr, sql.len, q);
    return q;
}

/* SQLITE_OK, or the trouble; *why when the row is bad. */
static int insert(struct sqlite_worker *w, const struct store_row *row, struct strbuf *sql,
                  const char **why)
{
    struct json value;
    struct json_error error;
    int rc = SQLITE_OK;
    if (json_parse(&w->scratch, row->row.ptr, row->row.len, 0, &value, &error) != 0)
        *why = error.reason;
    else if (value.type != JSON_OBJECT || !value.len || value.len > COLUMNS_MAX)
        *why = "the row is not a JSON object with columns";
    else
        *why = insert_sql(row, &value, sql);
    sqlite3_stmt *q = *why ? NULL : sqlite_statement(w, strbuf_str(sql), &rc);
    if (!q)
        return rc;
    for (uint32_t i = 0; i < value.len; i++)
        bind_value(&w->scratch, q, (int)i + 1, &value.members[i].value);
    rc = sqlite3_step(q);
    if (rc == SQLITE_DONE)
        rc = SQLITE_OK;
    else
        *why = arena_strdup(&w->scratch, sqlite3_errmsg(w->db));
    sqlite3_reset(q);
    return rc;
}

int sqlite_rows(struct sqlite_worker *w, struct job *job,
                bool (*wants)(void *ctx, const struct store_row *row), void *ctx)
{
    const struct store_turn *turn = job->turn;
    bool *opens =
        ARENA_ARRAY(&job->arena, bool, turn->n_rows); /* leaves a foreign key to be checked later */
    int rc = SQLITE_OK;
    struct strbuf sql;
    strbuf_init(&sql, 1 << 20);
    for (uint32_t i = 0; i < turn->n_rows; i++) {
        const char *why = NULL;
        int before = sqlite_open_keys(w);
        if (wants && !wants(ctx, &turn->rows[i]))
            continue;
        strbuf_clear(&sql);
        arena_clear(&w->scratch);
        rc = insert(w, &turn->rows[i], &sql, &why);
        if (rc != SQLITE_OK && sq_is_weather(rc))
            break;
        if (rc != SQLITE_OK && !why)
            why = sqlite3_errmsg(w->db);
        if (why)
            job_bad_row(job, i, why);
        rc = SQLITE_OK;
        opens[i] = sqlite_open_keys(w) > before;
    }
    strbuf_fini(&sql);
    bool is_open = rc == SQLITE_OK && sqlite_open_keys(w) > 0;
    for (uint32_t i = 0; is_open && !job->result.n_bad && i < turn->n_rows; i++)
        if (opens[i])
            job_bad_row(job, i, "FOREIGN KEY constraint failed");
    return rc;
}
