/* SPDX-License-Identifier: Apache-2.0
 * An SMSC for tests, on a socket of the same thread: the test says what it answers, and looks at
 * what came. peer_step() does what can be done now; until() runs it beside the fake loop.
 */
#ifndef SMSC_PEER_H
#define SMSC_PEER_H
#include "../pdu.h"
#include "../status.h"
#include "../../redis/tests/fake_loop.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

enum { PEER_CONNS = 8, PEER_KEPT = 512, PEER_SILENT = -1, PEER_CUT = -2, PEER_DONE = -3 };

struct peer_conn {
    int fd, bound;
    uint8_t in[65536];
    size_t len;
};

struct peer_got {
    uint32_t command, sequence;
    int conn;
    int64_t at_ms;
    char from[32], to[32], text[256], id[66], validity[20];
    uint32_t text_len, tlv_bytes;
    uint8_t esm_class, data_coding, registered, from_ton, to_ton;
    uint8_t tlvs[256];
};

static struct peer {
    int listener;
    uint16_t port;
    struct peer_conn conns[PEER_CONNS];
    uint32_t bind_status;
    char system_id[20], password[20];
    uint32_t bind_command;
    unsigned binds, unbinds, enquiries, responses, n; /* n: requests that were kept */
    struct peer_got got[PEER_KEPT];
    uint32_t response_status[64], response_sequence[64];
    /* Status, or PEER_*. `n` counts from 0. NULL: all is accepted. */
    int (*answer)(const struct peer_got *got, unsigned n);
} peer;

