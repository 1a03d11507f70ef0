/* SPDX-License-Identifier: Apache-2.0
 * worker: one thread = loop + engine + Lua state + store session + Kafka clients + HTTP server.
 *
 * A worker shares nothing that changes. The main thread makes workers, hands them plans by mail,
 * and asks them for numbers by mail. Everything below is called from the main thread unless marked.
 */
#ifndef CATALYST_WORKER_H
#define CATALYST_WORKER_H
#include "engine/engine.h"
#include "http/http.h"
#include "trigger/trigger.h"

struct worker;

struct worker_config {
    uint32_t number, n_workers;
    struct store *store;
    uint32_t instance;
    struct offload *offload;
    const struct kafka_settings *kafka;    /* brokers NULL: none */
    const struct http_server_config *http; /* address, port, TLS, limits; NULL: no webhooks */
    struct http_client_config client;
    struct engine_limits limits;
    int blob_dir; /* of blob_dir_open; the owner's. -1: binary data stays in memory */
    struct expr_limits lua;
    const char *lua_dir; /* for require; or NULL */
    bool save_inputs;
    int64_t webhook_accept_ms; /* how long a webhook request waits for a store that is down */
    uint32_t accept_batch;     /* events taken between two rounds of frames; 0: 256 */
    void *ctx;
    /* A parked execution needs a version that is not here: worker_deploy it with sources NULL. On
     * the worker's thread. May be NULL. */
    void (*need_version)(void *ctx, uint64_t version);
};

/* Makes the worker and its thread, which runs at once. */
struct worker *worker_start(const struct worker_config *config, struct err *err);
/* Begins to drain: no new events; runs and outputs under way end; then its thread ends. Cut after
 * grace_ms. */
void worker_drain(struct worker *w, int64_t grace_ms);
/* Waits for the thread to end; questions to the worker are refused from then on. */
void worker_wait(struct worker *w);
/* Waits for the thread to end, frees the worker. */
void worker_join(struct worker *w);

/* A plan that shall run, with the store's source numbers of its triggers (plan->n_triggers of
 * them). Takes a reference. A plan of the same workflow that runs already is replaced: its lanes go
 * on with the new one, or, where a trigger's parameters changed, stop and start again. `sources`
 * NULL: an older version that only finishes what was parked on it; no trigger of it starts. */
void worker_deploy(struct worker *w, struct plan *plan, const uint32_t *sources);
/* The workflow shall not run any more: triggers stop, what runs ends. */
void worker_retire(struct worker *w, const char *workflow_id);

/* An engine died: its webhook and schedule lanes are taken, what was left is resent and run to its
 * end. [any] */
void worker_takeover(struct worker *w, uint32_t instance);
/* The port its server listens on; 0: no HTTP. */
int worker_http_port(const struct worker *w);

/* Calls fn(arg, worker) on the worker's thread: for metrics and state. [any] */
int worker_post(struct worker *w, void (*fn)(void *arg, struct worker *w), void *arg);

/* --- on the worker's thread ------------------------------------------------------------------- */

uint32_t worker_number(const struct worker *w);
struct engine *worker_engine(struct worker *w);
const struct http_stats *worker_http_stats(const struct worker *w); /* NULL: no HTTP */
const struct http_client_stats *worker_client_stats(const struct worker *w);
const struct kafka_sink_stats *worker_kafka_stats(const struct worker *w); /* NULL: no Kafka */
/* Statements of plugins. */
const struct store_sql_stats *worker_sql_stats(const struct worker *w);
size_t worker_lua_bytes(const struct worker *w);
struct worker_trigger {
    const char *workflow, *node;
    const char *trouble; /* NULL: it works */
    int64_t lag;         /* events waiting outside; -1: not known */
    int64_t rebalances;  /* times its partitions changed; -1: it has none */
};
void worker_triggers(struct worker *w, void (*each)(void *ctx, const struct worker_trigger *t),
                     void *ctx);
/* NULL when the worker can take work; else a sentence why not (store down, broker down). */
const char *worker_trouble(const struct worker *w);

#endif
