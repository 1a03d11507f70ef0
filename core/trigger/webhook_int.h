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
    struct route_table *routes; /* NULL: to be built anew */
    struct timer build;
    struct loop *loop; /* NULL: nothing was timed yet */
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
void webhook_routes_changed(struct webhook_table *t, struct loop *loop);
/* The routes as they are now. */
const struct route_table *webhook_routes(struct webhook_table *t);

#endif