static inline void peer_open(void)
{
    struct sockaddr_in address = { .sin_family = AF_INET,
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t len = sizeof address;
    memset(&peer, 0, sizeof peer);
    for (int i = 0; i < PEER_CONNS; i++)
        peer.conns[i].fd = -1;
    peer.listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    if (bind(peer.listener, (struct sockaddr *)&address, len) != 0 ||
        listen(peer.listener, 8) != 0 ||
        getsockname(peer.listener, (struct sockaddr *)&address, &len) != 0)
        abort();
    peer.port = ntohs(address.sin_port);
}

static inline void peer_cut(int i)
{
    if (peer.conns[i].fd >= 0)
        close(peer.conns[i].fd);
    peer.conns[i].fd = -1;
    peer.conns[i].len = 0;
    peer.conns[i].bound = 0;
}

static inline void peer_close(void)
{
    for (int i = 0; i < PEER_CONNS; i++)
        peer_cut(i);
    close(peer.listener);
}

static inline void peer_write(int i, const uint8_t *bytes, size_t len)
{
    while (len && peer.conns[i].fd >= 0) {
        ssize_t n = send(peer.conns[i].fd, bytes, len, MSG_NOSIGNAL);
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
            continue;
        if (n < 0)
            return;
        bytes += n;
        len -= (size_t)n;
    }
}

static inline void peer_send(int i, const struct smpp_pdu *pdu)
{
    uint8_t bytes[70000];
    struct smpp_error error;
    int len = smpp_pdu_write(pdu, bytes, sizeof bytes, &error);
    if (len < 0) {
        fprintf(stderr, "peer: %s %s\n", error.field, error.why);
        abort();
    }
    peer_write(i, bytes, (size_t)len);
}

static inline void peer_reply(const struct peer_got *got, uint32_t status, const char *id)
{
    uint8_t bytes[100];
    if (got->command == SMPP_SUBMIT_SM || got->command == SMPP_DATA_SM) {
        peer_write(got->conn, bytes,
                   smpp_reply_write(bytes, got->command | SMPP_RESP, status, got->sequence, id,
                                    strlen(id)));
        return;
    }
    peer_send(got->conn, &(struct smpp_pdu){
                             .command = got->command | SMPP_RESP,
                             .status = status,
                             .sequence = got->sequence,
                             .reply = { .id = { id, (uint32_t)strlen(id) }, .message_state = 2 } });
}

static inline void peer_text(char *to, size_t size, struct smpp_str s)
{
    snprintf(to, size, "%.*s", (int)s.len, s.ptr ? s.ptr : "");
}

static inline void peer_request(int i, const struct smpp_pdu *pdu)
{
    unsigned n = peer.n++;
    struct peer_got *got = &peer.got[n % PEER_KEPT];
    memset(got, 0, sizeof *got);
    got->command = pdu->command;
    got->sequence = pdu->sequence;
    got->conn = i;
    got->at_ms = loop_now();
    if (pdu->command == SMPP_QUERY_SM || pdu->command == SMPP_CANCEL_SM) {
        peer_text(got->id, sizeof got->id, pdu->query.message_id);
        peer_text(got->from, sizeof got->from, pdu->query.from.addr);
        peer_text(got->to, sizeof got->to, pdu->query.to.addr);
    } else {
        peer_text(got->id, sizeof got->id, pdu->sm.message_id);
        peer_text(got->from, sizeof got->from, pdu->sm.from.addr);
        peer_text(got->to, sizeof got->to, pdu->sm.to.addr);
        peer_text(got->validity, sizeof got->validity, pdu->sm.validity);
        got->text_len = pdu->sm.text.len;
        memcpy(got->text, pdu->sm.text.ptr ? pdu->sm.text.ptr : "", pdu->sm.text.len);
        got->esm_class = pdu->sm.esm_class;
        got->data_coding = pdu->sm.data_coding;
        got->registered = pdu->sm.registered;
        got->from_ton = pdu->sm.from.ton;
        got->to_ton = pdu->sm.to.ton;
        got->tlv_bytes = pdu->tlvs.bytes;
        if (pdu->tlvs.bytes <= sizeof got->tlvs && pdu->tlvs.bytes)
            memcpy(got->tlvs, pdu->tlvs.ptr, pdu->tlvs.bytes);
    }
    int status = peer.answer ? peer.answer(got, n) : 0;
    char id[20];
    snprintf(id, sizeof id, "m%u", n);
    if (status == PEER_CUT)
        peer_cut(i);
    else if (status >= 0)
        peer_reply(got, (uint32_t)status, status ? "" : id);
}

static inline void peer_pdu(int i, const struct smpp_pdu *pdu)
{
    uint32_t command = pdu->command;
    if (command & SMPP_RESP) {
        peer.response_status[peer.responses % 64] = pdu->status;
        peer.response_sequence[peer.responses++ % 64] = pdu->sequence;
    } else if (command == SMPP_BIND_TRANSCEIVER || command == SMPP_BIND_TRANSMITTER ||
               command == SMPP_BIND_RECEIVER) {
        peer.binds++;
        peer.bind_command = command;
        peer_text(peer.system_id, sizeof peer.system_id, pdu->bind.system_id);
        peer_text(peer.password, sizeof peer.password, pdu->bind.password);
        peer.conns[i].bound = !peer.bind_status;
        peer_send(i, &(struct smpp_pdu){ .command = command | SMPP_RESP,
                                         .status = peer.bind_status,
                                         .sequence = pdu->sequence,
                                         .reply = { .id = { "peer", 4 } } });
    } else if (command == SMPP_ENQUIRE_LINK || command == SMPP_UNBIND) {
        uint8_t head[SMPP_HEADER_BYTES];
        *(command == SMPP_UNBIND ? &peer.unbinds : &peer.enquiries) += 1;
        smpp_header_write(head, command | SMPP_RESP, 0, pdu->sequence);
        peer_write(i, head, sizeof head);
    } else {
        peer_request(i, pdu);
    }
}

static inline void peer_read(int i)
{
    struct peer_conn *c = &peer.conns[i];
    ssize_t got = recv(c->fd, c->in + c->len, sizeof c->in - c->len, MSG_DONTWAIT);
    if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR)) {
        peer_cut(i);
        return;
    }
    c->len += got > 0 ? (size_t)got : 0;
    size_t at = 0;
    while (c->fd >= 0) {
        struct smpp_pdu pdu;
        struct smpp_error error;
        int n = smpp_frame(c->in + at, c->len - at, &error);
        if (n <= 0)
            break;
        if (smpp_pdu_read(&pdu, c->in + at, (size_t)n, &error) != 0) {
            fprintf(stderr, "peer: what came is wrong: %s %s\n", error.field, error.why);
            abort();
        }
        peer_pdu(i, &pdu);
        at += (size_t)n;
    }
    if (c->fd < 0)
        return;
    c->len -= at;
    memmove(c->in, c->in + at, c->len);
}

static inline void peer_step(void)
{
    int fd = accept4(peer.listener, NULL, NULL, SOCK_NONBLOCK);
    for (int i = 0; fd >= 0 && i < PEER_CONNS; i++)
        if (peer.conns[i].fd < 0) {
            peer.conns[i].fd = fd;
            fd = -1;
        }
    for (int i = 0; i < PEER_CONNS; i++)
        if (peer.conns[i].fd >= 0)
            peer_read(i);
}

static inline void turn(void)
{
    loop_once();
    peer_step();
}

/* Until it is so, at most ten seconds. */
#define until(condition)                                                                           \
    do {                                                                                           \
        for (int64_t end_ = loop_now() + 10000; !(condition) && loop_now() < end_;)                \
            turn();                                                                                \
        if (!(condition))                                                                          \
            fail_msg("never came true: %s", #condition);                                           \
    } while (0)

static inline void for_ms(int64_t ms)
{
    for (int64_t end = loop_now() + ms; loop_now() < end;)
        turn();
}

#endif
