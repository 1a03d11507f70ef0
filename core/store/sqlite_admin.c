/* SPDX-License-Identifier: Apache-2.0
 * Workflows, sources, instances, credentials and housekeeping in SQLite. Lists are copied under the
 * lock and told after it, so that a callback may call the store. Thread: any; blocks.
 */
#include "store/sqlite_int.h"
#include "base/clock.h"
#include <stdlib.h>

static sqlite3 *lock(struct store *s)
{
    pthread_mutex_lock(&sqlite_of(s)->admin_lock);
    return sqlite_of(s)->admin;
}

static void unlock(struct store *s) { pthread_mutex_unlock(&sqlite_of(s)->admin_lock); }

static wf_str copy_str(struct arena *a, wf_str s)
{
    return arena_str(a, s.ptr ? s.ptr : "", s.len);
}

/* Room for one more entry of an array in an arena. */
static void *grow(struct arena *a, void *array, size_t n, size_t bytes)
{
    if (n & (n - 1))
        return array;
    void *to = arena_alloc(a, (n ? 2 * n : 1) * bytes);
    if (n)
        memcpy(to, array, n * bytes);
    return to;
}

/* Writers of other processes are waited for here, not in the middle. */
static int begin(sqlite3 *db, struct err *err)
{
    return sq_exec(db, "BEGIN IMMEDIATE", "begin", err);
}

static int end(sqlite3 *db, int rc, struct err *err)
{
    if (rc == 0 && sq_exec(db, "COMMIT", "commit", err) == 0)
        return 0;
    (void)sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
    return -1;
}

/* --- workflows -------------------------------------------------------------------------------- */

#define WORKFLOW_COLUMNS "v.version, w.id, w.name, v.definition, v.number, w.active, v.deployed_us"

static struct store_workflow get_workflow(struct arena *a, sqlite3_stmt *q)
{
    return (struct store_workflow){ .version = (uint64_t)sq_int(q, 0),
                                    .id = copy_str(a, sq_str(q, 1)),
                                    .name = copy_str(a, sq_str(q, 2)),
                                    .definition = copy_str(a, sq_str(q, 3)),
                                    .number = (uint32_t)sq_int(q, 4),
                                    .active = sq_int(q, 5) != 0,
                                    .deployed_us = sq_int(q, 6) };
}

/* The number of workflows told, or -1. */
static int tell_workflows(struct store *s, const char *sql, int64_t version,
                          store_on_workflow *each, void *ctx, struct err *err)
{
    struct arena arena;
    struct store_workflow *list = NULL;
    int n = 0, rc = -1;
    arena_init(&arena, NULL, 0);
    sqlite3_stmt *q = sq_prepare(lock(s), sql, err);
    if (q)
        sq_bind_int(q, 1, version);
    while (q && (rc = sq_step(q, "read workflows", err)) == 1) {
        list = grow(&arena, list, (size_t)n, sizeof *list);
        list[n++] = get_workflow(&arena, q);
    }
    sqlite3_finalize(q);
    unlock(s);
    for (int i = 0; i < n && rc == 0; i++)
        each(ctx, &list[i]);
    arena_fini(&arena);
    return rc == 0 ? n : -1;
}

int sqlite_workflows(struct store *s, store_on_workflow *each, void *ctx, struct err *err)
{
    return tell_workflows(s,
                          "SELECT " WORKFLOW_COLUMNS " FROM workflow w JOIN workflow_version v "
                          "ON v.workflow_id = w.id AND v.number = (SELECT max(number) FROM "
                          "workflow_version WHERE workflow_id = w.id) AND ?1 = 0 ORDER BY w.id",
                          0, each, ctx, err) < 0
               ? -1
               : 0;
}

int sqlite_workflow_version(struct store *s, uint64_t version, store_on_workflow *each, void *ctx,
                            struct err *err)
{
    int n = tell_workflows(s,
                           "SELECT " WORKFLOW_COLUMNS " FROM workflow w JOIN workflow_version v "
                           "ON v.workflow_id = w.id WHERE v.version = ?1",
                           (int64_t)version, each, ctx, err);
    if (n == 0)
        return err_set(err, ERR_NOT_FOUND, "store: there is no workflow version %llu",
                       (unsigned long long)version);
    return n < 0 ? -1 : 0;
}

static int raise_revision(sqlite3 *db, struct err *err)
{
    return sq_exec(db, "UPDATE revision SET value = value + 1", "raise the revision", err);
}

