/* SPDX-License-Identifier: Apache-2.0
 * What is held, and who decides: the row of a quarantined message, one decision for each, the same
 * decision again for the same item, expiry, and a store that fails.
 */
#include "fake_content.h"
#include "fake_sql.h"
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static const char held_item[] =
    "{\"id\":\"m1\",\"tenant_id\":\"t\",\"to\":\"491511234567\",\"text\":\"it's "
    "\\\"bad\\\"\",\"firewall\":"
    "{\"verdict\":\"quarantine\",\"rule\":\"r\",\"reason\":\"content\",\"version\":\"abc-1\","
    "\"hold_until_us\":1700003600000000}}";

static struct fake *hold_one(void)
{
    struct fake *f = fake_create(&wf_plugin_entry, "catalyst.firewallQuarantine");
    fake_sql(f);
    assert_int_equal(fake_start(f, "{}"), 0);
    fake_item(f, held_item);
    fake_run(f);
    return f;
}

static struct fake *review(struct fake *with, const char *parameters, const char *item)
{
    struct fake *f = fake_create(&wf_plugin_entry, "catalyst.firewallReview");
    fake_sql_share(f, with);
    if (fake_start(f, parameters) != 0)
        fail_msg("%s", fake_error(f));
    fake_item(f, item);
    fake_run(f);
    return f;
}

static void a_message_is_held_once(void **state)
{
    struct fake *f = hold_one();
    (void)state;
    assert_non_null(strstr(fake_output_json(f, 0, 0), "\"quarantine\":{\"id\":\"t/m1\"}"));
    assert_int_equal(fake_sql_commit(f), 0);
    assert_string_equal(
        fake_sql_text(f, "SELECT tenant_id || message_id || rule || reason || version || state "
                         "|| until_us FROM firewall_quarantine"),
        "tm1rcontentabc-1held1700003600000000");
    fake_item(f, held_item);
    fake_run(f);
    assert_int_equal(fake_sql_commit(f), 0);
    assert_string_equal(fake_sql_text(f, "SELECT count(*) FROM firewall_quarantine"), "1");
    assert_int_equal(fake_metric(f, 0), 2);
    fake_destroy(f);
}

static void one_decision_stands(void **state)
{
    struct fake *f = hold_one();
    (void)state;
    fake_sql_commit(f);
    struct fake *r = review(f, "{\"operation\":\"list\"}", "{}");
    assert_int_equal(fake_outputs(r, FOUND), 1);
    assert_non_null(strstr(fake_output_json(r, FOUND, 0), "\"text\":\"it's \\\"bad\\\"\""));
    assert_non_null(strstr(fake_output_json(r, FOUND, 0), "\"until_us\":1700003600000000"));
    fake_destroy(r);
    r = review(f, "{\"operation\":\"list\",\"tenant\":\"other\"}", "{}");
    assert_int_equal(fake_outputs(r, FOUND), 0);
    assert_int_equal(fake_outputs(r, NONE), 1);
    fake_destroy(r);
    r = review(f, "{\"operation\":\"release\",\"id\":\"={{ $json.which }}\",\"by\":\"ann\"}",
               "{\"which\":\"t/m1\"}");
    assert_int_equal(fake_outputs(r, FOUND), 1);
    assert_non_null(strstr(fake_output_json(r, FOUND, 0), "\"state\":\"released\""));
    assert_non_null(strstr(fake_output_json(r, FOUND, 0), "\"decided_by\":\"ann\""));
    /* The same item once more, as after a crash: it finds what it had decided. */
    wf_item *it = r->items;
    fake_again(it);
    fake_run(r);
    assert_int_equal(fake_outputs(r, FOUND), 2);
    /* Another item decides nothing any more. */
    fake_item(r, "{\"which\":\"t/m1\"}");
    fake_item(r, "{\"which\":\"t/none\"}");
    fake_run(r);
    assert_int_equal(fake_outputs(r, FOUND), 2);
    assert_int_equal(fake_outputs(r, NONE), 2);
    assert_int_equal(fake_metric(r, 0), 2); /* released: what is told, not what is not there */
    assert_int_equal(fake_metric(r, 1), 0);
    fake_destroy(r);
    r = review(f, "{\"operation\":\"deny\",\"id\":\"t/m1\"}", "{}");
    assert_int_equal(fake_outputs(r, NONE), 1);
    assert_string_equal(fake_sql_text(f, "SELECT state FROM firewall_quarantine"), "released");
    fake_destroy(r);
    fake_destroy(f);
}

