/* SPDX-License-Identifier: Apache-2.0
 * pdu_tlv.c - optional parameters and the lists of submit_multi: stepping through them and making
 * them.
 *
 * They stay bytes until somebody asks, because most PDUs have one or two and most readers want one.
 * smpp_pdu_read() has walked them already, so a step here cannot leave the PDU; it checks all the
 * same, since a struct may be made by hand.
 *
 * Thread: any. Nothing allocates, nothing blocks.
 */
#include "pdu_int.h"
#include <string.h>

enum { TLV_HEADER = 4, DEST_ADDRESS = 1, DEST_LIST = 2, ADDRESS_OCTETS = 21 };

/* Sorted by tag. */
static const struct tlv_row tlv_rows[] = {
    { 0x0005, TLV_NUMBER, 1, 1, "dest_addr_subunit" },
    { 0x0006, TLV_NUMBER, 1, 1, "dest_network_type" },
    { 0x0007, TLV_NUMBER, 1, 1, "dest_bearer_type" },
    { 0x0008, TLV_NUMBER, 1, 2, "dest_telematics_id" },
    { 0x000d, TLV_NUMBER, 1, 1, "source_addr_subunit" },
    { 0x000e, TLV_NUMBER, 1, 1, "source_network_type" },
    { 0x000f, TLV_NUMBER, 1, 1, "source_bearer_type" },
    { 0x0010, TLV_NUMBER, 1, 2, "source_telematics_id" },
    { 0x0017, TLV_NUMBER, 4, 4, "qos_time_to_live" },
    { 0x0019, TLV_NUMBER, 1, 1, "payload_type" },
    { 0x001d, TLV_TEXT, 1, 256, "additional_status_info_text" },
    { 0x001e, TLV_TEXT, 1, 65, "receipted_message_id" },
    { 0x0030, TLV_NUMBER, 1, 1, "ms_msg_wait_facilities" },
    { 0x0201, TLV_NUMBER, 1, 1, "privacy_indicator" },
    { 0x0202, TLV_OCTETS, 2, 23, "source_subaddress" },
    { 0x0203, TLV_OCTETS, 2, 23, "dest_subaddress" },
    { 0x0204, TLV_NUMBER, 2, 2, "user_message_reference" },
    { 0x0205, TLV_NUMBER, 1, 1, "user_response_code" },
    { 0x020a, TLV_NUMBER, 2, 2, "source_port" },
    { 0x020b, TLV_NUMBER, 2, 2, "destination_port" },
    { 0x020c, TLV_NUMBER, 2, 2, "sar_msg_ref_num" },
    { 0x020d, TLV_NUMBER, 1, 1, "language_indicator" },
    { 0x020e, TLV_NUMBER, 1, 1, "sar_total_segments" },
    { 0x020f, TLV_NUMBER, 1, 1, "sar_segment_seqnum" },
    { 0x0210, TLV_NUMBER, 1, 1, "sc_interface_version" },
    { 0x0302, TLV_NUMBER, 1, 1, "callback_num_pres_ind" },
    { 0x0303, TLV_OCTETS, 0, 65, "callback_num_atag" },
    { 0x0304, TLV_NUMBER, 1, 1, "number_of_messages" },
    { 0x0381, TLV_OCTETS, 4, 19, "callback_num" },
    { 0x0420, TLV_NUMBER, 1, 1, "dpf_result" },
    { 0x0421, TLV_NUMBER, 1, 1, "set_dpf" },
    { 0x0422, TLV_NUMBER, 1, 1, "ms_availability_status" },
    { 0x0423, TLV_OCTETS, 3, 3, "network_error_code" },
    { 0x0424, TLV_OCTETS, 0, 65535, "message_payload" },
    { 0x0425, TLV_NUMBER, 1, 1, "delivery_failure_reason" },
    { 0x0426, TLV_NUMBER, 1, 1, "more_messages_to_send" },
    { 0x0427, TLV_NUMBER, 1, 1, "message_state" },
    { 0x0428, TLV_NUMBER, 1, 1, "congestion_state" },
    { 0x0501, TLV_NUMBER, 1, 1, "ussd_service_op" },
    { 0x0600, TLV_NUMBER, 1, 1, "broadcast_channel_indicator" },
    { 0x0601, TLV_OCTETS, 3, 3, "broadcast_content_type" },
    { 0x0602, TLV_OCTETS, 1, 255, "broadcast_content_type_info" },
    { 0x0603, TLV_NUMBER, 1, 1, "broadcast_message_class" },
    { 0x0604, TLV_NUMBER, 2, 2, "broadcast_rep_num" },
    { 0x0605, TLV_OCTETS, 3, 3, "broadcast_frequency_interval" },
    { 0x0606, TLV_OCTETS, 1, 100, "broadcast_area_identifier" },
    { 0x0607, TLV_NUMBER, 4, 4, "broadcast_error_status" },
    { 0x0608, TLV_NUMBER, 1, 1, "broadcast_area_success" },
    { 0x0609, TLV_TEXT, 1, 17, "broadcast_end_time" },
    { 0x060a, TLV_OCTETS, 1, 255, "broadcast_service_group" },
    { 0x060b, TLV_OCTETS, 1, 1024, "billing_identification" },
    { 0x060d, TLV_TEXT, 1, 65, "source_network_id" },
    { 0x060e, TLV_TEXT, 1, 65, "dest_network_id" },
    { 0x060f, TLV_OCTETS, 6, 6, "source_node_id" },
    { 0x0610, TLV_OCTETS, 6, 6, "dest_node_id" },
    { 0x0611, TLV_NUMBER, 1, 1, "dest_addr_np_resolution" },
    { 0x0612, TLV_OCTETS, 1, 10, "dest_addr_np_information" },
    { 0x0613, TLV_NUMBER, 1, 5, "dest_addr_np_country" },
    { 0x1201, TLV_NUMBER, 1, 1, "display_time" },
    { 0x1203, TLV_NUMBER, 2, 2, "sms_signal" },
    { 0x1204, TLV_OCTETS, 1, 4, "ms_validity" },
    { 0x130c, TLV_OCTETS, 0, 1, "alert_on_message_delivery" },
    { 0x1380, TLV_NUMBER, 1, 1, "its_reply_type" },
    { 0x1383, TLV_OCTETS, 2, 2, "its_session_info" },
};

