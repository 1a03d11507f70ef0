/* SPDX-License-Identifier: Apache-2.0
 * Outputs in Kafka transactions: which blocks go together, and what happens when it goes wrong.
 *
 * One transaction is always begun; it costs the broker nothing until something is in it. Blocks
 * that come while one ends wait, and then leave together: so transactions grow with load, as
 * commits do. Each carries the offsets of its lanes with a mark (kafka_mark.c), and shows the
 * consumer's generation of when the lane was taken: a worker that lost a partition cannot commit
 * for it any more, whichever of its own threads has noticed.
 *
 *   waiting --> current: produced --> [thread] offsets, commit --> reported
 *      ^------------- aborted <-----------------+
 *
 * aborted: the same again, after a pause. Stale: the group gave the lane to somebody; its blocks
 * stay where they are, in the journal, and the lane is given up. Broken: whether it was committed
 * is not known, so all lanes of it are given up and taken again, and the group's offset tells.
 * Blocks of lanes that have no group (webhooks, schedules) are sent again then.
 *
 * Thread: the worker's. Calls that block run on a thread of their own (kafka_txn_job.c), whose loop
 * takes jobs by mail.
 */
#include "trigger/kafka_int.h"
#include "base/log.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* One transaction must fit into librdkafka's queue. */
enum { MESSAGES_MAX = 200000, BYTES_MAX = 128 << 20 };
enum { PAUSE_US = 200000, BROKEN_PAUSE_US = 1000000, DROP_US = 50000 };

/* A block that waits to be committed, or one that only moves an offset. */
struct batch {
    struct link link;
    struct lane *lane;                   /* NULL: it is gone */
    struct kafka_track *track;           /* NULL: only an offset */
    struct kafka_generation *generation; /* NULL: no offset */
    struct store_block block;            /* our copy of its positions and outputs */
    char *topic;                         /* of the source */
    int32_t partition;
    uint64_t offset;
    struct kafka_mark mark;
    uint32_t n;
    _Alignas(uint64_t) char bytes[]; /* positions, outputs, topic */
};

enum state { OPENING = 1, READY, ENDING, PAUSED };

struct kafka_txn {
    struct kafka_producer *p;
    struct thread thread;
    struct loop *loop; /* the thread's */
    enum state state;
    struct kafka_txn_job job;
    bool job_runs;
    struct link waiting, current; /* struct batch */
    struct timer pause_timer, drop_timer;
    bool spoilt;
    char why[200];
};

static void start_job(struct kafka_txn *txn);
static void try_start(struct kafka_txn *txn);

static struct kafka_txn *txn_of(struct kafka_txn_job *job)
{
    return CONTAINER_OF(job, struct kafka_txn, job);
}

/* --- batches ---------------------------------------------------------------------------------- */

static void batch_free(struct batch *b)
{
    list_remove(&b->link);
    kafka_generation_unref(b->generation);
    free(b);
}

static struct batch *batch_make(const struct store_block *block, size_t topic_bytes)
{
    size_t positions = block->n * sizeof *block->positions, outputs = block->outputs.len;
    struct batch *b = xcalloc(1, sizeof *b + positions + outputs + topic_bytes);
    char *at = b->bytes;
    b->block = (struct store_block){ .source = block->source,
                                     .partition = block->partition,
                                     .epoch = block->epoch,
                                     .seq = block->seq,
                                     .n = block->n,
                                     .n_outputs = block->n_outputs };
    if (positions)
        memcpy(at, block->positions, positions);
    b->block.positions = (const uint64_t *)(const void *)at;
    at += positions;
    if (outputs)
        memcpy(at, block->outputs.ptr, outputs);
    b->block.outputs = (wf_str){ at, outputs };
    b->topic = at + outputs;
    return b;
}

/* What the transaction tells the lane's group. */
static void batch_set_offset(struct kafka_txn *txn, struct batch *b, struct kafka_lane *kl)
{
    if (b->block.seq > kl->seq)
        kl->seq = b->block.seq;
    kl->moved = kl->position;
    b->generation = kafka_generation_ref(kl->generation);
    strcpy(b->topic, kl->topic);
    b->partition = kl->partition;
    b->offset = kl->position;
    b->mark = (struct kafka_mark){ .source = kl->source, .epoch = kl->epoch, .seq = kl->seq };
    strcpy(b->mark.owner, txn->p->sink->owner);
}

