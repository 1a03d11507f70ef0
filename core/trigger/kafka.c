/* SPDX-License-Identifier: Apache-2.0
 * The Kafka trigger: one consumer per worker in the workflow's group.
 *
 * A message never changes threads: librdkafka wakes the worker's loop through an eventfd, the
 * worker takes what is there and hands slices, not copies, to the engine; the message is given back
 * when its execution has ended. Each assigned partition is a lane. For exactly_once the journal's
 * position decides where reading starts, not the group's committed offset, which is only kept for
 * tools that show lag. For at_least_once and none the group's offset decides, and is stored as the
 * engine acknowledges.
 *
 *   rebalance: assign --> lanes are opened (lane_open.c) --> rd_kafka_assign with their positions
 *              revoke --> lanes are dropped at once; what had not ended runs again at the new owner
 *
 * Thread: the worker's. The only call that may block, asking a new partition for its first offset,
 * runs on the pool.
 */
#include "trigger/kafka_int.h"
#include "trigger/trigger_int.h"
#include "plugin/cred.h"
#include "base/log.h"
#include "loop/loop.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum { TAKE_MAX = 1024, WATERMARK_TIMEOUT_MS = 10000, POLL_US = 1000000 };

static bool has_journal(const struct kafka_trigger *k)
{
    return engine_plan_get(k->t.ep)->settings.durability >= DURABILITY_EXACTLY_ONCE;
}

static void release(void *event) { rd_kafka_message_destroy(event); }

/* --- taking messages -------------------------------------------------------------------------- */

static struct kafka_lane *lane_of(struct kafka_trigger *k, const rd_kafka_message_t *m)
{
    const char *topic = rd_kafka_topic_name(m->rkt);
    struct kafka_lane *kl = k->latest;
    if (kl && kl->partition == m->partition && !strcmp(kl->topic, topic))
        return kl;
    LIST_EACH(kl, &k->lanes, struct kafka_lane, link)
    {
        /* One that was taken away may still end its commit beside the one that came after it. */
        if (!kl->gone && kl->partition == m->partition && !strcmp(kl->topic, topic)) {
            k->latest = kl;
            return kl;
        }
    }
    return NULL;
}

static void on_bad_message(struct kafka_trigger *k, rd_kafka_message_t *m)
{
    if (m->err != RD_KAFKA_RESP_ERR__PARTITION_EOF) {
        snprintf(k->trouble, sizeof k->trouble, "kafka: %s", rd_kafka_message_errstr(m));
        log_warn("kafka", "trigger.error", "%s", rd_kafka_message_errstr(m));
    }
    rd_kafka_message_destroy(m);
}

static bool to_inbound(struct kafka_trigger *k, rd_kafka_message_t *m, struct inbound *in)
{
    if (m->err) {
        on_bad_message(k, m);
        return false;
    }
    struct kafka_lane *kl = lane_of(k, m);
    if (!kl || !kl->lane || !kl->ready) { /* of a partition that was taken away */
        rd_kafka_message_destroy(m);
        return false;
    }
    *in = (struct inbound){ .lane = kl->lane,
                            .position = (uint64_t)m->offset,
                            .event = m,
                            .raw = { m->payload, m->len },
                            .build = kafka_build,
                            .release = release };
    return true;
}

static size_t take(struct trigger *t, size_t room)
{
    struct kafka_trigger *k = kafka_of(t);
    rd_kafka_message_t *messages[TAKE_MAX];
    struct inbound in[TAKE_MAX];
    if (!k->more || k->closing)
        return 0;
    size_t max = room < TAKE_MAX ? room : TAKE_MAX;
    ssize_t got = rd_kafka_consume_batch_queue(k->queue, 0, messages, max);
    if (got <= 0) {
        k->more = false;
        return 0;
    }
    size_t n = 0;
    for (ssize_t i = 0; i < got; i++)
        n += to_inbound(k, messages[i], &in[n]);
    if (n)
        k->trouble[0] = 0;
    engine_accept(t->host->engine, in, n);
    return n;
}

