/* SPDX-License-Identifier: Apache-2.0
 * The simulator's plugin: nodes that do what the message says. Outputs carry a number that no other
 * run repeats, so an output that left before its turn was durable shows as a second body.
 */
#include "sim.h"
#include <stdlib.h>

struct config {
    wf_str field;
};

static const wf_param params[] = {
    { WF_P_STR(struct config, field), .def = "wait", .help = "Which field says what to do" },
    WF_END,
};

static int64_t field(const wf_host *h, wf_item *it, const char *name)
{
    int64_t n = 0;
    h->v->int64(h->v->get(h->value(it), name, strlen(name)), &n);
    return n;
}

static struct message *message_of(const wf_host *h, wf_item *it)
{
    return sim_message((unsigned)field(h, it, "p"), (uint64_t)field(h, it, "n"));
}

static struct unit *unit_of(const wf_host *h, wf_item *it) { return engine_inst_ctx(h->inst(it)); }

static void pass_all(const wf_host *h, wf_item *const *items, size_t n)
{
    for (size_t i = 0; i < n; i++)
        h->pass(items[i], 0);
}

/* --- waiting ---------------------------------------------------------------------------------- */

static void on_reply(const wf_host *h, wf_item *it, const wf_reply *r)
{
    if (r->status == 200) {
        h->pass(it, 0);
        return;
    }
    wf_error error = { .size = sizeof error, .fault = r->status ? WF_REJECTED : WF_TRANSIENT };
    h->fail_with(it, &error, "partner said %d", r->status);
}

static void on_woken(const wf_host *h, wf_item *it, wf_str data)
{
    (void)data;
    h->pass(it, 0);
}

static void work(void *job) { ++*(int *)job; }

static void on_worked(const wf_host *h, wf_item *it, void *job)
{
    int done = *(int *)job;
    free(job);
    if (it && done)
        h->pass(it, 0);
}

static void park(const wf_host *h, wf_item *it)
{
    wf_ticket ticket = h->park(it, 20000);
    if (!world.calm && sim_chance(15))
        return; /* nobody ever calls */
    struct event *ev = sim_event(EV_WOKEN, unit_of(h, it), 400000);
    ev->ticket = ticket;
    ev->wake = on_woken;
}

/* Another engine may have taken the lane since: a call that it makes before it hears of that cannot
 * be prevented, and has the same key. */
static bool owns_lane(const struct unit *u, const struct sim_lane *lane)
{
    return lane->owner == u && lane->owner_life == u->life &&
           u->lanes[lane - world.lanes].at.epoch == lane->epoch;
}

static void request(const wf_host *h, wf_item *it, bool early)
{
    struct message *m = message_of(h, it);
    if (early && m->step_passed && owns_lane(unit_of(h, it), &world.lanes[field(h, it, "p")]))
        sim_fail("each_step: the request of a finished step is made again: %s", m->text);
    h->request(it, &(wf_request){ .method = "POST", .url = "http://partner" }, on_reply);
}

/* Another try comes when it was asked for, also after a restart. There the wall clock counts. */
enum { RETRY_US = 800000 };
static void retry(const wf_host *h, wf_item *it, char node)
{
    int64_t *retried_us = message_of(h, it)->retried_us[node == 'w' ? 0 : node == 'm' ? 1 : 2];
    uint32_t attempt = h->attempt(it);
    if (attempt > 1 && attempt <= 3 && !world.wall_jumps &&
        retried_us[attempt - 1] + RETRY_US > world.now_us)
        sim_fail("attempt %u is early: %s", attempt, message_of(h, it)->text);
    if (attempt >= 3) {
        h->pass(it, 0);
        return;
    }
    if (!retried_us[attempt])
        retried_us[attempt] = world.now_us;
    h->retry(it, 50, "not yet");
}

/* Where an earlier life of the execution was called, the node must be told; with exactly_once one
 * that must not begin twice, the others need not care. */
static void begin(const wf_host *h, wf_item *it, char node)
{
    struct message *m = message_of(h, it);
    const struct unit *u = unit_of(h, it);
    uint64_t *begun = &m->begun[node == 'w' ? 0 : node == 'm' ? 1 : 2][field(h, it, "i")];
    const struct sim_lane *lane = &world.lanes[field(h, it, "p")];
    if (!owns_lane(u, lane))
        return; /* it cannot know what the new owner does */
    bool is_told = node == 'l' || world.durability == DURABILITY_EACH_STEP;
    if (is_told && *begun && *begun != lane->epoch && !h->maybe_begun(it))
        sim_fail("an earlier life began node '%c', and maybe_begun() denies it: %s", node, m->text);
    *begun = lane->epoch;
}

static void on_answered(const wf_host *h, wf_item *it, wf_str data)
{
    (void)data;
    if (field(h, it, "late") == WAIT_FAIL)
        h->fail(it, "the message says so");
    else
        h->pass(it, 0);
}

/* A node that only parks, and begins later: where the engine lets it, the same must have been known
 * when it was called. Then the answer is waited for. */
