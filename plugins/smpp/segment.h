/* SPDX-License-Identifier: Apache-2.0
 * segment.h - long messages: into parts, and parts back into one.
 *
 * Outbound: a text that is encoded already is cut where the alphabet allows it (never within an
 * escape pair or a surrogate pair) and each part is put into a PDU by the route's way: a header in
 * the text (UDH, 8 or 16 bits of reference), SAR parameters, or no parts at all but
 * message_payload. Inbound: a shelf collects parts by (from, to, reference, total), whatever their
 * order, and hands out the whole. What it holds is bounded in number, bytes and time; a clock is
 * passed in.
 *
 * Thread: any, one at a time for a shelf. Cutting allocates nothing; a shelf allocates per message
 * that has parts. Nothing blocks.
 */
#ifndef SMPP_SEGMENT_H
#define SMPP_SEGMENT_H
#include "gsm.h"
#include "pdu.h"

enum segment_way { SEGMENT_UDH8 = 1, SEGMENT_UDH16, SEGMENT_SAR, SEGMENT_PAYLOAD };

enum {
    SEGMENT_MAX = 255,                      /* parts of one message */
    SEGMENT_UDH_MAX = 20,                   /* octets of the longest header made here */
    SEGMENT_SCRATCH = 160 + SEGMENT_UDH_MAX /* room for one part: segment_fill() */
};

/* Units of a message that needs no concatenation, and of each part when it does. */
uint32_t segment_single(const struct gsm_coding *coding);
uint32_t segment_each(const struct gsm_coding *coding, enum segment_way way);

struct segment_plan {
    struct gsm_coding coding;
    uint8_t way;                      /* enum segment_way */
    uint8_t packed;                   /* septets packed on the wire (few SMSCs want it) */
    uint16_t parts;                   /* 1: no concatenation */
    uint32_t starts[SEGMENT_MAX + 1]; /* octets of the encoded text at which each part begins */
};

/* Cuts what gsm_encode() made. 0, or -1 when it needs more than 255 parts (or, as message_payload,
 * more octets than a PDU holds). */
int segment_plan_make(const uint8_t *coded, size_t len, const struct gsm_coding *coding,
                      enum segment_way way, int packed, struct segment_plan *plan);

/* Puts part `i` (from 0) into `pdu`: short_message with its header and esm_class bit 0x40, or the
 * SAR parameters or message_payload appended to `tlvs`, and data_coding. Other fields of pdu->sm
 * are left alone, pdu->tlvs is set to what `tlvs` holds. `scratch` has SEGMENT_SCRATCH octets and
 * must live until the PDU is written. 0, or -1 when `tlvs` has no room. */
int segment_fill(const struct segment_plan *plan, const uint8_t *coded, unsigned i,
                 uint16_t reference, uint8_t *scratch, struct smpp_out *tlvs, struct smpp_pdu *pdu);

/* --- one message or part that came in --------------------------------------------------------- */

struct segment_part {
    uint16_t reference;
    uint8_t total, number; /* number from 1; total 0 or 1: no part of anything */
    uint8_t wide;          /* 16 bits of reference */
    struct gsm_coding coding;
    const uint8_t *octets; /* the text without its header, septets unpacked */
    uint32_t len;
    uint16_t source_port, dest_port; /* application ports of the UDH; 0: none */
};

/* Finds out what submit_sm, deliver_sm or data_sm carries. `zero` as in gsm_alphabet_of();
 * `packed`: septets come packed on this route, `room` (SMPP_PDU_MAX octets) then takes them
 * unpacked. 0, or -1 when a header is broken (err). Unknown header elements are left out. */
int segment_read(const struct smpp_pdu *pdu, enum gsm_alphabet zero, int packed, uint8_t *room,
                 struct segment_part *part, struct smpp_error *err);

/* --- the shelf -------------------------------------------------------------------------------- */

struct segment_shelf;

struct segment_limits {
    uint32_t messages;   /* at most so many that are not whole; 0: 10,000 */
    uint32_t bytes;      /* ... and octets of them; 0: 16 MiB */
    uint32_t timeout_ms; /* 0: 60,000 */
};

/* A message that is whole, or one given up. Good until the next call on the shelf. */
struct segment_whole {
    struct gsm_coding coding;
    const uint8_t *octets; /* of the parts that came, in order */
    uint32_t len;
    uint16_t reference;
    uint8_t total, have;
    const uint64_t *tags; /* of the parts that came, in order of their numbers: `have` of them */
    struct smpp_address from, to;
    uint16_t source_port, dest_port;
};

struct segment_shelf *segment_shelf_create(const struct segment_limits *limits);
void segment_shelf_destroy(struct segment_shelf *shelf);

enum segment_took {
    SEGMENT_HELD = 1,  /* wait for the others */
    SEGMENT_WHOLE,     /* `whole` is set */
    SEGMENT_DUPLICATE, /* this part is here already; its tag was not taken */
    SEGMENT_CLASH,     /* other text under its number: the older message is given up in `whole` */
    SEGMENT_FULL /* not taken: the oldest message is given up in `whole`, put the part again. With
                  * whole->have 0 it is larger than the shelf and will never fit */
};

/* Takes a part in; `tag` is the caller's (a sequence number to answer later). The part's octets are
 * copied. `whole->have` is 0 when nothing is handed out. */
enum segment_took segment_shelf_put(struct segment_shelf *shelf, const struct smpp_address *from,
                                    const struct smpp_address *to, const struct segment_part *part,
                                    uint64_t tag, int64_t now_ms, struct segment_whole *whole);

/* The oldest that waited too long: 1 with `whole` (have < total), or 0. Call until it is 0. With
 * now_ms == INT64_MAX all that is left comes out. */
int segment_shelf_expired(struct segment_shelf *shelf, int64_t now_ms, struct segment_whole *whole);

/* When segment_shelf_expired() is due next, or -1. */
int64_t segment_shelf_due_ms(const struct segment_shelf *shelf);

uint32_t segment_shelf_messages(const struct segment_shelf *shelf);
uint32_t segment_shelf_bytes(const struct segment_shelf *shelf);

#endif
