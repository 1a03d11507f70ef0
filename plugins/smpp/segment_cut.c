/* SPDX-License-Identifier: Apache-2.0
 * segment_cut.c - outbound: where a text is cut, and how a part is written into a PDU.
 *
 * A part holds 140 octets, its header included. Septets behind a header begin at a septet's border,
 * so what is left is (1120 - 8 * header) / 7 of them: 153 behind six octets, 149 when a national
 * table is named too, and so on. The same limits hold for SAR parameters, because the SMSC makes a
 * header of them.
 *
 * Thread: any. Nothing allocates, nothing blocks.
 */
#include "segment.h"
#include <string.h>

enum {
    PART_OCTETS = 140,
    IEI_CONCAT8 = 0x00,
    IEI_CONCAT16 = 0x08,
    IEI_SINGLE = 0x24,
    IEI_LOCKING = 0x25,
    ESM_UDHI = 0x40,
    CR = 0x0d
};

/* Octets of the header that a part needs, its length octet included; 0: none. */
static uint32_t header_octets(const struct gsm_coding *coding, enum segment_way way, int many)
{
    uint32_t n = 0;
    if (many)
        n += way == SEGMENT_UDH16 ? 6 : way == SEGMENT_PAYLOAD ? 0 : 5;
    if (coding->alphabet == GSM_SEPTETS)
        n += (coding->single ? 3u : 0u) + (coding->locking ? 3u : 0u);
    return n ? n + 1 : 0;
}

static uint32_t units_behind(const struct gsm_coding *coding, uint32_t header)
{
    uint32_t octets = PART_OCTETS - header;
    return coding->alphabet == GSM_SEPTETS ? octets * 8 / 7
           : coding->alphabet == GSM_UCS2  ? octets / 2
                                           : octets;
}

uint32_t segment_single(const struct gsm_coding *coding)
{
    return units_behind(coding, header_octets(coding, SEGMENT_UDH8, 0));
}

uint32_t segment_each(const struct gsm_coding *coding, enum segment_way way)
{
    return units_behind(coding, header_octets(coding, way, 1));
}

/* 1 when a cut before `at` would divide an escape pair or a surrogate pair; the text before it
 * began at `start`. */
static int divides(const uint8_t *coded, size_t start, size_t at, unsigned alphabet)
{
    if (alphabet == GSM_UCS2)
        return at - start >= 2 && (coded[at - 2] & 0xfc) == 0xd8;
    if (alphabet != GSM_SEPTETS)
        return 0;
    size_t escapes = 0;
    while (at - escapes > start && coded[at - escapes - 1] == 0x1b)
        escapes++;
    return (int)(escapes % 2);
}

int segment_plan_make(const uint8_t *coded, size_t len, const struct gsm_coding *coding,
                      enum segment_way way, int packed, struct segment_plan *plan)
{
    size_t width = coding->alphabet == GSM_UCS2 ? 2 : 1, at = 0;
    plan->coding = *coding;
    plan->way = (uint8_t)way;
    plan->packed = (uint8_t)(packed && coding->alphabet == GSM_SEPTETS);
    plan->parts = 1;
    plan->starts[0] = 0;
    plan->starts[1] = (uint32_t)len;
    if (way == SEGMENT_PAYLOAD) /* 512 octets for all the rest of the PDU */
        return len + 512 > SMPP_PDU_MAX ? -1 : 0;
    if (len <= segment_single(coding) * width)
        return 0;
    size_t each = segment_each(coding, way) * width;
    for (plan->parts = 0; at < len;) {
        size_t next = len - at > each ? at + each : len;
        if (next < len && divides(coded, at, next, coding->alphabet))
            next -= width;
        if (plan->parts == SEGMENT_MAX)
            return -1;
        plan->starts[++plan->parts] = (uint32_t)next;
        at = next;
    }
    return 0;
}

