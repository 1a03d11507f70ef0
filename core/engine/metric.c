/* SPDX-License-Identifier: Apache-2.0
 * Counting of plugins' metrics: on the hot path, for single items in places.
 */
#include "engine/metric.h"
#include "base/arena.h"
#include <string.h>

static bool is_fine(const char *unit)
{
    return unit && (!strcmp(unit, "ms") || !strcmp(unit, "s"));
}

struct metric_cell *metric_cells_create(const struct node_type *type)
{
    const wf_metric *rows = type->node.metrics;
    size_t n = type->n_metrics, histograms = 0;
    if (!n)
        return NULL;
    for (size_t i = 0; i < n; i++)
        histograms += rows[i].kind == WF_HISTOGRAM;
    size_t buckets_size = (METRIC_BOUNDS + 1) * sizeof(uint64_t);
    struct metric_cell *cells = xcalloc(1, n * sizeof *cells + histograms * buckets_size);
    uint64_t *buckets = (uint64_t *)(cells + n);
    for (size_t i = 0; i < n; i++) {
        cells[i].kind = (uint8_t)rows[i].kind;
        if (rows[i].kind != WF_HISTOGRAM)
            continue;
        cells[i].step = is_fine(rows[i].unit) ? 1 : 2;
        cells[i].buckets = buckets;
        buckets += METRIC_BOUNDS + 1;
    }
    return cells;
}

/* The first bound that is not below it. */
static unsigned bucket_of(const struct metric_cell *cell, int64_t value)
{
    if (value <= 1)
        return 0;
    unsigned bits = 64 - (unsigned)__builtin_clzll((uint64_t)value - 1);
    unsigned i = (bits + cell->step - 1) / cell->step;
    return i < METRIC_BOUNDS ? i : METRIC_BOUNDS;
}

void metric_count(struct metric_cell *cell, int64_t by)
{
    cell->count++;
    if (cell->kind == WF_GAUGE) {
        cell->value = by;
        return;
    }
    cell->value = (int64_t)((uint64_t)cell->value + (uint64_t)by);
    if (cell->buckets)
        cell->buckets[bucket_of(cell, by)]++;
}
