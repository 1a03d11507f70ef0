/* SPDX-License-Identifier: Apache-2.0
 * catalyst.httpRequest: one request for each item, all of a frame at once, through the engine's
 * HTTP client; answers in pages are followed one after the other.
 *
 * Thread: the worker's. Nothing blocks.
 */
#include "http_request_int.h"
#include <stdlib.h>

/* --- parameters ------------------------------------------------------------------------------- */

static const wf_pair methods[] = {
    { "GET", "" },    { "POST", "" }, { "PUT", "" },     { "PATCH", "" },
    { "DELETE", "" }, { "HEAD", "" }, { "OPTIONS", "" }, { NULL, NULL },
};
static const wf_pair auths[] = { { "none", "No authentication" },
                                 { "genericCredentialType", "By a credential" },
                                 { NULL, NULL } };
static const wf_pair auth_types[] = { { "httpBasicAuth", "User and password" },
                                      { "httpHeaderAuth", "A header with a secret value" },
                                      { "httpBearerAuth", "A bearer token" },
                                      { NULL, NULL } };
static const wf_pair specifies[] = { { "keypair", "By names and values" },
                                     { "json", "As a JSON object" },
                                     { NULL, NULL } };
static const wf_pair specifies_body[] = { { "keypair", "By names and values" },
                                          { "json", "As JSON" },
                                          { "string", "As text, for forms" },
                                          { NULL, NULL } };
static const wf_pair contents[] = { { "json", "JSON" },
                                    { "form-urlencoded", "A form" },
                                    { "multipart-form-data", "A form with files" },
                                    { "raw", "Text" },
                                    { "binaryData", "A binary part of the item" },
                                    { NULL, NULL } };
static const wf_pair kinds[] = { { "formData", "A field" },
                                 { "formBinaryData", "A file: a binary part of the item" },
                                 { NULL, NULL } };
static const wf_pair formats[] = { { "autodetect", "By the answer's content-type" },
                                   { "json", "JSON; an array becomes one item for each element" },
                                   { "text", "Text" },
                                   { "file", "A binary part" },
                                   { NULL, NULL } };
static const wf_pair page_modes[] = {
    { "off", "One request" },
    { "responseContainsNextURL", "The answer names the next URL" },
    { "updateAParameterInEachRequest", "A query parameter counts the pages" },
    { NULL, NULL }
};

static const wf_param pair_rows[] = {
    { WF_P_STR(struct pair, name), .flags = WF_REQUIRED | WF_EXPR, .help = "Name" },
    { WF_P_VALUE(struct pair, value), .flags = WF_EXPR, .help = "Value" },
    WF_END,
};
static const wf_param field_rows[] = {
    { WF_NAMED("parameterType"), WF_F_CHOICE(struct body_part, is_file, kinds), .def = "formData",
      .help = "What it is, in a form with files" },
    { WF_P_STR(struct body_part, name), .flags = WF_REQUIRED | WF_EXPR, .help = "Name" },
    { WF_P_VALUE(struct body_part, value), .flags = WF_EXPR, .show_if = "parameterType=formData",
      .help = "Value" },
    { WF_NAMED("inputDataFieldName"), WF_F_STR(struct body_part, part),
      .flags = WF_REQUIRED | WF_EXPR, .show_if = "parameterType=formBinaryData",
      .help = "Name of the binary part" },
    WF_END,
};

