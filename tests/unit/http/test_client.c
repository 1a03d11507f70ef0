/* SPDX-License-Identifier: Apache-2.0
 * The client against our own server: requests as asked for, replies, limits, TLS, cancelling.
 */
#include "server_fixture.h"
#include "tls_fixture.h"

static struct loop *l;
static struct http_client *client;
static struct err err;
static char base[64];

struct result {
    struct http_reply reply; /* its texts are copies */
    char body[4096], url[256], error[512], header[256];
    const char *wanted_header;
    unsigned n_replies;
};

static unsigned n_waiting;

static void on_reply(void *arg, const struct http_reply *reply)
{
    struct result *r = arg;
    r->n_replies++;
    r->reply = *reply;
    snprintf(r->body, sizeof r->body, "%.*s", STR_ARG(reply->body));
    snprintf(r->url, sizeof r->url, "%s", reply->url);
    snprintf(r->error, sizeof r->error, "%s", reply->error ? reply->error : "");
    for (const wf_pair *h = reply->headers; r->wanted_header && h->name; h++)
        if (!strcmp(h->name, r->wanted_header))
            snprintf(r->header, sizeof r->header, "%s", h->text);
    assert_int_equal(reply->body.ptr[reply->body.len], 0);
    if (--n_waiting == 0)
        loop_stop(l);
}

static void start(struct result *r, struct http_call call, const char *path)
{
    char url[512];
    snprintf(url, sizeof url, "%s%s", path[0] == '/' ? base : "", path);
    call.url = url;
    n_waiting++;
    assert_non_null(http_call_start(client, &call, on_reply, r));
    assert_int_equal(r->n_replies, 0); /* never from inside */
}

static void call(struct result *r, struct http_call c, const char *path)
{
    const char *wanted = r->wanted_header;
    *r = (struct result){ .wanted_header = wanted };
    start(r, c, path);
    loop_run(l);
    assert_int_equal(r->n_replies, 1);
}

static int setup(void **state)
{
    (void)state;
    fixture_start((struct http_server_config){ 0 });
    snprintf(base, sizeof base, "http://127.0.0.1:%d", fx.port);
    n_waiting = 0;
    l = loop_create(&err);
    client = http_client_create(
        l, &(struct http_client_config){ .max_per_host = 4, .max_calls = 300 }, &err);
    assert_non_null(client);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    http_client_destroy(client);
    loop_destroy(l);
    fixture_stop();
    return 0;
}

/* --- requests --------------------------------------------------------------------------------- */

static void test_methods(void **state)
{
    (void)state;
    static const struct {
        const char *method, *body, *wanted;
    } cases[] = {
        { NULL, "", "GET /echo ?a=b " },
        { "GET", "q", "GET /echo ?a=b q" },
        { "POST", "hello", "POST /echo ?a=b hello" },
        { "POST", "", "POST /echo ?a=b " },
        { "PUT", "there", "PUT /echo ?a=b there" },
        { "PUT", "", "PUT /echo ?a=b " },
        { "PATCH", "x", "PATCH /echo ?a=b x" },
        { "PATCH", "", "PATCH /echo ?a=b " },
        { "DELETE", "", "DELETE /echo ?a=b " },
        { "DELETE", "why", "DELETE /echo ?a=b why" },
        { "OPTIONS", "", "OPTIONS /echo ?a=b " },
        { "HEAD", "", "" },
        { "HEAD", "dropped", "" },
        { "delete", "", "DELETE /echo ?a=b " },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct result r = { 0 };
        call(&r, (struct http_call){ .method = cases[i].method, .body = str_of(cases[i].body) },
             "/echo?a=b");
        assert_string_equal(r.error, "");
        assert_int_equal(r.reply.status, 200);
        assert_string_equal(r.body, cases[i].wanted);
        assert_true(r.reply.time_us > 0);
    }
}

static void assert_header_sent(const char *name, struct http_call c, const char *wanted)
{
    char path[64];
    struct result r = { 0 };
    snprintf(path, sizeof path, "/head/%s", name);
    call(&r, c, path);
    assert_int_equal(r.reply.status, 200);
    assert_string_equal(r.body, wanted);
}

