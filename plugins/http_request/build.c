/* SPDX-License-Identifier: Apache-2.0
 * From an item's config to a request: URL, query, headers. Thread: the worker's. Nothing blocks.
 */
#include "http_request_int.h"

enum { HEADERS_MAX = 64, FILE_BYTES_MAX = 1 << 30 };

const char *const http_methods[] = { "GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS" };

/* --- text ------------------------------------------------------------------------------------- */

void text_add(struct call *call, const char *ptr, size_t len)
{
    if (call->len + len + 1 > call->size) {
        size_t size = (call->len + len + 1) * 2;
        char *text = call->h->alloc(call->it, size);
        if (call->len)
            memcpy(text, call->text, call->len);
        call->text = text;
        call->size = size;
    }
    if (len)
        memcpy(call->text + call->len, ptr, len);
    call->len += len;
    call->text[call->len] = 0;
}

static int is_plain(unsigned char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' ||
           c == '.' || c == '_' || c == '~';
}

void text_encode(struct call *call, wf_str s)
{
    static const char hex[] = "0123456789ABCDEF";
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.ptr[i];
        char escaped[3] = { '%', hex[c >> 4], hex[c & 15] };
        if (is_plain(c))
            text_add(call, &s.ptr[i], 1);
        else
            text_add(call, escaped, 3);
    }
}

const wf_value *json_given(struct call *call, const wf_value *value, const char *what)
{
    const char *why = NULL;
    if (call->h->v->type(value) == WF_JSON_STRING)
        value = call->h->v->parse(call->it, call->h->v->text(call->it, value), &why);
    if (!value)
        call->error =
            call->h->fmt(call->it, "%s is no JSON: %s", what, why ? why : "it is missing").ptr;
    return value;
}

/* --- headers ---------------------------------------------------------------------------------- */

static int same_name(const char *a, const char *b)
{
    for (; *a && *b; a++, b++)
        if ((*a >= 'A' && *a <= 'Z' ? *a + 32 : *a) != (*b >= 'A' && *b <= 'Z' ? *b + 32 : *b))
            return 0;
    return *a == *b;
}

int header_is_there(const struct call *call, const char *name)
{
    for (size_t i = 0; i < call->n_headers; i++)
        if (same_name(call->headers[i].name, name))
            return 1;
    return 0;
}

void header_add(struct call *call, wf_str name, wf_str value)
{
    const wf_host *h = call->h;
    if (call->n_headers == HEADERS_MAX || !name.len || strpbrk(name.ptr, "\r\n: ") ||
        strpbrk(value.ptr, "\r\n")) {
        call->error = call->n_headers == HEADERS_MAX ? "more than 64 headers"
                      : !name.len                    ? "a header without name"
                                                     : "a header holds what a header cannot";
        return;
    }
    call->headers[call->n_headers++] =
        (wf_pair){ h->fmt(call->it, "%s", name.ptr).ptr, h->fmt(call->it, "%s", value.ptr).ptr };
}

/* --- pairs of parameters, or an object -------------------------------------------------------- */

typedef void add_fn(struct call *call, wf_str name, wf_str value);

static void each_pair(struct call *call, const wf_list *list, add_fn *add)
{
    const struct pair *rows = list->rows;
    for (size_t i = 0; i < list->n; i++)
        add(call, rows[i].name, call->h->v->text(call->it, rows[i].value));
}

static void each_member(struct call *call, const wf_value *given, const char *what, add_fn *add)
{
    const wf_values *v = call->h->v;
    const wf_value *object = json_given(call, given, what);
    if (object && v->type(object) != WF_JSON_OBJECT)
        call->error = call->h->fmt(call->it, "%s is no object", what).ptr;
    for (size_t i = 0; !call->error && i < v->count(object); i++) {
        wf_str key = v->key(object, i);
        add(call, call->h->fmt(call->it, "%.*s", (int)key.len, key.ptr),
            v->text(call->it, v->at(object, i)));
    }
}

static void add_query(struct call *call, wf_str name, wf_str value)
{
    text_add(call, strchr(call->text, '?') ? "&" : "?", 1);
    text_encode(call, name);
    text_add(call, "=", 1);
    text_encode(call, value);
}

/* --- the request ------------------------------------------------------------------------------ */

static int starts(const char *url, const char *scheme)
{
    for (; *scheme; url++, scheme++)
        if ((*url >= 'A' && *url <= 'Z' ? *url + 32 : *url) != *scheme)
            return 0;
    return 1;
}

static const char *build_url(struct call *call, int64_t page)
{
    const struct config *c = call->c;
    if (!starts(c->url.ptr, "http://") && !starts(c->url.ptr, "https://")) {
        call->error =
            call->h->fmt(call->it, "url '%.200s' must begin with http:// or https://", c->url.ptr)
                .ptr;
        return NULL;
    }
    size_t hash = strcspn(c->url.ptr, "#");
    text_add(call, c->url.ptr, hash);
    if (c->send_query && c->specify_query == SPECIFY_JSON)
        each_member(call, c->json_query, "jsonQuery", add_query);
    else if (c->send_query)
        each_pair(call, &c->query, add_query);
    if (c->pages == PAGES_NUMBER)
        add_query(call, c->page_name, call->h->fmt(call->it, "%lld", (long long)page));
    return call->text;
}

static void build_headers(struct call *call)
{
    const struct config *c = call->c;
    if (c->send_headers && c->specify_headers == SPECIFY_JSON)
        each_member(call, c->json_headers, "jsonHeaders", header_add);
    else if (c->send_headers)
        each_pair(call, &c->headers, header_add);
    if (c->idempotency_header.len && !header_is_there(call, c->idempotency_header.ptr)) {
        const char *key = call->h->key(call->it);
        header_add(call, c->idempotency_header, (wf_str){ key, strlen(key) });
    }
}

int request_build(struct call *call, const char *url, int64_t page)
{
    const struct config *c = call->c;
    call->request.url = url ? url : build_url(call, page);
    if (call->error)
        return -1;
    build_headers(call);
    call->text = NULL;
    call->len = call->size = 0;
    if (!call->error && c->send_body && body_build(call) != 0)
        return -1;
    if (call->error)
        return -1;
    call->headers[call->n_headers] = (wf_pair){ NULL, NULL };
    call->request.method = http_methods[c->method];
    call->request.headers = call->headers;
    call->request.timeout_ms = c->timeout_ms;
    call->request.cred = c->auth ? c->credential : NULL;
    call->request.proxy = c->proxy.len ? c->proxy.ptr : NULL;
    call->request.max_redirects = c->follow ? (uint32_t)c->max_redirects : 0;
    call->request.flags = WF_REQ_DOWNLOAD | (c->insecure ? WF_REQ_INSECURE : 0);
    call->request.max_bytes = (uint64_t)c->max_bytes;
    if (!c->max_bytes && c->format == FORMAT_FILE)
        call->request.max_bytes = FILE_BYTES_MAX;
    return 0;
}
