/* SPDX-License-Identifier: Apache-2.0
 * receipt.h - delivery receipts: what became of a message, in all the forms SMSCs say it.
 *
 * A receipt is a deliver_sm or data_sm whose esm_class says so. What it means stands in TLVs, in a
 * text that everybody writes a little differently, or in both; the TLVs win. Its id may be written
 * in another base than submit_sm_resp wrote it, which only the route's settings can tell.
 *
 * Thread: any. Nothing allocates, nothing blocks.
 */
#ifndef SMPP_RECEIPT_H
#define SMPP_RECEIPT_H
#include "pdu.h"
#include <catalyst/channel.h>

enum smpp_message_state {
    SMPP_STATE_SCHEDULED = 0,
    SMPP_STATE_ENROUTE,
    SMPP_STATE_DELIVERED,
    SMPP_STATE_EXPIRED,
    SMPP_STATE_DELETED,
    SMPP_STATE_UNDELIVERABLE,
    SMPP_STATE_ACCEPTED,
    SMPP_STATE_UNKNOWN,
    SMPP_STATE_REJECTED,
    SMPP_STATE_SKIPPED,
    SMPP_STATES
};

enum receipt_kind {
    RECEIPT_NONE = 0,    /* a message of a person */
    RECEIPT_MC,          /* the SMSC's receipt: esm_class 0x04 */
    RECEIPT_DEVICE,      /* delivery acknowledgement of the phone: 0x08 */
    RECEIPT_USER,        /* the user's acknowledgement: 0x10 */
    RECEIPT_INTERMEDIATE /* a note on the way: 0x20 */
};

/* How a peer writes message ids. */
enum receipt_id_form {
    RECEIPT_ID_TEXT = 0, /* as it is; case and zeros count */
    RECEIPT_ID_DECIMAL,
    RECEIPT_ID_HEX
};

struct receipt_rules {
    uint8_t response_ids; /* enum receipt_id_form of submit_sm_resp */
    uint8_t receipt_ids;  /* ... and of receipts */
    uint8_t unmarked;     /* the SMSC forgets esm_class: a text that reads like a receipt is one */
    int16_t utc_minutes;  /* offset of the times in the text; SMSCs write local time */
};

enum { RECEIPT_ID_MAX = 64, RECEIPT_KEY_BYTES = 80, RECEIPT_TEXT_BYTES = 256 };

struct receipt {
    enum receipt_kind kind;
    struct smpp_str id;   /* as written; borrowed */
    uint8_t state;        /* enum smpp_message_state */
    uint8_t has_state;    /* 0: nothing was said, or a word nobody knows (state_text) */
    uint8_t network_type; /* of network_error_code, 0: none */
    uint16_t network_code;
    int16_t sub, dlvrd;         /* -1: not said */
    int64_t submit_us, done_us; /* since 1970; 0: not said */
    struct smpp_str state_text; /* "DELIVRD"; borrowed; empty when only the TLV said it */
    struct smpp_str error;      /* of err:, "000"; borrowed */
    struct smpp_str text;       /* of text:; borrowed */
};

/* 1 and `out` when the PDU is a receipt, 0 when it is none, -1 when it claims to be one but has no
 * id or no state (`out` has what there is). */
int receipt_read(const struct smpp_pdu *pdu, const struct receipt_rules *rules,
                 struct receipt *out);

/* Parses a receipt's text alone: 1 when there is an id or a state, else 0. Fields it does not find
 * are left as they are. */
int receipt_text_read(const char *text, size_t len, int utc_minutes, struct receipt *out);

/* The form under which an id is remembered and looked up: decimal without leading zeros for numbers
 * of the given form, else as it is. Same key for the id of the response and that of its receipt.
 * Returns its length; `key` is NUL-ended. */
size_t receipt_key(const char *id, size_t len, enum receipt_id_form form,
                   char key[RECEIPT_KEY_BYTES]);

/* Writes the text form, at most RECEIPT_TEXT_BYTES - 1 bytes and NUL; `text` is cut at 20. */
size_t receipt_text_write(const struct receipt *receipt, int utc_minutes,
                          char to[RECEIPT_TEXT_BYTES]);

/* Appends receipted_message_id, message_state and (if set) network_error_code. */
void receipt_tlvs_write(const struct receipt *receipt, struct smpp_out *out);

/* "DELIVRD" ...; "UNKNOWN" for a number of no table. */
const char *receipt_state_word(unsigned state);

/* SMPP's state in the words of catalyst/channel.h; 0 for UNKNOWN, which says nothing. `error_class`
 * (NULL allowed) is the class of a failure, 0 for none. */
enum wf_state receipt_state_of(unsigned state, enum wf_class *error_class);
unsigned receipt_state_from(enum wf_state state);

/* What a receipt's `code` is for an item: "err" of the text, else type and number of the network's
 * code ("3:8"), else "". Returns its length. */
size_t receipt_code(const struct receipt *receipt, char to[24]);

#endif
