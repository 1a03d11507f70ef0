/* SPDX-License-Identifier: Apache-2.0
 * One set of tests for all kinds of stores: what store.h promises.
 */
#include "fixture.h"

static struct fixture *fixture_of(void **state) { return *state; }

/* --- lanes ------------------------------------------------------------------------------------ */

static void a_lane_begins_fresh_and_keeps_its_place(void **state)
{
    struct fixture *f = fixture_of(state);
    struct store_session *ss = open_session(f, 0);
    struct store_lane lane = assign(f, ss, 7, 3, 100);
    assert_int_equal(lane.source, 7);
    assert_int_equal(lane.partition, 3);
    assert_int_equal(lane.epoch, 1);
    assert_int_equal(lane.position, 100);
    assert_int_equal(lane.block_seq, 0);
    assert_true(lane.fresh);
    lane = assign(f, ss, 7, 3,
                  5555); /* nothing was committed: it is still fresh, and the first start stays */
    assert_true(lane.fresh);
    assert_int_equal(lane.position, 100);
    assert_int_equal(commit_sample(f, ss, &lane, 3, 1), STORE_OK);
    lane = assign(f, ss, 7, 3, 5555);
    assert_int_equal(lane.epoch, 3);
    assert_int_equal(lane.position, 103);
    assert_int_equal(lane.block_seq, 1);
    assert_int_equal(lane.released, 0);
    assert_false(lane.fresh);
    close_session(f, ss);
}

static void a_new_owner_fences_the_former_one(void **state)
{
    struct fixture *f = fixture_of(state);
    struct err err;
    uint32_t other;
    assert_int_equal(store_instance(f->store, STR("other"), &other, &err), 0);
    struct store_session *zombie = open_session(f, 0), *owner = open_session(f, other);
    struct store_lane old = assign(f, zombie, 1, 0, 0);
    assert_int_equal(commit_sample(f, zombie, &old, 10, 1), STORE_OK);
    struct store_lane lane = assign(f, owner, 1, 0, 0);
    assert_int_equal(lane.position, 10);
    make_table(f, "CREATE TABLE charge (id text PRIMARY KEY)");

    /* The zombie writes nothing: no block, no row, no execution, nothing removed. */
    struct sample *s = sample(&old, 5, 1);
    struct store_exec exec = { .id = { 1, 0, 12 },
                               .version = 1,
                               .status = STORE_ERROR,
                               .started_us = 1000000,
                               .ended_us = 2000000,
                               .node = STR("n"),
                               .error = STR("{}"),
                               .state = STR("{}") };
    struct store_row row = { .table = STR("charge"),
                             .row = STR("{\"id\":\"a\"}"),
                             .unique = STR("id") };
    struct store_turn turn = {
        .blocks = &s->block, .n_blocks = 1, .execs = &exec, .n_execs = 1, .rows = &row, .n_rows = 1
    };
    struct committed c = commit(f, zombie, &turn);
    assert_int_equal(c.result, STORE_FENCED);
    assert_int_equal(c.lane, 0);
    assert_int_equal(count_rows(f, "charge"), 0);
    if (f->kind != MEMORY) {
        assert_int_equal(count_rows(f, "block"), 1);
        assert_int_equal(count_rows(f, "execution"), 0);
    }
    sample_fini(s);
    assert_int_equal(commit_sample(f, owner, &lane, 5, 1), STORE_OK);
    close_session(f, zombie);
    close_session(f, owner);
}

static void all_lanes_move_or_none(void **state)
{
    struct fixture *f = fixture_of(state);
    struct store_session *ss = open_session(f, 0);
    struct store_lane lanes[3];
    struct sample *samples[3];
    struct store_block blocks[3];
    for (uint32_t i = 0; i < 3; i++)
        lanes[i] = assign(f, ss, 1, i, 0);
    assign(f, ss, 1, 1, 0); /* raises the epoch of the middle one */
    for (uint32_t i = 0; i < 3; i++) {
        samples[i] = sample(&lanes[i], 4, 1);
        blocks[i] = samples[i]->block;
    }
    struct store_turn turn = { .blocks = blocks, .n_blocks = 3 };
    struct committed c = commit(f, ss, &turn);
    assert_int_equal(c.result, STORE_FENCED);
    assert_int_equal(c.lane, 1);
    for (uint32_t i = 0; i < 3; i++) {
        struct store_lane lane = assign(f, ss, 1, i, 0);
        assert_int_equal(lane.position, 0);
        assert_int_equal(lane.block_seq, 0);
        blocks[i].epoch = lane.epoch;
    }
    c = commit(f, ss, &turn);
    assert_int_equal(c.result, STORE_OK);
    for (uint32_t i = 0; i < 3; i++) {
        assert_int_equal(assign(f, ss, 1, i, 0).position, 4);
        sample_fini(samples[i]);
    }
    close_session(f, ss);
}

static void a_commit_must_meet_position_and_number(void **state)
{
    struct fixture *f = fixture_of(state);
    struct store_session *ss = open_session(f, 0);
    struct store_lane lane = assign(f, ss, 1, 0, 0);
    assert_int_equal(commit_sample(f, ss, &lane, 4, 1), STORE_OK);
    struct store_lane wrong = lane;
    wrong.position = 3;
    assert_int_equal(commit_sample(f, ss, &wrong, 1, 1), STORE_FENCED);
    wrong = lane;
    wrong.block_seq = 0;
    assert_int_equal(commit_sample(f, ss, &wrong, 1, 1), STORE_FENCED);
    wrong = lane;
    wrong.source = 99; /* never assigned */
    assert_int_equal(commit_sample(f, ss, &wrong, 1, 1), STORE_FENCED);
    assert_int_equal(commit_sample(f, ss, &lane, 1, 1), STORE_OK);
    close_session(f, ss);
}

/* The session looks for a lane's row where it left it, and elsewhere when it is not there. */
static void a_row_that_moved_is_found(void **state)
{
    struct fixture *f = fixture_of(state);
    if (f->kind != POSTGRES)
        return; /* remembers no places */
    struct store_session *ss = open_session(f, 0);
    struct store_lane lane = assign(f, ss, 1, 0, 0), other = assign(f, ss, 1, 1, 0);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(commit_sample(f, ss, &lane, 4, 1), STORE_OK);
        assert_int_equal(commit_sample(f, ss, &other, 4, 1), STORE_OK);
        sql(f, "VACUUM FULL source_position");
    }
    sql(f, "UPDATE source_position SET owner = owner"); /* somebody's hand */
    assert_int_equal(commit_sample(f, ss, &lane, 4, 1), STORE_OK);
    assert_int_equal(commit_sample(f, ss, &other, 4, 1), STORE_OK);
    assert_string_equal(sql(f, "SELECT count(*) FROM block"), "8");
    close_session(f, ss);
}

