/* SPDX-License-Identifier: Apache-2.0
 * What the journal costs: turns of 1,024 executions that ended well, each with the standard message
 * as its input and the same with two fields more as its output, committed one after the other by
 * one session and by two, each with one commit in flight.
 *
 *     store_bench [URL ...] [--batch N] [--seconds N] [--parked] [--rows] [--ledger] [--sql]
 *
 * --rows gives each execution a row in a table; --ledger one with nine columns in a table of 16
 * hash partitions with a unique index, made by a migration, and nothing else in the block.
 *
 * --sql asks statements of plugins instead: a look-up by key, --batch of them under way at once.
 *
 * Without a URL: memory, SQLite in a private file, and PostgreSQL when CATALYST_TEST_POSTGRES names
 * a server on this machine (fsync as it is set there). Prints one JSON line per figure; CPU of ours
 * is that of the session's thread, lz4 is measured apart, CPU of PostgreSQL that of all its
 * processes.
 */
#include "base/clock.h"
#include "loop/loop.h"
#include "message.c"
#include "store/pack_int.h"
#include "store/store.h"
#include <dirent.h>
#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { BATCH_MAX = 8192, SAMPLES = 8, SESSIONS_MAX = 4 };

struct options {
    unsigned batch, seconds;
    bool parked, rows, ledger, sql;
};

/* --- CPU -------------------------------------------------------------------------------------- */

static double thread_cpu_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static double process_cpu_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

/* Fields of /proc/PID/stat: the parent, user and system time in ticks, those of ended children too.
 */
static bool read_stat(int pid, int *parent, double *ticks)
{
    char path[64], line[1000];
    snprintf(path, sizeof path, "/proc/%d/stat", pid);
    FILE *file = fopen(path, "r");
    if (!file)
        return false;
    unsigned long own[2] = { 0 };
    long ended[2] = { 0 };
    bool is_read =
        fgets(line, sizeof line, file) &&
        sscanf(strrchr(line, ')') + 2, "%*c %d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu %ld %ld",
               parent, &own[0], &own[1], &ended[0], &ended[1]) == 5;
    fclose(file);
    *ticks = (double)(own[0] + own[1]) + (double)(ended[0] + ended[1]);
    return is_read;
}

/* The server's first process, 0 when it is not on this machine. */
static int find_postmaster(const char *url)
{
    PGconn *conn = PQconnectdb(url);
    PGresult *r = PQexec(conn, "SELECT pg_backend_pid()");
    int parent = 0;
    double ticks;
    if (PQntuples(r) == 1)
        read_stat(atoi(PQgetvalue(r, 0, 0)), &parent, &ticks);
    PQclear(r);
    PQfinish(conn);
    return parent;
}

/* For --rows. */
static void make_table(const char *url)
{
    PGconn *conn = PQconnectdb(url);
    PQclear(PQexec(conn,
                   "CREATE TABLE IF NOT EXISTS bench_charge (id text PRIMARY KEY, tenant text, "
                   "amount bigint, at timestamptz DEFAULT now())"));
    PQclear(PQexec(conn, "TRUNCATE bench_charge"));
    PQfinish(conn);
}

static const wf_migration ledger_steps[] = {
    { 1, 0, "ledger",
      "CREATE TABLE bench_ledger (tenant_id bigint NOT NULL, idem text NOT NULL, op text NOT NULL, "
      "msg_id text NOT NULL, units integer NOT NULL, price_micro bigint NOT NULL, ccy text NOT "
      "NULL, "
      "card integer NOT NULL, prefix text NOT NULL, at timestamptz NOT NULL DEFAULT now(), "
      "UNIQUE (tenant_id, idem)) PARTITION BY HASH (tenant_id);"
      "DO $$ BEGIN FOR i IN 0..15 LOOP EXECUTE format('CREATE TABLE bench_ledger_%s PARTITION OF "
      "bench_ledger FOR VALUES WITH (MODULUS 16, REMAINDER %s)', i, i); END LOOP; END $$",
      "CREATE TABLE bench_ledger (tenant_id INTEGER NOT NULL, idem TEXT NOT NULL, op TEXT, "
      "msg_id TEXT, units INTEGER, price_micro INTEGER, ccy TEXT, card INTEGER, prefix TEXT, "
      "at TEXT DEFAULT CURRENT_TIMESTAMP, UNIQUE (tenant_id, idem))" },
    { 2, 0, "accounts",
      "CREATE TABLE bench_account (id bigint PRIMARY KEY, balance bigint NOT NULL);"
      "INSERT INTO bench_account SELECT i, i * 10 FROM generate_series(0, 299) i",
      "CREATE TABLE bench_account (id INTEGER PRIMARY KEY, balance INTEGER NOT NULL);"
      "INSERT INTO bench_account WITH RECURSIVE s(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM s "
      "WHERE i < 299) SELECT i, i * 10 FROM s" },
};
static const struct store_tables ledger_tables = { "bench", ledger_steps, 2 };

