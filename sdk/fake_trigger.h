/* SPDX-License-Identifier: Apache-2.0
 * fake_trigger.h - the engine's side of trigger nodes (wf_trigger, service "trigger/1") for unit
 * tests of plugins. Header only; beside fake_host.h.
 *
 *     #include "../lines.c"
 *     #include <catalyst/fake_trigger.h>
 *
 *     struct fake *f = fake_create(&wf_plugin_entry, "acme.lines");
 *     fake_trigger(f);                          (before fake_start: open() asks for the service)
 *     fake_start(f, "{\"port\":4000}");         (binds, opens)
 *     assert(fake_trigger_start(f) == 0);       (start(): from now on it may accept())
 *     ... what makes the plugin give events ...
 *     assert(!strcmp(fake_event(f, 0)->json, "{\"line\":\"one\"}"));
 *     fake_stored(f, 1, 1);                     (the commit: stored() of the oldest event)
 *     fake_trigger_stop(f);                     (else fake_destroy does it)
 *
 * Life
 *   fake_trigger_start(f)       0; -1: it does not start, see fake_error(), fake_trigger_fault()
 *   fake_trigger_stop(f)
 *   fake_trouble(f)             what trouble() says, or NULL
 * Events
 *   fake_place(f, place)        what place() says: the journal has all below (WF_INBOUND_PLACED)
 *   fake_room(f, n)             so many more are taken, then accept() takes fewer; where it did so
 *                               before, room() is called. Without it all are taken
 *   fake_events(f)              how many were taken
 *   fake_event(f, i)            one of them: json (an object), value, tag, flags, seen
 *   fake_stored(f, n, ok)       tells stored() of the n oldest it was not told of; 0: of all
 *   fake_event_ended(f, i, json, error)   tells ended() of one that asked for it
 * Requests of the trigger
 *   fake_asked(f), fake_ask(f, i)         how many, and one: a struct fake_request
 *   fake_ask_answer(f, status, body)      answers the oldest that waits; -1: none does
 *   fake_ask_reply(f, &reply)             the same, with all that a reply may hold
 */
#ifndef WF_FAKE_TRIGGER_H
#define WF_FAKE_TRIGGER_H
#include "fake_host.h"

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wshadow"

struct fake_event {
    const char *json;
    const wf_value *value;
    uint64_t tag;
    uint32_t flags;
    int seen;    /* its place was taken already: the engine does not run it */
    int told;    /* stored() was called for it: 1 with ok, -1 without */
    int has_end; /* ended() was */
};

struct fake_ask {
    struct fake_request request; /* first */
    wf_source_fn *fn;
    void *arg;
};

/* What the plugin knows as its source. */
struct wf_source {
    struct fake *fake;
    int runs, had_no_room, has_limit;
    size_t room;
    uint64_t place;
    wf_fault fault;
    struct fake_array events, asks;
};

static inline struct wf_source *fake_source_of(struct fake *f)
{
    if (!f->trigger) {
        fprintf(stderr, "fake host: fake_trigger() was not called\n");
        abort();
    }
    return f->trigger;
}

static inline const wf_trigger *fake_trigger_calls(const struct fake *f)
{
    if (!f->node->trigger || !(f->node->flags & WF_NODE_TRIGGER)) {
        fprintf(stderr, "fake host: node '%s' has no wf_trigger with WF_NODE_TRIGGER\n",
                f->node->type);
        abort();
    }
    return f->node->trigger;
}

/* --- service "trigger/1" ---------------------------------------------------------------------- */

