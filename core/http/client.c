/* SPDX-License-Identifier: Apache-2.0
 * The HTTP client: libcurl's multi handle on the loop.
 *
 * curl says which descriptors it wants watched (on_socket) and when it wants to be called
 * (on_timer_set); we tell it what happened (act) and then collect the calls that are finished. No
 * function of curl is called from inside one of its callbacks, and nothing of ours is called by the
 * user's callback while curl is at work, so a reply may start or cancel other calls.
 *
 * Connections are kept per client, that is per worker, and capped per host; calls beyond wait
 * inside curl. Names are resolved on curl's own threads; a call that ends meanwhile leaves its
 * resolver behind (CURLOPT_QUICK_EXIT) instead of waiting for it. Thread: the loop's. Nothing
 * blocks.
 */
#include "http/client_int.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct client_socket {
    struct http_client *client;
    struct watch *watch;
    curl_socket_t fd;
};

static void act(struct http_client *c, curl_socket_t fd, int events);

/* --- what curl asks for ----------------------------------------------------------------------- */

static void on_watch(void *arg, int events)
{
    struct client_socket *s = arg;
    int what = (events & WATCH_READABLE ? CURL_CSELECT_IN : 0) |
               (events & WATCH_WRITABLE ? CURL_CSELECT_OUT : 0);
    act(s->client, s->fd, what); /* may end the watch and free `s` */
}

static struct client_socket *socket_create(struct http_client *c, curl_socket_t fd)
{
    struct client_socket *s = xcalloc(1, sizeof *s);
    s->client = c;
    s->fd = fd;
    s->watch = watch_create(c->loop, fd, on_watch, s, NULL);
    if (s->watch)
        return s;
    free(s);
    return NULL;
}

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *of_socket)
{
    struct http_client *c = arg;
    struct client_socket *s = of_socket;
    (void)easy;
    if (what == CURL_POLL_REMOVE) {
        if (s)
            watch_stop(s->watch);
        free(s);
        curl_multi_assign(c->multi, fd, NULL);
        return 0;
    }
    if (!s) {
        s = socket_create(c, fd);
        if (!s)
            return -1;
        curl_multi_assign(c->multi, fd, s);
    }
    watch_set(s->watch, (what & CURL_POLL_IN ? WATCH_READABLE : 0) |
                            (what & CURL_POLL_OUT ? WATCH_WRITABLE : 0));
    return 0;
}

static int on_timer_set(CURLM *multi, long timeout_ms, void *arg)
{
    struct http_client *c = arg;
    (void)multi;
    if (timeout_ms < 0)
        timer_stop(c->loop, &c->timer);
    else
        timer_start(c->loop, &c->timer, (int64_t)timeout_ms * 1000);
    return 0;
}

static void on_timer(void *arg) { act(arg, CURL_SOCKET_TIMEOUT, 0); }

/* --- calls ------------------------------------------------------------------------------------ */

static void easy_give_back(struct http_client *c, CURL *easy)
{
    if (c->n_spare == SPARE_EASY_MAX) {
        curl_easy_cleanup(easy);
        return;
    }
    curl_easy_reset(easy);
    c->spare[c->n_spare++] = easy;
}

/* Takes it out of curl. Its texts stay. */
static void detach(struct http_pending *p)
{
    struct http_client *c = p->client;
    list_remove(&p->link);
    timer_stop(c->loop, &p->early);
    if (p->is_added)
        curl_multi_remove_handle(c->multi, p->easy);
    p->is_added = false;
    c->stats.under_way--;
}

static void pending_free(struct http_pending *p)
{
    easy_give_back(p->client, p->easy);
    curl_slist_free_all(p->lines);
    strbuf_fini(&p->reply);
    arena_fini(&p->arena);
    p->magic = 0;
    free(p);
}

static void count_time(struct http_client_stats *stats, int64_t us)
{
    unsigned i = 0;
    while (i < HTTP_LATENCY_BOUNDS && us > INT64_C(1000) << i)
        i++;
    stats->latency_le[i]++;
    stats->latency_us_sum += (uint64_t)us;
}

static void finish(struct http_pending *p, CURLcode code)
{
    struct http_client *c = p->client;
    struct http_reply reply;
    call_reply(p, code, &reply);
    c->stats.bytes_in += p->reply_bytes;
    c->stats.failed += reply.status == 0;
    c->stats.timeouts += code == CURLE_OPERATION_TIMEDOUT;
    if (reply.status)
        count_time(&c->stats, reply.time_us);
    detach(p);
    p->fn(p->arg, &reply);
    pending_free(p);
}

static void act(struct http_client *c, curl_socket_t fd, int events)
{
    int running, left;
    CURLMsg *message;
    c->is_inside = true;
    curl_multi_socket_action(c->multi, fd, events, &running);
    c->is_inside = false;
    while ((message = curl_multi_info_read(c->multi, &left))) {
        if (message->msg != CURLMSG_DONE)
            continue;
        CURLcode code = message->data.result; /* the message goes with its handle */
        char *at = NULL;
        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &at);
        finish(OBJ(http_pending, at), code);
    }
}

static void on_early(void *arg)
{
    struct http_pending *p = OBJ(http_pending, arg);
    finish(p, CURLE_FAILED_INIT);
}

