/* SPDX-License-Identifier: Apache-2.0
 * Fuzzes what outsiders send over HTTP. The first byte chooses: requests as the server reads them,
 * multipart bodies, forms and queries, route look-ups, Retry-After.
 *
 * Beyond not crashing: a stream of requests means the same however it is cut into packets, slices
 * lie inside what came in, counts keep their caps.
 */
#include "http/server_int.h"
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { FIELDS_MAX = 64, PARTS_MAX = 16 };

/* --- requests ----------------------------------------------------------------------------------
 */

/* Everything that the server understood, in one text. */
static void note_request(void *ctx, struct http_request *req)
{
    struct strbuf *seen = ctx;
    BUG_IF(req->n_headers > 20 || req->body.len > 4096);
    strbuf_addf(seen, "%s [%.*s] [%.*s]", http_method_name(req->method), STR_ARG(req->path),
                STR_ARG(req->query));
    for (unsigned i = 0; i < req->n_headers; i++) {
        BUG_IF(req->headers[i].name.ptr[req->headers[i].name.len] != 0);
        BUG_IF(req->headers[i].value.ptr[req->headers[i].value.len] != 0);
        strbuf_addf(seen, " %s=%s", req->headers[i].name.ptr, req->headers[i].value.ptr);
    }
    strbuf_addf(seen, " %zu:", req->body.len);
    strbuf_add(seen, req->body.ptr, req->body.len);
    http_respond(req, 200, req->headers, req->n_headers, req->body);
}

static void conn_start(struct conn *c, struct http_server *s)
{
    *c = (struct conn){ .magic = conn_MAGIC, .state = CONN_OPEN, .server = s };
    list_init(&c->requests);
    parse_init(c);
}

static void conn_end(struct conn *c)
{
    BUG_IF(!list_empty(&c->requests)); /* all was answered at once */
    if (c->reading)
        request_free(c->reading);
    outq_clear(c->server, &c->out);
    list_remove(&c->dirty);
    free(c->saved);
}

/* Feeds the input in pieces of `step` bytes (0: all at once). */
static void feed(struct http_server *s, struct strbuf *seen, const char *ptr, size_t len,
                 size_t step)
{
    struct conn c;
    conn_start(&c, s);
    s->config.ctx = seen;
    for (size_t at = 0; at < len && c.state == CONN_OPEN; at += step ? step : len) {
        size_t left = len - at;
        char *piece = malloc(left + 1); /* its own allocation, so that reading past it is found */
        size_t n = step && step < left ? step : left;
        memcpy(piece, ptr + at, n);
        parse_feed(&c, piece, n);
        free(piece);
        outq_clear(s, &c.out);
        parse_resume(&c);
        outq_clear(s, &c.out);
    }
    strbuf_addf(seen, "\nstate %d", c.state);
    conn_end(&c);
}

static void fuzz_requests(const char *ptr, size_t len)
{
    static struct http_server *s;
    if (!s) {
        s = calloc(1, sizeof *s);
        s->loop = loop_create(NULL);
        s->config.on_request = note_request;
        s->limits = (struct http_limits){ .header_bytes = 2048,
                                          .body_bytes = 4096,
                                          .headers = 20,
                                          .max_pipelined = 4,
                                          .unsent_bytes = 1 << 20 };
        list_init(&s->conns);
        list_init(&s->dirty);
    }
    static const size_t steps[] = { 1, 2, 7, 61 };
    struct strbuf whole, pieces;
    strbuf_init(&whole, 64 << 20);
    feed(s, &whole, ptr, len, 0);
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        strbuf_init(&pieces, 64 << 20);
        feed(s, &pieces, ptr, len, steps[i]);
        BUG_IF(!str_eq(strbuf_str(&whole), strbuf_str(&pieces)));
        strbuf_fini(&pieces);
    }
    strbuf_fini(&whole);
}

/* --- parsers ------------------------------------------------------------------------------------
 */

static bool is_inside(wf_str slice, wf_str whole)
{
    return slice.ptr >= whole.ptr && slice.ptr + slice.len <= whole.ptr + whole.len;
}

/* "content type" NUL "body" */
static void fuzz_multipart(const char *ptr, size_t len)
{
    struct arena a;
    struct err err;
    struct http_part *parts = NULL;
    size_t n = 0;
    const char *nul = memchr(ptr, 0, len);
    size_t type_len = nul ? (size_t)(nul - ptr) : 0;
    wf_str type = nul ? (wf_str){ ptr, type_len } : STR("multipart/form-data; boundary=X");
    wf_str body = nul ? (wf_str){ nul + 1, len - type_len - 1 } : (wf_str){ ptr, len };
    arena_init(&a, NULL, 0);
    if (http_multipart_parse(&a, type, body, PARTS_MAX, &parts, &n, &err) == 0) {
        BUG_IF(n > PARTS_MAX);
        for (size_t i = 0; i < n; i++)
            BUG_IF(!parts[i].name.ptr || parts[i].name.ptr[parts[i].name.len] != 0 ||
                   !is_inside(parts[i].body, body));
    } else {
        BUG_IF(err.code != ERR_INVALID && err.code != ERR_LIMIT);
    }
    arena_fini(&a);
}

static void fuzz_form(const char *ptr, size_t len)
{
    struct arena a;
    struct http_fields fields;
    arena_init(&a, NULL, 0);
    if (http_form_parse(&a, (wf_str){ ptr, len }, FIELDS_MAX, &fields, NULL) == 0) {
        size_t sum = 0;
        BUG_IF(fields.n > FIELDS_MAX);
        for (size_t i = 0; i < fields.n; i++)
            sum += fields.at[i].name.len + fields.at[i].value.len;
        BUG_IF(sum > len);
    }
    http_media_type(&a, (wf_str){ ptr, len });
    arena_fini(&a);
}

/* Lines are patterns up to an empty one, then paths. */
static void fuzz_routes(const char *ptr, size_t len)
{
    struct route_table *t = route_table_create();
    bool is_adding = true;
    char line[512];
    for (size_t at = 0, n; at < len; at += n + 1) {
        const char *eol = memchr(ptr + at, '\n', len - at);
        n = eol ? (size_t)(eol - ptr) - at : len - at;
        size_t copied = n < sizeof line - 1 ? n : sizeof line - 1;
        memcpy(line, ptr + at, copied);
        line[copied] = 0;
        struct route_match m;
        enum http_method method = (enum http_method)(1 + at % (HTTP_METHOD_COUNT - 1));
        wf_str path = { line, copied };
        if (!n)
            is_adding = false;
        else if (is_adding && route_add(t, method, line, t, NULL) == 0)
            BUG_IF(line[0] != '/');
        if (route_find(t, method, path, &m) == ROUTE_FOUND)
            for (unsigned i = 0; i < m.n_params; i++)
                BUG_IF(!is_inside(m.params[i].value, path));
    }
    route_table_destroy(t);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static void (*const targets[])(const char *, size_t) = { fuzz_requests, fuzz_multipart,
                                                             fuzz_form, fuzz_routes };
    if (!size)
        return 0;
    const char *rest = (const char *)data + 1;
    unsigned which = data[0] >= '0' ? data[0] - '0' : data[0];
    if (which < sizeof targets / sizeof *targets)
        targets[which](rest, size - 1);
    else if (which == 4)
        BUG_IF(http_retry_after_ms((wf_str){ rest, size - 1 }, 0) < 0);
    return 0;
}
