/* SPDX-License-Identifier: Apache-2.0
 * sink_answer.c - what a PDU is answered with.
 *
 * A message's fate hangs on its destination: the first --on whose suffix it has, else the last two
 * digits against --failed, --expired and --rejected, else it is delivered. So a test knows what
 * must become of each number, in every run.
 *
 * Thread: the loop's; nothing blocks.
 */
#include "sink.h"
#include <inttypes.h>
#include <string.h>

enum { RESPONSE_ROOM = 128 };

/* --- binds ------------------------------------------------------------------------------------ */

static int is(const struct smpp_str *text, const char *other)
{
    return text->len == strlen(other) && !memcmp(text->ptr, other, text->len);
}

static uint32_t bind_status(const struct sink *s, const struct conn *c,
                            const struct smpp_bind *bind)
{
    uint32_t status = s->o.account_count ? SMPP_RINVSYSID : SMPP_OK;
    if (c->can_send || c->can_receive)
        return SMPP_RALYBND;
    for (uint32_t i = 0; i < s->o.account_count; i++)
        if (is(&bind->system_id, s->o.accounts[i].system_id))
            status = is(&bind->password, s->o.accounts[i].password) ? SMPP_OK : SMPP_RINVPASWD;
    return status;
}

/* From 1; the same for each bind of a system_id. 0: there are too many. */
static uint16_t name_of(struct sink *s, const struct smpp_str *system_id)
{
    for (uint16_t i = 1; i <= s->name_count; i++)
        if (is(system_id, s->names[i]))
            return i;
    if (s->name_count + 1 == SINK_NAMES)
        return 0;
    memcpy(s->names[++s->name_count], system_id->ptr, system_id->len);
    return s->name_count;
}

static void answer_bind(struct sink *s, struct conn *c, const struct smpp_pdu *pdu)
{
    static const uint8_t version[] = { 0x02, 0x10, 0, 1, SMPP_VERSION_34 };
    uint32_t status = bind_status(s, c, &pdu->bind);
    if (status == SMPP_OK && !(c->name = name_of(s, &pdu->bind.system_id)))
        status = SMPP_RBINDFAIL;
    struct smpp_pdu resp = { .command = pdu->command | SMPP_RESP,
                             .status = status,
                             .sequence = pdu->sequence,
                             .reply = { .id = { "sink", 4 } } };
    if (status == SMPP_OK) {
        resp.tlvs = (struct smpp_tlvs){ .ptr = version, .bytes = sizeof version };
        c->can_send = pdu->command != SMPP_BIND_RECEIVER;
        c->can_receive = pdu->command != SMPP_BIND_TRANSMITTER;
        s->n.binds++;
    } else {
        s->n.binds_refused++;
        c->closing = status != SMPP_RALYBND;
    }
    int n = smpp_pdu_write(&resp, sink_conn_room(c, RESPONSE_ROOM), RESPONSE_ROOM, NULL);
    c->out_len += n > 0 ? (size_t)n : 0;
}

/* --- responses -------------------------------------------------------------------------------- */

static size_t id_write(const struct sink *s, uint64_t id, char to[24])
{
    int is_hex = s->o.ids == 2 || s->o.ids == 3;
    int n = is_hex ? snprintf(to, 24, "%" PRIx64, id) : snprintf(to, 24, "%" PRIu64, id);
    return (size_t)n;
}

static void header(struct conn *c, uint32_t command, uint32_t status, uint32_t sequence)
{
    smpp_header_write(sink_conn_room(c, SMPP_HEADER_BYTES), command, status, sequence);
    c->out_len += SMPP_HEADER_BYTES;
}

void sink_respond(struct sink *s, struct conn *c, uint32_t command, uint32_t status,
                  uint32_t sequence, uint64_t id)
{
    char text[24];
    if (status != SMPP_OK) {
        header(c, command, status, sequence);
        return;
    }
    size_t len = id_write(s, id, text);
    uint8_t *to = sink_conn_room(c, RESPONSE_ROOM);
    size_t n = smpp_reply_write(to, command, status, sequence, text, len);
    if (command == (SMPP_SUBMIT_MULTI | SMPP_RESP))
        to[n++] = 0; /* nobody was refused */
    if (s->o.congestion) {
        struct smpp_out out = smpp_out_of(to + n, RESPONSE_ROOM - n);
        smpp_tlv_put_number(&out, SMPP_TAG_CONGESTION_STATE, s->o.congestion, 1);
        n += out.used;
    }
    to[2] = (uint8_t)(n >> 8);
    to[3] = (uint8_t)n;
    c->out_len += n;
}

