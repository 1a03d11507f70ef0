/* SPDX-License-Identifier: Apache-2.0
 * Housekeeping and opening: what is old goes, what is kept is found again.
 */
#include "conformance.h"

static const int64_t day_us = INT64_C(86400) * 1000000;

void retention_drops_what_is_old(void **state)
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
    commit_execs(f, ss, &lane, execs, 3, NULL, 0);
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
    assert_int_equal(show_execution(f, 1).n, f->kind == MEMORY ? 1 : 0);
    struct listed l = list_executions(f, (struct store_filter){ .status = STORE_ERROR });
    assert_int_equal(l.n, 1);
    assert_int_equal(l.one.id.position, 2);
    assert_int_equal(list_executions(f, (struct store_filter){ .status = STORE_WAITING }).n,
                     1); /* parked ones stay */
    if (f->kind == MEMORY) {
        assert_int_equal(store_housekeep(f->store, now_us + 15 * day_us, &err), 0);
        assert_int_equal(read_blocks(f, ss, 0, 10, NULL).n, 0);
    }
    close_session(f, ss);
}

struct left_lane {
    uint32_t source;
    bool is_parked, is_released;
};

/* A lane of this engine with one block, moved once. */
static void leave_lane(struct fixture *f, struct store_session *ss, struct left_lane l)
{
    struct store_lane lane = assign(f, ss, l.source, 64, 0);
    assert_int_equal(commit_sample(f, ss, &lane, 1, 1), STORE_OK);
    if (l.is_parked) {
        struct store_exec exec = parked_exec(5, 0);
        exec.id.source = l.source;
        exec.id.partition = 64;
        exec.status = STORE_ERROR;
        exec.ended_us = clock_wall_us();
        commit_execs(f, ss, &lane, &exec, 1, NULL, 0);
    }
    if (l.is_released) {
        lane.released = lane.block_seq;
        commit_execs(f, ss, &lane, NULL, 0, NULL, 0);
    }
}

void lanes_of_engines_that_left_go(void **state)
{
    struct fixture *f = fixture_of(state);
    struct err err;
    uint32_t ids[5], old;
    for (int i = 0; i < 5; i++) {
        char name[16];
        snprintf(name, sizeof name, "hook%d", i);
        assert_int_equal(store_source(f->store, STR("w"), STR("n"),
                                      i == 1 ? STR("kafka") : STR("webhook"), str_of(name), &ids[i],
                                      &err),
                         0);
    }
    assert_int_equal(store_instance(f->store, STR("old"), &old, &err), 0);
    struct store_session *theirs = open_session(f, old), *ours = open_session(f, 0);
    leave_lane(f, theirs, (struct left_lane){ ids[0], .is_released = true });
    leave_lane(f, theirs, (struct left_lane){ ids[1], .is_released = true }); /* of Kafka */
    leave_lane(f, theirs, (struct left_lane){ ids[2], .is_released = true, .is_parked = true });
    leave_lane(f, ours, (struct left_lane){ ids[3], .is_released = true });
    assert_int_equal(store_housekeep(f->store, clock_wall_us(), &err), 0);
    assert_int_equal(assign(f, theirs, ids[0], 64, 0).epoch, 2); /* they are still here */
    assert_int_equal(store_instance_leave(f->store, old, &err), 0);
    /* Taken by nobody, but with outputs that may not have left: written after its engine had left.
     */
    leave_lane(f, theirs, (struct left_lane){ .source = ids[4] });
    assert_int_equal(store_housekeep(f->store, clock_wall_us(), &err), 0);
    for (int i = 0; i < 5; i++)
        assert_int_equal(assign(f, ours, ids[i], 64, 0).epoch, i == 0 ? 1 : 2);
    close_session(f, theirs);
    close_session(f, ours);
}

/* Days are made ahead and dropped behind; what fell beside them is put in its place. */
void partitions_come_and_go(void **state)
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

/* Another holds the journal, so that tomorrow cannot be made: that is no error, but it is seen. */
void what_housekeeping_saw_is_told(void **state)
{
    struct fixture *f = fixture_of(state);
    struct err err;
    assert_int_equal(store_housekeep(f->store, 0, &err), 0);
    if (f->kind != POSTGRES) {
        assert_int_equal(store_house(f->store).partitions_missing, -1);
        return;
    }
    assert_int_equal(store_house(f->store).partitions_missing, 0);
    assert_int_equal(store_house(f->store).retention_failures, -1);
    sql(f, "DO $$ BEGIN EXECUTE 'DROP TABLE block_p' || to_char(now() AT TIME ZONE 'UTC' + "
           "interval '1 day', 'YYYYMMDD'); END $$");
    PGconn *other = PQconnectdb(f->url);
    PQclear(PQexec(other, "BEGIN; LOCK TABLE ONLY block IN ACCESS EXCLUSIVE MODE"));
    assert_int_equal(store_housekeep(f->store, 0, &err), 0);
    assert_int_equal(store_house(f->store).partitions_missing, 1);
    PQfinish(other);
    /* What TimescaleDB would have of its jobs. */
    sql(f, "CREATE SCHEMA IF NOT EXISTS timescaledb_information");
    sql(f, "CREATE TABLE timescaledb_information.job_stats AS SELECT 2 AS total_failures "
           "UNION ALL SELECT 3");
    assert_int_equal(store_housekeep(f->store, 0, &err), 0);
    assert_int_equal(store_house(f->store).partitions_missing, 0);
    assert_int_equal(store_house(f->store).retention_failures, 5);
    sql(f, "DROP SCHEMA timescaledb_information CASCADE");
}

static void count_step(void *ctx, int version, const char *name)
{
    (void)version, (void)name;
    ++*(int *)ctx;
}

void a_second_opening_finds_everything(void **state)
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

void another_schema_is_refused(void **state)
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
