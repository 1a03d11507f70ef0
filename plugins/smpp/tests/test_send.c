/* SPDX-License-Identifier: Apache-2.0
 * catalyst.smsSend against an SMSC on a socket: what is on the wire, and what becomes of each item
 * when the SMSC is slow, full, wrong, silent or gone.
 */
#include "fake_cases.h"
#include "smsc_peer.h"
#include "../smpp.c"
#include "../esme.h"

enum { ACCEPTED = PORT_ACCEPTED, REJECTED = PORT_REJECTED, UNKNOWN = PORT_UNKNOWN };

static struct fake *start(const char *cred_more, const char *params)
{
    char cred[800];
    struct fake *f = fake_create(&wf_plugin_entry, "catalyst.smsSend");
    snprintf(cred, sizeof cred,
             "{\"host\":\"127.0.0.1\",\"port\":\"%u\",\"systemId\":\"acme\",\"password\":\"s3cr3t\""
             "%s%s}",
             peer.port, cred_more ? "," : "", cred_more ? cred_more : "");
    fake_service(f, "loop/1", &loop_table);
    fake_cred(f, "smpp", cred);
    if (fake_start(f, params ? params : "{}") != 0)
        fail_msg("%s", fake_error(f));
    return f;
}

static struct fake *start_bound(const char *cred_more, const char *params)
{
    struct fake *f = start(cred_more, params);
    unsigned wanted = peer.binds + 1;
    until(peer.binds >= wanted && account_list()->n_up);
    return f;
}

static wf_item *say(struct fake *f, const char *json)
{
    wf_item *it = fake_item(f, json);
    fake_run(f);
    return it;
}

#define ONE "{\"id\":\"a1\",\"from\":\"ACME\",\"to\":\"+4915112345678\",\"text\":\"Hello\"}"

static int has(const struct fake *f, unsigned port, size_t i, const char *text)
{
    return strstr(fake_output_json(f, port, i), text) != NULL;
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
    assert_null(account_list());
    return 0;
}

/* --- what goes well --------------------------------------------------------------------------- */

static void test_one(void **state)
{
    (void)state;
    struct fake *f = start(NULL, NULL);
    wf_item *it = say(f, ONE); /* before the bind is up */
    until(fake_ended(it));
    assert_string_equal(peer.system_id, "acme");
    assert_string_equal(peer.password, "s3cr3t");
    assert_int_equal(peer.bind_command, SMPP_BIND_TRANSCEIVER);
    const struct peer_got *got = &peer.got[0];
    assert_string_equal(got->from, "ACME");
    assert_int_equal(got->from_ton, 5);
    assert_string_equal(got->to, "4915112345678");
    assert_int_equal(got->to_ton, 1);
    assert_string_equal(got->text, "Hello");
    assert_int_equal(got->registered, 1);
    assert_int_equal(got->data_coding, 0);
    assert_string_equal(fake_output_json(f, ACCEPTED, 0),
                        "{\"id\":\"a1\",\"from\":\"ACME\",\"to\":\"+4915112345678\",\"text\":"
                        "\"Hello\",\"send\":{\"outcome\":\"accepted\",\"channel\":\"sms\","
                        "\"account\":\"acme\",\"provider_id\":\"m0\",\"segments\":1,\"encoding\":"
                        "\"gsm7\"}}");
    assert_int_equal(fake_metric(f, COUNT_ACCEPTED), 1);
    assert_int_equal(fake_metric(f, COUNT_SUBMITS), 1);
    assert_int_equal(fake_metric(f, COUNT_BINDS), 1);
    assert_int_equal(fake_metric(f, COUNT_BINDS_UP), 1);
    assert_int_equal(fake_metric(f, COUNT_WINDOW_SIZE), 50);
    fake_destroy(f);
    until(peer.unbinds == 1);
}

