/* SPDX-License-Identifier: Apache-2.0
 * pdu.h - SMPP 3.4 and the useful part of 5.0 on the wire: bytes to plain structs and back.
 *
 * Reading copies nothing: every text and every list of a struct smpp_pdu points into the bytes it
 * was read from and is good as long as they are. Writing takes the same struct and a buffer of the
 * caller, whose exact size smpp_pdu_size() tells. A struct that is all zero but for its command is
 * a PDU with empty fields, so a caller sets what it means and no more.
 *
 *     stream ──smpp_frame──> one PDU ──smpp_pdu_read──> struct smpp_pdu ──smpp_pdu_write──> bytes
 *
 * What a peer sends wrongly is an error with the name of the field and the command_status to answer
 * with (SMPP_STATUS of status.h); only a bad length ends the connection, because the stream cannot
 * be followed any more.
 *
 * Thread: any. Nothing allocates, nothing blocks, there is no state.
 */
#ifndef SMPP_PDU_H
#define SMPP_PDU_H
#include <stddef.h>
#include <stdint.h>

enum {
    SMPP_HEADER_BYTES = 16,
    SMPP_PDU_MAX = 65536, /* a longer one is no PDU */
    SMPP_TEXT_MAX = 254,  /* octets of short_message; longer texts go in message_payload */
    SMPP_DESTS_MAX = 254, /* of one submit_multi */
    SMPP_VERSION_34 = 0x34,
    SMPP_VERSION_50 = 0x50
};

enum smpp_command {
    SMPP_GENERIC_NACK = (int)0x80000000,
    SMPP_BIND_RECEIVER = 0x01,
    SMPP_BIND_TRANSMITTER = 0x02,
    SMPP_QUERY_SM = 0x03,
    SMPP_SUBMIT_SM = 0x04,
    SMPP_DELIVER_SM = 0x05,
    SMPP_UNBIND = 0x06,
    SMPP_REPLACE_SM = 0x07,
    SMPP_CANCEL_SM = 0x08,
    SMPP_BIND_TRANSCEIVER = 0x09,
    SMPP_OUTBIND = 0x0b,
    SMPP_ENQUIRE_LINK = 0x15,
    SMPP_SUBMIT_MULTI = 0x21,
    SMPP_ALERT_NOTIFICATION = 0x102,
    SMPP_DATA_SM = 0x103,
    SMPP_BROADCAST_SM = 0x111,
    SMPP_QUERY_BROADCAST_SM = 0x112,
    SMPP_CANCEL_BROADCAST_SM = 0x113
};
#define SMPP_RESP 0x80000000u /* or-ed to a request's command: its response */

/* Octets of a field; the NUL that ends a text is not counted. Borrowed. */
struct smpp_str {
    const char *ptr;
    uint32_t len;
};

struct smpp_address {
    uint8_t ton, npi; /* enum smpp_ton, smpp_npi of address.h */
    struct smpp_str addr;
};

/* The optional parameters as they lie on the wire; empty: none. Read with smpp_tlv_*(), made with a
 * struct smpp_out. Unknown ones are kept. */
struct smpp_tlvs {
    const uint8_t *ptr;
    uint32_t bytes;
};

struct smpp_tlv {
    uint16_t tag, len;
    const uint8_t *value;
};

/* bind_*, and outbind (system_id and password only). */
struct smpp_bind {
    struct smpp_str system_id, password, system_type;
    uint8_t interface_version;
    struct smpp_address range; /* which addresses the ESME serves; mostly empty */
};

/* submit_sm, deliver_sm, data_sm, submit_multi, replace_sm, broadcast_sm: each uses what it has.
 * data_sm has no priority, times, replace, default_msg_id and text (it carries message_payload). */
struct smpp_sm {
    struct smpp_str service_type;
    struct smpp_str message_id;   /* replace_sm, broadcast_sm */
    struct smpp_address from, to; /* submit_multi has dests instead of `to` */
    struct smpp_str dests;        /* submit_multi: the list as on the wire, smpp_dest_next() */
    uint8_t dest_count;           /* ... and its length */
    uint8_t esm_class, protocol_id, priority;
    struct smpp_str schedule, validity;
    uint8_t registered, replace, data_coding, default_msg_id;
    struct smpp_str text; /* short_message: octets, with the UDH if esm_class says so */
};

