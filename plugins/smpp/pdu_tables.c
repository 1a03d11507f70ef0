/* SPDX-License-Identifier: Apache-2.0
 * pdu_tables.c - every command's fields, as 3.4 (section 4) and 5.0 (section 4.1 on) list them.
 *
 * Limits are the standard's, but for system_id and password: half the world's accounts have
 * passwords of more than 8 characters, and refusing them helps nobody.
 *
 * Thread: any. Nothing allocates, nothing blocks.
 */
#include "pdu_int.h"

#define AT(member) ((uint16_t)offsetof(struct smpp_pdu, member))
#define TEXT(name, member, max, status)                                                            \
    {                                                                                              \
        name, FIELD_TEXT, max, status, AT(member), 0                                               \
    }
#define SECRET(name, member, max, status)                                                          \
    {                                                                                              \
        name, FIELD_SECRET, max, status, AT(member), 0                                             \
    }
#define OCTET(name, member, status)                                                                \
    {                                                                                              \
        name, FIELD_OCTET, 1, status, AT(member), 0                                                \
    }
/* NOLINTBEGIN(bugprone-macro-parentheses): `who` is joined with a string */
#define ADDRESS(who, name, member, max, status)                                                    \
    OCTET(who "_ton", member.ton, status), OCTET(who "_npi", member.npi, status),                  \
        TEXT(name, member.addr, max, status)
/* NOLINTEND(bugprone-macro-parentheses) */
#define END                                                                                        \
    {                                                                                              \
        NULL, FIELD_END, 0, 0, 0, 0                                                                \
    }

enum { SHORT_ADDRESS = 21, LONG_ADDRESS = 65, MESSAGE_ID = 65, TIME = 17, NAME = 65 };

#define SM_TIMES                                                                                   \
    TEXT("schedule_delivery_time", sm.schedule, TIME, SMPP_RINVSCHED),                             \
        TEXT("validity_period", sm.validity, TIME, SMPP_RINVEXPIRY)
#define SM_CODING                                                                                  \
    OCTET("replace_if_present_flag", sm.replace, SMPP_RINVREPFLAG),                                \
        OCTET("data_coding", sm.data_coding, SMPP_RINVDCS),                                        \
        OCTET("sm_default_msg_id", sm.default_msg_id, SMPP_RINVDFTMSGID)
#define SM_BODY                                                                                    \
    OCTET("esm_class", sm.esm_class, SMPP_RINVESMCLASS),                                           \
        OCTET("protocol_id", sm.protocol_id, SMPP_RSYSERR),                                        \
        OCTET("priority_flag", sm.priority, SMPP_RINVPRTFLG), SM_TIMES,                            \
        OCTET("registered_delivery", sm.registered, SMPP_RINVREGDLVFLG), SM_CODING, MESSAGE
#define MESSAGE                                                                                    \
    {                                                                                              \
        "short_message", FIELD_MESSAGE, 0, SMPP_RINVMSGLEN, AT(sm.text), 0                         \
    }
#define SERVICE     TEXT("service_type", sm.service_type, 6, SMPP_RINVSERTYP)
#define SOURCE(max) ADDRESS("source_addr", "source_addr", sm.from, max, SMPP_RINVSRCADR)
#define DEST(max)   ADDRESS("dest_addr", "destination_addr", sm.to, max, SMPP_RINVDSTADR)

static const struct field bind_fields[] = {
    TEXT("system_id", bind.system_id, NAME, SMPP_RINVSYSID),
    SECRET("password", bind.password, NAME, SMPP_RINVPASWD),
    TEXT("system_type", bind.system_type, 13, SMPP_RINVSYSTYP),
    OCTET("interface_version", bind.interface_version, SMPP_RBINDFAIL),
    OCTET("addr_ton", bind.range.ton, SMPP_RBINDFAIL),
    OCTET("addr_npi", bind.range.npi, SMPP_RBINDFAIL),
    TEXT("address_range", bind.range.addr, 41, SMPP_RBINDFAIL),
    END
};
static const struct field outbind_fields[] = {
    TEXT("system_id", bind.system_id, NAME, SMPP_RINVSYSID),
    SECRET("password", bind.password, NAME, SMPP_RINVPASWD), END
};
static const struct field bind_resp[] = { TEXT("system_id", reply.id, NAME, SMPP_RINVSYSID), END };
static const struct field message_id[] = { TEXT("message_id", reply.id, MESSAGE_ID, SMPP_RINVMSGID),
                                           END };
static const struct field submit_sm[] = { SERVICE, SOURCE(SHORT_ADDRESS), DEST(SHORT_ADDRESS),
                                          SM_BODY, END };
static const struct field submit_multi[] = { SERVICE,
                                             SOURCE(SHORT_ADDRESS),
                                             { "dest_address", FIELD_DESTS, 0, SMPP_RINVNUMDESTS,
                                               AT(sm.dests), AT(sm.dest_count) },
                                             SM_BODY,
                                             END };
static const struct field submit_multi_resp[] = {
    TEXT("message_id", reply.id, MESSAGE_ID, SMPP_RINVMSGID),
    { "unsuccess_sme", FIELD_UNSUCCESS, 0, SMPP_RINVNUMDESTS, AT(reply.unsuccess),
      AT(reply.unsuccess_count) },
    END
};
static const struct field data_sm[] = { SERVICE,
                                        SOURCE(LONG_ADDRESS),
                                        DEST(LONG_ADDRESS),
                                        OCTET("esm_class", sm.esm_class, SMPP_RINVESMCLASS),
                                        OCTET("registered_delivery", sm.registered,
                                              SMPP_RINVREGDLVFLG),
                                        OCTET("data_coding", sm.data_coding, SMPP_RINVDCS),
                                        END };