static void test_a_frame(void **state)
{
    (void)state;
    struct fake *f = start_bound("\"window\":\"10\"", NULL);
    for (int i = 0; i < 300; i++) {
        char json[200];
        snprintf(json, sizeof json,
                 "{\"from\":\"A\",\"to\":\"+49151%07d\",\"text\":\"n%d\",\"dlr\":false}", i, i);
        fake_item(f, json);
    }
    fake_run(f);
    assert_int_equal(account_list()->links[0].session.window.used, 10);
    until(fake_outputs(f, ACCEPTED) == 300);
    for (int i = 0; i < 300; i++) {
        char text[20];
        snprintf(text, sizeof text, "n%d", i);
        assert_string_equal(peer.got[i].text, text);
        assert_int_equal(peer.got[i].registered, 0);
    }
    fake_destroy(f);
}

static void test_parts(void **state)
{
    (void)state;
    char json[1000], text[401];
    memset(text, 'x', 400);
    text[400] = 0;
    snprintf(json, sizeof json, "{\"from\":\"A\",\"to\":\"+4915112345678\",\"text\":\"%s\"}", text);
    struct fake *f = start_bound(NULL, NULL);
    wf_item *it = say(f, json);
    until(fake_ended(it));
    assert_int_equal(peer.n, 3);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(peer.got[i].esm_class & 0x40, 0x40);
        assert_memory_equal(peer.got[i].text, "\x05\x00\x03", 3);
        assert_int_equal(peer.got[i].text[4], 3);
        assert_int_equal(peer.got[i].text[5], i + 1);
        assert_int_equal(peer.got[i].text[3], peer.got[0].text[3]);
    }
    assert_true(has(f, ACCEPTED, 0,
                    "\"provider_id\":\"m0\",\"provider_ids\":[\"m0\",\"m1\",\"m2\"],"
                    "\"segments\":3"));
    fake_destroy(f);
}

static void test_envelope(void **state)
{
    (void)state;
    struct fake *f = start_bound("\"userMessageReference\":\"true\",\"idTag\":\"0x1400\"",
                                 "{\"options\":{\"toMember\":\"dest\"}}");
    char json[300];
    snprintf(json, sizeof json,
             "{\"id\":\"abc\",\"from\":\"12345\",\"dest\":\"004915112345678\",\"text\":\"\\u0416\","
             "\"ttl_s\":3700,\"ts_us\":%lld}",
             1700000000000000LL - 100 * 1000000LL);
    wf_item *it = say(f, json);
    until(fake_ended(it));
    const struct peer_got *got = &peer.got[0];
    assert_string_equal(got->to, "4915112345678");
    assert_int_equal(got->from_ton, 3);
    assert_int_equal(got->data_coding, 8);
    assert_memory_equal(got->text, "\x04\x16", 2);
    assert_string_equal(got->validity, "000000010000000R"); /* 3,700 less the 100 of its age */
    struct smpp_tlvs tlvs = { got->tlvs, got->tlv_bytes };
    struct smpp_str id;
    uint32_t reference;
    assert_int_equal(smpp_tlv_text(&tlvs, 0x1400, &id), 1);
    assert_int_equal(id.len, 3);
    assert_memory_equal(id.ptr, "abc", 3);
    assert_int_equal(smpp_tlv_number(&tlvs, SMPP_TAG_USER_MESSAGE_REFERENCE, &reference), 1);
    it = say(f, "{\"from\":\"A\",\"dest\":\"+4915112345678\",\"text\":\"00ff7a\",\"dcs\":4}");
    until(fake_ended(it));
    assert_int_equal(peer.got[1].data_coding, 4);
    assert_int_equal(peer.got[1].text_len, 3);
    assert_memory_equal(peer.got[1].text, "\x00\xffz", 3);
    fake_destroy(f);
}