/* Finds the newest version; its definition is compared by the database. 1: it has this text. */
static int newest_version(sqlite3 *db, wf_str id, wf_str definition, struct store_workflow *out,
                          struct err *err)
{
    sqlite3_stmt *q = sq_prepare(db,
                                 "SELECT version, number, deployed_us, definition = ?2 "
                                 "FROM workflow_version WHERE workflow_id = ?1 "
                                 "ORDER BY number DESC LIMIT 1",
                                 err);
    if (!q)
        return -1;
    sq_bind_str(q, 1, id);
    sq_bind_str(q, 2, definition);
    int rc = sq_step(q, "deploy", err);
    if (rc == 1) {
        out->version = (uint64_t)sq_int(q, 0);
        out->number = (uint32_t)sq_int(q, 1);
        out->deployed_us = sq_int(q, 2);
        rc = (int)sq_int(q, 3);
    }
    sqlite3_finalize(q);
    return rc;
}

static int add_version(sqlite3 *db, struct store_workflow *w, struct err *err)
{
    sqlite3_stmt *q = sq_prepare(db,
                                 "INSERT INTO workflow_version (workflow_id, number, definition, "
                                 "deployed_us) VALUES (?, ?, ?, ?)",
                                 err);
    if (!q)
        return -1;
    w->number++;
    w->deployed_us = clock_wall_us();
    sq_bind_str(q, 1, w->id);
    sq_bind_int(q, 2, w->number);
    sq_bind_str(q, 3, w->definition);
    sq_bind_int(q, 4, w->deployed_us);
    if (sq_finish(q, "deploy", NULL, err) != 0)
        return -1;
    w->version = (uint64_t)sqlite3_last_insert_rowid(db);
    return 0;
}

static int deploy(sqlite3 *db, struct store_workflow *w, struct err *err)
{
    sqlite3_stmt *q = sq_prepare(db,
                                 "INSERT INTO workflow (id, name, active) VALUES (?1, ?2, ?3) "
                                 "ON CONFLICT (id) DO UPDATE SET name = ?2, active = ?3",
                                 err);
    if (!q)
        return -1;
    sq_bind_str(q, 1, w->id);
    sq_bind_str(q, 2, w->name);
    sq_bind_int(q, 3, w->active);
    if (sq_finish(q, "deploy", NULL, err) != 0 || raise_revision(db, err) != 0)
        return -1;
    int same = newest_version(db, w->id, w->definition, w, err);
    return same ? (same > 0 ? 0 : -1) : add_version(db, w, err);
}

int sqlite_deploy(struct store *s, wf_str id, wf_str name, wf_str definition, bool active,
                  struct store_workflow *out, struct err *err)
{
    *out = (struct store_workflow){
        .id = id, .name = name, .definition = definition, .active = active
    };
    sqlite3 *db = lock(s);
    int rc = begin(db, err);
    if (rc == 0)
        rc = end(db, deploy(db, out, err), err);
    unlock(s);
    return rc;
}

/* Binds a text and perhaps a number, runs, and counts what changed. */
static int change(sqlite3 *db, const char *sql, wf_str text, int64_t number, int *changed,
                  struct err *err)
{
    sqlite3_stmt *q = sq_prepare(db, sql, err);
    if (!q)
        return -1;
    sq_bind_str(q, 1, text);
    sq_bind_int(q, 2, number);
    return sq_finish(q, "change", changed, err);
}

int sqlite_set_active(struct store *s, wf_str id, bool active, struct err *err)
{
    sqlite3 *db = lock(s);
    int changed = 0, rc = begin(db, err);
    if (rc == 0) {
        rc = change(db, "UPDATE workflow SET active = ?2 WHERE id = ?1", id, active, &changed, err);
        if (rc == 0 && changed)
            rc = raise_revision(db, err);
        rc = end(db, rc, err);
    }
    unlock(s);
    if (rc == 0 && !changed)
        return err_set(err, ERR_NOT_FOUND, "store: there is no workflow '%.*s'", STR_ARG(id));
    return rc;
}

/* --- numbers ---------------------------------------------------------------------------------- */

