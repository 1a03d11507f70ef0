/* SPDX-License-Identifier: Apache-2.0
 * store: the journal and everything else that is kept. One interface of plain records over
 * PostgreSQL, SQLite and memory.
 *
 * Two faces. The *admin* calls are synchronous and thread-safe: program start, the command line,
 * the offload pool. The *session* calls belong to a worker: asynchronous on its loop, one turn per
 * transaction.
 *
 * Words: a lane is the ordered part of a source, (source, partition): a Kafka partition, the
 * webhooks one engine accepted, a schedule. It has an owner's epoch, a position (the next input to
 * take), and a running number of blocks. A block is the journal record of a turn in one lane:
 * columns over the executions that ended. `released` is the last block up to which all outputs are
 * known to be acknowledged outside.
 *
 *   source_position(source, partition): owner, epoch, position, block_seq, released
 *   block(source, partition, seq):      positions[], versions[], statuses[], durations[], inputs,
 * outputs execution(source, partition, position): parked and failed executions, one row each
 *
 * A commit moves each lane by compare-and-set on (epoch, position): all lanes or nothing. One that
 * misses means that another engine owns the lane now: FENCED, nothing is written. Weather
 * (connection lost, result unknown) stays inside: the session reconnects with back-off, reads the
 * lanes back to learn whether the transaction was in, and repeats it if not.
 */
#ifndef CATALYST_STORE_H
#define CATALYST_STORE_H
#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"
#include <stdbool.h>
#include <stdint.h>

struct loop; /* core/loop */
struct store;
struct store_session;

/* --- plain records ---------------------------------------------------------------------------- */

/* Names an execution, for ever: the place of its trigger event. Text form
 * "source-partition-position". */
struct exec_id {
    uint32_t source, partition;
    uint64_t position;
};
enum { EXEC_ID_TEXT = 48 };
void exec_id_text(struct exec_id id, char text[EXEC_ID_TEXT]);
bool exec_id_parse(const char *text, struct exec_id *id);

#define STORE_STATUS_MAP(X)                                                                        \
    X(SUCCESS, "success")                                                                          \
    X(ERROR, "error")                                                                              \
    X(CANCELED, "canceled")                                                                        \
    X(WAITING, "waiting") /* parked */                                                             \
    X(RETRIED, "retried") /* failed, and run again since */
enum store_status {
    STORE_STATUS_NONE,
#define X(name, text) STORE_##name,
    STORE_STATUS_MAP(X)
#undef X
};
const char *store_status_name(enum store_status status);

/* An output message as it is kept in blocks and handed to senders. `id` is unique for ever. */
struct store_output {
    uint32_t exec;  /* index into the block's columns */
    uint32_t index; /* of this output within its execution */
    int32_t partition;
    wf_str channel, connection, topic; /* connection may be empty */
    wf_str key, body;                  /* ptr NULL: none, a tombstone */
    wf_str headers;                    /* pairs of (u32 length, bytes); see store_headers_* */
};
/* The encoded form, appended to a buffer; reading borrows from it. */
void store_output_add(struct strbuf *b, const struct store_output *out);
/* Reads the record at *at and moves on. 1, 0 at the end, -1 when it is torn. */
int store_output_next(wf_str outputs, size_t *at, struct store_output *out);
void store_headers_add(struct strbuf *b, wf_str name, wf_str value);
int store_headers_next(wf_str headers, size_t *at, wf_str *name, wf_str *value);
/* Trigger items of a block, one per execution in its order. ptr NULL: not saved. */
void store_input_add(struct strbuf *b, wf_str input);
int store_input_next(wf_str inputs, size_t *at, wf_str *input);

/* Inputs and outputs of a block: at most that many bytes each. */
enum { STORE_PAYLOAD_MAX = 256 << 20 };

/* What a turn did in one lane. Arrays have n entries and belong to the caller until the commit
 * ended. */
