/* SPDX-License-Identifier: Apache-2.0
 * Patterns as rules write them: what they find in whatever spelling, what is refused and with which
 * words, that hits are in order and bounded, that the compiled ones come back from disk and a
 * damaged file does no harm, and that ten thousand compile.
 */
#include "../confusables.c"
#include "../normalise.c"
#include "../normalise_ascii.c"
#include "../normalise_tricks.c"
#include "../pattern_cache.c"
#include "../pattern_text.c"
#include "../patterns.c"
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static struct content_options options;
static struct content_problem why;

static struct pattern_hits match(const struct patterns *p, const char *text)
{
    static char normal[4096];
    static uint16_t from[4097];
    struct norm n = { .text = normal, .from = from, .size = sizeof normal };
    struct pattern_hits hits = { 0 };
    hs_scratch_t *scratch = NULL;
    assert_int_equal(patterns_scratch(p, &scratch), 0);
    norm_run(&n, text, strlen(text));
    patterns_match(p, scratch, normal, n.len, n.alts, n.n_alts, &hits);
    patterns_match_raw(p, scratch, text, strlen(text), &hits);
    hs_free_scratch(scratch);
    return hits;
}

static struct patterns *compile(enum content_kind kind, const char *text)
{
    struct content_pattern one = { text, strlen(text), kind, 7 };
    return patterns_compile(&one, 1, &options, &why);
}

static void check(enum content_kind kind, const char *pattern, const char *text, unsigned wanted)
{
    struct patterns *p = compile(kind, pattern);
    if (!p)
        fail_msg("\"%s\": %s", pattern, why.text);
    struct pattern_hits hits = match(p, text);
    if (hits.n != wanted || (wanted && hits.numbers[0] != 7))
        fail_msg("\"%s\" in \"%s\": %u hits", pattern, text, hits.n);
    patterns_free(p);
}

static void test_literals(void **state)
{
    (void)state;
    check(CONTENT_LITERAL, "Free  Money", "get FREE money!", 1);
    check(CONTENT_LITERAL, "free money", "gеt Frее\xe2\x80\x8b MОNEY", 1);
    check(CONTENT_LITERAL, "free money", "f r e e  m o n e y", 0); /* read as one word */
    check(CONTENT_LITERAL, "win", "I am winning", 1);
    check(CONTENT_LITERAL, "a.c+(", "abc+(", 0);
    check(CONTENT_LITERAL, "a.c+(", "xa.C+(", 1);
    check(CONTENT_LITERAL, "£100", "now £100 off", 1);
    check(CONTENT_LITERAL, "bad.com", "go to bad [.] com", 1);
    check(CONTENT_LITERAL, "виагра", "Купите ВИАГРА тут", 1);
    /* letters that could all be Latin, in a text of either script */
    check(CONTENT_LITERAL, "сом", "Это сом, рыба", 1);
    check(CONTENT_LITERAL, "сом", "buy com now", 1);
}

static void test_words(void **state)
{
    (void)state;
    check(CONTENT_WORDS, "win", "I am winning", 0);
    check(CONTENT_WORDS, "win", "WIN!", 1);
    check(CONTENT_WORDS, "win", "to w1n it", 1);
    check(CONTENT_WORDS, "£5", "for £5.", 1);
    check(CONTENT_WORDS, "дом", "домик", 0);
    check(CONTENT_WORDS, "дом", "наш дом!", 1);
}

static void test_second_reading(void **state)
{
    (void)state;
    check(CONTENT_LITERAL, "paypal login", "paypa1 1ogin", 1);
    check(CONTENT_LITERAL, "viagra", "v1agra", 1);
    check(CONTENT_LITERAL, "pa1d", "paid", 1);
    check(CONTENT_LITERAL, "ma1l", "mall mail", 1);
}

static void test_expressions(void **state)
{
    (void)state;
    check(CONTENT_REGEX, "https?://[a-z0-9.-]*paypa[li][^/]*\\.(ru|top)/", "HXXP://my-paypal.top/x",
          1);
    check(CONTENT_REGEX, "\\bOTP\\b.{0,20}share", "Your otp: do not SHARE", 1);
    check(CONTENT_REGEX, "^\\d{6}$", "123456", 1);
    check(CONTENT_REGEX, "^\\d{6}$", "1234567", 0);
    check(CONTENT_REGEX, "ВЫИГР.{1,8}приз", "Вы выиграли приз", 1);
    check(CONTENT_REGEX, "crédit", "Credit", 1);
    check(CONTENT_REGEX, "a.b", "a\nb", 1);
    check(CONTENT_REGEX_RAW, "FREE!!!", "now free!!! ok", 1);
    check(CONTENT_REGEX_RAW, "FREE!!!", "frее!!!", 0);
    check(CONTENT_REGEX_RAW, "\\xd0\\xb5", "fr\xd0\xb5", 1);
}