/* Now, or when its delay has passed. */
static void respond(struct sink *s, struct conn *c, const struct smpp_pdu *pdu, uint32_t status,
                    uint64_t id)
{
    int64_t delay_ms = s->o.delay_ms + (s->o.jitter_ms ? sink_random(s, s->o.jitter_ms) : 0);
    if (delay_ms == 0) {
        sink_respond(s, c, pdu->command | SMPP_RESP, status, pdu->sequence, id);
        return;
    }
    struct later *later = later_add(&s->laters, s->now_ms + delay_ms);
    later->kind = LATER_RESPONSE;
    later->conn = c->index;
    later->generation = c->generation;
    later->command = pdu->command | SMPP_RESP;
    later->status = status;
    later->sequence = pdu->sequence;
    later->receipt.id = id;
}

/* --- messages --------------------------------------------------------------------------------- */

static int has_suffix(const struct smpp_str *to, const char *suffix)
{
    size_t len = strlen(suffix);
    return len <= to->len && !memcmp(to->ptr + to->len - len, suffix, len);
}

static enum sink_action fate_of(const struct sink *s, const struct smpp_str *to, uint32_t *status)
{
    const struct sink_options *o = &s->o;
    for (uint32_t i = 0; i < o->rule_count; i++) {
        if (has_suffix(to, o->rules[i].suffix)) {
            *status = o->rules[i].status;
            return (enum sink_action)o->rules[i].action;
        }
    }
    uint32_t last = 99;
    if (to->len >= 2)
        last = (uint32_t)(to->ptr[to->len - 2] - '0') % 10 * 10 +
               (uint32_t)(to->ptr[to->len - 1] - '0') % 10;
    if (last < o->failed)
        return ACTION_FAILED;
    if (last < o->failed + o->expired)
        return ACTION_EXPIRED;
    return last < o->failed + o->expired + o->rejected ? ACTION_REJECTED : ACTION_DELIVERED;
}

/* 1 when the second has no room for one more; a tenth of it may come at once. */
static int is_throttled(struct sink *s)
{
    if (!s->o.rate)
        return 0;
    double most = s->o.rate / 10.0 + 1;
    s->tokens += (double)(s->now_ms - s->tokens_ms) * s->o.rate / 1000;
    s->tokens_ms = s->now_ms;
    if (s->tokens > most)
        s->tokens = most;
    if (s->tokens < 1)
        return 1;
    s->tokens -= 1;
    return 0;
}

static uint8_t copy_address(const struct smpp_str *from, char to[20])
{
    uint8_t len = from->len < 20 ? (uint8_t)from->len : 20;
    if (len)
        memcpy(to, from->ptr, len);
    return len;
}

static void plan_receipt(struct sink *s, struct conn *c, const struct smpp_pdu *pdu,
                         const struct smpp_address *to, enum sink_action action, uint64_t id)
{
    static const uint8_t states[] = {
        [ACTION_DELIVERED] = SMPP_STATE_DELIVERED, [ACTION_FAILED] = SMPP_STATE_UNDELIVERABLE,
        [ACTION_EXPIRED] = SMPP_STATE_EXPIRED,     [ACTION_REJECTED] = SMPP_STATE_REJECTED,
        [ACTION_UNKNOWN] = SMPP_STATE_UNKNOWN,     [ACTION_SILENT] = 0,
        [ACTION_LOSE] = SMPP_STATE_DELIVERED
    };
    const struct smpp_sm *sm = &pdu->sm;
    uint8_t wanted = sm->registered & 3, state = states[action];
    int is_success = state == SMPP_STATE_DELIVERED;
    if (s->o.no_receipts || action == ACTION_SILENT || wanted == 0 || (wanted == 2 && is_success) ||
        (wanted == 3 && !is_success))
        return;
    struct sink_receipt r = { .id = id,
                              .name = c->name,
                              .submit_us = s->now_us,
                              .state = state,
                              .from_ton = sm->from.ton,
                              .from_npi = sm->from.npi,
                              .to_ton = to->ton,
                              .to_npi = to->npi };
    r.from_len = copy_address(&sm->from.addr, r.from);
    r.to_len = copy_address(&to->addr, r.to);
    s->n.receipts_due++;
    if (s->o.early)
        sink_receipt_send(s, c->index, &r);
    else
        sink_receipt_later(
            s, c->index, &r,
            s->o.receipt_delay_ms + s->o.delay_ms + s->o.jitter_ms +
                (s->o.receipt_jitter_ms ? sink_random(s, s->o.receipt_jitter_ms) : 0));
}

