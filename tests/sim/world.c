/* SPDX-License-Identifier: Apache-2.0
 * A world's course: its messages, then storm (anything may happen at any step), then calm, in which
 * everything is answered and must run dry.
 */
#include "sim.h"
#include <stdlib.h>

struct world world;

enum { STORM_STEPS = 400, CALM_STEPS = 200000 };

uint64_t sim_random(void)
{
    uint64_t x = world.random += 0x9e3779b97f4a7c15u;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

unsigned sim_below(unsigned n) { return n ? (unsigned)(sim_random() % n) : 0; }

bool sim_chance(unsigned percent) { return sim_below(100) < percent; }

struct message *sim_message(unsigned partition, uint64_t position)
{
    if (partition >= world.parts || position >= world.lanes[partition].n)
        sim_fail("there is no message %u-%llu", partition, (unsigned long long)position);
    return &world.lanes[partition].messages[position];
}

/* --- events ----------------------------------------------------------------------------------- */

struct event *sim_event(enum event_kind kind, struct unit *unit, unsigned within_us)
{
    struct event *ev = xcalloc(1, sizeof *ev);
    ev->kind = kind;
    ev->unit = unit;
    ev->life = unit->life;
    ev->due_us = world.now_us + sim_below(sim_chance(30) ? 100 : within_us);
    ev->next = world.events;
    world.events = ev;
    return ev;
}

static void arrived(struct event *ev, bool alive)
{
    sink_arrive(ev);
    free(ev->body);
    if (!alive || !ev->sending)
        return;
    bool slow = !world.calm && sim_chance(10); /* most likely a crash comes first */
    sim_event(EV_ACKNOWLEDGED, ev->unit, slow ? 60000000 : 50000)->sending = ev->sending;
}

static void happen(struct event *ev)
{
    struct unit *u = ev->unit;
    bool alive = u->engine && u->life == ev->life;
    switch (ev->kind) {
    case EV_APPLY:
        store_apply(ev);
        break;
    case EV_COMMITTED:
        store_committed(ev);
        break;
    case EV_ARRIVE:
        arrived(ev, alive);
        break;
    case EV_ACKNOWLEDGED:
        unit_acknowledged(u, ev->sending);
        break;
    case EV_REPLY: {
        wf_reply reply = { .size = sizeof reply, .status = ev->status, .body = STR("{}") };
        if (!ev->status)
            reply.error = "connection lost";
        engine_reply(u->engine, ev->ticket, &reply);
        break;
    }
    case EV_WOKEN:
        engine_woken(u->engine, ev->ticket, ev->wake, STR(""));
        break;
    case EV_BEGIN:
        sim_begin(ev);
        break;
    case EV_OFFLOADED:
        ev->work(ev->job);
        engine_offloaded(u->engine, ev->ticket);
        break;
    }
}

static void remove_event(struct event *ev)
{
    struct event **at = &world.events;
    while (*at != ev)
        at = &(*at)->next;
    *at = ev->next;
}

/* One of those that are due, any of them. */
static bool happen_one(void)
{
    struct event *chosen = NULL;
    unsigned n = 0;
    for (struct event *ev = world.events; ev; ev = ev->next)
        if (ev->due_us <= world.now_us && sim_below(++n) == 0)
            chosen = ev;
    if (!chosen)
        return false;
    remove_event(chosen);
    if (chosen->kind)
        happen(chosen);
    free(chosen);
    return true;
}

/* --- messages --------------------------------------------------------------------------------- */

static unsigned some_wait(void)
{
    return sim_chance(50) ? WAIT_NONE : sim_below(WAITS - (sim_chance(70) ? 1 : 0));
}

static bool may_fail(unsigned wait)
{
    return wait == WAIT_REQUEST || wait == WAIT_PARK || wait == WAIT_OFFLOAD;
}

static void make_message(struct message *m, unsigned p, unsigned n)
{
    m->items = 1 + (sim_chance(20) ? sim_below(3) : 0);
    m->wait = some_wait();
    m->wait_mid = some_wait();
    m->wait_late = some_wait();
    m->rows = sim_chance(60) ? 0 : 1 + sim_below(2);
    m->outputs = sim_below(4);
    m->bad_row = m->rows && sim_chance(10);
    m->unique_row = sim_chance(50);
    m->malformed = sim_chance(4);
    m->must_fail = m->malformed || m->wait == WAIT_FAIL ||
                   (m->wait_mid == WAIT_FAIL && !world.lenient) || m->wait_late == WAIT_FAIL;
    m->may_fail =
        may_fail(m->wait) || (may_fail(m->wait_mid) && !world.lenient) || may_fail(m->wait_late);
    snprintf(
        m->text, sizeof m->text,
        "\"p\":%u,\"n\":%u,\"wait\":%u,\"mid\":%u,\"late\":%u,\"rows\":%u,\"outs\":%u,\"bad\":%d,"
        "\"unique\":%d%s",
        p, n, m->wait, m->wait_mid, m->wait_late, m->rows, m->outputs, m->bad_row, m->unique_row,
        m->malformed ? "" : "}");
}

static void make_world(uint64_t seed, struct plan *plans[DURABILITY_EACH_STEP + 1][2])
{
    bool verbose = world.verbose;
    memset(&world, 0, sizeof world);
    world.verbose = verbose;
    world.seed = world.random = seed;
    world.now_us = 1000000;
    world.wall_us = 1732281600000000;
    world.durability = sim_chance(70) ? DURABILITY_EXACTLY_ONCE : DURABILITY_EACH_STEP;
    world.lenient = sim_chance(40);
    world.plan = plans[world.durability][world.lenient];
    world.wall_jumps = sim_chance(50);
    world.parts = 1 + sim_below(PARTS_MAX);
    world.units = 1 + sim_below(UNITS);
    world.frames_max = sim_chance(50) ? 2 : 0;
    world.limits = (struct engine_limits){ .max_live = 4 + sim_below(60),
                                           .max_turn = 2 + sim_below(60),
                                           .evict_after_ms = sim_chance(50) ? 500 : 0 };
    for (unsigned p = 0; p < world.parts; p++) {
        world.lanes[p].n = sim_below(MESSAGES_MAX + 1);
        world.owner[p] = -1;
        for (unsigned n = 0; n < world.lanes[p].n; n++)
            make_message(&world.lanes[p].messages[n], p, n);
    }
}

/* --- steps ------------------------------------------------------------------------------------ */

static struct unit *some_unit(void) { return &world.unit[sim_below(world.units)]; }

/* Gives lanes to somebody who lives; the old one, if it lives, is not told: a zombie. */
static void assign(unsigned p)
{
    unsigned to = sim_below(world.units);
    if (!world.unit[to].engine || world.owner[p] == (int)to)
        return;
    if (world.owner[p] >= 0 && world.unit[world.owner[p]].engine) {
        world.steals++;
        sim_say("lane %u goes from unit %d to %u", p, world.owner[p], to);
    }
    world.owner[p] = (int)to;
    struct unit *u = &world.unit[to]; /* what it still has of an earlier time is stale */
    if (u->lanes[p].state != OPEN_NOT)
        unit_lane_revoke(u, p, false);
}

/* True: somebody owns it that works, and it is ready. */
static bool lane_ready(unsigned p)
{
    int o = world.owner[p];
    if (o < 0 || !world.unit[o].engine)
        return false;
    const struct holding *h = &world.unit[o].lanes[p];
    return h->state == OPEN_READY && h->at.epoch == world.lanes[p].epoch;
}

static void open_some(void)
{
    unsigned p = sim_below(world.parts);
    if (world.owner[p] < 0 || !world.unit[world.owner[p]].engine) {
        assign(p);
        return;
    }
    struct unit *u = &world.unit[world.owner[p]];
    struct holding *h = &u->lanes[p];
    if (h->state != OPEN_NOT && h->at.epoch != world.lanes[p].epoch) {
        unit_lane_revoke(u, p, false); /* taken by another since, and given back */
        return;
    }
    unit_lane_open(u, p);
}

/* A unit takes from each lane it has ready, also as a zombie. */
static void take_some(struct unit *u)
{
    unsigned p = sim_below(world.parts);
    struct holding *h = &u->lanes[p];
    if (h->state != OPEN_READY || !h->lane)
        return;
    if (sim_chance(10)) /* the source gives some again */
        h->next -= sim_below((unsigned)h->next + 1);
    unit_take(u, h, 1 + sim_below(8));
}

static void crash_some(struct unit *u)
{
    world.crashes++;
    sim_say("unit %ld crashes", (long)(u - world.unit));
    unit_crash(u);
}

static void time_passes(void)
{
    world.now_us += sim_below(sim_chance(5) ? 3000000 : 5000);
    if (world.wall_jumps && sim_chance(2))
        world.wall_us += (int64_t)sim_below(7200) * 1000000 - 3600000000;
}

/* A person marks a failed execution to be run again. */
static void mark_some(void)
{
    struct sim_lane *lane = &world.lanes[sim_below(world.parts)];
    for (unsigned n = 0; n < lane->n; n++) {
        struct message *m = &lane->messages[n];
        if (!m->has_exec || m->exec.status != STORE_ERROR || m->marked || m->malformed ||
            sim_chance(50))
            continue;
        m->marked = m->mended = true;
        m->marks++;
    }
}

static void retry_some(struct unit *u)
{
    struct holding *h = &u->lanes[sim_below(world.parts)];
    if (h->state == OPEN_READY && h->lane)
        unit_retry(u, h);
}

static void storm_step(void)
{
    unsigned what = sim_below(100);
    struct unit *u = some_unit();
    if (what < 25) {
        happen_one();
    } else if (what < 35) {
        time_passes();
    } else if (what < 45) {
        open_some();
    } else if (what == 45) {
        assign(sim_below(world.parts));
    } else if (!u->engine) {
        unit_start(u);
    } else if (what < 60) {
        take_some(u);
    } else if (what < 80) {
        engine_run(u->engine, sim_below(world.frames_max + 1));
    } else if (what < 90) {
        engine_commit(u->engine);
    } else if (what < 96) {
        engine_tick(u->engine);
    } else if (what < 98 && sim_chance(60)) {
        crash_some(u);
    } else if (what >= 98 && sim_chance(70)) {
        sim_chance(30) ? mark_some() : retry_some(u);
    } else if (what == 98) {
        unit_lane_revoke(u, sim_below(world.parts), sim_chance(50));
    }
}

static void check_all(void)
{
    for (unsigned i = 0; i < world.units; i++)
        if (world.unit[i].engine)
            engine_check(world.unit[i].engine);
}

/* --- calm ------------------------------------------------------------------------------------- */

static bool unit_round(struct unit *u)
{
    engine_tick(u->engine);
    for (unsigned p = 0; p < world.parts; p++) {
        struct holding *h = &u->lanes[p];
        if (h->state == OPEN_READY && h->lane) {
            unit_retry(u, h);
            unit_take(u, h, 16);
        }
    }
    engine_run(u->engine, 0);
    return engine_commit(u->engine);
}

static int64_t next_due(void)
{
    int64_t due = INT64_MAX;
    for (struct event *ev = world.events; ev; ev = ev->next)
        if (ev->due_us < due)
            due = ev->due_us;
    for (unsigned p = 0; p < world.parts; p++)
        for (unsigned n = 0; n < world.lanes[p].n; n++) {
            const struct store_exec *e = &world.lanes[p].messages[n].exec;
            if (e->status == STORE_WAITING && e->wake_us &&
                e->wake_us - world.wall_us > world.now_us && e->wake_us - world.wall_us < due)
                due = e->wake_us - world.wall_us;
        }
    for (unsigned i = 0; i < world.units; i++) {
        int64_t timer = world.unit[i].engine ? engine_next_timer(world.unit[i].engine) : -1;
        if (timer >= 0 && timer < due)
            due = timer;
    }
    return due;
}

static bool all_dry(void)
{
    for (unsigned p = 0; p < world.parts; p++) {
        const struct sim_lane *lane = &world.lanes[p];
        if (!lane_ready(p) || lane->position != lane->n || lane->released != lane->block_seq)
            return false;
        for (unsigned n = 0; n < lane->n; n++)
            if (lane->messages[n].marked ||
                (lane->messages[n].has_exec && lane->messages[n].exec.status == STORE_WAITING))
                return false;
    }
    for (unsigned i = 0; i < world.units; i++)
        if (!engine_idle(world.unit[i].engine))
            return false;
    return !world.events;
}

static void not_dry(void)
{
    for (unsigned p = 0; p < world.parts; p++) {
        const struct sim_lane *l = &world.lanes[p];
        fprintf(
            stderr,
            "lane %u: owner %d, %s, epoch %llu, position %llu of %u, block %llu, released %llu\n",
            p, world.owner[p], lane_ready(p) ? "ready" : "not ready", (unsigned long long)l->epoch,
            (unsigned long long)l->position, l->n, (unsigned long long)l->block_seq,
            (unsigned long long)l->released);
        for (unsigned n = 0; n < l->n; n++)
            if (l->messages[n].has_exec && l->messages[n].exec.status == STORE_WAITING)
                fprintf(stderr, "%u-%u waits, wakes at %lld, handed out in epoch %llu\n", p, n,
                        (long long)(l->messages[n].exec.wake_us - world.wall_us),
                        (unsigned long long)l->messages[n].handed);
    }
    for (unsigned i = 0; i < world.units; i++) {
        struct strbuf b;
        strbuf_init(&b, 1u << 20);
        engine_dump(&b, world.unit[i].engine);
        fprintf(stderr, "engine %u: %s\n", i, b.ptr);
        strbuf_fini(&b);
    }
    for (const struct event *ev = world.events; ev; ev = ev->next)
        fprintf(stderr, "event %d due %lld\n", (int)ev->kind, (long long)ev->due_us);
    sim_fail("it does not run dry");
}

static void calm(void)
{
    world.calm = true;
    for (unsigned i = 0; i < world.units; i++)
        if (!world.unit[i].engine)
            unit_start(&world.unit[i]);
    for (unsigned step = 0; step < CALM_STEPS && !all_dry(); step++, world.steps++) {
        for (unsigned p = 0; p < world.parts; p++)
            if (!lane_ready(p))
                open_some();
        for (unsigned i = 0; i < world.units; i++)
            unit_round(&world.unit[i]);
        check_all();
        if (happen_one())
            continue;
        int64_t due = next_due();
        if (due != INT64_MAX && due > world.now_us)
            world.now_us = due;
    }
    if (!all_dry())
        not_dry();
}

static void finish(void)
{
    for (unsigned i = 0; i < world.units; i++)
        if (world.unit[i].engine)
            unit_crash(&world.unit[i]);
    while (world.events) {
        struct event *ev = world.events;
        world.events = ev->next;
        if (ev->tx)
            tx_drop(ev->tx);
        free(ev->body);
        free(ev->job);
        free(ev);
    }
    store_clear();
}

void sim_world(uint64_t seed, struct plan *plans[DURABILITY_EACH_STEP + 1][2])
{
    make_world(seed, plans);
    for (unsigned i = 0; i < world.units; i++)
        unit_start(&world.unit[i]);
    unsigned steps = STORM_STEPS + sim_below(STORM_STEPS);
    for (unsigned i = 0; i < steps; i++, world.steps++) {
        storm_step();
        check_all();
    }
    calm();
    check_end();
    finish();
}
