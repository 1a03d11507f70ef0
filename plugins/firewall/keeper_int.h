/* SPDX-License-Identifier: Apache-2.0
 * What the keeper's threads share: the one for files (keeper.c, keeper_files.c) and the one for
 * Redis (keeper_redis.c).
 */
#ifndef FIREWALL_KEEPER_INT_H
#define FIREWALL_KEEPER_INT_H
#include "keeper.h"
#include "numbers_int.h"
#include <pthread.h>
#include <stdio.h>

enum { EVENTS = 64 };

struct keeper {
    struct keeper *next;
    char *identity;
    unsigned refs;               /* nodes and threads; under keepers_lock */
    unsigned users;              /* nodes only */
    struct keeper_config config; /* its texts are the keeper's own */
    struct pool *pool;
    pthread_mutex_t lock;
    pthread_cond_t changed; /* snapshot, stop */
    _Atomic int stop;
    _Atomic uint64_t generation;
    struct snapshot *snapshot; /* NULL: no rules yet */
    unsigned loads;
    int64_t began_ms;
    int has_source[LIST_NAMES];
    _Atomic int is_loaded[LIST_NAMES];    /* some state of it is known */
    _Atomic int64_t fresh_ms[LIST_NAMES]; /* when it was last known to be right */
    _Atomic(const void *) speaker;
    char trouble[600];
    struct keeper_event events[EVENTS];
    unsigned events_first, events_n;
};

/* Exchange one part of the snapshot; the reference is taken over. */
void keeper_publish_rules(struct keeper *k, struct rules *rules);
void keeper_publish_list(struct keeper *k, enum list_name list, struct numbers *numbers,
                         struct numbers_delta *delta);
void keeper_say(struct keeper *k, int is_rules, int failed, const char *source, uint64_t count,
                const char *text);
/* Sleeps; 1 when the keeper is to stop. */
int keeper_sleep(struct keeper *k, int64_t ms);

void *keeper_files_main(void *keeper);
void *keeper_redis_main(void *keeper);
#endif
