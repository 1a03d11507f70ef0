/* SPDX-License-Identifier: Apache-2.0
 * fake_host.h - the engine's side of catalyst/plugin.h for unit tests of plugins.
 *
 * Header only, libc only: a test includes the plugin's .c and this file, and runs without the
 * engine. The fake host makes items from JSON, gives them to the node, answers requests with canned
 * replies, moves a fake clock, records everything that leaves, and insists that every item is ended
 * exactly once.
 *
 *     #include "../greet.c"
 *     #include "fake_host.h"
 *     #include <assert.h>
 *
 *     int main(void)
 *     {
 *         struct fake *f = fake_create(&wf_plugin_entry, "example.greet");
 *         if (fake_start(f, "{\"name\":\"={{ $json.who }}\"}") != 0)
 *             return puts(fake_error(f)), 1;
 *         wf_item *ann = fake_item(f, "{\"who\":\"Ann\"}");
 *         wf_item *bob = fake_item(f, "{\"who\":\"Bob\"}");
 *         fake_reply(f, 200, "{\"text\":\"hello\"}");
 *         fake_reply(f, 500, "");
 *         fake_run(f);
 *         assert(fake_ended(ann) == FAKE_EMITTED && fake_ended(bob) == FAKE_RETRY);
 *         assert(!strcmp(fake_output_json(f, 0, 0), "{\"text\":\"hello\"}"));
 *         fake_destroy(f);
 *     }
 *
 * Setting up, before fake_start
 *   fake_create(entry, type)      one node of a plugin; type NULL: its first
 *   fake_cred(f, type, json)      a credential with its fields, for parameters that allow the type
 *   fake_service(f, name, table)  a service of the test's own ("loop/1"); table NULL: absent
 *                                 ("sql/1" over SQLite, with the plugin's tables: fake_sql.h;
 *                                 triggers: fake_trigger.h)
 *   fake_clock(f, ms)             the time now; it moves with fake_advance only
 *   fake_shrink(f, size)          an older engine: h->size is this, what lies behind is not there
 *   fake_start(f, params)         binds, then check(), shape() and open(). -1: see fake_error()
 * Items
 *   fake_item(f, json), fake_item_at(f, input, json)
 *   fake_params(it, json)         other parameters for this item
 *   fake_config(it, &config)      its config, ready made
 *   fake_maybe_begun(it)          an earlier life of its execution may have begun the node
 *   fake_leave(f)                 its items go to another engine: begin() says no from now on
 *   fake_attempt(it, n), fake_part(it, name, bytes, len, mime_type, file_name)
 *   fake_execution(f)             items made after it belong to another execution (and segment)
 * Running
 *   fake_reply(f, status, body)   a canned reply; requests take them in order
 *   fake_reply_to(f, part, reply) one for URLs that hold a text
 *   fake_run(f)                   gives all new items to the node, works until nothing is left to
 * do fake_advance(f, ms)           moves the clock; overdue parked items end as FAKE_TIMED_OUT
 *   fake_wait(f, ms)              real time: waits for wake() from other threads
 *   fake_cancel(it)               the item is gone; callbacks get NULL
 *   fake_again(it)                a retried item comes back with its next attempt; then fake_run
 * Looking
 *   fake_ended(it), fake_why(it), fake_fault(it), fake_retry_ms(it)
 *   fake_outputs(f, port), fake_output(f, port, i), fake_output_json(f, port, i)
 *   fake_requests(f), fake_request(f, i), fake_sent(request): its body, also an upload;
 *   fake_blob(blob): its bytes, fake_output_part(output, name): the blob of a part;
 *   fake_messages, fake_message; fake_rows, fake_row;
 *   fake_answers, fake_answer; fake_logs, fake_log; fake_metric(f, index); fake_header(list, name)
 *   fake_problem(f)               what the plugin did wrong, or NULL: a forgotten item, one ended
 *                                 twice, a port that is not there ... Reading it clears it.
 *   fake_destroy(f)               calls close(); a problem nobody looked at is printed and aborts
 *
 * Limits: of expressions only ={{ $json.path }} is solved. One thread, but for wake(). Memory is
 * kept until fake_destroy.
 */
