/* SPDX-License-Identifier: Apache-2.0
 * The inside of the client, shared by its files: client (curl on the loop), call (one request, one
 * reply).
 */
#ifndef CATALYST_HTTP_CLIENT_INT_H
#define CATALYST_HTTP_CLIENT_INT_H
#include "http/http.h"
#include "base/list.h"
#include "loop/loop.h"
#include <curl/curl.h>

#define http_pending_MAGIC 0x5ab13c04u

enum { REPLY_HEADERS_MAX = 256, REPLY_HEADER_BYTES = 64 << 10, SPARE_EASY_MAX = 256 };

/* One call from start to reply. */
struct http_pending {
    uint32_t magic;
    struct http_client *client;
    struct link link; /* client->calls */
    http_reply_fn *fn;
    void *arg;
    CURL *easy;
    bool is_added;            /* the multi handle has it */
    struct timer early;       /* runs when the call failed before it began */
    struct curl_slist *lines; /* request headers */
    struct arena arena;       /* texts of call and reply */
    const char *method;
    wf_str body; /* of the request */
    struct http_source source;
    uint64_t body_bytes, body_at;
    bool is_idempotent;
    bool is_tunnelled; /* https through a proxy: the CONNECT is not the request */
    bool has_reply;    /* header lines came since the request was last sent */
    bool has_head;     /* the empty line behind the reply's headers came */
    bool is_header_over;
    uint64_t max_bytes;
    uint64_t reply_bytes;
    bool is_over; /* the reply's body is larger than that */
    struct strbuf reply;
    struct http_sink sink;
    wf_pair *headers;
    unsigned n_headers;
    size_t header_bytes;
    char error[CURL_ERROR_SIZE];
    char trouble[640]; /* of a source or a sink; says more than curl's words */
};

struct http_client {
    struct loop *loop;
    struct http_client_config config;
    struct http_client_stats stats;
    char *ca_file, *proxy, *user_agent;
    CURLM *multi;
    CURLSH *share; /* TLS sessions, for all calls of this client */
    struct timer timer;
    struct link calls;
    CURL *spare[SPARE_EASY_MAX];
    unsigned n_spare;
    bool is_inside; /* curl runs: callbacks of ours must not call into it */
};

/* Sets everything on p->easy. -1: the call cannot be made, p->error says why. */
int call_prepare(struct http_pending *p, const struct http_call *call);
/* Fills the reply of a call that curl is done with. The texts live as long as p. */
void call_reply(struct http_pending *p, CURLcode code, struct http_reply *reply);
bool call_is_maybe_sent(const struct http_pending *p);
#endif
