/* SPDX-License-Identifier: Apache-2.0
 * tables_int: migrations of plugins, one way for all databases. A kind gives two functions over its
 * connection; tables.c decides what is missing, what was changed, and what to say.
 */
#ifndef CATALYST_STORE_TABLES_INT_H
#define CATALYST_STORE_TABLES_INT_H
#include "store/store_int.h"

enum { TABLES_CHECKSUM = 40 };

/* A row of plugin_migration. */
struct tables_applied {
    uint32_t number;
    char name[240], checksum[TABLES_CHECKSUM];
};

struct tables_ops {
    /* The newest step that was applied, and of step `number` what is written there; number 0: there
     * is none. 0, or -1 with *err. */
    int (*newest)(void *db, const char *plugin, uint32_t *number, struct err *err);
    int (*read)(void *db, const char *plugin, uint32_t number, struct tables_applied *out,
                struct err *err);
    /* Runs a step and writes its row, in one transaction. 1: somebody else did meanwhile. */
    int (*apply)(void *db, const char *plugin, const wf_migration *step, const char *sql,
                 const char *checksum, struct err *err);
    bool is_pg; /* which of the texts is meant */
};

/* Checks every plugin's steps and, when `run`, applies what is missing. -1 with *err: one is behind
 * (not `run`), ahead, changed, or failed. *missing: how many would be applied; may be NULL. */
int tables_migrate(const struct tables_ops *ops, void *db, const struct store_config *config,
                   bool run, uint32_t *missing, struct err *err);
/* Names every step that is missing. */
int tables_missing(const struct tables_ops *ops, void *db, const struct store_config *config,
                   store_on_step *each, void *ctx, struct err *err);
/* Nothing is missing and nothing wrong: no lock has to be taken. */
bool tables_are_fine(const struct tables_ops *ops, void *db, const struct store_config *config);

#endif
