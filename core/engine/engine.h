/* SPDX-License-Identifier: Apache-2.0
 * engine: the heart. Runs executions of compiled plans in frames, without a thread, clock, socket
 * or library of its own: all it needs comes through `struct engine_io`, filled by a worker in
 * production and by a simulator in tests. The same inputs in the same order give the same outcome.
 *
 * One engine belongs to one worker and shares nothing that changes. Its owner
 *   - adds plans and lanes,
 *   - hands in trigger events with engine_accept,
 *   - calls engine_run until it says that nothing is ready, then engine_commit,
 *   - answers what the engine asked through io: engine_committed, engine_reply, engine_offloaded
 * ... The engine calls io functions only from inside these calls. No io function may call back into
 * the engine before it returns, unless its comment says so.
 */
#ifndef CATALYST_ENGINE_H
#define CATALYST_ENGINE_H
#include "engine/metric.h"
#include "store/store.h"
#include "workflow/workflow.h"

struct engine;
struct exec;
struct lane; /* one ordered source as this engine owns it */

enum { FRAME_MAX = 1024 };

/* --- what the engine needs from outside ------------------------------------------------------- */

struct engine_reply_out {
    void *handle; /* inbound.reply */
    int status;
    wf_str headers; /* store_headers_* encoding; or empty */
    wf_str body;
    wf_str error; /* why the execution failed, in a sentence; or empty */
};

struct engine_io {
    void *ctx;
    int64_t (*mono_us)(void *ctx); /* monotonic */
    int64_t (*wall_us)(void *ctx); /* since 1970 UTC; may jump */
    uint64_t (*random)(void *ctx);
    /* Starts the commit of a turn; its memory stays until engine_committed, which comes later. */
    void (*commit)(void *ctx, const struct store_turn *turn);
    /* Sends outputs (store_output records) of a lane's block: now durable, or of a lane without
     * journal. The bytes are borrowed during the call only. engine_released(lane, seq) follows when
     * all are acknowledged. */
    void (*release)(void *ctx, struct lane *lane, uint64_t seq, const struct store_block *block);
    /* Everything of a lane up to `position` is done as its durability class asks; tell the source.
     */
    void (*acknowledge)(void *ctx, struct lane *lane, uint64_t position);
    /* Answers a webhook. Borrowed during the call. */
    void (*answer)(void *ctx, const struct engine_reply_out *reply);
    /* Starts an outside call for a ticket: engine_reply follows. Copies the request. NULL: not
     * offered. */
    void (*request)(void *ctx, wf_ticket ticket, const wf_request *request);
    /* Forgets a request whose item is gone. */
    void (*cancel)(void *ctx, wf_ticket ticket);
    /* Runs work(job) on a pool thread: engine_offloaded follows. -1: the pool is full. */
    int (*offload)(void *ctx, wf_ticket ticket, const char *plugin, void (*work)(void *job),
                   void *job);
    /* From any thread: has the worker call engine_woken(ticket, fn, data). Copies data. -1:
     * shutting down. */
    int (*wake)(void *ctx, wf_ticket ticket, wf_wake_fn *fn, wf_str data);
    /* A lane was taken over by another engine: its executions are gone, stop its source. */
    void (*lane_lost)(void *ctx, struct lane *lane);
    /* A channel and connection the outputs may use? NULL: everything. */
    bool (*knows_output)(void *ctx, const char *channel, const char *connection);
    /* An empty file of its own for binary data, gone when it is closed. -1 with *err. NULL: not
     * offered, all stays in memory. */
    int (*blob_file)(void *ctx, struct err *err);
    /* service "loop/1" for plugins; NULL: not offered. Its wf_watch and wf_timer begin with a
     * pointer to this very table; engine_inst_ctx gives io.ctx of an instance. */
    const wf_loop *loop;
    /* Runs statements of a plugin as one transaction: engine_sql_answer(handle, ..) follows, later,
     * once, unless the engine is destroyed before. Copies. -1: there is no store. NULL: not
     * offered. */
    int (*sql)(void *ctx, void *handle, const wf_statement *statements, size_t n);
    /* An execution ended; valid during the call. Told a second time, with ERROR, when the database
     * refuses a row that it asked for. NULL: nobody asks. */
    void (*ended)(void *ctx, struct exec *e, enum store_status status);
    /* Starts the error workflow of a failed execution, once its failure is durable; borrowed during
     * the call. An engine that dies in between does not start it. NULL: not offered. */
    void (*start)(void *ctx, const char *workflow, wf_str item_json);
};

