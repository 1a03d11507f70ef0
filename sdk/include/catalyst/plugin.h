/* SPDX-License-Identifier: Apache-2.0
 * catalyst/plugin.h - all that a plugin may see. Needs libc only and links against nothing.
 * SDK 1.1: since 1.0 it is append-only.
 *
 * A plugin is a shared object with one exported symbol, `wf_plugin_entry` (WF_PLUGIN makes it). It
 * offers nodes. A node is called with a frame: up to 1,024 items of many executions that stand at
 * that node. It finishes every item exactly once: emit, pass, done, retry or fail. Items may be
 * parked (request, offload, park) and finished later. A forgotten item fails with "node did not
 * finish item".
 *
 * Memory: what an item gives you lives in its execution's arena: never free it, never keep it past
 * the item's end. Text and values you hand over are copied unless a line says "borrowed".
 * Threads: [w] only on the item's worker thread; [any] every thread.
 * Growth: structs made by the plugin carry their sizes in wf_plugin, structs made by the engine
 * grow at their end and start with `size`. wf_str, wf_pair and wf_ticket never change.
 */
#ifndef WF_PLUGIN_H
#define WF_PLUGIN_H
/* Declarations and their comments stand in columns here. */
/* clang-format off */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#define WF_ABI          1u /* grows only when old plugins cannot work any more */
#define WF_SDK_VERSION  0x010100u /* 1.1.0: for reading, never for checks */
#define WF_PRINTF(f, a) __attribute__((format(printf, f, a)))

typedef struct wf_host wf_host;       /* the engine, as a table of functions                */
typedef struct wf_item wf_item;       /* one message of one execution                       */
typedef struct wf_segment wf_segment; /* all items of one execution that stand at this node */
typedef struct wf_inst wf_inst;       /* one node of one workflow on one worker             */
typedef struct wf_value wf_value;     /* an immutable JSON value; read with wf_host.v       */
typedef struct wf_cred wf_cred;       /* a credential; its secrets are read with secret()   */
typedef struct wf_blob wf_blob;       /* bytes kept beside the JSON                         */

/* Text. From config, text(), fmt(), build(): ptr[len] is 0. Frozen. */
typedef struct { const char *ptr; size_t len; } wf_str;
/* Name and text; lists of pairs end with name NULL. Frozen. */
typedef struct { const char *name, *text; } wf_pair;
/* Names a parked item. A number, not a pointer: the item may time out first. Frozen. */
typedef struct { uint64_t id, gen; } wf_ticket;
/* A list parameter: n rows of the struct that `rows` describes. Frozen. */
typedef struct { const void *rows; size_t n; } wf_list;

/* --- values ----------------------------------------------------------------------------------- */

typedef enum {
    WF_JSON_MISSING = 0, /* no such path, undefined */
    WF_JSON_NULL, WF_JSON_BOOL, WF_JSON_NUMBER, WF_JSON_STRING, WF_JSON_ARRAY, WF_JSON_OBJECT
} wf_json_type;

/* Reading and making values. [w] Every function takes NULL for "missing" and answers MISSING/NULL/0. */
typedef struct wf_values {
    uint32_t size;
    wf_json_type (*type)(const wf_value *);
    int (*boolean)(const wf_value *);                  /* JavaScript's truth of any value              */
    int (*int64)(const wf_value *, int64_t *out);      /* 0, or -1 when it is no integer in range      */
    int (*number)(const wf_value *, double *out);      /* 0, or -1 when it is no number                */
    int (*bytes)(const wf_value *, const char **ptr, size_t *len); /* a string's bytes, NOT NUL-ended; 0 or -1 */
    size_t (*count)(const wf_value *);                 /* elements of an array, members of an object   */
    const wf_value *(*at)(const wf_value *, size_t i); /* element or member value; NULL past the end   */
    wf_str (*key)(const wf_value *, size_t i);         /* member name, NOT NUL-ended                   */
    const wf_value *(*get)(const wf_value *, const char *key, size_t len);  /* member, or NULL         */
    const wf_value *(*path)(const wf_value *, const char *path);            /* "a.b[0].c", or NULL     */
    int (*equal)(const wf_value *, const wf_value *);  /* deep; numbers by value                       */
    wf_str (*text)(wf_item *, const wf_value *);       /* as a string: strings as they are, others as JSON */
    wf_str (*json)(wf_item *, const wf_value *);       /* as JSON text                                 */
    /* Making: values live in the item's arena. Strings are copied. */
    const wf_value *(*parse)(wf_item *, wf_str json, const char **why); /* NULL: *why says where and what */
    const wf_value *(*of_bool)(wf_item *, int);
    const wf_value *(*of_int)(wf_item *, int64_t);
    const wf_value *(*of_number)(wf_item *, double);   /* NaN and infinities become null               */
    const wf_value *(*of_str)(wf_item *, const char *ptr, size_t len); /* invalid UTF-8 becomes U+FFFD */
    const wf_value *(*array)(wf_item *, const wf_value *const *elements, size_t n);
    const wf_value *(*object)(wf_item *, const wf_str *keys, const wf_value *const *values, size_t n);
    /* A copy with one path set or removed; everything else is shared. `base` NULL starts an object. */
    const wf_value *(*set)(wf_item *, const wf_value *base, const char *path, const wf_value *value);
    const wf_value *(*unset)(wf_item *, const wf_value *base, const char *path);
    /* As set, but `key` is one member name, dots and all. */
    const wf_value *(*set_key)(wf_item *, const wf_value *base, wf_str key, const wf_value *value);
} wf_values;

