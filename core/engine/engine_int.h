/* SPDX-License-Identifier: Apache-2.0
 * What the files of this folder share: the objects of a running engine.
 *
 *   engine --- plans --- insts (one per node: what stands ready there, counters, plugin state)
 *          --- lanes --- executions (unsaved | saved)
 *          --- turns[2]: one gathers, one may be in flight
 *          --- tickets: everything that waits for something, in one timer heap
 *
 * An execution stands at one node at a time; what it brings there is its segment. Its state names
 * the list that holds it, and exec_set_state alone moves it.
 */
#ifndef CATALYST_ENGINE_INT_H
#define CATALYST_ENGINE_INT_H
#include "engine/engine.h"
#include "base/list.h"
#include "plugin/cred.h"

/* --- items ------------------------------------------------------------------------------------ */

enum item_state {
    ITEM_OUTPUT = 1, /* made by a node, stands at none */
    ITEM_RUNNING,    /* in the frame its node was called with */
    ITEM_PARKED,     /* waits for an answer: has a ticket, or its answer is being handled */
    ITEM_AGAIN,      /* waits for another try: has a ticket, or stands in its node's lone list */
    ITEM_FINISHED,
    ITEM_FAILED,
};

struct item_vec {
    struct wf_item **items;
    uint32_t n;
};

/* Counted bytes (blob.c). */
struct wf_blob {
    struct engine *en;
    uint32_t refs;
    int fd;       /* of its file; -1: in memory */
    bool is_lost; /* too large for the saved state it comes from: only its length is known */
    uint64_t len;
    unsigned char *bytes; /* in memory; of a file: mapped, or NULL */
    size_t size;          /* of that memory */
};
/* All bytes. False: they are lost, or cannot be mapped. */
bool blob_whole(const struct wf_blob *blob, wf_str *bytes);
/* One more reference, which the execution gives back at its end. */
struct wf_blob *blob_keep(struct exec *e, struct wf_blob *blob);
struct wf_blob *blob_lost(struct exec *e, uint64_t len);
/* Binary data of an execution above it is not part of its saved state. */
enum { BLOB_SAVE_BYTES = 16 << 20 };

/* Binary parts of an item: meta is {name: {mimeType, fileName, fileExtension, fileSize}}. */
struct parts {
    struct json meta;
    struct wf_blob **blobs; /* one per member of meta */
};

struct item_error {
    const char *message; /* NUL-ended, in the arena */
    const char *code;    /* or NULL */
    wf_str detail;
    wf_fault fault;
    int64_t retry_after_ms;
};

struct wf_item {
    struct json json;
    struct exec *e;
    struct wf_item *self;   /* this item: a vector of one needs no array */
    struct wf_item *parent; /* the input item it came from; NULL for triggers and for many */
    const struct item_vec *parents; /* when it came from several */
    const struct parts *parts;      /* binary data, or NULL */
    struct wf_item *next;           /* next output of the same input; or next in a lone list */
    uint32_t node;                  /* that made it */
    uint16_t run;                   /* of that node */
    uint16_t port;                  /* it left by */
    /* while it stands at a node */
    struct wf_item *outs, *outs_last;
    const void *config;
    struct ticket *ticket;
    struct item_error *error;
    struct parts *attached; /* parts for the next output */
    uint32_t index;         /* in its input */
    uint16_t attempt;       /* 1 on the first try */
    uint8_t state;          /* enum item_state */
    uint8_t input;          /* which input of the node it stands at */
};

/* --- what waits ------------------------------------------------------------------------------- */

enum ticket_kind {
    TICKET_PARK = 1,
    TICKET_REQUEST,
    TICKET_OFFLOAD,
    TICKET_RETRY,
    TICKET_SCRIPT,
    TICKET_EXEC,  /* the execution's timeout */
    TICKET_SLEEP, /* a restored execution that waits for its next try */
    TICKET_ASK    /* a request of a trigger */
};

struct ticket {
    uint64_t gen; /* odd while in use */
    struct engine *en;
    struct wf_item
        *it; /* NULL with TICKET_EXEC and TICKET_SLEEP, and for an offload whose item is gone */
    struct exec *e;
    int64_t due_us;   /* monotonic; 0: no timer */
    uint32_t heap_at; /* place in the heap, from 1; 0: not there */
    uint8_t kind;
    bool times_out; /* of a script: the timer is the node's timeout, not the end of a sleep */
    union {
        wf_reply_fn *on_reply;
        wf_done_fn *on_done;
        wf_source_fn *on_asked; /* its argument is `job` */
        struct script_call *script;
    };
    void *job;
    struct ticket *next_free;
};

