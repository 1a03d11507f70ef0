/* SPDX-License-Identifier: Apache-2.0
 * Rules files: what is taken, and what is said of mistakes: the line, the rule, the word that was
 * meant, all at once.
 */
#include "fake_content.h"
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static char *why;

static struct rules *load(const char *text)
{
    free(why);
    why = NULL;
    return rules_load(text, strlen(text), NULL, NULL, NULL, &why);
}

#define RULE(body) "{\"rules\": [\n{\"id\": \"a\", " body "}]}"

static void mistakes_are_told(void **state)
{
    static const struct {
        const char *text, *says;
    } cases[] = {
        { "", "line 1: the file ends too early" },
        { "[]", "line 1: a rules file is a JSON object" },
        { "{\"rules\": [}", "line 1: this is no JSON value" },
        { "{\n\n\"rules\": [] \n\"x\": 1}", "line 4: ',' or '}' is missing" },
        { "{\"rules\": [], \"rules\": []}", "stands twice" },
        { "{}", "'rules' is a list" },
        { "{\"rulez\": [], \"rules\": []}", "a rules file has no 'rulez'; did you mean 'rules'?" },
        { "{\"format\": 2, \"rules\": []}", "'format' is a whole number from 1 to 1" },
        { "{\"rules\": [{\"action\": \"drop\", \"when\": {\"url\": true}}]}", "needs 'id'" },
        { RULE("\"when\": {\"url\": true}"), "line 2: rule 'a': a rule needs 'action'" },
        { RULE("\"action\": \"rejct\", \"when\": {\"url\": true}"),
          "'action' knows no 'rejct'; did you mean 'reject'?" },
        { RULE("\"action\": \"nonsense\", \"when\": {\"url\": true}"),
          "'action' is one of pass, tag" },
        { RULE("\"action\": \"drop\""), "'when' is an object of conditions" },
        { RULE("\"action\": \"drop\", \"when\": {}"), "'when' is an object of conditions" },
        { RULE("\"action\": \"drop\", \"when\": {\"txt\": \"x\"}"),
          "when has no 'txt'; did you mean 'text'?" },
        { RULE("\"action\": \"drop\", \"when\": {\"url\": \"yes\"}"), "'url' is true or false" },
        { RULE("\"action\": \"drop\", \"when\": {\"limit\": {\"limit\": 3}}"),
          "'limit' needs 'window'" },
        { RULE("\"action\": \"drop\", \"when\": {\"limit\": {\"limit\": 3, \"window\": \"10x\"}}"),
          "'window' is a time such as" },
        { RULE("\"action\": \"drop\", \"when\": {\"limit\": {\"limit\": 3, \"window\": \"10ms\"}}"),
          "the window of 'limit' is 1s to 31d" },
        { RULE("\"action\": \"drop\", \"when\": {\"limit\": {\"limit\": 20000, \"window\": "
               "\"1h\"}}"),
          "'limit' is a whole number from 1 to 16000" },
        { RULE("\"action\": \"drop\", \"when\": {\"rate\": {\"per\": \"tennant\", \"limit\": 3, "
               "\"window\": \"1h\"}}"),
          "did you mean 'tenant'?" },
        { RULE("\"action\": \"drop\", \"when\": {\"near\": 5}"), "'near' is an object" },
        { RULE("\"action\": \"drop\", \"when\": {\"to\": \"0151\"}"),
          "no beginning of an international" },
        { RULE("\"action\": \"drop\", \"when\": {\"text\": []}"), "a text, or a list of texts" },
        { RULE("\"action\": \"drop\", \"when\": {\"text\": \"\"}"), "a pattern has 1 to" },
        { RULE("\"action\": \"drop\", \"when\": {\"regex\": \"(x\"}"),
          "line 2: rule 'a': a parenthesis is not closed" },
        { RULE("\"action\": \"reroute\", \"when\": {\"url\": true}"), "reroute needs 'route'" },
        { RULE("\"action\": \"drop\", \"expires\": \"soon\", \"when\": {\"url\": true}"),
          "'expires' is a time" },
        { RULE("\"action\": \"drop\", \"reason\": \"contant\", \"when\": {\"url\": true}"),
          "did you mean 'content'?" },
        { RULE("\"action\": \"drop\", \"scope\": {\"tenants\": \"x\"}, \"when\": {\"url\": true}"),
          "did you mean 'tenant'?" },
        { "{\"rules\": [{\"id\": \"a\", \"action\": \"drop\", \"when\": {\"url\": "
          "true}},\n{\"id\": \"a\", "
          "\"action\": \"drop\", \"when\": {\"url\": true}}]}",
          "line 2: the id 'a' stands twice" },
        { "{\"rules\": [], \"registry\": [{\"country\": \"49\"}]}",
          "needs 'country' and 'senders'" },
        { "{\"rules\": [], \"brands\": [{\"name\": \"...\"}]}", "has no letters" },
        { "{\"rules\": [], \"prices\": [{\"prefix\": \"49\"}]}", "a price is" },
        { "{\"rules\": [], \"outage\": {\"action\": \"pass\"}}", "the action of an outage" },
        { RULE("\"action\": \"drop\", \"when\": {\"signal\": {\"of\": \"vlr\"}}"),
          "'signal' has 'of'" },
        { "{\"rules\": [\"\\x\"]}", "an escape that is none" },
        { "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[1]]]", "nested too deep" },
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_null(load(cases[i].text));
        if (!strstr(why, cases[i].says))
            fail_msg("%s\n  wanted %s\n  got    %s", cases[i].text, cases[i].says, why);
    }
}

