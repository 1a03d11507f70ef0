/* SPDX-License-Identifier: Apache-2.0
 * catalyst.aggregate: all items of an execution become one, with lists.
 *
 * Either one list for each field, or one list of all items. Thread: the worker's. Nothing blocks.
 * Memory: the execution's arena; values are shared, not copied.
 */
#include <catalyst/collect.h>
#include <stdio.h>

enum { INDIVIDUAL_FIELDS, ALL_ITEM_DATA };
enum { INCLUDE_ALL, INCLUDE_SPECIFIED, INCLUDE_EXCEPT };

struct field {
    wf_str name, output;
    int rename;
};

struct config {
    int what, include, no_dots, merge_lists, keep_missing, keep_unique, include_binaries;
    wf_list fields; /* of struct field */
    wf_str destination, included, excluded;
};

static const wf_pair whats[] = { { "aggregateIndividualFields", "a list for each field" },
                                 { "aggregateAllItemData", "one list of all items" },
                                 { NULL, NULL } };
static const wf_pair includes[] = { { "allFields", "all fields" },
                                    { "specifiedFields", "those of fieldsToInclude" },
                                    { "allFieldsExcept", "all but those of fieldsToExclude" },
                                    { NULL, NULL } };

static const wf_param field_params[] = {
    { WF_NAMED("fieldToAggregate"), WF_F_STR(struct field, name), .flags = WF_REQUIRED | WF_EXPR,
      .help = "Name of the field" },
    { WF_NAMED("renameField"), WF_F_BOOL(struct field, rename),
      .help = "The list gets another name" },
    { WF_NAMED("outputFieldName"), WF_F_STR(struct field, output), .flags = WF_EXPR,
      .show_if = "renameField=true", .help = "That name" },
    WF_END,
};

static const wf_param params[] = {
    { WF_NAMED("aggregate"), WF_F_CHOICE(struct config, what, whats),
      .def = "aggregateIndividualFields", .help = "What is gathered" },
    { WF_NAMED("fieldsToAggregate.fieldToAggregate"),
      WF_F_LIST(struct config, fields, field_params, struct field),
      .show_if = "aggregate=aggregateIndividualFields", .help = "The fields to gather" },
    { WF_NAMED("destinationFieldName"), WF_F_STR(struct config, destination), .flags = WF_EXPR,
      .def = "data", .show_if = "aggregate=aggregateAllItemData", .help = "Name of the list" },
    { WF_NAMED("include"), WF_F_CHOICE(struct config, include, includes), .def = "allFields",
      .show_if = "aggregate=aggregateAllItemData", .help = "Which fields of the items" },
    { WF_NAMED("fieldsToInclude"), WF_F_STR(struct config, included),
      .flags = WF_EXPR | WF_REQUIRED,
      .show_if = "aggregate=aggregateAllItemData,include=specifiedFields",
      .help = "Names with commas" },
    { WF_NAMED("fieldsToExclude"), WF_F_STR(struct config, excluded),
      .flags = WF_EXPR | WF_REQUIRED,
      .show_if = "aggregate=aggregateAllItemData,include=allFieldsExcept",
      .help = "Names with commas" },
    { WF_NAMED("options.disableDotNotation"), WF_F_BOOL(struct config, no_dots),
      .help = "A dot in a name is a letter like any other" },
    { WF_NAMED("options.mergeLists"), WF_F_BOOL(struct config, merge_lists),
      .help = "A field that is a list gives its elements, not itself" },
    { WF_NAMED("options.keepMissing"), WF_F_BOOL(struct config, keep_missing),
      .help = "A null or missing field stands as null in the list; otherwise it is left out" },
    { WF_NAMED("options.includeBinaries"), WF_F_BOOL(struct config, include_binaries),
      .help = "The binary parts of the first item always go along" },
    { WF_NAMED("options.keepOnlyUnique"), WF_F_BOOL(struct config, keep_unique),
      .help = "Kept for files made elsewhere; not used" },
    WF_END,
};

/* What is gathered into one list. */
struct gather {
    const wf_host *h;
    wf_item *it;
    const struct config *c;
    wf_gathered list; /* a missing value becomes null in the array */
};

static void add(struct gather *g, const wf_value *value)
{
    wf_gather(g->h, g->it, &g->list, value);
}

/* One field of one item. */
static void gather_value(struct gather *g, const wf_value *value)
{
    const wf_values *v = g->h->v;
    int keep = g->c->keep_missing;
    size_t n = v->count(value), nulls = 0;
    if (v->type(value) != WF_JSON_ARRAY) {
        if (keep || v->type(value) > WF_JSON_NULL)
            add(g, value);
        return;
    }
    for (size_t i = 0; i < n; i++)
        nulls += v->type(v->at(value, i)) == WF_JSON_NULL;
    if (!g->c->merge_lists && (keep || !nulls)) {
        add(g, value);
        return;
    }
    struct gather own = { .h = g->h, .it = g->it, .c = g->c };
    struct gather *to = g->c->merge_lists ? g : &own;
    for (size_t i = 0; i < n; i++)
        if (keep || v->type(v->at(value, i)) != WF_JSON_NULL)
            add(to, v->at(value, i));
    if (to == &own)
        add(g, v->array(g->it, own.list.values, own.list.n));
}