struct store_block {
    uint32_t source, partition;
    uint64_t epoch;
    uint64_t position_old, position_new; /* equal: nothing new was taken */
    uint64_t seq;      /* number of this block; 0: no block (n is 0), the lane only moves */
    uint64_t released; /* outputs of blocks up to here are acknowledged */
    uint64_t begun;    /* no event from here on is run before another commit says so */
    uint32_t n;        /* executions that ended */
    const uint64_t *positions;
    const uint64_t *versions; /* workflow version ids */
    const uint8_t *statuses;  /* enum store_status */
    const uint32_t *durations_us;
    const int64_t *started_us; /* wall clock */
    wf_str inputs;             /* n records of store_input_add; or empty: none saved */
    wf_str outputs;            /* store_output records */
    uint32_t n_outputs;
};

/* A parked or failed execution, kept until it ends or is dropped by retention. */
struct store_exec {
    struct exec_id id;
    uint64_t version;
    enum store_status status;              /* WAITING or ERROR, CANCELED */
    int64_t started_us, ended_us, wake_us; /* wall clock; 0: none */
    wf_str node, error;                    /* last node, error as JSON object; or empty */
    wf_str state; /* the execution as JSON, enough to go on; input for a retry */
};

/* A row a plugin asked for. `row` is a JSON object. */
struct store_row {
    wf_str table, row, unique; /* unique: columns with commas, or empty; see plugin.h */
    struct exec_id exec;       /* who asked */
};

/* The idempotency key of an execution that was accepted or answered in this turn; see
 * store_key_claim. */
struct store_key_mark {
    struct exec_id exec;
    wf_str key;
    uint64_t token;
    int status; /* of the answer, which is kept; 0: none yet */
    wf_str headers, body;
    bool of_accept; /* the engine's own: the answer says no more than that it was accepted */
};

/* Only lanes fence: name the lane of every exec and row among the blocks, even when it does not
 * move. A turn without lanes must be repeatable, so its rows need `unique`. */
struct store_turn {
    const struct store_block *blocks; /* one per lane touched */
    uint32_t n_blocks;
    const struct store_exec *execs; /* inserted or replaced by id */
    uint32_t n_execs;
    const struct exec_id *ended; /* parked rows whose execution ended well: removed */
    uint32_t n_ended;
    const struct store_row *rows;
    uint32_t n_rows;
    const struct store_key_mark *keys;
    uint32_t n_keys;
};

enum store_result {
    STORE_OK = 1,
    STORE_FENCED,   /* another engine owns a lane: nothing was written */
    STORE_BAD_ROWS, /* rows of plugins were refused: nothing was written; see bad */
};
struct store_bad_row {
    uint32_t row;       /* index into turn.rows */
    const char *reason; /* the database's words */
};
struct store_commit_result {
    enum store_result result;
    uint32_t lane; /* FENCED: index into turn.blocks of the first lane that missed */
    const struct store_bad_row *bad;
    uint32_t n_bad;
    int64_t took_us;
};

/* A lane as it was found on assignment. */
struct store_lane {
    uint32_t source, partition;
    uint64_t epoch, position, block_seq, released;
    uint64_t begun; /* events from here on were not run by an earlier owner */
    bool fresh;     /* no commit has moved it yet: take the trigger's own start; position is
                       start_position */
};

/* --- opening and admin calls: synchronous, any thread ----------------------------------------- */

/* The tables of a plugin. They live where its unqualified names are looked for: in the schema of
 * the engine's own tables, which is the first of the search_path in PostgreSQL; in the file in
 * SQLite; in a private in-memory SQLite beside the memory store. */
struct store_tables {
    const char *plugin;
    const wf_migration *steps; /* 1, 2 ... n */
    size_t n;
};

