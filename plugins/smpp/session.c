/* SPDX-License-Identifier: Apache-2.0
 * The states of a session, its timers, and what leaves it. What comes in is taken apart in
 * session_take.c. Thread: the owner's; nothing blocks.
 */
#include "session.h"
#include <stdlib.h>
#include <string.h>

static void put_sequence(uint8_t *pdu, uint32_t n)
{
    pdu[12] = (uint8_t)(n >> 24);
    pdu[13] = (uint8_t)(n >> 16);
    pdu[14] = (uint8_t)(n >> 8);
    pdu[15] = (uint8_t)n;
}

/* --- a life ----------------------------------------------------------------------------------- */

void session_init(struct session *s, const struct session_owner *calls, void *owner,
                  const struct session_settings *set, int64_t now_ms)
{
    memset(s, 0, sizeof *s);
    s->calls = calls;
    s->owner = owner;
    s->set = *set;
    s->state = SESSION_OPEN;
    s->since_ms = s->heard_ms = s->asked_ms = now_ms;
    window_init(&s->window, set->window);
    pace_init(&s->pace, now_ms);
}

void session_fini(struct session *s)
{
    window_fini(&s->window);
    free(s->part);
    s->part = NULL;
    s->part_size = s->part_len = 0;
}

void session_set_state(struct session *s, enum session_state to, int64_t now_ms)
{
    s->state = to;
    s->since_ms = now_ms;
}

/* All that was under way is lost; once. */
static void lose_all(struct session *s)
{
    struct window_slot slot;
    uint32_t at = 0;
    while (window_take_older(&s->window, INT64_MAX, &at, &slot))
        s->calls->lost(s->owner, &slot, SESSION_BROKEN);
}

void session_end(struct session *s, const char *why)
{
    if (s->state == SESSION_ENDED)
        return;
    s->state = SESSION_ENDED;
    s->part_len = 0;
    s->owed = 0;
    lose_all(s);
    s->calls->ended(s->owner, why);
}

/* --- binding ---------------------------------------------------------------------------------- */

void session_bind(struct session *s, uint8_t *pdu, size_t len, enum session_mode mode,
                  int64_t now_ms)
{
    s->mode = mode;
    s->bind_sequence = window_next(&s->window);
    put_sequence(pdu, s->bind_sequence);
    session_set_state(s, SESSION_BINDING, now_ms);
    s->calls->write(s->owner, pdu, len);
}

void session_accept(struct session *s, enum session_mode mode, const uint8_t *pdu, size_t len,
                    int64_t now_ms)
{
    s->mode = mode;
    s->owed--;
    session_set_state(s, SESSION_BOUND, now_ms);
    s->calls->write(s->owner, pdu, len);
}

void session_refuse(struct session *s, const struct session_pdu *bind, uint32_t status)
{
    session_answer_status(s, bind->command, bind->sequence, status);
    session_end(s, smpp_status_of(status)->text);
}

/* --- unbinding -------------------------------------------------------------------------------- */

/* When nothing is under way and nothing owed, our unbind leaves, or theirs is answered. */
void session_go_on_unbinding(struct session *s)
{
    uint8_t pdu[SMPP_HEADER_BYTES];
    if (s->state != SESSION_UNBINDING || s->window.used || s->owed || s->unbind_sequence)
        return;
    if (s->their_unbind) {
        smpp_header_write(pdu, SMPP_UNBIND | SMPP_RESP, SMPP_OK, s->their_unbind);
        s->calls->write(s->owner, pdu, sizeof pdu);
        session_end(s, s->ending);
        return;
    }
    s->unbind_sequence = window_next(&s->window);
    smpp_header_write(pdu, SMPP_UNBIND, 0, s->unbind_sequence);
    s->calls->write(s->owner, pdu, sizeof pdu);
}

void session_unbind(struct session *s, const char *why, int64_t now_ms)
{
    if (s->state == SESSION_ENDED || s->state == SESSION_UNBINDING)
        return;
    if (s->state != SESSION_BOUND) {
        session_end(s, why);
        return;
    }
    s->ending = why;
    session_set_state(s, SESSION_UNBINDING, now_ms);
    session_go_on_unbinding(s);
}

