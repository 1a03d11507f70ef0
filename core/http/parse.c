/* SPDX-License-Identifier: Apache-2.0
 * Requests out of bytes: the callbacks of http_parser, the limits, and the server's own answers to
 * what it cannot accept.
 *
 * The parser hands over pieces, split wherever the packets were. They are joined in the request's
 * `text`, names in lower case and everything NUL-ended, so that a request stands alone until it is
 * answered, however long that takes. `text` starts inside the request and moves to the heap when it
 * outgrows that.
 *
 * The callbacks run inside http_parser_execute, and on_request inside on_complete: a connection
 * that must be closed then is closed when the parser has returned (conn.must_close). Thread: the
 * loop's.
 */
#include "http/server_int.h"
#include <stdlib.h>
#include <string.h>

enum { BODY_ROOM_MAX = 64 << 10 };

/* --- the request's text ----------------------------------------------------------------------- */

static void rebase(wf_str *s, const char *from, size_t size, char *to)
{
    if (s->ptr && s->ptr >= from && s->ptr < from + size)
        s->ptr = to + (s->ptr - from);
}

/* Room for `more` bytes and a NUL. */
static void text_reserve(struct request *r, size_t more)
{
    size_t need = r->text_len + more + 1;
    if (need <= r->text_size)
        return;
    size_t size = r->text_size * 2 > need ? r->text_size * 2 : need;
    char *to = xmalloc(size), *from = r->text;
    memcpy(to, from, r->text_len);
    rebase(&r->pub.path, from, r->text_size, to);
    rebase(&r->pub.query, from, r->text_size, to);
    rebase(&r->pub.body, from, r->text_size, to);
    for (unsigned i = 0; i < r->pub.n_headers; i++) {
        rebase(&r->headers[i].name, from, r->text_size, to);
        rebase(&r->headers[i].value, from, r->text_size, to);
    }
    if (from != r->text_inline)
        free(from);
    r->text = to;
    r->text_size = size;
}

static void text_add(struct request *r, const char *ptr, size_t len)
{
    text_reserve(r, len);
    memcpy(r->text + r->text_len, ptr, len);
    r->text_len += len;
}

static void text_end(struct request *r)
{
    text_reserve(r, 0);
    r->text[r->text_len++] = 0;
}

/* --- rejecting -------------------------------------------------------------------------------- */

void parse_reject(struct conn *c, enum http_reject why, int status)
{
    static const struct {
        int status;
        const char *text;
    } rejects[] = { { 0, "" },
#define X(name, code, what) { code, what },
                    HTTP_REJECTS(X)
#undef X
    };
    c->server->stats.rejected[why]++;
    struct request *r = c->reading ? c->reading : request_take(c);
    c->reading = NULL;
    r->is_last = true;
    list_append(&c->requests, &r->link);
    c->n_requests++;
    c->n_unanswered++;
    c->server->stats.unanswered++;
    conn_end_input(c);
    status = status ? status : rejects[why].status;
    answer_error(r, status,
                 why == HTTP_REJECT_REFUSED ? http_status_text(status) : rejects[why].text);
}

/* From a callback: remembers why and stops the parser. */
static int stop_parser(http_parser *p, enum http_reject why, int status)
{
    struct conn *c = p->data;
    parse_reject(c, why, status);
    return -1;
}

/* --- callbacks -------------------------------------------------------------------------------- */

static int on_begin(http_parser *p)
{
    struct conn *c = p->data;
    c->reading = request_take(c);
    c->read_us = loop_now_us(c->server->loop);
    return 0;
}

static int add_to_head(http_parser *p, const char *ptr, size_t len, enum http_reject over)
{
    struct conn *c = p->data;
    if (c->reading->text_len + len > c->server->limits.header_bytes)
        return stop_parser(p, over, 0);
    text_add(c->reading, ptr, len);
    return 0;
}

static int on_url(http_parser *p, const char *ptr, size_t len)
{
    if (add_to_head(p, ptr, len, HTTP_REJECT_TARGET) != 0)
        return -1;
    struct conn *c = p->data;
    c->reading->target_len += len;
    return 0;
}

/* Ends the name or value under way, or the target before the first header. */
static void end_piece(struct request *r)
{
    if (r->pub.n_headers) {
        struct http_header *h = &r->headers[r->pub.n_headers - 1];
        wf_str *piece = r->in_value ? &h->value : &h->name;
        piece->len = (size_t)(r->text + r->text_len - piece->ptr);
        while (r->in_value && piece->len &&
               (piece->ptr[piece->len - 1] == ' ' || piece->ptr[piece->len - 1] == '\t')) {
            piece->len--;
            r->text_len--;
        }
    }
    text_end(r);
}

