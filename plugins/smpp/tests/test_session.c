/* SPDX-License-Identifier: Apache-2.0
 * A session in both roles, driven by bytes and times alone: states, window, timers, pace.
 */
#include "../pace.c"
#include "../session.c"
#include "../session_take.c"
#include "../window.c"
#include <setjmp.h>
#include <stdio.h>
#include <cmocka.h>

/* --- an owner that remembers ------------------------------------------------------------------ */

enum { SEEN_MAX = 64 };
static struct seen {
    struct session session;
    uint8_t out[65536];
    size_t out_len;
    uint32_t bound_status;
    int bound, ended, responses, lost, requests, notices;
    uint64_t tags[SEEN_MAX];
    uint32_t statuses[SEEN_MAX];
    enum session_loss loss;
    uint32_t request_command, request_sequence;
    char why[100];
} seen;
static int64_t now_ms = 1000000;

static void on_write(void *owner, const void *bytes, size_t len)
{
    struct seen *s = owner;
    memcpy(s->out + s->out_len, bytes, len);
    s->out_len += len;
}
static void on_bound(void *owner, uint32_t status)
{
    struct seen *s = owner;
    s->bound++;
    s->bound_status = status;
}
static void on_request(void *owner, const struct session_pdu *pdu)
{
    struct seen *s = owner;
    s->requests++;
    s->request_command = pdu->command;
    s->request_sequence = pdu->sequence;
}
static void on_response(void *owner, const struct window_slot *slot, const struct session_pdu *pdu)
{
    struct seen *s = owner;
    s->tags[s->responses % SEEN_MAX] = slot->tag;
    s->statuses[s->responses++ % SEEN_MAX] = pdu->status;
}
static void on_lost(void *owner, const struct window_slot *slot, enum session_loss loss)
{
    struct seen *s = owner;
    s->tags[s->lost++ % SEEN_MAX] = slot->tag;
    s->loss = loss;
}
static void on_notice(void *owner, const struct session_pdu *pdu)
{
    (void)pdu;
    ((struct seen *)owner)->notices++;
}
static void on_ended(void *owner, const char *why)
{
    struct seen *s = owner;
    s->ended++;
    snprintf(s->why, sizeof s->why, "%s", why);
}
static const struct session_owner calls = { on_write, on_bound,  on_request, on_response,
                                            on_lost,  on_notice, on_ended };

static struct session *begin(enum session_role role, uint32_t window)
{
    memset(&seen, 0, sizeof seen);
    session_init(&seen.session, &calls, &seen,
                 &(struct session_settings){ .role = role,
                                             .window = window,
                                             .owed = 4,
                                             .bind_ms = 10000,
                                             .enquire_ms = 30000,
                                             .response_ms = 20000,
                                             .inactivity_ms = role == SESSION_SMSC ? 300000 : 0 },
                 now_ms);
    return &seen.session;
}

static void end(void)
{
    session_end(&seen.session, "end of the test");
    session_fini(&seen.session);
}

/* What left: the n-th PDU's field; then it is forgotten by forget(). */
static uint32_t left(unsigned n, unsigned field)
{
    size_t at = 0;
    while (n-- && at < seen.out_len)
        at += session_number_at(seen.out + at);
    return at < seen.out_len ? session_number_at(seen.out + at + field * 4) : 0xeeeeeeee;
}
static unsigned left_count(void)
{
    unsigned n = 0;
    for (size_t at = 0; at < seen.out_len; at += session_number_at(seen.out + at))
        n++;
    return n;
}
static void forget(void) { seen.out_len = 0; }

static void feed_head(uint32_t command, uint32_t status, uint32_t sequence)
{
    uint8_t pdu[SMPP_HEADER_BYTES];
    smpp_header_write(pdu, command, status, sequence);
    session_feed(&seen.session, pdu, sizeof pdu, now_ms);
}
static void feed_id(uint32_t command, uint32_t status, uint32_t sequence, const char *id)
{
    uint8_t pdu[100];
    session_feed(&seen.session, pdu,
                 smpp_reply_write(pdu, command, status, sequence, id, strlen(id)), now_ms);
}

static uint8_t submit[SMPP_HEADER_BYTES + 40];
static int send_one(uint64_t tag)
{
    smpp_header_write(submit, SMPP_SUBMIT_SM, 0, 0);
    submit[3] = sizeof submit;
    return session_send(&seen.session, submit, sizeof submit, tag, now_ms);
}

