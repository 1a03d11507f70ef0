/* SPDX-License-Identifier: Apache-2.0
 * Rows of plugins: they ride in the turn; those that are refused are told one by one.
 */
#include "conformance.h"

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

void rows_ride_in_the_turn(void **state)
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

void bad_rows_are_told_one_by_one(void **state)
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

static struct committed commit_row(struct fixture *f, struct store_session *ss,
                                   struct store_lane *lane, const char *json, const char *unique)
{
    struct store_row row = { .table = STR("charge"),
                             .row = str_of(json),
                             .unique = str_of(unique) };
    return commit_rows(f, ss, lane, &row, 1);
}

/* PostgreSQL's statements differ: the first on a connection, those that do not look for taken keys,
 * and those that do since one was taken. */
void a_row_meets_one_with_its_key(void **state)
{
    struct fixture *f = fixture_of(state);
    struct store_session *ss = open_session(f, 0);
    struct store_lane lane = assign(f, ss, 1, 0, 0);
    make_table(f, "CREATE TABLE charge (id text PRIMARY KEY, amount integer, note text)");
    for (int i = 0; i < 80; i++) {
        char row[80];
        snprintf(row, sizeof row, "{\"id\":\"%d\",\"amount\":%d,\"note\":\"n\"}", i / 4, i / 4);
        assert_int_equal(commit_row(f, ss, &lane, row, i % 3 ? "id" : "id;amount").result,
                         STORE_OK);
        assert_int_equal(count_rows(f, "charge"), i / 4 + 1);
        snprintf(row, sizeof row, "{\"id\":\"%d\",\"amount\":%d,\"note\":\"m\"}", i / 4, i / 4 + 1);
        struct committed c = commit_row(f, ss, &lane, row, "id; amount");
        assert_int_equal(c.result, STORE_BAD_ROWS);
        assert_int_equal(c.n_bad, 1);
        assert_non_null(strstr(c.reasons[0], "a row with the same"));
    }
    if (f->kind != MEMORY)
        assert_string_equal(
            sql(f, "SELECT count(*) FROM charge WHERE amount <> CAST(id AS integer)"), "0");
    close_session(f, ss);
}

void rows_with_one_key_meet_in_a_turn(void **state)
{
    struct fixture *f = fixture_of(state);
    if (f->kind == MEMORY)
        return; /* its lists look at the rows of earlier turns */
    struct store_session *ss = open_session(f, 0);
    struct store_lane lane = assign(f, ss, 1, 0, 0);
    make_table(f, "CREATE TABLE charge (id text PRIMARY KEY, amount integer, note text)");
    enum { ALIKE = 20, ROWS = ALIKE + 2 };
    struct store_row rows[ROWS];
    char text[ROWS][60];
    for (int i = 0; i < ROWS; i++) {
        bool is_b = i >= ALIKE;
        snprintf(text[i], sizeof *text, "{\"id\":\"%s\",\"amount\":%d,\"note\":\"%d\"}",
                 is_b ? "b" : "a", is_b ? i : 1, (ROWS - i) * 7 % 10);
        rows[i] = (struct store_row){ .table = STR("charge"),
                                      .row = str_of(text[i]),
                                      .unique = STR("id;amount") };
    }
    for (int i = 0; i < 4; i++) {
        sql(f, "DELETE FROM charge");
        struct committed c = commit_rows(f, ss, &lane, rows, ROWS);
        assert_int_equal(c.result, STORE_BAD_ROWS);
        assert_int_equal(c.n_bad, 1);
        assert_int_equal(c.bad[0], ROWS - 1);
        assert_int_equal(commit_rows(f, ss, &lane, rows, ROWS - 1).result, STORE_OK);
        assert_int_equal(count_rows(f, "charge"), 2);
        /* the first of those that are the same, as one by one */
        assert_string_equal(sql(f, "SELECT note FROM charge WHERE id = 'a'"), "4");
    }
    close_session(f, ss);
}

/* JSON may hold a NUL, PostgreSQL's text may not; a backslash before it makes it plain text. */
void a_nul_in_a_row_hurts_nobody(void **state)
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

void the_database_refuses_rows_one_by_one(void **state)
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