struct engine_limits {
    uint32_t max_live;       /* executions in memory; 0: 65,536 */
    uint32_t max_turn;       /* executions ended in one turn; 0: 16,384 */
    uint64_t max_turn_bytes; /* inputs and outputs of one turn; 0: 64 MiB */
    uint64_t max_exec_bytes; /* memory of one execution; 0: 64 MiB */
    uint32_t max_items;      /* items one node may emit for one execution; 0: 1,000,000 */
    /* An execution whose next try is further away than that is written and leaves memory;
     * engine_lane_waking says when to look for it in the store. 0: all stay. */
    int64_t evict_after_ms;
    int64_t park_timeout_ms; /* park() without a timeout; 0: 300,000 */
    uint64_t blob_memory;    /* a blob larger than that lies in a file; 0: 1 MiB */
};

struct engine_config {
    struct engine_io io;
    struct engine_limits limits;
    struct expr_lua *lua; /* borrowed: the worker's state */
    uint32_t worker;      /* number, for metrics */
    bool save_inputs;     /* keep trigger items of ended executions, as settings.save says */
    void (*log)(void *ctx, int level, const char *event,
                const char *text); /* with io.ctx; or NULL */
};

struct engine *engine_create(const struct engine_config *config);
/* Drops all executions, unloads plans. Nothing is committed. */
void engine_destroy(struct engine *en);

/* --- plans and lanes -------------------------------------------------------------------------- */

struct engine_plan; /* a plan's run state in this engine */

/* Takes a reference on the plan, opens its nodes, loads its functions. NULL with *err. */
struct engine_plan *engine_plan_add(struct engine *en, struct plan *plan, struct err *err);
/* No new executions; it goes when its last execution ended. */
void engine_plan_retire(struct engine *en, struct engine_plan *ep);
struct engine_plan *engine_plan_of(struct engine *en, uint64_t version); /* NULL: not here */
const struct plan *engine_plan_get(const struct engine_plan *ep);
bool engine_plan_retired(const struct engine_plan *ep);
/* Its nodes stay open, also when it is retired and nothing runs on it, as long as it is pinned. */
void engine_plan_pin(struct engine_plan *ep);
void engine_plan_unpin(struct engine_plan *ep);
/* What open() of a node returned; *broken: why it cannot work, or NULL. */
void *engine_node_state(const struct engine_plan *ep, uint32_t node, const char **broken);
/* What a node counts is told with another one's numbers: that of a newer version, which lives at
 * least as long, has the same type and goes on with its state. `to` NULL: with its own again. */
void engine_node_counts_for(struct engine_plan *ep, uint32_t node, struct engine_plan *to,
                            uint32_t to_node);
/* The table that this engine's plugins get. */
const wf_host *engine_host_table(const struct engine *en);
/* Every wf_source begins with this: the functions of service "trigger/1" go there. */
struct source_head {
    size_t (*accept)(wf_source *source, const wf_inbound *events, size_t n);
    int (*request)(wf_source *source, const wf_request *request, wf_source_fn *fn, void *arg);
    uint64_t (*place)(wf_source *source);
};
/* A request that is no item's: fn(host table, arg, reply) is called with engine_reply, unless it is
 * canceled. {0, 0}: requests are not offered. */
wf_ticket engine_ask(struct engine *en, const wf_request *request, wf_source_fn *fn, void *arg);
void engine_ask_cancel(struct engine *en, wf_ticket ticket);

struct lane_config {
    struct store_lane at;     /* as assigned; for durability none and at_least_once only source,
                                 partition, position */
    struct engine_plan *plan; /* what its events start */
    uint32_t trigger;         /* node index */
    uint64_t start; /* first position to take, when it is beyond at.position (a new lane) */
    void *user;     /* the source's own */
};
struct lane *engine_lane_find(struct engine *en, uint32_t source,
                              uint32_t partition); /* NULL: not here */
/* The lane that follows (source, partition) in that order, the first one behind the last; NULL:
 * there is none. */
struct lane *engine_lane_after(struct engine *en, uint32_t source, uint32_t partition);
struct lane *engine_lane_add(struct engine *en, const struct lane_config *config);
/* Gives the lane up (rebalance): with `drain` no new events, and lane_lost comes when its last turn
 * is committed and released and what has begun outside has ended; without, its executions are
 * dropped now and lane_lost comes at once.
 */
void engine_lane_drop(struct engine *en, struct lane *lane, bool drain);
/* Recovery: a block whose outputs may not have left goes out again, oldest first, before new
 * events. */
