/* SPDX-License-Identifier: Apache-2.0
 * Idempotency keys: claims, answers that ride in turns, and what becomes of both.
 */
#include "conformance.h"

enum { HOUR_MS = 3600000 };

static struct store_key key_of(const struct fixture *f, const char *key, uint64_t token)
{
    return (struct store_key){ .source = 7,
                               .key = str_of(key),
                               .print = STR("print"),
                               .token = token,
                               .instance = f->instance,
                               .keep_ms = HOUR_MS };
}

static enum store_key_state claim(struct fixture *f, struct store_key key,
                                  struct store_key_found *out)
{
    static char headers[100], body[100];
    struct arena a;
    struct err err = { 0 };
    struct store_key_found found;
    arena_init(&a, NULL, 0);
    if (store_key_claim(f->store, &key, &a, &found, &err) != 0)
        fail_msg("%s", err.text);
    snprintf(headers, sizeof headers, "%.*s", STR_ARG(found.headers));
    snprintf(body, sizeof body, "%.*s", STR_ARG(found.body));
    found.headers = str_of(headers);
    found.body = str_of(body);
    if (out)
        *out = found;
    arena_fini(&a);
    return found.state;
}

/* A turn that marks a key. */
static enum store_result mark(struct fixture *f, struct store_session *ss,
                              const struct store_lane *lane, struct store_key_mark k)
{
    struct store_block b = lane_only(lane);
    struct store_turn turn = { .blocks = &b, .n_blocks = 1, .keys = &k, .n_keys = 1 };
    k.exec = (struct exec_id){ lane->source, lane->partition, 1 };
    return commit(f, ss, &turn).result;
}

void a_key_is_claimed_once(void **state)
{
    struct fixture *f = fixture_of(state);
    struct err err;
    struct store_key mine = key_of(f, "k", 1), other = key_of(f, "k", 2);
    assert_int_equal(claim(f, mine, NULL), STORE_KEY_NEW);
    assert_int_equal(claim(f, other, NULL), STORE_KEY_BUSY);
    other.print = STR("another");
    assert_int_equal(claim(f, other, NULL), STORE_KEY_OTHER);
    assert_int_equal(claim(f, key_of(f, "l", 3), NULL), STORE_KEY_NEW);
    other.source = 8;
    assert_int_equal(claim(f, other, NULL), STORE_KEY_NEW);
    other = key_of(f, "k", 9);
    assert_int_equal(store_key_release(f->store, &other, &err), 0); /* not its own */
    assert_int_equal(claim(f, other, NULL), STORE_KEY_BUSY);
    assert_int_equal(store_key_release(f->store, &mine, &err), 0);
    assert_int_equal(claim(f, other, NULL), STORE_KEY_NEW);
}

void an_answer_is_kept(void **state)
{
    struct fixture *f = fixture_of(state);
    struct err err;
    struct store_key_found found;
    struct store_session *ss = open_session(f, 0);
    struct store_lane lane = assign(f, ss, 7, 0, 0);
    struct store_key mine = key_of(f, "k", 1);
    assert_int_equal(claim(f, mine, NULL), STORE_KEY_NEW);
    struct store_key_mark m = { .key = STR("k"), .token = 1 };
    assert_int_equal(mark(f, ss, &lane, m), STORE_OK);
    assert_int_equal(claim(f, key_of(f, "k", 2), NULL), STORE_KEY_BUSY);
    assert_int_equal(store_key_release(f->store, &mine, &err), 0); /* accepted: too late */
    assert_int_equal(claim(f, key_of(f, "k", 2), NULL), STORE_KEY_BUSY);
    m = (struct store_key_mark){ .key = STR("k"), .token = 5, .status = 500, .body = STR("x") };
    assert_int_equal(mark(f, ss, &lane, m), STORE_OK); /* of an older claim: nothing */
    assert_int_equal(claim(f, key_of(f, "k", 2), NULL), STORE_KEY_BUSY);
    m = (struct store_key_mark){
        .key = STR("k"), .token = 1, .status = 201, .headers = STR("h"), .body = STR("{}")
    };
    assert_int_equal(mark(f, ss, &lane, m), STORE_OK);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(claim(f, key_of(f, "k", 2), &found), STORE_KEY_ANSWERED);
        assert_int_equal(found.status, 201);
        assert_string_equal(found.headers.ptr, "h");
        assert_string_equal(found.body.ptr, "{}");
    }
    struct store_key other = key_of(f, "k", 3);
    other.print = STR("another");
    assert_int_equal(claim(f, other, NULL), STORE_KEY_OTHER);
    close_session(f, ss);
}

void a_fenced_turn_marks_no_key(void **state)
{
    struct fixture *f = fixture_of(state);
    struct store_session *ss = open_session(f, 0);
    struct store_lane old = assign(f, ss, 7, 0, 0);
    assign(f, ss, 7, 0, 0);
    assert_int_equal(claim(f, key_of(f, "k", 1), NULL), STORE_KEY_NEW);
    struct store_key_mark m = { .key = STR("k"), .token = 1, .status = 200, .body = STR("") };
    assert_int_equal(mark(f, ss, &old, m), STORE_FENCED);
    assert_int_equal(claim(f, key_of(f, "k", 2), NULL), STORE_KEY_BUSY);
    close_session(f, ss);
}

void a_claim_of_a_dead_engine_is_free(void **state)
{
    struct fixture *f = fixture_of(state);
    struct err err;
    struct store_session *ss = open_session(f, 0);
    struct store_lane lane = assign(f, ss, 7, 0, 0);
    struct store_key theirs = key_of(f, "k", 1), accepted = key_of(f, "l", 2);
    assert_int_equal(store_instance(f->store, STR("dead"), &theirs.instance, &err), 0);
    accepted.instance = theirs.instance;
    assert_int_equal(claim(f, theirs, NULL), STORE_KEY_NEW);
    assert_int_equal(claim(f, accepted, NULL), STORE_KEY_NEW);
    struct store_key_mark m = { .key = STR("l"), .token = 2 };
    assert_int_equal(mark(f, ss, &lane, m), STORE_OK);
    assert_int_equal(claim(f, key_of(f, "k", 3), NULL), STORE_KEY_BUSY);
    assert_int_equal(store_instance_leave(f->store, theirs.instance, &err), 0);
    assert_int_equal(claim(f, key_of(f, "k", 3), NULL), STORE_KEY_NEW);
    assert_int_equal(claim(f, key_of(f, "l", 4), NULL), STORE_KEY_BUSY); /* its execution is kept */
    close_session(f, ss);
}

void keys_expire(void **state)
{
    struct fixture *f = fixture_of(state);
    struct err err;
    struct store_key brief = key_of(f, "k", 1);
    brief.keep_ms = 1;
    assert_int_equal(claim(f, brief, NULL), STORE_KEY_NEW);
    usleep(20000);
    assert_int_equal(claim(f, key_of(f, "k", 2), NULL), STORE_KEY_NEW);
    brief.key = STR("l");
    assert_int_equal(claim(f, brief, NULL), STORE_KEY_NEW);
    usleep(20000);
    assert_int_equal(store_housekeep(f->store, clock_wall_us(), &err), 0);
    if (f->kind != MEMORY)
        assert_string_equal(sql(f, "SELECT count(*) FROM webhook_key"), "1");
    assert_int_equal(claim(f, key_of(f, "k", 3), NULL), STORE_KEY_BUSY);
}
