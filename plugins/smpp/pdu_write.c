/* SPDX-License-Identifier: Apache-2.0
 * pdu_write.c - struct smpp_pdu to bytes.
 *
 * As in reading, submit_sm and deliver_sm have straight code; it measures first, checks the room
 * once and then copies. A text with a NUL inside, or one that is too long, would shift every field
 * behind it, so it is refused by both ways: what a caller took from an item must not become another
 * PDU.
 *
 * Thread: any. Nothing allocates, nothing blocks.
 */
#include "pdu_int.h"
#include <string.h>

void smpp_header_write(uint8_t to[SMPP_HEADER_BYTES], uint32_t command, uint32_t status,
                       uint32_t sequence)
{
    pdu_put_u32(to, SMPP_HEADER_BYTES);
    pdu_put_u32(to + 4, command);
    pdu_put_u32(to + 8, status);
    pdu_put_u32(to + 12, sequence);
}

size_t smpp_reply_write(uint8_t *to, uint32_t command, uint32_t status, uint32_t sequence,
                        const char *id, size_t len)
{
    smpp_header_write(to, command, status, sequence);
    pdu_put_u32(to, (uint32_t)(SMPP_HEADER_BYTES + len + 1));
    if (len)
        memcpy(to + SMPP_HEADER_BYTES, id, len);
    to[SMPP_HEADER_BYTES + len] = 0;
    return SMPP_HEADER_BYTES + len + 1;
}

/* Whether a text can stand in a field of `max` octets, its NUL included. */
static inline int text_fits(const struct smpp_str *text, uint32_t max)
{
    return text->len == 0 || (text->len < max && !memchr(text->ptr, 0, text->len));
}

/* 3.4 has no body in a submit_sm_resp that refuses. */
static int is_bare_refusal(const struct smpp_pdu *pdu)
{
    return pdu->status != 0 && pdu->command == (SMPP_SUBMIT_SM | SMPP_RESP) &&
           pdu->reply.id.len == 0 && pdu->tlvs.bytes == 0;
}

/* --- the fast way ----------------------------------------------------------------------------- */

static inline uint8_t *put_text(uint8_t *p, const struct smpp_str *text)
{
    if (text->len)
        memcpy(p, text->ptr, text->len);
    p += text->len;
    *p++ = 0;
    return p;
}

static inline uint8_t *put_address(uint8_t *p, const struct smpp_address *address)
{
    *p++ = address->ton;
    *p++ = address->npi;
    return put_text(p, &address->addr);
}

enum { SM_FIXED = SMPP_HEADER_BYTES + 17 }; /* octets of a submit_sm whose texts are empty */

static size_t sm_size(const struct smpp_pdu *pdu)
{
    const struct smpp_sm *sm = &pdu->sm;
    return SM_FIXED + (size_t)sm->service_type.len + sm->from.addr.len + sm->to.addr.len +
           sm->schedule.len + sm->validity.len + sm->text.len + pdu->tlvs.bytes;
}

static int sm_is_plain(const struct smpp_sm *sm)
{
    return text_fits(&sm->service_type, 6) && text_fits(&sm->from.addr, 21) &&
           text_fits(&sm->to.addr, 21) && text_fits(&sm->schedule, 17) &&
           text_fits(&sm->validity, 17) && sm->text.len <= UINT8_MAX;
}

static void sm_put(const struct smpp_pdu *pdu, uint8_t *to, size_t size)
{
    const struct smpp_sm *sm = &pdu->sm;
    smpp_header_write(to, pdu->command, pdu->status, pdu->sequence);
    pdu_put_u32(to, (uint32_t)size);
    uint8_t *p = put_text(to + SMPP_HEADER_BYTES, &sm->service_type);
    p = put_address(p, &sm->from);
    p = put_address(p, &sm->to);
    *p++ = sm->esm_class;
    *p++ = sm->protocol_id;
    *p++ = sm->priority;
    p = put_text(p, &sm->schedule);
    p = put_text(p, &sm->validity);
    *p++ = sm->registered;
    *p++ = sm->replace;
    *p++ = sm->data_coding;
    *p++ = sm->default_msg_id;
    *p++ = (uint8_t)sm->text.len;
    if (sm->text.len)
        memcpy(p, sm->text.ptr, sm->text.len);
    if (pdu->tlvs.bytes)
        memcpy(p + sm->text.len, pdu->tlvs.ptr, pdu->tlvs.bytes);
}

static int fast_write(const struct smpp_pdu *pdu, uint8_t *to, size_t room)
{
    if (pdu->command == SMPP_SUBMIT_SM || pdu->command == SMPP_DELIVER_SM) {
        size_t size = sm_size(pdu);
        if (size > room || size > SMPP_PDU_MAX || !sm_is_plain(&pdu->sm))
            return -1;
        sm_put(pdu, to, size);
        return (int)size;
    }
    if ((pdu->command == (SMPP_SUBMIT_SM | SMPP_RESP) ||
         pdu->command == (SMPP_DELIVER_SM | SMPP_RESP)) &&
        pdu->tlvs.bytes == 0 && !is_bare_refusal(pdu) && text_fits(&pdu->reply.id, 65) &&
        room >= SMPP_HEADER_BYTES + (size_t)pdu->reply.id.len + 1)
        return (int)smpp_reply_write(to, pdu->command, pdu->status, pdu->sequence,
                                     pdu->reply.id.ptr, pdu->reply.id.len);
    return -1;
}

