/* SPDX-License-Identifier: Apache-2.0
 * Parked and failed executions: handed out when they are due, to their owner, once.
 */
#include "conformance.h"

struct exec_list {
    struct fixture *f;
    unsigned n;
    struct exec_id ids[64];
    enum store_status status[64];
    char state[64][64], node[64][64], error[64][64];
    int64_t wake_us[64], started_us[64];
    uint64_t version[64];
};

static void on_exec(void *ctx, const struct store_exec *e, const struct err *err)
{
    struct exec_list *list = ctx;
    assert_null(err);
    if (!e) {
        loop_stop(list->f->loop);
        return;
    }
    unsigned i = list->n++;
    list->ids[i] = e->id;
    list->status[i] = e->status;
    list->wake_us[i] = e->wake_us;
    list->started_us[i] = e->started_us;
    list->version[i] = e->version;
    snprintf(list->state[i], 64, "%.*s", STR_ARG(e->state));
    snprintf(list->node[i], 64, "%.*s", STR_ARG(e->node));
    snprintf(list->error[i], 64, "%.*s", STR_ARG(e->error));
}

static struct exec_list parked(struct fixture *f, struct store_session *ss, int64_t wake_us,
                               uint32_t limit)
{
    struct exec_list list = { .f = f };
    store_parked(ss, 1, 0, wake_us, limit, on_exec, &list);
    wait_loop(f);
    return list;
}

struct store_exec parked_exec(uint64_t position, int64_t wake_us)
{
    return (struct store_exec){ .id = { 1, 0, position },
                                .version = 3,
                                .status = STORE_WAITING,
                                .started_us = noon_us - 5,
                                .wake_us = wake_us,
                                .node = STR("Wait"),
                                .error = STR(""),
                                .state = STR("{\"at\":\"Wait\"}") };
}

void commit_execs(struct fixture *f, struct store_session *ss, const struct store_lane *lane,
                  const struct store_exec *execs, uint32_t n, const struct exec_id *ended,
                  uint32_t n_ended)
{
    struct store_block b = lane_only(lane);
    struct store_turn turn = { .blocks = &b,
                               .n_blocks = 1,
                               .execs = execs,
                               .n_execs = n,
                               .ended = ended,
                               .n_ended = n_ended };
    assert_int_equal(commit(f, ss, &turn).result, STORE_OK);
}

void parked_executions_are_handed_out_when_due(void **state)
{
    struct fixture *f = fixture_of(state);
    struct store_session *ss = open_session(f, 0);
    struct store_lane lane = assign(f, ss, 1, 0, 0);
    struct store_exec execs[] = { parked_exec(1, noon_us + 10), parked_exec(2, noon_us + 20),
                                  parked_exec(3, 0), /* waits for a signal */
                                  parked_exec(4, noon_us + 30) };
    commit_execs(f, ss, &lane, execs, 4, NULL, 0);
    assert_int_equal(parked(f, ss, noon_us + 9, 10).n, 0);
    struct exec_list list = parked(f, ss, noon_us + 20, 10);
    assert_int_equal(list.n, 2);
    unsigned first = list.ids[0].position == 1 ? 0 : 1;
    assert_int_equal(list.ids[first].position, 1);
    assert_int_equal(list.ids[first].source, 1);
    assert_int_equal(list.ids[!first].position, 2);
    assert_int_equal(list.status[first], STORE_WAITING);
    assert_int_equal(list.wake_us[first], noon_us + 10);
    assert_int_equal(list.started_us[first], noon_us - 5);
    assert_int_equal(list.version[first], 3);
    assert_string_equal(list.state[first], "{\"at\":\"Wait\"}");
    assert_string_equal(list.node[first], "Wait");
    assert_int_equal(parked(f, ss, noon_us + 20, 10).n, 0); /* once per epoch */
    assign(f, ss, 1, 0, 0);
    assert_int_equal(parked(f, ss, noon_us + 20, 10).n, 2); /* a crash later */
    list = parked(f, ss, INT64_MAX, 10); /* all that is left, also what waits for a signal */
    assert_int_equal(list.n, 2);
    assert_int_equal(list.ids[0].position + list.ids[1].position, 7);
    assert_int_equal(list.wake_us[list.ids[0].position == 3 ? 0 : 1], 0);
    assign(f, ss, 1, 0, 0);
    assert_int_equal(parked(f, ss, INT64_MAX, 10).n, 4);
    assert_int_equal(parked(f, ss, INT64_MAX, 10).n, 0);
    close_session(f, ss);
}

