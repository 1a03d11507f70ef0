/* SPDX-License-Identifier: Apache-2.0
 * The content engine as the node calls it: frames go through the four steps in order, some messages
 * leave on the way, rules are replaced under a scratch that lives on, and the largest frame fits.
 */
#include "../confusables.c"
#include "../content.c"
#include "../model.c"
#include "../model_shipped.c"
#include "../near.c"
#include "../normalise.c"
#include "../normalise_ascii.c"
#include "../normalise_tricks.c"
#include "../pattern_cache.c"
#include "../pattern_text.c"
#include "../patterns.c"
#include "../punycode.c"
#include "../simhash.c"
#include "../urls.c"
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static struct content_scratch *scratch;
static struct content_result results[CONTENT_FRAME_MAX];
static const uint16_t first_of_all[1] = { 0 };

static struct content *compile(const char *pattern, enum content_kind kind, uint32_t number,
                               const char *model)
{
    struct content_pattern p = { pattern, strlen(pattern), kind, number };
    struct content_options options = { .model_file = model };
    struct content_problem why;
    struct content *c = content_compile(&p, 1, &options, &why);
    if (!c)
        fail_msg("%s", why.text);
    return c;
}

static const struct content_result *run(const struct content *c, const char *text)
{
    static struct content_message m;
    m = (struct content_message){ text, strlen(text), 1, 1700000000000 };
    content_begin(scratch, &m, 1, results);
    content_match(c, scratch, first_of_all, 1);
    content_near(c, scratch, 60000, first_of_all, 1);
    content_score(c, scratch, first_of_all, 1);
    return results;
}

static int set_up(void **state)
{
    (void)state;
    scratch = content_scratch_create();
    memset(results, 0xaa, sizeof results);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    content_scratch_free(scratch);
    content_scratch_free(NULL);
    content_free(NULL);
    return 0;
}

static void test_all_steps(void **state)
{
    (void)state;
    struct content *c = compile("claim your prize", CONTENT_LITERAL, 5, "");
    const struct content_result *r =
        run(c, "URGENT! Clаim your pr1ze now at hxxp://bit.ly/x1 or http://www.bad.co.uk/ "
               "and http://bit.ly/x2");
    assert_int_equal(r->n_hits, 1);
    assert_int_equal(r->hits[0], 5);
    assert_int_equal(r->more_hits, 0);
    assert_int_equal(r->n_hosts, 2); /* each once */
    assert_string_equal(r->hosts[0].ptr, "bit.ly");
    assert_int_equal(r->hosts[0].is_shortener, 1);
    assert_int_equal(r->hosts[0].is_obfuscated, 1);
    assert_string_equal(r->hosts[1].ptr + r->hosts[1].base, "bad.co.uk");
    assert_int_equal(r->flags, CONTENT_HAS_URL | CONTENT_WAS_MIXED);
    assert_int_equal(r->near_count, 1);
    assert_true(r->fingerprint != 0);
    assert_in_range(r->score_pm, MODEL_BLOCK_PM, 1000);
    r = run(c, "URGENT! Claim your prize now at http://tinyurl.com/y or http://x.bad.co.uk/ and "
               "http://t.co/z");
    assert_int_equal(r->near_count, 2);
    r = run(c, "see you at 7");
    assert_int_equal(r->n_hits + r->n_hosts + r->flags, 0);
    assert_int_equal(r->near_count, 0); /* too short */
    assert_in_range(r->score_pm, 0, 400);
    assert_true(content_bytes(c) > sizeof *c);
    content_free(c);
}

static void test_without_model_or_rules(void **state)
{
    (void)state;
    struct content *c = compile("prize", CONTENT_WORDS, 1, NULL);
    assert_int_equal(run(c, "a prize of gold for those who wait")->score_pm, -1);
    content_free(c);
    const struct content_result *r = run(NULL, "a prize of gold for those who wait");
    assert_int_equal(r->n_hits, 0);
    assert_int_equal(r->near_count, 0);
    assert_int_equal(r->score_pm, -1);
    struct content_options options = { .model_file = "/nonexistent/model" };
    struct content_problem why;
    assert_null(content_compile(NULL, 0, &options, &why));
    assert_true(why.pattern == SIZE_MAX);
    assert_non_null(strstr(why.text, "/nonexistent/model"));
}

