/* SPDX-License-Identifier: Apache-2.0
 * Reading routes and receivers, and finding the routes of an alert. Thread: one.
 */
#include "conf.h"

enum { ROUTE_DEPTH_MAX = 20 };

const char *const kind_names[KINDS + 1] = { "slack",   "pagerDuty", "email", "sms",
                                            "webhook", "other",     NULL };

/* --- receivers -------------------------------------------------------------------------------- */

static const struct {
    const char *field;
    enum kind kind;
    int send_resolved; /* Alertmanager's defaults */
} conf_kinds[] = {
    { "slack_configs", KIND_SLACK, 0 },     { "pagerduty_configs", KIND_PAGERDUTY, 1 },
    { "email_configs", KIND_EMAIL, 0 },     { "sms_configs", KIND_SMS, 0 },
    { "webhook_configs", KIND_WEBHOOK, 1 }, { "other_configs", KIND_OTHER, 1 },
};

static int conf_flag(const json_t *object, const char *name, int otherwise, int *to,
                     struct why *why)
{
    const json_t *value = json_object_get(object, name);
    *to = value ? json_is_true(value) : otherwise;
    return !value || json_is_boolean(value) ? 0 : why_set(why, "%s: true or false", name);
}

/* An alert about SMS must not go by SMS, or each failure makes the next one. */
static int conf_loop_guard(struct integration *to, const json_t *json, struct why *why)
{
    const json_t *guard = json_object_get(json, "loop_guard_matchers");
    to->has_loop_guard =
        guard ? json_array_size(guard) > 0 || json_is_string(guard) : to->kind == KIND_SMS;
    if (!guard)
        return to->has_loop_guard
                   ? matchers_add(&to->loop_guard, MATCHER_EQUAL, "channel", "sms", why)
                   : 0;
    return matchers_of_json(&to->loop_guard, guard, why) == 0 ? 0
                                                              : why_at(why, "loop_guard_matchers");
}

static int conf_integration(struct conf *c, struct integration *to, const json_t *json,
                            int send_resolved, struct why *why)
{
    const char *oncall = json_string_value(json_object_get(json, "oncall"));
    if (!json_is_object(json))
        return why_set(why, "an object is expected");
    to->storm = c->storm;
    if (conf_flag(json, "send_resolved", send_resolved, &to->send_resolved, why) != 0 ||
        conf_flag(json, "critical_only", to->kind == KIND_SMS, &to->critical_only, why) != 0 ||
        conf_storm(json_object_get(json, "storm"), &to->storm, why) != 0 ||
        conf_loop_guard(to, json, why) != 0)
        return -1;
    if (oncall && !conf_schedule(c, oncall))
        return why_set(why, "oncall: there is no schedule '%.60s'", oncall);
    to->oncall = oncall ? memory_text(oncall) : NULL;
    to->config = json_deep_copy(json);
    return 0;
}

static int conf_receiver_read(struct conf *c, struct receiver *r, const json_t *json,
                              struct why *why)
{
    const char *key, *name = json_string_value(json_object_get(json, "name"));
    json_t *list;
    if (!name || !*name)
        return why_set(why, "name is missing");
    r->name = memory_text(name);
    json_object_foreach((json_t *)json, key, list)
    {
        size_t k = 0, n = sizeof conf_kinds / sizeof *conf_kinds;
        if (!strcmp(key, "name"))
            continue;
        while (k < n && strcmp(key, conf_kinds[k].field) != 0)
            k++;
        if (k == n)
            return why_set(why, "unknown field '%.60s'", key);
        if (!json_is_array(list))
            return why_set(why, "%s: a list is expected", key);
        for (size_t i = 0; i < json_array_size(list); i++) {
            r->at = memory_grow(r->at, r->n, sizeof *r->at);
            struct integration *one = &r->at[r->n++];
            one->kind = conf_kinds[k].kind;
            one->key = memory_print("%s/%s[%zu]", name, kind_names[one->kind], i);
            if (conf_integration(c, one, json_array_get(list, i), conf_kinds[k].send_resolved,
                                 why) != 0)
                return why_at(why, "%s[%zu]", key, i);
        }
    }
    return 0;
}

int conf_receivers(struct conf *c, const json_t *list, struct why *why)
{
    if (!json_array_size(list))
        return why_set(why, "receivers: a list with at least one is expected");
    for (size_t i = 0; i < json_array_size(list); i++) {
        c->receivers = memory_grow(c->receivers, c->n_receivers, sizeof *c->receivers);
        struct receiver *r = &c->receivers[c->n_receivers++];
        if (conf_receiver_read(c, r, json_array_get(list, i), why) != 0)
            return why_at(why, "receivers[%zu]", i);
        if (conf_receiver(c, r->name) != r)
            return why_set(why, "receivers[%zu]: the name '%.60s' is given twice", i, r->name);
    }
    for (size_t i = 0; i < c->n_receivers; i++)
        for (size_t k = 0; k < c->receivers[i].n; k++)
            c->receivers[i].at[k].receiver = &c->receivers[i];
    return 0;
}

