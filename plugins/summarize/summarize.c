/* SPDX-License-Identifier: Apache-2.0
 * catalyst.summarize: sums, counts and lists over the items of an execution, in all or by groups.
 *
 * Groups are found by hash. They come out by their first field in the order of its first
 * appearance, within that by the second, and so on, as a pivot table has them. What a measure does
 * is in measure.c.
 *
 * Thread: the worker's. Nothing blocks. Memory: the execution's arena.
 */
#include "measure.h"
#include <stdio.h>

enum { SEPARATE_ITEMS, SINGLE_ITEM };

struct config {
    wf_list summaries; /* of struct summary */
    wf_str split_by;
    int no_dots, format, skip_empty, go_on;
};

/* One run over a segment. */
struct run {
    const wf_host *h;
    wf_segment *seg;
    wf_item *it;
    const struct config *c;
    const struct summary *summaries;
    wf_names split;
    wf_item *const *items;
    size_t n_items;
    wf_index *prefixes; /* of the first, the first two, ... split fields */
    size_t n_groups;
    size_t *ranks;            /* group g: its prefix numbers are ranks[g * split.n] and on */
    struct measure *measures; /* group g: measures[g * summaries] and on */
    size_t size;              /* groups there is room for */
    size_t *group_of;         /* per item; SIZE_MAX: in none */
    wf_str *split_names, *names;
};

static const wf_pair aggregations[] = { { "append", "a list of the values" },
                                        { "average", "the mean of the numbers" },
                                        { "concatenate", "the values as one text" },
                                        { "count", "how many values there are" },
                                        { "countUnique", "how many different values there are" },
                                        { "max", "the largest value" },
                                        { "min", "the smallest value" },
                                        { "sum", "the sum of the numbers" },
                                        { NULL, NULL } };
static const char *const prefixes[] = { "appended_",     "average_", "concatenated_", "count_",
                                        "unique_count_", "max_",     "min_",          "sum_" };
static const wf_pair formats[] = { { "separateItems", "one item for each group" },
                                   { "singleItem",
                                     "one item, with an object for each value of a split field" },
                                   { NULL, NULL } };

static const wf_param summary_params[] = {
    { WF_NAMED("aggregation"), WF_F_CHOICE(struct summary, aggregation, aggregations),
      .def = "count", .help = "What is made of the values" },
    { WF_NAMED("field"), WF_F_STR(struct summary, field), .flags = WF_REQUIRED | WF_EXPR,
      .help = "Name of the field" },
    { WF_NAMED("includeEmpty"), WF_F_BOOL(struct summary, include_empty),
      .help = "null, missing and empty text count too" },
    { WF_NAMED("separateBy"), WF_F_STR(struct summary, separate_by), .def = ",",
      .help = "What stands between texts; `other`: customSeparator" },
    { WF_NAMED("customSeparator"), WF_F_STR(struct summary, custom),
      .help = "What stands between texts" },
    WF_END,
};

static const wf_param params[] = {
    { WF_NAMED("fieldsToSummarize.values"),
      WF_F_LIST(struct config, summaries, summary_params, struct summary), .help = "The measures" },
    { WF_NAMED("fieldsToSplitBy"), WF_F_STR(struct config, split_by), .flags = WF_EXPR,
      .help = "Names of the fields that make groups, with commas; none: one group of all" },
    { WF_NAMED("options.outputFormat"), WF_F_CHOICE(struct config, format, formats),
      .def = "separateItems", .help = "How groups come out" },
    { WF_NAMED("options.disableDotNotation"), WF_F_BOOL(struct config, no_dots),
      .help = "A dot in a name is a letter like any other" },
    { WF_NAMED("options.skipEmptySplitFields"), WF_F_BOOL(struct config, skip_empty),
      .help = "Leave items out whose group would have null, missing or empty text in its name" },
    { WF_NAMED("options.continueIfFieldNotFound"), WF_F_BOOL(struct config, go_on),
      .help = "A field that no item has is no mistake" },
    WF_END,
};

/* A field's name as part of a new one: without brackets and quotes, dots and blanks as underscores.
 */
static wf_str output_name(struct run *r, const char *prefix, wf_str field)
{
    size_t len = strlen(prefix);
    char *to = r->h->alloc(r->it, len + field.len + 1);
    for (size_t i = 0; i < len; i++)
        to[i] = prefix[i];
    for (size_t i = 0; i < field.len; i++) {
        char c = field.ptr[i];
        if (c != '[' && c != ']' && c != '"')
            to[len++] = (char)(c == '.' || c == ' ' ? '_' : c);
    }
    return (wf_str){ to, len };
}

static void name_outputs(struct run *r)
{
    r->split_names = r->h->alloc(r->it, r->split.n * sizeof *r->split_names + 1);
    r->names = r->h->alloc(r->it, r->c->summaries.n * sizeof *r->names + 1);
    for (size_t k = 0; k < r->split.n; k++)
        r->split_names[k] = output_name(r, "", r->split.names[k]);
    for (size_t k = 0; k < r->c->summaries.n; k++)
        r->names[k] = output_name(r, prefixes[r->summaries[k].aggregation], r->summaries[k].field);
}