static void released_and_bare_moves_are_kept(void **state)
{
    struct fixture *f = fixture_of(state);
    struct store_session *ss = open_session(f, 0);
    struct store_lane lane = assign(f, ss, 1, 0, 0);
    assert_int_equal(commit_sample(f, ss, &lane, 4, 1), STORE_OK);
    struct store_block b = lane_only(&lane);
    b.position_new += 6; /* durability none: the lane moves without a block */
    b.released = 1;
    struct store_turn turn = { .blocks = &b, .n_blocks = 1 };
    assert_int_equal(commit(f, ss, &turn).result, STORE_OK);
    struct store_lane back = assign(f, ss, 1, 0, 0);
    assert_int_equal(back.position, 10);
    assert_int_equal(back.block_seq, 1);
    assert_int_equal(back.released, 1);
    close_session(f, ss);
}

struct lane_list {
    struct fixture *f;
    unsigned n;
    uint32_t partitions[16];
};

static void on_lane_of(void *ctx, uint32_t source, uint32_t partition, const struct err *err)
{
    struct lane_list *list = ctx;
    assert_null(err);
    if (!source) {
        loop_stop(list->f->loop);
        return;
    }
    assert_int_equal(source, 4);
    list->partitions[list->n++] = partition;
}

static void lanes_of_an_engine_are_listed(void **state)
{
    struct fixture *f = fixture_of(state);
    struct err err;
    uint32_t other;
    assert_int_equal(store_instance(f->store, STR("other"), &other, &err), 0);
    struct store_session *ss = open_session(f, 0), *os = open_session(f, other);
    for (uint32_t i = 0; i < 6; i++)
        assign(f, i % 2 ? ss : os, 4, i, 0);
    struct lane_list list = { .f = f };
    store_lanes_of(ss, other, on_lane_of, &list);
    wait_loop(f);
    assert_int_equal(list.n, 3);
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(list.partitions[i] % 2, 0);
    close_session(f, ss);
    close_session(f, os);
}

/* --- blocks ----------------------------------------------------------------------------------- */

struct read_back {
    struct fixture *f;
    unsigned n;
    uint64_t seqs[64];
    char error[500];
    void (*check)(const struct store_block *b);
};

static void on_block(void *ctx, const struct store_block *b, const struct err *err)
{
    struct read_back *back = ctx;
    if (b) {
        back->seqs[back->n++] = b->seq;
        if (back->check)
            back->check(b);
        return;
    }
    if (err)
        snprintf(back->error, sizeof back->error, "%s", err->text);
    loop_stop(back->f->loop);
}

static struct read_back read_blocks(struct fixture *f, struct store_session *ss, uint64_t after,
                                    uint32_t limit, void (*check)(const struct store_block *))
{
    struct read_back back = { .f = f, .check = check };
    store_blocks(ss, 1, 0, after, limit, on_block, &back);
    wait_loop(f);
    return back;
}

static void blocks_come_back_in_order(void **state)
{
    struct fixture *f = fixture_of(state);
    struct store_session *ss = open_session(f, 0);
    struct store_lane lane = assign(f, ss, 1, 0, 0);
    for (int i = 0; i < 7; i++)
        assert_int_equal(commit_sample(f, ss, &lane, 5, 1), STORE_OK);
    struct read_back back = read_blocks(f, ss, 2, 3, NULL);
    assert_int_equal(back.n, 3);
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(back.seqs[i], 3 + i);
    back = read_blocks(f, ss, 5, 10, NULL);
    assert_int_equal(back.n, 2);
    back = read_blocks(f, ss, 7, 10, NULL);
    assert_int_equal(back.n, 0);
    assert_string_equal(back.error, "");
    close_session(f, ss);
}

static struct sample *expected; /* of the check below */

static void is_as_expected(const struct store_block *b)
{
    const struct store_block *e = &expected->block;
    assert_int_equal(b->source, e->source);
    assert_int_equal(b->partition, e->partition);
    assert_int_equal(b->seq, e->seq);
    assert_int_equal(b->n, e->n);
    assert_int_equal(b->n_outputs, e->n_outputs);
    assert_memory_equal(b->positions, e->positions, e->n * sizeof *e->positions);
    assert_memory_equal(b->versions, e->versions, e->n * sizeof *e->versions);
    assert_memory_equal(b->statuses, e->statuses, e->n * sizeof *e->statuses);
    assert_memory_equal(b->durations_us, e->durations_us, e->n * sizeof *e->durations_us);
    assert_memory_equal(b->started_us, e->started_us, e->n * sizeof *e->started_us);
    assert_int_equal(b->outputs.len, e->outputs.len);
    assert_memory_equal(b->outputs.ptr, e->outputs.ptr, e->outputs.len);
}

static void round_trip(struct fixture *f, struct store_session *ss, struct store_lane *lane)
{
    struct store_turn turn = { .blocks = &expected->block, .n_blocks = 1 };
    assert_int_equal(commit(f, ss, &turn).result, STORE_OK);
    struct read_back back = read_blocks(f, ss, lane->block_seq, 2, is_as_expected);
    assert_string_equal(back.error, "");
    assert_int_equal(back.n, 1);
    advance(lane, &expected->block);
    sample_fini(expected);
}

/* Every form that a column can take. */
static void blocks_come_back_whole(void **state)
{
    struct fixture *f = fixture_of(state);
    struct store_session *ss = open_session(f, 0);
    struct store_lane lane = assign(f, ss, 1, 0, UINT64_C(1) << 40);
    expected = sample(&lane, 1024, 77);
    round_trip(f, ss, &lane);
    expected = sample(&lane, 600, 77); /* nothing is the same */
    for (uint32_t i = 0; i < 600; i++) {
        expected->positions[i] ^= i % 3 ? 0 : 0x80;
        expected->versions[i] += i % 5;
        expected->statuses[i] = i % 7 ? STORE_SUCCESS : i % 2 ? STORE_ERROR : STORE_CANCELED;
        expected->durations[i] = UINT32_MAX - i;
        expected->started[i] -= i % 11 ? 0 : INT64_C(90) * 86400 * 1000000; /* parked for long */
    }
    round_trip(f, ss, &lane);
    expected = sample(&lane, 1, 1);
    expected->block.outputs = (wf_str){ "", 0 };
    expected->block.inputs = (wf_str){ "", 0 };
    expected->block.n_outputs = 0;
    round_trip(f, ss, &lane);
    expected = sample(&lane, 0, 1); /* a block may hold no execution */
    round_trip(f, ss, &lane);
    close_session(f, ss);
}

