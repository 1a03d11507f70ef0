/* SPDX-License-Identifier: Apache-2.0
 * catalyst.if: sends each item to one of two outputs, by conditions.
 *
 * The work is done by catalyst/filter.h; here is only which output an answer means. Items pass
 * unchanged. Thread: the worker's. Nothing blocks.
 */
#include <catalyst/filter.h>

enum { PORT_TRUE, PORT_FALSE };

struct config {
    wf_filter filter;
    wf_filter_switches switches;
};

static const wf_param params[] = {
    WF_FILTER_PARAMS(struct config, filter),
    WF_FILTER_SWITCH_PARAMS(struct config, switches),
    WF_END,
};

static void if_process(const wf_host *h, wf_item *const *items, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const struct config *c = h->config(items[i]);
        wf_filter_error error;
        int holds =
            wf_filter_match(h, items[i], &c->filter, &c->switches, h->state(items[i]), &error);
        if (holds < 0)
            wf_filter_fail_item(h, items[i], &error);
        else
            h->pass(items[i], holds ? PORT_TRUE : PORT_FALSE);
    }
}

static int if_check(const wf_host *h, const void *config, char *why, size_t why_size)
{
    const struct config *c = config;
    return wf_filter_check(h, &c->filter, &c->switches, why, why_size);
}

static const char *const ports[] = { "true", "false", NULL };
static const char *const aliases[] = { "n8n-nodes-base.if", NULL };
static const wf_pair codes[] = { WF_FILTER_CODES, { NULL, NULL } };

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
    .type = "catalyst.if",
    .help = "Send each item to the output true or false",
    .ports = ports,
    .params = params,
    .config_size = sizeof(struct config),
    .process = if_process,
    .open = wf_filter_open,
    .close = wf_filter_close,
    .codes = codes,
    .check = if_check,
    .group = "flow",
    .docs = docs,
    .aliases = aliases,
} };

WF_PLUGIN("if", "1.0.0", nodes);
