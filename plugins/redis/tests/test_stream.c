/* SPDX-License-Identifier: Apache-2.0
 * catalyst/stream.h against a socket of the test's own: opening, much data in small pieces, closing
 * in the middle, and TLS with whoever speaks none. TLS that works is tested against real servers.
 */
#include <catalyst/stream.h>
#include "fake_loop.h"
#include "fake_cases.h"
#include <signal.h>

enum { MUCH = 8 << 20 };

static struct seen {
    wf_stream stream;
    int opens, closes, close_at_once;
    size_t got, wrong;
    wf_fault fault;
    char why[300];
} seen;

static void on_open(void *arg)
{
    (void)arg;
    seen.opens++;
}

static void on_bytes(void *arg, const char *bytes, size_t len)
{
    (void)arg;
    for (size_t i = 0; i < len; i++)
        seen.wrong += (unsigned char)bytes[i] != (unsigned char)((seen.got + i) % 251);
    seen.got += len;
    if (seen.close_at_once)
        wf_stream_close(&seen.stream);
}

static void on_close(void *arg, wf_fault fault, const char *why)
{
    (void)arg;
    assert_int_equal(seen.stream.state, WF_STREAM_CLOSED);
    seen.closes++;
    seen.fault = fault;
    snprintf(seen.why, sizeof seen.why, "%s", why);
}

static void begin(const char *address, uint16_t port, SSL_CTX *tls)
{
    wf_stream_fini(&seen.stream);
    seen = (struct seen){ .stream = { .loop = &loop_table,
                                      .on_open = on_open,
                                      .on_bytes = on_bytes,
                                      .on_close = on_close } };
    wf_stream_connect(&seen.stream, address, port, tls, "127.0.0.1");
}

static void until_opened_or_closed(void)
{
    int64_t end = loop_now() + 5000;
    while (!seen.opens && !seen.closes && loop_now() < end)
        loop_once();
}

/* --- the other side --------------------------------------------------------------------------- */

static struct {
    int listener, is_local;
    size_t echo; /* bytes until it hangs up; 0: hangs up at once */
    pthread_t thread;
} other;

static void *echo(void *arg)
{
    char bytes[777];
    int fd = accept(other.listener, NULL, NULL);
    (void)arg;
    for (size_t done = 0; done < other.echo;) {
        ssize_t n = read(fd, bytes, sizeof bytes);
        if (n <= 0)
            break;
        for (ssize_t at = 0, sent; at < n; at += sent)
            if ((sent = write(fd, bytes + at, (size_t)(n - at))) <= 0)
                break;
        done += (size_t)n;
    }
    close(fd);
    return NULL;
}

static uint16_t serve(size_t bytes, const char *path)
{
    struct sockaddr_storage to;
    socklen_t len = wf_stream_address(path ? path : "127.0.0.1", 0, &to);
    other.listener = socket(to.ss_family, SOCK_STREAM, 0);
    other.echo = bytes;
    if (bind(other.listener, (struct sockaddr *)&to, len) != 0 || listen(other.listener, 4) != 0 ||
        getsockname(other.listener, (struct sockaddr *)&to, &len) != 0)
        fail_msg("%s", strerror(errno));
    pthread_create(&other.thread, NULL, echo, NULL);
    return path ? 0 : ntohs(((struct sockaddr_in *)&to)->sin_port);
}

static void end_serving(void)
{
    pthread_join(other.thread, NULL);
    close(other.listener);
}

/* --- tests ------------------------------------------------------------------------------------ */

static void test_much(void **state)
{
    char piece[5000];
    (void)state;
    begin("127.0.0.1", serve(MUCH, NULL), NULL);
    until_opened_or_closed();
    assert_int_equal(seen.opens, 1);
    for (size_t at = 0; at < MUCH;) {
        size_t n = MUCH - at < sizeof piece ? MUCH - at : sizeof piece;
        for (size_t i = 0; i < n; i++)
            piece[i] = (char)((at + i) % 251);
        wf_stream_write(&seen.stream, piece, n);
        at += n;
        if (at % 3 == 0)
            wf_stream_flush(&seen.stream);
    }
    wf_stream_flush(&seen.stream);
    for (int64_t end = loop_now() + 20000; !seen.closes && loop_now() < end;)
        loop_once();
    assert_int_equal(seen.got, MUCH);
    assert_int_equal(seen.wrong, 0);
    assert_int_equal(seen.closes, 1);
    assert_int_equal(seen.fault, WF_TRANSIENT);
    end_serving();
}

