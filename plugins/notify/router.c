/* SPDX-License-Identifier: Apache-2.0
 * The routing core's outer face: its store of alerts, and what is due when. Thread: one.
 */
#include "router_int.h"

struct router *router_create(const struct conf *conf, router_emit_fn *emit, void *arg)
{
    struct router *r = memory_get(sizeof *r);
    r->conf = conf;
    r->emit = emit;
    r->arg = arg;
    r->sources = memory_get(conf->n_rules * sizeof(struct map));
    return r;
}

static void drop_group(void *value) { group_free(value); }
static void drop_alert(void *value) { alert_unref(value); }
static void drop_said(void *value) { said_free(value); }
static void drop_silence(void *value) { silence_free(value); }
static void drop_storm(void *value) { storm_free(value); }
static void drop_list(void *value) { json_decref(value); }

static void router_drop(struct map *m, void (*drop)(void *value))
{
    MAP_EACH(m, e)
    drop(e->value);
    map_fini(m);
}

void router_free(struct router *r)
{
    if (!r)
        return;
    router_drop(&r->groups, drop_group);
    router_drop(&r->alerts, drop_alert);
    router_drop(&r->said, drop_said);
    router_drop(&r->silences, drop_silence);
    router_drop(&r->storms, drop_storm);
    router_drop(&r->flaps, free);
    router_drop(&r->members, drop_list);
    map_fini(&r->dirty);
    for (size_t i = 0; i < r->conf->n_rules; i++)
        map_fini(&r->sources[i]);
    free(r->sources);
    free(r);
}

void router_dirty(struct router *r, char kind, const char *key)
{
    char *name = memory_print("%c:%s", kind, key);
    map_set(&r->dirty, name, r);
    free(name);
}

void router_changes(struct router *r, router_change_fn *fn, void *arg)
{
    MAP_EACH(&r->dirty, e)
    {
        json_t *body = state_save(r, e->key);
        fn(arg, e->key, body);
        json_decref(body);
    }
    map_fini(&r->dirty);
}

/* --- alerts ----------------------------------------------------------------------------------- */

/* The store takes the reference; `old` is what it replaced. */
static struct alert *router_put(struct router *r, struct alert *a)
{
    struct alert *old = map_set(&r->alerts, a->fp, a);
    a->serial = ++r->serial;
    for (size_t i = 0; i < r->conf->n_rules; i++)
        if (matchers_match(&r->conf->rules[i].source, &a->labels))
            map_set(&r->sources[i], a->fp, a);
    router_dirty(r, 'a', a->fp);
    return old;
}

struct placing {
    struct router *r;
    struct alert *alert;
    int64_t now_ms;
    int only_absent; /* while loading: groups that have it know better */
};

static void router_place(void *arg, const struct route *route)
{
    struct placing *p = arg;
    struct group *g = group_get(p->r, route, &p->alert->labels, p->now_ms);
    if (g && !(p->only_absent && map_get(&g->alerts, p->alert->fp)))
        group_insert(p->r, g, p->alert, p->now_ms);
}

int router_alert(struct router *r, const json_t *alert, int64_t now_ms, struct why *why)
{
    struct alert *a = alert_of_json(alert, now_ms, r->conf->resolve_timeout_ms, why);
    if (!a)
        return -1;
    struct alert *old = map_get(&r->alerts, a->fp);
    if (!old && r->alerts.n >= ROUTER_ALERTS_MAX) {
        alert_unref(a);
        return why_set(why, "there are more than %d alerts", ROUTER_ALERTS_MAX);
    }
    r->counts[ROUTER_ALERTS]++;
    if (old)
        a = alert_merge(old, a, now_ms);
    flap_take(r, a, now_ms);
    alert_unref(router_put(r, a));
    struct placing p = { .r = r, .alert = a, .now_ms = now_ms };
    route_match(r->conf->root, &a->labels, router_place, &p);
    return 0;
}

/* --- silences, acknowledgements --------------------------------------------------------------- */

