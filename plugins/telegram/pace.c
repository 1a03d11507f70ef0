/* SPDX-License-Identifier: Apache-2.0
 * The pace of a bot. The Bot API answers 429 to what is faster than about 30 messages a second for
 * a bot, one a second for a chat and 20 a minute for a group, and punishes bots that go on. So
 * items wait here instead of there.
 *
 * Thread: the worker's. Limits hold for each worker.
 */
#include "telegram_int.h"

enum { BUCKETS = 65536, CHAT_BURST = 5, GROUP_PER_MINUTE = 20, MINUTE_MS = 60000, LIMITS = 2 };

void *pace_open(const wf_host *h, wf_inst *inst, wf_error *why)
{
    const struct config *c = h->inst_config(inst);
    (void)why;
    return wf_gate_create(h, inst, BUCKETS, c->max_wait_ms, telegram_send);
}

void pace_close(const wf_host *h, void *state)
{
    (void)h;
    wf_gate_destroy(state);
}

/* Groups and channels have negative numbers, or names. */
static struct wf_rate rate_of_chat(const struct config *c)
{
    int is_group = c->chat_id.ptr[0] == '-' || c->chat_id.ptr[0] == '@';
    if (is_group && c->chat_interval_ms > 0)
        return wf_rate(GROUP_PER_MINUTE, MINUTE_MS, GROUP_PER_MINUTE);
    return wf_rate(c->chat_interval_ms > 0, c->chat_interval_ms, CHAT_BURST);
}

static size_t limits_of(const struct config *c, struct wf_limit limits[LIMITS])
{
    size_t n = 0;
    limits[n++] = wf_limit("bot", (wf_str){ "", 0 }, wf_rate(c->bot_rate, 1000, c->bot_rate));
    if (c->operation != OP_ANSWER && c->chat_id.len)
        limits[n++] = wf_limit("chat", c->chat_id, rate_of_chat(c));
    return n;
}

void pace_items(const wf_host *h, wf_item *const *items, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct wf_limit limits[LIMITS];
        struct wf_gate *gate = h->state(items[i]);
        if (gate)
            wf_gate_pass(gate, items[i], limits, limits_of(h->config(items[i]), limits),
                         COUNT_PACED);
        else
            telegram_send(h, items[i]);
    }
}

void pace_throttled(const wf_host *h, wf_item *it, int64_t wait_ms)
{
    struct wf_limit limits[LIMITS];
    size_t n = limits_of(h->config(it), limits);
    wf_gate_throttled(h->state(it), limits[n - 1].key, wait_ms);
}

void pace_went_well(const wf_host *h, wf_item *it)
{
    struct wf_limit limits[LIMITS];
    wf_gate_went_well(h->state(it), limits, limits_of(h->config(it), limits));
}
