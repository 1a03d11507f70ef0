/* SPDX-License-Identifier: Apache-2.0
 * The codec of SMPP: golden bytes of every command, both ways, and what becomes of PDUs that are
 * cut, too long, of no known command or made to break a log.
 */
#include "pdu.h"
#include "pdu_int.h"
#include "status.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#define S(text) ((struct smpp_str){ .ptr = (text), .len = sizeof(text) - 1 })

static size_t from_hex(const char *hex, uint8_t *to)
{
    size_t n = 0;
    for (; *hex; hex++) {
        unsigned value;
        if (*hex == ' ')
            continue;
        assert_int_equal(sscanf(hex, "%2x", &value), 1);
        to[n++] = (uint8_t)value;
        hex++;
    }
    return n;
}

/* The PDU writes as these bytes, and they read and write as themselves. */
static void golden(const struct smpp_pdu *pdu, const char *hex)
{
    static uint8_t wanted[1024], got[1024];
    struct smpp_error err = { 0 };
    struct smpp_pdu back;
    size_t len = from_hex(hex, wanted);
    int n = smpp_pdu_write(pdu, got, sizeof got, &err);
    if (n < 0)
        fail_msg("%s %s", err.field, err.why);
    assert_int_equal(n, len);
    assert_memory_equal(got, wanted, len);
    assert_int_equal(smpp_pdu_size(pdu), len);
    assert_int_equal(smpp_pdu_write(pdu, got, len - 1, &err), -1); /* one octet less is none */
    if (smpp_pdu_read(&back, wanted, len, &err) != 0)
        fail_msg("%s %s", err.field, err.why);
    memset(got, 0xaa, sizeof got);
    assert_int_equal(smpp_pdu_write(&back, got, sizeof got, &err), len);
    assert_memory_equal(got, wanted, len);
}

static const char submit_hex[] =
    "0000004f 00000004 00000000 00000007 434d5400 0500 41434d4500"
    "0101 34393135313132333435363700 40 00 01 00 3030303030303031303030303030305200"
    "01 00 00 00 05 0500036601 0204 0002 1234";

static struct smpp_pdu submit(void)
{
    static uint8_t tlv[6];
    struct smpp_out out = smpp_out_of(tlv, sizeof tlv);
    smpp_tlv_put_number(&out, SMPP_TAG_USER_MESSAGE_REFERENCE, 0x1234, 2);
    assert_false(out.full);
    return (struct smpp_pdu){
        .command = SMPP_SUBMIT_SM,
        .sequence = 7,
        .tlvs = smpp_tlvs_of(&out),
        .sm = { .service_type = S("CMT"),
                .from = { .ton = 5, .addr = S("ACME") },
                .to = { .ton = 1, .npi = 1, .addr = S("491511234567") },
                .esm_class = 0x40,
                .priority = 1,
                .validity = S("000000010000000R"),
                .registered = 1,
                .text = S("\x05\x00\x03\x66\x01") },
    };
}

static void submit_sm_both_ways(void **state)
{
    (void)state;
    struct smpp_pdu pdu = submit(), back;
    uint8_t bytes[128];
    size_t len = from_hex(submit_hex, bytes);
    golden(&pdu, submit_hex);
    assert_int_equal(smpp_pdu_read(&back, bytes, len, NULL), 0);
    assert_int_equal(back.sequence, 7);
    assert_int_equal(back.sm.from.ton, 5);
    assert_int_equal(back.sm.to.addr.len, 12);
    assert_memory_equal(back.sm.to.addr.ptr, "491511234567", 12);
    assert_ptr_equal(back.sm.to.addr.ptr, bytes + 16 + 4 + 2 + 5 + 2); /* borrowed, not copied */
    assert_int_equal(back.sm.esm_class, 0x40);
    assert_int_equal(back.sm.priority, 1);
    assert_int_equal(back.sm.registered, 1);
    assert_int_equal(back.sm.text.len, 5);
    uint32_t value = 0;
    assert_true(smpp_tlv_number(&back.tlvs, SMPP_TAG_USER_MESSAGE_REFERENCE, &value));
    assert_int_equal(value, 0x1234);
    pdu.command = SMPP_DELIVER_SM;
    char deliver[sizeof submit_hex + 1];
    snprintf(deliver, sizeof deliver, "%s", submit_hex);
    deliver[16] = '5';
    golden(&pdu, deliver);
}

