/* SPDX-License-Identifier: Apache-2.0
 * Service loop/1 for tests: sockets and timers over poll(), and a server that follows a script.
 */
#ifndef FAKE_LOOP_H
#define FAKE_LOOP_H
#include <catalyst/plugin.h>
#include <arpa/inet.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { LOOP_PLACES = 16 };

struct wf_watch {
    int fd, events;
    void (*fn)(void *arg, int events);
    void *arg;
};
struct wf_timer {
    int64_t at_ms;
    void (*fn)(void *arg);
    void *arg;
};
static struct wf_watch *loop_watches[LOOP_PLACES];
static struct wf_timer *loop_timers[LOOP_PLACES];

static inline int64_t loop_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static inline wf_watch *loop_watch(wf_inst *inst, int fd, void (*fn)(void *, int), void *arg)
{
    (void)inst;
    struct wf_watch *w = calloc(1, sizeof *w);
    *w = (struct wf_watch){ fd, 0, fn, arg };
    int i = 0;
    while (loop_watches[i])
        i++;
    return loop_watches[i] = w;
}

static inline void loop_watch_set(wf_watch *w, int events) { w->events = events; }

static inline void loop_watch_stop(wf_watch *w)
{
    for (int i = 0; i < LOOP_PLACES; i++)
        if (loop_watches[i] == w)
            loop_watches[i] = NULL;
    free(w);
}

static inline wf_timer *loop_timer(wf_inst *inst, int64_t in_ms, void (*fn)(void *), void *arg)
{
    (void)inst;
    struct wf_timer *t = calloc(1, sizeof *t);
    *t = (struct wf_timer){ loop_now() + in_ms, fn, arg };
    int i = 0;
    while (loop_timers[i])
        i++;
    return loop_timers[i] = t;
}

static inline void loop_timer_stop(wf_timer *t)
{
    for (int i = 0; i < LOOP_PLACES; i++)
        if (loop_timers[i] == t)
            loop_timers[i] = NULL;
    free(t);
}

static const wf_loop loop_table = { sizeof loop_table, loop_watch, loop_watch_set,
                                    loop_watch_stop,   loop_timer, loop_timer_stop };

static inline void loop_once(void)
{
    struct pollfd fds[LOOP_PLACES];
    struct wf_watch *of[LOOP_PLACES];
    int n = 0;
    for (int i = 0; i < LOOP_PLACES; i++) {
        struct wf_watch *w = loop_watches[i];
        if (!w || !w->events)
            continue;
        of[n] = w;
        fds[n++] = (struct pollfd){ .fd = w->fd,
                                    .events = (short)((w->events & WF_READABLE ? POLLIN : 0) |
                                                      (w->events & WF_WRITABLE ? POLLOUT : 0)) };
    }
    poll(fds, (nfds_t)n, 5);
    for (int i = 0; i < n; i++) {
        int live = 0, events = 0;
        for (int k = 0; k < LOOP_PLACES; k++)
            live |= loop_watches[k] == of[i];
        events |= fds[i].revents & POLLIN ? WF_READABLE : 0;
        events |= fds[i].revents & POLLOUT ? WF_WRITABLE : 0;
        events = fds[i].revents & (POLLERR | POLLHUP) ? WF_READABLE | WF_WRITABLE : events;
        if (live && events)
            of[i]->fn(of[i]->arg, events);
    }
    for (int i = 0; i < LOOP_PLACES; i++) {
        struct wf_timer t = loop_timers[i] ? *loop_timers[i] : (struct wf_timer){ 0 };
        if (!t.fn || t.at_ms > loop_now())
            continue;
        loop_timer_stop(loop_timers[i]);
        t.fn(t.arg);
    }
}

/* --- a server that follows a script ----------------------------------------------------------- */

struct line {
    const char *wants, *says; /* waits until what came holds that; NULL says: closes */
    int then_waits;           /* and goes on only when script_go() was called */
};
struct script {
    const struct line *lines;
    size_t n;
    int listener;
    uint16_t port;
    pthread_t thread;
    int go[2];
};

static inline void script_connection(struct script *s, int fd, size_t *at)
{
    char buffer[4096] = "";
    size_t len = 0;
    while (*at < s->n) {
        const struct line *line = &s->lines[(*at)];
        while (!strstr(buffer, line->wants)) {
            ssize_t got = read(fd, buffer + len, sizeof buffer - 1 - len);
            if (got <= 0)
                return;
            len += (size_t)got;
            buffer[len] = 0;
        }
        char *rest = strstr(buffer, line->wants) + strlen(line->wants);
        memmove(buffer, rest, strlen(rest) + 1);
        len = strlen(buffer);
        ++*at;
        char one;
        if (line->then_waits && read(s->go[0], &one, 1) != 1)
            return;
        if (!line->says || write(fd, line->says, strlen(line->says)) < 0)
            return;
    }
    char end[256];
    while (read(fd, end, sizeof end) > 0) /* until the other side closes */
        ;
}

static inline void *script_main(void *arg)
{
    struct script *s = arg;
    for (size_t at = 0;;) {
        int fd = accept(s->listener, NULL, NULL);
        if (fd < 0)
            return NULL;
        script_connection(s, fd, &at);
        close(fd);
    }
}

static inline void script_start(struct script *s, const struct line *lines, size_t n)
{
    struct sockaddr_in address = { .sin_family = AF_INET,
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t len = sizeof address;
    *s = (struct script){ .lines = lines, .n = n };
    s->listener = socket(AF_INET, SOCK_STREAM, 0);
    if (bind(s->listener, (struct sockaddr *)&address, len) != 0 || listen(s->listener, 4) != 0 ||
        getsockname(s->listener, (struct sockaddr *)&address, &len) != 0 || pipe(s->go) != 0)
        abort();
    s->port = ntohs(address.sin_port);
    pthread_create(&s->thread, NULL, script_main, s);
}

static inline void script_go(struct script *s)
{
    if (write(s->go[1], "x", 1) != 1)
        abort();
}

static inline void script_stop(struct script *s)
{
    shutdown(s->listener, SHUT_RDWR);
    close(s->go[1]);
    pthread_join(s->thread, NULL);
    close(s->listener);
    close(s->go[0]);
}

#endif
