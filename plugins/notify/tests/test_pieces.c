/* SPDX-License-Identifier: Apache-2.0
 * Pieces of the routing core: matchers, durations, time zones and intervals, on-call schedules, the
 * GSM text, fingerprints, and what a configuration is refused for.
 */
#include "core.h"
#include "../duration.h"

static int64_t utc(const char *text)
{
    int64_t ms;
    if (wf_date_parse(text, strlen(text), &ms) != 0)
        fail_msg("%s", text);
    return ms;
}

/* --- matchers --------------------------------------------------------------------------------- */

static const struct {
    const char *text, *labels;
    int matches; /* -1: refused */
} matched[] = {
    { "a=x", "{'a':'x'}", 1 },
    { "a = \"x\"", "{'a':'x'}", 1 },
    { "{a=\"x\", b!=\"y\"}", "{'a':'x'}", 1 },
    { "a=x,b=y", "{'a':'x'}", 0 },
    { "a=\"\"", "{'b':'x'}", 1 },
    { "a!=\"\"", "{'b':'x'}", 0 },
    { "a=~\"x|y\"", "{'a':'y'}", 1 },
    { "a=~\"x\"", "{'a':'xx'}", 0 },
    { "a=~\".*\"", "{}", 1 },
    { "a=~\".+\"", "{}", 0 },
    { "a!~\"x.*\"", "{'a':'xyz'}", 0 },
    { "a!~\"x.*\"", "{}", 1 },
    { "a=~\"(?i)ABC\"", "{'a':'abc'}", 1 },
    { "a=\"q\\\"\\\\\\n\"", "{'a':'q\\\"\\\\\\n'}", 1 },
    { "", "{}", 1 },
    { "a", "{}", -1 },
    { "a=\"x", "{}", -1 },
    { "{a=\"x\"", "{}", -1 },
    { "a=\"x\" b=\"y\"", "{}", -1 },
    { "1a=\"x\"", "{}", -1 },
    { "a-b=\"x\"", "{}", -1 },
    { "a=~\"(\"", "{}", -1 },
    { "a=~\"(?=x)\"", "{}", -1 },
};

static void test_matchers(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof matched / sizeof *matched; i++) {
        struct matchers m = { 0 };
        struct labels labels;
        struct why why = { "" };
        const char *reason;
        json_t *json = quoted(matched[i].labels);
        assert_int_equal(labels_of_json(&labels, json, &reason), 0);
        int result = matchers_parse(&m, matched[i].text, &why);
        if (result == 0)
            result = matchers_match(&m, &labels);
        if (result != matched[i].matches || (result < 0 && !why.text[0]))
            fail_msg("%s: %d %s", matched[i].text, result, why.text);
        matchers_fini(&m);
        labels_fini(&labels);
        json_decref(json);
    }
}

/* A pattern that is exponential for machines that try all ways. */
static void test_regex_is_safe(void **state)
{
    (void)state;
    struct matchers m = { 0 };
    struct why why;
    char text[4001];
    memset(text, 'a', 4000);
    text[4000] = 0;
    assert_int_equal(matchers_add(&m, MATCHER_REGEX, "a", "(a+)+b|(a|aa)*c", &why), 0);
    assert_int_equal(matcher_matches(m.at, text), 0);
    matchers_fini(&m);
}

static void test_matchers_are_written(void **state)
{
    (void)state;
    struct matchers m = { 0 };
    struct why why;
    assert_int_equal(matchers_parse(&m, "b!~z,a=\"x\\\"\",b=~\"y\"", &why), 0);
    char *text = matchers_text(&m);
    assert_string_equal(text, "{a=\"x\\\"\",b=~\"y\",b!~\"z\"}");
    json_t *json = matchers_json(&m);
    struct matchers back = { 0 };
    assert_int_equal(matchers_of_json(&back, json, &why), 0);
    char *again = matchers_text(&back);
    assert_string_equal(again, text);
    free(text);
    free(again);
    json_decref(json);
    matchers_fini(&m);
    matchers_fini(&back);
}