static void test_ussd(void **state)
{
    (void)state;
    struct fake *f = start_bound("\"ussdSessionTag\":\"0x1400\"",
                                 "{\"options\":{\"ussd\":true,\"fromMember\":\"to\",\"toMember\":"
                                 "\"from\",\"textMember\":\"reply.text\"}}");
    wf_item *it = say(f, "{\"from\":\"+4915112345678\",\"to\":\"123\",\"its_session_info\":770,"
                         "\"reply\":{\"text\":\"1 Yes\",\"ussd_service_op\":2}}");
    until(fake_ended(it));
    assert_int_equal(fake_outputs(f, ACCEPTED), 1);
    struct smpp_tlvs tlvs = { peer.got[0].tlvs, peer.got[0].tlv_bytes };
    uint32_t n;
    assert_int_equal(smpp_tlv_number(&tlvs, SMPP_TAG_USSD_SERVICE_OP, &n), 1);
    assert_int_equal(n, 2);
    assert_int_equal(smpp_tlv_number(&tlvs, 0x1400, &n), 1);
    assert_int_equal(n, 770);
    assert_string_equal(peer.got[0].text, "1 Yes");
    assert_true(has(f, ACCEPTED, 0, "\"channel\":\"ussd\""));
    assert_string_equal(peer.got[0].to, "4915112345678");
    fake_destroy(f);
}

static void test_other_operations(void **state)
{
    (void)state;
    struct fake *f = start_bound(NULL, "{\"operation\":\"query\",\"messageId\":\"77\"}");
    wf_item *it = say(f, "{\"from\":\"ACME\"}");
    until(fake_ended(it));
    assert_int_equal(peer.got[0].command, SMPP_QUERY_SM);
    assert_string_equal(peer.got[0].id, "77");
    assert_true(has(f, ACCEPTED, 0, "\"state\":\"delivered\",\"smsc_state\":\"DELIVRD\""));
    fake_destroy(f);
    f = start_bound(NULL, "{\"operation\":\"cancel\",\"messageId\":\"={{ $json.id }}\"}");
    it = say(f, "{\"id\":\"78\",\"from\":\"ACME\",\"to\":\"+4915112345678\"}");
    wf_item *none = say(f, "{\"from\":\"ACME\",\"to\":\"+4915112345678\"}");
    until(fake_ended(it));
    assert_int_equal(peer.got[1].command, SMPP_CANCEL_SM);
    assert_string_equal(peer.got[1].id, "78");
    assert_int_equal(fake_ended(none), FAKE_EMITTED);
    assert_true(has(f, REJECTED, 0, "messageId is empty"));
    fake_destroy(f);
    f = start_bound(NULL, "{\"operation\":\"replace\",\"messageId\":\"79\"}");
    it = say(f, "{\"from\":\"ACME\",\"text\":\"new\"}");
    until(fake_ended(it));
    assert_int_equal(peer.got[2].command, SMPP_REPLACE_SM);
    assert_string_equal(peer.got[2].text, "new");
    fake_destroy(f);
    f = start_bound(NULL, "{\"operation\":\"data\"}");
    it = say(f, ONE);
    until(fake_ended(it));
    assert_int_equal(peer.got[3].command, SMPP_DATA_SM);
    assert_true(has(f, ACCEPTED, 0, "\"provider_id\":\"m3\""));
    fake_destroy(f);
}

/* --- what the SMSC refuses -------------------------------------------------------------------- */

static int throttle_twice(const struct peer_got *got, unsigned n)
{
    (void)got;
    return n == 1 ? SMPP_RTHROTTLED : n == 2 ? SMPP_RMSGQFUL : 0;
}

