/* SPDX-License-Identifier: Apache-2.0
 * A plugin whose structs end early, as all of today's will seem to an engine that has grown: the
 * loader must walk its arrays by its own sizes and fill up with zeros.
 */
#include <catalyst/plugin.h>
#include <string.h>

struct older_param { /* wf_param without range, choices and lists */
    const char *name;
    wf_type type;
    size_t offset;
    unsigned flags;
    const char *def, *help;
};
struct older_node { /* wf_node up to process() */
    const char *type, *help;
    const char *const *ports;
    const void *params;
    size_t config_size;
    void (*process)(const wf_host *h, wf_item *const *items, size_t n);
};
struct older_plugin { /* wf_plugin without credentials and docs */
    uint32_t abi, size, node_size, param_size, request_size, error_size, metric_size, cred_size,
        output_size, reserved;
    const char *name, *version;
    const void *nodes;
    size_t n_nodes;
};

struct config {
    wf_str text;
    int64_t count;
};

static const struct older_param params[] = {
    { "text", WF_STRING, offsetof(struct config, text), WF_EXPR, "old", "A text" },
    { "count", WF_INT, offsetof(struct config, count), 0, "5", "A number" },
    { NULL, 0, 0, 0, NULL, NULL },
};

static void on_items(const wf_host *h, wf_item *const *items, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const struct config *c = h->config(items[i]);
        h->emit(items[i], 0, h->build(items[i], "{s:S,s:i}", "text", c->text, "count", c->count));
    }
}

/* What this plugin knows of the structs that it makes while it runs, and what lies behind them. */
struct older_request {
    const char *method, *url;
    wf_str body;
    int64_t timeout_ms;
};
struct older_error {
    uint32_t size;
    wf_fault fault;
    const char *code, *scope;
    int64_t retry_after_ms;
};
struct older_output {
    const char *channel, *connection, *topic;
    const wf_pair *headers;
    wf_str key, body;
};
#define BEHIND(type)                                                                               \
    struct {                                                                                       \
        struct type it;                                                                            \
        unsigned char others[256];                                                                 \
    }

static void on_reply(const wf_host *h, wf_item *it, const wf_reply *r)
{
    (void)r;
    h->done(it);
}

static void request_items(const wf_host *h, wf_item *const *items, size_t n)
{
    BEHIND(older_request) request = { .it = { .url = "http://old/" } };
    memset(request.others, 0xee, sizeof request.others);
    for (size_t i = 0; i < n; i++)
        h->request(items[i], (const void *)&request.it, on_reply);
}

static void fail_items(const wf_host *h, wf_item *const *items, size_t n)
{
    BEHIND(older_error)
    error = { .it = { .size = sizeof error.it, .fault = WF_REJECTED, .code = "old" } };
    memset(error.others, 0xee, sizeof error.others);
    for (size_t i = 0; i < n; i++)
        h->fail_with(items[i], (const void *)&error.it, "old trouble");
}

static void send_items(const wf_host *h, wf_item *const *items, size_t n)
{
    BEHIND(older_output)
    out = { .it = { .channel = "kafka", .topic = "old", .body = { "b", 1 } } };
    memset(out.others, 0xee, sizeof out.others);
    for (size_t i = 0; i < n; i++) {
        if (h->output(items[i], (const void *)&out.it) != 0)
            h->fail(items[i], "no output");
        else
            h->pass(items[i], 0);
    }
}

static const char *const ports[] = { "out", NULL };
static const struct older_node nodes[] = {
    { "older.first", "First", ports, params, sizeof(struct config), on_items },
    { "older.second", "Second", ports, params, sizeof(struct config), on_items },
    { "older.request", "Asks", ports, params, sizeof(struct config), request_items },
    { "older.fail", "Fails", ports, params, sizeof(struct config), fail_items },
    { "older.send", "Sends", ports, params, sizeof(struct config), send_items },
};

extern const struct older_plugin wf_plugin_entry;
WF_EXPORT const struct older_plugin wf_plugin_entry = {
    .abi = WF_ABI,
    .size = sizeof(struct older_plugin),
    .node_size = sizeof(struct older_node),
    .param_size = sizeof(struct older_param),
    .request_size = offsetof(wf_request, headers),
    .error_size = offsetof(wf_error, detail),
    .metric_size = sizeof(wf_metric),
    .cred_size = sizeof(wf_cred_type),
    .output_size = offsetof(wf_output, partition),
    .name = "older",
    .version = "0.1.0",
    .nodes = nodes,
    .n_nodes = sizeof nodes / sizeof *nodes,
};