/* One destination: its fate, its line in the log, its receipt. */
static enum sink_action take_message(struct sink *s, struct conn *c, const struct smpp_pdu *pdu,
                                     const struct smpp_address *to, uint64_t id, uint32_t *status)
{
    enum sink_action action = fate_of(s, &to->addr, status);
    s->n.destinations++;
    if (action == ACTION_REFUSE || action == ACTION_DROP)
        return action;
    if (s->log)
        fprintf(s->log, "%" PRId64 " %" PRIu64 " %.*s %.*s %u\n", s->now_us / 1000, id,
                (int)pdu->sm.from.addr.len, pdu->sm.from.addr.ptr, (int)to->addr.len, to->addr.ptr,
                pdu->sm.text.len);
    plan_receipt(s, c, pdu, to, action, id);
    return action;
}

/* All destinations; the last one's fate is that of the PDU. */
static enum sink_action take_all(struct sink *s, struct conn *c, const struct smpp_pdu *pdu,
                                 uint64_t id, uint32_t *status)
{
    struct smpp_dest dest;
    enum sink_action action = ACTION_DELIVERED;
    if (s->o.drop_after && c->submits >= s->o.drop_after)
        return ACTION_DROP;
    if (pdu->command != SMPP_SUBMIT_MULTI)
        return take_message(s, c, pdu, &pdu->sm.to, id, status);
    for (uint32_t at = 0; action != ACTION_DROP && smpp_dest_next(&pdu->sm.dests, &at, &dest);)
        action = take_message(s, c, pdu, &dest.address, id, status);
    return action;
}

static void answer_message(struct sink *s, struct conn *c, const struct smpp_pdu *pdu)
{
    uint32_t status = SMPP_OK;
    s->n.submits++;
    c->submits++;
    if (!c->can_send || is_throttled(s)) {
        *(c->can_send ? &s->n.throttled : &s->n.refused) += 1;
        respond(s, c, pdu, c->can_send ? SMPP_RTHROTTLED : SMPP_RINVBNDSTS, 0);
        return;
    }
    uint64_t id = s->next_id++;
    enum sink_action action = take_all(s, c, pdu, id, &status);
    if (action == ACTION_DROP) {
        s->n.dropped++;
        c->broken = 1;
    } else if (action == ACTION_REFUSE) {
        s->n.refused++;
        respond(s, c, pdu, status, 0);
    } else if (action == ACTION_LOSE || (s->o.lose && sink_random(s, 1000) < s->o.lose)) {
        s->n.lost++;
    } else {
        s->n.accepted++;
        respond(s, c, pdu, SMPP_OK, id);
    }
}

/* --- all -------------------------------------------------------------------------------------- */

static void answer_broken(struct sink *s, struct conn *c, const struct smpp_pdu *pdu,
                          const struct smpp_error *err)
{
    s->n.malformed++;
    if (pdu->command & SMPP_RESP)
        return;
    uint32_t command =
        err->status == SMPP_RINVCMDID ? (uint32_t)SMPP_GENERIC_NACK : pdu->command | SMPP_RESP;
    header(c, command, err->status, pdu->sequence);
}

void sink_answer(struct sink *s, struct conn *c, const uint8_t *bytes, size_t len)
{
    struct smpp_pdu pdu;
    struct smpp_error err = { 0 };
    if (smpp_pdu_read(&pdu, bytes, len, &err) != 0) {
        answer_broken(s, c, &pdu, &err);
        return;
    }
    switch (pdu.command) {
    case SMPP_SUBMIT_SM:
    case SMPP_SUBMIT_MULTI:
    case SMPP_DATA_SM:
        answer_message(s, c, &pdu);
        break;
    case SMPP_DELIVER_SM | SMPP_RESP:
    case SMPP_DATA_SM | SMPP_RESP:
        sink_receipt_answered(s, c, pdu.sequence, pdu.status);
        break;
    case SMPP_BIND_RECEIVER:
    case SMPP_BIND_TRANSMITTER:
    case SMPP_BIND_TRANSCEIVER:
        answer_bind(s, c, &pdu);
        break;
    case SMPP_ENQUIRE_LINK:
        s->n.enquiries++;
        header(c, SMPP_ENQUIRE_LINK | SMPP_RESP, SMPP_OK, pdu.sequence);
        break;
    case SMPP_UNBIND:
        s->n.unbinds++;
        header(c, SMPP_UNBIND | SMPP_RESP, SMPP_OK, pdu.sequence);
        c->can_send = c->can_receive = 0;
        c->closing = 1;
        break;
    default: /* query, cancel, replace: a sink keeps nothing */
        if (!(pdu.command & SMPP_RESP))
            header(c, pdu.command | SMPP_RESP, SMPP_RSYSERR, pdu.sequence);
    }
}
