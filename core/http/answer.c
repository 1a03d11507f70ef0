/* SPDX-License-Identifier: Apache-2.0
 * Answers: from http_respond() to the bytes of a connection's queue.
 *
 * The answer of the first request in a connection's row is written straight to the connection's
 * queue; the answer of a later one waits in its request until those before it are there
 * (answer_advance). Nothing is sent here: the connection is marked dirty and flushed in the loop's
 * LOOP_FLUSH phase, so the thousand answers of one commit cost one write per connection. Small
 * answers share blocks of 4 KiB, blocks and requests are reused, so a 202 allocates nothing.
 * Thread: the loop's.
 */
#include "http/server_int.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { SPARE_REQUESTS_MAX = 2048, SPARE_CHUNKS_MAX = 1024, HEAD_BYTES = 256, DATE_US = 250000 };

/* --- requests ------------------------------------------------------------------------------------
 */

struct request *request_take(struct conn *c)
{
    struct http_server *s = c->server;
    struct request *r = s->spare_requests;
    if (r) {
        s->spare_requests = (struct request *)r->link.next;
        s->n_spare_requests--;
    } else {
        r = xmalloc(sizeof *r);
    }
    memset(r, 0, offsetof(struct request, few)); /* the big arrays need no clearing */
    r->magic = request_MAGIC;
    r->conn = c;
    r->headers = r->few;
    r->headers_size = HEADERS_INLINE;
    r->text = r->text_inline;
    r->text_size = TEXT_INLINE;
    r->body_limit = s->limits.body_bytes;
    r->pub.is_tls = c->ssl != NULL;
    r->pub.peer = str_of(c->peer);
    return r;
}

void request_free(struct request *r)
{
    struct http_server *s = r->conn->server;
    outq_clear(s, &r->out);
    if (r->headers != r->few)
        free(r->headers);
    if (r->text != r->text_inline)
        free(r->text);
    r->magic = 0;
    if (s->n_spare_requests == SPARE_REQUESTS_MAX) {
        free(r);
        return;
    }
    r->link.next = (struct link *)s->spare_requests;
    s->spare_requests = r;
    s->n_spare_requests++;
}

void answer_free_spares(struct http_server *s)
{
    while (s->spare_requests) {
        struct request *r = s->spare_requests;
        s->spare_requests = (struct request *)r->link.next;
        free(r);
    }
    while (s->spare_chunks) {
        struct out_chunk *chunk = s->spare_chunks;
        s->spare_chunks = chunk->next;
        free(chunk);
    }
}

/* --- queues of bytes -------------------------------------------------------------------------- */

static struct out_chunk *chunk_take(struct http_server *s, size_t size)
{
    struct out_chunk *chunk = s->spare_chunks;
    if (size == OUT_BLOCK && chunk) {
        s->spare_chunks = chunk->next;
        s->n_spare_chunks--;
    } else {
        chunk = xmalloc(sizeof *chunk + size);
    }
    *chunk = (struct out_chunk){ .size = size, .ptr = chunk->bytes };
    return chunk;
}

static void chunk_free(struct http_server *s, struct out_chunk *chunk)
{
    if (chunk->release)
        chunk->release(chunk->arg);
    if (chunk->size != OUT_BLOCK || s->n_spare_chunks == SPARE_CHUNKS_MAX) {
        free(chunk);
        return;
    }
    chunk->next = s->spare_chunks;
    s->spare_chunks = chunk;
    s->n_spare_chunks++;
}

static void outq_append(struct outq *q, struct out_chunk *chunk)
{
    chunk->next = NULL;
    if (q->last)
        q->last->next = chunk;
    else
        q->first = chunk;
    q->last = chunk;
}

/* Room for `len` bytes in a row at the end; outq_commit says how many were written. */
static char *outq_reserve(struct http_server *s, struct outq *q, size_t len)
{
    struct out_chunk *last = q->last;
    if (last && last->size) {
        size_t used = (size_t)(last->ptr - last->bytes) + last->len;
        if (last->size - used >= len)
            return last->bytes + used;
    }
    struct out_chunk *chunk = chunk_take(s, len > OUT_BLOCK ? len : OUT_BLOCK);
    outq_append(q, chunk);
    return chunk->bytes;
}

static void outq_commit(struct outq *q, size_t len)
{
    q->last->len += len;
    q->bytes += len;
}

