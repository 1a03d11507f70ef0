/* SPDX-License-Identifier: Apache-2.0
 * catalyst/channel.h - what all messaging connectors say in the same words: the outcome of a send,
 * the class of an error, and the state of a message. Header only, needs libc only.
 *
 * A workflow branches on these names, and a status table merges by them, so they must not differ
 * from one channel to the next. Numbers are for tables within a plugin; names go into items.
 *
 * Thread: any. Nothing allocates, nothing blocks.
 */
#ifndef WF_CHANNEL_H
#define WF_CHANNEL_H
#include <catalyst/plugin.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* --- outcome of a send ------------------------------------------------------------------------ */

enum wf_outcome {
    WF_OUTCOME_ACCEPTED = 1, /* the provider took the message and named it */
    WF_OUTCOME_DEFERRED,     /* not now: later, or over another channel */
    WF_OUTCOME_REJECTED,     /* refused, with an error class */
    WF_OUTCOME_UNKNOWN       /* bytes left, no answer came: never sent again blindly */
};

/* "" for what is none. */
static inline const char *wf_outcome_name(enum wf_outcome outcome)
{
    static const char *const names[] = { "", "accepted", "deferred", "rejected", "unknown" };
    return (unsigned)outcome < sizeof names / sizeof *names ? names[outcome] : "";
}

/* 1 when an earlier life of the execution may have sent this item's message already. A connector
 * whose provider does not recognise repetitions ends it as unknown then. Its node has WF_NODE_ONCE.
 * [w] */
static inline int wf_maybe_sent(const wf_host *h, wf_item *it)
{
    return h->size >= offsetof(wf_host, maybe_begun) + sizeof h->maybe_begun && h->maybe_begun(it);
}

/* 1 when the message of a parked item may leave now, and has begun with that: asked each time right
 * before its bytes go to the system. 0: what is kept for it goes, another engine sends it. Its node
 * has WF_NODE_BEGINS. [w] */
static inline int wf_may_send(const wf_host *h, wf_ticket ticket)
{
    return h->size < offsetof(wf_host, begin) + sizeof h->begin || h->begin(h, ticket);
}

/* --- class of an error ------------------------------------------------------------------------ */

enum wf_class {
    WF_CLASS_THROTTLE = 1,        /* a rate limit; back off in its scope */
    WF_CLASS_TRANSIENT,           /* a fault of provider or network; try again */
    WF_CLASS_PERMANENT_RECIPIENT, /* this recipient cannot be reached */
    WF_CLASS_PERMANENT_CONTENT,   /* this content is refused */
    WF_CLASS_PERMANENT_ACCOUNT,   /* authentication, funds, policy: stop this sender */
    WF_CLASS_WINDOW_CLOSED        /* outside the conversation's window; another way may do */
};

/* Rows of metrics for them: X(channel, class) for each, in their order, e.g.
 * send_rejected_total{channel="sms",reason="permanent-recipient"}; the row of a class is class - 1.
 */
enum { WF_CLASSES = 6 };
#define WF_EACH_CLASS(X, channel)                                                                  \
    X(channel, "throttle")                                                                         \
    X(channel, "transient")                                                                        \
    X(channel, "permanent-recipient")                                                              \
    X(channel, "permanent-content")                                                                \
    X(channel, "permanent-account") X(channel, "window-closed")
#define WF_REJECTED_ROW(channel, reason)                                                           \
    { WF_COUNTER, "send_rejected_total{channel=\"" channel "\",reason=\"" reason "\"}", NULL,      \
      "Messages that were refused, by the class of the error" },
static inline void wf_count_rejected(const wf_host *h, wf_item *it, unsigned first, unsigned class_)
{
    if (class_ >= 1 && class_ <= WF_CLASSES)
        h->count(h->inst(it), first + class_ - 1, 1);
}

/* "" for what is none. */
static inline const char *wf_class_name(enum wf_class error_class)
{
    static const char *const names[] = { "",
                                         "throttle",
                                         "transient",
                                         "permanent-recipient",
                                         "permanent-content",
                                         "permanent-account",
                                         "window-closed" };
    return (unsigned)error_class < sizeof names / sizeof *names ? names[error_class] : "";
}

/* --- state of a message ----------------------------------------------------------------------- */

/* In the order of rank. The last three end a message: nothing that comes later changes them, but
 * for one of a higher rank, so that every order of the same callbacks gives the same state. */
enum wf_state {
    WF_STATE_ACCEPTED = 1,
    WF_STATE_SENT,
    WF_STATE_DELIVERED,
    WF_STATE_READ,
    WF_STATE_REJECTED,
    WF_STATE_EXPIRED,
    WF_STATE_FAILED
};
enum { WF_STATES = 8 };

/* "" for what is none. */
static inline const char *wf_state_name(enum wf_state state)
{
    static const char *const names[WF_STATES] = { "",     "accepted", "sent",    "delivered",
                                                  "read", "rejected", "expired", "failed" };
    return (unsigned)state < WF_STATES ? names[state] : "";
}

/* 0 when the name is none of ours. */
static inline enum wf_state wf_state_of(const char *name, size_t len)
{
    for (unsigned i = 1; name && i < WF_STATES; i++)
        if (strlen(wf_state_name((enum wf_state)i)) == len &&
            !memcmp(wf_state_name((enum wf_state)i), name, len))
            return (enum wf_state)i;
    return (enum wf_state)0;
}

/* 1 for failed, expired and rejected. */
static inline int wf_state_is_final(enum wf_state state)
{
    return state >= WF_STATE_REJECTED && state <= WF_STATE_FAILED;
}

/* What is known of one message. Plain data; all zero: nothing yet. */
struct wf_status {
    enum wf_state state;      /* the highest rank that was seen */
    uint32_t seen;            /* bit of each state that was seen */
    int64_t at_ms[WF_STATES]; /* the first time each was reached, since 1970; 0: not said */
};

static inline int wf_status_has(const struct wf_status *s, enum wf_state state)
{
    return (unsigned)state < WF_STATES && (s->seen >> state & 1u);
}

/* Takes one callback in. Callbacks come twice and out of order: the rank only grows, and of each
 * state the earliest time is kept. `at_ms` 0 or less: the provider did not say when. Returns 1 when
 * the state moved, 0 when the callback was old, a duplicate, or no state at all. */
static inline int wf_status_merge(struct wf_status *s, enum wf_state state, int64_t at_ms)
{
    if ((unsigned)state == 0 || (unsigned)state >= WF_STATES)
        return 0;
    s->seen |= 1u << state;
    if (at_ms > 0 && (s->at_ms[state] == 0 || at_ms < s->at_ms[state]))
        s->at_ms[state] = at_ms;
    if (state <= s->state)
        return 0;
    s->state = state;
    return 1;
}

/* Takes in all that another copy knows, of another worker or a store. Returns as wf_status_merge.
 */
static inline int wf_status_join(struct wf_status *s, const struct wf_status *other)
{
    int moved = 0;
    for (unsigned i = 1; i < WF_STATES; i++)
        if (wf_status_has(other, (enum wf_state)i))
            moved |= wf_status_merge(s, (enum wf_state)i, other->at_ms[i]);
    return moved;
}

#endif
