/* SPDX-License-Identifier: Apache-2.0
 * Executions as people see them: listed by filter, shown one by one.
 */
#include "conformance.h"

static void on_execution(void *ctx, const struct store_execution *x)
{
    struct listed *l = ctx;
    l->is_sorted = (l->n == 0 || x->started_us <= l->last_us) && (l->n == 0 || l->is_sorted);
    l->last_us = x->started_us;
    l->n++;
    l->by_status[x->status]++;
    l->one = *x;
    snprintf(l->workflow, 64, "%.*s", STR_ARG(x->workflow));
    snprintf(l->name, 64, "%.*s", STR_ARG(x->workflow_name));
    snprintf(l->node, 64, "%.*s", STR_ARG(x->node));
    snprintf(l->error, 64, "%.*s", STR_ARG(x->error));
    snprintf(l->input, 64, "%.*s", STR_ARG(x->input));
    snprintf(l->state, 64, "%.*s", STR_ARG(x->state));
    struct store_output out = { 0 };
    size_t at = 0;
    l->body[0] = 0;
    while (store_output_next(x->outputs, &at, &out) == 1)
        snprintf(l->body, 64, "%.*s", STR_ARG(out.body));
}

struct listed list_executions(struct fixture *f, struct store_filter filter)
{
    struct listed l = { 0 };
    struct err err;
    if (store_executions(f->store, &filter, on_execution, &l, &err) != 0)
        fail_msg("%s", err.text);
    return l;
}

struct listed show_execution(struct fixture *f, uint64_t position)
{
    struct listed l = { 0 };
    struct err err;
    if (store_execution(f->store, (struct exec_id){ 1, 0, position }, on_execution, &l, &err) != 0)
        assert_int_equal(err.code, ERR_NOT_FOUND);
    return l;
}

/* 300 executions in three blocks of two workflows: 3 failed, 1 of those since retried, 2 parked. */
static void fill(struct fixture *f, struct store_session *ss, uint64_t versions[2])
{
    struct err err;
    struct store_workflow w;
    assert_int_equal(store_deploy(f->store, STR("w1"), STR("First"), STR("{}"), true, &w, &err), 0);
    versions[0] = w.version;
    assert_int_equal(store_deploy(f->store, STR("w2"), STR("Second"), STR("{}"), true, &w, &err),
                     0);
    versions[1] = w.version;
    struct store_lane lane = assign(f, ss, 1, 0, 0);
    for (int i = 0; i < 3; i++) {
        struct sample *s = sample(&lane, 100, versions[0]);
        for (uint32_t k = 0; k < 100; k++) {
            s->versions[k] = versions[i == 1 && k % 2];
            s->started[k] = noon_us + i * 1000000 + k;
        }
        s->statuses[50] = STORE_ERROR;
        struct store_exec failed = { .id = { 1, 0, lane.position + 50 },
                                     .version = versions[0],
                                     .status = STORE_ERROR,
                                     .started_us = s->started[50],
                                     .ended_us = s->started[50] + 1500,
                                     .node = STR("HTTP"),
                                     .error = STR("{\"message\":\"no\"}"),
                                     .state = STR("{\"s\":1}") };
        struct store_turn turn = {
            .blocks = &s->block, .n_blocks = 1, .execs = &failed, .n_execs = 1
        };
        assert_int_equal(commit(f, ss, &turn).result, STORE_OK);
        advance(&lane, &s->block);
        sample_fini(s);
    }
    struct store_exec waiting[] = { parked_exec(1000, 0), parked_exec(1001, 0) };
    waiting[0].version = waiting[1].version = versions[1];
    struct exec_id ended = { 1, 0, 150 };
    struct sample *s = sample(&lane, 1, versions[0]); /* the retry ended well */
    s->positions[0] = 150;
    s->started[0] = noon_us + 10 * 1000000;
    s->block.position_new = s->block.position_old;
    struct store_turn turn = { .blocks = &s->block,
                               .n_blocks = 1,
                               .execs = waiting,
                               .n_execs = 2,
                               .ended = &ended,
                               .n_ended = 1 };
    assert_int_equal(commit(f, ss, &turn).result, STORE_OK);
    sample_fini(s);
}

static void refuse_retry(struct fixture *f, uint64_t position, const char *why)
{
    struct err err = { 0 };
    assert_int_equal(store_execution_retry(f->store, (struct exec_id){ 1, 0, position }, &err), -1);
    assert_int_equal(err.code, ERR_CONFLICT);
    assert_string_equal(err.text, why);
}

