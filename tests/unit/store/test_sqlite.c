/* SPDX-License-Identifier: Apache-2.0
 * What is SQLite's own: many sessions share one transaction and one fsync, a turn that is refused
 * leaves its neighbours alone, and trouble with the file is weather.
 */
#include "fixture.h"
#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>

static void the_file_is_its_owners_alone(void **state)
{
    struct fixture *f = *state;
    struct store_session *ss = open_session(f, 0);
    struct store_lane lane = assign(f, ss, 1, 0, 0);
    assert_int_equal(commit_sample(f, ss, &lane, 10, 1), STORE_OK);
    static const char *const ends[] = { "", "-wal", "-shm" };
    for (size_t i = 0; i < 3; i++) {
        char path[150];
        struct stat st;
        snprintf(path, sizeof path, "%s%s", f->path, ends[i]);
        assert_int_equal(stat(path, &st), 0);
        assert_int_equal(st.st_mode & 0777, 0600);
    }
    close_session(f, ss);
}

static void paths_are_checked(void **state)
{
    (void)state;
    struct err err;
    struct store_config config = { .url = "sqlite:" };
    assert_null(store_open(&config, true, &err));
    assert_int_equal(err.code, ERR_INVALID);
    config.url = "sqlite:/nonexistent/folder/x.db";
    assert_null(store_open(&config, true, &err));
    assert_non_null(strstr(err.text, "/nonexistent/folder/x.db"));
    config.url = "sqlite:/tmp/store-that-is-not-there.db";
    assert_null(store_open(&config, false, &err));
    assert_non_null(strstr(err.text, "catalyst migrate"));
    assert_int_not_equal(access("/tmp/store-that-is-not-there.db", F_OK), 0);
}

/* --- many sessions ---------------------------------------------------------------------------- */

enum { SESSIONS = 6, TURNS = 200 };

struct writer {
    pthread_t thread;
    struct fixture f; /* the same store, a loop of its own */
    uint32_t partition;
    unsigned n_ok, n_fenced;
};

static void *write_turns(void *arg)
{
    struct writer *w = arg;
    struct err err;
    w->f.loop = loop_create(&err);
    struct store_session *ss = open_session(&w->f, 0);
    struct store_lane lane = assign(&w->f, ss, 1, w->partition, 0);
    for (unsigned i = 0; i < TURNS; i++) {
        struct store_lane wrong = lane;
        wrong.epoch += i % 10 == 9; /* every tenth is a zombie's */
        if (commit_sample(&w->f, ss, wrong.epoch == lane.epoch ? &lane : &wrong, 5, 1) == STORE_OK)
            w->n_ok++;
        else
            w->n_fenced++;
    }
    close_session(&w->f, ss);
    loop_destroy(w->f.loop);
    return NULL;
}

static void sessions_share_commits(void **state)
{
    struct fixture *f = *state;
    struct writer writers[SESSIONS];
    for (uint32_t i = 0; i < SESSIONS; i++) {
        writers[i] = (struct writer){ .f = *f, .partition = i };
        pthread_create(&writers[i].thread, NULL, write_turns, &writers[i]);
    }
    for (uint32_t i = 0; i < SESSIONS; i++) {
        pthread_join(writers[i].thread, NULL);
        assert_int_equal(writers[i].n_ok, TURNS * 9 / 10);
        assert_int_equal(writers[i].n_fenced, TURNS / 10);
    }
    char text[40];
    snprintf(text, sizeof text, "%d/%d", SESSIONS * TURNS * 9 / 10, SESSIONS);
    assert_string_equal(sql(f, "SELECT count(*) || '/' || count(DISTINCT partition) FROM block"),
                        text);
    assert_string_equal(
        sql(f, "SELECT min(position) || '/' || max(block_seq) FROM source_position"), "900/180");
}

/* --- weather ---------------------------------------------------------------------------------- */

struct weather {
    struct fixture *f;
    bool up;
    char reason[300];
};

static void on_state(void *ctx, bool up, const char *reason)
{
    struct weather *w = ctx;
    w->up = up;
    snprintf(w->reason, sizeof w->reason, "%s", reason ? reason : "");
    if (!up)
        loop_stop(w->f->loop);
}

static struct store_session *open_watched(struct weather *w)
{
    struct store_session_config config = {
        .loop = w->f->loop, .instance = w->f->instance, .ctx = w, .on_state = on_state
    };
    return w->f->sessions[0] = store_session_open(w->f->store, &config);
}