static const struct field replace_sm[] = {
    TEXT("message_id", sm.message_id, MESSAGE_ID, SMPP_RINVMSGID),
    SOURCE(SHORT_ADDRESS),
    SM_TIMES,
    OCTET("registered_delivery", sm.registered, SMPP_RINVREGDLVFLG),
    OCTET("sm_default_msg_id", sm.default_msg_id, SMPP_RINVDFTMSGID),
    MESSAGE,
    END
};
static const struct field broadcast_sm[] = { SERVICE,
                                             SOURCE(SHORT_ADDRESS),
                                             TEXT("message_id", sm.message_id, MESSAGE_ID,
                                                  SMPP_RINVMSGID),
                                             OCTET("priority_flag", sm.priority, SMPP_RINVPRTFLG),
                                             SM_TIMES,
                                             SM_CODING,
                                             END };

#define QUERY_ID      TEXT("message_id", query.message_id, MESSAGE_ID, SMPP_RINVMSGID)
#define QUERY_FROM    ADDRESS("source_addr", "source_addr", query.from, SHORT_ADDRESS, SMPP_RINVSRCADR)
#define QUERY_SERVICE TEXT("service_type", query.service_type, 6, SMPP_RINVSERTYP)

static const struct field query_sm[] = { QUERY_ID, QUERY_FROM, END };
static const struct field query_sm_resp[] = {
    TEXT("message_id", reply.id, MESSAGE_ID, SMPP_RINVMSGID),
    TEXT("final_date", reply.final_date, TIME, SMPP_RQUERYFAIL),
    OCTET("message_state", reply.message_state, SMPP_RQUERYFAIL),
    OCTET("error_code", reply.error_code, SMPP_RQUERYFAIL), END
};
static const struct field cancel_sm[] = {
    QUERY_SERVICE, QUERY_ID, QUERY_FROM,
    ADDRESS("dest_addr", "destination_addr", query.to, SHORT_ADDRESS, SMPP_RINVDSTADR), END
};
static const struct field cancel_broadcast_sm[] = { QUERY_SERVICE, QUERY_ID, QUERY_FROM, END };
static const struct field alert_notification[] = {
    ADDRESS("source_addr", "source_addr", query.from, LONG_ADDRESS, SMPP_RINVSRCADR),
    ADDRESS("esme_addr", "esme_addr", query.to, LONG_ADDRESS, SMPP_RINVDSTADR), END
};

/* By number below 0x22; requests beside their responses. */
enum { NEAR = 0x22 };
static const struct command near_commands[NEAR][2] = {
    [0x00] = { { 0 }, { SMPP_RESP, "generic_nack", NULL } },
    [0x01] = { { 0x01, "bind_receiver", bind_fields },
               { 0x01 | SMPP_RESP, "bind_receiver_resp", bind_resp } },
    [0x02] = { { 0x02, "bind_transmitter", bind_fields },
               { 0x02 | SMPP_RESP, "bind_transmitter_resp", bind_resp } },
    [0x03] = { { 0x03, "query_sm", query_sm },
               { 0x03 | SMPP_RESP, "query_sm_resp", query_sm_resp } },
    [0x04] = { { 0x04, "submit_sm", submit_sm },
               { 0x04 | SMPP_RESP, "submit_sm_resp", message_id } },
    [0x05] = { { 0x05, "deliver_sm", submit_sm },
               { 0x05 | SMPP_RESP, "deliver_sm_resp", message_id } },
    [0x06] = { { 0x06, "unbind", NULL }, { 0x06 | SMPP_RESP, "unbind_resp", NULL } },
    [0x07] = { { 0x07, "replace_sm", replace_sm }, { 0x07 | SMPP_RESP, "replace_sm_resp", NULL } },
    [0x08] = { { 0x08, "cancel_sm", cancel_sm }, { 0x08 | SMPP_RESP, "cancel_sm_resp", NULL } },
    [0x09] = { { 0x09, "bind_transceiver", bind_fields },
               { 0x09 | SMPP_RESP, "bind_transceiver_resp", bind_resp } },
    [0x0b] = { { 0x0b, "outbind", outbind_fields }, { 0 } },
    [0x15] = { { 0x15, "enquire_link", NULL }, { 0x15 | SMPP_RESP, "enquire_link_resp", NULL } },
    [0x21] = { { 0x21, "submit_multi", submit_multi },
               { 0x21 | SMPP_RESP, "submit_multi_resp", submit_multi_resp } },
};
static const struct command far_commands[] = {
    { 0x103, "data_sm", data_sm },
    { 0x103 | SMPP_RESP, "data_sm_resp", message_id },
    { 0x102, "alert_notification", alert_notification },
    { 0x111, "broadcast_sm", broadcast_sm },
    { 0x111 | SMPP_RESP, "broadcast_sm_resp", message_id },
    { 0x112, "query_broadcast_sm", query_sm },
    { 0x112 | SMPP_RESP, "query_broadcast_sm_resp", message_id },
    { 0x113, "cancel_broadcast_sm", cancel_broadcast_sm },
    { 0x113 | SMPP_RESP, "cancel_broadcast_sm_resp", NULL },
};

const struct command *pdu_command(uint32_t id)
{
    uint32_t number = id & ~SMPP_RESP;
    if (number < NEAR) {
        const struct command *c = &near_commands[number][id >> 31];
        return c->name ? c : NULL;
    }
    for (size_t i = 0; i < sizeof far_commands / sizeof *far_commands; i++)
        if (far_commands[i].id == id)
            return &far_commands[i];
    return NULL;
}

const char *smpp_command_name(uint32_t command)
{
    const struct command *c = pdu_command(command);
    return c ? c->name : "unknown";
}

int smpp_command_known(uint32_t command) { return pdu_command(command) != NULL; }
