/* SPDX-License-Identifier: Apache-2.0
 * The front of the room: finds the kind of store by its URL and hands every call to its table. What
 * all kinds have in common is checked here: defaults, and turns that break the contract.
 */
#include "store/show_int.h"
#include <stdlib.h>

static const struct {
    const char *prefix;
    const struct store_ops *ops;
} kinds[] = {
    { "memory:", &mem_ops },
    { "sqlite:", &sqlite_ops },
    { "postgresql://", &pg_ops },
    { "postgres://", &pg_ops },
};

static const struct store_ops *find_kind(const char *url)
{
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (!strncmp(url, kinds[i].prefix, strlen(kinds[i].prefix)))
            return kinds[i].ops;
    return NULL;
}

struct store *store_open(const struct store_config *config, bool migrate, struct err *err)
{
    const struct store_ops *ops = config->url ? find_kind(config->url) : NULL;
    if (!ops) {
        /* Not the URL itself: it may hold a password. */
        err_set(err, ERR_INVALID,
                "store: the URL must begin with postgresql:// or sqlite: or be memory:");
        return NULL;
    }
    struct store_config full = *config;
    if (!full.retention_days)
        full.retention_days = STORE_RETENTION_DAYS;
    if (!full.commit_timeout_ms)
        full.commit_timeout_ms = STORE_COMMIT_TIMEOUT_MS;
    char *url = xstrdup(config->url);
    full.url = url;
    struct store *s = ops->open(&full, migrate, err);
    if (!s) {
        free(url);
        return NULL;
    }
    s->ops = ops;
    s->config = full;
    return s;
}

void store_close(struct store *s)
{
    if (!s)
        return;
    char *url = (char *)s->config.url;
    s->ops->close(s);
    free(url);
}

static void report_nothing(void *ctx, int version, const char *name)
{
    (void)ctx, (void)version, (void)name;
}

int store_migrate(struct store *s, bool run, store_on_migrate *report, void *ctx, int *applied,
                  int *newest, struct err *err)
{
    int unused[2];
    return s->ops->migrate(s, run, report ? report : report_nothing, ctx,
                           applied ? applied : &unused[0], newest ? newest : &unused[1], err);
}

const char *store_kind(const struct store *s) { return s->ops->kind; }

int store_tables_missing(struct store *s, const struct store_tables *tables, size_t n,
                         store_on_step *each, void *ctx, struct err *err)
{
    struct store_config config = { .tables = tables, .n_tables = n };
    return s->ops->tables_missing(s, &config, each, ctx, err);
}

int store_table_kind(struct store *s, const char *name, char kind[16], struct err *err)
{
    kind[0] = 0;
    return s->ops->table_kind(s, name, kind, err);
}

int store_deploy(struct store *s, wf_str id, wf_str name, wf_str definition, bool active,
                 struct store_workflow *out, struct err *err)
{
    struct store_workflow unused;
    if (!id.len)
        return err_set(err, ERR_INVALID, "store: deploy: the workflow has no id");
    return s->ops->deploy(s, id, name, definition, active, out ? out : &unused, err);
}

int store_set_active(struct store *s, wf_str id, bool active, struct err *err)
{
    return s->ops->set_active(s, id, active, err);
}

int store_workflows(struct store *s, store_on_workflow *each, void *ctx, struct err *err)
{
    return s->ops->workflows(s, each, ctx, err);
}

int store_workflow_version(struct store *s, uint64_t version, store_on_workflow *each, void *ctx,
                           struct err *err)
{
    return s->ops->workflow_version(s, version, each, ctx, err);
}

int store_revision(struct store *s, uint64_t *revision, struct err *err)
{
    return s->ops->revision(s, revision, err);
}

int store_source(struct store *s, wf_str workflow, wf_str node, wf_str kind, wf_str name,
                 uint32_t *id, struct err *err)
{
    return s->ops->source(s, workflow, node, kind, name, id, err);
}

int store_instance(struct store *s, wf_str name, uint32_t *instance, struct err *err)
{
    return s->ops->instance(s, name, instance, err);
}

int store_heartbeat(struct store *s, uint32_t instance, struct err *err)
{
    return s->ops->heartbeat(s, instance, err);
}

int store_dead_instances(struct store *s, uint32_t me, int64_t silent_ms, store_on_instance *each,
                         void *ctx, struct err *err)
{
    return s->ops->dead_instances(s, me, silent_ms, each, ctx, err);
}

int store_instance_leave(struct store *s, uint32_t instance, struct err *err)
{
    return s->ops->instance_leave(s, instance, err);
}

