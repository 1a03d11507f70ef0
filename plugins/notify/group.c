/* SPDX-License-Identifier: Apache-2.0
 * Groups: alerts of one route with the same labels in group_by. A group waits group_wait, says what
 * it has, and looks again every group_interval. Escalation belongs to the group: from its first
 * notification on the steps of the route are reached one by one, until somebody acknowledges or all
 * is resolved. Thread: one.
 */
#include "router_int.h"

/* --- membership ------------------------------------------------------------------------------- */

static void group_labels(const struct route *route, const struct labels *from, struct labels *to)
{
    *to = (struct labels){ 0 };
    for (size_t i = 0; i < from->n; i++) {
        int takes = route->groups_by_all;
        for (size_t k = 0; k < route->n_group_by && !takes; k++)
            takes = !strcmp(route->group_by[k], from->at[i].name);
        if (takes)
            labels_add(to, from->at[i].name, from->at[i].value);
    }
}

/* Two routes may have the same matchers: their places in the tree tell them apart. */
static char *group_route_id(const struct route *route)
{
    size_t i = 0;
    if (!route->parent)
        return memory_text("0");
    while (route->parent->routes[i] != route)
        i++;
    char *parent = group_route_id(route->parent), *id = memory_print("%s.%zu", parent, i);
    free(parent);
    return id;
}

struct group *group_get(struct router *r, const struct route *route, const struct labels *labels,
                        int64_t now_ms)
{
    struct labels mine;
    group_labels(route, labels, &mine);
    char *place = group_route_id(route), *text = labels_text(&mine);
    char *id = memory_print("%s|%s", place, text);
    struct group *g = map_get(&r->groups, id);
    if (!g && r->groups.n < ROUTER_GROUPS_MAX) {
        g = memory_get(sizeof *g);
        g->id = memory_text(id);
        g->key = memory_print("%s:%s", route->key, text);
        g->route = route;
        g->labels = mine;
        g->next_ms = now_ms + route->group_wait_ms;
        mine = (struct labels){ 0 };
        map_set(&r->groups, id, g);
        router_dirty(r, 'g', id);
    }
    labels_fini(&mine);
    free(place);
    free(text);
    free(id);
    return g;
}

void group_insert(struct router *r, struct group *g, struct alert *a, int64_t now_ms)
{
    struct alert *old = map_set(&g->alerts, a->fp, alert_ref(a));
    if (!old)
        router_dirty(r, 'g', g->id);
    alert_unref(old);
    /* an alert that has waited elsewhere does not wait again */
    if (!g->has_flushed && a->starts_ms + g->route->group_wait_ms < now_ms && g->next_ms > now_ms) {
        g->next_ms = now_ms;
        router_dirty(r, 'g', g->id);
    }
}

void group_free(struct group *g)
{
    MAP_EACH(&g->alerts, e)
    alert_unref(e->value);
    map_fini(&g->alerts);
    labels_fini(&g->labels);
    free(g->id);
    free(g->key);
    free(g->acked_by);
    free(g);
}

/* --- what is left out ------------------------------------------------------------------------- */

static int is_inhibited_by(const struct map *sources, const struct inhibit_rule *rule,
                           const struct labels *labels, int64_t now_ms)
{
    if (!matchers_match(&rule->target, labels))
        return 0;
    int is_both = matchers_match(&rule->source, labels);
    MAP_EACH(sources, e)
    {
        const struct alert *a = e->value;
        size_t i = 0;
        if (alert_is_resolved(a, now_ms))
            continue;
        while (i < rule->n_equal &&
               !strcmp(labels_get(&a->labels, rule->equal[i]), labels_get(labels, rule->equal[i])))
            i++;
        /* what is source and target at once does not inhibit its like, nor itself */
        if (i == rule->n_equal && !(is_both && matchers_match(&rule->target, &a->labels)))
            return 1;
    }
    return 0;
}

static int is_inhibited(const struct router *r, const struct labels *labels, int64_t now_ms)
{
    for (size_t i = 0; i < r->conf->n_rules; i++)
        if (is_inhibited_by(&r->sources[i], &r->conf->rules[i], labels, now_ms))
            return 1;
    return 0;
}

static int is_silenced(const struct router *r, const struct labels *labels, int64_t now_ms)
{
    MAP_EACH(&r->silences, e)
    {
        const struct silence *s = e->value;
        if (silence_is_active(s, now_ms) && matchers_match(&s->matchers, labels))
            return 1;
    }
    return 0;
}

static int is_quiet(const struct route *route, int64_t now_ms)
{
    int is_active = route->n_active == 0;
    for (size_t i = 0; i < route->n_active && !is_active; i++)
        is_active = intervals_contain(route->active[i], now_ms);
    for (size_t i = 0; i < route->n_mute && is_active; i++)
        is_active = !intervals_contain(route->mute[i], now_ms);
    return !is_active;
}

