/* SPDX-License-Identifier: Apache-2.0
 * A connection: bytes in, bytes out, deadlines, end.
 *
 *            request with "close", reject, drain          all sent
 *   OPEN ------------------------------------> LAST --------------------> LINGER ---> CLOSED
 *     |  client's end, error, deadline           |  client's end, deadline     | client's end, 2 s
 *     +------------------------------------------+----------------------------+--> CLOSED
 *
 * Input is parsed as it comes. A connection with too many unanswered requests or unsent bytes is
 * paused: the socket is not read until it has caught up, which is the back-pressure a client feels.
 * Output leaves in the loop's LOOP_FLUSH phase: uv_try_write with everything in one writev; what
 * the socket does not take is left to uv_write.
 *
 * One timer per connection; deadlines are fields, and the timer is touched only when the next
 * deadline lies before it. A request that comes whole and is answered starts no timer. Thread: the
 * loop's.
 */
#include "http/server_int.h"
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { IOV_MAX_OUR = 32, LINGER_MS = 2000, DRAIN_FIRST_MS = 1000 };

static int64_t now_us(const struct conn *c) { return loop_now_us(c->server->loop); }

/* --- states ----------------------------------------------------------------------------------- */

static void set_state(struct conn *c, enum conn_state to)
{
    BUG_IF(to <= c->state); /* only forward */
    c->state = to;
}

void conn_touch(struct conn *c)
{
    if (c->state == CONN_CLOSED || c->dirty.next)
        return;
    list_append(&c->server->dirty, &c->dirty);
    if (!c->is_writing) /* the time to write starts with the first byte, not at the last flush */
        c->progress_us = now_us(c);
}

void conn_end_input(struct conn *c)
{
    if (c->state == CONN_OPEN)
        set_state(c, CONN_LAST);
    free(c->saved);
    c->saved = NULL;
    c->saved_len = 0;
    conn_touch(c);
}

static bool is_idle(const struct conn *c)
{
    return c->state == CONN_OPEN && !c->reading && !c->n_requests && !c->out.bytes &&
           !c->saved_len && !c->is_parsing;
}

/* --- the end ---------------------------------------------------------------------------------- */

static void on_closed(uv_handle_t *handle)
{
    struct conn *c = OBJ(conn, handle->data);
    struct http_server *s = c->server;
    outq_clear(s, &c->out);
    SSL_free(c->ssl);
    free(c->cipher);
    free(c->saved);
    c->magic = 0;
    free(c);
    s->n_open--;
    if (s->is_destroyed && !s->n_open)
        http_server_destroy(s);
}

/* Its owner learns that nobody waits for the answer any more. */
static void drop_request(struct request *r)
{
    struct conn *c = r->conn;
    list_remove(&r->link);
    if (!r->is_answered) {
        c->n_unanswered--;
        c->server->stats.unanswered--;
        c->server->stats.gone++;
        r->is_answered = true; /* an answer from inside on_gone is a bug and is found */
        if (r->pub.on_gone)
            r->pub.on_gone(&r->pub);
    }
    request_free(r);
}

static void finish_drain(struct http_server *s)
{
    if (s->is_draining && list_empty(&s->conns) && !s->is_destroyed)
        timer_start(s->loop, &s->drain_timer, 0);
}

void conn_close(struct conn *c)
{
    if (c->state == CONN_CLOSED)
        return;
    if (c->is_parsing) {
        c->must_close = true;
        return;
    }
    set_state(c, CONN_CLOSED);
    list_remove(&c->link);
    list_remove(&c->dirty);
    timer_stop(c->server->loop, &c->timer);
    c->server->stats.connections--;
    struct request *r;
    while ((r = LIST_FIRST(&c->requests, struct request, link)))
        drop_request(r);
    if (c->reading)
        request_free(c->reading);
    c->reading = NULL;
    uv_close(&c->uv.handle, on_closed);
    finish_drain(c->server);
}

/* --- deadlines -------------------------------------------------------------------------------- */

static int64_t earlier(int64_t a, int64_t b) { return a < b ? a : b; }

