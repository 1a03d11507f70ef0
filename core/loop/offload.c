/* SPDX-License-Identifier: Apache-2.0
 * The pool for work that blocks: client libraries, big compressions, files.
 *
 * libuv's own pool has four threads that DNS and files share, one queue and no limit, so one slow
 * library would stop everything; this one keeps a queue per owner. Owners with a job that may run
 * stand on the `ready` list; a thread takes one job of the first owner and the owner goes to the
 * end. An owner at its thread limit is off the list until one of its jobs ends.
 *
 * One lock guards it all: a job here takes longer than a lock by orders of magnitude, and the
 * message path never comes by. Results travel home by mail.
 */
#include "loop/loop.h"
#include <pthread.h>
#include <stdlib.h>

enum { OWNER_LIMIT_DEFAULT = 64 };

struct offload {
    pthread_mutex_t lock;
    pthread_cond_t work;
    struct link ready;
    bool is_stopping;
    unsigned n_threads;
    struct thread threads[];
};

static void on_mail(struct mail *m)
{
    struct offload_job *job = CONTAINER_OF(m, struct offload_job, mail);
    job->done(job);
}

/* A shut loop takes no results; the process is ending and the job's memory with it. */
static void send_home(struct offload_job *job)
{
    job->mail.fn = on_mail;
    (void)loop_post(job->home, &job->mail);
}

/* Keeps the invariant of the ready list. Lock held. */
static void owner_update(struct offload *o, struct offload_owner *owner)
{
    bool may_run = !list_empty(&owner->jobs) && owner->n_running < owner->threads;
    if (!may_run)
        list_remove(&owner->ready);
    else if (!owner->ready.next)
        list_append(&o->ready, &owner->ready);
}

/* Lock held. */
static struct offload_job *take_job(struct offload *o)
{
    struct offload_owner *owner = LIST_FIRST(&o->ready, struct offload_owner, ready);
    struct offload_job *job = LIST_FIRST(&owner->jobs, struct offload_job, link);
    list_remove(&job->link);
    list_remove(&owner->ready);
    owner->n_running++;
    owner_update(o, owner);
    return job;
}

static void run_pool_thread(void *arg)
{
    struct offload *o = arg;
    pthread_mutex_lock(&o->lock);
    for (;;) {
        while (list_empty(&o->ready) && !o->is_stopping)
            pthread_cond_wait(&o->work, &o->lock);
        if (o->is_stopping)
            break;
        struct offload_job *job = take_job(o);
        struct offload_owner *owner = job->owner;
        pthread_mutex_unlock(&o->lock);
        job->work(job);
        pthread_mutex_lock(&o->lock);
        owner->n_running--;
        owner->n_jobs--;
        owner_update(o, owner);
        /* Under the lock: once the last result is home the owner may be freed. */
        send_home(job);
    }
    pthread_mutex_unlock(&o->lock);
}

struct offload *offload_create(unsigned threads, struct err *err)
{
    struct offload *o = xcalloc(1, sizeof *o + threads * sizeof *o->threads);
    pthread_mutex_init(&o->lock, NULL);
    pthread_cond_init(&o->work, NULL);
    list_init(&o->ready);
    for (; o->n_threads < threads; o->n_threads++)
        if (thread_start(&o->threads[o->n_threads], "offload", run_pool_thread, o, err) != 0) {
            offload_destroy(o);
            return NULL;
        }
    return o;
}

void offload_destroy(struct offload *o)
{
    if (!o)
        return;
    pthread_mutex_lock(&o->lock);
    o->is_stopping = true;
    pthread_cond_broadcast(&o->work);
    pthread_mutex_unlock(&o->lock);
    for (unsigned i = 0; i < o->n_threads; i++)
        thread_join(&o->threads[i]);
    while (!list_empty(&o->ready)) {
        struct offload_job *job = take_job(o);
        struct offload_owner *owner = job->owner;
        owner->n_running--;
        owner->n_jobs--;
        owner_update(o, owner);
        job->is_dropped = true;
        send_home(job);
    }
    pthread_cond_destroy(&o->work);
    pthread_mutex_destroy(&o->lock);
    free(o);
}

void offload_owner_init(struct offload *o, struct offload_owner *owner, unsigned limit,
                        unsigned threads)
{
    unsigned most = o->n_threads > 1 ? o->n_threads - 1 : 1;
    *owner = (struct offload_owner){ .limit = limit ? limit : OWNER_LIMIT_DEFAULT,
                                     .threads = threads ? threads : most };
    list_init(&owner->jobs);
}

int offload_submit(struct offload *o, struct offload_owner *owner, struct loop *home,
                   struct offload_job *job)
{
    int rc = -1;
    pthread_mutex_lock(&o->lock);
    if (owner->n_jobs < owner->limit && !o->is_stopping) {
        job->home = home;
        job->owner = owner;
        job->is_dropped = false;
        owner->n_jobs++;
        list_append(&owner->jobs, &job->link);
        owner_update(o, owner);
        pthread_cond_signal(&o->work);
        rc = 0;
    }
    pthread_mutex_unlock(&o->lock);
    return rc;
}