/* The first number of the first row into *out; 1, 0 when there is no row, -1. Finalizes. */
static int one_number(sqlite3_stmt *q, const char *what, int64_t *out, struct err *err)
{
    if (!q)
        return -1;
    int rc = sq_step(q, what, err);
    if (rc == 1) {
        *out = sq_int(q, 0);
        if (sq_step(q, what, err) < 0) /* to the end, or a change is not made */
            rc = -1;
    }
    sqlite3_finalize(q);
    return rc;
}

int sqlite_revision(struct store *s, uint64_t *revision, struct err *err)
{
    int64_t value = 0;
    int rc = one_number(sq_prepare(lock(s), "SELECT value FROM revision", err), "read the revision",
                        &value, err);
    unlock(s);
    *revision = (uint64_t)value;
    return rc < 0 ? -1 : 0;
}

int sqlite_source(struct store *s, wf_str workflow, wf_str node, wf_str kind, wf_str name,
                  uint32_t *id, struct err *err)
{
    static const char *const sql[] = {
        "SELECT id FROM source WHERE workflow_id = ? AND node = ? AND kind = ? AND name = ?",
        "INSERT INTO source (workflow_id, node, kind, name) VALUES (?, ?, ?, ?) "
        "ON CONFLICT (workflow_id, node, kind, name) DO UPDATE SET name = excluded.name RETURNING "
        "id",
    };
    const wf_str parts[] = { workflow, node, kind, name };
    sqlite3 *db = lock(s);
    int64_t number = 0;
    int rc = 0;
    for (int try = 0; try < 2 && rc == 0; try++) { /* looks before it inserts: ids are not wasted */
        sqlite3_stmt *q = sq_prepare(db, sql[try], err);
        for (int i = 0; q && i < 4; i++)
            sq_bind_str(q, i + 1, parts[i]);
        rc = one_number(q, "number a source", &number, err);
    }
    unlock(s);
    *id = (uint32_t)number;
    return rc == 1 ? 0 : -1;
}

int sqlite_instance(struct store *s, wf_str name, uint32_t *instance, struct err *err)
{
    sqlite3 *db = lock(s);
    int rc = change(db, "INSERT INTO engine_instance (name, heartbeat_us) VALUES (?1, ?2)", name,
                    clock_wall_us(), NULL, err);
    *instance = (uint32_t)sqlite3_last_insert_rowid(db);
    unlock(s);
    return rc;
}

int sqlite_heartbeat(struct store *s, uint32_t instance, struct err *err)
{
    int changed = 0;
    sqlite3_stmt *q = sq_prepare(lock(s),
                                 "UPDATE engine_instance SET heartbeat_us = ?2 "
                                 "WHERE id = ?1 AND taken_by IS NULL",
                                 err);
    int rc = -1;
    if (q) {
        sq_bind_int(q, 1, instance);
        sq_bind_int(q, 2, clock_wall_us());
        rc = sq_finish(q, "heartbeat", &changed, err);
    }
    unlock(s);
    if (rc == 0 && !changed)
        return err_set(err, ERR_FENCED, "store: engine %u was declared dead", instance);
    return rc;
}

int sqlite_dead_instances(struct store *s, uint32_t me, int64_t silent_ms, store_on_instance *each,
                          void *ctx, struct err *err)
{
    struct arena arena;
    uint32_t *list = NULL, n = 0;
    int rc = -1;
    arena_init(&arena, NULL, 0);
    sqlite3_stmt *q = sq_prepare(
        lock(s),
        "UPDATE engine_instance SET taken_by = ?1 WHERE heartbeat_us < ?2 AND id <> ?1 "
        "AND (taken_by IS NULL OR (taken_by <> ?1 AND NOT EXISTS (SELECT 1 FROM engine_instance t "
        "WHERE t.id = engine_instance.taken_by AND t.heartbeat_us >= ?2))) RETURNING id",
        err);
    if (q) {
        sq_bind_int(q, 1, me);
        sq_bind_int(q, 2, clock_wall_us() - silent_ms * 1000);
        while ((rc = sq_step(q, "look for dead engines", err)) == 1) {
            list = grow(&arena, list, n, sizeof *list);
            list[n++] = (uint32_t)sq_int(q, 0);
        }
    }
    sqlite3_finalize(q);
    unlock(s);
    for (uint32_t i = 0; i < n && rc == 0; i++)
        each(ctx, list[i]);
    arena_fini(&arena);
    return rc;
}

