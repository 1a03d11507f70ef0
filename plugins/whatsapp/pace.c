/* SPDX-License-Identifier: Apache-2.0
 * The pace of a number: the Cloud API takes 80 messages a second for a number (1,000 after an
 * upgrade) and about one in six seconds for a pair of number and recipient, after a burst of 45.
 * What is faster waits here for its turn.
 *
 * Thread: the worker's. Limits hold for each worker.
 */
#include "whatsapp_int.h"

enum { BUCKETS = 65536, PAIR_BURST = 45, LIMITS = 2 };

void *pace_open(const wf_host *h, wf_inst *inst, wf_error *why)
{
    const struct send_config *c = h->inst_config(inst);
    struct pace *p = calloc(1, sizeof *p);
    (void)why;
    if (!p)
        abort();
    if (wf_gate_open(&p->gate, h, inst, BUCKETS, c->max_wait_ms, wa_send) != 0) {
        free(p);
        return NULL;
    }
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

static void limits_of(const struct send_config *c, struct wf_limit limits[LIMITS])
{
    wf_str to = c->to;
    if (to.len && to.ptr[0] == '+')
        to = (wf_str){ to.ptr + 1, to.len - 1 };
    limits[0] = wf_limit("number", c->phone_number_id, wf_rate(c->rate, 1000, c->rate));
    limits[1] =
        wf_limit("pair", to, wf_rate(c->pair_interval_ms > 0, c->pair_interval_ms, PAIR_BURST));
    limits[1].key ^= limits[0].key * 31; /* a pair is of one number */
}

static void enter(const wf_host *h, wf_item *it, struct pace *p)
{
    struct wf_limit limits[LIMITS];
    int64_t wait_ms;
    limits_of(h->config(it), limits);
    int entered = wf_gate_enter(&p->gate, it, limits, LIMITS, &wait_ms);
    if (entered != 0)
        h->count(h->inst(it), COUNT_PACED, 1);
    if (entered >= 0)
        return;
    wf_error e = {
        .size = sizeof e, .fault = WF_THROTTLE, .code = "paced", .retry_after_ms = wait_ms
    };
    h->fail_with(it, &e,
                 "its turn is in %lld ms, which is longer than options.maxWait; give the node "
                 "retries or send less",
                 (long long)wait_ms);
}

void pace_items(const wf_host *h, wf_item *const *items, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct pace *p = h->state(items[i]);
        if (p)
            enter(h, items[i], p);
        else
            wa_send(h, items[i]);
    }
}

void pace_throttled(const wf_host *h, wf_item *it, enum wa_scope scope, int64_t wait_ms)
{
    struct pace *p = h->state(it);
    struct wf_limit limits[LIMITS];
    enum { DEFAULT_WAIT_MS = 1000 };
    h->count(h->inst(it), COUNT_THROTTLED, 1);
    if (!p || scope == WA_SCOPE_NONE)
        return;
    limits_of(h->config(it), limits);
    wf_limiter_throttled(&p->gate.limiter, limits[scope == WA_SCOPE_PAIR].key, p->gate.clock_us(),
                         (wait_ms > 0 ? wait_ms : DEFAULT_WAIT_MS) * 1000);
}

void pace_went_well(const wf_host *h, wf_item *it)
{
    struct pace *p = h->state(it);
    struct wf_limit limits[LIMITS];
    if (!p)
        return;
    limits_of(h->config(it), limits);
    for (size_t i = 0; i < LIMITS; i++)
        wf_limiter_went_well(&p->gate.limiter, limits[i].key);
}
