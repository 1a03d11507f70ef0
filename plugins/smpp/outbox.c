/* SPDX-License-Identifier: Apache-2.0
 * Messages on their way out: who waits where, what leaves, what comes back. Thread: the worker's.
 * Nothing blocks.
 */
#include "outbox.h"

enum { RETRY_MIN_MS = 1000, RETRY_MAX_MS = 60000, SCAN_MS = 500, ID_MAX = 65 };

/* --- queues ----------------------------------------------------------------------------------- */

static struct link *link_for(struct account *a, const struct message *m)
{
    uint32_t wanted = m->pair_hash % a->n_links;
    for (uint32_t i = 0; i < a->n_links; i++) {
        struct link *l = &a->links[(wanted + i) % a->n_links];
        if (link_is_up(l))
            return l;
    }
    return &a->links[wanted];
}

/* By number; mostly at the end, or near the head when it comes back. */
static void enqueue(struct outbox *o, struct message *m)
{
    struct link *l = link_for(o->account, m);
    struct message **at = &l->first;
    if (m->queued || m->heap_at)
        return;
    m->queued = l;
    if (l->last && l->last->number < m->number)
        at = &l->last->next;
    else
        while (*at && (*at)->number < m->number)
            at = &(*at)->next;
    m->next = *at;
    *at = m;
    if (!m->next)
        l->last = m;
    l->waiting++;
    o->n_queued++;
}

static void dequeue(struct outbox *o, struct message *m)
{
    struct link *l = m->queued;
    struct message *before = NULL, *at = l->first;
    while (at != m) {
        before = at;
        at = at->next;
    }
    if (before)
        before->next = m->next;
    else
        l->first = m->next;
    if (l->last == m)
        l->last = before;
    m->next = NULL;
    m->queued = NULL;
    l->waiting--;
    o->n_queued--;
}

/* Queues of binds that are down move to those that are up. */
static void redistribute(struct account *a)
{
    if (!a->n_up)
        return;
    for (uint32_t i = 0; i < a->n_links; i++) {
        struct link *l = &a->links[i];
        if (link_is_up(l))
            continue;
        while (l->first) {
            struct message *m = l->first;
            dequeue(a->outbox, m);
            enqueue(a->outbox, m);
            if (m->queued == l)
                return; /* nobody is up after all */
        }
    }
}

static void wait_until(struct outbox *o, struct message *m, int64_t at_ms, int64_t now_ms)
{
    if (m->queued || m->heap_at)
        return;
    m->not_before_ms = at_ms;
    heap_add(o, m);
    account_wake_in(o->account, at_ms - now_ms);
}

/* --- ends ------------------------------------------------------------------------------------- */

static int has_to_do(const struct message *m)
{
    return (m->to_do[0] | m->to_do[1] | m->to_do[2] | m->to_do[3]) != 0;
}

static void set_to_do(struct message *m, unsigned part)
{
    m->to_do[part / 64] |= 1ull << part % 64;
}

/* After a failure nothing more of it leaves. Ends it when nothing is under way either. */
static void settle(struct outbox *o, struct message *m)
{
    if (m->failed || m->unknown || m->given_up)
        memset(m->to_do, 0, sizeof m->to_do);
    if (has_to_do(m))
        return;
    if (m->queued)
        dequeue(o, m);
    if (m->heap_at)
        heap_remove(o, m);
    if (m->under_way)
        return;
    if (!m->given_up)
        send_finish(o->account, m, m->h->resume(m->h, m->ticket));
    outbox_drop(o, m);
}

static void give_up(struct outbox *o, struct message *m)
{
    m->given_up = 1;
    settle(o, m);
}

static void expire(struct outbox *o, struct message *m)
{
    m->failed = 1;
    m->own_code = "expired";
    settle(o, m);
}

/* --- sending ---------------------------------------------------------------------------------- */

static uint8_t *part_of(struct message *m, unsigned part, size_t *len)
{
    uint8_t *at = m->bytes;
    for (;; at += *len) {
        *len = (size_t)at[2] << 8 | at[3]; /* a PDU has less than 64 KiB */
        if (!part--)
            return at;
    }
}

/* Sends what is to do of one message. 1: all has left. */
static int send_parts(struct link *l, struct message *m, uint32_t *room, int64_t now_ms)
{
    for (unsigned part = 0; part < m->parts && *room; part++) {
        size_t len;
        if (!(m->to_do[part / 64] >> part % 64 & 1))
            continue;
        uint8_t *pdu = part_of(m, part, &len);
        if (session_send(&l->session, pdu, len, (uint64_t)m->index << 8 | part, now_ms) != 0)
            return 0;
        m->to_do[part / 64] &= ~(1ull << part % 64);
        m->under_way++;
        --*room;
    }
    return !has_to_do(m);
}