/* --- executions ------------------------------------------------------------------------------- */

/* The state names the list that holds the execution; 0 is no state. */
#define EXEC_STATES(X)                                                                             \
    X(READY)   /* its node's ready list */                                                         \
    X(RUNNING) /* the frame being called; no list */                                               \
    X(PARKED)  /* the engine's parked or drowsy list */                                            \
    X(HELD)    /* waits for a commit (each_step, full turn); the engine's or a turn's held list */ \
    X(DONE)    /* ended, but a row that it asked for may be refused; its turn's done list */       \
    X(ENDED)   /* gone in a moment; no list */
enum exec_state {
    EXEC_NONE,
#define X(name) EXEC_##name,
    EXEC_STATES(X)
#undef X
};
const char *exec_state_name(enum exec_state state);

/* All items of one execution at one node. */
struct wf_segment {
    struct wf_inst *inst;
    struct item_vec one, *inputs;     /* inputs points to `one` where there is one input */
    struct wf_item *first;            /* never NULL while it runs */
    struct wf_item *outs, *outs_last; /* of segment nodes, in order */
    struct item_error *error;         /* seg_fail */
    uint32_t pending;                 /* items (or 1 for a segment node) not finished yet */
    uint32_t n_outs;
    uint32_t failed; /* items that failed */
    uint16_t n_inputs;
    uint16_t run;     /* run index of the node */
    uint16_t attempt; /* of a segment node */
    bool done;
};

/* A node that will run: on the execution's stack. */
struct step {
    uint32_t node;
    uint16_t n_inputs;
    uint16_t attempt;
    struct item_vec one, *inputs;
};

/* A node with several inputs that is not complete yet. */
struct waiting {
    struct waiting *next; /* in the order they began to wait */
    uint32_t node;
    uint16_t n_inputs, n_filled;
    struct item_vec *inputs;
    bool *filled;
};

/* What a node gave in one run, kept for later look-ups. */
struct run {
    struct run *prev;  /* earlier run of the same node */
    struct run *older; /* run before it, of any node */
    uint32_t node;
    uint16_t index, n_outputs;
    struct item_vec *outputs;
    struct item_error *error;
    int64_t started_us, took_us;
};

/* Who asked for an output or a row: a try that fails takes back what it asked for. */
struct asked_by {
    const struct wf_item *it; /* compared, never read */
    uint32_t node; /* with its run: an item may stand at several nodes, one after the other */
    uint16_t run;
};

/* An output message that leaves when the execution ends. */
struct pending_output {
    struct pending_output *next;
    struct asked_by by;
    struct store_output out;
};
struct pending_row {
    struct pending_row *next;
    struct asked_by by;
    wf_str table, row, unique;
};

struct node_memory {
    struct node_memory *next;
    uint32_t node;
    size_t bytes;
    /* the memory follows, aligned to 16 */
};

/* What a node keeps by service "memory/1" (memory.c). */
struct kept_list {
    struct item_vec vec;
    uint32_t size;
};
struct kept_state {
    const struct json *value;
    struct kept_list lists[WF_MEMORY_LISTS];
};
struct kept {
    struct kept *next;
    uint32_t node;
    struct kept_state now, before;
};

/* Whether an earlier life of an execution may have run the nodes that it comes to. */
enum begun {
    BEGUN_NOT,
    BEGUN_MAYBE,
    BEGUN_ALL, /* it begins again with its trigger items, wherever it was */
};

