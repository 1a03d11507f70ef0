/* SPDX-License-Identifier: Apache-2.0
 * expr: n8n's expression syntax and Lua steps.
 *
 * A parameter text that begins with "=" is compiled once, when its workflow is: a plain path or a
 * template of paths becomes a direct look-up that never enters Lua; the rest becomes a Lua 5.4
 * function with JavaScript's rules (truth, +, ==, undefined, 0-based arrays) kept by a small
 * runtime. What cannot be compiled is an error with an offset now, never at run time.
 *
 * A compiled `struct expr` is read-only and shared by workers; each worker has one `struct
 * expr_lua`, a sandboxed Lua state with step and memory limits, in which the functions of a plan
 * are loaded once.
 *
 * The engine stays outside: what an expression sees of an execution comes through `struct
 * expr_view`. Thread: expr_compile anywhere; expr_lua and evaluation on the worker that owns the
 * state.
 */
#ifndef CATALYST_EXPR_H
#define CATALYST_EXPR_H
#include "base/arena.h"
#include "base/err.h"
#include "json/json.h"

/* --- compiling -------------------------------------------------------------------------------- */

enum expr_kind {
    EXPR_CONST = 1, /* no variable in it: `value` */
    EXPR_PATH,      /* one look-up: keeps the type of what it finds */
    EXPR_TEMPLATE,  /* text and look-ups joined to a string */
    EXPR_LUA,       /* a Lua function; `lua` is its number among the functions of its plan */
};

/* Where a look-up starts. */
enum expr_root {
    EXPR_ROOT_JSON = 1, /* $json */
    EXPR_ROOT_BINARY,   /* $binary */
    EXPR_ROOT_ITEM_OF,  /* $('Node').item, $node["Node"]: then .json or .binary in the path */
    EXPR_ROOT_FIRST_OF, /* $('Node').first() */
    EXPR_ROOT_LAST_OF,  /* $('Node').last() */
    EXPR_ROOT_META,     /* $workflow, $execution, $vars, $env, $prevNode, $parameter ...: `meta` */
};

/* Objects of an execution that are built when asked for. */
#define EXPR_META_MAP(X)                                                                           \
    X(WORKFLOW, "$workflow")                                                                       \
    X(EXECUTION, "$execution")                                                                     \
    X(PREV_NODE, "$prevNode")                                                                      \
    X(VARS, "$vars")                                                                               \
    X(ENV, "$env")                                                                                 \
    X(PARAMETER, "$parameter")                                                                     \
    X(ITEM_INDEX, "$itemIndex")                                                                    \
    X(RUN_INDEX, "$runIndex")
enum expr_meta {
    EXPR_META_NONE,
#define X(name, text) EXPR_META_##name,
    EXPR_META_MAP(X)
#undef X
};

struct expr_lookup {
    enum expr_root root;
    enum expr_meta meta;   /* with EXPR_ROOT_META */
    uint32_t node;         /* with *_OF: the node's index in the plan */
    bool binary;           /* with *_OF: .binary instead of .json */
    struct json_path path; /* from there on */
    const char *text;      /* as written, for messages; NUL-ended */
};

struct expr_part {
    struct json text; /* a string, when lookup is NULL */
    struct expr_lookup *lookup;
};

struct expr {
    enum expr_kind kind;
    wf_str source;            /* as written, with the leading "=" */
    struct json value;        /* EXPR_CONST */
    struct expr_lookup *look; /* EXPR_PATH */
    struct expr_part *parts;  /* EXPR_TEMPLATE */
    uint32_t n_parts;
    uint32_t lua; /* EXPR_LUA */
};

/* The Lua functions of one plan, collected while it is compiled. */
struct expr_unit {
    struct arena *arena; /* the plan's */
    const char **chunks; /* Lua source of function i, NUL-ended; expr_load runs it */
    const char **names;  /* of function i for messages: "node 'Edit' parameter 'text'" */
    uint32_t n, size;
    /* Gives the index of a node name, or -1 when no node has it. `ctx` is the caller's. Every node
     * a look-up names is reported here, so the plan knows whose output must be kept. */
    int (*node_index)(void *ctx, wf_str name);
    void *ctx;
    bool reads_any_node; /* set when a function picks a node at run time: $(a computed name) */
};

struct expr_error {
    size_t offset;  /* byte in the source text, counted from its "=" */
    char text[240]; /* what and what to do */
};

/* Compiles a text that begins with "=" (a text without is the caller's). `where` names node and
 * parameter for messages. NULL with *error when it is wrong or uses what is not supported. */
const struct expr *expr_compile(struct expr_unit *unit, wf_str source, const char *where,
                                struct expr_error *error);

/* --- evaluating ------------------------------------------------------------------------------- */

/* An item somewhere in the execution. json is an object; binary is an object or NULL. */
struct expr_item {
    const struct json *json, *binary;
};

/* What an evaluation can ask about its execution. Functions answer from memory and never wait; one
 * that is NULL answers "not there". The context `of` is the item (or segment) that is evaluated.
 * node -1 is the input of the current node. */
