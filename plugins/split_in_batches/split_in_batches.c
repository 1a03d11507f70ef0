/* SPDX-License-Identifier: Apache-2.0
 * catalyst.splitInBatches (Loop Over Items): gives items out in batches, until all have come back.
 *
 *        +------------------------------+
 *        v                              |
 *   in -> [loop over items] --loop--> [work]
 *                |
 *                +--done--> all that came back
 *
 * The first run of the node in an execution takes the items; each later run gets what the work gave
 * back, keeps it, and gives the next batch out. When none is left, all that came back leaves on
 * `done`. What is kept lives in the node's memory of the execution. A pass costs the items of its
 * batch, however many passes there were. What comes back after `done` leaves on `done` at once, so
 * nothing leaves twice.
 *
 * Thread: the worker's. Nothing blocks.
 */
#include <catalyst/plugin.h>
#include <string.h>

enum { PORT_DONE, PORT_LOOP };

struct config {
    int64_t batch_size;
    int reset;
};

/* A list of items that grows. */
struct list {
    wf_item **items;
    size_t n, size;
};

/* The node's memory of one execution. */
struct loop {
    int started;
    struct list waiting; /* all that the loop was started with */
    size_t next;         /* the first of them that was not given out */
    struct list back;    /* what came back and has not left yet */
};

static const wf_param params[] = {
    { WF_NAMED("batchSize"), WF_F_INT(struct config, batch_size), .flags = WF_EXPR, .def = "1",
      .min = 1, .max = 1000000, .help = "Items given out at a time" },
    { WF_NAMED("options.reset"), WF_F_BOOL(struct config, reset), .flags = WF_EXPR,
      .help = "Start anew with the items that come in; an expression says when, in loops inside "
              "loops" },
    WF_END,
};

static void append(const wf_host *h, wf_segment *seg, struct list *l, wf_item *const *items,
                   size_t n)
{
    if (l->n + n > l->size) {
        l->size = l->size * 2 > l->n + n ? l->size * 2 : l->n + n;
        wf_item **larger = h->alloc(h->first(seg), l->size * sizeof(void *));
        if (l->n)
            memcpy(larger, l->items, l->n * sizeof(void *));
        l->items = larger;
    }
    if (n)
        memcpy(l->items + l->n, items, n * sizeof(void *));
    l->n += n;
}

static void loop_segment(const wf_host *h, wf_segment *seg)
{
    const struct config *c = h->config(h->first(seg));
    struct loop *loop = h->memory(seg, sizeof *loop);
    size_t n;
    wf_item *const *items = h->items(seg, 0, &n);
    if (!loop->started || c->reset) {
        loop->waiting.n = loop->back.n = loop->next = 0;
        loop->started = 1;
        append(h, seg, &loop->waiting, items, n);
    } else {
        append(h, seg, &loop->back, items, n);
    }
    size_t left = loop->waiting.n - loop->next, batch = (size_t)c->batch_size;
    batch = batch < left ? batch : left;
    for (size_t i = 0; i < batch; i++)
        h->seg_pass(seg, PORT_LOOP, loop->waiting.items[loop->next++]);
    if (batch == 0) {
        for (size_t i = 0; i < loop->back.n; i++)
            h->seg_pass(seg, PORT_DONE, loop->back.items[i]);
        loop->back.n = 0;
    }
    h->seg_done(seg);
}

static void loop_process(const wf_host *h, wf_segment *const *segs, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (h->size < offsetof(wf_host, memory) + sizeof h->memory || !h->memory)
            h->seg_fail(segs[i], "this engine is too old for loops");
        else
            loop_segment(h, segs[i]);
    }
}

static const char *const ports[] = { "done", "loop", NULL };
static const char *const aliases[] = { "n8n-nodes-base.splitInBatches", NULL };

static const char docs[] =
    "Connect `loop` to the first node of the work and the last node of the work back to this node. "
    "When all\n"
    "batches have been given out, all that came back leaves on `done`.\n"
    "\n"
    "```json\n"
    "{\n"
    "  \"nodes\": [\n"
    "    { \"name\": \"Loop\", \"type\": \"catalyst.splitInBatches\", \"parameters\": { "
    "\"batchSize\": 100 } },\n"
    "    { \"name\": \"Send\", \"type\": \"catalyst.httpRequest\", \"parameters\": { } },\n"
    "    { \"name\": \"Report\", \"type\": \"catalyst.noOp\", \"parameters\": { } }\n"
    "  ],\n"
    "  \"connections\": {\n"
    "    \"Loop\": { \"main\": [ [ { \"node\": \"Report\", \"type\": \"main\", \"index\": 0 } ],\n"
    "                          [ { \"node\": \"Send\", \"type\": \"main\", \"index\": 0 } ] ] },\n"
    "    \"Send\": { \"main\": [ [ { \"node\": \"Loop\", \"type\": \"main\", \"index\": 0 } ] ] }\n"
    "  }\n"
    "}\n"
    "```\n"
    "\n"
    "- A pass costs its batch only, however many passes there were before.\n"
    "- A pass whose work gives nothing back ends the loop: let the work's last node always output "
    "data.\n"
    "- What comes back after `done` leaves on `done` by itself.\n"
    "- A loop inside a loop is entered again: give it an expression for `options.reset` that is "
    "true then.\n"
    "- Ports are those of version 3: `done` first, then `loop`.\n"
    "- Nodes work on many items without a loop; it is for work that must go in steps.\n";

static const wf_node nodes[] = { {
    .type = "catalyst.splitInBatches",
    .help = "Loop over items in batches",
    .ports = ports,
    .params = params,
    .config_size = sizeof(struct config),
    .process_segments = loop_process,
    .flags = WF_NODE_SEGMENT,
    .group = "flow",
    .docs = docs,
    .aliases = aliases,
} };

WF_PLUGIN("split_in_batches", "1.0.0", nodes);
