/* SPDX-License-Identifier: Apache-2.0
 * catalyst.manualTrigger: where an execution begins that a person, a test or `catalyst run` starts.
 * The engine makes the items; the node only hands them on.
 */
#include <catalyst/plugin.h>

static void pass_all(const wf_host *h, wf_item *const *items, size_t n)
{
    for (size_t i = 0; i < n; i++)
        h->pass(items[i], 0);
}

static const char *const ports[] = { "main", NULL };
static const char *const aliases[] = { "n8n-nodes-base.manualTrigger", NULL };
static const wf_node nodes[] = {
    { .type = "catalyst.manualTrigger",
      .help = "Starts an execution by hand, with the input that is given",
      .ports = ports,
      .process = pass_all,
      .flags = WF_NODE_TRIGGER,
      .group = "trigger",
      .docs = "`catalyst run FILE --input INPUT` starts here. Without an input the execution "
              "begins with one "
              "empty item, `{}`.",
      .aliases = aliases },
};

WF_PLUGIN("manual", "1.0.0", nodes);