/* Keeps what may be said; returns how many. */
static size_t group_filter(struct router *r, const struct group *g, struct seen *seen, size_t n,
                           int64_t now_ms)
{
    const struct matchers *exempt = &r->conf->mute_exempt;
    int quiet = is_quiet(g->route, now_ms);
    size_t left = 0;
    for (size_t i = 0; i < n; i++) {
        const struct labels *labels = &seen[i].alert->labels;
        if (is_inhibited(r, labels, now_ms))
            r->counts[ROUTER_INHIBITED]++;
        else if (quiet && !(exempt->n && matchers_match(exempt, labels)))
            r->counts[ROUTER_QUIET]++;
        else if (is_silenced(r, labels, now_ms))
            r->counts[ROUTER_SILENCED]++;
        else
            seen[left++] = seen[i];
    }
    return left;
}

/* --- flushing --------------------------------------------------------------------------------- */

/* By job, instance, then all labels. */
static int seen_order(const void *a, const void *b)
{
    static const char *const first[] = { "job", "instance" };
    const struct labels *x = &((const struct seen *)a)->alert->labels;
    const struct labels *y = &((const struct seen *)b)->alert->labels;
    for (size_t i = 0; i < 2; i++) {
        int order = strcmp(labels_get(x, first[i]), labels_get(y, first[i]));
        if (order)
            return order;
    }
    for (size_t i = 0; i < x->n && i < y->n; i++) {
        int order = strcmp(x->at[i].name, y->at[i].name);
        order = order ? order : strcmp(x->at[i].value, y->at[i].value);
        if (order)
            return order;
    }
    return (x->n > y->n) - (x->n < y->n);
}

static struct seen *group_list(const struct group *g, int64_t now_ms)
{
    struct seen *seen = memory_get(g->alerts.n * sizeof *seen);
    size_t n = 0;
    MAP_EACH(&g->alerts, e)
    {
        struct alert *a = e->value;
        seen[n++] = (struct seen){ a, alert_is_resolved(a, now_ms) };
    }
    if (n)
        qsort(seen, n, sizeof *seen, seen_order);
    return seen;
}

static void group_tell(struct router *r, struct group *g, const struct receiver *receiver,
                       size_t step, const struct seen *seen, size_t n, int64_t now_ms)
{
    for (size_t i = 0; i < receiver->n; i++) {
        struct due due = {
            .group = g, .to = &receiver->at[i], .seen = seen, .n = n, .step = step, .now_ms = now_ms
        };
        said_notify(r, &due);
    }
}

static void group_drop_resolved(struct group *g, const struct seen *seen, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (seen[i].is_resolved)
            alert_unref(map_take(&g->alerts, seen[i].alert->fp));
}

static void group_close(struct group *g)
{
    g->opened_ms = g->acked_ms = g->step_late_ms = 0;
    g->steps = 0;
    free(g->acked_by);
    g->acked_by = NULL;
}

void group_flush(struct router *r, struct group *g, int64_t now_ms)
{
    size_t all = g->alerts.n, firing = 0;
    struct seen *seen = group_list(g, now_ms), *kept = memory_get(all * sizeof *kept);
    g->next_ms = now_ms + g->route->group_interval_ms;
    g->has_flushed = 1;
    router_dirty(r, 'g', g->id);
    for (size_t i = 0; i < all; i++) {
        kept[i] = seen[i];
        firing += !seen[i].is_resolved;
    }
    size_t left = group_filter(r, g, kept, all, now_ms), left_firing = 0;
    for (size_t i = 0; i < left; i++)
        left_firing += !kept[i].is_resolved;
    if (left_firing && !g->opened_ms)
        g->opened_ms = now_ms;
    if (left) {
        group_tell(r, g, g->route->receiver, 0, kept, left, now_ms);
        for (size_t i = 0; i < g->steps && i < g->route->n_steps; i++)
            group_tell(r, g, g->route->steps[i].receiver, i + 1, kept, left, now_ms);
    }
    if (!firing)
        group_close(g);
    group_drop_resolved(g, seen, all);
    free(seen);
    free(kept);
}

/* --- escalation ------------------------------------------------------------------------------- */

int64_t group_step_ms(const struct group *g)
{
    if (!g->opened_ms || g->acked_ms || g->steps >= g->route->n_steps)
        return INT64_MAX;
    int64_t due = g->opened_ms + g->route->steps[g->steps].after_ms;
    return due > g->step_late_ms ? due : g->step_late_ms;
}

void group_step(struct router *r, struct group *g, int64_t now_ms)
{
    size_t all = g->alerts.n, firing = 0;
    struct seen *seen = group_list(g, now_ms);
    size_t left = group_filter(r, g, seen, all, now_ms);
    for (size_t i = 0; i < left; i++)
        firing += !seen[i].is_resolved;
    router_dirty(r, 'g', g->id);
    if (firing) {
        const struct receiver *receiver = g->route->steps[g->steps++].receiver;
        r->counts[ROUTER_ESCALATED]++;
        group_tell(r, g, receiver, g->steps, seen, left, now_ms);
    } else {
        g->step_late_ms = now_ms + g->route->group_interval_ms;
    }
    free(seen);
}