/* As Alertmanager shows them. */
static void test_fingerprints(void **state)
{
    (void)state;
    struct labels labels;
    const char *why;
    json_t *json = quoted("{'b':'y','a':'x','empty':''}");
    assert_int_equal(labels_of_json(&labels, json, &why), 0);
    assert_int_equal(labels.n, 2);
    char *text = labels_text(&labels);
    assert_string_equal(text, "{a=\"x\", b=\"y\"}");
    struct labels other = { 0 };
    labels_add(&other, "b", "y");
    labels_add(&other, "a", "x");
    assert_true(labels_hash(&labels) == labels_hash(&other));
    labels_add(&other, "a", "y");
    assert_false(labels_hash(&labels) == labels_hash(&other));
    free(text);
    labels_fini(&labels);
    labels_fini(&other);
    json_decref(json);
}

static void test_durations(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t ms; /* -1: none */
    } given[] = { { "30s", 30000 },   { "1h30m", 5400000 }, { "250ms", 250 },
                  { "1d", 86400000 }, { "0", 0 },           { "1w", 604800000 },
                  { "2m5s", 125000 }, { "", -1 },           { "5", -1 },
                  { "m", -1 },        { "1m1h", -1 },       { "-1s", -1 },
                  { "1x", -1 },       { "1s1s", -1 },       { "99999999999999y", -1 } };
    for (size_t i = 0; i < sizeof given / sizeof *given; i++) {
        int64_t ms = 0;
        int64_t got = duration_parse(given[i].text, &ms) == 0 ? ms : -1;
        if (got != given[i].ms)
            fail_msg("%s: %lld", given[i].text, (long long)got);
    }
}

/* --- time ------------------------------------------------------------------------------------- */

static void test_zones(void **state)
{
    (void)state;
    static const struct {
        const char *zone, *at;
        int64_t offset_s;
    } given[] = {
        { "Europe/Berlin", "2024-01-15T12:00:00Z", 3600 },
        { "Europe/Berlin", "2024-03-31T00:59:59Z", 3600 },
        { "Europe/Berlin", "2024-03-31T01:00:00Z", 7200 },
        { "Europe/Berlin", "2024-10-27T00:59:59Z", 7200 },
        { "Europe/Berlin", "2024-10-27T01:00:00Z", 3600 },
        { "Europe/Berlin", "2077-07-01T00:00:00Z", 7200 }, /* behind the table: the rule */
        { "Europe/Berlin", "2077-12-01T00:00:00Z", 3600 },
        { "Australia/Sydney", "2077-01-01T00:00:00Z", 39600 },
        { "Australia/Sydney", "2077-07-01T00:00:00Z", 36000 },
        { "America/New_York", "2024-07-01T00:00:00Z", -14400 },
        { "Asia/Kolkata", "2050-07-01T00:00:00Z", 19800 },
        { "UTC", "2024-07-01T00:00:00Z", 0 },
    };
    for (size_t i = 0; i < sizeof given / sizeof *given; i++) {
        struct tz *z = tz_open(given[i].zone);
        assert_non_null(z);
        int64_t offset = tz_offset(z, utc(given[i].at) / 1000);
        if (offset != given[i].offset_s)
            fail_msg("%s %s: %lld", given[i].zone, given[i].at, (long long)offset);
        tz_free(z);
    }
    assert_null(tz_open("Mars/Base"));
    assert_null(tz_open("../../etc/passwd"));
    assert_null(tz_open("/etc/passwd"));
    assert_null(tz_open(""));
}

static const struct {
    const char *interval, *at;
    int is_in; /* -1: refused */
} timed[] = {
    { "{}", "2024-01-01T00:00:00Z", 1 },
    { "{'times':[{'start_time':'09:00','end_time':'17:00'}]}", "2024-01-01T09:00:00Z", 1 },
    { "{'times':[{'start_time':'09:00','end_time':'17:00'}]}", "2024-01-01T17:00:00Z", 0 },
    { "{'times':[{'start_time':'23:00','end_time':'24:00'}]}", "2024-01-01T23:59:59Z", 1 },
    { "{'weekdays':['monday:friday']}", "2024-01-06T12:00:00Z", 0 },
    { "{'weekdays':['Saturday','sunday']}", "2024-01-06T12:00:00Z", 1 },
    { "{'days_of_month':['-1']}", "2024-02-29T12:00:00Z", 1 },
    { "{'days_of_month':['-3:-2']}", "2024-02-29T12:00:00Z", 0 },
    { "{'days_of_month':['31']}", "2024-02-29T12:00:00Z", 0 },
    { "{'days_of_month':['28:31']}", "2024-02-29T12:00:00Z", 1 },
    { "{'months':['january:march','12']}", "2024-02-29T12:00:00Z", 1 },
    { "{'months':['january:march','12']}", "2024-04-29T12:00:00Z", 0 },
    { "{'years':['2020:2023','2025']}", "2024-04-29T12:00:00Z", 0 },
    { "{'years':[2024]}", "2024-04-29T12:00:00Z", 1 },
    { "{'location':'Europe/Berlin','times':[{'start_time':'00:00','end_time':'01:00'}],"
      "'weekdays':['tuesday']}",
      "2024-01-01T23:30:00Z", 1 },
    { "{'times':[{'start_time':'22:00','end_time':'06:00'}]}", "", -1 },
    { "{'times':[{'start_time':'9:00','end_time':'10:00'}]}", "", -1 },
    { "{'times':[{'start_time':'09:60','end_time':'10:00'}]}", "", -1 },
    { "{'weekdays':['friday:monday']}", "", -1 },
    { "{'weekdays':['someday']}", "", -1 },
    { "{'days_of_month':['0']}", "", -1 },
    { "{'days_of_month':['-3:5']}", "", -1 },
    { "{'days_of_month':['32']}", "", -1 },
    { "{'months':['13']}", "", -1 },
    { "{'location':'Mars'}", "", -1 },
    { "{'hours':[]}", "", -1 },
};