/* Responses that name a message (submit_sm_resp, deliver_sm_resp, data_sm_resp, submit_multi_resp,
 * broadcast_sm_resp, query_broadcast_sm_resp) or a system (bind_*_resp). */
struct smpp_reply {
    struct smpp_str id;        /* message_id; of bind_*_resp the SMSC's system_id */
    struct smpp_str unsuccess; /* submit_multi_resp: the list, smpp_unsuccess_next() */
    uint8_t unsuccess_count;
    /* query_sm_resp only */
    struct smpp_str final_date;
    uint8_t message_state, error_code;
};

/* query_sm, cancel_sm, query_broadcast_sm, cancel_broadcast_sm; alert_notification uses from and to
 * (source and esme address). */
struct smpp_query {
    struct smpp_str service_type, message_id;
    struct smpp_address from, to;
};

struct smpp_pdu {
    uint32_t command; /* enum smpp_command, | SMPP_RESP */
    uint32_t status;  /* command_status; 0 in requests */
    uint32_t sequence;
    struct smpp_tlvs tlvs;
    union {
        struct smpp_sm sm;
        struct smpp_bind bind;
        struct smpp_reply reply;
        struct smpp_query query;
    };
};

/* What is wrong with a PDU. `field` and `why` are constants. */
struct smpp_error {
    uint32_t status;   /* the command_status to answer with */
    const char *field; /* "short_message", "command_length" ... */
    const char *why;
    uint32_t at; /* octet of the PDU, where that can be said */
};

/* --- the stream ------------------------------------------------------------------------------- */

/* The length of the PDU that begins at `bytes` when it is there whole; 0: more must come; -1: its
 * length is impossible and the connection must end (err). */
int smpp_frame(const uint8_t *bytes, size_t len, struct smpp_error *err);

/* --- reading and writing ---------------------------------------------------------------------- */

/* Reads one PDU of exactly `len` octets. 0, or -1 with err; the header (command, status, sequence)
 * is set in both cases when len >= 16, so that an answer can be given. An unknown command is -1
 * with status ESME_RINVCMDID, to be answered with generic_nack (not when it is a response itself).
 * Responses may lack their body, as many peers send them when status is not 0. */
int smpp_pdu_read(struct smpp_pdu *pdu, const uint8_t *bytes, size_t len, struct smpp_error *err);

/* The octets smpp_pdu_write() will write, 0 when the PDU cannot be written. */
size_t smpp_pdu_size(const struct smpp_pdu *pdu);

/* Writes a PDU to `to`; returns its octets, or -1 with err when it does not fit or a field is
 * longer than SMPP allows. A submit_sm_resp with a status and no id is a header alone, as 3.4 wants
 * it. */
int smpp_pdu_write(const struct smpp_pdu *pdu, uint8_t *to, size_t room, struct smpp_error *err);

/* A PDU that is a header alone (enquire_link and its response, unbind, generic_nack, errors): 16
 * octets to `to`. */
void smpp_header_write(uint8_t to[SMPP_HEADER_BYTES], uint32_t command, uint32_t status,
                       uint32_t sequence);

/* A response with one text (submit_sm_resp, deliver_sm_resp ...): 17 + len octets, len <= 64. The
 * fastest way; no check is made. */
size_t smpp_reply_write(uint8_t *to, uint32_t command, uint32_t status, uint32_t sequence,
                        const char *id, size_t len);

/* "submit_sm", "submit_sm_resp" ...; "unknown" for what is none. */
const char *smpp_command_name(uint32_t command);

/* 1 for commands smpp_pdu_read() knows. */
int smpp_command_known(uint32_t command);

/* One line for a log, NUL-ended, cut at `room`: passwords are masked, of texts only the length is
 * shown unless `with_text`. Returns its length. */
size_t smpp_pdu_print(const struct smpp_pdu *pdu, int with_text, char *to, size_t room);

/* --- times ------------------------------------------------------------------------------------ */

enum { SMPP_TIME_BYTES = 17 };

/* When validity_period, schedule_delivery_time or final_date is: "YYMMDDhhmmsstnn+" with quarters
 * of an hour before ("+") or behind ("-") UTC, or "YYMMDDhhmmss000R" from now on, a year of 365 and
 * a month of 30 days. 1 with microseconds since 1970, 0 when the field is empty, -1 when it is no
 * time. */
int smpp_time_read(const struct smpp_str *text, int64_t now_us, int64_t *at_us);