void engine_lane_resend(struct engine *en, struct lane *lane, const struct store_block *block);
/* Events below `position` may have been run by an earlier owner of the lane, without a trace in the
 * store: plugins ask (maybe_begun). */
void engine_lane_taken(struct lane *lane, uint64_t position);
/* Whether the journal says how far an earlier owner may have run the lane: an upper bound for the
 * above is not needed then. */
bool engine_lane_keeps_begun(const struct lane *lane);
void *lane_user(const struct lane *lane);
struct exec_id lane_id(const struct lane *lane); /* source, partition; position: the next to take */
enum durability lane_durability(const struct lane *lane);
/* A newer version of its workflow: later events run on that. */
void lane_set_plan(struct lane *lane, struct engine_plan *plan, uint32_t trigger);

/* --- input ------------------------------------------------------------------------------------ */

enum answer_data {
    ANSWER_ALL_ENTRIES,
    ANSWER_FIRST_JSON,
    ANSWER_FIRST_BINARY,
    ANSWER_NO_DATA,
    ANSWER_ITEM /* the first item, nothing where there is none; not for respond nodes */
};

/* A trigger item: its JSON, an object, and files that came with it. */
struct inbound_file {
    const char *name;                   /* of the binary part */
    wf_str mime_type, file_name, bytes; /* copied */
};
struct inbound_item {
    struct json json;
    const struct inbound_file *files;
    uint32_t n_files;
};

/* A trigger event. */
struct inbound {
    struct lane *lane;
    uint64_t position;  /* ascending in its lane */
    void *event;        /* handed to build and release */
    wf_str raw;         /* bytes for the journal and the failure path; live until release */
    void *reply;        /* a webhook waiting for its answer; or NULL */
    bool answer_accept; /* answer `reply` with accept_status when the accepting turn is durable */
    uint16_t accept_status;
    uint8_t answer_data; /* enum answer_data: what the end of the execution answers */
    /* An idempotency key that was claimed (store_key_claim): its answer is kept. Copied. */
    wf_str key;
    uint64_t key_token;
    uint16_t key_status; /* what a good answer, 200, is kept as; 0: as it is */
    /* Makes the trigger item(s): fills items (of the arena) and n. -1 with *err: the message does
     * not parse; the execution fails with its raw bytes kept. */
    int (*build)(const struct lane *lane, void *event, struct arena *a, struct inbound_item **items,
                 size_t *n, struct err *err);
    void (*release)(void *event); /* the engine needs it no more; or NULL */
    void *keep; /* handed to release instead of event, when event lives only during the call; or
                   NULL */
};

/* How many events may come now: 0 is back-pressure. */
size_t engine_room(const struct engine *en);
/* How many to take from a source that can keep the rest: also no more than a commit can wait for
 * (engine_young). */
size_t engine_take_room(const struct engine *en);
/* Starts one execution per event. Positions a lane has seen already are dropped (and released). */
void engine_accept(struct engine *en, const struct inbound *in, size_t n);
/* Takes an execution back from the store that an earlier owner of the lane may have run further
 * than its row says. The plan of its version must have been added. 0, or -1 with *err: its state
 * cannot be read. */
int engine_restore(struct engine *en, struct lane *lane, const struct store_exec *saved,
                   struct err *err);
/* One that left memory, or was marked for retry, while this engine had the lane: its row says all.
 */
int engine_restore_own(struct engine *en, struct lane *lane, const struct store_exec *saved,
                       struct err *err);

/* A lane with executions that left memory and are due: its owner reads those of the store
 * (store_parked at the time of now) and gives them to engine_restore. NULL: none. Each lane is
 * named once a second. */
struct lane *engine_lane_waking(struct engine *en);

/* --- running ---------------------------------------------------------------------------------- */

/* Runs up to `frames` frames (0: until none is ready). True: more are ready. It stops, with false,
 * when the turn is full: commit it, and go on when that is done. */
bool engine_run(struct engine *en, unsigned frames);
/* Starts the commit of what was gathered, if there is something and none is in flight. True: one is
 * now in flight, or was. */
bool engine_commit(struct engine *en);
/* What a process that ends now leaves behind. */
struct engine_left {
    uint32_t durable; /* executions that the store holds, too: they go on at the next start */
    uint32_t others;  /* that it does not hold */
    uint32_t ended;   /* that have ended, in turns that are not durable */
};
struct engine_left engine_left(const struct engine *en);
/* Whether what was gathered may wait a few milliseconds for more: it is enough to be worth it, far
 * from full, and nobody waits for an answer. */
