/* SPDX-License-Identifier: Apache-2.0
 * The schedule trigger: rules in the workflow's time zone, each fire time run once however many
 * engines there are.
 *
 * A schedule is one lane (partition 0) whose positions are fire times in milliseconds: the position
 * in the store is the last fire time plus one. Worker 0 of every engine has a timer. When a fire
 * time is due it looks at the lane in the store, which costs one read and disturbs nobody:
 *
 *   ours                            fire: the execution's commit moves the position under our epoch
 *   nobody's, or its owner is dead  take the lane, then fire what its position has not seen yet
 *   another's, who lives            wait 500 ms and a bit, look again; fired already: done;
 *                                   not fired: take the lane
 *
 * The race that is left: an owner that was held up between its look and its commit for longer than
 * that wait. Then both run the same fire time, and the epoch decides: the commit of the one that
 * lost the lane hits no row, and its execution is dropped with everything that was to leave with
 * the commit. Requests that a node sent meanwhile are sent; they carry the same idempotency key.
 *
 * Durability none and at_least_once keep no position. There the owner fires and the others wait for
 * its death.
 *
 * What is late by more than LATE_MS is a misfire (an engine that stood still, a clock that jumped,
 * a store that was away): skipped, or with misfire "once" the latest of them runs once.
 *
 * Thread: worker 0's. Nothing blocks but reading the zone's file at start.
 */
#include "trigger/cron_int.h"
#include "trigger/trigger_int.h"
#include "base/clock.h"
#include "base/log.h"
#include "json/json.h"
#include "loop/loop.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    LATE_MS = 5000,
    GRACE_MS = 500,       /* and up to as much again, at random */
    SLEEP_MAX_MS = 30000, /* the wall clock may jump: look at it from time to time */
    SILENT_MS = 3000,     /* an owner without heartbeat for so long is dead */
    AGAIN_MS = 1000,      /* after trouble */
    ROOM_MS = 50,         /* the engine is full */
};

enum step {
    STEP_START = 1, /* is the lane ours, was something missed? */
    STEP_WAIT,      /* until due_ms */
    STEP_DUE,       /* due_ms has come */
    STEP_GRACE,     /* due_ms has come; another engine has the lane */
};

struct schedule {
    struct trigger trigger;
    const struct wf_schedule_trigger *config;
    struct zone *zone;
    wf_cron_bits *rules;
    size_t n_rules;
    struct lane *lane;
    struct lane_open *opening;
    struct timer timer;
    enum step step;
    int64_t due_ms;   /* -1: never */
    int64_t since_ms; /* a lane without position: nothing before this was missed */
    bool asking;      /* the store owes an answer that comes to us */
    bool had_owner;   /* the lane, before it was taken */
    bool idle;        /* not worker 0 */
    bool stopping;
    void (*gone)(void *ctx);
    void *gone_ctx;
};

static struct schedule *of(struct trigger *t) { return (struct schedule *)t; }

static int64_t now_ms(void) { return clock_wall_us() / 1000; }

static bool has_journal(const struct schedule *s)
{
    return engine_plan_get(s->trigger.ep)->settings.durability >= DURABILITY_EXACTLY_ONCE;
}

static void look(struct schedule *s);
static void finish_stop(struct schedule *s);

/* --- times ------------------------------------------------------------------------------------ */

/* The first fire time of all rules after that; -1: never. */
static int64_t next_fire(const struct schedule *s, int64_t after_ms)
{
    int64_t first = -1;
    for (size_t i = 0; i < s->n_rules; i++) {
        int64_t next = cron_next(&s->rules[i], s->zone, after_ms);
        if (next >= 0 && (first < 0 || next < first))
            first = next;
    }
    return first;
}

static bool fires_between(const struct schedule *s, int64_t after_ms, int64_t until_ms)
{
    int64_t next = next_fire(s, after_ms);
    return next >= 0 && next <= until_ms;
}

/* The latest fire time in (after, until]; -1: none. */
static int64_t latest_fire(const struct schedule *s, int64_t after_ms, int64_t until_ms)
{
    if (!fires_between(s, after_ms, until_ms))
        return -1;
    int64_t low = after_ms, high = until_ms; /* one lies after low, none after high */
    while (high - low > 1) {
        int64_t mid = low + (high - low) / 2;
        if (fires_between(s, mid, until_ms))
            low = mid;
        else
            high = mid;
    }
    return next_fire(s, low);
}

static void sleep_ms(struct schedule *s, int64_t ms)
{
    timer_start(s->trigger.host->loop, &s->timer, (ms > 0 ? ms : 0) * 1000);
}

