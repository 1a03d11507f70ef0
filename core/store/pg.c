/* SPDX-License-Identifier: Apache-2.0
 * PostgreSQL: opening, closing, the table of functions. The other parts are listed in pg_int.h.
 */
#include "store/pg_int.h"
#include "store/schema_int.h"
#include "base/log.h"
#include <stdlib.h>

static void report_step(void *ctx, int version, const char *name)
{
    const struct store_config *config = ctx;
    if (config->on_step)
        config->on_step(config->on_step_ctx, NULL, version, name);
}

static int pg_store_migrate(struct store *s, bool run, store_on_migrate *report, void *ctx,
                            int *applied, int *newest, struct err *err)
{
    struct pg_store *ps = pg_of(s);
    *newest = schema_newest("pg");
    PGconn *conn = pg_lock(ps, PG_ADMIN, err);
    if (!conn)
        return -1;
    int rc = pg_migrate(conn, run, report, ctx, applied, err);
    pg_unlock(ps, PG_ADMIN);
    return rc;
}

static int migrate_tables(struct pg_store *ps, bool run, struct err *err)
{
    PGconn *conn = pg_lock(ps, PG_ADMIN, err);
    if (!conn)
        return -1;
    int rc = pg_migrate_tables(conn, run, &ps->base.config, err);
    pg_unlock(ps, PG_ADMIN);
    return rc;
}

/* A promise that the server does not keep is worth a line. */
static void warn_of_settings(struct pg_store *ps)
{
    PGresult *r = pg_query(ps, PG_ADMIN, "read settings",
                           "SELECT current_setting('fsync'), current_setting('full_page_writes')",
                           NULL, false, NULL);
    if (r && strcmp(PQgetvalue(r, 0, 0), "on") != 0)
        log_warn("store", "store.fsync_off",
                 "PostgreSQL runs with fsync off: a crash of its machine loses data");
    PQclear(r);
}

static void pg_close(struct store *s)
{
    struct pg_store *ps = pg_of(s);
    for (int i = 0; i < PG_LINES; i++) {
        pg_hang_up(ps, (enum pg_line_name)i);
        pthread_mutex_destroy(&ps->lines[i].lock);
    }
    pthread_mutex_destroy(&ps->address_lock);
    free(ps);
}

static struct store *pg_open(const struct store_config *config, bool migrate, struct err *err)
{
    struct pg_store *ps = xcalloc(1, sizeof *ps);
    ps->base.config = *config;
    for (int i = 0; i < PG_LINES; i++)
        pthread_mutex_init(&ps->lines[i].lock, NULL);
    pthread_mutex_init(&ps->address_lock, NULL);
    int applied = 0, newest = 0;
    if (pg_store_migrate(&ps->base, migrate, report_step, &ps->base.config, &applied, &newest,
                         err) != 0 ||
        schema_check(applied, newest, err) != 0 || migrate_tables(ps, migrate, err) != 0)
        goto fail;
    if (migrate && pg_housekeep(&ps->base, 0, err) != 0)
        goto fail;
    warn_of_settings(ps);
    return &ps->base;
fail:
    pg_close(&ps->base);
    return NULL;
}

const struct store_ops pg_ops = {
    .kind = "postgresql",
    .open = pg_open,
    .close = pg_close,
    .migrate = pg_store_migrate,
    .tables_missing = pg_tables_missing,
    .table_kind = pg_table_kind,
    .deploy = pg_deploy,
    .set_active = pg_set_active,
    .workflows = pg_workflows,
    .workflow_version = pg_workflow_version,
    .revision = pg_revision,
    .source = pg_source,
    .instance = pg_instance,
    .heartbeat = pg_heartbeat,
    .dead_instances = pg_dead_instances,
    .instance_leave = pg_instance_leave,
    .executions = pg_executions,
    .execution = pg_execution,
    .retry = pg_execution_retry,
    .credential_put = pg_credential_put,
    .credential_delete = pg_credential_delete,
    .credentials = pg_credentials,
    .housekeep = pg_housekeep,
    .key_claim = pg_key_claim,
    .key_release = pg_key_release,
    .session_open = pg_session_open,
    .session_close = pg_session_close,
    .commit = pg_commit,
    .assign = pg_assign,
    .blocks = pg_blocks,
    .parked = pg_parked,
    .lanes_of = pg_lanes_of,
    .peek = pg_peek,
    .sql = pg_sql,
};