static void time_runs_out(void **state)
{
    struct fake *f = hold_one();
    (void)state;
    fake_sql_commit(f);
    fake_sql_exec(
        f,
        "INSERT INTO firewall_quarantine (id, tenant_id, message_id, rule, reason, version, state,"
        " held_us, until_us, message) VALUES ('t/m2','t','m2','r','content','v','held',1,"
        "1600000000000000,'{\"id\":\"m2\"}'), ('t/m3','t','m3','r','content','v','denied',1,"
        "1600000000000000,'{}')");
    struct fake *r = review(f, "{\"operation\":\"expire\"}", "{}");
    assert_int_equal(fake_outputs(r, FOUND), 1);
    assert_non_null(strstr(fake_output_json(r, FOUND, 0), "\"id\":\"m2\""));
    wf_item *it = r->items;
    fake_again(it);
    fake_run(r); /* again the same one, not the next */
    assert_int_equal(fake_outputs(r, FOUND), 2);
    fake_item(r, "{}");
    fake_run(r);
    assert_int_equal(fake_outputs(r, FOUND), 2);
    assert_int_equal(fake_outputs(r, NONE), 1);
    assert_int_equal(fake_metric(r, 2), 2);
    fake_destroy(r);
    assert_string_equal(
        fake_sql_text(f, "SELECT count(*) FROM firewall_quarantine WHERE state = 'held'"), "1");
    fake_destroy(f);
}

static void a_store_that_fails(void **state)
{
    struct fake *f = hold_one(), *r = fake_create(&wf_plugin_entry, "catalyst.firewallReview");
    (void)state;
    fake_sql_commit(f);
    fake_sql_share(r, f);
    assert_int_equal(fake_start(r, "{\"operation\":\"release\",\"id\":\"t/m1\"}"), 0);
    fake_sql_fail(r, "the connection broke", 1, 0);
    wf_item *it = fake_item(r, "{}");
    fake_run(r);
    assert_int_equal(fake_fault(it)->fault, WF_TRANSIENT);
    fake_sql_fail(r, "the connection broke", 0, 2); /* it was done, and nobody knew */
    fake_again(it);
    fake_run(r);
    assert_int_equal(fake_fault(it)->fault, WF_TRANSIENT);
    fake_again(it);
    fake_run(r);
    assert_int_equal(fake_outputs(r, FOUND), 1);
    fake_sql_fail(r, "no such table", 0, 0);
    it = fake_item(r, "{}");
    fake_run(r);
    assert_int_equal(fake_fault(it)->fault, WF_ACCOUNT);
    fake_sql_refuse(r, 1);
    it = fake_item(r, "{}");
    fake_run(r);
    assert_string_equal(fake_fault(it)->code, "store");
    fake_destroy(r);
    fake_destroy(f);
}

static void rules_tell_their_hits(void **state)
{
    char file[] = "/tmp/firewall-review-XXXXXX", given[200];
    static const char rules[] =
        "{\"rules\": [{\"id\": \"a\", \"action\": \"drop\", \"when\": {\"to\": \"49\"}}]}";
    int fd = mkstemp(file);
    (void)state;
    assert_int_equal(write(fd, rules, sizeof rules - 1), sizeof rules - 1);
    close(fd);
    struct fake *f = fake_create(&wf_plugin_entry, "catalyst.firewall");
    fake_sql(f);
    snprintf(given, sizeof given, "{\"rules\": \"%s\"}", file);
    assert_int_equal(fake_start(f, given), 0);
    struct node *d = f->state;
    assert_int_equal(keeper_wait(d->keeper, 0, 20000), 0);
    for (int i = 0; i < 3; i++)
        fake_item(f, "{\"tenant_id\":\"t\",\"to\":\"491511234567\",\"text\":\"x\"}");
    fake_run(f);
    char trouble[600] = "x";
    for (int i = 0; i < 500 && *trouble; i++, usleep(10000))
        keeper_trouble(d->keeper, trouble, sizeof trouble);
    node_audit(d); /* as its timer would */
    fake_run(f);
    assert_string_equal(fake_sql_text(f, "SELECT kind || outcome || entries FROM firewall_audit"),
                        "rulesloaded1");
    assert_string_equal(fake_sql_text(f, "SELECT body FROM firewall_rules"), rules);
    struct fake *r = fake_create(&wf_plugin_entry, "catalyst.firewallReview");
    snprintf(given, sizeof given, "{\"operation\": \"rules\", \"rules\": \"%s\"}", file);
    assert_int_equal(fake_start(r, given), 0);
    fake_item(r, "{}");
    fake_run(r);
    assert_non_null(
        strstr(fake_output_json(r, FOUND, 0), "\"id\":\"a\",\"stage\":2,\"action\":\"drop\""));
    assert_non_null(strstr(fake_output_json(r, FOUND, 0), "\"hits\":3"));
    fake_destroy(r);
    fake_destroy(f);
    for (int i = 0; i < 1000 && keeper_threads(); i++)
        usleep(10000);
    unlink(file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_message_is_held_once), cmocka_unit_test(one_decision_stands),
        cmocka_unit_test(time_runs_out),          cmocka_unit_test(a_store_that_fails),
        cmocka_unit_test(rules_tell_their_hits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
