/* SPDX-License-Identifier: Apache-2.0
 * Topics that must be there before anybody uses them, by the admin API of librdkafka. Those that
 * are there already are told as they are: adding partitions would send keys elsewhere, and is for a
 * person to decide; taking some away is not possible. Thread: the command line's; blocks.
 */
#include "trigger/kafka_int.h"
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { ANSWER_MS = 30000, REPLICATION = 3, SEEN_TRIES = 40, SEEN_PAUSE_US = 250000 };

static const rd_kafka_metadata_topic_t *find_topic(const struct rd_kafka_metadata *found,
                                                   const char *name)
{
    for (int i = 0; i < found->topic_cnt; i++)
        if (!strcmp(found->topics[i].topic, name) &&
            found->topics[i].err != RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART)
            return &found->topics[i];
    return NULL;
}

/* One that is there. */
static void tell_found(const struct kafka_topic *wanted, const rd_kafka_metadata_topic_t *found,
                       kafka_on_topic *each, void *ctx)
{
    struct kafka_topic_report report = {
        .name = wanted->name,
        .wanted = wanted->partitions,
        .partitions = found->partition_cnt,
        .replication = found->partition_cnt ? found->partitions[0].replica_cnt : 0,
        .state =
            found->partition_cnt < wanted->partitions ? KAFKA_TOPIC_SMALLER : KAFKA_TOPIC_THERE,
    };
    each(ctx, &report);
}

struct making {
    const struct kafka_topic **topics; /* that are missing */
    rd_kafka_NewTopic_t **wishes;
    size_t n;
    int replication;
    bool any_failed;
};

static void tell_made(const struct making *m, const struct kafka_topic *topic,
                      enum kafka_topic_state state, const char *error, kafka_on_topic *each,
                      void *ctx)
{
    struct kafka_topic_report report = { .name = topic->name,
                                         .wanted = topic->partitions,
                                         .partitions = topic->partitions,
                                         .replication = m->replication,
                                         .state = state,
                                         .error = error };
    each(ctx, &report);
}

static const struct kafka_topic *asked_for(const struct making *m, const char *name)
{
    for (size_t i = 0; i < m->n; i++)
        if (!strcmp(m->topics[i]->name, name))
            return m->topics[i];
    return NULL;
}

static int take_answer(struct making *m, rd_kafka_event_t *event, kafka_on_topic *each, void *ctx,
                       struct err *err)
{
    size_t n = 0;
    if (!event)
        return err_set(err, ERR_UNAVAILABLE, "kafka: topics: no answer within %d s",
                       ANSWER_MS / 1000);
    if (rd_kafka_event_error(event))
        return err_set(err, ERR_UNAVAILABLE, "kafka: topics: %s",
                       rd_kafka_event_error_string(event));
    const rd_kafka_topic_result_t **results =
        rd_kafka_CreateTopics_result_topics(rd_kafka_event_CreateTopics_result(event), &n);
    for (size_t i = 0; i < n; i++) {
        const struct kafka_topic *topic = asked_for(m, rd_kafka_topic_result_name(results[i]));
        rd_kafka_resp_err_t code = rd_kafka_topic_result_error(results[i]);
        if (!topic)
            continue;
        if (code == RD_KAFKA_RESP_ERR_NO_ERROR)
            tell_made(m, topic, KAFKA_TOPIC_CREATED, NULL, each, ctx);
        else if (code == RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS) /* somebody was quicker */
            tell_made(m, topic, KAFKA_TOPIC_THERE, NULL, each, ctx);
        else
            tell_made(m, topic, KAFKA_TOPIC_FAILED, rd_kafka_topic_result_error_string(results[i]),
                      each, ctx);
    }
    return 0;
}

static int create(rd_kafka_t *rk, struct making *m, kafka_on_topic *each, void *ctx,
                  struct err *err)
{
    char why[240];
    m->wishes = xcalloc(m->n, sizeof(rd_kafka_NewTopic_t *));
    for (size_t i = 0; i < m->n; i++)
        m->wishes[i] = rd_kafka_NewTopic_new(m->topics[i]->name, m->topics[i]->partitions,
                                             m->replication, why, sizeof why);
    rd_kafka_AdminOptions_t *options =
        rd_kafka_AdminOptions_new(rk, RD_KAFKA_ADMIN_OP_CREATETOPICS);
    rd_kafka_AdminOptions_set_operation_timeout(options, ANSWER_MS - 5000, NULL, 0);
    rd_kafka_AdminOptions_set_request_timeout(options, ANSWER_MS, NULL, 0);
    rd_kafka_queue_t *queue = rd_kafka_queue_new(rk);
    rd_kafka_CreateTopics(rk, m->wishes, m->n, options, queue);
    rd_kafka_event_t *event = rd_kafka_queue_poll(queue, ANSWER_MS + 1000);
    int rc = take_answer(m, event, each, ctx, err);
    if (event)
        rd_kafka_event_destroy(event);
    rd_kafka_queue_destroy(queue);
    rd_kafka_AdminOptions_destroy(options);
    rd_kafka_NewTopic_destroy_array(m->wishes, m->n);
    free(m->wishes);
    return rc;
}