static void check_refused(enum content_kind kind, const char *pattern, const char *words)
{
    memset(&why, 0, sizeof why);
    assert_null(compile(kind, pattern));
    assert_int_equal(why.pattern, 0);
    if (!strstr(why.text, words))
        fail_msg("\"%s\": %s", pattern, why.text);
}

static void test_refused(void **state)
{
    (void)state;
    char many[CONTENT_PATTERN_MAX + 2] = "";
    check_refused(CONTENT_REGEX, "(a", "parenthes");
    check_refused(CONTENT_REGEX, "(?=a)b", "look-around");
    check_refused(CONTENT_REGEX, "(a)\\1", "back-references");
    check_refused(CONTENT_REGEX, "a*", "empty");
    check_refused(CONTENT_REGEX, "\xff", "UTF-8");
    check_refused(CONTENT_REGEX, "(a{1,100}b{1,100}){1,100}", "repeats");
    check_refused(CONTENT_REGEX, "((((a{20}){20}){20}){20}){20}", "repeats");
    check_refused(CONTENT_REGEX, "a{9999999999999}", "repeats");
    check_refused(CONTENT_LITERAL, "", "bytes");
    check_refused(CONTENT_LITERAL, "!", "two characters");
    check_refused(CONTENT_WORDS, "\xe2\x80\x8b\xe2\x80\x8b", "two characters");
    memset(many, 'a', sizeof many - 1);
    check_refused(CONTENT_LITERAL, many, "bytes");
    memset(many, '(', 200);
    memset(many + 200, ')', 200);
    many[400] = 0;
    check_refused(CONTENT_REGEX, many, "deep");
    struct content_pattern nul = { "a\0b", 3, CONTENT_REGEX, 1 };
    assert_null(patterns_compile(&nul, 1, &options, &why));
    struct content_pattern second[2] = { { "ok", 2, CONTENT_LITERAL, 1 },
                                         { "[z-a]", 5, CONTENT_REGEX, 2 } };
    assert_null(patterns_compile(second, 2, &options, &why));
    assert_int_equal(why.pattern, 1);
}

static void test_hits_are_in_order_and_bounded(void **state)
{
    (void)state;
    struct content_pattern many[40];
    for (uint32_t i = 0; i < 40; i++)
        many[i] = (struct content_pattern){ "prize", 5, CONTENT_LITERAL, 100 - i };
    many[39].number = many[38].number;
    struct patterns *p = patterns_compile(many, 40, &options, &why);
    if (!p)
        fail_msg("%s", why.text);
    struct pattern_hits hits = match(p, "a prize, a pr1ze and a PRIZE");
    assert_int_equal(hits.n, CONTENT_HITS_MAX);
    assert_int_equal(hits.more, 1);
    for (uint32_t i = 0; i < CONTENT_HITS_MAX; i++)
        assert_int_equal(hits.numbers[i], 62 + i);
    patterns_free(p);
    p = patterns_compile(many, 10, &options, &why);
    if (!p)
        fail_msg("%s", why.text);
    hits = match(p, "prize prize");
    assert_int_equal(hits.n, 10);
    assert_int_equal(hits.more, 0);
    patterns_free(p);
}

static void test_none(void **state)
{
    (void)state;
    struct patterns *p = patterns_compile(NULL, 0, &options, &why);
    assert_non_null(p);
    assert_int_equal(match(p, "anything").n, 0);
    patterns_free(p);
}

struct told {
    size_t calls, last, total, give_up_at;
};

static int on_progress(void *data, size_t done, size_t total)
{
    struct told *t = data;
    assert_true(done >= t->last && done <= total);
    t->last = done;
    t->total = total;
    return ++t->calls == t->give_up_at;
}

