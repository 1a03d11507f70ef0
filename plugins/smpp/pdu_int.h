/* SPDX-License-Identifier: Apache-2.0
 * pdu_int.h - the tables of the codec: which fields a command has, in their order on the wire.
 *
 * Reading, writing and printing walk the same rows, so a command is described once. The commands of
 * the hot path have hand-written twins (pdu_fast.h) which give up on whatever is unusual.
 *
 * Thread: any. Nothing allocates, nothing blocks.
 */
#ifndef SMPP_PDU_INT_H
#define SMPP_PDU_INT_H
#include "pdu.h"
#include "status.h"

enum field_kind {
    FIELD_END = 0,
    FIELD_TEXT,   /* C-octet string: NUL at its end */
    FIELD_SECRET, /* the same, never printed */
    FIELD_OCTET,
    FIELD_MESSAGE,  /* sm_length and short_message */
    FIELD_DESTS,    /* number_of_dests and their list */
    FIELD_UNSUCCESS /* no_unsuccess and their list */
};

struct field {
    const char *name;
    uint8_t kind;      /* enum field_kind */
    uint8_t max;       /* octets of a text with its NUL */
    uint16_t status;   /* what is answered when it is wrong */
    uint16_t at;       /* offset in struct smpp_pdu */
    uint16_t count_at; /* of a list's count */
};

struct command {
    uint32_t id;
    const char *name;
    const struct field *fields; /* NULL: a header alone */
};

/* NULL when the command is none of ours. */
const struct command *pdu_command(uint32_t id);

enum tlv_kind { TLV_NUMBER = 1, TLV_TEXT, TLV_OCTETS };

struct tlv_row {
    uint16_t tag;
    uint8_t kind; /* enum tlv_kind */
    uint16_t min, max;
    const char *name;
};

/* NULL when the tag is not in the table. */
const struct tlv_row *pdu_tlv_row(uint16_t tag);

static inline uint32_t pdu_u32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static inline uint16_t pdu_u16(const uint8_t *p) { return (uint16_t)(p[0] << 8 | p[1]); }

static inline void pdu_put_u32(uint8_t *p, uint32_t value)
{
    p[0] = (uint8_t)(value >> 24);
    p[1] = (uint8_t)(value >> 16);
    p[2] = (uint8_t)(value >> 8);
    p[3] = (uint8_t)value;
}

static inline void pdu_put_u16(uint8_t *p, uint16_t value)
{
    p[0] = (uint8_t)(value >> 8);
    p[1] = (uint8_t)value;
}

static inline int pdu_fault(struct smpp_error *err, uint32_t status, const char *field,
                            const char *why, size_t at)
{
    if (err)
        *err =
            (struct smpp_error){ .status = status, .field = field, .why = why, .at = (uint32_t)at };
    return -1;
}

/* Days from 1970 to a date of the Gregorian calendar. */
int64_t pdu_days(int year, int month, int day);

/* The octets of a list of `count` destinations (or failed ones) that begins at `p`, or -1. */
int pdu_dests_bytes(const uint8_t *p, size_t left, unsigned count);
int pdu_unsuccess_bytes(const uint8_t *p, size_t left, unsigned count);

/* 0 when the TLVs fill `bytes` exactly, else -1 and `*at`. */
int pdu_tlvs_scan(const uint8_t *p, size_t bytes, size_t *at);

#endif