/* The relative form of so many seconds, at most a hundred years; returns 16, its length. */
size_t smpp_time_write(int64_t seconds, char to[SMPP_TIME_BYTES]);

/* --- lists and optional parameters are made in a buffer of the caller --------------------------
 */

/* Once `full` is set nothing more is written. */
struct smpp_out {
    uint8_t *to;
    uint32_t used, room;
    int full;
};

static inline struct smpp_out smpp_out_of(void *to, size_t room)
{
    return (struct smpp_out){ .to = (uint8_t *)to, .room = (uint32_t)room };
}

/* --- TLVs ------------------------------------------------------------------------------------- */

enum smpp_tag {
    SMPP_TAG_DEST_ADDR_SUBUNIT = 0x0005,
    SMPP_TAG_DEST_NETWORK_TYPE = 0x0006,
    SMPP_TAG_DEST_BEARER_TYPE = 0x0007,
    SMPP_TAG_DEST_TELEMATICS_ID = 0x0008,
    SMPP_TAG_SOURCE_ADDR_SUBUNIT = 0x000d,
    SMPP_TAG_SOURCE_NETWORK_TYPE = 0x000e,
    SMPP_TAG_SOURCE_BEARER_TYPE = 0x000f,
    SMPP_TAG_SOURCE_TELEMATICS_ID = 0x0010,
    SMPP_TAG_QOS_TIME_TO_LIVE = 0x0017,
    SMPP_TAG_PAYLOAD_TYPE = 0x0019,
    SMPP_TAG_ADDITIONAL_STATUS_INFO_TEXT = 0x001d,
    SMPP_TAG_RECEIPTED_MESSAGE_ID = 0x001e,
    SMPP_TAG_MS_MSG_WAIT_FACILITIES = 0x0030,
    SMPP_TAG_PRIVACY_INDICATOR = 0x0201,
    SMPP_TAG_SOURCE_SUBADDRESS = 0x0202,
    SMPP_TAG_DEST_SUBADDRESS = 0x0203,
    SMPP_TAG_USER_MESSAGE_REFERENCE = 0x0204,
    SMPP_TAG_USER_RESPONSE_CODE = 0x0205,
    SMPP_TAG_SOURCE_PORT = 0x020a,
    SMPP_TAG_DESTINATION_PORT = 0x020b,
    SMPP_TAG_SAR_MSG_REF_NUM = 0x020c,
    SMPP_TAG_LANGUAGE_INDICATOR = 0x020d,
    SMPP_TAG_SAR_TOTAL_SEGMENTS = 0x020e,
    SMPP_TAG_SAR_SEGMENT_SEQNUM = 0x020f,
    SMPP_TAG_SC_INTERFACE_VERSION = 0x0210,
    SMPP_TAG_CALLBACK_NUM_PRES_IND = 0x0302,
    SMPP_TAG_CALLBACK_NUM_ATAG = 0x0303,
    SMPP_TAG_NUMBER_OF_MESSAGES = 0x0304,
    SMPP_TAG_CALLBACK_NUM = 0x0381,
    SMPP_TAG_DPF_RESULT = 0x0420,
    SMPP_TAG_SET_DPF = 0x0421,
    SMPP_TAG_MS_AVAILABILITY_STATUS = 0x0422,
    SMPP_TAG_NETWORK_ERROR_CODE = 0x0423,
    SMPP_TAG_MESSAGE_PAYLOAD = 0x0424,
    SMPP_TAG_DELIVERY_FAILURE_REASON = 0x0425,
    SMPP_TAG_MORE_MESSAGES_TO_SEND = 0x0426,
    SMPP_TAG_MESSAGE_STATE = 0x0427,
    SMPP_TAG_CONGESTION_STATE = 0x0428,
    SMPP_TAG_USSD_SERVICE_OP = 0x0501,
    SMPP_TAG_BROADCAST_CHANNEL_INDICATOR = 0x0600,
    SMPP_TAG_BROADCAST_CONTENT_TYPE = 0x0601,
    SMPP_TAG_BROADCAST_CONTENT_TYPE_INFO = 0x0602,
    SMPP_TAG_BROADCAST_MESSAGE_CLASS = 0x0603,
    SMPP_TAG_BROADCAST_REP_NUM = 0x0604,
    SMPP_TAG_BROADCAST_FREQUENCY_INTERVAL = 0x0605,
    SMPP_TAG_BROADCAST_AREA_IDENTIFIER = 0x0606,
    SMPP_TAG_BROADCAST_ERROR_STATUS = 0x0607,
    SMPP_TAG_BROADCAST_AREA_SUCCESS = 0x0608,
    SMPP_TAG_BROADCAST_END_TIME = 0x0609,
    SMPP_TAG_BROADCAST_SERVICE_GROUP = 0x060a,
    SMPP_TAG_BILLING_IDENTIFICATION = 0x060b,
    SMPP_TAG_SOURCE_NETWORK_ID = 0x060d,
    SMPP_TAG_DEST_NETWORK_ID = 0x060e,
    SMPP_TAG_SOURCE_NODE_ID = 0x060f,
    SMPP_TAG_DEST_NODE_ID = 0x0610,
    SMPP_TAG_DEST_ADDR_NP_RESOLUTION = 0x0611,
    SMPP_TAG_DEST_ADDR_NP_INFORMATION = 0x0612,
    SMPP_TAG_DEST_ADDR_NP_COUNTRY = 0x0613,
    SMPP_TAG_DISPLAY_TIME = 0x1201,
    SMPP_TAG_SMS_SIGNAL = 0x1203,
    SMPP_TAG_MS_VALIDITY = 0x1204,
    SMPP_TAG_ALERT_ON_MESSAGE_DELIVERY = 0x130c,
    SMPP_TAG_ITS_REPLY_TYPE = 0x1380,
    SMPP_TAG_ITS_SESSION_INFO = 0x1383
};

