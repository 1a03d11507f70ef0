/* SPDX-License-Identifier: Apache-2.0
 * pdu_read.c - bytes to struct smpp_pdu.
 *
 * Two ways to the same result. submit_sm, deliver_sm and the responses of the hot path are read by
 * straight code, which knows only "good" or "not good"; whatever is not good, and every other
 * command, goes through the tables, which can name the field. So the fast way needs no error
 * handling and the slow one no speed.
 *
 * Thread: any. Nothing allocates, nothing blocks.
 */
#include "pdu_int.h"
#include <string.h>

int smpp_frame(const uint8_t *bytes, size_t len, struct smpp_error *err)
{
    if (len < 4)
        return 0;
    uint32_t wanted = pdu_u32(bytes);
    if (wanted < SMPP_HEADER_BYTES || wanted > SMPP_PDU_MAX)
        return pdu_fault(
            err, SMPP_RINVCMDLEN, "command_length",
            wanted < SMPP_HEADER_BYTES ? "is shorter than a header" : "is beyond 65536 octets", 0);
    return wanted <= len ? (int)wanted : 0;
}

/* --- the fast way ----------------------------------------------------------------------------- */

struct cursor {
    const uint8_t *p, *end;
};

/* Octets before the first NUL among the next `max`, or -1. Eight at a time while they are there. */
static inline int text_length(const uint8_t *p, const uint8_t *end, int max)
{
    int n = 0;
    while (n < max && end - (p + n) >= 8) {
        uint64_t word;
        memcpy(&word, p + n, 8);
        uint64_t zeros = (word - 0x0101010101010101u) & ~word & 0x8080808080808080u;
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
        if (zeros)
            return n + (__builtin_ctzll(zeros) >> 3) < max ? n + (__builtin_ctzll(zeros) >> 3) : -1;
#else
        if (zeros)
            break; /* its lowest bit is not the first octet here */
#endif
        n += 8;
    }
    for (; n < max && p + n < end; n++)
        if (!p[n])
            return n;
    return -1;
}

static inline int fast_text(struct cursor *c, struct smpp_str *to, int max)
{
    int n = c->p < c->end && !*c->p ? 0 : text_length(c->p, c->end, max);
    if (n < 0)
        return -1;
    *to = (struct smpp_str){ .ptr = (const char *)c->p, .len = (uint32_t)n };
    c->p += n + 1;
    return 0;
}

static inline int fast_address(struct cursor *c, struct smpp_address *to)
{
    if (c->end - c->p < 3)
        return -1;
    to->ton = c->p[0];
    to->npi = c->p[1];
    c->p += 2;
    return fast_text(c, &to->addr, 21);
}

/* submit_sm and deliver_sm. */
static int fast_sm(struct smpp_pdu *pdu, struct cursor *c)
{
    struct smpp_sm *sm = &pdu->sm;
    sm->message_id = sm->dests = (struct smpp_str){ 0 };
    sm->dest_count = 0;
    if (fast_text(c, &sm->service_type, 6) || fast_address(c, &sm->from) ||
        fast_address(c, &sm->to) || c->end - c->p < 3)
        return -1;
    sm->esm_class = c->p[0];
    sm->protocol_id = c->p[1];
    sm->priority = c->p[2];
    c->p += 3;
    if (fast_text(c, &sm->schedule, 17) || fast_text(c, &sm->validity, 17) || c->end - c->p < 5)
        return -1;
    sm->registered = c->p[0];
    sm->replace = c->p[1];
    sm->data_coding = c->p[2];
    sm->default_msg_id = c->p[3];
    uint32_t len = c->p[4];
    c->p += 5;
    if ((size_t)(c->end - c->p) < len)
        return -1;
    sm->text = (struct smpp_str){ .ptr = (const char *)c->p, .len = len };
    c->p += len;
    return 0;
}

/* 1 when it is done, 0 when the tables must look. */
static int fast_read(struct smpp_pdu *pdu, const uint8_t *bytes, size_t len)
{
    struct cursor c = { .p = bytes + SMPP_HEADER_BYTES, .end = bytes + len };
    size_t at = 0;
    if (pdu->command == SMPP_SUBMIT_SM || pdu->command == SMPP_DELIVER_SM) {
        if (fast_sm(pdu, &c))
            return 0;
    } else if (pdu->command == (SMPP_SUBMIT_SM | SMPP_RESP) ||
               pdu->command == (SMPP_DELIVER_SM | SMPP_RESP)) {
        pdu->reply = (struct smpp_reply){ 0 };
        if (c.p < c.end && fast_text(&c, &pdu->reply.id, 65))
            return 0;
    } else {
        return 0;
    }
    pdu->tlvs = (struct smpp_tlvs){ .ptr = c.p, .bytes = (uint32_t)(c.end - c.p) };
    return c.p == c.end || pdu_tlvs_scan(c.p, pdu->tlvs.bytes, &at) == 0;
}

/* --- the way by the tables -------------------------------------------------------------------- */

struct reader {
    const uint8_t *bytes;
    size_t at, len;
    struct smpp_error *err;
};

static int short_of(const struct reader *r, const struct field *field)
{
    return pdu_fault(r->err, SMPP_RINVCMDLEN, field->name, "lies beyond the end of the PDU", r->at);
}