static inline void fake_take_event(struct wf_source *s, const wf_inbound *in)
{
    struct fake *f = s->fake;
    const char *why = NULL;
    struct fake_event *e = fake_add(f, &s->events, sizeof *e);
    wf_str copy = fake_str(&f->heap, in->json.ptr ? in->json.ptr : "", in->json.len);
    *e = (struct fake_event){ .json = copy.ptr, .tag = in->tag, .flags = in->flags };
    e->value = fake_parse(&f->heap, copy.ptr, copy.len, &why);
    if (!e->value)
        fake_wrong_use(f, "event %zu is no JSON: %s", s->events.n - 1, why);
    else if (fake_type(e->value) != WF_JSON_OBJECT)
        fake_wrong_use(f, "event %zu is no JSON object: %s", s->events.n - 1, copy.ptr);
    if (in->flags & WF_INBOUND_PLACED && !(f->node->trigger->flags & WF_TRIGGER_SINGLE))
        fake_wrong_use(f, "event %zu names its place, and the trigger is not WF_TRIGGER_SINGLE",
                       s->events.n - 1);
    if (in->flags & WF_INBOUND_PLACED && in->tag >= s->place)
        s->place = in->tag + 1;
    else if (in->flags & WF_INBOUND_PLACED)
        e->seen = 1;
    if (in->flags & ~(uint32_t)(WF_INBOUND_ENDED | WF_INBOUND_PLACED) || in->reserved)
        fake_wrong_use(f, "event %zu: unknown flags, or reserved is not 0", s->events.n - 1);
    if (in->flags & WF_INBOUND_ENDED && !in->tag)
        fake_wrong_use(f, "event %zu wants ended() and has no tag", s->events.n - 1);
}

static inline size_t fake_accept(struct wf_source *s, const wf_inbound *events, size_t n)
{
    if (!s->runs) {
        fake_wrong_use(s->fake, "accept() before start() or after stop()");
        return 0;
    }
    size_t taken = s->has_limit && n > s->room ? s->room : n;
    for (size_t i = 0; i < taken; i++)
        fake_take_event(s, &events[i]);
    if (s->has_limit)
        s->room -= taken;
    s->had_no_room |= taken < n;
    return taken;
}

static inline int fake_source_request(struct wf_source *s, const wf_request *r, wf_source_fn *fn,
                                      void *arg)
{
    struct fake *f = s->fake;
    if (!s->runs || r->upload || r->flags & WF_REQ_DOWNLOAD) {
        fake_wrong_use(f, "a trigger's request() while it is stopped, or with a blob");
        return -1;
    }
    if (!r->url)
        fake_wrong_use(f, "a trigger's request() without a URL");
    struct fake_ask *ask = fake_add(f, &s->asks, sizeof *ask);
    *ask =
        (struct fake_ask){ .request = { .method =
                                            r->method ? fake_strdup(&f->heap, r->method) : "GET",
                                        .url = fake_strdup(&f->heap, r->url ? r->url : ""),
                                        .proxy = r->proxy ? fake_strdup(&f->heap, r->proxy) : NULL,
                                        .body = fake_copy(f, r->body),
                                        .headers = fake_pairs(f, r->headers),
                                        .cred = r->cred,
                                        .timeout_ms = r->timeout_ms,
                                        .max_redirects = r->max_redirects,
                                        .flags = r->flags,
                                        .max_bytes = r->max_bytes },
                           .fn = fn,
                           .arg = arg };
    return 0;
}

static inline uint64_t fake_source_place(struct wf_source *s) { return s->place; }

static inline void fake_trigger(struct fake *f)
{
    static const wf_triggers service = { sizeof service, fake_accept, fake_source_request,
                                         fake_source_place };
    struct wf_source *s = fake_alloc(&f->heap, sizeof *s);
    fake_trigger_calls(f);
    s->fake = f;
    f->trigger = s;
    fake_service(f, "trigger/1", &service);
}

/* --- life ------------------------------------------------------------------------------------- */

static inline void fake_trigger_stop(struct fake *f)
{
    struct wf_source *s = fake_source_of(f);
    if (!s->runs)
        return;
    fake_trigger_calls(f)->stop(&f->host, f->state);
    s->runs = 0;
    f->before_close = NULL;
    for (size_t i = 0; i < s->asks.n; i++) /* canceled */
        ((struct fake_ask *)s->asks.at[i])->request.answered = 1;
}

static inline int fake_trigger_start(struct fake *f)
{
    struct wf_source *s = fake_source_of(f);
    wf_error why = { .size = sizeof why };
    s->runs = 1;
    if (fake_trigger_calls(f)->start(&f->host, f->state, s, &why) != 0) {
        s->runs = 0;
        s->fault = why.fault;
        f->error = why.detail.ptr ? fake_copy(f, why.detail).ptr : "start() refused without detail";
        if (!why.fault)
            fake_wrong_use(f, "start() failed and set no fault");
        return -1;
    }
    f->before_close = fake_trigger_stop;
    return 0;
}

