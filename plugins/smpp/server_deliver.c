/* SPDX-License-Identifier: Apache-2.0
 * What tenants are sent: deliveries from the mailbox into the window of their bind, and results
 * back to the worker whose item waits for them. Thread: the worker's. Nothing blocks.
 */
#include "deliver.h"
#include "server.h"

static void finish(struct server *s, struct delivery *d, uint32_t status, int is_unknown,
                   int is_offline)
{
    struct delivery_result result = { .status = status,
                                      .is_unknown = (uint8_t)is_unknown,
                                      .is_offline = (uint8_t)is_offline,
                                      .until_ms = d->until_ms };
    s->h->wake(d->ticket, deliver_woken, (wf_str){ (const char *)&result, sizeof result });
    free(d);
}

static struct peer_link *bind_of(struct server *s, uint64_t number)
{
    for (struct peer_link *p = s->peers; p; p = p->next)
        if (p->is_open && p->life == number && session_is_bound(&p->session))
            return p;
    return NULL;
}

void deliver_mail(struct server *s)
{
    struct delivery *next;
    for (struct delivery *d = mailbox_take(s->box); d; d = next) {
        struct peer_link *p = bind_of(s, d->bind);
        next = d->next;
        if (!p || p->waiting >= SERVER_QUEUE_MAX) {
            finish(s, d, 0, 0, 1);
            continue;
        }
        d->next = NULL;
        d->left = d->n_pdus;
        *p->end = d;
        p->end = &d->next;
        p->waiting++;
        p->is_touched = 1;
    }
    for (struct peer_link *p = s->peers; p; p = p->next)
        if (p->is_open && p->is_touched) {
            p->is_touched = 0;
            deliver_pump(p);
            peer_flush(p);
        }
}

/* A message goes as a whole, so that its parts stand together. */
void deliver_pump(struct peer_link *p)
{
    int64_t now_ms = wf_conn_now_ms();
    while (p->first && session_room(&p->session, now_ms) >= p->first->n_pdus) {
        struct delivery *d = p->first;
        size_t at = 0;
        p->first = d->next;
        if (!p->first)
            p->end = &p->first;
        p->waiting--;
        for (uint32_t i = 0; i < d->n_pdus; i++) {
            size_t len = session_number_at(d->bytes + at);
            session_send(&p->session, d->bytes + at, len, (uint64_t)(uintptr_t)d, now_ms);
            at += len;
        }
        p->server->h->count(p->server->inst, COUNT_SUBMITS, d->n_pdus);
    }
}

static void settle(struct peer_link *p, struct delivery *d)
{
    if (--d->left)
        return;
    if (!d->worst && !d->is_lost && d->id[0] && p->tenant)
        known_set(p->server->known, p->tenant->tenant_id, d->id, (unsigned char)d->state);
    finish(p->server, d, d->worst, d->is_lost && !d->worst, 0);
}

void deliver_response(struct peer_link *p, const struct window_slot *slot, uint32_t status)
{
    struct delivery *d = (struct delivery *)(uintptr_t)slot->tag;
    if (status)
        d->worst = status;
    settle(p, d);
}

void deliver_lost(struct peer_link *p, const struct window_slot *slot)
{
    struct delivery *d = (struct delivery *)(uintptr_t)slot->tag;
    d->is_lost = 1;
    settle(p, d);
}

void deliver_drop(struct peer_link *p)
{
    while (p->first) {
        struct delivery *d = p->first;
        p->first = d->next;
        finish(p->server, d, 0, 0, 1);
    }
    p->end = &p->first;
    p->waiting = 0;
}
