/* SPDX-License-Identifier: Apache-2.0
 * catalyst.switch: sends each item to one of many outputs, by rules or by a number.
 *
 * Rules are filters (catalyst/filter.h), tried in order; an item leaves on the output of the first
 * one that holds, or of all that hold. How many outputs the node has hangs on its parameters, so
 * shape() counts them. Items pass unchanged. Thread: the worker's. Nothing blocks.
 */
#include <catalyst/filter.h>

enum { MODE_RULES, MODE_EXPRESSION };
enum { FALLBACK_NONE = -1, FALLBACK_BAD = -2, OUTPUTS_MAX = 100 };

struct rule {
    wf_filter filter;
    wf_str output_key;
    int rename;
};

struct config {
    int mode;
    wf_list rules; /* of struct rule */
    int64_t number_outputs, output;
    wf_str fallback, fallback_name;
    wf_filter_switches switches;
    int all_matching;
};

struct state {
    wf_filter_cache cache;
    int64_t fallback; /* an output, or FALLBACK_NONE */
};

static const wf_pair modes[] = { { "rules",
                                   "the first rule whose conditions hold names the output" },
                                 { "expression", "an expression gives the output's number" },
                                 { NULL, NULL } };

static const wf_param rule_params[] = {
    WF_FILTER_PARAMS(struct rule, filter),
    { WF_NAMED("outputKey"), WF_F_STR(struct rule, output_key),
      .help = "Name of the output on the canvas" },
    { WF_NAMED("renameOutput"), WF_F_BOOL(struct rule, rename),
      .help = "Whether that name is shown" },
    WF_END,
};

static const wf_param params[] = {
    { WF_NAMED("mode"), WF_F_CHOICE(struct config, mode, modes), .def = "rules",
      .help = "How the output is chosen" },
    { WF_NAMED("rules.values"), WF_F_LIST(struct config, rules, rule_params, struct rule),
      .show_if = "mode=rules", .help = "One output for each rule, tried in this order" },
    { WF_NAMED("numberOutputs"), WF_F_INT(struct config, number_outputs), .def = "4", .min = 1,
      .max = OUTPUTS_MAX, .show_if = "mode=expression", .help = "How many outputs there are" },
    { WF_NAMED("output"), WF_F_INT(struct config, output), .flags = WF_EXPR | WF_REQUIRED,
      .show_if = "mode=expression", .help = "Number of the output, counted from 0" },
    WF_FILTER_SWITCH_PARAMS(struct config, switches),
    { WF_NAMED("options.fallbackOutput"), WF_F_STR(struct config, fallback), .def = "none",
      .show_if = "mode=rules",
      .help = "Where an item goes for which no rule holds: `none`, `extra` (an output of its own, "
              "the last "
              "one) or the number of an output" },
    { WF_NAMED("options.renameFallbackOutput"), WF_F_STR(struct config, fallback_name),
      .show_if = "mode=rules", .help = "Name of the extra output on the canvas" },
    { WF_NAMED("options.allMatchingOutputs"), WF_F_BOOL(struct config, all_matching),
      .show_if = "mode=rules", .help = "An item leaves on the output of every rule that holds" },
    WF_END,
};

static int is_extra(const struct config *c)
{
    return c->fallback.len == 5 && memcmp(c->fallback.ptr, "extra", 5) == 0;
}

static int64_t fallback_of(const struct config *c)
{
    int64_t output = 0;
    if (c->fallback.len == 0 || (c->fallback.len == 4 && memcmp(c->fallback.ptr, "none", 4) == 0))
        return FALLBACK_NONE;
    if (is_extra(c))
        return (int64_t)c->rules.n;
    for (size_t i = 0; i < c->fallback.len; i++) {
        if (c->fallback.ptr[i] < '0' || c->fallback.ptr[i] > '9' || i == 6)
            return FALLBACK_BAD;
        output = output * 10 + (c->fallback.ptr[i] - '0');
    }
    return output < (int64_t)c->rules.n ? output : FALLBACK_BAD;
}

static void switch_shape(const void *config, unsigned *inputs, unsigned *outputs)
{
    const struct config *c = config;
    (void)inputs;
    if (c->mode == MODE_EXPRESSION)
        *outputs = (unsigned)c->number_outputs;
    else
        *outputs = (unsigned)c->rules.n + (unsigned)is_extra(c);
}

static int switch_check(const wf_host *h, const void *config, char *why, size_t why_size)
{
    const struct config *c = config;
    const struct rule *rules = c->rules.rows;
    char reason[240];
    if (c->mode == MODE_EXPRESSION)
        return 0;
    if (c->rules.n == 0 && !is_extra(c)) {
        snprintf(why, why_size,
                 "there is no rule, so no item would go anywhere; add one under rules.values");
        return -1;
    }
    if (c->rules.n > OUTPUTS_MAX) {
        snprintf(why, why_size, "there are %zu rules, at most %d can be", c->rules.n, OUTPUTS_MAX);
        return -1;
    }
    if (fallback_of(c) == FALLBACK_BAD) {
        snprintf(
            why, why_size,
            "options.fallbackOutput is '%.40s', expected 'none', 'extra' or a number below %zu",
            c->fallback.ptr, c->rules.n);
        return -1;
    }
    for (size_t i = 0; i < c->rules.n; i++)
        if (wf_filter_check(h, &rules[i].filter, &c->switches, reason, sizeof reason) != 0) {
            snprintf(why, why_size, "rule %zu: %.210s", i + 1, reason);
            return -1;
        }
    return 0;
}

