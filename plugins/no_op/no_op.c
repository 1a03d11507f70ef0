/* SPDX-License-Identifier: Apache-2.0
 * catalyst.noOp: hands every item on. People use it to join branches or to mark where one ends.
 */
#include <catalyst/plugin.h>

static void pass_all(const wf_host *h, wf_item *const *items, size_t n)
{
    for (size_t i = 0; i < n; i++)
        h->pass(items[i], 0);
}

static const char *const ports[] = { "main", NULL };
static const char *const aliases[] = { "n8n-nodes-base.noOp", NULL };
static const wf_node nodes[] = {
    { .type = "catalyst.noOp",
      .help = "Hands every item on, unchanged",
      .ports = ports,
      .process = pass_all,
      .group = "flow",
      .aliases = aliases },
};

WF_PLUGIN("no_op", "1.0.0", nodes);
