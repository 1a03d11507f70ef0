/* SPDX-License-Identifier: Apache-2.0
 * catalyst.splitOut: a list inside an item becomes one item for each element.
 *
 * Several fields are split side by side: the n-th item has the n-th element of each. Works per
 * item, so it never waits for the rest of an execution. Thread: the worker's. Nothing blocks.
 */
#include <catalyst/collect.h>

enum { INCLUDE_NONE, INCLUDE_ALL, INCLUDE_SELECTED };
enum { OUTPUT_MAX = 1000000 };

struct config {
    wf_str fields, destinations, selected;
    int include, no_dots, include_binary;
};

/* One item being split. */
struct split {
    const wf_host *h;
    wf_item *it;
    const struct config *c;
    wf_names fields, destinations;
    const wf_value **lists; /* the value of each field; NULL: missing */
    const wf_value *base;   /* what every output starts from */
};

static const wf_pair includes[] = { { "noOtherFields", "only the elements" },
                                    { "allOtherFields", "all other fields of the item" },
                                    { "selectedOtherFields", "those of fieldsToInclude" },
                                    { NULL, NULL } };

static const wf_param params[] = {
    { WF_NAMED("fieldToSplitOut"), WF_F_STR(struct config, fields), .flags = WF_REQUIRED | WF_EXPR,
      .help = "Names of the fields to split, with commas" },
    { WF_NAMED("include"), WF_F_CHOICE(struct config, include, includes), .def = "noOtherFields",
      .help = "What each item has besides" },
    { WF_NAMED("fieldsToInclude"), WF_F_STR(struct config, selected),
      .flags = WF_EXPR | WF_REQUIRED, .show_if = "include=selectedOtherFields",
      .help = "Names of other fields, with commas" },
    { WF_NAMED("options.destinationFieldName"), WF_F_STR(struct config, destinations),
      .flags = WF_EXPR,
      .help = "Where elements go, with commas: one name for each field that is split; otherwise "
              "the field's own" },
    { WF_NAMED("options.disableDotNotation"), WF_F_BOOL(struct config, no_dots),
      .help = "A dot in a name is a letter like any other" },
    { WF_NAMED("options.includeBinary"), WF_F_BOOL(struct config, include_binary),
      .help = "Each item keeps the binary parts" },
    WF_END,
};

/* Reads a name without n8n's ways of writing a path to it. */
static wf_str plain_name(wf_str name)
{
    static const char prefix[] = "$json.";
    size_t len = sizeof prefix - 1;
    if (name.len > len && memcmp(name.ptr, prefix, len) == 0)
        return (wf_str){ name.ptr + len, name.len - len };
    return name;
}

static void start(struct split *s)
{
    const wf_value *object = s->h->value(s->it);
    int dots = !s->c->no_dots;
    wf_names wanted = wf_names_of(s->h, s->it, s->c->fields);
    wf_str *names = s->h->alloc(s->it, wanted.n * sizeof *names + 1);
    for (size_t i = 0; i < wanted.n; i++)
        names[i] = plain_name(wanted.names[i]);
    s->fields = (wf_names){ names, wanted.n };
    s->destinations = wf_names_of(s->h, s->it, s->c->destinations);
    s->lists = wf_values_new(s->h, s->it, wanted.n);
    for (size_t i = 0; i < wanted.n; i++)
        s->lists[i] = wf_field_get(s->h->v, object, names[i], dots);
    if (s->c->include == INCLUDE_ALL) {
        s->base = wf_fields_drop(s->h, s->it, object, &s->fields, dots);
    } else if (s->c->include == INCLUDE_SELECTED) {
        wf_names selected = wf_names_of(s->h, s->it, s->c->selected);
        s->base = wf_fields_pick(s->h, s->it, object, &selected, dots);
    }
}

/* How many items a value gives: one of an array each, one of an object's member each, one of
 * anything else. */
static size_t count_of(struct split *s, const wf_value *list)
{
    wf_json_type type = s->h->v->type(list);
    return type == WF_JSON_MISSING ? 0 : type >= WF_JSON_ARRAY ? s->h->v->count(list) : 1;
}

static const wf_value *element(struct split *s, size_t field, size_t i)
{
    const wf_values *v = s->h->v;
    const wf_value *list = s->lists[field];
    if (i >= count_of(s, list))
        return NULL;
    return v->type(list) >= WF_JSON_ARRAY ? v->at(list, i) : list;
}

