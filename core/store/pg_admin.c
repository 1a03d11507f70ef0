/* SPDX-License-Identifier: Apache-2.0
 * Workflows, sources, instances and credentials in PostgreSQL: one statement each, repeatable,
 * because pg_query sends it again when the connection broke. Results are told after the lock is
 * free, so that a callback may call the store. Thread: any; blocks.
 */
#include "store/pg_int.h"
#include "base/clock.h"
#include <stdlib.h>

/* Runs a statement that gives no rows; *changed may be NULL. */
static int run(struct store *s, enum pg_line_name line, const char *what, const char *sql,
               const struct pg_args *args, int *changed, struct err *err)
{
    PGresult *r = pg_query(pg_of(s), line, what, sql, args, false, err);
    if (!r)
        return -1;
    if (changed)
        *changed = atoi(PQcmdTuples(r));
    PQclear(r);
    return 0;
}

/* --- workflows -------------------------------------------------------------------------------- */

#define DEPLOYED_US "(extract(epoch FROM v.deployed_at) * 1000000)::bigint "

static int each_workflow(PGresult *r, store_on_workflow *each, void *ctx)
{
    int n = PQntuples(r);
    for (int i = 0; i < n; i++) {
        struct store_workflow w = { .version = (uint64_t)pg_int(r, i, 0),
                                    .id = pg_text(r, i, 1),
                                    .name = pg_text(r, i, 2),
                                    .definition = pg_text(r, i, 3),
                                    .number = (uint32_t)pg_int(r, i, 4),
                                    .active = *PQgetvalue(r, i, 5) == 't',
                                    .deployed_us = pg_int(r, i, 6) };
        each(ctx, &w);
    }
    PQclear(r);
    return n;
}

int pg_deploy(struct store *s, wf_str id, wf_str name, wf_str definition, bool active,
              struct store_workflow *out, struct err *err)
{
    struct pg_args args = { .n = 0 };
    pg_arg_str(&args, id);
    pg_arg_str(&args, name);
    pg_arg_str(&args, definition);
    pg_arg_int(&args, active);
    PGresult *r = pg_query(pg_of(s), PG_ADMIN, "deploy",
                           "SELECT v.version, v.number, " DEPLOYED_US
                           "FROM catalyst_deploy($1, $2, $3, $4::int::bool) v",
                           &args, false, err);
    if (!r)
        return -1;
    *out = (struct store_workflow){ .version = (uint64_t)pg_int(r, 0, 0),
                                    .id = id,
                                    .name = name,
                                    .definition = definition,
                                    .number = (uint32_t)pg_int(r, 0, 1),
                                    .active = active,
                                    .deployed_us = pg_int(r, 0, 2) };
    PQclear(r);
    return 0;
}

int pg_set_active(struct store *s, wf_str id, bool active, struct err *err)
{
    struct pg_args args = { .n = 0 };
    pg_arg_str(&args, id);
    pg_arg_int(&args, active);
    int changed = 0;
    if (run(s, PG_ADMIN, "activate",
            "WITH done AS (UPDATE workflow SET active = $2::int::bool, updated_at = now() WHERE id "
            "= $1 "
            "RETURNING 1) UPDATE revision SET value = value + 1 WHERE EXISTS (SELECT FROM done)",
            &args, &changed, err) != 0)
        return -1;
    return changed ? 0
                   : err_set(err, ERR_NOT_FOUND, "store: there is no workflow '%.*s'", STR_ARG(id));
}

int pg_workflows(struct store *s, store_on_workflow *each, void *ctx, struct err *err)
{
    PGresult *r = pg_query(
        pg_of(s), PG_ADMIN, "read workflows",
        "SELECT DISTINCT ON (w.id) v.version, w.id, w.name, v.definition, v.number, "
        "w.active, " DEPLOYED_US "FROM workflow w JOIN workflow_version v ON v.workflow_id = w.id "
        "ORDER BY w.id, v.number DESC",
        NULL, false, err);
    if (!r)
        return -1;
    each_workflow(r, each, ctx);
    return 0;
}

