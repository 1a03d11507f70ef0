/* SPDX-License-Identifier: Apache-2.0
 * Messages of an outbox, used again and again, and the room for their PDUs. Thread: the worker's.
 * Nothing blocks.
 */
#include "outbox.h"

struct outbox *outbox_create(struct account *a)
{
    struct outbox *o = calloc(1, sizeof *o);
    if (!o)
        abort();
    o->account = a;
    if (a->set.distance_ms)
        o->recipients = recipients_create(a->set.distance_ms);
    return o;
}

void outbox_destroy(struct outbox *o)
{
    for (uint32_t i = 0; i < o->n_all; i++) {
        if (o->all[i]->bytes != o->all[i]->first)
            free(o->all[i]->bytes);
        free(o->all[i]->ids);
        free(o->all[i]);
    }
    recipients_destroy(o->recipients);
    free(o->all);
    free(o->heap);
    free(o);
}

static struct message *new_message(struct outbox *o)
{
    struct message *m = calloc(1, sizeof *m);
    if (o->n_all == o->size_all) {
        o->size_all = o->size_all ? o->size_all * 2 : 1024;
        o->all = realloc(o->all, o->size_all * sizeof(struct message *));
    }
    if (!m || !o->all)
        abort();
    m->index = o->n_all;
    m->bytes = m->first;
    m->size = sizeof m->first;
    o->all[o->n_all++] = m;
    return m;
}

struct message *outbox_message(struct outbox *o)
{
    if (o->n_live >= OUTBOX_MAX)
        return NULL;
    struct message *m = o->spare;
    if (m)
        o->spare = m->next;
    else
        m = new_message(o);
    o->n_live++;
    m->next = NULL;
    m->queued = NULL;
    m->number = ++o->numbers;
    m->not_before_ms = 0;
    m->resend = m->failed = m->unknown = 0;
    m->attempts = m->len = m->ids_len = m->status = 0;
    m->parts = m->under_way = m->accepted = 0;
    memset(m->to_do, 0, sizeof m->to_do);
    m->own_code = NULL;
    m->first_id[0] = 0;
    m->message_state = m->error_code = 0;
    m->final_date[0] = 0;
    m->begun_ms = wf_conn_now_ms();
    return m;
}

uint8_t *message_room(struct message *m, size_t len)
{
    if (m->len + len > m->size) {
        uint32_t size = (uint32_t)(m->len + len) * 2;
        uint8_t *larger = malloc(size);
        if (!larger)
            abort();
        memcpy(larger, m->bytes, m->len);
        if (m->bytes != m->first)
            free(m->bytes);
        m->bytes = larger;
        m->size = size;
    }
    return m->bytes + m->len;
}

void outbox_drop(struct outbox *o, struct message *m)
{
    if (m->bytes != m->first) { /* long ones are rare */
        free(m->bytes);
        m->bytes = m->first;
        m->size = sizeof m->first;
    }
    free(m->ids);
    m->ids = NULL;
    m->ids_size = 0;
    m->next = o->spare;
    o->spare = m;
    o->n_live--;
}
