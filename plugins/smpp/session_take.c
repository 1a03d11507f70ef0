/* SPDX-License-Identifier: Apache-2.0
 * What comes in: bytes to PDUs, PDUs to the session, the owner or an answer that says no. Thread:
 * the owner's; nothing blocks. Allocates for a PDU that comes in pieces, once per session.
 */
#include "session.h"
#include <stdlib.h>
#include <string.h>

static void nack(struct session *s, uint32_t sequence, uint32_t status)
{
    uint8_t pdu[SMPP_HEADER_BYTES];
    smpp_header_write(pdu, (uint32_t)SMPP_GENERIC_NACK, status, sequence);
    s->calls->write(s->owner, pdu, sizeof pdu);
}

static void answer_head(struct session *s, const struct session_pdu *pdu, uint32_t status)
{
    s->owed++; /* session_answer_status() pays */
    session_answer_status(s, pdu->command, pdu->sequence, status);
}

/* --- responses -------------------------------------------------------------------------------- */

static void take_bind_response(struct session *s, const struct session_pdu *pdu, int64_t now_ms)
{
    s->bind_sequence = 0;
    if (pdu->status == SMPP_OK)
        session_set_state(s, SESSION_BOUND, now_ms);
    s->calls->bound(s->owner, pdu->status);
    if (pdu->status != SMPP_OK)
        session_end(s, smpp_status_of(pdu->status)->text);
}

/* congestion_state of 5.0 follows the message id; most responses have nothing there. */
static void take_congestion(struct session *s, const struct session_pdu *pdu, int64_t now_ms)
{
    struct smpp_pdu read;
    struct smpp_error error;
    uint32_t percent;
    const uint8_t *body = pdu->bytes + SMPP_HEADER_BYTES;
    size_t len = pdu->len - SMPP_HEADER_BYTES;
    const uint8_t *id_end = len ? memchr(body, 0, len) : NULL;
    if (!id_end || (size_t)(id_end + 1 - body) == len)
        return;
    if (smpp_pdu_read(&read, pdu->bytes, pdu->len, &error) == 0 &&
        smpp_tlv_number(&read.tlvs, SMPP_TAG_CONGESTION_STATE, &percent))
        pace_congestion(&s->pace, percent, now_ms);
}

static void take_response(struct session *s, const struct session_pdu *pdu, int64_t now_ms)
{
    struct window_slot slot;
    int is_nack = pdu->command == (uint32_t)SMPP_GENERIC_NACK;
    if (s->bind_sequence && pdu->sequence == s->bind_sequence) {
        take_bind_response(s, pdu, now_ms);
    } else if (s->enquiry && pdu->sequence == s->enquiry) {
        s->enquiry = 0; /* a nack is a sign of life, too */
        if (s->mode & SESSION_RECEIVER)
            s->asked_ms = now_ms; /* it has nothing to ask, and is there all the same */
    } else if (s->unbind_sequence && pdu->sequence == s->unbind_sequence) {
        session_end(s, s->ending);
    } else if (window_take(&s->window, pdu->sequence, &slot) == 0) {
        s->asked_ms = now_ms;
        if (!is_nack && (slot.command | SMPP_RESP) != pdu->command) {
            s->calls->lost(s->owner, &slot, SESSION_BROKEN); /* nobody knows what was done */
            session_end(s, "a response does not belong to its request");
            return;
        }
        if (smpp_status_is_throttle(pdu->status))
            pace_throttled(&s->pace, now_ms);
        else if (pdu->status == SMPP_OK)
            pace_accepted(&s->pace, now_ms);
        take_congestion(s, pdu, now_ms);
        s->calls->response(s->owner, &slot, pdu);
        session_go_on_unbinding(s);
    } else {
        s->late++;
    }
}

/* --- requests --------------------------------------------------------------------------------- */

static int is_bind(uint32_t command)
{
    return command == SMPP_BIND_RECEIVER || command == SMPP_BIND_TRANSMITTER ||
           command == SMPP_BIND_TRANSCEIVER;
}

/* What a bound peer may ask of us: an ESME's session is sent messages, an SMSC's is submitted to.
 */
static int may_ask(const struct session *s, uint32_t command)
{
    if (s->state != SESSION_BOUND && (s->state != SESSION_UNBINDING || s->their_unbind))
        return 0;
    switch (command) {
    case SMPP_DELIVER_SM:
        return s->set.role == SESSION_ESME && s->mode & SESSION_RECEIVER;
    case SMPP_DATA_SM:
        return (s->mode & (s->set.role == SESSION_ESME ? SESSION_RECEIVER : SESSION_TRANSMITTER)) !=
               0;
    case SMPP_SUBMIT_SM:
    case SMPP_SUBMIT_MULTI:
    case SMPP_QUERY_SM:
    case SMPP_CANCEL_SM:
    case SMPP_REPLACE_SM:
        return s->set.role == SESSION_SMSC && s->mode & SESSION_TRANSMITTER;
    default:
        return 0;
    }
}

static void take_unbind(struct session *s, const struct session_pdu *pdu, int64_t now_ms)
{
    s->their_unbind = pdu->sequence;
    if (s->unbind_sequence) { /* both at once */
        uint8_t answer[SMPP_HEADER_BYTES];
        smpp_header_write(answer, SMPP_UNBIND | SMPP_RESP, SMPP_OK, pdu->sequence);
        s->calls->write(s->owner, answer, sizeof answer);
        session_end(s, s->ending);
        return;
    }
    if (s->state != SESSION_UNBINDING)
        session_set_state(s, SESSION_UNBINDING, now_ms);
    s->ending = "the other side unbound";
    session_go_on_unbinding(s);
}

