/* SPDX-License-Identifier: Apache-2.0
 * catalyst.set (Edit Fields): writes fields into items, by assignments or as one JSON object.
 *
 * This is the node that stands in nearly every workflow, so the plain case costs little: a value
 * that has the declared type already is put in as it is, and what the item has besides is shared,
 * not copied. Conversions are in convert.c, which fields are kept is in keep.c.
 *
 * Thread: the worker's. Nothing blocks.
 */
#include "set_int.h"

static const wf_pair modes[] = { { "manual", "fields are listed under `assignments`" },
                                 { "raw", "`jsonOutput` is the object" },
                                 { NULL, NULL } };
static const wf_pair types[] = {
    { "string", "text" },    { "number", "a number" },  { "boolean", "true or false" },
    { "array", "an array" }, { "object", "an object" }, { "any", "as it is" },
    { NULL, NULL }
};
static const wf_pair old_types[] = {
    { "stringValue", "text" },           { "numberValue", "a number" },
    { "booleanValue", "true or false" }, { "arrayValue", "an array" },
    { "objectValue", "an object" },      { NULL, NULL }
};
static const wf_pair includes[] = {
    { "auto", "`all` with includeOtherFields or with `fields.values`, else `none`" },
    { "all", "all fields of the item" },
    { "none", "only the fields that are set" },
    { "selected", "those of `includeFields`" },
    { "except", "all but those of `excludeFields`" },
    { NULL, NULL }
};

static const wf_param assignment_params[] = {
    { WF_NAMED("name"), WF_F_STR(struct assignment, name), .flags = WF_REQUIRED | WF_EXPR,
      .help = "Name of the field; with dotNotation dots go into objects" },
    { WF_NAMED("type"), WF_F_CHOICE(struct assignment, type, types), .def = "string",
      .help = "Type the value is converted to" },
    { WF_NAMED("value"), WF_F_VALUE(struct assignment, value), .flags = WF_EXPR,
      .help = "The value" },
    WF_END,
};

static const wf_param old_field_params[] = {
    { WF_NAMED("name"), WF_F_STR(struct old_field, name), .flags = WF_REQUIRED | WF_EXPR,
      .help = "Name of the field" },
    { WF_NAMED("type"), WF_F_CHOICE(struct old_field, type, old_types), .def = "stringValue",
      .help = "Which of the values below is used" },
    { WF_NAMED("stringValue"), WF_F_VALUE(struct old_field, values[TYPE_STRING]), .flags = WF_EXPR,
      .def = "\"\"", .show_if = "type=stringValue", .help = "Text" },
    { WF_NAMED("numberValue"), WF_F_VALUE(struct old_field, values[TYPE_NUMBER]), .flags = WF_EXPR,
      .def = "\"\"", .show_if = "type=numberValue", .help = "A number" },
    { WF_NAMED("booleanValue"), WF_F_VALUE(struct old_field, values[TYPE_BOOLEAN]),
      .flags = WF_EXPR, .def = "\"true\"", .show_if = "type=booleanValue",
      .help = "True or false" },
    { WF_NAMED("arrayValue"), WF_F_VALUE(struct old_field, values[TYPE_ARRAY]), .flags = WF_EXPR,
      .show_if = "type=arrayValue", .help = "An array" },
    { WF_NAMED("objectValue"), WF_F_VALUE(struct old_field, values[TYPE_OBJECT]), .flags = WF_EXPR,
      .def = "{}", .show_if = "type=objectValue", .help = "An object" },
    WF_END,
};

