/* SPDX-License-Identifier: Apache-2.0
 * What a node's plugin counts: one cell for each row of its table of metrics. A cell belongs to one
 * worker, which alone writes and reads it; there is no lock. A histogram has a fixed number of
 * bounds, powers of 2 or 4, so that an observation is one addition at a place that a count of
 * leading zeros gives.
 */
#ifndef CATALYST_ENGINE_METRIC_H
#define CATALYST_ENGINE_METRIC_H
#include "plugin/plugin.h"

enum { METRIC_BOUNDS = 20 }; /* and one bucket more for what is beyond the last */

struct metric_cell {
    int64_t value;     /* a counter's or gauge's; the sum of what a histogram saw */
    uint64_t count;    /* times it was counted */
    uint64_t *buckets; /* [METRIC_BOUNDS + 1], not cumulative; NULL: no histogram */
    uint8_t kind;      /* wf_metric_kind */
    uint8_t step;      /* bound i is 1 << step * i */
};

/* The cells of all rows of a node, all 0, in one piece of memory for free(); NULL: it has none.
 * Bounds are 1 to 524288 (2^19) where the unit is ms or s, else 1 to 4^19, about 275 billion. */
struct metric_cell *metric_cells_create(const struct node_type *type);

/* What wf_host.count says. */
void metric_count(struct metric_cell *cell, int64_t by);

static inline uint64_t metric_bound(const struct metric_cell *cell, unsigned i)
{
    return UINT64_C(1) << (cell->step * i);
}

#endif
