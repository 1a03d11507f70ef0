/* SPDX-License-Identifier: Apache-2.0
 * catalyst.notifyTrigger: runs the routing core on one worker of all engines.
 *
 *   start --> owning --> loading --> working: each poll interval, and whenever something is due
 *
 *   inbox rows --> core --> one transaction {rows done, state, outbox} --> accept() as events
 *   event --> catalyst.notifyDispatch: the execution claims it, which takes it off the outbox
 *
 * A crash between that transaction and the claim offers the notification once more after the
 * restart; the claim belongs to the execution that made it first, and a second one ends without an
 * item. So each notification goes on exactly once.
 *
 * Thread: the worker's. Nothing blocks but reading the configuration's file in open().
 */
#include "trigger_int.h"
#include <time.h>

enum { INBOX_ROWS = 500, RETRY_MS = 1000, FILE_MAX = 4 << 20, OFFER_MAX = 256 };

static void trigger_go_on(struct trigger *t);

static int64_t trigger_now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* --- configuration ---------------------------------------------------------------------------- */

static json_t *trigger_read_file(const char *path, struct why *why)
{
    json_error_t error;
    FILE *file = fopen(path, "rb");
    if (!file) {
        why_set(why, "file '%.200s' cannot be opened", path);
        return NULL;
    }
    char *text = memory_get(FILE_MAX + 1);
    size_t len = fread(text, 1, FILE_MAX, file);
    fclose(file);
    json_t *json = json_loadb(text, len, JSON_REJECT_DUPLICATES, &error);
    free(text);
    if (!json)
        why_set(why, "file '%.100s', line %d: %s", path, error.line, error.text);
    return json;
}

static struct conf *trigger_conf(const wf_host *h, const struct trigger_config *c, struct why *why)
{
    json_t *json = NULL;
    if (c->configuration)
        json = json_of_value(h->v, c->configuration);
    else if (c->file.len)
        json = trigger_read_file(c->file.ptr, why);
    else
        why_set(why, "configuration or file is missing");
    struct conf *conf = json ? conf_read(json, why) : NULL;
    json_decref(json);
    return conf;
}

int trigger_check(const wf_host *h, const void *config, char *why_text, size_t why_size)
{
    struct why why;
    struct conf *conf = trigger_conf(h, config, &why);
    if (!conf) {
        snprintf(why_text, why_size, "configuration: %s", why.text);
        return -1;
    }
    conf_free(conf);
    return 0;
}

/* --- what is due, into the engine ------------------------------------------------------------- */

static void trigger_offer(struct trigger *t)
{
    wf_inbound events[OFFER_MAX];
    struct pending *offered[OFFER_MAX];
    size_t n = 0;
    if (!t->source)
        return;
    for (struct pending *p = t->due.first; p && n < OFFER_MAX; p = p->next)
        if (!p->is_offered) {
            events[n] = (wf_inbound){ .json = str_of(p->json), .tag = p->tag };
            offered[n++] = p;
        }
    /* stored() may be called for these before accept() returns */
    for (size_t i = 0; i < n; i++)
        offered[i]->is_offered = 1;
    size_t taken = n ? t->triggers->accept(t->source, events, n) : 0;
    for (size_t i = taken; i < n; i++)
        offered[i]->is_offered = 0;
}

static void trigger_stored(const wf_host *h, void *state, const uint64_t *tags, size_t n, int ok)
{
    struct trigger *t = state;
    (void)h;
    for (size_t i = 0; i < n; i++) {
        struct pending **at = &t->due.first;
        while (*at && (*at)->tag != tags[i])
            at = &(*at)->next;
        struct pending *p = *at;
        if (!p)
            continue;
        if (!ok) {
            p->is_offered = 0; /* the next round offers it again */
            continue;
        }
        *at = p->next;
        if (t->due.end == &p->next)
            t->due.end = at;
        t->due.n--;
        free(p->id);
        free(p->json);
        free(p);
    }
}

static void trigger_room(const wf_host *h, void *state)
{
    (void)h;
    trigger_offer(state);
}

static void trigger_emit(void *arg, enum kind kind, const char *id, const json_t *notice)
{
    struct trigger *t = arg;
    (void)kind;
    struct pending *p = memory_get(sizeof *p);
    json_t *item = json_copy((json_t *)notice);
    json_object_set_new(item, "engine", json_string(t->engine));
    p->id = memory_text(id);
    p->json = json_dumps(item, JSON_COMPACT);
    p->tag = ++t->tags;
    json_decref(item);
    pending_add(&t->batch->fresh, p);
}

