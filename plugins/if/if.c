/* SPDX-License-Identifier: Apache-2.0
 * catalyst.if: sends each item to one of two outputs, by conditions.
 *
 * The work is done by catalyst/filter_node.h; here is only which output an answer means. Items pass
 * unchanged. Thread: the worker's. Nothing blocks.
 */
#include <catalyst/filter_node.h>

enum { PORT_TRUE, PORT_FALSE };

static void if_process(const wf_host *h, wf_item *const *items, size_t n)
{
    wf_filter_items(h, items, n, PORT_TRUE, PORT_FALSE);
}

static const char *const ports[] = { "true", "false", NULL };
static const char *const aliases[] = { "n8n-nodes-base.if", NULL };

static const char docs[] =
    "Items for which the conditions hold leave on `true`, all others on `false`, unchanged.\n"
    "\n"
    "```json\n"
    "{\n"
    "  \"name\": \"Large order?\",\n"
    "  \"type\": \"catalyst.if\",\n"
    "  \"parameters\": {\n"
    "    \"conditions\": {\n"
    "      \"combinator\": \"and\",\n"
    "      \"options\": { \"caseSensitive\": true, \"typeValidation\": \"strict\" },\n"
    "      \"conditions\": [\n"
    "        { \"leftValue\": \"={{ $json.amount }}\", \"rightValue\": 100,\n"
    "          \"operator\": { \"type\": \"number\", \"operation\": \"gte\" } },\n"
    "        { \"leftValue\": \"={{ $json.country }}\", \"rightValue\": \"^(DE|AT|CH)$\",\n"
    "          \"operator\": { \"type\": \"string\", \"operation\": \"regex\" } }\n"
    "      ]\n"
    "    }\n"
    "  }\n"
    "}\n"
    "```\n"
    "\n" WF_FILTER_DOCS;

static const wf_node nodes[] = { {
    WF_FILTER_NODE,
    .type = "catalyst.if",
    .help = "Send each item to the output true or false",
    .ports = ports,
    .process = if_process,
    .group = "flow",
    .docs = docs,
    .aliases = aliases,
} };

WF_PLUGIN("if", "1.0.0", nodes);
