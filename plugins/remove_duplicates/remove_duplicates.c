/* SPDX-License-Identifier: Apache-2.0
 * catalyst.removeDuplicates: of equal items of an execution only the first goes on.
 *
 * Items are equal by all their fields, by all but some, or by some; they are found by hash, so the
 * time grows with the number of items. Thread: the worker's. Nothing blocks. Memory: the
 * execution's arena.
 */
#include <catalyst/collect.h>
#include <stdio.h>

enum { WITHIN_INPUT, PREVIOUS_EXECUTIONS, CLEAR_HISTORY };
enum { COMPARE_ALL, COMPARE_EXCEPT, COMPARE_SELECTED };

struct config {
    int operation, compare, no_dots, remove_others;
    wf_str excluded, selected;
};

static const wf_pair operations[] = { { "removeDuplicateInputItems",
                                        "duplicates among the items that come in" },
                                      { "removeItemsSeenInPreviousExecutions", "not supported" },
                                      { "clearDeduplicationHistory", "not supported" },
                                      { NULL, NULL } };
static const wf_pair compares[] = { { "allFields", "all fields" },
                                    { "allFieldsExcept", "all but those of fieldsToExclude" },
                                    { "selectedFields", "those of fieldsToCompare" },
                                    { NULL, NULL } };

static const wf_param params[] = {
    { WF_NAMED("operation"), WF_F_CHOICE(struct config, operation, operations),
      .def = "removeDuplicateInputItems", .help = "What counts as a duplicate" },
    { WF_NAMED("compare"), WF_F_CHOICE(struct config, compare, compares), .def = "allFields",
      .help = "Which fields make items equal" },
    { WF_NAMED("fieldsToExclude"), WF_F_STR(struct config, excluded),
      .flags = WF_EXPR | WF_REQUIRED, .show_if = "compare=allFieldsExcept",
      .help = "Names with commas" },
    { WF_NAMED("fieldsToCompare"), WF_F_STR(struct config, selected),
      .flags = WF_EXPR | WF_REQUIRED, .show_if = "compare=selectedFields",
      .help = "Names with commas" },
    { WF_NAMED("options.disableDotNotation"), WF_F_BOOL(struct config, no_dots),
      .help = "A dot in a name is a letter like any other" },
    { WF_NAMED("options.removeOtherFields"), WF_F_BOOL(struct config, remove_others),
      .help = "Items go on with only the fields that were compared" },
    WF_END,
};

/* The item with only what is compared. */
static const wf_value *compared_part(const wf_host *h, wf_item *it, wf_item *of,
                                     const struct config *c, const wf_names *names)
{
    const wf_value *object = h->value(of);
    if (c->compare == COMPARE_EXCEPT)
        return wf_fields_drop(h, it, object, names, !c->no_dots);
    if (c->compare == COMPARE_SELECTED)
        return wf_fields_pick(h, it, object, names, !c->no_dots);
    return object;
}

static void remove_segment(const wf_host *h, wf_segment *seg)
{
    wf_item *first = h->first(seg);
    const struct config *c = h->config(first);
    wf_names names =
        wf_names_of(h, first, c->compare == COMPARE_EXCEPT ? c->excluded : c->selected);
    wf_index seen = wf_index_of(h, first, c->compare == COMPARE_SELECTED ? names.n : 1);
    const wf_value **tuple = wf_values_new(h, first, seen.width);
    size_t n;
    wf_item *const *items = h->items(seg, 0, &n);
    for (size_t i = 0; i < n; i++) {
        size_t before = seen.n;
        if (c->compare == COMPARE_SELECTED)
            for (size_t k = 0; k < names.n; k++)
                tuple[k] = wf_field_get(h->v, h->value(items[i]), names.names[k], !c->no_dots);
        else
            tuple[0] = compared_part(h, first, items[i], c, &names);
        if (wf_index_add(&seen, tuple) != before)
            continue;
        if (c->remove_others && c->compare != COMPARE_ALL)
            h->seg_push(seg, 0, compared_part(h, first, items[i], c, &names), &items[i], 1);
        else
            h->seg_pass(seg, 0, items[i]);
    }
    h->seg_done(seg);
}

static void remove_process(const wf_host *h, wf_segment *const *segs, size_t n)
{
    for (size_t i = 0; i < n; i++)
        remove_segment(h, segs[i]);
}

static int remove_check(const wf_host *h, const void *config, char *why, size_t why_size)
{
    const struct config *c = config;
    (void)h;
    if (c->operation == WITHIN_INPUT)
        return 0;
    snprintf(why, why_size,
             "operation '%s' is not supported; keep what was seen in Redis or PostgreSQL with "
             "their nodes",
             operations[c->operation].name);
    return -1;
}

static const char *const ports[] = { "main", NULL };
static const char *const aliases[] = { "n8n-nodes-base.removeDuplicates", NULL };

static const char docs[] = "```json\n"
                           "{\n"
                           "  \"name\": \"One per customer\",\n"
                           "  \"type\": \"catalyst.removeDuplicates\",\n"
                           "  \"parameters\": {\n"
                           "    \"compare\": \"selectedFields\",\n"
                           "    \"fieldsToCompare\": \"customer.id, channel\"\n"
                           "  }\n"
                           "}\n"
                           "```\n"
                           "\n"
                           "- The first of equal items stays, and items keep their order.\n"
                           "- Values are compared with their types and all the way down; the order "
                           "of fields does not matter. A\n"
                           "  missing field equals a missing one, and not null.\n"
                           "- Only items of one execution are compared with each other.\n";

static const wf_node nodes[] = { {
    .type = "catalyst.removeDuplicates",
    .help = "Of equal items keep the first",
    .ports = ports,
    .params = params,
    .config_size = sizeof(struct config),
    .process_segments = remove_process,
    .flags = WF_NODE_SEGMENT,
    .check = remove_check,
    .group = "data",
    .docs = docs,
    .aliases = aliases,
} };

WF_PLUGIN("remove_duplicates", "1.0.0", nodes);