void kafka_txn_add(struct kafka_txn *txn, struct lane *lane, const struct store_block *block,
                   struct kafka_track *track, uint32_t n)
{
    struct kafka_lane *kl = kafka_lane_of(lane);
    struct batch *b = batch_make(block, kl ? strlen(kl->topic) + 1 : 1);
    b->lane = lane;
    b->track = track;
    b->n = n;
    if (kl)
        batch_set_offset(txn, b, kl);
    list_append(&txn->waiting, &b->link);
    if (b->generation && b->generation->stale && !timer_is_running(&txn->drop_timer))
        timer_start(txn->p->sink->loop, &txn->drop_timer, DROP_US);
    try_start(txn);
}

void kafka_txn_move(struct kafka_txn *txn, struct kafka_lane *kl)
{
    struct store_block none = { .source = kl->source };
    struct batch *b = batch_make(&none, strlen(kl->topic) + 1);
    b->lane = kl->lane;
    batch_set_offset(txn, b, kl);
    list_append(&txn->waiting, &b->link);
    try_start(txn);
}

/* Nobody waits for it: its lane is gone. */
static void batch_drop(struct kafka_txn *txn, struct batch *b)
{
    struct kafka_track *track = b->track;
    uint32_t n = b->n;
    batch_free(b);
    txn->p->sink->stats.waiting -= n;
    if (track)
        kafka_track_done(txn->p->sink, track, n);
}

void kafka_txn_forget(struct kafka_txn *txn, struct lane *lane)
{
    struct batch *b;
    LIST_EACH(b, &txn->current, struct batch, link)
    {
        if (b->lane == lane)
            b->lane = NULL;
    }
    LIST_EACH(b, &txn->waiting, struct batch, link)
    {
        if (b->lane == lane)
            batch_drop(txn, b);
    }
}

void kafka_txn_spoil(struct kafka_txn *txn, const char *why)
{
    if (!txn->spoilt)
        snprintf(txn->why, sizeof txn->why, "%s", why);
    txn->spoilt = true;
}

/* --- ending one ------------------------------------------------------------------------------- */

static struct kafka_txn_group *group_of(struct kafka_txn_job *job, struct kafka_generation *g)
{
    for (uint32_t i = 0; i < job->n_groups; i++)
        if (job->groups[i].generation == g)
            return &job->groups[i];
    job->groups = xrealloc(job->groups, (job->n_groups + 1) * sizeof *job->groups);
    struct kafka_txn_group *group = &job->groups[job->n_groups++];
    *group = (struct kafka_txn_group){ .generation = kafka_generation_ref(g),
                                       .offsets = rd_kafka_topic_partition_list_new(8) };
    return group;
}

static void add_offset(struct kafka_txn_job *job, const struct batch *b)
{
    char text[KAFKA_MARK_TEXT];
    if (!b->generation)
        return;
    rd_kafka_topic_partition_list_t *list = group_of(job, b->generation)->offsets;
    rd_kafka_topic_partition_t *at =
        rd_kafka_topic_partition_list_find(list, b->topic, b->partition);
    if (!at)
        at = rd_kafka_topic_partition_list_add(list, b->topic, b->partition);
    kafka_mark_text(&b->mark, text);
    at->offset = (int64_t)b->offset;
    free(at->metadata); /* librdkafka frees it likewise */
    at->metadata = xstrdup(text);
    at->metadata_size = strlen(text);
}

static void free_groups(struct kafka_txn_job *job)
{
    for (uint32_t i = 0; i < job->n_groups; i++) {
        kafka_generation_unref(job->groups[i].generation);
        rd_kafka_topic_partition_list_destroy(job->groups[i].offsets);
    }
    free(job->groups);
    job->groups = NULL;
    job->n_groups = 0;
}

static bool may_leave(const struct batch *b) { return !b->generation || !b->generation->stale; }

/* What waits goes into the transaction that is begun, as much as fits. */
static void fill(struct kafka_txn *txn)
{
    uint32_t messages = 0;
    size_t bytes = 0;
    struct batch *b;
    LIST_EACH(b, &txn->waiting, struct batch, link)
    {
        if (messages >= MESSAGES_MAX || bytes >= BYTES_MAX)
            break;
        if (!may_leave(b))
            continue;
        messages += b->n;
        bytes += b->block.outputs.len;
        list_remove(&b->link);
        list_append(&txn->current, &b->link);
        if (b->n)
            kafka_producer_send(txn->p, &b->block, b->track);
        add_offset(&txn->job, b);
    }
}

static void try_start(struct kafka_txn *txn)
{
    if (txn->state != READY)
        return;
    txn->spoilt = false;
    fill(txn);
    if (list_empty(&txn->current))
        return;
    txn->state = ENDING;
    txn->job.abort = txn->spoilt;
    if (txn->spoilt)
        snprintf(txn->job.why, sizeof txn->job.why, "%s", txn->why);
    start_job(txn);
}