static void a_flipped_byte_is_noticed(void **state)
{
    struct fixture *f = fixture_of(state);
    if (f->kind == MEMORY)
        return; /* keeps no bytes that could be flipped */
    struct store_session *ss = open_session(f, 0);
    struct store_lane lane = assign(f, ss, 1, 0, 0);
    for (int i = 0; i < 3; i++)
        assert_int_equal(commit_sample(f, ss, &lane, 200, 1), STORE_OK);
    if (f->kind == POSTGRES)
        sql(f, "UPDATE block SET payload = set_byte(payload, 50, get_byte(payload, 50) # 1) WHERE "
               "seq = 2");
    else
        sql(f, "UPDATE block SET payload = CAST(substr(payload, 1, 50) || x'ff' || substr(payload, "
               "52) AS BLOB) "
               "WHERE seq = 2");
    struct read_back back = read_blocks(f, ss, 0, 10, NULL);
    assert_int_equal(back.n, 1); /* what was before it is good */
    assert_non_null(
        strstr(back.error, "block 2 of source 1, partition 0 does not fit its checksum"));
    sql(f, "UPDATE block SET durations = substr(durations, 1, 100) WHERE seq = 3"); /* torn */
    back = read_blocks(f, ss, 2, 10, NULL);
    assert_int_equal(back.n, 0);
    assert_non_null(strstr(back.error, "block 3"));
    close_session(f, ss);
}

/* --- parked and failed executions ------------------------------------------------------------- */

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

static const int64_t noon_us = INT64_C(1700000000) * 1000000;

static struct store_exec parked_exec(uint64_t position, int64_t wake_us)
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

