/* SPDX-License-Identifier: Apache-2.0
 * One producer, of one connection: outputs of blocks become messages, grouped by topic and
 * partition.
 *
 * Messages that interleave partitions cost librdkafka twice as much. So the producer hashes keys
 * itself (murmur2, as Java clients do); until a topic's number of partitions is known, librdkafka
 * does it. Each message carries the header catalyst-id, the execution's id and the output's number:
 * the same on every resend, so a reader can drop what it has seen.
 *
 * Delivery reports come as events of whole batches. A message the broker refuses for good (too
 * large, no such topic) is tried again with a pause: it is in the journal, and a person may make
 * the topic. In a transaction there are reports of failures only, and one spoils it: kafka_txn.c
 * sends all of it again.
 *
 * Thread: the worker's; librdkafka calls only the partitioner from its own, which touches one
 * atomic.
 */
#include "trigger/kafka_int.h"
#include "base/log.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum { RETRY_US = 1000000, ID_BYTES = EXEC_ID_TEXT + 12 };

struct sink_topic {
    rd_kafka_topic_t *handle;
    int32_t partitions; /* 0: not known yet; set by librdkafka's thread */
    uint32_t sticky;    /* partition for messages without a key */
    char *name;
};

/* One that waits for another try. */
struct kafka_retry {
    struct kafka_retry *next;
    struct kafka_track *track;
    struct sink_topic *topic;
    rd_kafka_headers_t *headers;
    void *key, *body;
    size_t key_len, body_len;
    int32_t partition;
};

