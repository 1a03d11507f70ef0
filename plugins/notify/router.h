/* SPDX-License-Identifier: Apache-2.0
 * The routing core: takes alerts, silences and acknowledgements, and says which notifications are
 * due. Pure: no clock, thread, socket or file. All it needs is told: the time with each call, the
 * configuration once, and what an earlier process knew. So a test drives days in milliseconds, and
 * Alertmanager's behaviour can be compared event by event.
 *
 *   alert --> routes --> groups --(group_wait, group_interval)--> inhibited? quiet hours? silenced?
 *         --> for each integration: already said (notification log)? --> storm cap --> emit()
 *
 * What must survive a restart is kept as JSON under keys: router_changes() gives what changed since
 * it was asked last, router_load() takes it back.
 * Thread: one.
 */
#ifndef PLUGIN_NOTIFY_ROUTER_H
#define PLUGIN_NOTIFY_ROUTER_H
#include "alert.h"
#include "conf.h"
#include "silence.h"

struct router;

enum router_count {
    ROUTER_ALERTS,    /* taken in */
    ROUTER_NOTICES,   /* emitted */
    ROUTER_INHIBITED, /* alerts left out at a flush, by each cause */
    ROUTER_SILENCED,
    ROUTER_QUIET,
    ROUTER_LOOPS,    /* not sent over the channel that they are about */
    ROUTER_STORM,    /* notifications that went into a summary */
    ROUTER_FLAPPING, /* ends held back */
    ROUTER_ESCALATED,
    ROUTER_COUNTS
};

/* A notification is due: an object, borrowed. Its `id` is the same when it is made again. */
typedef void router_emit_fn(void *arg, enum kind kind, const char *id, const json_t *notice);
/* What to keep: body NULL removes it. */
typedef void router_change_fn(void *arg, const char *key, const json_t *body);

/* The configuration is borrowed. */
struct router *router_create(const struct conf *conf, router_emit_fn *emit, void *arg);
void router_free(struct router *r);

/* 0, or -1 with why. The alert is one as alert_of_json() reads it. */
int router_alert(struct router *r, const json_t *alert, int64_t now_ms, struct why *why);
int router_silence(struct router *r, const json_t *silence, int64_t now_ms, struct why *why);
/* -1: there is none, or it is over already. */
int router_expire(struct router *r, const char *id, int64_t now_ms);
/* Stops escalation and repetition of the groups that `what` names: an incident, a group key or the
 * fingerprint of an alert. Returns how many. */
unsigned router_ack(struct router *r, const char *what, const char *who, int64_t now_ms);
/* Does what is due. */
void router_tick(struct router *r, int64_t now_ms);
/* When the next is due; INT64_MAX: nothing will be. */
int64_t router_next_ms(const struct router *r);

int64_t router_counter(const struct router *r, enum router_count which);
size_t router_groups(const struct router *r);
size_t router_alerts(const struct router *r);
json_t *router_silences(const struct router *r, int64_t now_ms);

/* Before the first tick, in any order; then router_loaded() once. */
int router_load(struct router *r, const char *key, const json_t *body);
void router_loaded(struct router *r, int64_t now_ms);
void router_changes(struct router *r, router_change_fn *fn, void *arg);

#endif
