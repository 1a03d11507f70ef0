/* SPDX-License-Identifier: Apache-2.0
 * What the files of the messages plugin share.
 *
 *   messages.c  the plugin, its tables
 *   record.c    catalyst.messageRecord: a row and an event for what became of a message
 *   status.c    catalyst.messageStatus: a receipt finds its message and moves its state
 *   lookup.c    receipts whose message is not in memory: they wait together for one query
 *   cache.c     messages sent of late, by the name their provider gave them
 *   event.c     the event that tells others of a state
 */
#ifndef PLUGIN_MESSAGES_INT_H
#define PLUGIN_MESSAGES_INT_H
#include <catalyst/channel.h>
#include <catalyst/plugin.h>
#include "metrics.h"
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static inline wf_str str_of(const char *text) { return (wf_str){ text, strlen(text) }; }
static inline bool str_is(wf_str s, const char *text)
{
    return s.len == strlen(text) && !memcmp(s.ptr, text, s.len);
}

/* A string member, empty when there is none; not NUL-ended. */
wf_str member_str(const wf_host *h, const wf_value *object, const char *name);
/* An integer member, or `other`. */
int64_t member_int(const wf_host *h, const wf_value *object, const char *name, int64_t other);
bool member_true(const wf_host *h, const wf_value *object, const char *name);

/* --- cache.c ---------------------------------------------------------------------------------- */

/* How the outside names a part of a message. */
struct place {
    wf_str channel, account, provider_id;
};

/* What is known of a part: bits of enum wf_state. */
struct known {
    uint32_t seen;
};

/* The last messages of this worker, oldest out first; one for all nodes of the worker. [w] */
struct cache;
struct cache *cache_get(void); /* this worker's; counted: cache_put_back() for each */
void cache_put_back(struct cache *c);
/* `context` is JSON text, copied. What is there already for the place keeps what was seen. */
void cache_add(struct cache *c, const struct place *at, wf_str context, uint32_t seen);
/* NULL: not there. The pointers are good until the next cache_add(). */
struct known *cache_find(struct cache *c, const struct place *at, wf_str *context);

/* --- event.c ---------------------------------------------------------------------------------- */

struct event {
    wf_str topic; /* empty: none is sent */
    wf_str channel, id, tenant_id, trace_id, from, to, provider_id, state, code, error_class,
        reason;
    bool wants_receipt;    /* the sender asked for one */
    int64_t at_us;         /* when the provider says it happened; 0: it did not say */
    int64_t message_ts_us; /* when the message was made; 0: it does not say */
};
/* -1: the item was failed. */
int event_send(const wf_host *h, wf_item *it, const struct event *e);

/* --- status.c, lookup.c ----------------------------------------------------------------------- */

struct status_config {
    wf_str events;
    int64_t hold_ms;
};

enum { PORT_MOVED, PORT_OLD, PORT_UNKNOWN };
enum {
    METRIC_MOVED,
    METRIC_OLD,
    METRIC_UNKNOWN,
    METRIC_CACHE_HITS,
    METRIC_CACHE_MISSES,
    METRIC_QUERIES,
    METRIC_WAITING,
    METRIC_ENDED,
    METRIC_END_TIME = METRIC_ENDED + WF_TRAFFICS * ENDS,
    STATUS_METRICS = METRIC_END_TIME + WF_CHANNELS
};
/* The time of a message since its ts_us, into a histogram by channel; nothing where it has none. */
void count_time(const wf_host *h, wf_item *it, wf_inst *inst, unsigned metric,
                const wf_value *message, enum wf_channel channel);

struct waiter {
    wf_ticket ticket;
    struct place at;          /* one block of memory, freed with it: channel.ptr */
    int64_t until_ms, due_ms; /* on the monotonic clock */
    unsigned tries;
};

struct status_node {
    const wf_host *h;
    wf_inst *inst;
    const wf_loop *loop;
    const wf_sql *sql;
    struct cache *cache;
    struct waiter *waiting;
    size_t n_waiting, size;
    wf_timer *timer;
    int64_t timer_ms;       /* when it fires, on the monotonic clock */
    bool is_asking, closed; /* a query is under way: the node is freed when it is back */
    size_t n_asked;         /* the first of `waiting` are in it */
};

void *status_open(const wf_host *h, wf_inst *inst, wf_error *why);
void status_close(const wf_host *h, void *state);
void status_process(const wf_host *h, wf_item *const *items, size_t n);
/* Ends the item with what the cache has; false: it has nothing. */
bool status_finish(const wf_host *h, wf_item *it, struct status_node *node);
/* Ends it on port unknown. */
void status_unknown(const wf_host *h, wf_item *it);
/* The item waits until its message is found or options.hold is over. */
void lookup_wait(struct status_node *node, wf_item *it, const struct place *at, int64_t hold_ms);
void lookup_free(struct status_node *node);

/* --- record.c --------------------------------------------------------------------------------- */

struct record_config {
    wf_str events, outcome, reason;
};
void *record_open(const wf_host *h, wf_inst *inst, wf_error *why);
void record_close(const wf_host *h, void *state);
void record_process(const wf_host *h, wf_item *const *items, size_t n);

#endif