static void test_rules_are_replaced(void **state)
{
    (void)state;
    for (uint32_t i = 1; i < 20; i++) {
        char word[20];
        snprintf(word, sizeof word, "prize%.*s", (int)(i % 7), "abcdefg");
        struct content *c = compile(word, i % 2 ? CONTENT_LITERAL : CONTENT_REGEX_RAW, i, NULL);
        const struct content_result *r = run(c, "the prizeabcdefg of today");
        assert_int_equal(r->n_hits, 1);
        assert_int_equal(r->hits[0], i);
        content_free(c);
    }
    /* many that need more room to match than one word did */
    struct content_pattern many[100];
    char texts[100][60];
    struct content_options options = { 0 };
    struct content_problem why;
    for (uint32_t i = 0; i < 100; i++) {
        snprintf(texts[i], sizeof texts[i], "[st]he.{%u,200}prize[a-g]{2,%u}.*to[dx]ay", i % 3,
                 10 + i);
        many[i] = (struct content_pattern){ texts[i], strlen(texts[i]), CONTENT_REGEX, i };
    }
    struct content *c = content_compile(many, 100, &options, &why);
    assert_non_null(c);
    const struct content_result *r = run(c, "the old, old prizeabcdefg of today");
    assert_int_equal(r->n_hits, CONTENT_HITS_MAX);
    assert_int_equal(r->more_hits, 1);
    content_free(c);
}

static void test_some_leave_on_the_way(void **state)
{
    (void)state;
    struct content *c = compile("prize", CONTENT_LITERAL, 9, "");
    struct content_message m[3];
    static const uint16_t live[] = { 0, 2 };
    for (size_t i = 0; i < 3; i++)
        m[i] = (struct content_message){ "the prize is a long story", 25, i, 1000 };
    content_begin(scratch, m, 3, results);
    content_match(c, scratch, live, 2);
    content_score(c, scratch, live + 1, 1);
    assert_int_equal(results[0].n_hits, 1);
    assert_int_equal(results[1].n_hits, 0);
    assert_int_equal(results[2].n_hits, 1);
    assert_int_equal(results[0].score_pm, -1);
    assert_true(results[2].score_pm >= 0);
    content_free(c);
}

static void test_the_largest_frame(void **state)
{
    (void)state;
    static struct content_message m[CONTENT_FRAME_MAX];
    static uint16_t all[CONTENT_FRAME_MAX];
    static char text[CONTENT_TEXT_MAX + 100];
    struct content *c = compile("prize", CONTENT_LITERAL, 9, "");
    for (size_t i = 0; i < sizeof text; i++)
        text[i] = "http://a-long-name.example.com/x "[i % 33];
    memcpy(text + CONTENT_TEXT_MAX - 6, " prize", 6);
    for (uint16_t i = 0; i < CONTENT_FRAME_MAX; i++) {
        m[i] = (struct content_message){ text, sizeof text - i % 2 * 100, i, 1000 };
        all[i] = i;
    }
    content_begin(scratch, m, CONTENT_FRAME_MAX, results);
    content_match(c, scratch, all, CONTENT_FRAME_MAX);
    content_near(c, scratch, 60000, all, CONTENT_FRAME_MAX);
    content_score(c, scratch, all, CONTENT_FRAME_MAX);
    for (uint16_t i = 0; i < CONTENT_FRAME_MAX; i++) {
        assert_int_equal(results[i].n_hits, 1);
        assert_int_equal(results[i].n_hosts, 1);
        assert_int_equal(results[i].flags & CONTENT_WAS_CUT, i % 2 ? 0 : CONTENT_WAS_CUT);
        assert_string_equal(results[i].hosts[0].ptr, "a-long-name.example.com");
    }
    content_free(c);
}

/* Bytes that would let a text be cut to nothing. */
static void test_cuts(void **state)
{
    (void)state;
    static char text[CONTENT_TEXT_MAX + 10];
    struct content *c = compile("prize", CONTENT_LITERAL, 9, NULL);
    memset(text, 0x80, sizeof text - 1);
    memcpy(text + 10, "prize", 5);
    assert_int_equal(run(c, text)->n_hits, 1);
    char out[8];
    assert_int_equal(content_skeleton("Pаy-Pal Ltd", 12, out, sizeof out), 7);
    assert_string_equal(out, "paypall");
    content_free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_all_steps, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_without_model_or_rules, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_rules_are_replaced, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_some_leave_on_the_way, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_the_largest_frame, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_cuts, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
