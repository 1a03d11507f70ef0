/* SPDX-License-Identifier: Apache-2.0
 * catalyst.merge: items of several inputs become one stream: one after the other, in pairs, or a
 * choice.
 *
 * The node runs when at least one input is there and no more can come; an input that stays away is
 * empty. How two objects become one is in combine.c, the join by fields in join.c.
 *
 * Thread: the worker's. Nothing blocks. Memory: the execution's arena.
 */
#include "merge_int.h"
#include <stdio.h>

static const wf_pair modes[] = { { "append",
                                   "all items of input 1, then those of input 2, and so on" },
                                 { "combine", "items of the inputs are joined to one" },
                                 { "chooseBranch", "the items of one input, when all have come" },
                                 { "combineBySql", "not supported" },
                                 { NULL, NULL } };
static const wf_pair bys[] = { { "auto", "combineByFields, or what combinationMode says" },
                               { "combineByFields", "items whose fields are equal" },
                               { "combineByPosition",
                                 "the first with the first, the second with the second" },
                               { "combineAll", "each item of input 1 with each of input 2" },
                               { NULL, NULL } };
static const wf_pair old_bys[] = { { "none", "not given" },
                                   { "mergeByFields", "combineByFields" },
                                   { "mergeByPosition", "combineByPosition" },
                                   { "multiplex", "combineAll" },
                                   { NULL, NULL } };
static const wf_pair joins[] = {
    { "keepMatches", "pairs that match (inner join)" },
    { "keepNonMatches", "items that match nothing" },
    { "keepEverything", "pairs, and the items that match nothing (outer join)" },
    { "enrichInput1", "all of input 1, with what matches of input 2 (left join)" },
    { "enrichInput2", "all of input 2, with what matches of input 1 (right join)" },
    { NULL, NULL }
};
static const wf_pair froms[] = { { "both", "both, joined" },
                                 { "input1", "those of input 1" },
                                 { "input2", "those of input 2" },
                                 { NULL, NULL } };
static const wf_pair outputs[] = { { "specifiedInput", "those of useDataOfInput" },
                                   { "input1", "those of input 1" },
                                   { "input2", "those of input 2" },
                                   { "empty", "one empty item" },
                                   { NULL, NULL } };
static const wf_pair clashes[] = { { "auto", "the last input wins; with enrichInput2 input 1" },
                                   { "addSuffix",
                                     "all fields get the number of their input: name_1, name_2" },
                                   { "preferInput1", "input 1 wins" },
                                   { "preferInput2", "input 2 wins" },
                                   { "preferLast", "the last input wins" },
                                   { NULL, NULL } };
static const wf_pair depths[] = { { "deepMerge", "objects and arrays are joined all the way down" },
                                  { "shallowMerge", "only the fields of the item itself" },
                                  { NULL, NULL } };
static const wf_pair matches[] = { { "all", "a pair for each match" },
                                   { "first", "the first match only" },
                                   { NULL, NULL } };

static const wf_param pair_params[] = {
    { WF_NAMED("field1"), WF_F_STR(struct field_pair, field1), .flags = WF_REQUIRED,
      .help = "Field of input 1" },
    { WF_NAMED("field2"), WF_F_STR(struct field_pair, field2), .flags = WF_REQUIRED,
      .help = "Field of input 2" },
    WF_END,
};