/* --- statements and their answers ------------------------------------------------------------- */

typedef void trigger_answer_fn(struct trigger *t, const wf_rows *rows);
struct answer {
    struct trigger *t;
    uint64_t run;
    trigger_answer_fn *fn;
};

static void trigger_free(struct trigger *t)
{
    router_free(t->router);
    conf_free(t->conf);
    pending_free(&t->due);
    batch_free(t->batch);
    free(t->engine);
    free(t);
}

static void trigger_on_answer(const wf_host *h, void *arg, const wf_rows *rows)
{
    struct answer a = *(struct answer *)arg;
    (void)h;
    free(arg);
    a.t->n_calls--;
    if (a.t->is_closed) {
        if (!a.t->n_calls)
            trigger_free(a.t);
        return;
    }
    if (a.run == a.t->run)
        a.fn(a.t, rows);
}

static int trigger_run(struct trigger *t, const wf_statement *statements, size_t n,
                       trigger_answer_fn *fn)
{
    struct answer *a = memory_get(sizeof *a);
    *a = (struct answer){ t, t->run, fn };
    t->n_calls++;
    if (t->sql->run(t->inst, statements, n, trigger_on_answer, a) == 0)
        return 0;
    t->n_calls--;
    free(a);
    snprintf(t->trouble, sizeof t->trouble, "notifyTrigger '%s': the engine has no store for it",
             t->engine);
    return -1;
}

static void trigger_on_timer(void *arg)
{
    struct trigger *t = arg;
    t->timer = NULL;
    trigger_go_on(t);
}

static void trigger_wait(struct trigger *t, int64_t ms)
{
    if (t->timer)
        t->loop->timer_stop(t->timer);
    t->timer = t->loop->timer(t->inst, ms, trigger_on_timer, t);
}

/* 1: it went wrong; the same is tried again. */
static int trigger_failed(struct trigger *t, const wf_rows *rows, const char *doing)
{
    if (!rows->error) {
        t->trouble[0] = 0;
        return 0;
    }
    snprintf(t->trouble, sizeof t->trouble, "notifyTrigger '%s': %s: %s", t->engine, doing,
             rows->error);
    t->h->log(t->inst, WF_WARN, "notify.store", "%s: %s", doing, rows->error);
    t->is_busy = 0;
    trigger_wait(t, RETRY_MS);
    return 1;
}

/* --- working ---------------------------------------------------------------------------------- */

static void trigger_count(struct trigger *t)
{
    for (unsigned i = 0; i < ROUTER_COUNTS; i++) {
        int64_t now = router_counter(t->router, i);
        if (now != t->counted[i])
            t->h->count(t->inst, i, now - t->counted[i]);
        t->counted[i] = now;
    }
    t->h->count(t->inst, ROUTER_COUNTS, (int64_t)router_groups(t->router));
    t->h->count(t->inst, ROUTER_COUNTS + 1, (int64_t)router_alerts(t->router));
}

static void trigger_rest(struct trigger *t)
{
    int64_t until_due = router_next_ms(t->router) - trigger_now_ms();
    t->is_busy = 0;
    trigger_offer(t);
    if (t->has_more)
        until_due = 0;
    trigger_wait(t, until_due < 1 ? 1 : until_due < t->poll_ms ? until_due : t->poll_ms);
}

static void trigger_write(struct trigger *t);

static void trigger_on_written(struct trigger *t, const wf_rows *rows)
{
    if (rows->error && rows->missed == 0) {
        t->phase = TRIGGER_LOST;
        snprintf(t->trouble, sizeof t->trouble,
                 "notifyTrigger '%s': another engine has taken it over", t->engine);
        t->h->log(t->inst, WF_WARN, "notify.lost", "%s", t->trouble);
        return;
    }
    if (trigger_failed(t, rows, "writing what is due"))
        return;
    while (t->batch->fresh.first) {
        struct pending *p = t->batch->fresh.first;
        t->batch->fresh.first = p->next;
        pending_add(&t->due, p);
    }
    batch_free(t->batch);
    t->batch = NULL;
    trigger_rest(t);
}

static void trigger_write(struct trigger *t)
{
    if (trigger_run(t, t->batch->at, t->batch->n, trigger_on_written) != 0)
        t->is_busy = 0;
}