static struct session *begin_bound(uint32_t window)
{
    struct session *s = begin(SESSION_ESME, window);
    uint8_t bind[SMPP_HEADER_BYTES];
    smpp_header_write(bind, SMPP_BIND_TRANSCEIVER, 0, 0);
    session_bind(s, bind, sizeof bind, SESSION_TRANSCEIVER, now_ms);
    feed_id(SMPP_BIND_TRANSCEIVER | SMPP_RESP, 0, left(0, 3), "smsc");
    assert_int_equal(s->state, SESSION_BOUND);
    forget();
    return s;
}

static struct session *begin_server(void)
{
    struct session *s = begin(SESSION_SMSC, 10);
    uint8_t answer[20];
    feed_head(SMPP_BIND_TRANSCEIVER, 0, 7);
    assert_int_equal(seen.requests, 1);
    size_t n = smpp_reply_write(answer, SMPP_BIND_TRANSCEIVER | SMPP_RESP, 0, 7, "us", 2);
    session_accept(s, SESSION_TRANSCEIVER, answer, n, now_ms);
    forget();
    seen.requests = 0;
    return s;
}

/* --- binding ---------------------------------------------------------------------------------- */

static void test_bind(void **state)
{
    (void)state;
    begin_bound(10);
    assert_int_equal(seen.bound, 1);
    assert_int_equal(seen.bound_status, 0);
    end();
}

static void test_bind_refused(void **state)
{
    (void)state;
    struct session *s = begin(SESSION_ESME, 10);
    uint8_t bind[SMPP_HEADER_BYTES];
    smpp_header_write(bind, SMPP_BIND_TRANSMITTER, 0, 0);
    session_bind(s, bind, sizeof bind, SESSION_TRANSMITTER, now_ms);
    assert_int_equal(send_one(1), -1);
    feed_head(SMPP_BIND_TRANSMITTER | SMPP_RESP, SMPP_RINVPASWD, 1);
    assert_int_equal(seen.bound_status, SMPP_RINVPASWD);
    assert_int_equal(seen.ended, 1);
    end();
    assert_int_equal(seen.ended, 1);
}

static void test_bind_late(void **state)
{
    (void)state;
    struct session *s = begin(SESSION_ESME, 10);
    uint8_t bind[SMPP_HEADER_BYTES];
    smpp_header_write(bind, SMPP_BIND_TRANSMITTER, 0, 0);
    session_bind(s, bind, sizeof bind, SESSION_TRANSMITTER, now_ms);
    session_tick(s, now_ms + 9999);
    assert_int_equal(seen.ended, 0);
    session_tick(s, now_ms + 10000);
    assert_string_equal(seen.why, "the bind request was not answered");
    end();
    s = begin(SESSION_SMSC, 10);
    session_tick(s, now_ms + 10000);
    assert_string_equal(seen.why, "no bind request came");
    end();
}

static void test_server_binds(void **state)
{
    (void)state;
    begin_server();
    feed_head(SMPP_BIND_TRANSMITTER, 0, 8); /* a second time */
    assert_int_equal(left(0, 2), SMPP_RALYBND);
    end();
    struct session *s = begin(SESSION_SMSC, 10);
    feed_head(SMPP_SUBMIT_SM, 0, 1); /* before the bind */
    assert_int_equal(left(0, 1), (SMPP_SUBMIT_SM | SMPP_RESP));
    assert_int_equal(left(0, 2), SMPP_RINVBNDSTS);
    forget();
    feed_head(SMPP_BIND_RECEIVER, 0, 2);
    struct session_pdu bind = { .command = SMPP_BIND_RECEIVER, .sequence = 2 };
    session_refuse(s, &bind, SMPP_RINVPASWD);
    assert_int_equal(left(0, 2), SMPP_RINVPASWD);
    assert_int_equal(left(0, 3), 2);
    assert_int_equal(seen.ended, 1);
    end();
}

/* --- window ----------------------------------------------------------------------------------- */

