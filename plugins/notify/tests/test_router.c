/* SPDX-License-Identifier: Apache-2.0
 * The routing core against sequences worked out from Alertmanager's rules: when groups are told,
 * again, resolved, inhibited, silenced, muted; escalation, storm cap, flapping, and restarts.
 */
#include "core.h"

#define A "'alertname':'a'"

static void test_group_times(void **state)
{
    (void)state;
    struct sim *s = sim_create(CONF("", ""));
    sim_alert(s, 0, A ",'i':'1'", 0);
    sim_alert(s, 10, A ",'i':'2'", 0);  /* waits for nothing: it joins */
    sim_alert(s, 100, A ",'i':'3'", 0); /* told with the next interval */
    sim_alert(s, 400, A ",'i':'1'", 1);
    sim_alert(s, 700, A ",'i':'2'", 1);
    sim_alert(s, 700, A ",'i':'3'", 1);
    sim_run(s, 40000);
    assert_int_equal(router_groups(s->router), 0);
    sim_end(s, "30s team/webhook[0] firing 2+0;330s team/webhook[0] firing 3+0;"
               "630s team/webhook[0] firing 2+1;930s team/webhook[0] resolved 0+2;");
}

static void test_repeat(void **state)
{
    (void)state;
    struct sim *s = sim_create(CONF("", ""));
    sim_alert(s, 0, A, 0);
    sim_run(s, 30000);
    /* repeat_interval must be over at a flush: 30 + n * 300 > 30 + 14400 */
    sim_end(s, "30s team/webhook[0] firing 1+0;14730s team/webhook[0] firing 1+0;"
               "29430s team/webhook[0] firing 1+0;");
}

static void test_old_alert_waits_not(void **state)
{
    (void)state;
    struct why why;
    struct sim *s = sim_create(CONF("", ""));
    json_t *json = quoted("{'labels':{'alertname':'a'},'startsAt':'2023-11-14T20:00:00Z'}");
    assert_int_equal(router_alert(s->router, json, s->now_ms, &why), 0);
    json_decref(json);
    sim_run(s, 1000);
    /* nobody sent it again: taken for resolved after 5 minutes */
    sim_end(s, "0s team/webhook[0] firing 1+0;300s team/webhook[0] resolved 0+1;");
}

/* Only the first flush comes early. */
static void test_old_alert_joins_a_group(void **state)
{
    (void)state;
    struct why why;
    struct sim *s = sim_create(CONF("", ""));
    sim_alert(s, 0, A, 0);
    sim_run(s, 100);
    json_t *json = quoted("{'labels':{'alertname':'a','i':'2'},'startsAt':'2023-11-14T20:00:00Z',"
                          "'endsAt':'2030-01-01T00:00:00Z'}");
    assert_int_equal(router_alert(s->router, json, s->now_ms, &why), 0);
    json_decref(json);
    sim_run(s, 400);
    sim_end(s, "30s team/webhook[0] firing 1+0;330s team/webhook[0] firing 2+0;");
}

static void test_short_alert_is_not_told(void **state)
{
    (void)state;
    struct sim *s = sim_create(CONF("", ""));
    sim_alert(s, 0, A, 0);
    sim_alert(s, 20, A, 1);
    sim_run(s, 1000);
    sim_end(s, "");
}

static void test_send_resolved(void **state)
{
    (void)state;
    struct sim *s = sim_create("{'route':{'receiver':'x','group_wait':'1s','group_interval':'10s'},"
                               "'receivers':[{'name':'x','slack_configs':[{}],'webhook_configs':"
                               "[{'send_resolved':false},{}]}]}");
    sim_alert(s, 0, A, 0);
    sim_alert(s, 2, "'alertname':'b'", 0);
    sim_alert(s, 15, "'alertname':'b'", 1);
    sim_alert(s, 25, A, 1);
    sim_alert(s, 45, A, 0); /* the log knows that it was over */
    sim_run(s, 100);
    sim_end(s,
            "1s x/slack[0] firing 1+0;1s x/webhook[0] firing 1+0;1s x/webhook[1] firing 1+0;"
            "11s x/slack[0] firing 2+0;11s x/webhook[0] firing 2+0;11s x/webhook[1] firing 2+0;"
            "21s x/webhook[1] firing 1+1;31s x/webhook[1] resolved 0+1;"
            "46s x/slack[0] firing 1+0;46s x/webhook[0] firing 1+0;46s x/webhook[1] firing 1+0;");
}

