/* SPDX-License-Identifier: Apache-2.0
 * From an answer to outputs, or to the right kind of failure. Thread: the worker's.
 */
#include "http_request_int.h"

/* --- failures --------------------------------------------------------------------------------- */

void fail_rejected(const wf_host *h, wf_item *it, const char *code, const char *why)
{
    h->fail_with(it, &(wf_error){ .size = sizeof(wf_error), .fault = WF_REJECTED, .code = code },
                 "%s", why);
}

/* Asking again cannot act twice. */
static int is_repeatable(const struct config *c)
{
    return (c->method != METHOD_POST && c->method != METHOD_PATCH) || c->idempotency_header.len;
}

static void fail_transport(const wf_host *h, wf_item *it, const struct config *c, const wf_reply *r)
{
    wf_error e = { .size = sizeof e, .fault = WF_TRANSIENT, .code = "transport" };
    if (r->flags & WF_REPLY_TOO_LARGE) { /* it would be as large again */
        e.fault = WF_REJECTED;
        e.code = "body";
    } else if (r->flags & WF_REPLY_MAYBE_SENT && !is_repeatable(c)) {
        e.fault = WF_UNKNOWN;
        e.code = "unknown";
    }
    h->fail_with(it, &e, "%s %.200s: %s%s", http_methods[c->method], c->url.ptr,
                 r->error ? r->error : "no answer",
                 e.fault == WF_UNKNOWN ? "; whether the request was acted on is not known" : "");
}

/* "https://host:port", what a throttle slows. */
static const char *origin(const wf_host *h, wf_item *it, const char *url)
{
    const char *host = strstr(url, "://");
    size_t len = host ? (size_t)(host + 3 - url) + strcspn(host + 3, "/?#") : strlen(url);
    return h->fmt(it, "%.*s", (int)len, url).ptr;
}

static void classify(const struct config *c, int status, wf_error *e)
{
    if (status == 429) {
        e->fault = WF_THROTTLE;
        e->code = "throttled";
    } else if (status == 401 || status == 403 || status == 407) {
        e->fault = WF_ACCOUNT;
        e->code = "auth";
    } else if ((status == 408 || status == 504) && !is_repeatable(c)) {
        e->fault = WF_UNKNOWN;
        e->code = "unknown";
    } else if (status >= 500 || status == 408 || status == 425) {
        e->fault = WF_TRANSIENT;
        e->code = "server";
    } else {
        e->fault = WF_REJECTED;
        e->code = "rejected";
    }
}

/* Of the answer, for a person. */
static wf_str beginning(const wf_host *h, wf_item *it, const wf_reply *r)
{
    enum { DETAIL_MAX = 4096 };
    const wf_blobs *blobs = h->service("blob/1");
    if (!r->download || !blobs)
        return (wf_str){ r->body.ptr, r->body.len < DETAIL_MAX ? r->body.len : DETAIL_MAX };
    char *text = h->alloc(it, DETAIL_MAX);
    int64_t n = blobs->read(r->download, 0, text, DETAIL_MAX);
    return (wf_str){ text, n > 0 ? (size_t)n : 0 };
}

int reply_refuse(const wf_host *h, wf_item *it, const wf_reply *r)
{
    const struct config *c = h->config(it);
    if (r->status == 0) {
        fail_transport(h, it, c, r);
        return -1;
    }
    if ((r->status >= 200 && r->status < 300) || c->never_error)
        return 0;
    wf_error e = { .size = sizeof e, .retry_after_ms = r->retry_after_ms };
    classify(c, r->status, &e);
    e.detail = beginning(h, it, r);
    e.scope = e.fault == WF_THROTTLE ? origin(h, it, c->url.ptr) : NULL;
    h->fail_with(it, &e, "%s %.200s: HTTP %d", http_methods[c->method], c->url.ptr, r->status);
    return -1;
}

/* --- outputs ---------------------------------------------------------------------------------- */

static const char *header_of(const wf_reply *r, const char *name)
{
    for (const wf_pair *p = r->headers; p && p->name; p++)
        if (!strcmp(p->name, name))
            return p->text;
    return "";
}

static int starts_with(const char *text, const char *prefix)
{
    return !strncmp(text, prefix, strlen(prefix));
}

static int detect(const wf_reply *r)
{
    static const char *const files[] = { "image/",
                                         "audio/",
                                         "video/",
                                         "font/",
                                         "application/pdf",
                                         "application/zip",
                                         "application/gzip",
                                         "application/x-gzip",
                                         "application/octet-stream",
                                         NULL };
    const char *type = header_of(r, "content-type");
    size_t len = strcspn(type, "; ");
    if (starts_with(type, "application/json") || (len > 5 && !strncmp(type + len - 5, "+json", 5)))
        return FORMAT_JSON;
    for (int i = 0; files[i]; i++)
        if (starts_with(type, files[i]))
            return FORMAT_FILE;
    return FORMAT_TEXT;
}

