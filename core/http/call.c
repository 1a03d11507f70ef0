/* SPDX-License-Identifier: Apache-2.0
 * One call of the client: from struct http_call to curl's options, and from curl's result to the
 * reply.
 *
 * "Never sent" and "maybe sent" are told apart by curl's count of request bytes given to the
 * socket. curl itself sends a request again when a kept connection turns out to be dead before any
 * byte of a reply, and does so for POST too. The other side may have acted on the first one; so
 * bodies go through on_read_body, and on_rewind refuses to start a body anew unless the method is
 * idempotent or a reply (a redirect) asked for it. A POST without a body has nothing to rewind and
 * gets a fresh connection instead.
 *
 * Texts about failures name the host only: URLs may carry tokens. Thread: the loop's.
 */
#include "http/client_int.h"
#include "base/clock.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CONNECT_TIMEOUT_MS = 10000, TIMEOUT_MS = 30000, KEEP_CONNECTION_S = 60 };

/* --- the request ------------------------------------------------------------------------------ */

static int fail(struct http_pending *p, const char *format, const char *what)
{
    snprintf(p->error, sizeof p->error, format, what);
    return -1;
}

static size_t on_read_body(char *to, size_t size, size_t n, void *arg)
{
    struct http_pending *p = OBJ(http_pending, arg);
    uint64_t left = p->body_bytes - p->body_at;
    size_t len = size * n < left ? size * n : (size_t)left;
    if (p->body_at == 0)
        p->has_reply = false; /* what came before was for the request before */
    if (p->source.read && len) {
        int64_t got = p->source.read(p->source.ctx, p->body_at, to, len);
        if (got <= 0) {
            snprintf(p->trouble, sizeof p->trouble, "the request's body cannot be read");
            return CURL_READFUNC_ABORT;
        }
        len = (size_t)got;
    } else if (len) {
        memcpy(to, p->body.ptr + p->body_at, len);
    }
    p->body_at += len;
    return len;
}

static int on_rewind(void *arg, curl_off_t offset, int origin)
{
    struct http_pending *p = OBJ(http_pending, arg);
    if (origin != SEEK_SET || offset < 0 || (uint64_t)offset > p->body_bytes)
        return CURL_SEEKFUNC_FAIL;
    if (!p->is_idempotent && !p->has_reply)
        return CURL_SEEKFUNC_FAIL;
    p->body_at = (uint64_t)offset;
    return CURL_SEEKFUNC_OK;
}

static bool is_text_clean(const char *text)
{
    for (; *text; text++)
        if ((unsigned char)*text < ' ' && *text != '\t')
            return false;
    return true;
}

static bool is_token(const char *text)
{
    if (!*text)
        return false;
    for (; *text; text++)
        if (*text <= ' ' || *text >= 127 || strchr("\"(),/:;<=>?@[\\]{}", *text))
            return false;
    return true;
}

static int add_line(struct http_pending *p, const char *line)
{
    struct curl_slist *more = curl_slist_append(p->lines, line);
    if (!more)
        bug_out_of_memory(0);
    p->lines = more;
    return 0;
}

static bool has_header(const struct http_call *call, const char *name)
{
    for (const wf_pair *h = call->headers; h && h->name; h++)
        if (str_eq_nocase(str_of(h->name), str_of(name)))
            return true;
    return false;
}

static int set_headers(struct http_pending *p, const struct http_call *call)
{
    add_line(p, "Expect:"); /* a round trip for nothing */
    if (!has_header(call, "content-type"))
        add_line(p, "Content-Type:"); /* curl would call every body a form */
    for (const wf_pair *h = call->headers; h && h->name; h++) {
        if (!is_token(h->name))
            return fail(p, "header name '%s' is not allowed", h->name);
        const char *text = h->text ? h->text : "";
        if (!is_text_clean(text))
            return fail(p, "header '%s' has a control character in its value", h->name);
        /* "Name;" is curl's way to send a header without a value. */
        add_line(p, arena_printf(&p->arena, *text ? "%s: %s" : "%s;%s", h->name, text).ptr);
    }
    if (!has_header(call, "accept-encoding"))
        curl_easy_setopt(p->easy, CURLOPT_ACCEPT_ENCODING, ""); /* all that curl can undo */
    curl_easy_setopt(p->easy, CURLOPT_HTTPHEADER, p->lines);
    return 0;
}