static void test_routes(void **state)
{
    (void)state;
    struct sim *s = sim_create(
        "{'route':{'receiver':'r','group_by':['...'],'group_wait':'1s','routes':["
        "{'receiver':'a','matchers':['team=\\'a\\''],'continue':true,'group_by':['zone']},"
        "{'matchers':['team=~\\'a|b\\''],'receiver':'b','routes':[{'receiver':'c',"
        "'matchers':['sev!~\\'low.*\\'','sev!=\\'\\'']}]}]},'receivers':["
        "{'name':'r','other_configs':[{}]},{'name':'a','other_configs':[{}]},"
        "{'name':'b','other_configs':[{}]},{'name':'c','other_configs':[{}]}]}");
    sim_alert(s, 0, "'team':'a','zone':'z'", 0);
    sim_alert(s, 10, "'team':'b','sev':'high'", 0);
    sim_alert(s, 20, "'team':'b','sev':'low1'", 0);
    sim_alert(s, 30, "'team':'x'", 0);
    sim_run(s, 40);
    assert_string_equal(json_string_value(json_object_get(s->last, "groupKey")), "{}:{team=\"x\"}");
    assert_non_null(map_get(&s->router->groups, "0.0|{zone=\"z\"}"));
    char *log = memory_text(s->log);
    assert_true(strstr(log, "1s a/other[0]") && strstr(log, "1s b/other[0]"));
    assert_non_null(strstr(log, "11s c/other[0] firing 1+0;21s b/other[0] firing 1+0;"
                                "31s r/other[0] firing 1+0;"));
    assert_int_equal(s->n, 5);
    sim_end(s, log);
    free(log);
}

#define INHIBIT                                                                                    \
    ",'inhibit_rules':[{'source_matchers':['sev=\\'critical\\''],'target_matchers':"               \
    "['sev=\\'warning\\''],'equal':['host']}]"

static void test_inhibition(void **state)
{
    (void)state;
    struct sim *s = sim_create(CONF("", INHIBIT));
    sim_alert(s, 0, "'alertname':'down','sev':'critical','host':'h'", 0);
    sim_alert(s, 0, "'alertname':'slow','sev':'warning','host':'h'", 0);
    sim_alert(s, 0, "'alertname':'lag','sev':'warning','host':'g'", 0);
    sim_alert(s, 100, "'alertname':'down','sev':'critical','host':'h'", 1);
    sim_run(s, 400);
    int64_t inhibited = router_counter(s->router, ROUTER_INHIBITED);
    assert_int_equal(inhibited, 1);
    /* what was inhibited is told once its source is over; `lag` was never concerned */
    assert_int_equal(s->n, 4);
    assert_non_null(strstr(s->log, "330s team/webhook[0] resolved 0+1;"));
    assert_non_null(strstr(s->log, "330s team/webhook[0] firing 1+0;"));
    char *log = memory_text(s->log);
    sim_end(s, log);
    free(log);
}

static void test_two_sided_inhibition(void **state)
{
    (void)state;
    struct sim *s = sim_create(CONF("", ",'inhibit_rules':[{'source_matchers':['x=\\'1\\''],"
                                        "'target_matchers':['y=\\'1\\'']}]"));
    sim_alert(s, 0, A ",'x':'1','y':'1'", 0); /* both at once: not by itself or its like */
    sim_alert(s, 0, A ",'x':'1','y':'1','n':'2'", 0);
    sim_run(s, 60);
    sim_end(s, "30s team/webhook[0] firing 2+0;");
}

static void test_silences(void **state)
{
    (void)state;
    struct sim *s = sim_create(CONF("", ""));
    sim_silence(s, "{'id':'s1','matchers':['i=\\'1\\''],'duration':'10m'}");
    sim_alert(s, 0, A ",'i':'1'", 0);
    sim_alert(s, 0, A ",'i':'2'", 0);
    sim_run(s, 400);
    assert_string_equal(s->log, "30s team/webhook[0] firing 1+0;");
    assert_int_equal(router_expire(s->router, "s1", s->now_ms), 0);
    assert_int_equal(router_expire(s->router, "s1", s->now_ms), -1);
    assert_int_equal(router_expire(s->router, "none", s->now_ms), -1);
    sim_run(s, 700);
    json_t *list = router_silences(s->router, s->now_ms);
    assert_string_equal(json_string_value(json_object_get(json_array_get(list, 0), "state")),
                        "expired");
    json_decref(list);
    sim_end(s, "30s team/webhook[0] firing 1+0;630s team/webhook[0] firing 2+0;");
}

