/* SPDX-License-Identifier: Apache-2.0
 * Events of plugins' triggers: in by frames, acknowledged by frames.
 *
 *   accept() --> ring --> plugin_take --> engine --acknowledge--> ring --> stored(tags, n, 1)
 *                                            `----answer--------> queue -> ended(tag, json, error)
 *
 * The texts of one accept() are one piece of memory, counted by its events; the ring keeps their
 * tags in the order of the lane's positions, so nothing is allocated for a single event. The
 * plugin may call accept() from anywhere, also from within the engine's calls: events go to the
 * ring, and to the engine in the same round of the loop. Its own functions are never called from
 * within the engine, but by a timer.
 */
#include "trigger/plugin_int.h"
#include "base/clock.h"
#include <stdlib.h>
#include <string.h>

enum {
    WAITING_MAX = 8192, /* events that wait for the engine */
    WAITING_BYTES_MAX = 16 << 20,
    UNSTORED_MAX = 1 << 18, /* events that wait to be acknowledged */
    HAND_OVER = 64,         /* events in one call of the engine */
    TAGS = 256,
    ROOM_US = 20000, /* looks again whether there is room */
    WAITERS = 64,
};
enum { ENTRY_SEEN = 1u << 30 }; /* in flags: the journal had its place already */

struct slab {
    size_t refs;
};

struct event_text {
    struct slab *slab;
    char text[]; /* NUL-ended */
};

struct waiter {
    struct trigger_reply to; /* first: see trigger_answer() */
    struct wf_source *source;
    uint64_t tag;
    struct waiter *next_free;
};

struct ended_record {
    uint64_t tag;
    uint32_t json_len, error_len; /* each text is NUL-ended; no error: UINT32_MAX */
};

static void soon(struct wf_source *s)
{
    if (!timer_is_running(&s->soon))
        timer_start(s->trigger.host->loop, &s->soon, 0);
}

/* --- in --------------------------------------------------------------------------------------- */

static struct entry *at(const struct wf_source *s, uint64_t counter)
{
    return &s->entries[counter & s->mask];
}

static void grow(struct wf_source *s, size_t more)
{
    uint64_t need = s->tail - s->head + more, size = s->mask ? s->mask + 1 : 256;
    if (s->mask && need <= size)
        return;
    while (size < need)
        size *= 2;
    struct entry *entries = xmalloc(size * sizeof *entries);
    for (uint64_t c = s->head; c != s->tail; c++)
        entries[c & (size - 1)] = *at(s, c);
    free(s->entries);
    s->entries = entries;
    s->mask = size - 1;
}

static bool store_answers(const struct wf_source *s)
{
    const bool *up = s->trigger.host->store_up;
    return !up || *up || engine_plan_get(s->trigger.ep)->settings.durability == DURABILITY_NONE;
}

static bool has_room(const struct wf_source *s)
{
    return s->is_started && s->lane && store_answers(s) && s->tail - s->given < WAITING_MAX &&
           s->tail - s->head < UNSTORED_MAX && s->waiting_bytes < WAITING_BYTES_MAX &&
           engine_room(s->trigger.host->engine);
}

static size_t text_size(const wf_inbound *in)
{
    return (sizeof(struct event_text) + in->json.len + 1 + 7) & ~(size_t)7;
}

/* How many of them there is room for, and the memory they need. One fits in any case. */
static size_t count_fitting(const struct wf_source *s, const wf_inbound *events, size_t n,
                            size_t *size)
{
    size_t k = 0, room = WAITING_MAX - (s->tail - s->given), bytes = s->waiting_bytes;
    *size = sizeof(struct slab);
    for (; k < n && k < room && (!k || bytes + events[k].json.len <= WAITING_BYTES_MAX); k++) {
        bytes += events[k].json.len;
        *size += text_size(&events[k]);
    }
    return k;
}

size_t plugin_accept(struct wf_source *s, const wf_inbound *events, size_t n)
{
    size_t size;
    if (!n || !has_room(s)) {
        s->wants_room |= n > 0;
        return 0;
    }
    size_t taken = count_fitting(s, events, n, &size);
    grow(s, taken);
    struct slab *slab = xmalloc(size);
    char *next = (char *)(slab + 1);
    slab->refs = taken;
    for (size_t i = 0; i < taken; i++) {
        const wf_inbound *in = &events[i];
        struct event_text *text = (struct event_text *)(void *)next;
        next += text_size(in);
        text->slab = slab;
        if (in->json.len)
            memcpy(text->text, in->json.ptr, in->json.len);
        text->text[in->json.len] = 0;
        *at(s, s->tail++) = (struct entry){ .text = text,
                                            .tag = in->tag,
                                            .len = (uint32_t)in->json.len,
                                            .flags = in->flags & ~(uint32_t)ENTRY_SEEN };
        if (in->flags & WF_INBOUND_PLACED && in->tag >= s->place)
            s->place = in->tag + 1;
        s->waiting_bytes += in->json.len;
    }
    s->wants_room |= taken < n;
    soon(s);
    s->trigger.host->poke(s->trigger.host->ctx);
    return taken;
}

