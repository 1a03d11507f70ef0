/* SPDX-License-Identifier: Apache-2.0
 * The server behind TLS: versions, keep-alive, large answers, broken and slow handshakes, drain.
 */
#include "server_fixture.h"
#include "tls_fixture.h"
#include <openssl/err.h>

#define HOST "Host: x\r\n"

static struct tls_files files;
static SSL_CTX *ctx;

static int setup(void **state)
{
    (void)state;
    tls_files_make(&files);
    ctx = SSL_CTX_new(TLS_client_method());
    SSL_CTX_load_verify_locations(ctx, files.cert, NULL);
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
    fixture_start((struct http_server_config){
        .tls_cert = files.cert,
        .tls_key = files.key,
        .limits = { .header_timeout_ms = 400, .body_bytes = 3 << 20 },
    });
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    fixture_stop();
    SSL_CTX_free(ctx);
    tls_files_remove(&files);
    return 0;
}

static SSL *tls_dial(void)
{
    SSL *ssl = SSL_new(ctx);
    SSL_set_fd(ssl, dial());
    SSL_set_alpn_protos(ssl, (const unsigned char *)"\x02h2\x08http/1.1", 12);
    return ssl;
}

static void tls_hang_up(SSL *ssl)
{
    int fd = SSL_get_fd(ssl);
    SSL_free(ssl);
    close(fd);
}

static void tls_say(SSL *ssl, const char *text)
{
    assert_int_equal(SSL_write(ssl, text, (int)strlen(text)), (int)strlen(text));
}

static void tls_read(SSL *ssl, char *to, size_t len)
{
    while (len) {
        int n = SSL_read(ssl, to, len < 1 << 20 ? (int)len : 1 << 20);
        if (n <= 0)
            fail_msg("TLS ended with %zu bytes missing", len);
        to += n;
        len -= (size_t)n;
    }
}

static void tls_expect(SSL *ssl, int status, const char *body)
{
    char head[1024] = "";
    size_t len = 0;
    int got = 0;
    while (len < 4 || memcmp(head + len - 4, "\r\n\r\n", 4) != 0) {
        assert_true(len + 1 < sizeof head);
        tls_read(ssl, head + len++, 1);
    }
    assert_int_equal(sscanf(head, "HTTP/1.1 %d", &got), 1);
    assert_int_equal(got, status);
    char *text = calloc(1, strlen(body) + 1);
    tls_read(ssl, text, strlen(body));
    assert_string_equal(text, body);
    free(text);
}

static void test_tls13(void **state)
{
    (void)state;
    const unsigned char *protocol;
    unsigned len;
    SSL *ssl = tls_dial();
    assert_int_equal(SSL_connect(ssl), 1);
    assert_string_equal(SSL_get_version(ssl), "TLSv1.3");
    SSL_get0_alpn_selected(ssl, &protocol, &len);
    assert_int_equal(len, 8);
    assert_memory_equal(protocol, "http/1.1", 8);
    tls_say(ssl, "GET /now HTTP/1.1\r\n" HOST "\r\n");
    tls_expect(ssl, 202, "");
    tls_say(ssl, "GET /later/50 HTTP/1.1\r\n" HOST "\r\nPOST /echo HTTP/1.1\r\n" HOST
                 "Content-Length: 2\r\n\r\nok");
    tls_expect(ssl, 200, "50");
    tls_expect(ssl, 200, "POST /echo ? ok");
    SSL_shutdown(ssl);
    tls_hang_up(ssl);
}

static void test_last_answer_ends_with_close_notify(void **state)
{
    (void)state;
    char byte;
    SSL *ssl = tls_dial();
    assert_int_equal(SSL_connect(ssl), 1);
    tls_say(ssl, "GET /now HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n");
    tls_expect(ssl, 202, "");
    int n = SSL_read(ssl, &byte, 1);
    assert_int_equal(SSL_get_error(ssl, n), SSL_ERROR_ZERO_RETURN);
    tls_hang_up(ssl);
}

static void test_records_of_a_byte_and_large_bodies(void **state)
{
    (void)state;
    static char body[2 << 20], wanted[(2 << 20) + 64];
    SSL *ssl = tls_dial();
    assert_int_equal(SSL_connect(ssl), 1);
    for (const char *at = "GET /echo?x HTTP/1.1\r\n" HOST "\r\n"; *at; at++)
        assert_int_equal(SSL_write(ssl, at, 1), 1);
    tls_expect(ssl, 200, "GET /echo ?x ");
    memset(body, 'b', sizeof body - 1);
    /* /big and 2 MiB both ways: the socket blocks in the middle of records. */
    char head[128];
    snprintf(head, sizeof head, "POST /echo/large HTTP/1.1\r\n" HOST "Content-Length: %zu\r\n\r\n",
             sizeof body - 1);
    tls_say(ssl, head);
    tls_say(ssl, body);
    tls_say(ssl, "GET /big HTTP/1.1\r\n" HOST "\r\nGET /now HTTP/1.1\r\n" HOST "\r\n");
    nap_ms(50);
    snprintf(wanted, sizeof wanted, "POST /echo/large ? %s", body);
    tls_expect(ssl, 200, wanted);
    char *big = malloc(BIG + 1);
    for (size_t i = 0; i < BIG; i++)
        big[i] = (char)('a' + i % 26);
    big[BIG] = 0;
    tls_expect(ssl, 200, big);
    free(big);
    tls_expect(ssl, 202, "");
    wait_for(&fx.n_released, 1);
    tls_hang_up(ssl);
}