struct store_config {
    const char *url;         /* postgresql://...  sqlite:PATH  memory: */
    uint32_t retention_days; /* 0: 14 */
    bool save_inputs;
    int64_t
        commit_timeout_ms; /* 0: 30,000: a connection silent that long is dropped and reconnected */
    /* Plugins' tables, checked and brought up to date after the engine's own: each step in a
     * transaction of its own, under the same lock, once per store. A step whose text changed since
     * it was applied is an error. Borrowed until the store is closed. */
    const struct store_tables *tables;
    size_t n_tables;
    /* Told of every step that was applied; plugin NULL: the engine's own. May be NULL. */
    void (*on_step)(void *ctx, const char *plugin, int number, const char *name);
    void *on_step_ctx;
};

/* Opens and checks the schema; with `migrate` brings it up to date first, under a lock, else a
 * schema that is behind or ahead is an error that says what to run. NULL with *err; err->retryable:
 * try again. */
struct store *store_open(const struct store_config *config, bool migrate, struct err *err);
void store_close(struct store *s);
/* Applied and newest schema version; runs what is missing when `run`. Reports each step. */
int store_migrate(struct store *s, bool run,
                  void (*report)(void *ctx, int version, const char *name), void *ctx, int *applied,
                  int *newest, struct err *err);
const char *store_kind(const struct store *s); /* "postgresql", "sqlite", "memory" */
/* Tables of the platform that belong to no plugin (`catalyst init-platform`). */
const struct store_tables *store_platform_tables(void);
/* Calls `each` for every step of the tables that this store does not have yet. -1 with *err: it
 * cannot be read, or one of them was changed since. */
int store_tables_missing(struct store *s, const struct store_tables *tables, size_t n,
                         void (*each)(void *ctx, const char *plugin, int number, const char *name),
                         void *ctx, struct err *err);
/* What a name is here: "table", "partitions", "hypertable"; "" when there is no such table. */
int store_table_kind(struct store *s, const char *name, char kind[16], struct err *err);

/* Workflow definitions. Every deploy of a changed text makes a new version; `active` says whether
 * it runs. */
struct store_workflow {
    uint64_t version; /* unique over all workflows */
    wf_str id, name, definition;
    uint32_t number; /* 1, 2 ... within the workflow */
    bool active;
    int64_t deployed_us;
};
int store_deploy(struct store *s, wf_str id, wf_str name, wf_str definition, bool active,
                 struct store_workflow *out, struct err *err);
int store_set_active(struct store *s, wf_str id, bool active, struct err *err);
/* The newest version of every workflow, or one version; `each` borrows. */
int store_workflows(struct store *s, void (*each)(void *ctx, const struct store_workflow *),
                    void *ctx, struct err *err);
int store_workflow_version(struct store *s, uint64_t version,
                           void (*each)(void *ctx, const struct store_workflow *), void *ctx,
                           struct err *err);
/* A number that grows with every deploy and activation, for polling. */
int store_revision(struct store *s, uint64_t *revision, struct err *err);

/* The number of a source, made on first use: (workflow id, trigger node id, kind, name). */
int store_source(struct store *s, wf_str workflow, wf_str node, wf_str kind, wf_str name,
                 uint32_t *id, struct err *err);

/* Workers of one engine: lanes are numbered (instance, worker), so no engine may have more. */
enum { WORKERS_MAX = 256 };

/* Registers this engine and returns its number; a heartbeat keeps its lanes and parked executions.
 */
int store_instance(struct store *s, wf_str name, uint32_t *instance, struct err *err);
/* ERR_FENCED: it was silent for too long and another took its lanes; register anew. */
int store_heartbeat(struct store *s, uint32_t instance, struct err *err);
/* Instances silent for longer than that; each is given to exactly one caller, and again to another
 * when that one falls silent too. When its lanes are taken over, call store_instance_leave for it.
 */
int store_dead_instances(struct store *s, uint32_t me, int64_t silent_ms,
                         void (*each)(void *ctx, uint32_t instance), void *ctx, struct err *err);
