/* SPDX-License-Identifier: Apache-2.0
 * pg_int: PostgreSQL, the parts of it.
 *
 *   pg.c          opening and closing
 *   pg_conn.c     where and how to connect; kinds of trouble
 *   pg_schema.c   migration, also of plugins' tables
 *   pg_query.c    the administration's connections: blocking, a lock each
 *   pg_admin.c    workflows, sources, instances, credentials
 *   pg_show.c     executions for people
 *   pg_house.c    partitions and retention
 *   pg_bin.c      parameters and results in binary
 *   pg_session.c  a worker's connection on its loop: connecting, requests one after the other,
 * weather pg_commit.c   turns pg_rows.c     rows of plugins in a turn pg_shape.c    the same as
 * arrays pg_sql.c, pg_sql_call.c statements of plugins pg_read.c     lanes, blocks,
 * parked executions
 */
#ifndef CATALYST_STORE_PG_INT_H
#define CATALYST_STORE_PG_INT_H
#include "base/map.h"
#include "json/json.h"
#include "store/columns_int.h"
#include "store/store_int.h"
#include <libpq-fe.h>
#include <pthread.h>

/* A place to connect to. */
struct pg_address {
    char host[256], address[64], port[8]; /* empty: libpq's default */
};
enum { PG_ADDRESSES_MAX = 16 };

/* Connections of the administration, so that what takes long does not hold up a heartbeat. */
enum pg_line_name { PG_LIVE, PG_ADMIN, PG_HOUSE, PG_KEYS, PG_LINES };
struct pg_line {
    pthread_mutex_t lock; /* held while a statement runs */
    PGconn *conn;         /* NULL: not connected */
};

struct pg_store {
    struct store base;
    struct pg_line lines[PG_LINES];
    pthread_mutex_t address_lock; /* guards the next; held for moments */
    struct pg_address addresses[PG_ADDRESSES_MAX];
    unsigned n_addresses; /* 0: connect as the URL says, no name is in it */
};

static inline struct pg_store *pg_of(struct store *s)
{
    return CONTAINER_OF(s, struct pg_store, base);
}

/* --- pg_conn.c -------------------------------------------------------------------------------- */

/* Keywords and values for PQconnectStartParams. */
struct pg_target {
    struct arena arena;
    const char *keywords[64], *values[64];
    unsigned n;
};
/* The URL with our defaults. `rotation` not NULL: with addresses instead of names, so that
 * connecting never waits for a name server, beginning with that one of them. */
int pg_target_init(struct pg_target *t, struct pg_store *ps, const unsigned *rotation,
                   struct err *err);
void pg_target_fini(struct pg_target *t);
/* Looks the names up anew; blocks. */
void pg_resolve(struct pg_store *ps);

enum pg_trouble {
    PG_TROUBLE_DATA = 1, /* what was given is wrong: it will fail again */
    PG_TROUBLE_AGAIN,    /* a neighbour was quicker: try at once */
    PG_TROUBLE_RECONNECT,
    PG_TROUBLE_WEATHER, /* wait and try again */
};
enum pg_trouble pg_trouble(const char *sqlstate);
/* A server's words without its line feeds, "" when there are none. */
void pg_words(char *to, size_t bytes, const char *message);
/* Fills *err from a failed result or, when r is NULL, from the connection. */
int pg_err(struct err *err, const PGconn *conn, const PGresult *r, const char *what);

/* --- pg_schema.c: on a locked line ------------------------------------------------------------ */

int pg_migrate(PGconn *conn, bool run, store_on_migrate *report, void *ctx, int *applied,
               struct err *err);
/* After that: the tables of plugins. */
int pg_migrate_tables(PGconn *conn, bool run, const struct store_config *config, struct err *err);
int pg_tables_missing(struct store *s, const struct store_config *tables, store_on_step *each,
                      void *ctx, struct err *err);
int pg_table_kind(struct store *s, const char *name, char kind[16], struct err *err);

/* --- pg_query.c ------------------------------------------------------------------------------- */

