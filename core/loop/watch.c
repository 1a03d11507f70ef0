/* SPDX-License-Identifier: Apache-2.0
 * Watches: readiness of a descriptor that a client library owns (libpq, hiredis). A handle may be
 * freed only when libuv has closed it, which is an iteration later, so watches live on the heap.
 */
#include "loop/loop_int.h"
#include <stdlib.h>

#define watch_MAGIC 0x3a7c4e51u

struct watch {
    uint32_t magic;
    int events; /* what is watched for */
    uv_poll_t uv;
    void (*fn)(void *arg, int events);
    void *arg;
};

static void on_event(uv_poll_t *uv, int status, int events)
{
    struct watch *w = OBJ(watch, uv->data);
    if (status < 0) {
        /* libuv has stopped the handle; the owner's next read or write tells why. */
        w->fn(w->arg, WATCH_READABLE | WATCH_WRITABLE);
        return;
    }
    int what =
        (events & UV_READABLE ? WATCH_READABLE : 0) | (events & UV_WRITABLE ? WATCH_WRITABLE : 0);
    w->fn(w->arg, what);
}

struct watch *watch_create(struct loop *l, int fd, void (*fn)(void *arg, int events), void *arg,
                           struct err *err)
{
    struct watch *w = xcalloc(1, sizeof *w);
    *w = (struct watch){ .magic = watch_MAGIC, .fn = fn, .arg = arg };
    int rc = uv_poll_init(&l->uv, &w->uv, fd);
    if (rc) {
        free(w);
        err_set(err, ERR_IO, "watch: descriptor %d: %s", fd, uv_strerror(rc));
        return NULL;
    }
    w->uv.data = w;
    return w;
}

void watch_set(struct watch *w, int events)
{
    if (events == w->events)
        return;
    w->events = events;
    if (!events) {
        uv_poll_stop(&w->uv);
        return;
    }
    int what =
        (events & WATCH_READABLE ? UV_READABLE : 0) | (events & WATCH_WRITABLE ? UV_WRITABLE : 0);
    BUG_IF(uv_poll_start(&w->uv, what, on_event) != 0);
}

static void on_closed(uv_handle_t *handle)
{
    struct watch *w = OBJ(watch, handle->data);
    w->magic = 0;
    free(w);
}

void watch_stop(struct watch *w)
{
    if (!w)
        return;
    uv_poll_stop(&w->uv);
    uv_close((uv_handle_t *)&w->uv, on_closed);
}