/* It ends in good order. One whose lanes hold parked executions or outputs that may not have left
 * stays registered: it falls silent, and another engine takes them over. */
int store_instance_leave(struct store *s, uint32_t instance, struct err *err);

/* Executions for people. */
struct store_execution {
    struct exec_id id;
    wf_str workflow, workflow_name;
    uint64_t version;
    uint32_t number; /* of the version among those of its workflow, as a deploy tells it */
    enum store_status status;
    int64_t started_us, duration_us;
    wf_str node, error; /* of a failed or parked one */
    wf_str input;       /* show: the trigger item, when saved */
    wf_str state;       /* show: of a failed or parked one */
    wf_str outputs;     /* show: store_output records of this execution */
};
struct store_filter {
    const char *workflow;       /* id or name; NULL: all */
    enum store_status status;   /* 0: all */
    int64_t since_us, until_us; /* 0: no bound */
    uint32_t limit;             /* 0: 50 */
};
int store_executions(struct store *s, const struct store_filter *filter,
                     void (*each)(void *ctx, const struct store_execution *), void *ctx,
                     struct err *err);
/* ERR_NOT_FOUND when there is none. */
int store_execution(struct store *s, struct exec_id id,
                    void (*each)(void *ctx, const struct store_execution *), void *ctx,
                    struct err *err);
/* Marks a failed execution to be run again by the next engine that looks; from its failed node. */
int store_execution_retry(struct store *s, struct exec_id id, struct err *err);

/* Credentials: data is already encrypted by the caller. */
struct store_credential {
    wf_str id, name, type, sealed;
};
int store_credential_put(struct store *s, const struct store_credential *c, struct err *err);
int store_credential_delete(struct store *s, wf_str id, struct err *err);
int store_credentials(struct store *s, void (*each)(void *ctx, const struct store_credential *),
                      void *ctx, struct err *err);

/* Idempotency keys of webhooks. A request claims its key before anything of it runs; the claim is
 * its engine's until the turn that accepts the execution marks it (store_turn.keys), and the turn
 * that answers keeps the answer. A claim whose engine is gone before that may be made anew. */
struct store_key {
    uint32_t source;
    wf_str key, print; /* print: of the request's content */
    uint64_t token;    /* random: of this claim */
    uint32_t instance;
    int64_t keep_ms; /* after that the key is free again */
};
enum store_key_state {
    STORE_KEY_NEW = 1,  /* claimed: go on */
    STORE_KEY_BUSY,     /* another request has it, and no answer yet */
    STORE_KEY_ANSWERED, /* here is its answer */
    STORE_KEY_OTHER     /* it was another request's: the print differs */
};
struct store_key_found {
    enum store_key_state state;
    int status; /* ANSWERED; texts are in the caller's arena */
    wf_str headers, body;
};
int store_key_claim(struct store *s, const struct store_key *key, struct arena *a,
                    struct store_key_found *found, struct err *err);
/* The request was not accepted after all. */
int store_key_release(struct store *s, const struct store_key *key, struct err *err);

/* Makes partitions ahead and drops those past retention. Hourly. */
int store_housekeep(struct store *s, int64_t now_us, struct err *err);
/* What the last store_housekeep of this thread found. -1: the store has nothing of the kind. */
struct store_house {
    int64_t partitions_missing; /* tables in time whose partition of tomorrow is not there */
    int64_t retention_failures; /* of the jobs that drop old data, since they were made */
};
struct store_house store_house(const struct store *s);

/* --- a worker's session: asynchronous on its loop --------------------------------------------- */

struct store_session_config {
    struct loop *loop;
    uint32_t instance;
    void *ctx; /* of all callbacks below that name no other */
    /* Weather: up, or down with a reason. Called on changes, also of the reason. */
    void (*on_state)(void *ctx, bool up, const char *reason);
};
/* Starts connecting; calls made before it is up wait. */
struct store_session *store_session_open(struct store *s,
                                         const struct store_session_config *config);