struct expr_view {
    /* The item of `node` that the current one came from. 0, or -1 with a sentence in why. */
    int (*paired)(void *of, int node, struct expr_item *out, char *why, size_t why_size);
    /* The item of `node` that input item `index` came from. */
    int (*matching)(void *of, int node, int64_t index, struct expr_item *out, char *why,
                    size_t why_size);
    /* Items of an output of `node` in a run; run -1 is the latest. -1: the node has not run. */
    int64_t (*count)(void *of, int node, unsigned branch, int run);
    int (*at)(void *of, int node, unsigned branch, int run, int64_t index, struct expr_item *out);
    /* A node's index by name, for names that are known at run time only; -1: none. */
    int (*node_index)(void *of, wf_str name);
    /* $workflow and so on as a value in the evaluation's arena; NULL: not there. node -1: the
     * current. */
    const struct json *(*meta)(void *of, enum expr_meta meta, int node);
};

struct expr_scope {
    struct arena *arena; /* results live here */
    const struct json *json, *binary;
    const struct expr_view *view;
    void *of;
    int64_t now_us;       /* wall clock */
    const char *timezone; /* IANA name, or "UTC" */
};

struct expr_limits {
    /* Lua VM instructions of one evaluation, or of a script between two waits; a turn of a loop and
     * a call of a script count as two, work in C counts too. 0: 10,000,000 */
    uint64_t steps;
    size_t memory_bytes; /* of the whole state; 0: 64 MiB */
};

struct expr_lua;
struct expr_loaded; /* the functions of one plan in one state */

struct expr_lua *expr_lua_create(const struct expr_limits *limits, const char *require_dir,
                                 struct err *err);
void expr_lua_destroy(struct expr_lua *lua);
/* Loads the functions of a plan. NULL with *err when a chunk does not load (a bug of the compiler).
 */
struct expr_loaded *expr_load(struct expr_lua *lua, const struct expr_unit *unit, struct err *err);
void expr_unload(struct expr_lua *lua, struct expr_loaded *loaded);

/* Evaluates. `loaded` may be NULL for kinds other than EXPR_LUA. A path that finds nothing gives
 * JSON_MISSING. 0, or -1 with *err (what went wrong, where). */
int expr_eval(struct expr_lua *lua, struct expr_loaded *loaded, const struct expr *x,
              const struct expr_scope *scope, struct json *out, struct err *err);

/* --- Lua steps (catalyst.code) ---------------------------------------------------------------- */

/* What a script sees. Per item: `item` (json, binary, pairedItem), `json` for item.json, `index`
 * from 1. Over all items: `items`, a list from 1. Both: input.all/first/last(), node("Name") with
 * first(), last(), all(), item; workflow, execution, vars, env, prevNode, parameter, runIndex;
 * now() in milliseconds; null, array{}, json_encode, json_decode, log, print, require; string,
 * table, math, utf8; and what waits: http.request{url=...}, kafka.send{topic=...},
 * redis.call(command, ...), sleep(ms), and call("vendor.name", ...) for functions of plugins. JSON
 * is read where it lies and copied where it is written to; null is `null`, a missing field nil.
 *
 * What it returns. Per item: nil the item as edited; false nothing; a table with a json field that
 * item; any other table the json itself. Over all items: a list of these, one of them, or nil for
 * the items as edited; {} is
 * no item. `from` is known for items of the input and their json, and where pairedItem (from
 * 0) says so. Names of tables are written in alphabetical order. A script's globals last for its
 * run. */
struct expr_script;

/* Compiles a script; `name` is the chunk name in messages. NULL with "line N: reason" in *err. */
struct expr_script *script_compile(struct expr_lua *lua, wf_str source, const char *name,
                                   bool each_item, struct err *err);
void script_free(struct expr_lua *lua, struct expr_script *script);
/* Syntax only, without a worker's state. 0, or -1 with "line N: reason". */
int script_syntax(wf_str source, struct err *err);

enum script_status { SCRIPT_DONE = 1, SCRIPT_WAITS, SCRIPT_FAILED };

/* One run of a script: for one item, or for the items of one execution. The struct, its items and
 * arena stay where they are until the run is done, failed or cancelled. */
struct script_run {
    struct expr_scope scope;       /* of: the item or segment; json, binary: item 0 */
    const struct expr_item *items; /* the input items; one with each_item */
    size_t n_items;
    /* Takes each output item in order: json is an object in scope.arena, `from` the input item it
     * came from or -1; pass is true when it is that input item unchanged (json is then its json).
     */
    void (*emit)(void *ctx, const struct json *json, int64_t from, bool pass);
    /* Takes a line of log(...) and print(...); may be NULL. Must not wait. */
    void (*log)(void *ctx, wf_str text);
    void *ctx; /* of emit and log */
    /* Set with SCRIPT_WAITS: what the script asked for, {op:"sleep", ms}, {op:"http", ...},
     * {op:"kafka", ...}, {op:"call", name, args}: do it, then script_resume with the answer. */
    struct json wait;
    void *thread;   /* the script's own while it waits; NULL before and after */
    struct err err; /* set with SCRIPT_FAILED: "line N: reason" */
};

/* Runs until the end, a wait or an error. */
enum script_status script_start(struct expr_lua *lua, struct expr_script *script,
                                struct script_run *run);
/* The run was copied while it waits; the copy at `run` is the one that goes on. */
void script_moved(struct script_run *run);
/* Goes on with the answer of what it waited for; `error` not NULL raises it in the script instead.
 */
enum script_status script_resume(struct expr_lua *lua, struct script_run *run,
                                 const struct json *answer, const char *error);
/* Drops a waiting run. */
void script_cancel(struct expr_lua *lua, struct script_run *run);

/* Bytes the state holds now, for metrics. */
size_t expr_lua_bytes(const struct expr_lua *lua);

#endif
