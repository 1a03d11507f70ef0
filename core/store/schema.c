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