static void take_request(struct session *s, const struct session_pdu *pdu, int64_t now_ms)
{
    uint32_t command = pdu->command;
    if (command == SMPP_ENQUIRE_LINK) {
        s->asked_ms = now_ms;
        answer_head(s, pdu, SMPP_OK);
    } else if (command == SMPP_UNBIND) {
        take_unbind(s, pdu, now_ms);
    } else if (command == SMPP_OUTBIND || command == SMPP_ALERT_NOTIFICATION) {
        if (s->calls->notice)
            s->calls->notice(s->owner, pdu);
    } else if (is_bind(command) && s->set.role == SESSION_SMSC) {
        if (s->state != SESSION_OPEN) {
            answer_head(s, pdu, SMPP_RALYBND);
            return;
        }
        s->owed++;
        session_set_state(s, SESSION_BINDING, now_ms);
        s->calls->request(s->owner, pdu);
    } else if (!smpp_command_known(command)) {
        nack(s, pdu->sequence, SMPP_RINVCMDID);
    } else if (!may_ask(s, command)) {
        answer_head(s, pdu, SMPP_RINVBNDSTS);
    } else if (s->state == SESSION_UNBINDING) { /* it did not know yet: a no that is not for ever */
        answer_head(s, pdu,
                    s->set.role == SESSION_SMSC ? SMPP_RTHROTTLED : (uint32_t)SMPP_RX_T_APPN);
    } else if (s->owed >= s->set.owed) {
        answer_head(s, pdu,
                    s->set.role == SESSION_SMSC ? SMPP_RTHROTTLED : (uint32_t)SMPP_RMSGQFUL);
    } else {
        s->asked_ms = now_ms;
        s->owed++;
        s->calls->request(s->owner, pdu);
    }
}

void session_take(struct session *s, const struct session_pdu *pdu, int64_t now_ms)
{
    s->heard_ms = now_ms;
    if (pdu->command & SMPP_RESP)
        take_response(s, pdu, now_ms);
    else
        take_request(s, pdu, now_ms);
}

/* --- bytes ------------------------------------------------------------------------------------ */

/* Takes whole PDUs off; returns how many bytes that were, or -1 when the stream is lost. */
static ssize_t take_whole(struct session *s, const uint8_t *bytes, size_t len, int64_t now_ms)
{
    size_t at = 0;
    while (s->state != SESSION_ENDED) {
        struct smpp_error error;
        int n = smpp_frame(bytes + at, len - at, &error);
        if (n == 0)
            break;
        if (n < 0) {
            nack(s, len - at >= SMPP_HEADER_BYTES ? session_number_at(bytes + at + 12) : 0,
                 SMPP_RINVCMDLEN);
            session_end(s, "the length of a PDU is impossible");
            return -1;
        }
        session_take(s,
                     &(struct session_pdu){ .command = session_number_at(bytes + at + 4),
                                            .status = session_number_at(bytes + at + 8),
                                            .sequence = session_number_at(bytes + at + 12),
                                            .bytes = bytes + at,
                                            .len = (size_t)n },
                     now_ms);
        at += (size_t)n;
    }
    return s->state == SESSION_ENDED ? -1 : (ssize_t)at;
}

/* Room for a whole PDU and what a read brings behind it. */
static void keep_part(struct session *s, const uint8_t *bytes, size_t len)
{
    if (s->part_len + len > s->part_size) {
        s->part_size = (s->part_len + len) * 2 < 4096 ? 4096 : (s->part_len + len) * 2;
        s->part = realloc(s->part, s->part_size);
        if (!s->part)
            abort();
    }
    memcpy(s->part + s->part_len, bytes, len);
    s->part_len += len;
}

/* Completes the PDU of which a part is here with as few of the bytes as it takes, so that all
 * others are read where they lie. Returns how many it took, or -1. */
static ssize_t complete(struct session *s, const uint8_t *bytes, size_t len, int64_t now_ms)
{
    size_t used = 0;
    while (s->part_len && used < len) {
        size_t want = s->part_len < 4 ? 4 : session_number_at(s->part); /* the length first */
        size_t n = want > s->part_len ? want - s->part_len : 0;
        n = n < len - used ? n : len - used;
        if (want > SMPP_PDU_MAX)
            n = 0; /* take_whole() ends it */
        keep_part(s, bytes + used, n);
        used += n;
        ssize_t took = take_whole(s, s->part, s->part_len, now_ms);
        if (took < 0)
            return -1;
        if (took)
            s->part_len = 0;
        else if (n == 0)
            break;
    }
    return (ssize_t)used;
}

int session_feed(struct session *s, const void *bytes, size_t len, int64_t now_ms)
{
    const uint8_t *p = bytes;
    if (s->state == SESSION_ENDED)
        return -1;
    ssize_t used = complete(s, p, len, now_ms);
    if (used < 0)
        return -1;
    ssize_t took = take_whole(s, p + used, len - (size_t)used, now_ms);
    if (took < 0)
        return -1;
    if ((size_t)(used + took) < len)
        keep_part(s, p + used + took, len - (size_t)(used + took));
    return 0;
}
