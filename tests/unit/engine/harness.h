/* SPDX-License-Identifier: Apache-2.0
 * An engine driven by hand: a clock that moves when told, commits that succeed when told, and a
 * record of all that the engine asked for. A test compiles a workflow, sends messages, runs, and
 * reads `seen.text` and `rig`.
 */
#ifndef CATALYST_TEST_ENGINE_HARNESS_H
#define CATALYST_TEST_ENGINE_HARNESS_H
#include "engine/engine.h"
#include "nodes.h"
/* Behind nodes.h: cmocka has macros of common names. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

enum { MAX_PLANS = 8, MAX_REQUESTS = 16 };

static struct {
    struct plugin_set *plugins;
    struct expr_lua *lua;
    struct engine *en;
    struct engine_limits limits;
    struct plan *plans[MAX_PLANS];
    unsigned n_plans;
    struct engine_plan *ep; /* the latest */
    struct lane *lane;      /* the latest */
    uint32_t sources;       /* given out */
    uint64_t begun;         /* of the lanes to come, as the store has it */
    uint64_t epoch;         /* of the next lane; 0: 1 */
    uint64_t position;
    int64_t mono_us, wall_us;
    const struct store_turn *turn; /* in flight, or NULL */
    unsigned commits;
    struct strbuf released;     /* "topic=body " of each output */
    struct strbuf answers;      /* "handle:status:body " */
    struct strbuf acknowledged; /* "source@position " */
    struct strbuf lost;         /* "source " */
    struct strbuf started;      /* "workflow:item " */
    struct strbuf log;
    wf_ticket requests[MAX_REQUESTS];
    unsigned n_requests, n_canceled;
    void *asks[MAX_REQUESTS]; /* statements of plugins */
    unsigned n_asks;
    int no_store;
    unsigned freed; /* trigger events handed back */
    uint64_t last_seq;
    char error[512]; /* of the execution that failed last */
    char error_node[64];
} rig;

/* --- io --------------------------------------------------------------------------------------- */

static int64_t rig_mono(void *ctx)
{
    (void)ctx;
    return rig.mono_us;
}

static int64_t rig_wall(void *ctx)
{
    (void)ctx;
    return rig.wall_us;
}

static uint64_t rig_random(void *ctx)
{
    (void)ctx;
    return 0;
}

static void rig_commit(void *ctx, const struct store_turn *turn)
{
    (void)ctx;
    rig.turn = turn;
    rig.commits++;
}

static void rig_release(void *ctx, struct lane *lane, uint64_t seq, const struct store_block *block)
{
    (void)ctx;
    (void)lane;
    struct store_output out;
    size_t at = 0;
    rig.last_seq = seq;
    while (store_output_next(block->outputs, &at, &out) == 1)
        strbuf_addf(&rig.released, "%.*s=%.*s ", STR_ARG(out.topic), STR_ARG(out.body));
}

static void rig_acknowledge(void *ctx, struct lane *lane, uint64_t position)
{
    (void)ctx;
    strbuf_addf(&rig.acknowledged, "%u@%llu ", lane_id(lane).source, (unsigned long long)position);
}

static void rig_answer(void *ctx, const struct engine_reply_out *r)
{
    (void)ctx;
    strbuf_addf(&rig.answers, "%s:%d:%.*s ", (const char *)r->handle, r->status, STR_ARG(r->body));
}

static void rig_request(void *ctx, wf_ticket ticket, const wf_request *request)
{
    (void)ctx;
    (void)request;
    if (rig.n_requests < MAX_REQUESTS)
        rig.requests[rig.n_requests++] = ticket;
}

static void rig_cancel(void *ctx, wf_ticket ticket)
{
    (void)ctx;
    (void)ticket;
    rig.n_canceled++;
}

static void rig_lane_lost(void *ctx, struct lane *lane)
{
    (void)ctx;
    strbuf_addf(&rig.lost, "%u ", lane_id(lane).source);
    if (rig.lane == lane)
        rig.lane = NULL;
}

static void rig_start(void *ctx, const char *workflow, wf_str item)
{
    (void)ctx;
    strbuf_addf(&rig.started, "%s:%.*s ", workflow, STR_ARG(item));
}

static void rig_ended(void *ctx, struct exec *e, enum store_status status)
{
    (void)ctx;
    if (status != STORE_ERROR)
        return;
    snprintf(rig.error, sizeof rig.error, "%s", exec_error(e));
    snprintf(rig.error_node, sizeof rig.error_node, "%s", exec_error_node(e));
}