static const wf_param params[] = {
    { WF_NAMED("mode"), WF_F_CHOICE(struct config, mode, modes), .def = "append",
      .help = "What is done" },
    { WF_NAMED("numberInputs"), WF_F_INT(struct config, n_inputs), .def = "2", .min = 2,
      .max = INPUTS_MAX,
      .help = "How many inputs there are; combining by fields and all combinations take 2" },
    { WF_NAMED("combineBy"), WF_F_CHOICE(struct config, combine_by, bys), .def = "auto",
      .show_if = "mode=combine", .help = "Which items are joined" },
    { WF_NAMED("combinationMode"), WF_F_CHOICE(struct config, combination_mode, old_bys),
      .def = "none", .show_if = "mode=combine", .help = "The older form of combineBy" },
    { WF_NAMED("advanced"), WF_F_BOOL(struct config, advanced), .show_if = "mode=combine",
      .help = "The fields have different names in the inputs" },
    { WF_NAMED("fieldsToMatchString"), WF_F_STR(struct config, fields), .flags = WF_EXPR,
      .show_if = "mode=combine", .help = "Names of the fields to match by, with commas" },
    { WF_NAMED("mergeByFields.values"),
      WF_F_LIST(struct config, pairs, pair_params, struct field_pair), .show_if = "mode=combine",
      .help = "Pairs of fields to match by" },
    { WF_NAMED("joinMode"), WF_F_CHOICE(struct config, join_mode, joins), .def = "keepMatches",
      .show_if = "mode=combine", .help = "What comes out when items are matched by fields" },
    { WF_NAMED("outputDataFrom"), WF_F_CHOICE(struct config, from, froms), .def = "both",
      .show_if = "mode=combine",
      .help = "Whose items come out with keepMatches and keepNonMatches" },
    { WF_NAMED("chooseBranchMode"), WF_F_STR(struct config, choose_mode), .def = "waitForAll",
      .show_if = "mode=chooseBranch", .help = "waitForAll; there is no other" },
    { WF_NAMED("output"), WF_F_CHOICE(struct config, output, outputs), .def = "specifiedInput",
      .show_if = "mode=chooseBranch", .help = "Which items come out" },
    { WF_NAMED("useDataOfInput"), WF_F_INT(struct config, use_input), .def = "1", .min = 1,
      .max = INPUTS_MAX, .show_if = "mode=chooseBranch", .help = "Number of the input" },
    { WF_NAMED("query"), WF_F_STR(struct config, query), .show_if = "mode=combineBySql",
      .flags = WF_RAW, .help = "Not supported" },
    { WF_NAMED("options.clashHandling.values.resolveClash"),
      WF_F_CHOICE(struct config, clash, clashes), .def = "auto",
      .help = "Who wins when a field is in several items" },
    { WF_NAMED("options.clashHandling.values.mergeMode"), WF_F_CHOICE(struct config, depth, depths),
      .def = "deepMerge", .help = "How deep objects are joined" },
    { WF_NAMED("options.clashHandling.values.overrideEmpty"),
      WF_F_BOOL(struct config, override_empty), .help = "A null or an empty text never wins" },
    { WF_NAMED("options.multipleMatches"), WF_F_CHOICE(struct config, matches, matches),
      .def = "all", .help = "What an item of input 1 gives that matches several of input 2" },
    { WF_NAMED("options.includeUnpaired"), WF_F_BOOL(struct config, include_unpaired),
      .help = "By position: items without a partner come out too" },
    { WF_NAMED("options.disableDotNotation"), WF_F_BOOL(struct config, no_dots),
      .help = "A dot in a name is a letter like any other" },
    { WF_NAMED("options.fuzzyCompare"), WF_F_BOOL(struct config, fuzzy),
      .help = "Numbers and booleans match their text, and null, missing, empty text and empty "
              "lists match each other" },
    WF_END,
};

static int combine_by(const struct config *c)
{
    if (c->combine_by != BY_AUTO)
        return c->combine_by;
    return c->combination_mode == OLD_NONE ? BY_FIELDS : c->combination_mode;
}

static void merge_shape(const void *config, unsigned *inputs, unsigned *n_outputs)
{
    const struct config *c = config;
    (void)n_outputs;
    *inputs = c->mode == MODE_COMBINE && combine_by(c) != BY_POSITION ? 2 : (unsigned)c->n_inputs;
}

static int merge_check(const wf_host *h, const void *config, char *why, size_t why_size)
{
    const struct config *c = config;
    (void)h;
    if (c->mode == MODE_SQL) {
        snprintf(why, why_size,
                 "combineBySql is not supported; combine by fields, or use catalyst.code");
        return -1;
    }
    if (c->mode == MODE_CHOOSE && c->output == OUTPUT_SPECIFIED && c->use_input > c->n_inputs) {
        snprintf(why, why_size, "useDataOfInput is %lld, but there are %lld inputs",
                 (long long)c->use_input, (long long)c->n_inputs);
        return -1;
    }
    return 0;
}

static int append(struct merge *m)
{
    for (unsigned input = 0; input < m->h->inputs(m->seg); input++) {
        size_t n;
        wf_item *const *items = m->h->items(m->seg, input, &n);
        for (size_t i = 0; i < n; i++)
            if (merge_pass(m, items[i]) != 0)
                return -1;
    }
    return 0;
}