static void set_body_source(struct http_pending *p, const struct http_call *call)
{
    p->source = call->source;
    if (call->source.read || call->is_body_borrowed)
        p->body = call->source.read ? (wf_str){ "", 0 } : call->body;
    else
        p->body = arena_str(&p->arena, call->body.ptr, call->body.len);
    p->body_bytes = call->source.read ? call->source.bytes : p->body.len;
    curl_easy_setopt(p->easy, CURLOPT_READFUNCTION, on_read_body);
    curl_easy_setopt(p->easy, CURLOPT_READDATA, p);
    curl_easy_setopt(p->easy, CURLOPT_SEEKFUNCTION, on_rewind);
    curl_easy_setopt(p->easy, CURLOPT_SEEKDATA, p);
}

static int set_method(struct http_pending *p, const struct http_call *call)
{
    CURL *e = p->easy;
    bool is_post = !strcmp(p->method, "POST"), is_put = !strcmp(p->method, "PUT");
    if (!is_token(p->method))
        return fail(p, "method '%s' is not allowed", p->method);
    set_body_source(p, call);
    if (!strcmp(p->method, "HEAD")) {
        curl_easy_setopt(e, CURLOPT_NOBODY, 1L);
        p->body_bytes = 0;
        return 0;
    }
    if (is_put) {
        curl_easy_setopt(e, CURLOPT_UPLOAD, 1L);
        curl_easy_setopt(e, CURLOPT_INFILESIZE_LARGE, (curl_off_t)p->body_bytes);
        return 0;
    }
    if (is_post || p->body_bytes || !strcmp(p->method, "PATCH")) {
        curl_easy_setopt(e, CURLOPT_POST, 1L);
        curl_easy_setopt(e, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)p->body_bytes);
    }
    /* A POST keeps its name by itself, and becomes a GET by itself after a 302. */
    if (!is_post && (p->body_bytes || strcmp(p->method, "GET") != 0))
        curl_easy_setopt(e, CURLOPT_CUSTOMREQUEST, p->method);
    if (!p->is_idempotent && !p->body_bytes)
        curl_easy_setopt(e, CURLOPT_FRESH_CONNECT, 1L);
    return 0;
}

static void set_auth(struct http_pending *p, const struct http_call *call)
{
    CURL *e = p->easy;
    if (call->bearer) {
        curl_easy_setopt(e, CURLOPT_HTTPAUTH, (long)CURLAUTH_BEARER);
        curl_easy_setopt(e, CURLOPT_XOAUTH2_BEARER, call->bearer);
    } else if (call->user) {
        curl_easy_setopt(e, CURLOPT_HTTPAUTH, (long)CURLAUTH_BASIC);
        curl_easy_setopt(e, CURLOPT_USERNAME, call->user);
        curl_easy_setopt(e, CURLOPT_PASSWORD, call->password ? call->password : "");
    }
}

static void set_transport(struct http_pending *p, const struct http_call *call)
{
    struct http_client *c = p->client;
    CURL *e = p->easy;
    long timeout_ms = call->timeout_ms > 0 ? (long)call->timeout_ms : TIMEOUT_MS;
    bool is_https = !strncasecmp(call->url, "https:", 6);
    const char *proxy = call->proxy ? call->proxy : c->proxy;
    p->is_tunnelled = is_https && proxy && *proxy;
    curl_easy_setopt(e, CURLOPT_TIMEOUT_MS, timeout_ms);
    curl_easy_setopt(e, CURLOPT_CONNECTTIMEOUT_MS,
                     timeout_ms < CONNECT_TIMEOUT_MS ? timeout_ms : (long)CONNECT_TIMEOUT_MS);
    curl_easy_setopt(e, CURLOPT_PROXY, proxy ? proxy : ""); /* "": not the environment's either */
    curl_easy_setopt(e, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_2TLS);
    curl_easy_setopt(e, CURLOPT_PIPEWAIT, (long)is_https); /* one HTTP/2 connection, not many */
    curl_easy_setopt(e, CURLOPT_MAXAGE_CONN, (long)KEEP_CONNECTION_S);
    curl_easy_setopt(e, CURLOPT_SHARE, c->share);
    curl_easy_setopt(e, CURLOPT_TCP_KEEPALIVE, 1L);
    if (c->ca_file)
        curl_easy_setopt(e, CURLOPT_CAINFO, c->ca_file);
    if (call->is_insecure) {
        curl_easy_setopt(e, CURLOPT_SSL_VERIFYPEER, 0L);
        curl_easy_setopt(e, CURLOPT_SSL_VERIFYHOST, 0L);
    }
    curl_easy_setopt(e, CURLOPT_FOLLOWLOCATION, (long)(call->max_redirects > 0));
    curl_easy_setopt(e, CURLOPT_MAXREDIRS, (long)call->max_redirects);
}

