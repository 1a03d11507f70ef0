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
    (void)why;
    return wf_gate_create(h, inst, BUCKETS, c->max_wait_ms, wa_send);
}

void pace_close(const wf_host *h, void *state)
{
    (void)h;
    wf_gate_destroy(state);
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

void pace_items(const wf_host *h, wf_item *const *items, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct wf_limit limits[LIMITS];
        struct wf_gate *gate = h->state(items[i]);
        limits_of(h->config(items[i]), limits);
        if (gate)
            wf_gate_pass(gate, items[i], limits, LIMITS, COUNT_PACED);
        else
            wa_send(h, items[i]);
    }
}

void pace_throttled(const wf_host *h, wf_item *it, enum wa_scope scope, int64_t wait_ms)
{
    struct wf_limit limits[LIMITS];
    h->count(h->inst(it), COUNT_THROTTLED, 1);
    if (scope == WA_SCOPE_NONE)
        return;
    limits_of(h->config(it), limits);
    wf_gate_throttled(h->state(it), limits[scope == WA_SCOPE_PAIR].key, wait_ms);
}

void pace_went_well(const wf_host *h, wf_item *it)
{
    struct wf_limit limits[LIMITS];
    limits_of(h->config(it), limits);
    wf_gate_went_well(h->state(it), limits, LIMITS);
}