const struct tlv_row *pdu_tlv_row(uint16_t tag)
{
    size_t from = 0, to = sizeof tlv_rows / sizeof *tlv_rows;
    while (from < to) {
        size_t middle = (from + to) / 2;
        if (tlv_rows[middle].tag == tag)
            return &tlv_rows[middle];
        if (tlv_rows[middle].tag < tag)
            from = middle + 1;
        else
            to = middle;
    }
    return NULL;
}

const char *smpp_tlv_name(uint16_t tag)
{
    const struct tlv_row *row = pdu_tlv_row(tag);
    return row ? row->name : NULL;
}

int pdu_tlvs_scan(const uint8_t *p, size_t bytes, size_t *at)
{
    size_t i = 0;
    while (bytes - i >= TLV_HEADER) {
        size_t len = pdu_u16(p + i + 2);
        if (len > bytes - i - TLV_HEADER)
            break;
        i += TLV_HEADER + len;
    }
    *at = i;
    return i == bytes ? 0 : -1;
}

int smpp_tlv_next(const struct smpp_tlvs *tlvs, uint32_t *at, struct smpp_tlv *tlv)
{
    uint32_t left = tlvs->bytes - *at;
    if (*at >= tlvs->bytes || left < TLV_HEADER)
        return 0;
    const uint8_t *p = tlvs->ptr + *at;
    tlv->tag = pdu_u16(p);
    tlv->len = pdu_u16(p + 2);
    tlv->value = p + TLV_HEADER;
    if (tlv->len > left - TLV_HEADER)
        return 0;
    *at += TLV_HEADER + (uint32_t)tlv->len;
    return 1;
}

