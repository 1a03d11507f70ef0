/* SPDX-License-Identifier: Apache-2.0
 * Node types for the tests of core/engine: one for each way an item can finish, wait or fail. What
 * they did is written to `seen`, in order, so that a test can read what ran.
 */
#ifndef CATALYST_TEST_ENGINE_NODES_H
#define CATALYST_TEST_ENGINE_NODES_H
#include "base/str.h"
#include <stdio.h>
#include <stdlib.h>

enum { MAX_TICKETS = 64 };

static struct {
    struct strbuf text;             /* names of nodes that ran, each with a blank behind */
    wf_ticket tickets[MAX_TICKETS]; /* of test.park and test.begins, in order */
    const wf_host *host;            /* of test.begins */
    unsigned n_tickets;
    char key[128]; /* key() of the latest item of test.note */
} seen;

struct conf {
    wf_str text, field;
    int64_t n, ms;
};

static const wf_param conf_params[] = {
    { WF_P_STR(struct conf, text), .flags = WF_EXPR, .help = "Text" },
    { WF_P_STR(struct conf, field), .help = "Name of a field" },
    { WF_P_INT(struct conf, n), .flags = WF_EXPR, .help = "How many" },
    { WF_P_MS(struct conf, ms), .help = "How long" },
    WF_END,
};

static inline void see(const wf_host *h, wf_item *it)
{
    strbuf_addf(&seen.text, "%s ", h->inst_name(h->inst(it)));
}

static inline int truth(const wf_host *h, wf_item *it, wf_str field)
{
    return h->v->boolean(h->v->get(h->value(it), field.ptr, field.len));
}

#define EACH_ITEM(name)                                                                            \
    static void name##_one(const wf_host *h, wf_item *it, const struct conf *c);                   \
    static void name(const wf_host *h, wf_item *const *items, size_t n)                            \
    {                                                                                              \
        for (size_t i = 0; i < n; i++)                                                             \
            name##_one(h, items[i], h->config(items[i]));                                          \
    }                                                                                              \
    static void name##_one(const wf_host *h, wf_item *it, const struct conf *c)

static void node_trigger(const wf_host *h, wf_item *const *items, size_t n)
{
    (void)h;
    (void)items;
    (void)n;
}

EACH_ITEM(node_pass)
{
    (void)c;
    see(h, it);
    h->pass(it, 0);
}

/* Writes its text, an expression nearly always, and hands the item on. */
EACH_ITEM(node_note)
{
    strbuf_addf(&seen.text, "%.*s ", STR_ARG(c->text));
    snprintf(seen.key, sizeof seen.key, "%s", h->key(it));
    h->pass(it, 0);
}

/* Writes whether an earlier life may have begun it. */
EACH_ITEM(node_tell)
{
    (void)c;
    strbuf_addf(&seen.text, "%s%d ", h->inst_name(h->inst(it)), h->maybe_begun(it));
    h->pass(it, 0);
}

/* The same, and parks; the test begins it. */
EACH_ITEM(node_begins)
{
    (void)c;
    strbuf_addf(&seen.text, "%s%d ", h->inst_name(h->inst(it)), h->maybe_begun(it));
    seen.tickets[seen.n_tickets++] = h->park(it, 60000);
    seen.host = h;
}

/* Writes its key. */
EACH_ITEM(node_key)
{
    (void)c;
    strbuf_addf(&seen.text, "%s ", h->key(it));
    h->pass(it, 0);
}

EACH_ITEM(node_if)
{
    see(h, it);
    h->pass(it, truth(h, it, c->field) ? 0 : 1);
}

EACH_ITEM(node_fan)
{
    for (int64_t i = 0; i < c->n; i++)
        h->push(it, 0, h->build(it, "{s:i}", "i", i));
    h->done(it);
}

EACH_ITEM(node_fail)
{
    see(h, it);
    if (truth(h, it, c->field))
        h->fail(it, "bad %s", c->field.ptr);
    else
        h->pass(it, 0);
}