#ifndef WF_FAKE_HOST_H
#define WF_FAKE_HOST_H
#include <catalyst/plugin.h>
#include "fake_services.h"
#include <threads.h>

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wshadow"

/* --- setting up ------------------------------------------------------------------------------- */

static inline void fake_fill_host(wf_host *h)
{
    static const wf_values values = {
        .size = sizeof values,
        .type = fake_type,
        .boolean = fake_truth,
        .int64 = fake_get_int64,
        .number = fake_get_number,
        .bytes = fake_bytes,
        .count = fake_count,
        .at = fake_at,
        .key = fake_key,
        .get = fake_get,
        .path = fake_path,
        .equal = fake_equal,
        .text = fake_v_text,
        .json = fake_v_json,
        .parse = fake_v_parse,
        .of_bool = fake_v_of_bool,
        .of_int = fake_v_of_int,
        .of_number = fake_v_of_number,
        .of_str = fake_v_of_str,
        .array = fake_v_array,
        .object = fake_v_object,
        .set = fake_v_set,
        .unset = fake_v_unset,
        .set_key = fake_v_set_key,
    };
    *h = (wf_host){
        .size = sizeof *h,
        .reply_size = sizeof(wf_reply),
        .v = &values,
        .config = fake_h_config,
        .state = fake_h_state,
        .value = fake_h_value,
        .key = fake_h_key,
        .now_ms = fake_h_now_ms,
        .attempt = fake_h_attempt,
        .alloc = fake_h_alloc,
        .fmt = fake_h_fmt,
        .build = fake_h_build,
        .emit = fake_h_emit,
        .pass = fake_h_pass,
        .done = fake_h_done,
        .retry = fake_h_retry,
        .fail = fake_h_fail,
        .fail_with = fake_h_fail_with,
        .push = fake_h_push,
        .request = fake_h_request,
        .offload = fake_h_offload,
        .park = fake_h_park,
        .resume = fake_h_resume,
        .wake = fake_h_wake,
        .output = fake_h_output,
        .inputs = fake_h_inputs,
        .items = fake_h_items,
        .first = fake_h_first,
        .seg_push = fake_h_seg_push,
        .seg_pass = fake_h_seg_pass,
        .seg_done = fake_h_seg_done,
        .seg_fail = fake_h_seg_fail,
        .inst_config = fake_h_inst_config,
        .inst = fake_h_inst,
        .inst_name = fake_h_inst_name,
        .secret = fake_h_secret,
        .cred_type = fake_h_cred_type,
        .count = fake_h_count,
        .log = fake_h_log,
        .service = fake_h_service,
        .memory = fake_h_memory,
        .maybe_begun = fake_h_maybe_begun,
        .begin = fake_h_begin,
    };
}

static inline struct fake *fake_create(const wf_plugin *entry, const char *type)
{
    static uint64_t serial;
    struct fake *f = calloc(1, sizeof *f);
    if (!f)
        abort();
    for (size_t i = 0; i < entry->n_nodes && !f->node; i++)
        if (!type || !strcmp(entry->nodes[i].type, type))
            f->node = &entry->nodes[i];
    if (!f->node) {
        fprintf(stderr, "fake host: plugin '%s' has no node '%s'\n", entry->name, type ? type : "");
        abort();
    }
    f->entry = entry;
    f->inst.fake = f;
    f->items_end = &f->items;
    f->now_ms = 1700000000000;
    f->next_ticket = ++serial << 32;
    atomic_flag_clear(&f->wakes_lock);
    f->exec = fake_alloc(&f->heap, sizeof *f->exec);
    fake_fill_host(&f->host);
    f->next = fake_hosts;
    fake_hosts = f;
    return f;
}

static inline const wf_value *fake_parse_or_die(struct fake *f, const char *json)
{
    const char *why = NULL;
    const wf_value *v = fake_parse(&f->heap, json, strlen(json), &why);
    if (!v) {
        fprintf(stderr, "fake host: the test's JSON is wrong %s: %s\n", why, json);
        abort();
    }
    return v;
}

