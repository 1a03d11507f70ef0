/* SPDX-License-Identifier: Apache-2.0
 * The outside that every engine on a loop needs: clocks, HTTP requests, blocking calls on the pool,
 * waking from other threads, sockets and timers for plugins. A worker has one, and so has `catalyst
 * run`.
 */
#include "worker/outside.h"
#include "base/clock.h"
#include "base/log.h"
#include "plugin/cred.h"
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

/* A request of an item: between the engine's ticket and the HTTP client's call. */
struct request {
    struct link link;
    struct outside *o;
    wf_ticket ticket;
    struct http_pending *pending;
    wf_blob *upload, *download; /* or NULL; each with a reference of ours */
};

static void request_free(struct request *r)
{
    engine_blob_unref(r->upload);
    engine_blob_unref(r->download);
    free(r);
}

/* --- time ------------------------------------------------------------------------------------- */

static int64_t io_mono_us(void *ctx)
{
    (void)ctx;
    return clock_mono_us();
}

static int64_t io_wall_us(void *ctx)
{
    (void)ctx;
    return clock_wall_us();
}

static uint64_t io_random(void *ctx)
{
    (void)ctx;
    uint64_t r = 0;
    if (getrandom(&r, sizeof r, 0) != (ssize_t)sizeof r)
        r = (uint64_t)clock_mono_us() * 0x9e3779b97f4a7c15u;
    return r;
}

/* --- requests --------------------------------------------------------------------------------- */

static void on_reply(void *arg, const struct http_reply *reply)
{
    struct request *r = arg;
    struct outside *o = r->o;
    wf_reply out = { .size = sizeof out,
                     .status = reply->status,
                     .retry_after_ms = reply->retry_after_ms,
                     .body = reply->body,
                     .headers = reply->headers,
                     .flags = (reply->is_maybe_sent ? WF_REPLY_MAYBE_SENT : 0u) |
                              (reply->is_too_large ? WF_REPLY_TOO_LARGE : 0u),
                     .error = reply->error,
                     .url = reply->url };
    if (reply->status)
        out.download = r->download;
    list_remove(&r->link);
    engine_reply(o->engine, r->ticket, &out);
    request_free(r);
    loop_wake_soon(o->loop);
}

/* Authentication of the credential types that every HTTP node may use. */
static const wf_pair *add_auth(struct http_call *call, const struct wf_cred *cred,
                               const wf_pair *headers, wf_pair *room, size_t size)
{
    if (!cred)
        return headers;
    if (!strcmp(cred->type, "httpBasicAuth")) {
        call->user = cred_get(cred, "user").ptr;
        call->password = cred_get(cred, "password").ptr;
    } else if (!strcmp(cred->type, "httpBearerAuth")) {
        call->bearer = cred_get(cred, "token").ptr;
    } else if (!strcmp(cred->type, "httpHeaderAuth")) {
        size_t n = 0;
        for (; headers && headers->name && n + 2 < size; headers++)
            room[n++] = *headers;
        room[n++] = (wf_pair){ cred_get(cred, "name").ptr, cred_get(cred, "value").ptr };
        room[n] = (wf_pair){ NULL, NULL };
        return room;
    }
    return headers;
}

static int64_t upload_read(void *ctx, uint64_t at, char *to, size_t n)
{
    return engine_blob_read(ctx, at, to, n);
}

static int download_write(void *ctx, const char *ptr, size_t n, struct err *err)
{
    return engine_blob_write(ctx, ptr, n, err);
}

/* Large bodies do not pass through memory: they are read from a blob, and written to one. */
static void add_blobs(struct request *r, struct http_call *call, const wf_request *request)
{
    if (request->upload) {
        r->upload = engine_blob_ref(request->upload);
        call->source = (struct http_source){ engine_blob_size(r->upload), upload_read, r->upload };
    }
    if (request->flags & WF_REQ_DOWNLOAD) {
        r->download = engine_blob_create(r->o->engine);
        call->sink = (struct http_sink){ download_write, r->download };
    }
}

static void io_request(void *ctx, wf_ticket ticket, const wf_request *request)
{
    struct outside *o = ctx;
    struct request *r = xcalloc(1, sizeof *r);
    *r = (struct request){ .o = o, .ticket = ticket };
    list_append(&o->requests, &r->link);
    wf_pair room[128];
    struct http_call call = { .method = request->method,
                              .url = request->url,
                              .body = request->body,
                              .timeout_ms = request->timeout_ms,
                              .proxy = request->proxy,
                              .max_redirects = request->max_redirects,
                              .is_insecure = request->flags & WF_REQ_INSECURE,
                              .max_bytes = request->max_bytes };
    call.headers =
        add_auth(&call, request->cred, request->headers, room, sizeof room / sizeof *room);
    add_blobs(r, &call, request);
    r->pending = http_call_start(o->client, &call, on_reply, r);
}

static struct request *request_find(struct outside *o, wf_ticket ticket)
{
    struct request *r;
    LIST_EACH(r, &o->requests, struct request, link)
    {
        if (r->ticket.id == ticket.id && r->ticket.gen == ticket.gen)
            return r;
    }
    return NULL;
}

static void request_drop(struct request *r)
{
    http_call_cancel(r->pending);
    list_remove(&r->link);
    request_free(r);
}

static void io_cancel(void *ctx, wf_ticket ticket)
{
    struct request *r = request_find(ctx, ticket);
    if (r)
        request_drop(r);
}

void outside_cancel_all(struct outside *o)
{
    struct request *r;
    LIST_EACH(r, &o->requests, struct request, link) { request_drop(r); }
}

/* --- blocking work ---------------------------------------------------------------------------- */