/* Steps through the TLVs: `*at` begins at 0. 1 with `tlv`, or 0 at the end. */
int smpp_tlv_next(const struct smpp_tlvs *tlvs, uint32_t *at, struct smpp_tlv *tlv);

/* The first of that tag: 1, or 0 when there is none. */
int smpp_tlv_find(const struct smpp_tlvs *tlvs, uint16_t tag, struct smpp_tlv *tlv);

/* A number of 1 to 4 octets; 1, or 0 when there is none or it has another length. */
int smpp_tlv_number(const struct smpp_tlvs *tlvs, uint16_t tag, uint32_t *value);

/* A text, with or without the NUL at its end (peers do both). 1, or 0 when there is none. */
int smpp_tlv_text(const struct smpp_tlvs *tlvs, uint16_t tag, struct smpp_str *value);

/* Whether known TLVs have a length their definition allows: 0, or -1 with err (ESME_RINVTLVLEN).
 * For those who serve; readers of receipts had better be lenient. */
int smpp_tlv_check(const struct smpp_tlvs *tlvs, struct smpp_error *err);

/* "message_payload" ...; NULL for one not in the table. */
const char *smpp_tlv_name(uint16_t tag);

void smpp_tlv_put(struct smpp_out *out, uint16_t tag, const void *value, size_t len);
void smpp_tlv_put_number(struct smpp_out *out, uint16_t tag, uint32_t value, unsigned octets);
void smpp_tlv_put_text(struct smpp_out *out, uint16_t tag, const char *text,
                       size_t len); /* and NUL */

/* The TLVs written so far, as smpp_pdu.tlvs wants them. */
static inline struct smpp_tlvs smpp_tlvs_of(const struct smpp_out *out)
{
    return (struct smpp_tlvs){ .ptr = out->to, .bytes = out->used };
}

/* --- submit_multi ----------------------------------------------------------------------------- */

struct smpp_dest {
    struct smpp_address address; /* of a subscriber ... */
    struct smpp_str list; /* ... or the name of a distribution list; list.ptr NULL: address */
};

struct smpp_unsuccess {
    struct smpp_address address;
    uint32_t status;
};

/* As smpp_tlv_next(), over sm.dests and reply.unsuccess. */
int smpp_dest_next(const struct smpp_str *dests, uint32_t *at, struct smpp_dest *dest);
int smpp_unsuccess_next(const struct smpp_str *list, uint32_t *at, struct smpp_unsuccess *failed);

void smpp_dest_put(struct smpp_out *out, const struct smpp_dest *dest);
void smpp_unsuccess_put(struct smpp_out *out, const struct smpp_unsuccess *failed);

static inline struct smpp_str smpp_str_of_out(const struct smpp_out *out)
{
    return (struct smpp_str){ .ptr = (const char *)out->to, .len = out->used };
}

#endif
