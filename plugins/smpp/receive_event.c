/* SPDX-License-Identifier: Apache-2.0
 * From what an SMSC delivers to items: receipts in the words of catalyst/channel.h, messages as
 * UTF-8, long ones made whole. Thread: the worker's. Nothing blocks but the lock of a shelf, for
 * parts of long messages.
 */
#include "receive.h"

static void put_address(struct json_out *j, const struct receiver *r, const char *key,
                        const struct smpp_address *address)
{
    char text[ADDRESS_TEXT_MAX];
    size_t len = smpp_address_text(address, &r->account->set.addresses, text);
    json_out_text(j, key, text, len);
}

static void put_head(struct json_out *j, const struct receiver *r, const char *kind)
{
    json_out_word(j, "kind", kind);
    json_out_word(j, "channel", "sms");
    json_out_word(j, "account", r->account->name);
}

/* --- receipts --------------------------------------------------------------------------------- */

static void put_receipt(struct json_out *j, const struct receiver *r, const struct smpp_pdu *pdu,
                        const struct receipt *receipt)
{
    char key[RECEIPT_KEY_BYTES], code[24];
    enum wf_class error_class = 0;
    enum wf_state state = receipt->has_state ? receipt_state_of(receipt->state, &error_class) : 0;
    put_head(j, r, "receipt");
    if (receipt->id.len && receipt->id.len <= RECEIPT_ID_MAX)
        json_out_octets(
            j, "provider_id",
            (struct smpp_str){ key, (uint32_t)receipt_key(
                                        receipt->id.ptr, receipt->id.len,
                                        (enum receipt_id_form)r->account->set.receipts.receipt_ids,
                                        key) });
    if (state)
        json_out_word(j, "state", wf_state_name(state));
    size_t n = receipt_code(receipt, code);
    if (n)
        json_out_octets(j, "code", (struct smpp_str){ code, (uint32_t)n });
    if (error_class)
        json_out_word(j, "class", wf_class_name(error_class));
    if (receipt->done_us)
        json_out_int(j, "ts_provider_us", receipt->done_us);
    if (receipt->has_state)
        json_out_word(j, "smsc_state", receipt_state_word(receipt->state));
    else if (receipt->state_text.len)
        json_out_octets(j, "smsc_state", receipt->state_text);
    if (receipt->kind == RECEIPT_INTERMEDIATE)
        json_out_bool(j, "intermediate", 1);
    put_address(j, r, "from", &pdu->sm.from);
    put_address(j, r, "to", &pdu->sm.to);
    json_out_int(j, "ts_us", inbox_wall_us());
}

/* --- messages --------------------------------------------------------------------------------- */

struct text {
    const struct gsm_coding *coding;
    const uint8_t *octets;
    uint32_t len;
    uint8_t data_coding, total, have, number;
    uint16_t reference, source_port, dest_port;
};

static void put_text(struct json_out *j, struct receiver *r, const struct text *t)
{
    if (t->coding->alphabet == GSM_BINARY) {
        json_out_hex(j, "raw", t->octets, t->len);
        json_out_word(j, "text", "");
    } else {
        size_t room = (size_t)t->len * GSM_DECODE_FACTOR + 1;
        char *decoded = room <= SMPP_PDU_MAX ? (char *)r->room : malloc(room);
        if (!decoded)
            abort();
        json_out_text(j, "text", decoded, gsm_decode(t->octets, t->len, t->coding, decoded, room));
        if (decoded != (char *)r->room)
            free(decoded);
    }
    json_out_word(j, "encoding", gsm_alphabet_name((enum gsm_alphabet)t->coding->alphabet));
    json_out_int(j, "data_coding", t->data_coding);
}

static void put_message(struct json_out *j, struct receiver *r, const struct smpp_address *from,
                        const struct smpp_address *to, const struct text *t)
{
    char id[37];
    int64_t now_us = inbox_wall_us();
    inbox_uuid(id, now_us / 1000);
    put_head(j, r, "message");
    json_out_text(j, "id", id, 36);
    json_out_int(j, "ts_us", now_us);
    put_address(j, r, "from", from);
    put_address(j, r, "to", to);
    put_text(j, r, t);
    json_out_int(j, "parts", t->total > 1 && !t->number ? t->total : 1);
    if (t->have < t->total && !t->number)
        json_out_int(j, "parts_missing", t->total - t->have);
    if (t->number) {
        json_out_int(j, "part", t->number);
        json_out_int(j, "part_of", t->total);
        json_out_int(j, "part_reference", t->reference);
    }
    if (t->dest_port) {
        json_out_int(j, "source_port", t->source_port);
        json_out_int(j, "dest_port", t->dest_port);
    }
}