/* --- outcomes, requests ----------------------------------------------------------------------- */

typedef enum {
    WF_TRANSIENT = 1, /* try again with back-off                                            */
    WF_THROTTLE,      /* try again later; retry_after_ms of the service wins                */
    WF_REJECTED,      /* final for this item: bad recipient, bad content                    */
    WF_ACCOUNT,       /* auth, funds, policy: final for this item, and a person must look   */
    WF_UNKNOWN        /* sent, answer lost: retried only where key() is honoured outside    */
} wf_fault;

typedef struct {
    uint32_t size;          /* sizeof(wf_error) */
    wf_fault fault;
    const char *code;       /* one of the node's codes, or NULL */
    const char *scope;      /* what a THROTTLE slows: "chat:4711"; or NULL */
    int64_t retry_after_ms; /* 0: the engine decides */
    wf_str detail;          /* more for a person: a response body; or empty */
} wf_error;

typedef struct {
    const char *method, *url;   /* NULL method: GET */
    wf_str body;
    int64_t timeout_ms;         /* 0: 30,000 */
    const wf_pair *headers;     /* ends with name NULL; or NULL */
    const wf_cred *cred;        /* its authentication is added by the engine; or NULL */
    wf_blob *upload;            /* the body, instead of `body`; or NULL */
    const char *proxy;          /* URL; or NULL */
    uint32_t max_redirects;     /* 0: none are followed */
    uint32_t flags;             /* WF_REQ_* */
    uint64_t max_bytes;         /* larger replies fail; 0: 16 MiB */
} wf_request;
enum {
    WF_REQ_INSECURE = 1, /* do not verify the TLS certificate */
    WF_REQ_DOWNLOAD = 2  /* the body becomes reply.download instead of reply.body */
};

typedef struct {
    uint32_t size;
    int status;              /* HTTP status; 0: no answer, see flags and error */
    int64_t retry_after_ms;  /* of the Retry-After header, else 0 */
    wf_str body;
    const wf_pair *headers;  /* names in lower case; ends with name NULL */
    wf_blob *download;
    uint32_t flags;          /* WF_REPLY_* */
    const char *error;       /* with status 0: what happened; else NULL */
    const char *url;         /* after redirects */
} wf_reply;
enum {
    WF_REPLY_MAYBE_SENT = 1, /* with status 0: the other side may have acted on it */
    WF_REPLY_TOO_LARGE = 2   /* with status 0: it answered, with more than max_bytes */
};

typedef void wf_reply_fn(const wf_host *h, wf_item *it, const wf_reply *r);
/* `it` is NULL when the item is gone (timed out, cancelled): free the job, do no more. */
typedef void wf_done_fn(const wf_host *h, wf_item *it, void *job);
typedef void wf_wake_fn(const wf_host *h, wf_item *it, wf_str data);

/* A message for the outside that leaves after its turn is committed, and again after a crash, with
 * the same body and id, until the other side has acknowledged it. */
typedef struct {
    const char *channel;     /* "kafka" */
    const char *connection;  /* name of a connection of the settings; NULL: the default */
    const char *topic;
    const wf_pair *headers;  /* ends with name NULL; or NULL */
    wf_str key;              /* ptr NULL: no key */
    wf_str body;             /* ptr NULL: a tombstone */
    int32_t partition;       /* -1: by key */
    uint32_t reserved;       /* 0; keeps the struct without padding at its end */
} wf_output;

/* --- declarations: parameters, metrics, credentials, nodes ------------------------------------ */

typedef enum {
    WF_STRING = 1, /* wf_str           */
    WF_INT,        /* int64_t          */
    WF_BOOL,       /* int              */
    WF_MS,         /* int64_t, in JSON a number of milliseconds or "2s", "5m", "1h", "3d" */
    WF_DOUBLE,     /* double           */
    WF_CHOICE,     /* int: the index in `choices` */
    WF_LIST,       /* wf_list of the struct `rows` describes; a lone object is a list of one */
    WF_VALUE,      /* const wf_value *: any JSON, with expressions inside it solved; NULL when absent */
    WF_CREDENTIAL, /* const wf_cred *; `cred` names the types allowed, with commas; NULL when absent */
    WF_BYTES       /* int64_t, in JSON a number or "64k", "2M" */
} wf_type;