static const wf_value *field_of(struct run *r, size_t i, wf_str name)
{
    return wf_field_get(r->h->v, r->h->value(r->items[i]), name, !r->c->no_dots);
}

/* 0, or -1 after the segment was failed because no item has the field. */
static int require(struct run *r, wf_str name)
{
    for (size_t i = 0; i < r->n_items; i++)
        if (field_of(r, i, name))
            return 0;
    if (r->c->go_on)
        return 0;
    r->h->seg_fail(r->seg,
                   "no item has the field '%s'; options.continueIfFieldNotFound allows that",
                   name.ptr);
    return -1;
}

static int require_all(struct run *r)
{
    for (size_t k = 0; k < r->c->summaries.n; k++)
        if (require(r, r->summaries[k].field) != 0)
            return -1;
    for (size_t k = 0; k < r->split.n; k++)
        if (require(r, r->split.names[k]) != 0)
            return -1;
    return 0;
}

static void start_group(struct run *r, const size_t *ranks)
{
    size_t width = r->split.n, n = r->c->summaries.n, g = r->n_groups;
    if (g == r->size) {
        r->size = r->size ? r->size * 2 : 4;
        size_t *more_ranks = r->h->alloc(r->it, r->size * width * sizeof *more_ranks + 1);
        struct measure *more = r->h->alloc(r->it, r->size * n * sizeof *more + 1);
        if (g) {
            memcpy(more_ranks, r->ranks, g * width * sizeof *more_ranks);
            memcpy(more, r->measures, g * n * sizeof *more);
        }
        r->ranks = more_ranks;
        r->measures = more;
    }
    if (width)
        memcpy(r->ranks + g * width, ranks, width * sizeof *ranks);
    for (size_t k = 0; k < n; k++)
        measure_start(&r->measures[g * n + k], r->h, r->it, &r->summaries[k]);
    r->n_groups++;
}

/* The group of an item; SIZE_MAX: none. */
static size_t find_group(struct run *r, size_t i, const wf_value **tuple, size_t *ranks)
{
    size_t width = r->split.n, before = 0;
    for (size_t k = 0; k < width; k++) {
        tuple[k] = field_of(r, i, r->split.names[k]);
        if (r->c->skip_empty && measure_is_empty(r->h->v, tuple[k]))
            return SIZE_MAX;
    }
    for (size_t k = 0; k < width; k++) {
        before = r->prefixes[k].n;
        ranks[k] = wf_index_add(&r->prefixes[k], tuple);
    }
    size_t group = width ? ranks[width - 1] : 0;
    if (width ? group == before : r->n_groups == 0)
        start_group(r, ranks);
    return group;
}

static void measure_items(struct run *r)
{
    const wf_value **tuple = wf_values_new(r->h, r->it, r->split.n);
    size_t *ranks = r->h->alloc(r->it, r->split.n * sizeof *ranks + 1), n = r->c->summaries.n;
    r->prefixes = r->h->alloc(r->it, r->split.n * sizeof *r->prefixes + 1);
    r->group_of = r->h->alloc(r->it, r->n_items * sizeof *r->group_of + 1);
    for (size_t k = 0; k < r->split.n; k++)
        r->prefixes[k] = wf_index_of(r->h, r->it, k + 1);
    for (size_t i = 0; i < r->n_items; i++) {
        size_t g = r->group_of[i] = find_group(r, i, tuple, ranks);
        for (size_t k = 0; g != SIZE_MAX && k < n; k++)
            measure_add(&r->measures[g * n + k], field_of(r, i, r->summaries[k].field));
    }
}

static int compare_groups(const void *a, const void *b, void *arg)
{
    const struct run *r = arg;
    const size_t *x = r->ranks + *(const size_t *)a * r->split.n,
                 *y = r->ranks + *(const size_t *)b * r->split.n;
    for (size_t k = 0; k < r->split.n; k++)
        if (x[k] != y[k])
            return x[k] < y[k] ? -1 : 1;
    return 0;
}

static const wf_value *split_value(struct run *r, size_t group, size_t k)
{
    const wf_index *all = &r->prefixes[r->split.n - 1];
    return all->keys[group * r->split.n + k];
}

static const wf_value *group_object(struct run *r, size_t group, int with_split)
{
    const wf_value *out = r->h->build(r->it, "{}");
    for (size_t k = 0; with_split && k < r->split.n; k++) {
        const wf_value *value = split_value(r, group, k);
        out = r->h->v->set_key(r->it, out, r->split_names[k], value ? value : wf_null(r->h, r->it));
    }
    for (size_t k = 0; k < r->c->summaries.n; k++) {
        const wf_value *value = measure_result(&r->measures[group * r->c->summaries.n + k]);
        out = r->h->v->set_key(r->it, out, r->names[k], value);
    }
    return out;
}

/* groups[from..to) share their first `level` split values: an object with a member for each next
 * one. */