static int rig_sql(void *ctx, void *handle, const wf_statement *statements, size_t n)
{
    (void)ctx;
    (void)statements;
    (void)n;
    if (rig.no_store)
        return -1;
    rig.asks[rig.n_asks++] = handle;
    return 0;
}

static void rig_log(void *ctx, int level, const char *event, const char *text)
{
    (void)ctx;
    (void)level;
    (void)text;
    strbuf_addf(&rig.log, "%s ", event);
}

/* --- set-up ----------------------------------------------------------------------------------- */

static inline void rig_engine(void)
{
    struct engine_config config = { .io = { .mono_us = rig_mono,
                                            .wall_us = rig_wall,
                                            .random = rig_random,
                                            .commit = rig_commit,
                                            .release = rig_release,
                                            .acknowledge = rig_acknowledge,
                                            .answer = rig_answer,
                                            .request = rig_request,
                                            .cancel = rig_cancel,
                                            .lane_lost = rig_lane_lost,
                                            .ended = rig_ended,
                                            .start = rig_start,
                                            .sql = rig_sql },
                                    .limits = rig.limits,
                                    .lua = rig.lua,
                                    .save_inputs = true,
                                    .log = rig_log };
    rig.en = engine_create(&config);
    rig.turn = NULL;
}

static inline int rig_setup(void **state)
{
    (void)state;
    struct err err;
    memset(&rig, 0, sizeof rig);
    memset(&seen, 0, sizeof seen);
    struct strbuf *all[] = { &rig.released, &rig.answers, &rig.acknowledged, &rig.lost,
                             &rig.log,      &rig.started, &seen.text };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        strbuf_init(all[i], 1u << 20);
        strbuf_adds(all[i], ""); /* a text from the start */
    }
    rig.mono_us = 1000000;
    rig.wall_us = 1700000000000000;
    rig.plugins = plugin_set_create();
    if (plugin_set_add(rig.plugins, &test_plugin, "test", &err) != 0) {
        fprintf(stderr, "%s\n", err.text);
        return -1;
    }
    rig.lua = expr_lua_create(&(struct expr_limits){ 0 }, NULL, &err);
    rig_engine();
    return 0;
}

static inline int rig_teardown(void **state)
{
    (void)state;
    engine_destroy(rig.en);
    for (unsigned i = 0; i < rig.n_plans; i++)
        plan_unref(rig.plans[i]);
    expr_lua_destroy(rig.lua);
    plugin_set_destroy(rig.plugins);
    strbuf_fini(&rig.released);
    strbuf_fini(&rig.answers);
    strbuf_fini(&rig.acknowledged);
    strbuf_fini(&rig.lost);
    strbuf_fini(&rig.log);
    strbuf_fini(&rig.started);
    strbuf_fini(&seen.text);
    return 0;
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, rig_setup, rig_teardown)

/* A new engine with the same plans and limits, as after a crash: nothing is left of the old one. */
static inline void rig_restart(void)
{
    struct err err;
    engine_destroy(rig.en);
    rig_engine();
    for (unsigned i = 0; i < rig.n_plans; i++)
        rig.ep = engine_plan_add(rig.en, rig.plans[i], &err);
    rig.lane = NULL;
}

static inline struct lane *rig_lane(void)
{
    rig.lane = engine_lane_add(
        rig.en, &(struct lane_config){ .at = { .source = ++rig.sources,
                                               .epoch = rig.epoch ? rig.epoch : 1,
                                               .begun = rig.begun },
                                       .plan = rig.ep,
                                       .trigger = engine_plan_get(rig.ep)->triggers[0] });
    return rig.lane;
}

/* Workflow from `nodes` and `edges` (see N and E below) with one trigger, named In; and a lane for
 * it. */
static inline void rig_flow(const char *settings, const char *nodes, const char *edges)
{
    struct workflow_options options = { .plugins = rig.plugins };
    struct workflow_report report;
    struct strbuf text;
    struct err err;
    strbuf_init(&text, 1u << 20);
    strbuf_addf(&text,
                "{\"id\":\"w\",\"name\":\"w\",\"active\":true,\"nodes\":[{\"name\":\"In\",\"type\":"
                "\"test.in\","
                "\"position\":[0,0]},%s],\"connections\":{%s},\"settings\":{%s}}",
                nodes, edges, settings);
    struct plan *plan = workflow_compile(strbuf_str(&text), &options, &report);
    if (!plan) {
        struct strbuf b;
        strbuf_init(&b, 1u << 20);
        workflow_report_print(&b, &report, "test", strbuf_str(&text), true);
        fputs(b.ptr, stderr);
        strbuf_fini(&b);
    }
    workflow_report_fini(&report);
    strbuf_fini(&text);
    assert_non_null(plan);
    plan->version = rig.n_plans + 1;
    rig.plans[rig.n_plans++] = plan;
    rig.ep = engine_plan_add(rig.en, plan, &err);
    assert_non_null(rig.ep);
    rig_lane();
}

