/* SPDX-License-Identifier: Apache-2.0
 * What bad, large, slow and many clients get: a status and a short JSON body, or an end.
 */
#include "server_fixture.h"

#define HOST "Host: x\r\n"

static int setup(void **state)
{
    (void)state;
    fixture_start((struct http_server_config){ .limits = {
                                                   .header_bytes = 1024,
                                                   .body_bytes = 2048,
                                                   .headers = 10,
                                                   .header_timeout_ms = 400,
                                                   .body_timeout_ms = 400,
                                                   .idle_timeout_ms = 400,
                                                   .write_timeout_ms = 600,
                                                   .max_connections = 3,
                                                   .max_pipelined = 4,
                                                   .unsent_bytes = 64 << 10,
                                               } });
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    fixture_stop();
    return 0;
}

/* The request is answered with this status and its reason's body, and the connection ends. */
static void assert_rejected(const char *request, int status, enum http_reject why)
{
    static const char *const bodies[] = { "",
#define X(name, code, text) "{\"error\":\"" text "\"}\n",
                                          HTTP_REJECTS(X)
#undef X
    };
    struct answer a;
    int fd = dial();
    (void)send(fd, request, strlen(request), MSG_NOSIGNAL);
    if (!hear(fd, &a))
        fail_msg("no answer to '%.60s'", request);
    if (a.status != status)
        fail_msg("%d instead of %d for '%.60s'", a.status, status, request);
    if (why != HTTP_REJECT_REFUSED)
        assert_string_equal(a.body, bodies[why]);
    assert_non_null(strstr(a.head, "Connection: close\r\n"));
    assert_non_null(strstr(a.head, "Content-Type: application/json\r\n"));
    answer_fini(&a);
    expect_end(fd);
}

static void test_malformed(void **state)
{
    (void)state;
    static const struct {
        const char *request;
        int status;
        enum http_reject why;
    } cases[] = {
        { "\x16\x03\x01 TLS on a plain port", 400, HTTP_REJECT_MALFORMED },
        { "GET\r\n\r\n", 400, HTTP_REJECT_MALFORMED },
        { "get / HTTP/1.1\r\n", 400, HTTP_REJECT_MALFORMED },
        { "BREW / HTTP/1.1\r\n", 501, HTTP_REJECT_METHOD },
        { "TRACE / HTTP/1.1\r\n" HOST "\r\n", 501, HTTP_REJECT_METHOD },
        { "CONNECT a:1 HTTP/1.1\r\n" HOST "\r\n", 501, HTTP_REJECT_METHOD },
        { "GET nowhere HTTP/1.1\r\n", 400, HTTP_REJECT_MALFORMED },
        { "GET http://host HTTP/1.1\r\n" HOST "\r\n", 400, HTTP_REJECT_MALFORMED },
        { "GET / HTTP/2.0\r\n" HOST "\r\n", 505, HTTP_REJECT_VERSION },
        { "GET / HTTP/0.9\r\n" HOST "\r\n", 505, HTTP_REJECT_VERSION },
        { "GET / FTP/1.1\r\n", 400, HTTP_REJECT_MALFORMED },
        { "GET / HTTP/1.1\r\n\r\n", 400, HTTP_REJECT_MALFORMED }, /* no Host */
        { "GET / HTTP/1.1\r\n" HOST HOST "\r\n", 400, HTTP_REJECT_MALFORMED },
        { "GET / HTTP/1.1\r\nbad header: x\r\n", 400, HTTP_REJECT_MALFORMED },
        { "POST / HTTP/1.1\r\n" HOST "Content-Length : 5\r\n", 400, HTTP_REJECT_MALFORMED },
        { "GET / HTTP/1.1\r\n" HOST "B\xc3\xa4r: x\r\n", 400, HTTP_REJECT_MALFORMED },
        { "GET /a\tb HTTP/1.1\r\n" HOST "\r\n", 400, HTTP_REJECT_MALFORMED },
        { "GET / HTTP/1.1\r\n" HOST "X: a\x01\r\n\r\n", 400, HTTP_REJECT_MALFORMED },
        { "GET / HTTP/1.1\r\n" HOST "Content-Length: x\r\n", 400, HTTP_REJECT_MALFORMED },
        { "GET / HTTP/1.1\r\n" HOST "Content-Length: -1\r\n", 400, HTTP_REJECT_MALFORMED },
        { "GET / HTTP/1.1\r\n" HOST "Content-Length: 99999999999999999999\r\n", 400,
          HTTP_REJECT_MALFORMED },
        { "POST / HTTP/1.1\r\n" HOST "Content-Length: 1\r\nContent-Length: 2\r\n", 400,
          HTTP_REJECT_MALFORMED },
        /* two ideas of where the body ends: how requests are smuggled */
        { "POST / HTTP/1.1\r\n" HOST
          "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
          400, HTTP_REJECT_MALFORMED },
        { "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked, gzip\r\n\r\n", 501,
          HTTP_REJECT_CODING },
        { "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: gzip, chunked\r\n\r\n", 501,
          HTTP_REJECT_CODING },
        { "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 501,
          HTTP_REJECT_CODING },
        { "POST /echo HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\nzz\r\n", 400,
          HTTP_REJECT_MALFORMED },
        { "POST / HTTP/1.1\r\n" HOST "Expect: a-miracle\r\n\r\n", 417, HTTP_REJECT_EXPECT },
        { "POST /refuse HTTP/1.1\r\n" HOST "Content-Length: 100\r\n\r\n", 403,
          HTTP_REJECT_REFUSED },
    };
    unsigned wanted[HTTP_REJECT_COUNT] = { 0 };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_rejected(cases[i].request, cases[i].status, cases[i].why);
        wanted[cases[i].why]++;
    }
    fixture_stop();
    for (size_t i = 0; i < HTTP_REJECT_COUNT; i++)
        assert_int_equal(fx.stats.rejected[i], wanted[i]);
    assert_int_equal(fx.stats.requests, 0);
    assert_int_equal(fx.stats.connections, 0);
    setup(state);
}

