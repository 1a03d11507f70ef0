/* SPDX-License-Identifier: Apache-2.0
 * What the Kafka files of this folder share. kafka.c the consumer, kafka_assign.c its partitions,
 * kafka_settle.c what a group's offsets tell of the past, kafka_item.c messages to items;
 * kafka_sink.c blocks of outputs, kafka_producer.c one producer, kafka_txn.c and kafka_txn_job.c
 * its transactions, kafka_mark.c what they leave behind; kafka_conf.c settings for librdkafka and
 * its log.
 */
#ifndef CATALYST_KAFKA_INT_H
#define CATALYST_KAFKA_INT_H
#include "trigger/trigger.h"
#include "base/list.h"
#include "base/map.h"
#include "loop/loop.h"
#include <catalyst/triggers.h>
#include <librdkafka/rdkafka.h>

/* A configuration with brokers and log; the credential's brokers go before those of the settings.
 * NULL with *err. */
rd_kafka_conf_t *kafka_conf_create(const struct kafka_settings *settings,
                                   const struct wf_cred *cred, const char *client, struct err *err);
/* After our own defaults: properties of the settings, login and TLS of the credential (or NULL).
 * Those of the settings that speak of their cluster stay away from a credential's brokers. */
int kafka_conf_connect(rd_kafka_conf_t *conf, const struct kafka_settings *settings,
                       const struct wf_cred *cred, struct err *err);
/* -1 with *err naming the property. */
int kafka_conf_set(rd_kafka_conf_t *conf, const char *name, const char *value, struct err *err);

#define KAFKA_STATISTICS_MS "2000"
/* Of librdkafka's statistics: is a broker connected? */
bool kafka_any_broker_up(const char *json);

/* --- marks with committed offsets: kafka_mark.c ----------------------------------------------- */

enum { KAFKA_OWNER = 160, KAFKA_MARK_TEXT = KAFKA_OWNER + 80 };

struct kafka_mark {
    uint32_t source;
    uint64_t epoch;          /* of the lane when it was written; 0: there is no mark */
    uint64_t seq;            /* blocks up to here have left */
    char owner[KAFKA_OWNER]; /* transactional.id of the producer */
};
void kafka_mark_text(const struct kafka_mark *mark, char text[KAFKA_MARK_TEXT]);
/* False, and an empty mark: it is not one of ours. */
bool kafka_mark_parse(const char *text, size_t len, struct kafka_mark *mark);
/* Up to which block the lane's outputs have left: what the store knows, or the mark when it speaks
 * of this lane and knows more. */
uint64_t kafka_mark_released(const struct kafka_mark *mark, const struct store_lane *at);
/* A transactional.id that no other producer has; `run` is of kafka_settings. */
void kafka_owner_make(uint64_t run, uint32_t worker, char owner[KAFKA_OWNER]);
/* Whether that producer's process has ended for sure; asked by the producer `me`. */
bool kafka_owner_is_dead(const char *owner, const char *me);

/* --- the trigger: kafka.c --------------------------------------------------------------------- */

struct kafka_trigger;

/* The consumer's place in its group when its partitions were assigned: what a transaction shows to
 * move their offsets. Counted, on the worker's thread: batches under way outlive their lanes. */
struct kafka_generation {
    uint32_t refs;
    bool stale; /* the group has moved on, or what left is not known: nothing is sent for it */
    rd_kafka_consumer_group_metadata_t *metadata;
};
struct kafka_generation *kafka_generation_ref(struct kafka_generation *g);
void kafka_generation_unref(struct kafka_generation *g); /* NULL does nothing */

/* A partition of ours. */
struct kafka_lane {
    struct trigger *trigger; /* first: see lane_trigger() */
    struct link link;
    struct lane *lane; /* NULL until it is open, and after it is lost */
    struct lane_open *opening;
    char *topic;
    int32_t partition;
    int64_t start; /* offset to read from */
    bool ready, gone;
    bool again;     /* taken anew while its partition stayed with us */
    bool canceled;  /* while it was opened: callbacks are still to come */
    bool had_owner; /* messages up to the end of its log may have been run: that end is not known
                       yet */
    /* With transactions, else generation is NULL: */
    struct kafka_generation *generation;
    struct kafka_mark found; /* with the group's committed offset */
    uint32_t source;
    uint64_t epoch;
    uint64_t released;        /* blocks up to here left in committed transactions */
    uint64_t seq;             /* last block handed to the sink */
    uint64_t position, moved; /* committed to the store; handed to the sink */
};