/* 22:13 on a Tuesday: quiet from 22:00 to 24:00 */
static void test_quiet_hours(void **state)
{
    (void)state;
    struct sim *s = sim_create(
        CONF(",'routes':[{'mute_time_intervals':['night'],'matchers':['q=\\'1\\'']},"
             "{'active_time_intervals':['night'],'matchers':['q=\\'2\\'']}]",
             ",'time_intervals':[{'name':'night','time_intervals':[{'times':[{'start_time':'22:00',"
             "'end_time':'24:00'}],'weekdays':['monday:friday'],'location':'UTC'}]}]"));
    sim_alert(s, 0, A ",'q':'1'", 0);
    sim_alert(s, 0, A ",'q':'1','severity':'critical'", 0);
    sim_alert(s, 0, "'alertname':'b','q':'2'", 0);
    sim_run(s, 7200); /* midnight is at 6400 s */
    sim_end(s, "30s team/webhook[0] firing 1+0;30s team/webhook[0] firing 1+0;"
               "6630s team/webhook[0] firing 2+0;");
}

#define STEPS ",'escalation':[{'after':'10m','receiver':'lead'},{'after':'1h','receiver':'team'}]"

static void test_escalation(void **state)
{
    (void)state;
    struct sim *s = sim_create(CONF(STEPS, ""));
    sim_alert(s, 0, A, 0);
    sim_run(s, 700);
    assert_string_equal(s->log, "30s team/webhook[0] firing 1+0;630s lead/webhook[0]! firing 1+0;");
    assert_int_equal(router_ack(s->router, "unknown", "ann", s->now_ms), 0);
    sim_restart(s);
    assert_int_equal(router_ack(s->router, json_string_value(json_object_get(s->last, "incident")),
                                "ann", s->now_ms),
                     1);
    assert_int_equal(router_ack(s->router, "{}:{alertname=\"a\"}", "bob", s->now_ms), 0);
    sim_restart(s);
    sim_run(s, 20000); /* neither a second step nor a reminder */
    sim_alert(s, 20000, A, 1);
    sim_run(s, 21000);
    sim_alert(s, 30000, A, 0); /* it fires again: open again */
    sim_run(s, 30700);
    sim_end(s, "30s team/webhook[0] firing 1+0;630s lead/webhook[0]! firing 1+0;"
               "20130s team/webhook[0] resolved 0+1;20130s lead/webhook[0]! resolved 0+1;"
               "30030s team/webhook[0] firing 1+0;30630s lead/webhook[0]! firing 1+0;");
}

static void test_escalation_of_silenced(void **state)
{
    (void)state;
    struct sim *s = sim_create(CONF(STEPS, ""));
    sim_alert(s, 0, A, 0);
    sim_run(s, 60);
    sim_silence(s, "{'id':'s','matchers':'alertname=a','duration':'15m'}");
    sim_run(s, 2000);
    sim_end(s, "30s team/webhook[0] firing 1+0;1230s lead/webhook[0]! firing 1+0;");
}

static void test_storm(void **state)
{
    (void)state;
    struct sim *s = sim_create(CONF(",'routes':[]", ",'global':{'storm':{'max':3,'per':'1m'}}"));
    for (int i = 0; i < 50; i++) {
        char labels[60];
        snprintf(labels, sizeof labels, "'alertname':'a%02d'", i);
        sim_alert(s, 0, labels, 0);
    }
    sim_run(s, 60);
    assert_int_equal(s->n, 3);
    sim_restart(s); /* those held back are not lost */
    sim_run(s, 200);
    assert_int_equal(s->n, 4);
    assert_int_equal(json_integer_value(json_object_get(s->last, "held")), 47);
    sim_end(s, "30s team/webhook[0] firing 1+0;30s team/webhook[0] firing 1+0;"
               "30s team/webhook[0] firing 1+0;90s team/webhook[0] storm 47+0;");
}

static void test_flapping(void **state)
{
    (void)state;
    struct sim *s = sim_create(CONF("", ",'global':{'flapping':{'changes':4,'window':'10m'}}"));
    for (int i = 0; i < 20; i++)
        sim_alert(s, 60 * i, A, i % 2);
    assert_true(router_counter(s->router, ROUTER_FLAPPING) > 0);
    sim_run(s, 4000);
    /* without it each flush would tell another state; it is over when it was quiet for the window
     */
    sim_end(s, "30s team/webhook[0] firing 1+0;1830s team/webhook[0] resolved 0+1;");
}