static void wait_next(struct schedule *s)
{
    int64_t now = now_ms();
    s->step = STEP_WAIT;
    s->due_ms = next_fire(s, now);
    if (s->due_ms < 0)
        timer_stop(s->trigger.host->loop, &s->timer);
    else
        sleep_ms(s, s->due_ms - now < SLEEP_MAX_MS ? s->due_ms - now : SLEEP_MAX_MS);
}

static void on_timer(void *arg)
{
    struct schedule *s = arg;
    int64_t now = now_ms();
    if (s->step == STEP_WAIT && now < s->due_ms) {
        int64_t next = next_fire(s, now); /* nearer than due when the clock went back */
        if (next >= 0 && next < s->due_ms)
            s->due_ms = next;
        sleep_ms(s, s->due_ms - now < SLEEP_MAX_MS ? s->due_ms - now : SLEEP_MAX_MS);
        return;
    }
    if (s->step == STEP_WAIT)
        s->step = STEP_DUE;
    look(s);
}

/* --- the item --------------------------------------------------------------------------------- */

struct moment {
    wf_date d;
    int weekday;
    int64_t offset_s;
    const char *zone;
};

static const char *ending(int n)
{
    if (n / 10 == 1)
        return "th";
    return n % 10 == 1 ? "st" : n % 10 == 2 ? "nd" : n % 10 == 3 ? "rd" : "th";
}

static struct moment moment_of(const struct zone *z, int64_t ms)
{
    struct moment m = { .offset_s = zone_offset(z, wf_date_floor(ms, 1000)), .zone = zone_name(z) };
    m.d = wf_date_of_ms(ms + m.offset_s * 1000);
    m.weekday = (int)((wf_date_days(m.d.year, m.d.month, m.d.day) + 4) % 7);
    return m;
}

static struct json text(struct arena *a, wf_str s) { return json_of_str(a, s.ptr, s.len); }

/* n8n's fields, all of them text. */
static struct json moment_item(struct arena *a, const struct moment *m)
{
    static const char *const months[] = { "January",   "February", "March",    "April",
                                          "May",       "June",     "July",     "August",
                                          "September", "October",  "November", "December" };
    static const char *const weekdays[] = { "Sunday",   "Monday", "Tuesday", "Wednesday",
                                            "Thursday", "Friday", "Saturday" };
    const wf_date *d = &m->d;
    int year = (int)d->year, offset = (int)(m->offset_s < 0 ? -m->offset_s : m->offset_s) / 60;
    wf_str zone =
        arena_printf(a, "%c%02d:%02d", m->offset_s < 0 ? '-' : '+', offset / 60, offset % 60);
    wf_str time = arena_printf(a, "%d:%02d:%02d %s", (d->hour + 11) % 12 + 1, d->minute, d->second,
                               d->hour < 12 ? "am" : "pm");
    const struct {
        const char *name;
        wf_str value;
    } fields[] = {
        { "timestamp", arena_printf(a, "%04d-%02d-%02dT%02d:%02d:%02d.%03d%s", year, d->month,
                                    d->day, d->hour, d->minute, d->second, d->ms, zone.ptr) },
        { "Readable date", arena_printf(a, "%s %d%s %04d, %s", months[d->month - 1], d->day,
                                        ending(d->day), year, time.ptr) },
        { "Readable time", time },
        { "Day of week", str_of(weekdays[m->weekday]) },
        { "Year", arena_printf(a, "%04d", year) },
        { "Month", str_of(months[d->month - 1]) },
        { "Day of month", arena_printf(a, "%02d", d->day) },
        { "Hour", arena_printf(a, "%02d", d->hour) },
        { "Minute", arena_printf(a, "%02d", d->minute) },
        { "Second", arena_printf(a, "%02d", d->second) },
        { "Timezone", arena_printf(a, "%s (UTC%s)", m->zone, zone.ptr) },
    };
    struct json_member *members;
    struct json item = json_object(a, sizeof fields / sizeof *fields, &members);
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        members[i].key = json_of_str_borrow(str_of(fields[i].name));
        members[i].value = text(a, fields[i].value);
    }
    return item;
}

static int build(const struct lane *lane, void *event, struct arena *a, struct inbound_item **items,
                 size_t *n, struct err *err)
{
    (void)lane, (void)err;
    *items = ARENA_NEW(a, struct inbound_item);
    (*items)->json = moment_item(a, event);
    *n = 1;
    return 0;
}

/* --- firing ----------------------------------------------------------------------------------- */

static void fire(struct schedule *s, int64_t at_ms)
{
    struct trigger_host *host = s->trigger.host;
    struct moment m = moment_of(s->zone, at_ms);
    struct arena a;
    char room[4096];
    arena_init(&a, room, sizeof room);
    struct json item = moment_item(&a, &m);
    wf_str raw = json_text(&a, &item);
    char *kept = memcpy(xmalloc(raw.len + 1), raw.ptr, raw.len);
    kept[raw.len] = 0;
    struct inbound in = { .lane = s->lane,
                          .position = (uint64_t)at_ms,
                          .event = &m,
                          .raw = { kept, raw.len },
                          .build = build,
                          .release = free,
                          .keep = kept };
    engine_accept(host->engine, &in, 1);
    arena_fini(&a);
    host->poke(host->ctx);
}