static double postgres_cpu_us(int postmaster)
{
    double all = 0, ticks;
    int parent;
    DIR *proc = opendir("/proc");
    struct dirent *entry;
    while (proc && (entry = readdir(proc))) {
        int pid = atoi(entry->d_name);
        if (pid > 0 && read_stat(pid, &parent, &ticks) &&
            (parent == postmaster || pid == postmaster))
            all += ticks;
    }
    if (proc)
        closedir(proc);
    return postmaster ? all * 1e6 / (double)sysconf(_SC_CLK_TCK) : 0;
}

/* --- turns ------------------------------------------------------------------------------------ */

struct sample {
    uint64_t positions[BATCH_MAX], versions[BATCH_MAX];
    uint8_t statuses[BATCH_MAX];
    uint32_t durations[BATCH_MAX];
    int64_t started[BATCH_MAX];
    struct strbuf inputs, outputs;
    struct store_exec execs[BATCH_MAX];
    struct store_row rows[BATCH_MAX];
    char row_texts[BATCH_MAX][240];
};

static void sample_fill(struct sample *s, struct message_source *source, const struct options *o)
{
    static const char more[] = ",\"charged\":12,\"route\":3}";
    strbuf_init(&s->inputs, STORE_PAYLOAD_MAX);
    strbuf_init(&s->outputs, STORE_PAYLOAD_MAX);
    for (unsigned i = 0; i < o->batch; i++) {
        struct message m;
        char body[MESSAGE_BYTES + sizeof more];
        message_next(source, (uint64_t)clock_wall_us(), &m);
        memcpy(body, m.body, m.len - 1);
        memcpy(body + m.len - 1, more, sizeof more);
        store_input_add(&s->inputs, (wf_str){ m.body, m.len });
        struct store_output out = { .exec = i,
                                    .partition = -1,
                                    .channel = STR("kafka"),
                                    .topic = STR("out"),
                                    .key = { m.key, MESSAGE_KEY_BYTES },
                                    .body = { body, m.len - 1 + sizeof more - 1 } };
        store_output_add(&s->outputs, &out);
        s->versions[i] = 1;
        s->statuses[i] = STORE_SUCCESS;
        s->durations[i] = 800 + (uint32_t)(source->random % 400);
        s->started[i] = clock_wall_us();
    }
}

/* --- a worker --------------------------------------------------------------------------------- */

struct worker {
    struct thread thread;
    const struct options *options;
    struct store *store;
    struct loop *loop;
    struct store_session *ss;
    struct sample *samples;
    struct store_lane lane;
    struct store_block block;
    struct store_turn turn;
    uint32_t number, instance;
    uint64_t commits;
    int64_t end_us, took_us;
    double cpu_us;
};

static void next_turn(struct worker *w);

static void on_done(void *ctx, const struct store_commit_result *r)
{
    struct worker *w = ctx;
    if (r->result != STORE_OK) {
        fprintf(stderr, "store_bench: a turn was refused: %s\n",
                r->n_bad ? r->bad[0].reason : "fenced");
        exit(1);
    }
    w->lane.position = w->block.position_new;
    w->lane.block_seq = w->block.seq;
    w->commits++;
    w->took_us += r->took_us;
    if (clock_mono_us() < w->end_us)
        next_turn(w);
    else
        loop_stop(w->loop);
}

