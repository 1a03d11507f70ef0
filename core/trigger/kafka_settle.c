/* SPDX-License-Identifier: Apache-2.0
 * What the past left of a group's partitions, before they are read with transactions.
 *
 * An engine that died may leave a transaction open. Until it ends, readers of its outputs wait, and
 * the group's offset is not settled. The mark of the last committed offset names its producer, so:
 *
 *   read marks as they are --> fence producers that died on this machine (their transaction aborts)
 *       --> read settled offsets; not settled for long: fence all producers that are named
 *       --> read settled offsets again --> put our name into the marks, for those who come after us
 *
 * Fencing a producer that lives costs it one transaction; it sends the same again, and the group's
 * generation tells which of its lanes it has lost. What no mark names ends by the broker's clock
 * (transaction.timeout.ms).
 *
 * Thread: the question runs on the pool, as all of it blocks; the answer comes on the worker's.
 */
#include "trigger/kafka_int.h"
#include "base/log.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LIST_MS = 5000, SETTLED_MS = 1500, FENCED_MS = 12000, FENCE_MS = 5000, OWNERS_MAX = 64 };

struct kafka_settle {
    struct offload_job job;
    struct kafka_settle_config config;
    rd_kafka_topic_partition_list_t *list;
    char fenced[OWNERS_MAX][KAFKA_OWNER];
    unsigned n_fenced;
    bool ok;
    char why[240];
};

/* --- fencing ---------------------------------------------------------------------------------- */

/* A producer with the same transactional.id: the broker aborts what the old one left. */
static void fence(struct kafka_settle *s, const char *owner)
{
    struct err err;
    char why[240];
    const struct kafka_settings *settings = s->config.host->kafka;
    rd_kafka_conf_t *conf = kafka_conf_create(settings, NULL, "catalyst-fence", &err);
    if (!conf || kafka_conf_connect(conf, settings, NULL, &err) != 0 ||
        kafka_conf_set(conf, "transactional.id", owner, &err) != 0) {
        if (conf)
            rd_kafka_conf_destroy(conf);
        return;
    }
    rd_kafka_t *rk = rd_kafka_new(RD_KAFKA_PRODUCER, conf, why, sizeof why);
    if (!rk) {
        rd_kafka_conf_destroy(conf);
        return;
    }
    rd_kafka_error_t *error = rd_kafka_init_transactions(rk, FENCE_MS);
    log_info("kafka", "trigger.fence", "producer '%s': %s", owner,
             error ? rd_kafka_error_string(error) : "its open transaction is ended");
    if (error)
        rd_kafka_error_destroy(error);
    rd_kafka_destroy(rk);
}

static void fence_once(struct kafka_settle *s, const char *owner)
{
    if (!owner[0] || !strcmp(owner, s->config.owner) || s->n_fenced == OWNERS_MAX)
        return;
    for (unsigned i = 0; i < s->n_fenced; i++)
        if (!strcmp(s->fenced[i], owner))
            return;
    strcpy(s->fenced[s->n_fenced++], owner);
    fence(s, owner);
}

static void fence_owners(struct kafka_settle *s, const rd_kafka_topic_partition_list_t *found,
                         bool all)
{
    struct kafka_mark mark;
    for (int i = 0; i < found->cnt; i++) {
        const rd_kafka_topic_partition_t *p = &found->elems[i];
        if (kafka_mark_parse(p->metadata, p->metadata_size, &mark) &&
            (all || kafka_owner_is_dead(mark.owner, s->config.owner)))
            fence_once(s, mark.owner);
    }
}

/* --- reading ---------------------------------------------------------------------------------- */

static const rd_kafka_topic_partition_list_t *
partitions_of(const rd_kafka_ListConsumerGroupOffsets_result_t *result)
{
    size_t n = 0;
    const rd_kafka_group_result_t **groups =
        result ? rd_kafka_ListConsumerGroupOffsets_result_groups(result, &n) : NULL;
    return n ? rd_kafka_group_result_partitions(groups[0]) : NULL;
}