static int read_text(struct reader *r, const struct field *field, struct smpp_str *to)
{
    const uint8_t *p = r->bytes + r->at;
    size_t left = r->len - r->at, most = left < field->max ? left : field->max;
    const uint8_t *end = most ? memchr(p, 0, most) : NULL;
    if (!end && left < field->max)
        return short_of(r, field);
    if (!end)
        return pdu_fault(r->err, field->status, field->name, "is longer than it may be", r->at);
    *to = (struct smpp_str){ .ptr = (const char *)p, .len = (uint32_t)(end - p) };
    r->at += to->len + 1;
    return 0;
}

static int read_message(struct reader *r, const struct field *field, struct smpp_str *to)
{
    uint32_t len = r->bytes[r->at];
    if (r->len - r->at - 1 < len)
        return pdu_fault(r->err, field->status, field->name, "has fewer octets than sm_length says",
                         r->at);
    *to = (struct smpp_str){ .ptr = (const char *)r->bytes + r->at + 1, .len = len };
    r->at += len + 1;
    return 0;
}

static int read_list(struct reader *r, const struct field *field, struct smpp_str *to,
                     uint8_t *count)
{
    unsigned n = r->bytes[r->at];
    const uint8_t *p = r->bytes + r->at + 1;
    size_t left = r->len - r->at - 1;
    int is_dests = field->kind == FIELD_DESTS;
    if (is_dests && (n == 0 || n > SMPP_DESTS_MAX))
        return pdu_fault(r->err, field->status, "number_of_dests", "is not 1 to 254", r->at);
    int bytes = is_dests ? pdu_dests_bytes(p, left, n) : pdu_unsuccess_bytes(p, left, n);
    if (bytes < 0)
        return pdu_fault(r->err, is_dests ? SMPP_RINVDSTADR : SMPP_RINVCMDLEN, field->name,
                         "has an entry that is broken", r->at + 1);
    *to = (struct smpp_str){ .ptr = (const char *)p, .len = (uint32_t)bytes };
    *count = (uint8_t)n;
    r->at += (size_t)bytes + 1;
    return 0;
}

static int read_field(struct reader *r, const struct field *field, struct smpp_pdu *pdu)
{
    char *to = (char *)pdu + field->at;
    if (field->kind == FIELD_TEXT || field->kind == FIELD_SECRET)
        return read_text(r, field, (struct smpp_str *)(void *)to);
    if (r->at >= r->len)
        return short_of(r, field);
    if (field->kind == FIELD_MESSAGE)
        return read_message(r, field, (struct smpp_str *)(void *)to);
    if (field->kind != FIELD_OCTET)
        return read_list(r, field, (struct smpp_str *)(void *)to, (uint8_t *)pdu + field->count_at);
    *(uint8_t *)to = r->bytes[r->at++];
    return 0;
}

static int table_read(struct smpp_pdu *pdu, const struct command *command, struct reader *r)
{
    pdu->tlvs = (struct smpp_tlvs){ 0 };
    memset(&pdu->sm, 0, sizeof pdu->sm);
    memset(&pdu->reply, 0, sizeof pdu->reply);
    memset(&pdu->query, 0, sizeof pdu->query);
    /* What follows a header that stands alone is nobody's; some send a stray NUL. */
    if (!command->fields)
        return 0;
    /* A response may end where its sender thought enough was said. */
    int is_response = command->id & SMPP_RESP ? 1 : 0;
    for (const struct field *f = command->fields; f->kind; f++) {
        if (is_response && r->at == r->len)
            return 0;
        if (read_field(r, f, pdu))
            return -1;
    }
    size_t bytes = r->len - r->at, bad = 0;
    if (bytes && pdu_tlvs_scan(r->bytes + r->at, bytes, &bad) != 0)
        return pdu_fault(r->err, SMPP_RINVTLVSTREAM, "tlv", "does not end with the PDU",
                         r->at + bad);
    pdu->tlvs = (struct smpp_tlvs){ .ptr = r->bytes + r->at, .bytes = (uint32_t)bytes };
    return 0;
}

int smpp_pdu_read(struct smpp_pdu *pdu, const uint8_t *bytes, size_t len, struct smpp_error *err)
{
    if (len < SMPP_HEADER_BYTES || len > SMPP_PDU_MAX || pdu_u32(bytes) != len) {
        pdu->command = pdu->status = pdu->sequence = 0;
        if (len >= SMPP_HEADER_BYTES) {
            pdu->command = pdu_u32(bytes + 4);
            pdu->sequence = pdu_u32(bytes + 12);
        }
        return pdu_fault(err, SMPP_RINVCMDLEN, "command_length", "is not the PDU's length", 0);
    }
    pdu->command = pdu_u32(bytes + 4);
    pdu->status = pdu_u32(bytes + 8);
    pdu->sequence = pdu_u32(bytes + 12);
    if (fast_read(pdu, bytes, len))
        return 0;
    const struct command *command = pdu_command(pdu->command);
    if (!command)
        return pdu_fault(err, SMPP_RINVCMDID, "command_id", "is none we know", 4);
    struct reader r = { .bytes = bytes, .at = SMPP_HEADER_BYTES, .len = len, .err = err };
    return table_read(pdu, command, &r);
}