/* The lane is ours: fires what is due and was not fired yet. */
static void settle(struct schedule *s)
{
    int64_t now = now_ms(), position = (int64_t)lane_id(s->lane).position;
    int64_t from = has_journal(s) || position > s->since_ms ? position : 0;
    int64_t at = latest_fire(s, (from ? from : s->since_ms) - 1, now);
    if (at >= 0 && now - at > LATE_MS && !s->config->misfire) {
        log_warn("schedule", "misfire", "workflow '%s': a time %lld s ago was missed",
                 engine_plan_get(s->trigger.ep)->name, (long long)(now - at) / 1000);
        at = -1;
    }
    if (at >= 0 && !engine_room(s->trigger.host->engine)) {
        s->step = STEP_DUE;
        sleep_ms(s, ROOM_MS);
        return;
    }
    if (at >= 0)
        fire(s, at);
    s->since_ms = now + 1; /* for a lane that keeps no position: all up to now is done with */
    wait_next(s);
}

/* --- the lane --------------------------------------------------------------------------------- */

static void on_lane_ready(void *user, struct lane *lane, const struct err *err)
{
    struct schedule *s = user;
    s->opening = NULL;
    s->lane = lane;
    if (lane) {
        /* The owner before us may have run a fire time and died before its commit. */
        engine_lane_taken(lane, s->had_owner ? (uint64_t)now_ms() : 0);
        settle(s);
        return;
    }
    log_error("schedule", "lane", "workflow '%s': %s", engine_plan_get(s->trigger.ep)->name,
              err->text);
    sleep_ms(s, AGAIN_MS);
}

static void on_lane_assigned(void *user, const struct store_lane *at)
{
    ((struct schedule *)user)->had_owner = at->epoch > 1;
}

static void on_lane_dropped(void *user)
{
    struct schedule *s = user;
    s->opening = NULL;
    finish_stop(s);
}

static void open_lane(struct schedule *s)
{
    struct lane_open_config config = { .trigger = &s->trigger,
                                       .user = s,
                                       .assigned = on_lane_assigned,
                                       .ready = on_lane_ready,
                                       .dropped = on_lane_dropped };
    struct lane_open *opening = lane_open_start(&config);
    if (!s->lane)
        s->opening = opening;
}

static void on_claimed(void *ctx, const struct store_lane *lane, const struct err *err)
{
    struct schedule *s = ctx;
    s->asking = false;
    if (s->stopping) {
        finish_stop(s);
    } else if (lane) {
        open_lane(s);
    } else {
        log_error("schedule", "lane", "workflow '%s': %s", engine_plan_get(s->trigger.ep)->name,
                  err->text);
        sleep_ms(s, AGAIN_MS);
    }
}

static void take(struct schedule *s)
{
    struct trigger_host *host = s->trigger.host;
    struct lane *heir = engine_lane_find(host->engine, s->trigger.source, 0);
    if (heir) /* it came here from an engine that died */
        engine_lane_drop(host->engine, heir, false);
    if (engine_lane_find(host->engine, s->trigger.source, 0)) { /* its commit is in flight */
        sleep_ms(s, ROOM_MS);
        return;
    }
    if (engine_plan_get(s->trigger.ep)->settings.durability != DURABILITY_NONE) {
        open_lane(s);
        return;
    }
    s->asking = true; /* such a lane is not assigned by lane_open: say whose it is */
    store_assign(host->session, s->trigger.source, 0, 0, on_claimed, s);
}

static void give_up(struct schedule *s)
{
    struct lane *lane = s->lane;
    if (lane)
        engine_lane_drop(s->trigger.host->engine, lane, false);
}

/* Another engine has the lane, and lives. */
static void on_foreign(struct schedule *s, const struct store_peek *peek)
{
    bool fired = (int64_t)peek->position > s->due_ms;
    if (s->step == STEP_START) {
        int64_t from = (int64_t)peek->position - 1, now = now_ms();
        if (has_journal(s) && s->config->misfire && peek->position &&
            latest_fire(s, from, now - LATE_MS) >= 0)
            take(s);
        else
            wait_next(s);
    } else if (s->step == STEP_DUE) {
        give_up(s);
        s->step = STEP_GRACE;
        sleep_ms(s, GRACE_MS + clock_mono_us() % GRACE_MS);
    } else if (fired || !has_journal(s)) {
        wait_next(s);
    } else {
        take(s);
    }
}