int sqlite_instance_leave(struct store *s, uint32_t instance, struct err *err)
{
    int rc =
        change(lock(s),
               "DELETE FROM engine_instance WHERE id = ?2 AND ?1 = '' AND NOT EXISTS ("
               "SELECT 1 FROM source_position p WHERE p.owner = ?2 AND (p.released < p.block_seq "
               "OR EXISTS (SELECT 1 FROM execution e WHERE e.source = p.source "
               "AND e.partition = p.partition AND e.status = 4)))",
               STR(""), instance, NULL, err);
    unlock(s);
    return rc;
}

/* --- credentials ------------------------------------------------------------------------------ */

int sqlite_credential_put(struct store *s, const struct store_credential *c, struct err *err)
{
    sqlite3_stmt *q = sq_prepare(lock(s),
                                 "INSERT OR REPLACE INTO credential (id, name, type, sealed) "
                                 "VALUES (?, ?, ?, ?)",
                                 err);
    int rc = -1;
    if (q) {
        sq_bind_str(q, 1, c->id);
        sq_bind_str(q, 2, c->name);
        sq_bind_str(q, 3, c->type);
        sq_bind_bytes(q, 4, (wf_str){ c->sealed.ptr ? c->sealed.ptr : "", c->sealed.len });
        rc = sq_finish(q, "keep a credential", NULL, err);
    }
    unlock(s);
    return rc;
}

int sqlite_credential_delete(struct store *s, wf_str id, struct err *err)
{
    int changed = 0;
    int rc =
        change(lock(s), "DELETE FROM credential WHERE id = ?1 AND ?2 = 0", id, 0, &changed, err);
    unlock(s);
    if (rc == 0 && !changed)
        return err_set(err, ERR_NOT_FOUND, "store: there is no credential '%.*s'", STR_ARG(id));
    return rc;
}

int sqlite_credentials(struct store *s, store_on_credential *each, void *ctx, struct err *err)
{
    struct arena arena;
    struct store_credential *list = NULL;
    size_t n = 0;
    int rc = -1;
    arena_init(&arena, NULL, 0);
    sqlite3_stmt *q =
        sq_prepare(lock(s), "SELECT id, name, type, sealed FROM credential ORDER BY id", err);
    while (q && (rc = sq_step(q, "read credentials", err)) == 1) {
        list = grow(&arena, list, n, sizeof *list);
        list[n++] = (struct store_credential){ copy_str(&arena, sq_str(q, 0)),
                                               copy_str(&arena, sq_str(q, 1)),
                                               copy_str(&arena, sq_str(q, 2)),
                                               copy_str(&arena, sq_bytes(q, 3)) };
    }
    sqlite3_finalize(q);
    unlock(s);
    for (size_t i = 0; i < n && rc == 0; i++)
        each(ctx, &list[i]);
    arena_fini(&arena);
    return rc;
}

/* --- idempotency keys ------------------------------------------------------------------------- */

#define KEY_CLAIM                                                                                  \
    "INSERT INTO webhook_key (source, key, print, token, owner, expires_us) "                      \
    "VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT (source, key) DO UPDATE SET "                     \
    "print = excluded.print, token = excluded.token, owner = excluded.owner, accepted = 0, "       \
    "status = NULL, headers = NULL, body = NULL, expires_us = excluded.expires_us "                \
    "WHERE expires_us <= ?7 OR (accepted = 0 AND NOT EXISTS (SELECT 1 FROM engine_instance i "     \
    "WHERE i.id = webhook_key.owner AND i.taken_by IS NULL))"

static int claim(sqlite3 *db, const struct store_key *key, int *changed, struct err *err)
{
    sqlite3_stmt *q = sq_prepare(db, KEY_CLAIM, err);
    if (!q)
        return -1;
    int64_t now_us = clock_wall_us();
    sq_bind_int(q, 1, key->source);
    sq_bind_str(q, 2, key->key);
    sq_bind_str(q, 3, key->print);
    sq_bind_int(q, 4, (int64_t)key->token);
    sq_bind_int(q, 5, key->instance);
    sq_bind_int(q, 6, now_us + key->keep_ms * 1000);
    sq_bind_int(q, 7, now_us);
    return sq_finish(q, "claim a key", changed, err);
}