int router_silence(struct router *r, const json_t *silence, int64_t now_ms, struct why *why)
{
    struct silence *s = silence_of_json(silence, now_ms, why);
    if (!s)
        return -1;
    if (!*s->id || strlen(s->id) > 100) {
        silence_free(s);
        return why_set(why, "id is missing");
    }
    router_dirty(r, 's', s->id);
    silence_free(map_set(&r->silences, s->id, s));
    return 0;
}

int router_expire(struct router *r, const char *id, int64_t now_ms)
{
    struct silence *s = map_get(&r->silences, id);
    if (!s || now_ms >= s->ends_ms)
        return -1;
    s->ends_ms = s->updated_ms = now_ms;
    if (s->starts_ms > now_ms)
        s->starts_ms = now_ms;
    router_dirty(r, 's', id);
    return 0;
}

json_t *router_silences(const struct router *r, int64_t now_ms)
{
    json_t *list = json_array();
    MAP_EACH(&r->silences, e)
    {
        json_t *one = silence_save(e->value);
        json_object_set_new(one, "state", json_string(silence_state(e->value, now_ms)));
        json_array_append_new(list, one);
    }
    return list;
}

static int is_named(const struct group *g, const char *what)
{
    char incident[60];
    snprintf(incident, sizeof incident, "%016llx-%lld",
             (unsigned long long)memory_hash(memory_hash_begin, g->key, strlen(g->key)),
             (long long)g->opened_ms);
    return !strcmp(what, incident) || !strcmp(what, g->key) || map_get(&g->alerts, what);
}

unsigned router_ack(struct router *r, const char *what, const char *who, int64_t now_ms)
{
    unsigned n = 0;
    MAP_EACH(&r->groups, e)
    {
        struct group *g = e->value;
        if (!g->opened_ms || g->acked_ms || !is_named(g, what))
            continue;
        g->acked_ms = now_ms;
        g->acked_by = memory_text(who);
        router_dirty(r, 'g', g->id);
        n++;
    }
    return n;
}

/* --- time ------------------------------------------------------------------------------------- */

static void router_clean(struct router *r)
{
    MAP_EACH(&r->groups, e)
    {
        struct group *g = e->value;
        if (g->alerts.n)
            continue;
        router_dirty(r, 'g', g->id);
        map_take(&r->groups, g->id);
        group_free(g);
    }
}

static void router_forget_alerts(struct router *r, int64_t now_ms)
{
    MAP_EACH(&r->alerts, e)
    {
        struct alert *a = e->value;
        if (!alert_is_resolved(a, now_ms) || a->refs > 1)
            continue;
        router_dirty(r, 'a', a->fp);
        for (size_t i = 0; i < r->conf->n_rules; i++)
            map_take(&r->sources[i], a->fp);
        free(map_take(&r->flaps, a->fp));
        map_take(&r->alerts, a->fp);
        alert_unref(a);
    }
}

static void router_forget_said(struct router *r, int64_t now_ms)
{
    MAP_EACH(&r->said, e)
    {
        struct said *s = e->value;
        if (s->expires_ms > now_ms)
            continue;
        router_dirty(r, 'n', e->key);
        map_take(&r->said, e->key);
        said_free(s);
    }
}

static void router_forget_silences(struct router *r, int64_t now_ms)
{
    MAP_EACH(&r->silences, e)
    {
        struct silence *s = e->value;
        if (s->ends_ms + ROUTER_KEEP_MS > now_ms)
            continue;
        router_dirty(r, 's', s->id);
        map_take(&r->silences, s->id);
        silence_free(s);
    }
}

static void router_collect(struct router *r, int64_t now_ms)
{
    router_forget_alerts(r, now_ms);
    router_forget_said(r, now_ms);
    router_forget_silences(r, now_ms);
}