void conf_receivers_free(struct conf *c)
{
    for (size_t i = 0; i < c->n_receivers; i++) {
        struct receiver *r = &c->receivers[i];
        for (size_t k = 0; k < r->n; k++) {
            free(r->at[k].key);
            free(r->at[k].oncall);
            matchers_fini(&r->at[k].loop_guard);
            json_decref(r->at[k].config);
        }
        free(r->at);
        free(r->name);
    }
    free(c->receivers);
}

const struct receiver *conf_receiver(const struct conf *c, const char *name)
{
    for (size_t i = 0; name && i < c->n_receivers; i++)
        if (c->receivers[i].name && !strcmp(c->receivers[i].name, name))
            return &c->receivers[i];
    return NULL;
}

/* --- routes ----------------------------------------------------------------------------------- */

static int route_group_by(struct route *r, const json_t *list, struct why *why)
{
    if (!list || json_is_null(list)) {
        if (r->parent) {
            r->groups_by_all = r->parent->groups_by_all;
            for (size_t i = 0; i < r->parent->n_group_by; i++) {
                r->group_by = memory_grow(r->group_by, i, sizeof *r->group_by);
                r->group_by[r->n_group_by++] = memory_text(r->parent->group_by[i]);
            }
        }
        return 0;
    }
    if (conf_names(list, &r->group_by, &r->n_group_by, why) != 0)
        return why_at(why, "group_by");
    for (size_t i = 0; i < r->n_group_by; i++) {
        if (!strcmp(r->group_by[i], "..."))
            r->groups_by_all = 1;
        else if (!label_name_is_valid(r->group_by[i]))
            return why_set(why, "group_by[%zu]: '%.60s' is no name of a label", i, r->group_by[i]);
        for (size_t k = 0; k < i; k++)
            if (!strcmp(r->group_by[i], r->group_by[k]))
                return why_set(why, "group_by[%zu]: '%.60s' is given twice", i, r->group_by[i]);
    }
    if (r->groups_by_all && r->n_group_by > 1)
        return why_set(why, "group_by: '...' stands alone");
    return 0;
}

static int route_intervals(const struct conf *c, const json_t *json, const char *name,
                           const struct intervals ***to, size_t *n, struct why *why)
{
    const json_t *list = json_object_get(json, name);
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *wanted = json_string_value(json_array_get(list, i));
        size_t k = 0;
        while (wanted && k < c->n_intervals && strcmp(c->intervals[k].name, wanted) != 0)
            k++;
        if (!wanted || k == c->n_intervals)
            return why_set(why, "%s[%zu]: there is no time interval '%.60s'", name, i,
                           wanted ? wanted : "");
        *to = memory_grow(*to, *n, sizeof(void *));
        (*to)[(*n)++] = &c->intervals[k];
    }
    return 0;
}

static int route_steps(const struct conf *c, struct route *r, const json_t *list, struct why *why)
{
    static const char *const names[] = { "after", "receiver", NULL };
    int64_t before = 0;
    if (!list && r->parent)
        for (size_t i = 0; i < r->parent->n_steps; i++) {
            r->steps = memory_grow(r->steps, i, sizeof *r->steps);
            r->steps[r->n_steps++] = r->parent->steps[i];
        }
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *one = json_array_get(list, i);
        struct escalation step = { 0 };
        if (conf_only(one, names, why) != 0 || conf_ms(one, "after", &step.after_ms, why) != 0)
            return why_at(why, "escalation[%zu]", i);
        step.receiver = conf_receiver(c, json_string_value(json_object_get(one, "receiver")));
        if (!step.receiver)
            return why_set(why, "escalation[%zu].receiver: there is no such receiver", i);
        if (step.after_ms <= before)
            return why_set(why, "escalation[%zu].after: each step comes after the one before", i);
        before = step.after_ms;
        r->steps = memory_grow(r->steps, r->n_steps, sizeof *r->steps);
        r->steps[r->n_steps++] = step;
    }
    return 0;
}

static int route_times(struct route *r, const json_t *json, struct why *why)
{
    r->group_wait_ms = r->parent ? r->parent->group_wait_ms : 30000;
    r->group_interval_ms = r->parent ? r->parent->group_interval_ms : 300000;
    r->repeat_interval_ms = r->parent ? r->parent->repeat_interval_ms : 14400000;
    if (conf_ms(json, "group_wait", &r->group_wait_ms, why) != 0 ||
        conf_ms(json, "group_interval", &r->group_interval_ms, why) != 0 ||
        conf_ms(json, "repeat_interval", &r->repeat_interval_ms, why) != 0)
        return -1;
    if (!r->group_interval_ms || !r->repeat_interval_ms)
        return why_set(why, "group_interval and repeat_interval cannot be 0");
    return 0;
}

