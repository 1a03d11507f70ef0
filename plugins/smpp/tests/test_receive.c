/* SPDX-License-Identifier: Apache-2.0
 * catalyst.smppReceive: what an SMSC delivers becomes items, and is answered when they are stored.
 */
#include "fake_cases.h"
#include "taken_events.h"
#include "smsc_peer.h"
#include "../smpp.c"
#include "../esme.h"

static struct fake *create(const char *type, const char *cred_more, const char *params)
{
    char cred[800];
    struct fake *f = fake_create(&wf_plugin_entry, type);
    snprintf(cred, sizeof cred,
             "{\"host\":\"127.0.0.1\",\"port\":\"%u\",\"systemId\":\"acme\",\"password\":\"s3cr3t\""
             "%s%s}",
             peer.port, cred_more ? "," : "", cred_more ? cred_more : "");
    fake_service(f, "loop/1", &loop_table);
    fake_service(f, "trigger/1", &taken_table);
    fake_cred(f, "smpp", cred);
    if (fake_start(f, params ? params : "{}") != 0)
        fail_msg("%s", fake_error(f));
    return f;
}

static struct fake *start(const char *cred_more, const char *params)
{
    struct fake *f = create("catalyst.smppReceive", cred_more, params);
    assert_null(account_list());
    assert_int_equal(trigger_begin(f), 0);
    assert_non_null(trigger_of(f)->trouble(&f->host, f->state));
    until(account_list()->n_up == 1);
    assert_null(trigger_of(f)->trouble(&f->host, f->state));
    return f;
}

static void deliver(uint32_t sequence, uint8_t esm_class, const char *text, uint32_t len,
                    uint8_t coding)
{
    peer_send(0, &(struct smpp_pdu){ .command = SMPP_DELIVER_SM,
                                     .sequence = sequence,
                                     .sm = { .from = { 1, 1, { "4915112345678", 13 } },
                                             .to = { 3, 0, { "12345", 5 } },
                                             .esm_class = esm_class,
                                             .data_coding = coding,
                                             .text = { text, len } } });
}

static int setup(void **state)
{
    (void)state;
    peer_open();
    return 0;
}
static int teardown(void **state)
{
    (void)state;
    peer_close();
    taken_clear();
    return account_list() != NULL;
}

static void has(size_t i, const char *part)
{
    if (i >= n_taken || !strstr(taken[i].json, part))
        fail_msg("no %s in %s", part, i < n_taken ? taken[i].json : "(no such event)");
}

#define RECEIPT                                                                                    \
    "id:0000123456 sub:001 dlvrd:001 submit date:2501021530 done date:2501021531 stat:DELIVRD "    \
    "err:000 text:hello"

/* --- receipts, messages ----------------------------------------------------------------------- */

static void test_receipt(void **state)
{
    (void)state;
    struct fake *f = start("\"responseIds\":\"hex\",\"receiptIds\":\"decimal\"", NULL);
    deliver(5, 4, RECEIPT, sizeof RECEIPT - 1, 0);
    until(n_taken == 1);
    has(0, "\"kind\":\"receipt\",\"channel\":\"sms\",\"account\":\"acme\",\"provider_id\":"
           "\"123456\",\"state\":\"delivered\",\"code\":\"000\"");
    has(0, "\"ts_provider_us\":1735831860000000");
    has(0, "\"from\":\"+4915112345678\",\"to\":\"12345\"");
    for_ms(50);
    assert_int_equal(peer.responses, 0); /* not before it is stored */
    trigger_stored_one(f, 0, 1);
    until(peer.responses == 1);
    assert_int_equal(peer.response_status[0], 0);
    assert_int_equal(peer.response_sequence[0], 5);
    assert_int_equal(fake_metric(f, COUNT_RECEIPTS), 1);
    fake_destroy(f);
}

static void test_failed_receipt(void **state)
{
    (void)state;
    static const char text[] = "id:9 stat:UNDELIV err:011";
    struct fake *f = start(NULL, NULL);
    deliver(1, 4, text, sizeof text - 1, 0);
    until(n_taken == 1);
    has(0, "\"provider_id\":\"9\",\"state\":\"failed\",\"code\":\"011\",\"class\":\"");
    deliver(2, 4, "nonsense \xff\"", 11, 0); /* claims to be one */
    until(n_taken == 2);
    has(1, "\"kind\":\"receipt\"");
    assert_null(strstr(taken[1].json, "\"state\""));
    fake_destroy(f);
}

