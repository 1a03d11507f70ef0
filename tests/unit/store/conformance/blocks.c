/* SPDX-License-Identifier: Apache-2.0
 * Blocks: they come back in order and whole, or the damage is told.
 */
#include "conformance.h"

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

struct read_back read_blocks(struct fixture *f, struct store_session *ss, uint64_t after,
                             uint32_t limit, void (*check)(const struct store_block *))
{
    struct read_back back = { .f = f, .check = check };
    store_blocks(ss, 1, 0, after, limit, on_block, &back);
    wait_loop(f);
    return back;
}

void blocks_come_back_in_order(void **state)
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
void blocks_come_back_whole(void **state)
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

void a_flipped_byte_is_noticed(void **state)
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
