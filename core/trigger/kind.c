/* SPDX-License-Identifier: Apache-2.0
 * The kinds of triggers, by node type.
 */
#include "trigger/trigger_int.h"
#include <string.h>

const struct trigger_kind *trigger_kind_find(const char *node_type)
{
    static const struct trigger_kind *const kinds[] = { &kafka_trigger_kind, &webhook_trigger_kind,
                                                        &schedule_trigger_kind,
                                                        &error_trigger_kind };
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (!strcmp(kinds[i]->type, node_type))
            return kinds[i];
    return NULL;
}
