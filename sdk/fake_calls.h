/* SPDX-License-Identifier: Apache-2.0
 * fake_calls.h - what a plugin calls, by the fake host; authors include fake_host.h only.
 *
 * The functions of wf_host and of the services it has. They record, and notice what a plugin must
 * not do: an item ended twice, a port that is not there, an output that is no object.
 */
#ifndef WF_FAKE_CALLS_H
#define WF_FAKE_CALLS_H
#include "fake_params.h"
#include <stdatomic.h>

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wshadow"

enum fake_end {
    FAKE_NOT_ENDED = 0,
    FAKE_EMITTED,
    FAKE_PASSED,
    FAKE_DONE,
    FAKE_RETRY,
    FAKE_FAILED,
    FAKE_TIMED_OUT,
    FAKE_CANCELLED,
    FAKE_SEGMENT,  /* with its segment */
    FAKE_FORGOTTEN /* the node never ended it: also a problem */
};

struct wf_blob {
    struct fake_heap *heap;
    char *ptr;
    size_t len, size;
};

struct fake_part {
    const char *name;
    wf_str mime_type, file_name;
    wf_blob *blob;
    struct fake_part *next;
};

struct wf_item {
    struct fake *fake;
    struct fake_exec *exec;
    const wf_value *json;
    unsigned input;
    size_t number; /* from 0, for messages */
    uint32_t attempt;
    int maybe_begun;
    int is_new, is_given, is_parked; /* waiting for fake_run; at the node; waiting for something */
    const void *config;
    const wf_value *params;     /* of its own, or NULL */
    struct fake_part *parts;    /* binaries that came with it */
    struct fake_part *attached; /* for its next output, when is_attached */
    int is_attached;
    int64_t deadline_ms; /* of a park; 0: none */
    uint64_t ticket, generation;
    enum fake_end end;
    const char *why;
    wf_error fault;
    int64_t retry_ms;
    struct wf_item *next;
};

struct wf_inst {
    struct fake *fake;
};

/* One execution: what its segments share. */
struct fake_list {
    wf_item **items;
    size_t n;
};

struct fake_exec {
    void *memory;
    size_t memory_bytes;
    const wf_value *kept_value;
    struct fake_list kept[WF_MEMORY_LISTS];
};

struct wf_segment {
    struct fake *fake;
    struct fake_exec *exec;
    wf_item **items[64];
    size_t n[64];
    wf_item *first;
    int ended;
    struct wf_segment *next;
};

struct fake_output {
    unsigned port;
    const wf_value *value;
    const char *json;
    int passed;           /* the input item, unchanged */
    wf_item *item;        /* the (first) item it came from; NULL: from none */
    wf_item *const *from; /* all of them */
    size_t n_from;
    const struct fake_part *parts;
};

struct fake_request {
    wf_item *item;
    const char *method, *url, *proxy;
    wf_str body;
    const wf_pair *headers; /* never NULL; ends with name NULL */
    const wf_cred *cred;
    wf_blob *upload;
    int64_t timeout_ms;
    uint32_t max_redirects, flags;
    uint64_t max_bytes;
    wf_reply_fn *fn;
    int answered;
};

struct fake_message { /* output() */
    wf_item *item;
    const char *channel, *connection, *topic;
    const wf_pair *headers;
    wf_str key, body;
    int32_t partition;
};

struct fake_row { /* ledger/1 */
    wf_item *item;
    const char *table, *json, *unique;
};

struct fake_answer { /* webhook/1 */
    wf_item *item;
    int status;
    const wf_pair *headers;
    wf_str body;
};

struct fake_canned {
    const char *url_part; /* NULL: any */
    wf_reply reply;
    int used;
};

struct fake_job {
    wf_item *item;
    void (*work)(void *job);
    wf_done_fn *done;
    void *job;
};

struct fake_wakeup { /* malloc'ed, because it may come from another thread */
    wf_ticket ticket;
    wf_wake_fn *fn;
    char *bytes;
    size_t len;
    struct fake_wakeup *next;
};

