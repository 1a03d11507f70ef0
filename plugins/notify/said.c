/* SPDX-License-Identifier: Apache-2.0
 * The notification log: what was said to an integration about a group, so that nothing is said
 * twice but when it changed or the repeat interval is over. As Alertmanager decides it.
 * Thread: one.
 */
#include "router_int.h"

static void said_list_free(char **list, size_t n)
{
    for (size_t i = 0; i < n; i++)
        free(list[i]);
    free(list);
}

void said_free(struct said *s)
{
    if (!s)
        return;
    said_list_free(s->firing, s->n_firing);
    said_list_free(s->resolved, s->n_resolved);
    free(s);
}

static int said_has(char *const *list, size_t n, const char *fp)
{
    for (size_t low = 0, high = n; low < high;) {
        size_t mid = (low + high) / 2;
        int order = strcmp(list[mid], fp);
        if (order == 0)
            return 1;
        if (order < 0)
            low = mid + 1;
        else
            high = mid;
    }
    return 0;
}

static int said_order(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static struct said *said_of(const struct due *due, int64_t keep_ms)
{
    struct said *s = memory_get(sizeof *s);
    s->firing = memory_get(due->n * sizeof *s->firing);
    s->resolved = memory_get(due->n * sizeof *s->resolved);
    for (size_t i = 0; i < due->n; i++) {
        char *fp = memory_text(due->seen[i].alert->fp);
        if (due->seen[i].is_resolved)
            s->resolved[s->n_resolved++] = fp;
        else
            s->firing[s->n_firing++] = fp;
    }
    qsort(s->firing, s->n_firing, sizeof *s->firing, said_order);
    qsort(s->resolved, s->n_resolved, sizeof *s->resolved, said_order);
    s->at_ms = due->now_ms;
    s->expires_ms = due->now_ms + keep_ms;
    return s;
}

static int said_is_news(const struct said *before, const struct said *now, const struct due *due)
{
    if (!before)
        return now->n_firing > 0;
    for (size_t i = 0; i < now->n_firing; i++)
        if (!said_has(before->firing, before->n_firing, now->firing[i]))
            return 1;
    if (!now->n_firing)
        return before->n_firing > 0; /* also without send_resolved: the log must know */
    for (size_t i = 0; due->to->send_resolved && i < now->n_resolved; i++)
        if (!said_has(before->resolved, before->n_resolved, now->resolved[i]))
            return 1;
    if (due->group->acked_ms)
        return 0; /* somebody works on it: no reminders */
    return before->at_ms < due->now_ms - due->group->route->repeat_interval_ms;
}

static void said_emit(struct router *r, struct due *due)
{
    json_t *notice = render_notice(r, due);
    if (!storm_holds(r, due, notice)) {
        r->counts[ROUTER_NOTICES]++;
        r->emit(r->arg, due->to->kind, json_string_value(json_object_get(notice, "id")), notice);
    }
    json_decref(notice);
}

/* Those alerts that may go over this channel. */
static size_t said_allowed(struct router *r, const struct due *due, struct seen *to)
{
    size_t n = 0;
    for (size_t i = 0; i < due->n; i++) {
        const struct labels *labels = &due->seen[i].alert->labels;
        if (due->to->has_loop_guard && matchers_match(&due->to->loop_guard, labels))
            r->counts[ROUTER_LOOPS]++;
        else if (!due->to->critical_only || !strcmp(labels_get(labels, "severity"), "critical"))
            to[n++] = due->seen[i];
    }
    return n;
}

static void said_send(struct router *r, struct due *due, struct seen *seen)
{
    size_t n = 0;
    due->n_firing = 0;
    for (size_t i = 0; i < due->n; i++) {
        due->n_firing += !seen[i].is_resolved;
        if (!seen[i].is_resolved || due->to->send_resolved)
            seen[n++] = seen[i];
    }
    if (!due->n_firing && !due->to->send_resolved)
        return; /* only the log learns it */
    due->n = n;
    said_emit(r, due);
}

void said_notify(struct router *r, struct due *due)
{
    struct seen *seen = memory_get(due->n * sizeof *seen);
    char *key = memory_print("%s %s", due->group->key, due->to->key);
    int64_t keep = 2 * due->group->route->repeat_interval_ms;
    struct due mine = *due;
    mine.n = said_allowed(r, due, seen);
    mine.seen = seen;
    if (mine.n) {
        struct said *now = said_of(&mine, keep < ROUTER_KEEP_MS ? keep : ROUTER_KEEP_MS);
        if (said_is_news(map_get(&r->said, key), now, &mine)) {
            said_free(map_set(&r->said, key, now));
            router_dirty(r, 'n', key);
            said_send(r, &mine, seen);
        } else {
            said_free(now);
        }
    }
    free(key);
    free(seen);
}
