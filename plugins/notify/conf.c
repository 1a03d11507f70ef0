/* SPDX-License-Identifier: Apache-2.0
 * Reading a configuration: all but routes and receivers. Thread: one.
 */
#include "conf.h"
#include "duration.h"

/* --- small readers ---------------------------------------------------------------------------- */

/* Leaves *ms as it is when the field is absent. */
int conf_ms(const json_t *object, const char *name, int64_t *ms, struct why *why)
{
    const json_t *value = json_object_get(object, name);
    if (!value || json_is_null(value))
        return 0;
    if (!json_is_string(value) || duration_parse(json_string_value(value), ms) != 0)
        return why_set(why, "%s: a duration is expected, such as \"30s\" or \"1h30m\"", name);
    return 0;
}

/* Fields that nobody reads are mistakes that nobody sees. */
int conf_only(const json_t *object, const char *const *names, struct why *why)
{
    const char *key;
    json_t *value;
    if (!json_is_object(object))
        return why_set(why, "an object is expected");
    json_object_foreach((json_t *)object, key, value)
    {
        size_t i = 0;
        while (names[i] && strcmp(names[i], key) != 0)
            i++;
        if (!names[i])
            return why_set(why, "unknown field '%.60s'", key);
    }
    return 0;
}

int conf_names(const json_t *list, char ***to, size_t *n, struct why *why)
{
    if (list && !json_is_array(list))
        return why_set(why, "a list of names is expected");
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *name = json_string_value(json_array_get(list, i));
        if (!name || !*name)
            return why_set(why, "[%zu]: a name is expected", i);
        *to = memory_grow(*to, *n, sizeof **to);
        (*to)[(*n)++] = memory_text(name);
    }
    return 0;
}

/* {"max": 30, "per": "1m"} */
int conf_storm(const json_t *json, struct storm_cap *to, struct why *why)
{
    static const char *const names[] = { "max", "per", NULL };
    if (!json || json_is_null(json))
        return 0;
    *to = (struct storm_cap){ .per_ms = 60000 };
    if (conf_only(json, names, why) != 0 || conf_ms(json, "per", &to->per_ms, why) != 0)
        return why_at(why, "storm");
    to->max = json_integer_value(json_object_get(json, "max"));
    if (to->max < 0 || to->max > 10000 || to->per_ms < 1000)
        return why_set(why, "storm: max is 0 to 10000, per a second or more");
    return 0;
}

/* --- parts ------------------------------------------------------------------------------------ */

static int conf_flapping(struct conf *c, const json_t *json, struct why *why)
{
    static const char *const names[] = { "changes", "window", NULL };
    if (!json || json_is_null(json))
        return 0;
    c->flap_window_ms = 600000;
    if (conf_only(json, names, why) != 0 || conf_ms(json, "window", &c->flap_window_ms, why) != 0)
        return why_at(why, "flapping");
    c->flap_changes = json_integer_value(json_object_get(json, "changes"));
    if (c->flap_changes < 3 || c->flap_changes > 32 || c->flap_window_ms < 1000)
        return why_set(why, "flapping: changes is 3 to 32, window a second or more");
    return 0;
}

static int conf_global(struct conf *c, const json_t *json, struct why *why)
{
    static const char *const names[] = { "resolve_timeout", "mute_exempt_matchers", "flapping",
                                         "storm",           "external_url",         NULL };
    const json_t *exempt = json_object_get(json, "mute_exempt_matchers");
    const char *url = json_string_value(json_object_get(json, "external_url"));
    c->resolve_timeout_ms = 300000;
    c->external_url = memory_text(url);
    if (json && conf_only(json, names, why) != 0)
        return -1;
    if (conf_ms(json, "resolve_timeout", &c->resolve_timeout_ms, why) != 0 ||
        conf_flapping(c, json_object_get(json, "flapping"), why) != 0 ||
        conf_storm(json_object_get(json, "storm"), &c->storm, why) != 0)
        return -1;
    if (!exempt)
        return matchers_add(&c->mute_exempt, MATCHER_EQUAL, "severity", "critical", why);
    return matchers_of_json(&c->mute_exempt, exempt, why) == 0
               ? 0
               : why_at(why, "mute_exempt_matchers");
}

/* Alertmanager's older source_match and source_match_re too. */
int conf_old_matchers(struct matchers *to, const json_t *object, const char *name,
                      enum matcher_kind kind, struct why *why)
{
    const char *label;
    json_t *value;
    const json_t *map = json_object_get(object, name);
    if (map && !json_is_object(map))
        return why_set(why, "%s: an object is expected", name);
    json_object_foreach((json_t *)map, label, value)
    {
        if (!json_is_string(value))
            return why_set(why, "%s.%.60s: a text is expected", name, label);
        if (matchers_add(to, kind, label, json_string_value(value), why) != 0)
            return why_at(why, "%s", name);
    }
    return 0;
}

