/* SPDX-License-Identifier: Apache-2.0
 * schema_int: the embedded schema files, ordered by kind and number. Forward only; a step that was
 * released is never changed.
 */
#ifndef CATALYST_STORE_SCHEMA_INT_H
#define CATALYST_STORE_SCHEMA_INT_H
#include "base/err.h"

struct schema_step {
    const char *kind; /* folder: "pg", "sqlite"; NULL ends the table */
    int version;      /* 1, 2 ... without gaps */
    const char *name;
    const char *sql;
};
extern const struct schema_step schema_steps[];

/* The newest version of a kind. */
int schema_newest(const char *kind);
/* A step, or NULL. */
const struct schema_step *schema_find(const char *kind, int version);
/* Says what to do when a schema is not the one of this program. */
int schema_check(int applied, int newest, struct err *err);
#endif
