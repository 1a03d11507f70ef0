/* SPDX-License-Identifier: Apache-2.0
 * sink_receipt.c - receipts, as a real SMSC sends them: over a bind of the same system_id that can
 * receive, again when they were refused or the connection broke, and never more than the window at
 * a time.
 *
 * Thread: the loop's; nothing blocks.
 */
#include "sink.h"
#include <inttypes.h>

enum { AGAIN_MS = 500, BUSY_MS = 10, TRIES = 100, RECEIPT_ROOM = 512, ESM_RECEIPT = 0x04 };

void sink_receipt_later(struct sink *s, uint32_t index, const struct sink_receipt *r,
                        int64_t delay_ms)
{
    struct later *later = later_add(&s->laters, s->now_ms + delay_ms);
    later->kind = LATER_RECEIPT;
    later->conn = index;
    later->receipt = *r;
}

/* The connection it came by, or another of the same account. */
static struct conn *way_of(struct sink *s, uint32_t index, uint16_t name)
{
    struct conn *own = &s->conns[index];
    if (own->fd >= 0 && own->can_receive && own->name == name)
        return own;
    for (uint32_t i = 0; i < s->conn_top; i++) {
        struct conn *c = &s->conns[i];
        if (c->fd >= 0 && c->can_receive && c->name == name)
            return c;
    }
    return NULL;
}

static void write_receipt(struct sink *s, struct conn *c, uint32_t sequence,
                          const struct sink_receipt *r)
{
    char id[24], text[RECEIPT_TEXT_BYTES];
    uint8_t room[96];
    struct smpp_out out = smpp_out_of(room, sizeof room);
    int is_hex = s->o.ids == 2 || s->o.ids == 4;
    int id_len = is_hex ? snprintf(id, sizeof id, "%" PRIx64, r->id)
                        : snprintf(id, sizeof id, "%" PRIu64, r->id);
    struct receipt receipt = { .id = { id, (uint32_t)id_len },
                               .state = r->state,
                               .sub = -1,
                               .dlvrd = -1,
                               .submit_us = r->submit_us,
                               .done_us = s->now_us };
    struct smpp_pdu pdu = { .command = SMPP_DELIVER_SM,
                            .sequence = sequence,
                            .sm = { .from = { r->to_ton, r->to_npi, { r->to, r->to_len } },
                                    .to = { r->from_ton, r->from_npi, { r->from, r->from_len } },
                                    .esm_class = ESM_RECEIPT } };
    if (s->o.form & 1)
        pdu.sm.text = (struct smpp_str){ text, (uint32_t)receipt_text_write(&receipt, 0, text) };
    if (s->o.form & 2)
        receipt_tlvs_write(&receipt, &out);
    pdu.tlvs = smpp_tlvs_of(&out);
    int n = smpp_pdu_write(&pdu, sink_conn_room(c, RECEIPT_ROOM), RECEIPT_ROOM, NULL);
    c->out_len += n > 0 ? (size_t)n : 0;
    s->n.receipts_sent++;
}

void sink_receipt_send(struct sink *s, uint32_t index, const struct sink_receipt *r)
{
    struct conn *c = way_of(s, index, r->name);
    if (!c || c->waiting > SINK_WINDOW / 2 || c->out_len - c->out_at > SINK_OUT_PAUSE) {
        sink_receipt_later(s, index, r, c ? BUSY_MS : AGAIN_MS);
        return;
    }
    uint32_t sequence = c->next_sequence;
    while (c->window[sequence & (SINK_WINDOW - 1)].sequence)
        sequence = sequence == INT32_MAX ? 1 : sequence + 1;
    c->next_sequence = sequence == INT32_MAX ? 1 : sequence + 1;
    c->window[sequence & (SINK_WINDOW - 1)].sequence = sequence;
    c->window[sequence & (SINK_WINDOW - 1)].receipt = *r;
    c->waiting++;
    write_receipt(s, c, sequence, r);
}

static void again(struct sink *s, struct conn *c, const struct sink_receipt *r)
{
    struct sink_receipt next = *r;
    if (++next.tries >= TRIES)
        return;
    s->n.receipts_again++;
    sink_receipt_later(s, c->index, &next, AGAIN_MS);
}

void sink_receipt_answered(struct sink *s, struct conn *c, uint32_t sequence, uint32_t status)
{
    uint32_t place = sequence & (SINK_WINDOW - 1);
    if (sequence == 0 || c->window[place].sequence != sequence)
        return;
    c->window[place].sequence = 0;
    c->waiting--;
    if (status == SMPP_OK) {
        s->n.receipts_taken++;
        return;
    }
    s->n.receipts_refused++;
    again(s, c, &c->window[place].receipt);
}

void sink_receipts_return(struct sink *s, struct conn *c)
{
    for (uint32_t i = 0; i < SINK_WINDOW && c->waiting; i++) {
        if (!c->window[i].sequence)
            continue;
        c->window[i].sequence = 0;
        c->waiting--;
        again(s, c, &c->window[i].receipt);
    }
}