void outq_add(struct http_server *s, struct outq *q, const char *ptr, size_t len)
{
    if (!len)
        return;
    memcpy(outq_reserve(s, q, len), ptr, len);
    outq_commit(q, len);
}

static void outq_borrow(struct http_server *s, struct outq *q, wf_str body,
                        void (*release)(void *arg), void *arg)
{
    struct out_chunk *chunk = chunk_take(s, 0);
    chunk->ptr = body.ptr;
    chunk->len = body.len;
    chunk->release = release;
    chunk->arg = arg;
    outq_append(q, chunk);
    q->bytes += body.len;
}

void outq_consume(struct http_server *s, struct outq *q, size_t len)
{
    q->bytes -= len;
    while (q->first && q->first->len <= len) {
        struct out_chunk *chunk = q->first;
        len -= chunk->len;
        q->first = chunk->next;
        if (!q->first)
            q->last = NULL;
        chunk_free(s, chunk);
    }
    if (len) {
        q->first->ptr += len;
        q->first->len -= len;
    }
}

void outq_clear(struct http_server *s, struct outq *q)
{
    while (q->first) {
        struct out_chunk *chunk = q->first;
        q->first = chunk->next;
        chunk_free(s, chunk);
    }
    *q = (struct outq){ 0 };
}

static void outq_splice(struct outq *to, struct outq *from)
{
    if (!from->first)
        return;
    if (to->last)
        to->last->next = from->first;
    else
        to->first = from->first;
    to->last = from->last;
    to->bytes += from->bytes;
    *from = (struct outq){ 0 };
}

/* --- heads ------------------------------------------------------------------------------------ */

static const char *date_line(struct http_server *s)
{
    static const char days[] = "SunMonTueWedThuFriSat",
                      months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    int64_t now_us = loop_now_us(s->loop);
    if (s->date_us && now_us - s->date_us < DATE_US)
        return s->date;
    time_t now = time(NULL);
    struct tm t;
    gmtime_r(&now, &t);
    snprintf(s->date, sizeof s->date, "Date: %.3s, %02d %.3s %04d %02d:%02d:%02d GMT\r\n",
             &days[(size_t)t.tm_wday * 3], t.tm_mday % 100, &months[(size_t)t.tm_mon * 3],
             (t.tm_year + 1900) % 10000, t.tm_hour % 100, t.tm_min % 100, t.tm_sec % 100);
    s->date_us = now_us;
    return s->date;
}

static char *put(char *at, const char *ptr, size_t len)
{
    memcpy(at, ptr, len);
    return at + len;
}

static char *put_text(char *at, const char *text) { return put(at, text, strlen(text)); }

static char *put_number(char *at, size_t number)
{
    char digits[24];
    size_t n = 0;
    do {
        digits[n++] = (char)('0' + number % 10);
    } while (number /= 10);
    while (n)
        *at++ = digits[--n];
    return at;
}

/* Those that the server writes, and those that would let a value forge a line. */
static bool is_header_allowed(const struct http_header *h)
{
    static const char *const ours[] = { "content-length", "connection", "date", "transfer-encoding",
                                        "keep-alive" };
    if (!h->name.len || (h->value.len && memchr(h->value.ptr, '\n', h->value.len)) ||
        (h->value.len && memchr(h->value.ptr, '\r', h->value.len)) ||
        (h->value.len && memchr(h->value.ptr, 0, h->value.len)))
        return false;
    for (size_t i = 0; i < h->name.len; i++) {
        unsigned char ch = (unsigned char)h->name.ptr[i];
        if (ch <= ' ' || ch >= 127 || strchr("\"(),/:;<=>?@[\\]{}", ch))
            return false;
    }
    for (size_t i = 0; i < sizeof ours / sizeof *ours; i++)
        if (str_eq_nocase(h->name, str_of(ours[i])))
            return false;
    return true;
}

static bool has_body(int status) { return status != 204 && status != 304 && status >= 200; }