static void test_sms(void **state)
{
    (void)state;
    struct sim *s = sim_create(
        "{'route':{'receiver':'x','group_wait':'1s'},'schedules':[{'name':'duty','start':"
        "'2023-11-13T08:00:00Z','people':['ann','bob']}],'people':{'ann':{'phone':'+4917'}},"
        "'receivers':[{'name':'x','sms_configs':[{'oncall':'duty'}]}]}");
    sim_alert(s, 0, A ",'severity':'warning'", 0);
    sim_alert(s, 0, A ",'severity':'critical','channel':'sms'", 0);
    sim_run(s, 10);
    assert_int_equal(s->n, 0); /* not critical; about SMS itself */
    assert_int_equal(router_counter(s->router, ROUTER_LOOPS), 1);
    sim_alert(s, 20, A ",'severity':'critical','channel':'mail'", 0);
    sim_run(s, 400);
    assert_string_equal(json_string_value(json_object_get(s->last, "sms")), "CRITICAL a: it is so");
    const json_t *duty = json_object_get(s->last, "oncall");
    assert_string_equal(json_string_value(json_object_get(duty, "phone")), "+4917");
    assert_string_equal(json_string_value(json_object_get(duty, "name")), "ann");
    sim_end(s, "301s x/sms[0] firing 1+0;");
}

/* A restart in the middle of group_wait, and at any other time, changes nothing. */
static void test_restarts(void **state)
{
    (void)state;
    char *golden = NULL;
    for (int every = 0; every < 40; every++) {
        struct sim *s = sim_create(CONF(STEPS, INHIBIT));
        for (int i = 0; i < 300; i++) {
            char labels[100];
            unsigned dice = (unsigned)i * 2654435761u >> 7;
            snprintf(labels, sizeof labels, "'alertname':'n%u','host':'h%u','sev':'%s'", dice % 3,
                     dice / 3 % 3, dice / 9 % 2 ? "critical" : "warning");
            sim_alert(s, i * 37, labels, dice / 18 % 3 == 0);
            if (every && i % (every + 1) == every)
                sim_restart(s);
        }
        sim_run(s, 300 * 37 + 20000);
        if (!golden)
            golden = memory_text(s->log);
        assert_true(s->n > 30);
        sim_end(s, golden);
    }
    free(golden);
}

static void test_months_in_milliseconds(void **state)
{
    (void)state;
    struct sim *s = sim_create(CONF("", ""));
    sim_alert(s, 0, A, 0);
    sim_run(s, 90 * 86400);
    assert_int_equal(s->n, 529); /* 90 days / 4 h 5 min */
    char *log = memory_text(s->log);
    sim_end(s, log);
    free(log);
}

static void test_bad_alerts(void **state)
{
    (void)state;
    static const char *const bad[][2] = {
        { "{}", "labels" },
        { "{'labels':{}}", "at least one label" },
        { "{'labels':{'a':''}}", "at least one label" },
        { "{'labels':{'a b':'x'}}", "name" },
        { "{'labels':{'a':{}}}", "no text" },
        { "{'labels':{'a':'x'},'annotations':[]}", "annotations" },
        { "{'labels':{'a':'x'},'startsAt':'soon'}", "startsAt" },
        { "{'labels':{'a':'x'},'startsAt':'2024-01-02T00:00:00Z','endsAt':'2024-01-01T00:00:00Z'}",
          "behind" },
    };
    struct sim *s = sim_create(CONF("", ""));
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct why why = { "" };
        json_t *json = quoted(bad[i][0]);
        assert_int_equal(router_alert(s->router, json, s->now_ms, &why), -1);
        if (!strstr(why.text, bad[i][1]))
            fail_msg("%s: %s", bad[i][0], why.text);
        json_decref(json);
    }
    sim_end(s, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_group_times),
        cmocka_unit_test(test_repeat),
        cmocka_unit_test(test_old_alert_waits_not),
        cmocka_unit_test(test_old_alert_joins_a_group),
        cmocka_unit_test(test_short_alert_is_not_told),
        cmocka_unit_test(test_send_resolved),
        cmocka_unit_test(test_routes),
        cmocka_unit_test(test_inhibition),
        cmocka_unit_test(test_two_sided_inhibition),
        cmocka_unit_test(test_silences),
        cmocka_unit_test(test_quiet_hours),
        cmocka_unit_test(test_escalation),
        cmocka_unit_test(test_escalation_of_silenced),
        cmocka_unit_test(test_storm),
        cmocka_unit_test(test_flapping),
        cmocka_unit_test(test_sms),
        cmocka_unit_test(test_restarts),
        cmocka_unit_test(test_months_in_milliseconds),
        cmocka_unit_test(test_bad_alerts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