struct blocking {
    struct offload_job job;
    struct outside *o;
    wf_ticket ticket;
    void (*work)(void *);
    void *arg;
};

static void work_blocking(struct offload_job *job)
{
    struct blocking *b = CONTAINER_OF(job, struct blocking, job);
    b->work(b->arg);
}

static void done_blocking(struct offload_job *job)
{
    struct blocking *b = CONTAINER_OF(job, struct blocking, job);
    engine_offloaded(b->o->engine, b->ticket);
    loop_wake_soon(b->o->loop);
    free(b);
}

static int io_offload(void *ctx, wf_ticket ticket, const char *plugin, void (*work)(void *),
                      void *arg)
{
    struct outside *o = ctx;
    (void)plugin;
    struct blocking *b = xcalloc(1, sizeof *b);
    *b =
        (struct blocking){ { .work = work_blocking, .done = done_blocking }, o, ticket, work, arg };
    if (offload_submit(o->offload, &o->owner, o->loop, &b->job) == 0)
        return 0;
    free(b);
    return -1;
}

/* --- wake from another thread ----------------------------------------------------------------- */

struct wake {
    struct mail mail;
    struct outside *o;
    wf_ticket ticket;
    wf_wake_fn *fn;
    size_t len;
    char data[];
};

static void on_wake(struct mail *m)
{
    struct wake *wake = CONTAINER_OF(m, struct wake, mail);
    engine_woken(wake->o->engine, wake->ticket, wake->fn, (wf_str){ wake->data, wake->len });
    loop_wake_soon(wake->o->loop);
    free(wake);
}

static int io_wake(void *ctx, wf_ticket ticket, wf_wake_fn *fn, wf_str data)
{
    struct outside *o = ctx;
    struct wake *wake = xmalloc(sizeof *wake + data.len + 1);
    *wake = (struct wake){
        .mail = { .fn = on_wake }, .o = o, .ticket = ticket, .fn = fn, .len = data.len
    };
    if (data.len)
        memcpy(wake->data, data.ptr, data.len);
    wake->data[data.len] = 0;
    if (loop_post(o->loop, &wake->mail) == 0)
        return 0;
    free(wake);
    return -1;
}

/* --- binary data ------------------------------------------------------------------------------ */

static int io_blob_file(void *ctx, struct err *err)
{
    struct outside *o = ctx;
    return blob_file_open(o->blob_dir, err);
}

/* --- service loop/1 --------------------------------------------------------------------------- */

static const wf_loop loop_table;

struct wf_watch {
    const wf_loop *table; /* first: the engine dispatches by it */
    struct outside *o;
    struct watch *watch;
    void (*fn)(void *arg, int events);
    void *arg;
};

struct wf_timer {
    const wf_loop *table; /* first */
    struct outside *o;
    struct timer timer;
    void (*fn)(void *arg);
    void *arg;
};

static void on_watch(void *arg, int events)
{
    struct wf_watch *pw = arg;
    struct outside *o = pw->o;
    pw->fn(pw->arg, events); /* may stop it */
    loop_wake_soon(o->loop);
}

static wf_watch *plugin_watch(wf_inst *inst, int fd, void (*fn)(void *arg, int events), void *arg)
{
    struct outside *o = engine_inst_ctx(inst);
    struct wf_watch *pw = xcalloc(1, sizeof *pw);
    *pw = (struct wf_watch){ .table = &loop_table, .o = o, .fn = fn, .arg = arg };
    struct err err;
    pw->watch = watch_create(o->loop, fd, on_watch, pw, &err);
    if (pw->watch)
        return pw;
    log_error("worker", "plugin.watch", "%s", err.text);
    free(pw);
    return NULL;
}

static void plugin_watch_set(wf_watch *pw, int events) { watch_set(pw->watch, events); }

static void plugin_watch_stop(wf_watch *pw)
{
    watch_stop(pw->watch);
    free(pw);
}

static void on_plugin_timer(void *arg)
{
    struct wf_timer *pt = arg;
    struct outside *o = pt->o;
    void (*fn)(void *) = pt->fn;
    void *fn_arg = pt->arg;
    free(pt);
    fn(fn_arg);
    loop_wake_soon(o->loop);
}

static wf_timer *plugin_timer(wf_inst *inst, int64_t in_ms, void (*fn)(void *arg), void *arg)
{
    struct outside *o = engine_inst_ctx(inst);
    struct wf_timer *pt = xcalloc(1, sizeof *pt);
    *pt = (struct wf_timer){ .table = &loop_table, .o = o, .fn = fn, .arg = arg };
    pt->timer = (struct timer){ .fn = on_plugin_timer, .arg = pt };
    timer_start(o->loop, &pt->timer, in_ms * 1000);
    return pt;
}

static void plugin_timer_stop(wf_timer *pt)
{
    timer_stop(pt->o->loop, &pt->timer);
    free(pt);
}

static const wf_loop loop_table = { sizeof loop_table, plugin_watch, plugin_watch_set,
                                    plugin_watch_stop, plugin_timer, plugin_timer_stop };

void outside_init(struct outside *o, struct loop *loop, struct offload *offload)
{
    o->loop = loop;
    o->offload = offload;
    list_init(&o->requests);
    o->blob_dir = -1;
    offload_owner_init(offload, &o->owner, 1024, 0);
}

void outside_io(struct engine_io *io)
{
    io->mono_us = io_mono_us;
    io->wall_us = io_wall_us;
    io->random = io_random;
    io->request = io_request;
    io->cancel = io_cancel;
    io->offload = io_offload;
    io->wake = io_wake;
    const struct outside *o = io->ctx;
    io->blob_file = o->blob_dir >= 0 ? io_blob_file : NULL;
    io->loop = &loop_table;
}
