/* SPDX-License-Identifier: Apache-2.0
 * What the files of plugins' triggers share. plugin.c life: when the plugin is started and stopped;
 * plugin_request.c its requests; plugin_lane.c its lane, and who of all engines has the one of
 * WF_TRIGGER_SINGLE; plugin_events.c events in, stored() and ended() back. Thread: the worker's;
 * nothing blocks.
 */
#ifndef CATALYST_PLUGIN_TRIGGER_INT_H
#define CATALYST_PLUGIN_TRIGGER_INT_H
#include "trigger/trigger_int.h"
#include "base/list.h"
#include "loop/loop.h"

/* The texts of one accept(): each has its own reference. */
struct slab;
/* One event's JSON, in its slab. */
struct event_text;

/* An event that was accepted and is not acknowledged yet. */
struct entry {
    struct event_text *text; /* until it is the engine's */
    uint64_t tag;
    uint64_t position; /* in the lane, once it is the engine's */
    uint32_t len, flags;
};

/* One ended() that is to come. They lie in slabs and are used again. */
struct waiter;

/* What plugins know as wf_source. */
struct wf_source {
    struct source_head to; /* first: engine.h */
    struct trigger trigger;
    const wf_trigger *calls;
    const wf_host *host;
    /* Whose state is running: the version that it was started with, which stays open. */
    struct engine_plan *opened;
    uint32_t opened_node;
    struct engine_plan *counted; /* the latest version, whose numbers it moves */
    void *state;
    bool is_single;
    bool is_started; /* the plugin is between start() and stop() */
    bool is_refused; /* start() failed for good */
    bool stopping;
    void (*gone)(void *ctx);
    void *gone_ctx;
    unsigned failures;    /* of start(), in a row */
    struct timer retry;   /* opens the lane, or starts the plugin */
    struct link requests; /* struct asked: its requests under way */
    char trouble[560];

    /* plugin_lane.c */
    struct lane *lane;
    struct lane_open *opening;
    uint64_t epoch;     /* of the lane; 0: it keeps none */
    struct timer watch; /* looks whose the lane is */
    bool asking;        /* the store owes an answer that comes to us */
    bool is_idle;       /* of a single one, not on worker 0 */
    bool is_elsewhere;  /* another engine has it, and lives */

    /* plugin_events.c */
    struct entry *entries; /* a ring; counters grow for ever, an entry stands at counter & mask */
    uint64_t mask;         /* size - 1; 0: none yet */
    uint64_t head, given, tail; /* oldest not acknowledged; next for the engine; next to come */
    uint64_t acked;             /* positions below it are acknowledged by the engine */
    uint64_t next;              /* the least position of the next event */
    uint64_t own;               /* and of one that names no place */
    uint64_t place;             /* the first place that was not taken */
    size_t waiting_bytes;       /* of given .. tail */
    bool wants_room;
    struct timer soon; /* calls back, outside of the engine's calls */
    struct waiter *free_waiters, **waiter_slabs;
    unsigned n_waiter_slabs;
    struct strbuf ended; /* struct ended_record and its texts, one after the other */
};

static inline struct wf_source *source_of(struct trigger *t)
{
    return CONTAINER_OF(t, struct wf_source, trigger);
}

/* plugin_request.c */
int plugin_request(struct wf_source *s, const wf_request *request, wf_source_fn *fn, void *arg);
void plugin_request_cancel(struct wf_source *s); /* all of them */

/* plugin.c */
void plugin_run(struct wf_source *s);    /* the lane is there: starts the plugin */
void plugin_halt(struct wf_source *s);   /* stops it, if it was started */
void plugin_finish(struct wf_source *s); /* a trigger that stops: gone, once nothing is owed */

/* plugin_lane.c */
void plugin_lane_begin(struct wf_source *s); /* looks for the lane, or opens it */
void plugin_lane_stop(struct wf_source *s, bool drain);
void plugin_lane_lost(struct trigger *t, struct lane *lane);

/* plugin_events.c */
void plugin_events_init(struct wf_source *s);
void plugin_events_free(struct wf_source *s);
size_t plugin_accept(struct wf_source *s, const wf_inbound *events, size_t n);
uint64_t plugin_place(struct wf_source *s);
size_t plugin_take(struct trigger *t, size_t room);
void plugin_acknowledge(struct trigger *t, struct lane *lane, uint64_t position);
/* The lane is open: what waits goes there. */
void plugin_events_opened(struct wf_source *s);
/* Hands over what waits, as far as there is room; tells what was stored; without a lane the rest
 * was not. */
void plugin_events_flush(struct wf_source *s);

#endif