static const wf_param params[] = {
    { WF_P_CHOICE(struct config, method, methods), .flags = WF_EXPR, .def = "GET",
      .help = "Method of the request" },
    { WF_P_STR(struct config, url), .flags = WF_REQUIRED | WF_EXPR, .help = "Where to" },
    { WF_NAMED("authentication"), WF_F_CHOICE(struct config, auth, auths), .def = "none",
      .help = "How to log in" },
    { WF_NAMED("genericAuthType"), WF_F_CHOICE(struct config, auth_type, auth_types),
      .show_if = "authentication=genericCredentialType", .def = "httpBasicAuth",
      .help = "Kind of the credential" },
    { WF_P_CRED(struct config, credential, "httpBasicAuth"), .flags = WF_REQUIRED,
      .show_if = "authentication=genericCredentialType,genericAuthType=httpBasicAuth",
      .help = "User and password" },
    { WF_P_CRED(struct config, credential, "httpHeaderAuth"), .flags = WF_REQUIRED,
      .show_if = "authentication=genericCredentialType,genericAuthType=httpHeaderAuth",
      .help = "Header and value" },
    { WF_P_CRED(struct config, credential, "httpBearerAuth"), .flags = WF_REQUIRED,
      .show_if = "authentication=genericCredentialType,genericAuthType=httpBearerAuth",
      .help = "Token" },
    { WF_NAMED("sendQuery"), WF_F_BOOL(struct config, send_query), .help = "Add query parameters" },
    { WF_NAMED("specifyQuery"), WF_F_CHOICE(struct config, specify_query, specifies),
      .def = "keypair", .show_if = "sendQuery=true", .help = "How they are given" },
    { WF_NAMED("queryParameters.parameters"),
      WF_F_LIST(struct config, query, pair_rows, struct pair),
      .show_if = "sendQuery=true,specifyQuery=keypair", .help = "Query parameters" },
    { WF_NAMED("jsonQuery"), WF_F_VALUE(struct config, json_query), .flags = WF_REQUIRED | WF_EXPR,
      .show_if = "sendQuery=true,specifyQuery=json", .help = "Query parameters as an object" },
    { WF_NAMED("sendHeaders"), WF_F_BOOL(struct config, send_headers), .help = "Add headers" },
    { WF_NAMED("specifyHeaders"), WF_F_CHOICE(struct config, specify_headers, specifies),
      .def = "keypair", .show_if = "sendHeaders=true", .help = "How they are given" },
    { WF_NAMED("headerParameters.parameters"),
      WF_F_LIST(struct config, headers, pair_rows, struct pair),
      .show_if = "sendHeaders=true,specifyHeaders=keypair", .help = "Headers" },
    { WF_NAMED("jsonHeaders"), WF_F_VALUE(struct config, json_headers),
      .flags = WF_REQUIRED | WF_EXPR, .show_if = "sendHeaders=true,specifyHeaders=json",
      .help = "Headers as an object" },
    { WF_NAMED("sendBody"), WF_F_BOOL(struct config, send_body), .help = "Send a body" },
    { WF_NAMED("contentType"), WF_F_CHOICE(struct config, content, contents), .def = "json",
      .show_if = "sendBody=true", .help = "What the body is" },
    { WF_NAMED("specifyBody"), WF_F_CHOICE(struct config, specify_body, specifies_body),
      .def = "keypair", .show_if = "sendBody=true,contentType=json|form-urlencoded",
      .help = "How it is given" },
    { WF_NAMED("bodyParameters.parameters"),
      WF_F_LIST(struct config, fields, field_rows, struct body_part),
      .show_if = "sendBody=true,contentType=json|form-urlencoded,specifyBody=keypair",
      .help = "Fields of the body" },
    { WF_NAMED("bodyParameters.parameters"),
      WF_F_LIST(struct config, fields, field_rows, struct body_part),
      .show_if = "sendBody=true,contentType=multipart-form-data",
      .help = "Fields and files of the body" },
    { WF_NAMED("jsonBody"), WF_F_VALUE(struct config, json_body), .flags = WF_REQUIRED | WF_EXPR,
      .show_if = "sendBody=true,contentType=json|form-urlencoded,specifyBody=json",
      .help = "The body: JSON, or text that is JSON" },
    { WF_NAMED("body"), WF_F_STR(struct config, raw_body), .flags = WF_EXPR | WF_MULTILINE,
      .show_if = "sendBody=true,contentType=raw|form-urlencoded", .help = "The body as text" },
    { WF_NAMED("rawContentType"), WF_F_STR(struct config, raw_type), .flags = WF_EXPR,
      .show_if = "sendBody=true,contentType=raw", .help = "Its content-type" },
    { WF_NAMED("inputDataFieldName"), WF_F_STR(struct config, input_part), .flags = WF_EXPR,
      .def = "data", .show_if = "sendBody=true,contentType=binaryData",
      .help = "Name of the binary part" },
    { WF_NAMED("options.timeout"), WF_F_MS(struct config, timeout_ms), .flags = WF_EXPR,
      .help = "How long one request may take; 0: 30 seconds" },
    { WF_NAMED("options.redirect.redirect.followRedirects"), WF_F_BOOL(struct config, follow),
      .def = "true", .help = "Follow redirections" },
    { WF_NAMED("options.redirect.redirect.maxRedirects"), WF_F_INT(struct config, max_redirects),
      .def = "21", .min = 0, .max = 100, .help = "How many of them" },
    { WF_NAMED("options.response.response.fullResponse"), WF_F_BOOL(struct config, full),
      .help = "The item has body, headers and statusCode" },
    { WF_NAMED("options.response.response.neverError"), WF_F_BOOL(struct config, never_error),
      .help = "Every status is a good answer" },
    { WF_NAMED("options.response.response.responseFormat"),
      WF_F_CHOICE(struct config, format, formats), .def = "autodetect",
      .help = "What the answer is" },
    { WF_NAMED("options.response.response.outputPropertyName"),
      WF_F_STR(struct config, output_name), .def = "data",
      .help = "Field for text, name of the binary part for a file" },
    { WF_NAMED("options.maxResponseSize"), WF_F_BYTES(struct config, max_bytes),
      .help = "A larger answer fails; 0: 16 MiB, or 1 GiB for responseFormat file" },
    { WF_NAMED("options.allowUnauthorizedCerts"), WF_F_BOOL(struct config, insecure),
      .help = "Do not verify the server's certificate" },
    { WF_NAMED("options.proxy"), WF_F_STR(struct config, proxy), .flags = WF_EXPR,
      .help = "URL of a proxy" },
    { WF_NAMED("options.idempotencyHeader"), WF_F_STR(struct config, idempotency_header),
      .help = "Header for the item's key, the same on every try: the other side must know it" },
    { WF_NAMED("options.pagination.pagination.paginationMode"),
      WF_F_CHOICE(struct config, pages, page_modes), .def = "off", .help = "Answers in pages" },
    { WF_NAMED("options.pagination.pagination.nextUrlPath"), WF_F_STR(struct config, next_path),
      .flags = WF_REQUIRED,
      .show_if = "options.pagination.pagination.paginationMode=responseContainsNextURL",
      .help = "Where the answer has the next URL, such as links.next; none there: the last page" },
    { WF_NAMED("options.pagination.pagination.pageParameter"), WF_F_STR(struct config, page_name),
      .def = "page",
      .show_if = "options.pagination.pagination.paginationMode=updateAParameterInEachRequest",
      .help = "Query parameter with the page's number" },
    { WF_NAMED("options.pagination.pagination.pageStart"), WF_F_INT(struct config, page_start),
      .def = "1",
      .show_if = "options.pagination.pagination.paginationMode=updateAParameterInEachRequest",
      .help = "Number of the first page" },
    { WF_NAMED("options.pagination.pagination.itemsPath"), WF_F_STR(struct config, items_path),
      .show_if = "options.pagination.pagination.paginationMode=updateAParameterInEachRequest",
      .help = "Where the answer has its list; an empty one ends; empty: the answer is the list" },
    { WF_NAMED("options.pagination.pagination.maxRequests"), WF_F_INT(struct config, max_requests),
      .def = "100", .min = 1, .max = 10000,
      .show_if = "options.pagination.pagination.paginationMode=responseContainsNextURL|"
                 "updateAParameterInEachRequest",
      .help = "The most pages" },
    WF_END,
};

