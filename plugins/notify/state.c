/* SPDX-License-Identifier: Apache-2.0
 * What the routing core knows as JSON under keys, for a store: "a:" alerts, "g:" groups, "n:" the
 * notification log, "s:" silences, "t:" storm windows. Thread: one.
 */
#include "router_int.h"

static json_t *state_list(char *const *list, size_t n)
{
    json_t *to = json_array();
    for (size_t i = 0; i < n; i++)
        json_array_append_new(to, json_string(list[i]));
    return to;
}

static json_t *state_group(const struct group *g)
{
    json_t *fps = json_array();
    MAP_EACH(&g->alerts, e)
    json_array_append_new(fps, json_string(e->key));
    json_t *body = json_pack("{s:s,s:o,s:I,s:b,s:I,s:I,s:I}", "key", g->key, "alerts", fps,
                             "next_ms", (json_int_t)g->next_ms, "flushed", g->has_flushed,
                             "opened_ms", (json_int_t)g->opened_ms, "steps", (json_int_t)g->steps,
                             "acked_ms", (json_int_t)g->acked_ms);
    if (g->acked_by)
        json_object_set_new(body, "acked_by", json_string(g->acked_by));
    return body;
}

static json_t *state_said(const struct said *s)
{
    return json_pack("{s:o,s:o,s:I,s:I}", "firing", state_list(s->firing, s->n_firing), "resolved",
                     state_list(s->resolved, s->n_resolved), "at_ms", (json_int_t)s->at_ms,
                     "expires_ms", (json_int_t)s->expires_ms);
}

/* NULL: it is gone. */
json_t *state_save(const struct router *r, const char *key)
{
    const struct map *maps[] = { &r->alerts, &r->groups, &r->said, &r->silences, &r->storms };
    static const char kinds[] = "agnst";
    const char *kind = strchr(kinds, *key);
    const void *value = *key && kind ? map_get(maps[kind - kinds], key + 2) : NULL;
    if (!value)
        return NULL;
    switch (*key) {
    case 'a':
        return alert_save(value);
    case 'g':
        return state_group(value);
    case 'n':
        return state_said(value);
    case 's':
        return silence_save(value);
    }
    const struct storm *s = value;
    return json_pack("{s:I,s:I,s:O}", "since_ms", (json_int_t)s->since_ms, "sent",
                     (json_int_t)s->sent, "held", s->held);
}

static size_t state_names(const json_t *list, char ***to)
{
    size_t n = json_array_size(list);
    *to = memory_get(n * sizeof **to);
    for (size_t i = 0; i < n; i++)
        (*to)[i] = memory_text(json_string_value(json_array_get(list, i)));
    return n;
}

static struct said *state_load_said(const json_t *body)
{
    struct said *s = memory_get(sizeof *s);
    s->n_firing = state_names(json_object_get(body, "firing"), &s->firing);
    s->n_resolved = state_names(json_object_get(body, "resolved"), &s->resolved);
    s->at_ms = json_integer_value(json_object_get(body, "at_ms"));
    s->expires_ms = json_integer_value(json_object_get(body, "expires_ms"));
    return s;
}

static int state_load_storm(struct router *r, const char *key, const json_t *body)
{
    for (size_t i = 0; i < r->conf->n_receivers; i++)
        for (size_t k = 0; k < r->conf->receivers[i].n; k++) {
            const struct integration *to = &r->conf->receivers[i].at[k];
            if (strcmp(to->key, key) != 0)
                continue;
            struct storm *s = memory_get(sizeof *s);
            s->to = to;
            s->since_ms = json_integer_value(json_object_get(body, "since_ms"));
            s->sent = json_integer_value(json_object_get(body, "sent"));
            s->held = json_deep_copy(json_object_get(body, "held"));
            if (!s->held)
                s->held = json_array();
            s = map_set(&r->storms, key, s);
            if (s)
                storm_free(s);
            return 0;
        }
    return -1; /* that integration is no more */
}

int router_load(struct router *r, const char *key, const json_t *body)
{
    struct why why;
    if (!key[0] || key[1] != ':' || !json_is_object(body))
        return -1;
    switch (*key) {
    case 'a': {
        struct alert *a = alert_load(body);
        if (!a)
            return -1;
        a->serial = ++r->serial;
        alert_unref(map_set(&r->alerts, a->fp, a));
        for (size_t i = 0; i < r->conf->n_rules; i++)
            if (matchers_match(&r->conf->rules[i].source, &a->labels))
                map_set(&r->sources[i], a->fp, a);
        return 0;
    }
    case 'g':
        json_decref(map_set(&r->members, key + 2, json_incref((json_t *)body)));
        return 0;
    case 'n':
        said_free(map_set(&r->said, key + 2, state_load_said(body)));
        return 0;
    case 's': {
        struct silence *s = silence_of_json(body, 1, &why);
        if (s)
            silence_free(map_set(&r->silences, s->id, s));
        return s ? 0 : -1;
    }
    case 't':
        return state_load_storm(r, key + 2, body);
    }
    return -1;
}
