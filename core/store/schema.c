/* SPDX-License-Identifier: Apache-2.0
 * Look-ups in the table of embedded schema files. Thread: any.
 */
#include "store/schema_int.h"
#include <stddef.h>
#include <string.h>

int schema_newest(const char *kind)
{
    int newest = 0;
    for (const struct schema_step *step = schema_steps; step->kind; step++)
        if (!strcmp(step->kind, kind) && step->version > newest)
            newest = step->version;
    return newest;
}

const struct schema_step *schema_find(const char *kind, int version)
{
    for (const struct schema_step *step = schema_steps; step->kind; step++)
        if (!strcmp(step->kind, kind) && step->version == version)
            return step;
    return NULL;
}

int schema_check(int applied, int newest, struct err *err)
{
    if (applied < newest)
        return err_set(
            err, ERR_CONFLICT,
            "store: the schema is at version %d, this catalyst needs %d: run `catalyst migrate`",
            applied, newest);
    if (applied > newest)
        return err_set(
            err, ERR_CONFLICT,
            "store: the schema is at version %d, newer than the %d that this catalyst knows: "
            "start a newer catalyst",
            applied, newest);
    return 0;
}