int pg_workflow_version(struct store *s, uint64_t version, store_on_workflow *each, void *ctx,
                        struct err *err)
{
    struct pg_args args = { .n = 0 };
    pg_arg_int(&args, (int64_t)version);
    PGresult *r =
        pg_query(pg_of(s), PG_ADMIN, "read a workflow version",
                 "SELECT v.version, w.id, w.name, v.definition, v.number, w.active, " DEPLOYED_US
                 "FROM workflow w JOIN workflow_version v ON v.workflow_id = w.id "
                 "WHERE v.version = $1",
                 &args, false, err);
    if (!r)
        return -1;
    if (!each_workflow(r, each, ctx))
        return err_set(err, ERR_NOT_FOUND, "store: there is no workflow version %llu",
                       (unsigned long long)version);
    return 0;
}

int pg_revision(struct store *s, uint64_t *revision, struct err *err)
{
    PGresult *r = pg_query(pg_of(s), PG_LIVE, "read the revision", "SELECT value FROM revision",
                           NULL, false, err);
    if (!r)
        return -1;
    *revision = PQntuples(r) ? (uint64_t)pg_int(r, 0, 0) : 0;
    PQclear(r);
    return 0;
}

/* --- sources and instances -------------------------------------------------------------------- */

/* A statement that gives one number. */
static int number(struct store *s, enum pg_line_name line, const char *what, const char *sql,
                  const struct pg_args *args, uint32_t *out, struct err *err)
{
    PGresult *r = pg_query(pg_of(s), line, what, sql, args, false, err);
    if (!r)
        return -1;
    int n = PQntuples(r);
    if (n)
        *out = (uint32_t)pg_int(r, 0, 0);
    PQclear(r);
    return n ? 0 : err_set(err, ERR_INTERNAL, "store: %s: no number came back", what);
}

/* Looks before it inserts, because an identity that is not used is lost. */
int pg_source(struct store *s, wf_str workflow, wf_str node, wf_str kind, wf_str name, uint32_t *id,
              struct err *err)
{
    struct pg_args args = { .n = 0 };
    pg_arg_str(&args, workflow);
    pg_arg_str(&args, node);
    pg_arg_str(&args, kind);
    pg_arg_str(&args, name);
    return number(
        s, PG_ADMIN, "number a source",
        "WITH found AS (SELECT id FROM source WHERE workflow_id = $1::text AND node = $2::text "
        "AND kind = $3::text AND name = $4::text), "
        "made AS (INSERT INTO source (workflow_id, node, kind, name) "
        "SELECT $1::text, $2::text, $3::text, $4::text WHERE NOT EXISTS (SELECT FROM found) "
        "ON CONFLICT (workflow_id, node, kind, name) DO UPDATE SET name = excluded.name "
        "RETURNING id) SELECT id FROM found UNION ALL SELECT id FROM made",
        &args, id, err);
}

int pg_instance(struct store *s, wf_str name, uint32_t *instance, struct err *err)
{
    struct pg_args args = { .n = 0 };
    pg_arg_str(&args, name);
    return number(s, PG_LIVE, "register this engine",
                  "INSERT INTO engine_instance (name) VALUES ($1) RETURNING id", &args, instance,
                  err);
}

int pg_heartbeat(struct store *s, uint32_t instance, struct err *err)
{
    struct pg_args args = { .n = 0 };
    pg_arg_int(&args, instance);
    int changed = 0;
    if (run(s, PG_LIVE, "heartbeat",
            "UPDATE engine_instance SET heartbeat_at = now() WHERE id = $1 AND taken_by IS NULL",
            &args, &changed, err) != 0)
        return -1;
    return changed ? 0 : err_set(err, ERR_FENCED, "store: engine %u was declared dead", instance);
}