/* Fails n times in a way that another try may mend, each time after it gave something. */
EACH_ITEM(node_flaky)
{
    see(h, it);
    if (h->attempt(it) > c->n) {
        h->emit(it, 0, h->build(it, "{s:i}", "attempt", (int64_t)h->attempt(it)));
        return;
    }
    wf_error error = { .size = sizeof error, .fault = WF_TRANSIENT, .code = "busy" };
    h->push(it, 0, h->build(it, "{s:s}", "from", "a failed try"));
    h->fail_with(it, &error, "not yet");
}

EACH_ITEM(node_ask_retry)
{
    see(h, it);
    if (h->attempt(it) > c->n)
        h->pass(it, 0);
    else
        h->retry(it, c->ms, "asked");
}

EACH_ITEM(node_forget)
{
    see(h, it);
    if (!truth(h, it, c->field))
        h->pass(it, 0);
}

EACH_ITEM(node_twice)
{
    (void)c;
    see(h, it);
    h->emit(it, 0, h->build(it, "{s:s}", "is", "first"));
    h->emit(it, 0, h->build(it, "{s:s}", "is", "second"));
    h->fail(it, "third");
}

EACH_ITEM(node_wrong_port)
{
    (void)c;
    h->pass(it, 7);
}

EACH_ITEM(node_park)
{
    see(h, it);
    if (seen.n_tickets < MAX_TICKETS)
        seen.tickets[seen.n_tickets++] = h->park(it, c->ms);
}

static void on_reply(const wf_host *h, wf_item *it, const wf_reply *r)
{
    if (r->status == 204)
        return; /* forgets its item */
    h->emit(it, 0, h->build(it, "{s:i}", "status", (int64_t)r->status));
}

EACH_ITEM(node_request)
{
    see(h, it);
    h->request(it, &(wf_request){ .url = "http://test/", .timeout_ms = c->ms }, on_reply);
}

static void on_woken(const wf_host *h, wf_item *it, wf_str data)
{
    h->emit(it, 0, h->build(it, "{s:S}", "woken", data));
}

EACH_ITEM(node_out)
{
    wf_str body = h->v->json(it, h->value(it));
    h->output(it, &(wf_output){ .channel = "kafka",
                                .topic = c->text.len ? c->text.ptr : "out",
                                .partition = -1,
                                .body = body });
    h->pass(it, 0);
}

EACH_ITEM(node_row)
{
    const wf_ledger *ledger = h->service("ledger/1");
    for (int64_t i = 0; i <= c->n; i++)
        ledger->commit_row(it, "charges", h->build(it, "{s:s}", "id", h->key(it)), "id");
    h->pass(it, 0);
}

EACH_ITEM(node_attach)
{
    const wf_blobs *blobs = h->service("blob/1");
    blobs->attach(it, "data", blobs->of_bytes(it, c->text.ptr, c->text.len), STR("text/plain"),
                  STR("a.txt"));
    h->pass(it, 0);
}

EACH_ITEM(node_read_part)
{
    const wf_blobs *blobs = h->service("blob/1");
    const void *ptr = "";
    size_t len = 0;
    wf_str type = STR("none"), name = STR("none");
    (void)c;
    blobs->bytes(blobs->part(it, "data", &type, &name), &ptr, &len);
    strbuf_addf(&seen.text, "%.*s:%.*s:%.*s ", (int)len, (const char *)ptr, STR_ARG(type),
                STR_ARG(name));
    h->pass(it, 0);
}

EACH_ITEM(node_respond)
{
    const wf_webhook *webhook = h->service("webhook/1");
    int rc = webhook->respond(it, 201, NULL, c->text);
    if (rc != 0)
        strbuf_adds(&seen.text, "nobody ");
    h->pass(it, 0);
}