/* Waiting for the first byte of a request, or for more of it; or for nothing while it is our turn.
 */
static int64_t input_deadline(const struct conn *c)
{
    const struct http_limits *l = &c->server->limits;
    if (c->reading)
        return c->read_us +
               1000 * (c->reading->has_headers ? l->body_timeout_ms : l->header_timeout_ms);
    if (c->n_requests || c->out.bytes)
        return INT64_MAX;
    if (c->server->is_draining) /* a new connection may have its request on the way */
        return c->idle_us + (int64_t)1000 * DRAIN_FIRST_MS;
    return c->idle_us + 1000 * (c->has_served ? l->idle_timeout_ms : l->header_timeout_ms);
}

static bool is_output_waiting(const struct conn *c) { return c->is_writing || c->out.bytes; }

static int64_t output_deadline(const struct conn *c)
{
    if (!is_output_waiting(c))
        return INT64_MAX;
    return c->progress_us + 1000 * c->server->limits.write_timeout_ms;
}

static int64_t deadline_of(const struct conn *c)
{
    if (c->state == CONN_LINGER)
        return c->linger_us + (int64_t)1000 * LINGER_MS;
    if (c->state == CONN_LAST)
        return output_deadline(c);
    return earlier(input_deadline(c), output_deadline(c));
}

void conn_schedule(struct conn *c)
{
    if (c->state == CONN_CLOSED)
        return;
    int64_t at_us = deadline_of(c);
    if (at_us == INT64_MAX || (timer_is_running(&c->timer) && c->timer_us <= at_us))
        return;
    c->timer_us = at_us;
    timer_start_at(c->server->loop, &c->timer, at_us);
}

/* libuv tells only when all is written; its queue tells whether the client reads at all. */
static void note_progress(struct conn *c)
{
    size_t queue = uv_stream_get_write_queue_size(&c->uv.stream);
    if (queue != c->queue_seen)
        c->progress_us = now_us(c);
    c->queue_seen = queue;
}

static void on_deadline(void *arg)
{
    struct conn *c = OBJ(conn, arg);
    if (c->is_writing)
        note_progress(c);
    if (deadline_of(c) > now_us(c)) {
        conn_schedule(c);
        return;
    }
    if (c->state != CONN_LINGER && output_deadline(c) <= now_us(c)) {
        c->server->stats.write_timeouts++;
        conn_close(c);
    } else if (c->state == CONN_OPEN && c->reading) {
        parse_reject(c, HTTP_REJECT_TIMEOUT, 0);
    } else {
        conn_close(c);
    }
}

static int flush_tls(struct conn *c);

/* --- input ------------------------------------------------------------------------------------ */

static void on_alloc(uv_handle_t *handle, size_t hint, uv_buf_t *buf)
{
    struct conn *c = OBJ(conn, handle->data);
    (void)hint;
    *buf = uv_buf_init(c->server->read_buffer, READ_BYTES); /* parsed before the next read */
}

/* The client's end. Answers that are written already may still reach a client that only shut its
 * side. */
static void on_end(struct conn *c)
{
    if (c->n_unanswered || c->reading || !is_output_waiting(c) || c->state == CONN_LINGER) {
        conn_close(c);
        return;
    }
    uv_read_stop(&c->uv.stream);
    conn_end_input(c);
}

/* The client said goodbye, or nonsense, and may be told so. */
static void on_tls_end(struct conn *c)
{
    (void)flush_tls(c);
    on_end(c);
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    struct conn *c = OBJ(conn, stream->data);
    if (n < 0) {
        if (n == UV_EOF)
            on_end(c);
        else
            conn_close(c);
        return;
    }
    c->server->stats.bytes_in += (uint64_t)n;
    if (c->state == CONN_LINGER)
        return;
    if (!c->ssl)
        parse_feed(c, buf->base, (size_t)n);
    else if (tls_feed(c, buf->base, (size_t)n) != 0)
        on_tls_end(c);
    if (c->is_paused)
        uv_read_stop(stream);
    conn_schedule(c);
}

/* --- output ----------------------------------------------------------------------------------- */

