/* SPDX-License-Identifier: Apache-2.0
 * The server over raw sockets: what goes well, in one piece and in many.
 */
#include "server_fixture.h"
#include <sys/un.h>

#define HOST "Host: x\r\n"

static int setup(void **state)
{
    (void)state;
    fixture_start((struct http_server_config){ 0 });
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    fixture_stop();
    return 0;
}

static void test_keep_alive(void **state)
{
    (void)state;
    int fd = dial();
    say(fd, "GET /now HTTP/1.1\r\n" HOST "\r\n");
    expect(fd, 202, "");
    say(fd, "POST /echo?a=1&b HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\nhello");
    expect(fd, 200, "POST /echo ?a=1&b hello");
    say(fd, "DELETE /nothing HTTP/1.1\r\n" HOST "\r\n");
    expect(fd, 404, "{\"error\":\"no '/nothing' here\"}\n");
    close(fd);
}

static void test_close_and_http10(void **state)
{
    (void)state;
    struct answer a;
    int fd = dial();
    say(fd, "GET /now HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n");
    assert_true(hear(fd, &a));
    assert_non_null(strstr(a.head, "Connection: close\r\n"));
    answer_fini(&a);
    expect_end(fd);

    fd = dial();
    say(fd, "GET /echo HTTP/1.0\r\n\r\n"); /* needs no Host */
    assert_true(hear(fd, &a));
    assert_non_null(strstr(a.head, "Connection: close\r\n"));
    assert_string_equal(a.body, "GET /echo ? ");
    answer_fini(&a);
    expect_end(fd);

    fd = dial();
    say(fd, "GET /now HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    assert_true(hear(fd, &a));
    assert_non_null(strstr(a.head, "Connection: keep-alive\r\n"));
    answer_fini(&a);
    say(fd, "GET /now HTTP/1.0\r\n\r\n");
    expect(fd, 202, "");
    expect_end(fd);
}

static void test_head(void **state)
{
    (void)state;
    struct answer a;
    int fd = dial();
    say(fd, "HEAD /echo HTTP/1.1\r\n" HOST "\r\n");
    assert_true(hear_as(fd, &a, true));
    assert_int_equal(a.status, 200);
    assert_non_null(strstr(a.head, "Content-Length: 13\r\n"));
    answer_fini(&a);
    say(fd, "HEAD /big HTTP/1.1\r\n" HOST "\r\n"); /* borrowed and not needed: released */
    assert_true(hear_as(fd, &a, true));
    assert_non_null(strstr(a.head, "Content-Length: 4194304\r\n"));
    answer_fini(&a);
    wait_for(&fx.n_released, 1);
    say(fd, "GET /now HTTP/1.1\r\n" HOST "\r\n");
    expect(fd, 202, "");
    close(fd);
}

static void test_byte_by_byte(void **state)
{
    (void)state;
    static const char request[] =
        "POST /echo?q HTTP/1.1\r\nhOsT: x\r\nX-Empty:\r\nX-Long:  a b \r\n"
        "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;ext=1\r\nde\r\n0\r\nTrailer: "
        "t\r\n\r\nGET /head/x-long HTTP/1.1\r\nX-LONG: \t v w \t\r\nHost: y\r\n\r\n";
    int fd = dial();
    for (const char *at = request; *at; at++) {
        assert_int_equal(send(fd, at, 1, MSG_NOSIGNAL), 1);
        if ((at - request) % 8 == 0)
            nap_ms(1);
    }
    expect(fd, 200, "POST /echo ?q abcde");
    expect(fd, 200, "v w"); /* any case, spaces around dropped */
    close(fd);
}

static void test_chunked_and_upgrade(void **state)
{
    (void)state;
    int fd = dial();
    say(fd, "PUT /echo HTTP/1.1\r\n" HOST "Transfer-Encoding: Chunked\r\n\r\n"
            "5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n");
    expect(fd, 200, "PUT /echo ? hello world");
    /* An upgrade that we do not do is a request like any other. */
    say(fd, "GET /echo HTTP/1.1\r\n" HOST "Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
            "GET /now HTTP/1.1\r\n" HOST "\r\n");
    expect(fd, 200, "GET /echo ? ");
    expect(fd, 202, "");
    close(fd);
}

static void test_targets(void **state)
{
    (void)state;
    int fd = dial();
    say(fd, "GET http://other.example:80/echo?x=1 HTTP/1.1\r\n" HOST "\r\n");
    expect(fd, 200, "GET /echo ?x=1 ");
    say(fd, "GET /echo/%2e%2e/a%20b?c?d#frag HTTP/1.1\r\n" HOST "\r\n");
    expect(fd, 200, "GET /echo/%2e%2e/a%20b ?c?d ");
    say(fd, "OPTIONS * HTTP/1.1\r\n" HOST "\r\n");
    expect(fd, 404, NULL);
    close(fd);
}

static void test_many_headers_outgrow_the_request(void **state)
{
    (void)state;
    struct strbuf b;
    int fd = dial();
    strbuf_init(&b, 1 << 20);
    strbuf_adds(&b, "POST /head/x-77 HTTP/1.1\r\n" HOST "Content-Length: 20000\r\n");
    for (int i = 0; i < 90; i++)
        strbuf_addf(&b, "X-%d: value %d %0100d\r\n", i, i, 0);
    strbuf_adds(&b, "\r\n");
    for (int i = 0; i < 20000; i++)
        strbuf_addc(&b, 'x');
    say(fd, b.ptr);
    struct answer a;
    assert_true(hear(fd, &a));
    assert_memory_equal(a.body, "value 77 000", 12);
    answer_fini(&a);
    strbuf_fini(&b);
    close(fd);
}

/* --- pipelining and late answers -------------------------------------------------------------- */

static void test_pipelined_answers_keep_their_order(void **state)
{
    (void)state;
    int fd = dial();
    say(fd, "GET /later/80 HTTP/1.1\r\n" HOST "\r\n"
            "GET /later/20 HTTP/1.1\r\n" HOST "\r\n"
            "GET /now HTTP/1.1\r\n" HOST "\r\n"
            "GET /later/50 HTTP/1.1\r\n" HOST "\r\n"
            "GET /echo HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n"
            "GET /now HTTP/1.1\r\n" HOST "\r\n"); /* behind "close": never looked at */
    int64_t start_us = clock_mono_us();
    expect(fd, 200, "80");
    assert_true(clock_mono_us() - start_us >= 70000);
    expect(fd, 200, "20");
    expect(fd, 202, "");
    expect(fd, 200, "50");
    expect(fd, 200, "GET /echo ? ");
    assert_true(clock_mono_us() - start_us < 2000000); /* they waited beside each other */
    expect_end(fd);
}

static void test_thousand_pipelined(void **state)
{
    (void)state;
    enum { N = 1000 }; /* over max_pipelined: read in portions */
    struct strbuf b;
    int fd = dial();
    strbuf_init(&b, 1 << 20);
    for (int i = 0; i < N; i++)
        strbuf_addf(&b, "POST /%s?%d HTTP/1.1\r\n" HOST "Content-Length: 3\r\n\r\nabc",
                    i % 7 ? "echo" : "later/1", i);
    say(fd, b.ptr);
    for (int i = 0; i < N; i++) {
        char wanted[64];
        snprintf(wanted, sizeof wanted, "POST /echo ?%d abc", i);
        expect(fd, 200, i % 7 ? wanted : "1");
    }
    strbuf_fini(&b);
    close(fd);
}

static void test_continue(void **state)
{
    (void)state;
    struct answer a;
    int fd = dial();
    say(fd, "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 2\r\nExpect: 100-Continue\r\n\r\n");
    assert_true(hear(fd, &a));
    assert_int_equal(a.status, 100);
    answer_fini(&a);
    say(fd, "ok");
    expect(fd, 200, "POST /echo ? ok");
    /* Behind a request without an answer it waits for its turn. */
    say(fd, "GET /later/30 HTTP/1.1\r\n" HOST "\r\nGET /later/60 HTTP/1.1\r\n" HOST "\r\n"
            "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 2\r\nExpect: 100-continue\r\n\r\n");
    expect(fd, 200, "30");
    expect(fd, 200, "60");
    assert_true(hear(fd, &a));
    assert_int_equal(a.status, 100);
    answer_fini(&a);
    say(fd, "ok");
    expect(fd, 200, "POST /echo ? ok");
    close(fd);
}

static void test_headers_of_answers(void **state)
{
    (void)state;
    struct answer a;
    int fd = dial();
    say(fd, "GET /status/418 HTTP/1.1\r\n" HOST "\r\n");
    assert_true(hear(fd, &a));
    assert_int_equal(a.status, 418);
    assert_non_null(strstr(a.head, "X-Good: yes\r\n"));
    assert_non_null(strstr(a.head, "Content-Length: 4\r\n"));
    assert_non_null(strstr(a.head, "\r\nDate: "));
    assert_non_null(strstr(a.head, " GMT\r\n"));
    assert_null(strstr(a.head, "999"));
    assert_null(strstr(a.head, "Evil"));
    answer_fini(&a);
    say(fd, "GET /status/204 HTTP/1.1\r\n" HOST "\r\nGET /status/304 HTTP/1.1\r\n" HOST "\r\n");
    for (int i = 0; i < 2; i++) {
        assert_true(hear(fd, &a));
        assert_int_equal(a.status, i ? 304 : 204);
        assert_null(strstr(a.head, "Content-Length"));
        answer_fini(&a);
    }
    close(fd);
}

static void test_big_borrowed_answer(void **state)
{
    (void)state;
    struct answer a;
    int fd = dial();
    say(fd, "GET /big HTTP/1.1\r\n" HOST "\r\nGET /now HTTP/1.1\r\n" HOST "\r\n");
    nap_ms(50); /* the socket's buffers fill, libuv keeps the rest */
    assert_true(hear(fd, &a));
    assert_int_equal(a.body_len, BIG);
    for (size_t i = 0; i < BIG; i++)
        assert_int_equal(a.body[i], 'a' + i % 26);
    answer_fini(&a);
    expect(fd, 202, "");
    wait_for(&fx.n_released, 1);
    close(fd);
}

/* Other timers fire between an answer and its flush; once that looked like a client that never
 * reads. */
static void test_first_answers_beside_timers(void **state)
{
    (void)state;
    enum { BUSY = 5, EACH = 60 };
    int busy[BUSY];
    for (int i = 0; i < BUSY; i++) {
        busy[i] = dial();
        for (int k = 0; k < EACH; k++) {
            char request[64];
            snprintf(request, sizeof request, "GET /later/%d HTTP/1.1\r\n" HOST "\r\n",
                     k * BUSY + i);
            say(busy[i], request);
        }
    }
    for (int i = 0; i < 400; i++) {
        int fd = dial();
        say(fd, "GET /now HTTP/1.1\r\n" HOST "\r\n");
        expect(fd, 202, "");
        close(fd);
    }
    for (int i = 0; i < BUSY; i++)
        close(busy[i]);
}

/* --- ends ------------------------------------------------------------------------------------- */

static void test_client_gone(void **state)
{
    (void)state;
    int fd = dial();
    say(fd, "GET /hold HTTP/1.1\r\n" HOST "\r\nGET /later/5000 HTTP/1.1\r\n" HOST "\r\n");
    nap_ms(30);
    assert_int_equal(atomic_load(&fx.n_gone), 0);
    close(fd);
    wait_for(&fx.n_gone, 2);
    fd = dial();
    say(fd, "GET /big HTTP/1.1\r\n" HOST "\r\n");
    nap_ms(30);
    struct linger reset = { .l_onoff = 1 };
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    close(fd); /* a reset in the middle of an answer */
    wait_for(&fx.n_released, 1);
}

static void test_destroy_with_open_requests(void **state)
{
    (void)state;
    int fd = dial(), idle = dial(), half = dial();
    say(fd, "GET /hold HTTP/1.1\r\n" HOST "\r\n");
    say(half, "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 10\r\n\r\nhalf");
    nap_ms(30);
    fixture_stop();
    assert_int_equal(atomic_load(&fx.n_gone), 1);
    assert_int_equal(fx.stats.requests, 1);
    assert_int_equal(fx.stats.unanswered, 1);
    expect_end(idle);
    close(fd);
    close(half);
    setup(state);
}

static void test_half_closed_client_gets_its_answers(void **state)
{
    (void)state;
    struct answer a;
    int fd = dial();
    say(fd, "GET /big HTTP/1.1\r\n" HOST "\r\n");
    nap_ms(50);
    shutdown(fd, SHUT_WR);
    assert_true(hear(fd, &a));
    assert_int_equal(a.body_len, BIG);
    answer_fini(&a);
    expect_end(fd);
}

static void test_drain(void **state)
{
    (void)state;
    int idle = dial(), busy = dial(), fresh = dial(), half = dial();
    struct answer a;
    say(idle, "GET /now HTTP/1.1\r\n" HOST "\r\n");
    expect(idle, 202, "");
    say(busy, "GET /later/100 HTTP/1.1\r\n" HOST "\r\nGET /later/140 HTTP/1.1\r\n" HOST "\r\n");
    say(half, "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 4\r\n\r\nha");
    nap_ms(30);
    fixture_drain();
    nap_ms(10);
    assert_int_equal(dial_port(fx.port), -1);
    expect_end(idle);
    say(fresh, "GET /now HTTP/1.1\r\n" HOST "\r\n"); /* connected before: still served */
    assert_true(hear(fresh, &a));
    assert_int_equal(a.status, 202);
    assert_non_null(strstr(a.head, "Connection: close\r\n"));
    answer_fini(&a);
    expect_end(fresh);
    say(half, "lf");
    expect(half, 200, "POST /echo ? half");
    expect_end(half);
    assert_int_equal(atomic_load(&fx.n_drained), 0);
    expect(busy, 200, "100");
    assert_true(hear(busy, &a));
    assert_non_null(strstr(a.head, "Connection: close\r\n")); /* the last of them says so */
    answer_fini(&a);
    expect_end(busy);
    wait_for(&fx.n_drained, 1);
}

static void test_drain_takes_in_who_is_at_the_door(void **state)
{
    (void)state;
    fx.mail.fn = on_late_drain_mail;
    assert_int_equal(loop_post(fx.loop, &fx.mail), 0);
    nap_ms(20);
    int fd = dial(); /* the loop does not look */
    say(fd, "GET /now HTTP/1.1\r\n" HOST "\r\n");
    expect(fd, 202, "");
    expect_end(fd);
    wait_for(&fx.n_drained, 1);
}

static void test_drain_cuts_after_its_grace(void **state)
{
    (void)state;
    int fd = dial();
    say(fd, "GET /hold HTTP/1.1\r\n" HOST "\r\n");
    nap_ms(30);
    fx.grace_ms = 100;
    int64_t start_us = clock_mono_us();
    fixture_drain();
    wait_for(&fx.n_drained, 1);
    assert_true(clock_mono_us() - start_us >= 95000);
    assert_int_equal(atomic_load(&fx.n_gone), 1);
    expect_end(fd);
}

static void test_drain_of_nothing(void **state)
{
    (void)state;
    fixture_drain();
    wait_for(&fx.n_drained, 1);
}

/* --- listening -------------------------------------------------------------------------------- */

static void test_port_taken(void **state)
{
    (void)state;
    struct err err = { 0 };
    char wanted[64];
    struct loop *l = loop_create(&err);
    struct http_server_config config = { .port = fx.port, .on_request = on_request };
    assert_null(http_server_create(l, &config, &err));
    snprintf(wanted, sizeof wanted, "http: listen on 127.0.0.1:%d: address already in use;",
             fx.port);
    assert_memory_equal(err.text, wanted, strlen(wanted));
    assert_int_equal(http_port_check(NULL, fx.port, &err), -1);
    assert_int_equal(err.code, ERR_CONFLICT);
    config.address = "localhost";
    assert_null(http_server_create(l, &config, &err));
    assert_non_null(strstr(err.text, "not an IP address"));
    config = (struct http_server_config){ .unix_path = "/nonexistent/x", .on_request = on_request };
    assert_null(http_server_create(l, &config, &err));
    assert_non_null(strstr(err.text, "No such file"));
    loop_destroy(l);
}

static void test_shared_port(void **state)
{
    (void)state;
    struct err err = { 0 };
    struct loop *l = loop_create(&err);
    struct http_server_config config = { .reuse_port = true, .on_request = on_request };
    struct http_server *one = http_server_create(l, &config, &err);
    assert_non_null(one);
    config.port = http_server_port(one);
    struct http_server *two = http_server_create(l, &config, &err);
    assert_non_null(two);
    assert_int_equal(http_server_port(two), config.port);
    assert_int_equal(http_port_check(NULL, config.port, &err), -1); /* others see it taken */
    http_server_destroy(one);
    http_server_destroy(two);
    assert_int_equal(http_port_check(NULL, config.port, &err), 0);
    loop_destroy(l);
}

static void test_unix_socket(void **state)
{
    char path[64];
    struct err err;
    snprintf(path, sizeof path, "/tmp/test-http-%d.sock", (int)getpid());
    fixture_stop();
    for (int round = 0; round < 2; round++) {
        if (round == 1) { /* a stale file of a crash is in the way */
            struct sockaddr_un address = { .sun_family = AF_UNIX };
            snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
            int fd = socket(AF_UNIX, SOCK_STREAM, 0);
            assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
            close(fd);
        }
        fixture_start((struct http_server_config){ .unix_path = path });
        struct loop *l = loop_create(&err);
        struct http_server_config again = { .unix_path = path, .on_request = on_request };
        assert_null(http_server_create(l, &again, &err));
        assert_non_null(strstr(err.text, "another program listens there"));
        loop_destroy(l);
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
        int fd = socket(AF_UNIX, SOCK_STREAM, 0);
        assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
        say(fd, "GET /now HTTP/1.1\r\n" HOST "\r\n");
        expect(fd, 202, "");
        close(fd);
        fixture_stop();
        assert_int_not_equal(access(path, F_OK), 0);
    }
    setup(state);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_keep_alive),
        TEST(test_close_and_http10),
        TEST(test_head),
        TEST(test_byte_by_byte),
        TEST(test_chunked_and_upgrade),
        TEST(test_targets),
        TEST(test_many_headers_outgrow_the_request),
        TEST(test_pipelined_answers_keep_their_order),
        TEST(test_thousand_pipelined),
        TEST(test_continue),
        TEST(test_headers_of_answers),
        TEST(test_big_borrowed_answer),
        TEST(test_first_answers_beside_timers),
        TEST(test_client_gone),
        TEST(test_destroy_with_open_requests),
        TEST(test_half_closed_client_gets_its_answers),
        TEST(test_drain),
        TEST(test_drain_takes_in_who_is_at_the_door),
        TEST(test_drain_cuts_after_its_grace),
        TEST(test_drain_of_nothing),
        TEST(test_port_taken),
        TEST(test_shared_port),
        TEST(test_unix_socket),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