static void add_whole(struct receiver *r, const struct segment_whole *whole, uint8_t data_coding,
                      const struct inbox_answer *answer)
{
    struct text t = { .coding = &whole->coding,
                      .octets = whole->octets,
                      .len = whole->len,
                      .data_coding = data_coding,
                      .total = whole->total,
                      .have = whole->have,
                      .source_port = whole->source_port,
                      .dest_port = whole->dest_port };
    put_message(inbox_begin(&r->inbox), r, &whole->from, &whole->to, &t);
    inbox_add(&r->inbox, answer);
    account_count(r->account, COUNT_MESSAGES, 1);
}

/* The first parts are answered at once, for many SMSCs send the next one only then; they are in
 * memory until the last has come. */
static int take_part(struct receiver *r, const struct smpp_pdu *pdu,
                     const struct segment_part *part, const struct inbox_answer *answer)
{
    struct segment_whole whole;
    int64_t now_ms = wf_conn_now_ms();
    int is_owed = 0;
    shelf_lock(r->shelf);
    struct segment_shelf *parts = shelf_parts(r->shelf);
    for (int round = 0; round < 3; round++) {
        enum segment_took took = segment_shelf_put(parts, &pdu->sm.from, &pdu->sm.to, part,
                                                   pdu->sequence, now_ms, &whole);
        is_owed = took == SEGMENT_WHOLE;
        if (whole.have)
            add_whole(r, &whole, gsm_data_coding((enum gsm_alphabet)whole.coding.alphabet),
                      is_owed ? answer : NULL);
        if (took != SEGMENT_FULL)
            break;
    }
    shelf_unlock(r->shelf);
    return is_owed;
}

void receive_expired(struct receiver *r, int64_t now_ms)
{
    struct segment_whole whole;
    shelf_lock(r->shelf);
    while (segment_shelf_expired(shelf_parts(r->shelf), now_ms, &whole))
        add_whole(r, &whole, gsm_data_coding((enum gsm_alphabet)whole.coding.alphabet), NULL);
    shelf_unlock(r->shelf);
    inbox_flush(&r->inbox);
}

static int take_message(struct receiver *r, const struct smpp_pdu *pdu,
                        const struct inbox_answer *answer, uint32_t *status)
{
    struct segment_part part;
    struct smpp_error error;
    const struct account_settings *set = &r->account->set;
    if (segment_read(pdu, set->zero, set->packed, r->room, &part, &error) != 0) {
        *status = error.status;
        return 0;
    }
    if (part.total > 1 && !r->config.in_parts) {
        *status = SMPP_OK;
        return take_part(r, pdu, &part, answer);
    }
    struct text t = { .coding = &part.coding,
                      .octets = part.octets,
                      .len = part.len,
                      .data_coding = pdu->sm.data_coding,
                      .total = part.total > 1 ? part.total : 1,
                      .have = 1,
                      .number = part.total > 1 ? part.number : 0,
                      .reference = part.reference,
                      .source_port = part.source_port,
                      .dest_port = part.dest_port };
    uint8_t *copy = NULL;
    if (part.octets >= r->room && part.octets < r->room + SMPP_PDU_MAX) {
        copy = malloc(part.len + 1u); /* unpacked septets lie where the text will be */
        if (!copy)
            abort();
        memcpy(copy, part.octets, part.len);
        t.octets = copy;
    }
    struct json_out *j = inbox_begin(&r->inbox);
    put_message(j, r, &pdu->sm.from, &pdu->sm.to, &t);
    json_out_extras(j, pdu, set->ussd_op_tag, set->ussd_session_tag);
    inbox_add(&r->inbox, answer);
    account_count(r->account, COUNT_MESSAGES, 1);
    free(copy);
    return 1;
}

int receive_event(struct receiver *r, const struct smpp_pdu *pdu, const struct inbox_answer *answer,
                  uint32_t *status)
{
    struct receipt receipt;
    if (receipt_read(pdu, &r->account->set.receipts, &receipt) == 0)
        return take_message(r, pdu, answer, status);
    put_receipt(inbox_begin(&r->inbox), r, pdu, &receipt);
    inbox_add(&r->inbox, answer);
    account_count(r->account, COUNT_RECEIPTS, 1);
    return 1;
}
