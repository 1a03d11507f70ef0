/* SPDX-License-Identifier: Apache-2.0
 * The HTTP server: listening, accepting, draining, counting.
 *
 * Which library, and why. Throwaway servers that answer 202 to a 342-byte POST, one thread, wrk
 * with 64 kept connections beside it on the same 2 shared cores; median of 3 runs of 3 s, and CPU
 * of the server per request, which is steadier than the rate:
 *
 *   nginx 1.22, return 202                    107k/s   5.9 us    the yardstick
 *   libh2o 2.2.5 (libuv flavour)               78k/s   9.7 us
 *   libmicrohttpd 0.9.75 (its epoll on uv)    118k/s   7.4 us
 *   libwebsockets 4.1.6 (libuv)                57k/s  16.0 us
 *   http_parser 2.9.4 on uv_tcp, own layer    126k/s   5.7 us
 *   picohttpparser (inside libh2o), same      120k/s   4.1 us
 *
 * This server as it stands did 139k/s (118-154k) at 4.0 us where nginx did 125k/s (114-144k) at 4.1
 * us, median of 5 in turns; with TLS 72k/s; 102k/s when answers come from a 1 ms tick, as after
 * commits.
 *
 * An answer here waits for a commit, milliseconds away, and then a thousand leave at once. The
 * three servers take the next request of a connection only after the answer to the one before:
 * pipelined sixteen deep libh2o gave 5,700/s and libmicrohttpd 220/s, where the parsers gave
 * 680k-1M/s (0.6 us a request). They also write each answer by itself; libmicrohttpd brings GnuTLS
 * beside our OpenSSL and a timeout that every byte extends; the libh2o of Debian 12 is of 2018,
 * with header limits fixed when it was compiled. So: the parser is a library, http_parser (RFC 9112
 * strictness on lengths and codings, split input), and the connection layer is these five files on
 * uv_tcp and OpenSSL. picohttpparser would save 0.2 us, but has no package of its own. Parser calls
 * are in parse.c alone, for the day that llhttp is packaged.
 *
 * Several workers each have a server on one port (SO_REUSEPORT); the kernel spreads the
 * connections. Thread: the loop's. Nothing blocks.
 */
#include "http/server_int.h"
#include "base/log.h"
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { BACKLOG = 4096, ACCEPTS_PER_EVENT = 64, ACCEPT_PAUSE_US = 100000 };

/* --- sockets ---------------------------------------------------------------------------------- */

static const char *why_not(int code)
{
    switch (code) {
    case EADDRINUSE:
        return "address already in use; stop the other program or choose another port";
    case EACCES:
        return "permission denied; ports below 1024 need a privilege";
    case EADDRNOTAVAIL:
        return "this machine does not have that address";
    default:
        return strerror(code);
    }
}

static const char *address_of(const char *address) { return address ? address : "127.0.0.1"; }

static int fail_listen(const char *address, int port, int code, struct err *err)
{
    bool is_v6 = strchr(address, ':') != NULL;
    return err_set(err, code == EADDRINUSE ? ERR_CONFLICT : ERR_IO, "http: listen on %s%s%s:%d: %s",
                   is_v6 ? "[" : "", address, is_v6 ? "]" : "", port, why_not(code));
}

/* A bound socket, or -1. Numeric addresses only, so that nothing waits for DNS. */
static int bind_tcp(const char *address, int port, bool reuse_port, struct err *err)
{
    char service[16];
    snprintf(service, sizeof service, "%d", port);
    struct addrinfo hints = { .ai_family = AF_UNSPEC,
                              .ai_socktype = SOCK_STREAM,
                              .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE };
    struct addrinfo *found;
    if (port < 0 || port > 65535 || getaddrinfo(address, service, &hints, &found) != 0)
        return err_set(err, ERR_INVALID, "http: listen on %s:%d: not an IP address and port",
                       address, port);
    int one = 1, code = 0;
    int fd = socket(found->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) != 0 ||
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one) !=
            0 || /* accepted ones inherit it */
        (reuse_port && setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof one) != 0) ||
        bind(fd, found->ai_addr, found->ai_addrlen) != 0)
        code = errno;
    freeaddrinfo(found);
    if (!code)
        return fd;
    if (fd >= 0)
        close(fd);
    return fail_listen(address, port, code, err);
}