#define exec_MAGIC 0x65786563u
struct exec {
    uint32_t magic;
    uint8_t state;       /* enum exec_state */
    bool journaled;      /* its lane has a journal */
    bool saved;          /* a row in the store holds it */
    bool dirty;          /* its saved row is older than its state */
    bool answered;       /* its webhook has its answer */
    bool key_marked;     /* the store knows that it was accepted */
    uint16_t key_status; /* of inbound */
    wf_str key;          /* idempotency key of its request; or empty */
    uint64_t key_token;
    bool failed;
    bool restored;
    bool begins_again;   /* its saved state is its trigger items: of a failed one nothing leaves */
    bool drowsy;         /* parked for so long that it leaves memory with the next turn */
    bool refused;        /* it failed because a row was: nothing of it left */
    uint8_t maybe_begun; /* enum begun */
    bool has_begun;      /* at the node where it stands: begin() said so */
    bool is_young;       /* no commit has seen it yet; counted in engine.n_young */
    bool stored_here;    /* each_step: the store knows that it stands where it stands */
    bool handed;         /* its row says that it was given away as it stands */
    bool returned;       /* it left memory at this node, which may have begun before */
    uint8_t answer_data; /* enum answer_data */
    struct link link;    /* of its state */
    struct link lane_link; /* lane->unsaved, lane->saved or lane->done */
    struct exec *next_free;
    struct engine *en;
    struct engine_plan *ep;
    struct lane *lane;
    struct exec_id id;
    int64_t started_wall_us, started_us;
    struct wf_segment seg;
    struct step *stack;
    uint32_t n_stack, stack_size;
    struct waiting *waiting, **waiting_last;
    struct run **runs; /* latest kept run by node; NULL until one is kept */
    struct run *newest_run;
    uint16_t *run_counts; /* by node; NULL until a node runs twice or asks */
    uint64_t node_runs;
    struct node_memory *memory;
    struct kept *kept;
    struct pending_output *outputs, **outputs_last;
    uint32_t n_outputs;
    struct pending_row *rows;
    wf_str raw; /* the trigger's bytes */
    void *event;
    void (*release)(void *event);
    void *reply;
    struct ticket *deadline, *sleep;
    struct item_error *error;
    uint32_t error_node, error_item;
    struct item_vec trigger; /* its trigger items */
    struct item_vec last;    /* output 0 of the latest node, for lastNode answers */
    struct arena arena;
    struct step first_steps[3];
};

/* How far ahead of what was taken the journal says "may have begun": what is taken while two
 * commits go on, so that nothing waits for the store. */
/* So long a lane that goes waits for what acts outside: the group has to wait, too. */
enum { BEGUN_WAIT_US = 2000000 };
enum { BEGUN_AHEAD_MIN = 64, BEGUN_AHEAD_MAX = 8192, BEGUN_AHEAD_TURNS = 4 };
enum { RELEASED_FLUSH_US = 200000 }; /* how long `released` may wait for a turn to ride in */
enum {
    EXEC_BYTES = 5184
}; /* with its first memory; no multiple of 4096, which would crowd cache sets */

/* --- plans, lanes, turns ---------------------------------------------------------------------- */

/* One node of a plan in this engine: what plugins know as wf_inst. */
struct wf_inst {
    struct engine_plan *ep;
    const struct plan_node *node;
    void *state;               /* what open() returned */
    bool whole;                /* works over segments */
    const struct json *pinned; /* items given instead of calling it (`catalyst run`); or NULL */
    const char *broken;        /* why it cannot work, or NULL */
    struct link link;          /* engine->ready, while something stands here */
    struct link ready;         /* executions */
    struct wf_item *lone, **lone_last; /* items that come back alone for another try */
    struct node_counters counters;
    struct metric_cell *metrics;
    struct wf_inst *counts_for; /* whose metrics it moves; NULL: its own */
    struct link sql;            /* its statements that are not answered yet */
    bool closing;
};

struct engine_plan {
    struct link link;
    struct engine *en;
    struct plan *plan;
    struct expr_loaded *loaded;
    struct wf_inst *insts;
    struct plan_counters counters;
    uint32_t live, lanes; /* executions and lanes on it */
    bool has_once;        /* one of its nodes must not be repeated blindly (WF_NODE_ONCE) */
    uint32_t pins;
    bool retired;
};

/* What it does must not happen twice. */
static inline bool plan_node_is_once(const struct plan_node *node)
{
    return node->type && (node->type->node.flags & WF_NODE_ONCE) && !node->disabled;
}

/* Columns of one turn in one lane. */
struct columns {
    uint64_t *positions, *versions;
    uint8_t *statuses;
    uint32_t *durations_us;
    int64_t *started_us;
    uint32_t n, size;
    struct strbuf inputs, outputs;
    uint32_t n_outputs;
    bool any_input;
    bool named; /* a row of the turn is of this lane: its block must fence it */
};

/* A block whose outputs are on their way out. */
struct pending_release {
    uint64_t seq, position;
    bool acknowledged; /* it has none, or all are */
};