/* --- the reply -------------------------------------------------------------------------------- */

static size_t on_body(char *ptr, size_t size, size_t n, void *arg)
{
    struct http_pending *p = OBJ(http_pending, arg);
    struct err err;
    size_t len = size * n;
    p->reply_bytes += len;
    p->is_over = p->reply_bytes > p->max_bytes;
    if (p->is_over)
        return 0;
    if (!p->sink.write) {
        strbuf_add(&p->reply, ptr, len);
    } else if (p->sink.write(p->sink.ctx, ptr, len, &err) != 0) {
        snprintf(p->trouble, sizeof p->trouble, "the reply cannot be kept: %s", err.text);
        return 0;
    }
    return len;
}

static void add_header(struct http_pending *p, wf_str name, wf_str value)
{
    if (!p->headers)
        p->headers = ARENA_ARRAY(&p->arena, wf_pair, REPLY_HEADERS_MAX + 1);
    char *lower = (char *)arena_str(&p->arena, name.ptr, name.len).ptr;
    for (char *at = lower; *at; at++)
        if (*at >= 'A' && *at <= 'Z')
            *at |= 0x20;
    p->headers[p->n_headers++] = (wf_pair){ lower, arena_str(&p->arena, value.ptr, value.len).ptr };
    p->headers[p->n_headers] = (wf_pair){ NULL, NULL };
}

static wf_str trimmed(const char *from, const char *end)
{
    while (from < end && (*from == ' ' || *from == '\t'))
        from++;
    while (end > from && strchr(" \t\r\n", end[-1]))
        end--;
    return (wf_str){ from, (size_t)(end - from) };
}

static size_t on_header(char *ptr, size_t size, size_t n, void *arg)
{
    struct http_pending *p = OBJ(http_pending, arg);
    size_t len = size * n;
    p->has_reply = true;
    p->header_bytes += len;
    if (len >= 5 &&
        !memcmp(ptr, "HTTP/", 5)) { /* another reply: after a redirect, a 100, a CONNECT */
        p->n_headers = 0;
        if (p->headers)
            p->headers[0] = (wf_pair){ NULL, NULL };
    } else {
        const char *colon = memchr(ptr, ':', len);
        if (colon && p->n_headers < REPLY_HEADERS_MAX)
            add_header(p, (wf_str){ ptr, (size_t)(colon - ptr) }, trimmed(colon + 1, ptr + len));
        else if (colon)
            p->is_header_over = true;
        else if (*ptr == '\r' || *ptr == '\n')
            p->has_head = true;
    }
    if (p->header_bytes > REPLY_HEADER_BYTES)
        p->is_header_over = true;
    return p->is_header_over ? 0 : len;
}

