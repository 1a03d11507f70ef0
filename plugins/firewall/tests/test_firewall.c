/* SPDX-License-Identifier: Apache-2.0
 * The node stage by stage: rules as a file, messages in, ports and members out. The content engine
 * is the tests' own.
 */
#include "fake_content.h"
#include "fake_host.h"
#include <setjmp.h>
#include <stdarg.h>
#include <unistd.h>
#include <cmocka.h>

static char folder[] = "/tmp/firewall-test-XXXXXX";

static const char *path_of(const char *name)
{
    static char path[4][200];
    static int turn;
    turn = (turn + 1) % 4;
    snprintf(path[turn], sizeof path[turn], "%s/%s", folder, name);
    return path[turn];
}

static void write_file(const char *name, const char *text)
{
    char beside[300];
    snprintf(beside, sizeof beside, "%s.new", path_of(name));
    FILE *f = fopen(beside, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
    assert_int_equal(rename(beside, path_of(name)), 0);
}

/* A node with these rules, ready. */
static struct fake *begin(const char *rules, const char *more)
{
    char given[2000];
    struct fake *f = fake_create(&wf_plugin_entry, "catalyst.firewall");
    write_file("rules.json", rules);
    snprintf(given, sizeof given,
             "{\"rules\": \"%s\", \"options\": {\"poll\": 50, \"keys\": 65536}%s%s}",
             path_of("rules.json"), *more ? ", " : "", more);
    if (fake_start(f, given) != 0)
        fail_msg("%s", fake_error(f));
    struct node *d = f->state;
    assert_int_equal(keeper_wait(d->keeper, 0, 10000), 0);
    return f;
}

static void end(struct fake *f)
{
    fake_destroy(f);
    for (int i = 0; i < 1000 && keeper_threads(); i++)
        usleep(10000);
    assert_int_equal(keeper_threads(), 0);
    unlink(path_of("rules.json"));
}

/* A message: tenant t, class otp; the rest as given. */
static wf_item *message(struct fake *f, const char *from, const char *to, const char *text)
{
    char json[1000];
    snprintf(
        json, sizeof json,
        "{\"id\":\"m\",\"tenant_id\":\"t\",\"from\":\"%s\",\"to\":\"%s\",\"text\":\"%s\",\"class\":"
        "\"otp\",\"route_hint\":\"r1\"}",
        from, to, text);
    return fake_item(f, json);
}

/* What the last item left with: "port verdict rule reason stage". */
static const char *left_with(struct fake *f, wf_item *it)
{
    static char text[300];
    static const char *const names[] = { "passed", "quarantined", "blocked", "rerouted" };
    snprintf(text, sizeof text, "%s", fake_ended(it) == FAKE_FAILED ? fake_why(it) : "nothing");
    for (size_t i = 0; i < f->outputs.n; i++) {
        const struct fake_output *o = f->outputs.at[i];
        if (o->item != it)
            continue;
        const wf_value *m = fake_get(o->value, "firewall", 8);
#define TEXT(key) fake_v_text(it, fake_get(m, key, sizeof key - 1)).ptr
        snprintf(text, sizeof text, "%s %s %s %s %s", names[o->port], TEXT("verdict"), TEXT("rule"),
                 TEXT("reason"), TEXT("stage"));
#undef TEXT
    }
    return text;
}

static void expect(struct fake *f, const char *from, const char *to, const char *text,
                   const char *wanted)
{
    wf_item *it = message(f, from, to, text);
    fake_run(f);
    const char *got = left_with(f, it);
    if (strcmp(got, wanted) != 0)
        fail_msg("%s -> %s '%s'\n  wanted %s\n  got    %s", from, to, text, wanted, got);
}

static void members_are_checked(void **state)
{
    static const struct {
        const char *json, *wanted;
    } cases[] = {
        { "{}", "blocked reject  malformed 0" },
        { "{\"tenant_id\":\"t\",\"from\":\"a\",\"to\":\"491511234567\"}",
          "blocked reject  malformed 0" },
        { "{\"tenant_id\":\"t\",\"from\":\"a\",\"to\":491511234567,\"text\":\"x\"}",
          "blocked reject  malformed 0" },
        { "{\"tenant_id\":\"\",\"from\":\"a\",\"to\":\"491511234567\",\"text\":\"x\"}",
          "blocked reject  malformed 0" },
        { "{\"tenant_id\":\"t\",\"from\":\"a\",\"to\":\"nobody\",\"text\":\"x\"}",
          "blocked reject  bad_number 0" },
        { "{\"tenant_id\":\"t\",\"from\":\"a\",\"to\":\"1234567890123456\",\"text\":\"x\"}",
          "blocked reject  bad_number 0" },
        { "{\"tenant_id\":\"t\",\"from\":7,\"to\":\"+49 151 1234567\",\"text\":\"x\"}",
          "passed pass   8" },
        { "{\"tenant_id\":\"t\",\"to\":\"491511234567\",\"text\":\"\",\"class\":\"marketing\"}",
          "passed pass   8" },
    };
    struct fake *f = begin("{\"rules\": []}", "");
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        wf_item *it = fake_item(f, cases[i].json);
        fake_run(f);
        assert_string_equal(left_with(f, it), cases[i].wanted);
    }
    assert_int_equal(fake_metric(f, METRIC_MESSAGES), 8);
    assert_int_equal(fake_metric(f, METRIC_REASON + REASON_MALFORMED - 1), 4);
    assert_int_equal(fake_metric(f, METRIC_STAGE), 6);
    const unsigned marketing = METRIC_CLASS + 2 * (VERDICT_END - 1),
                   other = METRIC_CLASS + 3 * (VERDICT_END - 1);
    assert_int_equal(fake_metric(f, marketing + VERDICT_PASS - 1), 1);
    assert_int_equal(fake_metric(f, other + VERDICT_PASS - 1), 1);
    assert_int_equal(fake_metric(f, other + VERDICT_REJECT - 1), 6);
    assert_string_equal(metrics[marketing + VERDICT_PASS - 1].name,
                        "firewall_class_total{class=\"marketing\",verdict=\"pass\"}");
    assert_string_equal(metrics[METRIC_FRAME].name, "firewall_frame_seconds");
    end(f);
}