static void on_written(uv_write_t *write, int status);

/* Counts what the socket took at once, and gives the rest to libuv. */
static void write_rest(struct conn *c, uv_buf_t *bufs, unsigned n, size_t taken)
{
    unsigned first = 0;
    c->progress_us = now_us(c);
    while (taken >= bufs[first].len) {
        taken -= bufs[first].len;
        first++;
    }
    bufs[first].base += taken;
    bufs[first].len -= taken;
    c->writing_bytes = 0;
    for (unsigned i = first; i < n; i++)
        c->writing_bytes += bufs[i].len;
    if (uv_write(&c->write, &c->uv.stream, bufs + first, n - first, on_written) != 0) {
        conn_close(c);
        return;
    }
    c->is_writing = true;
    c->queue_seen = uv_stream_get_write_queue_size(&c->uv.stream);
}

/* 0: all sent. 1: libuv has the rest. -1: broken. */
static int write_now(struct conn *c, uv_buf_t *bufs, unsigned n, size_t total, size_t *taken)
{
    int rc = uv_try_write(&c->uv.stream, bufs, n);
    if (rc < 0 && rc != UV_EAGAIN)
        return -1;
    *taken = rc > 0 ? (size_t)rc : 0;
    c->server->stats.bytes_out += *taken;
    return *taken == total ? 0 : 1;
}

static int flush_plain(struct conn *c)
{
    while (c->out.bytes && !c->is_writing) {
        uv_buf_t bufs[IOV_MAX_OUR];
        unsigned n = 0;
        size_t total = 0, taken;
        for (struct out_chunk *chunk = c->out.first; chunk && n < IOV_MAX_OUR;
             chunk = chunk->next) {
            if (!chunk->len)
                continue;
            bufs[n++] = uv_buf_init((char *)chunk->ptr, (unsigned)chunk->len);
            total += chunk->len;
        }
        int rc = write_now(c, bufs, n, total, &taken);
        if (rc < 0)
            return -1;
        if (rc > 0)
            write_rest(c, bufs, n, taken);
        if (c->state == CONN_CLOSED)
            return 0;
        outq_consume(c->server, &c->out, taken);
    }
    return 0;
}

static int flush_tls(struct conn *c)
{
    while (!c->is_writing) {
        const char *ptr;
        size_t len, taken;
        if (tls_encrypt(c, &ptr, &len) != 0)
            return -1;
        if (!len)
            break;
        uv_buf_t buf = uv_buf_init((char *)ptr, (unsigned)len);
        int rc = write_now(c, &buf, 1, len, &taken);
        if (rc < 0)
            return -1;
        if (rc > 0) { /* the BIO's memory moves; libuv needs it to stay */
            c->cipher = xmalloc(len - taken);
            memcpy(c->cipher, ptr + taken, len - taken);
            buf = uv_buf_init(c->cipher, (unsigned)(len - taken));
            write_rest(c, &buf, 1, 0);
        }
        if (c->state == CONN_CLOSED)
            return 0;
        tls_sent(c);
    }
    return 0;
}

static void on_written(uv_write_t *write, int status)
{
    struct conn *c = CONTAINER_OF(write, struct conn, write);
    c->is_writing = false;
    free(c->cipher);
    c->cipher = NULL;
    if (c->state == CONN_CLOSED)
        return;
    if (status != 0) {
        conn_close(c);
        return;
    }
    c->server->stats.bytes_out += c->writing_bytes;
    if (!c->ssl)
        outq_consume(c->server, &c->out, c->writing_bytes);
    c->writing_bytes = 0;
    c->progress_us = now_us(c);
    conn_touch(c);
}

static void start_lingering(struct conn *c)
{
    if (c->ssl) {
        tls_close_notify(c);
        if (flush_tls(c) != 0 || c->state == CONN_CLOSED || c->is_writing) {
            conn_close(c);
            return;
        }
    }
    uv_os_fd_t fd;
    if (uv_fileno(&c->uv.handle, &fd) != 0 || shutdown(fd, SHUT_WR) != 0) {
        conn_close(c);
        return;
    }
    set_state(c, CONN_LINGER);
    c->linger_us = now_us(c);
    if (!uv_is_active(&c->uv.handle) && uv_read_start(&c->uv.stream, on_alloc, on_read) != 0)
        conn_close(c);
}

