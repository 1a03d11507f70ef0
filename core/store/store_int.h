/* SPDX-License-Identifier: Apache-2.0
 * store_int: what the kinds of stores share inside the room.
 *
 * A kind fills a table of functions; store.c finds it by the URL. SQLite and memory answer a
 * session by jobs: a job is filled on the session's loop, run where the kind runs things (its store
 * thread, or at once), and comes back by the loop's mailbox. PostgreSQL speaks on the loop itself
 * and uses none.
 */
#ifndef CATALYST_STORE_INT_H
#define CATALYST_STORE_INT_H
#include "base/arena.h"
#include "base/list.h"
#include "loop/loop.h"
#include "store/store.h"

typedef void store_on_migrate(void *ctx, int version, const char *name);
typedef void store_on_step(void *ctx, const char *plugin, int number, const char *name);
typedef void store_on_workflow(void *ctx, const struct store_workflow *);
typedef void store_on_instance(void *ctx, uint32_t instance);
typedef void store_on_execution(void *ctx, const struct store_execution *);
typedef void store_on_credential(void *ctx, const struct store_credential *);
typedef void store_on_commit(void *ctx, const struct store_commit_result *);
typedef void store_on_lane(void *ctx, const struct store_lane *, const struct err *);
typedef void store_on_peek(void *ctx, const struct store_peek *);
typedef void store_on_block(void *ctx, const struct store_block *, const struct err *);
typedef void store_on_exec(void *ctx, const struct store_exec *, const struct err *);
typedef void store_on_rows(void *ctx, void *arg, const wf_rows *rows);
typedef void store_on_lane_of(void *ctx, uint32_t source, uint32_t partition, const struct err *);

struct sql_call;

/* Semantics are those of store.h; out pointers and callbacks are never NULL here. */
struct store_ops {
    const char *kind;
    struct store *(*open)(const struct store_config *config, bool migrate, struct err *err);
    void (*close)(struct store *s);
    int (*migrate)(struct store *s, bool run, store_on_migrate *report, void *ctx, int *applied,
                   int *newest, struct err *err);
    int (*tables_missing)(struct store *s, const struct store_config *tables, store_on_step *each,
                          void *ctx, struct err *err);
    int (*table_kind)(struct store *s, const char *name, char kind[16], struct err *err);
    int (*deploy)(struct store *s, wf_str id, wf_str name, wf_str definition, bool active,
                  struct store_workflow *out, struct err *err);
    int (*set_active)(struct store *s, wf_str id, bool active, struct err *err);
    int (*workflows)(struct store *s, store_on_workflow *each, void *ctx, struct err *err);
    int (*workflow_version)(struct store *s, uint64_t version, store_on_workflow *each, void *ctx,
                            struct err *err);
    int (*revision)(struct store *s, uint64_t *revision, struct err *err);
    int (*source)(struct store *s, wf_str workflow, wf_str node, wf_str kind, wf_str name,
                  uint32_t *id, struct err *err);
    int (*instance)(struct store *s, wf_str name, uint32_t *instance, struct err *err);
    int (*heartbeat)(struct store *s, uint32_t instance, struct err *err);
    int (*dead_instances)(struct store *s, uint32_t me, int64_t silent_ms, store_on_instance *each,
                          void *ctx, struct err *err);
    int (*instance_leave)(struct store *s, uint32_t instance, struct err *err);
    int (*executions)(struct store *s, const struct store_filter *filter, store_on_execution *each,
                      void *ctx, struct err *err);
    int (*execution)(struct store *s, struct exec_id id, store_on_execution *each, void *ctx,
                     struct err *err);
    int (*retry)(struct store *s, struct exec_id id, struct err *err);
    int (*credential_put)(struct store *s, const struct store_credential *c, struct err *err);
    int (*credential_delete)(struct store *s, wf_str id, struct err *err);
    int (*credentials)(struct store *s, store_on_credential *each, void *ctx, struct err *err);
    int (*housekeep)(struct store *s, int64_t now_us, struct err *err);
    int (*key_claim)(struct store *s, const struct store_key *key, struct arena *a,
                     struct store_key_found *found, struct err *err);
    int (*key_release)(struct store *s, const struct store_key *key, struct err *err);

    struct store_session *(*session_open)(struct store *s,
                                          const struct store_session_config *config);
    void (*session_close)(struct store_session *ss);
    void (*commit)(struct store_session *ss, const struct store_turn *turn, store_on_commit *done,
                   void *ctx);
    void (*assign)(struct store_session *ss, uint32_t source, uint32_t partition,
                   uint64_t start_position, store_on_lane *done, void *ctx);
    void (*blocks)(struct store_session *ss, uint32_t source, uint32_t partition, uint64_t after,
                   uint32_t limit, store_on_block *each, void *ctx);
    void (*parked)(struct store_session *ss, uint32_t source, uint32_t partition, int64_t wake_us,
                   uint32_t limit, store_on_exec *each, void *ctx);
    void (*lanes_of)(struct store_session *ss, uint32_t instance, store_on_lane_of *each,
                     void *ctx);
    /* NULL: the store serves one engine. */
    void (*peek)(struct store_session *ss, uint32_t source, uint32_t partition, int64_t silent_ms,
                 store_on_peek *done, void *ctx);
    /* The call is the kind's from here on, until sql_tell or sql_call_free. */
    void (*sql)(struct store_session *ss, struct sql_call *call);
};
extern const struct store_ops mem_ops, pg_ops, sqlite_ops;