static inline const wf_cred *fake_cred(struct fake *f, const char *type, const char *json)
{
    struct wf_cred *cred = fake_alloc(&f->heap, sizeof *cred);
    *cred = (struct wf_cred){ fake_strdup(&f->heap, type), fake_parse_or_die(f, json), f->creds };
    f->creds = cred;
    return cred;
}

static inline void fake_service(struct fake *f, const char *name, const void *table)
{
    *(struct fake_named *)fake_add(f, &f->services, sizeof(struct fake_named)) =
        (struct fake_named){ name, table };
}

static inline void fake_clock(struct fake *f, int64_t ms) { f->now_ms = ms; }

static inline void fake_shrink(struct fake *f, uint32_t size)
{
    memset((char *)&f->host + size, 0, sizeof f->host - size);
    f->host.size = size;
}

/* What fake_start found wrong, "" when it went well. */
static inline const char *fake_error(const struct fake *f) { return f->error ? f->error : ""; }

static inline void fake_count_places(struct fake *f)
{
    f->n_inputs = f->n_outputs = f->n_metrics = 0;
    while (f->node->inputs && f->node->inputs[f->n_inputs])
        f->n_inputs++;
    f->n_inputs += !f->n_inputs;
    while (f->node->ports && f->node->ports[f->n_outputs])
        f->n_outputs++;
    while (f->node->metrics && f->node->metrics[f->n_metrics].name && f->n_metrics < FAKE_METRICS)
        f->n_metrics++;
    if (f->node->shape)
        f->node->shape(f->config, &f->n_inputs, &f->n_outputs);
}

static inline int fake_start(struct fake *f, const char *params)
{
    char why[500] = "";
    wf_error error = { .size = sizeof error };
    f->params = fake_parse_or_die(f, params);
    f->config = fake_bind_config(f, f->params, NULL, &f->error);
    if (!f->config)
        return -1;
    if (f->node->check && f->node->check(&f->host, f->config, why, sizeof why) != 0) {
        f->error = why[0] ? fake_strdup(&f->heap, why) : "check() refused without a reason";
        return -1;
    }
    fake_count_places(f);
    if (f->node->open) {
        f->state = f->node->open(&f->host, &f->inst, &error);
        if (!f->state && error.fault) {
            f->error =
                error.detail.ptr ? fake_copy(f, error.detail).ptr : "open() refused without detail";
            return -1;
        }
    }
    f->started = 1;
    return 0;
}

/* --- items ------------------------------------------------------------------------------------ */

static inline wf_item *fake_item_at(struct fake *f, unsigned input, const char *json)
{
    wf_item *it = fake_alloc(&f->heap, sizeof *it);
    *it = (wf_item){ .fake = f,
                     .exec = f->exec,
                     .json = fake_parse_or_die(f, json),
                     .input = input,
                     .number = f->n_items++,
                     .attempt = 1,
                     .is_new = 1 };
    *f->items_end = it;
    f->items_end = &it->next;
    return it;
}

static inline wf_item *fake_item(struct fake *f, const char *json)
{
    return fake_item_at(f, 0, json);
}

static inline void fake_execution(struct fake *f)
{
    f->exec = fake_alloc(&f->heap, sizeof *f->exec);
}

static inline void fake_params(wf_item *it, const char *json)
{
    it->params = fake_parse_or_die(it->fake, json);
}

static inline void fake_config(wf_item *it, const void *config) { it->config = config; }

static inline void fake_attempt(wf_item *it, uint32_t n) { it->attempt = n; }

static inline void fake_maybe_begun(wf_item *it) { it->maybe_begun = 1; }

static inline void fake_leave(struct fake *f) { f->is_leaving = 1; }

static inline void fake_part(wf_item *it, const char *name, const void *bytes, size_t len,
                             const char *mime_type, const char *file_name)
{
    struct fake_part *part = fake_new_part(it->fake, name, fake_h_of_bytes(it, bytes, len),
                                           (wf_str){ mime_type, strlen(mime_type) },
                                           (wf_str){ file_name, strlen(file_name) });
    part->next = it->parts;
    it->parts = part;
}

/* --- running ---------------------------------------------------------------------------------- */