static void test_intervals(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof timed / sizeof *timed; i++) {
        struct intervals intervals;
        struct why why = { "" };
        char text[400];
        snprintf(text, sizeof text, "{'name':'n','time_intervals':[%s]}", timed[i].interval);
        json_t *json = quoted(text);
        int result = intervals_of_json(&intervals, json, &why);
        if (result == 0)
            result = intervals_contain(&intervals, utc(timed[i].at));
        if (result != timed[i].is_in || (result < 0 && !strstr(why.text, "time_intervals[0]")))
            fail_msg("%s %s: %d %s", timed[i].interval, timed[i].at, result, why.text);
        intervals_fini(&intervals);
        json_decref(json);
    }
}

static void test_oncall(void **state)
{
    (void)state;
    struct oncall o;
    struct why why;
    json_t *json =
        quoted("{'name':'d','location':'Europe/Berlin','start':'2024-03-25T07:00:00Z','shift':'7d',"
               "'people':['ann','bob','cid'],'overrides':[{'start':'2024-04-02T00:00:00Z','end':"
               "'2024-04-03T00:00:00Z','person':'eve'}]}");
    assert_int_equal(oncall_of_json(&o, json, &why), 0);
    assert_null(oncall_person(&o, utc("2024-03-25T06:59:59Z")));
    assert_string_equal(oncall_person(&o, utc("2024-03-25T07:00:00Z")), "ann");
    /* 8:00 in Berlin is 6:00 UTC in summer */
    assert_string_equal(oncall_person(&o, utc("2024-04-01T05:59:59Z")), "ann");
    assert_string_equal(oncall_person(&o, utc("2024-04-01T06:00:00Z")), "bob");
    assert_string_equal(oncall_person(&o, utc("2024-04-02T12:00:00Z")), "eve");
    assert_string_equal(oncall_person(&o, utc("2024-04-03T00:00:00Z")), "bob");
    assert_string_equal(oncall_person(&o, utc("2024-04-15T06:00:00Z")), "ann");
    oncall_fini(&o);
    json_decref(json);
}

/* --- SMS -------------------------------------------------------------------------------------- */

static void test_gsm(void **state)
{
    (void)state;
    char to[GSM_SEGMENT_SIZE], text[400];
    assert_int_equal(gsm_segment("a\xc3\xa4[\xe2\x82\xac]", to), 1 + 1 + 2 + 2 + 2);
    gsm_segment("\xc3\xa1\xc3\x80 \xe2\x80\x9cx\xe2\x80\x9d \xe4\xb8\xad`\t", to);
    assert_string_equal(to, "aA \"x\" ?' ");
    memset(text, 'x', 160);
    text[160] = 0;
    assert_int_equal(gsm_segment(text, to), 160);
    assert_string_equal(to, text);
    text[160] = 'y';
    text[161] = 0;
    assert_int_equal(gsm_segment(text, to), 160);
    assert_string_equal(to + 157, "x..");
    memset(text, '[', 100);
    text[100] = 0;
    assert_int_equal(gsm_segment(text, to), 160);
    assert_int_equal(strlen(to), 79 + 2);
}

/* --- configurations --------------------------------------------------------------------------- */

