/* SPDX-License-Identifier: Apache-2.0
 * A server on a thread of its own, and blocking sockets that talk to it, for the tests of this
 * folder.
 *
 * What it answers hangs on the path:
 *   /now            202 at once              /echo       200 with method, path, query, body
 *   /later/<ms>     200 "<ms>" after ms      /big        200 with 4 MiB, borrowed
 *   /head/<name>    200 with that header's value
 *   /hold           never                    /refuse     403 when its headers are there
 *   /status/<code>  that status, Retry-After and two more headers (one forged)
 *   /to/<path>      302 to /<path>           /loop       302 to itself
 */
#ifndef SERVER_FIXTURE_H
#define SERVER_FIXTURE_H
#include "http/http.h"
#include "base/clock.h"
#include "loop/loop.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

enum { BIG = 4 << 20 };

struct fixture {
    struct loop *loop;
    struct http_server *server;
    struct thread thread;
    struct mail mail;
    struct http_stats stats; /* of the end */
    atomic_int n_gone, n_released, n_drained;
    int64_t grace_ms;
    int port;
};

static struct fixture fx;

struct late {
    struct timer timer;
    struct http_request *req;
    wf_str body;
};

static inline wf_str path_rest(const struct http_request *req, const char *prefix)
{
    size_t len = strlen(prefix);
    if (req->path.len < len || memcmp(req->path.ptr, prefix, len) != 0)
        return (wf_str){ NULL, 0 };
    return (wf_str){ req->path.ptr + len, req->path.len - len };
}

static inline void on_late(void *arg)
{
    struct late *late = arg;
    http_respond(late->req, 200, NULL, 0, late->body);
    free(late);
}

static inline void on_late_gone(struct http_request *req)
{
    struct late *late = req->user;
    timer_stop(fx.loop, &late->timer);
    free(late);
    atomic_fetch_add(&fx.n_gone, 1);
}

static inline void on_hold_gone(struct http_request *req)
{
    (void)req;
    atomic_fetch_add(&fx.n_gone, 1);
}

static inline void answer_later(struct http_request *req, wf_str ms)
{
    struct late *late = calloc(1, sizeof *late);
    *late = (struct late){ .timer = { .fn = on_late, .arg = late }, .req = req, .body = ms };
    req->user = late;
    req->on_gone = on_late_gone;
    timer_start(fx.loop, &late->timer, strtol(ms.ptr, NULL, 10) * 1000);
}

static inline void answer_echo(struct http_request *req)
{
    struct strbuf b;
    strbuf_init(&b, 8 << 20);
    strbuf_addf(&b, "%s %.*s ?%.*s ", http_method_name(req->method), STR_ARG(req->path),
                STR_ARG(req->query));
    strbuf_add(&b, req->body.ptr, req->body.len);
    http_respond(req, 200, NULL, 0, strbuf_str(&b));
    strbuf_fini(&b);
}

static inline void on_release(void *arg)
{
    free(arg);
    atomic_fetch_add(&fx.n_released, 1);
}

static inline void answer_big(struct http_request *req)
{
    char *big = malloc(BIG);
    for (size_t i = 0; i < BIG; i++)
        big[i] = (char)('a' + i % 26);
    http_respond_borrow(req, 200, NULL, 0, (wf_str){ big, BIG }, on_release, big);
}

static inline void answer_status(struct http_request *req, wf_str code)
{
    const struct http_header headers[] = {
        { STR("Retry-After"), STR("7") },         { STR("X-Forged"), STR("a\r\nX-Evil: b") },
        { STR("X-Forged"), STR("a\rX-Evil: b") }, { STR("X-Evil: x"), STR("c") },
        { STR("Content-Length"), STR("999") },    { STR("X-Good"), STR("yes") },
    };
    http_respond(req, (int)strtol(code.ptr, NULL, 10), headers, 6, STR("text"));
}

static inline void answer_redirect(struct http_request *req, wf_str to)
{
    char location[256];
    snprintf(location, sizeof location, "/%.*s", STR_ARG(to));
    const struct http_header h = { STR("Location"), str_of(location) };
    http_respond(req, 302, &h, 1, STR(""));
}

static inline void on_request(void *ctx, struct http_request *req)
{
    (void)ctx;
    wf_str rest;
    if (str_eq(req->path, STR("/now")))
        http_respond(req, 202, NULL, 0, STR(""));
    else if (str_eq(req->path, STR("/hold")))
        req->on_gone = on_hold_gone;
    else if (str_eq(req->path, STR("/big")))
        answer_big(req);
    else if (str_eq(req->path, STR("/loop")))
        answer_redirect(req, STR("loop"));
    else if ((rest = path_rest(req, "/to/")).ptr)
        answer_redirect(req, rest);
    else if ((rest = path_rest(req, "/later/")).ptr)
        answer_later(req, rest);
    else if ((rest = path_rest(req, "/status/")).ptr)
        answer_status(req, rest);
    else if ((rest = path_rest(req, "/head/")).ptr)
        http_respond(req, 200, NULL, 0, http_request_header(req, rest.ptr));
    else if (path_rest(req, "/echo").ptr)
        answer_echo(req);
    else
        http_respond_error(req, 404, "no '%.*s' here", STR_ARG(req->path));
}

