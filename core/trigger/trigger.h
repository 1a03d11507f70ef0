/* SPDX-License-Identifier: Apache-2.0
 * trigger: outside event -> inbound record, acknowledged after commit; and the way back out, for
 * outputs that go to Kafka.
 *
 * A trigger is one trigger node of one plan on one worker. It owns the lanes of its source: it
 * takes them from the store (store_assign), resends what a crash left unreleased, restores what was
 * parked, and only then takes new events. All of it runs on the worker's loop and never blocks.
 *
 * Kinds: kafka (one consumer per worker in a group), webhook (routes on the worker's HTTP server),
 * schedule (fire times claimed once among all engines), error (executions of this worker that
 * failed), plugin (wf_node.trigger), manual (started by a person).
 */
#ifndef CATALYST_TRIGGER_H
#define CATALYST_TRIGGER_H
#include "engine/engine.h"
#include "store/store.h"

struct loop;
struct offload;
struct offload_owner;
struct http_request;
struct kafka_sink;
struct webhook_table;
struct error_table;
struct wf_webhook_trigger;
struct trigger;

/* A name and value handed to librdkafka: "security.protocol", "sasl.mechanism" ... */
struct kafka_property {
    const char *name, *value;
};
struct kafka_settings {
    const char *brokers;                     /* NULL: no Kafka is configured */
    const struct kafka_property *properties; /* n of them; secrets are hidden in logs */
    size_t n_properties;
    bool transactions; /* outputs and consumer offsets go in Kafka transactions */
    uint64_t run;      /* chosen by lot when the process starts: part of its transactional ids */
    /* [any] The credential of type kafka with that id, which is the name of a connection; or NULL.
     */
    const wf_cred *(*credential)(void *ctx, wf_str id);
    void *ctx;
};

/* What a worker gives its triggers. */
struct trigger_host {
    struct loop *loop;
    struct engine *engine;
    struct store *store;
    struct store_session *session;
    struct offload *offload; /* for store calls that block */
    struct offload_owner *owner;
    uint32_t worker, n_workers;
    uint32_t instance; /* of this engine process, in the store */
    const struct kafka_settings *kafka;
    struct kafka_sink *sink;        /* NULL without Kafka */
    struct webhook_table *webhooks; /* routes of this worker; NULL without HTTP */
    int64_t webhook_accept_ms;      /* how long a request waits for a store that is down */
    const bool *store_up;           /* of the worker */
    struct error_table *errors;     /* error triggers of this worker */
    void *ctx;
    /* Something may be ready: run a turn soon. */
    void (*poke)(void *ctx);
    /* A parked execution of a version that is not loaded here: copies it, has the version loaded,
     * restores. */
    void (*need_version)(void *ctx, struct lane *lane, const struct store_exec *exec);
};

/* Kinds, found by the node's type. */
struct trigger_kind {
    const char *type; /* "catalyst.kafkaTrigger" */
    struct trigger *(*start)(struct trigger_host *host, struct engine_plan *ep, uint32_t node,
                             uint32_t source, struct err *err);
    /* A newer version of the workflow, whose trigger node has the same parameters: later events run
     * on it. */
    void (*replace)(struct trigger *t, struct engine_plan *ep, uint32_t node);
    /* Takes no more events and gives its lanes up; with `drain` after what runs has ended. Calls
     * gone(ctx) once no lane is left, then the trigger is freed. */
    void (*stop)(struct trigger *t, bool drain, void (*gone)(void *ctx), void *ctx);
    /* Hands up to `room` events to engine_accept; returns how many. NULL: events come by callbacks.
     */
    size_t (*take)(struct trigger *t, size_t room);
    /* The engine gave the lane up (engine_io.lane_lost). */
    void (*lane_lost)(struct trigger *t, struct lane *lane);
    /* engine_io.acknowledge. May be NULL. */
    void (*acknowledge)(struct trigger *t, struct lane *lane, uint64_t position);
    /* Events waiting outside, for metrics (Kafka lag); -1: not known. May be NULL. */
    int64_t (*lag)(struct trigger *t);
    /* Times that its partitions were given or taken, for metrics. NULL: it has none. */
    uint64_t (*rebalances)(struct trigger *t);
    /* Whether it works, or a sentence why not (ready checks). May be NULL. */
    const char *(*trouble)(struct trigger *t);
    /* "kafka", "webhook": the source kind in the store, and the name of the source: topic list,
     * path ... */
    const char *source_kind;
    wf_str (*source_name)(struct arena *a, const struct plan_node *node);
    /* Its lanes come to it by themselves when their engine is dead; others are taken over. */
    bool takes_over;
};

/* Every trigger begins with this. A lane's user pointer is the trigger's own lane record, which
 * begins with a `struct trigger *`; a trigger that is its own lane record has `self` for that. */
struct trigger {
    struct trigger *self;
    const struct trigger_kind *kind;
    struct trigger_host *host;
    struct engine_plan *ep;
    uint32_t node, source;
};

/* NULL: the node type is no trigger that this engine runs. */
const struct trigger_kind *trigger_kind_find(const struct node_type *type);
/* What inbound.reply of a trigger's event points to begins with this. */
struct trigger_reply {
    void (*answer)(const struct engine_reply_out *reply);
};
/* engine_io.answer. */
static inline void trigger_answer(const struct engine_reply_out *reply)
{
    ((const struct trigger_reply *)reply->handle)->answer(reply);
}
/* The trigger a lane belongs to. */
static inline struct trigger *lane_trigger(const struct lane *lane)
{
    return *(struct trigger **)lane_user(lane);
}

/* --- lanes: the common way to take one (lane_open.c) ------------------------------------------ */