static void fill_extras(struct worker *w, struct sample *s)
{
    unsigned n = w->options->batch;
    for (unsigned i = 0; i < n && w->options->parked; i++)
        s->execs[i] = (struct store_exec){ .id = { 1, w->number, w->lane.position + i },
                                           .version = 1,
                                           .status = STORE_WAITING,
                                           .started_us = s->started[i],
                                           .wake_us = s->started[i] + 3600000000,
                                           .node = STR("Wait"),
                                           .error = STR(""),
                                           .state = { s->inputs.ptr + 4 + i * 346, 342 } };
    for (unsigned i = 0; i < n && w->options->rows; i++) {
        int len = snprintf(s->row_texts[i], sizeof s->row_texts[i],
                           "{\"id\":\"%u-%llu\",\"tenant\":\"acme\",\"amount\":%u}", w->number,
                           (unsigned long long)(w->lane.position + i), i);
        s->rows[i] = (struct store_row){ .table = STR("bench_charge"),
                                         .row = { s->row_texts[i], (size_t)len },
                                         .unique = STR("id") };
    }
    for (unsigned i = 0; i < n && w->options->ledger; i++) {
        uint64_t number = w->lane.position + i;
        int len = snprintf(s->row_texts[i], sizeof s->row_texts[i],
                           "{\"tenant_id\":%llu,\"idem\":\"%u-%llu-reserve\",\"op\":\"reserve\","
                           "\"msg_id\":\"01J%017llu\",\"units\":1,\"price_micro\":12500,"
                           "\"ccy\":\"EUR\",\"card\":7,\"prefix\":\"4917\"}",
                           (unsigned long long)(number * 7919 % 300), w->number,
                           (unsigned long long)number, (unsigned long long)number);
        s->rows[i] = (struct store_row){ .table = STR("bench_ledger"),
                                         .row = { s->row_texts[i], (size_t)len },
                                         .unique = STR("tenant_id,idem") };
    }
    w->turn.execs = s->execs;
    w->turn.n_execs = w->options->parked ? n : 0;
    w->turn.rows = s->rows;
    w->turn.n_rows = w->options->rows || w->options->ledger ? n : 0;
}

static void next_turn(struct worker *w)
{
    struct sample *s = &w->samples[w->commits % SAMPLES];
    unsigned n = w->options->batch;
    for (unsigned i = 0; i < n; i++)
        s->positions[i] = w->lane.position + i;
    w->block = (struct store_block){ .source = 1,
                                     .partition = w->number,
                                     .epoch = w->lane.epoch,
                                     .position_old = w->lane.position,
                                     .position_new = w->lane.position + n,
                                     .seq = w->lane.block_seq + 1,
                                     .n = n,
                                     .positions = s->positions,
                                     .versions = s->versions,
                                     .statuses = s->statuses,
                                     .durations_us = s->durations,
                                     .started_us = s->started,
                                     .inputs = strbuf_str(&s->inputs),
                                     .outputs = strbuf_str(&s->outputs),
                                     .n_outputs = n };
    if (w->options->ledger)
        w->block.n_outputs = 0, w->block.inputs = w->block.outputs = (wf_str){ "", 0 };
    w->turn = (struct store_turn){ .blocks = &w->block, .n_blocks = 1 };
    fill_extras(w, s);
    store_commit(w->ss, &w->turn, on_done, w);
}

static void on_assign(void *ctx, const struct store_lane *lane, const struct err *err)
{
    struct worker *w = ctx;
    (void)err;
    w->lane = *lane;
    loop_stop(w->loop);
}

static void run_worker(void *arg)
{
    struct worker *w = arg;
    struct err err;
    w->loop = loop_create(&err);
    struct store_session_config config = { .loop = w->loop, .instance = w->instance };
    w->ss = store_session_open(w->store, &config);
    store_assign(w->ss, 1, w->number, 0, on_assign, w);
    loop_run(w->loop);
    w->end_us = clock_mono_us() + 300000; /* warm up */
    next_turn(w);
    loop_run(w->loop);
    w->commits = 0;
    w->took_us = 0;
    double cpu_us = thread_cpu_us();
    w->end_us = clock_mono_us() + w->options->seconds * 1000000;
    next_turn(w);
    loop_run(w->loop);
    w->cpu_us = thread_cpu_us() - cpu_us;
}

/* --- statements ------------------------------------------------------------------------------- */

struct asking {
    struct store_session *ss;
    struct loop *loop;
    uint64_t answers;
    unsigned open;
    int64_t end_us;
};

