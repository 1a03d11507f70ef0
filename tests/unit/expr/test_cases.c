/* SPDX-License-Identifier: Apache-2.0
 * Every expression of cases.txt gives what stands below it.
 */
#include "fixture.h"

static char *read_file(const char *name)
{
    char path[512];
    const char *source = getenv("CATALYST_SOURCE");
    snprintf(path, sizeof path, "%s/tests/unit/expr/%s", source ? source : ".", name);
    FILE *file = fopen(path, "rb");
    if (!file)
        fail_msg("no %s", path);
    char *text = calloc(1, 1 << 20);
    assert_non_null(text);
    assert_true(fread(text, 1, (1 << 20) - 1, file) > 0);
    fclose(file);
    return text;
}

/* The next line that is no comment and not empty, or NULL. */
static char *next_line(char **at)
{
    char *line;
    do {
        line = strsep(at, "\n");
    } while (line && (!*line || *line == '#'));
    return line;
}

static void cases_give_what_they_say(void **state)
{
    (void)state;
    struct fixture x;
    char *text = read_file("cases.txt"), *at = text, *source;
    unsigned n = 0, bad = 0;
    fixture_open(&x, NULL);
    x.json = fixture_parse(&x, next_line(&at));
    while ((source = next_line(&at))) {
        char *expected = next_line(&at);
        assert_non_null(expected);
        expected += strspn(expected, " ");
        const char *got = fixture_eval(&x, strcmp(source, "(empty)") ? source : "");
        if (!got)
            got = x.error.text[0] ? x.error.text : x.err.text;
        if (strcmp(got, expected) != 0) {
            print_error("%s\n  expected %s\n  got      %s\n", source, expected, got);
            bad++;
        }
        n++;
    }
    assert_int_equal(bad, 0);
    assert_true(n > 600);
    fixture_close(&x);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(cases_give_what_they_say) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