static int header_start(http_parser *p, struct request *r)
{
    struct conn *c = p->data;
    end_piece(r);
    if (r->pub.n_headers == c->server->limits.headers)
        return stop_parser(p, HTTP_REJECT_HEADERS, 0);
    if (r->pub.n_headers == r->headers_size) {
        r->headers_size *= 2;
        struct http_header *more = xmalloc(r->headers_size * sizeof *more);
        memcpy(more, r->headers, r->pub.n_headers * sizeof *more);
        if (r->headers != r->few)
            free(r->headers);
        r->headers = more;
    }
    text_reserve(r, 1);
    r->headers[r->pub.n_headers++] = (struct http_header){ .name = { r->text + r->text_len, 0 } };
    r->in_value = false;
    return 0;
}

static int on_name(http_parser *p, const char *ptr, size_t len)
{
    struct conn *c = p->data;
    struct request *r = c->reading;
    if (r->has_headers) /* a trailer: read and dropped; its bytes count against the parser's own
                           limit */
        return 0;
    if ((!r->pub.n_headers || r->in_value) && header_start(p, r) != 0)
        return -1;
    size_t at = r->text_len;
    if (add_to_head(p, ptr, len, HTTP_REJECT_HEADERS) != 0)
        return -1;
    for (; at < r->text_len; at++) {
        if (r->text[at] == ' ')
            return stop_parser(p, HTTP_REJECT_MALFORMED, 0);
        if (r->text[at] >= 'A' && r->text[at] <= 'Z')
            r->text[at] |= 0x20;
    }
    return 0;
}

static int on_value(http_parser *p, const char *ptr, size_t len)
{
    struct conn *c = p->data;
    struct request *r = c->reading;
    if (r->has_headers)
        return 0;
    if (!r->in_value) {
        end_piece(r);
        text_reserve(r, 1);
        r->headers[r->pub.n_headers - 1].value = (wf_str){ r->text + r->text_len, 0 };
        r->in_value = true;
    }
    return add_to_head(p, ptr, len, HTTP_REJECT_HEADERS);
}

/* "/a?b", "http://host/a?b" or "*" -> path and query. */
static int split_target(struct request *r)
{
    wf_str t = { r->text, r->target_len };
    for (size_t i = 0; i < t.len; i++)
        if ((unsigned char)t.ptr[i] <= ' ' || t.ptr[i] == 127)
            return -1;
    if (t.len && t.ptr[0] != '/' && !(t.len == 1 && t.ptr[0] == '*')) {
        const char *host = memmem(t.ptr, t.len, "://", 3);
        if (!host)
            return -1;
        host += 3;
        const char *path = memchr(host, '/', (size_t)(t.ptr + t.len - host));
        if (!path)
            return -1;
        t = (wf_str){ path, (size_t)(t.ptr + t.len - path) };
    }
    const char *fragment = memchr(t.ptr, '#', t.len);
    if (fragment)
        t.len = (size_t)(fragment - t.ptr);
    const char *mark = memchr(t.ptr, '?', t.len);
    size_t path_len = mark ? (size_t)(mark - t.ptr) : t.len;
    r->pub.path = (wf_str){ t.ptr, path_len };
    r->pub.query = mark ? (wf_str){ mark + 1, t.len - path_len - 1 } : (wf_str){ t.ptr + t.len, 0 };
    return path_len ? 0 : -1;
}

static enum http_method method_of(const http_parser *p)
{
    switch (p->method) {
#define X(name)                                                                                    \
    case PARSER_##name:                                                                            \
        return HTTP_##name;
        HTTP_METHODS(X)
#undef X
    default:
        return HTTP_NONE;
    }
}

static unsigned count_headers(const struct request *r, const char *name)
{
    unsigned n = 0;
    for (unsigned i = 0; i < r->pub.n_headers; i++)
        n += str_eq(r->headers[i].name, str_of(name));
    return n;
}

/* What the parser lets pass and we do not. */
static enum http_reject check_head(const http_parser *p, struct request *r)
{
    if (p->http_major != 1)
        return HTTP_REJECT_VERSION;
    r->is_http10 = p->http_minor == 0;
    r->pub.method = method_of(p);
    if (r->pub.method == HTTP_NONE)
        return HTTP_REJECT_METHOD;
    if (split_target(r) != 0)
        return HTTP_REJECT_MALFORMED;
    unsigned hosts = count_headers(r, "host");
    if (hosts > 1 || (!hosts && !r->is_http10))
        return HTTP_REJECT_MALFORMED;
    wf_str coding = http_request_header(&r->pub, "transfer-encoding");
    if (coding.ptr && (r->is_http10 || !str_eq_nocase(coding, STR("chunked")) ||
                       count_headers(r, "transfer-encoding") > 1))
        return HTTP_REJECT_CODING;
    wf_str expect = http_request_header(&r->pub, "expect");
    if (expect.ptr && !str_eq_nocase(expect, STR("100-continue")))
        return HTTP_REJECT_EXPECT;
    r->wants_continue = expect.ptr && !r->is_http10;
    return HTTP_REJECT_NONE;
}