static void test_headers_and_auth(void **state)
{
    (void)state;
    const wf_pair headers[] = {
        { "X-One", "a b" }, { "X-Empty", "" }, { "Content-Type", "text/x" }, { 0 }
    };
    struct http_call c = { .method = "POST", .body = STR("b"), .headers = headers };
    assert_header_sent("x-one", c, "a b");
    assert_header_sent("x-empty", c, "");
    assert_header_sent("content-type", c, "text/x");
    assert_header_sent("user-agent", c, "catalyst");
    c.headers = NULL;
    assert_header_sent("content-type", c, ""); /* not curl's idea of a form */
    assert_header_sent("expect", c, "");
    c.user = "me";
    c.password = "secret";
    assert_header_sent("authorization", c, "Basic bWU6c2VjcmV0");
    c.bearer = "token";
    assert_header_sent("authorization", c, "Bearer token");
}

static void test_bad_requests_come_as_replies(void **state)
{
    (void)state;
    const wf_pair bad_name[] = { { "X One", "a" }, { 0 } },
                  forged[] = { { "X", "a\r\nEvil: b" }, { 0 } };
    static const struct {
        struct http_call call;
        const char *url, *why;
    } urls[] = {
        { { 0 }, "", "no URL" },
        { { 0 }, "ftp://127.0.0.1/", "ftp" },
        { { 0 }, "file:///etc/passwd", "file" },
        { { 0 }, "http://", "URL" },
        { { .method = "GE T" }, "/now", "method 'GE T'" },
        { { .method = "" }, "/now", "method ''" },
    };
    struct result r = { 0 };
    for (size_t i = 0; i < sizeof urls / sizeof *urls; i++) {
        call(&r, urls[i].call, urls[i].url);
        assert_int_equal(r.reply.status, 0);
        assert_false(r.reply.is_maybe_sent);
        if (!strstr(r.error, urls[i].why))
            fail_msg("'%s' does not say '%s'", r.error, urls[i].why);
    }
    call(&r, (struct http_call){ .headers = bad_name }, "/now");
    assert_non_null(strstr(r.error, "'X One'"));
    call(&r, (struct http_call){ .headers = forged }, "/now");
    assert_non_null(strstr(r.error, "control character"));
    assert_false(r.reply.is_maybe_sent);
}

static void test_body_is_copied(void **state)
{
    (void)state;
    char body[] = "before";
    struct result r = { 0 };
    start(&r, (struct http_call){ .method = "POST", .body = { body, 6 } }, "/echo");
    memcpy(body, "after!", 6);
    loop_run(l);
    assert_string_equal(r.body, "POST /echo ? before");
}

/* --- replies ---------------------------------------------------------------------------------- */

static void test_status_and_headers(void **state)
{
    (void)state;
    struct result r = { .wanted_header = "x-good" };
    call(&r, (struct http_call){ 0 }, "/status/503");
    assert_int_equal(r.reply.status, 503);
    assert_string_equal(r.header, "yes");
    assert_string_equal(r.body, "text");
    assert_int_equal(r.reply.retry_after_ms, 7000);
    assert_null(r.reply.error);
    call(&r, (struct http_call){ 0 }, "/now");
    assert_int_equal(r.reply.retry_after_ms, 0);
}

static void test_redirects(void **state)
{
    (void)state;
    struct result r = { .wanted_header = "location" };
    call(&r, (struct http_call){ 0 }, "/to/echo");
    assert_int_equal(r.reply.status, 302);
    assert_string_equal(r.header, "/echo");
    call(&r, (struct http_call){ .max_redirects = 2 }, "/to/to/echo");
    assert_int_equal(r.reply.status, 200);
    assert_string_equal(r.body, "GET /echo ? ");
    assert_non_null(strstr(r.url, "/echo"));
    call(&r, (struct http_call){ .max_redirects = 1 }, "/to/to/echo");
    assert_int_equal(r.reply.status, 0);
    assert_non_null(strstr(r.error, "too many redirects"));
    assert_true(r.reply.is_maybe_sent);
    call(&r, (struct http_call){ .method = "POST", .body = STR("b"), .max_redirects = 5 },
         "/to/echo");
    assert_string_equal(r.body, "GET /echo ? "); /* as browsers do after a 302 */
}

