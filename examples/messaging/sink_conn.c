/* SPDX-License-Identifier: Apache-2.0
 * sink_conn.c - sockets: all that is there is read, answered into one block, and the block is
 * written at once.
 *
 * A connection whose peer does not read is not read either, once 4 MiB wait for it.
 *
 * Thread: the loop's; nothing blocks.
 */
#include "sink.h"
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

static void *must(void *p)
{
    if (!p)
        abort();
    return p;
}

static void watch(struct sink *s, struct conn *c, int op)
{
    size_t left = c->out_len - c->out_at;
    struct epoll_event event = { .data.u32 = c->index + 1 };
    if (left < SINK_OUT_PAUSE && !c->closing)
        event.events |= EPOLLIN;
    if (left)
        event.events |= EPOLLOUT;
    epoll_ctl(s->epoll, op, c->fd, &event);
}

static struct conn *free_place(struct sink *s)
{
    for (uint32_t i = 0; i < s->conn_top; i++)
        if (s->conns[i].fd < 0)
            return &s->conns[i];
    if (s->conn_top == SINK_CONNS)
        return NULL;
    struct conn *c = &s->conns[s->conn_top];
    c->index = s->conn_top++;
    c->fd = -1;
    return c;
}

void sink_accept(struct sink *s)
{
    int fd;
    while ((fd = accept4(s->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        struct conn *c = free_place(s);
        if (!c) {
            close(fd);
            continue;
        }
        int one = 1;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        *c = (struct conn){ .fd = fd,
                            .index = c->index,
                            .generation = c->generation + 1,
                            .next_sequence = 1,
                            .in = must(malloc(SINK_IN_BYTES)),
                            .window = must(calloc(SINK_WINDOW, sizeof *c->window)) };
        s->n.connections++;
        watch(s, c, EPOLL_CTL_ADD);
    }
}

void sink_conn_close(struct sink *s, struct conn *c)
{
    if (c->fd < 0)
        return;
    close(c->fd);
    c->fd = -1;
    c->can_send = c->can_receive = 0;
    sink_receipts_return(s, c);
    free(c->in);
    free(c->out);
    free(c->window);
    c->in = c->out = NULL;
    c->window = NULL;
}

uint8_t *sink_conn_room(struct conn *c, size_t bytes)
{
    if (c->out_at == c->out_len)
        c->out_at = c->out_len = 0;
    if (c->out_room - c->out_len < bytes) {
        c->out_room = (c->out_room + bytes) * 2;
        c->out = must(realloc(c->out, c->out_room));
    }
    return c->out + c->out_len;
}

void sink_conn_flush(struct sink *s, struct conn *c)
{
    while (c->fd >= 0 && !c->broken && c->out_at < c->out_len) {
        ssize_t n = send(c->fd, c->out + c->out_at, c->out_len - c->out_at, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno != EAGAIN)
            c->broken = 1;
        if (n < 0)
            break;
        c->out_at += (size_t)n;
        s->n.bytes_out += (uint64_t)n;
    }
    if (c->fd < 0)
        return;
    if (c->broken || (c->closing && c->out_at == c->out_len)) {
        sink_conn_close(s, c);
        return;
    }
    uint8_t wants = (c->out_at < c->out_len) + 2 * c->closing;
    if (wants || c->wants_write)
        watch(s, c, EPOLL_CTL_MOD);
    c->wants_write = wants;
}

static void take_pdus(struct sink *s, struct conn *c)
{
    size_t at = 0;
    while (!c->broken && !c->closing) {
        struct smpp_error err;
        int len = smpp_frame(c->in + at, c->in_len - at, &err);
        if (len < 0) {
            s->n.malformed++;
            c->broken = 1;
        }
        if (len <= 0)
            break;
        sink_answer(s, c, c->in + at, (size_t)len);
        at += (size_t)len;
    }
    memmove(c->in, c->in + at, c->in_len - at);
    c->in_len -= at;
}

void sink_conn_ready(struct sink *s, struct conn *c, uint32_t events)
{
    if (c->fd >= 0 && (events & (EPOLLIN | EPOLLHUP | EPOLLERR))) {
        ssize_t n = recv(c->fd, c->in + c->in_len, SINK_IN_BYTES - c->in_len, 0);
        if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
            c->broken = 1;
        if (n > 0) {
            c->in_len += (size_t)n;
            s->n.bytes_in += (uint64_t)n;
            take_pdus(s, c);
        }
    }
    sink_conn_flush(s, c);
}
