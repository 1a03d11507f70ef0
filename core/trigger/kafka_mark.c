/* SPDX-License-Identifier: Apache-2.0
 * The mark a transaction leaves with a group's committed offset: which blocks of the lane have left
 * in transactions that were committed, and whose producer wrote it.
 *
 *   "catalyst1 <source> <epoch> <seq> <transactional.id>"
 *
 * The offset alone would not do: executions that were parked end in blocks that do not move it.
 * Source and epoch tell a mark of this store from one that an earlier store left in the same group.
 *
 * The transactional.id names host, process and worker: "catalyst-<host>-<pid>-<run>-<worker>". A
 * process that starts again has another one (two engines must never share it), so it is the mark
 * that tells which producer must be fenced. Thread: any; nothing blocks.
 */
#include "trigger/kafka_int.h"
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void kafka_mark_text(const struct kafka_mark *mark, char text[KAFKA_MARK_TEXT])
{
    snprintf(text, KAFKA_MARK_TEXT, "catalyst1 %u %llu %llu %s", mark->source,
             (unsigned long long)mark->epoch, (unsigned long long)mark->seq, mark->owner);
}

bool kafka_mark_parse(const char *text, size_t len, struct kafka_mark *mark)
{
    char copy[KAFKA_MARK_TEXT];
    unsigned long long epoch, seq;
    int end = 0;
    memset(mark, 0, sizeof *mark);
    if (!text || len >= sizeof copy)
        return false;
    memcpy(copy, text, len);
    copy[len] = 0;
    if (sscanf(copy, "catalyst1 %10u %20llu %20llu %n", &mark->source, &epoch, &seq, &end) != 3 ||
        !end || strlen(copy + end) >= sizeof mark->owner) {
        memset(mark, 0, sizeof *mark);
        return false;
    }
    mark->epoch = epoch;
    mark->seq = seq;
    strcpy(mark->owner, copy + end);
    return true;
}

uint64_t kafka_mark_released(const struct kafka_mark *mark, const struct store_lane *at)
{
    bool ours = mark->source == at->source && mark->epoch && mark->epoch < at->epoch &&
                mark->seq <= at->block_seq;
    return ours && mark->seq > at->released ? mark->seq : at->released;
}

void kafka_owner_make(uint64_t run, uint32_t worker, char owner[KAFKA_OWNER])
{
    char host[65] = "engine";
    gethostname(host, sizeof host - 1);
    snprintf(owner, KAFKA_OWNER, "catalyst-%s-%d-%016llx-%u", host, (int)getpid(),
             (unsigned long long)run, worker);
}

/* The last three parts; a host's name may have dashes. */
static const char *owner_process(const char *owner, int *pid)
{
    const char *end = owner + strlen(owner);
    for (int dashes = 0; end > owner; end--)
        if (*end == '-' && ++dashes == 3)
            break;
    *pid = *end == '-' ? atoi(end + 1) : 0;
    return end;
}

bool kafka_owner_is_dead(const char *owner, const char *me)
{
    int his, mine;
    const char *his_end = owner_process(owner, &his), *my_end = owner_process(me, &mine);
    if (his <= 0 || his_end - owner != my_end - me ||
        memcmp(owner, me, (size_t)(his_end - owner)) != 0)
        return false; /* of another machine: nobody here knows */
    if (his == mine)  /* the same process, if it is the same run */
        return strncmp(his_end, my_end, strlen(my_end) - strlen(strrchr(my_end, '-'))) != 0;
    return kill(his, 0) != 0 && errno == ESRCH;
}