/* --- requests of ours ------------------------------------------------------------------------- */

uint32_t session_room(struct session *s, int64_t now_ms)
{
    return s->state == SESSION_BOUND ? pace_may(&s->pace, window_room(&s->window), now_ms) : 0;
}

int session_send(struct session *s, uint8_t *pdu, size_t len, uint64_t tag, int64_t now_ms)
{
    if (s->state != SESSION_BOUND)
        return -1;
    uint32_t sequence = window_add(&s->window, session_number_at(pdu + 4), tag, now_ms);
    if (!sequence)
        return -1;
    put_sequence(pdu, sequence);
    pace_sent(&s->pace, 1, now_ms);
    s->calls->write(s->owner, pdu, len);
    return 0;
}

/* --- answers to theirs ------------------------------------------------------------------------ */

static void paid(struct session *s)
{
    if (s->owed)
        s->owed--;
    session_go_on_unbinding(s);
}

void session_answer(struct session *s, uint8_t *pdu, size_t len, uint32_t sequence)
{
    if (s->state == SESSION_ENDED)
        return;
    put_sequence(pdu, sequence);
    s->calls->write(s->owner, pdu, len);
    paid(s);
}

/* Of these a message id belongs to a good answer, if only an empty one. */
static int has_id(uint32_t command)
{
    return command == SMPP_SUBMIT_SM || command == SMPP_DELIVER_SM || command == SMPP_DATA_SM ||
           command == SMPP_BIND_RECEIVER || command == SMPP_BIND_TRANSMITTER ||
           command == SMPP_BIND_TRANSCEIVER;
}

void session_answer_status(struct session *s, uint32_t command, uint32_t sequence, uint32_t status)
{
    uint8_t pdu[SMPP_HEADER_BYTES + 1];
    size_t len = SMPP_HEADER_BYTES;
    if (s->state == SESSION_ENDED)
        return;
    if (has_id(command) && (!status || command == SMPP_DELIVER_SM))
        len = smpp_reply_write(pdu, command | SMPP_RESP, status, sequence, "", 0);
    else
        smpp_header_write(pdu, command | SMPP_RESP, status, sequence);
    s->calls->write(s->owner, pdu, len);
    paid(s);
}

/* --- timers ----------------------------------------------------------------------------------- */

static void enquire(struct session *s, int64_t now_ms)
{
    uint8_t pdu[SMPP_HEADER_BYTES];
    s->enquiry = window_next(&s->window);
    s->enquired_ms = now_ms;
    smpp_header_write(pdu, SMPP_ENQUIRE_LINK, 0, s->enquiry);
    s->calls->write(s->owner, pdu, sizeof pdu);
}

static void tick_bound(struct session *s, int64_t now_ms)
{
    struct window_slot slot;
    uint32_t at = 0;
    while (s->state == SESSION_BOUND &&
           window_take_older(&s->window, now_ms - s->set.response_ms + 1, &at, &slot))
        s->calls->lost(s->owner, &slot, SESSION_TIMED_OUT);
    if (s->state != SESSION_BOUND)
        return;
    if (s->enquiry && now_ms - s->enquired_ms >= s->set.response_ms)
        session_end(s, "enquire_link was not answered");
    else if (s->set.inactivity_ms && now_ms - s->asked_ms >= s->set.inactivity_ms)
        session_unbind(s, "nothing came for too long", now_ms);
    else if (!s->enquiry && s->set.enquire_ms && now_ms - s->heard_ms >= s->set.enquire_ms)
        enquire(s, now_ms);
}

void session_tick(struct session *s, int64_t now_ms)
{
    int64_t passed = now_ms - s->since_ms;
    if (s->state == SESSION_BOUND)
        tick_bound(s, now_ms);
    else if (s->state == SESSION_UNBINDING && passed >= s->set.response_ms)
        session_end(s, s->ending);
    else if ((s->state == SESSION_OPEN || s->state == SESSION_BINDING) && passed >= s->set.bind_ms)
        session_end(s, s->state == SESSION_OPEN ? "no bind request came"
                                                : "the bind request was not answered");
}
