/* SPDX-License-Identifier: Apache-2.0
 * Named threads. Signals are blocked in them: the process handles signals on the loop that asked
 * for them, and a library's system call on another thread must not be interrupted by SIGTERM.
 */
#include "loop/loop.h"
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

_Static_assert(sizeof(pthread_t) <= sizeof(unsigned long), "thread.id holds a pthread_t");

static void *run(void *arg)
{
    struct thread *t = arg;
    pthread_setname_np(pthread_self(), t->name);
    t->fn(t->arg);
    return NULL;
}

/* Everything but what the thread's own faults raise. */
static void block_signals(sigset_t *before)
{
    static const int faults[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTRAP };
    sigset_t all;
    sigfillset(&all);
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++)
        sigdelset(&all, faults[i]);
    pthread_sigmask(SIG_SETMASK, &all, before);
}

int thread_start(struct thread *t, const char *name, void (*fn)(void *arg), void *arg,
                 struct err *err)
{
    *t = (struct thread){ .fn = fn, .arg = arg };
    snprintf(t->name, sizeof t->name, "%s", name);
    sigset_t before;
    pthread_t id;
    block_signals(&before);
    int rc = pthread_create(&id, NULL, run, t);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (rc)
        return err_set(err, ERR_LIMIT, "thread: start '%s': %s", name, strerror(rc));
    t->id = (unsigned long)id;
    t->is_started = true;
    return 0;
}

void thread_join(struct thread *t)
{
    if (!t->is_started)
        return;
    pthread_join((pthread_t)t->id, NULL);
    t->is_started = false;
}