static const wf_pair codes[] = {
    { "request", "The request cannot be made: URL, header or body are wrong" },
    { "transport", "No answer: connection, TLS, name or time" },
    { "unknown", "Sent, but no answer came; whether it was acted on is not known" },
    { "throttled", "HTTP 429" },
    { "server", "HTTP 5xx, 408, 425" },
    { "auth", "HTTP 401, 403, 407" },
    { "rejected", "Another status that is no success" },
    { "body", "The answer is not of the format asked for, or too large" },
    { "pagination", "The next page cannot be asked for" },
    { NULL, NULL },
};

static int check(const wf_host *h, const void *config, char *why, size_t why_size)
{
    const struct config *c = config;
    static const char message[] = "options.idempotencyHeader is no name of a header";
    (void)h;
    if (!strpbrk(c->idempotency_header.ptr, "\r\n: "))
        return 0;
    memcpy(why, message, sizeof message < why_size ? sizeof message : why_size);
    why[why_size - 1] = 0;
    return -1;
}

/* --- pages ------------------------------------------------------------------------------------ */

/* How far an item has come. A reply says only whose it is, so this is kept by the item. */
struct progress {
    struct progress *next;
    wf_item *it;
    int64_t pages, began_ms;
};

struct state {
    struct progress *first;
};

