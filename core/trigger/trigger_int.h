/* SPDX-License-Identifier: Apache-2.0
 * The kinds of triggers of this folder.
 */
#ifndef CATALYST_TRIGGER_INT_H
#define CATALYST_TRIGGER_INT_H
#include "trigger/trigger.h"

extern const struct trigger_kind kafka_trigger_kind, webhook_trigger_kind, schedule_trigger_kind,
    error_trigger_kind, plugin_trigger_kind, single_trigger_kind;

/* --- webhook_rules.c: who may call a webhook, beside authentication -----------------------------
 */

/* `allow`: addresses and networks with commas; empty: all. `peer`: "127.0.0.1:4711", "[::1]:4711".
 */
bool webhook_ip_allowed(const char *allow, wf_str peer);
/* `allow`: origins with commas, "*": all; empty: all, too. No origin is no web page: allowed. */
bool webhook_origin_allowed(const char *allow, wf_str origin);
bool webhook_is_bot(wf_str user_agent);
/* A media type (in lower case) whose body is no text. */
bool webhook_is_binary(wf_str media);

/* --- webhook_auth.c -----------------------------------------------------------------------------
 */

struct http_request;
struct wf_webhook_trigger;
/* *token: the payload of a JSON Web Token, in the arena. */
bool webhook_may_call(const struct wf_webhook_trigger *c, struct http_request *req, struct arena *a,
                      const char **token);
/* The header of that name in any case, or of the other one when it is empty. */
wf_str webhook_header(struct http_request *req, wf_str name, const char *otherwise,
                      struct arena *a);

/* --- webhook_key.c: idempotency keys ------------------------------------------------------------
 */

struct http_request;
/* A request on its way to the store and back. */
struct webhook_claim {
    struct store_key key;
    struct store_key_found found;
    bool failed;  /* the store could not be asked */
    bool is_used; /* an execution was started with it; else a claim that is new is given back */
};
struct webhook_claim_config {
    const struct trigger_host *host;
    uint32_t source;
    int64_t keep_ms;
    struct http_request *req;
    wf_str key; /* as the client named it */
    void *table;
    /* On the loop, unless the client went away; sets is_used. */
    void (*done)(void *table, struct http_request *req, struct webhook_claim *claim);
};
/* -1: the pool is full. */
int webhook_claim_start(const struct webhook_claim_config *config);

#endif