static void ask(struct asking *a);

static void on_rows(void *ctx, void *arg, const wf_rows *rows)
{
    struct asking *a = arg;
    (void)ctx;
    if (rows->error) {
        fprintf(stderr, "store_bench: %s\n", rows->error);
        exit(1);
    }
    a->answers++;
    a->open--;
    if (clock_mono_us() < a->end_us)
        ask(a);
    else if (!a->open)
        loop_stop(a->loop);
}

static void ask(struct asking *a)
{
    char key[24];
    int len = snprintf(key, sizeof key, "%llu", (unsigned long long)(a->answers * 7919 % 300));
    wf_str param = { key, (size_t)len };
    wf_statement s = { .pg = "SELECT balance FROM bench_account WHERE id = $1",
                       .params = &param,
                       .n_params = 1 };
    a->open++;
    store_sql(a->ss, &s, 1, on_rows, a);
}

static void bench_sql(struct store *store, const struct options *o)
{
    struct err err;
    uint32_t instance = 0;
    store_instance(store, STR("bench"), &instance, &err);
    struct asking a = { .loop = loop_create(&err) };
    struct store_session_config config = { .loop = a.loop, .instance = instance };
    a.ss = store_session_open(store, &config);
    double cpu_us = thread_cpu_us();
    a.end_us = clock_mono_us() + (int64_t)o->seconds * 1000000;
    for (unsigned i = 0; i < o->batch; i++)
        ask(&a);
    loop_run(a.loop);
    const struct store_sql_stats *stats = store_sql_stats(a.ss);
    printf("{\"bench\":\"store\",\"kind\":\"%s\",\"what\":\"sql\",\"under_way\":%u,"
           "\"calls_s\":%.0f,\"call_ms\":%.3f,\"thread_cpu_us\":%.3f}\n",
           store_kind(store), o->batch, (double)a.answers / o->seconds,
           (double)stats->us_sum / (double)stats->calls / 1000,
           (thread_cpu_us() - cpu_us) / (double)a.answers);
    fflush(stdout);
    store_session_close(a.ss);
    loop_destroy(a.loop);
}

/* --- one figure ------------------------------------------------------------------------------- */

static double lz4_us_per_execution(const struct sample *samples, const struct options *o)
{
    struct packer p = { 0 };
    for (unsigned i = 0; i < SAMPLES; i++)
        pack(&p, strbuf_str(&samples[i].inputs), strbuf_str(&samples[i].outputs));
    double began_us = thread_cpu_us();
    for (unsigned i = 0; i < 8 * SAMPLES; i++)
        pack(&p, strbuf_str(&samples[i % SAMPLES].inputs),
             strbuf_str(&samples[i % SAMPLES].outputs));
    double us = (thread_cpu_us() - began_us) / (8.0 * SAMPLES * o->batch);
    packer_fini(&p);
    return us;
}