enum { PG_ARGS_MAX = 12 };
struct pg_args {
    int n;
    const char *values[PG_ARGS_MAX];
    int lengths[PG_ARGS_MAX], formats[PG_ARGS_MAX];
    char numbers[PG_ARGS_MAX][24];
};
void pg_arg_str(struct pg_args *args, wf_str s); /* text or bytea */
void pg_arg_int(struct pg_args *args, int64_t i);
void pg_arg_null(struct pg_args *args);

/* The line's connection, made when there is none; it is locked until pg_unlock. NULL: not locked.
 */
PGconn *pg_lock(struct pg_store *ps, enum pg_line_name name, struct err *err);
void pg_unlock(struct pg_store *ps, enum pg_line_name name);
/* Closes a line that is locked. */
void pg_hang_up(struct pg_store *ps, enum pg_line_name name);
/* One statement in its own transaction, `binary` results; NULL with *err. It is sent a second time
 * when the connection turns out to be gone, so it must be repeatable. Locks the line itself. */
PGresult *pg_query(struct pg_store *ps, enum pg_line_name name, const char *what, const char *sql,
                   const struct pg_args *args, bool binary, struct err *err);
/* Fields of results in text. */
wf_str pg_text(const PGresult *r, int row, int column);
int64_t pg_int(const PGresult *r, int row, int column);

/* --- pg_bin.c --------------------------------------------------------------------------------- */

enum { PG_INT2 = 21, PG_INT4 = 23, PG_INT8 = 20, PG_TEXT = 25, PG_TIMESTAMPTZ = 1184, PG_TID = 27 };
enum { PG_PARAMS_MAX = 64 };

/* Binary parameters of a prepared statement. */
struct pg_params {
    int n;
    const char *values[PG_PARAMS_MAX];
    int lengths[PG_PARAMS_MAX], formats[PG_PARAMS_MAX];
    uint64_t numbers[PG_PARAMS_MAX];
};
void pg_put_i32(struct pg_params *p, uint32_t n);
void pg_put_i64(struct pg_params *p, uint64_t n);
void pg_put_time(struct pg_params *p, int64_t us);
void pg_put_bytes(struct pg_params *p, wf_str s); /* ptr NULL: NULL */

/* An array under construction; entries are added in order, each of the width of the type. */
struct pg_array {
    char *at, *begin;
};
struct pg_array pg_array(struct arena *a, uint32_t type, uint32_t n, size_t content_bytes);
/* Arrays of n entries each, one per type of fixed width; they are parameters in that order. */
void pg_arrays(struct arena *a, const uint32_t *types, unsigned n_types, uint32_t n,
               struct pg_array *to);
void pg_put_arrays(struct pg_params *p, const struct pg_array *arrays, unsigned n);
void pg_add_i16(struct pg_array *to, uint16_t n);
void pg_add_i32(struct pg_array *to, uint32_t n);
void pg_add_i64(struct pg_array *to, uint64_t n);
void pg_add_time(struct pg_array *to, int64_t us); /* 0: NULL */
void pg_add_text(struct pg_array *to, wf_str s);
void pg_add_null(struct pg_array *to);
void pg_add_tid(struct pg_array *to, const char tid[6]);
void pg_put_array(struct pg_params *p, const struct pg_array *array);

/* Fields of binary results. */
uint16_t pg_get_i16(const PGresult *r, int row, int column);
uint32_t pg_get_i32(const PGresult *r, int row, int column);
uint64_t pg_get_i64(const PGresult *r, int row, int column);
bool pg_get_bool(const PGresult *r, int row, int column);
int64_t pg_get_time(const PGresult *r, int row, int column); /* NULL: 0; infinity: INT64_MAX */
int64_t pg_get_wake(const PGresult *r, int row, int column); /* infinity: 0 */
wf_str pg_get_bytes(const PGresult *r, int row, int column); /* NULL: ptr NULL */

/* A block from the columns PG_BLOCK_COLUMNS. */
#define PG_BLOCK_COLUMNS                                                                           \
    "source, partition, seq, n, position_min, position_max, version, started_us, n_outputs, "      \
    "inputs_bytes, outputs_bytes, checksum, positions, versions, statuses, durations, started, "   \
    "payload"