static void fill(char *to, const char *before, char with, size_t n, const char *after)
{
    strcpy(to, before);
    size_t len = strlen(to);
    memset(to + len, with, n);
    strcpy(to + len + n, after);
}

static void test_too_large(void **state)
{
    (void)state;
    static char b[256 << 10];
    fill(b, "GET /", 'u', 1100, " HTTP/1.1\r\n" HOST "\r\n");
    assert_rejected(b, 414, HTTP_REJECT_TARGET);
    fill(b, "GET / HTTP/1.1\r\n" HOST "X: ", 'v', 1100, "\r\n\r\n");
    assert_rejected(b, 431, HTTP_REJECT_HEADERS);
    fill(b, "GET / HTTP/1.1\r\n" HOST, 'n', 1100, ": v\r\n\r\n");
    assert_rejected(b, 431, HTTP_REJECT_HEADERS);
    fill(b, "GET / HTTP/1.1\r\n" HOST "X:", ' ', 100000, "v\r\n\r\n"); /* bytes that are not kept */
    assert_rejected(b, 431, HTTP_REJECT_HEADERS);
    strcpy(b, "GET / HTTP/1.1\r\n" HOST);
    for (int i = 0; i < 10; i++)
        strcat(b, "A: b\r\n");
    assert_rejected(b, 431, HTTP_REJECT_HEADERS);
    assert_rejected("POST /echo HTTP/1.1\r\n" HOST "Content-Length: 2049\r\n\r\n", 413,
                    HTTP_REJECT_BODY);
    fill(b, "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 100000\r\nExpect: 100-continue\r\n\r\n",
         'b', 0, "");
    assert_rejected(b, 413, HTTP_REJECT_BODY); /* instead of the 100 */
    strcpy(b, "POST /echo HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n");
    for (int i = 0; i < 3; i++)
        fill(b + strlen(b), "400\r\n", 'c', 1024, "\r\n");
    assert_rejected(b, 413, HTTP_REJECT_BODY);
    /* A client that is still sending its large body gets to read the answer. */
    fill(b, "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 200000\r\n\r\n", 'b', 200000, "");
    assert_rejected(b, 413, HTTP_REJECT_BODY);
    /* The owner allows more for one path. */
    fill(b, "POST /echo/large HTTP/1.1\r\n" HOST "Content-Length: 200000\r\n\r\n", 'b', 200000, "");
    int fd = dial();
    say(fd, b);
    struct answer a;
    assert_true(hear(fd, &a));
    assert_int_equal(a.status, 200);
    assert_int_equal(a.body_len, strlen("POST /echo/large ? ") + 200000);
    answer_fini(&a);
    close(fd);
}

/* Closing at once would reset the connection while the client still sends, and the answer with it.
 */
static void test_client_still_sending_can_read_its_413(void **state)
{
    (void)state;
    static char piece[64 << 10];
    int fd = dial();
    say(fd, "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 16777216\r\n\r\n");
    for (int i = 0; i < 256; i++)
        assert_int_equal(send(fd, piece, sizeof piece, MSG_NOSIGNAL), sizeof piece);
    expect(fd, 413, NULL);
    expect_end(fd);
}

/* Answers before a bad request still come, and before its own. */
static void test_reject_keeps_the_order(void **state)
{
    (void)state;
    int fd = dial();
    say(fd,
        "GET /later/50 HTTP/1.1\r\n" HOST "\r\nGET /now HTTP/1.1\r\n" HOST "\r\nNONSENSE\r\n\r\n");
    expect(fd, 200, "50");
    expect(fd, 202, "");
    expect(fd, 501, NULL);
    expect_end(fd);
}

/* --- slow ------------------------------------------------------------------------------------- */

static void drip(int fd, const char *text, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (send(fd, text + i, 1, MSG_NOSIGNAL) != 1)
            return;
        nap_ms(10);
    }
}

