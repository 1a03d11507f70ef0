/* SPDX-License-Identifier: Apache-2.0
 * The store when PostgreSQL or the way to it breaks: nothing is lost and nothing is there twice.
 *
 * A server of its own, and before it a small proxy that can swallow an answer after the server has
 * acted on the request (the result is unknown, yet the turn is in), cut a request in half (unknown,
 * and not in), or fall silent.
 */
#include "../unit/store/fixture.h"
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

static char server_dir[64], servers_py[300], server_url[200];
static int server_port;

/* --- the server ------------------------------------------------------------------------------- */

static int server(const char *verb)
{
    char command[600];
    if (!strcmp(verb, "start"))
        snprintf(command, sizeof command,
                 "python3 %s start postgres --dir %s --tie %d > %s/env 2>&1", servers_py,
                 server_dir, (int)getpid(), server_dir);
    else
        snprintf(command, sizeof command, "python3 %s %s %s > /dev/null 2>&1", servers_py, verb,
                 server_dir);
    int status = system(command);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* kill -9 of one of its processes: PostgreSQL then ends them all and recovers from its log. */
static void crash_server(const char *url)
{
    int pid =
        atoi(pg_sql(url, "SELECT pid FROM pg_stat_activity WHERE application_name = 'catalyst' "
                         "AND pid <> pg_backend_pid() LIMIT 1"));
    if (pid > 0)
        kill(pid, SIGKILL);
}

static int read_server_url(void)
{
    char path[100], line[300];
    snprintf(path, sizeof path, "%s/env", server_dir);
    FILE *file = fopen(path, "r");
    while (file && fgets(line, sizeof line, file)) {
        if (strncmp(line, "CATALYST_TEST_POSTGRES=", 23) != 0)
            continue;
        snprintf(server_url, sizeof server_url, "%.*s", (int)strcspn(line + 23, "\n"), line + 23);
        server_port = atoi(strrchr(server_url, ':') + 1);
    }
    if (file)
        fclose(file);
    return server_port ? 0 : -1;
}

/* --- the proxy -------------------------------------------------------------------------------- */

enum proxy_mode { PASS = 1, SWALLOW_ANSWER, CUT_REQUEST, SILENT, REFUSE };
enum { PROXY_PAIRS = 32 };

struct proxy {
    int listener, port;
    pthread_t thread;
    atomic_int mode; /* SWALLOW_ANSWER and CUT_REQUEST go back to PASS when they struck */
    atomic_int strikes;
    atomic_bool stop;
    struct {
        int client, server;
    } pairs[PROXY_PAIRS];
};

static void close_pair(struct proxy *p, int i)
{
    close(p->pairs[i].client);
    close(p->pairs[i].server);
    p->pairs[i].client = p->pairs[i].server = -1;
}

static void accept_pair(struct proxy *p)
{
    int client = accept(p->listener, NULL, NULL);
    if (client < 0)
        return;
    struct sockaddr_in to = { .sin_family = AF_INET,
                              .sin_port = htons((uint16_t)server_port),
                              .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    int upstream = socket(AF_INET, SOCK_STREAM, 0), i = 0;
    if (p->mode == REFUSE || connect(upstream, (struct sockaddr *)&to, sizeof to) != 0) {
        close(client);
        close(upstream);
        return;
    }
    while (p->pairs[i].client >= 0)
        i++;
    p->pairs[i].client = client;
    p->pairs[i].server = upstream;
}

/* A turn's request, not the handshake or a read: they are small. */
enum { REQUEST_BYTES = 3000 };

static void forward(struct proxy *p, int i, bool is_request)
{
    static char buffer[1 << 16];
    int from = is_request ? p->pairs[i].client : p->pairs[i].server;
    int to = is_request ? p->pairs[i].server : p->pairs[i].client;
    ssize_t n = read(from, buffer, sizeof buffer);
    if (n <= 0) {
        close_pair(p, i);
        return;
    }
    static int armed = -1; /* the pair whose answer is swallowed */
    if (p->mode == CUT_REQUEST && is_request && n > REQUEST_BYTES) {
        n = write(to, buffer, (size_t)n / 2);
        p->mode = PASS;
        p->strikes++;
        close_pair(p, i);
        return;
    }
    if (p->mode == SWALLOW_ANSWER && is_request && n > REQUEST_BYTES)
        armed = i;
    if (armed == i && !is_request) {
        usleep(30000); /* so that the commit is over */
        armed = -1;
        p->mode = PASS;
        p->strikes++;
        close_pair(p, i);
        return;
    }
    for (ssize_t done = 0; done < n;) {
        ssize_t written = write(to, buffer + done, (size_t)(n - done));
        if (written < 0) {
            close_pair(p, i);
            return;
        }
        done += written;
    }
}

static void *run_proxy(void *arg)
{
    struct proxy *p = arg;
    while (!p->stop) {
        struct pollfd fds[1 + 2 * PROXY_PAIRS];
        fds[0] = (struct pollfd){ .fd = p->listener, .events = POLLIN };
        for (int i = 0; i < PROXY_PAIRS; i++) {
            fds[1 + 2 * i] = (struct pollfd){ .fd = p->pairs[i].client, .events = POLLIN };
            fds[2 + 2 * i] = (struct pollfd){ .fd = p->pairs[i].server, .events = POLLIN };
        }
        if (p->mode == SILENT) {
            usleep(5000);
            continue;
        }
        poll(fds, 1 + 2 * PROXY_PAIRS, 5);
        for (int i = 0; i < PROXY_PAIRS; i++) {
            if (p->pairs[i].client >= 0 && fds[1 + 2 * i].revents)
                forward(p, i, true);
            if (p->pairs[i].client >= 0 && fds[2 + 2 * i].revents)
                forward(p, i, false);
        }
        if (fds[0].revents)
            accept_pair(p);
    }
    return NULL;
}

static struct proxy *proxy_start(void)
{
    struct proxy *p = xcalloc(1, sizeof *p);
    struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t len = sizeof at;
    p->mode = PASS;
    for (int i = 0; i < PROXY_PAIRS; i++)
        p->pairs[i].client = p->pairs[i].server = -1;
    p->listener = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(p->listener, (struct sockaddr *)&at, sizeof at), 0);
    assert_int_equal(listen(p->listener, 16), 0);
    getsockname(p->listener, (struct sockaddr *)&at, &len);
    p->port = ntohs(at.sin_port);
    pthread_create(&p->thread, NULL, run_proxy, p);
    return p;
}

static void proxy_stop(struct proxy *p)
{
    p->stop = true;
    pthread_join(p->thread, NULL);
    for (int i = 0; i < PROXY_PAIRS; i++)
        if (p->pairs[i].client >= 0)
            close_pair(p, i);
    close(p->listener);
    free(p);
}

/* --- a run of commits ------------------------------------------------------------------------- */

struct run {
    struct fixture *f;
    struct proxy *proxy;
    struct store *store; /* through the proxy */
    struct store_session *ss;
    bool up;
    unsigned downs;
    char reason[300];
};

static void on_state(void *ctx, bool up, const char *reason)
{
    struct run *run = ctx;
    run->downs += run->up && !up;
    run->up = up;
    if (reason)
        snprintf(run->reason, sizeof run->reason, "%s", reason);
}

static int run_open(void **state, unsigned commit_timeout_ms)
{
    struct run *run = xcalloc(1, sizeof *run);
    struct err err;
    run->f = fixture_open(POSTGRES);
    run->proxy = proxy_start();
    char url[300];
    snprintf(url, sizeof url, "postgresql://catalyst@127.0.0.1:%d/%s", run->proxy->port,
             run->f->database);
    struct store_config config = { .url = url,
                                   .save_inputs = true,
                                   .commit_timeout_ms = commit_timeout_ms };
    run->store = store_open(&config, false, &err);
    if (!run->store)
        fail_msg("%s", err.text);
    struct store_session_config session = {
        .loop = run->f->loop, .instance = run->f->instance, .ctx = run, .on_state = on_state
    };
    run->ss = store_session_open(run->store, &session);
    make_table(run->f,
               "CREATE TABLE charge (n bigint)"); /* without a key: a second time would show */
    *state = run;
    return 0;
}

/* A commit may take long on a machine with other work, and that is no outage. */
static int run_setup(void **state) { return run_open(state, 20000); }

static int run_setup_hasty(void **state) { return run_open(state, 700); }

static int run_teardown(void **state)
{
    struct run *run = *state;
    store_session_close(run->ss);
    store_close(run->store);
    proxy_stop(run->proxy);
    fixture_close(run->f);
    free(run);
    return 0;
}

/* Until the session says that the store is down, for this reason. */
static void wait_down(struct run *run, const char *reason)
{
    for (int i = 0; i < 600 && (run->up || !strstr(run->reason, reason)); i++) {
        struct timer soon = { .fn = (void (*)(void *))loop_stop, .arg = run->f->loop };
        timer_start(run->f->loop, &soon, 100000);
        wait_loop(run->f);
        timer_stop(run->f->loop, &soon);
    }
    if (run->up || !strstr(run->reason, reason))
        fail_msg("no outage with '%s', the last was '%s'", reason, run->reason);
}

/* A turn of 500 executions, their outputs and one row. */
static struct committed commit_turn(struct run *run, struct store_lane *lane)
{
    char text[64];
    struct sample *s = sample(lane, 500, 1);
    for (uint32_t i = 0; i < 500; i++) /* noise, so that the request is large */
        s->durations[i] = (uint32_t)(i * 2654435761u);
    int len = snprintf(text, sizeof text, "{\"n\":%llu}", (unsigned long long)lane->position);
    struct store_row row = { .table = STR("charge"), .row = { text, (size_t)len } };
    struct store_turn turn = { .blocks = &s->block, .n_blocks = 1, .rows = &row, .n_rows = 1 };
    struct committed c = commit(run->f, run->ss, &turn);
    if (c.result == STORE_OK)
        advance(lane, &s->block);
    sample_fini(s);
    return c;
}

/* The journal, the lane and the rows tell the same number of turns. */
static void check_counts(struct run *run, const struct store_lane *lane, unsigned turns)
{
    char text[40];
    snprintf(text, sizeof text, "%u/%u/%u", turns, turns, turns);
    assert_string_equal(
        sql(run->f, "SELECT count(*) || '/' || count(DISTINCT seq) || '/' || max(seq) FROM block"),
        text);
    snprintf(text, sizeof text, "%u/%u", turns, turns);
    assert_string_equal(sql(run->f, "SELECT count(*) || '/' || count(DISTINCT n) FROM charge"),
                        text);
    snprintf(text, sizeof text, "%llu", (unsigned long long)lane->position);
    assert_string_equal(sql(run->f, "SELECT position FROM source_position"), text);
    assert_int_equal(lane->position, 500 * turns);
}

/* --- tests ------------------------------------------------------------------------------------ */

static void a_lost_answer_is_settled(void **state)
{
    struct run *run = *state;
    struct store_lane lane = assign(run->f, run->ss, 1, 0, 0);
    for (unsigned i = 0; i < 12; i++) {
        run->proxy->mode = i % 3 == 0 ? SWALLOW_ANSWER : i % 3 == 1 ? CUT_REQUEST : PASS;
        assert_int_equal(commit_turn(run, &lane).result, STORE_OK);
        run->proxy->mode = PASS;
    }
    assert_int_equal(run->proxy->strikes, 8);
    assert_int_equal(run->downs, 8);
    assert_true(run->up);
    check_counts(run, &lane, 12);
}

static void a_silent_server_is_left(void **state)
{
    struct run *run = *state;
    struct store_lane lane = assign(run->f, run->ss, 1, 0, 0);
    assert_int_equal(commit_turn(run, &lane).result, STORE_OK);
    struct sample *s = sample(&lane, 500, 1);
    struct store_turn turn = { .blocks = &s->block, .n_blocks = 1 };
    struct committed c = { .f = run->f };
    run->proxy->mode = SILENT;
    store_commit(run->ss, &turn, on_commit, &c);
    wait_down(run, "silent");
    run->proxy->mode = PASS;
    wait_loop(run->f);
    assert_int_equal(c.result, STORE_OK);
    assert_string_equal(sql(run->f, "SELECT count(*) || '/' || count(DISTINCT seq) FROM block"),
                        "2/2");
    sample_fini(s);
}

/* The answer was lost, the turn was not in, and before it could be repeated another engine came. */
static void a_lane_lost_during_an_outage_is_fenced(void **state)
{
    struct run *run = *state;
    struct err err;
    struct store_lane lane = assign(run->f, run->ss, 1, 0, 0);
    assert_int_equal(commit_turn(run, &lane).result, STORE_OK);
    uint32_t other;
    assert_int_equal(store_instance(run->f->store, STR("other"), &other, &err), 0);
    struct store_session *os = open_session(run->f, other);
    struct store_lane theirs = { 0 };
    struct sample *s = sample(&lane, 500, 1);
    struct store_turn turn = { .blocks = &s->block, .n_blocks = 1 };
    struct committed c = { .f = run->f };
    run->proxy->mode = REFUSE; /* new connections fail */
    pg_sql(
        run->f->url,
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() "
        "AND pid <> pg_backend_pid()");
    store_commit(run->ss, &turn, on_commit, &c);
    theirs = assign(run->f, os, 1, 0, 0);
    assert_int_equal(theirs.position, 500);
    run->proxy->mode = PASS;
    if (!c.is_done)
        wait_loop(run->f);
    assert_int_equal(c.result, STORE_FENCED);
    assert_string_equal(sql(run->f, "SELECT count(*) FROM block"), "1");
    sample_fini(s);
}

struct killer {
    pthread_t thread;
    const char *url;
    atomic_bool stop;
    atomic_int kills;
    atomic_uint turns; /* committed so far */
};

/* At some moment after every turn or two, so that a slow machine gets on as well. */
static void *kill_backends(void *arg)
{
    struct killer *k = arg;
    PGconn *conn = PQconnectdb(k->url);
    for (unsigned seed = 1; !k->stop; seed++) {
        unsigned turns = k->turns;
        while (!k->stop && k->turns == turns)
            usleep(1000);
        usleep((seed * 2654435761u) % 20000);
        PGresult *r = PQexec(conn, "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
                                   "WHERE application_name = 'catalyst' "
                                   "AND datname = current_database()");
        k->kills += PQntuples(r) ? atoi(PQgetvalue(r, 0, 0)) : 0;
        PQclear(r);
    }
    PQfinish(conn);
    return NULL;
}

static void terminated_backends_lose_nothing(void **state)
{
    struct run *run = *state;
    struct killer k = { .url = run->f->url };
    struct store_lane lane = assign(run->f, run->ss, 1, 0, 0);
    pthread_create(&k.thread, NULL, kill_backends, &k);
    int64_t end_us = clock_mono_us() + 4000000;
    for (; clock_mono_us() < end_us || run->downs < 5 || k.kills < 10; k.turns++)
        assert_int_equal(commit_turn(run, &lane).result, STORE_OK);
    k.stop = true;
    pthread_join(k.thread, NULL);
    check_counts(run, &lane, k.turns);
}

struct restart {
    const char *how, *url;
    int rc;
};

static void *restart_soon(void *arg)
{
    struct restart *restart = arg;
    usleep(100000);
    if (!strcmp(restart->how, "crash")) {
        crash_server(restart->url);
        return NULL;
    }
    server("stop");
    usleep(300000);
    restart->rc = server("start");
    return NULL;
}

static void restarts_lose_nothing(void **state)
{
    struct run *run = *state;
    struct err err;
    struct store_lane lane = assign(run->f, run->ss, 1, 0, 0);
    unsigned turns = 0;
    static const char *const ways[] = { "stop", "crash" };
    for (int i = 0; i < 2; i++) {
        pthread_t thread;
        unsigned downs = run->downs;
        struct restart restart = { ways[i], run->f->url, 0 };
        pthread_create(&thread, NULL, restart_soon, &restart);
        for (int64_t end_us = clock_mono_us() + 1500000;
             clock_mono_us() < end_us || run->downs == downs; turns++)
            assert_int_equal(commit_turn(run, &lane).result, STORE_OK);
        pthread_join(thread, NULL);
        assert_int_equal(restart.rc, 0);
        uint64_t revision; /* the administration's connection is made anew, unseen */
        assert_int_equal(store_revision(run->f->store, &revision, &err), 0);
    }
    check_counts(run, &lane, turns);
}

/* A primary that became read-only says so for every turn; when it is writable again, the turn goes
 * in. */
static void a_read_only_server_is_weather(void **state)
{
    struct run *run = *state;
    struct store_lane lane = assign(run->f, run->ss, 1, 0, 0);
    char text[200];
    snprintf(text, sizeof text, "ALTER DATABASE %s SET default_transaction_read_only = on",
             run->f->database);
    pg_sql(server_url, text);
    pg_sql(
        run->f->url,
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() "
        "AND pid <> pg_backend_pid()");
    struct sample *s = sample(&lane, 500, 1);
    struct store_turn turn = { .blocks = &s->block, .n_blocks = 1 };
    struct committed c = { .f = run->f };
    store_commit(run->ss, &turn, on_commit, &c);
    wait_down(run, "read-only");
    assert_false(c.is_done);
    snprintf(text, sizeof text, "ALTER DATABASE %s SET default_transaction_read_only = off",
             run->f->database);
    pg_sql(server_url, text);
    wait_loop(run->f);
    assert_int_equal(c.result, STORE_OK);
    assert_true(run->up);
    sample_fini(s);
}

/* A table that is gone is not the turn's fault; the turn waits until somebody mends it. */
static void a_broken_schema_is_waited_out(void **state)
{
    struct run *run = *state;
    struct store_lane lane = assign(run->f, run->ss, 1, 0, 0);
    assert_int_equal(commit_turn(run, &lane).result, STORE_OK);
    pg_sql(run->f->url, "ALTER TABLE block RENAME TO block_x");
    struct sample *s = sample(&lane, 500, 1);
    struct store_turn turn = { .blocks = &s->block, .n_blocks = 1 };
    struct committed c = { .f = run->f };
    store_commit(run->ss, &turn, on_commit, &c);
    wait_down(run, "block");
    assert_false(c.is_done);
    pg_sql(run->f->url, "ALTER TABLE block_x RENAME TO block");
    wait_loop(run->f);
    assert_int_equal(c.result, STORE_OK);
    sample_fini(s);
    assert_string_equal(sql(run->f, "SELECT count(*) || '/' || count(DISTINCT seq) FROM block"),
                        "2/2");
}

static void *open_and_migrate(void *arg)
{
    struct store_config config = { .url = arg };
    struct err err = { 0 };
    struct store *s = store_open(&config, true, &err);
    if (!s)
        fprintf(stderr, "%s\n", err.text);
    store_close(s);
    return s;
}

static void two_migrations_at_once_are_one(void **state)
{
    struct run *run = *state;
    char database[100], text[200], url[300];
    snprintf(database, sizeof database, "%s_m", run->f->database);
    snprintf(text, sizeof text, "CREATE DATABASE %s", database);
    pg_sql(server_url, text);
    postgres_database_url(url, sizeof url, database);
    pthread_t threads[4];
    for (int i = 0; i < 4; i++)
        pthread_create(&threads[i], NULL, open_and_migrate, url);
    for (int i = 0; i < 4; i++) {
        void *opened;
        pthread_join(threads[i], &opened);
        assert_non_null(opened);
    }
    assert_string_equal(
        pg_sql(url, "SELECT count(*) > 0 AND count(*) = max(version) FROM schema_version"), "t");
    assert_string_equal(
        pg_sql(url, "SELECT count(*) FROM pg_inherits WHERE inhparent = 'block'::regclass"), "5");
}

/* Sessions reach a second host when the first hangs. */
static void a_second_host_takes_over(void **state)
{
    struct run *run = *state;
    struct err err;
    char url[300];
    struct proxy *hung = proxy_start();
    snprintf(url, sizeof url, "postgresql://catalyst@127.0.0.1:%d,127.0.0.1:%d/%s", hung->port,
             server_port, run->f->database);
    struct store_config config = { .url = url, .commit_timeout_ms = 700 };
    struct store *s = store_open(&config, false, &err);
    assert_non_null(s);
    struct run other = { .f = run->f };
    struct store_session_config session = {
        .loop = run->f->loop, .instance = run->f->instance, .ctx = &other, .on_state = on_state
    };
    hung->mode = REFUSE;
    struct store_session *ss = store_session_open(s, &session);
    assert_int_equal(assign(run->f, ss, 1, 0, 0).position, 0);
    assert_true(other.up);
    store_session_close(ss);
    store_close(s);
    proxy_stop(hung);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_lost_answer_is_settled, run_setup, run_teardown),
        cmocka_unit_test_setup_teardown(a_silent_server_is_left, run_setup_hasty, run_teardown),
        cmocka_unit_test_setup_teardown(a_lane_lost_during_an_outage_is_fenced, run_setup,
                                        run_teardown),
        cmocka_unit_test_setup_teardown(terminated_backends_lose_nothing, run_setup, run_teardown),
        cmocka_unit_test_setup_teardown(restarts_lose_nothing, run_setup, run_teardown),
        cmocka_unit_test_setup_teardown(a_read_only_server_is_weather, run_setup, run_teardown),
        cmocka_unit_test_setup_teardown(a_broken_schema_is_waited_out, run_setup, run_teardown),
        cmocka_unit_test_setup_teardown(two_migrations_at_once_are_one, run_setup, run_teardown),
        cmocka_unit_test_setup_teardown(a_second_host_takes_over, run_setup, run_teardown),
    };
    const char *source = getenv("CATALYST_SOURCE");
    snprintf(servers_py, sizeof servers_py, "%s/tests/servers.py", source ? source : ".");
    snprintf(server_dir, sizeof server_dir, "/tmp/store-outages-XXXXXX");
    if (!mkdtemp(server_dir))
        return 1;
    chmod(server_dir, 0755);
    signal(SIGPIPE, SIG_IGN);
    int rc = server("start");
    if (rc != 0 || read_server_url() != 0) {
        printf("skipped: %zu tests of outages: there is no PostgreSQL server\n",
               sizeof tests / sizeof *tests);
        return rc == 77 ? 77 : 1;
    }
    setenv("CATALYST_TEST_POSTGRES", server_url, 1);
    int failed = cmocka_run_group_tests_name("store.outages", tests, NULL, NULL);
    server("stop");
    char command[100];
    snprintf(command, sizeof command, "rm -rf %s", server_dir);
    return failed + (system(command) != 0);
}