static void every_other_command(void **state)
{
    (void)state;
    golden(&(struct smpp_pdu){ .command = SMPP_BIND_TRANSCEIVER,
                               .sequence = 1,
                               .bind = { .system_id = S("smppclient1"),
                                         .password = S("password"),
                                         .interface_version = 0x34,
                                         .range = { .ton = 1, .npi = 1, .addr = S("^49") } } },
           "0000002d 00000009 00000000 00000001 736d7070636c69656e743100 70617373776f726400"
           "00 34 01 01 5e343900");
    golden(&(struct smpp_pdu){ .command = SMPP_BIND_TRANSMITTER | SMPP_RESP,
                               .sequence = 1,
                               .tlvs = { (const uint8_t *)"\x02\x10\x00\x01\x34", 5 },
                               .reply = { .id = S("SMSC") } },
           "0000001a 80000002 00000000 00000001 534d534300 0210 0001 34");
    golden(&(struct smpp_pdu){ .command = SMPP_OUTBIND,
                               .sequence = 1,
                               .bind = { .system_id = S("a"), .password = S("b") } },
           "00000014 0000000b 00000000 00000001 6100 6200");
    golden(&(struct smpp_pdu){ .command = SMPP_SUBMIT_SM | SMPP_RESP,
                               .sequence = 2,
                               .reply = { .id = S("id-1") } },
           "00000015 80000004 00000000 00000002 69642d3100");
    golden(
        &(struct smpp_pdu){ .command = SMPP_SUBMIT_SM | SMPP_RESP, .status = 0x58, .sequence = 2 },
        "00000010 80000004 00000058 00000002");
    golden(&(struct smpp_pdu){ .command = SMPP_DELIVER_SM | SMPP_RESP, .status = 8, .sequence = 2 },
           "00000011 80000005 00000008 00000002 00");
    golden(&(struct smpp_pdu){ .command = SMPP_ENQUIRE_LINK, .sequence = 3 },
           "00000010 00000015 00000000 00000003");
    golden(&(struct smpp_pdu){ .command = (uint32_t)SMPP_GENERIC_NACK, .status = 3, .sequence = 3 },
           "00000010 80000000 00000003 00000003");
}

static void the_rarer_commands(void **state)
{
    (void)state;
    golden(&(struct smpp_pdu){ .command = SMPP_QUERY_SM,
                               .sequence = 4,
                               .query = { .message_id = S("77"),
                                          .from = { .ton = 1, .npi = 1, .addr = S("49") } } },
           "00000018 00000003 00000000 00000004 373700 0101 343900");
    golden(&(struct smpp_pdu){ .command = SMPP_QUERY_SM | SMPP_RESP,
                               .sequence = 4,
                               .reply = { .id = S("77"), .message_state = 2, .error_code = 9 } },
           "00000016 80000003 00000000 00000004 373700 00 02 09");
    golden(&(struct smpp_pdu){ .command = SMPP_CANCEL_SM,
                               .sequence = 5,
                               .query = { .service_type = S("X"),
                                          .message_id = S("7"),
                                          .from = { .ton = 1, .addr = S("1") },
                                          .to = { .npi = 1, .addr = S("2") } } },
           "0000001c 00000008 00000000 00000005 5800 3700 0100 3100 0001 3200");
    golden(&(struct smpp_pdu){ .command = SMPP_REPLACE_SM,
                               .sequence = 6,
                               .sm = { .message_id = S("7"),
                                       .from = { .ton = 1, .addr = S("1") },
                                       .registered = 1,
                                       .text = S("hi") } },
           "0000001d 00000007 00000000 00000006 3700 0100 3100 00 00 01 00 02 6869");
    golden(&(struct smpp_pdu){ .command = SMPP_DATA_SM,
                               .sequence = 8,
                               .tlvs = { (const uint8_t *)"\x04\x24\x00\x02hi", 6 },
                               .sm = { .from = { .ton = 1, .npi = 1, .addr = S("1") },
                                       .to = { .ton = 1, .npi = 1, .addr = S("2") },
                                       .registered = 1,
                                       .data_coding = 8 } },
           "00000022 00000103 00000000 00000008 00 0101 3100 0101 3200 00 01 08 0424 0002 6869");
    golden(&(struct smpp_pdu){ .command = SMPP_ALERT_NOTIFICATION,
                               .sequence = 9,
                               .tlvs = { (const uint8_t *)"\x04\x22\x00\x01\x00", 5 },
                               .query = { .from = { .ton = 1, .npi = 1, .addr = S("1") },
                                          .to = { .addr = S("2") } } },
           "0000001d 00000102 00000000 00000009 0101 3100 0000 3200 0422 0001 00");
    golden(&(struct smpp_pdu){ .command = SMPP_BROADCAST_SM,
                               .sequence = 10,
                               .sm = { .from = { .addr = S("1") },
                                       .message_id = S("m"),
                                       .priority = 1,
                                       .data_coding = 8 } },
           "0000001d 00000111 00000000 0000000a 00 0000 3100 6d00 01 00 00 00 08 00");
    golden(&(struct smpp_pdu){ .command = SMPP_CANCEL_BROADCAST_SM,
                               .sequence = 11,
                               .query = { .message_id = S("m"), .from = { .addr = S("1") } } },
           "00000017 00000113 00000000 0000000b 00 6d00 0000 3100");
}

