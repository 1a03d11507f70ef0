/* SPDX-License-Identifier: Apache-2.0
 * Outputs to Kafka: the blocks of committed turns are produced, and reported when all is
 * acknowledged.
 *
 * One idempotent producer per worker. A block's outputs are grouped by topic and partition before
 * they are handed over: messages that interleave partitions cost librdkafka twice as much. So the
 * sink hashes keys itself (murmur2, as Java clients do); until a topic's number of partitions is
 * known, librdkafka does it. Each message carries the header catalyst-id, the execution's id and
 * the output's number: the same on every resend, so a reader can drop what it has seen.
 *
 * Delivery reports come as events of whole batches; a track counts what its block still misses.
 * Blocks of a lane are reported in order. A message the broker refuses for good (too large, no such
 * topic) is tried again with a pause: it is in the journal, and a person may make the topic.
 *
 * Thread: the worker's; librdkafka calls only the partitioner from its own, which touches one
 * atomic.
 */
#include "trigger/kafka_int.h"
#include "base/clock.h"
#include "base/list.h"
#include "base/log.h"
#include "base/map.h"
#include "loop/loop.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum { RETRY_US = 1000000, ID_BYTES = EXEC_ID_TEXT + 12 };

/* What a block still waits for. */
struct track {
    struct link link;       /* of its lane */
    struct sink_lane *lane; /* NULL: the lane is gone */
    uint64_t seq;
    uint32_t left;
    bool all_sent;
};

struct sink_lane {
    struct link link;
    struct lane *lane;
    struct link tracks; /* oldest first */
};

struct sink_topic {
    rd_kafka_topic_t *handle;
    int32_t partitions; /* 0: not known yet; set by librdkafka's thread */
    uint32_t sticky;    /* partition for messages without a key */
    char *name;
};

/* One that waits for another try. */
struct retry {
    struct retry *next;
    struct track *track;
    struct sink_topic *topic;
    rd_kafka_headers_t *headers;
    void *key, *body;
    size_t key_len, body_len;
    int32_t partition;
};

struct slot {
    struct store_output out;
    struct sink_topic *topic;
    int32_t partition;
};

struct kafka_sink {
    struct loop *loop;
    struct engine *engine;
    rd_kafka_t *rk;
    rd_kafka_queue_t *queue;
    struct watch *watch;
    int fd;
    struct map topics;
    struct sink_topic *latest; /* the topic looked up last */
    struct link lanes;
    struct slot *slots;
    uint32_t *order;
    uint32_t slots_size;
    struct retry *retries, **retries_last;
    struct timer retry_timer;
    struct kafka_sink_stats stats;
    char trouble[240];
};

/* --- topics and partitions -------------------------------------------------------------------- */

/* Called by librdkafka for messages whose partition it chooses; tells us how many there are. */
static int32_t on_partition(const rd_kafka_topic_t *rkt, const void *key, size_t len,
                            int32_t partitions, void *rkt_opaque, void *msg_opaque)
{
    struct sink_topic *topic = rkt_opaque;
    __atomic_store_n(&topic->partitions, partitions, __ATOMIC_RELAXED);
    if (!key)
        return (int32_t)(__atomic_load_n(&topic->sticky, __ATOMIC_RELAXED) % (uint32_t)partitions);
    return rd_kafka_msg_partitioner_murmur2(rkt, key, len, partitions, rkt_opaque, msg_opaque);
}

static struct sink_topic *topic_open(struct kafka_sink *s, wf_str name)
{
    struct sink_topic *topic = xcalloc(1, sizeof *topic);
    topic->name = xmalloc(name.len + 1);
    memcpy(topic->name, name.ptr, name.len);
    topic->name[name.len] = 0;
    rd_kafka_topic_conf_t *conf = rd_kafka_topic_conf_new();
    rd_kafka_topic_conf_set_partitioner_cb(conf, on_partition);
    rd_kafka_topic_conf_set_opaque(conf, topic);
    topic->handle = rd_kafka_topic_new(s->rk, topic->name, conf);
    if (!topic->handle) {
        log_error("kafka", "sink.topic", "topic '%s': %s", topic->name,
                  rd_kafka_err2str(rd_kafka_last_error()));
        free(topic->name);
        free(topic);
        return NULL;
    }
    map_put_copy(&s->topics, name.ptr, name.len, topic);
    return topic;
}