void pg_get_block(const PGresult *r, int row, struct kept_block *out);

/* --- pg_session.c ----------------------------------------------------------------------------- */

struct pg_session;

/* What a session is asked. Requests run one after the other; each is one pipelined round trip, sent
 * again from its beginning when the connection breaks. */
struct pg_request {
    struct link link;
    /* Sends its statements. -1: the connection is broken. */
    int (*send)(struct pg_session *ps, struct pg_request *rq);
    /* A statement was answered; takes the result when it keeps it (and then returns true). */
    bool (*on_result)(struct pg_session *ps, struct pg_request *rq, unsigned tag, PGresult *r);
    /* All were answered. True: finished; `tell` comes next. False: it asks to be sent again. */
    bool (*on_end)(struct pg_session *ps, struct pg_request *rq);
    /* The connection broke while it was under way: forget what was answered. */
    void (*on_lost)(struct pg_session *ps, struct pg_request *rq);
    /* Tells the caller; the session may be closed in there, and the request is its own from here
     * on. */
    void (*tell)(struct pg_session *ps, struct pg_request *rq);
    /* Frees it untold. */
    void (*drop)(struct pg_request *rq);
};

enum pg_state {
    PG_DOWN = 1,   /* waits for its timer to connect */
    PG_CONNECTING, /* libpq shakes hands */
    PG_READY,      /* connected: a request is under way or the queue is empty */
    PG_PAUSED,     /* connected: waits for its timer to send the request again */
};

struct pg_commit;
struct pg_sql;

struct pg_session {
    struct store_session base;
    enum pg_state state;
    bool up, told; /* weather as told by on_state */
    char reason[400];
    bool is_closed; /* by a callback: freed when the outermost event is over */
    unsigned depth; /* of events */
    PGconn *conn;
    struct watch *watch;
    struct timer timer; /* of the state: back-off, connecting, silence */
    int64_t backoff_us;
    unsigned rotation; /* the address to begin with */
    uint64_t random;   /* state of the jitter and of tokens */
    struct link queue;
    struct pg_request *current;
    struct pg_request *setup; /* first on each connection */
    /* Tags of the statements under way, in order. */
    uint16_t *tags;
    unsigned n_tags, next_tag, tags_size;
    struct map prepared; /* SQL for plugins' rows -> its name on this connection */
    struct map shapes;   /* group of plugins' rows -> struct pg_shape */
    struct map places;   /* struct job_lane -> struct pg_place: where lanes were left */
    struct map pages;    /* struct job_lane -> struct pg_page, of parked executions */
    struct pg_commit *commit;
    struct pg_sql *sql; /* NULL: no plugin has asked yet */
};
#define PG_SESSION(ss) CONTAINER_OF((ss), struct pg_session, base)

struct store_session *pg_session_open(struct store *s, const struct store_session_config *config);
void pg_session_close(struct store_session *ss);
/* Queues a request and sends it when nothing is under way. Commits go first. */
void pg_enqueue(struct pg_session *ps, struct pg_request *rq, bool first);
/* Within send: one statement. -1: the connection is broken. */
int pg_send(struct pg_session *ps, unsigned tag, const char *prepared, const struct pg_params *p);
/* Remembers that a statement with this tag was sent by other means. */
void pg_expect(struct pg_session *ps, unsigned tag);
/* Within on_end: the request cannot succeed now; it is sent again after the back-off. */
void pg_pause(struct pg_session *ps, const char *reason);
/* Within on_end: as if the connection had broken. */
void pg_break(struct pg_session *ps, const char *reason);
/* Within on_end of a request that is to be sent again at once: a little later, n times a little. */
void pg_again(struct pg_session *ps, unsigned n);
/* Tells a request that was never queued, on its own event. */
void pg_tell(struct pg_session *ps, struct pg_request *rq);
/* Not for secrets. */
uint64_t pg_random(struct pg_session *ps);

/* --- pg_commit.c, pg_rows.c, pg_read.c -------------------------------------------------------- */

