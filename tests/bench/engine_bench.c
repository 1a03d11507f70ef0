/* SPDX-License-Identifier: Apache-2.0
 * The engine alone: no broker, no database. The standard message goes through the plan of a shipped
 * workflow with real plugins; commits succeed at once, outputs are counted. One core.
 *
 *   bench_engine [four|lua|noop] [rounds] [executions]
 *
 * four: if, set, switch, send; lua: the same and one script per item. Prints JSON lines with the
 * median, the smallest and the largest of the rounds, in executions a second.
 */
#include "engine/engine.h"
#include "base/clock.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CHUNK = 256, TURN = 4096, ROUNDS = 7 };
static size_t executions = 400000;

static const char message[] =
    "{\"id\":\"01HV5Z7Q3K8M2N4P6R8T0V2X4Z\",\"tenant\":\"acme-telecom\",\"channel\":\"sms\","
    "\"from\":\"+4915112345678\",\"to\":\"+4917698765432\","
    "\"text\":\"Your code is 482913. Do not share it with anybody. Ends 12:40\","
    "\"ts\":1732281600123,\"segments\":1,\"priority\":5,"
    "\"meta\":{\"campaign\":\"login-otp\",\"ref\":\"a1b2c3d4\",\"price\":0.0075,\"retry\":false},"
    "\"tags\":[\"otp\",\"de\",\"gold\"]}";
_Static_assert(sizeof message - 1 == 342, "the standard message has 342 bytes");

#define NODE(name, type, parameters)                                                               \
    "{\"name\":\"" name "\",\"type\":\"" type                                                      \
    "\",\"typeVersion\":1,\"position\":[0,0],\"parameters\":" parameters "}"
#define EDGE(from, to)                                                                             \
    "\"" from "\":{\"main\":[[{\"node\":\"" to "\",\"type\":\"main\",\"index\":0}]]}"

#define HEAD                                                                                       \
    NODE("In", "catalyst.kafkaTrigger", "{\"topic\":\"in\",\"options\":{\"onlyMessage\":true}}")
#define IF                                                                                         \
    NODE("Has text", "catalyst.if",                                                                \
         "{\"conditions\":{\"combinator\":\"and\",\"conditions\":[{\"leftValue\":\"={{ "           \
         "$json.text }}\","                                                                        \
         "\"rightValue\":\"\",\"operator\":{\"type\":\"string\",\"operation\":\"notEmpty\","       \
         "\"singleValue\":true}}]}}")
#define SET                                                                                        \
    NODE("Stamp", "catalyst.set",                                                                  \
         "{\"includeOtherFields\":true,\"assignments\":{\"assignments\":[{\"id\":\"1\",\"name\":"  \
         "\"route\","                                                                              \
         "\"type\":\"string\",\"value\":\"={{ $json.meta.campaign }}\"}]}}")
#define SWITCH                                                                                     \
    NODE("Channel", "catalyst.switch",                                                             \
         "{\"rules\":{\"values\":[{\"conditions\":{\"combinator\":\"and\",\"conditions\":[{"       \
         "\"leftValue\":"                                                                          \
         "\"={{ $json.channel "                                                                    \
         "}}\",\"rightValue\":\"sms\",\"operator\":{\"type\":\"string\",\"operation\":"            \
         "\"equals\"}}]}}]}}")
#define SEND NODE("Out", "catalyst.kafka", "{\"topic\":\"out\",\"key\":\"={{ $json.to }}\"}")
#define LUA                                                                                        \
    NODE(                                                                                          \
        "Price", "catalyst.code",                                                                  \
        "{\"mode\":\"runOnceForEachItem\",\"code\":\"item.json.total = item.json.segments * 2\"}")
#define WORKFLOW(nodes, edges)                                                                     \
    "{\"id\":\"bench\",\"name\":\"bench\",\"active\":true,\"nodes\":[" nodes                       \
    "],\"connections\":{" edges "},\"settings\":{\"executionOrder\":\"v1\"}}"

static const struct {
    const char *name, *definition;
} workflows[] = {
    { "noop", WORKFLOW(HEAD "," NODE("Nothing", "catalyst.noOp", "{}"), EDGE("In", "Nothing")) },
    { "four", WORKFLOW(HEAD "," IF "," SET "," SWITCH "," SEND,
                       EDGE("In", "Has text") "," EDGE("Has text", "Stamp") "," EDGE(
                           "Stamp", "Channel") "," EDGE("Channel", "Out")) },
    { "lua",
      WORKFLOW(HEAD "," IF "," SET "," LUA "," SWITCH "," SEND,
               EDGE("In", "Has text") "," EDGE("Has text", "Stamp") "," EDGE(
                   "Stamp", "Price") "," EDGE("Price", "Channel") "," EDGE("Channel", "Out")) },
};

static struct {
    struct engine *engine;
    bool committing;
    uint64_t outputs, bytes;
} bench;

static int64_t mono(void *ctx)
{
    (void)ctx;
    return clock_mono_us();
}

static int64_t wall(void *ctx)
{
    (void)ctx;
    return clock_wall_us();
}

static uint64_t no_random(void *ctx)
{
    (void)ctx;
    return 0;
}

static void commit(void *ctx, const struct store_turn *turn)
{
    (void)ctx;
    (void)turn;
    bench.committing = true;
}

static void release(void *ctx, struct lane *lane, uint64_t seq, const struct store_block *block)
{
    (void)ctx;
    (void)lane;
    (void)seq;
    bench.outputs += block->n_outputs;
    bench.bytes += block->outputs.len;
}