enum {
    WF_REQUIRED = 1, /* must be given; not while show_if hides it */
    WF_SECRET = 2,   /* never in logs, dumps or answers */
    WF_EXPR = 4,     /* may be an expression; then it has its value in process, not in open */
    WF_RAW = 8,      /* a leading "=" means nothing: the text of scripts */
    WF_MULTILINE = 16 /* the editor shows a text area */
};

typedef struct wf_param wf_param;
struct wf_param {
    const char *name;        /* in JSON; dots go into objects: "options.caseSensitive", "rules.values" */
    wf_type type;
    size_t offset;           /* of the field in the config struct */
    unsigned flags;
    const char *def;         /* as it would stand in JSON, without quotes for text; NULL: zero */
    const char *help;        /* one sentence */
    int64_t min, max;        /* min == max: no range */
    const wf_pair *choices;  /* WF_CHOICE: name and help of each; ends with name NULL */
    const char *show_if;     /* "mode=a|b" or "mode=a,kind=b": hidden, and not required, otherwise */
    const char *cred;        /* WF_CREDENTIAL: "httpBasicAuth,httpHeaderAuth" */
    const wf_param *rows;    /* WF_LIST: parameters of one row; ends with name NULL */
    size_t row_size;         /* WF_LIST: size of one row */
};

/* Binds a row to a field; a field of another type does not compile. */
#define WF_AT(S, f, T) (offsetof(S, f) + 0 * sizeof(_Generic(((S *)0)->f, T: 0)))
#define WF_P_STR(S, f)    .name = #f, .type = WF_STRING, .offset = WF_AT(S, f, wf_str)
#define WF_P_INT(S, f)    .name = #f, .type = WF_INT, .offset = WF_AT(S, f, int64_t)
#define WF_P_BOOL(S, f)   .name = #f, .type = WF_BOOL, .offset = WF_AT(S, f, int)
#define WF_P_MS(S, f)     .name = #f, .type = WF_MS, .offset = WF_AT(S, f, int64_t)
#define WF_P_DOUBLE(S, f) .name = #f, .type = WF_DOUBLE, .offset = WF_AT(S, f, double)
#define WF_P_CHOICE(S, f, c) .name = #f, .type = WF_CHOICE, .offset = WF_AT(S, f, int), .choices = (c)
#define WF_P_LIST(S, f, r, R) .name = #f, .type = WF_LIST, .offset = WF_AT(S, f, wf_list), \
                              .rows = (r), .row_size = sizeof(R)
#define WF_P_VALUE(S, f)  .name = #f, .type = WF_VALUE, .offset = WF_AT(S, f, const wf_value *)
#define WF_P_CRED(S, f, c) .name = #f, .type = WF_CREDENTIAL, .offset = WF_AT(S, f, const wf_cred *), .cred = (c)
#define WF_P_BYTES(S, f)  .name = #f, .type = WF_BYTES, .offset = WF_AT(S, f, int64_t)
/* As the above with another name in JSON: { WF_NAMED("options.maxItems"), WF_F_INT(struct config, max) } */
#define WF_NAMED(n)       .name = (n)
#define WF_F_STR(S, f)    .type = WF_STRING, .offset = WF_AT(S, f, wf_str)
#define WF_F_INT(S, f)    .type = WF_INT, .offset = WF_AT(S, f, int64_t)
#define WF_F_BOOL(S, f)   .type = WF_BOOL, .offset = WF_AT(S, f, int)
#define WF_F_MS(S, f)     .type = WF_MS, .offset = WF_AT(S, f, int64_t)
#define WF_F_DOUBLE(S, f) .type = WF_DOUBLE, .offset = WF_AT(S, f, double)
#define WF_F_CHOICE(S, f, c) .type = WF_CHOICE, .offset = WF_AT(S, f, int), .choices = (c)
#define WF_F_LIST(S, f, r, R) .type = WF_LIST, .offset = WF_AT(S, f, wf_list), .rows = (r), .row_size = sizeof(R)
#define WF_F_VALUE(S, f)  .type = WF_VALUE, .offset = WF_AT(S, f, const wf_value *)
#define WF_F_CRED(S, f, c) .type = WF_CREDENTIAL, .offset = WF_AT(S, f, const wf_cred *), .cred = (c)
#define WF_F_BYTES(S, f)  .type = WF_BYTES, .offset = WF_AT(S, f, int64_t)
#define WF_END            { .name = NULL }

