/* SPDX-License-Identifier: Apache-2.0
 * serve: the parts of a running engine process.
 *
 *   main thread: loop with signals and the admin server; compiles plans, hands them to the workers
 *   keeper threads: heartbeat, new versions in the store, dead engines; housekeeping (their calls
 * block) worker threads: everything else
 */
#ifndef CATALYST_SERVE_H
#define CATALYST_SERVE_H
#include "main/main.h"
#include "loop/loop.h"
#include "worker/worker.h"

/* A workflow that runs. */
struct running {
    struct link link;
    struct plan *plan;
    uint32_t *sources;
};

struct server {
    const struct config *config;
    struct store *store;
    struct definitions definitions;
    struct store_tables *tables; /* of the plugins */
    size_t n_tables;
    uint32_t instance;
    struct offload *offload;
    struct kafka_settings kafka;
    struct kafka_embedded *embedded;
    struct http_server_config http;
    struct worker_config worker_config;
    int blob_dir;
    struct worker **workers;
    uint32_t n_workers;
    struct link running;
    struct loop *loop;
    struct admin *admin;
    /* keeper */
    struct thread keeper, housekeeper;
    int fenced;            /* atomic: others took this engine's work */
    int stop_keeper;       /* atomic */
    int reload;            /* atomic: mail is on its way */
    uint64_t revision;     /* keeper's */
    unsigned stops;        /* signals to stop so far */
    int draining;          /* atomic */
    struct thread drainer; /* waits for the workers, while the main loop goes on answering */
    struct mail drained;
};

/* deployments.c: definitions of files and of the store, compiled and handed to the workers. */
/* Deploys the files of the settings into the store. Mistakes are printed; the others go on. */
void deployments_from_files(struct server *s);
/* Brings the workers in line with the store: new versions, activations. */
void deployments_refresh(struct server *s);
/* Compiles one older version for parked executions and hands it to all workers. [worker threads, by
 * mail] */
void deployments_need_version(void *ctx, uint64_t version);
void deployments_free(struct server *s);
/* Topics of the Kafka triggers and senders of all running workflows; NULL-ended, in the arena. */
const char **deployments_topics(struct server *s, struct arena *a);

/* open_store.c: opens the store of the settings; waits while it is down, and the main loop answers
 * health checks meanwhile. -1 with *err: it never will be, or the process is to stop. */
int serve_open_store(struct server *s, struct err *err);
/* Whether a signal to stop came before the main loop took the signals. */
bool serve_stopped_early(void);

/* serve.c: the settings' kafka-property lines. -1 with *err; to be freed in either case. */
int kafka_read_properties(const struct config *c, struct kafka_settings *to, struct err *err);
void kafka_free_properties(struct kafka_settings *settings);

/* serve.c: no new work; the loop stops when what runs has ended. On the main thread, once. */
void serve_drain(struct server *s);

/* keeper.c */
int keeper_start(struct server *s, struct err *err);
void keeper_stop(struct server *s);

#endif
