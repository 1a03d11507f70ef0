/* SPDX-License-Identifier: Apache-2.0
 * From an item to what a tenant is sent: a receipt of its message, or a message of a phone. Thread:
 * the worker's. Allocates the delivery, which travels to the worker that has the tenant's bind.
 */
#include "deliver.h"
#include "address.h"
#include "json_out.h"
#include <stdlib.h>
#include <string.h>

enum { PDU_ROOM = 700, TEXT_MAX = 40000 };

struct draft {
    const wf_host *h;
    wf_item *it;
    const struct deliver_config *c;
    const wf_value *json;
    const char **code, **why;
    char from_room[ADDRESS_MAX], to_room[ADDRESS_MAX];
    char text[RECEIPT_TEXT_BYTES];
    uint8_t tlv_bytes[160];
    struct smpp_pdu pdu;
};

static void *refuse(struct draft *d, const char *code, const char *why)
{
    *d->code = code;
    *d->why = why;
    return NULL;
}

/* The first of two places. */
static wf_str text_at(const struct draft *d, const char *path, const char *otherwise)
{
    const wf_value *v = d->h->v->path(d->json, path);
    if (!v && otherwise)
        v = d->h->v->path(d->json, otherwise);
    return d->h->v->text(d->it, v);
}

static int64_t number_at(const struct draft *d, const char *path, const char *otherwise,
                         int64_t none)
{
    int64_t n;
    if (d->h->v->int64(d->h->v->path(d->json, path), &n) == 0 ||
        (otherwise && d->h->v->int64(d->h->v->path(d->json, otherwise), &n) == 0))
        return n;
    return none;
}

static int set_address(wf_str text, char room[ADDRESS_MAX], struct smpp_address *to,
                       const char **why)
{
    static const struct address_rules plain;
    return text.len ? smpp_address_of(text.ptr, text.len, &plain, room, to, why) : 0;
}

static struct delivery *new_delivery(size_t bytes)
{
    struct delivery *d = malloc(sizeof *d + bytes);
    if (!d)
        abort();
    memset(d, 0, sizeof *d);
    return d;
}

/* --- receipts --------------------------------------------------------------------------------- */

static enum wf_state state_of(const struct draft *d)
{
    wf_str word = d->c->state;
    if (!word.len)
        word = text_at(d, "status.state", "state");
    if (!word.len) { /* a message that was never sent */
        wf_str outcome = text_at(d, "send.outcome", NULL);
        return outcome.len == 8 && !memcmp(outcome.ptr, "rejected", 8) ? WF_STATE_REJECTED
                                                                       : (enum wf_state)0;
    }
    return wf_state_of(word.ptr, word.len);
}

static struct delivery *compose_receipt(struct draft *d)
{
    struct smpp_error error;
    enum wf_state state = state_of(d);
    wf_str id = d->c->message_id.len ? d->c->message_id : text_at(d, "message.id", "id");
    wf_str code = text_at(d, "code", NULL);
    if (!id.len || id.len > 65)
        return refuse(d, "id", "the item has no id of the message");
    if (!state)
        return refuse(d, "state", "the item has no state that is known");
    int64_t now_us = d->h->now_ms(d->it) * 1000;
    struct receipt receipt = {
        .kind = RECEIPT_MC,
        .id = { id.ptr, (uint32_t)id.len },
        .state = (uint8_t)receipt_state_from(state),
        .has_state = 1,
        .sub = 1,
        .dlvrd = (int16_t)(state == WF_STATE_DELIVERED || state == WF_STATE_READ),
        .submit_us = number_at(d, "message.ts_us", "ts_us", now_us),
        .done_us = number_at(d, "ts_provider_us", NULL, now_us),
        .error = { code.len && code.len <= 3 ? code.ptr : "000",
                   code.len && code.len <= 3 ? (uint32_t)code.len : 3 },
    };
    size_t len = receipt_text_write(&receipt, 0, d->text);
    struct smpp_out tlvs = smpp_out_of(d->tlv_bytes, sizeof d->tlv_bytes);
    receipt_tlvs_write(&receipt, &tlvs);
    d->pdu.sm.esm_class = 0x04;
    d->pdu.sm.text = (struct smpp_str){ d->text, (uint32_t)len };
    d->pdu.tlvs = smpp_tlvs_of(&tlvs);
    struct delivery *out = new_delivery(PDU_ROOM);
    int n = smpp_pdu_write(&d->pdu, out->bytes, PDU_ROOM, &error);
    if (n < 0) {
        free(out);
        return refuse(d, "request", d->h->fmt(d->it, "%s: %s", error.field, error.why).ptr);
    }
    out->n_pdus = 1;
    out->len = (uint32_t)n;
    memcpy(out->id, id.ptr, id.len);
    out->id[id.len] = 0;
    out->state = (char)receipt.state;
    return out;
}