int smpp_tlv_find(const struct smpp_tlvs *tlvs, uint16_t tag, struct smpp_tlv *tlv)
{
    uint32_t at = 0;
    while (smpp_tlv_next(tlvs, &at, tlv))
        if (tlv->tag == tag)
            return 1;
    return 0;
}

int smpp_tlv_number(const struct smpp_tlvs *tlvs, uint16_t tag, uint32_t *value)
{
    struct smpp_tlv tlv;
    if (!smpp_tlv_find(tlvs, tag, &tlv) || tlv.len < 1 || tlv.len > 4)
        return 0;
    *value = 0;
    for (unsigned i = 0; i < tlv.len; i++)
        *value = *value << 8 | tlv.value[i];
    return 1;
}

int smpp_tlv_text(const struct smpp_tlvs *tlvs, uint16_t tag, struct smpp_str *value)
{
    struct smpp_tlv tlv;
    if (!smpp_tlv_find(tlvs, tag, &tlv))
        return 0;
    value->ptr = (const char *)tlv.value;
    value->len = (uint32_t)strnlen(value->ptr, tlv.len);
    return 1;
}

int smpp_tlv_check(const struct smpp_tlvs *tlvs, struct smpp_error *err)
{
    struct smpp_tlv tlv;
    for (uint32_t at = 0, from = 0; smpp_tlv_next(tlvs, &at, &tlv); from = at) {
        const struct tlv_row *row = pdu_tlv_row(tlv.tag);
        if (row && (tlv.len < row->min || tlv.len > row->max))
            return pdu_fault(err, SMPP_RINVTLVLEN, row->name, "has a length it cannot have", from);
    }
    return 0;
}

/* --- making ----------------------------------------------------------------------------------- */

/* Room for `bytes` more, or NULL; from then on nothing more fits. */
static uint8_t *take(struct smpp_out *out, size_t bytes)
{
    if (out->full || bytes > out->room - out->used) {
        out->full = 1;
        return NULL;
    }
    uint8_t *p = out->to + out->used;
    out->used += (uint32_t)bytes;
    return p;
}

static uint8_t *take_tlv(struct smpp_out *out, uint16_t tag, size_t len)
{
    if (len > UINT16_MAX) {
        out->full = 1;
        return NULL;
    }
    uint8_t *p = take(out, TLV_HEADER + len);
    if (!p)
        return NULL;
    pdu_put_u16(p, tag);
    pdu_put_u16(p + 2, (uint16_t)len);
    return p + TLV_HEADER;
}

static void copy(uint8_t *to, const void *from, size_t len)
{
    if (len)
        memcpy(to, from, len);
}

void smpp_tlv_put(struct smpp_out *out, uint16_t tag, const void *value, size_t len)
{
    uint8_t *p = take_tlv(out, tag, len);
    if (p)
        copy(p, value, len);
}

void smpp_tlv_put_number(struct smpp_out *out, uint16_t tag, uint32_t value, unsigned octets)
{
    uint8_t *p = take_tlv(out, tag, octets);
    for (unsigned i = octets; p && i-- > 0; value >>= 8)
        p[i] = (uint8_t)value;
}

void smpp_tlv_put_text(struct smpp_out *out, uint16_t tag, const char *text, size_t len)
{
    uint8_t *p = take_tlv(out, tag, len + 1);
    if (p) {
        copy(p, text, len);
        p[len] = 0;
    }
}

/* --- submit_multi ----------------------------------------------------------------------------- */

/* The octets of a text with its NUL, at most `max` of them, or -1. */
static int text_bytes(const uint8_t *p, size_t left, size_t max)
{
    size_t most = left < max ? left : max;
    const uint8_t *end = most ? memchr(p, 0, most) : NULL;
    return end ? (int)(end - p) + 1 : -1;
}

/* The octets of one destination, or -1. */
static int dest_bytes(const uint8_t *p, size_t left)
{
    if (left < 2)
        return -1;
    size_t before = p[0] == DEST_ADDRESS ? 3 : p[0] == DEST_LIST ? 1 : 0;
    if (!before || left <= before)
        return -1;
    int n = text_bytes(p + before, left - before, ADDRESS_OCTETS);
    return n < 0 ? -1 : (int)before + n;
}

