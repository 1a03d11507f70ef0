/* SPDX-License-Identifier: Apache-2.0
 * The list of shelves of the process. It is locked when nodes open and close; a shelf's own lock is
 * taken for a part of a long message, never for a message that has no parts. Thread: any.
 */
#include "shelf.h"
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

struct shelf {
    struct shelf *next;
    char *name;
    unsigned users;
    pthread_mutex_t lock;
    struct segment_shelf *parts;
};

static pthread_mutex_t shelves_lock = PTHREAD_MUTEX_INITIALIZER;
static struct shelf *shelves;

static struct shelf *make(const char *name, int64_t timeout_ms)
{
    struct shelf *s = calloc(1, sizeof *s);
    if (!s)
        abort();
    s->name = strdup(name);
    s->parts = segment_shelf_create(&(struct segment_limits){ .timeout_ms = (uint32_t)timeout_ms });
    if (!s->name || !s->parts)
        abort();
    pthread_mutex_init(&s->lock, NULL);
    s->next = shelves;
    shelves = s;
    return s;
}

struct shelf *shelf_open(const char *name, int64_t timeout_ms)
{
    pthread_mutex_lock(&shelves_lock);
    struct shelf *s = shelves;
    while (s && strcmp(s->name, name) != 0)
        s = s->next;
    if (!s)
        s = make(name, timeout_ms);
    s->users++;
    pthread_mutex_unlock(&shelves_lock);
    return s;
}

void shelf_close(struct shelf *s)
{
    pthread_mutex_lock(&shelves_lock);
    if (--s->users == 0) {
        struct shelf **at = &shelves;
        while (*at != s)
            at = &(*at)->next;
        *at = s->next;
        segment_shelf_destroy(s->parts);
        pthread_mutex_destroy(&s->lock);
        free(s->name);
        free(s);
    }
    pthread_mutex_unlock(&shelves_lock);
}

void shelf_lock(struct shelf *s) { pthread_mutex_lock(&s->lock); }

void shelf_unlock(struct shelf *s) { pthread_mutex_unlock(&s->lock); }

struct segment_shelf *shelf_parts(struct shelf *s) { return s->parts; }