static void test_throttled(void **state)
{
    (void)state;
    peer.answer = throttle_twice;
    struct fake *f = start_bound(NULL, "{\"options\":{\"attempts\":1}}");
    for (int i = 0; i < 6; i++) {
        char json[100];
        snprintf(json, sizeof json, "{\"from\":\"A\",\"to\":\"+4915112345678\",\"text\":\"n%d\"}",
                 i);
        fake_item(f, json);
    }
    fake_run(f);
    until(fake_outputs(f, ACCEPTED) == 4);
    wf_item *later = say(f, "{\"from\":\"A\",\"to\":\"+4915112345678\",\"text\":\"last\"}");
    for_ms(700);
    assert_int_equal(peer.n, 6); /* silent */
    until(fake_ended(later));
    assert_int_equal(fake_outputs(f, ACCEPTED), 7);
    assert_int_equal(fake_metric(f, COUNT_THROTTLED), 2);
    assert_string_equal(peer.got[6].text, "n1"); /* the head of the queue, in order */
    assert_string_equal(peer.got[7].text, "n2");
    assert_string_equal(peer.got[8].text, "last");
    assert_true(peer.got[6].at_ms - peer.got[5].at_ms >= 990);
    fake_destroy(f);
}

static int throttle_second(const struct peer_got *got, unsigned n)
{
    (void)got;
    return n == 0 ? PEER_SILENT : n == 1 ? SMPP_RTHROTTLED : 0;
}

static void test_throttled_goes_to_the_head(void **state)
{
    (void)state;
    peer.answer = throttle_second;
    struct fake *f = start_bound("\"window\":\"2\"", NULL);
    for (int i = 0; i < 5; i++) {
        char json[100];
        snprintf(json, sizeof json, "{\"from\":\"A\",\"to\":\"+4915112345678\",\"text\":\"n%d\"}",
                 i);
        fake_item(f, json);
    }
    fake_run(f);
    until(fake_outputs(f, ACCEPTED) == 4);
    static const char *const texts[] = { "n0", "n1", "n1", "n2", "n3", "n4" };
    for (unsigned i = 0; i < 6; i++)
        assert_string_equal(peer.got[i].text, texts[i]);
    peer_reply(&peer.got[0], 0, "at last");
    until(fake_outputs(f, ACCEPTED) == 5);
    fake_destroy(f);
}

static int system_error_once(const struct peer_got *got, unsigned n)
{
    (void)got;
    return n == 0 ? SMPP_RSYSERR : 0;
}

static void test_tried_again(void **state)
{
    (void)state;
    peer.answer = system_error_once;
    struct fake *f = start_bound(NULL, NULL);
    wf_item *it = say(f, ONE);
    until(fake_ended(it));
    assert_int_equal(peer.n, 2);
    assert_int_equal(fake_outputs(f, ACCEPTED), 1);
    assert_int_equal(fake_metric(f, COUNT_RETRIED), 1);
    fake_destroy(f);
    peer.n = 0;
    f = start_bound(NULL, "{\"options\":{\"attempts\":1}}");
    it = say(f, ONE);
    until(fake_ended(it));
    assert_int_equal(peer.n, 1);
    assert_true(has(f, REJECTED, 0, "\"class\":\"transient\",\"code\":\"ESME_RSYSERR\""));
    fake_destroy(f);
}

static int bad_address(const struct peer_got *got, unsigned n)
{
    (void)got;
    (void)n;
    return SMPP_RINVDSTADR;
}

static void test_refused(void **state)
{
    (void)state;
    peer.answer = bad_address;
    struct fake *f = start_bound(NULL, NULL);
    wf_item *it = say(f, ONE);
    until(fake_ended(it));
    assert_int_equal(peer.n, 1);
    assert_true(
        has(f, REJECTED, 0, "\"class\":\"permanent-recipient\",\"code\":\"ESME_RINVDSTADR\""));
    assert_int_equal(fake_metric(f, COUNT_REJECTED), 1);
    assert_int_equal(fake_metric(f, COUNT_REASON + WF_CLASS_PERMANENT_RECIPIENT - 1), 1);
    assert_string_equal(smpp_metrics[COUNT_REASON + WF_CLASS_PERMANENT_RECIPIENT - 1].name,
                        "send_rejected_total{channel=\"sms\",reason=\"permanent-recipient\"}");
    fake_destroy(f);
}