struct kafka_trigger {
    struct trigger t;
    const struct wf_kafka_trigger *config;
    rd_kafka_t *rk;
    char group[256];
    rd_kafka_queue_t *queue;
    struct watch *watch;
    int fd;
    struct link lanes;
    unsigned opening;  /* lanes of the assignment under way */
    unsigned canceled; /* lanes that were given up while they were opened */
    bool own_cluster;  /* its messages come from other brokers than outputs go to */
    bool assigning;    /* rd_kafka_assign is still owed */
    bool revoking;     /* the same, once the lanes have ended what runs */
    bool more;         /* messages may be there */
    bool stopping, closing;
    struct kafka_settle *settle; /* the question under way, for the lanes of the assignment */
    struct timer settle_timer;   /* asks again */
    unsigned settling;           /* questions whose answer is still to come, also forgotten ones */
    void (*gone)(void *ctx);
    void *gone_ctx;
    struct timer close_timer;
    struct timer poll_timer;   /* looks even when no wake-up came */
    struct timer revoke_timer; /* ends waiting for lanes */
    struct timer claim_timer;  /* takes lanes anew that another engine took, and left */
    struct kafka_lane *latest;
    uint64_t rebalances;
    char trouble[800];
    bool broker_trouble; /* it is weather: gone as soon as a broker answers */
};

static inline struct kafka_trigger *kafka_of(struct trigger *t)
{
    return (struct kafka_trigger *)t;
}
extern const struct trigger_kind kafka_trigger_kind;

/* What has left is not known any more: gives all lanes up and takes them anew, with what the group
 * and the journal tell. */
void kafka_trigger_reopen(struct kafka_trigger *k);
/* A lane was taken from us, and the group has not said so: asks for it again after a while. */
void kafka_claim_again(struct kafka_trigger *k);
/* NULL: the lane's outputs move no offset of a group. */
struct kafka_lane *kafka_lane_of(struct lane *lane);

/* Whether the journal, not the group, says where reading starts. */
bool kafka_has_journal(const struct kafka_trigger *k);
/* Once no lane is left and no answer is to come: leaves the group. */
void kafka_finish_stop(struct kafka_trigger *k);

/* kafka_assign.c */
void kafka_on_rebalance(rd_kafka_t *rk, rd_kafka_resp_err_t code,
                        rd_kafka_topic_partition_list_t *list, void *opaque);
void kafka_give_up_lanes(struct kafka_trigger *k, bool drain);
void kafka_lane_free(struct kafka_lane *kl);

/* inbound.build of a message: kafka_item.c. */
int kafka_build(const struct lane *lane, void *event, struct arena *a, struct inbound_item **items,
                size_t *n, struct err *err);

/* --- what a group's offsets tell: kafka_settle.c ---------------------------------------------- */

struct kafka_settle;
struct kafka_settle_config {
    struct trigger_host *host;
    rd_kafka_t *rk;    /* the consumer; lives until done() */
    const char *group; /* likewise */
    const rd_kafka_topic_partition_list_t *partitions;
    const char *owner;   /* our producer's transactional.id, left in the marks */
    bool from_beginning; /* a partition nobody read yet gets offset 0 and our mark */
    void *ctx;
    /* On the loop, once. `found`: offsets and metadata; NULL with `why`: ask again later. */
    void (*done)(void *ctx, struct kafka_settle *s, const rd_kafka_topic_partition_list_t *found,
                 const char *why);
};
/* On the pool: fences producers of engines that died, waits until transactions on these partitions
 * have ended, reads their marks and puts our name there. NULL: the pool is full. */
struct kafka_settle *kafka_settle_start(const struct kafka_settle_config *config);

/* --- outputs: kafka_sink.c -------------------------------------------------------------------- */

struct sink_lane;

/* What a block still waits for. */
struct kafka_track {
    struct link link;       /* of its lane */
    struct sink_lane *lane; /* NULL: the lane is gone */
    uint64_t seq;
    uint32_t left;
    bool all_sent;
};

struct kafka_sink {
    struct loop *loop;
    struct engine *engine;
    const struct kafka_settings *settings;
    struct link producers;           /* one for each connection; the settings' own first */
    struct kafka_producer *producer; /* the settings' own; NULL without brokers there */
    struct kafka_producer *latest;   /* looked up last */
    struct map refused;              /* connections that cannot be had, told once */
    struct link lanes;
    struct kafka_sink_stats stats;
    char owner[KAFKA_OWNER]; /* transactional.id; empty: no transactions */
    char trouble[600];       /* of connections that cannot be had */
};
/* n outputs of the block are acknowledged, or nobody waits for them any more. May report its lane,
 * which may end it. */
