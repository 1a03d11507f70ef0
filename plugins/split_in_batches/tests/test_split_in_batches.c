/* SPDX-License-Identifier: Apache-2.0
 * catalyst.splitInBatches: passes, the end, late comers, starting anew, executions side by side.
 */
#include "../split_in_batches.c"
#include "fake_host.h"
#include <setjmp.h>
#include <cmocka.h>

/* All outputs of a port since the last look, as {"n":1} -> "1". */
static const char *since(struct fake *f, unsigned port, size_t *seen)
{
    const char *all = "";
    for (; *seen < fake_outputs(f, port); ++*seen) {
        int n = atoi(fake_output_json(f, port, *seen) + 5);
        all = fake_fmt(&f->heap, "%s%s%d", all, all[0] ? " " : "", n);
    }
    return all;
}

static void give(struct fake *f, int from, int to)
{
    for (int i = from; i <= to; i++)
        fake_item(f, fake_fmt(&f->heap, "{\"n\":%d}", i));
    fake_run(f);
}

static void passes(void **state)
{
    struct fake *f = fake_create(&wf_plugin_entry, NULL);
    size_t done = 0, loop = 0;
    (void)state;
    assert_int_equal(fake_start(f, "{\"batchSize\":2}"), 0);
    give(f, 1, 5);
    assert_string_equal(since(f, PORT_LOOP, &loop), "1 2");
    give(f, 11, 12);
    assert_string_equal(since(f, PORT_LOOP, &loop), "3 4");
    give(f, 13, 13); /* the work may give back fewer, or more */
    assert_string_equal(since(f, PORT_LOOP, &loop), "5");
    assert_string_equal(since(f, PORT_DONE, &done), "");
    give(f, 14, 17);
    assert_string_equal(since(f, PORT_LOOP, &loop), "");
    assert_string_equal(since(f, PORT_DONE, &done), "11 12 13 14 15 16 17");
    give(f, 18, 18); /* a late comer leaves, and nothing leaves twice */
    assert_string_equal(since(f, PORT_DONE, &done), "18");
    assert_string_equal(since(f, PORT_LOOP, &loop), "");
    assert_true(fake_output(f, PORT_LOOP, 0)->passed);
    fake_destroy(f);
}

static void one_by_one(void **state)
{
    struct fake *f = fake_create(&wf_plugin_entry, NULL);
    size_t done = 0, loop = 0;
    (void)state;
    assert_int_equal(fake_start(f, "{}"), 0);
    give(f, 1, 300);
    for (int i = 1; i <= 300; i++) {
        assert_int_equal(fake_outputs(f, PORT_DONE), 0);
        assert_string_equal(since(f, PORT_LOOP, &loop), fake_fmt(&f->heap, "%d", i));
        give(f, 1000 + i, 1000 + i);
    }
    assert_int_equal(fake_outputs(f, PORT_DONE), 300);
    assert_string_equal(fake_output_json(f, PORT_DONE, 299), "{\"n\":1300}");
    assert_int_equal(strncmp(since(f, PORT_DONE, &done), "1001 1002 ", 10), 0);
    fake_destroy(f);
}

static void starts_anew(void **state)
{
    struct fake *f = fake_create(&wf_plugin_entry, NULL);
    size_t done = 0, loop = 0;
    (void)state;
    assert_int_equal(
        fake_start(f, "{\"batchSize\":2,\"options\":{\"reset\":\"={{ $json.new }}\"}}"), 0);
    give(f, 1, 3);
    assert_string_equal(since(f, PORT_LOOP, &loop), "1 2");
    fake_item(f, "{\"n\":7,\"new\":true}");
    give(f, 8, 9);
    assert_string_equal(since(f, PORT_LOOP, &loop), "7 8");
    give(f, 11, 12);
    assert_string_equal(since(f, PORT_LOOP, &loop), "9");
    give(f, 13, 13);
    assert_string_equal(since(f, PORT_DONE, &done), "11 12 13");
    fake_destroy(f);
}

static void keeps_executions_apart(void **state)
{
    struct fake *f = fake_create(&wf_plugin_entry, NULL);
    size_t loop = 0;
    (void)state;
    assert_int_equal(fake_start(f, "{\"batchSize\":3}"), 0);
    give(f, 1, 4);
    fake_execution(f);
    give(f, 5, 6);
    assert_string_equal(since(f, PORT_LOOP, &loop), "1 2 3 5 6");
    assert_int_equal(fake_outputs(f, PORT_DONE), 0);
    fake_destroy(f);
}

static void refuses(void **state)
{
    struct fake *f = fake_create(&wf_plugin_entry, NULL);
    (void)state;
    assert_int_equal(fake_start(f, "{\"batchSize\":0}"), -1);
    assert_non_null(strstr(fake_error(f), "batchSize"));
    fake_destroy(f);
}

static void needs_memory(void **state)
{
    struct fake *f = fake_create(&wf_plugin_entry, NULL);
    (void)state;
    fake_service(f, "memory/1", NULL);
    assert_int_equal(fake_start(f, "{}"), -1);
    assert_non_null(strstr(fake_error(f), "this engine is too old for loops"));
    fake_destroy(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(passes),       cmocka_unit_test(one_by_one),
        cmocka_unit_test(starts_anew),  cmocka_unit_test(refuses),
        cmocka_unit_test(needs_memory), cmocka_unit_test(keeps_executions_apart),
    };
    return cmocka_run_group_tests_name("catalyst.splitInBatches", tests, NULL, NULL);
}
