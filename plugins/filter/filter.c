/* SPDX-License-Identifier: Apache-2.0
 * catalyst.filter: keeps the items for which conditions hold; the others end here.
 *
 * The work is done by catalyst/filter_node.h. Items pass unchanged.
 * Thread: the worker's. Nothing blocks.
 */
#include <catalyst/filter_node.h>

enum { PORT_KEPT };

static void filter_process(const wf_host *h, wf_item *const *items, size_t n)
{
    wf_filter_items(h, items, n, PORT_KEPT, WF_FILTER_NOWHERE);
}

static const char *const ports[] = { "kept", NULL };
static const char *const aliases[] = { "n8n-nodes-base.filter", NULL };

static const char docs[] =
    "Items for which the conditions hold leave on `kept`, unchanged. The others go nowhere: use\n"
    "`catalyst.if` where they are needed.\n"
    "\n"
    "```json\n"
    "{\n"
    "  \"name\": \"Paid orders\",\n"
    "  \"type\": \"catalyst.filter\",\n"
    "  \"parameters\": {\n"
    "    \"conditions\": {\n"
    "      \"combinator\": \"and\",\n"
    "      \"options\": { \"caseSensitive\": false },\n"
    "      \"conditions\": [\n"
    "        { \"leftValue\": \"={{ $json.status }}\", \"rightValue\": \"paid\",\n"
    "          \"operator\": { \"type\": \"string\", \"operation\": \"equals\" } },\n"
    "        { \"leftValue\": \"={{ $json.items }}\",\n"
    "          \"operator\": { \"type\": \"array\", \"operation\": \"notEmpty\" } }\n"
    "      ]\n"
    "    }\n"
    "  }\n"
    "}\n"
    "```\n"
    "\n" WF_FILTER_DOCS;

static const wf_node nodes[] = { {
    WF_FILTER_NODE,
    .type = "catalyst.filter",
    .help = "Keep the items for which conditions hold",
    .ports = ports,
    .process = filter_process,
    .group = "data",
    .docs = docs,
    .aliases = aliases,
} };

WF_PLUGIN("filter", "1.0.0", nodes);