static void test_responses_out_of_order(void **state)
{
    (void)state;
    begin_bound(4);
    for (uint64_t tag = 1; tag <= 4; tag++)
        assert_int_equal(send_one(tag), 0);
    assert_int_equal(send_one(5), -1); /* full */
    assert_int_equal(session_room(&seen.session, now_ms), 0);
    static const unsigned order[] = { 3, 0, 2, 1 };
    for (unsigned i = 0; i < 4; i++)
        feed_id(SMPP_SUBMIT_SM | SMPP_RESP, i == 2 ? SMPP_RINVDSTADR : 0, left(order[i], 3), "id");
    static const uint64_t tags[] = { 4, 1, 3, 2 };
    assert_memory_equal(seen.tags, tags, sizeof tags);
    assert_int_equal(seen.statuses[2], SMPP_RINVDSTADR);
    assert_int_equal(session_room(&seen.session, now_ms), 4);
    feed_id(SMPP_SUBMIT_SM | SMPP_RESP, 0, left(0, 3), "id"); /* once more */
    assert_int_equal(seen.responses, 4);
    assert_int_equal(seen.session.late, 1);
    end();
}

static void test_an_answer_that_never_comes(void **state)
{
    (void)state;
    struct session *s = begin_bound(3);
    assert_int_equal(send_one(99), 0);
    uint32_t stuck = left(0, 3);
    for (uint64_t tag = 0; tag < 1000; tag++) {
        forget();
        assert_int_equal(send_one(tag), 0);
        assert_int_not_equal(left(0, 3) & s->window.mask, stuck & s->window.mask);
        feed_head(SMPP_SUBMIT_SM | SMPP_RESP, 0, left(0, 3));
    }
    assert_int_equal(seen.responses, 1000);
    session_tick(s, now_ms + 19999);
    assert_int_equal(seen.lost, 0);
    now_ms += 20000;
    session_tick(s, now_ms);
    assert_int_equal(seen.lost, 1);
    assert_int_equal(seen.tags[0], 99);
    assert_int_equal(seen.loss, SESSION_TIMED_OUT);
    feed_head(SMPP_SUBMIT_SM | SMPP_RESP, 0, stuck); /* too late */
    assert_int_equal(seen.session.late, 1);
    assert_int_equal(s->state, SESSION_BOUND);
    end();
}

static void test_sequence_numbers_go_round(void **state)
{
    (void)state;
    struct session *s = begin_bound(3);
    s->window.last = 0x7ffffffe;
    assert_int_equal(send_one(1), 0);
    assert_int_equal(send_one(2), 0);
    assert_int_equal(left(0, 3), 0x7fffffff);
    assert_int_equal(left(1, 3), 1);
    end();
    assert_int_equal(seen.lost, 2);
    assert_int_equal(seen.loss, SESSION_BROKEN);
}

static void test_generic_nack(void **state)
{
    (void)state;
    begin_bound(3);
    assert_int_equal(send_one(5), 0);
    feed_head((uint32_t)SMPP_GENERIC_NACK, SMPP_RINVCMDID, left(0, 3));
    assert_int_equal(seen.responses, 1);
    assert_int_equal(seen.statuses[0], SMPP_RINVCMDID);
    feed_head((uint32_t)SMPP_GENERIC_NACK, SMPP_RINVCMDLEN, 0); /* of nothing we know */
    assert_int_equal(seen.session.state, SESSION_BOUND);
    end();
}

static void test_wrong_response(void **state)
{
    (void)state;
    begin_bound(3);
    assert_int_equal(send_one(5), 0);
    feed_head(SMPP_DELIVER_SM | SMPP_RESP, 0, left(0, 3));
    assert_int_equal(seen.lost, 1);
    assert_int_equal(seen.responses, 0);
    assert_int_equal(seen.ended, 1);
    end();
}

/* --- bytes ------------------------------------------------------------------------------------ */

static void test_bytes_in_all_pieces(void **state)
{
    (void)state;
    uint8_t bytes[3 * (SMPP_HEADER_BYTES + 3)];
    for (size_t first = 0; first <= sizeof bytes; first++)
        for (size_t second = first; second <= sizeof bytes; second += 3) {
            struct session *s = begin_bound(10);
            size_t len = 0;
            for (unsigned i = 0; i < 3; i++) {
                send_one(i);
                len += smpp_reply_write(bytes + len, SMPP_SUBMIT_SM | SMPP_RESP, 0, left(i, 3),
                                        "ab", 2);
            }
            assert_int_equal(len, sizeof bytes);
            assert_int_equal(session_feed(s, bytes, first, now_ms), 0);
            assert_int_equal(session_feed(s, bytes + first, second - first, now_ms), 0);
            assert_int_equal(session_feed(s, bytes + second, len - second, now_ms), 0);
            assert_int_equal(seen.responses, 3);
            assert_int_equal(s->part_len, 0);
            end();
        }
}