static void test_message(void **state)
{
    (void)state;
    struct fake *f = start(NULL, NULL);
    deliver(1, 0, "Hi \"you\"\n\x02", 10, 0); /* 0x02: a dollar sign */
    deliver(2, 0, "\x04\x16\xd8\x3d\xde\x00", 6, 8);
    deliver(3, 0, "\x00\xff\x10", 3, 4);
    until(n_taken == 3);
    has(0, "\"kind\":\"message\"");
    has(0,
        "\"text\":\"Hi \\\"you\\\"\\u000a$\",\"encoding\":\"gsm7\",\"data_coding\":0,\"parts\":1");
    has(1, "\"text\":\"\xd0\x96\xf0\x9f\x98\x80\",\"encoding\":\"ucs2\"");
    has(2, "\"raw\":\"00ff10\"");
    for (size_t i = 0; i < 3; i++) {
        const char *id = strstr(taken[i].json, "\"id\":\"");
        assert_int_equal(id[6 + 14], '7'); /* UUIDv7 */
        wf_item *it = fake_item(f, taken[i].json);
        (void)it;
    }
    fake_run(f);
    assert_int_equal(fake_outputs(f, 0), 3);
    fake_destroy(f);
}

static void test_ussd(void **state)
{
    (void)state;
    uint8_t bytes[50];
    struct smpp_out tlvs = smpp_out_of(bytes, sizeof bytes);
    struct fake *f = start(NULL, NULL);
    smpp_tlv_put_number(&tlvs, SMPP_TAG_USSD_SERVICE_OP, 1, 1);
    smpp_tlv_put_number(&tlvs, SMPP_TAG_ITS_SESSION_INFO, 0x0302, 2);
    peer_send(0, &(struct smpp_pdu){ .command = SMPP_DELIVER_SM,
                                     .sequence = 9,
                                     .tlvs = smpp_tlvs_of(&tlvs),
                                     .sm = { .service_type = { "USSD", 4 },
                                             .from = { 1, 1, { "4915112345678", 13 } },
                                             .to = { 3, 0, { "123", 3 } },
                                             .text = { "*123#", 5 } } });
    until(n_taken == 1);
    has(0, "\"service_type\":\"USSD\",\"ussd_service_op\":1,\"its_session_info\":770");
    has(0, "\"text\":\"*123#\"");
    fake_destroy(f);
}

static void test_not_stored(void **state)
{
    (void)state;
    struct fake *f = start(NULL, NULL);
    deliver(1, 0, "a", 1, 0);
    until(n_taken == 1);
    trigger_stored_one(f, 0, 0);
    until(peer.responses == 1);
    assert_int_equal(peer.response_status[0], SMPP_RX_T_APPN); /* the SMSC sends it again */
    trigger_stored_one(f, 0, 1);                               /* a tag that is gone */
    for_ms(30);
    assert_int_equal(peer.responses, 1);
    fake_destroy(f);
}

static void test_engine_full(void **state)
{
    (void)state;
    struct fake *f = start(NULL, NULL);
    taken_room = 3;
    for (uint32_t i = 1; i <= 10; i++) {
        char text[2] = { (char)('a' + i), 0 };
        deliver(i, 0, text, 1, 0);
    }
    until(n_taken == 3);
    for_ms(30);
    assert_int_equal(n_taken, 3);
    taken_room = 100;
    trigger_of(f)->room(&f->host, f->state);
    assert_int_equal(n_taken, 10); /* nothing lost, in order */
    for (size_t i = 0; i < 10; i++) {
        char part[20];
        snprintf(part, sizeof part, "\"text\":\"%c\"", (char)('b' + i));
        has(i, part);
        trigger_stored_one(f, i, 1);
    }
    until(peer.responses == 10);
    fake_destroy(f);
}

/* --- long messages ---------------------------------------------------------------------------- */

static void test_parts(void **state)
{
    (void)state;
    struct fake *f = start(NULL, NULL);
    deliver(1, 0x40, "\x05\x00\x03\x07\x03\x03gh", 8, 0);
    deliver(2, 0x40,
            "\x05\x00\x03\x07\x03\x01"
            "abc",
            9, 0);
    until(peer.responses == 2); /* the first are answered at once */
    deliver(3, 0x40,
            "\x05\x00\x03\x07\x03\x01"
            "abc",
            9, 0); /* a duplicate */
    until(peer.responses == 3);
    assert_int_equal(n_taken, 0);
    deliver(4, 0x40,
            "\x05\x00\x03\x07\x03\x02"
            "def",
            9, 0);
    until(n_taken == 1);
    has(0, "\"text\":\"abcdefgh\"");
    has(0, "\"parts\":3");
    for_ms(30);
    assert_int_equal(peer.responses, 3); /* the last when it is stored */
    trigger_stored_one(f, 0, 1);
    until(peer.responses == 4);
    assert_int_equal(peer.response_sequence[3], 4);
    fake_destroy(f);
}