static int second_part_bad(const struct peer_got *got, unsigned n)
{
    (void)n;
    return got->text[5] == 2 ? SMPP_RINVMSGLEN : 0;
}

static void test_a_part_is_refused(void **state)
{
    (void)state;
    char json[2000], text[1501];
    memset(text, 'y', 1500); /* 10 parts */
    text[1500] = 0;
    snprintf(json, sizeof json, "{\"from\":\"A\",\"to\":\"+4915112345678\",\"text\":\"%s\"}", text);
    peer.answer = second_part_bad;
    struct fake *f = start_bound("\"window\":\"2\"", NULL);
    wf_item *it = say(f, json);
    until(fake_ended(it));
    assert_true(has(f, REJECTED, 0, "\"provider_ids\":[\"m0\""));
    assert_true(has(f, REJECTED, 0, "\"segments\":10"));
    assert_true(has(f, REJECTED, 0, "\"code\":\"ESME_RINVMSGLEN\""));
    assert_in_range(peer.n, 2, 4); /* no more left after the refusal */
    fake_destroy(f);
}

static void test_bad_items(void **state)
{
    (void)state;
    static const struct {
        const char *json, *code;
    } bad[] = {
        { "{\"from\":\"A\",\"text\":\"x\"}", "\"code\":\"to\"" },
        { "{\"from\":\"A\",\"to\":\"\",\"text\":\"x\"}", "\"code\":\"to\"" },
        { "{\"from\":\"A name that is too long\",\"to\":\"+4915112345678\",\"text\":\"x\"}",
          "\"code\":\"from\"" },
        { "{\"from\":\"A\",\"to\":\"+4915112345678\"}", "\"code\":\"text\"" },
        { "{\"from\":\"A\",\"to\":\"+4915112345678\",\"text\":{}}", "\"code\":\"text\"" },
        { "{\"from\":\"A\",\"to\":\"+4915112345678\",\"text\":\"xyz\",\"dcs\":4}",
          "not hexadecimal" },
        { "{\"from\":\"A\",\"to\":\"+4915112345678\",\"text\":\"\\u0416\",\"dcs\":1}",
          "not in its alphabet" },
        { "{\"from\":\"A\",\"to\":\"+4915112345678\",\"text\":\"x\",\"ttl_s\":10,\"ts_us\":1}",
          "\"code\":\"expired\"" },
    };
    struct fake *f = start_bound(NULL, NULL);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        wf_item *it = say(f, bad[i].json);
        assert_int_equal(fake_ended(it), FAKE_EMITTED);
        if (!has(f, REJECTED, i, bad[i].code) || !has(f, REJECTED, i, "\"outcome\":\"rejected\""))
            fail_msg("%s gave %s", bad[i].json, fake_output_json(f, REJECTED, i));
    }
    char *json = malloc(50100);
    size_t n = (size_t)sprintf(json, "{\"from\":\"A\",\"to\":\"+4915112345678\",\"text\":\"");
    memset(json + n, 'x', 50000);
    strcpy(json + n + 50000, "\"}");
    say(f, json);
    assert_true(has(f, REJECTED, 8, "longer than 40,000"));
    strcpy(json + n + 39500, "\"}");
    say(f, json);
    assert_true(has(f, REJECTED, 9, "more than 255 parts"));
    free(json);
    assert_int_equal(peer.n, 0);
    fake_destroy(f);
}

/* --- what nobody knows ------------------------------------------------------------------------ */

static int silent(const struct peer_got *got, unsigned n)
{
    (void)got;
    (void)n;
    return PEER_SILENT;
}
static int cut_first(const struct peer_got *got, unsigned n)
{
    (void)got;
    return n == 0 ? PEER_CUT : 0;
}