static inline void fake_reply_to(struct fake *f, const char *url_part, const wf_reply *reply)
{
    struct fake_canned *canned = fake_add(f, &f->canned, sizeof *canned);
    canned->url_part = fake_strdup(&f->heap, url_part);
    canned->reply = *reply;
    canned->reply.size = sizeof *reply;
    canned->reply.body = fake_copy(f, reply->body.ptr ? reply->body : (wf_str){ "", 0 });
    canned->reply.headers = fake_pairs(f, reply->headers);
    canned->reply.error = fake_strdup(&f->heap, reply->error);
}

static inline void fake_reply(struct fake *f, int status, const char *body)
{
    fake_reply_to(f, NULL, &(wf_reply){ .status = status, .body = { body, strlen(body) } });
}

/* The item's config is its own when the node's parameters hold expressions. */
static inline int fake_prepare(struct fake *f, wf_item *it)
{
    const char *why = NULL;
    it->is_new = 0;
    it->is_given = 1;
    if (it->config)
        return 0;
    it->config = f->config;
    if (it->params || f->params_have_expressions)
        it->config = fake_bind_config(f, it->params ? it->params : f->params, it->json, &why);
    if (it->config)
        return 0;
    fake_finish(it, FAKE_FAILED, why); /* as the engine does: the node never sees it */
    return -1;
}

static inline void fake_check_ended(struct fake *f)
{
    for (wf_item *it = f->items; it; it = it->next)
        if (it->is_given) {
            fake_wrong_use(f, "item %zu: node did not finish item", it->number);
            fake_finish(it, FAKE_FORGOTTEN, "node did not finish item");
        }
}

static inline void fake_run_frame(struct fake *f)
{
    wf_item *frame[1024];
    size_t n = 0;
    for (wf_item *it = f->items; it && n < 1024; it = it->next)
        if (it->is_new && fake_prepare(f, it) == 0)
            frame[n++] = it;
    if (n)
        f->node->process(&f->host, frame, n);
}

static inline wf_segment *fake_segment_of(struct fake *f, wf_segment *list, struct fake_exec *exec)
{
    while (list && list->exec != exec)
        list = list->next;
    if (list)
        return list;
    wf_segment *s = fake_alloc(&f->heap, sizeof *s);
    *s = (wf_segment){ .fake = f, .exec = exec };
    return s;
}

/* One segment for each execution that has new items. */
static inline void fake_run_segments(struct fake *f)
{
    wf_segment *list = NULL, *all[1024];
    size_t n = 0;
    for (wf_item *it = f->items; it; it = it->next) {
        if (!it->is_new || fake_prepare(f, it) != 0)
            continue;
        if (it->input >= f->n_inputs || it->input >= 64) {
            fake_refuse(f, it, "the node has no such input");
            continue;
        }
        wf_segment *s = fake_segment_of(f, list, it->exec);
        if (!s->first) {
            if (n == 1024)
                break;
            s->first = it;
            s->next = list;
            list = s;
            all[n++] = s;
        }
        wf_item **larger = fake_alloc(&f->heap, (s->n[it->input] + 1) * sizeof *larger);
        if (s->n[it->input])
            memcpy(larger, s->items[it->input], s->n[it->input] * sizeof *larger);
        larger[s->n[it->input]++] = it;
        s->items[it->input] = larger;
    }
    if (n)
        f->node->process_segments(&f->host, all, n);
}

/* What the engine makes of a reply: too large, or a blob where one was asked for. */
static inline wf_reply fake_make_reply(const struct fake_request *request, const wf_reply *canned)
{
    static const wf_pair none = { NULL, NULL };
    wf_reply reply = *canned;
    size_t len = reply.download ? reply.download->len : reply.body.len;
    reply.url = request->url;
    if (reply.status && request->max_bytes && len > request->max_bytes)
        return (wf_reply){ .size = sizeof reply,
                           .body = { "", 0 },
                           .headers = &none,
                           .flags = WF_REPLY_MAYBE_SENT | WF_REPLY_TOO_LARGE,
                           .error = "the reply is larger than max_bytes",
                           .url = request->url };
    if (reply.status && request->flags & WF_REQ_DOWNLOAD && !reply.download) {
        reply.download = fake_h_of_bytes(request->item, reply.body.ptr, reply.body.len);
        reply.body = (wf_str){ "", 0 };
    }
    return reply;
}