/* Counted per worker without locks: catalyst_<name>{worker,workflow,node}. A name may end in {label="constant",..}.
 * Left out until they are counted: gauges, histograms with labels, counters with three labels or more. */
typedef enum { WF_COUNTER = 1, WF_GAUGE, WF_HISTOGRAM } wf_metric_kind;
typedef struct { wf_metric_kind kind; const char *name, *unit, *help; } wf_metric;

/* A kind of credential: its fields are read by name with secret(). */
typedef struct {
    const char *type, *help;  /* "redis" */
    const wf_param *fields;   /* names, help, defaults, WF_SECRET; offsets are not used */
} wf_cred_type;

enum {
    WF_NODE_TRIGGER = 1, /* starts executions; process() only hands its items on                */
    WF_NODE_EFFECT = 2,  /* acts on the outside: each_step stores its results before going on   */
    WF_NODE_SEGMENT = 4, /* works over an execution's items: process_segments instead of process */
    WF_NODE_ANY_INPUT = 8, /* several inputs: runs when one is there and no more can come (merge) */
    /* Since 1.1, with WF_NODE_EFFECT: what it does outside must not be done twice, and the other side does not
     * honour key(). exactly_once and each_step journal that it may begin before it is called: see maybe_begun(). */
    WF_NODE_ONCE = 16,
    /* Since 1.1, with WF_NODE_ONCE: process() only parks items, and begin() is asked before anything happens
     * outside; request() and offload() ask it themselves. With exactly_once, of what waits in such a node when another engine takes over in good order, only
     * what has begun is maybe_begun() there. */
    WF_NODE_BEGINS = 32
};

/* --- triggers of plugins (since 1.1) ---------------------------------------------------------- */

typedef struct wf_source wf_source;   /* one trigger node of one workflow on one worker, while it takes events */

/* An event: it becomes one execution with one item. Frozen. */
typedef struct {
    wf_str json;       /* an object: the item; copied */
    uint64_t tag;      /* names it in stored() and ended(); 0: neither is called for it */
    uint32_t flags;    /* WF_INBOUND_* */
    uint32_t reserved; /* 0 */
} wf_inbound;
enum {
    WF_INBOUND_ENDED = 1, /* ended() is wanted for this event */
    /* With WF_TRIGGER_SINGLE, for all events of a source: `tag` is the event's place there, and places ascend. One
     * that is below place() has run or runs already: it is not run again, and stored() comes for it as for others.
     * So what the source gives again after a crash is run once, with the same key() where it is repeated. */
    WF_INBOUND_PLACED = 2
};

/* What a trigger node does beside process(), which only hands the items on. open() makes its state, as for
 * every node, and close() frees it; in between it is started and stopped, perhaps more than once. All [w]. */
typedef struct {
    uint32_t size;     /* sizeof(wf_trigger) */
    uint32_t flags;    /* WF_TRIGGER_* */
    /* From now on accept() may be called (service "trigger/1"). 0, or -1 with *why: the engine tells it and
     * tries again with back-off where why->fault is WF_TRANSIENT. */
    int (*start)(const wf_host *h, void *state, wf_source *source, wf_error *why);
    /* No accept() any more: let sources outside know. stored() and ended() still come for what was taken. */
    void (*stop)(const wf_host *h, void *state);
    /* The events of these tags are in the journal: the time to acknowledge outside. (With at_least_once: they
     * have run, or wait in the store, and what they sent is acknowledged. With none: they were taken over.)
     * `ok` 0: they were not taken after all, and will not run. Never from within a call of the plugin. May be NULL. */
    void (*stored)(const wf_host *h, void *state, const uint64_t *tags, size_t n, int ok);
    /* The execution of an event that asked for it has ended and is durable: `json` is the first item that its
     * last node gave, "" when there is none; `error` NULL, or why it failed. It is not called for executions that
     * an engine which died took, and goes on for elsewhere. May be NULL. */
    void (*ended)(const wf_host *h, void *state, uint64_t tag, wf_str json, const char *error);
    /* After an accept() that did not take all: there is room again. May be NULL. */
    void (*room)(const wf_host *h, void *state);
    /* A sentence while it cannot take events, for the ready check; NULL: all is well. May be NULL. */
    const char *(*trouble)(const wf_host *h, void *state);
} wf_trigger;
enum { WF_TRIGGER_SINGLE = 1 /* runs on one worker of all engines at a time: for sources that are polled */ };