/* Caught up: goes on with what was kept, then with the socket. */
static void resume(struct conn *c)
{
    parse_resume(c);
    if (c->is_paused || c->state == CONN_CLOSED)
        return;
    if (c->ssl && tls_pump(c) != 0) {
        on_tls_end(c);
        return;
    }
    if (!c->is_paused && c->state != CONN_CLOSED)
        uv_read_start(&c->uv.stream, on_alloc, on_read);
}

void conn_flush(struct conn *c)
{
    if ((c->ssl ? flush_tls(c) : flush_plain(c)) != 0) {
        conn_close(c);
        return;
    }
    if (c->server->is_draining && c->has_served && is_idle(c))
        conn_end_input(c);
    if (c->state == CONN_LAST && !c->n_requests && !is_output_waiting(c))
        start_lingering(c);
    else if (c->state == CONN_OPEN && c->is_paused)
        resume(c);
    conn_schedule(c);
}

/* --- the beginning ---------------------------------------------------------------------------- */

static void name_peer(struct conn *c, const struct sockaddr_storage *address)
{
    char host[48] = "";
    if (address->ss_family == AF_INET) {
        const struct sockaddr_in *v4 = (const struct sockaddr_in *)address;
        uv_ip4_name(v4, host, sizeof host);
        snprintf(c->peer, sizeof c->peer, "%s:%u", host, ntohs(v4->sin_port));
    } else if (address->ss_family == AF_INET6) {
        const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)address;
        uv_ip6_name(v6, host, sizeof host);
        snprintf(c->peer, sizeof c->peer, "[%s]:%u", host, ntohs(v6->sin6_port));
    } else {
        snprintf(c->peer, sizeof c->peer, "unix");
    }
}

static int open_handle(struct conn *c, int fd)
{
    struct uv_loop_s *uv = loop_uv(c->server->loop);
    bool is_pipe = c->server->unix_path != NULL;
    int rc = is_pipe ? uv_pipe_init(uv, &c->uv.pipe, 0) : uv_tcp_init(uv, &c->uv.tcp);
    if (rc != 0)
        return rc;
    c->uv.handle.data = c;
    return is_pipe ? uv_pipe_open(&c->uv.pipe, fd) : uv_tcp_open(&c->uv.tcp, fd);
}

/* Over the limit: told so where that needs no handshake, and closed. */
static void refuse_if_full(struct conn *c)
{
    struct http_server *s = c->server;
    unsigned most = s->limits.max_connections;
    if (s->stats.connections <= most)
        return;
    if (!c->ssl && s->stats.connections <= most + most / 8 + 8) {
        parse_reject(c, HTTP_REJECT_CONNECTIONS, 0);
        return;
    }
    s->stats.rejected[HTTP_REJECT_CONNECTIONS]++;
    conn_close(c);
}

void conn_adopt(struct http_server *s, int fd)
{
    struct sockaddr_storage address = { 0 };
    socklen_t size = sizeof address;
    (void)getpeername(fd, (struct sockaddr *)&address, &size);
    struct conn *c = xcalloc(1, sizeof *c);
    c->magic = conn_MAGIC;
    c->server = s;
    c->state = CONN_OPEN;
    c->timer = (struct timer){ .fn = on_deadline, .arg = c };
    c->idle_us = now_us(c);
    list_init(&c->requests);
    name_peer(c, &address);
    parse_init(c);
    list_append(&s->conns, &c->link);
    s->stats.accepted++;
    s->stats.connections++;
    s->n_open++;
    if (open_handle(c, fd) != 0) {
        close(fd);
        conn_close(c);
        return;
    }
    if (s->tls)
        tls_attach(c);
    refuse_if_full(c);
    if (c->state != CONN_CLOSED && uv_read_start(&c->uv.stream, on_alloc, on_read) != 0)
        conn_close(c);
    conn_schedule(c);
}