static void test_reply_too_large(void **state)
{
    (void)state;
    struct result r = { 0 };
    call(&r, (struct http_call){ .max_bytes = 1000000 }, "/big");
    assert_int_equal(r.reply.status, 0);
    assert_non_null(strstr(r.error, "larger than 1000000 bytes"));
    call(&r, (struct http_call){ .max_bytes = BIG }, "/big");
    assert_int_equal(r.reply.status, 200);
    assert_int_equal(r.reply.body.len, BIG);
}

/* --- bodies in pieces ------------------------------------------------------------------------- */

struct pieces {
    uint64_t bytes, fail_at; /* of what is sent or taken; 0: never */
    uint64_t sum, taken, reads, reads_from_0;
};

static int64_t piece_read(void *ctx, uint64_t at, char *to, size_t n)
{
    struct pieces *p = ctx;
    p->reads++;
    p->reads_from_0 += at == 0;
    if (p->fail_at && at >= p->fail_at)
        return -1;
    size_t len = n < p->bytes - at ? n : (size_t)(p->bytes - at);
    memset(to, 'a' + (int)(at % 7), len);
    return (int64_t)len;
}

static int piece_write(void *ctx, const char *ptr, size_t n, struct err *e)
{
    struct pieces *p = ctx;
    if (p->fail_at && p->taken + n > p->fail_at)
        return err_set(e, ERR_LIMIT, "no room");
    for (size_t i = 0; i < n; i++)
        p->sum += (unsigned char)ptr[i];
    p->taken += n;
    return 0;
}

static struct http_call up(struct pieces *p, const char *method)
{
    return (struct http_call){ .method = method, .source = { p->bytes, piece_read, p } };
}

static void test_upload_in_pieces(void **state)
{
    (void)state;
    static const char *const methods[] = { "POST", "PUT", "PATCH" };
    for (size_t i = 0; i < 3; i++) {
        struct pieces p = { .bytes = 300000 };
        struct result r = { 0 };
        call(&r, up(&p, methods[i]), "/head/content-length");
        assert_string_equal(r.error, "");
        assert_string_equal(r.body, "300000");
        assert_true(p.reads > 1);
    }
    struct pieces none = { .bytes = 0 };
    struct result r = { 0 };
    call(&r, up(&none, "POST"), "/echo?a=b");
    assert_string_equal(r.body, "POST /echo ?a=b ");
    struct pieces broken = { .bytes = 300000, .fail_at = 1 };
    call(&r, up(&broken, "POST"), "/echo");
    assert_int_equal(r.reply.status, 0);
    assert_non_null(strstr(r.error, "the request's body cannot be read"));
    assert_true(r.reply.is_maybe_sent);
}

static void test_upload_follows_a_redirect(void **state)
{
    (void)state;
    struct pieces p = { .bytes = 100 };
    struct result r = { 0 };
    struct http_call c = up(&p, "PUT");
    c.max_redirects = 3;
    call(&r, c, "/to/head/content-length");
    assert_string_equal(r.body, "100");
    assert_true(p.reads_from_0 >= 2);
}

static void test_download_in_pieces(void **state)
{
    (void)state;
    struct pieces p = { .bytes = 0 };
    struct result r = { 0 };
    struct http_call c = { .sink = { piece_write, &p } };
    call(&r, c, "/big");
    assert_int_equal(r.reply.status, 200);
    assert_int_equal(r.reply.body.len, 0);
    assert_int_equal(p.taken, BIG);
    p = (struct pieces){ .fail_at = 100000 };
    call(&r, c, "/big");
    assert_int_equal(r.reply.status, 0);
    assert_non_null(strstr(r.error, "the reply cannot be kept: no room"));
    p = (struct pieces){ .bytes = 0 };
    c.max_bytes = BIG - 1;
    call(&r, c, "/big");
    assert_int_equal(r.reply.status, 0);
    assert_non_null(strstr(r.error, "larger than"));
    assert_true(r.reply.is_too_large);
}