static void lists_come_first(void **state)
{
    struct fake *f;
    char more[500];
    (void)state;
    write_file(
        "deny.txt",
        "# numbers\n491511111111\n+49 151 2222222\n491513333333,1600000000\r\n491515555555\n");
    write_file("allow.txt", "491515555555\n");
    snprintf(more, sizeof more, "\"deny\": {\"file\": \"%s\"}, \"allow\": {\"file\": \"%s\"}",
             path_of("deny.txt"), path_of("allow.txt"));
    f = begin(
        "{\"rules\": [{\"id\": \"deny\", \"action\": \"reject\", \"code\": \"no\", \"when\": "
        "{\"list\": "
        "\"deny\"}}, {\"id\": \"from\", \"action\": \"drop\", \"when\": {\"listFrom\": \"deny\"}},"
        "{\"id\": \"allow\", \"action\": \"pass\", \"when\": {\"list\": \"allow\"}}]}",
        more);
    expect(f, "a", "491511111111", "x", "blocked reject deny number 2");
    expect(f, "a", "491512222222", "x", "blocked reject deny number 2");
    expect(f, "a", "491513333333", "x", "passed pass   8"); /* expired */
    expect(f, "a", "491514444444", "x", "passed pass   8");
    expect(f, "a", "491515555555", "x", "passed pass allow allowed 1");
    expect(f, "491511111111", "491514444444", "x", "blocked drop from number 2");
    assert_non_null(strstr(fake_output_json(f, PORT_BLOCKED, 0), "\"code\":\"no\""));
    /* A list that is replaced is seen, a broken one is not taken. */
    struct node *d = f->state;
    uint64_t seen = keeper_generation(d->keeper);
    write_file("deny.txt", "491514444444\n");
    assert_int_equal(keeper_wait(d->keeper, seen, 10000), 0);
    expect(f, "a", "491514444444", "x", "blocked reject deny number 2");
    expect(f, "a", "491511111111", "x", "passed pass   8");
    write_file("deny.txt", "491514444444\nnobody\n");
    char trouble[600] = "";
    for (int i = 0; i < 500 && !strstr(trouble, "line 2"); i++, usleep(10000))
        keeper_trouble(d->keeper, trouble, sizeof trouble);
    assert_non_null(strstr(trouble, "line 2: 'nobody'"));
    expect(f, "a", "491514444444", "x", "blocked reject deny number 2");
    end(f);
}