static int look_at_key(sqlite3 *db, const struct store_key *key, struct arena *a,
                       struct store_key_found *found, struct err *err)
{
    sqlite3_stmt *q = sq_prepare(
        db, "SELECT print, status, headers, body FROM webhook_key WHERE source = ?1 AND key = ?2",
        err);
    if (!q)
        return -1;
    sq_bind_int(q, 1, key->source);
    sq_bind_str(q, 2, key->key);
    int rc = sq_step(q, "look at a key", err);
    found->state = STORE_KEY_BUSY;
    if (rc == 1 && !str_eq(sq_str(q, 0), key->print)) {
        found->state = STORE_KEY_OTHER;
    } else if (rc == 1 && sqlite3_column_type(q, 1) != SQLITE_NULL) {
        found->state = STORE_KEY_ANSWERED;
        found->status = (int)sq_int(q, 1);
        found->headers = copy_str(a, sq_bytes(q, 2));
        found->body = copy_str(a, sq_bytes(q, 3));
    }
    sqlite3_finalize(q);
    return rc < 0 ? -1 : 0;
}

int sqlite_key_claim(struct store *s, const struct store_key *key, struct arena *a,
                     struct store_key_found *found, struct err *err)
{
    sqlite3 *db = lock(s);
    int changed = 0, rc = begin(db, err);
    if (rc == 0) {
        rc = claim(db, key, &changed, err);
        if (rc == 0 && changed)
            found->state = STORE_KEY_NEW;
        else if (rc == 0)
            rc = look_at_key(db, key, a, found, err);
        rc = end(db, rc, err);
    }
    unlock(s);
    return rc;
}

int sqlite_key_release(struct store *s, const struct store_key *key, struct err *err)
{
    sqlite3_stmt *q = sq_prepare(lock(s),
                                 "DELETE FROM webhook_key WHERE source = ?1 AND key = ?2 "
                                 "AND token = ?3 AND accepted = 0",
                                 err);
    int rc = -1;
    if (q) {
        sq_bind_int(q, 1, key->source);
        sq_bind_str(q, 2, key->key);
        sq_bind_int(q, 3, (int64_t)key->token);
        rc = sq_finish(q, "release a key", NULL, err);
    }
    unlock(s);
    return rc;
}

/* --- housekeeping ----------------------------------------------------------------------------- */

/* Deletes in small transactions, so that turns get in between. */
static int delete_batches(struct store *s, const char *sql, int64_t before_us, struct err *err)
{
    for (int changed = 1; changed;) {
        sqlite3_stmt *q = sq_prepare(lock(s), sql, err);
        int rc = -1;
        if (q) {
            sq_bind_int(q, 1, before_us);
            rc = sq_finish(q, "housekeep", &changed, err);
        }
        unlock(s);
        if (rc != 0)
            return -1;
    }
    return 0;
}

int sqlite_housekeep(struct store *s, int64_t now_us, struct err *err)
{
    if (!now_us)
        now_us = clock_wall_us();
    int64_t before_us = now_us - (int64_t)s->config.retention_days * 86400 * 1000000;
    static const char *const deletes[] = {
        "DELETE FROM block WHERE rowid IN (SELECT rowid FROM block WHERE created_us < ?1 LIMIT "
        "500)",
        "DELETE FROM execution WHERE (source, partition, position) IN (SELECT source, partition, "
        "position "
        "FROM execution WHERE status <> 4 AND ended_us < ?1 LIMIT 2000)",
        /* Lanes of webhooks and error triggers carry the number of an engine that never comes back.
         */
        "DELETE FROM source_position WHERE ?1 AND released = block_seq "
        "AND EXISTS (SELECT 1 FROM source s WHERE s.id = source_position.source "
        "AND s.kind IN ('webhook', 'error', 'plugin')) "
        "AND NOT EXISTS (SELECT 1 FROM engine_instance i WHERE i.id = source_position.owner) "
        "AND NOT EXISTS (SELECT 1 FROM execution e WHERE e.source = source_position.source "
        "AND e.partition = source_position.partition)",
        "DELETE FROM engine_instance WHERE heartbeat_us < ?1 "
        "AND NOT EXISTS (SELECT 1 FROM source_position p WHERE p.owner = engine_instance.id)",
    };
    for (size_t i = 0; i < sizeof deletes / sizeof *deletes; i++)
        if (delete_batches(s, deletes[i], before_us, err) != 0)
            return -1;
    if (delete_batches(s, "DELETE FROM webhook_key WHERE expires_us <= ?1", now_us, err) != 0)
        return -1;
    int rc = sq_exec(lock(s), "PRAGMA incremental_vacuum(2000)", "give space back", err);
    unlock(s);
    return rc;
}