int http_port_check(const char *address, int port, struct err *err)
{
    int fd = bind_tcp(address_of(address), port, false, err);
    if (fd < 0)
        return -1;
    int code = listen(fd, 1) == 0 ? 0 : errno;
    close(fd);
    return code ? fail_listen(address_of(address), port, code, err) : 0;
}

static int bind_unix(const char *path, struct err *err)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    if (strlen(path) >= sizeof address.sun_path)
        return err_set(err, ERR_INVALID, "http: listen on %s: the path is longer than %zu bytes",
                       path, sizeof address.sun_path - 1);
    snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return err_set(err, ERR_IO, "http: listen on %s: %s", path, strerror(errno));
    /* A socket file that nobody answers on was left by a crash. */
    if (connect(fd, (struct sockaddr *)&address, sizeof address) != 0 && errno == ECONNREFUSED)
        unlink(path);
    close(fd);
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd >= 0 && bind(fd, (struct sockaddr *)&address, sizeof address) == 0)
        return fd;
    int code = errno;
    if (fd >= 0)
        close(fd);
    return err_set(err, code == EADDRINUSE ? ERR_CONFLICT : ERR_IO, "http: listen on %s: %s", path,
                   code == EADDRINUSE ? "another program listens there" : strerror(code));
}

static int port_of(int fd)
{
    struct sockaddr_storage address = { 0 };
    socklen_t size = sizeof address;
    if (getsockname(fd, (struct sockaddr *)&address, &size) != 0)
        return 0;
    if (address.ss_family == AF_INET)
        return ntohs(((struct sockaddr_in *)&address)->sin_port);
    if (address.ss_family == AF_INET6)
        return ntohs(((struct sockaddr_in6 *)&address)->sin6_port);
    return 0;
}

/* --- accepting -------------------------------------------------------------------------------- */

/* Out of descriptors: the waiting connections would wake the loop for nothing again and again. */
static void pause_accepting(struct http_server *s, int code)
{
    log_warn("http", "http.accept_failed", "%s; trying again", strerror(code));
    watch_set(s->accept_watch, 0);
    timer_start(s->loop, &s->accept_timer, ACCEPT_PAUSE_US);
}

static void on_accept_timer(void *arg)
{
    struct http_server *s = arg;
    watch_set(s->accept_watch, WATCH_READABLE);
}

static void accept_some(struct http_server *s, int most)
{
    while (most-- > 0) {
        int fd = accept4(s->listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            conn_adopt(s, fd);
            continue;
        }
        if (errno == ECONNABORTED || errno == EINTR || errno == EPROTO)
            continue;
        if (errno != EAGAIN)
            pause_accepting(s, errno);
        return;
    }
}

static void on_acceptable(void *arg, int events)
{
    (void)events;
    accept_some(arg, ACCEPTS_PER_EVENT);
}

static void on_flush(void *arg)
{
    struct http_server *s = arg;
    struct conn *c;
    while ((c = LIST_FIRST(&s->dirty, struct conn, dirty))) {
        list_remove(&c->dirty);
        conn_flush(c);
    }
}

/* --- life ------------------------------------------------------------------------------------- */

#define DEFAULT(field, value) s->limits.field = s->limits.field ? s->limits.field : (value)

static void set_limits(struct http_server *s, const struct http_limits *limits)
{
    s->limits = *limits;
    DEFAULT(header_bytes, 16 << 10);
    DEFAULT(body_bytes, 1 << 20);
    DEFAULT(headers, 100);
    DEFAULT(header_timeout_ms, 10000);
    DEFAULT(body_timeout_ms, 30000);
    DEFAULT(idle_timeout_ms, 60000);
    DEFAULT(write_timeout_ms, 30000);
    DEFAULT(max_connections, 10000);
    DEFAULT(max_pipelined, 64);
    DEFAULT(unsent_bytes, 1 << 20);
}