static const wf_param params[] = {
    { WF_NAMED("mode"), WF_F_CHOICE(struct config, mode, modes), .def = "manual",
      .help = "How fields are given" },
    { WF_NAMED("assignments.assignments"),
      WF_F_LIST(struct config, assignments, assignment_params, struct assignment),
      .show_if = "mode=manual", .help = "The fields to set, in this order" },
    { WF_NAMED("fields.values"),
      WF_F_LIST(struct config, old_fields, old_field_params, struct old_field),
      .show_if = "mode=manual", .help = "The same in the older form of set 3.0 to 3.2" },
    { WF_NAMED("jsonOutput"), WF_F_VALUE(struct config, json_output),
      .flags = WF_EXPR | WF_REQUIRED | WF_MULTILINE, .show_if = "mode=raw",
      .help = "An object, or the JSON text of one" },
    { WF_NAMED("includeOtherFields"), WF_F_BOOL(struct config, include_other),
      .help = "Keep the item's other fields" },
    { WF_NAMED("include"), WF_F_CHOICE(struct config, include, includes), .def = "auto",
      .help = "Which of the item's fields are kept" },
    { WF_NAMED("includeFields"), WF_F_STR(struct config, include_fields), .flags = WF_EXPR,
      .show_if = "include=selected", .help = "Names with commas" },
    { WF_NAMED("excludeFields"), WF_F_STR(struct config, exclude_fields), .flags = WF_EXPR,
      .show_if = "include=except", .help = "Names with commas" },
    { WF_NAMED("options.dotNotation"), WF_F_BOOL(struct config, dots), .def = "true",
      .help = "A dot in a name goes into an object; off, it is a letter like any other" },
    { WF_NAMED("options.ignoreConversionErrors"), WF_F_BOOL(struct config, ignore_errors),
      .help = "A value that cannot be converted is set as it is" },
    { WF_NAMED("options.stripBinary"), WF_F_BOOL(struct config, strip_binary),
      .help = "Leave the item's binary parts out" },
    { WF_NAMED("options.includeBinary"), WF_F_BOOL(struct config, include_binary), .def = "true",
      .help = "The older form of stripBinary: false leaves them out" },
    WF_END,
};

/* Found once, in open(). */
struct state {
    const wf_blobs *blobs; /* NULL: no binary parts are kept */
    int include;           /* INCLUDE_* but AUTO */
};

static int include_of(const struct config *c)
{
    if (c->include != INCLUDE_AUTO)
        return c->include;
    return c->include_other || c->old_fields.n ? INCLUDE_ALL : INCLUDE_NONE;
}

static void *set_open(const wf_host *h, wf_inst *inst, wf_error *why)
{
    const struct config *c = h->inst_config(inst);
    struct state *s = calloc(1, sizeof *s);
    (void)why;
    if (!s)
        abort();
    s->include = include_of(c);
    if (s->include != INCLUDE_NONE && !c->strip_binary && c->include_binary)
        s->blobs = h->service("blob/1");
    return s;
}

static void set_close(const wf_host *h, void *state)
{
    (void)h;
    free(state);
}

static int fail_name(struct edit *e, wf_str name)
{
    wf_error error = { .size = sizeof error, .fault = WF_REJECTED, .code = "bad_name" };
    e->h->fail_with(
        e->it, &error,
        "field '%.100s' cannot be set: the name is no path, or it leads through a value that is "
        "no object; options.dotNotation false takes dots as they are",
        name.ptr);
    return -1;
}

static int fail_conversion(struct edit *e, wf_str name, const wf_value *value, int type)
{
    wf_error error = { .size = sizeof error, .fault = WF_REJECTED, .code = "conversion" };
    e->h->fail_with(e->it, &error,
                    "field '%.100s': %.100s cannot become %s; choose another type, or set "
                    "options.ignoreConversionErrors",
                    name.ptr, e->h->v->json(e->it, value).ptr, types[type].text);
    return -1;
}

static int assign(struct edit *e, wf_str name, int type, const wf_value *given)
{
    const wf_value *value = set_convert(e, given, type);
    if (!value && !e->c->ignore_errors)
        return fail_conversion(e, name, given, type);
    return set_field(e, name, value ? value : given) == 0 ? 0 : fail_name(e, name);
}

static int edit_manual(struct edit *e)
{
    const struct assignment *a = e->c->assignments.rows;
    const struct old_field *f = e->c->old_fields.rows;
    for (size_t i = 0; i < e->c->assignments.n; i++)
        if (assign(e, a[i].name, a[i].type, a[i].value) != 0)
            return -1;
    for (size_t i = 0; i < e->c->old_fields.n; i++)
        if (assign(e, f[i].name, f[i].type, f[i].values[f[i].type]) != 0)
            return -1;
    return 0;
}

