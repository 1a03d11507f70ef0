/* SPDX-License-Identifier: Apache-2.0
 * The thread that runs plugins' statements beside the memory store, one after the other, so that
 * none holds up a worker's loop. Started by the first call, ended with the store.
 */
#include "store/mem_int.h"
#include <stdlib.h>

struct mem_sql {
    struct mem_store *m;
    pthread_mutex_t lock;
    pthread_cond_t wake; /* work, or the end */
    pthread_cond_t idle; /* a job is over */
    struct thread thread;
    struct link queue;
    struct job *running;
    bool is_stopping;
};

static void run_thread(void *arg)
{
    struct mem_sql *q = arg;
    pthread_mutex_lock(&q->lock);
    while (!q->is_stopping) {
        if (list_empty(&q->queue)) {
            pthread_cond_wait(&q->wake, &q->lock);
            continue;
        }
        q->running = LIST_FIRST(&q->queue, struct job, queue);
        list_remove(&q->running->queue);
        pthread_mutex_unlock(&q->lock);
        mem_tables_sql(q->m, q->running);
        pthread_mutex_lock(&q->lock);
        job_post(q->running);
        q->running = NULL;
        pthread_cond_broadcast(&q->idle);
    }
    pthread_mutex_unlock(&q->lock);
}

static struct mem_sql *create(struct mem_store *m, struct err *err)
{
    struct mem_sql *q = xcalloc(1, sizeof *q);
    q->m = m;
    pthread_mutex_init(&q->lock, NULL);
    pthread_cond_init(&q->wake, NULL);
    pthread_cond_init(&q->idle, NULL);
    list_init(&q->queue);
    m->sql = q;
    return thread_start(&q->thread, "store-sql", run_thread, q, err) == 0 ? q : NULL;
}

void mem_sql_queue(struct mem_store *m, struct job *job)
{
    struct err err;
    pthread_mutex_lock(&m->lock); /* workers share the store */
    struct mem_sql *q = m->sql ? m->sql : create(m, &err);
    pthread_mutex_unlock(&m->lock);
    if (!q || !q->thread.is_started) {
        job_sql_failed(job, true, "no thread for statements could be started");
        job_post(job);
        return;
    }
    pthread_mutex_lock(&q->lock);
    list_append(&q->queue, &job->queue);
    pthread_cond_signal(&q->wake);
    pthread_mutex_unlock(&q->lock);
}

void mem_sql_drop(struct mem_store *m, struct store_session *ss)
{
    pthread_mutex_lock(&m->lock);
    struct mem_sql *q = m->sql;
    pthread_mutex_unlock(&m->lock);
    if (!q)
        return;
    pthread_mutex_lock(&q->lock);
    struct job *job;
    LIST_EACH(job, &q->queue, struct job, queue)
    {
        if (job->ss != ss)
            continue;
        list_remove(&job->queue);
        job->is_stranded = true; /* nobody else holds it: freed with the session */
    }
    while (q->running && q->running->ss == ss)
        pthread_cond_wait(&q->idle, &q->lock);
    pthread_mutex_unlock(&q->lock);
}

void mem_sql_stop(struct mem_store *m)
{
    struct mem_sql *q = m->sql;
    if (!q)
        return;
    pthread_mutex_lock(&q->lock);
    q->is_stopping = true;
    pthread_cond_broadcast(&q->wake);
    pthread_mutex_unlock(&q->lock);
    thread_join(&q->thread);
    pthread_mutex_destroy(&q->lock);
    pthread_cond_destroy(&q->wake);
    pthread_cond_destroy(&q->idle);
    free(q);
}
