/* SPDX-License-Identifier: Apache-2.0
 * The engine and plugins of other days: what a plugin hands over while it runs is read as far as
 * its own structs go, and no byte further.
 */
#include "../unit/engine/harness.h"

static struct {
    wf_request request;
    struct store_output output;
} given;

static void keep_request(void *ctx, wf_ticket ticket, const wf_request *request)
{
    (void)ctx;
    (void)ticket;
    given.request = *request;
}

static void keep_output(void *ctx, struct lane *lane, uint64_t seq, const struct store_block *block)
{
    size_t at = 0;
    (void)ctx;
    (void)lane;
    (void)seq;
    assert_int_equal(store_output_next(block->outputs, &at, &given.output), 1);
}

static void start(const char *type)
{
    char node[128];
    struct err err;
    snprintf(node, sizeof node, "{\"name\":\"A\",\"type\":\"%s\",\"position\":[1,0]}", type);
    if (plugin_set_load(rig.plugins, ABI_PLUGINS "/older.so", &err) != 0)
        fail_msg("%s", err.text);
    engine_destroy(rig.en);
    rig.en = engine_create(&(struct engine_config){ .io = { .mono_us = rig_mono,
                                                            .wall_us = rig_wall,
                                                            .random = rig_random,
                                                            .commit = rig_commit,
                                                            .release = keep_output,
                                                            .acknowledge = rig_acknowledge,
                                                            .request = keep_request,
                                                            .ended = rig_ended,
                                                            .lane_lost = rig_lane_lost },
                                                    .lua = rig.lua });
    rig_flow(V1, node, E("In", TO1("A")));
    send_message("{}");
}

static void request(void **state)
{
    (void)state;
    start("older.request");
    assert_string_equal(given.request.url, "http://old/");
    assert_null(given.request.headers);
    assert_null(given.request.cred);
    assert_null(given.request.upload);
    assert_int_equal(given.request.flags, 0);
    assert_true(given.request.max_bytes == 0);
}

static void error(void **state)
{
    (void)state;
    start("older.fail");
    expect_failed("A", "old trouble");
    assert_true(commit_start());
    assert_int_equal(rig.turn->n_execs, 1);
    assert_string_equal(rig.turn->execs[0].error.ptr,
                        "{\"message\":\"old trouble\",\"node\":\"A\",\"itemIndex\":0,"
                        "\"code\":\"old\"}");
    commit_ok();
}

static void output(void **state)
{
    (void)state;
    start("older.send");
    commit();
    assert_true(str_eq(given.output.topic, STR("old")));
    assert_int_equal(given.output.partition, -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = { TEST(request), TEST(error), TEST(output) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
