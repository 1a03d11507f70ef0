/* SPDX-License-Identifier: Apache-2.0
 * Who is bound in this process, and the mailboxes by which messages reach them. Thread: any; see
 * tenants.h for the lock.
 */
#include "tenants.h"
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum { BURST_PARTS = 5, BOX_MAX = 50000 };

struct place {
    struct mailbox *box;
    uint64_t bind;
};

struct presence {
    struct presence *next;
    char system_id[17], tenant_id[65];
    uint32_t binds; /* all modes */
    struct place *receivers;
    uint32_t n_receivers, turn;
    int64_t step_us, burst_us; /* 0: no limit */
    _Atomic int64_t due_us;    /* when the bucket is empty */
};

struct mailbox {
    int fd;
    struct delivery *first, **end;
    uint32_t n;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct presence *present;

/* --- presence --------------------------------------------------------------------------------- */

static struct presence *find(const struct tenant *t)
{
    struct presence *p = present;
    while (p &&
           (strcmp(p->system_id, t->system_id) != 0 || strcmp(p->tenant_id, t->tenant_id) != 0))
        p = p->next;
    if (p)
        return p;
    p = calloc(1, sizeof *p);
    if (!p)
        abort();
    memcpy(p->system_id, t->system_id, sizeof p->system_id);
    memcpy(p->tenant_id, t->tenant_id, sizeof p->tenant_id);
    p->next = present;
    present = p;
    return p;
}

struct presence *presence_begin(const struct tenant *t, struct mailbox *box, uint64_t bind,
                                enum session_mode mode)
{
    pthread_mutex_lock(&lock);
    struct presence *p = find(t);
    if (p->binds >= t->binds) {
        pthread_mutex_unlock(&lock);
        return NULL;
    }
    p->binds++;
    p->step_us = t->rate ? 1000000 / (int64_t)t->rate : 0;
    p->burst_us = 1000000 / BURST_PARTS;
    if (mode & SESSION_RECEIVER) {
        p->receivers = realloc(p->receivers, (p->n_receivers + 1) * sizeof *p->receivers);
        if (!p->receivers)
            abort();
        p->receivers[p->n_receivers++] = (struct place){ box, bind };
    }
    pthread_mutex_unlock(&lock);
    return p;
}

void presence_end(struct presence *p, struct mailbox *box, uint64_t bind)
{
    pthread_mutex_lock(&lock);
    for (uint32_t i = 0; i < p->n_receivers; i++)
        if (p->receivers[i].box == box && p->receivers[i].bind == bind)
            p->receivers[i--] = p->receivers[--p->n_receivers];
    if (--p->binds == 0) {
        struct presence **at = &present;
        while (*at != p)
            at = &(*at)->next;
        *at = p->next;
        free(p->receivers);
        free(p);
    }
    pthread_mutex_unlock(&lock);
}

/* A bucket as the time at which it is empty: one number for all workers. */
int presence_may(struct presence *p, int64_t now_us)
{
    if (!p->step_us)
        return 1;
    int64_t due_us = atomic_load_explicit(&p->due_us, memory_order_relaxed), next_us;
    do {
        next_us = (due_us > now_us ? due_us : now_us) + p->step_us;
        if (next_us - now_us > p->burst_us + p->step_us)
            return 0;
    } while (!atomic_compare_exchange_weak_explicit(&p->due_us, &due_us, next_us,
                                                    memory_order_relaxed, memory_order_relaxed));
    return 1;
}

/* --- mailboxes -------------------------------------------------------------------------------- */

struct mailbox *mailbox_create(void)
{
    struct mailbox *box = calloc(1, sizeof *box);
    if (!box)
        abort();
    box->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (box->fd < 0)
        abort();
    box->end = &box->first;
    return box;
}

void mailbox_destroy(struct mailbox *box)
{
    close(box->fd);
    free(box);
}

int mailbox_fd(const struct mailbox *box) { return box->fd; }

struct delivery *mailbox_take(struct mailbox *box)
{
    uint64_t n;
    ssize_t got = read(box->fd, &n, sizeof n); /* or nothing: another call was quicker */
    (void)got;
    pthread_mutex_lock(&lock);
    struct delivery *first = box->first;
    box->first = NULL;
    box->end = &box->first;
    box->n = 0;
    pthread_mutex_unlock(&lock);
    return first;
}

static int put(struct mailbox *box, struct delivery *d)
{
    uint64_t one = 1;
    if (box->n >= BOX_MAX)
        return -1;
    d->next = NULL;
    *box->end = d;
    box->end = &d->next;
    if (box->n++ == 0 && write(box->fd, &one, sizeof one) != (ssize_t)sizeof one)
        abort();
    return 0;
}

static int receives(const struct presence *p, const char *tenant_id, const char *system_id)
{
    return p->n_receivers && !strcmp(p->tenant_id, tenant_id) &&
           (!*system_id || !strcmp(p->system_id, system_id));
}

int mailbox_receives(const char *tenant_id, const char *system_id)
{
    pthread_mutex_lock(&lock);
    const struct presence *p = present;
    while (p && !receives(p, tenant_id, system_id))
        p = p->next;
    pthread_mutex_unlock(&lock);
    return p != NULL;
}

int mailbox_post(const char *tenant_id, const char *system_id, struct delivery *d)
{
    int done = -1;
    pthread_mutex_lock(&lock);
    for (struct presence *p = present; p && done != 0; p = p->next) {
        if (!receives(p, tenant_id, system_id))
            continue;
        struct place *place = &p->receivers[p->turn++ % p->n_receivers];
        d->bind = place->bind;
        done = put(place->box, d);
    }
    pthread_mutex_unlock(&lock);
    return done;
}