/* --- to the engine ---------------------------------------------------------------------------- */

static void text_release(void *event)
{
    struct slab *slab = ((struct event_text *)event)->slab;
    if (--slab->refs == 0)
        free(slab);
}

static int build(const struct lane *lane, void *event, struct arena *a, struct inbound_item **items,
                 size_t *n, struct err *err)
{
    (void)lane;
    const struct entry *e = event;
    struct json_error why;
    struct inbound_item *item = ARENA_NEW(a, struct inbound_item);
    if (json_parse(a, e->text->text, e->len, 0, &item->json, &why) != 0)
        return err_set(err, ERR_INVALID, "the trigger's event, byte %zu: %s", why.offset,
                       why.reason);
    if (item->json.type != JSON_OBJECT)
        return err_set(err, ERR_INVALID, "the trigger's event is no JSON object");
    *items = item;
    *n = 1;
    return 0;
}

static void on_answer(const struct engine_reply_out *reply);

static struct waiter *waiter_take(struct wf_source *s, uint64_t tag)
{
    if (!s->free_waiters) {
        struct waiter *slab = xcalloc(WAITERS, sizeof *slab);
        s->waiter_slabs =
            xrealloc(s->waiter_slabs, (s->n_waiter_slabs + 1) * sizeof *s->waiter_slabs);
        s->waiter_slabs[s->n_waiter_slabs++] = slab;
        for (unsigned i = 0; i < WAITERS; i++) {
            slab[i] = (struct waiter){ { on_answer }, s, 0, s->free_waiters };
            s->free_waiters = &slab[i];
        }
    }
    struct waiter *w = s->free_waiters;
    s->free_waiters = w->next_free;
    w->tag = tag;
    return w;
}

static bool wants_end(const struct wf_source *s, const struct entry *e)
{
    return e->tag && (e->flags & WF_INBOUND_ENDED) && s->calls->ended;
}

/* False: it was seen; nothing of it goes to the engine. */
static bool to_inbound(struct wf_source *s, struct entry *e, struct inbound *in)
{
    bool placed = e->flags & WF_INBOUND_PLACED && s->is_single;
    s->waiting_bytes -= e->len;
    if (placed && e->tag < s->next) {
        e->flags |= ENTRY_SEEN;
        text_release(e->text);
        soon(s);
        return false;
    }
    if (!placed && s->next < s->own)
        s->next = s->own;
    e->position = placed ? e->tag : s->next;
    s->next = e->position + 1;
    *in = (struct inbound){ .lane = s->lane,
                            .position = e->position,
                            .event = e,
                            .raw = { e->text->text, e->len },
                            .reply = wants_end(s, e) ? waiter_take(s, e->tag) : NULL,
                            .answer_data = ANSWER_ITEM,
                            .build = build,
                            .release = text_release,
                            .keep = e->text };
    return true;
}

static size_t hand_over(struct wf_source *s, size_t room)
{
    size_t done = 0;
    while (s->lane && s->given != s->tail && done < room) {
        struct inbound in[HAND_OVER];
        size_t n = 0;
        for (; s->given != s->tail && n < HAND_OVER && n < room - done; s->given++)
            n += to_inbound(s, at(s, s->given), &in[n]);
        engine_accept(s->trigger.host->engine, in, n);
        done += n;
    }
    return done;
}

static void tell_room(struct wf_source *s)
{
    if (!s->wants_room || !has_room(s))
        return;
    s->wants_room = false;
    if (s->calls->room)
        s->calls->room(s->host, s->state);
}

size_t plugin_take(struct trigger *t, size_t room)
{
    struct wf_source *s = source_of(t);
    size_t n = hand_over(s, room);
    tell_room(s);
    return n;
}

/* --- back ------------------------------------------------------------------------------------- */

void plugin_acknowledge(struct trigger *t, struct lane *lane, uint64_t position)
{
    struct wf_source *s = source_of(t);
    (void)lane;
    if (position <= s->acked)
        return;
    s->acked = position;
    soon(s);
}