/* The first row of a kind travels as JSON, those after it as arrays: both must give the same. */
void columns_keep_their_types(void **state)
{
    struct fixture *f = fixture_of(state);
    if (f->kind != POSTGRES)
        return;
    struct store_session *ss = open_session(f, 0);
    struct store_lane lane = assign(f, ss, 1, 0, 0);
    sql(f, "CREATE TYPE mood AS ENUM ('good', 'bad')");
    sql(f, "CREATE TABLE wide (n integer PRIMARY KEY, small smallint, big bigint, t text, "
           "v varchar(9), b boolean, num numeric(12, 3), d double precision, at timestamptz, "
           "j jsonb, m mood, bytes bytea)");
    sql(f, "CREATE TABLE tagged (n integer PRIMARY KEY, tags text[])");
    static const char body[] =
        "\"small\":-7,\"big\":9007199254740993,\"t\":\"it's "
        "\\\"x\\\"\",\"v\":\"\\u20ac\",\"b\":true,"
        "\"num\":12.5,\"d\":1e-3,\"at\":\"2026-01-02T03:04:05Z\",\"j\":{\"a\":[1,\"b\"]},"
        "\"m\":\"bad\",\"bytes\":\"\\\\x0102\"}";
    static const char nulls[] =
        "\"small\":null,\"big\":null,\"t\":null,\"v\":null,\"b\":null,\"num\":null,\"d\":null,"
        "\"at\":null,\"j\":null,\"m\":null,\"bytes\":null}";
    static const char odd[] =
        "\"small\":\"5\",\"big\":1,\"t\":17,\"v\":false,\"b\":\"yes\",\"num\":\"1.5\",\"d\":2,"
        "\"at\":\"2026-01-02\",\"j\":\"text\",\"m\":\"good\",\"bytes\":\"x\"}";
    static const char *const bodies[] = { body, nulls, odd };
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < 3; i++) {
            char text[600];
            snprintf(text, sizeof text, "{\"n\":%d,%s", 10 * round + i, bodies[i]);
            struct store_row rows[] = {
                { .table = STR("wide"), .row = str_of(text), .unique = STR("n") },
                { .table = STR("tagged"),
                  .row = i == 0 ? STR("{\"n\":1,\"tags\":[\"a\",\"b\"]}")
                                : STR("{\"n\":2,\"tags\":null}"),
                  .unique = STR("n") },
            };
            struct committed c = commit_rows(f, ss, &lane, rows, 2);
            if (c.result != STORE_OK)
                fail_msg("round %d, row %d: %s", round, i, c.reasons[0]);
        }
    }
    assert_string_equal(sql(f,
                            "SELECT count(*) FROM (SELECT small, big, t, v, b, num, d, at, j, m, "
                            "bytes FROM wide GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11 "
                            "HAVING count(*) = 2) x"),
                        "3");
    assert_string_equal(sql(f, "SELECT tags[2] FROM tagged WHERE n = 1"), "b");
    assert_string_equal(sql(f, "SELECT big FROM wide WHERE n = 10"), "9007199254740993");
    /* NULL stays NULL where an empty text would do as well. */
    sql(f, "CREATE TABLE words (n integer PRIMARY KEY, t text, m bigint)");
    for (int i = 0; i < 3; i++) {
        char text[100];
        snprintf(text, sizeof text, "{\"n\":%d,\"t\":null,\"m\":null}", i);
        struct store_row row = { .table = STR("words"), .row = str_of(text), .unique = STR("n") };
        assert_int_equal(commit_rows(f, ss, &lane, &row, 1).result, STORE_OK);
    }
    assert_string_equal(sql(f, "SELECT count(*) FROM words WHERE t IS NULL AND m IS NULL"), "3");
    /* A table that is another by now. */
    sql(f, "ALTER TABLE wide ALTER COLUMN big TYPE text");
    char text[600];
    snprintf(text, sizeof text, "{\"n\":99,%s", body);
    struct store_row row = { .table = STR("wide"), .row = str_of(text), .unique = STR("n") };
    assert_int_equal(commit_rows(f, ss, &lane, &row, 1).result, STORE_OK);
    assert_string_equal(sql(f, "SELECT big FROM wide WHERE n = 99"), "9007199254740993");
    close_session(f, ss);
}
