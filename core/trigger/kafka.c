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
 * Partitions come and go in kafka_assign.c.
 *
 * Thread: the worker's; nothing blocks.
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

enum { TAKE_MAX = 1024, POLL_US = 1000000 };

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

/* What stands in the log now, an earlier owner may have run; what comes later it cannot. The end is
 * known with the first answer of the broker, so before its first message. */
static void bound_taken(struct kafka_trigger *k, struct kafka_lane *kl)
{
    int64_t low, high;
    if (rd_kafka_get_watermark_offsets(k->rk, kl->topic, kl->partition, &low, &high) != 0 ||
        high < 0)
        return;
    kl->had_owner = false;
    engine_lane_taken(kl->lane, (uint64_t)high);
}

static void bound_all(struct kafka_trigger *k)
{
    struct kafka_lane *kl;
    LIST_EACH(kl, &k->lanes, struct kafka_lane, link)
    {
        if (kl->had_owner && kl->lane && kl->ready)
            bound_taken(k, kl);
    }
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
    if (kl->had_owner)
        bound_taken(k, kl);
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
    bound_all(k);
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

/* --- engine's answers ------------------------------------------------------------------------- */

static void acknowledge(struct trigger *t, struct lane *lane, uint64_t position)
{
    struct kafka_lane *kl = lane_user(lane);
    struct kafka_trigger *k = kafka_of(t);
    if (kl->generation) { /* moved by transactions */
        kl->position = position;
        return;
    }
    if (!position || (kl->gone && !k->revoking))
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
    if (fenced) { /* until the group says who has the partition, or we have the lane again */
        rd_kafka_pause_partitions(k->rk, list);
        kafka_claim_again(k);
    }
    rd_kafka_topic_partition_list_destroy(list);
    kafka_lane_free(kl);
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
    rd_kafka_conf_set_rebalance_cb(conf, kafka_on_rebalance);
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
    timer_stop(k->t.host->loop, &k->claim_timer);
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

void kafka_finish_stop(struct kafka_trigger *k)
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
    kafka_give_up_lanes(k, drain);
    kafka_finish_stop(k);
}

static wf_str source_name(struct arena *a, const struct plan_node *node)
{
    const struct wf_kafka_trigger *c = node->params.base;
    return arena_str(a, c->topic.ptr, c->topic.len);
}

static uint64_t rebalances(struct trigger *t) { return kafka_of(t)->rebalances; }

const struct trigger_kind kafka_trigger_kind = {
    .type = "catalyst.kafkaTrigger",
    .start = start,
    .replace = replace,
    .stop = stop,
    .take = take,
    .lane_lost = lane_lost,
    .acknowledge = acknowledge,
    .lag = lag,
    .rebalances = rebalances,
    .trouble = trouble,
    .source_kind = "kafka",
    .source_name = source_name,
    .takes_over = true,
};