void sim_begin(const struct event *ev)
{
    const struct sim_lane *lane = &world.lanes[ev->partition];
    struct message *m = sim_message(ev->partition, ev->position);
    uint64_t *begun = &m->begun[2][ev->index];
    if (!ev->h->begin(ev->h, ev->ticket))
        return;
    if (owns_lane(ev->unit, lane)) {
        if (*begun && *begun != lane->epoch && !ev->status)
            sim_fail("an earlier life began, and maybe_begun() denied it: %s", m->text);
        *begun = lane->epoch;
    }
    struct event *woken = sim_event(EV_WOKEN, ev->unit, 400000);
    woken->ticket = ev->ticket;
    woken->wake = on_answered;
}

static void begin_later(const wf_host *h, wf_item *const *items, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        wf_item *it = items[i];
        struct event *ev = sim_event(EV_BEGIN, unit_of(h, it), 400000);
        ev->h = h;
        ev->partition = (unsigned)field(h, it, "p");
        ev->position = (uint64_t)field(h, it, "n");
        ev->index = (unsigned)field(h, it, "i");
        ev->status = h->maybe_begun(it);
        ev->ticket = h->park(it, 20000);
    }
}

static void wait_one(const wf_host *h, wf_item *it)
{
    const struct config *c = h->config(it);
    begin(h, it, c->field.ptr[0]);
    bool early = c->field.ptr[0] == 'w';
    switch ((enum sim_wait)field(h, it, c->field.ptr)) {
    case WAIT_REQUEST:
        request(h, it, early);
        return;
    case WAIT_PARK:
        park(h, it);
        return;
    case WAIT_OFFLOAD:
        h->offload(it, work, on_worked, xcalloc(1, sizeof(int)));
        return;
    case WAIT_RETRY:
        retry(h, it, c->field.ptr[0]);
        return;
    case WAIT_FAIL:
        h->fail(it, "the message says so");
        return;
    default:
        h->pass(it, 0);
    }
}

static void wait_all(const wf_host *h, wf_item *const *items, size_t n)
{
    for (size_t i = 0; i < n; i++)
        wait_one(h, items[i]);
}

/* --- rows and outputs ------------------------------------------------------------------------- */

static void book(const wf_host *h, wf_item *it, int64_t k, bool bad)
{
    const wf_ledger *ledger = h->service("ledger/1");
    const wf_value *row =
        h->build(it, "{s:i,s:i,s:i,s:i,s:i}", "p", field(h, it, "p"), "n", field(h, it, "n"), "i",
                 field(h, it, "i"), "k", k, "bad", (int64_t)bad);
    if (ledger->commit_row(it, "charges", row, field(h, it, "unique") ? "p,n,i,k" : "") != 0)
        sim_fail("a ledger row was not taken");
}

static void book_all(const wf_host *h, wf_item *const *items, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        wf_item *it = items[i];
        if (world.durability == DURABILITY_EACH_STEP)
            message_of(h, it)->step_passed = true;
        for (int64_t k = field(h, it, "rows"); k > 0; k--)
            book(h, it, k, field(h, it, "bad") && k == 1);
        h->pass(it, 0);
    }
}

static void send(const wf_host *h, wf_item *it)
{
    for (int64_t k = field(h, it, "outs"); k > 0; k--) {
        wf_str body = h->fmt(it, "%llu", (unsigned long long)++world.nonce);
        wf_output out = { .channel = "kafka", .topic = "out", .body = body, .partition = -1 };
        if (h->output(it, &out) != 0)
            sim_fail("an output was not taken");
    }
}

static void send_all(const wf_host *h, wf_item *const *items, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        send(h, items[i]);
        h->pass(items[i], 0);
    }
}

/* Sends and writes first, then waits or fails: what a try asked for leaves with that try or never.
 */
static void act_all(const wf_host *h, wf_item *const *items, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        send(h, items[i]);
        if (field(h, items[i], "rows"))
            book(h, items[i], ACT_ROW, false);
        wait_one(h, items[i]);
    }
}

static const char *const ports[] = { "main", NULL };
static const wf_node nodes[] = {
    { .type = "sim.trigger",
      .help = "Starts",
      .ports = ports,
      .process = pass_all,
      .flags = WF_NODE_TRIGGER },
    { .type = "sim.wait",
      .help = "Waits as the message says",
      .ports = ports,
      .params = params,
      .config_size = sizeof(struct config),
      .process = wait_all,
      .flags = WF_NODE_EFFECT },
    { .type = "sim.once",
      .help = "Waits as the message says, and must not begin twice without knowing it",
      .ports = ports,
      .params = params,
      .config_size = sizeof(struct config),
      .process = wait_all,
      .flags = WF_NODE_EFFECT | WF_NODE_ONCE },
    { .type = "sim.begins",
      .help = "Parks, and begins what must not happen twice when the engine lets it",
      .ports = ports,
      .params = params,
      .config_size = sizeof(struct config),
      .process = begin_later,
      .flags = WF_NODE_EFFECT | WF_NODE_ONCE | WF_NODE_BEGINS },
    { .type = "sim.act",
      .help = "Sends outputs, writes a row, then waits as the message says",
      .ports = ports,
      .params = params,
      .config_size = sizeof(struct config),
      .process = act_all },
    { .type = "sim.book", .help = "Writes ledger rows", .ports = ports, .process = book_all },
    { .type = "sim.send", .help = "Sends outputs", .ports = ports, .process = send_all },
};
const wf_plugin sim_plugin = { WF_PLUGIN_BASE("sim", "1.0.0", nodes) };