static void submit_multi_and_its_failures(void **state)
{
    (void)state;
    uint8_t room[64], failed_room[64];
    struct smpp_out out = smpp_out_of(room, sizeof room);
    smpp_dest_put(&out, &(struct smpp_dest){ .address = { .ton = 1, .npi = 1, .addr = S("491") } });
    smpp_dest_put(&out, &(struct smpp_dest){ .list = S("friends") });
    assert_false(out.full);
    struct smpp_pdu pdu = { .command = SMPP_SUBMIT_MULTI,
                            .sequence = 1,
                            .sm = { .from = { .addr = S("1") },
                                    .dests = smpp_str_of_out(&out),
                                    .dest_count = 2,
                                    .text = S("x") } };
    const char *hex = "00000031 00000021 00000000 00000001 00 0000 3100 02 01 0101 34393100"
                      "02 667269656e647300 00 00 00 00 00 00 00 00 00 01 78";
    golden(&pdu, hex);
    uint8_t bytes[128];
    struct smpp_pdu back;
    assert_int_equal(smpp_pdu_read(&back, bytes, from_hex(hex, bytes), NULL), 0);
    struct smpp_dest dest;
    uint32_t at = 0;
    assert_int_equal(back.sm.dest_count, 2);
    assert_true(smpp_dest_next(&back.sm.dests, &at, &dest));
    assert_null(dest.list.ptr);
    assert_memory_equal(dest.address.addr.ptr, "491", 4);
    assert_true(smpp_dest_next(&back.sm.dests, &at, &dest));
    assert_string_equal(dest.list.ptr, "friends");
    assert_false(smpp_dest_next(&back.sm.dests, &at, &dest));
    pdu.sm.dest_count = 3; /* more than the list has */
    struct smpp_error err = { 0 };
    assert_int_equal(smpp_pdu_write(&pdu, bytes, sizeof bytes, &err), -1);
    assert_string_equal(err.field, "dest_address");

    struct smpp_out failed = smpp_out_of(failed_room, sizeof failed_room);
    smpp_unsuccess_put(
        &failed, &(struct smpp_unsuccess){ .address = { .ton = 1, .npi = 1, .addr = S("491") },
                                           .status = SMPP_RINVDSTADR });
    hex = "0000001e 80000021 00000000 00000001 696400 01 0101 34393100 0000000b";
    golden(&(struct smpp_pdu){ .command = SMPP_SUBMIT_MULTI | SMPP_RESP,
                               .sequence = 1,
                               .reply = { .id = S("id"),
                                          .unsuccess = smpp_str_of_out(&failed),
                                          .unsuccess_count = 1 } },
           hex);
    struct smpp_unsuccess one;
    assert_int_equal(smpp_pdu_read(&back, bytes, from_hex(hex, bytes), NULL), 0);
    at = 0;
    assert_true(smpp_unsuccess_next(&back.reply.unsuccess, &at, &one));
    assert_int_equal(one.status, SMPP_RINVDSTADR);
    assert_false(smpp_unsuccess_next(&back.reply.unsuccess, &at, &one));
}

