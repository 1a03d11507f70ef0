/* SPDX-License-Identifier: Apache-2.0
 * A plugin of a later SDK: its wf_node and wf_plugin are longer. Built twice: with NEW_PARTS_USED
 * what is new is not zero, so today's engine cannot do what it asks for.
 */
#include <catalyst/plugin.h>

#ifdef NEW_PARTS_USED
#define NEW_PART 7
#else
#define NEW_PART 0
#endif

struct newer_node {
    wf_node node;
    uint64_t invented_later[3];
};
struct newer_plugin {
    wf_plugin plugin;
    uint64_t invented_later[2];
};

static void on_items(const wf_host *h, wf_item *const *items, size_t n)
{
    for (size_t i = 0; i < n; i++)
        h->pass(items[i], 0);
}

static const char *const ports[] = { "out", NULL };
static const struct newer_node nodes[] = {
    { .node = { .type = "newer.first", .help = "First", .ports = ports, .process = on_items } },
    { .node = { .type = "newer.second", .help = "Second", .ports = ports, .process = on_items },
      .invented_later = { 0, NEW_PART } },
};

extern const struct newer_plugin wf_plugin_entry;
WF_EXPORT const struct newer_plugin wf_plugin_entry = {
    .plugin = { .abi = WF_ABI,
                .size = sizeof(struct newer_plugin),
                .node_size = sizeof(struct newer_node),
                .param_size = sizeof(wf_param),
                .request_size = sizeof(wf_request),
                .error_size = sizeof(wf_error),
                .metric_size = sizeof(wf_metric),
                .cred_size = sizeof(wf_cred_type),
                .output_size = sizeof(wf_output),
                .name = "newer",
                .version = "9.0.0",
                .nodes = &nodes[0].node,
                .n_nodes = 2 },
};
