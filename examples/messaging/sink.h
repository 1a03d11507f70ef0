/* SPDX-License-Identifier: Apache-2.0
 * sink.h - the parts of the SMSC sink: options, what happens later, connections, answers.
 *
 *     smsc_sink.c     main: the loop, signals, counters
 *     sink_options.c  the table of flags and --help
 *     sink_later.c    a wheel of what is due later: answers that are late, receipts
 *     sink_conn.c     sockets: accept, read, write, close
 *     sink_answer.c   what a PDU is answered with
 *     sink_receipt.c  receipts: made, sent, taken or sent again
 *
 * Thread: one; nothing blocks but epoll_wait().
 */
#ifndef SINK_H
#define SINK_H
#include "pdu.h"
#include "receipt.h"
#include "status.h"
#include <stdint.h>
#include <stdio.h>

enum {
    SINK_ACCOUNTS = 16,
    SINK_RULES = 64,
    SINK_CONNS = 1024,
    SINK_NAMES = 256,        /* system_ids that have bound */
    SINK_WINDOW = 16384,     /* receipts of one connection that are not answered; a power of two */
    SINK_IN_BYTES = 262144,  /* read at a time */
    SINK_OUT_PAUSE = 1 << 22 /* a connection is not read while more than this waits to leave */
};

/* --- options ---------------------------------------------------------------------------------- */

enum sink_action {
    ACTION_NONE = 0,
    ACTION_DELIVERED, /* accepted; the receipt says so */
    ACTION_FAILED,
    ACTION_EXPIRED,
    ACTION_REJECTED,
    ACTION_UNKNOWN,
    ACTION_SILENT, /* accepted, no receipt ever */
    ACTION_LOSE,   /* accepted, but its response is never sent; its receipt is */
    ACTION_DROP,   /* the connection ends without an answer */
    ACTION_REFUSE  /* submit_sm_resp with a status */
};

struct sink_rule {
    char suffix[21]; /* of the destination */
    uint8_t action;  /* enum sink_action */
    uint32_t status; /* of ACTION_REFUSE */
};

struct sink_options {
    char host[64];
    uint32_t port;
    struct {
        char system_id[65], password[65];
    } accounts[SINK_ACCOUNTS];
    uint32_t account_count; /* 0: everybody may bind */
    struct sink_rule rules[SINK_RULES];
    uint32_t rule_count;
    uint32_t failed, expired, rejected; /* percent, by the last two digits of the destination */
    uint32_t lose;                      /* responses never sent, in a thousand */
    uint32_t rate;                      /* submit_sm a second before ESME_RTHROTTLED; 0: no limit */
    uint32_t delay_ms, jitter_ms;       /* of responses; jitter brings them out of order */
    uint32_t receipt_delay_ms, receipt_jitter_ms;
    uint32_t no_receipts;
    uint32_t early; /* receipts before their responses */
    uint32_t form;  /* of receipts: 1 text, 2 TLVs, 3 both */
    uint32_t ids; /* 1 decimal, 2 hex, 3 hex in responses and decimal in receipts, 4 the reverse */
    uint32_t drop_after; /* submit_sm of a connection, then it ends */
    uint32_t congestion; /* the TLV in each submit_sm_resp; 0: none */
    uint32_t seed;
    char log[256];
};

/* Fills in what argv says; exits with a message, or with the help. */
void sink_options_parse(struct sink_options *o, int argc, char **argv);

/* --- counters --------------------------------------------------------------------------------- */

/* clang-format off */
#define SINK_COUNTERS(X) \
    X(connections) X(binds) X(binds_refused) X(unbinds) X(enquiries) X(malformed) \
    X(submits) X(destinations) X(accepted) X(throttled) X(refused) X(lost) X(dropped) \
    X(receipts_due) X(receipts_sent) X(receipts_taken) X(receipts_refused) X(receipts_again) \
    X(bytes_in) X(bytes_out)
/* clang-format on */

