/* SPDX-License-Identifier: Apache-2.0
 * http: the server of webhooks and admin, routes, what URLs and bodies are made of, and the client.
 *
 * Everything runs on one loop and is called on its thread ([loop]), unless marked [any]. Nothing
 * blocks. What outsiders send is capped: bytes, counts and time.
 */
#ifndef CATALYST_HTTP_H
#define CATALYST_HTTP_H
#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct loop;

/* --- server -------------------------------------------------------------------------------------
 */

#define HTTP_METHODS(X) X(GET) X(HEAD) X(POST) X(PUT) X(PATCH) X(DELETE) X(OPTIONS)

enum http_method {
    HTTP_NONE,
#define X(name) HTTP_##name,
    HTTP_METHODS(X)
#undef X
        HTTP_METHOD_COUNT
};

/* "GET"; "" for HTTP_NONE. [any] */
const char *http_method_name(enum http_method method);
/* HTTP_NONE: no such method, or one that the server does not know (and answers with 501). [any] */
enum http_method http_method_parse(wf_str name);

struct http_header {
    wf_str name, value; /* NUL-ended; names of requests are in lower case */
};

struct http_server;

/* One request, whole. Valid until http_respond() or the return of on_gone, whichever comes first.
 */
struct http_request {
    enum http_method method;
    bool is_tls;
    wf_str path;  /* as sent, percent-encoded; starts with "/", or is "*" */
    wf_str query; /* behind the "?", as sent */
    wf_str body;
    const struct http_header *headers;
    unsigned n_headers;
    wf_str peer; /* "127.0.0.1:4711", "[::1]:4711"; "unix" */
    void *user;  /* the owner's */
    /* The client went away, or the server is destroyed: no answer is possible any more, and the
     * request is freed when this returns. May be NULL; then http_respond() must come from
     * on_request itself. */
    void (*on_gone)(struct http_request *req);
};

/* The value of the first header of that name (given in lower case), or {NULL, 0}. */
wf_str http_request_header(const struct http_request *req, const char *name);

/* A zero is the default. */
struct http_limits {
    size_t header_bytes;       /* request line and headers: 16 KiB */
    size_t body_bytes;         /* 1 MiB */
    unsigned headers;          /* 100 */
    int64_t header_timeout_ms; /* first byte (or TLS start) to end of headers: 10 s */
    int64_t body_timeout_ms;   /* headers to end of body: 30 s */
    int64_t idle_timeout_ms;   /* nothing under way on a kept connection: 60 s */
    int64_t write_timeout_ms;  /* the client reads nothing of its answers: 30 s */
    unsigned max_connections;  /* 10,000; more are told 503 */
    unsigned max_pipelined;    /* unanswered requests of a connection; more are not read yet: 64 */
    size_t unsent_bytes; /* answers a client has not read; over it no request is read: 1 MiB */
};

struct http_server_config {
    const char *address;   /* "127.0.0.1", "::"; NULL: "127.0.0.1" */
    int port;              /* 0: any free one, see http_server_port */
    const char *unix_path; /* instead of address and port; a stale socket there is replaced */
    bool reuse_port;       /* several servers share the port; check it first with http_port_check */
    const char *tls_cert, *tls_key; /* PEM files; NULL: plain */
    struct http_limits limits;
    void *ctx;
    /* A whole request. Answer now or later on this thread. */
    void (*on_request)(void *ctx, struct http_request *req);
    /* Optional: headers are there, the body is not. May lower or raise *body_bytes for this
     * request. Returns 0 to go on, or the status to refuse with. */
    int (*on_headers)(void *ctx, struct http_request *req, size_t *body_bytes);
};

/* Listens. -1 texts: "http: listen on 127.0.0.1:5678: address already in use; ...". */
struct http_server *http_server_create(struct loop *l, const struct http_server_config *config,
                                       struct err *err);
/* [any] 0 when nobody listens there: for those who share a port, which hides that somebody else has
 * it. */
int http_port_check(const char *address, int port, struct err *err);
int http_server_port(const struct http_server *s);
/* Stops listening, closes idle connections, lets the rest finish with "Connection: close", and
 * then, or after grace_ms at the latest, cuts what is left and calls done(ctx). */
void http_server_drain(struct http_server *s, int64_t grace_ms, void (*done)(void *ctx), void *ctx);
/* Cuts everything (on_gone for each open request) and frees it. */
void http_server_destroy(struct http_server *s);

/* Answers. Headers and body are copied. Content-Length, Date and Connection are the server's; HEAD
 * sends no body. Answers of a connection leave in the order of its requests, in the loop's
 * LOOP_FLUSH phase, all of a connection in one write. A header with a line break in it is left out.
 */
