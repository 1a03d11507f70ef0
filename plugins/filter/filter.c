/* SPDX-License-Identifier: Apache-2.0
 * catalyst.filter: keeps the items for which conditions hold; the others end here.
 *
 * The work is done by catalyst/filter.h. Items pass unchanged.
 * Thread: the worker's. Nothing blocks.
 */
#include <catalyst/filter.h>

enum { PORT_KEPT };

struct config {
    wf_filter filter;
    wf_filter_switches switches;
};

static const wf_param params[] = {
    WF_FILTER_PARAMS(struct config, filter),
    WF_FILTER_SWITCH_PARAMS(struct config, switches),
    WF_END,
};

static void filter_process(const wf_host *h, wf_item *const *items, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const struct config *c = h->config(items[i]);
        wf_filter_error error;
        int holds =
            wf_filter_match(h, items[i], &c->filter, &c->switches, h->state(items[i]), &error);
        if (holds < 0)
            wf_filter_fail_item(h, items[i], &error);
        else if (holds)
            h->pass(items[i], PORT_KEPT);
        else
            h->done(items[i]);
    }
}

static int filter_check(const wf_host *h, const void *config, char *why, size_t why_size)
{
    const struct config *c = config;
    return wf_filter_check(h, &c->filter, &c->switches, why, why_size);
}

static const char *const ports[] = { "kept", NULL };
static const char *const aliases[] = { "n8n-nodes-base.filter", NULL };
static const wf_pair codes[] = { WF_FILTER_CODES, { NULL, NULL } };

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
    .type = "catalyst.filter",
    .help = "Keep the items for which conditions hold",
    .ports = ports,
    .params = params,
    .config_size = sizeof(struct config),
    .process = filter_process,
    .open = wf_filter_open,
    .close = wf_filter_close,
    .codes = codes,
    .check = filter_check,
    .group = "data",
    .docs = docs,
    .aliases = aliases,
} };

WF_PLUGIN("filter", "1.0.0", nodes);