static void test_slow_headers(void **state)
{
    (void)state;
    int fd = dial();
    int64_t start_us = clock_mono_us();
    drip(fd, "GET /now HTTP/1.1\r\nX-Slow: aaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
         22); /* 220 ms, never still */
    expect(fd, 408, "{\"error\":\"the request took too long\"}\n");
    assert_true(clock_mono_us() - start_us < 2000000);
    expect_end(fd);
}

static void test_slow_body(void **state)
{
    (void)state;
    int fd = dial();
    say(fd, "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 100\r\n\r\n");
    drip(fd, "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", 60);
    expect(fd, 408, NULL);
    expect_end(fd);
}

static void test_silent_connections_end(void **state)
{
    (void)state;
    int never = dial(), kept = dial(), waiting = dial();
    say(kept, "GET /now HTTP/1.1\r\n" HOST "\r\n");
    expect(kept, 202, "");
    say(waiting,
        "GET /later/800 HTTP/1.1\r\n" HOST "\r\n"); /* our turn: it may wait as long as it likes */
    expect_end(never);
    expect_end(kept);
    expect(waiting, 200, "800");
    expect_end(waiting);
}

/* A kept connection in use does not end: its deadline moves. */
static void test_busy_connection_stays(void **state)
{
    (void)state;
    int fd = dial();
    for (int i = 0; i < 10; i++) {
        say(fd, "GET /now HTTP/1.1\r\n" HOST "\r\n");
        expect(fd, 202, "");
        nap_ms(50);
    }
    close(fd);
}

static void test_client_that_never_reads(void **state)
{
    (void)state;
    int fd = dial(), room = 32 << 10;
    int64_t start_us = clock_mono_us();
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof room); /* else the kernel may take it all */
    say(fd, "GET /big HTTP/1.1\r\n" HOST "\r\nGET /big HTTP/1.1\r\n" HOST "\r\n"
            "GET /big HTTP/1.1\r\n" HOST "\r\n");
    wait_for(&fx.n_released, 1); /* the rest was not even read: too much is unsent */
    int64_t took_us = clock_mono_us() - start_us;
    assert_true(took_us >= 590000 && took_us < 3000000);
    nap_ms(50);
    assert_int_equal(atomic_load(&fx.n_released), 1);
    fixture_stop();
    assert_int_equal(fx.stats.write_timeouts, 1);
    assert_int_equal(fx.stats.requests, 1);
    setup(state);
    close(fd);
}

/* Slow, but reading: it may take longer than the write timeout. */
static void test_slow_reader_gets_all(void **state)
{
    (void)state;
    static char b[16 << 10];
    int fd = dial(), room = 32 << 10;
    size_t got = 0;
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &room,
               sizeof room); /* so that the server sees each step */
    say(fd, "GET /big HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n");
    int64_t start_us = clock_mono_us();
    for (;;) {
        ssize_t n = recv(fd, b, sizeof b, 0);
        if (n <= 0)
            break;
        got += (size_t)n;
        nap_ms(4);
    }
    assert_true(got > BIG);
    assert_true(clock_mono_us() - start_us > 1000000);
    close(fd);
}

/* --- many ------------------------------------------------------------------------------------- */

static void test_too_many_connections(void **state)
{
    (void)state;
    int fds[3];
    for (int i = 0; i < 3; i++) {
        fds[i] = dial();
        say(fds[i], "GET /later/300 HTTP/1.1\r\n" HOST "\r\n");
    }
    nap_ms(20);
    int fd = dial();
    expect(fd, 503, "{\"error\":\"too many connections\"}\n");
    expect_end(fd);
    for (int i = 0; i < 3; i++) {
        expect(fds[i], 200, "300");
        close(fds[i]);
    }
    nap_ms(20);
    fd = dial();
    say(fd, "GET /now HTTP/1.1\r\n" HOST "\r\n");
    expect(fd, 202, "");
    close(fd);
}

static void test_too_many_pipelined_wait(void **state)
{
    (void)state;
    int fd = dial();
    for (int i = 0; i < 12; i++)
        say(fd, "GET /later/60 HTTP/1.1\r\n" HOST "\r\n");
    int64_t start_us = clock_mono_us();
    for (int i = 0; i < 12; i++)
        expect(fd, 200, "60");
    assert_true(clock_mono_us() - start_us >= 170000); /* four at a time */
    close(fd);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_malformed),
        TEST(test_too_large),
        TEST(test_client_still_sending_can_read_its_413),
        TEST(test_reject_keeps_the_order),
        TEST(test_slow_headers),
        TEST(test_slow_body),
        TEST(test_silent_connections_end),
        TEST(test_busy_connection_stays),
        TEST(test_client_that_never_reads),
        TEST(test_slow_reader_gets_all),
        TEST(test_too_many_connections),
        TEST(test_too_many_pipelined_wait),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
