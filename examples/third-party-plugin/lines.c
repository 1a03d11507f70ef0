/* SPDX-License-Identifier: Apache-2.0
 * acme.lines: a trigger. It listens for lines over TCP; each line starts an execution with the item
 * {"line": ...}. Once an execution is in the journal its line is answered with "stored N", N being
 * the line's number on its connection; or, with answer=ended, with what the workflow gave. A line
 * that was not answered may not have been kept: the client sends it again.
 *
 * Every worker of every engine listens on the same port (SO_REUSEPORT), so there is nothing to
 * share, and no lock. When the engine is full the sockets are not read: TCP tells the clients.
 */
#include <arpa/inet.h>
#include <catalyst/plugin.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { LINE_MAX_BYTES = 65536, FRAME = 64 };
enum { ANSWER_STORED, ANSWER_ENDED };

struct config {
    int64_t port;
    int answer;
};

struct client {
    struct client *next;
    struct lines *l;
    uint32_t id;      /* upper half of the tags of its lines */
    uint32_t n_lines; /* taken: lower half */
    int fd;
    int is_held; /* not read until room() */
    wf_watch *watch;
    size_t n_in, n_out; /* bytes in the buffers */
    char *out;
    char in[LINE_MAX_BYTES];
};

struct lines {
    const wf_host *h;
    const wf_loop *loop;
    const wf_triggers *engine;
    wf_inst *inst;
    wf_source *source; /* NULL: stopped */
    const struct config *config;
    int fd;
    wf_watch *watch;
    struct client *clients;
    uint32_t last_id;
    char why[160];
};

/* --- answers ---------------------------------------------------------------------------------- */

static void client_free(struct client *c)
{
    struct client **at = &c->l->clients;
    while (*at != c)
        at = &(*at)->next;
    *at = c->next;
    c->l->loop->watch_stop(c->watch);
    close(c->fd);
    free(c->out);
    free(c);
}

static struct client *client_of(struct lines *l, uint64_t tag)
{
    struct client *c = l->clients;
    while (c && c->id != tag >> 32)
        c = c->next;
    return c; /* NULL: it has gone */
}

static void watch(struct client *c)
{
    int reads = c->l->source && !c->is_held ? WF_READABLE : 0;
    c->l->loop->watch_set(c->watch, reads | (c->n_out ? WF_WRITABLE : 0));
}

static void send_some(struct client *c)
{
    ssize_t n = send(c->fd, c->out, c->n_out, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n > 0) {
        c->n_out -= (size_t)n;
        memmove(c->out, c->out + n, c->n_out);
    }
    watch(c);
}

static void answer(struct client *c, uint64_t tag, const char *word, wf_str text)
{
    c->out = realloc(c->out, c->n_out + text.len + 64);
    if (!c->out)
        abort();
    c->n_out +=
        (size_t)sprintf(c->out + c->n_out, "%s %u%s", word, (unsigned)tag, text.len ? " " : "");
    memcpy(c->out + c->n_out, text.ptr, text.len);
    c->n_out += text.len;
    c->out[c->n_out++] = '\n';
}

static void stored(const wf_host *h, void *state, const uint64_t *tags, size_t n, int ok)
{
    struct lines *l = state;
    (void)h;
    for (size_t i = 0; i < n; i++) {
        struct client *c = client_of(l, tags[i]);
        if (c && (!ok || l->config->answer == ANSWER_STORED)) {
            answer(c, tags[i], ok ? "stored" : "lost", (wf_str){ "", 0 });
            send_some(c);
        }
    }
}

static void ended(const wf_host *h, void *state, uint64_t tag, wf_str json, const char *error)
{
    struct client *c = client_of(state, tag);
    (void)h;
    if (!c)
        return;
    answer(c, tag, error ? "failed" : "ended", error ? (wf_str){ error, strlen(error) } : json);
    send_some(c);
}

/* --- lines in --------------------------------------------------------------------------------- */

/* {"line": "..."} with what JSON needs escaped. */
static char *add_json(char *to, const char *line, size_t len)
{
    to = stpcpy(to, "{\"line\":\"");
    for (size_t i = 0; i < len; i++) {
        unsigned char byte = (unsigned char)line[i];
        if (byte == '"' || byte == '\\')
            *to++ = '\\';
        if (byte < 0x20)
            to += sprintf(to, "\\u%04x", byte);
        else
            *to++ = (char)byte;
    }
    return stpcpy(to, "\"}");
}

/* Gives up to FRAME lines to the engine. Returns how many bytes of the buffer were taken; -1: the
 * engine has no room, room() comes. */
static long give_some(struct client *c, char *json)
{
    struct lines *l = c->l;
    wf_inbound events[FRAME];
    size_t ends[FRAME], n = 0, at = 0;
    while (n < FRAME) {
        const char *end = memchr(c->in + at, '\n', c->n_in - at);
        if (!end)
            break;
        char *after = add_json(json, c->in + at, (size_t)(end - c->in) - at);
        events[n] =
            (wf_inbound){ .json = { json, (size_t)(after - json) },
                          .tag = (uint64_t)c->id << 32 | (c->n_lines + n + 1),
                          .flags = l->config->answer == ANSWER_ENDED ? WF_INBOUND_ENDED : 0 };
        json = after;
        at = (size_t)(end - c->in) + 1;
        ends[n++] = at;
    }
    size_t taken = n ? l->engine->accept(l->source, events, n) : 0;
    c->n_lines += (uint32_t)taken;
    if (n && !taken)
        return -1;
    return taken ? (long)ends[taken - 1] : 0;
}

