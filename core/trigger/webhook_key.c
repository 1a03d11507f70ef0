/* SPDX-License-Identifier: Apache-2.0
 * Idempotency keys of webhooks: a request with a key asks the store for it on the pool, and goes on
 * with what the store said. A claim that nothing came of is given back. Thread: the worker's, and
 * the pool's for the question.
 */
#include "trigger/webhook_int.h"
#include "base/log.h"
#include "http/http.h"
#include "http/sign.h"
#include "loop/loop.h"
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

struct asked {
    struct offload_job job;
    struct webhook_claim claim;
    struct webhook_claim_config config;
    struct webhook_pending waits; /* its request, unless that is gone */
    struct arena arena;           /* texts of the answer */
    char key[65], print[65];
    bool gives_back;
    struct err err;
};

static void work(struct offload_job *job)
{
    struct asked *q = CONTAINER_OF(job, struct asked, job);
    struct store *store = q->config.host->store;
    if (q->gives_back)
        q->claim.failed = store_key_release(store, &q->claim.key, &q->err) != 0;
    else
        q->claim.failed =
            store_key_claim(store, &q->claim.key, &q->arena, &q->claim.found, &q->err) != 0;
}

static void asked_free(struct asked *q)
{
    arena_fini(&q->arena);
    free(q);
}

static void done(struct offload_job *job)
{
    struct asked *q = CONTAINER_OF(job, struct asked, job);
    const struct trigger_host *host = q->config.host;
    struct http_request *req = q->waits.req;
    bool was_back = q->gives_back;
    list_remove(&q->waits.link);
    q->claim.failed |= job->is_dropped;
    if (q->claim.failed)
        log_error("webhook", "key", "%s", job->is_dropped ? "shutting down" : q->err.text);
    if (!was_back && req) {
        req->on_gone = NULL;
        req->user = NULL;
        q->config.done(q->config.table, req, &q->claim);
    }
    q->gives_back = true;
    bool is_new = !was_back && !q->claim.failed && q->claim.found.state == STORE_KEY_NEW;
    if (is_new && !q->claim.is_used &&
        offload_submit(host->offload, host->owner, host->loop, &q->job) == 0)
        return;
    asked_free(q);
    host->poke(host->ctx);
}

static void on_gone(struct http_request *req)
{
    struct asked *q = req->user;
    q->waits.req = NULL;
}

int webhook_claim_start(const struct webhook_claim_config *config)
{
    const struct trigger_host *host = config->host;
    struct http_request *req = config->req;
    struct asked *q = xcalloc(1, sizeof *q);
    q->job = (struct offload_job){ .work = work, .done = done };
    q->config = *config;
    arena_init(&q->arena, NULL, 0);
    const wf_str print[] = { str_of(http_method_name(req->method)), req->path, req->query,
                             req->body };
    sign_hash(&config->key, 1, q->key);
    sign_hash(print, sizeof print / sizeof *print, q->print);
    q->claim.key = (struct store_key){ .source = config->source,
                                       .key = str_of(q->key),
                                       .print = str_of(q->print),
                                       .instance = host->instance,
                                       .keep_ms = config->keep_ms };
    if (getrandom(&q->claim.key.token, sizeof q->claim.key.token, 0) < 0)
        q->claim.key.token = (uint64_t)(uintptr_t)q;
    q->claim.key.token >>= 1; /* a number that a signed column and JSON can hold */
    req->user = q;
    req->on_gone = on_gone;
    if (offload_submit(host->offload, host->owner, host->loop, &q->job) == 0) {
        q->waits.req = req;
        webhook_watch_claim(config->table, &q->waits);
        return 0;
    }
    req->user = NULL;
    req->on_gone = NULL;
    asked_free(q);
    return -1;
}