/* Counts n down: output 0 leads back, output 1 on. */
EACH_ITEM(node_loop)
{
    int64_t n = 0;
    (void)c;
    h->v->int64(h->v->get(h->value(it), "n", 1), &n);
    strbuf_addf(&seen.text, "%lld ", (long long)n);
    h->emit(it, n > 0 ? 0 : 1, h->build(it, "{s:i}", "n", n - 1));
}

/* --- segments --------------------------------------------------------------------------------- */

static void node_count(const wf_host *h, wf_segment *const *segs, size_t n)
{
    for (size_t s = 0; s < n; s++) {
        size_t count;
        wf_item *const *items = h->items(segs[s], 0, &count);
        wf_item *first = h->first(segs[s]);
        see(h, first);
        h->seg_push(segs[s], 0, h->build(first, "{s:i}", "count", (int64_t)count), items, count);
        h->seg_done(segs[s]);
    }
}

static void node_merge(const wf_host *h, wf_segment *const *segs, size_t n)
{
    for (size_t s = 0; s < n; s++) {
        strbuf_addf(&seen.text, "%s(", h->inst_name(h->inst(h->first(segs[s]))));
        for (unsigned k = 0; k < h->inputs(segs[s]); k++) {
            size_t count;
            wf_item *const *items = h->items(segs[s], k, &count);
            strbuf_addf(&seen.text, k ? ",%zu" : "%zu", count);
            for (size_t i = 0; i < count; i++)
                h->seg_pass(segs[s], 0, items[i]);
        }
        strbuf_adds(&seen.text, ") ");
        h->seg_done(segs[s]);
    }
}

/* Gives one item, then fails until its attempt is larger than n. */
static void node_seg_flaky(const wf_host *h, wf_segment *const *segs, size_t n)
{
    for (size_t s = 0; s < n; s++) {
        wf_item *first = h->first(segs[s]);
        const struct conf *c = h->config(first);
        see(h, first);
        h->seg_push(segs[s], 0, h->build(first, "{s:i}", "attempt", (int64_t)h->attempt(first)),
                    &first, 1);
        if (h->attempt(first) > c->n)
            h->seg_done(segs[s]);
        else
            h->seg_fail(segs[s], "segment is bad");
    }
}

/* Two items, each from all inputs. */
static void node_spread(const wf_host *h, wf_segment *const *segs, size_t n)
{
    for (size_t s = 0; s < n; s++) {
        size_t count;
        wf_item *const *items = h->items(segs[s], 0, &count);
        for (int i = 0; i < 2; i++)
            h->seg_push(segs[s], 0, h->value(items[0]), items, count);
        h->seg_done(segs[s]);
    }
}

/* Gives its items out one by one by output 0, then a count of passes by output 1; fails in the pass
 * that the item's "fail" names, once. */
static void node_batches(const wf_host *h, wf_segment *const *segs, size_t n)
{
    const wf_memory *memory = h->service("memory/1");
    for (size_t s = 0; s < n; s++) {
        wf_item *first = h->first(segs[s]);
        int64_t pass = 0, fail = -1;
        size_t count;
        wf_item *const *items = h->items(segs[s], 0, &count);
        see(h, first);
        if (h->v->int64(memory->get(segs[s]), &pass) != 0)
            memory->add(segs[s], 0, items, count);
        else
            memory->add(segs[s], 1, items, count);
        wf_item *const *all = memory->items(segs[s], 0, &count);
        memory->set(segs[s], h->v->of_int(first, pass + 1));
        h->v->int64(h->v->get(h->value(all[0]), "fail", 4), &fail);
        if (pass == fail && h->attempt(first) == 1) {
            h->retry(first, 10, "once more");
            continue;
        }
        if ((size_t)pass < count) {
            h->seg_pass(segs[s], 0, all[pass]);
        } else {
            size_t back;
            items = memory->items(segs[s], 1, &back);
            h->seg_push(segs[s], 1,
                        h->build(first, "{s:i,s:i}", "passes", pass, "back", (int64_t)back), items,
                        back);
        }
        h->seg_done(segs[s]);
    }
}