struct fake_array {
    void **at;
    size_t n, size;
};

enum { FAKE_METRICS = 1024 }; /* of a node */
struct fake {
    wf_host host; /* first: resume() gets it back */
    struct fake_heap heap;
    const wf_plugin *entry;
    const wf_node *node;
    struct wf_inst inst;
    struct wf_cred *creds;
    const char *error, *problem;
    const wf_value *params;
    void *config, *state;
    int started, params_have_expressions, is_leaving;
    unsigned n_inputs, n_outputs, n_metrics;
    int64_t now_ms;
    struct fake_exec *exec;
    wf_item *items, **items_end;
    wf_segment *segments;
    size_t n_items;
    uint64_t next_ticket;
    struct fake_array outputs, requests, messages, rows, answers, logs, canned, jobs, services;
    int64_t metrics[FAKE_METRICS];
    struct fake_wakeup *wakes;
    atomic_flag wakes_lock;
    void *sql;                 /* fake_sql.h */
    struct wf_source *trigger; /* fake_trigger.h */
    void (*before_close)(struct fake *);
    int (*pump)(struct fake *);    /* answers one thing that waits; 0: nothing does */
    void (*at_end)(struct fake *); /* after close() */
    struct fake
        *next; /* all fakes that are alive: service() and wake() have no host to start from */
};

static struct fake *fake_hosts;

/* --- records ---------------------------------------------------------------------------------- */

static inline void *fake_add(struct fake *f, struct fake_array *array, size_t bytes)
{
    if (array->n == array->size) {
        array->size = array->size ? array->size * 2 : 16;
        void **larger = fake_alloc(&f->heap, array->size * sizeof *larger);
        if (array->n)
            memcpy(larger, array->at, array->n * sizeof *larger);
        array->at = larger;
    }
    return array->at[array->n++] = fake_alloc(&f->heap, bytes);
}

WF_PRINTF(2, 3) static inline void fake_wrong_use(struct fake *f, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    wf_str text = fake_vfmt(&f->heap, format, args);
    va_end(args);
    f->problem = f->problem ? fake_fmt(&f->heap, "%s\n%s", f->problem, text.ptr) : text.ptr;
}

static inline const wf_pair *fake_pairs(struct fake *f, const wf_pair *pairs)
{
    size_t n = 0;
    while (pairs && pairs[n].name)
        n++;
    wf_pair *copy = fake_alloc(&f->heap, (n + 1) * sizeof *copy);
    for (size_t i = 0; i < n; i++)
        copy[i] =
            (wf_pair){ fake_strdup(&f->heap, pairs[i].name), fake_strdup(&f->heap, pairs[i].text) };
    return copy;
}

static inline wf_str fake_copy(struct fake *f, wf_str s)
{
    return s.ptr ? fake_str(&f->heap, s.ptr, s.len) : s;
}

/* --- ending items ----------------------------------------------------------------------------- */

static inline int fake_may_act(wf_item *it, const char *what)
{
    if (it->end == FAKE_NOT_ENDED && it->is_given)
        return 1;
    if (it->end == FAKE_NOT_ENDED)
        fake_wrong_use(it->fake, "item %zu: %s() while the node does not hold it", it->number,
                       what);
    else
        fake_wrong_use(it->fake, "item %zu: %s() after it was ended", it->number, what);
    return 0;
}

static inline void fake_finish(wf_item *it, enum fake_end end, const char *why)
{
    it->end = end;
    it->why = why;
    it->is_given = it->is_parked = 0;
}