/* Statements prepared on each connection. */
struct pg_statement {
    const char *name, *sql;
};
extern const struct pg_statement pg_fence_statements[], pg_commit_statements[],
    pg_read_statements[];

/* Moves all lanes of the turn or raises CT001. */
int pg_fence_send(struct pg_session *ps, struct arena *a, const struct store_turn *turn,
                  uint64_t token, unsigned tag);
/* Takes the lanes' new places out of the answer; they count when the transaction is in. */
void pg_fence_moved(struct arena *a, const PGresult *r, wf_str *places);
void pg_fence_remember(struct pg_session *ps, const struct store_turn *turn, wf_str places);
void pg_fence_forget(struct pg_session *ps, const struct store_turn *turn);
void pg_places_fini(struct pg_session *ps);
/* Reads the lanes of the turn under their locks: index + 1, epoch, position, block_seq, token. */
int pg_read_back_send(struct pg_session *ps, struct arena *a, const struct store_turn *turn,
                      unsigned tag);

struct pg_commit *pg_commit_create(struct pg_session *ps);
void pg_commit_destroy(struct pg_commit *c);
void pg_commit(struct store_session *ss, const struct store_turn *turn, store_on_commit *done,
               void *ctx);
void pg_assign(struct store_session *ss, uint32_t source, uint32_t partition,
               uint64_t start_position, store_on_lane *done, void *ctx);
void pg_blocks(struct store_session *ss, uint32_t source, uint32_t partition, uint64_t after,
               uint32_t limit, store_on_block *each, void *ctx);
void pg_parked(struct store_session *ss, uint32_t source, uint32_t partition, int64_t wake_us,
               uint32_t limit, store_on_exec *each, void *ctx);
void pg_pages_fini(struct pg_session *ps);
void pg_lanes_of(struct store_session *ss, uint32_t instance, store_on_lane_of *each, void *ctx);
void pg_peek(struct store_session *ss, uint32_t source, uint32_t partition, int64_t silent_ms,
             store_on_peek *done, void *ctx);

/* Rows of plugins that go to one table with the same columns: one statement. */
struct pg_group {
    wf_str key;           /* "table|unique|columns" */
    const char *sql;      /* INSERT over the JSON array $1 */
    const uint32_t *rows; /* indices into the turn's rows */
    uint32_t n;
    size_t bytes;              /* of these rows */
    const struct json *sample; /* the first of them */
    const char *by_columns;    /* how it was sent this time: over arrays, or NULL: `sql` */
};
struct pg_rows {
    struct pg_group *groups;
    uint32_t n_groups;
    const struct json *values; /* of the turn's rows */
    struct store_bad_row *bad; /* refused here, ascending by row after pg_rows_sort */
    uint32_t n_bad;
    bool as_json; /* what is known of the columns helped not: it may be of another day */
};
/* What the answers of a group's statements are told by, from a group's first tag on. */
enum pg_rows_tag { PG_ROWS_PREPARED, PG_ROWS_WRITTEN, PG_ROWS_SHAPE, PG_ROWS_TAGS };

/* Groups the turn's rows and finds those that no statement could take. */
void pg_rows_group(struct arena *a, const struct store_turn *turn, struct pg_rows *out);
void pg_rows_bad(struct pg_rows *rows, uint32_t row, const char *reason);
void pg_rows_sort(struct pg_rows *rows);
/* Sends the statement of a group, prepared once per connection. The first time the table's columns
 * are asked for, too: from then on values travel in their arrays. */
int pg_rows_send(struct pg_session *ps, struct arena *a, const struct store_turn *turn,
                 const struct pg_rows *rows, struct pg_group *group, unsigned first_tag);
/* The preparing went well. */
void pg_rows_prepared(struct pg_session *ps, const struct pg_group *group);
/* Asks the database which rows of the group it refuses. */
int pg_rows_diagnose(struct pg_session *ps, struct arena *a, const struct store_turn *turn,
                     const struct pg_group *group, unsigned tag);
