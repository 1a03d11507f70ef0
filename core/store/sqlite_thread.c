/* SPDX-License-Identifier: Apache-2.0
 * The store thread: the one writer of a process.
 *
 * Sessions queue jobs and the thread takes all that are there into one transaction, so that while
 * one fsync runs the next group gathers: commits per second are the disk's, turns per commit grow
 * with load. Answers go home by the loops' mailboxes after the COMMIT.
 *
 *   queue --(all)--> group --BEGIN, jobs in savepoints, COMMIT--> home
 *     ^                |
 *     +---- trouble: ROLLBACK, tell the weather, wait, again
 *
 * Thread: session calls on their loops, the rest on the store thread, which is started by the first
 * session and blocks on the file.
 */
#include "store/sqlite_int.h"
#include "base/clock.h"
#include "base/log.h"
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { BACKOFF_FIRST_MS = 100, BACKOFF_MAX_MS = 5000 };

struct sqlite_session {
    struct job_session js;
    struct link link;
};

/* Weather on its way to a session. */
struct note {
    struct mail mail;
    struct link link;               /* of the store's notes */
    struct sqlite_session *session; /* NULL: closed */
    bool up, is_stranded;
    char reason[500];
};

/* --- weather ---------------------------------------------------------------------------------- */

/* On the session's loop, as its closing is: a note without a session needs no store any more. */
static void on_note(struct mail *mail)
{
    struct note *note = CONTAINER_OF(mail, struct note, mail);
    if (note->session) {
        const struct store_session_config *config = &note->session->js.base.config;
        struct sqlite_store *s = sqlite_of(note->session->js.base.store);
        pthread_mutex_lock(&s->lock);
        list_remove(&note->link);
        pthread_mutex_unlock(&s->lock);
        if (config->on_state)
            config->on_state(config->ctx, note->up, note->up ? NULL : note->reason);
    }
    free(note);
}

/* With the lock held. */
static void tell_weather(struct sqlite_store *s, bool up, const char *reason)
{
    if (s->is_down == !up && (up || !strcmp(s->reason, reason)))
        return;
    s->is_down = !up;
    snprintf(s->reason, sizeof s->reason, "%s", up ? "" : reason);
    if (!up)
        log_warn("store", "store.down", "%s", reason);
    struct sqlite_session *session;
    LIST_EACH(session, &s->sessions, struct sqlite_session, link)
    {
        struct note *note = xcalloc(1, sizeof *note);
        note->mail.fn = on_note;
        note->session = session;
        note->up = up;
        snprintf(note->reason, sizeof note->reason, "%s", s->reason);
        list_append(&s->notes, &note->link);
        if (loop_post(session->js.base.config.loop, &note->mail) != 0)
            note->is_stranded = true;
    }
}

/* --- groups ----------------------------------------------------------------------------------- */

/* Runs the group in one transaction. SQLITE_OK or the trouble. */
static int run_group(struct sqlite_store *s)
{
    struct sqlite_worker *w = &s->worker;
    int rc = sqlite3_step(w->statements[SQ_BEGIN]);
    sqlite3_reset(w->statements[SQ_BEGIN]);
    if (rc != SQLITE_DONE)
        return rc;
    struct link *at;
    for (at = s->group.next, rc = SQLITE_OK; at != &s->group && rc == SQLITE_OK; at = at->next)
        rc = sqlite_run(w, CONTAINER_OF(at, struct job, queue));
    if (rc == SQLITE_OK) {
        rc = sqlite3_step(w->statements[SQ_COMMIT]);
        sqlite3_reset(w->statements[SQ_COMMIT]);
        if (rc == SQLITE_DONE)
            return SQLITE_OK;
    }
    return rc;
}

static void send_home(struct sqlite_store *s)
{
    while (!list_empty(&s->group)) {
        struct job *job = LIST_FIRST(&s->group, struct job, queue);
        list_remove(&job->queue);
        job_post(job);
    }
}

/* A statement of a plugin does not wait for ever: its item may go another way. */
static bool gave_up(struct job *job, const char *reason)
{
    if (job->kind != JOB_SQL ||
        clock_mono_us() - job->began_us < (int64_t)STORE_SQL_TIMEOUT_MS * 1000)
        return false;
    job_sql_failed(job, true, "the store is down: %s", reason);
    job_post(job);
    return true;
}

/* The group goes back to the head of the queue, in its order. */
static void put_back(struct sqlite_store *s, const char *reason)
{
    while (!list_empty(&s->group)) {
        struct job *job = CONTAINER_OF(s->group.prev, struct job, queue);
        list_remove(&job->queue);
        if (gave_up(job, reason))
            continue;
        list_prepend(&s->queue, &job->queue);
    }
}

static void take_all(struct sqlite_store *s)
{
    while (!list_empty(&s->queue)) {
        struct job *job = LIST_FIRST(&s->queue, struct job, queue);
        list_remove(&job->queue);
        list_append(&s->group, &job->queue);
    }
}

