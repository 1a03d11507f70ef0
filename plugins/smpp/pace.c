/* SPDX-License-Identifier: Apache-2.0
 * How a bind gives way. Thread: the owner's; nothing blocks, nothing allocates.
 */
#include "pace.h"

enum { GROWTH_PARTS = 20, FREE_AGAIN = 4, BURST_PARTS = 10, CEILING_MIN = 10 };

struct wf_rate pace_rate(int64_t per_s) { return wf_rate(per_s, 1000, per_s / BURST_PARTS); }

void pace_init(struct pace *p, int64_t now_ms)
{
    *p = (struct pace){ .hold_ms = PACE_HOLD_MIN_MS, .second_ms = now_ms };
}

static void turn_second(struct pace *p, int64_t now_ms)
{
    int64_t passed = now_ms - p->second_ms;
    if (passed < 1000)
        return;
    p->sent_before = passed < 2000 ? p->sent : 0;
    p->sent = 0;
    p->second_ms = now_ms;
}

uint32_t pace_may(struct pace *p, uint32_t most, int64_t now_ms)
{
    turn_second(p, now_ms);
    return wf_bucket_room(&p->bucket, pace_rate(p->per_s), now_ms * 1000, most);
}

void pace_sent(struct pace *p, uint32_t n, int64_t now_ms)
{
    p->sent += n;
    if (p->per_s)
        wf_bucket_took(&p->bucket, pace_rate(p->per_s), now_ms * 1000, n);
}

int64_t pace_wait_ms(const struct pace *p, int64_t now_ms)
{
    int64_t now_us = now_ms * 1000;
    return (wf_bucket_slot(&p->bucket, pace_rate(p->per_s), now_us) - now_us + 999) / 1000;
}

/* From `from_ms` on one may leave, and the others at the rate. */
static void set_rate(struct pace *p, int64_t per_s, int64_t from_ms)
{
    p->per_s = per_s;
    p->bucket.empty_us = from_ms * 1000 + pace_rate(per_s).burst_us;
    p->grown_ms = from_ms;
}

static void slow_down(struct pace *p, int64_t now_ms, int64_t hold_ms)
{
    int64_t was = p->per_s;
    turn_second(p, now_ms);
    if (!was) {
        was = p->sent > p->sent_before ? p->sent : p->sent_before;
        p->ceiling = was < CEILING_MIN ? CEILING_MIN : was * FREE_AGAIN;
    }
    p->step = was / GROWTH_PARTS < 1 ? 1 : was / GROWTH_PARTS;
    p->slowed_ms = now_ms;
    p->bucket.shut_us = (now_ms + hold_ms) * 1000;
    set_rate(p, was / 2 < 1 ? 1 : was / 2, now_ms + hold_ms);
}

int pace_throttled(struct pace *p, int64_t now_ms)
{
    if (pace_is_held(p, now_ms))
        return 0;
    slow_down(p, now_ms, p->hold_ms);
    p->hold_ms = p->hold_ms * 2 > PACE_HOLD_MAX_MS ? PACE_HOLD_MAX_MS : p->hold_ms * 2;
    return 1;
}

void pace_accepted(struct pace *p, int64_t now_ms)
{
    if (pace_is_held(p, now_ms))
        return; /* it left before */
    p->hold_ms = PACE_HOLD_MIN_MS;
    if (!p->per_s || now_ms - p->grown_ms < 1000)
        return;
    p->grown_ms = now_ms;
    p->per_s += p->step;
    if (p->per_s >= p->ceiling)
        p->per_s = 0;
}

int pace_congestion(struct pace *p, unsigned percent, int64_t now_ms)
{
    if (percent >= PACE_FULL)
        return pace_throttled(p, now_ms);
    if (percent >= PACE_CONGESTED && now_ms - p->slowed_ms >= 1000 && !pace_is_held(p, now_ms))
        slow_down(p, now_ms, 0);
    return 0;
}
