/* SPDX-License-Identifier: Apache-2.0
 * The configuration of the routing core: routes, receivers, inhibition, intervals, shifts. The
 * names are Alertmanager's where it has the thing. Immutable once read, so it may be asked all the
 * time.
 *
 *   {"global": {"resolve_timeout": "5m", "mute_exempt_matchers": ["severity=\"critical\""],
 *               "flapping": {"changes": 6, "window": "10m"}, "storm": {"max": 30, "per": "1m"}},
 *    "route": {"receiver": "team", "group_by": ["alertname"], "routes": [..]},
 *    "receivers": [{"name": "team", "slack_configs": [{"channel": "#ops"}]}],
 *    "inhibit_rules": [..], "time_intervals": [..], "schedules": [..], "people": {..}}
 *
 * Thread: one (regexes hold scratch memory). conf_read opens zone files, the rest is pure.
 */
#ifndef PLUGIN_NOTIFY_CONF_H
#define PLUGIN_NOTIFY_CONF_H
#include "interval.h"
#include "labels.h"
#include "matcher.h"
#include "oncall.h"
#include "why.h"

/* What a notification is sent by; the ports of the trigger stand in this order. */
enum kind { KIND_SLACK, KIND_PAGERDUTY, KIND_EMAIL, KIND_SMS, KIND_WEBHOOK, KIND_OTHER, KINDS };
extern const char *const kind_names[KINDS + 1];

/* N notifications per window; what is more goes into one summary. max 0: no cap. */
struct storm_cap {
    int64_t max, per_ms;
};

struct integration {
    char *key; /* "team/slack[0]" */
    enum kind kind;
    const struct receiver *receiver;
    int send_resolved, critical_only;
    struct matchers loop_guard; /* alerts that are never sent this way */
    int has_loop_guard;
    struct storm_cap storm;
    char *oncall;   /* name of the schedule whose person is on duty; or NULL */
    json_t *config; /* as it stands in the configuration */
};

struct receiver {
    char *name;
    struct integration *at;
    size_t n;
};

struct escalation {
    int64_t after_ms;
    const struct receiver *receiver;
};

struct route {
    const struct route *parent;
    char *key; /* {}/{severity="critical"} */
    struct matchers matchers;
    const struct receiver *receiver;
    char **group_by;
    size_t n_group_by;
    int groups_by_all, goes_on;
    int64_t group_wait_ms, group_interval_ms, repeat_interval_ms;
    const struct intervals **mute, **active;
    size_t n_mute, n_active;
    struct escalation *steps;
    size_t n_steps;
    struct route **routes;
    size_t n_routes;
};

struct inhibit_rule {
    struct matchers source, target;
    char **equal;
    size_t n_equal;
};

struct conf {
    int64_t resolve_timeout_ms;
    struct matchers mute_exempt;
    int64_t flap_changes, flap_window_ms; /* 0: flapping is not looked for */
    struct storm_cap storm;
    char *external_url;
    struct route *root;
    struct receiver *receivers;
    size_t n_receivers;
    struct inhibit_rule *rules;
    size_t n_rules;
    struct intervals *intervals;
    size_t n_intervals;
    struct oncall *schedules;
    size_t n_schedules;
    json_t *people; /* name -> object; or NULL */
};

/* NULL: why names the place and the reason. */
struct conf *conf_read(const json_t *json, struct why *why);
void conf_free(struct conf *c);
const struct oncall *conf_schedule(const struct conf *c, const char *name);

/* Calls fn for each route that takes an alert with these labels. */
void route_match(const struct route *r, const struct labels *labels,
                 void (*fn)(void *arg, const struct route *route), void *arg);

/* For conf.c and conf_route.c. */
int conf_ms(const json_t *object, const char *name, int64_t *ms, struct why *why);
int conf_only(const json_t *object, const char *const *names, struct why *why);
int conf_names(const json_t *list, char ***to, size_t *n, struct why *why);
struct route *conf_route(struct conf *c, const json_t *json, const struct route *parent,
                         unsigned depth, struct why *why);
void conf_route_free(struct route *r);
int conf_receivers(struct conf *c, const json_t *list, struct why *why);
void conf_receivers_free(struct conf *c);
const struct receiver *conf_receiver(const struct conf *c, const char *name);
int conf_old_matchers(struct matchers *to, const json_t *object, const char *name,
                      enum matcher_kind kind, struct why *why);
int conf_storm(const json_t *json, struct storm_cap *to, struct why *why);

#endif