void http_respond(struct http_request *req, int status, const struct http_header *headers,
                  unsigned n_headers, wf_str body);
/* The same with a body that is not copied: release(arg) is called when it is sent or the client
 * gone. */
void http_respond_borrow(struct http_request *req, int status, const struct http_header *headers,
                         unsigned n_headers, wf_str body, void (*release)(void *arg), void *arg);
/* {"error":"<text>"} */
void http_respond_error(struct http_request *req, int status, const char *format, ...)
    WF_PRINTF(3, 4);
/* "Accepted"; "Unknown" when it has no name. [any] */
const char *http_status_text(int status);

/* Why the server answered by itself: name, status, text. */
#define HTTP_REJECTS(X)                                                                            \
    X(MALFORMED, 400, "malformed request")                                                         \
    X(TIMEOUT, 408, "the request took too long")                                                   \
    X(BODY, 413, "the body is too large")                                                          \
    X(TARGET, 414, "the URL is too long")                                                          \
    X(EXPECT, 417, "only 100-continue can be expected")                                            \
    X(HEADERS, 431, "the headers are too large")                                                   \
    X(REFUSED, 0, "refused")                                                                       \
    X(METHOD, 501, "method not known")                                                             \
    X(CODING, 501, "transfer coding not known")                                                    \
    X(CONNECTIONS, 503, "too many connections")                                                    \
    X(VERSION, 505, "HTTP/1.1 and HTTP/1.0 only")

enum http_reject {
    HTTP_REJECT_NONE,
#define X(name, status, text) HTTP_REJECT_##name,
    HTTP_REJECTS(X)
#undef X
        HTTP_REJECT_COUNT
};
/* "malformed", "timeout" ... for metrics. [any] */
const char *http_reject_name(enum http_reject reject);

struct http_stats {
    uint64_t accepted, requests, answered, gone; /* gone: before the answer */
    uint64_t bytes_in, bytes_out;
    uint64_t rejected[HTTP_REJECT_COUNT];
    uint64_t tls_failed, write_timeouts;
    unsigned connections; /* now */
    unsigned unanswered;  /* requests, now */
};
const struct http_stats *http_server_stats(const struct http_server *s);

/* --- routes -------------------------------------------------------------------------------------
 */

/* Method and path pattern -> target. Built once, then read-only and replaced as a whole, so that
 * any number of threads may look up. A segment is text, ":name" or, as the last, "*name" (the rest,
 * also empty). Text wins over a parameter, a parameter over the rest, decided segment by segment
 * with a way back. One slash at the end means nothing. */
enum { ROUTE_PARAMS_MAX = 16, ROUTE_SEGMENTS_MAX = 32 };

struct route_table;
struct route_match {
    void *target;
    const char *pattern; /* as added */
    unsigned n_params;
    struct {
        wf_str name, value; /* value as sent, percent-encoded */
    } params[ROUTE_PARAMS_MAX];
    unsigned allowed; /* bits 1 << enum http_method: what this path knows */
};
enum route_result { ROUTE_FOUND = 1, ROUTE_NOT_FOUND, ROUTE_BAD_METHOD };

struct route_table *route_table_create(void);
void route_table_destroy(struct route_table *t);
/* CONFLICT when the same method and pattern (names of parameters aside) is there; INVALID says why.
 */
int route_add(struct route_table *t, enum http_method method, const char *pattern, void *target,
              struct err *err);
/* The target of the same method and pattern, names of parameters aside; or NULL. [any] */
void *route_same(const struct route_table *t, enum http_method method, const char *pattern);
/* No allocation. HEAD finds GET where it has no route of its own. [any] */
enum route_result route_find(const struct route_table *t, enum http_method method, wf_str path,
                             struct route_match *match);
/* "GET, HEAD, POST": the Allow header of a 405. */
wf_str route_allow(unsigned allowed, char *buffer, size_t size);

/* --- URLs, forms, multipart ----------------------------------------------------------------------
 */

struct http_field {
    wf_str name, value; /* decoded, NUL-ended */
};
struct http_fields {
    struct http_field *at;
    size_t n;
};

/* Decodes %xx (and "+" as a space when is_form) into `to`, which has room for raw.len; returns the
 * length. A "%" without two hex digits stands for itself. [any] */
size_t http_decode(char *to, wf_str raw, bool is_form);
/* "a=1&b=2", a query or a form body. Fields without "=" have an empty value; empty pieces are
 * skipped. LIMIT when there are more than max_fields. [any] */
int http_form_parse(struct arena *a, wf_str text, size_t max_fields, struct http_fields *fields,
                    struct err *err);
/* The value of a field, or {NULL, 0}. [any] */
wf_str http_field_get(const struct http_fields *fields, const char *name);