/* The number of the call tells a repeated one what it was given the first time. */
int pg_dead_instances(struct store *s, uint32_t me, int64_t silent_ms, store_on_instance *each,
                      void *ctx, struct err *err)
{
    struct pg_args args = { .n = 0 };
    pg_arg_int(&args, me);
    pg_arg_int(&args, silent_ms);
    pg_arg_int(&args, clock_mono_us());
    PGresult *r =
        pg_query(pg_of(s), PG_LIVE, "look for dead engines",
                 "WITH dead AS (SELECT id FROM engine_instance "
                 "WHERE heartbeat_at < now() - $2::bigint * interval '1 millisecond') "
                 "UPDATE engine_instance i SET taken_by = $1::int, taken_call = $3::bigint "
                 "WHERE i.heartbeat_at < now() - $2::bigint * interval '1 millisecond' "
                 "AND i.id <> $1::int AND (i.taken_by IS NULL "
                 "OR (i.taken_by = $1::int AND i.taken_call = $3::bigint) "
                 "OR (i.taken_by <> $1::int AND (i.taken_by IN (SELECT id FROM dead) OR NOT EXISTS "
                 "(SELECT FROM engine_instance t WHERE t.id = i.taken_by)))) RETURNING i.id",
                 &args, false, err);
    if (!r)
        return -1;
    for (int i = 0; i < PQntuples(r); i++)
        each(ctx, (uint32_t)pg_int(r, i, 0));
    PQclear(r);
    return 0;
}

int pg_instance_leave(struct store *s, uint32_t instance, struct err *err)
{
    struct pg_args args = { .n = 0 };
    pg_arg_int(&args, instance);
    return run(s, PG_LIVE, "leave",
               "DELETE FROM engine_instance i WHERE i.id = $1 AND NOT EXISTS ("
               "SELECT FROM source_position p WHERE p.owner = i.id AND (p.released < p.block_seq "
               "OR EXISTS (SELECT FROM execution e WHERE e.source = p.source "
               "AND e.partition = p.partition AND e.status = 4)))",
               &args, NULL, err);
}

/* --- credentials ------------------------------------------------------------------------------ */

int pg_credential_put(struct store *s, const struct store_credential *c, struct err *err)
{
    struct pg_args args = { .n = 0 };
    pg_arg_str(&args, c->id);
    pg_arg_str(&args, c->name);
    pg_arg_str(&args, c->type);
    pg_arg_str(&args, c->sealed);
    return run(s, PG_ADMIN, "keep a credential",
               "INSERT INTO credential (id, name, type, sealed) VALUES ($1, $2, $3, $4) "
               "ON CONFLICT (id) DO UPDATE SET name = excluded.name, type = excluded.type, "
               "sealed = excluded.sealed, updated_at = now()",
               &args, NULL, err);
}

int pg_credential_delete(struct store *s, wf_str id, struct err *err)
{
    struct pg_args args = { .n = 0 };
    pg_arg_str(&args, id);
    int changed = 0;
    if (run(s, PG_ADMIN, "delete a credential", "DELETE FROM credential WHERE id = $1", &args,
            &changed, err) != 0)
        return -1;
    return changed
               ? 0
               : err_set(err, ERR_NOT_FOUND, "store: there is no credential '%.*s'", STR_ARG(id));
}

int pg_credentials(struct store *s, store_on_credential *each, void *ctx, struct err *err)
{
    PGresult *r =
        pg_query(pg_of(s), PG_ADMIN, "read credentials",
                 "SELECT id, name, type, sealed FROM credential ORDER BY id", NULL, true, err);
    if (!r)
        return -1;
    for (int i = 0; i < PQntuples(r); i++) {
        struct store_credential c = { pg_text(r, i, 0), pg_text(r, i, 1), pg_text(r, i, 2),
                                      pg_text(r, i, 3) };
        each(ctx, &c);
    }
    PQclear(r);
    return 0;
}
