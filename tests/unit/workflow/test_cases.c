/* SPDX-License-Identifier: Apache-2.0
 * Definitions and what the compiler says of them, as golden files.
 *
 * cases/<topic>.txt holds cases of the form
 *
 *   === what it shows
 *   definition
 *   ---
 *   the report, one line per mistake, and the plan when there is one
 *
 * cases/n8n/<name>.json are exports as n8n writes them; <name>.plan beside each is its report and
 * plan. With CATALYST_UPDATE=1 in the environment the expected parts are written anew: read the
 * difference.
 */
#include "kit.h"
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>

enum { FILE_MAX = 4 << 20, CASES_MIN = 80 };

static struct plugin_set *plugins;

static const char *folder(void)
{
    static char path[1000];
    const char *source = getenv("CATALYST_SOURCE");
    snprintf(path, sizeof path, "%s/tests/unit/workflow/cases", source ? source : ".");
    return path;
}

static char *file_read(const char *path)
{
    FILE *f = fopen(path, "rb");
    if (!f)
        return NULL;
    struct strbuf b;
    strbuf_init(&b, FILE_MAX);
    char block[4096];
    for (size_t n; (n = fread(block, 1, sizeof block, f)) > 0;)
        strbuf_add(&b, block, n);
    fclose(f);
    assert_false(b.failed);
    return strbuf_take(&b);
}

static void file_write(const char *path, const struct strbuf *b)
{
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(b->ptr, 1, b->len, f), b->len);
    assert_int_equal(fclose(f), 0);
}

/* What the compiler says of a definition: its report and its plan. */
static void describe(struct strbuf *out, wf_str text, bool credentials)
{
    static const wf_host host = { .size = sizeof host };
    struct workflow_options options = { .plugins = plugins,
                                        .credential = credentials ? kit_credential : NULL,
                                        .host = &host };
    struct workflow_report report;
    struct strbuf b;
    strbuf_init(&b, FILE_MAX);
    struct plan *p = workflow_compile(text, &options, &report);
    assert_true((p == NULL) == (report.n_errors > 0));
    workflow_report_print(&b, &report, "wf", text, false);
    if (p)
        plan_dump(&b, p);
    strbuf_add(out, b.ptr ? b.ptr : "", b.len);
    plan_unref(p);
    workflow_report_fini(&report);
    strbuf_fini(&b);
}

static int compare(const char *file, wf_str title, wf_str expected, const struct strbuf *got,
                   size_t from)
{
    wf_str rest = { got->ptr + from, got->len - from };
    if (str_eq(rest, expected))
        return 0;
    fprintf(stderr, "%s: %.*s\n--- expected\n%.*s--- got\n%.*s", file, STR_ARG(title),
            STR_ARG(expected), STR_ARG(rest));
    return 1;
}

/* --- cases in one file ------------------------------------------------------------------------ */

struct one {
    wf_str title, text, expected;
};

static const char *line_start(const char *from, const char *what)
{
    const char *at = strncmp(from, what, strlen(what)) ? strstr(from, what) : from;
    while (at && at != from && at[-1] != '\n')
        at = strstr(at + 1, what);
    return at;
}

/* Reads the case at `at`; returns where the next one starts, or NULL. */
static const char *case_read(const char *at, struct one *one)
{
    one->title.ptr = at;
    one->title.len = strcspn(at, "\n");
    one->text.ptr = at + one->title.len + 1;
    const char *end = line_start(one->text.ptr, "---\n");
    if (!end)
        fail_msg("case without ---: %.*s", STR_ARG(one->title));
    one->text.len = (size_t)(end - one->text.ptr);
    if (one->text.len)
        one->text.len--; /* the newline before --- is ours */
    one->expected.ptr = end + 4;
    const char *next = line_start(one->expected.ptr, "=== ");
    one->expected.len = next ? (size_t)(next - one->expected.ptr) : strlen(one->expected.ptr);
    return next;
}

static int run_file(const char *file, unsigned *n)
{
    char path[1300], *content;
    int failures = 0;
    snprintf(path, sizeof path, "%s/%s", folder(), file);
    content = file_read(path);
    assert_non_null(content);
    struct strbuf out;
    strbuf_init(&out, FILE_MAX);
    struct one one;
    for (const char *at = line_start(content, "=== "); at; ++*n) {
        at = case_read(at, &one);
        strbuf_addf(&out, "%.*s\n%.*s\n---\n", STR_ARG(one.title), STR_ARG(one.text));
        size_t from = out.len;
        describe(&out, one.text, true);
        failures += compare(file, one.title, one.expected, &out, from);
    }
    if (getenv("CATALYST_UPDATE"))
        file_write(path, &out);
    strbuf_fini(&out);
    free(content);
    return failures;
}

static bool has_end(const char *name, const char *end)
{
    size_t len = strlen(name), end_len = strlen(end);
    return len > end_len && !strcmp(name + len - end_len, end);
}

/* Time zones are those of the machine. */
static bool can_run(const char *file)
{
    return strcmp(file, "timezone.txt") != 0 ||
           access("/usr/share/zoneinfo/Europe/Berlin", F_OK) == 0;
}

static void test_cases(void **state)
{
    (void)state;
    unsigned n = 0;
    int failures = 0;
    DIR *dir = opendir(folder());
    assert_non_null(dir);
    for (struct dirent *entry; (entry = readdir(dir));)
        if (has_end(entry->d_name, ".txt") && can_run(entry->d_name))
            failures += run_file(entry->d_name, &n);
    closedir(dir);
    print_message("%u cases\n", n);
    assert_true(n >= CASES_MIN);
    if (!getenv("CATALYST_UPDATE"))
        assert_int_equal(failures, 0);
}

/* --- exports of n8n --------------------------------------------------------------------------- */

static int run_export(const char *file)
{
    char path[1300];
    struct strbuf out;
    strbuf_init(&out, FILE_MAX);
    snprintf(path, sizeof path, "%s/n8n/%s", folder(), file);
    char *text = file_read(path);
    assert_non_null(text);
    describe(&out, str_of(text), false);
    snprintf(path, sizeof path, "%s/n8n/%.*s.plan", folder(), (int)(strlen(file) - 5), file);
    char *expected = file_read(path);
    int failures = compare(file, STR(""), str_of(expected ? expected : ""), &out, 0);
    failures += strstr(out.ptr, ": error: ") != NULL;
    if (getenv("CATALYST_UPDATE"))
        file_write(path, &out);
    strbuf_fini(&out);
    free(expected);
    free(text);
    return failures;
}

static void test_exports(void **state)
{
    (void)state;
    char path[1100];
    unsigned n = 0;
    int failures = 0;
    snprintf(path, sizeof path, "%s/n8n", folder());
    DIR *dir = opendir(path);
    assert_non_null(dir);
    for (struct dirent *entry; (entry = readdir(dir));)
        if (has_end(entry->d_name, ".json")) {
            failures += run_export(entry->d_name);
            n++;
        }
    closedir(dir);
    print_message("%u exports\n", n);
    assert_true(n >= 20);
    if (!getenv("CATALYST_UPDATE"))
        assert_int_equal(failures, 0);
}

static int setup(void **state)
{
    (void)state;
    plugins = kit_plugins();
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    plugin_set_destroy(plugins);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_cases),
                                        cmocka_unit_test(test_exports) };
    return cmocka_run_group_tests(tests, setup, teardown);
}