static void test_impossible_length(void **state)
{
    (void)state;
    for (int way = 0; way < 3; way++) {
        static const uint8_t lengths[][4] = { { 0, 0, 0, 15 }, { 0, 1, 0, 1 }, { 0xff } };
        struct session *s = begin_bound(3);
        uint8_t pdu[SMPP_HEADER_BYTES];
        send_one(1);
        forget();
        smpp_header_write(pdu, SMPP_ENQUIRE_LINK, 0, 9);
        memcpy(pdu, lengths[way], 4);
        session_feed(s, pdu, 3, now_ms);
        assert_int_equal(session_feed(s, pdu + 3, sizeof pdu - 3, now_ms), -1);
        assert_int_equal(left(left_count() - 1, 1), (uint32_t)SMPP_GENERIC_NACK);
        assert_int_equal(seen.ended, 1);
        assert_int_equal(seen.lost, 1);
        end();
    }
}

static void test_unknown_command(void **state)
{
    (void)state;
    begin_bound(3);
    feed_head(0x77, 0, 12);
    assert_int_equal(left(0, 1), (uint32_t)SMPP_GENERIC_NACK);
    assert_int_equal(left(0, 2), SMPP_RINVCMDID);
    assert_int_equal(left(0, 3), 12);
    feed_head(0x77 | SMPP_RESP, 0, 13); /* a response is not answered */
    assert_int_equal(left_count(), 1);
    feed_head(SMPP_ALERT_NOTIFICATION, 0, 14);
    assert_int_equal(seen.notices, 1);
    assert_int_equal(left_count(), 1);
    end();
}

static void test_who_may_ask_what(void **state)
{
    (void)state;
    begin_bound(3);
    feed_head(SMPP_SUBMIT_SM, 0, 1); /* an SMSC does not submit */
    assert_int_equal(left(0, 2), SMPP_RINVBNDSTS);
    feed_head(SMPP_DELIVER_SM, 0, 2);
    assert_int_equal(seen.requests, 1);
    seen.session.mode = SESSION_TRANSMITTER;
    feed_head(SMPP_DELIVER_SM, 0, 3);
    assert_int_equal(seen.requests, 1);
    assert_int_equal(left(1, 2), SMPP_RINVBNDSTS);
    end();
    begin_server();
    feed_head(SMPP_DELIVER_SM, 0, 4);
    assert_int_equal(left(0, 2), SMPP_RINVBNDSTS);
    feed_head(SMPP_SUBMIT_SM, 0, 5);
    assert_int_equal(seen.requests, 1);
    end();
}

static void test_owed_answers(void **state)
{
    (void)state;
    struct session *s = begin_server();
    for (uint32_t i = 0; i < 5; i++)
        feed_head(SMPP_SUBMIT_SM, 0, 100 + i);
    assert_int_equal(seen.requests, 4);
    assert_int_equal(left_count(), 1);
    assert_int_equal(left(0, 2), SMPP_RTHROTTLED);
    assert_int_equal(left(0, 3), 104);
    forget();
    uint8_t answer[40];
    session_answer(s, answer, smpp_reply_write(answer, SMPP_SUBMIT_SM | SMPP_RESP, 0, 0, "m", 1),
                   102);
    assert_int_equal(left(0, 3), 102);
    feed_head(SMPP_SUBMIT_SM, 0, 105);
    assert_int_equal(seen.requests, 5);
    end();
}

/* --- timers ----------------------------------------------------------------------------------- */

static void test_enquire_link(void **state)
{
    (void)state;
    struct session *s = begin_bound(3);
    session_tick(s, now_ms + 29999);
    assert_int_equal(left_count(), 0);
    now_ms += 30000;
    session_tick(s, now_ms);
    assert_int_equal(left(0, 1), SMPP_ENQUIRE_LINK);
    feed_head(SMPP_ENQUIRE_LINK | SMPP_RESP, 0, left(0, 3));
    forget();
    now_ms += 30000;
    session_tick(s, now_ms);
    session_tick(s, now_ms + 19999);
    assert_int_equal(left_count(), 1);
    session_tick(s, now_ms + 20000);
    assert_string_equal(seen.why, "enquire_link was not answered");
    end();
    begin_bound(3);
    feed_head(SMPP_ENQUIRE_LINK, 0, 77);
    assert_int_equal(left(0, 1), (SMPP_ENQUIRE_LINK | SMPP_RESP));
    assert_int_equal(left(0, 3), 77);
    end();
}

