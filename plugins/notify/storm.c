/* SPDX-License-Identifier: Apache-2.0
 * The storm cap: at most N notifications in a window go to an integration one by one; what comes on
 * top is gathered, and one summary tells of it when the window ends. Thread: one.
 */
#include "router_int.h"

static struct storm *storm_get(struct router *r, const struct integration *to)
{
    struct storm *s = map_get(&r->storms, to->key);
    if (s)
        return s;
    s = memory_get(sizeof *s);
    s->to = to;
    s->held = json_array();
    map_set(&r->storms, to->key, s);
    return s;
}

void storm_free(struct storm *s)
{
    json_decref(s->held);
    free(s);
}

int storm_holds(struct router *r, const struct due *due, const json_t *notice)
{
    const struct storm_cap *cap = &due->to->storm;
    if (!cap->max)
        return 0;
    struct storm *s = storm_get(r, due->to);
    router_dirty(r, 't', due->to->key);
    if (!json_array_size(s->held) && due->now_ms >= s->since_ms + cap->per_ms) {
        s->since_ms = due->now_ms;
        s->sent = 0;
    }
    if (s->sent++ < cap->max)
        return 0;
    json_array_append_new(
        s->held, json_pack("{s:O,s:O,s:O,s:I}", "groupKey", json_object_get(notice, "groupKey"),
                           "title", json_object_get(notice, "title"), "status",
                           json_object_get(notice, "status"), "firing", (json_int_t)due->n_firing));
    r->counts[ROUTER_STORM]++;
    return 1;
}

static void storm_end(struct router *r, struct storm *s, int64_t now_ms)
{
    json_t *notice = render_summary(r, s, now_ms);
    r->counts[ROUTER_NOTICES]++;
    r->emit(r->arg, s->to->kind, json_string_value(json_object_get(notice, "id")), notice);
    json_decref(notice);
    json_array_clear(s->held);
    s->since_ms = now_ms;
    s->sent = 1; /* the summary is the first of the next window */
    router_dirty(r, 't', s->to->key);
}

void storm_tick(struct router *r, int64_t now_ms)
{
    MAP_EACH(&r->storms, e)
    {
        struct storm *s = e->value;
        if (json_array_size(s->held) && now_ms >= s->since_ms + s->to->storm.per_ms)
            storm_end(r, s, now_ms);
    }
}

int64_t storm_next_ms(const struct router *r)
{
    int64_t next = INT64_MAX;
    MAP_EACH(&r->storms, e)
    {
        const struct storm *s = e->value;
        if (json_array_size(s->held) && s->since_ms + s->to->storm.per_ms < next)
            next = s->since_ms + s->to->storm.per_ms;
    }
    return next;
}
