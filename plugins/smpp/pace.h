/* SPDX-License-Identifier: Apache-2.0
 * How a bind gives way when the other side is full. What an account may send at most is not its
 * business: see struct account.
 *
 *   throttled, queue full   nothing is sent for 1 s, the next time 2 s, up to 60 s, and then half
 *                           as fast; the other answers of the same moment change nothing more
 *   accepted                the hold starts again at 1 s; the rate grows by a twentieth of what it
 *                           was, every second
 *   congestion_state        from 80 on the rate is halved once a second, from 96 on as throttled
 *
 * A bind has no rate until it is throttled; then its rate begins at half of what it sent lately,
 * and is gone again when it has grown to four times that.
 *
 * Thread: the owner's. No clock of its own: times are monotonic milliseconds that the caller has.
 */
#ifndef PLUGIN_SMPP_PACE_H
#define PLUGIN_SMPP_PACE_H
#include <catalyst/limiter.h>
#include <stdint.h>

enum { PACE_HOLD_MIN_MS = 1000, PACE_HOLD_MAX_MS = 60000, PACE_CONGESTED = 80, PACE_FULL = 96 };

struct pace {
    struct wf_bucket bucket;     /* shut while held */
    int64_t per_s, ceiling;      /* the rate now, 0: none; where it is gone again */
    int64_t step;                /* a second's growth */
    int64_t hold_ms;             /* the next one */
    int64_t slowed_ms, grown_ms; /* the last time the rate shrank or grew */
    int64_t second_ms;           /* begin of the second that is counted */
    uint32_t sent, sent_before;  /* in that second, in the one before */
};

/* So many a second, of which a tenth may leave at once; 0: no limit. */
struct wf_rate pace_rate(int64_t per_s);

void pace_init(struct pace *p, int64_t now_ms);
/* How many may leave now, at most `most`. */
uint32_t pace_may(struct pace *p, uint32_t most, int64_t now_ms);
/* So many have left. */
void pace_sent(struct pace *p, uint32_t n, int64_t now_ms);
/* Milliseconds until one may leave; 0: now. */
int64_t pace_wait_ms(const struct pace *p, int64_t now_ms);
/* Returns 1 when this began a hold, 0 when one is on already. */
int pace_throttled(struct pace *p, int64_t now_ms);
void pace_accepted(struct pace *p, int64_t now_ms);
/* 0 to 100. Returns as pace_throttled(). */
int pace_congestion(struct pace *p, unsigned percent, int64_t now_ms);

static inline int pace_is_held(const struct pace *p, int64_t now_ms)
{
    return now_ms * 1000 < p->bucket.shut_us;
}

#endif