/* Positions of turns without outputs: for those who look at the group's lag. */
static void move_offsets(struct kafka_trigger *k)
{
    struct kafka_lane *kl;
    LIST_EACH(kl, &k->lanes, struct kafka_lane, link)
    {
        if (kl->lane && kl->ready && kl->generation && kl->position > kl->moved)
            kafka_sink_move(k->t.host->sink, kl);
    }
}

/* librdkafka does not wake us for everything that its callbacks are due for (a broker that came
 * back, a rebalance behind an error): once a second we look anyway. */
static void on_poll(void *arg)
{
    struct kafka_trigger *k = arg;
    k->more = true;
    move_offsets(k);
    timer_start(k->t.host->loop, &k->poll_timer, POLL_US);
    k->t.host->poke(k->t.host->ctx);
}

static void on_readable(void *arg, int events)
{
    struct kafka_trigger *k = arg;
    uint64_t count;
    (void)events;
    while (read(k->fd, &count, sizeof count) == (ssize_t)sizeof count)
        ;
    k->more = true;
    k->t.host->poke(k->t.host->ctx);
}

/* --- assignment ------------------------------------------------------------------------------- */

static void finish_stop(struct kafka_trigger *k);

static void lane_free(struct kafka_lane *kl)
{
    struct kafka_trigger *k = kafka_of(kl->trigger);
    list_remove(&kl->link);
    k->canceled -= kl->canceled;
    kafka_generation_unref(kl->generation);
    free(kl->topic);
    free(kl);
    if (k->stopping)
        finish_stop(k);
}

static void on_lane_dropped(void *user) { lane_free(user); }

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
    rd_kafka_topic_partition_list_destroy(list);
    k->assigning = false;
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
        lane_free(kl);
    } else if (has_journal(k)) {
        kl->start = (int64_t)lane_id(lane).position;
        kl->position = kl->moved = (uint64_t)kl->start;
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
    kl->released = kl->seq = kafka_mark_released(&kl->found, at);
    kl->position = kl->moved = at->position;
}