static int conf_rule(struct inhibit_rule *r, const json_t *json, struct why *why)
{
    static const char *const names[] = { "source_matchers", "target_matchers",
                                         "equal",           "source_match",
                                         "source_match_re", "target_match",
                                         "target_match_re", NULL };
    if (conf_only(json, names, why) != 0)
        return -1;
    if (matchers_of_json(&r->source, json_object_get(json, "source_matchers"), why) != 0)
        return why_at(why, "source_matchers");
    if (matchers_of_json(&r->target, json_object_get(json, "target_matchers"), why) != 0)
        return why_at(why, "target_matchers");
    if (conf_names(json_object_get(json, "equal"), &r->equal, &r->n_equal, why) != 0)
        return why_at(why, "equal");
    if (conf_old_matchers(&r->source, json, "source_match", MATCHER_EQUAL, why) != 0 ||
        conf_old_matchers(&r->source, json, "source_match_re", MATCHER_REGEX, why) != 0 ||
        conf_old_matchers(&r->target, json, "target_match", MATCHER_EQUAL, why) != 0 ||
        conf_old_matchers(&r->target, json, "target_match_re", MATCHER_REGEX, why) != 0)
        return -1;
    if (!r->source.n || !r->target.n)
        return why_set(why, "source_matchers and target_matchers are needed");
    return 0;
}

static int conf_rules(struct conf *c, const json_t *list, struct why *why)
{
    for (size_t i = 0; i < json_array_size(list); i++) {
        c->rules = memory_grow(c->rules, c->n_rules, sizeof *c->rules);
        if (conf_rule(&c->rules[c->n_rules++], json_array_get(list, i), why) != 0)
            return why_at(why, "inhibit_rules[%zu]", i);
    }
    return 0;
}

static int conf_intervals(struct conf *c, const json_t *json, const char *name, struct why *why)
{
    const json_t *list = json_object_get(json, name);
    for (size_t i = 0; i < json_array_size(list); i++) {
        c->intervals = memory_grow(c->intervals, c->n_intervals, sizeof *c->intervals);
        struct intervals *one = &c->intervals[c->n_intervals++];
        if (intervals_of_json(one, json_array_get(list, i), why) != 0)
            return why_at(why, "%s[%zu]", name, i);
        for (size_t k = 0; k + 1 < c->n_intervals; k++)
            if (!strcmp(c->intervals[k].name, one->name))
                return why_set(why, "%s[%zu]: the name '%.60s' is given twice", name, i, one->name);
    }
    return 0;
}

static int conf_schedules(struct conf *c, const json_t *list, struct why *why)
{
    for (size_t i = 0; i < json_array_size(list); i++) {
        c->schedules = memory_grow(c->schedules, c->n_schedules, sizeof *c->schedules);
        if (oncall_of_json(&c->schedules[c->n_schedules++], json_array_get(list, i), why) != 0)
            return why_at(why, "schedules[%zu]", i);
    }
    return 0;
}

const struct oncall *conf_schedule(const struct conf *c, const char *name)
{
    for (size_t i = 0; i < c->n_schedules; i++)
        if (!strcmp(c->schedules[i].name, name))
            return &c->schedules[i];
    return NULL;
}

/* --- the whole -------------------------------------------------------------------------------- */

static int conf_read_into(struct conf *c, const json_t *json, struct why *why)
{
    static const char *const names[] = { "global",         "route",
                                         "receivers",      "inhibit_rules",
                                         "time_intervals", "mute_time_intervals",
                                         "schedules",      "people",
                                         "templates",      NULL };
    const json_t *people = json_object_get(json, "people");
    if (conf_only(json, names, why) != 0)
        return -1;
    if (conf_global(c, json_object_get(json, "global"), why) != 0)
        return why_at(why, "global");
    if (people && !json_is_object(people))
        return why_set(why, "people: an object of names is expected");
    c->people = json_deep_copy(people);
    if (conf_intervals(c, json, "time_intervals", why) != 0 ||
        conf_intervals(c, json, "mute_time_intervals", why) != 0 ||
        conf_schedules(c, json_object_get(json, "schedules"), why) != 0 ||
        conf_receivers(c, json_object_get(json, "receivers"), why) != 0 ||
        conf_rules(c, json_object_get(json, "inhibit_rules"), why) != 0)
        return -1;
    if (!json_object_get(json, "route"))
        return why_set(why, "route is missing");
    c->root = conf_route(c, json_object_get(json, "route"), NULL, 0, why);
    return c->root ? 0 : why_at(why, "route");
}

struct conf *conf_read(const json_t *json, struct why *why)
{
    struct conf *c = memory_get(sizeof *c);
    if (conf_read_into(c, json, why) == 0)
        return c;
    conf_free(c);
    return NULL;
}

void conf_free(struct conf *c)
{
    if (!c)
        return;
    conf_route_free(c->root);
    conf_receivers_free(c);
    for (size_t i = 0; i < c->n_rules; i++) {
        matchers_fini(&c->rules[i].source);
        matchers_fini(&c->rules[i].target);
        for (size_t k = 0; k < c->rules[i].n_equal; k++)
            free(c->rules[i].equal[k]);
        free(c->rules[i].equal);
    }
    for (size_t i = 0; i < c->n_intervals; i++)
        intervals_fini(&c->intervals[i]);
    for (size_t i = 0; i < c->n_schedules; i++)
        oncall_fini(&c->schedules[i]);
    free(c->rules);
    free(c->intervals);
    free(c->schedules);
    matchers_fini(&c->mute_exempt);
    free(c->external_url);
    json_decref(c->people);
    free(c);
}