struct http_part {
    wf_str name, file_name, content_type; /* NUL-ended; file_name.ptr NULL: a plain field */
    wf_str body;                          /* a slice of the request's body */
};
/* multipart/form-data. At most max_parts parts with 8 KiB of headers each; LIMIT or INVALID says
 * what is wrong and where. [any] */
int http_multipart_parse(struct arena *a, wf_str content_type, wf_str body, size_t max_parts,
                         struct http_part **parts, size_t *n_parts, struct err *err);
/* The media type without parameters, in lower case: "application/json"; empty when none. [any] */
wf_str http_media_type(struct arena *a, wf_str content_type);

/* --- client -------------------------------------------------------------------------------------
 */

struct http_client;

/* A zero is the default. */
struct http_client_config {
    unsigned max_per_host;  /* connections to one host: 32 */
    unsigned max_idle;      /* connections kept for later: 256 */
    unsigned max_calls;     /* under way and waiting; more fail at once: 10,000 */
    const char *ca_file;    /* NULL: the system's */
    const char *proxy;      /* for calls without one; NULL: none. The environment is not read */
    const char *user_agent; /* NULL: "catalyst" */
};

/* Bodies in pieces, so that no body must be in memory as a whole. Called on the loop's thread while
 * curl is at work: they may not call into the client. */
struct http_source {
    uint64_t bytes; /* of the body */
    /* Up to n bytes from `at`: how many, -1 when they cannot be read. A body is read again from 0
     * when it must be sent again. NULL: the body is http_call.body. */
    int64_t (*read)(void *ctx, uint64_t at, char *to, size_t n);
    void *ctx;
};
struct http_sink {
    /* The next piece of the reply's body, uncompressed. -1 with *err: the call fails with these
     * words. NULL: the body is gathered for http_reply.body. */
    int (*write)(void *ctx, const char *ptr, size_t n, struct err *err);
    void *ctx;
};

/* wf_request of the SDK, with authentication spelled out. All text is copied by http_call_start. */
struct http_call {
    const char *method, *url; /* NULL method: GET; any case; http and https only */
    wf_str body;
    int64_t timeout_ms;          /* from start to the reply's last byte: 30 s */
    const wf_pair *headers;      /* ends with name NULL; or NULL */
    const char *user, *password; /* basic authentication; or NULL */
    const char *bearer;          /* token; or NULL */
    const char *proxy;
    unsigned max_redirects;    /* 0: none are followed */
    bool is_insecure;          /* the TLS certificate is not verified */
    bool is_body_borrowed;     /* the body is not copied and lives until done or cancel */
    uint64_t max_bytes;        /* of the reply's body, uncompressed: 16 MiB */
    struct http_source source; /* the body in pieces, instead of `body` */
    struct http_sink sink;     /* the reply's body in pieces; http_reply.body is empty then */
};

/* wf_reply of the SDK; lives for the time of the callback. */
struct http_reply {
    int status; /* 0: no answer, see error */
    int64_t retry_after_ms;
    wf_str body;            /* NUL-ended */
    const wf_pair *headers; /* names in lower case; ends with name NULL */
    bool is_maybe_sent; /* with status 0: part of a request left, the other side may have acted on
                           it */
    bool is_too_large;  /* with status 0: its body is larger than max_bytes */
    const char *error;  /* with status 0 */
    const char *url;    /* after redirects */
    int64_t time_us;
};

typedef void http_reply_fn(void *arg, const struct http_reply *reply);

struct http_client *http_client_create(struct loop *l, const struct http_client_config *config,
                                       struct err *err);
/* Ends all calls: each gets its reply with status 0. */
void http_client_destroy(struct http_client *c);
/* Starts a call; every failure comes as a reply, from the loop, never from inside this function. A
 * request that may have left is not sent again, unless its method is idempotent and its connection
 * was a kept one. */
struct http_pending *http_call_start(struct http_client *c, const struct http_call *call,
                                     http_reply_fn *fn, void *arg);
/* Ends it without a reply. Returns whether part of the request may have been sent. */
bool http_call_cancel(struct http_pending *p);
/* "120" or an HTTP date, in milliseconds from now_ms (since 1970 UTC); 0: neither, or past. [any]
 */
int64_t http_retry_after_ms(wf_str value, int64_t now_ms);

enum { HTTP_LATENCY_BOUNDS = 17 }; /* bound i is 1 << i ms */
struct http_client_stats {
    uint64_t calls, failed, timeouts, bytes_in;
    /* Of calls that were answered, not cumulative; and one beyond the last bound. */
    uint64_t latency_us_sum, latency_le[HTTP_LATENCY_BOUNDS + 1];
    unsigned under_way;
};
const struct http_client_stats *http_client_stats(const struct http_client *c);
#endif