/* Drops what is under way; no callback comes after. */
void store_session_close(struct store_session *ss);

/* Commits a turn. One may be in flight; `done` comes later on the loop. The turn's memory must
 * stay. */
void store_commit(struct store_session *ss, const struct store_turn *turn,
                  void (*done)(void *ctx, const struct store_commit_result *), void *ctx);

/* Takes a lane: raises its epoch under the instance's name. */
void store_assign(struct store_session *ss, uint32_t source, uint32_t partition,
                  uint64_t start_position,
                  void (*done)(void *ctx, const struct store_lane *, const struct err *),
                  void *ctx);
/* Looks at a lane without taking it. */
struct store_peek {
    bool found; /* someone took it once */
    uint64_t position;
    uint32_t owner;   /* instance */
    bool owner_lives; /* its last heartbeat is not older than asked */
};
/* False, and done is not called: a store of this kind serves one engine, so every lane is its own.
 */
bool store_peek(struct store_session *ss, uint32_t source, uint32_t partition, int64_t silent_ms,
                void (*done)(void *ctx, const struct store_peek *), void *ctx);
/* Blocks of a lane with seq > after, oldest first, at most `limit`; only their outputs and columns
 * are filled. `block` NULL: the end; error not NULL: it failed for good (a checksum). */
void store_blocks(struct store_session *ss, uint32_t source, uint32_t partition, uint64_t after,
                  uint32_t limit,
                  void (*each)(void *ctx, const struct store_block *block, const struct err *error),
                  void *ctx);
/* Parked executions of a lane that are due at `wake_us`, those that wake first, and failed ones
 * (status ERROR) that were marked for retry; at most `limit`, each handed out once per epoch, and
 * again when it was written again. INT64_MAX: all, also those that do not wake by time. None when
 * the lane is not this instance's. `exec` NULL: the end. */
void store_parked(struct store_session *ss, uint32_t source, uint32_t partition, int64_t wake_us,
                  uint32_t limit,
                  void (*each)(void *ctx, const struct store_exec *exec, const struct err *error),
                  void *ctx);
/* Lanes owned by an instance (dead ones, to take over): every (source, partition). source 0: the
 * end, with an error or NULL. Numbers of sources begin at 1. */
void store_lanes_of(struct store_session *ss, uint32_t instance,
                    void (*each)(void *ctx, uint32_t source, uint32_t partition,
                                 const struct err *error),
                    void *ctx);

/* --- statements of plugins (sql/1), apart from turns ------------------------------------------ */

/* What waits at most, in all sessions alike; more is answered with an error. */
enum {
    STORE_SQL_WAITING = 1024,          /* calls */
    STORE_SQL_BYTES = 16 << 20,        /* of their texts and parameters */
    STORE_SQL_ANSWER_BYTES = 64 << 20, /* of an answer */
    STORE_SQL_TIMEOUT_MS = 30000,      /* waiting for the store, and running, each */
};

/* Runs n statements as one transaction; texts and parameters are copied. `done` comes later on the
 * loop, once, with `arg`, unless the session is closed before. PostgreSQL: a connection of its own,
 * opened at the first call, many calls under way at once. SQLite: the store's writer, so that a
 * long statement holds up commits. Memory: the plugins' private database, on a thread of its own.
 */
void store_sql(struct store_session *ss, const wf_statement *statements, size_t n,
               void (*done)(void *ctx, void *arg, const wf_rows *rows), void *arg);

struct store_sql_stats {
    uint64_t calls, statements; /* asked */
    uint64_t errors, full;      /* answered with an error; of these because too many waited */
    uint64_t us_sum;            /* from asking to answering */
    uint32_t open;              /* not answered yet */
    size_t open_bytes;
    char trouble[200]; /* why the last try to connect failed; "": it did not */
};
const struct store_sql_stats *store_sql_stats(const struct store_session *ss);

#endif
