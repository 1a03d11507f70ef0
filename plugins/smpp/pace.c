/* SPDX-License-Identifier: Apache-2.0
 * The token bucket of a bind. Thread: the owner's; nothing blocks, nothing allocates.
 */
#include "pace.h"
#include <string.h>

enum { GROWTH_PARTS = 20, FREE_AGAIN = 4, BURST_PARTS = 10 };

void pace_init(struct pace *p, double per_s, int64_t now_ms)
{
    memset(p, 0, sizeof *p);
    p->configured = p->rate = p->ceiling = per_s;
    p->hold_ms = PACE_HOLD_MIN_MS;
    p->filled_ms = p->second_ms = now_ms;
    p->tokens = 1;
}

/* A tenth of a second's worth may leave at once, and never less than one. */
static double burst(const struct pace *p)
{
    double most = p->rate / BURST_PARTS;
    return most < 1 ? 1 : most;
}

static void fill(struct pace *p, int64_t now_ms)
{
    if (now_ms <= p->filled_ms)
        return;
    p->tokens += (double)(now_ms - p->filled_ms) * p->rate / 1000;
    p->filled_ms = now_ms;
    if (p->tokens > burst(p))
        p->tokens = burst(p);
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
    if (pace_is_held(p, now_ms))
        return 0;
    if (p->rate <= 0)
        return most;
    fill(p, now_ms);
    return p->tokens < most ? (uint32_t)p->tokens : most;
}

void pace_sent(struct pace *p, uint32_t n)
{
    p->sent += n;
    if (p->rate > 0)
        p->tokens -= n;
}

int64_t pace_wait_ms(struct pace *p, int64_t now_ms)
{
    if (pace_is_held(p, now_ms))
        return p->held_until_ms - now_ms;
    if (p->rate <= 0)
        return 0;
    fill(p, now_ms);
    return p->tokens >= 1 ? 0 : (int64_t)((1 - p->tokens) * 1000 / p->rate) + 1;
}

static void slow_down(struct pace *p, int64_t now_ms)
{
    double was = p->rate;
    turn_second(p, now_ms);
    if (was <= 0) {
        was = p->sent > p->sent_before ? p->sent : p->sent_before;
        p->ceiling = was < 10 ? 10 : was * FREE_AGAIN;
    }
    p->rate = was / 2 < 1 ? 1 : was / 2;
    p->step = was / GROWTH_PARTS < 1 ? 1 : was / GROWTH_PARTS;
    p->tokens = 1;
    p->filled_ms = p->slowed_ms = p->grown_ms = now_ms;
}

int pace_throttled(struct pace *p, int64_t now_ms)
{
    if (pace_is_held(p, now_ms))
        return 0;
    slow_down(p, now_ms);
    p->held_until_ms = now_ms + p->hold_ms;
    p->filled_ms = p->grown_ms = p->held_until_ms;
    p->hold_ms = p->hold_ms * 2 > PACE_HOLD_MAX_MS ? PACE_HOLD_MAX_MS : p->hold_ms * 2;
    return 1;
}

void pace_accepted(struct pace *p, int64_t now_ms)
{
    if (pace_is_held(p, now_ms))
        return; /* it left before */
    p->hold_ms = PACE_HOLD_MIN_MS;
    if (p->rate <= 0 || p->rate == p->configured || now_ms - p->grown_ms < 1000)
        return;
    fill(p, now_ms);
    p->grown_ms = now_ms;
    p->rate += p->step;
    if (p->rate >= p->ceiling)
        p->rate = p->ceiling = p->configured;
}

int pace_congestion(struct pace *p, unsigned percent, int64_t now_ms)
{
    if (percent >= PACE_FULL)
        return pace_throttled(p, now_ms);
    if (percent >= PACE_CONGESTED && now_ms - p->slowed_ms >= 1000 && !pace_is_held(p, now_ms))
        slow_down(p, now_ms);
    return 0;
}
