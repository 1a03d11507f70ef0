/* SPDX-License-Identifier: Apache-2.0
 * Lanes: who owns one, and that it moves by compare-and-set, all of a turn's or none.
 */
#include "conformance.h"

void a_lane_begins_fresh_and_keeps_its_place(void **state)
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

void a_new_owner_fences_the_former_one(void **state)
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

void all_lanes_move_or_none(void **state)
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

void a_commit_must_meet_position_and_number(void **state)
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
void a_row_that_moved_is_found(void **state)
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

void released_and_bare_moves_are_kept(void **state)
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

void lanes_of_an_engine_are_listed(void **state)
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