/* --- how it went ------------------------------------------------------------------------------ */

static void on_committed(struct kafka_txn *txn)
{
    struct kafka_sink *s = txn->p->sink;
    struct batch *b;
    s->stats.transactions_committed++;
    txn->p->trouble[0] = 0;
    while ((b = LIST_FIRST(&txn->current, struct batch, link))) {
        struct kafka_track *track = b->track;
        uint32_t n = b->n;
        batch_free(b); /* what follows may end lanes, and looks through the lists */
        s->stats.acknowledged += n;
        s->stats.waiting -= n;
        if (track)
            kafka_track_done(s, track, n);
    }
}

/* Puts what was not committed back in front, in its order; what nobody waits for is dropped. */
static void take_back(struct kafka_txn *txn)
{
    while (!list_empty(&txn->current)) {
        struct batch *b = CONTAINER_OF(txn->current.prev, struct batch, link);
        list_remove(&b->link);
        list_prepend(&txn->waiting, &b->link);
    }
    struct batch *b;
    LIST_EACH(b, &txn->waiting, struct batch, link)
    {
        if (!b->lane)
            batch_drop(txn, b);
    }
}

static struct lane *stale_lane(struct kafka_txn *txn)
{
    struct batch *b;
    LIST_EACH(b, &txn->waiting, struct batch, link)
    {
        if (b->lane && !may_leave(b))
            return b->lane;
    }
    return NULL;
}

/* Lanes that were given to somebody else are given up, as when the store refuses a commit. One
 * whose commit is in flight stays until that has ended. */
static void drop_stale(void *arg)
{
    struct kafka_txn *txn = arg;
    struct lane *lane, *before = NULL;
    while ((lane = stale_lane(txn)) && lane != before) {
        engine_lane_drop(txn->p->sink->engine, lane, false);
        before = lane;
    }
    if (lane)
        timer_start(txn->p->sink->loop, &txn->drop_timer, DROP_US);
}

static void pause_txn(struct kafka_txn *txn, int64_t us)
{
    txn->state = PAUSED;
    timer_start(txn->p->sink->loop, &txn->pause_timer, us);
}

static void on_aborted(struct kafka_txn *txn)
{
    struct kafka_txn_job *job = &txn->job;
    struct kafka_producer *p = txn->p;
    p->sink->stats.transactions_aborted++;
    log_warn("kafka", "sink.aborted",
             "a transaction was aborted, its outputs leave with another: %s", job->why);
    if (job->result == KAFKA_TXN_STALE)
        job->groups[job->stale].generation->stale = true;
    else
        snprintf(p->trouble, sizeof p->trouble, "kafka: %s", job->why);
    take_back(txn);
    drop_stale(txn);
}

/* One trigger of the lanes whose last transaction ended nobody knows how. */
static struct kafka_trigger *next_unknown(struct kafka_txn *txn)
{
    struct batch *b;
    LIST_EACH(b, &txn->current, struct batch, link)
    {
        struct kafka_lane *kl = b->lane ? kafka_lane_of(b->lane) : NULL;
        if (!kl || kl->generation->stale)
            continue;
        kl->generation->stale = true;
        if (!kl->gone)
            return kafka_of(kl->trigger);
    }
    return NULL;
}

static void open_again(struct kafka_txn *txn)
{
    struct err err;
    struct kafka_producer *p = txn->p;
    txn->job.broken = txn->job.rk;
    txn->job.rk = kafka_producer_client(p, &err);
    if (!txn->job.rk) { /* it worked with the same settings before */
        snprintf(p->trouble, sizeof p->trouble, "%s", err.text);
        txn->job.rk = txn->job.broken;
        txn->job.broken = NULL;
        pause_txn(txn, BROKEN_PAUSE_US);
        return;
    }
    kafka_producer_attach(p, txn->job.rk);
    txn->state = OPENING;
    txn->job.opening = true;
    start_job(txn);
}

static void on_broken(struct kafka_txn *txn)
{
    struct kafka_producer *p = txn->p;
    struct kafka_trigger *k;
    if (!list_empty(&txn->current))
        p->sink->stats.transactions_aborted++;
    snprintf(p->trouble, sizeof p->trouble, "kafka: %s", txn->job.why);
    log_warn("kafka", "sink.broken",
             "the producer is made anew, and what left is asked of the group: %s", txn->job.why);
    kafka_producer_detach(p);
    while ((k = next_unknown(txn)))
        kafka_trigger_reopen(k);
    take_back(txn);
    drop_stale(txn);
    txn->job.opening = true; /* what the pause ends with */
    pause_txn(txn, BROKEN_PAUSE_US);
}