void executions_are_listed(void **state)
{
    struct fixture *f = fixture_of(state);
    struct store_session *ss = open_session(f, 0);
    uint64_t versions[2];
    fill(f, ss, versions);
    struct listed l = list_executions(f, (struct store_filter){ .limit = 1000 });
    assert_int_equal(l.n, 303);
    assert_true(l.is_sorted);
    assert_int_equal(l.by_status[STORE_SUCCESS], 298);
    assert_int_equal(l.by_status[STORE_ERROR], 2);
    assert_int_equal(l.by_status[STORE_WAITING], 2);
    assert_int_equal(l.by_status[STORE_RETRIED], 1);
    assert_int_equal(list_executions(f, (struct store_filter){ 0 }).n, 50);
    assert_int_equal(list_executions(f, (struct store_filter){ .limit = 7 }).n, 7);
    l = list_executions(f, (struct store_filter){ .limit = 1 });
    assert_int_equal(l.one.id.position, 150); /* the newest */
    assert_int_equal(list_executions(f, (struct store_filter){ .limit = 1000, .workflow = "w2" }).n,
                     52);
    l = list_executions(f, (struct store_filter){ .limit = 1, .workflow = "w2" });
    assert_int_equal(l.one.version, versions[1]);
    assert_int_equal(l.one.number, 1); /* the first of its workflow, the second of all */
    assert_int_equal(
        list_executions(f, (struct store_filter){ .limit = 1000, .workflow = "Second" }).n, 52);
    assert_int_equal(
        list_executions(f, (struct store_filter){ .limit = 1000, .workflow = "nobody" }).n, 0);
    assert_int_equal(
        list_executions(f, (struct store_filter){ .limit = 1000, .status = STORE_ERROR }).n, 2);
    assert_int_equal(
        list_executions(f, (struct store_filter){ .limit = 1000, .status = STORE_RETRIED }).n, 1);
    assert_int_equal(
        list_executions(f, (struct store_filter){ .limit = 1000, .status = STORE_SUCCESS }).n, 298);
    assert_int_equal(
        list_executions(f, (struct store_filter){ .limit = 1000, .status = STORE_WAITING }).n, 2);
    l = list_executions(f, (struct store_filter){ .limit = 1000,
                                                  .since_us = noon_us + 1000000 + 20,
                                                  .until_us = noon_us + 2000000 + 10 });
    assert_int_equal(l.n, 80 + 10);
    if (f->kind != MEMORY) {
        assert_string_equal(sql(f, "SELECT count(*) FROM executions"), "303");
        assert_string_equal(sql(f, "SELECT count(*) FROM executions WHERE status = 'success'"),
                            "298");
        assert_string_equal(sql(f, "SELECT count(*) FROM executions WHERE workflow = 'w2'"), "52");
        assert_string_equal(sql(f, "SELECT id FROM executions WHERE status = 'retried'"),
                            "1-0-150");
        assert_string_equal(sql(f, "SELECT error FROM executions WHERE id = '1-0-50'"),
                            "{\"message\":\"no\"}");
        assert_string_equal(sql(f, "SELECT CAST(round(duration_ms * 1000) AS integer) FROM "
                                   "executions WHERE id = '1-0-7'"),
                            "1007");
        assert_string_equal(
            sql(f, f->kind == POSTGRES
                       ? "SELECT to_char(started_at AT TIME ZONE 'UTC', "
                         "'YYYY-MM-DD HH24:MI:SS.US') FROM executions WHERE id = '1-0-107'"
                       : "SELECT started_at FROM executions WHERE id = '1-0-107'"),
            "2023-11-14 22:13:21.000007");
    }
    refuse_retry(f, 7, "store: execution 1-0-7 did not fail, it is success");
    refuse_retry(f, 150, "store: execution 1-0-150 did not fail, it is success");
    assert_int_equal(store_execution_retry(f->store, (struct exec_id){ 1, 0, 7 }, NULL), -1);
    close_session(f, ss);
}

void executions_are_shown(void **state)
{
    struct fixture *f = fixture_of(state);
    struct store_session *ss = open_session(f, 0);
    uint64_t versions[2];
    fill(f, ss, versions);
    struct listed l = show_execution(f, 7);
    assert_int_equal(l.n, 1);
    assert_int_equal(l.one.status, STORE_SUCCESS);
    assert_int_equal(l.one.id.position, 7);
    assert_int_equal(l.one.version, versions[0]);
    assert_int_equal(l.one.started_us, noon_us + 7);
    assert_int_equal(l.one.duration_us, 1007);
    assert_string_equal(l.workflow, "w1");
    assert_string_equal(l.name, "First");
    assert_string_equal(l.input, "{\"n\":7}");
    assert_string_equal(l.body, "{\"n\":7}");
    l = show_execution(f, 50); /* failed: the row and what the block has */
    assert_int_equal(l.one.status, STORE_ERROR);
    assert_string_equal(l.node, "HTTP");
    assert_string_equal(l.error, "{\"message\":\"no\"}");
    assert_string_equal(l.state, "{\"s\":1}");
    assert_string_equal(l.input, "{\"n\":50}");
    assert_int_equal(l.one.duration_us, 1500);
    l = show_execution(f, 150); /* the last word on it */
    assert_int_equal(l.one.status, STORE_SUCCESS);
    assert_int_equal(l.one.started_us, noon_us + 10 * 1000000);
    l = show_execution(f, 1000);
    assert_int_equal(l.one.status, STORE_WAITING);
    assert_string_equal(l.workflow, "w2");
    assert_string_equal(l.input, "");
    assert_int_equal(show_execution(f, 301).n, 0);
    assert_int_equal(show_execution(f, UINT64_C(1) << 50).n, 0);
    close_session(f, ss);
}