static inline void fake_put(struct fake *f, unsigned port, const wf_value *value,
                            wf_item *const *from, size_t n_from, wf_item *passed)
{
    struct fake_output *out;
    if (port >= f->n_outputs)
        fake_wrong_use(f, "output on port %u; the node has %u", port, f->n_outputs);
    if (fake_type(value) != WF_JSON_OBJECT)
        fake_wrong_use(f, "output on port %u is no object: %s", port,
                       fake_json(&f->heap, value).ptr);
    wf_item **copy = fake_alloc(&f->heap, (n_from + 1) * sizeof *copy);
    if (n_from)
        memcpy(copy, from, n_from * sizeof *copy);
    out = fake_add(f, &f->outputs, sizeof *out);
    *out = (struct fake_output){ .port = port,
                                 .value = value,
                                 .json = fake_json(&f->heap, value).ptr,
                                 .passed = passed != NULL,
                                 .item = n_from ? copy[0] : NULL,
                                 .from = copy,
                                 .n_from = n_from };
    if (!n_from)
        return;
    if (copy[0]->is_attached)
        out->parts = copy[0]->attached;
    else if (passed)
        out->parts = passed->parts;
    copy[0]->attached = NULL;
    copy[0]->is_attached = 0;
}

static inline void fake_h_push(wf_item *it, unsigned port, const wf_value *v)
{
    if (fake_may_act(it, "push"))
        fake_put(it->fake, port, v, &it, 1, NULL);
}

static inline void fake_h_emit(wf_item *it, unsigned port, const wf_value *v)
{
    if (!fake_may_act(it, "emit"))
        return;
    fake_put(it->fake, port, v, &it, 1, NULL);
    fake_finish(it, FAKE_EMITTED, NULL);
}

static inline void fake_h_pass(wf_item *it, unsigned port)
{
    if (!fake_may_act(it, "pass"))
        return;
    fake_put(it->fake, port, it->json, &it, 1, it);
    fake_finish(it, FAKE_PASSED, NULL);
}

static inline void fake_h_done(wf_item *it)
{
    if (fake_may_act(it, "done"))
        fake_finish(it, FAKE_DONE, NULL);
}

#define FAKE_FORMAT(f, format, text)                                                               \
    do {                                                                                           \
        va_list args_;                                                                             \
        va_start(args_, format);                                                                   \
        (text) = fake_vfmt(&(f)->heap, format, args_).ptr;                                         \
        va_end(args_);                                                                             \
    } while (0)

WF_PRINTF(3, 4) static inline void fake_h_retry(wf_item *it, int64_t in_ms, const char *format, ...)
{
    const char *why;
    FAKE_FORMAT(it->fake, format, why);
    if (!fake_may_act(it, "retry"))
        return;
    it->retry_ms = in_ms;
    it->attached = NULL;
    it->is_attached = 0;
    fake_finish(it, FAKE_RETRY, why);
}

WF_PRINTF(2, 3) static inline void fake_h_fail(wf_item *it, const char *format, ...)
{
    const char *why;
    FAKE_FORMAT(it->fake, format, why);
    if (fake_may_act(it, "fail"))
        fake_finish(it, FAKE_FAILED, why);
}

static inline int fake_has_code(const wf_node *node, const char *code)
{
    for (const wf_pair *pair = node->codes; pair && pair->name; pair++)
        if (!strcmp(pair->name, code))
            return 1;
    return 0;
}

WF_PRINTF(3, 4)
static inline void fake_h_fail_with(wf_item *it, const wf_error *e, const char *format, ...)
{
    struct fake *f = it->fake;
    const char *why;
    FAKE_FORMAT(f, format, why);
    if (!fake_may_act(it, "fail_with"))
        return;
    if (e->size != sizeof *e)
        fake_wrong_use(f, "item %zu: fail_with(): size of the wf_error is not set", it->number);
    if (e->fault < WF_TRANSIENT || e->fault > WF_UNKNOWN)
        fake_wrong_use(f, "item %zu: fail_with(): %d is no fault", it->number, (int)e->fault);
    if (e->code && !fake_has_code(f->node, e->code))
        fake_wrong_use(f, "item %zu: fail_with(): '%s' is none of the node's codes", it->number,
                       e->code);
    it->fault = *e;
    it->fault.code = fake_strdup(&f->heap, e->code);
    it->fault.scope = fake_strdup(&f->heap, e->scope);
    it->fault.detail = fake_copy(f, e->detail);
    it->retry_ms = e->retry_after_ms;
    fake_finish(it, FAKE_FAILED, why);
}