static void test_no_response(void **state)
{
    (void)state;
    peer.answer = silent;
    struct fake *f = start_bound("\"responseSeconds\":\"1\"", NULL);
    wf_item *it = say(f, ONE);
    until(fake_ended(it));
    assert_true(has(f, UNKNOWN, 0, "\"outcome\":\"unknown\""));
    assert_true(has(f, UNKNOWN, 0, "\"code\":\"timeout\""));
    peer_reply(&peer.got[0], 0, "late");
    for_ms(1500);
    assert_int_equal(peer.n, 1);
    assert_int_equal(fake_outputs(f, ACCEPTED), 0);
    assert_int_equal(fake_metric(f, COUNT_UNKNOWN), 1);
    assert_int_equal(fake_metric(f, COUNT_LATE), 1);
    fake_destroy(f);
}

static void test_cut(void **state)
{
    (void)state;
    peer.answer = cut_first;
    struct fake *f = start_bound(NULL, NULL);
    wf_item *it = say(f, ONE);
    until(fake_ended(it));
    assert_true(has(f, UNKNOWN, 0, "\"code\":\"connection\""));
    wf_item *next = say(f, ONE); /* waits for the next bind */
    until(fake_ended(next));
    assert_int_equal(fake_outputs(f, ACCEPTED), 1);
    assert_int_equal(peer.n, 2); /* the first was not sent again */
    assert_int_equal(peer.binds, 2);
    for (size_t i = 0; i < fake_logs(f); i++)
        assert_null(strstr(fake_log(f, i), "s3cr3t"));
    fake_destroy(f);
}

static void test_an_earlier_life(void **state)
{
    (void)state;
    struct fake *f = start_bound(NULL, NULL);
    wf_item *it = fake_item(f, ONE);
    fake_maybe_begun(it);
    fake_run(f);
    assert_int_equal(fake_ended(it), FAKE_EMITTED);
    assert_true(has(f, UNKNOWN, 0, "\"code\":\"restart\""));
    for_ms(50);
    assert_int_equal(peer.n, 0);
    fake_destroy(f);
    f = start_bound(NULL, "{\"repeated\":\"send\"}");
    it = fake_item(f, ONE);
    fake_maybe_begun(it);
    fake_run(f);
    until(fake_ended(it));
    assert_int_equal(fake_outputs(f, ACCEPTED), 1);
    fake_destroy(f);
}

/* A rebalance: what waits here is sent by its next engine, and by nobody else. */
static void test_the_lane_goes(void **state)
{
    (void)state;
    struct fake *f = start_bound("\"window\":\"1\"", NULL);
    peer.answer = silent;
    wf_item *begun = say(f, ONE), *queued = say(f, ONE);
    until(peer.n == 1);
    fake_leave(f);
    peer_reply(&peer.got[0], 0, "7f3a");
    until(fake_ended(begun));
    assert_true(has(f, ACCEPTED, 0, "\"outcome\":\"accepted\""));
    for_ms(300);
    assert_int_equal(peer.n, 1);
    assert_int_equal(fake_ended(queued), FAKE_NOT_ENDED);
    fake_cancel(queued);
    assert_int_equal(fake_metric(f, COUNT_QUEUED), 0);
    fake_destroy(f);
}

static void test_a_changed_credential(void **state)
{
    (void)state;
    struct fake *f = start_bound(NULL, NULL), *g = start(NULL, NULL);
    assert_int_equal(peer.binds, 1); /* the same account */
    struct fake *h = start("\"window\":\"7\"", NULL);
    until(peer.binds == 2); /* what is set otherwise is another one */
    fake_destroy(f);
    fake_destroy(g);
    until(peer.unbinds == 1);
    assert_int_equal(account_list()->set.window, 7);
    assert_null(account_list()->next);
    fake_destroy(h);
}

static void test_cut_and_sent_again_on_demand(void **state)
{
    (void)state;
    peer.answer = cut_first;
    struct fake *f = start_bound(NULL, "{\"repeated\":\"send\"}");
    wf_item *it = say(f, ONE);
    until(fake_ended(it));
    assert_int_equal(fake_outputs(f, ACCEPTED), 1);
    assert_int_equal(peer.n, 2);
    fake_destroy(f);
}