static void test_local_socket(void **state)
{
    char path[] = "/tmp/catalyst-stream-XXXXXX", name[64];
    (void)state;
    assert_non_null(mkdtemp(path));
    snprintf(name, sizeof name, "%s/s", path);
    serve(10, name);
    begin(name, 0, NULL);
    until_opened_or_closed();
    wf_stream_write(&seen.stream, "\0\1\2\3\4\5\6\7\10\11", 10);
    wf_stream_flush(&seen.stream);
    for (int64_t end = loop_now() + 5000; !seen.closes && loop_now() < end;)
        loop_once();
    assert_int_equal(seen.got, 10);
    assert_int_equal(seen.wrong, 0);
    end_serving();
    unlink(name);
    rmdir(path);
}

static void test_closes_while_it_reads(void **state)
{
    (void)state;
    begin("127.0.0.1", serve(5, NULL), NULL);
    until_opened_or_closed();
    seen.close_at_once = 1;
    wf_stream_write(&seen.stream, "\0\1\2\3\4", 5);
    wf_stream_flush(&seen.stream);
    for (int64_t end = loop_now() + 5000; !seen.got && loop_now() < end;)
        loop_once();
    assert_int_equal(seen.stream.state, WF_STREAM_CLOSED);
    assert_int_equal(seen.closes, 0); /* who closes is not told */
    wf_stream_write(&seen.stream, "x", 1);
    wf_stream_flush(&seen.stream);
    end_serving();
}

static void test_cannot_be_opened(void **state)
{
    (void)state;
    begin("127.0.0.1", 1, NULL);
    until_opened_or_closed();
    assert_int_equal(seen.fault, WF_TRANSIENT);
    assert_string_equal(seen.why, "Connection refused");
    begin("no address", 1, NULL);
    assert_int_equal(seen.closes, 1);
    begin("/nowhere/at/all", 1, NULL);
    assert_string_equal(seen.why, "No such file or directory");
}

/* One that echoes the greeting is a misfit, which a person must see; one that hangs up is weather.
 */
static void test_tls_with_others(void **state)
{
    char why[200];
    SSL_CTX *tls = wf_tls_context(&(wf_tls_options){ 0 }, why, sizeof why);
    (void)state;
    assert_non_null(tls);
    begin("127.0.0.1", serve(MUCH, NULL), tls);
    until_opened_or_closed();
    assert_int_equal(seen.opens, 0);
    assert_int_equal(seen.fault, WF_ACCOUNT);
    assert_non_null(strstr(seen.why, "TLS: handshake: "));
    end_serving();
    begin("127.0.0.1", serve(0, NULL), tls);
    until_opened_or_closed();
    assert_int_equal(seen.closes, 1);
    assert_int_equal(seen.fault, WF_TRANSIENT);
    end_serving();
    SSL_CTX_free(tls);
}

static void test_tls_files(void **state)
{
    char why[200];
    (void)state;
    static const wf_tls_options wrong[] = { { .ca_file = "/nowhere/a.pem" },
                                            { .cert_file = "/nowhere/b.pem" } };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        assert_null(wf_tls_context(&wrong[i], why, sizeof why));
        assert_non_null(strstr(why, "TLS: /nowhere/"));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_much),
        cmocka_unit_test(test_local_socket),
        cmocka_unit_test(test_closes_while_it_reads),
        cmocka_unit_test(test_cannot_be_opened),
        cmocka_unit_test(test_tls_with_others),
        cmocka_unit_test(test_tls_files),
    };
    signal(SIGPIPE, SIG_IGN);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    wf_stream_fini(&seen.stream);
    return failed;
}