static void test_timeout(void **state)
{
    (void)state;
    struct result r = { 0 };
    int64_t start_us = clock_mono_us();
    call(&r, (struct http_call){ .method = "POST", .timeout_ms = 100 }, "/hold");
    assert_true(clock_mono_us() - start_us >= 95000);
    assert_true(clock_mono_us() - start_us < 3000000);
    assert_int_equal(r.reply.status, 0);
    assert_true(r.reply.is_maybe_sent);
    assert_non_null(strstr(r.error, "timed out"));
    assert_memory_equal(r.error, "POST 127.0.0.1:", 15);
    assert_null(strstr(r.error, "/hold")); /* paths may carry tokens */
    assert_int_equal(http_client_stats(client)->timeouts, 1);
    for (int i = 0; i <= HTTP_LATENCY_BOUNDS; i++)
        assert_int_equal(http_client_stats(client)->latency_le[i], 0); /* no answer, no time */
    wait_for(&fx.n_gone, 1);
}

static void test_never_sent(void **state)
{
    (void)state;
    struct result r = { 0 };
    char url[64];
    struct sockaddr_in address = { .sin_family = AF_INET,
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t size = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM, 0); /* bound, not listening: refused */
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    getsockname(fd, (struct sockaddr *)&address, &size);
    snprintf(url, sizeof url, "http://127.0.0.1:%d/", ntohs(address.sin_port));
    call(&r, (struct http_call){ .method = "POST", .body = STR("b") }, url);
    assert_int_equal(r.reply.status, 0);
    assert_false(r.reply.is_maybe_sent);
    assert_non_null(strstr(r.error, "connect"));
    close(fd);
    call(&r, (struct http_call){ .timeout_ms = 3000 }, "http://no-such-host.invalid/");
    assert_int_equal(r.reply.status, 0);
    assert_false(r.reply.is_maybe_sent);
    assert_non_null(strstr(r.error, "no-such-host.invalid"));
}

/* --- many ------------------------------------------------------------------------------------- */

static void test_many_calls_on_few_connections(void **state)
{
    (void)state;
    enum { N = 200 };
    static struct result results[N];
    memset(results, 0, sizeof results);
    for (int i = 0; i < N; i++)
        start(&results[i], (struct http_call){ 0 }, i % 2 ? "/later/5" : "/now");
    loop_run(l);
    for (int i = 0; i < N; i++) {
        assert_int_equal(results[i].n_replies, 1);
        if (results[i].reply.status != (i % 2 ? 200 : 202))
            fail_msg("call %d: %d %s", i, results[i].reply.status, results[i].error);
    }
    const struct http_client_stats *stats = http_client_stats(client);
    uint64_t answered = 0, fast = stats->latency_le[0] + stats->latency_le[1];
    for (int i = 0; i <= HTTP_LATENCY_BOUNDS; i++)
        answered += stats->latency_le[i];
    assert_int_equal(stats->calls, N);
    assert_int_equal(answered, N);
    assert_true(fast <= N / 2 && stats->latency_us_sum >= N / 2 * 5000); /* half take 5 ms */
    assert_int_equal(stats->under_way, 0);
    fixture_stop();
    assert_true(fx.stats.accepted <= 4); /* max_per_host, and kept */
    fixture_start((struct http_server_config){ 0 });
}

static void test_too_many_calls(void **state)
{
    (void)state;
    static struct result results[301];
    memset(results, 0, sizeof results);
    for (int i = 0; i < 301; i++)
        start(&results[i], (struct http_call){ 0 }, "/now");
    loop_run(l);
    assert_int_equal(results[299].reply.status, 202);
    assert_int_equal(results[300].reply.status, 0);
    assert_false(results[300].reply.is_maybe_sent);
    assert_non_null(strstr(results[300].error, "300 calls are under way"));
}

/* A reply's callback may start the next call and cancel another. */
static struct http_pending *other;
static struct result chained;

static void on_first(void *arg, const struct http_reply *reply)
{
    (void)arg;
    assert_int_equal(reply->status, 202);
    assert_true(http_call_cancel(other));
    start(&chained, (struct http_call){ 0 }, "/echo");
}

static void test_calls_from_a_reply(void **state)
{
    (void)state;
    char url[96];
    struct result never = { 0 }, first = { 0 };
    chained = (struct result){ 0 };
    snprintf(url, sizeof url, "%s/hold", base);
    other = http_call_start(client, &(struct http_call){ .url = url }, on_reply, &never);
    call(&first, (struct http_call){ 0 }, "/later/50"); /* meanwhile the held one gets there */
    snprintf(url, sizeof url, "%s/now", base);
    http_call_start(client, &(struct http_call){ .url = url }, on_first, NULL);
    loop_run(l);
    assert_string_equal(chained.body, "GET /echo ? ");
    assert_int_equal(never.n_replies, 0);
    wait_for(&fx.n_gone, 1);
}

