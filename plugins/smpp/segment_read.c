/* SPDX-License-Identifier: Apache-2.0
 * segment_read.c - inbound: what text a PDU carries, in which alphabet, and of what it is a part.
 *
 * Headers are taken as 23.040 says: elements nobody knows are left out, a concatenation that makes
 * no sense (part 0, part 5 of 3) is as if it were not there. Only a header that leaves its own
 * bounds is an error, for then nobody can tell where the text begins.
 *
 * Thread: any. Nothing allocates, nothing blocks.
 */
#include "segment.h"
#include "status.h"

enum { ESM_UDHI = 0x40, CR = 0x0d };

static void set_place(struct segment_part *part, uint16_t reference, int wide, uint8_t total,
                      uint8_t number)
{
    if (total == 0 || number == 0 || number > total)
        return;
    part->reference = reference;
    part->wide = (uint8_t)wide;
    part->total = total;
    part->number = number;
}

static void take_element(struct segment_part *part, unsigned id, const uint8_t *p, unsigned len)
{
    if (id == 0x00 && len == 3) {
        set_place(part, p[0], 0, p[1], p[2]);
    } else if (id == 0x08 && len == 4) {
        set_place(part, (uint16_t)(p[0] << 8 | p[1]), 1, p[2], p[3]);
    } else if (id == 0x04 && len == 2) {
        part->dest_port = p[0];
        part->source_port = p[1];
    } else if (id == 0x05 && len == 4) {
        part->dest_port = (uint16_t)(p[0] << 8 | p[1]);
        part->source_port = (uint16_t)(p[2] << 8 | p[3]);
    } else if (id == 0x24 && len == 1 && p[0] < GSM_LANGUAGES) {
        part->coding.single = p[0];
    } else if (id == 0x25 && len == 1 && p[0] < GSM_LANGUAGES) {
        part->coding.locking = p[0];
    }
}

/* The header's octets, or -1 when it is broken. */
static int take_header(struct segment_part *part, const uint8_t *p, uint32_t len)
{
    if (len == 0 || p[0] + 1u > len)
        return -1;
    unsigned end = p[0] + 1u;
    for (unsigned at = 1; at < end;) {
        if (at + 2 > end || at + 2 + p[at + 1] > end)
            return -1;
        take_element(part, p[at], p + at + 2, p[at + 1]);
        at += 2u + p[at + 1];
    }
    return (int)end;
}

static void take_sar(const struct smpp_pdu *pdu, struct segment_part *part)
{
    uint32_t reference, total, number;
    if (!part->total && smpp_tlv_number(&pdu->tlvs, SMPP_TAG_SAR_MSG_REF_NUM, &reference) &&
        smpp_tlv_number(&pdu->tlvs, SMPP_TAG_SAR_TOTAL_SEGMENTS, &total) &&
        smpp_tlv_number(&pdu->tlvs, SMPP_TAG_SAR_SEGMENT_SEQNUM, &number) && total <= UINT8_MAX &&
        number <= UINT8_MAX)
        set_place(part, (uint16_t)reference, 1, (uint8_t)total, (uint8_t)number);
}

/* Seven bits left over are a CR when the writer was careful. */
static void unpack(struct segment_part *part, uint32_t header, uint8_t *room)
{
    unsigned fill = gsm_fill_bits(header);
    size_t bits = (size_t)part->len * 8, n = bits > fill ? (bits - fill) / 7 : 0;
    if (n >= SMPP_PDU_MAX)
        n = SMPP_PDU_MAX - 1;
    gsm_unpack(part->octets, fill, room, n);
    if (n && (n * 7 + fill) % 8 == 0 && room[n - 1] == CR)
        n--;
    part->octets = room;
    part->len = (uint32_t)n;
}

int segment_read(const struct smpp_pdu *pdu, enum gsm_alphabet zero, int packed, uint8_t *room,
                 struct segment_part *part, struct smpp_error *err)
{
    struct smpp_tlv payload;
    const struct smpp_sm *sm = &pdu->sm;
    int header = 0;
    *part = (struct segment_part){ .octets = (const uint8_t *)sm->text.ptr, .len = sm->text.len };
    part->coding.alphabet = (uint8_t)gsm_alphabet_of(sm->data_coding, zero);
    if (sm->text.len == 0 && smpp_tlv_find(&pdu->tlvs, SMPP_TAG_MESSAGE_PAYLOAD, &payload)) {
        part->octets = payload.value;
        part->len = payload.len;
    }
    if (sm->esm_class & ESM_UDHI) {
        header = take_header(part, part->octets, part->len);
        if (header < 0) {
            if (err)
                *err = (struct smpp_error){ .status = SMPP_RINVESMCLASS,
                                            .field = "short_message",
                                            .why = "has a user data header that is broken" };
            return -1;
        }
        part->octets += header;
        part->len -= (uint32_t)header;
    }
    take_sar(pdu, part);
    if (part->coding.alphabet != GSM_SEPTETS)
        part->coding.single = part->coding.locking = 0;
    else if (packed)
        unpack(part, (uint32_t)header, room);
    return 0;
}
