/* SPDX-License-Identifier: Apache-2.0
 * The inside of the server, shared by its files: server (listening, life), conn (bytes in and out,
 * deadlines), parse (bytes to requests), answer (answers to bytes), tls.
 */
#ifndef CATALYST_HTTP_SERVER_INT_H
#define CATALYST_HTTP_SERVER_INT_H
#include "http/http.h"
#include "http/parser_int.h"
#include "base/list.h"
#include "loop/loop.h"
#include <openssl/ssl.h>
#include <uv.h>

enum {
    HEADERS_INLINE = 20,
    TEXT_INLINE = 2560,
    OUT_BLOCK = 4096,
    READ_BYTES = 64 << 10,
    PEER_SIZE = 64
};

/* Bytes on their way out: copied into bytes[], or borrowed (size 0). */
struct out_chunk {
    struct out_chunk *next;
    const char *ptr; /* what is not sent yet */
    size_t len;
    size_t size; /* of bytes[] */
    void (*release)(void *arg);
    void *arg;
    char bytes[];
};

struct outq {
    struct out_chunk *first, *last;
    size_t bytes;
};

#define conn_MAGIC    0x5ab13c02u
#define request_MAGIC 0x5ab13c03u

/* A request while it is read and until its answer is on its connection's queue. Name, value and so
 * on point into `text`; when that grows they are moved along. */
struct request {
    struct http_request pub; /* first: the owner has a pointer to it */
    uint32_t magic;
    struct conn *conn;
    struct link link; /* conn->requests, once it is whole */
    struct outq out;  /* its answer, while answers before it are missing */
    bool is_answered;
    bool is_last; /* the connection ends with its answer */
    bool is_http10;
    bool wants_continue; /* 100 Continue is due when the answers before it are out */
    bool in_value;       /* parser: the last piece belonged to a header's value */
    bool has_headers;    /* parser: past the headers */
    size_t body_limit;
    struct http_header *headers; /* few, or malloc'ed */
    unsigned headers_size;
    char *text; /* text_inline, or malloc'ed: target, headers, body; each NUL-ended */
    size_t text_len, text_size, target_len;
    struct http_header few[HEADERS_INLINE];
    char text_inline[TEXT_INLINE];
};

#define CONN_STATES(X)                                                                             \
    X(OPEN)   /* requests are read */                                                              \
    X(LAST)   /* no more are read; ends when all is answered and sent */                           \
    X(LINGER) /* all is sent; waits for the client's end, so that it can read the last answer */   \
    X(CLOSED) /* waits for libuv to let go */

enum conn_state {
    CONN_NONE,
#define X(name) CONN_##name,
    CONN_STATES(X)
#undef X
};

struct conn {
    uint32_t magic;
    enum conn_state state;
    struct http_server *server;
    struct link link;  /* server->conns */
    struct link dirty; /* server->dirty: has something to flush */
    union {
        uv_handle_t handle;
        uv_stream_t stream;
        uv_tcp_t tcp;
        uv_pipe_t pipe;
    } uv;

    http_parser parser;
    struct request *reading; /* or NULL between requests */
    struct link requests;    /* whole ones whose answer is not on `out` yet, in order */
    unsigned n_requests, n_unanswered;
    char *saved; /* input behind a pause */
    size_t saved_len;
    bool is_paused;  /* too many unanswered requests or unsent bytes */
    bool is_parsing; /* inside the parser: closing must wait */
    bool must_close;
    bool has_served; /* one request at least */

    struct outq out;
    uv_write_t write;
    bool is_writing;
    size_t writing_bytes; /* of `out`, under way in libuv; TLS: of `cipher` */
    size_t queue_seen;    /* libuv's queue when progress was last checked */

    SSL *ssl;
    char *cipher; /* encrypted bytes that the socket did not take at once */

    struct timer timer;
    int64_t timer_us;    /* when it fires */
    int64_t read_us;     /* when the reading of this request's headers, or body, began */
    int64_t idle_us;     /* when the last answer was queued, or the connection accepted */
    int64_t progress_us; /* when bytes last left, or began to wait */
    int64_t linger_us;   /* when lingering began */
    char peer[PEER_SIZE];
};

struct http_server {
    struct loop *loop;
    struct http_server_config config;
    struct http_limits limits;
    struct http_stats stats;
    SSL_CTX *tls;
    int listen_fd, port;
    struct watch *accept_watch;
    struct timer accept_timer; /* starts accepting again when descriptors were out */
    struct loop_hook flush_hook;
    struct link conns, dirty;
    unsigned n_open; /* conns whose handle libuv still has */
    bool is_draining, is_destroyed, is_finished;
    struct timer drain_timer;
    void (*drained)(void *ctx);
    void *drained_ctx;
    int64_t date_us;                /* when `date` was made */
    char date[64];                  /* "Date: ...\r\n" */
    struct request *spare_requests; /* linked by conn */
    unsigned n_spare_requests;
    struct out_chunk *spare_chunks;
    unsigned n_spare_chunks;
    char *unix_path;
    char read_buffer[READ_BYTES];
    char plain_buffer[17 << 10]; /* one TLS record */
};

/* conn.c */
void conn_adopt(struct http_server *s, int fd);
/* Something is to be flushed, or the state may move on. */
void conn_touch(struct conn *c);
void conn_flush(struct conn *c);
void conn_close(struct conn *c);
/* As conn_touch, when the reading of requests must end. */
void conn_end_input(struct conn *c);
/* Restarts the timer if the next deadline is before it. */
void conn_schedule(struct conn *c);

/* parse.c */
void parse_init(struct conn *c);
/* Parses bytes; what lies behind a pause is kept. */
void parse_feed(struct conn *c, const char *ptr, size_t len);
/* Parses what was kept, once there is room again. */
void parse_resume(struct conn *c);
/* The server's own answer to what it could not accept; ends the connection's input. */
void parse_reject(struct conn *c, enum http_reject why, int status);

/* answer.c */
struct request *request_take(struct conn *c);
void request_free(struct request *r);
/* A whole request that stands first: whatever can leave goes to the connection's queue. */
void answer_advance(struct conn *c);
void answer_error(struct request *r, int status, const char *text);
void outq_add(struct http_server *s, struct outq *q, const char *ptr, size_t len);
void outq_consume(struct http_server *s, struct outq *q, size_t len);
void outq_clear(struct http_server *s, struct outq *q);
void answer_free_spares(struct http_server *s);

/* tls.c */
SSL_CTX *tls_context(const char *cert, const char *key, struct err *err);
int tls_attach(struct conn *c);
/* Takes bytes of the socket. -1: the connection is broken. */
int tls_feed(struct conn *c, const char *ptr, size_t len);
/* Parses on after a pause. */
int tls_pump(struct conn *c);
/* Encrypts from c->out, and hands out what is to be sent; len 0: nothing. Valid until tls_sent. */
int tls_encrypt(struct conn *c, const char **ptr, size_t *len);
void tls_sent(struct conn *c);
void tls_close_notify(struct conn *c);
#endif