/* --- binds ------------------------------------------------------------------------------------ */

static void test_time_over_without_a_bind(void **state)
{
    (void)state;
    peer.bind_status = SMPP_RINVPASWD;
    struct fake *f = start(NULL, "{\"options\":{\"maxWait\":\"700ms\"}}");
    wf_item *it = say(f, ONE);
    until(fake_ended(it));
    assert_int_equal(peer.n, 0);
    assert_true(has(f, REJECTED, 0, "\"class\":\"permanent-account\",\"code\":\"expired\""));
    assert_true(has(f, REJECTED, 0, "ESME_RINVPASWD"));
    assert_int_equal(fake_metric(f, COUNT_REFUSED_BINDS), 1);
    for_ms(500);
    assert_int_equal(peer.binds, 1); /* not hammered */
    fake_destroy(f);
}

static void test_nobody_there(void **state)
{
    (void)state;
    close(peer.listener);
    struct fake *f = start(NULL, "{\"options\":{\"maxWait\":\"600ms\"}}");
    wf_item *it = say(f, ONE);
    until(fake_ended(it));
    assert_true(has(f, REJECTED, 0, "\"class\":\"transient\",\"code\":\"expired\""));
    fake_destroy(f);
    peer.listener = -1;
}

static int by_connection(const struct peer_got *got, unsigned n)
{
    (void)n;
    return got->conn == 0 ? PEER_SILENT : 0;
}

static void test_two_binds(void **state)
{
    (void)state;
    struct fake *f = start("\"binds\":\"2\",\"window\":\"5\"", NULL);
    until(peer.binds == 2 && account_list()->n_up == 2);
    peer.answer = by_connection;
    for (int i = 0; i < 100; i++) {
        char json[100];
        snprintf(json, sizeof json, "{\"from\":\"A\",\"to\":\"+49151%07d\",\"text\":\"n\"}", i);
        fake_item(f, json);
    }
    fake_run(f);
    for_ms(300);
    assert_int_equal(account_list()->links[0].session.window.used +
                         account_list()->links[1].session.window.used,
                     5); /* the silent one is full, the other done */
    size_t answered = fake_outputs(f, ACCEPTED);
    assert_in_range(answered, 20, 80);
    peer_cut(0);
    until(fake_outputs(f, ACCEPTED) == 95);
    until(fake_outputs(f, UNKNOWN) == 5);
    fake_destroy(f);
}

static void test_distance(void **state)
{
    (void)state;
    struct fake *f = start_bound("\"recipientDistanceMs\":\"250\"", NULL);
    for (int i = 0; i < 3; i++) {
        fake_item(f, "{\"from\":\"A\",\"to\":\"+4915112345678\",\"text\":\"same\"}");
        fake_item(f, i == 0 ? "{\"from\":\"A\",\"to\":\"+4915112340001\",\"text\":\"other\"}"
                            : "{\"from\":\"A\",\"to\":\"+4915112340002\",\"text\":\"other\"}");
    }
    fake_run(f);
    until(fake_outputs(f, ACCEPTED) == 6);
    int64_t times[3];
    int n = 0;
    for (unsigned i = 0; i < 6; i++)
        if (!strcmp(peer.got[i].to, "4915112345678"))
            times[n++] = peer.got[i].at_ms;
    assert_int_equal(n, 3);
    assert_true(times[1] - times[0] >= 240 && times[2] - times[1] >= 240);
    fake_destroy(f);
}

static void test_rate(void **state)
{
    (void)state;
    struct fake *f = start_bound("\"rate\":\"100\"", NULL);
    int64_t began_ms = loop_now();
    for (int i = 0; i < 60; i++)
        fake_item(f, ONE);
    fake_run(f);
    until(fake_outputs(f, ACCEPTED) == 60);
    assert_true(loop_now() - began_ms >= 450);
    fake_destroy(f);
}

