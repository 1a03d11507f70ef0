/* SPDX-License-Identifier: Apache-2.0
 * smsc_sink - an SMSC of one process and one thread that takes messages as fast as they come.
 *
 * For demonstrations, benchmarks and tests: a client may bind (transmitter, receiver, transceiver)
 * and send submit_sm, submit_multi and data_sm; every message gets an id, and its receipt after a
 * delay. It fails as it is told: refuses, throttles, answers late or out of order or never, drops
 * connections, sends receipts before their responses or with ids in another base.
 *
 *     smsc_sink --listen 127.0.0.1:0 --account shop:secret --failed 5 --expired 2 --rate 10000
 *     {"listening":"127.0.0.1:43211"}
 *
 * The first line says where it listens; then it is quiet. SIGUSR1 prints the counters as one line
 * of JSON, SIGTERM and SIGINT print them and end it. `--help` lists the flags.
 *
 * What becomes of a message is told by its destination alone, so that a test can know it: the first
 * --on whose suffix the number has, else its last two digits: with --failed 5 --expired 2 the
 * numbers ending in 00 to 04 fail, 05 and 06 expire, all others are delivered. A receipt is sent
 * only when registered_delivery asks for it. It goes out by the bind the message came by, or by any
 * other of the same system_id that can receive; it is sent again after half a second when it was
 * refused or the connection ended before it was taken.
 *
 * Not a real one: nothing is kept, so query, cancel and replace are refused; validity and schedule
 * are not looked at.
 *
 * Thread: one; nothing blocks but epoll_wait().
 */
#include "sink.h"
#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { EVENTS = 64 };
#define SIGNALS_EVENT UINT32_MAX

static _Noreturn void fail(const char *what)
{
    fprintf(stderr, "smsc_sink: %s: %s\n", what, strerror(errno));
    exit(1);
}

static int64_t clock_us(clockid_t id)
{
    struct timespec t;
    clock_gettime(id, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static void tick(struct sink *s)
{
    s->now_ms = clock_us(CLOCK_MONOTONIC) / 1000;
    s->now_us = clock_us(CLOCK_REALTIME);
}

uint32_t sink_random(struct sink *s, uint32_t below)
{
    s->random ^= s->random << 13;
    s->random ^= s->random >> 7;
    s->random ^= s->random << 17;
    return below ? (uint32_t)((s->random >> 32) % below) : 0;
}

static void print_counters(const struct sink *s)
{
    uint32_t open = 0;
    for (uint32_t i = 0; i < s->conn_top; i++)
        open += s->conns[i].fd >= 0;
    printf("{");
#define X(name) printf("\"" #name "\":%" PRIu64 ",", s->n.name);
    SINK_COUNTERS(X)
#undef X
    printf("\"open\":%u,\"waiting\":%u}\n", open, s->laters.count);
    fflush(stdout);
}

static void watch(struct sink *s, int fd, uint32_t name)
{
    struct epoll_event event = { .events = EPOLLIN, .data.u32 = name };
    if (epoll_ctl(s->epoll, EPOLL_CTL_ADD, fd, &event) != 0)
        fail("epoll");
}

static void begin_listening(struct sink *s)
{
    struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons((uint16_t)s->o.port) };
    socklen_t len = sizeof at;
    int one = 1;
    if (inet_pton(AF_INET, s->o.host, &at.sin_addr) != 1) {
        errno = EINVAL;
        fail(s->o.host);
    }
    s->listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (s->listener < 0)
        fail("socket");
    setsockopt(s->listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(s->listener, (struct sockaddr *)&at, sizeof at) != 0 ||
        listen(s->listener, 128) != 0 ||
        getsockname(s->listener, (struct sockaddr *)&at, &len) != 0)
        fail("listen");
    printf("{\"listening\":\"%s:%u\"}\n", s->o.host, ntohs(at.sin_port));
    fflush(stdout);
}

static int take_signals(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigprocmask(SIG_BLOCK, &set, NULL);
    return signalfd(-1, &set, SFD_CLOEXEC);
}

static void take_later(void *arg, const struct later *later)
{
    struct sink *s = arg;
    struct conn *c = &s->conns[later->conn];
    if (later->kind == LATER_RECEIPT)
        sink_receipt_send(s, later->conn, &later->receipt);
    else if (c->fd >= 0 && c->generation == later->generation)
        sink_respond(s, c, later->command, later->status, later->sequence, later->receipt.id);
}

/* 0 when it is time to end. */
static int on_signal(struct sink *s, int fd)
{
    struct signalfd_siginfo info;
    if (read(fd, &info, sizeof info) != (ssize_t)sizeof info)
        return 1;
    if (info.ssi_signo != SIGUSR1)
        return 0;
    if (s->log)
        fflush(s->log); /* who has read the counters finds in the log what they count */
    print_counters(s);
    return 1;
}

static void run(struct sink *s, int signals)
{
    struct epoll_event events[EVENTS];
    for (;;) {
        int n = epoll_wait(s->epoll, events, EVENTS, s->laters.count ? 1 : 1000);
        tick(s);
        for (int i = 0; i < n; i++) {
            uint32_t name = events[i].data.u32;
            if (name == 0)
                sink_accept(s);
            else if (name != SIGNALS_EVENT)
                sink_conn_ready(s, &s->conns[name - 1], events[i].events);
            else if (!on_signal(s, signals))
                return;
        }
        laters_run(&s->laters, s->now_ms, take_later, s);
        for (uint32_t i = 0; i < s->conn_top; i++)
            if (s->conns[i].fd >= 0 && s->conns[i].out_at < s->conns[i].out_len)
                sink_conn_flush(s, &s->conns[i]);
    }
}

int main(int argc, char **argv)
{
    struct sink *s = calloc(1, sizeof *s);
    if (!s)
        abort();
    sink_options_parse(&s->o, argc, argv);
    if (s->o.log[0] && !(s->log = fopen(s->o.log, "w")))
        fail(s->o.log);
    int signals = take_signals();
    s->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (s->epoll < 0 || signals < 0)
        fail("epoll");
    tick(s);
    s->laters.done_ms = s->tokens_ms = s->now_ms;
    s->tokens = s->o.rate / 10.0 + 1;
    s->random = s->o.seed * UINT64_C(0x9e3779b97f4a7c15) | 1;
    s->next_id = (uint64_t)s->now_us; /* ids do not come again after a restart */
    begin_listening(s);
    watch(s, s->listener, 0);
    watch(s, signals, SIGNALS_EVENT);
    run(s, signals);
    print_counters(s);
    for (uint32_t i = 0; i < s->conn_top; i++)
        sink_conn_close(s, &s->conns[i]);
    free(s->laters.all);
    if (s->log)
        fclose(s->log);
    free(s);
    return 0;
}
