/* SPDX-License-Identifier: Apache-2.0
 * The kinds of triggers, by node type.
 */
#include "trigger/trigger_int.h"
#include <string.h>

const struct trigger_kind *trigger_kind_find(const struct node_type *type)
{
    static const struct trigger_kind *const kinds[] = { &kafka_trigger_kind, &webhook_trigger_kind,
                                                        &schedule_trigger_kind,
                                                        &error_trigger_kind };
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (!strcmp(kinds[i]->type, type->type))
            return kinds[i];
    if (!type->node.trigger)
        return NULL;
    return type->node.trigger->flags & WF_TRIGGER_SINGLE ? &single_trigger_kind
                                                         : &plugin_trigger_kind;
}
