/* SPDX-License-Identifier: Apache-2.0
 * mem_int: the records of the memory store. One lock guards them all; no call holds it for long.
 */
#ifndef CATALYST_STORE_MEM_INT_H
#define CATALYST_STORE_MEM_INT_H
#include "base/map.h"
#include "store/store_int.h"
#include <pthread.h>

struct mem_workflow {
    char *id, *name;
    bool active;
    uint32_t n_versions;
};
struct mem_version {
    uint32_t workflow; /* index */
    uint32_t number;
    wf_str definition;
    int64_t deployed_us;
};
struct mem_source {
    char *key;       /* workflow, node, kind and name with their lengths */
    bool is_webhook; /* or an error trigger: lanes by engine */
};
struct mem_instance {
    char *name;
    int64_t heard_us; /* monotonic */
    uint32_t taken_by;
    bool left;
};
struct mem_credential {
    char *id, *name, *type;
    wf_str sealed;
};
/* A block with its own memory. */
struct mem_block {
    struct link link; /* of its lane, oldest first */
    struct arena arena;
    struct store_block block;
    int64_t created_us;
};
struct mem_lane {
    struct job_lane key; /* of the map */
    struct store_lane lane;
    uint32_t owner;
    struct link blocks, execs;
};
struct mem_exec {
    struct link link; /* of its lane */
    struct arena arena;
    struct store_exec exec;
    uint64_t handed_epoch; /* of the lane when it was handed out; 0: not yet */
    bool retry;
};
struct mem_key {
    struct arena arena;
    wf_str name; /* of the map: source and key */
    wf_str print;
    uint64_t token;
    uint32_t owner;
    bool accepted;
    int status; /* 0: no answer yet */
    wf_str headers, body;
    int64_t expires_us;
};
struct mem_row {
    struct mem_row *next;
    char *table, *row;
};

struct mem_store {
    struct store base;
    struct mem_tables *tables; /* of plugins: mem_tables.c */
    struct mem_sql *sql;       /* NULL: nobody asked yet */
    pthread_mutex_t lock;
    struct mem_workflow *workflows;
    struct mem_version *versions;   /* version id is the index + 1 */
    struct mem_source *sources;     /* id is the index + 1 */
    struct mem_instance *instances; /* id is the index + 1 */
    struct mem_credential *credentials;
    uint32_t n_workflows, n_versions, n_sources, n_instances, n_credentials;
    uint64_t revision;
    struct map lanes;     /* struct job_lane -> struct mem_lane */
    struct map execs;     /* struct exec_id -> struct mem_exec */
    struct map keys;      /* source and key -> struct mem_key */
    struct map uniques;   /* table, columns and their values -> the row */
    struct mem_row *rows; /* newest first */
    size_t block_bytes;
};

/* With the lock held. */
struct mem_lane *mem_lane_get(struct mem_store *m, uint32_t source, uint32_t partition);
struct mem_lane *mem_lane_make(struct mem_store *m, uint32_t source, uint32_t partition);
void mem_exec_remove(struct mem_store *m, struct exec_id id);
void mem_block_free(struct mem_store *m, struct mem_block *b);
/* Runs a job that was filled; takes the lock itself. */
void mem_run(struct mem_store *m, struct job *job);

static inline struct mem_store *mem_of(struct store *s)
{
    return CONTAINER_OF(s, struct mem_store, base);
}

/* The table of functions; each takes the lock itself. */
void mem_free_admin(struct mem_store *m);
int mem_deploy(struct store *s, wf_str id, wf_str name, wf_str definition, bool active,
               struct store_workflow *out, struct err *err);
int mem_set_active(struct store *s, wf_str id, bool active, struct err *err);
int mem_workflows(struct store *s, store_on_workflow *each, void *ctx, struct err *err);
int mem_workflow_version(struct store *s, uint64_t version, store_on_workflow *each, void *ctx,
                         struct err *err);
int mem_revision(struct store *s, uint64_t *revision, struct err *err);
int mem_source(struct store *s, wf_str workflow, wf_str node, wf_str kind, wf_str name,
               uint32_t *id, struct err *err);
int mem_instance(struct store *s, wf_str name, uint32_t *instance, struct err *err);
int mem_heartbeat(struct store *s, uint32_t instance, struct err *err);
int mem_dead_instances(struct store *s, uint32_t me, int64_t silent_ms, store_on_instance *each,
                       void *ctx, struct err *err);
int mem_instance_leave(struct store *s, uint32_t instance, struct err *err);
int mem_credential_put(struct store *s, const struct store_credential *c, struct err *err);
int mem_credential_delete(struct store *s, wf_str id, struct err *err);
int mem_credentials(struct store *s, store_on_credential *each, void *ctx, struct err *err);

int mem_executions(struct store *s, const struct store_filter *filter, store_on_execution *each,
                   void *ctx, struct err *err);
int mem_execution(struct store *s, struct exec_id id, store_on_execution *each, void *ctx,
                  struct err *err);
int mem_execution_retry(struct store *s, struct exec_id id, struct err *err);

/* mem_key.c; marks and housekeeping with the lock held. */
int mem_key_claim(struct store *s, const struct store_key *key, struct arena *a,
                  struct store_key_found *found, struct err *err);
int mem_key_release(struct store *s, const struct store_key *key, struct err *err);
void mem_key_mark(struct mem_store *m, const struct store_key_mark *mark);
/* Those that expired; INT64_MAX: all. */
void mem_key_drop(struct mem_store *m, int64_t now_us);

/* mem_tables.c: tables of plugins in a private SQLite. */
int mem_tables_open(struct mem_store *m, const struct store_config *config, bool migrate,
                    struct err *err);
void mem_tables_close(struct mem_store *m);
/* Whether a row goes to a table of a plugin's migration. ctx: the store; with the tables' lock. */
bool mem_tables_want(void *ctx, const struct store_row *row);
/* With the store's lock held: locks the tables, begins a transaction, inserts the job's rows. */
void mem_tables_begin(struct mem_store *m, struct job *job);
/* Ends it, as the turn ends. */
void mem_tables_end(struct mem_store *m, bool keep);
int mem_tables_missing(struct store *s, const struct store_config *tables, store_on_step *each,
                       void *ctx, struct err *err);
int mem_table_kind(struct store *s, const char *name, char kind[16], struct err *err);
/* Runs a job of statements, in a transaction of its own. */
void mem_tables_sql(struct mem_store *m, struct job *job);

/* mem_sql.c: the thread that runs them; started by the first. */
void mem_sql_queue(struct mem_store *m, struct job *job);
/* The session closes: those that wait are not run, one that runs is waited for. */
void mem_sql_drop(struct mem_store *m, struct store_session *ss);
void mem_sql_stop(struct mem_store *m);

/* The first value of a statement over them, "" when there is none. */
void mem_tables_text(struct mem_store *m, const char *sql, char *to, size_t size);

/* Rows of plugins that a table holds; for tests. */
uint32_t mem_count_rows(struct store *s, const char *table);
#endif