static void test_inactivity(void **state)
{
    (void)state;
    struct session *s = begin_server();
    s->mode = SESSION_TRANSMITTER;
    int64_t began_ms = now_ms;
    for (; now_ms < began_ms + 300000; now_ms += 10000) { /* our enquiries do not count */
        forget();
        session_tick(s, now_ms);
        if (left_count())
            feed_head(SMPP_ENQUIRE_LINK | SMPP_RESP, 0, left(0, 3));
    }
    assert_int_equal(s->state, SESSION_BOUND);
    forget();
    session_tick(s, now_ms);
    assert_int_equal(left(0, 1), SMPP_UNBIND);
    feed_head(SMPP_UNBIND | SMPP_RESP, 0, left(0, 3));
    assert_string_equal(seen.why, "nothing came for too long");
    end();
}

/* --- unbinding -------------------------------------------------------------------------------- */

static void test_unbind_drains(void **state)
{
    (void)state;
    struct session *s = begin_bound(3);
    send_one(1);
    send_one(2);
    uint32_t first = left(0, 3), second = left(1, 3);
    forget();
    session_unbind(s, "enough", now_ms);
    assert_int_equal(send_one(3), -1);
    feed_head(SMPP_SUBMIT_SM | SMPP_RESP, 0, second);
    assert_int_equal(left_count(), 0);
    feed_head(SMPP_SUBMIT_SM | SMPP_RESP, 0, first);
    assert_int_equal(left(0, 1), SMPP_UNBIND);
    assert_int_equal(seen.ended, 0);
    feed_head(SMPP_UNBIND | SMPP_RESP, 0, left(0, 3));
    assert_string_equal(seen.why, "enough");
    assert_int_equal(seen.lost, 0);
    end();
}

static void test_unbind_does_not_wait_for_ever(void **state)
{
    (void)state;
    struct session *s = begin_bound(3);
    send_one(1);
    session_unbind(s, "enough", now_ms);
    session_tick(s, now_ms + 20000);
    assert_int_equal(seen.ended, 1);
    assert_int_equal(seen.lost, 1);
    end();
}

static void test_asked_while_unbinding(void **state)
{
    (void)state;
    struct session *s = begin_server();
    feed_head(SMPP_SUBMIT_SM, 0, 5); /* an answer is owed */
    session_unbind(s, "enough", now_ms);
    feed_head(SMPP_SUBMIT_SM, 0, 6);
    assert_int_equal(seen.requests, 1);
    assert_int_equal(left(0, 2), SMPP_RTHROTTLED); /* clients send it again */
    assert_int_equal(left(0, 3), 6);
    session_answer_status(s, SMPP_SUBMIT_SM, 5, SMPP_OK);
    assert_int_equal(left(2, 1), SMPP_UNBIND);
    end();
}

static void test_their_unbind(void **state)
{
    (void)state;
    struct session *s = begin_server();
    feed_head(SMPP_SUBMIT_SM, 0, 5);
    feed_head(SMPP_UNBIND, 0, 6);
    assert_int_equal(left_count(), 0); /* an answer is owed */
    feed_head(SMPP_SUBMIT_SM, 0, 7);
    assert_int_equal(left(0, 2), SMPP_RINVBNDSTS);
    forget();
    session_answer_status(s, SMPP_SUBMIT_SM, 5, SMPP_OK);
    assert_int_equal(left(0, 3), 5);
    assert_int_equal(left(1, 1), (SMPP_UNBIND | SMPP_RESP));
    assert_int_equal(left(1, 3), 6);
    assert_int_equal(seen.ended, 1);
    end();
}

/* --- pace ------------------------------------------------------------------------------------- */