enum { FORGET_MS = 3600000 };

static void *http_open(const wf_host *h, wf_inst *inst, wf_error *why)
{
    struct state *s = calloc(1, sizeof *s);
    (void)h, (void)inst;
    if (!s)
        *why =
            (wf_error){ .size = sizeof *why, .fault = WF_TRANSIENT, .detail = { "no memory", 9 } };
    return s;
}

static void http_close(const wf_host *h, void *state)
{
    struct state *s = state;
    (void)h;
    while (s->first) {
        struct progress *p = s->first;
        s->first = p->next;
        free(p);
    }
    free(s);
}

/* Drops what is kept of this item, and of items that were given up long ago. */
static void progress_end(struct state *s, const wf_item *it, int64_t now_ms)
{
    for (struct progress **at = &s->first; *at;) {
        struct progress *p = *at;
        if (p->it != it && p->began_ms + FORGET_MS > now_ms) {
            at = &p->next;
            continue;
        }
        *at = p->next;
        free(p);
    }
}

static struct progress *progress_begin(const wf_host *h, wf_item *it)
{
    struct state *s = h->state(it);
    struct progress *p = calloc(1, sizeof *p);
    progress_end(s, it, h->now_ms(it));
    if (!p)
        return NULL;
    *p = (struct progress){ s->first, it, 0, h->now_ms(it) };
    return s->first = p;
}

static struct progress *progress_find(const wf_host *h, const wf_item *it, struct state *s)
{
    struct progress *p = s->first;
    (void)h;
    while (p && p->it != it)
        p = p->next;
    return p;
}

static void on_reply(const wf_host *h, wf_item *it, const wf_reply *r);

static void ask(const wf_host *h, wf_item *it, const char *url, int64_t page)
{
    struct call call = { .h = h, .it = it, .c = h->config(it) };
    if (request_build(&call, url, page) != 0)
        fail_rejected(h, it, "request", call.error);
    else
        h->request(it, &call.request, on_reply);
}

static size_t origin_len(const char *url)
{
    const char *host = strstr(url, "://");
    return host ? (size_t)(host + 3 - url) + strcspn(host + 3, "/?#") : 0;
}

/* The next URL in full; NULL: it leads elsewhere, where our credentials must not go. */
static const char *resolve(const wf_host *h, wf_item *it, const char *from, const char *next)
{
    size_t len = origin_len(from), query = strcspn(from, "?#");
    if (next[0] == '/' && next[1] != '/')
        return h->fmt(it, "%.*s%s", (int)len, from, next).ptr;
    if (next[0] == '?')
        return h->fmt(it, "%.*s%s", (int)query, from, next).ptr;
    return len && origin_len(next) == len && !strncmp(from, next, len) ? next : NULL;
}