/* 254 go, 255 do not. */
static void submit_multi_has_a_limit(void **state)
{
    (void)state;
    static uint8_t room[8192], bytes[8192];
    struct smpp_out out = smpp_out_of(room, sizeof room);
    struct smpp_pdu pdu = { .command = SMPP_SUBMIT_MULTI, .sequence = 1 }, back;
    struct smpp_error err = { 0 };
    for (int i = 0; i < 254; i++)
        smpp_dest_put(&out, &(struct smpp_dest){ .address = { .addr = S("4915112345") } });
    pdu.sm.dests = smpp_str_of_out(&out);
    pdu.sm.dest_count = 254;
    int n = smpp_pdu_write(&pdu, bytes, sizeof bytes, &err);
    assert_true(n > 0);
    assert_int_equal(smpp_pdu_read(&back, bytes, (size_t)n, &err), 0);
    bytes[16 + 4] = 255;
    assert_int_equal(smpp_pdu_read(&back, bytes, (size_t)n, &err), -1);
    assert_int_equal(err.status, SMPP_RINVNUMDESTS);
    pdu.sm.dest_count = 255;
    assert_int_equal(smpp_pdu_write(&pdu, bytes, sizeof bytes, &err), -1);
    smpp_dest_put(&out, &(struct smpp_dest){ .address = { .addr = S("4915112345") } });
    pdu.sm.dests = smpp_str_of_out(&out); /* as many as it says, and yet too many */
    assert_int_equal(smpp_pdu_write(&pdu, bytes, sizeof bytes, &err), -1);
    pdu.sm.dest_count = 0;
    pdu.sm.dests = (struct smpp_str){ 0 };
    assert_int_equal(smpp_pdu_write(&pdu, bytes, sizeof bytes, &err), -1);
}

static void frames_of_a_stream(void **state)
{
    (void)state;
    struct smpp_error err = { 0 };
    uint8_t bytes[64] = { 0, 0, 0, 16, 0, 0, 0, 0x15 };
    assert_int_equal(smpp_frame(bytes, 0, &err), 0);
    assert_int_equal(smpp_frame(bytes, 3, &err), 0);
    assert_int_equal(smpp_frame(bytes, 15, &err), 0);
    assert_int_equal(smpp_frame(bytes, 16, &err), 16);
    assert_int_equal(smpp_frame(bytes, 64, &err), 16);
    bytes[3] = 15;
    assert_int_equal(smpp_frame(bytes, 64, &err), -1);
    assert_int_equal(err.status, SMPP_RINVCMDLEN);
    pdu_put_u32(bytes, 65537);
    assert_int_equal(smpp_frame(bytes, 64, &err), -1);
    pdu_put_u32(bytes, 65536); /* the most */
    assert_int_equal(smpp_frame(bytes, 64, &err), 0);
}

/* Reads hex; the field and the status of what is wrong. */
static void refused(const char *hex, const char *field, uint32_t status)
{
    struct smpp_error err = { 0 };
    struct smpp_pdu pdu;
    uint8_t room[512];
    size_t len = from_hex(hex, room);
    uint8_t *exact = malloc(len); /* so that a sanitizer sees a read past the end */
    assert_non_null(exact);
    memcpy(exact, room, len);
    pdu_put_u32(exact, (uint32_t)len);
    int got = smpp_pdu_read(&pdu, exact, len, &err);
    free(exact);
    assert_int_equal(got, -1);
    assert_string_equal(err.field, field);
    assert_int_equal(err.status, status);
    assert_int_equal(pdu.sequence, 7); /* so that it can be answered */
}

#define HEAD      "00000000 00000004 00000000 00000007 "
#define ADDRESSES "0101 3100 0101 3200 "