/* --- waiting ---------------------------------------------------------------------------------- */

static inline int fake_start_waiting(wf_item *it, const char *what, int64_t timeout_ms)
{
    if (!fake_may_act(it, what))
        return -1;
    it->is_given = 0;
    it->is_parked = 1;
    it->deadline_ms = timeout_ms ? it->fake->now_ms + timeout_ms : 0;
    it->ticket = ++it->fake->next_ticket;
    it->generation++;
    return 0;
}

static inline void fake_stop_waiting(wf_item *it)
{
    it->is_parked = 0;
    it->is_given = 1;
}

/* After fake_leave(), what asks begin() waits for nothing any more. */
static inline int fake_stays(const wf_item *it)
{
    return it->fake->is_leaving && (it->fake->node->flags & WF_NODE_BEGINS);
}

static inline void fake_h_request(wf_item *it, const wf_request *r, wf_reply_fn *fn)
{
    struct fake *f = it->fake;
    if (fake_start_waiting(it, "request", 0) != 0 || fake_stays(it))
        return;
    if (!r->url || !r->url[0])
        fake_wrong_use(f, "item %zu: request() without a URL", it->number);
    struct fake_request *copy = fake_add(f, &f->requests, sizeof *copy);
    *copy = (struct fake_request){ .item = it,
                                   .method = r->method ? fake_strdup(&f->heap, r->method) : "GET",
                                   .url = fake_strdup(&f->heap, r->url ? r->url : ""),
                                   .proxy = fake_strdup(&f->heap, r->proxy),
                                   .body = fake_copy(f, r->body),
                                   .headers = fake_pairs(f, r->headers),
                                   .cred = r->cred,
                                   .upload = r->upload,
                                   .timeout_ms = r->timeout_ms,
                                   .max_redirects = r->max_redirects,
                                   .flags = r->flags,
                                   .max_bytes = r->max_bytes,
                                   .fn = fn };
}

static inline void fake_h_offload(wf_item *it, void (*work)(void *job), wf_done_fn *done, void *job)
{
    if (fake_start_waiting(it, "offload", 0) != 0)
        return;
    if (fake_stays(it))
        done(&it->fake->host, NULL, job);
    else
        *(struct fake_job *)fake_add(it->fake, &it->fake->jobs, sizeof(struct fake_job)) =
            (struct fake_job){ it, work, done, job };
}

static inline wf_ticket fake_h_park(wf_item *it, int64_t timeout_ms)
{
    if (fake_start_waiting(it, "park", timeout_ms) != 0)
        return (wf_ticket){ 0, 0 };
    return (wf_ticket){ it->ticket, it->generation };
}

static inline wf_item *fake_find_ticket(struct fake *f, wf_ticket ticket)
{
    for (wf_item *it = f->items; it; it = it->next)
        if (it->is_parked && it->ticket == ticket.id && it->generation == ticket.gen)
            return it;
    return NULL;
}

static inline wf_item *fake_h_resume(const wf_host *h, wf_ticket ticket)
{
    wf_item *it = fake_find_ticket((struct fake *)(uintptr_t)h, ticket);
    if (it)
        fake_stop_waiting(it);
    return it;
}

static inline int fake_h_begin(const wf_host *h, wf_ticket ticket)
{
    struct fake *f = (struct fake *)(uintptr_t)h;
    return !f->is_leaving && fake_find_ticket(f, ticket) != NULL;
}