static void write_head(struct request *r, struct outq *q, int status,
                       const struct http_header *headers, unsigned n, size_t body_len)
{
    struct http_server *s = r->conn->server;
    size_t room = HEAD_BYTES;
    for (unsigned i = 0; i < n; i++)
        room += headers[i].name.len + headers[i].value.len + 4;
    char *start = outq_reserve(s, q, room), *at = start;
    at = put_text(at, "HTTP/1.1 ");
    at = put_number(at, (size_t)status);
    *at++ = ' ';
    at = put_text(at, http_status_text(status));
    at = put(at, "\r\n", 2);
    at = put_text(at, date_line(s));
    for (unsigned i = 0; i < n; i++) {
        if (!is_header_allowed(&headers[i]))
            continue;
        at = put(at, headers[i].name.ptr, headers[i].name.len);
        at = put(at, ": ", 2);
        if (headers[i].value.len)
            at = put(at, headers[i].value.ptr, headers[i].value.len);
        at = put(at, "\r\n", 2);
    }
    if (has_body(status)) {
        at = put_text(at, "Content-Length: ");
        at = put_number(at, body_len);
        at = put(at, "\r\n", 2);
    }
    if (r->is_last)
        at = put_text(at, "Connection: close\r\n");
    else if (r->is_http10)
        at = put_text(at, "Connection: keep-alive\r\n");
    at = put(at, "\r\n", 2);
    outq_commit(q, (size_t)(at - start));
}

/* --- answering -------------------------------------------------------------------------------- */

void answer_advance(struct conn *c)
{
    struct request *r;
    while ((r = LIST_FIRST(&c->requests, struct request, link)) && r->is_answered) {
        outq_splice(&c->out, &r->out);
        list_remove(&r->link);
        c->n_requests--;
        c->idle_us = loop_now_us(c->server->loop);
        request_free(r);
    }
    if (!r && c->reading && c->reading->wants_continue) {
        static const char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";
        c->reading->wants_continue = false;
        outq_add(c->server, &c->out, go_on, sizeof go_on - 1);
        conn_touch(c);
    }
}

/* The last answer of a server that drains says so, unless more is on its way in. */
static bool ends_drained(const struct request *r)
{
    const struct conn *c = r->conn;
    return c->server->is_draining && c->requests.prev == &r->link && !c->reading && !c->saved_len;
}

static struct outq *answer_start(struct request *r, int status, const struct http_header *headers,
                                 unsigned n, size_t body_len)
{
    struct conn *c = r->conn;
    BUG_IF(r->magic != request_MAGIC || r->is_answered || status < 200 || status > 999);
    if (ends_drained(r)) {
        r->is_last = true;
        conn_end_input(c);
    }
    struct outq *q = c->requests.next == &r->link ? &c->out : &r->out;
    write_head(r, q, status, headers, n, body_len);
    return q;
}

static void answer_end(struct request *r)
{
    struct conn *c = r->conn;
    r->is_answered = true;
    c->n_unanswered--;
    c->server->stats.unanswered--;
    if (c->requests.next == &r->link)
        answer_advance(c);
    conn_touch(c);
}

void http_respond(struct http_request *req, int status, const struct http_header *headers,
                  unsigned n_headers, wf_str body)
{
    struct request *r = CONTAINER_OF(req, struct request, pub);
    struct outq *q = answer_start(r, status, headers, n_headers, body.len);
    if (req->method != HTTP_HEAD && has_body(status))
        outq_add(r->conn->server, q, body.ptr, body.len);
    r->conn->server->stats.answered++;
    answer_end(r);
}

void http_respond_borrow(struct http_request *req, int status, const struct http_header *headers,
                         unsigned n_headers, wf_str body, void (*release)(void *arg), void *arg)
{
    struct request *r = CONTAINER_OF(req, struct request, pub);
    struct outq *q = answer_start(r, status, headers, n_headers, body.len);
    if (req->method != HTTP_HEAD && has_body(status) && body.len)
        outq_borrow(r->conn->server, q, body, release, arg);
    else
        release(arg);
    r->conn->server->stats.answered++;
    answer_end(r);
}

static const struct http_header json_type = { { "Content-Type", 12 }, { "application/json", 16 } };

void answer_error(struct request *r, int status, const char *text)
{
    struct strbuf body;
    strbuf_init(&body, 4096);
    strbuf_adds(&body, "{\"error\":");
    strbuf_add_json(&body, text, strlen(text));
    strbuf_adds(&body, "}\n");
    struct outq *q = answer_start(r, status, &json_type, 1, body.len);
    if (r->pub.method != HTTP_HEAD && has_body(status))
        outq_add(r->conn->server, q, body.ptr, body.len);
    strbuf_fini(&body);
    answer_end(r);
}

void http_respond_error(struct http_request *req, int status, const char *format, ...)
{
    struct request *r = CONTAINER_OF(req, struct request, pub);
    char text[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    r->conn->server->stats.answered++;
    answer_error(r, status, text);
}
