/* SPDX-License-Identifier: Apache-2.0
 * What the files of this folder share: the server's state, and gathering from all workers.
 */
#ifndef CATALYST_ADMIN_INT_H
#define CATALYST_ADMIN_INT_H
#include "admin/admin.h"
#include "loop/loop.h"

struct admin {
    struct admin_config config;
    struct http_server *server;
    struct worker **workers;
    uint32_t n_workers;
    char *waits; /* for what, while there are no workers; NULL: nothing that is known */
    bool draining;
    int64_t started_us;
    struct { /* atomic: of the housekeeper; at_us 0: not once yet */
        int64_t done, failed, at_us, missing, failures;
    } house;
};

/* A request that waits for every worker's part. */
struct gather {
    struct admin *admin;
    struct http_request *req;           /* NULL: the client went away */
    uint32_t waiting;                   /* parts that are still to come */
    void **parts;                       /* one per worker, made on its thread */
    void *(*collect)(struct worker *w); /* [worker] */
    void (*answer)(struct gather *g);   /* [main] when all are there */
    void (*part_free)(void *part);
};
/* Asks all workers; answer comes later. */
void gather_start(struct admin *a, struct http_request *req, void *(*collect)(struct worker *w),
                  void (*answer)(struct gather *g), void (*part_free)(void *part));

/* metrics.c */
void *metrics_collect(struct worker *w);
void metrics_answer(struct gather *g);
void metrics_free(void *part);

/* process.c: what is not a worker's. */
void process_metrics(struct strbuf *b, const struct admin *a);
bool process_metric_is_ours(const char *name);

#endif