void a_limit_hands_out_the_rest_later(void **state)
{
    struct fixture *f = fixture_of(state);
    struct store_session *ss = open_session(f, 0);
    struct store_lane lane = assign(f, ss, 1, 0, 0);
    struct store_exec execs[20];
    for (uint32_t i = 0; i < 20; i++)
        execs[i] = parked_exec(i, noon_us + i);
    commit_execs(f, ss, &lane, execs, 20, NULL, 0);
    bool seen[20] = { false };
    for (unsigned total = 0; total < 20;) {
        struct exec_list list = parked(f, ss, noon_us + 100, 8);
        assert_int_equal(list.n, total == 16 ? 4 : 8);
        for (unsigned i = 0; i < list.n; i++) {
            assert_false(seen[list.ids[i].position]);
            seen[list.ids[i].position] = true;
            assert_in_range(list.ids[i].position, total, total + 7); /* the earliest first */
        }
        total += list.n;
    }
    assert_int_equal(parked(f, ss, noon_us + 100, 8).n, 0);
    close_session(f, ss);
}

/* What is parked while a lane is read page by page is not forgotten. */
void pages_lose_nobody(void **state)
{
    struct fixture *f = fixture_of(state);
    struct store_session *ss = open_session(f, 0);
    struct store_lane lane = assign(f, ss, 1, 0, 0);
    struct store_exec execs[12];
    for (uint32_t i = 0; i < 12; i++)
        execs[i] = parked_exec(i, i % 2 ? noon_us : 0);
    commit_execs(f, ss, &lane, execs, 12, NULL, 0);
    unsigned n = parked(f, ss, INT64_MAX, 4).n;
    struct store_exec early[] = { parked_exec(100, noon_us - 50), parked_exec(101, 0) };
    commit_execs(f, ss, &lane, early, 2, NULL, 0);
    for (unsigned got = 1; got; n += got)
        got = parked(f, ss, INT64_MAX, 4).n;
    assert_int_equal(n, 14);
    store_execution_retry(f->store, (struct exec_id){ 1, 0, 5 }, NULL); /* waits: refused */
    assert_int_equal(parked(f, ss, INT64_MAX, 4).n, 0);
    close_session(f, ss);
}

void written_again_it_is_handed_out_again(void **state)
{
    struct fixture *f = fixture_of(state);
    struct store_session *ss = open_session(f, 0);
    struct store_lane lane = assign(f, ss, 1, 0, 0);
    struct store_exec exec = parked_exec(1, noon_us);
    commit_execs(f, ss, &lane, &exec, 1, NULL, 0);
    assert_int_equal(parked(f, ss, noon_us, 10).n, 1);
    exec.state = STR("{\"at\":\"Wait2\"}");
    exec.wake_us = noon_us + 50;
    commit_execs(f, ss, &lane, &exec, 1, NULL, 0);
    assert_int_equal(parked(f, ss, noon_us + 49, 10).n, 0);
    struct exec_list list = parked(f, ss, noon_us + 50, 10);
    assert_int_equal(list.n, 1);
    assert_string_equal(list.state[0], "{\"at\":\"Wait2\"}");
    struct exec_id ended[] = { { 1, 0, 1 }, { 1, 0, 999 } }; /* one that has no row is no mistake */
    commit_execs(f, ss, &lane, NULL, 0, ended, 2);
    assign(f, ss, 1, 0, 0);
    assert_int_equal(parked(f, ss, noon_us + 50, 10).n, 0);
    close_session(f, ss);
}

