/* SPDX-License-Identifier: Apache-2.0
 * Flapping: an alert that changes between firing and resolved too often. Its ends are held back
 * until it has been quiet for the window, so that people are told once that it fires and once that
 * it is over. Thread: one.
 */
#include "router_int.h"

static unsigned flap_recent(const struct flap *f, int64_t since_ms)
{
    unsigned recent = 0;
    for (unsigned i = 0; i < FLAP_CHANGES_MAX; i++)
        recent += f->at_ms[i] > since_ms;
    return recent;
}

void flap_take(struct router *r, struct alert *a, int64_t now_ms)
{
    int is_firing = !alert_is_resolved(a, now_ms);
    struct flap *f;
    if (!r->conf->flap_changes)
        return;
    f = map_get(&r->flaps, a->fp);
    if (!f) {
        f = memory_get(sizeof *f);
        f->was_firing = is_firing;
        map_set(&r->flaps, a->fp, f);
        return;
    }
    if (f->was_firing != is_firing)
        f->at_ms[f->n++ % FLAP_CHANGES_MAX] = now_ms;
    f->was_firing = is_firing;
    a->is_flapping =
        flap_recent(f, now_ms - r->conf->flap_window_ms) >= (uint64_t)r->conf->flap_changes;
    if (!a->is_flapping || is_firing)
        return;
    a->ends_ms = now_ms + r->conf->flap_window_ms;
    r->counts[ROUTER_FLAPPING]++;
}
