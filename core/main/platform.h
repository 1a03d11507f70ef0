/* SPDX-License-Identifier: Apache-2.0
 * platform: what `catalyst init-platform` makes, as data.
 */
#ifndef CATALYST_PLATFORM_H
#define CATALYST_PLATFORM_H
#include "base/arena.h"
#include "trigger/trigger.h"

enum { PLATFORM_PARTITIONS = 50, PLATFORM_PARTITIONS_BILLING = 100 };

/* The topics, at most `partitions` each (0: as planned); in the arena. */
struct kafka_topic *platform_topics(struct arena *a, bool all_channels, int partitions, size_t *n);

/* A table that must be there at the end, and who brings it. */
struct platform_table {
    const char *name, *plugin; /* plugin NULL: the platform's own */
};
extern const struct platform_table platform_tables[]; /* ends with name NULL */

#endif
