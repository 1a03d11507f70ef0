/* SPDX-License-Identifier: Apache-2.0
 * The pace of a bot. The Bot API answers 429 to what is faster than about 30 messages a second for
 * a bot, one a second for a chat and 20 a minute for a group, and punishes bots that go on. So
 * items wait here instead of there.
 *
 * Thread: the worker's. Limits hold for each worker.
 */
#include "telegram_int.h"

enum { BUCKETS = 65536, CHAT_BURST = 5, GROUP_PER_MINUTE = 20, MINUTE_MS = 60000 };

void *pace_open(const wf_host *h, wf_inst *inst, wf_error *why)
{
    const struct config *c = h->inst_config(inst);
    struct pace *p = calloc(1, sizeof *p);
    (void)why;
    if (!p)
        abort();
    if (wf_gate_open(&p->gate, h, inst, BUCKETS, c->max_wait_ms, telegram_send) != 0) {
        free(p);
        return NULL;
    }
    p->bot = wf_rate(c->bot_rate, 1000, c->bot_rate);
    p->chat = wf_rate(c->chat_interval_ms > 0, c->chat_interval_ms, CHAT_BURST);
    p->group = c->chat_interval_ms > 0 ? wf_rate(GROUP_PER_MINUTE, MINUTE_MS, GROUP_PER_MINUTE)
                                       : (struct wf_rate){ 0, 0 };
    return p;
}

void pace_close(const wf_host *h, void *state)
{
    struct pace *p = state;
    (void)h;
    if (!p)
        return;
    wf_gate_close(&p->gate);
    free(p);
}

static int has_chat(const struct config *c) { return c->operation != OP_ANSWER && c->chat_id.len; }

/* Groups and channels have negative numbers, or names. */
static int is_group(wf_str chat) { return chat.ptr[0] == '-' || chat.ptr[0] == '@'; }

static size_t limits_of(const struct pace *p, const struct config *c, struct wf_limit *limits)
{
    size_t n = 0;
    limits[n++] = wf_limit("bot", (wf_str){ "", 0 }, p->bot);
    if (has_chat(c))
        limits[n++] = wf_limit("chat", c->chat_id, is_group(c->chat_id) ? p->group : p->chat);
    return n;
}

void pace_items(const wf_host *h, wf_item *const *items, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct pace *p = h->state(items[i]);
        struct wf_limit limits[WF_GATE_LIMITS];
        int64_t wait_ms;
        if (!p) {
            telegram_send(h, items[i]);
            continue;
        }
        size_t n_limits = limits_of(p, h->config(items[i]), limits);
        int entered = wf_gate_enter(&p->gate, items[i], limits, n_limits, &wait_ms);
        if (entered != 0)
            h->count(h->inst(items[i]), COUNT_PACED, 1);
        if (entered < 0) {
            wf_error e = {
                .size = sizeof e, .fault = WF_THROTTLE, .code = "paced", .retry_after_ms = wait_ms
            };
            h->fail_with(items[i], &e,
                         "its turn is in %lld ms, which is longer than "
                         "options.maxWait; give the node retries or send less",
                         (long long)wait_ms);
        }
    }
}

void pace_throttled(const wf_host *h, wf_item *it, int64_t wait_ms)
{
    struct pace *p = h->state(it);
    const struct config *c = h->config(it);
    struct wf_limit limits[WF_GATE_LIMITS];
    enum { DEFAULT_WAIT_MS = 1000 };
    if (!p)
        return;
    size_t n = limits_of(p, c, limits);
    wf_limiter_throttled(&p->gate.limiter, limits[n - 1].key, p->gate.clock_us(),
                         (wait_ms > 0 ? wait_ms : DEFAULT_WAIT_MS) * 1000);
}

void pace_went_well(const wf_host *h, wf_item *it)
{
    struct pace *p = h->state(it);
    struct wf_limit limits[WF_GATE_LIMITS];
    for (size_t i = 0, n = p ? limits_of(p, h->config(it), limits) : 0; i < n; i++)
        wf_limiter_went_well(&p->gate.limiter, limits[i].key);
}