static void senders_hosts_signals(void **state)
{
    struct fake *f = begin(
        "{\"registry\": [{\"country\": \"49\", \"tenant\": \"t\", \"senders\": [\"ACME\"]}],"
        "\"brands\": [{\"name\": \"PayPal\", \"tenants\": [\"paypal\"]}], \"rules\": ["
        "{\"id\": \"promo\", \"action\": \"drop\", \"when\": {\"sender\": [\"PROMO*\", \"x1\"]}},"
        "{\"id\": \"hosts\", \"action\": \"drop\", \"when\": {\"host\": [\"evil.example\"]}},"
        "{\"id\": \"short\", \"action\": \"tag\", \"when\": {\"shortener\": true}},"
        "{\"id\": \"range\", \"action\": \"reject\", \"when\": {\"to\": [\"88213*\", \"979\"]}},"
        "{\"id\": \"looks\", \"action\": \"quarantine\", \"when\": {\"registry\": \"lookalike\"}},"
        "{\"id\": \"unknown\", \"action\": \"reject\", \"when\": {\"registry\": \"unregistered\"}},"
        "{\"id\": \"fake\", \"action\": \"drop\", \"when\": {\"signal\": {\"of\": \"sccp_cgpa\", "
        "\"differs\": "
        "\"map_smsc\", \"digits\": 4}}},"
        "{\"id\": \"abroad\", \"action\": \"drop\", \"when\": {\"signal\": {\"of\": \"vlr\", "
        "\"prefix\": "
        "[\"49\"], \"not\": true}}}]}",
        "");
    (void)state;
    expect(f, "Promo24", "491511234567", "x", "blocked drop promo sender 2");
    expect(f, "X1", "431511234567", "x", "blocked drop promo sender 2");
    expect(f, "X11", "431511234567", "x", "passed pass   8");
    expect(f, "ACME", "491511234567", "see http://evil.example/a", "blocked drop hosts host 2");
    expect(f, "ACME", "491511234567", "see http://www.EVIL.example", "blocked drop hosts host 2");
    expect(f, "ACME", "491511234567", "see http://notevil.example", "passed pass   8");
    expect(f, "ACME", "491511234567", "see http://bit.ly/a", "passed tag   8");
    expect(f, "ACME", "882131234567", "x", "blocked reject range number 2");
    expect(f, "Paypa1", "491511234567", "x", "quarantined quarantine looks lookalike 3");
    expect(f, "Other", "491511234567", "x", "blocked reject unknown unregistered 3");
    expect(f, "Other", "431511234567", "x", "passed pass   8");
    expect(f, "491701234567", "491511234567", "x", "passed pass   8");
    static const struct {
        const char *signal, *wanted;
    } signals[] = {
        { "{\"sccp_cgpa\":\"491700000001\",\"map_smsc\":\"491701111111\"}", "passed pass   8" },
        { "{\"sccp_cgpa\":\"491700000001\",\"map_smsc\":\"881701111111\"}",
          "blocked drop fake signal 2" },
        { "{\"vlr\":\"33600000000\"}", "blocked drop abroad signal 2" },
        { "{\"vlr\":\"49171000000\"}", "passed pass   8" },
        { "{\"vlr\":7}", "passed pass   8" },
        { "\"nothing\"", "passed pass   8" },
    };
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++) {
        char json[400];
        snprintf(json, sizeof json,
                 "{\"tenant_id\":\"t\",\"from\":\"ACME\",\"to\":\"491511234567\",\"text\":\"x\","
                 "\"signal\":%s}",
                 signals[i].signal);
        wf_item *it = fake_item(f, json);
        fake_run(f);
        assert_string_equal(left_with(f, it), signals[i].wanted);
    }
    end(f);
}