static void test_thousand_pipelined(void **state)
{
    (void)state;
    struct strbuf b;
    SSL *ssl = tls_dial();
    assert_int_equal(SSL_connect(ssl), 1);
    strbuf_init(&b, 1 << 20);
    for (int i = 0; i < 1000; i++)
        strbuf_addf(&b, "GET /%s?%d HTTP/1.1\r\n" HOST "\r\n", i % 50 ? "echo" : "later/1", i);
    tls_say(ssl, b.ptr);
    for (int i = 0; i < 1000; i++) {
        char wanted[32];
        snprintf(wanted, sizeof wanted, "GET /echo ?%d ", i);
        tls_expect(ssl, 200, i % 50 ? wanted : "1");
    }
    strbuf_fini(&b);
    tls_hang_up(ssl);
}

static void test_old_version_and_plain_text(void **state)
{
    (void)state;
    SSL *ssl = tls_dial();
    SSL_set_security_level(ssl, 0);
    SSL_set_min_proto_version(ssl, TLS1_VERSION);
    SSL_set_max_proto_version(ssl, TLS1_1_VERSION);
    assert_int_not_equal(SSL_connect(ssl), 1);
    assert_int_equal(ERR_GET_REASON(ERR_get_error()), SSL_R_TLSV1_ALERT_PROTOCOL_VERSION);
    ERR_clear_error();
    tls_hang_up(ssl);
    int fd = dial();
    char bytes[64];
    say(fd, "GET /now HTTP/1.1\r\n" HOST "\r\n");
    while (recv(fd, bytes, sizeof bytes, 0) > 0) /* an alert at most */
        assert_null(memmem(bytes, sizeof bytes, "202", 3));
    close(fd);
    nap_ms(20);
    fixture_stop();
    assert_int_equal(fx.stats.requests, 0);
    assert_int_equal(fx.stats.tls_failed, 2);
    assert_int_equal(fx.stats.connections, 0);
    fixture_start((struct http_server_config){ 0 });
}

static void test_silent_handshake_ends(void **state)
{
    (void)state;
    int fd = dial();
    int64_t start_us = clock_mono_us();
    say(fd, "\x16\x03\x01\x02"); /* the first bytes of a hello */
    expect_end(fd);
    assert_true(clock_mono_us() - start_us >= 350000);
}

static void test_drain(void **state)
{
    (void)state;
    char byte;
    SSL *idle = tls_dial(), *busy = tls_dial();
    assert_int_equal(SSL_connect(idle), 1);
    assert_int_equal(SSL_connect(busy), 1);
    tls_say(idle, "GET /now HTTP/1.1\r\n" HOST "\r\n");
    tls_expect(idle, 202, "");
    tls_say(busy, "GET /later/100 HTTP/1.1\r\n" HOST "\r\n");
    nap_ms(30);
    fixture_drain();
    assert_int_equal(SSL_get_error(idle, SSL_read(idle, &byte, 1)), SSL_ERROR_ZERO_RETURN);
    tls_expect(busy, 200, "100");
    assert_int_equal(SSL_get_error(busy, SSL_read(busy, &byte, 1)), SSL_ERROR_ZERO_RETURN);
    tls_hang_up(idle);
    tls_hang_up(busy);
    wait_for(&fx.n_drained, 1);
}

static void test_bad_files(void **state)
{
    (void)state;
    struct err err;
    struct loop *l = loop_create(&err);
    struct http_server_config config = { .on_request = on_request, .tls_cert = "/nonexistent.pem" };
    assert_null(http_server_create(l, &config, &err));
    assert_non_null(strstr(err.text, "tls-cert '/nonexistent.pem': No such file or directory"));
    config.tls_cert = files.cert;
    config.tls_key = files.other_key;
    assert_null(http_server_create(l, &config, &err));
    assert_non_null(strstr(err.text, files.other_key));
    assert_non_null(strstr(err.text, "is not the key of the certificate"));
    config.tls_key = files.cert;
    assert_null(http_server_create(l, &config, &err));
    assert_non_null(strstr(err.text, "holds no private key"));
    loop_destroy(l);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_tls13),
        TEST(test_last_answer_ends_with_close_notify),
        TEST(test_records_of_a_byte_and_large_bodies),
        TEST(test_thousand_pipelined),
        TEST(test_old_version_and_plain_text),
        TEST(test_silent_handshake_ends),
        TEST(test_drain),
        TEST(test_bad_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