/* Until a message may leave by the bind, for the account's rate and its own pace. */
static int64_t wait_ms(const struct account *a, const struct link *l, int64_t now_ms)
{
    int64_t now_us = now_ms * 1000, pace_ms = pace_wait_ms(&l->session.pace, now_ms);
    int64_t rate_ms = (wf_bucket_slot(&a->bucket, a->set.rate, now_us) - now_us + 999) / 1000;
    return pace_ms > rate_ms ? pace_ms : rate_ms;
}

/* 1: something left. */
static int pump_link(struct outbox *o, struct link *l, int64_t now_ms)
{
    struct account *a = o->account;
    uint32_t room = wf_bucket_room(&a->bucket, a->set.rate, now_ms * 1000,
                                   session_room(&l->session, now_ms)),
             had = room;
    while (room && l->first) {
        struct message *m = l->first;
        if (now_ms >= m->deadline_ms) {
            expire(o, m);
        } else if (!wf_may_send(m->h, m->ticket)) {
            give_up(o, m);
        } else if (send_parts(l, m, &room, now_ms)) {
            dequeue(o, m);
        } else if (room) {
            break; /* the session takes nothing */
        }
    }
    if (had != room) {
        account_count(a, COUNT_SUBMITS, had - room);
        wf_bucket_took(&a->bucket, a->set.rate, now_ms * 1000, had - room);
    }
    if (l->first && window_room(&l->session.window))
        account_wake_in(a, wait_ms(a, l, now_ms));
    link_flush(l);
    return had != room;
}

static void take_due(struct outbox *o, int64_t now_ms)
{
    while (o->n_heap && o->heap[0]->not_before_ms <= now_ms) {
        struct message *m = o->heap[0];
        heap_remove(o, m);
        enqueue(o, m);
    }
    if (o->n_heap)
        account_wake_in(o->account, o->heap[0]->not_before_ms - now_ms);
}

/* Binds take turns, else the first one would have all that the account's rate leaves. */
void outbox_pump(struct outbox *o)
{
    struct account *a = o->account;
    int64_t now_ms = wf_conn_now_ms();
    take_due(o, now_ms);
    for (uint32_t i = 0, begin = a->turn; i < a->n_links; i++) {
        struct link *l = &a->links[(begin + i) % a->n_links];
        if (l->first && link_is_up(l) && pump_link(o, l, now_ms))
            a->turn = l->index + 1;
    }
}

void outbox_put(struct outbox *o, struct message *m)
{
    for (unsigned part = 0; part < m->parts; part++)
        set_to_do(m, part);
    if (o->recipients) {
        int64_t now_ms = wf_conn_now_ms();
        int64_t at_ms = recipients_next(o->recipients, m->recipient_hash, now_ms);
        if (at_ms > now_ms) {
            wait_until(o, m, at_ms, now_ms);
            return;
        }
    }
    enqueue(o, m);
}

/* --- time ------------------------------------------------------------------------------------- */

static void scan_deadlines(struct outbox *o, int64_t now_ms)
{
    for (uint32_t i = 0; i < o->account->n_links; i++)
        for (struct message *m = o->account->links[i].first, *next; m; m = next) {
            next = m->next;
            if (now_ms >= m->deadline_ms && !m->under_way)
                expire(o, m);
        }
    for (uint32_t i = o->n_heap; i-- > 0;)
        if (i < o->n_heap && now_ms >= o->heap[i]->deadline_ms && !o->heap[i]->under_way)
            expire(o, o->heap[i]);
}

void outbox_tick(struct outbox *o, int64_t now_ms)
{
    if (now_ms - o->scanned_ms >= SCAN_MS) {
        uint32_t used = 0;
        o->scanned_ms = now_ms;
        scan_deadlines(o, now_ms);
        for (uint32_t i = 0; i < o->account->n_links; i++) {
            struct link *l = &o->account->links[i];
            if (!l->has_session)
                continue;
            used += l->session.window.used;
            account_count(o->account, COUNT_LATE, (int64_t)l->session.late);
            l->session.late = 0;
        }
        account_count(o->account, COUNT_WINDOW, used);
        account_count(o->account, COUNT_QUEUED, o->n_queued + o->n_heap);
    }
    outbox_pump(o);
}