struct lane {
    struct link link;
    struct engine *en;
    struct engine_plan *ep;
    uint32_t trigger;
    uint32_t source, partition;
    uint64_t epoch;
    uint64_t next;     /* position to take next */
    uint64_t taken;    /* positions below it may have been run by an earlier owner */
    uint64_t begun_at; /* the same, as the journal had it when the lane came */
    uint64_t begun; /* positions below it may be run by nodes with WF_NODE_ONCE: the store knows */
    uint64_t committed; /* position in the store */
    uint64_t seq;       /* last block given out */
    uint64_t released, released_committed;
    enum durability durability;
    bool dropping, in_flight; /* in_flight: part of the turn that is being committed */
    bool handing; /* dropping: rows of what waits are still to say that they are the last ones */
    void *user;
    struct link unsaved, saved, done; /* executions */
    uint32_t live, n_begun;           /* n_begun: those that has_begun says it of */
    int64_t begun_until_us;           /* dropping: so long what has begun may end here */
    uint64_t evicted;                 /* executions in the store alone */
    int64_t wake_us;                  /* wall clock: when to look for them */
    struct columns columns[2];        /* by turn */
    struct pending_release *pending;
    uint32_t n_pending, pending_size;
};
/* What may have begun at least: all that was taken, here or by an earlier owner. */
static inline uint64_t lane_begun_least(const struct lane *lane)
{
    return lane->taken > lane->next ? lane->taken : lane->next;
}

/* Its lane goes to another owner in good order, and nobody waits for its answer here: what must not
 * happen twice does not begin any more. With each_step the rows say where it stands. */
static inline bool exec_is_leaving(const struct exec *e)
{
    return e->lane->dropping && e->lane->durability == DURABILITY_EXACTLY_ONCE &&
           e->lane->ep->has_once && !(e->reply && !e->answered);
}

static inline void exec_set_begun(struct exec *e, bool has_begun)
{
    e->lane->n_begun += (uint32_t)has_begun - (uint32_t)e->has_begun;
    e->has_begun = has_begun;
}

/* An answer that leaves when the turn is durable. */
struct turn_reply {
    struct engine_reply_out out;
    struct exec_id exec;
    bool of_accept; /* says no more than that the event was taken */
};

/* An error workflow that starts then. */
struct turn_start {
    const char *workflow; /* id */
    wf_str item;          /* JSON */
    struct exec_id exec;  /* that failed */
};

struct turn {
    uint32_t index; /* 0 or 1 */
    bool in_flight;
    struct arena arena;
    struct store_turn record;
    struct store_block *blocks;
    struct lane **lanes; /* of blocks; the first record.n_blocks have a journal, the rest do not */
    uint32_t n_lanes, lanes_size;
    struct store_exec *execs;
    struct exec_id *ended;
    struct store_row *rows;
    struct turn_reply *replies;
    struct store_key_mark *keys;
    uint32_t n_keys, keys_size;
    struct turn_start *starts;
    uint32_t n_execs, execs_size, n_ended, ended_size, n_rows, rows_size, n_replies, replies_size,
        n_starts, starts_size;
    uint32_t n_done;  /* executions that ended in it */
    size_t bytes;     /* inputs and outputs */
    struct link held; /* executions that go on when it is durable */
    struct link done; /* executions that are gone when it is */
};

struct engine_host {
    wf_host h; /* first: plugins hold its address */
    struct engine *en;
};

struct engine {
    struct engine_config config;
    struct engine_io io;
    struct engine_limits limits;
    struct engine_host host;
    struct link plans, lanes;
    struct link ready;                /* insts with something to do */
    struct link parked, drowsy, held; /* executions */
    struct link sql_left;             /* statements of nodes that are closed */
    uint32_t n_sql;                   /* not answered yet */
    struct turn turns[2];
    struct turn *gather, *flight; /* flight: NULL when no commit is under way */
    struct exec *free_execs;
    void **slabs;
    uint32_t n_slabs, slabs_size;
    struct ticket *free_tickets;
    struct ticket **ticket_slabs;
    uint32_t n_ticket_slabs, ticket_slabs_size;
    struct ticket **heap;
    uint32_t n_heap, heap_size;
    struct wf_item **frame; /* scratch */
    struct exec **frame_execs;
    wf_segment **frame_segs;
    uint32_t frame_size, frame_execs_size;
    struct wf_inst *calling; /* the node being called */
    uint32_t n_young;        /* executions that no commit has seen yet */
    int64_t last_commit_us;
    int64_t now_us, now_wall_us; /* of the current entry */
    struct engine_counters counters;
};

/* --- functions of the folder ------------------------------------------------------------------ */