typedef struct {
    const char *type;                /* in full, "vendor.name": "acme.telegram"; ours begin with "catalyst." */
    const char *help;                /* one sentence */
    const char *const *ports;        /* names of the outputs; ends with NULL; emit() takes the index */
    const wf_param *params;          /* ends with name NULL; or NULL */
    size_t config_size;
    void (*process)(const wf_host *h, wf_item *const *items, size_t n);            /* [w] never blocks */
    void (*process_segments)(const wf_host *h, wf_segment *const *segs, size_t n); /* [w] never blocks */
    /* Once per node, workflow version and worker, on that worker. Must not block. NULL with why->fault
     * set: the node cannot work, its items fail with why->detail. Expressions have no value yet. */
    void *(*open)(const wf_host *h, wf_inst *, wf_error *why);
    void (*close)(const wf_host *h, void *state);
    const char *const *inputs;       /* names of the inputs; ends with NULL; NULL: one, "main" */
    /* Where the number of inputs or outputs hangs on parameters; both come in as declared. */
    void (*shape)(const void *config, unsigned *inputs, unsigned *outputs);
    const wf_metric *metrics;        /* ends with name NULL; or NULL */
    const wf_pair *codes;            /* error codes and their meaning; ends with name NULL; or NULL */
    uint32_t flags;                  /* WF_NODE_* */
    /* Checks the bound config when a workflow is checked; expressions have no value yet.
     * Writes a sentence to why and returns -1 when the node cannot work with it. */
    int (*check)(const wf_host *h, const void *config, char *why, size_t why_size);
    const char *group;               /* where the editor lists it: "flow", "data", "channel", ... */
    const char *docs;                /* Markdown for its page, after the generated part; or NULL */
    const char *const *aliases;      /* other type names with the same parameters; ends with NULL; or NULL */
    /* For a node that works either way: given, both process functions must be there and this says, once per
     * node of a workflow, which one is called: 1 process_segments, 0 process. */
    int (*segments)(const void *config);
    const wf_trigger *trigger;       /* since 1.1, with WF_NODE_TRIGGER: where its events come from; or NULL */
} wf_node;

/* --- what the engine gives -------------------------------------------------------------------- */

enum { WF_DEBUG = 1, WF_INFO, WF_WARN, WF_ERROR };

struct wf_host {
    uint32_t size;          /* what this engine provides; test it before a function added after 1.0 */
    uint32_t reply_size;    /* how much of wf_reply is filled */
    const wf_values *v;     /* values: h->v->get(...) */

    /* the item */
    const void *(*config)(wf_item *);                          /* [w] your struct, expressions solved */
    void *(*state)(wf_item *);                                 /* [w] what open() returned */
    const wf_value *(*value)(wf_item *);                       /* [w] its JSON, an object; never NULL */
    const char *(*key)(wf_item *);                             /* [w] the same on every retry and replay */
    int64_t (*now_ms)(wf_item *);                              /* [w] wall clock, since 1970 UTC */
    uint32_t (*attempt)(wf_item *);                            /* [w] 1 on the first try */
    void *(*alloc)(wf_item *, size_t bytes);                   /* [w] in the arena, cleared */
    wf_str (*fmt)(wf_item *, const char *f, ...) WF_PRINTF(2, 3);       /* [w] text in the arena */
    /* [w] A value from a shape: "{s:s,s:[i,f,b,n,v,S]}". Keys are s (const char *); values: s const
     * char *, S wf_str, i int64_t, f double, b int, n null, v const wf_value *. NULL: shape is wrong. */
    const wf_value *(*build)(wf_item *, const char *shape, ...);

    /* finish it: exactly one of these per item */
    void (*emit)(wf_item *, unsigned port, const wf_value *);  /* [w] one output */
    void (*pass)(wf_item *, unsigned port);                    /* [w] the item itself, unchanged, binaries too */
    void (*done)(wf_item *);                                   /* [w] the end after push(); no push: no output */
    void (*retry)(wf_item *, int64_t in_ms, const char *why, ...) WF_PRINTF(3, 4);          /* [w] */
    void (*fail)(wf_item *, const char *why, ...) WF_PRINTF(2, 3);                          /* [w] */
    void (*fail_with)(wf_item *, const wf_error *, const char *why, ...) WF_PRINTF(3, 4);   /* [w] */
    void (*push)(wf_item *, unsigned port, const wf_value *);  /* [w] one of several outputs; then done() */

    /* wait for something: parks the item */
    void (*request)(wf_item *, const wf_request *, wf_reply_fn *);                      /* [w] copies */
    void (*offload)(wf_item *, void (*work)(void *job), wf_done_fn *, void *job);       /* [w] work() runs on a pool thread */
    wf_ticket (*park)(wf_item *, int64_t timeout_ms);          /* [w] 0: the node's timeout */
    wf_item *(*resume)(const wf_host *, wf_ticket);            /* [w] NULL: too late, drop it */
    int (*wake)(wf_ticket, wf_wake_fn *, wf_str data);         /* [any] copies; fn runs on the worker; -1: shutting down */