static void malformed_bodies(void **state)
{
    (void)state;
    refused("00000000 000000aa 00000000 00000007", "command_id", SMPP_RINVCMDID);
    refused("00000000 0000000a 00000000 00000007", "command_id", SMPP_RINVCMDID);
    refused("00000000 00000000 00000000 00000007", "command_id", SMPP_RINVCMDID);
    refused("00000000 8000000b 00000000 00000007", "command_id", SMPP_RINVCMDID);
    refused(HEAD, "service_type", SMPP_RINVCMDLEN);
    refused(HEAD "414141", "service_type", SMPP_RINVCMDLEN);
    refused(HEAD "414141414141 00", "service_type", SMPP_RINVSERTYP);
    refused(HEAD "00 01", "source_addr_npi", SMPP_RINVCMDLEN);
    refused(HEAD "00 0101 313131313131313131313131313131313131313131 00", "source_addr",
            SMPP_RINVSRCADR);
    refused(HEAD "00 0101 3100 0101 313131313131313131313131313131313131313131 00",
            "destination_addr", SMPP_RINVDSTADR);
    refused(HEAD "00" ADDRESSES "00 00", "priority_flag", SMPP_RINVCMDLEN);
    refused(HEAD "00" ADDRESSES "00 00 00 3131313131313131313131313131313131 00 00",
            "schedule_delivery_time", SMPP_RINVSCHED);
    refused(HEAD "00" ADDRESSES "00 00 00 00 3131313131313131313131313131313131 00 00",
            "validity_period", SMPP_RINVEXPIRY);
    refused(HEAD "00" ADDRESSES "00 00 00 00 00 00 00 00 00", "short_message", SMPP_RINVCMDLEN);
    refused(HEAD "00" ADDRESSES "00 00 00 00 00 00 00 00 00 02 41", "short_message",
            SMPP_RINVMSGLEN);
    refused(HEAD "00" ADDRESSES "00 00 00 00 00 00 00 00 00 01 41 0424 0002 41", "tlv",
            SMPP_RINVTLVSTREAM);
    refused(HEAD "00" ADDRESSES "00 00 00 00 00 00 00 00 00 01 41 0424 00", "tlv",
            SMPP_RINVTLVSTREAM);
    refused("00000000 00000021 00000000 00000007 00 0101 3100 00", "number_of_dests",
            SMPP_RINVNUMDESTS);
    refused("00000000 00000021 00000000 00000007 00 0101 3100 01 03 0101 3100", "dest_address",
            SMPP_RINVDSTADR);
    refused("00000000 80000021 00000000 00000007 3100 01 0101 3100 000000", "unsuccess_sme",
            SMPP_RINVCMDLEN);
    refused("00000000 00000009 00000000 00000007 6100 62", "password", SMPP_RINVCMDLEN);

    struct smpp_pdu pdu;
    struct smpp_error err = { 0 };
    uint8_t bytes[32];
    size_t len = from_hex("00000011 00000015 00000000 00000007", bytes);
    assert_int_equal(smpp_pdu_read(&pdu, bytes, len, &err), -1);
    assert_string_equal(err.field, "command_length");
    assert_int_equal(smpp_pdu_read(&pdu, bytes, 12, &err), -1);
}

/* What real peers send and what must be taken. */
static void lenient_where_peers_are(void **state)
{
    (void)state;
    struct smpp_pdu pdu;
    uint8_t bytes[64];
    size_t len = from_hex("00000010 80000004 00000000 00000007", bytes); /* no body */
    assert_int_equal(smpp_pdu_read(&pdu, bytes, len, NULL), 0);
    assert_int_equal(pdu.reply.id.len, 0);
    len = from_hex("00000010 80000009 0000000e 00000007", bytes);
    assert_int_equal(smpp_pdu_read(&pdu, bytes, len, NULL), 0);
    len = from_hex("00000013 80000021 00000000 00000007 373700", bytes); /* no list */
    assert_int_equal(smpp_pdu_read(&pdu, bytes, len, NULL), 0);
    assert_int_equal(pdu.reply.unsuccess_count, 0);
    len = from_hex("00000011 80000015 00000000 00000007 00", bytes); /* a stray NUL */
    assert_int_equal(smpp_pdu_read(&pdu, bytes, len, NULL), 0);
    len = from_hex("0000001b 80000004 00000000 00000007 373700 1400 0004 01020304", bytes);
    assert_int_equal(smpp_pdu_read(&pdu, bytes, len, NULL), 0); /* a vendor's TLV */
    struct smpp_tlv tlv;
    assert_true(smpp_tlv_find(&pdu.tlvs, 0x1400, &tlv));
    assert_int_equal(tlv.len, 4);
    assert_false(smpp_tlv_find(&pdu.tlvs, 0x1401, &tlv));
    assert_null(smpp_tlv_name(0x1400));
}

