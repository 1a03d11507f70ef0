/* SPDX-License-Identifier: Apache-2.0
 * A Kafka trigger's partitions coming and going.
 *
 *   assign --> (with transactions: the group is asked what has left, kafka_settle.c)
 *          --> lanes are opened (lane_open.c) --> rd_kafka_assign with their positions
 *   revoke --> lanes end what runs and tell the journal what has left, for REVOKE_DRAIN_MS at most:
 *              the next owner then sends nothing twice. What had not ended runs again there.
 *   fenced --> another engine has taken the lane in the store. Mostly the group is about to say the
 *              same. But a claim that a former owner made while the store was away may come late,
 *              from an engine that does not have the partition any more: then nobody would read it.
 *              So a lane whose partition is still ours after a while is taken anew.
 *
 * Thread: the worker's. What may block, asking the group or a new partition's first offset, runs on
 * the pool; the consumer stays until the answers are there, also those nobody waits for.
 */
#include "trigger/kafka_int.h"
#include "base/log.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    WATERMARK_TIMEOUT_MS = 10000,
    ASK_AGAIN_US = 1000000,
    REVOKE_DRAIN_MS = 3000,
    CLAIM_AGAIN_US = 5000000
};

bool kafka_has_journal(const struct kafka_trigger *k)
{
    return engine_plan_get(k->t.ep)->settings.durability >= DURABILITY_EXACTLY_ONCE;
}

/* The group gets its partitions back. */
static void revoke_end(struct kafka_trigger *k)
{
    timer_stop(k->t.host->loop, &k->revoke_timer);
    k->revoking = false;
    kafka_give_up_lanes(k, false);
    rd_kafka_assign(k->rk, NULL);
}

static void on_revoke_timer(void *arg) { revoke_end(arg); }

void kafka_lane_free(struct kafka_lane *kl)
{
    struct kafka_trigger *k = kafka_of(kl->trigger);
    list_remove(&kl->link);
    k->canceled -= kl->canceled;
    kafka_generation_unref(kl->generation);
    free(kl->topic);
    free(kl);
    if (k->revoking && list_empty(&k->lanes))
        revoke_end(k);
    if (k->stopping)
        kafka_finish_stop(k);
}

static void on_lane_dropped(void *user) { kafka_lane_free(user); }

/* Given up before it was open. The pool may still ask the consumer for its first offset. */
static void lane_cancel(struct kafka_trigger *k, struct kafka_lane *kl)
{
    list_remove(&kl->link);
    k->opening--;
    if (!kl->opening) { /* the group was asked first */
        kafka_generation_unref(kl->generation);
        free(kl->topic);
        free(kl);
        return;
    }
    kl->canceled = true;
    k->canceled++;
    lane_open_cancel(kl->opening); /* frees it, maybe later */
}

struct kafka_generation *kafka_generation_ref(struct kafka_generation *g)
{
    g->refs++;
    return g;
}

void kafka_generation_unref(struct kafka_generation *g)
{
    if (!g || --g->refs)
        return;
    rd_kafka_consumer_group_metadata_destroy(g->metadata);
    free(g);
}

struct kafka_lane *kafka_lane_of(struct lane *lane)
{
    struct trigger *t = lane_trigger(lane);
    struct kafka_lane *kl = t->kind == &kafka_trigger_kind ? lane_user(lane) : NULL;
    return kl && kl->generation ? kl : NULL;
}

/* Tells librdkafka what we read and from where, once every lane of the assignment is open. */
static void assign_now(struct kafka_trigger *k)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(16);
    struct kafka_lane *kl;
    LIST_EACH(kl, &k->lanes, struct kafka_lane, link)
    {
        if (!kl->lane || kl->gone)
            continue;
        kl->ready = true;
        rd_kafka_topic_partition_list_add(list, kl->topic, kl->partition)->offset = kl->start;
    }
    rd_kafka_resp_err_t code = rd_kafka_assign(k->rk, list);
    if (code)
        snprintf(k->trouble, sizeof k->trouble, "kafka: assign: %s", rd_kafka_err2str(code));
    else
        rd_kafka_resume_partitions(k->rk, list); /* one that was lost here before is still paused */
    rd_kafka_topic_partition_list_destroy(list);
    k->assigning = false;
    k->more = true;
    k->t.host->poke(k->t.host->ctx);
}

