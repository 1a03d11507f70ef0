/* SPDX-License-Identifier: Apache-2.0
 * One engine process: its io table, the stages in which it takes a lane (as trigger/lane_open.c
 * does), what it sends to the sink, and its death at any step.
 */
#include "sim.h"
#include <stdlib.h>

/* --- what the engine sees of the world -------------------------------------------------------- */

static int64_t io_mono(void *ctx)
{
    (void)ctx;
    return world.now_us;
}

static int64_t io_wall(void *ctx)
{
    (void)ctx;
    return world.wall_us + world.now_us;
}

static uint64_t io_random(void *ctx)
{
    (void)ctx;
    return sim_random();
}

/* Outputs leave only when their block is in the store just as it is sent. */
static void check_durable(const struct lane *lane, uint64_t seq, const struct store_block *block)
{
    unsigned p = lane_id(lane).partition;
    const struct sim_block *b = world.lanes[p].blocks;
    while (b && b->seq != seq)
        b = b->next;
    if (!b || !str_eq(b->block.outputs, block->outputs))
        sim_fail("block %u/%llu is sent and not in the store", p, (unsigned long long)seq);
}

static void arrive_later(struct unit *u, struct sending *s, unsigned p, uint64_t position,
                         const struct store_output *out)
{
    struct event *ev = sim_event(EV_ARRIVE, u, 80000);
    ev->sending = s;
    ev->partition = p;
    ev->position = position;
    ev->index = out->index;
    ev->body = xmalloc(out->body.len + 1);
    memcpy(ev->body, out->body.ptr, out->body.len);
    ev->body[out->body.len] = 0;
}

static void io_release(void *ctx, struct lane *lane, uint64_t seq, const struct store_block *block)
{
    struct unit *u = ctx;
    check_durable(lane, seq, block);
    struct sending *s = xcalloc(1, sizeof *s), **last = &u->sending;
    while (*last)
        last = &(*last)->next;
    *last = s;
    s->lane = lane;
    s->seq = seq;
    struct store_output out;
    for (size_t at = 0; store_output_next(block->outputs, &at, &out) == 1; s->waiting++)
        arrive_later(u, s, lane_id(lane).partition, block->positions[out.exec], &out);
    if (s->waiting != block->n_outputs)
        sim_fail("a block says %u outputs and has %u", block->n_outputs, s->waiting);
}

/* The engine hears of blocks in their order only. */
static struct sending **first_of(struct unit *u, const struct lane *lane)
{
    struct sending **at = &u->sending;
    while (*at && (*at)->lane != lane)
        at = &(*at)->next;
    return at;
}

void unit_acknowledged(struct unit *u, struct sending *s)
{
    s->waiting--;
    struct lane *lane = s->lane;
    if (!lane)
        return;
    uint64_t seq = 0;
    for (struct sending **at; *(at = first_of(u, lane)) && !(*at)->waiting;) {
        struct sending *done = *at;
        seq = done->seq;
        *at = done->next;
        free(done);
    }
    if (seq)
        engine_released(u->engine, lane, seq);
}

static void io_acknowledge(void *ctx, struct lane *lane, uint64_t position)
{
    (void)ctx;
    const struct sim_lane *stored = &world.lanes[lane_id(lane).partition];
    if (world.durability >= DURABILITY_EXACTLY_ONCE && position > stored->position)
        sim_fail("position %llu is acknowledged, %llu is stored", (unsigned long long)position,
                 (unsigned long long)stored->position);
}

static void io_answer(void *ctx, const struct engine_reply_out *reply)
{
    (void)ctx;
    (void)reply;
}

static int status_of_partner(void)
{
    if (world.calm || sim_chance(70))
        return 200;
    return sim_chance(50) ? 0 : 400;
}

static void io_request(void *ctx, wf_ticket ticket, const wf_request *request)
{
    (void)request;
    if (!world.calm && sim_chance(10))
        return; /* no answer ever: the node times out */
    struct event *ev = sim_event(EV_REPLY, ctx, 300000);
    ev->ticket = ticket;
    ev->status = status_of_partner();
}

/* A late answer may be under way all the same: the engine must find its ticket stale. */
static void io_cancel(void *ctx, wf_ticket ticket)
{
    (void)ctx;
    (void)ticket;
}