/* Head of every kind's store. */
struct store {
    const struct store_ops *ops;
    struct store_config config; /* defaults filled in; url is ours */
    struct store_house house;   /* of the housekeeper's thread */
    bool has_house;
};

/* Head of every kind's session. */
struct store_session {
    struct store *store;
    struct store_session_config config;
    bool is_committing; /* one commit may be in flight */
    struct store_sql_stats sql;
};

enum { STORE_LIST_LIMIT = 50, STORE_RETENTION_DAYS = 14, STORE_COMMIT_TIMEOUT_MS = 30000 };

/* A plugin's table: [schema.]name of letters, digits and _, not one of ours. Also for column names.
 */
bool store_name_ok(wf_str name);
bool store_table_ok(wf_str table);
/* The next column of a list with commas, without blanks; false at the end. */
bool store_next_column(wf_str columns, size_t *at, wf_str *column);
/* The two parts of a row's `unique`, "keys" or "keys;same": the columns of the constraint, and
 * those in which a row with the same key must be the same. */
void store_unique_split(wf_str unique, wf_str *keys, wf_str *same);
/* Text that a database takes: UTF-8 without NUL; what is not becomes U+FFFD or a blank in a copy.
 */
wf_str store_clean_text(struct arena *a, wf_str s);

/* --- jobs ------------------------------------------------------------------------------------- */

enum job_kind {
    JOB_COMMIT = 1,
    JOB_ASSIGN,
    JOB_BLOCKS,
    JOB_PARKED,
    JOB_LANES_OF,
    JOB_STATE,
    JOB_SQL
};

struct job_lane {
    uint32_t source, partition;
};

/* Filled by job_create's caller, answered by the kind's run function, told to the caller by
 * job_deliver. */
struct job {
    struct mail mail;
    struct link link;         /* on the session's list, until it is delivered */
    struct link queue;        /* of a store thread */
    struct store_session *ss; /* NULL: the session is closed, deliver nothing */
    bool is_stranded;         /* the loop took no more mail: freed with the session */
    struct loop *loop;
    enum job_kind kind;
    /* asked */
    const struct store_turn *turn;
    uint32_t source, partition, limit, instance;
    uint64_t number; /* ASSIGN: start position; BLOCKS: after */
    int64_t wake_us;
    union {
        store_on_commit *commit;
        store_on_lane *assign;
        store_on_block *block;
        store_on_exec *exec;
        store_on_lane_of *lane_of;
    } on;
    void *ctx;
    int64_t began_us;
    struct sql_call *sql;
    /* answered; arrays live in the arena */
    struct arena arena;
    bool failed, up;
    struct err err;
    struct store_commit_result result;
    struct store_lane lane;
    struct store_block *blocks;
    struct store_exec *execs;
    struct job_lane *lanes;
    uint32_t n; /* of the array that is filled */
    wf_rows rows;
};

/* [loop] A job of this session, linked to `jobs`. */
struct job *job_create(struct store_session *ss, struct link *jobs, enum job_kind kind, void *ctx);
/* [any] Before the session closes: sends the answered job home. */
void job_post(struct job *job);
/* [loop] The session closes: none of these jobs is delivered any more. */
void jobs_drop(struct link *jobs);
/* [loop] Tells the session's weather by mail; err when down. */
struct job_session;
void job_state(struct job_session *js, bool up, const struct err *err);

/* A session that works by jobs: `run` gets each job filled and must job_post it when it is
 * answered. */
struct job_session {
    struct store_session base;
    struct link jobs;
    void (*run)(struct job *job);
};
static inline struct job_session *job_session_of(struct store_session *ss)
{
    return CONTAINER_OF(ss, struct job_session, base);
}
void job_session_init(struct job_session *js, struct store *s,
                      const struct store_session_config *config, void (*run)(struct job *job));
/* For the table of functions. */
void job_commit(struct store_session *ss, const struct store_turn *turn, store_on_commit *done,
                void *ctx);
void job_assign(struct store_session *ss, uint32_t source, uint32_t partition,
                uint64_t start_position, store_on_lane *done, void *ctx);
void job_blocks(struct store_session *ss, uint32_t source, uint32_t partition, uint64_t after,
                uint32_t limit, store_on_block *each, void *ctx);
void job_parked(struct store_session *ss, uint32_t source, uint32_t partition, int64_t wake_us,
                uint32_t limit, store_on_exec *each, void *ctx);
void job_lanes_of(struct store_session *ss, uint32_t instance, store_on_lane_of *each, void *ctx);

/* Its rows are this error's. */
void job_sql_failed(struct job *job, bool retryable, const char *format, ...) WF_PRINTF(3, 4);
void job_sql(struct store_session *ss, struct sql_call *call);

/* A bad row for the result, in the job's arena; at most turn->n_rows of them, ascending. */
void job_bad_row(struct job *job, uint32_t row, const char *reason);
#endif