static void open_lane(struct kafka_trigger *k, struct kafka_lane *kl)
{
    struct lane_open_config config = { .trigger = &k->t,
                                       .partition = lane_number(k, kl->topic, kl->partition),
                                       .user = kl,
                                       .first_position = has_journal(k) ? first_position : NULL,
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
    return has_journal(k) && k->t.host->sink && kafka_sink_transactions(k->t.host->sink) &&
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
        finish_stop(k);
    if (k->settle != s)
        return; /* of an assignment that is gone; k may be, too */
    k->settle = NULL;
    if (!found) {
        snprintf(k->trouble, sizeof k->trouble, "kafka: %s", why);
        log_warn("kafka", "trigger.settle", "%s", why);
        timer_start(k->t.host->loop, &k->settle_timer, POLL_US);
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
        timer_start(k->t.host->loop, &k->settle_timer, POLL_US);
    rd_kafka_topic_partition_list_destroy(list);
}

static void add_lane(struct kafka_trigger *k, const rd_kafka_topic_partition_t *at,
                     struct kafka_generation *generation)
{
    struct kafka_lane *kl = xcalloc(1, sizeof *kl);
    *kl = (struct kafka_lane){ .trigger = &k->t,
                               .topic = xstrdup(at->topic),
                               .partition = at->partition,
                               .start = RD_KAFKA_OFFSET_STORED };
    if (generation)
        kl->generation = kafka_generation_ref(generation);
    list_append(&k->lanes, &kl->link);
}

static void on_assign(struct kafka_trigger *k, const rd_kafka_topic_partition_list_t *list)
{
    struct kafka_generation *generation = NULL;
    if (has_transactions(k) && !(generation = generation_now(k))) {
        rd_kafka_assign(k->rk, NULL);
        return;
    }
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

static void give_up_lanes(struct kafka_trigger *k, bool drain)
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

static void on_revoke(struct kafka_trigger *k)
{
    struct kafka_lane *kl;
    k->assigning = false;
    LIST_EACH(kl, &k->lanes, struct kafka_lane, link) { kl->gone = true; }
    give_up_lanes(k, false);
    rd_kafka_assign(k->rk, NULL);
}

void kafka_trigger_reopen(struct kafka_trigger *k)
{
    rd_kafka_topic_partition_list_t *list = NULL;
    if (k->stopping || rd_kafka_assignment(k->rk, &list) != RD_KAFKA_RESP_ERR_NO_ERROR)
        return;
    on_revoke(k);
    on_assign(k, list);
    rd_kafka_topic_partition_list_destroy(list);
}

static void on_rebalance(rd_kafka_t *rk, rd_kafka_resp_err_t code,
                         rd_kafka_topic_partition_list_t *list, void *opaque)
{
    struct kafka_trigger *k = opaque;
    (void)rk;
    log_info("kafka", "trigger.rebalance", "workflow '%s' worker %u: %s %d partitions",
             engine_plan_get(k->t.ep)->name, k->t.host->worker,
             code == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS ? "takes" : "gives up", list->cnt);
    if (code == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS && !k->stopping)
        on_assign(k, list);
    else
        on_revoke(k);
}

/* --- engine's answers ------------------------------------------------------------------------- */

static void acknowledge(struct trigger *t, struct lane *lane, uint64_t position)
{
    struct kafka_lane *kl = lane_user(lane);
    struct kafka_trigger *k = kafka_of(t);
    if (kl->generation) { /* moved by transactions */
        kl->position = position;
        return;
    }
    if (!position || kl->gone)
        return;
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(list, kl->topic, kl->partition)->offset = (int64_t)position;
    rd_kafka_offsets_store(k->rk, list);
    rd_kafka_topic_partition_list_destroy(list);
}

static void lane_lost(struct trigger *t, struct lane *lane)
{
    struct kafka_lane *kl = lane_user(lane);
    struct kafka_trigger *k = kafka_of(t);
    bool fenced = !kl->gone && !k->stopping;
    if (fenced)
        log_warn("kafka", "trigger.fenced", "another engine has %s/%d", kl->topic, kl->partition);
    if (k->latest == kl)
        k->latest = NULL;
    lane_open_lost(kl->opening);
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(list, kl->topic, kl->partition);
    if (fenced) /* the group will notice by itself; until then this partition is not read */
        rd_kafka_pause_partitions(k->rk, list);
    rd_kafka_topic_partition_list_destroy(list);
    lane_free(kl);
}

static int64_t lag(struct trigger *t)
{
    struct kafka_trigger *k = kafka_of(t);
    struct kafka_lane *kl;
    int64_t sum = 0;
    LIST_EACH(kl, &k->lanes, struct kafka_lane, link)
    {
        int64_t low, high;
        if (!kl->lane ||
            rd_kafka_get_watermark_offsets(k->rk, kl->topic, kl->partition, &low, &high) != 0 ||
            high < 0)
            continue;
        int64_t next = (int64_t)lane_id(kl->lane).position;
        if (high > next)
            sum += next ? high - next : high - low;
    }
    return sum;
}

static const char *trouble(struct trigger *t)
{
    struct kafka_trigger *k = kafka_of(t);
    return k->trouble[0] ? k->trouble : NULL;
}

static void on_error(rd_kafka_t *rk, int code, const char *reason, void *opaque)
{
    struct kafka_trigger *k = opaque;
    (void)rk;
    snprintf(k->trouble, sizeof k->trouble, "kafka: %s", reason);
    k->broker_trouble = true;
    log_warn("kafka", "trigger.broker", "%s: %s", rd_kafka_err2str((rd_kafka_resp_err_t)code),
             reason);
}

/* librdkafka tells when a broker goes, and nothing when it is back: its statistics do. */
static int on_statistics(rd_kafka_t *rk, char *json, size_t len, void *opaque)
{
    struct kafka_trigger *k = opaque;
    (void)rk;
    (void)len;
    if (k->broker_trouble && kafka_any_broker_up(json)) {
        k->broker_trouble = false;
        k->trouble[0] = 0;
        log_info("kafka", "trigger.broker", "workflow '%s': the broker answers again",
                 engine_plan_get(k->t.ep)->name);
    }
    return 0; /* librdkafka frees the text */
}

/* --- life ------------------------------------------------------------------------------------- */

static int set_properties(rd_kafka_conf_t *conf, const struct wf_kafka_trigger *c, struct err *err)
{
    const struct wf_kafka_property *p = c->properties.rows;
    for (size_t i = 0; i < c->properties.n; i++)
        if (kafka_conf_set(conf, p[i].name.ptr, p[i].value.ptr, err) != 0)
            return -1;
    return 0;
}

static rd_kafka_conf_t *consumer_conf(struct kafka_trigger *k, struct err *err)
{
    const struct plan *plan = engine_plan_get(k->t.ep);
    const struct plan_node *node = &plan->nodes[k->t.node];
    if (k->config->group.len)
        snprintf(k->group, sizeof k->group, "%s", k->config->group.ptr);
    else
        snprintf(k->group, sizeof k->group, "catalyst-%s-%s", plan->id, node->id);
    k->own_cluster = cred_get(k->config->credential, "brokers").len > 0;
    const char *const ours[][2] = {
        { "group.id", k->group },
        { "enable.auto.commit", "true" },
        { "auto.commit.interval.ms", "1000" },
        { "enable.auto.offset.store", "false" },
        { "auto.offset.reset", k->config->from_beginning ? "earliest" : "latest" },
        { "partition.assignment.strategy", "range,roundrobin" },
        { "max.poll.interval.ms",
          "86400000" }, /* a store that is down for hours must not cost the partitions */
        /* Below both limits librdkafka fetches on; over one it looks again only after a second. So
         * the limits are what a worker takes in more than a second. */
        { "queued.min.messages", "1000000" },
        { "queued.max.messages.kbytes", "131072" },
        { "fetch.wait.max.ms", "500" },
        { "fetch.error.backoff.ms", "50" },
        { "session.timeout.ms", "6000" },
        { "heartbeat.interval.ms", "500" },
        { "statistics.interval.ms", KAFKA_STATISTICS_MS },
    };
    const struct kafka_settings *settings = k->t.host->kafka;
    const struct wf_cred *cred = k->config->credential;
    rd_kafka_conf_t *conf = kafka_conf_create(settings, cred, "catalyst", err);
    if (!conf)
        return NULL;
    for (size_t i = 0; i < sizeof ours / sizeof *ours; i++)
        if (kafka_conf_set(conf, ours[i][0], ours[i][1], err) != 0)
            goto fail;
    if (kafka_conf_connect(conf, settings, cred, err) != 0 ||
        set_properties(conf, k->config, err) != 0)
        goto fail;
    rd_kafka_conf_set_opaque(conf, k);
    rd_kafka_conf_set_rebalance_cb(conf, on_rebalance);
    rd_kafka_conf_set_error_cb(conf, on_error);
    rd_kafka_conf_set_stats_cb(conf, on_statistics);
    return conf;
fail:
    rd_kafka_conf_destroy(conf);
    return NULL;
}

static int subscribe(struct kafka_trigger *k, struct err *err)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(4);
    char *topics = xstrdup(k->config->topic.ptr), *rest = topics, *one;
    while ((one = strtok_r(rest, ", ", &rest)))
        rd_kafka_topic_partition_list_add(list, one, RD_KAFKA_PARTITION_UA);
    rd_kafka_resp_err_t code = rd_kafka_subscribe(k->rk, list);
    rd_kafka_topic_partition_list_destroy(list);
    free(topics);
    return code ? err_set(err, ERR_INVALID, "kafka: subscribe '%s': %s", k->config->topic.ptr,
                          rd_kafka_err2str(code))
                : 0;
}

static int open_queue(struct kafka_trigger *k, struct err *err)
{
    rd_kafka_poll_set_consumer(k->rk);
    k->queue = rd_kafka_queue_get_consumer(k->rk);
    k->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (k->fd < 0)
        return err_set(err, ERR_IO, "kafka: eventfd: %s", strerror(errno));
    static const uint64_t one = 1;
    rd_kafka_queue_io_event_enable(k->queue, k->fd, &one, sizeof one);
    k->watch = watch_create(k->t.host->loop, k->fd, on_readable, k, err);
    if (!k->watch)
        return -1;
    watch_set(k->watch, WATCH_READABLE);
    k->poll_timer = (struct timer){ .fn = on_poll, .arg = k };
    timer_start(k->t.host->loop, &k->poll_timer, POLL_US);
    return subscribe(k, err);
}

static void close_all(struct kafka_trigger *k)
{
    timer_stop(k->t.host->loop, &k->close_timer);
    timer_stop(k->t.host->loop, &k->poll_timer);
    if (k->watch)
        watch_stop(k->watch);
    if (k->queue)
        rd_kafka_queue_destroy(k->queue);
    if (k->rk)
        rd_kafka_destroy_flags(k->rk, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
    if (k->fd >= 0)
        close(k->fd);
    free(k);
}

static struct trigger *start(struct trigger_host *host, struct engine_plan *ep, uint32_t node,
                             uint32_t source, struct err *err)
{
    struct kafka_trigger *k = xcalloc(1, sizeof *k);
    char why[240];
    k->t =
        (struct trigger){ .self = &k->t, .host = host, .ep = ep, .node = node, .source = source };
    k->config = engine_plan_get(ep)->nodes[node].params.base;
    k->fd = -1;
    list_init(&k->lanes);
    rd_kafka_conf_t *conf = consumer_conf(k, err);
    if (!conf)
        goto fail;
    k->rk = rd_kafka_new(RD_KAFKA_CONSUMER, conf, why, sizeof why);
    if (!k->rk) {
        rd_kafka_conf_destroy(conf);
        err_set(err, ERR_INVALID, "kafka: consumer: %s", why);
        goto fail;
    }
    if (open_queue(k, err) != 0)
        goto fail;
    return &k->t;
fail:
    close_all(k);
    return NULL;
}

static void replace(struct trigger *t, struct engine_plan *ep, uint32_t node)
{
    struct kafka_trigger *k = kafka_of(t);
    struct kafka_lane *kl;
    t->ep = ep;
    t->node = node;
    k->config = engine_plan_get(ep)->nodes[node].params.base;
    LIST_EACH(kl, &k->lanes, struct kafka_lane, link)
    {
        if (kl->lane)
            lane_set_plan(kl->lane, ep, node);
    }
}

/* Leaving the group takes a few round trips; they are polled for, as nothing here may block. */
static void on_close_timer(void *arg)
{
    struct kafka_trigger *k = arg;
    rd_kafka_message_t *m[16];
    ssize_t n = rd_kafka_consume_batch_queue(k->queue, 0, m, 16);
    for (ssize_t i = 0; i < n; i++)
        rd_kafka_message_destroy(m[i]);
    if (!rd_kafka_consumer_closed(k->rk)) {
        timer_start(k->t.host->loop, &k->close_timer, 10000);
        return;
    }
    void (*gone)(void *) = k->gone;
    void *ctx = k->gone_ctx;
    close_all(k);
    gone(ctx);
}

static void finish_stop(struct kafka_trigger *k)
{
    if (!list_empty(&k->lanes) || k->canceled || k->settling || k->closing)
        return;
    k->closing = true;
    k->close_timer = (struct timer){ .fn = on_close_timer, .arg = k };
    rd_kafka_error_t *error = rd_kafka_consumer_close_queue(k->rk, k->queue);
    if (error)
        rd_kafka_error_destroy(error);
    timer_start(k->t.host->loop, &k->close_timer, 1000);
}

static void stop(struct trigger *t, bool drain, void (*gone)(void *ctx), void *ctx)
{
    struct kafka_trigger *k = kafka_of(t);
    k->gone = gone;
    k->gone_ctx = ctx;
    k->stopping = true;
    give_up_lanes(k, drain);
    finish_stop(k);
}

static wf_str source_name(struct arena *a, const struct plan_node *node)
{
    const struct wf_kafka_trigger *c = node->params.base;
    return arena_str(a, c->topic.ptr, c->topic.len);
}

const struct trigger_kind kafka_trigger_kind = {
    .type = "catalyst.kafkaTrigger",
    .start = start,
    .replace = replace,
    .stop = stop,
    .take = take,
    .lane_lost = lane_lost,
    .acknowledge = acknowledge,
    .lag = lag,
    .trouble = trouble,
    .source_kind = "kafka",
    .source_name = source_name,
};