#define V1 "\"executionOrder\":\"v1\""
/* A node at (x, y): type without "test.", the rest as JSON members ("" for none; else begins with a
 * comma). */
#define N(name, type, x, y, more)                                                                  \
    "{\"name\":\"" name "\",\"type\":\"test." type "\",\"position\":[" #x "," #y "]" more "}"
#define P(parameters)    ",\"parameters\":{" parameters "}"
#define TO(node, input)  "{\"node\":\"" node "\",\"type\":\"main\",\"index\":" #input "}"
#define E(from, outputs) "\"" from "\":{\"main\":[" outputs "]}"
#define TO1(node)        "[" TO(node, 0) "]"

/* --- driving ---------------------------------------------------------------------------------- */

/* An event is the text of an object, or of an array of objects, which stay while the test runs. */
static int rig_build(const struct lane *lane, void *event, struct arena *a,
                     struct inbound_item **items, size_t *n, struct err *err)
{
    (void)lane;
    struct json doc;
    struct json_error why;
    const char *text = event;
    if (json_parse_copy(a, text, strlen(text), 0, &doc, &why) != 0)
        return err_set(err, ERR_INVALID, "not JSON: %s", why.reason);
    *n = doc.type == JSON_ARRAY ? doc.len : 1;
    *items = ARENA_ARRAY(a, struct inbound_item, *n + 1);
    for (size_t i = 0; i < *n; i++)
        (*items)[i].json = doc.type == JSON_ARRAY ? doc.elements[i] : doc;
    return 0;
}

static void rig_freed(void *event)
{
    (void)event;
    rig.freed++;
}

static inline struct inbound rig_event(struct lane *lane, const char *json)
{
    return (struct inbound){ .lane = lane,
                             .position = rig.position++,
                             .event = (void *)(uintptr_t)json,
                             .raw = str_of(json),
                             .build = rig_build,
                             .release = rig_freed };
}

/* A check of all invariants comes with every step. */
static inline void rig_run(void)
{
    engine_run(rig.en, 0);
    engine_check(rig.en);
}

static inline void send_to(struct lane *lane, const char *json)
{
    struct inbound in = rig_event(lane, json);
    engine_accept(rig.en, &in, 1);
}

static inline void send_message(const char *json)
{
    send_to(rig.lane, json);
    rig_run();
}

static inline void send_webhook(const char *json, const char *handle, bool at_accept,
                                enum answer_data data)
{
    struct inbound in = rig_event(rig.lane, json);
    in.reply = (void *)(uintptr_t)handle;
    in.answer_accept = at_accept;
    in.accept_status = 202;
    in.answer_data = (uint8_t)data;
    engine_accept(rig.en, &in, 1);
    rig_run();
}

static inline void commit_result(const struct store_commit_result *result)
{
    assert_non_null(rig.turn);
    rig.turn = NULL;
    engine_committed(rig.en, result);
    rig_run();
}

static inline void commit_ok(void)
{
    commit_result(&(struct store_commit_result){ .result = STORE_OK });
}

/* Starts a commit; true when one is in flight. */
static inline bool commit_start(void)
{
    bool flies = engine_commit(rig.en);
    engine_check(rig.en);
    return flies;
}

static inline void commit(void)
{
    if (commit_start())
        commit_ok();
}

static inline void pass_ms(int64_t ms)
{
    rig.mono_us += ms * 1000;
    rig.wall_us += ms * 1000;
    engine_tick(rig.en);
    rig_run();
}

static inline void expect_seen(const char *text) { assert_string_equal(seen.text.ptr, text); }

static inline void clear_text(struct strbuf *b)
{
    strbuf_clear(b);
    strbuf_adds(b, "");
}

static inline uint64_t succeeded(void) { return engine_plan_counters(rig.ep)->succeeded; }

static inline uint64_t failed(void) { return engine_plan_counters(rig.ep)->failed; }

static inline void expect_failed(const char *node, const char *message)
{
    assert_int_equal(failed(), 1);
    assert_string_equal(rig.error_node, node);
    assert_non_null(strstr(rig.error, message));
}

static inline const wf_host *rig_host(void) { return engine_check_host(); }
#endif