/* Parts of a statement: the names of a list with commas, each with `before`; SELECT, and what rows
 * must not come twice by; what a row does that meets one with its key. Where pg_rows_numbered says
 * so, the source has a column PG_ROWS_NUMBER with the order of the rows. */
#define PG_ROWS_NUMBER "@"
void pg_rows_names(struct strbuf *sql, wf_str names, const char *before);
void pg_rows_select(struct strbuf *sql, wf_str unique);
void pg_rows_conflict(struct strbuf *sql, wf_str unique);
bool pg_rows_numbered(wf_str unique);
/* "table" or "schema"."table", as in the group's key. */
void pg_rows_quote_table(struct strbuf *to, wf_str key);
/* The parts of a group's key. */
void pg_rows_split(wf_str key, wf_str *table, wf_str *unique, wf_str *columns);

/* --- pg_shape.c: rows as arrays, one for each column ------------------------------------------ */

struct pg_shape;
/* NULL: nothing is known of this group's table yet. */
struct pg_shape *pg_shape_find(const struct pg_session *ps, const struct pg_group *group);
/* Asks for the columns' types. */
int pg_shape_ask(struct pg_session *ps, const struct pg_group *group, unsigned tag);
void pg_shape_take(struct pg_session *ps, const struct pg_group *group, const PGresult *r);
void pg_shapes_fini(struct pg_session *ps);
void pg_shapes_forget(struct pg_session *ps);
/* The statement over arrays, and its parameters. NULL: these rows must go as JSON. */
const char *pg_shape_params(struct pg_shape *shape, struct arena *a, const struct pg_rows *rows,
                            const struct pg_group *group, struct pg_params *p);
/* A statement of this group met a key that is taken. True: it was the one that does not look; from
 * here on, for some turns, the one that does is sent. */
bool pg_shape_doubt(struct pg_session *ps, const struct pg_group *group);

/* --- pg_sql.c: statements of plugins on a connection of their own ----------------------------- */

void pg_sql(struct store_session *ss, struct sql_call *call);
/* The session closes; tells nobody. NULL: nothing. */
void pg_sql_close(struct pg_sql *q);

/* --- the table of functions ------------------------------------------------------------------- */

int pg_deploy(struct store *s, wf_str id, wf_str name, wf_str definition, bool active,
              struct store_workflow *out, struct err *err);
int pg_set_active(struct store *s, wf_str id, bool active, struct err *err);
int pg_workflows(struct store *s, store_on_workflow *each, void *ctx, struct err *err);
int pg_workflow_version(struct store *s, uint64_t version, store_on_workflow *each, void *ctx,
                        struct err *err);
int pg_revision(struct store *s, uint64_t *revision, struct err *err);
int pg_source(struct store *s, wf_str workflow, wf_str node, wf_str kind, wf_str name, uint32_t *id,
              struct err *err);
int pg_instance(struct store *s, wf_str name, uint32_t *instance, struct err *err);
int pg_heartbeat(struct store *s, uint32_t instance, struct err *err);
int pg_dead_instances(struct store *s, uint32_t me, int64_t silent_ms, store_on_instance *each,
                      void *ctx, struct err *err);
int pg_instance_leave(struct store *s, uint32_t instance, struct err *err);
int pg_executions(struct store *s, const struct store_filter *filter, store_on_execution *each,
                  void *ctx, struct err *err);
int pg_execution(struct store *s, struct exec_id id, store_on_execution *each, void *ctx,
                 struct err *err);
int pg_execution_retry(struct store *s, struct exec_id id, struct err *err);
int pg_credential_put(struct store *s, const struct store_credential *c, struct err *err);
int pg_credential_delete(struct store *s, wf_str id, struct err *err);
int pg_credentials(struct store *s, store_on_credential *each, void *ctx, struct err *err);
int pg_housekeep(struct store *s, int64_t now_us, struct err *err);
int pg_key_claim(struct store *s, const struct store_key *key, struct arena *a,
                 struct store_key_found *found, struct err *err);
int pg_key_release(struct store *s, const struct store_key *key, struct err *err);
#endif