/* Whether the page was the last, with the next URL or NULL when pages are numbered. */
static int is_last(const wf_host *h, wf_item *it, const wf_value *body, const char **next)
{
    const struct config *c = h->config(it);
    *next = NULL;
    if (c->pages == PAGES_NUMBER) {
        const wf_value *list = c->items_path.len ? h->v->path(body, c->items_path.ptr) : body;
        return h->v->type(list) != WF_JSON_ARRAY || !h->v->count(list);
    }
    wf_str url = h->v->text(it, h->v->path(body, c->next_path.ptr));
    *next = url.ptr;
    return h->v->type(h->v->path(body, c->next_path.ptr)) != WF_JSON_STRING || !url.len;
}

/* Goes on to the next page, or ends the item. */
static void turn_page(const wf_host *h, wf_item *it, const wf_reply *r, const wf_value *body)
{
    const struct config *c = h->config(it);
    struct state *s = h->state(it);
    struct progress *p = progress_find(h, it, s);
    const char *next = NULL;
    if (!p || !body || is_last(h, it, body, &next) || ++p->pages >= c->max_requests) {
        progress_end(s, it, h->now_ms(it));
        h->done(it);
        return;
    }
    int64_t page = c->page_start + p->pages;
    if (c->pages == PAGES_NEXT_URL) {
        next = resolve(h, it, r->url ? r->url : c->url.ptr, next);
        if (!next) {
            progress_end(s, it, h->now_ms(it));
            fail_rejected(h, it, "pagination", "the next URL leads to another host");
            return;
        }
    }
    ask(h, it, next, page);
}

static void on_reply(const wf_host *h, wf_item *it, const wf_reply *r)
{
    const struct config *c = h->config(it);
    const wf_value *body = NULL;
    if (reply_refuse(h, it, r) != 0 || reply_push(h, it, r, &body) < 0)
        return;
    if (c->pages == PAGES_OFF)
        h->done(it);
    else
        turn_page(h, it, r, body);
}

static void send(const wf_host *h, wf_item *const *items, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const struct config *c = h->config(items[i]);
        if (c->pages != PAGES_OFF && !progress_begin(h, items[i]))
            h->fail(items[i], "out of memory");
        else
            ask(h, items[i], NULL, c->page_start);
    }
}

/* --- the plugin ------------------------------------------------------------------------------- */

static const char docs[] =
    "All items of a frame are asked for at once, over pooled connections, with HTTP/2 where the\n"
    "server has it. An array in a JSON answer becomes one item for each element.\n"
    "\n"
    "**Again or not.** No answer, 429, 408 and 5xx are tried again with back-off; Retry-After is "
    "kept\n"
    "to. A POST or PATCH that was sent and got no answer ends as `unknown` instead, because it "
    "may\n"
    "have been acted on. With `options.idempotencyHeader` the item's key goes along, the same on\n"
    "every try, and such a request is tried again.\n"
    "\n"
    "**Pages.** `responseContainsNextURL` follows a URL of the answer, on the same host only.\n"
    "`updateAParameterInEachRequest` counts a query parameter up until a list is empty.\n"
    "\n"
    "```json\n"
    "{\"type\": \"catalyst.httpRequest\", \"parameters\": {\"method\": \"POST\",\n"
    " \"url\": \"https://api.example.com/orders\", \"sendBody\": true, \"specifyBody\": \"json\",\n"
    " \"jsonBody\": {\"order\": \"={{ $json.id }}\"},\n"
    " \"options\": {\"timeout\": \"5s\", \"idempotencyHeader\": \"Idempotency-Key\"}}}\n"
    "```\n";

static const char *const ports[] = { "main", NULL };
static const char *const aliases[] = { "n8n-nodes-base.httpRequest", NULL };
static const wf_node nodes[] = {
    { .type = "catalyst.httpRequest",
      .help = "Send an HTTP request and take its answer",
      .ports = ports,
      .params = params,
      .config_size = sizeof(struct config),
      .process = send,
      .open = http_open,
      .close = http_close,
      .check = check,
      .flags = WF_NODE_EFFECT,
      .codes = codes,
      .group = "channel",
      .docs = docs,
      .aliases = aliases },
};

WF_PLUGIN("http_request", "1.0.0", nodes);