    /* leave with the turn's commit */
    int (*output)(wf_item *, const wf_output *);               /* [w] copies; -1: unknown channel or connection */

    /* segments */
    unsigned (*inputs)(wf_segment *);                                            /* [w] number of inputs */
    wf_item *const *(*items)(wf_segment *, unsigned input, size_t *n);           /* [w] that input's items */
    wf_item *(*first)(wf_segment *);     /* [w] an item to take config, alloc, build of; never NULL */
    /* [w] One output that came from `n` items (lineage); a copy of the first's binaries goes along. */
    void (*seg_push)(wf_segment *, unsigned port, const wf_value *, wf_item *const *from, size_t n);
    void (*seg_pass)(wf_segment *, unsigned port, wf_item *);  /* [w] an input item, unchanged */
    void (*seg_done)(wf_segment *);                            /* [w] finishes the segment and its items */
    void (*seg_fail)(wf_segment *, const char *why, ...) WF_PRINTF(2, 3);               /* [w] same */

    /* the node */
    const void *(*inst_config)(wf_inst *);                     /* [w] for open() */
    wf_inst *(*inst)(wf_item *);                               /* [w] */
    const char *(*inst_name)(wf_inst *);                       /* [w] the node's name in its workflow */
    wf_str (*secret)(const wf_cred *, const char *field);      /* [w] empty when it has none; do not keep */
    const char *(*cred_type)(const wf_cred *);                 /* [w] which of the allowed types it is */
    void (*count)(wf_inst *, unsigned metric, int64_t by);     /* [w] counter += by, gauge = by, histogram sees by */
    void (*log)(wf_inst *, int level, const char *event, const char *f, ...) WF_PRINTF(4, 5);   /* [w] */

    /* a larger group of functions by name and major version ("loop/1"), or NULL */
    const void *(*service)(const char *name);                  /* [any] */

    /* [w] What a WF_NODE_SEGMENT node keeps from one run to the next: one piece of memory for each node and
     * execution, cleared when it is first asked for and there until the execution ends; `bytes` is the same
     * on every call. It may hold plain data, wf_items that this node got in the same execution (to be given
     * to seg_pass() or as lineage in a later run), and values and alloc() memory of that execution. */
    void *(*memory)(wf_segment *, size_t bytes);

    /* [w] Since 1.1: 1 when an earlier life of this execution may have begun what this node does outside for this
     * item: in a process that died, or an engine that lost the lane. A node whose other side does not honour key()
     * must not repeat it then, but say that the outcome is not known. It never is 1 for a first run, and retries
     * in the same life do not make it 1 (attempt() tells of them). What is known depends on the durability:
     *   each_step, WF_NODE_ONCE   exact: the store holds this node's input, and no result of it
     *   each_step, other nodes    also 1 from an execution's restart, or the repetition of its event, to its first
     *                             node with WF_NODE_EFFECT
     *   exactly_once, with a WF_NODE_ONCE in the workflow, at such nodes
     *                             1 where an earlier owner had taken the event, or was about to: the journal keeps how
     *                             far it may have run, a few turns ahead under load and exactly when it rests
     *   the others                1 from there to its end
     * It is 1 to the end, too, where an execution begins again with its trigger's items (see memory()).
     * With none and at_least_once, and without such nodes, an event is taken for a repetition when the source had it
     * before this engine took the lane, and another had the lane before; so all that waited outside is. */
    int (*maybe_begun)(wf_item *);

    /* [w] Since 1.1: asked by a WF_NODE_BEGINS node for a parked item, right before what it does outside (each
     * time: before a repetition as well). 1: it may, and has begun from now on. 0: the item is this engine's no
     * more, or is about to leave it (a rebalance, a stop): nothing may happen; what the node keeps for it goes. */
    int (*begin)(const wf_host *, wf_ticket);
};
/* What memory() holds is not saved: an execution that waits or failed begins again with its trigger's items
 * then. What it sent or wrote until it failed is dropped for that, and leaves with the repetition. Nodes that
 * may wait, or have others wait behind them, use "memory/1". */

/* service "memory/1": what a WF_NODE_SEGMENT node keeps from one run to the next in one execution: a value
 * and lists of items that it got. It is saved with the execution and there again after a restart. A run that
 * fails, or is tried again, leaves no change. */
enum { WF_MEMORY_LISTS = 4 };
typedef struct {
    uint32_t size;
    const wf_value *(*get)(wf_segment *);                      /* [w] what set() was given last; NULL at first */
    void (*set)(wf_segment *, const wf_value *);               /* [w] any value of this execution */
    wf_item *const *(*items)(wf_segment *, unsigned list, size_t *n);           /* [w] oldest first */
    void (*add)(wf_segment *, unsigned list, wf_item *const *items, size_t n);  /* [w] at the end */
    void (*clear)(wf_segment *, unsigned list);                /* [w] */
} wf_memory;