/* The name of a field's list: its own, without the path before it. */
static wf_str output_name(const struct field *f, const struct config *c)
{
    wf_str name = f->name;
    const char *dot = c->no_dots ? NULL : memrchr(name.ptr, '.', name.len);
    if (f->rename && f->output.len)
        return f->output;
    if (dot)
        name = (wf_str){ dot + 1, (size_t)(name.ptr + name.len - dot - 1) };
    return name;
}

static const wf_value *individual_fields(const wf_host *h, wf_segment *seg, const struct config *c)
{
    const struct field *fields = c->fields.rows;
    wf_item *it = h->first(seg);
    size_t n;
    wf_item *const *items = h->items(seg, 0, &n);
    const wf_value *out = h->build(it, "{}");
    for (size_t k = 0; k < c->fields.n; k++) {
        struct gather g = { .h = h, .it = it, .c = c };
        wf_str name = output_name(&fields[k], c);
        if (h->v->get(out, name.ptr, name.len)) {
            h->seg_fail(seg, "two lists would be called '%.*s'; rename one of them", (int)name.len,
                        name.ptr);
            return NULL;
        }
        for (size_t i = 0; i < n; i++)
            gather_value(&g, wf_field_get(h->v, h->value(items[i]), fields[k].name, !c->no_dots));
        out = h->v->set_key(it, out, name, h->v->array(it, g.list.values, g.list.n));
    }
    return out;
}

static const wf_value *all_item_data(const wf_host *h, wf_segment *seg, const struct config *c)
{
    wf_item *it = h->first(seg);
    struct gather g = { .h = h, .it = it, .c = c };
    wf_names names =
        wf_names_of(h, it, c->include == INCLUDE_SPECIFIED ? c->included : c->excluded);
    size_t n;
    wf_item *const *items = h->items(seg, 0, &n);
    for (size_t i = 0; i < n; i++) {
        const wf_value *object = h->value(items[i]);
        if (c->include == INCLUDE_SPECIFIED)
            object = wf_fields_pick(h, it, object, &names, !c->no_dots);
        else if (c->include == INCLUDE_EXCEPT)
            object = wf_fields_drop(h, it, object, &names, !c->no_dots);
        if (c->include == INCLUDE_ALL || h->v->count(object))
            add(&g, object);
    }
    return h->v->set_key(it, NULL, c->destination, h->v->array(it, g.list.values, g.list.n));
}

static void aggregate_process(const wf_host *h, wf_segment *const *segs, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const struct config *c = h->config(h->first(segs[i]));
        size_t n_items;
        wf_item *const *items = h->items(segs[i], 0, &n_items);
        const wf_value *out = c->what == ALL_ITEM_DATA ? all_item_data(h, segs[i], c)
                                                       : individual_fields(h, segs[i], c);
        if (!out)
            continue;
        h->seg_push(segs[i], 0, out, items, n_items);
        h->seg_done(segs[i]);
    }
}

static int aggregate_check(const wf_host *h, const void *config, char *why, size_t why_size)
{
    const struct config *c = config;
    (void)h;
    if (c->what == ALL_ITEM_DATA || c->fields.n)
        return 0;
    snprintf(why, why_size, "no field is named; add one under fieldsToAggregate.fieldToAggregate");
    return -1;
}

static const char *const ports[] = { "main", NULL };
static const char *const aliases[] = { "n8n-nodes-base.aggregate", NULL };

static const char docs[] =
    "```json\n"
    "{\n"
    "  \"name\": \"All addresses\",\n"
    "  \"type\": \"catalyst.aggregate\",\n"
    "  \"parameters\": {\n"
    "    \"aggregate\": \"aggregateIndividualFields\",\n"
    "    \"fieldsToAggregate\": { \"fieldToAggregate\": [\n"
    "      { \"fieldToAggregate\": \"customer.mail\", \"renameField\": true, \"outputFieldName\": "
    "\"mails\" }\n"
    "    ] }\n"
    "  }\n"
    "}\n"
    "```\n"
    "\n"
    "- A field named by a path gives a list with the last part of the path as its name.\n"
    "- null and missing fields are left out, also inside lists, unless `options.keepMissing` is "
    "on.\n"
    "- With `specifiedFields` and `allFieldsExcept` an item that has nothing left is left out.\n"
    "- Two lists of the same name fail the execution.\n";

static const wf_node nodes[] = { {
    .type = "catalyst.aggregate",
    .help = "Gather the items of an execution into one",
    .ports = ports,
    .params = params,
    .config_size = sizeof(struct config),
    .process_segments = aggregate_process,
    .flags = WF_NODE_SEGMENT,
    .check = aggregate_check,
    .group = "data",
    .docs = docs,
    .aliases = aliases,
} };

WF_PLUGIN("aggregate", "1.0.0", nodes);