void kafka_track_done(struct kafka_sink *s, struct kafka_track *track, uint32_t n);

/* The lane's position moved without outputs. */
void kafka_sink_move(struct kafka_sink *s, struct kafka_lane *kl);

/* --- one producer: kafka_producer.c ----------------------------------------------------------- */

struct kafka_producer;
struct kafka_slot;
struct kafka_retry;

struct kafka_producer {
    struct link link; /* of the sink */
    struct kafka_sink *sink;
    char *name;                 /* of the connection; "": of the settings */
    const struct wf_cred *cred; /* or NULL */
    uint32_t n;                 /* outputs of the block at hand */
    rd_kafka_t *rk;
    rd_kafka_queue_t *queue;
    struct watch *watch;
    int fd;
    struct map topics;
    struct sink_topic *latest; /* the topic looked up last */
    struct kafka_slot *slots;
    uint32_t *order;
    uint32_t slots_size;
    struct kafka_retry *retries, **retries_last;
    struct timer retry_timer;
    struct kafka_txn *txn; /* NULL: no transactions */
    char trouble[512];
};

struct kafka_producer *kafka_producer_create(struct kafka_sink *s, wf_str name,
                                             const struct wf_cred *cred, struct err *err);
void kafka_producer_destroy(struct kafka_producer *p);
/* Hands the block's outputs for this connection to librdkafka now; returns how many there are. With
 * transactions a message that is refused spoils the transaction, else it is tried again. */
uint32_t kafka_producer_send(struct kafka_producer *p, const struct store_block *b,
                             struct kafka_track *track);
/* Waits up to that long for reports. */
void kafka_producer_poll(struct kafka_producer *p, int wait_ms);
/* A client of librdkafka comes and goes: a transactional one that broke is replaced. */
rd_kafka_t *kafka_producer_client(const struct kafka_producer *p, struct err *err);
void kafka_producer_attach(struct kafka_producer *p, rd_kafka_t *rk);
void kafka_producer_detach(struct kafka_producer *p);

/* --- its transactions: kafka_txn.c, kafka_txn_job.c ------------------------------------------- */

/* Starts a thread that opens the producer's first transaction. */
struct kafka_txn *kafka_txn_create(struct kafka_producer *p, struct err *err);
/* Ends what is under way, and the producer's client with it. */
void kafka_txn_destroy(struct kafka_txn *txn);
/* The block's outputs, n of them, leave with one of the next transactions. Copies. */
void kafka_txn_add(struct kafka_txn *txn, struct lane *lane, const struct store_block *b,
                   struct kafka_track *track, uint32_t n);
/* The lane's position moved without outputs: its offset goes with the next transaction. */
void kafka_txn_move(struct kafka_txn *txn, struct kafka_lane *kl);
/* Nothing that is not under way is sent for the lane. */
void kafka_txn_forget(struct kafka_txn *txn, struct lane *lane);
/* A message was refused: the transaction under way shall be aborted. */
void kafka_txn_spoil(struct kafka_txn *txn, const char *why);

enum kafka_txn_result {
    KAFKA_TXN_OPENED = 1, /* a transaction is begun */
    KAFKA_TXN_COMMITTED,  /* and the next is begun */
    KAFKA_TXN_ABORTED,    /* and the next is begun */
    KAFKA_TXN_STALE,      /* as aborted: the group knows a newer generation than groups[stale] */
    KAFKA_TXN_BROKEN      /* the client is of no use; whether it committed is not known */
};

/* The offsets of one generation of a group. */
struct kafka_txn_group {
    struct kafka_generation *generation;
    rd_kafka_topic_partition_list_t *offsets;
};

/* What the thread does: filled by the loop, and its again when done() is called there. */
struct kafka_txn_job {
    struct mail mail;
    struct loop *home;
    void (*done)(struct kafka_txn_job *job);
    rd_kafka_t *broken; /* to be destroyed first; or NULL */
    rd_kafka_t *rk;
    bool opening; /* the client is new */
    bool abort;   /* do not try to commit */
    int stopping; /* atomic: do not try again */
    int ended;    /* atomic: it is done, its answer on the way */
    struct kafka_txn_group *groups;
    uint32_t n_groups, stale;
    enum kafka_txn_result result;
    char why[240];
};
/* [its thread] */
void kafka_txn_job_run(struct kafka_txn_job *job);

#endif