static int open_listener(struct http_server *s, struct err *err)
{
    const struct http_server_config *config = &s->config;
    const char *address = address_of(config->address);
    if (config->unix_path)
        s->listen_fd = bind_unix(config->unix_path, err);
    else
        s->listen_fd = bind_tcp(address, config->port, config->reuse_port, err);
    if (s->listen_fd < 0)
        return -1;
    if (config->unix_path)
        s->unix_path = xstrdup(config->unix_path);
    if (listen(s->listen_fd, BACKLOG) != 0)
        return fail_listen(address, config->port, errno, err);
    s->port = port_of(s->listen_fd);
    s->accept_watch = watch_create(s->loop, s->listen_fd, on_acceptable, s, err);
    if (!s->accept_watch)
        return -1;
    watch_set(s->accept_watch, WATCH_READABLE);
    return 0;
}

static void close_listener(struct http_server *s)
{
    watch_stop(s->accept_watch);
    s->accept_watch = NULL;
    timer_stop(s->loop, &s->accept_timer);
    if (s->listen_fd < 0)
        return;
    close(s->listen_fd);
    s->listen_fd = -1;
    if (s->unix_path)
        unlink(s->unix_path);
}

static void server_free(struct http_server *s)
{
    answer_free_spares(s);
    SSL_CTX_free(s->tls);
    free(s->unix_path);
    free(s);
}

struct http_server *http_server_create(struct loop *l, const struct http_server_config *config,
                                       struct err *err)
{
    struct http_server *s = xcalloc(1, sizeof *s);
    s->loop = l;
    s->config = *config;
    s->listen_fd = -1;
    set_limits(s, &config->limits);
    list_init(&s->conns);
    list_init(&s->dirty);
    s->accept_timer = (struct timer){ .fn = on_accept_timer, .arg = s };
    s->flush_hook = (struct loop_hook){ .fn = on_flush, .arg = s };
    if (config->tls_cert) {
        s->tls = tls_context(config->tls_cert, config->tls_key ? config->tls_key : config->tls_cert,
                             err);
        if (!s->tls)
            goto fail;
    }
    if (open_listener(s, err) != 0)
        goto fail;
    loop_hook_add(l, LOOP_FLUSH, &s->flush_hook);
    return s;

fail:
    close_listener(s);
    server_free(s);
    return NULL;
}

int http_server_port(const struct http_server *s) { return s->port; }

const struct http_stats *http_server_stats(const struct http_server *s) { return &s->stats; }

static void close_all(struct http_server *s)
{
    struct conn *c;
    while ((c = LIST_FIRST(&s->conns, struct conn, link)))
        conn_close(c);
}

/* Nothing is left, or the grace is over. */
static void on_drain_timer(void *arg)
{
    struct http_server *s = arg;
    if (s->is_finished)
        return;
    s->is_finished = true;
    close_all(s);
    timer_stop(s->loop, &s->drain_timer);
    if (s->drained)
        s->drained(s->drained_ctx);
}

void http_server_drain(struct http_server *s, int64_t grace_ms, void (*done)(void *ctx), void *ctx)
{
    if (s->is_draining)
        return;
    /* Those whose handshake with the kernel is done would be cut with the socket: they are taken
     * in. */
    if (s->listen_fd >= 0)
        accept_some(s, BACKLOG);
    close_listener(s);
    s->is_draining = true;
    s->drained = done;
    s->drained_ctx = ctx;
    s->drain_timer = (struct timer){ .fn = on_drain_timer, .arg = s };
    struct conn *c;
    LIST_EACH(c, &s->conns, struct conn, link)
    {
        conn_touch(c); /* the flush ends idle ones and sets the deadlines of the rest */
    }
    timer_start(s->loop, &s->drain_timer, list_empty(&s->conns) ? 0 : grace_ms * 1000);
}

/* Called again by the last connection that libuv lets go. */
void http_server_destroy(struct http_server *s)
{
    if (!s)
        return;
    if (!s->is_destroyed) {
        s->is_destroyed = true;
        close_listener(s);
        timer_stop(s->loop, &s->drain_timer);
        loop_hook_remove(&s->flush_hook);
        close_all(s);
    }
    if (!s->n_open)
        server_free(s);
}