static void node_seg_forget(const wf_host *h, wf_segment *const *segs, size_t n)
{
    (void)h;
    (void)segs;
    (void)n;
}

static void *open_broken(const wf_host *h, wf_inst *inst, wf_error *why)
{
    (void)h;
    (void)inst;
    why->fault = WF_ACCOUNT;
    why->detail = STR("no way in");
    return NULL;
}

/* --- the plugin ------------------------------------------------------------------------------- */

static const char *const main_port[] = { "main", NULL };
static const char *const two_ports[] = { "true", "false", NULL };
static const char *const two_inputs[] = { "left", "right", NULL };

#define NODE_TYPE(t, p)                                                                            \
    .type = (t), .help = "A node of the tests", .ports = (p), .params = conf_params,               \
    .config_size = sizeof(struct conf), .group = "test"
#define ITEMS(t, fn)    NODE_TYPE(t, main_port), .process = (fn)
#define SEGMENTS(t, fn) NODE_TYPE(t, main_port), .process_segments = (fn), .flags = WF_NODE_SEGMENT

static const wf_node test_nodes[] = {
    { ITEMS("test.in", node_trigger), .flags = WF_NODE_TRIGGER },
    { ITEMS("catalyst.errorTrigger", node_trigger), .flags = WF_NODE_TRIGGER },
    { ITEMS("test.pass", node_pass) },
    { ITEMS("test.note", node_note) },
    { ITEMS("test.key", node_key) },
    { ITEMS("test.key2", node_key), .inputs = two_inputs },
    { NODE_TYPE("test.if", two_ports), .process = node_if },
    { ITEMS("test.fan", node_fan) },
    { ITEMS("test.fail", node_fail) },
    { ITEMS("test.flaky", node_flaky) },
    { ITEMS("test.askRetry", node_ask_retry) },
    { ITEMS("test.forget", node_forget) },
    { ITEMS("test.twice", node_twice) },
    { ITEMS("test.wrongPort", node_wrong_port) },
    { ITEMS("test.park", node_park) },
    { ITEMS("test.request", node_request) },
    { ITEMS("test.out", node_out) },
    { ITEMS("test.row", node_row) },
    { ITEMS("test.attach", node_attach) },
    { ITEMS("test.readPart", node_read_part) },
    { ITEMS("test.respond", node_respond) },
    { ITEMS("test.effect", node_pass), .flags = WF_NODE_EFFECT },
    { ITEMS("test.tell", node_tell), .flags = WF_NODE_EFFECT },
    { ITEMS("test.once", node_tell), .flags = WF_NODE_EFFECT | WF_NODE_ONCE },
    { ITEMS("test.begins", node_begins), .flags = WF_NODE_EFFECT | WF_NODE_ONCE | WF_NODE_BEGINS },
    { ITEMS("test.broken", node_pass), .open = open_broken },
    { NODE_TYPE("test.loop", two_ports), .process = node_loop },
    { SEGMENTS("test.count", node_count) },
    { SEGMENTS("test.segFlaky", node_seg_flaky) },
    { SEGMENTS("test.spread", node_spread) },
    { SEGMENTS("test.segForget", node_seg_forget) },
    { NODE_TYPE("test.batches", two_ports), .process_segments = node_batches,
      .flags = WF_NODE_SEGMENT },
    { SEGMENTS("test.join", node_merge), .inputs = two_inputs },
    { NODE_TYPE("test.merge", main_port), .process_segments = node_merge, .inputs = two_inputs,
      .flags = WF_NODE_SEGMENT | WF_NODE_ANY_INPUT },
};

static const wf_plugin test_plugin = { WF_PLUGIN_BASE("test", "1.0.0", test_nodes) };

/* Functions that not every test file names. */
static inline wf_wake_fn *wake_fn(void) { return on_woken; }
#endif