/* Its partition was assigned all the time, and paused. */
static void go_on_reading(struct kafka_trigger *k, struct kafka_lane *kl)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(list, kl->topic, kl->partition)->offset = kl->start;
    rd_kafka_error_t *error = rd_kafka_seek_partitions(k->rk, list, 0);
    if (error)
        rd_kafka_error_destroy(error);
    rd_kafka_resume_partitions(k->rk, list);
    rd_kafka_topic_partition_list_destroy(list);
    kl->ready = true;
    k->more = true;
    k->t.host->poke(k->t.host->ctx);
}

static void on_lane_ready(void *user, struct lane *lane, const struct err *err)
{
    struct kafka_lane *kl = user;
    struct kafka_trigger *k = kafka_of(kl->trigger);
    kl->opening = NULL;
    kl->lane = lane;
    if (!lane) {
        snprintf(k->trouble, sizeof k->trouble, "kafka: partition %s/%d: %s", kl->topic,
                 kl->partition, err->text);
        log_error("kafka", "trigger.lane", "%s", k->trouble);
        if (kl->again)
            kafka_claim_again(k);
        kafka_lane_free(kl);
    } else {
        if (kafka_has_journal(k)) {
            kl->start = (int64_t)lane_id(lane).position;
            kl->position = kl->moved = (uint64_t)kl->start;
        }
        if (kl->had_owner)
            engine_lane_taken(lane, UINT64_MAX); /* until it is known */
        if (kl->again)
            go_on_reading(k, kl);
    }
    if (--k->opening == 0 && k->assigning)
        assign_now(k);
}

/* [pool] Where a group without a position starts. */
static uint64_t first_position(void *user)
{
    struct kafka_lane *kl = user;
    struct kafka_trigger *k = kafka_of(kl->trigger);
    int64_t low = 0, high = 0;
    rd_kafka_resp_err_t code = rd_kafka_query_watermark_offsets(k->rk, kl->topic, kl->partition,
                                                                &low, &high, WATERMARK_TIMEOUT_MS);
    if (code) {
        log_warn("kafka", "trigger.watermark", "%s/%d: %s; starting at the first message",
                 kl->topic, kl->partition, rd_kafka_err2str(code));
        return 0;
    }
    return (uint64_t)(k->config->from_beginning ? low : high);
}

/* Several topics share the numbers of one source: the topic's place in the list makes the upper
 * part. */
static uint32_t lane_number(const struct kafka_trigger *k, const char *topic, int32_t partition)
{
    wf_str all = k->config->topic;
    if (!memchr(all.ptr, ',', all.len) && all.ptr[0] != '^')
        return (uint32_t)partition;
    uint64_t h =
        1469598103934665603u; /* FNV-1a: stable, so a topic keeps its lanes wherever it stands */
    for (const char *p = topic; *p; p++)
        h = (h ^ (unsigned char)*p) * 1099511628211u;
    return (uint32_t)((h >> 20 & 0x7fff) << 16) | (uint32_t)(partition & 0xffff);
}

/* What the store and the group's mark tell of the lane. */
static void on_lane_assigned(void *user, const struct store_lane *at)
{
    struct kafka_lane *kl = user;
    kl->source = at->source;
    kl->epoch = at->epoch;
    kl->had_owner = at->epoch > 1;
    kl->released = kl->seq = kafka_mark_released(&kl->found, at);
    kl->position = kl->moved = at->position;
}

static void open_lane(struct kafka_trigger *k, struct kafka_lane *kl)
{
    struct lane_open_config config = { .trigger = &k->t,
                                       .partition = lane_number(k, kl->topic, kl->partition),
                                       .user = kl,
                                       .first_position =
                                           kafka_has_journal(k) ? first_position : NULL,
                                       .assigned = on_lane_assigned,
                                       .ready = on_lane_ready,
                                       .dropped = on_lane_dropped };
    struct lane_open *opening = lane_open_start(&config);
    if (opening)
        kl->opening = opening;
}

/* Lanes that were added by the assignment and wait to be opened. */
static void open_lanes(struct kafka_trigger *k)
{
    struct kafka_lane *kl;
    LIST_EACH(kl, &k->lanes, struct kafka_lane, link)
    {
        if (!kl->gone && !kl->opening && !kl->lane)
            open_lane(k, kl);
    }
}

/* Whether outputs of its lanes move the group's offsets: they must be of one cluster. */
static bool has_transactions(const struct kafka_trigger *k)
{
    return kafka_has_journal(k) && k->t.host->sink && kafka_sink_transactions(k->t.host->sink) &&
           !k->own_cluster;
}