int call_prepare(struct http_pending *p, const struct http_call *call)
{
    CURL *e = p->easy;
    if (!call->url || !*call->url)
        return fail(p, "%s", "no URL");
    curl_easy_setopt(e, CURLOPT_PRIVATE, p);
    curl_easy_setopt(e, CURLOPT_ERRORBUFFER, p->error);
    curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(e, CURLOPT_QUICK_EXIT, 1L);
    curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(e, CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(e, CURLOPT_USERAGENT, p->client->user_agent);
    curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(e, CURLOPT_WRITEDATA, p);
    curl_easy_setopt(e, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(e, CURLOPT_HEADERDATA, p);
    curl_easy_setopt(e, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
    curl_easy_setopt(e, CURLOPT_MAXFILESIZE_LARGE,
                     p->max_bytes < INT64_MAX ? (curl_off_t)p->max_bytes : INT64_MAX);
    curl_easy_setopt(e, CURLOPT_URL, call->url);
    set_transport(p, call);
    set_auth(p, call);
    if (set_method(p, call) != 0)
        return -1;
    return set_headers(p, call);
}

bool call_is_maybe_sent(const struct http_pending *p)
{
    long request_bytes = 0, connects = 0, redirects = 0;
    curl_off_t body_bytes = 0, tls_us = 0;
    if (!p->is_added)
        return false;
    curl_easy_getinfo(p->easy, CURLINFO_REQUEST_SIZE, &request_bytes);
    curl_easy_getinfo(p->easy, CURLINFO_SIZE_UPLOAD_T, &body_bytes);
    curl_easy_getinfo(p->easy, CURLINFO_NUM_CONNECTS, &connects);
    curl_easy_getinfo(p->easy, CURLINFO_REDIRECT_COUNT, &redirects);
    curl_easy_getinfo(p->easy, CURLINFO_APPCONNECT_TIME_T, &tls_us);
    /* Bytes of a CONNECT are counted too; behind it the other side's TLS never came up. */
    if (p->is_tunnelled && connects > 0 && !redirects && tls_us == 0)
        return false;
    return request_bytes > 0 || body_bytes > 0;
}

/* "host:port" of a URL, without what may be secret in it. */
static wf_str host_of(const char *url)
{
    const char *from = url ? strstr(url, "://") : NULL;
    if (!from)
        return STR("");
    from += 3;
    size_t len = strcspn(from, "/?#");
    for (size_t i = len; i > 0; i--)
        if (from[i - 1] == '@')
            return (wf_str){ from + i, len - i };
    return (wf_str){ from, len };
}

static const char *failure_text(struct http_pending *p, CURLcode code, const char *url)
{
    wf_str host = host_of(url);
    const char *why = p->error[0] ? p->error : curl_easy_strerror(code);
    if (p->trouble[0])
        why = p->trouble;
    else if (p->is_over || code == CURLE_FILESIZE_EXCEEDED)
        why = arena_printf(&p->arena, "the reply is larger than %llu bytes",
                           (unsigned long long)p->max_bytes)
                  .ptr;
    else if (p->is_header_over)
        why = "the reply's headers are too large";
    else if (code == CURLE_SEND_FAIL_REWIND)
        why = "the kept connection was closed before a reply";
    else if (code == CURLE_OK)
        why = "the reply ended within its headers"; /* curl is content with that */
    else if (code == CURLE_TOO_MANY_REDIRECTS)
        why = "too many redirects";
    return arena_printf(&p->arena, "%s%s%.*s: %s", p->method, host.len ? " " : "", STR_ARG(host),
                        why)
        .ptr;
}

static int64_t retry_after_of(const struct http_pending *p)
{
    for (unsigned i = 0; i < p->n_headers; i++)
        if (!strcmp(p->headers[i].name, "retry-after"))
            return http_retry_after_ms(str_of(p->headers[i].text), clock_wall_us() / 1000);
    return 0;
}

void call_reply(struct http_pending *p, CURLcode code, struct http_reply *reply)
{
    static const wf_pair none = { NULL, NULL };
    const char *url = NULL;
    curl_off_t time_us = 0;
    long status = 0;
    *reply = (struct http_reply){ .headers = p->headers ? p->headers : &none, .body = STR("") };
    curl_easy_getinfo(p->easy, CURLINFO_EFFECTIVE_URL, &url);
    curl_easy_getinfo(p->easy, CURLINFO_TOTAL_TIME_T, &time_us);
    curl_easy_getinfo(p->easy, CURLINFO_RESPONSE_CODE, &status);
    reply->url = url ? arena_strdup(&p->arena, url) : "";
    reply->time_us = time_us;
    if (code != CURLE_OK || status == 0 || !p->has_head) {
        reply->headers = &none;
        reply->is_maybe_sent = call_is_maybe_sent(p);
        reply->is_too_large = p->is_over || code == CURLE_FILESIZE_EXCEEDED;
        reply->error = failure_text(p, code, reply->url);
        return;
    }
    reply->status = (int)status;
    reply->body = strbuf_str(&p->reply);
    reply->retry_after_ms = retry_after_of(p);
}

int64_t http_retry_after_ms(wf_str value, int64_t now_ms)
{
    enum { DIGITS_MAX = 9 };
    char text[64];
    wf_str t = value.len ? trimmed(value.ptr, value.ptr + value.len) : value;
    if (!t.len || t.len >= sizeof text)
        return 0;
    memcpy(text, t.ptr, t.len);
    text[t.len] = 0;
    size_t digits = strspn(text, "0123456789");
    if (digits == t.len)
        return digits <= DIGITS_MAX ? strtoll(text, NULL, 10) * 1000 : 0;
    if (digits)
        return 0; /* "120s", "1.5": neither */
    time_t at = curl_getdate(text, NULL);
    return at < 0 || (int64_t)at * 1000 <= now_ms ? 0 : (int64_t)at * 1000 - now_ms;
}
