/* SPDX-License-Identifier: Apache-2.0
 * sqlite_int: SQLite, the parts of it.
 *
 *   sqlite.c         opening, migration, small helpers over the library
 *   sqlite_tables.c  migrations of plugins, also for the memory store
 *   sqlite_thread.c  the store thread: many turns in one transaction, one fsync
 *   sqlite_turn.c    what sessions ask, on the store thread
 *   sqlite_rows.c    rows of plugins in a turn
 *   sqlite_sql.c     statements of plugins, also for the memory store
 *   sqlite_admin.c   workflows, sources, instances, credentials, housekeeping
 *   sqlite_show.c    executions for people
 */
#ifndef CATALYST_STORE_SQLITE_INT_H
#define CATALYST_STORE_SQLITE_INT_H
#include "base/map.h"
#include "json/json.h"
#include "store/columns_int.h"
#include "store/store_int.h"
#include <pthread.h>
#include <sqlite3.h>

/* Statements of the store thread, prepared once. */
enum sqlite_statement {
    SQ_BEGIN,
    SQ_COMMIT,
    SQ_ROLLBACK,
    SQ_SAVEPOINT,
    SQ_RELEASE,
    SQ_ROLLBACK_TO,
    SQ_MOVE,
    SQ_BLOCK,
    SQ_KEEP,
    SQ_REMOVE,
    SQ_KEY,
    SQ_ASSIGN,
    SQ_BLOCKS,
    SQ_EPOCH,
    SQ_RETRIES,
    SQ_DUE,
    SQ_HAND_OUT,
    SQ_LANES_OF,
    SQ_STATEMENTS,
};

/* What the store thread alone touches. */
struct sqlite_worker {
    sqlite3 *db;
    sqlite3_stmt *statements[SQ_STATEMENTS];
    struct map rows; /* SQL for plugins' rows -> sqlite3_stmt */
    struct packer packer;
    struct arena scratch;
    bool save_inputs;
};

struct sqlite_store {
    struct store base;
    char *path;
    pthread_mutex_t admin_lock; /* guards admin */
    sqlite3 *admin;

    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t wake;  /* work for the thread, or it is to stop */
    pthread_cond_t idle;  /* a group is over */
    struct thread thread;
    struct link queue;    /* jobs that wait */
    struct link group;    /* jobs of the transaction under way */
    struct link sessions; /* open ones */
    struct link notes;    /* weather on its way to sessions */
    bool is_running;      /* the group is being worked on */
    bool is_stopping;
    bool is_down;
    char reason[500];
    struct sqlite_worker worker;
};

static inline struct sqlite_store *sqlite_of(struct store *s)
{
    return CONTAINER_OF(s, struct sqlite_store, base);
}

/* --- sqlite.c --------------------------------------------------------------------------------- */

/* A connection with our settings. */
sqlite3 *sq_open(const char *path, struct err *err);
/* Fills *err from the connection's last error. */
int sq_err(struct err *err, sqlite3 *db, const char *what);
/* True when the trouble is not in what was given: full disk, another process, the file. */
bool sq_is_weather(int rc);
/* NULL with *err. */
sqlite3_stmt *sq_prepare(sqlite3 *db, const char *sql, struct err *err);
void sq_bind_str(sqlite3_stmt *q, int i, wf_str s);   /* text; borrows until the reset */
void sq_bind_bytes(sqlite3_stmt *q, int i, wf_str s); /* blob; ptr NULL: NULL */
void sq_bind_int(sqlite3_stmt *q, int i, int64_t n);
/* 1: a row; 0: the end; -1 with *err. */
int sq_step(sqlite3_stmt *q, const char *what, struct err *err);
/* Runs to the end and finalizes. `changed` may be NULL. */
int sq_finish(sqlite3_stmt *q, const char *what, int *changed, struct err *err);
int sq_exec(sqlite3 *db, const char *sql, const char *what, struct err *err);
wf_str sq_str(sqlite3_stmt *q, int column);   /* borrows until the next step */
wf_str sq_bytes(sqlite3_stmt *q, int column); /* NULL: ptr NULL */
int64_t sq_int(sqlite3_stmt *q, int column);

/* sqlite_tables.c: the tables of plugins, after ours. Each step locks the file by itself. */
int sqlite_migrate_tables(sqlite3 *db, bool run, const struct store_config *config,
                          struct err *err);
int sqlite_tables_missing(struct store *base, const struct store_config *tables,
                          store_on_step *each, void *ctx, struct err *err);