static struct sink_topic *topic_find(struct kafka_sink *s, wf_str name)
{
    struct sink_topic *topic = s->latest;
    if (topic && strlen(topic->name) == name.len && !memcmp(topic->name, name.ptr, name.len))
        return topic;
    topic = map_get(&s->topics, name.ptr, name.len);
    if (!topic)
        topic = topic_open(s, name);
    s->latest = topic;
    return topic;
}

static int32_t choose_partition(const struct sink_topic *topic, const struct store_output *out)
{
    int32_t n = __atomic_load_n(&topic->partitions, __ATOMIC_RELAXED);
    if (out->partition >= 0)
        return out->partition;
    if (!n)
        return RD_KAFKA_PARTITION_UA;
    if (!out->key.ptr)
        return (int32_t)(topic->sticky % (uint32_t)n);
    return rd_kafka_msg_partitioner_murmur2(topic->handle, out->key.ptr, out->key.len, n, NULL,
                                            NULL);
}

/* --- tracks ----------------------------------------------------------------------------------- */

static struct sink_lane *lane_find(struct kafka_sink *s, struct lane *lane)
{
    struct sink_lane *sl;
    LIST_EACH(sl, &s->lanes, struct sink_lane, link)
    {
        if (sl->lane == lane)
            return sl;
    }
    sl = xcalloc(1, sizeof *sl);
    sl->lane = lane;
    list_init(&sl->tracks);
    list_append(&s->lanes, &sl->link);
    return sl;
}

/* Reports the blocks at the head of the lane that are whole. */
static void lane_report(struct kafka_sink *s, struct sink_lane *sl)
{
    uint64_t seq = 0;
    struct track *t;
    while ((t = LIST_FIRST(&sl->tracks, struct track, link)) && t->all_sent && !t->left) {
        seq = t->seq;
        list_remove(&t->link);
        free(t);
    }
    if (seq)
        engine_released(s->engine, sl->lane, seq);
}

static void track_done(struct kafka_sink *s, struct track *t, uint32_t n)
{
    t->left -= n;
    if (t->left || !t->all_sent)
        return;
    if (t->lane)
        lane_report(s, t->lane);
    else
        free(t);
}

void kafka_sink_forget(struct kafka_sink *s, struct lane *lane)
{
    struct sink_lane *sl;
    LIST_EACH(sl, &s->lanes, struct sink_lane, link)
    {
        if (sl->lane != lane)
            continue;
        struct track *t;
        LIST_EACH(t, &sl->tracks, struct track, link)
        {
            list_remove(&t->link);
            t->lane = NULL;
            if (!t->left)
                free(t);
        }
        list_remove(&sl->link);
        free(sl);
    }
}

/* --- producing -------------------------------------------------------------------------------- */

static rd_kafka_headers_t *headers_of(const struct store_block *b, const struct store_output *out)
{
    char id[ID_BYTES];
    exec_id_text((struct exec_id){ b->source, b->partition, b->positions[out->exec] }, id);
    size_t len = strlen(id);
    id[len++] = '-';
    char digits[12];
    size_t n = 0;
    uint32_t index = out->index;
    do
        digits[n++] = (char)('0' + index % 10);
    while (index /= 10);
    while (n)
        id[len++] = digits[--n];
    rd_kafka_headers_t *headers = rd_kafka_headers_new(4);
    rd_kafka_header_add(headers, "catalyst-id", 11, id, (ssize_t)len);
    wf_str name, value;
    size_t at = 0;
    while (out->headers.len && store_headers_next(out->headers, &at, &name, &value) == 1)
        rd_kafka_header_add(headers, name.ptr, (ssize_t)name.len, value.ptr, (ssize_t)value.len);
    return headers;
}

static rd_kafka_resp_err_t produce(struct kafka_sink *s, struct sink_topic *topic,
                                   int32_t partition, wf_str key, wf_str body,
                                   rd_kafka_headers_t *headers, struct track *track)
{
    rd_kafka_vu_t vus[7] = {
        { .vtype = RD_KAFKA_VTYPE_RKT, .u.rkt = topic->handle },
        { .vtype = RD_KAFKA_VTYPE_PARTITION, .u.i32 = partition },
        { .vtype = RD_KAFKA_VTYPE_MSGFLAGS, .u.i = RD_KAFKA_MSG_F_COPY },
        { .vtype = RD_KAFKA_VTYPE_VALUE, .u.mem = { (void *)(uintptr_t)body.ptr, body.len } },
        { .vtype = RD_KAFKA_VTYPE_KEY, .u.mem = { (void *)(uintptr_t)key.ptr, key.len } },
        { .vtype = RD_KAFKA_VTYPE_OPAQUE, .u.ptr = track },
        { .vtype = RD_KAFKA_VTYPE_HEADERS, .u.headers = headers },
    };
    rd_kafka_error_t *error = rd_kafka_produceva(s->rk, vus, 7);
    if (!error)
        return RD_KAFKA_RESP_ERR_NO_ERROR;
    rd_kafka_resp_err_t code = rd_kafka_error_code(error);
    rd_kafka_error_destroy(error);
    return code;
}

