/* SPDX-License-Identifier: Apache-2.0
 * The pace of a sender: what a service takes in a second or a minute, kept on this side, so that a
 * storm waits here and is not refused there. Limits hold for each worker. Thread: the worker's.
 */
#include "notify_int.h"

enum { PACE_BUCKETS = 1024, PACE_MAX_WAIT_MS = 600000 };

void *pace_open(const wf_host *h, wf_inst *inst, struct wf_rate rate, const char *scope,
                void (*go)(const wf_host *h, wf_item *it))
{
    struct pace *p = memory_get(sizeof *p);
    p->rate = rate;
    p->scope = scope;
    if (wf_gate_open(&p->gate, h, inst, PACE_BUCKETS, PACE_MAX_WAIT_MS, go) == 0)
        return p;
    free(p);
    return NULL; /* an engine without timers: items go as they come */
}

void pace_close(const wf_host *h, void *state)
{
    struct pace *p = state;
    (void)h;
    if (p)
        wf_gate_close(&p->gate);
    free(p);
}

void pace_enter(const wf_host *h, wf_item *it, wf_str who,
                void (*go)(const wf_host *h, wf_item *it))
{
    struct pace *p = h->state(it);
    int64_t wait_ms;
    if (!p) {
        go(h, it);
        return;
    }
    struct wf_limit limit = wf_limit(p->scope, who, p->rate);
    if (wf_gate_enter(&p->gate, it, &limit, 1, &wait_ms) < 0)
        h->fail_with(it,
                     &(wf_error){ .size = sizeof(wf_error),
                                  .fault = WF_THROTTLE,
                                  .code = "throttled",
                                  .retry_after_ms = wait_ms },
                     "its turn is in %lld ms", (long long)wait_ms);
}