static void rates_hold(void **state)
{
    struct fake *f = begin("{\"rules\": [{\"id\": \"otp\", \"action\": \"throttle\", \"when\": "
                           "{\"class\": \"otp\", \"limit\": "
                           "{\"per\": \"recipient\", \"limit\": 3, \"window\": \"10m\"}}},"
                           "{\"id\": \"bucket\", \"action\": \"reject\", \"scope\": {\"route\": "
                           "\"r1\"}, \"when\": {\"sender\": "
                           "\"fast\", \"rate\": {\"per\": [\"tenant\", \"sender\"], \"limit\": 10, "
                           "\"window\": \"10s\", "
                           "\"burst\": 2}}}]}",
                           "");
    (void)state;
    for (int i = 0; i < 3; i++)
        expect(f, "a", "491511234567", "x", "passed pass   8");
    wf_item *it = message(f, "a", "491511234567", "x");
    fake_run(f);
    assert_int_equal(fake_ended(it), FAKE_FAILED);
    assert_int_equal(fake_fault(it)->fault, WF_THROTTLE);
    assert_true(fake_fault(it)->retry_after_ms > 0 && fake_fault(it)->retry_after_ms <= 600001);
    assert_string_equal(fake_fault(it)->code, "throttled");
    expect(f, "a", "491511234568", "x", "passed pass   8");
    fake_clock(f, 1700000000000 + 1200000);
    expect(f, "a", "491511234567", "x", "passed pass   8");
    expect(f, "FAST", "491511234501", "x", "passed pass   8");
    expect(f, "fast", "491511234502", "x", "passed pass   8");
    expect(f, "fast", "491511234503", "x", "blocked reject bucket rate 4");
    fake_clock(f, 1700000000000 + 1201000);
    expect(f, "fast", "491511234504", "x", "passed pass   8");
    end(f);
    f = begin(
        "{\"rules\": [{\"id\": \"otp\", \"action\": \"throttle\", \"when\": {\"limit\": {\"per\": "
        "\"recipient\", \"limit\": 1, \"window\": \"10m\"}}}]}",
        "\"throttle\": \"block\"");
    expect(f, "a", "491511234567", "x", "passed pass   8");
    expect(f, "a", "491511234567", "x", "blocked throttle otp limit 4");
    end(f);
}

static void traffic_is_judged(void **state)
{
    struct fake *f = begin(
        "{\"prices\": [{\"prefix\": \"49\", \"micro\": 1000}, {\"prefix\": \"4915\", \"micro\": "
        "400000}],"
        "\"rules\": ["
        "{\"id\": \"new\", \"action\": \"quarantine\", \"hold\": \"1h\", \"when\": {\"url\": true, "
        "\"newSender\": {\"within\": \"1d\", \"learn\": \"0s\"}, \"count\": {\"per\": [\"tenant\", "
        "\"sender\"], \"above\": 3, \"window\": \"1m\"}}},"
        "{\"id\": \"sim\", \"action\": \"drop\", \"when\": {\"senderKind\": \"numeric\", "
        "\"ratio\": "
        "{\"below\": 0.05, \"above\": 30, \"window\": \"1h\"}}},"
        "{\"id\": \"wide\", \"action\": \"drop\", \"when\": {\"sender\": \"wide\", \"distinct\": "
        "{\"per\": "
        "\"sender\", \"above\": 40, \"window\": \"1h\"}}},"
        "{\"id\": \"cost\", \"action\": \"reject\", \"when\": {\"cost\": {\"per\": \"tenant\", "
        "\"limit\": "
        "30000000, \"window\": \"1h\"}}},"
        "{\"id\": \"run\", \"action\": \"reject\", \"when\": {\"sender\": \"pump\", \"run\": "
        "{\"length\": "
        "10}}}]}",
        "");
    (void)state;
    for (int i = 0; i < 3; i++)
        expect(f, "newone", "491701234567", "http://a.example", "passed pass   8");
    expect(f, "newone", "491701234567", "no link", "passed pass   8");
    expect(f, "newone", "491701234567", "http://a.example",
           "quarantined quarantine new new_sender 4");
    assert_non_null(
        strstr(fake_output_json(f, PORT_QUARANTINED, 0), "\"hold_until_us\":1700003600000000"));
    for (int i = 0; i < 30; i++)
        expect(f, "491609999999", "491701234567", "x", "passed pass   8");
    expect(f, "491609999999", "491701234567", "x", "blocked drop sim ratio 4");
    char to[40];
    size_t blocked = fake_outputs(f, PORT_BLOCKED);
    for (int i = 0; i < 60; i++) {
        snprintf(to, sizeof to, "49170%07d", i * 31);
        message(f, "wide", to, "x");
        fake_run(f);
    }
    assert_in_range(fake_outputs(f, PORT_BLOCKED) - blocked, 10, 28);
    for (int i = 0; i < 9; i++) {
        snprintf(to, sizeof to, "49170777700%d", i);
        expect(f, "pump", to, "x", "passed pass   8");
    }
    expect(f, "pump", "491707777009", "x", "blocked reject run range 4");
    for (int i = 0; i < 80; i++)
        message(f, "a", "491511111111", "x"), fake_run(f);
    expect(f, "a", "491511111111", "x", "blocked reject cost cost 4");
    end(f);
}