/* The i-th item. */
static const wf_value *make(struct split *s, size_t i)
{
    const wf_values *v = s->h->v;
    const wf_value *out = s->base, *value = element(s, 0, i);
    int alone = s->fields.n == 1 && s->c->include == INCLUDE_NONE && s->destinations.n == 0;
    if (alone && v->type(value) == WF_JSON_OBJECT)
        return value;
    for (size_t k = 0; k < s->fields.n; k++) {
        wf_str name = k < s->destinations.n ? s->destinations.names[k] : s->fields.names[k];
        value = element(s, k, i);
        if (value)
            out = v->set_key(s->it, out, name, value);
    }
    return out;
}

static void fail(struct split *s, const char *code, const char *why, const char *what)
{
    wf_error e = { .size = sizeof e, .fault = WF_REJECTED, .code = code };
    s->h->fail_with(s->it, &e, "%s '%.200s'", why, what);
}

/* The most that a field gives; SIZE_MAX after the item was failed. */
static size_t outputs_of(struct split *s)
{
    size_t most = 0;
    for (size_t k = 0; k < s->fields.n; k++) {
        size_t n = count_of(s, s->lists[k]);
        most = n > most ? n : most;
    }
    if (s->fields.n == 0)
        fail(s, "no_field", "fieldToSplitOut names no field:", s->c->fields.ptr);
    else if (s->destinations.n && s->destinations.n != s->fields.n)
        fail(s, "no_field", "destinationFieldName needs one name for each field that is split, not",
             s->c->destinations.ptr);
    else if (most > OUTPUT_MAX)
        fail(s, "too_many", "more than 1000000 elements in", s->c->fields.ptr);
    else
        return most;
    return SIZE_MAX;
}

static void split_item(const wf_host *h, wf_item *it)
{
    struct split s = { .h = h, .it = it, .c = h->config(it) };
    const wf_blobs *blobs = s.c->include_binary ? h->service("blob/1") : NULL;
    start(&s);
    size_t n = outputs_of(&s);
    if (n == SIZE_MAX)
        return;
    for (size_t i = 0; i < n; i++) {
        const wf_value *out = make(&s, i);
        if (blobs) /* removing a part that is not there asks for all the others */
            blobs->attach(it, "", NULL, (wf_str){ NULL, 0 }, (wf_str){ NULL, 0 });
        h->push(it, 0, out);
    }
    h->done(it);
}

static void split_process(const wf_host *h, wf_item *const *items, size_t n)
{
    for (size_t i = 0; i < n; i++)
        split_item(h, items[i]);
}

static const char *const ports[] = { "main", NULL };
static const char *const aliases[] = { "n8n-nodes-base.splitOut", NULL };
static const wf_pair codes[] = {
    { "no_field", "No field is named, or there are not as many destinations as fields" },
    { "too_many", "A list has more than 1,000,000 elements" },
    { NULL, NULL },
};

static const char docs[] =
    "An element that is an object becomes the item itself; any other element becomes a field with "
    "the name of\n"
    "the list. With other fields, several lists or a destination name the element is always a "
    "field.\n"
    "\n"
    "```json\n"
    "{\n"
    "  \"name\": \"Each line\",\n"
    "  \"type\": \"catalyst.splitOut\",\n"
    "  \"parameters\": {\n"
    "    \"fieldToSplitOut\": \"order.lines\",\n"
    "    \"include\": \"selectedOtherFields\",\n"
    "    \"fieldsToInclude\": \"order.id\",\n"
    "    \"options\": { \"destinationFieldName\": \"line\" }\n"
    "  }\n"
    "}\n"
    "```\n"
    "\n"
    "- Lists of different lengths are filled up with nothing. An object gives its members, any "
    "other value\n"
    "  one item; an empty list and a missing field give none.\n"
    "- Names of split fields and destinations are written as they are, dots and all.\n";

static const wf_node nodes[] = { {
    .type = "catalyst.splitOut",
    .help = "Turn a list inside an item into items",
    .ports = ports,
    .params = params,
    .config_size = sizeof(struct config),
    .process = split_process,
    .codes = codes,
    .group = "data",
    .docs = docs,
    .aliases = aliases,
} };

WF_PLUGIN("split_out", "1.0.0", nodes);