/* The generation that the assignment belongs to. NULL: the group has forgotten us already, and a
 * rebalance is on its way. */
static struct kafka_generation *generation_now(struct kafka_trigger *k)
{
    rd_kafka_consumer_group_metadata_t *metadata = rd_kafka_consumer_group_metadata(k->rk);
    char *member = rd_kafka_memberid(k->rk);
    bool is_member = metadata && member && *member;
    if (member)
        rd_kafka_mem_free(k->rk, member);
    if (!is_member) {
        if (metadata)
            rd_kafka_consumer_group_metadata_destroy(metadata);
        return NULL;
    }
    struct kafka_generation *g = xcalloc(1, sizeof *g);
    *g = (struct kafka_generation){ .refs = 1, .metadata = metadata };
    return g;
}

static void ask_settled(struct kafka_trigger *k);

static void on_settled(void *ctx, struct kafka_settle *s,
                       const rd_kafka_topic_partition_list_t *found, const char *why)
{
    struct kafka_trigger *k = ctx;
    struct kafka_lane *kl;
    k->settling--;
    if (k->stopping)
        kafka_finish_stop(k);
    if (k->settle != s)
        return; /* of an assignment that is gone; k may be, too */
    k->settle = NULL;
    if (!found) {
        snprintf(k->trouble, sizeof k->trouble, "kafka: %s", why);
        log_warn("kafka", "trigger.settle", "%s", why);
        timer_start(k->t.host->loop, &k->settle_timer, ASK_AGAIN_US);
        return;
    }
    LIST_EACH(kl, &k->lanes, struct kafka_lane, link)
    {
        const rd_kafka_topic_partition_t *p =
            kl->gone || kl->lane ? NULL
                                 : rd_kafka_topic_partition_list_find(
                                       (rd_kafka_topic_partition_list_t *)(uintptr_t)found,
                                       kl->topic, kl->partition);
        if (p)
            kafka_mark_parse(p->metadata, p->metadata_size, &kl->found);
    }
    k->trouble[0] = 0;
    open_lanes(k);
}

static void on_settle_timer(void *arg) { ask_settled(arg); }

/* Asks the group what has left of the lanes that were added. */
static void ask_settled(struct kafka_trigger *k)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(16);
    struct kafka_lane *kl;
    LIST_EACH(kl, &k->lanes, struct kafka_lane, link)
    {
        if (!kl->gone && !kl->opening && !kl->lane)
            rd_kafka_topic_partition_list_add(list, kl->topic, kl->partition);
    }
    struct kafka_settle_config config = { .host = k->t.host,
                                          .rk = k->rk,
                                          .group = k->group,
                                          .partitions = list,
                                          .owner = kafka_sink_transactions(k->t.host->sink),
                                          .from_beginning = k->config->from_beginning,
                                          .ctx = k,
                                          .done = on_settled };
    k->settle_timer = (struct timer){ .fn = on_settle_timer, .arg = k };
    k->settle = kafka_settle_start(&config);
    if (k->settle)
        k->settling++;
    else
        timer_start(k->t.host->loop, &k->settle_timer, ASK_AGAIN_US);
    rd_kafka_topic_partition_list_destroy(list);
}

static struct kafka_lane *add_lane(struct kafka_trigger *k, const rd_kafka_topic_partition_t *at,
                                   struct kafka_generation *generation)
{
    struct kafka_lane *kl = xcalloc(1, sizeof *kl);
    *kl = (struct kafka_lane){ .trigger = &k->t,
                               .topic = xstrdup(at->topic),
                               .partition = at->partition,
                               .start = RD_KAFKA_OFFSET_STORED,
                               .had_owner = true };
    if (generation)
        kl->generation = kafka_generation_ref(generation);
    list_append(&k->lanes, &kl->link);
    return kl;
}

static void on_assign(struct kafka_trigger *k, const rd_kafka_topic_partition_list_t *list)
{
    struct kafka_generation *generation = NULL;
    if (has_transactions(k) && !(generation = generation_now(k))) {
        rd_kafka_assign(k->rk, NULL);
        return;
    }
    if (!k->broker_trouble) /* the group works: a topic that was missed is there */
        k->trouble[0] = 0;
    k->assigning = true;
    k->opening += (unsigned)list->cnt;
    for (int i = 0; i < list->cnt; i++)
        add_lane(k, &list->elems[i], generation);
    if (!list->cnt)
        assign_now(k);
    else if (generation)
        ask_settled(k);
    else
        open_lanes(k);
    kafka_generation_unref(generation);
}