/* service "loop/1": sockets and timers on the worker's loop, for client libraries with a file descriptor. */
typedef struct wf_watch wf_watch;
typedef struct wf_timer wf_timer;
enum { WF_READABLE = 1, WF_WRITABLE = 2 };
typedef struct {
    uint32_t size;
    wf_watch *(*watch)(wf_inst *, int fd, void (*fn)(void *arg, int events), void *arg);  /* [w] */
    void (*watch_set)(wf_watch *, int events);                                           /* [w] */
    void (*watch_stop)(wf_watch *);                            /* [w] before the fd is closed */
    wf_timer *(*timer)(wf_inst *, int64_t in_ms, void (*fn)(void *arg), void *arg);       /* [w] one shot */
    void (*timer_stop)(wf_timer *);                            /* [w] not after it fired */
} wf_loop;

/* service "ledger/1": rows that commit in the turn's transaction with the item's outcome, or not at all. */
typedef struct {
    uint32_t size;
    /* [w] One row for `table` (schema-qualified or not, an identifier, declared by a migration of the
     * plugin or of the operator). `row` is an object of column -> value. With `unique` (column names
     * with commas) a row that is there already is left as it is: "id". With more columns behind a
     * semicolon that is so only when the rows are the same there, else the new one is refused:
     * "id;amount". -1: no such table in this store. */
    int (*commit_row)(wf_item *, const char *table, const wf_value *row, const char *unique);
} wf_ledger;

/* service "blob/1": binary data of items. A part is {mimeType, fileName, fileExtension, fileSize} with
 * its bytes in a counted blob. Parts of the input go along with emit() of one item when it is asked for. */
typedef struct {
    uint32_t size;
    wf_blob *(*of_bytes)(wf_item *, const void *ptr, size_t len);                        /* [w] copies */
    int (*bytes)(const wf_blob *, const void **ptr, size_t *len);                        /* [w] borrowed */
    wf_blob *(*part)(wf_item *, const char *name, wf_str *mime_type, wf_str *file_name); /* [w] or NULL */
    /* [w] Adds a part to what the next emit/push of this item gives; NULL blob removes it there. */
    void (*attach)(wf_item *, const char *name, wf_blob *, wf_str mime_type, wf_str file_name);
    /* Since 1.1, where `size` says so: in pieces. Large blobs lie in files, and bytes() maps the whole. */
    wf_blob *(*create)(wf_item *);                             /* [w] an empty one, to be written */
    int (*write)(wf_blob *, const void *ptr, size_t len);      /* [w] appends, before it is attached or sent; -1: no room */
    uint64_t (*length)(const wf_blob *);                       /* [w] */
    int64_t (*read)(const wf_blob *, uint64_t at, void *to, size_t n); /* [w] how many; 0: the end; -1: not readable */
} wf_blobs;

/* service "script/1": Lua under the engine's limits. Compile in open(); run in process. */
typedef struct wf_script wf_script;
typedef struct {
    uint32_t size;
    /* [w] `each`: once per item (item), else once per execution (items). NULL: *why has line and reason. */
    wf_script *(*compile)(wf_inst *, wf_str source, int each, char *why, size_t why_size);
    void (*run_items)(wf_script *, wf_item *const *items, size_t n);         /* [w] finishes them */
    void (*run_segments)(wf_script *, wf_segment *const *segs, size_t n);    /* [w] finishes them */
    void (*free)(wf_script *);                                               /* [w] */
    /* [any] Syntax only, for wf_node.check: 0, or -1 with line and reason in why. */
    int (*syntax)(wf_str source, char *why, size_t why_size);
} wf_scripts;

/* service "webhook/1": the answer of a webhook execution, for respond nodes. */
typedef struct {
    uint32_t size;
    /* [w] Sets the answer; it leaves when the turn is committed. -1: this execution has nobody waiting
     * for one, or it was answered already. */
    int (*respond)(wf_item *, int status, const wf_pair *headers, wf_str body);
} wf_webhook;

/* service "trigger/1", since 1.1: events of triggers into the engine. */
typedef void wf_source_fn(const wf_host *h, void *arg, const wf_reply *r);
typedef struct {
    uint32_t size;
    /* [w] For each event an execution, in this order. Returns how many were taken, from the first on; fewer
     * than n when the engine is full or its store is down: keep the rest, room() says when to come again. */
    size_t (*accept)(wf_source *, const wf_inbound *events, size_t n);
    /* [w] An HTTP request, for sources that are polled: fn is called later, once; not any more after stop(). Copies
     * the request; `upload` and WF_REQ_DOWNLOAD are for items only. -1: it cannot be made. */
    int (*request)(wf_source *, const wf_request *, wf_source_fn *fn, void *arg);
    /* [w] The first place (WF_INBOUND_PLACED) that was not taken yet; with durability none and at_least_once, which
     * keep none, 0 at first. */
    uint64_t (*place)(wf_source *);
} wf_triggers;