static inline int fake_answer_requests(struct fake *f)
{
    for (size_t i = 0; i < f->requests.n; i++) {
        struct fake_request *request = f->requests.at[i];
        for (size_t k = 0; k < f->canned.n && !request->answered; k++) {
            struct fake_canned *canned = f->canned.at[k];
            if (canned->used || (canned->url_part && !strstr(request->url, canned->url_part)))
                continue;
            request->answered = canned->used = 1;
            if (!request->item->is_parked)
                continue;
            wf_reply reply = fake_make_reply(request, &canned->reply);
            fake_stop_waiting(request->item);
            request->fn(&f->host, request->item, &reply);
            return 1;
        }
    }
    return 0;
}

static inline int fake_do_jobs(struct fake *f)
{
    size_t n = f->jobs.n;
    for (size_t i = 0; i < n; i++) {
        struct fake_job *job = f->jobs.at[i];
        wf_item *it = job->item->is_parked ? job->item : NULL;
        if (!job->work)
            continue;
        job->work(job->job);
        job->work = NULL;
        if (it)
            fake_stop_waiting(it);
        job->done(&f->host, it, job->job);
        return 1;
    }
    return 0;
}

static inline int fake_do_wakes(struct fake *f)
{
    while (atomic_flag_test_and_set(&f->wakes_lock))
        ;
    struct fake_wakeup *wakeup = f->wakes;
    if (wakeup)
        f->wakes = wakeup->next;
    atomic_flag_clear(&f->wakes_lock);
    if (!wakeup)
        return 0;
    wf_item *it = fake_h_resume(&f->host, wakeup->ticket);
    wakeup->fn(&f->host, it, (wf_str){ wakeup->bytes, wakeup->len });
    free(wakeup->bytes);
    free(wakeup);
    return 1;
}

static inline int fake_works_by_segment(const struct fake *f)
{
    return f->node->segments ? f->node->segments(f->config) : f->node->process_segments != NULL;
}

static inline void fake_settle(struct fake *f)
{
    while (fake_do_jobs(f) || fake_answer_requests(f) || fake_do_wakes(f) ||
           (f->pump && f->pump(f)))
        ;
    int parked = 0;
    for (wf_item *it = f->items; it; it = it->next)
        parked |= it->is_parked;
    if (!parked || !fake_works_by_segment(f))
        fake_check_ended(f);
}

static inline int fake_has_new(const struct fake *f)
{
    for (const wf_item *it = f->items; it; it = it->next)
        if (it->is_new)
            return 1;
    return 0;
}

static inline void fake_run(struct fake *f)
{
    if (!f->started) {
        fprintf(stderr, "fake host: fake_run() without fake_start(), or after it failed: %s\n",
                fake_error(f));
        abort();
    }
    while (fake_has_new(f)) {
        if (fake_works_by_segment(f))
            fake_run_segments(f);
        else
            fake_run_frame(f);
        fake_settle(f);
    }
    fake_settle(f);
}

static inline void fake_advance(struct fake *f, int64_t ms)
{
    f->now_ms += ms;
    for (wf_item *it = f->items; it; it = it->next)
        if (it->is_parked && it->deadline_ms && it->deadline_ms <= f->now_ms)
            fake_finish(it, FAKE_TIMED_OUT, "timed out");
    fake_settle(f);
}

static inline int fake_wait(struct fake *f, int64_t ms)
{
    for (int64_t waited = 0; waited <= ms; waited++) {
        if (fake_do_wakes(f)) {
            fake_settle(f);
            return 1;
        }
        thrd_sleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
    }
    return 0;
}

static inline void fake_cancel(wf_item *it)
{
    if (it->end == FAKE_NOT_ENDED)
        fake_finish(it, FAKE_CANCELLED, "cancelled");
}

static inline void fake_again(wf_item *it)
{
    it->end = FAKE_NOT_ENDED;
    it->why = NULL;
    it->attempt++;
    it->is_new = 1;
}

/* --- looking ---------------------------------------------------------------------------------- */