static void refuses_to_write_what_breaks(void **state)
{
    (void)state;
    struct smpp_error err = { 0 };
    uint8_t to[512];
    char big[300];
    memset(big, 'x', sizeof big);
    struct smpp_pdu pdu = submit();
    pdu.sm.from.addr = (struct smpp_str){ "AC\0ME", 5 };
    assert_int_equal(smpp_pdu_write(&pdu, to, sizeof to, &err), -1);
    assert_string_equal(err.field, "source_addr");
    assert_int_equal(err.status, SMPP_RINVSRCADR);
    pdu = submit();
    pdu.sm.to.addr = (struct smpp_str){ big, 21 };
    assert_int_equal(smpp_pdu_write(&pdu, to, sizeof to, &err), -1);
    assert_string_equal(err.field, "destination_addr");
    pdu = submit();
    pdu.sm.text = (struct smpp_str){ big, 256 };
    assert_int_equal(smpp_pdu_write(&pdu, to, sizeof to, &err), -1);
    assert_string_equal(err.field, "short_message");
    pdu.sm.text.len = 255;
    assert_true(smpp_pdu_write(&pdu, to, sizeof to, &err) > 0);
    pdu = submit();
    pdu.tlvs.bytes = 5;
    pdu.command = SMPP_DATA_SM;
    assert_int_equal(smpp_pdu_write(&pdu, to, sizeof to, &err), -1);
    assert_string_equal(err.field, "tlv");
    pdu = (struct smpp_pdu){ .command = SMPP_SUBMIT_SM | SMPP_RESP, .reply.id = { big, 65 } };
    assert_int_equal(smpp_pdu_write(&pdu, to, sizeof to, &err), -1);
    pdu.reply.id.len = 64;
    assert_int_equal(smpp_pdu_write(&pdu, to, sizeof to, &err), 16 + 65);
    pdu.command = 0x77;
    assert_int_equal(smpp_pdu_write(&pdu, to, sizeof to, &err), -1);
    assert_int_equal(smpp_pdu_size(&pdu), 0);

    struct smpp_out out = smpp_out_of(to, 30);
    smpp_tlv_put(&out, SMPP_TAG_MESSAGE_PAYLOAD, big, 27);
    assert_true(out.full);
    assert_int_equal(out.used, 0);
    out = smpp_out_of(to, sizeof to);
    smpp_dest_put(&out, &(struct smpp_dest){ .address.addr = { big, 21 } });
    assert_true(out.full);
    out = smpp_out_of(to, sizeof to);
    smpp_unsuccess_put(&out, &(struct smpp_unsuccess){ .address.addr = { "a\0b", 3 } });
    assert_true(out.full);
}

static void tlvs_and_their_table(void **state)
{
    (void)state;
    uint8_t room[64];
    struct smpp_out out = smpp_out_of(room, sizeof room);
    smpp_tlv_put_text(&out, SMPP_TAG_RECEIPTED_MESSAGE_ID, "abc", 3);
    smpp_tlv_put(&out, SMPP_TAG_RECEIPTED_MESSAGE_ID, "def", 3);
    smpp_tlv_put_number(&out, SMPP_TAG_MESSAGE_STATE, 2, 1);
    struct smpp_tlvs tlvs = smpp_tlvs_of(&out);
    struct smpp_str text;
    assert_true(smpp_tlv_text(&tlvs, SMPP_TAG_RECEIPTED_MESSAGE_ID, &text));
    assert_int_equal(text.len, 3);
    tlvs.ptr += 8, tlvs.bytes -= 8; /* the second has no NUL */
    assert_true(smpp_tlv_text(&tlvs, SMPP_TAG_RECEIPTED_MESSAGE_ID, &text));
    assert_int_equal(text.len, 3);
    assert_memory_equal(text.ptr, "def", 3);
    struct smpp_error err = { 0 };
    assert_int_equal(smpp_tlv_check(&tlvs, &err), 0);
    smpp_tlv_put_number(&out, SMPP_TAG_CONGESTION_STATE, 2, 2);
    tlvs = smpp_tlvs_of(&out);
    assert_int_equal(smpp_tlv_check(&tlvs, &err), -1);
    assert_string_equal(err.field, "congestion_state");
    assert_int_equal(err.status, SMPP_RINVTLVLEN);
    out.used = 0;
    smpp_tlv_put(&out, SMPP_TAG_MESSAGE_STATE, NULL, 0);
    tlvs = smpp_tlvs_of(&out);
    assert_int_equal(smpp_tlv_check(&tlvs, &err), -1);
    for (unsigned tag = 0, last = 0; tag < 0x10000; tag++) { /* sorted, or bisection misses some */
        const struct tlv_row *row = pdu_tlv_row((uint16_t)tag);
        assert_true(!row || (row->tag == tag && (last == 0 || last < tag)));
        last = row ? tag : last;
    }
    assert_string_equal(smpp_tlv_name(0x0005), "dest_addr_subunit");
    assert_string_equal(smpp_tlv_name(SMPP_TAG_ITS_SESSION_INFO), "its_session_info");
    assert_string_equal(smpp_tlv_name(SMPP_TAG_MESSAGE_PAYLOAD), "message_payload");
}

