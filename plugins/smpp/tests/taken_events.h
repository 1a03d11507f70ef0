/* SPDX-License-Identifier: Apache-2.0
 * Service trigger/1 for tests: keeps what is accepted, as much as the test has room for.
 */
#ifndef TAKEN_EVENTS_H
#define TAKEN_EVENTS_H
#include "fake_host.h"

enum { TAKEN_MAX = 2000 };
static struct taken {
    char *json;
    uint64_t tag;
} taken[TAKEN_MAX];
static size_t n_taken, taken_room = TAKEN_MAX;

static inline size_t taken_accept(wf_source *source, const wf_inbound *events, size_t n)
{
    size_t i = 0;
    (void)source;
    for (; i < n && taken_room && n_taken < TAKEN_MAX; i++, taken_room--)
        taken[n_taken++] =
            (struct taken){ strndup(events[i].json.ptr, events[i].json.len), events[i].tag };
    return i;
}
static const wf_triggers taken_table = { sizeof taken_table, taken_accept };

static inline void taken_clear(void)
{
    while (n_taken)
        free(taken[--n_taken].json);
    taken_room = TAKEN_MAX;
}

static inline const wf_trigger *trigger_of(const struct fake *f) { return f->node->trigger; }

static inline int trigger_begin(struct fake *f)
{
    wf_error why = { .size = sizeof why };
    return trigger_of(f)->start(&f->host, f->state, (wf_source *)f, &why);
}

static inline void trigger_stored_one(struct fake *f, size_t i, int ok)
{
    trigger_of(f)->stored(&f->host, f->state, &taken[i].tag, 1, ok);
}

#endif