static void test_throttled(void **state)
{
    (void)state;
    struct session *s = begin_bound(100);
    for (uint64_t i = 0; i < 40; i++)
        send_one(i);
    feed_head(SMPP_SUBMIT_SM | SMPP_RESP, SMPP_RTHROTTLED, left(0, 3));
    assert_int_equal(session_room(s, now_ms), 0);
    assert_int_equal(session_room(s, now_ms + 999), 0);
    for (unsigned i = 1; i < 10; i++) /* of the same moment: one hold */
        feed_head(SMPP_SUBMIT_SM | SMPP_RESP, SMPP_RMSGQFUL, left(i, 3));
    assert_int_equal(s->pace.per_s, 20);
    assert_int_equal(s->pace.bucket.shut_us / 1000, now_ms + 1000);
    now_ms += 1000;
    assert_int_equal(session_room(s, now_ms), 1);
    feed_head(SMPP_SUBMIT_SM | SMPP_RESP, SMPP_RTHROTTLED, left(10, 3));
    assert_int_equal(s->pace.bucket.shut_us / 1000, now_ms + 2000);
    assert_int_equal(s->pace.per_s, 10);
    for (int i = 0; i < 12; i++) {
        now_ms = s->pace.bucket.shut_us / 1000;
        pace_throttled(&s->pace, now_ms);
    }
    assert_int_equal(s->pace.bucket.shut_us / 1000, now_ms + 60000);
    assert_int_equal(s->pace.per_s, 1);
    now_ms = s->pace.bucket.shut_us / 1000;
    int64_t before = s->pace.per_s;
    for (int i = 0; i < 10; i++)
        pace_accepted(&s->pace, now_ms += 1000);
    assert_true(s->pace.per_s > before + 5);
    for (int i = 0; i < 400; i++)
        pace_accepted(&s->pace, now_ms += 1000);
    assert_int_equal(s->pace.per_s, 0); /* no limit again */
    pace_throttled(&s->pace, now_ms);
    assert_int_equal(s->pace.bucket.shut_us / 1000,
                     now_ms + 1000); /* the hold begins small again */
    end();
}

static void test_rate(void **state)
{
    (void)state;
    struct pace p;
    uint32_t sent = 0;
    pace_init(&p, 0);
    assert_int_equal(pace_may(&p, 400, 0), 400);
    pace_sent(&p, 400, 0);
    pace_throttled(&p, 0); /* half of what it sent, from the end of the hold on */
    assert_int_equal(p.per_s, 200);
    assert_int_equal(pace_wait_ms(&p, 400), 600);
    for (int64_t ms = 0; ms < 11000; ms += 5) {
        uint32_t n = pace_may(&p, 1000, ms);
        pace_sent(&p, n, ms);
        sent += n;
    }
    assert_in_range(sent, 1990, 2010);
    assert_in_range(pace_wait_ms(&p, 10995), 1, 10);
}

static void test_congestion(void **state)
{
    (void)state;
    struct session *s = begin_bound(100);
    uint8_t pdu[100];
    for (uint64_t i = 0; i < 20; i++)
        send_one(i);
    size_t n = smpp_reply_write(pdu, SMPP_SUBMIT_SM | SMPP_RESP, 0, left(0, 3), "m", 1);
    struct smpp_out out = smpp_out_of(pdu + n, sizeof pdu - n);
    smpp_tlv_put_number(&out, SMPP_TAG_CONGESTION_STATE, 85, 1);
    pdu[3] = (uint8_t)(n + out.used);
    session_feed(s, pdu, n + out.used, now_ms);
    assert_int_equal(s->pace.per_s, 10);
    assert_false(pace_is_held(&s->pace, now_ms));
    pdu[n + out.used - 1] = 99;
    put_sequence(pdu, left(1, 3));
    session_feed(s, pdu, n + out.used, now_ms);
    assert_true(pace_is_held(&s->pace, now_ms));
    assert_int_equal(seen.responses, 2);
    end();
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bind),
        cmocka_unit_test(test_bind_refused),
        cmocka_unit_test(test_bind_late),
        cmocka_unit_test(test_server_binds),
        cmocka_unit_test(test_responses_out_of_order),
        cmocka_unit_test(test_an_answer_that_never_comes),
        cmocka_unit_test(test_sequence_numbers_go_round),
        cmocka_unit_test(test_generic_nack),
        cmocka_unit_test(test_wrong_response),
        cmocka_unit_test(test_bytes_in_all_pieces),
        cmocka_unit_test(test_impossible_length),
        cmocka_unit_test(test_unknown_command),
        cmocka_unit_test(test_who_may_ask_what),
        cmocka_unit_test(test_owed_answers),
        cmocka_unit_test(test_enquire_link),
        cmocka_unit_test(test_inactivity),
        cmocka_unit_test(test_unbind_drains),
        cmocka_unit_test(test_unbind_does_not_wait_for_ever),
        cmocka_unit_test(test_asked_while_unbinding),
        cmocka_unit_test(test_their_unbind),
        cmocka_unit_test(test_throttled),
        cmocka_unit_test(test_rate),
        cmocka_unit_test(test_congestion),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