static void trigger_take(struct trigger *t, wf_str kind, const char *body, size_t len,
                         int64_t at_ms)
{
    struct why why = { "" };
    json_error_t error;
    json_t *json = json_loadb(body, len, 0, &error);
    const char *id = json_string_value(json_object_get(json, "id"));
    const char *what = json_string_value(json_object_get(json, "what"));
    const char *who = json_string_value(json_object_get(json, "who"));
    int wrong = 0;
    if (!json)
        wrong = why_set(&why, "%s", error.text);
    else if (kind.len == 5)
        wrong = router_alert(t->router, json, at_ms, &why);
    else if (kind.len == 7)
        wrong = router_silence(t->router, json, at_ms, &why);
    else if (kind.len == 6 && id)
        router_expire(t->router, id, at_ms);
    else if (kind.len == 3 && what)
        router_ack(t->router, what, who ? who : "", at_ms);
    if (wrong)
        t->h->log(t->inst, WF_WARN, "notify.inbox", "a row was refused: %s", why.text);
    json_decref(json);
}

/* seq, kind, body, at_ms */
static void trigger_on_inbox(struct trigger *t, const wf_rows *rows)
{
    int64_t now = trigger_now_ms();
    if (trigger_failed(t, rows, "reading the inbox"))
        return;
    t->batch = batch_create();
    t->has_more = rows->n_rows == INBOX_ROWS;
    for (size_t i = 0; i < rows->n_rows; i++) {
        const wf_str *row = rows->cells + i * rows->n_columns;
        int64_t at = strtoll(row[3].ptr ? row[3].ptr : "0", NULL, 10);
        trigger_take(t, row[1], row[2].ptr, row[2].len, at && at < now ? at : now);
    }
    router_tick(t->router, now);
    trigger_count(t);
    batch_fill(t, t->batch, rows, now);
    if (t->batch->n > 1) { /* more than the fence */
        trigger_write(t);
        return;
    }
    batch_free(t->batch);
    t->batch = NULL;
    trigger_rest(t);
}

static void trigger_look(struct trigger *t)
{
    wf_str engine = str_of(t->engine);
    wf_statement statement = { .pg = "SELECT seq, kind, body, at_ms FROM notify_inbox "
                                     "WHERE engine = $1 ORDER BY seq LIMIT 500",
                               .params = &engine,
                               .n_params = 1 };
    if (trigger_run(t, &statement, 1, trigger_on_inbox) != 0)
        t->is_busy = 0;
}

/* --- taking over ------------------------------------------------------------------------------ */

/* id, body */
static void trigger_on_outbox(struct trigger *t, const wf_rows *rows)
{
    if (trigger_failed(t, rows, "reading the outbox"))
        return;
    for (size_t i = 0; i < rows->n_rows; i++) {
        const wf_str *row = rows->cells + i * rows->n_columns;
        struct pending *p = memory_get(sizeof *p);
        p->id = memory_print("%.*s", (int)row[0].len, row[0].ptr);
        p->json = memory_print("%.*s", (int)row[1].len, row[1].ptr);
        p->tag = ++t->tags;
        pending_add(&t->due, p);
    }
    router_loaded(t->router, trigger_now_ms());
    t->phase = TRIGGER_WORKING;
    t->h->log(t->inst, WF_INFO, "notify.working", "%s: %zu alerts, %zu groups, %zu due", t->engine,
              router_alerts(t->router), router_groups(t->router), t->due.n);
    trigger_look(t);
}

/* key, body */
static void trigger_on_state(struct trigger *t, const wf_rows *rows)
{
    wf_str engine = str_of(t->engine);
    wf_statement statement = {
        .pg = "SELECT id, body FROM notify_outbox WHERE engine = $1 ORDER BY at_ms, id",
        .params = &engine,
        .n_params = 1
    };
    if (trigger_failed(t, rows, "reading the state"))
        return;
    for (size_t i = 0; i < rows->n_rows; i++) {
        const wf_str *row = rows->cells + i * rows->n_columns;
        json_t *body = json_loadb(row[1].ptr ? row[1].ptr : "", row[1].len, 0, NULL);
        char *key = memory_print("%.*s", (int)row[0].len, row[0].ptr);
        if (router_load(t->router, key, body) != 0)
            t->h->log(t->inst, WF_WARN, "notify.state", "'%s' is not taken back", key);
        json_decref(body);
        free(key);
    }
    trigger_run(t, &statement, 1, trigger_on_outbox);
}

