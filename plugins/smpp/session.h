/* SPDX-License-Identifier: Apache-2.0
 * One SMPP session as a machine of states, in both roles, without socket and clock: bytes and times
 * are given to it, what it has to say leaves by the functions of its owner.
 *
 *   OPEN --bind--> BINDING --answer--> BOUND --unbind--> UNBINDING --drained--> ENDED
 *     '----------------- too late, broken, refused, nonsense ---------------------^
 *
 * - As ESME (we connected) session_bind() begins; as SMSC (they connected) the bind request goes to
 *   the owner, who says session_accept() or session_refuse().
 * - Requests of ours stand in a window (window.h) until their response comes in whatever order, or
 *   response_ms is over, or the session ends: then lost() gets them, for the other side may have
 *   acted on them all the same. Nothing is ever sent twice from here.
 * - Requests of theirs go to the owner and are owed an answer, session_answer(). What is not
 * allowed in this state, unknown or broken is answered here. enquire_link, unbind and generic_nack
 * are the session's own business.
 * - Unbinding waits until nothing is under way and nothing is owed, at most response_ms.
 * - A header that cannot be a header ends the session: the stream has lost its place.
 *
 * Inactivity is a peer that asks nothing and answers nothing but our enquiries; of a receiver these
 * answers count, for it may have nothing to say for days.
 *
 * The owner calls session_tick() about every second. A session never frees anything: ended() is
 * the last call, and the owner may close its transport there.
 *
 * Thread: the owner's. Memory: the window, and one PDU that has not come as a whole.
 */
#ifndef PLUGIN_SMPP_SESSION_H
#define PLUGIN_SMPP_SESSION_H
#include "pace.h"
#include "pdu.h"
#include "status.h"
#include "window.h"

enum session_role { SESSION_ESME = 1, SESSION_SMSC };
enum session_state {
    SESSION_OPEN = 1,
    SESSION_BINDING,
    SESSION_BOUND,
    SESSION_UNBINDING,
    SESSION_ENDED
};
/* What the ESME is: it sends (transmitter), it is sent to (receiver). */
enum session_mode { SESSION_TRANSMITTER = 1, SESSION_RECEIVER = 2, SESSION_TRANSCEIVER = 3 };
enum session_loss { SESSION_TIMED_OUT = 1, SESSION_BROKEN };

/* A PDU that came, whole; borrowed. */
struct session_pdu {
    uint32_t command, status, sequence;
    const uint8_t *bytes; /* with its header */
    size_t len;
};

struct session_owner {
    /* Gathers bytes to send. */
    void (*write)(void *owner, const void *bytes, size_t len);
    /* ESME: the bind was answered, with 0 or with why not; after the latter ended() comes. */
    void (*bound)(void *owner, uint32_t status);
    /* A request that is owed an answer; SMSC: a bind, too. */
    void (*request)(void *owner, const struct session_pdu *pdu);
    /* The response (or generic_nack) of the request with this tag, sent at sent_ms. */
    void (*response)(void *owner, const struct window_slot *slot, const struct session_pdu *pdu);
    void (*lost)(void *owner, const struct window_slot *slot, enum session_loss loss);
    /* PDUs that ask for no answer: outbind, alert_notification. May be NULL. */
    void (*notice)(void *owner, const struct session_pdu *pdu);
    /* Every request under way was given to lost() before. */
    void (*ended)(void *owner, const char *why);
};

struct session_settings {
    enum session_role role;
    uint32_t window; /* requests of ours under way */
    uint32_t owed;   /* requests of theirs that may wait for an answer; more: throttled */
    int64_t bind_ms, enquire_ms, response_ms, inactivity_ms; /* inactivity 0: never */
};

struct session {
    const struct session_owner *calls;
    void *owner;
    struct session_settings set;
    enum session_state state;
    enum session_mode mode;
    struct window window;
    struct pace pace;
    uint32_t owed;
    uint32_t bind_sequence, enquiry, unbind_sequence; /* of ours, 0: none under way */
    uint32_t their_unbind;                            /* to be answered when drained */
    int64_t since_ms;                                 /* of the state; also of an enquiry */
    int64_t heard_ms, asked_ms, enquired_ms; /* any PDU, a request of theirs, our enquiry */
    uint8_t *part;                           /* of a PDU that is not whole */
    size_t part_len, part_size;
    uint64_t late;      /* responses that fit nothing under way */
    const char *ending; /* why it will end when drained */
};

void session_init(struct session *s, const struct session_owner *calls, void *owner,
                  const struct session_settings *set, int64_t now_ms);
void session_fini(struct session *s);

/* ESME: `pdu` is a bind_* request; its sequence number is put in here. */
void session_bind(struct session *s, uint8_t *pdu, size_t len, enum session_mode mode,
                  int64_t now_ms);
/* SMSC: the bind that request() got is answered; `pdu` is the response. */
void session_accept(struct session *s, enum session_mode mode, const uint8_t *pdu, size_t len,
                    int64_t now_ms);
void session_refuse(struct session *s, const struct session_pdu *bind, uint32_t status);

/* How many requests may leave now, by window and pace. */
uint32_t session_room(struct session *s, int64_t now_ms);
/* Sends a request of ours: its sequence number is put in and kept with `tag`. 0, or -1: no room. */
int session_send(struct session *s, uint8_t *pdu, size_t len, uint64_t tag, int64_t now_ms);
/* The answer to a request of theirs: a whole PDU whose sequence number is put in. */
void session_answer(struct session *s, uint8_t *pdu, size_t len, uint32_t sequence);
/* The same without a body, or with the empty message id that submit_sm_resp and its like want. */
void session_answer_status(struct session *s, uint32_t command, uint32_t sequence, uint32_t status);

/* Bytes came. Returns 0, or -1 when the session ended over them. */
int session_feed(struct session *s, const void *bytes, size_t len, int64_t now_ms);
void session_tick(struct session *s, int64_t now_ms);
/* Ends it the friendly way; ended() comes now or later. */
void session_unbind(struct session *s, const char *why, int64_t now_ms);
/* The transport broke, or the owner gives up: what is under way is lost. */
void session_end(struct session *s, const char *why);

/* For session*.c alone. */
void session_set_state(struct session *s, enum session_state to, int64_t now_ms);
void session_go_on_unbinding(struct session *s);
void session_take(struct session *s, const struct session_pdu *pdu, int64_t now_ms);

static inline uint32_t session_number_at(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static inline int session_is_bound(const struct session *s) { return s->state == SESSION_BOUND; }

#endif