static void on_peek(void *ctx, const struct store_peek *peek)
{
    struct schedule *s = ctx;
    s->asking = false;
    if (s->stopping) {
        finish_stop(s);
        return;
    }
    bool ours = !peek || (peek->found && peek->owner == s->trigger.host->instance);
    if (!ours && peek->found && peek->owner_lives) {
        on_foreign(s, peek);
        return;
    }
    if (!ours) /* its owner is dead, or a lane of ours is gone from the store */
        give_up(s);
    if (s->lane)
        settle(s);
    else
        take(s);
}

static void look(struct schedule *s)
{
    struct trigger_host *host = s->trigger.host;
    if (s->asking || s->opening)
        return; /* under way */
    s->asking = true;
    if (!store_peek(host->session, s->trigger.source, 0, SILENT_MS, on_peek, s))
        on_peek(s, NULL);
}

/* --- the trigger ------------------------------------------------------------------------------ */

static int read_rules(struct schedule *s, struct err *err)
{
    const struct plan *plan = engine_plan_get(s->trigger.ep);
    const struct wf_schedule_trigger *c = plan->nodes[s->trigger.node].params.base;
    const struct wf_schedule_rule *rows = c->rules.rows;
    wf_cron_bits *rules = xcalloc(c->rules.n + 1, sizeof *rules);
    struct zone *zone = zone_open(plan->settings.timezone, err);
    int rc = zone ? 0 : -1;
    for (size_t i = 0; i < c->rules.n && rc == 0; i++)
        rc = cron_of_rule(&rows[i], &rules[i], err);
    if (rc != 0) {
        zone_close(zone);
        free(rules);
        return -1;
    }
    zone_close(s->zone);
    free(s->rules);
    s->zone = zone;
    s->rules = rules;
    s->n_rules = c->rules.n;
    s->config = c;
    return 0;
}

static void schedule_free(struct schedule *s)
{
    zone_close(s->zone);
    free(s->rules);
    free(s);
}

static struct trigger *start(struct trigger_host *host, struct engine_plan *ep, uint32_t node,
                             uint32_t source, struct err *err)
{
    struct schedule *s = xcalloc(1, sizeof *s);
    s->trigger = (struct trigger){
        .self = &s->trigger, .host = host, .ep = ep, .node = node, .source = source
    };
    s->timer = (struct timer){ .fn = on_timer, .arg = s };
    s->idle = host->worker != 0;
    s->since_ms = now_ms();
    s->due_ms = -1;
    if (read_rules(s, err) != 0) {
        schedule_free(s);
        return NULL;
    }
    if (!s->idle) {
        s->step = STEP_START;
        sleep_ms(s, 0); /* not from inside start: an answer may come at once */
    }
    return &s->trigger;
}

static void replace(struct trigger *t, struct engine_plan *ep, uint32_t node)
{
    struct schedule *s = of(t);
    struct err err;
    t->ep = ep;
    t->node = node;
    s->config = engine_plan_get(ep)->nodes[node].params.base;
    if (s->lane)
        lane_set_plan(s->lane, ep, node);
    if (read_rules(s, &err) != 0) /* the time zone may be another one */
        log_error("schedule", "zone", "workflow '%s': %s", engine_plan_get(ep)->name, err.text);
    else if (!s->idle && s->step == STEP_WAIT)
        wait_next(s);
}

static void finish_stop(struct schedule *s)
{
    if (s->asking || s->opening || s->lane)
        return;
    void (*gone)(void *) = s->gone;
    void *ctx = s->gone_ctx;
    schedule_free(s);
    gone(ctx);
}

static void stop(struct trigger *t, bool drain, void (*gone)(void *ctx), void *ctx)
{
    struct schedule *s = of(t);
    s->stopping = true;
    s->gone = gone;
    s->gone_ctx = ctx;
    timer_stop(t->host->loop, &s->timer);
    if (s->opening)
        lane_open_cancel(s->opening);
    else if (s->lane)
        engine_lane_drop(t->host->engine, s->lane, drain);
    else
        finish_stop(s);
}

static void lane_lost(struct trigger *t, struct lane *lane)
{
    struct schedule *s = of(t);
    (void)lane;
    bool was_opening = s->opening;
    s->lane = NULL;
    lane_open_lost(s->opening);
    s->opening = NULL;
    if (s->stopping)
        finish_stop(s);
    else if (was_opening)
        sleep_ms(s, AGAIN_MS);
}

static wf_str source_name(struct arena *a, const struct plan_node *node)
{
    (void)node;
    return arena_str(a, "schedule", 8);
}

const struct trigger_kind schedule_trigger_kind = {
    .type = "catalyst.scheduleTrigger",
    .start = start,
    .replace = replace,
    .stop = stop,
    .lane_lost = lane_lost,
    .source_kind = "schedule",
    .source_name = source_name,
};
