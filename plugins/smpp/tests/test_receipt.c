/* SPDX-License-Identifier: Apache-2.0
 * Receipts: the dialects of their text, TLVs before text, ids in two bases, both ways.
 */
#include "receipt.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

static const struct receipt_rules plain = { 0 };

static int read_body(const char *text, uint8_t esm_class, const struct smpp_out *tlvs,
                     const struct receipt_rules *rules, struct receipt *r)
{
    struct smpp_pdu pdu = { .command = SMPP_DELIVER_SM,
                            .sm = { .esm_class = esm_class,
                                    .text = { text, (uint32_t)strlen(text) } } };
    if (tlvs)
        pdu.tlvs = smpp_tlvs_of(tlvs);
    return receipt_read(&pdu, rules, r);
}

static void is(const char *text, const char *id, unsigned message_state, int64_t done_s,
               const char *err)
{
    struct receipt r;
    if (read_body(text, 0x04, NULL, &plain, &r) != 1)
        fail_msg("not taken: %s", text);
    assert_int_equal(r.kind, RECEIPT_MC);
    assert_int_equal(r.id.len, strlen(id));
    assert_memory_equal(r.id.ptr, id, r.id.len);
    assert_int_equal(r.state, message_state);
    assert_int_equal(r.done_us, done_s * 1000000);
    assert_int_equal(r.error.len, strlen(err));
    assert_memory_equal(r.error.ptr, err, r.error.len);
}

enum { AT_S = 1795435260 }; /* 2026-11-23 12:01 UTC */

static void dialects(void **state)
{
    (void)state;
    is("id:abc-1 sub:001 dlvrd:001 submit date:2611231200 done date:2611231201 stat:DELIVRD "
       "err:000 "
       "text:hello",
       "abc-1", SMPP_STATE_DELIVERED, AT_S, "000");
    is("id:1 sub:001 dlvrd:001 submit date:261123120000 done date:261123120105 stat:UNDELIV "
       "err:01f "
       "Text:",
       "1", SMPP_STATE_UNDELIVERABLE, AT_S + 5, "01f");
    is("id:1 submit date:20261123120000 done date:20261123120105 stat:EXPIRED err:0", "1",
       SMPP_STATE_EXPIRED, AT_S + 5, "0");
    is("id:1 done date:202611231201 stat:DELIVERED", "1", SMPP_STATE_DELIVERED, AT_S, "");
    is("ID:007 STAT:rejectd ERR:9 TEXT:x", "007", SMPP_STATE_REJECTED, 0, "9");
    is("id: 5 stat: ACCEPTD err: 3", "5", SMPP_STATE_ACCEPTED, 0, "3");
    is("id:5,sub:001,dlvrd:000,submit_date:2611231200,done_date:2611231201,stat:FAILED,err:1", "5",
       SMPP_STATE_UNDELIVERABLE, AT_S, "1");
    is("msgid:5 submitdate:2611231200 donedate:2611231201 status:ENROUTE error:0", "5",
       SMPP_STATE_ENROUTE, AT_S, "0");
    is("id:a:b:c stat:DELETED", "a:b:c", SMPP_STATE_DELETED, 0, "");
    is("id:1 done date:9999999999 stat:UNKNOWN", "1", SMPP_STATE_UNKNOWN, 0, "");
    is("id:1 stat:DELIVRD err: text:id:2 stat:EXPIRED", "1", SMPP_STATE_DELIVERED, 0, "");
    char id[65], text[200];
    memset(id, '7', 64);
    id[64] = 0;
    snprintf(text, sizeof text, "id:%s stat:DELIVRD", id);
    is(text, id, SMPP_STATE_DELIVERED, 0, "");
}