static void unused_codes_are_noticed(void **state)
{
    static const char rules[] =
        "{\"rules\": [{\"id\": \"conv\", \"action\": \"reject\", \"when\": {\"class\": "
        "\"otp\", \"conversion\": {\"below\": 0.3, \"above\": 10}}}]}";
    struct fake *f = begin(rules, ""), *back;
    char given[400], json[200];
    (void)state;
    for (int i = 0; i < 10; i++)
        expect(f, "a", "491511234567", "x", "passed pass   8");
    expect(f, "a", "491511234567", "x", "blocked reject conv conversion 4");
    back = fake_create(&wf_plugin_entry, "catalyst.firewallFeedback");
    snprintf(given, sizeof given, "{\"rules\": \"%s\"}", path_of("rules.json"));
    assert_int_equal(fake_start(back, given), 0);
    for (int i = 0; i < 4; i++) {
        snprintf(json, sizeof json, "{\"tenant_id\":\"t\",\"to\":\"49151123400%d\"}", i);
        fake_item(back, json);
    }
    fake_item(back, "{\"tenant_id\":\"t\",\"to\":\"33151123400\"}");
    fake_item(back, "{}");
    fake_run(back);
    assert_int_equal(fake_outputs(back, 0), 6);
    assert_int_equal(fake_metric(back, 0), 4);
    assert_int_equal(fake_metric(back, 1), 2);
    fake_destroy(back);
    expect(f, "a", "491511234567", "x", "passed pass   8");
    end(f);
}

