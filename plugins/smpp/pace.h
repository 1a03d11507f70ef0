/* SPDX-License-Identifier: Apache-2.0
 * How fast a bind may send: a token bucket that gives way when the other side is full.
 *
 *   throttled, queue full   nothing is sent for 1 s, the next time 2 s, up to 60 s; the rate is
 *                           halved; the other answers of the same moment change nothing more
 *   accepted                the hold starts again at 1 s; the rate grows by a twentieth of what it
 *                           was, every second, up to the configured one
 *   congestion_state        from 80 on the rate is halved once a second, from 96 on as throttled
 *
 * A bind without a configured rate has none until it is throttled; then its rate begins at half of
 * what it sent lately, and is gone again when it has grown to four times that.
 *
 * Thread: the owner's. No clock of its own: times are monotonic milliseconds that the caller has.
 */
#ifndef PLUGIN_SMPP_PACE_H
#define PLUGIN_SMPP_PACE_H
#include <stdint.h>

enum { PACE_HOLD_MIN_MS = 1000, PACE_HOLD_MAX_MS = 60000, PACE_CONGESTED = 80, PACE_FULL = 96 };

struct pace {
    double configured; /* a second; 0: no limit */
    double rate;       /* now; 0: no limit */
    double step;       /* a second's growth */
    double ceiling;    /* where growth ends */
    double tokens;
    int64_t filled_ms; /* tokens are those of this time */
    int64_t held_until_ms, hold_ms;
    int64_t slowed_ms, grown_ms; /* the last time the rate shrank or grew */
    int64_t second_ms;           /* begin of the second that is counted */
    uint32_t sent, sent_before;  /* in that second, in the one before */
};

void pace_init(struct pace *p, double per_s, int64_t now_ms);
/* How many may leave now, at most `most`. */
uint32_t pace_may(struct pace *p, uint32_t most, int64_t now_ms);
/* So many have left. */
void pace_sent(struct pace *p, uint32_t n);
/* Milliseconds until one may leave; 0: now. */
int64_t pace_wait_ms(struct pace *p, int64_t now_ms);
/* Returns 1 when this began a hold, 0 when one is on already. */
int pace_throttled(struct pace *p, int64_t now_ms);
void pace_accepted(struct pace *p, int64_t now_ms);
/* 0 to 100. Returns as pace_throttled(). */
int pace_congestion(struct pace *p, unsigned percent, int64_t now_ms);

static inline int pace_is_held(const struct pace *p, int64_t now_ms)
{
    return now_ms < p->held_until_ms;
}

#endif
