/* SPDX-License-Identifier: Apache-2.0
 * One question to all workers: each makes its part on its own thread and mails it back; the last
 * one answers.
 */
#include "admin/admin_int.h"
#include <stdlib.h>

struct part_mail {
    struct mail mail;
    struct gather *g;
    uint32_t worker;
    void *part;
};

static void gather_free(struct gather *g)
{
    for (uint32_t i = 0; i < g->admin->n_workers; i++)
        if (g->parts[i])
            g->part_free(g->parts[i]);
    free(g->parts);
    free(g);
}

static void on_part(struct mail *m)
{
    struct part_mail *pm = CONTAINER_OF(m, struct part_mail, mail);
    struct gather *g = pm->g;
    g->parts[pm->worker] = pm->part;
    free(pm);
    if (--g->waiting)
        return;
    if (g->req) {
        g->req->on_gone = NULL;
        g->answer(g);
    }
    gather_free(g);
}

static void on_worker(void *arg, struct worker *w)
{
    struct part_mail *pm = arg;
    pm->part = pm->g->collect(w);
    if (loop_post(pm->g->admin->config.loop, &pm->mail) != 0) {
        pm->g->part_free(pm->part);
        free(pm);
    }
}

static void on_gone(struct http_request *req)
{
    struct gather *g = req->user;
    g->req = NULL;
}

void gather_start(struct admin *a, struct http_request *req, void *(*collect)(struct worker *w),
                  void (*answer)(struct gather *g), void (*part_free)(void *part))
{
    struct gather *g = xcalloc(1, sizeof *g);
    *g = (struct gather){
        .admin = a, .req = req, .collect = collect, .answer = answer, .part_free = part_free
    };
    g->parts = xcalloc(a->n_workers ? a->n_workers : 1, sizeof *g->parts);
    req->user = g;
    req->on_gone = on_gone;
    for (uint32_t i = 0; i < a->n_workers; i++) {
        struct part_mail *pm = xcalloc(1, sizeof *pm);
        *pm = (struct part_mail){ .mail = { .fn = on_part }, .g = g, .worker = i };
        g->waiting++;
        if (worker_post(a->workers[i], on_worker, pm) != 0) {
            g->waiting--;
            free(pm);
        }
    }
    if (g->waiting)
        return;
    req->on_gone = NULL;
    http_respond_error(req, 503, "the workers have stopped");
    gather_free(g);
}