static inline int on_headers(void *ctx, struct http_request *req, size_t *body_bytes)
{
    (void)ctx;
    if (path_rest(req, "/echo/large").ptr)
        *body_bytes = 4 << 20;
    return path_rest(req, "/refuse").ptr ? 403 : 0;
}

static inline void run_server(void *arg)
{
    (void)arg;
    loop_run(fx.loop);
}

static inline void fixture_start(struct http_server_config config)
{
    struct err err;
    fx = (struct fixture){ .grace_ms = 1000 };
    config.on_request = on_request;
    config.on_headers = on_headers;
    fx.loop = loop_create(&err);
    fx.server = http_server_create(fx.loop, &config, &err);
    if (!fx.server)
        fail_msg("%s", err.text);
    fx.port = http_server_port(fx.server);
    assert_int_equal(thread_start(&fx.thread, "server", run_server, NULL, &err), 0);
}

static inline void on_stop_mail(struct mail *m)
{
    (void)m;
    fx.stats = *http_server_stats(fx.server);
    http_server_destroy(fx.server);
    loop_stop(fx.loop);
}

/* Destroys the server on its thread; fx.stats has its last figures. */
static inline void fixture_stop(void)
{
    fx.mail.fn = on_stop_mail;
    assert_int_equal(loop_post(fx.loop, &fx.mail), 0);
    thread_join(&fx.thread);
    loop_destroy(fx.loop);
}

static inline void on_drained(void *ctx)
{
    (void)ctx;
    atomic_fetch_add(&fx.n_drained, 1);
}

static inline void on_drain_mail(struct mail *m)
{
    (void)m;
    http_server_drain(fx.server, fx.grace_ms, on_drained, NULL);
}

/* Busy for a moment first, so that the kernel takes connections that the loop has not seen. */
static inline void on_late_drain_mail(struct mail *m)
{
    nanosleep(&(struct timespec){ .tv_nsec = 100000000 }, NULL);
    on_drain_mail(m);
}

static inline void fixture_drain(void)
{
    fx.mail.fn = on_drain_mail;
    assert_int_equal(loop_post(fx.loop, &fx.mail), 0);
}

static inline void nap_ms(long ms)
{
    nanosleep(&(struct timespec){ .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 }, NULL);
}

/* Waits up to 5 s for a counter of another thread. */
static inline void wait_for(atomic_int *counter, int wanted)
{
    for (int i = 0; i < 5000 && atomic_load(counter) < wanted; i++)
        nap_ms(1);
    assert_int_equal(atomic_load(counter), wanted);
}

/* --- the client's side ------------------------------------------------------------------------ */

static inline int dial_port(int port)
{
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
    struct timeval limit = { .tv_sec = 5 };
    int fd = socket(AF_INET, SOCK_STREAM, 0), one = 1;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (connect(fd, (struct sockaddr *)&address, sizeof address) != 0) {
        close(fd);
        return -1;
    }
    return fd;
}

static inline int dial(void)
{
    int fd = dial_port(fx.port);
    assert_true(fd >= 0);
    return fd;
}

static inline void say(int fd, const char *text)
{
    assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

struct answer {
    int status;
    char head[4096];
    char *body;
    size_t body_len;
};

static inline void answer_fini(struct answer *a) { free(a->body); }

static inline bool read_all(int fd, char *to, size_t len)
{
    while (len) {
        ssize_t n = recv(fd, to, len, 0);
        if (n <= 0)
            return false;
        to += n;
        len -= (size_t)n;
    }
    return true;
}

/* Reads one answer: head byte by byte, then its Content-Length. False at the end of the connection.
 */
static inline bool hear_as(int fd, struct answer *a, bool is_head)
{
    size_t len = 0;
    *a = (struct answer){ 0 };
    while (len + 1 < sizeof a->head && (len < 4 || memcmp(a->head + len - 4, "\r\n\r\n", 4) != 0)) {
        if (!read_all(fd, a->head + len, 1))
            return false;
        len++;
    }
    assert_int_equal(sscanf(a->head, "HTTP/1.1 %d ", &a->status), 1);
    const char *length = strstr(a->head, "Content-Length: ");
    a->body_len = length && !is_head ? strtoul(length + 16, NULL, 10) : 0;
    a->body = calloc(1, a->body_len + 1);
    return read_all(fd, a->body, a->body_len);
}

static inline bool hear(int fd, struct answer *a) { return hear_as(fd, a, false); }

static inline void expect(int fd, int status, const char *body)
{
    struct answer a;
    if (!hear(fd, &a))
        fail_msg("no answer, wanted %d %s", status, body ? body : "");
    if (a.status != status || (body && strcmp(a.body, body) != 0))
        fail_msg("got %d '%s', wanted %d '%s'", a.status, a.body, status, body ? body : "");
    answer_fini(&a);
}

/* The server ends the connection, without another byte. */
static inline void expect_end(int fd)
{
    char byte;
    assert_int_equal(recv(fd, &byte, 1, 0), 0);
    close(fd);
}
#endif
