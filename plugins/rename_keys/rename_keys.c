/* SPDX-License-Identifier: Apache-2.0
 * catalyst.renameKeys: fields of an item get other names.
 *
 * Values are moved, never copied or converted. Thread: the worker's. Nothing blocks.
 */
#include <catalyst/collect.h>
#include <stdio.h>

struct rename {
    wf_str from, to;
};

struct config {
    wf_list renames;      /* of struct rename */
    wf_list replacements; /* not supported */
    int no_dots;
};

/* Kept so that files made elsewhere are refused with a reason. */
struct replacement {
    wf_str search, replace;
    int ignore_case;
    int64_t depth;
};

static const wf_param rename_params[] = {
    { WF_NAMED("currentKey"), WF_F_STR(struct rename, from), .flags = WF_REQUIRED | WF_EXPR,
      .help = "Name of the field now" },
    { WF_NAMED("newKey"), WF_F_STR(struct rename, to), .flags = WF_REQUIRED | WF_EXPR,
      .help = "Its new name" },
    WF_END,
};

static const wf_param replacement_params[] = {
    { WF_NAMED("searchRegex"), WF_F_STR(struct replacement, search), .flags = WF_RAW,
      .help = "Not supported" },
    { WF_NAMED("replaceRegex"), WF_F_STR(struct replacement, replace), .flags = WF_RAW,
      .help = "Not supported" },
    { WF_NAMED("options.caseInsensitive"), WF_F_BOOL(struct replacement, ignore_case),
      .help = "Not supported" },
    { WF_NAMED("options.depth"), WF_F_INT(struct replacement, depth), .def = "-1",
      .help = "Not supported" },
    WF_END,
};

static const wf_param params[] = {
    { WF_NAMED("keys.key"), WF_F_LIST(struct config, renames, rename_params, struct rename),
      .help = "The fields to rename, one after the other" },
    { WF_NAMED("additionalOptions.regexReplacement.replacements"),
      WF_F_LIST(struct config, replacements, replacement_params, struct replacement),
      .help = "Not supported: use catalyst.code" },
    { WF_NAMED("options.disableDotNotation"), WF_F_BOOL(struct config, no_dots),
      .help = "A dot in a name is a letter like any other" },
    WF_END,
};

static int same(wf_str a, wf_str b) { return a.len == b.len && memcmp(a.ptr, b.ptr, a.len) == 0; }

/* The object after one renaming; NULL when the new name leads through a value that is no object. */
static const wf_value *rename_one(const wf_host *h, wf_item *it, const wf_value *object,
                                  const struct rename *r, int dots)
{
    wf_names from = { &r->from, 1 };
    const wf_value *value = wf_field_get(h->v, object, r->from, dots);
    if (!value || same(r->from, r->to))
        return object;
    object =
        wf_fields_drop(h, it, object, &from, dots && !h->v->get(object, r->from.ptr, r->from.len));
    return wf_field_set(h, it, object, r->to, dots, value);
}

static void rename_item(const wf_host *h, wf_item *it, const wf_blobs *blobs)
{
    const struct config *c = h->config(it);
    const struct rename *renames = c->renames.rows;
    const wf_value *object = h->value(it);
    for (size_t i = 0; i < c->renames.n; i++) {
        object = rename_one(h, it, object, &renames[i], !c->no_dots);
        if (!object) {
            wf_error e = { .size = sizeof e, .fault = WF_REJECTED, .code = "bad_name" };
            h->fail_with(it, &e, "'%.200s' leads through a value that is no object",
                         renames[i].to.ptr);
            return;
        }
    }
    if (object == h->value(it)) {
        h->pass(it, 0);
        return;
    }
    if (blobs) /* removing a part that is not there asks for all the others */
        blobs->attach(it, "", NULL, (wf_str){ NULL, 0 }, (wf_str){ NULL, 0 });
    h->emit(it, 0, object);
}

static void rename_process(const wf_host *h, wf_item *const *items, size_t n)
{
    const wf_blobs *blobs = h->service("blob/1");
    for (size_t i = 0; i < n; i++)
        rename_item(h, items[i], blobs);
}

static int rename_check(const wf_host *h, const void *config, char *why, size_t why_size)
{
    const struct config *c = config;
    (void)h;
    if (c->replacements.n == 0)
        return 0;
    snprintf(why, why_size, "regexReplacement is not supported; rename in a catalyst.code node");
    return -1;
}

static const char *const ports[] = { "main", NULL };
static const char *const aliases[] = { "n8n-nodes-base.renameKeys", NULL };
static const wf_pair codes[] = {
    { "bad_name", "A new name leads through a value that is no object" }, { NULL, NULL }
};

static const char docs[] =
    "```json\n"
    "{\n"
    "  \"name\": \"Our names\",\n"
    "  \"type\": \"catalyst.renameKeys\",\n"
    "  \"parameters\": {\n"
    "    \"keys\": { \"key\": [\n"
    "      { \"currentKey\": \"e-mail\", \"newKey\": \"mail\" },\n"
    "      { \"currentKey\": \"address.zip\", \"newKey\": \"postcode\" }\n"
    "    ] }\n"
    "  }\n"
    "}\n"
    "```\n"
    "\n"
    "- A dot in a name goes into objects, unless the item has a field of just that name.\n"
    "- A field that is not there is no mistake. A field that has the new name already is "
    "replaced.\n"
    "- Renamed fields stand at the end of the item.\n";

static const wf_node nodes[] = { {
    .type = "catalyst.renameKeys",
    .help = "Give fields other names",
    .ports = ports,
    .params = params,
    .config_size = sizeof(struct config),
    .process = rename_process,
    .codes = codes,
    .check = rename_check,
    .group = "data",
    .docs = docs,
    .aliases = aliases,
} };

WF_PLUGIN("rename_keys", "1.0.0", nodes);