static void texts_and_scores(void **state)
{
    struct fake *f = begin(
        "{\"rules\": [{\"id\": \"won\", \"action\": \"reject\", \"when\": {\"text\": [\"you won\", "
        "\"prize\"]}},"
        "{\"id\": \"both\", \"action\": \"drop\", \"when\": {\"text\": \"loan\", \"url\": true}},"
        "{\"id\": \"scoped\", \"action\": \"drop\", \"scope\": {\"tenant\": \"other\"}, \"when\": "
        "{\"text\": "
        "\"hello\"}},"
        "{\"id\": \"mine\", \"action\": \"tag\", \"weight\": 300, \"scope\": {\"tenant\": [\"t\", "
        "\"u\"], "
        "\"country\": [\"49\"], \"direction\": \"mt\"}, \"when\": {\"text\": \"cash\"}},"
        "{\"id\": \"look\", \"action\": \"reject\", \"mode\": \"monitor\", \"weight\": 300, "
        "\"when\": "
        "{\"text\": \"cash\"}},"
        "{\"id\": \"fast\", \"action\": \"tag\", \"weight\": 250, \"when\": {\"text\": \"quick\"}},"
        "{\"id\": \"old\", \"action\": \"drop\", \"expires\": \"2020-01-01\", \"when\": {\"text\": "
        "\"x\"}},"
        "{\"id\": \"near\", \"action\": \"quarantine\", \"when\": {\"near\": {\"above\": 2}, "
        "\"minLength\": 8}},"
        "{\"id\": \"score\", \"action\": \"reroute\", \"route\": \"slow\", \"when\": {\"score\": "
        "{\"above\": "
        "800}}},"
        "{\"id\": \"sum\", \"action\": \"quarantine\", \"when\": {\"weight\": {\"above\": 500}}}]}",
        "\"events\": \"firewall.alerts\", \"hashKey\": \"secret\"");
    (void)state;
    expect(f, "a", "491511234567", "hi you won", "blocked reject won content 5");
    expect(f, "a", "491511234567", "a loan", "passed pass   8");
    expect(f, "a", "491511234567", "a loan http://x.example", "blocked drop both content 5");
    expect(f, "a", "491511234567", "hello", "passed pass   8");
    expect(f, "a", "491511234567", "cash", "passed tag   8");
    expect(f, "a", "331511234567", "cash", "passed pass   8");
    expect(f, "a", "491511234567", "cash quick", "quarantined quarantine sum weight 8");
    expect(f, "a", "491511234567", "the same text", "passed pass   8");
    expect(f, "a", "491511234567", "the same text", "passed pass   8");
    expect(f, "a", "491511234567", "the same text", "quarantined quarantine near near 6");
    expect(f, "a", "491511234567", "spam it", "rerouted reroute score score 7");
    assert_non_null(strstr(fake_output_json(f, PORT_REROUTED, 0), "\"route\":\"slow\""));
    assert_non_null(strstr(fake_output_json(f, PORT_REROUTED, 0), "\"score\":900"));
    assert_non_null(strstr(fake_output_json(f, PORT_PASSED, 2),
                           "\"tags\":[\"mine\"],\"monitored\":[\"look\"]"));
    /* An alert for each that did not pass, and for notes: 5 verdicts, 2 + 1 + 3 notes. */
    assert_int_equal(fake_messages(f), 5 + 6);
    const struct fake_message *m = fake_message(f, 0);
    assert_string_equal(m->topic, "firewall.alerts");
    assert_int_equal(m->key.len, 1);
    assert_non_null(strstr(m->body.ptr, "\"rule\":\"won\""));
    assert_non_null(strstr(m->body.ptr, "\"verdict\":\"reject\",\"mode\":\"enforce\""));
    for (size_t i = 0; i < fake_messages(f); i++) {
        assert_null(strstr(fake_message(f, i)->body.ptr, "cash"));
        assert_null(strstr(fake_message(f, i)->body.ptr, "491511234567"));
    }
    struct node *d = f->state;
    assert_int_equal(atomic_load(&d->snapshot->rules->hits[4]), 3);
    end(f);
}

static void old_lists_close_routes(void **state)
{
    char more[300];
    struct fake *f;
    (void)state;
    write_file("deny.txt", "491511111111\n");
    snprintf(more, sizeof more, "\"deny\": {\"file\": \"%s\"}", path_of("deny.txt"));
    f = begin(
        "{\"outage\": {\"closedRoutes\": [\"r1\"], \"maxAge\": \"300ms\", \"action\": "
        "\"quarantine\"}, "
        "\"rules\": [{\"id\": \"deny\", \"action\": \"drop\", \"when\": {\"list\": \"deny\"}}]}",
        more);
    expect(f, "a", "491512222222", "x", "passed pass   8");
    unlink(path_of("deny.txt"));
    usleep(600000);
    expect(f, "a", "491512222222", "x", "quarantined quarantine  stale 2");
    wf_item *it = fake_item(
        f, "{\"tenant_id\":\"t\",\"to\":\"491512222222\",\"text\":\"x\",\"route_hint\":\"r2\"}");
    fake_run(f);
    assert_string_equal(left_with(f, it), "passed pass   8");
    /* The list still stands. */
    it = fake_item(f, "{\"tenant_id\":\"t\",\"to\":\"491511111111\",\"text\":\"x\"}");
    fake_run(f);
    assert_string_equal(left_with(f, it), "blocked drop deny number 2");
    write_file("deny.txt", "491511111111\n");
    struct node *d = f->state;
    for (int i = 0; i < 300 && keeper_age_ms(d->keeper, wall_ms()) > 250; i++)
        usleep(10000);
    expect(f, "a", "491512222222", "x", "passed pass   8");
    end(f);
}