/* The partition of a source whose events have no place of their own: each worker of each engine has
 * one. */
static inline uint32_t lane_of_worker(const struct trigger_host *host)
{
    return host->instance * WORKERS_MAX + host->worker;
}

struct lane_open;
struct lane_open_config {
    struct trigger *trigger;
    uint32_t partition;
    void *user; /* of the lane; begins with `struct trigger *` */
    /* Only for a lane that is new in the store: its first position, asked for on a pool thread
     * because it may block. NULL: 0. */
    uint64_t (*first_position)(void *user);
    /* On the loop: the lane as the store has it, before anything of it is resent. May be NULL. */
    void (*assigned)(void *user, const struct store_lane *at);
    /* On the loop: the lane is ready, its past resent and restored; or NULL with *err. */
    void (*ready)(void *user, struct lane *lane, const struct err *err);
    /* After lane_open_cancel: `user` is not needed any more. Where the lane was with the engine
     * already, lane_lost is called instead. */
    void (*dropped)(void *user);
};
/* Assigns the lane, resends blocks after `released`, restores parked executions, calls ready. For
 * durability none and at_least_once the journal has no position: `position` is handed over as it
 * is. */
struct lane_open *lane_open_start(const struct lane_open_config *config);
/* Forgets it: ready is not called, dropped is, now or later. NULL (from lane_open_start: it was
 * ready at once) does nothing. */
void lane_open_cancel(struct lane_open *o);
/* Its lane was lost (trigger_kind.lane_lost) before it was ready: neither ready nor dropped is
 * called. */
void lane_open_lost(struct lane_open *o);

/* --- kafka sink: outputs to Kafka, one producer per worker and connection --------------------- */

/* NULL with *err. `released` is engine_released. The settings stay. Without brokers in them there
 * are only the connections of credentials. */
struct kafka_sink *kafka_sink_create(struct loop *loop, struct engine *engine, uint32_t worker,
                                     const struct kafka_settings *settings, struct err *err);
/* Whether outputs may name that connection; "": the settings' own. */
bool kafka_sink_knows(struct kafka_sink *sink, const char *connection);
/* The transactional.id of its producer; NULL: outputs do not go in transactions. */
const char *kafka_sink_transactions(const struct kafka_sink *sink);
/* Waits up to grace_ms for what is under way. */
void kafka_sink_destroy(struct kafka_sink *sink, int64_t grace_ms);
/* Sends the kafka outputs of a block; engine_released follows when all are acknowledged. Copies. */
void kafka_sink_send(struct kafka_sink *sink, struct lane *lane, uint64_t seq,
                     const struct store_block *block);
/* The lane is gone: nothing is reported for it any more. */
void kafka_sink_forget(struct kafka_sink *sink, struct lane *lane);
struct kafka_sink_stats {
    uint64_t sent, acknowledged, failed, bytes;
    uint64_t waiting; /* now */
    uint64_t transactions_committed, transactions_aborted;
};
const struct kafka_sink_stats *kafka_sink_stats(const struct kafka_sink *sink);
/* A sentence while the broker does not answer; NULL: all is well. */
const char *kafka_sink_trouble(const struct kafka_sink *sink);

/* Topics that are to be there; `each` is told of all. -1 with *err: the cluster cannot be asked.
 * One that is there stays as it is. Blocks. */
struct kafka_topic {
    const char *name;
    int partitions;
};
enum kafka_topic_state {
    KAFKA_TOPIC_MISSING = 1, /* dry_run: it would be created */
    KAFKA_TOPIC_CREATED,
    KAFKA_TOPIC_THERE,
    KAFKA_TOPIC_SMALLER, /* there, with fewer partitions than wanted */
    KAFKA_TOPIC_FAILED,
};
struct kafka_topic_report {
    const char *name;
    int wanted, partitions, replication;
    enum kafka_topic_state state;
    const char *error; /* FAILED: why */
};
typedef void kafka_on_topic(void *ctx, const struct kafka_topic_report *report);
struct kafka_topics_how {
    int replication; /* 0: three, or as many as there are brokers */
    bool dry_run;
};
int kafka_topics_make(const struct kafka_settings *settings, const struct kafka_topic *topics,
                      size_t n, const struct kafka_topics_how *how, kafka_on_topic *each, void *ctx,
                      struct err *err);

/* librdkafka's own mock cluster in this process (`--kafka embedded`). Returns its bootstrap
 * address. */
struct kafka_embedded;
struct kafka_embedded *kafka_embedded_start(const char *const *topics, size_t n_topics,
                                            int partitions, struct err *err);
const char *kafka_embedded_brokers(const struct kafka_embedded *k);
void kafka_embedded_stop(struct kafka_embedded *k);

/* --- webhooks: the routes of one worker ------------------------------------------------------- */

struct webhook_table *webhook_table_create(void);
void webhook_table_destroy(struct webhook_table *t);
/* Each method and path that a webhook answers: "POST", "/webhook/orders/:id". They live during the
 * call. */
void webhook_each_route(const struct wf_webhook_trigger *c,
                        void (*each)(void *ctx, const char *method, const char *pattern),
                        void *ctx);
/* A request of the worker's HTTP server: answered now, or by its execution. */
void webhook_request(struct webhook_table *t, struct http_request *req);

/* --- error workflows: the error triggers of one worker ---------------------------------------- */

struct error_table *error_table_create(void);
/* After the last turn; what waits is dropped. */
void error_table_destroy(struct error_table *t);
/* engine_io.start: the active workflow of that id, or of that name, begins soon with this item (a
 * JSON object, copied). Where there is none with an error trigger, or too many wait for it, a line
 * of the log says so. */
void error_workflow_start(struct error_table *t, const char *workflow, wf_str item);

#endif
