/* SPDX-License-Identifier: Apache-2.0
 * Which parts of a text are links, what their hosts are called, and what is none.
 */
#include "../confusables.c"
#include "../normalise.c"
#include "../normalise_ascii.c"
#include "../normalise_tricks.c"
#include "../punycode.c"
#include "../urls.c"
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <stdio.h>

static struct url_cache cache;
static char room[CONTENT_HOSTS_MAX * URL_HOST_MAX];
static struct url found[CONTENT_HOSTS_MAX];
static char normal[5000];

static uint32_t find(const char *text)
{
    static uint16_t from[5001];
    struct norm n = { .text = normal, .from = from, .size = 4096 };
    size_t used;
    norm_run(&n, text, strlen(text));
    normal[n.len] = 0;
    return urls_find(&cache, &n, text, found, CONTENT_HOSTS_MAX, room, &used);
}

static void check(const char *text, const char *host, const char *domain)
{
    if (find(text) != 1)
        fail_msg("\"%s\": no link", text);
    assert_string_equal(found[0].host.ptr, host);
    assert_int_equal(found[0].host.len, strlen(host));
    assert_string_equal(found[0].host.ptr + found[0].host.base, domain);
}

static void test_links(void **state)
{
    (void)state;
    check("see https://www.Example.co.uk/a?b now", "www.example.co.uk", "example.co.uk");
    check("www.shop.example.de", "www.shop.example.de", "example.de");
    check("login-bank.com", "login-bank.com", "login-bank.com");
    check("pay at secure.pay.xyz.", "secure.pay.xyz", "pay.xyz");
    check("track: parcel.example.bzh/x1", "parcel.example.bzh", "example.bzh");
    check("http://10.1.2.3/x", "10.1.2.3", "10.1.2.3");
    check("http://intra.local8/x", "intra.local8", "intra.local8");
    check("(bit.ly/3xYz)", "bit.ly", "bit.ly");
    assert_int_equal(found[0].host.is_shortener, 1);
    check("https://user.github.io:8443/", "user.github.io", "user.github.io");
    assert_int_equal(found[0].host.is_shortener, 0);
}

static void test_no_links(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",       ".",        "...",    "Ok.so what", "end.The next", "joe@example.com",
        "3.50",   "10.1.2.3", "v1.2.3", "e.g. this",  "call me.now",  "a.b.c",
        "at.7pm", "12.30.",   "-.-",    "http://",    "www.",         "see.it",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        if (find(texts[i]) != 0)
            fail_msg("\"%s\" is no link to %s", texts[i], found[0].host.ptr);
}

static void test_hidden_hosts(void **state)
{
    (void)state;
    check("go to evil [.] com now", "evil.com", "evil.com");
    assert_int_equal(found[0].host.is_obfuscated, 1);
    check("hxxps://evil.example.com/", "evil.example.com", "example.com");
    assert_int_equal(found[0].host.is_obfuscated, 1);
    check("evil dot com", "evil.com", "evil.com");
    assert_int_equal(found[0].host.is_obfuscated, 1);
    check("http://evil.com", "evil.com", "evil.com");
    assert_int_equal(found[0].host.is_obfuscated, 0);
    check("http://ev\xe2\x80\x8bil.com", "evil.com", "evil.com");
    check("http://ｅｖｉｌ.com", "evil.com", "evil.com");
}

static void test_punycode(void **state)
{
    (void)state;
    check("http://bücher.example.com/", "xn--bcher-kva.example.com", "example.com");
    check("http://пример.рф/", "xn--e1afmkfd.xn--p1ai", "xn--e1afmkfd.xn--p1ai");
    assert_int_equal(found[0].host.is_obfuscated, 0);
    /* taken for apple.com, opens another */
    check("http://аpple.com/", "xn--pple-43d.com", "xn--pple-43d.com");
    assert_int_equal(found[0].host.is_obfuscated, 1);
    assert_non_null(strstr(normal, "apple.com"));
    check("http://XN--E1AFMKFD.com/", "xn--e1afmkfd.com", "xn--e1afmkfd.com");
    /* RFC 3492, section 7.1: (A), (B) and (L) */
    static const struct {
        uint32_t points[20];
        size_t n;
        const char *puny;
    } rows[] = {
        { { 0x644, 0x64a, 0x647, 0x645, 0x627, 0x628, 0x62a, 0x643, 0x644, 0x645, 0x648, 0x634,
            0x639, 0x631, 0x628, 0x64a, 0x61f },
          17,
          "xn--egbpdaj6bu4bxfgehfvwxn" },
        { { 0x4ed6, 0x4eec, 0x4e3a, 0x4ec0, 0x4e48, 0x4e0d, 0x8bf4, 0x4e2d, 0x6587 },
          9,
          "xn--ihqwcrb4cv8a8dqg056pqjye" },
        { { '3', 0x5e74, 'b', 0x7d44, 0x91d1, 0x516b, 0x5148, 0x751f },
          8,
          "xn--3b-ww4c5e180e575a65lsy2b" },
    };
    char out[URL_HOST_MAX];
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        assert_int_equal(puny_host(rows[i].points, rows[i].n, out, sizeof out),
                         strlen(rows[i].puny));
        assert_string_equal(out, rows[i].puny);
    }
}

static void test_bounds(void **state)
{
    (void)state;
    char text[4200];
    uint32_t points[100];
    char out[URL_HOST_MAX];
    assert_int_equal(find("http://a.com http://b.com http://c.com http://d.com http://e.com"),
                     CONTENT_HOSTS_MAX);
    memset(text, 'a', sizeof text);
    memcpy(text, "http://", 7);
    for (size_t i = 10; i < 4100; i += 4)
        text[i] = '.';
    text[4190] = 0;
    assert_int_equal(find(text), 0);
    for (size_t i = 0; i < 100; i++)
        points[i] = 0x4e00 + (uint32_t)i;
    assert_int_equal(puny_host(points, 64, out, sizeof out), 0);
    assert_int_equal(puny_host(points, 60, out, sizeof out), 0);
    assert_int_equal(puny_host(points, 5, out, 5), 0);
    points[1] = points[2] = '.';
    assert_int_equal(puny_host(points, 5, out, sizeof out), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_links),        cmocka_unit_test(test_no_links),
        cmocka_unit_test(test_hidden_hosts), cmocka_unit_test(test_punycode),
        cmocka_unit_test(test_bounds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