static int unsuccess_bytes(const uint8_t *p, size_t left)
{
    int n = left > 2 ? text_bytes(p + 2, left - 2, ADDRESS_OCTETS) : -1;
    return n < 0 || left - 2 - (size_t)n < 4 ? -1 : 2 + n + 4;
}

static int list_bytes(const uint8_t *p, size_t left, unsigned count,
                      int (*one)(const uint8_t *, size_t))
{
    size_t at = 0;
    for (unsigned i = 0; i < count; i++) {
        int n = one(p + at, left - at);
        if (n < 0)
            return -1;
        at += (size_t)n;
    }
    return (int)at;
}

int pdu_dests_bytes(const uint8_t *p, size_t left, unsigned count)
{
    return list_bytes(p, left, count, dest_bytes);
}

int pdu_unsuccess_bytes(const uint8_t *p, size_t left, unsigned count)
{
    return list_bytes(p, left, count, unsuccess_bytes);
}

static struct smpp_str text_at(const uint8_t *p)
{
    return (struct smpp_str){ .ptr = (const char *)p, .len = (uint32_t)strlen((const char *)p) };
}

int smpp_dest_next(const struct smpp_str *dests, uint32_t *at, struct smpp_dest *dest)
{
    const uint8_t *p = (const uint8_t *)dests->ptr + *at;
    int n = *at < dests->len ? dest_bytes(p, dests->len - *at) : -1;
    if (n < 0)
        return 0;
    *dest = (struct smpp_dest){ 0 };
    if (p[0] == DEST_LIST)
        dest->list = text_at(p + 1);
    else
        dest->address = (struct smpp_address){ .ton = p[1], .npi = p[2], .addr = text_at(p + 3) };
    *at += (uint32_t)n;
    return 1;
}

int smpp_unsuccess_next(const struct smpp_str *list, uint32_t *at, struct smpp_unsuccess *failed)
{
    const uint8_t *p = (const uint8_t *)list->ptr + *at;
    int n = *at < list->len ? unsuccess_bytes(p, list->len - *at) : -1;
    if (n < 0)
        return 0;
    failed->address = (struct smpp_address){ .ton = p[0], .npi = p[1], .addr = text_at(p + 2) };
    failed->status = pdu_u32(p + n - 4);
    *at += (uint32_t)n;
    return 1;
}

/* A text that would break the list is not written at all. */
static int fits(struct smpp_out *out, const struct smpp_str *text)
{
    if (text->len >= ADDRESS_OCTETS || (text->len && memchr(text->ptr, 0, text->len)))
        out->full = 1;
    return !out->full;
}

static void put_list_address(uint8_t *p, const struct smpp_address *address)
{
    p[0] = address->ton;
    p[1] = address->npi;
    copy(p + 2, address->addr.ptr, address->addr.len);
    p[2 + address->addr.len] = 0;
}

void smpp_dest_put(struct smpp_out *out, const struct smpp_dest *dest)
{
    const struct smpp_str *text = dest->list.ptr ? &dest->list : &dest->address.addr;
    uint8_t *p = fits(out, text) ? take(out, (dest->list.ptr ? 2 : 4) + (size_t)text->len) : NULL;
    if (!p)
        return;
    if (dest->list.ptr) {
        p[0] = DEST_LIST;
        copy(p + 1, text->ptr, text->len);
        p[1 + text->len] = 0;
    } else {
        p[0] = DEST_ADDRESS;
        put_list_address(p + 1, &dest->address);
    }
}

void smpp_unsuccess_put(struct smpp_out *out, const struct smpp_unsuccess *failed)
{
    uint32_t len = failed->address.addr.len;
    uint8_t *p = fits(out, &failed->address.addr) ? take(out, (size_t)len + 7) : NULL;
    if (!p)
        return;
    put_list_address(p, &failed->address);
    pdu_put_u32(p + 3 + len, failed->status);
}
