/* SPDX-License-Identifier: Apache-2.0
 * A plugin of SDK 1.0, compiled with the frozen header: every kind of parameter, credentials,
 * metrics, codes, items and segments. Today's loader must take it and today's host must run it.
 */
#include "plugin.h"

struct row {
    wf_str name;
    int64_t size;
};

struct config {
    wf_str text;
    int64_t count, wait, limit;
    int on, mode;
    double ratio;
    wf_list rows;
    const wf_value *body;
    const wf_cred *account;
};

static const wf_pair modes[] = { { "fast", "Quick" }, { "safe", "Careful" }, { NULL, NULL } };
static const wf_param row_params[] = {
    { WF_P_STR(struct row, name), .flags = WF_REQUIRED },
    { WF_P_INT(struct row, size), .def = "1" },
    WF_END,
};
static const wf_param params[] = {
    { WF_P_STR(struct config, text), .flags = WF_EXPR, .def = "hi", .help = "Text" },
    { WF_P_INT(struct config, count), .def = "3", .min = 1, .max = 9 },
    { WF_P_MS(struct config, wait), .def = "2s" },
    { WF_NAMED("options.limit"), WF_F_BYTES(struct config, limit), .def = "64k" },
    { WF_P_BOOL(struct config, on), .def = "true" },
    { WF_P_CHOICE(struct config, mode, modes), .def = "safe" },
    { WF_P_DOUBLE(struct config, ratio), .show_if = "mode=fast" },
    { WF_P_LIST(struct config, rows, row_params, struct row) },
    { WF_P_VALUE(struct config, body), .flags = WF_EXPR },
    { WF_P_CRED(struct config, account, "v1account") },
    WF_END,
};

enum { HANDLED };

static void on_items(const wf_host *h, wf_item *const *items, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const struct config *c = h->config(items[i]);
        const wf_value *x = h->v->path(h->value(items[i]), "x");
        h->count(h->inst(items[i]), HANDLED, 1);
        h->emit(items[i], 0,
                h->build(items[i], "{s:S,s:i,s:i,s:i,s:b,s:i,s:i,s:v}", "text", c->text, "count",
                         c->count, "wait", c->wait, "limit", c->limit, "on", c->on, "mode",
                         (int64_t)c->mode, "rows", (int64_t)c->rows.n, "x", x));
    }
}

static void on_segments(const wf_host *h, wf_segment *const *segs, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        size_t count;
        wf_item *const *items = h->items(segs[i], 0, &count);
        for (size_t k = count; k > 0; k--)
            h->seg_pass(segs[i], 0, items[k - 1]);
        h->seg_done(segs[i]);
    }
}

static void *on_open(const wf_host *h, wf_inst *inst, wf_error *why)
{
    static int state;
    (void)h;
    (void)inst;
    (void)why;
    return &state;
}

static void on_close(const wf_host *h, void *state)
{
    (void)h;
    (void)state;
}

static const char *const ports[] = { "out", NULL };
static const char *const aliases[] = { "v1.also", NULL };
static const wf_pair codes[] = { { "broken", "It broke" }, { NULL, NULL } };
static const wf_metric metrics[] = { { WF_COUNTER, "handled", "items", "Items handled" },
                                     { 0, NULL, NULL, NULL } };
static const wf_param fields[] = {
    { .name = "token", .type = WF_STRING, .flags = WF_SECRET, .help = "Token" },
    WF_END,
};
static const wf_cred_type creds[] = { { "v1account", "An account", fields } };
static const wf_node nodes[] = {
    { .type = "v1.items",
      .help = "Works on items",
      .ports = ports,
      .params = params,
      .config_size = sizeof(struct config),
      .process = on_items,
      .open = on_open,
      .close = on_close,
      .metrics = metrics,
      .codes = codes,
      .group = "test",
      .docs = "Made by SDK 1.0.",
      .aliases = aliases },
    { .type = "v1.segments",
      .help = "Turns the order of items round",
      .ports = ports,
      .process_segments = on_segments,
      .flags = WF_NODE_SEGMENT },
};

WF_PLUGIN_CREDS("everything", "1.0.0", nodes, creds);