static int fail_json(struct edit *e, const char *why)
{
    wf_error error = { .size = sizeof error, .fault = WF_REJECTED, .code = "bad_json" };
    e->h->fail_with(e->it, &error, "jsonOutput is not the JSON of an object: %s", why);
    return -1;
}

static int edit_raw(struct edit *e)
{
    const wf_values *v = e->h->v;
    const wf_value *object = e->c->json_output;
    const char *s, *why = "it is of another type";
    size_t len;
    if (v->bytes(object, &s, &len) == 0)
        object = v->parse(e->it, (wf_str){ s, len }, &why);
    if (!object || v->type(object) != WF_JSON_OBJECT)
        return fail_json(e, why);
    size_t n = v->count(object);
    for (size_t i = 0; i < n; i++) {
        wf_str key = v->key(object, i);
        if (e->c->dots) /* paths are read up to a NUL */
            key = e->h->fmt(e->it, "%.*s", (int)key.len, key.ptr);
        if (set_field(e, key, v->at(object, i)) != 0)
            return fail_name(e, key);
    }
    return 0;
}

static void set_process(const wf_host *h, wf_item *const *items, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct edit e = { .h = h, .it = items[i], .c = h->config(items[i]) };
        const struct state *s = h->state(items[i]);
        set_keep(&e, s->include);
        if ((e.c->mode == MODE_RAW ? edit_raw(&e) : edit_manual(&e)) != 0)
            continue;
        if (s->blobs) /* removing a part that is not there asks for all the others */
            s->blobs->attach(items[i], "", NULL, (wf_str){ NULL, 0 }, (wf_str){ NULL, 0 });
        h->emit(items[i], 0, e.out ? e.out : h->build(items[i], "{}"));
    }
}

static const char *const ports[] = { "main", NULL };
static const char *const aliases[] = { "n8n-nodes-base.set", NULL };
static const wf_pair codes[] = {
    { "conversion", "A value cannot become the type of its field" },
    { "bad_json", "jsonOutput is not the JSON of an object" },
    { "bad_name", "A dotted name leads through a value that is no object" },
    { NULL, NULL },
};

static const char docs[] =
    "`manual`: each assignment writes one field. A value that has not the type of its field is "
    "converted:\n"
    "anything becomes text (objects and arrays as JSON); text that holds a number, `true`, "
    "`false`, or the\n"
    "JSON of an array or object becomes that. null stays null, and a missing value becomes null.\n"
    "\n"
    "```json\n"
    "{\n"
    "  \"name\": \"Shape\",\n"
    "  \"type\": \"catalyst.set\",\n"
    "  \"parameters\": {\n"
    "    \"mode\": \"manual\",\n"
    "    \"includeOtherFields\": true,\n"
    "    \"assignments\": { \"assignments\": [\n"
    "      { \"name\": \"total\", \"type\": \"number\", \"value\": \"={{ $json.price * $json.count "
    "}}\" },\n"
    "      { \"name\": \"customer.name\", \"type\": \"string\", \"value\": \"={{ $json.first }} {{ "
    "$json.last }}\" }\n"
    "    ] }\n"
    "  }\n"
    "}\n"
    "```\n"
    "\n"
    "`raw`: `jsonOutput` is an object whose texts may be expressions, or one text with the whole "
    "JSON.\n"
    "\n"
    "```json\n"
    "{ \"mode\": \"raw\", \"jsonOutput\": { \"id\": \"={{ $json.id }}\", \"source\": \"web\" } }\n"
    "```\n"
    "\n"
    "Without `includeOtherFields` (or `include`) the item has only the fields that are set. Binary "
    "parts stay\n"
    "where other fields stay, unless `options.stripBinary` is set.\n";

static const wf_node nodes[] = { {
    .type = "catalyst.set",
    .help = "Write fields into items (Edit Fields)",
    .ports = ports,
    .params = params,
    .config_size = sizeof(struct config),
    .process = set_process,
    .open = set_open,
    .close = set_close,
    .codes = codes,
    .group = "data",
    .docs = docs,
    .aliases = aliases,
} };

WF_PLUGIN("set", "1.0.0", nodes);
