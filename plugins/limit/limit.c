/* SPDX-License-Identifier: Apache-2.0
 * catalyst.limit: keeps the first or the last items of an execution.
 */
#include <catalyst/plugin.h>

enum { KEEP_FIRST, KEEP_LAST };

struct config {
    int64_t max_items;
    int keep;
};

static const wf_pair keeps[] = {
    { "firstItems", "The items that came first" },
    { "lastItems", "The items that came last" },
    { NULL, NULL },
};
static const wf_param params[] = {
    { WF_NAMED("maxItems"), WF_F_INT(struct config, max_items), .flags = WF_EXPR, .def = "1",
      .min = 0, .max = INT64_MAX, .help = "How many items to keep; when there are fewer, all are" },
    { WF_P_CHOICE(struct config, keep, keeps), .flags = WF_EXPR, .def = "firstItems",
      .help = "Which items to keep" },
    WF_END,
};

static void limit(const wf_host *h, wf_segment *seg)
{
    const struct config *c = h->config(h->first(seg));
    size_t n, first = 0;
    wf_item *const *items = h->items(seg, 0, &n);
    size_t kept = (uint64_t)c->max_items < n ? (size_t)c->max_items : n;
    if (c->keep == KEEP_LAST)
        first = n - kept;
    for (size_t i = first; i < first + kept; i++)
        h->seg_pass(seg, 0, items[i]);
    h->seg_done(seg);
}

static void limit_all(const wf_host *h, wf_segment *const *segs, size_t n)
{
    for (size_t i = 0; i < n; i++)
        limit(h, segs[i]);
}

static const char *const ports[] = { "main", NULL };
static const char *const aliases[] = { "n8n-nodes-base.limit", NULL };
static const wf_node nodes[] = {
    { .type = "catalyst.limit",
      .help = "Keeps the first or the last items of an execution and drops the others",
      .ports = ports,
      .params = params,
      .config_size = sizeof(struct config),
      .process_segments = limit_all,
      .flags = WF_NODE_SEGMENT,
      .group = "data",
      .docs =
          "Parameters that are expressions are solved once, for the first item of the execution.",
      .aliases = aliases },
};

WF_PLUGIN("limit", "1.0.0", nodes);