static void not_complete(void **state)
{
    (void)state;
    struct receipt r;
    assert_int_equal(read_body("stat:DELIVRD", 0x04, NULL, &plain, &r), -1);
    assert_int_equal(read_body("id:1 stat:WHATEVER", 0x04, NULL, &plain, &r), -1);
    assert_int_equal(r.state_text.len, 8);
    assert_int_equal(read_body("", 0x04, NULL, &plain, &r), -1);
    assert_int_equal(read_body("id:1 stat: err:000", 0x04, NULL, &plain, &r), -1);
    assert_int_equal(read_body("id:1 stat:DELIVRD", 0x00, NULL, &plain, &r), 0);
    assert_int_equal(
        read_body("id:1 stat:DELIVRD", 0x00, NULL, &(struct receipt_rules){ .unmarked = 1 }, &r),
        1);
    assert_int_equal(r.kind, RECEIPT_MC);
    assert_int_equal(
        read_body("what id:1 means", 0x00, NULL, &(struct receipt_rules){ .unmarked = 1 }, &r), 0);
    assert_int_equal(read_body("id:1 stat:ENROUTE", 0x20, NULL, &plain, &r), 1);
    assert_int_equal(r.kind, RECEIPT_INTERMEDIATE);
    assert_int_equal(read_body("id:1 stat:DELIVRD", 0x08, NULL, &plain, &r), 1);
    assert_int_equal(r.kind, RECEIPT_DEVICE);
}

static void parameters_win(void **state)
{
    (void)state;
    uint8_t room[64];
    struct smpp_out out = smpp_out_of(room, sizeof room);
    struct receipt given = { .id = { "tlv-id", 6 },
                             .state = SMPP_STATE_EXPIRED,
                             .network_type = 3,
                             .network_code = 0x0108 };
    receipt_tlvs_write(&given, &out);
    struct receipt r;
    char code[24];
    assert_int_equal(read_body("id:text-id stat:DELIVRD err:000", 0x04, &out, &plain, &r), 1);
    assert_memory_equal(r.id.ptr, "tlv-id", 6);
    assert_int_equal(r.state, SMPP_STATE_EXPIRED);
    assert_int_equal(receipt_code(&r, code), 3);
    assert_string_equal(code, "000");
    assert_int_equal(read_body("", 0x04, &out, &plain, &r), 1); /* and they are enough */
    assert_int_equal(r.network_code, 0x0108);
    receipt_code(&r, code);
    assert_string_equal(code, "3:264");
}

static void times_of_a_zone(void **state)
{
    (void)state;
    struct receipt r = { 0 };
    assert_int_equal(receipt_text_read("id:1 done date:2611231401", 25, 120, &r), 1);
    assert_int_equal(r.done_us, AT_S * INT64_C(1000000));
    assert_int_equal(receipt_text_read("done date:0001010000", 20, 0, &r), 0);
    assert_int_equal(r.done_us, INT64_C(946684800) * 1000000);
    assert_int_equal(receipt_text_read("done date:2402291200", 20, 0, &r), 0);
    assert_int_equal(r.done_us, INT64_C(1709208000) * 1000000); /* a leap day */
}

static void both_ways(void **state)
{
    (void)state;
    char text[RECEIPT_TEXT_BYTES];
    struct receipt r, given = { .id = { "9f86d081", 8 },
                                .state = SMPP_STATE_DELIVERED,
                                .sub = -1,
                                .dlvrd = -1,
                                .submit_us = (AT_S - 60) * INT64_C(1000000),
                                .done_us = AT_S * INT64_C(1000000),
                                .text = { "twenty letters and more", 23 } };
    size_t n = receipt_text_write(&given, 0, text);
    assert_string_equal(text, "id:9f86d081 sub:001 dlvrd:001 submit date:2611231200 done "
                              "date:2611231201 stat:DELIVRD err:000 text:twenty letters and m");
    assert_int_equal(n, strlen(text));
    given.state = SMPP_STATE_REJECTED;
    given.error = (struct smpp_str){ "042", 3 };
    for (int minutes = -720; minutes <= 840; minutes += 210) {
        receipt_text_write(&given, minutes, text);
        struct receipt_rules rules = { .utc_minutes = (int16_t)minutes };
        assert_int_equal(read_body(text, 0x04, NULL, &rules, &r), 1);
        assert_int_equal(r.state, SMPP_STATE_REJECTED);
        assert_int_equal(r.done_us, given.done_us);
        assert_int_equal(r.submit_us, given.submit_us);
        assert_int_equal(r.dlvrd, 0);
        assert_memory_equal(r.error.ptr, "042", 3);
    }
    char id[64];
    memset(id, 'i', sizeof id);
    given.id = (struct smpp_str){ id, 64 };
    given.error = (struct smpp_str){ id, 64 };
    assert_true(receipt_text_write(&given, 0, text) < RECEIPT_TEXT_BYTES);
    assert_int_equal(read_body(text, 0x04, NULL, &plain, &r), 1);
    assert_int_equal(r.id.len, 64);
}