static inline wf_fault fake_trigger_fault(struct fake *f) { return fake_source_of(f)->fault; }

static inline const char *fake_trouble(struct fake *f)
{
    const wf_trigger *t = fake_trigger_calls(f);
    return t->trouble ? t->trouble(&f->host, f->state) : NULL;
}

/* --- events ----------------------------------------------------------------------------------- */

static inline size_t fake_events(struct fake *f) { return fake_source_of(f)->events.n; }

static inline struct fake_event *fake_event(struct fake *f, size_t i)
{
    struct wf_source *s = fake_source_of(f);
    if (i >= s->events.n) {
        fprintf(stderr, "fake host: there is no event %zu, there are %zu\n", i, s->events.n);
        abort();
    }
    return s->events.at[i];
}

static inline void fake_room(struct fake *f, size_t n)
{
    struct wf_source *s = fake_source_of(f);
    const wf_trigger *t = fake_trigger_calls(f);
    s->has_limit = 1;
    s->room = n;
    if (!n || !s->had_no_room || !s->runs)
        return;
    s->had_no_room = 0;
    if (t->room)
        t->room(&f->host, f->state);
}

static inline void fake_place(struct fake *f, uint64_t place) { fake_source_of(f)->place = place; }

static inline void fake_stored(struct fake *f, size_t n, int ok)
{
    struct wf_source *s = fake_source_of(f);
    const wf_trigger *t = fake_trigger_calls(f);
    uint64_t *tags = fake_alloc(&f->heap, (s->events.n + 1) * sizeof *tags);
    size_t n_tags = 0, seen = 0;
    for (size_t i = 0; i < s->events.n && (!n || seen < n); i++) {
        struct fake_event *e = s->events.at[i];
        if (e->told)
            continue;
        seen++;
        e->told = ok ? 1 : -1;
        if (e->tag)
            tags[n_tags++] = e->tag;
    }
    if (n_tags && t->stored)
        t->stored(&f->host, f->state, tags, n_tags, ok);
}

static inline void fake_event_ended(struct fake *f, size_t i, const char *json, const char *error)
{
    struct fake_event *e = fake_event(f, i);
    const wf_trigger *t = fake_trigger_calls(f);
    if (!(e->flags & WF_INBOUND_ENDED) || e->has_end) {
        fprintf(stderr, "fake host: event %zu did not ask for ended(), or has it\n", i);
        abort();
    }
    e->has_end = 1;
    if (t->ended)
        t->ended(&f->host, f->state, e->tag, fake_str(&f->heap, json, strlen(json)), error);
}

/* --- requests --------------------------------------------------------------------------------- */

static inline size_t fake_asked(struct fake *f) { return fake_source_of(f)->asks.n; }

static inline const struct fake_request *fake_ask(struct fake *f, size_t i)
{
    struct wf_source *s = fake_source_of(f);
    if (i >= s->asks.n) {
        fprintf(stderr, "fake host: there is no request %zu, there are %zu\n", i, s->asks.n);
        abort();
    }
    return s->asks.at[i];
}

static inline int fake_ask_reply(struct fake *f, const wf_reply *reply)
{
    static const wf_pair none = { NULL, NULL };
    struct wf_source *s = fake_source_of(f);
    for (size_t i = 0; i < s->asks.n; i++) {
        struct fake_ask *ask = s->asks.at[i];
        if (ask->request.answered)
            continue;
        wf_reply r = *reply;
        r.size = sizeof r;
        r.headers = r.headers ? r.headers : &none;
        r.url = r.url ? r.url : ask->request.url;
        ask->request.answered = 1;
        ask->fn(&f->host, ask->arg, &r);
        return 0;
    }
    return -1;
}

static inline int fake_ask_answer(struct fake *f, int status, const char *body)
{
    wf_reply r = { .status = status, .body = { body, strlen(body) } };
    if (!status)
        r.error = body;
    return fake_ask_reply(f, &r);
}

#pragma GCC diagnostic pop
#endif