/* --- messages --------------------------------------------------------------------------------- */

static struct delivery *write_parts(struct draft *d, const uint8_t *coded, size_t len,
                                    const struct gsm_coding *coding)
{
    static _Thread_local uint16_t reference;
    struct segment_plan plan;
    struct smpp_error error;
    uint8_t scratch[SEGMENT_SCRATCH], tlv_bytes[64];
    if (segment_plan_make(coded, len, coding, SEGMENT_UDH8, 0, &plan) != 0)
        return refuse(d, "text", "the text needs more than 255 parts");
    struct delivery *out = new_delivery((size_t)plan.parts * PDU_ROOM);
    reference++;
    for (unsigned i = 0; i < plan.parts; i++) {
        struct smpp_out tlvs = smpp_out_of(tlv_bytes, sizeof tlv_bytes);
        int n = -1;
        if (segment_fill(&plan, coded, i, reference, scratch, &tlvs, &d->pdu) == 0)
            n = smpp_pdu_write(&d->pdu, out->bytes + out->len, PDU_ROOM, &error);
        if (n < 0) {
            free(out);
            return refuse(d, "text", "the text cannot be written");
        }
        out->len += (uint32_t)n;
        out->n_pdus++;
    }
    return out;
}

static struct delivery *compose_message(struct draft *d)
{
    struct gsm_rules rules = { 0 };
    struct gsm_choice choice;
    wf_str raw = text_at(d, "raw", NULL), text = text_at(d, "text", NULL);
    if (text.len > TEXT_MAX || raw.len > TEXT_MAX)
        return refuse(d, "text", "the text is longer than 40,000 bytes");
    uint8_t *coded = d->h->alloc(d->it, text.len * 2 + raw.len + 2);
    if (raw.len) {
        struct gsm_coding binary = { .alphabet = GSM_BINARY };
        ssize_t n = json_hex_read(raw.ptr, raw.len, coded);
        return n < 0 ? refuse(d, "text", "raw is not hexadecimal")
                     : write_parts(d, coded, (size_t)n, &binary);
    }
    if (gsm_choose(text.ptr, text.len, &rules, &choice) != 0)
        return refuse(d, "text", "the text needs more than 255 parts");
    ssize_t n = gsm_encode(text.ptr, text.len, &choice.coding, coded, text.len * 2 + 2, NULL);
    return n < 0 ? refuse(d, "text", "the text cannot be encoded")
                 : write_parts(d, coded, (size_t)n, &choice.coding);
}

struct delivery *deliver_compose(const wf_host *h, wf_item *it, const struct deliver_config *c,
                                 const char **code, const char **why)
{
    struct draft d;
    memset(&d, 0, sizeof d);
    d.h = h;
    d.it = it;
    d.c = c;
    d.json = h->value(it);
    d.code = code;
    d.why = why;
    d.pdu.command = SMPP_DELIVER_SM;
    wf_str kind = text_at(&d, "kind", NULL);
    int is_message = c->kind == DELIVER_MESSAGE ||
                     (c->kind == DELIVER_AUTO && kind.len == 7 && !memcmp(kind.ptr, "message", 7));
    /* Of a receipt the phone is the sender, whom the message went to. */
    wf_str from = is_message ? text_at(&d, "from", NULL) : text_at(&d, "message.to", "to");
    wf_str to = is_message ? text_at(&d, "to", NULL) : text_at(&d, "message.from", "from");
    const char *wrong = NULL;
    if (set_address(from, d.from_room, &d.pdu.sm.from, &wrong) != 0 ||
        set_address(to, d.to_room, &d.pdu.sm.to, &wrong) != 0)
        return refuse(&d, "address", wrong);
    return is_message ? compose_message(&d) : compose_receipt(&d);
}