static void wrong_rules_change_nothing(void **state)
{
    struct fake *f = begin(
        "{\"rules\": [{\"id\": \"a\", \"action\": \"drop\", \"when\": {\"text\": \"bad\"}}]}", "");
    struct node *d = f->state;
    char trouble[600] = "";
    (void)state;
    expect(f, "a", "491511234567", "bad", "blocked drop a content 5");
    write_file(
        "rules.json",
        "{\"rules\": [{\"id\": \"a\", \"action\": \"drp\", \"when\": {\"text\": \"bad\"}}]}");
    for (int i = 0; i < 500 && !strstr(trouble, "did you mean"); i++, usleep(10000))
        keeper_trouble(d->keeper, trouble, sizeof trouble);
    if (!strstr(trouble, "did you mean 'drop'?"))
        fail_msg("%s", trouble);
    expect(f, "a", "491511234567", "bad", "blocked drop a content 5");
    uint64_t seen = keeper_generation(d->keeper);
    write_file(
        "rules.json",
        "{\"rules\": [{\"id\": \"b\", \"action\": \"reject\", \"when\": {\"text\": \"bad\"}}]}");
    assert_int_equal(keeper_wait(d->keeper, seen, 10000), 0);
    expect(f, "a", "491511234567", "bad", "blocked reject b content 5");
    for (int i = 0; i < 500 && *trouble; i++, usleep(10000))
        keeper_trouble(d->keeper, trouble, sizeof trouble);
    assert_string_equal(trouble, "");
    node_audit(d);
    assert_int_equal(fake_metric(f, METRIC_RELOADS), 2);
    assert_int_equal(fake_metric(f, METRIC_REFUSED), 1);
    end(f);
}

static void without_rules_nothing_passes(void **state)
{
    struct fake *f = fake_create(&wf_plugin_entry, "catalyst.firewall");
    (void)state;
    assert_int_equal(fake_start(f, "{\"rules\": \"/nonexistent/rules.json\"}"), 0);
    wf_item *it = message(f, "a", "491511234567", "x");
    fake_run(f);
    assert_int_equal(fake_ended(it), FAKE_FAILED);
    assert_int_equal(fake_fault(it)->fault, WF_TRANSIENT);
    end(f);
}

static void settings_are_checked(void **state)
{
    static const struct {
        const char *params, *says;
    } cases[] = {
        { "{}", "rules" },
        { "{\"rules\": \"r\", \"deny\": {\"key\": \"k\"}}", "deny.key needs the credential" },
        { "{\"rules\": \"r\", \"allow\": {\"key\": \"k\", \"file\": \"f\"}}",
          "a list has one source" },
        { "{\"rules\": \"r\", \"fields\": {\"to\": \"\"}}", "have to be named" },
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct fake *f = fake_create(&wf_plugin_entry, "catalyst.firewall");
        assert_int_equal(fake_start(f, cases[i].params), -1);
        assert_non_null(strstr(fake_error(f), cases[i].says));
        fake_destroy(f);
    }
}

static void other_members_may_be_named(void **state)
{
    struct fake *f =
        begin("{\"rules\": [{\"id\": \"a\", \"action\": \"drop\", \"when\": {\"text\": \"bad\"}}]}",
              "\"fields\": {\"text\": \"body\", \"to\": \"recipient\", \"tenant\": \"customer\"}");
    (void)state;
    wf_item *it =
        fake_item(f, "{\"customer\":\"t\",\"recipient\":\"491511234567\",\"body\":\"bad\"}");
    fake_run(f);
    assert_string_equal(left_with(f, it), "blocked drop a content 5");
    it = fake_item(f, "{\"tenant_id\":\"t\",\"to\":\"491511234567\",\"text\":\"bad\"}");
    fake_run(f);
    assert_string_equal(left_with(f, it), "blocked reject  malformed 0");
    end(f);
}

static int make_folder(void **state)
{
    (void)state;
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
    (void)state;
    unlink(path_of("deny.txt"));
    unlink(path_of("allow.txt"));
    return rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(members_are_checked),
        cmocka_unit_test(lists_come_first),
        cmocka_unit_test(senders_hosts_signals),
        cmocka_unit_test(rates_hold),
        cmocka_unit_test(traffic_is_judged),
        cmocka_unit_test(unused_codes_are_noticed),
        cmocka_unit_test(texts_and_scores),
        cmocka_unit_test(old_lists_close_routes),
        cmocka_unit_test(wrong_rules_change_nothing),
        cmocka_unit_test(without_rules_nothing_passes),
        cmocka_unit_test(settings_are_checked),
        cmocka_unit_test(other_members_may_be_named),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