static void all_mistakes_come_at_once(void **state)
{
    (void)state;
    assert_null(load("{\"rules\": [\n{\"id\": \"a\", \"action\": \"x\", \"when\": {\"url\": 1}},\n"
                     "{\"id\": \"b\", \"when\": {\"txt\": 1}}]}"));
    assert_non_null(strstr(why, "line 2: rule 'a': 'action'"));
    assert_non_null(strstr(why, "\nline 2: rule 'a': 'url'"));
    assert_non_null(strstr(why, "\nline 3: rule 'b': a rule needs"));
    assert_non_null(strstr(why, "\nline 3: rule 'b': when has no 'txt'"));
}

static void rules_find_their_stage(void **state)
{
    static const struct {
        const char *body;
        enum stage stage;
        enum reason reason;
    } cases[] = {
        { "\"action\": \"pass\", \"when\": {\"list\": \"allow\"}", STAGE_ALLOW, REASON_ALLOWED },
        { "\"action\": \"drop\", \"when\": {\"list\": \"deny\"}", STAGE_DENY, REASON_NUMBER },
        { "\"action\": \"drop\", \"when\": {\"class\": \"otp\"}", STAGE_DENY, REASON_POLICY },
        { "\"action\": \"drop\", \"when\": {\"class\": \"otp\", \"to\": \"49\"}", STAGE_DENY,
          REASON_NUMBER },
        { "\"action\": \"drop\", \"when\": {\"registry\": \"lookalike\"}", STAGE_SENDER,
          REASON_LOOKALIKE },
        { "\"action\": \"drop\", \"when\": {\"run\": {\"length\": 5}, \"class\": \"otp\"}",
          STAGE_RATE, REASON_RANGE },
        { "\"action\": \"drop\", \"when\": {\"text\": \"x\", \"url\": true}", STAGE_CONTENT,
          REASON_CONTENT },
        { "\"action\": \"drop\", \"when\": {\"text\": \"x\", \"near\": {\"above\": 5}}", STAGE_NEAR,
          REASON_NEAR },
        { "\"action\": \"drop\", \"when\": {\"score\": {\"above\": 5}}", STAGE_SCORE,
          REASON_SCORE },
        { "\"action\": \"drop\", \"when\": {\"weight\": {\"above\": 5}}", STAGE_VERDICT,
          REASON_WEIGHT },
        { "\"action\": \"drop\", \"reason\": \"policy\", \"when\": {\"text\": \"x\"}",
          STAGE_CONTENT, REASON_POLICY },
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[500];
        snprintf(text, sizeof text, "{\"rules\": [{\"id\": \"a\", %s}]}", cases[i].body);
        struct rules *r = load(text);
        if (!r)
            fail_msg("%s: %s", cases[i].body, why);
        assert_int_equal(r->rules[0].stage, cases[i].stage);
        assert_int_equal(r->rules[0].reason, cases[i].reason);
        assert_int_equal(r->n_stage[cases[i].stage], 1);
        rules_unref(r);
    }
}