static void on_pause(void *arg)
{
    struct kafka_txn *txn = arg;
    if (txn->job.opening) {
        open_again(txn);
        return;
    }
    txn->state = READY;
    try_start(txn);
}

static void on_job_done(struct kafka_txn_job *job)
{
    struct kafka_txn *txn = txn_of(job);
    bool again = false;
    kafka_producer_poll(txn->p, 0); /* reports of what was refused */
    if (job->result == KAFKA_TXN_BROKEN) {
        on_broken(txn);
    } else {
        job->opening = false;
        if (job->result == KAFKA_TXN_OPENED)
            txn->p->trouble[0] = 0;
        else if (job->result == KAFKA_TXN_COMMITTED)
            on_committed(txn);
        else
            on_aborted(txn);
        again = true;
    }
    free_groups(job);
    if (again && job->result == KAFKA_TXN_ABORTED)
        pause_txn(txn, PAUSE_US);
    else if (again) {
        txn->state = READY;
        try_start(txn);
    }
}

/* --- the thread ------------------------------------------------------------------------------- */

static void on_answer(struct mail *m)
{
    struct kafka_txn_job *job = CONTAINER_OF(m, struct kafka_txn_job, mail);
    txn_of(job)->job_runs = false;
    job->done(job);
}

/* [its thread] */
static void on_job(struct mail *m)
{
    struct kafka_txn_job *job = CONTAINER_OF(m, struct kafka_txn_job, mail);
    kafka_txn_job_run(job);
    job->mail.fn = on_answer;
    __atomic_store_n(&job->ended, 1, __ATOMIC_RELEASE);
    loop_post(job->home, &job->mail);
}

static void start_job(struct kafka_txn *txn)
{
    txn->job_runs = true;
    __atomic_store_n(&txn->job.ended, 0, __ATOMIC_RELEASE);
    txn->job.mail.fn = on_job;
    loop_post(txn->loop, &txn->job.mail);
}

static void thread_main(void *arg)
{
    struct kafka_txn *txn = arg;
    loop_run(txn->loop);
    loop_shut(txn->loop);
}

/* --- life ------------------------------------------------------------------------------------- */

struct kafka_txn *kafka_txn_create(struct kafka_producer *p, struct err *err)
{
    struct kafka_txn *txn = xcalloc(1, sizeof *txn);
    txn->p = p;
    list_init(&txn->waiting);
    list_init(&txn->current);
    txn->pause_timer = (struct timer){ .fn = on_pause, .arg = txn };
    txn->drop_timer = (struct timer){ .fn = drop_stale, .arg = txn };
    txn->job = (struct kafka_txn_job){
        .home = p->sink->loop, .done = on_job_done, .rk = p->rk, .opening = true
    };
    txn->loop = loop_create(err);
    if (!txn->loop)
        goto fail_loop;
    if (thread_start(&txn->thread, "kafka-txn", thread_main, txn, err) != 0)
        goto fail_thread;
    txn->state = OPENING;
    start_job(txn);
    return txn;

fail_thread:
    loop_destroy(txn->loop);
fail_loop:
    free(txn);
    return NULL;
}

static void on_ignored(struct kafka_txn_job *job) { (void)job; }

/* Its reports must be served, or a commit that must fail waits for them. */
static void wait_for_job(struct kafka_txn *txn)
{
    __atomic_store_n(&txn->job.stopping, 1, __ATOMIC_RELEASE);
    loop_stop(txn->loop);
    while (txn->job_runs && !__atomic_load_n(&txn->job.ended, __ATOMIC_ACQUIRE))
        kafka_producer_poll(txn->p, 20);
    thread_join(&txn->thread);
    txn->job.done = on_ignored;
    if (txn->job_runs) /* its answer may be on the way, and must not come when all is free */
        loop_shut(txn->p->sink->loop);
}

void kafka_txn_destroy(struct kafka_txn *txn)
{
    struct batch *b;
    timer_stop(txn->p->sink->loop, &txn->pause_timer);
    timer_stop(txn->p->sink->loop, &txn->drop_timer);
    wait_for_job(txn);
    loop_destroy(txn->loop);
    free_groups(&txn->job);
    while ((b = LIST_FIRST(&txn->current, struct batch, link)))
        batch_drop(txn, b);
    while ((b = LIST_FIRST(&txn->waiting, struct batch, link)))
        batch_drop(txn, b);
    kafka_producer_detach(txn->p);
    if (txn->job.broken)
        rd_kafka_destroy(txn->job.broken);
    rd_kafka_destroy(txn->job.rk);
    free(txn);
}