static void test_cancel_before_it_left(void **state)
{
    (void)state;
    char url[96];
    struct result r = { 0 };
    snprintf(url, sizeof url, "%s/hold", base);
    struct http_pending *p =
        http_call_start(client, &(struct http_call){ .url = url }, on_reply, &r);
    assert_false(http_call_cancel(p));
    p = http_call_start(client, &(struct http_call){ .url = "" }, on_reply, &r);
    assert_false(http_call_cancel(p)); /* its early failure is not delivered either */
    assert_int_equal(http_client_stats(client)->under_way, 0);
    call(&r, (struct http_call){ 0 }, "/now");
    assert_int_equal(r.reply.status, 202);
}

static void test_destroy_ends_calls(void **state)
{
    (void)state;
    struct result r = { 0 }, queued[6] = { 0 }, done = { 0 };
    start(&r, (struct http_call){ 0 }, "/hold");
    for (int i = 0; i < 6; i++)
        start(&queued[i], (struct http_call){ 0 }, "/hold");
    n_waiting = 1; /* the loop ends with this one */
    start(&done, (struct http_call){ 0 }, "http://localhost.invalid/");
    n_waiting = 1;
    loop_run(l);
    n_waiting = 100;
    http_client_destroy(client);
    assert_int_equal(r.n_replies, 1);
    assert_int_equal(r.reply.status, 0);
    assert_non_null(strstr(r.error, "shutting down"));
    assert_true(r.reply.is_maybe_sent);
    assert_int_equal(queued[5].n_replies, 1);
    assert_false(queued[5].reply.is_maybe_sent); /* it waited for a connection */
    client = http_client_create(l, &(struct http_client_config){ 0 }, &err);
}

/* --- TLS -------------------------------------------------------------------------------------- */

static void test_tls(void **state)
{
    (void)state;
    struct tls_files files;
    struct result r = { 0 };
    tls_files_make(&files);
    fixture_stop();
    fixture_start((struct http_server_config){ .tls_cert = files.cert, .tls_key = files.key });
    snprintf(base, sizeof base, "https://127.0.0.1:%d", fx.port);
    call(&r, (struct http_call){ .method = "POST", .body = STR("b") }, "/echo");
    assert_int_equal(r.reply.status, 0);
    assert_false(r.reply.is_maybe_sent);
    assert_non_null(strstr(r.error, "certificate"));
    call(&r, (struct http_call){ .is_insecure = true }, "/now");
    assert_int_equal(r.reply.status, 202);
    call(&r, (struct http_call){ 0 },
         "/now"); /* the insecure connection is not taken for this one */
    assert_int_equal(r.reply.status, 0);
    http_client_destroy(client);
    client = http_client_create(l, &(struct http_client_config){ .ca_file = files.cert }, &err);
    for (int i = 0; i < 3; i++) {
        call(&r, (struct http_call){ .method = "POST", .body = STR("b") }, "/echo");
        assert_string_equal(r.error, "");
        assert_string_equal(r.body, "POST /echo ? b");
    }
    call(&r, (struct http_call){ .timeout_ms = 100 }, "/hold");
    assert_int_equal(r.reply.status, 0);
    assert_true(r.reply.is_maybe_sent);
    tls_files_remove(&files);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_methods),
        TEST(test_headers_and_auth),
        TEST(test_bad_requests_come_as_replies),
        TEST(test_body_is_copied),
        TEST(test_status_and_headers),
        TEST(test_redirects),
        TEST(test_reply_too_large),
        TEST(test_upload_in_pieces),
        TEST(test_upload_follows_a_redirect),
        TEST(test_download_in_pieces),
        TEST(test_timeout),
        TEST(test_never_sent),
        TEST(test_many_calls_on_few_connections),
        TEST(test_too_many_calls),
        TEST(test_calls_from_a_reply),
        TEST(test_cancel_before_it_left),
        TEST(test_destroy_ends_calls),
        TEST(test_tls),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