static void key_is(const char *id, enum receipt_id_form form, const char *wanted)
{
    char key[RECEIPT_KEY_BYTES];
    assert_int_equal(receipt_key(id, strlen(id), form, key), strlen(wanted));
    assert_string_equal(key, wanted);
}

static void ids_in_two_bases(void **state)
{
    (void)state;
    key_is("00AbC", RECEIPT_ID_TEXT, "00AbC");
    key_is("000123", RECEIPT_ID_DECIMAL, "123");
    key_is("7B", RECEIPT_ID_HEX, "123");
    key_is("0x00007b", RECEIPT_ID_HEX, "123");
    key_is("FFFFFFFFFFFFFFFF", RECEIPT_ID_HEX, "18446744073709551615");
    key_is("18446744073709551616", RECEIPT_ID_DECIMAL, "18446744073709551616");
    key_is("ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff", RECEIPT_ID_HEX,
           "115792089237316195423570985008687907853269984665640564039457584007913129639935");
    key_is("3B9ACA000000000", RECEIPT_ID_HEX, "268435456000000000");
    key_is("000", RECEIPT_ID_DECIMAL, "0");
    key_is("12ab", RECEIPT_ID_DECIMAL, "12ab"); /* no number after all */
    key_is("id-7", RECEIPT_ID_HEX, "id-7");
    key_is("", RECEIPT_ID_HEX, "");
}

static void states_and_words(void **state)
{
    (void)state;
    enum wf_class error_class;
    assert_int_equal(receipt_state_of(SMPP_STATE_DELIVERED, &error_class), WF_STATE_DELIVERED);
    assert_int_equal(error_class, 0);
    assert_int_equal(receipt_state_of(SMPP_STATE_UNDELIVERABLE, &error_class), WF_STATE_FAILED);
    assert_int_equal(error_class, WF_CLASS_PERMANENT_RECIPIENT);
    assert_int_equal(receipt_state_of(SMPP_STATE_EXPIRED, NULL), WF_STATE_EXPIRED);
    assert_int_equal(receipt_state_of(SMPP_STATE_REJECTED, NULL), WF_STATE_REJECTED);
    assert_int_equal(receipt_state_of(SMPP_STATE_ACCEPTED, NULL), WF_STATE_ACCEPTED);
    assert_int_equal(receipt_state_of(SMPP_STATE_UNKNOWN, NULL), 0);
    assert_int_equal(receipt_state_of(77, &error_class), 0);
    for (unsigned s = WF_STATE_ACCEPTED; s < WF_STATES; s++)
        if (s != WF_STATE_READ)
            assert_int_equal(receipt_state_of(receipt_state_from((enum wf_state)s), NULL), s);
    assert_string_equal(receipt_state_word(SMPP_STATE_UNDELIVERABLE), "UNDELIV");
    assert_string_equal(receipt_state_word(99), "UNKNOWN");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(dialects),         cmocka_unit_test(not_complete),
        cmocka_unit_test(parameters_win),   cmocka_unit_test(times_of_a_zone),
        cmocka_unit_test(both_ways),        cmocka_unit_test(ids_in_two_bases),
        cmocka_unit_test(states_and_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
