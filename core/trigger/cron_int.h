/* SPDX-License-Identifier: Apache-2.0
 * cron: when a rule fires next, in a time zone. Pure: no clock, no zone but the one handed in.
 *
 * Clock changes: a rule that names hours fires once for each of them: a time the clock jumps over
 * fires at the instant of the jump, one that comes twice fires the first time. A rule for every
 * hour follows real time instead, so "every 5 minutes" never pauses for an hour.
 */
#ifndef CATALYST_TRIGGER_CRON_INT_H
#define CATALYST_TRIGGER_CRON_INT_H
#include "base/err.h"
#include "base/zone.h"
#include <catalyst/cron.h>
#include <catalyst/triggers.h>

/* A rule of a schedule as bits. 0, or -1 with *err. */
int cron_of_rule(const struct wf_schedule_rule *rule, wf_cron_bits *out, struct err *err);
/* The first time after `after_ms` (since 1970 UTC), in milliseconds; -1: not within twelve years.
 */
int64_t cron_next(const wf_cron_bits *c, const struct zone *z, int64_t after_ms);

#endif