struct sink_counters {
#define X(name) uint64_t name;
    SINK_COUNTERS(X)
#undef X
};

/* --- what is due later ------------------------------------------------------------------------ */

enum later_kind { LATER_RESPONSE = 1, LATER_RECEIPT };

struct sink_receipt {
    uint64_t id;
    int64_t submit_us;
    uint8_t state; /* enum smpp_message_state */
    uint8_t tries;
    uint16_t name; /* of the account it belongs to */
    uint8_t from_ton, from_npi, to_ton, to_npi, from_len, to_len;
    char from[20], to[20]; /* as in submit_sm; they change places in the receipt */
};

struct later {
    uint32_t next; /* in its slot, or of the free ones; 0: none */
    uint32_t conn, generation;
    int64_t due_ms;
    uint8_t kind;                       /* enum later_kind */
    uint32_t command, status, sequence; /* of a response */
    struct sink_receipt receipt;
};

enum { LATER_SLOTS = 1 << 16 };

struct laters {
    struct later *all; /* [0] is none */
    uint32_t room, free, count;
    struct {
        uint32_t first, last;
    } slots[LATER_SLOTS];
    int64_t done_ms; /* slots up to this time are empty, or hold what is due a turn later */
};

/* A new one, to be filled; good until the next call. */
struct later *later_add(struct laters *l, int64_t due_ms);
/* Hands what is due to `take`, in order; it may add more. */
void laters_run(struct laters *l, int64_t now_ms, void (*take)(void *arg, const struct later *),
                void *arg);

/* --- connections ------------------------------------------------------------------------------ */

struct conn {
    int fd; /* -1: the place is free */
    uint32_t index, generation;
    uint8_t can_send, can_receive; /* what it is bound as */
    uint8_t closing;               /* ends when its output has left */
    uint8_t broken;                /* ends now */
    uint8_t wants_write;
    uint16_t name; /* sink.names; 0: not bound yet */
    uint64_t submits;
    uint8_t *in, *out;
    size_t in_len, out_len, out_at, out_room;
    uint32_t next_sequence, waiting; /* of receipts */
    struct {
        uint32_t sequence; /* 0: free */
        struct sink_receipt receipt;
    } * window;
};

struct sink {
    struct sink_options o;
    struct sink_counters n;
    struct laters laters;
    struct conn conns[SINK_CONNS];
    uint32_t conn_top; /* places below it have been used */
    char names[SINK_NAMES][65];
    uint16_t name_count;
    int epoll, listener;
    int64_t now_ms, now_us; /* monotonic, since 1970 */
    uint64_t next_id;
    uint64_t random;
    double tokens;
    int64_t tokens_ms;
    FILE *log;
};

void sink_accept(struct sink *s);
void sink_conn_ready(struct sink *s, struct conn *c, uint32_t events);
/* Sends what waits; closes connections that are at their end. */
void sink_conn_flush(struct sink *s, struct conn *c);
void sink_conn_close(struct sink *s, struct conn *c);
/* Room for `bytes` at the end of the output; say what was written with out_len. */
uint8_t *sink_conn_room(struct conn *c, size_t bytes);

void sink_answer(struct sink *s, struct conn *c, const uint8_t *bytes, size_t len);
/* Writes a submit_sm_resp and its like. */
void sink_respond(struct sink *s, struct conn *c, uint32_t command, uint32_t status,
                  uint32_t sequence, uint64_t id);

/* Puts a receipt off until its time. */
void sink_receipt_later(struct sink *s, uint32_t index, const struct sink_receipt *r,
                        int64_t delay_ms);
/* Sends it now, over the connection it came by or another of the same system_id. */
void sink_receipt_send(struct sink *s, uint32_t index, const struct sink_receipt *r);
void sink_receipt_answered(struct sink *s, struct conn *c, uint32_t sequence, uint32_t status);
/* A connection is gone: what it had not answered is sent again by another. */
void sink_receipts_return(struct sink *s, struct conn *c);

uint32_t sink_random(struct sink *s, uint32_t below);

#endif
