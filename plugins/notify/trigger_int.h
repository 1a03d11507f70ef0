/* SPDX-License-Identifier: Apache-2.0
 * The trigger node's state, for trigger.c (a life: start, load, work, stop) and batch.c (what is
 * written). Thread: the worker's.
 */
#ifndef PLUGIN_NOTIFY_TRIGGER_INT_H
#define PLUGIN_NOTIFY_TRIGGER_INT_H
#include "map.h"
#include "notify_int.h"
#include "router.h"

/* A notification that is due: an event of the engine until that has stored it. */
struct pending {
    struct pending *next;
    uint64_t tag;
    int is_offered;
    char *id, *json;
};

struct pending_list {
    struct pending *first, **end;
    size_t n;
};

/* One transaction, kept until it is done. */
struct batch {
    wf_statement *at;
    size_t n;
    struct pending_list fresh; /* to be offered when it is */
};

enum trigger_phase {
    TRIGGER_STOPPED = 1,
    TRIGGER_OWNING,  /* takes the routing over */
    TRIGGER_LOADING, /* reads what is kept */
    TRIGGER_WORKING,
    TRIGGER_LOST /* another engine has it now */
};

struct trigger {
    const wf_host *h;
    wf_inst *inst;
    const wf_sql *sql;
    const wf_loop *loop;
    const wf_triggers *triggers;
    char *engine;
    int64_t poll_ms;
    struct conf *conf;
    struct router *router;
    wf_source *source;
    wf_timer *timer;
    enum trigger_phase phase;
    int64_t epoch;
    uint64_t run; /* grows with each start: answers of an earlier one are dropped */
    uint64_t tags;
    unsigned n_calls; /* under way */
    int is_closed, is_busy;
    int has_more; /* the inbox gave as many rows as were asked for */
    struct pending_list due;
    struct batch *batch;
    int64_t cleaned_ms;
    int64_t counted[ROUTER_COUNTS];
    int64_t counted_groups;
    char trouble[500];
};

static inline void pending_add(struct pending_list *list, struct pending *p)
{
    p->next = NULL;
    if (!list->first)
        list->end = &list->first;
    *list->end = p;
    list->end = &p->next;
    list->n++;
}

void pending_free(struct pending_list *list);

/* --- batch.c ---------------------------------------------------------------------------------- */

struct batch *batch_create(void);
void batch_free(struct batch *b);
/* `sql` is a literal; params are copied. */
void batch_add(struct batch *b, const char *sql, unsigned flags, size_t n,
               const char *const *params);
/* What the core did since the last time, and that rows of the inbox are done. */
void batch_fill(struct trigger *t, struct batch *b, const wf_rows *inbox, int64_t now_ms);

#endif
