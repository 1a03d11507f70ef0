/* SPDX-License-Identifier: Apache-2.0
 * Fuzzes an SMPP session: what a peer sends in pieces, mixed with what its owner does and with
 * time.
 *
 * The first byte says the role and whether it is bound already. Then operations: 0xf0 and what
 * follows lets time pass, 0xf1 sends a request of ours, 0xf2 answers one of theirs, 0xf3 unbinds;
 * every other byte n feeds the next n bytes. These must hold: each request of ours ends exactly
 * once, by its response or as lost; ended() comes once, and nothing after it; the window and what
 * is owed keep their limits.
 */
#include "session.h"
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

enum { WINDOW = 5, OWED = 3, TAGS = 4096 };

static struct world {
    struct session session;
    uint8_t is_open[TAGS]; /* of our requests */
    unsigned tags, open, ended;
    uint32_t owed_command, owed_sequence;
    int has_owed;
} w;

static void must(int holds)
{
    if (!holds)
        abort();
}

static void on_write(void *owner, const void *bytes, size_t len)
{
    (void)owner;
    must(!w.ended && len >= SMPP_HEADER_BYTES && bytes);
}

static void on_bound(void *owner, uint32_t status)
{
    (void)owner;
    (void)status;
    must(!w.ended);
}

static void close_one(uint64_t tag)
{
    must(tag < w.tags && w.is_open[tag]);
    w.is_open[tag] = 0;
    w.open--;
}

static void on_request(void *owner, const struct session_pdu *pdu)
{
    (void)owner;
    must(!w.ended && pdu->len >= SMPP_HEADER_BYTES && pdu->len <= SMPP_PDU_MAX);
    must(w.session.owed <= OWED);
    if (w.session.state == SESSION_BINDING) {
        uint8_t answer[SMPP_HEADER_BYTES + 1];
        if (pdu->sequence % 4 == 0)
            session_refuse(&w.session, pdu, SMPP_RINVPASWD);
        else
            session_accept(
                &w.session, SESSION_TRANSCEIVER, answer,
                smpp_reply_write(answer, pdu->command | SMPP_RESP, 0, pdu->sequence, "", 0), 1);
        return;
    }
    w.owed_command = pdu->command;
    w.owed_sequence = pdu->sequence;
    w.has_owed = 1;
}

static void on_response(void *owner, const struct window_slot *slot, const struct session_pdu *pdu)
{
    (void)owner;
    must(!w.ended && pdu->sequence == slot->sequence);
    close_one(slot->tag);
}

static void on_lost(void *owner, const struct window_slot *slot, enum session_loss loss)
{
    (void)owner;
    must(loss == SESSION_BROKEN || !w.ended);
    close_one(slot->tag);
}

static void on_ended(void *owner, const char *why)
{
    (void)owner;
    must(why && *why && !w.open);
    w.ended++;
}

static void send_one(int64_t now_ms)
{
    uint8_t pdu[SMPP_HEADER_BYTES];
    smpp_header_write(pdu, w.session.set.role == SESSION_ESME ? SMPP_SUBMIT_SM : SMPP_DELIVER_SM, 0,
                      0);
    if (w.tags == TAGS || session_send(&w.session, pdu, sizeof pdu, w.tags, now_ms) != 0)
        return;
    w.is_open[w.tags++] = 1;
    w.open++;
    must(w.open <= WINDOW && w.session.window.used == w.open);
}

static void begin(uint8_t how)
{
    static const struct session_owner calls = { .write = on_write,
                                                .bound = on_bound,
                                                .request = on_request,
                                                .response = on_response,
                                                .lost = on_lost,
                                                .ended = on_ended };
    uint8_t bind[SMPP_HEADER_BYTES];
    memset(&w, 0, sizeof w);
    session_init(&w.session, &calls, &w,
                 &(struct session_settings){ .role = how & 1 ? SESSION_SMSC : SESSION_ESME,
                                             .window = WINDOW,
                                             .owed = OWED,
                                             .bind_ms = 5000,
                                             .enquire_ms = 3000,
                                             .response_ms = 4000,
                                             .inactivity_ms = how & 4 ? 9000 : 0 },
                 0);
    smpp_header_write(bind, SMPP_BIND_TRANSCEIVER, 0, 0);
    if (!(how & 1))
        session_bind(&w.session, bind, sizeof bind, SESSION_TRANSCEIVER, 0);
    if (!(how & 2))
        return;
    smpp_header_write(bind, SMPP_BIND_TRANSCEIVER | (how & 1 ? 0 : SMPP_RESP), 0, 1);
    session_feed(&w.session, bind, sizeof bind, 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    int64_t now_ms = 1;
    if (len < 2)
        return 0;
    begin(bytes[0]);
    for (size_t at = 1; at < len && !w.ended;) {
        uint8_t op = bytes[at++];
        if (op == 0xf0 && at < len) {
            now_ms += bytes[at++] * 40;
            session_tick(&w.session, now_ms);
        } else if (op == 0xf1) {
            send_one(now_ms);
        } else if (op == 0xf2 && w.has_owed) {
            w.has_owed = 0;
            session_answer_status(&w.session, w.owed_command, w.owed_sequence,
                                  at % 2 ? SMPP_RSYSERR : SMPP_OK);
        } else if (op == 0xf3) {
            session_unbind(&w.session, "enough", now_ms);
        } else {
            size_t n = op < len - at ? op : len - at;
            session_feed(&w.session, bytes + at, n, now_ms);
            at += n;
        }
    }
    session_end(&w.session, "the end");
    must(w.ended == 1 && !w.open);
    session_fini(&w.session);
    return 0;
}