static const wf_value *nest(struct run *r, const size_t *groups, size_t from, size_t to,
                            size_t level)
{
    const wf_value *out = r->h->build(r->it, "{}");
    if (level == r->split.n)
        return group_object(r, groups[from], 0);
    while (from < to) {
        size_t end = from + 1, rank = r->ranks[groups[from] * r->split.n + level];
        while (end < to && r->ranks[groups[end] * r->split.n + level] == rank)
            end++;
        const wf_value *value = split_value(r, groups[from], level);
        wf_str key = value ? r->h->v->text(r->it, value) : (wf_str){ "null", 4 };
        out = r->h->v->set_key(r->it, out, key, nest(r, groups, from, end, level + 1));
        from = end;
    }
    return out;
}

/* Puts each group out with the items it was made of. */
static void put_groups(struct run *r, const size_t *groups)
{
    size_t *ends = r->h->alloc(r->it, (r->n_groups + 1) * sizeof *ends);
    wf_item **sorted = r->h->alloc(r->it, r->n_items * sizeof(void *) + 1);
    for (size_t i = 0; i < r->n_items; i++)
        if (r->group_of[i] != SIZE_MAX)
            ends[r->group_of[i] + 1]++;
    for (size_t g = 0; g < r->n_groups; g++)
        ends[g + 1] += ends[g];
    for (size_t i = 0; i < r->n_items;
         i++) /* ends[g] runs from where group g begins to where it ends */
        if (r->group_of[i] != SIZE_MAX)
            sorted[ends[r->group_of[i]]++] = r->items[i];
    for (size_t k = 0; k < r->n_groups; k++) {
        size_t g = groups[k], begin = g ? ends[g - 1] : 0;
        r->h->seg_push(r->seg, 0, group_object(r, g, 1), sorted + begin, ends[g] - begin);
    }
}

static void summarize_segment(const wf_host *h, wf_segment *seg)
{
    struct run r = { .h = h, .seg = seg, .it = h->first(seg) };
    r.c = h->config(r.it);
    r.summaries = r.c->summaries.rows;
    r.split = wf_names_of(h, r.it, r.c->split_by);
    r.items = h->items(seg, 0, &r.n_items);
    if (require_all(&r) != 0)
        return;
    name_outputs(&r);
    measure_items(&r);
    size_t *groups = h->alloc(r.it, r.n_groups * sizeof *groups + 1);
    for (size_t g = 0; g < r.n_groups; g++)
        groups[g] = g;
    qsort_r(groups, r.n_groups, sizeof *groups, compare_groups, &r);
    if (r.c->format == SINGLE_ITEM && r.split.n)
        h->seg_push(seg, 0, nest(&r, groups, 0, r.n_groups, 0), r.items, r.n_items);
    else
        put_groups(&r, groups);
    h->seg_done(seg);
}

static void summarize_process(const wf_host *h, wf_segment *const *segs, size_t n)
{
    for (size_t i = 0; i < n; i++)
        summarize_segment(h, segs[i]);
}

static int summarize_check(const wf_host *h, const void *config, char *why, size_t why_size)
{
    const struct config *c = config;
    (void)h;
    if (c->summaries.n)
        return 0;
    snprintf(why, why_size, "there is no measure; add one under fieldsToSummarize.values");
    return -1;
}

static const char *const ports[] = { "main", NULL };
static const char *const aliases[] = { "n8n-nodes-base.summarize", NULL };

static const char docs[] =
    "```json\n"
    "{\n"
    "  \"name\": \"Per country\",\n"
    "  \"type\": \"catalyst.summarize\",\n"
    "  \"parameters\": {\n"
    "    \"fieldsToSplitBy\": \"country\",\n"
    "    \"fieldsToSummarize\": { \"values\": [\n"
    "      { \"aggregation\": \"sum\", \"field\": \"amount\" },\n"
    "      { \"aggregation\": \"countUnique\", \"field\": \"customer.id\" }\n"
    "    ] }\n"
    "  }\n"
    "}\n"
    "```\n"
    "\n"
    "gives items like `{ \"country\": \"DE\", \"sum_amount\": 120, \"unique_count_customer_id\": 7 "
    "}`.\n"
    "\n"
    "- The names are `appended_`, `average_`, `concatenated_`, `count_`, `unique_count_`, `max_`, "
    "`min_` and\n"
    "  `sum_` with the field; dots and blanks become underscores.\n"
    "- `sum` and `average` take numbers only; sums of integers are exact. `max` and `min` use the "
    "order of\n"
    "  `catalyst.sort`. null, missing and empty text do not count unless `includeEmpty` is on.\n"
    "- Of no values `average`, `max` and `min` give null.\n"
    "- A field that no item has fails the execution, unless `options.continueIfFieldNotFound` is "
    "on.\n";

static const wf_node nodes[] = { {
    .type = "catalyst.summarize",
    .help = "Sum up the items of an execution, in all or by groups",
    .ports = ports,
    .params = params,
    .config_size = sizeof(struct config),
    .process_segments = summarize_process,
    .flags = WF_NODE_SEGMENT,
    .check = summarize_check,
    .group = "data",
    .docs = docs,
    .aliases = aliases,
} };

WF_PLUGIN("summarize", "1.0.0", nodes);