void only_the_owner_gets_parked_executions(void **state)
{
    struct fixture *f = fixture_of(state);
    struct err err;
    uint32_t other;
    assert_int_equal(store_instance(f->store, STR("other"), &other, &err), 0);
    struct store_session *ss = open_session(f, 0), *os = open_session(f, other);
    struct store_lane lane = assign(f, ss, 1, 0, 0);
    struct store_exec exec = parked_exec(1, noon_us);
    commit_execs(f, ss, &lane, &exec, 1, NULL, 0);
    assert_int_equal(parked(f, os, noon_us, 10).n, 0);
    assign(f, os, 1, 0, 0);
    assert_int_equal(parked(f, ss, noon_us, 10).n, 0);
    assert_int_equal(parked(f, os, noon_us, 10).n, 1);
    close_session(f, ss);
    close_session(f, os);
}

void a_failed_execution_is_retried_once(void **state)
{
    struct fixture *f = fixture_of(state);
    struct err err;
    struct store_session *ss = open_session(f, 0);
    struct store_lane lane = assign(f, ss, 1, 0, 0);
    struct store_exec execs[] = { parked_exec(1, noon_us * 2), parked_exec(2, 0) };
    execs[0].status = STORE_ERROR;
    execs[0].ended_us = noon_us + 7;
    execs[0].wake_us = 0;
    execs[0].error = STR("{\"message\":\"no\"}");
    commit_execs(f, ss, &lane, execs, 2, NULL, 0);
    assert_int_equal(parked(f, ss, noon_us * 3, 10).n, 0); /* a failure waits for a person */
    struct exec_id failed = { 1, 0, 1 }, waiting = { 1, 0, 2 }, unknown = { 1, 0, 3 };
    assert_int_equal(store_execution_retry(f->store, waiting, &err), -1);
    assert_int_equal(err.code, ERR_CONFLICT);
    assert_int_equal(store_execution_retry(f->store, unknown, &err), -1);
    assert_int_equal(err.code, ERR_NOT_FOUND);
    assert_int_equal(store_execution_retry(f->store, failed, &err), 0);
    struct exec_list list = parked(f, ss, noon_us, 10);
    assert_int_equal(list.n, 1);
    assert_int_equal(list.ids[0].position, 1);
    assert_int_equal(list.status[0], STORE_ERROR);
    assert_string_equal(list.error[0], "{\"message\":\"no\"}");
    assert_int_equal(parked(f, ss, noon_us, 10).n, 0);
    commit_execs(f, ss, &lane, execs, 1, NULL,
                 0); /* it failed again, and is not run again by itself */
    assign(f, ss, 1, 0, 0);
    assert_int_equal(parked(f, ss, noon_us, 10).n, 0);
    assert_int_equal(store_execution_retry(f->store, failed, &err), 0);
    assert_int_equal(parked(f, ss, noon_us, 10).n, 1);
    close_session(f, ss);
}

void text_that_is_no_text_does_not_stop_a_turn(void **state)
{
    struct fixture *f = fixture_of(state);
    struct store_session *ss = open_session(f, 0);
    struct store_lane lane = assign(f, ss, 1, 0, 0);
    struct store_exec exec = parked_exec(1, noon_us);
    exec.node = (wf_str){ "caf\xc3\xa9", 5 };
    exec.error = (wf_str){ "a\xff\xfe"
                           "b\0c",
                           6 };
    commit_execs(f, ss, &lane, &exec, 1, NULL, 0);
    struct exec_list list = parked(f, ss, noon_us, 10);
    assert_int_equal(list.n, 1);
    assert_string_equal(list.node[0], "caf\xc3\xa9");
    assert_int_equal(list.error[0][0], 'a');
    close_session(f, ss);
}
