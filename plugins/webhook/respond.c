/* SPDX-License-Identifier: Apache-2.0
 * catalyst.respondToWebhook: one answer for the request that began the execution, made of all items
 * that stand here. The items go on.
 */
#include "webhook_int.h"

enum { ALL_ITEMS, FIRST_ITEM, JSON, TEXT, BINARY, NO_DATA, REDIRECT };
enum { HEADERS_MAX = 60, TEMPORARY_REDIRECT = 307 };

struct header {
    wf_str name, value;
};

static const wf_pair withs[] = {
    { "allIncomingItems", "All items, as an array" },
    { "firstIncomingItem", "The first item" },
    { "json", "JSON of responseBody" },
    { "text", "Text of responseBody" },
    { "binary", "A binary part of the first item" },
    { "noData", "An empty body" },
    { "redirect", "A redirection" },
    { NULL, NULL },
};

static const wf_param header_rows[] = {
    { WF_P_STR(struct header, name), .flags = WF_REQUIRED | WF_EXPR, .help = "Header name" },
    { WF_P_STR(struct header, value), .flags = WF_EXPR, .help = "Header value" },
    WF_END,
};

const wf_param respond_params[] = {
    { WF_NAMED("respondWith"), WF_F_CHOICE(struct respond_config, with, withs),
      .def = "firstIncomingItem", .help = "What the answer holds" },
    { WF_NAMED("responseBody"), WF_F_VALUE(struct respond_config, json),
      .flags = WF_REQUIRED | WF_EXPR, .show_if = "respondWith=json",
      .help = "The answer: JSON, or text that is JSON" },
    { WF_NAMED("responseBody"), WF_F_STR(struct respond_config, text),
      .flags = WF_EXPR | WF_MULTILINE, .show_if = "respondWith=text", .help = "The answer" },
    { WF_NAMED("redirectURL"), WF_F_STR(struct respond_config, redirect_url),
      .flags = WF_REQUIRED | WF_EXPR, .show_if = "respondWith=redirect", .help = "Where to" },
    { WF_NAMED("inputFieldName"), WF_F_STR(struct respond_config, part), .flags = WF_EXPR,
      .def = "data", .show_if = "respondWith=binary", .help = "Name of the binary part" },
    { WF_NAMED("options.responseCode"), WF_F_INT(struct respond_config, code), .flags = WF_EXPR,
      .min = 0, .max = 599, .help = "Status; 0: 200, or 307 of a redirection" },
    { WF_NAMED("options.responseHeaders"),
      WF_F_LIST(struct respond_config, headers, header_rows, struct header),
      .help = "Headers of the answer" },
    { WF_NAMED("options.responseKey"), WF_F_STR(struct respond_config, key), .flags = WF_EXPR,
      .show_if = "respondWith=allIncomingItems|firstIncomingItem",
      .help = "Put the answer into an object under this name" },
    WF_END,
};

const char respond_docs[] =
    "Use it with `responseMode` `responseNode` of the webhook. The answer leaves when the turn is\n"
    "durable. When nobody waits (the execution was started otherwise, was answered already, or\n"
    "went on after a restart) a warning is logged and the items go on.\n"
    "\n"
    "JSON is answered as `application/json`, text as `text/plain`, unless responseHeaders names\n"
    "another content-type.\n"
    "\n"
    "```json\n"
    "{\"type\": \"catalyst.respondToWebhook\", \"parameters\": {\"respondWith\": \"json\",\n"
    " \"responseBody\": {\"accepted\": \"={{ $json.id }}\"}, \"options\": {\"responseCode\": "
    "201}}}\n"
    "```\n";

/* One answer being made. */
struct answer {
    const wf_host *h;
    wf_segment *seg;
    wf_item *it;
    const struct respond_config *c;
    wf_pair headers[HEADERS_MAX + 2];
    size_t n_headers;
    wf_str body;
    int status;
};

static int same_name(const char *a, const char *b)
{
    for (; *a && *b; a++, b++) {
        char x = *a >= 'A' && *a <= 'Z' ? (char)(*a + 32) : *a;
        if (x != *b)
            return 0;
    }
    return *a == *b;
}

/* Unless the node's own headers say otherwise. */
static void add_header(struct answer *a, const char *name, const char *value)
{
    for (size_t i = 0; i < a->n_headers; i++)
        if (same_name(a->headers[i].name, name))
            return;
    if (a->n_headers <= HEADERS_MAX)
        a->headers[a->n_headers++] = (wf_pair){ name, value };
}