static void one_line_without_secrets(void **state)
{
    (void)state;
    char line[400];
    struct smpp_pdu pdu = { .command = SMPP_BIND_TRANSCEIVER,
                            .sequence = 1,
                            .bind = { .system_id = S("me"), .password = S("geheim") } };
    smpp_pdu_print(&pdu, 1, line, sizeof line);
    assert_string_equal(line, "bind_transceiver seq=1 system_id=me password=***");
    pdu = submit();
    pdu.sm.text = S("code 4711\nfake line");
    size_t n = smpp_pdu_print(&pdu, 0, line, sizeof line);
    assert_string_equal(line, "submit_sm seq=7 service_type=CMT source_addr_ton=5 source_addr=ACME "
                              "dest_addr_ton=1 dest_addr_npi=1 "
                              "destination_addr=491511234567 esm_class=64 priority_flag=1 "
                              "validity_period=000000010000000R registered_delivery=1 "
                              "short_message=(19 octets) user_message_reference=4660");
    assert_int_equal(n, strlen(line));
    smpp_pdu_print(&pdu, 1, line, sizeof line);
    assert_non_null(strstr(line, "short_message=code\\x204711\\x0afake\\x20line "));
    char small[20];
    assert_int_equal(smpp_pdu_print(&pdu, 0, small, sizeof small), 19);
    assert_int_equal(strlen(small), 19);
    pdu = (struct smpp_pdu){ .command = SMPP_SUBMIT_SM | SMPP_RESP, .status = 0x58, .sequence = 2 };
    smpp_pdu_print(&pdu, 0, line, sizeof line);
    assert_string_equal(line, "submit_sm_resp seq=2 status=0x58 ESME_RTHROTTLED");
    pdu = (struct smpp_pdu){ .command = 0x999, .sequence = 2 };
    smpp_pdu_print(&pdu, 0, line, sizeof line);
    assert_string_equal(line, "command_0x00000999 seq=2");
}

/* Every prefix of a good PDU is refused or shorter, never read beyond. */
static void every_cut_is_seen(void **state)
{
    (void)state;
    uint8_t whole[128];
    size_t len = from_hex(submit_hex, whole);
    for (size_t cut = 16; cut < len; cut++) {
        struct smpp_pdu pdu;
        struct smpp_error err = { 0 };
        uint8_t *exact = malloc(cut);
        assert_non_null(exact);
        memcpy(exact, whole, cut);
        pdu_put_u32(exact, (uint32_t)cut);
        int got = smpp_pdu_read(&pdu, exact, cut, &err);
        free(exact);
        assert_int_equal(got, cut == len - 6 ? 0 : -1); /* but for the one without its TLV */
        assert_true(got == 0 || (err.field && err.status));
    }
}

static void time_is(const char *text, int wanted, int64_t wanted_us)
{
    int64_t at_us = -1;
    struct smpp_str field = { text, (uint32_t)strlen(text) };
    assert_int_equal(smpp_time_read(&field, INT64_C(1000000000), &at_us), wanted);
    assert_int_equal(at_us, wanted_us);
}