static int io_offload(void *ctx, wf_ticket ticket, const char *plugin, void (*work)(void *job),
                      void *job)
{
    (void)plugin;
    if (!world.calm && sim_chance(5))
        return -1;
    struct event *ev = sim_event(EV_OFFLOADED, ctx, 200000);
    ev->ticket = ticket;
    ev->work = work;
    ev->job = job;
    return 0;
}

static void io_lane_lost(void *ctx, struct lane *lane)
{
    struct unit *u = ctx;
    struct holding *h = lane_user(lane);
    if (h->lane != lane)
        sim_fail("a lane is lost twice");
    h->lane = NULL;
    h->state = OPEN_NOT;
    for (struct sending *s = u->sending; s; s = s->next)
        if (s->lane == lane)
            s->lane = NULL;
}

/* An error workflow tells of a failure that stands in the store, once for each. */
static void io_start(void *ctx, const char *workflow, wf_str item)
{
    (void)ctx;
    unsigned source, partition;
    unsigned long long position;
    const char *id = strstr(item.ptr, "\"id\":\"");
    if (strcmp(workflow, "alarm") != 0 || !id ||
        sscanf(id + 6, "%u-%u-%llu", &source, &partition, &position) != 3)
        sim_fail("workflow %s is started with %s", workflow, item.ptr);
    struct message *m = sim_message(partition, position);
    if (++m->alarms > m->failed)
        sim_fail("%u-%llu failed %u times and raised %u alarms", partition, position, m->failed,
                 m->alarms);
}

static void io_log(void *ctx, int level, const char *event, const char *text)
{
    (void)ctx;
    (void)level;
    sim_say("engine: %s: %s", event, text);
}

/* --- life and death --------------------------------------------------------------------------- */

void unit_start(struct unit *u)
{
    struct engine_config config = { .io = { .ctx = u,
                                            .mono_us = io_mono,
                                            .wall_us = io_wall,
                                            .random = io_random,
                                            .commit = store_io_commit,
                                            .release = io_release,
                                            .acknowledge = io_acknowledge,
                                            .answer = io_answer,
                                            .request = io_request,
                                            .cancel = io_cancel,
                                            .offload = io_offload,
                                            .lane_lost = io_lane_lost,
                                            .start = io_start },
                                    .limits = world.limits,
                                    .save_inputs = true,
                                    .log = io_log };
    struct err err;
    u->life = ++world.lives;
    u->engine = engine_create(&config);
    u->ep = engine_plan_add(u->engine, world.plan, &err);
    if (!u->ep)
        sim_fail("plan: %s", err.text);
    for (unsigned p = 0; p < PARTS_MAX; p++)
        u->lanes[p] = (struct holding){ .unit = u, .partition = p };
}

static bool is_late_commit(const struct event *ev)
{
    return ev->kind == EV_APPLY && sim_chance(50); /* it was on its way: the store still gets it */
}

static void event_lost(struct unit *u, struct event *ev)
{
    if (ev->kind == EV_ARRIVE && sim_chance(50)) {
        ev->sending = NULL; /* arrives, and nobody is told */
        return;
    }
    if (is_late_commit(ev)) {
        u->flight = NULL;
        return;
    }
    if (ev->tx) {
        tx_drop(ev->tx);
        u->flight = NULL;
    }
    free(ev->job);
    free(ev->body);
    ev->job = ev->body = NULL;
    ev->tx = NULL;
    ev->kind = 0;
}

void unit_crash(struct unit *u)
{
    engine_destroy(u->engine);
    u->engine = NULL;
    if (u->accepted != u->released)
        sim_fail("%lld events were handed in, %lld given back", (long long)u->accepted,
                 (long long)u->released);
    u->accepted = u->released = 0;
    for (struct event *ev = world.events; ev; ev = ev->next)
        if (ev->unit == u && ev->life == u->life)
            event_lost(u, ev);
    for (struct sending *s = u->sending, *next; s; s = next) {
        next = s->next;
        free(s);
    }
    u->sending = NULL;
}

/* --- lanes ------------------------------------------------------------------------------------ */

static void add_lane(struct unit *u, struct holding *h)
{
    struct lane_config config = {
        .at = h->at, .plan = u->ep, .trigger = world.plan->triggers[0], .user = h
    };
    h->lane = engine_lane_add(u->engine, &config);
    engine_lane_taken(h->lane, world.lanes[h->partition].taken);
}

