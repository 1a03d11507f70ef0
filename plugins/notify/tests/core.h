/* SPDX-License-Identifier: Apache-2.0
 * For tests of the routing core: its sources, JSON with single quotes, and a simulated clock that
 * jumps from one due time to the next and writes down what is emitted.
 */
#ifndef PLUGIN_NOTIFY_TESTS_CORE_H
#define PLUGIN_NOTIFY_TESTS_CORE_H
#include "../alert.c"
#include "../conf.c"
#include "../conf_route.c"
#include "../flap.c"
#include "../group.c"
#include "../gsm.c"
#include "../interval.c"
#include "../labels.c"
#include "../matcher.c"
#include "../oncall.c"
#include "../render.c"
#include "../router.c"
#include "../said.c"
#include "../silence.c"
#include "../state.c"
#include "../storm.c"
#include "../tz.c"
/* cmocka wants these first */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

static inline json_t *quoted(const char *text)
{
    char *copy = memory_text(text);
    json_error_t error;
    for (char *p = copy; *p; p++)
        if (*p == '\'')
            *p = '"';
    json_t *json = json_loads(copy, 0, &error);
    if (!json)
        fail_msg("the test's JSON: %s: %s", error.text, copy);
    free(copy);
    return json;
}

static const int64_t sim_begin_ms = 1700000000000; /* 2023-11-14T22:13:20Z, a Tuesday */

struct sim {
    struct conf *conf;
    struct router *router;
    int64_t now_ms;
    char log[20000];     /* "30s team/webhook[0] firing 1+0 [FIRING:1] a;" */
    json_t *last, *kept; /* the last notice; key -> body */
    unsigned n;
};

static inline void sim_emit(void *arg, enum kind kind, const char *id, const json_t *notice)
{
    struct sim *s = arg;
    size_t len = strlen(s->log);
    assert_true(kind < KINDS && *id);
    const char *step = json_integer_value(json_object_get(notice, "step")) ? "!" : "";
    snprintf(s->log + len, sizeof s->log - len, "%llds %s%s %s %lld+%lld;",
             (long long)(s->now_ms - sim_begin_ms) / 1000,
             json_string_value(json_object_get(notice, "integration")), step,
             json_is_true(json_object_get(notice, "storm"))
                 ? "storm"
                 : json_string_value(json_object_get(notice, "status")),
             json_integer_value(json_object_get(notice, "firing")),
             json_integer_value(json_object_get(notice, "resolved")));
    json_decref(s->last);
    s->last = json_deep_copy(notice);
    s->n++;
}

static inline struct sim *sim_create(const char *conf)
{
    struct why why;
    struct sim *s = memory_get(sizeof *s);
    json_t *json = quoted(conf);
    s->conf = conf_read(json, &why);
    if (!s->conf)
        fail_msg("%s: %s", why.text, conf);
    json_decref(json);
    s->now_ms = sim_begin_ms;
    s->kept = json_object();
    s->router = router_create(s->conf, sim_emit, s);
    router_tick(s->router, s->now_ms);
    return s;
}

static inline void sim_keep(void *arg, const char *key, const json_t *body)
{
    struct sim *s = arg;
    if (body)
        json_object_set(s->kept, key, (json_t *)body);
    else
        json_object_del(s->kept, key);
}

/* Works until `second`, as a clock that never sleeps too long. */
static inline void sim_run(struct sim *s, int64_t second)
{
    int64_t until = sim_begin_ms + second * 1000, next;
    while ((next = router_next_ms(s->router)) <= until) {
        s->now_ms = next > s->now_ms ? next : s->now_ms;
        router_tick(s->router, s->now_ms);
        router_changes(s->router, sim_keep, s);
        assert_true(router_next_ms(s->router) > s->now_ms);
    }
    s->now_ms = until;
}

/* Another process begins with what was kept. */
static inline void sim_restart(struct sim *s)
{
    const char *key;
    json_t *body;
    router_changes(s->router, sim_keep, s);
    router_free(s->router);
    s->router = router_create(s->conf, sim_emit, s);
    json_object_foreach(s->kept, key, body) assert_int_equal(router_load(s->router, key, body), 0);
    router_loaded(s->router, s->now_ms);
}

/* At that second: `labels` such as "alertname='a'"; ends 1: resolved. */
static inline void sim_alert(struct sim *s, int64_t second, const char *labels, int is_over)
{
    struct why why;
    char text[1000];
    sim_run(s, second);
    snprintf(text, sizeof text, "{'labels':{%s},'annotations':{'summary':'it is so'}%s}", labels,
             is_over ? ",'status':'resolved'" : ",'endsAt':'2030-01-01T00:00:00Z'");
    json_t *json = quoted(text);
    if (router_alert(s->router, json, s->now_ms, &why) != 0)
        fail_msg("%s: %s", why.text, text);
    json_decref(json);
}

static inline void sim_silence(struct sim *s, const char *text)
{
    struct why why;
    json_t *json = quoted(text);
    if (router_silence(s->router, json, s->now_ms, &why) != 0)
        fail_msg("%s: %s", why.text, text);
    json_decref(json);
}

static inline void sim_end(struct sim *s, const char *log)
{
    if (strcmp(s->log, log) != 0)
        fail_msg("\nwanted %s\n   got %s", log, s->log);
    router_free(s->router);
    conf_free(s->conf);
    json_decref(s->last);
    json_decref(s->kept);
    free(s);
}

#define TEAM                                                                                       \
    "'receivers':[{'name':'team','webhook_configs':[{}]},{'name':'lead','webhook_configs':[{}]}]"
#define CONF(route, more)                                                                          \
    "{'route':{'receiver':'team','group_by':['alertname'],'group_wait':'30s','group_interval':'"   \
    "5m',"                                                                                         \
    "'repeat_interval':'4h'" route "}," TEAM more "}"

#endif
