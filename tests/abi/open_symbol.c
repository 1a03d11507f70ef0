/* SPDX-License-Identifier: Apache-2.0
 * A plugin that calls what nobody provides: to be found at load, not in the middle of a workflow.
 */
#include <catalyst/plugin.h>

void function_that_is_nowhere(void);

static void on_items(const wf_host *h, wf_item *const *items, size_t n)
{
    (void)h;
    (void)items;
    (void)n;
    function_that_is_nowhere();
}

static const wf_node nodes[] = { { .type = "open.symbol", .help = "Open", .process = on_items } };
WF_PLUGIN("open_symbol", "1.0.0", nodes);
