/* SPDX-License-Identifier: Apache-2.0
 * Metrics that plugins declare, as Prometheus text. A family is what stands under one name: the
 * samples of all nodes that count it. A worker's thread fills a struct families of its own; the
 * main thread writes those of all workers, each name once.
 *
 * `reserved_total`, a counter of a plugin's table, is exposed as
 *
 *   # HELP catalyst_reserved_total ...
 *   # TYPE catalyst_reserved_total counter
 *   catalyst_reserved_total{worker="0",workflow="w",node="Reserve"} 17
 *
 * A counter's name without _total gets it. Labels in the row's name ("x_total{verdict=\"pass\"}")
 * stand behind the engine's; such rows share one HELP, their help up to its first ": ". A name with
 * _seconds whose unit is ms or us is given in seconds. A name of the engine's own becomes
 * catalyst_plugin_<name>, and one that an earlier plugin uses for another kind gets the kind
 * behind.
 */
#ifndef CATALYST_ADMIN_FAMILIES_H
#define CATALYST_ADMIN_FAMILIES_H
#include "base/str.h"
#include "engine/metric.h"

struct family {
    char *name, *help;
    uint8_t kind; /* wf_metric_kind */
    bool written;
    struct strbuf samples;
};

struct families {
    struct family *all;
    size_t n, size, last;              /* last: the one found last, where the next search begins */
    bool (*is_ours)(const char *name); /* names plugins cannot have; or NULL */
};

/* Adds a node's cell; not a gauge that was never set, for nothing is known of it. labels: what all
 * samples of the node have, without braces, escaped. */
void families_add(struct families *f, const wf_metric *row, const struct metric_cell *cell,
                  const char *labels);
/* Writes what all parts hold; parts may be NULL. Once. */
void families_write(struct strbuf *b, struct families *const *parts, size_t n);
void families_fini(struct families *f);

/* name="value" with value escaped. */
void families_label(struct strbuf *b, const char *name, const char *value);

#endif