static const wf_value *all_items(struct answer *a)
{
    size_t n;
    wf_item *const *items = a->h->items(a->seg, 0, &n);
    const wf_value **values = a->h->alloc(a->it, (n + 1) * sizeof *values);
    for (size_t i = 0; i < n; i++)
        values[i] = a->h->value(items[i]);
    return a->h->v->array(a->it, values, n);
}

static void body_value(struct answer *a, const wf_value *value)
{
    if (a->c->key.len)
        value = a->h->v->set_key(a->it, NULL, a->c->key, value);
    a->body = a->h->v->json(a->it, value);
    add_header(a, "content-type", "application/json");
}

static const char *body_json(struct answer *a)
{
    const wf_value *value = a->c->json;
    const char *why = NULL;
    if (a->h->v->type(value) == WF_JSON_STRING)
        value = a->h->v->parse(a->it, a->h->v->text(a->it, value), &why);
    if (!value)
        return a->h->fmt(a->it, "responseBody is no JSON: %s", why ? why : "it is missing").ptr;
    body_value(a, value);
    return NULL;
}

static const char *body_binary(struct answer *a)
{
    const wf_blobs *blobs = a->h->service("blob/1");
    wf_str type = { "", 0 }, name = { "", 0 };
    const void *bytes;
    wf_blob *blob = blobs ? blobs->part(a->it, a->c->part.ptr, &type, &name) : NULL;
    if (!blob || blobs->bytes(blob, &bytes, &a->body.len) != 0)
        return a->h->fmt(a->it, "the first item has no binary part '%s'", a->c->part.ptr).ptr;
    a->body.ptr = bytes;
    add_header(a, "content-type",
               type.len ? a->h->fmt(a->it, "%.*s", (int)type.len, type.ptr).ptr
                        : "application/octet-stream");
    return NULL;
}

/* NULL, or why there is no answer. */
static const char *make_body(struct answer *a)
{
    switch (a->c->with) {
    case ALL_ITEMS:
        body_value(a, all_items(a));
        return NULL;
    case FIRST_ITEM:
        body_value(a, a->h->value(a->it));
        return NULL;
    case JSON:
        return body_json(a);
    case TEXT:
        a->body = a->c->text;
        add_header(a, "content-type", "text/plain; charset=utf-8");
        return NULL;
    case BINARY:
        return body_binary(a);
    case REDIRECT:
        add_header(a, "location", a->c->redirect_url.ptr);
        a->status = a->c->code ? (int)a->c->code : TEMPORARY_REDIRECT;
        return NULL;
    default:
        return NULL;
    }
}

static void respond_one(const wf_host *h, wf_segment *seg)
{
    wf_item *it = h->first(seg);
    struct answer a = { .h = h, .seg = seg, .it = it, .c = h->config(it), .body = { "", 0 } };
    const struct header *rows = a.c->headers.rows;
    const wf_webhook *webhook = h->service("webhook/1");
    size_t n;
    a.status = a.c->code ? (int)a.c->code : 200;
    const char *why = NULL;
    for (size_t i = 0; i < a.c->headers.n && i < HEADERS_MAX; i++) {
        a.headers[a.n_headers++] = (wf_pair){ rows[i].name.ptr, rows[i].value.ptr };
        if (strpbrk(rows[i].name.ptr, "\r\n: ") || strpbrk(rows[i].value.ptr, "\r\n"))
            why = "a header of the answer holds what a header cannot";
    }
    why = why ? why : make_body(&a);
    if (why) {
        h->seg_fail(seg, "%s", why);
        return;
    }
    a.headers[a.n_headers] = (wf_pair){ NULL, NULL };
    if (!webhook || webhook->respond(it, a.status, a.headers, a.body) != 0)
        h->log(h->inst(it), WF_WARN, "respond.nobody",
               "no request waits for an answer, or it was answered already");
    wf_item *const *items = h->items(seg, 0, &n);
    for (size_t i = 0; i < n; i++)
        h->seg_pass(seg, 0, items[i]);
    h->seg_done(seg);
}

void respond(const wf_host *h, wf_segment *const *segs, size_t n)
{
    for (size_t i = 0; i < n; i++)
        respond_one(h, segs[i]);
}