static void wait_ms(struct sqlite_store *s, int ms)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += ms / 1000;
    until.tv_nsec += (long)(ms % 1000) * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_nsec -= 1000000000;
        until.tv_sec++;
    }
    while (!s->is_stopping && pthread_cond_timedwait(&s->wake, &s->lock, &until) == 0)
        ;
}

/* A connection to work with; after trouble a new one, because the file may be another by now. */
static int have_connection(struct sqlite_store *s, char *reason, size_t size)
{
    struct err err;
    if (s->worker.db)
        return 0;
    s->worker.save_inputs = s->base.config.save_inputs;
    if (sqlite_worker_open(&s->worker, s->path, &err) == 0)
        return 0;
    snprintf(reason, size, "%s", err.text);
    return -1;
}

/* One group, without the lock. */
static int work(struct sqlite_store *s, char *reason, size_t size)
{
    if (have_connection(s, reason, size) != 0)
        return -1;
    int rc = run_group(s);
    if (rc == SQLITE_OK)
        return 0;
    snprintf(reason, size, "SQLite: %s", sqlite3_errmsg(s->worker.db));
    (void)sqlite3_step(s->worker.statements[SQ_ROLLBACK]);
    sqlite_worker_close(&s->worker);
    return -1;
}

static void run_thread(void *arg)
{
    struct sqlite_store *s = arg;
    int backoff_ms = BACKOFF_FIRST_MS;
    pthread_mutex_lock(&s->lock);
    while (!s->is_stopping) {
        if (list_empty(&s->queue)) {
            pthread_cond_wait(&s->wake, &s->lock);
            continue;
        }
        char reason[500];
        take_all(s);
        s->is_running = true;
        pthread_mutex_unlock(&s->lock);
        int rc = work(s, reason, sizeof reason);
        pthread_mutex_lock(&s->lock);
        s->is_running = false;
        if (rc == 0)
            send_home(s);
        else
            put_back(s, reason);
        pthread_cond_broadcast(&s->idle);
        tell_weather(s, rc == 0, reason);
        if (rc == 0) {
            backoff_ms = BACKOFF_FIRST_MS;
            continue;
        }
        wait_ms(s, backoff_ms);
        backoff_ms = backoff_ms * 2 > BACKOFF_MAX_MS ? BACKOFF_MAX_MS : backoff_ms * 2;
    }
    pthread_mutex_unlock(&s->lock);
    if (s->worker.db)
        sqlite_worker_close(&s->worker);
}

void sqlite_thread_stop(struct sqlite_store *s)
{
    pthread_mutex_lock(&s->lock);
    s->is_stopping = true;
    pthread_cond_broadcast(&s->wake);
    pthread_mutex_unlock(&s->lock);
    thread_join(&s->thread);
}

/* --- sessions --------------------------------------------------------------------------------- */

static void queue_job(struct job *job)
{
    struct sqlite_store *s = sqlite_of(job->ss->store);
    pthread_mutex_lock(&s->lock);
    list_append(&s->queue, &job->queue);
    pthread_cond_signal(&s->wake);
    pthread_mutex_unlock(&s->lock);
}

struct store_session *sqlite_session_open(struct store *base,
                                          const struct store_session_config *config)
{
    struct sqlite_store *s = sqlite_of(base);
    struct sqlite_session *session = xcalloc(1, sizeof *session);
    struct err err = { 0 };
    job_session_init(&session->js, base, config, queue_job);
    pthread_mutex_lock(&s->lock);
    list_append(&s->sessions, &session->link);
    bool is_started =
        s->thread.is_started || thread_start(&s->thread, "store", run_thread, s, &err) == 0;
    bool up = is_started && !s->is_down;
    if (!up && is_started)
        err_set(&err, ERR_UNAVAILABLE, "%s", s->reason);
    pthread_mutex_unlock(&s->lock);
    job_state(&session->js, up, up ? NULL : &err);
    return &session->js.base;
}

/* Jobs of this session that wait leave the queue; one that runs is waited for, because it reads the
 * caller's memory. */
void sqlite_session_close(struct store_session *ss)
{
    struct sqlite_store *s = sqlite_of(ss->store);
    struct sqlite_session *session = CONTAINER_OF(job_session_of(ss), struct sqlite_session, js);
    pthread_mutex_lock(&s->lock);
    while (s->is_running)
        pthread_cond_wait(&s->idle, &s->lock);
    struct job *job;
    LIST_EACH(job, &s->queue, struct job, queue)
    {
        if (job->ss != ss)
            continue;
        list_remove(&job->queue);
        job->is_stranded = true; /* nobody else holds it: freed with the session */
    }
    struct note *note;
    LIST_EACH(note, &s->notes, struct note, link)
    {
        if (note->session != session)
            continue;
        list_remove(&note->link);
        note->session = NULL;
        if (note->is_stranded)
            free(note);
    }
    list_remove(&session->link);
    pthread_mutex_unlock(&s->lock);
    jobs_drop(&session->js.jobs);
    free(session);
}