bool engine_can_wait(const struct engine *en);
/* Executions on their way that no commit has seen yet: each gets a row with the next one unless it
 * ends before. 0 while a commit is under way, or when something waits for the next. */
uint32_t engine_young(const struct engine *en);
bool engine_idle(
    const struct engine *en); /* no execution runs or is parked in memory, nothing to commit */
/* When engine_tick wants to be called next (monotonic us), or -1. */
int64_t engine_next_timer(const struct engine *en);
/* Fires timers that are due. */
void engine_tick(struct engine *en);

/* --- binary data ------------------------------------------------------------------------------ */

/* Bytes beside the JSON (plugin.h, "blob/1"), for who carries them in and out: HTTP bodies. Made
 * with one reference, its maker's; whoever needs it longer takes one more. */
wf_blob *engine_blob_create(struct engine *en);
wf_blob *engine_blob_ref(wf_blob *blob);
void engine_blob_unref(wf_blob *blob); /* may be NULL */
/* Appends; not once it was handed on. -1: no file for it, or no room in it. */
int engine_blob_write(wf_blob *blob, const void *ptr, size_t len, struct err *err);
uint64_t engine_blob_size(const wf_blob *blob);
/* Up to n bytes from `at`: how many, 0 at its end, -1 when they cannot be read. */
int64_t engine_blob_read(const wf_blob *blob, uint64_t at, void *to, size_t n);

/* --- answers to io ---------------------------------------------------------------------------- */

void engine_committed(struct engine *en, const struct store_commit_result *result);
/* All outputs of the lane's blocks up to seq are acknowledged. */
void engine_released(struct engine *en, struct lane *lane, uint64_t seq);
void engine_reply(struct engine *en, wf_ticket ticket, const wf_reply *reply);
void engine_offloaded(struct engine *en, wf_ticket ticket);
void engine_sql_answer(void *handle, const wf_rows *rows);
void engine_woken(struct engine *en, wf_ticket ticket, wf_wake_fn *fn, wf_str data);

/* The host for wf_node.check while a workflow is compiled: values and services, no items. */
const wf_host *engine_check_host(void);

/* io.ctx of the engine an instance belongs to. */
void *engine_inst_ctx(wf_inst *inst);

/* --- looking inside --------------------------------------------------------------------------- */

struct node_counters {
    uint64_t calls, items, failed, retried, parked, busy_ns;
};
struct plan_counters {
    uint64_t started, succeeded, failed, canceled;
    uint64_t latency_us_sum;
    uint64_t latency_le[20]; /* executions that took at most 2^i * 64 us; the last: all */
};
struct engine_counters {
    uint64_t turns, commits, commit_us_sum, frames, frame_items, fenced, bad_rows, restored,
        evicted;
    uint64_t frame_le[11]; /* frames of at most 2^i items */
    uint32_t live, parked, ready;
};
const struct engine_counters *engine_counters_get(const struct engine *en);
const struct plan_counters *engine_plan_counters(const struct engine_plan *ep);
const struct node_counters *engine_node_counters(const struct engine_plan *ep, uint32_t node);
/* A node's metric, by its place in its plugin's table. */
const struct metric_cell *engine_node_metric(const struct engine_plan *ep, uint32_t node,
                                             unsigned m);
struct engine_plan *engine_plan_next(const struct engine *en,
                                     const struct engine_plan *after); /* NULL: start, end */

/* An execution during io.ended, and by id. */
struct exec *engine_exec(struct engine *en, struct exec_id id); /* linear; for state views */
struct exec_id exec_id_of(const struct exec *e);
const struct plan *exec_plan(const struct exec *e);
void *exec_reply(const struct exec *e);
const char *exec_error(const struct exec *e);      /* message, or NULL */
const char *exec_error_node(const struct exec *e); /* name, or NULL */
/* Items of the last node that gave some, as JSON lines. */
void exec_dump_last(struct strbuf *b, const struct exec *e);
/* {"status":..,"error":..,"nodes":{"<name>":[{"outputs":[[item,..],..]},..]}}; needs plan.keep_all.
 */
void exec_dump(struct strbuf *b, const struct exec *e, enum store_status status);
/* Its state as saved in the store: JSON. */
void exec_save(struct strbuf *b, const struct exec *e);
/* State of all: executions by state, lanes, plans, as JSON. */
void engine_dump(struct strbuf *b, const struct engine *en);
/* Panics on a broken invariant; the simulator calls it between steps. */
void engine_check(const struct engine *en);

#endif
