/* SPDX-License-Identifier: Apache-2.0
 * What the files of the routing core share. Thread: one.
 */
#ifndef PLUGIN_NOTIFY_ROUTER_INT_H
#define PLUGIN_NOTIFY_ROUTER_INT_H
#include "map.h"
#include "router.h"

enum {
    ROUTER_CLEAN_MS = 30000,    /* empty groups are dropped so often */
    ROUTER_GC_MS = 900000,      /* and what is over */
    ROUTER_KEEP_MS = 432000000, /* silences and log entries, five days */
    ROUTER_FLUSHES_MAX = 100,   /* of one tick */
    ROUTER_GROUPS_MAX = 100000,
    ROUTER_ALERTS_MAX = 1000000,
    FLAP_CHANGES_MAX = 32
};

struct group {
    char *id;  /* of its route and labels: unique */
    char *key; /* as Alertmanager shows it */
    const struct route *route;
    struct labels labels;
    struct map alerts; /* fp -> struct alert, counted */
    int64_t next_ms;   /* of the next flush */
    int has_flushed;
    /* the incident: from the first notification to the one that all is resolved */
    int64_t opened_ms;    /* 0: none */
    int64_t step_late_ms; /* a step found all muted: not again before */
    size_t steps;         /* reached */
    int64_t acked_ms;
    char *acked_by;
};

/* What was said to an integration about a group. */
struct said {
    char **firing, **resolved; /* fingerprints, sorted */
    size_t n_firing, n_resolved;
    int64_t at_ms, expires_ms;
};

/* The window of a storm cap. */
struct storm {
    const struct integration *to;
    int64_t since_ms, sent;
    json_t *held; /* list of {groupKey, title, status, firing} */
};

struct flap {
    int64_t at_ms[FLAP_CHANGES_MAX]; /* a ring */
    unsigned n;
    int was_firing;
};

struct router {
    const struct conf *conf;
    router_emit_fn *emit;
    void *arg;
    struct map alerts, groups, said, silences, storms, flaps, dirty;
    struct map *sources; /* of each inhibition rule: alerts that may be one, by fingerprint */
    struct map members;  /* while loading: group id -> list of fingerprints */
    uint64_t serial;
    int64_t clean_ms, gc_ms;
    int64_t counts[ROUTER_COUNTS];
};

/* An alert at a flush. */
struct seen {
    struct alert *alert;
    int is_resolved;
};

struct due {
    struct group *group;
    const struct integration *to;
    const struct seen *seen;
    size_t n, n_firing;
    size_t step; /* 0: the route's own receiver */
    int64_t now_ms;
};

void router_dirty(struct router *r, char kind, const char *key);

/* group.c */
struct group *group_get(struct router *r, const struct route *route, const struct labels *labels,
                        int64_t now_ms);
void group_insert(struct router *r, struct group *g, struct alert *a, int64_t now_ms);
void group_flush(struct router *r, struct group *g, int64_t now_ms);
void group_step(struct router *r, struct group *g, int64_t now_ms);
int64_t group_step_ms(const struct group *g);
void group_free(struct group *g);

/* said.c: the notification log */
void said_notify(struct router *r, struct due *due);
void said_free(struct said *s);

/* storm.c */
/* 1: it was held back for a summary. */
int storm_holds(struct router *r, const struct due *due, const json_t *notice);
void storm_tick(struct router *r, int64_t now_ms);
int64_t storm_next_ms(const struct router *r);
void storm_free(struct storm *s);

/* flap.c */
void flap_take(struct router *r, struct alert *a, int64_t now_ms);

/* render.c */
json_t *render_notice(const struct router *r, const struct due *due);
json_t *render_summary(const struct router *r, const struct storm *s, int64_t now_ms);

/* state.c */
json_t *state_save(const struct router *r, const char *key);

#endif
