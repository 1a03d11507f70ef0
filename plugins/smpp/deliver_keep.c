/* SPDX-License-Identifier: Apache-2.0
 * What smppDeliver keeps for tenants that are not bound: parked items in the order they came. The
 * engine has them in its store as it has all that is parked, so a restart begins them again.
 *
 * A tenant binds on any worker, so it is looked for from time to time. Thread: the worker's.
 * Nothing blocks but the lock of the mailboxes.
 */
#include "deliver.h"
#include <catalyst/conn.h>
#include <stdlib.h>
#include <string.h>

enum { LOOK_MS = 500, PARK_SLACK_MS = 3600000 };

struct kept {
    struct kept *next;
    wf_ticket ticket;
    int64_t until_ms;
    char tenant_id[65], system_id[17];
};

struct keep {
    const wf_host *h;
    wf_inst *inst;
    const wf_loop *loop;
    wf_timer *timer;
    struct kept *first, **end;
    uint32_t n;
};

struct keep *keep_create(const wf_host *h, wf_inst *inst)
{
    struct keep *k = calloc(1, sizeof *k);
    if (!k)
        abort();
    *k = (struct keep){ .h = h, .inst = inst, .loop = h->service("loop/1") };
    k->end = &k->first;
    return k;
}

void keep_destroy(struct keep *k)
{
    if (k->timer)
        k->loop->timer_stop(k->timer);
    for (struct kept *next; k->first; k->first = next) {
        next = k->first->next;
        free(k->first);
    }
    free(k);
}

static void look(void *arg)
{
    struct keep *k = arg;
    struct kept *list = k->first, *next;
    int64_t now_ms = wf_conn_now_ms();
    k->timer = NULL;
    k->first = NULL;
    k->end = &k->first;
    for (struct kept *one = list; one; one = next) {
        next = one->next;
        if (now_ms < one->until_ms && !mailbox_receives(one->tenant_id, one->system_id)) {
            one->next = NULL;
            *k->end = one;
            k->end = &one->next;
            continue;
        }
        wf_item *it = k->h->resume(k->h, one->ticket);
        int64_t until_ms = one->until_ms;
        k->n--;
        free(one);
        if (it)
            deliver_again(k->h, it, until_ms);
    }
    k->h->count(k->inst, COUNT_KEPT, k->n);
    if (k->first && !k->timer)
        k->timer = k->loop->timer(k->inst, LOOK_MS, look, k);
}

int keep_add(struct keep *k, wf_item *it, wf_str tenant_id, wf_str system_id, int64_t until_ms,
             uint32_t most)
{
    struct kept *one;
    if (!k->loop || k->n >= most || tenant_id.len >= sizeof one->tenant_id ||
        system_id.len >= sizeof one->system_id)
        return -1;
    one = calloc(1, sizeof *one);
    if (!one)
        abort();
    memcpy(one->tenant_id, tenant_id.ptr, tenant_id.len);
    if (system_id.len)
        memcpy(one->system_id, system_id.ptr, system_id.len);
    one->until_ms = until_ms;
    one->ticket = k->h->park(it, until_ms - wf_conn_now_ms() + PARK_SLACK_MS);
    *k->end = one;
    k->end = &one->next;
    k->h->count(k->inst, COUNT_KEPT, ++k->n);
    if (!k->timer)
        k->timer = k->loop->timer(k->inst, LOOK_MS, look, k);
    return 0;
}