static void *copy_bytes(wf_str s)
{
    return s.ptr ? memcpy(xmalloc(s.len + 1), s.ptr, s.len) : NULL;
}

static void retry_add(struct kafka_sink *s, struct track *track, struct sink_topic *topic,
                      int32_t partition, wf_str key, wf_str body, rd_kafka_headers_t *headers)
{
    struct retry *r = xcalloc(1, sizeof *r);
    *r = (struct retry){ .track = track,
                         .topic = topic,
                         .headers = headers,
                         .key = copy_bytes(key),
                         .body = copy_bytes(body),
                         .key_len = key.len,
                         .body_len = body.len,
                         .partition = partition };
    *s->retries_last = r;
    s->retries_last = &r->next;
    if (!timer_is_running(&s->retry_timer))
        timer_start(s->loop, &s->retry_timer, RETRY_US / 10);
}

static void send_one(struct kafka_sink *s, const struct store_block *b, const struct slot *slot,
                     struct track *track)
{
    const struct store_output *out = &slot->out;
    rd_kafka_headers_t *headers = headers_of(b, out);
    s->stats.sent++;
    s->stats.bytes += out->body.len;
    if (s->retries ||
        produce(s, slot->topic, slot->partition, out->key, out->body, headers, track) != 0)
        retry_add(s, track, slot->topic, slot->partition, out->key, out->body, headers);
}

static void on_retry(void *arg)
{
    struct kafka_sink *s = arg;
    while (s->retries) {
        struct retry *r = s->retries;
        rd_kafka_resp_err_t code =
            produce(s, r->topic, r->partition, (wf_str){ r->key, r->key_len },
                    (wf_str){ r->body, r->body_len }, r->headers, r->track);
        if (code) {
            snprintf(s->trouble, sizeof s->trouble, "kafka: produce to '%s': %s", r->topic->name,
                     rd_kafka_err2str(code));
            timer_start(s->loop, &s->retry_timer,
                        code == RD_KAFKA_RESP_ERR__QUEUE_FULL ? 5000 : RETRY_US);
            return;
        }
        s->retries = r->next;
        if (!s->retries)
            s->retries_last = &s->retries;
        free(r->key);
        free(r->body);
        free(r);
    }
    s->trouble[0] = 0;
}

/* --- grouping --------------------------------------------------------------------------------- */

static void slots_grow(struct kafka_sink *s, uint32_t need)
{
    if (need <= s->slots_size)
        return;
    s->slots_size = need * 2;
    s->slots = xrealloc(s->slots, s->slots_size * sizeof *s->slots);
    s->order = xrealloc(s->order, s->slots_size * sizeof *s->order);
}

static uint32_t read_slots(struct kafka_sink *s, const struct store_block *b)
{
    slots_grow(s, b->n_outputs + 1);
    uint32_t n = 0;
    size_t at = 0;
    while (n < b->n_outputs && store_output_next(b->outputs, &at, &s->slots[n].out) == 1) {
        struct slot *slot = &s->slots[n];
        if (!str_eq(slot->out.channel, STR("kafka")))
            continue;
        slot->topic = topic_find(s, slot->out.topic);
        if (!slot->topic)
            continue;
        slot->partition = choose_partition(slot->topic, &slot->out);
        n++;
    }
    return n;
}

static bool same_group(const struct slot *a, const struct slot *b)
{
    return a->topic == b->topic && a->partition == b->partition;
}

/* Stable order by (topic, partition): a counting sort where there is one topic, as nearly always.
 */
static void order_slots(struct kafka_sink *s, uint32_t n)
{
    enum { MAX_GROUPS = 256 };
    uint32_t first[MAX_GROUPS], counts[MAX_GROUPS] = { 0 }, n_groups = 0;
    uint16_t *group = xmalloc(n * sizeof *group + 1);
    for (uint32_t i = 0; i < n; i++) {
        uint32_t g = 0;
        while (g < n_groups && !same_group(&s->slots[first[g]], &s->slots[i]))
            g++;
        if (g == n_groups && n_groups < MAX_GROUPS)
            first[n_groups++] = i;
        group[i] = (uint16_t)(g < MAX_GROUPS ? g : MAX_GROUPS - 1);
        counts[group[i]]++;
    }
    uint32_t start = 0;
    for (uint32_t g = 0; g < n_groups; g++) {
        uint32_t count = counts[g];
        counts[g] = start;
        start += count;
    }
    for (uint32_t i = 0; i < n; i++)
        s->order[counts[group[i]]++] = i;
    free(group);
}