/* The last committed offsets, whatever transactions are open. */
static void look(struct kafka_settle *s, bool all)
{
    rd_kafka_queue_t *queue = rd_kafka_queue_new(s->config.rk);
    rd_kafka_AdminOptions_t *options =
        rd_kafka_AdminOptions_new(s->config.rk, RD_KAFKA_ADMIN_OP_LISTCONSUMERGROUPOFFSETS);
    rd_kafka_ListConsumerGroupOffsets_t *ask =
        rd_kafka_ListConsumerGroupOffsets_new(s->config.group, s->list);
    char why[120];
    rd_kafka_AdminOptions_set_request_timeout(options, LIST_MS, why, sizeof why);
    rd_kafka_ListConsumerGroupOffsets(s->config.rk, &ask, 1, options, queue);
    rd_kafka_event_t *event = rd_kafka_queue_poll(queue, LIST_MS + 1000);
    const rd_kafka_topic_partition_list_t *found =
        event ? partitions_of(rd_kafka_event_ListConsumerGroupOffsets_result(event)) : NULL;
    if (found)
        fence_owners(s, found, all);
    if (event)
        rd_kafka_event_destroy(event);
    rd_kafka_ListConsumerGroupOffsets_destroy(ask);
    rd_kafka_AdminOptions_destroy(options);
    rd_kafka_queue_destroy(queue);
}

static bool settled(struct kafka_settle *s, int timeout_ms)
{
    rd_kafka_resp_err_t code = rd_kafka_committed(s->config.rk, s->list, timeout_ms);
    for (int i = 0; !code && i < s->list->cnt; i++)
        code = s->list->elems[i].err;
    if (code)
        snprintf(s->why, sizeof s->why, "offsets of group '%s': %s", s->config.group,
                 rd_kafka_err2str(code));
    return !code;
}

/* --- our name --------------------------------------------------------------------------------- */

static bool claim(struct kafka_settle *s)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(s->list->cnt);
    for (int i = 0; i < s->list->cnt; i++) {
        const rd_kafka_topic_partition_t *from = &s->list->elems[i];
        struct kafka_mark mark;
        char text[KAFKA_MARK_TEXT];
        if (from->offset < 0 && !s->config.from_beginning)
            continue;
        rd_kafka_topic_partition_t *to =
            rd_kafka_topic_partition_list_add(list, from->topic, from->partition);
        to->offset = from->offset < 0 ? 0 : from->offset;
        kafka_mark_parse(from->metadata, from->metadata_size, &mark);
        strcpy(mark.owner, s->config.owner);
        kafka_mark_text(&mark, text);
        to->metadata = xstrdup(text);
        to->metadata_size = strlen(text);
    }
    rd_kafka_resp_err_t code =
        list->cnt ? rd_kafka_commit(s->config.rk, list, 0) : RD_KAFKA_RESP_ERR_NO_ERROR;
    rd_kafka_topic_partition_list_destroy(list);
    if (code)
        snprintf(s->why, sizeof s->why, "offsets of group '%s': %s", s->config.group,
                 rd_kafka_err2str(code));
    return !code;
}

/* --- the question ----------------------------------------------------------------------------- */

/* [pool] */
static void work(struct offload_job *job)
{
    struct kafka_settle *s = CONTAINER_OF(job, struct kafka_settle, job);
    look(s, false);
    if (!settled(s, SETTLED_MS)) {
        look(s, true);
        if (!settled(s, FENCED_MS))
            return;
    }
    s->ok = claim(s);
}

static void done(struct offload_job *job)
{
    struct kafka_settle *s = CONTAINER_OF(job, struct kafka_settle, job);
    s->config.done(s->config.ctx, s, s->ok && !job->is_dropped ? s->list : NULL, s->why);
    rd_kafka_topic_partition_list_destroy(s->list);
    free(s);
}

struct kafka_settle *kafka_settle_start(const struct kafka_settle_config *config)
{
    struct kafka_settle *s = xcalloc(1, sizeof *s);
    struct trigger_host *host = config->host;
    s->config = *config;
    s->list = rd_kafka_topic_partition_list_copy(config->partitions);
    s->job = (struct offload_job){ .work = work, .done = done };
    if (offload_submit(host->offload, host->owner, host->loop, &s->job) == 0)
        return s;
    rd_kafka_topic_partition_list_destroy(s->list);
    free(s);
    return NULL;
}