void kafka_give_up_lanes(struct kafka_trigger *k, bool drain)
{
    struct kafka_lane *kl;
    k->latest = NULL;
    k->settle = NULL;
    timer_stop(k->t.host->loop, &k->settle_timer);
    LIST_EACH(kl, &k->lanes, struct kafka_lane, link)
    {
        kl->ready = false;
        if (kl->opening || !kl->lane)
            lane_cancel(k, kl);
        else
            engine_lane_drop(k->t.host->engine, kl->lane, drain);
    }
}

static void revoke_begin(struct kafka_trigger *k)
{
    struct kafka_lane *kl;
    k->assigning = false;
    LIST_EACH(kl, &k->lanes, struct kafka_lane, link) { kl->gone = true; }
}

/* The group waits for us meanwhile, unless it has given our partitions away already. */
static void on_revoke(struct kafka_trigger *k)
{
    revoke_begin(k);
    if (k->stopping || list_empty(&k->lanes) || rd_kafka_assignment_lost(k->rk)) {
        revoke_end(k);
        return;
    }
    k->revoking = true;
    k->revoke_timer = (struct timer){ .fn = on_revoke_timer, .arg = k };
    timer_start(k->t.host->loop, &k->revoke_timer, (int64_t)REVOKE_DRAIN_MS * 1000);
    kafka_give_up_lanes(k, true);
}

void kafka_trigger_reopen(struct kafka_trigger *k)
{
    rd_kafka_topic_partition_list_t *list = NULL;
    if (k->stopping || rd_kafka_assignment(k->rk, &list) != RD_KAFKA_RESP_ERR_NO_ERROR)
        return;
    bool leaving = k->revoking;
    revoke_begin(k);
    revoke_end(k);
    if (!leaving)
        on_assign(k, list);
    rd_kafka_topic_partition_list_destroy(list);
}

static bool has_lane(const struct kafka_trigger *k, const rd_kafka_topic_partition_t *at)
{
    struct kafka_lane *kl;
    LIST_EACH(kl, &k->lanes, struct kafka_lane, link)
    {
        if (kl->partition == at->partition && !strcmp(kl->topic, at->topic))
            return true;
    }
    return false;
}

static void on_claim_timer(void *arg)
{
    struct kafka_trigger *k = arg;
    rd_kafka_topic_partition_list_t *list = NULL;
    if (k->stopping || rd_kafka_assignment_lost(k->rk))
        return;
    if (k->assigning || k->revoking || k->opening) {
        kafka_claim_again(k);
        return;
    }
    if (has_transactions(k)) {
        kafka_trigger_reopen(k);
        return;
    }
    if (rd_kafka_assignment(k->rk, &list) != RD_KAFKA_RESP_ERR_NO_ERROR)
        return;
    for (int i = 0; i < list->cnt; i++) {
        const rd_kafka_topic_partition_t *at = &list->elems[i];
        if (has_lane(k, at))
            continue;
        log_info("kafka", "trigger.claim", "%s/%d is still ours: its lane is taken again",
                 at->topic, at->partition);
        struct kafka_lane *kl = add_lane(k, at, NULL);
        kl->again = true;
        k->opening++;
        open_lane(k, kl);
    }
    rd_kafka_topic_partition_list_destroy(list);
}

void kafka_claim_again(struct kafka_trigger *k)
{
    if (k->stopping || timer_is_running(&k->claim_timer))
        return;
    k->claim_timer = (struct timer){ .fn = on_claim_timer, .arg = k };
    timer_start(k->t.host->loop, &k->claim_timer, CLAIM_AGAIN_US);
}

void kafka_on_rebalance(rd_kafka_t *rk, rd_kafka_resp_err_t code,
                        rd_kafka_topic_partition_list_t *list, void *opaque)
{
    struct kafka_trigger *k = opaque;
    (void)rk;
    k->rebalances++;
    log_info("kafka", "trigger.rebalance", "workflow '%s' worker %u: %s %d partitions",
             engine_plan_get(k->t.ep)->name, k->t.host->worker,
             code == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS ? "takes" : "gives up", list->cnt);
    if (code == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS && !k->stopping)
        on_assign(k, list);
    else
        on_revoke(k);
}