static void acknowledge(void *ctx, struct lane *lane, uint64_t position)
{
    (void)ctx;
    (void)lane;
    (void)position;
}

static void answer(void *ctx, const struct engine_reply_out *reply)
{
    (void)ctx;
    (void)reply;
}

static void lane_lost(void *ctx, struct lane *lane)
{
    (void)ctx;
    (void)lane;
}

static void print_log(void *ctx, int level, const char *event, const char *text)
{
    (void)ctx;
    (void)level;
    fprintf(stderr, "%s: %s\n", event, text);
}

static int build(const struct lane *lane, void *event, struct arena *a, struct inbound_item **items,
                 size_t *n, struct err *err)
{
    (void)lane;
    (void)event;
    struct json_error why;
    *items = ARENA_NEW(a, struct inbound_item);
    *n = 1;
    if (json_parse(a, message, sizeof message - 1, 0, &(*items)->json, &why) == 0)
        return 0;
    return err_set(err, ERR_INVALID, "%s", why.reason);
}

static struct plan *compile(const struct plugin_set *plugins, const char *definition)
{
    struct workflow_options options = { .plugins = plugins };
    struct workflow_report report;
    struct plan *plan = workflow_compile(str_of(definition), &options, &report);
    if (!plan) {
        struct strbuf b;
        strbuf_init(&b, 1u << 20);
        workflow_report_print(&b, &report, "bench", str_of(definition), false);
        fputs(b.ptr, stderr);
        exit(1);
    }
    workflow_report_fini(&report);
    return plan;
}

static void commit_all(void)
{
    if (!engine_commit(bench.engine))
        return;
    static const struct store_commit_result ok = { .result = STORE_OK };
    bench.committing = false;
    engine_committed(bench.engine, &ok);
}

static double run_once(struct lane *lane, uint64_t *position)
{
    struct inbound in[CHUNK];
    int64_t start = clock_mono_us();
    for (size_t done = 0; done < executions; done += CHUNK) {
        for (size_t i = 0; i < CHUNK; i++)
            in[i] = (struct inbound){ .lane = lane,
                                      .position = (*position)++,
                                      .raw = { message, sizeof message - 1 },
                                      .build = build };
        engine_accept(bench.engine, in, CHUNK);
        engine_run(bench.engine, 0);
        if (done % TURN == 0)
            commit_all();
    }
    commit_all();
    return (double)executions * 1e6 / (double)(clock_mono_us() - start);
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static void run(const struct plugin_set *plugins, const char *name, const char *definition,
                int rounds)
{
    struct err err;
    struct expr_lua *lua = expr_lua_create(&(struct expr_limits){ 0 }, NULL, &err);
    struct engine_config config = { .io = { .mono_us = mono,
                                            .wall_us = wall,
                                            .random = no_random,
                                            .commit = commit,
                                            .release = release,
                                            .acknowledge = acknowledge,
                                            .answer = answer,
                                            .lane_lost = lane_lost },
                                    .lua = lua,
                                    .save_inputs = true,
                                    .log = print_log };
    bench.engine = engine_create(&config);
    struct plan *plan = compile(plugins, definition);
    struct engine_plan *ep = engine_plan_add(bench.engine, plan, &err);
    if (!ep) {
        fprintf(stderr, "%s\n", err.text);
        exit(1);
    }
    struct lane *lane =
        engine_lane_add(bench.engine, &(struct lane_config){ .at = { .source = 1, .epoch = 1 },
                                                             .plan = ep,
                                                             .trigger = plan->triggers[0] });
    double rates[64];
    uint64_t position = 0;
    run_once(lane, &position);
    for (int i = 0; i < rounds; i++)
        rates[i] = run_once(lane, &position);
    qsort(rates, (size_t)rounds, sizeof *rates, by_value);
    const struct plan_counters *c = engine_plan_counters(ep);
    printf("{\"bench\":\"engine.%s\",\"per_s\":%.0f,\"min\":%.0f,\"max\":%.0f,\"us\":%.3f,"
           "\"rounds\":%d,\"executions\":%zu,"
           "\"bytes\":342,\"failed\":%llu,\"outputs\":%llu}\n",
           name, rates[rounds / 2], rates[0], rates[rounds - 1], 1e6 / rates[rounds / 2], rounds,
           executions, (unsigned long long)c->failed, (unsigned long long)bench.outputs);
    engine_destroy(bench.engine);
    plan_unref(plan);
    expr_lua_destroy(lua);
}

int main(int argc, char **argv)
{
    int rounds = argc > 2 ? atoi(argv[2]) : ROUNDS;
    if (argc > 3)
        executions = strtoull(argv[3], NULL, 10);
    const char *dir = getenv("CATALYST_PLUGINS");
    struct plugin_set *plugins = plugin_set_create();
    struct err err;
    if (rounds < 1 || rounds > 64 ||
        plugin_set_load_dir(plugins, dir ? dir : CATALYST_PLUGINS, NULL, NULL, &err) < 0) {
        fprintf(stderr, "bench_engine: plugins or rounds are wrong\n");
        return 2;
    }
    for (size_t i = 0; i < sizeof workflows / sizeof *workflows; i++)
        if (argc < 2 || !strcmp(argv[1], workflows[i].name))
            run(plugins, workflows[i].name, workflows[i].definition, rounds);
    plugin_set_destroy(plugins);
    return 0;
}