/* --- the way by the tables -------------------------------------------------------------------- */

static size_t field_size(const struct smpp_pdu *pdu, const struct field *field)
{
    const struct smpp_str *text =
        (const struct smpp_str *)(const void *)((const char *)pdu + field->at);
    return field->kind == FIELD_OCTET ? 1 : (size_t)text->len + 1;
}

/* 0 when the field can be written, or -1. */
static int check_list(const struct smpp_pdu *pdu, const struct field *field,
                      const struct smpp_str *list, struct smpp_error *err)
{
    unsigned count = *((const uint8_t *)pdu + field->count_at);
    const uint8_t *p = (const uint8_t *)list->ptr;
    int is_dests = field->kind == FIELD_DESTS;
    int bytes =
        is_dests ? pdu_dests_bytes(p, list->len, count) : pdu_unsuccess_bytes(p, list->len, count);
    if ((is_dests && (count == 0 || count > SMPP_DESTS_MAX)) || bytes < 0 ||
        (uint32_t)bytes != list->len)
        return pdu_fault(err, field->status, field->name, "does not have as many entries", 0);
    return 0;
}

static int check_field(const struct smpp_pdu *pdu, const struct field *field,
                       struct smpp_error *err)
{
    const struct smpp_str *text =
        (const struct smpp_str *)(const void *)((const char *)pdu + field->at);
    switch (field->kind) {
    case FIELD_TEXT:
    case FIELD_SECRET:
        if (text->len >= field->max)
            return pdu_fault(err, field->status, field->name, "is longer than it may be", 0);
        if (!text_fits(text, field->max))
            return pdu_fault(err, field->status, field->name, "has a NUL in it", 0);
        return 0;
    case FIELD_MESSAGE:
        if (text->len > UINT8_MAX)
            return pdu_fault(err, field->status, field->name,
                             "has more octets than sm_length can say", 0);
        return 0;
    case FIELD_DESTS:
    case FIELD_UNSUCCESS:
        return check_list(pdu, field, text, err);
    default:
        return 0;
    }
}

static uint8_t *put_field(const struct smpp_pdu *pdu, const struct field *field, uint8_t *p)
{
    const char *from = (const char *)pdu + field->at;
    const struct smpp_str *text = (const struct smpp_str *)(const void *)from;
    switch (field->kind) {
    case FIELD_OCTET:
        *p++ = *(const uint8_t *)from;
        return p;
    case FIELD_TEXT:
    case FIELD_SECRET:
        return put_text(p, text);
    case FIELD_MESSAGE:
        *p++ = (uint8_t)text->len;
        break;
    default:
        *p++ = *((const uint8_t *)pdu + field->count_at);
    }
    if (text->len)
        memcpy(p, text->ptr, text->len);
    return p + text->len;
}

size_t smpp_pdu_size(const struct smpp_pdu *pdu)
{
    if (pdu->command == SMPP_SUBMIT_SM || pdu->command == SMPP_DELIVER_SM)
        return sm_size(pdu);
    const struct command *command = pdu_command(pdu->command);
    size_t size = SMPP_HEADER_BYTES;
    if (!command)
        return 0;
    if (!command->fields || is_bare_refusal(pdu))
        return size;
    for (const struct field *f = command->fields; f->kind; f++)
        size += field_size(pdu, f);
    return size + pdu->tlvs.bytes;
}

int smpp_pdu_write(const struct smpp_pdu *pdu, uint8_t *to, size_t room, struct smpp_error *err)
{
    int written = fast_write(pdu, to, room);
    if (written > 0)
        return written;
    const struct command *command = pdu_command(pdu->command);
    if (!command)
        return pdu_fault(err, SMPP_RINVCMDID, "command_id", "is none we know", 4);
    size_t size = smpp_pdu_size(pdu), at = 0;
    const struct field *fields = is_bare_refusal(pdu) ? NULL : command->fields;
    for (const struct field *f = fields; f && f->kind; f++)
        if (check_field(pdu, f, err))
            return -1;
    if (pdu->tlvs.bytes && pdu_tlvs_scan(pdu->tlvs.ptr, pdu->tlvs.bytes, &at))
        return pdu_fault(err, SMPP_RINVTLVSTREAM, "tlv", "does not end with the PDU", at);
    if (size > SMPP_PDU_MAX || size > room)
        return pdu_fault(err, SMPP_RINVCMDLEN, "command_length",
                         size > SMPP_PDU_MAX ? "is beyond 65536 octets" : "is beyond the room", 0);
    smpp_header_write(to, pdu->command, pdu->status, pdu->sequence);
    pdu_put_u32(to, (uint32_t)size);
    uint8_t *p = to + SMPP_HEADER_BYTES;
    for (const struct field *f = fields; f && f->kind; f++)
        p = put_field(pdu, f, p);
    if (fields && pdu->tlvs.bytes)
        memcpy(p, pdu->tlvs.ptr, pdu->tlvs.bytes);
    return (int)size;
}