struct kafka_slot {
    struct store_output out;
    struct sink_topic *topic;
    int32_t partition;
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

static struct sink_topic *topic_open(struct kafka_producer *p, wf_str name)
{
    struct sink_topic *topic = xcalloc(1, sizeof *topic);
    topic->name = xmalloc(name.len + 1);
    memcpy(topic->name, name.ptr, name.len);
    topic->name[name.len] = 0;
    rd_kafka_topic_conf_t *conf = rd_kafka_topic_conf_new();
    rd_kafka_topic_conf_set_partitioner_cb(conf, on_partition);
    rd_kafka_topic_conf_set_opaque(conf, topic);
    topic->handle = rd_kafka_topic_new(p->rk, topic->name, conf);
    if (!topic->handle) {
        log_error("kafka", "sink.topic", "topic '%s': %s", topic->name,
                  rd_kafka_err2str(rd_kafka_last_error()));
        free(topic->name);
        free(topic);
        return NULL;
    }
    map_put_copy(&p->topics, name.ptr, name.len, topic);
    return topic;
}

static struct sink_topic *topic_find(struct kafka_producer *p, wf_str name)
{
    struct sink_topic *topic = p->latest;
    if (topic && strlen(topic->name) == name.len && !memcmp(topic->name, name.ptr, name.len))
        return topic;
    topic = map_get(&p->topics, name.ptr, name.len);
    if (!topic)
        topic = topic_open(p, name);
    p->latest = topic;
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

static rd_kafka_resp_err_t produce(struct kafka_producer *p, struct sink_topic *topic,
                                   int32_t partition, wf_str key, wf_str body,
                                   rd_kafka_headers_t *headers, struct kafka_track *track)
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
    rd_kafka_error_t *error = rd_kafka_produceva(p->rk, vus, 7);
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

static void retry_add(struct kafka_producer *p, struct kafka_track *track, struct sink_topic *topic,
                      int32_t partition, wf_str key, wf_str body, rd_kafka_headers_t *headers)
{
    struct kafka_retry *r = xcalloc(1, sizeof *r);
    *r = (struct kafka_retry){ .track = track,
                               .topic = topic,
                               .headers = headers,
                               .key = copy_bytes(key),
                               .body = copy_bytes(body),
                               .key_len = key.len,
                               .body_len = body.len,
                               .partition = partition };
    *p->retries_last = r;
    p->retries_last = &r->next;
    if (!timer_is_running(&p->retry_timer))
        timer_start(p->sink->loop, &p->retry_timer, RETRY_US / 10);
}

static void send_one(struct kafka_producer *p, const struct store_block *b,
                     const struct kafka_slot *slot, struct kafka_track *track)
{
    const struct store_output *out = &slot->out;
    rd_kafka_headers_t *headers = headers_of(b, out);
    p->sink->stats.sent++;
    p->sink->stats.bytes += out->body.len;
    rd_kafka_resp_err_t code = RD_KAFKA_RESP_ERR__QUEUE_FULL; /* behind those that wait */
    if (!p->retries)
        code = produce(p, slot->topic, slot->partition, out->key, out->body, headers, track);
    if (!code)
        return;
    if (!p->txn) {
        retry_add(p, track, slot->topic, slot->partition, out->key, out->body, headers);
        return;
    }
    rd_kafka_headers_destroy(headers);
    kafka_txn_spoil(p->txn, rd_kafka_err2str(code));
}

static void on_retry(void *arg)
{
    struct kafka_producer *p = arg;
    while (p->retries) {
        struct kafka_retry *r = p->retries;
        rd_kafka_resp_err_t code =
            produce(p, r->topic, r->partition, (wf_str){ r->key, r->key_len },
                    (wf_str){ r->body, r->body_len }, r->headers, r->track);
        if (code) {
            snprintf(p->trouble, sizeof p->trouble, "kafka: produce to '%s': %s", r->topic->name,
                     rd_kafka_err2str(code));
            timer_start(p->sink->loop, &p->retry_timer,
                        code == RD_KAFKA_RESP_ERR__QUEUE_FULL ? 5000 : RETRY_US);
            return;
        }
        p->retries = r->next;
        if (!p->retries)
            p->retries_last = &p->retries;
        free(r->key);
        free(r->body);
        free(r);
    }
    p->trouble[0] = 0;
}

/* --- grouping --------------------------------------------------------------------------------- */

static void slots_grow(struct kafka_producer *p, uint32_t need)
{
    if (need <= p->slots_size)
        return;
    p->slots_size = need * 2;
    p->slots = xrealloc(p->slots, p->slots_size * sizeof *p->slots);
    p->order = xrealloc(p->order, p->slots_size * sizeof *p->order);
}

static uint32_t read_slots(struct kafka_producer *p, const struct store_block *b)
{
    slots_grow(p, b->n_outputs + 1);
    uint32_t n = 0;
    size_t at = 0;
    while (n < b->n_outputs && store_output_next(b->outputs, &at, &p->slots[n].out) == 1) {
        struct kafka_slot *slot = &p->slots[n];
        if (!str_eq(slot->out.connection, str_of(p->name)))
            continue;
        slot->topic = topic_find(p, slot->out.topic);
        if (!slot->topic)
            continue;
        slot->partition = choose_partition(slot->topic, &slot->out);
        n++;
    }
    return n;
}

static bool same_group(const struct kafka_slot *a, const struct kafka_slot *b)
{
    return a->topic == b->topic && a->partition == b->partition;
}

/* Stable order by (topic, partition): a counting sort where there is one topic, as nearly always.
 */
static void order_slots(struct kafka_producer *p, uint32_t n)
{
    enum { MAX_GROUPS = 256 };
    uint32_t first[MAX_GROUPS], counts[MAX_GROUPS] = { 0 }, n_groups = 0;
    uint16_t *group = xmalloc(n * sizeof *group + 1);
    for (uint32_t i = 0; i < n; i++) {
        uint32_t g = 0;
        while (g < n_groups && !same_group(&p->slots[first[g]], &p->slots[i]))
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
        p->order[counts[group[i]]++] = i;
    free(group);
}

uint32_t kafka_producer_send(struct kafka_producer *p, const struct store_block *b,
                             struct kafka_track *track)
{
    uint32_t n = read_slots(p, b);
    order_slots(p, n);
    for (uint32_t i = 0; i < n; i++)
        send_one(p, b, &p->slots[p->order[i]], track);
    for (uint32_t i = 0; i < n; i++)
        p->slots[i].topic->sticky += i + 1 == n || p->slots[i].topic != p->slots[i + 1].topic;
    return n;
}

/* --- delivery reports ------------------------------------------------------------------------- */

static void on_failed(struct kafka_producer *p, const rd_kafka_message_t *m)
{
    struct sink_topic *topic = rd_kafka_topic_opaque(m->rkt);
    p->sink->stats.failed++;
    snprintf(p->trouble, sizeof p->trouble, "kafka: topic '%s': %s", topic->name,
             rd_kafka_err2str(m->err));
    if (p->txn) { /* librdkafka fails the commit for it */
        kafka_txn_spoil(p->txn, p->trouble);
        return;
    }
    log_warn("kafka", "sink.refused", "topic '%s': %s; will try again", topic->name,
             rd_kafka_err2str(m->err));
    rd_kafka_headers_t *headers = NULL;
    rd_kafka_message_detach_headers((rd_kafka_message_t *)(uintptr_t)m, &headers);
    retry_add(p, m->_private, topic, RD_KAFKA_PARTITION_UA, (wf_str){ m->key, m->key_len },
              (wf_str){ m->payload, m->len }, headers);
    timer_start(p->sink->loop, &p->retry_timer, RETRY_US);
}

/* Reports of one block come in runs, so they are counted in runs. */
static void on_reports(struct kafka_producer *p, rd_kafka_event_t *event)
{
    const rd_kafka_message_t *m;
    struct kafka_track *run = NULL;
    uint32_t n = 0;
    while ((m = rd_kafka_event_message_next(event))) {
        if (m->err) {
            on_failed(p, m);
            continue;
        }
        p->sink->stats.acknowledged++;
        p->sink->stats.waiting--;
        if (m->_private != run) {
            if (run)
                kafka_track_done(p->sink, run, n);
            run = m->_private;
            n = 0;
        }
        n++;
    }
    if (run)
        kafka_track_done(p->sink, run, n);
}

static void on_event(struct kafka_producer *p, rd_kafka_event_t *event)
{
    switch (rd_kafka_event_type(event)) {
    case RD_KAFKA_EVENT_DR:
        if (!p->txn)
            p->trouble[0] = 0;
        on_reports(p, event);
        break;
    case RD_KAFKA_EVENT_ERROR:
        snprintf(p->trouble, sizeof p->trouble, "kafka: %s", rd_kafka_event_error_string(event));
        log_warn("kafka", "sink.error", "%s", rd_kafka_event_error_string(event));
        break;
    case RD_KAFKA_EVENT_STATS:
        if (p->trouble[0] && !p->retries && kafka_any_broker_up(rd_kafka_event_stats(event)))
            p->trouble[0] = 0;
        break;
    default:
        break;
    }
}

void kafka_producer_poll(struct kafka_producer *p, int wait_ms)
{
    rd_kafka_event_t *event;
    while (p->queue && (event = rd_kafka_queue_poll(p->queue, wait_ms))) {
        on_event(p, event);
        rd_kafka_event_destroy(event);
        wait_ms = 0;
    }
}

static void on_readable(void *arg, int events)
{
    struct kafka_producer *p = arg;
    uint64_t count;
    (void)events;
    while (read(p->fd, &count, sizeof count) == (ssize_t)sizeof count)
        ;
    kafka_producer_poll(p, 0);
}

/* --- a client of librdkafka ------------------------------------------------------------------- */

static int set_all(rd_kafka_conf_t *conf, const char *const pairs[][2], size_t n, struct err *err)
{
    for (size_t i = 0; i < n; i++)
        if (kafka_conf_set(conf, pairs[i][0], pairs[i][1], err) != 0)
            return -1;
    return 0;
}

static bool is_transactional(const struct kafka_producer *p)
{
    return !p->name[0] && p->sink->owner[0];
}

static rd_kafka_conf_t *producer_conf(const struct kafka_producer *p, struct err *err)
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
    };
    /* The journal holds it: never given up. A transaction ends some time, and takes it along. */
    static const char *const alone[][2] = { { "message.timeout.ms", "0" } };
    const char *const together[][2] = { { "transactional.id", p->sink->owner },
                                        { "transaction.timeout.ms", "15000" },
                                        { "delivery.report.only.error", "true" } };
    const struct kafka_settings *settings = p->sink->settings;
    rd_kafka_conf_t *conf = kafka_conf_create(settings, p->cred, "catalyst", err);
    if (!conf)
        return NULL;
    if (set_all(conf, ours, sizeof ours / sizeof *ours, err) != 0 ||
        (is_transactional(p) ? set_all(conf, together, 3, err) : set_all(conf, alone, 1, err)) !=
            0 ||
        kafka_conf_connect(conf, settings, p->cred, err) != 0)
        goto fail;
    rd_kafka_conf_set_events(conf, RD_KAFKA_EVENT_DR | RD_KAFKA_EVENT_ERROR | RD_KAFKA_EVENT_STATS);
    return conf;
fail:
    rd_kafka_conf_destroy(conf);
    return NULL;
}

rd_kafka_t *kafka_producer_client(const struct kafka_producer *p, struct err *err)
{
    char why[240];
    rd_kafka_conf_t *conf = producer_conf(p, err);
    if (!conf)
        return NULL;
    rd_kafka_t *rk = rd_kafka_new(RD_KAFKA_PRODUCER, conf, why, sizeof why);
    if (!rk) {
        rd_kafka_conf_destroy(conf);
        err_set(err, ERR_INVALID, "kafka: producer: %s", why);
    }
    return rk;
}

void kafka_producer_attach(struct kafka_producer *p, rd_kafka_t *rk)
{
    static const uint64_t one = 1;
    p->rk = rk;
    p->queue = rd_kafka_queue_get_main(rk);
    rd_kafka_queue_io_event_enable(p->queue, p->fd, &one, sizeof one);
    map_init(&p->topics);
    p->latest = NULL;
}

static void retries_free(struct kafka_producer *p)
{
    while (p->retries) {
        struct kafka_retry *r = p->retries;
        p->retries = r->next;
        rd_kafka_headers_destroy(r->headers);
        free(r->key);
        free(r->body);
        free(r);
    }
}

static void topics_free(struct kafka_producer *p)
{
    size_t at = 0;
    struct map_slot *slot;
    while (map_each(&p->topics, &at, &slot)) {
        struct sink_topic *topic = slot->value;
        rd_kafka_topic_destroy(topic->handle);
        free(topic->name);
        free(topic);
    }
    map_fini(&p->topics);
}

void kafka_producer_detach(struct kafka_producer *p)
{
    if (!p->rk)
        return;
    rd_kafka_purge(p->rk, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
    rd_kafka_queue_destroy(p->queue);
    topics_free(p);
    p->queue = NULL;
    p->rk = NULL;
}

/* --- life ------------------------------------------------------------------------------------- */

struct kafka_producer *kafka_producer_create(struct kafka_sink *s, wf_str name,
                                             const struct wf_cred *cred, struct err *err)
{
    struct kafka_producer *p = xcalloc(1, sizeof *p);
    p->sink = s;
    p->name = memcpy(xcalloc(1, name.len + 1), name.ptr, name.len);
    p->cred = cred;
    p->retries_last = &p->retries;
    p->retry_timer = (struct timer){ .fn = on_retry, .arg = p };
    p->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (p->fd < 0) {
        err_set(err, ERR_IO, "kafka: eventfd: %s", strerror(errno));
        goto fail_fd;
    }
    p->watch = watch_create(s->loop, p->fd, on_readable, p, err);
    if (!p->watch)
        goto fail_watch;
    watch_set(p->watch, WATCH_READABLE);
    rd_kafka_t *rk = kafka_producer_client(p, err);
    if (!rk)
        goto fail_rk;
    kafka_producer_attach(p, rk);
    if (is_transactional(p) && !(p->txn = kafka_txn_create(p, err)))
        goto fail_txn;
    return p;

fail_txn:
    kafka_producer_detach(p);
    rd_kafka_destroy(rk);
fail_rk:
    watch_stop(p->watch);
fail_watch:
    close(p->fd);
fail_fd:
    free(p->name);
    free(p);
    return NULL;
}

void kafka_producer_destroy(struct kafka_producer *p)
{
    rd_kafka_t *rk = p->rk;
    timer_stop(p->sink->loop, &p->retry_timer);
    if (p->txn) {
        kafka_txn_destroy(p->txn);
    } else {
        kafka_producer_detach(p);
        rd_kafka_destroy(rk);
    }
    watch_stop(p->watch);
    retries_free(p);
    close(p->fd);
    free(p->name);
    free(p->slots);
    free(p->order);
    free(p);
}