void kafka_sink_send(struct kafka_sink *s, struct lane *lane, uint64_t seq,
                     const struct store_block *b)
{
    uint32_t n = read_slots(s, b);
    struct sink_lane *sl = lane_find(s, lane);
    struct track *track = xcalloc(1, sizeof *track);
    track->lane = sl;
    track->seq = seq;
    track->left = n;
    list_append(&sl->tracks, &track->link);
    order_slots(s, n);
    for (uint32_t i = 0; i < n; i++)
        send_one(s, b, &s->slots[s->order[i]], track);
    for (uint32_t i = 0; i < n; i++)
        s->slots[i].topic->sticky += i + 1 == n || s->slots[i].topic != s->slots[i + 1].topic;
    track->all_sent = true;
    s->stats.waiting += n;
    if (!n)
        lane_report(s, sl);
}

/* --- delivery reports ------------------------------------------------------------------------- */

static void on_failed(struct kafka_sink *s, const rd_kafka_message_t *m)
{
    struct sink_topic *topic = rd_kafka_topic_opaque(m->rkt);
    s->stats.failed++;
    snprintf(s->trouble, sizeof s->trouble, "kafka: topic '%s': %s", topic->name,
             rd_kafka_err2str(m->err));
    log_warn("kafka", "sink.refused", "topic '%s': %s; will try again", topic->name,
             rd_kafka_err2str(m->err));
    rd_kafka_headers_t *headers = NULL;
    rd_kafka_message_detach_headers((rd_kafka_message_t *)(uintptr_t)m, &headers);
    retry_add(s, m->_private, topic, RD_KAFKA_PARTITION_UA, (wf_str){ m->key, m->key_len },
              (wf_str){ m->payload, m->len }, headers);
    timer_start(s->loop, &s->retry_timer, RETRY_US);
}

/* Reports of one block come in runs, so they are counted in runs. */
static void on_reports(struct kafka_sink *s, rd_kafka_event_t *event)
{
    const rd_kafka_message_t *m;
    struct track *run = NULL;
    uint32_t n = 0;
    while ((m = rd_kafka_event_message_next(event))) {
        if (m->err) {
            on_failed(s, m);
            continue;
        }
        s->stats.acknowledged++;
        s->stats.waiting--;
        if (m->_private != run) {
            if (run)
                track_done(s, run, n);
            run = m->_private;
            n = 0;
        }
        n++;
    }
    if (run)
        track_done(s, run, n);
}

static void on_event(struct kafka_sink *s, rd_kafka_event_t *event)
{
    switch (rd_kafka_event_type(event)) {
    case RD_KAFKA_EVENT_DR:
        on_reports(s, event);
        s->trouble[0] = 0;
        break;
    case RD_KAFKA_EVENT_ERROR:
        snprintf(s->trouble, sizeof s->trouble, "kafka: %s", rd_kafka_event_error_string(event));
        log_warn("kafka", "sink.error", "%s", rd_kafka_event_error_string(event));
        break;
    case RD_KAFKA_EVENT_STATS:
        if (s->trouble[0] && !s->retries && kafka_any_broker_up(rd_kafka_event_stats(event)))
            s->trouble[0] = 0;
        break;
    default:
        break;
    }
}

static void poll_events(struct kafka_sink *s)
{
    rd_kafka_event_t *event;
    while ((event = rd_kafka_queue_poll(s->queue, 0))) {
        on_event(s, event);
        rd_kafka_event_destroy(event);
    }
}

static void on_readable(void *arg, int events)
{
    struct kafka_sink *s = arg;
    uint64_t count;
    (void)events;
    while (read(s->fd, &count, sizeof count) == (ssize_t)sizeof count)
        ;
    poll_events(s);
}

/* --- life ------------------------------------------------------------------------------------- */