static void brands_and_senders(void **state)
{
    struct rules *r =
        load("{\"registry\": [{\"country\": \"49\", \"tenant\": \"acme\", \"senders\": "
             "[\"ACME\"]}, {\"country\": \"4915\", \"senders\": [\"Anyone\"]}], "
             "\"brands\": [{\"name\": \"PayPal\", \"tenants\": [\"paypal\"]}], \"rules\": []}");
    uint64_t acme = name_hash("acme", 4), paypal = name_hash("paypal", 6);
    (void)state;
    assert_non_null(r);
    const struct registry *g = r->registry;
    assert_int_equal(registry_has(g, 491701234567, 12, acme, sender_hash("acme", 4)), 1);
    assert_int_equal(registry_has(g, 491701234567, 12, paypal, sender_hash("ACME", 4)), 0);
    assert_int_equal(registry_has(g, 491511234567, 12, acme, sender_hash("ACME", 4)),
                     0); /* longest prefix */
    assert_int_equal(registry_has(g, 491511234567, 12, acme, sender_hash("ANYONE", 6)), 1);
    assert_int_equal(registry_has(g, 431511234567, 12, acme, sender_hash("ACME", 4)), -1);
    assert_int_equal(registry_looks_alike(g, "PayPa1", 6, acme), 1);
    assert_int_equal(registry_looks_alike(g, "PAYPAL", 6, acme), 1);
    assert_int_equal(registry_looks_alike(g, "PayPal-Info", 11, acme), 1);
    assert_int_equal(registry_looks_alike(g, "Paypol", 6, acme), 1);
    assert_int_equal(registry_looks_alike(g, "PayPal", 6, paypal), 0);
    assert_int_equal(registry_looks_alike(g, "Payday", 6, acme), 0);
    rules_unref(r);
}

static void hits_and_sketches_stay(void **state)
{
    static const char first[] =
        "{\"rules\": [{\"id\": \"a\", \"action\": \"drop\", \"when\": {\"count\": {\"above\": 5, "
        "\"window\": \"1m\"}}}, {\"id\": \"b\", \"action\": \"drop\", \"when\": {\"url\": true}}]}";
    static const char second[] =
        "{\"rules\": [{\"id\": \"b\", \"action\": \"drop\", \"when\": {\"url\": true}}, {\"id\": "
        "\"a\", "
        "\"action\": \"drop\", \"when\": {\"count\": {\"above\": 9, \"window\": \"1m\"}}}]}";
    struct rules *old = load(first);
    (void)state;
    atomic_store(&old->hits[0], 7);
    atomic_store(&old->hits[1], 8);
    sketch_count(old->rules[0].conds[0].sketch, 12345, 1000000, 5);
    struct rules *now = rules_load(second, strlen(second), NULL, NULL, old, &why);
    rules_unref(old);
    assert_int_equal(atomic_load(&now->hits[0]), 8);
    assert_int_equal(atomic_load(&now->hits[1]), 7);
    assert_int_equal(sketch_count(now->rules[1].conds[0].sketch, 12345, 1000000, 0), 5);
    assert_string_not_equal(now->hash, "");
    rules_unref(now);
}

static void comments_and_texts(void **state)
{
    struct rules *r =
        load("// mine\n{\"rules\": [ // none\n{\"id\": \"\\u00e4\\ud83d\\ude00\\n\", \"action\": "
             "\"tag\", \"weight\": -5, \"when\": {\"text\": [\"a\\\"b\", \"c\"]}}]}");
    (void)state;
    if (!r)
        fail_msg("%s", why);
    assert_string_equal(r->rules[0].id, "ä😀\n");
    assert_int_equal(r->rules[0].weight, -5);
    assert_int_equal(r->n_content, 2);
    assert_int_equal(r->rules[0].n_conds, 1);
    rules_unref(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mistakes_are_told),      cmocka_unit_test(all_mistakes_come_at_once),
        cmocka_unit_test(rules_find_their_stage), cmocka_unit_test(brands_and_senders),
        cmocka_unit_test(hits_and_sketches_stay), cmocka_unit_test(comments_and_texts),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    free(why);
    return failed;
}
