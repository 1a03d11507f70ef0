/* SPDX-License-Identifier: Apache-2.0
 * Tables of plugins: which steps are missing, and that nobody changed one that was applied.
 *
 * A step's checksum is over its text for this database. It guards against a plugin whose author
 * edited a released step: the store would look right by its number and be another one.
 * Thread: any, under the kind's lock of migrations where it writes; blocks.
 */
#include "store/tables_int.h"
#include "store/pack_int.h"
#include "store/schema_int.h"
#include <pthread.h>
#include <stdio.h>

static const char *text_of(const struct tables_ops *ops, const wf_migration *step)
{
    const char *sql = ops->is_pg ? step->pg : step->sqlite;
    return sql ? sql : "";
}

static void checksum_of(const char *sql, char to[TABLES_CHECKSUM])
{
    size_t len = strlen(sql);
    snprintf(to, TABLES_CHECKSUM, "%08x-%zu", crc32c(0, sql, len), len);
}

static int check_applied(const struct tables_ops *ops, void *db, const struct store_tables *t,
                         const wf_migration *step, struct err *err)
{
    struct tables_applied there;
    char checksum[TABLES_CHECKSUM];
    checksum_of(text_of(ops, step), checksum);
    if (ops->read(db, t->plugin, step->number, &there, err) != 0)
        return -1;
    if (!there.number)
        return err_set(
            err, ERR_CONFLICT,
            "store: plugin '%s': migration %u is missing in the store, though a later one "
            "is there: somebody changed plugin_migration by hand",
            t->plugin, step->number);
    if (strcmp(there.checksum, checksum) != 0)
        return err_set(
            err, ERR_CONFLICT,
            "store: plugin '%s': migration %u (%s) was changed after it was applied: its "
            "text is %s, the store has %s; undo the change and add a step instead",
            t->plugin, step->number, step->name, checksum, there.checksum);
    return 0;
}

static int check_all(const struct tables_ops *ops, void *db, const struct store_tables *t,
                     uint32_t newest, struct err *err)
{
    if (newest > t->n)
        return err_set(
            err, ERR_CONFLICT,
            "store: the tables of plugin '%s' are at version %u, newer than the %zu that "
            "this plugin knows: use a newer plugin",
            t->plugin, newest, t->n);
    for (uint32_t i = 0; i < newest; i++)
        if (check_applied(ops, db, t, &t->steps[i], err) != 0)
            return -1;
    return 0;
}

static int run_step(const struct tables_ops *ops, void *db, const struct store_config *config,
                    const struct store_tables *t, const wf_migration *step, struct err *err)
{
    char checksum[TABLES_CHECKSUM];
    const char *sql = text_of(ops, step);
    checksum_of(sql, checksum);
    int rc = ops->apply(db, t->plugin, step, sql, checksum, err);
    if (rc < 0)
        return err_context(err, "plugin '%s', migration %u (%s)", t->plugin, step->number,
                           step->name);
    if (rc == 0 && config->on_step)
        config->on_step(config->on_step_ctx, t->plugin, (int)step->number, step->name);
    return 0;
}

static int migrate_one(const struct tables_ops *ops, void *db, const struct store_config *config,
                       const struct store_tables *t, bool run, uint32_t *missing, struct err *err)
{
    uint32_t newest;
    if (ops->newest(db, t->plugin, &newest, err) != 0 || check_all(ops, db, t, newest, err) != 0)
        return -1;
    *missing += (uint32_t)t->n - newest;
    if (!run && newest < t->n)
        return err_set(err, ERR_CONFLICT,
                       "store: the tables of plugin '%s' are at version %u, this plugin needs %zu: "
                       "run `catalyst migrate`",
                       t->plugin, newest, t->n);
    for (size_t i = newest; i < t->n; i++)
        if (run_step(ops, db, config, t, &t->steps[i], err) != 0)
            return -1;
    return 0;
}

int tables_migrate(const struct tables_ops *ops, void *db, const struct store_config *config,
                   bool run, uint32_t *missing, struct err *err)
{
    uint32_t n = 0;
    for (size_t i = 0; i < config->n_tables; i++)
        if (migrate_one(ops, db, config, &config->tables[i], run, &n, err) != 0)
            return -1;
    if (missing)
        *missing = n;
    return 0;
}

int tables_missing(const struct tables_ops *ops, void *db, const struct store_config *config,
                   store_on_step *each, void *ctx, struct err *err)
{
    for (size_t i = 0; i < config->n_tables; i++) {
        const struct store_tables *t = &config->tables[i];
        uint32_t newest;
        if (ops->newest(db, t->plugin, &newest, err) != 0 ||
            check_all(ops, db, t, newest, err) != 0)
            return -1;
        for (size_t k = newest; k < t->n; k++)
            each(ctx, t->plugin, (int)t->steps[k].number, t->steps[k].name);
    }
    return 0;
}

bool tables_are_fine(const struct tables_ops *ops, void *db, const struct store_config *config)
{
    struct err ignored;
    return tables_migrate(ops, db, config, false, NULL, &ignored) == 0;
}

/* --- the platform's own ----------------------------------------------------------------------- */

const struct store_tables *store_platform_tables(void)
{
    enum { STEPS_MAX = 32 };
    static wf_migration steps[STEPS_MAX];
    static struct store_tables tables = { "platform", steps, 0 };
    static pthread_mutex_t once = PTHREAD_MUTEX_INITIALIZER;
    pthread_mutex_lock(&once);
    for (uint32_t i = (uint32_t)tables.n + 1; i <= STEPS_MAX; i++) {
        const struct schema_step *pg = schema_find("platformpg", (int)i);
        const struct schema_step *sqlite = schema_find("platformsqlite", (int)i);
        if (!pg || !sqlite)
            break;
        steps[i - 1] = (wf_migration){ i, 0, pg->name, pg->sql, sqlite->sql };
        tables.n = i;
    }
    pthread_mutex_unlock(&once);
    return &tables;
}
