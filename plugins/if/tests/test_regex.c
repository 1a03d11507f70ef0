/* SPDX-License-Identifier: Apache-2.0
 * catalyst/regex.h: the syntax, what is refused, and that no pattern makes it slow.
 */
#include <catalyst/regex.h>
#include <setjmp.h>
#include <stdarg.h>
#include <time.h>
#include <cmocka.h>

enum { REFUSED = -2 };

static int match(const char *flags, const char *pattern, const char *text)
{
    char why[200];
    unsigned bits = (strchr(flags, 'i') ? WF_REGEX_FOLD : 0u) |
                    (strchr(flags, 'm') ? WF_REGEX_LINES : 0u) |
                    (strchr(flags, 's') ? WF_REGEX_DOT_ALL : 0u);
    wf_regex *re = wf_regex_create(pattern, strlen(pattern), bits, why, sizeof why);
    int found = re ? wf_regex_find(re, text, strlen(text)) : REFUSED;
    wf_regex_free(re);
    return found;
}

static void finds(void **state)
{
    static const struct {
        const char *flags, *pattern, *text;
        int found;
    } cases[] = {
        { "", "", "", 1 },
        { "", "", "a", 1 },
        { "", "b", "abc", 1 },
        { "", "^b", "abc", 0 },
        { "", "^abc$", "abc", 1 },
        { "", "a.c", "a\nc", 0 },
        { "s", "a.c", "a\nc", 1 },
        { "m", "^c$", "a\nc\nd", 1 },
        { "", "^c$", "a\nc\nd", 0 },
        { "", "colou?r", "color", 1 },
        { "", "ab*c", "ac", 1 },
        { "", "ab+c", "ac", 0 },
        { "", "ab+c", "abbbc", 1 },
        { "", "^a{2}$", "aaa", 0 },
        { "", "^a{2,}$", "aaa", 1 },
        { "", "^a{2,3}$", "aaaa", 0 },
        { "", "^a{0}b$", "b", 1 },
        { "", "^(ab){2}$", "abab", 1 },
        { "", "a{x", "a{x", 1 },
        { "", "^(a|bc|)d$", "bcd", 1 },
        { "", "^(a|bc|)d$", "d", 1 },
        { "", "^(?:a|b)+?$", "abab", 1 },
        { "", "^(?<year>\\d{4})-\\d\\d$", "2024-01", 1 },
        { "", "[a-cx]", "x", 1 },
        { "", "[^a-c]", "abc", 0 },
        { "", "[]]", "]", 0 },
        { "", "[^]", "\n", 1 },
        { "", "[\\]\\-]", "-", 1 },
        { "", "[a-]", "-", 1 },
        { "", "[\\w-]", "-", 1 },
        { "", "[\\d-z]", "-", 1 },
        { "", "\\bcat\\b", "a cat.", 1 },
        { "", "\\bcat\\b", "concat", 0 },
        { "", "\\Bcat", "concat", 1 },
        { "", "\\s\\S\\w\\W\\d\\D", " ab-1x", 1 },
        { "", "\\u00e4\\x41\\t", "\303\244A\t", 1 },
        { "", "\\u{1f600}", "\360\237\230\200", 1 },
        { "", "^.$", "\360\237\230\200", 1 },
        { "", "^[\303\244-\303\266]$", "\303\266", 1 },
        { "i", "STRASSE", "strasse", 1 },
        { "i", "^\303\204[\303\226]$", "\303\244\303\266", 1 },
        { "i", "[^a]", "A", 0 },
        { "i", "\\u0041", "a", 1 },
        { "", "A", "a", 0 },
        { "", "\\$\\.\\*", "$.*", 1 },
        { "", "(a*)*b", "aaab", 1 },
        { "", "(a*)+$", "b", 1 },
        { "", "x*", "", 1 },
        { "", "^(a?){3}a{3}$", "aaa", 1 },
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        if (match(cases[i].flags, cases[i].pattern, cases[i].text) != cases[i].found)
            fail_msg("/%s/%s on '%s'", cases[i].pattern, cases[i].flags, cases[i].text);
}

static void refuses(void **state)
{
    static const struct {
        const char *pattern, *why;
    } cases[] = {
        { "(a", "a parenthesis ( is not closed" },
        { "a)", "a parenthesis ) was not opened" },
        { "[a", "a bracket [ is not closed" },
        { "*a", "has nothing before it" },
        { "a**", "has nothing before it" },
        { "a|+", "has nothing before it" },
        { "a\\", "ends with a backslash" },
        { "[\\", "ends with a backslash" },
        { "[b-a]", "runs backwards" },
        { "a{3,2}", "runs backwards" },
        { "(a)\\1", "back-references" },
        { "\\k<a>", "back-references" },
        { "a(?=b)", "look-ahead" },
        { "a(?!b)", "look-ahead" },
        { "(?<=a)b", "look-ahead and look-behind" },
        { "(?<!a)b", "look-ahead and look-behind" },
        { "(?i)a", "a group begins with" },
        { "\\p{L}", "\\p{..} is not supported" },
        { "\\x4", "hexadecimal" },
        { "\\u{110000}", "hexadecimal" },
        { "((a{99}){99}){99}", "too large" },
        { "a{6000}", "too large" },
    };
    char deep[400];
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char why[200] = "";
        wf_regex *re =
            wf_regex_create(cases[i].pattern, strlen(cases[i].pattern), 0, why, sizeof why);
        if (re || !strstr(why, cases[i].why))
            fail_msg("/%s/: '%s'", cases[i].pattern, why);
    }
    memset(deep, '(', 200);
    memset(deep + 200, ')', 200);
    deep[399] = 0;
    assert_int_equal(match("", deep, ""), REFUSED);
}