static bool all_are_there(rd_kafka_t *rk, const struct making *m)
{
    const struct rd_kafka_metadata *found = NULL;
    if (rd_kafka_metadata(rk, 1, NULL, &found, ANSWER_MS / 2) != RD_KAFKA_RESP_ERR_NO_ERROR)
        return false;
    bool all = true;
    for (size_t i = 0; i < m->n && all; i++) {
        const rd_kafka_metadata_topic_t *topic = find_topic(found, m->topics[i]->name);
        all = topic && topic->err == RD_KAFKA_RESP_ERR_NO_ERROR && topic->partition_cnt;
    }
    rd_kafka_metadata_destroy(found);
    return all;
}

/* What was created is known to every broker a moment later: who comes next shall find it. */
static void wait_for_all(rd_kafka_t *rk, const struct making *m)
{
    for (int i = 0; !m->any_failed && i < SEEN_TRIES && !all_are_there(rk, m); i++)
        usleep(SEEN_PAUSE_US);
}

static int make(rd_kafka_t *rk, const struct rd_kafka_metadata *found,
                const struct kafka_topic *topics, size_t n, const struct kafka_topics_how *how,
                kafka_on_topic *each, void *ctx, struct err *err)
{
    struct making m = { .topics = xcalloc(n ? n : 1, sizeof(const struct kafka_topic *)),
                        .replication = how->replication };
    if (!m.replication)
        m.replication = found->broker_cnt < REPLICATION ? found->broker_cnt : REPLICATION;
    for (size_t i = 0; i < n; i++) {
        const rd_kafka_metadata_topic_t *there = find_topic(found, topics[i].name);
        if (there)
            tell_found(&topics[i], there, each, ctx);
        else
            m.topics[m.n++] = &topics[i];
    }
    int rc = 0;
    if (how->dry_run)
        for (size_t i = 0; i < m.n; i++)
            tell_made(&m, m.topics[i], KAFKA_TOPIC_MISSING, NULL, each, ctx);
    else if (m.n && (rc = create(rk, &m, each, ctx, err)) == 0)
        wait_for_all(rk, &m);
    free(m.topics);
    return rc;
}

static rd_kafka_t *connect_client(const struct kafka_settings *settings, struct err *err)
{
    char why[240];
    rd_kafka_conf_t *conf = kafka_conf_create(settings, NULL, "catalyst-init", err);
    if (!conf)
        return NULL;
    if (kafka_conf_connect(conf, settings, NULL, err) != 0) {
        rd_kafka_conf_destroy(conf);
        return NULL;
    }
    rd_kafka_t *rk = rd_kafka_new(RD_KAFKA_PRODUCER, conf, why, sizeof why);
    if (!rk) {
        rd_kafka_conf_destroy(conf);
        err_set(err, ERR_INVALID, "kafka: %s", why);
    }
    return rk;
}

int kafka_topics_make(const struct kafka_settings *settings, const struct kafka_topic *topics,
                      size_t n, const struct kafka_topics_how *how, kafka_on_topic *each, void *ctx,
                      struct err *err)
{
    const struct rd_kafka_metadata *found = NULL;
    rd_kafka_t *rk = connect_client(settings, err);
    if (!rk)
        return -1;
    rd_kafka_resp_err_t code = rd_kafka_metadata(rk, 1, NULL, &found, ANSWER_MS / 2);
    int rc = -1;
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR)
        rc = make(rk, found, topics, n, how, each, ctx, err);
    else
        err_set(err, ERR_UNAVAILABLE, "kafka: %s: %s", settings->brokers, rd_kafka_err2str(code));
    if (found)
        rd_kafka_metadata_destroy(found);
    rd_kafka_destroy(rk);
    return rc;
}