/* Words that nobody says. */
static struct content_pattern *synthetic(size_t n)
{
    struct content_pattern *p = calloc(n, sizeof *p);
    uint32_t seed = 1;
    for (size_t i = 0; i < n; i++) {
        char text[80], word[2][10];
        for (size_t w = 0; w < 2; w++)
            for (size_t k = 0; k < 9; k++)
                word[w][k] =
                    (char)(k == 8 ? 0 : 'a' + ((seed = seed * 1664525 + 1013904223) >> 20) % 26);
        int regex = i % 5 == 0;
        snprintf(text, sizeof text, regex ? "https?://[a-z.-]*%s[a-z]*\\.(com|ru)/%.3s" : "%s %.4s",
                 word[0], word[1]);
        p[i] = (struct content_pattern){ strdup(text), strlen(text),
                                         regex ? CONTENT_REGEX : CONTENT_LITERAL, (uint32_t)i };
    }
    return p;
}

static void drop(struct content_pattern *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        free((char *)(uintptr_t)p[i].text);
    free(p);
}

static void test_ten_thousand_with_progress(void **state)
{
    (void)state;
    enum { MANY = 10000 };
    struct content_pattern *many = synthetic(MANY);
    struct told told = { 0 };
    struct content_options told_options = { .on_progress = on_progress, .progress_data = &told };
    struct patterns *p = patterns_compile(many, MANY, &told_options, &why);
    assert_non_null(p);
    assert_true(told.calls > 10);
    assert_int_equal(told.last, told.total);
    assert_true(patterns_bytes(p) > 100000);
    struct pattern_hits hits = match(p, many[4321].text);
    assert_int_equal(hits.n, 1);
    assert_int_equal(hits.numbers[0], 4321);
    patterns_free(p);
    told = (struct told){ .give_up_at = 3 };
    assert_null(patterns_compile(many, MANY, &told_options, &why));
    assert_non_null(strstr(why.text, "given up"));
    assert_true(why.pattern == SIZE_MAX);
    drop(many, MANY);
}

static unsigned files_in(const char *folder, char *path, size_t size)
{
    DIR *d = opendir(folder);
    struct dirent *e;
    unsigned n = 0;
    while ((e = readdir(d)) != NULL) {
        if (e->d_name[0] == '.')
            continue;
        n++;
        snprintf(path, size, "%s/%s", folder, e->d_name);
    }
    closedir(d);
    return n;
}

static void compile_and_match(struct content_pattern *some, size_t n,
                              const struct content_options *cached)
{
    struct patterns *p = patterns_compile(some, n, cached, &why);
    assert_non_null(p);
    assert_int_equal(match(p, some[11].text).numbers[0], 11);
    patterns_free(p);
}

static void test_cache(void **state)
{
    (void)state;
    enum { SOME = 300 };
    char folder[] = "/tmp/test_patterns.XXXXXX", path[4096];
    struct content_pattern *some = synthetic(SOME);
    struct content_options cached = { .cache_folder = mkdtemp(folder) };
    struct stat first, second;
    compile_and_match(some, SOME, &cached);
    assert_int_equal(files_in(folder, path, sizeof path), 1);
    assert_int_equal(stat(path, &first), 0);
    compile_and_match(some, SOME, &cached); /* read back, not written */
    assert_int_equal(stat(path, &second), 0);
    assert_int_equal(first.st_ino, second.st_ino);
    assert_int_equal(truncate(path, first.st_size / 2), 0);
    compile_and_match(some, SOME, &cached); /* made anew */
    assert_int_equal(stat(path, &second), 0);
    assert_int_equal(first.st_size, second.st_size);
    FILE *f = fopen(path, "r+b");
    fseek(f, second.st_size - 100, SEEK_SET);
    fputs("damaged", f);
    fclose(f);
    compile_and_match(some, SOME, &cached);
    assert_int_equal(files_in(folder, path, sizeof path), 1);
    compile_and_match(some, SOME - 1, &cached); /* other rules, another file */
    assert_int_equal(files_in(folder, path, sizeof path), 2);
    while (files_in(folder, path, sizeof path))
        unlink(path);
    cached.cache_folder = "/nonexistent/folder";
    compile_and_match(some, SOME, &cached);
    rmdir(folder);
    drop(some, SOME);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_literals),       cmocka_unit_test(test_words),
        cmocka_unit_test(test_second_reading), cmocka_unit_test(test_expressions),
        cmocka_unit_test(test_refused),        cmocka_unit_test(test_hits_are_in_order_and_bounded),
        cmocka_unit_test(test_none),           cmocka_unit_test(test_ten_thousand_with_progress),
        cmocka_unit_test(test_cache),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