/* Patterns that take a backtracking matcher longer than the universe has. */
static void stays_fast(void **state)
{
    static char text[50001];
    clock_t start = clock();
    (void)state;
    memset(text, 'a', sizeof text - 1);
    assert_int_equal(match("", "^(a+)+$", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab"),
                     0);
    assert_int_equal(match("", "(a*)*b", text), 0);
    assert_int_equal(match("", "(a|aa|a?)+c", text), 0);
    assert_int_equal(match("", "^(.*,){50}x", text), 0);
    assert_int_equal(match("", "(a?){2000}b", text), -1); /* would be 100 million steps: given up */
    assert_true((double)(clock() - start) / CLOCKS_PER_SEC < 20);
}

static void caches(void **state)
{
    wf_regex_cache cache = { 0 };
    char why[100], pattern[20];
    (void)state;
    wf_regex *first = wf_regex_cached(&cache, "a", 1, 0, why, sizeof why);
    assert_non_null(first);
    assert_ptr_equal(wf_regex_cached(&cache, "a", 1, 0, why, sizeof why), first);
    assert_ptr_not_equal(wf_regex_cached(&cache, "a", 1, WF_REGEX_FOLD, why, sizeof why), first);
    assert_null(wf_regex_cached(&cache, "(", 1, 0, why, sizeof why));
    for (int i = 0; i < 100; i++) {
        snprintf(pattern, sizeof pattern, "a%d", i);
        wf_regex *re = wf_regex_cached(&cache, pattern, strlen(pattern), 0, why, sizeof why);
        assert_int_equal(wf_regex_find(re, pattern, strlen(pattern)), 1);
    }
    assert_non_null(wf_regex_cached(&cache, "", 0, 0, why, sizeof why));
    wf_regex_cache_fini(&cache);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(finds), cmocka_unit_test(refuses),
                                        cmocka_unit_test(stays_fast), cmocka_unit_test(caches) };
    return cmocka_run_group_tests_name("regex", tests, NULL, NULL);
}