int store_executions(struct store *s, const struct store_filter *filter, store_on_execution *each,
                     void *ctx, struct err *err)
{
    struct store_filter full = filter ? *filter : (struct store_filter){ 0 };
    if (!full.limit)
        full.limit = STORE_LIST_LIMIT;
    if (!full.until_us)
        full.until_us = INT64_MAX;
    return s->ops->executions(s, &full, each, ctx, err);
}

int store_execution(struct store *s, struct exec_id id, store_on_execution *each, void *ctx,
                    struct err *err)
{
    return s->ops->execution(s, id, each, ctx, err);
}

static void take_status(void *ctx, const struct store_execution *e)
{
    enum store_status *status = ctx;
    *status = e->status;
}

int store_execution_retry(struct store *s, struct exec_id id, struct err *err)
{
    struct err why = { 0 };
    enum store_status status = STORE_STATUS_NONE;
    if (s->ops->retry(s, id, &why) == 0)
        return 0;
    /* One that ended well has no row to mark; its block still knows it. */
    if (why.code == ERR_NOT_FOUND && s->ops->execution(s, id, take_status, &status, NULL) == 0)
        return show_may_retry(id, status, err);
    if (err)
        *err = why;
    return -1;
}

int store_credential_put(struct store *s, const struct store_credential *c, struct err *err)
{
    if (!c->id.len)
        return err_set(err, ERR_INVALID, "store: the credential has no id");
    return s->ops->credential_put(s, c, err);
}

int store_credential_delete(struct store *s, wf_str id, struct err *err)
{
    return s->ops->credential_delete(s, id, err);
}

int store_credentials(struct store *s, store_on_credential *each, void *ctx, struct err *err)
{
    return s->ops->credentials(s, each, ctx, err);
}

int store_housekeep(struct store *s, int64_t now_us, struct err *err)
{
    return s->ops->housekeep(s, now_us, err);
}

struct store_house store_house(const struct store *s)
{
    return s->has_house ? s->house : (struct store_house){ -1, -1 };
}

/* --- sessions --------------------------------------------------------------------------------- */

struct store_session *store_session_open(struct store *s, const struct store_session_config *config)
{
    return s->ops->session_open(s, config);
}

void store_session_close(struct store_session *ss)
{
    if (ss)
        ss->store->ops->session_close(ss);
}

static void check_turn(const struct store_turn *turn)
{
    for (uint32_t i = 0; i < turn->n_blocks; i++) {
        const struct store_block *b = &turn->blocks[i];
        BUG_IF(b->n && !b->seq);                   /* a block needs its number */
        BUG_IF(b->position_new < b->position_old); /* lanes never go back */
        BUG_IF(b->outputs.len && !b->seq);         /* outputs would be lost */
    }
}

void store_commit(struct store_session *ss, const struct store_turn *turn, store_on_commit *done,
                  void *ctx)
{
    BUG_IF(ss->is_committing);
    ss->is_committing = true;
    check_turn(turn);
    ss->store->ops->commit(ss, turn, done, ctx);
}

void store_assign(struct store_session *ss, uint32_t source, uint32_t partition,
                  uint64_t start_position, store_on_lane *done, void *ctx)
{
    ss->store->ops->assign(ss, source, partition, start_position, done, ctx);
}

bool store_peek(struct store_session *ss, uint32_t source, uint32_t partition, int64_t silent_ms,
                store_on_peek *done, void *ctx)
{
    if (!ss->store->ops->peek)
        return false;
    ss->store->ops->peek(ss, source, partition, silent_ms, done, ctx);
    return true;
}

void store_blocks(struct store_session *ss, uint32_t source, uint32_t partition, uint64_t after,
                  uint32_t limit, store_on_block *each, void *ctx)
{
    ss->store->ops->blocks(ss, source, partition, after, limit, each, ctx);
}

void store_parked(struct store_session *ss, uint32_t source, uint32_t partition, int64_t wake_us,
                  uint32_t limit, store_on_exec *each, void *ctx)
{
    ss->store->ops->parked(ss, source, partition, wake_us, limit, each, ctx);
}

void store_lanes_of(struct store_session *ss, uint32_t instance, store_on_lane_of *each, void *ctx)
{
    ss->store->ops->lanes_of(ss, instance, each, ctx);
}

/* --- idempotency keys ------------------------------------------------------------------------- */

int store_key_claim(struct store *s, const struct store_key *key, struct arena *a,
                    struct store_key_found *found, struct err *err)
{
    *found = (struct store_key_found){ 0 };
    return s->ops->key_claim(s, key, a, found, err);
}

int store_key_release(struct store *s, const struct store_key *key, struct err *err)
{
    return s->ops->key_release(s, key, err);
}