static void keep(struct fixture *f, struct store_session *ss, const struct store_lane *lane,
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

static void parked_executions_are_handed_out_when_due(void **state)
{
    struct fixture *f = fixture_of(state);
    struct store_session *ss = open_session(f, 0);
    struct store_lane lane = assign(f, ss, 1, 0, 0);
    struct store_exec execs[] = { parked_exec(1, noon_us + 10), parked_exec(2, noon_us + 20),
                                  parked_exec(3, 0), /* waits for a signal */
                                  parked_exec(4, noon_us + 30) };
    keep(f, ss, &lane, execs, 4, NULL, 0);
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

static void a_limit_hands_out_the_rest_later(void **state)
{
    struct fixture *f = fixture_of(state);
    struct store_session *ss = open_session(f, 0);
    struct store_lane lane = assign(f, ss, 1, 0, 0);
    struct store_exec execs[20];
    for (uint32_t i = 0; i < 20; i++)
        execs[i] = parked_exec(i, noon_us + i);
    keep(f, ss, &lane, execs, 20, NULL, 0);
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
static void pages_lose_nobody(void **state)
{
    struct fixture *f = fixture_of(state);
    struct store_session *ss = open_session(f, 0);
    struct store_lane lane = assign(f, ss, 1, 0, 0);
    struct store_exec execs[12];
    for (uint32_t i = 0; i < 12; i++)
        execs[i] = parked_exec(i, i % 2 ? noon_us : 0);
    keep(f, ss, &lane, execs, 12, NULL, 0);
    unsigned n = parked(f, ss, INT64_MAX, 4).n;
    struct store_exec early[] = { parked_exec(100, noon_us - 50), parked_exec(101, 0) };
    keep(f, ss, &lane, early, 2, NULL, 0);
    for (unsigned got = 1; got; n += got)
        got = parked(f, ss, INT64_MAX, 4).n;
    assert_int_equal(n, 14);
    store_execution_retry(f->store, (struct exec_id){ 1, 0, 5 }, NULL); /* waits: refused */
    assert_int_equal(parked(f, ss, INT64_MAX, 4).n, 0);
    close_session(f, ss);
}

static void written_again_it_is_handed_out_again(void **state)
{
    struct fixture *f = fixture_of(state);
    struct store_session *ss = open_session(f, 0);
    struct store_lane lane = assign(f, ss, 1, 0, 0);
    struct store_exec exec = parked_exec(1, noon_us);
    keep(f, ss, &lane, &exec, 1, NULL, 0);
    assert_int_equal(parked(f, ss, noon_us, 10).n, 1);
    exec.state = STR("{\"at\":\"Wait2\"}");
    exec.wake_us = noon_us + 50;
    keep(f, ss, &lane, &exec, 1, NULL, 0);
    assert_int_equal(parked(f, ss, noon_us + 49, 10).n, 0);
    struct exec_list list = parked(f, ss, noon_us + 50, 10);
    assert_int_equal(list.n, 1);
    assert_string_equal(list.state[0], "{\"at\":\"Wait2\"}");
    struct exec_id ended[] = { { 1, 0, 1 }, { 1, 0, 999 } }; /* one that has no row is no mistake */
    keep(f, ss, &lane, NULL, 0, ended, 2);
    assign(f, ss, 1, 0, 0);
    assert_int_equal(parked(f, ss, noon_us + 50, 10).n, 0);
    close_session(f, ss);
}

static void only_the_owner_gets_parked_executions(void **state)
{
    struct fixture *f = fixture_of(state);
    struct err err;
    uint32_t other;
    assert_int_equal(store_instance(f->store, STR("other"), &other, &err), 0);
    struct store_session *ss = open_session(f, 0), *os = open_session(f, other);
    struct store_lane lane = assign(f, ss, 1, 0, 0);
    struct store_exec exec = parked_exec(1, noon_us);
    keep(f, ss, &lane, &exec, 1, NULL, 0);
    assert_int_equal(parked(f, os, noon_us, 10).n, 0);
    assign(f, os, 1, 0, 0);
    assert_int_equal(parked(f, ss, noon_us, 10).n, 0);
    assert_int_equal(parked(f, os, noon_us, 10).n, 1);
    close_session(f, ss);
    close_session(f, os);
}

static void a_failed_execution_is_retried_once(void **state)
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
    keep(f, ss, &lane, execs, 2, NULL, 0);
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
    keep(f, ss, &lane, execs, 1, NULL, 0); /* it failed again, and is not run again by itself */
    assign(f, ss, 1, 0, 0);
    assert_int_equal(parked(f, ss, noon_us, 10).n, 0);
    assert_int_equal(store_execution_retry(f->store, failed, &err), 0);
    assert_int_equal(parked(f, ss, noon_us, 10).n, 1);
    close_session(f, ss);
}

static void text_that_is_no_text_does_not_stop_a_turn(void **state)
{
    struct fixture *f = fixture_of(state);
    struct store_session *ss = open_session(f, 0);
    struct store_lane lane = assign(f, ss, 1, 0, 0);
    struct store_exec exec = parked_exec(1, noon_us);
    exec.node = (wf_str){ "caf\xc3\xa9", 5 };
    exec.error = (wf_str){ "a\xff\xfe"
                           "b\0c",
                           6 };
    keep(f, ss, &lane, &exec, 1, NULL, 0);
    struct exec_list list = parked(f, ss, noon_us, 10);
    assert_int_equal(list.n, 1);
    assert_string_equal(list.node[0], "caf\xc3\xa9");
    assert_int_equal(list.error[0][0], 'a');
    close_session(f, ss);
}

/* --- rows of plugins -------------------------------------------------------------------------- */

static struct committed commit_rows(struct fixture *f, struct store_session *ss,
                                    struct store_lane *lane, const struct store_row *rows,
                                    uint32_t n)
{
    struct sample *s = sample(lane, 1, 1);
    struct store_turn turn = { .blocks = &s->block, .n_blocks = 1, .rows = rows, .n_rows = n };
    struct committed c = commit(f, ss, &turn);
    if (c.result == STORE_OK)
        advance(lane, &s->block);
    sample_fini(s);
    return c;
}

static void rows_ride_in_the_turn(void **state)
{
    struct fixture *f = fixture_of(state);
    struct store_session *ss = open_session(f, 0);
    struct store_lane lane = assign(f, ss, 1, 0, 0);
    make_table(f, "CREATE TABLE charge (id text PRIMARY KEY, amount integer DEFAULT 5, note text)");
    make_table(f, "CREATE TABLE usage (tenant text, day text, UNIQUE (tenant, day))");
    struct store_row rows[] = {
        { .table = STR("charge"), .row = STR("{\"id\":\"a\",\"amount\":12}"), .unique = STR("id") },
        { .table = STR("usage"),
          .row = STR("{\"tenant\":\"t\",\"day\":\"mon\"}"),
          .unique = STR("tenant, day") },
        { .table = STR("charge"),
          .row = STR("{\"id\":\"b\",\"note\":\"it's \\\"x\\\"; -- \\u20ac\"}"),
          .unique = STR("id") },
        { .table = STR("charge"), .row = STR("{\"id\":\"a\",\"amount\":99}"), .unique = STR("id") },
        { .table = STR("usage"),
          .row = STR("{\"tenant\":\"t\",\"day\":\"tue\"}"),
          .unique = STR("tenant,day") },
    };
    for (int i = 0; i < 3; i++) { /* the same keys again change nothing */
        struct committed c = commit_rows(f, ss, &lane, rows, 5);
        assert_int_equal(c.result, STORE_OK);
        assert_int_equal(count_rows(f, "charge"), 2);
        assert_int_equal(count_rows(f, "usage"), 2);
    }
    if (f->kind != MEMORY) {
        assert_string_equal(sql(f, "SELECT amount FROM charge WHERE id = 'a'"), "12");
        assert_string_equal(sql(f, "SELECT amount FROM charge WHERE id = 'b'"),
                            "5"); /* its default */
        assert_string_equal(sql(f, "SELECT note FROM charge WHERE id = 'b'"),
                            "it's \"x\"; -- \xe2\x82\xac");
    }
    close_session(f, ss);
}

static void bad_rows_are_told_one_by_one(void **state)
{
    struct fixture *f = fixture_of(state);
    struct store_session *ss = open_session(f, 0);
    struct store_lane lane = assign(f, ss, 1, 0, 0);
    make_table(f, "CREATE TABLE charge (id text PRIMARY KEY, amount integer)");
    struct store_row rows[] = {
        { .table = STR("charge"), .row = STR("{\"id\":\"a\"}"), .unique = STR("id") },
        { .table = STR("charge; DROP TABLE block"), .row = STR("{\"id\":\"b\"}") },
        { .table = STR("charge"), .row = STR("{\"id\":\"c\""), .unique = STR("id") },
        { .table = STR("charge"), .row = STR("[1]"), .unique = STR("id") },
        { .table = STR("block"), .row = STR("{\"id\":\"c\"}") },
        { .table = STR("charge"), .row = STR("{\"id\":\"d\"}"), .unique = STR("id") },
        { .table = STR("charge"), .row = STR("{\"id\":\"e\"}"), .unique = STR("id) --") },
    };
    struct committed c = commit_rows(f, ss, &lane, rows, 7);
    assert_int_equal(c.result, STORE_BAD_ROWS);
    assert_int_equal(c.n_bad, 5);
    const uint32_t bad[] = { 1, 2, 3, 4, 6 };
    for (int i = 0; i < 5; i++) {
        assert_int_equal(c.bad[i], bad[i]);
        assert_true(strlen(c.reasons[i]) > 5);
    }
    assert_int_equal(count_rows(f, "charge"), 0); /* nothing was written */
    assert_int_equal(assign(f, ss, 1, 0, 0).position, 0);
    lane = assign(f, ss, 1, 0, 0);
    struct store_row good[] = { rows[0], rows[5] };
    assert_int_equal(commit_rows(f, ss, &lane, good, 2).result, STORE_OK);
    assert_int_equal(count_rows(f, "charge"), 2);
    close_session(f, ss);
}

/* JSON may hold a NUL, PostgreSQL's text may not; a backslash before it makes it plain text. */
static void a_nul_in_a_row_hurts_nobody(void **state)
{
    struct fixture *f = fixture_of(state);
    struct store_session *ss = open_session(f, 0);
    struct store_lane lane = assign(f, ss, 1, 0, 0);
    make_table(f, "CREATE TABLE charge (id text PRIMARY KEY)");
    struct store_row rows[] = {
        { .table = STR("charge"), .row = STR("{\"id\":\"a\\u0000b\"}") },
        { .table = STR("charge"), .row = STR("{\"id\":\"a\\\\u0000b\"}") },
    };
    struct committed c = commit_rows(f, ss, &lane, rows, 2);
    if (f->kind == POSTGRES) {
        assert_int_equal(c.result, STORE_BAD_ROWS);
        assert_int_equal(c.n_bad, 1);
        assert_int_equal(c.bad[0], 0);
        c = commit_rows(f, ss, &lane, rows + 1, 1);
        assert_string_equal(sql(f, "SELECT id FROM charge"), "a\\u0000b");
    }
    assert_int_equal(c.result, STORE_OK);
    close_session(f, ss);
}

static void the_database_refuses_rows_one_by_one(void **state)
{
    struct fixture *f = fixture_of(state);
    if (f->kind == MEMORY)
        return; /* has no types and constraints */
    struct store_session *ss = open_session(f, 0);
    struct store_lane lane = assign(f, ss, 1, 0, 0);
    make_table(
        f, "CREATE TABLE charge (id text PRIMARY KEY, amount integer NOT NULL CHECK (amount > 0), "
           "parent text REFERENCES charge (id) DEFERRABLE INITIALLY DEFERRED)");
    struct store_row rows[] = {
        { .table = STR("charge"), .row = STR("{\"id\":\"a\",\"amount\":1}"), .unique = STR("id") },
        { .table = STR("charge"), .row = STR("{\"id\":\"b\",\"amount\":-1}"), .unique = STR("id") },
        { .table = STR("charge"), .row = STR("{\"id\":\"c\",\"amount\":2}") },
        { .table = STR("charge"),
          .row = STR("{\"id\":\"c\",\"amount\":3}") }, /* the key is taken */
        { .table = STR("charge"),
          .row = STR("{\"id\":\"d\",\"amount\":null}"),
          .unique = STR("id") },
        { .table = STR("charge"),
          .row = STR("{\"id\":\"e\",\"amount\":1,\"colour\":2}"),
          .unique = STR("id") },
        { .table = STR("nowhere"), .row = STR("{\"id\":\"f\"}") },
        { .table = STR("charge"), .row = STR("{\"id\":\"g\",\"amount\":1,\"parent\":\"a\"}") },
        { .table = STR("charge"),
          .row = STR("{\"id\":\"h\",\"amount\":7}"),
          .unique = STR("amount") },
    };
    struct committed c = commit_rows(f, ss, &lane, rows, 9);
    assert_int_equal(c.result, STORE_BAD_ROWS);
    const uint32_t bad[] = { 1, 3, 4, 5, 6, 8 };
    assert_int_equal(c.n_bad, 6);
    for (int i = 0; i < 6; i++)
        assert_int_equal(c.bad[i], bad[i]);
    assert_non_null(strstr(c.reasons[4], "nowhere"));
    assert_int_equal(count_rows(f, "charge"), 0);
    struct store_row good[] = { rows[0], rows[2], rows[7] };
    assert_int_equal(commit_rows(f, ss, &lane, good, 3).result, STORE_OK);
    assert_int_equal(count_rows(f, "charge"), 3);
    /* Checked only at the commit. */
    struct store_row late[] = {
        { .table = STR("charge"), .row = STR("{\"id\":\"x\",\"amount\":1,\"parent\":\"none\"}") },
        { .table = STR("charge"), .row = STR("{\"id\":\"y\",\"amount\":1,\"parent\":\"a\"}") },
    };
    c = commit_rows(f, ss, &lane, late, 2);
    assert_int_equal(c.result, STORE_BAD_ROWS);
    assert_int_equal(c.n_bad, 1);
    assert_int_equal(c.bad[0], 0);
    assert_int_equal(count_rows(f, "charge"), 3);
    assert_int_equal(commit_rows(f, ss, &lane, late + 1, 1).result, STORE_OK);
    close_session(f, ss);
}

/* --- workflows, sources, engines, credentials ------------------------------------------------- */

struct seen {
    unsigned n;
    uint64_t version;
    uint32_t number;
    bool active;
    char id[64], name[64], definition[200];
};

static void on_workflow(void *ctx, const struct store_workflow *w)
{
    struct seen *seen = ctx;
    seen->n++;
    seen->version = w->version;
    seen->number = w->number;
    seen->active = w->active;
    snprintf(seen->id, sizeof seen->id, "%.*s", STR_ARG(w->id));
    snprintf(seen->name, sizeof seen->name, "%.*s", STR_ARG(w->name));
    snprintf(seen->definition, sizeof seen->definition, "%.*s", STR_ARG(w->definition));
}

static void deploys_make_versions(void **state)
{
    struct fixture *f = fixture_of(state);
    struct err err;
    struct store_workflow one, same, two, other;
    uint64_t revision[4];
    assert_int_equal(store_revision(f->store, &revision[0], &err), 0);
    assert_int_equal(
        store_deploy(f->store, STR("w1"), STR("First"), STR("{\"a\":1}"), true, &one, &err), 0);
    assert_int_equal(one.number, 1);
    assert_true(one.version && one.active && one.deployed_us > noon_us);
    assert_int_equal(store_revision(f->store, &revision[1], &err), 0);
    assert_true(revision[1] > revision[0]);
    assert_int_equal(
        store_deploy(f->store, STR("w1"), STR("First"), STR("{\"a\":1}"), true, &same, &err), 0);
    assert_int_equal(same.version, one.version);
    assert_int_equal(
        store_deploy(f->store, STR("w2"), STR("Other"), STR("{}"), false, &other, &err), 0);
    assert_int_equal(
        store_deploy(f->store, STR("w1"), STR("New name"), STR("{\"a\":2}"), true, &two, &err), 0);
    assert_int_equal(two.number, 2);
    assert_true(two.version > one.version && other.version != two.version);
    struct seen seen = { 0 };
    assert_int_equal(store_workflows(f->store, on_workflow, &seen, &err), 0);
    assert_int_equal(seen.n, 2);
    seen = (struct seen){ 0 };
    assert_int_equal(store_workflow_version(f->store, one.version, on_workflow, &seen, &err), 0);
    assert_int_equal(seen.n, 1);
    assert_int_equal(seen.number, 1);
    assert_string_equal(seen.definition, "{\"a\":1}");
    assert_string_equal(seen.name, "New name");
    assert_int_equal(store_workflow_version(f->store, 99999, on_workflow, &seen, &err), -1);
    assert_int_equal(err.code, ERR_NOT_FOUND);
    assert_int_equal(store_revision(f->store, &revision[2], &err), 0);
    assert_int_equal(store_set_active(f->store, STR("w1"), false, &err), 0);
    assert_int_equal(store_revision(f->store, &revision[3], &err), 0);
    assert_true(revision[3] > revision[2]);
    seen = (struct seen){ 0 };
    assert_int_equal(store_workflow_version(f->store, two.version, on_workflow, &seen, &err), 0);
    assert_false(seen.active);
    assert_int_equal(store_set_active(f->store, STR("nobody"), true, &err), -1);
    assert_int_equal(err.code, ERR_NOT_FOUND);
    assert_int_equal(store_deploy(f->store, STR(""), STR("x"), STR("{}"), true, &one, &err), -1);
    assert_int_equal(err.code, ERR_INVALID);
}

static void sources_have_one_number(void **state)
{
    struct fixture *f = fixture_of(state);
    struct err err;
    uint32_t a, b, again;
    assert_int_equal(store_source(f->store, STR("w"), STR("n"), STR("kafka"), STR("t"), &a, &err),
                     0);
    assert_int_equal(store_source(f->store, STR("w"), STR("n"), STR("kafka"), STR("t2"), &b, &err),
                     0);
    assert_int_equal(
        store_source(f->store, STR("w"), STR("n"), STR("kafka"), STR("t"), &again, &err), 0);
    assert_true(a && b && a != b);
    assert_int_equal(a, again);
}

static void on_instance(void *ctx, uint32_t instance)
{
    uint32_t *list = ctx;
    list[++list[0]] = instance;
}

static void a_dead_engine_is_given_to_one(void **state)
{
    struct fixture *f = fixture_of(state);
    struct err err;
    uint32_t a, b, c, list[8] = { 0 };
    assert_int_equal(store_instance(f->store, STR("a"), &a, &err), 0);
    assert_int_equal(store_instance(f->store, STR("b"), &b, &err), 0);
    assert_int_equal(store_instance(f->store, STR("c"), &c, &err), 0);
    assert_int_equal(store_dead_instances(f->store, a, 60000, on_instance, list, &err), 0);
    assert_int_equal(list[0], 0);
    usleep(60000);
    assert_int_equal(store_heartbeat(f->store, f->instance, &err), 0);
    assert_int_equal(store_heartbeat(f->store, a, &err), 0);
    assert_int_equal(store_heartbeat(f->store, c, &err), 0);
    assert_int_equal(store_dead_instances(f->store, a, 50, on_instance, list, &err), 0);
    assert_int_equal(list[0], 1);
    assert_int_equal(list[1], b);
    list[0] = 0;
    assert_int_equal(store_dead_instances(f->store, c, 50, on_instance, list, &err), 0);
    assert_int_equal(store_dead_instances(f->store, a, 50, on_instance, list, &err), 0);
    assert_int_equal(list[0], 0);
    /* The dead one wakes up and learns it. */
    assert_int_equal(store_heartbeat(f->store, b, &err), -1);
    assert_int_equal(err.code, ERR_FENCED);
    /* Its heir dies too, before it was done. */
    usleep(60000);
    assert_int_equal(store_heartbeat(f->store, f->instance, &err), 0);
    assert_int_equal(store_heartbeat(f->store, c, &err), 0);
    assert_int_equal(store_dead_instances(f->store, c, 50, on_instance, list, &err), 0);
    assert_int_equal(list[0], 2);
    assert_int_equal(store_instance_leave(f->store, a, &err), 0);
    assert_int_equal(store_instance_leave(f->store, b, &err), 0);
    list[0] = 0;
    assert_int_equal(store_dead_instances(f->store, f->instance, 50, on_instance, list, &err), 0);
    assert_int_equal(list[0], 0);
    assert_int_equal(store_heartbeat(f->store, a, &err), -1);
    assert_int_equal(err.code, ERR_FENCED);
}

static void who_leaves_work_behind_is_taken_over(void **state)
{
    struct fixture *f = fixture_of(state);
    struct err err;
    uint32_t heir, list[8] = { 0 };
    struct store_session *ss = open_session(f, 0);
    struct store_lane lane = assign(f, ss, 1, 0, 0);
    assert_int_equal(commit_sample(f, ss, &lane, 3, 1), STORE_OK); /* its outputs may not be out */
    close_session(f, ss);
    assert_int_equal(store_instance(f->store, STR("heir"), &heir, &err), 0);
    assert_int_equal(store_instance_leave(f->store, f->instance, &err), 0);
    usleep(60000);
    assert_int_equal(store_heartbeat(f->store, heir, &err), 0);
    assert_int_equal(store_dead_instances(f->store, heir, 50, on_instance, list, &err), 0);
    assert_int_equal(list[0], 1);
    assert_int_equal(list[1], f->instance);
}

static void on_credential(void *ctx, const struct store_credential *c)
{
    char *text = ctx;
    size_t len = strlen(text);
    snprintf(text + len, 500 - len, "%.*s/%.*s/%.*s/%zu%c ", STR_ARG(c->id), STR_ARG(c->name),
             STR_ARG(c->type), c->sealed.len,
             c->sealed.len ? c->sealed.ptr[c->sealed.len - 1] : '-');
}

static void credentials_are_kept(void **state)
{
    struct fixture *f = fixture_of(state);
    struct err err;
    struct store_credential one = { STR("c1"), STR("Shop"), STR("basic"), STR("\0\1\2\377\0z") };
    struct store_credential two = { STR("c2"), STR("Bank"), STR("bearer"), STR("") };
    char text[500] = "";
    assert_int_equal(store_credential_put(f->store, &one, &err), 0);
    assert_int_equal(store_credential_put(f->store, &two, &err), 0);
    assert_int_equal(store_credentials(f->store, on_credential, text, &err), 0);
    assert_string_equal(text, "c1/Shop/basic/6z c2/Bank/bearer/0- ");
    one.sealed = STR("new");
    one.name = STR("Shop 2");
    assert_int_equal(store_credential_put(f->store, &one, &err), 0);
    assert_int_equal(store_credential_delete(f->store, STR("c2"), &err), 0);
    assert_int_equal(store_credential_delete(f->store, STR("c2"), &err), -1);
    assert_int_equal(err.code, ERR_NOT_FOUND);
    text[0] = 0;
    assert_int_equal(store_credentials(f->store, on_credential, text, &err), 0);
    assert_string_equal(text, "c1/Shop 2/basic/3w ");
}

/* --- executions for people -------------------------------------------------------------------- */

struct listed {
    unsigned n, by_status[8];
    int64_t last_us;
    bool is_sorted;
    struct store_execution one; /* strings are copies */
    char workflow[64], name[64], node[64], error[64], input[64], state[64], body[64];
};

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

static struct listed list(struct fixture *f, struct store_filter filter)
{
    struct listed l = { 0 };
    struct err err;
    if (store_executions(f->store, &filter, on_execution, &l, &err) != 0)
        fail_msg("%s", err.text);
    return l;
}

static struct listed show(struct fixture *f, uint64_t position)
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

static void executions_are_listed(void **state)
{
    struct fixture *f = fixture_of(state);
    struct store_session *ss = open_session(f, 0);
    uint64_t versions[2];
    fill(f, ss, versions);
    struct listed l = list(f, (struct store_filter){ .limit = 1000 });
    assert_int_equal(l.n, 303);
    assert_true(l.is_sorted);
    assert_int_equal(l.by_status[STORE_SUCCESS], 298);
    assert_int_equal(l.by_status[STORE_ERROR], 2);
    assert_int_equal(l.by_status[STORE_WAITING], 2);
    assert_int_equal(l.by_status[STORE_RETRIED], 1);
    assert_int_equal(list(f, (struct store_filter){ 0 }).n, 50);
    assert_int_equal(list(f, (struct store_filter){ .limit = 7 }).n, 7);
    l = list(f, (struct store_filter){ .limit = 1 });
    assert_int_equal(l.one.id.position, 150); /* the newest */
    assert_int_equal(list(f, (struct store_filter){ .limit = 1000, .workflow = "w2" }).n, 52);
    assert_int_equal(list(f, (struct store_filter){ .limit = 1000, .workflow = "Second" }).n, 52);
    assert_int_equal(list(f, (struct store_filter){ .limit = 1000, .workflow = "nobody" }).n, 0);
    assert_int_equal(list(f, (struct store_filter){ .limit = 1000, .status = STORE_ERROR }).n, 2);
    assert_int_equal(list(f, (struct store_filter){ .limit = 1000, .status = STORE_RETRIED }).n, 1);
    assert_int_equal(list(f, (struct store_filter){ .limit = 1000, .status = STORE_SUCCESS }).n,
                     298);
    assert_int_equal(list(f, (struct store_filter){ .limit = 1000, .status = STORE_WAITING }).n, 2);
    l = list(f, (struct store_filter){ .limit = 1000,
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
    close_session(f, ss);
}

static void executions_are_shown(void **state)
{
    struct fixture *f = fixture_of(state);
    struct store_session *ss = open_session(f, 0);
    uint64_t versions[2];
    fill(f, ss, versions);
    struct listed l = show(f, 7);
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
    l = show(f, 50); /* failed: the row and what the block has */
    assert_int_equal(l.one.status, STORE_ERROR);
    assert_string_equal(l.node, "HTTP");
    assert_string_equal(l.error, "{\"message\":\"no\"}");
    assert_string_equal(l.state, "{\"s\":1}");
    assert_string_equal(l.input, "{\"n\":50}");
    assert_int_equal(l.one.duration_us, 1500);
    l = show(f, 150); /* the last word on it */
    assert_int_equal(l.one.status, STORE_SUCCESS);
    assert_int_equal(l.one.started_us, noon_us + 10 * 1000000);
    l = show(f, 1000);
    assert_int_equal(l.one.status, STORE_WAITING);
    assert_string_equal(l.workflow, "w2");
    assert_string_equal(l.input, "");
    assert_int_equal(show(f, 301).n, 0);
    assert_int_equal(show(f, UINT64_C(1) << 50).n, 0);
    close_session(f, ss);
}

/* --- housekeeping and opening ----------------------------------------------------------------- */

static const int64_t day_us = INT64_C(86400) * 1000000;

static void retention_drops_what_is_old(void **state)
{
    struct fixture *f = fixture_of(state);
    struct err err;
    struct store_session *ss = open_session(f, 0);
    struct store_lane lane = assign(f, ss, 1, 0, 0);
    assert_int_equal(commit_sample(f, ss, &lane, 10, 1), STORE_OK);
    assert_int_equal(commit_sample(f, ss, &lane, 10, 1), STORE_OK);
    int64_t now_us = clock_wall_us();
    struct store_exec execs[] = { parked_exec(1, 0), parked_exec(2, 0), parked_exec(3, 0) };
    execs[0].status = execs[1].status = STORE_ERROR;
    execs[0].ended_us = now_us - 15 * day_us;
    execs[1].ended_us = now_us - 13 * day_us;
    keep(f, ss, &lane, execs, 3, NULL, 0);
    if (f->kind == POSTGRES) { /* the database's clock decides there: age a block by hand */
        sql(f, "UPDATE block SET created_at = now() - interval '15 days' WHERE seq = 1");
        assert_int_equal(store_housekeep(f->store, now_us, &err), 0);
    } else if (f->kind == SQLITE) {
        sql(f, "UPDATE block SET created_us = created_us - 15 * 86400000000 WHERE seq = 1");
        assert_int_equal(store_housekeep(f->store, now_us, &err), 0);
    } else {
        assert_int_equal(store_housekeep(f->store, now_us, &err), 0);
    }
    struct read_back back = read_blocks(f, ss, 0, 10, NULL);
    assert_int_equal(back.n, f->kind == MEMORY ? 2 : 1);
    assert_int_equal(show(f, 1).n, f->kind == MEMORY ? 1 : 0);
    struct listed l = list(f, (struct store_filter){ .status = STORE_ERROR });
    assert_int_equal(l.n, 1);
    assert_int_equal(l.one.id.position, 2);
    assert_int_equal(list(f, (struct store_filter){ .status = STORE_WAITING }).n,
                     1); /* parked ones stay */
    if (f->kind == MEMORY) {
        assert_int_equal(store_housekeep(f->store, now_us + 15 * day_us, &err), 0);
        assert_int_equal(read_blocks(f, ss, 0, 10, NULL).n, 0);
    }
    close_session(f, ss);
}

/* Days are made ahead and dropped behind; what fell beside them is put in its place. */
static void partitions_come_and_go(void **state)
{
    struct fixture *f = fixture_of(state);
    struct err err;
    if (f->kind != POSTGRES)
        return; /* has no partitions */
    struct store_session *ss = open_session(f, 0);
    struct store_lane lane = assign(f, ss, 1, 0, 0);
    assert_int_equal(commit_sample(f, ss, &lane, 10, 1), STORE_OK);
    assert_string_equal(sql(f, "SELECT count(*) FROM block_default"), "0");
    sql(f, "CREATE TABLE block_p20200101 PARTITION OF block "
           "FOR VALUES FROM ('2020-01-01 00:00+00') TO ('2020-01-02 00:00+00')");
    sql(f, "DO $$ BEGIN EXECUTE 'DROP TABLE block_p' || to_char(now() AT TIME ZONE 'UTC' + "
           "interval '2 days', 'YYYYMMDD'); END $$");
    assert_int_equal(commit_sample(f, ss, &lane, 10, 1), STORE_OK);
    sql(f, "UPDATE block SET created_at = created_at + interval '2 days' WHERE seq = 2");
    assert_string_equal(sql(f, "SELECT seq FROM block_default"), "2");
    assert_int_equal(store_housekeep(f->store, 0, &err), 0);
    assert_string_equal(sql(f, "SELECT count(*) FROM block_default"), "0");
    assert_string_equal(sql(f, "SELECT count(*) FROM block"), "2");
    assert_string_equal(sql(f, "SELECT count(*) FROM pg_inherits "
                               "WHERE inhparent = 'block'::regclass"),
                        "5");
    assert_int_equal(read_blocks(f, ss, 0, 10, NULL).n, 2);
    /* An engine whose clock is a year ahead drops nothing. */
    assert_int_equal(store_housekeep(f->store, clock_wall_us() + 365 * day_us, &err), 0);
    assert_int_equal(read_blocks(f, ss, 0, 10, NULL).n, 2);
    /* A long transaction that reads the journal holds up neither commits nor housekeeping. */
    sql(f, "CREATE TABLE block_p20200102 PARTITION OF block "
           "FOR VALUES FROM ('2020-01-02 00:00+00') TO ('2020-01-03 00:00+00')");
    PGconn *reader = PQconnectdb(f->url);
    PQclear(PQexec(reader, "BEGIN"));
    PQclear(PQexec(reader, "SELECT count(*) FROM block"));
    int64_t began_us = clock_mono_us();
    assert_int_equal(store_housekeep(f->store, 0, &err), 0);
    assert_int_equal(commit_sample(f, ss, &lane, 10, 1), STORE_OK);
    assert_true(clock_mono_us() - began_us < 8000000);
    PQfinish(reader);
    assert_int_equal(store_housekeep(f->store, 0, &err), 0);
    assert_string_equal(sql(f, "SELECT to_regclass('block_p20200102') IS NULL"), "t");
    close_session(f, ss);
}

static void count_step(void *ctx, int version, const char *name)
{
    (void)version, (void)name;
    ++*(int *)ctx;
}

static void a_second_opening_finds_everything(void **state)
{
    struct fixture *f = fixture_of(state);
    struct err err;
    if (f->kind == MEMORY)
        return; /* keeps nothing */
    struct store_session *ss = open_session(f, 0);
    struct store_lane lane = assign(f, ss, 1, 0, 0);
    assert_int_equal(commit_sample(f, ss, &lane, 10, 1), STORE_OK);
    struct store *again = open_again(f);
    int steps = 0, applied = 0, newest = 0;
    assert_int_equal(store_migrate(again, true, count_step, &steps, &applied, &newest, &err), 0);
    assert_int_equal(steps, 0);
    assert_int_equal(applied, newest);
    assert_true(newest >= 1);
    store_close(f->store == again ? NULL : again);
    assert_int_equal(read_blocks(f, ss, 0, 10, NULL).n, 1);
    close_session(f, ss);
}

static void another_schema_is_refused(void **state)
{
    struct fixture *f = fixture_of(state);
    struct err err;
    if (f->kind == MEMORY)
        return;
    struct store_config config = { .url = f->url };
    sql(f, "INSERT INTO schema_version (version, name) VALUES (1000, 'future')");
    assert_null(store_open(&config, true, &err));
    assert_non_null(strstr(err.text, "start a newer catalyst"));
    assert_false(err.retryable);
    sql(f, "DELETE FROM schema_version");
    assert_null(store_open(&config, false, &err));
    assert_non_null(strstr(err.text, "run `catalyst migrate`"));
}

/* --- sessions --------------------------------------------------------------------------------- */

static void never(void *ctx, const struct store_commit_result *r)
{
    (void)ctx, (void)r;
    fail_msg("told after the session was closed");
}

static void stop_loop(void *arg) { loop_stop(arg); }

static void a_closed_session_says_nothing(void **state)
{
    struct fixture *f = fixture_of(state);
    struct store_session *ss = open_session(f, 0);
    struct store_lane lane = assign(f, ss, 1, 0, 0);
    struct sample *s = sample(&lane, 10, 1);
    struct store_turn turn = { .blocks = &s->block, .n_blocks = 1 };
    store_commit(ss, &turn, never, NULL);
    close_session(f, ss);
    sample_fini(s);
    struct timer soon = { .fn = stop_loop, .arg = f->loop };
    timer_start(f->loop, &soon, 50000);
    wait_loop(f);
    ss = open_session(f, 0);
    close_session(f, ss); /* before it was up */
}

struct weather {
    struct fixture *f;
    bool up;
    unsigned n;
};

static void on_state(void *ctx, bool up, const char *reason)
{
    struct weather *w = ctx;
    assert_true(up ? reason == NULL : reason != NULL);
    w->up = up;
    w->n++;
    loop_stop(w->f->loop);
}

static void a_session_tells_that_it_is_up(void **state)
{
    struct fixture *f = fixture_of(state);
    struct weather w = { .f = f };
    struct store_session_config config = {
        .loop = f->loop, .instance = f->instance, .ctx = &w, .on_state = on_state
    };
    struct store_session *ss = store_session_open(f->store, &config);
    assert_int_equal(w.n, 0);
    wait_loop(f);
    assert_true(w.up);
    assert_int_equal(w.n, 1);
    close_session(f, ss);
}

/* --- all of it for each kind ------------------------------------------------------------------ */

static int setup_memory(void **state) { return !(*state = fixture_open(MEMORY)); }
static int setup_sqlite(void **state) { return !(*state = fixture_open(SQLITE)); }
static int setup_postgres(void **state) { return !(*state = fixture_open(POSTGRES)); }

static int teardown(void **state)
{
    fixture_close(*state);
    return 0;
}

static void urls_are_checked(void **state)
{
    (void)state;
    struct err err;
    static const char *const bad[] = { "", "mysql://x", "/tmp/x.db" };
    for (size_t i = 0; i < 3; i++) {
        struct store_config config = { .url = bad[i] };
        assert_null(store_open(&config, true, &err));
        assert_int_equal(err.code, ERR_INVALID);
    }
    struct store_config config = { .url = "postgresql://127.0.0.1:1/none?password=geheim" };
    assert_null(store_open(&config, true, &err));
    assert_true(err.retryable);
    assert_null(strstr(err.text, "geheim"));
}

#define TESTS(X)                                                                                   \
    X(a_lane_begins_fresh_and_keeps_its_place)                                                     \
    X(a_new_owner_fences_the_former_one)                                                           \
    X(all_lanes_move_or_none)                                                                      \
    X(a_commit_must_meet_position_and_number)                                                      \
    X(a_row_that_moved_is_found)                                                                   \
    X(released_and_bare_moves_are_kept)                                                            \
    X(lanes_of_an_engine_are_listed)                                                               \
    X(blocks_come_back_in_order)                                                                   \
    X(blocks_come_back_whole)                                                                      \
    X(a_flipped_byte_is_noticed)                                                                   \
    X(parked_executions_are_handed_out_when_due)                                                   \
    X(a_limit_hands_out_the_rest_later)                                                            \
    X(pages_lose_nobody)                                                                           \
    X(written_again_it_is_handed_out_again)                                                        \
    X(only_the_owner_gets_parked_executions)                                                       \
    X(a_failed_execution_is_retried_once)                                                          \
    X(text_that_is_no_text_does_not_stop_a_turn)                                                   \
    X(rows_ride_in_the_turn)                                                                       \
    X(bad_rows_are_told_one_by_one)                                                                \
    X(a_nul_in_a_row_hurts_nobody)                                                                 \
    X(the_database_refuses_rows_one_by_one)                                                        \
    X(deploys_make_versions)                                                                       \
    X(sources_have_one_number)                                                                     \
    X(a_dead_engine_is_given_to_one)                                                               \
    X(who_leaves_work_behind_is_taken_over)                                                        \
    X(credentials_are_kept)                                                                        \
    X(executions_are_listed)                                                                       \
    X(executions_are_shown)                                                                        \
    X(retention_drops_what_is_old)                                                                 \
    X(partitions_come_and_go)                                                                      \
    X(a_second_opening_finds_everything)                                                           \
    X(another_schema_is_refused)                                                                   \
    X(a_closed_session_says_nothing)                                                               \
    X(a_session_tells_that_it_is_up)

int main(void)
{
#define MEMORY_TEST(test)   { "memory: " #test, test, setup_memory, teardown, NULL },
#define SQLITE_TEST(test)   { "sqlite: " #test, test, setup_sqlite, teardown, NULL },
#define POSTGRES_TEST(test) { "postgresql: " #test, test, setup_postgres, teardown, NULL },
    const struct CMUnitTest common[] = { cmocka_unit_test(urls_are_checked) };
    const struct CMUnitTest memory[] = { TESTS(MEMORY_TEST) };
    const struct CMUnitTest sqlite[] = { TESTS(SQLITE_TEST) };
    const struct CMUnitTest postgres[] = { TESTS(POSTGRES_TEST) };
    int failed = cmocka_run_group_tests_name("store.common", common, NULL, NULL);
    failed += cmocka_run_group_tests_name("store.memory", memory, NULL, NULL);
    failed += cmocka_run_group_tests_name("store.sqlite", sqlite, NULL, NULL);
    if (postgres_url())
        failed += cmocka_run_group_tests_name("store.postgresql", postgres, NULL, NULL);
    else
        printf("skipped: %zu tests of PostgreSQL: CATALYST_TEST_POSTGRES is not set\n",
               sizeof postgres / sizeof *postgres);
    return failed;
}