static void trigger_on_owned(struct trigger *t, const wf_rows *rows)
{
    wf_str engine = str_of(t->engine);
    wf_statement statement = { .pg = "SELECT key, body FROM notify_state WHERE engine = $1",
                               .params = &engine,
                               .n_params = 1 };
    if (trigger_failed(t, rows, "taking over"))
        return;
    if (rows->n_rows && rows->cells[0].ptr)
        t->epoch = strtoll(rows->cells[0].ptr, NULL, 10);
    router_free(t->router);
    t->router = router_create(t->conf, trigger_emit, t);
    memset(t->counted, 0, sizeof t->counted);
    pending_free(&t->due);
    t->phase = TRIGGER_LOADING;
    trigger_run(t, &statement, 1, trigger_on_state);
}

static void trigger_own(struct trigger *t)
{
    wf_str engine = str_of(t->engine);
    wf_statement statement = { .pg = "INSERT INTO notify_owner (engine, epoch) VALUES ($1, 1) "
                                     "ON CONFLICT (engine) DO UPDATE SET epoch = "
                                     "notify_owner.epoch + 1 RETURNING epoch",
                               .params = &engine,
                               .n_params = 1 };
    t->phase = TRIGGER_OWNING;
    trigger_run(t, &statement, 1, trigger_on_owned);
}

/* A timer rang: the next thing to do, or the one that failed once more. */
static void trigger_go_on(struct trigger *t)
{
    if (t->phase == TRIGGER_OWNING || t->phase == TRIGGER_LOADING) {
        trigger_own(t);
    } else if (t->phase == TRIGGER_WORKING && !t->is_busy) {
        t->is_busy = 1;
        if (t->batch)
            trigger_write(t);
        else
            trigger_look(t);
    }
}

static int trigger_start(const wf_host *h, void *state, wf_source *source, wf_error *why)
{
    struct trigger *t = state;
    (void)h;
    (void)why;
    t->source = source;
    t->run++;
    t->is_busy = 0;
    batch_free(t->batch);
    t->batch = NULL;
    trigger_own(t);
    return 0;
}

static void trigger_stop(const wf_host *h, void *state)
{
    struct trigger *t = state;
    (void)h;
    t->source = NULL;
    t->run++;
    t->phase = TRIGGER_STOPPED;
    t->trouble[0] = 0;
    if (t->timer)
        t->loop->timer_stop(t->timer);
    t->timer = NULL;
}

static const char *trigger_trouble(const wf_host *h, void *state)
{
    const struct trigger *t = state;
    (void)h;
    return t->trouble[0] ? t->trouble : NULL;
}

const wf_trigger notify_trigger = { .size = sizeof(wf_trigger),
                                    .flags = WF_TRIGGER_SINGLE,
                                    .start = trigger_start,
                                    .stop = trigger_stop,
                                    .stored = trigger_stored,
                                    .room = trigger_room,
                                    .trouble = trigger_trouble };

void *trigger_open(const wf_host *h, wf_inst *inst, wf_error *why)
{
    static const char missing[] = "this engine lacks loop/1, sql/1 or trigger/1";
    const struct trigger_config *c = h->inst_config(inst);
    struct why reason;
    struct trigger *t = memory_get(sizeof *t);
    t->h = h;
    t->inst = inst;
    t->sql = h->service("sql/1");
    t->loop = h->service("loop/1");
    t->triggers = h->service("trigger/1");
    t->engine = memory_text(c->engine.ptr);
    t->poll_ms = c->poll_ms;
    t->phase = TRIGGER_STOPPED;
    t->conf = trigger_conf(h, c, &reason);
    if (t->conf && t->sql && t->loop && t->triggers)
        return t;
    snprintf(t->trouble, sizeof t->trouble, "%s", t->conf ? missing : reason.text);
    why->fault = WF_REJECTED;
    why->detail = t->conf ? str_of(missing) : str_of("the configuration is wrong");
    h->log(inst, WF_ERROR, "notify.configuration", "%s", t->trouble);
    trigger_free(t);
    return NULL;
}

void trigger_close(const wf_host *h, void *state)
{
    struct trigger *t = state;
    trigger_stop(h, t);
    t->is_closed = 1;
    if (!t->n_calls)
        trigger_free(t);
}