static void *switch_open(const wf_host *h, wf_inst *inst, wf_error *why)
{
    const struct config *c = h->inst_config(inst);
    struct state *s = calloc(1, sizeof *s);
    (void)why;
    if (!s)
        abort();
    s->fallback = fallback_of(c);
    return s;
}

static void switch_close(const wf_host *h, void *state)
{
    struct state *s = state;
    (void)h;
    wf_regex_cache_fini(&s->cache);
    free(s);
}

static void by_number(const wf_host *h, wf_item *it, const struct config *c)
{
    wf_error e = { .size = sizeof e, .fault = WF_REJECTED, .code = "no_such_output" };
    if (c->output >= 0 && c->output < c->number_outputs)
        h->pass(it, (unsigned)c->output);
    else
        h->fail_with(it, &e, "output %lld: the outputs are 0 to %lld", (long long)c->output,
                     (long long)c->number_outputs - 1);
}

static void by_rules(const wf_host *h, wf_item *it, const struct config *c)
{
    struct state *s = h->state(it);
    const struct rule *rules = c->rules.rows;
    int64_t first = -1; /* an item that leaves on one output only is passed, not copied */
    int several = 0;
    wf_filter_error error;
    for (size_t i = 0; i < c->rules.n && (first < 0 || c->all_matching); i++) {
        int holds = wf_filter_match(h, it, &rules[i].filter, &c->switches, &s->cache, &error);
        if (holds < 0) {
            wf_filter_fail_item(h, it, &error);
            return;
        }
        if (!holds)
            continue;
        if (first >= 0) {
            if (!several)
                h->push(it, (unsigned)first, h->value(it));
            h->push(it, (unsigned)i, h->value(it));
            several = 1;
        } else {
            first = (int64_t)i;
        }
    }
    if (first < 0)
        first = s->fallback;
    if (several || first < 0)
        h->done(it);
    else
        h->pass(it, (unsigned)first);
}

static void switch_process(const wf_host *h, wf_item *const *items, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const struct config *c = h->config(items[i]);
        if (c->mode == MODE_EXPRESSION)
            by_number(h, items[i], c);
        else
            by_rules(h, items[i], c);
    }
}

static const char *const ports[] = { "0", "1", "2", "3", NULL };
static const char *const aliases[] = { "n8n-nodes-base.switch", NULL };
static const wf_pair codes[] = { WF_FILTER_CODES,
                                 { "no_such_output",
                                   "The expression gives a number that no output has" },
                                 { NULL, NULL } };

static const char docs[] =
    "With `rules`, an item leaves on the output of the first rule that holds; outputs are numbered "
    "like\n"
    "the rules, from 0. With `options.allMatchingOutputs` it leaves on all of them. An item for "
    "which no\n"
    "rule holds ends here, or goes to `options.fallbackOutput`.\n"
    "\n"
    "```json\n"
    "{\n"
    "  \"name\": \"By channel\",\n"
    "  \"type\": \"catalyst.switch\",\n"
    "  \"parameters\": {\n"
    "    \"mode\": \"rules\",\n"
    "    \"rules\": { \"values\": [\n"
    "      { \"outputKey\": \"sms\", \"conditions\": { \"combinator\": \"and\", \"conditions\": [\n"
    "        { \"leftValue\": \"={{ $json.channel }}\", \"rightValue\": \"sms\",\n"
    "          \"operator\": { \"type\": \"string\", \"operation\": \"equals\" } } ] } },\n"
    "      { \"outputKey\": \"mail\", \"conditions\": { \"combinator\": \"and\", \"conditions\": "
    "[\n"
    "        { \"leftValue\": \"={{ $json.channel }}\", \"rightValue\": \"mail\",\n"
    "          \"operator\": { \"type\": \"string\", \"operation\": \"equals\" } } ] } }\n"
    "    ] },\n"
    "    \"options\": { \"fallbackOutput\": \"extra\" }\n"
    "  }\n"
    "}\n"
    "```\n"
    "\n"
    "With `expression`, a number is enough:\n"
    "\n"
    "```json\n"
    "{ \"mode\": \"expression\", \"numberOutputs\": 2, \"output\": \"={{ $json.amount > 100 ? 1 : "
    "0 }}\" }\n"
    "```\n"
    "\n" WF_FILTER_DOCS;

static const wf_node nodes[] = { {
    .type = "catalyst.switch",
    .help = "Send each item to one of many outputs",
    .ports = ports,
    .params = params,
    .config_size = sizeof(struct config),
    .process = switch_process,
    .open = switch_open,
    .close = switch_close,
    .shape = switch_shape,
    .codes = codes,
    .check = switch_check,
    .group = "flow",
    .docs = docs,
    .aliases = aliases,
} };

WF_PLUGIN("switch", "1.0.0", nodes);