static void times_of_validity(void **state)
{
    (void)state;
    char to[SMPP_TIME_BYTES];
    time_is("", 0, -1);
    time_is("261123120100000+", 1, INT64_C(1795435260000000));
    time_is("261123140100308+", 1, INT64_C(1795435260300000)); /* two hours east of UTC */
    time_is("261123070100020-", 1, INT64_C(1795435260000000)); /* five hours west */
    time_is("000000010000000R", 1, INT64_C(4600000000));
    time_is("000002000000000R", 1, INT64_C(1000000000) + INT64_C(172800000000));
    time_is("261323120100000+", -1, -1);
    time_is("261100120100000+", -1, -1);
    time_is("261123240100000+", -1, -1);
    time_is("261123120100049+", -1, -1);
    time_is("26112312010000+", -1, -1);
    time_is("26112312010000x+", -1, -1);
    time_is("261123120100000Z", -1, -1);
    const int64_t lengths[] = {
        0, 1, 59, 3600, 86399, 86400, 2592000, 31535999, 31536000, 99999999
    };
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        assert_int_equal(smpp_time_write(lengths[i], to), 16);
        time_is(to, 1, INT64_C(1000000000) + lengths[i] * 1000000);
    }
    smpp_time_write(INT64_MAX, to);
    time_is(to, 1, INT64_C(1000000000) + INT64_C(99) * 365 * 86400 * 1000000);
    smpp_time_write(-5, to);
    assert_string_equal(to, "000000000000000R");
}

static void statuses_and_their_class(void **state)
{
    (void)state;
    const struct {
        uint32_t status;
        enum wf_class error_class;
        enum smpp_retry retry;
    } rows[] = {
        { 0x08, WF_CLASS_TRANSIENT, SMPP_RETRY_AGAIN },
        { 0x14, WF_CLASS_THROTTLE, SMPP_RETRY_AGAIN },
        { 0x58, WF_CLASS_THROTTLE, SMPP_RETRY_AGAIN },
        { 0x64, WF_CLASS_TRANSIENT, SMPP_RETRY_AGAIN },
        { 0x45, WF_CLASS_TRANSIENT, SMPP_RETRY_LIMITED },
        { 0xfe, WF_CLASS_TRANSIENT, SMPP_RETRY_LIMITED },
        { 0xff, WF_CLASS_TRANSIENT, SMPP_RETRY_LIMITED },
        { 0x0a, WF_CLASS_PERMANENT_CONTENT, SMPP_RETRY_NEVER },
        { 0x0b, WF_CLASS_PERMANENT_RECIPIENT, SMPP_RETRY_NEVER },
        { 0xc4, WF_CLASS_PERMANENT_CONTENT, SMPP_RETRY_NEVER },
        { 0x101, WF_CLASS_PERMANENT_ACCOUNT, SMPP_RETRY_NEVER },
        { 0x0e, WF_CLASS_PERMANENT_ACCOUNT, SMPP_RETRY_RECONNECT },
        { 0x04, WF_CLASS_PERMANENT_ACCOUNT, SMPP_RETRY_RECONNECT },
        { 0x410, WF_CLASS_TRANSIENT, SMPP_RETRY_LIMITED },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const struct smpp_status_info *info = smpp_status_of(rows[i].status);
        assert_int_equal(info->error_class, rows[i].error_class);
        assert_int_equal(info->retry, rows[i].retry);
    }
    assert_string_equal(smpp_status_of(0)->name, "ESME_ROK");
    assert_string_equal(smpp_status_of(0x112)->name, "ESME_RINVBCASTCHANIND");
    assert_string_equal(smpp_status_of(0x410)->name, "");
    assert_true(smpp_status_is_throttle(0x58) && smpp_status_is_throttle(0x14));
    assert_false(smpp_status_is_throttle(8));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(submit_sm_both_ways),
        cmocka_unit_test(every_other_command),
        cmocka_unit_test(the_rarer_commands),
        cmocka_unit_test(submit_multi_and_its_failures),
        cmocka_unit_test(submit_multi_has_a_limit),
        cmocka_unit_test(frames_of_a_stream),
        cmocka_unit_test(malformed_bodies),
        cmocka_unit_test(lenient_where_peers_are),
        cmocka_unit_test(refuses_to_write_what_breaks),
        cmocka_unit_test(tlvs_and_their_table),
        cmocka_unit_test(one_line_without_secrets),
        cmocka_unit_test(every_cut_is_seen),
        cmocka_unit_test(times_of_validity),
        cmocka_unit_test(statuses_and_their_class),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