static void resend(struct unit *u, struct holding *h)
{
    for (struct sim_block *b = world.lanes[h->partition].blocks; b; b = b->next)
        if (b->seq > h->at.released && b->seq <= h->at.block_seq) {
            engine_lane_resend(u->engine, h->lane, &b->block);
            world.resent++;
        }
}

/* What is parked, or only what is marked or due; each once. None when another took the lane since.
 */
static void restore(struct unit *u, struct holding *h, bool parked)
{
    struct sim_lane *lane = &world.lanes[h->partition];
    struct err err;
    for (unsigned n = 0; n < lane->n && lane->epoch == h->at.epoch; n++) {
        struct message *m = &lane->messages[n];
        bool wakes = m->exec.wake_us && m->exec.wake_us <= world.wall_us + world.now_us;
        bool due =
            m->has_exec && (m->marked || ((parked || wakes) && m->exec.status == STORE_WAITING));
        if (!due || m->handed == lane->epoch)
            continue;
        m->handed = lane->epoch;
        if (engine_exec(u->engine, m->exec.id))
            sim_fail("%u-%u comes back and is in memory", h->partition, n);
        sim_say("unit %ld restores %u-%u", (long)(u - world.unit), h->partition, n);
        if ((parked ? engine_restore : engine_restore_own)(u->engine, h->lane, &m->exec, &err) != 0)
            sim_fail("%u-%u: %s", h->partition, n, err.text);
        world.restored++;
    }
}

void unit_retry(struct unit *u, struct holding *h) { restore(u, h, false); }

void unit_lane_open(struct unit *u, unsigned partition)
{
    struct holding *h = &u->lanes[partition];
    switch (h->state) {
    case OPEN_NOT:
        store_take(u, partition, &h->at);
        h->state = OPEN_TAKEN;
        break;
    case OPEN_TAKEN:
        add_lane(u, h);
        h->state = OPEN_ADDED;
        break;
    case OPEN_ADDED:
        h->state = OPEN_RESENT;
        resend(u, h);
        break;
    case OPEN_RESENT:
        h->state = OPEN_READY;
        h->next = h->at.position;
        restore(u, h, true);
        break;
    case OPEN_READY:
        break;
    }
}

void unit_lane_revoke(struct unit *u, unsigned partition, bool drain)
{
    struct holding *h = &u->lanes[partition];
    if (h->lane)
        engine_lane_drop(u->engine, h->lane, drain);
    else
        h->state = OPEN_NOT;
}

/* --- the source ------------------------------------------------------------------------------- */

static int build(const struct lane *lane, void *event, struct arena *a, struct inbound_item **items,
                 size_t *n, struct err *err)
{
    (void)lane;
    const struct message *m = ((struct event *)event)->job;
    struct json_error why;
    *n = m->items;
    *items = ARENA_ARRAY(a, struct inbound_item, m->items);
    for (unsigned i = 0; i < m->items; i++) {
        char text[256];
        int len = snprintf(text, sizeof text, "{\"i\":%u,%s", i, m->text);
        char *kept = arena_strdup(a, text);
        if (json_parse(a, kept, (size_t)len, 0, &(*items)[i].json, &why) != 0)
            return err_set(err, ERR_INVALID, "%s", why.reason);
    }
    return 0;
}

/* What was handed in must be given back exactly once: a piece of memory each, so that the
 * sanitizers watch, too. */
static void give_back(void *event)
{
    struct event *ev = event;
    ev->unit->released++;
    free(ev);
}

void unit_take(struct unit *u, struct holding *h, unsigned n)
{
    struct sim_lane *lane = &world.lanes[h->partition];
    struct inbound in[64];
    size_t room = engine_room(u->engine);
    unsigned k = 0;
    for (; k < n && k < 64 && k < room && h->next < lane->n; k++, h->next++) {
        struct message *m = &lane->messages[h->next];
        struct event *ev = xcalloc(1, sizeof *ev);
        ev->unit = u;
        ev->job = m;
        in[k] = (struct inbound){ .lane = h->lane,
                                  .position = h->next,
                                  .event = ev,
                                  .raw = { m->text, strlen(m->text) },
                                  .build = build,
                                  .release = give_back };
    }
    if (h->next > lane->taken)
        lane->taken = h->next;
    u->accepted += k;
    engine_accept(u->engine, in, k);
}
