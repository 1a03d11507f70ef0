/* SPDX-License-Identifier: Apache-2.0
 * The client against partners that misbehave: cut replies, dead kept connections, proxies, odd
 * headers. The partner is a thread with a script: one step per connection or request.
 */
#include "server_fixture.h"

enum { STEPS_MAX = 8 };

/* Reads one request (with its Content-Length), then sends `reply` and does what `then` says. */
struct step {
    const char *reply;
    enum { KEEP = 1, CLOSE, RESET } then;
};

static struct {
    struct step steps[STEPS_MAX];
    int listener, port;
    struct thread thread;
    atomic_int n_requests, n_connections;
    char last_request[4096];
} partner;

static struct loop *l;
static struct http_client *client;
static struct err err;

static bool read_request(int fd)
{
    char b[sizeof partner.last_request] = "";
    size_t len = 0, size = sizeof b;
    while (len + 1 < size) {
        ssize_t n = recv(fd, b + len, 1, 0);
        if (n <= 0)
            return false;
        len++;
        if (len >= 4 && !memcmp(b + len - 4, "\r\n\r\n", 4))
            break;
    }
    const char *length = strstr(b, "Content-Length: ");
    size_t body = length ? strtoul(length + 16, NULL, 10) : 0;
    for (; body && len + 1 < size; body--, len++)
        if (recv(fd, b + len, 1, 0) != 1)
            return false;
    memcpy(partner.last_request, b, size);
    return true;
}

static void run_partner(void *arg)
{
    (void)arg;
    int fd = -1;
    for (struct step *step = partner.steps; step->reply;) {
        if (fd < 0) {
            fd = accept(partner.listener, NULL, NULL);
            atomic_fetch_add(&partner.n_connections, 1);
        }
        if (fd < 0)
            return;
        if (!read_request(fd)) { /* the client left: the step is for its next connection */
            close(fd);
            fd = -1;
            continue;
        }
        atomic_fetch_add(&partner.n_requests, 1);
        (void)send(fd, step->reply, strlen(step->reply), MSG_NOSIGNAL);
        if (step->then != KEEP) {
            struct linger reset = { .l_onoff = 1 };
            if (step->then == RESET)
                setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
            close(fd);
            fd = -1;
        }
        step++;
    }
    if (fd >= 0)
        close(fd);
}

