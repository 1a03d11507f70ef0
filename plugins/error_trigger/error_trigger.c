/* SPDX-License-Identifier: Apache-2.0
 * catalyst.errorTrigger: where an error workflow begins. The engine makes its item, which tells of
 * the execution that failed; the node only hands it on. Thread: the worker's. Nothing blocks.
 */
#include <catalyst/plugin.h>

static void pass_all(const wf_host *h, wf_item *const *items, size_t n)
{
    for (size_t i = 0; i < n; i++)
        h->pass(items[i], 0);
}

static const char docs[] =
    "A workflow names its error workflow by id or name, `settings.errorWorkflow`; one that has an\n"
    "error trigger of its own and names none starts itself. When an execution of it fails, the\n"
    "error workflow starts with one item:\n"
    "\n"
    "```json\n"
    "{\"execution\": {\"id\": \"3-64-17\", \"mode\": \"webhook\", \"lastNodeExecuted\": "
    "\"Charge\",\n"
    "  \"error\": {\"message\": \"the card was refused\", \"node\": \"Charge\", \"itemIndex\": "
    "0}},\n"
    " \"workflow\": {\"id\": \"orders\", \"name\": \"Orders\"}}\n"
    "```\n"
    "\n"
    "`mode` is `webhook` or `trigger`. The error has `code` and `description` too when the node\n"
    "gave them. `input` is the message that the execution began with, where that is a JSON object\n"
    "of 64 KiB at most and no webhook's request. There is no `execution.url`, and a stack is not "
    "kept.\n"
    "\n"
    "- The error workflow must be active, else a line of the log names both workflows.\n"
    "- It starts once the failure is in the store, and at most once: an engine that dies in\n"
    "  between, or is being stopped, does not start it. The failure stays in the store.\n"
    "- An execution that an error trigger started never starts an error workflow itself.\n"
    "- `catalyst run` starts none.\n";

static const char *const ports[] = { "main", NULL };
static const char *const aliases[] = { "n8n-nodes-base.errorTrigger", NULL };
static const wf_node nodes[] = {
    { .type = "catalyst.errorTrigger",
      .help = "Starts an execution when one of another workflow failed",
      .ports = ports,
      .process = pass_all,
      .flags = WF_NODE_TRIGGER,
      .group = "trigger",
      .docs = docs,
      .aliases = aliases },
};

WF_PLUGIN("error_trigger", "1.0.0", nodes);