#define R ",'receivers':[{'name':'r'}]}"
static const struct {
    const char *conf, *why;
} refused[] = {
    { "[]", "object" },
    { "{}", "receivers" },
    { "{'receivers':[{'name':'r'}]}", "route is missing" },
    { "{'route':{}" R, "route: receiver is missing" },
    { "{'route':{'receiver':'x'}" R, "route: receiver: there is no receiver 'x'" },
    { "{'route':{'receiver':'r','matchers':['a=b']}" R, "the root takes all" },
    { "{'route':{'receiver':'r','group_wat':'1s'}" R, "unknown field 'group_wat'" },
    { "{'route':{'receiver':'r','group_wait':'1'}" R, "group_wait: a duration" },
    { "{'route':{'receiver':'r','group_interval':'0'}" R, "cannot be 0" },
    { "{'route':{'receiver':'r','group_by':['...','a']}" R, "stands alone" },
    { "{'route':{'receiver':'r','group_by':['a','a']}" R, "given twice" },
    { "{'route':{'receiver':'r','routes':[{},{'matchers':['a=~\\'(\\'']}]}" R,
      "route.routes[1]: matchers[0]: the regex '('" },
    { "{'route':{'receiver':'r','routes':[{'mute_time_intervals':['n']}]}" R,
      "there is no time interval 'n'" },
    { "{'route':{'receiver':'r','escalation':[{'after':'1m','receiver':'r'},{'after':'1m',"
      "'receiver':'r'}]}" R,
      "escalation[1].after" },
    { "{'route':{'receiver':'r'},'receivers':[{'name':'r'},{'name':'r'}]}", "given twice" },
    { "{'route':{'receiver':'r'},'receivers':[{'name':'r','slak_configs':[]}]}",
      "receivers[0]: unknown field 'slak_configs'" },
    { "{'route':{'receiver':'r'},'receivers':[{'name':'r','sms_configs':[{'oncall':'x'}]}]}",
      "there is no schedule 'x'" },
    { "{'inhibit_rules':[{'source_matchers':['a=b']}],'route':{'receiver':'r'}" R,
      "inhibit_rules[0]: source_matchers and target_matchers" },
    { "{'global':{'storm':{'max':-1}},'route':{'receiver':'r'}" R, "global: storm: max" },
    { "{'global':{'flapping':{'changes':1}},'route':{'receiver':'r'}" R, "flapping: changes" },
    { "{'schedules':[{'name':'s','start':'x','people':['a']}],'route':{'receiver':'r'}" R,
      "schedules[0]: start: a time" },
};

static void test_configurations(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        struct why why = { "" };
        json_t *json = quoted(refused[i].conf);
        struct conf *c = conf_read(json, &why);
        if (c || !strstr(why.text, refused[i].why))
            fail_msg("%s: %s", refused[i].conf, c ? "taken" : why.text);
        json_decref(json);
    }
}

static void test_deep_routes_are_refused(void **state)
{
    (void)state;
    struct why why;
    json_t *route = json_object(), *conf = quoted("{'receivers':[{'name':'r'}]}");
    for (int i = 0; i < 200; i++)
        route = json_pack("{s:[o]}", "routes", route);
    json_object_set_new(route, "receiver", json_string("r"));
    json_object_set_new(conf, "route", route);
    assert_null(conf_read(conf, &why));
    assert_non_null(strstr(why.text, "deep"));
    json_decref(conf);
}

static void test_state_is_refused_when_wrong(void **state)
{
    (void)state;
    struct sim *s = sim_create(CONF("", ""));
    static const char *const keys[] = { "a:x", "s:x", "t:x", "z:x", "", "a" };
    json_t *body = json_object();
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        assert_int_equal(router_load(s->router, keys[i], body), -1);
    assert_int_equal(router_load(s->router, "g:x", body), 0);
    assert_int_equal(router_load(s->router, "n:x", body), 0);
    router_loaded(s->router, s->now_ms);
    json_decref(body);
    sim_end(s, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_matchers),
        cmocka_unit_test(test_regex_is_safe),
        cmocka_unit_test(test_matchers_are_written),
        cmocka_unit_test(test_fingerprints),
        cmocka_unit_test(test_durations),
        cmocka_unit_test(test_zones),
        cmocka_unit_test(test_intervals),
        cmocka_unit_test(test_oncall),
        cmocka_unit_test(test_gsm),
        cmocka_unit_test(test_configurations),
        cmocka_unit_test(test_deep_routes_are_refused),
        cmocka_unit_test(test_state_is_refused_when_wrong),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