/* service "sql/1", since 1.1: statements in the engine's own store, apart from any turn: what they do is
 * durable when fn is called, and not undone when an item fails. Rows that belong to an item's outcome go to
 * the ledger. The SQL is what PostgreSQL and SQLite have in common ($1, ON CONFLICT, RETURNING), or one text
 * for each. */
typedef struct {
    const char *pg, *sqlite;   /* sqlite NULL: the same text */
    const wf_str *params;      /* as text; ptr NULL: null. Copied */
    uint32_t n_params, flags;  /* WF_SQL_* */
} wf_statement;
enum { WF_SQL_MUST_HIT = 1 /* no row hit: nothing of the whole transaction is done, and missed says which */ };
typedef struct {
    uint32_t size;
    const char *error;         /* NULL: done. Else nothing was done, unless maybe_done */
    int retryable, maybe_done; /* worth another try; the connection broke and the outcome is not known */
    int missed;                /* index of the WF_SQL_MUST_HIT statement that hit no row; else -1 */
    /* Of the last statement: rows it returned, or how many it changed. Borrowed until fn returns. */
    size_t n_rows, n_columns;
    const wf_str *cells;       /* n_rows * n_columns; ptr NULL: null */
    uint64_t changed;
} wf_rows;
typedef void wf_rows_fn(const wf_host *h, void *arg, const wf_rows *rows);
typedef struct {
    uint32_t size;
    /* [w] Runs n statements as one transaction; fn is called later on the worker, exactly once, also when the
     * node was closed meanwhile (then with an error). -1: the engine has no store for it. */
    int (*run)(wf_inst *, const wf_statement *statements, size_t n, wf_rows_fn *fn, void *arg);
} wf_sql;

/* --- the plugin ------------------------------------------------------------------------------- */

/* A step of the plugin's own tables, since 1.1. Steps run in order of number, once for each store and plugin,
 * in a transaction each, by `catalyst migrate` or the first engine that starts. Never change one that was
 * released. Names of tables and functions begin with the plugin's name. */
typedef struct {
    uint32_t number;         /* 1, 2, 3 ... */
    uint32_t reserved;       /* 0 */
    const char *name;        /* a few words */
    const char *pg, *sqlite; /* statements with semicolons; sqlite serves the memory store, too */
} wf_migration;

typedef struct {
    /* checked before anything else is read */
    uint32_t abi, size, node_size, param_size, request_size, error_size, metric_size, cred_size, output_size;
    uint32_t reserved; /* 0 */
    const char *name, *version;
    const wf_node *nodes; size_t n_nodes;
    const wf_cred_type *creds; size_t n_creds;
    const char *docs; /* Markdown; or NULL */
    const wf_migration *migrations; size_t n_migrations; /* since 1.1; or NULL, 0 */
} wf_plugin;

#define WF_PLUGIN_SIZES .abi = WF_ABI, .size = sizeof(wf_plugin), .node_size = sizeof(wf_node), \
    .param_size = sizeof(wf_param), .request_size = sizeof(wf_request), .error_size = sizeof(wf_error), \
    .metric_size = sizeof(wf_metric), .cred_size = sizeof(wf_cred_type), .output_size = sizeof(wf_output)
#define WF_EXPORT __attribute__((visibility("default")))
#define WF_PLUGIN_BASE(nm, ver, t)                                                                 \
    WF_PLUGIN_SIZES, .name = nm, .version = ver, .nodes = t, .n_nodes = sizeof(t) / sizeof *(t)
/* WF_PLUGIN("telegram", "1.0.0", nodes); */
#define WF_PLUGIN(nm, ver, t)                                                                      \
    extern const wf_plugin wf_plugin_entry;                                                        \
    WF_EXPORT const wf_plugin wf_plugin_entry = { WF_PLUGIN_BASE(nm, ver, t) }
/* The same with credential types: WF_PLUGIN_CREDS("redis", "1.0.0", nodes, creds); */
#define WF_PLUGIN_CREDS(nm, ver, t, c)                                                             \
    extern const wf_plugin wf_plugin_entry;                                                        \
    WF_EXPORT const wf_plugin wf_plugin_entry = { WF_PLUGIN_BASE(nm, ver, t), .creds = c,          \
                                                  .n_creds = sizeof(c) / sizeof *(c) }
#endif