void outbox_on_up(struct link *l)
{
    redistribute(l->account);
    outbox_pump(l->account->outbox);
}

void outbox_on_down(struct link *l) { redistribute(l->account); }

/* --- responses -------------------------------------------------------------------------------- */

static void add_id(struct message *m, const char *id, size_t len)
{
    if (m->parts == 1) {
        memcpy(m->first_id, id, len);
        m->first_id[len] = 0;
        return;
    }
    if (m->ids_len + len + 2 > m->ids_size) {
        m->ids_size = (m->ids_size + ID_MAX) * 2;
        m->ids = realloc(m->ids, m->ids_size);
        if (!m->ids)
            abort();
    }
    if (m->ids_len)
        m->ids[m->ids_len++] = ' ';
    memcpy(m->ids + m->ids_len, id, len);
    m->ids_len += (uint32_t)len;
    m->ids[m->ids_len] = 0;
}

static void read_query(struct message *m, const struct session_pdu *pdu)
{
    struct smpp_pdu read;
    struct smpp_error error;
    if (smpp_pdu_read(&read, pdu->bytes, pdu->len, &error) != 0)
        return;
    m->message_state = read.reply.message_state;
    m->error_code = read.reply.error_code;
    size_t n = read.reply.final_date.len < sizeof m->final_date - 1 ? read.reply.final_date.len
                                                                    : sizeof m->final_date - 1;
    memcpy(m->final_date, read.reply.final_date.ptr, n);
    m->final_date[n] = 0;
}

static void take_yes(struct message *m, const struct session_pdu *pdu)
{
    const char *id = (const char *)pdu->bytes + SMPP_HEADER_BYTES;
    size_t room = pdu->len - SMPP_HEADER_BYTES;
    size_t len = strnlen(id, room < ID_MAX ? room : ID_MAX);
    m->accepted++;
    if (m->command == SMPP_QUERY_SM)
        read_query(m, pdu);
    else
        add_id(m, id, len);
}

static void try_later(struct outbox *o, struct message *m, unsigned part)
{
    int64_t now_ms = wf_conn_now_ms();
    int64_t wait_ms = (int64_t)RETRY_MIN_MS << (m->attempts < 6 ? m->attempts : 6);
    if (++m->attempts >= m->max_attempts) {
        m->failed = 1;
        return;
    }
    account_count(o->account, COUNT_RETRIED, 1);
    set_to_do(m, part);
    wait_until(o, m, now_ms + (wait_ms < RETRY_MAX_MS ? wait_ms : RETRY_MAX_MS), now_ms);
}

/* 1 when the bind is no good any more. */
static int take_no(struct link *l, struct message *m, unsigned part, uint32_t status)
{
    struct outbox *o = l->account->outbox;
    enum smpp_retry retry = smpp_status_of(status)->retry;
    m->status = status;
    if (smpp_status_is_throttle(status)) {
        account_count(l->account, COUNT_THROTTLED, 1);
        set_to_do(m, part);
        enqueue(o, m);
    } else if (retry == SMPP_RETRY_NEVER) {
        m->failed = 1;
    } else {
        try_later(o, m, part);
    }
    return retry == SMPP_RETRY_RECONNECT;
}

void outbox_on_response(struct link *l, const struct window_slot *slot,
                        const struct session_pdu *pdu)
{
    struct outbox *o = l->account->outbox;
    struct message *m = o->all[slot->tag >> 8];
    int is_wrong = 0;
    m->under_way--;
    account_count(l->account, COUNT_LATENCY, wf_conn_now_ms() - slot->sent_ms);
    if (pdu->status == SMPP_OK)
        take_yes(m, pdu);
    else
        is_wrong = take_no(l, m, slot->tag & 255, pdu->status);
    settle(o, m);
    if (is_wrong)
        session_end(&l->session, "the SMSC says that the bind is in a wrong state");
}

void outbox_on_lost(struct link *l, const struct window_slot *slot, enum session_loss loss)
{
    struct outbox *o = l->account->outbox;
    struct message *m = o->all[slot->tag >> 8];
    m->under_way--;
    if (m->resend && ++m->attempts < m->max_attempts) {
        account_count(l->account, COUNT_RETRIED, 1);
        set_to_do(m, slot->tag & 255);
        enqueue(o, m);
    } else {
        m->unknown = 1;
        m->own_code = loss == SESSION_TIMED_OUT ? "timeout" : "connection";
    }
    settle(o, m);
}