/* Writes the header; returns its octets. */
static size_t put_header(const struct segment_plan *plan, unsigned i, uint16_t reference,
                         uint8_t *to)
{
    size_t n = 1;
    int many = plan->parts > 1;
    if (many && plan->way == SEGMENT_UDH8) {
        memcpy(to + n, (uint8_t[]){ IEI_CONCAT8, 3, (uint8_t)reference }, 3);
        n += 3;
    } else if (many && plan->way == SEGMENT_UDH16) {
        memcpy(to + n,
               (uint8_t[]){ IEI_CONCAT16, 4, (uint8_t)(reference >> 8), (uint8_t)reference }, 4);
        n += 4;
    }
    if (n > 1) {
        to[n++] = (uint8_t)plan->parts;
        to[n++] = (uint8_t)(i + 1);
    }
    if (plan->coding.alphabet == GSM_SEPTETS && plan->coding.single) {
        memcpy(to + n, (uint8_t[]){ IEI_SINGLE, 1, plan->coding.single }, 3);
        n += 3;
    }
    if (plan->coding.alphabet == GSM_SEPTETS && plan->coding.locking) {
        memcpy(to + n, (uint8_t[]){ IEI_LOCKING, 1, plan->coding.locking }, 3);
        n += 3;
    }
    to[0] = (uint8_t)(n - 1);
    return n > 1 ? n : 0;
}

/* Header and text of part `i`; returns the octets. When seven bits are left over a reader could
 * take them for one more septet, so they are a CR, as 23.038 does it for USSD. */
static size_t put_part(const struct segment_plan *plan, const uint8_t *coded, unsigned i,
                       uint16_t reference, uint8_t *to)
{
    size_t header = put_header(plan, i, reference, to);
    size_t len = plan->starts[i + 1] - plan->starts[i];
    const uint8_t *text = coded + plan->starts[i];
    if (!plan->packed) {
        if (len)
            memcpy(to + header, text, len);
        return header + len;
    }
    unsigned fill = gsm_fill_bits(header);
    size_t bytes = gsm_pack(text, len, fill, to + header);
    if (bytes && bytes * 8 - len * 7 - fill == 7)
        to[header + bytes - 1] |= CR << 1;
    return header + bytes;
}

static int put_payload(const struct segment_plan *plan, const uint8_t *coded, unsigned i,
                       struct smpp_out *tlvs)
{
    uint32_t before = tlvs->used, most = plan->starts[1] + SEGMENT_UDH_MAX;
    if (tlvs->full || tlvs->room - before < most + 4)
        return -1;
    size_t n = put_part(plan, coded, i, 0, tlvs->to + before + 4);
    uint8_t *head = tlvs->to + before;
    memcpy(head,
           (uint8_t[]){ SMPP_TAG_MESSAGE_PAYLOAD >> 8, SMPP_TAG_MESSAGE_PAYLOAD & 0xff,
                        (uint8_t)(n >> 8), (uint8_t)n },
           4);
    tlvs->used = before + 4 + (uint32_t)n;
    return 0;
}

int segment_fill(const struct segment_plan *plan, const uint8_t *coded, unsigned i,
                 uint16_t reference, uint8_t *scratch, struct smpp_out *tlvs, struct smpp_pdu *pdu)
{
    struct smpp_sm *sm = &pdu->sm;
    int many = plan->parts > 1;
    uint32_t header =
        header_octets(&plan->coding, (enum segment_way)plan->way, many && plan->way != SEGMENT_SAR);
    sm->data_coding = gsm_data_coding((enum gsm_alphabet)plan->coding.alphabet);
    sm->esm_class = (uint8_t)((sm->esm_class & ~ESM_UDHI) | (header ? ESM_UDHI : 0));
    sm->text = (struct smpp_str){ 0 };
    if (plan->way == SEGMENT_PAYLOAD) {
        if (put_payload(plan, coded, i, tlvs) != 0)
            return -1;
    } else if (header || plan->packed) {
        sm->text.ptr = (const char *)scratch;
        sm->text.len = (uint32_t)put_part(plan, coded, i, reference, scratch);
    } else {
        sm->text.ptr = (const char *)coded + plan->starts[i];
        sm->text.len = plan->starts[i + 1] - plan->starts[i];
    }
    if (many && plan->way == SEGMENT_SAR) {
        smpp_tlv_put_number(tlvs, SMPP_TAG_SAR_MSG_REF_NUM, reference, 2);
        smpp_tlv_put_number(tlvs, SMPP_TAG_SAR_TOTAL_SEGMENTS, plan->parts, 1);
        smpp_tlv_put_number(tlvs, SMPP_TAG_SAR_SEGMENT_SEQNUM, i + 1, 1);
    }
    pdu->tlvs = smpp_tlvs_of(tlvs);
    return tlvs->full ? -1 : 0;
}