static void partner_start(const struct step *steps, size_t n)
{
    memset(partner.steps, 0, sizeof partner.steps);
    memcpy(partner.steps, steps, n * sizeof *steps);
    atomic_store(&partner.n_requests, 0);
    atomic_store(&partner.n_connections, 0);
    struct sockaddr_in address = { .sin_family = AF_INET,
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t size = sizeof address;
    partner.listener = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(partner.listener, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(partner.listener, 16), 0);
    getsockname(partner.listener, (struct sockaddr *)&address, &size);
    partner.port = ntohs(address.sin_port);
    assert_int_equal(thread_start(&partner.thread, "partner", run_partner, NULL, &err), 0);
}

static void partner_stop(void)
{
    shutdown(partner.listener, SHUT_RDWR); /* ends its accept */
    http_client_destroy(client);           /* ends its reading */
    thread_join(&partner.thread);
    close(partner.listener);
    client = http_client_create(l, &(struct http_client_config){ 0 }, &err);
}

#define PARTNER(...)                                                                               \
    partner_start((struct step[]){ __VA_ARGS__ },                                                  \
                  sizeof((struct step[]){ __VA_ARGS__ }) / sizeof(struct step))

static int setup(void **state)
{
    (void)state;
    l = loop_create(&err);
    client = http_client_create(l, &(struct http_client_config){ 0 }, &err);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    http_client_destroy(client);
    loop_destroy(l);
    return 0;
}

struct result {
    int status;
    bool is_maybe_sent;
    int64_t retry_after_ms;
    char body[256], error[512], header[64];
};

static void on_reply(void *arg, const struct http_reply *reply)
{
    struct result *r = arg;
    r->status = reply->status;
    r->is_maybe_sent = reply->is_maybe_sent;
    r->retry_after_ms = reply->retry_after_ms;
    snprintf(r->body, sizeof r->body, "%.*s", STR_ARG(reply->body));
    snprintf(r->error, sizeof r->error, "%s", reply->error ? reply->error : "");
    for (const wf_pair *h = reply->headers; h->name; h++)
        if (!strcmp(h->name, "x-mark"))
            snprintf(r->header, sizeof r->header, "%s", h->text);
    loop_stop(l);
}

static struct result call(struct http_call c)
{
    char url[96];
    struct result r = { 0 };
    snprintf(url, sizeof url, "http://127.0.0.1:%d/path", partner.port);
    if (!c.url)
        c.url = url;
    http_call_start(client, &c, on_reply, &r);
    loop_run(l);
    return r;
}

static struct result post(const char *body)
{
    return call((struct http_call){ .method = "POST", .body = str_of(body) });
}

#define OK_KEEP "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

static void test_cut_replies_are_maybe_sent(void **state)
{
    (void)state;
    static const char *const cuts[] = {
        "",
        "HTTP/1.1 20",
        "HTTP/1.1 200 OK\r\nContent-Le",
        "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly this",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel",
    };
    for (size_t i = 0; i < sizeof cuts / sizeof *cuts; i++)
        for (int reset = 0; reset < 2; reset++) {
            PARTNER({ cuts[i], reset ? RESET : CLOSE });
            struct result r = post("b");
            assert_int_equal(r.status, 0);
            assert_true(r.is_maybe_sent);
            assert_true(strlen(r.error) > 20);
            partner_stop();
        }
}

/* A kept connection dies when the second request is on it. Whether the partner acted on that one,
 * nobody knows: a POST is not sent again, a GET is. */
static void test_dead_kept_connection(void **state)
{
    (void)state;
    PARTNER({ OK_KEEP, KEEP }, { "", CLOSE }, { OK_KEEP, KEEP });
    assert_int_equal(post("one").status, 200);
    struct result r = post("two");
    assert_int_equal(r.status, 0);
    assert_true(r.is_maybe_sent);
    assert_non_null(strstr(r.error, "closed before a reply"));
    assert_int_equal(atomic_load(&partner.n_requests), 2);
    partner_stop();

    PARTNER({ OK_KEEP, KEEP }, { "", CLOSE }, { OK_KEEP, KEEP });
    assert_int_equal(post("one").status, 200);
    assert_int_equal(call((struct http_call){ 0 }).status, 200);
    assert_int_equal(atomic_load(&partner.n_requests), 3);
    assert_int_equal(atomic_load(&partner.n_connections), 2);
    partner_stop();

    PARTNER({ OK_KEEP, KEEP }, { "", CLOSE }, { OK_KEEP, KEEP });
    assert_int_equal(post("one").status, 200);
    assert_int_equal(call((struct http_call){ .method = "PUT", .body = STR("two") }).status, 200);
    assert_non_null(strstr(partner.last_request, "\r\n\r\ntwo"));
    partner_stop();
}

/* Without a body there is nothing that could refuse to be sent again: it gets a connection of its
 * own. */
static void test_post_without_body_is_not_sent_twice(void **state)
{
    (void)state;
    PARTNER({ OK_KEEP, KEEP }, { "", CLOSE }, { OK_KEEP, KEEP });
    assert_int_equal(call((struct http_call){ 0 }).status, 200);
    shutdown(partner.listener,
             SHUT_RD); /* nothing to accept: only the kept connection could carry it */
    struct result r = call((struct http_call){ .method = "POST", .timeout_ms = 200 });
    assert_int_equal(r.status, 0);
    assert_false(r.is_maybe_sent);
    assert_int_equal(atomic_load(&partner.n_requests), 1);
    partner_stop();
}

/* A redirect that keeps the method sends the body again: the first one was answered. */
static void test_redirect_with_body(void **state)
{
    (void)state;
    PARTNER({ "HTTP/1.1 307 T\r\nLocation: /there\r\nContent-Length: 0\r\n\r\n", KEEP },
            { OK_KEEP, KEEP });
    struct result r =
        call((struct http_call){ .method = "POST", .body = STR("again"), .max_redirects = 1 });
    assert_int_equal(r.status, 200);
    assert_memory_equal(partner.last_request, "POST /there HTTP/1.1\r\n", 22);
    assert_non_null(strstr(partner.last_request, "\r\n\r\nagain"));
    partner_stop();
    /* ... and when the connection dies after that, it is not sent a third time. */
    PARTNER({ "HTTP/1.1 307 T\r\nLocation: /there\r\nContent-Length: 0\r\n\r\n", KEEP },
            { "", CLOSE }, { OK_KEEP, KEEP });
    r = call((struct http_call){ .method = "POST", .body = STR("again"), .max_redirects = 1 });
    assert_int_equal(r.status, 0);
    assert_true(r.is_maybe_sent);
    assert_int_equal(atomic_load(&partner.n_requests), 2);
    partner_stop();
}

static void test_headers_of_the_last_reply(void **state)
{
    (void)state;
    PARTNER({ "HTTP/1.1 103 Early Hints\r\nX-Mark: early\r\nRetry-After: 5\r\n\r\n"
              "HTTP/1.1 200 OK\r\nX-MARK:  last \r\nContent-Length: 2\r\n\r\nok",
              KEEP },
            { "HTTP/1.1 429 Slow\r\nRetry-After: Sun, 06 Nov 2044 08:49:37 GMT\r\nContent-Length: "
              "0\r\n\r\n",
              KEEP });
    struct result r = post("b");
    assert_int_equal(r.status, 200);
    assert_string_equal(r.header, "last");
    assert_int_equal(r.retry_after_ms, 0);
    r = post("b");
    assert_int_equal(r.status, 429);
    assert_true(r.retry_after_ms > 1000);
    partner_stop();
}

static void test_headers_without_end(void **state)
{
    (void)state;
    struct strbuf b;
    strbuf_init(&b, 1 << 20);
    strbuf_adds(&b, "HTTP/1.1 200 OK\r\n");
    for (int i = 0; i < 300; i++)
        strbuf_addf(&b, "X-%d: y\r\n", i);
    strbuf_adds(&b, "\r\n");
    PARTNER({ b.ptr, CLOSE });
    struct result r = post("b");
    assert_int_equal(r.status, 0);
    assert_non_null(strstr(r.error, "headers are too large"));
    partner_stop();
    strbuf_fini(&b);
}

static void test_chunked_reply_too_large(void **state)
{
    (void)state;
    PARTNER({ "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
              "a\r\n0123456789\r\na\r\n0123456789\r\n0\r\n\r\n",
              KEEP });
    struct result r = call((struct http_call){ .max_bytes = 15 });
    assert_int_equal(r.status, 0);
    assert_non_null(strstr(r.error, "larger than 15 bytes"));
    partner_stop();
}

static void test_not_http(void **state)
{
    (void)state;
    PARTNER({ "220 mail.example ESMTP\r\n", CLOSE });
    struct result r = post("b");
    assert_int_equal(r.status, 0);
    assert_true(r.is_maybe_sent);
    partner_stop();
}

static void test_proxy(void **state)
{
    (void)state;
    char proxy[64];
    PARTNER({ OK_KEEP, CLOSE }, { "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n", CLOSE });
    snprintf(proxy, sizeof proxy, "http://127.0.0.1:%d", partner.port);
    struct result r = call((struct http_call){
        .url = "http://far.invalid/x", .proxy = proxy, .method = "POST", .body = STR("b") });
    assert_int_equal(r.status, 200);
    assert_memory_equal(partner.last_request, "POST http://far.invalid/x HTTP/1.1\r\n", 36);
    /* The tunnel is refused: the request itself never left. */
    r = call((struct http_call){
        .url = "https://far.invalid/x", .proxy = proxy, .method = "POST", .body = STR("b") });
    assert_int_equal(r.status, 0);
    assert_memory_equal(partner.last_request, "CONNECT far.invalid:443 HTTP/1.1\r\n", 34);
    assert_false(r.is_maybe_sent);
    partner_stop();
}

/* The environment's proxy is none of ours. */
static void test_environment_proxy_is_not_used(void **state)
{
    (void)state;
    setenv("http_proxy", "http://127.0.0.1:1", 1);
    PARTNER({ OK_KEEP, CLOSE });
    assert_int_equal(post("b").status, 200);
    partner_stop();
    unsetenv("http_proxy");
}

static void test_compression_is_offered(void **state)
{
    (void)state;
    const wf_pair own[] = { { "Accept-Encoding", "identity" }, { 0 } };
    PARTNER({ OK_KEEP, KEEP }, { OK_KEEP, KEEP });
    call((struct http_call){ 0 });
    assert_non_null(strstr(partner.last_request, "\r\nAccept-Encoding: deflate, gzip"));
    call((struct http_call){ .headers = own });
    assert_null(strstr(partner.last_request, "gzip"));
    partner_stop();
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_cut_replies_are_maybe_sent),
        TEST(test_dead_kept_connection),
        TEST(test_post_without_body_is_not_sent_twice),
        TEST(test_redirect_with_body),
        TEST(test_headers_of_the_last_reply),
        TEST(test_headers_without_end),
        TEST(test_chunked_reply_too_large),
        TEST(test_not_http),
        TEST(test_proxy),
        TEST(test_environment_proxy_is_not_used),
        TEST(test_compression_is_offered),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