int sqlite_table_kind(struct store *base, const char *name, char kind[16], struct err *err);

/* A block from the columns SQ_BLOCK_COLUMNS. */
#define SQ_BLOCK_COLUMNS                                                                           \
    "source, partition, seq, n, position_min, position_max, version, started_us, n_outputs, "      \
    "inputs_bytes, outputs_bytes, checksum, positions, versions, statuses, durations, started, "   \
    "payload"
void sq_get_block(sqlite3_stmt *q, struct kept_block *out);
#define SQ_EXEC_COLUMNS                                                                            \
    "source, partition, position, version, status, started_us, ended_us, wake_us, node, error, "   \
    "state"
void sq_get_exec(sqlite3_stmt *q, struct store_exec *out);

/* --- sqlite_thread.c -------------------------------------------------------------------------- */

struct store_session *sqlite_session_open(struct store *s,
                                          const struct store_session_config *config);
void sqlite_session_close(struct store_session *ss);
/* Ends the thread when it was started. */
void sqlite_thread_stop(struct sqlite_store *s);

/* --- sqlite_turn.c, sqlite_rows.c: on the store thread ---------------------------------------- */

int sqlite_worker_open(struct sqlite_worker *w, const char *path, struct err *err);
void sqlite_worker_close(struct sqlite_worker *w);
/* Runs a job within the transaction under way. SQLITE_OK, or weather: the transaction is to be
 * rolled back and the job to be run again. */
int sqlite_run(struct sqlite_worker *w, struct job *job);
/* Inserts the turn's rows that `wants` (NULL: all; `ctx` is its own). SQLITE_OK (bad rows are in
 * the result) or weather. */
/* Once for each connection that writes rows: the function their statements refuse by. */
int sqlite_rows_init(sqlite3 *db);
int sqlite_rows(struct sqlite_worker *w, struct job *job,
                bool (*wants)(void *ctx, const struct store_row *row), void *ctx);

/* Foreign keys that are open until the end of the transaction. */
int sqlite_open_keys(struct sqlite_worker *w);
/* A statement for plugins, prepared and kept, or NULL with the trouble in *rc. */
sqlite3_stmt *sqlite_statement(struct sqlite_worker *w, wf_str sql, int *rc);
/* Runs the job's call within the transaction under way: its rows are the answer, and with an error
 * in there the caller takes back what was done. SQLITE_OK, or weather. */
int sqlite_sql(struct sqlite_worker *w, struct job *job);

/* --- the table of functions ------------------------------------------------------------------- */

int sqlite_deploy(struct store *s, wf_str id, wf_str name, wf_str definition, bool active,
                  struct store_workflow *out, struct err *err);
int sqlite_set_active(struct store *s, wf_str id, bool active, struct err *err);
int sqlite_workflows(struct store *s, store_on_workflow *each, void *ctx, struct err *err);
int sqlite_workflow_version(struct store *s, uint64_t version, store_on_workflow *each, void *ctx,
                            struct err *err);
int sqlite_revision(struct store *s, uint64_t *revision, struct err *err);
int sqlite_source(struct store *s, wf_str workflow, wf_str node, wf_str kind, wf_str name,
                  uint32_t *id, struct err *err);
int sqlite_instance(struct store *s, wf_str name, uint32_t *instance, struct err *err);
int sqlite_heartbeat(struct store *s, uint32_t instance, struct err *err);
int sqlite_dead_instances(struct store *s, uint32_t me, int64_t silent_ms, store_on_instance *each,
                          void *ctx, struct err *err);
int sqlite_instance_leave(struct store *s, uint32_t instance, struct err *err);
int sqlite_executions(struct store *s, const struct store_filter *filter, store_on_execution *each,
                      void *ctx, struct err *err);
int sqlite_execution(struct store *s, struct exec_id id, store_on_execution *each, void *ctx,
                     struct err *err);
int sqlite_execution_retry(struct store *s, struct exec_id id, struct err *err);
int sqlite_credential_put(struct store *s, const struct store_credential *c, struct err *err);
int sqlite_credential_delete(struct store *s, wf_str id, struct err *err);
int sqlite_credentials(struct store *s, store_on_credential *each, void *ctx, struct err *err);
int sqlite_housekeep(struct store *s, int64_t now_us, struct err *err);
int sqlite_key_claim(struct store *s, const struct store_key *key, struct arena *a,
                     struct store_key_found *found, struct err *err);
int sqlite_key_release(struct store *s, const struct store_key *key, struct err *err);
#endif
