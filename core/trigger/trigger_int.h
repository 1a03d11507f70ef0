/* SPDX-License-Identifier: Apache-2.0
 * The kinds of triggers of this folder.
 */
#ifndef CATALYST_TRIGGER_INT_H
#define CATALYST_TRIGGER_INT_H
#include "trigger/trigger.h"

extern const struct trigger_kind kafka_trigger_kind, webhook_trigger_kind, schedule_trigger_kind;

#endif