static inline enum fake_end fake_ended(const wf_item *it) { return it->end; }

/* Why it failed or is retried; "" when it did not. */
static inline const char *fake_why(const wf_item *it) { return it->why ? it->why : ""; }

static inline const wf_error *fake_fault(const wf_item *it) { return &it->fault; }

static inline int64_t fake_retry_ms(const wf_item *it) { return it->retry_ms; }

static inline size_t fake_outputs(const struct fake *f, unsigned port)
{
    size_t n = 0;
    for (size_t i = 0; i < f->outputs.n; i++)
        n += ((const struct fake_output *)f->outputs.at[i])->port == port;
    return n;
}

/* The i-th output of a port, in the order they came; NULL past the end. */
static inline const struct fake_output *fake_output(const struct fake *f, unsigned port, size_t i)
{
    for (size_t k = 0; k < f->outputs.n; k++) {
        const struct fake_output *out = f->outputs.at[k];
        if (out->port == port && i-- == 0)
            return out;
    }
    return NULL;
}

static inline const char *fake_output_json(const struct fake *f, unsigned port, size_t i)
{
    const struct fake_output *out = fake_output(f, port, i);
    return out ? out->json : "(no such output)";
}

#define FAKE_LOOK(plural, singular, type, array)                                                   \
    static inline size_t plural(const struct fake *f) { return f->array.n; }                       \
    static inline const type *singular(const struct fake *f, size_t i)                             \
    {                                                                                              \
        return i < f->array.n ? f->array.at[i] : NULL;                                             \
    }
FAKE_LOOK(fake_requests, fake_request, struct fake_request, requests)

static inline wf_str fake_blob(const wf_blob *blob)
{
    return blob && blob->ptr ? (wf_str){ blob->ptr, blob->len } : (wf_str){ "", 0 };
}

static inline wf_str fake_sent(const struct fake_request *request)
{
    return request->upload ? fake_blob(request->upload) : request->body;
}

static inline const wf_blob *fake_output_part(const struct fake_output *out, const char *name)
{
    for (const struct fake_part *part = out ? out->parts : NULL; part; part = part->next)
        if (!strcmp(part->name, name))
            return part->blob;
    return NULL;
}

FAKE_LOOK(fake_messages, fake_message, struct fake_message, messages)
FAKE_LOOK(fake_rows, fake_row, struct fake_row, rows)
FAKE_LOOK(fake_answers, fake_answer, struct fake_answer, answers)

static inline size_t fake_logs(const struct fake *f) { return f->logs.n; }

/* "warn event text". */
static inline const char *fake_log(const struct fake *f, size_t i)
{
    return i < f->logs.n ? *(const char *const *)f->logs.at[i] : "(no such line)";
}

static inline int64_t fake_metric(const struct fake *f, unsigned index)
{
    return index < FAKE_METRICS ? f->metrics[index] : 0;
}

static inline const char *fake_header(const wf_pair *headers, const char *name)
{
    for (; headers && headers->name; headers++)
        if (!strcmp(headers->name, name))
            return headers->text;
    return NULL;
}

static inline const char *fake_problem(struct fake *f)
{
    const char *problem = f->problem;
    f->problem = NULL;
    return problem;
}

static inline void fake_destroy(struct fake *f)
{
    for (wf_item *it = f->items; it; it = it->next)
        if (it->is_parked || it->is_given)
            fake_wrong_use(f, "item %zu: still waits at the end of the test", it->number);
    if (f->before_close)
        f->before_close(f);
    if (f->started && f->node->close)
        f->node->close(&f->host, f->state);
    if (f->at_end)
        f->at_end(f);
    if (f->problem) {
        fprintf(stderr, "fake host: node '%s':\n%s\n", f->node->type, f->problem);
        abort();
    }
    struct fake **at = &fake_hosts;
    while (*at != f)
        at = &(*at)->next;
    *at = f->next;
    while (f->wakes) {
        struct fake_wakeup *wakeup = f->wakes;
        f->wakes = wakeup->next;
        free(wakeup->bytes);
        free(wakeup);
    }
    fake_heap_free(&f->heap);
    free(f);
}
#pragma GCC diagnostic pop
#endif
