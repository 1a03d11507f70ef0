/* SPDX-License-Identifier: Apache-2.0
 * catalyst.sort: the items of an execution in the order of their fields, or in a random one.
 *
 * Values are read once per item, then places are sorted; items pass unchanged. The order is that of
 * catalyst/collect.h, total and stable. Thread: the worker's. Nothing blocks.
 */
#include <catalyst/collect.h>
#include <stdio.h>

enum { TYPE_SIMPLE, TYPE_RANDOM, TYPE_CODE };
enum { ASCENDING, DESCENDING };

struct field {
    wf_str name;
    int order;
};

struct config {
    int type, no_dots;
    wf_list fields; /* of struct field */
    wf_str code;
};

/* What the comparison sees. */
struct sorting {
    const wf_values *v;
    const struct field *fields;
    size_t n_fields;
    const wf_value **keys; /* of item i: keys[i * n_fields] and on */
};

static const wf_pair types[] = { { "simple", "by fields" },
                                 { "random", "shuffled, in the same way on every replay" },
                                 { "code", "not supported here: use catalyst.code" },
                                 { NULL, NULL } };
static const wf_pair orders[] = { { "ascending", "small ones first" },
                                  { "descending", "large ones first" },
                                  { NULL, NULL } };

static const wf_param field_params[] = {
    { WF_NAMED("fieldName"), WF_F_STR(struct field, name), .flags = WF_REQUIRED | WF_EXPR,
      .help = "Name of the field" },
    { WF_NAMED("order"), WF_F_CHOICE(struct field, order, orders), .def = "ascending",
      .help = "Direction" },
    WF_END,
};

static const wf_param params[] = {
    { WF_NAMED("type"), WF_F_CHOICE(struct config, type, types), .def = "simple",
      .help = "How items are put in order" },
    { WF_NAMED("sortFieldsUi.sortField"),
      WF_F_LIST(struct config, fields, field_params, struct field), .show_if = "type=simple",
      .help = "The fields; a later one decides among items equal in those before" },
    { WF_NAMED("code"), WF_F_STR(struct config, code), .flags = WF_RAW | WF_MULTILINE,
      .show_if = "type=code", .help = "Not supported" },
    { WF_NAMED("options.disableDotNotation"), WF_F_BOOL(struct config, no_dots),
      .help = "A dot in a name is a letter like any other" },
    WF_END,
};

static int compare(const void *a, const void *b, void *arg)
{
    const struct sorting *s = arg;
    size_t i = *(const size_t *)a, j = *(const size_t *)b;
    for (size_t k = 0; k < s->n_fields; k++) {
        const wf_value *x = s->keys[i * s->n_fields + k], *y = s->keys[j * s->n_fields + k];
        int order = wf_order(s->v, x, y);
        int nothing = s->v->type(x) <= WF_JSON_NULL || s->v->type(y) <= WF_JSON_NULL;
        if (order) /* what has no value comes last in both directions */
            return s->fields[k].order == DESCENDING && !nothing ? -order : order;
    }
    return (i > j) - (i < j);
}

/* Reads all keys. 0, or -1 after the segment was failed because no item has a field. */
static int read_keys(const wf_host *h, wf_segment *seg, const struct config *c, struct sorting *s)
{
    size_t n;
    wf_item *const *items = h->items(seg, 0, &n);
    s->keys = wf_values_new(h, h->first(seg), n * s->n_fields);
    for (size_t k = 0; k < s->n_fields; k++) {
        size_t found = 0;
        for (size_t i = 0; i < n; i++) {
            const wf_value *value =
                wf_field_get(h->v, h->value(items[i]), s->fields[k].name, !c->no_dots);
            s->keys[i * s->n_fields + k] = value;
            found += value != NULL;
        }
        if (!found) {
            h->seg_fail(seg, "no item has the field '%s' to sort by", s->fields[k].name.ptr);
            return -1;
        }
    }
    return 0;
}

static void shuffle(const wf_host *h, wf_segment *seg, size_t *places, size_t n)
{
    const char *key = h->key(h->first(seg));
    uint64_t state = wf_hash_bytes(n, key, strlen(key));
    for (size_t i = n; i > 1; i--) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        size_t j = (size_t)(wf_hash_mix(state, i) % i), swap = places[i - 1];
        places[i - 1] = places[j];
        places[j] = swap;
    }
}

static void sort_segment(const wf_host *h, wf_segment *seg)
{
    const struct config *c = h->config(h->first(seg));
    struct sorting s = { .v = h->v, .fields = c->fields.rows, .n_fields = c->fields.n };
    size_t n;
    wf_item *const *items = h->items(seg, 0, &n);
    size_t *places = h->alloc(h->first(seg), n * sizeof *places + 1);
    for (size_t i = 0; i < n; i++)
        places[i] = i;
    if (c->type == TYPE_RANDOM) {
        shuffle(h, seg, places, n);
    } else {
        if (read_keys(h, seg, c, &s) != 0)
            return;
        qsort_r(places, n, sizeof *places, compare, &s);
    }
    for (size_t i = 0; i < n; i++)
        h->seg_pass(seg, 0, items[places[i]]);
    h->seg_done(seg);
}

static void sort_process(const wf_host *h, wf_segment *const *segs, size_t n)
{
    for (size_t i = 0; i < n; i++)
        sort_segment(h, segs[i]);
}

static int sort_check(const wf_host *h, const void *config, char *why, size_t why_size)
{
    const struct config *c = config;
    (void)h;
    if (c->type == TYPE_CODE) {
        snprintf(
            why, why_size,
            "type 'code' is not supported; use a catalyst.code node with table.sort(items, ...)");
        return -1;
    }
    if (c->type == TYPE_SIMPLE && c->fields.n == 0) {
        snprintf(why, why_size, "no field is named; add one under sortFieldsUi.sortField");
        return -1;
    }
    return 0;
}

static const char *const ports[] = { "main", NULL };
static const char *const aliases[] = { "n8n-nodes-base.sort", NULL };

static const char docs[] =
    "```json\n"
    "{\n"
    "  \"name\": \"Newest first\",\n"
    "  \"type\": \"catalyst.sort\",\n"
    "  \"parameters\": {\n"
    "    \"type\": \"simple\",\n"
    "    \"sortFieldsUi\": { \"sortField\": [\n"
    "      { \"fieldName\": \"created\", \"order\": \"descending\" },\n"
    "      { \"fieldName\": \"customer.name\", \"order\": \"ascending\" }\n"
    "    ] }\n"
    "  }\n"
    "}\n"
    "```\n"
    "\n"
    "- The order is false, true, numbers by value, texts without regard to case, lists by their "
    "elements. Items\n"
    "  whose field is null or missing come last in both directions. Equal items keep their order.\n"
    "- When no item has the field, the execution fails.\n"
    "- For an order of your own use `catalyst.code` with `table.sort`.\n";

static const wf_node nodes[] = { {
    .type = "catalyst.sort",
    .help = "Put the items of an execution in order",
    .ports = ports,
    .params = params,
    .config_size = sizeof(struct config),
    .process_segments = sort_process,
    .flags = WF_NODE_SEGMENT,
    .check = sort_check,
    .group = "data",
    .docs = docs,
    .aliases = aliases,
} };

WF_PLUGIN("sort", "1.0.0", nodes);