/* Files may not grow beyond what they are. */
static void limit_files(rlim_t bytes)
{
    struct rlimit limit;
    getrlimit(RLIMIT_FSIZE, &limit);
    limit.rlim_cur = bytes ? bytes : limit.rlim_max;
    setrlimit(RLIMIT_FSIZE, &limit);
}

static void a_full_disk_is_waited_out(void **state)
{
    struct fixture *f = *state;
    struct weather w = { .f = f };
    struct store_session *ss = open_watched(&w);
    struct store_lane lane = assign(f, ss, 1, 0, 0);
    assert_int_equal(commit_sample(f, ss, &lane, 10, 1), STORE_OK);
    assert_true(w.up);
    struct sample *s = sample(&lane, 2000, 1);
    for (uint32_t i = 0; i < 2000; i++)
        s->durations[i] = i * 2654435761u;
    struct store_turn turn = { .blocks = &s->block, .n_blocks = 1 };
    struct committed c = { .f = f };
    signal(SIGXFSZ, SIG_IGN);
    limit_files(4096);
    store_commit(ss, &turn, on_commit, &c);
    wait_loop(f);
    assert_false(c.is_done);
    assert_false(w.up);
    assert_non_null(strstr(w.reason, "SQLite"));
    limit_files(0);
    wait_loop(f);
    assert_true(c.is_done);
    assert_int_equal(c.result, STORE_OK);
    advance(&lane, &s->block);
    sample_fini(s);
    assert_int_equal(commit_sample(f, ss, &lane, 10, 1), STORE_OK);
    assert_true(w.up);
    assert_string_equal(sql(f, "SELECT count(*) || '/' || max(seq) FROM block"), "3/3");
    close_session(f, ss);
}

/* A session may close while its turn waits for better weather. */
static void a_session_closes_in_bad_weather(void **state)
{
    struct fixture *f = *state;
    struct weather w = { .f = f };
    struct store_session *ss = open_watched(&w);
    struct store_lane lane = assign(f, ss, 1, 0, 0);
    struct sample *s = sample(&lane, 2000, 1);
    struct store_turn turn = { .blocks = &s->block, .n_blocks = 1 };
    struct committed c = { .f = f };
    signal(SIGXFSZ, SIG_IGN);
    limit_files(4096);
    store_commit(ss, &turn, on_commit, &c);
    wait_loop(f);
    assert_false(w.up);
    close_session(f, ss);
    limit_files(0);
    sample_fini(s);
    assert_false(c.is_done);
    ss = open_session(f, 0);
    assert_int_equal(assign(f, ss, 1, 0, 0).position, 0);
    close_session(f, ss);
}

static void *migrate_again(void *arg)
{
    struct fixture *f = arg;
    struct store_config config = { .url = f->url };
    struct err err = { 0 };
    struct store *s = store_open(&config, true, &err);
    if (!s)
        fprintf(stderr, "%s\n", err.text);
    store_close(s);
    return s;
}

static void two_migrations_at_once_are_one(void **state)
{
    (void)state;
    struct fixture f = { .kind = SQLITE };
    fixture_url(&f);
    pthread_t threads[4];
    for (int i = 0; i < 4; i++)
        pthread_create(&threads[i], NULL, migrate_again, &f);
    for (int i = 0; i < 4; i++) {
        void *opened;
        pthread_join(threads[i], &opened);
        assert_non_null(opened);
    }
    assert_string_equal(sqlite_sql(f.path, "SELECT count(*) - max(version) FROM schema_version"),
                        "0");
    unlink(f.path);
}

static int setup(void **state) { return !(*state = fixture_open(SQLITE)); }

static int teardown(void **state)
{
    fixture_close(*state);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_file_is_its_owners_alone, setup, teardown),
        cmocka_unit_test(paths_are_checked),
        cmocka_unit_test_setup_teardown(sessions_share_commits, setup, teardown),
        cmocka_unit_test_setup_teardown(a_full_disk_is_waited_out, setup, teardown),
        cmocka_unit_test_setup_teardown(a_session_closes_in_bad_weather, setup, teardown),
        cmocka_unit_test(two_migrations_at_once_are_one),
    };
    return cmocka_run_group_tests_name("store.sqlite", tests, NULL, NULL);
}
