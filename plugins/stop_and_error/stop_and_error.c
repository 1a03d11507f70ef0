/* SPDX-License-Identifier: Apache-2.0
 * catalyst.stopAndError: ends an execution with an error that its author words.
 */
#include <catalyst/plugin.h>

enum { BY_MESSAGE, BY_OBJECT };

struct config {
    int type;
    wf_str message;
    const wf_value *object;
};

static const wf_pair types[] = {
    { "errorMessage", "A message" },
    { "errorObject", "An object with more about the error" },
    { NULL, NULL },
};
static const wf_param params[] = {
    { WF_NAMED("errorType"), WF_F_CHOICE(struct config, type, types), .def = "errorMessage",
      .help = "What the error is made of" },
    { WF_NAMED("errorMessage"), WF_F_STR(struct config, message), .flags = WF_EXPR | WF_REQUIRED,
      .show_if = "errorType=errorMessage", .help = "The message of the error" },
    { WF_NAMED("errorObject"), WF_F_VALUE(struct config, object),
      .flags = WF_EXPR | WF_REQUIRED | WF_MULTILINE, .show_if = "errorType=errorObject",
      .help = "The error as an object, or as its JSON text" },
    WF_END,
};

/* The message of an error object: what people call it, else the whole object. */
static wf_str message_of(const wf_host *h, wf_item *it, const wf_value *object)
{
    static const char *const names[] = { "message", "description", "error" };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const wf_value *v = h->v->path(object, names[i]);
        if (h->v->type(v) > WF_JSON_NULL)
            return h->v->text(it, v);
    }
    return h->fmt(it, "Error: %s", h->v->json(it, object).ptr);
}

static void stop_with_object(const wf_host *h, wf_item *it, const wf_value *object)
{
    const char *ptr, *why = NULL;
    size_t len;
    if (h->v->bytes(object, &ptr, &len) == 0)
        object = h->v->parse(it, (wf_str){ ptr, len }, &why);
    if (h->v->type(object) != WF_JSON_OBJECT) {
        h->fail(it, "errorObject is no JSON object%s%s", why ? ": " : "", why ? why : "");
        return;
    }
    wf_error error = { .size = sizeof error,
                       .fault = WF_REJECTED,
                       .detail = h->v->json(it, object) };
    h->fail_with(it, &error, "%s", message_of(h, it, object).ptr);
}

static void stop_all(const wf_host *h, wf_item *const *items, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const struct config *c = h->config(items[i]);
        wf_error error = { .size = sizeof error, .fault = WF_REJECTED };
        if (c->type == BY_OBJECT)
            stop_with_object(h, items[i], c->object);
        else
            h->fail_with(items[i], &error, "%s", c->message.ptr);
    }
}

static const char *const ports[] = { NULL };
static const char *const aliases[] = { "n8n-nodes-base.stopAndError", NULL };
static const wf_node nodes[] = {
    { .type = "catalyst.stopAndError",
      .help = "Ends the execution with an error of your own words",
      .ports = ports,
      .params = params,
      .config_size = sizeof(struct config),
      .process = stop_all,
      .group = "flow",
      .docs = "The message of an error object is its `message`, else its `description`, else its "
              "`error`; the "
              "whole object is kept as the error's detail. The error is final: it is not retried.",
      .aliases = aliases },
};

WF_PLUGIN("stop_and_error", "1.0.0", nodes);