static void bench(struct store *store, const struct options *o, unsigned sessions, int postmaster)
{
    struct worker workers[SESSIONS_MAX] = { { .number = 0 } };
    struct err err;
    uint32_t instance = 0;
    store_instance(store, STR("bench"), &instance, &err);
    for (unsigned i = 0; i < sessions; i++) {
        struct worker *w = &workers[i];
        struct message_source *source = calloc(1, sizeof *source);
        const struct message_mix mix = { .seed = i + 1 };
        message_source_init(source, &mix);
        *w = (struct worker){ .options = o, .store = store, .number = i, .instance = instance };
        w->samples = calloc(SAMPLES, sizeof *w->samples);
        for (unsigned k = 0; k < SAMPLES; k++)
            sample_fill(&w->samples[k], source, o);
        free(source);
    }
    double lz4_us = lz4_us_per_execution(workers[0].samples, o);
    double ours_us = process_cpu_us(), theirs_us = postgres_cpu_us(postmaster);
    int64_t began_us = clock_mono_us();
    for (unsigned i = 0; i < sessions; i++)
        thread_start(&workers[i].thread, "bench", run_worker, &workers[i], &err);
    double commits = 0, cpu_us = 0, took_us = 0;
    for (unsigned i = 0; i < sessions; i++) {
        thread_join(&workers[i].thread);
        commits += (double)workers[i].commits;
        cpu_us += workers[i].cpu_us;
        took_us += (double)workers[i].took_us;
    }
    double share =
        o->seconds * 1e6 / (double)(clock_mono_us() - began_us); /* without the warming up */
    ours_us = (process_cpu_us() - ours_us) * share;
    theirs_us = (postgres_cpu_us(postmaster) - theirs_us) * share;
    double executions = commits * o->batch;
    printf("{\"bench\":\"store\",\"kind\":\"%s\",\"what\":\"%s\",\"sessions\":%u,\"batch\":%u,"
           "\"commits_s\":%.0f,\"executions_s\":%.0f,\"commit_ms\":%.2f,\"thread_cpu_us\":%.3f,"
           "\"lz4_us\":%.3f,"
           "\"process_cpu_us\":%.3f,\"postgres_cpu_us\":%.3f}\n",
           store_kind(store),
           o->parked   ? "parked"
           : o->rows   ? "rows"
           : o->ledger ? "ledger"
                       : "blocks",
           sessions, o->batch, commits / o->seconds, executions / o->seconds,
           took_us / commits / 1000, cpu_us / executions, lz4_us, ours_us / executions,
           theirs_us / executions);
    fflush(stdout);
    for (unsigned i = 0; i < sessions; i++) {
        store_session_close(
            workers[i].ss); /* not before: processes that are gone have no CPU time */
        loop_destroy(workers[i].loop);
        for (unsigned k = 0; k < SAMPLES; k++) {
            strbuf_fini(&workers[i].samples[k].inputs);
            strbuf_fini(&workers[i].samples[k].outputs);
        }
        free(workers[i].samples);
    }
}

static void bench_url(const char *url, const struct options *o)
{
    struct err err;
    struct store_config config = {
        .url = url, .save_inputs = true, .tables = &ledger_tables, .n_tables = o->ledger || o->sql
    };
    struct store *store = store_open(&config, true, &err);
    if (!store) {
        fprintf(stderr, "store_bench: %s\n", err.text);
        exit(1);
    }
    int postmaster = !strncmp(url, "postgres", 8) ? find_postmaster(url) : 0;
    if (postmaster && o->rows)
        make_table(url);
    if (o->sql) {
        bench_sql(store, o);
        store_close(store);
        return;
    }
    bench(store, o, 1, postmaster);
    bench(store, o, 2, postmaster);
    store_close(store);
}

int main(int argc, char **argv)
{
    struct options o = { .batch = 1024, .seconds = 3 };
    unsigned n_urls = 0;
    const char *urls[8];
    for (int i = 1; i < argc; i++) {
        if (!strcmp(argv[i], "--batch") && i + 1 < argc)
            o.batch = (unsigned)atoi(argv[++i]);
        else if (!strcmp(argv[i], "--seconds") && i + 1 < argc)
            o.seconds = (unsigned)atoi(argv[++i]);
        else if (!strcmp(argv[i], "--parked"))
            o.parked = true;
        else if (!strcmp(argv[i], "--rows"))
            o.rows = true;
        else if (!strcmp(argv[i], "--ledger"))
            o.ledger = true;
        else if (!strcmp(argv[i], "--sql"))
            o.sql = true;
        else if (n_urls < 8)
            urls[n_urls++] = argv[i];
    }
    if (!o.batch || o.batch > BATCH_MAX || !o.seconds) {
        fprintf(stderr, "store_bench: --batch from 1 to %d, --seconds from 1\n", BATCH_MAX);
        return 2;
    }
    char file[64];
    snprintf(file, sizeof file, "sqlite:/tmp/store_bench_%d.db", (int)getpid());
    if (!n_urls) {
        urls[n_urls++] = "memory:";
        urls[n_urls++] = file;
        if (getenv("CATALYST_TEST_POSTGRES"))
            urls[n_urls++] = getenv("CATALYST_TEST_POSTGRES");
    }
    for (unsigned i = 0; i < n_urls; i++)
        bench_url(urls[i], &o);
    for (const char *const *end = (const char *const[]){ "", "-wal", "-shm", NULL }; *end; end++) {
        char path[80];
        snprintf(path, sizeof path, "%s%s", file + strlen("sqlite:"), *end);
        unlink(path);
    }
    return 0;
}