/* exec.c */
struct exec *exec_create(struct lane *lane, struct engine_plan *ep, uint64_t position);
/* It has a row now, or has ended. */
static inline void exec_grow_up(struct exec *e)
{
    e->en->n_young -= e->is_young;
    e->is_young = false;
}
void exec_set_state(struct exec *e, enum exec_state to);
bool exec_is_drowsy(const struct exec *e);
void exec_drop(struct exec *e); /* without an outcome: lane lost, engine destroyed, evicted */
void exec_end(struct exec *e, enum store_status status);
void exec_start_error_workflow(struct exec *e, struct turn *t);
void exec_fail(struct exec *e, uint32_t node, uint32_t item, const struct item_error *error);
void exec_fail_here(struct exec *e, const struct item_error *error); /* at the node it stands at */
/* Every field is written once, in order: this runs for each item at each node. */
static inline struct wf_item *item_create(struct exec *e, const struct json *json, uint32_t node,
                                          uint16_t run)
{
    struct wf_item *it = arena_alloc(&e->arena, sizeof *it);
    *it = (struct wf_item){
        .json = *json, .e = e, .self = it, .node = node, .run = run, .state = ITEM_OUTPUT
    };
    return it;
}
uint16_t exec_next_run(struct exec *e, uint32_t node);
void exec_free_slabs(struct engine *en);

/* step.c: from node to node */
void step_after_trigger(struct exec *e, struct wf_item **items, uint32_t n);
void step_pinned(struct exec *e); /* the node's pinned items are its output */
void step_finish(struct exec *e); /* the segment is complete: outputs to successors */
void step_next(struct exec *e);   /* pops the next node, or ends */
void step_push(struct exec *e, uint32_t node, struct item_vec *inputs, uint16_t n_inputs,
               uint16_t attempt);
void step_wait_input(struct exec *e, uint32_t node, uint16_t input, struct item_vec items);

/* legacy.c: what would fill the inputs that `w` misses is pushed. False: there is nothing. */
bool legacy_force(struct exec *e, const struct waiting *w);

/* frame.c */
void frame_run(struct wf_inst *inst);
void inst_ready(struct wf_inst *inst); /* something stands here */
void inst_add_lone(struct wf_inst *inst, struct wf_item *it);

/* outcome.c: how items finish */
void outcome_finish(struct wf_item *it); /* emitted all */
void outcome_fail(struct wf_item *it, const struct item_error *error);
struct wf_item *outcome_push(struct wf_item *it, unsigned port, const struct json *json);
void outcome_retry(struct wf_item *it, int64_t in_ms, const struct item_error *error);
void outcome_segment_done(struct wf_segment *seg);
void outcome_settle(struct exec *e); /* goes on when nothing is pending */
struct asked_by outcome_asked_by(const struct wf_item *it);
int outcome_output(wf_item *it, const wf_output *out); /* as wf_host.output, of today's layout */
void outcome_take_back(struct exec *e,
                       const struct wf_item *it); /* it NULL: of the whole run under way */
bool outcome_under_way(const struct exec *e,
                       const struct asked_by *by); /* by the run that is not complete */
struct item_error *error_create(struct exec *e, wf_fault fault, const char *format, ...)
    WF_PRINTF(3, 4);
const char *error_json(struct arena *a, const struct exec *e, wf_str *out);

/* ticket.c */
struct ticket *ticket_take(struct engine *en, enum ticket_kind kind, struct exec *e,
                           struct wf_item *it, int64_t timeout_us);
void ticket_free(struct ticket *t);
void ticket_cancel(struct ticket *t);  /* also tells io */
void ticket_give_up(struct ticket *t); /* its item goes on without it */
struct ticket *ticket_check(wf_ticket ticket);
wf_ticket ticket_name(const struct ticket *t);
void ticket_set_timer(struct ticket *t, int64_t due_us);
void ticket_free_slabs(struct engine *en);

/* turn.c */
#define TURN_FAILURE_BODY "{\"message\":\"Workflow execution failed\"}"
void turn_init(struct turn *t, uint32_t index);
void turn_fini(struct turn *t);
bool turn_add_ended(struct exec *e, enum store_status status); /* true: rows of it may be refused */
/* False, with status WAITING: it holds more than a row may. */
bool turn_add_exec_row(struct turn *t, struct exec *e, enum store_status status);
void turn_add_dead_letter(struct exec *e, struct columns *c, uint32_t exec);
void turn_fill_record(struct turn *t);
bool turn_record_empty(const struct turn *t);
void turn_done(struct engine *en, struct turn *t);
void turn_answer(struct exec *e, int status, wf_str headers, wf_str body);
void turn_answer_accept(struct exec *e, int status);
void turn_answer_failure(struct exec *e, const char *why);
void turn_start_workflow(struct turn *t, const struct exec *e, const char *workflow, wf_str item);
bool turn_full(const struct engine *en); /* nothing more may end before it is committed */
void columns_init(struct columns *c, size_t cap);
void columns_clear(struct columns *c);
void columns_fini(struct columns *c);
/* verdict.c */
bool turn_answers_lane(const struct turn *t, const struct lane *lane);
void turn_forget_lane(struct turn *t, struct lane *lane); /* its answers become 503 */

