/* SPDX-License-Identifier: Apache-2.0
 * What the files of webhooks share. webhook.c requests, their answers and the trigger;
 * webhook_item.c a request as an item; webhook_routes.c which webhook a request means. Thread: the
 * worker's.
 */
#ifndef CATALYST_WEBHOOK_INT_H
#define CATALYST_WEBHOOK_INT_H
#include "trigger/trigger_int.h"
#include "base/list.h"
#include "http/http.h"
#include "loop/loop.h"
#include <catalyst/triggers.h>

struct webhook {
    struct trigger trigger;
    const struct wf_webhook_trigger *config;
    struct link link; /* in its table */
    struct lane *lane;
    struct lane_open *opening;
    char *trouble; /* a route it wants and has not got, or NULL */
    bool stopping;
    void (*gone)(void *ctx);
    void *gone_ctx;
};

struct webhook_table {
    struct link hooks;
    struct link held; /* requests that wait for the store, nothing started */
    unsigned n_held;
    struct link claiming, accepting, executing; /* struct webhook_pending, the oldest first */
    struct timer waiting;
    int64_t down_us;            /* since when the store is known to be down; 0: it is not */
    struct route_table *routes; /* NULL: to be built anew */
    struct timer build;
    const struct trigger_host *host; /* NULL: there was no webhook yet */
};

/* A request whose answer is still to come. */
struct webhook_pending {
    struct trigger_reply to;  /* webhook_answer */
    struct link link;         /* in its table, while it may run into the time limit */
    struct http_request *req; /* NULL: the client went away, or was told that it takes too long */
    int64_t since_us;
    int64_t status; /* of a good answer, when the node sets one; 0: as the engine says */
    struct http_header *headers;
    unsigned n_headers;
};

/* A request on its way into the engine. */
struct webhook_call {
    struct http_request *req;
    const struct webhook *hook;
    const struct route_match *match;
    wf_str body;                 /* copied: the request may be answered before its execution ends */
    const char *token;           /* payload of a JSON Web Token, or NULL */
    struct webhook_claim *claim; /* of its idempotency key; or NULL */
};

/* --- webhook_item.c --------------------------------------------------------------------------- */

/* Whether its body is what its content type says; -1 with *err: it could not become an item. */
int webhook_body_check(struct arena *a, const struct webhook_call *call, struct err *err);
/* inbound.build of a struct webhook_call. */
int webhook_item_build(const struct lane *lane, void *event, struct arena *a,
                       struct inbound_item **items, size_t *n, struct err *err);

/* --- webhook_routes.c ------------------------------------------------------------------------- */

/* Webhooks came, went or changed: the routes are built soon, once for all that change now. */
void webhook_routes_changed(struct webhook_table *t, const struct trigger_host *host);
/* The routes as they are now. */
const struct route_table *webhook_routes(struct webhook_table *t);

/* --- webhook_wait.c: requests while the store does not answer --------------------------------- */

void webhook_wait_init(struct webhook_table *t);
void webhook_wait_fini(struct webhook_table *t);
/* True: the store is down and the webhook needs it; the request is kept and served when it is up,
 * or refused when that takes too long. */
bool webhook_hold(struct webhook_table *t, const struct webhook *hook, struct http_request *req);
/* It waits for what the store knows of its key; nothing is started yet. */
void webhook_watch_claim(struct webhook_table *t, struct webhook_pending *p);
/* The engine has it now. */
void webhook_watch(struct webhook_table *t, const struct webhook *hook, struct webhook_pending *p);

/* --- webhook.c -------------------------------------------------------------------------------- */

/* {"error": ..} with the headers that a page may need; 503 with Retry-After. `hook`: or NULL. */
void webhook_refuse(struct http_request *req, const struct webhook *hook, int status,
                    const char *format, ...) WF_PRINTF(4, 5);
/* The webhook that a request means; or NULL. */
const struct webhook *webhook_of(struct webhook_table *t, const struct http_request *req);

#endif