static void give_all(struct client *c)
{
    char *json = malloc((size_t)LINE_MAX_BYTES * 6 + (size_t)FRAME * 16);
    long taken = 0;
    while (json && c->l->source && (taken = give_some(c, json)) > 0) {
        c->n_in -= (size_t)taken;
        memmove(c->in, c->in + taken, c->n_in);
    }
    free(json);
    c->is_held = taken < 0;
    watch(c);
}

static void on_client(void *arg, int events)
{
    struct client *c = arg;
    if (events & WF_WRITABLE)
        send_some(c);
    if (!(events & WF_READABLE))
        return;
    ssize_t n = recv(c->fd, c->in + c->n_in, sizeof c->in - c->n_in, MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0) { /* gone, or its line is too long for the buffer */
        client_free(c);
        return;
    }
    c->n_in += (size_t)n;
    give_all(c);
}

static void room(const wf_host *h, void *state)
{
    struct lines *l = state;
    (void)h;
    for (struct client *c = l->clients; c; c = c->next)
        give_all(c);
}

static void on_connect(void *arg, int events)
{
    struct lines *l = arg;
    (void)events;
    int fd = accept4(l->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    struct client *c = fd >= 0 ? calloc(1, sizeof *c) : NULL;
    if (!c)
        return;
    c->l = l;
    c->id = ++l->last_id;
    c->fd = fd;
    c->watch = l->loop->watch(l->inst, fd, on_client, c);
    c->next = l->clients;
    l->clients = c;
    watch(c);
}

/* --- life ------------------------------------------------------------------------------------- */

static void *open_lines(const wf_host *h, wf_inst *inst, wf_error *why)
{
    struct lines *l = calloc(1, sizeof *l);
    (void)why;
    if (!l)
        abort();
    l->h = h;
    l->inst = inst;
    l->loop = h->service("loop/1");
    l->engine = h->service("trigger/1");
    l->config = h->inst_config(inst);
    l->fd = -1;
    return l;
}

static void close_lines(const wf_host *h, void *state)
{
    struct lines *l = state;
    (void)h;
    while (l->clients)
        client_free(l->clients);
    free(l);
}

static int start(const wf_host *h, void *state, wf_source *source, wf_error *why)
{
    struct lines *l = state;
    struct sockaddr_in at = { .sin_family = AF_INET,
                              .sin_port = htons((uint16_t)l->config->port),
                              .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    (void)h;
    l->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    setsockopt(l->fd, SOL_SOCKET, SO_REUSEADDR, &(int){ 1 }, sizeof(int));
    setsockopt(l->fd, SOL_SOCKET, SO_REUSEPORT, &(int){ 1 }, sizeof(int));
    if (bind(l->fd, (struct sockaddr *)&at, sizeof at) == 0 && listen(l->fd, 64) == 0) {
        l->source = source;
        l->watch = l->loop->watch(l->inst, l->fd, on_connect, l);
        l->loop->watch_set(l->watch, WF_READABLE);
        return 0;
    }
    int n = snprintf(l->why, sizeof l->why, "port %d: %s", (int)l->config->port, strerror(errno));
    why->fault = WF_TRANSIENT; /* whoever has the port may leave it */
    why->detail = (wf_str){ l->why, (size_t)n };
    close(l->fd);
    return -1;
}

/* Clients stay: what they sent is still answered. */
static void stop(const wf_host *h, void *state)
{
    struct lines *l = state;
    (void)h;
    l->source = NULL;
    l->loop->watch_stop(l->watch);
    close(l->fd);
    for (struct client *c = l->clients; c; c = c->next)
        watch(c);
}

static void pass_all(const wf_host *h, wf_item *const *items, size_t n)
{
    for (size_t i = 0; i < n; i++)
        h->pass(items[i], 0);
}

static const wf_pair answers[] = { { "stored", "\"stored N\" when the line is in the journal" },
                                   { "ended", "\"ended N ...\" with the workflow's first item" },
                                   { NULL, NULL } };
static const wf_param params[] = {
    { WF_P_INT(struct config, port), .flags = WF_REQUIRED, .min = 1, .max = 65535,
      .help = "Where it listens, on the loopback" },
    { WF_P_CHOICE(struct config, answer, answers), .def = "stored", .help = "What is answered" },
    WF_END,
};
static const char *const ports[] = { "main", NULL };
static const wf_trigger trigger = { .size = sizeof trigger,
                                    .start = start,
                                    .stop = stop,
                                    .stored = stored,
                                    .ended = ended,
                                    .room = room };
static const wf_node nodes[] = { { .type = "acme.lines",
                                   .help = "Starts with each line that comes over TCP",
                                   .ports = ports,
                                   .params = params,
                                   .config_size = sizeof(struct config),
                                   .process = pass_all,
                                   .open = open_lines,
                                   .close = close_lines,
                                   .flags = WF_NODE_TRIGGER,
                                   .trigger = &trigger } };

WF_PLUGIN("lines", "1.0.0", nodes);