static void test_parts_that_never_come(void **state)
{
    (void)state;
    struct fake *f = start(NULL, "{\"options\":{\"partTimeout\":1000}}");
    deliver(1, 0x40,
            "\x05\x00\x03\x07\x03\x01"
            "abc",
            9, 0);
    until(n_taken == 1);
    has(0, "\"text\":\"abc\"");
    has(0, "\"parts\":3,\"parts_missing\":2");
    assert_int_equal(taken[0].tag, 0);
    fake_destroy(f);
}

static void test_single_parts(void **state)
{
    (void)state;
    struct fake *f = start(NULL, "{\"options\":{\"singleParts\":true}}");
    deliver(1, 0x40,
            "\x05\x00\x03\x07\x03\x02"
            "def",
            9, 0);
    until(n_taken == 1);
    has(0, "\"part\":2,\"part_of\":3,\"part_reference\":7");
    fake_destroy(f);
}

static void test_broken_header(void **state)
{
    (void)state;
    struct fake *f = start(NULL, NULL);
    deliver(1, 0x40, "\x7f\x00\x03", 3, 0);
    until(peer.responses == 1);
    assert_int_not_equal(peer.response_status[0], 0);
    assert_int_equal(n_taken, 0);
    assert_int_equal(fake_metric(f, COUNT_REFUSED), 1);
    fake_destroy(f);
}

/* --- life ------------------------------------------------------------------------------------- */

static void test_shares_the_bind(void **state)
{
    (void)state;
    struct fake *sender = create("catalyst.smsSend", NULL, NULL);
    until(account_list()->n_up == 1);
    deliver(1, 0, "early", 5, 0); /* nobody receives yet */
    until(peer.responses == 1);
    assert_int_equal(peer.response_status[0], SMPP_RX_T_APPN);
    struct fake *f = create("catalyst.smppReceive", NULL, NULL);
    trigger_begin(f);
    deliver(2, 0, "now", 3, 0);
    until(n_taken == 1);
    assert_int_equal(peer.binds, 1);
    fake_destroy(sender); /* its bind stays, kept by the receiver */
    deliver(3, 0, "still", 5, 0);
    until(n_taken == 2);
    assert_int_equal(peer.binds, 1);
    assert_int_equal(peer.unbinds, 0);
    assert_int_equal(fake_metric(f, COUNT_BINDS_UP), 1);
    assert_int_equal(fake_metric(f, COUNT_BINDS), 1);
    trigger_stored_one(f, 0, 1);
    trigger_stored_one(f, 1, 1);
    fake_destroy(f);
    until(peer.unbinds == 1);
}

static void test_separate_binds(void **state)
{
    (void)state;
    struct fake *f = start("\"bindMode\":\"separate\"", NULL);
    assert_int_equal(peer.bind_command, SMPP_BIND_RECEIVER);
    struct fake *sender = create("catalyst.smsSend", "\"bindMode\":\"separate\"", NULL);
    until(peer.binds == 2);
    assert_int_equal(peer.bind_command, SMPP_BIND_TRANSMITTER);
    fake_destroy(sender);
    fake_destroy(f);
}

static void test_stop_waits_for_what_is_owed(void **state)
{
    (void)state;
    struct fake *f = start(NULL, NULL);
    taken_room = 1;
    deliver(1, 0, "a", 1, 0);
    deliver(2, 0, "b", 1, 0);
    until(n_taken == 1);
    for_ms(20);
    trigger_of(f)->stop(&f->host, f->state);
    for_ms(20);
    until(peer.responses == 1); /* the one that the engine had no room for */
    assert_int_equal(peer.response_status[0], SMPP_RX_T_APPN);
    assert_int_equal(peer.unbinds, 0);
    trigger_stored_one(f, 0, 1);
    until(peer.responses == 2 && peer.unbinds == 1);
    assert_int_equal(peer.response_status[1], 0);
    taken_room = 10;
    assert_int_equal(trigger_begin(f), 0); /* once more */
    until(account_list() && account_list()->n_up == 1);
    fake_destroy(f);
}

static void test_answers_of_an_older_bind(void **state)
{
    (void)state;
    struct fake *f = start(NULL, NULL);
    deliver(1, 0, "a", 1, 0);
    until(n_taken == 1);
    peer_cut(0);
    until(peer.binds == 2 && account_list()->n_up == 1);
    trigger_stored_one(f, 0, 1);
    for_ms(50);
    assert_int_equal(peer.responses, 0); /* that sequence number means nothing there */
    fake_destroy(f);
}

#define T(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        T(test_receipt),
        T(test_failed_receipt),
        T(test_message),
        T(test_ussd),
        T(test_not_stored),
        T(test_engine_full),
        T(test_parts),
        T(test_parts_that_never_come),
        T(test_single_parts),
        T(test_broken_header),
        T(test_shares_the_bind),
        T(test_separate_binds),
        T(test_stop_waits_for_what_is_owed),
        T(test_answers_of_an_older_bind),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