/* Tickets are numbered per fake from a place of its own, so the right one is found. */
static inline int fake_h_wake(wf_ticket ticket, wf_wake_fn *fn, wf_str data)
{
    struct fake *f = fake_hosts;
    while (f && ticket.id >> 32 != f->next_ticket >> 32)
        f = f->next;
    if (!f)
        return -1;
    struct fake_wakeup *wakeup = malloc(sizeof *wakeup);
    char *bytes = malloc(data.len + 1);
    if (!wakeup || !bytes)
        abort();
    if (data.len)
        memcpy(bytes, data.ptr, data.len);
    bytes[data.len] = 0;
    *wakeup = (struct fake_wakeup){ ticket, fn, bytes, data.len, NULL };
    while (atomic_flag_test_and_set(&f->wakes_lock))
        ;
    struct fake_wakeup **end = &f->wakes;
    while (*end)
        end = &(*end)->next;
    *end = wakeup;
    atomic_flag_clear(&f->wakes_lock);
    return 0;
}

/* --- what an item tells ----------------------------------------------------------------------- */

static inline void fake_refuse(struct fake *f, wf_item *it, const char *why)
{
    fake_wrong_use(f, "item %zu: %s", it->number, why);
    fake_finish(it, FAKE_FAILED, why);
}

/* Binds the node's parameters for one item; without an item, for open(). NULL with *why. */
static inline void *fake_bind_config(struct fake *f, const wf_value *params, const wf_value *item,
                                     const char **why)
{
    struct fake_bind b = { .heap = &f->heap, .creds = f->creds, .item = item };
    void *config = fake_alloc(&f->heap, f->node->config_size);
    fake_bind_table(&b, f->node->params, params, "", config);
    if (!item)
        f->params_have_expressions = b.has_expressions;
    *why = b.why;
    return b.why ? NULL : config;
}

static inline const void *fake_h_config(wf_item *it) { return it->config; }

static inline void *fake_h_state(wf_item *it) { return it->fake->state; }

static inline const wf_value *fake_h_value(wf_item *it) { return it->json; }

static inline const char *fake_h_key(wf_item *it)
{
    return fake_fmt(&it->fake->heap, "fake-%zu", it->number);
}

static inline int64_t fake_h_now_ms(wf_item *it) { return it->fake->now_ms; }

static inline int fake_h_maybe_begun(wf_item *it) { return it->maybe_begun; }

static inline uint32_t fake_h_attempt(wf_item *it) { return it->attempt; }

static inline void *fake_h_alloc(wf_item *it, size_t bytes)
{
    return fake_alloc(&it->fake->heap, bytes);
}

WF_PRINTF(2, 3) static inline wf_str fake_h_fmt(wf_item *it, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    wf_str text = fake_vfmt(&it->fake->heap, format, args);
    va_end(args);
    return text;
}

static inline const wf_value *fake_h_build(wf_item *it, const char *shape, ...)
{
    va_list args;
    va_start(args, shape);
    const wf_value *v = fake_vbuild(&it->fake->heap, shape, args);
    va_end(args);
    if (!v)
        fake_wrong_use(it->fake, "build(): the shape \"%s\" is wrong", shape);
    return v;
}

static inline int fake_h_output(wf_item *it, const wf_output *o)
{
    struct fake *f = it->fake;
    if (!fake_may_act(it, "output"))
        return -1;
    struct fake_message *m = fake_add(f, &f->messages, sizeof *m);
    *m = (struct fake_message){ .item = it,
                                .channel = fake_strdup(&f->heap, o->channel),
                                .connection = fake_strdup(&f->heap, o->connection),
                                .topic = fake_strdup(&f->heap, o->topic),
                                .headers = fake_pairs(f, o->headers),
                                .key = fake_copy(f, o->key),
                                .body = fake_copy(f, o->body),
                                .partition = o->partition };
    return 0;
}

/* --- segments --------------------------------------------------------------------------------- */

static inline unsigned fake_h_inputs(wf_segment *s) { return s->fake->n_inputs; }

static inline wf_item *const *fake_h_items(wf_segment *s, unsigned input, size_t *n)
{
    *n = input < 64 ? s->n[input] : 0;
    return *n ? s->items[input] : NULL;
}

static inline wf_item *fake_h_first(wf_segment *s) { return s->first; }