static CURL *easy_take(struct http_client *c)
{
    CURL *easy = c->n_spare ? c->spare[--c->n_spare] : curl_easy_init();
    if (!easy)
        bug_out_of_memory(0);
    return easy;
}

static bool is_idempotent(const char *method)
{
    static const char *const names[] = { "GET", "HEAD", "PUT", "DELETE", "OPTIONS", "TRACE" };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (!strcmp(method, names[i]))
            return true;
    return false;
}

static char *upper(struct arena *a, const char *text)
{
    char *copied = arena_strdup(a, text);
    for (char *at = copied; *at; at++)
        if (*at >= 'a' && *at <= 'z')
            *at = (char)(*at - 'a' + 'A');
    return copied;
}

struct http_pending *http_call_start(struct http_client *c, const struct http_call *call,
                                     http_reply_fn *fn, void *arg)
{
    BUG_IF(c->is_inside);
    struct http_pending *p = xcalloc(1, sizeof *p);
    p->magic = http_pending_MAGIC;
    p->client = c;
    p->fn = fn;
    p->arg = arg;
    p->easy = easy_take(c);
    p->early = (struct timer){ .fn = on_early, .arg = p };
    p->max_bytes = call->max_bytes ? call->max_bytes : 16 << 20;
    arena_init(&p->arena, NULL, 0);
    strbuf_init(&p->reply, p->max_bytes < SIZE_MAX ? (size_t)p->max_bytes : SIZE_MAX);
    p->sink = call->sink;
    p->method = upper(&p->arena, call->method ? call->method : "GET");
    p->is_idempotent = is_idempotent(p->method);
    list_append(&c->calls, &p->link);
    c->stats.calls++;
    int rc = 0;
    if (c->stats.under_way++ >= c->config.max_calls) {
        snprintf(p->error, sizeof p->error, "%u calls are under way already", c->config.max_calls);
        rc = -1;
    }
    if (rc == 0)
        rc = call_prepare(p, call);
    if (rc == 0 && curl_multi_add_handle(c->multi, p->easy) == CURLM_OK)
        p->is_added = true;
    else
        timer_start(c->loop, &p->early, 0);
    return p;
}

bool http_call_cancel(struct http_pending *p)
{
    BUG_IF(p->client->is_inside);
    bool is_maybe_sent = call_is_maybe_sent(p);
    detach(p);
    pending_free(p);
    return is_maybe_sent;
}

/* --- the client ------------------------------------------------------------------------------- */

static char *copy(const char *text) { return text ? xstrdup(text) : NULL; }

struct http_client *http_client_create(struct loop *l, const struct http_client_config *config,
                                       struct err *err)
{
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
        err_set(err, ERR_INTERNAL, "http: client: libcurl does not start");
        return NULL;
    }
    struct http_client *c = xcalloc(1, sizeof *c);
    c->loop = l;
    c->config = *config;
    c->config.max_per_host = config->max_per_host ? config->max_per_host : 32;
    c->config.max_idle = config->max_idle ? config->max_idle : 256;
    c->config.max_calls = config->max_calls ? config->max_calls : 10000;
    c->ca_file = copy(config->ca_file);
    c->proxy = copy(config->proxy);
    c->user_agent = xstrdup(config->user_agent ? config->user_agent : "catalyst");
    c->timer = (struct timer){ .fn = on_timer, .arg = c };
    list_init(&c->calls);
    c->multi = curl_multi_init();
    c->share = curl_share_init();
    if (!c->multi || !c->share)
        bug_out_of_memory(0);
    curl_share_setopt(c->share, CURLSHOPT_SHARE, CURL_LOCK_DATA_SSL_SESSION);
    curl_multi_setopt(c->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
    curl_multi_setopt(c->multi, CURLMOPT_SOCKETDATA, c);
    curl_multi_setopt(c->multi, CURLMOPT_TIMERFUNCTION, on_timer_set);
    curl_multi_setopt(c->multi, CURLMOPT_TIMERDATA, c);
    curl_multi_setopt(c->multi, CURLMOPT_PIPELINING, CURLPIPE_MULTIPLEX);
    curl_multi_setopt(c->multi, CURLMOPT_MAX_HOST_CONNECTIONS, (long)c->config.max_per_host);
    curl_multi_setopt(c->multi, CURLMOPT_MAXCONNECTS, (long)c->config.max_idle);
    return c;
}

void http_client_destroy(struct http_client *c)
{
    if (!c)
        return;
    BUG_IF(c->is_inside);
    struct http_pending *p;
    while ((p = LIST_FIRST(&c->calls, struct http_pending, link))) {
        snprintf(p->error, sizeof p->error, "shutting down");
        finish(p, CURLE_ABORTED_BY_CALLBACK);
    }
    while (c->n_spare)
        curl_easy_cleanup(c->spare[--c->n_spare]);
    curl_multi_cleanup(c->multi);
    curl_share_cleanup(c->share);
    timer_stop(c->loop, &c->timer);
    free(c->ca_file);
    free(c->proxy);
    free(c->user_agent);
    free(c);
    curl_global_cleanup();
}

const struct http_client_stats *http_client_stats(const struct http_client *c) { return &c->stats; }