/* Those at the head that are durable; `all`: whatever they are. */
static void tell_stored(struct wf_source *s, bool all, int ok)
{
    uint64_t tags[TAGS];
    for (bool more = true; more;) {
        size_t n = 0;
        for (more = false; s->head != s->given; s->head++) {
            const struct entry *e = at(s, s->head);
            if (!all && !(e->flags & ENTRY_SEEN) && e->position >= s->acked)
                break;
            if ((more = n == TAGS))
                break;
            tags[n] = e->tag;
            n += e->tag != 0;
        }
        if (n && s->calls->stored)
            s->calls->stored(s->host, s->state, tags, n, ok);
    }
}

static void on_answer(const struct engine_reply_out *reply)
{
    struct waiter *w = reply->handle;
    struct wf_source *s = w->source;
    bool ok = reply->status == 200;
    wf_str json = ok ? reply->body : (wf_str){ "", 0 };
    struct ended_record r = { w->tag, (uint32_t)json.len,
                              ok ? UINT32_MAX : (uint32_t)reply->error.len };
    strbuf_add(&s->ended, (const char *)&r, sizeof r);
    strbuf_add(&s->ended, json.ptr, json.len);
    strbuf_addc(&s->ended, 0);
    if (!ok) {
        strbuf_add(&s->ended, reply->error.ptr, reply->error.len);
        strbuf_addc(&s->ended, 0);
    }
    w->next_free = s->free_waiters;
    s->free_waiters = w;
    soon(s);
}

static void tell_ended(struct wf_source *s)
{
    struct strbuf told = s->ended; /* more may come meanwhile */
    strbuf_init(&s->ended, told.cap);
    for (size_t i = 0; i < told.len;) {
        struct ended_record r;
        memcpy(&r, told.ptr + i, sizeof r);
        i += sizeof r;
        wf_str json = { told.ptr + i, r.json_len };
        i += r.json_len + 1u;
        const char *error = NULL;
        if (r.error_len != UINT32_MAX) {
            error = told.ptr + i;
            i += r.error_len + 1u;
        }
        s->calls->ended(s->host, s->state, r.tag, json, error);
    }
    strbuf_fini(&told);
}

/* What is not the engine's goes nowhere; what is was dropped with the lane. */
static void drop_rest(struct wf_source *s)
{
    for (; s->given != s->tail; s->given++)
        text_release(at(s, s->given)->text);
    s->waiting_bytes = 0;
    tell_stored(s, true, 0);
}

void plugin_events_flush(struct wf_source *s)
{
    hand_over(s, engine_room(s->trigger.host->engine));
    tell_stored(s, false, 1);
    tell_ended(s);
    if (!s->lane)
        drop_rest(s);
}

static void on_soon(void *arg)
{
    struct wf_source *s = arg;
    tell_stored(s, false, 1);
    tell_ended(s);
    if (!s->lane) {
        drop_rest(s);
        if (s->is_single) /* another engine runs it now */
            plugin_halt(s);
    }
    tell_room(s);
    if (s->stopping) {
        plugin_finish(s);
        return;
    }
    if (s->given != s->tail)
        s->trigger.host->poke(s->trigger.host->ctx);
    if (s->wants_room || s->given != s->tail)
        timer_start(s->trigger.host->loop, &s->soon, ROOM_US);
}

/* Positions are the names of executions, and of what these do outside. An earlier owner may have
 * used more of them than the store knows, so each owner has numbers of its own; unless the source
 * itself places its events. */
void plugin_events_opened(struct wf_source *s)
{
    enum { EVENTS_OF_AN_OWNER_BITS = 40 };
    uint64_t next = lane_id(s->lane).position;
    uint64_t own = s->epoch ? (s->epoch - 1) << EVENTS_OF_AN_OWNER_BITS : (uint64_t)clock_wall_us();
    bool has_places = s->is_single && lane_durability(s->lane) >= DURABILITY_EXACTLY_ONCE;
    s->acked = next;
    s->place = has_places ? next : 0;
    s->next = next;
    s->own = own;
    if (s->is_single && s->epoch > 1 && engine_lane_keeps_begun(s->lane))
        engine_lane_taken(s->lane, UINT64_MAX);
}

uint64_t plugin_place(struct wf_source *s) { return s->place; }

void plugin_events_init(struct wf_source *s)
{
    enum { ENDED_MAX = 1 << 30 };
    s->soon = (struct timer){ .fn = on_soon, .arg = s };
    strbuf_init(&s->ended, ENDED_MAX);
}

void plugin_events_free(struct wf_source *s)
{
    for (unsigned i = 0; i < s->n_waiter_slabs; i++)
        free(s->waiter_slabs[i]);
    free(s->waiter_slabs);
    free(s->entries);
    strbuf_fini(&s->ended);
}
