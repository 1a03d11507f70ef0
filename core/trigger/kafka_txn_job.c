/* SPDX-License-Identifier: Apache-2.0
 * The calls of a transaction that block, in order, on the thread of their producer.
 *
 *   open:   (destroy the broken client) --> init --> begin
 *   end:    send offsets of each group --> commit --> begin
 *                 |                          |
 *                 +--------- abort <---------+   then begin
 *
 * Every error asks for one of four things: nothing, try again, abort, or give the client up. Which
 * it is librdkafka says; an error that says nothing is taken as the last.
 */
#include "trigger/kafka_int.h"
#include <stdio.h>
#include <time.h>

enum { INIT_TIMEOUT_MS = 5000, OFFSETS_TIMEOUT_MS = 10000, OFFSETS_TRIES = 5, PAUSE_MS = 100 };
enum verdict { DONE = 1, AGAIN, ABORT, BROKEN };

static bool is_stopping(const struct kafka_txn_job *job)
{
    return __atomic_load_n(&job->stopping, __ATOMIC_ACQUIRE);
}

static void pause_ms(int64_t ms)
{
    nanosleep(&(struct timespec){ ms / 1000, ms % 1000 * 1000000 }, NULL);
}

static enum verdict judge(struct kafka_txn_job *job, const char *what, rd_kafka_error_t *error,
                          rd_kafka_resp_err_t *code)
{
    if (!error)
        return DONE;
    enum verdict v = rd_kafka_error_is_fatal(error)             ? BROKEN
                     : rd_kafka_error_txn_requires_abort(error) ? ABORT
                     : rd_kafka_error_is_retriable(error)       ? AGAIN
                                                                : BROKEN;
    snprintf(job->why, sizeof job->why, "%s: %s", what, rd_kafka_error_string(error));
    if (code)
        *code = rd_kafka_error_code(error);
    rd_kafka_error_destroy(error);
    return v;
}

static enum kafka_txn_result begin(struct kafka_txn_job *job, enum kafka_txn_result result)
{
    return judge(job, "begin", rd_kafka_begin_transaction(job->rk), NULL) == DONE
               ? result
               : KAFKA_TXN_BROKEN;
}

static enum kafka_txn_result open_client(struct kafka_txn_job *job)
{
    enum verdict v;
    while ((v = judge(job, "init", rd_kafka_init_transactions(job->rk, INIT_TIMEOUT_MS), NULL)) ==
               AGAIN &&
           !is_stopping(job))
        pause_ms(PAUSE_MS);
    return v == DONE ? begin(job, KAFKA_TXN_OPENED) : KAFKA_TXN_BROKEN;
}

static bool is_stale(rd_kafka_resp_err_t code)
{
    return code == RD_KAFKA_RESP_ERR_ILLEGAL_GENERATION ||
           code == RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID ||
           code == RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID;
}

static enum verdict send_offsets(struct kafka_txn_job *job, uint32_t i, bool *stale)
{
    rd_kafka_resp_err_t code = RD_KAFKA_RESP_ERR_NO_ERROR;
    const struct kafka_txn_group *g = &job->groups[i];
    enum verdict v = AGAIN;
    for (int tries = 0; v == AGAIN && tries < OFFSETS_TRIES && !is_stopping(job); tries++) {
        if (tries)
            pause_ms(PAUSE_MS);
        v = judge(job, "offsets",
                  rd_kafka_send_offsets_to_transaction(job->rk, g->offsets, g->generation->metadata,
                                                       OFFSETS_TIMEOUT_MS),
                  &code);
    }
    *stale = v != DONE && is_stale(code);
    job->stale = i;
    return v == AGAIN ? ABORT : v;
}

static enum verdict commit(struct kafka_txn_job *job)
{
    enum verdict v;
    while ((v = judge(job, "commit", rd_kafka_commit_transaction(job->rk, -1), NULL)) == AGAIN &&
           !is_stopping(job))
        pause_ms(PAUSE_MS);
    return v == AGAIN ? BROKEN : v; /* whether it was committed is not known */
}

static enum kafka_txn_result abort_it(struct kafka_txn_job *job, bool stale)
{
    char why[sizeof job->why];
    snprintf(why, sizeof why, "%s", job->why); /* what began it is worth more than what follows */
    enum verdict v;
    while ((v = judge(job, "abort", rd_kafka_abort_transaction(job->rk, -1), NULL)) == AGAIN &&
           !is_stopping(job))
        pause_ms(PAUSE_MS);
    if (v != DONE)
        return KAFKA_TXN_BROKEN;
    snprintf(job->why, sizeof job->why, "%s", why);
    return begin(job, stale ? KAFKA_TXN_STALE : KAFKA_TXN_ABORTED);
}

static enum kafka_txn_result end(struct kafka_txn_job *job)
{
    bool stale = false;
    enum verdict v = job->abort ? ABORT : DONE;
    for (uint32_t i = 0; v == DONE && i < job->n_groups; i++)
        v = send_offsets(job, i, &stale);
    if (v == DONE)
        v = commit(job);
    return v == DONE    ? begin(job, KAFKA_TXN_COMMITTED)
           : v == ABORT ? abort_it(job, stale)
                        : KAFKA_TXN_BROKEN;
}

void kafka_txn_job_run(struct kafka_txn_job *job)
{
    if (job->broken)
        rd_kafka_destroy(job->broken);
    job->broken = NULL;
    job->result = job->opening ? open_client(job) : end(job);
}