void router_tick(struct router *r, int64_t now_ms)
{
    if (!r->clean_ms) {
        r->clean_ms = now_ms + ROUTER_CLEAN_MS;
        r->gc_ms = now_ms + ROUTER_GC_MS;
    }
    MAP_EACH(&r->groups, e)
    {
        struct group *g = e->value;
        if (g->next_ms <= now_ms && g->alerts.n)
            group_flush(r, g, now_ms);
        else if (g->next_ms <= now_ms)
            g->next_ms = now_ms + g->route->group_interval_ms;
        while (group_step_ms(g) <= now_ms)
            group_step(r, g, now_ms);
    }
    storm_tick(r, now_ms);
    if (r->clean_ms <= now_ms) {
        r->clean_ms = now_ms + ROUTER_CLEAN_MS;
        router_clean(r);
    }
    if (r->gc_ms <= now_ms) {
        r->gc_ms = now_ms + ROUTER_GC_MS;
        router_collect(r, now_ms);
    }
}

int64_t router_next_ms(const struct router *r)
{
    int64_t next = storm_next_ms(r);
    if (!r->clean_ms)
        return 0;
    MAP_EACH(&r->groups, e)
    {
        const struct group *g = e->value;
        int64_t step = group_step_ms(g);
        next = g->next_ms < next ? g->next_ms : next;
        next = step < next ? step : next;
        if (!g->alerts.n && r->clean_ms < next)
            next = r->clean_ms;
    }
    if ((r->alerts.n || r->said.n || r->silences.n) && r->gc_ms < next)
        next = r->gc_ms;
    return next;
}

int64_t router_counter(const struct router *r, enum router_count which) { return r->counts[which]; }
size_t router_groups(const struct router *r) { return r->groups.n; }
size_t router_alerts(const struct router *r) { return r->alerts.n; }

/* --- restart ---------------------------------------------------------------------------------- */

static void router_load_group(struct router *r, const char *id, int64_t now_ms)
{
    json_t *list = map_take(&r->members, id);
    const json_t *fps = json_object_get(list, "alerts");
    const char *key = json_string_value(json_object_get(list, "key"));
    for (size_t i = 0; key && i < json_array_size(fps); i++) {
        struct alert *a = map_get(&r->alerts, json_string_value(json_array_get(fps, i)));
        struct group *g = map_get(&r->groups, id);
        if (a && g && !strcmp(g->key, key) && !map_get(&g->alerts, a->fp))
            group_insert(r, g, a, now_ms);
    }
    struct group *g = map_get(&r->groups, id);
    if (g && key && !strcmp(g->key, key)) {
        const char *who = json_string_value(json_object_get(list, "acked_by"));
        g->next_ms = json_integer_value(json_object_get(list, "next_ms"));
        g->has_flushed = json_is_true(json_object_get(list, "flushed"));
        g->opened_ms = json_integer_value(json_object_get(list, "opened_ms"));
        g->steps = (size_t)json_integer_value(json_object_get(list, "steps"));
        g->acked_ms = json_integer_value(json_object_get(list, "acked_ms"));
        g->acked_by = who ? memory_text(who) : NULL;
    } else {
        router_dirty(r, 'g', id); /* the configuration has no such group any more */
    }
    json_decref(list);
}

/* Groups of resolved alerts that nobody was told about yet come back, too. */
static void router_place_member(struct router *r, const json_t *saved, int64_t now_ms)
{
    const json_t *fps = json_object_get(saved, "alerts");
    for (size_t i = 0; i < json_array_size(fps); i++) {
        struct alert *a = map_get(&r->alerts, json_string_value(json_array_get(fps, i)));
        struct placing p = { .r = r, .alert = a, .now_ms = now_ms, .only_absent = 1 };
        if (a)
            route_match(r->conf->root, &a->labels, router_place, &p);
    }
}

void router_loaded(struct router *r, int64_t now_ms)
{
    MAP_EACH(&r->alerts, e)
    {
        struct alert *a = e->value;
        struct placing p = { .r = r, .alert = a, .now_ms = now_ms, .only_absent = 1 };
        if (!alert_is_resolved(a, now_ms))
            route_match(r->conf->root, &a->labels, router_place, &p);
    }
    MAP_EACH(&r->members, one)
    router_place_member(r, one->value, now_ms);
    MAP_EACH(&r->members, saved)
    {
        char *id = memory_text(saved->key);
        router_load_group(r, id, now_ms);
        free(id);
    }
    r->clean_ms = now_ms + ROUTER_CLEAN_MS;
    r->gc_ms = now_ms + ROUTER_GC_MS;
}