static int route_receiver(const struct conf *c, struct route *r, const json_t *json,
                          struct why *why)
{
    const json_t *name = json_object_get(json, "receiver");
    r->receiver = r->parent ? r->parent->receiver : NULL;
    if (name && !(r->receiver = conf_receiver(c, json_string_value(name))))
        return why_set(why, "receiver: there is no receiver '%.60s'",
                       json_is_string(name) ? json_string_value(name) : "");
    return r->receiver ? 0 : why_set(why, "receiver is missing");
}

static int route_matchers(struct route *r, const json_t *json, struct why *why)
{
    if (matchers_of_json(&r->matchers, json_object_get(json, "matchers"), why) != 0)
        return why_at(why, "matchers");
    if (conf_old_matchers(&r->matchers, json, "match", MATCHER_EQUAL, why) != 0 ||
        conf_old_matchers(&r->matchers, json, "match_re", MATCHER_REGEX, why) != 0)
        return -1;
    char *text = matchers_text(&r->matchers);
    r->key = memory_print("%s%s%s", r->parent ? r->parent->key : "", r->parent ? "/" : "", text);
    free(text);
    return 0;
}

static int route_read(struct conf *c, struct route *r, const json_t *json, unsigned depth,
                      struct why *why)
{
    static const char *const names[] = { "receiver",
                                         "group_by",
                                         "group_wait",
                                         "group_interval",
                                         "repeat_interval",
                                         "matchers",
                                         "match",
                                         "match_re",
                                         "continue",
                                         "routes",
                                         "mute_time_intervals",
                                         "active_time_intervals",
                                         "escalation",
                                         NULL };
    const json_t *routes = json_object_get(json, "routes");
    if (conf_only(json, names, why) != 0 || route_receiver(c, r, json, why) != 0 ||
        route_matchers(r, json, why) != 0 ||
        route_group_by(r, json_object_get(json, "group_by"), why) != 0 ||
        route_times(r, json, why) != 0 || conf_flag(json, "continue", 0, &r->goes_on, why) != 0 ||
        route_intervals(c, json, "mute_time_intervals", &r->mute, &r->n_mute, why) != 0 ||
        route_intervals(c, json, "active_time_intervals", &r->active, &r->n_active, why) != 0 ||
        route_steps(c, r, json_object_get(json, "escalation"), why) != 0)
        return -1;
    if (!r->parent && (r->matchers.n || r->n_mute || r->n_active || r->goes_on))
        return why_set(why, "the root takes all alerts at all times: it has no matchers, no time "
                            "intervals and no continue");
    for (size_t i = 0; i < json_array_size(routes); i++) {
        struct route *child = conf_route(c, json_array_get(routes, i), r, depth + 1, why);
        if (!child)
            return why_at(why, ".routes[%zu]", i);
        r->routes = memory_grow(r->routes, r->n_routes, sizeof(void *));
        r->routes[r->n_routes++] = child;
    }
    return 0;
}

struct route *conf_route(struct conf *c, const json_t *json, const struct route *parent,
                         unsigned depth, struct why *why)
{
    if (depth > ROUTE_DEPTH_MAX) {
        why_set(why, "routes lie more than %d deep", ROUTE_DEPTH_MAX);
        return NULL;
    }
    struct route *r = memory_get(sizeof *r);
    r->parent = parent;
    if (route_read(c, r, json, depth, why) == 0)
        return r;
    conf_route_free(r);
    return NULL;
}

void conf_route_free(struct route *r)
{
    if (!r)
        return;
    for (size_t i = 0; i < r->n_routes; i++)
        conf_route_free(r->routes[i]);
    for (size_t i = 0; i < r->n_group_by; i++)
        free(r->group_by[i]);
    free(r->group_by);
    free(r->routes);
    free(r->steps);
    free(r->mute);
    free(r->active);
    free(r->key);
    matchers_fini(&r->matchers);
    free(r);
}

static int route_visit(const struct route *r, const struct labels *labels,
                       void (*fn)(void *arg, const struct route *route), void *arg)
{
    int found = 0;
    if (!matchers_match(&r->matchers, labels))
        return 0;
    for (size_t i = 0; i < r->n_routes; i++) {
        int took = route_visit(r->routes[i], labels, fn, arg);
        found |= took;
        if (took && !r->routes[i]->goes_on)
            break;
    }
    if (!found)
        fn(arg, r);
    return 1;
}

void route_match(const struct route *r, const struct labels *labels,
                 void (*fn)(void *arg, const struct route *route), void *arg)
{
    route_visit(r, labels, fn, arg);
}