static int by_position(struct merge *m)
{
    wf_item *const *items[INPUTS_MAX], *row[INPUTS_MAX];
    size_t n[INPUTS_MAX], least = SIZE_MAX, most = 0;
    unsigned inputs = m->h->inputs(m->seg);
    inputs = inputs > INPUTS_MAX ? INPUTS_MAX : inputs;
    for (unsigned k = 0; k < inputs; k++) {
        items[k] = m->h->items(m->seg, k, &n[k]);
        least = n[k] < least ? n[k] : least;
        most = n[k] > most ? n[k] : most;
    }
    for (size_t i = 0; i < (m->c->include_unpaired ? most : least); i++) {
        for (unsigned k = 0; k < inputs; k++)
            row[k] = i < n[k] ? items[k][i] : NULL;
        if (merge_put(m, row, inputs) != 0)
            return -1;
    }
    return 0;
}

static int all_combinations(struct merge *m)
{
    size_t n, k;
    wf_item *const *first = m->h->items(m->seg, 0, &n), *const *second = m->h->items(m->seg, 1, &k);
    if (k && n > OUTPUT_MAX / k) {
        m->h->seg_fail(m->seg, "%zu times %zu items are more than %d", n, k, OUTPUT_MAX);
        return -1;
    }
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < k; j++) {
            wf_item *const pair[] = { first[i], second[j] };
            if (merge_put(m, pair, 2) != 0)
                return -1;
        }
    return 0;
}

static int choose(struct merge *m)
{
    unsigned input = (unsigned)m->c->use_input - 1;
    size_t n;
    if (m->c->output == OUTPUT_EMPTY) {
        m->h->seg_push(m->seg, 0, m->h->build(m->it, "{}"), &m->it, 1);
        return 0;
    }
    if (m->c->output != OUTPUT_SPECIFIED)
        input = m->c->output == OUTPUT_INPUT_2;
    wf_item *const *items = m->h->items(m->seg, input, &n);
    for (size_t i = 0; i < n; i++)
        m->h->seg_pass(m->seg, 0, items[i]);
    return 0;
}

static int combine(struct merge *m)
{
    int by = combine_by(m->c);
    return by == BY_FIELDS     ? merge_join(m)
           : by == BY_POSITION ? by_position(m)
                               : all_combinations(m);
}

static void merge_process(const wf_host *h, wf_segment *const *segs, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct merge m = { .h = h, .seg = segs[i], .it = h->first(segs[i]) };
        m.c = h->config(m.it);
        m.clash = merge_clash(m.c);
        int rc = m.c->mode == MODE_APPEND    ? append(&m)
                 : m.c->mode == MODE_COMBINE ? combine(&m)
                                             : choose(&m);
        if (rc == 0)
            h->seg_done(segs[i]);
    }
}

static const char *const ports[] = { "main", NULL };
static const char *const inputs[] = { "input1", "input2", NULL };
static const char *const aliases[] = { "n8n-nodes-base.merge", NULL };

static const char docs[] =
    "The node runs when all inputs have come, or when no more can come; an input that stayed away "
    "is empty.\n"
    "\n"
    "```json\n"
    "{\n"
    "  \"name\": \"Orders with customers\",\n"
    "  \"type\": \"catalyst.merge\",\n"
    "  \"parameters\": {\n"
    "    \"mode\": \"combine\",\n"
    "    \"combineBy\": \"combineByFields\",\n"
    "    \"advanced\": true,\n"
    "    \"mergeByFields\": { \"values\": [ { \"field1\": \"customerId\", \"field2\": \"id\" } ] "
    "},\n"
    "    \"joinMode\": \"enrichInput1\",\n"
    "    \"options\": { \"clashHandling\": { \"values\": { \"resolveClash\": \"preferInput1\" } } "
    "}\n"
    "  }\n"
    "}\n"
    "```\n"
    "\n"
    "- Matching compares values with their types, unless `fuzzyCompare` is on. An item that has "
    "not all match\n"
    "  fields matches nothing.\n"
    "- Joined items come first, in the order of input 1, then those that found no partner.\n"
    "- Under `deepMerge` arrays are joined element by element.\n"
    "- The join is by hash: its time grows with the items in and out. More than 1,000,000 items "
    "out fail the\n"
    "  execution.\n"
    "- `combineBySql` is refused.\n";

static const wf_node nodes[] = { {
    .type = "catalyst.merge",
    .help = "Join the items of several inputs",
    .ports = ports,
    .params = params,
    .config_size = sizeof(struct config),
    .process_segments = merge_process,
    .inputs = inputs,
    .shape = merge_shape,
    .flags = WF_NODE_SEGMENT | WF_NODE_ANY_INPUT,
    .check = merge_check,
    .group = "flow",
    .docs = docs,
    .aliases = aliases,
} };

WF_PLUGIN("merge", "1.0.0", nodes);