static rd_kafka_conf_t *sink_conf(const struct kafka_settings *settings, struct err *err)
{
    static const char *const ours[][2] = {
        { "enable.idempotence", "true" }, /* also: acks=all, order kept on retries */
        { "compression.codec", "lz4" },
        { "statistics.interval.ms", KAFKA_STATISTICS_MS },
        { "linger.ms", "5" },
        { "batch.num.messages", "10000" },
        { "batch.size", "1000000" },
        { "queue.buffering.max.messages", "1000000" },
        { "queue.buffering.max.kbytes", "1048576" },
        { "message.timeout.ms", "0" }, /* the journal holds it: never given up */
    };
    struct kafka_settings base = { .brokers = settings->brokers };
    rd_kafka_conf_t *conf = kafka_conf_create(&base, "catalyst", err);
    for (size_t i = 0; conf && i < sizeof ours / sizeof *ours; i++)
        if (kafka_conf_set(conf, ours[i][0], ours[i][1], err) != 0)
            goto fail;
    for (size_t i = 0; conf && i < settings->n_properties; i++)
        if (kafka_conf_set(conf, settings->properties[i].name, settings->properties[i].value,
                           err) != 0)
            goto fail;
    if (conf)
        rd_kafka_conf_set_events(conf,
                                 RD_KAFKA_EVENT_DR | RD_KAFKA_EVENT_ERROR | RD_KAFKA_EVENT_STATS);
    return conf;
fail:
    rd_kafka_conf_destroy(conf);
    return NULL;
}

struct kafka_sink *kafka_sink_create(struct loop *loop, struct engine *engine,
                                     const struct kafka_settings *settings, struct err *err)
{
    char why[240];
    rd_kafka_conf_t *conf = sink_conf(settings, err);
    if (!conf)
        return NULL;
    struct kafka_sink *s = xcalloc(1, sizeof *s);
    s->loop = loop;
    s->engine = engine;
    s->retries_last = &s->retries;
    s->retry_timer = (struct timer){ .fn = on_retry, .arg = s };
    list_init(&s->lanes);
    map_init(&s->topics);
    s->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (s->fd < 0) {
        err_set(err, ERR_IO, "kafka: eventfd: %s", strerror(errno));
        goto fail_fd;
    }
    s->rk = rd_kafka_new(RD_KAFKA_PRODUCER, conf, why, sizeof why);
    if (!s->rk) {
        err_set(err, ERR_INVALID, "kafka: producer: %s", why);
        goto fail_rk;
    }
    s->queue = rd_kafka_queue_get_main(s->rk);
    static const uint64_t one = 1;
    rd_kafka_queue_io_event_enable(s->queue, s->fd, &one, sizeof one);
    s->watch = watch_create(loop, s->fd, on_readable, s, err);
    if (!s->watch)
        goto fail_watch;
    watch_set(s->watch, WATCH_READABLE);
    return s;

fail_watch:
    rd_kafka_queue_destroy(s->queue);
    rd_kafka_destroy(s->rk);
    conf = NULL;
fail_rk:
    close(s->fd);
fail_fd:
    if (conf)
        rd_kafka_conf_destroy(conf);
    free(s);
    return NULL;
}

static void retries_free(struct kafka_sink *s)
{
    while (s->retries) {
        struct retry *r = s->retries;
        s->retries = r->next;
        rd_kafka_headers_destroy(r->headers);
        free(r->key);
        free(r->body);
        free(r);
    }
}

static void topics_free(struct kafka_sink *s)
{
    size_t at = 0;
    struct map_slot *slot;
    while (map_each(&s->topics, &at, &slot)) {
        struct sink_topic *topic = slot->value;
        rd_kafka_topic_destroy(topic->handle);
        free(topic->name);
        free(topic);
    }
    map_fini(&s->topics);
}

void kafka_sink_destroy(struct kafka_sink *s, int64_t grace_ms)
{
    int64_t until = clock_mono_us() + grace_ms * 1000;
    while (s->stats.waiting && clock_mono_us() < until) {
        rd_kafka_event_t *event = rd_kafka_queue_poll(s->queue, 20);
        if (event) {
            on_event(s, event);
            rd_kafka_event_destroy(event);
        }
    }
    while (!list_empty(&s->lanes))
        kafka_sink_forget(s, CONTAINER_OF(s->lanes.next, struct sink_lane, link)->lane);
    timer_stop(s->loop, &s->retry_timer);
    watch_stop(s->watch);
    retries_free(s);
    rd_kafka_purge(s->rk, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
    rd_kafka_queue_destroy(s->queue);
    topics_free(s);
    rd_kafka_destroy(s->rk);
    close(s->fd);
    free(s->slots);
    free(s->order);
    free(s);
}

const struct kafka_sink_stats *kafka_sink_stats(const struct kafka_sink *s) { return &s->stats; }

const char *kafka_sink_trouble(const struct kafka_sink *s)
{
    return s->trouble[0] ? s->trouble : NULL;
}