static int on_headers(http_parser *p)
{
    struct conn *c = p->data;
    struct http_server *s = c->server;
    struct request *r = c->reading;
    p->upgrade = 0; /* we never do: what follows is a body like any other */
    end_piece(r);
    r->has_headers = true;
    r->pub.headers = r->headers;
    enum http_reject why = check_head(p, r);
    if (why)
        return stop_parser(p, why, 0);
    int status =
        s->config.on_headers ? s->config.on_headers(s->config.ctx, &r->pub, &r->body_limit) : 0;
    if (status)
        return stop_parser(p, HTTP_REJECT_REFUSED, status);
    bool has_length = p->content_length != UINT64_MAX;
    if (has_length && p->content_length > r->body_limit)
        return stop_parser(p, HTTP_REJECT_BODY, 0);
    size_t room = has_length ? (size_t)p->content_length : 0;
    text_reserve(r, room < BODY_ROOM_MAX ? room : BODY_ROOM_MAX);
    r->pub.body = (wf_str){ r->text + r->text_len, 0 };
    c->read_us = loop_now_us(s->loop);
    if (r->wants_continue && list_empty(&c->requests))
        answer_advance(c);
    return 0;
}

static int on_body(http_parser *p, const char *ptr, size_t len)
{
    struct conn *c = p->data;
    struct request *r = c->reading;
    if (r->pub.body.len + len > r->body_limit)
        return stop_parser(p, HTTP_REJECT_BODY, 0);
    text_add(r, ptr, len);
    r->pub.body.len += len;
    r->wants_continue = false; /* it does not wait for us */
    return 0;
}

/* A connection that has enough to do: what lies behind waits unread. */
static bool is_full(const struct conn *c)
{
    return c->n_requests >= c->server->limits.max_pipelined ||
           c->out.bytes > c->server->limits.unsent_bytes;
}

static int on_complete(http_parser *p)
{
    struct conn *c = p->data;
    struct http_server *s = c->server;
    struct request *r = c->reading;
    text_end(r);
    r->is_last = !http_should_keep_alive(p);
    c->reading = NULL;
    c->has_served = true;
    list_append(&c->requests, &r->link);
    c->n_requests++;
    c->n_unanswered++;
    s->stats.requests++;
    s->stats.unanswered++;
    if (r->is_last) {
        conn_end_input(c);
        http_parser_pause(p, 1);
    }
    uint64_t answered = s->stats.answered;
    s->config.on_request(s->config.ctx, &r->pub);
    /* Answered in there, `r` may be gone already; else its owner must be able to learn of its end.
     */
    BUG_IF(answered == s->stats.answered && !r->pub.on_gone);
    if (is_full(c))
        http_parser_pause(p, 1);
    return 0;
}

/* --- feeding ---------------------------------------------------------------------------------- */

static const http_parser_settings callbacks = {
    .on_message_begin = on_begin,
    .on_url = on_url,
    .on_header_field = on_name,
    .on_header_value = on_value,
    .on_headers_complete = on_headers,
    .on_body = on_body,
    .on_message_complete = on_complete,
};

void parse_init(struct conn *c)
{
    http_parser_init(&c->parser, HTTP_REQUEST);
    c->parser.data = c;
}

static void keep(struct conn *c, const char *ptr, size_t len)
{
    if (!len)
        return;
    c->saved = xrealloc(c->saved, c->saved_len + len);
    memcpy(c->saved + c->saved_len, ptr, len);
    c->saved_len += len;
}

static enum http_reject reject_of(enum http_errno code, char at)
{
    switch (code) {
    case HPE_HEADER_OVERFLOW:
        return HTTP_REJECT_HEADERS;
    case HPE_INVALID_METHOD:
        return (at >= 'A' && at <= 'Z') || at == ' ' ? HTTP_REJECT_METHOD : HTTP_REJECT_MALFORMED;
    case HPE_INVALID_VERSION:
        return HTTP_REJECT_VERSION;
    default:
        return HTTP_REJECT_MALFORMED;
    }
}

void parse_feed(struct conn *c, const char *ptr, size_t len)
{
    if (c->state != CONN_OPEN || !len)
        return; /* read and dropped, so that the client gets to our answer */
    if (c->is_paused) {
        keep(c, ptr, len);
        return;
    }
    c->is_parsing = true;
    size_t used = http_parser_execute(&c->parser, &callbacks, ptr, len);
    c->is_parsing = false;
    enum http_errno code = HTTP_PARSER_ERRNO(&c->parser);
    if (c->must_close) {
        conn_close(c);
        return;
    }
    if (c->state != CONN_OPEN || code == HPE_OK)
        return;
    if (code == HPE_PAUSED) {
        http_parser_pause(&c->parser, 0);
        c->is_paused = true;
        keep(c, ptr + used, len - used);
        conn_touch(c);
        return;
    }
    parse_reject(c, reject_of(code, used < len ? ptr[used] : (char)0), 0);
}

void parse_resume(struct conn *c)
{
    if (!c->is_paused || is_full(c))
        return;
    c->is_paused = false;
    char *saved = c->saved;
    size_t len = c->saved_len;
    c->saved = NULL;
    c->saved_len = 0;
    parse_feed(c, saved, len);
    free(saved);
}