static inline int fake_seg_may_act(wf_segment *s, const char *what)
{
    if (s->ended)
        fake_wrong_use(s->fake, "%s() after the segment was ended", what);
    return !s->ended;
}

static inline void fake_h_seg_push(wf_segment *s, unsigned port, const wf_value *v,
                                   wf_item *const *from, size_t n)
{
    if (!fake_seg_may_act(s, "seg_push"))
        return;
    fake_put(s->fake, port, v, from, n, NULL);
    struct fake_output *out = s->fake->outputs.at[s->fake->outputs.n - 1];
    out->parts = n ? from[0]->parts : NULL;
}

static inline void fake_h_seg_pass(wf_segment *s, unsigned port, wf_item *it)
{
    if (fake_seg_may_act(s, "seg_pass"))
        fake_put(s->fake, port, it->json, &it, 1, it);
}

static inline void fake_seg_finish(wf_segment *s, enum fake_end end, const char *why)
{
    s->ended = 1;
    for (unsigned input = 0; input < 64; input++)
        for (size_t i = 0; i < s->n[input]; i++)
            if (s->items[input][i]->end == FAKE_NOT_ENDED)
                fake_finish(s->items[input][i], end, why);
}

static inline void fake_h_seg_done(wf_segment *s)
{
    if (fake_seg_may_act(s, "seg_done"))
        fake_seg_finish(s, FAKE_SEGMENT, NULL);
}

WF_PRINTF(2, 3) static inline void fake_h_seg_fail(wf_segment *s, const char *format, ...)
{
    const char *why;
    FAKE_FORMAT(s->fake, format, why);
    if (fake_seg_may_act(s, "seg_fail"))
        fake_seg_finish(s, FAKE_FAILED, why);
}

static inline void *fake_h_memory(wf_segment *s, size_t bytes)
{
    if (!s->exec->memory) {
        s->exec->memory = fake_alloc(&s->fake->heap, bytes);
        s->exec->memory_bytes = bytes;
    }
    if (s->exec->memory_bytes != bytes)
        fake_wrong_use(s->fake, "memory(): %zu bytes now, %zu before", bytes,
                       s->exec->memory_bytes);
    return s->exec->memory;
}

/* --- the node --------------------------------------------------------------------------------- */

static inline const void *fake_h_inst_config(wf_inst *inst) { return inst->fake->config; }

static inline wf_inst *fake_h_inst(wf_item *it) { return &it->fake->inst; }

static inline const char *fake_h_inst_name(wf_inst *inst)
{
    (void)inst;
    return "node under test";
}

static inline wf_str fake_h_secret(const wf_cred *cred, const char *field)
{
    const wf_value *v = cred ? fake_get(cred->fields, field, strlen(field)) : NULL;
    return v && v->text.ptr ? v->text : (wf_str){ "", 0 };
}

static inline const char *fake_h_cred_type(const wf_cred *cred) { return cred ? cred->type : ""; }

static inline void fake_h_count(wf_inst *inst, unsigned metric, int64_t by)
{
    struct fake *f = inst->fake;
    if (metric >= f->n_metrics)
        fake_wrong_use(f, "count(): metric %u; the node has %u", metric, f->n_metrics);
    else if (f->node->metrics[metric].kind == WF_COUNTER)
        f->metrics[metric] += by;
    else
        f->metrics[metric] = by;
}

WF_PRINTF(4, 5)
static inline void fake_h_log(wf_inst *inst, int level, const char *event, const char *format, ...)
{
    static const char *const names[] = { "?", "debug", "info", "warn", "error" };
    struct fake *f = inst->fake;
    const char *text;
    FAKE_FORMAT(f, format, text);
    text = fake_fmt(&f->heap, "%s %s %s", names[level >= WF_DEBUG && level <= WF_ERROR ? level : 0],
                    event, text);
    *(const char **)fake_add(f, &f->logs, sizeof text) = text;
}

#pragma GCC diagnostic pop
#endif
