/* SPDX-License-Identifier: Apache-2.0
 * An alert as it came in last: labels, annotations, when it began and when it ended or will.
 * Immutable and counted: the store and every group it belongs to share it. Thread: one.
 */
#ifndef PLUGIN_NOTIFY_ALERT_H
#define PLUGIN_NOTIFY_ALERT_H
#include "labels.h"
#include "why.h"

enum { ALERT_FP_SIZE = 17, ALERT_ANNOTATIONS_MAX = 100 };

struct alert {
    struct labels labels;
    char fp[ALERT_FP_SIZE]; /* hexadecimal, as Alertmanager shows it */
    json_t *annotations;
    char *generator_url;
    int64_t starts_ms, ends_ms; /* both are always set */
    int64_t updated_ms;
    int is_timeout;  /* ends_ms is only when it is taken for resolved if nothing more is heard */
    int is_flapping; /* it changed so often that its end is held back */
    uint64_t serial; /* of the version that the store has; 0: not taken yet */
    unsigned refs;
};

/* One alert: {labels, annotations, startsAt, endsAt, generatorURL, status} of Prometheus, or
 * {labels, annotations, severity, starts_at, ends_at}. NULL: why says what is wrong. */
struct alert *alert_of_json(const json_t *json, int64_t now_ms, int64_t resolve_timeout_ms,
                            struct why *why);
struct alert *alert_ref(struct alert *a);
void alert_unref(struct alert *a);
static inline int alert_is_resolved(const struct alert *a, int64_t now_ms)
{
    return a->ends_ms <= now_ms;
}
/* What is known when `fresh` comes after `old`: one of them, or a new one where their times touch.
 * Takes `fresh`, gives a reference. */
struct alert *alert_merge(struct alert *old, struct alert *fresh, int64_t now_ms);
/* For the store, and back. */
json_t *alert_save(const struct alert *a);
struct alert *alert_load(const json_t *json);
/* A time as text, as numbers of s, ms or us, or absent (0). -1: it is none. */
int alert_time(const json_t *value, int64_t *ms);

#endif