/* The rate is the account's, however many binds it has, and none of them takes it all. */
static void test_rate_of_several_binds(void **state)
{
    (void)state;
    struct fake *f = start("\"binds\":\"3\",\"rate\":\"50\"", NULL);
    unsigned by_bind[PEER_CONNS] = { 0 };
    until(account_list() && account_list()->n_up == 3);
    int64_t began_ms = loop_now();
    for (int i = 0; i < 60; i++) {
        char json[100];
        snprintf(json, sizeof json, "{\"from\":\"A\",\"to\":\"+49151%07d\",\"text\":\"n\"}", i);
        fake_item(f, json);
    }
    fake_run(f);
    until(peer.n >= 30);
    for (unsigned i = 0; i < 30; i++)
        by_bind[peer.got[i].conn]++;
    for (int i = 0; i < 3; i++)
        assert_true(by_bind[i] >= 5);
    until(fake_outputs(f, ACCEPTED) == 60);
    assert_true(loop_now() - began_ms >= 1050); /* five at once, then one in 20 ms */
    fake_destroy(f);
}

/* --- checks ----------------------------------------------------------------------------------- */

static void refused_cred(const char *cred, const char *why)
{
    struct fake *f = fake_create(&wf_plugin_entry, "catalyst.smsSend");
    fake_service(f, "loop/1", &loop_table);
    fake_cred(f, "smpp", cred);
    assert_int_equal(fake_start(f, "{}"), -1);
    if (!strstr(fake_error(f), why))
        fail_msg("%s", fake_error(f));
    fake_destroy(f);
}

static void test_checks(void **state)
{
    (void)state;
    refused_cred("{\"systemId\":\"a\",\"concatenation\":\"both\"}", "concatenation is");
    refused_cred("{\"systemId\":\"a\",\"defaultAlphabet\":\"utf8\"}", "defaultAlphabet is");
    refused_cred("{\"systemId\":\"a\",\"responseIds\":\"octal\"}", "responseIds and");
    refused_cred("{\"systemId\":\"a\",\"singleShift\":\"klingon\"}", "languages");
    refused_cred("{\"systemId\":\"a\",\"countryCode\":\"+49\"}", "countryCode");
    refused_cred("{\"systemId\":\"a\",\"bindMode\":\"up\"}", "bindMode");
    struct fake *f = fake_create(&wf_plugin_entry, "catalyst.smsSend");
    fake_cred(f, "smpp", "{\"systemId\":\"a\"}");
    assert_int_equal(fake_start(f, "{\"options\":{\"serviceType\":\"toolong\"}}"), -1);
    assert_non_null(strstr(fake_error(f), "5 characters"));
    fake_destroy(f);
    f = fake_create(&wf_plugin_entry, "catalyst.smsSend"); /* an engine without sockets */
    fake_cred(f, "smpp", "{\"systemId\":\"a\"}");
    assert_int_equal(fake_start(f, "{}"), -1);
    fake_destroy(f);
}

#define T(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        T(test_one),
        T(test_a_frame),
        T(test_parts),
        T(test_envelope),
        T(test_ussd),
        T(test_other_operations),
        T(test_throttled),
        T(test_throttled_goes_to_the_head),
        T(test_tried_again),
        T(test_refused),
        T(test_a_part_is_refused),
        T(test_bad_items),
        T(test_no_response),
        T(test_cut),
        T(test_an_earlier_life),
        T(test_the_lane_goes),
        T(test_a_changed_credential),
        T(test_cut_and_sent_again_on_demand),
        T(test_time_over_without_a_bind),
        T(test_nobody_there),
        T(test_two_binds),
        T(test_distance),
        T(test_rate),
        T(test_rate_of_several_binds),
        T(test_checks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