/* The name at the end of a URL's path. */
static wf_str file_name(const char *url)
{
    const char *path = url ? strstr(url, "://") : NULL, *name;
    if (!path)
        return (wf_str){ "", 0 };
    path += 3 + strcspn(path + 3, "/?#");
    size_t len = strcspn(path, "?#");
    for (name = path + len; name > path && name[-1] != '/'; name--)
        ;
    return (wf_str){ name, (size_t)(path + len - name) };
}

static void attach_file(const wf_host *h, wf_item *it, const struct config *c, const wf_reply *r)
{
    const wf_blobs *blobs = h->service("blob/1");
    const char *type = header_of(r, "content-type");
    wf_str mime = { type, strcspn(type, ";") };
    if (blobs)
        blobs->attach(it, c->output_name.ptr,
                      r->download ? r->download : blobs->of_bytes(it, r->body.ptr, r->body.len),
                      mime, file_name(r->url));
}

static const wf_value *headers_value(const wf_host *h, wf_item *it, const wf_reply *r)
{
    const wf_value *object = h->build(it, "{}");
    for (const wf_pair *p = r->headers; p && p->name; p++)
        object = h->v->set_key(it, object, (wf_str){ p->name, strlen(p->name) },
                               h->v->of_str(it, p->text, strlen(p->text)));
    return object;
}

/* One output; what is no object goes under the output's name. */
static void push_value(const wf_host *h, wf_item *it, const wf_value *value)
{
    const struct config *c = h->config(it);
    if (h->v->type(value) != WF_JSON_OBJECT)
        value = h->v->set_key(it, NULL, c->output_name, value);
    h->push(it, 0, value);
}

static int push_body(const wf_host *h, wf_item *it, const wf_value *body)
{
    if (h->v->type(body) != WF_JSON_ARRAY) {
        push_value(h, it, body);
        return 1;
    }
    size_t n = h->v->count(body);
    for (size_t i = 0; i < n; i++)
        push_value(h, it, h->v->at(body, i));
    return (int)n;
}

/* The body as a whole, where it has to be looked at. */
static int whole(const wf_host *h, const wf_reply *r, wf_str *body)
{
    const wf_blobs *blobs = h->service("blob/1");
    const void *ptr;
    *body = r->body;
    if (!r->download)
        return 0;
    if (!blobs || blobs->bytes(r->download, &ptr, &body->len) != 0)
        return -1;
    body->ptr = ptr;
    return 0;
}

/* NULL when the item was failed. */
static const wf_value *parse_body(const wf_host *h, wf_item *it, const wf_reply *r, int format)
{
    const struct config *c = h->config(it);
    const char *why = NULL;
    const wf_value *body;
    wf_str text;
    if (whole(h, r, &text) != 0) {
        fail_rejected(h, it, "body", "the answer cannot be read back");
        return NULL;
    }
    if (format == FORMAT_TEXT)
        return h->v->set_key(it, NULL, c->output_name, h->v->of_str(it, text.ptr, text.len));
    if (!text.len)
        return h->build(it, "{}");
    body = h->v->parse(it, text, &why);
    if (!body)
        fail_rejected(h, it, "body", h->fmt(it, "the answer is no JSON: %s", why ? why : "?").ptr);
    return body;
}

int reply_push(const wf_host *h, wf_item *it, const wf_reply *r, const wf_value **parsed)
{
    const struct config *c = h->config(it);
    int format = c->format == FORMAT_AUTO ? detect(r) : c->format;
    const wf_value *body = NULL;
    if (format == FORMAT_FILE)
        attach_file(h, it, c, r);
    else if (!(body = parse_body(h, it, r, format)))
        return -1;
    *parsed = format == FORMAT_JSON ? body : NULL;
    if (c->full) {
        if (format == FORMAT_TEXT)
            body = h->v->get(body, c->output_name.ptr, c->output_name.len);
        const wf_value *full = h->build(it, "{s:v,s:i}", "headers", headers_value(h, it, r),
                                        "statusCode", (int64_t)r->status);
        h->push(it, 0, body ? h->v->set(it, full, "body", body) : full);
        return 1;
    }
    if (format != FORMAT_FILE)
        return push_body(h, it, body);
    h->push(it, 0, h->value(it));
    return 1;
}
