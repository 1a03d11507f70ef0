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
 * `done`. What is kept is in the engine's hands ("memory/1") and so
 * in the saved state: after a restart the loop goes on where it was. A pass costs the items of its
 * batch, however many passes there were. What comes back after `done` leaves on `done` at once, so
 * nothing leaves twice.
 *
 * Thread: the worker's. Nothing blocks.
 */
#include <catalyst/plugin.h>

enum { PORT_DONE, PORT_LOOP };

struct config {
    int64_t batch_size;
    int reset;
};

/* What is kept of one execution by "memory/1": the value is how many of WAITING were given out;
 * there is none before the first run. */
enum {
    LIST_WAITING, /* all that the loop was started with */
    LIST_BACK     /* what came back and has not left yet */
};

static const wf_param params[] = {
    { WF_NAMED("batchSize"), WF_F_INT(struct config, batch_size), .flags = WF_EXPR, .def = "1",
      .min = 1, .max = 1000000, .help = "Items given out at a time" },
    { WF_NAMED("options.reset"), WF_F_BOOL(struct config, reset), .flags = WF_EXPR,
      .help = "Start anew with the items that come in; an expression says when, in loops inside "
              "loops" },
    WF_END,
};

static void *loop_open(const wf_host *h, wf_inst *inst, wf_error *why)
{
    const void *memory = h->service("memory/1");
    (void)inst;
    if (!memory) {
        why->fault = WF_ACCOUNT;
        why->detail = (wf_str){ "this engine is too old for loops", 32 };
    }
    return (void *)(uintptr_t)memory;
}

/* True: the loop starts with these items. */
static int takes_items(const wf_host *h, const wf_memory *memory, wf_segment *seg)
{
    const struct config *c = h->config(h->first(seg));
    size_t n;
    wf_item *const *items = h->items(seg, 0, &n);
    int starts = !memory->get(seg) || c->reset;
    if (starts) {
        memory->clear(seg, LIST_WAITING);
        memory->clear(seg, LIST_BACK);
    }
    memory->add(seg, starts ? LIST_WAITING : LIST_BACK, items, n);
    return starts;
}

static void loop_segment(const wf_host *h, wf_segment *seg)
{
    wf_item *first = h->first(seg);
    const struct config *c = h->config(first);
    const wf_memory *memory = h->state(first);
    int64_t next = 0;
    if (!takes_items(h, memory, seg))
        h->v->int64(memory->get(seg), &next);
    size_t n_waiting, n_back;
    wf_item *const *waiting = memory->items(seg, LIST_WAITING, &n_waiting);
    wf_item *const *back = memory->items(seg, LIST_BACK, &n_back);
    int64_t left = (int64_t)n_waiting - next, batch = c->batch_size < left ? c->batch_size : left;
    for (int64_t i = 0; i < batch; i++)
        h->seg_pass(seg, PORT_LOOP, waiting[next++]);
    memory->set(seg, h->v->of_int(first, next));
    if (batch == 0) {
        for (size_t i = 0; i < n_back; i++)
            h->seg_pass(seg, PORT_DONE, back[i]);
        memory->clear(seg, LIST_BACK);
    }
    h->seg_done(seg);
}

static void loop_process(const wf_host *h, wf_segment *const *segs, size_t n)
{
    for (size_t i = 0; i < n; i++)
        loop_segment(h, segs[i]);
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
    "- The engine keeps where a loop is: after a restart, and when a failed execution is run "
    "again, "
    "it goes on\n"
    "  with the batch it was at.\n"
    "- Nodes work on many items without a loop; it is for work that must go in steps.\n";

static const wf_node nodes[] = { {
    .type = "catalyst.splitInBatches",
    .help = "Loop over items in batches",
    .ports = ports,
    .params = params,
    .config_size = sizeof(struct config),
    .open = loop_open,
    .process_segments = loop_process,
    .flags = WF_NODE_SEGMENT,
    .group = "flow",
    .docs = docs,
    .aliases = aliases,
} };

WF_PLUGIN("split_in_batches", "1.0.0", nodes);