/* lane.c */
void lane_destroy(struct lane *lane);
void lane_lose(struct lane *lane);       /* drops it and its executions, tells io */
void lane_check_gone(struct lane *lane); /* a lane that drains may be done */
void lane_pass(struct lane *lane, uint64_t position);
void lane_add_release(struct lane *lane, uint64_t seq, uint64_t position, bool acknowledged);

/* memory.c: what nodes keep between runs, in the engine's hands */
extern const wf_memory memory_service;
struct kept *memory_of(struct exec *e, uint32_t node);
void memory_add(struct exec *e, struct kept_list *l, struct wf_item *const *items, uint32_t n);
void memory_run_ended(struct exec *e, uint32_t node);
void memory_take_back(struct exec *e, uint32_t node); /* the run is tried again */
const struct kept_state *memory_to_save(const struct exec *e, const struct kept *k);

/* function.c: calls of Lua steps to functions of plugins. A call is an item of no node. */
enum { CALL_NODE = INT32_MAX };
static inline bool item_is_call(const struct wf_item *it) { return it->node == CALL_NODE; }
struct function_call;
struct function_state;
typedef void function_over_fn(void *ctx);
/* Starts {name, args}. on_over(ctx) is called when it is over, unless it is so at once. */
struct function_call *function_start(struct wf_inst *inst, struct function_state **states,
                                     const struct wf_item *caller, const struct json *op,
                                     function_over_fn *on_over, void *ctx);
bool function_is_over(const struct function_call *f);
const struct json *function_answer(const struct function_call *f, const struct item_error **error);
void function_drop(struct function_call *f); /* nobody waits for it any more */
void function_close_all(struct engine *en, struct function_state *states);
struct wf_item *function_push(struct wf_item *it, const struct json *json);
void function_finish(struct wf_item *it, const struct item_error *error);

/* host.c, service.c, script.c, view.c, save.c */
/* What key() gives: of the node's idempotencyKey, or the engine's own. NULL with *err. */
const char *item_key(struct wf_item *it, struct err *err);
void host_init(struct engine_host *host, struct engine *en);
const void *service_find(const char *name);
/* sql.c */
extern const wf_sql sql_service;
void sql_node_closed(wf_inst *inst); /* behind close() */
void sql_forget_all(struct engine *en);
extern const wf_scripts script_service;
extern const wf_blobs blob_service;
void script_ticket_due(struct ticket *t);
void script_drop(struct ticket *t);
void script_reply(struct ticket *t, const wf_reply *reply);
extern const struct expr_view view_table;
void scope_fill(struct expr_scope *scope, struct wf_item *it);
int view_eval(void *ctx, const void *expr, struct json *out,
              struct err *err); /* ctx: struct expr_scope */
/* As exec_save; input_only: of its trigger items alone. True: it begins again with these. */
bool exec_save_state(struct strbuf *b, const struct exec *e, bool input_only);
/* Nothing outside has begun at the node where it stands. */
bool exec_stands_clean(const struct exec *e);
/* *wake_us: wall clock of its next try, or 0. */
int exec_load(struct exec *e, wf_str state, int64_t *wake_us, struct err *err);
/* When an execution that waits for nothing but other tries goes on; 0: it does not know. */
int64_t exec_wakes_us(const struct exec *e);
void engine_log(struct engine *en, int level, const char *event, const char *format, ...)
    WF_PRINTF(4, 5);

static inline const struct json *json_of_value(const wf_value *v) { return (const struct json *)v; }
static inline const wf_value *value_of_json(const struct json *v) { return (const wf_value *)v; }
static inline const struct plan_node *exec_node(const struct exec *e, uint32_t node)
{
    return &e->ep->plan->nodes[node];
}
static inline wf_str no_str(void) { return (wf_str){ NULL, 0 }; }
#endif
